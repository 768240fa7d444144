"""A run on disk: what was asked, what was read, what was found, and what may leave.

A run is built in a hidden folder beside its final place and moved there at the end, so a run folder that exists is a run
that finished. Times stand in `manifest.json`, `restricted/log.txt` and `index.csv` only.
"""

from __future__ import annotations

import csv
import glob
import hashlib
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from aaot_eval import __version__
from aaot_eval.config import RunConfig, resolved_toml
from aaot_eval.errors import InputError, LockedError, Problem
from aaot_eval.results import Release, RunResult
from aaot_eval.schema import schema_names, shipped, table_schema

HEX = 6
PARTIAL = ".partial_"

AsCsv = Callable[[pd.DataFrame], str]


# ---- What a run is made from ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file that was given: its table, its name as the config gives it, its size and the hash of its bytes."""

    table: str
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What makes a run the same run: the resolved config, the content of the inputs and the code."""

    config: str
    code: str
    inputs: tuple[InputFile, ...]

    @property
    def whole(self) -> str:
        """One hash over all three; the names and places of the inputs do not count, their content does."""
        content = sorted((f.table, f.sha256) for f in self.inputs)
        return _sha256(json.dumps([self.config, self.code, content]).encode())


def fingerprint(config: RunConfig) -> Fingerprint:
    """The fingerprint of a study before it is run; files that are missing are left to the reader of that file to refuse."""
    files = [
        InputFile(table, _shown(config, path), path.stat().st_size, _file_sha256(path))
        for table, paths in input_paths(config).items()
        for path in paths
        if path.is_file()
    ]
    return Fingerprint(config_hash(config), code_hash(), tuple(files))


def config_hash(config: RunConfig, *, window: bool = True) -> str:
    """The hash of the study with every default filled in, without the folders that results and spill files go to.

    `window=False` leaves out how far the data go as well: the same study a month later has the same hash.
    """
    document = config.model_dump(mode="json")
    for place in ("runs", "work"):
        del document["output"][place]
    if not window:
        del document["data"]["complete_to"], document["study"]["last_period"]
    return _sha256(json.dumps(document, sort_keys=True).encode())


def input_paths(config: RunConfig) -> dict[str, list[Path]]:
    """Every file the config names, by the key that names it. A person-key secret is not listed: its hash would be a clue."""
    given: dict[str, Any] = {name: getattr(config.data, name) for name in _FILE_KEYS}
    if config.costs:
        given |= {"unit_costs": config.costs.unit_costs, "programme": config.costs.programme}
    found = {}
    for table, files in given.items():
        patterns = [files] if isinstance(files, str) else list(files or ())
        found[table] = [path for pattern in patterns for path in _matching(config, pattern)]
    return {table: paths for table, paths in found.items() if paths}


_FILE_KEYS = ("admissions", "attendances", "deaths", "caseload", "sites", "panel")


def _matching(config: RunConfig, pattern: str) -> list[Path]:
    path = config.path(pattern)
    return sorted(Path(p) for p in glob.glob(str(path))) if glob.has_magic(pattern) else [path]


def _shown(config: RunConfig, path: Path) -> str:
    try:
        return path.resolve().relative_to(config.home.resolve()).as_posix()
    except ValueError:
        return path.name


@cache
def code_hash() -> str:
    """The hash of the program's own files: two versions with one number are told apart."""
    package = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for home in (package, shipped("data_schemas")):
        for path in sorted(home.rglob("*")):
            if path.is_file() and path.suffix in _CODE_FILES and "_shipped" not in path.relative_to(home).parts:
                digest.update(path.relative_to(home).as_posix().encode() + b"\0")
                digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


_CODE_FILES = {".py", ".sql", ".json", ".csv", ".toml", ".html", ".css", ".j2", ".txt"}


