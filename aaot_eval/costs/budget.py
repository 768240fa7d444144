"""What changes in whose budget in which year, and what the saving would be if the effect lasted.

Budget impact is undiscounted and in the budget holder's own terms; cash, capacity and value stand in three columns and are
never added. How long an effect outlasts the time on the caseload is an assumption, and is labelled as one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from aaot_eval.config import BudgetConfig
from aaot_eval.costs.discounting import present_value
from aaot_eval.costs.prices import Prices
from aaot_eval.costs.savings import Money

ASSUMPTIONS = {
    "ends": "assumption: the effect ends with the year on the caseload",
    "wanes": "assumption: the effect falls in equal steps, to nothing after the last year counted",
    "lasts": "assumption: the effect stays as large in every later year",
}
PAYERS = ("commissioner", "provider", "system")
NOT_ENTERED = "not entered: {key} in [costs.budget]"
NO_EFFECT = "no comparison gives the averted cost an interval"
BUDGET_COLUMNS = (
    "order", "scenario", "year", "payer", "patient_years", "service_cost", "cash_released", "income_lost", "net_cost", "net_low",
    "net_high", "bed_days_released", "value_of_resources", "value_low", "value_high", "status",
)  # fmt: skip
PERSISTENCE_COLUMNS = (
    "order", "scenario", "years", "undiscounted", "discounted", "low", "high", "discount_rate", "assumption",
)  # fmt: skip


def lasting(scenario: str, years_since: int, years: int) -> float:
    """The share of the first year's effect that is left so many years later.

    >>> [lasting("wanes", k, 3) for k in range(4)]
    [1.0, 0.6666666666666667, 0.33333333333333337, 0.0]
    """
    if scenario == "ends":
        return 1.0 if years_since == 0 else 0.0
    return max(0.0, 1 - years_since / years) if scenario == "wanes" else 1.0


def filled(budget: BudgetConfig) -> list[float]:
    """The share of the planned caseload in each year; the last one given holds on."""
    given = list(budget.fill) or [1.0]
    return [given[min(year, len(given) - 1)] for year in range(budget.years)]


def entered(budget: BudgetConfig, *, marginal: bool) -> dict[str, object]:
    """What the budget impact rests on that is no result, for the report; `given` names the keys somebody entered.

    On the basis marginal the averted cost is the variable share already, and what is charged is not known.
    """
    return {
        "funder": budget.funder,
        "fill": filled(budget),
        "activity_paid_share": budget.activity_paid_share,
        "variable_share": budget.variable_share,
        "given": sorted(k for k in budget.model_fields_set if getattr(budget, k) not in (None, [])),
        "marginal": marginal,
    }


def effect_years(scenario: str, patient_years: Sequence[float]) -> np.ndarray:
    """Patient-years' worth of effect in each year: every year's people, and the earlier ones as far as the effect lasts."""
    n = len(patient_years)
    return np.array([sum(patient_years[c] * lasting(scenario, y - c, n) for c in range(y + 1)) for y in range(n)])


def budget_table(money: Money | None, activity: pd.DataFrame, prices: Prices, budget: BudgetConfig) -> pd.DataFrame:
    """The release table `budget_impact`: one row a scenario, year and payer, undiscounted, in the run's prices.

    The service costs its whole team in every year, however full, and its setting up in the first year in full. Cash released
    is averted cost x the share that the payer no longer spends; without that share it is empty. The provider loses what
    the commissioner no longer pays. Value and bed days belong to the system alone.
    """
    team = prices.programme
    patient_years = [team.patient_years * share for share in filled(budget)]
    running = float(team.lines.loc[team.lines["kind"] != "set_up", "annual_cost"].sum())
    service = [running + (team.set_up_once if year == 0 else 0.0) for year in range(budget.years)]
    gross = [money.gross, money.gross_low, money.gross_high] if money is not None else [math.nan] * 3
    beds = _bed_days(activity)
    marginal = prices.basis == "marginal"
    variable = 1.0 if marginal else budget.variable_share
    rows = []
    for scenario in ASSUMPTIONS:
        worth = effect_years(scenario, patient_years)
        for year in range(budget.years):
            averted = [g * worth[year] for g in gross]
            for payer in PAYERS:
                rows.append(
                    {
                        "scenario": scenario,
                        "year": year + 1,
                        "payer": payer,
                        "patient_years": patient_years[year],
                        "bed_days_released": beds * worth[year] if payer == "system" else math.nan,
                        **_payer(payer, service[year], averted, variable, budget, marginal=marginal),
                    }
                )
    table = pd.DataFrame(rows)
    table.insert(0, "order", np.arange(1, len(table) + 1))
    money_columns = [c for c in BUDGET_COLUMNS[5:15] if c != "bed_days_released"]
    table[money_columns] = table[money_columns].astype(float).round(2)
    return table[list(BUDGET_COLUMNS)]


def _payer(
    payer: str,
    service: float,
    averted: Sequence[float],
    variable: float | None,
    budget: BudgetConfig,
    *,
    marginal: bool,
) -> dict[str, object]:
    """The money columns of one payer in one year; `averted` is the estimate and its two ends."""
    empty = math.nan
    known = not math.isnan(averted[0])
    if payer == "system":
        return {
            "service_cost": service, "cash_released": empty, "income_lost": empty, "net_cost": empty, "net_low": empty,
            "net_high": empty, "value_of_resources": empty if marginal else averted[0],
            "value_low": empty if marginal else averted[1], "value_high": empty if marginal else averted[2],
            "status": _status(known, "a full cost: the basis marginal holds the variable share alone" if marginal else ""),
        }  # fmt: skip
    paid = service if budget.funder == payer else 0.0
    share, key = (
        (variable, "variable_share") if payer == "provider" else (budget.activity_paid_share, "activity_paid_share")
    )
    # On the basis marginal the averted cost is not what the commissioner is charged.
    charged = None if marginal else budget.activity_paid_share
    if payer == "commissioner":
        share = charged
    lost = charged if payer == "provider" else 0.0
    missing = [k for k, v in ((key, share), ("activity_paid_share", lost)) if v is None]
    # A share of 0 releases nothing whatever the effect was: that needs no estimate.
    amount = [_times(v, share) for v in averted]
    income = [_times(v, lost) for v in averted]
    net = [paid - cash + loss for cash, loss in zip(amount, income, strict=True)]
    # Where no share of the averted cost is released nothing is uncertain, and an interval of one point would say otherwise.
    low, high = sorted(net[1:]) if share or lost else (empty, empty)
    status = NOT_ENTERED.format(key=" and ".join(dict.fromkeys(missing))) if missing else ""
    if missing and marginal:
        status = "needs the price that is charged, which the basis marginal does not hold"
    return {
        "service_cost": paid, "cash_released": amount[0], "income_lost": income[0] if payer == "provider" else empty, "net_cost": net[0],
        "net_low": low, "net_high": high, "value_of_resources": empty, "value_low": empty, "value_high": empty,
        "status": _status(not math.isnan(net[0]) or bool(missing), status),
    }  # fmt: skip


def _times(value: float, share: float | None) -> float:
    if share is None:
        return math.nan
    return 0.0 if share == 0 else value * share


def _status(known: bool, why: str) -> str:
    return why or ("ok" if known else NO_EFFECT)


def _bed_days(activity: pd.DataFrame) -> float:
    """Bed days averted per patient-year by a comparison that carries a saving; NaN without one."""
    rows = activity[(activity["outcome"] == "bed_days") & activity["per_patient_year"].notna()]
    rows = rows[rows["design"] != "series"]
    return float(rows["per_patient_year"].iloc[0]) if len(rows) else math.nan


def persistence_table(money: Money | None, budget: BudgetConfig, discount_rate: float) -> pd.DataFrame:
    """The release table `persistence`: net saving for a person who is on the caseload for one year, by how long it lasts.

    The service is paid in the first year alone. Present value over whole years, the first of them year 0 and not
    discounted. Deaths and moves in later years are not taken off. No rows without a headline.
    """
    if money is None or math.isnan(money.gross):
        return pd.DataFrame(columns=list(PERSISTENCE_COLUMNS))
    rows = []
    for order, (scenario, assumption) in enumerate(ASSUMPTIONS.items(), start=1):
        left = [lasting(scenario, year, budget.years) for year in range(budget.years)]
        saved, low, high = (
            present_value([g * share for share in left], discount_rate) - money.programme_cost
            for g in (money.gross, money.gross_low, money.gross_high)
        )
        plain = money.gross * sum(left) - money.programme_cost
        amounts = [round(v, 2) for v in (plain, saved, low, high)]
        rows.append((order, scenario, budget.years, *amounts, discount_rate, assumption))
    return pd.DataFrame(rows, columns=list(PERSISTENCE_COLUMNS))
