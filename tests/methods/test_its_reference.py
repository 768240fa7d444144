"""The series regressions against answers computed in R (and, where said, published)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaot_eval.estimators._count_series import SeriesFit, fit_count_series, fit_value_series
from aaot_eval.estimators._glm import PoissonFit, fit_poisson
from aaot_eval.estimators._its_model import harmonics
from aaot_eval.estimators._series_companions import (
    PraisWinsten,
    fit_least_squares,
    newey_west,
    newey_west_fit,
    prais_winsten,
    project_before,
    quasi_poisson,
    seasonal_arima,
)
from tests.agreement import agrees

CLOSED_FORM = 1e-6
"""Both sides solve the same equations; R's stopping rule leaves about 1e-9."""
REML = 1e-3
"""The optimum in rho is flat: the optimisers of R and of this package stop up to 1e-4 apart."""
PRAIS = 1e-5
ARIMA_COEFFICIENT, ARIMA_ERROR = 5e-4, 5e-3
"""Exact likelihood by two optimisers; the errors come from numerical Hessians."""


def close(case: str, quantity: str, value: float, expected: float, rel: float = CLOSED_FORM) -> None:
    agrees(case, quantity, float(value), float(expected), rel=rel)


def load(folder: Path, data: str = "data.csv") -> tuple[pd.DataFrame, dict[str, Any]]:
    return pd.read_csv(folder / data), json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def season(clock: np.ndarray, pairs: int) -> list[np.ndarray]:
    return harmonics(clock.astype(float), pairs, 12)[0]


def check_ols(case: str, model: str, fit: PoissonFit, clock: np.ndarray, X: np.ndarray, y: np.ndarray, names: list[str], expected: dict[str, Any],
              lag: int | None = None, series: np.ndarray | None = None) -> None:  # fmt: skip
    V = (
        fit.bread * fit.dispersion
        if lag is None
        else newey_west(X * (y - fit.mu)[:, None], fit.bread, clock, lag, series)
    )
    for i, name in enumerate(names):
        close(case, f"{model}, {name}", fit.beta[i], expected[name]["estimate"])
        close(case, f"{model}, {name}, standard error", math.sqrt(V[i, i]), expected[name]["se"])


def check_gls(
    case: str, model: str, fit: SeriesFit, names: list[str], expected: dict[str, Any], rel: float = REML
) -> None:
    for i, name in enumerate(names):
        w = fit.coefficient(i)
        # Coefficients near nought are held against their standard error.
        near = rel * max(abs(w.estimate), w.std_error)
        agrees(case, f"{model}, {name}", w.estimate, expected["coef"][name]["estimate"], abs=near)
        close(case, f"{model}, {name}, standard error", w.std_error, expected["coef"][name]["se"], rel=3 * rel)
    agrees(case, f"{model}, rho", fit.rho, next(iter(expected["correlation_params"].values())), abs=rel)


def check_prais(case: str, fit: PraisWinsten, names: Sequence[str], expected: dict[str, Any]) -> None:
    close(case, "Prais-Winsten, rho", fit.rho, expected["rho"], PRAIS)
    for i, (name, given) in enumerate((n, expected["coef"][n]) for n in names):
        close(case, f"Prais-Winsten, {name}", fit.beta[i], given["estimate"], PRAIS)
        error = math.sqrt(fit.covariance[i, i])
        close(case, f"Prais-Winsten, {name}, standard error", error, given["se"], PRAIS)


