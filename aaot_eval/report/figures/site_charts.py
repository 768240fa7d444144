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


@FIGURES.register("site_charts")
def site_charts(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `series` of one analysis and several units; at most twelve units are drawn."""
    all_series = [Series.of(rows) for _, rows in table.groupby("unit", sort=True)]
    series = [s for s in all_series if np.isfinite(s.observed).any()]
    if not series:
        return Gap("every observed count is hidden or missing")
    left_out, series = series[MOST:], series[:MOST]
    lines = math.ceil(len(series) / 2)
    height = 0.62 + 1.95 * lines
    figure = canvas(height)
    for i, s in enumerate(series):
        row, column = divmod(i, 2)
        bottom = (height - 0.42 - 1.95 * (row + 1) + 0.42) / height
        axes = figure.add_axes(((0.55 + 3.6 * column) / WIDTH, bottom, 3.25 / WIDTH, 1.28 / height))
        plot_series(axes, s, size=3.0)
        axes.set_ylim(bottom=0)
        mark_periods(axes, s, context.start_of(s.unit))
        chosen = tick_places(s.labels, most=4)
        axes.set_xticks(s.t[chosen], [period_name(s.labels[j], short=True) for j in chosen])
        axes.set_title(s.name, loc="left", fontsize=SMALL, color=INK, fontweight="bold", pad=4)
        if i == 0:
            handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="upper left", bbox_to_anchor=(0.06, 1.0), ncols=4, borderaxespad=0.2)
    names_drawn = listed([s.name for s in series])
    more = f" {len(left_out)} more are in the table." if left_out else ""
    return Drawing(
        figure,
        f"{sentence_case(context.subject)} a {context.period} at {names_drawn}, observed and expected{'.' if more else ''}{more}",
        f"Small charts of {context.subject}, one for each of {names_drawn}: open circles are observed counts, a solid line is "
        "the fitted model, a dashed line with a band what was expected without the service, and a vertical line the start. "
        + " ".join(_range(s) for s in series),
    )


def _range(s: Series) -> str:
    low, high = np.nanmin(s.observed), np.nanmax(s.observed)
    return f"{s.name}: {written(low, 'count')} to {written(high, 'count')} observed."
