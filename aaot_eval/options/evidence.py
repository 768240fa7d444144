"""What may be shown of an option's effect, by its badge.

M measured here (a run), E measured elsewhere with a comparison, B before and after, X opinion or theory, 0 not entered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from aaot_eval.options.costing import NAN
from aaot_eval.options.measured import NOTHING, Measured
from aaot_eval.options.record import EffectLine, OptionRecord, Population

Badge = Literal["M", "E", "B", "X", "0", "reference"]
RANKED = ("M", "E")
Interval = tuple[float, float, float]
ZERO: Interval = (0.0, 0.0, 0.0)

STATUS = {
    "reference": "the reference: 0 by definition",
    "X": "not estimable: opinion or theory only",
    "0": "not entered",
    "no_gauge": "not shown: before and after, without the fall to be expected anyway",
    "gauged": "before and after; what is left after the fall to be expected anyway, which is no saving",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The effect on admissions of the people reached: point, low, high; NaN = not shown.

    `reduction`: share of admissions (or of their cost) under care as usual; `averted`: pounds for each person a year;
    `saving`: averted less the option's cost, which only M and E may have. `level`: of the intervals as drawn.
    """

    badge: Badge
    status: str
    reduction: Interval = NOTHING
    averted: Interval = NOTHING
    level: float = 0.95
    raw: float = NAN
    expected_anyway: float = NAN

    @property
    def may_rank(self) -> bool:
        """Whether the evidence carries a net figure with an interval."""
        return self.badge in RANKED and all(math.isfinite(v) for v in self.averted)


def priced_line(option: OptionRecord, outcome: str) -> EffectLine | None:
    """The effect line on the priced outcome."""
    return next((line for line in option.effects if line.outcome == outcome), None)


def badge_of(line: EffectLine | None) -> Badge:
    """The badge of an effect line: a line without a value is X when it says so, else not entered."""
    if line is None or (line.value is None and line.badge != "X"):
        return "0"
    return line.badge or "0"


def evidence_of(
    option: OptionRecord,
    measured: Measured | None,
    people: Population,
    usual: float,
    outcome: str,
    factor: float | None,
) -> Evidence:
    """What is known of the option's effect; `usual`: pounds of admissions for each person a year under care as usual."""
    if option.reference:
        return Evidence("reference", STATUS["reference"], ZERO, ZERO)
    if measured is not None:
        share = (
            measured.averted[0] / measured.usual,
            measured.averted[1] / measured.usual,
            measured.averted[2] / measured.usual,
        )
        status = (
            f"not estimable: {measured.why_not}" if measured.why_not else "measured here, as the fall in hospital cost"
        )
        return Evidence("M", status, share, NOTHING if measured.why_not else measured.averted, measured.level)
    line = priced_line(option, outcome)
    badge = badge_of(line)
    if line is None or line.value is None:
        return Evidence(badge, STATUS[badge])
    if badge == "E":
        low, high = widened_ends(line, factor or 1.0)
        line = line.model_copy(update={"low": low, "high": high})
    point, low, high = reductions(line, people)
    if badge == "B":
        if line.expected_anyway is None:
            return Evidence("B", STATUS["no_gauge"])
        left = 1 - (1 - point) / (1 - line.expected_anyway) if line.expected_anyway < 1 else NAN
        return Evidence("B", STATUS["gauged"], (left, NAN, NAN), raw=point, expected_anyway=line.expected_anyway)
    if math.isnan(point):
        return Evidence("E", "not estimable: a difference needs the admissions of care as usual")
    status = f"measured elsewhere; interval {factor or 1:g} times as wide as published"
    return Evidence("E", status, (point, low, high), (point * usual, low * usual, high * usual), line.level)


def reductions(line: EffectLine, people: Population) -> Interval:
    """The effect as the share by which admissions fall, from whichever measure was entered; low is the smaller fall.

    An end beyond all admissions, as a wider interval may have, is held at all of them.

    >>> reductions(EffectLine(outcome="admissions", measure="rate_ratio", value=0.75, low=0.5, high=1.25), None)
    (0.25, -0.25, 0.5)
    """
    value, low, high = (NAN if v is None else v for v in (line.value, line.low, line.high))
    if line.measure == "reduction":
        return value, low, min(high, 1.0)
    if line.measure == "rate_ratio":
        return 1 - value, 1 - high, 1 - low
    rate = people.admissions or NAN
    return -value / rate, -high / rate, min(-low / rate, 1.0)


def widened_ends(line: EffectLine, factor: float) -> tuple[float, float]:
    """The interval in its own measure, `factor` times as wide about the value: on the log scale for a rate ratio.

    >>> line = EffectLine(outcome="admissions", measure="rate_ratio", value=0.8, low=0.64, high=1.0)
    >>> [round(end, 3) for end in widened_ends(line, 2)]
    [0.512, 1.25]
    """
    value, low, high = (NAN if v is None else v for v in (line.value, line.low, line.high))
    if line.measure == "rate_ratio":
        return value * (low / value) ** factor, value * (high / value) ** factor
    return value - factor * (value - low), value + factor * (high - value)
