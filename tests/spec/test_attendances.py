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


# The same attendance under two keys ------------------------------------------------------------------------------------

TOLD = "TOKEN_PERSON_ID,AEKEY,ARRIVALDATE,ARRIVALTIME,DIAG_01,TREAT_01,PROCODE3\n"
SENT_AGAIN = "the same person, provider, day, first diagnosis and first treatment again within 60 minutes"
# A: three in a chain of 60 and 45 minutes, and one an hour and a minute later. B: other treatment, other diagnosis, other provider, other
# day. C: nothing is recorded of two; the second pair has a diagnosis alone. D: times that cannot be read. No key: two people for all that is known.
TWICE = """A,a1,2022-05-01,0900,05,21,RX1
A,a2,2022-05-01,1000,05,21,RX1
A,a3,2022-05-01,1045,05,21,RX1
A,a4,2022-05-01,1146,05,21,RX1
B,b1,2022-05-02,0900,05,21,RX1
B,b2,2022-05-02,0910,05,22,RX1
B,b3,2022-05-02,0920,06,21,RX1
B,b4,2022-05-02,0930,05,21,RX2
B,b5,2022-05-03,2350,05,21,RX1
B,b6,2022-05-04,0005,05,21,RX1
C,c1,2022-05-05,0900,,,RX1
C,c2,2022-05-05,0905,,,RX1
C,c3,2022-05-06,900,05,,RX1
C,c4,2022-05-06,09:59:30,05,,RX1
D,d1,2022-05-07,3000,05,21,RX1
D,d2,2022-05-07,4000,05,21,RX1
D,d3,2022-05-08,2561,05,21,RX1
D,d4,2022-05-08,noon,05,21,RX1
,e1,2022-05-09,0900,05,21,RX1
,e2,2022-05-09,0901,05,21,RX1
"""


def kept_keys(tables) -> list[str]:
    rows = rows_of(tables, "SELECT r.attendance_key FROM attendances AS a JOIN attendances_read AS r ON r.row = a.row")
    return sorted(key for (key,) in rows)


def left_of(tables) -> dict[str, int]:
    return {s.reason: s.lost for s in tables.flow if s.table == "attendances" and s.lost}


def told(home, files: dict[str, str], **parts):
    data = WINDOW | {"attendances": list(files)}
    return study(home, {"admissions.csv": APC} | files, data=data, **parts)


def test_the_same_attendance_under_two_keys_is_one_and_the_last_load_stays(tmp_path):
    with read(told(tmp_path / "one", {"ae.csv": TOLD + TWICE})) as tables:
        gone = {"a1", "a2", "c3"}
        everybody = {line.split(",")[1] for line in TWICE.splitlines()}
        assert kept_keys(tables) == sorted(everybody - gone)
        assert left_of(tables) == {SENT_AGAIN: 3}
        assert "D413" not in {f.code for f in tables.findings}
    # a3 came in an earlier file: the last load stays, though another key is later.
    early, late = "A,a3,2022-05-01,1045,05,21,RX1\n", "".join(TWICE.splitlines(keepends=True)[:2])
    with read(told(tmp_path / "two", {"ae1.csv": TOLD + early, "ae2.csv": TOLD + late})) as tables:
        assert kept_keys(tables) == ["a2"]


def test_the_order_of_rows_and_a_file_loaded_twice_change_nothing(tmp_path):
    shuffled = "".join(sorted(TWICE.splitlines(keepends=True), key=lambda line: line[::-1]))
    found = []
    for name, files in (
        ("a", {"ae.csv": TWICE}),
        ("b", {"ae.csv": shuffled}),
        ("c", {"ae.csv": TWICE, "ae2.csv": shuffled}),
    ):
        with read(told(tmp_path / name, {n: TOLD + rows for n, rows in files.items()})) as tables:
            found.append((kept_keys(tables), left_of(tables)[SENT_AGAIN]))
    assert found[0] == found[1] == found[2]


def test_a_study_may_keep_them_and_says_so(tmp_path):
    with read(told(tmp_path, {"ae.csv": TOLD + TWICE}, counting={"repeated_attendances": "keep"})) as tables:
        assert tables.counts["attendances"] == 20
        assert SENT_AGAIN not in left_of(tables)
        assert [f.detail for f in tables.findings if f.code == "D369"] == ["counting.repeated_attendances = keep"]


def test_files_without_the_columns_are_said_once_and_not_looked_at(tmp_path):
    plain = "TOKEN_PERSON_ID,AEKEY,ARRIVALDATE,ARRIVALTIME,DIAG_01,PROCODE3\nA,x1,2022-05-11,0900,05,RX1\nA,x2,2022-05-11,0905,05,RX1\n"
    with read(told(tmp_path, {"ae.csv": TOLD + TWICE, "old.csv": plain})) as tables:
        assert left_of(tables) == {SENT_AGAIN: 3}
        found = [(f.where, f.level, f.detail) for f in tables.findings if f.code == "D413"]
        assert found == [("old.csv", "note", "without treatment_1")]
