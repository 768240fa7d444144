"""What each person on the caseload would be expected to cost, relative to the others, from the time before the peak.

The twelve months before referral are the peak that led to it; the year before that tells lasting heavy users from
passing ones, but less than it seems: of people picked at a peak, those with a quiet year before have just relapsed.
How much it tells is read from people who reached the same peak where and when there was no service.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aaot_eval.costs.rates import Caseload
from aaot_eval.results import Panel

YEAR = 12
PRIOR_MONTHS = range(13, 25)
"""Months before referral that the prior is read from."""
PEAK_QUANTILE = 0.10
LEAST_PEOPLE_LIKE_THEM = 30


@dataclass(frozen=True)
class Prior:
    """The expected cost per month of n people, up to one common factor.

    `rate` (n,); `weight` (n,) the change in `rate` for a pound of own history per month; `months` (n,) of history
    seen; `unknown` (n,) the variance of the rate that history leaves open; `clumping` the mean square over the mean
    of monthly costs: what a pound of expected cost adds to the variance by chance; `people_like_them` how many people
    the line comes from, 0 = none: then by credibility within the caseload.
    """

    rate: np.ndarray
    weight: np.ndarray
    months: np.ndarray
    unknown: np.ndarray
    clumping: float
    people_like_them: int


def expected_rates(panel: Panel, people: Caseload, outcome: str) -> Prior:
    """The prior of the caseload: the line of people like them when there are thirty, else credibility."""
    cost = panel.person_matrix("hospital_cost")
    peak = panel.person_matrix(outcome) if panel.person_cells is not None and outcome in panel.person_cells else cost
    if panel.people is None:
        raise ValueError("this panel has no people")
    rows = panel.people.index.get_indexer(people.people.index)
    referral = people.people["referral_t"].to_numpy()
    own, months, clumping = history(cost[rows], referral)
    before, after, weight = people_like_them(panel, cost, peak, _threshold(peak[rows], referral))
    if len(before) < LEAST_PEOPLE_LIKE_THEM or not after.sum() > 0 or math.isnan(clumping):
        return by_credibility(cost[rows], referral)
    intercept, slope, spread = _line(before, after, weight)
    mean = float(np.average(own, weights=months))
    filled = (own * months + mean * (YEAR - months)) / YEAR
    by_chance = clumping * float(np.average(after, weights=weight)) / YEAR
    unknown = np.full(len(own), max(spread - by_chance, 0.0))
    return Prior(intercept + slope * filled, slope * months / YEAR, months, unknown, clumping, len(before))


def history(cost: np.ndarray, referral_t: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Own mean monthly cost in the prior months (the overall mean where none is seen), months seen, and clumping."""
    seen = _window(cost, referral_t)
    months = seen.sum(axis=1).astype(float)
    total = (cost * seen).sum(axis=1)
    if not total.sum() > 0:
        return np.zeros(len(cost)), months, math.nan
    mean = total.sum() / months.sum()
    own = np.divide(total, months, out=np.full(len(cost), mean), where=months > 0)
    return own, months, float(((cost**2) * seen).sum() / total.sum())


def people_like_them(
    panel: Panel, cost: np.ndarray, peak: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Monthly cost in months 13 to 24 before, and in the year after, of people who reached the peak without a service.

    Index = the first month with two years behind it in whose twelve months before the peak was reached, with a year
    of data before any service at the home hospital and before any referral. Third array: months alive in the year
    after.
    """
    people = panel.people
    if people is None:
        raise ValueError("this panel has no people")
    n_t = len(panel.periods)
    end = np.minimum(
        people["unit"].map(panel.units["start_t"]).astype("Float64").fillna(n_t).to_numpy(dtype=float),
        people["referral_t"].astype("Float64").fillna(n_t).to_numpy(dtype=float),
    )
    death = people["death_t"].astype("Float64").fillna(math.inf).to_numpy(dtype=float)
    t = np.arange(n_t)
    trailing = _trailing(peak)
    fits = (trailing >= threshold) & (t >= 2 * YEAR) & (t + YEAR <= end[:, None]) & (t <= death[:, None])
    chosen = np.flatnonzero(fits.any(axis=1))
    index = fits[chosen].argmax(axis=1)
    back = index[:, None] - t
    prior = (back >= min(PRIOR_MONTHS)) & (back <= max(PRIOR_MONTHS))
    after = (back <= 0) & (back > -YEAR) & (t <= death[chosen][:, None])
    months = after.sum(axis=1).astype(float)
    rows = cost[chosen]
    return (rows * prior).sum(axis=1) / YEAR, (rows * after).sum(axis=1) / months, months


def by_credibility(cost: np.ndarray, referral_t: np.ndarray) -> Prior:
    """Bühlmann-Straub credibility within the n people: z x own + (1 - z) x mean, variances by moments.

    Without any cost in the prior months everybody is expected alike.
    """
    own, months, clumping = history(cost, referral_t)
    if math.isnan(clumping):
        nothing = np.zeros(len(cost))
        return Prior(np.ones(len(cost)), nothing, months, nothing, math.nan, 0)
    mean = float(np.average(own, weights=months))
    spare = np.maximum(months - 1, 0).sum()
    within = float(((cost - own[:, None]) ** 2 * _window(cost, referral_t)).sum() / spare) if spare > 0 else 0.0
    size = months.sum() - (months**2).sum() / months.sum()
    excess = (months * (own - mean) ** 2).sum() - ((months > 0).sum() - 1) * within
    between = max(float(excess / size), 0.0) if size > 0 else 0.0
    weight = months * between / (months * between + within) if between > 0 else np.zeros(len(cost))
    return Prior(weight * own + (1 - weight) * mean, weight, months, between * (1 - weight), clumping, 0)


def _line(before: np.ndarray, after: np.ndarray, months: np.ndarray) -> tuple[float, float, float]:
    """Intercept, slope and residual variance of after on before, weighted by months; neither below 0."""
    x, y = (float(np.average(v, weights=months)) for v in (before, after))
    spread = float(np.average((before - x) ** 2, weights=months))
    slope = float(np.average((before - x) * (after - y), weights=months)) / spread if spread > 0 else 0.0
    slope = min(max(slope, 0.0), y / x if x > 0 else 0.0)
    intercept = y - slope * x
    return intercept, slope, float(np.average((after - intercept - slope * before) ** 2, weights=months))


def _window(cost: np.ndarray, referral_t: np.ndarray) -> np.ndarray:
    back = referral_t[:, None] - np.arange(cost.shape[1])
    return np.asarray((back >= min(PRIOR_MONTHS)) & (back <= max(PRIOR_MONTHS)))


def _threshold(peak: np.ndarray, referral_t: np.ndarray) -> float:
    """The peak that nine in ten of the caseload had reached in the twelve months before referral; at least 1."""
    reached = _trailing(peak)[np.arange(len(peak)), referral_t]
    return max(float(pd.Series(reached).quantile(PEAK_QUANTILE, interpolation="lower")), 1.0)


def _trailing(values: np.ndarray) -> np.ndarray:
    """n x periods: the sum over the twelve periods before each."""
    total = np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))[:, :-1]
    return np.asarray(total - np.pad(total, ((0, 0), (YEAR, 0)))[:, : total.shape[1]])
