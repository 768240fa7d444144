"""An XmR control chart: months, centre line and limits, and the months that met a rule."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._series import tick_places
from aaot_eval.report.figures._style import BLUE, INK, MUTED, ORANGE, SMALL, canvas, keys_height, keys_on_top, thousands
from aaot_eval.report.words import hidden, listed, numbers, period_name, sentence_case, written

LEFT, RIGHT, HEIGHT, FOOT = 0.70, 0.08, 2.9, 0.32  # inches
#: Direction: colour, marker, key.
SIGNALS = {"lower": (BLUE, "v", "Signal: fewer"), "higher": (ORANGE, "^", "Signal: more")}


@FIGURES.register("control_chart")
def control_chart(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `control_chart` of one outcome."""
    rows = table.sort_values("t", kind="stable").reset_index(drop=True)
    observed, t = numbers(rows["observed"]), numbers(rows["t"])
    if np.isnan(observed).all():
        return Gap("every count is hidden or missing")
    small = hidden(rows["observed"])
    # The service need not be there throughout, so a line joins nothing over a month that is left out.
    judged = rows["phase"].isin(("before", "after")).to_numpy()
    signal = {d: judged & (rows["direction"] == d).to_numpy() for d in SIGNALS}
    keys = keys_height(4 + any(m.any() for m in signal.values()) + bool(small.any()))
    total = keys + HEIGHT + FOOT
    figure = canvas(total)
    axes = figure.add_axes((LEFT / 7.5, FOOT / total, 1 - (LEFT + RIGHT) / 7.5, HEIGHT / total))
    _limits(axes, rows, t)
    axes.plot(t, np.where(judged, observed, np.nan), color=MUTED, lw=0.9, zorder=3)
    plain = judged & ~signal["lower"] & ~signal["higher"]
    axes.plot(
        t[plain], observed[plain], "o", color=INK, ms=4.6, mfc="white", mew=1.1, ls="none", zorder=4, label="Month"
    )
    for direction, (colour, marker, name) in SIGNALS.items():
        mask = signal[direction] & np.isfinite(observed)
        if mask.any():
            axes.plot(t[mask], observed[mask], marker, color=colour, ms=6.5, ls="none", zorder=5, label=name)
    if small.any():
        axes.plot(t[small], np.zeros(int(small.sum())), "x", color=MUTED, ms=5, mew=1.3, clip_on=False, ls="none",
                  zorder=5, label="Too small to show")  # fmt: skip
    after = np.flatnonzero((rows["phase"] == "after").to_numpy())
    if len(after):
        place = float(t[after[0]]) - 0.5
        axes.axvline(place, color=INK, lw=1.2)
        axes.annotate(sentence_case(context.start_name), (place, 1), xycoords=("data", "axes fraction"), xytext=(0, 3), color=INK,
                      textcoords="offset points", ha="center", va="bottom", fontsize=SMALL)  # fmt: skip
    axes.set_ylim(0, 1.08 * float(np.nanmax([np.nanmax(observed), np.nanmax(numbers(rows["upper"]))])))
    labels = [str(p) for p in rows["period"]]
    chosen = tick_places(labels)
    axes.set_xticks(t[chosen], [period_name(labels[i], short=True) for i in chosen])
    axes.set_xlim(t[0] - 0.8, t[-1] + 0.8)
    axes.yaxis.set_major_formatter(thousands)
    keys_on_top(figure, LEFT)
    title = _title(rows, signal, context)
    return Drawing(figure, title, _description(rows, observed, signal, context))


def _limits(axes: Any, rows: pd.DataFrame, t: np.ndarray) -> None:
    """Centre line and limits of each stretch as steps; trial limits dashed shorter than the others."""
    centre, lower, upper = (numbers(rows[c]) for c in ("centre", "lower", "upper"))
    kinds = rows["limits"].fillna("").astype(str).to_numpy()
    edges = np.flatnonzero(
        np.r_[True, (np.diff(centre) != 0) | (np.diff(upper) != 0) | (kinds[1:] != kinds[:-1]), True]
    )
    named = set()
    for a, b in pairwise(edges):
        if not kinds[a]:
            continue
        x = [t[a] - 0.5, t[b - 1] + 0.5]
        trial = kinds[a] == "trial"
        names = "Centre line", "Trial limits" if trial else "Limits"
        first = [None if n in named else n for n in names]
        named |= set(names)
        axes.plot(x, [centre[a]] * 2, color=MUTED, lw=1.4, zorder=2, label=first[0])
        style = {"color": MUTED, "lw": 1.3, "ls": (0, (2, 2)) if trial else (0, (6, 3)), "zorder": 2}
        axes.plot(x, [upper[a]] * 2, label=first[1], **style)
        if lower[a] > 0:
            axes.plot(x, [lower[a]] * 2, **style)


def _title(rows: pd.DataFrame, signal: dict[str, np.ndarray], context: Context) -> str:
    judged = rows[rows["phase"].isin(("before", "after"))]
    month = period_name(str(judged["period"].iloc[-1]))
    i = judged.index[-1]
    said = next((name for d, name in (("lower", "fewer"), ("higher", "more")) if signal[d][i]), "")
    return f"{month}: {f'a signal of {said} {context.subject}' if said else 'no signal'}"


def _description(rows: pd.DataFrame, observed: np.ndarray, signal: dict[str, np.ndarray], context: Context) -> str:
    low, high = (written(float(f(observed)), "count") for f in (np.nanmin, np.nanmax))
    last = rows[rows["limits"].fillna("").astype(str) != ""].iloc[-1]
    ends = [written(float(v), "count") for v in (last["centre"], last["lower"], last["upper"])]
    parts = [
        f"Control chart of {context.subject} by month, {period_name(str(rows['period'].iloc[0]))} to {period_name(str(rows['period'].iloc[-1]))}, "
        f"from {low} to {high}. The newest limits are {ends[1]} to {ends[2]} about a centre line of {ends[0]}."
    ]
    for direction, name in (("lower", "fewer"), ("higher", "more")):
        months = [period_name(str(p)) for p in rows["period"][signal[direction]]]
        if months:
            parts.append(f"Months with a signal of {name}: {listed(months)}.")
    return " ".join(parts)
