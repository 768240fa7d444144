"""A finished run to disk: built in a hidden folder beside its place, then moved there."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from aaot_eval import __version__
from aaot_eval.config.writing import resolved_toml
from aaot_eval.errors import InputError
from aaot_eval.results import Release, RunResult
from aaot_eval.run_folder.environment import code_lists, commit, package_versions, python_and_system
from aaot_eval.run_folder.files import (
    file_sha256,
    replace,
    replace_text,
    write_bytes,
    write_json,
    write_parquet,
    write_text,
)
from aaot_eval.run_folder.fingerprint import Fingerprint, config_hash, counting_hash, run_name
from aaot_eval.run_folder.reading import RunFolder
from aaot_eval.run_folder.sealing import PlanLog, log_run
from aaot_eval.run_folder.study import ASIDE, PARTIAL, StudyFolder

AsCsv = Callable[[pd.DataFrame], str]


@dataclass(frozen=True, slots=True)
class Account:
    """What the caller knows about the run that the results do not hold: who asked, when, what was said on the way, and the sealed plan."""

    command: str
    started: datetime
    log: Sequence[str] = ()
    as_of: str | None = None
    refresh: Mapping[str, Any] = field(default_factory=dict)
    secret: str | None = None
    plan: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn of a run, by file name: pages and figures that may leave, and the page of patients, which may not."""

    pages: Mapping[str, str]
    figures: Mapping[str, bytes] = field(default_factory=dict)
    patient_page: str | None = None


