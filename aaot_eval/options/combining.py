"""Options laid over one another: costs add, effects on the same person do not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Rule = Literal["larger", "half_additive", "additive"]


def combined_effect(effects: Sequence[float], rule: Rule = "larger") -> float:
    """The effect on a person reached by all of these: the larger; or the larger and half of the others; or their sum.

    NaN when none is known; an effect that is not known adds nothing.

    >>> combined_effect([0.2, 0.1]), round(combined_effect([0.2, 0.1], "half_additive"), 3)
    (0.2, 0.25)
    """
    known = [e for e in effects if not math.isnan(e)]
    if not known:
        return math.nan
    best = max(known)
    others = sum(known) - best
    total = best + {"larger": 0.0, "half_additive": 0.5, "additive": 1.0}[rule] * others
    return min(total, 1.0)
