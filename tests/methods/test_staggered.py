"""Staggered starts: planted effects are found, few sites get no normal-theory p, and the traps of the field are avoided."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aaot_eval.checks import CHECKS
from aaot_eval.checks import _honest as honest
from aaot_eval.checks.trend_violation import blocks_of, range_in_words
from aaot_eval.estimators import ESTIMATORS, build_estimator
from aaot_eval.estimators import _goodman_bacon as gb
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators import _staggered as sg
from aaot_eval.estimators._adjusted import adjusted_change
from aaot_eval.estimators._saturated import sun_abraham, within_regression
from aaot_eval.estimators._sites import site_data
from aaot_eval.estimators.event_study import EventTimes, detectable_slopes, pre_test, simultaneous
from aaot_eval.estimators.imputation import (
    equal_target,
    imputation_weights,
    imputed_effect,
    poisson_log_ratio,
    poisson_under,
)
from aaot_eval.results import Analysis, CheckResult, OutcomeSpec, Panel
from tests.builders import site_panel

OUTCOME = "admissions"
EXACT = 1e-9
ITERATED = 1e-8  # proportional fitting stops at 1e-12 a round
RATIO = 0.77
NEW = ("group_time", "imputation", "event_study")


def analysis(name: str = "group_time") -> Analysis:
    return Analysis(name, "sites", name, OUTCOME, primary=True)


def panel_of(
    ratio: float, starts: list[int | None], n_t: int = 36, mean: float = 600.0, seed: int = 11, noise: bool = True
) -> Panel:
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(0.5, 2.0, len(starts))
    month = 1 + 0.1 * np.sin(np.arange(n_t) / 2)
    expected = mean * sizes[:, None] * month[None, :]
    for site, start in enumerate(starts):
        if start is not None:
            expected[site, start:] *= ratio
    return site_panel({OUTCOME: rng.poisson(expected) if noise else expected}, starts, population=200_000 * sizes)


@pytest.fixture(scope="module")
def few() -> Panel:
    """3 of 14 sites start, at two times, and lose 23 %."""
    return panel_of(RATIO, [18, 24, 24, *[None] * 11])


@pytest.fixture(scope="module")
def many() -> Panel:
    """30 of 60 sites start, ten at each of three times, and lose 23 %."""
    return panel_of(RATIO, [*[14] * 10, *[20] * 10, *[26] * 10, *[None] * 30], seed=3)


@pytest.fixture(scope="module")
def thin() -> Panel:
    """16 of 40 sites start, five or six at each of three times, and lose 23 %."""
    return panel_of(RATIO, [*[14] * 5, *[20] * 6, *[26] * 5, *[None] * 24], seed=3)


@pytest.mark.parametrize("name", NEW)
class TestPlantedRatio:
    def test_without_noise_the_ratio_comes_out_to_the_digit(self, name: str) -> None:
        panel = panel_of(RATIO, [18, 24, 24, *[None] * 11], noise=False)
        rows = build_estimator(name, {}).fit(panel, analysis(name), seed=1)
        assert rows[0].estimate == pytest.approx(RATIO, rel=ITERATED)

    def test_few_sites_by_randomisation(self, few: Panel, name: str) -> None:
        first, *others = build_estimator(name, {}).fit(few, analysis(name), seed=1)
        assert first.scale == "rate_ratio"
        assert first.conf_low < RATIO < first.conf_high < 1
        assert first.conf_method == "randomisation"
        assert first.p_least == pytest.approx(1 / (14 * 13 * 12 / 2), abs=EXACT)
        assert first.note.startswith("The least p this design can reach is")
        assert all(math.isnan(r.p_value) for r in others if r.conf_method != "randomisation")

    def test_many_sites_by_influence(self, many: Panel, name: str) -> None:
        first, *others = build_estimator(name, {}).fit(many, analysis(name), seed=1)
        assert first.conf_method == "wald_t"
        assert first.conf_low < RATIO < first.conf_high < 1
        assert first.std_error > 0
        if name != "event_study":
            drawn = next(r for r in others if "randomisation" in r.inference and r.scale == "rate_ratio")
            assert drawn.estimate == pytest.approx(first.estimate, rel=1e-9)
            assert drawn.p_value <= 0.001

    def test_cohorts_of_few_sites_by_randomisation(self, thin: Panel, name: str) -> None:
        """Influences hide part of the spread of a small cohort; the jackknife of the Poisson imputation does not."""
        first, *others = build_estimator(name, {}).fit(thin, analysis(name), seed=1)
        assert first.conf_low < RATIO < first.conf_high < 1
        if name == "imputation":
            assert first.conf_method == "wald_t"
            return
        assert first.conf_method == "randomisation"
        errors = [r for r in others if r.std_error > 0 and r.estimand == first.estimand]
        assert all("too narrow: the smallest cohort has 5 sites" in r.note for r in errors)
        assert len(errors) == (name == "group_time")

    def test_one_treated_hospital_of_nine_has_no_p_below_one_in_nine(self, name: str) -> None:
        rows = build_estimator(name, {}).fit(panel_of(0.6, [18, *[None] * 8]), analysis(name), seed=1)
        assert rows[0].p_least == pytest.approx(1 / 9)
        assert rows[0].status == "no_finite_interval"
        assert "there is no 95 % interval" in rows[0].note
        assert all(math.isnan(r.p_value) or r.p_value >= 1 / 9 for r in rows)

    def test_same_seed_same_bytes(self, few: Panel, name: str) -> None:
        one, two = (build_estimator(name, {}).fit(few, analysis(name), seed=5) for _ in range(2))
        assert [r.row() for r in one] == [r.row() for r in two]

    def test_phase_in_periods_are_left_out(self, name: str) -> None:
        panel = panel_of(1.0, [18, 24, *[None] * 10])
        cells = panel.cells.copy()
        first = panel.units["start_t"].reindex(cells["unit"]).to_numpy(dtype=float, na_value=np.nan)
        burst = (cells["t"].to_numpy() >= first) & (cells["t"].to_numpy() < first + 3)
        cells.loc[burst, OUTCOME] *= 5
        rows = build_estimator(name, {"phase_in": 3}).fit(replace(panel, cells=cells), analysis(name), seed=1)
        assert rows[0].estimate == pytest.approx(1.0, abs=0.15)


def test_randomisation_rejects_no_effect_as_often_as_it_says() -> None:
    """400 panels without an effect, shocks that last, the smallest hospitals treated: p < 0.05 in about 5 % or fewer."""
    rng = np.random.default_rng(21)
    sizes = np.sort(rng.uniform(40, 200, 12))
    starts = np.array([14, 18, *[30] * 10])
    ways = ri.assign_starts(starts, 30, 1)
    table = sg.Staggered(np.zeros((12, 30)), starts, np.arange(30), sizes)
    found = sg.pairs(table)
    weights = sg.cohort_weights(table, found, sg.aggregate(table, found, "simple")[0].weights)
    linear = sg.by_weights(weights, ways)
    rejected = 0
    for _ in range(400):
        shock = rng.standard_normal((12, 30)) * 0.1
        for t in range(1, 30):
            shock[:, t] += 0.6 * shock[:, t - 1]
        level = rng.poisson(sizes[:, None] * np.exp(shock)) / sizes[:, None]
        drawn = sg.randomise(replace(table, level=level), ways, linear, weights, ratio=True)
        rejected += drawn.p_value(0.0) < 0.05
    assert rejected / 400 < 0.078  # 99 % of samples at a true 5 % lie below it


class TestWeights:
    """Cohort weights, pairs and refitting are three ways to the same numbers under every assignment."""

    @pytest.mark.parametrize("control", ["never", "not_yet"])
    @pytest.mark.parametrize("kind", ["simple", "dynamic", "group", "calendar"])
    def test_three_ways_agree(self, control, kind) -> None:
        rng = np.random.default_rng(2)
        starts = np.array([5, 8, 8, 12, 12, 12, 12])
        table = sg.Staggered(rng.normal(size=(7, 12)), starts, np.arange(12), np.ones(7), control=control)
        ways = ri.assign_starts(starts, 12, 1)
        found = sg.pairs(table)
        average = sg.aggregate(table, found, kind)[0]
        weights = sg.cohort_weights(table, found, average.weights)
        ways = replace(ways, rows=ways.rows[:40], real=0) if ways.real >= 40 else ways
        one = sg.by_weights(weights, ways)(table.level)
        two = sg.by_pairs(table, found, average.weights, ways)(table.level)
        three = sg.by_refitting(table, ways, lambda t: sg.aggregate(t, sg.pairs(t), kind)[0].att)(table.level)
        np.testing.assert_allclose(one, two, atol=EXACT)
        np.testing.assert_allclose(one, three, atol=EXACT)
        assert one[ways.real] == pytest.approx(average.att, abs=EXACT)

    def test_ratio_is_observed_over_expected(self, few: Panel) -> None:
        first, _, level, *_ = build_estimator("group_time", {}).fit(few, analysis(), seed=1)
        facts = first.facts
        assert first.estimate == pytest.approx(facts["observed_level"] / facts["expected_level"], rel=EXACT)
        assert level.scale == "rate_difference"
        assert level.estimate == pytest.approx(facts["observed_level"] - facts["expected_level"], rel=1e-6)


class TestImputation:
    def test_closed_form_is_the_iterated_poisson_fit(self, few: Panel) -> None:
        data = site_data(few, OUTCOME, scale="difference")
        ways = ri.assign_starts(data.starts, data.n_periods, 1)
        fitted = poisson_log_ratio(data.values, data.exposure, data.starts, data.used)
        assert poisson_under(data.values, data, ways)[ways.real] == pytest.approx(fitted, abs=ITERATED)

    def test_population_that_changes_is_fitted_and_not_randomised(self, few: Panel) -> None:
        cells = few.cells.copy()
        grown = cells["unit"].isin(["S01", "S05"])
        cells.loc[grown, "exposure"] *= 1 + cells.loc[grown, "t"] / 100
        first = build_estimator("imputation", {}).fit(replace(few, cells=cells), analysis("imputation"), seed=1)[0]
        assert first.status == "no_finite_interval"
        assert "exposure changes over time" in first.note

    def test_linear_standard_error_by_simulation(self) -> None:
        rng = np.random.default_rng(8)
        starts: list[int | None] = [*[6] * 10, *[9] * 10, *[None] * 20]
        panel = site_panel({OUTCOME: np.ones((40, 12))}, starts)
        data = site_data(panel, OUTCOME, least_before=1, scale="difference")
        weights = imputation_weights(data, equal_target(data))
        found = np.array([imputed_effect(data, weights, rng.normal(size=(40, 12))) for _ in range(300)])
        assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.15)  # sd of an sd from 300: 4 %


class TestHoles:
    def test_pairs_are_named_and_cross_sections_stand_beside(self, few: Panel) -> None:
        cells = few.cells.copy()
        cells[OUTCOME] = cells[OUTCOME].astype(float)
        gone = (cells["unit"] == "S09") & (cells["t"] > 20)
        cells.loc[gone, [OUTCOME, "missing"]] = [np.nan, True]
        rows = build_estimator("group_time", {}).fit(replace(few, cells=cells), analysis(), seed=1)
        assert "15 site-periods are missing: each effect compares the sites seen at both of its dates" in rows[0].note
        assert rows[0].facts["pairs_lost"] > 0
        every = [r for r in rows if "all rows" in r.estimand]
        assert len(every) == 1
        assert "repeated cross-sections" in every[0].inference
        table = rows[0].tables["group_time"]
        assert table["controls"].min() == 10
        assert table["controls"].max() == 11

    def test_leaving_a_site_out_altogether_is_the_same_as_not_having_it(self, few: Panel) -> None:
        cells = few.cells.copy()
        cells[OUTCOME] = cells[OUTCOME].astype(float)
        cells.loc[cells["unit"] == "S09", [OUTCOME, "missing"]] = [np.nan, True]
        with_hole = build_estimator("group_time", {}).fit(replace(few, cells=cells), analysis(), seed=1)[0]
        units = few.units.drop(index="S09")
        without = replace(few, units=units, cells=few.cells[few.cells["unit"] != "S09"].reset_index(drop=True))
        assert build_estimator("group_time", {}).fit(without, analysis(), seed=1)[0].estimate == pytest.approx(
            with_hole.estimate, rel=EXACT
        )


class TestCovariates:
    def test_trend_that_follows_a_covariate_is_taken_out(self) -> None:
        rng = np.random.default_rng(5)
        n, n_t = 120, 8
        x = rng.normal(size=n)
        treated = rng.random(n) < 1 / (1 + np.exp(-x))
        level = 20 + 0.5 * x[:, None] * np.arange(n_t) + rng.normal(0, 0.3, (n, n_t))
        panel = site_panel({OUTCOME: level}, [4 if t else None for t in treated])
        cells = panel.cells.assign(x=np.repeat(x, n_t))
        panel = replace(panel, cells=cells, outcomes=(OutcomeSpec(OUTCOME, OUTCOME, "continuous"),))
        plain = build_estimator("group_time", {}).fit(panel, analysis(), seed=1)[0]
        assert plain.conf_low > 0.3
        for kind in ("dr", "ipw", "reg"):
            row = build_estimator("group_time", {"covariates": ["x"], "adjust": kind}).fit(panel, analysis(), seed=1)[0]
            assert row.estimate == pytest.approx(0.0, abs=0.35 if kind == "ipw" else 0.15), kind

    def test_without_overlap_there_is_no_number(self) -> None:
        treated = np.array([1.0] * 5 + [0.0] * 5)
        for kind in ("dr", "ipw"):
            att, influence = adjusted_change(np.arange(10.0), treated, np.arange(10.0)[:, None], kind)
            assert math.isnan(att)
            assert np.isnan(influence).all()

    def test_unknown_covariate_is_refused(self, few: Panel) -> None:
        for name in ("group_time", "event_study"):
            problems = build_estimator(name, {"covariates": ["depth"]}).objections(few, analysis(name))
            assert [p.code for p in problems] == ["E341"]

    def test_small_cohorts_are_adjusted_by_regression_and_it_is_said(self, few: Panel) -> None:
        cells = few.cells.assign(x=np.repeat(np.linspace(0, 1, 14), 36))
        row = build_estimator("group_time", {"covariates": ["x"]}).fit(replace(few, cells=cells), analysis(), seed=1)[0]
        assert "a cohort is too small for a model of who is treated" in row.note
        assert 0 < row.p_value <= 1
        flat = few.cells.assign(x=3.0)
        row = build_estimator("group_time", {"covariates": ["x"]}).fit(replace(few, cells=flat), analysis(), seed=1)[0]
        assert "covariate x is the same everywhere" in row.note


class TestEventStudy:
    def test_points_bands_and_power(self, many: Panel) -> None:
        row = build_estimator("event_study", {}).fit(many, analysis("event_study"), seed=1)[0]
        table, facts = row.tables["event_time"].set_index("event_time"), row.facts
        assert table.loc[-1, "ratio"] == 1.0
        assert math.isnan(table.loc[-1, "conf_low"])
        assert facts["critical"] > 2.5  # more than 1.96: the bands hold for all points at once
        assert 0 < facts["slope_50"] < facts["slope_80"]
        assert "with 80 % power" in row.note
        before = table.loc[table.index < -1]
        assert ((before["conf_low"] < 1) & (before["conf_high"] > 1)).mean() > 0.9

    def test_slope_is_detected_with_the_power_that_is_said(self) -> None:
        points = EventTimes(
            np.arange(-6, 3), np.zeros(9), np.eye(9) * (np.arange(-6, 3) != -1), 2.0, np.ones(9, dtype=int)
        )
        slopes = detectable_slopes(points, 0.05, 1)
        rng = np.random.default_rng(0)
        times = np.arange(-6, -1)
        for power, slope in slopes.items():
            draws = rng.standard_normal((20_000, 5)) + slope * (times + 1)
            assert (np.abs(draws) > 1.959964).any(axis=1).mean() == pytest.approx(power, abs=0.02)

    def test_critical_value_of_independent_points(self) -> None:
        influence = np.random.default_rng(1).standard_normal((400, 10))
        wanted = 2.80  # the 95 % quantile of the largest of ten independent normals in size: (1 - 0.05) ** (1 / 10)
        assert simultaneous(influence, 0.05, 1) == pytest.approx(wanted, abs=0.08)

    def test_cohorts_of_one_site_have_no_joint_test(self) -> None:
        rng = np.random.default_rng(4)
        starts = np.array([6, 8, *[12] * 6])
        table = sg.Staggered(rng.normal(size=(8, 12)), starts, np.arange(12), np.ones(8))
        assert math.isnan(pre_test(sg.pairs(table))[0])

    def test_sun_abraham_has_the_same_effect_and_says_how_its_error_differs(self, many: Panel) -> None:
        sa = build_estimator("event_study", {"method": "sun_abraham"}).fit(many, analysis("event_study"), seed=1)[0]
        cs = build_estimator("group_time", {"scale": "difference"}).fit(many, analysis(), seed=1)[0]
        assert sa.estimate == pytest.approx(cs.estimate, rel=1e-6)
        assert sa.std_error != pytest.approx(cs.std_error, rel=1e-4)
        assert "cohort shares taken as given" in sa.inference
        assert "cohort shares estimated" in cs.inference

    def test_sun_abraham_refuses_holes(self, few: Panel) -> None:
        cells = few.cells.copy()
        cells[OUTCOME] = cells[OUTCOME].astype(float)
        cells.loc[5, [OUTCOME, "missing"]] = [np.nan, True]
        problems = build_estimator("event_study", {"method": "sun_abraham"}).objections(
            replace(few, cells=cells), analysis("event_study")
        )
        assert "E342" in [p.code for p in problems]


def test_bad_comparisons_are_shown_where_the_two_way_coefficient_misleads() -> None:
    """Effects that grow with time: every true effect is below zero, and the comparisons with started sites read above it."""
    starts: list[int | None] = [*[4] * 6, *[12] * 6, *[None] * 2]
    n_t = 20
    level = np.tile(100.0 + np.arange(n_t), (14, 1))
    for site, start in enumerate(starts):
        if start is not None:
            level[site, start:] -= 2.0 * np.arange(1, n_t - start + 1)
    panel = site_panel({OUTCOME: level + np.random.default_rng(1).normal(0, 0.01, level.shape)}, starts)
    panel = replace(panel, outcomes=(OutcomeSpec(OUTCOME, OUTCOME, "continuous"),))
    data = site_data(panel, OUTCOME, least_before=2, scale="difference")
    table = gb.comparisons(data.level(), data.starts)
    coefficient = within_regression(data.level(), data.switch.astype(float)[:, :, None]).coefficients[0]
    assert table["weight"].sum() == pytest.approx(1.0)
    assert (table["weight"] * table["estimate"]).sum() == pytest.approx(coefficient, rel=EXACT)
    assert table.loc[table["comparison"] == gb.STARTED, "estimate"].iloc[0] > 0
    foil = build_estimator("two_way", {"least_before": 2, "scale": "difference"}).fit(
        panel, analysis("two_way"), seed=1
    )
    linear = next(r for r in foil if "two_way_weights" in r.tables)
    assert "of its weight compares sites with sites that had already started" in linear.note
    truth = np.mean([2.0 * (k + 1) for s in (4, 12) for k in range(n_t - s)])
    clean = build_estimator("group_time", {"scale": "difference"}).fit(panel, analysis(), seed=1)[0]
    assert clean.estimate == pytest.approx(-truth, abs=0.05)
    assert abs(linear.estimate) < 0.7 * truth


class TestNothingMoves:
    """A constant outcome: nothing to judge by, said in words."""

    def constant(self, n: int, treated: int, kind: str) -> Panel:
        panel = site_panel({OUTCOME: np.full((n, 36), 5.0)}, [24] * treated + [None] * (n - treated))
        cells = panel.cells.drop(columns=f"{OUTCOME}_persons")
        return replace(panel, cells=cells, outcomes=(OutcomeSpec(OUTCOME, OUTCOME, kind),))

    @pytest.mark.parametrize(("n", "treated"), [(10, 3), (30, 12)])
    @pytest.mark.parametrize("kind", ["continuous", "count"])
    def test_the_event_study_and_the_check_say_so(self, n: int, treated: int, kind: str) -> None:
        panel = self.constant(n, treated, kind)
        for name in ("event_study", "group_time", "two_way"):
            (row,) = build_estimator(name, {}).fit(panel, analysis(name), seed=1)
            assert row.status == "not_estimable"
            assert math.isnan(row.estimate)
            assert math.isnan(row.p_value)
            assert "no spread" in row.note
        estimator = build_estimator("site_did", {})
        row = estimator.fit(panel, analysis("site_did"), seed=1)[0]
        found = CHECKS["trend_violation"]().run(estimator, panel, analysis("site_did"), row, seed=1)
        assert found.verdict == "not_evaluable"
        assert "no spread" in found.sentence

    @pytest.mark.parametrize(("n", "treated"), [(10, 3), (30, 12)])
    def test_an_effect_without_any_noise_has_no_band(self, n: int, treated: int) -> None:
        panel = self.constant(n, treated, "continuous")
        panel.cells.loc[panel.cells["treated"], OUTCOME] = 4.0
        estimator = build_estimator("event_study", {})
        row = estimator.fit(panel, analysis("event_study"), seed=1)[0]
        assert row.estimate == pytest.approx(-1.0)
        found = CHECKS["trend_violation"]().run(estimator, panel, analysis("event_study"), row, seed=1)
        assert found.verdict == "not_evaluable"


class TestTrendViolation:
    def test_a_large_effect_survives_the_drift_seen(self, few: Panel) -> None:
        strong = panel_of(0.6, [24, 24, 30, *[None] * 11], n_t=60, mean=400)
        estimator = build_estimator("site_did", {})
        found = CHECKS["trend_violation"]().run(estimator, strong, analysis("site_did"), estimator.fit(
            strong, analysis("site_did"), seed=1)[0], seed=1)  # fmt: skip
        assert found.verdict == "pass"
        assert found.statistic >= 1
        assert "times as large" in found.sentence
        table = found.table
        assert table is not None
        wide = table[table["restriction"] == "relative magnitudes"]
        assert (np.diff(wide["conf_high"].dropna()) > 0).all()

    def test_the_sentence_says_whose_interval_it_is_and_bounds_of_another_effect_pass_nothing(self) -> None:
        strong = panel_of(0.6, [24, 24, 30, *[None] * 11], n_t=60, mean=400)
        estimator = build_estimator("site_did", {})
        whole = estimator.fit(strong, analysis("site_did"), seed=1)[0]

        def check(value: float) -> CheckResult:
            tested = replace(whole, estimate=value, conf_low=value * 0.95, conf_high=value * 1.05, confidence=None)
            return CHECKS["trend_violation"]().run(estimator, strong, analysis("site_did"), tested, seed=1)

        near, far, other = check(whole.estimate), check(0.9), check(1.3)
        reads = math.exp(near.facts["estimate"])
        said = f"the effect read period by period since the start, which itself reads {reads:.2f} where the estimate tested is {whole.estimate:.2f}."
        assert said in near.sentence
        assert (near.verdict, far.verdict, other.verdict) == ("pass", "not_evaluable", "not_evaluable")
        assert "too far apart" in far.sentence

    def test_no_effect_leaves_nothing_to_overturn(self) -> None:
        panel = panel_of(1.0, [24, 24, 30, *[None] * 11], n_t=60)
        estimator = build_estimator("site_did", {})
        found = CHECKS["trend_violation"]().run(estimator, panel, analysis("site_did"), estimator.fit(
            panel, analysis("site_did"), seed=1)[0], seed=1)  # fmt: skip
        assert found.verdict == "not_evaluable"

    def test_one_site_of_nine_has_no_interval_to_widen(self) -> None:
        panel = panel_of(0.6, [24, *[None] * 8], n_t=60)
        estimator = build_estimator("site_did", {})
        found = CHECKS["trend_violation"]().run(estimator, panel, analysis("site_did"), estimator.fit(
            panel, analysis("site_did"), seed=1)[0], seed=1)  # fmt: skip
        assert found.verdict == "not_evaluable"
        assert "no p below 0.111" in found.sentence

    def test_interval_without_a_bound_on_one_point_before(self) -> None:
        vector = honest.EventVector(np.array([0.1, 1.0]), np.diag([0.01, 0.01]), 1, np.ones(1))
        low, high = honest.relative_magnitudes(vector, 0.0, 0.05, 1)
        assert (low, high) == pytest.approx((1 - 0.196, 1 + 0.196), abs=0.02)
        drifted = honest.relative_magnitudes(vector, 1.0, 0.05, 1)
        assert drifted[0] < low
        assert drifted[1] > high

    @pytest.mark.parametrize(
        ("low", "high", "said"),
        [
            (math.log(0.42), math.log(1.13), "the effect could be anything from 58 % lower to 13 % higher"),
            (
                math.nan,
                math.log(1.13),
                "the highest the effect could be is 13 % higher, and no lower limit can be given",
            ),
            (math.log(0.42), math.nan, "the lowest the effect could be is 58 % lower, and no upper limit can be given"),
            (math.nan, math.nan, "no limit could be given for the effect"),
        ],
    )
    def test_a_limit_that_was_not_found_is_said_in_words(self, low: float, high: float, said: str) -> None:
        assert range_in_words(low, high, ratio=True) == said
        assert "nan" not in range_in_words(low, high, ratio=False)

    def test_blocks_are_against_the_last_one_before_the_start(self) -> None:
        times = np.arange(-12, 12)
        points = EventTimes(times, np.where(times >= 0, 1.0, 0.0), np.eye(24), 2.0, np.ones(24, dtype=int))
        blocks = blocks_of(points, 0, (1, 3, 6, 12))
        assert blocks is not None
        assert blocks.size == 3
        assert blocks.vector.n_pre == 3
        assert blocks.vector.estimate == pytest.approx(1.0)


def test_planted_effects_differ_by_cohort_and_are_told_apart() -> None:
    rng = np.random.default_rng(6)
    starts = [*[6] * 20, *[12] * 20, *[None] * 40]
    level = 10 + rng.normal(0, 0.2, (80, 18))
    level[:20, 6:] -= 1.0
    level[20:40, 12:] -= 3.0
    panel = replace(site_panel({OUTCOME: level}, starts), outcomes=(OutcomeSpec(OUTCOME, OUTCOME, "continuous"),))
    rows = build_estimator("group_time", {"detail": True}).fit(panel, analysis(), seed=1)
    labels = panel.periods["label"]
    for start, effect in ((6, -1.0), (12, -3.0)):
        row = next(r for r in rows if r.estimand == f"effect, group, cohort {labels[start]}")
        assert row.conf_low < effect < row.conf_high
    assert isinstance(rows[0].tables["group_time"], pd.DataFrame)
    fit = sun_abraham(level, np.array([18 if s is None else s for s in starts]))
    assert fit.mean((fit.starts == 12) & (fit.event_times >= 0))[0] == pytest.approx(-3.0, abs=0.2)


@pytest.mark.parametrize("name", NEW)
def test_a_ratio_of_values_below_zero_is_refused(few: Panel, name: str) -> None:
    cells = few.cells.assign(**{OUTCOME: few.cells[OUTCOME] - 500.0})
    panel = replace(few, cells=cells, outcomes=(OutcomeSpec(OUTCOME, OUTCOME, "cost"),))
    problems = build_estimator(name, {"scale": "ratio"}).objections(panel, analysis(name))
    assert [p.code for p in problems] == ["E340"]
    assert not build_estimator(name, {"scale": "difference"}).objections(panel, analysis(name))
    assert ESTIMATORS[name].design == "sites"


def test_where_every_site_starts_the_last_are_controls_until_they_start():
    counts = np.array([[10, 10, 6, 6, 6, 5, 5, 5], [20, 22, 20, 22, 10, 12, 9, 9], [30, 33, 30, 36, 30, 33, 11, 10]])
    panel = site_panel({OUTCOME: counts}, [2, 4, 6], population=np.array([12e4, 12e4, 12e4]))
    asked = analysis()
    refused = build_estimator("group_time", {"scale": "difference"}).objections(panel, asked)
    assert [p.code for p in refused] == ["E312"]
    estimator = build_estimator("group_time", {"control": "not_yet", "scale": "difference", "detail": True})
    assert estimator.objections(panel, asked) == []
    first, *_ = estimator.fit(panel, asked, seed=1)
    rate = panel.matrix(OUTCOME) / panel.matrix("exposure")
    a, b, c = rate
    by_hand = [
        a[2] - a[1] - ((b[2] - b[1]) + (c[2] - c[1])) / 2,  # both others have not started
        a[3] - a[1] - ((b[3] - b[1]) + (c[3] - c[1])) / 2,
        a[4] - a[1] - (c[4] - c[1]),  # the second has, the last has not
        a[5] - a[1] - (c[5] - c[1]),
        b[4] - b[3] - (c[4] - c[3]),
        b[5] - b[3] - (c[5] - c[3]),
    ]
    assert first.estimate == pytest.approx(np.mean(by_hand), rel=EXACT)
    assert "the last to start, are controls until then" in first.note
    assert build_estimator("event_study", {"control": "not_yet"}).objections(panel, asked) == []
    together = site_panel({OUTCOME: counts}, [4, 4, 4], population=np.array([12e4, 12e4, 12e4]))
    assert [p.code for p in estimator.objections(together, asked)] == ["E312"]
