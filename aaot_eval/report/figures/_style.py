"""One look for all charts: calm, readable in grey and for colour-blind readers; nothing is told by colour alone."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aaot_eval.report.words import MINUS
from aaot_eval.wording import percent

# Okabe and Ito (2008), darkened where the contrast to white is below 3 : 1.
INK, MUTED, FAINT, GRID = "#1d2327", "#55606a", "#c3cad1", "#e4e8ec"
BLUE, ORANGE, GREEN, PURPLE = "#00588f", "#b84a00", "#007a5a", "#8a4a78"
BLUE_LIGHT, ORANGE_LIGHT, GREY_LIGHT = "#d5e4f0", "#f6dfcd", "#eef1f4"

WIDTH = 7.5  # inches; 540 points, shown 720 pixels wide
SMALL, NORMAL = 10.0, 10.5  # points; 13 and 14 pixels on screen, 9 and more in print

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so a chart is laid out alike on every machine
    "font.size": NORMAL,
    "text.color": INK,
    "text.parse_math": False,  # a name with a dollar sign is a name
    "axes.edgecolor": FAINT,
    "axes.labelcolor": MUTED,
    "axes.labelsize": SMALL,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 4,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "legend.handlelength": 2.2,
    "legend.columnspacing": 1.6,
    "hatch.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "aaot-eval",
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "savefig.facecolor": "white",
}


def canvas(height: float, *, width: float = WIDTH) -> Figure:
    """An empty figure; sizes in inches."""
    return Figure(figsize=(width, height))


def keys_above(axes: Any, columns: int = 4) -> None:
    """The key in a row above the plot, starting at its left edge."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.012, 1.0), ncols=columns, borderaxespad=0.2)


def keys_on_top(figure: Any, left: float, *, columns: int = 3) -> None:
    """One key for all panels, along the top edge of the figure; what has the same name is listed once."""
    found = [pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    keys = {name: handle for handle, name in reversed(found)}
    names = list(dict.fromkeys(name for _, name in found))
    figure.legend([keys[n] for n in names], names, loc="upper left", bbox_to_anchor=(left / WIDTH - 0.01, 1.0),
                  ncols=columns, borderaxespad=0)  # fmt: skip


def keys_height(entries: int, columns: int = 3) -> float:
    """How much room the key along the top edge needs, in inches."""
    return 0.30 + 0.19 * -(-entries // columns)


def thousands(value: float, _: Any = None) -> str:
    """A tick label of a count: 12,000, with a true minus sign."""
    return f"{value:,g}".replace("-", "−") if abs(value) < 1e6 else f"{value:,.0f}".replace("-", "−")


def wrapped(text: str, width: int) -> str:
    """The text broken into lines."""
    return "\n".join(textwrap.wrap(text, width, break_long_words=False)) or text


def spread(wanted: Sequence[float], least: float, low: float, high: float) -> np.ndarray:
    """Places for labels near where they are wanted, at least `least` apart and inside [low, high] when there is room."""
    order = np.argsort(wanted, kind="stable")
    places = np.asarray(wanted, dtype=float)[order]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + least)
    if len(places) and places[-1] > high:
        places[-1] = high
        for i in range(len(places) - 2, -1, -1):
            places[i] = min(places[i], places[i + 1] - least)
    if len(places) and places[0] < low:
        places += low - places[0]
    out = np.empty(len(places))
    out[order] = places
    return out


def ratio_ticks(low: float, high: float, *, most: int = 7) -> list[float]:
    """Round ratios between two ends for a logarithmic axis, 1 among them, not too many."""
    every = ([0.01, 0.1, 1, 10, 100], [0.05, 0.2, 0.5, 1, 2, 5, 20], [0.25, 0.5, 1, 2, 4],
             [0.25, 0.5, 0.7, 1, 1.4, 2, 4], [0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 2.5], [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6, 2],
             [0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2, 1.3])  # fmt: skip
    best = [1.0]
    for ticks in every:
        inside = [t for t in ticks if low <= t <= high]
        if len(best) < len(inside) <= most:
            best = [float(t) for t in inside]
    return best


def change_tick(ratio: float) -> str:
    """A ratio at its place on an axis as a change: "−20 %", and from a doubling on in times."""
    sign = MINUS if ratio < 1 else "+" if ratio > 1 else ""
    return f"{ratio:g} times" if ratio >= 2 else f"{sign}{percent(ratio)}"
