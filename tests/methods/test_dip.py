"""Dip test, regression-to-the-mean prediction, entropy balancing and deaths by arm, against known answers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aaot_eval.checks import CHECKS
from aaot_eval.checks._caseload import dip, predict, resampled
from aaot_eval.checks.deaths import rate_test
from aaot_eval.checks.dip import word_of
from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._balance import adjusted_scores, entropy_balance
from aaot_eval.estimators._cohorts import Rule, person_months
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.results import Analysis, CheckResult, Estimate, Panel
from aaot_eval.schema import table_schema
from benchmarks.patient_worlds import MANY, ONE, simulate
from tests.methods.patients import OUTCOME, panel_of_people, patients_mixed

PRINTED = 0.005
# Percentiles of 999 bootstrap draws: two seeds differ by up to 0.03 here.
BOOTSTRAP = 0.04
EXACT = 1e-9
# Mean of eight worlds whose log ratio of observed to expected has sd 0.06 to 0.08: three and a half standard errors.
EIGHT_SEEDS = 0.10
ESTIMATE = Estimate("a", "entry_rule", "entry_rule", OUTCOME, "any", "rate_ratio", 1.0)


def run(panel: Panel, design: str = "entry_rule", **options: object) -> CheckResult:
    analysis = Analysis("main", design, "entry_rule", OUTCOME)  # type: ignore[arg-type]
    return CHECKS["dip"]().run(EntryRule(**options), panel, analysis, ESTIMATE, seed=11)  # type: ignore[arg-type]


class TestDipRatio:
    def test_reference(self, mixed):
        people = person_months(mixed, OUTCOME, OUTCOME)
        found = dip(people, np.random.default_rng(4))
        assert found.ratio == pytest.approx(2.22, abs=PRINTED)
        assert found.people == 313
        assert (found.low, found.high) == pytest.approx((1.90, 2.62), abs=BOOTSTRAP)

    def test_reference_interval_is_the_ninety_per_cent_one(self, mixed):
        people = person_months(mixed, OUTCOME, OUTCOME)
        who = np.flatnonzero(people.referred)
        at, total = people.referral[who], np.concatenate([np.zeros((6000, 1)), people.outcome.cumsum(axis=1)], axis=1)
        pairs = np.column_stack([total[who, at] - total[who, at - 12], total[who, at - 12] - total[who, at - 24]])
        draws = resampled(pairs, np.random.default_rng(4))
        assert np.percentile(draws[:, 0] / draws[:, 1], [5, 95]) == pytest.approx([1.94, 2.54], abs=BOOTSTRAP)

    def test_by_hand(self):
        """40 referred with 3 admissions in the last year and 2 in the year before; controls 1 a month in all: D = 1.5."""
        counts = np.zeros((80, 40), dtype=int)
        counts[:40, [20, 25, 29]], counts[:40, [10, 11]] = 1, 1
        counts[40:] = 1
        unit = np.repeat([0, 1], 40)
        referral = np.where(unit == 0, 30, -1)
        found = dip(
            person_months(panel_of_people(counts, unit, [30, None], referral=referral), OUTCOME, OUTCOME),
            np.random.default_rng(1),
        )
        assert (found.ratio, found.low, found.high, found.over_controls) == pytest.approx(
            (1.5, 1.5, 1.5, 1.5), abs=EXACT
        )

    def test_words(self):
        base = dip(person_months(patients_mixed(), OUTCOME, OUTCOME), np.random.default_rng(4))
        words = [word_of(replace(base, ratio=r, low=lo, high=h)) for r, lo, h in
                 ((1.5, 1.3, 1.8), (1.3, 1.1, 1.6), (1.1, 0.9, 1.3), (1.0, 0.9, 1.1))]  # fmt: skip
        assert words == ["dip, certain", "dip", "treated as a dip, not certain", "no dip"]


class TestVerdict:
    @pytest.mark.parametrize("design", ["sites", "series", "entry_rule", "own_cohorts"])
    def test_designs_that_do_not_compare_people_with_themselves_pass(self, mixed, design):
        result = run(mixed, design, rule_count=4, rule_months=12)
        assert result.verdict == "pass"
        assert "dip, certain" in result.sentence
        assert "Any comparison of the referred before and after referral is therefore off" in result.sentence

    def test_a_before_after_design_fails(self, mixed):
        result = run(mixed, "before_after", rule_count=4, rule_months=12)
        assert result.verdict == "fail"
        assert "biased by design" in result.sentence

    def test_too_few_is_not_evaluable_and_treated_as_a_dip(self, mixed):
        some = mixed.people["referral_t"].where(np.arange(6000) < 400)
        result = run(replace(mixed, people=mixed.people.assign(referral_t=some)), rule_count=4, rule_months=12)
        assert result.verdict == "not_evaluable"
        assert "fewer than 30 referred with 24 months of history" in result.sentence
        assert result.facts["word"] == "not evaluable, treated as a dip"

    def test_aggregated_input_says_so(self, mixed):
        result = run(replace(mixed, people=None, person_cells=None))
        assert result.verdict == "not_evaluable"
        assert "holds no people" in result.sentence

    def test_table_has_the_columns_of_the_release(self, mixed):
        result = run(mixed, rule_count=4, rule_months=12)
        assert list(result.table.columns) == list(table_schema("release", "regression_to_mean").names)
        assert result.table["what"].tolist() == ["before", "expected", "observed"]
        before, expected, observed = result.table["rate"]
        assert before > expected > observed
        assert result.facts["raw_fall"] == pytest.approx(1 - observed / before)
        assert result.facts["share_expected"] == pytest.approx((before - expected) / (before - observed))
        assert result.facts["table"] == "regression_to_mean"

    def test_rule_declared_in_the_study_is_used_by_designs_without_one(self, mixed):
        analysis = Analysis("main", "sites", "site_did", OUTCOME)
        with_rule = replace(mixed, extra={"entry_rule": "5 admissions in 12 months"})
        result = CHECKS["dip"]().run(build_estimator("site_did", {}), with_rule, analysis, ESTIMATE, seed=11)
        assert result.facts["rule"] == "5 or more admissions in 12 months"
        assert run(mixed).facts["rule"] == "4 or more admissions in 12 months"

    def test_same_seed_same_words(self, mixed):
        assert run(mixed).sentence == run(mixed).sentence


class TestPrediction:
    def test_people_passed_over_after_launch_are_never_used(self, mixed):
        """Doubling every admission after launch of those never referred in treated hospitals changes nothing."""
        people = person_months(mixed, OUTCOME, OUTCOME)
        rows = people.treated[people.unit] & (people.referral == people.n_months)
        more = np.where(rows[:, None] & (np.arange(72) >= people.launch[people.unit][:, None]), 2.0, 1.0)
        changed = replace(people, outcome=people.outcome * more, counts=people.counts * more)
        assert predict(changed, Rule(4, 12)) == predict(people, Rule(4, 12))

    def test_follow_up_of_the_reference_is_cut_at_launch(self):
        """One trust alone: what happens after launch to anybody cannot move the expectation."""
        people = person_months(simulate(ONE, 6), OUTCOME, OUTCOME)
        after = np.arange(72) >= 36
        changed = replace(people, outcome=np.where(after, 9.0, people.outcome))
        assert predict(changed, Rule(4, 12)).expected == predict(people, Rule(4, 12)).expected

    @pytest.mark.parametrize(("world", "effect"), [(MANY, 1.0), (ONE, 1.0), (MANY, 0.6)])
    def test_no_effect_is_wholly_expected_and_an_effect_is_not(self, world, effect):
        errors = []
        for seed in range(8):
            world_now = replace(world, people=5000 if world is MANY else 4000, effect=effect, shock_sd=0.05)
            found = predict(person_months(simulate(world_now, 70 + seed), OUTCOME, OUTCOME), Rule(4, 12))
            errors.append(math.log(found.observed[0] / found.expected[0] / effect))
        assert abs(np.mean(errors)) < EIGHT_SEEDS

    def test_reasons(self, mixed):
        people = person_months(mixed, OUTCOME, OUTCOME)
        assert "fewer than 30 referred who met the rule" in predict(people, Rule(30, 12))
        everywhere = replace(people, launch=np.full(12, 5))
        assert "fewer than 30 people who met the rule with no service" in predict(everywhere, Rule(4, 12))


class TestEntropyBalance:
    def test_two_points_by_hand(self):
        """Values 0 and 1 with equal base weights and a wanted mean of 0.8: weights 0.2 and 0.8 of the total."""
        weights = entropy_balance(np.array([[0.0], [1.0]]), np.array([0.8]), np.ones(2))
        assert weights == pytest.approx([0.4, 1.6], abs=1e-5)

    def test_means_meet_and_base_weights_count(self):
        rng = np.random.default_rng(9)
        x, base = rng.gamma(2, 1, (500, 4)), rng.uniform(0.5, 2, 500)
        target = x[:80].mean(axis=0) * 1.2
        weights = entropy_balance(x, target, base)
        assert weights @ x / weights.sum() == pytest.approx(target, abs=1e-5)
        slope = np.linalg.lstsq(np.column_stack([np.ones(500), x]), np.log(weights / base), rcond=None)
        assert slope[1].size == 0 or slope[1][0] < 1e-12

    def test_out_of_reach_is_none(self):
        assert entropy_balance(np.array([[0.0], [1.0]]), np.array([1.5]), np.ones(2)) is None
        assert entropy_balance(np.ones((3, 1)), np.array([2.0]), np.ones(3)) is None

    def test_scores_are_what_a_little_more_of_a_row_does(self):
        rng = np.random.default_rng(3)
        x, own = rng.gamma(2, 1, (300, 2)), rng.gamma(2, 1.1, (60, 2))
        y, n = rng.poisson(x.sum(axis=1)).astype(float), np.full(300, 2.0)
        weights = entropy_balance(x, own.mean(axis=0), np.ones(300))
        rows, targets, rate = adjusted_scores(y, n, weights, x, own)
        step = 1e-4
        base = np.ones(300)
        base[5] += step
        moved = entropy_balance(x, own.mean(axis=0), base)
        change = math.log(moved @ y / (moved @ n) / rate) / step
        assert change == pytest.approx(rows[5], rel=0.02)
        share = np.ones(60)
        share[7] += step
        moved = entropy_balance(x, share @ own / share.sum(), np.ones(300))
        change = math.log(moved @ y / (moved @ n) / rate) / step
        assert change == pytest.approx(targets[7], rel=0.02)


class TestDeaths:
    def test_exact_test_of_two_rates(self):
        """3 deaths in 1 year against 0 in 1 year: two-sided 2 x (1/2)^3 = 0.25."""
        assert rate_test(3, 1.0, 0, 1.0) == pytest.approx(0.25, abs=EXACT)

    def check(self, panel: Panel, estimator: EntryRule | OwnCohorts) -> CheckResult:
        analysis = Analysis("main", estimator.design, estimator.design, OUTCOME)
        first = estimator.fit(panel, analysis, seed=1)[0]
        return CHECKS["deaths"]().run(estimator, panel, analysis, first, seed=1)

    def test_table_by_hand(self, mixed):
        table = (
            EntryRule(4, 12).fit(mixed, Analysis("m", "entry_rule", "entry_rule", OUTCOME), seed=1)[0].tables["deaths"]
        )
        assert list(table.columns) == list(table_schema("release", "deaths").names)
        assert (table["rate"] == 100 * table["deaths"] / table["person_years"]).all()

    def test_like_deaths_pass_without_bounds(self, mixed):
        result = self.check(mixed, EntryRule(4, 12))
        assert result.verdict == "pass"
        assert "bound_low" not in result.facts

    def test_many_deaths_in_the_treated_warn_with_bounds(self, mixed):
        people = person_months(mixed, OUTCOME, OUTCOME)
        dying = people.treated[people.unit] & (people.referral < 60) & (np.arange(6000) % 3 == 0)
        death = mixed.people["death_t"].astype(float).to_numpy(copy=True)
        death[dying] = people.referral[dying] + 2
        moved = mixed.people.assign(death_t=pd.array([pd.NA if np.isnan(d) else int(d) for d in death], dtype="Int64"))
        result = self.check(replace(mixed, people=moved), EntryRule(4, 12))
        assert result.verdict == "warn"
        assert "among person-months alive" in result.sentence
        assert result.facts["bound_low"] < result.facts["bound_high"]
        assert result.facts["risk_treated"] > 2 * result.facts["risk_compared"]

    def test_no_deaths_known(self, mixed):
        nobody = mixed.people.assign(death_t=pd.array([pd.NA] * 6000, dtype="Int64"))
        assert self.check(replace(mixed, people=nobody), EntryRule(4, 12)).verdict == "not_evaluable"

    def test_one_trust_is_compared_with_before_launch(self):
        assert "before launch" in self.check(simulate(ONE, 3), OwnCohorts(4, 12)).sentence
