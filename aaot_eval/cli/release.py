"""`aaot-eval release`: what may leave of a run, in a folder of its own, with a list for the output checker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aaot_eval.cli._options import Json, Quiet, RunFolderPath, Verbose, answer, wrapped


def release(
    run: RunFolderPath,
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="The folder to make; it must not exist.", show_default=False)
    ],
    crate: Annotated[
        bool, typer.Option("--crate", help="Add ro-crate-metadata.json: the folder is an RO-Crate then.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="TEXT", help="Address or words of the licence of the results.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Pack what may leave of a run, for the output checker.

    The folder holds release/, and the config and record as they may leave, with
    a list of what each file is and what is hidden in it (files.csv). Refused are
    a run whose files are not what its manifest says (exit 7), and one with
    anything that may not leave under its disclosure profile (exit 6).
    """
    from aaot_eval.disclosure import csv_text
    from aaot_eval.errors import InputError, Problem, UsageError, VerifyMismatchError, counted
    from aaot_eval.outgoing import look_through
    from aaot_eval.run_folder import Leaving, differing_files, read_run, released_files, seal_problems, write_release

    found = read_run(run)
    if found.manifest.get("released"):
        raise InputError(
            Problem(
                "V605", f"{found.path} is a release already", do="copy the folder, or name the run it was made from"
            )
        )
    above = to.resolve().parents
    if any((folder / "manifest.json").exists() for folder in above) or (above[0] / "index.csv").exists():
        raise UsageError(
            Problem(
                "U008", f"{to} lies among runs, which are never written to again", do="give a place outside with --to"
            )
        )
    changed = differing_files(found) or seal_problems(found)
    if changed:
        raise VerifyMismatchError(
            *changed, Problem("V630", "nothing is released of a changed run", do="run again with --force, then release")
        )
    files, controlled = released_files(found), found.release()
    looked = look_through(
        {name.removeprefix("release/"): content for name, content in files.items()},
        profile=str(controlled.profile),
        national=bool((controlled.meta.get("disclosure") or {}).get("national")),
    )
    leaving = [Leaving(f"release/{e.path}", e.what, e.rows, e.smallest, e.hidden) for e in looked]
    write_release(found, controlled, files, leaving, to, as_csv=csv_text, licence=licence, crate=crate)
    hidden = sum(sum(e.hidden.values()) for e in looked if e.path.endswith(".csv"))
    smallest = min((e.smallest for e in looked if e.smallest is not None), default=None)
    if not (quiet or as_json):
        told = (
            f"{counted(len(files), 'file')} of results, disclosure profile {controlled.profile}: {counted(hidden, 'hidden cell')}, "
            f"smallest count {'none' if smallest is None else smallest}. For the output checker: README.txt and files.csv."
        )
        typer.echo(wrapped(told), err=True)
    document = {
        "release": str(to),
        "run": str(found.path),
        "profile": controlled.profile,
        "files": len(files),
        "hidden_cells": hidden,
        "smallest_count": smallest,
        "crate": crate,
    }
    answer(str(to), document, as_json)
