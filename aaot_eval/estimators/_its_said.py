"""What stands beside the estimate of a series: why there is none, observed and expected by period, facts, and notes in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.errors import counted
from aaot_eval.estimators._count_series import DF_FLOOR, Array
from aaot_eval.estimators._its_model import Fitted, Series

LEAST_BEFORE = 6
SHORT = 12
FLAGGED_WIDER = 0.15
LOW_MEAN = 5.0


def no_estimate(series: Series) -> str:
    """Why this series has no estimate; empty when it has one."""
    if series.window is not None and series.after.any() and not series.counted.any():
        return "The stated window of averted events holds no period with the service"
    before, after = int(series.before.sum()), int(series.after.sum())
    if before == 0:
        return "There is no period before the start"
    if before < LEAST_BEFORE:
        return (
            f"Only {counted(before, 'period')} before the start: with fewer than {LEAST_BEFORE} no trend can be drawn"
        )
    if after == 0:
        return "There is no period with the service after those left out"
    if series.ratio:
        if series.y[series.before].sum() == 0:
            return "No event was counted before the start, so there is no rate to compare with"
        if series.y[series.after].sum() == 0:
            return "No event was counted after the start: the ratio is 0 and has no interval on the log scale"
    return ""


def without_intervals(effects: pd.DataFrame) -> pd.DataFrame:
    """The effects of a series that is only monitored: their values, and no interval."""
    return effects.assign(value_low=math.nan, value_high=math.nan, interval="none: monitoring only")


def observed_only(series: Series) -> pd.DataFrame:
    """The series frame without a model."""
    n = len(series.y)
    blank = np.full(n, np.nan)
    return _frame(series, blank, blank, blank, blank)


def _frame(series: Series, fitted: Array, expected: Array, low: Array, high: Array) -> pd.DataFrame:
    late = np.arange(len(series.y)) >= series.start
    phase = np.where(
        series.missing, "missing", np.where(series.left_out, "left_out", np.where(late, "after", "before"))
    )
    return pd.DataFrame(
        {
            "unit": series.unit or "together",
            "t": np.arange(len(series.y)),
            "phase": phase,
            "observed": np.where(series.missing, np.nan, series.y),
            "persons": pd.array(np.where(series.missing, np.nan, series.persons), dtype="Int64"),
            "exposure": series.exposure,
            "fitted": fitted,
            "expected": expected,
            "expected_low": low,
            "expected_high": high,
        }
    )


def counterfactual(fitted: Fitted) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The series frame with what was to be expected, and the averted totals."""
    s = fitted.series
    mean = np.full(len(s.y), np.nan)
    mean[s.used] = fitted.means(fitted.model.X[s.used], s.used)
    expected, low, high = mean.copy(), np.full(len(s.y), np.nan), np.full(len(s.y), np.nan)
    late = (np.arange(len(s.y)) >= s.start) & np.isfinite(s.offset)
    if s.control is not None:
        late &= np.isfinite(s.control)
    projection = fitted.projection(late)
    expected[late], low[late], high[late] = projection.month.T
    observed = float(s.y[s.counted].sum())
    rows = np.flatnonzero(s.counted)
    facts: dict[str, Any] = {
        "observed_total": observed,
        "window_first": s.labels[rows[0]],
        "window_last": s.labels[rows[-1]],
        "window_periods": len(rows),
    }
    for name, total in (("averted", projection.predicted), ("averted_parameters", projection.modelled)):
        facts |= {
            name: total.value - observed,
            f"{name}_low": total.low - observed,
            f"{name}_high": total.high - observed,
        }
    facts["expected_total"] = projection.predicted.value
    return _frame(s, mean, expected, low, high), facts


