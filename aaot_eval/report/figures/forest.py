"""Estimates and their intervals, one under the other: the primary first, then the others."""

from __future__ import annotations

from typing import Any

import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._forest import Forest
from aaot_eval.report.figures._lines import Line, lines_of
from aaot_eval.report.figures._style import BLUE, MUTED
from aaot_eval.report.words import sentence_case

MOST = 24
ROW = 0.44  # inches
LEFT, ACROSS = 0.405, 0.345  # of the width; the labels have what is left of the plot
CHARACTERS = 29  # so many fit there, also in bold


@FIGURES.register("forest")
def forest(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `estimates` on a ratio scale."""
    rows = lines_of(table)
    if not rows:
        return Gap("there is no estimate on a ratio scale")
    shown = rows[:MOST]
    first = next((line for line in shown if line.primary), shown[0])
    wholly = sum(line.finite and (line.high < 1 or line.low > 1) for line in shown)
    return Drawing(
        _drawn(shown, context),
        f"{sentence_case(first.label)}: {f'{first.change}; rate ratio {first.text}' if first.finite else f'rate ratio {first.text}; {first.reading}'}",
        f"Forest plot of {len(shown)} rate ratios with their intervals on a logarithmic axis; a line at 1 means no difference. "
        f"{wholly} of the intervals lie wholly on one side of 1. "
        + " ".join(f"{sentence_case(line.label)}: {line.text}." for line in shown),
    )


def _drawn(rows: list[Line], context: Context) -> Any:
    values = (v for r in rows for v in (r.estimate, r.low, r.high))
    plot = Forest([r.label for r in rows], CHARACTERS, ROW, LEFT, ACROSS, values, context.smallest_effect)
    for i, r in enumerate(rows):
        colour = BLUE if r.primary else MUTED
        if r.finite:
            plot.axes.plot(plot.inside(r.low, r.high), [plot.y[i]] * 2, color=colour, lw=2.4 if r.primary else 1.5)
        plot.axes.plot([r.estimate], [plot.y[i]], "D" if r.primary else "s", color=colour, ms=7 if r.primary else 5,
                       mfc=colour if r.finite else "white")  # fmt: skip
        plot.write(i, r.text, bold=r.primary)
    return plot.figure
