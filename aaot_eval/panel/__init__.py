"""Tables to panel: units by periods and people by periods, for every estimator alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.newest_months import sent_in_part
from aaot_eval.panel.aggregated import read_panel
from aaot_eval.panel.asked import (
    ON_REQUEST,
    SAME_DAY_ADDED,
    add_asked,
    asked_outcomes,
    same_day_findings,
    same_day_outcomes,
)
from aaot_eval.panel.calendar import bank_holidays, working_days
from aaot_eval.panel.entry import MET, RuleMet, add_rule_people, rule_met
from aaot_eval.panel.exposure import changing_population, month_in_window, site_exposure, sudden_changes, unlike_rates
from aaot_eval.panel.outcomes import (
    DEATHS,
    ELSEWHERE,
    HOSPITAL_COST,
    STAY_OUTCOMES,
    cost_outcome,
    counted_outcomes,
    spread,
)
from aaot_eval.panel.prices import price_people, price_stays, share_stays, unpriced_table
from aaot_eval.panel.timing import clock_of, months_of, period_frame, site_starts
from aaot_eval.panel.trial import with_arms
from aaot_eval.results import OutcomeSpec, Panel, Tables

__all__ = ["build_panel", "price_stays", "read_panel"]

PANDEMIC = (pd.Period("2020-03", "M"), pd.Period("2021-12", "M"))
FIFTHS = ("1", "2", "3", "4", "5")
LEAST_MEDIAN = 20
# What is held here of a person (three texts, dates and flags, twice while they are put together) and of each month of a person.
BYTES_OF_A_PERSON, BYTES_OF_A_MONTH = 400, 16


def build_panel(tables: Tables, config: RunConfig) -> Panel:
    """The panel of an extract: sites by months, and everybody with an alcohol-specific emergency stay or on the caseload by months.

    With prices (`price_stays` ran before) also `hospital_cost` by person and `<primary>_cost` by site. Raises InputError for starts
    outside the data and for an unknown outcome.
    """
    periods = period_frame(
        pd.period_range(tables.first_month, tables.last_month, freq="M"),
        months_of(config.study.left_out, "study.left_out"),
    )
    periods = _with_working_days(periods, config)
    outcomes = counted_outcomes(tables)
    asked = asked_outcomes(tables, config)
    primary = _known_outcomes(config, (*outcomes, *asked))
    _count(tables, periods, config)
    units = _units(tables, config)
    cells, findings = _cells(tables, units, periods, outcomes, config)
    priced = tables.has("stay_prices")
    if priced:
        share_stays(tables, periods, config.costs)
    if priced and primary in STAY_OUTCOMES:
        cost = cost_outcome(primary)
        tables.engine.run("site_costs", primary=primary.name)
        costs = spread(
            tables.engine.frame("SELECT * FROM site_costs"), units.index, "site", "cost", len(periods), float
        )
        cells[cost.name] = np.where(cells["missing"], np.nan, costs.reshape(-1))
        outcomes = (*outcomes, cost)
    people, person_cells, extra, keys, rule = _people(tables, config, units, periods)
    if DEATHS not in asked and _deaths_asked_for(config) and people["death_t"].notna().any():
        person_cells[DEATHS.name] = (
            person_cells["t"].to_numpy() == np.repeat(_death_month(people), len(periods))
        ).astype(np.int16)
        outcomes = (*outcomes, DEATHS)
    if priced:
        outcomes = (*outcomes, HOSPITAL_COST)
    if _in_pandemic(tables):
        findings.append(Finding("D317", where=f"{tables.first_month} to {tables.last_month}"))
    findings += [*same_day_findings(tables, config), *rule.findings]
    panel = Panel(
        "month",
        12,
        periods,
        units,
        cells,
        outcomes,
        people,
        person_cells,
        findings=tuple(findings),
        flow=rule.flow,
        exposure_unit="person-working-years" if config.counting.days == "working" else "person-years",
        extra=extra
        | {
            "person_numbers": keys.to_numpy(),
            "entry_rule": config.study.entry_rule,
            "sensitivity_outcomes": same_day_outcomes(tables, config),
        },
    )
    return add_asked(panel, tables, config, asked, keys, _window(tables, periods)) if asked else panel


def _with_working_days(periods: pd.DataFrame, config: RunConfig) -> pd.DataFrame:
    """The periods with `bank_holidays` and `working_days` of the nation chosen, and `rate_days`, the length that rates go by."""
    chosen = config.counting
    first = [d.date() for d in pd.DatetimeIndex(periods["start"])]
    last = [a + timedelta(days=int(n) - 1) for a, n in zip(first, periods["days"], strict=True)]
    holidays = [h for year in range(first[0].year, last[-1].year + 1) for h in bank_holidays(chosen.nation, year)]
    holidays = sorted({*holidays, *chosen.extra_holidays})
    working = [working_days(a, b, chosen.nation, chosen.extra_holidays) for a, b in zip(first, last, strict=True)]
    return periods.assign(
        bank_holidays=[sum(a <= h <= b for h in holidays) for a, b in zip(first, last, strict=True)],
        working_days=working,
        rate_days=working if chosen.days == "working" else periods["days"],
    )


def _known_outcomes(config: RunConfig, outcomes: tuple[OutcomeSpec, ...]) -> OutcomeSpec:
    names = [o.name for o in outcomes]
    unknown = [n for n in (config.study.outcome, *config.study.also) if n not in names]
    if unknown:
        raise InputError(
            *[
                Problem(
                    "C106",
                    f"there is no outcome {n!r}",
                    where="study.outcome" if n == config.study.outcome else "study.also",
                    allowed=", ".join(dict.fromkeys((*names, *ON_REQUEST))),
                    do="add data.attendances" if n in ("ed_attendances", SAME_DAY_ADDED) else "choose one of these",
                )
                for n in unknown
            ]
        )
    return outcomes[names.index(config.study.outcome)]


def _deaths_asked_for(config: RunConfig) -> bool:
    """Whether the money is set against days alive, so that deaths are estimated like any other outcome."""
    outcome = config.costs.outcome if config.costs else None
    return outcome is not None and outcome.kind == "alive_day"


def _death_month(people: pd.DataFrame) -> np.ndarray:
    """Month of death by person, -1 = none in the data."""
    return people["death_t"].fillna(-1).to_numpy(dtype=np.int64)


def _in_pandemic(tables: Tables) -> bool:
    return bool(tables.first_month <= PANDEMIC[1] and tables.last_month >= PANDEMIC[0])


def _count(tables: Tables, periods: pd.DataFrame, config: RunConfig) -> None:
    """The stays and attendances of the window, in the engine."""
    window = _window(tables, periods)
    stays = "counted_stays" + ("_by_discharge" if config.counting.date_by == "discharge" else "")
    for step in (stays, "counted_attendances"):
        tables.engine.run(step, **window)
    for step in ("site_months", "site_attendances"):
        tables.engine.run(step)


def _window(tables: Tables, periods: pd.DataFrame) -> dict[str, Any]:
    """The months of the panel, as the counting steps take them."""
    return {
        "first_clock": int(periods["clock"].iloc[0]),
        "first_day": tables.first_month.start_time.date(),
        "last_day": tables.last_month.end_time.date(),
    }


def _units(tables: Tables, config: RunConfig) -> pd.DataFrame:
    """One row a site: from the sites table, else every hospital of the extract, starting with its first referral."""
    engine = tables.engine
    if tables.has("sites"):
        sites = engine.frame("SELECT site, go_live, stopped, population, beds FROM sites ORDER BY site").set_index(
            "site"
        )
    else:
        sites = engine.frame(
            """SELECT s.site, min(c.referred) AS go_live, CAST(NULL AS DATE) AS stopped, CAST(NULL AS DOUBLE) AS population,
            CAST(NULL AS DOUBLE) AS beds FROM (SELECT DISTINCT site FROM counted_stays) AS s LEFT JOIN caseload c ON c.site = s.site
            GROUP BY s.site ORDER BY s.site"""
        ).set_index("site")
    sites.index = pd.Index(sites.index.astype(str), name="unit")
    engine.put("units", pd.DataFrame({"site": pd.array(list(sites.index), dtype="string")}))
    start = site_starts(config, sites, tables.first_month, tables.last_month)
    stop = pd.array(
        [pd.NA if pd.isna(d) else clock_of(pd.Period(d, "M")) - clock_of(tables.first_month) for d in sites["stopped"]],
        dtype="Int64",
    )
    if config.study.stop is not None:
        closed = clock_of(months_of([config.study.stop], "study.stop")[0]) - clock_of(tables.first_month)
        stop = pd.array(
            [closed if pd.notna(s) and pd.isna(t) else t for s, t in zip(start, stop, strict=True)], dtype="Int64"
        )
    return pd.DataFrame(
        {
            "start_t": start,
            "stop_t": stop,
            "population": sites["population"].astype(float),
            "beds": sites["beds"].astype(float),
            "group": "",
        },
        index=sites.index,
    )


def _cells(
    tables: Tables, units: pd.DataFrame, periods: pd.DataFrame, outcomes: tuple[OutcomeSpec, ...], config: RunConfig
) -> tuple[pd.DataFrame, list[Finding]]:
    n_u, n_t = len(units), len(periods)
    t = np.tile(np.arange(n_t), n_u)
    cells = pd.DataFrame({"unit": np.repeat(units.index.to_numpy(), n_t), "t": t})
    people = changing_population(tables, units["population"], periods)
    exposure = site_exposure(people, periods["rate_days"].to_numpy())
    cells["exposure"] = exposure.reshape(-1)
    start = units["start_t"].fillna(n_t).to_numpy(dtype=np.int64)
    stop = units["stop_t"].fillna(n_t).to_numpy(dtype=np.int64)
    cells["treated"] = (t >= np.repeat(start, n_t)) & (t <= np.repeat(stop, n_t))
    months = tables.engine.frame("SELECT * FROM site_months")
    visits = tables.engine.frame("SELECT * FROM site_attendances")
    stays = spread(months, units.index, "site", "stays", n_t)
    limits = config.quality
    low_volume = limits.limit("D314")
    in_part = _newest_in_part(stays, config, low_volume)
    missing = (stays == 0) | in_part
    cells["missing"], cells["in_part"] = missing.reshape(-1), in_part.reshape(-1)
    findings = _volume_findings(stays, in_part, units, periods, low_volume)
    if not np.isnan(people).any():
        sites, labels = list(units.index), periods["label"].tolist()
        findings += sudden_changes(people, sites, labels, limits.limit("D416"))
        findings += unlike_rates(stays, exposure, sites, limits.limit("D417"))
    if tables.has("attendances"):
        attended = spread(visits, units.index, "site", "ed_attendances", n_t)
        findings += _without_attendances(attended, list(units.index), periods["label"].tolist())
    for outcome in outcomes:
        source, gone = (visits, None) if outcome.name == "ed_attendances" else (months, missing)
        counts = spread(source, units.index, "site", outcome.name, n_t)
        people = spread(source, units.index, "site", f"{outcome.name}_persons", n_t)
        gone = counts == 0 if gone is None else gone
        cells[outcome.name] = _holed(counts, gone)
        cells[f"{outcome.name}_persons"] = pd.array(people.reshape(-1), dtype="Int64")
        cells.loc[gone.reshape(-1), f"{outcome.name}_persons"] = pd.NA
    return cells, findings


def _holed(counts: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Counts as whole numbers, or with holes where there is no record: missing is never zero."""
    return np.where(gone, np.nan, counts).reshape(-1) if gone.any() else counts.reshape(-1)


