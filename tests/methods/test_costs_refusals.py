"""What the price files are refused for, in the words that the analyst reads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from aaot_eval.costs import load_prices
from aaot_eval.costs.price_index import load_index
from aaot_eval.errors import ExitCode, InputError
from tests.costs_builders import PROGRAMME, UNIT_COSTS, price_config, write_prices


def refused(
    folder: Path,
    unit_costs: str = UNIT_COSTS,
    programme: str = PROGRAMME,
    unit_costs_file: str = "unit_costs.csv",
    **costs: object,
) -> InputError:
    write_prices(folder, unit_costs, programme)
    costs["unit_costs"] = unit_costs_file
    with pytest.raises(InputError) as caught:
        load_prices(price_config(folder, **costs))
    assert caught.value.exit_code == ExitCode.INPUT
    assert all(p.code.startswith(("P4", "C18")) and p.do for p in caught.value.problems)
    return caught.value


def told(error: InputError, code: str) -> str:
    found = ["\n".join(p.lines()) for p in error.problems if p.code == code]
    assert found, f"{code} is not among {[p.code for p in error.problems]}"
    return "\n".join(found)


FIRST = "emergency_short_stay,stay,700,,,35,2024/25,provider,Trust ledger"


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("emergency_short_stay,stay,-700,,,35,2024/25,provider,Trust ledger", "P407", "value is -700, which is out of bounds"),
        ("emergency_short_stay,stay,0,,,35,2024/25,provider,Trust ledger", "P407", "leave an item out rather than price it at 0"),
        ('emergency_short_stay,stay,"£1,200",,,35,2024/25,provider,Trust ledger', "P406", "value is not a plain number"),
        ("emergency_short_stay,stay,nan,,,35,2024/25,provider,Trust ledger", "P406", "value is not a plain number"),
        ("emergency_short_stay,stay,,,,35,2024/25,provider,Trust ledger", "P404", "value is empty"),
        ("emergency_short_stay,stay,700,,,35,2024/25,provider,", "P404", "a price without a source is not used"),
        ("emergency_shortstay,stay,700,,,35,2024/25,provider,Trust ledger", "P405", "did you mean 'emergency_short_stay'?"),
        ("emergency_short_stay,day,700,,,35,2024/25,provider,Trust ledger", "P416", "the unit of emergency_short_stay"),
        ("emergency_short_stay,stay,700,,,35,2024,provider,Trust ledger", "P408", "not a financial year"),
        ("emergency_short_stay,stay,700,,,35,2024/26,provider,Trust ledger", "P408", "not a financial year"),
        ("emergency_short_stay,stay,700,,,35,1998/99,provider,Trust ledger", "P411", "1998/99 is not in the index gdp_deflator"),
        ("emergency_short_stay,stay,700,,,35,2023/24,provider,Trust ledger", "P409", "mixes price years: 2023/24, 2024/25"),
        ("emergency_short_stay,stay,700,,,35,2024/25,commissioner,Trust ledger", "P413", "perspective commissioner, the run from provider"),
        ("emergency_short_stay,stay,700,,,35,2024/25,hospital,Trust ledger", "P405", "perspective is not one of the words allowed"),
        ("ed_attendance,attendance,700,,,35,2024/25,provider,Trust ledger", "P414", "ed_attendance stands twice"),
        ("emergency_short_stay,stay,700,600,,,2024/25,provider,Trust ledger", "P415", "a range needs both ends"),
        ("emergency_short_stay,stay,700,800,900,,2024/25,provider,Trust ledger", "P415", "does not hold the value"),
        ("emergency_short_stay,stay,700,,,35,2024/25,provider,Trust,ledger", "P403", "more cells than the header"),
    ],
)  # fmt: skip
def test_a_unit_cost_is_refused(tmp_path: Path, line: str, code: str, words: str) -> None:
    text = told(refused(tmp_path, UNIT_COSTS.replace(FIRST, line)), code)
    assert words in text
    assert "unit_costs.csv" in text
    assert "line" in text or code in ("P409",)


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("Places,caseload,60", "Places,caseload,0", "P423", "quantity is 0, which is out of bounds"),
        ("Occupancy,occupancy,0.85", "Occupancy,occupancy,1.2", "P423", "the share of places in use, such as 0.85"),
        ("Occupancy,occupancy,0.85", "Occupancy,occupancy,85", "P423", "at most 1"),
        ("Overheads,overhead,0.2", "Overheads,overhead,20", "P423", "such as 0.20"),
        ("Nurses,staff,4.0,40000,0.3", "Nurses,staff,4.0,40000,30", "P407", "write the share of salary: 0.28, not 28"),
        ("Nurses,staff,4.0,40000,0.3", "Nurses,staff,4.0,40000,", "P404", "on_cost is empty"),
        ("Nurses,staff,4.0,40000", "Nurses,staff,4.0,-40000", "P407", "a cost is not negative"),
        ("Nurses,staff,4.0,40000", "Nurses,staff,,40000", "P404", "quantity is empty"),
        ("Nurses,staff,4.0,40000,0.3,2024/25", "Nurses,staff,4.0,40000,0.3,2022/23", "P409", "mixed price years"),
        ("Nurses,staff,4.0,40000,0.3,2024/25", "Nurses,staff,4.0,40000,0.3,", "P408", "price_year is empty"),
        ("Nurses,staff,4.0,40000,0.3,2024/25", "Nurses,staff,4.0,40000,0.3,1990/91", "P411", "not in the index"),
        ("Nurses,staff", "Nurses,pay", "P405", "kind is not one of the words allowed"),
        ("2024/25,Trust payroll\nConsultant", "2024/25,\nConsultant", "P404", "source is empty"),
        ("Places,caseload,60,,,,Service plan\n", "", "P422", "there is no caseload line"),
        ("Places,caseload,60,,,,Service plan\n", "A,caseload,30,,,,x\nB,caseload,30,,,,x\n", "P421", "more than one caseload line"),
    ],
)  # fmt: skip
def test_a_programme_is_refused(tmp_path: Path, old: str, new: str, code: str, words: str) -> None:
    assert old in PROGRAMME
    text = told(refused(tmp_path, programme=PROGRAMME.replace(old, new, 1)), code)
    assert words in text
    assert "programme.csv" in text


def test_a_team_without_running_cost_is_refused(tmp_path: Path) -> None:
    bare = "item,kind,quantity,amount,on_cost,price_year,source\nPlaces,caseload,60,,,,plan\n"
    assert "no staff and no non-pay line" in told(refused(tmp_path, programme=bare), "P420")


def test_all_problems_of_both_files_come_at_once(tmp_path: Path) -> None:
    units = UNIT_COSTS.replace("700", "-700").replace("3000", "").replace("180", "free")
    team = PROGRAMME.replace("caseload,60", "caseload,0").replace("occupancy,0.85", "occupancy,1.5")
    problems = refused(tmp_path, units, team).problems
    assert len(problems) == 5
    assert {p.where.split(",")[0] for p in problems} == {"unit_costs.csv", "programme.csv"}
    assert "unit_costs.csv, line 2, column value" in [p.where for p in problems]


def test_a_file_of_another_kind_is_refused_by_its_columns(tmp_path: Path) -> None:
    caseload = "person,site,referred\n4857773456,S01,2023-01-01\n"
    error = refused(tmp_path, caseload)
    assert "the column 'item' is missing" in told(error, "P401")
    assert "4857773456" not in str(error)


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    assert "close: unit_costs.csv" in told(refused(tmp_path, unit_costs_file="unit_cost.csv"), "P400")


def test_a_misspelled_column_is_not_skipped(tmp_path: Path) -> None:
    assert "rename it to 'std_error'" in told(refused(tmp_path, UNIT_COSTS.replace("std_error", "std_eror")), "P402")


def test_the_runs_own_price_year_must_be_in_the_index(tmp_path: Path) -> None:
    assert "2050/51 is not in the index" in told(refused(tmp_path, price_year="2050/51"), "P411")


def test_an_unknown_index_is_refused(tmp_path: Path) -> None:
    assert "did you mean 'gdp_deflator'?" in told(refused(tmp_path, price_index="gdp_deflators"), "P410")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("2023/24,index,100\n2024/25,percent_change,3\n", "the measure is not one and the same known word"),
        ("2022/23,index,100\n2024/25,index,103\n", "there is a gap between 2022/23 and 2024/25"),
        ("2023/24,index,100\n2023/24,index,103\n", "2023/24 stands twice"),
        ("2023/24,index,-1\n", "the value is not a level above 0"),
        ("2023,index,100\n", "not a financial year"),
    ],
)
def test_an_index_of_the_user_is_checked(tmp_path: Path, rows: str, words: str) -> None:
    (tmp_path / "own.csv").write_text("year,measure,value\n" + rows, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        load_index("own.csv", price_config(tmp_path))


def test_the_shipped_index_is_what_its_descriptor_says(root: Path) -> None:
    home = root / "data_schemas" / "prices"
    resource = json.loads((home / "datapackage.json").read_text("utf-8"))["resources"][0]
    data = (home / resource["path"]).read_bytes()
    assert resource["hash"] == "sha256:" + hashlib.sha256(data).hexdigest()
    assert resource["bytes"] == len(data)
    index = load_index("gdp_deflator", price_config(home))
    assert index.factor("2023/24", "2024/25") == pytest.approx(100 / 96.1117)
    assert index.factor("2024/25", "2024/25") == 1
    assert index.forecast("2025/26")
    assert not index.forecast("2024/25")
    assert "March 2026" in index.edition