class TestEngland:
    """Emergency admissions via A&E, England 2016-2019, placebo start April 2018 (reference kept with the tests)."""

    CASE = "its/nhs_ae_admissions_placebo"
    GLS = "AR(1) by REML on the log rate"

    @pytest.fixture
    def case(self, root: Path) -> dict[str, Any]:
        d, expected = load(root / "tests" / "reference" / "nhs_ae_admissions_placebo")
        clock = 2016 * 12 + 3 + np.arange(36)
        return {
            "d": d,
            "e": expected,
            "clock": clock,
            "y": d["admissions"].to_numpy(float),
            "o": np.log(d["days"].to_numpy(float)),
        }

    def columns(self, case: dict[str, Any], first: int, slope: bool = False) -> np.ndarray:
        t = np.arange(36)
        extra = [np.maximum(0, t - first).astype(float)] if slope else []
        return np.column_stack([np.ones(36), t, t >= first, *extra, *season(case["clock"], 2)]).astype(float)

    @pytest.mark.parametrize(
        ("model", "slope", "offset"),
        [
            ("quasipoisson_level_harmonic2_offset_days", False, True),
            ("quasipoisson_level_slope_harmonic2_offset_days", True, True),
            ("quasipoisson_without_day_offset", False, False),
        ],
    )
    def test_quasi_poisson_and_newey_west(self, case: dict[str, Any], model: str, slope: bool, offset: bool) -> None:
        X = self.columns(case, 24, slope)
        fit = fit_poisson(case["y"], X, case["o"] * offset)
        expected = case["e"]["models"][model]
        level = quasi_poisson(fit, 2)
        row = expected["coef_t"]["level"]
        close(self.CASE, f"{model}, level", level.estimate, row["estimate"])
        close(self.CASE, f"{model}, level, standard error", level.std_error, row["se"])
        close(self.CASE, f"{model}, level, p", level.p_value, row["p"])
        low, high = level.interval()
        close(self.CASE, f"{model}, level, lower end", low, row["ci_low"])
        close(self.CASE, f"{model}, level, upper end", high, row["ci_high"])
        close(self.CASE, f"{model}, dispersion", fit.dispersion, expected["dispersion_pearson"])
        for lag in (1, 3):
            close(
                self.CASE,
                f"{model}, level, Newey-West lag {lag}, standard error",
                newey_west_fit(fit, case["y"], X, case["clock"], 2, lag).std_error,
                expected[f"hac_lag{lag}_t"]["level"]["se"],
            )

    def test_every_placebo_date(self, case: dict[str, Any]) -> None:
        for first, row in zip(range(12, 25), case["e"]["placebo_dates"], strict=True):
            level = quasi_poisson(fit_poisson(case["y"], self.columns(case, first), case["o"]), 2)
            close(self.CASE, f"placebo {row['first_post']}, ratio", math.exp(level.estimate), row["rr"])
            close(self.CASE, f"placebo {row['first_post']}, standard error", level.std_error, row["se_log"])
            close(self.CASE, f"placebo {row['first_post']}, p", level.p_value, row["p_t"])

    def test_gls_on_the_log_rate(self, case: dict[str, Any]) -> None:
        X = self.columns(case, 24)
        fit = fit_value_series(np.log(case["y"]) - case["o"], X, case["clock"])
        expected = case["e"]["models"]["gls_ar1_reml_log_rate_per_day"]
        for name, i in (("time", 1), ("level", 2)):
            close(
                self.CASE,
                f"{self.GLS}, {name}, standard error",
                fit.coefficient(i).std_error,
                expected["coef"][name]["se"],
                rel=REML,
            )
        close(
            self.CASE,
            f"{self.GLS}, level",
            fit.coefficient(2).estimate,
            expected["coef"]["level"]["estimate"],
            rel=REML,
        )
        close(self.CASE, f"{self.GLS}, rho", fit.rho, expected["correlation_params"]["Phi"], rel=REML)
        close(self.CASE, f"{self.GLS}, sigma", math.sqrt(fit.phi), expected["sigma"], rel=REML)

    def test_the_default_finds_nothing(self, case: dict[str, Any]) -> None:
        level = fit_count_series(case["y"], self.columns(case, 24), case["o"], case["clock"]).coefficient(2)
        assert level.p_value > 0.5
        assert level.std_error > 0.0090  # the quasi-Poisson error of the reference, which ignores autocorrelation


