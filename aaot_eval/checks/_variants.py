"""The choices that could have been made beforehand, design by design, as the table `specification_curve`. docs/methods/specification_curve.md."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from aaot_eval.checks._choices import FOLLOW_UPS, counted_otherwise, in_order, row, touches_pandemic, without_pandemic
from aaot_eval.checks._people_variants import variants_table
from aaot_eval.errors import counted
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._balance import COARSE, FINE
from aaot_eval.estimators._its_model import Errors, season_pairs
from aaot_eval.estimators._its_sensitivity import by_wave
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.estimators.its import InterruptedTimeSeries
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.estimators.risk_set import OWN, RiskSet, Ways
from aaot_eval.estimators.trial import MODELS, Trial
from aaot_eval.results import Analysis, Panel

#: The referred's first months, in which the team's own work brings people in, not counted.
WASHOUT = 3
#: What can be done with the months of the pandemic, by the word of the table.
TREATMENTS = {"out": "March 2020 to December 2021 left out", "waves": "a level of its own for each pandemic wave"}
#: Short, because the chart has little room for names.
ERRORS: dict[Errors, str] = {"wider": "wider", "ar1": "AR(1)", "ar1_noise": "AR(1)+noise"}


@dataclass(frozen=True)
class Designed:
    """The variants of one design: what is varied, in words, and what makes the table."""

    words: str
    table: Callable[[], pd.DataFrame]


def designed(estimator: Estimator, panel: Panel, analysis: Analysis, seed: int) -> Designed | None:
    """The variants of a comparison of people, of a series or of a trial; None for any other estimator."""
    if isinstance(estimator, (EntryRule, OwnCohorts)):
        own = estimator
        return Designed(
            "admissions the rule asks for, follow-up, ways to count", lambda: variants_table(own, panel, analysis)
        )
    if isinstance(estimator, RiskSet):
        risk = estimator
        return Designed(
            "follow-up, what is held equal, history, who is compared, months not counted, the rule, ways to count",
            lambda: of_risk_set(risk, panel, analysis),
        )
    if isinstance(estimator, InterruptedTimeSeries):
        series = estimator
        return Designed(
            "error model, season, phase-in, window, ways to count, the pandemic",
            lambda: of_series(series, panel, analysis, seed),
        )
    if isinstance(estimator, Trial):
        trial = estimator
        return Designed("model, follow-up, first month, ways to count", lambda: of_trial(trial, panel, analysis, seed))
    return None


# Risk sets: the referred against people of other hospitals.

BALANCED: dict[str, Ways] = {
    "fine windows": OWN,
    "coarse windows": replace(OWN, windows=(COARSE,)),
    "a year of history": replace(OWN, history=12, windows=tuple(tuple(w for w in x if w[1] <= 12) for x in (FINE, COARSE))),
}  # fmt: skip
ONE_BY_ONE: tuple[tuple[str, Ways], ...] = (
    ("without the square", replace(OWN, square=False)),
    ("common past only", replace(OWN, support=True)),
    ("hospitals not yet started too", replace(OWN, not_yet=True)),
    ("fine windows", replace(OWN, skip=WASHOUT)),
)


def of_risk_set(estimator: RiskSet, panel: Panel, analysis: Analysis) -> pd.DataFrame:
    """What is held equal by each follow-up; then one at a time: moments, caliper, comparison people, washout, the rule, outcomes, the pandemic."""
    follow_ups = list(dict.fromkeys((estimator.follow_up, *FOLLOW_UPS)))
    rows: list[dict[str, object] | None] = []
    for method, ways in BALANCED.items():
        found = estimator.effects(panel, analysis, ways, follow_ups)
        rows += [
            row(method, f, outcome=analysis.outcome, after=str(months), declared=ways is OWN and months == estimator.follow_up)
            for months, f in zip(follow_ups, found, strict=True)
        ]  # fmt: skip
    own = [estimator.follow_up]

    def single(method: str, of: RiskSet, where: Panel, asked: Analysis, ways: Ways = OWN, *, pandemic: bool = True) -> None:  # fmt: skip
        (found,) = of.effects(where, asked, ways, own)
        rows.append(row(method, found, outcome=asked.outcome, phase_in=ways.skip, after=str(own[0]), pandemic=pandemic))

    for method, ways in ONE_BY_ONE:
        single(method, estimator, panel, analysis, ways)
    if estimator.rule_count and "cohort_rule" not in panel.extra:
        for count in (estimator.rule_count - 1, estimator.rule_count + 1):
            if count >= 1:
                single(
                    f"rule of {counted(count, 'admission')}",
                    replace(estimator, rule_count=count, rule_months=estimator.rule_months),
                    panel,
                    analysis,
                )
    for outcome in counted_otherwise(panel, analysis, people=True):
        single("fine windows", estimator, panel, replace(analysis, outcome=outcome))
    if touches_pandemic(panel):
        single("fine windows", estimator, without_pandemic(panel), analysis, pandemic=False)
    return in_order(rows)


# Series.


@dataclass(frozen=True)
class Window:
    """Periods before the first start and after the last that count; None = all there are."""

    before: int | None = None
    after: int | None = None

    def of(self, panel: Panel, phase_in: int) -> Panel:
        """The panel with the periods outside left out, calendar time kept."""
        start = panel.units.loc[panel.treated_units, "start_t"].astype(int)
        t = np.arange(len(panel.periods))
        out = panel.periods["left_out"].to_numpy(dtype=bool).copy()
        if self.before is not None:
            out |= t < int(start.min()) - self.before
        if self.after is not None:
            out |= t >= int(start.max()) + phase_in + self.after
        return replace(panel, periods=panel.periods.assign(left_out=out))


@dataclass(frozen=True)
class SeriesChoice:
    """One variant of a series."""

    errors: Errors
    pairs: int | None
    phase_in: int
    outcome: str
    window: Window = Window()
    pandemic: bool = True
    waves: bool = False

    @property
    def treatment(self) -> str:
        """What is done with the months of the pandemic: the word of the table."""
        return "waves" if self.waves else "in" if self.pandemic else "out"


def series_choices(estimator: InterruptedTimeSeries, panel: Panel, analysis: Analysis) -> list[SeriesChoice]:
    """The declared one first. Errors by season pairs by phase-in; then windows by phase-in, outcomes counted in other ways and the pandemic.

    The list comes from periods, starts, settings and names, never from a count.
    """
    year = panel.season_length
    quarter = max(1, year // 4)
    phases = list(dict.fromkeys([estimator.phase_in, *([] if estimator.ramp else [0]), estimator.phase_in + quarter]))
    used = int((~panel.periods["left_out"].to_numpy(dtype=bool)).sum())
    own_pairs = season_pairs(used, year) if estimator.harmonics is None else estimator.harmonics
    pairs: list[int | None] = [estimator.harmonics]
    if year >= 4:
        pairs += [k for k in (1, 2) if k != own_pairs]
    own = SeriesChoice(estimator.errors, estimator.harmonics, estimator.phase_in, analysis.outcome)
    single: tuple[Errors, ...] = ("ar1", "ar1_noise")
    grid = [SeriesChoice(e, k, p, analysis.outcome) for e in single for k in pairs for p in phases]
    found = [own, *(c for c in grid if c != own)]
    windows = [Window(before=2 * year), Window(after=year), Window(2 * year, year)] if year > 1 else []
    found += [replace(own, window=w, phase_in=p) for w in windows for p in phases]
    found += [replace(own, outcome=o) for o in counted_otherwise(panel, analysis, people=False)]
    if touches_pandemic(panel):
        found += [replace(own, pandemic=False, phase_in=p) for p in phases]
        found += [replace(own, waves=True, phase_in=p) for p in phases]
    return found


def of_series(estimator: InterruptedTimeSeries, panel: Panel, analysis: Analysis, seed: int) -> pd.DataFrame:
    """Every variant of `series_choices` that has an estimate with a p."""
    if estimator.objections(panel, analysis):
        return pd.DataFrame()
    wanted = series_choices(estimator, panel, analysis)
    rows: list[dict[str, object] | None] = []
    scale, unit, ratio = None, "", True
    phases_not_fitted: dict[str, list[str]] = {}
    for number, c in enumerate(wanted):
        part = c.window.of(without_pandemic(panel) if not c.pandemic else panel, c.phase_in)
        variant = replace(estimator.quick(), errors=c.errors, harmonics=c.pairs, phase_in=c.phase_in)
        asked = replace(analysis, outcome=c.outcome, primary=False)
        if variant.objections(part, asked):
            continue
        found: tuple[float, float] | None = None
        if c.waves:
            found = _by_wave(variant, part, asked, unit, ratio=ratio)
        else:
            estimate = variant.fit(part, asked, seed=seed)[0]
            if number == 0:
                scale, unit = estimate.scale, estimate.unit
            ratio = estimate.null == 1.0
            if estimate.status == "ok" and estimate.scale == scale:
                found = (math.log(estimate.estimate) if ratio else estimate.estimate, estimate.p_value)
        if found is None:
            if c.treatment != "in":
                phases_not_fitted.setdefault(c.treatment, []).append(str(c.phase_in))
            continue
        made = row(_method(c), found, outcome=c.outcome, ratio=ratio, phase_in=c.phase_in, before=_told(c.window.before),
                   after=_told(c.window.after), pandemic=c.pandemic, declared=number == 0)  # fmt: skip
        rows.append(made and made | {"pandemic": c.treatment})
    table = in_order(rows)
    table.attrs["not_fitted"] = [
        f"{TREATMENTS[t]} (with {', '.join(phases)} periods of phase-in)" for t, phases in phases_not_fitted.items()
    ]
    return table


def _by_wave(
    variant: InterruptedTimeSeries, panel: Panel, analysis: Analysis, unit: str, *, ratio: bool
) -> tuple[float, float] | None:
    """(effect, p) with a level for each wave; None for a mean of sites that start at different times, which is no one series."""
    starts = panel.units.loc[panel.treated_units, "start_t"]
    if not unit and starts.nunique() > 1:
        return None
    fitted = variant.fitted(panel, analysis, unit)
    found = by_wave(fitted) if fitted is not None else None
    if found is None or not math.isfinite(found.estimate) or not math.isfinite(found.p_value):
        return None
    return (math.log(found.estimate) if ratio else found.estimate, found.p_value)


def _method(choice: SeriesChoice) -> str:
    season = (
        "default season"
        if choice.pairs is None
        else f"{choice.pairs} season {'pair' if choice.pairs == 1 else 'pairs'}"
    )
    return f"{ERRORS[choice.errors]}, {season}"


def _told(periods: int | None) -> str:
    return "all" if periods is None else str(periods)


# Trials.


def of_trial(estimator: Trial, panel: Panel, analysis: Analysis, seed: int) -> pd.DataFrame:
    """Each model by each follow-up and first month; then outcomes counted in other ways and the pandemic."""
    rows: list[dict[str, object] | None] = []
    ratio = estimator.scale == "ratio"
    models = [m for m in MODELS if not (m == "adjusted" and estimator.unit == "site")] if ratio else ["rates"]

    def each() -> Iterator[tuple[Trial, str, str, bool]]:
        for months in dict.fromkeys((estimator.follow_up, *FOLLOW_UPS)):
            for first in dict.fromkeys((estimator.first_month, 0, 1)):
                for model in models:
                    yield replace(estimator, follow_up=months, first_month=first), model, analysis.outcome, True
        for outcome in counted_otherwise(panel, analysis, people=True):
            yield estimator, models[0], outcome, True
        if touches_pandemic(panel):
            yield estimator, models[0], analysis.outcome, False

    for number, (variant, model, outcome, pandemic) in enumerate(each()):
        part = panel if pandemic else without_pandemic(panel)
        found = variant.effect(part, replace(analysis, outcome=outcome), model, seed)
        rows.append(row(MODELS[model], found, outcome=outcome, ratio=ratio, phase_in=variant.first_month, after=str(variant.follow_up),
                        pandemic=pandemic, declared=number == 0))  # fmt: skip
    return in_order(rows)
