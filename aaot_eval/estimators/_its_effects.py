"""The effect of one series said in every way: ratio, difference, and events averted over a stated window."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.estimators._count_series import Wald
from aaot_eval.estimators._its_model import Fitted
from aaot_eval.estimators._series_projection import Interval

PARAMETERS, PREDICTION = "parameters", "prediction"
STEPS = 12
"""Cumulative totals are given at every 12th period counted, and at the last."""


def effects_table(fitted: Fitted, unit: str = "") -> pd.DataFrame:
    """The release table `averted`: unit, outcome left to the caller, quantity, window, value and its own interval.

    ratio, difference   with the service against without it, model on model; parameters only
    modelled            the model's total without less its total with; parameters only
    observed            the model's total without less what was counted; parameters only
    averted             what would have been counted without less what was counted; prediction
    per_period          averted, for each period of the window; prediction
    cumulative          averted up to a period of the window; prediction

    A count is positive when events were averted. Shares have no totals. Source: docs/methods/its.md, "Events averted".
    """
    s = fitted.series
    at = np.flatnonzero(s.counted)
    if not len(at):
        return pd.DataFrame()
    rows = [_average(fitted, at)]
    if s.ratio:
        rows.append(_row("modelled", PARAMETERS, _of_wald(fitted.modelled(), fitted.conf_level), s.labels, at))
    if s.kind != "share":
        rows += _totals(fitted, at)
    return pd.DataFrame(rows).assign(unit=unit or s.unit or "together")


def _average(fitted: Fitted, at: np.ndarray) -> dict[str, Any]:
    s, wald = fitted.series, fitted.average()
    found = _of_wald(wald, fitted.conf_level)
    if s.ratio:
        return _row("ratio", PARAMETERS, Interval(*(math.exp(v) if v < 700 else math.nan for v in found)), s.labels, at)
    return _row("difference", PARAMETERS, found, s.labels, at)


def _of_wald(wald: Wald, level: float) -> Interval:
    return Interval(wald.estimate, *wald.interval(level))


def _totals(fitted: Fitted, at: np.ndarray) -> list[dict[str, Any]]:
    s = fitted.series
    rows = []
    ends = [*range(STEPS, len(at), STEPS), len(at)]
    for end in ends:
        chosen = np.zeros(len(s.y), dtype=bool)
        chosen[at[:end]] = True
        projection = fitted.projection(chosen, chosen)
        counted = float(s.y[chosen].sum())
        averted = _less(projection.predicted, counted)
        if end < len(at):
            rows.append(_row("cumulative", PREDICTION, averted, s.labels, at[:end]))
            continue
        each = Interval(*(v / end for v in averted))
        rows = [
            _row("observed", PARAMETERS, _less(projection.modelled, counted), s.labels, at),
            _row("averted", PREDICTION, averted, s.labels, at),
            _row("per_period", PREDICTION, each, s.labels, at),
            *rows,
        ]
    return rows


def _less(total: Interval, counted: float) -> Interval:
    return Interval(*(v - counted for v in total))


def _row(quantity: str, kind: str, found: Interval, labels: tuple[str, ...], at: np.ndarray) -> dict[str, Any]:
    return {
        "quantity": quantity, "first_period": labels[at[0]], "last_period": labels[at[-1]], "periods": len(at),
        "value": found.value, "value_low": found.low, "value_high": found.high, "interval": kind,
    }  # fmt: skip