# ---- The folder of a study --------------------------------------------------------------------------------------------


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
            probe.unlink()
        except OSError as fault:
            raise InputError(
                Problem("C130", f"nothing can be written to {folder}: {fault.strerror or type(fault).__name__}",
                        do="give another folder with --out, or ask for the right to write there")
            ) from None  # fmt: skip
        return cls(folder)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the study's lock; LockedError at once when another run holds it. What a failed first run made is removed."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise LockedError(
                Problem("C131", f"another run of this study holds the lock in {self.path}", do="try again when it has ended")
            ) from None
        try:
            self._clear_partial()
            yield
        finally:
            self._clear_partial()
            lock.release()
            self._remove_if_unused()

    def _clear_partial(self) -> None:
        for left in (*self.path.glob(f"{PARTIAL}*"), *self.path.glob(".work_*")):
            shutil.rmtree(left, ignore_errors=True)

    def _remove_if_unused(self) -> None:
        if {p.name for p in self.path.iterdir()} <= {".lock"}:
            (self.path / ".lock").unlink(missing_ok=True)
            with suppress(OSError):
                self.path.rmdir()
                self.path.parent.rmdir()

    def runs(self) -> list[RunFolder]:
        """The finished runs, the earliest finished first."""
        found = [RunFolder.read(p.parent) for p in sorted(self.path.glob("*/manifest.json"))]
        return sorted(found, key=lambda run: str(run.manifest["times"]["finished"]))

    def latest(self) -> RunFolder | None:
        """The run the pointer names."""
        pointer = self.path / "latest.txt"
        if not pointer.is_file():
            return None
        return RunFolder.read(self.path / pointer.read_text("utf-8").strip())

    def same(self, print_: Fingerprint) -> RunFolder | None:
        """An earlier run of the same config, inputs and code."""
        whole = print_.whole
        return next((run for run in self.runs() if run.manifest["run_sha256"] == whole), None)

    def refuse_other_secret(self, secret: str | None) -> None:
        """InputError when the person key's secret is not that of earlier runs: the same person would get another key."""
        known = {run.manifest["secret_fingerprint"] for run in self.runs()} - {None}
        if secret and known and secret not in known:
            raise InputError(
                Problem("C133", "the secret of [data.person_key] is not that of the earlier runs", where=str(self.path),
                        do="use the secret the study began with, or give the study another name")
            )  # fmt: skip


# ---- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """What the caller knows about the run that the results do not hold: who asked, when, and what was said on the way."""

    command: str
    started: datetime
    log: Sequence[str] = ()
    as_of: str | None = None
    refresh: Mapping[str, Any] = field(default_factory=dict)
    secret: str | None = None


def run_name(data_cut: str, print_: Fingerprint) -> str:
    """The name of a run's folder: the last period used and six hex digits of the fingerprint."""
    return f"{re.sub(r'[^A-Za-z0-9-]+', '-', data_cut)}_{print_.whole[:HEX]}"


