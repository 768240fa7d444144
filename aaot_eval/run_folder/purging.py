"""Person-level copies that a study keeps, by age: listed, and deleted when asked. What may leave is never touched."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from aaot_eval.engine.kept import is_part
from aaot_eval.errors import InputError, Problem, UsageError
from aaot_eval.run_folder.files import replace_text
from aaot_eval.run_folder.reading import PURGED, RunFolder
from aaot_eval.run_folder.study import CACHE, PARTIAL, WORK

Kind = Literal["restricted", "cache", "left over"]
#: The days in each letter that an age can be written with.
DAYS = {"d": 1, "w": 7, "y": 365}
MOST_DAYS = 36_500
YOUNGEST = timedelta(days=1)
RUN_NAME = re.compile(r"[A-Za-z0-9-]+_[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class PersonCopy:
    """One folder or file that holds rows of people, or exact counts of few: what it is, how old and how large.

    `run` is the folder of the run it belongs to; None for what no single run owns.
    """

    path: Path
    kind: Kind
    modified: datetime
    files: int
    bytes: int
    run: Path | None = None


def age_of(text: str) -> timedelta:
    """ "90d", "12w" or "1y" as a span of time. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,5})([dwy])", text.strip().lower())
    days = int(found[1]) * DAYS[found[2]] if found else MOST_DAYS + 1
    if days > MOST_DAYS:
        raise UsageError(
            Problem(
                "U020",
                "--older-than is not an age",
                allowed="90d, 12w or 1y; 0d for everything",
                do="write a number and d, w or y",
            )
        )
    return timedelta(days=days)


def person_copies(studies: Sequence[Path], work: Sequence[Path], now: datetime, age: timedelta) -> list[PersonCopy]:
    """Every person-level copy of some studies, and of their work folders, of at least that age; the oldest first.

    A run's `restricted/` is as old as the run (`manifest.json`), an entry of the cache as old as its last use, what a killed
    run left as old as its last change and never younger than a day, for a command under way may still need it. Files of others, also in a
    folder called `cache`, are none of them.
    """
    found = [copy for study in dict.fromkeys(studies) for copy in _of_study(study)]
    found += [copy for folder in dict.fromkeys([*studies, *work]) for copy in _of_work(folder)]
    old = {c.path: c for c in found if c.modified <= now - (max(age, YOUNGEST) if c.kind == "left over" else age)}
    return sorted(old.values(), key=lambda c: (c.modified, c.path.as_posix()))


def _of_study(study: Path) -> Iterator[PersonCopy]:
    found = [study] if (study / "manifest.json").is_file() else sorted(p.parent for p in study.glob("*/manifest.json"))
    for run in filter(_is_run, found):
        if (run / "restricted").is_dir():
            yield _copy(run / "restricted", "restricted", _finished(run), run)


def _is_run(folder: Path) -> bool:
    """Whether a folder with a manifest is a run: by its record, or by its name where that cannot be read."""
    try:
        RunFolder.read(folder)
    except InputError:
        return bool(RUN_NAME.fullmatch(folder.name))
    return True


def _of_work(folder: Path) -> Iterator[PersonCopy]:
    for path in sorted(filter(is_part, (folder / CACHE).glob("*"))):
        yield _copy(path, "cache", _changed(path))
    for pattern in (f"{WORK}*", f"{PARTIAL}*"):
        for path in sorted(p for p in folder.glob(pattern) if p.is_dir()):
            yield _copy(path, "left over", max((_changed(p) for p in (path, *path.rglob("*"))), default=_changed(path)))


def _copy(path: Path, kind: Kind, modified: datetime, run: Path | None = None) -> PersonCopy:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return PersonCopy(path, kind, modified, len(files), sum(p.stat().st_size for p in files), run)


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _finished(run: Path) -> datetime:
    """When a run ended; of one whose manifest cannot be read, when that file was last changed."""
    try:
        when = datetime.fromisoformat(str(RunFolder.read(run).manifest["times"]["finished"]))
    except (InputError, ValueError):
        return _changed(run / "manifest.json")
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def delete_copies(copies: Sequence[PersonCopy], now: datetime) -> None:
    """Delete them; each run's folder keeps `purged.json`, which says what was there. InputError (C222) for what stays."""
    problems = []
    for copy in copies:
        try:
            if copy.run is not None:
                _record(copy.run, now)
            shutil.rmtree(copy.path) if copy.path.is_dir() else copy.path.unlink(missing_ok=True)
        except OSError as fault:
            problems.append(
                Problem("C222", f"{copy.path} could not be deleted: {fault.strerror or type(fault).__name__}",
                        do="close what holds it open, or ask for the right to delete there; then purge again")
            )  # fmt: skip
    if problems:
        raise InputError(*problems)


def _record(run: Path, now: datetime) -> None:
    """Say in the run's folder what is deleted, before it is: a run that was cut short still explains itself."""
    there = sorted(p for p in (run / "restricted").rglob("*") if p.is_file())
    names = {p.relative_to(run).as_posix() for p in there}
    document: dict[str, Any] = {
        "purged": now.isoformat(timespec="seconds"),
        "files": sorted(names | set(_recorded(run))),
    }
    replace_text(run / PURGED, json.dumps(document, indent=1, ensure_ascii=True) + "\n")


def _recorded(run: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads((run / PURGED).read_text("utf-8"))["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
