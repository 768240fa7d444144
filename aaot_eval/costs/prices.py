"""The prices of a run: unit costs and programme, checked, sourced and moved to one price year."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.costs.draws import RANGE_IN_SE, gamma_quantile, uniforms
from aaot_eval.costs.price_files import Line, Refusals, is_invented, number, read_lines
from aaot_eval.costs.price_index import PriceIndex, is_financial_year, load_index
from aaot_eval.costs.programme import Programme, load_programme
from aaot_eval.errors import InputError, Problem
from aaot_eval.schema import table_schema

EXCESS_AFTER_NIGHTS = 10
LONG_FROM_NIGHTS = 2
UNIT = {
    "emergency_short_stay": "stay",
    "emergency_long_stay": "stay",
    "emergency_excess_day": "day",
    "elective_stay": "stay",
    "day_case": "stay",
    "ed_attendance": "attendance",
}


@dataclass(frozen=True)
class Prices:
    """Everything that is multiplied by something, in pounds of one price year and seen from one perspective.

    `unit_costs` is the release table of that name. `programme` is None in tests of stays only.
    """

    price_year: str
    perspective: str
    unit_costs: pd.DataFrame
    programme: Programme
    index: PriceIndex

    @property
    def stays(self) -> pd.DataFrame:
        """What the pricing of stays reads: item, unit, value, std_error (NaN = none), in the run's price year."""
        return self.unit_costs[["item", "unit", "value", "std_error"]].copy()

    @property
    def invented(self) -> bool:
        """Whether any price or programme figure was made up."""
        return is_invented(list(self.unit_costs["source"])) or self.programme.invented

    @property
    def common_error(self) -> float:
        """The coefficient of variation shared by all unit costs.

        Summed standard errors over summed values of the items that have one: all prices come from one costing
        system, so their errors do not average out.
        """
        known = self.unit_costs[self.unit_costs["std_error"].notna()]
        return float(known["std_error"].sum() / known["value"].sum()) if len(known) else 0.0

    def factor_draws(self, seed: int, n: int) -> np.ndarray:
        """n draws of the common multiplicative error of the unit costs: gamma with mean 1."""
        return gamma_quantile(uniforms(seed, n, "unit costs"), 1.0, self.common_error)

    @property
    def forecast(self) -> bool:
        """Whether a forecast of the index was used to move any price."""
        years = {*self.unit_costs["price_year"], *self.programme.lines["price_year"]} - {"", self.price_year}
        return bool(years) and any(self.index.forecast(y) for y in {*years, self.price_year})


def load_prices(config: RunConfig) -> Prices:
    """The unit costs and the programme that [costs] names, in its price year.

    Raises InputError with everything that is wrong with the files at once, each by file, line and column: a missing
    file, column, value or source (P400 to P404), an unknown word (P405), no number or out of bounds (P406, P407,
    P423), price years that are missing, mixed or outside the index (P408, P409, P411), another perspective (P413),
    repeated items (P414), ranges (P415, P424), units (P416) and a team without staff or places (P420 to P422).
    """
    if config.costs is None:
        raise InputError(
            Problem("P400", "the config has no [costs]", where="config", do="add [costs], or leave the money out")
        )
    costs = config.costs
    index = load_index(costs.price_index, config)
    problems: list[Problem] = []
    if not index.knows(costs.price_year):
        problems.append(
            Problem(
                "P411",
                f"the price year {costs.price_year} is not in the index {index.name}",
                where="config key costs.price_year",
                allowed=index.span,
                do="use another price year, or an index that holds it",
            )
        )
        raise InputError(*problems)
    units, team = config.path(costs.unit_costs), config.path(costs.programme)
    price_refusals, team_refusals = Refusals(units.name), Refusals(team.name)
    table = load_unit_costs(units, index, costs.price_year, costs.perspective, price_refusals)
    programme = load_programme(team, index, costs.price_year, team_refusals)
    problems = [*price_refusals.problems, *team_refusals.problems]
    if problems or programme is None:
        raise InputError(*problems)
    return Prices(costs.price_year, costs.perspective, table, programme, index)


