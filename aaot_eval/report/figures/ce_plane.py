"""The plane of cost and outcome: where the draws lie, as outlines and shares of the four quadrants."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, BLUE_LIGHT, INK, MUTED, SMALL, canvas, keys_above
from aaot_eval.report.words import numbers, sentence_case, written

CORNERS = {
    "costs more, worse outcome": (0.01, 0.99, "left", "top"),
    "costs more, better outcome": (0.99, 0.99, "right", "top"),
    "costs less, worse outcome": (0.01, 0.01, "left", "bottom"),
    "costs less, better outcome": (0.99, 0.01, "right", "bottom"),
}
LEAST_SIDE = 0.55  # a quadrant without draws is still wide enough for its words
ROOM = 1.4  # the words of the quadrants stand in the corners, outside the outlines


@FIGURES.register("ce_plane")
def ce_plane(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `ce_plane`, with the outcome's `unit` in words."""
    outlines = table[table["kind"] == "contour"]
    effect, cost = numbers(table["effect"]), numbers(table["cost"])
    known = np.isfinite(effect) & np.isfinite(cost)
    if not known.any():
        return Gap("neither outcome nor cost has draws")
    unit = str(table["unit"].iloc[0]) if "unit" in table else "unit of outcome"
    figure = canvas(4.3)
    axes = figure.add_axes((0.13, 0.15, 0.84, 0.76))
    for name, rows in list(outlines.groupby("name", sort=False))[::-1]:
        x, y = numbers(rows["effect"]), numbers(rows["cost"])
        wide = "95" in str(name)
        axes.fill(x, y, facecolor=BLUE_LIGHT if wide else "none", edgecolor=BLUE, lw=1.4, ls="-" if wide else (0, (4, 2)),
                  label=sentence_case(str(name)))  # fmt: skip
    estimate = table[table["kind"] == "estimate"]
    if len(estimate):
        axes.plot(numbers(estimate["effect"]), numbers(estimate["cost"]), "D", color=BLUE, ms=8, mec="white", mew=1.2,
                  label="Estimate")  # fmt: skip
    axes.set_xlim(*_around_zero(effect[known]))
    axes.set_ylim(*_around_zero(cost[known]))
    axes.axhline(0, color=INK, lw=1.0)
    axes.axvline(0, color=INK, lw=1.0)
    axes.spines["left"].set_visible(False)
    quadrants = table[table["kind"] == "quadrant"]
    parts = dict(zip(map(str, quadrants["name"]), numbers(quadrants["share"]), strict=True))
    shares = {name: written(share, "percent") for name, share in parts.items() if np.isfinite(share)}
    for name, (x_at, y_at, across, up) in CORNERS.items():
        axes.text(x_at, y_at, f"{sentence_case(name)}\n{shares[name]} of draws" if name in shares else sentence_case(name), transform=axes.transAxes, ha=across, va=up,
                  fontsize=SMALL, color=MUTED, linespacing=1.2)  # fmt: skip
    axes.locator_params(nbins=6)
    axes.yaxis.set_major_formatter(lambda v, _: written(float(v), "money"))
    axes.set_xlabel(f"{sentence_case(_plural(unit))} for each patient-year")
    axes.set_ylabel(f"Extra cost ({context.pounds})")
    keys_above(axes, 3)
    most = max(shares, key=lambda name: parts[name], default="")
    title = f"{shares[most]} of draws: AAOT {most}{context.mark}" if most else "Where the draws lie"
    listed = "; ".join(f"{name}: {share}" for name, share in shares.items())
    return Drawing(
        figure,
        title,
        f"Plane of outcome gained (across) and extra cost (upwards). Shares of draws: {listed}.",
    )


def _around_zero(values: np.ndarray) -> tuple[float, float]:
    """An axis that holds the values, zero, and room for words at both ends."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    low, high = min(low, -LEAST_SIDE * high), max(high, -LEAST_SIDE * low)
    middle, half = (low + high) / 2, max((high - low) / 2, 1e-9) * ROOM
    return middle - half, middle + half


def _plural(unit: str) -> str:
    first, _, rest = unit.partition(" ")
    return f"{first}s {rest}".strip()
