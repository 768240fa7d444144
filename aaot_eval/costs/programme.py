"""What the service costs: one team, bottom-up, for each patient-year on its caseload."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from aaot_eval.costs.draws import (
    MOST_VARIATION,
    RANGE_IN_SE,
    beta_quantile,
    gamma_quantile,
    uniforms,
    widest_share_range,
)
from aaot_eval.costs.pennies import pence, split_pence
from aaot_eval.costs.price_files import Line, Refusals, is_invented, needed, number, plain_number, read_lines
from aaot_eval.costs.price_index import PriceIndex
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding

RUNNING = ("staff", "non_pay")
PRICED = ("staff", "non_pay", "planned_care", "set_up", "budget")
RANGED = ("staff", "non_pay", "planned_care", "set_up")
"""Kinds whose amount may have a range; the budget is what was agreed."""
MEANT = {
    "staff": ("quantity", "amount", "on_cost"), "non_pay": ("amount",), "planned_care": ("amount",), "budget": ("amount",),
    "set_up": ("quantity", "amount"), "overhead": ("quantity",), "caseload": ("quantity",), "occupancy": ("quantity",),
}  # fmt: skip
"""The figures that have a meaning in each kind of line. Of the others only what says nothing is taken: a quantity of 1, 0 for the rest."""
SALARY = (5_000.0, 500_000.0)  # pounds a year of one whole-time equivalent
MOST_STAFF, MOST_PLACES, LEAST_OCCUPANCY = 10_000, 1_000_000, 0.05
USEFUL_LIFE = (0.5, 50)
"""Beyond these a figure is a slip: whole-time equivalents and places of one team, the share in use, years of useful life."""
PAID = {
    "staff": "a cost is not negative: give the salary of one whole-time equivalent; leave out whoever is not paid",
    "budget": "a cost is not negative: give the budget agreed, or leave the line out",
}
"""Kinds of line that cost something, and what to do about one that does not."""


@dataclass(frozen=True)
class Uncertain:
    """A cost line whose amount has a 95 % range, as pounds a year of the team: overheads and useful life included."""

    item: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Programme:
    """One team's cost a year and the patient-years it delivers a year, in the run's price year.

    `lines`: item, kind (staff, non_pay, overheads, planned_care, set_up), wte, annual_cost, price_year, source. A range is
    a 95 % range. `set_up_once` is what setting up costs when it is paid, before it is spread over its useful life. `uncertain`
    holds the lines whose amount has a range; `findings` the lines that look pasted twice.
    """

    lines: pd.DataFrame
    places: float
    occupancy: float
    places_range: tuple[float, float] | None = None
    occupancy_range: tuple[float, float] | None = None
    budget: float | None = None
    set_up_once: float = 0.0
    sources: Mapping[str, str] = field(default_factory=dict)
    uncertain: tuple[Uncertain, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if not self.places > 0 or not 0 < self.occupancy <= 1:
            raise InputError(
                Problem(
                    "P423",
                    "a team without places, or an occupancy that is not a share, has no cost per patient-year",
                    allowed="places above 0, occupancy above 0 and at most 1",
                    do="mend caseload and occupancy",
                )
            )

    @property
    def team_cost(self) -> float:
        """Pounds a year for one team."""
        return float(self.lines["annual_cost"].sum())

    @property
    def patient_years(self) -> float:
        """Patient-years on the caseload that one team delivers a year: places x occupancy."""
        return self.places * self.occupancy

    @property
    def per_patient_year(self) -> float:
        """Pounds for each patient-year on the caseload."""
        return self.team_cost / self.patient_years

    @property
    def invented(self) -> bool:
        """Whether any line says that it was made up."""
        return is_invented([*self.lines["source"], *self.sources.values()])

    def table(self) -> pd.DataFrame:
        """The release table `service_cost`: the lines and their total; both money columns add up to the penny."""
        annual = split_pence(self.lines["annual_cost"].to_numpy(), pence(self.team_cost))
        each = split_pence(self.lines["annual_cost"].to_numpy() / self.patient_years, pence(self.per_patient_year))
        parts = self.lines.assign(annual_cost=annual / 100, per_patient_year=each / 100)
        total = pd.DataFrame(
            [
                {
                    "item": "Service, all lines",
                    "kind": "total",
                    "wte": self.lines["wte"].sum(),
                    "annual_cost": annual.sum() / 100,
                    "per_patient_year": each.sum() / 100,
                    "price_year": "",
                    "source": f"sum of the lines; {self.places:g} places, {100 * self.occupancy:.0f} % in use",
                }
            ]
        )
        table = pd.concat([parts, total], ignore_index=True)
        table.insert(0, "order", np.arange(1, len(table) + 1))
        return table[["order", "item", "kind", "wte", "annual_cost", "per_patient_year", "price_year", "source"]]

    def draws(self, seed: int, n: int) -> np.ndarray:
        """n draws of the cost per patient-year: places and amounts gamma, occupancy beta where a range was given, else fixed."""
        places = np.full(n, self.places)
        occupancy = np.full(n, self.occupancy)
        if self.places_range:
            places = gamma_quantile(uniforms(seed, n, "places"), self.places, _se(self.places_range))
        if self.occupancy_range:
            occupancy = beta_quantile(uniforms(seed, n, "occupancy"), self.occupancy, _se(self.occupancy_range))
        if not (self.places_range or self.occupancy_range or self.uncertain):
            return np.full(n, self.per_patient_year)
        team = np.full(n, self.team_cost)
        for k, line in enumerate(self.uncertain):
            uniform = uniforms(seed, n, "amount", str(k), line.item)
            team += gamma_quantile(uniform, line.value, _se((line.low, line.high))) - line.value
        return np.asarray(team / (places * occupancy))


def _se(ends: tuple[float, float]) -> float:
    return (ends[1] - ends[0]) / RANGE_IN_SE


def load_programme(path: Path, index: PriceIndex, price_year: str, refusals: Refusals) -> Programme | None:
    """The programme of a CSV file, every amount moved to `price_year`; None when `refusals` (P4xx) has grown."""
    before = len(refusals.problems)
    lines = read_lines(path, "programme", refusals)
    if not lines:
        return None
    rows = {
        kind: [line for line in lines if line["kind"] == kind]
        for kind in ("staff", "non_pay", "overhead", "planned_care", "set_up", "caseload", "occupancy", "budget")
    }
    _price_years(lines, index, refusals)
    _at_most_one(rows, refusals)
    if not rows["staff"] and not rows["non_pay"]:
        refusals.add("P420", "there is no staff and no non-pay line", None, "kind", do="add the team's staff lines")
    _without_meaning(lines, refusals)
    cost = _costed(rows, refusals)
    if cost and not refusals.problems and not sum(cost[id(line)] for kind in PRICED[:4] for line in rows[kind]) > 0:
        do = "give what the staff and other lines cost; a service that costs nothing cannot be weighed against what it saves"
        refusals.add("P420", "the lines of the service add up to 0", None, "amount", allowed="above 0", do=do)
    overhead = sum(
        _quantity(line, refusals, "the share of staff and non-pay cost, such as 0.20", least=0, most=1)
        for line in rows["overhead"]
    )
    places, places_range = _single(
        rows["caseload"], refusals, "the number of places of the team", least=1, most=MOST_PLACES
    )
    occupancy, occupancy_range = _single(
        rows["occupancy"], refusals, "the share of places in use, such as 0.85", least=LEAST_OCCUPANCY, most=1
    )
    for line in rows["caseload"][:1]:
        _too_wide(line, "quantity", places, places_range, refusals)
    for line in rows["occupancy"][:1]:
        _too_wide_share(line, occupancy, occupancy_range, refusals)
    ends = _amount_ranges(lines, refusals)
    if len(refusals.problems) > before:
        return None
    frame = _lines_table(rows, cost, overhead, index, price_year)
    once = sum(float(line["amount"]) * index.factor(line["price_year"], price_year) for line in rows["set_up"])
    budget = sum(cost[id(line)] * index.factor(line["price_year"], price_year) for line in rows["budget"])
    return Programme(
        lines=frame,
        places=places or 0.0,
        occupancy=1.0 if occupancy is None else occupancy,
        places_range=places_range,
        occupancy_range=occupancy_range,
        budget=budget if rows["budget"] else None,
        set_up_once=once,
        sources={line["kind"]: line["source"] for line in lines if line["kind"] in ("caseload", "occupancy", "budget")},
        uncertain=tuple(_uncertain(line, ends, cost, overhead, index.factor(line["price_year"], price_year))
                        for kind in RANGED for line in rows[kind] if id(line) in ends),
        findings=(*_twice(lines, path.name), *_salaries(rows["staff"], path.name)),
    )  # fmt: skip


def _amount_ranges(lines: Sequence[Line], refusals: Refusals) -> dict[int, tuple[float, float]]:
    """The 95 % range of the amount of each line that has one, by the line's identity."""
    found = {}
    for line in lines:
        if line["kind"] in ("caseload", "occupancy") or not (line["low"] or line["high"]):
            continue
        if line["kind"] not in RANGED:
            refusals.add("P424", f"a range is not used for {line['kind']}", line, "low", allowed=", ".join(["caseload", "occupancy", *RANGED]),
                         do="remove low and high from this line")  # fmt: skip
            continue
        amount = number(line, "amount", Refusals(""), least=0)
        if amount is not None and (ends := _ends(line, amount, "amount", refusals, least=0)):
            found[id(line)] = ends
            _too_wide(line, "amount", amount, ends, refusals)
    return found


