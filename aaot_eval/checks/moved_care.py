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
from aaot_eval.checks._sites import cannot, lean, shown, verdict_of
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._cohorts import RULE_OUTCOME, Floats, PersonMonths, meets_rule
from aaot_eval.estimators._site_fit import Fit, fit_sites
from aaot_eval.estimators.site_did import SiteDid
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


#: Adds up over exposure and may lie below zero, as costs do.
BETWEEN = OutcomeSpec("counted_elsewhere", "What the wider count holds beside the narrow one", kind="cost")


@dataclass(frozen=True)
class _Part:
    """One wider count: its estimate, and the share of the change in the narrower count that is found in it again.

    `between` is the same design on what the wider count holds beside the narrow one: it moves when care moved, and hardly otherwise.
    """

    name: str
    title: str
    wide: Estimate
    share: float
    between: Fit | None
    direction: str

    @property
    def claimed(self) -> bool:
        return self.direction != "unclear"

    @property
    def p_value(self) -> float:
        """Of no change of place for a claim (NaN where none is small enough to tell); of no change of the wider count without one."""
        if not self.claimed:
            return self.wide.p_value
        if self.between is None or self.between.ways.p_least >= FAIL_P:
            return math.nan
        moved = self.between.effect > 0 if self.direction == "lower" else self.between.effect < 0
        return self.between.p_value if moved else 1.0

    def verdict(self, parts: int) -> CheckVerdict:
        """Without a claim each of several counts has its part of the level, for any of them may doubt the result."""
        if not self.claimed:
            return verdict_of(self.wide.p_value * parts)
        if self.share >= LEAST_SHARE:
            return "pass"
        return "warn" if self.p_value >= FAIL_P else "fail"

    @property
    def sentence(self) -> str:
        read = f"{self.title} read {shown(self.wide.estimate, ratio=True)} ({p_text(self.wide.p_value)})"
        if not self.claimed:
            return read
        text = f"{read}: {max(self.share, 0.0):.0%} of the change in admissions is found there again"
        if self.share < LEAST_SHARE and self.p_value >= FAIL_P:
            return f"{text}, a share that chance may have made ({p_text(self.p_value)})"
        return text


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
        """Fails when care changed its place and less than half of a change is found in a wider count, or when that alone changes."""
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

    def between(self, panel: Panel, wide: Floats, narrow: Floats) -> Fit | None:
        """The design on the wider count less the narrow one (units x periods), as a difference: the narrow one can be the larger."""
        if not isinstance(self.estimator, SiteDid):
            return None
        other, part = counting(panel, BETWEEN, wide - narrow), replace(self.estimator, scale="difference")
        if part.objections(other, replace(self.analysis, outcome=BETWEEN.name)):
            return None
        return fit_sites(part.data(other, BETWEEN.name), self.seed)


def _at_home(read: _Reader, panel: Panel, people: PersonMonths, estimate: Estimate) -> _Part | None:
    """Admissions counted at the home hospital of the person against admissions counted where they were."""
    theirs = by_home(panel, people, people.outcome * people.at_risk)
    here = counting(panel, AT_HOME, theirs)
    wide = read(here, AT_HOME.name)
    if wide is None:
        return None
    gone = averted(panel, estimate.outcome, estimate.estimate)
    between = read.between(panel, theirs, panel.matrix(estimate.outcome).astype(float)) if _claims(estimate) else None
    return _part("home", AT_HOME.title, wide, averted(here, AT_HOME.name, wide.estimate), gone, between, estimate)


def _in_the_department(
    read: _Reader, panel: Panel, people: PersonMonths, estimator: Estimator, estimate: Estimate
) -> _Part | None:
    """Attendances of people who had met the entry rule so far against their admissions."""
    if panel.person_cells is None or VISITS not in panel.person_cells:
        return None
    rule = rule_of(panel, people, estimator)
    reached = np.logical_or.accumulate(meets_rule(people, rule), axis=1) & people.at_risk
    visits: Floats = panel.person_matrix(VISITS)[people_rows(panel, people)].astype(float)
    admitted, came = by_home(panel, people, people.outcome * reached), by_home(panel, people, visits * reached)
    both = counting(counting(panel, ADMISSIONS, admitted), ATTENDANCES, came)
    periods = both.periods.copy()
    periods["left_out"] |= np.arange(len(periods)) < rule.months
    both = replace(both, periods=periods)
    narrow, wide = read(both, ADMISSIONS.name), read(both, ATTENDANCES.name)
    if narrow is None or wide is None:
        return None
    gone = averted(both, ADMISSIONS.name, narrow.estimate)
    between = read.between(both, came, admitted) if _claims(estimate) else None
    return _part(
        "attendances", ATTENDANCES.title, wide, averted(both, ATTENDANCES.name, wide.estimate), gone, between, estimate
    )


def people_rows(panel: Panel, people: PersonMonths) -> np.ndarray:
    """Rows of the panel's people that have a home among the units, in the order of `people`."""
    if panel.people is None:
        raise ValueError("this panel has no people")
    return np.flatnonzero(panel.people["unit"].isin(people.names).to_numpy())


def _claims(estimate: Estimate) -> bool:
    return estimate.direction != "unclear"


def _part(
    name: str, title: str, wide: Estimate, found: float, gone: float, between: Fit | None, estimate: Estimate
) -> _Part:
    return _Part(name, title, wide, found / gone if gone else 0.0, between, estimate.direction)


def _result(analysis: Analysis, parts: list[_Part]) -> CheckResult:
    order = ("fail", "warn", "pass")
    worst = min(parts, key=lambda p: (order.index(p.verdict(len(parts))), p.share if p.claimed else p.wide.p_value))
    verdict = worst.verdict(len(parts))
    text = "; ".join(p.sentence for p in parts)
    if verdict == "fail" and worst.claimed:
        where = "another hospital" if worst.name == "home" else "the emergency department without admission"
        text = f"{text}. Much of the change may be a change of place: people seen in {where} instead"
    elif verdict == "fail":
        text = f"{text}. Something changed that the count of admissions does not show"
    return CheckResult(
        check=NAME,
        analysis=analysis.name,
        verdict=verdict,
        sentence=f"{text}.",
        statistic=worst.share if worst.claimed else worst.wide.estimate,
        value_name="share of the change found in the wider count" if worst.claimed else "the same estimate for the wider count",
        threshold=f"less than {LEAST_SHARE:.0%} of a claimed change fails if p is below {FAIL_P:g}; without a claim p below {FAIL_P:g} over the counts fails",
        p_value=worst.p_value,
        table=pd.DataFrame([p.wide.row() for p in parts]),
        facts={f"share_{p.name}": p.share for p in parts},
    )  # fmt: skip
