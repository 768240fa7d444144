"""The entry-rule effect with deaths counted in other ways: only the living, the dead living on, death as an end of admissions.

Definitions: docs/methods/deaths.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from aaot_eval.estimators._cohorts import Cohort, Floats, by_unit, died, lost_months, rate_before
from aaot_eval.estimators._eras import Comparison, Era, RandomEffects, Sums, log_ratio, random_effects
from aaot_eval.estimators._survival import Curve, FollowedPeople, curve

PAIRS_ALIVE = "only people alive at the end of their follow-up, which conditions on surviving"
LIVED_AT_OWN_RATE = "as if the dead had lived on at their own rate before the index"
LIVED_AT_ZERO = "as if the dead had lived on without admissions"
MEAN_WITH_DEATH = "mean admissions by the end of follow-up, death ending them"


def effect_of(c: Comparison) -> float:
    """log(O/E) of a comparison under the real launches."""
    nothing = np.zeros(len(c.people.unit))
    parts = [[by_unit(v, c.people) for v in (e.n0, e.y0, nothing, e.n1, e.y1, nothing)] for e in c.eras]
    sums = Sums(*(np.array([p[i] for p in parts]) for i in range(6)))
    return float(log_ratio(sums.take(c.used), np.where(c.treated, c.given, -1)[c.used][None, :])[0])


def lived_on(c: Comparison, at_own_rate: float) -> Comparison:
    """The comparison as if those who died had lived on to the end of follow-up at that share of their own rate before."""

    def more(cohort: Cohort) -> tuple[Floats, Floats]:
        lost = lost_months(c.people, cohort)
        return lost, at_own_rate * lost * rate_before(c.people, cohort)

    eras = []
    for era in c.eras:
        (n0, y0), (n1, y1) = more(era.before), more(era.after)
        eras.append(replace(era, n0=era.n0 + n0, y0=era.y0 + y0, n1=era.n1 + n1, y1=era.y1 + y1))
    return replace(c, eras=tuple(eras))


def alive_throughout(c: Comparison) -> Comparison:
    """The comparison without those who died in follow-up."""
    n_run, y_run = c.people.months_at_risk_so_far, c.people.outcome_at_risk_so_far

    def living(cohort: Cohort) -> Cohort:
        return replace(cohort, index=np.where(died(c.people, cohort), -1, cohort.index))

    def without_dead(era: Era) -> Era:
        return Era.of(era.launch, era.stop, living(era.before), living(era.after), n_run, y_run)

    return replace(c, eras=tuple(without_dead(e) for e in c.eras))


@dataclass(frozen=True)
class MeanRatio:
    """The ratio of ratios of mean cumulative admissions, with its variance over people and hospitals."""

    log_ratio: float
    effects: RandomEffects


def mean_ratio(c: Comparison, follow_up: int) -> MeanRatio:
    """Mean admissions by the end of follow-up after launch over before, treated over comparison, launch by launch.

    Launches are weighted by their people after launch. The variance between hospitals is that of the rates.
    """
    score, total, weights = np.zeros(len(c.people.unit)), 0.0, []
    parts: list[tuple[float, Floats]] = []
    for w, era in enumerate(c.eras):
        mine, others = (c.treated & (c.given == w))[c.people.unit], c.controls[c.people.unit]
        if not mine.any():
            continue
        curves: list[tuple[int, Curve]] = [
            (sign * side, curve(c.people, FollowedPeople.of([(cohort, who)]), follow_up, 0.95))
            for side, who in ((1, mine), (-1, others))
            for sign, cohort in ((1, era.after), (-1, era.before))
        ]
        if any(k.mean[-1] <= 0 for _, k in curves):
            continue
        parts.append((sum(s * math.log(k.mean[-1]) for s, k in curves), sum(s * k.influence for s, k in curves)))  # type: ignore[arg-type]
        weights.append(float((mine & era.after.members).sum()))
    if not parts:
        return MeanRatio(math.nan, RandomEffects(math.nan, math.nan, math.nan, 0))
    for weight, (found, influence) in zip(np.array(weights) / sum(weights), parts, strict=True):
        total, score = total + weight * found, score + weight * influence
    rates = random_effects(c)
    people = float((score**2).sum())
    error = math.sqrt(people + rates.std_error**2 - rates.person_variance) if rates.std_error > 0 else math.nan
    return MeanRatio(float(total), RandomEffects(people, rates.tau2, error, rates.df, rates.lacking))
