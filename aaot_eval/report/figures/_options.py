"""Break-even of each option: the dot, its range over caseloads, and beneath it the interval of a measured effect."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd

from aaot_eval.report.figures import Drawing, Gap
from aaot_eval.report.figures._style import BLUE, INK, MUTED, ORANGE, SMALL, STYLE, canvas, wrapped
from aaot_eval.report.words import counted, listed, numbers, sentence_case, written

FARTHEST = 1.5  # a share beyond this is drawn at the edge: no fall is larger than all admissions


def options_chart(table: pd.DataFrame, outcome: str) -> Drawing | Gap:
    """One row an option of the table `options`; options without a break-even are named in the description."""
    point, few, many = (numbers(table[c]) for c in ("break_even", "break_even_few", "break_even_many"))
    low, high = numbers(table["effect_low"]), numbers(table["effect_high"])
    drawn = [i for i in range(len(table)) if np.isfinite(point[i])]
    if not drawn:
        return Gap("no option has its cost, its capacity, its uptake and the cost of admissions entered")
    with matplotlib.rc_context(STYLE):
        figure = canvas(0.95 + 0.62 * len(drawn))
        axes = figure.add_axes(
            (0.30, 0.62 / (0.95 + 0.62 * len(drawn)), 0.66, 0.62 * len(drawn) / (0.95 + 0.62 * len(drawn)))
        )
        ends = [v for i in drawn for v in (point[i], few[i], many[i], low[i], high[i]) if np.isfinite(v)]
        right = min(max([*ends, 0.1]) * 1.15, FARTHEST)
        left = min(0.0, *ends)
        axes.set_xlim(left - 0.03 * (right - left), right)
        for row, i in enumerate(drawn):
            axes.plot([min(few[i], right), min(many[i], right)], [row - 0.08] * 2, color=ORANGE, lw=5, alpha=0.45,
                      solid_capstyle="butt")  # fmt: skip
            axes.plot([min(point[i], right)], [row - 0.08], "o" if point[i] <= right else ">", color=ORANGE, ms=9, mec="white",
                      clip_on=False, zorder=3)  # fmt: skip
            if np.isfinite(low[i]) and np.isfinite(high[i]):
                axes.plot([low[i], min(high[i], right)], [row + 0.2] * 2, color=BLUE, lw=2.5, marker="|", ms=10)
            side = "right" if point[i] > 0.75 * right else "left"
            axes.annotate(written(float(point[i]), "percent"), (min(point[i], right), row - 0.08), xytext=(0, 8),
                          textcoords="offset points", ha=side, va="bottom", fontsize=SMALL)  # fmt: skip
        axes.axvline(0, color=INK, lw=1.0)
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        axes.set_yticks(
            range(len(drawn)), [wrapped(f"{table['option'].iloc[i]} {table['name'].iloc[i]}", 24) for i in drawn]
        )
        axes.tick_params(axis="y", labelcolor=INK)
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
        axes.xaxis.set_major_formatter(lambda v, _: written(float(v), "percent"))
        axes.set_xlabel(f"Fall in {outcome} among the people reached", color=MUTED)
    named = [f"{table['option'].iloc[i]} at {written(float(point[i]), 'percent')}" for i in drawn]
    with_effect = sum(bool(np.isfinite(low[i])) for i in drawn)
    title = f"Each option pays for itself when {outcome} of the people it reaches fall by: {listed(named)}"
    about = (
        f"{sentence_case(counted(len(drawn), 'row'))}, one an option. The dot is break-even, the bar its range from the low "
        f"to the high caseload; {counted(with_effect, 'option')} with a measured effect and its interval as a thinner bar below. "
        f"{counted(len(table) - len(drawn), 'option')} not drawn. {title}."
    )
    return Drawing(figure, title, about)
