"""What the specification curves of all designs share: a variant as a row of the table, follow-ups, outcomes and the pandemic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from aaot_eval.results import Analysis, Panel

PANDEMIC = ("2020-03", "2021-12")
FOLLOW_UPS = (6, 12, 24)


def row(
    method: str,
    found: tuple[float, float] | None,
    *,
    outcome: str,
    ratio: bool = True,
    phase_in: int = 0,
    before: str = "all",
    after: str = "all",
    pandemic: bool = True,
    declared: bool = False,
) -> dict[str, object] | None:
    """One variant with (effect, p), the effect a log where it is a ratio; None where there is none."""
    if found is None or not (math.isfinite(found[0]) and math.isfinite(found[1])):
        return None
    return {"outcome": outcome, "method": method, "phase_in": phase_in, "before": before, "after": after, "pandemic": "in" if pandemic else "out",
            "estimate": math.exp(found[0]) if ratio else found[0], "p_value": found[1], "declared": declared}  # fmt: skip


def in_order(rows: Sequence[dict[str, object] | None]) -> pd.DataFrame:
    """The variants that have an effect, the lowest first; none without the declared one, which all others are held against."""
    table = pd.DataFrame([r for r in rows if r is not None])
    if not len(table) or not table["declared"].any():
        return pd.DataFrame()
    return table.sort_values("estimate", kind="stable", ignore_index=True)


def touches_pandemic(panel: Panel) -> bool:
    """Whether months of March 2020 to December 2021 are in the panel."""
    return panel.frequency == "month" and bool(panel.periods["label"].between(*PANDEMIC).any())


def without_pandemic(panel: Panel) -> Panel:
    """The panel with these months left out."""
    inside = panel.periods["label"].between(*PANDEMIC)
    return replace(panel, periods=panel.periods.assign(left_out=panel.periods["left_out"] | inside))


def counted_otherwise(panel: Panel, analysis: Analysis, *, people: bool) -> list[str]:
    """The other ways to count the outcome that the study has and the design can read."""
    known = panel.person_cells if people else panel.cells
    names = panel.extra.get("sensitivity_outcomes", ())
    return [n for n in names if known is not None and n in known and n != analysis.outcome]
