"""One comparison of a cohort with its controls between two dates, adjusted for covariates.

Outcome regression, inverse probability weighting (normalised) and the doubly robust combination of both, for panels:
Sant'Anna and Zhao (2020), Abadie (2005), Heckman, Ichimura and Todd (1997). Each is linear in the outcome.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from aaot_eval.estimators._sites import Floats

Adjustment = Literal["dr", "ipw", "reg"]

TRIM = 0.995
"""A control with a larger probability of being treated than this gets no weight."""
NO_OVERLAP = 0.999
"""Treated units that are this certain to be treated have nobody to be compared with."""
ROUNDS = 50


def adjusted_change(change: Floats, treated: Floats, covariates: Floats, kind: Adjustment) -> tuple[float, Floats]:
    """(effect on the treated, influence of each unit on it) from changes (m), a 0/1 switch (m) and covariates (m x p).

    The standard error is the root of the sum of squared influences. NaN when covariates separate treated from controls,
    or cannot be told apart among the controls.
    """
    m = len(change)
    x = np.column_stack([np.ones(m), covariates])
    nothing = (math.nan, np.full(m, math.nan))
    if np.linalg.matrix_rank(x[treated == 0]) < x.shape[1]:
        return nothing
    residual, ols = _outcome_regression(change, treated, x) if kind != "ipw" else (change, np.zeros_like(x))
    if kind == "reg":
        found = _mean(residual, treated)
        influence = treated * (residual - found) - ols @ (treated[:, None] * x).mean(axis=0)
        return found, influence / treated.mean() / m
    fitted = _propensity(treated, x)
    if fitted is None:
        return nothing
    chance, score = fitted
    weight = np.where((treated == 0) & (chance < TRIM), chance / (1 - chance), 0.0)
    eta_t, eta_c = _mean(residual, treated), _mean(residual, weight)
    own = treated * (residual - eta_t) - ols @ (treated[:, None] * x).mean(axis=0)
    spread = weight * (residual - eta_c)
    controls = spread + score @ (spread[:, None] * x).mean(axis=0) - ols @ (weight[:, None] * x).mean(axis=0)
    return eta_t - eta_c, (own / treated.mean() - controls / weight.mean()) / m


def _mean(values: Floats, weight: Floats) -> float:
    return float(weight @ values / weight.sum())


def _outcome_regression(change: Floats, treated: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Changes less what the controls' regression predicts, and each unit's influence on its coefficients (times m)."""
    control = (1 - treated)[:, None] * x
    inverse = np.linalg.inv(control.T @ x / len(x))
    beta = inverse @ (control.T @ change) / len(x)
    residual = change - x @ beta
    return residual, (control * residual[:, None]) @ inverse


def _propensity(treated: Floats, x: Floats) -> tuple[Floats, Floats] | None:
    """Probabilities by logistic regression and each unit's influence on its coefficients (times m); None if separated."""
    beta = np.zeros(x.shape[1])
    scale = np.maximum(np.abs(x).max(axis=0), 1e-12)
    z = x / scale
    for _ in range(ROUNDS):
        chance = 1 / (1 + np.exp(-np.clip(z @ beta, -30, 30)))
        hessian = z.T @ (z * (chance * (1 - chance))[:, None])
        try:
            step = np.linalg.solve(hessian, z.T @ (treated - chance))
        except np.linalg.LinAlgError:
            return None
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    else:
        return None
    chance = 1 / (1 + np.exp(-np.clip(z @ beta, -30, 30)))
    if chance[treated == 1].max() > NO_OVERLAP:
        return None
    inverse = np.linalg.inv(z.T @ (z * (chance * (1 - chance))[:, None]) / len(z))
    return np.minimum(chance, 1 - 1e-6), ((treated - chance)[:, None] * z) @ inverse / scale
