"""The top of an appraisal: which option is cheapest, which dominates, what cannot be said. Every sentence comes from this table.

The cheapest is that of the cost entered, before any admission averted. Dominance over doing nothing is said only of options
whose evidence may carry a net figure (M and E) and whose whole interval is cheaper; of a run only where its own sentence
claims a saving, so that nothing here is stronger than the run. Dominance of one option over another is a ranking, and is said
only when a ranking was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: How far two costs may lie apart and still be the same.
SAME = 0.005

CHEAPEST: Mapping[str, str] = {
    "none": "Which option is cheapest cannot be said: none has its staff, their cost and the people served entered.",
    "one": "{names} alone has its cost entered, {cost} for each person served a year, so that none can be called cheapest.",
    "tie": "{names} cost the least, {cost} for each person served a year, of the {n} options whose cost is entered, before any admission averted.",
    "least": "{names} is cheapest, {cost} for each person served a year, of the {n} options whose cost is entered, before any admission averted.",
}
DOMINATES: Mapping[str, str] = {
    "unmeasured": "No option is said to dominate: none has both a cost and an effect measured with a comparison.",
    "some": "Doing nothing is dominated by {better}: fewer admissions at less cost over the whole interval",
    "none": "No option dominates doing nothing: none costs less over the whole interval of its effect",
}
WORSE = "{worse} cost{s} more than doing nothing over the whole interval"
BETWEEN: Mapping[str, str] = {
    "not_asked": "whether one option dominates another is not said, for no ranking was asked for",
    "ranked": "at the estimates {dominated}",
    "none": "at the estimates none dominates another",
}
NOT_SAID: Mapping[str, str] = {
    "uncosted": "what {names} cost{s} a person (not entered)",
    "nobody": "what {names} cost{s} a person (the staff entered can carry nobody)",
    "unmeasured": "whether {names} save{s} (no effect measured with a comparison)",
    "unpriced": "whether {names} save{s} (the cost of admissions under care as usual is not entered)",
    "unclear": "whether {names} save{s} (the interval includes zero)",
    "unclaimed": "whether {names} save{s} (the run does not claim it without a doubt)",
}
CANNOT = "What cannot be said: {parts}."
ALL_SAID = "Each option has a cost, and an interval of its net saving that lies on one side of zero."


@dataclass(frozen=True, slots=True)
class Line:
    """One option as the sentences see it; NaN = not entered or not shown. `claimed`: no run of it says less than its interval."""

    name: str
    cost_person: float
    served: float
    may_rank: bool
    net_low: float
    net_high: float
    claimed: bool = True

    @property
    def judged(self) -> bool:
        """Whether it has a net figure with both ends."""
        return self.may_rank and math.isfinite(self.net_low) and math.isfinite(self.net_high)

    @property
    def better(self) -> bool:
        """Whether it is cheaper than doing nothing over the whole interval, and may be called so."""
        return self.judged and self.net_low > 0 and self.claimed

    @property
    def worse(self) -> bool:
        """Whether it is dearer than doing nothing over the whole interval."""
        return self.judged and self.net_high < 0


def three_sentences(lines: Sequence[Line], dominated: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """What is said of the options of one population: (cheapest | dominates | cannot be said, sentence).

    `dominated`: by which each option is dominated at the estimates; None when no ranking was asked for.
    """
    return [
        ("cheapest", cheapest(lines)),
        ("dominates", dominance(lines, dominated)),
        ("cannot be said", not_said(lines)),
    ]


def cheapest(lines: Sequence[Line]) -> str:
    """The option with the least cost for each person served, of those whose cost is entered."""
    costed = [x for x in lines if math.isfinite(x.cost_person)]
    if not costed:
        return CHEAPEST["none"]
    least = min(x.cost_person for x in costed)
    found = [x.name for x in costed if x.cost_person - least < SAME]
    state = "one" if len(costed) == 1 else "tie" if len(found) > 1 else "least"
    return CHEAPEST[state].format(names=listed(found), cost=f"£{least:,.0f}", n=len(costed))


def dominance(lines: Sequence[Line], dominated: Mapping[str, str] | None) -> str:
    """Which options dominate doing nothing, which cost more, and, where a ranking was asked for, which dominates which."""
    judged = [x for x in lines if x.judged]
    if not judged:
        return DOMINATES["unmeasured"]
    better, worse = ([x.name for x in judged if getattr(x, side)] for side in ("better", "worse"))
    parts = [DOMINATES["some" if better else "none"].format(better=listed(better))]
    if worse:
        parts.append(WORSE.format(worse=listed(worse), s="s" if len(worse) == 1 else ""))
    if len(judged) > 1:
        pairs = [f"{name} is {how}" for name, how in (dominated or {}).items()]
        state = "not_asked" if dominated is None else "ranked" if pairs else "none"
        parts.append(BETWEEN[state].format(dominated=listed(pairs)))
    return f"{'; '.join(parts)}."


def not_said(lines: Sequence[Line]) -> str:
    """What the records do not let anybody say, by reason."""
    by_reason: dict[str, list[str]] = {}
    for line in lines:
        for reason in _reasons(line):
            by_reason.setdefault(reason, []).append(line.name)
    parts = [
        NOT_SAID[reason].format(names=listed(by_reason[reason]), s="s" if len(by_reason[reason]) == 1 else "")
        for reason in NOT_SAID
        if reason in by_reason
    ]
    return CANNOT.format(parts="; ".join(parts)) if parts else ALL_SAID


def _reasons(line: Line) -> Iterable[str]:
    costed = math.isfinite(line.cost_person)
    if not costed:
        yield "nobody" if line.served == 0 else "uncosted"
    if not line.may_rank:
        yield "unmeasured"
    elif costed and not line.judged:
        yield "unpriced"
    elif costed and not (line.better or line.worse):
        yield "unclaimed" if line.net_low > 0 else "unclear"


def listed(names: Sequence[str]) -> str:
    """ "a, b and c"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
