"""The money's arithmetic against worked cases with known answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from aaot_eval.costs import load_prices
from aaot_eval.costs.break_even import break_even
from aaot_eval.costs.censoring import Histories, bang_tsiatis, complete_cases, histories, naive, partitioned, zhao_tian
from aaot_eval.costs.discounting import discount_factor, present_value
from aaot_eval.costs.draws import gamma_quantile, percentiles, share_above_zero, uniforms
from aaot_eval.costs.price_index import load_index
from aaot_eval.costs.programme import Programme
from aaot_eval.costs.ranges import one_way
from aaot_eval.costs.rates import before_after, cost_rate, in_window, person_windows
from aaot_eval.engine import open_engine
from aaot_eval.errors import InputError
from tests.agreement import agrees
from tests.costs_builders import price_config, write_prices

CASES = Path(__file__).resolve().parent.parent / "reference"


def expected(case: str) -> dict[str, dict[str, object]]:
    document = json.loads((CASES / case / "expected.json").read_text("utf-8"))
    return {q["name"]: q for q in document["quantities"]}


COMPARED: set[tuple[str, str]] = set()
"""What was held against a case, so that the last test can tell what was not."""


def check(case: str, name: str, value: float) -> None:
    """Held to the tolerance that the case states itself."""
    COMPARED.add((case, name))
    quantity = expected(case)[name]
    rel, least = (float(quantity.get(t, 0)) for t in ("tol_rel", "tol_abs"))  # type: ignore[arg-type]
    agrees(f"econ/{case}", name, value, float(quantity["value"]), rel=rel, abs=least)  # type: ignore[arg-type]


def says(case: str, name: str, text: str) -> None:
    """A quantity that is words."""
    COMPARED.add((case, name))
    assert text == expected(case)[name]["value"]


def differs(case: str, name: str, value: float) -> None:
    """Ours is not the value that must not be reported, by 1 % at least."""
    COMPARED.add((case, f"wrong/{name}"))
    wrong = float(expected(case)[f"wrong/{name}"]["value"])  # type: ignore[arg-type]
    assert abs(value / wrong - 1) > 0.01, f"{case} reports {name}"


def priced(
    work: Path, nights: Sequence[int] | pd.Series, *, short: float, long: float, excess_day: float
) -> np.ndarray:
    """Pounds for each emergency stay by its nights, from the step that prices the stays of a run."""
    stays = pd.DataFrame({"stay": np.arange(len(nights)), "nights": np.asarray(nights, dtype=np.int64)})
    items = {"emergency_short_stay": short, "emergency_long_stay": long}
    with closing(open_engine("duckdb", work)) as engine:
        engine.put("stays", stays.assign(person=0, day_case=0, emergency=1))
        engine.put("prices", pd.DataFrame({"item": list(items), "value": [float(v) for v in items.values()]}))
        engine.run("stay_prices_found", excess_day=float(excess_day))
        found = engine.frame("SELECT CAST(price AS DOUBLE) AS price FROM stay_prices_found ORDER BY stay")
    return found["price"].to_numpy()


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
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
        cost=priced(
            tmp_path_factory.mktemp("priced"),
            nights,
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
    differs("aaot_worked_arithmetic", "mean_of_totals_difference", saved)
    differs("aaot_worked_arithmetic", "mean_of_individual_rates_difference", saved)


TEAM = """item,kind,quantity,amount,on_cost,price_year,source
Nurses,staff,4,52000,0,2024/25,worked case
Consultant,staff,0.5,150000,0,2024/25,worked case
Overheads,overhead,0.2,,,,worked case
Places,caseload,60,,,,worked case
Occupancy,occupancy,0.85,,,,worked case
"""


@pytest.fixture(scope="module")
def worked_team(tmp_path_factory: pytest.TempPathFactory) -> Programme:
    """4 nurses and half a consultant, overheads 20 %, 60 places, 85 % in use."""
    folder = tmp_path_factory.mktemp("team")
    write_prices(folder, programme=TEAM)
    return load_prices(price_config(folder)).programme


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


def test_a_night_too_many_is_priced_once(tmp_path: Path) -> None:
    cost = priced(tmp_path, [0, 1, 2, 10, 11, 20], short=700, long=3000, excess_day=350)
    assert cost.tolist() == [700, 700, 3000, 3000, 3350, 6500]


def test_break_evens_of_the_worked_case(worked_team: Programme) -> None:
    answers = expected("aaot_worked_arithmetic")
    gross = answers["gross_saving_per_patient_year"]["value"]
    usual = answers["cost_per_patient_year_CAU"]["value"]
    solved = break_even(
        gross,
        programme_cost=worked_team.per_patient_year,
        team_cost=worked_team.team_cost,
        occupancy=worked_team.occupancy,
        usual_cost=usual,
    )
    check("aaot_worked_arithmetic", "break_even_aaot_cost_per_patient_year", solved.programme_cost)
    check("aaot_worked_arithmetic", "break_even_caseload_at_85pct_occupancy", solved.places)
    check("aaot_worked_arithmetic", "break_even_reduction_of_CAU_cost", solved.fall)
    check("aaot_worked_arithmetic", "roi_gross_saving_per_pound", 1 / solved.price_factor)


def test_nothing_averted_breaks_even_nowhere() -> None:
    solved = break_even(-5.0, programme_cost=100.0, team_cost=1000.0, occupancy=0.9, usual_cost=400.0)
    assert np.isnan([solved.programme_cost, solved.places, solved.price_factor]).all()
    assert solved.fall == 0.25


# --- effect times cost: the loop's own pieces against the closed form -------------------------------------------------

PARAMETERS = {
    "baseline_rate": (4.2, 0.25),
    "rate_ratio": (0.77, 0.08),
    "unit_cost": (2500.0, 120.0),
    "aaot_cost": (2000.0, 250.0),
}


def saving_of(
    *, baseline_rate: np.ndarray, rate_ratio: np.ndarray, unit_cost: np.ndarray, aaot_cost: np.ndarray
) -> np.ndarray:
    return baseline_rate * (1 - rate_ratio) * unit_cost - aaot_cost


def quantile(name: str, uniform: np.ndarray) -> np.ndarray:
    """Amounts as a run draws them; the ratio by its median and the error of its logarithm, as the case states it."""
    middle, spread = PARAMETERS[name]
    if name == "rate_ratio":
        return np.asarray(middle * np.exp(spread * stats.norm.ppf(uniform)))
    return gamma_quantile(uniform, middle, spread)


def test_the_uncertainty_of_effect_prices_and_service_moves_together() -> None:
    n = 200_000
    saving = saving_of(**{name: quantile(name, uniforms(11, n, name)) for name in PARAMETERS})
    case = "effect_times_cost"
    check(case, "mean_saving", saving.mean())
    check(case, "sd_saving", saving.std())
    check(case, "p_cost_saving", share_above_zero(saving))
    low, high = percentiles(saving, 0.95)
    check(case, "saving_p2.5", low)
    check(case, "saving_p50", float(np.median(saving)))
    check(case, "saving_p97.5", high)


def test_two_thousand_draws_hold_mean_and_sd_within_one_per_cent() -> None:
    answers = expected("effect_times_cost")
    saving = saving_of(**{name: quantile(name, uniforms(20260401, 2000, name)) for name in PARAMETERS})
    assert saving.std() == pytest.approx(answers["sd_saving"]["value"], rel=0.01)
    # the mean is small beside its spread: one per cent of the gross saving it is made of
    assert saving.mean() == pytest.approx(
        answers["mean_saving"]["value"], abs=0.01 * (answers["mean_saving"]["value"] + 2000)
    )


def test_one_way_ranges_are_sorted_by_swing() -> None:
    base = {name: middle for name, (middle, _) in PARAMETERS.items()}
    tails = np.array([0.025, 0.975])
    ranges = {name: tuple(quantile(name, tails)) for name in PARAMETERS}
    table = one_way(saving_of, base, ranges)  # type: ignore[arg-type]
    says("effect_times_cost", "tornado/order", ", ".join(table["parameter"]))
    check("effect_times_cost", "deterministic_saving_at_medians", saving_of(**base))  # type: ignore[arg-type]
    for row in table.itertuples():
        ends = sorted([row.saving_at_low, row.saving_at_high])
        check("effect_times_cost", f"tornado/{row.parameter}/low", ends[0])
        check("effect_times_cost", f"tornado/{row.parameter}/high", ends[1])


def test_break_evens_of_effect_times_cost() -> None:
    gross = 4.2 * (1 - 0.77) * 2500
    solved = break_even(gross, programme_cost=2000, team_cost=2000, occupancy=1, usual_cost=4.2 * 2500)
    check("effect_times_cost", "break_even_aaot_cost", solved.programme_cost)
    check("effect_times_cost", "break_even_rate_ratio", 1 - solved.fall)
    check("effect_times_cost", "break_even_unit_cost", 2500 * solved.price_factor)


# --- discounting ------------------------------------------------------------------------------------------------------


def test_discounting() -> None:
    case = "discounting"
    flows = pd.read_csv(CASES / case / "data.csv")
    for year in (0, 1, 2, 5, 10, 30):
        check(case, f"factor_3.5pct_year{year}", discount_factor(year))
    for year in (1, 10):
        check(case, f"factor_1.5pct_year{year}", discount_factor(year, 0.015))
    # The Green Book's rate falls after year 30 and year 75.
    check(case, "green_book_factor_year31", discount_factor(30) * discount_factor(1, 0.03))
    check(case, "green_book_factor_year80", discount_factor(30) * discount_factor(45, 0.03) * discount_factor(5, 0.025))
    cost, saving = present_value(flows["cost"]), present_value(flows["saving"])
    net = flows["saving"] - flows["cost"]
    check(case, "pv_cost_3.5", cost)
    check(case, "pv_saving_3.5", saving)
    check(case, "npv_3.5", present_value(net))
    check(case, "npv_undiscounted", present_value(net, 0.0))
    check(case, "npv_3.5_mid_year", present_value(net, mid_year=True))
    check(case, "bcr_3.5", saving / cost)
    check(case, "pv_qaly_1.5", present_value(flows["qaly"], 0.015))
    check(case, "pv_qaly_3.5", present_value(flows["qaly"]))
    check(case, "icer_3.5", (cost - saving) / present_value(flows["qaly"]))
    assert all(present_value(net[: year + 1], 0.0) < 0 for year in range(len(net)))
    says(case, "payback_year_undiscounted", "not reached")


def test_uprating_of_the_pssru_case(shared: Path, tmp_path: Path) -> None:
    """A user's own index of yearly changes; the table may not be shipped, so the test reads it beside the project."""
    home = shared / "reference_cases" / "econ" / "price_year_nhscii"
    answers = {q["name"]: q for q in json.loads((home / "expected.json").read_text("utf-8"))["quantities"]}
    rates = pd.read_csv(home / "data.csv")
    series = {"pay_and_prices": "pay_and_prices_pct", "prices": "prices_pct", "pay": "pay_pct"}
    index = {}
    for name, column in series.items():
        table = pd.DataFrame({"year": rates["financial_year"], "measure": "percent_change", "value": rates[column]})
        table.assign(status=rates["status"], edition="2024 manual", source="PSSRU").to_csv(
            tmp_path / f"{name}.csv", index=False
        )
        index[name] = load_index(f"{name}.csv", price_config(tmp_path))
    for name, quantity in answers.items():
        kind, *rest = name.split("/", 1)
        if kind == "factor":
            years, which = rest[0].rsplit("/", 1)
            value = index[which].factor(*years.split("->"))
        elif kind == "cost":
            text, which = rest[0].rsplit("/", 1)
            amount, years = text.split("_GBP_")
            value = float(amount) * index[which].factor(*years.split("->"))
        else:
            value = index["pay"].factor("2020/21", "2020/21")
        rel, least = quantity.get("tol_rel", 0), quantity.get("tol_abs", 0)
        agrees("econ/price_year_nhscii", name, value, quantity["value"], rel=rel, abs=least)
    with pytest.raises(InputError, match="not in the index"):
        index["pay"].factor("2023/24", "2024/25")
    assert index["pay"].edition == "2024 manual"


