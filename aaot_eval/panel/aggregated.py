"""An already aggregated table of units and periods, read as it stands: nothing is guessed, nothing missing becomes zero."""

from __future__ import annotations

import csv
import difflib
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.engine.files import Dialect, inspect_file, is_name, repeated_names
from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.findings import Finding
from aaot_eval.panel.exposure import DAYS_PER_YEAR
from aaot_eval.panel.timing import clock_of, period_frame
from aaot_eval.results import BESIDE, OutcomeSpec, Panel, Source

FREQUENCY = {"month": "M", "quarter": "Q", "year": "Y"}
SEASON_LENGTH = {"month": 12, "quarter": 4, "year": 1, "integer": 1}
EXAMPLES = {"month": "2024-04", "quarter": "2024Q2", "year": "2024", "integer": "17"}
BLANK = {"", "na", "n/a", "null", "none", "."}
# Beyond this a number is a fault: more than all money and all admissions of a country.
LARGEST = 1e12
# Names that say what a numeric column is, so that it is not taken for an outcome.
NEVER_OUTCOMES = {"days", "time", "t"}
# Columns that the panel makes itself; with `<outcome>_persons` no column of a file may stand in their place.
OWN_COLUMNS = {"unit", "t", "exposure", "treated", "missing"}
MOST_PROBLEMS, SHOWN = 20, 5


@dataclass(frozen=True)
class _Table:
    """The rows of the panel files as text, with the file and line each came from."""

    header: tuple[str, ...]
    rows: list[dict[str, str]]
    places: list[str]
    sources: tuple[Source, ...]

    def where(self, at: int, column: str, value: str) -> str:
        return f"{self.places[at]}, column {column}: {value_class(value)}"


def value_class(text: str) -> str:
    """What kind of text stands in a cell; never the text."""
    if not text.strip():
        return "empty"
    for kind, pattern in (
        ("digits", r"\d+"),
        ("decimal number", r"[+-]?\d*\.\d+"),
        ("like a date", r"\d+[-/. ]\d+[-/. ]\d+.*"),
        ("letters", r"[A-Za-z ]+"),
    ):
        if re.fullmatch(pattern, text.strip()):
            return kind
    return "mixed characters"


def read_panel(config: RunConfig) -> Panel:
    """The panel of `data.panel`: one row per unit and period, with the columns that [panel] names.

    Units in `panel.beside` stand in `units` with the mark BESIDE as group and no `start_t`; their start is in
    `extra["beside_start_t"]`. Without a unit column the file is one series, named after the study. Cells that are blank or not
    there are `missing`. Exposure is the denominator x days / 365.25; for integer periods the denominator itself.
    Raises InputError with every problem at once: by file, line, column and kind of value.
    """
    table = _read(config)
    roles = _roles(config, table)
    clock, labels = _periods(config, table, roles)
    unit = [row[roles["unit"]].strip() if roles["unit"] else config.name for row in table.rows]
    _refuse_repeats(table, unit, clock, roles)
    names, kinds = _outcomes(config, table, roles)
    _refuse_own_names(config, table, roles, names)
    numeric = [*names, *config.panel.covariates, *(r for r in (roles["exposure"], roles["weight"]) if r)]
    values = _numbers(table, list(dict.fromkeys(numeric)), kinds)

    clocks = sorted(labels)
    units = sorted(set(unit))
    at = pd.Index(units).get_indexer(pd.Index(unit)) * len(clocks) + pd.Index(clocks).get_indexer(pd.Index(clock))
    periods = _period_frame(config, clocks, labels)
    wide = {}
    for name, column in values.items():
        full = np.full(len(units) * len(clocks), np.nan)
        full[at] = column
        wide[name] = full
    unit_frame, beside = _units(config, table, roles, unit, units, clocks)
    cells = _cells(config, units, periods, names, wide, roles, unit_frame)
    if roles["exposure"]:
        held = cells.assign(denominator=wide[roles["exposure"]]).groupby("unit")["denominator"].mean()
        unit_frame["population"] = held.reindex(unit_frame.index).to_numpy(dtype=float)
    findings = _gaps(unit, units, clocks, config.panel.frequency)
    outcomes = tuple(
        OutcomeSpec(n, n.replace("_", " "), kinds[n], "events" if kinds[n] == "count" else n) for n in names
    )
    extra: dict[str, Any] = {
        "sources": table.sources,
        "artificial": False,
        "covariates": tuple(config.panel.covariates),
    }
    if roles["weight"]:
        extra["weight"] = roles["weight"]
    if beside:
        extra["beside_start_t"] = beside
    unit_of_exposure = (
        ("person-years" if roles["exposure"] else "years") if config.panel.frequency != "integer" else "periods"
    )
    return Panel(
        config.panel.frequency,
        SEASON_LENGTH[config.panel.frequency],
        periods,
        unit_frame,
        cells,
        outcomes,
        exposure_unit=unit_of_exposure,
        findings=findings,
        extra=extra,
    )


