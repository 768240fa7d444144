"""The cost of the service built from its lines beside its budget, and places stated beside places in use."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from aaot_eval.costs.programme import Programme
from aaot_eval.costs.rates import LEAST_PEOPLE
from aaot_eval.wording import SERVICE_APART

COLUMNS = ("order", "measure", "people", "stated", "seen", "unit", "note")
COST = "pounds per patient-year"


def service_check_table(team: Programme, delivered: Mapping[str, float], people: int) -> pd.DataFrame:
    """The release table `service_check`: cost per patient-year bottom-up and top-down, their ratio, places and occupancy.

    `stated` is over the places and occupancy of the programme file, `seen` over the patient-years of the caseload, from
    `delivered` (places_in_use, delivered_cost, top_down, top_down_ratio). Disengaged people are in it: the service is
    charged for the time it holds a place.
    """
    nan = math.nan
    budget = nan if team.budget is None else team.budget
    lacks = "no budget line in the programme file" if team.budget is None else "budget over patient-years"
    rows = [
        ("Bottom-up cost", team.per_patient_year, "delivered_cost", COST, "team cost over patient-years"),
        ("Top-down cost", budget / team.patient_years, "top_down", COST, lacks),
        ("Top-down over bottom-up", budget / team.team_cost, "top_down_ratio", "ratio", "1 = both agree; the bottom-up cost as stated"),
        ("Occupancy", team.occupancy, "places_in_use", "share", "since referral; people who disengaged count"),
        ("Places", team.places, "", "places", "of one team"),
    ]  # fmt: skip
    size = people if people else pd.NA
    table = pd.DataFrame(
        [
            (i, measure, size, stated, delivered.get(key, nan), unit, note)
            for i, (measure, stated, key, unit, note) in enumerate(rows, start=1)
        ],
        columns=list(COLUMNS),
    )
    return table.astype({"people": "Int64"})


def cost_seen(team: Programme, delivered: Mapping[str, float], people: int) -> float:
    """Pounds for each patient-year of the caseload seen, where they are far from those at the planned occupancy; else NaN.

    In the figures in which `service_check` leaves the run: with more of them the exact patient-years follow from the team's cost.
    """
    seen = float(f"{delivered.get('delivered_cost', math.nan):.3g}")
    return seen if people >= LEAST_PEOPLE and abs(seen / team.per_patient_year - 1) > SERVICE_APART else math.nan
