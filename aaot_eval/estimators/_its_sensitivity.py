"""The rows that stand beside every series estimate: other errors, other seasons, other windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.errors import counted
from aaot_eval.estimators._arma_series import fit_arma
from aaot_eval.estimators._count_series import Array, Wald, fit_count_series, fit_share_series, fit_value_series
from aaot_eval.estimators._glm import fit_binomial, fit_poisson
from aaot_eval.estimators._its_model import ARIMA, Fitted, Series, fit_model, mean_model
from aaot_eval.estimators._series_companions import (
    arima_forecast,
    automatic_lag,
    fit_least_squares,
    newey_west_fit,
    prais_winsten,
    project_before,
    project_values_before,
    quasi_poisson,
    seasonal_arima,
)
from aaot_eval.estimators._series_projection import WIDEST
from aaot_eval.results import ConfMethod

LEAST_AR2 = 12
LEAST_ARIMA = 48
LEAST_FORECAST = 3
PHASE_IN = 3


@dataclass(frozen=True)
class Row:
    """One other way to estimate the same change; NaN where it could not be done, with the reason in `note`."""

    key: str
    method: str
    estimate: float = math.nan
    std_error: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    note: str = ""
    inference: str = ""
    conf_method: ConfMethod = "wald_t"


def wald_row(fitted: Fitted, key: str, method: str, wald: Wald, *, note: str = "", inference: str = "") -> Row:
    """A Wald estimate of a series as a row, on the scale of the outcome."""
    low, high = wald.interval(fitted.conf_level)
    values = np.array([wald.estimate, low, high])
    if fitted.series.ratio:
        with np.errstate(over="ignore"):
            values = np.exp(values)
    inference = inference or f"Wald t with {wald.df:.1f} degrees of freedom"
    estimate, low, high = (float(v) for v in np.where(np.isfinite(values), values, np.nan))
    how: ConfMethod = "wald_t" if math.isfinite(wald.df) else "wald_normal"
    return Row(key, method, estimate, wald.std_error, low, high, wald.p_value, note, inference, how)


def sensitivity_rows(fitted: Fitted, *, quick: bool = False) -> list[Row]:
    """The headline, then every other way in a fixed order. `quick` leaves out the seasonal ARIMA, the one slow fit."""
    ways: list[Callable[[], list[Row]]] = [
        lambda: _errors(fitted),
        lambda: _plain(fitted),
        lambda: _on_log_rate(fitted),
        lambda: [] if quick else _arima(fitted),
        lambda: _projection(fitted),
        lambda: _seasons(fitted),
        lambda: _slope(fitted),
        lambda: _phase_in(fitted),
        lambda: _pandemic(fitted),
    ]
    return [row for way in ways for row in way()]


def _errors(fitted: Fitted) -> list[Row]:
    named = (("ar1", "AR(1) errors by REML", fitted.ar1), ("ar1_noise", "AR(1) plus noise by REML", fitted.noise))
    (head,), (other,) = ([x for x in named if (x[2] is fitted.headline) == chosen] for chosen in (True, False))
    why = "the wider of this and the next" if fitted.errors == "wider" else "asked for in the config"
    return [
        wald_row(fitted, "", head[1], fitted.wald, note=f"the headline: {why}"),
        wald_row(fitted, other[0], other[1], other[2].coefficient(fitted.level)),
        _likelihood(fitted),
    ]


def _likelihood(fitted: Fitted) -> Row:
    """AR(1) by maximum likelihood: what is left to look at when the restricted likelihood runs to its edge."""
    y, X, offset, clock = _arrays(fitted)
    control = fitted.series.given(fitted.series.used)
    try:
        if fitted.series.family == "identity":
            fit = fit_value_series(y, X, clock, restricted=False)
        elif control is not None:
            fit = fit_share_series(y, y + control, X, offset, clock, floor=fitted.series.floor, restricted=False)
        else:
            fit = fit_count_series(y, X, offset, clock, floor=fitted.series.floor, restricted=False)
        wald = fit.coefficient(fitted.level)
    except np.linalg.LinAlgError:
        return Row("", "AR(1) by maximum likelihood", note="not run: the fit does not hold")
    note = f"rho {fit.rho:.2f}: too low as a rule in short series"
    if fitted.ar1.at_cap:
        note = f"rho {fit.rho:.2f}, where the restricted likelihood runs to its upper limit"
    return wald_row(fitted, "ar1_ml", "AR(1) by maximum likelihood", wald, note=note)


def _plain(fitted: Fitted) -> list[Row]:
    """Errors taken as independent, and the Newey-West correction of that."""
    y, X, offset, clock = _arrays(fitted)
    control = fitted.series.given(fitted.series.used)
    if not fitted.series.ratio:
        fit, key, name = fit_least_squares(y, X), "least_squares", "least squares"
    elif control is None:
        fit, key, name = fit_poisson(y, X, offset), "quasi_poisson", "quasi-Poisson"
    else:
        fit, key, name = (
            fit_binomial(y, y + control, X, offset),
            "quasi_binomial",
            "quasi-binomial share of both series",
        )
    lag = automatic_lag(len(y))
    return [
        wald_row(fitted, key, name, quasi_poisson(fit, fitted.level), note="takes periods as independent: too narrow with autocorrelation"),
        wald_row(
            fitted, "newey_west", f"Newey-West, lag {lag}", newey_west_fit(fit, y, X, clock, fitted.level, lag),
            note=f"Bartlett weights to lag {lag}, factor n/(n - p), t(n - p): too narrow in short series",
        ),
    ]  # fmt: skip


def _arrays(fitted: Fitted) -> tuple[Array, Array, Array, Array]:
    s = fitted.series
    y = s.y if s.ratio else s.y - s.offset
    return y[s.used], fitted.model.X[s.used], s.offset[s.used], s.clock[s.used]


def _log_rate(series: Series) -> tuple[Array, str]:
    """The outcome on the scale of a linear model over all periods, and a note when zeros had to be moved."""
    if not series.ratio:
        return series.y - series.offset, ""
    base = np.ones(len(series.y)) if series.control is None else series.control
    zeros = bool(((series.y == 0) | (base == 0))[series.used].any())
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(np.where(series.used, series.y + 0.5 * zeros, np.nan)) - series.offset
        if series.control is not None:
            value = value - np.log(base + 0.5 * zeros)
    return value, "0.5 added to every count, because some are 0" if zeros else ""


def _on_log_rate(fitted: Fitted) -> list[Row]:
    series = fitted.series
    on = {"log": " on the log rate", "logit": " on the log ratio of rates"}.get(series.family, "")
    value, moved = _log_rate(series)
    _, X, _, clock = _arrays(fitted)
    pw = prais_winsten(value[series.used], X, clock)
    wald = Wald(float(pw.beta[fitted.level]), float(np.sqrt(pw.covariance[fitted.level, fitted.level])), pw.df, pw.df)
    rows = [
        wald_row(
            fitted,
            "prais_winsten",
            f"Prais-Winsten{on}",
            wald,
            note=_and(f"rho {pw.rho:.2f}: too low as a rule in short series", moved),
        )
    ]
    if series.ratio:
        reml = fit_value_series(value[series.used], X, clock)
        rows.append(
            wald_row(fitted, "reml_log_rate", f"AR(1) by REML{on}", reml.coefficient(fitted.level),
                 note=_and(f"rho {reml.rho:.2f}, Satterthwaite t", moved))
        )  # fmt: skip
    return [*rows, _longer_memory(fitted, value[series.used], on, moved)]


def _longer_memory(fitted: Fitted, value: Array, on: str, moved: str) -> Row:
    """AR(2) errors: what the headline's errors leave out when a period also remembers the one before the last."""
    name = f"AR(2) by REML{on}"
    _, X, _, clock = _arrays(fitted)
    if len(value) - X.shape[1] < LEAST_AR2:
        return Row("", name, note=f"not run: needs {LEAST_AR2} periods beyond its terms")
    try:
        fit = fit_arma(value, X, clock, ar=2)
    except np.linalg.LinAlgError:
        return Row("", name, note="not run: the fit does not hold")
    if fit.at_edge:
        return Row("", name, note="not run: the errors run to a unit root, where the likelihood is flat")
    wald = fit.contrast(np.eye(X.shape[1])[fitted.level])
    said = f"coefficients {fit.ar[0]:.2f} and {fit.ar[1]:.2f}, t(n - p)"
    return wald_row(fitted, "reml_ar2", name, wald, note=_and(said, moved))


