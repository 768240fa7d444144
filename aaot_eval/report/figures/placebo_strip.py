"""The real estimate among estimates at dates, or for sites, at which nothing started."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, FAINT, INK, MUTED, SMALL, canvas
from aaot_eval.report.words import name_of, numbers, p_words, truth, written

MANY = 120  # from here on ticks would run into one another, so they are counted in bars


@FIGURES.register("placebo_strip")
def placebo_strip(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `placebo` of one analysis and one kind, the real one among them."""
    values, measure = numbers(table["ratio"]), "ratio"
    if not np.isfinite(values).any():
        values, measure = numbers(table["statistic"]), "test statistic"
    known, real = np.isfinite(values), truth(table["real"])
    if not (known & ~real).any():
        return Gap("there is no placebo estimate to compare with")
    placebo, own = values[known & ~real], values[known & real]
    figure = canvas(1.75)
    axes = figure.add_axes((0.02, 0.30, 0.96, 0.47))
    many = len(placebo) > MANY
    if many:
        axes.hist(placebo, bins=60, color=FAINT, edgecolor="white", linewidth=0.4)
    else:
        axes.vlines(placebo, 0, 0.7, color=MUTED, lw=1.6)
        axes.set_ylim(0, 1)
    _mark(axes, own)
    axes.set_yticks([])
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    kind = name_of(table["kind"].iloc[0])
    axes.set_xlabel(
        f"{measure.capitalize()} of each placebo {kind}" + (", counted in bars" if many else ", one line each")
    )
    low, high = (written(float(v), "ratio") for v in (placebo.min(), placebo.max()))
    # At a date, p is that of each estimate by itself; only over assignments does it say where the real one stands.
    p = numbers(table["p_value"])[known & real] if kind == "assignment" else np.array([])
    chance = f"; {p_words(float(p[0]))}" if len(p) and np.isfinite(p[0]) else ""
    mine = (
        f"The real {measure} is {written(float(own[0]), 'ratio')}" if len(own) else f"The real {measure} is not known"
    )
    title = f"{mine}; placebo {kind}s give {low} to {high}{chance}"
    return Drawing(
        figure,
        title,
        f"Strip of {measure}s for {name_of(table['analysis'].iloc[0])}: {'bars count' if many else 'a line for each of'} the "
        f"estimates at a placebo {kind}, where nothing started, and a triangle marks the real one. {title}.",
    )


def _mark(axes: Any, own: np.ndarray) -> None:
    for value in own:
        axes.axvline(value, color=BLUE, lw=2.2, ls=(0, (4, 1.5)))
        axes.plot([value], [1.0], "v", color=BLUE, ms=10, transform=axes.get_xaxis_transform(), clip_on=False)
        low, high = axes.get_xlim()
        place = (value - low) / (high - low)
        side = "left" if place < 0.15 else "right" if place > 0.85 else "center"
        axes.text(value, 1.15, f"The real one: {written(float(value), 'ratio')}", transform=axes.get_xaxis_transform(),
                  ha=side, va="bottom", fontsize=SMALL, fontweight="bold", color=INK)  # fmt: skip
