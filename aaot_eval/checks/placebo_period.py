"""The comparison of people a year earlier, when nothing had started: what it reads there is not the service's doing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS
from aaot_eval.checks._caseload import people_of, rule_of
from aaot_eval.checks._sites import THRESHOLD, cannot, shown, verdict_of
from aaot_eval.errors import counted
from aaot_eval.estimators import Estimator
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.results import Analysis, CheckResult, Design, Estimate, Panel
from aaot_eval.wording import p_text

NAME = "placebo_period"
#: Months by which every start is moved back: a year, else half of one where history is short.
SHIFTS = (12, 6)


@CHECKS.register(NAME)
class PlaceboPeriod:
    """The same estimator with every start moved back and every treated hospital's data cut at its real start; it should read 1."""

    designs: ClassVar[tuple[Design, ...]] = ("entry_rule", "own_cohorts")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """What it reads, with its interval; not evaluable where history is too short for a start so early."""
        if not isinstance(estimator, EntryRule | OwnCohorts):
            return cannot(NAME, analysis, "it belongs to the comparisons by entry rule")
        people = people_of(panel, estimator)
        if isinstance(people, str):
            return cannot(NAME, analysis, people)
        rule = rule_of(panel, people, estimator)
        why = ""
        for shift in SHIFTS:
            earlier = moved_back(panel, shift)
            same = replace(
                estimator, rule_count=rule.count, rule_months=rule.months, follow_up=min(shift, estimator.follow_up)
            )
            problems = same.objections(earlier, analysis)
            if problems:
                why = why or problems[0].what
                continue
            found = same.fit(earlier, replace(analysis, primary=False), seed=seed)[0]
            if math.isnan(found.p_value) or math.isnan(found.estimate):
                return cannot(NAME, analysis, "the estimate a year earlier has no p value")
            return _result(analysis, found, shift)
        return cannot(NAME, analysis, f"with the start moved back, {why}")


def moved_back(panel: Panel, months: int) -> Panel:
    """The panel as if every service had started so many months earlier and its hospital's data ended at the real start."""
    units, cells = panel.units.copy(), panel.cells.copy()
    real = units["start_t"].where(units.index.isin(panel.treated_units))
    units["stop_t"] = (real - 1).astype("Int64")
    units["start_t"] = (real - months).where(real >= months).astype("Int64")
    start = cells["unit"].map(real).astype("Float64").fillna(np.inf).to_numpy(dtype=float)
    gone = cells["t"].to_numpy() >= start
    counted = [o.name for o in panel.outcomes if o.name in cells]
    cells["missing"] = cells["missing"] | gone
    cells[counted] = cells[counted].astype(float).mask(pd.Series(gone, index=cells.index))
    return replace(panel, units=units, cells=cells)


def _result(analysis: Analysis, found: Estimate, shift: int) -> CheckResult:
    interval = f" ({shown(found.conf_low, ratio=True)} to {shown(found.conf_high, ratio=True)})" if found.finite else ""
    verdict = verdict_of(found.p_value)
    meaning = "as it should" if verdict == "pass" else "so the groups were drifting apart before the service"
    return CheckResult(
        NAME, analysis.name, verdict,
        f"With every start moved back by {counted(shift, 'month')}, before anything began, the same comparison reads "
        f"{shown(found.estimate, ratio=True)}{interval}, {p_text(found.p_value)}: {meaning}.",
        statistic=found.estimate, value_name=f"the same estimate {counted(shift, 'month')} earlier", threshold=THRESHOLD, p_value=found.p_value,
        table=pd.DataFrame([found.row()]), facts={"shift": shift, "conf_low": found.conf_low, "conf_high": found.conf_high},
    )  # fmt: skip
