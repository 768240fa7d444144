"""An aggregated panel goes the whole way: from a CSV of sites and quarters to a verdict about a planted effect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaot_eval.config import load_config
from aaot_eval.estimators import build_estimator
from aaot_eval.pipeline import run_evaluation
from aaot_eval.results import Analysis
from tests.builders import site_panel

CONFIG = """
config_version = 1
name = "quarters"
[data]
panel = "panel.csv"
[panel]
unit = "site"
period = "quarter"
frequency = "quarter"
outcomes = { admissions = "count" }
exposure = "population"
start = "start"
[study]
outcome = "admissions"
"""


def quarters(ratio: float) -> pd.DataFrame:
    """Eight sites, 24 quarters, two of them starting in different quarters; admissions change by `ratio` from the start."""
    rng = np.random.default_rng(1)
    rows = []
    for site in range(8):
        start = {0: "2021Q1", 1: "2021Q3"}.get(site, "")
        for i in range(24):
            quarter = f"{2018 + i // 4}Q{i % 4 + 1}"
            on = bool(start) and quarter >= start
            rows.append((f"S{site}", quarter, rng.poisson(300 * (ratio if on else 1)), 1000 + 50 * site, start))
    return pd.DataFrame(rows, columns=["site", "quarter", "admissions", "population", "start"])


@pytest.mark.parametrize(("ratio", "words"), [(0.7, {"lower"}), (1.0, {"no_effect", "cannot_tell"}), (1.4, {"higher"})])
def test_quarterly_panel_with_two_starts(tmp_path: Path, ratio: float, words: set[str]) -> None:
    quarters(ratio).to_csv(tmp_path / "panel.csv", index=False)
    (tmp_path / "study.toml").write_text(CONFIG, encoding="utf-8")
    result = run_evaluation(load_config(tmp_path / "study.toml"))
    primary = result.primary.headline
    assert primary.estimator == "site_did"
    assert primary.conf_low < ratio < primary.conf_high
    assert result.verdict.word in words
    assert result.costs is None
    assert "aggregated panel" in result.tables["headline"]["sentence"].iloc[2]
    assert result.tables["series"]["persons"].isna().all()
    # Two starts: what the two-way coefficient averages, and each cohort's effects with the sites behind them, are released.
    averaged, cohorts = result.tables["two_way_weights"], result.tables["group_time"]
    assert averaged["weight"].sum() == pytest.approx(1.0)
    assert "against sites that already started" in set(averaged["comparison"])
    assert set(averaged["start"]) == {"2021Q1", "2021Q3"}
    assert (cohorts["controls"] == 6).all()
    assert {"sites", "lost"} <= set(cohorts.columns)


def test_an_empty_site_month_is_missing_and_no_reason_to_stop() -> None:
    counts = np.full((6, 60), 100.0)
    panel = site_panel({"admissions": counts}, [36, *[None] * 5])
    cell = (panel.cells["unit"] == "S03") & (panel.cells["t"] == 20)
    panel.cells["admissions_persons"] = panel.cells["admissions_persons"].astype("Int64")
    panel.cells.loc[cell, ["admissions", "admissions_persons"]] = [np.nan, pd.NA]
    panel.cells.loc[cell, "missing"] = True
    estimate = build_estimator("site_did", {}).fit(panel, Analysis("a", "sites", "site_did", "admissions"), seed=1)[0]
    assert estimate.estimate == pytest.approx(1.0)
    assert "2020-12" in estimate.note or "missing" in estimate.note


def test_columns_that_no_estimate_uses_are_named(tmp_path: Path) -> None:
    frame = quarters(1.0).assign(weight=2.0, region="north", beds=300)
    frame.to_csv(tmp_path / "panel.csv", index=False)
    more = 'weight = "weight"\ncluster = "region"\ncovariates = ["beds"]\n[study]'
    (tmp_path / "study.toml").write_text(CONFIG.replace("[study]", more), encoding="utf-8")
    result = run_evaluation(load_config(tmp_path / "study.toml"))
    found = result.tables["data_quality"].set_index("code").loc["D346"]
    # One region for all tells no error, so group_time, which would adjust for beds, is left out as well.
    assert found["why"] == "columns: region, weight, beds"
    assert "Columns of the panel that not every estimate uses" in " ".join(result.tables["limits"]["text"])
    assert any("makes 1 of all sites" in s["why"] for s in result.meta["skipped"] if s["stage"] == "two_way")


def test_clusters_and_weights_are_used_and_the_primary_without_them_is_named(tmp_path: Path) -> None:
    frame = quarters(0.7)
    frame = frame.assign(w=1.0 + frame["site"].str[1:].astype(int), region=frame["site"].str[1:].astype(int) // 2)
    frame.to_csv(tmp_path / "panel.csv", index=False)
    more = 'weight = "w"\ncluster = "region"\n[study]'
    (tmp_path / "study.toml").write_text(CONFIG.replace("[study]", more), encoding="utf-8")
    result = run_evaluation(load_config(tmp_path / "study.toml"))
    found = result.tables["data_quality"].set_index("code").loc["D346"]
    assert "region (cluster of two_way, group_time, event_study; the primary is made without it)" in found["why"]
    assert "w (weight of two_way, group_time, event_study; the primary is made without it)" in found["why"]
    notes = " ".join(result.estimates().query("analysis in ('two_way', 'group_time')")["note"])
    assert "weighted by the panel's column of weights" in notes
    assert "clustered by 4 groups of sites" in notes
