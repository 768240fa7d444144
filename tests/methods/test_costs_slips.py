"""Slips in files of money that once went through: each is refused in words that say what is allowed, or named as a warning."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaot_eval.costs import Prices, cost_service, load_prices
from aaot_eval.costs.control_totals import check_totals
from aaot_eval.costs.draws import RANGE_IN_SE, beta_quantile, gamma_quantile, widest_share_range
from aaot_eval.costs.price_index import load_index
from aaot_eval.costs.savings import run_loop
from aaot_eval.errors import ExitCode, InputError, NotIdentifiedError
from tests.costs_builders import (
    PROGRAMME,
    UNIT_COSTS,
    caseload_panel,
    entry_rule_cost,
    price_config,
    refused_prices,
    verdict,
    words_of,
    write_prices,
)

FIRST = "emergency_short_stay,stay,700,,,35"
RANGED = PROGRAMME.replace("price_year,source", "price_year,source,low,high")
TARIFF = """item,point_of_delivery,unit,value,std_error,price_year,perspective,source,trim_days,excess_day
FD10K,elective,spell,1000,50,2024/25,provider,Trust ledger,,
FD10K,day_case,spell,900,50,2024/25,provider,Trust ledger,,
"""


def taken(folder: Path, unit_costs: str = UNIT_COSTS, programme: str = PROGRAMME, **costs: object) -> Prices:
    write_prices(folder, unit_costs, programme)
    return load_prices(price_config(folder, **costs))


def refused(folder: Path, *given: str, **costs: object) -> str:
    return words_of(refused_prices(folder, *given, **costs))


def only(text: str, *words: str) -> None:
    for word in words:
        assert word in text, (word, text)


def swapped(old: str, new: str, text: str = PROGRAMME) -> str:
    assert old in text
    return text.replace(old, new, 1)


# --- ranges that say nothing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "column"),
    [("700,,,350000", "std_error"), ("700,,,701", "std_error"), ("700,0,3500,", "low")],
)
def test_a_price_whose_error_is_larger_than_itself_is_refused(tmp_path: Path, cells: str, column: str) -> None:
    text = refused(tmp_path, swapped("700,,,35", cells, UNIT_COSTS))
    only(text, "P415", "line 2", f"column {column}", "times the price", "a standard error of at most the price itself")


def test_a_price_with_an_error_as_large_as_itself_is_taken_and_lies_inside_its_interval(tmp_path: Path) -> None:
    assert len(taken(tmp_path, swapped("700,,,35", "700,,,700", UNIT_COSTS)).unit_costs) == 4
    ends = gamma_quantile(np.array([0.025, 0.975]), 700.0, 700.0)
    assert ends[0] < 700 < ends[1]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("40000,0.3,2024/25,Trust payroll", "40000,0.3,2024/25,Trust payroll,0,1e9", "times as wide as the amount is large"),
        ("9000,,2024/25,Trust ledger", "9000,,2024/25,Trust ledger,1,90000", "high - low at most 3.92 times the amount"),
        ("20000,,2024/25,Business case", "20000,,2024/25,Business case,0,200000", "high - low at most 3.92 times the amount"),
        ("caseload,60,,,,Service plan", "caseload,60,,,,Service plan,1,3000", "high - low at most 3.92 times the quantity"),
    ],
)  # fmt: skip
def test_a_programme_range_beside_which_its_value_says_nothing_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    only(refused(tmp_path, programme=swapped(old, new, RANGED)), "P424", "column low", words)


@pytest.mark.parametrize(
    ("occupancy", "ends", "words"),
    [
        ("0.99", "0.5,1", "no occupancy of 0.99 has so wide a range"),
        ("0.99", "0.5,1", "high - low at most 0.275"),
        ("1", "0.5,1", "an occupancy of 1 is the most there can be, so that it has no range"),
        ("0.6", "0.0001,1", "low is 0.0001, which is out of bounds"),
    ],
)
def test_an_occupancy_range_that_no_share_can_have_is_refused(
    tmp_path: Path, occupancy: str, ends: str, words: str
) -> None:
    new = f"occupancy,{occupancy},,,,Service plan,{ends}"
    text = refused(tmp_path, programme=swapped("occupancy,0.85,,,,Service plan", new, RANGED))
    only(text, "column low", words)
    assert "needs both ends" not in text


@pytest.mark.parametrize("mean", [0.06, 0.3, 0.5, 0.85, 0.99, 0.9999])
def test_the_widest_range_of_a_share_gives_draws_within_0_and_1_and_its_moments(mean: float) -> None:
    """By hand: beta with a = mean x size = 1 has P(x < u) = 1 - (1 - u)^b, b = (1 - mean) / mean."""
    width = widest_share_range(mean)
    uniform = (np.arange(200_000) + 0.5) / 200_000
    draws = beta_quantile(uniform, mean, width / RANGE_IN_SE)
    assert draws == pytest.approx(1 - (1 - uniform) ** (mean / (1 - mean)), abs=1e-9)
    assert draws.mean() == pytest.approx(mean, rel=1e-3)


def test_ranges_within_the_bounds_are_taken(tmp_path: Path) -> None:
    team = RANGED.replace("caseload,60,,,,Service plan", "caseload,60,,,,Service plan,40,80")
    team = team.replace("occupancy,0.85,,,,Service plan", "occupancy,0.85,,,,Service plan,0.5,1")
    programme = taken(tmp_path, programme=team).programme
    draws = programme.draws(1, 2000)
    assert np.isfinite(draws).all()
    assert np.quantile(draws, 0.025) < programme.per_patient_year < np.quantile(draws, 0.975)


def test_a_saving_outside_its_own_interval_stops_the_run(tmp_path: Path) -> None:
    prices, panel = taken(tmp_path), caseload_panel()
    tables = cost_service(panel, [entry_rule_cost()], verdict(), price_config(tmp_path), prices).tables
    from aaot_eval.costs.ladder import ladder
    from aaot_eval.costs.rates import caseload

    (rung,) = ladder(panel, [entry_rule_cost()], caseload(panel))
    best = run_loop(rung, prices, seed=1, n=2000)
    apart = replace(best, saving_low=best.saving + 1, saving_high=best.saving + 2)
    with pytest.raises(NotIdentifiedError, match="lies outside its interval") as caught:
        check_totals(tables, prices.programme, apart)
    assert caught.value.exit_code == ExitCode.NOT_IDENTIFIED
    assert [p.code for p in caught.value.problems] == ["P433"]


# --- a service that costs nothing, and figures beyond all teams ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("40000,0.3", "0,0.3", ("P407", "amount is 0, which is out of bounds", "above 0", "leave out whoever is not paid")),
        ("caseload,60", "caseload,1e7", ("P423", "1 or more, at most 1,000,000")),
        ("staff,4.0", "staff,1e5", ("P423", "at most 10,000")),
        ("set_up,5,", "set_up,0.001,", ("P423", "0.5 or more, at most 50")),
        ("set_up,5,", "set_up,60,", ("P423", "0.5 or more, at most 50")),
        ("occupancy,0.85", "occupancy,0.00001", ("P423", "0.05 or more, at most 1")),
    ],
)  # fmt: skip
def test_figures_beyond_all_teams_are_refused(tmp_path: Path, old: str, new: str, words: tuple[str, ...]) -> None:
    only(refused(tmp_path, programme=swapped(old, new)), *words)


def test_a_service_that_costs_nothing_is_refused(tmp_path: Path) -> None:
    nothing = (
        "item,kind,quantity,amount,on_cost,price_year,source\nTravel,non_pay,,0,,2024/25,X\nPlaces,caseload,60,,,,X\n"
    )
    only(refused(tmp_path, programme=nothing), "P420", "the lines of the service add up to 0", "column amount")


# --- cells that nothing is worked out from ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("non_pay,,9000", "non_pay,12,9000", ("quantity has no meaning for non_pay", "the amount is that of a whole year")),
        ("overhead,0.2,", "overhead,0.2,500", ("amount has no meaning for overhead", "for overhead: quantity")),
        ("non_pay,,9000,", "non_pay,,9000,0.3", ("on_cost has no meaning for non_pay", "for non_pay: amount")),
        ("caseload,60,", "caseload,60,500", ("amount has no meaning for caseload",)),
    ],
)  # fmt: skip
def test_a_figure_without_meaning_for_its_line_is_refused(
    tmp_path: Path, old: str, new: str, words: tuple[str, ...]
) -> None:
    only(refused(tmp_path, programme=swapped(old, new)), "P426", "would be left out of the cost", *words)


def test_a_quantity_of_one_and_a_nought_say_nothing_and_are_taken(tmp_path: Path) -> None:
    plain = taken(tmp_path).programme.team_cost
    filled = swapped("non_pay,,9000,", "non_pay,1,9000,0").replace("overhead,0.2,,", "overhead,0.2,0,0")
    assert taken(tmp_path, programme=filled).programme.team_cost == plain


@pytest.mark.parametrize(
    ("cells", "column", "other"), [("5,", "excess_day", "trim_days"), (",200", "trim_days", "excess_day")]
)
def test_a_trim_point_and_the_price_beyond_it_come_together(
    tmp_path: Path, cells: str, column: str, other: str
) -> None:
    text = refused(tmp_path, swapped("Trust ledger,,", f"Trust ledger,{cells}", TARIFF), basis="tariff")
    only(text, "P404", f"{column} is empty, and {other} has no meaning without it", "line 2")


def test_a_line_pasted_twice_counts_twice_and_is_named(tmp_path: Path) -> None:
    nurses = "Nurses,staff,4.0,40000,0.3,2024/25,Trust payroll\n"
    prices = taken(tmp_path, programme=swapped(nurses, nurses * 2))
    assert prices.programme.team_cost - taken(tmp_path).programme.team_cost == pytest.approx(4 * 40000 * 1.3 * 1.2)
    (found,) = prices.findings
    assert (found.code, found.level, found.where) == ("D399", "warn", "programme.csv, line 3")
    assert found.detail == "the same staff line as line 2: both count"
    assert taken(tmp_path, programme=swapped(nurses, nurses + nurses.replace("4.0", "2.0"))).findings == ()


@pytest.mark.parametrize(
    ("was", "written"), [("40000", "40.000"), ("40000", "3333"), ("120000", "12000000")]
)  # fmt: skip
def test_a_salary_that_nobody_has_for_a_year_is_named(tmp_path: Path, was: str, written: str) -> None:
    (found,) = taken(tmp_path, programme=swapped(was, written)).findings
    assert (found.code, found.where) == ("D399", f"programme.csv, line {2 if was == '40000' else 3}")
    assert "below 5,000 or above 500,000 pounds" in found.detail


@pytest.mark.parametrize(
    ("was", "written", "item", "why"),
    [
        ("stay,3000,,,150", "stay,3.000,,,0.15", "emergency_long_stay", "below 10 pounds"),
        ("stay,700,", "stay,7000,", "emergency_short_stay", "dearer than a long emergency stay"),
        ("attendance,180,", "attendance,18000,", "ed_attendance", "dearer than a long emergency stay"),
        ("stay,3000,,,150", "stay,3000000,,,150", "emergency_long_stay", "above 250,000 pounds"),
    ],
)
def test_prices_that_no_hospital_has_are_named(tmp_path: Path, was: str, written: str, item: str, why: str) -> None:
    found = taken(tmp_path, swapped(was, written, UNIT_COSTS)).findings
    assert ("D399", f"unit_costs.csv, {item}", why) in [(f.code, f.where, f.detail) for f in found]


# --- day cases ------------------------------------------------------------------------------------------------------------------


def test_the_day_case_of_an_hrg_is_not_dearer_than_its_inpatient_spell_and_may_be_equal(tmp_path: Path) -> None:
    text = refused(tmp_path, swapped("day_case,spell,900", "day_case,spell,1001", TARIFF), basis="tariff")
    only(
        text, "C189", "the day case of FD10K is dearer than its inpatient spell", "at most the price of FD10K, elective"
    )
    equal = swapped("day_case,spell,900", "day_case,spell,1000", TARIFF)
    assert len(taken(tmp_path, equal, basis="tariff").unit_costs) == 2


def test_a_day_case_is_not_held_against_the_price_of_one_bed_day(tmp_path: Path) -> None:
    days = "".join(
        f"{item},{unit},{value},,,9,2024/25,provider,Trust ledger\n"
        for item, unit, value in (("emergency_bed_day", "day", 400), ("elective_bed_day", "day", 300), ("day_case", "stay", 800))
    )  # fmt: skip
    header = UNIT_COSTS.splitlines()[0]
    assert len(taken(tmp_path, f"{header}\n{days}", basis="bed_day").unit_costs) == 3


# --- how the file was saved -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["unit_costs", "programme"])
def test_a_quotation_mark_that_is_never_closed_swallows_no_rows(tmp_path: Path, table: str) -> None:
    text = {"unit_costs": UNIT_COSTS, "programme": PROGRAMME}
    text[table] = text[table].replace("Trust", '"Trust', 1)
    only(refused(tmp_path, **text), "P403", f"{table}.csv, line 2", "a cell holds a line break",
         "look for a quotation mark that is never closed")  # fmt: skip


def test_an_index_with_a_swallowed_row_is_refused_and_one_of_semicolons_read(tmp_path: Path) -> None:
    rows = 'year,measure,value,source\n2023/24,index,100,"ONS\n2024/25,index,105,ONS\n'
    (tmp_path / "i.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(InputError, match="a cell holds a line break") as caught:
        load_index("i.csv", price_config(tmp_path))
    assert [p.code for p in caught.value.problems] == ["P412"]
    (tmp_path / "i.csv").write_text(rows.replace('"', "").replace(",", ";"), encoding="utf-8")
    assert load_index("i.csv", price_config(tmp_path)).factor("2023/24", "2024/25") == pytest.approx(1.05)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Unit costs, all\n" + UNIT_COSTS.replace(",", ";"), ("the column names do not stand in the first line", "line 2")),
        ("Unit costs 2024\n\n" + UNIT_COSTS, ("the column names do not stand in the first line", "line 3", "delete the lines above")),
        ("\n" + UNIT_COSTS, ("the column names do not stand in the first line", "line 2")),
        ("", ("the file is empty",)),
    ],
)  # fmt: skip
def test_a_file_saved_otherwise_is_refused_in_one_message(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    told = refused(tmp_path, text)
    only(told, *words)
    assert "is missing" not in told


@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig"])
def test_prices_and_programme_are_read_as_a_country_of_decimal_commas_saves_them(
    tmp_path: Path, mark: str, encoding: str
) -> None:
    def saved(text: str) -> bytes:
        rows = [[cell.replace("Trust", f"Trüst, in £ {mark}") for cell in row] for row in csv.reader(io.StringIO(text))]
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=mark).writerows(rows)
        return out.getvalue().encode(encoding)

    plain = taken(tmp_path)
    for name, text in (("unit_costs", UNIT_COSTS), ("programme", PROGRAMME)):
        (tmp_path / f"{name}.csv").write_bytes(saved(text))
    read = load_prices(price_config(tmp_path))
    values = ["item", "value", "price_year"]
    pd.testing.assert_frame_equal(read.unit_costs[values], plain.unit_costs[values])
    assert set(read.unit_costs["source"]) == {f"Trüst, in £ {mark} ledger"}
    assert read.programme.per_patient_year == plain.programme.per_patient_year


def test_a_decimal_comma_is_no_plain_number_and_the_message_says_what_is(tmp_path: Path) -> None:
    text = swapped("stay,3000,", "stay,3000.5,", UNIT_COSTS).replace(",", ";").replace("3000.5", "3000,5")
    only(refused(tmp_path, text), "P406", "column value", "write it with a decimal point")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_a_small_table_is_read_in_the_encodings_of_the_extracts(tmp_path: Path, encoding: str) -> None:
    write_prices(tmp_path)
    (tmp_path / "unit_costs.csv").write_bytes(UNIT_COSTS.replace("Trust ledger", "Ledger in £").encode(encoding))
    prices = load_prices(price_config(tmp_path))
    assert set(prices.unit_costs["source"]) == {"Ledger in £"}


def test_a_byte_that_is_no_character_is_named_by_line_and_place(tmp_path: Path) -> None:
    write_prices(tmp_path)
    data = UNIT_COSTS.encode().replace(b"Trust", b"Tr\x81st", 1)
    (tmp_path / "unit_costs.csv").write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_prices(price_config(tmp_path))
    text = "\n".join(line for p in caught.value.problems for line in p.lines())
    place = data.index(b"\x81") + 1
    only(
        text,
        "P400",
        "line 2",
        f"byte {place} of the file, 0x81, is not a character",
        "UTF-8, UTF-16 with its mark, or Windows-1252",
    )


# --- the index ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "warned"), [(0.031, True), (3.1, False)])
def test_changes_written_as_shares_are_named(tmp_path: Path, change: float, warned: bool) -> None:
    rows = f"year,measure,value\n2023/24,percent_change,{change}\n2024/25,percent_change,{change / 2}\n"
    (tmp_path / "i.csv").write_text(rows, encoding="utf-8")
    prices = taken(tmp_path, price_index="i.csv")
    assert prices.index.factor("2023/24", "2024/25") == pytest.approx(1 + change / 200)
    assert [f.code for f in prices.findings] == ["D399"] * warned
    if warned:
        (found,) = prices.findings
        assert found.where == "i.csv, column value"
        assert "write 3.1 for 3.1 %, not 0.031" in found.detail


def test_the_finding_is_not_made_where_nothing_changed(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("year,measure,value\n2024/25,percent_change,0\n", encoding="utf-8")
    assert load_index("i.csv", price_config(tmp_path)).findings == ()
    assert math.isclose(load_index("gdp_deflator", price_config(tmp_path)).factor("2024/25", "2024/25"), 1.0)
