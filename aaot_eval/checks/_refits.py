"""The estimate of a comparison of sites once more on a smaller panel, by the estimator whose estimate is tested."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from aaot_eval.checks._sites import lean
from aaot_eval.errors import AaotEvalError
from aaot_eval.estimators import Estimator
from aaot_eval.results import BESIDE, Analysis, Panel

MOST = 24
"""An estimator without a quick form is fitted anew for at most so many periods, those nearest a start first."""
ROWS_BESIDE = ("detail", "beside")
"""Settings that add rows beside the headline and change nothing in it."""


def headline_alone(estimator: Estimator) -> Estimator:
    """The same estimator without the rows beside its headline."""
    quiet = lean(estimator)
    known = [f.name for f in fields(cast(Any, quiet))]
    return cast(Estimator, replace(cast(Any, quiet), **{name: False for name in ROWS_BESIDE if name in known}))


def again(
    estimator: Estimator, panel: Panel, analysis: Analysis, seed: int, *, with_p: bool = False
) -> tuple[float, float]:
    """(estimate, p) of the estimator on that panel; NaN where it refuses it, and for p where only the estimate is asked for."""
    quiet = headline_alone(estimator)
    try:
        if quiet.objections(panel, analysis):
            return math.nan, math.nan
        point = None if with_p else getattr(quiet, "point", None)
        if point is not None:
            return float(point(panel, analysis)), math.nan
        found = quiet.fit(panel, analysis, seed=seed)[0]
    except AaotEvalError:
        return math.nan, math.nan
    return found.estimate, found.p_value


def without_unit(panel: Panel, unit: str) -> Panel:
    """The panel without one site, and without people."""
    cells = panel.cells[panel.cells["unit"] != unit].reset_index(drop=True)
    return replace(panel, units=panel.units.drop(index=unit), cells=cells, people=None, person_cells=None)


def without_period(panel: Panel, t: int) -> Panel:
    """The panel with one more period left out, calendar time kept."""
    left = panel.periods["left_out"].to_numpy(dtype=bool).copy()
    left[t] = True
    return replace(panel, periods=panel.periods.assign(left_out=left))


def periods_tried(panel: Panel) -> list[int]:
    """At most 24 periods in use, those nearest the start of a treated site first, in order of time."""
    starts = panel.units.loc[panel.treated_units, "start_t"].astype(int).to_numpy()
    used = np.flatnonzero(~panel.periods["left_out"].to_numpy(dtype=bool))
    near = sorted(used, key=lambda t: (int(np.abs(starts - t).min()), int(t)))[:MOST]
    return sorted(int(t) for t in near)


def sites_again(estimator: Estimator, panel: Panel, analysis: Analysis, seed: int, *, with_p: bool) -> pd.DataFrame:
    """One row per site left out: unit, role, effect (as the estimate is given), p_value (NaN unless asked for)."""
    rows = []
    for unit in (str(u) for u in panel.units.index):
        if panel.units.loc[unit, "group"] == BESIDE:
            continue
        part = without_unit(panel, unit)
        role = "treated" if unit in panel.treated_units else "comparison"
        rows.append((unit, role, *again(estimator, part, analysis, seed, with_p=with_p)))
    return (
        pd.DataFrame(rows, columns=["unit", "role", "effect", "p_value"]).dropna(subset="effect").reset_index(drop=True)
    )


def periods_again(estimator: Estimator, panel: Panel, analysis: Analysis, seed: int) -> list[tuple[str, float]]:
    """(period, estimate) without each period tried, where the estimator takes the panel and keeps its treated sites."""
    labels = panel.periods["label"]
    found = [
        (str(labels.iloc[t]), again(estimator, without_period(panel, t), analysis, seed)[0])
        for t in periods_tried(panel)
    ]
    return [(label, value) for label, value in found if math.isfinite(value)]
