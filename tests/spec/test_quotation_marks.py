"""Stray quotation marks in the tables that are kept by hand: named with file, row and column, or read right, never another value."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaot_eval.errors import InputError
from tests.drawn import csv_text, episodes, read, rows_of, study

APC = csv_text(
    episodes("person admitted provider\nA 2022-01-01 RX1\nB 2022-06-01 RX1\nC 2022-12-31 RX2\nD 2022-03-01 RX3")
)
CASELOAD = "person,site,referred\n"
SITES = "site,go_live,population\n"
GOOD = {
    "caseload.csv": CASELOAD + "A,RX1,2022-02-01\nB,RX1,2022-07-01\n",
    "sites.csv": SITES + "RX1,2022-05-01,100\nRX2,,200\n",
}
PEOPLE = [("A", "RX1", "2022-02-01"), ("B", "RX1", "2022-07-01")]
PLACES = [("RX1", "2022-05-01", 100.0), ("RX2", None, 200.0)]


def given(home: Path, name: str, text: str) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """What is read as caseload and as sites when one of the two files is this text."""
    files = {"admissions.csv": APC, **GOOD, name: text}
    with read(study(home, files, data={"complete_to": "2022-12-31"})) as tables:
        people = "SELECT p.token, c.site, c.referred FROM caseload c JOIN persons p ON p.person = c.person ORDER BY 1"
        return rows_of(tables, people), rows_of(tables, "SELECT site, go_live, population FROM sites ORDER BY 1")


READ_RIGHT = {
    "every cell in quotes": ("caseload.csv", '"person","site","referred"\n"A","RX1","2022-02-01"\n"B","RX1","2022-07-01"\n'),
    "an opening mark at the start of a row": ("caseload.csv", CASELOAD + '"A,RX1,2022-02-01\nB,RX1,2022-07-01\n'),
    "an opening mark before a site": ("caseload.csv", CASELOAD + 'A,"RX1,2022-02-01\nB,RX1,2022-07-01\n'),
    "two marks that pair over two rows": ("caseload.csv", CASELOAD + 'A,"RX1,2022-02-01\nB,RX1",2022-07-01\n'),
    "an opening mark before a date": ("caseload.csv", CASELOAD + 'A,RX1,"2022-02-01\nB,RX1,2022-07-01\n'),
    "an opening mark before a start": ("sites.csv", SITES + 'RX1,"2022-05-01,100\nRX2,,200\n'),
    "two marks that pair over two sites": ("sites.csv", SITES + 'RX1,2022-05-01,"100\nRX2,,200"\n'),
}  # fmt: skip


@pytest.mark.parametrize("case", READ_RIGHT)
def test_marks_that_can_be_told_from_values_are_read_right(tmp_path, case):
    assert given(tmp_path, *READ_RIGHT[case]) == (PEOPLE, PLACES)


REFUSED = {
    "after a key": ("caseload.csv", CASELOAD + 'A",RX1,2022-02-01\nB,RX1,2022-07-01\n', "line 2, column person"),
    "doubled round a key": ("caseload.csv", CASELOAD + 'A,RX1,2022-02-01\n"""B""",RX1,2022-07-01\n', "line 3, column person"),
    "an apostrophe before a key": ("caseload.csv", CASELOAD + "A,RX1,2022-02-01\n'B,RX1,2022-07-01\n", "line 3, column person"),
    "typographic": ("caseload.csv", CASELOAD + "\u201cA\u201d,RX1,2022-02-01\nB,RX1,2022-07-01\n", "line 2, column person"),
    "within a site": ("caseload.csv", CASELOAD + 'A,RX"1,2022-02-01\nB,RX1,2022-07-01\n', "line 2, column site"),
    "after a site": ("sites.csv", SITES + 'RX1",2022-05-01,100\nRX2,,200\n', "line 2, column site"),
    "before a site that is closed elsewhere": ("sites.csv", SITES + '"RX1,2022-05-01",100\nRX2,,200\n', "line 2"),
    "after a start": ("sites.csv", SITES + 'RX1,2022-05-01",100\nRX2,,200\n', "line 2, column go_live"),
    "after a population": ("sites.csv", SITES + 'RX1,2022-05-01,100"\nRX2,,200\n', "line 2, column population"),
    "after a date": ("caseload.csv", CASELOAD + 'A,RX1,2022-02-01"\nB,RX1,2022-07-01\n', "line 2, column referred"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_other_marks_are_refused_with_file_row_and_column(tmp_path, case):
    name, text, where = REFUSED[case]
    with pytest.raises(InputError) as refused:
        given(tmp_path, name, text)
    assert f"{name}, {where}" in str(refused.value)
    assert not any(f"{key}," in str(refused.value).split("where")[0] for key in ("A", "B")), "no key in a message"


def test_many_rows_are_one_problem_with_the_first_lines(tmp_path):
    text = CASELOAD + "".join(f'P{i}",RX1,2022-07-01\n' for i in range(30))
    with pytest.raises(InputError) as refused:
        given(tmp_path, "caseload.csv", text)
    assert "a quotation mark stands in person of 30 rows" in str(refused.value)
    assert "caseload.csv, line 2, 3, 4 ..., column person" in str(refused.value)


def test_a_name_with_an_apostrophe_is_a_name(tmp_path):
    apc = APC.replace("RX2", "St John's")
    files = {"admissions.csv": apc, **GOOD, "sites.csv": GOOD["sites.csv"].replace("RX2", "St John's")}
    with read(study(tmp_path, files, data={"complete_to": "2022-12-31"})) as tables:
        assert ("ST JOHN'S",) in rows_of(tables, "SELECT site FROM sites")


def test_a_key_of_the_opt_out_list_with_a_mark_is_refused(tmp_path):
    files = {"admissions.csv": APC, **GOOD, "opt_out.csv": 'person\n"""A"""\n'}
    config = study(tmp_path, files, data={"complete_to": "2022-12-31", "opt_out": "opt_out.csv"})
    with pytest.raises(InputError, match=r"opt_out\.csv, line 2, column person"), read(config):
        pass
