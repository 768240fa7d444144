"""A check of robustness refits the estimator whose estimate it is said to test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aaot_eval.checks import CHECKS
from aaot_eval.checks._refits import MOST, without_period, without_unit
from aaot_eval.estimators import build_estimator
from aaot_eval.results import Analysis, CheckResult, Estimate, Panel
from tests.builders import site_panel

OUTCOME = "alcohol_specific_emergency"
CONTROL = "non_alcohol_emergency"
SITE_ESTIMATORS = ("group_time", "event_study", "imputation", "triple_difference", "synthetic_did")


def growing(n: int = 12, n_t: int = 40) -> Panel:
    """Two cohorts whose effect grows, so that estimators with other weights give other numbers."""
    rng = np.random.default_rng(5)
    mean = np.full((n, n_t), 150.0)
    for site, start in enumerate((18, 18, 28)):
        mean[site, start:] *= np.exp(-0.03 * np.arange(1, n_t - start + 1))
    return site_panel(
        {OUTCOME: rng.poisson(mean), CONTROL: rng.poisson(300, (n, n_t))}, [18, 18, 28, *[None] * (n - 3)]
    )


def run(name: str, check: str, panel: Panel) -> tuple[Estimate, CheckResult, Analysis]:
    analysis = Analysis(name, "sites", name, OUTCOME, primary=True)
    estimator = build_estimator(name, {})
    found = estimator.fit(panel, analysis, seed=1)[0]
    return found, CHECKS[check]().run(estimator, panel, analysis, found, seed=1), analysis


@pytest.mark.parametrize("name", SITE_ESTIMATORS)
def test_leaving_out_a_site_refits_the_estimator_tested(name: str) -> None:
    panel = growing(8, 32)
    found, result, analysis = run(name, "leave_one_site_out", panel)
    assert result.table is not None
    assert f"moves the estimate of {found.estimate:.2f} to" in result.sentence
    assert result.facts["low"] <= found.estimate <= result.facts["high"]
    unit = str(result.table["unit"].iloc[-1])
    direct = build_estimator(name, {}).fit(without_unit(panel, unit), analysis, seed=1)[0]
    assert result.table["effect"].iloc[-1] == pytest.approx(direct.estimate, rel=1e-9)


@pytest.mark.parametrize("name", SITE_ESTIMATORS)
def test_leaving_out_a_period_refits_the_estimator_tested(name: str) -> None:
    panel = growing(8, 32)
    found, result, analysis = run(name, "leave_one_month_out", panel)
    assert result.table is not None
    assert result.facts["low"] <= found.estimate <= result.facts["high"]
    assert len(result.table) <= MOST
    label = result.table["period"].iloc[-1]
    t = int(np.flatnonzero(panel.periods["label"].astype(str) == label)[0])
    direct = build_estimator(name, {}).fit(without_period(panel, t), analysis, seed=1)[0]
    assert result.table["estimate"].iloc[-1] == pytest.approx(direct.estimate, rel=1e-9)
    assert "nearest a start" in result.sentence


def test_one_site_that_carries_it_all_is_found_by_any_estimator() -> None:
    rng = np.random.default_rng(3)
    mean = np.full((12, 40), 150.0)
    mean[0, 18:] *= 0.25
    panel = site_panel({OUTCOME: rng.poisson(mean)}, [18, 18, 28, *[None] * 9])
    found, result, _ = run("group_time", "leave_one_site_out", panel)
    assert result.facts["furthest"] == "S01"
    claimed = replace(found, p_value=0.01)
    estimator = build_estimator("group_time", {})
    analysis = Analysis("group_time", "sites", "group_time", OUTCOME, primary=True)
    again = CHECKS["leave_one_site_out"]().run(estimator, panel, analysis, claimed, seed=1)
    assert again.verdict in ("warn", "fail")
