"""How far the hospital cost of care as usual must fall to pay for the service, and how far it fell in this evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, INK, MUTED, ORANGE, ORANGE_LIGHT, SMALL, canvas
from aaot_eval.report.words import numbers, written

#: Of the width of the plot, a bold letter of a label.
CHARACTER = 0.0125
#: Of the height of the plot: band and dashed line end above the label.
FLOOR = 0.5


@FIGURES.register("break_even")
def break_even(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """The row of `break_even` that is a share."""
    rows = table[table["unit"] == "share"]
    if rows.empty:
        return Gap("the run did not solve for the share by which costs must fall")
    columns = ("now", "now_low", "now_high", "break_even", "low", "high")
    now, now_low, now_high, point, low, high = (float(numbers(rows[c])[0]) if c in rows else np.nan for c in columns)
    if not np.isfinite(point):
        return Gap("break-even cannot be reached: nothing is averted")
    figure = canvas(1.7)
    axes = figure.add_axes((0.02, 0.32, 0.96, 0.46))
    if np.isfinite(low) and np.isfinite(high):
        axes.axvspan(low, high, FLOOR, color=ORANGE_LIGHT, lw=0)
    axes.axvline(point, FLOOR, color=ORANGE, lw=2.0, ls=(0, (5, 2)))
    known = [v for v in (0.0, now, now_low, now_high, point, low, high) if np.isfinite(v)]
    width = max(known) - min(known)
    axes.set_xlim(min(known) - 0.06 * width, max(known) + 0.10 * width)
    axes.text(point, 1.06, f"pays for itself at {written(point, 'percent')}", transform=axes.get_xaxis_transform(),
              va="bottom", ha="center", fontsize=SMALL)  # fmt: skip
    between = bool(np.isfinite(now) and np.isfinite(now_low) and np.isfinite(now_high))
    ends = f" ({written(now_low, 'percent')} to {written(now_high, 'percent')})" if between else ""
    if np.isfinite(now):
        if between:
            axes.plot([now_low, now_high], [0, 0], color=BLUE, lw=2.4)
        axes.plot([now], [0], "D", color=BLUE, ms=10, mec="white", mew=1.5)
        _label(axes, now, f"estimated for people taken on: {written(now, 'percent')}{ends}")
    axes.set_ylim(-1.9, 1)
    axes.axvline(0, color=INK, lw=1.0)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(lambda v, _: written(float(v), "percent"))
    axes.set_xlabel(
        "Fall in the hospital cost of people taken on, against care as usual; below 0 %: a rise", color=MUTED
    )
    band = (
        f" ({written(low, 'percent')} to {written(high, 'percent')})" if np.isfinite(low) and np.isfinite(high) else ""
    )
    mine = f"; estimated for people taken on: {written(now, 'percent')}{ends}" if np.isfinite(now) else ""
    title = f"The service pays for itself when the hospital cost of people taken on falls by {written(point, 'percent')}{band}{mine}"
    bar = ", the bar that of the estimate" if between else ""
    return Drawing(
        figure, title, f"One line from zero. {title}. The band is the interval of the break-even point{bar}."
    )


def _label(axes: Any, now: float, text: str) -> None:
    """The label under its mark, moved along only as far as the edge of the plot asks."""
    left, right = axes.get_xlim()
    room = (right - left) * CHARACTER * len(text) / 2
    middle = min(max(now, left + room), right - room) if right - left > 2 * room else (left + right) / 2
    axes.annotate(text, (middle, 0), xytext=(0, -10), textcoords="offset points", ha="center", va="top", fontsize=SMALL, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
                  fontweight="bold")  # fmt: skip
