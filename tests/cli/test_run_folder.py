"""What a run looks like on disk: complete, hashed, found again, and nothing of a run that failed."""

from __future__ import annotations

import json
import os
import re
import shutil

import pandas as pd
import pytest

from aaot_eval.disclosure import csv_text
from aaot_eval.errors import InputError, LockedError
from aaot_eval.run_folder import (
    RunFolder,
    StudyFolder,
    config_hash,
    differing_files,
    differing_inputs,
    fingerprint,
    largest_differences,
    point_to,
    read_run,
)
from tests.cli.fakes import CONFIG, write_config, written


def test_layout_and_name(tmp_path):
    config = write_config(tmp_path)
    run = written(config, tmp_path / "runs")
    assert re.fullmatch(r"2024-12_[0-9a-f]{6}", run.name)
    names = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    assert names == {
        "README.txt", "manifest.json", "config.toml", "status.json", "release/about.json", "release/report.html", "release/signals.json",
        "release/tables/headline.csv", "release/tables/headline.parquet", "release/tables/estimates.csv",
        "release/tables/estimates.parquet", "restricted/log.txt", "restricted/rejects.csv",
        "restricted/tables/headline.parquet", "restricted/tables/estimates.parquet",
    }  # fmt: skip
    assert (run.parent / "latest.txt").read_text("utf-8") == f"{run.name}\n"


def test_manifest_names_what_a_reviewer_needs(tmp_path):
    config = write_config(tmp_path)
    manifest = json.loads((written(config, tmp_path / "runs") / "manifest.json").read_text("utf-8"))
    assert {"tool", "python", "packages", "system", "seed", "config_sha256", "code_lists", "disclosure_profile", "times", "gates",
            "inputs", "outputs", "run_sha256", "refresh", "command"} <= manifest.keys()  # fmt: skip
    assert manifest["inputs"][0] | {"sha256": ""} == {
        "table": "panel",
        "path": "panel.csv",
        "rows": 1,
        "bytes": 35,
        "sha256": "",
    }
    assert {o["path"]: o["release"] for o in manifest["outputs"]}["restricted/log.txt"] is False
    assert {o["path"]: o["release"] for o in manifest["outputs"]}["release/report.html"] is True
    assert manifest["packages"]["pandas"] == pd.__version__


def test_spreadsheets_get_no_formulas(tmp_path):
    run = written(write_config(tmp_path), tmp_path / "runs")
    assert "'=cmd()" in (run / "release/tables/headline.csv").read_text("utf-8")
    assert "'=1+1" in (run / "restricted/rejects.csv").read_text("utf-8")


def test_per_patient_rows_only_with_a_reason(tmp_path):
    without = written(write_config(tmp_path / "a"), tmp_path / "runs")
    assert not (without / "restricted" / "patient_reports").exists()
    text = CONFIG + '[output]\npatient_reports = true\nreason = "audit 7"\n'
    asked = written(write_config(tmp_path / "b", text), tmp_path / "runs")
    folder = asked / "restricted" / "patient_reports"
    assert len(pd.read_csv(folder / "patients.csv")) == 2
    assert pd.read_parquet(folder / "patients.parquet")["person"].tolist() == [0, 1]
    assert "not evidence that the service caused it" in (folder / "README.txt").read_text("utf-8")
    assert "audit 7" in (folder / "README.txt").read_text("utf-8")
    assert not list((asked / "release").rglob("*patient*"))


def test_same_input_same_bytes_in_release(tmp_path):
    first = written(write_config(tmp_path / "a"), tmp_path / "one")
    second = written(write_config(tmp_path / "b"), tmp_path / "two")
    assert first.name == second.name
    files = sorted(
        p.relative_to(first) for p in first.rglob("*") if p.is_file() and p.name not in ("manifest.json", "README.txt")
    )
    assert all((first / f).read_bytes() == (second / f).read_bytes() for f in files)


@pytest.mark.parametrize(
    ("text", "panel", "same"),
    [
        (CONFIG + '[output]\nruns = "elsewhere"\n', None, True),
        (CONFIG.replace('[study]', '[study]\nconf_level = 0.9'), None, False),
        (CONFIG, "unit,period,emergency\nS1,2024-01,6\n", False),
    ],
)  # fmt: skip
def test_what_makes_two_runs_the_same(tmp_path, text, panel, same):
    here = fingerprint(write_config(tmp_path / "a"))
    there = fingerprint(write_config(tmp_path / "b", text, *([panel] if panel else [])))
    assert (here.whole == there.whole) is same


