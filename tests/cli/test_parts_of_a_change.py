"""How much of a change came from what: parts that add up, each the study run again with one thing exchanged, and when there are none."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from aaot_eval.cli import run
from aaot_eval.results import Release
from aaot_eval.run_folder import Standing, parts_of, read_run, standing
from tests.cli.fakes import CONFIG, write_config, written

NAME = "simulated_null_3"
#: The last month of the earlier run; the study ends three months later.
LAST, NEWEST = "2024-09", "2024-12"


def state(change: int | None, saving: int | None = None, rests_on: str = "site_did") -> Standing:
    return Standing(change, None, None, saving, (rests_on, "cost"))


def test_a_part_is_what_the_answer_moved_and_all_of_them_are_the_change():
    states = [state(-201, 1_000), state(-187, 900), state(-187, 1_450), state(-240, 1_380)]
    parts = parts_of(["records", "prices", "months"], states)
    assert [(p.what, p.change, p.saving) for p in parts] == [
        ("records", 14, -100),
        ("prices", 0, 550),
        ("months", -53, -70),
    ]
    assert sum(p.change for p in parts) == -240 + 201
    assert sum(p.saving for p in parts) == 1_380 - 1_000


def test_a_part_beside_no_number_is_none_and_another_comparison_is_told():
    parts = parts_of(["records", "months"], [state(10), state(None), state(12, rests_on="own_cohorts")])
    assert [p.change for p in parts] == [None, None]
    assert [p.other_comparison for p in parts] == [False, True]


def answer_tables(**cells: object) -> dict[str, pd.DataFrame]:
    row = {
        "analysis": "site_did",
        "estimand": "ratio",
        "scale": "rate_ratio",
        "estimate": 0.8123,
        "conf_low": 0.7,
        "conf_high": 0.95,
        "primary": True,
    }
    other = {**row, "estimate": 2.0, "primary": False}
    saving = {"analysis": "cost", "headline": True, "saving": "-4416.74"}
    return {"estimates": pd.DataFrame([row | cells, other]), "saving": pd.DataFrame([saving])}


def test_the_answer_is_the_primary_estimate_in_tenths_of_a_per_cent_and_the_headline_saving_in_pounds():
    found = standing(answer_tables())
    assert (found.change, found.low, found.high, found.saving) == (-188, -300, -50, -4417)


@pytest.mark.parametrize(
    "cells", [{"estimate": "*"}, {"estimate": None}, {"scale": "rate_difference"}, {"primary": False}]
)
def test_an_answer_that_is_hidden_missing_or_no_ratio_is_none(cells):
    assert standing(answer_tables(**cells)).change is None


def test_a_run_without_costs_has_no_saving():
    tables = answer_tables()
    del tables["saving"]
    assert standing(tables).saving is None


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study run to one month, then three months further with records that came late, another setting and another price; never written to."""
    from aaot_eval.synthetic import simulate_study

    study = tmp_path_factory.mktemp("parts") / "study"
    simulate_study(study, scenario="null", seed=3, sites=8, treated=2, months=42, launch_after=26, size=0.1)
    config, extract = study / "study.toml", sorted((study / "extracts").glob("apc_*.csv"))[-2]
    whole = extract.read_bytes()
    head, *rows = whole.splitlines(keepends=True)
    extract.write_bytes(head + b"".join(row for i, row in enumerate(rows) if i % 8))
    assert run(["analyze", str(config), "--until", LAST, "--quiet"]) == 0
    extract.write_bytes(whole)
    prices = pd.read_csv(study / "unit_costs_invented.csv")
    prices[["value", "low", "high", "std_error"]] *= 1.5
    prices.to_csv(study / "prices_later.csv", index=False)
    text = config.read_text("utf-8").replace("unit_costs_invented.csv", "prices_later.csv")
    config.write_text(text.replace("[study]", "[study]\nphase_in = 2", 1), encoding="utf-8")
    assert run(["analyze", str(config), "--quiet"]) == 0
    return study


def runs_of(study: Path) -> list[Path]:
    return sorted((study / "runs" / NAME).glob("20*"))


