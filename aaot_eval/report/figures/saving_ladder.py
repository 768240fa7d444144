"""Net saving by the design behind it, the most credible first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, INK, MUTED, SMALL, canvas, wrapped
from aaot_eval.report.words import name_of, numbers, sentence_case, truth, written

ROW = 0.52


@FIGURES.register("saving_ladder")
def saving_ladder(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `saving`; a row without a number keeps its place and says so."""
    rows = table.sort_values("rung", kind="stable").reset_index(drop=True)
    saving, low, high = (numbers(rows[c]) for c in ("saving", "saving_low", "saving_high"))
    if not np.isfinite(saving).any():
        return Gap("no design gives a net saving")
    head, n = truth(rows["headline"]), len(rows)
    height = 0.82 + ROW * n
    figure = canvas(height)
    axes = figure.add_axes((0.29, 0.74 / height, 0.42, ROW * n / height))
    axes.axvline(0, color=INK, lw=1.0)
    texts = []
    for i in range(n):
        y, colour = n - 1 - i, BLUE if head[i] else MUTED
        finite = bool(np.isfinite(low[i]) and np.isfinite(high[i]))
        if finite:
            axes.plot([low[i], high[i]], [y, y], color=colour, lw=2.4 if head[i] else 1.5)
        if np.isfinite(saving[i]):
            axes.plot(
                [saving[i]],
                [y],
                "D" if head[i] else "s",
                color=colour,
                ms=7 if head[i] else 5,
                mfc=colour if finite else "white",
            )
        ends = f"\n({written(low[i], 'money')} to {written(high[i], 'money')})" if finite else "\n(no interval)"
        texts.append(f"{written(saving[i], 'money')}{ends}" if np.isfinite(saving[i]) else "no saving is stated")
        weight = "bold" if head[i] else "normal"
        axes.text(-0.04, y, wrapped(_label(rows, i), 30), ha="right", va="center", transform=axes.get_yaxis_transform(),
                  fontsize=SMALL, fontweight=weight, linespacing=1.15)  # fmt: skip
        axes.text(
            1.66,
            y,
            texts[-1],
            ha="right",
            va="center",
            transform=axes.get_yaxis_transform(),
            fontsize=SMALL,
            fontweight=weight,
        )
    axes.set_yticks([])
    axes.set_ylim(-0.6, n - 0.4)
    axes.grid(visible=True, axis="x")
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(lambda v, _: written(float(v), "money"))
    axes.set_xlabel(f"Net saving a patient-year ({context.pounds});\nbelow zero the service costs more than it averts")
    readings = [f"{_label(rows, i)}: {text}{context.mark}".replace("\n", " ") for i, text in enumerate(texts)]
    first = int(np.argmax(head)) if head.any() else 0
    return Drawing(
        figure,
        readings[first],
        f"Net saving for each patient-year by the design behind it, with intervals; a line marks zero. {'; '.join(readings)}.",
    )


def _label(rows: pd.DataFrame, i: int) -> str:
    return sentence_case(name_of(rows["design"].iloc[i]))