def test_resolved_config_reads_back_to_the_same_study(tmp_path):
    config = write_config(tmp_path)
    run = written(config, tmp_path / "runs")
    from aaot_eval.config import load_config

    assert config_hash(load_config(run / "config.toml")) == config_hash(config)


def test_an_earlier_run_is_found_by_content(tmp_path):
    config = write_config(tmp_path)
    run = written(config, tmp_path / "runs")
    study = StudyFolder.open(tmp_path / "runs", "fake")
    assert study.same(fingerprint(config)).path == run
    assert study.same(fingerprint(write_config(tmp_path / "c", panel="unit,period,emergency\nS1,2024-01,9\n"))) is None
    assert read_run(tmp_path / "runs" / "fake").path == run


def test_running_again_replaces_the_run_and_adds_a_line(tmp_path):
    config = write_config(tmp_path)
    runs = tmp_path / "runs"
    run = written(config, runs)
    (run / "stray.txt").write_text("x", encoding="utf-8", newline="\n")
    again = written(config, runs)
    assert again == run
    assert not (run / "stray.txt").exists()
    index = pd.read_csv(runs / "fake" / "index.csv")
    assert list(index["run"]) == [run.name, run.name]
    assert list(index["headline"]) == ["Lower: rate ratio 0.8."] * 2
    assert not [p for p in (runs / "fake").iterdir() if p.name.startswith(".partial")]


def test_untouched_run_verifies(tmp_path):
    assert differing_files(read_run(written(write_config(tmp_path), tmp_path / "runs"))) == []


def test_one_changed_byte_of_any_file_is_named(tmp_path):
    run = written(write_config(tmp_path), tmp_path / "runs")
    names = [p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()]
    for name in names:
        before = (run / name).read_bytes()
        (run / name).write_bytes(
            before.replace(before[-2:-1], b"\x01", 1) if name != "manifest.json" else before + b" "
        )
        problems = differing_files(read_run(run))
        assert [p.what.split(" ")[0] for p in problems] == [name]
        (run / name).write_bytes(before)
    assert differing_files(read_run(run)) == []


def test_missing_and_added_files_are_named(tmp_path):
    run = written(write_config(tmp_path), tmp_path / "runs")
    (run / "release" / "report.html").unlink()
    (run / "release" / "extra.csv").write_text("a\n", encoding="utf-8", newline="\n")
    assert [(p.code, p.what.split(" ")[0]) for p in differing_files(read_run(run))] == [
        ("V601", "release/report.html"), ("V603", "release/extra.csv"),
    ]  # fmt: skip


