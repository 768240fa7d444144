"""Intervals for an effect when trends were not parallel, by how much they may have parted (Rambachan and Roth 2023).

Two bounds on the drift: as large after the start as `mbar` times the largest step before it (relative magnitudes), or
changing its slope by at most `m` a period (smoothness). The first interval inverts the conditional and least-favourable
hybrid test of Andrews, Roth and Pakes (2023); the second has fixed length. Formulae: docs/methods/trend_violation.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import special, stats
from scipy.optimize import minimize

from aaot_eval.results import generator

Floats = npt.NDArray[np.float64]

HYBRID = 0.1
"""Share of alpha spent on the least-favourable part of the hybrid test."""
DRAWS = 5_000
GRID, WIDTH = 400, 20.0
"""Points at which the test is made, out to this many standard errors from the estimate on each side."""
HALVINGS = 25
MOST_POST = 4
"""Above this the corners of the dual problem, which are listed, are too many."""
NEAR = 1e-9
MOST_MBAR, MBAR_STEPS = 4.0, 12


@dataclass(frozen=True)
class EventVector:
    """`n_pre` coefficients before the reference period and the others after it, with their covariance.

    `weights`: what is averaged of those after it. All are relative to the reference, which is the last period before.
    """

    values: Floats
    covariance: Floats
    n_pre: int
    weights: Floats

    @property
    def n_post(self) -> int:
        """How many coefficients after the start."""
        return len(self.values) - self.n_pre

    @property
    def estimate(self) -> float:
        """The average after the start."""
        return float(self.weights @ self.values[self.n_pre :])

    @property
    def std_error(self) -> float:
        """Its standard error."""
        block = self.covariance[self.n_pre :, self.n_pre :]
        return math.sqrt(float(self.weights @ block @ self.weights))


# Relative magnitudes -------------------------------------------------------------------------------------------------


def relative_magnitudes(vector: EventVector, mbar: float, alpha: float, seed: int) -> tuple[float, float]:
    """The interval when no step of the drift after the start exceeds `mbar` times the largest step before it.

    The hull over every step before the start and both of its signs as the largest one. NaN where the search met no end.
    """
    low, high = math.inf, -math.inf
    for step in range(vector.n_pre):
        for sign in (1.0, -1.0):
            found = _Moments.of(vector, step, sign, mbar).interval(alpha, seed)
            if found is not None:
                low, high = min(low, found[0]), max(high, found[1])
    if low > high:
        return math.nan, math.nan
    edge = WIDTH * vector.std_error * (1 - NEAR)
    return (math.nan if low <= vector.estimate - edge else low), (math.nan if high >= vector.estimate + edge else high)


@dataclass(frozen=True)
class _Moments:
    """E[y] - x theta - z tau <= 0, with y normal: what a bound on the drift says of the coefficients.

    `corners`: rows are the corners of the dual problem, so that the test statistic is the largest of corner @ (y - x theta).
    """

    y: Floats
    x: Floats
    sigma: Floats
    corners: Floats
    centre: float
    spread: float

    @staticmethod
    def of(vector: EventVector, step: int, sign: float, mbar: float) -> _Moments:
        pre, post = vector.n_pre, vector.n_post
        total = pre + post
        first = np.zeros((total, total + 1))
        first[np.arange(total), np.arange(total)] = -1.0
        first[np.arange(total), np.arange(total) + 1] = 1.0
        largest = sign * mbar * first[step]
        steps = first[pre:]
        bounds = np.vstack([steps - largest, -steps - largest])
        bounds = np.delete(bounds, pre, axis=1)
        bounds = bounds[np.abs(bounds).max(axis=1) > NEAR]
        basis = np.vstack([vector.weights, _others(vector.weights)])
        turned = bounds[:, pre:] @ np.linalg.inv(basis)
        sigma = bounds @ vector.covariance @ bounds.T
        corners = _corners(turned[:, 1:], np.sqrt(np.diag(sigma)))
        return _Moments(bounds @ vector.values, turned[:, 0], sigma, corners, vector.estimate, vector.std_error)

    def interval(self, alpha: float, seed: int) -> tuple[float, float] | None:
        """The hull of the effects that the hybrid test does not reject; None when it rejects all of the grid."""
        test = _Hybrid.of(self, alpha, seed)
        grid = self.centre + self.spread * np.linspace(-WIDTH, WIDTH, 2 * GRID + 1)
        kept = test.keeps(grid)
        if not kept.any():
            return None
        first, last = int(np.argmax(kept)), len(kept) - 1 - int(np.argmax(kept[::-1]))
        low = grid[first] if first == 0 else _edge(test, grid[first], grid[first - 1])
        high = grid[last] if last == len(grid) - 1 else _edge(test, grid[last], grid[last + 1])
        return float(low), float(high)


def _others(weights: Floats) -> Floats:
    """Unit rows that complete the weights to a basis."""
    most = int(np.argmax(np.abs(weights)))
    return np.asarray(np.delete(np.eye(len(weights)), most, axis=0))


def _edge(test: _Hybrid, inside: float, outside: float) -> float:
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if test.keeps(np.array([middle]))[0] else (inside, middle)
    return inside


def _corners(nuisance: Floats, sd: Floats) -> Floats:
    """Corners of { g >= 0, g @ sd = 1, g @ nuisance = 0 }: as many rows as corners."""
    rows, k = nuisance.shape
    system = np.vstack([sd, nuisance.T])
    right = np.append(1.0, np.zeros(k))
    found: dict[tuple[float, ...], Floats] = {}
    for chosen in combinations(range(rows), k + 1):
        part = system[:, chosen]
        if abs(np.linalg.det(part / np.abs(system).max())) < 1e-14:
            continue
        weight = np.linalg.solve(part, right)
        if (weight >= -NEAR * np.abs(weight).max()).all():
            corner = np.zeros(rows)
            corner[list(chosen)] = np.maximum(weight, 0.0)
            found.setdefault(tuple((corner * sd).round(9)), corner)
    return np.array(list(found.values()))


@dataclass(frozen=True)
class _Hybrid:
    """The test of Andrews, Roth and Pakes: least favourable first, then conditional on which corner is the largest."""

    moments: _Moments
    alpha: float
    critical: float
    variance: Floats
    products: Floats

    @staticmethod
    def of(moments: _Moments, alpha: float, seed: int) -> _Hybrid:
        products = moments.corners @ moments.sigma @ moments.corners.T
        values, vectors = np.linalg.eigh(products)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        normal = generator(seed, "least favourable").standard_normal((DRAWS, len(products)))
        critical = float(np.quantile((normal @ root.T).max(axis=1), 1 - HYBRID * alpha))
        return _Hybrid(moments, alpha, critical, np.maximum(np.diag(products), 0.0), products)

    def keeps(self, effects: Floats) -> npt.NDArray[np.bool_]:
        """Which effects are not rejected."""
        m = self.moments
        each = m.corners @ (m.y[:, None] - m.x[:, None] * effects[None, :])
        best = each.argmax(axis=0)
        eta = each[best, np.arange(len(effects))]
        kept = eta <= self.critical
        rest = (1 - HYBRID) * self.alpha / (1 - HYBRID * self.alpha)
        open_ = kept & (eta > 0)
        bar = np.maximum(self._conditional(each[:, open_], best[open_], rest), 0.0)
        kept[open_] = eta[open_] <= bar
        return np.asarray(kept)

    def _conditional(self, each: Floats, best: npt.NDArray[np.int64], alpha: float) -> Floats:
        """The 1 - alpha quantile, at the edge of the null, of the largest corner given that it is the largest."""
        variance = self.variance[best]
        slope = self.products[:, best] / np.where(variance > 0, variance, np.inf)
        fixed = each - slope * each[best, np.arange(each.shape[1])]
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = fixed / (1 - slope)
        low = np.where(slope < 1 - NEAR, bound, -np.inf).max(axis=0, initial=-np.inf)
        high = np.where(slope > 1 + NEAR, bound, np.inf).min(axis=0, initial=np.inf)
        sd = np.sqrt(variance)
        return np.where(variance > 0, _truncated_quantile(1 - alpha, sd, low, np.minimum(high, self.critical)), 0.0)


def _truncated_quantile(p: float, sd: Floats, low: Floats, high: Floats) -> Floats:
    """Quantiles of normals of mean 0 between two bounds, from whichever tail is more exact."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = low / sd, high / sd
        left, right = special.ndtr(a), special.ndtr(-a)
        lower = special.ndtri(left + p * (special.ndtr(b) - left))
        upper = -special.ndtri(right - p * (right - special.ndtr(-b)))
        z = np.clip(np.where(a > 0, upper, lower), a, np.maximum(a, b))
        return np.asarray(np.where(a >= b, high, z * sd))


