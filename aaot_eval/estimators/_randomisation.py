"""Exact randomisation inference over the assignment of start dates to sites, vectorised over assignments.

Every statistic here is a sum over treated sites of a number looked up in a table sites x start dates, so thousands of
assignments cost a few gathers. Definitions and reasons: docs/methods/site_did.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from aaot_eval.results import generator

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST_ENUMERATED = 20_000
DRAWS = 9_999
TIE = 1e-10
"""Statistics closer than this are equal: the real assignment and its ties must not be split by rounding."""

FINE_STEPS, ALL_STEPS, COARSE = 50, 80, 5
"""The search for an end of an interval: 50 fine steps from the estimate, then 30 that are five times as wide."""
HALVINGS = 14

MOST_ROUNDS = 500
CONVERGED = 1e-12


@dataclass(frozen=True)
class Assignments:
    """Ways to hand the actual start dates to the sites.

    `rows`: N x m, the site that gets each start; columns belong to `cohort` (m, number of the start date in `starts`).
    `starts`: k distinct positions, `sizes`: how many sites get each. `real`: the row that happened. `total`: how many
    ways there are; fewer are held, drawn at random, when there are more than 20,000.
    """

    n_sites: int
    starts: Ints
    sizes: Ints
    cohort: Ints
    rows: Ints
    real: int
    total: int

    @property
    def exact(self) -> bool:
        """Every assignment is held, so p is exact."""
        return len(self.rows) == self.total

    @property
    def p_least(self) -> float:
        """The least p that any data could give."""
        return 1.0 / len(self.rows)

    @property
    def drawn(self) -> int | None:
        """How many assignments are held where they were drawn at random; None where all there are."""
        return None if self.exact else len(self.rows)

    @property
    def mirrored(self) -> bool:
        """Half of the sites start together: each assignment has a mirror image with the opposite contrast."""
        return len(self.starts) == 1 and 2 * int(self.sizes[0]) == self.n_sites

    def own(self, table: Floats) -> Floats:
        """N: sum over treated sites of the table's entry at (site, its start date)."""
        return np.asarray(table[self.rows, self.cohort[None, :]].sum(axis=1), dtype=float)

    def contrast(self, table: Floats) -> Floats:
        """N: mean over treated sites of own entry minus mean entry, at the same start date, of the sites not drawn.

        A start date whose column is empty (NaN) does not take part.
        """
        there = ~np.isnan(table).any(axis=0)
        table, sizes = np.where(there, table, 0.0), self.sizes * there
        pool = table @ sizes
        others = (pool.sum() - pool[self.rows].sum(axis=1)) / (self.n_sites - len(self.cohort))
        return np.asarray((self.own(table) - others) / sizes.sum(), dtype=float)

    def only_real(self) -> Assignments:
        """The assignment that happened, alone."""
        return replace(self, rows=self.rows[[self.real]], real=0)


def assign_starts(starts: Ints, never: int, seed: int) -> Assignments:
    """All distinct ways to hand the start dates in `starts` (n; `never` = no start) to the n sites.

    More than 20,000 ways: 9,999 seeded draws and the real one.
    """
    n = len(starts)
    treated = np.flatnonzero(starts < never)
    treated = treated[np.argsort(starts[treated], kind="stable")]
    dates, sizes = np.unique(starts[treated], return_counts=True)
    cohort = np.repeat(np.arange(len(dates)), sizes)
    total = math.factorial(n) // math.prod(math.factorial(int(s)) for s in (*sizes, n - len(treated)))
    if total <= MOST_ENUMERATED:
        rows = _every_way(n, tuple(int(s) for s in sizes))
        real = int(np.flatnonzero((rows == treated).all(axis=1))[0])
    else:
        rng = generator(seed, "assignments", n, *map(int, sizes))
        drawn = np.argsort(rng.random((DRAWS, n)), axis=1)[:, : len(treated)]
        rows, real = np.vstack([treated, drawn]), 0
    return Assignments(n, dates.astype(np.int64), sizes.astype(np.int64), cohort, rows, real, total)


