"""What people at a peak do next, from a model of everybody's months without the service: for studies with few of them.

Admissions of a person in a month: negative binomial around the person's own frailty, which lasts and fades (AR(1) on the log scale).
The expectation is of the fitted model given each referred person's own year before referral. docs/methods/regression_to_mean.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from aaot_eval.estimators._cohorts import Floats, Ints, PersonMonths

PEOPLE_NEEDED = 200
"""People without the service whose months the model is fitted to."""
EVENTS_NEEDED = 200
MOST_PEOPLE = 5_000
LAGS = 12
DRAWS = 4_000
"""Paths drawn for each count of a year before referral."""
LARGEST_RHO = 0.99


@dataclass(frozen=True)
class Frailty:
    """The fitted model: mean admissions a month, sd of the lasting part and of the fading part of the log frailty, the fading
    part's correlation from month to month, and the size of the negative binomial (inf = Poisson)."""

    mean: float
    lasting: float
    fading: float
    rho: float
    size: float


def fit_frailty(outcome: Floats, seen: Floats) -> Frailty | str:
    """The model by moments from people x months without the service, or why it cannot be fitted.

    With m the mean, E[y(t) y(t+k)] / m^2 = exp(lasting^2 + fading^2 rho^k) for k >= 1; what E[y(y-1)] / m^2 has beyond its value at lag 0
    is the negative binomial's 1 / size.
    """
    used = seen.sum(axis=1) >= LAGS
    if used.sum() < PEOPLE_NEEDED or (outcome * seen)[used].sum() < EVENTS_NEEDED:
        return f"fewer than {PEOPLE_NEEDED} people or {EVENTS_NEEDED} admissions without the service to fit the frailty model to"
    y, s = (outcome * seen)[used], seen[used]
    mean = float(y.sum() / s.sum())
    lags = np.array([k for k in range(1, LAGS + 1) if (s[:, k:] * s[:, :-k]).sum() >= PEOPLE_NEEDED])
    ratio = np.array([_product(y, s, k) / mean**2 for k in lags])
    if len(lags) < LAGS // 2 or (ratio <= 1).any():
        return "people's admissions do not hang together from month to month, so there is no peak to come down from"
    logs = np.log(ratio)
    best: tuple[float, float, float, float] | None = None
    for rho in np.linspace(0.5, LARGEST_RHO, 50):
        X = np.column_stack([np.ones(len(lags)), rho**lags])
        beta = _not_negative(X, logs)
        loss = float(((logs - X @ beta) ** 2).sum())
        if best is None or loss < best[0]:
            best = (loss, float(beta[0]), float(beta[1]), float(rho))
    assert best is not None  # noqa: S101
    _, lasting, fading, rho = best
    factorial = float((y * (y - 1) * s).sum() / s.sum()) / mean**2
    extra = factorial / math.exp(lasting + fading) - 1
    return Frailty(mean, math.sqrt(lasting), math.sqrt(fading), rho, 1 / extra if extra > 1e-6 else math.inf)


def _product(y: Floats, s: Floats, k: int) -> float:
    both = s[:, k:] * s[:, :-k]
    return float((y[:, k:] * y[:, :-k] * both).sum() / both.sum())


def _not_negative(X: Floats, y: Floats) -> Floats:
    """Least squares with both coefficients at or above nought."""
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    if (beta >= 0).all():
        return np.asarray(beta)
    alone = [max(float(X[:, j] @ y / (X[:, j] @ X[:, j])), 0.0) for j in (0, 1)]
    losses = [float(((y - X[:, j] * alone[j]) ** 2).sum()) for j in (0, 1)]
    return np.array([alone[0], 0.0] if losses[0] <= losses[1] else [0.0, alone[1]])


LEAST_PATHS = 20.0
"""Effective number of paths below which the model does not know a person's year; more than a tenth of such people, no answer."""
RESAMPLES = 20
MOST_ASKED = 200
"""Of more referred people than this, so many are asked for, evenly by their place in the file."""


