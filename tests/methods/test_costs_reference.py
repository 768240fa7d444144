"""The money's arithmetic against worked cases with known answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaot_eval.costs.prices import price_of_stay
from aaot_eval.costs.programme import Programme, team_lines
from aaot_eval.costs.rates import before_after, cost_rate, in_window, person_windows

CASES = Path(__file__).resolve().parent.parent / "reference"


def expected(case: str) -> dict[str, dict[str, object]]:
    document = json.loads((CASES / case / "expected.json").read_text("utf-8"))
    return {q["name"]: q for q in document["quantities"]}


def check(case: str, name: str, value: float) -> None:
    quantity = expected(case)[name]
    within = pytest.approx(quantity["value"], rel=quantity.get("tol_rel", 0), abs=quantity.get("tol_abs", 0))
    assert value == within, f"{case} {name}: {value} is not {quantity['value']}"


@pytest.fixture(scope="module")
def worked() -> pd.DataFrame:
    """The six patients, costed through the public functions only."""
    home = CASES / "aaot_worked_arithmetic"
    people = pd.read_csv(home / "data.csv", parse_dates=["index_date", "extract_end", "death_date"]).set_index(
        "patient_id"
    )
    price = pd.read_csv(home / "unit_costs.csv").set_index("item")["unit_cost_gbp"]
    stays = pd.read_csv(home / "admissions.csv", parse_dates=["admit_date", "discharge_date"])
    visits = pd.read_csv(home / "ed.csv", parse_dates=["attend_date"])
    windows = person_windows(people)
    stays = in_window(stays.rename(columns={"patient_id": "person"}), "admit_date", windows)
    visits = in_window(visits.rename(columns={"patient_id": "person"}), "attend_date", windows)
    nights = (stays["discharge_date"] - stays["admit_date"]).dt.days
    stays = stays.assign(
        nights=nights,
        cost=price_of_stay(
            nights.to_numpy(),
            short=price["short_stay_los_0_1"],
            long=price["long_stay_los_2plus"],
            excess_day=price["excess_bed_day_over_10"],
        ),
    )
    by = stays.groupby("person")
    table = windows.assign(
        arm=people["arm"], admissions=by.size(), bed_days=by["nights"].sum(), cost_admissions=by["cost"].sum()
    )
    table["ed"] = visits.groupby("person").size()
    table = table.fillna({"admissions": 0, "bed_days": 0, "cost_admissions": 0.0, "ed": 0})
    table["cost_hospital"] = table["cost_admissions"] + table["ed"] * price["ed_attendance"]
    return table


@pytest.mark.parametrize("column", ["days_at_risk", "admissions", "bed_days", "ed", "cost_admissions", "cost_hospital"])
def test_each_patient_is_costed_inside_the_window(worked: pd.DataFrame, column: str) -> None:
    for person, row in worked.iterrows():
        check("aaot_worked_arithmetic", f"{person}/{column}", row[column])


def test_rates_are_sums_over_sums(worked: pd.DataFrame) -> None:
    for arm, rows in worked.groupby("arm"):
        rate = cost_rate(rows["cost_hospital"], rows["person_years"])
        check("aaot_worked_arithmetic", f"cost_per_patient_year_{arm}", rate)
        admissions = cost_rate(rows["admissions"], rows["person_years"])
        check("aaot_worked_arithmetic", f"admissions_per_patient_year_{arm}", admissions)
    aaot, usual = (worked[worked["arm"] == arm] for arm in ("AAOT", "CAU"))
    saved = cost_rate(usual["cost_hospital"], usual["person_years"]) - cost_rate(
        aaot["cost_hospital"], aaot["person_years"]
    )
    check("aaot_worked_arithmetic", "gross_saving_per_patient_year", saved)
    wrong = expected("aaot_worked_arithmetic")
    assert saved != pytest.approx(wrong["wrong/mean_of_totals_difference"]["value"], rel=0.01)
    assert saved != pytest.approx(wrong["wrong/mean_of_individual_rates_difference"]["value"], rel=0.01)


@pytest.fixture(scope="module")
def worked_team() -> Programme:
    """4 nurses and half a consultant, overheads 20 %, 60 places, 85 % in use."""
    lines = team_lines([("Nurses", 4.0, 52_000, 0.0), ("Consultant", 0.5, 150_000, 0.0)], overhead=0.2)
    return Programme(lines, places=60, occupancy=0.85)


def test_the_team_costs_what_the_worked_case_says(worked: pd.DataFrame, worked_team: Programme) -> None:
    assert worked_team.team_cost == pytest.approx(339_600)
    check("aaot_worked_arithmetic", "aaot_cost_per_place_year", worked_team.team_cost / worked_team.places)
    check("aaot_worked_arithmetic", "aaot_cost_per_patient_year_at_85pct_occupancy", worked_team.per_patient_year)
    gross = expected("aaot_worked_arithmetic")["gross_saving_per_patient_year"]["value"]
    check("aaot_worked_arithmetic", "net_saving_per_patient_year", gross - worked_team.per_patient_year)


def test_a_window_ends_with_death_and_with_the_extract() -> None:
    people = pd.DataFrame(
        {
            "index_date": pd.to_datetime(["2023-04-01", "2024-12-01", "2023-04-01"]),
            "death_date": pd.to_datetime(["2023-05-01", None, None]),
            "extract_end": pd.to_datetime(["2025-03-31"] * 3),
        }
    )
    assert person_windows(people)["days_at_risk"].tolist() == [30, 120, 365]
    with pytest.raises(ValueError, match="ends before it starts"):
        person_windows(people.assign(extract_end=pd.Timestamp("2023-01-01")))


def test_salford_counts_recompute_and_stay_a_before_after() -> None:
    stays, visits = before_after(54, 151, 50, 3, 3), before_after(54, 360, 146, 3, 3)
    check("salford_before_after", "admissions_per_patient_year_before", stays.rate_before)
    check("salford_before_after", "admissions_per_patient_year_after", stays.rate_after)
    check("salford_before_after", "admissions_averted_per_patient_year_naive", stays.averted)
    check("salford_before_after", "admissions_rate_ratio", stays.ratio)
    check("salford_before_after", "admissions_rate_ratio_lcl", stays.ratio_low)
    check("salford_before_after", "admissions_rate_ratio_ucl", stays.ratio_high)
    check("salford_before_after", "ed_rate_ratio", visits.ratio)
    check("salford_before_after", "ed_averted_per_patient_year_naive", visits.averted)
    check("salford_before_after", "percent_reduction_admissions", 100 * (1 - stays.ratio))


def test_a_night_too_many_is_priced_once() -> None:
    cost = price_of_stay(np.array([0, 1, 2, 10, 11, 20]), short=700, long=3000, excess_day=350)
    assert cost.tolist() == [700, 700, 3000, 3000, 3350, 6500]