@lru_cache(maxsize=8)
def _every_way(n: int, sizes: tuple[int, ...]) -> Ints:
    """All of them as rows, made once for the many fits of a run, and not to be written to."""
    rows = np.array(list(_ways(tuple(range(n)), sizes)), dtype=np.int64)
    rows.flags.writeable = False
    return rows


def _ways(free: tuple[int, ...], sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if not sizes:
        yield ()
        return
    for chosen in combinations(free, sizes[0]):
        rest = tuple(i for i in free if i not in chosen)
        for tail in _ways(rest, sizes[1:]):
            yield (*chosen, *tail)


def p_value(statistic: Floats, real: int) -> float:
    """Share of assignments whose statistic is at least as far from zero as the real one's; ties count."""
    size = np.abs(statistic)
    return float(np.mean(size >= size[real] - tie(size)))


def tie(size: Floats) -> float:
    """How far apart statistics may be and still count as equal: relative to the largest finite one, so that units do not matter."""
    return TIE * float(size[np.isfinite(size)].max(initial=0.0))


def p_values(statistic: Floats) -> Floats:
    """N: the p value that each assignment would have, had it been the real one."""
    size = np.abs(statistic)
    return np.asarray(1.0 - np.searchsorted(np.sort(size), size - tie(size), side="left") / len(size))


def change_table(values: Floats, exposure: Floats, starts: Ints, phase_in: int = 0, *, log: bool = True,
                 half: float = 0.5) -> Floats:  # fmt: skip
    """n x k: change of each site's rate from before each start to after it (phase-in left out), on the log scale or not.

    A rate is a total over an exposure; on the log scale `half` is added to both totals, so that no total is zero.
    """
    columns = []
    for s in starts:
        rates = []
        for window in (slice(0, s), slice(s + phase_in, None)):
            total, at_risk = values[:, window].sum(axis=1), exposure[:, window].sum(axis=1)
            rates.append(np.log((total + half) / at_risk) if log else total / at_risk)
        columns.append(rates[1] - rates[0])
    return np.column_stack(columns)


def slope_table(level: Floats, years: Floats, starts: Ints) -> Floats:
    """n x k: least-squares slope a year over the periods before each start."""
    columns = []
    for s in starts:
        centred = years[:s] - years[:s].mean()
        columns.append(level[:, :s] @ centred / (centred @ centred))
    return np.column_stack(columns)


def size_variance(table: Floats, size: Floats) -> tuple[float, float]:
    """(A, B), both >= 0, of variance = A + B / size, by least squares on the squared deviations of all sites."""
    squares = ((table - table.mean(axis=0)) ** 2).ravel()
    x = np.repeat(1.0 / size, table.shape[1])
    spread = x - x.mean()
    slope = float(spread @ squares / (spread @ spread)) if spread @ spread > 0 else 0.0
    level = float(squares.mean() - slope * x.mean())
    if slope < 0:
        return float(squares.mean()), 0.0
    if level < 0:
        return 0.0, float(x @ squares / (x @ x))
    return level, slope


def size_scaled(table: Floats, size: Floats, ways: Assignments) -> Floats:
    """N: the contrast of treated and other sites over the standard deviation that their sizes lead one to expect."""
    a, b = size_variance(table, size)
    variance = (a + b / size)[ways.rows].sum(axis=1)
    contrast = ways.contrast(table) * len(ways.cohort)
    return np.asarray(np.divide(contrast, np.sqrt(variance), out=np.zeros_like(contrast), where=variance > 0))


# The two-way model.


@dataclass(frozen=True)
class TwoWay:
    """Least squares on site and period effects for every assignment: the design depends on the start date alone.

    `residual`: (k + 1) x T, the switch of a site that starts at each date (last row: never) with site and period
    effects taken out, zero in its phase-in periods; `norm`: its sum of squares over all sites.
    """

    residual: Floats
    norm: float

    @staticmethod
    def of(ways: Assignments, n_periods: int, phase_in: int = 0) -> TwoWay:
        """The design of these start dates."""
        time = np.arange(n_periods)
        starts = np.append(ways.starts, n_periods)
        weights = np.append(ways.sizes, ways.n_sites - len(ways.cohort)).astype(float)
        since = time[None, :] - starts[:, None]
        used = (since < 0) | (since >= phase_in)
        switch = (since >= 0).astype(float)
        effects = np.zeros((len(starts), n_periods, len(starts) + n_periods))
        effects[np.arange(len(starts)), :, np.arange(len(starts))] = 1.0
        effects[:, time, len(starts) + time] = 1.0
        root = np.sqrt(weights[:, None] * used)
        flat = (effects * root[..., None]).reshape(-1, effects.shape[2])
        fitted = np.linalg.lstsq(flat, (switch * root).ravel(), rcond=None)[0]
        residual = (switch - effects @ fitted) * used
        return TwoWay(residual, float((weights[:, None] * residual**2).sum()))

    def coefficients(self, level: Floats, ways: Assignments) -> Floats:
        """N: the coefficient of the switch under each assignment."""
        table = level @ self.residual.T
        never = table[:, -1]
        return np.asarray((never.sum() + ways.own(table[:, :-1] - never[:, None])) / self.norm)

    def t_statistics(self, level: Floats, ways: Assignments) -> Floats:
        """N: coefficient over its standard error clustered by site (CR0). Needs a design without phase-in."""
        demeaned = level - level.mean(axis=1, keepdims=True) - level.mean(axis=0) + level.mean()
        table = demeaned @ self.residual.T
        own = (self.residual**2).sum(axis=1)
        never, q = table[:, -1], own[-1]
        b = (never.sum() + ways.own(table[:, :-1] - never[:, None])) / self.norm
        squares = never @ never - 2 * b * q * never.sum() + ways.n_sites * (b * q) ** 2
        for column, cohort in enumerate(ways.cohort):
            rows = ways.rows[:, column]
            squares += (table[rows, cohort] - b * own[cohort]) ** 2 - (never[rows] - b * q) ** 2
        error = np.sqrt(np.maximum(squares, 0.0)) / self.norm
        some = error > TIE * np.abs(b).max(initial=0.0)
        return np.asarray(np.divide(b, error, out=np.full_like(b, np.inf), where=some))


# Poisson with site and period effects.


def separable(exposure: Floats) -> bool:
    """Whether exposure is a site's size times a period's length; the site and period effects then absorb it."""
    log = np.log(exposure)
    return bool(np.ptp(log - log.mean(axis=1, keepdims=True) - log.mean(axis=0) + log.mean()) < TIE)


def poisson_coefficients(values: Floats, ways: Assignments, phase_in: int = 0) -> Floats:
    """N: log rate ratio of Poisson regression on site and period effects under each assignment, exposure separable.

    Sites with one start date, and periods between two cut points, may then be added up without changing the
    coefficient, so each fit is on a table of at most (k + 1) x (2 k + 1) cells. No finite value: NaN becomes infinity.
    """
    n_t = values.shape[1]
    cuts = np.unique(np.concatenate([[0], ways.starts, np.minimum(ways.starts + phase_in, n_t)]))
    cuts = cuts[cuts < n_t]
    blocks = np.add.reduceat(values, cuts, axis=1)
    starts = np.append(ways.starts, n_t)
    since = cuts[None, :] - starts[:, None]
    used = ((since < 0) | (since >= phase_in)).astype(float)
    cohorts = np.stack([blocks[ways.rows[:, ways.cohort == g]].sum(axis=1) for g in range(len(ways.starts))], axis=1)
    tables = np.concatenate([cohorts, blocks.sum(axis=0) - cohorts.sum(axis=1, keepdims=True)], axis=1)
    return _poisson_tables(tables * used, used, (since >= 0) & (used > 0))


def _poisson_tables(tables: Floats, used: Floats, switch: Bools) -> Floats:
    """N: coefficient of `switch` (g x b) in log-linear models of tables N x g x b with row and column effects."""
    n, g, b = tables.shape
    if (g, b) == (2, 2):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.nan_to_num(np.log(tables[:, 0, 1] * tables[:, 1, 0]) - np.log(tables[:, 0, 0] * tables[:, 1, 1]),
                                            nan=np.inf))  # fmt: skip
    design = np.zeros((g, b, g + b))
    design[np.arange(g), :, np.arange(g)] = 1.0
    design[:, np.arange(1, b), g + np.arange(b - 1)] = 1.0
    design[..., -1] = switch
    design = design.reshape(g * b, g + b)[used.ravel() > 0]
    y = tables.reshape(n, g * b)[:, used.ravel() > 0]
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    start = np.linalg.lstsq(design, np.log(y + 0.5).T, rcond=None)[0].T
    beta, open_ = start, np.arange(n)
    for _ in range(60):
        mean = np.exp(np.clip(beta[open_] @ design.T, -30, 30))
        gradient = (y[open_] - mean) @ design
        hessian = (mean @ products).reshape(-1, g + b, g + b)
        hessian += 1e-12 * np.trace(hessian, axis1=1, axis2=2)[:, None, None] * np.eye(g + b)
        step = np.clip(np.linalg.solve(hessian, gradient[..., None])[..., 0], -2, 2)
        beta[open_] += step
        open_ = open_[np.abs(step).max(axis=1) > 1e-11]
        if not len(open_):
            break
    return np.asarray(np.where(np.abs(beta[:, -1]) > 15, np.inf, beta[:, -1]))


