"""The acceptability curve: how likely AAOT is the better use of the money, whatever one unit of outcome is held to be worth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, INK, MUTED, ORANGE, SMALL, canvas, keys_above
from aaot_eval.report.words import numbers, truth, written

MARKS = 6


@FIGURES.register("acceptability")
def acceptability(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `acceptability`, with the outcome's `unit` in words and `marked` where a value was set beforehand."""
    rows = table.sort_values("order", kind="stable")
    rows = rows[np.isfinite(numbers(rows["threshold"]))]
    worth, aaot, usual, front = (numbers(rows[c]) for c in ("threshold", "p_aaot", "p_usual", "p_frontier"))
    if len(rows) < 2 or not np.isfinite(aaot).any():
        return Gap("there is no probability without a finite interval")
    unit = str(rows["unit"].iloc[0]) if "unit" in rows else "unit of outcome"
    marked = truth(rows["marked"]) if "marked" in rows else np.zeros(len(rows), dtype=bool)
    figure = canvas(3.4)
    axes = figure.add_axes((0.10, 0.20, 0.86, 0.66))
    every = max(1, len(rows) // MARKS)
    axes.plot(worth, front, color=MUTED, lw=5, alpha=0.35, label="Frontier: higher net benefit on average")
    axes.plot(worth, aaot, "-o", color=BLUE, markevery=every, ms=5, label="AAOT")
    axes.plot(worth, usual, "--s", color=ORANGE, markevery=every, ms=5, mfc="white", label="Care as usual")
    for at, p in zip(worth[marked], aaot[marked], strict=True):
        axes.axvline(at, color=INK, lw=0.9, ls=(0, (2, 2)))
        axes.annotate(written(p, "percent"), (at, p), xytext=(4, -12), textcoords="offset points", fontsize=SMALL)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0, float(worth.max()))
    axes.yaxis.set_major_formatter(lambda v, _: written(float(v), "percent"))
    axes.xaxis.set_major_formatter(lambda v, _: written(float(v), "money"))
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(f"What one {unit} is held to be worth (£)")
    axes.set_ylabel("Probability")
    keys_above(axes, 3)
    at = np.flatnonzero(marked)[0] if marked.any() else 0
    set_value = f"at {written(worth[at], 'money')} for one {unit}" if marked.any() else "on cost alone, at £0"
    title = f"{written(aaot[at], 'percent')} of draws favour AAOT {set_value}{context.mark}"
    last = f"at {written(worth[-1], 'money')} in {written(aaot[-1], 'percent')}"
    return Drawing(figure, title, f"Two curves of probability over the worth of one {unit}. {title}; {last}.")
