"""Which input moves the net saving most: each at both ends of its own range, the widest swing first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, BLUE_LIGHT, INK, ORANGE, ORANGE_LIGHT, SMALL, canvas, wrapped
from aaot_eval.report.words import numbers, sentence_case, written

ROW = 0.55  # inches


@FIGURES.register("cost_ranges")
def cost_ranges(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `cost_ranges`; with a column `saving_at_base` every bar starts at the base, else in the middle of its range."""
    rows = table.sort_values("order", kind="stable").reset_index(drop=True)
    names = ("low_input", "high_input", "saving_at_low", "saving_at_high")
    low_in, high_in, at_low, at_high = (numbers(rows[c]) for c in names)
    if not (np.isfinite(at_low) & np.isfinite(at_high)).any():
        return Gap("no quantity has a range with a net saving at both ends")
    n = len(rows)
    base = float(rows["saving_at_base"].iloc[0]) if "saving_at_base" in rows else np.nan
    height = 0.62 + ROW * n
    figure = canvas(height)
    axes = figure.add_axes((0.235, 0.60 / height, 0.725, ROW * n / height))
    for i in range(n):
        y, start = n - 1 - i, base if np.isfinite(base) else (at_low[i] + at_high[i]) / 2
        for end, given, fill, edge, hatch in (
            (at_low[i], low_in[i], ORANGE_LIGHT, ORANGE, "////"),
            (at_high[i], high_in[i], BLUE_LIGHT, BLUE, ""),
        ):
            axes.barh(y, end - start, left=start, height=0.5, color=fill, edgecolor=edge, hatch=hatch, linewidth=1.0)
            side = 1 if end >= start else -1
            axes.annotate(written(given, "number"), (end, y), xytext=(5 * side, 0), textcoords="offset points",
                          ha="left" if side > 0 else "right", va="center", fontsize=SMALL, zorder=5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0})  # fmt: skip
        label = wrapped(f"{sentence_case(str(rows['parameter'].iloc[i]))} ({rows['unit'].iloc[i]})", 21)
        axes.text(-0.02, y, label, ha="right", va="center", transform=axes.get_yaxis_transform(), fontsize=SMALL)
    axes.axvline(0, color=INK, lw=1.0)
    if np.isfinite(base):
        axes.axvline(base, color=INK, lw=1.0, ls="--")
    axes.margins(x=0.13)
    axes.set_yticks([])
    axes.set_ylim(-0.6, n - 0.4)
    axes.grid(visible=True, axis="x")
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda v, _: written(float(v), "money"))
    axes.set_xlabel(f"Net saving a patient-year ({context.pounds}); hatched = at the low input")
    readings = [
        f"{rows['parameter'].iloc[i]} from {written(low_in[i], 'number')} to {written(high_in[i], 'number')}: "
        f"net saving {written(at_low[i], 'money')} to {written(at_high[i], 'money')}{context.mark}"
        for i in range(n)
    ]
    from_base = "; a dashed line marks the base, where the bars start" if np.isfinite(base) else ""
    return Drawing(
        figure,
        f"Widest swing: {readings[0]}",
        f"Horizontal bars, the widest first, of the net saving at both ends of each input's range; a line marks zero{from_base}. "
        f"{'; '.join(readings)}.",
    )
