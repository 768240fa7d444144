"""The checks of a site comparison: each finds what was planted and keeps quiet where nothing was."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from aaot_eval.checks import Check
from aaot_eval.checks.leave_one_site_out import LeaveOneSiteOut
from aaot_eval.checks.placebo_date import PlaceboDate
from aaot_eval.checks.placebo_outcome import PlaceboOutcome
from aaot_eval.checks.pre_trend import PreTrend
from aaot_eval.checks.site_exchangeability import SiteExchangeability
from aaot_eval.estimators.site_did import SiteDid
from aaot_eval.results import Analysis, CheckResult, Estimate, Panel
from aaot_eval.wording import one_sided_limits
from tests.builders import site_panel

OUTCOME = "alcohol_specific_emergency"
CONTROL = "non_alcohol_emergency"
ANALYSIS = Analysis("site_did", "sites", "site_did", OUTCOME, primary=True)
ESTIMATE = Estimate("site_did", "sites", "site_did", OUTCOME, "ratio of rates", "rate_ratio", 0.9)
STARTS = [30, 33, 36, *[None] * 11]


def noise(seed: int, n: int = 14, n_t: int = 54, mean: float = 150.0, shock: float = 0.03) -> np.ndarray:
    rng = np.random.default_rng(seed)
    size = mean * np.exp(0.2 * rng.standard_normal((n, 1)))
    return rng.poisson(size * np.exp(shock * rng.standard_normal((n, n_t)))).astype(float)


def run(check: Check, panel: Panel, **options: object) -> CheckResult:
    return check.run(SiteDid(**options), panel, ANALYSIS, ESTIMATE, seed=1)


def planted(change: Callable[[np.ndarray], None] | None = None, *, seed: int = 2, starts: list = STARTS) -> Panel:
    counts = noise(seed, n=len(starts))
    if change:
        change(counts)
    return site_panel({OUTCOME: counts.round(), CONTROL: noise(seed + 50, n=len(starts))}, starts)


def drift(counts: np.ndarray) -> None:
    counts[:3] *= np.exp(0.12 * np.arange(54) / 12)


def bad_year(counts: np.ndarray) -> None:
    for site in range(3):
        counts[site, STARTS[site] - 12 : STARTS[site]] *= 1.3


def effect(counts: np.ndarray) -> None:
    for site in range(3):
        counts[site, STARTS[site] :] *= 0.75


class TestPreTrend:
    def test_quiet_without_drift(self) -> None:
        found = run(PreTrend(), planted())
        assert found.verdict == "pass"
        assert abs(found.statistic) < 0.06
        assert found.threshold

    def test_an_effect_is_no_drift(self) -> None:
        plain, treated = run(PreTrend(), planted()), run(PreTrend(), planted(effect))
        assert treated.verdict == "pass"
        assert treated.statistic == pytest.approx(plain.statistic, abs=0.02)

    def test_finds_the_drift_and_carries_it_on(self) -> None:
        found = run(PreTrend(), planted(drift))
        assert found.verdict == "fail"
        assert found.p_value < 0.01
        assert found.statistic == pytest.approx(0.12, abs=0.05)
        assert found.facts["carried_on"] == pytest.approx(found.statistic * 27 / 12)
        assert "a year relative to the others" in found.sentence
        assert f"ratio of {math.exp(found.facts['carried_on']):.2f}" in found.sentence

    def test_one_treated_site_cannot_be_judged(self) -> None:
        found = run(PreTrend(), planted(starts=[30, *[None] * 13]))
        assert found.verdict == "not_evaluable"
        assert "no p below 0.071" in found.sentence

    def test_slope_of_a_straight_line(self) -> None:
        # Log rates that rise by 0.10 a year in the treated sites and 0.04 in the others: the drift is 0.06.
        slope = np.where(np.arange(14) < 3, 0.10, 0.04)[:, None]
        counts = 1e6 * np.exp(slope * np.arange(54) / 12)
        found = run(PreTrend(), site_panel({OUTCOME: counts.round()}, STARTS))
        assert found.statistic == pytest.approx(0.06, abs=1e-4)


class TestSiteExchangeability:
    def test_quiet_among_like_sites(self) -> None:
        found = run(SiteExchangeability(), planted(effect))
        assert found.verdict == "pass"
        assert set(found.table["measure"]) == {"level", "trend a year", "last year against the year before"}
        assert "no more than chance would give" in found.sentence

    def test_a_bad_last_year_fails(self) -> None:
        found = run(SiteExchangeability(), planted(bad_year))
        assert found.verdict == "fail"
        row = found.table.set_index("measure").loc["last year against the year before"]
        assert row["difference"] == pytest.approx(1.3, abs=0.06)
        assert "last year against the year before" in found.sentence

    def test_another_level_warns_and_no_more(self) -> None:
        def twice(counts: np.ndarray) -> None:
            counts[:3] *= 3

        found = run(SiteExchangeability(), planted(twice))
        assert found.verdict == "warn"
        assert "the level differs" in found.sentence

    def test_size_is_compared_when_populations_differ(self) -> None:
        population = np.r_[[1_000_000.0] * 3, np.linspace(200_000, 300_000, 11)]
        found = run(SiteExchangeability(), site_panel({OUTCOME: noise(3)}, STARTS, population=population))
        assert found.table.set_index("measure").loc["size", "difference"] == pytest.approx(4.05, abs=0.1)

    def test_one_treated_site_is_warned_of_a_bad_year_by_its_size(self) -> None:
        starts = [30, *[None] * 13]
        assert run(SiteExchangeability(), planted(bad_year_of_one, starts=starts)).verdict == "warn"
        assert run(SiteExchangeability(), planted(starts=starts)).verdict == "not_evaluable"


def bad_year_of_one(counts: np.ndarray) -> None:
    counts[0, 18:30] *= 1.4


class TestLeaveOneSiteOut:
    def test_an_effect_in_every_site_stands(self) -> None:
        found = run(LeaveOneSiteOut(), planted(effect))
        assert found.verdict == "pass"
        assert len(found.table) == 14
        assert found.facts["low"] <= 0.75 <= found.facts["high"] + 0.03
        assert "the direction stays" in found.sentence

    def test_an_effect_of_one_site_alone_warns(self) -> None:
        def one(counts: np.ndarray) -> None:
            counts[0, 30:] *= 0.35

        found = run(LeaveOneSiteOut(), planted(one))
        assert found.verdict in ("warn", "fail")
        assert found.facts["furthest"] == "S01"
        assert "S01 (treated)" in found.sentence

    def test_no_effect_stays_none(self) -> None:
        found = run(LeaveOneSiteOut(), planted())
        assert found.verdict == "pass"
        assert "no single site hides or makes a change" in found.sentence

    def test_refits_are_the_estimates_of_smaller_panels(self) -> None:
        panel = planted(effect)
        table = run(LeaveOneSiteOut(), panel).table.set_index("unit")
        units = panel.units.drop(index="S02")
        smaller = replace(panel, units=units, cells=panel.cells[panel.cells["unit"] != "S02"].reset_index(drop=True))
        assert table.loc["S02", "effect"] == pytest.approx(
            SiteDid().fit(smaller, ANALYSIS, seed=1)[0].estimate, rel=1e-9
        )

    def test_two_sites_are_too_few(self) -> None:
        found = run(LeaveOneSiteOut(), planted(starts=[30, None]))
        assert found.verdict == "not_evaluable"


class TestPlaceboOutcome:
    def test_quiet_where_the_control_stood_still(self) -> None:
        found = run(PlaceboOutcome(), planted(effect))
        assert found.verdict == "pass"
        assert found.statistic == pytest.approx(1.0, abs=0.05)

    def test_speaks_where_everything_fell(self) -> None:
        counts, control = noise(2), noise(52)
        effect(counts)
        effect(control)
        found = run(PlaceboOutcome(), site_panel({OUTCOME: counts.round(), CONTROL: control.round()}, STARTS))
        assert found.verdict == "fail"
        assert "something else than the service" in found.sentence

    def test_without_the_control_outcome(self) -> None:
        found = run(PlaceboOutcome(), site_panel({OUTCOME: noise(2)}, STARTS))
        assert found.verdict == "not_evaluable"
        assert "no non-alcohol emergency admissions" in found.sentence

    def test_the_control_outcome_is_no_control_of_itself(self) -> None:
        panel = planted()
        own = replace(ANALYSIS, outcome=CONTROL)
        found = PlaceboOutcome().run(SiteDid(), panel, own, ESTIMATE, seed=1)
        assert found.verdict == "not_evaluable"

    def test_one_treated_site_cannot_be_judged(self) -> None:
        assert run(PlaceboOutcome(), planted(starts=[30, *[None] * 13])).verdict == "not_evaluable"


@pytest.mark.parametrize("check", [PreTrend(), SiteExchangeability(), LeaveOneSiteOut()])
def test_no_sites_to_compare(check: Check) -> None:
    panel = planted()
    found = run(check, replace(panel, units=panel.units.assign(start_t=30)))
    assert found.verdict == "not_evaluable"
    assert "no comparison units" in found.sentence


def dated(panel: Panel) -> CheckResult:
    """The check beside a result that claims nothing, so that its own verdict shows."""
    real = replace(ESTIMATE, p_value=0.5)
    return PlaceboDate().run(SiteDid(), panel, ANALYSIS, real, seed=1)


class TestPlaceboDate:
    def test_p_is_the_rank_of_the_treated_sites_among_all_that_could_have_been(self) -> None:
        """Every pair of seven sites in turn as the treated ones, each judged by itself: the shares of them are the p."""
        counts = noise(7, n=7, n_t=44, shock=0.08)
        counts[:2, 18:] *= 1.2

        def with_service(pair: tuple[int, ...]) -> CheckResult:
            starts = [38 if site in pair else None for site in range(7)]
            return dated(site_panel({OUTCOME: counts.round()}, starts))

        found = {pair: with_service(pair) for pair in combinations(range(7), 2)}
        dates = {pair: result.facts["below"] for pair, result in found.items()}
        assert max(dates.values()) > 2
        for pair, result in found.items():
            assert result.p_value == pytest.approx(np.mean([d >= dates[pair] for d in dates.values()])), pair

    def test_sites_that_stepped_apart_before_the_start_are_doubted_and_others_not(self) -> None:
        def step(counts: np.ndarray) -> None:
            counts[:3, 15:] *= 1.3

        found = dated(planted(step))
        assert found.verdict in ("warn", "fail")
        assert found.p_value < 0.05
        assert "Other sites in the place of the treated" in found.sentence
        assert dated(planted()).verdict == "pass"
        assert dated(planted(effect)).verdict == "pass"


#: The p-value function is known every 0.02 of the log ratio and straight between.
BETWEEN_STEPS = 0.006


@pytest.mark.parametrize("seed", [1, 5])
def test_one_sided_limits_are_the_90_per_cent_interval_of_the_same_inference(seed: int) -> None:
    panel = site_panel({OUTCOME: noise(seed, shock=0.1)}, STARTS)
    estimate = SiteDid(beside=False, tables=False).fit(panel, ANALYSIS, seed=1)[0]
    narrower = SiteDid(beside=False, tables=False, conf_level=0.9).fit(panel, ANALYSIS, seed=1)[0]
    low, high = one_sided_limits(estimate)
    assert low == pytest.approx(narrower.conf_low, abs=BETWEEN_STEPS)
    assert high == pytest.approx(narrower.conf_high, abs=BETWEEN_STEPS)
    assert estimate.conf_low <= low <= 1.1
    assert one_sided_limits(replace(estimate, confidence=None)) == (estimate.conf_low, estimate.conf_high)
