"""The numbers that the series cases state beyond their headline: every coefficient, its p and limits, fit statistics, forecasts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaot_eval.estimators._count_series import SeriesFit, Wald, fit_value_series
from aaot_eval.estimators._glm import PoissonFit, fit_poisson
from aaot_eval.estimators._its_model import harmonics
from aaot_eval.estimators._series_companions import (
    arima_forecast,
    fit_least_squares,
    newey_west,
    project_before,
    seasonal_arima,
)
from tests.agreement import agrees

CLOSED_FORM = 1e-6
SMALL = 1e-9
"""A value near nought is held to this, and not to a share of itself."""
P_SHARE = 1e-4
"""A p of 1e-60 moves by 1e-4 of itself when its t moves by 1e-6."""
ORDERS = (2, 1, 0), (0, 1, 1, 12)
STEP_RAMP, ARIMA_ERROR = 5e-4, 5e-3
"""Tolerances stated by the quetiapine case."""


def load(shared: Path, case: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    folder = shared / "reference_cases" / "its" / case
    return pd.read_csv(folder / "data.csv"), json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def season(month: np.ndarray) -> dict[str, np.ndarray]:
    columns, names = harmonics(month.astype(float), 2, 12)
    return dict(zip(names, columns, strict=True))


def table_agrees(case: str, model: str, fit: PoissonFit, V: np.ndarray, names: list[str], df: float, wanted: dict[str, Any],
                 *, rel: float = CLOSED_FORM) -> None:  # fmt: skip
    """Estimate, standard error, p and limits of every coefficient; ratios where the case has them."""
    for i, name in enumerate(names):
        w = Wald(float(fit.beta[i]), math.sqrt(V[i, i]), df, df)
        wald_agrees(case, f"{model}, {name}", w, wanted[name], rel=rel)


def wald_agrees(case: str, what: str, w: Wald, stated: dict[str, float], *, rel: float = CLOSED_FORM) -> None:
    low, high = w.interval()
    ours = {"estimate": w.estimate, "se": w.std_error, "ci_low": low, "ci_high": high, "z": w.statistic, "t": w.statistic,
            "ratio": math.exp(min(w.estimate, 700)), "ratio_low": math.exp(min(low, 700)), "ratio_high": math.exp(min(high, 700))}  # fmt: skip
    for key, value in stated.items():
        if key == "p":
            agrees(case, f"{what}, p", w.p_value, value, rel=max(P_SHARE, 1e3 * rel), abs=1e-300)
        elif key in ours:
            agrees(case, f"{what}, {key}", ours[key], value, rel=rel, abs=max(SMALL, rel * w.std_error))


def durbin_watson(residual: np.ndarray) -> float:
    return float(np.sum(np.diff(residual) ** 2) / np.sum(residual**2))


def least_squares(
    case: str, model: str, y: np.ndarray, X: np.ndarray, names: list[str], stated: dict[str, Any]
) -> PoissonFit:
    fit = fit_least_squares(y, X)
    table_agrees(case, model, fit, fit.bread * fit.dispersion, names, fit.df, stated["coef"])
    residual, sigma = y - fit.mu, math.sqrt(fit.dispersion)
    statistics = {"rmse": sigma, "sigma": sigma * (math.sqrt(fit.df / len(y)) if stated.get("method") == "ML" else 1.0), "durbin_watson": durbin_watson(residual), "durbin_watson_gap_blind": durbin_watson(residual),
                  "df_resid": fit.df, "n": len(y)}  # fmt: skip
    for key, value in stated.items():
        if key in statistics:
            agrees(case, f"{model}, {key}", statistics[key], value, rel=CLOSED_FORM)
    return fit


def fit_statistics(case: str, model: str, fit: SeriesFit, stated: dict[str, Any], rel: float) -> None:
    """R divides by n under maximum likelihood, and by n - p under restricted likelihood, as this package always does."""
    share = 1.0 if stated["method"] == "REML" else (fit.n - fit.p) / fit.n
    agrees(case, f"{model}, sigma", math.sqrt(share * fit.phi), stated["sigma"], rel=rel)
    agrees(case, f"{model}, n", fit.n, stated["n"])
    agrees(case, f"{model}, df_resid", fit.n - fit.p, stated["df_resid"])


# Sicily and England --------------------------------------------------------------------------------------------------


def counts(case: str, model: str, y: np.ndarray, X: dict[str, np.ndarray], offset: np.ndarray, stated: dict[str, Any], *, quasi: bool = True,
           t_too: bool = False) -> PoissonFit:  # fmt: skip
    fit = fit_poisson(y, np.column_stack(list(X.values())), offset)
    V = fit.bread * (fit.dispersion if quasi else 1.0)
    if "coef" in stated:
        table_agrees(case, model, fit, V, list(X), math.inf, stated["coef"])
    if t_too:
        table_agrees(case, f"{model}, t", fit, V, list(X), fit.df, stated["coef_t"])
    pearson = (y - fit.mu) / np.sqrt(fit.mu)
    ratio = np.divide(y, fit.mu, out=np.ones_like(y), where=y > 0)
    deviance = np.sign(y - fit.mu) * np.sqrt(2 * (y * np.log(ratio) - (y - fit.mu)))
    known = {"pearson_chi2": float(pearson @ pearson), "deviance": float(deviance @ deviance), "df_resid": fit.df, "n": len(y),
             "durbin_watson_pearson": durbin_watson(pearson), "durbin_watson_deviance": durbin_watson(deviance),
             "dispersion_pearson": fit.dispersion}  # fmt: skip
    for key, value in stated.items():
        if key in known:
            agrees(case, f"{model}, {key}", known[key], value, rel=CLOSED_FORM)
    return fit


def sicily(d: pd.DataFrame, model: str) -> dict[str, np.ndarray]:
    t, ban = d["time"].to_numpy(float), d["smokban"].to_numpy(float)
    X = {"(Intercept)": np.ones(59), "smokban": ban, "time": t}
    if "slope" in model:
        X["tsb"] = np.maximum(0, t - 36)
    if "harmonic2" in model:
        X |= season(d["month"].to_numpy())
    if "dummies" in model:
        X |= {f"factor(month){m}": (d["month"] == m).to_numpy(float) for m in range(2, 13)}
    return X


SICILY = ["poisson_level", "quasipoisson_level", "quasipoisson_level_harmonic2", "quasipoisson_level_slope_harmonic2", "quasipoisson_level_month_dummies"]  # fmt: skip


@pytest.mark.parametrize("model", SICILY)
def test_reference_sicily_in_full(shared: Path, model: str) -> None:
    d, expected = load(shared, "sicily_smoking_ban")
    case, X, stated = "its/sicily_smoking_ban", sicily(d, model), expected["models"][model]
    y, offset = d["aces"].to_numpy(float), np.log(d["stdpop"].to_numpy(float))
    fit = counts(case, model, y, X, offset, stated, quasi=model != "poisson_level")
    for key in (k for k in stated if k.startswith("hac")):
        design = np.column_stack(list(X.values()))
        V = newey_west(design * (y - fit.mu)[:, None], fit.bread, d["time"].to_numpy(), 3)
        table_agrees(case, f"{model}, Newey-West lag 3", fit, V, list(X), math.inf, stated[key])
    if "counterfactual" in stated:
        c = stated["counterfactual"]
        agrees(case, f"{model}, averted by the model, percent", 100 * c["averted_model"] / c["counterfactual_total"], c["averted_percent_model"], rel=CLOSED_FORM,
               note="of totals compared above")  # fmt: skip


def test_reference_sicily_as_published(shared: Path) -> None:
    d, expected = load(shared, "sicily_smoking_ban")
    y, offset, ours = d["aces"].to_numpy(float), np.log(d["stdpop"].to_numpy(float)), []
    for model in ("poisson_level", "quasipoisson_level_harmonic2"):
        fit = fit_poisson(y, np.column_stack(list(sicily(d, model).values())), offset)
        scale = 1.0 if model == "poisson_level" else fit.dispersion
        w = Wald(float(fit.beta[1]), math.sqrt(scale * fit.bread[1, 1]), math.inf, math.inf)
        ours += [math.exp(v) for v in (w.estimate, *w.interval())]
    for stated, value in zip(expected["published"], ours, strict=True):
        agrees(
            "its/sicily_smoking_ban",
            f"published {stated['what']}",
            value,
            stated["published"],
            abs=1e-3,
            note="printed with three digits",
        )


def test_reference_sicily_before_the_ban(shared: Path) -> None:
    d, expected = load(shared, "sicily_smoking_ban")
    stated = expected["models"]["quasipoisson_preperiod_extrapolation"]
    before = d["time"].to_numpy() <= 36
    X = {k: v[before] for k, v in sicily(d, "harmonic2").items() if k != "smokban"}
    total = stated["counterfactual"]
    found = project_before(d["aces"].to_numpy(float), np.column_stack([v for k, v in sicily(d, "harmonic2").items() if k != "smokban"]),
                           np.log(d["stdpop"].to_numpy(float)), before, ~before)  # fmt: skip
    agrees(
        "its/sicily_smoking_ban",
        "projection from before, averted",
        found.projected - found.observed,
        total["averted_vs_observed"],
        rel=CLOSED_FORM,
    )
    counts("its/sicily_smoking_ban", "quasipoisson_preperiod_extrapolation", d["aces"].to_numpy(float)[before], X,
           np.log(d["stdpop"].to_numpy(float))[before], stated)  # fmt: skip


ENGLAND = [
    "quasipoisson_level_harmonic2_offset_days",
    "quasipoisson_level_slope_harmonic2_offset_days",
    "quasipoisson_without_day_offset",
]


@pytest.mark.parametrize("model", ENGLAND)
def test_reference_england_in_full(shared: Path, model: str) -> None:
    d, expected = load(shared, "nhs_ae_admissions_placebo")
    case, stated = "its/nhs_ae_admissions_placebo", expected["models"][model]
    month = pd.PeriodIndex(d["period"].astype(str).str[:7], freq="M")
    t = np.arange(36.0)
    X = {"(Intercept)": np.ones(36), "time": t, "level": (t >= 24).astype(float)}
    X |= {"slope": np.maximum(0, t - 24)} if "slope" in model else {}
    X |= season(np.asarray(month.year * 12 + month.month - 1))
    # The case counts months from 1, and its harmonics from the month of the year or from the series: by what fits its coefficients.
    stated_time = stated["coef_t"]["(Intercept)"]["estimate"]
    offset = np.log(np.asarray(month.days_in_month, dtype=float)) * ("without" not in model)
    y = d["admissions"].to_numpy(float)
    first, phase = _england_origin(y, X, offset, stated_time, month)
    X |= {"time": t + first, **season(phase)}
    fit = counts(case, model, y, X, offset, stated, t_too=True)
    if "averted_percent_model" in stated.get("counterfactual", {}):
        c = stated["counterfactual"]
        agrees(case, f"{model}, averted by the model, percent", 100 * c["averted_model"] / c["counterfactual_total"], c["averted_percent_model"], rel=CLOSED_FORM,
               note="of totals compared above")  # fmt: skip
    design = np.column_stack(list(X.values()))
    for lag in (1, 3):
        V = newey_west(design * (y - fit.mu)[:, None], fit.bread, t, lag)
        table_agrees(case, f"{model}, Newey-West lag {lag}", fit, V, list(X), fit.df, stated[f"hac_lag{lag}_t"])


def test_reference_england_log_rate_in_full(shared: Path) -> None:
    """The intercept and the season as well; harmonics and time as in the count models."""
    d, expected = load(shared, "nhs_ae_admissions_placebo")
    case, model = "its/nhs_ae_admissions_placebo", "gls_ar1_reml_log_rate_per_day"
    month = pd.PeriodIndex(d["period"].astype(str).str[:7], freq="M")
    t, days = np.arange(36.0), np.asarray(month.days_in_month, dtype=float)
    y, stated = d["admissions"].to_numpy(float), expected["models"][model]
    plain = expected["models"][ENGLAND[0]]["coef_t"]["(Intercept)"]["estimate"]
    X = {"(Intercept)": np.ones(36), "time": t, "level": (t >= 24).astype(float), **season(t)}
    first, phase = _england_origin(y, X, np.log(days), plain, month)
    X |= {"time": t + first, **season(phase)}
    fit = fit_value_series(np.log(y / days), np.column_stack(list(X.values())), t)
    for i, name in enumerate(X):
        w, coef = fit.coefficient(i), stated["coef"][name]
        agrees(
            case,
            f"{model}, {name}, estimate",
            w.estimate,
            coef["estimate"],
            abs=1e-3 * max(abs(w.estimate), w.std_error),
        )
        agrees(case, f"{model}, {name}, se", w.std_error, coef["se"], rel=1e-3)


def _england_origin(y: np.ndarray, X: dict[str, np.ndarray], offset: np.ndarray, wanted: float, month: pd.PeriodIndex) -> tuple[float, np.ndarray]:  # fmt: skip
    for first in (0.0, 1.0):
        for phase in (np.asarray(month.month), np.asarray(month.month) - 1, np.arange(36) + first):
            design = X | {"time": np.arange(36.0) + first} | season(phase)
            if abs(fit_poisson(y, np.column_stack(list(design.values())), offset).beta[0] - wanted) < 1e-7:
                return first, phase
    raise AssertionError("no origin of time gives the stated intercept")


# Values ----------------------------------------------------------------------------------------------------------------


def west_virginia(d: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    wv = (d["state"] == "WV").to_numpy(float)
    t = np.tile(np.arange(1, 20), 2).astype(float)
    level, trend = (t >= 9).astype(float), np.maximum(0, t - 8)
    return np.column_stack([np.ones(38), t, wv, wv * t, level, trend, wv * level, wv * trend]), t, wv


def test_reference_west_virginia_effect_over_time_by_least_squares(shared: Path) -> None:
    d, expected = load(shared, "wv_antipsychotic_cits")
    case, (X, _, wv), y = "its/wv_antipsychotic_cits", west_virginia(d), d["market_share"].to_numpy(float)
    names = ["(Intercept)", "time", "wv", "wvtime", "level", "trend", "wvlevel", "wvtrend"]
    fit = least_squares(case, "least squares", y, X, names, expected["models"]["ols"])
    stated = expected["effect_over_time_ols"]
    V = fit.bread * fit.dispersion
    rows = np.zeros((11, 8))
    rows[:, 6], rows[:, 7] = 1, np.arange(1, 12)
    for quarter, row, effect, error in zip(
        stated["quarters"], rows, stated["effect"], stated["effect_se"], strict=True
    ):
        agrees(case, f"effect in quarter {quarter}, least squares", float(row @ fit.beta), effect, rel=CLOSED_FORM)
        agrees(
            case,
            f"effect in quarter {quarter}, least squares, standard error",
            math.sqrt(row @ V @ row),
            error,
            rel=CLOSED_FORM,
        )
    total = rows.sum(axis=0)
    agrees(case, "cumulative effect, least squares", float(total @ fit.beta), stated["cumulative"], rel=CLOSED_FORM)
    agrees(
        case,
        "cumulative effect, least squares, standard error",
        math.sqrt(total @ V @ total),
        stated["cumulative_se"],
        rel=CLOSED_FORM,
    )
    model, residual = expected["models"]["ols"], y - fit.mu
    for key, rows_of in (
        ("durbin_watson_stacked", wv >= 0),
        ("durbin_watson_wv", wv == 1),
        ("durbin_watson_control", wv == 0),
    ):
        agrees(case, key, durbin_watson(residual[rows_of]), model[key], rel=CLOSED_FORM)
    for stated_as, ours in zip(expected["published"], (fit.beta[6], fit.beta[7], durbin_watson(residual)), strict=True):
        agrees(case, f"published {stated_as['what']}", round(float(ours), 4), stated_as["published"], rel=SMALL)


def test_reference_west_virginia_alone(shared: Path) -> None:
    d, expected = load(shared, "wv_antipsychotic_cits")
    X, t, wv = west_virginia(d)
    stacked = fit_value_series(d["market_share"].to_numpy(float), X, t, restricted=False, lowest_rho=-0.9, series=wv)
    fit_statistics("its/wv_antipsychotic_cits", "ar1_ml", stacked, expected["models"]["ar1_ml"], rel=1e-3)
    case, own, y = "its/wv_antipsychotic_cits", wv == 1, d["market_share"].to_numpy(float)
    names = ["(Intercept)", "time", "level", "trend"]
    least_squares(
        case,
        "one series, least squares",
        y[own],
        X[own][:, [0, 1, 4, 5]],
        names,
        expected["models"]["single_series_ols"],
    )
    for restricted, key in ((False, "single_series_ar1_ml"), (True, "single_series_ar1_reml")):
        fit = fit_value_series(y[own], X[own][:, [0, 1, 4, 5]], t[own], restricted=restricted, lowest_rho=-0.9)
        fit_statistics(case, key, fit, expected["models"][key], rel=3e-3)


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_reference_proposition_99_in_full(shared: Path, lag: int) -> None:
    d, expected = load(shared, "prop99_itsa_single")
    _proposition(d, expected, f"ols_newey_west_lag{lag}", (1989,), lag, np.ones(31, dtype=bool))


@pytest.mark.parametrize(("model", "years"), [("ols_two_interruptions_lag1", (1970, 2000)), ("ols_two_interruptions_1975_1995_lag1", (1975, 1995))])  # fmt: skip
def test_reference_proposition_99_two_interruptions(shared: Path, model: str, years: tuple[int, int]) -> None:
    d, expected = load(shared, "prop99_itsa_single")
    _proposition(d, expected, model, (1982, 1989), 1, d["year"].between(*years).to_numpy())


def _proposition(
    d: pd.DataFrame, expected: dict[str, Any], model: str, dates: tuple[int, ...], lag: int, kept: np.ndarray
) -> None:
    case, stated = "its/prop99_itsa_single", expected["models"][model]
    year, y = d["year"].to_numpy()[kept].astype(float), d["cigsale"].to_numpy(float)[kept]
    X = {"_cons": np.ones(len(y)), "_t": year - 1970}
    for date in dates:
        X |= {f"_x{date}": (year >= date).astype(float), f"_x_t{date}": np.maximum(0, year - date)}
    design = np.column_stack(list(X.values()))
    fit = fit_least_squares(y, design)
    V = newey_west(design * (y - fit.mu)[:, None], fit.bread, year, lag)
    table_agrees(case, model, fit, V, list(X), fit.df, stated["coef"])
    row = np.array([name.startswith(("_t", "_x_t")) for name in X], dtype=float)
    last = Wald(float(row @ fit.beta), math.sqrt(row @ V @ row), fit.df, fit.df)
    wald_agrees(case, f"{model}, trend after the last", last, stated["post_trend_after_last"])
    agrees(case, f"{model}, durbin_watson", durbin_watson(y - fit.mu), stated["durbin_watson"], rel=CLOSED_FORM)
    agrees(case, f"{model}, rmse", math.sqrt(fit.dispersion), stated["rmse"], rel=CLOSED_FORM)


def test_reference_proposition_99_other_errors(shared: Path) -> None:
    d, expected = load(shared, "prop99_itsa_single")
    case, year, y = "its/prop99_itsa_single", d["year"].to_numpy(float), d["cigsale"].to_numpy(float)
    X = np.column_stack([np.ones(31), year - 1970, year >= 1989, np.maximum(0, year - 1989)]).astype(float)
    fit_statistics(
        case, "gls_ar1_ml", fit_value_series(y, X, year, restricted=False), expected["models"]["gls_ar1_ml"], rel=1e-2
    )
    fit = fit_least_squares(y, X)
    agrees(case, "fitted in 1989", float(X[19] @ fit.beta), expected["counterfactual"]["fitted_1989"], rel=CLOSED_FORM)


def test_reference_new_hampshire_in_full(shared: Path) -> None:
    d, expected = load(shared, "nh_drug_cap_two_interruptions")
    case, t = "its/nh_drug_cap_two_interruptions", np.arange(1.0, 49)
    X = np.column_stack(
        [np.ones(48), t, t >= 21, np.maximum(0, t - 20), t >= 32, np.maximum(0, t - 31), t == 20]
    ).astype(float)
    names = ["(Intercept)", "time", "cap_level", "cap_trend", "copay_level", "copay_trend", "wild"]
    y, models = d["rxpp"].to_numpy(float), expected["models"]
    fit = least_squares(case, "least squares", y, X, names, models["ols"])
    least_squares(
        case, "least squares without the wild point", y, X[:, :6], names[:6], models["ols_without_wild_point"]
    )
    for lag in (1, 3):
        V = newey_west(X * (y - fit.mu)[:, None], fit.bread, t, lag)
        table_agrees(case, f"Newey-West lag {lag}", fit, V, names, fit.df, models[f"ols_newey_west_lag{lag}"]["coef"])
    for restricted, key in ((True, "gls_ar1_reml"), (False, "gls_ar1_ml")):
        fit_statistics(
            case, key, fit_value_series(y, X, t, restricted=restricted, lowest_rho=-0.9), models[key], rel=1e-3
        )


def test_reference_antidepressants_in_full(shared: Path) -> None:
    d, expected = load(shared, "antidepressant_phase_in")
    case, t, models = "its/antidepressant_phase_in", np.arange(1.0, 45), expected["models"]
    kept, y = (t < 16) | (t > 20), d["ad_perc"].to_numpy(float)
    names = ["(Intercept)", "time", "level", "trend"]
    X = np.column_stack([np.ones(44), t, t >= 21, np.maximum(0, t - 20)]).astype(float)
    whole = np.column_stack([np.ones(44), t, t >= 16, np.maximum(0, t - 15)]).astype(float)
    fit = least_squares(case, "least squares, wash-out", y[kept], X[kept], names, models["ols_washout"])
    least_squares(case, "least squares, no wash-out", y, whole, names, models["ols_no_washout"])
    for gap, clock in (("aware", t[kept]), ("blind", np.arange(39.0))):
        V = newey_west(X[kept] * (y[kept] - fit.mu)[:, None], fit.bread, clock, 1)
        table_agrees(
            case,
            f"Newey-West lag 1, gap-{gap}",
            fit,
            V,
            names,
            fit.df,
            models[f"ols_washout_newey_west_lag1_gap_{gap}"]["coef"],
        )
        fit_statistics(
            case,
            f"AR(1) by REML, gap-{gap}",
            fit_value_series(y[kept], X[kept], clock),
            models[f"gls_ar1_reml_gap_{gap}"],
            rel=1e-2,
        )
    ml = fit_value_series(y[kept], X[kept], t[kept], restricted=False)
    fit_statistics(case, "AR(1) by ML, gap-aware", ml, models["gls_ar1_ml_gap_aware"], rel=1e-2)


# Quetiapine --------------------------------------------------------------------------------------------------------------


def quetiapine(shared: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    d, expected = load(shared, "quetiapine_arima")
    month = np.arange(48)
    return (
        d["dispensings"].to_numpy(float),
        np.column_stack([month >= 36, np.maximum(0, month - 35)]).astype(float),
        expected,
    )


def test_reference_quetiapine_in_full(shared: Path) -> None:
    y, X, expected = quetiapine(shared)
    case, fit = "its/quetiapine_arima", seasonal_arima(y, X, *ORDERS)
    names = {"ar1": "ar.L1", "ar2": "ar.L2", "sma1": "ma.S.L12"}
    for model in ("arima_210_011_step_ramp_ml", "arima_210_011_step_ramp_css_ml"):
        stated = expected["models"][model]
        note = "" if model.endswith("step_ramp_ml") else "R's fit from another start, the same optimum"
        for name, ours in names.items():
            agrees(
                case, f"{model}, {name}", fit.params[ours], stated["coef"][name]["estimate"], rel=STEP_RAMP, note=note
            )
            agrees(
                case,
                f"{model}, {name}, standard error",
                fit.errors[ours],
                stated["coef"][name]["se"],
                rel=ARIMA_ERROR,
                note=note,
            )
        for i, name in enumerate(("step", "ramp")):
            w, coef = fit.contrast(np.eye(2)[i]), stated["coef"][name]
            low, high = w.interval()
            for key, value in (("estimate", w.estimate), ("ci_low", low), ("ci_high", high)):
                agrees(case, f"{model}, {name}, {key}", value, coef[key], rel=STEP_RAMP, note=note)
            agrees(case, f"{model}, {name}, se", w.std_error, coef["se"], rel=ARIMA_ERROR, note=note)
        agrees(case, f"{model}, innovation variance", fit.innovation, stated["sigma2"], rel=ARIMA_ERROR, note=note)
        k = len(fit.params) + len(fit.beta) + 1
        small = fit.aic + 2 * k * (k + 1) / (fit.used - k - 1)
        bic = fit.aic + k * (math.log(fit.used) - 2)
        for key, value in (("logLik", fit.log_likelihood), ("AIC", fit.aic), ("AICc", small), ("BIC", bic)):
            agrees(case, f"{model}, {key}", value, stated[key], abs=0.005, note=note)
        agrees(case, f"{model}, periods after differencing", fit.used, stated["n_used"], note=note)
    for stated in expected["published"]:
        name = stated["what"].split()[0]
        low, high = fit.contrast(np.eye(2)[int(name == "ramp")]).interval()
        ours = (
            low
            if "lower" in stated["what"]
            else high
            if "upper" in stated["what"]
            else float(fit.beta[int(name == "ramp")])
        )
        agrees(case, f"published {stated['what']}", ours, stated["published"], abs=1.0)


def test_reference_quetiapine_effect_over_twelve_months(shared: Path) -> None:
    y, X, expected = quetiapine(shared)
    case, stated = "its/quetiapine_arima", expected["models"]["model_based_effect_12m"]
    fit = seasonal_arima(y, X, *ORDERS)
    total = fit.contrast(X[36:].sum(axis=0))
    agrees(case, "effect over twelve months", total.estimate, stated["cumulative"], rel=STEP_RAMP)
    agrees(case, "effect over twelve months, standard error", total.std_error, stated["se"], rel=ARIMA_ERROR)
    agrees(case, "effect in month 12", fit.contrast(X[47]).estimate, stated["at_month_12"], rel=STEP_RAMP)


def test_reference_quetiapine_forecast_of_the_months_before(shared: Path) -> None:
    y, _, expected = quetiapine(shared)
    case, stated = "its/quetiapine_arima", expected["models"]["counterfactual_from_pre_period"]
    found = arima_forecast(y[:36], np.zeros((36, 0)), np.zeros((12, 0)), *ORDERS)
    low, high = found.interval()
    for i in range(12):
        for key, ours in (("mean", found.mean), ("lower95", low), ("upper95", high)):
            agrees(case, f"forecast of 2014-{i + 1:02d}, {key}", float(ours[i]), stated[key][i], rel=STEP_RAMP)
    away = found.away(y[36:])
    agrees(
        case,
        "observed less forecast, twelve months",
        12 * away.estimate,
        stated["cumulative_observed_minus_forecast"],
        rel=STEP_RAMP,
    )


def test_what_a_forecast_misses_grows_and_adds_up() -> None:
    """A random walk: variances 1, 2, 3, the covariance of two periods the variance of the earlier."""
    y = np.cumsum(np.random.default_rng(1).standard_normal(400))
    found = arima_forecast(y, np.zeros((400, 0)), np.zeros((3, 0)), (0, 1, 0), (0, 0, 0, 0))
    one = found.covariance[0, 0]
    assert one == pytest.approx(1.0, abs=0.2)
    assert found.covariance / one == pytest.approx(np.minimum.outer(np.arange(1, 4), np.arange(1, 4)), abs=1e-6)
    assert found.away(np.array([math.nan, y[-1] + 2, math.nan]))[:2] == pytest.approx((2.0, math.sqrt(2 * one)))  # fmt: skip
