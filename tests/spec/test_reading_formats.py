"""Refusals and readings of formats: workbooks, headers that fit two formats or none, cut codes, Scottish codes, keys that are made."""

from __future__ import annotations

import gzip
import io
import re
import zipfile

import pandas as pd
import pytest

from aaot_eval.engine import workbooks
from aaot_eval.errors import InputError
from aaot_eval.ingest import recognise
from aaot_eval.schema import table_schema
from aaot_eval.synthetic.workbook import workbook
from tests.drawn import csv_text, episodes, panel_of, read, rows_of, study, two_years

APC = csv_text(episodes("person admitted end key\nA 2022-05-01 2022-05-03 1\nB 2022-05-31 2022-05-31 2"))
WINDOW = {"complete_to": "2022-05-31"}
CASELOAD = [["person", "site", "referred", "ended", "reason"], ["A", "RX1", "2022-05-04", "", "moved away"]]
SCOTTISH = (
    "LINK_NO,URI,CIS_MARKER,ADMISSION_DATE,DISCHARGE_DATE,ADMISSION_TYPE,DISCHARGE_TYPE,INPATIENT_DAYCASE_IDENTIFIER,"
    "LOCATION,SEX,AGE_IN_YEARS,MAIN_CONDITION,OTHER_CONDITION_5\n"
)


def message(home, files, **parts) -> str:
    parts.setdefault("data", WINDOW)
    with pytest.raises(InputError) as stopped, read(study(home, files, **parts)):
        pass
    return str(stopped.value)


# Workbooks ----------------------------------------------------------------------------------------------------------


def test_a_workbook_gives_dates_numbers_and_texts_as_they_are(tmp_path):
    rows = [
        ["person", "site", "referred", "ended", "reason"],
        ["A", "RX1", "2022-05-04", "2022-05-20", "12"],
        ["B", "RX1", "2022-05-05", "", "0012"],
    ]
    with read(
        study(tmp_path, {"admissions.csv": APC, "caseload.xlsx": workbook({"Team list": rows})}, data=WINDOW)
    ) as tables:
        assert rows_of(tables, "SELECT referred, ended, reason FROM caseload_read ORDER BY row") == [
            ("2022-05-04", "2022-05-20", "12"),
            ("2022-05-05", None, "0012"),
        ]
        said = [(f.code, f.where, f.detail) for f in tables.findings if f.code == "X270"]
        assert said == [("X270", "caseload.xlsx", "sheet Team list")]
        source = next(s for s in tables.sources if s.table == "caseload")
        assert source.bytes == (tmp_path / "caseload.xlsx").stat().st_size


REFUSED = {
    "several sheets": (workbook({"a": CASELOAD, "b": CASELOAD}), ["X271", "2 sheets with something in them"]),
    "an empty book": (workbook({"a": []}), ["X271", "0 sheets"]),
    "joined header": (workbook({"a": CASELOAD}, merged="A1:B1"), ["X272", "joined cells", "sheet a, row 1"]),
    "rounded keys": (
        workbook({"a": [*CASELOAD, ["12345678901234567890", "RX1", "2022-05-04", "", ""]]}),
        ["X274", "more than 15 figures", "row 3, column 1"],
    ),
    "not a workbook": (b"person,site\n", ["X202", "cannot be read as a workbook"]),
    "a title above the header": (
        workbook({"a": [["Our caseload"], *CASELOAD]}),
        ["X208", "the column names of caseload.xlsx stand in line 2, below a title", "delete line 1"],
    ),
}


