"""Did the admissions go away, or only somewhere else? docs/methods/moved_care.md."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS, FAIL_P
from aaot_eval.checks._caseload import people_of, rule_of
from aaot_eval.checks._counted import averted, by_home, counting
from aaot_eval.checks._sites import cannot, lean, shown
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._cohorts import RULE_OUTCOME, Floats, PersonMonths, meets_rule
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, OutcomeSpec, Panel
from aaot_eval.wording import p_text

NAME = "moved_care"
LEAST_SHARE = 0.5
"""Where less than this share of a change is found again in the wider count, most of the change is one of place."""
VISITS = "ed_attendances"
ADMISSIONS = OutcomeSpec("admissions_reached", "Admissions of people who had met the entry rule")
ATTENDANCES = OutcomeSpec(
    "attendances_reached", "Attendances of people who had met the entry rule", event="attendances"
)
AT_HOME = OutcomeSpec("admissions_by_home", "Admissions of each site's people, wherever they were")


@dataclass(frozen=True)
class _Part:
    """One wider count: its estimate, and the share of the change in the narrower count that is found in it again."""

    name: str
    title: str
    wide: Estimate
    share: float
    claimed: bool

    @property
    def fails(self) -> bool:
        return self.share < LEAST_SHARE if self.claimed else self.wide.p_value < FAIL_P

    @property
    def sentence(self) -> str:
        read = f"{self.title} read {shown(self.wide.estimate, ratio=True)} ({p_text(self.wide.p_value)})"
        if not self.claimed:
            return read
        return f"{read}: {max(self.share, 0.0):.0%} of the change in admissions is found there again"


@CHECKS.register(NAME)
class MovedCare:
    """The same estimator on wider counts: admissions of each site's people wherever they were, and their attendances.

    An admission that is prevented is missing in both. One that moved to another hospital of the extract is not missing among
    the people of the site; one that became an attendance without admission leaves the attendances where they were.
    """

    designs: ClassVar[tuple[Design, ...]] = ("sites",)

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """Fails when less than half of a change is found in a wider count, or when a wider count alone changes."""
        people = people_of(panel, estimator)
        if isinstance(people, str):
            return cannot(NAME, analysis, people)
        if analysis.outcome != RULE_OUTCOME:
            return cannot(NAME, analysis, "the people's own admissions of this outcome are not in the panel")
        if estimate.null != 1.0 or math.isnan(estimate.estimate):
            return cannot(NAME, analysis, "there is no rate ratio")
        read = _Reader(lean(estimator), analysis, seed)
        parts = [_at_home(read, panel, people, estimate), _in_the_department(read, panel, people, estimator, estimate)]
        found = [p for p in parts if p is not None]
        return _result(analysis, found) if found else cannot(NAME, analysis, "these data hold no wider count")


@dataclass(frozen=True)
class _Reader:
    """Puts the design of the analysis to another count."""

    estimator: Estimator
    analysis: Analysis
    seed: int

    def __call__(self, panel: Panel, outcome: str) -> Estimate | None:
        wanted = replace(self.analysis, outcome=outcome, primary=False)
        if self.estimator.objections(panel, wanted):
            return None
        found = self.estimator.fit(panel, wanted, seed=self.seed)[0]
        return None if math.isnan(found.estimate) or math.isnan(found.p_value) else found


def _at_home(read: _Reader, panel: Panel, people: PersonMonths, estimate: Estimate) -> _Part | None:
    """Admissions counted at the home hospital of the person against admissions counted where they were."""
    here = counting(panel, AT_HOME, by_home(panel, people, people.outcome * people.at_risk))
    wide = read(here, AT_HOME.name)
    if wide is None:
        return None
    gone = averted(panel, estimate.outcome, estimate.estimate)
    return _part("home", AT_HOME.title, wide, averted(here, AT_HOME.name, wide.estimate), gone, estimate)


def _in_the_department(
    read: _Reader, panel: Panel, people: PersonMonths, estimator: Estimator, estimate: Estimate
) -> _Part | None:
    """Attendances of people who had met the entry rule so far against their admissions."""
    if panel.person_cells is None or VISITS not in panel.person_cells:
        return None
    rule = rule_of(panel, people, estimator)
    reached = np.logical_or.accumulate(meets_rule(people, rule), axis=1) & people.at_risk
    visits: Floats = panel.person_matrix(VISITS)[people_rows(panel, people)].astype(float)
    both = counting(panel, ADMISSIONS, by_home(panel, people, people.outcome * reached))
    both = counting(both, ATTENDANCES, by_home(panel, people, visits * reached))
    periods = both.periods.copy()
    periods["left_out"] |= np.arange(len(periods)) < rule.months
    both = replace(both, periods=periods)
    narrow, wide = read(both, ADMISSIONS.name), read(both, ATTENDANCES.name)
    if narrow is None or wide is None:
        return None
    gone = averted(both, ADMISSIONS.name, narrow.estimate)
    return _part("attendances", ATTENDANCES.title, wide, averted(both, ATTENDANCES.name, wide.estimate), gone, estimate)


def people_rows(panel: Panel, people: PersonMonths) -> np.ndarray:
    """Rows of the panel's people that have a home among the units, in the order of `people`."""
    if panel.people is None:
        raise ValueError("this panel has no people")
    return np.flatnonzero(panel.people["unit"].isin(people.names).to_numpy())


def _part(name: str, title: str, wide: Estimate, found: float, gone: float, estimate: Estimate) -> _Part:
    share = found / gone if gone else 0.0
    return _Part(name, title, wide, share, estimate.direction != "unclear")


def _result(analysis: Analysis, parts: list[_Part]) -> CheckResult:
    worst = min(parts, key=lambda p: (not p.fails, p.share))
    verdict: CheckVerdict = "fail" if worst.fails else "pass"
    text = "; ".join(p.sentence for p in parts)
    if worst.fails and worst.claimed:
        where = "another hospital" if worst.name == "home" else "the emergency department without admission"
        text = f"{text}. Much of the change may be a change of place: people seen in {where} instead"
    elif worst.fails:
        text = f"{text}. Something changed that the count of admissions does not show"
    return CheckResult(
        check=NAME,
        analysis=analysis.name,
        verdict=verdict,
        sentence=f"{text}.",
        statistic=worst.share if worst.claimed else worst.wide.estimate,
        value_name="share of the change found in the wider count" if worst.claimed else "the same estimate for the wider count",
        threshold=f"less than {LEAST_SHARE:.0%} of a claimed change fails; without a claim p below {FAIL_P:g} fails",
        p_value=worst.wide.p_value,
        table=pd.DataFrame([p.wide.row() for p in parts]),
        facts={f"share_{p.name}": p.share for p in parts},
    )  # fmt: skip
