"""What the error model of a series has left over: memory beyond one period, and season beyond its harmonics."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.special import fdtrc, ndtr, ndtri

from aaot_eval.checks import CHECKS, FAIL_P, WARN_P
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._its_model import Fitted, fit_model, harmonics, mean_model
from aaot_eval.estimators.its import InterruptedTimeSeries
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel
from aaot_eval.wording import p_text

EXACT = 1e-6
"""Pearson residuals below this are rounding: the series is fitted exactly and there is nothing to test."""


@CHECKS.register("autocorrelation")
class Autocorrelation:
    """Two tests on the fit behind a series: whitened residuals at lag 2, and the next pair of season terms.

    Neither is strong in a short series: no flag does not mean that the errors are as assumed. A portmanteau p value is
    not given, because on whitened residuals it sounds false alarms at 14 to 20 %.
    """

    designs: ClassVar[tuple[Design, ...]] = ("series", "controlled_series")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The two tests of the headline fit; not evaluable when the estimator has no such fit."""
        fitted = series_fit(estimator, panel, analysis, estimate)
        if fitted is None:
            return CheckResult("autocorrelation", analysis.name, "not_evaluable",
                               "Left-over autocorrelation could not be tested: there is no fitted series with anything left over.")  # fmt: skip
        memory, season = lag_two(fitted), next_season(fitted)
        tests = [t for t in (memory, season) if t]
        # Two tests in one check: doubled, so that together they doubt a sound series no oftener than one test would.
        worst = min(1.0, len(tests) * min(t["p_value"] for t in tests))
        limit = float(ndtri(1 - WARN_P / len(tests))) / math.sqrt(fitted.headline.n)
        verdict: CheckVerdict = "fail" if worst < FAIL_P else "warn" if worst < WARN_P else "pass"
        return CheckResult(
            "autocorrelation", analysis.name, verdict, _sentence(memory, season, WARN_P / len(tests)), statistic=memory["statistic"],
            value_name="autocorrelation of whitened residuals at lag 2", threshold=f"below {limit:.2f}",
            p_value=worst, table=pd.DataFrame(tests), facts={"rho": fitted.headline.rho},
        )  # fmt: skip


def series_fit(estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate) -> Fitted | None:
    """The fitted series behind an estimate; None when there is none (a mean of several has none) or nothing is left over."""
    if not isinstance(estimator, InterruptedTimeSeries) or estimate.series is None:
        return None
    fitted = estimator.fitted(panel, analysis, estimate.unit)
    exact = fitted is not None and np.abs(fitted.headline.residuals).max() < EXACT
    return None if exact else fitted


def lag_two(fitted: Fitted) -> dict[str, Any]:
    """Autocorrelation of the whitened residuals two periods apart, one-sided against 1.645 / sqrt(n)."""
    fit = fitted.headline
    u = fit.whitened
    apart = fit.clock[:, None] - fit.clock[None, :] == 2
    later, earlier = np.nonzero(apart)
    value = float(u[later] @ u[earlier] / (u @ u))
    root = math.sqrt(fit.n)
    return {"test": "lag 2", "statistic": value, "threshold": 1.645 / root, "p_value": float(ndtr(-value * root))}


def next_season(fitted: Fitted) -> dict[str, Any] | None:
    """Wald F test of the next harmonic pair, with the covariance of the larger fit; None when the season has no more."""
    series, model = fitted.series, fitted.model
    pairs = model.pairs + 1
    if series.season_length < 3 or 2 * pairs > series.season_length:
        return None
    larger_model = mean_model(series, slope=model.slope, pairs=pairs, interruptions=model.interruptions)
    larger = fit_model(series, larger_model, fitted.conf_level)
    if larger is None:
        return None
    fit = larger.noise if fitted.headline.with_noise else larger.ar1
    extra = len(harmonics(series.clock.astype(float), pairs, series.season_length)[1]) - len(
        harmonics(series.clock.astype(float), model.pairs, series.season_length)[1]
    )
    b, V = fit.beta[-extra:], fit.covariance[-extra:, -extra:]
    F = float(b @ np.linalg.solve(V, b)) / extra
    return {"test": f"harmonic pair {pairs}", "statistic": F, "threshold": math.nan,
            "p_value": float(fdtrc(extra, fit.n - fit.p, F))}  # fmt: skip


def _sentence(memory: dict[str, Any], season: dict[str, Any] | None, limit: float) -> str:
    found = []
    if memory["p_value"] < limit:
        found.append(
            f"What is left of the series still resembles itself two periods on (r = {memory['statistic']:.2f}): its memory is longer "
            "than the error model allows, and the interval may be too narrow."
        )
    if season and season["p_value"] < limit:
        p = season["p_value"]
        found.append(f"A further pair of season terms would fit better ({p_text(p)}).")
    if found:
        return " ".join(found)
    return "No left-over autocorrelation or season was found; in a short series such tests find little, so this is no proof."
