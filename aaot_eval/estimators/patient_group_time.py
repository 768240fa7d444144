"""Callaway and Sant'Anna over people, for data in which people were not referred at a peak.

With a peak it is the most misleading of the modern methods, so it refuses: docs/methods/patient_group_time.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.errors import Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators import _person_groups as pg
from aaot_eval.estimators._cohorts import (
    PEOPLE_NEEDED,
    RULE_OUTCOME,
    PersonMonths,
    deaths_note,
    how_many,
    joined,
    patient_objections,
    percent,
    person_months,
    scale_of,
)
from aaot_eval.estimators._random_effects import StudentDraws
from aaot_eval.estimators._randomisation import Assignments, ConfidenceDraws
from aaot_eval.estimators._staggered import Aggregation, Base, Randomised
from aaot_eval.results import Analysis, Design, Estimate, Panel

WORDS: dict[Aggregation, str] = {
    "simple": "mean over all their months after it",
    "dynamic": "mean over months since it",
    "group": "mean over cohorts of their own mean",
    "calendar": "mean over calendar months",
}
RESTS_ON: dict[pg.By, str] = {
    "referral": "rests on the referred moving like people of comparison hospitals but for the team; no peak before referral was found, which "
    "it needs; matching on past levels would mislead here (Daw and Hatfield 2018)",
    "launch": "everybody of the hospital, taken on or not, so who was referred does not matter and the effect is diluted",
}


def peak_objection(analysis: Analysis, by: pg.By, *, no_peak: bool) -> list[Problem]:
    """Why people may not be compared with their own past: they were referred at a peak, or nobody can tell that they were not."""
    if no_peak or by == "launch":
        return []
    return [Problem("E457", "the dip test finds that people were referred at a peak, or could not be made: compared with their own past, "
                            "they would seem to improve with no service at all", where=analysis.name, allowed="data without a dip",
                    do='use estimator = "entry_rule" or "risk_set", or by = "launch", which does not ask who was referred')]  # fmt: skip


@dataclass(frozen=True)
class OverPeople:
    """What both estimators over people have: whom they compare and when they refuse."""

    conf_level: float = 0.95
    by: Literal["referral", "launch"] = "referral"
    no_peak: bool = False

    def _lacking(self, panel: Panel, analysis: Analysis, base: Base) -> list[Problem]:
        found = patient_objections(panel, analysis, RULE_OUTCOME, None, None)
        found += peak_objection(analysis, self.by, no_peak=self.no_peak) if not found else []
        if found:
            return found
        data = self._grouped(panel, person_months(panel, analysis.outcome, analysis.outcome), base)
        if not len(data.others):
            return [Problem("E436", "no hospital without the service is in these data", where=analysis.name,
                            do="use own_cohorts, which compares one hospital with its own past")]  # fmt: skip
        if int(data.sizes().sum()) < PEOPLE_NEEDED or not len(pg.effects(data).t):
            return [Problem("E458", f"fewer than {PEOPLE_NEEDED} people start inside the data with a month before it", where=analysis.name,
                            do="use a longer extract")]  # fmt: skip
        return []

    def _grouped(self, panel: Panel, people: PersonMonths, base: Base) -> pg.Grouped:
        return pg.grouped(people, panel.periods["left_out"].to_numpy(dtype=bool), self.by, base)

    def _estimand(self, kind: Aggregation) -> str:
        who = (
            "the referred since their referral" if self.by == "referral" else "everybody of a hospital since its launch"
        )
        return f"{who} against people of hospitals without the service over the same months, {WORDS[kind]}"


@ESTIMATORS.register("patient_group_time")
@dataclass(frozen=True)
class PatientGroupTime(OverPeople):
    """Each cohort of people who start together against people of hospitals without the service, over the same two months.

    by           "referral": cohorts of the referred by their month; "launch": everybody of a hospital, by its launch
    no_peak      the dip test found no peak before referral; without that, by = "referral" is refused
    base         "varying" or "universal", as in group_time
    aggregation  which mean answers the analysis
    """

    design: ClassVar[Design] = "patients"
    base: Literal["varying", "universal"] = "varying"
    aggregation: Literal["simple", "dynamic", "group", "calendar"] = "simple"

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why people may not be compared with their own past, or with whom; empty when they may."""
        return self._lacking(panel, analysis, self.base)

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The ratio by the headline inference, by the other one (launch alone), a person-year's difference, and all rows."""
        people = person_months(panel, analysis.outcome, analysis.outcome)
        data = self._grouped(panel, people, self.base)
        found = pg.effects(data)
        mean = pg.mean_over(found, self.aggregation)
        answer = pg.answers(data, found, [mean])[0]
        rows = Rows(
            panel,
            analysis,
            "patient_group_time",
            data,
            found,
            self.conf_level,
            self._estimand(self.aggregation),
            self.by,
            deaths_note(panel, people),
        )
        by_hospitals = rows.by_hospitals(answer)
        out = [by_hospitals]
        if self.by == "launch" and math.isfinite(answer.log_ratio):
            by_ways = rows.by_ways(*pg.randomised(data, found, mean, seed))
            reachable = by_ways.p_least <= 1 - self.conf_level or not by_hospitals.finite
            out = [by_ways, by_hospitals] if reachable else [by_hospitals, by_ways]
        tables = {"group_time": _table(panel, analysis, data, found)}
        facts = {"pairs_lost": int(found.lost.sum()), "level_effect": answer.att, "expected_level": answer.expected}
        out[0] = replace(out[0], tables=tables, facts={**out[0].facts, **facts})
        out.append(rows.difference(answer))
        if found.lost.any():
            out.append(rows.all_rows(pg.all_rows(data, found, mean)))
        return tuple(out)


