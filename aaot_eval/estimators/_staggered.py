"""Effects by cohort and period when sites start at different times, and what is made of them.

Callaway and Sant'Anna (2021): a cohort (the sites that start together) is compared with sites not treated at either of two
dates, by the change between them. Everything here is linear in the outcome, which is what makes exact randomisation
inference over start dates affordable: docs/methods/group_time.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._adjusted import Adjustment, adjusted_change
from aaot_eval.estimators._sites import Bools, Floats, Ints

Control = Literal["never", "not_yet"]
Base = Literal["varying", "universal"]
Aggregation = Literal["simple", "dynamic", "group", "calendar"]

REFIT_BUDGET = 12_000
"""Cohort-period effects refitted at most for one randomisation of a table with covariates (a few seconds)."""


@dataclass(frozen=True)
class Staggered:
    """Levels of n sites over T periods (NaN = hole), their start position (T = never), and what they are adjusted for.

    `clock`: T, the panel's number of each period, from which event time is counted. `size`: n, what the variance of a
    site's level goes down with. `covariates`: n x T x p or None.
    """

    level: Floats
    starts: Ints
    clock: Ints
    size: Floats
    covariates: Floats | None = None
    control: Control = "never"
    base: Base = "varying"
    adjustment: Adjustment = "dr"
    phase_in: int = 0
    weight: Floats | None = None
    """n: what a site counts in every mean; None: all the same."""
    cluster: Ints | None = None
    """n: the cluster of each site, within which influences add up before they are squared; None: each its own."""
    matched: bool = True
    """False: means of all sites seen at each date, as repeated cross-sections; only ever beside the matched answer."""

    @property
    def n_sites(self) -> int:
        """How many sites."""
        return len(self.level)

    @property
    def n_periods(self) -> int:
        """How many periods."""
        return int(self.level.shape[1])

    @property
    def dates(self) -> Ints:
        """Positions at which a cohort starts, ascending."""
        return np.unique(self.starts[self.starts < self.n_periods])

    @property
    def switch(self) -> Bools:
        """n x T: the service is running."""
        return np.asarray(np.arange(self.n_periods)[None, :] >= self.starts[:, None])

    @property
    def whole(self) -> bool:
        """No hole in the table."""
        return not bool(np.isnan(self.level).any())

    def share_of(self, chosen: Bools) -> float:
        """The share of all sites, by weight."""
        if self.weight is None:
            return float(chosen.mean())
        return float(self.weight[chosen].sum() / self.weight.sum())

    def spread_out(self, values: Floats) -> Floats:
        """n x ...: each site's part in a mean over all sites."""
        if self.weight is None:
            return np.asarray(values / self.n_sites)
        return np.asarray(values * (self.weight / self.weight.sum())[:, None])

    def std_error(self, influence: Floats) -> float:
        """Root of the sum of squares of influences (n), summed within clusters first."""
        return float(np.linalg.norm(self.by_cluster(influence)))

    def by_cluster(self, influence: Floats) -> Floats:
        """Influences (n, or n x k) summed within clusters."""
        if self.cluster is None:
            return influence
        sums = np.zeros((int(self.cluster.max()) + 1, *influence.shape[1:]))
        np.add.at(sums, self.cluster, influence)
        return sums

    def centred(self, values: Floats, rows: Bools) -> tuple[float, Floats]:
        """(mean of some sites' values, each one's part in its error), by weight."""
        mine = values[rows]
        if self.weight is None:
            return float(mine.mean()), np.asarray((mine - mine.mean()) / rows.sum())
        w = self.weight[rows] / self.weight[rows].sum()
        mean = float(w @ mine)
        return mean, np.asarray(w * (mine - mean))

    def with_level(self, level: Floats) -> Staggered:
        """The same sites with another outcome; holes stay holes."""
        return replace(self, level=np.where(np.isnan(self.level), np.nan, level))


