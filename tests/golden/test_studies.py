"""Whole studies against stored answers: a changed number shows here and must be named in the changelog."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from aaot_eval.config import load_config
from aaot_eval.pipeline import run_evaluation

#: Other machines add floating-point numbers in another order; iteration stops at 1e-10 and the inversions at 1e-6.
SAME = 1e-5
#: One small fixed sample of the stored study of verdicts; the command reruns all of it.
STORED = Path("docs", "results", "scenario_verdicts.csv")
SAMPLE = [("null", 1), ("single_site", 2)]


@pytest.fixture(scope="module")
def verdicts() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "scenario_verdicts.py"
    spec = importlib.util.spec_from_file_location("scenario_verdicts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("scenario", "seed"), SAMPLE)
def test_stored_verdict_comes_out_again(verdicts: ModuleType, root: Path, scenario: str, seed: int) -> None:
    stored = verdicts.stored(root / STORED).set_index(["scenario", "seed"])
    row = verdicts.study(scenario, seed)
    then = stored.loc[(scenario, seed)]
    assert row["word"] == then["word"]
    assert row["money"] == then["money"]
    assert verdicts.right(row)
    for column in ("estimate", "conf_low", "conf_high", "gross"):
        assert row[column] == pytest.approx(then[column], rel=SAME), column


def test_stored_verdicts_reach_their_marks(verdicts: ModuleType, root: Path) -> None:
    table = verdicts.score(verdicts.stored(root / STORED).to_dict("records")).set_index("scenario")
    assert set(table.index) == set(verdicts.SCENARIOS)
    assert (table["seeds"] == 20).all()
    for scenario, needed in verdicts.NEEDED.items():
        assert table.loc[scenario, "right"] >= needed, scenario
    assert table.loc[["null", "regression_to_mean"], "claims"].max() <= 2


def test_no_claim_where_nothing_started(root: Path) -> None:
    result = run_evaluation(load_config(root / "configs" / "nhs_ae_placebo.toml"))
    assert not result.verdict.claim
    assert result.primary.headline.conf_low < 1 < result.primary.headline.conf_high
    own = [e for e in result.effects[0].estimates if e.unit]
    assert {e.unit for e in own} == {*result.panel.treated_units, "England"}
    assert len(result.panel.treated_units) == 12
    england = next(e for e in own if e.unit == "England")
    assert england.conf_low < 1 < england.conf_high
    assert "the input is an aggregated panel" in str(result.meta["skipped"])
