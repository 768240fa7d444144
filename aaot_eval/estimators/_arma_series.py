"""Generalised least squares with errors that remember more than AR(1): AR(p) or MA(q), by exact restricted or full likelihood.

Calendar gaps are kept: the correlation of two periods is that of the process at their distance. docs/methods/its.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from aaot_eval.estimators._count_series import Wald, calendar_lags

Array = npt.NDArray[np.float64]

EDGE = 0.999
"""Partial correlations stay this far inside the unit interval; beyond it the restricted likelihood is flat."""
NEAR_UNIT = 0.97
STARTS = (0.0, 0.3, -0.3)
TOLERANCE = 1e-12


@dataclass(frozen=True)
class ArmaFit:
    """A fitted mean model: beta (p) with its covariance (p x p), the error process and its log likelihood.

    `ar`, `ma`: coefficients. `sigma`: standard deviation of the errors (by ML: over n). `df`: n - p.
    """

    beta: Array
    covariance: Array
    ar: Array
    ma: Array
    sigma: float
    log_likelihood: float
    df: int

    @property
    def at_edge(self) -> bool:
        """Whether the errors run to a unit root, where the likelihood is flat."""
        return bool(len(self.ar)) and float(self.ar.sum()) > NEAR_UNIT

    def contrast(self, c: Array) -> Wald:
        """c'b with its standard error, t with n - p degrees of freedom."""
        return Wald(float(c @ self.beta), math.sqrt(float(c @ self.covariance @ c)), float(self.df), float(self.df))


def coefficients_of(partial: Array) -> Array:
    """AR coefficients of a stationary process with those partial correlations (Durbin and Levinson)."""
    phi = np.zeros(0)
    for r in partial:
        phi = np.append(phi - r * phi[::-1], r)
    return phi


def autocorrelation(ar: Array, ma: Array, lags: int) -> Array:
    """Correlations at lags 0..lags of an AR(p) or an MA(q) process; exact, from the defining equations."""
    if len(ma):
        theta = np.concatenate([[1.0], ma])
        gamma = np.array([theta[: len(theta) - k] @ theta[k:] if k < len(theta) else 0.0 for k in range(lags + 1)])
        return np.asarray(gamma / gamma[0])
    p = len(ar)
    rho = np.zeros(max(lags, p) + 1)
    rho[0] = 1.0
    if p:
        # Yule-Walker as linear equations in rho(1..p).
        A, b = np.eye(p), np.zeros(p)
        for k in range(1, p + 1):
            for j in range(1, p + 1):
                lag = abs(k - j)
                if lag:
                    A[k - 1, lag - 1] -= ar[j - 1]
                else:
                    b[k - 1] += ar[j - 1]
        rho[1 : p + 1] = np.linalg.solve(A, b)
        for k in range(p + 1, len(rho)):
            rho[k] = ar @ rho[k - p : k][::-1]
    return rho[: lags + 1]


def fit_arma(y: Array, X: Array, clock: Array, *, ar: int = 0, ma: int = 0, restricted: bool = True,
             series: Array | None = None) -> ArmaFit:  # fmt: skip
    """The fit over several starts of the search; y (n), X (n x p), clock (n) integers with gaps; `series` numbers stacked ones.

    One of `ar` and `ma` is above zero. Raises LinAlgError when no start gives a proper fit.
    """
    distance = calendar_lags(clock, clock)
    if series is not None:
        distance = np.where(np.not_equal.outer(series, series), np.inf, distance)
    near = np.isfinite(distance)
    place = np.where(near, distance, 0).astype(int)
    furthest = int(place.max())
    n, p = X.shape

    def solved(z: Array) -> tuple[float, Array, Array, float, Array]:
        coefficients = coefficients_of(EDGE * np.tanh(z))
        phi, theta = (coefficients, np.zeros(0)) if ar else (np.zeros(0), -coefficients)
        R = np.where(near, autocorrelation(phi, theta, furthest)[place], 0.0)
        factor = np.linalg.cholesky(R)
        white = np.linalg.solve(factor, np.column_stack([X, y]))
        q, r = np.linalg.qr(white[:, :p])
        beta = np.linalg.solve(r, q.T @ white[:, p])
        left = float(((white[:, p] - white[:, :p] @ beta) ** 2).sum())
        m = n - p if restricted else n
        value = -0.5 * m * (1 + math.log(2 * math.pi * left / m)) - float(np.log(np.diag(factor)).sum())
        if restricted:
            # Without the constant log |X'X| / 2, as nlme has it.
            value -= float(np.log(np.abs(np.diag(r))).sum())
        return value, beta, np.linalg.inv(r.T @ r), left, np.concatenate([phi, theta])

    def loss(z: Array) -> float:
        try:
            return -solved(z)[0]
        except np.linalg.LinAlgError:
            return 1e10

    best: Array | None = None
    for start in STARTS:
        found = minimize(loss, np.full(ar + ma, start), method="Nelder-Mead",
                         options={"xatol": 1e-9, "fatol": TOLERANCE, "maxiter": 4000 * (ar + ma)})  # fmt: skip
        if best is None or loss(found.x) < loss(best):
            best = found.x
    if best is None or loss(best) >= 1e10:
        raise np.linalg.LinAlgError("no start of the search gives a proper fit")
    value, beta, unscaled, left, process = solved(best)
    variance = left / (n - p)
    sigma = math.sqrt(left / (n - p if restricted else n))
    return ArmaFit(beta, variance * unscaled, process[:ar], process[ar:], sigma, value, n - p)
