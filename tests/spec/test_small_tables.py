"""Small tables as they are kept by hand: what cannot be in them is said, and the rows that are right are read."""

from __future__ import annotations

import pytest

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
    text = "person,site,referred\n,,\n" + "".join(f"{'A' if i else 'B'},RX1,2022-01-10\n" for i in range(60)) + "X,RX1,soon\n"
    with read(study(tmp_path, {"admissions.csv": EXTRACT, "caseload.csv": text})) as tables:
        assert rows_of(tables, "SELECT line FROM rejects") == [(63,)]


def test_a_cell_with_delimiters_in_it_is_no_cleared_line(tmp_path):
    text = 'person,site,referred,reason\nA,RX1,2022-01-10,"two\n,,,\nlines"\nB,RX1,2022-05-10,","\n'
    with read(study(tmp_path, {"admissions.csv": EXTRACT, "caseload.csv": text})) as tables:
        assert rows_of(tables, "SELECT person FROM caseload_read ORDER BY row") == [("A",), ("B",)]
