"""Present values over whole years. Nothing within twelve months is discounted, and only constant-price flows may be."""

from __future__ import annotations

from collections.abc import Sequence


def discount_factor(year: int, rate: float = 0.035, *, mid_year: bool = False) -> float:
    """What a pound of `year` is worth in year 0, the first year of the service: 1 / (1 + rate)^t, t + 0.5 at mid-year.

    >>> discount_factor(0), round(discount_factor(1), 6)
    (1.0, 0.966184)
    """
    return float((1 + rate) ** -(year + (0.5 if mid_year else 0.0)))


def present_value(flows: Sequence[float], rate: float = 0.035, *, mid_year: bool = False) -> float:
    """The value in year 0 of one flow a year, the first of them year 0."""
    return sum(flow * discount_factor(t, rate, mid_year=mid_year) for t, flow in enumerate(flows))