def facts_of(fitted: Fitted) -> dict[str, Any]:
    """What the fit of a series rests on, by name: its error model, degrees of freedom, counts of periods, and further terms."""
    s, fit, wald = fitted.series, fitted.headline, fitted.wald
    ratio = s.ratio
    average = fitted.average()
    low, high = average.interval(fitted.conf_level)
    used = s.y[s.used]
    facts: dict[str, Any] = {
        "error_model": "ar1_noise" if fit.with_noise else "ar1",
        "rho": fit.rho,
        "rho_ar1": fitted.ar1.rho,
        "rho_range": fitted.ar1.rho_range,
        "rho_at_cap": fitted.ar1.at_cap,
        "rho_flat": fitted.ar1.rho_range[1] - fitted.ar1.rho_range[0] >= 0.94,
        "noise_share": 1 - fit.share,
        "dispersion": fit.phi,
        "dispersion_raw": fit.phi_raw,
        "df": wald.df,
        "df_floored": wald.df_raw < DF_FLOOR,
        "settled": fitted.ar1.settled,
        "wider_by": fitted.wider_by,
        "wider_flagged": fitted.wider_by > FLAGGED_WIDER,
        "harmonics": fitted.model.pairs,
        "n_before": int(s.before.sum()),
        "n_after": int(s.after.sum()),
        "n_missing": int(s.missing.sum()),
        "n_left_out": int((s.left_out & ~s.missing).sum()),
        "n_zero": int((used == 0).sum()),
        "mean_before": float(s.y[s.before].mean()),
        "short_series": min(int(s.before.sum()), int(s.after.sum())) < SHORT,
        "pandemic_periods": int((s.used & (s.pandemic > 0)).sum()),
        "average": math.exp(average.estimate) if ratio else average.estimate,
        "average_low": ratio_of(low) if ratio else low,
        "average_high": ratio_of(high) if ratio else high,
    }
    for name in fitted.model.names:
        if name in ("slope", "closed") or name.startswith(("from ", "slope from ")):
            w = fit.coefficient(fitted.model.column(name))
            ends = w.interval(fitted.conf_level)
            key = name.replace(" ", "_")
            values = [w.estimate, *ends]
            facts |= dict(
                zip((key, f"{key}_low", f"{key}_high"), map(ratio_of, values) if ratio else values, strict=True)
            )
    return facts


def notes_on(fitted: Fitted, facts: dict[str, Any]) -> list[str]:
    """What a reader must know of this estimate, in the order of weight."""
    s = fitted.series
    notes = []
    if facts["short_series"]:
        notes.append(
            f"Short series: {counted(facts['n_before'], 'period')} before and {facts['n_after']} after the start, fewer than {SHORT} on a side; "
            "a first indication, with at most one pair of season terms"
        )
    if facts["rho_at_cap"]:
        notes.append(
            "The autocorrelation ran to its upper limit of 0.95: the series cannot tell a lasting drift from an effect"
        )
    elif facts["rho_flat"]:
        notes.append("The series says next to nothing about its autocorrelation; the interval allows for that")
    if facts["wider_flagged"]:
        notes.append(
            f"Errors with a longer memory than AR(1) widen the interval by {fitted.wider_by * 100:.0f} %; the estimate and interval are those of this model"
        )
    if not facts["settled"]:
        notes.append("The fit did not settle in 25 rounds")
    if facts["n_missing"]:
        notes.append(f"{counted(facts['n_missing'], 'missing period')} left out with calendar time kept")
    if s.ratio and facts["n_zero"]:
        notes.append(f"{counted(facts['n_zero'], 'period')} without an event")
    if s.kind == "count" and facts["mean_before"] < LOW_MEAN:
        notes.append(f"Fewer than {LOW_MEAN:.0f} events a period before the start: the interval is approximate")
    if s.floor == 1.0 and facts["dispersion_raw"] < 1:
        notes.append("Less spread than pure chance would give; the dispersion is held at 1")
    if s.season_length > 2 and facts["harmonics"] == 0 and s.used.sum() < 2 * s.season_length:
        notes.append("Too short to allow for the season")
    if facts["pandemic_periods"]:
        notes.append(
            f"{facts['pandemic_periods']} pandemic periods in the window; rows that treat them differently stand beside the first series"
        )
    return notes


def ratio_of(log: float) -> float:
    """exp, with inf where it would overflow."""
    return math.exp(log) if log < 700 else math.inf


def joined_notes(notes: Iterable[str]) -> str:
    """Notes as one text, each a sentence; empty ones are left out."""
    kept = [n.rstrip(".") for n in notes if n]
    return ". ".join(kept) + "." if kept else ""
