"""Which earlier months changed since the last run, by how much, and when that stops a run."""

from __future__ import annotations

import pandas as pd
import pytest

from aaot_eval.config import QualityConfig
from aaot_eval.ingest.vintage import compare, compare_caseload
from aaot_eval.results import Vintage

MONTHS = [str(m) for m in pd.period_range("2023-01", "2023-12", freq="M")]
FIRST, LAST = pd.Period("2023-01", "M"), pd.Period("2024-01", "M")


def seen(
    changes: dict[tuple[str, str, str], int] | None = None, *, sites=("RX1", "RX2"), months=MONTHS
) -> pd.DataFrame:
    """100 episodes a site and month, 60 of them about alcohol, but for the changes (site, month, measure)."""
    rows = pd.DataFrame([(s, m, 100, 60, 0) for s in sites for m in months],
                        columns=["site", "month", "episodes", "alcohol_episodes", "uncoded"])  # fmt: skip
    for (site, month, measure), n in (changes or {}).items():
        rows.loc[(rows["site"] == site) & (rows["month"] == month), measure] = n
    return rows


def compared(now: pd.DataFrame, before: pd.DataFrame | None = None, **limits: float):
    """The findings as (code, where, detail), and the revisions."""
    vintage = Vintage("2023-12_abc123", seen() if before is None else before)
    findings, revisions = compare(vintage, now, FIRST, LAST, QualityConfig(thresholds=limits))
    return [(f.code, f.where, f.detail) for f in findings], revisions


def test_nothing_has_changed_and_it_is_said():
    assert compared(seen(months=[*MONTHS, "2024-01"]))[0] == [
        ("D389", "2023-12_abc123", "12 months of 2 sites; none has changed")
    ]


def test_a_revised_month_is_a_warning_with_its_size_and_both_counts_are_listed():
    found, revisions = compared(seen({("RX1", "2023-04", "episodes"): 94, ("RX1", "2023-05", "episodes"): 90}))
    assert found == [
        ("D387", "RX1: 2023-04 to 2023-05", "episodes -10% to -6%; limit 2%"),
        ("D389", "2023-12_abc123", "12 months of 2 sites; changed: 2023-04 to 2023-05"),
    ]
    assert revisions.values.tolist() == [
        ["RX1", "2023-04", "episodes", 100, 94, -0.06], ["RX1", "2023-05", "episodes", 100, 90, -0.1],
    ]  # fmt: skip


def test_codes_that_came_later_are_told_apart_from_records_that_did():
    found, _ = compared(seen({("RX2", "2023-03", "alcohol_episodes"): 66}))
    assert found[0] == ("D387", "RX2: 2023-03", "episodes with an alcohol-specific code +10%; limit 2%")


def test_the_newest_three_months_fill_up_without_a_warning_and_are_said():
    found, revisions = compared(seen({("RX1", "2023-12", "episodes"): 150, ("RX2", "2023-11", "episodes"): 150}))
    assert [f[0] for f in found] == ["D389"]
    assert found[0][2].endswith("changed: 2023-11 to 2023-12")
    assert revisions["change"].tolist() == [0.5, 0.5]


def test_newest_months_that_shrank_are_a_warning():
    found, _ = compared(seen({("RX1", "2023-12", "episodes"): 94, ("RX2", "2023-12", "episodes"): 99}))
    assert found[0] == ("D387", "RX1: 2023-12", "episodes -6%; limit 2%")
    assert [f[0] for f in found] == ["D387", "D389"]


def test_a_month_that_lost_half_its_records_stops_also_when_it_is_new():
    before = seen({("RX1", "2023-12", "episodes"): 100})
    now = seen({("RX1", "2023-12", "episodes"): 40, ("RX2", "2023-12", "episodes"): 60})
    assert compared(now, before)[0][0] == ("D388", "2023-12", "episodes -50% against the run 2023-12_abc123; limit 25%")


def test_months_that_are_gone_stop():
    found, revisions = compared(seen(months=MONTHS[6:]))
    assert found[0] == ("D388", "2023-01 to 2023-06", "episodes -100% against the run 2023-12_abc123; limit 25%")
    assert len(revisions) == 6 * 2 * 2


def test_a_file_loaded_under_new_keys_stops():
    now = seen({(s, "2023-02", "episodes"): 200 for s in ("RX1", "RX2")})
    assert compared(now)[0][0][:2] == ("D388", "2023-02")


