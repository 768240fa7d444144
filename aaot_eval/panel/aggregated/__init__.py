"""An already aggregated table of units and periods, read as it stands: nothing is guessed, nothing missing becomes zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.findings import Finding
from aaot_eval.panel.aggregated.columns import numbers_of, outcomes_of, refuse_own_names, roles_of
from aaot_eval.panel.aggregated.file import read_file
from aaot_eval.panel.aggregated.oddities import noughts, same_counts
from aaot_eval.panel.aggregated.periods import frame_of_periods, periods_of
from aaot_eval.panel.aggregated.units import Rows, refuse_repeats, refuse_total, units_of
from aaot_eval.panel.exposure import DAYS_PER_YEAR, sudden_changes
from aaot_eval.results import OutcomeSpec, Panel

SEASON_LENGTH = {"month": 12, "quarter": 4, "year": 1, "integer": 1}
SHOWN = 5


def read_panel(config: RunConfig) -> Panel:
    """The panel of `data.panel`: one row per unit and period, with the columns that [panel] names.

    Units in `panel.beside` stand in `units` with the mark BESIDE as group and no `start_t`; their start is in
    `extra["beside_start_t"]`. Without a unit column the file is one series, named after the study. Cells that are blank or not
    there are `missing`. Exposure is the denominator x days / 365.25; for integer periods the denominator itself.
    Raises InputError with every problem at once: by file, line, column and kind of value.
    """
    table = read_file(config)
    roles = roles_of(config, table)
    table, clock, labels = periods_of(config, table, roles["period"])
    unit = [row[roles["unit"]].strip() if roles["unit"] else config.name for row in table.rows]
    rows = Rows(table, roles, unit, clock, labels)
    refuse_repeats(rows)
    names, kinds = outcomes_of(config, table, roles)
    refuse_own_names(config, table, roles, names)
    numeric = [*names, *config.panel.covariates, *(r for r in (roles["exposure"], roles["weight"]) if r)]
    wide = _every_cell(rows, numbers_of(table, list(dict.fromkeys(numeric)), kinds))
    refuse_total(rows, {n: wide[n] for n in names if kinds[n] == "count"})

    periods = frame_of_periods(config, rows.clocks, labels)
    unit_frame, beside = units_of(config, rows)
    cells = _cells(config, roles, periods, unit_frame, names, wide)
    findings = _gaps(rows, config.panel.frequency)
    for name in (n for n in names if kinds[n] == "count"):
        counts = wide[name].reshape(len(rows.units), -1)
        findings += (
            *same_counts(counts, rows.units, name), *noughts(counts, rows.units, periods["label"].tolist(), name)
        )  # fmt: skip
    if roles["exposure"]:
        people = wide[roles["exposure"]].reshape(len(rows.units), -1)
        limit = config.quality.limit("D416")
        findings += tuple(sudden_changes(people, rows.units, periods["label"].tolist(), limit))
        held = cells.assign(denominator=wide[roles["exposure"]]).groupby("unit")["denominator"].mean()
        unit_frame["population"] = held.reindex(unit_frame.index).to_numpy(dtype=float)
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


def _every_cell(rows: Rows, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns of rows as columns of unit by period, NaN where there is no row."""
    units, clocks = pd.Index(rows.units), pd.Index(rows.clocks)
    at = units.get_indexer(pd.Index(rows.unit)) * len(clocks) + clocks.get_indexer(pd.Index(rows.clock))
    wide = {name: np.full(len(units) * len(clocks), np.nan) for name in values}
    for name, column in values.items():
        wide[name][at] = column
    return wide


def _gaps(rows: Rows, frequency: str) -> tuple[Finding, ...]:
    """Periods that are nowhere in the panel, and units without a row in a period that others have."""
    clocks = rows.clocks
    held = len(clocks)
    absent = clocks[-1] - clocks[0] + 1 - held
    count = Counter(rows.unit)
    short = [u for u in rows.units if count[u] < held]
    findings = []
    if absent > 0:
        findings.append(Finding("D345", where="panel", detail=f"{frequency}s absent altogether: {absent}"))
    if short:
        named = ", ".join(short[:SHOWN]) + (", ..." if len(short) > SHOWN else "")
        findings.append(Finding("D345", where=named, records=sum(held - count[u] for u in short)))
    return tuple(findings)


def _cells(
    config: RunConfig,
    roles: Mapping[str, str],
    periods: pd.DataFrame,
    units: pd.DataFrame,
    names: Sequence[str],
    wide: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """One row for each unit and period: exposure, treated, missing, and every outcome and covariate."""
    n_u, n_t = len(units), len(periods)
    t = np.tile(np.arange(n_t), n_u)
    cells = pd.DataFrame({"unit": np.repeat(np.array(units.index, dtype=object), n_t), "t": t})
    per_period = np.ones(n_t) if config.panel.frequency == "integer" else periods["days"].to_numpy() / DAYS_PER_YEAR
    denominator = wide[roles["exposure"]] if roles["exposure"] else np.ones(n_u * n_t)
    cells["exposure"] = denominator * per_period[t]
    start = units["start_t"].fillna(n_t).to_numpy(dtype=np.int64)
    stop = units["stop_t"].fillna(n_t).to_numpy(dtype=np.int64)
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
