"""`aaot-eval report`: the page again, its first page for a mail, a reporting checklist or one figure, from a run's own released tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aaot_eval.cli._endings import problem_lines
from aaot_eval.cli._options import Json, Quiet, RunFolderPath, Verbose, answer, wrapped
from aaot_eval.cli._out import put

if TYPE_CHECKING:
    from aaot_eval.report.blocks import Report
    from aaot_eval.results import Release

#: What is written, by file, and what is said of it.
Written = tuple[dict[Path, bytes], dict[str, Any]]


def report(
    run: RunFolderPath,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Where it goes; default: <run>.html in this folder."),
    ] = None,
    only: Annotated[
        Literal["checklist", "figure", "summary"] | None,
        typer.Option(
            "--only",
            help="A reporting checklist, or one figure with its table, which: --which; or the first page for a mail.",
        ),
    ] = None,
    which: Annotated[
        str | None,
        typer.Option(
            "--which", metavar="NAME", help="record, cheers, strobe, tidier, its or epoc; or a figure's name."
        ),
    ] = None,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Draw it although files of the run were changed.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw a run's report again; fit nothing.

    A run whose files are not what its manifest says is refused (exit 7)
    unless --unverified. A checklist is written as a page, as Markdown or as
    CSV, by the ending of --to; a summary as a page and as plain text.
    """
    from aaot_eval.errors import Problem, UsageError, VerifyMismatchError
    from aaot_eval.run_folder import differing_files, read_run

    if (only in ("checklist", "figure")) != bool(which):
        raise UsageError(
            Problem("U016", "--which says which checklist or figure, and goes with --only of these alone",
                    allowed="--only checklist --which record; --only figure --which forest; --only summary",
                    do="give both, or neither for the whole report")
        )  # fmt: skip
    found = read_run(run)
    base = f"{found.path.resolve().parent.name}_{found.path.resolve().name}"
    place = to or Path(base)
    if any((folder / "manifest.json").exists() for folder in place.resolve().parents):
        raise UsageError(
            Problem(
                "U008",
                f"{place} lies inside a run folder, which is never written to again",
                do="give a place outside with --to",
            )
        )
    changed = differing_files(found)
    if changed and not unverified:
        raise VerifyMismatchError(
            *changed,
            Problem("V630", "no page is drawn from a changed run", do="run again with --force, or add --unverified"),
        )
    if changed:
        lines = [line for problem in changed for line in problem_lines(problem)]
        typer.echo("\n".join([*lines, "Warning: drawn with --unverified from a run that was changed."]), err=True)
    release = found.release()
    if only == "checklist":
        files, about = _checklist(release, str(which), to, base)
    elif only == "figure":
        files, about = _figure(release, str(which), to, base)
    elif only == "summary":
        files, about = _summary(release, to, base)
    else:
        files, about = _page(release, to, base)
    put(files, "give another file with --to")
    said = about.pop("said", "")
    if said and not (quiet or as_json):
        typer.echo(wrapped(said), err=True)
    document = {"report": str(next(iter(files))), "run": str(found.path), "verified": not changed, **about}
    answer("\n".join(map(str, files)), document, as_json)


def _page(release: Release, to: Path | None, base: str) -> Written:
    """The whole report."""
    from aaot_eval.report import build_report, render_html

    return {to or Path(f"{base}.html"): render_html(build_report(release)).encode("utf-8")}, {}


def _checklist(release: Release, which: str, to: Path | None, base: str) -> Written:
    """A checklist, in the form that the ending of the file asks for."""
    from aaot_eval.disclosure import csv_text
    from aaot_eval.report import (
        CHECKLISTS,
        checklist_report,
        checklist_rows,
        render_html,
        render_markdown,
        states_counted,
    )

    if which not in CHECKLISTS:
        raise _not_there("checklist", which, list(CHECKLISTS))
    target = to or Path(f"{base}_{which}.html")
    rows = checklist_rows(release, which)
    if target.suffix.lower() == ".csv":
        text = csv_text(rows)
    else:
        render = render_markdown if target.suffix.lower() == ".md" else render_html
        text = render(checklist_report(release, which))
    found = states_counted(rows)
    said = ", ".join(f"{n} {state}" for state, n in found.items())
    about = {"checklist": which, "items": {state.replace(" ", "_"): n for state, n in found.items()}}
    return {target: text.encode("utf-8")}, {**about, "said": f"{CHECKLISTS[which].title}, {len(rows)} items: {said}."}


def _figure(release: Release, which: str, to: Path | None, base: str) -> Written:
    """A figure as the profile lets it out, and the released table behind it, whole."""
    from aaot_eval.disclosure import csv_text
    from aaot_eval.report import build_report, figure_files

    built: Report = build_report(release)
    drawn = {Path(name).stem: (Path(name).suffix, content) for name, content in figure_files(built).items()}
    if which not in drawn:
        raise _not_there("figure", which, sorted(drawn))
    kind, content = drawn[which]
    table = next(chart.table.name for chart in built.charts() if chart.name == which)
    target = to.with_suffix(kind) if to else Path(f"{base}_{which}{kind}")
    beside = target.with_suffix(".csv")
    return {target: content, beside: csv_text(release.tables[table]).encode("utf-8")}, {
        "figure": which,
        "table": str(beside),
    }


def _summary(release: Release, to: Path | None, base: str) -> Written:
    """The first page for a mail, and its plain text beside it."""
    from aaot_eval.report import build_report, summary_html, summary_text

    built = build_report(release)
    target = (to or Path(f"{base}_summary.html")).with_suffix(".html")
    beside = target.with_suffix(".txt")
    return {target: summary_html(built).encode("utf-8"), beside: summary_text(built).encode("utf-8")}, {
        "text": str(beside)
    }


def _not_there(what: str, which: str, names: list[str]) -> Exception:
    from aaot_eval.errors import Problem, UsageError

    return UsageError(
        Problem("U016", f"there is no {what} {which!r} of this run", allowed=", ".join(names) or "none was drawn",
                do="name one of them with --which")
    )  # fmt: skip
