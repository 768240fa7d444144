"""How far from parallel may trends have been before the answer changes? docs/methods/trend_violation.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS, WARN_P
from aaot_eval.checks import _honest as honest
from aaot_eval.checks._sites import cannot, shown
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._sites import ROUNDING
from aaot_eval.estimators.event_study import EventStudy, EventTimes
from aaot_eval.estimators.group_time import OverCohorts
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel
from aaot_eval.wording import change

NAME = "trend_violation"
MBARS = (0.0, 0.5, 1.0, 1.5, 2.0)
MOST_PRE = 8
SIZES = {
    "month": (1, 3, 6, 12, 24),
    "quarter": (1, 2, 4, 8),
    "year": (1, 2, 3, 5),
    "integer": (1, 2, 3, 4, 6, 8, 12, 24),
}
"""Periods that may be put together to one block of an event study with few enough blocks."""
NO_SPREAD = "some periods hold the same for every site to the last digit: there is no spread to call a drift large by"
HOLDS = 1.0
"""A breakdown value below this warns: a drift smaller than one already seen before the start would do."""

APART = 0.5
"""An event study whose effect (its log for a ratio) is further than this share of the larger of the two from the estimate tested passes nothing."""


@dataclass(frozen=True)
class Blocks:
    """An event study in blocks of `size` periods, all against the last block before the start."""

    vector: honest.EventVector
    size: int


@CHECKS.register(NAME)
class TrendViolation:
    """Intervals that allow for a drift as large as some multiple of the largest one before the start."""

    designs: ClassVar[tuple[Design, ...]] = ("sites",)

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The breakdown value, and the interval at several multiples (relative magnitudes) and bends (smoothness)."""
        before = getattr(estimator, "least_before", None) or panel.season_length
        study = EventStudy(least_before=max(2, before), least_after=getattr(estimator, "least_after", 3),
                           scale="ratio" if estimate.null == 1.0 else "difference",
                           control=estimator.control if isinstance(estimator, OverCohorts) else "never")  # fmt: skip
        problems = study.objections(panel, analysis)
        if problems:
            return cannot(NAME, analysis, problems[0].what)
        found = study.fit(panel, analysis, seed=seed)[0]
        if found.status == "not_estimable":
            return cannot(NAME, analysis, found.note)
        least = found.facts["p_least"]
        if least >= WARN_P:
            return cannot(NAME, analysis, f"no p below {least:.3f} is possible, so there is no interval to widen")
        points: EventTimes = found.facts["points"]
        blocks = blocks_of(points, getattr(estimator, "phase_in", 0), SIZES[panel.frequency])
        if blocks is None:
            return cannot(NAME, analysis, "too few periods before the start to see how large a drift was there")
        if not has_spread(blocks.vector, panel, analysis.outcome, ratio=found.null == 1.0):
            return cannot(NAME, analysis, NO_SPREAD)
        return _judged(blocks, analysis, estimate, seed, panel.frequency)


def has_spread(vector: honest.EventVector, panel: Panel, outcome: str, *, ratio: bool) -> bool:
    """Whether every coefficient has a standard error beyond rounding, without which no step can be called large."""
    values = np.asarray(panel.matrix(outcome), dtype=float)
    if panel.outcome(outcome).kind in ("count", "cost"):
        values = values / np.asarray(panel.matrix("exposure"), dtype=float)
    level = 1.0 if ratio else float(np.nanmax(np.abs(values)))
    return bool((np.sqrt(np.maximum(np.diag(vector.covariance), 0.0)) > ROUNDING * level).all())


def blocks_of(points: EventTimes, phase_in: int, sizes: Sequence[int]) -> Blocks | None:
    """The points put together so that at most four blocks follow the start; None without two blocks before it.

    What is averaged are the blocks after the phase-in periods.
    """
    first, last = int(points.times.min()), int(points.times.max())
    for size in sizes:
        post, pre = (last + 1) // size, min(-first // size, MOST_PRE + 1)
        if post > honest.MOST_POST:
            continue
        if post < 1 or pre < 2:
            return None
        parts = []
        for b in (*range(-pre, -1), *range(post)):
            parts.append(_share(points, b * size, (b + 1) * size) - _share(points, -size, 0))
        turn = np.array(parts)
        if not np.isfinite(turn).all():
            return None
        late = np.array([(b + 1) * size > phase_in for b in range(post)], dtype=float)
        vector = honest.EventVector(
            turn @ points.values, turn @ points.covariance @ turn.T, pre - 1, late / late.sum()
        )  # fmt: skip
        return Blocks(vector, size) if np.isfinite(vector.covariance).all() else None
    return None


def _share(points: EventTimes, start: int, end: int) -> np.ndarray:
    inside = (points.times >= start) & (points.times < end)
    return inside / inside.sum() if inside.any() else np.full(len(inside), math.nan)


