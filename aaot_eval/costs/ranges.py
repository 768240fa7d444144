"""One-way ranges: each quantity at both ends of its own range, the others at their base values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from aaot_eval.costs.draws import gamma_quantile
from aaot_eval.costs.prices import Prices
from aaot_eval.costs.savings import Money

COLUMNS = ("order", "parameter", "item", "unit", "low_input", "high_input", "saving_at_low", "saving_at_high", "swing")
MOST_PRICES = 5
OF_PARAMETER = {
    "effect": "ratio or difference",
    "unit costs": "times the prices used",
    "places": "places",
    "occupancy": "share in use",
}


def one_way(
    formula: Callable[..., float], base: Mapping[str, float], ranges: Mapping[str, tuple[float, float]]
) -> pd.DataFrame:
    """The result of `formula(**values)` at both ends of each range, widest swing first.

    Columns: parameter, low_input, high_input, saving_at_low, saving_at_high, swing.
    """
    rows = []
    for name, (low, high) in ranges.items():
        at_low, at_high = (float(formula(**{**base, name: value})) for value in (low, high))
        rows.append((name, low, high, at_low, at_high, abs(at_high - at_low)))
    table = pd.DataFrame(rows, columns=["parameter", *COLUMNS[4:]])
    return table.sort_values("swing", ascending=False, kind="stable", ignore_index=True)


def ranges_table(money: Money | None, prices: Prices, care: pd.DataFrame | None = None) -> pd.DataFrame:
    """The release table `cost_ranges` of the headline rung.

    The effect at its own limits, the unit costs at the ends of their common error, places, occupancy and
    cost lines at the ends given. With the lines of `cost_items` also each price at the ends of its own range, as far as averted care has the
    mix of the care on the caseload; the five that move most. A quantity without a stated range is not varied: no range
    is invented.
    """
    if money is None or money.loop is None or money.rung.gross is None:
        return pd.DataFrame(columns=list(COLUMNS))
    team, estimate, gross = prices.programme, money.rung.estimate, money.rung.gross
    base = {"effect": estimate.estimate, "unit costs": 1.0, "places": team.places, "occupancy": team.occupancy}
    items = [line.item for line in team.uncertain]
    lines = {
        f"yearly cost of {line.item}{f' (line {k})' if items.count(line.item) > 1 else ''}": line
        for k, line in enumerate(team.uncertain, start=1)
    }
    base |= {name: line.value for name, line in lines.items()}

    def saving(**at: float) -> float:
        averted = float(gross(np.array([at["effect"]]))[0]) * at["unit costs"]
        moved = sum(at[name] - line.value for name, line in lines.items())
        return averted - (team.team_cost + moved) / (at["places"] * at["occupancy"])

    ranges = {"effect": (estimate.conf_low, estimate.conf_high)}
    if prices.common_error > 0:
        tail = (1 - money.level) / 2
        low, high = gamma_quantile(np.array([tail, 1 - tail]), 1.0, prices.common_error)
        ranges["unit costs"] = (float(low), float(high))
    if team.places_range:
        ranges["places"] = team.places_range
    if team.occupancy_range:
        ranges["occupancy"] = team.occupancy_range
    ranges |= {name: (line.low, line.high) for name, line in lines.items()}
    table = one_way(saving, base, ranges)
    if care is not None and len(care) and money.rung.estimate.outcome == "hospital_cost":
        singles = _single_prices(prices, care, saving(**base), money)
        table = pd.concat([table, singles]).sort_values("swing", ascending=False, kind="stable", ignore_index=True)
    table.insert(0, "order", np.arange(1, len(table) + 1))
    table["unit"] = table["parameter"].map(OF_PARAMETER).fillna("pounds")
    table["item"] = table["item"].fillna("") if "item" in table else ""
    for column in COLUMNS[6:]:
        table[column] = table[column].round(2)
    return table[list(COLUMNS)]


def _single_prices(prices: Prices, items: pd.DataFrame, saving: float, money: Money) -> pd.DataFrame:
    """The saving with one price at either end of its range and the others held: gross x share of cost x change of price.

    The share is that of counts to the nearest five: it follows from the swing, and that of exact counts would tell them.
    """
    lines = _of_round_counts(items[items["kind"] != "total"].set_index("item"))
    share = lines / lines.sum() if lines.sum() > 0 else lines * 0.0
    known = prices.unit_costs[prices.unit_costs["item"].isin(share.index) & (prices.unit_costs["std_error"] > 0)]
    tail = (1 - money.level) / 2
    rows = []
    for item, value, error in zip(known["item"], known["value"], known["std_error"], strict=True):
        ends = gamma_quantile(np.array([tail, 1 - tail]), float(value), float(error))
        at = [saving + money.gross * share[item] * (float(end) / value - 1) for end in ends]
        rows.append((f"price of {_name(str(item))}", str(item), *map(float, ends), *at, abs(at[1] - at[0])))
    table = pd.DataFrame(rows, columns=["parameter", "item", *COLUMNS[4:]])
    return table.sort_values("swing", ascending=False, kind="stable").head(MOST_PRICES)


def _of_round_counts(items: pd.DataFrame) -> pd.Series[float]:
    """The cost of each line were its units, over all patient-years, the nearest multiple of five above nought."""
    units = (items["quantity"] * items["patient_years"]).round(6)
    near = (units / 5).round().clip(lower=1) * 5
    return items["cost"] * (near / units).where(units > 0, 1.0)


def _name(item: str) -> str:
    return item.replace("ed_attendance", "emergency department attendance").replace("gp_", "GP ").replace("_", " ")
