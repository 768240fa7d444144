"""Did deaths change at the treated sites, so that fewer or more people were left to be admitted? docs/methods/site_deaths.md."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS, FAIL_P, WARN_P
from aaot_eval.checks._caseload import people_of
from aaot_eval.checks._counted import by_home, counting
from aaot_eval.checks._sites import THRESHOLD, cannot, lean, shown
from aaot_eval.estimators import Estimator
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, OutcomeSpec, Panel
from aaot_eval.wording import p_text

NAME = "site_deaths"
LEAST_DEATHS = 1.0
"""Fewer known deaths a site and year than this are too few to judge by."""
DEATHS = OutcomeSpec("deaths_of_people", "Deaths of the panel's people", event="deaths")


@CHECKS.register(NAME)
class SiteDeaths:
    """The same estimator on deaths of the people of each site: everybody with an admission of the outcome, and the caseload."""

    designs: ClassVar[tuple[Design, ...]] = ("sites",)

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """Fails at p < 0.01 unless the change of deaths works against the estimate: more deaths make admissions fewer."""
        people = people_of(panel, estimator)
        if isinstance(people, str):
            return cannot(NAME, analysis, people)
        died = np.arange(people.n_months)[None, :] == people.death[:, None]
        deaths = counting(panel, DEATHS, by_home(panel, people, died.astype(float)))
        years = people.n_months / panel.season_length
        if died.sum() < LEAST_DEATHS * len(people.names) * years:
            return cannot(NAME, analysis, "too few deaths are known")
        wanted = replace(analysis, outcome=DEATHS.name, primary=False)
        fit = lean(estimator)
        problems = fit.objections(deaths, wanted)
        if problems:
            return cannot(NAME, analysis, problems[0].what)
        found = fit.fit(deaths, wanted, seed=seed)[0]
        if math.isnan(found.p_value) or math.isnan(found.estimate):
            return cannot(NAME, analysis, "there is no p value for deaths")
        if not math.isnan(found.p_least) and found.p_least >= WARN_P:
            return cannot(NAME, analysis, f"no p below {found.p_least:.3f} is possible for deaths")
        verdict = _verdict(found, estimate)
        return CheckResult(
            check=NAME,
            analysis=analysis.name,
            verdict=verdict,
            sentence=_sentence(found, verdict),
            statistic=found.estimate,
            value_name="the same estimate for deaths",
            threshold=THRESHOLD,
            p_value=found.p_value,
            table=pd.DataFrame([found.row()]),
            facts={
                "conf_low": found.conf_low,
                "conf_high": found.conf_high,
                "died": "more" if found.estimate > found.null else "fewer",
            },
        )


def _verdict(found: Estimate, estimate: Estimate) -> CheckVerdict:
    if found.p_value >= WARN_P:
        return "pass"
    more = found.estimate > found.null
    against = {"lower": not more, "higher": more, "unclear": False}[estimate.direction]
    return "fail" if found.p_value < FAIL_P and not against else "warn"


def _sentence(found: Estimate, verdict: CheckVerdict) -> str:
    interval = f" ({shown(found.conf_low, ratio=found.null == 1.0)} to {shown(found.conf_high, ratio=found.null == 1.0)})" if found.finite else ""  # fmt: skip
    text = f"On deaths the same design reads {shown(found.estimate, ratio=found.null == 1.0)}{interval}, {p_text(found.p_value)}"
    if verdict == "pass":
        return f"{text}: no sign that more or fewer people died at the treated sites."
    if found.estimate > found.null:
        return f"{text}: more people died at the treated sites, and the dead are not admitted."
    return f"{text}: fewer people died at the treated sites, and those who live on can be admitted."
