"""Risk sets with entropy balancing: the reference case, its negative control, refusals, and worlds with a known truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from aaot_eval.checks import CHECKS
from aaot_eval.estimators._balance import FINE, history
from aaot_eval.estimators._cohorts import Rule, meets_rule, person_months
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.estimators.risk_set import Matched, RiskSet, contrast, match
from aaot_eval.results import Analysis, Panel
from benchmarks.patient_worlds import MANY, ONE, simulate
from tests.methods.patients import OUTCOME

PRINTED = 0.0005
# Balanced means agree to 1e-6 standard deviations.
BALANCED = 1e-4
# Mean of six seeds of a design whose log ratio has sd 0.10: three and a half standard errors.
SIX_SEEDS = 0.15
ANALYSIS = Analysis("risk_set", "risk_set", "risk_set", OUTCOME)


@pytest.fixture(scope="module")
def fitted(mixed: Panel) -> tuple:
    return RiskSet(4, 12).fit(mixed, ANALYSIS, seed=1)


@pytest.fixture(scope="module")
def matched(mixed: Panel) -> tuple:
    people = person_months(mixed, OUTCOME, OUTCOME)
    met, who = meets_rule(people, Rule(4, 12)), np.flatnonzero(people.referred)
    return people, met, match(people, Rule(4, 12), met, who, people.referral[who], None)


class TestReferenceCase:
    def test_ratio_and_random_effects(self, fitted):
        first = fitted[0]
        assert first.estimate == pytest.approx(0.728, abs=PRINTED)
        assert (first.conf_low, first.conf_high) == pytest.approx((0.620, 0.855), abs=PRINTED)

    def test_placebo_launch(self, fitted):
        assert fitted[0].facts["placebo_launch"] == pytest.approx(1.03, abs=0.005)

    def test_divided_by_the_placebo_launch(self, fitted):
        first, second = fitted
        assert second.estimate == pytest.approx(first.estimate / first.facts["placebo_launch"])
        assert second.conf_high - second.conf_low > first.conf_high - first.conf_low


class TestRiskSet:
    def test_nobody_of_a_treated_hospital_and_everybody_meets_the_rule(self, matched):
        people, met, m = matched
        assert not people.treated[people.unit[m.like_person]].any()
        assert met[m.like_person, m.like_month].all()

    def test_base_weights_are_referrals_of_the_month(self, matched):
        _, _, m = matched
        assert isinstance(m, Matched)
        assert m.weight.sum() == pytest.approx(len(m.person))
        assert set(np.unique(m.like_month)) == set(np.unique(m.month))

    def test_means_of_the_past_are_equal(self, matched):
        _, _, m = matched
        assert m.weight @ m.like_x / m.weight.sum() == pytest.approx(m.x.mean(axis=0), rel=BALANCED)

    def test_history_ends_the_month_before(self, matched):
        people, _, _ = matched
        person, month = np.array([5]), np.array([40])
        changed = replace(people, counts=np.where(np.arange(72) >= 40, 7.0, people.counts))
        assert (
            history(changed, Rule(4, 12), person, month, FINE) == history(people, Rule(4, 12), person, month, FINE)
        ).all()
        by_hand = [people.counts[5, 40 - b : 40 - a + 1].sum() for a, b in FINE]
        assert history(people, Rule(4, 12), person, month, FINE)[0].tolist() == [
            *by_hand,
            people.counts[5, 28:40].sum() ** 2,
        ]

    def test_scores_add_up_to_nothing(self, matched):
        people, _, m = matched
        found = contrast(people, m, 12, 72)
        assert found.scores.sum() == pytest.approx(0.0, abs=1e-6)
        assert found.control_share.sum() == pytest.approx(1.0)


class TestPlaceboCheck:
    def test_passes_on_the_reference(self, mixed, fitted):
        result = CHECKS["placebo_launch"]().run(RiskSet(4, 12), mixed, ANALYSIS, fitted[0], seed=1)
        assert result.verdict == "pass"
        assert "where nothing happened, the same comparison reads 1.03" in result.sentence

    def test_data_after_launch_do_not_matter(self, mixed):
        cells = mixed.person_cells
        wiped = replace(mixed, person_cells=cells.assign(**{OUTCOME: cells[OUTCOME].where(cells["t"] < 48, 0)}))
        assert RiskSet(4, 12).placebo_launch(wiped, ANALYSIS) == RiskSet(4, 12).placebo_launch(mixed, ANALYSIS)

    def test_other_designs_have_none(self, mixed, fitted):
        result = CHECKS["placebo_launch"]().run(EntryRule(4, 12), mixed, ANALYSIS, fitted[0], seed=1)
        assert result.verdict == "not_evaluable"


class TestRefusals:
    def words(self, panel: Panel) -> str:
        return " | ".join(p.what for p in RiskSet(4, 12).objections(panel, ANALYSIS))

    def test_fits(self, mixed):
        assert self.words(mixed) == ""

    def test_no_other_hospital(self):
        assert "no hospital without the service" in self.words(simulate(ONE, 1))

    def test_too_few_referred(self, mixed):
        few = mixed.people.assign(referral_t=mixed.people["referral_t"].where(np.arange(6000) < 400))
        assert "fewer than 30 referred have 24 months of history" in self.words(replace(mixed, people=few))

    def test_nobody_like_them(self, mixed):
        control = ~mixed.people["unit"].isin(["H01", "H02", "H03"]).to_numpy()
        cells = mixed.person_cells.assign(**{OUTCOME: mixed.person_cells[OUTCOME].where(~np.repeat(control, 72), 0)})
        assert "fewer than 30 referred have anybody to be compared with" in self.words(
            replace(mixed, person_cells=cells)
        )

    def test_five_comparison_hospitals_have_no_interval(self):
        first = RiskSet(4, 12).fit(
            simulate(replace(MANY, people=6000, hospitals=6, launches=(40,)), 2), ANALYSIS, seed=1
        )[0]
        assert first.status == "no_finite_interval"
        assert "need 6 comparison hospitals" in first.note


@pytest.mark.parametrize("effect", [1.0, 0.6])
def test_recovers_the_truth_over_six_seeds(effect):
    errors = []
    for seed in range(6):
        first = RiskSet(4, 12).fit(simulate(replace(MANY, people=6000, effect=effect), 300 + seed), ANALYSIS, seed=1)[0]
        errors.append(math.log(first.estimate / effect))
    assert abs(np.mean(errors)) < SIX_SEEDS
