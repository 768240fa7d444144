"""Which months an extract is taken to cover: records at its ends that are none of its months move nothing."""

from __future__ import annotations

import pytest

from tests.drawn import csv_text, episodes, read, study

# Forty admissions in each of six months; stays moved on from the last day come as new admissions of the next.
MONTHS = ("2022-01", "2022-02", "2022-03", "2022-04", "2022-05", "2022-06")
DAYS = [f"{d:02d}" for d in (1, 5, 10, 15, 20, 25, 28)]
FULL = [f"p{m}{d}{k} {m}-{d}" for m in MONTHS for d in (*DAYS, "30" if m != "2022-02" else "27") for k in range(5)]
AFTER = ["q1 2022-07-01", "q2 2022-07-01", "q3 2022-07-31"]
BEFORE = ["r1 2021-11-03"]


def months_of(home, rows, **data):
    text = csv_text(episodes("person admitted\n" + "\n".join(rows)))
    with read(study(home, {"admissions.csv": text}, data={"complete_to": None, **data})) as tables:
        return str(tables.first_month), str(tables.last_month), {f.code: f for f in tables.findings}


@pytest.mark.parametrize("strays", [[], AFTER, BEFORE, AFTER + BEFORE], ids=["none", "after", "before", "both"])
def test_stray_records_at_the_ends_are_no_months(tmp_path, strays):
    first, last, findings = months_of(tmp_path, FULL + strays)
    assert (first, last) == ("2022-01", "2022-06")
    late = [r for r in strays if r in AFTER]
    assert ("D309" in findings) == bool(late)
    if late:
        assert (findings["D309"].where, findings["D309"].records) == ("after 2022-06", len(AFTER))


def test_a_month_with_a_tenth_of_the_usual_admissions_is_a_month(tmp_path):
    four = [f"s{d} 2022-07-{d}" for d in ("01", "12", "22", "31")]
    assert months_of(tmp_path, FULL + four)[:2] == ("2022-01", "2022-07")


def test_what_the_user_says_about_the_last_day_stands(tmp_path):
    assert months_of(tmp_path, FULL + AFTER, complete_to="2022-07-31")[:2] == ("2022-01", "2022-07")