@dataclass(frozen=True)
class Pair:
    """ATT(g, t): the change of the cohort that starts at position `start` from `base` to `t`, less that of its controls.

    `influence`: n, zero where a site takes no part; its root sum of squares is the standard error. `observed` is the
    cohort's mean level at t with its own influence. `cohort`, `controls`: sites seen at both dates; `lost`: seen at one.
    """

    start: int
    t: int
    base: int
    event_time: int
    att: float
    influence: Floats
    observed: float
    observed_influence: Floats
    cohort: int
    controls: int
    lost: int

    @property
    def after(self) -> bool:
        """Whether the cohort is treated at t."""
        return self.t >= self.start

    @property
    def std_error(self) -> float:
        """Analytical standard error; 0 at the base itself."""
        return float(np.linalg.norm(self.influence))


def pairs(data: Staggered, *, only_after: bool = False) -> list[Pair]:
    """All cohort-period effects, or those after the start; none of a phase-in period or without a control."""
    found = []
    for start in data.dates:
        for t in range(int(start) if only_after else 0, data.n_periods):
            if 0 <= t - start < data.phase_in:
                continue
            base = int(start) - 1 if t >= start or data.base == "universal" else t - 1
            if base < 0:
                continue
            pair = _pair(data, int(start), t, base)
            if pair is not None:
                found.append(pair)
    return found


def controls_of(data: Staggered, start: int, t: int, base: int) -> Bools:
    """n: the sites that are not treated at either date."""
    if data.control == "never":
        return np.asarray(data.starts >= data.n_periods)
    return np.asarray((data.starts > max(t, base)) & (data.starts != start))


def _pair(data: Staggered, start: int, t: int, base: int) -> Pair | None:
    own, control = data.starts == start, controls_of(data, start, t, base)
    seen_t, seen_base = ~np.isnan(data.level[:, t]), ~np.isnan(data.level[:, base])
    both, part = seen_t & seen_base, own | control
    treated, others = own & both, control & both
    if not data.matched:
        return _cells(data, own, control, start, t, base)
    if not treated.any() or not others.any():
        return None
    lost = int((part & (seen_t ^ seen_base)).sum())
    influence = np.zeros(data.n_sites)
    change = np.where(both, data.level[:, t] - data.level[:, base], 0.0)
    if data.covariates is None or t == base:
        own_change, influence[treated] = data.centred(change, treated)
        other_change, part = data.centred(change, others)
        gap, influence[others] = own_change - other_change, -part
    else:
        rows = np.flatnonzero(treated | others)
        gap, influence[rows] = adjusted_change(
            change[rows], own[rows].astype(float), data.covariates[rows, min(t, base)], data.adjustment
        )
    level, observed = data.level[:, t], np.zeros(data.n_sites)
    mean_level, observed[treated] = data.centred(level, treated)
    return Pair(start, t, base, int(data.clock[t] - data.clock[start]), float(gap), influence, mean_level,
                observed, int(treated.sum()), int(others.sum()), lost)  # fmt: skip


def _cells(data: Staggered, own: Bools, control: Bools, start: int, t: int, base: int) -> Pair | None:
    """The same comparison by four means, each over all sites seen in its cell."""
    influence, observed = np.zeros(data.n_sites), np.zeros(data.n_sites)
    gap = level = 0.0
    counts = []
    for group, side in ((own, 1.0), (control, -1.0)):
        for at, sign in ((t, 1.0), (base, -1.0)):
            seen = group & ~np.isnan(data.level[:, at])
            if not seen.any():
                return None
            mean, part = data.centred(data.level[:, at], seen)
            gap += side * sign * mean
            influence[seen] += side * sign * part
            counts.append(int(seen.sum()))
            if side == sign == 1.0:
                level = mean
                observed[seen] = part
    event = int(data.clock[t] - data.clock[start])
    return Pair(start, t, base, event, gap, influence, level, observed, min(counts[:2]), min(counts[2:]), 0)


