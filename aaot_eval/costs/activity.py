"""Averted activity with its interval: what every design can say, also those that carry no saving."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from aaot_eval.costs.ladder import rung_of, treated_periods
from aaot_eval.costs.rates import Caseload
from aaot_eval.results import Effect, Estimate, Panel

COLUMNS = (
    "analysis", "design", "outcome", "unit", "averted", "averted_low", "averted_high", "people", "patient_years", "per_patient_year",
    "per_patient_year_low", "per_patient_year_high", "status", "label",
)  # fmt: skip
UNCONTROLLED = "without a control: no saving follows from it"
LABEL_OF_SERIES = {"series": UNCONTROLLED, "controlled_series": "against a control series"}


def activity_table(panel: Panel, effects: Sequence[Effect], people: Caseload | None) -> pd.DataFrame:
    """The release table `averted_activity`: events averted in all and per patient-year on the caseload, effect by effect.

    Positive = fewer. Series and sites give totals over the months after the start, shared over the patient-years
    delivered in the same months; designs over patients give the rate on the caseload directly.
    """
    rows = []
    for effect in effects:
        if effect.headline.outcome.endswith("_cost"):
            continue
        if effect.analysis.design in LABEL_OF_SERIES:
            rows += [
                _of_series(panel, effect, estimate, people) for estimate in effect.estimates if _has_total(estimate)
            ]
        elif people is not None and effect.headline.status == "ok":
            rows += _of_rung(panel, effect, people)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"people": "Int64"})


def _has_total(estimate: Estimate) -> bool:
    return estimate.status == "ok" and "averted" in estimate.facts


def _of_series(panel: Panel, effect: Effect, estimate: Estimate, people: Caseload | None) -> dict[str, object]:
    total = [float(estimate.facts.get(name, math.nan)) for name in ("averted", "averted_low", "averted_high")]
    months = treated_periods(panel, int(effect.analysis.options.get("phase_in", 0)))
    if estimate.unit in panel.units.index:
        months[np.asarray(panel.units.index != estimate.unit)] = False
    years = people.within(panel, months) if people is not None else math.nan
    each = [value / years if years > 0 else math.nan for value in total]
    size = people.behind(panel, months) if people is not None else None
    return _row(effect, estimate, total, size, years, each, LABEL_OF_SERIES[effect.analysis.design])


def _of_rung(panel: Panel, effect: Effect, people: Caseload) -> list[dict[str, object]]:
    rung = rung_of(panel, effect, people)
    if rung is None or rung.gross is None:
        return []
    estimate = effect.headline
    each = [float(v) for v in rung.gross(np.array([estimate.estimate, estimate.conf_high, estimate.conf_low]))]
    total = [float(estimate.facts.get(name, math.nan)) for name in ("averted", "averted_low", "averted_high")]
    years = total[0] / each[0] if not math.isnan(total[0]) and each[0] else math.nan
    return [_row(effect, estimate, total, len(people.people), years, each, rung.label)]


def _row(
    effect: Effect,
    estimate: Estimate,
    total: list[float],
    size: int | None,
    years: float,
    each: list[float],
    label: str,
) -> dict[str, object]:
    analysis = effect.analysis
    head = (analysis.name, analysis.design, estimate.outcome, estimate.unit)
    return dict(
        zip(
            COLUMNS, (*head, *total, pd.NA if size is None else size, years, *each, estimate.status, label), strict=True
        )
    )
