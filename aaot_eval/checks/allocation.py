"""Do the arms of a trial look as if chance had made them? docs/methods/allocation.md."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.checks import CHECKS
from aaot_eval.checks._sites import THRESHOLD, cannot, verdict_of
from aaot_eval.estimators import Estimator
from aaot_eval.estimators.trial import Trial, allocated_people
from aaot_eval.results import Analysis, CheckResult, Design, Estimate, Panel

NAME = "allocation"


@CHECKS.register(NAME)
class Allocation:
    """The size of the arms against the planned ratio, and the events of the year before against chance.

    No test of whether arms are alike, which chance guarantees: a test of whether it was chance.
    """

    designs: ClassVar[tuple[Design, ...]] = ("trial",)

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """p is twice the smaller of the two p values; sizes are not judged when whole sites were allocated."""
        if not isinstance(estimator, Trial):
            return cannot(NAME, analysis, "the estimate is not that of a trial")
        data = allocated_people(panel, analysis.outcome, estimator.follow_up, estimator.first_month)
        served, n = int(data.service.sum()), len(data.service)
        planned = float(panel.extra.get("trial_ratio", 1.0))
        rows = []
        if estimator.unit == "person":
            p = float(stats.binomtest(served, n, planned / (1 + planned)).pvalue)
            rows.append(("people allocated to the service", served / n, planned / (1 + planned), p))
        before = np.isfinite(data.before)
        unit = data.before[before] if estimator.unit == "person" else _means(data.before, data.cluster, before)
        arm = (
            data.service[before]
            if estimator.unit == "person"
            else _means(data.service.astype(float), data.cluster, before) > 0
        )
        if min(arm.sum(), (~arm).sum()) > 1 and np.ptp(unit) > 0:
            p = float(stats.mannwhitneyu(unit[arm], unit[~arm]).pvalue)
            rows.append(("events of the year before", float(unit[arm].mean()), float(unit[~arm].mean()), p))
        if not rows:
            return cannot(NAME, analysis, "neither the sizes of the arms nor the year before can be judged")
        table = pd.DataFrame(rows, columns=["what", "service", "against", "p_value"])
        p = min(1.0, len(rows) * float(table["p_value"].min()))
        worst = table.iloc[int(table["p_value"].argmin())]
        verdict = verdict_of(p)
        meaning = {
            "fail": "chance alone hardly does this: the list may not be complete, or allocation was not by chance",
            "warn": "chance seldom does this; ask how the list was kept",
        }.get(verdict, "nothing that chance would not do")
        return CheckResult(
            NAME, analysis.name, verdict,
            f"{100 * served / n:.0f} % of the people on the list were allocated to the service (planned {100 * planned / (1 + planned):.0f} %); {worst['what']} differ most from chance "
            f"(p = {worst['p_value']:.3f}): {meaning}.",
            statistic=round(served / n, 2), value_name="share allocated to the service", threshold=THRESHOLD, p_value=p, table=table,
            facts={"planned": planned / (1 + planned)},
        )  # fmt: skip


def _means(values: np.ndarray, cluster: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Mean of each cluster over the people in `there`."""
    totals = np.bincount(cluster[there], weights=values[there])
    size = np.bincount(cluster[there])
    return np.asarray([t / s for t, s in zip(totals, size, strict=True) if s and math.isfinite(t)])