def _arima(fitted: Fitted) -> list[Row]:
    """The seasonal ARIMA; where its orders are asked for, also its average effect and the forecast of the period before."""
    key, s = "seasonal_arima", fitted.series
    order, short = fitted.arima
    seasonal = (*short, s.season_length)
    name = f"seasonal ARIMA ({','.join(map(str, order))})({','.join(map(str, short))}){s.season_length}"
    if s.season_length < 4 or s.used.sum() < LEAST_ARIMA:
        return [Row("", name, note=f"not run: needs {LEAST_ARIMA} periods with a season")]
    value, moved = _log_rate(s)
    value = np.where(s.used, value, np.nan)
    season = 2 * fitted.model.pairs - int(2 * fitted.model.pairs == s.season_length)
    keep = fitted.model.X.shape[1] - max(season, 0)
    # Differenced twice, a straight line is nought.
    columns = slice(1 if order[1] + seasonal[1] < 2 else 2, keep)
    X, X0 = fitted.model.X[:, columns], fitted.model.X0[:, columns]
    try:
        fit = seasonal_arima(value, X, order, seasonal)
        level = fit.contrast(np.eye(X.shape[1])[fitted.level - columns.start])
        if not (math.isfinite(level.std_error) and level.std_error > 0):
            return [Row("", name, note="not run: the likelihood gives no standard error")]
        second = "" if fit.agreed else "a second start came to another optimum; the better one is shown"
        how, normal = _and("exact likelihood, Hessian errors, normal quantile", second, moved), "Wald, normal quantile"
        rows = [wald_row(fitted, key, name, level, note=how, inference=normal)]
        if fitted.arima == ARIMA:
            return rows
        if fitted.model.slope:
            average = fit.contrast((X - X0)[s.counted].mean(axis=0))
            rows.append(wald_row(fitted, "seasonal_arima_average", f"{name}, average over the periods after the start", average,
                                 note=_and(how, "times the periods it is the total"), inference=normal))  # fmt: skip
        return [*rows, _arima_forecast(fitted, name, value, X0, moved)]
    except (ValueError, np.linalg.LinAlgError) as fault:
        return [Row("", name, note=f"not run: {type(fault).__name__} in the state space fit")]


