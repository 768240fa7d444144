"""What may leave: the rules of the data owners, drawn as small tables."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aaot_eval.disclosure import control, csv_text
from aaot_eval.errors import DisclosureError
from aaot_eval.schema import disclosure_profiles, schema_names, table_schema

PEOPLE = st.integers(0, 60)


def caseload(referred: list[int], **more: Any) -> pd.DataFrame:
    frame = {"unit": [f"S{i}" for i in range(len(referred))], "referred": referred, **more}
    return pd.DataFrame(frame)


def released(name: str, frame: pd.DataFrame, profile: str = "hes", *, national: bool = False) -> pd.DataFrame:
    return control({name: frame}, {}, profile=profile, national=national).tables[name]


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (1, "*"), (7, "*"), (8, 10), (12, 10), (13, 15), (1002, 1000)])
def test_hes_count_of_people(count: int, shown: Any) -> None:
    assert released("caseload", caseload([count]))["referred"].tolist() == [shown]


@pytest.mark.parametrize(
    ("profile", "count", "shown"),
    [
        ("nhse_sde", 9, "*"), ("nhse_sde", 0, 0), ("nhse_sde", 11, 10),
        ("opensafely", 7, "*"), ("opensafely", 8, 10), ("opensafely", 0, 0),
        ("acro", 0, "*"), ("acro", 9, "*"), ("acro", 10, 10),
        ("none", 1, 1), ("none", 1002, 1002),
    ],
)  # fmt: skip
def test_count_of_people_under_other_profiles(profile: str, count: int, shown: Any) -> None:
    assert released("caseload", caseload([count]), profile)["referred"].tolist() == [shown]


def test_national_figures_are_shown_but_counts_kept_for_control_still_stay() -> None:
    series = series_rows(persons=[3, 4], observed=[3.0, 5.0])
    table = released("series", series, national=True)
    assert table["observed"].tolist() == [3.0, 5.0]
    assert "persons" not in table.columns


def series_rows(persons: list[Any], observed: list[Any], unit: str = "S1") -> pd.DataFrame:
    n = len(observed)
    periods = [f"2024-{i + 1:02d}" for i in range(n)]
    names = {"analysis": "its", "unit": unit, "outcome": "o", "t": range(n), "period": periods, "phase": "before"}
    model = {"exposure": 1.0, "fitted": 4.4, "expected": 4.4, "expected_low": 3.3, "expected_high": 5.5}
    return pd.DataFrame({**names, "persons": persons, "observed": observed, **model})


def test_admissions_are_hidden_with_the_people_behind_them_and_fitted_counts_are_as_coarse() -> None:
    table = released("series", series_rows(persons=[0, 3, 7, 8, 40], observed=[0, 30, 9, 12, 58]))
    assert table["observed"].tolist() == [0, "*", "*", 10, 60]
    assert table["fitted"].tolist() == [5] * 5
    assert "persons" not in table.columns
    assert released("series", series_rows([3, 40], [3, 58]), "none")["fitted"].tolist() == [4.4, 4.4]


def fitted_as_a_count_model(seed: int, periods: int) -> tuple[np.ndarray, np.ndarray]:
    """Observed counts, and fitted ones whose sum is the exact sum, as those of every Poisson model with a constant."""
    observed = np.random.default_rng(seed).poisson(61.0, periods).astype(float)
    shape = np.linspace(0.9, 1.1, periods)
    return observed, shape * observed.sum() / shape.sum()


def test_sums_of_released_fitted_counts_give_no_exact_sum_away() -> None:
    """A reader who adds up the fitted counts, or divides by a published rate ratio, must not meet the exact number."""
    met = {"none": 0, "hes": 0}
    worlds = range(40)
    for seed in worlds:
        observed, fitted = fitted_as_a_count_model(seed, 24)
        names = {"analysis": "its", "unit": "S1", "outcome": "o", "t": range(24), "phase": "before", "persons": 60}
        frame = pd.DataFrame({**names, "period": [f"{2022 + i // 12}-{i % 12 + 1:02d}" for i in range(24)],
                              "observed": observed, "exposure": 1.0, "fitted": fitted, "expected": fitted / 0.8,
                              "expected_low": fitted / 0.9, "expected_high": fitted / 0.7})  # fmt: skip
        for profile in met:
            table = released("series", frame, profile)
            sums = [table["fitted"].sum(), 0.8 * table["expected"].sum()]
            met[profile] += any(round(s) == round(observed.sum()) for s in sums)
            if profile == "hes":
                shown = table[["fitted", "expected", "expected_low", "expected_high"]].to_numpy(float)
                assert (shown % 5 == 0).all()
    assert met["none"] == len(worlds), "the attack works on what is not controlled"
    assert met["hes"] < 0.4 * len(worlds), "and is no better than chance on what is"


def test_large_fitted_counts_keep_three_figures_and_shares_stay() -> None:
    large = series_rows([9000, 9000], [12345.0, 12346.0]).assign(fitted=[12345.6, 98.7])
    assert released("series", large)["fitted"].tolist() == [12300, 100]
    shares = series_rows([pd.NA] * 2, [0.034, 0.05]).assign(fitted=[0.0412, 0.0456])
    assert released("series", shares)["fitted"].tolist() == [0.0412, 0.0456]


def test_the_time_at_risk_of_a_small_cohort_counts_its_people_and_is_rounded_as_they_are() -> None:
    cohort = series_rows([11, 25], [14, 30]).assign(exposure=[11 / 12, 25 / 12])
    assert released("series", cohort)["exposure"].tolist() == [0, 0]
    assert released("series", series_rows([11, 25], [14, 30]))["exposure"].tolist() == [1, 1]
    rows = {"analysis": ["a", "b"], "n_obs": [4434, 1476], "n_people": [535, pd.NA]}
    assert released("estimates", pd.DataFrame(rows))["n_obs"].tolist() == [4430, 1476], "site-months stay"


@given(st.integers(20, 400), st.integers(30, 400))
@settings(max_examples=60, deadline=None)
def test_the_ends_of_an_interval_do_not_give_back_the_exact_rate(events: int, people: int) -> None:
    """The ends of a log interval have the rate as their geometric mean: rounded, many counts fit them."""
    rate, wide = events / people, np.exp(1.96 / np.sqrt(events))
    frame = pd.DataFrame({"order": [1], "what": "observed", "label": "Observed", "people": people, "rate": rate,
                          "rate_low": rate / wide, "rate_high": rate * wide})  # fmt: skip
    row = released("regression_to_mean", frame).iloc[0]
    for column in ("rate", "rate_low", "rate_high"):
        assert row[column] == pytest.approx(round(row[column], 1), abs=1e-12)
    bare = released("regression_to_mean", frame, "none").iloc[0]
    assert np.sqrt(bare["rate_low"] * bare["rate_high"]) * people == pytest.approx(events)


@given(st.integers(40, 900), st.floats(20, 400))
@settings(max_examples=60, deadline=None)
def test_averted_over_its_quotient_does_not_give_back_patient_years(averted: int, years: float) -> None:
    names = {
        "analysis": "a",
        "design": "series",
        "outcome": "o",
        "unit": "S1",
        "people": 60,
        "status": "ok",
        "label": "",
    }
    frame = pd.DataFrame({**names, "averted": [float(averted)], "averted_low": 1.23456, "averted_high": 999.87,
                          "patient_years": years, "per_patient_year": averted / years,
                          "per_patient_year_low": 0.012345, "per_patient_year_high": 3.45678})  # fmt: skip
    row = released("averted_activity", frame).iloc[0]
    assert (row["averted_low"], row["averted_high"], row["per_patient_year_high"]) == (1.23, 1000, 3.46)
    assert row["per_patient_year"] == pytest.approx(float(f"{averted / years:.3g}"))


def test_few_admissions_are_few_people_however_large_the_group_they_come_from() -> None:
    names = {"analysis": "e", "outcome": "o", "arm": ["a", "b"], "era": "after", "people": [500, 500]}
    counts = {"events": [3.0, 48.0], "person_years": [480.0, 480.0], "rate": [3 / 480, 0.1]}
    rates = pd.DataFrame({**names, **counts})
    table = released("rates", rates)
    assert table["events"].tolist() == ["*", 50]
    assert table["rate"][0] == "*"


def test_a_rate_is_made_again_from_the_released_count() -> None:
    rates = pd.DataFrame({"analysis": "e", "outcome": "o", "arm": ["a"], "era": ["after"], "people": [53],
                          "events": [23.0], "person_years": [52.0], "rate": [23 / 52]})  # fmt: skip
    row = released("rates", rates).iloc[0]
    assert (row["people"], row["events"], row["person_years"]) == (55, 25, 50)
    assert row["rate"] == pytest.approx(25 / 50, rel=1e-12)


def test_a_sum_of_prices_does_not_tell_which_stays_it_holds() -> None:
    rates = pd.DataFrame({"analysis": "e", "outcome": ["hospital_cost", "emergency"], "arm": "a", "era": "after", "people": 530,
                          "events": [9233577.0, 9234.0], "person_years": 500.0, "rate": [9233577 / 500, 9234 / 500]})  # fmt: skip
    table = released("rates", rates)
    assert table["events"].tolist() == [9230000, 9235]
    assert table["rate"][0] == pytest.approx(9230000 / 500)
    assert released("rates", rates, "none")["events"].tolist() == [9233577, 9234]


def test_a_death_rate_on_few_deaths_is_hidden_and_without_deaths_is_nought() -> None:
    names = {"analysis": "e", "arm": ["a", "b", "c"], "era": "after", "people": [53, 60, 400]}
    counts = {"deaths": [3, 0, 21], "person_years": [50.0, 60.0, 400.0], "rate": [6.0, 0.0, 5.25]}
    deaths = pd.DataFrame({**names, **counts})
    table = released("deaths", deaths)
    assert table["deaths"].tolist() == ["*", 0, 20]
    assert table["rate"].tolist() == ["*", 0, 5.0]


def test_everything_that_rests_on_few_people_is_hidden() -> None:
    groups = pd.DataFrame({"group": ["low", "high"], "people": [7, 30], "person_years": [6.6, 29.1],
                           "expected_cost": [9000.5, 7000.25], "observed_cost": [1.0, 2.0]})  # fmt: skip
    table = released("patient_groups", groups)
    assert table.loc[0, ["people", "person_years", "expected_cost", "observed_cost"]].tolist() == ["*"] * 4
    assert table.loc[1, ["people", "person_years", "expected_cost"]].tolist() == [30, 30, 7000]


def test_totals_are_rounded_on_their_own_or_rebuilt_as_the_profile_says() -> None:
    frame = pd.DataFrame({"unit": ["all", "a", "b", "c"], "referred": [29, 13, 12, 4]})
    assert released("caseload", frame, "hes")["referred"].tolist() == [30, 15, 10, "*"]
    assert released("caseload", frame, "opensafely")["referred"].tolist() == [25, 15, 10, "*"]


def test_a_lonely_hidden_cell_takes_the_next_smallest_with_it_where_the_profile_asks() -> None:
    frame = pd.DataFrame(
        {"unit": ["all", "a", "b", "c"], "referred": [74, 40, 30, 4], "person_years": [70.0, 38.0, 29.0, 3.0]}
    )
    table = released("caseload", frame, "acro")
    assert table["referred"].tolist() == [40, 40, "*", "*"]
    assert table["person_years"].tolist() == [40, 40, "*", "*"]


def care(people: dict[str, int]) -> pd.DataFrame:
    """Lines of `cost_items`: each person of a line costs ten pounds and one for the line's place."""
    lines = [(item, n, float(n * (10 + i))) for i, (item, n) in enumerate(people.items(), 1)]
    lines.append(("all care", 60, sum(cost for *_, cost in lines)))
    frame = pd.DataFrame(lines, columns=["item", "people", "cost"])
    kind = ["total" if item == "all care" else "unplanned" for item in frame["item"]]
    return frame.assign(order=range(1, len(frame) + 1), kind=kind, patient_years=60.0, quantity=1.0, unit="stay")


