"""Effects by cohort and month over people (Callaway and Sant'Anna), from the people alive and seen at both dates of each.

A cohort is the people who start in the same month: by their own referral, or by the launch of their home hospital. The people
of hospitals that never start are the comparison. Definitions: docs/methods/patient_group_time.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._cohorts import HOSPITALS_FOR_TAU2, Flags, Floats, Ints, PersonMonths
from aaot_eval.estimators._random_effects import dersimonian_laird
from aaot_eval.estimators._staggered import Aggregation, Base, Randomised

By = Literal["referral", "launch"]
MONTHS_A_YEAR = 12


@dataclass(frozen=True)
class Grouped:
    """People x months with each person's start (T = comparison) and hospital; months left out are not in it.

    `months` (T,) is the panel's number of each. `y`, `seen`: P x T. `unit` (P,), `names` hospitals; `treated` (U,).
    `dropped`: people of treated hospitals who are in no cohort, by reason.
    """

    y: Floats
    seen: Flags
    start: Ints
    unit: Ints
    names: tuple[str, ...]
    treated: Flags
    months: Ints
    base: Base
    dropped: dict[str, int]

    @property
    def n_months(self) -> int:
        """T."""
        return int(self.y.shape[1])

    @property
    def dates(self) -> Ints:
        """The months in which a cohort starts, ascending; none without a month before it."""
        return np.unique(self.start[(self.start < self.n_months) & (self.start > 0)])

    @property
    def others(self) -> Ints:
        """Row numbers of the comparison people."""
        return np.flatnonzero(self.start >= self.n_months)

    def sizes(self) -> Floats:
        """(G,) people of each cohort."""
        return np.array([(self.start == g).sum() for g in self.dates], dtype=float)

    def base_of(self, start: int) -> Ints:
        """(T,) the month that each month is compared with; -1 = none."""
        t = np.arange(self.n_months)
        return np.where((t >= start) | (self.base == "universal"), start - 1, t - 1)

    def changes(self, rows: Ints, start: int) -> tuple[Floats, Flags]:
        """(change since the base, seen at both dates) of some people, n x T; changes are 0 where not both are seen."""
        base = self.base_of(start)
        y, seen = self.y[rows], self.seen[rows]
        both = seen & seen[:, base] & (base >= 0)
        return np.where(both, y - y[:, base], 0.0), both


def grouped(people: PersonMonths, left_out: Flags, by: By, base: Base) -> Grouped:
    """The people of a comparison by their own referral or by their hospital's launch.

    People of a hospital with the service who were never referred are in no cohort by referral: taking them for comparison would
    use the future. Months from a service's stop on are not seen.
    """
    kept = np.flatnonzero(~left_out)
    never = len(kept)
    treated = people.treated
    mine = treated[people.unit]
    at = np.where(mine, people.referral, people.n_months) if by == "referral" else people.launch[people.unit]
    start = np.searchsorted(kept, at).astype(np.int64)
    start[at >= people.n_months] = never
    elsewhere = ~mine & (people.referral < people.n_months)
    unused = mine & (start >= never)
    early = start == 0
    keep = ~(elsewhere | unused | early)
    t = np.arange(people.n_months)
    seen = people.at_risk & (t < people.stop[people.unit][:, None])
    dropped = {"of a hospital with the service and never referred": int(unused.sum()), "referred from a hospital without it": int(elsewhere.sum()),
               "started in the first month": int(early.sum())}  # fmt: skip
    return Grouped(people.outcome[np.ix_(keep, kept)], seen[np.ix_(keep, kept)], start[keep], people.unit[keep], people.names, treated,
                   kept, base, {k: v for k, v in dropped.items() if v})  # fmt: skip


@dataclass(frozen=True)
class Effects:
    """Effects by cohort and month, one entry each: K cohort starts, months and bases (positions), the difference of changes,
    the cohort's mean level, people compared (seen at both dates) and people of theirs seen at one date only."""

    start: Ints
    t: Ints
    base: Ints
    att: Floats
    observed: Floats
    own: Ints
    others: Ints
    lost: Ints

    @property
    def after(self) -> Flags:
        """Whether the cohort has started."""
        return np.asarray(self.t >= self.start)

    @property
    def event_time(self) -> Ints:
        """Months since the start."""
        return np.asarray(self.t - self.start)