def write_run(
    result: RunResult,
    release: Release,
    *,
    study: StudyFolder,
    fingerprint: Fingerprint,
    account: Account,
    as_csv: AsCsv,
    pages: Mapping[str, str] | None = None,
    figures: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a finished run and return its folder, `<data cut>_<6 hex>`.

    `release/` gets the pages, the tables of `release` (CSV and Parquet) and the figures; `restricted/` the exact tables, the
    rejects, the log and, when the config gives a reason, the per-patient rows. `latest.txt` and `index.csv` come last.
    `as_csv` turns a table into CSV text that is safe to open in a spreadsheet.
    """
    name = run_name(str(result.meta["data_cut"]), fingerprint)
    partial = study.path / f"{PARTIAL}{name}_{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    (partial / "restricted").mkdir(mode=0o700)
    try:
        _write_contents(partial, name, result, release, account, as_csv, pages or {}, figures or {})
        digest = _write_manifest(partial, name, result, release, fingerprint, account)
        final = study.path / name
        _move_into_place(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _add_to_index(study.path, name, result, release, account, digest, as_csv)
    _replace_text(study.path / "latest.txt", f"{name}\n")
    return final


def _write_contents(
    folder: Path,
    name: str,
    result: RunResult,
    release: Release,
    account: Account,
    as_csv: AsCsv,
    pages: Mapping[str, str],
    figures: Mapping[str, bytes],
) -> None:
    _write_text(folder / "config.toml", resolved_toml(result.config))
    _write_text(folder / "README.txt", _readme(name, result, account))
    _write_json(folder / "status.json", _status(name, result, release, account))
    _write_json(folder / "release" / "about.json", {"meta": dict(release.meta), "hidden": dict(release.hidden), "profile": release.profile})
    for page, text in pages.items():
        _write_text(folder / "release" / page, text)
    for table, frame in release.tables.items():
        _write_text(folder / "release" / "tables" / f"{table}.csv", as_csv(frame))
        _write_parquet(folder / "release" / "tables" / f"{table}.parquet", frame)
    for figure, content in figures.items():
        _write_bytes(folder / "release" / "figures" / figure, content)
    for table, frame in result.tables.items():
        _write_parquet(folder / "restricted" / "tables" / f"{table}.parquet", frame)
    for table, frame in result.restricted.items():
        _write_text(folder / "restricted" / f"{table}.csv", as_csv(frame))
    _write_text(folder / "restricted" / "log.txt", "".join(f"{line}\n" for line in account.log))
    if result.config.output.patient_reports and result.costs is not None and result.costs.per_patient is not None:
        place = folder / "restricted" / "patient_reports"
        _write_text(place / "patients.csv", as_csv(result.costs.per_patient))
        _write_text(place / "README.txt", _PATIENT_NOTE.format(reason=result.config.output.reason))


_PATIENT_NOTE = """One row per person on the caseload. It never leaves this folder.
Reason given: {reason}
It is accounting, not proof: no row says what one person would have cost without the service.
"""


def _readme(name: str, result: RunResult, account: Account) -> str:
    return f"""{result.meta["title"]}
Run {name} of aaot-eval {__version__}, data to {result.meta["data_cut"]}.

release/      may leave once the output checker agrees; start with release/report.html
restricted/   stays inside: exact tables, rejected lines, the log
config.toml   the study with every default written out
manifest.json what was read and written, with hashes
status.json   exit status and headline, for a scheduler

Made by:    {account.command}
Check it:   aaot-eval verify {name}
Repeat it:  aaot-eval verify {name} --data FOLDER_OF_THE_EXTRACTS
"""


def _status(name: str, result: RunResult, release: Release, account: Account) -> dict[str, Any]:
    return {
        "exit_status": 0,
        "run": name,
        "data_cut": result.meta["data_cut"],
        "headline": headline_rows(release),
        "messages": sorted({f.code for f in result.findings}),
        "refresh": dict(account.refresh),
        "profile": release.profile,
    }


def headline_rows(release: Release) -> list[dict[str, str]]:
    """The sentences of the first page, in order, from the released table."""
    table = release.tables.get("headline")
    if table is None:
        return []
    rows = table.sort_values("order", kind="stable")
    return [{c: str(getattr(r, c)) for c in ("question", "sentence", "verdict")} for r in rows.itertuples()]


def _write_manifest(
    folder: Path, name: str, result: RunResult, release: Release, print_: Fingerprint, account: Account
) -> str:
    rows = {(s.table, s.sha256): s.rows for s in result.sources}
    outputs = [
        {"path": p.relative_to(folder).as_posix(), "bytes": p.stat().st_size, "sha256": _file_sha256(p),
         "release": p.relative_to(folder).parts[0] == "release"}
        for p in sorted(folder.rglob("*")) if p.is_file()
    ]  # fmt: skip
    document = {
        "run": name,
        "run_sha256": print_.whole,
        "tool": {"name": "aaot-eval", "version": __version__, "commit": _commit(), "code_sha256": print_.code},
        "python": platform.python_version(),
        "packages": package_versions(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "seed": result.config.seed,
        "config_sha256": print_.config,
        "study_sha256": config_hash(result.config, window=False),
        "code_lists": _code_lists(),
        "disclosure_profile": release.profile,
        "command": account.command,
        "as_of": account.as_of,
        "secret_fingerprint": account.secret,
        "times": {"started": account.started.isoformat(timespec="seconds"), "finished": _now().isoformat(timespec="seconds")},
        "data_cut": result.meta["data_cut"],
        "period_kind": result.meta["period_kind"],
        "refresh": dict(account.refresh),
        "gates": [{"code": f.code, "level": f.level, "title": f.kind.title, "where": f.where} for f in result.findings],
        "inputs": [
            {"table": f.table, "path": f.name, "rows": rows.get((f.table, f.sha256)), "bytes": f.bytes, "sha256": f.sha256}
            for f in print_.inputs
        ],
        "outputs": outputs,
    }
    return _write_json(folder / "manifest.json", document)


def _move_into_place(partial: Path, final: Path) -> None:
    """Move a finished run to its place; a run that is there already is put aside until the new one stands."""
    aside = final.with_name(f"{PARTIAL}old_{final.name}_{os.getpid()}")
    if final.exists():
        _replace(final, aside)
    try:
        _replace(partial, final)
    except OSError:
        if aside.exists():
            _replace(aside, final)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _add_to_index(
    study: Path, name: str, result: RunResult, release: Release, account: Account, manifest_sha256: str, as_csv: AsCsv
) -> None:
    path = study / "index.csv"
    answers = [row for row in headline_rows(release) if row["verdict"] != "monitoring"]
    line = {
        "finished": _now().isoformat(timespec="seconds"),
        "data_cut": result.meta["data_cut"],
        "run": name,
        "verdict": answers[0]["verdict"] if answers else "",
        "headline": answers[0]["sentence"] if answers else "",
        "refreshed": bool(account.refresh.get("refreshed", True)),
        "version": __version__,
        "manifest_sha256": manifest_sha256,
    }
    header, row = as_csv(pd.DataFrame([line])).split("\n", 1)
    _replace_text(path, (path.read_text("utf-8") if path.exists() else f"{header}\n") + row)


# ---- Reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A finished run as it lies on disk."""

    path: Path
    manifest: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> RunFolder:
        """The run in a folder; InputError when it is none."""
        try:
            return cls(path, json.loads((path / "manifest.json").read_text("utf-8")))
        except (OSError, ValueError):
            raise InputError(
                Problem("V600", f"{path} is not a run folder: it has no readable manifest.json",
                        do="name a folder that `aaot-eval analyze` printed")
            ) from None  # fmt: skip

    @property
    def config_file(self) -> Path:
        """The run's own config."""
        return self.path / "config.toml"

    def status(self) -> dict[str, Any]:
        """`status.json`."""
        return dict(json.loads((self.path / "status.json").read_text("utf-8")))

    def release(self) -> Release:
        """What was released, read back from `release/`; fits nothing."""
        about = json.loads((self.path / "release" / "about.json").read_text("utf-8"))
        tables = {p.stem: _typed(p.stem, pd.read_parquet(p)) for p in sorted((self.path / "release" / "tables").glob("*.parquet"))}
        return Release(tables=tables, meta=about["meta"], hidden=about["hidden"], profile=about["profile"])

    def exact_tables(self) -> dict[str, pd.DataFrame]:
        """The exact tables of `restricted/`."""
        return {p.stem: pd.read_parquet(p) for p in sorted((self.path / "restricted" / "tables").glob("*.parquet"))}


def read_run(path: str | Path) -> RunFolder:
    """The run in a folder; of a study's folder, the run that `latest.txt` names."""
    folder = Path(path)
    if not (folder / "manifest.json").is_file() and (folder / "latest.txt").is_file():
        latest = StudyFolder(folder).latest()
        if latest is not None:
            return latest
    return RunFolder.read(folder)


def differing_files(run: RunFolder) -> list[Problem]:
    """Every file of a run that is missing, changed or not in its manifest; empty when the run is as it was written."""
    listed = {str(entry["path"]): entry for entry in run.manifest["outputs"]}
    problems = []
    for name, entry in listed.items():
        path = run.path / name
        if not path.is_file():
            problems.append(Problem("V601", f"{name} is missing", do="ask for the whole run folder"))
        elif _file_sha256(path) != entry["sha256"]:
            problems.append(Problem("V602", f"{name} is not the file that was written", do="do not rely on it; rerun"))
    present = {p.relative_to(run.path).as_posix() for p in run.path.rglob("*") if p.is_file()} - {"manifest.json"}
    problems += [Problem("V603", f"{name} is not in the manifest", do="remove it") for name in sorted(present - listed.keys())]
    return problems + _manifest_problems(run)


def _manifest_problems(run: RunFolder) -> list[Problem]:
    index = run.path.parent / "index.csv"
    if not index.is_file():
        return []
    with index.open(encoding="utf-8", newline="") as lines:
        known = [row["manifest_sha256"] for row in csv.DictReader(lines) if row["run"] == run.path.name]
    if known and _file_sha256(run.path / "manifest.json") != known[-1]:
        return [Problem("V602", "manifest.json is not the file that was written", where=str(index), do="do not rely on it; rerun")]
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
        Problem("V611", f"{then[key]} ({key[0]}) was read by the run and is not here", do="verify with the extracts of the run")
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
        if (a[column].astype("string").fillna("")[texts].to_numpy() != b[column].astype("string").fillna("")[texts].to_numpy()).any():
            return float("inf")
        gap = (x.astype(float) - y.astype(float)).abs()[~texts]
        size = pd.concat([x, y], axis=1).astype(float).abs().max(axis=1)[~texts]
        relative = (gap / size.where(size > 0, 1.0)).max() if len(gap) else 0.0
        worst = max(worst, float(relative))
    return worst


# ---- Bytes ------------------------------------------------------------------------------------------------------------


def _write_parquet(path: Path, frame: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = frame.copy()
    for column in (c for c in plain.columns if pd.api.types.is_object_dtype(plain[c].dtype)):
        plain[column] = plain[column].map(lambda v: v if v is None or isinstance(v, str) or pd.isna(v) else str(v)).astype("string")
    plain.to_parquet(path, index=False)


def _typed(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A released table as it was before Parquet: numbers beside the symbol of a hidden cell are numbers again."""
    numeric = {c.name for c in table_schema("release", table).columns if c.type in ("integer", "number")} \
        if table in schema_names("release") else set()  # fmt: skip
    for column in numeric.intersection(frame.columns[[isinstance(t, pd.StringDtype) for t in frame.dtypes]]):
        frame[column] = pd.Series([_number(v) for v in frame[column]], index=frame.index, dtype=object)
    return frame


def _number(text: Any) -> Any:
    if not isinstance(text, str):
        return None
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


def _write_text(path: Path, text: str) -> None:
    _write_bytes(path, text.replace("\r\n", "\n").encode("utf-8"))


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write_json(path: Path, document: Mapping[str, Any]) -> str:
    content = (json.dumps(_plain(document), indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()
    _write_bytes(path, content)
    return _sha256(content)


def _plain(value: Any) -> Any:
    """JSON's own types: numpy scalars as numbers, periods and dates as text, a missing number as null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


def _replace(source: Path, target: Path, tries: int = 20) -> None:
    """os.replace, tried again: on Windows a virus scanner or an open viewer holds a new file for a moment."""
    for attempt in range(tries):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if attempt == tries - 1:
                raise
            time.sleep(0.05 * (attempt + 1))


def _replace_text(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}_{os.getpid()}")
    _write_text(new, text)
    _replace(new, path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _now() -> datetime:
    return datetime.now(UTC)


def package_versions() -> dict[str, str]:
    """The versions of the packages that the numbers rest on, by name."""
    try:
        needed = metadata.requires("aaot-eval") or []
    except metadata.PackageNotFoundError:
        needed = []
    names = sorted({re.split(r"[^A-Za-z0-9_.-]", n, maxsplit=1)[0] for n in (*needed, *_CORE) if "extra ==" not in n})
    versions = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


_CORE = ("duckdb", "linearmodels", "numpy", "pandas", "scipy", "statsmodels")


def _code_lists() -> dict[str, str]:
    home = shipped("data_schemas") / "codelists"
    return {p.name: _file_sha256(p) for p in sorted(home.glob("*.csv"))} if home.is_dir() else {}


def _commit() -> str | None:
    """The commit of the checkout this code runs from; None when it was installed from a wheel."""
    git = Path(__file__).resolve().parent.parent / ".git"
    with suppress(OSError):
        head = (git / "HEAD").read_text("utf-8").strip()
        if not head.startswith("ref: "):
            return head
        ref = head.removeprefix("ref: ")
        if (git / ref).is_file():
            return (git / ref).read_text("utf-8").strip()
        for line in (git / "packed-refs").read_text("utf-8").splitlines():
            if line.endswith(f" {ref}"):
                return line.split(" ", 1)[0]
    return None
