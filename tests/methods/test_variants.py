"""The specification curve of risk sets, series and trials: which variants there are, that the declared row is the estimate, that choices which
make no difference give equal rows, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aaot_eval.checks._variants import of_risk_set, of_series, of_trial, series_choices
from aaot_eval.checks.specification_curve import SpecificationCurve
from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._its_model import season_pairs
from aaot_eval.estimators.its import InterruptedTimeSeries
from aaot_eval.estimators.risk_set import OWN, RiskSet, Ways
from aaot_eval.estimators.trial import MODELS, Trial
from aaot_eval.results import Analysis, Estimate, Panel
from benchmarks.estimator_speed import series
from tests.builders import site_panel
from tests.methods.patients import OUTCOME, panel_of_people
from tests.methods.test_trial import arms, simulated

RISK = Analysis("risk_set", "risk_set", "risk_set", OUTCOME)
TRIAL = Analysis("trial", "trial", "trial", OUTCOME, primary=True)
SHAPE = ["outcome", "method", "phase_in", "before", "after", "pandemic", "estimate", "p_value", "declared"]
# Rounding of floats only.
EXACT = 1e-9
# Fits of a likelihood stop at about this.
FITTED = 1e-5


def analysis_of(name: str, panel_outcome: str = "stays") -> Analysis:
    return Analysis(name, build_estimator(name, {}).design, name, panel_outcome, primary=True)


def held(table: pd.DataFrame, estimate: Estimate) -> None:
    """The shape that every design's curve has, and the declared row beside the estimate."""
    assert list(table.columns) == SHAPE
    assert table["estimate"].is_monotonic_increasing
    assert table["declared"].sum() == 1
    declared = table[table["declared"]].iloc[0]
    assert declared["estimate"] == pytest.approx(estimate.estimate, rel=EXACT)
    assert declared["p_value"] == pytest.approx(estimate.p_value, rel=1e-7)
    assert not table.duplicated(SHAPE[:6]).any()


class TestRiskSet:
    @pytest.fixture(scope="class")
    @staticmethod
    def table(mixed: Panel) -> pd.DataFrame:
        return of_risk_set(RiskSet(4, 12), mixed, RISK)

    def test_shape_and_declared_row(self, mixed, table):
        held(table, RiskSet(4, 12).fit(mixed, RISK, seed=1)[0])

    def test_every_choice_is_there(self, table):
        assert set(table["method"]) == {"fine windows", "coarse windows", "a year of history", "without the square", "common past only",
                                        "hospitals not yet started too", "rule of 3 admissions", "rule of 5 admissions"}  # fmt: skip
        assert set(table["after"]) == {"6", "12", "24"}
        assert set(table["phase_in"]) == {0, 3}
        assert set(table["pandemic"]) == {"in", "out"}

    def test_choices_that_make_no_difference_give_one_answer(self, mixed):
        """With one start date in all the data nobody is waiting for a later one, and a caliper that holds everybody leaves nobody out."""
        own = RiskSet(4, 12)
        together = replace(
            mixed, units=mixed.units.assign(start_t=mixed.units["start_t"].where(mixed.units["start_t"].isna(), 0))
        )
        people = together.people.assign(referral_t=mixed.people["referral_t"])
        together = replace(together, people=people)
        found = [own.effects(together, RISK, w, [12])[0] for w in (OWN, replace(OWN, not_yet=True))]
        assert found[0] is not None
        assert found[0] == pytest.approx(found[1], rel=EXACT)

    def test_months_left_out_are_left_out_of_both(self, mixed):
        """The referred's and the others' first three months emptied: with these left out nothing changes, else it does."""
        skip = replace(OWN, skip=3)
        people, _, met = RiskSet(4, 12)._people(mixed, RISK)
        who = RiskSet(4, 12)._referred(people, met)
        who = who[people.referral[who] < people.n_months - 3]
        counts = mixed.person_matrix(OUTCOME).copy()
        for k in range(3):
            counts[who, np.minimum(people.referral[who] + k, counts.shape[1] - 1)] = 0
        emptied = replace(
            mixed,
            person_cells=mixed.person_cells.assign(**{OUTCOME: counts.ravel(), "rule": mixed.person_cells[OUTCOME]}),
        )
        by = RiskSet(4, 12, rule_outcome="rule")
        before, after = (by.effects(p, RISK, w, [12])[0][0] for p, w in ((emptied, OWN), (emptied, skip)))
        whole = RiskSet(4, 12).effects(mixed, RISK, skip, [12])[0][0]
        assert after == pytest.approx(whole, rel=1e-6)
        assert before < after

    def test_refusals(self, mixed):
        nobody = replace(mixed, people=mixed.people.assign(referral_t=mixed.people["referral_t"].where(mixed.people["referral_t"] < 0)))  # fmt: skip
        assert RiskSet(4, 12).effects(nobody, RISK, Ways(), [12, 24]) == [None, None]
        assert len(of_risk_set(RiskSet(4, 12), nobody, RISK)) == 0
        estimate = RiskSet(4, 12).fit(mixed, RISK, seed=1)[0]
        found = SpecificationCurve().run(RiskSet(4, 12), nobody, RISK, estimate, seed=1)
        assert found.verdict == "not_evaluable"

    def test_verdict(self, mixed):
        estimate = RiskSet(4, 12).fit(mixed, RISK, seed=1)[0]
        right = SpecificationCurve().run(RiskSet(4, 12), mixed, RISK, estimate, seed=1)
        assert right.verdict == "pass"
        assert "what is held equal" in right.sentence
        wrong = SpecificationCurve().run(RiskSet(4, 12), mixed, RISK, replace(estimate, estimate=1.3, conf_low=1.1, conf_high=1.5), seed=1)  # fmt: skip
        assert wrong.verdict == "warn"