def test_a_site_that_is_new_is_said_and_not_compared():
    found, revisions = compared(seen(sites=("RX1", "RX2", "RX3")))
    assert found == [("D389", "2023-12_abc123", "12 months of 2 sites; none has changed; new sites: RX3")]
    assert revisions.empty


def test_a_site_that_is_gone_is_a_change():
    found, _ = compared(seen(sites=("RX1",)), D388=0.6)
    assert ("D387", "RX2: 2023-01 to 2023-12", "episodes -100%; limit 2%") in found


def test_small_months_decide_nothing():
    before = seen({("RX1", "2023-02", "episodes"): 20, ("RX1", "2023-02", "alcohol_episodes"): 5})
    now = seen({("RX1", "2023-02", "episodes"): 30, ("RX1", "2023-02", "alcohol_episodes"): 9})
    assert [f[0] for f in compared(now, before)[0]] == ["D389"]


@pytest.mark.parametrize(
    ("limits", "codes"), [({"D387": 0.2}, ["D389"]), ({"D387": 0.01, "D388": 0.05}, ["D388", "D387", "D389"])]
)
def test_limits_of_ones_own(limits, codes):
    now = seen({("RX1", "2023-04", "episodes"): 80})
    assert [f[0] for f in compared(now, **limits)[0]] == codes


def test_windows_that_do_not_meet_are_said():
    now = seen(months=["2025-01"])
    vintage = Vintage("old", seen(months=["2020-01"]))
    findings, _ = compare(vintage, now, pd.Period("2025-01", "M"), pd.Period("2025-01", "M"), QualityConfig())
    assert [(f.code, f.detail) for f in findings] == [
        ("D387", "no longer among the months of the data"), ("D389", "no month in common"),
    ]  # fmt: skip


def test_months_that_are_no_longer_in_the_data_warn():
    findings, _ = compare(
        Vintage("old", seen()), seen(months=MONTHS[4:]), pd.Period("2023-05", "M"), LAST, QualityConfig()
    )
    assert [(f.code, f.where) for f in findings] == [("D387", "2023-01 to 2023-04"), ("D389", "old")]


def test_months_that_the_study_leaves_out_itself_are_not_missed():
    """`--until 2023-09` after a run with data to December."""
    vintage, last = Vintage("later", seen()), pd.Period("2023-09", "M")
    now = seen(months=MONTHS[:9])
    findings, _ = compare(vintage, now, FIRST, last, QualityConfig(), chosen=(False, True))
    assert [f.code for f in findings] == ["D389"]
    findings, _ = compare(vintage, now, FIRST, last, QualityConfig())
    assert (findings[0].code, findings[0].where) == ("D387", "2023-10 to 2023-12")


REFERRALS = pd.DataFrame(
    [(s, m, 4) for s in ("RX1", "RX2") for m in MONTHS], columns=["site", "month", "people"]
)  # fmt: skip


def people_gone(now: pd.DataFrame, **limits: float):
    findings, changes = compare_caseload(REFERRALS, now, QualityConfig(thresholds=limits))
    return [(f.code, f.where, f.records, f.people) for f in findings], changes.values.tolist()


def test_a_caseload_that_grew_is_no_finding():
    more = pd.DataFrame([("RX1", "2024-01", 9), ("RX3", "2023-06", 5)], columns=REFERRALS.columns)
    assert people_gone(pd.concat([REFERRALS, more])) == (
        [], [["RX1", "2024-01", 0, 9], ["RX3", "2023-06", 0, 5]],
    )  # fmt: skip
    assert people_gone(REFERRALS) == ([], [])


def test_people_gone_from_the_caseload_are_a_warning_also_when_as_many_are_new():
    cut = REFERRALS[(REFERRALS["site"] != "RX2") | (REFERRALS["month"] > "2023-02")]
    new = pd.DataFrame([("RX2", "2024-01", 8)], columns=REFERRALS.columns)
    found, changes = people_gone(pd.concat([cut, new]))
    assert found == [("D422", "RX2", 8, 8)]
    assert changes == [["RX2", "2023-01", 4, 0], ["RX2", "2023-02", 4, 0], ["RX2", "2024-01", 0, 8]]


def test_a_site_whose_whole_caseload_is_gone_is_named_and_the_limit_is_the_studys():
    gone = REFERRALS[REFERRALS["site"] == "RX1"]
    assert people_gone(gone)[0] == [("D422", "RX2", 48, 48)]
    one = REFERRALS.assign(people=[3, *REFERRALS["people"][1:]])
    assert people_gone(one)[0] == [("D422", "RX1", 1, 1)]
    assert people_gone(one, D422=0.05)[0] == []