def _too_wide(line: Line, what: str, value: float | None, ends: tuple[float, float] | None, refusals: Refusals) -> None:
    """A range beside which its own value says nothing."""
    if value and ends and _se(ends) > MOST_VARIATION * value:
        do = f"narrow the range, or give the {what} that is expected"
        refusals.add("P424", f"the range is {(ends[1] - ends[0]) / value:,.2g} times as wide as the {what} is large", line, "low",
                     allowed=f"high - low at most {RANGE_IN_SE:g} times the {what}", do=do)  # fmt: skip


def _too_wide_share(line: Line, value: float | None, ends: tuple[float, float] | None, refusals: Refusals) -> None:
    """A range that no share with this mean can have."""
    if not value or not ends or ends[1] - ends[0] <= (widest := widest_share_range(value)):
        return
    if value == 1:
        refusals.add("P424", "an occupancy of 1 is the most there can be, so that it has no range", line, "low",
                     allowed="no range", do="give the occupancy expected, below 1, with its range; or leave low and high empty")  # fmt: skip
    else:
        refusals.add("P424", f"no occupancy of {value:g} has so wide a range", line, "low",
                     allowed=f"high - low at most {math.floor(1000 * widest) / 1000:g}", do="narrow the range, or give the occupancy in its middle")  # fmt: skip