class TestSeries:
    @pytest.mark.parametrize(("name", "controls"), [("its", 0), ("controlled_its", 3)])
    def test_shape_and_declared_row(self, name, controls):
        panel, estimator = series(84, controls), build_estimator(name, {})
        assert isinstance(estimator, InterruptedTimeSeries)
        analysis = analysis_of(name)
        estimate = estimator.fit(panel, analysis, seed=1)[0]
        table = of_series(estimator, panel, analysis, 1)
        held(table, estimate)
        found = SpecificationCurve().run(estimator, panel, analysis, estimate, seed=1)
        assert found.facts["variants"] == len(table)
        assert found.verdict in ("pass", "warn")

    def test_every_choice_is_there_and_depends_on_no_count(self):
        panel, estimator, analysis = series(84), InterruptedTimeSeries(), analysis_of("its")
        wanted = series_choices(estimator, panel, analysis)
        assert (wanted[0].errors, wanted[0].pairs, wanted[0].phase_in) == ("wider", None, 0)
        assert {c.errors for c in wanted} == {"wider", "ar1", "ar1_noise"}
        assert {c.pairs for c in wanted} == {None, 1}
        assert {c.phase_in for c in wanted} == {0, 3}
        assert {(c.window.before, c.window.after) for c in wanted} == {(None, None), (24, None), (None, 12), (24, 12)}
        assert season_pairs(84, 12) == 2
        other = replace(panel, cells=panel.cells.assign(stays=panel.cells["stays"] * 7))
        assert series_choices(estimator, other, analysis) == wanted

    def test_a_pandemic_in_the_window_is_a_choice(self):
        panel = series(84)
        labels = pd.period_range("2016-04", periods=84, freq="M").astype(str)
        later = replace(panel, periods=panel.periods.assign(label=labels))
        assert any(not c.pandemic for c in series_choices(InterruptedTimeSeries(), later, analysis_of("its")))

    def test_a_claim_that_goes_with_a_level_for_each_wave_is_no_pass(self):
        """A fall in April 2021, half way through the last wave, on a series otherwise still: its own wave level can take it."""
        rng = np.random.default_rng(8)
        counts = rng.poisson(np.where(np.arange(84) >= 63, 150, 200)).astype(float)[None, :]
        panel = site_panel({"stays": counts}, [63], first="2016-01")
        estimator, analysis = InterruptedTimeSeries(), analysis_of("its")
        estimate = estimator.fit(panel, analysis, seed=1)[0]
        assert estimate.direction == "lower"
        found = SpecificationCurve().run(estimator, panel, analysis, estimate, seed=1)
        rows = found.table[found.table["pandemic"] == "waves"]
        own = rows[rows["phase_in"] == 0].iloc[0]
        beside = estimate.tables["sensitivity"].set_index("method").loc["a level of its own for each pandemic wave"]
        assert own["estimate"] == pytest.approx(beside["estimate"])
        assert own["p_value"] == pytest.approx(beside["p_value"])
        gone = own["p_value"] > 0.05 or own["estimate"] > 1
        assert (found.verdict == "warn") == gone
        assert ("a level of its own for each pandemic wave it reads" in found.sentence) == gone
        assert found.table.attrs == {}

    def test_a_treatment_of_the_pandemic_that_cannot_be_fitted_is_named(self):
        """With the pandemic left out, a declared break at its start and a start at its end are one and the same step."""
        rng = np.random.default_rng(9)
        t = np.arange(96)
        counts = rng.poisson(200 * 0.8 ** (t >= 51) * 0.75 ** (t >= 72)).astype(float)[None, :]
        panel = site_panel({"stays": counts}, [72], first="2016-01")
        estimator, analysis = InterruptedTimeSeries(interruptions=("2020-04",)), analysis_of("its")
        estimate = estimator.fit(panel, analysis, seed=1)[0]
        found = SpecificationCurve().run(estimator, panel, analysis, estimate, seed=1)
        assert (
            "could not be fitted: March 2020 to December 2021 left out (with 0, 3 periods of phase-in)"
            in found.sentence
        )
        assert "waves" in set(found.table["pandemic"])

    def test_choices_that_make_no_difference_give_one_answer(self):
        """A series that halves and holds nothing else: every variant reads one half."""
        t = np.arange(84)
        counts = np.where(t >= 42, 100, 200)[None, :]
        table = of_series(
            InterruptedTimeSeries(), site_panel({"stays": counts}, [42], first="2010-04"), analysis_of("its"), 1
        )
        assert len(table) > 10
        assert table["estimate"].to_numpy() == pytest.approx(0.5, rel=0.02)  # months have 28 to 31 days

    def test_a_difference_is_held_against_nought(self):
        rng = np.random.default_rng(4)
        values = 50 + rng.normal(0, 1, (1, 84)) - 10 * (np.arange(84) >= 42)
        panel = site_panel({"stays": np.ones((1, 84), dtype=int)}, [42], first="2010-04")
        panel = replace(
            panel, cells=panel.cells.assign(stays=values[0]), outcomes=(replace(panel.outcomes[0], kind="continuous"),)
        )
        estimator, analysis = InterruptedTimeSeries(), analysis_of("its")
        estimate = estimator.fit(panel, analysis, seed=1)[0]
        assert estimate.null == 0.0
        found = SpecificationCurve().run(estimator, panel, analysis, estimate, seed=1)
        assert found.verdict == "pass"
        assert found.facts["below"] == found.facts["variants"]

    def test_too_short_for_anything_else(self):
        panel, analysis = series(84), analysis_of("its")
        estimate = InterruptedTimeSeries().fit(panel, analysis, seed=1)[0]
        found = SpecificationCurve().run(InterruptedTimeSeries(), series(16), analysis, estimate, seed=1)
        assert found.table is None or found.table["declared"].sum() == 1
        nothing = replace(panel, units=panel.units.assign(start_t=pd.array([pd.NA], dtype="Int64")))
        assert len(series_choices(InterruptedTimeSeries(), panel, analysis)) > 1
        assert (
            SpecificationCurve().run(InterruptedTimeSeries(), nothing, analysis, estimate, seed=1).verdict
            == "not_evaluable"
        )


