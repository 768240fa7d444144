"""Each site's own series, one small chart a site, all read alike."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._series import Series, mark_periods, plot_series, tick_places
from aaot_eval.report.figures._style import INK, SMALL, WIDTH, canvas, keys_height, keys_on_top, thousands
from aaot_eval.report.words import listed, period_name, sentence_case, written

MOST = 12
LEFT, WIDE = 0.62, 3.05  # inches
HEAD, PANEL, FOOT = 0.26, 1.35, 0.36


@FIGURES.register("site_charts")
def site_charts(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `series` of one analysis and several units; at most twelve units are drawn."""
    every = [Series.of(rows) for _, rows in table.groupby("unit", sort=True)]
    readable = [s for s in every if np.isfinite(s.observed).any()]
    if not readable:
        return Gap("every observed count is hidden or missing")
    series, left_out = readable[:MOST], len(every) - len(readable[:MOST])
    line = HEAD + PANEL + FOOT
    keys = keys_height(max(s.keys for s in series)) - 0.1
    height = keys + line * math.ceil(len(series) / 2)
    figure = canvas(height)
    for i, s in enumerate(series):
        row, column = divmod(i, 2)
        bottom = height - keys - row * line - HEAD - PANEL
        axes = figure.add_axes(((LEFT + (WIDE + LEFT) * column) / WIDTH, bottom / height, WIDE / WIDTH, PANEL / height))
        plot_series(axes, s, context, size=3.0)
        axes.set_ylim(bottom=0)
        mark_periods(axes, s, context, name=True)
        axes.yaxis.set_major_formatter(thousands)
        chosen = tick_places(s.labels, most=4)
        axes.set_xticks(s.t[chosen], [period_name(s.labels[j], short=True) for j in chosen])
        axes.set_title(s.name, loc="left", fontsize=SMALL, color=INK, fontweight="bold", pad=5, x=-0.004)
    keys_on_top(figure, LEFT)
    drawn = listed([s.name for s in series])
    more = f"; {left_out} more in the table" if left_out else ""
    return Drawing(
        figure,
        f"{sentence_case(context.subject)} by {context.period} at {drawn}, observed and expected{more}",
        f"Small charts of {context.subject}, one for each of {drawn}: open circles are observed counts, a solid line is "
        f"the fitted model, a dashed line with a band what was expected {context.expected_from}, and a vertical line the "
        f"start. {' '.join(_range(s) for s in series)}",
    )


def _range(s: Series) -> str:
    low, high = (written(float(f(s.observed)), "count") for f in (np.nanmin, np.nanmax))
    return f"{s.name}: {low} to {high} observed."