def _arima_forecast(fitted: Fitted, name: str, value: Array, X0: Array, moved: str) -> Row:
    """Mean of observed less the forecast that a fit to the period before gives."""
    s = fitted.series
    name = f"{name} of the period before, carried on"
    order, seasonal = fitted.arima
    if any(t >= s.start for t in fitted.model.interruptions):
        return Row("", name, note="not run: another interruption lies after the start")
    if s.before.sum() < LEAST_FORECAST * s.season_length:
        return Row("", name, note=f"not run: needs {LEAST_FORECAST} seasons before the start")
    # Columns that say nothing before the start cannot be fitted there: those of the service are nought in X0.
    told = np.ptp(X0[: s.start], axis=0) > 0
    found = arima_forecast(value[: s.start], X0[: s.start, told], X0[s.start :, told], order, (*seasonal, s.season_length))  # fmt: skip
    away = found.away(np.where(s.after[s.start :], value[s.start :], np.nan))
    note = _and("mean observed less mean forecast, prediction error with its parameters taken as known", moved)
    return wald_row(fitted, "seasonal_arima_before", name, away, note=note, inference="forecast error, normal quantile")


def _projection(fitted: Fitted) -> list[Row]:
    s, m = fitted.series, fitted.model
    name = "projection of the period before"
    before, after = s.before, s.after
    service = ("level", "slope", "closed")
    if any(t >= s.start for t in m.interruptions):
        return [Row("", name, note="not run: another interruption lies after the start")]
    columns = [i for i, c in enumerate(m.names) if c not in service]
    if before.sum() - len(columns) < 2:
        return [Row("", name, note="not run: too few periods before the start")]
    if s.family != "log":
        value, moved = _log_rate(s)
        wald = project_values_before(value, m.X[:, columns], before, after)
        note = _and("mean observed less mean projected, prediction error; periods taken as independent", moved)
        return [wald_row(fitted, "before_projected", name, wald, note=note)]
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found = project_before(s.y, m.X[:, columns], s.offset, before, after)
    except np.linalg.LinAlgError:
        found = None
    if found is None or not math.isfinite(found.se_prediction) or found.se_prediction > WIDEST * found.projected:
        return [Row("", name, note="not run: the period before alone does not hold the model")]
    note = "observed total over projected total, prediction error; periods taken as independent"
    return [wald_row(fitted, "before_projected", name, found.wald, note=note)]


def _refit(
    fitted: Fitted, key: str, method: str, *, series: Series | None = None, note: str = "", **changes: Any
) -> Row:
    """The default once more with another mean model or other periods."""
    used = series or fitted.series
    asked: dict[str, Any] = fitted.model.asked | changes
    if min(used.before.sum(), used.after.sum()) < 6:
        return Row("", method, note="not run: fewer than 6 periods on one side")
    again = fit_model(used, mean_model(used, **asked), fitted.conf_level, fitted.errors)
    if again is None:
        return Row("", method, note="not run: its terms cannot be told apart on these periods")
    return wald_row(again, key, method, again.wald, note=note)


