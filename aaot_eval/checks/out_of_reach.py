"""The same design on people the service does not reach: what is found there is not the service's doing. docs/methods/out_of_reach.md."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS
from aaot_eval.checks._caseload import people_of, rule_of
from aaot_eval.checks._sites import cannot, lean, shown, verdict_of
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._cohorts import RULE_OUTCOME, PersonMonths, Rule, meets_rule
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel
from aaot_eval.wording import p_text

NAME = "out_of_reach"
SHARE = 0.5
"""At this share of a claimed change, found among people out of reach, the change is not the service's alone."""
LEAST_EVENTS = 10.0
"""Fewer events a site and month among people out of reach are too few to judge by."""


@CHECKS.register(NAME)
class OutOfReach:
    """The same estimator on admissions of people who have not met the entry rule so far, in every site alike.

    Whether somebody has met the rule yet cannot be changed by a service that takes people on for meeting it, so their
    admissions should not change; a change of coding or a bad year of the whole hospital shows in them as well.
    """

    designs: ClassVar[tuple[Design, ...]] = ("sites",)

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The estimate among people out of reach, and its share of the estimate among everybody."""
        if analysis.outcome != RULE_OUTCOME:
            given = str(panel.extra.get("entry_rule") or "unknown") != "unknown" or "cohort_rule" in panel.extra
            why = "the entry rule counts other admissions than the outcome" if given else "no entry rule was given"
            return cannot(NAME, analysis, why)
        people = people_of(panel, estimator)
        if isinstance(people, str):
            return cannot(NAME, analysis, people)
        rule = rule_of(panel, people, estimator)
        control = panel_out_of_reach(panel, people, rule, analysis.outcome)
        problems = estimator.objections(control, analysis)
        if problems:
            return cannot(NAME, analysis, problems[0].what)
        if control.matrix(analysis.outcome)[:, rule.months :].mean() < LEAST_EVENTS:
            return cannot(NAME, analysis, "people who have not met the entry rule have too few admissions")
        found = lean(estimator).fit(control, replace(analysis, primary=False), seed=seed)[0]
        if math.isnan(found.p_value) or math.isnan(found.estimate) or found.null != 1.0:
            return cannot(NAME, analysis, "there is no rate ratio for people who have not met the entry rule")
        share = math.log(found.estimate) / math.log(estimate.estimate) if estimate.estimate != 1.0 else 0.0
        return CheckResult(
            check=NAME,
            analysis=analysis.name,
            verdict=_verdict(estimate, found, share),
            sentence=_sentence(estimate, found, share, rule),
            statistic=found.estimate,
            value_name="the same estimate for people who had not met the entry rule",
            threshold=f"at least {SHARE:.0%} of a claimed change fails; else p below 0.01 fails, below 0.05 warns",
            p_value=found.p_value,
            table=pd.DataFrame([found.row()]),
            facts={"share": share, "conf_low": found.conf_low, "conf_high": found.conf_high},
        )


def panel_out_of_reach(panel: Panel, people: PersonMonths, rule: Rule, outcome: str) -> Panel:
    """The panel whose outcome counts only people who have not met the rule up to that month; the months before anybody can are left out."""
    met_so_far = np.logical_or.accumulate(meets_rule(people, rule), axis=1)
    counts = np.where(met_so_far, 0, people.outcome * people.at_risk)
    sums = np.zeros((len(panel.units), len(panel.periods)))
    np.add.at(sums, people.unit, counts)
    cells = panel.cells.copy()
    cells[outcome] = np.where(cells["missing"], np.nan, sums.reshape(-1))
    periods = panel.periods.copy()
    periods["left_out"] = periods["left_out"] | (np.arange(len(periods)) < rule.months)
    return replace(panel, cells=cells, periods=periods)


def _verdict(estimate: Estimate, found: Estimate, share: float) -> CheckVerdict:
    if estimate.direction != "unclear":
        return "fail" if share >= SHARE else "pass"
    return verdict_of(found.p_value)


def _sentence(estimate: Estimate, found: Estimate, share: float, rule: Rule) -> str:
    interval = f" ({shown(found.conf_low, ratio=True)} to {shown(found.conf_high, ratio=True)})" if found.finite else ""
    text = (
        f"Among people who had not met the entry rule ({rule.count} admissions in {rule.months} months), whom the service does "
        f"not take on, the same design reads {shown(found.estimate, ratio=True)}{interval}"
    )
    if estimate.direction == "unclear":
        return f"{text}, {p_text(found.p_value)}."
    if share >= SHARE:
        return f"{text}: at least half of the change is found where the service cannot have made it."
    return f"{text}: the change is not found where the service cannot have made it."
