"""The referred before, during and after their time with the team, beside people like them elsewhere. docs/methods/phases.md."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from aaot_eval.estimators._cohorts import Floats, Ints, PersonMonths

#: Months before the referral that are the phase "before".
BEFORE = 12
NORMAL = 1.959963984540054
Hospitals = Callable[[Floats, float], float]
"""From the gradient (U, T) of a log ratio by shocks of hospitals' months, and its variance from people, half of its 95 % interval."""
PHASES = ("before", "during", "after")


def expected_by_cell(people: PersonMonths, person: Ints, month: Ints, weight: Floats, first: int, last: int) -> Floats:
    """(last - first, U, T) weighted admissions for each person-month alive, by month first..last-1 since the clock's zero, and by the hospital
    and calendar month in which they were; NaN where nobody is seen."""
    n_u, n_t = len(people.names), people.n_months
    cells = np.full((last - first, n_u, n_t), np.nan)
    for k in range(first, last):
        at = month + k
        here = (at >= 0) & (at < n_t)
        rows, cols, w = person[here], at[here], weight[here]
        seen = w * people.at_risk[rows, cols]
        if seen.sum() > 0:
            events = seen * people.outcome[rows, cols]
            flat = np.bincount(people.unit[rows] * n_t + cols, weights=events, minlength=n_u * n_t)
            cells[k - first] = flat.reshape(n_u, n_t) / seen.sum()
    return cells


def phase_table(
    analysis: str,
    people: PersonMonths,
    referred: tuple[Ints, Ints],
    like: tuple[Ints, Ints, Floats],
    ended: Ints,
    follow_up: int,
    among: PersonMonths | None = None,
    hospitals: Hospitals | None = None,
) -> pd.DataFrame:
    """Rates for each person-year of the referred by phase, what people like them had at the same months since the clock's zero, and
    the ratio, as the release table `phases`.

    referred, like  (person, month of the clock's zero), the latter with weights, who are among `among` where that is other than `people`
    ended (P,) last month with the team; T = still there
    hospitals  adds the shocks of hospitals to the limits; without it these hold people alone
    """
    person, month = referred
    cells = expected_by_cell(among or people, *like, -BEFORE, follow_up)
    rates = cells.sum(axis=(1, 2))
    shape = cells.shape[1:]
    met_by = {p: (np.zeros(shape), np.zeros(shape)) for p in PHASES}
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
            own, theirs = met_by[phase]
            np.add.at(own, (people.unit[person[inside]], at[inside]), people.outcome[person[inside], at[inside]])
            theirs += inside.sum() * np.nan_to_num(cells[k + BEFORE])
            months += inside
            events += np.where(inside, people.outcome[person, at], 0.0)
            expected += np.where(inside, np.nan_to_num(rates[k + BEFORE]), 0.0)
    rows = []
    for phase in PHASES:
        months, events, expected = totals[phase]
        years = float(months.sum()) / 12
        own, theirs = met_by[phase]
        ratio, low, high = _ratio(events, expected, own, theirs, hospitals)
        rows.append({"analysis": analysis, "phase": phase, "people": int((months > 0).sum()), "events": float(events.sum()),
                     "person_years": years, "rate": float(events.sum()) / years if years else math.nan,
                     "rate_like": float(expected.sum()) / years if years else math.nan, "ratio": ratio, "conf_low": low, "conf_high": high})  # fmt: skip
    return pd.DataFrame(rows)


def _ratio(
    events: Floats, expected: Floats, own: Floats, theirs: Floats, hospitals: Hospitals | None
) -> tuple[float, float, float]:
    """Sum of events over sum of expected, with limits from the referred's own parts and, if given, from hospitals' shocks, which
    move events by `own` (U, T) and the expected by `theirs`; what people like them had is else held fixed."""
    if events.sum() <= 0 or expected.sum() <= 0:
        return math.nan, math.nan, math.nan
    ratio = float(events.sum() / expected.sum())
    variance = float((((events - ratio * expected) / events.sum()) ** 2).sum())
    gradient = own / own.sum() - theirs / theirs.sum()
    reach = hospitals(gradient, variance) if hospitals else NORMAL * math.sqrt(variance)
    return ratio, ratio * math.exp(-reach), ratio * math.exp(reach)