def test_a_copy_that_changed_only_line_ends_is_said_to_be_that_in_one_line(tmp_path):
    run = written(write_config(tmp_path), tmp_path / "runs")
    texts = ("README.txt", "config.toml", "status.json", "release/report.html")
    for name in (*texts, "manifest.json"):
        content = (run / name).read_bytes()
        (run / name).write_bytes(content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    files, manifest = differing_files(read_run(run))[::-1]
    assert (files.code, manifest.code) == ("V604", "V604")
    assert files.what == "4 files differ from what was written only in line ends"
    assert files.where.endswith(" and 1 more")
    assert manifest.where == "manifest.json"
    (run / "README.txt").write_bytes((run / "README.txt").read_bytes() + b"more\r\n")
    assert [p.code for p in differing_files(read_run(run))] == ["V602", "V604", "V604"]


def test_a_missing_restricted_folder_is_one_line_with_a_count(tmp_path):
    run = written(write_config(tmp_path), tmp_path / "runs")
    shutil.move(run / "restricted", tmp_path / "held back")
    assert [(p.code, p.what) for p in differing_files(read_run(run))] == [
        ("V601", "restricted/ is missing, with all its 4 files")
    ]
    (run / "restricted").mkdir()
    shutil.copy(tmp_path / "held back" / "log.txt", run / "restricted")
    assert len(differing_files(read_run(run))) == 3


def test_a_release_alone_says_what_it_takes_to_verify_it(tmp_path):
    run = written(write_config(tmp_path), tmp_path / "runs")
    with pytest.raises(InputError, match="cannot be verified alone") as inside:
        read_run(run / "release")
    assert f"name the run folder: {run.resolve()}" in str(inside.value)
    sent = tmp_path / "sent"
    shutil.copytree(run / "release", sent / "release")
    for place in (sent, sent / "release"):
        with pytest.raises(InputError, match="cannot be verified alone") as alone:
            read_run(place)
        assert "ask for the whole run folder, with manifest.json" in str(alone.value)


def test_inputs_that_differ_are_named(tmp_path):
    config = write_config(tmp_path)
    run = read_run(written(config, tmp_path / "runs"))
    assert differing_inputs(run, fingerprint(config).inputs) == []
    changed = write_config(tmp_path, panel="unit,period,emergency\nS1,2024-01,7\n")
    (problem,) = differing_inputs(run, fingerprint(changed).inputs)
    assert "panel.csv (panel) is not what the run read" in problem.what
    (tmp_path / "panel.csv").unlink()
    (problem,) = differing_inputs(run, fingerprint(config).inputs)
    assert "is not here" in problem.what


def test_not_a_run_folder(tmp_path):
    with pytest.raises(InputError, match="not a run folder"):
        read_run(tmp_path)


def test_second_run_is_locked_out_and_nothing_stays(tmp_path):
    study = StudyFolder.open(tmp_path / "runs", "fake")
    with (
        study.lock(),
        pytest.raises(LockedError, match="holds the lock"),
        StudyFolder.open(tmp_path / "runs", "fake").lock(),
    ):
        pass
    assert not (tmp_path / "runs").exists()


def test_what_a_killed_run_left_is_cleared_at_the_next_start(tmp_path):
    study = StudyFolder.open(tmp_path / "runs", "fake")
    for name in (".partial_2024-12_abcdef_77", ".work_x1"):
        (study.path / name).mkdir()
        (study.path / name / "rows.parquet").write_bytes(b"x")
    with study.lock():
        assert {p.name for p in study.path.iterdir()} == {".lock"}


def test_a_run_that_was_put_aside_when_the_next_one_was_killed_stands_again(tmp_path):
    run = written(write_config(tmp_path), tmp_path / "runs")
    run.rename(run.with_name(f".partial_old_{run.name}_77"))
    study = StudyFolder.open(tmp_path / "runs", "fake")
    (study.path / f".partial_{run.name}_77").mkdir()
    for left in (".latest.txt_77", ".index.csv_77", ".write_test_77"):
        (study.path / left).write_bytes(b"")
    with study.lock():
        assert differing_files(read_run(study.path)) == []
        assert {p.name for p in study.path.iterdir()} == {".lock", "index.csv", "latest.txt", run.name}


def test_a_run_that_is_not_in_its_place_is_no_run(tmp_path):
    run = written(write_config(tmp_path), tmp_path / "runs")
    run.rename(run.with_name(f".partial_{run.name}_77"))
    study = StudyFolder(run.parent)
    assert (study.runs(), study.unreadable()) == ([], [])


def test_a_run_that_was_killed_before_the_index_knew_it_is_entered_later_and_a_changed_one_is_not(tmp_path):
    run = written(write_config(tmp_path), tmp_path / "runs")
    study = StudyFolder(run.parent)
    index = (study.path / "index.csv").read_text("utf-8")
    for left in ("index.csv", "latest.txt"):
        (study.path / left).unlink()
    point_to(study, RunFolder.read(run), csv_text)
    assert (study.path / "index.csv").read_text("utf-8") == index
    assert read_run(study.path).path == run
    (run / "manifest.json").write_bytes((run / "manifest.json").read_bytes() + b" ")
    point_to(study, RunFolder.read(run), csv_text)
    assert (study.path / "index.csv").read_text("utf-8") == index
    assert [p.what.split(" ")[0] for p in differing_files(read_run(run))] == ["manifest.json"]


@pytest.mark.parametrize("moved", [False, True])
def test_a_run_made_again_and_killed_before_or_after_its_move_verifies(tmp_path, monkeypatch, moved):
    import aaot_eval.run_folder.writing as writing

    config = write_config(tmp_path)
    run = written(config, tmp_path / "runs")
    before = (run / "manifest.json").read_bytes()
    real = writing.move_into_place

    def killed(partial, final):
        if moved:
            real(partial, final)
        raise SystemExit

    monkeypatch.setattr(writing, "move_into_place", killed)
    monkeypatch.setattr(writing, "commit", lambda: "of the second run")
    with pytest.raises(SystemExit):
        written(config, tmp_path / "runs")
    assert ((run / "manifest.json").read_bytes() != before) is moved
    assert differing_files(read_run(tmp_path / "runs" / "fake")) == []
    (run / "manifest.json").write_bytes((run / "manifest.json").read_bytes() + b" ")
    assert [p.code for p in differing_files(read_run(run))] == ["V602"]


def test_a_failure_while_writing_leaves_nothing(tmp_path, monkeypatch):
    import aaot_eval.run_folder.writing as writing

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_parquet", full)
    config = write_config(tmp_path)
    with pytest.raises(OSError, match="No space"):
        written(config, tmp_path / "runs")
    assert list((tmp_path / "runs" / "fake").iterdir()) == []


def test_a_file_that_is_held_for_a_moment_is_replaced_later(tmp_path, monkeypatch):
    from aaot_eval.run_folder.files import replace

    calls = []
    real = os.replace

    def held(a, b):
        calls.append(a)
        if len(calls) < 3:
            raise PermissionError(13, "in use")
        real(a, b)

    monkeypatch.setattr(os, "replace", held)
    (tmp_path / "a").write_bytes(b"1")
    replace(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"1"
    assert len(calls) == 3


def test_unwritable_place_is_refused_before_anything(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8", newline="\n")
    with pytest.raises(InputError, match="nothing can be written"):
        StudyFolder.open(tmp_path / "file" / "runs", "fake")


def test_released_tables_come_back_as_they_were(tmp_path):
    from aaot_eval.disclosure import control

    flow = pd.DataFrame(
        {"order": [1, 2], "table": ["a", "a"], "step": ["x", "y"], "kept_people": [100, 4], "lost_people": [3, 0],
         "kept": [200, 6], "lost": [5, 0], "reason": ["", "r"]}
    )  # fmt: skip
    release = control({"flow": flow}, {}, profile="hes")
    from aaot_eval.run_folder.files import typed, write_parquet

    write_parquet(tmp_path / "flow.parquet", release.tables["flow"])
    back = typed("flow", pd.read_parquet(tmp_path / "flow.parquet"))
    assert "*" in list(release.tables["flow"]["lost"])
    for column in release.tables["flow"].columns:
        assert list(back[column]) == list(release.tables["flow"][column])


def test_largest_difference_by_table():
    a = pd.DataFrame({"n": [100.0, 0.0, None], "s": ["x", "y", None]})
    same = largest_differences({"t": a}, {"t": a.copy()})
    assert same == {"t": 0.0}
    assert largest_differences({"t": a}, {"t": a.assign(n=[101.0, 0.0, None])})["t"] == pytest.approx(1 / 101)
    assert largest_differences({"t": a}, {"t": a.assign(s=["x", "z", None])})["t"] == float("inf")
    assert largest_differences({"t": a}, {"t": a.assign(n=[100.0, 0.0, 1.0])})["t"] == float("inf")
    assert largest_differences({"t": a}, {})["t"] == float("inf")


def test_another_secret_stops_the_study(tmp_path):
    import json

    run = written(write_config(tmp_path), tmp_path / "runs")
    study = StudyFolder.open(tmp_path / "runs", "fake")
    study.refuse_other_secret("0123456789abcdef")
    manifest = json.loads((run / "manifest.json").read_text("utf-8")) | {"secret_fingerprint": "0123456789abcdef"}
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8", newline="\n")
    study.refuse_other_secret("0123456789abcdef")
    study.refuse_other_secret(None)
    with pytest.raises(InputError, match="not that of the earlier runs"):
        study.refuse_other_secret("fedcba9876543210")


def test_latest_is_the_newest_data_cut_and_not_the_last_run(tmp_path):
    config, runs = write_config(tmp_path), tmp_path / "runs"
    older = written(config, runs, data_cut="2026-03")
    newer = written(config.changed(study__last_period="2026-05"), runs, data_cut="2026-05")
    again = written(config.changed(study__last_period="2025-12"), runs, data_cut="2025-12")
    assert read_run(again.parent).path == newer
    study = StudyFolder(newer.parent)
    (study.path / "latest.txt").write_text(f"{older.name}\n", encoding="utf-8")
    study.point_latest(read_run(newer))
    assert read_run(study.path).path == newer


@pytest.mark.parametrize("named", ["", "not-there", "../elsewhere"])
def test_a_pointer_that_names_no_run_is_mended(tmp_path, named):
    run = written(write_config(tmp_path), tmp_path / "runs")
    (run.parent / "latest.txt").write_text(named, encoding="utf-8")
    StudyFolder(run.parent).point_latest(read_run(run))
    assert read_run(run.parent).path == run
