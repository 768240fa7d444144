"""The one loop: the effect's own inference, the prices and the programme cost drawn together, rung by rung."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
class Money:
    """One rung in pounds per patient-year on the caseload, to the penny; saving = gross - programme cost.

    `gross_draws` and `saving_draws` hold the loop (n,); `fixed_low`/`fixed_high` are the effect's own limits pushed
    through with prices and programme cost fixed. All are empty (NaN, None) when the rung has no number.
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
    gross_draws: np.ndarray | None = None
    saving_draws: np.ndarray | None = None

    @property
    def level(self) -> float:
        """The confidence level of the interval."""
        return self.rung.estimate.conf_level

    def row(self, *, headline: bool) -> dict[str, object]:
        """The rung as a row of the release table `saving`."""
        rung = self.rung
        return {
            "rung": rung.rung,
            "design": rung.design,
            "analysis": rung.analysis,
            "headline": headline,
            "gross": self.gross,
            "gross_low": self.gross_low,
            "gross_high": self.gross_high,
            "programme_cost": self.programme_cost,
            "saving": self.saving,
            "saving_low": self.saving_low,
            "saving_high": self.saving_high,
            "p_saving": self.p_saving,
            "conf_method": rung.estimate.conf_method if self.gross_draws is not None else "none",
            "status": rung.status,
            "label": rung.label,
        }


def run_loop(rung: Rung, prices: Prices, *, seed: int, n: int) -> Money:
    """One rung's money from n draws in which effect, unit costs and programme cost move together.

    The same prices and programme draws serve every rung. Effects are drawn by `Estimate.confidence`, so that the
    money keeps the inference of the effect; these frequentist draws are read as if the prior were flat.
    """
    programme = pence(prices.programme.per_patient_year)
    money = Money(rung, programme / 100)
    confidence = rung.estimate.confidence
    if rung.gross is None or confidence is None:
        return money
    effect = np.asarray(confidence(uniforms(seed, n, "effect")), dtype=float)
    gross = rung.gross(effect) * prices.factor_draws(seed, n)
    saving = gross - prices.programme.draws(seed, n)
    point = pence(float(rung.gross(np.array([rung.estimate.estimate]))[0]))
    limits = np.array([rung.estimate.conf_low, rung.estimate.conf_high])
    pushed = np.sort(rung.gross(limits)) - prices.programme.per_patient_year
    if not np.isfinite([*gross, *saving, *pushed]).all():
        return Money(_without_number(rung), programme / 100)
    level = rung.estimate.conf_level
    ends = [pence(end) / 100 for values in (gross, saving) for end in percentiles(values, level)]
    return Money(
        rung,
        programme / 100,
        point / 100,
        ends[0],
        ends[1],
        (point - programme) / 100,
        ends[2],
        ends[3],
        float(pushed[0]),
        float(pushed[1]),
        share_above_zero(saving),
        gross,
        saving,
    )


def _without_number(rung: Rung) -> Rung:
    return Rung(
        rung.rung,
        rung.design,
        rung.analysis,
        rung.estimate,
        "no_finite_interval",
        f"{rung.label}; some draws of the effect are not finite, so there is no saving",
        doubts=rung.doubts,
    )


def headline_of(money: Sequence[Money]) -> Money | None:
    """The most credible rung with a number; None when there is none."""
    return next((m for m in money if m.rung.usable), None)


def saving_table(money: Sequence[Money]) -> pd.DataFrame:
    """The release table `saving`, most credible first, the headline marked."""
    best = headline_of(money)
    return pd.DataFrame([m.row(headline=m is best) for m in money], columns=list(SAVING_COLUMNS))