def _without_meaning(lines: Sequence[Line], refusals: Refusals) -> None:
    """Figures in cells that nothing is worked out from: dropped without a word, they would look counted."""
    for line in lines:
        meant = MEANT.get(line["kind"], ("quantity", "amount", "on_cost"))
        for column, nothing in (("quantity", 1.0), ("amount", 0.0), ("on_cost", 0.0)):
            if column in meant or not line[column] or plain_number(line[column]) == nothing:
                continue
            do = (
                "empty the cell; the amount is that of a whole year"
                if column == "quantity"
                else "empty the cell, or give the figure a line of its own"
            )
            refusals.add("P426", f"{column} has no meaning for {line['kind']}, and would be left out of the cost", line, column,
                         allowed=f"for {line['kind']}: {', '.join(meant)}", do=do)  # fmt: skip


def _twice(lines: Sequence[Line], file: str) -> tuple[Finding, ...]:
    """Cost lines that stand twice with the same figures: both count."""
    seen: dict[tuple[str, ...], int] = {}
    found = []
    for line in lines:
        if line["kind"] not in RANGED:
            continue
        key = tuple(line[column] for column in ("item", "kind", "quantity", "amount", "on_cost", "price_year"))
        if key in seen:
            detail = f"the same {line['kind']} line as line {seen[key]}: both count"
            found.append(Finding("D399", where=f"{file}, line {line.number}", detail=detail))
        seen.setdefault(key, line.number)
    return tuple(found)


def _salaries(staff: Sequence[Line], file: str) -> tuple[Finding, ...]:
    """Salaries that nobody has for a whole year: one of a month or an hour, or with thousands and decimals confused."""
    least, most = SALARY
    odd = [line for line in staff if not least <= float(line["amount"]) <= most]
    detail = f"no usual salary of one person for a year: below {least:,.0f} or above {most:,.0f} pounds"
    return tuple(Finding("D399", where=f"{file}, line {line.number}", detail=detail) for line in odd)


def _uncertain(
    line: Line, ends: Mapping[int, tuple[float, float]], cost: Mapping[int, float], overhead: float, factor: float
) -> Uncertain:
    """The line's value and range in the pounds that it adds to the team's cost a year."""
    times = factor * (1 + overhead if line["kind"] in RUNNING else 1.0)
    value, amount = cost[id(line)] * times, float(line["amount"])
    low, high = (value * end / amount if amount else 0.0 for end in ends[id(line)])
    return Uncertain(line["item"], value, low, high)


