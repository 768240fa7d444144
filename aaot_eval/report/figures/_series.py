"""One unit's series as arrays, and how it is drawn: shared by the charts that show observed and expected counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures._style import BLUE, GREY_LIGHT, INK, MUTED, ORANGE, ORANGE_LIGHT
from aaot_eval.report.words import hidden, name_of, numbers, period_name

MOST_TICKS = 9


@dataclass(frozen=True)
class Series:
    """Arrays over the periods of one unit, in order; hidden and missing values are NaN."""

    unit: str
    name: str
    labels: list[str]
    t: np.ndarray
    phase: np.ndarray
    observed: np.ndarray
    is_hidden: np.ndarray
    fitted: np.ndarray
    expected: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, table: pd.DataFrame) -> Series:
        """From rows of the released table `series`."""
        rows = table.sort_values("t", kind="stable")
        unit = str(rows["unit"].iloc[0])
        column = {c: numbers(rows[c]) for c in ("t", "observed", "fitted", "expected", "expected_low", "expected_high")}
        return cls(
            unit, name_of(unit), [str(p) for p in rows["period"]], column["t"], rows["phase"].astype(str).to_numpy(),
            column["observed"], hidden(rows["observed"]), column["fitted"], column["expected"], column["expected_low"],
            column["expected_high"],
        )  # fmt: skip

    @property
    def periods(self) -> list[str]:
        """The periods in words."""
        return [period_name(p) for p in self.labels]

    @property
    def after(self) -> np.ndarray:
        """The periods from the first one of the service on, where something is expected without it."""
        started = np.isin(self.phase, ("after", "partial"))
        first = np.argmax(self.phase == "after") if (self.phase == "after").any() else len(self.t)
        reached: np.ndarray = started & (np.arange(len(self.t)) >= first)
        return reached

    def period_of(self, label: str) -> str:
        """A period in words."""
        return period_name(label)

    def place_of(self, label: str | None) -> float | None:
        """Where on the axis a period begins."""
        return float(self.t[self.labels.index(label)]) - 0.5 if label in self.labels else None


def plot_series(axes: Any, s: Series, *, size: float = 4.6, keys: bool = True) -> None:
    """Observed points, fitted line before the start, expected line and band after it."""
    label = (lambda text: text) if keys else (lambda _text: None)
    shown = s.after & np.isfinite(s.expected)
    if np.isfinite(s.low[shown]).any():
        axes.fill_between(s.t, s.low, s.high, where=shown & np.isfinite(s.low), color=ORANGE_LIGHT, lw=0, zorder=1)
    before = np.where(s.phase == "before", s.fitted, np.nan)
    if np.isfinite(before).any():
        axes.plot(s.t, before, color=BLUE, lw=1.6, zorder=2, label=label("Fitted before"))
    after = np.where(s.after, s.fitted, np.nan)
    if np.isfinite(after).any():
        axes.plot(s.t, after, color=BLUE, lw=2.2, zorder=3, label=label("Fitted after"))
    if shown.any():
        axes.plot(s.t, np.where(s.after, s.expected, np.nan), color=ORANGE, lw=2.0, ls=(0, (5, 2)), zorder=3,
                  label=label("Expected without the service"))  # fmt: skip
    partial = s.phase == "partial"
    axes.plot(s.t[~partial], s.observed[~partial], "o", color=INK, ms=size, mfc="white", mew=1.1, zorder=4, ls="none",
              label=label("Observed"))  # fmt: skip
    if partial.any():
        axes.plot(s.t[partial], s.observed[partial], "s", color=INK, ms=size, mfc="white", mew=1.1, ls="none", zorder=4,
                  label=label("Partial"))  # fmt: skip
    if s.is_hidden.any():
        axes.plot(s.t[s.is_hidden], np.zeros(int(s.is_hidden.sum())), "x", color=MUTED, ms=5, mew=1.3, clip_on=False,
                  ls="none", zorder=5, label=label("Too small to show"))  # fmt: skip


def mark_periods(axes: Any, s: Series, start: str | None, *, name: bool = False) -> None:
    """The start of the service, the periods left out, and ticks in words."""
    place = s.place_of(start)
    if place is None and s.after.any():
        place = float(s.t[s.after][0]) - 0.5
    for t in s.t[s.phase == "left_out"]:
        axes.axvspan(t - 0.5, t + 0.5, color=GREY_LIGHT, lw=0, zorder=0)
    if place is not None:
        axes.axvline(place, color=INK, lw=1.2)
        if name:
            to_right = (place - s.t[0]) < 0.7 * (s.t[-1] - s.t[0])
            axes.annotate("Service starts", (place, 1), xycoords=("data", "axes fraction"), va="top", color=INK,
                          xytext=(5 if to_right else -5, -2), textcoords="offset points", ha="left" if to_right else "right")  # fmt: skip
    chosen = tick_places(s.labels)
    axes.set_xticks(s.t[chosen], [period_name(s.labels[i], short=True) for i in chosen])
    axes.set_xlim(s.t[0] - 0.8, s.t[-1] + 0.8)


def tick_places(labels: list[str], most: int = MOST_TICKS) -> list[int]:
    """Which labels to write: evenly apart, not too many, at a January or April of a monthly series."""
    step = next(k for k in (1, 2, 3, 6, 12, 24, 36, 60, 120, 10**6) if len(labels) / k <= most)
    first = 0
    for month in ("01", "04"):
        found = [i for i, text in enumerate(labels[:step]) if len(text) == 7 and text[4:] == f"-{month}"]
        if found:
            first = found[0] % step
            break
    return list(range(first, len(labels), step))
