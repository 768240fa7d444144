"""What forest plots share: rows as tall as their labels, and a logarithmic axis of ratios around no difference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aaot_eval.report.figures._style import (
    GREY_LIGHT,
    INK,
    MUTED,
    SMALL,
    WIDTH,
    canvas,
    change_tick,
    ratio_ticks,
    wrapped,
)

LINE = 0.17  # inches: a line of a label
CHARACTER = 0.09  # inches: of the words below the axis
ABOVE, BELOW = 0.30, 0.66  # inches: the heading of the numbers, and the axis


class Forest:
    """A figure with one row for each label (top row first), the label at its left and its numbers at its right.

    `axes` is in inches from below, and `y` (n,) the middle of each row; `low` and `high` are the ends of the ratio axis, beyond
    which intervals are cut. `left` and `across` are where the plot lies, in shares of the width.
    """

    def __init__(
        self, labels: Sequence[str], characters: int, row: float, left: float, across: float, values: Iterable[float],
        smallest_effect: float | None,
    ) -> None:  # fmt: skip
        self.labels = [wrapped(label, characters) for label in labels]
        heights = np.array([max(row, LINE * (label.count("\n") + 1.6)) for label in self.labels])
        self.y: NDArray[np.float64] = heights.sum() - np.cumsum(heights) + heights / 2
        self.height = ABOVE + float(heights.sum()) + BELOW
        self.left, self.across = left, across
        self.figure: Any = canvas(self.height)
        self.axes: Any = self.figure.add_axes((left, BELOW / self.height, across, heights.sum() / self.height))
        self.axes.set_ylim(0, heights.sum())
        self._ratios([v for v in values if np.isfinite(v) and v > 0], smallest_effect)

    def _ratios(self, values: list[float], smallest_effect: float | None) -> None:
        ax = self.axes
        self.low, self.high = max(min(*values, 0.8) / 1.06, 0.1), min(max(*values, 1.25) * 1.06, 10)
        if smallest_effect:
            ax.axvspan(1 - smallest_effect, 1 + smallest_effect, color=GREY_LIGHT, lw=0, zorder=0)
        ax.axvline(1, color=INK, lw=1.0, zorder=1)
        ax.set_xscale("log")
        ax.set_xlim(self.low, self.high)
        ticks = self._apart(ratio_ticks(self.low, self.high, most=6))
        ax.set_xticks(ticks, [f"{change_tick(t)}\n{t:g}" for t in ticks])
        ax.set_xticks([], minor=True)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_xlabel("0 % = no difference; below it the ratio")
        self.figure.text(
            0.99, 1 - 0.06 / self.height, "As a ratio (interval)", ha="right", va="top", fontsize=SMALL, color=MUTED
        )

    def _apart(self, ticks: list[float]) -> list[float]:
        """The ticks whose labels do not touch, from no difference outwards."""
        inches = self.across * WIDTH / np.log(self.high / self.low)
        kept = [1.0]
        for tick in sorted(ticks, key=lambda t: abs(np.log(t))):
            if all(
                abs(np.log(tick / k)) * inches > CHARACTER * (len(change_tick(tick)) + len(change_tick(k)) + 1) / 2
                for k in kept
            ):
                kept.append(tick)
        return sorted(kept)

    def inside(self, low: float, high: float) -> list[float]:
        """An interval as far as the axis goes."""
        return [max(low, self.low), min(high, self.high)]

    def write(self, i: int, text: str, *, bold: bool = False) -> None:
        """The label and the numbers of row `i`."""
        ax = self.axes
        both: dict[str, Any] = {"ha": "right", "va": "center", "transform": ax.get_yaxis_transform(), "fontsize": SMALL}
        weight = "bold" if bold else "normal"
        ax.text(-0.03, self.y[i], self.labels[i], fontweight=weight, linespacing=1.15, **both)
        ax.text((0.99 - self.left) / self.across, self.y[i], text, **both)