def _price_years(lines: list[Line], index: PriceIndex, refusals: Refusals) -> None:
    running = set()
    for line in lines:
        if line["kind"] not in PRICED:
            continue
        refused = index.refused(line, refusals, do="say which year's pounds the amount is in")
        if not refused and line["kind"] in RUNNING:
            running.add(line["price_year"])
    if len(running) > 1:
        refusals.add(
            "P409",
            f"staff and non-pay lines stand in mixed price years: {', '.join(sorted(running))}",
            None,
            "price_year",
            allowed="one price year; planned_care, set_up and budget may have their own",
            do="give all running costs in pounds of one year; they are then moved to the run's price year",
        )


def _at_most_one(rows: Mapping[str, list[Line]], refusals: Refusals) -> None:
    for kind in ("caseload", "occupancy", "overhead"):
        for line in rows[kind][1:]:
            refusals.add(
                "P421", f"there is more than one {kind} line", line, "kind", do="keep one: the file describes one team"
            )
    if not rows["caseload"]:
        refusals.add(
            "P422",
            "there is no caseload line, so no cost per patient can be worked out",
            None,
            "kind",
            do="add a line of kind caseload with the number of places as quantity",
        )


def _costed(rows: Mapping[str, list[Line]], refusals: Refusals) -> dict[int, float]:
    """Pounds a year of each priced line, as given, by the line's identity."""
    cost: dict[int, float] = {}
    for kind in PRICED:
        for line in rows[kind]:
            amount = number(
                line,
                "amount",
                refusals,
                above=0 if kind in PAID else -math.inf,
                least=-math.inf if kind in PAID else 0,
                do=PAID.get(kind, "a cost is not negative; an income is not a cost line"),
            )
            needed(line, "amount", amount, refusals, do="give pounds a year (set_up: pounds once)")
            value = amount or 0.0
            if kind == "staff":
                value *= _quantity(line, refusals, "whole-time equivalents, such as 2.5", above=0, most=MOST_STAFF)
                on_cost = number(
                    line, "on_cost", refusals, least=0, most=1, do="write the share of salary: 0.28, not 28"
                )
                needed(
                    line,
                    "on_cost",
                    on_cost,
                    refusals,
                    do="give the employer's share of salary; 0 when the salary holds it",
                )
                value *= 1 + (on_cost or 0.0)
            elif kind == "set_up":
                least, most = USEFUL_LIFE
                value /= _quantity(line, refusals, "years of useful life, such as 5", least=least, most=most) or 1.0
            cost[id(line)] = value
    return cost


def _quantity(line: Line, refusals: Refusals, meaning: str, **bounds: float) -> float:
    value = number(line, "quantity", refusals, do=f"quantity is {meaning}", code="P423", **bounds)
    needed(line, "quantity", value, refusals, do=f"give {meaning}")
    return value or 0.0


def _single(
    lines: list[Line], refusals: Refusals, meaning: str, **bounds: float
) -> tuple[float | None, tuple[float, float] | None]:
    if not lines:
        return None, None
    value = _quantity(lines[0], refusals, meaning, **bounds)
    return value, _ends(lines[0], value, "quantity", refusals, **bounds)


def _ends(line: Line, value: float, what: str, refusals: Refusals, **bounds: float) -> tuple[float, float] | None:
    """Both ends of the range that the line gives around its value; None without one."""
    low = number(line, "low", refusals, **bounds)  # type: ignore[arg-type]
    high = number(line, "high", refusals, **bounds)  # type: ignore[arg-type]
    if bool(line["low"]) != bool(line["high"]):
        refusals.add("P424", "a range needs both ends", line, "low", do="give low and high, or neither")
    if low is None or high is None:
        return None
    if not low <= value <= high:
        refusals.add("P424", f"the range does not hold the {what}", line, "low",
                     do=f"low at most {what}, high at least {what}")  # fmt: skip
    return low, high


def _lines_table(
    rows: Mapping[str, list[Line]], cost: Mapping[int, float], overhead: float, index: PriceIndex, price_year: str
) -> pd.DataFrame:
    def entry(line: Line) -> dict[str, object]:
        return {
            "item": line["item"],
            "kind": line["kind"],
            "wte": float(line["quantity"]) if line["kind"] == "staff" else np.nan,
            "annual_cost": cost[id(line)] * index.factor(line["price_year"], price_year),
            "price_year": line["price_year"],
            "source": line["source"],
        }

    table = [entry(line) for kind in RUNNING for line in rows[kind]]
    running = sum(float(str(row["annual_cost"])) for row in table)
    table += [
        {
            "item": line["item"],
            "kind": "overheads",
            "wte": np.nan,
            "annual_cost": running * overhead,
            "price_year": "",
            "source": line["source"],
        }
        for line in rows["overhead"]
    ]
    table += [entry(line) for kind in ("planned_care", "set_up") for line in rows[kind]]
    return pd.DataFrame(table)
