"""How strong would something unmeasured have to be to make this result? docs/methods/e_value.md."""

from __future__ import annotations

import math
from typing import ClassVar

import pandas as pd

from aaot_eval.checks import CHECKS
from aaot_eval.checks._sites import cannot
from aaot_eval.estimators import Estimator
from aaot_eval.results import Analysis, CheckResult, Design, Estimate, Panel

NAME = "e_value"
WEAK = 1.25
"""Something that goes with the service and with admissions by a quarter each: sites and years differ by that much."""


def e_value(ratio: float) -> float:
    """The least strength, as a ratio with both the service and the outcome, that could make a ratio out of none; 1 for 1.

    VanderWeele and Ding 2017: r + sqrt(r (r - 1)) with r the ratio or its inverse, whichever is above 1.
    """
    r = max(ratio, 1 / ratio)
    return r + math.sqrt(r * (r - 1))


@CHECKS.register(NAME)
class EValue:
    """The E-value of the estimate and of the end of its interval next to no effect. About unmeasured causes and nothing else."""

    designs: ClassVar[tuple[Design, ...]] = (
        "sites",
        "series",
        "controlled_series",
        "entry_rule",
        "own_cohorts",
        "risk_set",
    )

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """Warns when a weak unmeasured cause would carry the interval to no effect; a strong one needed proves nothing."""
        if estimate.null != 1.0:
            return cannot(NAME, analysis, "the effect is not a ratio")
        if not (estimate.finite and estimate.estimate > 0 and estimate.conf_low > 0):
            return cannot(NAME, analysis, "there is no interval that something could explain away")
        if estimate.direction == "unclear":
            return cannot(NAME, analysis, "the interval holds no effect already, so there is nothing to explain away")
        near = estimate.conf_high if estimate.direction == "lower" else estimate.conf_low
        point, end = e_value(estimate.estimate), e_value(near)
        weak = end < WEAK
        tail = (
            "a weak one would do"
            if weak
            else "whether there is such a thing the number cannot say, and it is no evidence that there is none"
        )
        return CheckResult(
            NAME, analysis.name, "warn" if weak else "pass",
            f"An unmeasured cause would have to go with the service and with admissions by a ratio of {point:.2f} each, beyond all that is "
            f"measured, to make the estimate alone, and by {end:.2f} to bring its interval to no effect: {tail}.",
            statistic=end, value_name="E-value of the end of the interval next to no effect", threshold=f"below {WEAK:g} warns",
            table=pd.DataFrame({"of": ["estimate", "end of the interval"], "ratio": [estimate.estimate, near], "e_value": [point, end]}),
            facts={"point": point, "end": end},
        )  # fmt: skip