# Smoothness ----------------------------------------------------------------------------------------------------------


def smoothness(vector: EventVector, m: float, alpha: float) -> tuple[float, float]:
    """The shortest interval of fixed length when the slope of the drift changes by at most `m` a period.

    Its centre takes from the estimate a weighted sum of the steps before the start that removes any straight line.
    """
    pre = vector.n_pre
    differences = np.eye(pre, pre + vector.n_post) * -1.0
    differences[np.arange(pre - 1), np.arange(1, pre)] = 1.0
    plain = np.append(np.zeros(pre), vector.weights)
    target = float(vector.weights @ np.arange(1, vector.n_post + 1))
    constant = sum(
        abs(float(np.arange(1, s + 1) @ vector.weights[vector.n_post - s :])) for s in range(1, vector.n_post + 1)
    )
    constant -= target
    sums = np.tril(np.ones((pre, pre)))

    def centre(w: Floats) -> Floats:
        return np.asarray(plain - w @ differences)

    def half(w: Floats, bias: float) -> float:
        v = centre(w)
        sd = math.sqrt(max(float(v @ vector.covariance @ v), 1e-300))
        return sd * math.sqrt(float(stats.ncx2.ppf(1 - alpha, 1, (m * bias / sd) ** 2))) if m * bias > 0 else (
            sd * float(stats.norm.ppf(1 - alpha / 2)))  # fmt: skip

    scale = vector.std_error

    def objective(x: Floats) -> float:
        return half(x[pre:], constant + float(x[:pre].sum())) / scale

    best: Floats | None = None
    for w in _starts(vector, differences, plain, target):
        found = minimize(
            objective, np.append(np.abs(sums @ w), w), method="SLSQP", options={"maxiter": 500, "ftol": 1e-12},
            constraints=[{"type": "ineq", "fun": lambda x: x[:pre] - sums @ x[pre:]},
                         {"type": "ineq", "fun": lambda x: x[:pre] + sums @ x[pre:]},
                         {"type": "eq", "fun": lambda x: x[pre:].sum() - target}],
        )  # fmt: skip
        for candidate in (found.x[pre:], w):
            candidate = candidate + (target - candidate.sum()) / pre
            if best is None or _length(half, candidate, constant, sums) < _length(half, best, constant, sums):
                best = candidate
    assert best is not None  # noqa: S101 - there are always two starts
    middle, length = float(centre(best) @ vector.values), _length(half, best, constant, sums)
    return middle - length, middle + length


