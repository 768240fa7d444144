"""Outcomes that are made only when the study names them, and the sensitivity to same-day emergency care."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.config.study import ATTRIBUTABLE_OUTCOMES
from aaot_eval.findings import Finding
from aaot_eval.panel.outcomes import DEATHS, spread
from aaot_eval.results import OutcomeSpec, Panel, Tables

OVERNIGHT = "_overnight"
#: Outcomes of stays that a same-day part can be left out of.
WITH_SAME_DAY = ("alcohol_specific_emergency", "emergency")
SAME_DAY_ADDED = "emergency_with_sdec"
ON_REQUEST: dict[str, OutcomeSpec] = {
    o.name: o
    for o in (
        OutcomeSpec("alcohol_specific", "Alcohol-specific admissions, emergency or planned"),
        OutcomeSpec(
            "alcohol_specific_emergency_overnight",
            "Alcohol-specific emergency admissions of a night or more",
        ),
        OutcomeSpec("emergency_overnight", "Emergency admissions of a night or more"),
        OutcomeSpec(
            SAME_DAY_ADDED,
            "Emergency admissions, with attendances for same-day emergency care where it moved",
            event="admissions and same-day attendances",
        ),
        OutcomeSpec(
            "alcohol_broad", "Admissions attributable to alcohol, broad measure (sum of fractions)", event="attributable admissions"
        ),
        OutcomeSpec(
            "alcohol_narrow", "Admissions attributable to alcohol, narrow measure (sum of fractions)", event="attributable admissions"
        ),
        OutcomeSpec(
            "alcohol_narrow_main",
            "Admissions attributable to alcohol, narrow measure with the main diagnosis first (sum of fractions)",
            event="attributable admissions",
        ),
        OutcomeSpec("readmissions", "Emergency readmissions", event="readmissions"),
        OutcomeSpec("readmission_share", "Discharges followed by an emergency readmission", "share", "readmissions"),
        OutcomeSpec("length_of_stay", "Mean nights of emergency admissions", "continuous", "nights"),
        DEATHS,
    )
}  # fmt: skip


def asked_outcomes(tables: Tables, config: RunConfig) -> tuple[OutcomeSpec, ...]:
    """What the study names beyond the usual outcomes and the data allow, in the order of the list; same-day care included."""
    wanted = set(config.outcomes_asked) | set(same_day_outcomes(tables, config))
    if not tables.has("attendances"):
        wanted.discard(SAME_DAY_ADDED)
    days = config.counting.readmission_days
    named = {
        "readmissions": f"Emergency readmissions within {days} days (day 0 to {days - 1} after the discharge)",
        "readmission_share": f"Discharges followed by an emergency readmission within {days} days",
    }
    return tuple(replace(o, title=named.get(o.name, o.title)) for o in ON_REQUEST.values() if o.name in wanted)


def moved_sites(tables: Tables) -> dict[str, str]:
    """Sites whose same-day emergency care leaves the admitted data set inside the window, with the month."""
    if not tables.has("sites"):
        return {}
    rows = tables.engine.rows(
        f"""SELECT site, sdec_from FROM sites WHERE sdec_from IS NOT NULL AND sdec_from <= DATE '{tables.last_month.end_time.date()}'
        ORDER BY site"""
    )
    return {str(site): str(pd.Period(day, "M")) for site, day in rows}


def same_day_outcomes(tables: Tables, config: RunConfig) -> tuple[str, ...]:
    """The outcomes that show what the move of same-day care does to the primary; none when no site moved."""
    if not moved_sites(tables):
        return ()
    primary = config.study.outcome
    names = (primary + OVERNIGHT,) if primary in WITH_SAME_DAY else ()
    return (*names, SAME_DAY_ADDED) if tables.has("attendances") else names


def same_day_findings(tables: Tables, config: RunConfig) -> list[Finding]:
    """D366, when a site moved."""
    moved = moved_sites(tables)
    if not moved:
        return []
    detail = ", ".join(f"{site} from {month}" for site, month in moved.items())
    beside = ", ".join(same_day_outcomes(tables, config))
    return [Finding("D366", where="data.sites", detail=detail + (f"; beside it: {beside}" if beside else ""))]


def add_asked(
    panel: Panel,
    tables: Tables,
    config: RunConfig,
    asked: tuple[OutcomeSpec, ...],
    keys: pd.Index,
    window: dict[str, Any],
) -> Panel:
    """The panel with the outcomes asked for in its cells, and person by person where that has a meaning.

    `keys` are the person numbers of the engine in the order of `panel.people`. Fractions are shares of a population, so they are
    not given to people; shares and means neither.
    """
    findings: list[Finding] = []
    for outcome in asked:
        if outcome.name == DEATHS.name:
            _deaths(panel)
        elif outcome.name == "readmission_share":
            findings += _readmission_share(panel, tables, config, window)
        elif outcome.name == "length_of_stay":
            _length_of_stay(panel, tables)
        else:
            _events(tables, config, outcome.name, window)
            _fill(panel, tables, outcome.name, keys)
            if outcome.name == "readmissions":
                findings += _first_months_empty(panel, config)
    return replace(panel, outcomes=(*panel.outcomes, *asked), findings=(*panel.findings, *findings))


def _events(tables: Tables, config: RunConfig, name: str, window: dict[str, Any]) -> None:
    """Makes `asked_events` (person, site, t, amount)."""
    engine = tables.engine
    if name == "alcohol_specific":
        engine.run("events_alcohol")
    elif name.endswith(OVERNIGHT):
        engine.run("events_overnight", measure=name.removesuffix(OVERNIGHT))
    elif name == SAME_DAY_ADDED:
        engine.run("events_with_sdec")
    elif name in ATTRIBUTABLE_OUTCOMES:
        step = "events_attributable" + ("_lape" if config.counting.fractions == "lape" else "")
        engine.run(step, measure=name.removeprefix("alcohol_"), **window)
    else:
        _link_readmissions(tables, config)
        engine.run("events_readmissions", **window)


def _link_readmissions(tables: Tables, config: RunConfig) -> None:
    tables.engine.run("stays_in_turn")
    tables.engine.run("readmissions", last_day=config.counting.readmission_days - 1)


def _fill(panel: Panel, tables: Tables, name: str, keys: pd.Index) -> None:
    engine, n_t = tables.engine, len(panel.periods)
    fractional = name in ATTRIBUTABLE_OUTCOMES
    engine.run("asked_site_months")
    months = engine.frame("SELECT * FROM asked_site_months")
    _put(
        panel,
        name,
        spread(months, panel.units.index, "site", "amount", n_t, float),
        spread(months, panel.units.index, "site", "people", n_t),
    )
    if not fractional and panel.person_cells is not None:
        engine.run("asked_person_months")
        found = engine.frame("SELECT * FROM asked_person_months")
        panel.person_cells[name] = spread(found, keys, "person", "amount", n_t, np.int16).reshape(-1)


def _put(panel: Panel, name: str, values: np.ndarray, people: np.ndarray) -> None:
    """Values and people by site and month into the cells; a missing site-month stays missing."""
    cells = panel.cells
    gone = cells["missing"].to_numpy(dtype=bool)
    flat = np.where(gone, np.nan, values.reshape(-1).astype(float))
    whole = not np.isnan(flat).any() and bool((flat == np.round(flat)).all()) and panel_kind_is_count(name)
    cells[name] = flat.astype(np.int64) if whole else flat
    cells[f"{name}_persons"] = pd.array(people.reshape(-1), dtype="Int64")
    cells.loc[np.isnan(flat), f"{name}_persons"] = pd.NA


def panel_kind_is_count(name: str) -> bool:
    """Whether an outcome on request is a count of whole events."""
    return ON_REQUEST[name].kind == "count" and name not in ATTRIBUTABLE_OUTCOMES


def _first_months_empty(panel: Panel, config: RunConfig) -> list[Finding]:
    """The first months, in which the discharge before a readmission may lie before the data, are emptied."""
    days = panel.periods["days"].to_numpy().cumsum()
    early = int((days - panel.periods["days"].to_numpy() < config.counting.readmission_days).sum())
    panel.cells["readmissions"] = panel.cells["readmissions"].astype(float)
    panel.cells.loc[panel.cells["t"] < early, ["readmissions"]] = np.nan
    panel.cells.loc[panel.cells["t"] < early, ["readmissions_persons"]] = pd.NA
    return [_incomplete(panel, range(early), "readmissions")]


def _incomplete(panel: Panel, months: range, what: str) -> Finding:
    labels = panel.periods["label"].astype(str).iloc[list(months)]
    return Finding("D368", where=what, detail=" to ".join(dict.fromkeys((labels.iloc[0], labels.iloc[-1]))))


def _readmission_share(panel: Panel, tables: Tables, config: RunConfig, window: dict[str, Any]) -> list[Finding]:
    """Share of discharges by month of discharge; months whose last discharges have no whole window are empty."""
    engine, n_t, units = tables.engine, len(panel.periods), panel.units.index
    days = config.counting.readmission_days
    _link_readmissions(tables, config)
    engine.run("readmission_shares", **window)
    rows = engine.frame("SELECT * FROM readmission_shares")
    whole = spread(rows, units, "site", "discharges", n_t)
    again = spread(rows, units, "site", "readmitted", n_t)
    last_whole = window["last_day"] - timedelta(days=days - 1)
    ends = pd.DatetimeIndex(panel.periods["start"]) + pd.to_timedelta(panel.periods["days"].to_numpy() - 1, unit="D")
    late = np.asarray(ends > pd.Timestamp(last_whole))
    share = np.divide(again, whole, out=np.full(whole.shape, np.nan), where=(whole > 0) & ~late[None, :])
    _put(panel, "readmission_share", share, spread(rows, units, "site", "people", n_t))
    return [_incomplete(panel, range(int(np.argmax(late)), n_t), "readmission_share")] if late.any() else []


def _length_of_stay(panel: Panel, tables: Tables) -> None:
    tables.engine.run("stay_lengths")
    rows, n_t, units = tables.engine.frame("SELECT * FROM stay_lengths"), len(panel.periods), panel.units.index
    stays = spread(rows, units, "site", "stays", n_t)
    nights = spread(rows, units, "site", "nights", n_t)
    mean = np.divide(nights, stays, out=np.full(stays.shape, np.nan), where=stays > 0)
    _put(panel, "length_of_stay", mean, spread(rows, units, "site", "people", n_t))


def _deaths(panel: Panel) -> None:
    """Deaths of the people of the panel, by home hospital and month."""
    assert panel.people is not None  # noqa: S101
    n_t = len(panel.periods)
    died = panel.people[panel.people["death_t"].notna()]
    rows = died.groupby(["unit", "death_t"]).size().rename("n").reset_index().rename(columns={"death_t": "t"})
    rows["t"] = rows["t"].astype(int)
    count = spread(rows, panel.units.index, "unit", "n", n_t)
    _put(panel, DEATHS.name, count, count)
    _person_deaths(panel)


def _person_deaths(panel: Panel) -> None:
    assert panel.people is not None  # noqa: S101
    assert panel.person_cells is not None  # noqa: S101
    month = panel.people["death_t"].fillna(-1).to_numpy(dtype=np.int64)
    at = panel.person_cells["t"].to_numpy()
    panel.person_cells[DEATHS.name] = (at == np.repeat(month, len(panel.periods))).astype(np.int16)
