"""Sites before the first start: is the level and trend of those with the service like that of the others?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.report.figures import FIGURES, Context, Drawing, Gap
from aaot_eval.report.figures._style import BLUE, INK, MUTED, SMALL, canvas, keys_above
from aaot_eval.report.words import numbers, sentence_case, written

LOOK = {"treated": ("^", BLUE, BLUE, 8.5, "With the service"), "comparison": ("o", MUTED, "white", 6.5, "Comparison"),
        "beside": ("s", MUTED, "white", 5.5, "Shown beside")}  # fmt: skip


@FIGURES.register("site_levels")
def site_levels(table: pd.DataFrame, context: Context) -> Drawing | Gap:
    """Rows of `sites`."""
    level, trend = numbers(table["before_rate"]), np.expm1(numbers(table["trend_per_year"])) * 100
    drawn = np.isfinite(level) & np.isfinite(trend)
    if not drawn.any():
        return Gap("no site has both a level and a trend that may be shown")
    figure = canvas(3.5)
    axes = figure.add_axes((0.10, 0.15, 0.89, 0.76))
    axes.axhline(0, color=INK, lw=0.9)
    found = []
    for role, (marker, edge, fill, size, name) in LOOK.items():
        mask = drawn & (table["role"] == role).to_numpy()
        if mask.any():
            axes.plot(level[mask], trend[mask], marker, ls="none", color=edge, mfc=fill, ms=size, mew=1.3, label=name)
            ends = [written(float(v), "rate") for v in (level[mask].min(), level[mask].max())]
            found.append(f"{name.lower()} {ends[0] if ends[0] == ends[1] else ' to '.join(ends)}")
    for i in np.flatnonzero(drawn & (table["role"] == "treated").to_numpy()):
        axes.annotate(str(table["unit"].iloc[i]), (level[i], trend[i]), xytext=(0, 9), textcoords="offset points",
                      fontsize=SMALL, ha="center")  # fmt: skip
    axes.set_xlim(0, float(level[drawn].max()) * 1.12)
    axes.margins(y=0.14)
    axes.grid(visible=True, axis="both")
    axes.set_xlabel(f"{sentence_case(context.subject)} for each 100,000 people a year, before the first start")
    axes.set_ylabel("Trend, % a year")
    keys_above(axes)
    title = f"Rate a year for each 100,000 people before the first start: {'; '.join(found)}"
    return Drawing(
        figure,
        title,
        f"Scatter plot of sites before the first start of the service, level across and trend up: triangles are sites with the "
        f"service, circles comparison sites. {title}. Trends run from {written(float(trend[drawn].min()), 'tenths')} % to "
        f"{written(float(trend[drawn].max()), 'tenths')} % a year.",
    )
