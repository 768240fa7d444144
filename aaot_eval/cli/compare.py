"""`aaot-eval compare`: what differs between two runs, from what went in to what came out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aaot_eval.cli._options import Json, Quiet, Verbose, answer, wrapped

if TYPE_CHECKING:
    from aaot_eval.run_folder import Change, Comparison, RunFolder

HEADINGS = {
    "inputs": "Inputs",
    "settings": "Settings",
    "versions": "Versions",
    "plan": "Sealed plan",
    "flow": "Rows kept at each step",
    "findings": "Findings",
    "estimates": "Estimates",
    "headline": "Answers",
}
#: Letters of a content's hash, which says nothing to people; --json has it.
SHA256 = 64


def compare(
    earlier: Annotated[
        Path,
        typer.Argument(
            metavar="EARLIER",
            help="The earlier run folder. Alone: a run or study folder, put beside the run before it.",
            show_default=False,
        ),
    ],
    later: Annotated[
        Path | None, typer.Argument(metavar="LATER", help="The run folder to put beside it.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Say too how much came from what, with the study run again; where the paths in its config start.",
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say what differs between two runs.

    A run whose files are not what its manifest says is refused (exit 7).
    Differences are no error (exit 0). --verbose lists every estimate.
    """
    from aaot_eval.cli._parts import document as parts_document
    from aaot_eval.cli._parts import lines, parts
    from aaot_eval.console import Terminal
    from aaot_eval.errors import VerifyMismatchError
    from aaot_eval.run_folder import compare_runs, differing_files, read_run

    runs = _last_two(earlier) if later is None else (read_run(earlier), read_run(later))
    for run in runs:
        changed = differing_files(run)
        if changed:
            raise VerifyMismatchError(*(replace(problem, where=str(run.path)) for problem in changed))
    found = compare_runs(*runs)
    moved = parts(found, data, Terminal(quiet=quiet or as_json, verbose=verbose)) if data else None
    document: dict[str, Any] = {
        "earlier": str(found.earlier.path),
        "later": str(found.later.path),
        "data_cut": {"then": found.earlier.manifest["data_cut"], "now": found.later.manifest["data_cut"]},
        "changed": {
            kind: [{"what": c.what, "then": c.then, "now": c.now} for c in changes]
            for kind, changes in found.changes.items()
        },
        "read_as": _read_as(found),
        "moved": moved and parts_document(moved),
    }
    text = _lines(found, verbose=verbose, why=moved is None)
    if moved:
        text += lines(moved, (document["data_cut"]["then"], document["data_cut"]["now"]))
    answer("\n".join(text), document, as_json)


def _last_two(study: Path) -> tuple[RunFolder, RunFolder]:
    """A run, or the one that `latest.txt` of a study's folder names, and the one before it in the data it holds, then in time."""
    from aaot_eval.errors import InputError, Problem
    from aaot_eval.run_folder import StudyFolder, read_run

    latest = read_run(study)
    before = StudyFolder(latest.path.parent).before(latest)
    if before is None:
        raise InputError(
            Problem("V640", "there is no second run to compare with", where=str(study),
                    allowed="two run folders, or one of a study with an earlier run",
                    do="name both run folders, the earlier first")
        )  # fmt: skip
    return before, latest


def _lines(found: Comparison, *, verbose: bool, why: bool) -> list[str]:
    """For people: one paragraph for each kind of difference, and with `why` what may be concluded."""
    runs = (found.earlier, found.later)
    lines = [f"{word} {run.path.name}, data to {run.manifest['data_cut']}" for word, run in zip(("Then:", "Now: "), runs, strict=True)]  # fmt: skip
    for kind, heading in HEADINGS.items():
        changes = found.changes[kind]
        if kind == "plan" and not changes:
            continue
        shown = [c for c in changes if verbose or kind != "estimates" or c.what.startswith("primary")]
        left = len(changes) - len(shown)
        lines += ["", f"{heading}: {'unchanged' if not changes else len(changes)}"]
        lines += [line for change in shown for line in _change(change)]
        lines += [f"  and {left} not primary; --verbose lists them"] if left else []
    return [*lines, "", wrapped(_read_as(found))] if why else lines


def _change(change: Change) -> list[str]:
    """What differs, with both sides below where they are no hashes."""
    sides = [("then", change.then), ("now", change.now)]
    if change.then is None or change.now is None:
        change_is, side = ("new", change.now) if change.then is None else ("gone", change.then)
        lines = [wrapped(f"  {change_is}: {change.what}")]
        sides = [("", side)]
    else:
        lines = [wrapped(f"  {change.what}")]
    for word, text in sides:
        if text and len(text) != SHA256:
            lines.append(wrapped(f"    {word + ': ' if word else ''}{text}", " " * 6))
        elif text and word == "now":
            lines.append("    other content")
    return lines


def _read_as(found: Comparison) -> str:
    """What may be concluded on why results differ."""
    results = any(found.changes[kind] for kind in ("flow", "estimates", "headline"))
    if not results:
        return "No result differs."
    if not found.causes:
        return "Results differ though inputs, settings and versions are the same: compare the two logs, and report it."
    if len(found.causes) == 1:
        return f"Only the {found.causes[0]} differ: what differs in the results is due to them."
    return (
        f"{' and '.join([', '.join(found.causes[:-1]), found.causes[-1]]).capitalize()} differ: what is due to which cannot be told from "
        f"two runs. With --data FOLDER the study is run again with one thing exchanged at a time. "
        f"`aaot-eval verify {found.earlier.path} --data FOLDER` repeats the earlier run with the version that runs now."
    )
