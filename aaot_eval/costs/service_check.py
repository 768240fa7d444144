"""The cost of the service built from its lines beside its budget, and places stated beside places in use."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from aaot_eval.costs.programme import Programme

COLUMNS = ("order", "measure", "people", "value", "unit", "note")
BUDGET_LACKS = "no budget line in the programme file"


def service_check_table(team: Programme, delivered: Mapping[str, float], people: int) -> pd.DataFrame:
    """The release table `service_check`: bottom-up and top-down cost per patient-year, their ratio, places and occupancy.

    `delivered` holds what the caseload gives: places_in_use, delivered_cost, top_down, top_down_ratio; rows that rest on it
    name the `people` behind it. Disengaged people are in it: the service is charged for the time it holds a place.
    """
    rows: list[tuple[str, object, float, str, str]] = [
        ("Bottom-up cost", None, team.per_patient_year, "pounds per patient-year", "team cost over places x occupancy"),
        ("Places stated", None, team.places, "places", ""),
        ("Occupancy stated", None, team.occupancy, "share", "all places in use" if team.occupancy == 1 else ""),
    ]
    seen = (
        ("top_down", "Top-down cost", "pounds per patient-year", "budget over patient-years delivered"),
        ("top_down_ratio", "Top-down over bottom-up", "ratio", "1 = both agree"),
        ("places_in_use", "Occupancy seen", "share", "patient-years since referral over places; people who disengaged count"),
        ("delivered_cost", "Bottom-up cost over the caseload seen", "pounds per patient-year", "team cost over patient-years delivered"),
    )  # fmt: skip
    rows += [(name, people, delivered[key], unit, note) for key, name, unit, note in seen if key in delivered]
    if team.budget is None:
        rows.append(("Top-down cost", None, float("nan"), "pounds per patient-year", BUDGET_LACKS))
    table = pd.DataFrame([(i, *row) for i, row in enumerate(rows, start=1)], columns=list(COLUMNS))
    return table.astype({"people": "Int64"})
