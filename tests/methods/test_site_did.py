"""Site comparisons against answers of other programs, against arithmetic by hand, and against what was simulated."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._site_fit import changes, fit_sites, point_estimate, statistic
from aaot_eval.estimators._sites import SiteData, site_data
from aaot_eval.estimators.site_did import SiteDid
from aaot_eval.estimators.two_way import TwoWayModels
from aaot_eval.results import BESIDE, Analysis, Estimate, OutcomeSpec, Panel
from aaot_eval.schema import table_schema
from tests.builders import site_panel

CASES = Path(__file__).resolve().parent.parent / "reference"
ESTIMATE = 1e-8  # the reference was fitted in double precision by another program
STD_ERROR = 1e-6  # the same, through a matrix inverse
EXACT = 1e-9  # a count over a count
SAME = 1e-9  # the same arithmetic in other units: what rounding leaves
OUTCOME = "admissions"


def analysis(**changes: object) -> Analysis:
    return replace(Analysis("site_did", "sites", "site_did", OUTCOME, primary=True), **changes)


@pytest.fixture(scope="module")
def few() -> tuple[Panel, dict]:
    """2 treated of 14 hospitals."""
    folder = CASES / "hospital_few_treated"
    data = pd.read_csv(folder / "data.csv")
    wide = data.pivot(index="hospital", columns="month", values="admissions")
    unit = data.groupby("hospital").first()
    panel = site_panel(
        {OUTCOME: wide.to_numpy()},
        [None if m == 0 else int(m) - 1 for m in unit["first_month"]],
        population=unit["population"].to_numpy(),
        units=list(wide.index),
    )
    return panel, json.loads((folder / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def few_rows(few: tuple[Panel, dict]) -> dict[str, Estimate]:
    rows = SiteDid().fit(few[0], analysis(), seed=1) + TwoWayModels().fit(few[0], analysis(), seed=1)
    keys = ("scaled", "coefficient", "t", "poisson", "poisson_cr1", "cr1", "cr2", "wild")
    return dict(zip(keys, rows, strict=True))


def shocked(rng: np.random.Generator, sizes: np.ndarray, n_t: int, sd: float = 0.1, lag: float = 0.7) -> np.ndarray:
    shock = np.zeros((len(sizes), n_t))
    shock[:, 0] = sd * rng.standard_normal(len(sizes))
    for t in range(1, n_t):
        shock[:, t] = lag * shock[:, t - 1] + math.sqrt(1 - lag**2) * sd * rng.standard_normal(len(sizes))
    return rng.poisson(sizes[:, None] * np.exp(shock))


def measured(panel: Panel, kind: str) -> Panel:
    """The panel with an outcome that is no count, so that no people stand behind it."""
    return replace(
        panel, cells=panel.cells.drop(columns=f"{OUTCOME}_persons"), outcomes=(OutcomeSpec(OUTCOME, kind, kind),)
    )


class TestHospitalFewTreated:
    def test_coefficient_and_its_exact_p(self, few, few_rows) -> None:
        expected = few[1]
        assert math.log(few_rows["coefficient"].estimate) == pytest.approx(expected["twfe"], rel=ESTIMATE)
        assert few_rows["coefficient"].p_value == pytest.approx(expected["randomisation"]["p_coefficient"], abs=EXACT)
        assert few_rows["coefficient"].p_least == pytest.approx(
            expected["randomisation"]["smallest_possible_p"], abs=EXACT
        )

    def test_t_and_its_exact_p(self, few, few_rows) -> None:
        data = site_data(few[0], OUTCOME)
        ways = ri.assign_starts(data.starts, data.n_periods, 1)
        level = np.log(data.values / data.exposure)
        model = ri.TwoWay.of(ways, data.n_periods)
        t, b = model.t_statistics(level, ways)[ways.real], model.coefficients(level, ways)[ways.real]
        assert b / t == pytest.approx(few[1]["se_CR0"], rel=STD_ERROR)
        assert ways.total == few[1]["randomisation"]["assignments"]
        assert few_rows["t"].p_value == pytest.approx(few[1]["randomisation"]["p_t"], abs=EXACT)

    def test_poisson_and_its_exact_p(self, few, few_rows) -> None:
        expected = few[1]["poisson"]
        assert math.log(few_rows["poisson"].estimate) == pytest.approx(expected["coef"], rel=ESTIMATE)
        assert few_rows["poisson"].p_value == pytest.approx(expected["p_randomisation_coef"], abs=EXACT)
        assert math.log(few_rows["poisson_cr1"].estimate) == pytest.approx(expected["coef"], rel=ESTIMATE)
        assert few_rows["poisson_cr1"].std_error == pytest.approx(expected["se_CR1_fixest"], rel=STD_ERROR)

    def test_clustered_rows_agree_with_other_programs(self, few, few_rows) -> None:
        expected = few[1]
        assert few_rows["cr1"].std_error == pytest.approx(expected["se_CR1_fixest"], rel=STD_ERROR)
        assert few_rows["cr1"].p_value == pytest.approx(expected["p_CR1_t_Gminus1"], rel=STD_ERROR)
        assert few_rows["cr2"].std_error == pytest.approx(expected["se_CR2"], rel=STD_ERROR)
        assert few_rows["cr2"].p_value == pytest.approx(expected["p_CR2"], rel=STD_ERROR)
        assert "1.29 degrees of freedom" in few_rows["cr2"].note
        assert few_rows["wild"].p_value == pytest.approx(expected["wcr_rademacher_full"]["p"], abs=EXACT)

    def test_inverted_intervals_as_published(self, few_rows) -> None:
        for key in ("coefficient", "t"):
            assert round(few_rows[key].conf_low, 2) == 0.81
            assert round(few_rows[key].conf_high, 2) == 1.02

    def test_headline_is_the_size_scaled_statistic_and_claims_nothing(self, few_rows) -> None:
        row = few_rows["scaled"]
        assert row.primary
        assert row.conf_method == "randomisation"
        assert row.direction == "unclear"
        assert 0.05 < row.p_value < 0.25
        assert row.note.startswith("The least p this design can reach is 0.0055 (2 of 14 sites treated)")
        assert "size-scaled" in row.inference
        assert row.conf_low < 0.88 < row.conf_high  # the ratio that was simulated

    def test_foil_says_it_is_one(self, few_rows) -> None:
        assert few_rows["cr1"].p_value < 0.01
        assert "clustered p values are too small" in few_rows["cr1"].note

    def test_averted_is_the_ratio_turned_round(self, few_rows) -> None:
        row = few_rows["scaled"]
        facts = row.facts
        assert (
            facts["observed_after"] == row.series.query("unit in ['H04', 'H14'] and phase == 'after'")["observed"].sum()
        )
        assert facts["expected_after"] * row.estimate == pytest.approx(facts["observed_after"])
        assert facts["averted"] == pytest.approx(facts["expected_after"] - facts["observed_after"])
        assert facts["averted_low"] < 0 < facts["averted_high"]


def test_organ_donations_one_treated_of_27() -> None:
    data = pd.read_csv(CASES / "organ_donations" / "data.csv")
    expected = json.loads((CASES / "organ_donations" / "expected.json").read_text(encoding="utf-8"))
    wide = data.pivot(index="State", columns="Quarter_Num", values="Rate")
    starts = [3 if s == "California" else None for s in wide.index]
    panel = measured(site_panel({OUTCOME: wide.to_numpy()}, starts, units=list(wide.index)), "share")
    rows = SiteDid(least_before=3, scale="difference").fit(panel, analysis(), seed=1)
    for row in rows:
        assert row.estimate == pytest.approx(expected["att"], rel=1e-7)
        assert row.p_value == pytest.approx(expected["placebo_p_two_sided"], abs=EXACT)
        assert row.p_value == pytest.approx(5 / 27)
        assert row.scale == "difference"
    data_ = site_data(panel, OUTCOME, least_before=3, scale="difference")
    fit = fit_sites(data_, 1)
    effects = fit.ways.contrast(changes(data_, fit.ways))
    for state, att in expected["placebo_att"].items():
        assert effects[wide.index.get_loc(state)] == pytest.approx(att, rel=1e-7)
    foil = TwoWayModels(least_before=3, scale="difference").fit(panel, analysis(), seed=1)[0]
    assert foil.std_error == pytest.approx(expected["se_cluster_fixest"], rel=1e-5)
    assert foil.p_value < 0.002
    assert "one treated site" in foil.note


class TestByHand:
    def test_two_sites(self) -> None:
        # Treated 1200 -> 960 a year, comparison 600 -> 720. Poisson: (960/1200)/(720/600) = 2/3. With 0.5 added to each
        # total: 960/r + 0.5 = 1200.5 x 720.5/600.5, so r = 960 / (1200.5 x 720.5/600.5 - 0.5).
        counts = np.array([[100] * 12 + [80] * 12, [50] * 12 + [60] * 12])
        row, *others = SiteDid().fit(site_panel({OUTCOME: counts}, [12, None]), analysis(), seed=1)
        assert row.estimate == pytest.approx(960 / (1200.5 * 720.5 / 600.5 - 0.5), rel=1e-9)
        assert row.p_least == 0.5
        assert row.status == "no_finite_interval"
        assert others[0].estimate == pytest.approx(2 / 3, rel=1e-9)
        assert others[-1].estimate == pytest.approx(2 / 3, rel=1e-9)
        assert others[-1].p_value == 1.0  # the mirror image is as far from no effect

    def test_rank_of_the_treated_site_is_the_p(self) -> None:
        # Log changes -0.5, 0.1, 0.2, 0.05: the treated site's is the largest of four in size, so p = 1/4.
        change = np.array([-0.5, 0.1, 0.2, 0.05])
        values = np.where(np.arange(24) < 12, 100.0, 100.0 * np.exp(change[:, None]))
        ways = ri.assign_starts(np.array([12, 24, 24, 24]), 24, 1)
        table = ri.change_table(values, np.ones_like(values), ways.starts, half=0.0)
        assert table[:, 0] == pytest.approx(change)
        assert ways.contrast(table)[ways.real] == pytest.approx(-0.5 - (0.1 + 0.2 + 0.05) / 3)
        assert ri.p_value(ways.contrast(table), ways.real) == 0.25

    def test_staggered_contrast(self) -> None:
        # Sites 0 and 1 start at 12 and 18; the others are compared over the same months as each of them.
        rng = np.random.default_rng(1)
        values = rng.uniform(50, 100, size=(5, 24))
        ways = ri.assign_starts(np.array([12, 18, 24, 24, 24]), 24, 1)
        change = [np.log(values[:, s:].mean(axis=1) / values[:, :s].mean(axis=1)) for s in (12, 18)]
        assert ri.change_table(values, np.ones((5, 24)), ways.starts, half=0.0) == pytest.approx(
            np.column_stack(change)
        )
        hand = ((change[0][0] - change[0][2:].mean()) + (change[1][1] - change[1][2:].mean())) / 2
        assert ways.contrast(np.column_stack(change))[ways.real] == pytest.approx(hand)

    def test_size_variance_never_negative(self) -> None:
        size = np.array([10.0, 20.0, 40.0, 80.0])
        table = np.sqrt(0.01 + 2 / size)[:, None] * np.array([[1.0], [-1.0], [1.0], [-1.0]])
        a, b = ri.size_variance(table - table.mean(axis=0), size)
        assert a >= 0
        assert b > 0
        assert ri.size_variance(np.array([[1.0], [-1.0], [3.0], [-3.0]]), size)[1] == 0.0


class TestAssignments:
    @pytest.mark.parametrize(
        ("n", "starts", "ways"),
        [(12, (3, 4, 5), 1320), (12, (3, 3, 3), 220), (12, (3,), 12), (14, (18, 24), 182), (8, (3, 3, 5), 168)],
    )
    def test_all_distinct_ways(self, n: int, starts: tuple[int, ...], ways: int) -> None:
        positions = np.array([*starts, *[36] * (n - len(starts))])
        found = ri.assign_starts(positions, 36, 1)
        assert found.total == ways
        assert found.exact
        handed = [tuple(sorted(zip(row, found.cohort, strict=True))) for row in found.rows.tolist()]
        assert len(set(handed)) == ways
        assert set(found.rows[found.real].tolist()) == set(range(len(starts)))

    def test_too_many_ways_are_drawn_with_the_real_one(self) -> None:
        positions = np.array([12, 14, 16, 18, *[36] * 16])
        one, again, other = (ri.assign_starts(positions, 36, seed) for seed in (1, 1, 2))
        assert one.total == 20 * 19 * 18 * 17
        assert len(one.rows) == ri.DRAWS + 1
        assert (one.rows[one.real] == [0, 1, 2, 3]).all()
        assert (one.rows == again.rows).all()
        assert not (one.rows == other.rows).all()
        assert all(len(set(row)) == 4 for row in one.rows[:50].tolist())
        assert one.p_least == 1 / 10_000

    def test_ties_count(self) -> None:
        assert ri.p_value(np.array([1.0, -1.0, 1.0 + 1e-12, 0.5]), 0) == 0.75


@pytest.fixture(scope="module")
def staggered() -> tuple[np.ndarray, ri.Assignments, list[int]]:
    """Counts of 7 sites, 3 of which start in two months, and some assignments to try."""
    rng = np.random.default_rng(4)
    values = shocked(rng, rng.uniform(20, 200, 7), 30).astype(float)
    ways = ri.assign_starts(np.array([14, 20, 14, 30, 30, 30, 30]), 30, 1)
    return values, ways, [0, ways.real, len(ways.rows) // 2, len(ways.rows) - 1]


class TestAgainstFullRegressions:
    """The table tricks must give what a regression on all cells gives, for any assignment."""

    @staticmethod
    def cells(ways: ri.Assignments, row: int, n_t: int, phase_in: int):
        starts = np.full(ways.n_sites, n_t)
        starts[ways.rows[row]] = ways.starts[ways.cohort]
        since = np.arange(n_t)[None, :] - starts[:, None]
        used = (since < 0) | (since >= phase_in)
        site, period = np.nonzero(used)
        columns = np.column_stack([since[used] >= 0, np.eye(ways.n_sites)[site], np.eye(n_t)[period][:, 1:]]).astype(
            float
        )
        return columns, used

    @pytest.mark.parametrize("phase_in", [0, 3])
    def test_least_squares(self, staggered, phase_in: int) -> None:
        values, ways, rows = staggered
        level = np.log(values + 0.5)
        found = ri.TwoWay.of(ways, 30, phase_in).coefficients(level, ways)
        for row in rows:
            columns, used = self.cells(ways, row, 30, phase_in)
            assert found[row] == pytest.approx(np.linalg.lstsq(columns, level[used], rcond=None)[0][0], rel=1e-9)

    def test_clustered_t(self, staggered) -> None:
        values, ways, rows = staggered
        level = np.log(values + 0.5)
        found = ri.TwoWay.of(ways, 30).t_statistics(level, ways)
        for row in rows:
            columns, used = self.cells(ways, row, 30, 0)
            site = np.nonzero(used)[0]
            fit = sm.OLS(level[used], columns).fit(
                cov_type="cluster", cov_kwds={"groups": site, "use_correction": False}
            )
            assert found[row] == pytest.approx(fit.params[0] / fit.bse[0], rel=1e-7)

    @pytest.mark.parametrize("phase_in", [0, 3])
    def test_poisson(self, staggered, phase_in: int) -> None:
        values, ways, rows = staggered
        found = ri.poisson_coefficients(values, ways, phase_in)
        for row in rows:
            columns, used = self.cells(ways, row, 30, phase_in)
            fit = sm.GLM(values[used], columns, family=sm.families.Poisson()).fit(tol=1e-12)
            assert found[row] == pytest.approx(fit.params[0], rel=1e-7)

    def test_poisson_means(self, staggered) -> None:
        values, _, _ = staggered
        exposure = np.linspace(1, 2, 7)[:, None] * np.linspace(1, 1.1, 30)
        means = ri.two_way_means(values, exposure, np.ones_like(values, dtype=bool)) * exposure
        assert means.sum(axis=0) == pytest.approx(values.sum(axis=0), rel=1e-9)
        assert means.sum(axis=1) == pytest.approx(values.sum(axis=1), rel=1e-9)

    @pytest.mark.filterwarnings("error")
    def test_poisson_means_without_events_in_a_month_and_a_site(self, staggered) -> None:
        values, exposure = staggered[0].copy(), np.linspace(1, 2, 7)[:, None] * np.linspace(1, 1.1, 30)
        used = np.ones_like(values, dtype=bool)
        values[:, 4], values[2] = 0, 0
        means = ri.two_way_means(values, exposure, used) * exposure
        full = ri.two_way_means(*(np.delete(np.delete(x, 4, 1), 2, 0) for x in (values, exposure, used)))
        assert (means[:, 4] == 0).all()
        assert (means[2] == 0).all()
        assert means.sum(axis=0) == pytest.approx(values.sum(axis=0), rel=1e-9)
        assert np.delete(np.delete(means / exposure, 4, 1), 2, 0) == pytest.approx(full, rel=1e-9)
        used[:, 5] = False
        unused = ri.two_way_means(values, exposure, used)
        assert np.isnan(unused[:, 5]).all()
        assert np.isfinite(np.delete(unused, 5, 1)).all()

    @pytest.mark.filterwarnings("error")
    def test_a_month_without_any_event_has_an_expected_count_of_zero(self) -> None:
        counts = shocked(np.random.default_rng(9), np.full(8, 60.0), 36)
        counts[:, 7] = 0
        found = SiteDid().fit(site_panel({OUTCOME: counts}, [18, 20, *[None] * 6]), analysis(), seed=1)[0]
        empty = found.series[found.series["t"] == 7]
        assert (empty["expected"] == 0).all()
        assert found.series["expected"].notna().all()

    def test_two_way_foil_with_phase_in(self) -> None:
        rng = np.random.default_rng(9)
        counts = shocked(rng, rng.uniform(60, 200, 8), 36)
        panel = site_panel({OUTCOME: counts}, [15, 20, *[None] * 6])
        own = SiteDid(phase_in=3).fit(panel, analysis(), seed=1)
        foil = TwoWayModels(phase_in=3).fit(panel, analysis(), seed=1)
        assert own[1].estimate == pytest.approx(foil[1].estimate, rel=1e-9)
        assert own[-1].estimate == pytest.approx(foil[0].estimate, rel=1e-8)
        assert own[0].n_obs == 8 * 36 - 2 * 3


@pytest.fixture(scope="module")
def world() -> Panel:
    """14 sites and 60 months with lasting shocks; three start in different months and lose 23 % of admissions."""
    rng = np.random.default_rng(77)
    population = rng.uniform(150_000, 500_000, 14)
    counts = shocked(rng, population / 2_000, 60)
    starts: list[int | None] = [None] * 14
    starts[2], starts[6], starts[11] = 24, 30, 36
    for site, start in enumerate(starts):
        if start:
            counts[site, start:] = rng.binomial(counts[site, start:], 0.77)
    return site_panel({OUTCOME: counts}, starts, population=population)


@pytest.fixture(scope="module")
def row(world: Panel) -> Estimate:
    return SiteDid().fit(world, analysis(), seed=1)[0]


class TestTruth:
    def test_the_true_ratio_is_recovered(self, row: Estimate) -> None:
        assert row.direction == "lower"
        assert row.conf_low < 0.77 < row.conf_high
        assert row.estimate == pytest.approx(0.77, rel=0.08)  # three sites with shocks of sd 0.1
        assert row.facts["n_assignments"] == 2184

    def test_interval_ends_where_p_crosses(self, world, row: Estimate) -> None:
        data = site_data(world, OUTCOME)
        ways = ri.assign_starts(data.starts, data.n_periods, 1)

        def p(effect: float) -> float:
            return ri.p_value(statistic(data, ways, effect), ways.real)

        assert p(math.log(row.estimate)) == 1.0
        for end, away in ((row.conf_low, -1e-4), (row.conf_high, 1e-4)):
            assert p(math.log(end)) > 0.05
            assert p(math.log(end) + away) <= 0.05

    def test_confidence_draws_agree_with_the_interval(self, row: Estimate) -> None:
        assert row.confidence is not None
        low, middle, high = row.confidence(np.array([0.025, 0.5, 0.975]))
        assert low == pytest.approx(row.conf_low, rel=1e-9)
        assert middle == pytest.approx(row.estimate, rel=1e-9)
        assert high == pytest.approx(row.conf_high, rel=1e-9)
        draws = row.confidence(np.linspace(1e-6, 1 - 1e-6, 2001).reshape(-1, 3))
        assert draws.shape == (667, 3)
        assert (np.diff(draws.ravel()) >= 0).all()
        assert np.isfinite(draws).all()

    def test_order_of_sites_does_not_matter(self, world, row: Estimate) -> None:
        order = world.units.index[::-1]
        cells = pd.concat([world.cells[world.cells["unit"] == u] for u in order], ignore_index=True)
        turned = SiteDid().fit(replace(world, units=world.units.loc[order], cells=cells), analysis(), seed=1)[0]
        assert (turned.estimate, turned.p_value) == pytest.approx((row.estimate, row.p_value), rel=1e-12)

    def test_same_seed_same_numbers(self, world, row: Estimate) -> None:
        again = SiteDid().fit(world, analysis(), seed=1)[0]
        assert again.row() == row.row()
        pd.testing.assert_frame_equal(again.series, row.series)

    def test_tables_have_the_columns_of_the_record(self, row: Estimate) -> None:
        for name in ("event_time", "sites", "placebo"):
            assert set(row.tables[name].columns) <= set(table_schema("release", name).names)
        event = row.tables["event_time"]
        base = event[event["event_time"].between(-12, -1)]
        assert np.log(base["ratio"]).mean() == pytest.approx(0.0, abs=1e-12)
        assert event["n_units"].max() == 3
        assert event.loc[event["event_time"] >= 0, "ratio"].mean() < 0.85
        assert (event["conf_low"] <= event["conf_high"]).all()
        placebo = row.tables["placebo"]
        assert placebo["real"].sum() == 1
        assert placebo.loc[placebo["real"], "p_value"].item() == pytest.approx(row.p_value)
        assert len(placebo) <= 401

    def test_sites_table(self, world, row: Estimate) -> None:
        sites = row.tables["sites"].set_index("unit")
        assert list(sites.index[sites["role"] == "treated"]) == ["S03", "S07", "S12"]
        assert sites.loc["S03", "start"] == world.periods["label"].iloc[24]
        first = world.matrix(OUTCOME)[0, :24]
        assert sites.loc["S01", "before_count"] == first.sum()
        assert sites.loc["S01", "persons"] == first.max()
        assert sites.loc["S01", "before_rate"] == pytest.approx(
            1e5 * first.sum() / world.matrix("exposure")[0, :24].sum()
        )

    def test_rows_beside_can_be_left_out(self, world, row: Estimate) -> None:
        (alone,) = SiteDid(beside=False).fit(world, analysis(), seed=1)
        assert alone.row() == row.row()

    def test_sites_table_stands_with_the_primary_alone(self, world) -> None:
        assert "sites" not in SiteDid().fit(world, analysis(primary=False), seed=1)[0].tables

    def test_series_shows_what_was_to_be_expected(self, row: Estimate) -> None:
        series = row.series
        assert list(series["unit"].unique()) == ["treated", "comparison", "S03", "S07", "S12"]
        after = series.query("unit == 'S03' and phase == 'after'")
        assert len(after) == 36
        assert (after["expected_low"] < after["expected"]).all()
        assert (after["expected"] < after["expected_high"]).all()
        assert (after["fitted"] / after["expected"]).to_numpy() == pytest.approx(row.estimate)
        before = series.query("unit == 'S03' and phase == 'before'")
        assert before["fitted"].to_numpy() == pytest.approx(before["expected"].to_numpy())
        treated = series.query("unit == 'treated'").set_index("t")
        parts = series[series["unit"].isin(["S03", "S07", "S12"])].groupby("t")
        assert treated["observed"].to_numpy() == pytest.approx(parts["observed"].sum().to_numpy())
        assert treated["expected"].to_numpy() == pytest.approx(parts["expected"].sum().to_numpy())

    def test_without_noise_the_expected_line_is_the_truth(self) -> None:
        size = np.array([400.0, 800.0, 500.0, 900.0, 700.0])
        truth = size[:, None] * (1 + 0.2 * np.sin(np.arange(36) / 2))
        seen = truth.copy()
        seen[0, 20:] *= 0.7
        panel = measured(site_panel({OUTCOME: seen}, [20, *[None] * 4]), "cost")
        row = SiteDid().fit(panel, analysis(), seed=1)[0]
        assert row.estimate == pytest.approx(0.7, rel=1e-9)
        assert row.scale == "ratio"
        assert row.series.query("unit == 'S01'")["expected"].to_numpy() == pytest.approx(truth[0], rel=1e-9)


class TestErrorRates:
    """Bands are binomial, so that a right test fails once in a thousand runs of new seeds; the seed is fixed."""

    N = 200
    EMPTY = SiteData(
        (), np.arange(36), np.empty(0), np.empty(0), np.empty(0), np.arange(36) / 12, True, True, 0.5, "log", 0, ()
    )

    def rejections(self, n: int, starts: tuple[int, ...], *, smallest: bool, effect: float = 1.0) -> int:
        rng = np.random.default_rng([11, n, len(starts), smallest])
        hits = 0
        for seed in range(self.N):
            sizes = 150 * np.exp(0.6 * rng.standard_normal(n))
            values = shocked(rng, np.sort(sizes) if smallest else sizes, 36).astype(float)
            positions = np.array([*starts, *[36] * (n - len(starts))])
            for site, start in enumerate(starts):
                values[site, start:] = rng.binomial(values[site, start:].astype(int), effect)
            data = replace(self.EMPTY, values=values, exposure=np.ones_like(values), starts=positions)
            ways = ri.assign_starts(positions, 36, seed)
            hits += ri.p_value(statistic(data, ways, math.log(effect)), ways.real) <= 0.05
        return hits

    @pytest.mark.parametrize("smallest", [False, True])
    def test_false_alarms(self, smallest: bool) -> None:
        assert self.rejections(9, (15, 20), smallest=smallest) <= stats.binom.ppf(0.999, self.N, 0.05)

    def test_the_true_effect_is_rarely_rejected(self) -> None:
        assert self.rejections(9, (15, 20), smallest=False, effect=0.77) <= stats.binom.ppf(0.999, self.N, 0.05)


def test_few_events_do_not_bias_the_estimate() -> None:
    # About 3 events a month; the band is four standard errors of the mean of 200 panels with sd about 0.2.
    rng = np.random.default_rng(31)
    starts = np.array([15, 18, 21, *[36] * 11])
    ways = ri.assign_starts(starts, 36, 1)
    found = []
    for _ in range(200):
        values = rng.poisson(3.5, (14, 36)).astype(float)
        for site in range(3):
            values[site, starts[site] :] = rng.binomial(values[site, starts[site] :].astype(int), 0.8)
        data = replace(TestErrorRates.EMPTY, values=values, exposure=np.ones_like(values), starts=starts)
        found.append(point_estimate(data, ways))
    assert np.mean(found) == pytest.approx(math.log(0.8), abs=4 * np.std(found) / math.sqrt(200))
    assert np.std(found) < 0.25


class TestRefusals:
    COUNTS = np.full((4, 36), 50)

    def words(self, panel: Panel, *, outcome: str = OUTCOME, **options: object) -> str:
        problems = SiteDid(**options).objections(panel, analysis(outcome=outcome))
        return "\n".join(line for p in problems for line in p.lines())

    def test_nothing_to_object(self) -> None:
        assert self.words(site_panel({OUTCOME: self.COUNTS}, [18, None, None, None])) == ""

    def test_no_treated_site(self) -> None:
        assert "no treated site" in self.words(site_panel({OUTCOME: self.COUNTS}, [None] * 4))

    def test_no_comparison_site(self) -> None:
        text = self.words(site_panel({OUTCOME: self.COUNTS}, [12, 14, 16, 18]))
        assert "no comparison units" in text
        assert "its" in text

    def test_too_short_before(self) -> None:
        text = self.words(site_panel({OUTCOME: self.COUNTS}, [6, None, None, None]))
        assert "no treated site has 12 usable periods before its start" in text
        assert "S01" in text

    def test_too_short_after(self) -> None:
        assert "3 after it" in self.words(site_panel({OUTCOME: self.COUNTS}, [34, None, None, None]))

    def test_unknown_outcome(self) -> None:
        text = self.words(site_panel({OUTCOME: self.COUNTS}, [18, None, None, None]), outcome="bed_nights")
        assert "no site-level outcome 'bed_nights'" in text
        assert OUTCOME in text

    def test_no_event_after_the_start(self) -> None:
        counts = self.COUNTS.copy()
        counts[0, 18:] = 0
        assert "no event at all after the start" in self.words(site_panel({OUTCOME: counts}, [18, None, None, None]))

    def test_clustered_p_values_never_headline_with_few_sites(self) -> None:
        panel = site_panel({OUTCOME: self.COUNTS}, [18, None, None, None])
        problems = TwoWayModels().objections(panel, analysis())
        assert "cannot be the headline with 1 treated of 4 sites" in problems[0].what
        assert TwoWayModels().objections(panel, analysis(primary=False)) == []

    def test_clustered_p_values_may_headline_with_many(self) -> None:
        counts = np.random.default_rng(0).poisson(80, (14, 36))
        assert TwoWayModels().objections(site_panel({OUTCOME: counts}, [18] * 6 + [None] * 8), analysis()) == []


class TestFewSites:
    def test_one_of_fourteen_has_no_interval_and_says_so_first(self) -> None:
        rng = np.random.default_rng(5)
        panel = site_panel({OUTCOME: rng.poisson(np.r_[40, [80] * 13][:, None] * np.ones(36))}, [18, *[None] * 13])
        rows = SiteDid().fit(panel, analysis(), seed=1)
        for row in rows:
            assert row.status == "no_finite_interval"
            assert row.conf_method == "none"
            assert math.isnan(row.conf_low)
            assert row.confidence is None
            assert row.p_least == pytest.approx(1 / 14)
        assert rows[0].note.startswith(
            "The least p this design can reach is 0.0714 (1 of 14 sites treated): there is no 95 % interval"
        )
        assert rows[0].tables["event_time"]["conf_low"].isna().all()
        assert math.isfinite(rows[0].estimate)

    def test_half_of_the_sites_together_double_the_least_p(self) -> None:
        rng = np.random.default_rng(6)
        panel = site_panel({OUTCOME: rng.poisson(80, (8, 36))}, [18] * 4 + [None] * 4)
        scaled, coefficient, *_ = SiteDid().fit(panel, analysis(), seed=1)
        assert scaled.p_least == pytest.approx(1 / 70)
        assert coefficient.p_least == pytest.approx(2 / 70)

    def test_few_events_are_named(self) -> None:
        rng = np.random.default_rng(7)
        counts = rng.poisson(2.0, (9, 36))
        counts[1] = rng.poisson(0.3, 36)
        scaled, coefficient, *_ = SiteDid().fit(
            site_panel({OUTCOME: counts}, [18, 18, *[None] * 7]), analysis(), seed=1
        )
        assert scaled.note.endswith("fewer than 10 events before or after the start in S02")
        assert coefficient.status == "not_run"
        assert "no log rate" in coefficient.note

    def test_a_population_that_changes_leaves_poisson_to_the_two_way_model(self) -> None:
        rng = np.random.default_rng(8)
        panel = site_panel({OUTCOME: rng.poisson(80, (9, 36))}, [18, 18, *[None] * 7])
        cells = panel.cells.assign(
            exposure=panel.cells["exposure"] * np.where(panel.cells["unit"] == "S01", 1 + panel.cells["t"] / 100, 1)
        )
        rows = SiteDid().fit(replace(panel, cells=cells), analysis(), seed=1)
        assert rows[-1].status == "not_run"
        assert "population changes" in rows[-1].note
        assert TwoWayModels().fit(replace(panel, cells=cells), analysis(primary=False), seed=1)[0].status == "ok"


class TestTwoSites:
    """One site with the service and one without: no error can be told from two clusters."""

    def test_no_two_way_model_makes_an_error_from_two_sites(self) -> None:
        counts = np.random.default_rng(4).poisson(80.0, (2, 36))
        rows = TwoWayModels().fit(site_panel({OUTCOME: counts}, [24, None]), analysis(primary=False), seed=1)
        assert [r.status for r in rows] == ["not_run", "not_run"]
        assert all("from 2 sites no clustered standard error can be told" in r.note for r in rows)
        assert all(math.isnan(r.p_value) and math.isnan(r.std_error) for r in rows)


class TestUnitsOfTheOutcome:
    """Euros or millions of them: intervals scale, p values stay."""

    def rows(self, k: float) -> list[Estimate]:
        values = k * (50.0 + 10.0 * np.random.default_rng(11).standard_normal((10, 36)))
        panel = site_panel({OUTCOME: values}, [24] * 3 + [None] * 7)
        cells = panel.cells.drop(columns=f"{OUTCOME}_persons")
        panel = replace(panel, cells=cells, outcomes=(OutcomeSpec(OUTCOME, OUTCOME, "continuous"),))
        return list(SiteDid(scale="difference").fit(panel, analysis(), seed=1))

    @pytest.mark.parametrize("k", [1e-12, 1e-6, 1e3])
    def test_every_row_scales_with_the_outcome(self, k: float) -> None:
        plain, scaled = self.rows(1.0), self.rows(k)
        assert len(plain) == 3
        for one, other in zip(plain, scaled, strict=True):
            assert other.status == one.status == "ok"
            assert other.p_value == one.p_value
            for name in ("estimate", "conf_low", "conf_high"):
                assert getattr(other, name) == pytest.approx(k * getattr(one, name), rel=SAME), (name, one.inference)


class TestWhatIsLeftOut:
    @pytest.fixture
    def panel(self) -> Panel:
        rng = np.random.default_rng(3)
        return site_panel({OUTCOME: rng.poisson(80, (9, 40))}, [18, 22, *[None] * 7], left_out=(5, 6))

    def test_left_out_periods_go_for_all(self, panel: Panel) -> None:
        data = site_data(panel, OUTCOME)
        assert data.n_periods == 38
        assert not {5, 6} & set(data.t.tolist())
        assert data.starts[0] == 16  # the position of month 18 among those kept
        row = SiteDid().fit(panel, analysis(), seed=1)[0]
        assert set(row.series.query("phase == 'left_out'")["t"]) == {5, 6}
        assert row.series.query("phase == 'left_out'")["expected"].isna().all()

    def test_one_hole_costs_the_month(self, panel: Panel) -> None:
        cells = panel.cells.copy()
        cells.loc[(cells["unit"] == "S05") & (cells["t"] == 30), "missing"] = True
        data = site_data(replace(panel, cells=cells), OUTCOME)
        assert 30 not in data.t
        assert len(data.units) == 9
        assert any(panel.periods["label"].iloc[30] in text for text in data.left)

    def test_many_holes_cost_the_site(self, panel: Panel) -> None:
        cells = panel.cells.copy()
        cells.loc[(cells["unit"] == "S05") & cells["t"].between(20, 30), "missing"] = True
        data = site_data(replace(panel, cells=cells), OUTCOME)
        assert "S05" not in data.units
        assert data.n_periods == 38
        assert any("too many missing periods" in text and "S05" in text for text in data.left)

    def test_sites_treated_from_the_first_month_and_sites_beside(self, panel: Panel) -> None:
        units = panel.units.copy()
        units.loc["S08", "start_t"] = 0
        units.loc["S09", "group"] = BESIDE
        row = SiteDid().fit(replace(panel, units=units), analysis(), seed=1)[0]
        assert row.n_units == 7
        assert "ran from the first period: S08" in row.note
        assert "beside the others: S09" in row.note

    def test_a_service_that_stopped_ends_the_comparison(self, panel: Panel) -> None:
        units = panel.units.copy()
        units.loc["S01", "stop_t"] = 35
        data = site_data(replace(panel, units=units), OUTCOME)
        assert data.t.max() == 34
        assert any("stopped" in text for text in data.left)

    def test_a_late_start_is_left_out_by_name(self, panel: Panel) -> None:
        units = panel.units.copy()
        units.loc["S02", "start_t"] = 38
        row = SiteDid().fit(replace(panel, units=units), analysis(), seed=1)[0]
        assert row.n_treated == 1
        assert "fewer than 12 periods before or 3 after the start: S02" in row.note

    def test_phase_in_months_of_treated_sites_do_not_move_the_estimate(self, panel: Panel) -> None:
        cells = panel.cells.copy()
        wild = (cells["unit"] == "S01") & cells["t"].between(18, 20)
        cells.loc[wild, OUTCOME] = 500
        one, other = (SiteDid(phase_in=3).fit(p, analysis(), seed=1)[0] for p in (panel, replace(panel, cells=cells)))
        assert one.estimate == pytest.approx(other.estimate, rel=1e-12)
        assert SiteDid().fit(replace(panel, cells=cells), analysis(), seed=1)[0].estimate > one.estimate

    def test_a_month_without_cost_still_has_a_ratio(self, panel: Panel) -> None:
        money = 2_000.0 * panel.cells[OUTCOME].to_numpy()
        money[4 * 40 + 3] = 0.0  # of a comparison site, one of seven
        cost = replace(
            panel, cells=panel.cells.assign(cost=money), outcomes=(*panel.outcomes, OutcomeSpec("cost", "cost", "cost"))
        )
        scaled, coefficient, *_ = SiteDid().fit(cost, analysis(outcome="cost"), seed=1)
        count = SiteDid().fit(panel, analysis(), seed=1)[0]
        assert scaled.scale == "ratio"
        assert scaled.estimate == pytest.approx(count.estimate, rel=0.01)
        assert coefficient.status == "not_run"

    def test_values_below_zero_are_compared_as_differences(self, panel: Panel) -> None:
        cells = panel.cells.assign(net=panel.cells[OUTCOME] - 80.0)
        net = replace(panel, cells=cells, outcomes=(*panel.outcomes, OutcomeSpec("net", "net", "continuous")))
        row = SiteDid().fit(net, analysis(outcome="net"), seed=1)[0]
        assert row.scale == "difference"
        assert row.null == 0.0
        assert row.conf_low < row.estimate < row.conf_high
        assert "values below zero" in SiteDid(scale="ratio").objections(net, analysis(outcome="net"))[0].what