def _gaps(unit: Sequence[str], units: Sequence[str], clocks: Sequence[int], frequency: str) -> tuple[Finding, ...]:
    """Periods that are nowhere in the panel, and units without a row in a period that others have."""
    held = len(clocks)
    absent = clocks[-1] - clocks[0] + 1 - held
    count = Counter(unit)
    short = [u for u in units if count[u] < held]
    findings = []
    if absent > 0:
        findings.append(Finding("D345", where="panel", detail=f"{frequency}s absent altogether: {absent}"))
    if short:
        named = ", ".join(short[:SHOWN]) + (", ..." if len(short) > SHOWN else "")
        findings.append(Finding("D345", where=named, records=sum(held - count[u] for u in short)))
    return tuple(findings)


# The file ---------------------------------------------------------------------------------------------------------


def _read(config: RunConfig) -> _Table:
    given = config.data.panel or []
    problems: list[Problem] = []
    rows: list[dict[str, str]] = []
    places: list[str] = []
    sources = []
    header: tuple[str, ...] = ()
    work = config.path(config.output.work or config.output.runs) / ".panel"
    for text in [given] if isinstance(given, str) else given:
        for path in _paths(config, text, problems):
            try:
                file = inspect_file(path, work)
            except InputError as fault:
                problems += fault.problems
                continue
            found = _parquet_rows(file) if file.kind == "parquet" else _text_rows(file, path.name, problems)
            if not found:
                problems.append(
                    Problem(
                        "X203", f"{path.name} holds a header and no rows", where=str(path), do="ask for the file again"
                    )
                )
            header = header or file.header
            rows += [r for _, r in found]
            places += [f"{path.name}, line {n}" for n, _ in found]
            sources.append(Source("panel", path.name, len(found), file.bytes, file.sha256))
    shutil.rmtree(work, ignore_errors=True)
    if problems:
        raise InputError(*problems[:MOST_PROBLEMS])
    return _Table(header, rows, places, tuple(sources))


def _paths(config: RunConfig, text: str, problems: list[Problem]) -> list[Path]:
    try:
        return config.files(text, "data.panel")
    except InputError as missing:
        problems += missing.problems
        return []


def _text_rows(file: Dialect, name: str, problems: list[Problem]) -> list[tuple[int, dict[str, str]]]:
    rows = []
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=file.delimiter)
        next(reader, None)
        for cells in reader:
            if not any(c.strip() for c in cells):
                continue
            if len(cells) < len(file.header) or any(c.strip() for c in cells[len(file.header) :]):
                problems.append(
                    Problem(
                        "X203",
                        f"a line of {name} has {counted(len(cells), 'cell')}, the header {len(file.header)}",
                        where=f"{name}, line {reader.line_num}",
                        do="mend the line, or take it out if it is a footer",
                    )
                )
                continue
            rows.append((reader.line_num, dict(zip(file.header, cells, strict=False))))
    return rows