# --- follow-up cut short ----------------------------------------------------------------------------------------------


def hcost(home: Path, table: str, limit: float, step: float) -> Histories:
    pieces = pd.read_csv(home / table)
    return histories(pieces, pieces.groupby("id")[["surv", "delta"]].first(), limit, step=step)


@pytest.mark.parametrize("limit", [1000, 1461, 2000])
def test_costs_with_follow_up_cut_short_of_the_hcost_reference(shared: Path, limit: int) -> None:
    home = shared / "reference_cases" / "econ" / "censored_costs_hcost"
    seen = hcost(home, "data.csv", limit, step=1)
    simple, histories_in = bang_tsiatis(seen), zhao_tian(seen)
    hold_hcost(
        home,
        f"L{limit}/",
        {
            "BT": simple.value,
            "BT_se": simple.std_error,
            "ZT": histories_in.value,
            "ZT_se": histories_in.std_error,
            "AS_naive_available": naive(seen).value,
            "CC_naive_complete": complete_cases(seen).value,
            "n": seen.n,
            "fully_observed": int(seen.complete.sum()),
        },
    )
    cuts = np.unique([0, *seen.time[~seen.complete], limit])
    assert partitioned(seen, cuts).value == pytest.approx(histories_in.value, rel=1e-9)
    assert partitioned(seen, np.array([0.0, limit])).value == pytest.approx(simple.value, rel=1e-12)


