"""Differences between two arms of people with known totals: in cost, in outcome, and in net benefit.

For trials and for people with complete follow-up. The quantity is always a difference of arithmetic means. A run uses
`adjusted`, for QALYs; `welch`, `seemingly_unrelated` and `resampled` are for whoever has costs and outcomes of two arms in
Python. Formulae and sources: docs/methods/net_benefit.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from aaot_eval.costs.draws import share_above_zero
from aaot_eval.errors import counted
from aaot_eval.results import generator

LEAST_IN_ARM = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """Second arm less first: estimate, standard error and degrees of freedom of its t interval, and people by arm."""

    estimate: float
    std_error: float
    df: float
    n_first: int
    n_second: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The t interval at the level."""
        reach = self.std_error * float(stdtrit(self.df, (1 + level) / 2))
        return self.estimate - reach, self.estimate + reach

    def draws(self, uniform: np.ndarray) -> np.ndarray:
        """Draws of the difference from uniform numbers, by the t of the interval."""
        return np.asarray(self.estimate + self.std_error * stdtrit(self.df, uniform))


def welch(first: np.ndarray, second: np.ndarray) -> Difference:
    """The difference of two means with unequal variances and Welch's degrees of freedom."""
    _enough(len(first), len(second))
    parts = [float(np.var(arm, ddof=1)) / len(arm) for arm in (first, second)]
    spread = sum(parts)
    df = (
        spread**2 / sum(p**2 / (len(arm) - 1) for p, arm in zip(parts, (first, second), strict=True)) if spread else 1.0
    )
    return Difference(float(np.mean(second) - np.mean(first)), math.sqrt(spread), df, len(first), len(second))


def adjusted(
    outcome: np.ndarray,
    second: np.ndarray,
    covariates: np.ndarray | None = None,
    *,
    robust: Literal["HC1", "HC3"] = "HC1",
) -> Difference:
    """The difference in `outcome` (n,) between arms by least squares on the arm and covariates (n, k).

    `second` (n,) is True in the second arm. Standard errors are robust to unequal variances; t with n - k - 2 degrees of
    freedom. Adjusting QALYs for utility at baseline is this with the baseline as covariate, and not a change score.
    """
    # Not needed to read and check prices, and slow to load.
    import statsmodels.api as sm

    arm = np.asarray(second, dtype=float)
    _enough(int((arm == 0).sum()), int((arm == 1).sum()))
    columns = [np.ones_like(arm), arm] + ([] if covariates is None else [np.asarray(covariates, dtype=float)])
    fit = sm.OLS(np.asarray(outcome, dtype=float), np.column_stack(columns)).fit(cov_type=robust)
    return Difference(
        float(fit.params[1]), float(fit.bse[1]), float(fit.df_resid), int((arm == 0).sum()), int((arm == 1).sum())
    )


def seemingly_unrelated(
    cost: np.ndarray, outcome: np.ndarray, cost_design: np.ndarray, outcome_design: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of cost and outcome equations fitted together (Zellner), from least-squares residuals in one step.

    Designs are (n, k) with their constants. The residual covariance divides by the geometric mean of the two equations'
    residual degrees of freedom. With the same design twice it is least squares.
    """
    n, k = cost_design.shape
    j = outcome_design.shape[1]
    left = cost - cost_design @ np.linalg.lstsq(cost_design, cost, rcond=None)[0]
    right = outcome - outcome_design @ np.linalg.lstsq(outcome_design, outcome, rcond=None)[0]
    free = np.sqrt([n - k, n - j])
    residuals = np.column_stack([left / free[0], right / free[1]])
    weight = np.linalg.inv(residuals.T @ residuals)
    a, b = cost_design, outcome_design
    normal = np.block(
        [[weight[0, 0] * a.T @ a, weight[0, 1] * a.T @ b], [weight[1, 0] * b.T @ a, weight[1, 1] * b.T @ b]]
    )
    right_side = np.concatenate(
        [a.T @ (weight[0, 0] * cost + weight[0, 1] * outcome), b.T @ (weight[1, 0] * cost + weight[1, 1] * outcome)]
    )
    # Pounds and QALYs differ by six orders of magnitude: scaled, or the solution loses its last digits.
    scale = 1 / np.sqrt(np.diag(normal))
    solved = scale * np.linalg.solve(normal * np.outer(scale, scale), scale * right_side)
    return solved[:k], solved[k:]


@dataclass(frozen=True, slots=True)
class Resampled:
    """A difference of means by resampling people within arms: spread, percentile interval, share of draws below zero."""

    std_error: float
    low: float
    high: float
    p_second_lower: float


def resampled(first: np.ndarray, second: np.ndarray, *, seed: int, n: int = 2000, level: float = 0.95) -> Resampled:
    """The difference second less first over `n` resamples of people within each arm."""
    _enough(len(first), len(second))
    rng = generator(seed, "costs", "resampled difference")
    draws = np.empty(n)
    for i in range(n):
        draws[i] = (
            second.take(rng.integers(0, len(second), len(second))).mean()
            - first.take(rng.integers(0, len(first), len(first))).mean()
        )
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Resampled(float(draws.std(ddof=1)), float(low), float(high), share_above_zero(-draws))


def _enough(first: int, second: int) -> None:
    if min(first, second) < LEAST_IN_ARM:
        raise ValueError(
            f"an arm holds {counted(min(first, second), 'person', 'people')}; {LEAST_IN_ARM} are needed in each"
        )