def _parquet_rows(file: Dialect) -> list[tuple[int, dict[str, str]]]:
    frame = pd.read_parquet(file.path)
    texts = {str(c): frame[c].map(lambda v: "" if pd.isna(v) else str(v)) for c in frame.columns}
    return [(i + 1, {c: str(texts[c].iloc[i]) for c in texts}) for i in range(len(frame))]


# Roles of the columns -----------------------------------------------------------------------------------------------


def _roles(config: RunConfig, table: _Table) -> dict[str, str]:
    """Which column of the file plays which part; an empty name means that no column does."""
    panel = config.panel
    roles = {
        "unit": panel.unit,
        "period": panel.period,
        "exposure": panel.exposure or "",
        "cluster": panel.cluster or "",
        "weight": panel.weight or "",
        "group": panel.group or "",
        "start": panel.start or "",
    }
    if "unit" not in panel.model_fields_set and panel.unit not in table.header:
        roles["unit"] = ""
    wanted = {f"panel.{k}": v for k, v in roles.items() if v}
    wanted |= {f"panel.outcomes.{n}": n for n in panel.outcomes} | {
        f"panel.covariates: {n}": n for n in panel.covariates
    }
    problems = []
    for key, name in wanted.items():
        if name not in table.header:
            near = difflib.get_close_matches(name, [h for h in table.header if is_name(h)], n=3, cutoff=0.4)
            short = key.split(".")[1].split(":")[0]
            problems.append(
                Problem(
                    "X204",
                    f"there is no column {name!r} for {key}",
                    where=table.sources[0].name,
                    allowed=_names(table),
                    do=f'write under [panel]: {short} = "{near[0]}"'
                    if near and short in roles
                    else "name a column of the file",
                )
            )
    problems += repeated_names(Path(table.sources[0].name), table.header, _columns_read(config, table, roles))
    if problems:
        raise InputError(*problems)
    return roles


def _columns_read(config: RunConfig, table: _Table, roles: Mapping[str, str]) -> set[str]:
    """The columns that are read; without named outcomes any numeric column may be one."""
    named = {*roles.values(), *config.panel.outcomes, *config.panel.covariates} - {""}
    return named if config.panel.outcomes else named | {h for h in table.header if h}


def _names(table: _Table) -> str:
    """The columns of the panel as a message may show them; not when line 1 looks like data."""
    names = [h for h in table.header if is_name(h)]
    if 2 * len(names) <= len(table.header):
        return "line 1 does not hold column names (it may hold data): add the header line"
    return ", ".join(names)


def _outcomes(config: RunConfig, table: _Table, roles: Mapping[str, str]) -> tuple[list[str], dict[str, Any]]:
    if config.panel.outcomes:
        return list(config.panel.outcomes), dict(config.panel.outcomes)
    taken = {*roles.values(), *config.panel.covariates} | NEVER_OUTCOMES
    names = [c for c in table.header if c and c not in taken and _numeric_column(table, c)]
    if not names:
        raise InputError(
            Problem(
                "C106",
                "no column of the panel is an outcome",
                where=table.sources[0].name,
                allowed=_names(table),
                do='name the outcomes: [panel.outcomes] admissions = "count"',
            )
        )
    return names, dict.fromkeys(names, "count")


def _refuse_own_names(config: RunConfig, table: _Table, roles: Mapping[str, str], names: Sequence[str]) -> None:
    """Raises InputError for every outcome, covariate and weight that would replace a column of the panel itself."""
    own = OWN_COLUMNS | {f"{n}_persons" for n in names}
    asked = [*names, *config.panel.covariates, *([roles["weight"]] if roles["weight"] else [])]
    taken = [name for name in dict.fromkeys(asked) if name in own]
    if taken:
        raise InputError(
            *(
                Problem(
                    "X217",
                    f"the column {name!r} has a name that the panel itself uses",
                    where=table.sources[0].name,
                    allowed=f"any name but {', '.join(sorted(OWN_COLUMNS))} and <outcome>_persons",
                    do="rename the column in the file and in the config under [panel]; where it is no outcome, "
                    'name the outcomes: [panel.outcomes] admissions = "count"',
                )
                for name in taken
            )
        )


