"""Poisson and binomial regression of independent counts: where the fit of a series begins, and a companion beside it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit

Array = np.ndarray


def root_of_variance(mu: Array, trials: Array | None) -> Array:
    """Square root of the variance function at the means: of counts, or of counts among `trials`."""
    return np.asarray(np.sqrt(mu if trials is None else mu * (1 - mu / trials)))


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
        root = root_of_variance(mu, trials)
        new = np.linalg.lstsq(X * root[:, None], root * (eta - offset + (y - mu) / root**2), rcond=None)[0]
        step = np.abs(new - beta).max()
        beta = new
        eta = np.clip(X @ beta + offset, -25, 25)
        if step < 1e-12:
            break
    mu = trials * expit(eta)
    root, df = root_of_variance(mu, trials), len(y) - X.shape[1]
    Xw = X * root[:, None]
    return PoissonFit(beta, mu, np.linalg.inv(Xw.T @ Xw), float((((y - mu) / root) ** 2).sum() / df), df)
