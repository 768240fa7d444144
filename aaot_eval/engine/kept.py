"""Files already read, kept by their content: a monthly file costs the month, not the history.

An entry is the typed rows of one file as Parquet, its rejects, and a note of what reading it gave. Its name is a hash of all that
reading depends on, so that nothing is ever out of date; its bytes are hashed in the note, so that a damaged entry is seen and made
again. Entries hold rows of people: owner-only, without anybody who opted out, deleted by `purge`, the longest unused first when
they are too many.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from aaot_eval.engine import moving
from aaot_eval.engine.files import Dialect

# Raise it when what an entry holds changes.
GENERATION = 3
ROWS, REJECTS, NOTE = ".rows.parquet", ".rejects.parquet", ".json"
# What a part of an entry is called; whatever else lies in the folder is somebody else's.
PART = re.compile(
    rf"[0-9a-f]{{12}}-[0-9a-f]{{12}}-[0-9a-f]{{40}}({re.escape(ROWS)}|{re.escape(REJECTS)}|{re.escape(NOTE)})"
)
# What a file is that has been read before; its bytes need not be looked at again.
OF_A_FILE = (
    "kind",
    "bytes",
    "sha256",
    "header",
    "delimiter",
    "encoding",
    "lines",
    "blank",
    "quotes",
    "sheet",
    "unworked",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One file's entry: `note` says what reading gave when it is held, and is empty when the file still has to be read."""

    folder: Path
    staging: Path
    key: str
    note: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> Path:
        """Where the rows are, or go."""
        return (self.folder if self.note else self.staging) / f"{self.key}{ROWS}"

    @property
    def rejects(self) -> Path:
        """Where the rejects are, or go; there is no such file when nothing was rejected."""
        return (self.folder if self.note else self.staging) / f"{self.key}{REJECTS}"

    def dialect(self, path: Path) -> Dialect:
        """What was found out about the file when it was read."""
        found = dict(self.note["file"])
        unworked = {int(place): tuple(cells) for place, cells in found["unworked"].items()}
        return Dialect(path=path, **found | {"header": tuple(found["header"]), "unworked": unworked})

    def write_note(self, file: Dialect, report: Mapping[str, Any]) -> None:
        """The last part of a new entry: it does not count without."""
        held = {p.name.removeprefix(self.key): content_hash(p) for p in (self.rows, self.rejects) if p.is_file()}
        document = {"file": {n: getattr(file, n) for n in OF_A_FILE}, "report": dict(report), "parts": held}
        (self.staging / f"{self.key}{NOTE}").write_text(
            json.dumps(document, ensure_ascii=True) + "\n", encoding="utf-8", newline="\n"
        )


class KeptReadings:
    """The entries of one work folder. New ones lie in `staging` until `keep`, so that a run that refuses leaves none.

    With `add=False` entries are taken, and nothing in the folder is added, marked or deleted.
    """

    def __init__(self, folder: Path, staging: Path, *, owner: str, limit: int, add: bool = True) -> None:
        self.folder, self.staging, self.owner, self.limit, self.add = folder, staging, owner, limit, add
        self._used: set[str] = set()

    def entry(self, path: Path, depends: Mapping[str, Any], under: str) -> Kept:
        """The entry of a file; `depends` is all that its rows depend on beside its bytes, `under` a mark of who opted out and of the secret."""
        asked = json.dumps(
            [GENERATION, path.suffix.lower(), content_hash(path), under, dict(depends)],
            sort_keys=True,
            ensure_ascii=True,
        )
        key = f"{_short(self.owner)}-{_short(under)}-{hashlib.sha256(asked.encode()).hexdigest()[:40]}"
        self._used.add(key)
        return Kept(self.folder, self.staging, key, self._sound_note(key))

    def _sound_note(self, key: str) -> dict[str, Any]:
        """The note of an entry whose parts are as they were written; an entry that is not is deleted."""
        try:
            note = json.loads((self.folder / f"{key}{NOTE}").read_text("utf-8"))
            sound = all(_digest(self.folder / f"{key}{part}") == was for part, was in note["parts"].items())
            if sound and ROWS in note["parts"] and {"file", "report"} <= note.keys():
                return dict(note)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            sound = False
        self._delete(key)
        return {}

    def forget_others(self, under: str) -> None:
        """Delete the study's entries made with another list of people who opted out, for they may hold rows of theirs, and those under
        another secret or none, for their keys are not to be kept."""
        ours, now = f"{_short(self.owner)}-", f"{_short(self.owner)}-{_short(under)}-"
        for path in self.folder.glob(f"{ours}*") if self.add else ():
            if not path.name.startswith(now):
                path.unlink(missing_ok=True)

    def keep(self) -> None:
        """Move new entries in, mark those used, and delete the longest unused above the limit. What cannot be kept is not."""
        if not self.add:
            return
        with suppress(OSError):
            if self.staging.is_dir():
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                # The note last: an entry without it is none.
                for path in sorted(self.staging.iterdir(), key=lambda p: p.name.endswith(NOTE)):
                    path.chmod(0o600)
                    moving.replace(path, self.folder / path.name)
            for key in self._used:
                for path in self.folder.glob(f"{key}.*"):
                    os.utime(path)
            self._trim()

    def _trim(self) -> None:
        sizes: dict[str, int] = {}
        last: dict[str, float] = {}
        for path in filter(is_part, self.folder.iterdir()):
            key = path.name.split(".", 1)[0]
            stat = path.stat()
            sizes[key] = sizes.get(key, 0) + stat.st_size
            last[key] = max(last.get(key, 0.0), stat.st_mtime)
        total = sum(sizes.values())
        for key in sorted(sizes, key=lambda k: (k in self._used, last[k], k)):
            if total <= self.limit:
                return
            self._delete(key)
            total -= sizes[key]

    def _delete(self, key: str) -> None:
        for path in self.folder.glob(f"{key}.*") if self.add else ():
            with suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Let go of entries that were not kept."""
        shutil.rmtree(self.staging, ignore_errors=True)


def is_part(path: Path) -> bool:
    """Whether a file is a part of an entry, by its name."""
    return bool(PART.fullmatch(path.name)) and path.is_file()


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=4096)
def _digest_of(path: Path, size: int, changed: int) -> str:
    return _digest(path)


def content_hash(path: Path) -> str:
    """The SHA-256 of a file, worked out once in a process for a file that has not changed its size or time."""
    stat = path.stat()
    return _digest_of(path, stat.st_size, stat.st_mtime_ns)


def plain(report: Any) -> dict[str, Any]:
    """A report of reading as JSON holds it."""
    return {f.name: getattr(report, f.name) for f in fields(report)}
