"""Spells to continuous stays: the three named rules, drawn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.drawn import csv_text, episodes, read, rows_of, study, table

COLUMNS = "person provider admitted end how to source method diag\n"
END = "\nZ RX9 2022-12-31 2022-12-31 1 19 19 21 R074"
STAYS = """SELECT t.token, s.site, s.admission_date, s.end_date, s.nights, s.emergency, s.alcohol_specific, s.spells
FROM stays s JOIN persons t ON t.person = s.person WHERE t.token <> 'Z' ORDER BY 1, 3, 2"""


def stays(home: Path, drawn: str, rule: str = "hf") -> list[tuple[object, ...]]:
    config = study(
        home,
        {"admissions.csv": csv_text(episodes(COLUMNS + drawn + END))},
        data={"complete_to": "2022-12-31"},
        study={"stay_rule": rule},
    )
    with read(config) as tables:
        return rows_of(tables, STAYS)


TRANSFER = """
A RX1 2022-05-01 2022-05-03 1 51 19 21 F102
A RX2 2022-05-03 2022-05-09 1 19 51 81 R074"""


def test_a_transfer_is_one_admission_of_the_first_hospital(tmp_path):
    assert stays(tmp_path, TRANSFER) == [("A", "RX1", "2022-05-01", "2022-05-09", 8, 1, 1, 2)]


def joined(home: Path, drawn: str, rule: str) -> dict[str, str]:
    """By person: the two spells drawn are "one" admission or "two"."""
    count = Counter(row[0] for row in stays(home / rule, drawn, rule))
    return {str(person): {1: "one", 2: "two"}[n] for person, n in count.items()}


def pairs(cases: list[dict[str, str]]) -> str:
    """Two spells for each case: the first from 1 to 3 May at RX1, the second at RX2 from the day that the case says."""
    lines = []
    for case in cases:
        lines.append(f"{case['case']} RX1 2022-05-01 2022-05-03 1 {case['to']} 19 21 R074")
        lines.append(
            f"{case['case']} RX2 {case.get('again', '2022-05-03')} 2022-05-09 1 19 {case['from']} {case['method']} R074"
        )
    return "\n".join(lines)


DAYS_BETWEEN = """
case   again       to  from  method  hf   nhsd
same   2022-05-03  51  19    21      one  one
next   2022-05-04  51  19    21      one  one
two    2022-05-05  51  19    21      one  one
three  2022-05-06  51  19    21      one  two
four   2022-05-07  51  19    21      two  two
"""

SIGNS = """
case     to  from  method  hf   nhsd  york
to_51    51  19    21      one  one   two
to_52    52  19    21      one  one   two
to_53    53  19    21      one  one   two
to_49    49  19    21      two  one   two
to_84    84  19    21      two  one   two
from_51  19  51    22      one  one   two
from_87  19  87    22      two  one   two
m_2B     19  19    2B      one  one   two
m_81     19  19    81      one  one   two
to_A&E   19  51    21      one  two   two
nothing  19  19    21      two  two   two
"""


@pytest.mark.parametrize("rule", ["hf", "nhsd"])
def test_how_many_days_may_lie_between_two_spells(tmp_path, rule):
    cases = table(DAYS_BETWEEN)
    assert joined(tmp_path, pairs(cases), rule) == {c["case"]: c[rule] for c in cases}


@pytest.mark.parametrize("rule", ["hf", "nhsd", "york"])
def test_which_codes_are_a_sign_of_transfer(tmp_path, rule):
    cases = table(SIGNS)
    assert joined(tmp_path, pairs(cases), rule) == {c["case"]: c[rule] for c in cases}


def test_overlap_joins_under_hf_and_never_under_nhsd(tmp_path):
    drawn = """
    A RX1 2022-05-01 2022-05-10 1 51 19 21 R074
    A RX2 2022-05-03 2022-05-12 1 19 51 81 R074"""
    assert len(stays(tmp_path / "hf", drawn, "hf")) == 1
    assert len(stays(tmp_path / "nhsd", drawn, "nhsd")) == 2


def test_york_joins_an_unfinished_stay_to_another_provider_on_the_same_day(tmp_path):
    drawn = """
    A RX1 2022-05-01 2022-05-03 8 98 19 21 R074
    A RX2 2022-05-03 2022-05-09 1 19 19 21 R074
    B RX1 2022-05-01 2022-05-03 8 98 19 21 R074
    B RX2 2022-05-04 2022-05-09 1 19 19 21 R074"""
    assert [r[0] for r in stays(tmp_path, drawn, "york")] == ["A", "B", "B"]


def test_three_legs_are_one_stay_and_alcohol_in_any_leg_counts(tmp_path):
    drawn = """
    A RX1 2022-05-01 2022-05-03 1 51 19 21 R074
    A RX2 2022-05-03 2022-05-05 1 51 51 2B R074
    A RX1 2022-05-06 2022-05-20 1 19 51 81 K703"""
    assert stays(tmp_path, drawn) == [("A", "RX1", "2022-05-01", "2022-05-20", 19, 1, 1, 3)]


def test_an_elective_first_leg_makes_the_stay_elective(tmp_path):
    drawn = """
    A RX1 2022-05-01 2022-05-03 1 51 19 11 F102
    A RX2 2022-05-03 2022-05-05 1 19 51 2B F102"""
    assert stays(tmp_path, drawn) == [("A", "RX1", "2022-05-01", "2022-05-05", 4, 0, 1, 2)]


def test_overlaps_are_counted(tmp_path):
    drawn = """
    A RX1 2022-05-01 2022-05-10 1 19 19 21 R074
    A RX2 2022-05-03 2022-05-12 1 19 19 21 R074"""
    config = study(
        tmp_path, {"admissions.csv": csv_text(episodes(COLUMNS + drawn + END))}, data={"complete_to": "2022-12-31"}
    )
    with read(config) as tables:
        found = [f for f in tables.findings if f.code == "D306"]
    assert [(f.records, f.people) for f in found] == [(1, 1)]


def test_people_without_a_key_are_never_joined(tmp_path):
    drawn = """
    . RX1 2022-05-01 2022-05-03 1 51 19 21 R074
    . RX2 2022-05-03 2022-05-09 1 19 51 81 R074
    UNKNOWN RX1 2022-05-01 2022-05-03 1 51 19 21 R074
    B RX2 2022-06-03 2022-06-09 1 19 51 81 R074"""
    config = study(
        tmp_path, {"admissions.csv": csv_text(episodes(COLUMNS + drawn + END))}, data={"complete_to": "2022-12-31"}
    )
    with read(config) as tables:
        assert rows_of(tables, STAYS) == [("B", "RX2", "2022-06-03", "2022-06-09", 6, 0, 0, 1)]
        assert [(f.records, f.people) for f in tables.findings if f.code == "D316"] == [(3, None)]
