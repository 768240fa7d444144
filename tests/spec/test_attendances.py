"""What becomes of the rows of the attendances: each loss has a reason and a count, and many of them stop the run."""

from __future__ import annotations

import pytest

from tests.drawn import csv_text, episodes, read, rows_of, study

APC = csv_text(episodes("person provider admitted\nA RX1 2022-05-01\nB RX1 2022-05-31"))
WINDOW = {"complete_to": "2022-05-31"}
HEADER = "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,ATTENDANCE_CATEGORY,PROVIDER_CODE\n"
SITES = "site,go_live\nRX1,\n"


def attended(home, rows: str, sites: str | None = SITES):
    files = {"admissions.csv": APC, "attendances.csv": HEADER + rows}
    return study(home, files | ({"sites.csv": sites} if sites else {}), data=WINDOW)


def test_every_row_that_is_not_counted_has_a_reason_and_the_flow_adds_up(tmp_path):
    rows = """A,1,2022-05-01,1,RX1
A,1,2022-05-01,1,RX1
B,2,2022-05-02,2,RX1
B,,2022-05-03,1,RX1
B,3,,1,RX1
B,4,2022-05-04,1,
,5,2022-05-05,1,RX1
A,6,2022-06-01,1,RX1
A,7,2022-05-06,1,RQ9
A,8,2022-05-07,,RX1
"""
    with read(attended(tmp_path, rows)) as tables:
        assert [(s.reason or s.step, s.kept, s.lost) for s in tables.flow if s.table == "attendances"] == [
            ("rows read", 10, 0),
            ("no key, day of arrival or provider", 7, 3),
            ("planned follow-up (category 2)", 6, 1),
            ("the same key of the same person again; the last load wins", 5, 1),
            ("arrived before 2022-05 or after 2022-05", 4, 1),
            ("at a site that is not in the sites table", 3, 1),
        ]
        assert rows_of(tables, "SELECT count(*) FROM attendances WHERE site = 'RX1'") == [(4,)]
        found = {(f.code, f.where): (f.records, f.detail) for f in tables.findings}
        assert found["D316", "attendances"] == (1, "no person key")
        assert found["D333", "attendances"][1] == (
            "at most 20%; here 30% of the attendances: no key, day of arrival or provider"
        )


@pytest.mark.parametrize(("blank", "code"), [(0, None), (1, "D334"), (5, "D333")])
def test_rows_without_a_key_are_no_attendances_and_many_stop(tmp_path, blank, code):
    rows = "".join(f"A,{'' if i < blank else i},2022-05-{i + 1:02d},1,RX1\n" for i in range(20))
    with read(attended(tmp_path, rows, sites=None)) as tables:
        assert tables.counts["attendances"] == 20 - blank
        assert {f.code for f in tables.findings if f.code in ("D333", "D334")} == ({code} if code else set())


def test_without_attendances_there_is_no_flow_of_them(tmp_path):
    with read(study(tmp_path, {"admissions.csv": APC}, data=WINDOW)) as tables:
        assert not [s for s in tables.flow if s.table == "attendances"]
