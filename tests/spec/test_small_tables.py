"""Small tables as they are kept by hand: what cannot be in them is said, and the rows that are right are read."""

from __future__ import annotations

import re
from typing import Any

import pytest

from aaot_eval.errors import InputError
from tests.drawn import csv_text, episodes, read, rows_of, study, two_years

EXTRACT = csv_text(episodes(two_years("RX1") + "\nA RX1 2021-05-03 2021-05-04 a1\nB RX1 2022-05-03 2022-05-04 b1\n"))
CASELOAD = "person,site,referred\nA,RX1,2022-01-10\nB,RX1,2022-05-10\n"
SITES = "site,go_live,population\nRX1,2021-12-01,1000\n"


def found(tmp_path, **tables: str) -> dict[str, list]:
    """The findings of a study with these further tables, by code."""
    files = {"admissions.csv": EXTRACT, "caseload.csv": CASELOAD, "sites.csv": SITES}
    files |= {f"{name}.csv": text for name, text in tables.items()}
    by_code: dict[str, list] = {}
    with read(study(tmp_path, files, data={name: f"{name}.csv" for name in tables})) as read_tables:
        for finding in read_tables.findings:
            by_code.setdefault(finding.code, []).append(finding)
    return by_code


@pytest.mark.parametrize(
    ("day", "minutes", "codes"),
    [
        ("2022-06-01", "30", set()),
        # A list of contacts may be newer than the extract, by a year at most.
        ("2023-06-01", "30", set()),
        ("2032-06-01", "30", {"D419"}),
        ("1922-06-01", "30", {"D419"}),
        ("2022-06-01", "-30", {"D420"}),
        ("2022-06-01", "0", {"D420"}),
        ("2022-06-01", "2022", {"D420"}),
        ("2022-06-01", "", set()),
    ],
)
def test_contacts_at_a_time_or_of_a_length_that_cannot_be(tmp_path, day, minutes, codes):
    contacts = f"person,contact_date,minutes\nA,2022-02-01,60\nB,{day},{minutes}\n"
    by_code = found(tmp_path, contacts=contacts)
    assert {"D419", "D420"} & by_code.keys() == codes
    for code in codes:
        assert [(f.records, f.people) for f in by_code[code]] == [(1, 1)]


@pytest.mark.parametrize(
    ("item", "quantity", "said"),
    [
        ("community_contact", "1", False),
        ("community_contact", "31", False),
        ("community_contact", "45", True),
        ("detoxification_bed_day", "45", False),
        ("detoxification_bed_day", "400", True),
    ],
)
def test_a_quantity_that_one_person_can_hardly_have_is_a_warning(tmp_path, item, quantity, said):
    activity = f"person,date,item,quantity\nA,2022-02-01,{item},{quantity}\nB,2022-02-01,{item},1\n"
    by_code = found(tmp_path, activity=activity)
    assert [(f.where, f.records, f.level) for f in by_code.get("D421", [])] == (
        [(f"activity, {item}", 1, "warn")] if said else []
    )


CLEARED = {
    "below": "person,site,referred\nA,RX1,2022-01-10\nB,RX1,2022-05-10\n,,\n,,\n , ,\n",
    "between": "person,site,referred\nA,RX1,2022-01-10\n,,\nB,RX1,2022-05-10\n",
    "first, no line end": ",,\r\n".join(["person,site,referred\r\n", "A,RX1,2022-01-10\r\nB,RX1,2022-05-10\r\n", ""])[
        :-2
    ],
    "semicolons in cp1252": "person;site;referred;reason\n;;;\nA;RX1;2022-01-10;caf\xe9\nB;RX1;2022-05-10;\n;;;\n".encode(
        "cp1252"
    ),
    "quoted": '"person","site","referred"\n"A","RX1","2022-01-10"\n"","",""\n"B","RX1","2022-05-10"\n',
}


@pytest.mark.parametrize("text", CLEARED.values(), ids=CLEARED)
def test_lines_of_delimiters_alone_are_no_rows(tmp_path, text):
    files = {"admissions.csv": EXTRACT, "caseload.csv": text}
    with read(study(tmp_path, files)) as tables:
        assert rows_of(tables, "SELECT person, referred FROM caseload_read ORDER BY row") == [
            ("A", "2022-01-10"),
            ("B", "2022-05-10"),
        ]
        assert not [f for f in tables.findings if f.code == "X211"]


def test_lines_keep_their_numbers_where_lines_of_delimiters_stand_above_them(tmp_path):
    text = (
        "person,site,referred\n,,\n"
        + "".join(f"{'A' if i else 'B'},RX1,2022-01-10\n" for i in range(60))
        + "X,RX1,soon\n"
    )
    with read(study(tmp_path, {"admissions.csv": EXTRACT, "caseload.csv": text})) as tables:
        assert rows_of(tables, "SELECT line FROM rejects") == [(63,)]


def test_a_cell_with_delimiters_in_it_is_no_cleared_line(tmp_path):
    text = 'person,site,referred,reason\nA,RX1,2022-01-10,"two\n,,,\nlines"\nB,RX1,2022-05-10,","\n'
    with read(study(tmp_path, {"admissions.csv": EXTRACT, "caseload.csv": text})) as tables:
        assert rows_of(tables, "SELECT person FROM caseload_read ORDER BY row") == [("A",), ("B",)]


