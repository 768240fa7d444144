"""Sites one under the other with their interval, the mean over them as a diamond, and the prediction for a further site."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._forest import Forest
from aaot_eval.report.figures._style import BLUE, MUTED
from aaot_eval.report.words import RATIO_SCALES, numbers, sentence_case, unit_name, written
from aaot_eval.wording import change

ROW = 0.40  # inches
HALF = 0.11  # inches: half the height of the diamond
LEFT, ACROSS, CHARACTERS = 0.30, 0.44, 30


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
    mean = rows[rows["kind"] == "mean"]
    finding = "No mean over the sites" if mean.empty else f"Mean over the sites: {_change(mean.iloc[0])}"
    further = rows[rows["kind"] == "further site"]
    if not further.empty and np.isfinite(further["low"].iloc[0]):
        finding += f"; a further site is predicted {_change(further.iloc[0])}"
    return Drawing(
        _drawn(rows, context),
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


def _change(row: Any) -> str:
    """The row in per cent; without a direction where its interval holds none."""
    if not (np.isfinite(row["low"]) and np.isfinite(row["high"])):
        return _text(row)
    ends = f"{change(row['low'])} to {change(row['high'])}"
    sided = np.isfinite(row["estimate"]) and not row["low"] <= 1 <= row["high"]
    return f"{change(row['estimate'])} ({ends})" if sided else f"from {ends}"


def _r(value: float) -> str:
    return written(float(value), "ratio")


def _drawn(rows: pd.DataFrame, context: Context) -> Any:
    values = rows[["estimate", "low", "high"]].to_numpy(dtype=float).ravel()
    labels = [_label(row) for _, row in rows.iterrows()]
    plot = Forest(labels, CHARACTERS, ROW, LEFT, ACROSS, values, context.smallest_effect)
    ax = plot.axes
    for i, (_, row) in enumerate(rows.iterrows()):
        y = plot.y[i]
        whole = np.isfinite(row["low"]) and np.isfinite(row["high"])
        ends = plot.inside(row["low"], row["high"]) if whole else []
        if row["kind"] == "mean" and whole:
            ax.fill(
                [ends[0], row["estimate"], ends[1], row["estimate"]], [y, y + HALF, y, y - HALF], color=BLUE, zorder=3
            )
        elif whole:
            dashed = row["kind"] == "further site"
            ax.plot(ends, [y, y], color=BLUE if dashed else MUTED, lw=1.6, ls=(0, (4, 2)) if dashed else "-")
        if row["kind"] == "site" and np.isfinite(row["estimate"]):
            ax.plot([row["estimate"]], [y], "s", color=MUTED, ms=5, mfc=MUTED if whole else "white")
        plot.write(i, _text(row), bold=row["kind"] == "mean")
    return plot.figure
