"""One unit's series as arrays, and how it is drawn: shared by the charts that show observed and expected counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.figures import Context
from aaot_eval.report.figures._style import BLUE, GREY_LIGHT, INK, MUTED, ORANGE, ORANGE_LIGHT, SMALL
from aaot_eval.report.words import hidden, numbers, period_name, sentence_case, unit_name

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
            unit, unit_name(unit), [str(p) for p in rows["period"]], column["t"], rows["phase"].astype(str).to_numpy(),
            column["observed"], hidden(rows["observed"]), column["fitted"], column["expected"], column["expected_low"],
            column["expected_high"],
        )  # fmt: skip

    @property
    def periods(self) -> list[str]:
        """The periods in words."""
        return [period_name(p) for p in self.labels]

    @property
    def keys(self) -> int:
        """How many entries the key of its chart has."""
        there = [np.isfinite(self.fitted).any(), (self.after & np.isfinite(self.expected)).any(), self.is_hidden.any(),
                 (self.phase == "partial").any(), (self.phase == "left_out").any()]  # fmt: skip
        return 1 + sum(map(bool, there))

    @property
    def after(self) -> np.ndarray:
        """The periods from the first one of the service on, where something is expected without it."""
        first = int(np.argmax(self.phase == "after")) if (self.phase == "after").any() else len(self.t)
        reached: np.ndarray = np.isin(self.phase, ("after", "partial")) & (np.arange(len(self.t)) >= first)
        return reached

    def place_of(self, label: str | None) -> float | None:
        """Where on the axis a period begins."""
        return float(self.t[self.labels.index(label)]) - 0.5 if label in self.labels else None


def plot_series(axes: Any, s: Series, context: Context, *, size: float = 4.6, keys: bool = True) -> None:
    """Observed points, the fitted line, and after the start the expected line with its band."""
    label = (lambda text: text) if keys else (lambda _text: None)
    shown = s.after & np.isfinite(s.expected)
    if np.isfinite(s.low[shown]).any():
        axes.fill_between(s.t, s.low, s.high, where=shown & np.isfinite(s.low), color=ORANGE_LIGHT, lw=0, zorder=1)
    partial = s.phase == "partial"
    axes.plot(s.t[~partial], s.observed[~partial], "o", color=INK, ms=size, mfc="white", mew=1.1, zorder=4, ls="none",
              label=label("Observed"))  # fmt: skip
    fitted = np.isfinite(s.fitted)
    for mask, width in ((s.phase == "before", 1.6), (s.after, 2.3)):
        if (mask & fitted).any():
            axes.plot(s.t, np.where(mask, s.fitted, np.nan), color=BLUE, lw=width, zorder=2,
                      label=label("Fitted") if width < 2 else None)  # fmt: skip
    if shown.any():
        axes.plot(s.t, np.where(s.after, s.expected, np.nan), color=ORANGE, lw=2.0, ls=(0, (5, 2)), zorder=3,
                  label=label(f"Expected {context.expected_from}"))  # fmt: skip
    if partial.any():
        axes.plot(s.t[partial], s.observed[partial], "s", color=INK, ms=size, mfc="white", mew=1.1, ls="none", zorder=4,
                  label=label("Partial"))  # fmt: skip
    if s.is_hidden.any():
        axes.plot(s.t[s.is_hidden], np.zeros(int(s.is_hidden.sum())), "x", color=MUTED, ms=5, mew=1.3, clip_on=False,
                  ls="none", zorder=5, label=label("Too small to show"))  # fmt: skip


def mark_periods(axes: Any, s: Series, context: Context, *, name: bool = False) -> None:
    """Every start of the service, the periods left out, and ticks in words."""
    places = [p for p in map(s.place_of, context.starts_of(s.unit)) if p is not None]
    if not places and s.after.any():
        places = [float(s.t[s.after][0]) - 0.5]
    for first, last in _runs(s.phase == "left_out"):
        axes.axvspan(s.t[first] - 0.5, s.t[last] + 0.5, color=GREY_LIGHT, lw=0, zorder=0,
                     label="Left out" if name and first == np.argmax(s.phase == "left_out") else None)  # fmt: skip
    for i, place in enumerate(places):
        axes.axvline(place, color=INK, lw=0.9 if i else 1.2, ls=(0, (4, 3)) if i else "-")
        if name and i == 0:
            text = "First of the starts" if len(places) > 1 else sentence_case(context.start_name)
            axes.annotate(text, (place, 1), xycoords=("data", "axes fraction"), xytext=(0, 3), color=INK,
                          textcoords="offset points", ha="center", va="bottom", fontsize=SMALL)  # fmt: skip
    chosen = tick_places(s.labels)
    axes.set_xticks(s.t[chosen], [period_name(s.labels[i], short=True) for i in chosen])
    axes.set_xlim(s.t[0] - 0.8, s.t[-1] + 0.8)


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each unbroken run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


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
