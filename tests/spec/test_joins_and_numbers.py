"""The join of the caseload by site, people without any record, numbering of episodes, and transfers that the data do not follow."""

from __future__ import annotations

import pytest

from tests.drawn import csv_text, episodes, panel_of, read, study, two_years

SITES = "site,go_live,population\nRX1,2022-04-01,1000\nRX2,,1000\n"


def found_in(home, drawn: str, caseload: str = "", **parts):
    """The findings by code, and the summaries, of drawn episodes over two years of background at RX1 and RX2."""
    background = two_years("RX1") + "\n" + two_years("RX2").split("\n", 1)[1]
    files = {"admissions.csv": csv_text(episodes(background) + episodes(drawn)), "sites.csv": SITES}
    if caseload:
        files["caseload.csv"] = "person,site,referred\n" + caseload
    config = study(home, files, **parts)
    with read(config) as tables:
        found: dict[str, list[tuple]] = {}
        for f in tables.findings:
            found.setdefault(f.code, []).append((f.where, f.records, f.people))
        return found, tables.summaries, config


STAYS = "person provider admitted key\n" + "\n".join(
    f"p{i} RX{1 + i // 6} 2022-0{1 + i % 6}-05 k{i}" for i in range(10)
)


def test_the_join_of_the_caseload_is_reported_by_site_and_a_badly_joined_site_warns(tmp_path):
    """RX1: six of its seven are found, five of them at RX1; RX2: two of four are found."""
    ours = "".join(f"p{i},RX1,2022-06-01\n" for i in (0, 1, 2, 3, 4, 6)) + "x1,RX1,2022-06-01\n"
    theirs = "".join(f"{p},RX2,2022-06-01\n" for p in ("p7", "p8", "x2", "x3"))
    found, summaries, _ = found_in(tmp_path, STAYS, ours + theirs)
    assert summaries["caseload_join"].values.tolist() == [["all", 11, 8, 7], ["RX1", 7, 6, 5], ["RX2", 4, 2, 2]]
    assert found["D394"] == [("RX2", 2, 2)]
    assert found["D307"] == [("caseload", 3, 3)]
    found, _, _ = found_in(tmp_path / "own", STAYS, ours + theirs, quality={"thresholds": {"D394": 0.6, "D307": 0.3}})
    assert not {"D394", "D307"} & set(found)


def test_people_of_the_caseload_without_any_record_stay_in_the_denominator_with_no_admission(tmp_path):
    *_, config = found_in(tmp_path, STAYS, "p0,RX1,2022-06-01\nx1,RX1,2022-06-01\n")
    _, panel = panel_of(config)
    people, cells = panel.people, panel.person_cells
    assert people["referral_t"].notna().sum() == 2
    (nobody,) = people.index[people["referral_t"].notna() & ~people["linked"]]
    theirs = cells[cells["person"] == nobody]
    assert len(theirs) == len(panel.periods)
    assert (theirs[[c for c in cells.columns if c not in ("person", "t")]] == 0).all().all()


NUMBERED = {
    "whole": ("1 2 3", 0),
    "does not begin at 1": ("2 3", 1),
    "has a gap": ("1 3", 1),
    "the same number twice": ("1 1", 1),
    "number not known": ("1 .", 0),
}


@pytest.mark.parametrize("case", NUMBERED)
def test_episodes_are_numbered_from_1_without_gaps_or_counted(tmp_path, case):
    orders, spells = NUMBERED[case]
    lines = "\n".join(
        f"A RX1 2022-05-01 2022-05-0{i} 2022-05-0{i + 1} {order} 8 ." for i, order in enumerate(orders.split(), start=1)
    )
    found, *_ = found_in(tmp_path, "person provider admitted start end order how left\n" + lines)
    assert found.get("D392", []) == ([("spells", spells, 1)] if spells else [])


def test_a_discharge_date_before_the_last_episode_is_counted_and_the_last_ones_used(tmp_path):
    drawn = """person provider admitted start end left order
    A RX1 2022-05-01 2022-05-01 2022-05-02 2022-05-02 1
    A RX1 2022-05-01 2022-05-02 2022-05-06 2022-05-06 2
    B RX2 2022-05-01 2022-05-01 2022-05-02 . 1
    B RX2 2022-05-01 2022-05-02 2022-05-06 2022-05-06 2"""
    found, *_, config = found_in(tmp_path, drawn)
    assert found["D393"] == [("spells", 1, 1)]
    with read(config) as tables:
        nights = tables.engine.rows("SELECT nights FROM stays WHERE admission_date = DATE '2022-05-01' AND nights > 0")
    assert nights == [(5,), (5,)]


def test_transfers_to_mental_health_that_no_record_follows_are_counted(tmp_path):
    """A goes on in the extract, B does not, C went home, D comes back a month later."""
    drawn = """person provider admitted end to source method
    A RX1 2022-05-01 2022-05-03 53 19 21
    A RX2 2022-05-03 2022-05-09 19 53 81
    B RX1 2022-05-01 2022-05-03 53 19 21
    C RX1 2022-05-01 2022-05-03 19 19 21
    D RX2 2022-05-01 2022-05-03 53 19 21
    D RX2 2022-06-07 2022-06-08 19 19 21"""
    found, *_ = found_in(tmp_path, drawn)
    assert found["D390"] == [("admissions", 2, 2)]


def test_two_sexes_and_ages_that_do_not_fit_under_one_key_are_counted(tmp_path):
    """A changes sex, B ages ten years in one, C has a birthday, D is of unknown sex once."""
    drawn = """person provider admitted sex age
    A RX1 2021-06-01 1 50
    A RX1 2022-06-01 2 51
    B RX1 2021-06-01 1 50
    B RX1 2022-06-01 1 60
    C RX1 2021-12-31 2 50
    C RX1 2022-01-02 2 51
    D RX1 2021-06-01 9 50
    D RX1 2022-06-01 2 51"""
    found, *_ = found_in(tmp_path, drawn)
    assert found["D397"] == found["D398"] == [("admissions", 1, 1)]


def test_the_date_of_a_discharge_that_happened_may_not_be_missing_in_a_month(tmp_path):
    lines = "\n".join(f"p{i} RX1 2022-05-{i + 1:02d} {'.' if i < 6 else f'2022-05-{i + 1:02d}'} 1" for i in range(12))
    found, summaries, _ = found_in(tmp_path, "person provider admitted left how\n" + lines)
    assert found["D395"] == [("2022-05; RX1", 6, None)]
    rows = summaries["completeness"]
    assert rows[(rows["column"] == "discharge date") & (rows["missing"] > 0)][["site", "month"]].values.tolist() == [
        ["RX1", "2022-05"]
    ]