def two_way_means(values: Floats, exposure: Floats, used: Bools) -> Floats:
    """n x T: site effect times period effect of Poisson regression on the used cells, by proportional fitting.

    Times `exposure` they are the fitted means. A site or a period without any event has effect 0, one without a used cell NaN.
    """
    values, exposure = values * used, exposure * used
    effects = np.full(values.shape, float(_factors(values.sum(), exposure.sum())))
    for _ in range(MOST_ROUNDS):
        rows = _factors(values.sum(axis=1), (effects * exposure).sum(axis=1))
        effects = effects * rows[:, None]
        columns = _factors(values.sum(axis=0), (effects * exposure).sum(axis=0))
        effects = effects * columns
        if max(np.abs(rows - 1).max(), np.abs(columns - 1).max()) < CONVERGED:
            break
    known = (exposure.sum(axis=1) > 0)[:, None] & (exposure.sum(axis=0) > 0)
    return np.where(known, effects, np.nan)


def _factors(observed: Floats, fitted: Floats) -> Floats:
    """Observed over fitted; 1, so no step, where nothing is fitted: that margin is 0 already, or has no used cell."""
    return np.divide(observed, fitted, out=np.ones_like(fitted), where=fitted > 0)


def two_way_levels(level: Floats, used: Bools) -> Floats:
    """n x T: site effect plus period effect, by least squares on the used cells."""
    effects = np.zeros_like(level)
    for _ in range(MOST_ROUNDS):
        rows = ((level - effects) * used).sum(axis=1) / used.sum(axis=1)
        effects = effects + rows[:, None]
        columns = ((level - effects) * used).sum(axis=0) / used.sum(axis=0)
        effects = effects + columns
        if max(np.abs(rows).max(), np.abs(columns).max()) < CONVERGED * max(1.0, float(np.abs(level).max())):
            break
    return effects