def effects(data: Grouped) -> Effects:
    """All of them that have people on both sides at both dates."""
    found: list[tuple[int, int, int, float, float, int, int, int]] = []
    others = data.others
    for g in map(int, data.dates):
        own = np.flatnonzero(data.start == g)
        base = data.base_of(g)
        (d1, b1), (d0, b0) = data.changes(own, g), data.changes(others, g)
        n1, n0 = b1.sum(axis=0), b0.sum(axis=0)
        level = np.where(b1, data.y[own], 0.0).sum(axis=0)
        single = [(data.seen[rows] ^ data.seen[rows][:, base]).sum(axis=0) for rows in (own, others)]
        for t in np.flatnonzero((n1 > 0) & (n0 > 0)):
            gap = d1[:, t].sum() / n1[t] - d0[:, t].sum() / n0[t]
            found.append((g, int(t), int(base[t]), float(gap), float(level[t] / n1[t]), int(n1[t]), int(n0[t]), int(single[0][t] + single[1][t])))  # fmt: skip
    columns = list(zip(*found, strict=True)) if found else [()] * 8
    kinds = (np.int64, np.int64, np.int64, float, float, np.int64, np.int64, np.int64)
    return Effects(*(np.array(c, dtype=k) for c, k in zip(columns, kinds, strict=True)))


@dataclass(frozen=True)
class Mean:
    """One way to put effects together: groups of them (M x K, bool), each weighted by the size of cohorts; then the groups by
    `by_size` (their cohorts' size) or equally. Within a group of `equal` effects count the same."""

    masks: Flags
    by_size: bool = False
    equal: bool = False

    def weights(self, found: Effects, data_dates: Ints, counts: Floats) -> Floats:
        """(..., K) weights of the effects for cohort sizes `counts` (..., G)."""
        size = counts[..., np.searchsorted(data_dates, found.start)]
        total = np.zeros(size.shape)
        share = self._shares(size)
        for m, mask in enumerate(self.masks):
            inside = np.where(mask, 1.0 if self.equal else size, 0.0)
            total = total + share[..., [m]] * inside / inside.sum(axis=-1, keepdims=True)
        return total

    def slopes(self, found: Effects, data_dates: Ints, counts: Floats) -> Floats:
        """(G, K) what one more person in each cohort does to the weights, at sizes `counts` (G,)."""
        cohort = np.searchsorted(data_dates, found.start)
        own, size = (np.arange(len(counts))[:, None] == cohort).astype(float), counts[cohort]
        share = self._shares(size)
        moved = np.zeros((len(counts), len(self.masks)))
        if self.by_size:
            scale = float((self.masks @ size / self.masks.sum(axis=1)).sum())
            step = own @ self.masks.T / self.masks.sum(axis=1)
            moved = (step - share * step.sum(axis=1, keepdims=True)) / scale
        total = np.zeros(own.shape)
        for m, mask in enumerate(self.masks):
            inside, more = (mask * 1.0, np.zeros(own.shape)) if self.equal else (mask * size, mask * own)
            part = inside / inside.sum()
            total += moved[:, [m]] * part + share[m] * (more - part * more.sum(axis=1, keepdims=True)) / inside.sum()
        return total

    def _shares(self, size: Floats) -> Floats:
        """(..., M) what each group of effects counts."""
        share = np.ones((*size.shape[:-1], len(self.masks)))
        if self.by_size:
            share = size @ self.masks.T / self.masks.sum(axis=1)
        return np.asarray(share / share.sum(axis=-1, keepdims=True))


def mean_over(found: Effects, kind: Aggregation) -> Mean:
    """simple: all months after the start; dynamic: by time since it; calendar: by month; group: by cohort, then by their sizes."""
    after = found.after
    if kind == "simple":
        return Mean(after[None, :])
    key = {"dynamic": found.event_time, "calendar": found.t, "group": found.start}[kind]
    masks = np.array([after & (key == k) for k in np.unique(key[after])])
    return Mean(masks, by_size=kind == "group", equal=kind == "group")


def at_event_time(found: Effects, e: int) -> Mean:
    """The effects e months since the start."""
    return Mean((found.event_time == e)[None, :])


@dataclass(frozen=True)
class Answer:
    """A mean effect: level difference a month, observed level, and each person's part in the errors (P,).

    `treated_share` (U,) hospitals' shares of the observed events; `control_share` (U,) what a relative change of a comparison
    hospital does to the expected level, as a share of it.
    """

    att: float
    observed: float
    influence: Floats
    observed_influence: Floats
    treated_share: Floats
    control_share: Floats

    @property
    def expected(self) -> float:
        """The level without the service."""
        return self.observed - self.att

    @property
    def log_ratio(self) -> float:
        """Log of observed over expected; NaN where either is not above zero."""
        return math.log(self.observed / self.expected) if self.observed > 0 and self.expected > 0 else math.nan

    @property
    def log_ratio_influence(self) -> Floats:
        """(P,) by the delta method."""
        return np.asarray(
            self.observed_influence / self.observed - (self.observed_influence - self.influence) / self.expected
        )


