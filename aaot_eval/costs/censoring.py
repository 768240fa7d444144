"""Mean cost per patient over a fixed time when follow-up of some is cut short: weighted means and what naive ones say.

Death ends a patient's costs and is no censoring; the end of the extract is. Formulae, sources and limits:
docs/methods/cost_sensitivity.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Mean:
    """A mean cost per patient in pounds, and its standard error (NaN where none is defined)."""

    value: float
    std_error: float = math.nan


@dataclass(frozen=True)
class Histories:
    """n patients' costs up to a limit, in the order of `time`.

    `time` (n,) of observation, at most the limit; `complete` (n,) True when seen to death or to the limit; `start`,
    `stop`, `cost` (m,) the pieces of cost and `patient` (m,) whose they are: each is spread evenly from `start` to
    `stop`, and `step` is what one unit of time adds to its length (1 when start and stop are days both counted, 0
    for points in time). A piece without length falls on its start. Nothing is kept from beyond a patient's `time`.
    """

    time: Floats
    complete: Flags
    patient: NDArray[np.int64]
    start: Floats
    stop: Floats
    cost: Floats
    step: float = 0.0

    def __post_init__(self) -> None:
        if not len(self.time):
            raise ValueError("there is no patient to take a mean over")

    @property
    def n(self) -> int:
        """How many patients there are."""
        return len(self.time)

    def until(self, moment: float) -> Floats:
        """(n,) each patient's cost up to `moment`, or to the end of observation when that comes first."""
        end = np.minimum(self.time, moment)[self.patient]
        length = self.stop - self.start + self.step
        share = np.divide(end - self.start + self.step, length, out=np.ones_like(length), where=length > 0)
        share = np.where(end < self.start, 0.0, np.where(end >= self.stop, 1.0, share))
        return np.asarray(np.bincount(self.patient, weights=self.cost * share, minlength=self.n), dtype=float)

    @property
    def total(self) -> Floats:
        """(n,) each patient's cost as far as it was seen."""
        return self.until(math.inf)


def histories(pieces: pd.DataFrame, patients: pd.DataFrame, limit: float, *, step: float = 0.0) -> Histories:
    """Histories up to `limit` from tables.

    `patients`: index patient, `surv` (time observed), `delta` (1 = followed to death or the end). `pieces`: id,
    start, stop, cost. Whoever was observed to the limit counts as complete there.
    """
    time = np.minimum(patients["surv"].to_numpy(dtype=float), limit)
    complete = (patients["delta"].to_numpy() == 1) | (patients["surv"].to_numpy() >= limit)
    who = patients.index.get_indexer(pd.Index(pieces["id"]))
    if (who < 0).any():
        raise ValueError("a cost belongs to nobody in the table of patients")
    start, stop, cost = (pieces[c].to_numpy(dtype=float) for c in ("start", "stop", "cost"))
    return Histories(time, complete, who.astype(np.int64), start, stop, cost, step)


def monthly_histories(cost: Floats, followed: NDArray[np.int64], complete: Flags) -> Histories:
    """Histories from calendar months: `cost` (n patients x m), the months `followed` (n,), and whether that ended in death or at m.

    A month's cost and a death fall on the middle of the month, a cut on its end: whoever died in a month in which the
    follow-up of others ended was seen to die.
    """
    months = cost.shape[1]
    seen = np.arange(months) < followed[:, None]
    who, month = np.nonzero(seen)
    died = complete & (followed < months)
    middle = np.asarray(month + 0.5, dtype=float)
    return Histories(
        np.where(died, followed - 0.5, followed).astype(float), complete, who, middle, middle, cost[who, month]
    )


def survivor(time: Floats, event: Flags, at: Floats, *, before: bool = False) -> Floats:
    """Kaplan-Meier survivor function of `event` at each of `at`; `before` = just before, S(t-)."""
    moments, where = np.unique(time, return_inverse=True)
    events = np.bincount(where, weights=event)
    at_risk = len(time) - np.searchsorted(np.sort(time), moments, side="left")
    curve = np.append(1.0, np.cumprod(1 - events / at_risk))
    return np.asarray(curve[np.searchsorted(moments, at, side="left" if before else "right")])


def uncensored(seen: Histories) -> Floats:
    """(n,) K(T): the chance that somebody is still followed up at the time at which each patient's observation ended."""
    return survivor(seen.time, ~seen.complete, seen.time)


def naive(seen: Histories) -> Mean:
    """The mean of what was seen: too low, because costs after the end of follow-up count as none."""
    return Mean(float(seen.total.mean()), float(seen.total.std(ddof=1) / math.sqrt(seen.n)) if seen.n > 1 else math.nan)


def complete_cases(seen: Histories) -> Mean:
    """The mean of those seen to death or to the limit: it leans to those who die early."""
    known = seen.total[seen.complete]
    if not len(known):
        return Mean(math.nan)
    return Mean(float(known.mean()), float(known.std(ddof=1) / math.sqrt(len(known))) if len(known) > 1 else math.nan)


def bang_tsiatis(seen: Histories) -> Mean:
    """Complete cases weighted by 1 / K(T) (Bang and Tsiatis 2000, the simple weighted estimator)."""
    weight, total = _weights(seen), seen.total
    return Mean(float((weight * total).mean()), math.sqrt(_spread(seen, weight, total) / seen.n))


