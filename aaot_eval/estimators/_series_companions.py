"""The usual ways to fit a series, printed beside the default: each has a known fault, and agreement is the message.

quasi-Poisson, Newey-West, Prais-Winsten, seasonal ARIMA, and projection of the period before. Sources and conventions
are written out in docs/methods/its.md.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from aaot_eval.estimators._count_series import Wald
from aaot_eval.estimators._glm import PoissonFit, fit_poisson

Array = np.ndarray


def fit_least_squares(y: Array, X: Array) -> PoissonFit:
    """Ordinary least squares in the same shape as a Poisson fit: bread (X'X)^-1, dispersion the residual variance."""
    bread = np.linalg.inv(X.T @ X)
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    mu = X @ beta
    df = len(y) - X.shape[1]
    return PoissonFit(beta, mu, bread, float(((y - mu) ** 2).sum() / df), df)


def quasi_poisson(fit: PoissonFit, column: int) -> Wald:
    """One coefficient of a Poisson (or least-squares) fit with the Pearson dispersion and t(n - p)."""
    se = float(np.sqrt(fit.dispersion * fit.bread[column, column]))
    return Wald(float(fit.beta[column]), se, float(fit.df), float(fit.df))


def automatic_lag(n: int) -> int:
    """The rule of thumb floor(4 (n / 100)^(2/9)) for the lag of a Newey-West estimator."""
    return int(np.floor(4 * (n / 100) ** (2 / 9)))


def newey_west(scores: Array, bread: Array, clock: Array, lag: int, series: Array | None = None) -> Array:
    """Covariance (p x p) with Bartlett weights 1 - l/(lag + 1) and the factor n/(n - p).

    scores (n x p) are x_t times the residual on the scale of the score; products are formed between periods that lie l
    apart in the calendar, never across a hole or between two series.
    """
    n, p = scores.shape
    meat = scores.T @ scores
    for distance in range(1, lag + 1):
        apart = clock[:, None] - clock[None, :] == distance
        if series is not None:
            apart &= series[:, None] == series[None, :]
        later, earlier = np.nonzero(apart)
        gamma = scores[later].T @ scores[earlier]
        meat += (1 - distance / (lag + 1)) * (gamma + gamma.T)
    covariance: Array = n / (n - p) * bread @ meat @ bread
    return covariance


def newey_west_fit(fit: PoissonFit, y: Array, X: Array, clock: Array, column: int, lag: int) -> Wald:
    """One coefficient of a Poisson or least-squares fit with a Newey-West standard error and t(n - p)."""
    covariance = newey_west(X * (y - fit.mu)[:, None], fit.bread, clock, lag)
    return Wald(float(fit.beta[column]), float(np.sqrt(covariance[column, column])), float(fit.df), float(fit.df))


class PraisWinsten(NamedTuple):
    """beta (p), covariance (p x p), rho, residual df."""

    beta: Array
    covariance: Array
    rho: float
    df: int


def prais_winsten(y: Array, X: Array, clock: Array) -> PraisWinsten:
    """Prais-Winsten, iterated, rho from the regression of a residual on the one before; the first period is kept.

    After a hole of h periods a residual is predicted by rho^h, and rho is taken from neighbouring periods only.
    """
    gaps = np.diff(np.asarray(clock, dtype=float))
    neighbours = gaps == 1
    n, p = X.shape
    rho = 0.0
    for _ in range(1000):
        a = rho**gaps
        scale = np.sqrt((1 - rho**2) / (1 - a**2))
        columns = np.column_stack([X, y])
        moved = np.vstack(
            [np.sqrt(1 - rho**2) * columns[:1], scale[:, None] * (columns[1:] - a[:, None] * columns[:-1])]
        )
        Xs, ys = moved[:, :-1], moved[:, -1]
        beta = np.linalg.lstsq(Xs, ys, rcond=None)[0]
        e = y - X @ beta
        before, after = e[:-1][neighbours], e[1:][neighbours]
        found = float(after @ before / (before @ before))
        if abs(found - rho) < 1e-12:
            break
        rho = float(np.clip(found, -0.999, 0.999))
    rest = ys - Xs @ beta
    return PraisWinsten(beta, np.linalg.inv(Xs.T @ Xs) * float(rest @ rest) / (n - p), rho, n - p)


class ArimaFit(NamedTuple):
    """Regression coefficients (k) of a seasonal ARIMA with their covariance, all parameters, and the log likelihood.

    `params`: AR, MA, seasonal AR and seasonal MA terms by the library's names, with `errors` beside them. `innovation`: variance
    of the innovations, the coefficients taken off its freedom. `used`: periods that are left after differencing.
    """

    beta: Array
    covariance: Array
    log_likelihood: float
    agreed: bool
    params: dict[str, float]
    errors: dict[str, float]
    innovation: float
    used: int

    @property
    def std_error(self) -> Array:
        """(k,) of the regression coefficients."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def aic(self) -> float:
        """Akaike's criterion, the innovation variance counted as a parameter."""
        return 2 * (len(self.params) + len(self.beta) + 1) - 2 * self.log_likelihood

    def contrast(self, row: Array) -> Wald:
        """A combination of the regression coefficients, normal quantile."""
        return Wald(float(row @ self.beta), float(np.sqrt(row @ self.covariance @ row)), math.inf, math.inf)


class ArimaForecast(NamedTuple):
    """Values expected after the last period of a series, with the covariance of what the forecast misses (h x h).

    The parameters are taken as known, as forecasting programs do.
    """

    mean: Array
    covariance: Array

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper limit of each period, normal quantile."""
        half = float(ndtri(0.5 + level / 2)) * np.sqrt(np.diag(self.covariance))
        return self.mean - half, self.mean + half

    def away(self, observed: Array) -> Wald:
        """Mean of observed less forecast over the periods observed (NaN = not), prediction error."""
        weight = np.isfinite(observed) / np.isfinite(observed).sum()
        gap = float(np.nansum((observed - self.mean) * weight))
        return Wald(gap, float(np.sqrt(weight @ self.covariance @ weight)), math.inf, math.inf)


def seasonal_arima(
    y: Array, regressors: Array, order: tuple[int, int, int], seasonal: tuple[int, int, int, int]
) -> ArimaFit:
    """Regression with seasonal ARIMA errors by exact maximum likelihood; y may hold NaN for missing periods.

    The outcome is divided by its spread first and the Hessian gives the standard errors: on raw counts the library's
    optimiser stops early without a word, and its default standard errors are twice too large on the reference case.
    `agreed` tells whether a second start came to the same optimum (the better one is returned).
    """
    found, scale, agreed = _best_arima(y, regressors, order, seasonal)
    k = regressors.shape[1]
    used = _used(y, order, seasonal)
    names, variance = list(found.model.param_names), np.asarray(found.cov_params())
    return ArimaFit(
        np.asarray(found.params[:k]) * scale,
        variance[:k, :k] * scale**2,
        float(found.llf) - used * float(np.log(scale)),
        agreed,
        {n: float(v) for n, v in zip(names[k:-1], found.params[k:-1], strict=True)},
        {n: float(v) for n, v in zip(names[k:-1], found.bse[k:-1], strict=True)},
        _innovation(found, used) * scale**2,
        used,
    )


def arima_forecast(
    y: Array,
    regressors: Array,
    ahead: Array,
    order: tuple[int, int, int],
    seasonal: tuple[int, int, int, int],
) -> ArimaForecast:
    """The series (n, with regressors n x k; NaN = missing) carried on for h periods (regressors `ahead`, h x k)."""
    found, scale, _ = _best_arima(y, regressors, order, seasonal)
    h = len(ahead)
    mean = found.get_forecast(h, exog=ahead if ahead.shape[1] else None).predicted_mean
    # A miss is what the state may be at the end of the series, carried on, and every shock since.
    ssm = found.model.ssm
    T, Z, shock = (np.asarray(ssm[name]) for name in ("transition", "design", "selection"))
    added = shock @ np.asarray(ssm["state_cov"]) @ shock.T
    state, covariance = np.asarray(found.predicted_state_cov)[..., -1], np.zeros((h, h))
    for i in range(h):
        reach = state @ Z[0]
        for j in range(i, h):
            covariance[i, j] = covariance[j, i] = Z[0] @ reach
            reach = T @ reach
        state = T @ state @ T.T + added
    freedom = _innovation(found, _used(y, order, seasonal)) / float(found.params[-1])
    return ArimaForecast(np.asarray(mean) * scale, covariance * freedom * scale**2)


def _used(y: Array, order: tuple[int, int, int], seasonal: tuple[int, int, int, int]) -> int:
    return int(np.isfinite(y).sum()) - order[1] - seasonal[1] * seasonal[3]


def _innovation(found: Any, used: int) -> float:
    """The innovation variance, over periods less coefficients."""
    k = len(found.params) - 1
    return float(found.params[-1]) * used / max(used - k, 1)


def _best_arima(
    y: Array, regressors: Array, order: tuple[int, int, int], seasonal: tuple[int, int, int, int]
) -> tuple[Any, float, bool]:
    """(the better of two fits to the outcome over its spread, the spread, whether both came to one optimum)."""
    from statsmodels.tools.sm_exceptions import ModelWarning, ValueWarning
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    scale = float(np.nanstd(y)) or 1.0
    with warnings.catch_warnings():
        for kind in (ModelWarning, ValueWarning, UserWarning, RuntimeWarning):
            warnings.simplefilter("ignore", kind)
        exog = regressors if regressors.shape[1] else None
        model = SARIMAX(y / scale, exog=exog, order=order, seasonal_order=seasonal)
        first = model.fit(disp=False, cov_type="approx", maxiter=200)
        second = model.fit(
            np.append(first.params[:-1] * 0.5, first.params[-1]), disp=False, cov_type="none", maxiter=200
        )
        agreed = bool(abs(second.llf - first.llf) < 0.01)
        if second.llf > first.llf + 0.01:
            first = model.smooth(second.params, cov_type="approx")
    return first, scale, agreed


class PreProjection(NamedTuple):
    """Post-period totals against the projection of a fit to the periods before alone.

    `se_parameters` and `se_prediction` are standard errors of the projected total; `df` = pre periods less columns.
    """

    observed: float
    projected: float
    se_parameters: float
    se_prediction: float
    df: int

    @property
    def wald(self) -> Wald:
        """log(observed / projected) with its prediction error."""
        return Wald(
            float(np.log(self.observed / self.projected)),
            self.se_prediction / self.projected,
            float(self.df),
            float(self.df),
        )

    def half_width(self, level: float = 0.95) -> float:
        """Half-width of the prediction interval of the total."""
        return float(stdtrit(self.df, 0.5 + level / 2)) * self.se_prediction


def project_before(y: Array, X: Array, offset: Array, before: Array, summed: Array) -> PreProjection:
    """Fit quasi-Poisson to the periods `before` (bool, n), project the periods `summed` (bool, n), compare the totals."""
    fit = fit_poisson(y[before], X[before], offset[before])
    mu = np.exp(X[summed] @ fit.beta + offset[summed])
    d = X[summed].T @ mu
    variance = fit.dispersion * float(d @ fit.bread @ d)
    return PreProjection(
        float(y[summed].sum()),
        float(mu.sum()),
        float(np.sqrt(variance)),
        float(np.sqrt(variance + fit.dispersion * mu.sum())),
        fit.df,
    )


def project_values_before(y: Array, X: Array, before: Array, summed: Array) -> Wald:
    """Least squares on the periods `before`, projected: the mean difference over the periods `summed`, prediction error."""
    fit = fit_least_squares(y[before], X[before])
    d, k = X[summed].mean(axis=0), int(summed.sum())
    variance = fit.dispersion * (float(d @ fit.bread @ d) + 1 / k)
    return Wald(float(y[summed].mean() - d @ fit.beta), float(np.sqrt(variance)), float(fit.df), float(fit.df))
