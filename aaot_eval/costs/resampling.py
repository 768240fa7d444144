"""Two-stage resampling of costs: hospitals with replacement, then patients within each drawn hospital.

Only where each arm has ten hospitals or more; formulae and the correction for counting the spread within hospitals twice:
docs/methods/cost_sensitivity.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.results import generator

Floats = NDArray[np.float64]

LEAST_HOSPITALS = 10  # with fewer an arm's hospitals cannot stand for others: decisions on the economics, section 5
BLOCK = 80_000
"""Draws held at once: memory does not grow with the replicates, and larger blocks are no faster."""


@dataclass(frozen=True)
class Arm:
    """Costs of one arm, hospital after hospital: `cost` (n,), `first` (J + 1,) where each hospital begins; the last is n."""

    cost: Floats
    first: NDArray[np.int64]

    @classmethod
    def of(cls, hospitals: Sequence[Floats]) -> Arm:
        """The arm with these hospitals' patients' costs."""
        sizes = [len(h) for h in hospitals]
        return cls(np.concatenate(hospitals).astype(float), np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(J,) patients of each hospital."""
        return np.diff(self.first)

    @property
    def means(self) -> Floats:
        """(J,) mean cost of each hospital."""
        return np.asarray(np.add.reduceat(self.cost, self.first[:-1]) / self.sizes)


@dataclass(frozen=True)
class Corrected:
    """Hospital means pulled to the grand mean and deviations stretched, so that resamples have the right variance."""

    centre: Floats
    stretch: float


def corrected(arm: Arm) -> Corrected:
    """Davison and Hinkley's correction: without it the spread within hospitals counts twice.

    centre = c x grand mean + (1 - c) x hospital mean, with c = 1 - sqrt(max(0, J/(J-1) - SSW / (m (m-1) SSB))), at most
    1; m the harmonic mean of the sizes, SSB the sum of squares of the hospital means. stretch = 1 / sqrt(1 - 1/m).
    """
    means, sizes = arm.means, arm.sizes
    j, m = len(means), len(means) / float((1 / sizes).sum())
    within = float(((arm.cost - np.repeat(means, sizes)) ** 2).sum()) * m / sizes.mean()
    between = float(((means - means.mean()) ** 2).sum())
    if not between > 0 or not m > 1:
        return Corrected(np.full(j, means.mean()), 1.0 if not m > 1 else 1 / math.sqrt(1 - 1 / m))
    kept = math.sqrt(max(0.0, j / (j - 1) - within / (m * (m - 1) * between)))
    return Corrected(means.mean() + kept * (means - means.mean()), 1 / math.sqrt(1 - 1 / m))


def resampled_means(arm: Arm, n: int, *, seed: int, purpose: str = "") -> Floats:
    """n resampled mean costs of an arm, by hospital and then by patient within it.

    A hospital of m patients gives m draws each time it is drawn, so the mean of a resample is over its patients. Raises
    InputError (C170) when the arm has fewer than ten hospitals or a hospital has no patient.
    """
    _refuse(arm)
    rng = generator(seed, "two-stage", purpose)
    shape, sizes = corrected(arm), arm.sizes
    deviation = arm.cost - np.repeat(arm.means, sizes)
    hospitals = rng.integers(0, len(sizes), (n, len(sizes)))
    total = (shape.centre * sizes)[hospitals].sum(axis=1)
    for hospital in range(len(sizes)):
        values = deviation[arm.first[hospital] : arm.first[hospital + 1]]
        times = (hospitals == hospital).sum(axis=1)
        total += shape.stretch * _sums_of_draws(values, times, rng)
    return np.asarray(total / sizes[hospitals].sum(axis=1))


def resampled_by_site(arm: Arm, n: int, *, seed: int, purpose: str = "") -> Floats:
    """n resampled mean costs of an arm by hospital alone, its patients as they are. Raises InputError as above."""
    _refuse(arm)
    sizes, totals = arm.sizes, np.add.reduceat(arm.cost, arm.first[:-1])
    times = generator(seed, "by site", purpose).multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), n)
    return np.asarray((times @ totals) / (times @ sizes))


def _sums_of_draws(values: Floats, times: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """For each replicate the sum of `times` x len(values) values drawn with replacement."""
    size = len(values)
    ends = np.cumsum(times)
    sums = np.zeros(int(ends[-1]))
    rows = max(1, BLOCK // size)
    for begin in range(0, len(sums), rows):
        end = min(begin + rows, len(sums))
        drawn = values.take(rng.integers(0, size, (end - begin) * size))
        drawn.reshape(-1, size).sum(axis=1, out=sums[begin:end])
    running = np.concatenate([[0.0], np.cumsum(sums)])
    return np.asarray(running[ends] - running[ends - times])


def _refuse(arm: Arm) -> None:
    if len(arm.sizes) < LEAST_HOSPITALS or (arm.sizes < 1).any():
        raise InputError(
            Problem(
                "C170",
                f"an arm of {counted(len(arm.sizes), 'hospital')} cannot be resampled by hospital",
                allowed=f"{LEAST_HOSPITALS} hospitals or more in each arm, each with patients",
                do="read the interval of the comparison itself, which does not rest on resampling",
            )
        )