#: A study of many hospitals, in which one cell is less than the share of a column that may be unreadable.
MANY = [f"RX{c}" for c in "123456789ABCDEFGHIJKLMNOP"]
OF_MANY = csv_text(
    episodes("\n".join([two_years(MANY[0]), *(row for site in MANY[1:] for row in two_years(site).splitlines()[1:])]))
)


@pytest.mark.parametrize(
    ("cell", "column", "kind"),
    [
        ("TBC,,1000", "go_live", "letters"),
        ("2022-06-31,,1000", "go_live", "like a date"),
        ("01/06/22,,1000", "go_live", "like a date"),
        ("2022-06-01,open,1000", "stopped", "letters"),
        ("2022-06-01,,1k", "population", "mixed characters"),
    ],
)
def test_one_unreadable_cell_of_a_site_is_refused_for_empty_it_means_something_else(tmp_path, cell, column, kind):
    rows = "".join(
        f"{site},{cell if site == 'RX2' else '2022-06-01,,1000' if site == 'RX1' else ',,1000'}\n" for site in MANY
    )
    files = {"admissions.csv": OF_MANY, "sites.csv": f"site,go_live,stopped,population\n{rows}"}
    with pytest.raises(InputError) as refused, read(study(tmp_path, files)):
        pass
    (problem,) = refused.value.problems
    assert problem.code == "X213"
    assert problem.what.startswith(f"a cell of {column} cannot be read as")
    assert f"line 3, column {column}: {kind}" in problem.where


SPOILT = ["1.20E+12", "4E+09", "########", "#N/A", "#REF!"]


@pytest.mark.parametrize("hashed", [False, True], ids=["as given", "hashed"])
@pytest.mark.parametrize("key", SPOILT)
def test_a_key_that_excel_has_spoilt_is_no_person(tmp_path, key, hashed):
    data: dict[str, Any] = {}
    if hashed:
        (tmp_path / "secret").write_text("0123456789abcdef" * 4, encoding="utf-8")
        data["person_key"] = {"column": "TOKEN_PERSON_ID", "secret_file": "secret"}
    text = csv_text(episodes(two_years("RX1")))
    first = "bg_RX1_2021-04-01"
    with read(study(tmp_path, {"admissions.csv": text.replace(first, key)}, data=data)) as tables:
        assert rows_of(tables, 'SELECT line, "column", reason, row_lost FROM rejects') == [
            (2, "TOKEN_PERSON_ID", "not a key", True)
        ]
        assert rows_of(tables, "SELECT count(*), count(DISTINCT person) FROM episodes") == [(47, 47)]
    with (
        pytest.raises(InputError) as refused,
        read(study(tmp_path, {"admissions.csv": re.sub("bg_RX1_[-0-9]+", key, text)}, data=data)),
    ):
        pass
    (problem,) = refused.value.problems
    assert problem.code == "X213"
    if "E+" in key and not hashed:
        assert "export the keys without Excel" in problem.do


@pytest.mark.parametrize("key", ["1E5", "1.2E", "12E+", "E+12", "AE+12", "1-2E5", "P#1"])
def test_a_key_that_only_looks_like_such_a_number_is_a_person(tmp_path, key):
    text = csv_text(episodes(two_years("RX1")))
    first = "bg_RX1_2021-04-01"
    with read(study(tmp_path, {"admissions.csv": text.replace(first, key)})) as tables:
        assert rows_of(tables, f"SELECT count(*) FROM persons WHERE token = '{key}'") == [(1,)]


@pytest.mark.parametrize("day", ["1900-01-01", "01/01/1900", "1899-12-30", "1899-12-31", "18991231", "1801-01-01"])
def test_a_day_from_which_programs_count_is_no_date(tmp_path, day):
    people = "person,death_date\nA,2022-07-01\n"
    files = {
        "admissions.csv": EXTRACT,
        "caseload.csv": f"person,site,referred,ended\nA,RX1,2022-01-13,{day}\n",
        "sites.csv": f"site,go_live,stopped,population\nRX1,2021-12-01,{day},1000\n",
        "deaths.csv": people,
    }
    with read(study(tmp_path, files)) as tables:
        assert rows_of(tables, "SELECT ended FROM caseload") == [(None,)]
        assert rows_of(tables, "SELECT stopped FROM sites") == [(None,)]
        assert rows_of(tables, "SELECT * FROM rejects") == []
    files["deaths.csv"] = f"{people}B,{day}\n"
    with pytest.raises(InputError, match="X213  more than 5% of death_date"), read(study(tmp_path, files)):
        pass


def test_such_a_day_in_an_extract_is_no_end_of_an_episode(tmp_path):
    text = csv_text(episodes(two_years("RX1")))
    unfinished = text.replace("2022-05-01", "1900-01-01").replace("bg_RX1_1900", "bg_RX1_2022")
    with read(study(tmp_path, {"admissions.csv": unfinished})) as tables:
        assert rows_of(tables, "SELECT count(*) FROM episodes") == [(47,)]


@pytest.mark.parametrize(
    ("name", "begins"),
    [("caseload.xls", b"\xd0\xcf\x11\xe0"), ("caseload.ods", b"PK\x03\x04"), ("caseload.csv", b"PK\x03\x04")],
)
def test_a_spreadsheet_of_another_kind_is_named_as_one(tmp_path, name, begins):
    files = {"admissions.csv": EXTRACT, name: begins + bytes(500)}
    with (
        pytest.raises(InputError, match=r"X202  caseload.* is a spreadsheet .*\n.*\n.*\n.*save it as .xlsx or CSV"),
        read(study(tmp_path, files)),
    ):
        pass
