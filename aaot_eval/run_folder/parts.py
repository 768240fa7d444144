"""How much of the change between two answers came from what.

A part is the answer after one exchange less the answer before it. Numbers are those that may be shown, rounded before they are
subtracted: the parts add up to the change to the last figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

RATIOS = ("rate_ratio", "ratio")


@dataclass(frozen=True, slots=True)
class Standing:
    """The answer of one run. None: it has none, or none that may be shown.

    change   difference from what was expected with its interval, in tenths of a per cent; negative = fewer
    saving   net saving for each patient-year in whole pounds; negative = costs more
    rests_on the comparisons behind the two
    """

    change: int | None
    low: int | None
    high: int | None
    saving: int | None
    rests_on: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """What one exchange moved: tenths of a per cent and whole pounds, None where either side has none."""

    what: str
    change: int | None
    saving: int | None
    other_comparison: bool


def standing(tables: Mapping[str, pd.DataFrame]) -> Standing:
    """The answer in the released tables of a run."""
    effect = _only(tables, "estimates", "primary", ("estimate", "conf_low", "conf_high"))
    if effect is not None and str(effect.get("scale", "")) not in RATIOS:
        effect = None
    net = _only(tables, "saving", "headline", ("saving",))
    ends = (None if effect is None else _whole((effect[c] - 1) * 1000) for c in ("estimate", "conf_low", "conf_high"))
    estimate, low, high = ends
    return Standing(
        estimate,
        low,
        high,
        None if net is None else _whole(net["saving"]),
        tuple("" if row is None else f"{row.get('analysis', '')} {row.get('estimand', '')}" for row in (effect, net)),  # type: ignore[arg-type]
    )


def _only(tables: Mapping[str, pd.DataFrame], name: str, mark: str, numbers: Sequence[str]) -> pd.Series | None:
    """The one row of a table that is marked, its numbers as floats: NaN where a cell is hidden or empty."""
    frame = tables.get(name)
    if frame is None or not {mark, *numbers} <= set(frame):
        return None
    rows = frame[frame[mark].astype(str).str.lower() == "true"].astype(object)
    if len(rows) != 1:
        return None
    row = rows.iloc[0].copy()
    row[list(numbers)] = pd.to_numeric(row[list(numbers)], errors="coerce").astype(float)
    return row


def _whole(value: float) -> int | None:
    return None if pd.isna(value) else round(value)


def parts_of(exchanges: Sequence[str], states: Sequence[Standing]) -> list[Part]:
    """One part for each exchange, from the answers before, between and after them."""
    return [
        Part(what, _less(a.change, b.change), _less(a.saving, b.saving), a.rests_on != b.rests_on)
        for what, (a, b) in zip(exchanges, pairwise(states), strict=True)
    ]


def _less(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before
