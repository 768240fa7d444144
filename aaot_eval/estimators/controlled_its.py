"""Interrupted time series with a control: did the treated series change against one that had the same months?

Counts: the treated series as a share of itself and its control, so that what moves both in a month leaves no trace. The
control is the units that never start, added up, or another outcome of the same unit. With three or more control units the
spread of their own changes widens the interval. Method and measured coverage: docs/methods/controlled_its.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from aaot_eval.errors import Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators._controlled import area_spread, drift_before, stacked_rows
from aaot_eval.estimators._its_model import Fitted, Series
from aaot_eval.estimators._its_sensitivity import Row
from aaot_eval.estimators.its import InterruptedTimeSeries
from aaot_eval.results import Analysis, Design, Estimate, Panel
from aaot_eval.wording import in_sentence

CONTROL_OUTCOME = "non_alcohol_emergency"
LEAST_AREAS = 3
"""Control units from which their spread is measured."""


@ESTIMATORS.register("controlled_its")
@dataclass(frozen=True)
class ControlledTimeSeries(InterruptedTimeSeries):
    """A unit's series against a control series, before and after the service started. Settings of `its`, and

    control        an outcome of the same unit as the control; empty = the units that never start, added up, where there are
                   any, else non-alcohol emergency admissions of the same unit
    """

    design: ClassVar[Design] = "controlled_series"

    control: str = ""

    def against(self, panel: Panel) -> str:
        """The outcome that is the control; empty when it is the comparison units."""
        return self.control or ("" if panel.comparison_units else CONTROL_OUTCOME)

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """What `its` objects to; no control; a control that is the outcome itself, or of another kind."""
        problems = super().objections(panel, analysis)
        other = self.against(panel)
        if not other:
            return problems
        known = {o.name: o.kind for o in panel.outcomes if o.name in panel.cells}
        if other not in known:
            problems.append(
                Problem("E416", f"there is no unit that never starts, and no outcome {other!r} to be the control",
                        allowed=", ".join(n for n in known if n != analysis.outcome),
                        do="name units under study.comparison, or an outcome: options = { control = ... }")
            )  # fmt: skip
        elif other == analysis.outcome:
            problems.append(
                Problem(
                    "E417", f"the outcome {other!r} cannot be its own control", do="choose another outcome or control"
                )
            )
        elif analysis.outcome in known and known[other] != known[analysis.outcome]:
            problems.append(
                Problem("E417", f"the control {other!r} is a {known[other]} and the outcome a {known[analysis.outcome]}",
                        do="choose a control of the same kind")
            )  # fmt: skip
        return problems

    def _independent(self, panel: Panel) -> bool:
        """Not when every site is set against the same comparison series: a mean would take its error for several."""
        return bool(self.against(panel))

    def _series(self, panel: Panel, analysis: Analysis, units: Sequence[str]) -> Series:
        own = super()._series(panel, analysis, units)
        other = self.against(panel)
        if other:
            values, missing, exposure = _summed(panel, list(units), other)
            return self._beside_control(own, values, missing, exposure)
        areas = _whole(panel, analysis.outcome)
        values, missing, exposure = _summed(panel, areas, analysis.outcome)
        series = self._beside_control(own, values, missing, exposure)
        if len(areas) < LEAST_AREAS or min(series.before.sum(), series.after.sum()) < 6:
            return series
        each = [_summed(panel, [a], analysis.outcome) for a in areas]
        between, df = area_spread(
            [self._against_rest(series, each, i) for i in range(len(areas))], self._model(series).X, self._level(series)
        )
        return replace(series, between=between, between_df=df)

    def _level(self, series: Series) -> int:
        return self._model(series).column("level")

    def _against_rest(self, series: Series, each: list[tuple[np.ndarray, np.ndarray, np.ndarray]], i: int) -> Series:
        """Control unit i as if it had been treated, against the other control units."""
        rest = [e for k, e in enumerate(each) if k != i]
        values = np.sum([e[0] for e in rest], axis=0)
        exposure = np.sum([e[2] for e in rest], axis=0)
        if not series.ratio:
            values = values / len(rest)
        return replace(series, y=each[i][0], exposure=each[i][2], control=values, control_exposure=exposure)

    @staticmethod
    def _beside_control(own: Series, values: np.ndarray, missing: np.ndarray, exposure: np.ndarray) -> Series:
        empty = np.zeros(len(own.y), dtype=bool)
        if own.ratio:
            with np.errstate(invalid="ignore"):
                empty = np.asarray(own.y + values == 0)  # a period without an event in either series tells no share
        return replace(
            own, control=values, control_exposure=exposure, missing=own.missing | missing, left_out=own.left_out | empty
        )

    def _blank(self, series: Series, panel: Panel, analysis: Analysis) -> Estimate:
        blank = super()._blank(series, panel, analysis)
        form = "ratio of the ratio of rates" if series.ratio else "difference of differences"
        stem = blank.estimand.split(" against ")[0]
        return replace(
            blank, estimand=f"{stem} against {self._control_words(panel)}, as a {form}",
            n_units=series.n_units + (0 if self.against(panel) else len(_whole(panel, analysis.outcome))),
        )  # fmt: skip

    def _control_words(self, panel: Panel) -> str:
        other = self.against(panel)
        if other:
            return f"{in_sentence(panel.outcome(other).title)} of the same site"
        n = len(panel.comparison_units)
        return "the unit that never starts" if n == 1 else "the units that never start, added up"

    def _estimate(self, blank: Estimate, fitted: Fitted) -> Estimate:
        estimate = super()._estimate(blank, fitted)
        found = drift_before(fitted)
        s = fitted.series
        # What a saving from this estimate is shared over: the periods counted, of these sites.
        facts: dict[str, Any] = {
            **estimate.facts, "area_spread": math.sqrt(s.between), "observed_after": estimate.facts["observed_total"],
            "site_periods_after": int(s.counted.sum()) * s.n_units,
        }  # fmt: skip
        if s.unit:
            facts["treated"] = [s.unit]
        notes = [estimate.note]
        if found is not None:
            per_year = found.estimate
            size = f"{math.expm1(per_year):+.1%}" if fitted.series.ratio else f"{per_year:+.3g}"
            unit = "year" if fitted.series.season_length > 1 else "ten periods"
            facts |= {"drift": per_year, "drift_p": found.p_value}
            notes.append(
                f"Before the start the series and its control moved apart by {size} a {unit} (p {found.p_value:.3f}); the model carries that on."
                if unit == "year"
                else f"Before the start the series and its control moved apart by {size} in ten periods (p {found.p_value:.3f}); the model carries that on."
            )
        if fitted.series.between:
            notes.append("Control units differed by more than chance at the same date, which widens the interval.")
        if s.control is not None and blank.n_units - s.n_units <= 1:
            notes.append(
                "Two series cannot show whether they change apart for reasons of their own, and the interval does not hold that."
            )
        inference = estimate.inference
        if inference and fitted.series.between:
            inference += f", with the spread between control units (t with {fitted.wald.df:.0f} at most)"
        return replace(estimate, facts=facts, note=" ".join(n for n in notes if n), inference=inference)

    def _more_rows(self, fitted: Fitted) -> list[Row]:
        """The usual stacked models of two series beside the others."""
        return stacked_rows(fitted)


def _whole(panel: Panel, outcome: str) -> list[str]:
    """The comparison units without a hole, or all of them when each has one."""
    names = panel.comparison_units
    holes = panel.cells.assign(hole=panel.cells["missing"] | panel.cells[outcome].isna()).groupby("unit")["hole"].any()
    return [u for u in names if not holes[u]] or names


def _summed(panel: Panel, units: list[str], outcome: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(values, missing, exposure) by period: counts added, other values averaged."""
    rows = panel.cells[panel.cells["unit"].isin(units)]

    def wide(column: str, kind: type = float) -> pd.DataFrame:
        return rows.pivot(index="unit", columns="t", values=column).astype(kind)

    value = wide(outcome).to_numpy(dtype=float, na_value=np.nan)
    exposure = wide("exposure").to_numpy(dtype=float, na_value=np.nan)
    missing = (wide("missing", bool).to_numpy() | ~np.isfinite(value) | ~np.isfinite(exposure)).any(axis=0)
    count = panel.outcome(outcome).kind in ("count", "cost")
    return value.sum(axis=0) if count else value.mean(axis=0), missing, exposure.sum(axis=0)
