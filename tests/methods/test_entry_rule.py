"""Entry-rule comparison: the reference case, arithmetic by hand, refusals, and a world whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aaot_eval.errors import NotIdentifiedError
from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._cohorts import (
    Rule,
    find_rule,
    first_cohort,
    meets_rule,
    newly_meets_rule,
    person_months,
    running_total,
    share_met,
)
from aaot_eval.estimators._eras import Sums, log_ratio, reassignments
from aaot_eval.estimators._referred import Uptake
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.results import BESIDE, Analysis, OutcomeSpec, Panel
from aaot_eval.schema import table_schema
from benchmarks.patient_worlds import MANY, ONE, simulate
from tests.methods.patients import OUTCOME, panel_of_people

# The reference prints three decimals.
PRINTED = 0.0005
# Ends and draws may stand on either side of a flat stretch of the p-value curve, one bisection apart.
FLAT = 1e-4
# Exact arithmetic, but for rounding of floats.
EXACT = 1e-12
# Mean of six seeds of a design whose log ratio has sd 0.11: three and a half standard errors.
SIX_SEEDS = 0.16
ANALYSIS = Analysis("entry_rule", "entry_rule", "entry_rule", OUTCOME)


@pytest.fixture(scope="module")
def fitted(mixed: Panel) -> tuple:
    return EntryRule(4, 12).fit(mixed, ANALYSIS, seed=1)


class TestReferenceCase:
    def test_shipped_data_are_the_reference_data(self, shared, mixed):
        data = pd.read_csv(shared / "reference_cases" / "did" / "patients_mixed" / "data.csv")
        counts = mixed.person_matrix(OUTCOME)
        assert (counts[data["patient"], data["month"] + 24] == data["admissions"]).all()
        assert counts.sum() == data["admissions"].sum()
        alive = np.arange(72) <= mixed.people["death_t"].fillna(72).to_numpy()[:, None].astype(int)
        assert alive.sum() == len(data)

    def test_itt_and_its_p_value(self, fitted):
        itt = fitted[0]
        assert itt.estimate == pytest.approx(0.824, abs=PRINTED)
        assert itt.p_value == pytest.approx(52 / 1320, abs=EXACT)
        assert itt.p_least == pytest.approx(1 / 1320, abs=EXACT)
        assert itt.conf_method == "randomisation"

    def test_randomisation_interval(self, mixed, fitted):
        """The printed ends are the outermost kept points of the grid; bisection carries each less than one step further."""
        itt = fitted[0]
        centre = math.log(itt.estimate)
        assert math.exp(centre - 9 * 0.02) == pytest.approx(0.688, abs=PRINTED)
        assert math.exp(centre + 9 * 0.02) == pytest.approx(0.987, abs=PRINTED)
        assert -10 * 0.02 < math.log(itt.conf_low) - centre <= -9 * 0.02
        assert itt.conf_high == pytest.approx(0.987, abs=PRINTED)

    def test_random_effects_beside_it(self, fitted):
        beside = fitted[1]
        assert beside.conf_method == "random_effects_t"
        assert "t(8)" in beside.inference
        assert (beside.conf_low, beside.conf_high) == pytest.approx((0.652, 1.041), abs=PRINTED)

    def test_uptake_and_the_referred(self, fitted):
        referred = fitted[2]
        assert referred.facts["uptake"] == pytest.approx(0.540, abs=PRINTED)
        assert referred.estimate == pytest.approx(0.72, abs=0.005)
        assert referred.conf_high == pytest.approx(0.98, abs=0.005)
        assert referred.conf_low < 0.77 < referred.conf_high

    def test_the_rule_is_found(self, mixed):
        people = person_months(mixed, OUTCOME, OUTCOME)
        assert find_rule(people) == Rule(4, 12)
        assert share_met(people, meets_rule(people, Rule(4, 12))) == 1.0

    def test_immortal_history_is_said(self, fitted):
        assert "no deaths are recorded before 2020-04" in fitted[0].note

    def test_facts_are_the_arithmetic_of_the_estimate(self, fitted):
        facts = fitted[0].facts
        assert facts["rate_after"] / facts["rate_expected"] == pytest.approx(fitted[0].estimate, abs=EXACT)
        assert facts["uptake"] == pytest.approx(facts["on_team_person_months"] / facts["post_person_months"], abs=EXACT)
        rates = fitted[0].tables["rates"].set_index(["arm", "era"])
        assert rates.loc[("treated", "after"), "rate"] / 12 == pytest.approx(facts["rate_after"], abs=EXACT)
        assert rates.loc[("treated", "after"), "people"] == facts["n_post"]


class TestByHand:
    def test_ratio_of_four_rates(self):
        """Treated: 10/100 before, 12/80 after. Controls: 40/200, 30/200. E = 80 x 0.1 x 0.15/0.2 = 6; 12/6 = 2."""
        sums = Sums(
            *(
                np.array([v], dtype=float)
                for v in ([100, 150, 50], [10, 25, 15], [0, 0, 0], [80, 120, 80], [0, 20, 10], [12, 0, 0])
            )
        )
        given = np.array([[0, -1, -1]])
        assert math.exp(log_ratio(sums, given)[0]) == pytest.approx(2.0, abs=EXACT)
        assert log_ratio(sums, given, math.log(2))[0] == pytest.approx(0.0, abs=EXACT)

    def test_treated_hospital_as_control_loses_the_effect_too(self):
        """With theta = log 2 the treated hospital's 12 become 6 also when it stands among the controls: r1 = 12/160, r0 = 50/250."""
        sums = Sums(
            *(
                np.array([v], dtype=float)
                for v in ([100, 150, 50], [10, 25, 15], [0, 0, 0], [80, 120, 80], [0, 20, 10], [12, 0, 0])
            )
        )
        expected = 120 * (25 / 150) * ((6 + 10) / 160) / (25 / 150)
        got = math.exp(log_ratio(sums, np.array([[-1, 0, -1]]), math.log(2))[0])
        assert got == pytest.approx(20 / expected, abs=EXACT)

    def test_two_launches_share_no_controls_drawn(self):
        rng = np.random.default_rng(3)
        sums = Sums(*(rng.integers(20, 90, (2, 5)).astype(float) for _ in range(6)))
        given = np.array([0, 1, -1, -1, -1])
        y0, y1 = sums.b0 + sums.a0, sums.b1 + sums.a1
        expected = sum(
            sums.n1[w, w]
            * y0[w, w]
            / sums.n0[w, w]
            * (y1[w, 2:].sum() / sums.n1[w, 2:].sum())
            / (y0[w, 2:].sum() / sums.n0[w, 2:].sum())
            for w in (0, 1)
        )
        assert log_ratio(sums, given[None, :])[0] == pytest.approx(
            math.log((y1[0, 0] + y1[1, 1]) / expected), abs=EXACT
        )

    def test_all_ways_of_two_launches(self):
        ways, rows = reassignments(np.array([0, 1, -1, -1]), seed=1)
        assert ways.total == len(rows) == 12
        assert rows[ways.real].tolist() == [0, 1, -1, -1]
        assert len({tuple(r) for r in rows.tolist()}) == 12
        assert (np.sort(rows, axis=1) == [-1, -1, 0, 1]).all()

    def test_rule_looks_at_the_months_before_only(self):
        """Admissions in months 12, 13, 13, 15; rule 2 in 2 months: met in months 14 (2 in 13), 15 (2 in 13), not in 13 or 16."""
        counts = np.zeros((1, 20), dtype=int)
        counts[0, [12, 15]], counts[0, 13] = 1, 2
        people = person_months(panel_of_people(counts, np.array([0]), [16]), OUTCOME, OUTCOME)
        assert np.flatnonzero(meets_rule(people, Rule(2, 2))[0]).tolist() == [14, 15]
        assert np.flatnonzero(meets_rule(people, Rule(3, 2))[0]).tolist() == [14]

    def test_first_month_in_each_era_and_cut_follow_up(self):
        met = np.zeros((1, 20), dtype=bool)
        met[0, [13, 14, 17, 18]] = True
        before, after = first_cohort(met, 13, 16, 12), first_cohort(met, 16, 20, 2)
        assert (before.index[0], before.end[0]) == (13, 16)
        assert (after.index[0], after.end[0]) == (17, 19)
        running = running_total(np.arange(20)[None, :])
        assert before.total(running)[0] == 13 + 14 + 15
        assert after.total(running, since=np.array([18]))[0] == 18

    def test_the_month_of_death_counts_and_none_after(self):
        counts = np.zeros((2, 20), dtype=int)
        counts[:, 10] = 5
        panel = panel_of_people(counts, np.array([0, 1]), [16, None], death=np.array([12, -1]))
        people = person_months(panel, OUTCOME, OUTCOME)
        assert people.at_risk[0].sum() == 13
        assert np.flatnonzero(meets_rule(people, Rule(3, 6))[0]).tolist() == [11, 12]

    def test_newly_needs_twelve_months_below_the_line(self):
        met = np.zeros((1, 40), dtype=bool)
        met[0, [13, 14, 26, 39]] = True
        assert np.flatnonzero(newly_meets_rule(met)[0]).tolist() == [13, 39]

    def test_difference_scale(self):
        """ITT 0.8, r1 = 0.2, uptake 0.5, r_on = 0.22: d = 0.2 (1 - 1/0.8)/0.5 = -0.1; 0.22/0.32."""
        team = Uptake(0.5, 0.2, 0.22, 50, 100)
        got = team.on_referred(np.array([0.8, 1.0, 4.0]))
        assert got[:2] == pytest.approx([0.22 / 0.32, 1.0], abs=EXACT)
        assert math.isnan(got[2])


