"""One trust against its own pre-launch cohorts: arithmetic by hand, derivatives, refusals, and worlds with a known truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from aaot_eval.errors import Problem
from aaot_eval.estimators._count_series import fit_value_series
from aaot_eval.estimators._own_hospitals import Part, shock_variance
from aaot_eval.estimators._own_trust import Followed, standardise
from aaot_eval.estimators.own_cohorts import CONTROL_SERIES, OwnCohorts
from aaot_eval.results import BESIDE, Analysis, Panel
from benchmarks.patient_worlds import CONTROL, ONE, OUTCOME, simulate

# Rounding of floats only.
EXACT = 1e-10
# Mean of six seeds of a design whose log ratio has sd 0.09 to 0.11: three and a half standard errors.
SIX_SEEDS = 0.16
ANALYSIS = Analysis("own_cohorts", "own_cohorts", "own_cohorts", OUTCOME)


def followed(rows: list[tuple[int, int, int, int, float]]) -> Followed:
    """From (person, month, era, band, outcome)."""
    person, month, era, band, outcome = (np.array(c) for c in zip(*rows, strict=True))
    return Followed(person, month, era, band, outcome.astype(float), outcome.astype(float))


@pytest.fixture(scope="module")
def single() -> Panel:
    return simulate(ONE, 3)


@pytest.fixture(scope="module")
def fitted(single: Panel) -> tuple:
    return OwnCohorts(4, 12).fit(single, ANALYSIS, seed=1)


class TestByHand:
    def test_one_band_is_a_ratio_of_rates(self):
        """3 admissions in 4 person-months after, 2 in 5 before: (3/4)/(2/5) = 1.875."""
        rows = [(0, t, 0, 0, y) for t, y in enumerate((1, 0, 1, 0, 0))] + [
            (1, 5 + t, 1, 0, y) for t, y in enumerate((2, 0, 1, 0))
        ]
        fit = standardise(followed(rows), np.ones(9), 2)
        assert math.exp(fit.log_ratio) == pytest.approx(1.875, abs=EXACT)

    def test_control_series_divides(self):
        """The control series doubles after launch, so the ratio halves."""
        rows = [(0, t, 0, 0, y) for t, y in enumerate((1, 0, 1, 0, 0))] + [
            (1, 5 + t, 1, 0, y) for t, y in enumerate((2, 0, 1, 0))
        ]
        fit = standardise(followed(rows), np.repeat([1.0, 2.0], [5, 4]), 2)
        assert math.exp(fit.log_ratio) == pytest.approx(1.875 / 2, abs=EXACT)

    def test_composition_by_time_since_the_peak_drops_out(self):
        """Rates 2 and 1 in two bands in both eras; before launch mostly the high band. Crude 8/7, held equal 1."""
        rows = [
            (0, 0, 0, 0, 2.0),
            (1, 1, 0, 0, 2.0),
            (2, 2, 0, 1, 1.0),
            (3, 3, 1, 0, 2.0),
            (4, 4, 1, 1, 1.0),
            (5, 5, 1, 1, 1.0),
        ]
        assert standardise(followed(rows), np.ones(6), 6).log_ratio == pytest.approx(0.0, abs=EXACT)

    def test_variances_add_up_with_their_degrees_of_freedom(self):
        """0.03 with 10 and 0.01 with 5: 0.04, and 0.04^2 / (0.03^2/10 + 0.01^2/5) = 14.545."""
        total = Part.total([Part(0.03, 10), Part(0.01, 5)])
        assert (total.variance, total.df) == pytest.approx((0.04, 0.0016 / (0.00009 + 0.00002)))


class TestDerivatives:
    @pytest.fixture
    def case(self) -> tuple[Followed, np.ndarray]:
        rng = np.random.default_rng(5)
        n = 400
        data = Followed(rng.integers(0, 40, n), rng.integers(0, 12, n), np.zeros(n, int), rng.integers(0, 3, n),
                        rng.poisson(0.6, n).astype(float), np.ones(n))  # fmt: skip
        return replace(data, era=(data.month >= 6).astype(int)), 1 + 0.1 * rng.random(12)

    def test_gradient_is_what_a_shock_to_a_month_does(self, case):
        data, control = case
        base, step = standardise(data, control, 40), 1e-5
        fitted_means = base.means.sum(axis=(0, 2))
        for month in (2, 9):
            shocked = replace(
                data, outcome=data.outcome + step * (data.month == month) * _expected(data, control, base)
            )
            moved = standardise(shocked, control, 40).log_ratio - base.log_ratio
            assert moved / step == pytest.approx(base.gradient[month], rel=1e-3)  # a forward difference of step 1e-5
        assert base.gradient.sum() == pytest.approx(0.0, abs=EXACT)
        assert fitted_means.sum() == pytest.approx(data.outcome.sum())

    def test_influence_is_what_one_more_of_a_person_does(self, case):
        """400 copies of everybody and one more of person 7: the log ratio moves by 1/400 of that person's influence."""
        data, control = case
        base = standardise(data, control, 40)
        copies = np.concatenate([np.tile(np.arange(400), 400), np.flatnonzero(data.person == 7)])
        more = Followed(*(getattr(data, f)[copies] for f in ("person", "month", "era", "band", "outcome", "count")))
        moved = standardise(more, control, 40).log_ratio - base.log_ratio
        assert 400 * moved == pytest.approx(base.influence[7], rel=0.01)
        assert base.influence.sum() == pytest.approx(0.0, abs=EXACT)


