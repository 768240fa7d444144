"""Does the result hang on one period? Every period left out in turn. docs/methods/leave_one_month_out.md."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS
from aaot_eval.checks._refits import MOST as MOST_REFITS
from aaot_eval.checks._refits import periods_again
from aaot_eval.checks._sites import cannot, shown, sites_of
from aaot_eval.errors import AaotEvalError
from aaot_eval.estimators import Estimator
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._site_fit import point_estimate
from aaot_eval.estimators._sites import SiteData
from aaot_eval.estimators.its import InterruptedTimeSeries
from aaot_eval.estimators.site_did import SiteDid
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel

NAME = "leave_one_month_out"
MOST = 60
"""A series is fitted anew for at most so many periods, those after the start first."""
HALF = 0.5


@CHECKS.register(NAME)
class LeaveOneMonthOut:
    """The estimate again without each period in turn, calendar time kept."""

    designs: ClassVar[tuple[Design, ...]] = ("sites", "series", "controlled_series")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The range of the estimate over all periods left out; fails when a claimed direction turns round."""
        ratio = estimate.null == 1.0
        if not math.isfinite(estimate.estimate) or (ratio and estimate.estimate <= 0):
            return cannot(NAME, analysis, "there is no estimate to compare with")
        tried = ""
        if isinstance(estimator, InterruptedTimeSeries):
            found = of_series(estimator, panel, analysis, estimate, seed)
        elif not isinstance(estimator, SiteDid):
            if (~panel.periods["left_out"].to_numpy(dtype=bool)).sum() > MOST_REFITS:
                tried = f" (of the {MOST_REFITS} nearest a start)"
            found = [(p, e) for p, e in periods_again(estimator, panel, analysis, seed) if not ratio or e > 0]
        else:
            data = sites_of(estimator, panel, analysis)
            if isinstance(data, str):
                return cannot(NAME, analysis, data)
            found = of_sites(data, [str(x) for x in panel.periods["label"].iloc[data.t]])
        table = pd.DataFrame(found, columns=["period", "estimate"]).dropna()
        if table.empty:
            return cannot(NAME, analysis, "no period can be left out")
        whole = math.log(estimate.estimate) if ratio else estimate.estimate
        moved = np.log(table["estimate"]) if ratio else table["estimate"]
        at = int((moved - whole).abs().to_numpy().argmax())
        furthest = table.iloc[at]
        verdict, meaning = _judge(whole, moved.to_numpy(dtype=float), claims=estimate.direction != "unclear")
        text = [
            shown(float(v), ratio=ratio) for v in (estimate.estimate, table["estimate"].min(), table["estimate"].max())
        ]
        return CheckResult(
            NAME, analysis.name, verdict,
            f"Leaving out one period at a time{tried} moves the estimate of {text[0]} to between {text[1]} and {text[2]}, most without "
            f"{furthest['period']}; {meaning}.",
            statistic=float(furthest["estimate"]), value_name=f"estimate furthest from the whole (without {furthest['period']})",
            threshold="fails when a claimed direction turns round, warns when more than half of it goes", table=table,
            facts={"low": float(table["estimate"].min()), "high": float(table["estimate"].max()), "furthest": str(furthest["period"])},
        )  # fmt: skip


def of_sites(data: SiteData, labels: list[str]) -> list[tuple[str, float]]:
    """(period, estimate) without each period, where a treated site still has periods on both sides."""
    rows = []
    for k in range(data.n_periods):
        keep = np.arange(data.n_periods) != k
        starts = np.where(data.starts >= data.n_periods, data.n_periods - 1, data.starts - (k < data.starts))
        part = replace(data, t=data.t[keep], values=data.values[:, keep], exposure=data.exposure[:, keep], years=data.years[keep],
                       starts=starts)  # fmt: skip
        treated = part.starts[part.starts < part.n_periods]
        if (
            len(treated) < len(data.treated)
            or (treated < 1).any()
            or (part.n_periods - treated - data.phase_in < 1).any()
        ):
            continue
        effect = point_estimate(part, _as_happened(part))
        rows.append((labels[k], math.exp(effect) if data.scale == "log" else effect))
    return rows


def _as_happened(data: SiteData) -> ri.Assignments:
    """The one assignment that happened: a point estimate needs no other."""
    treated = data.treated[np.argsort(data.starts[data.treated], kind="stable")]
    dates, sizes = np.unique(data.starts[treated], return_counts=True)
    cohort = np.repeat(np.arange(len(dates)), sizes)
    return ri.Assignments(len(data.units), dates, sizes, cohort, treated[None, :], 0, 1)


def of_series(
    estimator: InterruptedTimeSeries, panel: Panel, analysis: Analysis, estimate: Estimate, seed: int
) -> list[tuple[str, float]]:
    """(period, estimate) of the series refitted without each of at most 60 periods, those after the start first."""
    quick = replace(estimator.quick(), errors="ar1")
    start = panel.units["start_t"].dropna()
    first = int(start.min()) if len(start) else 0
    used = np.flatnonzero(~panel.periods["left_out"].to_numpy(dtype=bool))
    order = sorted(used, key=lambda t: (t < first, abs(int(t) - first)))[:MOST]
    rows = []
    for t in sorted(int(t) for t in order):
        left = panel.periods["left_out"].to_numpy(dtype=bool).copy()
        left[t] = True
        part = replace(panel, periods=panel.periods.assign(left_out=left))
        try:
            again = [e for e in quick.fit(part, analysis, seed=seed) if e.unit == estimate.unit]
        except AaotEvalError:
            continue
        if (
            again
            and math.isfinite(again[0].estimate)
            and again[0].estimate > (0 if estimate.null == 1.0 else -math.inf)
        ):
            rows.append((str(panel.periods["label"].iloc[t]), again[0].estimate))
    return rows


def _judge(whole: float, moved: np.ndarray, *, claims: bool) -> tuple[CheckVerdict, str]:
    kept = moved * np.sign(whole)
    if not claims:
        return "pass", "the result claims no direction, with or without it"
    if (kept <= 0).any():
        return "fail", "without it the direction turns round"
    if (kept < abs(whole) * HALF).any():
        return "warn", "without it more than half of the effect is gone"
    return "pass", "the direction stays and at least half of the effect"
