"""Estimates and their intervals, one under the other: the primary first, then the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._lines import Line, lines_of
from aaot_eval.report.figures._style import BLUE, GREY_LIGHT, INK, MUTED, SMALL, canvas, ratio_ticks, wrapped
from aaot_eval.report.words import sentence_case

MOST = 24
ROW, LINE = 0.44, 0.17  # inches: the least height of a row, and that of a line of its label
LEFT, ACROSS = 0.405, 0.345  # of the width; the labels have what is left of the plot
CHARACTERS = 29  # so many fit there, also in bold


@FIGURES.register("forest")
def forest(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `estimates` on a ratio scale."""
    rows = lines_of(table)
    if not rows:
        return Gap("there is no estimate on a ratio scale")
    shown = rows[:MOST]
    lines = max(wrapped(line.label, CHARACTERS).count("\n") + 1 for line in shown)
    row = max(ROW, LINE * (lines + 0.6))
    height = 0.80 + row * len(shown)
    figure = canvas(height)
    axes = figure.add_axes((LEFT, 0.50 / height, ACROSS, row * len(shown) / height))
    _draw(axes, shown, context)
    axes.set_xlabel("Rate ratio; 1 = no difference")
    figure.text(0.99, 1 - 0.06 / height, "Ratio (interval)", ha="right", va="top", fontsize=SMALL, color=MUTED)
    first = next((line for line in shown if line.primary), shown[0])
    wholly = sum(line.finite and (line.high < 1 or line.low > 1) for line in shown)
    return Drawing(
        figure,
        f"{sentence_case(first.label)}: rate ratio {first.text}; {first.reading}",
        f"Forest plot of {len(shown)} rate ratios with their intervals on a logarithmic axis; a line at 1 means no difference. "
        f"{wholly} of the intervals lie wholly on one side of 1. "
        + " ".join(f"{sentence_case(line.label)}: {line.text}." for line in shown),
    )


def _draw(axes: Any, rows: list[Line], context: Context) -> None:
    ax, n = axes, len(rows)
    ends = [v for r in rows for v in (r.estimate, r.low, r.high) if np.isfinite(v) and v > 0]
    low, high = max(min(*ends, 0.8) / 1.06, 0.1), min(max(*ends, 1.25) * 1.06, 10)
    if context.smallest_effect:
        s = context.smallest_effect
        ax.axvspan(1 - s, 1 + s, color=GREY_LIGHT, lw=0, zorder=0)
    ax.axvline(1, color=INK, lw=1.0, zorder=1)
    for i, r in enumerate(rows):
        y = n - 1 - i
        colour = BLUE if r.primary else MUTED
        if r.finite:
            ax.plot([max(r.low, low), min(r.high, high)], [y, y], color=colour, lw=2.4 if r.primary else 1.5)
        ax.plot([r.estimate], [y], "D" if r.primary else "s", color=colour, ms=7 if r.primary else 5,
                mfc=colour if r.finite else "white")  # fmt: skip
        ax.text(-0.03, y, wrapped(r.label, CHARACTERS), ha="right", va="center", transform=ax.get_yaxis_transform(),
                fontsize=SMALL, fontweight="bold" if r.primary else "normal", linespacing=1.15)  # fmt: skip
        ax.text(
            (0.99 - LEFT) / ACROSS,
            y,
            r.text,
            ha="right",
            va="center",
            transform=ax.get_yaxis_transform(),
            fontsize=SMALL,
        )
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ticks = ratio_ticks(low, high, most=6)
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.set_yticks([])
    ax.set_ylim(-0.6, n - 0.4)
    ax.spines["left"].set_visible(False)
