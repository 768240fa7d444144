"""Regression for one series with autocorrelated errors: counts by quasi-likelihood, other values as Gaussian.

    counts   mu_t = exp(x_t'b + o_t),  Cov(y) = phi D^1/2 R D^1/2 with D = diag(mu)
    shares   mu_t = n_t expit(x_t'b + o_t), the same with D = diag(mu (1 - mu/n)): one series among n of two
    values   mu_t = x_t'b,             Cov(y) = phi R

R_ij = rho^|m_i - m_j| for calendar numbers m, so a hole in the calendar needs nothing else; with measurement noise
R_ij = a rho^|m_i - m_j| off the diagonal (an ARMA(1,1)). phi is the marginal dispersion. rho, and a, maximise the
restricted likelihood of the working residuals; t intervals use Satterthwaite degrees of freedom. The method is written
out in docs/methods/its.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, stdtr, stdtrit

from aaot_eval.estimators._glm import fit_binomial, fit_poisson, root_of_variance

Array = np.ndarray
Family = Literal["log", "identity", "logit"]

RHO_CAP = 0.95
"""Above this the restricted likelihood is flat to 1 and standard errors lose their meaning."""
DF_FLOOR = 4.0
"""Below this the t quantile explodes near rho = 1; coverage moves by at most 0.2 points with the floor."""
MAX_ROUNDS = 25
NOISE_ROUNDS = 4
SETTLED = 1e-6
NOISE_RHO = (0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
NOISE_SHARE = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0)
FLAT = 1.92
"""Half the 95 % point of chi-square(1): values of rho within it of the best are not told apart by the series."""

SINGULAR = 1e6
NOUGHT = 1e-9
"""A fitted mean below this share of the series' own mean has no rate behind it."""


