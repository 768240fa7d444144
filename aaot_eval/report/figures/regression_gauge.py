"""What selection alone would do: the raw change of the people on the caseload, never without what was to be expected."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, BLUE_LIGHT, FAINT, INK, MUTED, ORANGE, ORANGE_LIGHT, canvas, wrapped
from aaot_eval.report.words import numbers, sentence_case, written

NEEDED = ("before", "expected", "observed")
LOOK = {"before": (FAINT, MUTED, ""), "expected": (ORANGE_LIGHT, ORANGE, "////"), "observed": (BLUE_LIGHT, BLUE, "")}


@FIGURES.register("regression_gauge")
def regression_gauge(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `regression_to_mean`."""
    rows = table.sort_values("order", kind="stable").drop_duplicates("what").set_index("what")
    rates = {what: float(numbers(rows.loc[[what], "rate"])[0]) for what in NEEDED if what in rows.index}
    absent = [what for what in NEEDED if not np.isfinite(rates.get(what, np.nan))]
    if absent:
        return Gap(
            f"the rate {' and '.join(absent)} is hidden or was not made, and the raw change is shown only beside what selection "
            "alone would produce"
        )
    figure = canvas(2.5)
    axes = figure.add_axes((0.29, 0.19, 0.62, 0.80))
    for i, what in enumerate(NEEDED):
        y, (fill, edge, hatch) = len(NEEDED) - 1 - i, LOOK[what]
        axes.barh(y, rates[what], height=0.56, color=fill, edgecolor=edge, hatch=hatch, linewidth=1.1)
        low, high = (float(numbers(rows.loc[[what], c])[0]) for c in ("rate_low", "rate_high"))
        end = rates[what]
        if np.isfinite(low) and np.isfinite(high):
            axes.plot([low, high], [y, y], color=INK, lw=1.6, marker="|", ms=10, mew=1.6)
            end = max(end, high)
        axes.annotate(written(rates[what], "tenths"), (end, y), xytext=(8, 0), textcoords="offset points", va="center",
                      fontweight="bold")  # fmt: skip
        axes.text(-0.02, y, wrapped(sentence_case(str(rows.loc[what, "label"])), 30), va="center", ha="right",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_yticks([])
    axes.set_xlim(left=0)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_color(MUTED)
    axes.set_xlabel("Alcohol admissions for each person a year")
    before, expected, observed = (written(rates[w], "tenths") for w in NEEDED)
    title = f"{before} admissions for each person a year before; {expected} expected afterwards with no service; {observed} observed"
    return Drawing(
        figure,
        title,
        f"Three horizontal bars from zero for people on the caseload who met the entry rule: {title}. The middle bar, hatched, is what happens by "
        "itself to people who are chosen when they are at their worst.",
    )
