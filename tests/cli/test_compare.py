"""Two runs beside one another: what went in, what they were made with, what came out; and what cannot be told from two runs."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from aaot_eval.cli import run
from aaot_eval.run_folder.comparing import VALUES, Change, _differing, _estimates, _findings, _findings_differing, _flow
from tests.cli.fakes import CONFIG, write_config, written

OTHER_PANEL = "unit,period,emergency\nS1,2024-01,7\n"


def compared(capsys, *arguments: object) -> dict:
    assert run(["compare", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_only_what_differs_is_listed_and_its_one_cause_named(tmp_path, capsys):
    then = written(write_config(tmp_path / "a"), tmp_path / "runs")
    now = written(write_config(tmp_path / "a", panel=OTHER_PANEL), tmp_path / "runs", data_cut="2025-01", estimate=0.9)
    found = compared(capsys, then, now)
    assert found["data_cut"] == {"then": "2024-12", "now": "2025-01"}
    assert [c["what"] for c in found["changed"]["inputs"]] == ["panel panel.csv"]
    assert found["changed"]["settings"] == found["changed"]["versions"] == []
    (answer,) = found["changed"]["headline"]
    assert (answer["then"], answer["now"]) == ("Lower: rate ratio 0.8.", "Lower: rate ratio 0.9.")
    assert found["read_as"].startswith("Only the inputs differ")


def test_several_causes_are_not_told_apart(tmp_path, capsys):
    then = written(write_config(tmp_path / "a"), tmp_path / "runs")
    text = CONFIG + "conf_level = 0.9\n"
    now = written(write_config(tmp_path / "a", text, OTHER_PANEL), tmp_path / "runs", estimate=0.9)
    assert run(["compare", str(then), str(now)]) == 0
    said = capsys.readouterr().out
    assert "study.conf_level\n    then: 0.95\n    now: 0.9\n" in said
    assert "cannot be told from" in said
    assert "verify" in said
    assert all(len(line) <= 80 or " " not in line.strip() for line in said.splitlines())


def test_a_file_with_another_name_and_the_same_content_is_the_same_input(tmp_path, capsys):
    then = written(write_config(tmp_path / "a"), tmp_path / "runs")
    config = write_config(tmp_path / "a", CONFIG.replace("panel.csv", "totals.csv"))
    (tmp_path / "a" / "panel.csv").rename(tmp_path / "a" / "totals.csv")
    now = written(config, tmp_path / "runs")
    found = compared(capsys, then, now)["changed"]
    assert found["inputs"] == []
    assert [c["what"] for c in found["settings"]] == ["data.panel"]


def test_the_same_run_twice_differs_in_nothing(tmp_path, capsys):
    one = written(write_config(tmp_path / "a"), tmp_path / "runs")
    found = compared(capsys, one, one)
    assert not any(found["changed"].values())
    assert found["read_as"] == "No result differs."


def test_a_study_alone_is_its_newest_run_and_the_one_before(tmp_path, capsys):
    runs = tmp_path / "runs"
    made = [
        written(write_config(tmp_path / "a", panel=OTHER_PANEL.replace("7", str(i))), runs, data_cut=f"2024-{i:02}")
        for i in (10, 11, 12)
    ]
    # One that was made again later, for an earlier month, is not the run before.
    written(write_config(tmp_path / "a", panel=OTHER_PANEL.replace("7", "3")), runs, data_cut="2024-08")
    found = compared(capsys, made[0].parent)
    assert [found["earlier"], found["later"]] == [str(made[1]), str(made[2])]


def test_a_first_run_has_none_before_it(tmp_path, capsys):
    one = written(write_config(tmp_path / "a"), tmp_path / "runs")
    assert run(["compare", str(one.parent)]) == 3
    assert "V640" in capsys.readouterr().err


@pytest.mark.parametrize("which", [0, 1])
def test_a_changed_run_is_refused_by_name(tmp_path, capsys, which):
    runs = [
        written(write_config(tmp_path / name, panel=panel), tmp_path / "runs")
        for name, panel in (("a", "unit,period,emergency\nS1,2024-01,5\n"), ("b", OTHER_PANEL))
    ]
    (runs[which] / "release" / "tables" / "headline.csv").write_text("x", encoding="utf-8")
    assert run(["compare", *map(str, runs)]) == 7
    said = capsys.readouterr().err
    assert runs[which].name in said
    assert runs[1 - which].name not in said


def test_rows_are_matched_by_what_they_are_and_hidden_cells_shown_as_hidden():
    row = {"table": "stays", "step": "in the window", "reason": "after 2026-05"}
    then = _flow({"flow": pd.DataFrame([row | {"kept": 1250, "lost": "*"}])})
    now = _flow({"flow": pd.DataFrame([row | {"kept": 1300, "lost": 0, "reason": "after 2026-06"}])})
    assert _differing(then, now) == (
        Change("stays; in the window", "1,250 kept, * lost; after 2026-05", "1,300 kept, 0 lost; after 2026-06"),
    )
    finding = {"code": "D304", "title": "Impossible dates", "where": "RZ1", "why": "", "level": "warn", "records": 20}
    then = _findings({"data_quality": pd.DataFrame([finding])})
    now = _findings({"data_quality": pd.DataFrame([finding | {"records": 25}, finding | {"where": "RZ2"}])})
    assert _differing(then, now) == (
        Change("D304; Impossible dates; RZ1", "warn 20", "warn 25"),
        Change("D304; Impossible dates; RZ2", None, "warn 20"),
    )


def test_an_estimate_without_an_end_or_a_number_says_so():
    rows = pd.DataFrame(
        {"analysis": ["site_did", "its", "its"], "estimate": [0.8, 0.9, None], "conf_low": [0.7, None, None],
         "conf_high": [0.95, None, None], "p_value": [0.012, None, None], "primary": [True, False, False],
         "status": ["ok", "no_finite_interval", "not_estimable"]}
    )  # fmt: skip
    assert list(_estimates({"estimates": rows}).values()) == [
        "0.8 (0.7 to 0.95), p 0.012",
        "0.9 (no limit to no limit)",
        "not_estimable",
    ]


def test_what_is_read_of_a_table_is_a_column_that_is_released():
    from aaot_eval.schema import table_schema

    for table, columns in VALUES.items():
        assert set(columns) <= set(table_schema("release", table).names)


def told(*rows: tuple[str, str]) -> dict:
    """Findings as released: a code with its place, each of one record."""
    frame = pd.DataFrame(
        [(code, "note", "a title", where, 1, "a reason") for code, where in rows],
        columns=["code", "level", "title", "where", "records", "why"],
    )
    return _findings({"data_quality": frame})


def test_a_finding_whose_place_alone_moved_is_the_same_and_one_of_several_is_not():
    then = told(("D317", "2021-07 to 2026-05"), ("D314", "RX1, 2024-01"), ("D304", "admissions"))
    now = told(
        ("D317", "2021-07 to 2026-06"), ("D314", "RX1, 2024-02"), ("D314", "RX2, 2024-02"), ("D304", "admissions")
    )
    assert _findings_differing(then, now) == (
        Change("D314; a title; RX1, 2024-02; a reason", None, "note 1"),
        Change("D314; a title; RX2, 2024-02; a reason", None, "note 1"),
        Change("D314; a title; RX1, 2024-01; a reason", "note 1", None),
        Change("D317; a title; a reason", "2021-07 to 2026-05: note 1", "2021-07 to 2026-06: note 1"),
    )
    assert _findings_differing(now, now) == ()