@pytest.mark.parametrize("profile", sorted(set(disclosure_profiles()) - {"none"}))
@pytest.mark.parametrize("few", [{"gp_contact": 4}, {"gp_contact": 4, "day_case": 3}])
def test_a_hidden_cost_line_takes_one_of_more_people_with_it_so_that_the_total_does_not_give_it_away(
    profile: str, few: dict[str, int]
) -> None:
    lines = {"emergency_long_stay": 40, "ed_attendance": 50, "elective_stay": 24, **few}
    table = released("cost_items", care(lines), profile).set_index("item")
    hidden = set(table.index[table["cost"] == "*"])
    assert hidden == {"elective_stay", *few}
    assert (table.loc[sorted(hidden), ["people", "quantity"]] == "*").to_numpy().all()
    assert table.loc["all care", "cost"] != "*", "the total is of sixty people"


def test_without_a_small_line_none_is_hidden() -> None:
    assert (released("cost_items", care({"ed_attendance": 50, "day_case": 8}))["cost"] != "*").all()
    assert released("cost_items", care({"ed_attendance": 50, "gp_contact": 2}))["cost"].tolist()[:2] == ["*", "*"]


def test_no_swing_of_a_price_tells_the_share_of_a_hidden_line() -> None:
    """The swing of a price is gross saving x share of cost x the width of the price's range: with a hidden line's row, its cost."""
    items = ["", "ed_attendance", "gp_contact", "", "elective_stay", "emergency_long_stay"]
    names = ["effect", *(f"price of {i}" if i else "places" for i in items[1:])]
    ranges = pd.DataFrame({"order": range(1, 7), "parameter": names, "item": items, "unit": "pounds"})
    ranges = ranges.assign(low_input=1.0, high_input=2.0, saving_at_low=1.0, saving_at_high=2.0, swing=1.0)
    lines = care({"emergency_long_stay": 40, "ed_attendance": 50, "elective_stay": 24, "gp_contact": 4})
    out = control({"cost_ranges": ranges, "cost_items": lines}, {}, profile="hes").tables["cost_ranges"]
    assert out["item"].tolist() == ["", "ed_attendance", "", "emergency_long_stay"]
    assert out["order"].tolist() == [1, 2, 3, 4], "no gap tells how wide the swing of a hidden line is"
    assert control({"cost_ranges": ranges}, {}, profile="hes").tables["cost_ranges"]["item"].tolist() == ["", ""]
    assert len(control({"cost_ranges": ranges, "cost_items": lines}, {}, profile="none").tables["cost_ranges"]) == 6
    with pytest.raises(DisclosureError, match="the table cost_ranges rests on 'item'"):
        released("cost_ranges", ranges.drop(columns="item"))


