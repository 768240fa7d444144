"""The one loop: the effect's own inference, the prices and the programme cost drawn together, rung by rung."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from aaot_eval.costs.draws import percentiles, share_above_zero, uniforms
from aaot_eval.costs.ladder import Rung
from aaot_eval.costs.pennies import pence
from aaot_eval.costs.prices import Prices

SAVING_COLUMNS = (
    "rung",
    "design",
    "analysis",
    "headline",
    "gross",
    "gross_low",
    "gross_high",
    "programme_cost",
    "saving",
    "saving_low",
    "saving_high",
    "p_saving",
    "conf_method",
    "status",
    "label",
)


@dataclass(frozen=True)
class Loop:
    """The draws of one rung, each (n,): row b of every array belongs to the same world.

    `effect` on the scale of the estimate; `price` the common factor of the unit costs; `programme` pounds per
    patient-year; `gross` and `saving` what follows from them.
    """

    effect: np.ndarray
    price: np.ndarray
    programme: np.ndarray
    gross: np.ndarray
    saving: np.ndarray


@dataclass(frozen=True)
class Money:
    """One rung in pounds per patient-year on the caseload, to the penny; saving = gross - programme cost.

    A positive saving means that AAOT is cheaper. `fixed_low` and `fixed_high` are the effect's own limits pushed
    through with prices and programme cost fixed. Everything is empty (NaN, None) when the rung has no number.
    """

    rung: Rung
    programme_cost: float
    gross: float = math.nan
    gross_low: float = math.nan
    gross_high: float = math.nan
    saving: float = math.nan
    saving_low: float = math.nan
    saving_high: float = math.nan
    fixed_low: float = math.nan
    fixed_high: float = math.nan
    p_saving: float = math.nan
    loop: Loop | None = None

    @property
    def level(self) -> float:
        """The confidence level of the interval."""
        return self.rung.estimate.conf_level

    def row(self, *, headline: bool) -> dict[str, object]:
        """The rung as a row of the release table `saving`."""
        rung = self.rung
        values = {name: getattr(self, name) for name in SAVING_COLUMNS if hasattr(self, name)}
        return {
            **values,
            "rung": rung.rung,
            "design": rung.design,
            "analysis": rung.analysis,
            "headline": headline,
            "conf_method": rung.estimate.conf_method if self.loop is not None else "none",
            "status": rung.status,
            "label": rung.label,
        }


def run_loop(rung: Rung, prices: Prices, *, seed: int, n: int) -> Money:
    """One rung's money from n draws in which effect, unit costs and programme cost move together.

    The same price and programme draws serve every rung. Effects are drawn by `Estimate.confidence`, so that the money
    keeps the inference of the effect; these frequentist draws are read as if the prior were flat.
    """
    programme = pence(prices.programme.per_patient_year)
    estimate, gross_of = rung.estimate, rung.gross
    if gross_of is None or estimate.confidence is None:
        return Money(rung, programme / 100)
    effect = np.asarray(estimate.confidence(uniforms(seed, n, "effect")), dtype=float)
    price, team = prices.factor_draws(seed, n), prices.programme.draws(seed, n)
    gross = gross_of(effect) * price
    loop = Loop(effect, price, team, gross, gross - team)
    point = pence(float(gross_of(np.array([estimate.estimate]))[0]))
    pushed = np.sort(gross_of(np.array([estimate.conf_low, estimate.conf_high]))) - prices.programme.per_patient_year
    if not np.isfinite([*gross, *pushed]).all():
        label = f"{rung.label}; some draws of the effect are not finite, so there is no saving"
        return Money(replace(rung, status="no_finite_interval", label=label, gross=None), programme / 100)
    ends = [pence(end) / 100 for draws in (gross, loop.saving) for end in percentiles(draws, estimate.conf_level)]
    return Money(
        rung,
        programme / 100,
        gross=point / 100,
        gross_low=ends[0],
        gross_high=ends[1],
        saving=(point - programme) / 100,
        saving_low=ends[2],
        saving_high=ends[3],
        fixed_low=float(pushed[0]),
        fixed_high=float(pushed[1]),
        p_saving=share_above_zero(loop.saving),
        loop=loop,
    )


def headline_of(money: Sequence[Money]) -> Money | None:
    """The most credible rung with a number; None when there is none."""
    return next((m for m in money if m.rung.usable and m.loop is not None), None)


def saving_table(money: Sequence[Money]) -> pd.DataFrame:
    """The release table `saving`, most credible first, the headline marked."""
    best = headline_of(money)
    return pd.DataFrame([m.row(headline=m is best) for m in money], columns=list(SAVING_COLUMNS))
