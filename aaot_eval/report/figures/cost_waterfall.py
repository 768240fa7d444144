"""From the cost of care as usual to the cost with the service, step by step, for each patient-year."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import (
    BLUE,
    BLUE_LIGHT,
    FAINT,
    INK,
    MUTED,
    ORANGE,
    ORANGE_LIGHT,
    SMALL,
    canvas,
    wrapped,
)
from aaot_eval.report.words import numbers, written

LOOK = {"level": (FAINT, MUTED, ""), "total": (FAINT, MUTED, ""), "down": (BLUE_LIGHT, BLUE, "\\\\\\\\"),
        "up": (ORANGE_LIGHT, ORANGE, "////")}  # fmt: skip
STANDING = ("level", "total")  # bars that stand on zero and may carry an interval
ARROW = {"down": "▼ ", "up": "▲ "}


@FIGURES.register("cost_waterfall")
def cost_waterfall(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `cost_waterfall`; `level` and `total` stand on zero, `up` and `down` start where the one before ended."""
    rows = table.sort_values("order", kind="stable").reset_index(drop=True)
    amount, low, high = (numbers(rows[c]) for c in ("amount", "low", "high"))
    if not np.isfinite(amount).all():
        return Gap("a step is hidden or has no amount, so the steps cannot be set one upon the other")
    kinds = [str(k) for k in rows["kind"]]
    bottom, top = _ends(kinds, amount)
    figure = canvas(4.0)
    axes = figure.add_axes((0.115, 0.14, 0.88, 0.85))
    ends = np.where(np.isin(kinds, STANDING) & np.isfinite(high), high, top)
    for i, kind in enumerate(kinds):
        fill, edge, hatch = LOOK.get(kind, LOOK["level"])
        axes.bar(
            i, top[i] - bottom[i], bottom=bottom[i], width=0.62, color=fill, edgecolor=edge, hatch=hatch, linewidth=1.1
        )
        if i and kind != "level":
            axes.plot(
                [i - 1 + 0.31, i + 0.31], [_end(kinds, bottom, top, i - 1)] * 2, color=MUTED, lw=0.8, ls=(0, (2, 2))
            )
        _whisker(axes, i, kind, low[i], high[i])
        highest = max(bottom[i], top[i], ends[i])
        axes.annotate(f"{ARROW.get(kind, '')}{written(abs(amount[i]), 'money')}", (i, highest), xytext=(0, 5),
                      textcoords="offset points", ha="center", va="bottom", fontweight="bold")  # fmt: skip
    axes.axhline(0, color=INK, lw=1.0)
    axes.set_xticks(range(len(rows)), [wrapped(str(s), max(12, 80 // len(rows))) for s in rows["step"]], fontsize=SMALL)
    axes.tick_params(axis="x", length=0, labelcolor=INK)
    axes.set_ylim(min(0, bottom.min(), top.min()) * 1.1, max(bottom.max(), top.max(), ends.max()) * 1.12)
    axes.yaxis.set_major_formatter(lambda v, _: written(float(v), "money"))
    axes.set_ylabel(f"For each patient-year ({context.pounds})")
    steps = [
        f"{s} {ARROW.get(k, '')}{written(a, 'money')}" for s, k, a in zip(rows["step"], kinds, amount, strict=True)
    ]
    title = f"{steps[0]}{context.mark}; {steps[-1]}{context.mark}" if len(steps) > 1 else f"{steps[0]}{context.mark}"
    return Drawing(
        figure,
        title,
        f"Waterfall chart from zero, in pounds for each patient-year on the caseload{context.mark}: {'; '.join(steps)}. "
        "It shows the value of resources, not cash.",
    )


def _ends(kinds: list[str], amount: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bottom, top, level = np.zeros(len(amount)), np.zeros(len(amount)), 0.0
    for i, kind in enumerate(kinds):
        step = {"down": -abs(amount[i]), "up": abs(amount[i])}.get(kind)
        if step is None:
            bottom[i], top[i], level = 0.0, amount[i], amount[i]
        else:
            bottom[i], top[i] = sorted((level, level + step))
            level += step
    return bottom, top


def _end(kinds: list[str], bottom: np.ndarray, top: np.ndarray, i: int) -> float:
    """Where a step ends: the level the next one starts from."""
    return float(bottom[i] if kinds[i] == "down" else top[i])


def _whisker(axes: Any, i: int, kind: str, low: float, high: float) -> None:
    if kind in STANDING and np.isfinite(low) and np.isfinite(high):
        axes.plot([i, i], [low, high], color=INK, lw=1.6, marker="_", ms=11, mew=1.6)
