"""Estimates as lines of a chart: shared by the forest plot and the interval of the first page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.report.words import RATIO_SCALES, name_of, number, numbers, sentence_case, truth, unit_name, written
from aaot_eval.wording import change

#: Designs that fit each site by itself: without a site, a row is the mean over them.
OF_SERIES = ("series", "controlled_series")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the chart."""

    label: str
    estimate: float
    low: float
    high: float
    primary: bool

    @property
    def finite(self) -> bool:
        """Whether there is an interval."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def text(self) -> str:
        """The numbers, written."""
        ends = f"({_r(self.low)} to {_r(self.high)})" if self.finite else "(no interval)"
        return f"{_r(self.estimate)} {ends}"

    @property
    def change(self) -> str:
        """The interval as a change, the estimate before it where the interval lies on one side of no difference."""
        ends = f"{change(self.low)} to {change(self.high)}"
        return f"from {ends}" if self.low <= 1 <= self.high else f"{change(self.estimate)} ({ends})"

    @property
    def reading(self) -> str:
        """Where the interval lies."""
        if not self.finite:
            return "there is no finite interval"
        if self.high < 1:
            return "the whole interval is below 1"
        return "the whole interval is above 1" if self.low > 1 else "the interval includes 1"


def lines_of(table: pd.DataFrame) -> list[Line]:
    """The rows that can be drawn, the primary first."""
    estimate, low, high = (numbers(table[c]) for c in ("estimate", "conf_low", "conf_high"))
    primary = truth(table["primary"])
    drawn = table["scale"].isin(RATIO_SCALES).to_numpy() & np.isfinite(estimate) & (estimate > 0)
    main = table["outcome"].iloc[int(np.argmax(primary))] if primary.any() else None
    order = [*np.flatnonzero(drawn & primary), *np.flatnonzero(drawn & ~primary)]
    return [Line(_label(table.iloc[i], main), estimate[i], low[i], high[i], bool(primary[i])) for i in order]


def _label(row: pd.Series[Any], main: Any) -> str:
    """How and where, and of what when it is not the primary outcome."""
    where = unit_name(row["unit"])
    if not where and row["design"] in OF_SERIES and number(row["n_units"]) > 1:
        where = name_of("mean")
    how = sentence_case(", ".join(p for p in (name_of(row["estimator"]), where) if p))
    return how if row["outcome"] == main else f"{how}: {name_of(row['outcome'])}"


def _r(value: float) -> str:
    return written(float(value), "ratio")
