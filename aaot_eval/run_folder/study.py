"""`runs/<name>`: the runs of one study, the lock, the pointer to the last run."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aaot_eval.engine import moving
from aaot_eval.errors import InputError, LockedError, Problem
from aaot_eval.results import Vintage
from aaot_eval.run_folder.files import replace, replace_text
from aaot_eval.run_folder.fingerprint import Fingerprint
from aaot_eval.run_folder.reading import RunFolder

PARTIAL = ".partial_"
# A finished run put aside while the same run, made again, takes its place; its name, then the process, follow.
ASIDE = f"{PARTIAL}old_"
# Small files on their way to their place.
ON_THE_WAY = (".write_test_*", ".latest.txt_*", ".index.csv_*", ".plan_log.txt_*")
# Spill files of a run under way, and the tables already read that the next run need not read again.
WORK, CACHE = ".work_", "cache"
LATEST = "latest.txt"


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """`runs/<name>`: the runs of one study, a text pointer to the last one, and one index line per run."""

    path: Path

    @classmethod
    def open(cls, runs: Path, name: str) -> StudyFolder:
        """The folder of a study, made when it is not there; InputError when nothing can be written to it."""
        folder = runs / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".write_test_{os.getpid()}"
            probe.write_bytes(b"")
            moving.remove(probe)
        except OSError as fault:
            raise InputError(
                Problem("C130", f"nothing can be written to {folder}: {fault.strerror or type(fault).__name__}",
                        do="give another folder with --out, or ask for the right to write there")
            ) from None  # fmt: skip
        return cls(folder)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the study's lock for a run; what a killed run left, and what a failed first run made, is removed."""
        with self.hold():
            try:
                self._clear_partial()
                yield
            finally:
                self._clear_partial()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the study's lock and clear nothing; LockedError at once when another run holds it."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise LockedError(
                Problem(
                    "C131", f"another run of this study holds the lock in {self.path}", do="try again when it has ended"
                )
            ) from None
        try:
            yield
        finally:
            lock.release()
            self._remove_if_unused()

    @contextmanager
    def work_folder(self, home: Path | None) -> Iterator[Path]:
        """Where an engine may work for this study: its own folder below `home`, else the study's; under the lock only.

        What a killed run left there is removed first, and a folder with nothing in it afterwards.
        """
        folder = home / self.path.name if home else self.path
        for left in folder.glob(f"{WORK}*"):
            shutil.rmtree(left, ignore_errors=True)
        try:
            yield folder
        finally:
            with suppress(OSError):
                folder.rmdir()

    @contextmanager
    def readings(self, home: Path | None) -> Iterator[Path | None]:
        """The readings kept for this study, to be taken and left as they are; None when there are none or a run is using them."""
        from filelock import FileLock, Timeout

        folder = (home / self.path.name if home else self.path) / CACHE
        if not folder.is_dir() or not self.path.is_dir():
            yield None
            return
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except (Timeout, OSError):
            yield None
            return
        try:
            yield folder
        finally:
            lock.release()

    def was_used(self) -> bool:
        """Whether any run was ever begun here: a lock, a run, or readings that were kept."""
        return (self.path / ".lock").exists() or (self.path / CACHE).is_dir() or bool(self._finished())

    def vintage(self, print_: Fingerprint, counting: str) -> Vintage | None:
        """What the run before saw: of the runs that counted by the same rules, the one with the newest data cut.

        A run that is repeated is compared with what it was compared with the first time.
        """
        again = self.same(print_)
        if again is not None:
            return again.compared_with()
        alike = [run for run in self.runs() if run.manifest.get("counting_sha256") == counting]
        for run in sorted(alike, key=lambda r: (_cut(r), str(r.manifest["times"]["finished"])), reverse=True):
            found = run.months_seen()
            if found is not None:
                return found
        return None

    def _clear_partial(self) -> None:
        """Remove what a killed run left; a finished run that it had put aside takes its place again."""
        for aside in self.path.glob(f"{ASIDE}*"):
            place = self.path / aside.name.removeprefix(ASIDE).rpartition("_")[0]
            if not place.exists():
                replace(aside, place)
        for left in (*self.path.glob(f"{PARTIAL}*"), *self.path.glob(f"{WORK}*")):
            shutil.rmtree(left, ignore_errors=True)
        for left in (p for pattern in ON_THE_WAY for p in self.path.glob(pattern)):
            with suppress(OSError):
                left.unlink()

    def _remove_if_unused(self) -> None:
        if {p.name for p in self.path.iterdir()} <= {".lock"}:
            with suppress(OSError):
                moving.remove(self.path / ".lock")
                self.path.rmdir()
                self.path.parent.rmdir()

    def runs(self) -> list[RunFolder]:
        """The finished runs, the earliest finished first. A folder whose manifest is broken is none of them."""
        found = []
        for path in self._finished():
            with suppress(InputError):
                found.append(RunFolder.read(path))
        return sorted(found, key=lambda run: str(run.manifest["times"]["finished"]))

    def unreadable(self) -> list[str]:
        """The names of folders that hold a manifest which cannot be read: they were runs, and are passed over."""
        return sorted({p.name for p in self._finished()} - {run.path.name for run in self.runs()})

    def _finished(self) -> list[Path]:
        """Folders with a manifest, those aside that a run under way, or one that was killed, has not moved to their place."""
        found = (p.parent for p in self.path.glob("*/manifest.json"))
        return sorted(p for p in found if not p.name.startswith(PARTIAL))

    def same(self, print_: Fingerprint) -> RunFolder | None:
        """An earlier run of the same config, inputs and code."""
        whole = print_.whole
        return next((run for run in self.runs() if run.manifest["run_sha256"] == whole), None)

    def before(self, run: RunFolder) -> RunFolder | None:
        """The run before this one, by its data cut and then by when it finished; None for the first."""
        order = [(_cut(one), str(one.manifest["times"]["finished"]), one.path.name) for one in (run, *self.runs())]
        earlier = sorted(o for o in order if o < order[0])
        return RunFolder.read(self.path / earlier[-1][2]) if earlier else None

    def point_latest(self, run: RunFolder) -> None:
        """Let `latest.txt` name the run with the newest data cut; between runs with the same cut, the one just returned."""
        try:
            named = RunFolder.read(self.path / (self.path / LATEST).read_text("utf-8").strip())
        except (OSError, ValueError, InputError):
            named = run
        alike = named.manifest["period_kind"] == run.manifest["period_kind"]
        if named.path.name == run.path.name or not alike or _cut(named) <= _cut(run):
            replace_text(self.path / LATEST, f"{run.path.name}\n")

    def refuse_other_secret(self, secret: str | None) -> None:
        """InputError when the person key's secret is not that of earlier runs: the same person would get another key."""
        known = {run.manifest["secret_fingerprint"] for run in self.runs()} - {None}
        if secret and known and secret not in known:
            raise InputError(
                Problem("C133", "the secret of [data.person_key] is not that of the earlier runs", where=str(self.path),
                        do="use the secret the study began with, or give the study another name")
            )  # fmt: skip


def _cut(run: RunFolder) -> list[int]:
    """The data cut as numbers, by which "2026-03", "2026Q1" and "10" order as time does."""
    return [int(digits) for digits in re.findall(r"\d+", str(run.manifest["data_cut"]))]
