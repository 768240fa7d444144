"""The referred around their referral, and what people like them do when nobody steps in.

Definitions: docs/methods/dip.md and docs/methods/regression_to_mean.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aaot_eval.checks._frailty import expected_rate
from aaot_eval.config import parse_entry_rule
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._balance import adjusted_scores, entropy_balance, history
from aaot_eval.estimators._cohorts import (
    RULE_OUTCOME,
    Floats,
    Ints,
    PersonMonths,
    Rule,
    find_rule,
    meets_rule,
    person_months,
    rule_outcome_of,
)
from aaot_eval.results import Panel, generator

DRAWS = 999
YEAR = 12
#: Fewer people than this are not judged.
PEOPLE_NEEDED = 30
#: Windows before referral in which the reference is made like the referred.
WINDOWS = ((1, 1), (2, 3), (4, 6), (7, 12))
NORMAL = 1.959963984540054


def people_of(panel: Panel, estimator: Estimator) -> PersonMonths | str:
    """The people with the admissions the rule counts as outcome, or why there are none."""
    if panel.people is None or panel.person_cells is None:
        return "the input is an aggregated panel: it holds no people"
    if panel.frequency != "month":
        return f"the periods are not months but {panel.frequency}s"
    counted = rule_outcome_of(panel, getattr(estimator, "rule_outcome", RULE_OUTCOME))
    if counted is None:
        return "the admissions that the entry rule counts are not in these data"
    people = person_months(panel, counted, counted)
    return people if people.referred.any() else "no caseload was given, or nobody on it was referred inside the data"


def rule_of(panel: Panel, people: PersonMonths, estimator: Estimator) -> Rule:
    """The estimator's declared rule, else the study's (`entry_rule` of the panel's extra), else the one that the referrals show."""
    declared = getattr(estimator, "rule_count", None), getattr(estimator, "rule_months", None)
    if people.declared is not None:
        return people.declared
    if not all(declared):
        declared = parse_entry_rule(str(panel.extra.get("entry_rule", ""))) or (None, None)
    count, months = declared
    return Rule(int(count), int(months)) if count and months else find_rule(people)


@dataclass(frozen=True)
class Dip:
    """D: admissions of the referred in months 1-12 before referral over months 13-24, with its bootstrap interval.

    `over_controls` is D over the same ratio of rates in hospitals without the service in the same months; NaN without any.
    """

    ratio: float
    low: float
    high: float
    over_controls: float
    people: int


def dip(people: PersonMonths, rng: np.random.Generator) -> Dip | str:
    """The dip ratio, or why it cannot be judged."""
    who = np.flatnonzero(people.referred & (people.referral >= 2 * YEAR))
    if len(who) < PEOPLE_NEEDED:
        return f"fewer than {PEOPLE_NEEDED} referred with 24 months of history"
    running = people.outcome_so_far
    at = people.referral[who]
    late = running[who, at] - running[who, at - YEAR]
    early = running[who, at - YEAR] - running[who, at - 2 * YEAR]
    if not early.sum():
        return "the referred had no admissions in months 13 to 24 before referral"
    ratio = float(late.sum() / early.sum())
    draws = resampled(np.column_stack([late, early]), rng)
    with np.errstate(divide="ignore"):
        low, high = np.percentile(draws[:, 0] / draws[:, 1], [2.5, 97.5])
    return Dip(ratio, float(low), float(high), ratio / _control_ratio(people, at), len(who))


def _control_ratio(people: PersonMonths, at: Ints) -> float:
    """The rate ratio of people of hospitals without the service over the referred's own calendar months."""
    rows = ~people.treated[people.unit]
    if not rows.any():
        return float("nan")
    y = np.concatenate([[0], np.cumsum((people.outcome * people.at_risk)[rows].sum(axis=0))])
    n = np.concatenate([[0], np.cumsum(people.at_risk[rows].sum(axis=0))])
    late = ((y[at] - y[at - YEAR]) / (n[at] - n[at - YEAR])).sum()
    early = ((y[at - YEAR] - y[at - 2 * YEAR]) / (n[at - YEAR] - n[at - 2 * YEAR])).sum()
    return float(late / early) if early else float("nan")


@dataclass(frozen=True)
class Prediction:
    """Rates per person-year of the referred who met the rule: before, expected after with no service, observed after.

    Each is (rate, low, high), limits from people's linearised scores; `reference` counts the people the expectation comes
    from; `whole_years` tells whether everybody was followed for a year but for death.
    """

    before: tuple[float, float, float]
    expected: tuple[float, float, float]
    observed: tuple[float, float, float]
    people: int
    reference: int
    whole_years: bool
    by_model: bool = False
    """The expectation is that of the frailty model, because too few people met the rule without the service."""

    @property
    def raw_fall(self) -> float:
        """1 - observed / before."""
        return 1 - self.observed[0] / self.before[0]

    @property
    def expected_fall(self) -> float:
        """1 - expected / before: regression to the mean."""
        return 1 - self.expected[0] / self.before[0]


def predict(people: PersonMonths, rule: Rule, seed: int = 0) -> Prediction | str:
    """What selection alone would do to the referred, or why it cannot be told.

    The reference is every month in which somebody met the same rule before their own hospital's launch (follow-up cut at
    launch) or in a hospital without the service, weighted so that admissions in months 1, 2-3, 4-6 and 7-12 before, and the
    square of the count in the rule's window, have the means of the referred. People passed over after launch are never in it.
    With too few of them a frailty model of everybody's months without the service stands in.
    """
    met = meets_rule(people, rule)
    first = max(rule.months, YEAR)
    cut = np.where(people.treated, people.launch, people.n_months)[people.unit]
    who = np.flatnonzero(people.referred & (people.referral >= first))
    who = who[met[who, people.referral[who]]]
    t = np.arange(people.n_months)
    reason = ""
    for months in (YEAR, 1):
        mine = who[people.referral[who] + months <= people.n_months]
        person, month = np.nonzero(met & (t >= first) & (t + months <= cut[:, None]))
        if len(mine) < PEOPLE_NEEDED:
            reason = f"fewer than {PEOPLE_NEEDED} referred who met the rule"
        elif len(np.unique(person)) < PEOPLE_NEEDED:
            reason = f"fewer than {PEOPLE_NEEDED} people who met the rule with no service"
        else:
            found = _prediction(people, rule, mine, person, month, cut, months == YEAR)
            if found is not None:
                return found
            reason = "nobody without the service was at such a peak"
    if len(who) < PEOPLE_NEEDED:
        return reason
    return _by_model(people, who, seed, reason)


def _by_model(people: PersonMonths, who: Ints, seed: int, reason: str) -> Prediction | str:
    """The prediction of the frailty model for the referred; the reason why there is none by people like them, and by it."""
    whole = who[people.referral[who] + YEAR <= people.n_months]
    mine = whole if len(whole) >= PEOPLE_NEEDED else who
    at = people.referral[mine]
    found = expected_rate(people, mine, at, YEAR, generator(seed, "frailty"))
    if isinstance(found, str):
        return f"{reason}, and {found}"
    rate, variance, reference = found
    before, after = _own_years(people, mine)
    return Prediction(
        _own_rate(*before),
        _limits(rate, variance),
        _own_rate(*after),
        len(mine),
        reference,
        mine is whole,
        by_model=True,
    )


def _own_years(people: PersonMonths, who: Ints) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """(events, months at risk) of each person in the year before referral, and in the year after."""
    y_run, n_run = people.outcome_at_risk_so_far, people.months_at_risk_so_far
    at, end = people.referral[who], np.minimum(people.referral[who] + YEAR, people.n_months)
    before = y_run[who, at] - y_run[who, at - YEAR], n_run[who, at] - n_run[who, at - YEAR]
    return before, (y_run[who, end] - y_run[who, at], n_run[who, end] - n_run[who, at])


def _prediction(
    people: PersonMonths, rule: Rule, who: Ints, person: Ints, month: Ints, cut: Ints, whole: bool
) -> Prediction | None:
    y_run, n_run = people.outcome_at_risk_so_far, people.months_at_risk_so_far
    at = people.referral[who]
    before, after = _own_years(people, who)
    own = history(people, rule, who, at, WINDOWS)
    like = history(people, rule, person, month, WINDOWS)
    weights = entropy_balance(like, own.mean(axis=0), np.ones(len(person)))
    if weights is None:
        return None
    stop = np.minimum(month + YEAR, cut[person])
    y, n = y_run[person, stop] - y_run[person, month], n_run[person, stop] - n_run[person, month]
    rows, targets, rate = adjusted_scores(y, n, weights, like, own)
    error = (np.bincount(person, weights=rows) ** 2).sum() + (targets**2).sum()
    return Prediction(
        _own_rate(*before), _limits(rate, float(error)), _own_rate(*after), len(who), len(np.unique(person)), whole
    )


def _own_rate(y: Floats, n: Floats) -> tuple[float, float, float]:
    rate = float(y.sum() / n.sum())
    return _limits(rate, float((((y - rate * n) / y.sum()) ** 2).sum()) if y.sum() else math.nan)


def _limits(rate: float, variance: float) -> tuple[float, float, float]:
    """A rate per person-month and the variance of its log, as rate per person-year with 95 % limits."""
    reach = math.exp(NORMAL * math.sqrt(variance))
    return 12 * rate, 12 * rate / reach, 12 * rate * reach


def resampled(values: Floats, rng: np.random.Generator) -> Floats:
    """(999, k) sums of the rows of `values` (n, k) over people drawn with replacement."""
    n = len(values)
    out = [rng.multinomial(n, np.full(n, 1 / n), size=size) @ values for size in [100] * (DRAWS // 100) + [DRAWS % 100]]
    return np.vstack(out)
