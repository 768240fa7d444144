"""`aaot-eval report`: the page again, from a run's own released tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aaot_eval.cli._options import Json, Quiet, RunFolderPath, Verbose, answer


def report(
    run: RunFolderPath,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Where the page goes; default: <run>.html in this folder.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw a run's report again; fit nothing."""
    from aaot_eval.errors import InputError, Problem
    from aaot_eval.report import build_report, render_html
    from aaot_eval.run_folder import read_run

    found = read_run(run)
    page = render_html(build_report(found.release()))
    target = to or Path(f"{found.path.resolve().parent.name}_{found.path.resolve().name}.html")
    try:
        target.write_text(page, encoding="utf-8", newline="\n")
    except OSError as fault:
        raise InputError(Problem("C130", f"{target} cannot be written: {fault.strerror}", do="give another file with --to")) from None
    answer(str(target), {"report": str(target), "run": str(found.path)}, as_json)
