"""Charts, one file each: a released table in, a matplotlib Figure out, with its title and description made from the table.

A figure that cannot be drawn says why (`Gap`) and the page shows the reason in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from aaot_eval.registry import Registry
from aaot_eval.report.figures._style import STYLE
from aaot_eval.report.words import INVENTED


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart: the figure, the finding in one line, and what is on it for somebody who cannot see it."""

    figure: Figure
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Why there is no chart."""

    reason: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a chart must know beside its table."""

    subject: str = "admissions"
    period: str = "month"
    starts: tuple[tuple[str, str], ...] = ()
    smallest_effect: float | None = None
    invented: bool = False
    start_name: str = "service starts"
    expected_from: str = "without the service"

    @property
    def pounds(self) -> str:
        """The unit of money, as axes and headings write it."""
        return f"£ {INVENTED}" if self.invented else "£"

    @property
    def mark(self) -> str:
        """What stands behind a sum of money."""
        return f" {INVENTED}" if self.invented else ""

    def starts_of(self, unit: str) -> list[str]:
        """The periods in which the service starts at a unit, or at any of several units together, in order."""
        return sorted({p for u, p in self.starts if u == unit} or {p for _, p in self.starts})


Figurer = Callable[[pd.DataFrame, Context], Drawing | Gap]
FIGURES: Registry[Figurer] = Registry("figure", "aaot_eval.report.figures")


def draw(name: str, table: pd.DataFrame | None, context: Context) -> Drawing | Gap:
    """The chart of that name from its table, in the house style; without rows, the reason why there is none."""
    if table is None or table.empty:
        return Gap("there are no rows to draw")
    with matplotlib.rc_context(STYLE):
        return FIGURES[name](table.reset_index(drop=True), context)
