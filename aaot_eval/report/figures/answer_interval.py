"""The primary estimate on one line, for the first page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._lines import Line, lines_of
from aaot_eval.report.figures._style import BLUE, GREY_LIGHT, INK, MUTED, SMALL, canvas, ratio_ticks
from aaot_eval.report.words import sentence_case


@FIGURES.register("answer_interval")
def answer_interval(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """The first row of `estimates` that is on a ratio scale: the primary."""
    rows = lines_of(table)
    if not rows:
        return Gap("the primary result is not a ratio, or there is no estimate")
    line = rows[0]
    figure = canvas(1.3)
    axes = figure.add_axes((0.02, 0.40, 0.96, 0.34))
    low, high = (
        min(0.5, line.estimate, line.low if line.finite else 1),
        max(2, line.estimate, line.high if line.finite else 1),
    )
    low, high = max(low / 1.02, 0.1), min(high * 1.02, 10)
    _draw(axes, line, low, high, context)
    return Drawing(
        figure,
        f"Ratio of observed to expected {context.subject}: {line.text}",
        f"One line on a logarithmic axis: the ratio of observed {context.subject} to what was expected {context.expected_from}, "
        f"{line.text}. {sentence_case(line.reading)}. A line at 1 means no difference"
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
    ax.plot([line.estimate], [0], "D", color=BLUE, ms=11, mec="white", mew=1.5, mfc=BLUE if line.finite else "white")
    ax.text(line.estimate, 0.72, line.text, ha="center", va="bottom", fontweight="bold")
    ax.set_xlim(low, high)
    ax.set_ylim(-1, 1)
    ticks = ratio_ticks(low, high)
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.set_yticks([])
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    subject = sentence_case(context.subject)
    for x, side, text in (
        (0.0, "left", f"← {subject} lower than expected" if len(subject) < 50 else "← lower than expected"),
        (1.0, "right", "higher than expected →"),
    ):
        ax.text(x, -0.66, text, ha=side, va="top", transform=ax.transAxes, fontsize=SMALL, color=MUTED)