def with_cell(content: bytes, place: str, kind: str, inside: str) -> bytes:
    """A workbook with another cell in a place of its first sheet, as the parts of the file have it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(packed, "w") as out:
        for name in given.namelist():
            text = given.read(name).decode()
            if name == "xl/worksheets/sheet1.xml":
                text, found = re.subn(rf'<c r="{place}".*?</c>', f'<c r="{place}"{kind}>{inside}</c>', text)
                assert found == 1
            out.writestr(name, text)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("kind", "inside"),
    [(' t="e"', "<v>#REF!</v>"), (' t="e"', "<f>B9</f><v>#N/A</v>"), ("", "<f>B9+1</f>"), ("", "<f>B9+1</f><v></v>")],
)
def test_a_cell_that_excel_has_no_value_for_is_no_empty_cell(tmp_path, kind, inside):
    caseload = with_cell(workbook({"a": CASELOAD}), "C2", kind, inside)
    text = message(tmp_path, {"admissions.csv": APC, "caseload.xlsx": caseload})
    for word in ("X280", "1 cell of caseload.xlsx without a value", "caseload.xlsx, C2", "save the workbook in Excel"):
        assert word in text


@pytest.mark.parametrize("name", ["worker", "#REF!"])
def test_a_cell_without_a_value_in_a_column_that_is_not_read_is_a_note(tmp_path, name):
    more = [[*row, extra] for row, extra in zip(CASELOAD, [name, *"x" * (len(CASELOAD) - 1)], strict=True)]
    last = "ABCDEFGHIJ"[len(CASELOAD[0])]
    given = with_cell(workbook({"a": more}), f"{last}2", ' t="e"', "<v>#REF!</v>")
    with read(study(tmp_path, {"admissions.csv": APC, "caseload.xlsx": given}, data=WINDOW)) as tables:
        said = [(f.where, f.detail, f.records) for f in tables.findings if f.code == "X281"]
        assert said == [("caseload.xlsx", f"{last}2", 1)]
        assert len(rows_of(tables, "SELECT person FROM caseload_read")) == len(CASELOAD) - 1


def test_a_formula_counts_by_its_result_even_by_an_empty_one(tmp_path):
    worked_out = with_cell(workbook({"a": CASELOAD}), "C2", ' t="str"', '<f>TEXT(B9,"x")</f><v>2022-05-04</v>')
    empty = with_cell(worked_out, "E2", ' t="str"', '<f>""</f><v></v>')
    with read(study(tmp_path, {"admissions.csv": APC, "caseload.xlsx": empty}, data=WINDOW)) as tables:
        assert rows_of(tables, "SELECT referred, reason FROM caseload_read") == [("2022-05-04", None)]


@pytest.mark.parametrize("case", REFUSED)
def test_a_workbook_that_cannot_be_read_safely_is_refused_in_words(tmp_path, case):
    content, words = REFUSED[case]
    text = message(tmp_path, {"admissions.csv": APC, "caseload.xlsx": content})
    for word in words:
        assert word in text


def test_prices_and_the_programme_may_be_workbooks(tmp_path):
    from aaot_eval.costs.price_files import Refusals, read_lines
    from aaot_eval.synthetic.money import UNIT_COSTS

    header = ["item", "unit", "value", "low", "high", "std_error", "price_year", "perspective", "source"]
    rows = [header, *([str(c) for c in row] for row in UNIT_COSTS)]
    (tmp_path / "a.csv").write_text("\n".join(",".join(r) for r in rows) + "\n", encoding="utf-8")
    (tmp_path / "a.xlsx").write_bytes(workbook({"prices": rows}))
    found = []
    for name in ("a.csv", "a.xlsx"):
        refusals = Refusals(name)
        lines = read_lines(tmp_path / name, "unit_costs", refusals)
        assert not refusals.problems
        found.append([{k: _plain_number(v) for k, v in line.cells.items()} for line in lines])
    assert found[0] == found[1]
    (tmp_path / "b.xlsx").write_bytes(workbook({"prices": rows, "old": rows}))
    refusals = Refusals("b.xlsx")
    read_lines(tmp_path / "b.xlsx", "unit_costs", refusals)
    assert [p.code for p in refusals.problems] == ["X271"]


def _plain_number(text: str) -> str:
    """A number that Excel keeps as a number has no noughts at its end."""
    return f"{float(text):g}" if text.replace(".", "", 1).isdigit() else text


def test_a_second_sheet_without_anything_in_it_is_no_reason_to_refuse(tmp_path):
    book = workbook({"a": CASELOAD, "Sheet2": []})
    with read(study(tmp_path, {"admissions.csv": APC, "caseload.xlsx": book}, data=WINDOW)) as tables:
        assert tables.counts["caseload"] == 1


def test_names_of_a_workbook_broken_in_two_lines_are_names(tmp_path):
    header = ["person", "site", " referred\n", "Ended", "reason\nof the end"]
    book = workbook({"a": [header, *CASELOAD[1:]]})
    config = study(
        tmp_path,
        {"admissions.csv": APC, "caseload.xlsx": book},
        data={**WINDOW, "columns": {"caseload": {"reason": "reason of the end"}}},
    )
    with read(config) as tables:
        assert tables.counts["caseload"] == 1
        assert not [f for f in tables.findings if f.code == "X210" and "caseload" in f.where]


def test_admissions_are_not_read_from_a_workbook(tmp_path):
    text = message(tmp_path, {"admissions.xlsx": workbook({"a": CASELOAD})})
    assert "X277" in text
    assert "1,048,576 rows" in text


def test_a_workbook_that_unpacks_without_end_is_refused_by_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(workbooks, "MOST_UNPACKED", 1 << 20)
    path = tmp_path / "caseload.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (3 << 20))
    assert "X273  caseload.xlsx unpacks to more than 1 MiB" in message(
        tmp_path, {"admissions.csv": APC, "caseload.xlsx": path.read_bytes()}
    )


def test_a_packed_extract_that_unpacks_a_thousandfold_is_refused_by_a_limit(tmp_path):
    content = gzip.compress(APC.encode() + b"0" * (70 << 20), 9)
    text = message(tmp_path, {"admissions.csv.gz": content})
    assert "X275" in text
    assert "64 MiB, or 200 times the packed size" in text


# Recognition --------------------------------------------------------------------------------------------------------


def test_a_header_in_no_format_is_refused_with_the_nearest_and_what_it_lacks(tmp_path):
    text = message(tmp_path, {"admissions.csv": "TOKEN_PERSON_ID,EPIKEY,ADMIDATE,WARD\nA,1,2022-05-01,W\n"})
    assert "X208" in text
    assert "the nearest is hes_apc, which also has EPISTART, EPIEND, EPIORDER, EPISTAT, CLASSPAT, ADMIMETH" in text


def test_a_header_that_fits_two_formats_alike_is_refused_until_one_is_named(tmp_path, monkeypatch):
    one, other = table_schema("extracts", "hes_ae"), table_schema("extracts", "ecds")
    header = ["TOKEN_PERSON_ID", "AEKEY", "ARRIVALDATE", "PROCODE3", "EPIKEY", "ARRIVAL_DATE", "PROVIDER_CODE"]
    monkeypatch.setattr(recognise, "extract_formats", lambda table: (one, other))
    (problem,) = recognise._ambiguous("attendances", header, {}, tmp_path / "ed.csv")
    assert problem.code == "X260"
    assert "[data.formats] attendances" in problem.do


def test_diagnoses_cut_to_three_characters_are_refused(tmp_path):
    text = message(tmp_path, {"admissions.csv": APC.replace("DIAG_01", "DIAG_3_01")})
    assert "X261" in text
    assert "K29.2 cannot be told" in text


def test_all_diagnoses_in_one_cell_are_read_by_position(tmp_path):
    rows = [
        {k: v for k, v in row.items() if not k.startswith("DIAG")} | {"DIAG_4_CONCAT": "R074, K292,,F102"}
        for row in episodes("person\nA")
    ]
    extra = csv_text([*rows, *({**r, "EPIKEY": "9", "TOKEN_PERSON_ID": "B", "DIAG_4_CONCAT": "-"} for r in rows)])
    with read(study(tmp_path, {"admissions.csv": extra}, data=WINDOW)) as tables:
        assert tables.counts["episodes"] == 2
        assert rows_of(tables, "SELECT count(*) FROM stays WHERE alcohol_specific = 1") == [(1,)]


# Codes and keys -----------------------------------------------------------------------------------------------------


def test_scottish_records_become_the_classes_of_our_rules(tmp_path):
    rows = [
        "P1,1,1,20220501,20220502,21,11,I,A111H,1,50,F102,", "P2,2,1,2022/05/03 00:00:00,2022/05/05 00:00:00,36,42,I,A111H,2,60,R074,K292",
        "P3,3,1,10052022,10052022,10,11,D,A111H,1,40,M545,", "P4,4,1,20220511,20220512,18,11,I,A111H,1,40,R074,",
        "P5,5,1,20220512,20220513,42,11,I,A111H,2,30,O800,", "P6,6,1,20220530,20220531,48,11,I,A111H,1,30,R074,",
    ]  # fmt: skip
    with read(study(tmp_path, {"admissions.csv": SCOTTISH + "\n".join(rows) + "\n"}, data=WINDOW)) as tables:
        found = rows_of(
            tables,
            "SELECT CAST(episode_key AS VARCHAR), admission_date, admission_method, discharge_method, patient_class FROM episodes ORDER BY episode_key",
        )
        assert found == [
            ("1", "2022-05-01", "28", None, "1"), ("2", "2022-05-03", "28", "4", "1"), ("3", "2022-05-10", "11", None, "2"),
            ("4", "2022-05-11", "81", None, "1"), ("5", "2022-05-12", "31", None, "1"), ("6", "2022-05-30", "99", None, "1"),
        ]  # fmt: skip
        assert rows_of(tables, "SELECT sum(alcohol_specific), sum(emergency), sum(died) FROM stays") == [(2, 2, 1)]


def test_a_key_is_made_where_a_format_has_none(tmp_path):
    header = (
        "Person ID,Hospital Provider Spell No,Episode Number,Start Date (Hospital Provider Spell),Episode Start Date,Episode End Date,"
        "Patient Classification,Admission Method (Hospital Provider Spell),Organisation Code (Code of Provider),Primary Diagnosis Code\n"
    ).replace("Person ID", "STUDY_ID")
    rows = [
        "A,S1,1,01/05/2022,01/05/2022,02/05/2022,1,21,RX1,F10.2",
        "A,S1,99,01/05/2022,02/05/2022,31/05/2022,1,21,RX1,R074",
        "B,S2,1,03/05/2022,03/05/2022,,1,21,RX1,R074",
    ]
    with read(study(tmp_path, {"admissions.csv": header + "\n".join(rows) + "\n"}, data=WINDOW)) as tables:
        assert rows_of(tables, "SELECT episode_key FROM episodes ORDER BY 1") == [
            ("RX1-S1--2022-05-02",),
            ("RX1-S1-1-2022-05-01",),
        ]
        assert [(s.step, s.lost) for s in tables.flow if s.step == "finished episodes"] == [("finished episodes", 1)]


def test_attendances_before_and_after_2020_make_one_table(tmp_path):
    files = {
        "admissions.csv": APC,
        "attendances_ae.csv": "TOKEN_PERSON_ID,AEKEY,ARRIVALDATE,AEATTENDCAT,PROCODE3\nA,1,2022-05-01,1,RX1\nB,2,2022-05-02,2,RX1\n",
        "attendances_ecds.csv": "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,PROVIDER_CODE\nA,7,2022-05-05,RX1\n",
    }
    with read(study(tmp_path, files, data={**WINDOW, "attendances": "attendances_*.csv"})) as tables:
        assert rows_of(tables, "SELECT arrival_date FROM attendances ORDER BY 1") == [("2022-05-01",), ("2022-05-05",)]


# Deaths, contacts, denominators -------------------------------------------------------------------------------------


def test_a_death_link_that_is_not_to_be_used_is_counted_and_left_out(tmp_path):
    deaths = "TOKEN_PERSON_ID,DOD,DOR,DEATH_RECORD_USED\nA,2022-06-01,2022-06-05,1\nB,2022-06-02,,N\n"
    with read(study(tmp_path, {"admissions.csv": APC, "deaths.csv": deaths}, data=WINDOW)) as tables:
        assert rows_of(tables, "SELECT death_date FROM deaths") == [("2022-06-01",)]
        assert [(f.code, f.records) for f in tables.findings if f.code == "D353"] == [("D353", 1)]


def test_contacts_are_counted_with_the_caseload_and_no_outcome(tmp_path):
    contacts = (
        "person,contact_date,kind\nA,2022-05-05,visit\nA,2022-05-05,visit\nA,2022-05-01,visit\nZ,2022-05-05,visit\n"
    )
    files = {
        "admissions.csv": APC,
        "caseload.csv": "person,site,referred\nA,RX1,2022-05-04\n",
        "contacts.csv": contacts,
        "again.csv": contacts,
    }
    with read(study(tmp_path, files, data={**WINDOW, "contacts": ["contacts.csv", "again.csv"]})) as tables:
        assert tables.counts["contacts"] == 3
        assert {f.code: f.records for f in tables.findings if f.code in ("D350", "D351")} == {"D350": 2, "D351": 1}


def test_denominators_change_the_exposure_from_their_date_on(tmp_path):
    files = {
        "admissions.csv": csv_text(episodes(two_years("RX1"))) + csv_text(episodes(two_years("RX2"))).split("\n", 1)[1],
        "sites.csv": "site,go_live,population\nRX1,2022-04-01,1000\nRX2,,500\n",
        "denominators.csv": "site,valid_from,population\nRX1,2021-06-01,2000\nRX1,2022-04-01,4000\n",
    }
    tables, panel = panel_of(study(tmp_path, files, data={"denominators": "denominators.csv"}))
    cells = panel.cells.merge(panel.periods[["label", "days"]], left_on="t", right_index=True)
    people = (cells["exposure"] * 365.25 / cells["days"]).round(6)
    assert people[cells["unit"] == "RX1"].tolist() == [2000.0] * 12 + [4000.0] * 12
    assert set(people[cells["unit"] == "RX2"]) == {500.0}
    assert [f.where for f in tables.findings if f.code == "D352"] == ["RX2"]
    assert [(f.where, f.detail) for f in panel.findings if f.code == "D416"] == [("RX1", "2022-04")]
    files["sites.csv"] = "site,go_live\nRX1,2022-04-01\nRX2,\n"
    told = message(tmp_path / "blank", files, data={"denominators": "denominators.csv"})
    assert "X262  no population for RX2, neither in the denominators nor in the sites table" in told


def test_denominators_without_sites_are_refused(tmp_path):
    files = {"admissions.csv": APC, "denominators.csv": "site,valid_from,population\nRX1,2021-06-01,2000\n"}
    assert "X262  denominators are given without a sites table" in message(
        tmp_path, files, data={**WINDOW, "denominators": "denominators.csv"}
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("RX1,2022-06-01,-5", "a population or beds that are not above zero of RX1"),
        ("RX1,2022-06-01,0", "a population or beds that are not above zero of RX1"),
        ("RX1,2022-06-01,2000000000", "a population or beds above a thousand million of RX1"),
        ("RX1,2021-06-01,2500", "two different populations of RX1"),
    ],
)
def test_denominators_that_cannot_be_are_refused_by_site_and_date(tmp_path, row, said):
    files = {
        "admissions.csv": APC,
        "sites.csv": "site,go_live\nRX1,\n",
        "denominators.csv": f"site,valid_from,population\nRX1,2021-06-01,2000\n{row}\n",
    }
    told = message(tmp_path, files, data={**WINDOW, "denominators": "denominators.csv"})
    assert f"X262  {said}" in told
    assert f"data.denominators, {row[4:14]}" in told


def test_a_later_file_corrects_a_denominator(tmp_path):
    files = {
        "admissions.csv": APC,
        "sites.csv": "site,go_live\nRX1,\n",
        "d1.csv": "site,valid_from,population\nRX1,2021-06-01,2000\n",
        "d2.csv": "site,valid_from,population\nRX1,2021-06-01,1500\n",
    }
    with read(study(tmp_path, files, data={**WINDOW, "denominators": "d*.csv"})) as tables:
        assert rows_of(tables, "SELECT population FROM denominators") == [(1500.0,)]


@pytest.mark.parametrize("word", ["No", "FALSE", "f", "N", "0"])
def test_every_way_of_saying_no_marks_a_link_as_not_to_be_used(tmp_path, word):
    deaths = f"person,death_date,DEATH_RECORD_USED\nA,2022-06-01,Yes\nB,2022-06-02,{word}\n"
    with read(study(tmp_path, {"admissions.csv": APC, "deaths.csv": deaths}, data=WINDOW)) as tables:
        assert rows_of(tables, "SELECT death_date FROM deaths") == [("2022-06-01",)]


@pytest.mark.parametrize(("person", "found"), [("a", ["D354"]), ("A", [])])
def test_deaths_of_nobody_in_the_extract_are_said(tmp_path, person, found):
    files = {"admissions.csv": APC, "deaths.csv": f"person,death_date\n{person},2022-06-01\n"}
    with read(study(tmp_path, files, data=WINDOW)) as tables:
        assert [f.code for f in tables.findings if f.code == "D354"] == found


def test_all_midnights_are_looked_at_for_those_of_a_winter_are_midnights_everywhere(tmp_path):
    days = pd.to_datetime([*["2022-01-04"] * 70_000, "2022-05-04"]).tz_localize("Europe/London")
    config = study(tmp_path, {"admissions.csv": APC}, data={**WINDOW, "caseload": "caseload.parquet"})
    pd.DataFrame({"person": "A", "site": "RX1", "referred": days}).to_parquet(config.path("caseload.parquet"))
    with pytest.raises(InputError, match="X215  referred holds midnights of a time zone"), read(config):
        pass


@pytest.mark.parametrize(
    ("days", "zone", "refused"),
    [
        (["2022-05-04", "2022-01-04"], "Europe/London", True),
        (["2022-05-04", "2022-05-05"], "Europe/London", True),
        (["2022-05-04", "2022-05-05"], "UTC", False),
        (["2022-05-04 14:35", "2022-05-05 09:10"], "Europe/London", False),
        (["2022-05-04", "2022-05-05"], None, False),
    ],
)
def test_midnights_of_another_time_zone_are_refused_and_never_the_day_before(tmp_path, days, zone, refused):
    given = pd.DataFrame({"person": ["A", "B"], "site": "RX1", "referred": pd.to_datetime(days).tz_localize(zone)})
    config = study(tmp_path, {"admissions.csv": APC}, data={**WINDOW, "caseload": "caseload.parquet"})
    given.to_parquet(config.path("caseload.parquet"))
    if refused:
        with pytest.raises(InputError, match="X215  referred holds midnights of a time zone"), read(config):
            pass
        return
    with read(config) as tables:
        assert rows_of(tables, "SELECT referred FROM caseload ORDER BY referred") == [(d[:10],) for d in days]