def test_four_patients_of_the_hcost_reference(shared: Path) -> None:
    home = shared / "reference_cases" / "econ" / "censored_costs_hcost"
    seen = hcost(home, "toy.csv", 1000, step=0)
    found = {"AS": naive, "CC": complete_cases, "BT": bang_tsiatis, "ZT": zhao_tian}
    hold_hcost(home, "toy/", {name: mean(seen).value for name, mean in found.items()})


def hold_hcost(home: Path, prefix: str, found: dict[str, float]) -> None:
    """Every quantity of the case under the prefix, none left out."""
    document = json.loads((home / "expected.json").read_text("utf-8"))
    answers = {q["name"]: q for q in document["quantities"] if q["name"].startswith(prefix)}
    assert set(answers) == {prefix + name for name in found}
    for name, value in found.items():
        quantity = answers[prefix + name]
        rel, least = quantity.get("tol_rel", 0), quantity.get("tol_abs", 0)
        agrees("econ/censored_costs_hcost", prefix + name, value, quantity["value"], rel=rel, abs=least)


def test_no_quantity_of_a_reference_is_left_out(request: pytest.FixtureRequest) -> None:
    """Last in the file: every number of these cases was compared, and every wrong one kept away from."""
    here = {
        item.nodeid for item in request.session.items if item.nodeid.startswith("tests/methods/test_costs_reference.py")
    }
    if len({node.split("::")[1].split("[")[0] for node in here}) < sum(name.startswith("test_") for name in globals()):
        pytest.skip("only a part of the file was run")
    for case in ("aaot_worked_arithmetic", "effect_times_cost", "discounting", "salford_before_after"):
        assert set(expected(case)) == {name for of, name in COMPARED if of == case}