class TestInference:
    def test_draws_keep_the_interval(self, fitted):
        for estimate in fitted:
            draws = estimate.confidence(np.array([0.025, 0.5, 0.975]))
            assert draws == pytest.approx([estimate.conf_low, estimate.estimate, estimate.conf_high], rel=FLAT)
            assert (np.diff(estimate.confidence(np.linspace(0.0001, 0.9999, 501))) >= 0).all()

    def test_least_p_above_the_level_hands_the_headline_to_random_effects(self):
        first, second, *_ = EntryRule(4, 12).fit(
            simulate(replace(MANY, hospitals=10, launches=(40,)), 5), ANALYSIS, seed=1
        )
        assert first.conf_method == "random_effects_t"
        assert first.finite
        assert second.status == "no_finite_interval"
        assert second.p_least == pytest.approx(0.1)
        assert "least reachable p is 0.100" in second.note

    def test_few_hospitals_have_no_interval_at_all(self):
        first, second, referred, *_ = EntryRule(4, 12).fit(
            simulate(replace(MANY, people=3000, hospitals=4, launches=(40,)), 5), ANALYSIS, seed=1
        )
        assert [e.status for e in (first, second, referred)] == ["no_finite_interval"] * 3
        assert "need 6 comparison hospitals" in second.note
        assert math.isfinite(first.estimate)
        assert first.confidence is None

    @pytest.mark.filterwarnings("error")
    def test_a_comparison_hospital_without_an_event_leaves_no_variance_between_hospitals(self, mixed):
        """Deaths as an outcome: a hospital stays in by its admissions, and may have no death in one of its cohorts."""
        cells = mixed.person_cells.assign(rare=mixed.person_cells[OUTCOME])
        home = cells["person"].map(mixed.people["unit"])
        name = next(u for u in mixed.units.index if pd.isna(mixed.units.loc[u, "start_t"]))
        cells.loc[home == name, "rare"] = 0
        panel = replace(
            mixed,
            person_cells=cells,
            cells=mixed.cells.assign(rare=mixed.cells[OUTCOME]),
            outcomes=(*mixed.outcomes, OutcomeSpec("rare", "Rare", "continuous")),
        )
        first, second, *_ = EntryRule(4, 12).fit(panel, replace(ANALYSIS, outcome="rare"), seed=1)
        assert first.conf_method == "randomisation"
        assert math.isfinite(first.estimate)
        assert second.status == "no_finite_interval"
        assert f"none in {name}" in second.note

    def test_same_seed_same_result(self, mixed, fitted):
        again = EntryRule(4, 12).fit(mixed, ANALYSIS, seed=1)
        assert [e.row() for e in again] == [e.row() for e in fitted]

    def test_cost_uses_the_same_cohorts(self, mixed):
        cells = mixed.person_cells.assign(hospital_cost=mixed.person_cells[OUTCOME] * 1500.0)
        outcomes = (*mixed.outcomes, replace(mixed.outcomes[0], name="hospital_cost", kind="cost"))
        money = replace(mixed, person_cells=cells, outcomes=outcomes)
        cost = EntryRule(4, 12).fit(money, replace(ANALYSIS, outcome="hospital_cost"), seed=1)[0]
        count = EntryRule(4, 12).fit(money, ANALYSIS, seed=1)[0]
        assert cost.scale == "ratio"
        assert (cost.estimate, cost.conf_low, cost.conf_high) == pytest.approx(
            (count.estimate, count.conf_low, count.conf_high)
        )
        assert cost.facts["rate_after"] == pytest.approx(1500 * count.facts["rate_after"])
        assert cost.facts["n_post"] == count.facts["n_post"]

    def test_order_of_people_does_not_matter(self, mixed, fitted):
        order = np.random.default_rng(2).permutation(6000)
        cells = mixed.person_cells.assign(**{OUTCOME: mixed.person_matrix(OUTCOME)[order].reshape(-1)})
        people = mixed.people.iloc[order].set_axis(mixed.people.index)
        again = EntryRule(4, 12).fit(replace(mixed, people=people, person_cells=cells), ANALYSIS, seed=1)
        for a, b in zip(again, fitted, strict=True):
            assert (a.estimate, a.conf_low, a.conf_high) == pytest.approx(
                (b.estimate, b.conf_low, b.conf_high), rel=1e-9
            )

    def test_left_out_months_are_nobodys_months(self, mixed):
        periods = mixed.periods.assign(left_out=np.arange(72) == 50)
        with_hole = person_months(replace(mixed, periods=periods), OUTCOME, OUTCOME)
        assert not with_hole.at_risk[:, 50].any()
        assert with_hole.at_risk[:, 49].any()

    def test_units_shown_beside_are_never_controls(self, mixed):
        beside = mixed.units.assign(group=[BESIDE if u == "H12" else "" for u in mixed.units.index])
        first = EntryRule(4, 12).fit(replace(mixed, units=beside), ANALYSIS, seed=1)[0]
        assert first.n_units == 11