class TestSicily:
    """Acute coronary admissions around the Sicilian smoking ban (Lopez Bernal 2017)."""

    CASE = "its/sicily_smoking_ban"

    @pytest.fixture
    def case(self, shared: Path) -> dict[str, Any]:
        d, expected = load(shared / "reference_cases/its/sicily_smoking_ban")
        t = d["time"].to_numpy(float)
        base = [np.ones(59), d["smokban"].to_numpy(float), t]
        H = season(d["month"].to_numpy(), 2)
        dummies = [(d["month"] == m).to_numpy(float) for m in range(2, 13)]
        designs = {
            "quasipoisson_level": base,
            "quasipoisson_level_harmonic2": [*base, *H],
            "quasipoisson_level_slope_harmonic2": [*base, np.maximum(0, t - 36), *H],
            "quasipoisson_level_month_dummies": [*base, *dummies],
        }
        return {"y": d["aces"].to_numpy(float), "o": np.log(d["stdpop"].to_numpy()), "e": expected["models"], "t": t,
                "X": {k: np.column_stack(v) for k, v in designs.items()}, "published": expected["published"]}  # fmt: skip

    @pytest.mark.parametrize("model", ["quasipoisson_level", "quasipoisson_level_harmonic2", "quasipoisson_level_slope_harmonic2",
                                       "quasipoisson_level_month_dummies"])  # fmt: skip
    def test_quasi_poisson(self, case: dict[str, Any], model: str) -> None:
        fit = fit_poisson(case["y"], case["X"][model], case["o"])
        expected = case["e"][model]
        ban = quasi_poisson(fit, 1)
        close(self.CASE, f"{model}, ratio", math.exp(ban.estimate), expected["coef"]["smokban"]["ratio"])
        close(self.CASE, f"{model}, standard error", ban.std_error, expected["coef"]["smokban"]["se"])
        close(self.CASE, f"{model}, dispersion", fit.dispersion, expected["dispersion_pearson"])

    def test_published_ratio(self, case: dict[str, Any]) -> None:
        fit = fit_poisson(case["y"], case["X"]["quasipoisson_level_harmonic2"], case["o"])
        agrees(self.CASE, "published ratio", round(math.exp(fit.beta[1]), 3), 0.885, abs=0)

    def test_newey_west_on_the_score(self, case: dict[str, Any]) -> None:
        X = case["X"]["quasipoisson_level_harmonic2"]
        fit = fit_poisson(case["y"], X, case["o"])
        expected = case["e"]["quasipoisson_level_harmonic2"]["hac_bartlett_lag3_n_over_n_minus_k"]["smokban"]["se"]
        close(
            self.CASE,
            "Newey-West lag 3 on the score, standard error",
            newey_west_fit(fit, case["y"], X, case["t"], 1, 3).std_error,
            expected,
        )

    def test_projection_of_the_period_before(self, case: dict[str, Any]) -> None:
        X = np.delete(case["X"]["quasipoisson_level_harmonic2"], 1, axis=1)
        before = case["t"] <= 36
        found = project_before(case["y"], X, case["o"], before, ~before)
        expected = case["e"]["quasipoisson_preperiod_extrapolation"]["counterfactual"]
        close(self.CASE, "pre-period projection, observed total", found.observed, expected["observed_total"])
        close(self.CASE, "pre-period projection, total", found.projected, expected["counterfactual_total"])
        close(
            self.CASE,
            "pre-period projection, parameter error",
            found.se_parameters,
            expected["counterfactual_total_se_delta"],
        )
        close(
            self.CASE,
            "pre-period projection, prediction error",
            found.se_prediction,
            expected["averted_vs_observed_se_prediction"],
        )