def _newest_in_part(stays: np.ndarray, config: RunConfig, low_volume: float) -> np.ndarray:
    """Which newest months sites sent in part, (units, months); none where the study itself says how far to go."""
    if config.data.complete_to is not None or config.study.last_period is not None:
        return np.zeros(stays.shape, dtype=bool)
    return sent_in_part(stays, low_volume)


def _volume_findings(
    stays: np.ndarray, in_part: np.ndarray, units: pd.DataFrame, periods: pd.DataFrame, low_volume: float
) -> list[Finding]:
    """Site-months without a record (D310), with far fewer than usual (D314), or at the end and sent in part (D429)."""
    findings = []
    labels = periods["label"].to_numpy()
    for name, row, late in zip(units.index, stays, in_part, strict=True):
        usual = np.median(row[row > 0]) if (row > 0).any() else 0
        low = (row > 0) & (row < low_volume * usual) & (usual >= LEAST_MEDIAN) & ~late
        for code, months in (("D310", row == 0), ("D314", low), ("D429", late)):
            if months.any():
                findings.append(Finding(code, where=str(name), detail=", ".join(labels[months])))
    return findings


def _without_attendances(attended: np.ndarray, sites: Sequence[str], labels: Sequence[str]) -> list[Finding]:
    """The months in which sites have no attendance at all (D374); sites without the same months are said together."""
    by_months: dict[str, list[str]] = {}
    for name, row in zip(sites, attended, strict=True):
        gone = np.flatnonzero(row == 0)
        if len(gone):
            runs = np.split(gone, np.flatnonzero(np.diff(gone) > 1) + 1)
            said = [" to ".join(dict.fromkeys((labels[run[0]], labels[run[-1]]))) for run in runs]
            by_months.setdefault(", ".join(said), []).append(name)
    return [Finding("D374", where=", ".join(names), detail=months) for months, names in by_months.items()]


