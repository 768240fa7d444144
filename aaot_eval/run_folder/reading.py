"""A run read back: its record, its released tables, and whether it is still what was written."""

from __future__ import annotations

import csv
import glob
import json
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.results import Release, Vintage
from aaot_eval.run_folder.files import file_sha256, sha256, typed
from aaot_eval.run_folder.fingerprint import InputFile

#: Beside the manifest of a run whose person-level files were deleted: which, and when.
PURGED = "purged.json"
RESTRICTED = "restricted/"
#: As many files are named where one message is of many.
MOST_NAMED = 3
#: The columns of `ingest.vintage.months_seen`, as they are read back from a run.
MONTHS_SEEN = {"site": "str", "month": "str", "episodes": "int64", "alcohol_episodes": "int64", "uncoded": "int64"}
#: The same of `ingest.vintage.caseload_seen`.
CASELOAD_SEEN = {"site": "str", "month": "str", "people": "int64"}


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A finished run as it lies on disk."""

    path: Path
    manifest: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> RunFolder:
        """The run in a folder; InputError when it is none, or when its manifest lacks what every manifest has."""
        try:
            manifest = json.loads((path / "manifest.json").read_text("utf-8"))
        except (OSError, ValueError):
            manifest = None
        if manifest is None and (alone := _release_alone(path)):
            raise InputError(alone)
        if not _whole(manifest):
            raise InputError(
                Problem("V600", f"{path} is not a run folder: it has no readable manifest.json",
                        do="name a folder that `aaot-eval analyze` printed")
            )  # fmt: skip
        return cls(path, manifest)

    @property
    def config_file(self) -> Path:
        """The run's own config."""
        return self.path / "config.toml"

    def status(self) -> dict[str, Any]:
        """`status.json`."""
        with self._readable("status.json"):
            return dict(json.loads((self.path / "status.json").read_text("utf-8")))

    def signals(self) -> dict[str, Any]:
        """`release/signals.json`: the control chart's limits, newest month and signals."""
        with self._readable("release/signals.json"):
            return dict(json.loads((self.path / "release" / "signals.json").read_text("utf-8")))

    def release(self) -> Release:
        """What was released, read back from `release/`; fits nothing."""
        with self._readable("release"):
            about = json.loads((self.path / "release" / "about.json").read_text("utf-8"))
            tables = {
                p.stem: typed(p.stem, pd.read_parquet(p))
                for p in sorted((self.path / "release" / "tables").glob("*.parquet"))
            }
            return Release(tables=tables, meta=about["meta"], hidden=about["hidden"], profile=about["profile"])

    @contextmanager
    def _readable(self, part: str) -> Iterator[None]:
        """InputError when a part of the run is gone or broken."""
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(
                Problem(
                    "V600",
                    f"{part} of the run {self.path.name} cannot be read",
                    do="restore the run folder, or run again with --force",
                )
            ) from None

    @property
    def purged(self) -> tuple[str, frozenset[str]]:
        """When person-level files of the run were deleted, and which; empty text and nothing when none were.

        Only files of `restricted/` can be: whatever else the record names is still asked for.
        """
        try:
            document = json.loads((self.path / PURGED).read_text("utf-8"))
            names = {str(n) for n in document["files"]}
            return str(document["purged"]), frozenset(n for n in names if n.startswith("restricted/"))
        except (OSError, ValueError, KeyError, TypeError):
            return "", frozenset()

    def months_seen(self) -> Vintage | None:
        """What this run saw, by site and month; None when it was purged or was made from totals."""
        return self._vintage("months_seen", "caseload_seen")

    def compared_with(self) -> Vintage | None:
        """What this run was compared with: what the run before it saw; None when there was none, or it was purged."""
        found = self._vintage("earlier_months", "earlier_caseload")
        run = self._counts("earlier_months", {"run": "str"})
        if found is None or run is None or run.empty:
            return None
        return replace(found, run=str(run["run"].iloc[0]))

    def _vintage(self, months: str, caseload: str) -> Vintage | None:
        found = self._counts(months, MONTHS_SEEN)
        return found if found is None else Vintage(self.path.name, found, self._counts(caseload, CASELOAD_SEEN))

    def _counts(self, table: str, columns: Mapping[str, str]) -> pd.DataFrame | None:
        """These columns of a table of exact counts; None when it was purged, is broken or was never written."""
        try:
            path = self.path / "restricted" / f"{table}.csv"
            return pd.read_csv(path, dtype=dict(columns), usecols=list(columns), keep_default_na=False)[list(columns)]
        except (OSError, ValueError):
            return None

    def exact_tables(self) -> dict[str, pd.DataFrame]:
        """The exact tables of `restricted/`."""
        return {p.stem: pd.read_parquet(p) for p in sorted((self.path / "restricted" / "tables").glob("*.parquet"))}


