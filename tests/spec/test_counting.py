"""From stays to counts: what is an episode, an emergency, an alcohol-specific stay; nothing is counted twice or dropped silently."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aaot_eval.findings import CATALOGUE
from aaot_eval.ingest.spells import EMERGENCY, alcohol_specific_list, codes_in_list
from aaot_eval.results import Tables
from tests.drawn import csv_text, episodes, panel_of, read, rows_of, study

WINDOW = {"complete_to": "2022-12-31"}
END = "\nZ 2022-12-31"


def flow(tables: Tables) -> list[tuple[str, int, int]]:
    return [(s.reason or s.step, s.kept, s.lost) for s in tables.flow if s.table == "episodes"]


def test_every_loss_of_an_episode_has_a_reason_and_the_flow_adds_up(tmp_path):
    drawn = """
    key person provider admitted   start      end        status class
    1   A      RX1      2022-05-01 2022-05-01 2022-05-02 3      1
    2   A      RX1      2022-06-01 2022-06-01 2022-06-02 1      1
    3   .      RX1      2022-06-03 2022-06-03 2022-06-04 3      1
    4   B      89999    2022-06-05 2022-06-05 2022-06-06 3      1
    5   B      RX1      1801-01-01 2022-06-07 2022-06-08 3      1
    6   B      RX1      2022-06-09 2022-06-09 1800-01-01 3      1
    7   C      RX1      2022-06-11 2022-06-11 2022-06-11 3      3
    8   C      RX1      2022-06-12 2022-06-12 2022-06-12 3      4
    9   D      RX1      2022-06-13 2022-06-13 2022-06-13 3      8
    10  E      RX1      2022-06-14 2022-06-14 2022-06-14 3      2
    11  F      RX1      2022-06-15 2022-06-15 2022-06-15 3      5
    1   A      RX1      2022-05-01 2022-05-01 2022-05-02 3      1
    12  A      RX1      2022-05-01 2022-05-01 2022-05-02 3      1
    99  Z      RX9      2022-12-31 2022-12-31 2022-12-31 3      1
    """
    with read(study(tmp_path, {"admissions.csv": csv_text(episodes(drawn))}, data=WINDOW)) as tables:
        assert flow(tables) == [
            ("rows read", 14, 0),
            ("not finished (episode status is not 3)", 13, 1),
            ("no person key", 12, 1),
            ("no provider", 11, 1),
            ("no admission date", 10, 1),
            ("no start or no end of the episode", 9, 1),
            ("regular day or night attender (patient class 3 or 4)", 7, 2),
            ("patient class not 1, 2 or 5", 6, 1),
            ("the same episode key again; the last load wins", 5, 1),
            ("the same person, provider, order and dates under another key", 4, 1),
        ]
        steps = [s for s in tables.flow if s.table == "episodes"]
        assert all(a.kept == b.kept + b.lost for a, b in itertools.pairwise(steps))
        assert tables.counts["stays"] == 4
        assert {f.code for f in tables.findings} >= {"D301", "D302", "D303", "D316"}


def test_the_last_load_of_an_episode_wins(tmp_path):
    month_1 = csv_text(episodes("key person admitted end diag\n1 A 2022-05-01 2022-05-02 R69X"))
    month_2 = csv_text(
        episodes("key person admitted end diag\n1 A 2022-05-01 2022-05-09 F102\n2 Z 2022-12-31 2022-12-31 R074")
    )
    files = {"in/apc_01.csv": month_1, "in/apc_02.csv": month_2}
    with read(study(tmp_path, files, data={"admissions": "in/apc_*.csv", **WINDOW})) as tables:
        assert rows_of(tables, "SELECT end_date, alcohol_specific FROM stays ORDER BY admission_date") == [
            ("2022-05-09", 1),
            ("2022-12-31", 0),
        ]


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_rows_with_one_key_the_same_one_stays_in_any_order(tmp_path, turned):
    rows = episodes("key person admitted diag\n1 A 2022-05-01 R074\n1 A 2022-05-01 F102\n1 A 2022-05-01 R69X")
    rows = (rows[::-1] if turned else rows) + episodes("person admitted key\nZ 2022-12-31 9")
    with read(study(tmp_path, {"admissions.csv": csv_text(rows)}, data=WINDOW)) as tables:
        assert rows_of(tables, "SELECT alcohol_specific FROM stays ORDER BY stay") == [(1,), (0,)]


@pytest.mark.parametrize(("same", "code"), [(1, None), (4, "D334"), (12, "D333")])
def test_a_key_that_is_of_no_episode_stops_and_a_file_loaded_twice_does_not(tmp_path, same, code):
    """One key for several admissions of a person would leave the last of them alone."""
    days = pd.date_range("2022-01-03", periods=40, freq="7D")
    drawn = "key person admitted\n" + "\n".join(
        f"{'one' if i < same else i} A {day.date()}" for i, day in enumerate(days)
    )
    text = csv_text(episodes(drawn + "\nend Z 2022-12-31"))
    files = {"apc_1.csv": text, "apc_2.csv": text}
    with read(study(tmp_path, files, data={**WINDOW, "admissions": "apc_*.csv"})) as tables:
        assert tables.counts["episodes"] == 42 - same
        found = [(f.code, f.detail) for f in tables.findings if f.code in ("D333", "D334")]
    assert [c for c, _ in found] == ([code] if code else [])
    assert all("the key of another admission of the person" in detail for _, detail in found)


def test_which_methods_are_an_emergency(tmp_path):
    assert set(EMERGENCY) == {"21", "22", "23", "24", "25", "2A", "2B", "2C", "2D", "28"}
    methods = [*EMERGENCY, "11", "12", "13", "31", "81", "82", "99"]
    drawn = (
        "person admitted method\n" + "\n".join(f"P{m} 2022-05-01 {m.lower()}" for m in methods) + "\nZ 2022-12-31 11"
    )
    with read(study(tmp_path, {"admissions.csv": csv_text(episodes(drawn))}, data=WINDOW)) as tables:
        found = {
            r[0][1:]
            for r in rows_of(
                tables, "SELECT t.token FROM stays s JOIN persons t ON t.person = s.person WHERE s.emergency = 1"
            )
        }
    assert found == set(EMERGENCY)


def test_the_code_list_is_the_published_set():
    assert alcohol_specific_list() == (
        "E244", "F10", "G312", "G621", "G721", "I426", "K292", "K70", "K852", "K860", "Q860", "R780", "T510", "T511", "T519", "X45", "X65",
        "Y15", "Y90", "Y91",
    )  # fmt: skip


def test_codes_are_known_with_dot_filler_dagger_and_fifth_character():
    written = [
        "F10",
        "F100",
        "F10.2",
        "F102D",
        "f103",
        "K70",
        "K703",
        "K29.2",
        "K292A",
        "X45X",
        "X450",
        "Y912",
        "T51.9",
    ]
    others = ["F11", "F1", "K290", "K29", "K71", "T512", "X46X", "R78", "E24", "", "-"]
    assert codes_in_list([*written, *others], alcohol_specific_list()) == written


def test_an_alcohol_code_counts_in_any_of_twenty_positions(tmp_path):
    last = "+".join(["R074"] * 19 + ["K70.3"])
    drawn = f"""
    person admitted   diag
    first  2022-05-01 F102
    last   2022-05-01 {last}
    dot    2022-05-01 R074+G31.2
    never  2022-05-01 R074+F11
    blank  2022-05-01 .
    Z      2022-12-31 R074
    """
    with read(study(tmp_path, {"admissions.csv": csv_text(episodes(drawn))}, data=WINDOW)) as tables:
        found = rows_of(
            tables,
            "SELECT t.token FROM stays s JOIN persons t ON t.person = s.person WHERE alcohol_specific = 1 ORDER BY 1",
        )
        positions = rows_of(
            tables,
            "SELECT position, count(*) FROM coded_diagnoses WHERE list = 'alcohol_specific' GROUP BY position ORDER BY position",
        )
    assert found == [("dot",), ("first",), ("last",)]
    assert positions == [(1, 1), (2, 1), (20, 1)]


SITES = "site,go_live,population,beds\n{sites}"


@pytest.mark.parametrize(("listed", "expected"), [
    ("RX1", {"A": "RX1", "B": "RX1", "C": "RX2", "D": "RX1"}),
    ("RX101,2022-03-01,1000,9\nRX1", {"A": "RX101", "B": "RX1", "C": "RX2", "D": "RX1"}),
])  # fmt: skip
def test_the_site_of_a_stay(tmp_path, listed, expected):
    drawn = """
    person admitted   provider site
    A      2022-05-01 RX1      RX101
    B      2022-05-01 RX1      RX102
    C      2022-05-01 RX200    .
    D      2022-05-01 RX100    89999
    Z      2022-12-31 RX1      .
    """
    files = {"admissions.csv": csv_text(episodes(drawn)), "sites.csv": SITES.format(sites=f"{listed},,1000,9\n")}
    with read(study(tmp_path, files, data=WINDOW)) as tables:
        found = dict(
            rows_of(
                tables, "SELECT t.token, s.site FROM stays s JOIN persons t ON t.person = s.person WHERE t.token <> 'Z'"
            )
        )
    assert found == expected


def test_self_discharge_of_every_year_is_kept(tmp_path):
    drawn = "person admitted how\nold 2022-05-01 2\nnew 2022-05-01 6\nadvocate 2022-05-01 7\nZ 2022-12-31 1"
    with read(study(tmp_path, {"admissions.csv": csv_text(episodes(drawn))}, data=WINDOW)) as tables:
        assert tables.counts["stays"] == 4


def test_whole_numbers_written_with_a_decimal_are_the_same_numbers(tmp_path):
    drawn = "person admitted end order age\nA 2022-05-01 2022-05-03 1 47\nA 2022-05-01 2022-05-04 2 47\nZ 2022-12-31 2022-12-31 1 50"
    found = []
    for end in ("", ".0"):
        rows = episodes(drawn)
        for row in rows:
            row |= {name: row[name] + end for name in ("EPIORDER", "EPISTAT", "STARTAGE")}
        with read(study(tmp_path, {"admissions.csv": csv_text(rows)}, data=WINDOW)) as tables:
            assert tables.counts["rejects"] == 0
            found.append(rows_of(tables, "SELECT episode_order, age, discharge_date FROM episodes ORDER BY row"))
    assert found[0] == found[1]
    assert [row[:2] for row in found[0]] == [(1, 47), (2, 47), (1, 50)]


def test_ages_of_the_first_year_are_nought_and_those_of_nobody_unknown(tmp_path):
    drawn = "person admitted age\n" + "\n".join(
        f"A{i} 2022-05-01 {age}" for i, age in enumerate((7001, 7007, 120, 121, -4))
    )
    with read(study(tmp_path, {"admissions.csv": csv_text(episodes(drawn + END + " 50"))}, data=WINDOW)) as tables:
        assert rows_of(tables, "SELECT age FROM episodes ORDER BY row") == [(0,), (0,), (120,), (None,), (None,), (50,)]


def test_people_without_an_area_or_a_site_of_treatment_stay(tmp_path):
    rows = episodes("person admitted method diag\nA 2022-05-01 21 F102\nB 2022-05-02 21 F102" + END + " 21 R074")
    for row, fifth in zip(rows, ("", "More deprived 30-40%", ""), strict=True):
        row |= {"IMD04_DECILE": fifth, "SITETRET": ""}
    with read(study(tmp_path, {"admissions.csv": csv_text(rows)}, data=WINDOW)) as tables:
        assert rows_of(tables, "SELECT sum(emergency), sum(alcohol_specific) FROM stays") == [(3, 2)]


def test_impossible_dates_are_counted_and_never_make_negative_nights(tmp_path):
    drawn = """
    person admitted   start      end        left
    Y      2022-05-01 2022-05-01 2022-05-01 2022-05-01
    A      2022-05-10 2022-05-10 2022-05-08 2022-05-08
    Z      2022-12-31 2022-12-31 2022-12-31 2022-12-31
    """
    with read(study(tmp_path, {"admissions.csv": csv_text(episodes(drawn))}, data=WINDOW)) as tables:
        assert rows_of(tables, "SELECT nights FROM stays") == [(0,), (0,), (0,)]
        assert [(f.records, f.people) for f in tables.findings if f.code == "D304"] == [(1, 1)]


def test_unknown_codes_are_found_and_kept(tmp_path):
    drawn = "person admitted method sex\nA 2022-05-01 2Z 1\nZ 2022-12-31 21 7"
    with read(study(tmp_path, {"admissions.csv": csv_text(episodes(drawn))}, data=WINDOW)) as tables:
        assert sorted((f.where, f.records) for f in tables.findings if f.code == "D313") == [
            ("ADMIMETH, admissions.csv", 1),
            ("SEX, admissions.csv", 1),
        ]


def test_unknown_codes_are_counted_file_by_file_under_the_name_of_each_file(tmp_path):
    first = "person admitted method\nA 2022-05-01 2Z\nB 2022-05-02 2Y\nC 2022-05-03 21"
    later = episodes("person admitted method\nA 2022-06-01 99\nZ 2022-12-31 9A")
    renamed = [{("How" if k == "ADMIMETH" else k): v for k, v in row.items()} for row in later]
    files = {"apc_1.csv": csv_text(episodes(first)), "apc_2.csv": csv_text(renamed)}
    data = WINDOW | {"admissions": "apc_*.csv", "columns": {"admissions": {"admission_method": ["ADMIMETH", "How"]}}}
    with read(study(tmp_path, files, data=data)) as tables:
        found = [(f.where, f.records, f.people) for f in tables.findings if f.code == "D313"]
        assert found == [("ADMIMETH, apc_1.csv", 2, 2), ("How, apc_2.csv", 1, 1)]


# Invariance -------------------------------------------------------------------------------------------------------------

CODES = st.sampled_from(["F102", "K703", "R074", "R69X", ""])
DAY = st.integers(0, 27)


@st.composite
def extracts(draw: st.DrawFn) -> list[dict[str, str]]:
    """A few people with overlapping, transferred, split and repeated episodes."""
    lines = ["key person provider admitted start end order how to source method diag"]
    for i in range(draw(st.integers(2, 14))):
        first = draw(DAY)
        start, length = first + draw(st.integers(0, 2)), draw(st.integers(0, 6))
        day = [str(pd.Timestamp("2022-05-01").date() + pd.Timedelta(days=d)) for d in (first, start, start + length)]
        cells = [
            str(draw(st.integers(1, 10))) if draw(st.booleans()) else f"9{i}",
            draw(st.sampled_from("AAB")),
            draw(st.sampled_from(["RX1", "RX2"])),
            *day,
            draw(st.sampled_from(["1", "2", "99"])),
            draw(st.sampled_from(["1", "8", "4"])),
            draw(st.sampled_from(["19", "51", "79"])),
            draw(st.sampled_from(["19", "51"])),
            draw(st.sampled_from(["21", "2B", "11", "81"])),
            draw(CODES) or ".",
        ]
        lines.append(" ".join(cells))
    lines.append("5000 Z RX1 2022-12-31 2022-12-31 2022-12-31 1 1 19 19 21 R074")
    return episodes("\n".join(lines))


def panel_text(home: Path, *parts: list[dict[str, str]]) -> tuple[str, str, int]:
    files = {f"in/apc_{i}.csv": csv_text(part) for i, part in enumerate(parts)}
    tables, panel = panel_of(study(home, files, data={"admissions": "in/apc_*.csv", **WINDOW}))
    assert panel.people is not None
    return panel.cells.to_csv(index=False), panel.people.to_csv(index=False), tables.counts["stays"]


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=extracts(), seed=st.integers(0, 999))
def test_neither_the_order_of_rows_nor_a_file_loaded_twice_changes_a_count(tmp_path_factory, rows, seed):
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    homes = [tmp_path_factory.mktemp("drawn") for _ in range(2)]
    assert panel_text(homes[0], rows) == panel_text(homes[1], shuffled, shuffled[::-1])


# Gates ----------------------------------------------------------------------------------------------------------------


def gated(home: Path, change, **asked) -> dict[str, list[tuple[str, int | None, str]]]:
    """The findings by code of six months with twenty episodes each at two sites, after `change(row, month, place)`."""
    drawn = "person provider admitted\n" + "\n".join(
        f"p{m}{i} RX{1 + i % 2} 2022-0{m}-{1 if i < 2 else 30 if i > 17 and m != 2 else 5 + i // 2:02d}"
        for m in range(1, 7)
        for i in range(20)
    )
    rows = episodes(drawn)
    for at, row in enumerate(rows):
        change(row, 1 + at // 20, at % 20)
    config = study(home, {"admissions.csv": csv_text(rows)}, data={"complete_to": "2022-06-30"}, study=asked)
    found: dict[str, list[tuple[str, int | None, str]]] = {}
    with read(config) as tables:
        for f in tables.findings:
            found.setdefault(f.code, []).append((f.where, f.records, f.detail))
    return found


@pytest.mark.parametrize("blank", ["", "R69X", "12345", "nil", "-"])
def test_months_without_diagnoses_stop_and_are_named(tmp_path, blank):
    def change(row, month, place):
        if month in (2, 3, 5):
            row["DIAG_01"] = blank if place < 15 else "F102"
        if month == 6 and place < 4:
            row["DIAG_01"] = blank

    found = gated(tmp_path, change)
    assert found["D331"] == [("2022-02 to 2022-03, 2022-05", 45, "at most half of the episodes of a month; here more")]
    assert ("2022-06", 4, "10 to 50 % of the episodes") in found["D312"]
    assert CATALOGUE["D331"].level == CATALOGUE["D332"].level == CATALOGUE["D333"].level == "stop"
    left = gated(tmp_path / "left", change, left_out=["2022-02", "2022-03", "2022-05"])
    assert "D331" not in left


def test_a_site_without_diagnoses_stops_though_the_month_as_a_whole_has_them(tmp_path):
    def change(row, month, place):
        if month == 4 and row["PROCODE3"] == "RX2":
            row["DIAG_01"] = ""

    assert gated(tmp_path, change)["D331"] == [
        ("RX2: 2022-04", 10, "at most half of the episodes of a site and month; here more")
    ]


def test_months_without_an_admission_method_stop(tmp_path):
    def change(row, month, place):
        if month == 3 or (month == 4 and place < 6):
            row["ADMIMETH"] = ""

    found = gated(tmp_path, change)
    assert found["D332"] == [("2022-03", 20, "at most half of the episodes of a month; here more")]
    assert found["D335"] == [("2022-04", 6, "10 to 50 % of the episodes")]


@pytest.mark.parametrize("written", ["21.0", "Emergency", "99"])
def test_a_method_that_nobody_knows_is_no_method_and_stops(tmp_path, written):
    """Codes that became decimals on the way would leave 2A to 2D as the only emergencies."""

    def change(row, month, place):
        row["ADMIMETH"] = written if month == 3 else "2A"

    found = gated(tmp_path, change)
    assert found["D332"] == [("2022-03", 20, "at most half of the episodes of a month; here more")]
    assert "D335" not in found


@pytest.mark.parametrize(
    ("column", "value", "lost", "code", "words"),
    [
        ("TOKEN_PERSON_ID", "", 5, "D333", "at most 20%; here 25% of the episodes: no person key"),
        ("EPISTAT", "1", 5, "D333", "at most 20%; here 25% of the episodes: not finished (episode status is not 3)"),
        ("EPISTAT", "1", 2, "D334", "10% of the episodes: not finished (episode status is not 3)"),
        ("CLASSPAT", "3", 8, None, ""),
        ("CLASSPAT", "1.0", 5, "D333", "at most 20%; here 25% of the episodes: patient class not 1, 2 or 5"),
    ],
)
def test_a_large_share_lost_for_one_reason_stops(tmp_path, column, value, lost, code, words):
    def change(row, month, place):
        if 4 <= place < 4 + lost:
            row[column] = value

    found = gated(tmp_path, change)
    assert {c for c in found if c in ("D333", "D334")} == ({code} if code else set())
    if code:
        assert found[code] == [("admissions", None, words)]