@dataclass(frozen=True, slots=True)
class _Found:
    """Everybody of the panel: those `found` in the tables, who of them is `inside` a unit, their `keys`, and the rows made of them."""

    found: pd.DataFrame
    inside: pd.Series
    keys: pd.Index
    people: pd.DataFrame


def _people(
    tables: Tables, config: RunConfig, units: pd.DataFrame, periods: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any], pd.Index, RuleMet]:
    at = _found_people(tables, config, units, periods)
    people, keys = at.people, at.keys
    person_cells = _person_cells(tables, keys, len(periods))
    facts = _facts(tables, at)
    if config.trial is not None:
        facts["trial_ratio"] = config.trial.ratio
    rule = rule_met(tables, config, people, keys, periods)
    if rule.met is not None:
        person_cells[MET] = rule.met.astype(np.int8).reshape(-1)
        facts |= rule.told
    if tables.has("stay_prices"):
        person_cells["hospital_cost"], priced = _person_costs(tables, keys, periods)
        facts |= priced
    return people, person_cells, facts, keys, rule


def _found_people(tables: Tables, config: RunConfig, units: pd.DataFrame, periods: pd.DataFrame) -> _Found:
    """Who is followed, with home, traits, referral, death and first contact."""
    engine, n_t = tables.engine, len(periods)
    engine.run("panel_people")
    add_rule_people(tables, config)
    if tables.has("one_off_people"):
        engine.run("panel_people_linked")
    for step in ("homes", "traits"):
        engine.run(step)
    ((followed,),) = engine.rows("SELECT count(*) FROM panel_people")
    engine.leave_room(followed * (BYTES_OF_A_PERSON + n_t * BYTES_OF_A_MONTH))
    engine.run("people", first_clock=int(periods["clock"].iloc[0]))
    found = engine.frame("SELECT * FROM people ORDER BY person")
    inside = found["unit"].isin(units.index)
    kept = found[inside].reset_index(drop=True)
    keys = pd.Index(kept["person"])
    people = pd.DataFrame(
        {
            "unit": kept["unit"].astype(object),
            "referral_t": month_in_window(kept["referral_t"], n_t),
            "ended_t": month_in_window(kept["ended_t"], n_t),
            "death_t": month_in_window(kept["death_t"], n_t),
            "sex": kept["sex"].astype(object),
            "age": kept["age"].astype("Int16"),
            "deprivation": pd.to_numeric(kept["deprivation"].where(kept["deprivation"].isin(FIFTHS))).astype("Int8"),
            "team": kept["team"].astype(object),
            "linked": kept["linked"].astype(bool),
        }
    )
    people = with_arms(people, kept["arm"], config)
    people.index = pd.RangeIndex(len(people), name="person")
    _add_flags(tables, people, keys, units, periods)
    people["contact_t"] = _first_met(tables, keys, periods)
    return _Found(found, inside, keys, people)


