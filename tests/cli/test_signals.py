"""The control chart through the command: exit code 8 when asked, the same files either way, and between refreshes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aaot_eval.cli import run
from aaot_eval.run_folder import read_run
from tests.cli.fakes import PANEL_STUDY


def study(folder: Path, *newest: int, more: str = "") -> Path:
    """One hospital with the service from 2022-01; its last months are those given."""
    rng = np.random.default_rng(7)
    months = [f"{2019 + m // 12}-{m % 12 + 1:02d}" for m in range(48)]
    counts = rng.poisson(60, (1, 48))
    counts[0, 48 - len(newest) :] = newest
    rows = [
        f"H{s},{month},{n},100000,{'2022-01' if s == 0 else ''}"
        for s, own in enumerate(counts)
        for month, n in zip(months, own, strict=True)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "panel.csv").write_text("\n".join(["hospital,month,admissions,people,start", *rows]) + "\n", "utf-8")
    (folder / "study.toml").write_text(PANEL_STUDY + more, encoding="utf-8")
    return folder / "study.toml"


def latest(folder: Path) -> Path:
    return read_run(folder / "runs" / "counts").path


def test_a_new_signal_ends_with_8_only_when_asked_and_writes_the_same(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked, plain = study(tmp_path / "asked", 130), study(tmp_path / "plain", 130)
    assert run(["analyze", str(asked), "-q", "--fail-on-signal", "--out", str(tmp_path / "asked" / "runs")]) == 8
    shown = capsys.readouterr()
    assert shown.out.strip() == str(latest(tmp_path / "asked"))
    assert "M001 2022-12 has a signal of a higher count on the control chart: outside the limits" in " ".join(
        shown.err.split()
    )
    assert shown.err.rstrip().endswith("exit 8")
    assert run(["analyze", str(plain), "-q", "--out", str(tmp_path / "plain" / "runs")]) == 0
    found, other = latest(tmp_path / "asked"), latest(tmp_path / "plain")
    assert (found / "release/signals.json").read_bytes() == (other / "release/signals.json").read_bytes()
    document = json.loads((found / "release/signals.json").read_text("ascii"))
    assert document["signals"][-1] == {"period": "2022-12", "rules": ["outside"], "direction": "higher", "new": True}
    assert document["newest"] == document["signals"][-1] | {"not_judged": []}
    assert document["limits"] == [
        {"applies_from": "2020-01", "from": "2020-01", "to": "2021-12", "kind": "frozen", "months": 24, "met_a_rule": 0}
    ]
    assert read_run(found).status()["signal"] is True
    assert run(["verify", str(found), "-q"]) == 0
    assert run(["release", str(found), "--to", str(tmp_path / "out"), "-q"]) == 0
    assert "signals.json" in (tmp_path / "out" / "files.csv").read_text("utf-8")
    capsys.readouterr()
    # Nothing changed, and the month still has its signal.
    assert (
        run(["analyze", str(asked), "-q", "--fail-on-signal", "--json", "--out", str(tmp_path / "asked" / "runs")]) == 8
    )
    answer = json.loads(capsys.readouterr().out)
    assert (answer["exit_status"], answer["unchanged"], answer["run"]) == (8, True, str(found))
    assert [p["code"] for p in answer["problems"]] == ["M001"]


def test_no_signal_ends_with_0(tmp_path, capsys):
    config = study(tmp_path, 61)
    assert run(["analyze", str(config), "-q", "--fail-on-signal", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["signal"] is False
    page = (Path(answer["run"]) / "release/report.html").read_text("utf-8")
    assert "December 2022 on the control chart: no signal. The month looks like those that made its limits." in page


def test_a_run_of_low_months_is_said_once_until_it_is_new(tmp_path, capsys):
    """Seven months a little below the centre: the seventh is new, the eighth is not."""
    for months, code in ((7, 8), (8, 0)):
        config = study(tmp_path / str(months), 66, *[55] * months)
        assert run(["analyze", str(config), "-q", "--fail-on-signal"]) == code, months
    capsys.readouterr()


def test_new_limits_say_who_and_why_and_end_the_signals(tmp_path, capsys):
    more = '[[monthly.rebase]]\nperiod = "2022-01"\nby = "A. Person"\nwhy = "the team reached its full size"\n'
    newest = [28, 33, 30, 27, 31, 34, 26, 30, 32, 29, 31, 30]
    assert run(["analyze", str(study(tmp_path / "old", *newest)), "-q", "--fail-on-signal"]) == 8
    capsys.readouterr()
    assert run(["analyze", str(study(tmp_path / "new", *newest, more=more)), "-q", "--fail-on-signal", "--json"]) == 0
    page = (Path(json.loads(capsys.readouterr().out)["run"]) / "release/report.html").read_text("utf-8")
    assert "New limits decided by A. Person: the team reached its full size." in page


def test_counts_of_the_chart_leave_hidden_and_rounded(tmp_path, capsys):
    run(["analyze", str(study(tmp_path, 3)), "-q", "--json"])
    found = read_run(json.loads(capsys.readouterr().out)["run"])
    table = found.release().tables["control_chart"]
    assert table["observed"].iloc[-1] == "*"
    shown = table["observed"].iloc[:-1].astype(float)
    assert (shown % 5 == 0).all()
    assert "persons" not in table
    assert (table[["centre", "lower", "upper"]].dropna() % 5 == 0).all(axis=None)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[[monthly.rebase]]\nperiod = "2022"\nby = "A. Person"\nwhy = "size"\n', "a month such as 2024-04"),
        ('[[monthly.rebase]]\nperiod = "2022-01"\nby = ""\nwhy = "size"\n', "by"),
        ('[[monthly.rebase]]\nperiod = "2022-01"\n', "why"),
        (2 * '[[monthly.rebase]]\nperiod = "2022-01"\nby = "A. Person"\nwhy = "size"\n', "the same month"),
    ],
)
def test_a_rebase_without_a_month_a_name_or_a_reason_is_refused(tmp_path, capsys, more, said):
    assert run(["analyze", str(study(tmp_path, more=more)), "-q"]) == 3
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "runs").exists()
