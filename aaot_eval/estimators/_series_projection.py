"""What a fitted series would have been without the service: period by period, and in total."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from aaot_eval.estimators._count_series import DF_FLOOR, Array, Family, SeriesFit, calendar_lags, correlation

WIDEST = 20.0
"""A log half-width beyond this (a factor of 500 million) is no interval."""


STEP = 1e-4
"""Of rho and share, for the derivative of a variance."""

#: By (rho, share): weights on the residuals before, and the variances of the predictions over phi.
_Spread = Callable[[float, float], tuple[Array, Array]]


class Interval(NamedTuple):
    """A number with the ends of its interval; the ends are NaN when there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Projection:
    """What was to be expected without the service over k post periods.

    `month` (k x 3): expected, low, high of each period's count, as predictions. `predicted` is the total that would have
    been counted, with its prediction interval; `modelled` the total of the model's means, with the interval of the
    parameters alone.
    """

    month: Array
    predicted: Interval
    modelled: Interval


def project(
    fit: SeriesFit, X0: Array, offset0: Array, clock0: Array, before: Array, summed: Array, level: float = 0.95,
    *, given: Array | None = None, between: float = 0.0, df_floor: float = DF_FLOOR,
) -> Projection:  # fmt: skip
    """The counterfactual of `fit` at rows X0 (k x p, service columns 0), carrying on from the fit's rows `before` (bool, n).

    `summed` (bool, k) marks the periods that enter the totals. The prediction continues the autocorrelated series from
    before the start, independently of what was observed afterwards: the variance is that of GLS prediction.
    For a share, `given` (k) are the counts of the other series; `between` is a variance of the log ratio (or difference)
    from one area to another. Predictions have at least `df_floor` degrees of freedom.
    """
    mu0, s, slopes = _means_ahead(fit, X0 @ fit.beta + offset0, X0, given)
    # Each period, and their total last.
    pick = np.vstack([np.eye(len(mu0)), summed.astype(float)])
    A, D = pick * s, pick @ slopes
    spread = _spread_of(fit, A, D, clock0, before)
    B, q = spread(fit.rho, fit.share)
    df = [max(d, df_floor) for d in _degrees(fit, spread, q)]
    expected = pick @ mu0 + A @ B @ fit.residuals[before]
    scale = (pick @ np.ones(len(mu0)) if fit.family == "identity" else expected) ** 2 * between
    spreads = fit.phi * q + scale
    rows = [_ends(fit.family, float(e), float(v), d, level) for e, v, d in zip(expected, spreads, df, strict=True)]
    modelled = _modelled(fit, float(pick[-1] @ mu0), D[-1], float(scale[-1]), level)
    return Projection(np.array(rows[:-1]), Interval(*rows[-1]), modelled)


def _means_ahead(fit: SeriesFit, eta: Array, X0: Array, given: Array | None) -> tuple[Array, Array, Array]:
    """Of each period ahead: the mean, the root of its variance, and how it moves with the coefficients (k x p)."""
    if fit.family == "identity":
        return eta, np.ones(len(eta)), X0
    mu = np.exp(eta) if given is None else np.exp(eta) * given
    root = np.sqrt(mu if given is None else mu * (1 + mu / np.maximum(given, 0.5)))
    return mu, root, X0 * mu[:, None]


def _spread_of(fit: SeriesFit, A: Array, D: Array, clock0: Array, before: Array) -> _Spread:
    """By (rho, share): what the periods ahead take over from the residuals before, and the variance of each prediction over phi."""
    Xp, clock_p = fit.working_columns[before], fit.clock[before]
    across, within = calendar_lags(clock_p, clock0), calendar_lags(clock0, clock0)
    lags_p = calendar_lags(clock_p, clock_p)

    def spread(rho: float, share: float) -> tuple[Array, Array]:
        R_pw = correlation(across, rho, share)
        B = np.linalg.solve(correlation(lags_p, rho, share), R_pw).T
        inverse = np.linalg.inv(correlation(fit.lags, rho, share))
        M = np.linalg.inv(fit.working_columns.T @ inverse @ fit.working_columns)
        H = D - A @ B @ Xp
        rest = correlation(within, rho, share) - B @ R_pw
        return B, np.einsum("ij,jk,ik->i", H, M, H) + np.einsum("ij,jk,ik->i", A, rest, A)

    return spread


def _degrees(fit: SeriesFit, spread: _Spread, q: Array) -> list[float]:
    """Satterthwaite degrees of freedom of each prediction, from differences of its variance by rho (and share)."""
    gradient = [(spread(fit.rho + STEP, fit.share)[1] - spread(fit.rho - STEP, fit.share)[1]) / (2 * STEP)]
    if fit.with_noise:
        gradient.append((spread(fit.rho, fit.share + STEP)[1] - spread(fit.rho, fit.share - STEP)[1]) / (2 * STEP))
    return [fit.satterthwaite(float(q[i]), np.array([g[i] for g in gradient])) for i in range(len(q))]


def _modelled(fit: SeriesFit, total: float, slope: Array, between: float, level: float) -> Interval:
    """The total of the model's means, with the interval of the parameters alone."""
    q, df = fit.variance_of(slope)
    return Interval(*_ends(fit.family, total, fit.phi * q + between, max(df, DF_FLOOR), level))


def _ends(family: Family, expected: float, variance: float, df: float, level: float) -> tuple[float, float, float]:
    """Interval on the log scale for counts, which cannot predict a negative count; on the scale itself for values."""
    half = float(stdtrit(df, 0.5 + level / 2)) * float(np.sqrt(max(variance, 0.0)))
    if family == "identity":
        return expected, expected - half, expected + half
    k = half / expected if expected > 0 else np.inf
    if k > WIDEST:
        return expected, np.nan, np.nan
    return expected, float(expected * np.exp(-k)), float(expected * np.exp(k))
