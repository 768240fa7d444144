"""A month later: what changed in the back series is said, a lost file stops, and a run repeats though another came before it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from aaot_eval.cli import run

NAME = "simulated_null_1"


@pytest.fixture(scope="module")
def once(made_tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was run once; never written to."""
    study = Path(shutil.copytree(made_tiny, tmp_path_factory.mktemp("vintage") / "study"))
    assert run(["analyze", str(study / "study.toml"), "--quiet"]) == 0
    return study


@pytest.fixture
def study(once: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return Path(shutil.copytree(once, tmp_path / "study"))


def extracts(study: Path) -> list[Path]:
    return sorted((study / "extracts").glob("apc_*.csv"))


def thin(path: Path, keep) -> None:
    """The file with the rows that `keep` takes by their number."""
    head, *rows = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text(head + "".join(r for i, r in enumerate(rows) if keep(i)), encoding="utf-8")


def findings_of(capsys, study: Path) -> dict[str, list[dict]]:
    code = run(["check", str(study / "study.toml"), "--json", "--quiet"])
    found: dict[str, list[dict]] = {"exit": code}
    for row in json.loads(capsys.readouterr().out)["findings"]:
        found.setdefault(row["code"], []).append(row)
    return found


def test_the_first_run_says_nothing_and_the_next_check_that_nothing_changed(study, capsys):
    manifest = json.loads(next((study / "runs" / NAME).glob("*/manifest.json")).read_text("utf-8"))
    assert "D389" not in {g["code"] for g in manifest["gates"]}
    config = study / "study.toml"
    config.write_text(config.read_text("utf-8").replace("[study]", "[study]\nconf_level = 0.9", 1), encoding="utf-8")
    found = findings_of(capsys, study)
    assert [f["why"].split("; ")[1] for f in found["D389"]] == ["none has changed"]
    assert found["D389"][0]["where"] == manifest["run"]


def test_a_revised_back_series_is_told_by_check_and_run_and_the_run_repeats(study, capsys, tmp_path):
    thin(extracts(study)[0], lambda i: i % 12 != 0)
    config = study / "study.toml"
    text = config.read_text("utf-8") + "\n[quality.thresholds]\nD387 = 0.01\nD388 = 0.9\n"
    config.write_text(text, encoding="utf-8")
    assert findings_of(capsys, study)["D389"][0]["why"].count("changed: ") == 1

    assert run(["analyze", str(config), "--quiet"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    revised = (folder / "restricted" / "revisions.csv").read_text("utf-8").splitlines()
    assert revised[0] == "site,month,measure,before,now,change"
    assert len(revised) > 1
    assert all(float(line.rsplit(",", 1)[1]) < 0 for line in revised[1:])
    table = (folder / "release" / "tables" / "data_quality.csv").read_text("utf-8")
    assert "D389" in table

    # The same run again is compared with the same, not with itself.
    before = (folder / "release" / "tables" / "data_quality.csv").read_bytes()
    assert run(["analyze", str(config), "--quiet", "--force"]) == 0
    assert (folder / "release" / "tables" / "data_quality.csv").read_bytes() == before
    capsys.readouterr()
    assert run(["verify", str(folder), "--data", str(study), "--quiet"]) == 0
    assert run(["purge", str(folder), "--older-than", "0d", "--yes"]) == 0
    assert run(["verify", str(folder), "--data", str(study), "--quiet"]) == 0


def test_months_of_a_file_that_was_forgotten_are_named(study, capsys):
    extracts(study)[0].unlink()
    run(["analyze", str(study / "study.toml"), "--stop-after", "panel", "--verbose"])
    assert "no longer among the months of the data" in " ".join(capsys.readouterr().err.split())


def test_half_of_an_old_file_stops(study, capsys):
    thin(extracts(study)[1], lambda i: i % 2 == 0)
    found = findings_of(capsys, study)
    assert found["exit"] == 4
    (stop,) = found["D388"]
    assert "-" in stop["why"]
    assert stop["level"] == "stop"
    assert run(["analyze", str(study / "study.toml"), "--quiet"]) == 4


def test_a_caseload_cut_short_is_told_though_new_people_came_and_the_run_repeats(study, capsys):
    caseload = study / "caseload.csv"
    head, *rows = caseload.read_text("utf-8").splitlines(keepends=True)
    place = head.rstrip().split(",").index("referred")
    rows.sort(key=lambda row: row.split(",")[place])
    caseload.write_text(head + "".join(rows[len(rows) // 2 :]), encoding="utf-8")
    (told,) = findings_of(capsys, study)["D422"]
    assert told["level"] == "warn"

    assert run(["analyze", str(study / "study.toml"), "--quiet"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    changes = (folder / "restricted" / "caseload_changes.csv").read_text("utf-8").splitlines()
    assert changes[0] == "site,month,before,now"
    assert sum(int(line.split(",")[2]) - int(line.split(",")[3]) for line in changes[1:]) == len(rows) // 2
    assert "D422" in (folder / "release" / "tables" / "data_quality.csv").read_text("utf-8")
    assert run(["verify", str(folder), "--data", str(study), "--quiet"]) == 0


def test_other_rules_of_counting_are_not_compared(study, capsys):
    config = study / "study.toml"
    config.write_text(config.read_text("utf-8").replace("[study]", '[study]\nspell_rule = "york"', 1), encoding="utf-8")
    assert "D389" not in findings_of(capsys, study)


def test_check_stop_after_and_verify_take_what_a_run_has_kept_and_leave_it_as_it_was(study, capsys, monkeypatch):
    config = str(study / "study.toml")
    assert run(["check", config, "--json", "--no-cache"]) == 0
    read = capsys.readouterr()
    cache = study / "runs" / NAME / "cache"
    before = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in cache.iterdir()}

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a file was looked at although its rows were kept")

    monkeypatch.setattr("aaot_eval.ingest.plan.inspect_source", never)
    assert run(["check", config, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(read.out)
    for stage in ("ingest", "panel"):
        assert run(["analyze", config, "--stop-after", stage, "--quiet"]) == 0
    folder = next(p.parent for p in (study / "runs" / NAME).glob("*/manifest.json"))
    assert run(["verify", str(folder), "--data", str(study), "--quiet"]) == 0
    assert {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in cache.iterdir()} == before


def test_readings_of_a_study_that_is_being_run_are_left_alone(study, capsys):
    from filelock import FileLock

    with FileLock(study / "runs" / NAME / ".lock"):
        assert run(["check", str(study / "study.toml"), "--verbose"]) == 0
    assert "kept from an earlier run" not in capsys.readouterr().err
