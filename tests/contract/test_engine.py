"""The engine keeps its promises: nothing from the network, spill in the work folder only, constants only in steps."""

from __future__ import annotations

import pandas as pd
import pytest

from aaot_eval.engine import open_engine
from aaot_eval.engine.duckdb import DuckDBEngine
from aaot_eval.engine.steps import constant
from aaot_eval.panel import BYTES_OF_A_MONTH, BYTES_OF_A_PERSON
from tests.drawn import csv_text, episodes, panel_of, study

# The engine says its limit as a text with one decimal of a MiB.
MIB_SHOWN = 0.001


@pytest.fixture
def engine(tmp_path):
    opened = open_engine("duckdb", tmp_path / "work", memory="300MB", threads=1)
    yield opened
    opened.close()


def test_no_extension_is_ever_loaded_or_installed_by_itself(engine):
    names = ("autoload_known_extensions", "autoinstall_known_extensions")
    found = dict(engine.rows(f"SELECT name, value FROM duckdb_settings() WHERE name IN {names}"))
    assert found == dict.fromkeys(names, "false")


def test_spill_goes_to_the_work_folder_and_memory_is_bounded(engine, tmp_path):
    found = dict(
        engine.rows(
            "SELECT name, value FROM duckdb_settings() WHERE name IN ('temp_directory', 'memory_limit', 'threads')"
        )
    )
    assert str(tmp_path / "work") in found["temp_directory"]
    assert found["memory_limit"].startswith("286")
    assert found["threads"] == "1"


def test_what_a_killed_run_left_is_cleared_at_the_next_start(tmp_path):
    left = tmp_path / "work" / "engine-0-1" / "spill"
    left.mkdir(parents=True)
    (left / "rows.tmp").write_text("x")
    open_engine("duckdb", tmp_path / "work").close()
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("value", ["'; DROP TABLE stays; --", "a b", "", {"a": 1}, [1]])
def test_a_step_takes_constants_only(value):
    with pytest.raises(ValueError, match=r"no table name|cannot take"):
        constant(value)


def test_an_unbalanced_text_in_a_list_stays_a_text():
    assert constant(("2A", "x'y")) == "'2A', 'x''y'"


def test_a_table_can_be_brought_in_and_written_out(engine, tmp_path):
    engine.put("small", pd.DataFrame({"a": [1, 2]}))
    engine.export("small", tmp_path / "out" / "small.parquet")
    assert pd.read_parquet(tmp_path / "out" / "small.parquet")["a"].tolist() == [1, 2]


def test_one_thread_and_two_give_the_same_panel(tmp_path, monkeypatch):
    lines = ["person admitted end method diag"]
    lines += ["Z 2022-01-01 2022-01-01 21 R074", "Z 2022-12-31 2022-12-31 21 R074"]
    for i in range(400):
        day = f"2022-{1 + i % 12:02d}-{1 + i % 28:02d}"
        lines.append(f"P{i % 40} {day} {day} {'21' if i % 3 else '11'} {'F102' if i % 2 else 'R074'}")
    config = study(
        tmp_path, {"admissions.csv": csv_text(episodes("\n".join(lines)))}, data={"complete_to": "2022-12-31"}
    )
    texts = []
    for threads in (1, 2):
        monkeypatch.setattr("tests.drawn.open_engine", lambda name, work, n=threads: open_engine(name, work, threads=n))
        panel = panel_of(config)[1]
        texts.append((panel.cells.to_csv(), panel.people.to_csv(), panel.person_cells.to_csv()))
    assert texts[0] == texts[1]


def test_room_is_left_for_what_the_caller_holds_and_at_least_half_stays(engine):
    def allowed():
        return engine.rows("SELECT CAST(parse_formatted_bytes(current_setting('memory_limit')) AS BIGINT)")[0][0]

    before = allowed()
    engine.leave_room(50_000_000)
    assert allowed() == pytest.approx(before - 50_000_000, rel=MIB_SHOWN)
    engine.leave_room(10**12)
    assert allowed() == pytest.approx((before - 50_000_000) / 2, rel=MIB_SHOWN)
    assert engine.rows("SELECT count(*) FROM range(1000000)") == [(1_000_000,)]


def test_a_limit_that_cannot_be_kept_stays_as_it_was(engine):
    engine._db.execute("SET temp_directory = ''")
    engine._db.execute("CREATE TABLE held AS SELECT hash(i) AS a, hash(i + 1) AS b FROM range(12000000) t(i)")
    before = engine.rows("SELECT current_setting('memory_limit')")
    engine.leave_room(150_000_000)
    assert engine.rows("SELECT current_setting('memory_limit')") == before
    assert engine.rows("SELECT count(*) FROM held") == [(12_000_000,)]


def test_a_panel_of_people_takes_its_room_from_the_limit_of_memory(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(DuckDBEngine, "leave_room", lambda self, size: asked.append(size))
    lines = "person admitted end method diag\n" + "\n".join(
        f"P{i} 2022-{1 + i % 12:02d}-03 2022-{1 + i % 12:02d}-05 21 F102" for i in range(36)
    )
    config = study(tmp_path, {"admissions.csv": csv_text(episodes(lines))}, data={"complete_to": "2022-12-31"})
    panel = panel_of(config)[1]
    assert len(panel.people) > 30
    assert asked == [len(panel.person_cells) * BYTES_OF_A_MONTH + len(panel.people) * BYTES_OF_A_PERSON]
    assert asked[0] >= panel.person_cells.memory_usage(index=False).sum()


def test_without_a_limit_the_engine_takes_four_gigabytes_or_what_the_machine_has(tmp_path):
    opened = open_engine("duckdb", tmp_path / "work")
    limit = opened.rows("SELECT current_setting('memory_limit')")[0][0]
    opened.close()
    size, unit = limit.split()
    assert unit in ("MiB", "GiB")
    assert unit == "MiB" or float(size) <= 4
