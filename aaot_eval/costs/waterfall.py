"""From the cost of care as usual to the cost with AAOT, step by step, to the penny."""

from __future__ import annotations

import math

import pandas as pd

from aaot_eval.costs.pennies import pence
from aaot_eval.costs.savings import Money

COLUMNS = ("order", "step", "kind", "people", "observed", "amount", "low", "high")


def waterfall(money: Money | None, people: int) -> pd.DataFrame:
    """The release table `cost_waterfall` of the headline rung, pounds per patient-year; no rows without one.

    Care as usual = observed hospital cost on the caseload + averted cost. The last step less the first is minus the
    saving. `observed` is the observed cost in an amount: it leaves a run in fewer figures, the other parts as they are.
    """
    if money is None or math.isnan(money.gross) or math.isnan(money.rung.on_team):
        return pd.DataFrame(columns=list(COLUMNS))
    observed, gross, service = pence(money.rung.on_team), pence(money.gross), pence(money.programme_cost)
    usual, total = observed + gross, observed + service
    fell = gross >= 0
    steps = [
        ("Hospital cost, care as usual", "level", usual, math.nan, math.nan),
        (
            "Hospital cost averted" if fell else "Hospital cost added",
            "down" if fell else "up",
            -gross,
            -pence(money.gross_high),
            -pence(money.gross_low),
        ),
        ("Cost of the service", "up", service, math.nan, math.nan),
        (
            "Hospital and service, with AAOT",
            "total",
            total,
            usual - pence(money.saving_high),
            usual - pence(money.saving_low),
        ),
    ]
    rows = [
        (i, step, kind, people, observed / 100 if kind in ("level", "total") else 0.0, *(v / 100 for v in values))
        for i, (step, kind, *values) in enumerate(steps, start=1)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
