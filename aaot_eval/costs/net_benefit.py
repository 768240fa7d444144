"""Which of several options is the better use of money, and what it would be worth to know for certain.

Net benefit of an option = value of one unit of outcome x outcome - cost. Formulae, sources and limits:
docs/methods/net_benefit.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Place = Literal[
    "dominant",
    "dominated",
    "costs more, better outcome",
    "costs less, worse outcome",
    "same outcome",
    "same cost",
    "same",
]
KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)  # Harrell's places of five knots, as shares of the draws
#: A regression on fewer draws than these follows the noise, and noise looks like information.
LEAST_DRAWS = 100


@dataclass(frozen=True)
class Options:
    """Draws of cost and outcome of the same options in the same worlds.

    `cost` and `effect` are (n, m): row b is one world, column j the option `labels[j]`. A higher effect is better. Raises
    ValueError when a label is missing or repeated, the shapes differ, or a draw is not finite: a decision is never made
    from columns that could have got out of step.
    """

    labels: tuple[str, ...]
    cost: np.ndarray
    effect: np.ndarray

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError("options need at least two labels, each once")
        if self.cost.shape != self.effect.shape or self.cost.ndim != 2 or self.cost.shape[1] != len(self.labels):
            raise ValueError(
                f"cost {self.cost.shape} and effect {self.effect.shape} are not draws x {len(self.labels)}"
            )
        if not (np.isfinite(self.cost).all() and np.isfinite(self.effect).all()):
            raise ValueError("a draw of cost or effect is not finite")

    @classmethod
    def of(cls, cost: Mapping[str, np.ndarray], effect: Mapping[str, np.ndarray]) -> Options:
        """Options from draws by label; both mappings must hold the same labels."""
        if set(cost) != set(effect):
            raise ValueError(f"costs are of {sorted(cost)}, effects of {sorted(effect)}")
        labels = tuple(cost)
        return cls(labels, np.column_stack([cost[k] for k in labels]), np.column_stack([effect[k] for k in labels]))

    def net_benefit(self, value: float) -> np.ndarray:
        """Net benefit (n, m) when one unit of outcome is worth `value` pounds."""
        return np.asarray(value * self.effect - self.cost)

    def incremental(self, value: float, option: str, reference: str) -> np.ndarray:
        """Incremental net benefit (n,) of an option over the reference."""
        nb = self.net_benefit(value)
        return np.asarray(nb[:, self.labels.index(option)] - nb[:, self.labels.index(reference)])

    def mean_net_benefit(self, value: float) -> dict[str, float]:
        """Mean net benefit by option."""
        return dict(zip(self.labels, map(float, self.net_benefit(value).mean(axis=0)), strict=True))

    def best(self, value: float) -> tuple[str, ...]:
        """The options with the highest mean net benefit; more than one when they tie exactly."""
        means = self.mean_net_benefit(value)
        top = max(means.values())
        return tuple(label for label, mean in means.items() if mean == top)

    def acceptability(self, value: float) -> dict[str, float]:
        """The share of worlds in which each option has the highest net benefit; tied options share a world equally."""
        nb = self.net_benefit(value)
        top = nb == nb.max(axis=1, keepdims=True)
        return dict(zip(self.labels, map(float, (top / top.sum(axis=1, keepdims=True)).mean(axis=0)), strict=True))

    def frontier(self, value: float) -> tuple[str, float]:
        """The option of highest mean net benefit and its probability of being best; of tied options the first one."""
        first = self.best(value)[0]
        return first, self.acceptability(value)[first]

    def expected_loss(self, value: float) -> dict[str, float]:
        """What choosing each option loses on average against the best option of each world, in pounds."""
        nb = self.net_benefit(value)
        return dict(zip(self.labels, map(float, (nb.max(axis=1, keepdims=True) - nb).mean(axis=0)), strict=True))

    def evpi(self, value: float) -> float:
        """Expected value of perfect information in pounds: mean of the highest less highest of the means."""
        nb = self.net_benefit(value)
        return max(0.0, float(nb.max(axis=1).mean() - nb.mean(axis=0).max()))

    def evppi(self, value: float, parameter: np.ndarray) -> float:
        """Expected value of knowing one parameter (n,) for certain, in pounds; 0 for one that does not vary.

        The mean net benefit given the parameter is read from a natural cubic spline of five knots (Strong, Oakley and
        Brennan 2014), each option against the first. Never more than `evpi`. Raises ValueError under 100 draws.
        """
        if len(self.cost) < LEAST_DRAWS:
            raise ValueError(f"{len(self.cost)} draws are too few; {LEAST_DRAWS} are needed")
        given = np.asarray(parameter, dtype=float)
        if given.shape != (len(self.cost),) or not np.isfinite(given).all():
            raise ValueError("the parameter needs one finite draw for each world")
        basis = natural_spline(given)
        if basis.shape[1] == 1:
            return 0.0
        nb = self.net_benefit(value)
        over_first = nb - nb[:, :1]
        fitted = basis @ np.linalg.lstsq(basis, over_first, rcond=None)[0]
        gain = float(fitted.max(axis=1).mean() - fitted.mean(axis=0).max())
        return min(max(0.0, gain), self.evpi(value))


def natural_spline(x: np.ndarray) -> np.ndarray:
    """The columns of a natural cubic spline of x (n,) with five knots at its quantiles; fewer where quantiles coincide."""
    spread = float(np.std(x))
    if not spread > 1e-12 * max(1.0, float(np.abs(x).max())):
        return np.ones((len(x), 1))
    z = (x - x.mean()) / spread
    knots = np.unique(np.quantile(z, KNOTS))
    columns = [np.ones_like(z), z]
    if len(knots) >= 3:
        last, before = knots[-1], knots[-2]

        def cube(at: float) -> np.ndarray:
            return np.asarray(np.maximum(z - at, 0.0) ** 3)

        for knot in knots[:-2]:
            columns.append(
                cube(knot)
                - cube(before) * (last - knot) / (last - before)
                + cube(last) * (before - knot) / (last - before)
            )
    return np.column_stack(columns)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Extra cost for each extra unit of outcome, where that can be read.

    `ratio` is NaN wherever a number would mislead; `place` says where the point lies; `words` say what it means.
    """

    ratio: float
    place: Place
    words: str


