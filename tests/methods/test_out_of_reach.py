"""People whom the service cannot reach: nothing may change among them, and what does is held against the claim."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aaot_eval.checks import CHECKS
from aaot_eval.checks._caseload import people_of
from aaot_eval.checks.out_of_reach import panel_out_of_reach
from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._cohorts import Rule
from aaot_eval.results import Analysis, CheckResult, Panel
from tests.builders import site_panel

OUTCOME = "alcohol_specific_emergency"
SITES, MONTHS, START = 10, 60, 40
ANALYSIS = Analysis("a", "sites", "site_did", OUTCOME, True)


def people_frame(unit: np.ndarray, referral: list[int | None]) -> pd.DataFrame:
    never = pd.array([pd.NA] * len(unit), dtype="Int64")
    return pd.DataFrame(
        {"unit": unit, "referral_t": pd.array([pd.NA if r is None else r for r in referral], dtype="Int64"),
         "ended_t": never, "death_t": never, "sex": "1", "age": 50},
        index=pd.RangeIndex(len(unit), name="person"),
    )  # fmt: skip


def world(everybody: float, caseload: float) -> Panel:
    """Ten sites of heavy and light attenders; two sites start. After it, admissions of everybody and of heavy attenders change."""
    rng = np.random.default_rng(11)
    heavy = np.tile(np.r_[np.ones(60, bool), np.zeros(900, bool)], SITES)
    site = np.repeat(np.arange(SITES), 960)
    rate = np.where(heavy, 0.6, 0.04)[:, None] * np.ones(MONTHS)
    after = (site < 2)[:, None] & (np.arange(MONTHS) >= START)
    rate = rate * np.where(after, everybody * np.where(heavy, caseload, 1.0)[:, None], 1.0)
    counts = rng.poisson(rate)
    sums = np.zeros((SITES, MONTHS))
    np.add.at(sums, site, counts)
    names = [f"S{i:02d}" for i in range(SITES)]
    people = people_frame(
        np.array(names, dtype=object)[site], [START if h and s < 2 else None for h, s in zip(heavy, site, strict=True)]
    )
    panel = site_panel(
        {OUTCOME: sums},
        [START, START, *[None] * (SITES - 2)],
        units=names,
        people=people,
        person_counts={OUTCOME: counts},
    )
    return replace(panel, extra={"entry_rule": "3 admissions in 12 months"})


def checked(panel: Panel) -> CheckResult:
    estimator = build_estimator("site_did", {"beside": False})
    estimate = estimator.fit(panel, ANALYSIS, seed=1)[0]
    return CHECKS["out_of_reach"]().run(estimator, panel, ANALYSIS, estimate, seed=1)


def test_by_hand_people_leave_in_the_month_after_they_meet_the_rule() -> None:
    counts = np.zeros((2, 16), dtype=int)
    counts[0, [0, 1, 5]] = 1, 1, 1
    counts[1, 2] = 1
    panel = site_panel({OUTCOME: counts}, [8, None], units=["A", "B"], people=people_frame(np.array(["A", "B"], dtype=object), [9, None]),
                       person_counts={OUTCOME: counts})  # fmt: skip
    people = people_of(panel, build_estimator("entry_rule", {"rule_count": 2, "rule_months": 3}))
    assert not isinstance(people, str)
    control = panel_out_of_reach(panel, people, Rule(2, 3), OUTCOME)
    assert control.matrix(OUTCOME).tolist() == [[1, 1, 0, 0, *[0] * 12], [0, 0, 1, 0, *[0] * 12]]
    assert control.periods["left_out"].tolist() == [True] * 3 + [False] * 13


@pytest.mark.parametrize(
    ("everybody", "caseload", "verdict"),
    [(1.0, 0.45, "pass"), (0.75, 1.0, "fail"), (1.3, 1.0, "fail"), (1.0, 1.0, "pass")],
)
def test_a_change_of_the_whole_hospital_is_told_from_one_of_the_caseload(
    everybody: float, caseload: float, verdict: str
) -> None:
    found = checked(world(everybody, caseload))
    assert found.verdict == verdict, found.sentence
    assert found.statistic == pytest.approx(everybody, rel=0.12)


def test_says_why_when_it_cannot_judge() -> None:
    bare = site_panel({OUTCOME: np.full((6, 48), 90.0)}, [30, *[None] * 5])
    assert "it holds no people" in checked(bare).sentence


def test_without_an_entry_rule_that_is_the_reason_given() -> None:
    """Only a rule that was given can be said to count other admissions than the outcome."""
    panel = site_panel({"admissions": np.random.default_rng(1).poisson(150, (8, 48))}, [24, 24, *[None] * 6])
    analysis = replace(ANALYSIS, outcome="admissions")
    estimator = build_estimator("site_did", {"beside": False})

    def said(panel: Panel) -> str:
        estimate = estimator.fit(panel, analysis, seed=1)[0]
        return CHECKS["out_of_reach"]().run(estimator, panel, analysis, estimate, seed=1).sentence

    assert said(panel) == "Not evaluable: no entry rule was given."
    assert said(replace(panel, extra={"entry_rule": "unknown"})) == "Not evaluable: no entry rule was given."
    assert "counts other admissions" in said(replace(panel, extra={"entry_rule": "3 admissions in 12 months"}))
