"""AR(2), AR(5) and MA(1) errors against nlme, and the totals of the count models, forecasts and effects over time against R."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import stdtrit

from aaot_eval.estimators._arma_series import ArmaFit, autocorrelation, coefficients_of, fit_arma
from aaot_eval.estimators._count_series import SeriesFit, fit_count_series, fit_value_series
from aaot_eval.estimators._glm import fit_poisson
from aaot_eval.estimators._its_model import harmonics
from aaot_eval.estimators._series_companions import fit_least_squares, newey_west
from aaot_eval.estimators._series_projection import project
from tests.agreement import agrees

CASES = "reference_cases/its"
CLOSED_FORM = 1e-6


def load(shared: Path, case: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    folder = shared / CASES / case
    return pd.read_csv(folder / "data.csv"), json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def test_correlations_of_a_process_by_hand() -> None:
    assert coefficients_of(np.array([0.5, 0.2])) == pytest.approx([0.4, 0.2])
    # AR(2): rho1 = a1 / (1 - a2); rho2 = a1 rho1 + a2. MA(1): theta / (1 + theta^2), then nought.
    rho = autocorrelation(np.array([0.4, 0.2]), np.zeros(0), 3)
    assert rho[:3] == pytest.approx([1, 0.5, 0.4])
    assert rho[3] == pytest.approx(0.4 * 0.4 + 0.2 * 0.5)
    assert autocorrelation(np.zeros(0), np.array([0.5]), 2) == pytest.approx([1, 0.4, 0])


def check(
    case: str, model: str, fit: ArmaFit, names: list[str], expected: dict[str, Any], tolerance: dict[str, float]
) -> None:
    near, error = tolerance["rel_gls_estimate"], tolerance["rel_gls_se"]
    for i, name in enumerate(names):
        w = fit.contrast(np.eye(len(names))[i])
        agrees(
            case,
            f"{model}, {name}",
            w.estimate,
            expected["coef"][name]["estimate"],
            abs=near * max(abs(w.estimate), w.std_error),
        )
        agrees(case, f"{model}, {name}, standard error", w.std_error, expected["coef"][name]["se"], rel=error)
    agrees(case, f"{model}, sigma", fit.sigma, expected["sigma"], rel=error)
    agrees(case, f"{model}, log likelihood", fit.log_likelihood, expected["logLik"], abs=1e-3)
    for i, value in enumerate(expected["correlation_params"].values()):
        agrees(
            case,
            f"{model}, parameter {i + 1}",
            np.concatenate([fit.ar, fit.ma])[i],
            value,
            abs=tolerance.get("abs_rho", 1e-3),
        )


class TestWestVirginia:
    CASE = "its/wv_antipsychotic_cits"
    NAMES = ("(Intercept)", "time", "wv", "wvtime", "level", "trend", "wvlevel", "wvtrend")

    def fit(self, shared: Path, *, restricted: bool) -> tuple[ArmaFit, dict[str, Any]]:
        d, expected = load(shared, "wv_antipsychotic_cits")
        wv = (d["state"] == "WV").to_numpy(float)
        t = np.tile(np.arange(1, 20), 2).astype(float)
        level, trend = (t >= 9).astype(float), np.maximum(0, t - 8)
        X = np.column_stack([np.ones(38), t, wv, wv * t, level, trend, wv * level, wv * trend])
        return fit_arma(
            d["market_share"].to_numpy(float), X, t.astype(int), ar=2, restricted=restricted, series=wv
        ), expected

    @pytest.mark.parametrize("kind", ["ml", "reml"])
    def test_reference_ar2(self, shared: Path, kind: str) -> None:
        fit, expected = self.fit(shared, restricted=kind == "reml")
        check(
            self.CASE,
            f"stacked AR(2) by {kind.upper()}",
            fit,
            list(self.NAMES),
            expected["models"][f"ar2_{kind}"],
            expected["tolerance"],
        )

    def test_reference_effect_over_time(self, shared: Path) -> None:
        fit, expected = self.fit(shared, restricted=False)
        wanted = expected["effect_over_time_ar2_ml"]
        rows = np.zeros((11, 8))
        rows[:, 6], rows[:, 7] = 1, np.arange(1, 12)
        for quarter, row, effect, error in zip(
            wanted["quarters"], rows, wanted["effect"], wanted["effect_se"], strict=True
        ):
            w = fit.contrast(row)
            agrees(
                self.CASE,
                f"effect in quarter {quarter}, AR(2)",
                w.estimate,
                effect,
                rel=expected["tolerance"]["rel_gls_estimate"],
            )
            agrees(
                self.CASE,
                f"effect in quarter {quarter}, AR(2), standard error",
                w.std_error,
                error,
                rel=expected["tolerance"]["rel_gls_se"],
            )
        total = fit.contrast(rows.sum(axis=0))
        agrees(
            self.CASE,
            "cumulative effect, AR(2)",
            total.estimate,
            wanted["cumulative"],
            rel=expected["tolerance"]["rel_gls_estimate"],
        )
        agrees(
            self.CASE,
            "cumulative effect, AR(2), standard error",
            total.std_error,
            wanted["cumulative_se"],
            rel=expected["tolerance"]["rel_gls_se"],
        )

    def test_reference_likelihood_ratio(self, shared: Path) -> None:
        fit, expected = self.fit(shared, restricted=False)
        ratio = 2 * (fit.log_likelihood - expected["models"]["ar1_ml"]["logLik"])
        agrees(self.CASE, "likelihood ratio AR(2) to AR(1)", ratio, expected["lr_ar2_vs_ar1_ml"], abs=2e-3)


def test_reference_antidepressants_ar5_across_the_hole(shared: Path) -> None:
    d, expected = load(shared, "antidepressant_phase_in")
    t = np.arange(1, 45)
    kept = (t < 16) | (t > 20)
    X = np.column_stack([np.ones(44), t, t >= 21, np.maximum(0, t - 20)]).astype(float)[kept]
    fit = fit_arma(d["ad_perc"].to_numpy(float)[kept], X, t[kept], ar=5, restricted=False)
    check("its/antidepressant_phase_in", "AR(5) by ML, gap-aware", fit, ["(Intercept)", "time", "level", "trend"],
          expected["models"]["gls_ar5_ml_gap_aware"], expected["tolerance"])  # fmt: skip


def test_reference_antidepressants_effect_at_the_end(shared: Path) -> None:
    d, expected = load(shared, "antidepressant_phase_in")
    t = np.arange(1, 45)
    kept = (t < 16) | (t > 20)
    X = np.column_stack([np.ones(44), t, t >= 21, np.maximum(0, t - 20)]).astype(float)
    y, case = d["ad_perc"].to_numpy(float), "its/antidepressant_phase_in"
    gap, without = np.array([0, 0, 1.0, 24.0]), np.array([1.0, 44.0, 0, 0])
    wanted = expected["effects"]
    ols = fit_least_squares(y[kept], X[kept])
    agrees(
        case, "least squares, effect in 2010 Q4", float(gap @ ols.beta), wanted["ols"]["effect_2010Q4"], rel=CLOSED_FORM
    )
    agrees(
        case,
        "least squares, its standard error",
        math.sqrt(ols.dispersion * gap @ ols.bread @ gap),
        wanted["ols"]["se"],
        rel=CLOSED_FORM,
    )
    agrees(
        case,
        "least squares, counterfactual in 2010 Q4",
        float(without @ ols.beta),
        wanted["ols"]["counterfactual_2010Q4"],
        rel=CLOSED_FORM,
    )
    reml = fit_value_series(y[kept], X[kept], t[kept])
    w = reml.contrast(gap)
    near, error = 1e-4, 1e-3
    agrees(case, "AR(1) by REML, effect in 2010 Q4", w.estimate, wanted["gls_ar1_reml"]["effect_2010Q4"], rel=near)
    agrees(case, "AR(1) by REML, its standard error", w.std_error, wanted["gls_ar1_reml"]["se"], rel=error)
    agrees(
        case,
        "AR(1) by REML, counterfactual in 2010 Q4",
        float(without @ reml.beta),
        wanted["gls_ar1_reml"]["counterfactual_2010Q4"],
        rel=near,
    )


def test_reference_new_hampshire_ma1(shared: Path) -> None:
    d, expected = load(shared, "nh_drug_cap_two_interruptions")
    t = np.arange(1, 49)
    X = np.column_stack(
        [np.ones(48), t, t >= 21, np.maximum(0, t - 20), t >= 32, np.maximum(0, t - 31), t == 20]
    ).astype(float)
    fit = fit_arma(d["rxpp"].to_numpy(float), X, t, ma=1, restricted=False)
    names = ["(Intercept)", "time", "cap_level", "cap_trend", "copay_level", "copay_trend", "wild"]
    check(
        "its/nh_drug_cap_two_interruptions",
        "MA(1) by ML",
        fit,
        names,
        expected["models"]["gls_ma1_ml"],
        expected["tolerance"],
    )


def test_reference_proposition_99_gap_to_the_counterfactual(shared: Path) -> None:
    d, expected = load(shared, "prop99_itsa_single")
    wanted, case = expected["counterfactual"], "its/prop99_itsa_single"
    year = d["year"].to_numpy()
    X = np.column_stack([np.ones(len(d)), year - 1970, year >= 1989, np.maximum(0, year - 1989)]).astype(float)
    y = d["cigsale"].to_numpy(float)
    fit = fit_least_squares(y, X)
    V = newey_west(X * (y - fit.mu)[:, None], fit.bread, year, 1)
    rows = np.column_stack([np.zeros((12, 2)), np.ones(12), np.arange(12)])
    for at, row, effect, error in zip(wanted["years"], rows, wanted["effect"], wanted["effect_se_nw1"], strict=True):
        agrees(case, f"gap in {at}", float(row @ fit.beta), effect, rel=CLOSED_FORM)
        agrees(case, f"gap in {at}, standard error", math.sqrt(row @ V @ row), error, rel=CLOSED_FORM)
    total = rows.sum(axis=0)
    agrees(case, "cumulative gap", float(total @ fit.beta), wanted["cumulative_effect"], rel=CLOSED_FORM)
    agrees(
        case,
        "cumulative gap, standard error",
        math.sqrt(total @ V @ total),
        wanted["cumulative_effect_se_nw1"],
        rel=CLOSED_FORM,
    )
    agrees(
        case,
        "counterfactual in 1989",
        float(np.array([1, 19, 0, 0]) @ fit.beta),
        wanted["counterfactual_1989"],
        rel=CLOSED_FORM,
    )


def independent(y: np.ndarray, X: np.ndarray, offset: np.ndarray, clock: np.ndarray, *, quasi: bool) -> SeriesFit:
    """The tool's fit with errors taken as independent, which is what quasi-Poisson is; t with n - p."""
    plain = fit_poisson(y, X, offset)
    phi = plain.dispersion if quasi else 1.0
    return replace(
        fit_count_series(y, X, offset, clock),
        beta=plain.beta,
        mu=plain.mu,
        rho=0.0,
        share=1.0,
        phi=phi,
        with_noise=True,
    )


