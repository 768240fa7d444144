"""Invented prices and an invented team: what the simulated hospital stays and the simulated service cost."""

from __future__ import annotations

import math

import numpy as np

from aaot_eval.synthetic.world import Floats, Ints, Stays

INVENTED = "INVENTED for simulation"
PRICE_YEAR = "2024/25"
PRICES = {
    "emergency_short_stay": ("stay", 640.0),
    "emergency_long_stay": ("stay", 3150.0),
    "emergency_excess_day": ("day", 360.0),
    "elective_stay": ("stay", 4100.0),
    "day_case": ("stay", 980.0),
    "ed_attendance": ("attendance", 245.0),
}
UNIT_COSTS = tuple(
    (
        item,
        unit,
        f"{value:.2f}",
        f"{0.9 * value:.2f}",
        f"{1.1 * value:.2f}",
        f"{0.05 * value:.2f}",
        PRICE_YEAR,
        "provider",
        INVENTED,
    )
    for item, (unit, value) in PRICES.items()
)
EXCESS_FROM = 10
OCCUPANCY = 0.85
OVERHEAD = 0.15
SETUP, USEFUL_YEARS = 30_000.0, 5.0
SMALLEST_TEAM = 10


def leg_price(nights: Ints) -> Floats:
    """The price of an emergency spell of so many nights: short (0 or 1), or long and each night over 10."""
    excess = np.maximum(nights - EXCESS_FROM, 0) * PRICES["emergency_excess_day"][1]
    return np.asarray(
        np.where(nights <= 1, PRICES["emergency_short_stay"][1], PRICES["emergency_long_stay"][1] + excess)
    )


def stay_prices(stays: Stays) -> Floats:
    """The price of emergency stays and of the attendance they came through; a moved stay has the price of both spells."""
    second = np.where(stays.moved_to >= 0, leg_price(stays.moved_nights), 0.0)
    return leg_price(stays.nights) + second + np.where(stays.through_ed, PRICES["ed_attendance"][1], 0.0)


def places_for(mean_caseload: float) -> int:
    """Places of a team that is 85 % full with this many people on its caseload."""
    return max(SMALLEST_TEAM, 5 * math.ceil(mean_caseload / OCCUPANCY / 5))


def _team(places: int) -> tuple[tuple[str, float, float, float], ...]:
    """(item, whole-time equivalents, salary, on-costs as a share): about 20 people for each outreach worker."""
    return (
        ("outreach worker", round(places / 22, 1), 33_500.0, 0.26),
        ("alcohol specialist nurse", round(max(places / 70, 0.2), 1), 43_000.0, 0.26),
        ("consultant psychiatrist", round(max(places / 800, 0.1), 1), 118_000.0, 0.26),
        ("administrator", round(max(places / 200, 0.2), 1), 25_500.0, 0.26),
    )


def programme_rows(places: int) -> list[tuple[str, ...]]:
    """programme.csv of one team with so many places."""
    staff = [
        (item, "staff", f"{wte:.1f}", f"{salary:.2f}", f"{on_cost:.2f}", PRICE_YEAR, INVENTED)
        for item, wte, salary, on_cost in _team(places)
    ]
    return [
        *staff,
        ("travel, phones, training", "non_pay", "1", f"{_non_pay(places):.2f}", "", PRICE_YEAR, INVENTED),
        ("overheads", "overhead", f"{OVERHEAD:.2f}", "", "", PRICE_YEAR, INVENTED),
        ("recruitment and equipment", "set_up", f"{USEFUL_YEARS:.0f}", f"{SETUP:.2f}", "", PRICE_YEAR, INVENTED),
        ("places", "caseload", str(places), "", "", PRICE_YEAR, INVENTED),
        ("occupancy", "occupancy", f"{OCCUPANCY:.2f}", "", "", PRICE_YEAR, INVENTED),
    ]


def _non_pay(places: int) -> float:
    return 260.0 * places


def programme_cost(places: int) -> float:
    """Cost of the service per patient-year on the caseload.

    (staff with on-costs + non-pay) x (1 + overheads) + set-up / useful years, over places x occupancy.
    """
    pay = sum(wte * salary * (1 + on_cost) for _, wte, salary, on_cost in _team(places))
    year = (pay + _non_pay(places)) * (1 + OVERHEAD) + SETUP / USEFUL_YEARS
    return year / (places * OCCUPANCY)
