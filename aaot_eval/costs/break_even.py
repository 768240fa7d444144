"""Where saving and cost meet: solved exactly at the estimate, and within every draw for the intervals."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd

from aaot_eval.costs.ladder import COMPARED
from aaot_eval.costs.prices import Prices
from aaot_eval.costs.savings import Money
from aaot_eval.results import Panel

COLUMNS = ("order", "quantity", "unit", "now", "now_low", "now_high", "break_even", "low", "high", "status")
ADMISSIONS = "Admissions to avert to pay for the service, each at the mean price of those counted"
NOT_REACHABLE = "not reachable: nothing is averted"
MORE_THAN_ALL = "not reachable: the service costs more than all hospital care of these people"
END_NOT_REACHABLE = "not reachable at one end of the interval"


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The value of each quantity at which the net saving is 0, the others held; NaN (draws: infinite) where there is none."""

    programme_cost: float
    places: float
    price_factor: float
    fall: float


def break_even(
    gross: float, *, programme_cost: float, team_cost: float, occupancy: float, usual_cost: float
) -> BreakEven:
    """Solves saving = gross - programme cost = 0, in pounds per patient-year on the caseload.

    Programme cost A* = gross; places N* = team cost / (occupancy x gross); factor on all prices c* = programme cost /
    gross; share by which the cost of care as usual must fall r* = programme cost / usual cost. The first three cannot
    be reached when nothing is averted (gross <= 0); a fall above 1 cannot either: costs fall by all of themselves at most.
    """
    reached = gross > 0
    return BreakEven(
        programme_cost=gross if reached else math.nan,
        places=team_cost / (occupancy * gross) if reached else math.nan,
        price_factor=programme_cost / gross if reached else math.nan,
        fall=programme_cost / usual_cost if usual_cost > 0 else math.nan,
    )


def break_even_table(panel: Panel, money: Money | None, prices: Prices, primary: str) -> pd.DataFrame:
    """The release table `break_even`: each quantity as it is now, where it breaks even, and the interval of that point.

    Without a headline rung only the number of admissions to avert is given, which needs no effect.
    """
    rows = _solved(money, prices) if money is not None and money.loop is not None else []
    price = mean_price(panel, primary)
    if not math.isnan(price):
        needed = prices.programme.per_patient_year / price
        rows.append((ADMISSIONS, "per patient-year", math.nan, math.nan, math.nan, needed, math.nan, math.nan, "ok"))
    return pd.DataFrame([(i, *row) for i, row in enumerate(rows, start=1)], columns=list(COLUMNS))


def mean_price(panel: Panel, outcome: str) -> float:
    """Mean cost of one admission of the outcome over all cells; NaN when it was not priced."""
    if f"{outcome}_cost" not in panel.cells or outcome not in panel.cells:
        return math.nan
    count = float(panel.cells[outcome].sum())
    return float(panel.cells[f"{outcome}_cost"].sum()) / count if count > 0 else math.nan


def _solved(money: Money, prices: Prices) -> list[tuple[str, str, float, float, float, float, float, float, str]]:
    team, loop = prices.programme, money.loop
    if loop is None:
        return []
    usual = money.rung.on_team + money.gross
    point = break_even(
        money.gross,
        programme_cost=team.per_patient_year,
        team_cost=team.team_cost,
        occupancy=team.occupancy,
        usual_cost=usual,
    )
    usual_draws = money.rung.on_team * loop.price + loop.gross
    with np.errstate(divide="ignore", invalid="ignore"):
        over = np.where(loop.gross > 0, 1 / loop.gross, math.inf)
        draws = (
            np.where(loop.gross > 0, loop.gross, -math.inf),  # averting nothing, it pays at no cost: below every one
            team.per_patient_year * team.places * over,
            loop.programme * over,
            np.where(usual_draws > 0, loop.programme / usual_draws, math.inf),
        )
    names = (
        ("Cost of the service", "pounds per patient-year", team.per_patient_year),
        ("Places of the team", "places", team.places),
        ("Prices of hospital care", "times the prices used", 1.0),
        (_fall_of(money), "share", money.gross / usual if usual > 0 else math.nan),
    )
    # What is put in has no interval of its own here; the fall is estimated, and has that of the same draws.
    with np.errstate(divide="ignore", invalid="ignore"):
        fell = np.where(usual_draws > 0, loop.gross / usual_draws, -math.inf)
    estimated = _ends(names[-1][-1], fell, money.level)[1:3]
    rows = [
        (*name, *(estimated if k == len(names) - 1 else (math.nan, math.nan)), *_ends(value, values, money.level))
        for k, (name, value, values) in enumerate(zip(names, astuple(point), draws, strict=True))
    ]
    if point.fall > 1:
        rows[-1] = (*rows[-1][:-1], MORE_THAN_ALL)
    return rows if usual > 0 else rows[:-1]


def _fall_of(money: Money) -> str:
    """Whose cost must fall, and where the fall of this evaluation comes from."""
    return f"Fall in the hospital cost of people taken on; in this evaluation from the comparison {COMPARED[money.rung.design]}"


def _ends(point: float, draws: np.ndarray, level: float) -> tuple[float, float, float, str]:
    """The point, the interval over the draws (an infinite end is empty) and whether all of it can be reached."""
    if math.isnan(point):
        return math.nan, math.nan, math.nan, NOT_REACHABLE
    ends = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    low, high = (float(end) if math.isfinite(end) else math.nan for end in ends)
    return point, low, high, "ok" if np.isfinite(ends).all() else END_NOT_REACHABLE