def check_totals(
    case: str, model: str, fit: SeriesFit, X0: np.ndarray, after: np.ndarray, wanted: dict[str, Any]
) -> None:
    """Totals by the tool's own projection and contrast; R's limits are normal, so errors are compared and not limits."""
    found = project(fit, X0[after], fit.offset[after], fit.clock[after], ~after, np.ones(int(after.sum()), dtype=bool))
    t = float(stdtrit(fit.n - fit.p, 0.975))

    def error(low: float, value: float) -> float:
        return -math.log(low / value) * value / t

    observed = float(fit.y[after].sum())
    agrees(case, f"{model}, observed total", observed, wanted["observed_total"], rel=CLOSED_FORM)
    agrees(
        case, f"{model}, counterfactual total", found.modelled.value, wanted["counterfactual_total"], rel=CLOSED_FORM
    )
    agrees(case, f"{model}, counterfactual total, standard error", error(found.modelled.low, found.modelled.value),
           wanted["counterfactual_total_se_delta"], rel=CLOSED_FORM)  # fmt: skip
    agrees(
        case,
        f"{model}, averted against observed",
        found.modelled.value - observed,
        wanted["averted_vs_observed"],
        rel=CLOSED_FORM,
    )
    agrees(case, f"{model}, averted, prediction error", error(found.predicted.low, found.predicted.value),
           wanted["averted_vs_observed_se_prediction"], rel=CLOSED_FORM)  # fmt: skip
    gradient = X0[after].T @ np.exp(X0[after] @ fit.beta + fit.offset[after]) - fit.X[after].T @ fit.mu[after]
    w = fit.contrast(gradient)
    fitted = float(fit.mu[after].sum())
    agrees(case, f"{model}, fitted total", fitted, wanted["fitted_total"], rel=CLOSED_FORM)
    agrees(
        case, f"{model}, averted by the model", found.modelled.value - fitted, wanted["averted_model"], rel=CLOSED_FORM
    )
    agrees(
        case,
        f"{model}, averted by the model, standard error",
        w.std_error,
        wanted["averted_model_se_delta"],
        rel=CLOSED_FORM,
    )
    low, high = (found.modelled.value - fitted + s * stats.norm.ppf(0.975) * w.std_error for s in (-1, 1))
    agrees(case, f"{model}, averted by the model, lower end", low, wanted["averted_model_ci"][0], rel=CLOSED_FORM)
    agrees(case, f"{model}, averted by the model, upper end", high, wanted["averted_model_ci"][1], rel=CLOSED_FORM)


