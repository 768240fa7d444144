"""The series estimator on panels: what it answers, when it refuses, and in which words."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaot_eval.errors import InputError
from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._count_series import (
    DF_FLOOR,
    calendar_lags,
    correlation,
    fit_count_series,
    fit_count_series_with_noise,
    fit_value_series,
    fit_value_series_with_noise,
)
from aaot_eval.estimators._its_model import fit_model, harmonics, mean_model, season_pairs
from aaot_eval.estimators._series_projection import project
from aaot_eval.estimators.its import InterruptedTimeSeries, pooled
from aaot_eval.results import BESIDE, Analysis, Estimate, OutcomeSpec, Panel, generator
from aaot_eval.schema import table_schema
from benchmarks.its_coverage import as_series
from tests.builders import month_frame, site_panel

ANALYSIS = Analysis("its", "series", "its", "stays")
EXACT = 1e-9
"""Cases that are solved by hand: only rounding separates the two sides."""
SEARCH = 1e-5
"""rho comes from a bounded search that stops at 1e-7; what follows from it agrees to about its root."""


def days(first: str, n: int) -> np.ndarray:
    return month_frame(first, n)["days"].to_numpy()


def noisy(n: int, start: int, ratio: float, *, mean: float = 100.0, seed: int = 1) -> np.ndarray:
    rng = generator(seed, "test_its", n, start)
    t = np.arange(n)
    mu = mean * np.exp(0.02 * t / 12 + 0.1 * np.cos(2 * np.pi * t / 12)) * np.where(t >= start, ratio, 1.0)
    return rng.negative_binomial(mu, 0.5)


def as_kind(panel: Panel, kind: Any) -> Panel:
    """The same numbers as another kind of outcome, without people behind them."""
    cells = panel.cells.assign(stays_persons=pd.array([pd.NA] * len(panel.cells), dtype="Int64"))
    return replace(panel, cells=cells, outcomes=(OutcomeSpec("stays", "stays", kind),))


def one_site(counts: np.ndarray, start: int | None, **more: Any) -> Panel:
    return site_panel({"stays": np.atleast_2d(counts)}, [start] * len(np.atleast_2d(counts)), **more)


def fit(panel: Panel, **settings: Any) -> tuple[Estimate, ...]:
    estimator = InterruptedTimeSeries(**{"sensitivity": False} | settings)
    assert estimator.objections(panel, ANALYSIS) == []
    return estimator.fit(panel, ANALYSIS, seed=1)


class TestByHand:
    def test_ten_a_day_then_eight_a_day_is_a_ratio_of_point_eight(self) -> None:
        d = days("2010-04", 48)
        (estimate,) = fit(one_site(np.where(np.arange(48) < 24, 10 * d, 8 * d), 24, first="2010-04"))
        assert estimate.estimate == pytest.approx(0.8, rel=EXACT)
        assert estimate.scale == "rate_ratio"
        assert estimate.facts["averted"] == pytest.approx(2 * d[24:].sum(), rel=EXACT)
        assert estimate.facts["dispersion"] == 1.0
        assert "held at 1" in estimate.note

    def test_standard_error_of_two_totals(self) -> None:
        # Only an intercept and a level, independent Poisson counts: Var(log ratio) = 1/total before + 1/total after.
        y = np.array([12.0, 8, 9, 11, 10, 10, 7, 9, 8, 8, 9, 7])
        X = np.column_stack([np.ones(12), np.arange(12) >= 6]).astype(float)
        found = fit_count_series(y, X, np.zeros(12), np.arange(12))
        assert found.rho == 0.0
        assert found.phi == 1.0
        level = found.coefficient(1)
        assert level.estimate == pytest.approx(math.log(48 / 60), rel=1e-8)
        assert level.std_error == pytest.approx(math.sqrt(1 / 60 + 1 / 48), rel=1e-8)

    def test_random_effects_mean(self) -> None:
        # Log ratios 0, 0.5, 1 with variance 0.04: Q = 12.5, tau2 solves 0.5 / (0.04 + tau2) = 2, 0.21; se = sqrt(0.25 / 3).
        each = [
            Estimate("its", "series", "its", "stays", "x", "rate_ratio", math.exp(b), unit=f"S{i}", std_error=0.2, n_obs=10,
                     conf_low=math.exp(b - 0.5), conf_high=math.exp(b + 0.5))
            for i, b in enumerate((0.0, 0.5, 1.0))
        ]  # fmt: skip
        found = pooled(each)
        assert found.facts["Q"] == pytest.approx(12.5)
        assert found.facts["tau"] ** 2 == pytest.approx(0.21)
        assert found.estimate == pytest.approx(math.exp(0.5))
        assert found.std_error == pytest.approx(math.sqrt(0.25 / 3))
        assert math.log(found.conf_high) == pytest.approx(0.5 + 4.302652729911275 * math.sqrt(0.25 / 3))  # t(2)
        assert math.log(found.facts["prediction_high"]) == pytest.approx(
            0.5 + 12.706204736432095 * math.sqrt(0.21 + 0.25 / 3)
        )  # t(1)
        assert "different dates" in found.note


class TestFormulae:
    """The closed forms of the method against dense algebra written out again."""

    @pytest.fixture
    def case(self) -> dict[str, Any]:
        n, start = 60, 36
        clock = np.delete(np.arange(n + 4), [10, 37, 38, 50])
        y = noisy(n, start, 0.8, seed=4).astype(float) + 30 * (np.arange(n) % 17 < 8)
        X = np.column_stack(
            [np.ones(n), clock / 12, np.arange(n) >= start, *harmonics(clock.astype(float), 2, 12)[0]]
        ).astype(float)
        offset = np.log(np.full(n, 2.0))
        return {
            "y": y,
            "X": X,
            "offset": offset,
            "clock": clock,
            "start": start,
            "fit": fit_count_series(y, X, offset, clock),
        }

    def test_coefficients_solve_their_equations(self, case: dict[str, Any]) -> None:
        f = case["fit"]
        assert 0.2 < f.rho < 0.9
        R = f.rho ** calendar_lags(f.clock, f.clock)
        score = f.working_columns.T @ np.linalg.solve(R, f.residuals)
        assert np.abs(score).max() < 1e-3 * np.abs(f.working_columns).sum()

    def test_rho_is_the_top_of_the_restricted_likelihood(self, case: dict[str, Any]) -> None:
        f = case["fit"]
        z = f.working_columns @ f.beta + f.residuals

        def likelihood(rho: float) -> float:
            R = rho ** calendar_lags(f.clock, f.clock)
            Xw, inverse = f.working_columns, np.linalg.inv(R)
            A = Xw.T @ inverse @ Xw
            rest = z - Xw @ np.linalg.solve(A, Xw.T @ inverse @ z)
            S = rest @ inverse @ rest
            return -0.5 * ((f.n - f.p) * math.log(S) + np.linalg.slogdet(R)[1] + np.linalg.slogdet(A)[1])

        best = likelihood(f.rho)
        assert all(likelihood(f.rho + step) < best for step in (-1e-3, 1e-3))
        assert all(likelihood(r) < best + 1e-9 for r in np.arange(0, 0.95, 0.05))

    def test_degrees_of_freedom(self, case: dict[str, Any]) -> None:
        f, c = case["fit"], np.eye(case["X"].shape[1])[2]

        def pieces(rho: float) -> tuple[np.ndarray, np.ndarray]:
            R = rho ** calendar_lags(f.clock, f.clock)
            return R, np.linalg.inv(f.working_columns.T @ np.linalg.solve(R, f.working_columns))

        step = 1e-5
        R, M = pieces(f.rho)
        dR = (pieces(f.rho + step)[0] - pieces(f.rho - step)[0]) / (2 * step)
        q = c @ M @ c
        dq = (c @ pieces(f.rho + step)[1] @ c - c @ pieces(f.rho - step)[1] @ c) / (2 * step)
        inverse = np.linalg.inv(R)
        P = inverse - inverse @ f.working_columns @ M @ f.working_columns.T @ inverse
        cross = np.trace(P @ dR) / 2
        info = np.array([[(f.n - f.p) / 2, cross], [cross, np.trace(P @ dR @ P @ dR) / 2]])
        g = np.array([q, dq])
        expected = 2 * q**2 / (g @ np.linalg.inv(info) @ g)
        assert f.coefficient(2).df == pytest.approx(max(expected, DF_FLOOR), rel=SEARCH)

    def test_averted_events_follow_the_closed_form_of_ar1(self, case: dict[str, Any]) -> None:
        f, start, y = case["fit"], case["start"], case["y"]
        after = np.arange(f.n) >= start
        X0 = case["X"].copy()
        X0[:, 2] = 0
        found = project(f, X0[after], case["offset"][after], f.clock[after], ~after, np.ones(after.sum(), dtype=bool))
        mu0 = np.exp(X0[after] @ f.beta + case["offset"][after])
        s, d = np.sqrt(mu0), X0[after].T @ mu0
        h = f.clock[after] - f.clock[start - 1]
        w = float(np.sqrt(mu0) @ f.rho**h)
        r_T = (y[start - 1] - f.mu[start - 1]) / math.sqrt(f.mu[start - 1])
        x_T = math.sqrt(f.mu[start - 1]) * case["X"][start - 1]
        N0 = mu0.sum() + w * r_T
        R_W = f.rho ** calendar_lags(f.clock[after], f.clock[after])
        move = d - w * x_T
        v = f.phi * (move @ f.unscaled @ move + s @ R_W @ s - w * w)
        assert found.predicted.value == pytest.approx(N0, rel=EXACT)
        assert math.log(found.predicted.high / N0) > 1.96 * math.sqrt(v) / N0  # a t quantile, not a normal one
        k = math.log(found.predicted.high / N0) * N0 / math.sqrt(v)
        assert 1.96 < k < 2.78  # t quantiles between infinite and 4 degrees of freedom
        assert found.modelled.value == pytest.approx(mu0.sum(), rel=EXACT)
        k_a = math.log(found.modelled.high / mu0.sum()) * mu0.sum() / math.sqrt(f.phi * (d @ f.unscaled @ d))
        assert 1.96 < k_a < 2.78
        assert found.predicted.high - found.predicted.low > found.modelled.high - found.modelled.low

    @pytest.mark.parametrize("noise", [False, True])
    def test_prediction_is_universal_kriging(self, noise: bool) -> None:
        # The textbook block system [[R, X], [X', 0]] gives weights and error variance of the best linear unbiased prediction.
        rng = generator(11, "kriging")
        n, k = 40, 8
        clock = np.arange(n + k)
        X = np.column_stack([np.ones(n + k), clock / 12]).astype(float)
        z = np.zeros(n)
        for t in range(1, n):
            z[t] = 0.7 * z[t - 1] + rng.normal()
        y = X[:n] @ np.array([5.0, 1.0]) + z + 0.5 * rng.normal(size=n)
        fitted = (fit_value_series_with_noise if noise else fit_value_series)(y, X[:n], clock[:n])
        assert 0 < fitted.rho < 0.95
        R = correlation(calendar_lags(clock, clock), fitted.rho, fitted.share)
        a = np.ones(k)
        block = np.block([[R[:n, :n], X[:n]], [X[:n].T, np.zeros((2, 2))]])
        right = np.concatenate([R[:n, n:] @ a, X[n:].T @ a])
        solved = np.linalg.solve(block, right)
        mean, variance = solved[:n] @ y, fitted.phi * (a @ R[n:, n:] @ a - right @ solved)
        found = project(fitted, X[n:], np.zeros(k), clock[n:], np.ones(n, dtype=bool), np.ones(k, dtype=bool)).predicted
        assert found.value == pytest.approx(mean, rel=1e-8)
        quantile = (found.high - found.value) / math.sqrt(variance)
        assert 1.96 < quantile < 2.78  # t quantiles between infinite and 4 degrees of freedom

    def test_degrees_of_freedom_with_noise(self, case: dict[str, Any]) -> None:
        f, c = (
            fit_count_series_with_noise(case["y"], case["X"], case["offset"], case["clock"]),
            np.eye(case["X"].shape[1])[2],
        )
        assert f.rho > 0
        lags, Xw, step = calendar_lags(f.clock, f.clock), f.working_columns, 1e-5

        def pieces(rho: float, share: float) -> tuple[np.ndarray, float]:
            R = correlation(lags, rho, share)
            return R, float(c @ np.linalg.inv(Xw.T @ np.linalg.solve(R, Xw)) @ c)

        R, q = pieces(f.rho, f.share)
        moves = [(step, 0.0), (0.0, step)]
        ups, downs = ([pieces(f.rho + s * i, f.share + s * j) for i, j in moves] for s in (1, -1))
        D = [R, *((u[0] - d[0]) / (2 * step) for u, d in zip(ups, downs, strict=True))]
        g = np.array([q, *((u[1] - d[1]) / (2 * step) for u, d in zip(ups, downs, strict=True))])
        inverse = np.linalg.inv(R)
        P = inverse - inverse @ Xw @ np.linalg.inv(Xw.T @ inverse @ Xw) @ Xw.T @ inverse
        info = np.array([[np.trace(P @ a @ P @ b) / 2 for b in D] for a in D])
        expected = 2 * q**2 / (g @ np.linalg.pinv(info) @ g)
        assert f.coefficient(2).df == pytest.approx(min(max(expected, DF_FLOOR), f.n - f.p), rel=1e-4)

    def test_without_noise_the_wider_model_is_the_default(self, case: dict[str, Any]) -> None:
        f = fit_count_series_with_noise(case["y"], case["X"], case["offset"], case["clock"])
        as_ar1 = replace(f, share=1.0, with_noise=False)
        lags = calendar_lags(f.clock, f.clock)
        np.testing.assert_allclose(correlation(lags, f.rho, 1.0), f.rho**lags)
        assert as_ar1.coefficient(2).std_error == pytest.approx(
            replace(f, share=1.0).coefficient(2).std_error, rel=EXACT
        )

    def test_draws_are_the_interval(self) -> None:
        (e,) = fit(one_site(noisy(60, 36, 0.8), 36, first="2010-04"))
        assert e.confidence is not None
        low, middle, high = e.confidence(np.array([0.025, 0.5, 0.975]))
        assert [low, middle, high] == pytest.approx([e.conf_low, e.estimate, e.conf_high], rel=1e-10)


class TestWhatIsFitted:
    @pytest.mark.parametrize(
        ("n", "season", "pairs"),
        [(13, 12, 0), (14, 12, 1), (35, 12, 1), (36, 12, 2), (84, 12, 2), (5, 4, 0), (8, 4, 1), (12, 4, 2), (40, 1, 0)],
    )
    def test_season_terms(self, n: int, season: int, pairs: int) -> None:
        assert season_pairs(n, season) == pairs

    def test_the_last_quarterly_pair_has_no_sine(self) -> None:
        assert harmonics(np.arange(8.0), 2, 4)[1] == ["cos1", "sin1", "cos2"]

    def test_the_headline_is_the_wider_interval(self) -> None:
        wide = 0
        for seed in range(6):
            panel = one_site(noisy(60, 36, 0.9, seed=seed), 36, first="2010-04")
            estimator = InterruptedTimeSeries()
            fitted = estimator.fitted(panel, ANALYSIS, "S01")
            assert fitted is not None
            widths = [f.coefficient(2).half_width() for f in (fitted.ar1, fitted.noise)]
            assert fitted.wald.half_width() == max(widths)
            wide += fitted.headline.with_noise
        assert 0 < wide < 6

    def test_left_out_and_missing_months_keep_calendar_time(self) -> None:
        y = noisy(60, 36, 0.8).astype(float)
        panel = one_site(y, 36, first="2010-04", left_out=[5, 40])
        panel.cells.loc[panel.cells["t"] == 12, "stays"] = np.nan
        (e,) = fit(panel)
        kept = np.setdiff1d(np.arange(60), [5, 12, 40])
        clock = panel.periods["clock"].to_numpy()
        X = np.column_stack(
            [np.ones(60), (clock - clock[0]) / 12, np.arange(60) >= 36, *harmonics(clock.astype(float), 2, 12)[0]]
        )
        offset = np.log(panel.cells["exposure"].to_numpy())
        level = fit_count_series(y[kept], X[kept].astype(float), offset[kept], clock[kept]).coefficient(2)
        noise = fit_count_series_with_noise(y[kept], X[kept].astype(float), offset[kept], clock[kept]).coefficient(2)
        wider = max(level, noise, key=lambda w: w.half_width())
        assert math.log(e.estimate) == pytest.approx(wider.estimate, abs=SEARCH)
        assert e.n_obs == 57
        assert "1 missing period left out with calendar time kept" in e.note
        assert e.series is not None
        assert list(e.series["phase"].iloc[[4, 5, 12, 36, 40]]) == [
            "before",
            "left_out",
            "missing",
            "after",
            "left_out",
        ]

    def test_phase_in_months_are_left_out_and_still_have_an_expectation(self) -> None:
        d = days("2010-04", 48)
        y = np.where(np.arange(48) < 24, 10 * d, np.where(np.arange(48) < 27, 9 * d, 8 * d))
        (e,) = fit(one_site(y, 24, first="2010-04"), phase_in=3)
        assert e.estimate == pytest.approx(0.8, rel=EXACT)
        assert e.series is not None
        assert list(e.series["phase"].iloc[23:28]) == ["before", "left_out", "left_out", "left_out", "after"]
        assert e.series["expected"].iloc[25] == pytest.approx(10 * d[25], rel=1e-6)
        assert math.isnan(e.series["fitted"].iloc[25])
        assert "from 2012-07" in e.estimand

    def test_slope_makes_the_level_the_jump_at_the_first_month(self) -> None:
        d, t = days("2010-04", 60), np.arange(60)
        rate = 50 * np.where(t >= 30, 0.8 * np.exp(-0.1 * (t - 30) / 12), 1.0)
        first, *_ = fit(one_site(np.round(rate * d), 30, first="2010-04"), slope=True)
        assert first.estimate == pytest.approx(0.8, rel=1e-3)  # counts are rounded to whole ones
        assert first.facts["slope"] == pytest.approx(math.exp(-0.1), rel=1e-3)
        assert first.facts["average"] < 0.77
        assert "jump in level at the first period" in first.estimand

    def test_a_further_interruption_is_not_laid_at_the_service(self) -> None:
        d, t = days("2010-04", 72), np.arange(72)
        y = d * 20 * np.where(t >= 48, 0.5, 1.0) * np.where(t >= 30, 0.8, 1.0)
        panel = one_site(np.round(y), 30, first="2010-04")
        (e,) = fit(panel, interruptions=["2014-04"])
        assert e.estimate == pytest.approx(0.8, rel=1e-3)
        assert e.facts["from_2014-04"] == pytest.approx(0.5, rel=1e-3)
        assert fit(panel)[0].std_error > 2 * e.std_error

    def test_a_closed_service_is_judged_by_its_own_months(self) -> None:
        d, t = days("2010-04", 72), np.arange(72)
        y = d * 20 * np.where((t >= 30) & (t <= 53), 0.8, 1.0)
        panel = one_site(y, 30, first="2010-04")
        panel = replace(panel, units=panel.units.assign(stop_t=pd.array([53], dtype="Int64")))
        (e,) = fit(panel)
        assert e.estimate == pytest.approx(0.8, rel=EXACT)
        assert e.facts["closed"] == pytest.approx(1.0, rel=1e-6)
        assert e.facts["window_last"] == "2014-09"

    def test_several_started_at_once_are_added(self) -> None:
        counts = np.array([noisy(60, 36, 0.8, seed=s) for s in (1, 2)])
        both, first, second = fit(one_site(counts, 36, first="2010-04"), units="together")
        assert [e.unit for e in (both, first, second)] == ["", "S01", "S02"]
        assert both.facts["observed_total"] == counts[:, 36:].sum()
        assert both.n_treated == 2
        assert both.std_error < min(first.std_error, second.std_error)

    def test_several_started_apart_are_averaged_and_it_is_said(self) -> None:
        counts = np.array([noisy(72, s, 0.8, seed=s) for s in (36, 40, 44)])
        mean, *each = fit(site_panel({"stays": counts}, [36, 40, 44], first="2010-04"), units="together")
        assert len(each) == 3
        assert mean.conf_method == "random_effects_t"
        assert "cannot be added" in mean.note
        assert mean.series is None
        assert (
            mean.facts["prediction_low"]
            < mean.conf_low
            < mean.estimate
            < mean.conf_high
            < mean.facts["prediction_high"]
        )

    def test_units_beside_stand_after_the_others(self) -> None:
        counts = np.array([noisy(60, 36, 0.8), 10 * noisy(60, 36, 1.0)])
        panel = site_panel({"stays": counts}, [36, None], first="2010-04", units=["A", "England"])
        panel = replace(panel, units=panel.units.assign(group=["", BESIDE]), extra={"beside_start_t": {"England": 36}})
        own, beside = fit(panel, units="together")
        assert [own.unit, beside.unit] == ["A", "England"]
        assert beside.estimate > own.estimate

    def test_a_share_is_a_difference(self) -> None:
        rng = generator(3, "share")
        y = 0.4 - 0.05 * (np.arange(48) >= 24) + rng.normal(0, 0.01, 48)
        (e,) = fit(as_kind(one_site(y, 24, first="2010-04"), "share"))
        assert e.scale == "difference"
        assert e.null == 0.0
        assert e.conf_low < -0.05 < e.conf_high < 0

    def test_money_keeps_its_ratio_in_any_currency(self) -> None:
        y = noisy(60, 36, 0.8) * 950.0

        def ratio(values: np.ndarray) -> Estimate:
            return fit(as_kind(one_site(values, 36, first="2010-04"), "cost"))[0]

        pounds, thousands = ratio(y), ratio(y / 1000)
        assert pounds.scale == "ratio"
        assert (pounds.estimate, pounds.conf_low) == pytest.approx((thousands.estimate, thousands.conf_low), rel=SEARCH)

    @pytest.mark.parametrize(
        ("frequency", "season", "n", "start"), [("quarter", 4, 40, 24), ("year", 1, 30, 18), ("integer", 1, 30, 18)]
    )
    def test_other_periods(self, frequency: Any, season: int, n: int, start: int) -> None:
        panel = one_site(noisy(n, start, 0.6), start)
        periods = panel.periods.assign(clock=np.arange(n), season=1, start=pd.NaT, days=float("nan"))
        (e,) = fit(replace(panel, frequency=frequency, season_length=season, periods=periods))
        assert e.status == "ok"
        assert e.conf_high < 1
        assert e.facts["harmonics"] == (2 if season == 4 else 0)


class TestWhatIsRefused:
    def test_a_few_months_after_are_for_monitoring(self) -> None:
        (e,) = fit(one_site(noisy(40, 35, 0.8), 35, first="2010-04"))
        assert e.status == "monitoring_only"
        assert "Only 5 periods after the start: monitoring only, no interval until there are 6" in e.note
        assert not e.finite
        assert e.confidence is None
        assert e.series is not None

    def test_short_series_are_said_to_be_short(self) -> None:
        (e,) = fit(one_site(noisy(30, 20, 0.8), 20, first="2010-04"))
        assert e.facts["short_series"]
        assert "Short series: 20 periods before and 10 after the start" in e.note

    def test_too_few_months_before(self) -> None:
        (e,) = fit(one_site(noisy(30, 5, 0.8), 5, first="2010-04"))
        assert e.status == "not_estimable"
        assert "Only 5 periods before the start" in e.note

    @pytest.mark.parametrize(
        ("where", "words"),
        [(slice(0, 24), "No event was counted before"), (slice(24, 48), "No event was counted after")],
    )
    def test_no_events_on_one_side(self, where: slice, words: str) -> None:
        y = noisy(48, 24, 1.0)
        y[where] = 0
        (e,) = fit(one_site(y, 24, first="2010-04"))
        assert e.status == "not_estimable"
        assert words in e.note

    def test_some_months_without_an_event(self) -> None:
        y = np.minimum(noisy(60, 36, 1.0, mean=3), 9)
        y[[3, 40]] = 0
        first, *_ = fit(one_site(y, 36, first="2010-04"), sensitivity=True)
        assert "periods without an event" in first.note
        assert "Fewer than 5 events a period" in first.note
        table = first.tables["sensitivity"].set_index("method")
        assert "0.5 added" in table.loc["Prais-Winsten on the log rate", "note"]

    def test_autocorrelation_at_its_limit(self) -> None:
        y = np.round(1000 * np.exp(0.5 * np.sin(2 * np.pi * np.arange(48) / 40)))
        (e,) = fit(one_site(y, 24, first="2010-04"))
        assert e.facts["rho_at_cap"]
        assert "ran to its upper limit of 0.95" in e.note
        assert e.facts["df"] >= DF_FLOOR

    def test_a_flat_likelihood(self) -> None:
        found = [fit(one_site(noisy(24, 12, 0.9, seed=s), 12, first="2010-04"))[0] for s in range(12)]
        flat = [e for e in found if e.facts["rho_flat"] and not e.facts["rho_at_cap"]]
        assert flat
        assert all("next to nothing about its autocorrelation" in e.note for e in flat)

    def test_a_memory_longer_than_ar1_is_flagged(self) -> None:
        found = []
        for seed in range(10):
            rng = generator(seed, "long memory")
            z = np.zeros(284)
            for t in range(2, 284):
                z[t] = 0.2 * z[t - 1] + 0.5 * z[t - 2] + rng.normal()
            found.append(fit(one_site(rng.poisson(100 * np.exp(0.1 * z[200:])), 42, first="2005-04"))[0])
        flagged = [e for e in found if e.facts["wider_flagged"]]
        assert flagged
        assert all("longer memory than AR(1) widen the interval by" in e.note for e in flagged)

    def test_nothing_started(self) -> None:
        problems = InterruptedTimeSeries().objections(one_site(noisy(48, 24, 1.0), None), ANALYSIS)
        assert [p.code for p in problems] == ["E411"]
        assert "no unit starts the service inside the data" in problems[0].what

    def test_no_past(self) -> None:
        problems = InterruptedTimeSeries().objections(one_site(noisy(48, 24, 1.0), 0), ANALYSIS)
        assert "no unit has a period before its start" in problems[0].what

    def test_an_interruption_outside_the_data(self) -> None:
        problems = InterruptedTimeSeries(interruptions=("2031-04",)).objections(
            one_site(noisy(48, 24, 1.0), 24), ANALYSIS
        )
        assert "'2031-04' is not a period of the data" in problems[0].what
        assert problems[0].allowed == "2019-04 to 2023-03"

    def test_an_unknown_outcome(self) -> None:
        problems = InterruptedTimeSeries().objections(
            one_site(noisy(48, 24, 1.0), 24), replace(ANALYSIS, outcome="falls")
        )
        assert "no outcome 'falls'" in problems[0].what

    def test_more_season_than_the_year_has(self) -> None:
        panel = replace(one_site(noisy(48, 24, 1.0), 24), season_length=4, frequency="quarter")
        problems = InterruptedTimeSeries(harmonics=3).objections(panel, ANALYSIS)
        assert "3 harmonic pairs for a season of 4 periods" in problems[0].what

    @pytest.mark.parametrize(
        ("settings", "words"),
        [({"units": "all"}, "its: units = 'all'"), ({"harmonics": 9}, "its: harmonics"), ({"phase_in": -1}, "phase_in is negative"),
         ({"conf_level": 95}, "its: conf_level"), ({"trend": True}, "has no setting 'trend'")],
    )  # fmt: skip
    def test_settings(self, settings: dict[str, Any], words: str) -> None:
        with pytest.raises(InputError, match=words):
            build_estimator("its", settings)

    def test_terms_that_cannot_be_told_apart(self) -> None:
        (e,) = fit(one_site(noisy(48, 24, 1.0), 24), interruptions=["2021-04"])
        assert e.status == "not_estimable"
        assert "cannot be told apart" in e.note

    @pytest.mark.parametrize("seed", range(12))
    def test_odd_series_end_in_a_status_and_never_in_a_crash(self, seed: int) -> None:
        rng = generator(seed, "odd")
        n = int(rng.integers(10, 60))
        start, t = int(rng.integers(1, n)), np.arange(n)
        odd = [rng.poisson(0.3, n), np.where(t < start, 0, 50) + (rng.random(n) < 0.1), np.where(rng.random(n) < 0.05, 100_000, 3),
               np.full(n, 7)][seed % 4]  # fmt: skip
        panel = as_kind(
            one_site(odd.astype(float), start, left_out=list(np.flatnonzero(rng.random(n) < 0.1))),
            ["count", "share", "cost"][seed % 3],
        )
        estimator = InterruptedTimeSeries(slope=seed % 2 == 0)
        for e in estimator.fit(panel, ANALYSIS, seed=1):
            assert e.status in ("ok", "no_finite_interval", "not_estimable", "monitoring_only")
            assert e.status == "ok" or e.note
            assert e.finite == (e.status == "ok")

    def test_a_share_without_any_spread_has_no_interval(self) -> None:
        (e,) = fit(as_kind(one_site(np.where(np.arange(48) < 24, 0.5, 0.4), 24), "share"))
        assert e.estimate == pytest.approx(-0.1)
        assert e.status == "no_finite_interval"
        assert "no spread to judge the change by" in e.note


class TestBesideIt:
    @pytest.fixture
    def found(self) -> tuple[Estimate, ...]:
        return fit(one_site(noisy(84, 42, 0.77), 42, first="2010-04"), sensitivity=True)

    def test_rows(self, found: tuple[Estimate, ...]) -> None:
        table = found[0].tables["sensitivity"]
        assert set(table.columns) <= set(table_schema("release", "sensitivity").names)
        for words in ("AR(1) errors by REML", "AR(1) plus noise", "quasi-Poisson", "Newey-West, lag 3", "Prais-Winsten", "log rate",
                      "AR(2) by REML on the log rate", "seasonal ARIMA (1,0,0)(0,1,1)12", "projection of the period before", "one harmonic pair", "slope",
                      "first 3 periods after the start left out", "a ramp over the first 3 periods", "maximum likelihood", "pandemic months"):  # fmt: skip
            assert table["method"].str.contains(words, regex=False).any(), words
        assert table["note"].iloc[0].startswith("the headline")
        assert (table["estimate"].dropna().between(0.65, 0.9)).all()
        assert "14 of 14 other ways" in found[0].facts["ways_sentence"]

    def test_rows_are_estimates_too(self, found: tuple[Estimate, ...]) -> None:
        others = {e.analysis: e for e in found[1:]}
        assert {
            "its_quasi_poisson",
            "its_newey_west",
            "its_prais_winsten",
            "its_seasonal_arima",
            "its_before_projected",
        } <= set(others)
        assert all(e.status == "ok" and not e.primary and e.note.startswith("sensitivity: ") for e in others.values())
        assert others["its_quasi_poisson"].conf_method == "wald_t"
        assert others["its_seasonal_arima"].conf_method == "wald_normal", "its quantile is the normal one"

    def test_conventions_are_stated(self, found: tuple[Estimate, ...]) -> None:
        notes = found[0].tables["sensitivity"].set_index("method")["note"]
        assert "Bartlett weights to lag 3, factor n/(n - p), t(n - p)" in notes["Newey-West, lag 3"]

    def test_pandemic_months_have_three_treatments(self) -> None:
        y = noisy(84, 30, 0.8).astype(float)
        y[48:70] = np.round(0.6 * y[48:70])
        first, *_ = fit(one_site(y, 30, first="2016-03"), sensitivity=True)
        assert first.facts["pandemic_periods"] == 22
        assert "22 pandemic periods in the window" in first.note
        table = first.tables["sensitivity"].set_index("method")
        for method in (
            "stopped at the start of the pandemic",
            "March 2020 to December 2021 left out",
            "a level of its own for each pandemic wave",
        ):
            assert table.loc[method, "conf_low"] < 0.8 < table.loc[method, "conf_high"]
        assert first.estimate < 0.75

    def test_outside_the_pandemic_it_is_said(self, found: tuple[Estimate, ...]) -> None:
        assert found[0].tables["sensitivity"].set_index("method").loc["pandemic months", "note"] == "not in the window"

    def test_holes_do_not_stop_the_seasonal_arima(self) -> None:
        first, *_ = fit(one_site(noisy(84, 42, 0.77), 42, first="2010-04", left_out=[10, 11, 50]), sensitivity=True)
        row = first.tables["sensitivity"].set_index("method").loc["seasonal ARIMA (1,0,0)(0,1,1)12"]
        assert row["conf_low"] < row["estimate"] < row["conf_high"]

    def test_a_short_series_has_no_seasonal_arima(self) -> None:
        first, *_ = fit(one_site(noisy(40, 24, 0.8), 24, first="2010-04"), sensitivity=True)
        assert (
            "needs 48 periods"
            in first.tables["sensitivity"].set_index("method").loc["seasonal ARIMA (1,0,0)(0,1,1)12", "note"]
        )


def test_same_input_same_answer() -> None:
    panel = one_site(noisy(60, 36, 0.8), 36, first="2010-04")
    one, two = (fit(panel, sensitivity=True) for _ in range(2))
    assert [e.row() for e in one] == [e.row() for e in two]
    pd.testing.assert_frame_equal(one[0].series, two[0].series)


def test_a_default_fit_takes_a_fraction_of_a_second() -> None:
    panel = one_site(noisy(84, 42, 0.8), 42, first="2010-04")
    fit(panel)
    begin = time.process_time()
    fit(panel)
    assert time.process_time() - begin < 0.2


def test_everything_beside_it_takes_less_than_two_seconds() -> None:
    panel = one_site(noisy(84, 42, 0.8), 42, first="2010-04")
    fit(panel, sensitivity=True)
    begin = time.process_time()
    fit(panel, sensitivity=True)
    assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    ("n", "slope", "residual"), [(24, False, True), (29, False, True), (30, False, False), (24, True, False)]
)
def test_totals_of_short_series_without_a_change_of_slope_have_residual_degrees_of_freedom(n, slope, residual):
    rng = generator(5, "short_totals", n, int(slope))
    errors = np.zeros(n)
    for t in range(1, n):
        errors[t] = 0.8 * errors[t - 1] + 0.15 * rng.normal()
    series = as_series(rng.poisson(300 * np.exp(errors)), n // 2)
    fitted = fit_model(series, mean_model(series, slope=slope, pairs=1), 0.95, "ar1")
    assert fitted is not None
    after, before = series.after, series.before
    of_few, of_many = (
        project(fitted.ar1, fitted.model.X0[after], series.offset[after], series.clock[after], before,
                np.ones(after.sum(), dtype=bool), df_floor=floor).predicted
        for floor in (DF_FLOOR, n - 5.0 - slope)
    )  # fmt: skip
    assert of_few != of_many  # Satterthwaite's own lie below n - p here, or the test would say nothing
    assert fitted.projection(after).predicted == (of_many if residual else of_few)