@dataclass(frozen=True)
class Rows:
    """Makes the estimates of one analysis over people."""

    panel: Panel
    analysis: Analysis
    estimator: str
    data: pg.Grouped
    found: pg.Effects
    level: float
    estimand: str
    by: pg.By
    deaths: str

    def by_hospitals(self, answer: pg.Answer, note: str = "") -> Estimate:
        """The ratio with hospitals as random, t(comparison hospitals - 1)."""
        value = answer.log_ratio
        if not math.isfinite(value):
            return self._row("Callaway-Sant'Anna over people", status="not_estimable",
                             note="the expected level is not above zero, so there is no ratio")  # fmt: skip
        spread = pg.spread(self.data, answer)
        facts = {"tau2": spread.tau2, "person_error": spread.person_error}
        how = f"Callaway-Sant'Anna over people, {self._pairs()}; hospital random effects"
        if spread.lacking:
            return self._row(
                how,
                estimate=math.exp(value),
                status="no_finite_interval",
                note=joined(spread.lacking, note),
                facts=facts,
            )
        half = float(stats.t.ppf((1 + self.level) / 2, spread.df)) * spread.log_error
        return self._row(
            f"{how}, t({spread.df})", estimate=math.exp(value), std_error=spread.log_error, conf_low=math.exp(value - half),
            conf_high=math.exp(value + half), conf_method="random_effects_t", note=note, facts=facts,
            p_value=float(2 * stats.t.sf(abs(value) / spread.log_error, spread.df)),
            confidence=StudentDraws(value, spread.log_error, spread.df),
        )  # fmt: skip

    def by_ways(self, found: Randomised, ways: Assignments) -> Estimate:
        """The ratio with the p and interval of randomisation over hospitals."""
        alpha = 1 - self.level
        how = f"Callaway-Sant'Anna over people, {self._pairs()}; randomisation over {'all' if ways.exact else f'{len(ways.rows):,} of'} {ways.total:,} ways to hand out the launch months"
        least = 2 * ways.p_least if ways.mirrored else ways.p_least
        row = self._row(
            how,
            estimate=math.exp(found.estimate),
            p_value=found.p_value(0.0),
            p_least=least,
            drawn=ways.drawn,
            status="no_finite_interval",
        )
        said = f"the least p this design can reach is {least:.4g}"
        inversion = found.invert(alpha, 0.02) if least <= alpha + 1e-10 else None
        if inversion is None or not inversion.finite:
            return replace(row, note=joined(f"{said}: there is no {percent(self.level)} interval", row.note))
        return replace(row, note=joined(said, row.note), status="ok", conf_method="randomisation", conf_low=math.exp(inversion.low),
                       conf_high=math.exp(inversion.high), confidence=ConfidenceDraws.of(inversion, alpha, ratio=True))  # fmt: skip

    def difference(self, answer: pg.Answer) -> Estimate:
        """The same as events a person-year."""
        spread = pg.spread(self.data, answer)
        how = f"Callaway-Sant'Anna over people, {self._pairs()}; hospital random effects"
        value = pg.MONTHS_A_YEAR * answer.att
        what = f"{self.estimand}, for each person-year"
        if spread.lacking:
            return replace(self._row(how, estimate=value, status="no_finite_interval", note=spread.lacking),
                           scale="rate_difference", estimand=what)  # fmt: skip
        error = pg.MONTHS_A_YEAR * spread.level_error
        half = float(stats.t.ppf((1 + self.level) / 2, spread.df)) * error
        row = self._row(f"{how}, t({spread.df})", estimate=value, std_error=error, conf_low=value - half, conf_high=value + half,
                        conf_method="random_effects_t", p_value=float(2 * stats.t.sf(abs(value) / error, spread.df)))  # fmt: skip
        return replace(row, scale="rate_difference", estimand=what)

    def all_rows(self, value: float) -> Estimate:
        """What everybody seen at each date says: other people at the two dates, so never in the place of the pairs."""
        row = self._row("means of everybody seen in each month, as repeated cross-sections", estimate=pg.MONTHS_A_YEAR * value,
                        note="sensitivity: people seen at one of two dates count too, so the people compared change as some die")  # fmt: skip
        return replace(row, scale="rate_difference", estimand=f"{self.estimand}, for each person-year, all rows")

    def _pairs(self) -> str:
        """On whom the estimator stands, in words; nothing to say when everybody is seen throughout."""
        n, lost = len(self.found.t), int(self.found.lost.sum())
        if not lost:
            return f"{n:,} effects of cohort and month, everybody seen at both dates of each"
        return f"{n:,} effects of cohort and month, each from the people alive and seen at both of its dates ({how_many(lost)} pairs of months with a person seen in one of them alone not used)"

    def _row(self, how: str, *, note: str = "", **more: Any) -> Estimate:
        data = self.data
        left = "; ".join(f"{how_many(n)} people {why} not used" for why, n in data.dropped.items())
        more.setdefault("estimate", math.nan)
        started = data.start < data.n_months
        return Estimate(
            analysis=self.analysis.name, design="patients", estimator=self.estimator, outcome=self.analysis.outcome, estimand=self.estimand,
            scale=scale_of(self.panel, self.analysis.outcome), conf_level=self.level,
            n_units=len(np.unique(data.unit)), n_treated=len(np.unique(data.unit[started])), n_periods=data.n_months, n_obs=int(data.seen.sum()),
            n_people=len(data.start), inference=how,
            note=joined(note, RESTS_ON[self.by], left, self.deaths), **more,
        )  # fmt: skip


def _table(panel: Panel, analysis: Analysis, data: pg.Grouped, found: pg.Effects) -> pd.DataFrame:
    """The effects by cohort and month as rows of the release table `group_time`."""
    labels = panel.periods["label"].to_numpy()[data.months]
    return pd.DataFrame(
        {
            "analysis": analysis.name, "cohort": labels[found.start], "period": labels[found.t], "base": labels[found.base],
            "event_time": found.event_time, "att": pg.MONTHS_A_YEAR * found.att, "observed": pg.MONTHS_A_YEAR * found.observed,
            "people": found.own, "people_compared": found.others, "people_lost": found.lost,
        }
    )  # fmt: skip
