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
WIDEST = 20.0
"""A log half-width beyond this (a factor of 500 million) is no interval."""


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
        return np.ones(self.n) if self.family == "identity" else _root(self.mu, self.trials)

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

    def contrast(self, c: Array) -> Wald:
        """c'b with its standard error and degrees of freedom."""
        half = self.unscaled @ c
        spread = self._inverse @ self.working_columns @ half
        q = float(c @ half)
        df = self.satterthwaite(q, np.array([spread @ D @ spread for D in self._derivatives]))
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


def _root(mu: Array, trials: Array | None) -> Array:
    return np.asarray(np.sqrt(mu if trials is None else mu * (1 - mu / trials)))


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


class PoissonFit(NamedTuple):
    """A Poisson regression: beta (p), mu (n), bread (X'DX)^-1 (p x p), Pearson dispersion and residual df."""

    beta: Array
    mu: Array
    bread: Array
    dispersion: float
    df: int


def fit_poisson(y: Array, X: Array, offset: Array) -> PoissonFit:
    """Poisson regression with log link by iteratively reweighted least squares."""
    mu = y + max(0.1, 0.1 * float(y.mean()))
    eta = np.log(mu)
    beta = np.zeros(X.shape[1])
    for _ in range(100):
        root = np.sqrt(mu)
        new = np.linalg.lstsq(X * root[:, None], root * (eta - offset + (y - mu) / mu), rcond=None)[0]
        step = np.abs(new - beta).max()
        beta = new
        eta = np.clip(X @ beta + offset, -30, 30 + np.log(max(y.max(), 1.0)))
        mu = np.exp(eta)
        if step < 1e-12:
            break
    df = len(y) - X.shape[1]
    return PoissonFit(beta, mu, np.linalg.inv(X.T @ (X * mu[:, None])), float(((y - mu) ** 2 / mu).sum() / df), df)


def fit_binomial(y: Array, trials: Array, X: Array, offset: Array) -> PoissonFit:
    """Binomial regression of y among `trials` with logit link, in the same shape as a Poisson fit."""
    beta = np.zeros(X.shape[1])
    eta = np.log((y + 0.5) / (trials - y + 0.5))
    for _ in range(100):
        mu = trials * expit(eta)
        root = _root(mu, trials)
        new = np.linalg.lstsq(X * root[:, None], root * (eta - offset + (y - mu) / root**2), rcond=None)[0]
        step = np.abs(new - beta).max()
        beta = new
        eta = np.clip(X @ beta + offset, -25, 25)
        if step < 1e-12:
            break
    mu = trials * expit(eta)
    root, df = _root(mu, trials), len(y) - X.shape[1]
    Xw = X * root[:, None]
    return PoissonFit(beta, mu, np.linalg.inv(Xw.T @ Xw), float((((y - mu) / root) ** 2).sum() / df), df)


