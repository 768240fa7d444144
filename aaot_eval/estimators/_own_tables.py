"""What stands beside one trust's own cohorts: survival, the chart by month, rates and deaths, and the cohorts as a plain series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from aaot_eval.estimators._cohorts import Ints, PersonMonths, died, rate_before
from aaot_eval.estimators._count_series import Wald, fit_count_series, fit_count_series_with_noise
from aaot_eval.estimators._own_hospitals import Part
from aaot_eval.estimators._own_trust import BANDS, Followed, Result, Standardised, Trust, follow
from aaot_eval.estimators._survival import FollowedPeople, curve, curve_rows
from aaot_eval.results import Analysis


def alive_throughout(people: PersonMonths, trust: Trust) -> Trust:
    """The trust without those who died in follow-up. The count behind minimum sizes is not asked again: it is the outcome."""
    before, after = (replace(c, index=np.where(died(people, c), -1, c.index)) for c in trust.cohorts)
    return replace(trust, cohorts=(before, after), followed=follow(people, (before, after), people.outcome))


def survival(
    analysis: Analysis, people: PersonMonths, trusts: Sequence[Trust], follow_up: int, level: float
) -> pd.DataFrame:
    """Who has died and how often people were admitted by each quarter since the index, before and after launch."""
    everybody, rows = np.ones(len(people.unit), dtype=bool), []
    for era, name in enumerate(("before", "after")):
        followed = FollowedPeople.of([(t.cohorts[era], everybody) for t in trusts])
        rows += curve_rows(analysis.name, "treated", name, curve(people, followed, follow_up, level))
    return pd.DataFrame(rows)


def lived_on(people: PersonMonths, trust: Trust, at_own_rate: float) -> Followed:
    """The followed months and those lost by death, at that share of everybody's own rate before the index."""
    t, f, parts = np.arange(people.n_months), trust.followed, []
    for number, cohort in enumerate(trust.cohorts):
        who = np.flatnonzero(cohort.members)
        index = cohort.index[who, None]
        row, month = np.nonzero((t >= index) & (t < cohort.end[who, None]) & (t > people.death[who, None]))
        band = np.searchsorted(BANDS, month - cohort.index[who[row]], side="right") - 1
        rate = at_own_rate * rate_before(people, cohort)[who[row]]
        parts.append((who[row], month, np.full(len(row), number), band, rate, rate))
    extra = [np.concatenate(column) for column in zip(*parts, strict=True)]
    own = (f.person, f.month, f.era, f.band, f.outcome, f.count)
    return Followed(*(np.concatenate(pair) for pair in zip(own, extra, strict=True)))


def cohort_series(fit: Standardised, followed: Followed, clock: Ints, launch: int, counted: bool, level: float) -> Wald:
    """The level change of the cohorts' monthly series at equal time since the index; the wider of the two error models."""
    events = followed.table(len(clock), followed.outcome).sum(axis=(0, 2))
    means = fit.means.sum(axis=2)
    expected = means[0] + means[1] * math.exp(-fit.log_ratio)
    used = np.flatnonzero(expected > 0)
    X = np.column_stack([np.ones(len(used)), used >= launch]).astype(float)
    floor = 1.0 if counted else 0.0
    fits = [model(events[used], X, np.log(expected[used]), clock[used], floor=floor).coefficient(1)
            for model in (fit_count_series, fit_count_series_with_noise)]  # fmt: skip
    return max(fits, key=lambda w: w.half_width(level))


def chart(people: PersonMonths, result: Result, level: float, variance: Part) -> pd.DataFrame:
    """Month by month: the cohorts' admissions, and what was to be expected at the rates before launch."""
    followed, n_t = result.trust.followed, people.n_months
    means = result.fit.means.sum(axis=(0, 2))
    t = np.flatnonzero(means > 0)
    after = t >= result.trust.launch
    effect = np.where(after, result.fit.log_ratio, 0.0)
    half = np.where(after, variance.half_width(level), 0.0)
    pairs = np.unique(np.column_stack([followed.month, followed.person])[followed.outcome > 0], axis=0)
    expected = means[t] * np.exp(-effect)
    return pd.DataFrame({
        "unit": result.trust.name, "t": t, "phase": np.where(after, "after", "before"),
        "observed": followed.table(n_t, followed.outcome).sum(axis=(0, 2))[t],
        "persons": np.bincount(pairs[:, 0], minlength=n_t)[t],
        "exposure": followed.table(n_t).sum(axis=(0, 2))[t] / 12,
        "fitted": means[t], "expected": expected, "expected_low": expected * np.exp(-half), "expected_high": expected * np.exp(half),
    })  # fmt: skip


def rates(analysis: Analysis, trusts: Sequence[Trust]) -> pd.DataFrame:
    """Events per person-year of the cohorts before and after launch."""
    rows = []
    for era, name in enumerate(("before", "after")):
        parts = [t.followed.outcome[t.followed.era == era] for t in trusts]
        events, years = float(sum(p.sum() for p in parts)), sum(len(p) for p in parts) / 12
        people = sum(int(t.cohorts[era].members.sum()) for t in trusts)
        rows.append({"analysis": analysis.name, "outcome": analysis.outcome, "arm": "treated", "era": name, "people": people,
                     "events": events, "person_years": years, "rate": events / years if years else math.nan})  # fmt: skip
    return pd.DataFrame(rows)


def deaths(analysis: Analysis, people: PersonMonths, trusts: Sequence[Trust]) -> pd.DataFrame:
    """Deaths during follow-up before and after launch."""
    rows = []
    for era, name in enumerate(("before", "after")):
        cohorts = [t.cohorts[era] for t in trusts]
        deaths = sum(int(died(people, c).sum()) for c in cohorts)
        years = sum(int((t.followed.era == era).sum()) for t in trusts) / 12
        rows.append({"analysis": analysis.name, "arm": "treated", "era": name, "people": sum(int(c.members.sum()) for c in cohorts),
                     "deaths": deaths, "person_years": years, "rate": 100 * deaths / years if years else math.nan})  # fmt: skip
    return pd.DataFrame(rows)