def _person_cells(tables: Tables, keys: pd.Index, n_t: int) -> pd.DataFrame:
    """One row a person and period, with the counts of each outcome."""
    engine = tables.engine
    cells = pd.DataFrame(
        {
            "person": np.repeat(np.arange(len(keys), dtype=np.int32), n_t),
            "t": np.tile(np.arange(n_t, dtype=np.int16), len(keys)),
        }
    )
    counted = ["alcohol_specific_emergency", "non_alcohol_emergency", "emergency", "bed_days"]
    by_step = {"person_months": {n: n for n in counted}, "person_elsewhere": {ELSEWHERE: "elsewhere"}}
    if tables.has("attendances"):
        by_step["person_attendances"] = {"ed_attendances": "ed_attendances"}
    for step, columns in by_step.items():
        engine.run(step)
        rows = engine.frame(f"SELECT * FROM {step}")
        for name, column in columns.items():
            cells[name] = spread(rows, keys, "person", column, n_t, np.int16).reshape(-1)
    return cells


def _person_costs(tables: Tables, keys: pd.Index, periods: pd.DataFrame) -> tuple[np.ndarray, dict[str, Any]]:
    """The hospital cost of each person and period, and its lines by item with what has no price."""
    engine = tables.engine
    price_people(tables, _window(tables, periods))
    costs = engine.frame("SELECT * FROM person_costs")
    cost = spread(costs, keys, "person", "hospital_cost", len(periods), float).reshape(-1)
    lines = engine.frame("SELECT * FROM item_costs ORDER BY person, t, item")
    place = keys.get_indexer(pd.Index(lines["person"]))
    lines = lines.assign(person=place, **{c: lines[c].astype(float) for c in ("quantity", "cost")})
    return cost, {"item_costs": lines[place >= 0].reset_index(drop=True), "unpriced": unpriced_table(tables)}