def _judged(blocks: Blocks, analysis: Analysis, estimate: Estimate, seed: int, frequency: str) -> CheckResult:
    vector, ratio = blocks.vector, estimate.null == 1.0
    value = honest.breakdown(vector, 0.05, seed)
    apart = are_apart(vector.estimate, estimate)
    verdict: CheckVerdict = (
        "not_evaluable" if value == 0 else "warn" if value < HOLDS else "not_evaluable" if apart else "pass"
    )
    return CheckResult(
        check=NAME,
        analysis=analysis.name,
        verdict=verdict,
        sentence=f"{_sentence(blocks, value, frequency, ratio=ratio, seed=seed)} {_whose(vector.estimate, estimate, apart=apart)}",
        statistic=value,
        value_name="multiple of the largest drift before the start",
        threshold=f"below {HOLDS:g} warns",
        table=_table(vector, seed, ratio=ratio),
        facts={"breakdown": value, "block": blocks.size, "n_pre": vector.n_pre, "estimate": vector.estimate,
               "apart": apart},
    )  # fmt: skip


def are_apart(effect: float, estimate: Estimate) -> bool:
    """Whether the event study's effect is too far from the estimate tested to speak for it; so it is where there is none."""
    ratio = estimate.null == 1.0
    if not math.isfinite(estimate.estimate) or (ratio and estimate.estimate <= 0):
        return True
    own = math.log(estimate.estimate) if ratio else estimate.estimate
    return abs(effect - own) > APART * max(abs(effect), abs(own))


def _whose(effect: float, estimate: Estimate, *, apart: bool) -> str:
    """What the bounds are of, with its own value beside the estimate tested."""
    ratio = estimate.null == 1.0
    reads = shown(math.exp(effect) if ratio else effect, ratio=ratio)
    tested = shown(estimate.estimate, ratio=ratio)
    text = f"These limits are those of the effect read period by period since the start, which itself reads {reads} where the estimate tested is {tested}"
    return f"{text}: too far apart for the one to speak for the other." if apart else f"{text}."


def _table(vector: honest.EventVector, seed: int, *, ratio: bool) -> pd.DataFrame:
    show = np.exp if ratio else float
    rows = [("relative magnitudes", m, *map(show, honest.relative_magnitudes(vector, m, 0.05, seed))) for m in MBARS]
    bend = _largest_bend(vector)
    rows += [("smoothness", m * bend, *map(show, honest.smoothness(vector, m * bend, 0.05))) for m in (0.0, 0.5, 1.0)]
    return pd.DataFrame(rows, columns=["restriction", "bound", "conf_low", "conf_high"])


def _largest_bend(vector: honest.EventVector) -> float:
    """The largest change of slope between blocks before the start, which gives the bends tried a size."""
    path = np.append(vector.values[: vector.n_pre], 0.0)
    return float(np.abs(np.diff(path, 2)).max()) if len(path) > 2 else float(np.abs(np.diff(path)).max())


def _sentence(blocks: Blocks, value: float, frequency: str, *, ratio: bool, seed: int) -> str:
    frequency = "period" if frequency == "integer" else frequency
    what = frequency if blocks.size == 1 else f"block of {blocks.size} {frequency}s"
    null = "a ratio of 1" if ratio else "no difference"
    if value == 0:
        return (f"By {what}, the interval of an event study holds {null} before any drift is allowed for, so it has nothing that "
                "a drift could overturn.")  # fmt: skip
    path = np.abs(np.diff(np.append(blocks.vector.values[: blocks.vector.n_pre], 0.0)))
    largest = float(path.max())
    size = f"{math.expm1(largest) * 100:.1f} %" if ratio else f"{largest:.3g}"
    reach = f"{value:.1f} times" if value < honest.MOST_MBAR else f"more than {honest.MOST_MBAR:g} times"
    limits = range_in_words(*honest.relative_magnitudes(blocks.vector, 1.0, 0.05, seed), ratio=ratio)
    return (f"The largest drift apart before the start was {size} from one {what} to the next. Had the drift after the start been "
            f"as large, {limits}; the least drift that leaves no effect is {reach} as large.")  # fmt: skip


def range_in_words(low: float, high: float, *, ratio: bool) -> str:
    """What the effect could be, in words; an end that the search did not meet is said to have no limit."""

    def end(value: float) -> str:
        return change(math.exp(value)) if ratio else shown(value, ratio=False)

    lower, upper = math.isfinite(low), math.isfinite(high)
    if lower and upper:
        return f"the effect could be anything from {end(low)} to {end(high)}"
    if lower:
        return f"the lowest the effect could be is {end(low)}, and no upper limit can be given"
    if upper:
        return f"the highest the effect could be is {end(high)}, and no lower limit can be given"
    return "no limit could be given for the effect"
