"""Least squares on site and period effects with any further columns, clustered by site; Sun and Abraham (2021) as one use.

Their regression has a switch for every cohort and period but the last one before the start; its coefficients are then
averaged with the cohorts' shares taken as given. That is why its standard error differs from Callaway-Sant'Anna's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aaot_eval.estimators._sites import Bools, Floats, Ints


@dataclass(frozen=True)
class Within:
    """Coefficients with their covariance clustered by site (CR1, site effects nested and not counted)."""

    coefficients: Floats
    covariance: Floats

    @property
    def std_errors(self) -> Floats:
        """Roots of the diagonal."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


def within_regression(level: Floats, columns: Floats) -> Within:
    """`level` n x T and `columns` n x T x p without holes: least squares after taking out site and period means."""
    n, n_t, p = columns.shape
    y, x = _demeaned(level[:, :, None])[:, :, 0], _demeaned(columns)
    flat = x.reshape(-1, p)
    bread = np.linalg.inv(flat.T @ flat)
    beta = bread @ (flat.T @ y.ravel())
    residual = y - x @ beta
    scores = np.einsum("itp,it->ip", x, residual)
    factor = n / (n - 1) * (n * n_t - 1) / (n * n_t - (p + n_t))
    return Within(beta, factor * bread @ (scores.T @ scores) @ bread)


def _demeaned(cube: Floats) -> Floats:
    return np.asarray(
        cube - cube.mean(axis=1, keepdims=True) - cube.mean(axis=0, keepdims=True) + cube.mean(axis=(0, 1))
    )


@dataclass(frozen=True)
class SunAbraham:
    """The saturated regression: one coefficient a cell of (cohort start, period), then one a covariate."""

    fit: Within
    starts: Ints
    periods: Ints
    event_times: Ints
    sizes: Ints
    n_covariates: int

    def mean(self, keep: Bools) -> tuple[float, float]:
        """(mean of the kept cells weighted by the size of their cohorts, its standard error with those sizes as given)."""
        weights = np.where(keep, self.sizes, 0.0) / self.sizes[keep].sum()
        full = np.append(weights, np.zeros(self.n_covariates))
        return float(full @ self.fit.coefficients), math.sqrt(float(full @ self.fit.covariance @ full))

    def covariate(self, which: int) -> tuple[float, float]:
        """(coefficient, standard error) of a covariate."""
        at = len(self.starts) + which
        return float(self.fit.coefficients[at]), float(self.fit.std_errors[at])


def sun_abraham(level: Floats, starts: Ints, covariates: Floats | None = None) -> SunAbraham:
    """The regression of Sun and Abraham on a table without holes; the reference is the period before the start."""
    n, n_t = level.shape
    cells = [(int(s), t) for s in np.unique(starts[starts < n_t]) for t in range(n_t) if t != s - 1]
    extra = 0 if covariates is None else covariates.shape[2]
    columns = np.zeros((n, n_t, len(cells) + extra))
    for at, (s, t) in enumerate(cells):
        columns[starts == s, t, at] = 1.0
    if covariates is not None:
        columns[:, :, len(cells) :] = covariates
    begun, period = np.array([c[0] for c in cells]), np.array([c[1] for c in cells])
    sizes = np.array([(starts == s).sum() for s in begun])
    return SunAbraham(within_regression(level, columns), begun, period, period - begun, sizes, extra)