def incremental_ratio(cost: float, effect: float) -> Ratio:
    """The ICER of an incremental cost (pounds) and effect (units): a ratio of means, never a mean of ratios.

    Only "costs more, better outcome" and "costs less, worse outcome" have a number; a negative ratio says nothing,
    because better-and-cheaper and worse-and-dearer have the same one.
    """
    if effect == 0:
        if cost == 0:
            return Ratio(math.nan, "same", "no difference in cost or outcome")
        words = "costs less for the same outcome" if cost < 0 else "costs more for the same outcome"
        return Ratio(math.nan, "same outcome", words)
    if cost == 0:
        return Ratio(0.0 if effect > 0 else math.nan, "same cost",
                     "better at the same cost" if effect > 0 else "worse at the same cost")  # fmt: skip
    if effect > 0:
        if cost < 0:
            return Ratio(math.nan, "dominant", "dominant: costs less with a better outcome, so there is no ratio")
        return Ratio(cost / effect, "costs more, better outcome", "pounds for each unit gained")
    if cost > 0:
        return Ratio(math.nan, "dominated", "dominated: costs more with a worse outcome, so there is no ratio")
    return Ratio(cost / effect, "costs less, worse outcome", "pounds saved for each unit given up")


def quadrants(cost: np.ndarray, effect: np.ndarray) -> dict[str, float]:
    """Shares of draws (n,) in the four quadrants of the plane; a draw on an axis counts half on either side."""
    more, better = (np.where(v > 0, 1.0, np.where(v < 0, 0.0, 0.5)) for v in (cost, effect))
    return {
        "costs less, better outcome": float(((1 - more) * better).mean()),
        "costs more, better outcome": float((more * better).mean()),
        "costs less, worse outcome": float(((1 - more) * (1 - better)).mean()),
        "costs more, worse outcome": float((more * (1 - better)).mean()),
    }
