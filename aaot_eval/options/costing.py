"""What an option costs and how many people it can carry. NaN means that something needed was not entered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aaot_eval.options.measured import Measured
from aaot_eval.options.record import OptionRecord

NAN = math.nan
RANGE_IN_SE = 3.92  # a 95 % range is 2 x 1.96 standard errors wide
LINE_COLUMNS = ("item", "kind", "wte", "annual_cost", "once", "years", "source", "terms")


@dataclass(frozen=True, slots=True)
class Pay:
    """A staffing line whose cost has a 95 % range: pounds a year, and the standard error, overheads included."""

    role: str
    value: float
    std_error: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Pounds of an option: a year and once. `lines`: item, kind, wte, annual_cost, once, years, source, terms.

    `pay` holds the staffing lines whose cost has a range.
    """

    wte: float
    caseload_wte: float
    running: float
    set_up: float
    set_up_year: float
    lines: pd.DataFrame
    pay: tuple[Pay, ...] = ()

    @property
    def year_range(self) -> tuple[float, float]:
        """The 95 % range of a year's cost from the ranges of pay, lines moving apart; empty when none was entered."""
        reach = RANGE_IN_SE / 2 * math.sqrt(sum(line.std_error**2 for line in self.pay))
        return (self.year - reach, self.year + reach) if self.pay else (NAN, NAN)

    @property
    def year(self) -> float:
        """Running costs and the yearly share of setting up."""
        return self.running + self.set_up_year


@dataclass(frozen=True, slots=True)
class Reach:
    """People on the option at any one time, at the low, base and high caseload."""

    uptake: float
    capacity: tuple[float, float, float]

    @property
    def served(self) -> tuple[float, float, float]:
        """The uptake as far as the capacity goes; NaN when either is not entered."""
        low, base, high = (_least(self.uptake, c) for c in self.capacity)
        return low, base, high

    @property
    def gap(self) -> float:
        """People of the uptake beyond the base capacity; 0 when it is covered."""
        return _most(self.uptake - self.capacity[1], 0.0)

    @property
    def to_cover(self) -> float:
        """How many times the staff is needed to cover the uptake; 1 when it is covered."""
        return _most(self.uptake / self.capacity[1], 1.0) if self.capacity[1] > 0 else NAN


def _least(a: float, b: float) -> float:
    return NAN if math.isnan(a) or math.isnan(b) else min(a, b)


def _most(a: float, b: float) -> float:
    return NAN if math.isnan(a) or math.isnan(b) else max(a, b)


def entered(value: float | None) -> float:
    """The number, or NaN when it was not entered."""
    return NAN if value is None else float(value)


def _total(values: Iterable[float]) -> float:
    """The sum; NaN when one of them is: an incomplete sum is never shown."""
    return float(sum(values, 0.0))


def cost_option(option: OptionRecord, measured: Measured | None) -> Costs:
    """The costs of an option from its lines, or from its run; of the reference 0 by definition.

    Staff = sum of WTE x cost; overheads = share x (staff + non-pay); set-up a year = sum of amount / years.
    """
    if option.reference:
        return Costs(0.0, 0.0, 0.0, 0.0, 0.0, pd.DataFrame(columns=list(LINE_COLUMNS)))
    if measured is not None:
        return _of_run(measured)
    rows: list[tuple[str, str, float, float, float, float, str, str]] = []
    for s in option.staffing:
        wte, price = entered(s.wte), entered(s.cost_per_wte)
        rows.append((s.role, "staff", wte, wte * price, NAN, NAN, s.source, s.terms))
    rows += [(y.item, "non_pay", NAN, entered(y.amount), NAN, NAN, y.source, "") for y in option.non_pay]
    running = _total(row[3] for row in rows) if option.staffing else NAN
    if option.overhead_share is not None or option.left_blank("overhead_share"):
        overheads = running * entered(option.overhead_share)
        rows.append(("Overheads", "overheads", NAN, overheads, NAN, NAN, "share of staff and other running costs", ""))
        running += overheads
    once = [(o, entered(o.amount), entered(o.years)) for o in option.one_off]
    rows += [(o.item, o.kind, NAN, amount / years, amount, years, o.source, "") for o, amount, years in once]
    return Costs(
        wte=_total(entered(s.wte) for s in option.staffing) if option.staffing else NAN,
        caseload_wte=_total(entered(s.wte) for s in option.staffing if s.holds_caseload) if option.staffing else NAN,
        running=running,
        set_up=_total(amount for _, amount, _ in once),
        set_up_year=_total(amount / years for _, amount, years in once),
        lines=pd.DataFrame(rows, columns=list(LINE_COLUMNS)),
        pay=tuple(_pay(option)),
    )


def _pay(option: OptionRecord) -> Iterator[Pay]:
    overheads = 1 + (option.overhead_share or 0.0)
    for line in option.staffing:
        if line.cost_low is not None and line.cost_high is not None and line.wte is not None:
            times = line.wte * overheads
            error = (line.cost_high - line.cost_low) / RANGE_IN_SE
            yield Pay(line.role, entered(line.cost_per_wte) * times, error * times)


def _of_run(measured: Measured) -> Costs:
    """The lines of a run: its set-up stands there by the year, so what was paid once is not known."""
    table = measured.lines
    kind = table["kind"].astype(str)
    annual = pd.to_numeric(table["annual_cost"], errors="coerce").astype(float)
    wte = pd.to_numeric(table["wte"], errors="coerce").astype(float)
    set_up_year = float(annual[kind == "set_up"].sum())
    lines = pd.DataFrame(
        {
            "item": table["item"].astype(str), "kind": kind, "wte": wte, "annual_cost": annual,
            "once": NAN, "years": NAN, "source": table["source"].fillna("").astype(str), "terms": "",
        }
    )  # fmt: skip
    staff = float(np.nansum(wte[kind == "staff"]))
    return Costs(
        wte=staff,
        caseload_wte=staff,
        running=measured.team_cost - set_up_year,
        set_up=NAN if set_up_year else 0.0,
        set_up_year=set_up_year,
        lines=lines,
    )


def reach_of(option: OptionRecord, costs: Costs, measured: Measured | None) -> Reach:
    """Uptake and capacity: WTE that hold a caseload x caseload, or people the option can carry as a whole.

    A run's capacity is the patient-years it delivers a year, which is also its uptake when none is entered.
    """
    uptake = entered(option.people.uptake)
    if measured is not None:
        people = measured.patient_years
        return Reach(people if math.isnan(uptake) else uptake, (people, people, people))
    given = option.capacity
    times = costs.caseload_wte if given.basis == "caseload_per_wte" else 1.0
    base = entered(given.base) * times
    low, high = (base if end is None else end * times for end in (given.low, given.high))
    return Reach(uptake, (low, base, high))


def finite(values: Sequence[float]) -> bool:
    """Whether every number was entered."""
    return all(math.isfinite(v) for v in values)
