"""Observed and expected, period by period, the difference below it, and the comparison sites on their own scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._series import Series, mark_periods, plot_series
from aaot_eval.report.figures._style import (
    GREEN,
    INK,
    MUTED,
    ORANGE,
    ORANGE_LIGHT,
    SMALL,
    WIDTH,
    canvas,
    keys_height,
    keys_on_top,
    thousands,
)
from aaot_eval.report.words import listed, period_name, sentence_case, written

LEFT, RIGHT = 0.70, 0.08  # inches
MAIN, BELOW, GAP, FOOT = 2.75, 1.15, 0.42, 0.32


@FIGURES.register("effect_chart")
def effect_chart(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `series` of one analysis and one unit; rows of the unit `comparison` get a panel of their own."""
    beside = (table["unit"] == "comparison").to_numpy()
    main = Series.of(table[~beside] if not beside.all() else table)
    if np.isnan(main.observed).all():
        return Gap("every observed count is hidden or missing")
    comparison = Series.of(table[beside]) if beside.any() and not beside.all() else None
    expects = bool(np.isfinite(main.expected[main.after]).any())
    heights = [MAIN, *([BELOW] if expects else []), *([BELOW] if comparison is not None else [])]
    keys = keys_height(main.keys)
    total = keys + sum(heights) + GAP * (len(heights) - 1) + FOOT
    figure = canvas(total)
    panels = _panels(figure, heights, total, keys)
    plot_series(panels[0], main, context)
    _from_zero(panels[0])
    mark_periods(panels[0], main, context, name=True)
    keys_on_top(figure, LEFT)
    if expects:
        _difference(panels[1], main)
        mark_periods(panels[1], main, context)
        _name(panels[1], "Observed minus expected")
    if comparison is not None:
        _beside(panels[-1], comparison)
        mark_periods(panels[-1], comparison, context)
        _name(panels[-1], "Comparison sites together, observed")
    for panel in panels:
        panel.yaxis.set_major_formatter(thousands)
    for panel in panels[:-1]:
        panel.tick_params(axis="x", labelbottom=False)
    return Drawing(figure, _title(main, context), _description(main, context, comparison))


def _panels(figure: Any, heights: list[float], total: float, keys: float) -> list[Any]:
    panels: list[Any] = []
    top = total - keys
    for height in heights:
        box = (LEFT / WIDTH, (top - height) / total, 1 - (LEFT + RIGHT) / WIDTH, height / total)
        panels.append(figure.add_axes(box, sharex=panels[0] if panels else None))
        top -= height + GAP
    return panels


def _name(axes: Any, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=SMALL, color=INK, pad=5, x=-0.002)


def _difference(axes: Any, s: Series) -> None:
    """Observed minus expected; before the start, minus what the model fits, so that the usual scatter can be seen."""
    gap = s.observed - np.where(s.after, s.expected, s.fitted)
    band = s.after & np.isfinite(s.low)
    axes.fill_between(s.t, s.low - s.expected, s.high - s.expected, where=band, color=ORANGE_LIGHT, lw=0)
    axes.axhline(0, color=MUTED, lw=0.9)
    axes.plot(s.t, np.where(s.after, 0.0, np.nan), color=ORANGE, lw=2.0, ls=(0, (5, 2)))
    axes.vlines(s.t[s.after], 0, gap[s.after], color=MUTED, lw=0.9)
    axes.plot(s.t[s.after], gap[s.after], "o", color=INK, ms=4.2, mfc="white", mew=1.1)
    before = s.phase == "before"
    axes.plot(s.t[before], gap[before], "o", color=MUTED, ms=2.6, mfc="white", mew=0.8)


def _beside(axes: Any, s: Series) -> None:
    axes.plot(s.t, s.observed, color=GREEN, lw=1.0, ls=(0, (1, 1.2)), marker="s", ms=3.2, mfc="white", mew=1.0)
    _from_zero(axes)


def _from_zero(axes: Any) -> None:
    """The axis from zero, with room for the marks at the top: the library leaves a share of the spread, not of the height."""
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])


def _title(s: Series, context: Context) -> str:
    known = np.flatnonzero(s.after & np.isfinite(s.observed) & np.isfinite(s.expected))
    if not len(known):
        return f"{sentence_case(s.name)}: observed counts; nothing is expected {context.expected_from}"
    i = int(known[-1])
    band = f" ({_x(s.low[i])} to {_x(s.high[i])})" if np.isfinite(s.low[i]) else ""
    observed = written(s.observed[i], "count")
    return f"{s.periods[i]}: {observed} observed, {_x(s.expected[i])} expected {context.expected_from}{band}"


def _x(value: float) -> str:
    return written(float(value), "expected")


def _description(s: Series, context: Context, comparison: Series | None) -> str:
    low, high = (written(float(f(s.observed)), "count") for f in (np.nanmin, np.nanmax))
    parts = [
        f"Line chart of {context.subject} by {context.period}, {s.name}, {s.periods[0]} to {s.periods[-1]}.",
        f"Open circles are observed counts, from {low} to {high}.",
    ]
    if np.isfinite(s.expected[s.after]).any():
        parts.append(
            f"A dashed line with a band is what was expected {context.expected_from}; below, observed minus expected."
        )
        parts.append(f"{_title(s, context)}.")
    if s.after.any():
        starts = [period_name(p) for p in context.starts_of(s.unit) if p in s.labels]
        parts.append(f"Vertical lines mark the starts: {listed(starts)}." if len(starts) > 1
                     else f"A vertical line marks when the {context.start_name}." if context.start_name.startswith("service")
                     else f"A vertical line marks {context.start_name}.")  # fmt: skip
    if comparison is not None and np.isfinite(comparison.observed).any():
        low, high = (written(float(f(comparison.observed)), "count") for f in (np.nanmin, np.nanmax))
        parts.append(f"The lowest panel shows the comparison sites, from {low} to {high}.")
    if s.is_hidden.any():
        parts.append("Crosses on the axis are counts too small to be shown.")
    return " ".join(parts)