def _numeric_column(table: _Table, name: str) -> bool:
    filled = [r[name] for r in table.rows if r[name].strip().lower() not in BLANK]
    return bool(filled) and sum(_number(v) is not None for v in filled) > len(filled) / 2


def _number(text: str) -> float | None:
    if "_" in text:  # float() would read 1_00 as 100
        return None
    try:
        value = float(text.replace(",", "") if re.fullmatch(r"\s*\d{1,3}(,\d{3})+(\.\d+)?\s*", text) else text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _numbers(table: _Table, names: Sequence[str], kinds: Mapping[str, str]) -> dict[str, np.ndarray]:
    problems: list[Problem] = []
    found = {}
    for name in names:
        column = np.full(len(table.rows), np.nan)
        for i, row in enumerate(table.rows):
            text = row[name]
            if text.strip().lower() in BLANK:
                continue
            value = _number(text)
            fault = _not_plain(text, value) or _out_of_kind(value, kinds.get(name))
            if fault:
                problems.append(
                    Problem(
                        "X213",
                        f"a cell of {name} {fault}",
                        where=table.where(i, name, text),
                        do="mend the cell; leave it blank when it is missing or suppressed",
                    )
                )
            elif value is not None:
                column[i] = value
        found[name] = column
    if problems:
        raise InputError(*problems[:MOST_PROBLEMS])
    return found


def _not_plain(text: str, value: float | None) -> str:
    if value is None:
        return "is not a number"
    if "," in text:
        return "has a separator of thousands: write 1234"
    return "is larger than any count or cost" if abs(value) > LARGEST else ""


def _out_of_kind(value: float | None, kind: str | None) -> str:
    if value is None:
        return ""
    if kind == "count" and value < 0:
        return "is a count below zero"
    if kind == "count" and value != round(value):
        return 'is a count that is no whole number: declare the outcome as "share" or "continuous"'
    if kind == "share" and not 0 <= value <= 1:
        return "is a share outside 0 to 1"
    return ""


# Periods and starts ----------------------------------------------------------------------------------------------------


def parse_period(text: str, frequency: str) -> pd.Period | int | None:
    """A period as written in a file or the config; None when it does not read without guessing.

    Months: 2024-04, 2024/04, 202404, 2024-04-01, Apr-24, 1-Apr-24, April 2024. Quarters: 2024Q2, 2024_Q2, Q2 2024, or a date.
    Years: 2024 or a date. Integers as they are.
    """
    text = text.strip()
    if frequency == "integer":
        return int(float(text)) if re.fullmatch(r"[+-]?\d+(\.0+)?", text) else None
    day = _date(text)
    if day is not None:
        return pd.Period(day, FREQUENCY[frequency])
    if frequency == "year":
        return pd.Period(text[:4], "Y") if re.fullmatch(r"\d{4}(\.0+)?", text) else None
    if frequency == "quarter":
        found = re.fullmatch(r"(\d{4})[\s_,-]*Q([1-4])", text, re.IGNORECASE)
        turned = re.fullmatch(r"Q([1-4])[\s_,-]*(\d{4})", text, re.IGNORECASE)
        year, quarter = (found[1], found[2]) if found else (turned[2], turned[1]) if turned else (None, None)
        return pd.Period(f"{year}Q{quarter}", "Q") if year else None
    return None


def _date(text: str) -> datetime | None:
    patterns = (
        "%Y-%m-%d",
        "%Y-%m",
        "%Y/%m",
        "%Y/%m/%d",
        "%b-%y",
        "%d-%b-%y",
        "%d-%b-%Y",
        "%b-%Y",
        "%b %Y",
        "%B %Y",
        "%Y-%m-%d %H:%M:%S",
    )
    for pattern in (*patterns, *(("%Y%m",) if len(text) == 6 else ()), *(("%Y%m%d",) if len(text) == 8 else ())):
        try:
            return datetime.strptime(text, pattern)
        except ValueError:
            continue
    return None


def _clock(period: pd.Period | int) -> int:
    return period if isinstance(period, int) else clock_of(period)


def _periods(
    config: RunConfig, table: _Table, roles: Mapping[str, str]
) -> tuple[list[int], dict[int, pd.Period | int]]:
    problems: list[Problem] = []
    clock: list[int] = []
    labels: dict[int, pd.Period | int] = {}
    for i, row in enumerate(table.rows):
        text = row[roles["period"]]
        period = parse_period(text, config.panel.frequency)
        if period is None:
            problems.append(
                Problem(
                    "X213",
                    f"a period does not read as a {config.panel.frequency}",
                    where=table.where(i, roles["period"], text),
                    allowed=EXAMPLES[config.panel.frequency],
                    do="write all periods alike, or set panel.frequency",
                )
            )
            clock.append(0)
            continue
        clock.append(_clock(period))
        labels[clock[-1]] = period
    if problems:
        raise InputError(*problems[:MOST_PROBLEMS])
    begin, end = (_asked(config, getattr(config.study, k), f"study.{k}") for k in ("first_period", "last_period"))
    for key, asked in (("study.first_period", begin), ("study.last_period", end)):
        if asked is not None and not min(labels) <= asked <= max(labels):
            problems.append(_outside(key, labels))
    if problems:
        raise InputError(*problems)
    inside = {c: p for c, p in labels.items() if (begin is None or c >= begin) and (end is None or c <= end)}
    keep = [i for i, c in enumerate(clock) if c in inside]
    table.rows[:] = [table.rows[i] for i in keep]
    table.places[:] = [table.places[i] for i in keep]
    return [clock[i] for i in keep], inside


def _asked(config: RunConfig, value: object, key: str) -> int | None:
    """A period of the config as a clock number."""
    if value is None:
        return None
    period = parse_period(str(value), config.panel.frequency)
    if period is None:
        raise InputError(
            Problem(
                "C105",
                f"{key} is not a {config.panel.frequency}",
                where=key,
                allowed=EXAMPLES[config.panel.frequency],
                do="write it like the periods of the panel",
            )
        )
    return _clock(period)


def _outside(key: str, labels: Mapping[int, pd.Period | int]) -> Problem:
    return Problem(
        "D320",
        f"{key} lies outside the data",
        where=key,
        allowed=f"{labels[min(labels)]} to {labels[max(labels)]}",
        do="choose a period of the panel",
    )


def _period_frame(config: RunConfig, clocks: Sequence[int], labels: Mapping[int, pd.Period | int]) -> pd.DataFrame:
    out = {_asked(config, v, "study.left_out") for v in config.study.left_out}
    if config.panel.frequency != "integer":
        periods = {c: p for c in clocks if isinstance(p := labels[c], pd.Period)}
        return period_frame(periods.values(), [p for c, p in periods.items() if c in out])
    return pd.DataFrame(
        {
            "label": [str(c) for c in clocks],
            "start": pd.DatetimeIndex([pd.NaT] * len(clocks)),
            "days": 1,
            "season": 1,
            "clock": np.array(clocks, dtype=np.int64),
            "left_out": [c in out for c in clocks],
        },
        index=pd.RangeIndex(len(clocks), name="t"),
    )


def _refuse_repeats(table: _Table, unit: Sequence[str], clock: Sequence[int], roles: Mapping[str, str]) -> None:
    seen: dict[tuple[str, int], int] = {}
    problems = []
    for i, key in enumerate(zip(unit, clock, strict=True)):
        if not key[0]:
            problems.append(
                Problem("X213", "a row has no unit", where=table.where(i, roles["unit"], ""), do="fill in the unit")
            )
        elif key in seen:
            problems.append(
                Problem(
                    "X214",
                    f"{key[0]} has the same period twice",
                    where=f"{table.places[i]} and {table.places[seen[key]]}",
                    do="keep one row for each unit and period",
                )
            )
        seen.setdefault(key, i)
    if problems:
        raise InputError(*problems[:MOST_PROBLEMS])


def _units(
    config: RunConfig,
    table: _Table,
    roles: Mapping[str, str],
    unit: Sequence[str],
    units: Sequence[str],
    clocks: Sequence[int],
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The `units` frame, and the starts of the units that stand beside."""
    problems = [
        Problem(
            "D322",
            f"{key} names units that are not in the panel: {', '.join(unknown)}",
            where=key,
            allowed=", ".join(units[:30]),
            do="write the units as in the panel",
        )
        for key, named in (
            ("study.starts", config.study.starts),
            ("study.comparison", config.study.comparison),
            ("panel.beside", config.panel.beside),
        )
        if (unknown := sorted(set(named) - set(units)))
    ]
    begun = _starts(config, table, roles, unit, units, clocks, problems)
    never = [u for u in config.study.comparison if begun.get(u) is not None and u in config.study.starts]
    problems += [
        Problem(
            "C107",
            f"{u} is in study.comparison and has a start",
            where="study.comparison",
            do="take it out of one of the two",
        )
        for u in never
    ]
    start = {}
    for u, first in begun.items():
        if first <= clocks[0]:
            problems.append(
                Problem(
                    "D320",
                    f"the service at {u} starts before there is anything to compare with",
                    where="start",
                    allowed=f"after {clocks[0] if config.panel.frequency == 'integer' else 'the first period of the panel'}",
                    do="give earlier periods, or mend the start",
                )
            )
        start[u] = int(np.searchsorted(clocks, first))
    if start and not problems and all(t >= len(clocks) for t in start.values()):
        problems.append(
            Problem(
                "D320", "no service starts inside the data", where="start", do="give later periods, or mend the start"
            )
        )
    if problems:
        raise InputError(*problems[:MOST_PROBLEMS])
    beside = {u: t for u, t in start.items() if u in config.panel.beside}
    last = _asked(config, config.study.stop, "study.stop")
    stop_t = None if last is None else int(np.searchsorted(clocks, last, side="right")) - 1
    treated = [u in start and u not in beside for u in units]
    group = _constant(table, roles["group"], unit) if roles["group"] else {}
    frame = pd.DataFrame(
        {
            "start_t": pd.array([start[u] if x else pd.NA for u, x in zip(units, treated, strict=True)], dtype="Int64"),
            "stop_t": pd.array([stop_t if x and stop_t is not None else pd.NA for x in treated], dtype="Int64"),
            "population": np.nan,
            "beds": np.nan,
            "group": [BESIDE if u in config.panel.beside else group.get(u, "") for u in units],
        },
        index=pd.Index(units, name="unit"),
    )
    if roles["cluster"]:
        frame["cluster"] = pd.Series(_constant(table, roles["cluster"], unit)).reindex(frame.index)
    return frame, beside


def _starts(
    config: RunConfig,
    table: _Table,
    roles: Mapping[str, str],
    unit: Sequence[str],
    units: Sequence[str],
    clocks: Sequence[int],
    problems: list[Problem],
) -> dict[str, int]:
    """The clock of each unit's start: the start column, then `study.starts`, then `study.service_start` for all others."""
    begun: dict[str, int] = {}
    if roles["start"]:
        for u, text in _constant(table, roles["start"], unit).items():
            period = parse_period(text, config.panel.frequency) if text.lower() not in BLANK else None
            zero_is_never = config.panel.frequency == "integer" and period == 0 and clocks[0] > 0
            if period is not None and not zero_is_never:
                begun[u] = _clock(period)
            elif text.lower() not in BLANK and not zero_is_never:
                at = unit.index(u)
                problems.append(
                    Problem(
                        "X213",
                        f"the start of {u} does not read as a {config.panel.frequency}",
                        where=table.where(at, roles["start"], text),
                        allowed=EXAMPLES[config.panel.frequency],
                        do="write it like the periods, or leave it blank for never",
                    )
                )
    for u, asked in config.study.starts.items():
        begun[u] = _asked(config, asked, f"study.starts.{u}") or 0
    whole = _asked(config, config.study.service_start, "study.service_start")
    if whole is not None:
        begun |= {u: whole for u in units if u not in config.study.comparison and u not in begun}
    return {u: c for u, c in begun.items() if u in set(units) and u not in config.study.comparison}


def _constant(table: _Table, column: str, unit: Sequence[str]) -> dict[str, str]:
    """One text for each unit. Raises InputError when a unit has two."""
    found: dict[str, str] = {}
    problems = []
    for i, u in enumerate(unit):
        text = table.rows[i][column].strip()
        if found.setdefault(u, text) != text:
            problems.append(
                Problem(
                    "X214",
                    f"{column} of {u} is not the same in all periods",
                    where=table.where(i, column, text),
                    do="give one value for each unit",
                )
            )
    if problems:
        raise InputError(*problems[:MOST_PROBLEMS])
    return found


def _cells(
    config: RunConfig,
    units: Sequence[str],
    periods: pd.DataFrame,
    names: Sequence[str],
    wide: Mapping[str, np.ndarray],
    roles: Mapping[str, str],
    unit_frame: pd.DataFrame,
) -> pd.DataFrame:
    n_u, n_t = len(units), len(periods)
    t = np.tile(np.arange(n_t), n_u)
    cells = pd.DataFrame({"unit": np.repeat(np.array(units, dtype=object), n_t), "t": t})
    per_period = np.ones(n_t) if config.panel.frequency == "integer" else periods["days"].to_numpy() / DAYS_PER_YEAR
    denominator = wide[roles["exposure"]] if roles["exposure"] else np.ones(n_u * n_t)
    cells["exposure"] = denominator * per_period[t]
    start = unit_frame["start_t"].fillna(n_t).to_numpy(dtype=np.int64)
    stop = unit_frame["stop_t"].fillna(n_t).to_numpy(dtype=np.int64)
    cells["treated"] = (t >= np.repeat(start, n_t)) & (t <= np.repeat(stop, n_t))
    primary = config.study.outcome if config.study.outcome in names else names[0]
    cells["missing"] = np.isnan(wide[primary]) | ~(denominator > 0)
    bad = ~(denominator > 0) & ~np.isnan(wide[primary])
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise InputError(
            Problem(
                "X213",
                f"{counted(int(bad.sum()), 'cell')} with an outcome and no denominator above zero",
                where=f"{cells['unit'].iloc[first]}, {periods['label'].iloc[int(t[first])]}, column {roles['exposure']}",
                do="fill in the denominator, or leave the outcome blank",
            )
        )
    cells.loc[~(cells["exposure"] > 0), "exposure"] = np.nan
    for name in names:
        whole = (
            not np.isnan(wide[name]).any()
            and bool((wide[name] == np.round(wide[name])).all())
            and config.panel.outcomes.get(name, "count") == "count"
        )
        cells[name] = wide[name].astype(np.int64) if whole else wide[name]
        cells[f"{name}_persons"] = pd.array([pd.NA] * len(cells), dtype="Int64")
    for name in (*config.panel.covariates, *([roles["weight"]] if roles["weight"] else [])):
        cells[name] = wide[name]
    return cells
