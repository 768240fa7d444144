"""The incremental ladder: options by cost, the dominated ones struck out, each step's price of one more unit of outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

Status = Literal["ND", "D", "ED", "same"]
COLUMNS = ("option", "cost", "effect", "extra_cost", "extra_effect", "icer", "status", "words")


@dataclass(frozen=True, slots=True)
class Step:
    """One option on the ladder.

    `status`: ND not dominated, D dominated (no more outcome at no less cost), ED dominated by a mixture of its
    neighbours, same (cost and outcome of an option named earlier). `by` names what dominates it. Increments are over the
    option below it on the frontier; NaN for the reference and for options that are struck out.
    """

    option: str
    cost: float
    effect: float
    status: Status
    by: str = ""
    extra_cost: float = math.nan
    extra_effect: float = math.nan

    @property
    def icer(self) -> float:
        """Pounds for each further unit of outcome; NaN off the frontier and for the reference."""
        return self.extra_cost / self.extra_effect if self.extra_effect > 0 else math.nan

    @property
    def words(self) -> str:
        """What the status means."""
        if self.status == "same":
            return f"same cost and outcome as {self.by}"
        if self.status == "D":
            return f"dominated by {self.by}"
        if self.status == "ED":
            return f"dominated by a mixture of {self.by}"
        return "reference: the cheapest that is not dominated" if math.isnan(self.extra_cost) else "on the frontier"


def incremental_ladder(options: Mapping[str, tuple[float, float]]) -> list[Step]:
    """Every option (label: cost in pounds, outcome), cheapest first, with its place on the frontier.

    The reference is the cheapest option that is not dominated, whatever its name. Exact ties in both keep the one
    named first. Options on the straight line between their neighbours stay (equal ratios). Raises ValueError when a cost
    or an outcome is not finite.
    """
    if not options or not all(math.isfinite(v) for pair in options.values() for v in pair):
        raise ValueError("every option of a ladder needs a cost and an outcome")
    order = sorted(options, key=lambda k: (options[k][0], -options[k][1]))
    out: dict[str, Step] = {}
    frontier: list[str] = []
    for label in order:
        cost, effect = options[label]
        best = frontier[-1] if frontier else None
        if best is not None and effect <= options[best][1]:
            same = options[label] == options[best]
            out[label] = Step(label, cost, effect, "same" if same else "D", best)
        else:
            frontier.append(label)
    frontier, struck = _convex(frontier, options)
    for label, neighbours in struck.items():
        out[label] = Step(label, *options[label], "ED", neighbours)
    for below, label in zip([None, *frontier], frontier, strict=False):
        cost, effect = options[label]
        extra = (math.nan, math.nan) if below is None else (cost - options[below][0], effect - options[below][1])
        out[label] = Step(label, cost, effect, "ND", "", *extra)
    return [out[label] for label in order]


def _convex(frontier: list[str], options: Mapping[str, tuple[float, float]]) -> tuple[list[str], dict[str, str]]:
    """The options whose ratios rise from step to step, and those struck out with the neighbours they lie behind."""
    kept: list[str] = []
    struck: list[str] = []
    for label in frontier:
        while len(kept) > 1 and _icer(kept[-2], kept[-1], options) > _icer(kept[-1], label, options):
            struck.append(kept.pop())
        kept.append(label)
    between = {}
    for label in struck:
        dearer = next(k for k in kept if options[k][0] > options[label][0])
        cheaper = kept[kept.index(dearer) - 1]
        between[label] = f"{cheaper} and {dearer}"
    return kept, between


def _icer(below: str, above: str, options: Mapping[str, tuple[float, float]]) -> float:
    return (options[above][0] - options[below][0]) / (options[above][1] - options[below][1])


def chosen(ladder: list[Step], value: float) -> str:
    """The option to take when one unit of outcome is worth `value` pounds: the last step whose ratio it pays for."""
    frontier = [step for step in ladder if step.status == "ND"]
    choice = frontier[0]
    for step in frontier[1:]:
        if step.icer <= value:
            choice = step
    return choice.option


def ladder_table(ladder: list[Step]) -> pd.DataFrame:
    """The ladder as a table: option, cost, effect, increments over the step below, ICER, status and what it means."""
    rows = [(s.option, s.cost, s.effect, s.extra_cost, s.extra_effect, s.icer, s.status, s.words) for s in ladder]
    return pd.DataFrame(rows, columns=list(COLUMNS))