def answers(data: Grouped, found: Effects, means: Sequence[Mean]) -> list[Answer]:
    """Each mean with everybody's part in its error: their own changes, and their part in the sizes of cohorts."""
    dates, counts = data.dates, data.sizes()
    weights = np.array([m.weights(found, dates, counts) for m in means])
    slopes = np.array([m.slopes(found, dates, counts) for m in means])
    n_people, n_units, E = len(data.start), len(data.names), len(means)
    influence, level = np.zeros((n_people, E)), np.zeros((n_people, E))
    treated_events, control_events = np.zeros((n_units, E)), np.zeros((n_units, E))
    others = data.others
    others_at = _places(data.unit[others], n_units)
    for number, g in enumerate(map(int, dates)):
        k = np.flatnonzero(found.start == g)
        if not len(k):
            continue
        own, t = np.flatnonzero(data.start == g), found.t[k]
        w1, w0 = weights[:, k].T / found.own[k][:, None], weights[:, k].T / found.others[k][:, None]
        sides = (
            (own, _places(data.unit[own], n_units), w1, 1.0, treated_events),
            (others, others_at, w0, -1.0, control_events),
        )
        for rows, at, per, sign, events in sides:
            change, both = (a[:, t] for a in data.changes(rows, g))
            centred = change - both * (change.sum(axis=0) / both.sum(axis=0))
            influence[rows] += sign * (centred @ per)
            here = np.where(both, data.y[rows][:, t], 0.0)
            events += np.asarray(at @ here) @ per
            if sign > 0:
                level[rows] += (here - both * found.observed[k]) @ per
        moved = slopes[:, number]
        influence[own] += moved @ found.att
        level[own] += moved @ found.observed
    out = []
    for e in range(E):
        att, observed = float(weights[e] @ found.att), float(weights[e] @ found.observed)
        total = treated_events[:, e].sum()
        share = treated_events[:, e] / total if total else treated_events[:, e]
        expected = observed - att
        other = control_events[:, e] / expected if expected > 0 else np.full(n_units, math.nan)
        out.append(Answer(att, observed, influence[:, e], level[:, e], share, other))
    return out


def _places(unit: Ints, n_units: int) -> sparse.csr_matrix:
    """(U, n) ones at each person's hospital: times values it sums them over hospitals."""
    return sparse.csr_matrix((np.ones(len(unit)), (unit, np.arange(len(unit)))), shape=(n_units, len(unit)))


@dataclass(frozen=True)
class Spread:
    """Standard errors of the log ratio and of the difference with hospitals as random, and what they are made of.

    NaN with the reason in `lacking` where too few comparison hospitals are left to see the variance between them.
    """

    log_error: float
    level_error: float
    df: int
    tau2: float
    person_error: float
    lacking: str = ""


def spread(data: Grouped, answer: Answer) -> Spread:
    """People's own parts, and the variance between comparison hospitals in what each would have as its log ratio."""
    ratio = math.isfinite(answer.log_ratio)
    phi = answer.log_ratio_influence if ratio else answer.influence
    n_units = len(data.names)
    sums = np.bincount(data.unit, weights=phi, minlength=n_units)
    squares = np.bincount(data.unit, weights=phi**2, minlength=n_units)
    lever = np.where(data.treated, 0.0, np.nan_to_num(answer.control_share))
    if not ratio:  # on the scale of levels every comparison hospital counts by its people
        lever = np.where(data.treated, 0.0, np.bincount(data.unit, minlength=n_units) / max(len(data.others), 1))
    some = (lever > 0) & (squares > 0)
    people, df = float((phi**2).sum()), int(some.sum()) - 1
    level_people = float((answer.influence**2).sum())
    if some.sum() < HOSPITALS_FOR_TAU2:
        lacking = f"fewer than {HOSPITALS_FOR_TAU2} comparison hospitals: the variance between hospitals cannot be told"
        return Spread(math.nan, math.nan, df, math.nan, math.sqrt(people), lacking)
    tau2 = dersimonian_laird(sums[some] / lever[some], squares[some] / lever[some] ** 2)
    treated = float((answer.treated_share**2).sum())
    log_variance = people + tau2 * (treated + float((lever**2).sum()))
    scale = (answer.observed**2, answer.expected**2) if ratio else (1.0, 1.0)
    level = level_people + tau2 * (treated * scale[0] + float((lever**2).sum()) * scale[1])
    return Spread(math.sqrt(log_variance) if ratio else math.nan, math.sqrt(level), df, tau2, math.sqrt(people))


# Exact randomisation over hospitals: everybody of a hospital has its start.