class TestWords:
    def test_no_usable_rule(self, mixed):
        first = EntryRule(1, 12).fit(mixed, ANALYSIS, seed=1)[0]
        assert first.facts["usable_rule"] is False
        assert "no usable entry rule: met by 100 % of the referred" in first.note
        strict = EntryRule(7, 12).fit(mixed, ANALYSIS, seed=1)[0]
        assert strict.facts["share_met"] < 0.9
        assert strict.facts["usable_rule"] is False

    def test_nothing_about_the_referred_under_ten_per_cent_uptake(self, mixed):
        rng = np.random.default_rng(1)
        keep = rng.random(len(mixed.people)) < 0.1
        few = mixed.people.assign(referral_t=mixed.people["referral_t"].where(keep))
        referred = EntryRule(4, 12).fit(replace(mixed, people=few), ANALYSIS, seed=1)[2]
        assert referred.status == "not_estimable"
        assert "under 10 % uptake" in referred.note
        assert math.isnan(referred.estimate)

    def test_small_hospitals_are_left_out_by_name(self, mixed):
        unit = mixed.people["unit"].to_numpy(copy=True)
        unit[np.flatnonzero(unit == "H12")[:440]] = "H11"
        first = EntryRule(4, 12).fit(replace(mixed, people=mixed.people.assign(unit=unit)), ANALYSIS, seed=1)[0]
        assert "H12 (fewer than 30 people or 20 admissions" in first.note
        assert first.n_units == 11

    def test_a_launch_too_early_leaves_the_others_in(self, mixed):
        early = mixed.units["start_t"].copy()
        early.iloc[0] = 14
        first = EntryRule(4, 12).fit(replace(mixed, units=mixed.units.assign(start_t=early)), ANALYSIS, seed=1)[0]
        assert "H01 (fewer than 12 months from month 14 of the data to its launch)" in first.note
        assert (first.n_treated, first.n_units) == (2, 11)
        assert first.finite