def _seasons(fitted: Fitted) -> list[Row]:
    if fitted.series.season_length < 4:
        return []
    names = {0: "no season terms", 1: "one harmonic pair", 2: "two harmonic pairs"}
    return [_refit(fitted, f"harmonics_{k}", names[k], pairs=k) for k in (1, 2) if k != fitted.model.pairs]


def _slope(fitted: Fitted) -> list[Row]:
    if fitted.model.slope:
        average = wald_row(fitted, "average", "average over the periods after the start", fitted.average())
        return [average, _refit(fitted, "level_only", "level without a change of slope", slope=False)]
    s, m = fitted.series, fitted.model
    again = fit_model(s, mean_model(s, **m.asked | {"slope": True}), fitted.conf_level)
    if again is None:
        return [Row("", "a change of slope as well", note="not run: too few periods")]
    return [
        wald_row(again, "with_slope", "a change of slope as well: jump at the first period", again.wald),
        wald_row(
            again, "with_slope_average", "a change of slope as well: average over the periods after", again.average()
        ),
    ]


def _phase_in(fitted: Fitted) -> list[Row]:
    s = fitted.series
    late = (np.arange(len(s.y)) >= s.start) & (s.clock < s.first_clock) & ~s.missing
    declared = s.ramp or int(late.sum())
    months = declared or PHASE_IN
    first_clock = int(s.clock[s.start])
    plain = replace(s, ramp=0, left_out=s.left_out & ~late, service=s.service | late, first_clock=first_clock)
    first = plain.service & (plain.clock < first_clock + months)
    left_out = replace(plain.leaving_out(first), service=plain.service & ~first, first_clock=first_clock + months)
    rows = []
    if declared:
        rows.append(_refit(fitted, "no_phase_in", "no phase-in: the whole effect from the first period", series=plain))
    if s.ramp or not declared:
        rows.append(
            _refit(fitted, "phase_in", f"first {counted(months, 'period')} after the start left out", series=left_out)
        )
    if not s.ramp:
        rows.append(
            _refit(
                fitted,
                "ramp",
                f"a ramp over the first {counted(months, 'period')} after the start",
                series=replace(plain, ramp=months),
            )
        )
    return rows


def _pandemic(fitted: Fitted) -> list[Row]:
    s = fitted.series
    inside = s.pandemic > 0
    if not (inside & s.used).any():
        return [Row("", "pandemic months", note="not in the window")]
    early = np.arange(len(s.y)) < int(np.argmax(inside))
    return [
        _refit(fitted, "before_pandemic", "stopped at the start of the pandemic", series=s.leaving_out(~early)),
        _refit(fitted, "without_pandemic", "March 2020 to December 2021 left out", series=s.leaving_out(inside)),
        by_wave(fitted),
    ]


def by_wave(fitted: Fitted) -> Row:
    """The same with a level of its own for each wave of the pandemic."""
    return _refit(fitted, "pandemic_waves", "a level of its own for each pandemic wave", waves=True,
                  note="levels for March-June 2020, July-October 2020, November 2020-March 2021, April-December 2021")  # fmt: skip


def _and(*notes: str) -> str:
    return "; ".join(n for n in notes if n)


def sensitivity_table(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as a frame: method, estimate, std_error, conf_low, conf_high, p_value, note."""
    return pd.DataFrame(
        [
            {
                "method": r.method,
                "estimate": r.estimate,
                "std_error": r.std_error,
                "conf_low": r.low,
                "conf_high": r.high,
                "p_value": r.p_value,
                "note": r.note,
            }
            for r in rows
        ]
    )


def agreement(rows: Sequence[Row], null: float) -> dict[str, Any]:
    """Facts that say in one line whether the other ways agree with the headline."""
    head, *others = [r for r in rows if math.isfinite(r.estimate)]
    same = sum(bool((r.estimate < null) == (head.estimate < null)) for r in others)
    clear = sum(bool(r.high < null or r.low > null) for r in others)
    overlap = sum(bool(r.low <= head.high and head.low <= r.high) for r in others)
    values = [r.estimate for r in (head, *others)]
    return {
        "ways": len(others),
        "ways_same_side": same,
        "ways_clear": clear,
        "ways_overlap": overlap,
        "ways_sentence": (
            f"{same} of {len(others)} other ways to fit the series lie on the same side as the headline "
            f"(estimates {min(values):.2f} to {max(values):.2f}); {clear} of them leave out no change."
        ),
    }
