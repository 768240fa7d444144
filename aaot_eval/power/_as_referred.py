"""People who met the rule before the start, compared as if they had been referred: what that comparison's error is made of.

The comparison is that of `risk_set`, made on the past alone. docs/methods/power.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from aaot_eval.estimators._balance import COARSE, FINE, Windows
from aaot_eval.estimators._cohorts import (
    HOSPITALS_FOR_TAU2,
    PEOPLE_NEEDED,
    Flags,
    PersonMonths,
    Rule,
    first_cohort,
)
from aaot_eval.estimators.risk_set import Ways, contrast, match
from aaot_eval.results import generator

#: A year of history, which leaves more months to look at than the two years of the estimator itself.
YEAR: tuple[Windows, ...] = tuple(tuple(w for w in windows if w[1] <= 12) for windows in (FINE, COARSE))


@dataclass(frozen=True)
class Past:
    """The comparison before the start.

    events, months  (n,) of each person taken for referred, `targets` (n,) the part of their own past in the error of the log ratio
    others          variance that the comparison people bring; tau2 that between hospitals, with the (C,) shares of the others
    hospitals       how many have the service, `compared` how many never do
    """

    events: np.ndarray
    months: np.ndarray
    targets: np.ndarray
    others: float
    tau2: float
    hospitals: int
    compared: int
    shares: np.ndarray

    @property
    def fixed(self) -> float:
        """The variance that more people referred do not lessen."""
        return self.others + self.tau2 * (1 / self.hospitals + float((self.shares**2).sum()))

    def draw(self, n: int, fall: float, draws: int, seed: int, level: float) -> tuple[float, float]:
        """(power, median half-width of the log ratio) with n people referred, each event kept with probability 1 - fall."""
        rng = generator(seed, "power", "as referred", n)
        pool = len(self.events)
        rate, mean_events = self.events.sum() / self.months.sum(), self.events.mean()
        quantile = float(stdtrit(self.compared - 1, 1 - level / 2))
        who = rng.integers(0, pool, (draws, n))
        y, months = rng.binomial(self.events.astype(np.int64)[who], 1 - fall), self.months[who]
        own = np.maximum(y.sum(axis=1), 0.5) / months.sum(axis=1)
        past = self.targets[who] * (pool / n)
        score = (y - own[:, None] * months) / (n * mean_events * (1 - fall)) - past
        half = quantile * np.sqrt((score**2).sum(axis=1) + self.fixed)
        log = np.log(own / rate) - past.sum(axis=1) + rng.standard_normal(draws) * math.sqrt(self.fixed)
        return float(np.mean(np.abs(log) > half)), float(np.median(half))


def as_referred(people: PersonMonths, rule: Rule, met: Flags, served: Flags, follow_up: int, after: int) -> Past | None:
    """The comparison of those who met the rule before the start in hospitals that will have the service (U,), followed in full.

    `after`: months of the data from the start on; the referred of so many months have so many months' risk sets, so that the error
    of the comparison people is lessened in proportion. None with too few people or hospitals, or where nothing balances.
    """
    first, last = max(rule.months, YEAR[0][-1][1]), people.n_months - follow_up
    if last <= first or (~served).sum() < HOSPITALS_FOR_TAU2 or not served.any():
        return None
    launched = replace(people, launch=np.where(served, people.n_months - 1, people.n_months))
    cohort = first_cohort(met & served[people.unit][:, None], first, last + 1, follow_up)
    who = np.flatnonzero(cohort.members)
    if len(who) < PEOPLE_NEEDED:
        return None
    m = match(launched, rule, met, who, cohort.index[who], None, Ways(windows=YEAR, effective_needed=1.0))
    if isinstance(m, str):
        return None
    found = contrast(launched, m, follow_up, people.n_months)
    y_run, n_run = people.outcome_at_risk_so_far, people.months_at_risk_so_far
    stop = m.month + follow_up
    y, n = (run[m.person, stop] - run[m.person, m.month] for run in (y_run, n_run))
    mine = served[people.unit]
    own = (y - found.rate * n) / y.sum()
    window = last + 1 - first
    return Past(
        events=y, months=n, targets=own - found.scores[m.person],
        others=float((found.scores[~mine] ** 2).sum()) * min(1.0, window / max(after, 1)), tau2=found.tau2,
        hospitals=int(served.sum()), compared=int((~served).sum()), shares=found.control_share,
    )  # fmt: skip