# From p values to intervals and draws.


@dataclass(frozen=True)
class Inversion:
    """The p-value function of an effect: `effects` ascending with `p`; the hull `low`..`high` of those not rejected.

    An end is NaN when the search met no end.
    """

    effects: Floats
    p: Floats
    estimate: float
    low: float
    high: float

    @property
    def finite(self) -> bool:
        """Whether both ends were found."""
        return not (math.isnan(self.low) or math.isnan(self.high))


def invert(p_of: Callable[[float], float], estimate: float, *, alpha: float, p_least: float, step: float = 0.02,
           settle: int = ALL_STEPS, halvings: int = HALVINGS) -> Inversion:  # fmt: skip
    """All effects with p > alpha, by steps away from the estimate and then bisection; the hull of what is found.

    The search goes on past the first rejected effect until p can fall no further, `settle` steps in a row were
    rejected, or 4 (200 fine steps) from the estimate.
    """
    sides = [_side(p_of, estimate, sign * step, alpha, p_least, settle, halvings) for sign in (-1.0, 1.0)]
    (below, p_below, low), (above, p_above, high) = sides
    effects = np.array([*below[::-1], estimate, *above])
    p = np.array([*p_below[::-1], p_of(estimate), *p_above])
    return Inversion(effects, p, estimate, low, high)