class TestProposition99:
    """California cigarette sales, single-group `itsa` (Linden's help file prints four of the numbers)."""

    CASE = "its/prop99_itsa_single"

    @pytest.fixture
    def case(self, shared: Path) -> dict[str, Any]:
        d, expected = load(shared / "reference_cases/its/prop99_itsa_single")
        return {"year": d["year"].to_numpy(), "y": d["cigsale"].to_numpy(float), "e": expected["models"]}

    def columns(self, year: np.ndarray, *dates: int) -> tuple[np.ndarray, list[str]]:
        X, names = [np.ones(len(year)), year - 1970.0], ["_cons", "_t"]
        for date in dates:
            late = (year >= date).astype(float)
            X += [late, late * (year - date)]
            names += [f"_x{date}", f"_x_t{date}"]
        return np.column_stack(X), names

    @pytest.mark.parametrize("lag", [0, 1, 3])
    def test_newey_west(self, case: dict[str, Any], lag: int) -> None:
        X, names = self.columns(case["year"], 1989)
        check_ols(
            self.CASE,
            f"Newey-West lag {lag}",
            fit_least_squares(case["y"], X),
            case["year"],
            X,
            case["y"],
            names,
            case["e"][f"ols_newey_west_lag{lag}"]["coef"],
            lag,
        )

    def test_two_interruptions(self, case: dict[str, Any]) -> None:
        X, names = self.columns(case["year"], 1982, 1989)
        check_ols(
            self.CASE,
            "two interruptions, Newey-West lag 1",
            fit_least_squares(case["y"], X),
            case["year"],
            X,
            case["y"],
            names,
            case["e"]["ols_two_interruptions_lag1"]["coef"],
            1,
        )

    def test_published(self, case: dict[str, Any]) -> None:
        X, _ = self.columns(case["year"], 1989)
        b = fit_least_squares(case["y"], X).beta
        found = {
            "intercept": round(b[0], 4),
            "trend": round(b[1], 6),
            "step": round(b[2], 4),
            "post trend": round(b[1] + b[3], 6),
        }
        printed = {"intercept": 132.2258, "trend": -1.779474, "step": -20.0581, "post trend": -3.274126}
        for name, value in printed.items():
            agrees(self.CASE, f"published {name}", found[name], value, rel=1e-12)

    def test_prais_winsten(self, case: dict[str, Any]) -> None:
        X, names = self.columns(case["year"], 1989)
        check_prais(self.CASE, prais_winsten(case["y"], X, case["year"]), names, case["e"]["prais_winsten_regress"])

    def test_maximum_likelihood(self, case: dict[str, Any]) -> None:
        X, _ = self.columns(case["year"], 1989)
        check_gls(
            self.CASE,
            "AR(1) by ML",
            fit_value_series(case["y"], X, case["year"], restricted=False),
            ["(Intercept)", "t", "x", "xt"],
            case["e"]["gls_ar1_ml"],
        )

    def test_restricted_likelihood_at_its_edge_is_capped_and_said(self, case: dict[str, Any]) -> None:
        X, _ = self.columns(case["year"], 1989)
        fit = fit_value_series(case["y"], X, case["year"])
        assert fit.at_cap
        assert fit.coefficient(0).std_error < 15  # R at rho = 0.99999: 689


class TestQuetiapine:
    """Seasonal ARIMA with step and ramp (Schaffer 2021); on raw counts the library stops at a false optimum."""

    CASE = "its/quetiapine_arima"

    def test_step_and_ramp(self, shared: Path) -> None:
        d, expected = load(shared / "reference_cases/its/quetiapine_arima")
        month = np.arange(48)
        regressors = np.column_stack([month >= 36, np.maximum(0, month - 35)]).astype(float)
        fit = seasonal_arima(d["dispensings"].to_numpy(float), regressors, (2, 1, 0), (0, 1, 1, 12))
        coef = expected["models"]["arima_210_011_step_ramp_ml"]["coef"]
        for i, name in enumerate(("step", "ramp")):
            close(self.CASE, f"ARIMA (2,1,0)(0,1,1)12, {name}", fit.beta[i], coef[name]["estimate"], ARIMA_COEFFICIENT)
            close(
                self.CASE,
                f"ARIMA (2,1,0)(0,1,1)12, {name}, standard error",
                fit.std_error[i],
                coef[name]["se"],
                ARIMA_ERROR,
            )
        likelihood = expected["models"]["arima_210_011_step_ramp_ml"]["logLik"]
        note = "on raw counts the library stops at -297.0 and a step of -1849 without a word"
        agrees(self.CASE, "log likelihood", fit.log_likelihood, likelihood, abs=0.005, note=note)
        assert fit.agreed


