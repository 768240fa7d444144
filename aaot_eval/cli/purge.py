"""`aaot-eval purge`: person-level copies that are no longer needed are listed, and deleted when asked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aaot_eval.cli._options import Json, answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aaot_eval.run_folder import PersonCopy


def purge(
    place: Annotated[
        Path,
        typer.Argument(
            metavar="PLACE", help="A study's .toml file or folder, a run, or a folder of studies.", show_default=False
        ),
    ],
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="90d, 12w or 1y; 0d for everything.", show_default=False)
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Delete them; without it they are listed only.")] = False,
    as_json: Json = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name each copy.")] = False,
) -> None:
    """List, and with --yes delete, old copies of people's rows.

    Those are restricted/ of runs, tables kept from reading, and what a
    killed run left. release/ and the records of a run are never touched.
    """
    from contextlib import ExitStack

    from aaot_eval.run_folder import StudyFolder, age_of, delete_copies, person_copies

    now = datetime.now(UTC)
    age = age_of(older_than)
    studies, work = _places(place)
    if not yes:
        _tell(person_copies(studies, work, now, age), older_than, deleted=False, as_json=as_json, verbose=verbose)
        return
    with ExitStack() as locks:
        for study in dict.fromkeys(s.parent if (s / "manifest.json").is_file() else s for s in studies):
            if StudyFolder(study).was_used():
                locks.enter_context(StudyFolder(study).hold())
        copies = person_copies(studies, work, now, age)
        delete_copies(copies, now)
    _tell(copies, older_than, deleted=True, as_json=as_json, verbose=verbose)


def _places(place: Path) -> tuple[list[Path], list[Path]]:
    """The studies (or the one run) that a place names, and further folders that engines may have worked in."""
    from aaot_eval.errors import InputError, Problem

    if place.is_file() and place.suffix.lower() == ".toml":
        from aaot_eval.config import load_config

        config = load_config(place)
        work = (
            [config.path(config.output.work), config.path(config.output.work) / config.name]
            if config.output.work
            else []
        )
        runs = config.path(config.output.runs)
        return [runs / config.name], [*work, runs, config.home]
    if not place.is_dir():
        raise InputError(
            Problem(
                "C221",
                f"there is no study, run or folder {place}",
                do="name a .toml file, or a folder that `aaot-eval analyze` printed",
            )
        )
    if any((place / name).exists() for name in ("manifest.json", "index.csv", "latest.txt")):
        return [place], []
    studies = sorted(
        {p.parent for p in place.glob("*/index.csv")} | {p.parent.parent for p in place.glob("*/*/manifest.json")}
    )
    return (studies or [place]), [place]


def _tell(copies: Sequence[PersonCopy], older_than: str, *, deleted: bool, as_json: bool, verbose: bool) -> None:
    from aaot_eval.errors import counted

    size = sum(c.bytes for c in copies)
    lines = [f"{c.modified:%Y-%m-%d}  {c.kind:<10}  {_size(c.bytes):>9}  {c.path}" for c in copies if verbose]
    if not verbose:
        for kind in dict.fromkeys(c.kind for c in copies):
            same = [c for c in copies if c.kind == kind]
            lines.append(
                f"{kind:<10}  {counted(len(same), 'copy', 'copies'):>11}  {_size(sum(c.bytes for c in same)):>9}"
            )
    told = f"{counted(len(copies), 'copy', 'copies')}, {_size(size)}"
    if not copies:
        lines = [f"There is no copy of people's rows older than {older_than}."]
    elif deleted:
        lines.append(f"Deleted: {told}. What may leave, release/, is untouched.")
    else:
        them = "it" if len(copies) == 1 else "them"
        lines.append(f"{told}. Nothing was deleted; --yes deletes {them}, -v names each.")
    if any(c.kind == "restricted" for c in copies):
        lines += [
            "With restricted/ go a run's counts by site and month: no later run can be",
            "compared with it for months that changed or were lost.",
        ]
    document = {
        "older_than": older_than,
        "deleted": deleted and bool(copies),
        "copies": [
            {"path": str(c.path), "kind": c.kind, "date": f"{c.modified:%Y-%m-%d}", "files": c.files, "kilobytes": _kilobytes(c.bytes)}
            for c in copies
        ],
    }  # fmt: skip
    answer("\n".join(lines), document, as_json)


def _kilobytes(size: int) -> int:
    return -(-size // 1000)


def _size(size: int) -> str:
    return f"{_kilobytes(size):,} kB"
