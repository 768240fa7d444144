"""Did the treated sites already drift away from the others before the service started? docs/methods/pre_trend.md."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS, WARN_P
from aaot_eval.checks._sites import THRESHOLD, cannot, shown, sites_of, verdict_of
from aaot_eval.estimators import Estimator
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._site_fit import point_estimate, site_sizes
from aaot_eval.estimators._sites import SiteData
from aaot_eval.results import Analysis, CheckResult, Design, Estimate, Panel
from aaot_eval.wording import p_text

NAME = "pre_trend"


@CHECKS.register(NAME)
class PreTrend:
    """Slope before the start, treated sites less the others over the same months, with its randomisation p value."""

    designs: ClassVar[tuple[Design, ...]] = ("sites",)

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The difference in trend, its p, and what it would amount to if it went on after the start."""
        data = sites_of(estimator, panel, analysis)
        if isinstance(data, str):
            return cannot(NAME, analysis, data)
        ways = ri.assign_starts(data.starts, data.n_periods, seed)
        effect = point_estimate(data, ways)
        effect = 0.0 if math.isnan(effect) else effect
        slopes = ri.slope_table(data.level(effect), data.years, ways.starts)
        p = ri.p_value(ri.size_scaled(slopes, site_sizes(data, effect), ways), ways.real)
        drift = float(ways.only_real().contrast(slopes)[0])
        carried = drift * years_apart(data)
        reachable = ways.p_least < WARN_P
        return CheckResult(
            check=NAME,
            analysis=analysis.name,
            verdict=verdict_of(p) if reachable else "not_evaluable",
            sentence=_sentence(data, drift, carried, p, estimate, reachable, ways.p_least),
            statistic=drift,
            value_name="difference in log trend a year" if data.scale == "log" else "difference in trend a year",
            threshold=THRESHOLD,
            p_value=p,
            table=_table(data, ways, slopes),
            facts={"drift_per_year": drift, "carried_on": carried, "p_least": ways.p_least},
        )


def years_apart(data: SiteData) -> float:
    """Mean calendar time after the start less mean time before it, in years, averaged over treated sites."""
    used = data.used
    gaps = []
    for row in data.treated:
        after = data.switch[row] & used[row]
        gaps.append(data.years[after].mean() - data.years[~data.switch[row]].mean())
    return float(np.mean(gaps))


def _table(data: SiteData, ways: ri.Assignments, slopes: np.ndarray) -> pd.DataFrame:
    cohort = np.searchsorted(ways.starts, np.minimum(data.starts, ways.starts[-1]))
    treated = data.starts < data.n_periods
    column = np.where(treated, cohort, 0)
    return pd.DataFrame(
        {
            "unit": list(data.units),
            "role": np.where(treated, "treated", "comparison"),
            "trend_per_year": slopes[np.arange(len(data.units)), column],
        }
    )


def _sentence(
    data: SiteData, drift: float, carried: float, p: float, estimate: Estimate, reachable: bool, least: float
) -> str:
    if data.scale == "log":
        size = f"changed by {math.expm1(drift):+.1%} a year relative to the others"
        would = f"carried on, that alone would read as a ratio of {math.exp(carried):.2f}"
    else:
        size = f"changed by {drift:+.3g} a year relative to the others"
        would = f"carried on, that alone would read as a difference of {carried:+.3g}"
    found = (
        ""
        if math.isnan(estimate.estimate)
        else f" (the estimate is {shown(estimate.estimate, ratio=estimate.null == 1.0)})"
    )
    end = f"{p_text(p)}." if reachable else (
        f"with {len(data.treated)} of {len(data.units)} sites treated no p below {least:.3f} is possible, so this cannot be judged.")  # fmt: skip
    return f"Before the start, the treated sites {size}; {would}{found}; {end}"