def _first_met(tables: Tables, keys: pd.Index, periods: pd.DataFrame) -> pd.Series:
    """Month of the first contact of each person with the team (Int64, <NA> = none known), from contacts, else from the caseload."""
    if not tables.has("caseload"):
        return pd.Series(pd.array([pd.NA] * len(keys), dtype="Int64"))
    step = "first_contacts" if tables.has("contacts") else "first_starts"
    tables.engine.run(step, first_clock=int(periods["clock"].iloc[0]))
    met = tables.engine.frame("SELECT * FROM first_met").set_index("person")["contact_t"].reindex(keys)
    return month_in_window(met.reset_index(drop=True), len(periods))


def _add_flags(
    tables: Tables, people: pd.DataFrame, keys: pd.Index, units: pd.DataFrame, periods: pd.DataFrame
) -> None:
    """Columns `smi`, `drug_use`, `self_harm` (bool): coded in an admission before the first service of the study begins.

    Later codes are not used: what the service finds out must not say who is in which group.
    """
    starts = units["start_t"].dropna()
    start = int(starts.min()) if len(starts) else len(periods)
    begins = pd.DatetimeIndex(periods["start"])
    before = begins[start] if 0 <= start < len(begins) else begins[-1] + pd.offsets.MonthBegin(1)
    tables.engine.run("person_flags", before=before.date())
    flags = tables.engine.frame("SELECT * FROM person_flags").set_index("person").reindex(keys)
    for name in ("smi", "drug_use", "self_harm"):
        people[name] = flags[name].fillna(0).to_numpy().astype(bool)


def _facts(tables: Tables, at: _Found) -> dict[str, Any]:
    """Small facts beside the panel: the flow of people and of the caseload, and whether the data are artificial."""
    unmarked = tables.engine.rows("SELECT count(*) FROM persons WHERE token NOT LIKE 'TEST%'")[0][0]
    found, inside, people = at.found, at.inside, at.people
    referred = people["referral_t"].notna()
    team = found.loc[inside, "team"].reset_index(drop=True)
    return {
        "artificial": unmarked == 0,
        "people": {"alcohol_or_caseload": len(found), "at_units": len(people), "elsewhere": int((~inside).sum())},
        "caseload": {
            "referred": int(found["team"].notna().sum()),
            "in_window": int(referred.sum()),
            "home_elsewhere": int((referred & (team != people["unit"])).sum()),
        },
    }