@dataclass(frozen=True)
class Average:
    """A weighted mean of cohort-period effects with its influences; `weights` belongs to the list of pairs it was made of."""

    key: int | None
    att: float
    influence: Floats
    observed: float
    observed_influence: Floats
    weights: Floats

    @property
    def std_error(self) -> float:
        """Analytical standard error of the level effect, cohort shares being estimates too."""
        return float(np.linalg.norm(self.influence))

    @property
    def expected(self) -> float:
        """Mean level the treated would have had: observed less effect."""
        return self.observed - self.att

    @property
    def log_ratio(self) -> float:
        """Log of observed over expected; NaN where the expected level is not above zero."""
        return math.log(self.observed / self.expected) if self.expected > 0 and self.observed > 0 else math.nan

    @property
    def log_ratio_influence(self) -> Floats:
        """n: influence on the log ratio, by the delta method."""
        return np.asarray(
            self.observed_influence / self.observed - (self.observed_influence - self.influence) / self.expected
        )


def fixed_average(found: Sequence[Pair], weights: Floats, key: int | None = None) -> Average:
    """A mean with weights taken as given, as Sun-Abraham's regression takes the cohorts' shares."""
    used = [(p, w) for p, w in zip(found, weights, strict=True) if w != 0]
    return Average(
        key,
        float(sum(w * p.att for p, w in used)),
        np.sum([w * p.influence for p, w in used], axis=0),
        float(sum(w * p.observed for p, w in used)),
        np.sum([w * p.observed_influence for p, w in used], axis=0),
        np.asarray(weights, dtype=float),
    )


def share_average(data: Staggered, found: Sequence[Pair], keep: Bools, key: int | None = None) -> Average:
    """The mean of the kept effects weighted by the size of their cohorts, whose estimation is part of the standard error."""
    starts = np.array([p.start for p in found])
    dates, cohort = np.unique(starts, return_inverse=True)
    share = np.array([data.share_of(data.starts == s) for s in dates])[cohort] * keep
    total = share.sum()
    fixed = fixed_average(found, share / total, key)
    own = (data.starts[:, None] == starts[None, :]) * keep - share
    drawn = data.spread_out(own / total - own.sum(axis=1)[:, None] * share / total**2)
    att = np.array([p.att if k else 0.0 for p, k in zip(found, keep, strict=True)])
    level = np.array([p.observed if k else 0.0 for p, k in zip(found, keep, strict=True)])
    return replace(
        fixed,
        influence=fixed.influence + drawn @ att,
        observed_influence=fixed.observed_influence + drawn @ level,
    )


def mean_of(parts: Sequence[Average], weights: Floats | None = None, key: int | None = None) -> Average:
    """The mean of averages, equally weighted unless weights are given."""
    w = np.full(len(parts), 1 / len(parts)) if weights is None else weights
    return Average(
        key,
        float(sum(a * p.att for a, p in zip(w, parts, strict=True))),
        np.sum([a * p.influence for a, p in zip(w, parts, strict=True)], axis=0),
        float(sum(a * p.observed for a, p in zip(w, parts, strict=True))),
        np.sum([a * p.observed_influence for a, p in zip(w, parts, strict=True)], axis=0),
        np.sum([a * p.weights for a, p in zip(w, parts, strict=True)], axis=0),
    )


def aggregate(data: Staggered, found: Sequence[Pair], kind: Aggregation) -> tuple[Average, list[Average]]:
    """(overall, parts) of one aggregation: by event time, by cohort, by calendar period, or over all treated cells."""
    after = np.array([p.after for p in found])
    if kind == "simple":
        whole = share_average(data, found, after)
        return whole, []
    if kind == "group":
        starts = np.array([p.start for p in found])
        kept = [g for g in data.dates if (after & (starts == g)).any()]
        by = [fixed_average(found, (k := after & (starts == g)) / k.sum(), int(g)) for g in kept]
        return _over_cohorts(data, by), by
    times = np.array([p.event_time if kind == "dynamic" else p.t for p in found])
    keep = np.ones(len(found), dtype=bool) if kind == "dynamic" else after
    by = [share_average(data, found, keep & (times == e), int(e)) for e in np.unique(times[keep])]
    return mean_of([b for b in by if kind == "calendar" or (b.key is not None and b.key >= 0)]), by


