"""Checks that can take from a claim and never add to one: E-value, one period left out, every choice fixed beforehand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from aaot_eval.checks import CHECKS
from aaot_eval.checks.e_value import e_value
from aaot_eval.checks.specification_curve import Curve, choices
from aaot_eval.estimators.its import InterruptedTimeSeries
from aaot_eval.estimators.site_did import SiteDid
from aaot_eval.estimators.two_way import TwoWayModels
from aaot_eval.results import Analysis, Estimate, OutcomeSpec, Panel
from aaot_eval.schema import table_schema
from tests.builders import site_panel

OUTCOME = "admissions"
SITES = Analysis("site_did", "sites", "site_did", OUTCOME, primary=True)
SERIES = Analysis("its", "series", "its", OUTCOME, primary=True)


def estimate(value: float, low: float, high: float, **more: object) -> Estimate:
    return replace(
        Estimate("a", "sites", "site_did", OUTCOME, "x", "rate_ratio", value, conf_low=low, conf_high=high), **more
    )


def panel(
    seed: int = 1,
    *,
    ratio: float = 1.0,
    n: int = 12,
    starts: tuple[int, ...] = (24, 24),
    n_t: int = 48,
    first: str = "2014-04",
) -> Panel:
    rng = np.random.default_rng(seed)
    mean = rng.uniform(80, 200, n)[:, None] * np.exp(rng.normal(0, 0.05, (n, n_t)))
    for i, s in enumerate(starts):
        mean[i, s:] *= ratio
    return site_panel({OUTCOME: rng.poisson(mean)}, [*starts, *[None] * (n - len(starts))], first=first)


def of(check: str, data: Panel, estimator: object = None, analysis: Analysis = SITES):  # type: ignore[no-untyped-def]
    estimator = estimator or SiteDid()
    found = estimator.fit(data, analysis, seed=1)[0]  # type: ignore[attr-defined]
    return found, CHECKS[check]().run(estimator, data, analysis, found, seed=1)  # type: ignore[arg-type]


class TestEValue:
    def test_by_hand(self) -> None:
        assert e_value(1.0) == 1.0
        assert e_value(2.0) == pytest.approx(2 + math.sqrt(2))
        assert e_value(0.5) == e_value(2.0)
        assert e_value(3.9) == pytest.approx(7.26, abs=0.005)  # the example of VanderWeele and Ding 2017
        assert e_value(1.8) == pytest.approx(3.0)  # the end of its interval

    def check(self, found: Estimate):  # type: ignore[no-untyped-def]
        return CHECKS["e_value"]().run(SiteDid(), panel(), SITES, found, seed=1)

    def test_the_end_next_to_no_effect_decides(self) -> None:
        lower = self.check(estimate(0.5, 0.3, 0.9))
        assert lower.statistic == pytest.approx(e_value(0.9))
        assert lower.verdict == "pass"
        assert "no evidence that there is none" in lower.sentence
        higher = self.check(estimate(2.0, 1.02, 4.0))
        assert higher.statistic == pytest.approx(e_value(1.02))
        assert higher.verdict == "warn"
        assert "a weak one would do" in higher.sentence

    def test_nothing_to_explain_away(self) -> None:
        assert self.check(estimate(0.9, 0.7, 1.1)).verdict == "not_evaluable"
        assert self.check(estimate(0.9, math.nan, math.nan)).verdict == "not_evaluable"
        assert self.check(estimate(-3.0, -5.0, -1.0, scale="difference")).verdict == "not_evaluable"


class TestLeaveOneMonthOut:
    def test_one_month_that_carries_everything_fails(self) -> None:
        # Nothing happens in the treated site but one empty month: the whole fall is that month.
        counts = np.full((30, 48), 100.0)
        counts[0, 24:] = 101
        counts[0, 30] = 0
        found, result = of("leave_one_month_out", site_panel({OUTCOME: counts}, [24, *[None] * 29]))
        assert found.direction == "lower"
        assert result.verdict == "fail"
        assert "2021-10" in result.sentence
        counts[0, 30] = 101
        assert of("leave_one_month_out", site_panel({OUTCOME: counts}, [24, *[None] * 29]))[1].verdict == "pass"

    def test_each_is_a_refit_without_the_period(self) -> None:
        data = panel(2, ratio=0.8)
        _, result = of("leave_one_month_out", data)
        assert len(result.table) == 48
        left = replace(data, periods=data.periods.assign(left_out=np.arange(48) == 10))
        again = SiteDid(beside=False).fit(left, SITES, seed=1)[0]
        assert result.table["estimate"].iloc[10] == pytest.approx(again.estimate)

    def test_a_series(self) -> None:
        data = panel(3, ratio=0.7, n=1, starts=(30,))
        found, result = of("leave_one_month_out", data, InterruptedTimeSeries(sensitivity=False), SERIES)
        assert result.verdict == "pass"
        assert result.facts["low"] < found.estimate < result.facts["high"]
        assert len(result.table) == 48

    def test_no_claim_is_not_made_or_lost(self) -> None:
        found, result = of("leave_one_month_out", panel(4))
        assert found.direction == "unclear"
        assert result.verdict == "pass"
        assert "claims no direction" in result.sentence


class TestSpecificationCurve:
    def test_the_list_reads_no_count(self) -> None:
        one, two = panel(1), panel(99, ratio=0.3)
        assert choices(one, SITES, SiteDid()) == choices(two, SITES, SiteDid())
        assert len(choices(one, SITES, SiteDid())) == 2 * 2 * 2  # phase-in none or three months; past; follow-up
        assert len(choices(panel(first="2018-04"), SITES, SiteDid(phase_in=2))) == 3 * 2 * 2 * 2

    def test_other_ways_to_count_are_variants(self) -> None:
        data = panel(1)
        cells = data.cells.assign(wider=data.cells[OUTCOME] + 3)
        more = replace(data, cells=cells, outcomes=(*data.outcomes, OutcomeSpec("wider", "Wider")),
                       extra={"sensitivity_outcomes": ("wider",)})  # fmt: skip
        assert {c.outcome for c in choices(more, SITES, SiteDid())} == {OUTCOME, "wider"}

    def test_the_declared_variant_is_the_primary(self) -> None:
        found, result = of("specification_curve", panel(5, ratio=0.8))
        declared = result.table[result.table["declared"]]
        assert len(declared) == 1
        assert declared["estimate"].iloc[0] == pytest.approx(found.estimate)
        assert declared["p_value"].iloc[0] == pytest.approx(found.p_value)
        assert list(result.table["estimate"]) == sorted(result.table["estimate"])
        assert set(result.table.columns) | {"analysis"} == set(table_schema("release", "specification_curve").names)
        assert result.facts["below"] == len(result.table) == 24
        assert result.verdict == "pass"
        assert "no second proof" in result.sentence

    def test_a_claim_of_the_minority_fails(self) -> None:
        # Admissions rise after the start but for a dip in its first months: what the declared variant claims is turned by a phase-in.
        rows = panel(6, n=14)
        estimator = SiteDid()
        found = estimator.fit(rows, SITES, seed=1)[0]
        claims = replace(found, estimate=0.8, conf_low=0.7, conf_high=0.9, status="ok")
        curve = Curve.of(estimator, rows, SITES, 1).table()
        share = float((curve["estimate"] < 1).mean())
        result = CHECKS["specification_curve"]().run(estimator, rows, SITES, claims, seed=1)
        assert result.verdict == ("fail" if share < 0.5 else "warn" if share < 0.9 else "pass")
        other = replace(claims, estimate=1.2, conf_low=1.1, conf_high=1.4)
        opposite = CHECKS["specification_curve"]().run(estimator, rows, SITES, other, seed=1)
        assert {result.verdict, opposite.verdict} & {"fail", "warn"}

    def test_no_number_of_variants_makes_a_claim(self) -> None:
        found, result = of("specification_curve", panel(7))
        assert found.direction == "unclear"
        assert result.verdict == "pass"
        assert "no second proof" in result.sentence

    def test_the_joint_p_is_uniform_without_an_effect(self) -> None:
        # Mean of 16 uniform numbers: sd 0.072; three and a half of them either way.
        p = [Curve.of(SiteDid(), panel(seed + 200, n=8), SITES, 1).joint_p() for seed in range(16)]
        assert 0.25 < np.mean(p) < 0.75

    def test_only_for_the_site_comparison(self) -> None:
        result = CHECKS["specification_curve"]().run(TwoWayModels(), panel(), SITES, estimate(0.8, 0.7, 0.9), seed=1)
        assert result.verdict == "not_evaluable"