def _expected(data: Followed, control: np.ndarray, fit) -> np.ndarray:
    cells = data.table(len(control))
    rate = np.divide(fit.means, cells, out=np.zeros_like(cells), where=cells > 0)
    return rate[data.era, data.month, data.band]


class TestHospitalShocks:
    t, gradient, columns = np.arange(72), np.where(np.arange(72) < 36, -1, 1) / 36, np.ones((72, 1))

    def variance(self, counts: np.ndarray) -> float:
        return shock_variance(
            fit_value_series(np.log(counts + 0.5), self.columns, self.t),
            float(np.mean(1 / counts)),
            self.gradient,
            self.t,
        ).variance

    def test_a_series_quieter_than_counting_brings_none(self):
        rng = np.random.default_rng(8)
        assert self.variance(np.round(400 + 5 * rng.standard_normal(72))) == pytest.approx(0.0, abs=1e-12)

    def test_lasting_shocks_bring_much_more_than_passing_ones(self):
        found = []
        for seed in range(15):
            rng = np.random.default_rng(seed)
            lasting = np.zeros(72)
            for i in range(1, 72):
                lasting[i] = 0.85 * lasting[i - 1] + rng.normal(0, 0.08)
            found.append([self.variance(rng.poisson(500 * np.exp(s))) for s in (rng.normal(0, 0.15, 72), lasting)])
        passing, lasts = np.median(found, axis=0)
        assert lasts > 3 * passing > 0

    def test_passing_shocks_of_known_size(self):
        """Independent shocks of variance v move the difference of two means of 36 months with variance v / 18."""
        rng = np.random.default_rng(1)
        found = [self.variance(rng.poisson(2000 * np.exp(rng.normal(0, 0.1, 72)))) for _ in range(60)]
        assert np.median(found) == pytest.approx(0.01 / 18, rel=0.25)

    def test_a_noisy_control_series_widens_the_interval(self):
        """Seen through a control series of 30 a month instead of 2,500, where there are no shocks at all."""
        errors = []
        for control in (2500.0, 30.0):
            worlds = [simulate(replace(ONE, shock_sd=0.0, control_count=control), seed) for seed in range(5)]
            errors.append([OwnCohorts(4, 12).fit(w, ANALYSIS, seed=1)[0].std_error for w in worlds])
        assert np.mean(errors[1]) > 1.1 * np.mean(errors[0])


