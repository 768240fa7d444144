"""The same design on admissions that the service should not change. docs/methods/placebo_outcome.md."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import pandas as pd

from aaot_eval.checks import CHECKS, WARN_P
from aaot_eval.checks._sites import THRESHOLD, cannot, lean, shown, verdict_of
from aaot_eval.estimators import Estimator
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.results import Analysis, CheckResult, Design, Estimate, Panel
from aaot_eval.wording import p_text

NAME = "placebo_outcome"
CONTROL = "non_alcohol_emergency"


@CHECKS.register(NAME)
class PlaceboOutcome:
    """The same estimator on non-alcohol emergency admissions: an effect there is somebody else's doing."""

    designs: ClassVar[tuple[Design, ...]] = ("sites", "series", "entry_rule", "own_cohorts", "risk_set")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The estimate on the control outcome and its p value."""
        if analysis.outcome == CONTROL:
            return cannot(NAME, analysis, "the outcome is itself the control outcome")
        if CONTROL not in [o.name for o in panel.outcomes] or CONTROL not in panel.cells:
            return cannot(NAME, analysis, "the data hold no non-alcohol emergency admissions")
        control = replace(analysis, outcome=CONTROL, primary=False)
        if isinstance(estimator, OwnCohorts):
            estimator = replace(estimator, control="")  # its control series is this outcome
        problems = estimator.objections(panel, control)
        if problems:
            return cannot(NAME, analysis, problems[0].what)
        found = lean(estimator).fit(panel, control, seed=seed)[0]
        title = panel.outcome(CONTROL).title
        if math.isnan(found.p_value):
            return cannot(NAME, analysis, f"there is no p value for {title}")
        by_ways = found.conf_method != "random_effects_t"
        reachable = not by_ways or math.isnan(found.p_least) or found.p_least < WARN_P
        return CheckResult(
            check=NAME,
            analysis=analysis.name,
            verdict=verdict_of(found.p_value) if reachable else "not_evaluable",
            sentence=_sentence(title, found, reachable),
            statistic=found.estimate,
            value_name=f"the same estimate for {title}",
            threshold=THRESHOLD,
            p_value=found.p_value,
            table=pd.DataFrame([found.row()]),
            facts={"conf_low": found.conf_low, "conf_high": found.conf_high},
        )


def _sentence(title: str, found: Estimate, reachable: bool) -> str:
    low, middle, high = (shown(v, ratio=found.null == 1.0) for v in (found.conf_low, found.estimate, found.conf_high))
    interval = f" ({low} to {high})" if found.finite else ""
    what = title[:1].lower() + title[1:]
    text = f"On {what}, which the service should not change, the same design reads {middle}{interval}, {p_text(found.p_value)}"
    where = "in the treated sites" if found.design in ("sites", "series") else "for people with the service"
    if not reachable:
        return f"{text}; no p below {found.p_least:.3f} is possible, so this cannot be judged."
    if found.p_value < WARN_P:
        return f"{text}: something else than the service seems to have changed {where}."
    return f"{text}: no sign of another change {where}."
