"""Which admissions, effect, unit cost and programme cost would give a published saving. Never a reproduction."""

from __future__ import annotations

import math

import pandas as pd

from aaot_eval.costs.prices import Prices
from aaot_eval.costs.savings import Money
from aaot_eval.saving_identity import NOT_A_REPRODUCTION, solve_for

COLUMNS = (
    "order", "target", "fall", "fall_from", "programme_cost", "usual_cost_needed", "unit_cost", "admissions_needed", "note",
)  # fmt: skip
FALLS = (
    (0.23, "a published fall of all alcohol admissions to one hospital, read as a patient's own"),
    (0.33, "between published falls"),
    (0.50, "between published falls"),
    (0.669, "a published before-after fall without a control: an upper bound"),
)
FREE = 0.0


def solving_table(money: Money | None, prices: Prices, price: float, target: float) -> pd.DataFrame:
    """The release table `solve_for`: hospital cost and admissions per patient-year that `target` would need, combination by
    combination.

    `price` is the mean price of an admission in this run (NaN when none was priced). The falls are published ones and, where
    the headline gives one above 0, this run's own; the programme cost is this run's, and 0. The target is an input: that a
    combination gives it proves nothing.
    """
    falls = [*FALLS]
    own = _own_fall(money)
    if own > 0:
        falls.append((own, "the fall in hospital cost that this run estimates for people taken on"))
    rows = []
    for fall, source in falls:
        for programme in (FREE, prices.programme.per_patient_year):
            _, usual = solve_for(saving=target, fall=fall, price=1.0, programme=programme)
            admissions = (
                solve_for(saving=target, fall=fall, price=price, programme=programme)[1] if price > 0 else math.nan
            )
            note = _note(money, target) if source.startswith("the fall") else NOT_A_REPRODUCTION
            rows.append((target, fall, source, round(programme, 2), usual, price, admissions, note))
    return pd.DataFrame([(i, *row) for i, row in enumerate(rows, start=1)], columns=list(COLUMNS))


def _own_fall(money: Money | None) -> float:
    """Averted cost over the cost of care as usual; NaN without a headline."""
    if money is None or math.isnan(money.gross) or math.isnan(money.rung.on_team):
        return math.nan
    usual = money.rung.on_team + money.gross
    return money.gross / usual if usual > 0 else math.nan


def _note(money: Money | None, target: float) -> str:
    """Whether this run's own interval, of which the target is no input, holds the target."""
    if money is None or math.isnan(money.saving_low):
        return NOT_A_REPRODUCTION
    holds = money.saving_low <= target <= money.saving_high
    return f"{NOT_A_REPRODUCTION}; the interval of this run's own saving {'holds' if holds else 'does not hold'} it"
