"""Deaths by arm and era as rates from zero: whether care that keeps people out of hospital keeps them alive."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, BLUE_LIGHT, FAINT, MUTED, canvas
from aaot_eval.report.words import name_of, number, numbers, sentence_case, written
from aaot_eval.wording import in_sentence

LOOK = {"treated": (BLUE_LIGHT, BLUE, ""), "comparison": (FAINT, MUTED, "////")}
BAR = 0.34  # inches for each bar
HIDDEN = "too few to show"


@FIGURES.register("deaths")
def deaths(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `deaths` of one analysis; the rate is that for each 100 person-years."""
    if not np.isfinite(numbers(table["rate"])).any():
        return Gap("every count behind the rates is too small to show")
    height = 0.65 + BAR * len(table)
    figure = canvas(height)
    axes = figure.add_axes((0.36, 0.50 / height, 0.55, (height - 0.60) / height))
    rows = [(_whom(row.arm, row.era), str(row.arm), number(row.rate)) for row in table.itertuples()]
    for y, (name, arm, rate) in enumerate(reversed(rows)):
        fill, edge, hatch = LOOK.get(arm, (FAINT, MUTED, ""))
        shown = np.isfinite(rate)
        if shown:
            axes.barh(y, rate, height=0.6, color=fill, edgecolor=edge, hatch=hatch, linewidth=1.1)
        axes.annotate(written(rate, "rate") if shown else HIDDEN, (rate if shown else 0.0, y), xytext=(6, 0),
                      textcoords="offset points", va="center", fontweight="bold" if shown else "normal")  # fmt: skip
        axes.text(-0.02, y, sentence_case(name), va="center", ha="right", transform=axes.get_yaxis_transform())
    axes.set_yticks([])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(left=0)
    axes.margins(x=0.12)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_color(MUTED)
    axes.set_xlabel("Deaths for each 100 person-years")
    told = "; ".join(f"{name} {written(rate, 'rate') if np.isfinite(rate) else HIDDEN}" for name, _, rate in rows)
    return Drawing(
        figure,
        f"Deaths for each hundred person-years: {told}",
        f"Horizontal bars from zero, one for each arm before and after launch, comparison people hatched: deaths for each hundred "
        f"person-years of follow-up. {sentence_case(told)}.",
    )


def _whom(arm: object, era: object) -> str:
    """ "with the service, after launch"."""
    when = str(era)
    return f"{in_sentence(name_of(arm))}, {when if 'launch' in when else f'{when} launch'}"