def test_an_aggregated_panel_is_treated_as_one_person_an_event_unless_it_holds_shares() -> None:
    counts = released("series", series_rows(persons=[pd.NA] * 3, observed=[3, 12, 0]))
    assert counts["observed"].tolist() == ["*", 10, 0]
    shares = released("series", series_rows(persons=[pd.NA] * 3, observed=[0.034, 0.05, 1.0]))
    assert shares["observed"].tolist() == [0.034, 0.05, 1.0]


def test_the_size_of_a_caseload_file_is_a_count_of_people() -> None:
    sources = [{"table": "caseload", "name": "caseload.csv", "rows": 53, "sha256": "ab"},
               {"table": "deaths", "name": "deaths.csv", "rows": 3, "sha256": "ab"},
               {"table": "sites", "name": "sites.csv", "rows": 3, "sha256": "ab"}]  # fmt: skip
    release = control({}, {"sources": sources}, profile="hes")
    assert [s["rows"] for s in release.meta["sources"]] == [55, "*", 3]
    assert release.meta["profile"] == "hes"


@pytest.mark.parametrize("profile", disclosure_profiles())
@given(counts=st.lists(PEOPLE, min_size=1, max_size=8), factor=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_no_small_number_leaves(profile: str, counts: list[int], factor: int) -> None:
    if profile == "none":
        return
    persons = np.array(counts)
    tables = {
        "caseload": caseload(counts, deaths=counts, person_years=persons * 0.9),
        "series": series_rows(persons=counts, observed=list(persons * factor)),
    }
    release = control(tables, {}, profile=profile)
    people = release.tables["caseload"]
    counts_shown = [*people["referred"], *people["deaths"], *release.tables["series"]["observed"]]
    for cell in counts_shown:
        assert cell == "*" or (cell % 5 == 0 and (cell == 0 or cell > 7))
    for years in people["person_years"]:
        assert years == "*" or years % 5 == 0
    assert sum(c == "*" for c in [*counts_shown, *people["person_years"]]) == sum(release.hidden.values())


@given(st.lists(st.integers(8, 500), min_size=1, max_size=6), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_one_person_more_changes_a_count_by_nothing_or_five(counts: list[int], who: int) -> None:
    more = [c + (i == who % len(counts)) for i, c in enumerate(counts)]
    before, after = (released("caseload", caseload(c))["referred"].to_numpy() for c in (counts, more))
    assert set(np.abs(after - before)) <= {0, 5}


def test_whatever_has_no_schema_does_not_leave() -> None:
    tables = {"patients": pd.DataFrame({"person": [1]}), "caseload": caseload([9], surname=["x"])}
    with pytest.raises(DisclosureError) as refusal:
        control(tables, {}, profile="hes")
    assert refusal.value.exit_code == 6
    text = str(refusal.value)
    assert "'patients' has no schema" in text
    assert "caseload.surname has no schema" in text


def test_a_count_without_the_people_behind_it_does_not_leave() -> None:
    with pytest.raises(DisclosureError, match=r"series\.observed rests on 'persons'"):
        released("series", series_rows([9], [9]).drop(columns="persons"))


def test_an_unknown_profile_is_refused_with_those_there_are() -> None:
    with pytest.raises(DisclosureError, match="hes, nhse_sde, none"):
        control({}, {}, profile="loose")


def test_a_valid_nhs_number_in_a_text_is_refused_without_being_printed() -> None:
    number = "943 476 5919"  # the published example of a valid number
    frame = pd.DataFrame({"order": [1], "kind": ["data"], "text": [f"person {number} has no record"]})
    with pytest.raises(DisclosureError, match=r"limits\.text holds a number that is a valid NHS number") as refusal:
        control({"limits": frame}, {}, profile="none")
    assert number not in str(refusal.value)
    assert len(released("limits", frame.replace(number, "943 476 5918", regex=True))) == 1


@pytest.mark.parametrize("name", schema_names("release"))
def test_every_column_says_how_it_is_controlled_and_on_whom(name: str) -> None:
    schema = table_schema("release", name)
    for column in schema.columns:
        assert column.extra["control"] in ("none", "model", "people", "persons", "kept", "events", "statistic")
        needs = [
            *([column.extra["persons"]] if "persons" in column.extra else []),
            *column.extra.get("ratio", ()),
        ]
        assert set(needs) <= set(schema.names)
        assert column.title, "a heading for the report"


def test_exact_tables_are_not_changed() -> None:
    frame = caseload([3, 12])
    control({"caseload": frame}, {}, profile="hes")
    assert frame["referred"].tolist() == [3, 12]


def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers() -> None:
    starts = ["=1+1", "+44", "-5", "-cmd", "@x", "\tx", " =1", "plain", "*"]
    text = csv_text(pd.DataFrame({"a": starts, "b": np.linspace(-1, 1, 9), "c": [None, *range(8)], "d": [True] * 9}))
    lines = text.splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [
        "'=1+1",
        "+44",
        "-5",
        "'-cmd",
        "'@x",
        "'\tx",
        "' =1",
        "plain",
        "*",
    ]
    assert lines[1] == "'=1+1,-1,,true"
    assert text.endswith("\n")
    assert "\r" not in text


def test_hidden_pairs_cannot_be_told_from_other_columns() -> None:
    """Every pair of numbers of a row: none divides into a hidden count."""
    names = {"unit": ["a", "b"], "role": "treated", "start": "2023-01", "population": 50_000.0}
    counts = {"persons": [5, 60], "before_count": [9.0, 83.0], "before_rate": [9 / 1.5, 83 / 1.5]}
    frame = pd.DataFrame({**names, **counts, "trend_per_year": [0.1, 0.2]})
    table = released("sites", frame)
    assert table.loc[0, ["before_count", "before_rate"]].tolist() == ["*", "*"]
    assert table.loc[1, "before_rate"] == pytest.approx(85 / 1.5)
    numbers = [c for c in table.iloc[1] if isinstance(c, (int, float))]
    assert not any(abs(a / b - 83) < 1e-9 for a, b in itertools.permutations(numbers, 2) if b)
