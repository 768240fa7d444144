"""Models of cost per person: gamma with log link, two parts (any cost, then how much), and ordinary least squares.

What a policy needs is the difference of arithmetic means, so each model predicts everybody in the service's arm twice, with
the service and without it, and averages the difference (recycled predictions). Formulae: docs/methods/cost_sensitivity.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_STEPS = 100
SETTLED = 1e-10
WORST_CONDITION = 1e12  # beyond it an inverse has no digit left
LARGEST_STEP = 2.0  # on the log scale: a longer one overshoots when a few costs are huge


class NoFitError(ValueError):
    """A model has no solution on these data; the text says why."""


@dataclass(frozen=True)
class Windows:
    """n people's costs in their windows: `cost` and `years` at risk (n,), `design` (n, p), the same without the service
    `without` (n, p), `counted` (n,) whose difference is averaged, `cluster` (n,) the hospital as 0..G-1."""

    cost: Floats
    years: Floats
    design: Floats
    without: Floats
    counted: Flags
    cluster: NDArray[np.int64]

    @property
    def n_clusters(self) -> int:
        """G."""
        return int(self.cluster.max()) + 1


@dataclass(frozen=True)
class Difference:
    """Averted cost: without the service less with it, a person-year of those counted; its hospital-clustered error."""

    value: float
    std_error: float


def gamma_log(data: Windows) -> Difference:
    """Gamma GLM with log link and the years at risk as offset. Costs of nothing are allowed: only the mean is used.

    Raises NoFitError.
    """
    fit = gamma_fit(data.design, data.cost, data.years)

    def mean(coefficients: Floats, rows: Floats) -> Floats:
        return np.asarray(np.exp(rows @ coefficients) * data.years)

    return _recycled(data, fit.coefficients, fit.influence(), mean)


def two_part(data: Windows) -> Difference:
    """The chance of any cost (logit, log years as a covariate), times a gamma GLM of the cost of those with any.

    Raises NoFitError.
    """
    spent = data.cost > 0
    log_years = np.log(data.years)[:, None]
    varied = log_years if log_years.std() > 0 else log_years[:, :0]
    first = logit_fit(np.hstack([data.design, varied]), spent.astype(float))
    second = gamma_fit(data.design[spent], data.cost[spent], data.years[spent])
    p = len(first.coefficients)

    def mean(coefficients: Floats, rows: Floats) -> Floats:
        chance = special.expit(np.hstack([rows, varied]) @ coefficients[:p])
        return np.asarray(chance * np.exp(rows @ coefficients[p:]) * data.years)

    how_much = np.zeros((len(spent), len(second.coefficients)))
    how_much[spent] = second.influence()
    both = np.concatenate([first.coefficients, second.coefficients])
    return _recycled(data, both, np.hstack([first.influence(), how_much]), mean)


def least_squares(data: Windows) -> Difference:
    """Least squares on cost per year, weighted by the years at risk. Raises NoFitError."""
    bread = _inverse(data.design.T @ (data.design * data.years[:, None]))
    coefficients = bread @ data.design.T @ data.cost
    fit = Fit(coefficients, bread, data.design * (data.cost - data.years * (data.design @ coefficients))[:, None])

    def mean(coefficients: Floats, rows: Floats) -> Floats:
        return np.asarray((rows @ coefficients) * data.years)

    return _recycled(data, coefficients, fit.influence(), mean)


@dataclass(frozen=True)
class Fit:
    """Coefficients (p,), inverse of the expected information (p, p), and each row's score (n, p)."""

    coefficients: Floats
    bread: Floats
    scores: Floats

    def influence(self) -> Floats:
        """(n, p) what each row adds to the error of the coefficients."""
        return self.scores @ self.bread


def _recycled(
    data: Windows, coefficients: Floats, influence: Floats, mean: Callable[[Floats, Floats], Floats]
) -> Difference:
    """The averaged difference with its delta-method error, rows added up within hospitals: G / (G - 1) x sum of squares."""
    years = data.years[data.counted].sum()

    def averted(at: Floats) -> float:
        gap = mean(at, data.without) - mean(at, data.design)
        return float(gap[data.counted].sum() / years)

    size = 1e-5 * np.maximum(1.0, np.abs(coefficients))
    slope = np.array(
        [
            (averted(coefficients + step) - averted(coefficients - step)) / (2 * h)
            for h, step in zip(size, np.diag(size), strict=True)
        ]
    )
    error = np.bincount(data.cluster, weights=influence @ slope, minlength=data.n_clusters)
    g = data.n_clusters
    return Difference(averted(coefficients), math.sqrt((error**2).sum() * g / (g - 1)) if g > 1 else math.nan)


def gamma_fit(design: Floats, cost: Floats, years: Floats) -> Fit:
    """Scoring for the gamma log model: beta + (X'X)^-1 X'(y/mu - 1), the step cut when it is long."""
    bread = _inverse(design.T @ design)
    start = cost.sum() / years.sum()
    if not start > 0:
        raise NoFitError("nobody has a cost")
    coefficients = bread @ design.T @ np.full(len(cost), math.log(start))
    for _ in range(MOST_STEPS):
        scores = design * (cost / (years * np.exp(np.clip(design @ coefficients, -50, 50))) - 1)[:, None]
        step = bread @ scores.sum(axis=0)
        if np.abs(step).max() < SETTLED:
            return Fit(coefficients, bread, scores)
        coefficients = coefficients + step * min(1.0, LARGEST_STEP / np.abs(step).max())
    raise NoFitError("the gamma model does not settle")


def logit_fit(design: Floats, any_cost: Floats) -> Fit:
    """Newton steps for the logit; separation (an arm in which everybody or nobody has a cost) has no solution."""
    coefficients = np.zeros(design.shape[1])
    for _ in range(MOST_STEPS):
        chance = special.expit(design @ coefficients)
        bread = _inverse(design.T @ (design * (chance * (1 - chance))[:, None]))
        scores = design * (any_cost - chance)[:, None]
        step = bread @ scores.sum(axis=0)
        if np.abs(step).max() < SETTLED:
            return Fit(coefficients, bread, scores)
        coefficients = coefficients + step * min(1.0, LARGEST_STEP / np.abs(step).max())
    raise NoFitError("in some arm everybody or nobody has a cost, so the chance of any has no model")


def _inverse(information: Floats) -> Floats:
    if not np.isfinite(information).all() or np.linalg.cond(information) > WORST_CONDITION:
        raise NoFitError("an arm of the comparison is empty, or holds no variation")
    return np.asarray(np.linalg.inv(information))
