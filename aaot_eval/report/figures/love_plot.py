"""Balance before and after weighting, one row for each characteristic."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, INK, MUTED, canvas, keys_above, wrapped
from aaot_eval.report.words import numbers, written

#: Differences within a tenth of a standard deviation are usually called small.
SMALL_DIFFERENCE = 0.1


@FIGURES.register("love_plot")
def love_plot(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `balance` of one analysis."""
    rows = table.sort_values("order", kind="stable").iloc[::-1]
    before, after = numbers(rows["difference_before"]), numbers(rows["difference_after"])
    drawn = np.isfinite(before) & np.isfinite(after)
    if not drawn.any():
        return Gap("no difference may be shown")
    rows, before, after = rows[drawn], before[drawn], after[drawn]
    place = np.arange(len(rows))
    height = 0.9 + 0.34 * len(rows)
    figure = canvas(height)
    axes = figure.add_axes((0.42, 0.5 / height, 0.56, (height - 0.85) / height))
    axes.axvspan(-SMALL_DIFFERENCE, SMALL_DIFFERENCE, color="#eef1f4", lw=0)
    axes.axvline(0, color=INK, lw=1.0)
    axes.hlines(place, np.minimum(before, after), np.maximum(before, after), color=MUTED, lw=0.8)
    axes.plot(before, place, "o", color=MUTED, mfc="white", ms=6, mew=1.3, label="Before weighting")
    axes.plot(after, place, "D", color=BLUE, ms=6, label="After")
    axes.set_yticks(place, [wrapped(str(c), 40) for c in rows["characteristic"]])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Referred less compared, in standard deviations")
    keys_above(axes)
    most = [written(float(np.abs(v).max()), "ratio") for v in (before, after)]
    title = f"Largest difference before weighting {most[0]}, after it {most[1]} standard deviations"
    return Drawing(
        figure,
        title,
        f"Love plot: difference between the referred and the people they are compared with, in standard deviations, for "
        f"{len(rows)} characteristics of their past; hollow circles before weighting, diamonds after. {title}; the band is "
        f"{SMALL_DIFFERENCE:g} either way.",
    )
