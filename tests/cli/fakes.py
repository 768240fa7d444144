"""A run that was never computed, to test how runs are written, found again and verified."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from aaot_eval.config import RunConfig, load_config
from aaot_eval.results import Analysis, CheckResult, CostResult, Effect, Estimate, Release, RunResult, Source, Verdict
from aaot_eval.run_folder import Account, Drawn, StudyFolder, begin_reading, fingerprint, standing_seal, write_run
from tests.builders import site_panel

CONFIG = """
config_version = 1
name = "fake"
[data]
panel = "panel.csv"
[study]
outcome = "emergency"
"""

#: A panel of counts by hospital and month.
PANEL_STUDY = """
config_version = 1
name = "counts"
[data]
panel = "panel.csv"
[panel]
unit = "hospital"
period = "month"
outcomes = { admissions = "count" }
exposure = "people"
start = "start"
[study]
outcome = "admissions"
"""


def write_config(folder: Path, text: str = CONFIG, panel: str = "unit,period,emergency\nS1,2024-01,5\n") -> RunConfig:
    """A config and its panel file in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "panel.csv").write_text(panel, encoding="utf-8", newline="\n")
    (folder / "study.toml").write_text(text, encoding="utf-8", newline="\n")
    return load_config(folder / "study.toml")


def result_of(config: RunConfig, data_cut: str = "2024-12", estimate: float = 0.8) -> RunResult:
    """A result whose numbers are what the caller says."""
    import numpy as np

    panel = site_panel({"emergency": np.full((3, 12), 6)}, [6, None, None], first="2024-01")
    found = Estimate(
        "site_did", "sites", "site_did", "emergency", "rate ratio", "rate_ratio", estimate, conf_low=0.7, conf_high=0.95
    )
    check = CheckResult("pre_trend", "site_did", "pass", "No trend before the start.")
    verdict = Verdict("lower", f"Lower: rate ratio {estimate}.")
    headline = pd.DataFrame(
        {"order": [1, 2], "question": ["Did admissions fall?", "How sure?"],
         "sentence": [verdict.sentence, "=cmd()"], "verdict": ["lower", ""]}
    )  # fmt: skip
    tables = {
        "headline": headline,
        "estimates": pd.DataFrame({"analysis": ["site_did"], "estimate": [estimate], "note": [""]}),
    }
    costs = CostResult(
        {}, verdict, "2024/25", "provider", per_patient=pd.DataFrame({"person": [0, 1], "saving": [1.0, -1.0]})
    )
    return RunResult(
        config=config, effects=(Effect(Analysis("site_did", "sites", "site_did", "emergency", primary=True), (found,), (check,)),),
        verdict=verdict, costs=costs, panel=panel, findings=(), flow=(),
        sources=(Source("panel", "panel.csv", 1, 10, fingerprint(config).inputs[0].sha256),), tables=tables,
        meta={"title": "A fake", "data_cut": data_cut, "period_kind": "month", "verdict": {"word": "lower"},
              "monthly": {"made": False, "why": "nothing was counted"}},
        restricted={"rejects": pd.DataFrame({"file": ["panel.csv"], "line": [3], "reason": ["=1+1"]})},
    )  # fmt: skip


def csv_of(frame: pd.DataFrame) -> str:
    """Plain CSV, for tests of what surrounds it."""
    return frame.to_csv(index=False, lineterminator="\n")


def written(
    config: RunConfig,
    runs: Path,
    *,
    data_cut: str = "2024-12",
    estimate: float = 0.8,
    refresh: dict[str, object] | None = None,
    hide: Sequence[str] = (),
) -> Path:
    """A run folder; under the sealed plan where the study has one."""
    from aaot_eval.disclosure import csv_text

    result = result_of(config, data_cut, estimate)
    release = Release(
        tables={k: v for k, v in result.tables.items() if k not in hide}, meta=result.meta, hidden={}, profile="hes"
    )
    study = StudyFolder.open(runs, config.name)
    seal = standing_seal(study)
    print_ = fingerprint(config, seal.state if seal else "")
    account = Account(
        "aaot-eval analyze study.toml", datetime(2025, 1, 1, tzinfo=UTC), ["line"], refresh=refresh or {},
        plan=begin_reading(study, seal, config, print_.whole) if seal else None,
    )  # fmt: skip
    return write_run(
        result,
        release,
        study=study,
        fingerprint=print_,
        account=account,
        as_csv=csv_text,
        drawn=Drawn({"report.html": "<html></html>\n"}),
    )
