"""Interrupted time series: did the level of a unit's own series change when the service started?

Log-linear quasi-likelihood for counts (Gaussian for shares and other values) with calendar time, season and an AR(1) or
AR(1)-plus-noise error, whichever gives the wider interval. Method and measured coverage: docs/methods/its.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators._count_series import Array
from aaot_eval.estimators._its_effects import effects_table
from aaot_eval.estimators._its_model import (
    Errors,
    Fitted,
    Model,
    Series,
    fit_model,
    mean_model,
    pandemic_waves,
    season_pairs,
    time_unit,
)
from aaot_eval.estimators._its_said import (
    LEAST_BEFORE,
    counterfactual,
    facts_of,
    joined_notes,
    no_estimate,
    notes_on,
    observed_only,
    ratio_of,
    without_intervals,
)
from aaot_eval.estimators._its_sensitivity import Row, agreement, sensitivity_rows, sensitivity_table
from aaot_eval.estimators._pooling import pooled_sites
from aaot_eval.estimators._series_projection import WIDEST
from aaot_eval.results import Analysis, Design, Estimate, Panel, Scale
from aaot_eval.wording import in_sentence

ARIMA_TEXT = re.compile(r"\(\d,[012],\d\)\(\d,[012],\d\)")
LEAST_AFTER = 6
EXACT = 1e-9


@dataclass(frozen=True)
class TDraws:
    """Draws of an effect from its own t distribution, on the log scale for a ratio."""

    centre: float
    spread: float
    df: float
    ratio: bool

    def __call__(self, uniform: np.ndarray) -> np.ndarray:
        """Draws of the effect, one for each uniform number."""
        values: np.ndarray = self.centre + self.spread * stdtrit(self.df, np.asarray(uniform, dtype=float))
        return np.exp(values) if self.ratio else values


@ESTIMATORS.register("its")
@dataclass(frozen=True)
class InterruptedTimeSeries:
    """A unit's own series before and after the service started.

    slope          also a change of slope, declared beforehand; the level is then the jump at the first period
    harmonics      pairs of season terms; empty = two from three years of periods, one from two years, else none
    phase_in       periods after the start left out; calendar time is kept
    ramp           the service grows in equal steps over `phase_in` periods instead of these being left out
    interruptions  labels of further periods from which the level may differ for another reason
    bends          a further interruption changes the slope too
    slope_from     0: the level is the jump at the first period; 1: slope terms count from 1, as some programs do
    window         first and last period of the totals averted; empty = every period with the service
    arima          orders of the seasonal ARIMA among the other ways, "(p,d,q)(P,D,Q)"
    errors         "wider": the wider interval of AR(1) and AR(1) plus noise; or one of them alone
    units          "treated": each unit by itself; "together": their sum first when they start at once, else the
                   random-effects mean of their level changes, then each
    sensitivity    the other ways to fit the first series, as a table and as further rows
    each           with "together": also each unit by itself
    conf_level     level of the intervals
    """

    design: ClassVar[Design] = "series"

    slope: bool = False
    harmonics: int | None = None
    phase_in: int = 0
    ramp: bool = False
    interruptions: tuple[str, ...] = ()
    bends: bool = False
    slope_from: int = 0
    window: tuple[str, ...] = ()
    errors: Errors = "wider"
    arima: str = "(1,0,0)(0,1,1)"
    units: Literal["treated", "together"] = "treated"
    sensitivity: bool = True
    each: bool = True
    conf_level: float = 0.95

    def __post_init__(self) -> None:
        problems = []
        if self.units not in ("treated", "together"):
            problems.append(
                Problem("C112", f"its: units = {self.units!r}", allowed="treated, together", do="choose one")
            )
        if self.harmonics is not None and not 0 <= self.harmonics <= 6:
            problems.append(Problem("C112", "its: harmonics", allowed="0 to 6 pairs, or leave it out", do="change it"))
        if self.phase_in < 0:
            problems.append(Problem("C112", "its: phase_in is negative", allowed="0 or more periods", do="change it"))
        if not 0.5 < self.conf_level < 1:
            problems.append(Problem("C112", "its: conf_level", allowed="between 0.5 and 1", do="change it"))
        if self.errors not in get_args(Errors):
            problems.append(
                Problem("C112", f"its: errors = {self.errors!r}", allowed=", ".join(get_args(Errors)), do="choose one")
            )
        if not ARIMA_TEXT.fullmatch(self.arima):
            problems.append(
                Problem(
                    "C112",
                    f"its: arima = {self.arima!r}",
                    allowed="orders of one digit, such as (1,0,0)(0,1,1)",
                    do="mend it",
                )
            )
        if self.slope_from not in (0, 1):
            problems.append(Problem("C112", "its: slope_from", allowed="0 or 1", do="change it"))
        if len(self.window) not in (0, 2):
            problems.append(
                Problem(
                    "C112", "its: window", allowed="a first and a last period, or leave it out", do="give two periods"
                )
            )
        if problems:
            raise InputError(*problems)
        object.__setattr__(self, "window", tuple(str(i) for i in self.window))
        object.__setattr__(self, "interruptions", tuple(str(i) for i in self.interruptions))

    def quick(self) -> InterruptedTimeSeries:
        """The same estimate without the rows beside it, for checks that fit it many times."""
        return replace(self, sensitivity=False, each=False)

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why no series can be fitted: nothing started, nothing before the start, an unknown outcome or date."""
        problems = []
        if analysis.outcome not in panel.cells:
            known = ", ".join(o.name for o in panel.outcomes)
            problems.append(
                Problem("E410", f"the panel has no outcome {analysis.outcome!r}", allowed=known, do="choose one")
            )
        starts = self._starts(panel)
        if not starts:
            problems.append(
                Problem("E411", "no unit starts the service inside the data, so no series is interrupted",
                        do="give the start of at least one unit, or more periods")
            )  # fmt: skip
        elif all(t == 0 for t in starts.values()):
            problems.append(
                Problem("E412", "no unit has a period before its start, so there is no past to compare with",
                        do="extend the data to at least 12 periods before the start")
            )  # fmt: skip
        labels = [str(x) for x in panel.periods["label"]]
        problems += [
            Problem("E413", f"its: the interruption {name!r} is not a period of the data", allowed=f"{labels[0]} to {labels[-1]}",
                    do="write it like the periods of the data, or remove it")
            for name in self.interruptions
            if name not in {*labels, *panel.extra.get("cut_labels", ())}
        ]  # fmt: skip
        problems += [
            Problem("E415", f"its: the window of averted events names {name!r}, which is not a period of the data",
                    allowed=f"{labels[0]} to {labels[-1]}", do="write it like the periods of the data, or remove it")
            for name in self.window
            if name not in labels
        ]  # fmt: skip
        if self.window and {*self.window} <= {*labels} and labels.index(self.window[0]) > labels.index(self.window[1]):
            problems.append(
                Problem("E415", f"its: the window of averted events ends ({self.window[1]}) before it begins ({self.window[0]})",
                        allowed=f"{labels[0]} to {labels[-1]}, the earlier period first", do="give the first period first")
            )  # fmt: skip
        most = panel.season_length // 2
        if self.harmonics is not None and self.harmonics > most:
            problems.append(
                Problem("E414", f"its: {self.harmonics} harmonic pairs for a season of {panel.season_length} periods",
                        allowed=f"0 to {most}", do="give fewer, or leave it out")
            )  # fmt: skip
        return problems

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The level change of each unit's series; with "together" that of their sum (or their mean) first.

        Then, secondary: the average effect when a slope was asked for, units shown beside the others, and the other
        ways to fit the first series. Nothing here is random: `seed` is not used.
        """
        treated = panel.treated_units
        single = [self._series(panel, analysis, [u]) for u in treated]
        beside = [self._series(panel, analysis, [u]) for u in self._starts(panel) if u not in treated]
        together = self.units == "together" and len(treated) > 1
        at_once = together and len({s.start for s in single}) == 1
        summed = [self._series(panel, analysis, treated)] if at_once else []
        wanted = [*summed, *(single if self.each or not at_once else []), *beside]
        done = [self._one(s, panel, analysis, rows="all" if i == 0 else "quick") for i, s in enumerate(wanted)]
        first = [d[0] for d in done]
        units = {s.unit for s in single}
        if together and not at_once:
            first.insert(0, pooled([e for e in first if e.unit in units], self.conf_level))
        elif self.units == "treated" and len(single) > 1 and self.sensitivity and self._independent(panel):
            each = [e for e in first if e.unit in units]
            first.append(pooled_sites(each, self.conf_level, "Random-effects mean of the sites' own estimates"))
        return (*first, *(extra for d in done for extra in d[1:]))

    def fitted(self, panel: Panel, analysis: Analysis, unit: str = "") -> Fitted | None:
        """The fit behind an estimate (unit "" = the treated units' sum), for checks; None when there is none."""
        units = [unit] if unit else panel.treated_units
        series = self._series(panel, analysis, units)
        if series.before.sum() < LEAST_BEFORE or series.after.sum() < 1:
            return None
        return fit_model(series, self._model(series), self.conf_level, self.errors)

    def _independent(self, panel: Panel) -> bool:
        """Whether the sites' estimates share no series, so that they may be averaged as if apart."""
        return True

    def _starts(self, panel: Panel) -> dict[str, int]:
        beside = {
            str(u): int(t) for u, t in panel.extra.get("beside_start_t", {}).items() if str(u) in panel.units.index
        }
        start_t = panel.units["start_t"]
        treated = {u: int(start_t[u]) for u in panel.treated_units}
        return treated | {u: t for u, t in beside.items() if t < len(panel.periods)}

    def _series(self, panel: Panel, analysis: Analysis, units: Sequence[str]) -> Series:
        """The sum of the units' series; a period missing in one is missing in the sum."""
        outcome = panel.outcome(analysis.outcome)
        rows = panel.cells[panel.cells["unit"].isin(units)]
        n_t, periods = len(panel.periods), panel.periods
        value = rows.pivot(index="unit", columns="t", values=outcome.name).to_numpy(dtype=float, na_value=np.nan)
        exposure = rows.pivot(index="unit", columns="t", values="exposure").to_numpy(dtype=float, na_value=np.nan)
        absent = rows.pivot(index="unit", columns="t", values="missing").to_numpy(dtype=bool)
        absent = (absent | ~np.isfinite(value) | ~np.isfinite(exposure)).any(axis=0)
        clock = periods["clock"].to_numpy(dtype=int)
        start = self._starts(panel)[units[0]]
        first_clock = int(clock[start]) + (0 if self.ramp else self.phase_in)
        stop = panel.units.loc[list(units), "stop_t"].dropna()
        last = int(stop.max()) if len(stop) == len(units) else n_t - 1
        t = np.arange(n_t)
        phase_in = (t >= start) & (clock < first_clock)
        name = f"{outcome.name}_persons"
        persons = np.full(n_t, np.nan)
        if name in rows:
            # A person can be in two units: the largest count of one unit is the safe number of people behind the sum.
            persons = rows.groupby("t")[name].max().reindex(t).to_numpy(dtype=float, na_value=np.nan)
        values = value.sum(axis=0) if outcome.kind in ("count", "cost") else value.mean(axis=0)
        return Series(
            unit=str(units[0]) if len(units) == 1 else "",
            kind=outcome.kind,
            clock=clock,
            y=values,
            exposure=np.where(absent, np.nan, exposure.sum(axis=0)),
            persons=persons,
            missing=absent,
            left_out=periods["left_out"].to_numpy(dtype=bool) | phase_in,
            service=(clock >= first_clock) & (t <= last),
            closed=t > last,
            start=start,
            first_clock=first_clock,
            season_length=panel.season_length,
            labels=tuple(str(x) for x in periods["label"]),
            pandemic=pandemic_waves(periods),
            n_units=len(units),
            ramp=self.phase_in if self.ramp else 0,
            window=self._window(periods),
        )

    def _window(self, periods: pd.DataFrame) -> Array | None:
        """The periods of the stated window; None without one, and for labels that are none (see `objections`)."""
        labels = [str(x) for x in periods["label"]]
        if len(self.window) != 2 or not set(self.window) <= set(labels):
            return None
        t, first, last = np.arange(len(labels)), labels.index(self.window[0]), labels.index(self.window[1])
        return np.asarray((t >= first) & (t <= last))

    def _model(self, series: Series, **changes: Any) -> Model:
        n = int(series.used.sum())
        pairs = season_pairs(n, series.season_length) if self.harmonics is None else self.harmonics
        further = [t for t, label in enumerate(series.labels) if label in self.interruptions]
        asked: dict[str, Any] = {
            "slope": self.slope, "pairs": pairs, "interruptions": further, "bends": self.bends, "slope_from": self.slope_from,
        } | changes  # fmt: skip
        return mean_model(series, **asked)

    def _one(
        self, series: Series, panel: Panel, analysis: Analysis, *, rows: Literal["all", "quick"]
    ) -> list[Estimate]:
        """The estimate of one series, then (for the first series) what stands beside it."""
        blank = self._blank(series, panel, analysis)
        why_not = no_estimate(series)
        fitted = None
        if not why_not:
            try:
                fitted = fit_model(series, self._model(series), self.conf_level, self.errors)
            except (ArithmeticError, np.linalg.LinAlgError) as fault:  # one site must not stop the others
                why_not = f"the model of this series has no solution ({type(fault).__name__})"
        if fitted is None:
            why_not = why_not or "the terms of the model cannot be told apart on these periods"
            return [replace(blank, status="not_estimable", note=f"{why_not}.", series=observed_only(series))]
        estimate = self._estimate(blank, fitted)
        if estimate.status == "not_estimable" or not self.sensitivity:
            return [estimate]
        effects = effects_table(fitted).assign(outcome=blank.outcome)
        if estimate.status != "ok":
            return [replace(estimate, tables={"averted": without_intervals(effects)})]
        p, d, q, P, D, Q = (int(c) for c in self.arima if c.isdigit())
        fitted = replace(fitted, arima=((p, d, q), (P, D, Q)))
        table_rows = [*sensitivity_rows(fitted, quick=rows == "quick"), *self._more_rows(fitted)]
        shown = sensitivity_table(table_rows).assign(unit=series.unit or "together", outcome=blank.outcome)
        estimate = replace(
            estimate,
            tables={"sensitivity": shown, "averted": effects},
            facts={**estimate.facts, **agreement(table_rows, estimate.null)},
        )
        terms = self._terms(blank, fitted)
        if rows == "quick":
            return [estimate, *terms]
        beside = [self._beside(blank, r) for r in table_rows if r.key and math.isfinite(r.estimate)]
        return [estimate, *beside, *terms]

    def _blank(self, series: Series, panel: Panel, analysis: Analysis) -> Estimate:
        outcome = panel.outcome(analysis.outcome)
        scale: Scale = {"count": "rate_ratio", "cost": "ratio"}.get(outcome.kind, "difference")  # type: ignore[assignment]
        form = "ratio of the rate" if series.ratio else "difference"
        when = f"from {series.labels[int(np.argmax(series.service))]}" if series.service.any() else "from the start"
        what = "jump in level at the first period" if self.slope else "change in level"
        return Estimate(
            analysis=analysis.name, design=analysis.design, estimator=analysis.estimator, outcome=outcome.name,
            estimand=f"{what} of {in_sentence(outcome.title)} {when} against the series' own past, as a {form}",
            scale=scale, estimate=math.nan, unit=series.unit, conf_level=self.conf_level, n_units=series.n_units,
            n_treated=series.n_units, n_periods=int(series.used.sum()), n_obs=int(series.used.sum()),
        )  # fmt: skip

    def _estimate(self, blank: Estimate, fitted: Fitted) -> Estimate:
        series, wald = fitted.series, fitted.wald
        ratio = series.ratio
        frame, facts = counterfactual(fitted)
        facts |= facts_of(fitted)
        notes = notes_on(fitted, facts)
        value = math.exp(wald.estimate) if ratio else wald.estimate
        common = replace(blank, estimate=value, series=frame, facts=facts)
        if series.after.sum() < LEAST_AFTER:
            few = f"Only {counted(int(series.after.sum()), 'period')} after the start: monitoring only, no interval until there are {LEAST_AFTER}"
            return replace(common, status="monitoring_only", note=joined_notes([few, *notes]))
        low, high = (ratio_of(x) if ratio else x for x in wald.interval(self.conf_level))
        endless = series.ratio and wald.half_width(self.conf_level) > WIDEST
        if endless or not (math.isfinite(low) and math.isfinite(high)):
            return replace(
                common, status="no_finite_interval", note=joined_notes(["The interval has no finite end", *notes])
            )
        if series.family == "identity" and np.abs(fitted.ar1.residuals).max() <= EXACT * np.abs(fitted.ar1.y).max():
            exact = "The model goes through every point, so there is no spread to judge the change by"
            return replace(common, status="no_finite_interval", note=joined_notes([exact, *notes]))
        model = "AR(1) plus noise" if fitted.headline.with_noise else "AR(1)"
        return replace(
            common, std_error=wald.std_error, conf_low=low, conf_high=high, conf_method="satterthwaite_t",
            p_value=wald.p_value, note=joined_notes(notes),
            inference=f"{model} errors by REML, Satterthwaite t with {wald.df:.1f} degrees of freedom",
            confidence=TDraws(wald.estimate, wald.std_error, wald.df, ratio),
        )  # fmt: skip

    def _terms(self, blank: Estimate, fitted: Fitted) -> list[Estimate]:
        """The change of slope and the level (and slope) of each further interruption, one secondary row a term."""
        series, model = fitted.series, fitted.model
        per = time_unit(series.season_length)
        form = blank.estimand.rsplit(", as a ", 1)[-1]
        first = series.labels[int(np.argmax(series.service))]
        found = []
        for name in model.names:
            sloped = name == "slope" or name.startswith("slope from ")
            if not sloped and not name.startswith("from "):
                continue
            wald = fitted.headline.coefficient(model.column(name))
            low, high = wald.interval(self.conf_level)
            value, low, high = (ratio_of(x) if series.ratio else x for x in (wald.estimate, low, high))
            if not all(map(math.isfinite, (value, low, high))):
                continue
            when = first if name == "slope" else name.split("from ", 1)[1]
            what = f"change of slope for each {per} periods" if sloped else "change in level"
            why = "with the service" if name == "slope" else "declared as a further interruption"
            found.append(
                replace(
                    blank, analysis=f"{blank.analysis}_{re.sub('[^A-Za-z0-9]+', '_', name)}", estimate=value,
                    estimand=f"{what} of {blank.outcome} from {when}, {why}, as a {form}", std_error=wald.std_error,
                    conf_low=low, conf_high=high, p_value=wald.p_value, conf_method="satterthwaite_t",
                    inference=f"the model of the headline, Satterthwaite t with {wald.df:.1f} degrees of freedom",
                    note="declared term: part of the model of this series, not another estimate of the service's effect.",
                )
            )  # fmt: skip
        return found

    def _more_rows(self, fitted: Fitted) -> list[Row]:
        """Rows that only one kind of series has."""
        return []

    def _beside(self, blank: Estimate, row: Row) -> Estimate:
        finite = math.isfinite(row.low) and math.isfinite(row.high)
        return replace(
            blank, analysis=f"{blank.analysis}_{row.key}", estimate=row.estimate, std_error=row.std_error, conf_low=row.low,
            conf_high=row.high, p_value=row.p_value, conf_method=row.conf_method if finite else "none", inference=row.inference,
            status="ok" if finite else "no_finite_interval", note=joined_notes([f"sensitivity: {row.method}", row.note]),
        )  # fmt: skip


def pooled(estimates: Sequence[Estimate], level: float = 0.95) -> Estimate:
    """The random-effects mean of units' level changes, for starts on different dates."""
    return pooled_sites(
        estimates, level, "The units started on different dates, so their series cannot be added: random-effects mean of their level changes"
    )  # fmt: skip