class TestTrial:
    @pytest.mark.parametrize("by_site", [False, True])
    def test_shape_and_declared_row(self, by_site):
        panel = simulated(1, sites=8, by_site=by_site)
        trial = Trial(unit="site" if by_site else "person")
        estimate = trial.fit(panel, TRIAL, seed=1)[0]
        table = of_trial(trial, panel, TRIAL, 1)
        held(table, estimate)
        models = set(MODELS.values()) - ({MODELS["adjusted"]} if by_site else set())
        assert set(table["method"]) == models
        assert set(table["after"]) == {"6", "12", "24"}
        assert set(table["phase_in"]) == {0, 1}

    def test_the_adjusted_row_is_that_beside_the_headline(self):
        panel = simulated(2)
        beside = Trial().fit(panel, TRIAL, seed=1)[1]
        table = of_trial(Trial(), panel, TRIAL, 1)
        own = table[(table["method"] == MODELS["adjusted"]) & (table["after"] == "12") & (table["phase_in"] == 0) & (table["pandemic"] == "in")]  # fmt: skip
        assert own["estimate"].item() == pytest.approx(beside.estimate, rel=EXACT)
        assert own["p_value"].item() == pytest.approx(beside.p_value, rel=1e-7)

    def test_choices_that_make_no_difference_give_one_answer(self):
        """Everybody has two events a month in one arm and one in the other, always: the ratio is 2 whatever is chosen."""
        service = np.arange(80) < 40
        counts = np.where(service[:, None], 2, 1) * np.ones((1, 60), dtype=int)
        counts[:, :20] = 1  # the year before is the same in both arms
        panel = arms(panel_of_people(counts, np.arange(80) % 4, [None] * 4, first="2010-04"), service, np.full(80, 20))
        found = [Trial(follow_up=f, first_month=m).effect(panel, TRIAL, model, 1) for f in (6, 12, 24) for m in (0, 1) for model in ("rates", "adjusted_plain")]  # fmt: skip
        for effect in found:
            if effect is not None:  # people without any spread have no standard error, so that row is left out
                assert math.exp(effect[0]) == pytest.approx(2.0, rel=FITTED)

    def test_refusals(self):
        panel = simulated(1)
        nobody = replace(panel, people=panel.people.drop(columns="arm"))
        assert Trial().effect(nobody, TRIAL, "rates", 1) is None
        assert len(of_trial(Trial(), nobody, TRIAL, 1)) == 0
        estimate = Trial().fit(panel, TRIAL, seed=1)[0]
        assert SpecificationCurve().run(Trial(), nobody, TRIAL, estimate, seed=1).verdict == "not_evaluable"

    def test_a_difference_has_one_model(self):
        table = of_trial(Trial(scale="difference"), simulated(1), TRIAL, 1)
        assert set(table["method"]) == {MODELS["rates"]}
