"""Options laid over one another: costs add, effects on the same person do not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd

from aaot_eval.options.costing import NAN, finite
from aaot_eval.options.standing import Standing

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


def combinations(standings: list[Standing], rule: Rule) -> pd.DataFrame:
    """O5: each option over each it layers on. On the same person the larger effect counts; half-additive as sensitivity.

    Over the reference an option is itself, so that pair is left out.
    """
    by_id = {s.option.id: s for s in standings if not s.option.reference}
    rows = [
        _combination(upper, by_id[name], rule)
        for upper in by_id.values()
        for name in dict.fromkeys(upper.option.layers_on)
        if name in by_id and by_id[name].population.name == upper.population.name
    ]
    columns = ["combination", "people", "people_both", "cost_year", "cost_person", "break_even", "effect_both",
               "effect_half_additive", "rule", "net_saving", "net_low", "net_high", "status"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _combination(upper: Standing, lower: Standing, rule: Rule) -> dict[str, Any]:
    """One option over another. People reached by both: the smaller number; people reached: the larger."""
    both = (upper, lower)
    people = [s.reach.served[1] for s in both]
    reached, shared_people = (max(people), min(people)) if finite(people) else (NAN, NAN)
    cost = sum(s.costs.year for s in both)
    unknown = [s.option.id for s in both if not s.evidence.may_rank]
    shown = [s.evidence.reduction[0] if s.evidence.may_rank else NAN for s in both]
    net = [NAN if unknown else combined_pounds(upper, lower, rule, end) - cost for end in range(3)]
    return {
        "combination": f"{upper.option.id} over {lower.option.id}",
        "people": reached,
        "people_both": shared_people,
        "cost_year": cost,
        "cost_person": cost / reached,
        "break_even": cost / reached / upper.usual,
        "effect_both": combined_effect(shown, rule),
        "effect_half_additive": NAN if unknown else combined_effect(shown, "half_additive"),
        "rule": rule.replace("_", " "),
        "net_saving": net[0],
        "net_low": net[1],
        "net_high": net[2],
        "status": f"no measured effect of {' and '.join(unknown)}: cost is counted, no net figure is given"
        if unknown
        else "ok",
    }


def combined_pounds(upper: Standing, lower: Standing, rule: Rule, end: int) -> float:
    """Pounds a year averted by two options: people reached by both have the combined effect, the others their own.

    `end`: 0 the point, 1 the lower and 2 the upper ends of both intervals together.
    """
    wider, narrower = sorted((upper, lower), key=lambda s: -s.reach.served[1])
    both = narrower.reach.served[1]
    share = combined_effect([s.evidence.averted[end] / upper.usual for s in (upper, lower)], rule)
    return share * upper.usual * both + wider.evidence.averted[end] * (wider.reach.served[1] - both)
