"""Small hospital extracts from tables drawn in a test, as an analyst would draw them on paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.engine import open_engine
from aaot_eval.ingest import read_tables
from aaot_eval.panel import build_panel
from aaot_eval.results import Panel, Tables

# What a drawn episode has when its table does not say: one finished emergency of one night, not about alcohol.
USUAL = {
    "key": "", "person": "A", "provider": "RX1", "admitted": "2022-05-01", "start": "", "end": "", "left": "", "order": "1",
    "status": "3", "class": "1", "method": "21", "source": "19", "how": "1", "to": "19", "site": "", "sex": "1", "age": "50", "diag": "R074",
}  # fmt: skip
HEADER = {
    "person": "TOKEN_PERSON_ID", "key": "EPIKEY", "admitted": "ADMIDATE", "start": "EPISTART", "end": "EPIEND", "left": "DISDATE",
    "order": "EPIORDER", "status": "EPISTAT", "class": "CLASSPAT", "method": "ADMIMETH", "source": "ADMISORC", "how": "DISMETH",
    "to": "DISDEST", "provider": "PROCODE3", "site": "SITETRET", "sex": "SEX", "age": "STARTAGE", "number": "PROVSPNOPS",
    "grouped": "SUSSPELLID", "area": "RESLADST_ONS",
    "payer": "ADMINCAT",
}  # fmt: skip
DIAGNOSES = [f"DIAG_{i:02d}" for i in range(1, 21)]


def table(text: str) -> list[dict[str, str]]:
    """The rows of a drawn table: columns by white space, `.` for an empty cell."""
    lines = [line.split() for line in text.strip().splitlines() if line.strip()]
    return [dict(zip(lines[0], ("" if c == "." else c for c in row), strict=True)) for row in lines[1:]]


def episodes(text: str) -> list[dict[str, str]]:
    """Drawn episodes as rows of a HES APC extract; `diag` is one code or several joined by +."""
    rows = []
    for i, drawn in enumerate(table(text), start=1):
        cell = {**USUAL, **drawn}
        cell["key"] = cell["key"] or f"{1000 + i}"
        cell["start"] = cell["start"] or cell["admitted"]
        cell["end"] = cell["end"] or cell["start"]
        if "left" not in drawn:
            cell["left"] = cell["end"] if cell["how"] not in ("8", "9") else ""
        row = {HEADER[k]: v for k, v in cell.items() if k in HEADER}
        codes = cell["diag"].split("+") if cell["diag"] else []
        rows.append(row | {d: codes[j] if j < len(codes) else "" for j, d in enumerate(DIAGNOSES)})
    return rows


def csv_text(rows: Iterable[Mapping[str, str]], delimiter: str = ",", end: str = "\n") -> str:
    """Rows as delimited text."""
    rows = list(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def study(home: Path, files: Mapping[str, str | bytes], **parts: Any) -> RunConfig:
    """A config over files written into `home`: `admissions.csv`, `caseload.csv`, ... are named under [data] by their stem."""
    data = dict(parts.pop("data", {}))
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        stem = path.name.split(".")[0]
        if stem in ("admissions", "attendances", "caseload", "sites", "deaths", "panel", "providers"):
            data.setdefault(stem, name)
    config = RunConfig.model_validate({"config_version": 1, "name": "drawn", "data": data, **parts})
    config._home = home
    return config


@contextmanager
def read(config: RunConfig) -> Any:
    """The tables of a config, while the engine is open."""
    engine = open_engine("duckdb", config.home / "work")
    try:
        yield read_tables(config, engine)
    finally:
        engine.close()


def rows_of(tables: Tables, sql: str) -> list[tuple[Any, ...]]:
    """A few rows of the engine; dates as text."""
    return [tuple(str(c) if hasattr(c, "isoformat") else c for c in row) for row in tables.engine.rows(sql)]


def panel_of(config: RunConfig) -> tuple[Tables, Panel]:
    """Tables and panel of a config (the engine is closed: only counts and frames are left)."""
    engine = open_engine("duckdb", config.home / "work")
    try:
        tables = read_tables(config, engine)
        return tables, build_panel(tables, config)
    finally:
        engine.close()


def two_years(provider: str = "RX1", first: str = "2021-04", months: int = 24, person: str = "bg") -> str:
    """Drawn background episodes: one on the first and the last day of each month, so that every month is whole."""
    lines = ["person provider admitted end key"]
    for p in pd.period_range(first, periods=months, freq="M"):
        for day in (p.start_time.date(), p.end_time.date()):
            lines.append(f"{person}_{provider}_{day} {provider} {day} {day} {provider}{day:%Y%m%d}".replace(" _", " "))
    return "\n".join(lines)