class TestEstimate:
    def test_label_and_order(self, fitted):
        assert [e.facts["role"] for e in fitted[:4]] == ["itt", "itt_beside", "itt_beside", "referred"]
        assert "historical comparison: selection removed, other changes not" in fitted[0].note
        assert fitted[2].estimand.endswith("without the control series")
        assert fitted[0].conf_method == "satterthwaite_t"

    def test_facts_are_the_arithmetic_of_the_estimate(self, fitted):
        facts = fitted[0].facts
        assert facts["rate_after"] / facts["rate_expected"] == pytest.approx(fitted[0].estimate, abs=EXACT)
        rates = fitted[0].tables["rates"].set_index("era")
        assert rates.loc["after", "rate"] / 12 == pytest.approx(facts["rate_after"], abs=EXACT)
        assert rates.loc["before", "people"] == facts["n_pre"]

    def test_draws_keep_the_interval(self, fitted):
        for estimate in fitted:
            draws = estimate.confidence(np.array([0.025, 0.5, 0.975]))
            assert draws == pytest.approx([estimate.conf_low, estimate.estimate, estimate.conf_high], rel=1e-9)

    def test_chart_adds_up(self, fitted):
        chart = fitted[0].series
        rates = fitted[0].tables["rates"].set_index("era")
        assert chart.groupby("phase")["observed"].sum()["after"] == rates.loc["after", "events"]
        assert chart["fitted"].sum() == pytest.approx(chart["observed"].sum())
        after = chart[chart["phase"] == "after"]
        assert (after["fitted"] / after["expected"]).to_numpy() == pytest.approx(fitted[0].estimate)
        assert (chart["persons"] <= chart["observed"]).all()

    def test_follow_up_before_launch_is_cut_there(self, single, fitted):
        """Nothing after launch can change what the cohort before launch did."""
        cells = single.person_cells
        wiped = replace(
            single, person_cells=cells.assign(**{OUTCOME: cells[OUTCOME].where(cells["t"] < 36, cells[OUTCOME] * 2)})
        )
        before = [
            e[0].tables["rates"].set_index("era").loc["before"]
            for e in (fitted, OwnCohorts(4, 12).fit(wiped, ANALYSIS, seed=1))
        ]
        assert before[0].equals(before[1])

    def test_no_control_series_is_said(self, single, fitted):
        bare = replace(single, cells=single.cells.drop(columns=[CONTROL]), outcomes=single.outcomes[:1])
        estimates = OwnCohorts(4, 12).fit(bare, ANALYSIS, seed=1)
        assert f"no series '{CONTROL_SERIES}': secular change is not taken out" in estimates[0].note
        assert estimates[0].estimate == pytest.approx(fitted[2].estimate, rel=1e-9)
        assert len([e for e in estimates if e.facts["role"] != "deaths_beside"]) == 3

    def test_two_trusts_are_pooled_by_what_was_expected(self):
        both = simulate(replace(ONE, people=6000, hospitals=2, launches=(36, 40)), 2)
        pooled = OwnCohorts(4, 12).fit(both, ANALYSIS, seed=1)[0]
        each = []
        for name in ("H01", "H02"):
            beside = both.units.assign(group=["" if u == name else BESIDE for u in both.units.index])
            each.append(OwnCohorts(4, 12).fit(replace(both, units=beside), ANALYSIS, seed=1)[0])
        observed = [e.tables["rates"].set_index("era").loc["after", "events"] for e in each]
        expected = sum(o / e.estimate for o, e in zip(observed, each, strict=True))
        assert pooled.estimate == pytest.approx(sum(observed) / expected, rel=1e-9)
        assert pooled.n_treated == 2
        assert pooled.std_error < max(e.std_error for e in each)

    def test_money_uses_the_same_cohorts(self, single, fitted):
        cells = single.person_cells.assign(hospital_cost=single.person_cells[OUTCOME] * 2000.0)
        outcomes = (*single.outcomes, replace(single.outcomes[0], name="hospital_cost", kind="cost"))
        money = replace(single, person_cells=cells, outcomes=outcomes)
        cost = OwnCohorts(4, 12).fit(money, replace(ANALYSIS, outcome="hospital_cost"), seed=1)[0]
        assert cost.scale == "ratio"
        assert (cost.estimate, cost.std_error) == pytest.approx((fitted[0].estimate, fitted[0].std_error), rel=1e-9)

    def test_fewer_than_six_months_is_monitoring(self, single):
        late = replace(single, units=single.units.assign(start_t=single.units["start_t"] + 31))
        estimates = OwnCohorts(4, 12).fit(late, ANALYSIS, seed=1)
        assert [e.status for e in estimates] == ["monitoring_only"]
        assert not estimates[0].finite

    def test_bounds_for_deaths_hold_the_estimate_nearly(self, single, fitted):
        own, zero = OwnCohorts(4, 12).death_bounds(single, ANALYSIS)
        assert abs(own / fitted[0].estimate - 1) < 0.05
        assert abs(zero / fitted[0].estimate - 1) < 0.10
        assert own != zero


class TestRefusals:
    def words(self, panel: Panel, **options: object) -> list[Problem]:
        return OwnCohorts(**{"rule_count": 4, "rule_months": 12, **options}).objections(panel, ANALYSIS)  # type: ignore[arg-type]

    def test_history_too_short(self, single):
        early = replace(single, units=single.units.assign(start_t=single.units["start_t"] - 1))
        (problem,) = self.words(early)
        assert problem.code == "E439"
        assert (
            "35 months before launch where 36 are needed: 24 to tell who newly meets the rule, and 12 of full follow-up"
            in problem.what
        )
        assert "regression-to-the-mean prediction" in problem.do

    def test_too_few_people(self):
        (problem,) = self.words(simulate(replace(ONE, people=200), 1))
        assert "fewer than 30 people or 20 admissions" in problem.what

    def test_no_people(self, single):
        (problem,) = self.words(replace(single, people=None, person_cells=None))
        assert "no people" in problem.what

    def test_fits(self, single):
        assert self.words(single) == []


@pytest.mark.parametrize("effect", [1.0, 0.6])
def test_recovers_the_truth_over_six_seeds(effect):
    """Regression to the mean is in both cohorts: no effect reads 1.00, and an effect reads as large as it is."""
    errors, misses = [], 0
    for seed in range(6):
        first = OwnCohorts(4, 12).fit(simulate(replace(ONE, effect=effect), 400 + seed), ANALYSIS, seed=1)[0]
        f = first.facts
        reached = f["rate_on_team"] * f["on_team_person_months"] / (f["rate_after"] * f["post_person_months"])
        truth = 1 / (reached / effect + 1 - reached)
        errors.append(math.log(first.estimate / truth))
        misses += not first.conf_low <= truth <= first.conf_high
    assert abs(np.mean(errors)) < SIX_SEEDS
    assert misses <= 2
