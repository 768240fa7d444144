"""The primary estimate under every choice fixed beforehand: estimates in order above, the choices of each below."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, FAINT, GREY_LIGHT, INK, MUTED, SMALL, canvas, ratio_ticks
from aaot_eval.report.words import name_of, numbers, truth, written

ROW = 0.21  # inches
CHOICES = ("outcome", "method", "phase_in", "before", "after", "pandemic")
HEADS = {"phase_in": "phase-in", "before": "before", "after": "after", "pandemic": "pandemic"}
P = 0.05


@FIGURES.register("specification_curve")
def specification_curve(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `specification_curve` of one analysis."""
    rows = table.assign(estimate=numbers(table["estimate"]), p_value=numbers(table["p_value"]))
    rows = rows[np.isfinite(rows["estimate"]) & (rows["estimate"] > 0)].sort_values("estimate", kind="stable")
    if rows.empty:
        return Gap("no variant has an estimate on a ratio scale")
    marks = [(c, v) for c in CHOICES if table[c].astype(str).nunique() > 1 for v in dict.fromkeys(table[c].astype(str))]
    top, below = 1.9, ROW * len(marks)
    height = top + below + 0.35
    figure = canvas(height)
    upper = figure.add_axes((0.30, (below + 0.35) / height, 0.68, (top - 0.15) / height))
    lower = figure.add_axes((0.30, 0.10 / height, 0.68, (below + 0.05) / height))
    x, y = np.arange(len(rows)), rows["estimate"].to_numpy(dtype=float)
    small = np.nan_to_num(rows["p_value"].to_numpy(dtype=float), nan=1.0) <= P
    declared = truth(rows["declared"])
    if context.smallest_effect:
        upper.axhspan(1 - context.smallest_effect, 1 + context.smallest_effect, color=GREY_LIGHT, lw=0, zorder=0)
    upper.axhline(1, color=INK, lw=1.0)
    upper.scatter(x[~small], y[~small], s=18, facecolors="white", edgecolors=MUTED, zorder=3)
    upper.scatter(x[small], y[small], s=18, color=MUTED, zorder=3)
    upper.scatter(x[declared], y[declared], s=60, marker="D", color=BLUE, zorder=4)
    low, high = min(float(y.min()), 0.9) / 1.03, max(float(y.max()), 1.1) * 1.03
    upper.set_yscale("log")
    upper.set_ylim(low, high)
    ticks = ratio_ticks(low, high, most=6)
    upper.set_yticks(ticks, [f"{t:g}" for t in ticks])
    upper.set_yticks([], minor=True)
    upper.set_xticks([])
    upper.set_ylabel("Ratio")
    for k, (column, value) in enumerate(marks):
        chosen = rows[column].astype(str).to_numpy() == value
        place = len(marks) - 1 - k
        lower.scatter(x, np.full(len(x), place), s=4, color=FAINT)
        lower.scatter(x[chosen], np.full(int(chosen.sum()), place), s=14, marker="s", color=INK)
        text = name_of(value) if column in ("outcome", "method") else f"{HEADS[column]}: {value}"
        lower.text(-0.02, place, text, ha="right", va="center", transform=lower.get_yaxis_transform(), fontsize=SMALL)
    for axes in (upper, lower):
        axes.set_xlim(-0.7, len(rows) - 0.3)
    lower.set_ylim(-0.7, max(len(marks) - 0.3, 0.3))
    lower.axis("off")
    n_below, n = int((y < 1).sum()), len(y)
    finding = f"{n_below} of {n} variants lie below 1; they run from {written(float(y.min()), 'ratio')} to {written(float(y.max()), 'ratio')}"
    return Drawing(
        figure,
        finding,
        f"Specification curve: a mark for each of {n} variants of the primary estimate in ascending order on a logarithmic axis, a "
        f"diamond for the declared one, and below it a row for each choice that shows which variants make it. {finding}; "
        f"{int(small.sum())} are filled because their p is at most 0.05.",
    )
