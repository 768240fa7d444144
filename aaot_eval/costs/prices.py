"""The prices of a run: unit costs and programme, checked, sourced and moved to one price year."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.costs.draws import MOST_VARIATION, RANGE_IN_SE, gamma_quantile, uniforms
from aaot_eval.costs.price_files import Line, Refusals, is_invented, number, read_lines
from aaot_eval.costs.price_index import PriceIndex, load_index
from aaot_eval.costs.programme import Programme, load_programme
from aaot_eval.costs.qaly import Utilities, load_utilities
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.schema import table_schema

LEAST_STAY, MOST_PRICE = 10.0, 250_000.0
"""Pounds: below the one no stay or bed day is priced, above the other nothing."""
APART = 1.5
"""How many times a standard error may be that of the range beside it: ranges are rounded, and skewed ones are wider on one side."""
HRG = re.compile(r"[A-Z]{2}\d{2}[A-Z]")
"""The shape of a healthcare resource group, such as FD10K."""
STAYS = {
    "emergency_short_stay": "stay",
    "emergency_long_stay": "stay",
    "emergency_excess_day": "day",
    "elective_stay": "stay",
    "day_case": "stay",
}
BED_DAYS = {"emergency_bed_day": "day", "elective_bed_day": "day", "day_case": "stay"}
OTHER_CARE = {
    "ed_attendance": "attendance",
    **{f"ed_attendance_type_{i}": "attendance" for i in range(1, 6)},
    "ambulance_conveyed": "incident",
    "ambulance_not_conveyed": "incident",
    "outpatient_attendance": "attendance",
    "critical_care_day": "day",
    "mental_health_bed_day": "day",
    "detoxification_bed_day": "day",
    "community_contact": "contact",
    "gp_contact": "contact",
}
UNIT = {**STAYS, **BED_DAYS, **OTHER_CARE}
"""What every item is counted in."""
ITEMS_OF_BASIS: Mapping[str, Mapping[str, str]] = {
    "bed_day_and_stay": STAYS,
    "marginal": STAYS,
    "bed_day": BED_DAYS,
    "tariff": {},
}
PLANNED = ("elective_stay", "day_case", "elective_bed_day", "outpatient_attendance", "detoxification_bed_day",
           "community_contact", "gp_contact")  # fmt: skip
"""Care that engagement may add: a cost of the service's people like any other, and never netted off."""
BASIS = {
    "bed_day_and_stay": "short and long stays with excess days",
    "bed_day": "bed days",
    "tariff": "the HRG of each spell by point of delivery",
    "marginal": "the variable share of stays and days",
}
PER_EPISODE = ("episode", "fce", "consultant episode", "finished consultant episode")
HRG_ONLY = ("point_of_delivery", "trim_days", "excess_day")
COLUMNS = ("item", "point_of_delivery", "unit", "value", "std_error", "input_value", "variable_share", "price_year",
           "perspective", "source", "trim_days", "excess_day")  # fmt: skip