def zhao_tian(seen: Histories) -> Mean:
    """Bang-Tsiatis with the histories of the censored added (Zhao and Tian 2001).

    A patient censored at C adds (own cost to C - mean cost to C of everybody observed at C) / K(C).
    """
    weight, total = _weights(seen), seen.total
    mean, spread = float((weight * total).mean()), _spread(seen, weight, total)
    for cut in _cuts(seen):
        so_far = seen.until(cut.moment)
        mean += float(((total[cut.here] - so_far[cut.later].mean()) / cut.chance).sum() / seen.n)
        both = cut.weighted(weight, total * so_far) - cut.weighted(weight, total) * cut.weighted(weight, so_far)
        spread += cut.share * (float(so_far[cut.later].var()) - 2 * both)
    return Mean(mean, math.sqrt(max(spread, 0.0) / seen.n))


def partitioned(seen: Histories, edges: Floats) -> Mean:
    """Bang-Tsiatis within each interval of `edges` (K + 1,), added up: the censored count until they are (2000, section 3).

    The standard error is that of the sum of the intervals' influence functions.
    """
    mean, influence = 0.0, np.zeros(seen.n)
    for begin, end in pairwise(edges):
        time = np.minimum(seen.time, end)
        part = Histories(
            time, seen.complete | (seen.time >= end), seen.patient, seen.start, seen.stop, seen.cost, seen.step
        )
        weight, cost = _weights(part), part.until(end) - part.until(begin)
        mean += float((weight * cost).mean())
        influence += weight * cost - (weight * cost).mean()
        for cut in _cuts(part):
            rest = float((weight * cost)[cut.later].sum() / seen.n)
            at_risk = cut.later.mean()
            influence += rest / at_risk * (cut.here - cut.later * cut.here.sum() / cut.later.sum())
    return Mean(mean, _of_influence(influence))


def lin(seen: Histories, edges: Floats) -> Mean:
    """Chance of being alive at the start of each interval x mean cost within it of those observed then (Lin and others 1997).

    Right when follow-up is cut only at the ends of intervals, as it is by month; costs of an interval cut short count
    as far as they were seen.
    """
    alive = survivor(seen.time, seen.complete & (seen.time < edges[-1]), edges[:-1])
    mean, influence = 0.0, np.zeros(seen.n)
    for begin, end, share in zip(edges[:-1], edges[1:], alive, strict=True):
        observed = seen.time > begin
        if not observed.any():
            continue
        cost = seen.until(end) - seen.until(begin)
        average = float(cost[observed].mean())
        mean += float(share) * average
        influence += share * observed * (cost - average) / observed.mean() + average * share * _of_survival(seen, begin)
    return Mean(mean, _of_influence(influence))


def _of_survival(seen: Histories, at: float) -> Floats:
    """(n,) influence of each patient on the log of the chance to be alive at `at`."""
    out = np.zeros(seen.n)
    for moment in np.unique(seen.time[seen.complete & (seen.time <= at)]):
        died, later = seen.complete & (seen.time == moment), seen.time >= moment
        out -= (died - later * died.sum() / later.sum()) / later.mean()
    return out


def _of_influence(influence: Floats) -> float:
    return float(math.sqrt((influence**2).sum()) / len(influence))


@dataclass(frozen=True)
class _Cut:
    """A moment at which follow-up of some (`here`) was cut; `later` are those observed to it or beyond.

    `chance` is K there, `size` n x S there, `share` the sum of 1 / K^2 over the cut, a patient.
    """

    moment: float
    here: Flags
    later: Flags
    chance: float
    size: float

    @property
    def share(self) -> float:
        return float(self.here.sum()) / self.chance**2 / len(self.here)

    def weighted(self, weight: Floats, values: Floats) -> float:
        """The weighted mean of `values` over those alive at the moment."""
        return float((weight * values)[self.later].sum() / self.size)


def _cuts(seen: Histories) -> Iterator[_Cut]:
    """Every moment at which follow-up was cut, in order; the last patient of all adds nothing and is left out."""
    moments = np.unique(seen.time[~seen.complete])
    chance = survivor(seen.time, ~seen.complete, moments)
    size = seen.n * survivor(seen.time, seen.complete, moments)
    for moment, k, s in zip(moments, chance, size, strict=True):
        if k > 0 and s > 0:
            yield _Cut(moment, ~seen.complete & (seen.time == moment), seen.time >= moment, float(k), float(s))


def _weights(seen: Histories) -> Floats:
    """(n,) 1 / K(T) for complete patients, 0 for the censored."""
    return np.where(seen.complete, 1 / np.where(seen.complete, uncensored(seen), 1.0), 0.0)


def _spread(seen: Histories, weight: Floats, total: Floats) -> float:
    """n x the plug-in variance of the simple weighted mean."""
    spread = float((weight * (total - (weight * total).mean()) ** 2).mean())
    for cut in _cuts(seen):
        spread += cut.share * (cut.weighted(weight, total**2) - cut.weighted(weight, total) ** 2)
    return spread
