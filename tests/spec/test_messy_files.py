"""Titles, notes, cut ends, other delimiters, unlike columns and unlike keys: each is named as what it is, without a value of anybody."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aaot_eval.errors import DataQualityError, InputError, Problem, counted
from aaot_eval.ingest.advice import ADVICE
from aaot_eval.ingest.flow import LOSSES
from aaot_eval.pipeline import prepare
from tests.drawn import csv_text, episodes, read, study

ROWS = "person admitted\n" + "\n".join(f"{who} 2022-{month:02d}-10" for month in range(1, 13) for who in "ABC")
WINDOW = {"admissions": "admissions.csv", "complete_to": "2022-12-31"}
SECRET = "Smith"


def refused(home: Path, files: dict[str, str], **parts: object) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as found, read(study(home, files, **parts)):
        pass
    return tuple(found.value.problems)


def plain() -> str:
    return csv_text(episodes(ROWS))


@pytest.mark.parametrize(
    "title", ["Report run on 2026-07-01\n", f"Admitted patient care\nPatient: {SECRET}\n\n", "A title,,,\n"]
)
def test_a_title_above_the_header_is_named_by_its_lines_and_never_shown(tmp_path, title):
    (problem,) = refused(tmp_path, {"admissions.csv": title + plain()})
    n = title.count("\n")
    told = "line 1" if n == 1 else f"lines 1 to {n}"
    assert problem.what == f"the column names of admissions.csv stand in line {n + 1}, below a title"
    assert problem.where == f"{problem.where.rpartition(', ')[0]}, {told}"
    assert f"delete {told}" in problem.do
    assert SECRET not in "\n".join(problem.lines())


def test_data_in_the_first_line_are_no_title(tmp_path):
    (problem,) = refused(tmp_path, {"admissions.csv": plain().split("\n", 1)[1]})
    assert "it may hold data" in problem.what


@pytest.mark.parametrize(
    ("sign", "said"), [("~", "~"), ("^", "^"), (":", ":"), ("\x1f", "control character 31"), (" ", "spaces")]
)
def test_a_delimiter_that_is_not_read_is_named(tmp_path, sign, said):
    (problem,) = refused(tmp_path, {"admissions.csv": plain().replace(",", sign)})
    assert problem.what == f"the columns of admissions.csv are separated by {said}, which is not read"
    assert "comma, tab" in problem.allowed


@pytest.mark.parametrize(
    "note",
    [
        "Total rows: 36",
        "-- end of file",
        "(36 rows affected)",
        "TRL|36",
        "Produced by the reporting team",
        f"Patient list of {SECRET}",
        "Total,36",
    ],
)
def test_a_note_below_the_rows_is_said_to_be_none_of_them(tmp_path, note):
    with read(study(tmp_path, {"admissions.csv": f"{plain()}{note}\n"}, data=WINDOW)) as tables:
        (finding,) = [f for f in tables.findings if f.code == "X211"]
        assert finding.detail == "line 38: below the rows, a total or a mark of the end"
        assert finding.do.startswith("Nothing is lost with such a line")
        assert tables.counts["episodes"] == 36


def test_a_row_that_does_not_split_is_no_note_wherever_it_stands(tmp_path):
    rows = plain().splitlines()
    for at in (5, len(rows) - 1):
        short = [*rows[:at], ",".join(rows[at].split(",")[:4]), *rows[at + 1 :]]
        with read(study(tmp_path / str(at), {"admissions.csv": "\n".join(short) + "\n"}, data=WINDOW)) as tables:
            (finding,) = [f for f in tables.findings if f.code == "X211"]
            assert finding.detail == ""
            assert "rejects" in finding.do


def test_notes_are_named_where_too_many_lines_stop_the_run(tmp_path):
    rows = csv_text(episodes("person admitted\nA 2022-05-01\nB 2022-06-01"))
    (problem,) = refused(tmp_path, {"admissions.csv": rows + "Total rows: 2\n"})
    assert problem.code == "X211"
    assert "line 4 is a note below the rows" in problem.do
    assert "line 4: too few columns" in problem.where


def test_a_file_cut_off_at_its_end_is_refused_by_its_last_line(tmp_path):
    text = plain()
    cut = text[: text.index("2022-06-10")]
    (problem,) = refused(tmp_path, {"admissions.csv": cut})
    assert problem.code == "X218"
    assert problem.where.endswith(f"admissions.csv, line {cut.count(chr(10)) + 1}")
    assert "no line end" in problem.what
    assert "ask for the file again" in problem.do


@pytest.mark.parametrize("end", ["", "\nTotal rows: 36"])
def test_a_whole_last_line_without_a_line_end_is_a_row_and_a_note_without_one_a_note(tmp_path, end):
    with read(study(tmp_path, {"admissions.csv": plain().rstrip("\n") + end}, data=WINDOW)) as tables:
        assert tables.counts["episodes"] == 36


def test_unreadable_cells_are_listed_by_line_and_kind_and_the_list_goes_with_the_refusal(tmp_path):
    text = plain().replace("2022-03-10", SECRET).replace("2022-04-10", "45000.5")
    config = study(tmp_path, {"admissions.csv": text})
    with pytest.raises(InputError) as found:
        prepare(config)
    first = next(p for p in found.value.problems if "ADMIDATE" in p.what)
    assert first.where == (
        "admissions.csv, line 8, column ADMIDATE: letters; line 9: letters; line 10: letters; line 11: decimal number; "
        "line 12: decimal number; and 1 more"
    )
    assert "--rejects FILE" in first.do
    assert set(found.value.rejects["line"]) == {8, 9, 10, 11, 12, 13}
    assert SECRET not in str(found.value)
    assert SECRET not in found.value.rejects.to_csv()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("A,RX1,\nB,RX1,\n", "fill the cells in, or delete the lines"),
        ("A,RX1,45412\nB,RX1,45413\n", "a number such as 45412 is how Excel keeps a day"),
        ("A,RX1,soon\nB,RX1,45413\n", "say how they are written"),
    ],
)
def test_what_to_do_about_unreadable_dates_goes_by_what_stands_there(tmp_path, rows, said):
    files = {"admissions.csv": plain(), "caseload.csv": f"person,site,referred\n{rows}"}
    assert any(said in problem.do for problem in refused(tmp_path, files))


def test_a_refusal_before_reading_has_no_list_of_rejects(tmp_path):
    with pytest.raises(InputError) as found:
        prepare(study(tmp_path, {}, data={"admissions": "missing.csv"}))
    assert found.value.rejects is None


@pytest.mark.parametrize(
    ("name", "near"), [("golive_date", True), ("Go-Live day", True), ("date_the_team_began", False)]
)
def test_a_start_under_another_name_is_named_before_its_consequence(tmp_path, name, near):
    files = {"admissions.csv": plain(), "sites.csv": f"site,{name},population\nRX1,2022-06-01,1000\n"}
    config = study(tmp_path, files, data=WINDOW | {"sites": "sites.csv"})
    if not near:
        with read(config) as tables:
            assert [f.detail for f in tables.findings if f.code == "X210" and f.where == "sites.csv"] == [name]
            (warned,) = (f for f in tables.findings if f.code == "X220")
            assert warned.detail.startswith(f"{name} may be go_live")
        return
    with pytest.raises(InputError) as found, read(config):
        pass
    (problem,) = found.value.problems
    assert problem.code == "X204"
    assert "go_live" in problem.what
    assert problem.allowed == f"close names in the file: {name}"
    assert f'sites = {{ go_live = "{name}" }}' in problem.do


@pytest.mark.parametrize(
    ("table", "header", "ours", "shown"),
    [
        ("caseload", "person,site,referred,end", "ended", "end"),
        ("caseload", "person,site,referred,Date discharged", "ended", "Date discharged"),
        ("caseload", "person,site,referred,Start date of work", "started", "Start date of work"),
        ("sites", "site,go_live,Population 2021", "population", "column 3"),
        ("sites", "site,go_live,population,closed", "stopped", "closed"),
        ("sites", "site,go_live,population,stoped", "stopped", "stoped"),
        ("deaths", "person,death_date,Registration date", "registered", "Registration date"),
    ],
)
def test_a_column_that_may_be_one_the_study_lacks_is_a_warning(tmp_path, table, header, ours, shown):
    cells = {
        "person": "A",
        "site": "RX1",
        "referred": "2022-05-04",
        "go_live": "2022-06-01",
        "death_date": "2022-07-01",
    }
    rows = ",".join(
        cells.get(name, "1000" if name[:3].lower() == "pop" else "2022-08-01") for name in header.split(",")
    )
    files = {"admissions.csv": plain(), f"{table}.csv": f"{header}\n{rows}\n"}
    with read(study(tmp_path, files, data=WINDOW | {table: f"{table}.csv"})) as tables:
        (warned,) = (f for f in tables.findings if f.code == "X220")
    assert warned.level == "warn"
    assert warned.detail.startswith(f"{shown} may be {ours} (")
    mapped = shown if shown != "column 3" else "NAME IN YOUR FILE"
    assert f'{table} = {{ {ours} = "{mapped}" }}' in warned.do


@pytest.mark.parametrize(
    "header",
    [
        "person,site,referred,ended,end_of_contact",
        "person,site,referred,ended_by,reason ended,closure_reason",
        "person,site,referred,started,ended,arm,worker,weekend",
    ],
)
def test_a_column_about_another_matter_is_no_warning(tmp_path, header):
    rows = ",".join(
        {"person": "A", "site": "RX1", "referred": "2022-05-04"}.get(name, "") for name in header.split(",")
    )
    files = {"admissions.csv": plain(), "caseload.csv": f"{header}\n{rows}\n"}
    with read(study(tmp_path, files, data=WINDOW | {"caseload": "caseload.csv"})) as tables:
        assert not [f for f in tables.findings if f.code == "X220"]


KEYS = {
    "small letters": (
        lambda k: f"ABC{k}",
        lambda k: f"abc{k}",
        "capital and small letters alone",
        "as in the admissions",
    ),
    "hyphens": (
        lambda k: f"ABC{k}",
        lambda k: f"A-BC {k}",
        "those of the caseload hold spaces, hyphens",
        "take the signs out",
    ),
    "zeros": (lambda k: f"000{k}", lambda k: k, "those of the caseload lack leading zeros", "as text"),
    "decimals": (lambda k: k, lambda k: f"{k}.0", "end in .0", "format the column as text"),
    "prefix": (
        lambda k: f"ABC{k}",
        lambda k: f"RM3ABC{k}",
        "those of the caseload have 3 characters more in front",
        "take the 3 characters",
    ),
    "cut": (
        lambda k: f"{k}ABCDEF",
        lambda k: f"{k}ABC",
        "those of the admissions have 3 characters more at the end",
        "may have been cut",
    ),
    "forms": (
        lambda k: f"ABCD{k}",
        lambda k: f"999{k}",
        "are 6 digits, those of the admissions 7 capital letters and digits",
        "same person id",
    ),
    "others": (lambda k: f"1{k}", lambda k: f"2{k}", "those of both files are 4 digits", "with the same secret"),
}


@pytest.mark.parametrize("case", KEYS)
def test_keys_that_match_nobody_differ_in_words_and_no_key_is_shown(tmp_path, case):
    admitted, referred, said, do = KEYS[case]
    people = [str(700 + i) for i in range(9)]
    rows = episodes(
        "person admitted\n"
        + "\n".join(f"{admitted(k)} 2022-{i + 1:02d}-10" for i, k in enumerate(people))
        + f"\n{admitted('799')} 2022-12-30"
    )
    caseload = "person,site,referred\n" + "".join(f"{referred(k)},RX1,2022-06-01\n" for k in people)
    data = WINDOW | {"caseload": "caseload.csv"}
    (problem,) = refused(tmp_path, {"admissions.csv": csv_text(rows), "caseload.csv": caseload}, data=data)
    assert problem.code == "D308"
    assert said in problem.what
    assert do in problem.do
    shown = "\n".join(problem.lines())
    assert not [k for k in people if admitted(k) in shown or referred(k) in shown]


def test_attendances_without_keys_say_which_column_is_blank_and_what_helps(tmp_path):
    header = "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,PROVIDER_CODE,DEPARTMENT_TYPE"
    seen = "".join(f"A,,2022-{m:02d}-10,RZ1,01\n" for m in range(1, 13))
    files = {"admissions.csv": plain(), "ed.csv": f"{header}\n{seen}"}
    config = study(tmp_path, files, data=WINDOW | {"attendances": "ed.csv"}, study={"outcome": "ed_attendances"})
    with pytest.raises(DataQualityError) as found:
        prepare(config)
    (problem,) = [p for p in found.value.problems if p.where == "attendances"]
    assert problem.do.startswith("Blank here: key.")
    assert 'attendances = { attendance_key = "NAME IN YOUR FILE" }' in problem.do
    assert "number the rows in the query that exports them" in problem.do


def test_advice_is_given_for_reasons_that_gates_give():
    reasons = {why for _, _, why in LOSSES} | {"the key of another admission of the person"}
    assert set(ADVICE["admissions"]) <= reasons


def test_some_keys_in_small_letters_are_said_beside_the_people_without_a_record(tmp_path):
    rows = episodes(f"{ROWS}\nABC 2022-12-30")
    caseload = "person,site,referred\n" + "".join(f"{k},RX1,2022-06-01\n" for k in ("A", "B", "abc", "C"))
    files = {"admissions.csv": csv_text(rows), "caseload.csv": caseload}
    with read(study(tmp_path / "written", files, data=WINDOW)) as tables:
        (finding,) = [f for f in tables.findings if f.code == "D307"]
        assert finding.detail == "they differ in capital and small letters alone"
        assert finding.do == "Write the keys in both files as in the admissions."
    # Of the same form, and not there: somebody who was never admitted.
    with read(study(tmp_path / "other", files | {"caseload.csv": caseload.replace("abc", "X")}, data=WINDOW)) as tables:
        (finding,) = [f for f in tables.findings if f.code == "D307"]
        assert finding.detail == ""


def test_files_are_named_from_the_folder_of_the_config_and_whole_when_they_lie_elsewhere(tmp_path):
    bad = plain().replace("2022-03-10", "soon")
    for folder in ("study/in", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.csv").write_text(bad, encoding="utf-8")
        (tmp_path / folder / "b.csv").write_text("", encoding="utf-8")
    outside = (tmp_path / "elsewhere").as_posix()
    for given, shown in (("in", "in"), ("../study/in", "in"), ("../elsewhere", outside), (outside, outside)):
        for file in ("a", "b"):
            with pytest.raises(InputError) as found:
                prepare(study(tmp_path / "study", {}, data={"admissions": f"{given}/{file}.csv"}))
            places = {re.split(", line| and ", p.where)[0] for p in found.value.problems}
            assert {Path(p).as_posix() for p in places} == {f"{shown}/{file}.csv"}
            assert all(str(tmp_path) not in line for line in str(found.value).splitlines()) == (shown == "in")


@pytest.mark.parametrize(
    ("n", "words", "said"),
    [(1, ("warning",), "1 warning"), (2, ("warning",), "2 warnings"), (0, ("note",), "0 notes"), (1200, ("row",), "1,200 rows"),
     (1, ("copy", "copies"), "1 copy"), (3, ("copy", "copies"), "3 copies"), ("*", ("record",), "* records")],
)  # fmt: skip
def test_a_number_stands_with_its_noun(n, words, said):
    assert counted(n, *words) == said
