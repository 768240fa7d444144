"""The extract of the speed benchmark is one that the project reads, alike from CSV and from Parquet."""

from __future__ import annotations

import pandas as pd
import pytest

from aaot_eval.config import load_config
from aaot_eval.pipeline import prepare
from benchmarks.ingest_speed import CONFIG, DIAGNOSES, ENTRIES, GROWTH, grown, judged, make_extract

ROWS = 3000


def test_the_extract_of_the_benchmark_gives_the_same_panels_from_csv_and_parquet(tmp_path):
    files = make_extract(ROWS, tmp_path / "data", text=True)
    panels = []
    for file in files:
        home = tmp_path / file.suffix.removeprefix(".")
        home.mkdir()
        config = home / "speed.toml"
        config.write_text(CONFIG.format(extract=file.as_posix(), home=home.as_posix(), memory="1GB"), encoding="utf-8")
        found = prepare(load_config(config))
        assert [s.kept for s in found.flow if s.step == "rows read"] == [ROWS]
        panels.append(found.panel)
    for name in ("units", "cells", "people", "person_cells"):
        pd.testing.assert_frame_equal(getattr(panels[0], name), getattr(panels[1], name))
    assert panels[0].cells["alcohol_specific_emergency"].sum() > 0
    assert len(pd.read_parquet(files[1]).filter(like="DIAG_").columns) == DIAGNOSES


@pytest.mark.parametrize(("ratio", "met"), [("1.25", "yes"), ("1.26", "NO"), ("", "NO")])
def test_a_goal_that_was_not_measured_is_not_met(ratio, met):
    found = {"cpu_ratio": ratio, "wall_seconds": "1.0", "peak_gib": "0.5"}
    assert judged("ingest", 1_000, found) == ("1.25x by CPU", met)


def test_growth_is_said_only_of_two_sizes_at_one_limit():
    name, many, few, memory, goal = GROWTH
    what = ENTRIES[name][0]
    measured = {(many, memory, what): {"wall_seconds": "50"}, (few, "1GB", what): {"wall_seconds": "10"}}
    assert grown(measured) == []
    (_, said) = grown(measured | {(few, memory, what): {"wall_seconds": "9.0"}})
    assert said.startswith(f"{many:,} episodes from Parquet take 5.56 times as long as {few:,}")
    assert said.endswith(f"(goal {goal:g}: NOT met).")
