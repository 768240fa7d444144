"""Deaths and admissions since the index, arm by arm: a rate alone does not show that the dead have no admissions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, MUTED, canvas, keys_height, keys_on_top
from aaot_eval.report.words import name_of, numbers, written

ARMS = {"treated": ("o", BLUE), "comparison": ("s", MUTED)}
ERAS = {"before": (0, (4, 2)), "after": "solid"}
#: Points of different lines stand this many months apart, so that their bars do not hide one another.
APART = 0.12


@FIGURES.register("survival")
def survival(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `survival` of one analysis."""
    groups = [(str(arm), str(era), rows) for (arm, era), rows in table.groupby(["arm", "era"], sort=False)]
    if not any(np.isfinite(numbers(rows["mean"])[1:]).any() for _, _, rows in groups):
        return Gap("every count behind the curves is too small to show")
    top = keys_height(len(groups), 2)
    figure = canvas(3.3 + top)
    height = 2.55 / (3.3 + top)
    panels = [figure.add_axes((left, 0.52 / (3.3 + top), 0.40, height)) for left in (0.085, 0.585)]
    for k, (arm, era, rows) in enumerate(groups):
        shift = APART * (k - (len(groups) - 1) / 2)
        for axes, stem, scale in zip(panels, ("dead", "mean"), (100.0, 1.0), strict=True):
            _line(axes, rows, stem, scale, shift, arm, era)
    for axes, name in zip(panels, ("Dead, %", "Mean admissions"), strict=True):
        axes.set_ylim(bottom=0)
        axes.set_xlabel("Months since the index")
        axes.set_ylabel(name)
        axes.set_xticks(sorted({int(m) for m in numbers(table["months"]) if np.isfinite(m)}))
    keys_on_top(figure, 0.085 * 7.5, columns=2)
    # Curves end where too few people are followed: arms are set side by side at the last month that all of them reach.
    month = min(m for _, _, rows in groups if (m := max(numbers(rows["months"]))) > 0)
    title = "; ".join(_at(month, arm, era, rows) for arm, era, rows in groups)
    return Drawing(
        figure,
        f"By month {month:g}: {title}",
        f"Two panels of lines over months since the index, share dead on the left and mean admissions with death as their end on "
        f"the right, with bars for intervals; circles are people with the service, squares comparison people, dashed lines "
        f"before launch. By month {month:g}: {title}.",
    )


def _line(axes: Any, rows: pd.DataFrame, stem: str, scale: float, shift: float, arm: str, era: str) -> None:
    marker, colour = ARMS.get(arm, ("D", MUTED))
    t, value, low, high = (numbers(rows[c]) for c in ("months", stem, f"{stem}_low", f"{stem}_high"))
    axes.plot(t + shift, scale * value, marker, ls=ERAS.get(era, "solid"), color=colour, mfc=colour if era == "after" else "white",
              ms=4.5, lw=1.5, label=_name(arm, era))  # fmt: skip
    bars = np.isfinite(low) & np.isfinite(high) & (high > low)
    axes.vlines((t + shift)[bars], scale * low[bars], scale * high[bars], color=colour, lw=1.0)


def _name(arm: str, era: str) -> str:
    return f"{name_of(arm).capitalize()}, {era} launch"


def _at(month: float, arm: str, era: str, rows: pd.DataFrame) -> str:
    if not numbers(rows["months"]).max() > 0:
        return f"{_name(arm, era)[0].lower()}{_name(arm, era)[1:]} too few people to show"
    last = rows[numbers(rows["months"]) <= month].iloc[-1]
    dead = numbers(pd.Series([last["dead"]]))[0]
    share = f"{written(float(dead), 'percent')} dead" if np.isfinite(dead) else "too few deaths to show"
    mean = numbers(pd.Series([last["mean"]]))[0]
    admitted = f", {written(float(mean), 'rate')} admissions" if np.isfinite(mean) else ""
    return f"{_name(arm, era)[0].lower()}{_name(arm, era)[1:]} {share}{admitted}"
