"""What the price files are refused for, in the words that the analyst reads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaot_eval.config import load_config
from aaot_eval.costs import cost_service, load_prices
from aaot_eval.costs.price_index import load_index
from aaot_eval.costs.rates import cost_rate
from aaot_eval.errors import ExitCode, InputError, NotIdentifiedError
from aaot_eval.estimators import build_estimator
from aaot_eval.results import Analysis
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
        ("emergency_short_stay,stay,700,560,840,7,2024/25,provider,Trust ledger", "P415", "contradict one another: a 95 % range this wide is one of 71.4"),
        ("emergency_short_stay,stay,700,560,840,0,2024/25,provider,Trust ledger", "P415", "contradict one another"),
        ("emergency_short_stay,stay,700,,,35,2024/25,provider,Trust,ledger", "P403", "more cells than the header"),
    ],
)  # fmt: skip
def test_a_unit_cost_is_refused(tmp_path: Path, line: str, code: str, words: str) -> None:
    text = words_of(refused_prices(tmp_path, UNIT_COSTS.replace(FIRST, line)), code)
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
    text = words_of(refused_prices(tmp_path, programme=PROGRAMME.replace(old, new, 1)), code)
    assert words in text
    assert "programme.csv" in text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Nurses,staff,4.0,40000,0.3,2024/25,Trust payroll,41000,44000", "the range does not hold the amount"),
        ("Nurses,staff,4.0,40000,0.3,2024/25,Trust payroll,36000,", "a range needs both ends"),
        ("Overheads,overhead,0.2,,,,Trust finance,0.1,0.3", "a range is not used for overhead"),
    ],
)
def test_a_range_of_a_cost_line_is_refused(tmp_path: Path, line: str, words: str) -> None:
    text = PROGRAMME.replace("price_year,source\n", "price_year,source,low,high\n", 1)
    start = line.split(",", maxsplit=1)[0]
    lines = [line if old.startswith(start) else old for old in text.splitlines()]
    assert words in words_of(refused_prices(tmp_path, programme="\n".join(lines) + "\n"), "P424")


def test_a_team_without_running_cost_is_refused(tmp_path: Path) -> None:
    bare = "item,kind,quantity,amount,on_cost,price_year,source\nPlaces,caseload,60,,,,plan\n"
    assert "no staff and no non-pay line" in words_of(refused_prices(tmp_path, programme=bare), "P420")


def test_all_problems_of_both_files_come_at_once(tmp_path: Path) -> None:
    units = UNIT_COSTS.replace("700", "-700").replace("3000", "").replace("180", "free")
    team = PROGRAMME.replace("caseload,60", "caseload,0").replace("occupancy,0.85", "occupancy,1.5")
    problems = refused_prices(tmp_path, units, team).problems
    assert len(problems) == 5
    assert {p.where.split(",")[0] for p in problems} == {"unit_costs.csv", "programme.csv"}
    assert "unit_costs.csv, line 2, column value" in [p.where for p in problems]


def test_a_file_of_another_kind_is_refused_by_its_columns(tmp_path: Path) -> None:
    caseload = "person,site,referred\n4857773456,S01,2023-01-01\n"
    error = refused_prices(tmp_path, caseload)
    assert "the column 'item' is missing" in words_of(error, "P401")
    assert "4857773456" not in str(error)


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    assert "close: unit_costs.csv" in words_of(refused_prices(tmp_path, unit_costs_file="unit_cost.csv"), "P400")


def test_a_misspelled_column_is_not_skipped(tmp_path: Path) -> None:
    assert "rename it to 'std_error'" in words_of(
        refused_prices(tmp_path, UNIT_COSTS.replace("std_error", "std_eror")), "P402"
    )


def test_another_perspective_is_one_problem_with_its_lines(tmp_path: Path) -> None:
    whose = "commissioner" if ",commissioner," in UNIT_COSTS else "provider"
    other = "societal"
    error = refused_prices(tmp_path, UNIT_COSTS.replace(f",{whose},", f",{other},"))
    seen = [p for p in error.problems if p.code == "P413"]
    assert len(seen) == 1
    assert seen[0].where == "unit_costs.csv, line 2, column perspective"
    assert "so are those of lines 3, 4" in seen[0].what


@pytest.mark.parametrize("header", ["price", "amount", "valeu"])
def test_a_renamed_column_is_one_problem_that_names_both(tmp_path: Path, header: str) -> None:
    error = refused_prices(tmp_path, UNIT_COSTS.replace("value", header, 1))
    assert [p.code for p in error.problems] == ["P402"]
    assert f"the column {header!r} is not known, and 'value' is missing" in str(error)
    assert "rename it to 'value'" in str(error)


def test_no_name_is_advised_that_the_file_has_already(tmp_path: Path) -> None:
    header, rows = UNIT_COSTS.split("\n", 1)
    error = refused_prices(tmp_path, f"{header},price_yr\n{rows}")
    assert "the column 'price_yr' is not known" in words_of(error, "P402")
    assert "remove the column" in words_of(error, "P402")


def test_the_runs_own_price_year_must_be_in_the_index(tmp_path: Path) -> None:
    assert "2050/51 is not in the index" in words_of(refused_prices(tmp_path, price_year="2050/51"), "P411")


def test_an_unknown_index_is_refused(tmp_path: Path) -> None:
    assert "did you mean 'gdp_deflator'?" in words_of(refused_prices(tmp_path, price_index="gdp_deflators"), "P410")


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


# --- each refusal of the money by its words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("emergency_short_stay,episode,700,,,35,2024/25,provider,Trust ledger", "C182", "the price of an episode may not be put on a spell"),
        ("emergency_short_stay,FCE,700,,,35,2024/25,provider,Trust ledger", "C182", "give the price of the whole spell or stay"),
        ("emergency_short_stay,attendance,700,,,35,2024/25,provider,Trust ledger", "P416", "is not the one it is counted in"),
        ("emergency_short_stay,stay,700,,,,2024/25,provider,Trust ledger", "P404", "neither a range nor a standard error is given"),
        ("emergency_short_stay,stay,-1,,,35,2024/25,provider,Trust ledger", "P407", "value is -1, which is out of bounds"),
        ("FD10K,spell,700,,,35,2024/25,provider,Trust ledger", "P404", "point_of_delivery is empty"),
        ("FD10K,stay,700,,,35,2024/25,provider,Trust ledger", "P416", "the unit of FD10K is not the one it is counted in"),
    ],
)  # fmt: skip
def test_a_price_is_refused_by_its_words(tmp_path: Path, line: str, code: str, words: str) -> None:
    assert words in words_of(refused_prices(tmp_path, UNIT_COSTS.replace(FIRST, line)), code)


@pytest.mark.parametrize("column", ["item", "unit", "value", "price_year", "perspective", "source"])
def test_every_column_of_a_price_is_required(tmp_path: Path, column: str) -> None:
    header = UNIT_COSTS.splitlines()[0].split(",")
    cells = FIRST.split(",")
    cells[header.index(column)] = ""
    assert f"{column} is empty" in words_of(
        refused_prices(tmp_path, UNIT_COSTS.replace(FIRST, ",".join(cells))), "P404"
    )


@pytest.mark.parametrize("price", ["4100", "5000"])
def test_a_day_case_at_an_inpatient_price_is_refused(tmp_path: Path, price: str) -> None:
    more = f"elective_stay,stay,4100,,,200,2024/25,provider,x\nday_case,stay,{price},,,50,2024/25,provider,x\n"
    text = words_of(refused_prices(tmp_path, UNIT_COSTS + more), "C189")
    assert "the day case has the price of an inpatient stay" in text
    assert "a day case is never priced as an inpatient stay" in text


def test_a_marginal_price_needs_its_variable_share(tmp_path: Path) -> None:
    assert "needs the share of the price that varies with activity" in words_of(
        refused_prices(tmp_path, basis="marginal"), "C184"
    )
    rows = [line.split(",") for line in UNIT_COSTS.splitlines()]
    shared = "\n".join(
        ",".join([*row, extra]) for row, extra in zip(rows, ["variable_share", "35", "1", "1", ""], strict=True)
    )
    assert "write the share that varies with activity: 0.35, not 35" in words_of(
        refused_prices(tmp_path, shared, basis="marginal"), "P407"
    )


def test_a_file_without_a_price_of_the_basis_is_refused(tmp_path: Path) -> None:
    stays = "\n".join(line for line in UNIT_COSTS.splitlines() if not line.startswith("ed_")) + "\n"
    assert "no row of the file is a price on the basis tariff" in words_of(
        refused_prices(tmp_path, stays, basis="tariff"), "C181"
    )


def test_a_marginal_price_is_the_share_that_varies(tmp_path: Path) -> None:
    rows = [line.split(",") for line in UNIT_COSTS.splitlines()]
    shared = "\n".join(
        ",".join([*row, extra]) for row, extra in zip(rows, ["variable_share", ".4", ".3", "1", "1"], strict=True)
    )
    write_prices(tmp_path, shared + "\n")
    found = load_prices(price_config(tmp_path, basis="marginal")).unit_costs.set_index("item")
    assert found["value"].round(6).tolist() == [280, 900, 350, 180]
    assert found["std_error"].round(6).tolist() == [14, 45, 17.5, 9]


def test_rows_of_another_basis_are_left_aside_and_counted(tmp_path: Path) -> None:
    hrg = "FD10K,spell,2000,,,100,2024/25,provider,x,emergency\nFD10K,spell,800,,,40,2024/25,provider,x,day_case\n"
    head, *rest = UNIT_COSTS.splitlines()
    write_prices(tmp_path, "\n".join([f"{head},point_of_delivery", *(f"{line}," for line in rest)]) + "\n" + hrg)
    stays, tariff = (load_prices(price_config(tmp_path, basis=b)) for b in ("bed_day_and_stay", "tariff"))
    assert (len(stays.unit_costs), stays.left_aside) == (4, 2)
    assert tariff.unit_costs["item"].tolist() == ["ed_attendance", "FD10K", "FD10K"]
    assert tariff.left_aside == 3


@pytest.mark.parametrize(("rate", "words"), [(3.5, "3.5 is 350 % a year"), (0.35, "0.35 is 35 % a year")])
def test_a_discount_rate_in_per_cent_is_refused(tmp_path: Path, rate: float, words: str) -> None:
    (tmp_path / "study.toml").write_text(
        'config_version = 1\nname = "x"\n[data]\nadmissions = "a.csv"\n[costs]\nunit_costs = "u.csv"\nprogramme = "p.csv"\n'
        f'price_year = "2024/25"\nperspective = "provider"\ndiscount_rate = {rate}\n',
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        load_config(tmp_path / "study.toml")
    assert "costs.discount_rate" in str(caught.value)
    assert words in str(caught.value)
    assert "write the rate as a share: 0.035, not 3.5" in str(caught.value)


def test_cost_over_no_time_is_refused() -> None:
    with pytest.raises(
        NotIdentifiedError, match="there is no person-time to divide the cost of these people by"
    ) as caught:
        cost_rate(np.array([100.0]), np.array([0.0]))
    assert caught.value.exit_code == ExitCode.NOT_IDENTIFIED


def test_a_caseload_without_time_at_risk_is_refused(tmp_path: Path) -> None:
    write_prices(tmp_path)
    panel = caseload_panel()
    assert panel.people is not None
    panel.people["death_t"] = pd.array([0] * len(panel.people), dtype="Int64")
    config = price_config(tmp_path)
    with pytest.raises(NotIdentifiedError, match="there is no person-time to divide the cost of the caseload by"):
        cost_service(panel, [entry_rule_cost()], verdict("lower"), config, load_prices(config))


@pytest.mark.parametrize(
    ("starts", "words"),
    [([24, 24], "no hospital without the service is in these data"), ([None, None], "no hospital with people in it starts the service")],
)  # fmt: skip
def test_arms_without_patients_are_refused(starts: list[int | None], words: str) -> None:
    panel = caseload_panel()
    panel.units["start_t"] = pd.array([pd.NA if s is None else s for s in starts], dtype="Int64")
    panel.extra["entry_rule"] = "1 admissions in 12 months"
    analysis = Analysis("entry_rule_cost", "entry_rule", "entry_rule", "hospital_cost")
    found = build_estimator("entry_rule", {}).objections(panel, analysis)
    assert any(words in p.what for p in found), [p.what for p in found]