def compared(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    assert run(["compare", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_each_part_is_the_study_run_again_with_that_alone_exchanged(moved, tmp_path, capsys):
    before = sorted(path.name for path in (moved / "runs" / NAME).iterdir())
    found = compared(capsys, moved / "runs" / NAME, "--data", moved)["moved"]
    assert sorted(path.name for path in (moved / "runs" / NAME).iterdir()) == before
    names = [part["what"] for part in found["parts"]]
    assert names == ["records sent late, corrected or recoded", "settings of the study", "prices and costs of the service",
                     f"months after {LAST}, up to {NEWEST}"]  # fmt: skip
    assert all(part["saving"] or part["change"] for part in found["parts"]), found
    for column in ("change", "saving"):
        total = sum(part[column] for part in found["parts"])
        assert total == pytest.approx(found["now"][column] - found["then"][column], abs=1e-9)

    # The same by hand: what each part exchanged is run as a study of its own.
    own = Path(shutil.copytree(moved, tmp_path / "study", ignore=shutil.ignore_patterns("runs")))
    text = (own / "study.toml").read_text("utf-8")
    earlier = text.replace("phase_in = 2\n", "").replace("prices_later.csv", "unit_costs_invented.csv")
    settings = text.replace("prices_later.csv", "unit_costs_invented.csv")
    states = [standing(read_run(runs_of(moved)[0]).release().tables)]
    for config in (earlier, settings, text):
        (own / "study.toml").write_text(config, encoding="utf-8")
        assert run(["analyze", str(own / "study.toml"), "--until", LAST, "--quiet"]) == 0
        states.append(standing(read_run(capsys.readouterr().out.strip()).release().tables))
    states.append(standing(read_run(runs_of(moved)[1]).release().tables))
    by_hand = [(round(b.change - a.change), b.saving - a.saving) for a, b in pairwise(states)]
    assert [(round(10 * part["change"]), part["saving"]) for part in found["parts"]] == by_hand


def test_the_parts_stand_between_the_two_answers_in_80_columns(moved, capsys, monkeypatch):
    monkeypatch.setattr("aaot_eval.cli._parts._released", lambda run, config, terminal: run.release().tables)
    assert run(["compare", str(moved / "runs" / NAME), "--data", str(moved), "--quiet"]) == 0
    said = capsys.readouterr().out
    rows = said[said.index("What moved the answer") :].splitlines()
    assert all(len(row) <= 80 for row in rows)
    assert rows[3].startswith(f"  then, data to {LAST} ")
    assert "cannot be told from two runs" not in said.replace("\n", " ")


def test_prices_that_are_gone_are_part_of_the_records_and_named(tmp_path, capsys, monkeypatch):
    from aaot_eval.cli import _parts

    monkeypatch.setattr(_parts, "_prices_are_there", lambda run, config: False)
    monkeypatch.setattr(_parts, "_released", lambda run, config, terminal: {})
    then = written(write_config(tmp_path / "a"), tmp_path / "runs")
    now = written(
        write_config(tmp_path / "a", panel="unit,period,emergency\nS1,2024-01,7\n"),
        tmp_path / "runs",
        data_cut="2025-01",
    )
    parts = compared(capsys, then, now, "--data", tmp_path / "a")["moved"]["parts"]
    assert parts[0]["what"] == "records sent late, corrected or recoded and prices, whose earlier files are not here"


def test_another_version_alone_is_not_called_records_and_no_interval_is_said(tmp_path, capsys, monkeypatch):
    from aaot_eval.cli import _parts

    tables = answer_tables(conf_low=None, conf_high=None)
    monkeypatch.setattr(_parts, "_released", lambda run, config, terminal: tables)
    monkeypatch.setattr("aaot_eval.run_folder.comparing._versions", lambda run: {"aaot-eval version": run.path.name})
    monkeypatch.setattr("aaot_eval.run_folder.RunFolder.release", lambda run: Release(tables, {}, {}, "hes"))
    config = write_config(tmp_path / "a")
    then = written(config.changed(study__conf_level=0.9), tmp_path / "runs")
    now = written(config, tmp_path / "runs", data_cut="2025-01")
    assert run(["compare", str(then), str(now), "--data", str(tmp_path / "a"), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "\n    another version of the program " in said
    assert "records sent late" not in said
    assert "The newer answer has no interval: it cannot be told from chance." in said


def test_where_nothing_but_months_is_new_nothing_is_run_again(tmp_path, capsys, monkeypatch):
    from aaot_eval.cli import _parts

    def again(*arguments: object) -> None:
        pytest.fail("the study was run again")

    monkeypatch.setattr(_parts, "_released", again)
    config = write_config(tmp_path / "a")
    then = written(config.changed(study__last_period="2024-12"), tmp_path / "runs")
    now = written(config, tmp_path / "runs", data_cut="2025-01")
    parts = compared(capsys, then, now, "--data", tmp_path / "a")["moved"]["parts"]
    assert [p["what"] for p in parts] == [
        "records sent late, corrected or recoded", "settings of the study", "months after 2024-12, up to 2025-01",
    ]  # fmt: skip


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, set[str]]:
    code = run(["compare", *map(str, arguments), "--json"])
    return code, {problem["code"] for problem in json.loads(capsys.readouterr().out)["problems"]}


def test_other_extracts_than_those_of_the_later_run_are_refused(tmp_path, capsys):
    then = written(write_config(tmp_path / "a"), tmp_path / "runs")
    now = written(
        write_config(tmp_path / "a", panel="unit,period,emergency\nS1,2024-01,7\n"),
        tmp_path / "runs",
        data_cut="2025-01",
    )
    write_config(tmp_path / "a", panel="unit,period,emergency\nS1,2024-01,9\n")
    assert refused(capsys, then, now, "--data", tmp_path / "a") == (7, {"V610"})
    (tmp_path / "a" / "panel.csv").unlink()
    assert refused(capsys, then, now, "--data", tmp_path / "a") == (3, {"V611"})


def test_the_later_run_first_is_refused(tmp_path, capsys):
    config = write_config(tmp_path / "a")
    then = written(config.changed(study__conf_level=0.9), tmp_path / "runs")
    now = written(config, tmp_path / "runs", data_cut="2025-01")
    assert refused(capsys, now, then, "--data", tmp_path / "a") == (3, {"V642"})


def test_a_run_between_refreshes_is_refused(tmp_path, capsys):
    config = write_config(tmp_path / "a", CONFIG)
    then = written(config.changed(study__conf_level=0.9), tmp_path / "runs")
    carried = {"refreshed": False, "run": then.name}
    now = written(config, tmp_path / "runs", data_cut="2025-01", refresh=carried)
    assert refused(capsys, then, now, "--data", tmp_path / "a") == (3, {"V641"})
