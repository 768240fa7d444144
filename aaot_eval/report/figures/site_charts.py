"""Each site's own series, one small chart a site, all read alike."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._series import Series, mark_periods, plot_series, tick_places
from aaot_eval.report.figures._style import INK, SMALL, WIDTH, canvas
from aaot_eval.report.words import listed, period_name, sentence_case, written

MOST = 12
KEYS, HEAD, PANEL, FOOT = 0.55, 0.32, 1.35, 0.33  # inches


@FIGURES.register("site_charts")
def site_charts(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `series` of one analysis and several units; at most twelve units are drawn."""
    every = [Series.of(rows) for _, rows in table.groupby("unit", sort=True)]
    readable = [s for s in every if np.isfinite(s.observed).any()]
    if not readable:
        return Gap("every observed count is hidden or missing")
    series, left_out = readable[:MOST], len(every) - len(readable[:MOST])
    line = HEAD + PANEL + FOOT
    height = KEYS + line * math.ceil(len(series) / 2)
    figure = canvas(height)
    for i, s in enumerate(series):
        row, column = divmod(i, 2)
        bottom = height - KEYS - row * line - HEAD - PANEL
        axes = figure.add_axes(((0.5 + 3.6 * column) / WIDTH, bottom / height, 3.3 / WIDTH, PANEL / height))
        plot_series(axes, s, size=3.0)
        axes.set_ylim(bottom=0)
        mark_periods(axes, s, context.start_of(s.unit), name=True)
        chosen = tick_places(s.labels, most=4)
        axes.set_xticks(s.t[chosen], [period_name(s.labels[j], short=True) for j in chosen])
        axes.set_title(s.name, loc="left", fontsize=SMALL, color=INK, fontweight="bold", pad=5, x=-0.004)
    keys = {
        name: handle for axes in figure.axes for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(keys.values(), keys.keys(), loc="upper left", bbox_to_anchor=(0.055, 1.0), ncols=3, borderaxespad=0)
    drawn = listed([s.name for s in series])
    more = f"; {left_out} more in the table" if left_out else ""
    return Drawing(
        figure,
        f"{sentence_case(context.subject)} by {context.period} at {drawn}, observed and expected{more}",
        f"Small charts of {context.subject}, one for each of {drawn}: open circles are observed counts, a solid line is "
        "the fitted model, a dashed line with a band what was expected without the service, and a vertical line the "
        f"start. {' '.join(_range(s) for s in series)}",
    )


def _range(s: Series) -> str:
    low, high = (written(float(f(s.observed)), "count") for f in (np.nanmin, np.nanmax))
    return f"{s.name}: {low} to {high} observed."
