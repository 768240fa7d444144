"""The engine keeps its promises: nothing from the network, spill in the work folder only, constants only in steps."""

from __future__ import annotations

import pandas as pd
import pytest

from aaot_eval.engine import open_engine
from aaot_eval.engine.steps import constant
from tests.drawn import csv_text, episodes, panel_of, study


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


def test_without_a_limit_the_engine_takes_four_gigabytes_or_what_the_machine_has(tmp_path):
    opened = open_engine("duckdb", tmp_path / "work")
    limit = opened.rows("SELECT current_setting('memory_limit')")[0][0]
    opened.close()
    size, unit = limit.split()
    assert unit in ("MiB", "GiB")
    assert unit == "MiB" or float(size) <= 4