class TestRefusals:
    def words(self, panel: Panel, analysis: Analysis = ANALYSIS, **options: object) -> str:
        return " | ".join(p.what for p in build_estimator("entry_rule", dict(options)).objections(panel, analysis))

    def test_fits_the_reference(self, mixed):
        assert self.words(mixed) == ""

    def test_no_people(self, mixed):
        assert "no people in these data" in self.words(replace(mixed, people=None, person_cells=None))

    def test_outcome_not_person_by_person(self, mixed):
        assert "'bed_days' is not known person by person" in self.words(mixed, replace(ANALYSIS, outcome="bed_days"))

    def test_nobody_referred(self, mixed):
        nobody = mixed.people.assign(referral_t=pd.array([pd.NA] * len(mixed.people), dtype="Int64"))
        assert "nobody was referred" in self.words(replace(mixed, people=nobody))

    def test_half_a_rule(self, mixed):
        assert "half an entry rule" in self.words(mixed, rule_count=4)

    def test_quarters(self, mixed):
        assert "by quarter" in self.words(replace(mixed, frequency="quarter"))

    def test_no_hospital_without_the_service(self):
        assert "no hospital without the service" in self.words(simulate(ONE, 1))

    def test_no_launch_inside_the_data(self, mixed):
        never = mixed.units.assign(start_t=pd.array([pd.NA] * 12, dtype="Int64"))
        assert "starts the service inside the data" in self.words(replace(mixed, units=never))

    def test_nobody_has_months_of_follow_up(self, mixed):
        gone = mixed.periods.assign(left_out=np.arange(72) >= 24)
        panel = replace(mixed, periods=gone)
        words = self.words(panel, rule_count=4, rule_months=12)
        assert "large enough for its own baseline" in words
        never = [u for u in map(str, panel.units.index) if u not in set(map(str, panel.treated_units))]
        assert [u for u in never if f"{u}:" in words] == []
        assert 1 <= sum(f"{u}:" in words for u in map(str, panel.treated_units)) <= 3
        with pytest.raises(NotIdentifiedError, match="large enough"):
            EntryRule(4, 12).fit(panel, ANALYSIS, seed=1)

    def test_launch_too_early_for_a_baseline(self, mixed):
        early = mixed.units.assign(start_t=pd.array([20] + [pd.NA] * 11, dtype="Int64"))
        said = self.words(replace(mixed, units=early), rule_count=4, rule_months=12)
        assert "no hospital with the service is large enough" in said
        assert "fewer than 12 months" in said