@dataclass(frozen=True)
class Prices:
    """Everything that is multiplied by something, in pounds of one price year and seen from one perspective.

    `unit_costs` is the release table of that name with the rows of the run's basis. `left_aside` counts the rows of the
    file that belong to another basis. `findings` are what looks like a slip and is taken as written.
    """

    price_year: str
    perspective: str
    unit_costs: pd.DataFrame
    programme: Programme
    index: PriceIndex
    basis: str = "bed_day_and_stay"
    left_aside: int = 0
    findings: tuple[Finding, ...] = ()
    utilities: Utilities | None = None

    @property
    def stays(self) -> pd.DataFrame:
        """What the pricing of stays reads, in the run's price year: item, unit, value, std_error; for an HRG also its
        delivery, trim_days and excess_day."""
        names = {"point_of_delivery": "delivery"}
        columns = ["item", "unit", "value", "std_error", "point_of_delivery", "trim_days", "excess_day"]
        return self.unit_costs.reindex(columns=columns).rename(columns=names)

    @property
    def invented(self) -> bool:
        """Whether any price or programme figure was made up."""
        made_up = self.utilities is not None and self.utilities.invented
        return is_invented(list(self.unit_costs["source"])) or self.programme.invented or made_up

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
    repeated items (P414), ranges (P415, P424), units (P416), a team without staff or places (P420 to P422), the price of
    an episode on a spell (C182), no variable share on the basis marginal (C184), and a day case at an inpatient price
    (C189).
    """
    if config.costs is None:
        raise InputError(
            Problem("P400", "the config has no [costs]", where="config", do="add [costs], or leave the money out")
        )
    costs = config.costs
    index = load_index(costs.price_index, config)
    if not index.knows(costs.price_year):
        raise InputError(index.without(costs.price_year, "config key costs.price_year"))
    units, team = config.path(costs.unit_costs), config.path(costs.programme)
    price_refusals, team_refusals = (Refusals(config.shown(path)) for path in (units, team))
    table, aside = load_unit_costs(units, index, costs.price_year, costs.perspective, price_refusals, basis=costs.basis)
    programme = load_programme(team, index, costs.price_year, team_refusals)
    utilities, wrong = load_utilities(config)
    problems = [*price_refusals.problems, *team_refusals.problems, *wrong]
    if problems or programme is None:
        raise InputError(*problems)
    return Prices(costs.price_year, costs.perspective, table, programme, index, costs.basis, aside,
                  (*index.findings, *programme.findings, *_slips(table, units.name)), utilities)  # fmt: skip


def _slips(table: pd.DataFrame, file: str) -> tuple[Finding, ...]:
    """Prices as written that no hospital has, and prices in an order that cannot be: thousands and decimals confused, rows swapped."""
    priced = list(zip(table["item"].astype(str), table["input_value"].astype(float), strict=True))
    long = dict(priced).get("emergency_long_stay", math.inf)
    said: dict[str, str] = {}
    for item, price in priced:
        if price < LEAST_STAY and (item in STAYS or item in BED_DAYS or HRG.fullmatch(item)):
            said[item] = f"below {LEAST_STAY:g} pounds"
        elif price > MOST_PRICE:
            said[item] = f"above {MOST_PRICE:,.0f} pounds"
        elif price > long and item.startswith(("emergency_short_stay", "emergency_excess_day", "ed_attendance")):
            said[item] = "dearer than a long emergency stay"
    return tuple(Finding("D399", where=f"{file}, {item}", detail=why) for item, why in said.items())


def load_unit_costs(
    path: Path,
    index: PriceIndex,
    price_year: str,
    perspective: str,
    refusals: Refusals,
    *,
    basis: str = "bed_day_and_stay",
) -> tuple[pd.DataFrame, int]:
    """The release table `unit_costs` of a CSV file, values and standard errors moved to `price_year`.

    Only the rows of the basis, and those of care that has one price on every basis; second: how many rows were left aside.
    On the basis `marginal` a value is the price times its variable share.
    """
    explained = {
        ("unit", word): (
            "C182",
            "the price of an episode may not be put on a spell: a spell of several episodes would be priced several times",
            "give the price of the whole spell or stay",
        )
        for word in PER_EPISODE
    }
    lines = read_lines(path, "unit_costs", refusals, explained)
    _check_words(lines, perspective, refusals)
    _check_years(lines, index, refusals)
    rows = {line.number: row for line in lines if (row := _row(line, index, price_year, basis, refusals))}
    _check_day_case(lines, refusals)
    used = [rows[line.number] for line in lines if line.number in rows and _of_basis(line, basis)]
    if rows and not used and not refusals.problems:
        refusals.add(
            "C181",
            f"no row of the file is a price on the basis {basis} ({BASIS[basis]})",
            None,
            "item",
            allowed=", ".join(ITEMS_OF_BASIS[basis]) or "HRG codes with their point_of_delivery",
            do="add these items, or choose another [costs] basis",
        )
    return pd.DataFrame(used, columns=list(COLUMNS)), len(rows) - len(used)


def _is_hrg(line: Line) -> bool:
    return bool(HRG.fullmatch(line["item"]))


def _of_basis(line: Line, basis: str) -> bool:
    """Whether the row is a price of the basis, or of care that has one price on every basis."""
    if _is_hrg(line):
        return basis == "tariff"
    return line["item"] in OTHER_CARE or line["item"] in ITEMS_OF_BASIS[basis]


def _check_day_case(lines: list[Line], refusals: Refusals) -> None:
    """A planned stay without a night has its own, lower price; the inpatient one in its place is a slip of the pen.

    An HRG may have one price for both, as tariffs do; its day case is not dearer. A bed day is no stay to compare with.
    """
    if refusals.problems:
        return
    stays = {(line["item"], line["point_of_delivery"]): line for line in lines}
    pairs = [(("day_case", ""), ("elective_stay", ""))]
    pairs += [((item, "day_case"), (item, "elective")) for item, delivery in stays if delivery == "day_case"]
    for own, inpatient in pairs:
        if own not in stays or inpatient not in stays:
            continue
        price, other = (float(stays[key]["value"]) for key in (own, inpatient))
        if price > other or (price == other and not own[1]):
            what, most = "the day case has the price of an inpatient stay", "below the price of elective_stay"
            if own[1]:
                what = f"the day case of {own[0]} is dearer than its inpatient spell"
                most = f"at most the price of {own[0]}, elective"
            refusals.add(
                "C189",
                what,
                stays[own],
                "value",
                allowed=most,
                do="give the price of a day case: a day case is never priced as an inpatient stay",
            )


def _check_words(lines: list[Line], perspective: str, refusals: Refusals) -> None:
    seen: dict[tuple[str, str], int] = {}
    for line in lines:
        item = line["item"]
        key = (item, line["point_of_delivery"])
        if item and item not in UNIT and not _is_hrg(line):
            near = difflib.get_close_matches(item, UNIT, n=1)
            refusals.add(
                "P405",
                "item is not one of the words allowed",
                line,
                "item",
                allowed=f"{', '.join(UNIT)}, or an HRG such as FD10K",
                do=f"did you mean {near[0]!r}?" if near else "choose one of them",
            )
        if key in seen:
            refusals.add(
                "P414",
                f"the item {item} stands twice, first in line {seen[key]}",
                line,
                "item",
                do="keep one price for each item",
            )
        seen.setdefault(key, line.number)
        _check_hrg(line, refusals)
        unit = "spell" if _is_hrg(line) else UNIT.get(item, "")
        if unit and line["unit"] and line["unit"] != unit:
            refusals.add(
                "P416",
                f"the unit of {item} is not the one it is counted in",
                line,
                "unit",
                allowed=unit,
                do="give the price for that unit",
            )
    _check_perspective(lines, perspective, refusals)


def _check_perspective(lines: list[Line], perspective: str, refusals: Refusals) -> None:
    """P413 once for each other perspective, with every line that has it."""
    for other in table_schema("tables", "unit_costs")["perspective"].enum:
        seen = [line for line in lines if line["perspective"] == other != perspective]
        if not seen:
            continue
        rest = ", ".join(str(line.number) for line in seen[1:])
        refusals.add(
            "P413",
            f"the price is seen from the perspective {other}, the run from {perspective}"
            + (f"; so are those of lines {rest}" if rest else ""),
            seen[0],
            "perspective",
            allowed=perspective,
            do="use prices of the run's perspective, or change [costs] perspective",
        )


def _check_hrg(line: Line, refusals: Refusals) -> None:
    """An HRG has a point of delivery; nothing else has one."""
    if _is_hrg(line):
        if not line["point_of_delivery"]:
            refusals.add(
                "P404",
                "point_of_delivery is empty",
                line,
                "point_of_delivery",
                allowed=", ".join(table_schema("tables", "unit_costs")["point_of_delivery"].enum),
                do="say for which spells of the HRG the price is; a day case and an inpatient spell have a row each",
            )
        return
    for column in HRG_ONLY:
        if line[column]:
            refusals.add("P416", f"{column} belongs to an HRG", line, column, do="leave it empty for this item")


def _check_years(lines: list[Line], index: PriceIndex, refusals: Refusals) -> None:
    years = {line["price_year"] for line in lines if line["price_year"]}
    for line in lines:
        if line["price_year"]:
            index.refused(line, refusals, do="mend the year")
    if len(years) > 1:
        refusals.add(
            "P409",
            f"the file mixes price years: {', '.join(sorted(years))}",
            None,
            "price_year",
            allowed="one price year in the file",
            do="take all prices from one edition; they are then moved to the run's price year together",
        )


def _row(line: Line, index: PriceIndex, price_year: str, basis: str, refusals: Refusals) -> dict[str, object] | None:
    before = len(refusals.problems)
    value = number(
        line, "value", refusals, above=0, do="a price is above 0; leave an item out rather than price it at 0"
    )
    given = number(line, "std_error", refusals, least=0)
    ends = _range(line, value, given, refusals)
    trim, excess = (number(line, column, refusals, least=0) for column in ("trim_days", "excess_day"))
    for column, other in (("trim_days", "excess_day"), ("excess_day", "trim_days")):
        if _is_hrg(line) and line[other] and not line[column]:
            do = "give both, or neither: the price of a night counts from the trim point on"
            refusals.add("P404", f"{column} is empty, and {other} has no meaning without it", line, column, do=do)
    share = number(
        line, "variable_share", refusals, above=0, most=1, do="write the share that varies with activity: 0.35, not 35"
    )
    if basis == "marginal" and share is None and not line["variable_share"] and _of_basis(line, basis):
        refusals.add(
            "C184",
            "the basis marginal needs the share of the price that varies with activity",
            line,
            "variable_share",
            allowed="above 0, at most 1",
            do="give the share that is not spent when the care does not happen, with its source",
        )
    if len(refusals.problems) > before or value is None or not index.knows(line["price_year"]):
        return None
    std_error = given if given is not None else (ends[1] - ends[0]) / RANGE_IN_SE
    if std_error > MOST_VARIATION * value:
        refusals.add(
            "P415",
            f"the standard error is {std_error / value:,.2g} times the price: the price says nothing",
            line,
            "low" if given is None else "std_error",
            allowed=f"a standard error of at most the price itself; a range at most {RANGE_IN_SE:g} times as wide as the price",
            do="mend the figure, or look for a better source",
        )
        return None
    factor = index.factor(line["price_year"], price_year)
    part = factor * (share or 1.0) if basis == "marginal" else factor
    return {
        "item": line["item"],
        "point_of_delivery": line["point_of_delivery"],
        "unit": line["unit"],
        "value": value * part,
        "std_error": std_error * part,
        "input_value": value,
        "variable_share": share if basis == "marginal" else math.nan,
        "price_year": line["price_year"],
        "perspective": line["perspective"],
        "source": line["source"],
        "trim_days": math.nan if trim is None else trim,
        "excess_day": math.nan if excess is None else excess * part,
    }


def _range(line: Line, value: float | None, std_error: float | None, refusals: Refusals) -> tuple[float, float]:
    """The 95 % range of a price; with a standard error it may be missing."""
    low, high = number(line, "low", refusals, least=0), number(line, "high", refusals, least=0)
    if bool(line["low"]) != bool(line["high"]):
        refusals.add(
            "P415",
            "a range needs both ends",
            line,
            "high" if line["low"] else "low",
            do="give low and high, or neither",
        )
    elif low is not None and high is not None:
        if value is not None and not low <= value <= high:
            refusals.add(
                "P415",
                "the range does not hold the value",
                line,
                "low",
                do="low at most the value, high at least the value",
            )
        said = (high - low) / RANGE_IN_SE
        if std_error is not None and not said / APART <= std_error <= said * APART:
            refusals.add(
                "P415",
                f"the standard error and the range contradict one another: a 95 % range this wide is one of {said:,.3g}",
                line,
                "std_error",
                allowed="a standard error and a range that say the same, or one of the two",
                do="empty std_error, or low and high: only one of them can be right",
            )
        return low, high
    elif std_error is None and not any(line[column] for column in ("std_error", "low", "high")):
        refusals.add(
            "P404",
            "neither a range nor a standard error is given",
            line,
            "std_error",
            do="give low and high, or std_error; 0 for a price fixed by contract",
        )
    return math.nan, math.nan