class TestWestVirginia:
    """Two stacked series of 19 quarters: lags and correlation must not cross from one to the other."""

    CASE = "its/wv_antipsychotic_cits"

    NAMES: list[str] = ["(Intercept)", "time", "wv", "wvtime", "level", "trend", "wvlevel", "wvtrend"]  # noqa: RUF012

    @pytest.fixture
    def case(self, shared: Path) -> dict[str, Any]:
        d, expected = load(shared / "reference_cases/its/wv_antipsychotic_cits")
        wv = (d["state"] == "WV").to_numpy(float)
        t = np.tile(np.arange(1, 20), 2).astype(float)
        level, trend = (t >= 9).astype(float), np.maximum(0, t - 8)
        X = np.column_stack([np.ones(38), t, wv, wv * t, level, trend, wv * level, wv * trend])
        return {"X": X, "y": d["market_share"].to_numpy(float), "t": t, "wv": wv, "e": expected["models"]}

    def test_least_squares_and_newey_west_within_a_series(self, case: dict[str, Any]) -> None:
        fit = fit_least_squares(case["y"], case["X"])
        check_ols(
            self.CASE, "least squares", fit, case["t"], case["X"], case["y"], self.NAMES, case["e"]["ols"]["coef"]
        )
        expected = case["e"]["ols_newey_west_lag1_within_series"]["coef"]
        check_ols(
            self.CASE,
            "Newey-West within a series",
            fit,
            case["t"],
            case["X"],
            case["y"],
            self.NAMES,
            expected,
            1,
            case["wv"],
        )

    def test_maximum_likelihood(self, case: dict[str, Any]) -> None:
        fit = fit_value_series(case["y"], case["X"], case["t"], restricted=False, lowest_rho=-0.9, series=case["wv"])
        check_gls(self.CASE, "stacked AR(1) by ML", fit, self.NAMES, case["e"]["ar1_ml"])

    def test_restricted_likelihood_runs_to_its_edge_and_says_so(self, case: dict[str, Any]) -> None:
        assert fit_value_series(case["y"], case["X"], case["t"], series=case["wv"]).at_cap

    def test_one_series_alone(self, case: dict[str, Any]) -> None:
        own = case["wv"] == 1
        X = case["X"][own][:, [0, 1, 4, 5]]
        names = ["(Intercept)", "time", "level", "trend"]
        check_gls(
            self.CASE,
            "one series, AR(1) by REML",
            fit_value_series(case["y"][own], X, case["t"][own]),
            names,
            case["e"]["single_series_ar1_reml"],
        )
        ml = fit_value_series(case["y"][own], X, case["t"][own], restricted=False, lowest_rho=-0.9)
        check_gls(self.CASE, "one series, AR(1) by ML", ml, names, case["e"]["single_series_ar1_ml"])


