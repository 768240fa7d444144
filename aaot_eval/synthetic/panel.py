"""The panel that reading the files of a clean study gives, made without files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from aaot_eval.results import OutcomeSpec, Panel
from aaot_eval.synthetic.service import RULE_COUNT, RULE_MONTHS, lived
from aaot_eval.synthetic.study import Study
from aaot_eval.synthetic.world import (
    ALCOHOL,
    EMERGENCIES,
    PEOPLE_PER_SITE,
    SITES_KEPT,
    Attendances,
    Ints,
    Stays,
    draw_background,
    joined,
)

OUTCOMES = (
    OutcomeSpec("alcohol_specific_emergency", "Alcohol-specific emergency admissions"),
    OutcomeSpec("non_alcohol_emergency", "Emergency admissions without an alcohol-specific diagnosis"),
    OutcomeSpec("emergency", "Emergency admissions"),
    OutcomeSpec("ed_attendances", "Emergency department attendances", event="attendances"),
)
DAYS_PER_YEAR = 365.25
#: Scenarios and worlds of one seed share everybody else's stays, so the last draws are kept.
_background = lru_cache(maxsize=SITES_KEPT)(draw_background)


def panel_of(study: Study) -> Panel:
    """Sites by months and people by months of a study without faults, as `analyze` would see them.

    Everybody with a recorded alcohol-specific emergency admission, or on the caseload, is a person of the panel; a
    person's home is the site of the cohort. Counts are those of truth_series.csv.
    """
    stays, visits = _records(study)
    calendar, sites = study.calendar, study.sites
    n_u, n_t = len(sites), calendar.months
    month, seen_in = calendar.month_of(stays.start), calendar.month_of(visits.day)
    of_people = _of_people(stays.kind)
    cells = pd.DataFrame({"unit": np.repeat([s.code for s in sites], n_t), "t": np.tile(np.arange(n_t), n_u)})
    cells["exposure"] = np.repeat([float(s.population) for s in sites], n_t) * np.tile(
        calendar.days / DAYS_PER_YEAR, n_u
    )
    cells["treated"] = np.concatenate([s.running(np.arange(n_t)) for s in sites])
    everything = np.bincount(stays.site * n_t + month, minlength=n_u * n_t)
    cells["missing"] = everything == 0
    for outcome in OUTCOMES:
        where = (visits.site, seen_in) if outcome.name == "ed_attendances" else (stays.site, month)
        mask = of_people.get(outcome.name, np.ones(len(visits), dtype=bool))
        count = np.bincount(where[0][mask] * n_t + where[1][mask], minlength=n_u * n_t)
        gone = cells["missing"].to_numpy() & (count == 0)
        cells[outcome.name] = np.where(gone, np.nan, count) if gone.any() else count
        cells[f"{outcome.name}_persons"] = pd.array(count, dtype="Int64")
    people, person_cells = _people(study, stays, visits)
    extra = {"entry_rule": f"{RULE_COUNT} admissions in {RULE_MONTHS} months"}
    return Panel("month", 12, _periods(study), _units(study), cells, OUTCOMES, people, person_cells, extra=extra)


def _of_people(kind: Ints) -> dict[str, np.ndarray]:
    emergency = np.isin(kind, EMERGENCIES)
    return {
        "alcohol_specific_emergency": kind == ALCOHOL,
        "non_alcohol_emergency": emergency & (kind != ALCOHOL),
        "emergency": emergency,
    }


def _records(study: Study) -> tuple[Stays, Attendances]:
    """All recorded stays and attendances of the study, those of people without an alcohol problem included."""
    others = [_background(study.seed, s, len(study.sites), study.calendar) for s in study.sites]
    happened = joined([lived(study.stays, study.effect), *(stays for stays, _ in others)])
    stays, seen, turned = study.recording.stays(happened)
    through = happened.take(seen & happened.through_ed)
    instead = happened.take(turned)
    parts = [_attended(through, admitted=True), _attended(instead, admitted=False)]
    visits = Attendances.joined([*parts, *(w.attendances for w in study.worlds), *(v for _, v in others)])
    recorded, came = study.recording.attendances(visits)
    return stays.take(seen), recorded.take(came)


def _attended(stays: Stays, *, admitted: bool) -> Attendances:
    n = len(stays)
    return Attendances(stays.person, stays.site, stays.start, np.full(n, admitted), stays.kind == ALCOHOL)


def _periods(study: Study) -> pd.DataFrame:
    first = study.calendar.date(0)[:7]
    months = pd.period_range(first, periods=study.calendar.months, freq="M")
    return pd.DataFrame(
        {
            "label": months.astype(str),
            "start": months.to_timestamp(),
            "days": months.days_in_month,
            "season": months.month,
            "clock": months.year * 12 + months.month - 1,
            "left_out": False,
        }
    )


def _units(study: Study) -> pd.DataFrame:
    sites = study.sites

    def column(values: Sequence[int | None]) -> pd.api.extensions.ExtensionArray:
        return pd.array([pd.NA if v is None else v for v in values], dtype="Int64")

    return pd.DataFrame(
        {
            "start_t": column([s.go_live for s in sites]),
            "stop_t": column([s.stopped for s in sites]),
            "population": [float(s.population) for s in sites],
            "beds": [float(s.beds) for s in sites],
            "group": "",
        },
        index=pd.Index([s.code for s in sites], name="unit"),
    )


def _people(study: Study, stays: Stays, visits: Attendances) -> tuple[pd.DataFrame, pd.DataFrame]:
    calendar, load = study.calendar, study.caseload
    n_t = calendar.months
    known = np.unique(np.concatenate([stays.person[stays.kind == ALCOHOL], load.person]))
    codes = np.array([s.code for s in study.sites], dtype=object)

    def months_of(person: Ints, day: Ints) -> pd.Series:
        column = pd.Series(pd.NA, index=range(len(known)), dtype="Int64")
        inside = np.isin(person, known) & (day >= 0) & (day < calendar.end)
        column.iloc[np.searchsorted(known, person[inside])] = calendar.month_of(day[inside])
        return column

    referral = months_of(load.person, load.day)
    people = pd.DataFrame(
        {
            "unit": codes[known // PEOPLE_PER_SITE],
            "referral_t": referral,
            "ended_t": months_of(load.person, load.ended_day),
            "death_t": months_of(*study.deaths()),
            "sex": pd.Series(pd.NA, index=range(len(known)), dtype=object),
            "age": pd.array([pd.NA] * len(known), dtype="Int16"),
            "team": np.where(referral.notna(), codes[known // PEOPLE_PER_SITE], None),
            "linked": True,
        }
    )
    people.index = pd.RangeIndex(len(people), name="person")
    cells = pd.DataFrame(
        {
            "person": np.repeat(np.arange(len(known), dtype=np.int32), n_t),
            "t": np.tile(np.arange(n_t, dtype=np.int16), len(known)),
        }
    )

    def counted(person: Ints, day: Ints) -> np.ndarray:
        mine = np.isin(person, known)
        at = np.searchsorted(known, person[mine]) * n_t + calendar.month_of(day[mine])
        return np.bincount(at, minlength=len(known) * n_t).astype(np.int16)

    for name, mask in _of_people(stays.kind).items():
        cells[name] = counted(stays.person[mask], stays.start[mask])
    cells["ed_attendances"] = counted(visits.person, visits.day)
    return people, cells