def _length(half: object, w: Floats, constant: float, sums: Floats) -> float:
    return float(half(w, constant + float(np.abs(sums @ w).sum())))  # type: ignore[operator]


def _starts(vector: EventVector, differences: Floats, plain: Floats, target: float) -> list[Floats]:
    """Weights of least variance, and of least bias."""
    pre = vector.n_pre
    system = np.zeros((pre + 1, pre + 1))
    system[:pre, :pre] = 2 * differences @ vector.covariance @ differences.T
    system[:pre, pre] = system[pre, :pre] = 1.0
    right = np.append(2 * differences @ vector.covariance @ plain, target)
    least = np.linalg.lstsq(system, right, rcond=None)[0][:pre]
    last = np.zeros(pre)
    last[-1] = target
    return [least, last]


# Breakdown -----------------------------------------------------------------------------------------------------------


def breakdown(vector: EventVector, alpha: float, seed: int) -> float:
    """The largest `mbar` at which no effect is still rejected under relative magnitudes; 0 when there is none.

    Not searched beyond 4, which is then returned.
    """

    def excludes(mbar: float) -> bool:
        null = np.zeros(1)
        return not any(
            _Hybrid.of(_Moments.of(vector, step, sign, mbar), alpha, seed).keeps(null)[0]
            for step in range(vector.n_pre) for sign in (1.0, -1.0)
        )  # fmt: skip

    if not excludes(0.0):
        return 0.0
    if excludes(MOST_MBAR):
        return MOST_MBAR
    inside, outside = 0.0, MOST_MBAR
    for _ in range(MBAR_STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if excludes(middle) else (inside, middle)
    return inside
