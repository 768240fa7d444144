"""What the money buys: admissions avoided, days alive or QALYs gained, drawn in the same worlds as the saving."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aaot_eval.config import RunConfig
from aaot_eval.costs.draws import percentiles, uniforms
from aaot_eval.costs.ladder import Rung, rung_of
from aaot_eval.costs.prices import Prices
from aaot_eval.costs.rates import DAYS_IN_YEAR, Caseload
from aaot_eval.costs.savings import Money
from aaot_eval.results import Effect, Panel

DEATHS = "deaths"
#: Outcome in the singular, and in the plural.
UNIT = {
    "admission_avoided": ("admission avoided", "admissions avoided"),
    "alive_day": ("day alive gained", "days alive gained"),
    "qaly": ("QALY gained", "QALYs gained"),
}
SAME_DRAWS = (
    "drawn in the same worlds as the saving, so that a large effect on one is a large effect on the other: of all ways in which "
    "they could move together this gives the widest interval of the net benefit"
)
OWN_DRAWS = "drawn on its own, because it was measured in other people than the saving"


@dataclass(frozen=True)
class Outcome:
    """The outcome gained per patient-year on the caseload, AAOT less care as usual.

    `draws` (n,) belong to the same worlds as the saving's, and are None without a finite interval: then there is no
    probability either. `own` tells whether the outcome has draws of its own beside the effect's.
    """

    kind: str
    thresholds: tuple[float, ...]
    point: float = math.nan
    low: float = math.nan
    high: float = math.nan
    draws: np.ndarray | None = None
    own: bool = False
    basis: str = ""
    status: str = "ok"
    label: str = ""

    @property
    def unit(self) -> str:
        """One unit in words."""
        return UNIT[self.kind][0]

    @property
    def units(self) -> str:
        """Units in words."""
        return UNIT[self.kind][1]


def outcome_of(
    panel: Panel,
    effects: Sequence[Effect],
    people: Caseload | None,
    best: Money | None,
    prices: Prices,
    config: RunConfig,
) -> Outcome | None:
    """The outcome that [costs.outcome] names, from the design of the headline saving; None when none is named.

    Without a headline saving, without an estimate of the same design on that outcome, or without a finite interval, the
    status says which and there are no draws.
    """
    asked = config.costs.outcome if config.costs else None
    if asked is None:
        return None
    values = tuple(asked.thresholds or ())
    if best is None or best.loop is None:
        return Outcome(asked.kind, values, status="not_estimable", label="no saving with an interval to set it against")
    n = len(best.loop.saving)
    if asked.kind == "qaly":
        return _qaly(values, prices, best, config.seed, n)
    name = DEATHS if asked.kind == "alive_day" else config.study.outcome
    effect = _same_design(effects, best, name)
    rung = rung_of(panel, effect, people) if effect is not None else None
    if rung is None:
        return Outcome(asked.kind, values, status="not_estimable",
                       label=f"the comparison behind the saving gives no effect on {name.replace('_', ' ')}")  # fmt: skip
    to_units = _days_alive(rung, people) if asked.kind == "alive_day" else _as_it_is
    return _from_rung(asked.kind, values, rung, to_units, best, config.seed, n)


def _as_it_is(averted: np.ndarray) -> np.ndarray:
    return averted


def _same_design(effects: Sequence[Effect], best: Money, outcome: str) -> Effect | None:
    of_design = [e for e in effects if e.analysis.design == best.rung.design and e.headline.outcome == outcome]
    behind = next((e.analysis.estimator for e in effects if e.analysis.name == best.rung.analysis), "")
    return next((e for e in of_design if e.analysis.estimator == behind), of_design[0] if of_design else None)


def days_alive(averted: np.ndarray, rate: float) -> np.ndarray:
    """Days alive gained in a year by deaths averted per patient-year, at the observed yearly death rate with AAOT.

    At a constant rate h a person lives 365.25 (1 - exp(-h)) / h days of a year; gained = that at `rate` less that at
    `rate` + averted, which is never taken below 0.
    """

    def lived(hazard: np.ndarray) -> np.ndarray:
        safe = np.where(hazard > 0, hazard, 1.0)
        return np.asarray(DAYS_IN_YEAR * np.where(hazard > 0, -np.expm1(-safe) / safe, 1.0))

    usual = np.maximum(rate + np.asarray(averted, dtype=float), 0.0)
    return np.asarray(lived(np.full(np.shape(usual), rate)) - lived(usual))


def _days_alive(rung: Rung, people: Caseload | None) -> Callable[[np.ndarray], np.ndarray]:
    rate = rung.on_team
    if people is not None and math.isnan(rate):
        rate = float(people.people["died"].sum()) / people.person_years
    return lambda averted: days_alive(averted, rate)


def _from_rung(
    kind: str,
    values: tuple[float, ...],
    rung: Rung,
    to_units: Callable[[np.ndarray], np.ndarray],
    best: Money,
    seed: int,
    n: int,
) -> Outcome:
    estimate = rung.estimate
    if rung.gross is None or estimate.confidence is None:
        said = "has no finite interval" if rung.status == "no_finite_interval" else "carries no rate per patient-year"
        label = f"the effect on {estimate.outcome.replace('_', ' ')} {said}, so there is neither net benefit nor probability"
        return Outcome(kind, values, basis=rung.analysis, status=rung.status, label=label)
    point = float(to_units(rung.gross(np.array([estimate.estimate])))[0])
    draws = to_units(rung.gross(np.asarray(estimate.confidence(uniforms(seed, n, "effect")), dtype=float)))
    if not np.isfinite([point, *draws]).all():
        return Outcome(
            kind,
            values,
            basis=rung.analysis,
            status="no_finite_interval",
            label="some draws of the effect are not finite",
        )
    low, high = percentiles(draws, best.level)
    return Outcome(kind, values, point, low, high, draws, False, rung.analysis, "ok", SAME_DRAWS)


def _qaly(values: tuple[float, ...], prices: Prices, best: Money, seed: int, n: int) -> Outcome:
    given = prices.utilities
    if given is None:
        return Outcome("qaly", values, status="not_estimable", label="no utilities were supplied")
    draws = given.gain.draws(uniforms(seed, n, "outcome")) * given.per_year
    low, high = percentiles(draws, best.level)
    label = f"{given.label}; {OWN_DRAWS}"
    return Outcome(
        "qaly", values, given.gain.estimate * given.per_year, low, high, draws, True, "utilities", "ok", label
    )
