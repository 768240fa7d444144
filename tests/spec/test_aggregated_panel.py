"""An already aggregated table: its columns, periods, starts and holes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaot_eval.errors import InputError
from aaot_eval.panel import read_panel
from aaot_eval.panel.aggregated.file import value_class
from aaot_eval.panel.aggregated.periods import parse_period
from aaot_eval.pipeline import run_evaluation
from aaot_eval.results import BESIDE
from tests.costs_builders import write_prices
from tests.drawn import study

TRUSTS = """unit,period,admissions,population,starts
N,2024-01,10,1000,2024-03
N,2024-02,11,1000,2024-03
N,2024-03,,1000,2024-03
N,2024-04,13,1000,2024-03
S,2024-01,20,2000,
S,2024-02,21,2000,
S,2024-04,23,2000,
E,2024-01,900,9000,
E,2024-02,910,9000,
E,2024-03,920,9000,
E,2024-04,930,9000,
"""
PANEL = {"exposure": "population", "start": "starts", "beside": ["E"]}


def made(home: Path, content: str = TRUSTS, panel=None, name: str = "panel.csv", **asked):
    return read_panel(
        study(home, {name: content}, panel=PANEL if panel is None else panel, study={"outcome": "admissions", **asked})
    )


def refusal(home: Path, content: str = TRUSTS, panel=None, **asked) -> str:
    with pytest.raises(InputError) as caught:
        made(home, content, panel, **asked)
    return str(caught.value)


def test_a_panel_is_read_as_it_stands(tmp_path):
    panel = made(tmp_path)
    assert list(panel.units.index) == ["E", "N", "S"]
    assert panel.matrix("admissions")[1:].tolist()[0][:2] == [10, 11]
    assert panel.matrix("exposure")[1, 0] == pytest.approx(1000 * 31 / 365.25)
    assert panel.units["population"].tolist() == [9000, 1000, 2000]
    assert (panel.frequency, panel.season_length, panel.exposure_unit) == ("month", 12, "person-years")
    assert panel.extra["sources"][0].rows == 11


def test_a_blank_cell_and_an_absent_row_are_missing_never_zero(tmp_path):
    panel = made(tmp_path)
    assert panel.matrix("missing").tolist() == [[False] * 4, [False, False, True, False], [False, False, True, False]]
    assert np.isnan(panel.matrix("admissions")[1, 2])
    assert np.isnan(panel.matrix("admissions")[2, 2])


def test_units_beside_never_start_and_keep_their_start_apart(tmp_path):
    panel = made(tmp_path, TRUSTS.replace("9000,", "9000,2024-02"))
    assert panel.units["group"].tolist() == [BESIDE, "", ""]
    assert panel.units["start_t"].tolist() == [pd.NA, 2, pd.NA]
    assert panel.extra["beside_start_t"] == {"E": 1}
    assert panel.treated_units == ["N"]


def test_a_group_called_beside_is_a_group_like_any_other(tmp_path):
    content = "\n".join(f"{x},{'region' if i == 0 else ' beside '}" for i, x in enumerate(TRUSTS.splitlines())) + "\n"
    panel = made(tmp_path, content, {**PANEL, "group": "region", "outcomes": {"admissions": "count"}})
    assert panel.units["group"].tolist() == [BESIDE, "beside", "beside"]
    assert panel.comparison_units == ["S"]


@pytest.mark.parametrize(
    ("asked", "starts"),
    [
        ({"service_start": "2024-02"}, [pd.NA, 1, 1]),
        ({"service_start": "2024-02", "comparison": ["S"]}, [pd.NA, 1, pd.NA]),
        ({"starts": {"N": "2024-04"}}, [pd.NA, 3, pd.NA]),
        ({"starts": {"N": "2024-04"}, "service_start": "2024-03"}, [pd.NA, 3, 2]),
    ],
)
def test_starts_come_from_the_column_then_by_unit_then_for_all(tmp_path, asked, starts):
    panel = made(
        tmp_path, panel={"exposure": "population", "beside": ["E"], "outcomes": {"admissions": "count"}}, **asked
    )
    assert panel.units["start_t"].tolist() == starts


def test_stop_and_periods_left_out(tmp_path):
    panel = made(tmp_path, stop="2024-03", left_out=["2024-02"])
    assert panel.units["stop_t"].tolist() == [pd.NA, 2, pd.NA]
    assert panel.matrix("treated")[1].tolist() == [False, False, True, False]
    assert panel.periods["left_out"].tolist() == [False, True, False, False]


def test_the_window_cuts_and_gaps_in_time_stay_gaps(tmp_path):
    rows = "\n".join(line for line in TRUSTS.splitlines() if "2024-03," not in line or line.startswith("N"))
    panel = made(tmp_path, rows.replace("N,2024-03,,1000,2024-03\n", ""), last_period="2024-04")
    assert panel.periods["clock"].diff().tolist()[1:] == [1, 2]
    assert panel.units["start_t"]["N"] == 2
    assert made(tmp_path / "cut", last_period="2024-03").periods["label"].tolist() == ["2024-01", "2024-02", "2024-03"]


def test_a_file_without_units_is_one_series(tmp_path):
    panel = made(tmp_path, "period,admissions\n2024-01,5\n2024-02,6\n2024-03,7\n", panel={}, service_start="2024-03")
    assert list(panel.units.index) == ["drawn"]
    assert panel.matrix("exposure")[0] == pytest.approx(np.array([31, 29, 31]) / 365.25)
    assert panel.exposure_unit == "years"


def test_kinds_of_outcome(tmp_path):
    content = "unit,period,share,score\nA,2024Q1,0.5,1.25\nA,2024Q2,0.25,-3\n"
    panel = read_panel(
        study(
            tmp_path,
            {"panel.csv": content},
            panel={"frequency": "quarter", "outcomes": {"share": "share", "score": "continuous"}},
        )
    )
    assert [(o.name, o.kind) for o in panel.outcomes] == [("share", "share"), ("score", "continuous")]
    assert (panel.season_length, panel.periods["season"].tolist(), panel.periods["days"].tolist()) == (
        4,
        [1, 2],
        [91, 91],
    )


def test_integer_periods_have_no_days_and_zero_is_never(tmp_path):
    content = "unit,period,y,first,n\nA,1,5,0,10\nA,2,5,0,10\nB,1,5,2,20\nB,2,6,2,20\n"
    panel = read_panel(
        study(
            tmp_path,
            {"panel.csv": content},
            panel={"frequency": "integer", "start": "first", "exposure": "n", "outcomes": {"y": "count"}},
        )
    )
    assert panel.units["start_t"].tolist() == [pd.NA, 1]
    assert panel.matrix("exposure").tolist() == [[10, 10], [20, 20]]


def test_covariates_weights_clusters_and_groups_are_kept(tmp_path):
    content = "unit,period,y,age,w,region,arm\nA,2024-01,5,40,2,north,a\nA,2024-02,5,41,2,north,a\nB,2024-01,6,50,3,south,b\nB,2024-02,6,51,3,south,b\n"
    roles = {"covariates": ["age"], "weight": "w", "cluster": "region", "group": "arm", "outcomes": {"y": "count"}}
    panel = read_panel(study(tmp_path, {"panel.csv": content}, panel=roles))
    assert panel.matrix("age").tolist() == [[40, 41], [50, 51]]
    assert panel.matrix("w").tolist() == [[2, 2], [3, 3]]
    assert panel.units["cluster"].tolist() == ["north", "south"]
    assert panel.units["group"].tolist() == ["a", "b"]


def test_a_parquet_panel_reads_like_its_csv(tmp_path):
    plain = made(tmp_path)
    frame = pd.read_csv(tmp_path / "panel.csv")
    frame["period"] = pd.to_datetime(frame["period"])
    frame.to_parquet(tmp_path / "whole.parquet")
    config = study(tmp_path, {}, data={"panel": "whole.parquet"}, panel=PANEL, study={"outcome": "admissions"})
    pd.testing.assert_frame_equal(read_panel(config).cells, plain.cells)


@pytest.mark.parametrize(
    ("text", "frequency", "period"),
    [
        ("2024-04", "month", "2024-04"), ("2024-04-01", "month", "2024-04"), ("202404", "month", "2024-04"), ("Apr-24", "month", "2024-04"),
        ("1-Apr-24", "month", "2024-04"), ("April 2024", "month", "2024-04"), ("2024/04", "month", "2024-04"), ("2024Q2", "quarter", "2024Q2"),
        ("2024_Q2", "quarter", "2024Q2"), ("Q22024", "quarter", "2024Q2"), ("2024-05-01", "quarter", "2024Q2"), ("2024", "year", "2024"),
        ("17", "integer", "17"), ("17.0", "integer", "17"),
        ("01/04/2024", "month", "None"), ("4", "month", "None"), ("soon", "year", "None"), ("1.5", "integer", "None"),
    ],
)  # fmt: skip
def test_periods_that_read_without_guessing(text, frequency, period):
    assert str(parse_period(text, frequency)) == period


REFUSALS = {
    "unit-period twice": (TRUSTS + "S,2024-01,99,2000,\n", {}, ["X214", "S has the same period twice", "panel.csv, line 13 and panel.csv, line 6"]),
    "unit in two spellings": (TRUSTS.replace("S,2024-02", "s\u00a0\u200b,2024-02"), {}, ["X214", "S is written in two ways", "panel.csv, line 6 and panel.csv, line 7"]),
    "line of totals": (TRUSTS.replace(",,1000", ",12,1000") + "S,2024-03,22,2000,\n" + "".join(f"All,2024-0{m},{n},12000,\n" for m, n in enumerate((930, 942, 954, 966), 1)), {}, ["X214", "All is the sum of all other units in every period", "panel.csv, line 14"]),
    "period that does not read": (TRUSTS.replace("S,2024-02", "S,spring"), {}, ["X213", "panel.csv, line 7, column period: letters", "allowed: 2024-04"]),
    "cell that is no number": (TRUSTS.replace(",21,", ",<5,"), {}, ["X213", "a cell of admissions is not a number", "panel.csv, line 7, column admissions: mixed characters", "leave it blank when it is missing or suppressed"]),
    "count below zero": (TRUSTS.replace(",21,", ",-1,"), {}, ["a cell of admissions is a count below zero"]),
    "count that is no whole number": (TRUSTS.replace(",21,", ",2.5,"), {}, ['declare the outcome as "share" or "continuous"']),
    "denominator missing": (TRUSTS.replace("S,2024-02,21,2000", "S,2024-02,21,"), {}, ["no denominator above zero", "S, 2024-02, column population"]),
    "start that changes": (TRUSTS.replace("N,2024-02,11,1000,2024-03", "N,2024-02,11,1000,2024-02"), {}, ["X214", "starts of N is not the same in all periods"]),
    "start before the data": (TRUSTS, {"starts": {"N": "2023-01"}}, ["D320", "the service at N starts before there is anything to compare with"]),
    "start after the data": (TRUSTS, {"starts": {"N": "2025-01"}}, ["D320", "no service starts inside the data"]),
    "unknown units": (TRUSTS, {"starts": {"W": "2024-02"}, "comparison": ["V"]}, ["D322", "study.starts names units that are not in the panel: W", "study.comparison names units that are not in the panel: V"]),
    "comparison with a start": (TRUSTS, {"starts": {"S": "2024-03"}, "comparison": ["S"]}, ["C107", "S is in study.comparison and has a start"]),
    "window outside the data": (TRUSTS, {"last_period": "2024-09"}, ["D320", "study.last_period lies outside the data", "2024-01 to 2024-04"]),
    "line cut short": (TRUSTS + "S,2024-03\n", {}, ["X203", "panel.csv, line 13"]),
    "infinite cell": (TRUSTS.replace(",21,", ",inf,"), {}, ["a cell of admissions is not a number", "panel.csv, line 7, column admissions: letters"]),
    "the word nan": (TRUSTS.replace(",21,", ",nan,"), {}, ["a cell of admissions is not a number", "panel.csv, line 7"]),
    "absurd number": (TRUSTS.replace(",21,", ",2e12,"), {}, ["a cell of admissions is larger than any count or cost", "panel.csv, line 7"]),
    "thousands separated": (TRUSTS.replace(",21,", ',"1,021",'), {}, ["a cell of admissions has a separator of thousands: write 1234", "panel.csv, line 7"]),
    "column twice": (TRUSTS.replace("starts", "starts,admissions", 1).replace("2024-03\n", "2024-03,7\n").replace("0,\n", "0,,7\n"), {}, ["the column admissions stands 2 times in the header", "columns 3, 6"]),
    "header lost": (TRUSTS.split("\n", 1)[1], {}, ["line 1 does not hold column names (it may hold data): add the header line"]),
    "header only": (TRUSTS.splitlines()[0] + "\n", {}, ["X203", "holds a header and no rows"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_name_the_place(tmp_path, case):
    content, asked, words = REFUSALS[case]
    message = refusal(tmp_path, content, **asked)
    for word in words:
        assert word in message
    assert "<5" not in message
    assert "2e12" not in message
    assert "1,021" not in message


def test_the_same_fault_of_many_rows_is_told_once_with_how_many_and_the_first_places(tmp_path):
    message = refusal(tmp_path, TRUSTS.replace(",2024-", ",24/"))
    assert message.count("X213") == 1
    rows = len(TRUSTS.splitlines()) - 1
    assert f"a period does not read as a month ({rows} times)" in message
    assert "line 2, column" in message
    assert "line 5, column" not in message
    assert f"; and {rows - 3} more" in message


def test_units_with_a_period_twice_are_told_once_with_how_many_and_the_first_three(tmp_path):
    header, first = TRUSTS.splitlines()[:2]
    rows = [first.replace("N,", f"Trust {name},", 1) for name in ("East", "West", "Mid", "Coast", "Hill")]
    message = refusal(tmp_path, "\n".join([header, *rows, *rows]) + "\n")
    assert message.count("X214") == 1
    assert "Trust East, Trust West, Trust Mid and 2 more have the same period twice" in message
    assert "panel.csv, line 7 and panel.csv, line 2; " in message
    assert "line 10 " not in message


def test_faults_beyond_the_most_that_are_shown_are_counted(tmp_path):
    header, first = TRUSTS.splitlines()[:2]
    rows = [first.replace("N,", f"{name}{i},", 1) for i in range(25) for name in ("Trust", "trust")]
    message = refusal(tmp_path, "\n".join([header, *rows]) + "\n")
    assert message.count("is written in two ways") == 20
    assert "and 5 further faults of the panel" in message


def test_rows_and_periods_that_are_not_there_are_found(tmp_path):
    found = [(f.code, f.where, f.records, f.detail) for f in made(tmp_path).findings]
    assert found == [("D345", "S", 1, "")]
    holed = "".join(line for line in TRUSTS.splitlines(keepends=True) if ",2024-03," not in line)
    found = [(f.where, f.records, f.detail) for f in made(tmp_path, holed).findings]
    assert found == [("panel", None, "months absent altogether: 1")]


def test_a_denominator_with_a_nought_too_many_is_named(tmp_path):
    panel = made(tmp_path, TRUSTS.replace("S,2024-02,21,2000", "S,2024-02,21,20000"))
    assert [(f.where, f.detail) for f in panel.findings if f.code == "D416"] == [("S", "2024-02, 2024-04")]


def test_a_column_that_is_not_there_is_named_with_near_ones(tmp_path):
    message = refusal(tmp_path, TRUSTS.replace("unit,", "org_unit,"), {**PANEL, "unit": "unit"})
    assert "there is no column 'unit' for panel.unit" in message
    assert 'unit = "org_unit"' in message


def test_files_may_differ_in_columns_that_are_not_read_and_one_that_lacks_a_column_is_named(tmp_path):
    head, *lines = TRUSTS.splitlines(keepends=True)
    first, second = (
        head + "".join(lines[:4]),
        head.replace("\n", ",note\n") + "".join(line.replace("\n", ",x\n") for line in lines[4:]),
    )
    named = {**PANEL, "outcomes": {"admissions": "count"}}
    asked = {"panel": named, "study": {"outcome": "admissions"}, "data": {"panel": "q*.csv"}}
    whole = read_panel(study(tmp_path / "a", {"q1.csv": first, "q2.csv": second}, **asked))
    pd.testing.assert_frame_equal(whole.cells, made(tmp_path / "b").cells)
    for name in ("unit", "admissions", "population"):
        lacking = second.replace(name, "other", 1)
        with pytest.raises(InputError) as caught:
            read_panel(study(tmp_path / name, {"q1.csv": first, "q2.csv": lacking}, **asked))
        assert f"there is no column {name!r}" in str(caught.value)
        assert "q2.csv" in str(caught.value)
    with pytest.raises(InputError, match=r"there is no column 'note' for panel\.outcomes"):
        read_panel(study(tmp_path / "any", {"q1.csv": first, "q2.csv": second}, **{**asked, "panel": PANEL}))
    twice = second.replace("note", "admissions", 1)
    with pytest.raises(InputError, match="the column admissions stands 2 times in the header"):
        read_panel(study(tmp_path / "twice", {"q1.csv": first, "q2.csv": twice}, **asked))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no file panel\.cvs") as caught:
        read_panel(study(tmp_path, {"panel.csv": TRUSTS}, data={"panel": "panel.cvs"}))
    assert "panel.csv" in str(caught.value)


def test_value_classes_never_repeat_the_value():
    assert [value_class(t) for t in ("", "17", "1.5", "2024-01-01", "abc", "a1")] == [
        "empty",
        "digits",
        "decimal number",
        "like a date",
        "letters",
        "mixed characters",
    ]


# The field's own files ------------------------------------------------------------------------------------------------


def reference(shared: Path, folder: str, **parts):
    config = study(shared, {}, **parts)
    config._home = shared / "reference_cases" / folder
    return read_panel(config)


def test_trusts_of_england(shared):
    panel = reference(
        shared,
        "its/nhs_ae_admissions_placebo",
        data={"panel": "data_trusts.csv"},
        panel={"unit": "org_code"},
        study={"outcome": "admissions"},
    )
    assert (len(panel.units), [o.name for o in panel.outcomes]) == (12, ["attendances", "admissions"])
    assert panel.matrix("admissions")[list(panel.units.index).index("R1H"), :2].tolist() == [6424, 6673]
    assert not panel.cells["missing"].any()


def test_hospitals_with_few_treated(shared):
    panel = reference(
        shared, "did/hospital_few_treated", data={"panel": "data.csv"}, study={"outcome": "admissions"},
        panel={"unit": "hospital", "period": "month", "frequency": "integer", "start": "first_month", "exposure": "population", "outcomes": {"admissions": "count"}},
    )  # fmt: skip
    raw = pd.read_csv(shared / "reference_cases" / "did" / "hospital_few_treated" / "data.csv")
    assert set(panel.treated_units) == set(raw["hospital"][raw["first_month"] > 0])
    assert int(panel.cells["admissions"].sum()) == int(raw["admissions"].sum())
    assert panel.cells["treated"].to_numpy().sum() == raw["treated"].sum()


def test_costs_asked_of_a_panel_without_people_are_said_to_be_none(tmp_path):
    """There is nobody to share a saving over: no table of money, and the reason on the first page and in the limits of the run."""
    rng = np.random.default_rng(4)
    rows = ["unit,period,admissions,population,starts"]
    for u in range(6):
        start = "2021Q1" if u < 2 else ""
        rows += [f"U{u},{2018 + q // 4}Q{q % 4 + 1},{rng.poisson(90)},100000,{start}" for q in range(24)]
    write_prices(tmp_path)
    config = study(
        tmp_path, {"panel.csv": "\n".join(rows) + "\n"}, panel={"exposure": "population", "start": "starts", "frequency": "quarter"},
        study={"outcome": "admissions"},
        costs={"unit_costs": "unit_costs.csv", "programme": "programme.csv", "price_year": "2024/25", "perspective": "provider"},
    )  # fmt: skip
    result = run_evaluation(config)
    assert result.costs is None
    headline = result.tables["headline"].set_index("question")["sentence"]
    assert (
        headline["What does it cost or save?"] == "No costs: the input is an aggregated panel, which holds no people."
    )
    assert {
        "stage": "patients and costs",
        "why": "the input is an aggregated panel: it holds no people",
    } in result.meta["skipped"]
    assert not {"saving", "service_cost", "cost_items", "averted_activity"} & set(result.tables)


@pytest.mark.parametrize("name", ["exposure", "missing", "treated", "t", "unit", "admissions_persons"])
def test_an_outcome_named_like_a_column_of_the_panel_itself_is_refused(tmp_path, name):
    content = TRUSTS.replace("unit,", "site,").replace("admissions", f"admissions,{name}")
    rows = [line.split(",") for line in content.splitlines()]
    content = "\n".join(",".join(r if i == 0 else [*r[:3], "7", *r[3:]]) for i, r in enumerate(rows)) + "\n"
    panel = {**PANEL, "unit": "site", "outcomes": {"admissions": "count", name: "count"}}
    text = refusal(tmp_path, content, panel)
    assert "X217" in text
    assert repr(name) in text
    assert "rename the column" in text
    if name != "t":  # never taken for an outcome by itself
        assert "X217" in refusal(tmp_path / "default", content, {**PANEL, "unit": "site"})
    covariate = {**panel, "outcomes": {"admissions": "count"}, "covariates": [name]}
    assert "X217" in refusal(tmp_path / "covariate", content, covariate)


def test_the_denominator_may_be_called_exposure(tmp_path):
    panel = made(tmp_path, TRUSTS.replace("population", "exposure"), {**PANEL, "exposure": "exposure"})
    assert panel.matrix("exposure")[1, 0] == pytest.approx(1000 * 31 / 365.25)


def test_an_underscore_in_a_number_is_refused(tmp_path):
    text = refusal(tmp_path, TRUSTS.replace("2024-01,10,", "2024-01,1_00,"))
    assert "X213" in text
    assert "is not a number" in text
    assert "1_00" not in text


YEAR = [f"2024-{m:02d}" for m in range(1, 13)]


def of_units(tmp_path, **counts):
    """The findings of a panel with a column of twelve counts for each unit, as (code, where, detail)."""
    lines = [f"{u},{m},{n}" for u, row in counts.items() for m, n in zip(YEAR, row, strict=True)]
    panel = made(tmp_path, "unit,period,admissions\n" + "\n".join(lines) + "\n", {})
    return [(f.code, f.where, f.detail) for f in panel.findings if f.code in ("D423", "D424")]


def test_one_unit_under_two_names_is_named(tmp_path):
    row = [5, 9, 4, 7, 8, 6, 5, 9, 3, 7, 8, 6]
    assert of_units(tmp_path, A=row, B=row, C=row[::-1]) == [("D423", "A, B", "admissions")]
    assert of_units(tmp_path, A=[1] * 12, B=[1] * 12) == []
    few = [1, 0, 2, 0, 1, 0, 0, 3, 0, 1, 0, 0]
    assert of_units(tmp_path, A=few, B=few) == []


def test_noughts_that_stand_for_blanks_are_named_at_either_end_and_between(tmp_path):
    full = [11, 9, 12, 10, 11, 9, 12, 8, 11, 9, 10, 13]
    assert of_units(tmp_path, A=[0] * 3 + full[3:], B=full) == [("D424", "A", "admissions: 2024-01 to 2024-03")]
    assert of_units(tmp_path, A=[*full[:5], 0, *full[6:]], B=full) == [("D424", "A", "admissions: 2024-06")]
    assert of_units(tmp_path, A=[""] * 3 + full[3:], B=full) == []
    rare = [1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0]
    assert of_units(tmp_path, A=rare, B=[0] * 12, C=full) == []