def expected_rate(
    people: PersonMonths, who: Ints, at: Ints, follow_up: int, rng: np.random.Generator
) -> tuple[float, float, int] | str:
    """(expected admissions a person-month after `at`, variance of its log, people fitted to), or why the model cannot tell.

    The variance is that of the model fitted to people drawn again; the months followed are those at risk.
    """
    if len(who) > MOST_ASKED:
        kept = np.linspace(0, len(who) - 1, MOST_ASKED).round().astype(int)
        who, at = who[kept], at[kept]
    outcome, seen = months_without_service(people)
    model = fit_frailty(outcome, seen)
    if isinstance(model, str):
        return model
    months = np.arange(-LAGS, 0)
    history = people.outcome[who[:, None], at[:, None] + months].astype(np.int64)
    risk = people.months_at_risk_so_far
    followed = (risk[who, np.minimum(at + follow_up, people.n_months)] - risk[who, at]).astype(np.int64)
    seeds = rng.integers(0, 2**31, RESAMPLES + 1)
    expected, paths = expected_after(model, history, followed, np.random.default_rng(seeds[0]))
    if (paths < LEAST_PATHS).mean() > 0.1:
        return "the year before referral is beyond what people without the service ever show"
    rate = float(expected.sum() / followed.sum())
    logs = []
    for seed in seeds[1:]:
        again = np.random.default_rng(seed)
        drawn = again.integers(0, len(outcome), len(outcome))
        other = fit_frailty(outcome[drawn], seen[drawn])
        if not isinstance(other, str):
            # The same paths' random numbers each time, so that only the model differs.
            found = expected_after(other, history, followed, np.random.default_rng(seeds[0]))[0]
            logs.append(math.log(float(found.sum() / followed.sum())))
    if len(logs) < RESAMPLES // 2:
        return "the frailty model does not hold when people are drawn again"
    return rate, float(np.var(logs, ddof=1)), len(outcome)


def expected_after(model: Frailty, history: Ints, followed: Ints, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """(admissions expected in the months followed, effective number of paths), each (n,), given the counts before (n x H, oldest first).

    Paths of the log frailty are drawn from the model, weighted by the likelihood of the person's own months, and carried on.
    """
    n, h = history.shape
    ahead = int(followed.max(initial=0))
    lasting = model.lasting * rng.standard_normal(DRAWS)
    steps = np.empty((DRAWS, h + ahead))
    state = model.fading * rng.standard_normal(DRAWS)
    for t in range(h + ahead):
        if t:
            state = model.rho * state + model.fading * math.sqrt(1 - model.rho**2) * rng.standard_normal(DRAWS)
        steps[:, t] = state
    # The mean of a log-normal frailty is one.
    level = model.mean * np.exp(lasting[:, None] + steps - (model.lasting**2 + model.fading**2) / 2)
    total = np.concatenate([np.zeros((DRAWS, 1)), np.cumsum(level[:, h:], axis=1)], axis=1)
    out, paths = np.empty(n), np.empty(n)
    for i in range(n):
        log_likelihood = _log_pmf(history[i], level[:, :h], model.size).sum(axis=1)
        weight = np.exp(log_likelihood - log_likelihood.max())
        out[i] = float(weight @ total[:, followed[i]] / weight.sum())
        paths[i] = float(weight.sum() ** 2 / (weight**2).sum())
    return out, paths


def _log_pmf(counts: Ints, mean: Floats, size: float) -> Floats:
    if math.isinf(size):
        return np.asarray(counts * np.log(mean) - mean)
    total = size + mean
    return np.asarray(
        gammaln(counts + size) - gammaln(size) + size * np.log(size / total) + counts * np.log(mean / total)
    )


def months_without_service(people: PersonMonths) -> tuple[Floats, Floats]:
    """(outcome, seen) of everybody up to their hospital's launch, at most MOST_PEOPLE, evenly taken."""
    cut = np.where(people.treated, people.launch, people.n_months)[people.unit]
    seen = people.at_risk & (np.arange(people.n_months) < cut[:, None])
    rows = np.flatnonzero(seen.any(axis=1))
    if len(rows) > MOST_PEOPLE:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_PEOPLE).round().astype(int)]
    return people.outcome[rows], seen[rows].astype(float)
