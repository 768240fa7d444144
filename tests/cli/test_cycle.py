"""Scheduled runs: stale data are refused, and between refreshes the page is monitoring only."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from aaot_eval.cli import run
from aaot_eval.cli._cycle import carry, month_label, month_number, plan_refresh, refuse_stale
from aaot_eval.errors import DataQualityError, UsageError
from aaot_eval.results import Release
from aaot_eval.run_folder import StudyFolder, read_run
from tests.cli.fakes import CONFIG, write_config, written


@pytest.mark.parametrize("label", ["2024-01", "2023-12", "1999-06"])
def test_months_are_numbers_and_back(label):
    assert month_label(month_number(label)) == label


@pytest.mark.parametrize(
    ("data_cut", "as_of", "lag", "stale"),
    [
        ("2026-03", date(2026, 5, 20), 2, False),  # May less 2 is March
        ("2026-03", date(2026, 6, 1), 2, True),
        ("2025-11", date(2026, 1, 31), 2, False),
        ("2025-10", date(2026, 1, 31), 2, True),
        ("2026-03", date(2026, 6, 1), 3, False),
        ("2026-06", date(2026, 5, 1), 2, False),
    ],
)
def test_stale(data_cut, as_of, lag, stale):
    if not stale:
        refuse_stale(data_cut, "month", as_of, lag)
        return
    with pytest.raises(DataQualityError) as refused:
        refuse_stale(data_cut, "month", as_of, lag)
    (problem,) = refused.value.problems
    expected = month_label(as_of.year * 12 + as_of.month - 1 - lag)
    assert data_cut in problem.what
    assert expected in problem.what


def test_only_months_can_be_stale():
    with pytest.raises(UsageError, match="monthly data"):
        refuse_stale("2024Q1", "quarter", date(2026, 1, 1), 2)


def _plan(config, runs, data_cut):
    return plan_refresh(StudyFolder.open(runs, config.name), config, data_cut)


def test_first_run_estimates(tmp_path):
    plan = _plan(write_config(tmp_path), tmp_path / "runs", "2026-02")
    assert (plan.refreshed, plan.data_cut, plan.next_cut) == (True, "2026-02", "2026-03")


def test_quarters_are_refreshed_and_months_between_are_not(tmp_path):
    config, runs = write_config(tmp_path), tmp_path / "runs"
    first = written(config, runs, data_cut="2026-03", refresh={"refreshed": True})
    for month in ("2026-04", "2026-05"):
        plan = _plan(config, runs, month)
        assert (plan.refreshed, plan.data_cut, plan.next_cut) == (False, "2026-03", "2026-06")
        assert plan.source.path == first
        assert plan.facts("x") == {
            "cycle": "quarterly",
            "refreshed": False,
            "data_cut": "2026-03",
            "next": "2026-06",
            "run": first.name,
        }
    assert _plan(config, runs, "2026-06").refreshed


def test_a_quarter_that_was_missed_is_made_up_for(tmp_path):
    config, runs = write_config(tmp_path), tmp_path / "runs"
    written(config, runs, data_cut="2026-02", refresh={"refreshed": True})
    assert _plan(config, runs, "2026-04").refreshed


def test_another_config_is_estimated_at_once(tmp_path):
    runs = tmp_path / "runs"
    written(write_config(tmp_path), runs, data_cut="2026-03", refresh={"refreshed": True})
    other = write_config(tmp_path, CONFIG.replace("[study]", "[study]\nconf_level = 0.9"))
    assert _plan(other, runs, "2026-04").refreshed


def test_how_far_the_data_go_is_no_change_of_the_study(tmp_path):
    runs = tmp_path / "runs"
    written(write_config(tmp_path), runs, data_cut="2026-03", refresh={"refreshed": True})
    later = write_config(tmp_path, CONFIG.replace("[study]", "complete_to = 2026-04-30\n[study]"))
    assert not _plan(later, runs, "2026-04").refreshed


@pytest.mark.parametrize(
    ("cycle", "month", "refreshed"),
    [("monthly", "2026-04", True), ("yearly", "2026-11", False), ("yearly", "2026-12", True)],
)
def test_other_cycles(tmp_path, cycle, month, refreshed):
    text = CONFIG + f'[monthly]\nrefresh = "{cycle}"\n'
    config, runs = write_config(tmp_path, text), tmp_path / "runs"
    written(config, runs, data_cut="2026-03", refresh={"refreshed": True})
    assert _plan(config, runs, month).refreshed is refreshed


def test_a_month_between_carries_the_answer_and_says_so(tmp_path):
    config, runs = write_config(tmp_path), tmp_path / "runs"
    source = written(config, runs, data_cut="2026-03", estimate=0.81, refresh={"refreshed": True})
    plan = _plan(config, runs, "2026-04")
    new = Release(
        tables={
            "headline": pd.DataFrame({"order": [1], "question": ["q"], "sentence": ["Lower: rate ratio 0.5."], "verdict": ["lower"]}),
            "estimates": pd.DataFrame({"analysis": ["site_did"], "estimate": [0.5], "note": [""]}),
            "caseload": pd.DataFrame({"unit": ["all"], "referred": [40]}),
            "rates": pd.DataFrame({"analysis": ["entry_rule"]}),
            "control_chart": pd.DataFrame({"period": ["2026-04"]}),
        },
        meta={"data_cut": "2026-04", "verdict": {"word": "higher"},
              "monthly": {"newest": {"period": "2026-04", "rules": ["outside", "shift"], "direction": "higher", "new": True,
                                     "not_judged": ["2026-05", "2026-06"]}}},
        hidden={}, profile="hes",
    )  # fmt: skip
    shown = carry(new, plan)
    sentences = list(shown.tables["headline"]["sentence"])
    assert sentences[0].startswith("Monitoring only: the data now run to 2026-04.")
    assert "data to 2026-03" in sentences[0]
    assert "next estimated with data to 2026-06" in sentences[0]
    assert sentences[0].endswith(
        "April 2026 on the control chart: a signal of a higher count (outside the limits and seven months or more on one side of the centre line). "
        "May 2026 to June 2026 are not judged: the count of a hospital is missing, or the month is left out."
    )
    assert list(shown.tables["control_chart"]["period"]) == ["2026-04"]
    assert sentences[1] == "Lower: rate ratio 0.81."
    assert list(shown.tables["estimates"]["estimate"]) == [0.81]
    assert list(shown.tables["caseload"]["referred"]) == [40]
    assert "rates" not in shown.tables  # rates by arm would give this month's estimate away
    assert shown.meta["verdict"] == {"word": "lower"}
    assert shown.meta["data_cut"] == "2026-04"
    assert read_run(source).release().tables["headline"].shape == (2, 4)


def test_observed_counts_run_on_and_the_expected_course_does_not():
    def series(months, observed, expected):
        return pd.DataFrame(
            {"analysis": "its", "unit": "S1", "outcome": "emergency", "t": range(len(months)), "period": months, "phase": "after",
             "observed": observed, "exposure": 1.0, "fitted": expected, "expected": expected, "expected_low": expected, "expected_high": expected}
        )  # fmt: skip

    from aaot_eval.cli._cycle import _observed_on

    shown = _observed_on(series(["2026-03", "2026-04"], [5, 6], [9.0, 9.5]), series(["2026-03"], [5], [8.0]))
    assert list(shown["observed"]) == [5, 6]
    assert shown["expected"].tolist()[0] == 8.0
    assert shown["expected"].isna().tolist() == [False, True]


def test_a_run_found_unchanged_becomes_the_latest_again(tiny, capsys):
    config = str(tiny / "study.toml")
    assert run(["analyze", "-q", config]) == 0
    newer = Path(capsys.readouterr().out.strip())
    (newer.parent / "latest.txt").write_text("2020-01_000000\n", encoding="utf-8")
    assert run(["analyze", "-q", config]) == 0
    assert (newer.parent / "latest.txt").read_text("utf-8").strip() == newer.name
