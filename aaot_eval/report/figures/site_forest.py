"""Sites one under the other with their interval, the mean over them as a diamond, and the prediction for a further site."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, GREY_LIGHT, INK, MUTED, SMALL, canvas, ratio_ticks, wrapped
from aaot_eval.report.words import RATIO_SCALES, numbers, sentence_case, unit_name, written

ROW = 0.40  # inches
HALF = 0.28  # half the height of the diamond, in rows


@FIGURES.register("site_forest")
def site_forest(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `pooling` of one analysis."""
    rows = table.assign(
        estimate=numbers(table["estimate"]), low=numbers(table["conf_low"]), high=numbers(table["conf_high"])
    )
    sites = rows[rows["kind"] == "site"]
    if not rows["estimate"].gt(0).any() or not rows["low"].gt(0).any():
        return Gap("no site has an estimate with an interval")
    if not rows["scale"].isin(RATIO_SCALES).all():
        return Gap("the effects are no ratios; see the table")
    height = 0.80 + ROW * len(rows)
    figure = canvas(height)
    axes = figure.add_axes((0.30, 0.50 / height, 0.44, ROW * len(rows) / height))
    _draw(axes, rows, context)
    axes.set_xlabel("Rate ratio; 1 = no difference")
    figure.text(0.99, 1 - 0.06 / height, "Ratio (interval)", ha="right", va="top", fontsize=SMALL, color=MUTED)
    mean = rows[rows["kind"] == "mean"]
    finding = "No mean over the sites" if mean.empty else f"Mean over the sites: {_text(mean.iloc[0])}"
    further = rows[rows["kind"] == "further site"]
    if not further.empty and np.isfinite(further["low"].iloc[0]):
        finding += (
            f"; a further site is predicted between {_r(further['low'].iloc[0])} and {_r(further['high'].iloc[0])}"
        )
    return Drawing(
        figure,
        finding,
        f"Forest plot of {len(sites)} sites with their intervals on a logarithmic axis, a line at 1 for no difference, a diamond "
        f"for the mean and a dashed line for a further site. {finding}. "
        + " ".join(f"{_label(row)}: {_text(row)}." for _, row in sites.iterrows()),
    )


def _label(row: Any) -> str:
    if row["kind"] == "further site":
        return "A further site (prediction)"
    return "Mean over sites" if row["kind"] == "mean" else sentence_case(unit_name(row["unit"]))


def _text(row: Any) -> str:
    if not np.isfinite(row["estimate"]):
        return "no estimate"
    ends = (
        f"({_r(row['low'])} to {_r(row['high'])})"
        if np.isfinite(row["low"]) and np.isfinite(row["high"])
        else "(no interval)"
    )
    return ends[1:-1] if row["kind"] == "further site" else f"{_r(row['estimate'])} {ends}"


def _r(value: float) -> str:
    return written(float(value), "ratio")


def _draw(axes: Any, rows: pd.DataFrame, context: Context) -> None:
    ax, n = axes, len(rows)
    ends = rows[["estimate", "low", "high"]].to_numpy(dtype=float).ravel()
    ends = ends[np.isfinite(ends) & (ends > 0)]
    low, high = max(min(ends.min(), 0.8) / 1.06, 0.1), min(max(ends.max(), 1.25) * 1.06, 10)
    if context.smallest_effect:
        ax.axvspan(1 - context.smallest_effect, 1 + context.smallest_effect, color=GREY_LIGHT, lw=0, zorder=0)
    ax.axvline(1, color=INK, lw=1.0, zorder=1)
    for i, (_, row) in enumerate(rows.iterrows()):
        y = n - 1 - i
        whole = np.isfinite(row["low"]) and np.isfinite(row["high"])
        ends_shown = [max(row["low"], low), min(row["high"], high)] if whole else []
        if row["kind"] == "mean" and whole:
            ax.fill(
                [ends_shown[0], row["estimate"], ends_shown[1], row["estimate"]],
                [y, y + HALF, y, y - HALF],
                color=BLUE,
                zorder=3,
            )
        elif whole:
            dashed = row["kind"] == "further site"
            ax.plot(ends_shown, [y, y], color=BLUE if dashed else MUTED, lw=1.6, ls=(0, (4, 2)) if dashed else "-")
        if row["kind"] == "site" and np.isfinite(row["estimate"]):
            ax.plot([row["estimate"]], [y], "s", color=MUTED, ms=5, mfc=MUTED if whole else "white")
        bold = "bold" if row["kind"] == "mean" else "normal"
        ax.text(-0.03, y, wrapped(_label(row), 30), ha="right", va="center", transform=ax.get_yaxis_transform(),
                fontsize=SMALL, fontweight=bold, linespacing=1.15)  # fmt: skip
        ax.text(1.58, y, _text(row), ha="right", va="center", transform=ax.get_yaxis_transform(), fontsize=SMALL)
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ticks = ratio_ticks(low, high, most=6)
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.set_yticks([])
    ax.set_ylim(-0.6, n - 0.4)
    ax.spines["left"].set_visible(False)
