"""Observed and expected, period by period: the interrupted time series of one unit, with the difference below it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._series import Series, mark_periods, plot_series
from aaot_eval.report.figures._style import BLUE, GREEN, INK, MUTED, ORANGE, ORANGE_LIGHT, canvas, keys_above
from aaot_eval.report.words import name_of, sentence_case, written


@FIGURES.register("effect_chart")
def effect_chart(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `series` of one analysis and one unit; rows of the unit `comparison` are drawn beside."""
    beside = table["unit"] == "comparison"
    main = Series.of(table[~beside] if not beside.all() else table)
    if np.isnan(main.observed).all():
        return Gap("every observed count is hidden or missing")
    comparison = Series.of(table[beside]) if beside.any() and not beside.all() else None
    start = context.start_of(main.unit)
    expects = bool(np.isfinite(main.expected).any())
    figure = canvas(5.6 if expects else 3.9)
    upper, lower = _panels(figure, expects)
    plot_series(upper, main)
    if comparison is not None:
        upper.plot(comparison.t, comparison.observed, color=GREEN, lw=1.1, ls=(0, (1, 1.2)), marker="s", ms=3.2,
                   mfc="white", mew=0.9, label="Comparison sites, observed")  # fmt: skip
    unit = f" per {context.period}, mean over sites" if main.unit == "treated" else f" a {context.period}"
    upper.set_ylabel(f"{sentence_case(context.subject)}{unit}")
    upper.set_ylim(bottom=0)
    mark_periods(upper, main, start, name=True)
    keys_above(upper)
    if lower is not None:
        _difference(lower, main)
        mark_periods(lower, main, start)
        lower.set_ylabel("Observed minus\nexpected")
    figure.align_ylabels()
    return Drawing(figure, _title(main), _description(main, start, context, comparison is not None))


def _panels(figure: Figure, two: bool) -> tuple[Any, Any]:
    if not two:
        return figure.add_axes((0.10, 0.13, 0.88, 0.72)), None
    upper = figure.add_axes((0.10, 0.40, 0.88, 0.50))
    return upper, figure.add_axes((0.10, 0.09, 0.88, 0.235), sharex=upper)


def _difference(axes: Any, s: Series) -> None:
    gap = s.observed - s.expected
    axes.fill_between(
        s.t, s.observed - s.high, s.observed - s.low, where=s.after & np.isfinite(s.low), color=ORANGE_LIGHT, lw=0
    )
    axes.axhline(0, color=INK, lw=1.0)
    axes.vlines(s.t[s.after], 0, gap[s.after], color=MUTED, lw=1.0)
    axes.plot(s.t[s.after], gap[s.after], "o", color=BLUE, ms=4.2, mfc="white", mew=1.2)
    before = ~s.after & np.isfinite(gap)
    axes.plot(s.t[before], gap[before], "o", color=MUTED, ms=2.6, mfc="white", mew=0.8)
    axes.axhline(0, color=ORANGE, lw=1.4, ls=(0, (5, 2)))


def _title(s: Series) -> str:
    known = np.flatnonzero(s.after & np.isfinite(s.observed) & np.isfinite(s.expected))
    if not len(known):
        return f"{sentence_case(s.name)}: observed counts; nothing is expected without the service"
    i = int(known[-1])
    band = f" ({_x(s.low[i])} to {_x(s.high[i])})" if np.isfinite(s.low[i]) else ""
    return f"{s.periods[i]}: {written(s.observed[i], 'count')} observed, {_x(s.expected[i])} expected without the service{band}"


def _x(value: float) -> str:
    return written(value, "expected")


def _description(s: Series, start: str | None, context: Context, comparison: bool) -> str:
    low, high = np.nanmin(s.observed), np.nanmax(s.observed)
    parts = [
        f"Line chart of {context.subject} for {name_of(s.unit)}, {s.periods[0]} to {s.periods[-1]}.",
        f"Open circles are observed counts, from {written(low, 'count')} to {written(high, 'count')}.",
    ]
    if np.isfinite(s.expected).any():
        parts.append(
            "A dashed line with a band is what was expected without the service; a second panel shows observed minus expected."
        )
        parts.append(f"{_title(s)}.")
    if start:
        parts.append(f"A vertical line marks the start of the service, {s.period_of(start)}.")
    if comparison:
        parts.append("A dotted line with squares is the mean of the comparison sites.")
    if s.is_hidden.any():
        parts.append("Crosses on the axis are counts too small to be shown.")
    return " ".join(parts)
