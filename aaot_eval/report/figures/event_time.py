"""The effect by time since the start: sites with the service against comparison sites."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, INK, MUTED, canvas, change_tick, keys_above, ratio_ticks
from aaot_eval.report.words import numbers, sentence_case, written
from aaot_eval.wording import change

FEW_SITES = 5


@FIGURES.register("event_time")
def event_time(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `event_time` of one analysis."""
    rows = table.sort_values("event_time", kind="stable")
    t, ratio, low, high = (numbers(rows[c]) for c in ("event_time", "ratio", "conf_low", "conf_high"))
    units = numbers(rows["n_units"])
    drawn = np.isfinite(ratio) & (ratio > 0)
    if not drawn.any():
        return Gap("no point could be estimated")
    t, ratio, low, high, units = (a[drawn] for a in (t, ratio, low, high, units))
    reference = ~np.isfinite(low) & (ratio == 1)
    few = units < FEW_SITES
    figure = canvas(3.6)
    axes = figure.add_axes((0.115, 0.145, 0.875, 0.765))
    axes.set_yscale("log")
    axes.axhline(1, color=INK, lw=1.0)
    axes.axvline(-0.5, color=INK, lw=1.2)
    axes.annotate(sentence_case(context.start_name), (-0.5, 1), xycoords=("data", "axes fraction"), va="top", xytext=(5, -2),
                  textcoords="offset points")  # fmt: skip
    bars = np.isfinite(low) & np.isfinite(high) & (low > 0)
    axes.vlines(t[bars], low[bars], high[bars], color=BLUE, lw=1.3)
    for mask, fill, name in (
        (~few, BLUE, f"{FEW_SITES} sites or more"),
        (few, "white", f"fewer than {FEW_SITES} sites"),
    ):
        if (mask & ~reference).any():
            axes.plot(
                t[mask & ~reference], ratio[mask & ~reference], "o", color=BLUE, mfc=fill, ms=5, mew=1.2, label=name
            )
    if reference.any():
        axes.plot(t[reference], ratio[reference], "D", color=MUTED, ms=5.5, label="Reference")
    ends = np.concatenate([ratio, low[bars], high[bars]])
    _ratio_axis(axes, float(np.nanmin(ends)), float(np.nanmax(ends)))
    axes.set_xticks(_round_times(t, 12 if context.period == "month" else 4))
    axes.set_xlabel(f"{context.period.capitalize()}s since the start of the service")
    axes.set_ylabel("Against the reference period")
    keys_above(axes)
    after, span = ratio[t >= 0], f"{written(t.min(), 'integer')} to {written(t.max(), 'integer')}"
    found = f"after it from {_r(after.min())} to {_r(after.max())}" if len(after) else "none after it"
    later = f"after it from {change(after.min())} to {change(after.max())}" if len(after) else "none after it"
    before = ratio[(t < 0) & ~reference]
    earlier = f"{_r(before.min())} to {_r(before.max())}" if len(before) else "not estimated"
    sooner = f"from {change(before.min())} to {change(before.max())}" if len(before) else "not estimated"
    return Drawing(
        figure,
        f"Points before the start: {sooner}; {later}",
        f"Points with bars on a logarithmic axis: rate ratio of sites with the service to comparison sites, by {context.period}s "
        f"since the start, {span}. Before the start {earlier}, {found}; 1 means as in the reference period. "
        f"Hollow points rest on fewer than {FEW_SITES} sites.",
    )


def _r(value: float) -> str:
    return written(float(value), "ratio")


def _round_times(t: np.ndarray, cycle: int) -> np.ndarray:
    """Ticks at whole, half or quarter cycles (years), not too many."""
    step = next((k for k in (1, cycle // 4, cycle // 2, cycle, 2 * cycle) if k and (t[-1] - t[0]) / k <= 10), 5 * cycle)
    return np.arange(np.ceil(t[0] / step) * step, t[-1] + 1, step)


def _ratio_axis(axes: Any, low: float, high: float) -> None:
    low, high = min(low, 0.9) / 1.04, max(high, 1.1) * 1.09
    ticks = ratio_ticks(low, high)
    axes.set_ylim(low, high)
    axes.set_yticks(ticks, [change_tick(t) for t in ticks])
    axes.set_yticks([], minor=True)
