"""Whose budget changes in which year: what is paid for the service beside what is released, payer by payer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, BLUE_LIGHT, INK, MUTED, ORANGE, ORANGE_LIGHT, SMALL, canvas, wrapped
from aaot_eval.report.words import MINUS, is_missing, listed, numbers, sentence_case, written

MILLION = 1e6
BAR = 0.36
LEFT = 0.165  # of the width: the sums in words and the name of the axis
#: What stands beside the service in a payer's panel: cash for those who hold a budget, value for all of them together.
BESIDE = {"system": ("value_of_resources", "value of hospital care averted, not cash")}
CASH = ("cash_released", "no longer spent, at the share entered")


@FIGURES.register("budget_impact")
def budget_impact(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `budget_impact` of one scenario; a panel for each payer."""
    rows = table.sort_values("order", kind="stable").reset_index(drop=True)
    rows = rows[np.isfinite(numbers(rows["year"])) & np.array([not is_missing(p) for p in rows["payer"]], dtype=bool)]
    payers = [p for p in rows["payer"].drop_duplicates() if _has_any(rows[rows["payer"] == p], str(p))]
    rows = rows[rows["payer"].isin(payers)]
    service = numbers(rows["service_cost"])
    if not len(payers) or not np.isfinite(service).any():
        return Gap("no year has a cost of the service")
    every = [service, *(numbers(rows[c]) for c in ("cash_released", "value_of_resources", "value_low", "value_high"))]
    low, high = (float(f([v[np.isfinite(v)].min() if f is min else v[np.isfinite(v)].max() for v in every if np.isfinite(v).any()]))
                 for f in (min, max))  # fmt: skip
    figure = canvas(3.4)
    width = (0.995 - LEFT) / len(payers)
    for i, payer in enumerate(payers):
        axes = figure.add_axes((LEFT + i * width, 0.16, width * 0.94, 0.66))
        _panel(axes, rows[rows["payer"] == payer], str(payer))
        axes.set_ylim(min(0.0, low) * 1.1, max(high, 0.0) * 1.12)
        axes.yaxis.set_major_formatter(lambda v, _: _tick(float(v)))
        if i:
            axes.tick_params(axis="y", labelleft=False)
        else:
            axes.set_ylabel(f"In the year ({context.pounds})")
    title = _title(rows[numbers(rows["year"]) == numbers(rows["year"]).min()], context)
    empty = [
        str(p)
        for p in payers
        if not np.isfinite(numbers(rows.loc[rows["payer"] == p, BESIDE.get(str(p), CASH)[0]])).any()
    ]
    unknown = f" Not entered or not known, so not drawn: {listed(empty)}." if empty else ""
    return Drawing(
        figure,
        title,
        f"Bars by year in {len(payers)} panels, one a payer: the service in orange with lines, what is released in blue. {title}.{unknown} Cash and "
        "value are not to be added.",
    )


def _has_any(rows: pd.DataFrame, payer: str) -> bool:
    """Whether anything of a payer can be drawn: a sum that is not nothing."""
    sums = np.concatenate([numbers(rows[c]) for c in ("service_cost", BESIDE.get(payer, CASH)[0])])
    return bool((np.isfinite(sums) & (sums != 0)).any())


def _tick(value: float) -> str:
    """A sum on an axis: "£400,000", "£1.2 million"."""
    if abs(value) < MILLION:
        return written(value, "money")
    return f"{MINUS if value < 0 else ''}£{abs(value) / MILLION:g} million"


def _title(first: pd.DataFrame, context: Context) -> str:
    """What the first year costs whom, and what is averted, with its interval and as no cash."""
    held = first[first["payer"] != "system"]
    paid = [
        f"{p} {written(v, 'money')}{context.mark}"
        for p, v in zip(held["payer"], numbers(held["service_cost"]), strict=True)
        if v > 0
    ]
    text = f"Paid for the service in year {written(first['year'].iloc[0], 'integer')}: {listed(paid) or 'nothing'}"
    value = first[first["payer"] == "system"]
    if (
        len(value)
        and np.isfinite(numbers(value["value_low"])).all()
        and np.isfinite(numbers(value["value_high"])).all()
    ):
        low, high = (written(value[c].iloc[0], "money") for c in ("value_low", "value_high"))
        text += f"; hospital care averted is worth {low}{context.mark} to {high}{context.mark}, not cash"
    return text


def _panel(axes: Any, rows: pd.DataFrame, payer: str) -> None:
    column, name = BESIDE.get(payer, CASH)
    years, service, other = (numbers(rows[c]) for c in ("year", "service_cost", column))
    axes.bar(years - BAR / 2, service, BAR, color=ORANGE_LIGHT, edgecolor=ORANGE, hatch="////", linewidth=1.0)
    known = np.isfinite(other)
    axes.bar(years[known] + BAR / 2, other[known], BAR, color=BLUE_LIGHT, edgecolor=BLUE, linewidth=1.0)
    if payer == "system":
        for x, low, high in zip(years, numbers(rows["value_low"]), numbers(rows["value_high"]), strict=True):
            if np.isfinite(low) and np.isfinite(high):
                axes.plot([x + BAR / 2] * 2, [low, high], color=INK, lw=1.4, marker="_", ms=9, mew=1.4)
    axes.axhline(0, color=INK, lw=1.0)
    axes.set_xlim(years.min() - 0.6, years.max() + 0.6)
    axes.set_xticks(years, [written(y, "integer") for y in years], fontsize=SMALL)
    axes.set_xlabel("Year", color=MUTED)
    beside = name if np.isfinite(other).any() else f"{name.partition(',')[0]}: not entered or not known"
    axes.set_title(wrapped(f"{sentence_case(payer)}: service; {beside}", 30), fontsize=SMALL, loc="left", color=INK)