def write_run(
    result: RunResult,
    release: Release,
    *,
    study: StudyFolder,
    fingerprint: Fingerprint,
    account: Account,
    as_csv: AsCsv,
    drawn: Drawn,
) -> Path:
    """Write a finished run and return its folder, `<data cut>_<6 hex>`.

    `release/` gets the pages, the tables of `release` (CSV and Parquet) and the figures; `restricted/` the exact tables, the
    rejects, the log and, when the config gives a reason, the per-patient rows (CSV, Parquet and the page of patients). `latest.txt` and `index.csv` come last.
    A run of a sealed study gets its line in `plan_log.txt` before it takes its place.
    `as_csv` turns a table into CSV text that is safe to open in a spreadsheet.
    """
    name = run_name(str(result.meta["data_cut"]), fingerprint)
    partial = study.path / f"{PARTIAL}{name}_{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    (partial / "restricted").mkdir(mode=0o700)
    try:
        _write_contents(partial, name, result, release, account, as_csv, drawn)
        plan = account.plan and {**account.plan, "log_line": PlanLog.beside(study.path).events()[-1].sha256}
        _write_manifest(partial, name, result, release, fingerprint, account, plan)
        if account.plan:
            # Before the run stands: one that was made and then lost is one that was made.
            log_run(study, RunFolder.read(partial))
        final = study.path / name
        again = final.exists()
        # Of a run made again the index knows both manifests before the one takes the other's place: a process killed at any
        # moment leaves a run that verifies. A line for a first run comes after it, for it would name a run that is not there.
        if again:
            _add_to_index(RunFolder.read(partial), as_csv)
        move_into_place(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if not again:
        _add_to_index(RunFolder.read(final), as_csv)
    study.point_latest(RunFolder.read(final))
    return final


def point_to(study: StudyFolder, run: RunFolder, as_csv: AsCsv) -> None:
    """Let `latest.txt` know a run that stands already, and `index.csv` when it was killed before it got so far."""
    index = study.path / "index.csv"
    lines = csv.DictReader(io.StringIO(index.read_text("utf-8") if index.exists() else ""))
    # A run that has a line gets no other: the line holds the hash by which a changed manifest is seen.
    if run.path.name not in {line["run"] for line in lines}:
        _add_to_index(run, as_csv)
    study.point_latest(run)


def _write_contents(
    folder: Path,
    name: str,
    result: RunResult,
    release: Release,
    account: Account,
    as_csv: AsCsv,
    drawn: Drawn,
) -> None:
    write_text(folder / "config.toml", resolved_toml(result.config))
    write_text(folder / "README.txt", _readme(name, result, account, folder.parent.resolve()))
    write_json(folder / "status.json", _status(name, result, release, account))
    write_json(
        folder / "release" / "about.json",
        {"meta": dict(release.meta), "hidden": dict(release.hidden), "profile": release.profile},
    )
    write_json(folder / "release" / "signals.json", {"run": name, **signals(release)})
    for page, text in drawn.pages.items():
        write_text(folder / "release" / page, text)
    for table, frame in release.tables.items():
        write_text(folder / "release" / "tables" / f"{table}.csv", as_csv(frame))
        write_parquet(folder / "release" / "tables" / f"{table}.parquet", frame)
    for figure, content in drawn.figures.items():
        write_bytes(folder / "release" / "figures" / figure, content)
    for table, frame in result.tables.items():
        write_parquet(folder / "restricted" / "tables" / f"{table}.parquet", frame)
    for table, frame in result.restricted.items():
        write_text(folder / "restricted" / f"{table}.csv", as_csv(frame))
    write_text(folder / "restricted" / "log.txt", "".join(f"{line}\n" for line in account.log))
    if result.config.output.patient_reports and result.costs is not None and result.costs.per_patient is not None:
        place = folder / "restricted" / "patient_reports"
        write_text(place / "patients.csv", as_csv(result.costs.per_patient))
        write_parquet(place / "patients.parquet", result.costs.per_patient)
        if drawn.patient_page is not None:
            write_text(place / "patients.html", drawn.patient_page)
        write_text(place / "README.txt", _PATIENT_NOTE.format(reason=result.config.output.reason))


_PATIENT_NOTE = """One row per person on the caseload. It never leaves this folder.
Reason given: {reason}
It is accounting, not proof: no row says what one person would have cost without the service.
A difference for one person is not evidence that the service caused it; only the sum over people is estimated.
patients.html is the page to read; patients.csv and patients.parquet hold the same rows.
person_key in them joins a row to the caseload file: it is the key as read, or the keyed hash of a local or NHS number.
"""


def _readme(name: str, result: RunResult, account: Account, study: Path) -> str:
    place = f"{study.parent.name}/{study.name}/{name}"
    return f"""{result.meta["title"]}
Run {name} of aaot-eval {__version__}, data to {result.meta["data_cut"]}.

release/      may leave once the output checker agrees; start with release/report.html
restricted/   stays inside: exact tables, rejected lines, the log
config.toml   the study with every default written out
manifest.json what was read and written, with hashes
status.json   exit status and headline, for a scheduler

Made by:    {account.command}
From the folder that holds runs/ (from elsewhere give the whole path):
Check it:   aaot-eval verify {place}
Repeat it:  aaot-eval verify {place} --data FOLDER
Pack it:    aaot-eval release {place} --to NEW (what may leave, with a list for the output checker)
FOLDER is where the paths of the config start: the folder the study's .toml file was in.
"""


def _status(name: str, result: RunResult, release: Release, account: Account) -> dict[str, Any]:
    return {
        "exit_status": 0,
        "run": name,
        "data_cut": result.meta["data_cut"],
        "headline": headline_rows(release),
        "messages": sorted({f.code for f in result.findings}),
        "signal": bool(release.meta["monthly"].get("newest", {}).get("new")),
        "refresh": dict(account.refresh),
        "plan": account.plan,
        "profile": release.profile,
    }


def signals(release: Release) -> dict[str, Any]:
    """The control chart for a program: how its limits were made, the newest month, and every month that met a rule."""
    table = release.tables.get("control_chart")
    met = [] if table is None else [r for r in table.to_dict("records") if r["rules"]]
    found = [
        {"period": r["period"], "rules": r["rules"].split(", "), "direction": r["direction"], "new": r["new"] == "yes"}
        for r in met
    ]
    return {"data_cut": release.meta["data_cut"], **release.meta["monthly"], "signals": found}


def headline_rows(release: Release) -> list[dict[str, str]]:
    """The sentences of the first page, in order, from the released table."""
    table = release.tables.get("headline")
    if table is None:
        return []
    rows = table.sort_values("order", kind="stable")
    return [{c: str(getattr(r, c)) for c in ("question", "sentence", "verdict")} for r in rows.itertuples()]


def _write_manifest(
    folder: Path,
    name: str,
    result: RunResult,
    release: Release,
    print_: Fingerprint,
    account: Account,
    plan: Mapping[str, Any] | None,
) -> None:
    rows = {(s.table, s.sha256): s.rows for s in result.sources}
    outputs = [
        {"path": p.relative_to(folder).as_posix(), "bytes": p.stat().st_size, "sha256": file_sha256(p),
         "release": p.relative_to(folder).parts[0] == "release"}
        for p in sorted(folder.rglob("*")) if p.is_file()
    ]  # fmt: skip
    document = {
        "run": name,
        "run_sha256": print_.whole,
        "tool": {"name": "aaot-eval", "version": __version__, "commit": commit(), "code_sha256": print_.code},
        **python_and_system(),
        "packages": package_versions(),
        "seed": result.config.seed,
        "config_sha256": print_.config,
        "study_sha256": config_hash(result.config, window=False),
        "counting_sha256": counting_hash(result.config),
        "code_lists": code_lists(),
        "disclosure_profile": release.profile,
        "command": account.command,
        "as_of": account.as_of,
        "secret_fingerprint": account.secret,
        "times": {
            "started": account.started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        "data_cut": result.meta["data_cut"],
        "period_kind": result.meta["period_kind"],
        "refresh": dict(account.refresh),
        "plan": plan,
        "gates": [{"code": f.code, "level": f.level, "title": f.kind.title, "where": f.where} for f in result.findings],
        "inputs": [
            {
                "table": f.table,
                "path": f.name,
                "rows": rows.get((f.table, f.sha256)),
                "bytes": f.bytes,
                "sha256": f.sha256,
            }
            for f in print_.inputs
        ],
        "outputs": outputs,
    }
    write_json(folder / "manifest.json", document)


def move_into_place(partial: Path, final: Path) -> None:
    """Move a finished run to its place; a run that is there already is put aside until the new one stands."""
    aside = final.with_name(f"{ASIDE}{final.name}_{os.getpid()}")
    if final.exists():
        replace(final, aside)
    try:
        replace(partial, final)
    except (OSError, InputError):
        if aside.exists():
            replace(aside, final)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _add_to_index(run: RunFolder, as_csv: AsCsv) -> None:
    """One line for a finished run, under the name it has in its place."""
    path = run.path.parent / "index.csv"
    known = path.read_text("utf-8") if path.exists() else ""
    answers = [row for row in run.status()["headline"] if row["verdict"] != "monitoring"]
    line = {
        "finished": run.manifest["times"]["finished"],
        "data_cut": run.manifest["data_cut"],
        "run": run.manifest["run"],
        "verdict": answers[0]["verdict"] if answers else "",
        "headline": answers[0]["sentence"] if answers else "",
        "refreshed": bool(run.manifest["refresh"].get("refreshed", True)),
        "version": run.manifest["tool"]["version"],
        "manifest_sha256": file_sha256(run.path / "manifest.json"),
    }
    header, row = as_csv(pd.DataFrame([line])).split("\n", 1)
    replace_text(path, (known or f"{header}\n") + row)
