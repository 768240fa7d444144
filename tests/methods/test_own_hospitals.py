"""Hospitals in own pre-launch cohorts: several trusts as random, the ratio of two groups, phases; each by hand, and the stored simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from aaot_eval.estimators import _phases
from aaot_eval.estimators._own_hospitals import Part, apart, over_trusts
from aaot_eval.estimators._own_parts import ratio_variance
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.results import BESIDE, Analysis, Panel, generator
from benchmarks.own_cohorts_hospitals import CELLS, THREE, read_groups, read_trusts, with_levels
from benchmarks.patient_worlds import COVERAGE, FALSE_ALARMS, ONE, OUTCOME, binomial, simulate

ANALYSIS = Analysis("own_cohorts", "own_cohorts", "own_cohorts", OUTCOME)
# Rounding of floats only.
EXACT = 1e-9
# The search for the variance between trusts stops at about this.
SEARCHED = 1e-7


@dataclass(frozen=True)
class White:
    """Shocks of variance `v` each month, without memory: the variance of what has gradient g is v g'g."""

    v: float

    def wider(self, gradient: np.ndarray, beside: Part, level: float) -> tuple[str, Part]:
        return "white", Part(self.v * float(gradient @ gradient), 10.0)


def group(people: float, gradient: tuple[float, ...], shocks: float, log_ratio: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(people=Part(people, 50.0), shocks=White(shocks), fit=SimpleNamespace(gradient=np.array(gradient), log_ratio=log_ratio))  # fmt: skip


@pytest.fixture(scope="module")
def three() -> Panel:
    """Each with a lasting change of its own, sd 0.6 (no admission is added)."""
    return with_levels(THREE, 0.6, 4)


@pytest.fixture
def table(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / "docs" / "results" / "own_cohorts_hospitals.csv", keep_default_na=False)


class TestSeveralTrusts:
    share = np.full(3, 1 / 3)

    def test_three_trusts_by_hand(self):
        """Logs -0.3, 0, 0.3 with variance 0.01 each: 0.18 / (0.01 + tau2) = 2, so tau2 = 0.08; (0.01 + 0.08) / 3 = 0.03, t(2)."""
        found = over_trusts([-0.3, 0.0, 0.3], [[Part(0.01, 40.0)]] * 3, self.share)
        assert (found.variance, found.df, found.between) == (pytest.approx(0.03, abs=SEARCHED), 2.0, True)

    def test_trusts_that_agree_keep_their_own_error(self):
        """0.01 / 3, of which 0.006 / 3 with 40 and 0.004 / 3 with 8 in each of three: 0.01^2 / (0.006^2 / 120 + 0.004^2 / 24)."""
        found = over_trusts([0.1, 0.1, 0.1], [[Part(0.006, 40.0), Part(0.004, 8.0)]] * 3, self.share)
        assert not found.between
        assert (found.variance, found.df) == pytest.approx((0.01 / 3, 1e-4 / (3.6e-5 / 120 + 1.6e-5 / 24)), rel=EXACT)

    def test_two_trusts_cannot_tell(self):
        own = Part(0.02, 12.0)
        assert apart([-0.5, 0.5], [0.01, 0.01], np.full(2, 0.5), own) == own

    def test_fewer_degrees_of_freedom_within_stay(self):
        found = apart([-1.0, 1.0] * 5, [0.01] * 10, np.full(10, 0.1), Part(0.001, 5.0))
        assert (found.df, found.between) == (5.0, True)

    @pytest.mark.parametrize("tau", [0.0, 0.15, 0.3])
    def test_three_trusts_are_covered_whether_they_differ_or_not(self, tau):
        """Trusts' own errors 0.17 and a spread from none to twice that, 1,500 draws: 95 % to within what the band of the benchmarks allows."""
        rng, own = generator(1, "three trusts", int(100 * tau)), Part(0.17**2 / 3, 40.0)
        logs = rng.normal(0, math.hypot(0.17, tau), (1500, 3))
        half = np.array([apart(list(y), [0.17**2] * 3, self.share, own).half_width(0.95) for y in logs])
        assert COVERAGE[0] <= float((np.abs(logs.mean(axis=1)) <= half).mean()) <= 0.99


class TestRatioOfGroups:
    def test_shocks_of_the_whole_hospital_go_out_and_those_of_a_group_stay(self):
        """Both groups meet the hospital's shocks at the same times: 0.03 + 0.05 from people, 2 x 0.01 from one group against the other."""
        one, two = ({0: (1.0, group(v, (1.0, -1.0), 0.04))} for v in (0.03, 0.05))
        assert ratio_variance(one, two, {0: White(0.01)}).variance == pytest.approx(0.10, abs=EXACT)

    def test_met_at_other_times_they_stay(self):
        """Gradients (1, 0) and (0, 1): the hospital's 0.04 x 2, and 0.01 x (0.5^2 + 0.5^2) of the groups."""
        one, two = {0: (1.0, group(0.03, (1.0, 0.0), 0.04))}, {0: (1.0, group(0.05, (0.0, 1.0), 0.04))}
        assert ratio_variance(one, two, {0: White(0.01)}).variance == pytest.approx(0.08 + 0.08 + 0.005, abs=EXACT)

    def test_three_trusts_in_which_the_ratio_differs(self):
        """People 0.005 + 0.005 a trust and no shocks; differences -0.3, 0, 0.3: as three trusts with one log each."""
        parts = [(d, group(0.005, (0.0, 0.0), 0.0, d), group(0.005, (0.0, 0.0), 0.0)) for d in (-0.3, 0.0, 0.3)]
        one, two = ({u: (1 / 3, p[k]) for u, p in enumerate(parts)} for k in (1, 2))
        found = ratio_variance(one, two, {})
        assert (found.variance, found.df) == (pytest.approx(0.03, abs=SEARCHED), 2.0)


class TestEstimates:
    def test_three_trusts_lead_with_their_spread(self, three):
        rows = OwnCohorts(4, 12).fit(three, ANALYSIS, seed=1)
        head = rows[0]
        assert head.conf_method == "random_effects_t"
        assert head.inference.endswith("trusts as random, t(2)")
        each = [e for e in rows if e.facts.get("role") == "trust"]
        assert [e.unit for e in each] == ["H01", "H02", "H03"]
        observed = head.tables["rates"].set_index("era").loc["after", "events"]
        assert head.estimate == pytest.approx(observed / (head.facts["rate_expected"] * head.facts["post_person_months"]), rel=EXACT)  # fmt: skip
        table = rows[-1].tables["pooling"]
        assert list(table["kind"]) == ["site", "site", "site", "mean", "further site"]
        assert rows[-1].estimand.endswith("mean over trusts")
        assert not rows[-1].primary

    def test_a_trust_of_several_is_what_it_is_alone(self, three):
        rows = OwnCohorts(4, 12).fit(three, ANALYSIS, seed=1)
        beside = three.units.assign(group=["" if u == "H02" else BESIDE for u in three.units.index])
        alone = OwnCohorts(4, 12).fit(replace(three, units=beside), ANALYSIS, seed=1)
        own = next(e for e in rows if e.unit == "H02")
        assert (own.estimate, own.conf_low, own.conf_high) == pytest.approx(
            (alone[0].estimate, alone[0].conf_low, alone[0].conf_high), rel=EXACT
        )
        assert alone[0].conf_method == "satterthwaite_t"
        assert not [e for e in alone if e.facts.get("role") in ("trust", "trusts_mean")]

    def test_two_trusts_keep_their_own_error_and_show_the_mean(self):
        rows = OwnCohorts(4, 12).fit(simulate(replace(THREE, hospitals=2, launches=(36, 40)), 2), ANALYSIS, seed=1)
        assert rows[0].conf_method == "satterthwaite_t"
        assert rows[-1].facts["role"] == "trusts_mean"
        assert "two sites cannot say what a further site would see" in rows[-1].note
        assert rows[-1].conf_high - rows[-1].conf_low > rows[0].conf_high - rows[0].conf_low


class TestPhases:
    def test_limits_by_hand(self):
        """Ten events where ten were expected, by two people: people (5-5)^2 = 0; months moved apart by (1, -1): reach given."""
        told = []
        reach = lambda g, v: told.append((g.tolist(), v)) or math.log(2.0)  # noqa: E731
        own, theirs = np.array([[10.0, 0.0]]), np.array([[0.0, 10.0]])
        found = _phases._ratio(np.array([5.0, 5.0]), np.array([5.0, 5.0]), own, theirs, reach)
        assert found == pytest.approx((1.0, 0.5, 2.0))
        assert told == [([[1.0, -1.0]], 0.0)]

    def test_hospital_shocks_are_in_the_limits_of_one_trust(self, monkeypatch):
        panel = simulate(ONE, 3)
        people = panel.people
        last = len(panel.periods) - 1
        ended = (people["referral_t"] + 4).where(people["referral_t"] + 4 < last)
        panel = replace(panel, people=people.assign(ended_t=ended.astype("Int64")))
        whole = OwnCohorts(4, 12).fit(panel, ANALYSIS, seed=1)[0].tables["phases"]
        ratio = _phases._ratio
        monkeypatch.setattr(_phases, "_ratio", lambda *a: ratio(*a[:4], None))
        people_alone = OwnCohorts(4, 12).fit(panel, ANALYSIS, seed=1)[0].tables["phases"]
        assert whole["ratio"].tolist() == people_alone["ratio"].tolist()
        wider = np.log(whole["conf_high"] / whole["conf_low"]) / np.log(people_alone["conf_high"] / people_alone["conf_low"])  # fmt: skip
        # The year before lies in other months than the comparison too, so every phase gains.
        assert (wider > 1.02).all()


class TestStored:
    def test_every_cell_is_inside_the_bands(self, table):
        assert list(table["world"]) == list(CELLS)
        assert (table["fails"] == "").all()
        for r in table.itertuples():
            assert binomial(round(r.covers * r.seeds), r.seeds)[1] >= COVERAGE[0]
            assert binomial(round(r.p_below_05 * r.seeds), r.seeds)[0] <= FALSE_ALARMS

    def test_what_the_parts_are_for(self, table):
        """Where a trust or a group has changes of its own, the interval without the part covers less than it should and than ours."""
        moved = table[table["world"].str.contains("of sd")]
        assert (moved["covers_without"] < moved["covers"]).all()
        assert (table["half_width_without"] <= table["half_width"]).all()

    def test_a_small_sample_is_finite(self):
        for read, world in ((read_trusts, THREE), (read_groups, ONE)):
            log_ratio, half, p, narrow = read(world, 0.15, 1)
            assert half >= narrow > 0
            assert 0 <= p <= 1
            assert abs(log_ratio) < 1