def randomised(data: Grouped, found: Effects, mean: Mean, seed: int) -> tuple[Randomised, ri.Assignments]:
    """The ratio under every way to hand the launch months to hospitals, the whole estimate made anew each time.

    Every hospital's sums of changes at every pair of dates are all that is needed; sizes of cohorts follow who is drawn.
    """
    here = np.unique(data.unit)
    launch = np.array([data.start[data.unit == u][0] for u in here])
    ways = ri.assign_starts(launch, data.n_months, seed)
    place = np.searchsorted(here, data.unit)
    people = np.bincount(place).astype(float)
    after = data.seen & (np.arange(data.n_months) >= data.start[:, None])
    tables = [
        _sums(data, found, place, len(here), values)
        for values in (np.where(after, 0.0, data.y), np.where(after, data.y, 0.0))
    ]
    number = _sums(data, found, place, len(here), None)
    cohort = np.searchsorted(ways.starts, found.start)
    counts = np.stack([people[ways.rows[:, ways.cohort == c]].sum(axis=1) for c in range(len(ways.starts))], axis=1)
    weights = mean.weights(found, ways.starts, counts)

    def linear(sums: Floats) -> Floats:
        everybody, all_n = sums.sum(axis=0), number.sum(axis=0)
        drawn, drawn_n = sums[ways.rows].sum(axis=1), number[ways.rows].sum(axis=1)
        own, own_n = np.zeros(drawn.shape), np.zeros(drawn.shape)
        for c in range(len(ways.starts)):
            mine, k = ways.rows[:, ways.cohort == c], np.flatnonzero(cohort == c)
            own[:, k], own_n[:, k] = sums[:, k][mine].sum(axis=1), number[:, k][mine].sum(axis=1)
        rest, rest_n = everybody - drawn, all_n - drawn_n
        ok = (own_n > 0) & (rest_n > 0)
        gap = np.where(ok, own / np.maximum(own_n, 1) - rest / np.maximum(rest_n, 1), 0.0)
        return np.asarray((weights * gap).sum(axis=1))

    share = people[ways.rows] / people[ways.rows].sum(axis=1, keepdims=True)
    each = [_own_mean(t, number, found, cohort, len(ways.starts)) for t in tables]

    def scaled(g: float) -> Floats:
        a, b = ri.size_variance(each[0] + g * each[1], people)
        return np.asarray(np.sqrt((share**2 * (a + b / people)[ways.rows]).sum(axis=1)))

    fixed, moved = (linear(t) for t in tables)
    return Randomised(fixed, moved, ways.real, ways.p_least, True, scaled), ways


def _own_mean(sums: Floats, number: Floats, found: Effects, cohort: Ints, n_cohorts: int) -> Floats:
    """(U, G) each hospital's mean change after each start date."""
    change = np.divide(sums, number, out=np.zeros_like(sums), where=number > 0)
    columns = [change[:, found.after & (cohort == c)].mean(axis=1) for c in range(n_cohorts)]
    return np.column_stack(columns)


def _sums(data: Grouped, found: Effects, place: Ints, n_units: int, values: npt.NDArray[np.float64] | None) -> Floats:
    """(U, K) changes of everybody of each hospital seen at both dates of each effect; how many people, without values."""
    out = np.zeros((n_units, len(found.t)))
    at = _places(place, n_units)
    for g in map(int, data.dates):
        k = np.flatnonzero(found.start == g)
        base = data.base_of(g)[found.t[k]]
        both = data.seen[:, found.t[k]] & data.seen[:, base]
        change = both.astype(float) if values is None else np.where(both, values[:, found.t[k]] - values[:, base], 0.0)
        out[:, k] = np.asarray(at @ change)
    return out


def all_rows(data: Grouped, found: Effects, mean: Mean) -> float:
    """The mean effect from the means of everybody seen at each date, as repeated cross-sections; its people change as some die."""
    weights = mean.weights(found, data.dates, data.sizes())
    gaps = np.zeros(len(found.t))
    other = _means(data, data.start >= data.n_months)
    for g in map(int, data.dates):
        own, k = _means(data, data.start == g), found.start == g
        t, b = found.t[k], found.base[k]
        gaps[k] = own[t] - own[b] - (other[t] - other[b])
    return float(weights @ gaps)


def _means(data: Grouped, rows: Flags) -> Floats:
    """(T,) mean of everybody seen in each month."""
    seen = data.seen[rows]
    n = seen.sum(axis=0)
    mean = np.divide((data.y[rows] * seen).sum(axis=0), n, out=np.full(data.n_months, math.nan), where=n > 0)
    return np.asarray(mean, dtype=float)
