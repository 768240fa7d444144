"""The comparison of the referred run where nothing happened: before launch, as if meeting the rule were a referral."""

from __future__ import annotations

import math
from typing import ClassVar

from aaot_eval.checks import CHECKS, FAIL_P, WARN_P
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._cohorts import percent
from aaot_eval.estimators.risk_set import RiskSet
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel


@CHECKS.register("placebo_launch")
class PlaceboLaunch:
    """The mandatory negative control of the risk-set comparison: same code, same windows, data cut at launch; it should read 1.

    Judged by hospital random effects: with people's errors alone it sounds false alarms in about a quarter of panels.
    """

    designs: ClassVar[tuple[Design, ...]] = ("risk_set",)

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """What it read, with its interval; not evaluable without enough people before launch or six comparison hospitals."""
        if not isinstance(estimator, RiskSet):
            return self._cannot(analysis, "it belongs to the risk-set comparison")
        found = estimator.placebo_launch(panel, analysis)
        if isinstance(found, str):
            return self._cannot(analysis, found)
        if math.isnan(found.std_error):
            return self._cannot(analysis, "fewer than six comparison hospitals give no error for it")
        low, high = found.limits(estimator.conf_level)
        p = found.p_value()
        verdict: CheckVerdict = "fail" if p < FAIL_P else "warn" if p < WARN_P else "pass"
        ratio = math.exp(found.log_ratio)
        meaning = "as it should" if verdict == "pass" else "so the weights do not make the two groups alike"
        return CheckResult(
            "placebo_launch", analysis.name, verdict,
            f"Before launch, where nothing happened, the same comparison reads {ratio:.2f} "
            f"({percent(estimator.conf_level)} interval {low:.2f} to {high:.2f}): {meaning}.",
            statistic=ratio, value_name="ratio at a launch that did not happen", threshold=f"p below {FAIL_P:g} fails, below {WARN_P:g} warns",
            p_value=p, facts={"low": low, "high": high},
        )  # fmt: skip

    def _cannot(self, analysis: Analysis, why: str) -> CheckResult:
        return CheckResult("placebo_launch", analysis.name, "not_evaluable", f"There is no placebo launch: {why}.")