class Wald(NamedTuple):
    """An estimate with its standard error and t degrees of freedom (after the floor; `df_raw` is before)."""

    estimate: float
    std_error: float
    df: float
    df_raw: float

    def half_width(self, level: float = 0.95) -> float:
        """Half the width of the t interval."""
        return float(stdtrit(self.df, 0.5 + level / 2)) * self.std_error

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The t interval on the scale of the estimate."""
        half = self.half_width(level)
        return self.estimate - half, self.estimate + half

    @property
    def statistic(self) -> float:
        """Estimate over standard error; NaN when there is no error to divide by."""
        return self.estimate / self.std_error if self.std_error > 0 else float("nan")

    @property
    def p_value(self) -> float:
        """Two-sided p of "no change"."""
        return float(2 * stdtr(self.df, -abs(self.statistic)))


def calendar_lags(a: Array, b: Array) -> Array:
    """Distances |a_i - b_j| between calendar numbers, in periods."""
    return np.asarray(np.abs(np.subtract.outer(np.asarray(a, dtype=float), np.asarray(b, dtype=float))))


def correlation(lags: Array, rho: float, share: float = 1.0) -> Array:
    """R for a matrix of calendar distances; an endless distance (another series) gives 0."""
    return np.where(lags == 0, 1.0, share * rho**lags)


def _by_rho(lags: Array, rho: float, share: float) -> Array:
    finite = np.where((lags == 0) | np.isinf(lags), 1.0, lags)
    return np.where((lags == 0) | np.isinf(lags), 0.0, share * finite * rho ** (finite - 1))


def _by_share(lags: Array, rho: float) -> Array:
    return np.where(lags == 0, 0.0, rho**lags)


@dataclass(frozen=True)
class SeriesFit:
    """One fitted series of n periods with p columns.

    beta (p), mu (n); `rho` and `share` (1 = no noise); `phi` after and `phi_raw` before the floor; `with_noise` tells
    whether `share` was estimated. `profile` holds (rho, restricted log likelihood) over the grid. `settled` is False
    when the iteration used up its rounds.
    """

    family: Family
    y: Array
    X: Array
    offset: Array
    clock: Array
    beta: Array
    mu: Array
    rho: float
    share: float
    phi: float
    phi_raw: float
    with_noise: bool
    rounds: int
    settled: bool
    profile: Array
    lags: Array = field(repr=False)
    trials: Array | None = None

    @property
    def n(self) -> int:
        """Periods used."""
        return len(self.y)

    @property
    def p(self) -> int:
        """Columns of the mean model."""
        return int(self.X.shape[1])

    @property
    def root_variance(self) -> Array:
        """Square root of the variance function: sqrt(mu) for counts, sqrt(mu (1 - mu/n)) for shares, 1 for values."""
        return np.ones(self.n) if self.family == "identity" else root_of_variance(self.mu, self.trials)

    @cached_property
    def working_columns(self) -> Array:
        """D^1/2 X for counts, X for values."""
        return self.X if self.family == "identity" else self.X * self.root_variance[:, None]

    @cached_property
    def residuals(self) -> Array:
        """Pearson residuals D^-1/2 (y - mu)."""
        return np.asarray((self.y - self.mu) / self.root_variance)

    @cached_property
    def whitened(self) -> Array:
        """Residuals with the fitted autocorrelation taken out, divided by sqrt(phi_raw)."""
        factor = np.linalg.cholesky(correlation(self.lags, self.rho, self.share))
        return np.asarray(np.linalg.solve(factor, self.residuals) / np.sqrt(self.phi_raw))

    @cached_property
    def _inverse(self) -> Array:
        return np.linalg.inv(correlation(self.lags, self.rho, self.share))

    @cached_property
    def unscaled(self) -> Array:
        """M = (Xw' R^-1 Xw)^-1, so that Cov(b) = phi M."""
        return np.linalg.inv(self.working_columns.T @ self._inverse @ self.working_columns)

    @property
    def covariance(self) -> Array:
        """Covariance of beta (p x p)."""
        return self.phi * self.unscaled

    @cached_property
    def _derivatives(self) -> list[Array]:
        by_rho = _by_rho(self.lags, self.rho, self.share)
        return [by_rho, _by_share(self.lags, self.rho)] if self.with_noise else [by_rho]

    @cached_property
    def _information(self) -> Array:
        """Expected restricted information on (phi, rho[, share]) at phi = 1: tr(P R_i P R_j) / 2 with R_phi = R."""
        Xw, inverse = self.working_columns, self._inverse
        P = inverse - inverse @ Xw @ self.unscaled @ Xw.T @ inverse
        parts = [P @ D for D in [correlation(self.lags, self.rho, self.share), *self._derivatives]]
        return np.array([[np.sum(a * b.T) / 2 for b in parts] for a in parts])

    def satterthwaite(self, q: float, gradient: Array) -> float:
        """Degrees of freedom of a variance phi q, from q and its derivatives by rho (and share); before the floor."""
        if (self.with_noise and self.rho == 0) or q <= 0:
            return float(self.n - self.p)
        g = np.concatenate([[1.0], gradient / q])
        inverse = np.linalg.pinv(self._information) if self.with_noise else np.linalg.inv(self._information)
        df = 2 / float(g @ inverse @ g)
        return min(df, float(self.n - self.p)) if self.with_noise else df

    def variance_of(self, c: Array) -> tuple[float, float]:
        """The variance of c'b over phi, and its degrees of freedom before the floor."""
        half = self.unscaled @ c
        spread = self._inverse @ self.working_columns @ half
        q = float(c @ half)
        return q, self.satterthwaite(q, np.array([spread @ D @ spread for D in self._derivatives]))

    def contrast(self, c: Array) -> Wald:
        """c'b with its standard error and degrees of freedom."""
        q, df = self.variance_of(c)
        return Wald(float(c @ self.beta), float(np.sqrt(self.phi * q)), max(df, DF_FLOOR), df)

    def coefficient(self, column: int) -> Wald:
        """One coefficient."""
        return self.contrast(np.eye(self.p)[column])

    @cached_property
    def sound(self) -> bool:
        """Whether the weighted columns can still be told apart: not when fitted means have run to nought."""
        columns = self.working_columns
        return bool(np.isfinite(columns).all() and np.linalg.cond(columns) < SINGULAR)

    @property
    def at_cap(self) -> bool:
        """Whether rho ran to the upper end of its range."""
        return self.rho >= RHO_CAP - 1e-3

    @property
    def rho_range(self) -> tuple[float, float]:
        """The grid values of rho that the series does not tell from the best one (half a chi-square(1) 95 % point)."""
        rho, value = self.profile
        near = rho[value >= value.max() - FLAT]
        return float(near.min()), float(near.max())


def whiten(columns: Array, rho: Array | float, gaps: Array) -> tuple[Array, Array]:
    """AR(1) whitening across calendar gaps: n x k in, (one for each rho) n x k out, and log|R|."""
    a = np.asarray(rho, dtype=float)[..., None] ** gaps
    root = np.sqrt(1 - a * a)
    first = np.broadcast_to(columns[:1], (*a.shape[:-1], 1, columns.shape[1]))
    rest = (columns[1:] - a[..., None] * columns[:-1]) / root[..., None]
    return np.concatenate([first, rest], axis=-2), np.asarray(2 * np.log(root).sum(axis=-1))


class _Found(NamedTuple):
    beta: Array
    rho: float
    share: float
    profile: Array


_Search = Callable[[Array, Array], _Found]


def _likelihood(white: Array, log_det: Array, restricted: bool) -> tuple[Array, Array]:
    """Profile log likelihood (restricted or not) of whitened [X z], and its triangle R; stacks of both in, stacks out.

    The QR of [X z] holds all of it: beta solves the first p columns, the last diagonal element is the root of S.
    """
    n, p = white.shape[-2], white.shape[-1] - 1
    R: Array = np.asarray(np.linalg.qr(white, mode="r"))
    diagonal = np.abs(np.diagonal(R, axis1=-2, axis2=-1))
    log_S = 2 * np.log(np.maximum(diagonal[..., -1], np.finfo(float).tiny))
    if not restricted:
        return -0.5 * (n * log_S + log_det), R
    return -0.5 * ((n - p) * log_S + log_det + 2 * np.log(diagonal[..., :-1]).sum(axis=-1)), R


def _coefficients(R: Array) -> Array:
    return np.asarray(np.linalg.solve(R[:-1, :-1], R[:-1, -1]))


def _ar1_search(clock: Array, series: Array | None, restricted: bool, lowest: float) -> _Search:
    gaps = np.diff(np.asarray(clock, dtype=float))
    if series is not None:
        gaps = np.where(np.diff(series) != 0, np.inf, gaps)
    grid = np.append(np.arange(lowest, RHO_CAP - 0.01, 0.1), RHO_CAP)

    def search(Xw: Array, z: Array) -> _Found:
        columns = np.column_stack([Xw, z])
        values = _likelihood(*whiten(columns, grid, gaps), restricted)[0]
        best = int(values.argmax())
        ends = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
        inner = minimize_scalar(
            lambda rho: -_likelihood(*whiten(columns, rho, gaps), restricted)[0],
            bounds=ends, method="bounded", options={"xatol": 1e-7},
        )  # fmt: skip
        rho = float(inner.x) if -inner.fun > values[best] else float(grid[best])
        R = _likelihood(*whiten(columns, rho, gaps), restricted)[1]
        return _Found(_coefficients(R), rho, 1.0, np.array([grid, values]))

    return search


@lru_cache(maxsize=2)
def _noise_grid(clock: tuple[int, ...]) -> tuple[list[tuple[float, float]], Array, Array]:
    """(rho, share) points with the inverse Cholesky factors (points x n x n) and log|R| of each; rho = 0 means R = 1."""
    lags = calendar_lags(np.array(clock), np.array(clock))
    points = [(0.0, 1.0), *((rho, share) for rho in NOISE_RHO for share in NOISE_SHARE)]
    factors = np.linalg.cholesky(np.array([correlation(lags, *point) for point in points]))
    log_det = 2 * np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    return points, np.linalg.inv(factors), log_det


def _noise_search(clock: Array) -> _Search:
    points, factors, log_det = _noise_grid(tuple(int(m) for m in clock - clock[0]))

    def search(Xw: Array, z: Array) -> _Found:
        values, R = _likelihood(factors @ np.column_stack([Xw, z]), log_det, True)
        best = int(values.argmax())
        return _Found(_coefficients(R[best]), *points[best], np.array([[r for r, _ in points], values]))

    return search


@dataclass(frozen=True, slots=True)
class _Data:
    """A series as it is fitted: y, the mean model and the calendar; `trials` of a share, `series` numbers of a stack."""

    family: Family
    y: Array
    X: Array
    offset: Array
    clock: Array
    trials: Array | None = None
    series: Array | None = None

    def means(self, beta: Array) -> Array:
        """Fitted means at these coefficients."""
        if self.family == "identity":
            return np.asarray(self.X @ beta)
        eta = self.X @ beta + self.offset
        return np.asarray(np.exp(eta) if self.trials is None else self.trials * expit(eta))

    def start(self) -> Array:
        """Coefficients to begin from: those without autocorrelation."""
        if self.family == "identity":
            return np.zeros(self.X.shape[1])
        if self.trials is None:
            return fit_poisson(self.y, self.X, self.offset).beta
        return fit_binomial(self.y, self.trials, self.X, self.offset).beta

    def working(self, beta: Array) -> tuple[Array, Array]:
        """The columns and the values of the regression that a round solves."""
        if self.family == "identity":
            return self.X, self.y
        mu = self.means(beta)
        root = root_of_variance(mu, self.trials)
        if not np.isfinite(mu).all() or (root**2).min() < NOUGHT * self.y.mean():
            raise np.linalg.LinAlgError("a fitted rate runs to nought")
        Xw = self.X * root[:, None]
        return Xw, Xw @ beta + (self.y - mu) / root

    def lags(self) -> Array:
        """Calendar distances (n x n), endless between different series."""
        lags = calendar_lags(self.clock, self.clock)
        return lags if self.series is None else np.where(np.not_equal.outer(self.series, self.series), np.inf, lags)


def _fit(data: _Data, search: _Search, *, floor: float, noise: bool, rounds: int) -> SeriesFit:
    linear = data.family == "identity"
    beta, settled, done = data.start(), False, 0
    while not settled and done < rounds:
        found = search(*data.working(beta))
        move = found.beta - beta
        # A limited step keeps exp() in range; without it about 1 % of short series overflow.
        furthest = 0.0 if linear else float(np.abs(data.X @ move).max())
        move *= min(1.0, 1.0 / furthest) if furthest > 0 else 1.0
        beta = beta + move
        done += 1
        settled = linear or float(np.abs(move).max()) < SETTLED
    mu, lags = data.means(beta), data.lags()
    r = (data.y - mu) / (np.ones(len(mu)) if linear else root_of_variance(mu, data.trials))
    n, p = data.X.shape
    phi_raw = float(r @ np.linalg.solve(correlation(lags, found.rho, found.share), r)) / (n - p)
    return SeriesFit(
        data.family, data.y, data.X, data.offset, data.clock, beta, mu, found.rho, found.share, max(floor, phi_raw), phi_raw, noise, done,
        settled or noise, found.profile, lags, data.trials,
    )  # fmt: skip


def fit_count_series(
    y: Array, X: Array, offset: Array, clock: Array, *, floor: float = 1.0, restricted: bool = True
) -> SeriesFit:
    """Log-link quasi-likelihood with AR(1) errors by REML (or ML), rho held within [0, 0.95] and dispersion at `floor` or more.

    y (n) counts, X (n x p), offset (n) logs, clock (n) increasing integers, gaps allowed. For counts that are weighted
    or money give `floor=0`: their variance has no Poisson lower limit. Raises LinAlgError when a fitted rate runs to
    nought, because all periods behind one column are without an event.
    """
    search = _ar1_search(clock, None, restricted, 0.0)
    return _fit(_Data("log", y, X, offset, clock), search, floor=floor, noise=False, rounds=MAX_ROUNDS)


def fit_count_series_with_noise(y: Array, X: Array, offset: Array, clock: Array, *, floor: float = 1.0) -> SeriesFit:
    """The same with AR(1) plus noise, rho and share on a fixed grid: a memory longer than AR(1) can show."""
    return _fit(_Data("log", y, X, offset, clock), _noise_search(clock), floor=floor, noise=True, rounds=NOISE_ROUNDS)


def fit_share_series(
    y: Array, trials: Array, X: Array, offset: Array, clock: Array, *, floor: float = 1.0, noise: bool = False,
    restricted: bool = True,
) -> SeriesFit:  # fmt: skip
    """One series y among the `trials` of two, logit link, so that X'b is the log ratio of their rates.

    What moves both series alike leaves the share as it was: shared shocks need no model. offset (n) is the log of the
    ratio of exposures. Errors as in `fit_count_series`, or with noise.
    """
    search = _noise_search(clock) if noise else _ar1_search(clock, None, restricted, 0.0)
    rounds = NOISE_ROUNDS if noise else MAX_ROUNDS
    return _fit(_Data("logit", y, X, offset, clock, trials), search, floor=floor, noise=noise, rounds=rounds)


def fit_value_series(
    y: Array, X: Array, clock: Array, *, restricted: bool = True, lowest_rho: float = 0.0, series: Array | None = None
) -> SeriesFit:
    """Gaussian generalised least squares with AR(1) errors by REML (or ML) for values that are not counts.

    `series` (n) numbers the series when several are stacked: errors of different series are not correlated.
    """
    data = _Data("identity", y, X, np.zeros(len(y)), clock, series=series)
    search = _ar1_search(clock, series, restricted, lowest_rho)
    return _fit(data, search, floor=0.0, noise=False, rounds=1)


def fit_value_series_with_noise(y: Array, X: Array, clock: Array) -> SeriesFit:
    """The Gaussian fit with AR(1) plus noise."""
    data = _Data("identity", y, X, np.zeros(len(y)), clock)
    return _fit(data, _noise_search(clock), floor=0.0, noise=True, rounds=1)
