"""The primary estimate on one line, for the first page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._lines import Line, lines_of
from aaot_eval.report.figures._style import BLUE, GREY_LIGHT, INK, MUTED, SMALL, canvas, change_tick, ratio_ticks
from aaot_eval.report.words import sentence_case

#: Of the width of the plot, half of the longest words above the interval: their middle keeps so far from either end.
MARGIN = 0.29


@FIGURES.register("answer_interval")
def answer_interval(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """The first row of `estimates` that is on a ratio scale: the primary."""
    rows = lines_of(table)
    if not rows:
        return Gap("the primary result is not a ratio, or there is no estimate")
    line = rows[0]
    figure = canvas(1.6)
    axes = figure.add_axes((0.04, 0.47, 0.92, 0.28))
    low, high = (
        min(0.5, line.estimate, line.low if line.finite else 1),
        max(2, line.estimate, line.high if line.finite else 1),
    )
    low, high = max(low / 1.02, 0.1), min(high * 1.02, 10)
    _draw(axes, line, low, high, context)
    subject = sentence_case(context.subject)
    told = f"ratio of observed to expected {line.text}"
    return Drawing(
        figure,
        f"{subject}: {line.change} against what was expected {context.expected_from}; {told}"
        if line.finite
        else f"{subject}: {told}",
        f"One line on a logarithmic axis: {context.subject}, observed against what was expected {context.expected_from}, "
        f"{f'{line.change}; ' if line.finite else ''}{told}. {sentence_case(line.reading)}. A line at 1 means no difference"
        + (", with a grey band of differences too small to matter." if context.smallest_effect else "."),
    )


def _draw(axes: Any, line: Line, low: float, high: float, context: Context) -> None:
    ax = axes
    ax.set_xscale("log")
    if context.smallest_effect:
        ax.axvspan(1 - context.smallest_effect, 1 + context.smallest_effect, color=GREY_LIGHT, lw=0)
    ax.axvline(1, color=INK, lw=1.2)
    if line.finite:
        ends = np.clip([line.low, line.high], low, high)
        ax.plot(ends, [0, 0], color=BLUE, lw=5, solid_capstyle="butt")
    # A mark without an interval is hollow: its edge must be seen.
    face, edge = (BLUE, "white") if line.finite else ("white", BLUE)
    ax.plot([line.estimate], [0], "D", ms=11, mec=edge, mew=1.5, mfc=face)
    along = np.log(line.estimate / low) / np.log(high / low)
    ax.text(
        np.clip(along, MARGIN, 1 - MARGIN), 1.04, line.change if line.finite else line.text,
        ha="center", va="bottom", fontweight="bold", transform=ax.transAxes,
    )  # fmt: skip
    ax.set_xlim(low, high)
    ax.set_ylim(-1, 1)
    ticks = ratio_ticks(low, high, most=6)
    ax.set_xticks(ticks, [f"{change_tick(t)}\n{t:g}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.set_yticks([])
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    subject = sentence_case(context.subject)
    for x, side, text in (
        (0.0, "left", f"← {subject} lower than expected" if len(subject) < 50 else "← lower than expected"),
        (1.0, "right", "higher than expected →"),
    ):
        ax.text(x, -1.05, text, ha=side, va="top", transform=ax.transAxes, fontsize=SMALL, color=MUTED)
