"""Newest months of which only a part was sent: they end no study and read as no fall, and a lasting change is none of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aaot_eval.newest_months import sent_in_part
from tests.drawn import csv_text, episodes, panel_of, study

# The usual month of the nine that come before the newest three holds 40 records.
BEFORE = [38, 40, 44, 40, 36, 40, 41, 39, 40]


@pytest.mark.parametrize(
    ("newest", "found"),
    [
        ([40, 40, 16], [False, False, True]),
        ([40, 40, 20], [False, False, False]),
        ([40, 19, 19], [False, True, True]),
        ([19, 40, 19], [False, False, True]),
        ([19, 40, 40], [False, False, False]),
        ([19, 19, 19], [True, True, True]),
        ([40, 19, 0], [False, True, False]),
        ([40, 40, 0], [False, False, False]),
    ],
)
def test_months_under_half_of_the_usual_one_and_nothing_whole_after_them(newest, found):
    counts = np.array([[*BEFORE, *newest]])
    assert sent_in_part(counts, 0.5)[0].tolist() == [False] * 9 + found


def test_a_site_that_stays_small_has_changed_and_is_not_late():
    assert not sent_in_part(np.array([[*BEFORE, 19, 19, 19, 19]]), 0.5).any()


def test_months_without_a_record_do_not_make_a_small_month_after_them_a_lasting_change():
    found = sent_in_part(np.array([[*BEFORE, 0, 0, 0, 6], [*BEFORE, 0, 6, 6, 6]]), 0.5)
    assert found[:, -4:].tolist() == [[False, False, False, True], [False, True, True, True]]


@pytest.mark.parametrize(
    "earlier", [[19] * 9, [40] * 5, [40] * 5 + [0] * 9], ids=["few records", "few months", "mostly empty"]
)
def test_where_little_is_usual_nothing_is_said(earlier):
    assert not sent_in_part(np.array([[*earlier, 0, 0, 1]]), 0.5).any()
    assert not sent_in_part(np.array([[40, 40, 40, 1]]), 0.5).any()
    assert sent_in_part(np.array([[1]]), 0.5).shape == (1, 1)


def months_drawn(provider: str, counts: list[int]) -> str:
    """So many admissions in each month from January 2022, spread over its days, the last day among them."""
    rows = []
    for month, n in zip(pd.period_range("2022-01", periods=len(counts), freq="M"), counts, strict=True):
        days = [month.days_in_month - k * month.days_in_month // n for k in range(n)]
        rows += [f"{provider}{month}{k} {provider} {month}-{day:02d} 21" for k, day in enumerate(days)]
    return "\n".join(rows)


def panel(home, **counts: list[int]):
    parts = counts.pop("parts", {})
    text = csv_text(
        episodes("person provider admitted method\n" + "\n".join(months_drawn(p, n) for p, n in counts.items()))
    )
    sites = "site,go_live,population\n" + "".join(f"{p},{'2022-06-01' if p == 'RX1' else ''},1000\n" for p in counts)
    tables, made = panel_of(study(home, {"admissions.csv": text, "sites.csv": sites}, **parts))
    return made, {f.code: f for f in (*tables.findings, *made.findings)}


OPEN = {"data": {"complete_to": None}}


def test_a_newest_month_with_two_fifths_of_the_usual_records_ends_no_study(tmp_path):
    made, findings = panel(tmp_path, RX1=[40] * 12 + [16], RX2=[60] * 12 + [24], parts=OPEN)
    assert made.periods["label"].iloc[-1] == "2022-12"
    late = findings["D309"]
    assert (late.where, late.records) == ("after 2022-12", 40)
    assert late.detail == (
        "the last complete month is 2022-12 (2023-01: under 50 % of the records of a usual month, so that the rest is still to come)"
    )
    assert not {"D314", "D429"} & set(findings)


def test_several_newest_months(tmp_path):
    made, findings = panel(tmp_path, RX1=[40] * 12 + [18, 10], parts=OPEN)
    assert made.periods["label"].iloc[-1] == "2022-12"
    assert "2023-01 to 2023-02: under 50 %" in findings["D309"].detail


def test_empty_months_before_those_sent_in_part_end_no_study_either(tmp_path):
    made, findings = panel(tmp_path, RX1=[40] * 12 + [0, 10], parts=OPEN)
    assert made.periods["label"].iloc[-1] == "2022-12"
    assert "2023-01 to 2023-02: under 50 %" in findings["D309"].detail


@pytest.mark.parametrize(
    "said",
    [{"data": {"complete_to": "2023-01-31"}}, OPEN | {"study": {"last_period": "2023-01"}}],
    ids=["complete_to", "last_period"],
)
def test_what_the_study_says_of_the_last_month_stands(tmp_path, said):
    made, findings = panel(tmp_path, RX1=[40] * 12 + [16], RX2=[60] * 13, parts=said)
    assert made.periods["label"].iloc[-1] == "2023-01"
    assert not made.matrix("missing").any()
    assert (findings["D314"].where, findings["D314"].detail) == ("RX1", "2023-01")
    assert "D429" not in findings


def test_a_month_in_the_middle_is_named_and_kept(tmp_path):
    made, findings = panel(tmp_path, RX1=[40] * 8 + [16] + [40] * 4, parts=OPEN)
    assert made.periods["label"].iloc[-1] == "2023-01"
    assert findings["D314"].detail == "2022-09"
    assert not made.matrix("missing").any()


def test_one_site_that_is_late_is_missing_there_and_not_fewer(tmp_path):
    made, findings = panel(tmp_path, RX1=[40] * 12 + [16], RX2=[60] * 13, parts=OPEN)
    assert made.periods["label"].iloc[-1] == "2023-01"
    assert made.matrix("missing").tolist() == [[False] * 12 + [True], [False] * 13]
    counts = made.matrix("emergency")
    assert np.isnan(counts[0, -1])
    assert counts[0, -2] == 40
    assert counts[1, -1] == 60
    assert (findings["D429"].where, findings["D429"].detail) == ("RX1", "2023-01")
    assert "D314" not in findings