def _side(p_of: Callable[[float], float], estimate: float, step: float, alpha: float, p_least: float,
          settle: int, halvings: int) -> tuple[list[float], list[float], float]:  # fmt: skip
    effects, p = [estimate], [1.0]
    rejected = 0
    for i in range(1, ALL_STEPS + 1):
        distance = i if i <= FINE_STEPS else FINE_STEPS + COARSE * (i - FINE_STEPS)
        effects.append(estimate + distance * step)
        p.append(p_of(effects[-1]))
        rejected = 0 if _keeps(p[-1], alpha) else rejected + 1
        if p[-1] <= p_least + TIE or rejected >= settle:
            break
    last = max(i for i, value in enumerate(p) if _keeps(value, alpha) or i == 0)
    if last == len(p) - 1:
        return effects[1:], p[1:], math.nan
    inside, outside = effects[last], effects[last + 1]
    for _ in range(halvings):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if _keeps(p_of(middle), alpha) else (inside, middle)
    return effects[1:], p[1:], inside


def _keeps(p: float, alpha: float) -> bool:
    return p > alpha + TIE


@dataclass(frozen=True)
class ConfidenceDraws:
    """Draws from the confidence distribution that belongs to a p-value function.

    Below the estimate the distribution function is p/2, above it 1 - p/2, made monotone from outside in, which is what
    the hull of an interval does too; between steps it is straight. Nothing is known beyond the effects whose p is the
    least reachable: that mass (half of the least p on each side) stands on the outermost effect searched.
    """

    effects: Floats
    cumulative: Floats
    ratio: bool

    @staticmethod
    def of(found: Inversion, alpha: float, *, ratio: bool) -> ConfidenceDraws:
        """The draws of an inversion with two ends."""
        left, right = found.effects < found.estimate, found.effects > found.estimate
        effects = np.concatenate([found.effects[left], [found.low, found.estimate, found.high], found.effects[right]])
        lower = np.append(np.maximum.accumulate(found.p[left]) / 2, alpha / 2)
        upper = np.append(1 - np.maximum.accumulate(found.p[right][::-1])[::-1] / 2, 1 - alpha / 2)
        cumulative = np.concatenate([lower, [0.5], upper[-1:], upper[:-1]])
        order = np.argsort(effects, kind="stable")
        return ConfidenceDraws(effects[order], np.maximum.accumulate(cumulative[order]), ratio)

    def __call__(self, uniform: Floats) -> Floats:
        """Draws of the effect, in the shape of `uniform`."""
        draws = np.interp(uniform, self.cumulative, self.effects)
        return np.exp(draws) if self.ratio else np.asarray(draws)
