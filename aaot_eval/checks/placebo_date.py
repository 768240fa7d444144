"""The same estimate at dates on which nothing started.

The panel is cut before the first real start and the estimator is fitted anew with made-up starts. Method, calibration and
limits: docs/methods/placebo_date.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS, WARN_P
from aaot_eval.checks._sites import lean
from aaot_eval.errors import AaotEvalError
from aaot_eval.estimators import Estimator
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel

LEAST_SIDE = {"month": 12, "quarter": 8, "year": 6, "integer": 6}
LEAST_DATES = 5
MOST_DATES = 12
WARN_SHARE = 0.25
"""Without an effect 0 to 5 % of series with AR(1) errors lie above this, at most 0.3 % above the next: docs/results/placebo_dates.md."""
FAIL_SHARE = 0.40
RANK_P = 0.2


@CHECKS.register("placebo_date")
class PlaceboDate:
    """Share of made-up dates that look like an effect, and the rank of the real one among them."""

    designs: ClassVar[tuple[Design, ...]] = ("sites", "series", "controlled_series")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The made-up dates as a table (kind, label, ratio, statistic, p_value, real) and what they say of the real one."""
        own = analysis.design in ("series", "controlled_series")
        units = [estimate.unit] if own and estimate.unit else panel.treated_units
        starts = _starts(panel)
        end = min((starts[u] for u in units if u in starts), default=0)
        least = LEAST_SIDE[panel.frequency]
        kept = ~panel.periods["left_out"].to_numpy(dtype=bool)[:end]
        dates = [k for k in range(end) if kept[:k].sum() >= least and kept[k:].sum() >= least and kept[k]]
        if len(dates) < LEAST_DATES:
            return CheckResult(
                "placebo_date", analysis.name, "not_evaluable",
                f"Made-up start dates could not be tried: {int(kept.sum())} periods before the first start leave {len(dates)} "
                f"{'date' if len(dates) == 1 else 'dates'} "
                f"with {least} periods on each side, and {LEAST_DATES} are needed.",
            )  # fmt: skip
        found = {k: _placebo(lean(estimator), panel, analysis, units, end, k, seed) for k in spread_dates(dates)}
        fits = {k: e for k, e in found.items() if e is not None and math.isfinite(e.p_value)}
        if len(fits) < LEAST_DATES or not math.isfinite(estimate.p_value):
            return CheckResult("placebo_date", analysis.name, "not_evaluable",
                               "Made-up start dates could not be judged: the estimate has no p value at them.")  # fmt: skip
        return _judged(panel, analysis, estimate, fits, int(starts[units[0]]))


def _starts(panel: Panel) -> dict[str, int]:
    own = {u: int(panel.units["start_t"][u]) for u in panel.treated_units}
    return own | {str(u): int(t) for u, t in panel.extra.get("beside_start_t", {}).items()}


def spread_dates(dates: list[int]) -> list[int]:
    """At most MOST_DATES of them, evenly spread, the first and last among them."""
    if len(dates) <= MOST_DATES:
        return dates
    places = np.round(np.linspace(0, len(dates) - 1, MOST_DATES)).astype(int)
    return [dates[i] for i in places]


def cut_panel(panel: Panel, end: int, starts: Mapping[str, int], units: list[str] | None = None) -> Panel:
    """The periods before `end`, with made-up starts (no unit else starts), without people; `units` keeps only those."""
    frame = panel.units if units is None else panel.units.loc[units]
    start_t = pd.array([starts.get(str(u), pd.NA) for u in frame.index], dtype="Int64")
    never = pd.array([pd.NA] * len(frame), dtype="Int64")
    cells = panel.cells[(panel.cells["t"] < end) & panel.cells["unit"].isin(frame.index)].reset_index(drop=True)
    first = cells["unit"].map(starts).fillna(end)
    return replace(
        panel,
        periods=panel.periods.iloc[:end],
        units=frame.assign(start_t=start_t, stop_t=never),
        cells=cells.assign(treated=cells["t"] >= first),
        people=None,
        person_cells=None,
        extra={k: v for k, v in panel.extra.items() if k != "beside_start_t"}
        | {"cut_labels": tuple(panel.periods["label"].iloc[end:])},
    )


def _placebo(
    estimator: Estimator, panel: Panel, analysis: Analysis, units: list[str], end: int, start: int, seed: int
) -> Estimate | None:
    alone = units if analysis.design == "series" else None
    if analysis.design == "controlled_series":
        alone = [*units, *panel.comparison_units]
    made_up = cut_panel(panel, end, dict.fromkeys(units, start), alone)
    try:
        if estimator.objections(made_up, analysis):
            return None
        return estimator.fit(made_up, analysis, seed=seed)[0]
    except AaotEvalError:
        return None


def _statistic(estimate: Estimate) -> float:
    if not estimate.std_error > 0:
        return math.nan
    return (math.log(estimate.estimate) if estimate.null == 1.0 else estimate.estimate) / estimate.std_error


def _judged(panel: Panel, analysis: Analysis, real: Estimate, fits: Mapping[int, Estimate], start: int) -> CheckResult:
    labels = panel.periods["label"]
    p = np.array([e.p_value for e in fits.values()])
    below, total = int((p < WARN_P).sum()), len(p)
    share = below / total
    rank = 1 + int((p <= real.p_value).sum())
    rank_p = rank / (total + 1)
    claims = real.direction != "unclear"
    verdict: CheckVerdict = "pass"
    if share > FAIL_SHARE:
        verdict = "fail"
    elif share > WARN_SHARE or (claims and rank_p > RANK_P):
        verdict = "warn"
    sentence = (
        f"At {below} of {total} dates on which nothing started the same analysis gave p below {WARN_P}; "
        f"the real start ranks {rank} of {total + 1} (rank p = {rank_p:.2f}, neighbouring dates overlap)."
    )
    if claims and rank_p > RANK_P:
        sentence += " Made-up dates look as much like an effect as the real one."
    rows = [(str(labels.iloc[k]), e, False) for k, e in fits.items()] + [(str(labels.iloc[start]), real, True)]
    table = pd.DataFrame(
        [
            {
                "kind": "date",
                "label": label,
                "ratio": e.estimate,
                "statistic": _statistic(e),
                "p_value": e.p_value,
                "real": is_real,
            }
            for label, e, is_real in rows
        ]
    )
    return CheckResult(
        "placebo_date", analysis.name, verdict, sentence, statistic=share, value_name="share of made-up dates with p below 0.05",
        threshold=f"at most {WARN_SHARE:.0%}", p_value=rank_p, table=table,
        facts={"table": "placebo", "dates": total, "below": below, "rank": rank, "rank_p": rank_p},
    )  # fmt: skip