def _fit(
    family: Family, y: Array, X: Array, offset: Array, clock: Array, search: _Search, *,
    floor: float, noise: bool, rounds: int, series: Array | None = None, trials: Array | None = None,
) -> SeriesFit:  # fmt: skip
    def means(beta: Array) -> Array:
        eta = X @ beta + offset
        return np.asarray(np.exp(eta) if trials is None else trials * expit(eta))

    beta = np.zeros(X.shape[1])
    if family != "identity":
        beta = (fit_poisson(y, X, offset) if trials is None else fit_binomial(y, trials, X, offset)).beta
    settled, done = False, 0
    while not settled and done < rounds:
        if family != "identity":
            mu = means(beta)
            root = _root(mu, trials)
            if not np.isfinite(mu).all() or (root**2).min() < NOUGHT * y.mean():
                raise np.linalg.LinAlgError("a fitted rate runs to nought")
            Xw = X * root[:, None]
            found = search(Xw, Xw @ beta + (y - mu) / root)
        else:
            found = search(X, y)
        move = found.beta - beta
        # A limited step keeps exp() in range; without it about 1 % of short series overflow.
        furthest = 0.0 if family == "identity" else float(np.abs(X @ move).max())
        move *= min(1.0, 1.0 / furthest) if furthest > 0 else 1.0
        beta = beta + move
        done += 1
        settled = family == "identity" or float(np.abs(move).max()) < SETTLED
    mu = X @ beta if family == "identity" else means(beta)
    lags = calendar_lags(clock, clock)
    if series is not None:
        lags = np.where(np.not_equal.outer(series, series), np.inf, lags)
    root = np.ones(len(y)) if family == "identity" else _root(mu, trials)
    r = (y - mu) / root
    phi_raw = float(r @ np.linalg.solve(correlation(lags, found.rho, found.share), r)) / (len(y) - X.shape[1])
    return SeriesFit(
        family, y, X, offset, clock, beta, mu, found.rho, found.share, max(floor, phi_raw), phi_raw, noise, done,
        settled or noise, found.profile, lags, trials,
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
    return _fit("log", y, X, offset, clock, search, floor=floor, noise=False, rounds=MAX_ROUNDS)


def fit_count_series_with_noise(y: Array, X: Array, offset: Array, clock: Array, *, floor: float = 1.0) -> SeriesFit:
    """The same with AR(1) plus noise, rho and share on a fixed grid: a memory longer than AR(1) can show."""
    return _fit("log", y, X, offset, clock, _noise_search(clock), floor=floor, noise=True, rounds=NOISE_ROUNDS)


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
    return _fit("logit", y, X, offset, clock, search, floor=floor, noise=noise, rounds=rounds, trials=trials)


def fit_value_series(
    y: Array, X: Array, clock: Array, *, restricted: bool = True, lowest_rho: float = 0.0, series: Array | None = None
) -> SeriesFit:
    """Gaussian generalised least squares with AR(1) errors by REML (or ML) for values that are not counts.

    `series` (n) numbers the series when several are stacked: errors of different series are not correlated.
    """
    search = _ar1_search(clock, series, restricted, lowest_rho)
    return _fit("identity", y, X, np.zeros(len(y)), clock, search, floor=0.0, noise=False, rounds=1, series=series)


def fit_value_series_with_noise(y: Array, X: Array, clock: Array) -> SeriesFit:
    """The Gaussian fit with AR(1) plus noise."""
    return _fit("identity", y, X, np.zeros(len(y)), clock, _noise_search(clock), floor=0.0, noise=True, rounds=1)


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
    eta0 = X0 @ fit.beta + offset0
    mu0 = eta0 if fit.family == "identity" else np.exp(eta0)
    s, slopes = np.ones(len(mu0)), X0
    if fit.family != "identity":
        if given is not None:
            mu0 = mu0 * given
        s = np.sqrt(mu0 if given is None else mu0 * (1 + mu0 / np.maximum(given, 0.5)))
        slopes = X0 * mu0[:, None]
    pick = np.vstack([np.eye(len(mu0)), summed.astype(float)])
    A, D = pick * s, pick @ slopes
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

    B, q = spread(fit.rho, fit.share)
    step = 1e-4
    gradient = [(spread(fit.rho + step, fit.share)[1] - spread(fit.rho - step, fit.share)[1]) / (2 * step)]
    if fit.with_noise:
        gradient.append((spread(fit.rho, fit.share + step)[1] - spread(fit.rho, fit.share - step)[1]) / (2 * step))
    df = [max(fit.satterthwaite(float(q[i]), np.array([g[i] for g in gradient])), df_floor) for i in range(len(q))]
    expected = pick @ mu0 + A @ B @ fit.residuals[before]
    scale = (pick @ np.ones(len(mu0)) if fit.family == "identity" else expected) ** 2 * between
    spreads = fit.phi * q + scale
    rows = [_ends(fit.family, float(e), float(v), d, level) for e, v, d in zip(expected, spreads, df, strict=True)]

    along = fit.unscaled @ D[-1]
    q_total = float(D[-1] @ along)
    thread = fit._inverse @ fit.working_columns @ along
    df_total = fit.satterthwaite(q_total, np.array([thread @ d @ thread for d in fit._derivatives]))
    total = float(pick[-1] @ mu0)
    modelled = _ends(fit.family, total, fit.phi * q_total + float(scale[-1]), max(df_total, DF_FLOOR), level)
    return Projection(np.array(rows[:-1]), Interval(*rows[-1]), Interval(*modelled))


def _ends(family: Family, expected: float, variance: float, df: float, level: float) -> tuple[float, float, float]:
    """Interval on the log scale for counts, which cannot predict a negative count; on the scale itself for values."""
    half = float(stdtrit(df, 0.5 + level / 2)) * float(np.sqrt(max(variance, 0.0)))
    if family == "identity":
        return expected, expected - half, expected + half
    k = half / expected if expected > 0 else np.inf
    if k > WIDEST:
        return expected, np.nan, np.nan
    return expected, float(expected * np.exp(-k)), float(expected * np.exp(k))
