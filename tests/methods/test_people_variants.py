"""The specification curve of comparisons of people: which variants there are, what it says, and that it never fails a result by itself."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from aaot_eval.checks._people_variants import variants, variants_table
from aaot_eval.checks.specification_curve import SpecificationCurve
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.results import Analysis, Panel
from benchmarks.patient_worlds import ONE, simulate
from tests.methods.patients import OUTCOME

ANALYSIS = Analysis("entry_rule", "entry_rule", "entry_rule", OUTCOME)
OWN = Analysis("own_cohorts", "own_cohorts", "own_cohorts", OUTCOME)
EXACT = 1e-12


def test_the_list_is_fixed_by_the_config(mixed: Panel) -> None:
    found = variants(EntryRule(4, 12, follow_up=12), mixed, ANALYSIS)
    assert [(v.estimator.rule_count, v.estimator.follow_up) for v in found[:9]] == [
        (4, 12), (4, 6), (4, 24), (3, 12), (3, 6), (3, 24), (5, 12), (5, 6), (5, 24)]  # fmt: skip
    assert not found[-1].pandemic
    in_words = replace(
        mixed, extra={**mixed.extra, "cohort_rule": {"words": "w", "count": 4, "months": 12, "plain": None}}
    )
    assert {v.estimator.rule_count for v in variants(EntryRule(4, 12), in_words, ANALYSIS)} == {4}


def test_the_declared_row_is_the_estimate(mixed: Panel) -> None:
    head = EntryRule(4, 12).fit(mixed, ANALYSIS, seed=1)
    table = variants_table(EntryRule(4, 12), mixed, ANALYSIS)
    declared = table[table["declared"]].iloc[0]
    assert declared["estimate"] == pytest.approx(head[0].estimate, rel=EXACT)
    assert declared["p_value"] == pytest.approx(head[1].p_value, rel=1e-9)  # the row with hospitals as random
    assert table["estimate"].is_monotonic_increasing
    assert len(table) >= 9


def test_a_claim_of_the_minority_warns_and_does_not_fail(mixed: Panel) -> None:
    head = EntryRule(4, 12).fit(mixed, ANALYSIS, seed=1)[0]
    right = SpecificationCurve().run(EntryRule(4, 12), mixed, ANALYSIS, head, seed=1)
    assert right.verdict == "pass"
    assert "admissions the rule asks for, follow-up, ways to count" in right.sentence
    wrong_way = replace(head, estimate=1.3, conf_low=1.1, conf_high=1.5)
    found = SpecificationCurve().run(EntryRule(4, 12), mixed, ANALYSIS, wrong_way, seed=1)
    assert found.verdict == "warn"
    assert "minority" in found.sentence


def test_one_trust_alone() -> None:
    panel = simulate(ONE, 3)
    head = OwnCohorts(4, 12).fit(panel, OWN, seed=1)[0]
    found = SpecificationCurve().run(OwnCohorts(4, 12), panel, OWN, head, seed=1)
    assert found.table is not None
    declared = found.table[found.table["declared"]].iloc[0]
    assert math.log(declared["estimate"]) == pytest.approx(math.log(head.estimate), abs=EXACT)
    assert declared["p_value"] == pytest.approx(head.p_value, rel=1e-9)
    assert found.verdict in ("pass", "warn")


def test_only_the_declared_one_is_said() -> None:
    panel = simulate(ONE, 3)
    few = replace(
        panel, people=panel.people.assign(referral_t=panel.people["referral_t"].where(panel.people["referral_t"] < 0))
    )
    found = SpecificationCurve().run(OwnCohorts(4, 12), few, OWN, OwnCohorts(4, 12).fit(panel, OWN, seed=1)[0], seed=1)
    assert found.verdict == "not_evaluable"