def _over_cohorts(data: Staggered, by: Sequence[Average]) -> Average:
    share = np.array([data.share_of(data.starts == b.key) for b in by])
    fixed = mean_of(by, share / share.sum())
    own = (data.starts[:, None] == np.array([b.key for b in by])[None, :]) - share
    drawn = data.spread_out(own / share.sum() - own.sum(axis=1)[:, None] * share / share.sum() ** 2)
    return replace(
        fixed,
        influence=fixed.influence + drawn @ np.array([b.att for b in by]),
        observed_influence=fixed.observed_influence + drawn @ np.array([b.observed for b in by]),
    )


# The same numbers as one weight for each cohort and period, for tables without holes or covariates.


def cohort_weights(data: Staggered, found: Sequence[Pair], weights: Floats) -> Floats:
    """(k + 1) x T: what a site of each cohort (last row: never) contributes per unit of its level in each period."""
    dates = data.dates
    cohort = np.searchsorted(dates, data.starts)
    counts = np.bincount(cohort, minlength=len(dates) + 1)
    table = np.zeros((len(dates) + 1, data.n_periods))
    for pair, w in zip(found, weights, strict=True):
        if w == 0 or pair.t == pair.base:
            continue
        control = controls_of(data, pair.start, pair.t, pair.base)
        theirs = np.unique(cohort[control])
        own = int(np.searchsorted(dates, pair.start))
        for rows, per_site in (([own], w / counts[own]), (theirs, -w / control.sum())):
            table[rows, pair.t] += per_site
            table[rows, pair.base] -= per_site
    return table


Linear = Callable[[Floats], Floats]
"""From levels n x T to the estimate under every assignment held (N)."""


def by_weights(weights: Floats, ways: ri.Assignments) -> Linear:
    """The estimate under every assignment when it is one weight for each cohort and period."""

    def of(level: Floats) -> Floats:
        table = level @ weights.T
        never = table[:, -1]
        return np.asarray(never.sum() + ways.own(table[:, :-1] - never[:, None]))

    return of


def by_pairs(data: Staggered, found: Sequence[Pair], weights: Floats, ways: ri.Assignments) -> Linear:
    """The estimate under every assignment from sites seen at both dates: for tables with holes or weights.

    A cohort or its controls that an assignment leaves without a site at some pair of dates add nothing there.
    """
    seen_all = ~np.isnan(data.level)
    groups = [ways.rows[:, ways.cohort == c] for c in range(len(ways.starts))]

    def one(level: Floats, pair: Pair) -> Floats:
        seen = (seen_all[:, pair.t] & seen_all[:, pair.base]) * (1.0 if data.weight is None else data.weight)
        change = (level[:, pair.t] - level[:, pair.base]) * seen
        sums = [np.stack([change[g].sum(axis=1), seen[g].sum(axis=1)]) for g in groups]
        others = np.array([[change.sum()], [seen.sum()]]) - np.sum(sums, axis=0)
        own = int(np.searchsorted(ways.starts, pair.start))
        if data.control == "not_yet":
            last = max(pair.t, pair.base)
            others = others + sum(s for c, s in enumerate(sums) if ways.starts[c] > last and c != own)
        means = [np.divide(s[0], s[1], out=np.zeros(len(ways.rows)), where=s[1] > 0) for s in (sums[own], others)]
        return np.asarray((means[0] - means[1]) * (sums[own][1] > 0) * (others[1] > 0))

    def of(level: Floats) -> Floats:
        used = [(p, w) for p, w in zip(found, weights, strict=True) if w != 0 and p.t != p.base]
        return np.asarray(sum(w * one(level, p) for p, w in used))

    return of