class TestNewHampshire:
    """Two interruptions and a wild point (Soumerai 1987)."""

    CASE = "its/nh_drug_cap_two_interruptions"

    NAMES: list[str] = ["(Intercept)", "time", "cap_level", "cap_trend", "copay_level", "copay_trend", "wild"]  # noqa: RUF012

    @pytest.fixture
    def case(self, shared: Path) -> dict[str, Any]:
        d, expected = load(shared / "reference_cases/its/nh_drug_cap_two_interruptions")
        t = np.arange(1.0, 49)
        X = np.column_stack(
            [np.ones(48), t, t >= 21, np.maximum(0, t - 20), t >= 32, np.maximum(0, t - 31), t == 20]
        ).astype(float)
        return {"X": X, "y": d["rxpp"].to_numpy(float), "t": t, "e": expected["models"]}

    def test_least_squares_and_newey_west(self, case: dict[str, Any]) -> None:
        fit = fit_least_squares(case["y"], case["X"])
        for lag, model in ((None, "ols"), (1, "ols_newey_west_lag1"), (3, "ols_newey_west_lag3")):
            check_ols(self.CASE, model, fit, case["t"], case["X"], case["y"], self.NAMES, case["e"][model]["coef"], lag)

    def test_prais_winsten(self, case: dict[str, Any]) -> None:
        found = prais_winsten(case["y"], case["X"], case["t"])
        check_prais(self.CASE, found, self.NAMES, case["e"]["prais_winsten_regress"])

    def test_both_likelihoods(self, case: dict[str, Any]) -> None:
        check_gls(
            self.CASE,
            "AR(1) by REML",
            fit_value_series(case["y"], case["X"], case["t"]),
            self.NAMES,
            case["e"]["gls_ar1_reml"],
        )
        ml = fit_value_series(case["y"], case["X"], case["t"], restricted=False, lowest_rho=-0.9)
        check_gls(self.CASE, "AR(1) by ML", ml, self.NAMES, case["e"]["gls_ar1_ml"])


class TestAntidepressants:
    """A phase-in left out: calendar time must be kept across the hole."""

    CASE = "its/antidepressant_phase_in"

    NAMES: list[str] = ["(Intercept)", "time", "level", "trend"]  # noqa: RUF012

    @pytest.fixture
    def case(self, shared: Path) -> dict[str, Any]:
        d, expected = load(shared / "reference_cases/its/antidepressant_phase_in")
        t = np.arange(1.0, 45)
        kept = (t < 16) | (t > 20)
        X = np.column_stack([np.ones(44), t, t >= 21, np.maximum(0, t - 20)]).astype(float)
        return {"X": X[kept], "y": d["ad_perc"].to_numpy(float)[kept], "t": t[kept], "e": expected["models"]}

    def test_newey_west_never_reaches_across_the_hole(self, case: dict[str, Any]) -> None:
        fit = fit_least_squares(case["y"], case["X"])
        check_ols(
            self.CASE,
            "least squares",
            fit,
            case["t"],
            case["X"],
            case["y"],
            self.NAMES,
            case["e"]["ols_washout"]["coef"],
        )
        expected = case["e"]["ols_washout_newey_west_lag1_gap_aware"]["coef"]
        check_ols(
            self.CASE, "Newey-West lag 1, gap-aware", fit, case["t"], case["X"], case["y"], self.NAMES, expected, 1
        )

    def test_gap_aware_likelihoods(self, case: dict[str, Any]) -> None:
        check_gls(
            self.CASE,
            "AR(1) by REML, gap-aware",
            fit_value_series(case["y"], case["X"], case["t"]),
            self.NAMES,
            case["e"]["gls_ar1_reml_gap_aware"],
        )
        ml = fit_value_series(case["y"], case["X"], case["t"], restricted=False)
        check_gls(self.CASE, "AR(1) by ML, gap-aware", ml, self.NAMES, case["e"]["gls_ar1_ml_gap_aware"])

    def test_joining_the_ends_would_be_another_answer(self, case: dict[str, Any]) -> None:
        blind = fit_value_series(case["y"], case["X"], np.arange(39))
        check_gls(
            self.CASE,
            "AR(1) by REML, gap-blind (not what the tool does)",
            blind,
            self.NAMES,
            case["e"]["gls_ar1_reml_gap_blind"],
        )
        assert (
            blind.coefficient(2).std_error
            < 0.95 * fit_value_series(case["y"], case["X"], case["t"]).coefficient(2).std_error
        )
