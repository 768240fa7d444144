"""What the service costs for each patient-year at the planned occupancy, line by line in one stacked bar."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, canvas, spread, wrapped
from aaot_eval.report.words import numbers, written

LOOK = (("#d5e4f0", BLUE, ""), ("#f6dfcd", ORANGE, "///"), ("#d3e9e0", GREEN, ".."), ("#ecdcea", PURPLE, "xx"),
        ("#eceff2", MUTED, "\\\\"), ("#ffffff", INK, "--"), ("#d5e4f0", BLUE, "||"), ("#f6dfcd", ORANGE, "++"))  # fmt: skip


@FIGURES.register("service_cost")
def service_cost(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `service_cost`; the total is written above the bar, not stacked."""
    rows = table.sort_values("order", kind="stable").reset_index(drop=True)
    amount = numbers(rows["per_patient_year"])
    is_total = (rows["kind"] == "total").to_numpy()
    parts = np.flatnonzero(~is_total & (amount > 0))
    if not len(parts):
        return Gap("no cost line has an amount for each patient-year")
    height = max(2.8, 0.4 + 0.36 * len(parts))
    figure = canvas(height)
    axes = figure.add_axes((0.125, 0.03, 0.20, 0.94))
    names = figure.add_axes((0.328, 0.03, 0.662, 0.94), sharey=axes)
    base = np.concatenate([[0.0], np.cumsum(amount[parts])])
    middle = (base[1:] + base[:-1]) / 2
    places = spread(list(middle), base[-1] * 0.36 / (height * 0.94), 0.03 * base[-1], 0.97 * base[-1])
    for k, i in enumerate(parts):
        fill, edge, hatch = LOOK[k % len(LOOK)]
        axes.bar(0, amount[i], bottom=base[k], width=0.9, color=fill, edgecolor=edge, hatch=hatch, linewidth=1.0)
        names.plot([0.0, 0.05, 0.09], [middle[k], places[k], places[k]], color=edge, lw=1.0)
        label = wrapped(str(rows["item"].iloc[i]), 44)
        names.text(0.235, places[k], written(amount[i], "money"), va="center", ha="right", fontweight="bold")
        names.text(0.265, places[k], label, va="center", ha="left", linespacing=1.1)
    axes.set_xticks([])
    axes.set_xlim(-0.5, 0.5)
    axes.set_ylim(0, base[-1] * 1.005)
    axes.set_ylabel(f"For each patient-year ({context.pounds})")
    axes.yaxis.set_major_formatter(lambda v, _: written(float(v), "money"))
    names.set_axis_off()
    names.set_xlim(0, 1)
    total = next((written(amount[i], "money") for i in np.flatnonzero(is_total)), "not given")
    largest = parts[np.argmax(amount[parts])]
    title = (
        f"The service costs {total}{context.mark} for each patient-year at the planned occupancy; "
        f"the largest line is {rows['item'].iloc[largest]}, {written(amount[largest], 'money')}{context.mark}"
    )
    listed = "; ".join(f"{rows['item'].iloc[i]} {written(amount[i], 'money')}" for i in parts)
    return Drawing(figure, title, f"One stacked bar from zero{context.mark}: {listed}. Together {total}.")
