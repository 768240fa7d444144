"""Present values over whole years. Nothing within twelve months is discounted, and only constant-price flows may be."""

from __future__ import annotations

from collections.abc import Sequence

GREEN_BOOK = ((30, 0.035), (75, 0.03), (125, 0.025))
"""HM Treasury Green Book: 3.5 % to year 30, 3.0 % to year 75, 2.5 % to year 125."""


def discount_factor(year: int, rate: float = 0.035, *, mid_year: bool = False) -> float:
    """What a pound of `year` is worth in year 0, the first year of the service: 1 / (1 + rate)^t, t + 0.5 at mid-year.

    >>> discount_factor(0), round(discount_factor(1), 6)
    (1.0, 0.966184)
    """
    return float((1 + rate) ** -(year + (0.5 if mid_year else 0.0)))


def stepped_factor(year: int, steps: Sequence[tuple[int, float]] = GREEN_BOOK) -> float:
    """The factor with a rate that falls in the far future: each year is discounted at the rate of its own step."""
    factor = 1.0
    for t in range(1, year + 1):
        factor /= 1 + next(rate for last, rate in steps if t <= last)
    return factor


def present_value(flows: Sequence[float], rate: float = 0.035, *, mid_year: bool = False) -> float:
    """The value in year 0 of one flow a year, the first of them year 0."""
    return sum(flow * discount_factor(t, rate, mid_year=mid_year) for t, flow in enumerate(flows))


def payback_year(net_flows: Sequence[float]) -> int | None:
    """The first year in which the undiscounted net flows so far are not negative; None when it is not reached."""
    total = 0.0
    for year, flow in enumerate(net_flows):
        total += flow
        if total >= 0:
            return year
    return None
