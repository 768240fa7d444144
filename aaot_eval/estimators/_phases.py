"""The referred before, during and after their time with the team, beside people like them elsewhere. docs/methods/phases.md."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from aaot_eval.estimators._cohorts import Floats, Ints, PersonMonths

#: Months before the referral that are the phase "before".
BEFORE = 12
NORMAL = 1.959963984540054
PHASES = ("before", "during", "after")


def expected_by_month(people: PersonMonths, person: Ints, month: Ints, weight: Floats, first: int, last: int) -> Floats:
    """Weighted admissions for each person-month alive, by month first..last-1 since the clock's zero; NaN where nobody is seen."""
    rates = np.full(last - first, np.nan)
    for k in range(first, last):
        at = month + k
        here = (at >= 0) & (at < people.n_months)
        rows, cols, w = person[here], at[here], weight[here]
        seen = w * people.at_risk[rows, cols]
        if seen.sum() > 0:
            rates[k - first] = float((seen * people.outcome[rows, cols]).sum() / seen.sum())
    return rates


def phase_table(
    analysis: str,
    people: PersonMonths,
    referred: tuple[Ints, Ints],
    like: tuple[Ints, Ints, Floats],
    ended: Ints,
    follow_up: int,
    among: PersonMonths | None = None,
) -> pd.DataFrame:
    """Rates for each person-year of the referred by phase, what people like them had at the same months since the clock's zero, and
    the ratio, as the release table `phases`.

    referred, like  (person, month of the clock's zero), the latter with weights, who are among `among` where that is other than `people`
    ended (P,) last month with the team; T = still there
    """
    person, month = referred
    rates = expected_by_month(among or people, *like, -BEFORE, follow_up)
    totals = {p: (np.zeros(len(person)), np.zeros(len(person)), np.zeros(len(person))) for p in PHASES}
    for k in range(-BEFORE, follow_up):
        at = np.clip(month + k, 0, people.n_months - 1)
        seen = (
            people.at_risk[person, at]
            & (month + k >= 0)
            & (month + k < people.n_months)
            & np.isfinite(rates[k + BEFORE])
        )
        engaged = month + k <= ended[person]
        for phase, inside in (
            ("before", seen & (k < 0)),
            ("during", seen & (k >= 0) & engaged),
            ("after", seen & (k >= 0) & ~engaged),
        ):
            months, events, expected = totals[phase]
            months += inside
            events += np.where(inside, people.outcome[person, at], 0.0)
            expected += np.where(inside, np.nan_to_num(rates[k + BEFORE]), 0.0)
    rows = []
    for phase in PHASES:
        months, events, expected = totals[phase]
        years = float(months.sum()) / 12
        ratio, low, high = _ratio(events, expected)
        rows.append({"analysis": analysis, "phase": phase, "people": int((months > 0).sum()), "events": float(events.sum()),
                     "person_years": years, "rate": float(events.sum()) / years if years else math.nan,
                     "rate_like": float(expected.sum()) / years if years else math.nan, "ratio": ratio, "conf_low": low, "conf_high": high})  # fmt: skip
    return pd.DataFrame(rows)


def _ratio(events: Floats, expected: Floats) -> tuple[float, float, float]:
    """Sum of events over sum of expected, with limits from the referred's own parts; the expected is held fixed."""
    if events.sum() <= 0 or expected.sum() <= 0:
        return math.nan, math.nan, math.nan
    ratio = float(events.sum() / expected.sum())
    error = math.sqrt(float((((events - ratio * expected) / events.sum()) ** 2).sum()))
    return ratio, ratio * math.exp(-NORMAL * error), ratio * math.exp(NORMAL * error)