def by_refitting(data: Staggered, ways: ri.Assignments, average: Callable[[Staggered], float]) -> Linear:
    """The estimate under every assignment, each fitted anew: for tables with covariates."""

    def of(level: Floats) -> Floats:
        values = np.empty(len(ways.rows))
        for i, row in enumerate(ways.rows):
            starts = np.full(data.n_sites, data.n_periods)
            starts[row] = ways.starts[ways.cohort]
            values[i] = average(replace(data.with_level(level), starts=starts))
        return values

    return of


def fewer(ways: ri.Assignments, effects: int) -> ri.Assignments:
    """The real assignment and a seeded draw of the others, few enough to refit `effects` cohort-period effects for each."""
    most = max(REFIT_BUDGET // max(effects, 1) // 2, 40)
    if len(ways.rows) <= most:
        return ways
    step = np.linspace(0, len(ways.rows) - 1, most).round().astype(int)
    rows = np.union1d(step, [ways.real])
    return replace(ways, rows=ways.rows[rows], real=int(np.searchsorted(rows, ways.real)))


@dataclass(frozen=True)
class Randomised:
    """An estimate that is linear in the outcome, under every assignment: `fixed` + g x `moved`.

    On the difference scale g = -effect and `moved` is the estimate made of the switch alone; as a ratio g = exp(-log
    ratio) and `moved` is what the levels after the true starts contribute. `spread` is what each assignment is divided by.
    """

    fixed: Floats
    moved: Floats
    real: int
    p_least: float
    ratio: bool
    scaled: Callable[[float], Floats]

    @property
    def estimate(self) -> float:
        """The effect at which the real assignment's statistic is zero; NaN when no ratio brings it there."""
        ratio = -self.moved[self.real] / self.fixed[self.real] if self.fixed[self.real] else math.nan
        if self.ratio:
            return math.log(ratio) if ratio > 0 else math.nan
        return float(self.fixed[self.real] / self.moved[self.real])

    def p_value(self, effect: float) -> float:
        """Share of assignments at least as far from zero as the real one when the true effect is `effect`."""
        return ri.p_value(self.statistic(effect), self.real)

    def statistic(self, effect: float) -> Floats:
        """N: the statistic of every assignment with `effect` taken out of the sites that were truly treated."""
        g = math.exp(-effect) if self.ratio else -effect
        value = self.fixed + g * self.moved
        spread = self.scaled(g)
        scale = np.abs(value).max(initial=0.0)
        value = np.where(np.abs(value) < ri.TIE * max(scale, 1e-300), 0.0, value)
        return np.asarray(np.divide(value, spread, out=np.zeros_like(value), where=spread > 0))

    def invert(self, alpha: float, step: float) -> ri.Inversion | None:
        """The interval of effects not rejected; None where the design cannot reject any."""
        if self.p_least > alpha + ri.TIE or not step > 0 or math.isnan(self.estimate):
            return None
        return ri.invert(self.p_value, self.estimate, alpha=alpha, p_least=self.p_least, step=step)


def randomise(
    data: Staggered, ways: ri.Assignments, linear: Linear, weights: Floats | None, *, ratio: bool
) -> Randomised:
    """The randomisation of an estimate. With cohort weights each assignment is scaled by the size of the sites drawn.

    The scale is that of site_did: A + B / size fitted to the spread of what each site would add at each start date.
    """
    level, switch = np.nan_to_num(data.level), data.switch
    parts = (np.where(switch, 0.0, level), np.where(switch, level, 0.0)) if ratio else (level, switch.astype(float))
    fixed, moved = (linear(part) for part in parts)
    if weights is None:
        one = np.ones(len(fixed))
        return Randomised(fixed, moved, ways.real, ways.p_least, ratio, lambda g: one)
    tables = [(part @ weights.T)[:, :-1] - (part @ weights.T)[:, -1:] for part in parts]
    tables = [t * ways.sizes for t in tables]

    def scaled(g: float) -> Floats:
        a, b = ri.size_variance(tables[0] + g * tables[1], data.size)
        return np.asarray(np.sqrt((a + b / data.size)[ways.rows].sum(axis=1)))

    return Randomised(fixed, moved, ways.real, ways.p_least, ratio, scaled)