@pytest.mark.parametrize("effect", [1.0, 0.6])
def test_recovers_the_truth_over_six_seeds(effect):
    """Everybody's ITT is read without bias, and the referred's effect on the difference scale."""
    errors, referred = [], []
    for seed in range(6):
        first, _, third, *_ = EntryRule(4, 12).fit(
            simulate(replace(MANY, people=6000, effect=effect), 100 + seed), ANALYSIS, seed=1
        )
        f = first.facts
        reached = f["rate_on_team"] * f["on_team_person_months"] / (f["rate_after"] * f["post_person_months"])
        errors.append(math.log(first.estimate * (reached / effect + 1 - reached)))
        referred.append(math.log(third.estimate / effect))
    assert abs(np.mean(errors)) < SIX_SEEDS
    assert abs(np.median(referred)) < 2 * SIX_SEEDS


class TestRuleScan:
    def test_the_rules_looked_at_are_shown_when_none_was_given(self, mixed):
        table = EntryRule().fit(mixed, ANALYSIS, seed=1)[0].tables["rule_scan"]
        taken = table[table["taken"]]
        assert list(zip(taken["count"], taken["months"], strict=True)) == [(4, 12)]
        assert (table[table["months"] == 12].iloc[:-1]["share"] >= 0.9).all()
        assert table[table["months"] == 12].iloc[-1]["share"] < 0.9
        assert list(table.columns) == list(table_schema("release", "rule_scan").names)

    def test_a_rule_that_was_given_is_not_looked_for(self, fitted):
        assert "rule_scan" not in fitted[0].tables
