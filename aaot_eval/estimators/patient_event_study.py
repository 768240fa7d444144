"""The effect over people by months since their start against the month before it, with bands for all months at once.

For data without a peak before referral, as patient_group_time. Definitions: docs/methods/patient_event_study.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.errors import Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators import _person_groups as pg
from aaot_eval.estimators._cohorts import PEOPLE_NEEDED, deaths_note, joined, person_months
from aaot_eval.estimators.event_study import EventTimes, detectable_slopes, power_sentence
from aaot_eval.estimators.patient_group_time import OverPeople, Rows
from aaot_eval.results import Analysis, Design, Estimate, Panel


@ESTIMATORS.register("patient_event_study")
@dataclass(frozen=True)
class PatientEventStudy(OverPeople):
    """Ratios by months since the start, every one against the last month before it.

    by       "referral" or "launch", as in patient_group_time        no_peak  as in patient_group_time
    """

    design: ClassVar[Design] = "patients"

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """As patient_group_time."""
        return self._lacking(panel, analysis, "universal")

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The mean over the months after the start; the months stand in the table `event_time` of it."""
        people = person_months(panel, analysis.outcome, analysis.outcome)
        data = self._grouped(panel, people, "universal")
        found = pg.effects(data)
        overall, points, _ = event_times_over_people(data, found, self.conf_level)
        rows = Rows(panel, analysis, "patient_event_study", data, found, self.conf_level, self._estimand("dynamic"), self.by,
                    deaths_note(panel, people))  # fmt: skip
        first = rows.by_hospitals(overall)
        slopes = detectable_slopes(points, 2 * float(stats.norm.sf(points.critical)), seed)
        after = points.times[points.times >= 0]
        before = np.abs(points.values[points.before]) > points.critical * points.std_errors[points.before]
        facts = {"points": points, "slope_50": slopes[0.5], "slope_80": slopes[0.8], "critical": points.critical, "before_outside": int(before.sum()),
                 "mean_after": float(after.mean() + 1) if len(after) else math.nan}  # fmt: skip
        said = f"{int(before.sum())} of {len(before)} months before the start lie outside the band of no difference"
        note = joined(said, power_sentence(facts, ratio=True), first.note)
        return (
            replace(first, tables={"event_time": _table(analysis, points)}, facts={**first.facts, **facts}, note=note),
        )


def event_times_over_people(
    data: pg.Grouped, found: pg.Effects, level: float, beside: Sequence[pg.Mean] = ()
) -> tuple[pg.Answer, EventTimes, list[pg.Answer]]:
    """(mean over the months after the start, log ratio of every month with enough people, the means `beside`)."""
    times = [
        int(e)
        for e in np.unique(found.event_time)
        if e != -1 and found.own[found.event_time == e].sum() >= PEOPLE_NEEDED
    ]
    means = [pg.mean_over(found, "dynamic"), *beside, *(pg.at_event_time(found, e) for e in times)]
    overall, *parts = pg.answers(data, found, means)
    n = len(beside)
    return overall, _points(data, found, times, parts[n:], 1 - level), parts[:n]


def _points(data: pg.Grouped, found: pg.Effects, times: list[int], parts: list[pg.Answer], alpha: float) -> EventTimes:
    """The log ratios with their covariance: each point's hospital-level error, people's own correlation between points.

    The band is Bonferroni's over the points, t with comparison hospitals - 1; a point without a ratio is left out.
    """
    kept = [(e, a) for e, a in zip(times, parts, strict=True) if math.isfinite(a.log_ratio)]
    spreads = [pg.spread(data, a) for _, a in kept]
    influence = np.column_stack([a.log_ratio_influence for _, a in kept]) if kept else np.zeros((len(data.start), 0))
    people = influence.T @ influence
    own = np.sqrt(np.diag(people))
    error = np.array([s.log_error for s in spreads])
    df = min((s.df for s in spreads), default=0)
    told = len(kept) > 0 and bool(np.isfinite(error).all())
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = np.nan_to_num(people / np.outer(own, own)) * np.outer(error, error) if told else people
    critical = float(stats.t.ppf(1 - alpha / (2 * len(kept)), df)) if told else math.nan
    place = int(np.searchsorted([e for e, _ in kept], -1))
    values = np.insert([a.log_ratio for _, a in kept], place, 0.0)
    covariance = np.insert(np.insert(covariance, place, 0.0, axis=0), place, 0.0, axis=1)
    at = np.insert([e for e, _ in kept], place, -1)
    units = np.array([len(np.unique(data.unit[np.isin(data.start, found.start[found.event_time == e])])) for e in at])
    return EventTimes(at.astype(np.int64), values, covariance, critical, units)


def _table(analysis: Analysis, points: EventTimes) -> pd.DataFrame:
    half = points.critical * points.std_errors
    base = points.times == -1
    low, high = (np.where(base, math.nan, np.exp(points.values + s * half)) for s in (-1, 1))
    return pd.DataFrame({"analysis": analysis.name, "event_time": points.times, "ratio": np.exp(points.values), "conf_low": low,
                         "conf_high": high, "n_units": points.units})  # fmt: skip