def load_unit_costs(
    path: Path, index: PriceIndex, price_year: str, perspective: str, refusals: Refusals
) -> pd.DataFrame:
    """The release table `unit_costs` of a CSV file, values and standard errors moved to `price_year`."""
    lines = read_lines(path, "unit_costs", refusals)
    _check_words(lines, perspective, refusals)
    _check_years(lines, index, refusals)
    rows = [row for line in lines if (row := _row(line, index, price_year, refusals))]
    columns = ["item", "unit", "value", "std_error", "input_value", "price_year", "perspective", "source"]
    return pd.DataFrame(rows, columns=columns)


def _check_words(lines: list[Line], perspective: str, refusals: Refusals) -> None:
    seen: dict[str, int] = {}
    for line in lines:
        item = line["item"]
        if item in seen:
            refusals.add(
                "P414",
                f"the item {item} stands twice, first in line {seen[item]}",
                line,
                "item",
                do="keep one price for each item",
            )
        seen.setdefault(item, line.number)
        if item in UNIT and line["unit"] and line["unit"] != UNIT[item]:
            refusals.add(
                "P416",
                f"the unit of {item} is not the one it is counted in",
                line,
                "unit",
                allowed=UNIT[item],
                do="give the price for that unit",
            )
        if (
            line["perspective"] in table_schema("tables", "unit_costs")["perspective"].enum
            and line["perspective"] != perspective
        ):
            refusals.add(
                "P413",
                f"the price is seen from the perspective {line['perspective']}, the run from {perspective}",
                line,
                "perspective",
                allowed=perspective,
                do="use prices of the run's perspective, or change [costs] perspective",
            )


def _check_years(lines: list[Line], index: PriceIndex, refusals: Refusals) -> None:
    years = {line["price_year"] for line in lines if line["price_year"]}
    for line in lines:
        year = line["price_year"]
        if year and not is_financial_year(year):
            refusals.add(
                "P408",
                "price_year is not a financial year",
                line,
                "price_year",
                allowed="such as 2024/25",
                do="mend the year",
            )
        elif year and not index.knows(year):
            refusals.add(
                "P411",
                f"the price year {year} is not in the index {index.name}",
                line,
                "price_year",
                allowed=index.span,
                do="use another price year, or an index that holds it",
            )
    if len(years) > 1:
        refusals.add(
            "P409",
            f"the file mixes price years: {', '.join(sorted(years))}",
            None,
            "price_year",
            allowed="one price year in the file",
            do="take all prices from one edition; they are then moved to the run's price year together",
        )


def _row(line: Line, index: PriceIndex, price_year: str, refusals: Refusals) -> dict[str, object] | None:
    before = len(refusals.problems)
    value = number(
        line, "value", refusals, above=0, do="a price is above 0; leave an item out rather than price it at 0"
    )
    std_error = number(line, "std_error", refusals, least=0)
    low, high = number(line, "low", refusals, least=0), number(line, "high", refusals, least=0)
    if (low is None) != (high is None):
        refusals.add(
            "P415",
            "a range needs both ends",
            line,
            "low" if low is None else "high",
            do="give low and high, or neither",
        )
    elif value is not None and low is not None and high is not None and not low <= value <= high:
        refusals.add(
            "P415",
            "the range does not hold the value",
            line,
            "low",
            do="low at most the value, high at least the value",
        )
    if len(refusals.problems) > before or value is None or not index.knows(line["price_year"]):
        return None
    factor = index.factor(line["price_year"], price_year)
    if std_error is None:
        std_error = (high - low) / RANGE_IN_SE if low is not None and high is not None else math.nan
    return {
        "item": line["item"],
        "unit": line["unit"],
        "value": value * factor,
        "std_error": std_error * factor,
        "input_value": value,
        "price_year": line["price_year"],
        "perspective": line["perspective"],
        "source": line["source"],
    }


def price_of_stay(nights: np.ndarray, *, short: float, long: float, excess_day: float = 0.0) -> np.ndarray:
    """Pounds for each emergency stay by its nights (n,).

    Up to 1 night the short price, from 2 the long one, and the excess price for each night over 10.
    """
    nights = np.asarray(nights, dtype=float)
    beyond = np.maximum(nights - EXCESS_AFTER_NIGHTS, 0)
    return np.where(nights < LONG_FROM_NIGHTS, short, long + excess_day * beyond)
