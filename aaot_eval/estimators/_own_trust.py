"""One trust and its two cohorts: who is followed for how long, and the ratio at equal time since the index.

Definitions: docs/methods/own_cohorts.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aaot_eval.estimators._cohorts import Cohort, Floats, Ints, PersonMonths, Rule
from aaot_eval.estimators._own_hospitals import Part, Shocks, over_trusts

#: History before the first cohort: the rule's own look-back and a year in which it was not met.
HISTORY_MONTHS = 24
#: Admission rates fall with time since the peak: the first months of the bands within which they are held equal.
BANDS = (0, 1, 3, 6, 12, 24, 36, 48)


@dataclass(frozen=True)
class Followed:
    """The followed person-months of one trust, one entry each: person, month, era (0 before launch, 1 after), band of time
    since the index, outcome, and the admissions that the minimum size is counted on."""

    person: Ints
    month: Ints
    era: Ints
    band: Ints
    outcome: Floats
    count: Floats

    def table(self, n_months: int, values: Floats | None = None) -> Floats:
        """(2, T, B) sums by era, month and band; of person-months when no values are given."""
        n_bands = int(self.band.max(initial=0)) + 1
        cell = (self.era * n_months + self.month) * n_bands + self.band
        flat = np.bincount(cell, weights=values, minlength=2 * n_months * n_bands)
        return np.asarray(flat, dtype=float).reshape(2, n_months, n_bands)


@dataclass(frozen=True)
class Trust:
    """One trust with the service and its two cohorts."""

    unit: int
    name: str
    launch: int
    cohorts: tuple[Cohort, Cohort]
    followed: Followed


def first_month(rule: Rule) -> int:
    """The first month in which newly meeting the rule can be told, and never before the 25th of the extract."""
    return max(HISTORY_MONTHS, rule.months + 12)


def follow(people: PersonMonths, cohorts: tuple[Cohort, Cohort], count: Floats) -> Followed:
    """Every month at risk of both cohorts from the index to the end of follow-up."""
    t, parts = np.arange(people.n_months), []
    for number, cohort in enumerate(cohorts):
        who = np.flatnonzero(cohort.members)
        index, end = cohort.index[who, None], cohort.end[who, None]
        row, month = np.nonzero((t >= index) & (t < end) & people.at_risk[who])
        band = np.searchsorted(BANDS, month - cohort.index[who[row]], side="right") - 1
        parts.append((who[row], month, np.full(len(row), number), band))
    person, month, era, band = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Followed(person, month, era, band, people.outcome[person, month], count[person, month])


@dataclass(frozen=True)
class Standardised:
    """The ratio after to before at equal time since the index and over the control series.

    means (2, T, B) fitted; influence (P,) each person's part in the error of the log ratio; gradient (T,) what a shock to all
    of one month's admissions does to it.
    """

    log_ratio: float
    means: Floats
    influence: Floats
    gradient: Floats


def standardise(followed: Followed, control: Floats, n_people: int) -> Standardised:
    """Poisson likelihood of rate = band's rate x control series x ratio after launch; its two equations in turn.

    control (T,) has mean about 1. The log ratio is not finite when an era has no events.
    """
    months = followed.table(len(control)) * control[None, :, None]
    exposure, events = months.sum(axis=1), followed.table(len(control), followed.outcome).sum(axis=1)
    ratio = 1.0
    rates = np.zeros(exposure.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(500):
            rates = np.nan_to_num(events.sum(axis=0) / (exposure[0] + ratio * exposure[1]))
            last, ratio = ratio, float(events[1].sum() / (exposure[1] @ rates))
            if not 0 < ratio < np.inf or abs(ratio / last - 1) < 1e-13:
                break
    if not 0 < ratio < np.inf or not events[0].sum():
        return Standardised(math.nan, months, np.zeros(n_people), np.zeros(len(control)))
    by_era = np.array([1.0, ratio])
    means = months * rates * by_era[:, None, None]
    total = means.sum(axis=1)
    share = np.divide(total[1], total.sum(axis=0), out=np.zeros(len(rates)), where=total.sum(axis=0) > 0)
    lever = (np.array([[0.0], [1.0]]) - share) / float((total.sum(axis=0) * share * (1 - share)).sum())
    expected = rates[followed.band] * control[followed.month] * by_era[followed.era]
    part = lever[followed.era, followed.band] * (followed.outcome - expected)
    influence = np.asarray(np.bincount(followed.person, weights=part, minlength=n_people), dtype=float)
    return Standardised(math.log(ratio), means, influence, (means * lever[:, None, :]).sum(axis=(0, 2)))


@dataclass(frozen=True)
class Result:
    """One trust: the ratio over the control series with its variance, the ratio without, the cohorts as one series."""

    trust: Trust
    fit: Standardised
    people: Part
    hospital: Part
    model: str
    without_control: float
    as_series: float
    series: Part
    shocks: Shocks | None = None

    @property
    def variance(self) -> Part:
        """People and whole-hospital shocks together."""
        return Part.total([self.people, self.hospital])

    @property
    def observed(self) -> float:
        """Events of the cohort after launch."""
        return float(self.trust.followed.outcome[self.trust.followed.era == 1].sum())

    @property
    def expected(self) -> float:
        """What they would have been at the rates before launch and the control series' change."""
        return self.observed * math.exp(-self.fit.log_ratio)


def pooled(done: Sequence[Result]) -> tuple[Floats, float, Part]:
    """Shares of the trusts in what was expected, the log ratio of them together, and its variance."""
    expected = np.array([r.expected for r in done])
    share = expected / expected.sum()
    variance = over_trusts([r.fit.log_ratio for r in done], [[r.people, r.hospital] for r in done], share)
    return share, math.log(sum(r.observed for r in done) / expected.sum()), variance
