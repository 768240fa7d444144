"""The controlled series: known answers, shocks that strike both, many areas, refusals in words."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aaot_eval.config import RunConfig
from aaot_eval.design import choose_analyses
from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._count_series import fit_share_series
from aaot_eval.estimators._glm import fit_binomial
from aaot_eval.estimators.controlled_its import ControlledTimeSeries
from aaot_eval.results import Analysis, Estimate, OutcomeSpec, Panel, generator
from tests.builders import month_frame, site_panel

ANALYSIS = Analysis("controlled_its", "controlled_series", "controlled_its", "stays")
EXACT = 1e-8
MONTHS, START = 60, 30


def fit(panel: Panel, **settings: Any) -> tuple[Estimate, ...]:
    estimator = ControlledTimeSeries(**{"sensitivity": False} | settings)
    assert estimator.objections(panel, ANALYSIS) == []
    return estimator.fit(panel, ANALYSIS, seed=1)


def areas(controls: int, ratio: float, *, shock: float = 0.2, own: float = 0.0, seed: int = 1) -> Panel:
    rng = generator(seed, "test_controlled", controls)
    t = np.arange(MONTHS)
    common = rng.normal(0, shock, MONTHS)
    late = (t >= START) * rng.normal(0, own, (controls + 1, 1))
    mu = 150 * np.exp(0.1 * np.cos(2 * np.pi * t / 12) + common + late)
    mu[0] *= np.where(t >= START, ratio, 1.0)
    return site_panel({"stays": rng.poisson(mu)}, [START] + [None] * controls, first="2012-04")


class TestByHand:
    def test_a_shock_that_strikes_both_leaves_no_trace(self) -> None:
        d = month_frame("2012-04", MONTHS)["days"].to_numpy()
        shock = np.where(np.arange(MONTHS) % 7 == 3, 3, 1)
        late = np.arange(MONTHS) >= START
        treated = 10 * d * shock * np.where(late, 4, 5)
        panel = site_panel({"stays": np.array([treated, 20 * d * shock])}, [START, None], first="2012-04")
        (found,) = fit(panel)
        assert found.estimate == pytest.approx(0.8, rel=EXACT)
        assert found.facts["averted"] == pytest.approx(treated[late].sum() / 4, rel=EXACT)  # 5 instead of 4
        assert found.scale == "rate_ratio"

    def test_two_totals(self) -> None:
        # Shares 60/180 and 40/160 of independent counts: log odds ratio with the sum of the reciprocals as variance.
        y = np.array([12.0, 8, 11, 9, 11, 9, 8, 5, 8, 6, 7, 6])
        n = np.array([30.0, 30, 30, 30, 30, 30, 27, 26, 27, 27, 26, 27])
        X = np.column_stack([np.ones(12), np.arange(12) >= 6]).astype(float)
        found = fit_share_series(y, n, X, np.zeros(12), np.arange(12))
        level = found.coefficient(1)
        assert found.rho == 0.0
        assert found.phi == 1.0
        assert level.estimate == pytest.approx(math.log((40 / 120) / (60 / 120)), rel=EXACT)
        assert level.std_error == pytest.approx(math.sqrt(1 / 60 + 1 / 120 + 1 / 40 + 1 / 120), rel=1e-6)
        assert fit_binomial(y, n, X, np.zeros(12)).beta == pytest.approx(found.beta, rel=1e-6)

    def test_values_are_compared_by_difference(self) -> None:
        rng = generator(2, "values")
        common, noise = rng.normal(0, 5, MONTHS), rng.normal(0, 0.1, (2, MONTHS))
        late = np.arange(MONTHS) >= START
        y = np.array([50 - 3 * late, 70 + 0 * late]) + common + noise
        panel = site_panel({"stays": y}, [START, None], first="2012-04")
        cells = panel.cells.assign(stays_persons=np.nan)
        (found,) = fit(replace(panel, cells=cells, outcomes=(OutcomeSpec("stays", "stays", "continuous"),)))
        assert found.scale == "difference"
        assert found.conf_low < -3 < found.conf_high
        assert found.conf_high - found.conf_low < 0.5  # the common part has a spread of 5


class TestManyAreas:
    def test_the_control_makes_the_interval_narrower_than_the_series_alone(self) -> None:
        panel = areas(3, 0.8)
        alone = build_estimator("its", {"sensitivity": False}).fit(panel, replace(ANALYSIS, design="series"), seed=1)[0]
        (found,) = fit(panel)
        assert found.conf_low < 0.8 < found.conf_high
        assert math.log(found.conf_high / found.conf_low) < 0.7 * math.log(alone.conf_high / alone.conf_low)

    def test_areas_that_change_by_themselves_widen_it(self) -> None:
        steady, restless = fit(areas(8, 1.0))[0], fit(areas(8, 1.0, own=0.2))[0]
        assert restless.facts["area_spread"] > 0.1
        assert restless.std_error > 2 * steady.std_error
        assert "Control units differed by more than chance" in restless.note
        assert "t with 7 at most" in restless.inference

    def test_stacked_rows_stand_beside_it(self) -> None:
        table = fit(areas(1, 0.8), sensitivity=True)[0].tables["sensitivity"].set_index("method")
        unrelated = table.loc["stacked quasi-Poisson, the two series unrelated"]
        shared = table.loc["stacked quasi-Poisson, errors shared within a period, lag 3"]
        assert shared["std_error"] < 0.7 * unrelated["std_error"]  # the shocks are shared, so they cancel
        assert len(table["estimate"].dropna()) >= 12
        assert "moved apart by" in fit(areas(1, 0.8))[0].note

    def test_one_control_cannot_show_changes_of_its_own(self) -> None:
        assert "Two series cannot show" in fit(areas(1, 0.8))[0].note
        assert "Two series cannot show" not in fit(areas(8, 0.8))[0].note


def with_control_outcome(panel: Panel) -> Panel:
    rng = generator(5, "control outcome")
    other = rng.poisson(200, len(panel.cells)).astype(float)
    cells = panel.cells.assign(non_alcohol_emergency=other, non_alcohol_emergency_persons=other.astype(int))
    spec = OutcomeSpec("non_alcohol_emergency", "non-alcohol emergency admissions")
    return replace(panel, cells=cells, outcomes=(*panel.outcomes, spec))


class TestControl:
    def one(self) -> Panel:
        return site_panel({"stays": generator(1, "one").poisson(100, (1, MONTHS))}, [START], first="2012-04")

    def test_a_single_site_takes_its_own_other_admissions(self) -> None:
        (found,) = fit(with_control_outcome(self.one()))
        assert "non-alcohol emergency admissions of the same site" in found.estimand
        assert found.conf_low < 1 < found.conf_high

    def test_no_control_is_refused(self) -> None:
        (problem,) = ControlledTimeSeries().objections(self.one(), ANALYSIS)
        assert problem.code == "E416"
        assert "no unit that never starts" in problem.what

    def test_the_outcome_is_not_its_own_control(self) -> None:
        (problem,) = ControlledTimeSeries(control="stays").objections(self.one(), ANALYSIS)
        assert problem.code == "E417"

    def test_a_month_without_any_event_is_left_out_and_a_missing_one_stays_missing(self) -> None:
        y = generator(1, "zero").poisson(60, (2, MONTHS)).astype(float)
        y[:, 5] = 0
        panel = site_panel({"stays": y}, [START, None], first="2012-04")
        gone = (panel.cells["t"] == 9) & (panel.cells["unit"] == "S02")
        cells = panel.cells.assign(missing=gone, stays=panel.cells["stays"].where(~gone))
        (found,) = fit(replace(panel, cells=cells))
        assert list(found.series.loc[[5, 9], "phase"]) == ["left_out", "missing"]
        assert found.facts["n_missing"] == 1
        assert found.status == "ok"

    def test_it_stands_second_by_rule(self) -> None:
        config = RunConfig.model_validate(
            {"config_version": 1, "name": "p", "data": {"panel": "p.csv"}, "study": {"outcome": "stays"}}
        )
        by_sites = choose_analyses(areas(5, 0.8), config)
        assert by_sites[0].estimator == "site_did"
        assert [a.design for a in by_sites if a.name == "controlled_its"] == ["controlled_series"]
        alone = choose_analyses(with_control_outcome(self.one()), config)
        assert alone[0].estimator == "its"
        assert "non_alcohol_emergency" in next(a.reason for a in alone if a.name == "controlled_its")


def test_a_saving_is_shared_over_the_sites_and_months_of_the_estimate() -> None:
    panel = areas(3, 0.8)
    (found,) = fit(panel)
    assert found.facts["treated"] == ["S01"]
    assert found.facts["site_periods_after"] == MONTHS - START
    own = panel.cells[(panel.cells["unit"] == "S01") & (panel.cells["t"] >= START)]
    assert found.facts["observed_after"] == own["stays"].sum()