def _release_alone(path: Path) -> Problem | None:
    """What is said of a folder that is, or holds, only what was released of a run; None for any other folder."""
    release = next((p for p in (path, path / "release") if (p / "about.json").is_file()), None)
    if release is None or (path / "manifest.json").exists():
        return None
    above = path.resolve().parent
    inside = release == path and (above / "manifest.json").is_file()
    return Problem(
        "V600",
        f"{path} is only the release/ of a run, which cannot be verified alone: the hashes of its files are in the "
        "manifest.json of the run folder, beside release/",
        do=f"name the run folder: {above}" if inside else "ask for the whole run folder, with manifest.json and restricted/",
    )  # fmt: skip


def _whole(manifest: Any) -> bool:
    """Whether a manifest holds, by name and kind, what is read of it later."""
    if not isinstance(manifest, dict) or not all(isinstance(manifest.get(k), kind) for k, kind in _PARTS.items()):
        return False
    entries = [(manifest["outputs"], ("path", "sha256")), (manifest["inputs"], ("table", "path", "sha256"))]
    listed = all(
        isinstance(e, dict) and all(isinstance(e.get(k), str) for k in keys) for rows, keys in entries for e in rows
    )
    plan = manifest.get("plan")
    planned = plan is None or (
        isinstance(plan, dict) and all(isinstance(plan.get(k), kind) for k, kind in _PLAN.items())
    )
    return (
        planned and listed and isinstance(manifest["times"].get("finished"), str) and "secret_fingerprint" in manifest
    )


_PARTS = {
    "run": str, "run_sha256": str, "study_sha256": str, "data_cut": str, "period_kind": str,
    "refresh": dict, "times": dict, "outputs": list, "inputs": list,
}  # fmt: skip
#: What a run under a sealed plan says of it.
_PLAN = {"sealed": str, "sha256": str, "log_line": str, "departures": list, "accepted": list}


def read_run(path: str | Path) -> RunFolder:
    """The run in a folder; of a study's folder, the run that `latest.txt` names.

    A bare run id is also looked for below the current folder: `<run>`, `<study>/<run>`, `runs/<study>/<run>`, `*/runs/<study>/<run>`.
    """
    folder = Path(path)
    if not folder.exists() and folder.name == str(path):
        found = [
            p
            for pattern in ("*", "*/*", "*/*/*")
            for p in sorted(Path().glob(f"{pattern}/{glob.escape(folder.name)}"))
            if p.is_dir()
        ]
        if len(found) > 1:
            raise InputError(
                Problem(
                    "V600",
                    f"there are several runs {folder.name}",
                    allowed=", ".join(p.as_posix() for p in found[:5]),
                    do="give the path",
                )
            )
        folder = found[0] if found else folder
    latest = folder / "latest.txt"
    try:
        named = latest.read_text("utf-8").strip() if latest.is_file() else ""
    except (OSError, ValueError):
        raise InputError(Problem("V600", f"{latest} cannot be read", do="name one run in that folder")) from None
    if named and not (folder / named).is_dir():
        raise InputError(
            Problem(
                "V600",
                f"{latest} names the run {named}, which is not there",
                do="name another run of that folder, or run again",
            )
        )
    return RunFolder.read(folder / named if named else folder)


def differing_files(run: RunFolder) -> list[Problem]:
    """Every file of a run that is missing, changed or not in its manifest; empty when the run is as it was written.

    Files of `restricted/` that were purged are not missing.
    """
    listed = {str(entry["path"]): str(entry["sha256"]) for entry in run.manifest["outputs"]}
    _, purged = run.purged
    present = {p.relative_to(run.path).as_posix() for p in run.path.rglob("*") if p.is_file()}
    missing = [name for name in listed if name not in present and name not in purged]
    changed = [name for name in listed if name in present and file_sha256(run.path / name) != listed[name]]
    ends = [name for name in changed if _only_line_ends(run.path / name, {listed[name]})]
    problems = _missing(missing, present)
    problems += [
        Problem("V602", f"{name} is not the file that was written", do="do not rely on it; run again with --force")
        for name in changed
        if name not in ends
    ]
    problems += [
        Problem("V603", f"{name} is not in the manifest", do="remove it")
        for name in sorted(present - listed.keys() - {"manifest.json", PURGED})
    ]
    return problems + _manifest_problems(run) + _line_ends(ends)


