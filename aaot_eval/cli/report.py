"""`aaot-eval report`: the page again, from a run's own released tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aaot_eval.cli._endings import problem_lines
from aaot_eval.cli._options import Json, Quiet, RunFolderPath, Verbose, answer


def report(
    run: RunFolderPath,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Where the page goes; default: <run>.html in this folder."),
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
    unless --unverified.
    """
    from aaot_eval.errors import InputError, Problem, UsageError, VerifyMismatchError
    from aaot_eval.report import build_report, render_html
    from aaot_eval.run_folder import differing_files, read_run

    found = read_run(run)
    target = to or Path(f"{found.path.resolve().parent.name}_{found.path.resolve().name}.html")
    if any((folder / "manifest.json").exists() for folder in target.resolve().parents):
        raise UsageError(
            Problem(
                "U008",
                f"{target} lies inside a run folder, which is never written to again",
                do="give a place outside with --to",
            )
        )
    changed = differing_files(found)
    if changed and not unverified:
        raise VerifyMismatchError(
            *changed, Problem("V630", "no page is drawn from a changed run", do="rerun, or add --unverified")
        )
    if changed:
        lines = [line for problem in changed for line in problem_lines(problem)]
        typer.echo("\n".join([*lines, "Warning: drawn with --unverified from a run that was changed."]), err=True)
    page = render_html(build_report(found.release()))
    try:
        target.write_text(page, encoding="utf-8", newline="\n")
    except OSError as fault:
        raise InputError(
            Problem("C130", f"{target} cannot be written: {fault.strerror}", do="give another file with --to")
        ) from None
    answer(str(target), {"report": str(target), "run": str(found.path), "verified": not changed}, as_json)
