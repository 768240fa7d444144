"""Episodes to provider spells: the two named rules, drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drawn import csv_text, episodes, read, rows_of, study

SPELLS = """SELECT t.token, provider, admission_date, end_date, admission_method, discharge_destination, episodes
FROM spells s JOIN persons t ON t.person = s.person ORDER BY 1, 3, 2"""
WINDOW = {"complete_to": "2022-12-31"}


def spells(home: Path, drawn: str, rule: str = "hf") -> list[tuple[object, ...]]:
    config = study(home, {"admissions.csv": csv_text(episodes(drawn + END))}, data=WINDOW, study={"spell_rule": rule})
    with read(config) as tables:
        return [r for r in rows_of(tables, SPELLS) if r[0] != "Z"]


# Somebody else at the end, so that the year is complete.
END = "\nZ RX9 2022-12-31 2022-12-31 2022-12-31 1 1 19 21"
COLUMNS = "person provider admitted start end order how to method\n"


@pytest.mark.parametrize("rule", ["hf", "york"])
def test_two_episodes_with_one_admission_date_are_one_spell(tmp_path, rule):
    drawn = (
        COLUMNS
        + """
    A RX1 2022-05-01 2022-05-01 2022-05-03 1 8 98 21
    A RX1 2022-05-01 2022-05-03 2022-05-07 2 1 19 21"""
    )
    assert spells(tmp_path, drawn, rule) == [("A", "RX1", "2022-05-01", "2022-05-07", "21", "19", 2)]


@pytest.mark.parametrize("rule", ["hf", "york"])
def test_two_providers_are_two_spells(tmp_path, rule):
    drawn = (
        COLUMNS
        + """
    A RX1 2022-05-01 2022-05-01 2022-05-03 1 1 51 21
    A RX2 2022-05-03 2022-05-03 2022-05-07 1 1 19 2B"""
    )
    assert spells(tmp_path, drawn, rule) == [
        ("A", "RX1", "2022-05-01", "2022-05-03", "21", "51", 1),
        ("A", "RX2", "2022-05-03", "2022-05-07", "2B", "19", 1),
    ]


def test_hf_joins_an_undischarged_episode_to_the_one_that_starts_the_day_it_ended(tmp_path):
    drawn = (
        COLUMNS
        + """
    A RX1 2022-05-01 2022-05-01 2022-05-03 1 8 98 21
    A RX1 2022-05-03 2022-05-03 2022-05-07 1 1 19 21"""
    )
    assert len(spells(tmp_path / "hf", drawn, "hf")) == 1
    assert len(spells(tmp_path / "york", drawn, "york")) == 2


def test_hf_does_not_join_after_a_discharge_or_a_day_later(tmp_path):
    drawn = (
        COLUMNS
        + """
    A RX1 2022-05-01 2022-05-01 2022-05-03 1 1 19 21
    A RX1 2022-05-03 2022-05-03 2022-05-07 1 1 19 21
    B RX1 2022-05-01 2022-05-01 2022-05-03 1 8 98 21
    B RX1 2022-05-04 2022-05-04 2022-05-07 1 1 19 21"""
    )
    assert len(spells(tmp_path, drawn)) == 4


def test_hf_joins_two_episodes_that_start_on_one_day(tmp_path):
    drawn = (
        COLUMNS
        + """
    A RX1 2022-05-01 2022-05-02 2022-05-02 1 1 98 21
    A RX1 2022-05-02 2022-05-02 2022-05-07 2 1 19 13"""
    )
    assert spells(tmp_path, drawn) == [("A", "RX1", "2022-05-01", "2022-05-07", "21", "19", 2)]


def test_admission_comes_from_the_first_episode_and_discharge_from_the_last(tmp_path):
    drawn = (
        COLUMNS
        + """
    A RX1 2022-05-01 2022-05-04 2022-05-07 3 4 79 21
    A RX1 2022-05-01 2022-05-01 2022-05-02 1 8 98 2A
    A RX1 2022-05-01 2022-05-02 2022-05-04 2 8 98 22"""
    )
    assert spells(tmp_path, drawn) == [("A", "RX1", "2022-05-01", "2022-05-07", "2A", "79", 3)]


def test_a_missing_discharge_date_is_filled_from_the_last_end(tmp_path):
    drawn = (
        "person provider admitted start end left order how to method\n"
        + """
    A RX1 2022-05-01 2022-05-01 2022-05-02 . 1 8 98 21
    A RX1 2022-05-01 2022-05-02 2022-05-09 1801-01-01 2 1 19 21
    Z RX9 2022-12-31 2022-12-31 2022-12-31 . 1 1 19 21"""
    )
    config = study(tmp_path, {"admissions.csv": csv_text(episodes(drawn))}, data=WINDOW)
    with read(config) as tables:
        assert rows_of(tables, SPELLS)[0][:4] == ("A", "RX1", "2022-05-01", "2022-05-09")


def test_the_direction_of_a_transfer_orders_episodes_of_one_day(tmp_path):
    # Out at noon, back in the evening: the row that goes out comes first, whatever its key.
    drawn = (
        "key person provider admitted start end order how to source method\n"
        + """
    9 A RX1 2022-05-02 2022-05-02 2022-05-02 1 8 51 19 21
    1 A RX1 2022-05-02 2022-05-02 2022-05-02 1 1 19 51 81
    5 Z RX9 2022-12-31 2022-12-31 2022-12-31 1 1 19 19 21"""
    )
    config = study(tmp_path, {"admissions.csv": csv_text(episodes(drawn))}, data=WINDOW)
    with read(config) as tables:
        assert rows_of(tables, SPELLS)[0] == ("A", "RX1", "2022-05-02", "2022-05-02", "21", "19", 2)