def damage(run: RunFolder) -> list[Problem]:
    """What keeps a run from being given as the answer again: files of it that changed, or are gone from what it released.

    A `restricted/` that is held back, and a file that somebody put beside the others, do not.
    """
    return [
        problem
        for problem in differing_files(run)
        if problem.code == "V602" or (problem.code == "V601" and not problem.what.startswith(RESTRICTED))
    ]


def _missing(names: Sequence[str], present: Set[str]) -> list[Problem]:
    """Missing files by name; of a whole missing `restricted/`, which is often held back, only how many."""
    restricted = [name for name in names if name.startswith(RESTRICTED)]
    whole = len(restricted) > 1 and not any(name.startswith(RESTRICTED) for name in present)
    problems = [
        Problem("V601", f"{name} is missing", do="ask for the whole run folder")
        for name in names
        if not (whole and name in restricted)
    ]
    if whole:
        problems.append(
            Problem(
                "V601",
                f"{RESTRICTED} is missing, with all its {counted(len(restricted), 'file')}",
                do="ask for the whole run folder, or have whoever holds it verify the run",
            )
        )
    return problems


def _only_line_ends(path: Path, hashes: Collection[str]) -> bool:
    """Whether a file has one of these hashes once its line ends are those of the other system."""
    content = path.read_bytes()
    plain = content.replace(b"\r\n", b"\n")
    return sha256(plain) in hashes or sha256(plain.replace(b"\n", b"\r\n")) in hashes


def _line_ends(names: Sequence[str]) -> list[Problem]:
    """One problem for all files that a copy changed in nothing but their line ends."""
    if not names:
        return []
    more = len(names) - MOST_NAMED
    return [
        Problem(
            "V604",
            f"{counted(len(names), 'file differs', 'files differ')} from what was written only in line ends",
            where=", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else ""),
            do="copy the run folder again as it is (a zip; with Git, core.autocrlf off): the contents are the same",
        )
    ]


def _manifest_problems(run: RunFolder) -> list[Problem]:
    index = run.path.parent / "index.csv"
    if not index.is_file():
        return []
    with index.open(encoding="utf-8", newline="") as lines:
        known = [row["manifest_sha256"] for row in csv.DictReader(lines) if row["run"] == run.path.name]
    # A run made again has a line more: which of the two stands depends on whether its process lived to move it.
    if known and file_sha256(run.path / "manifest.json") not in known:
        if _only_line_ends(run.path / "manifest.json", known):
            return _line_ends(["manifest.json"])
        return [
            Problem(
                "V602",
                "manifest.json is not the file that was written",
                where=str(index),
                do="do not rely on it; run again with --force",
            )
        ]
    return []


def differing_inputs(run: RunFolder, now: Sequence[InputFile]) -> list[Problem]:
    """Inputs whose content is not what the run read, each by name."""
    then = {(str(f["table"]), str(f["sha256"])): str(f["path"]) for f in run.manifest["inputs"]}
    found = {(f.table, f.sha256): f.name for f in now}
    problems = [
        Problem("V610", f"{found[key]} ({key[0]}) is not what the run read", do="verify with the extracts of the run")
        for key in sorted(found.keys() - then.keys())
    ]
    problems += [
        Problem(
            "V611",
            f"{then[key]} ({key[0]}) was read by the run and is not here",
            do="give with --data the folder where the paths of the config start: the one the study's .toml file was in",
        )
        for key in sorted(then.keys() - found.keys())
        if then[key] not in {found[k] for k in found.keys() - then.keys()}
    ]
    return problems


def largest_differences(then: Mapping[str, pd.DataFrame], now: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """The largest relative difference of each table: 0 when equal, infinite when shape, texts or blanks differ."""
    return {name: _difference(then.get(name), now.get(name)) for name in sorted(then.keys() | now.keys())}


def _difference(a: pd.DataFrame | None, b: pd.DataFrame | None) -> float:
    if a is None or b is None or list(a.columns) != list(b.columns) or len(a) != len(b):
        return float("inf")
    worst = 0.0
    for column in a.columns:
        x, y = pd.to_numeric(a[column], errors="coerce"), pd.to_numeric(b[column], errors="coerce")
        texts = x.isna() | y.isna()
        if (
            a[column].astype("string").fillna("")[texts].to_numpy()
            != b[column].astype("string").fillna("")[texts].to_numpy()
        ).any():
            return float("inf")
        gap = (x.astype(float) - y.astype(float)).abs()[~texts]
        size = pd.concat([x, y], axis=1).astype(float).abs().max(axis=1)[~texts]
        relative = (gap / size.where(size > 0, 1.0)).max() if len(gap) else 0.0
        worst = max(worst, float(relative))
    return worst