SICILY = {
    "poisson_level": (0, False, False),
    "quasipoisson_level": (0, False, False),
    "quasipoisson_level_harmonic2": (2, False, False),
    "quasipoisson_level_slope_harmonic2": (2, True, False),
    "quasipoisson_level_month_dummies": (0, False, True),
}


@pytest.mark.parametrize("model", list(SICILY))
def test_reference_sicily_totals(shared: Path, model: str) -> None:
    d, expected = load(shared, "sicily_smoking_ban")
    pairs, slope, dummies = SICILY[model]
    t, ban = np.arange(1, 60), d["smokban"].to_numpy(float)
    columns = [np.ones(59), ban, t.astype(float)]
    columns += [ban * (t - 36)] if slope else []
    # The reference's harmonics run on the month of the year.
    columns += harmonics(d["month"].to_numpy(float), pairs, 12)[0] if pairs else []
    columns += [(d["month"] == m).to_numpy(float) for m in range(2, 13)] if dummies else []
    X = np.column_stack(columns)
    X0 = X.copy()
    X0[:, 1] = 0
    if slope:
        X0[:, 3] = 0
    fit = independent(
        d["aces"].to_numpy(float), X, np.log(d["stdpop"].to_numpy(float)), t, quasi=model != "poisson_level"
    )
    check_totals("its/sicily_smoking_ban", model, fit, X0, ban == 1, expected["models"][model]["counterfactual"])


def test_reference_england_totals(shared: Path) -> None:
    d, expected = load(shared, "nhs_ae_admissions_placebo")
    model = "quasipoisson_level_harmonic2_offset_days"
    n = len(d)
    month = pd.PeriodIndex(d["period"].astype(str).str[:7], freq="M")
    level = (np.asarray(month) >= pd.Period("2018-04", "M")).astype(float)
    t = np.arange(1, n + 1)
    X = np.column_stack([np.ones(n), t, level, *harmonics(np.asarray(month.month, dtype=float), 2, 12)[0]])
    X0 = X.copy()
    X0[:, 2] = 0
    fit = independent(
        d["admissions"].to_numpy(float), X, np.log(np.asarray(month.days_in_month, dtype=float)), t, quasi=True
    )
    check_totals(
        "its/nhs_ae_admissions_placebo", model, fit, X0, level == 1, expected["models"][model]["counterfactual"]
    )
