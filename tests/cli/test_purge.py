"""Person-level copies are listed, deleted only when asked, and what may leave is never touched."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from aaot_eval.cli import run
from aaot_eval.cli._scratch import scratch
from aaot_eval.run_folder import StudyFolder, differing_files, read_run
from tests.cli.conftest import everything


@pytest.fixture(scope="module")
def finished(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a small study, with its extracts beside it; never written to."""
    import shutil

    study = Path(shutil.copytree(made, tmp_path_factory.mktemp("purge") / "study"))
    assert run(["analyze", str(study / "study.toml"), "--quiet"]) == 0
    return study


@pytest.fixture
def kept(finished: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may purge."""
    import shutil

    return Path(shutil.copytree(finished, tmp_path / "study"))


def the_run(study: Path) -> Path:
    return next(p.parent for p in study.glob("runs/*/*/manifest.json"))


def test_nothing_is_deleted_without_yes(kept, capsys):
    before = everything(kept)
    assert run(["purge", str(kept / "study.toml"), "--older-than", "0d"]) == 0
    short = capsys.readouterr().out
    assert str(kept) not in short
    assert all(len(line) <= 80 for line in short.splitlines())
    assert run(["purge", str(kept / "study.toml"), "--older-than", "0d", "--verbose"]) == 0
    said = capsys.readouterr().out
    assert "restricted" in said
    assert "compared with it for months that changed or were lost." in said
    assert "Nothing was deleted; --yes deletes them, -v names each." in said
    assert everything(kept) == before


def test_young_copies_stay(kept, capsys):
    before = everything(kept)
    assert run(["purge", str(kept / "study.toml"), "--older-than", "90d", "--yes"]) == 0
    assert "no copy of people's rows older than 90d" in capsys.readouterr().out
    assert everything(kept) - {"runs/simulated_null_3/.lock"} == before - {"runs/simulated_null_3/.lock"}


def test_purged_runs_keep_what_may_leave_and_still_verify(kept, capsys):
    folder = the_run(kept)
    released = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and "restricted" not in p.parts}
    assert run(["purge", str(kept / "study.toml"), "--older-than", "0d", "--yes", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["deleted"]
    assert {"restricted"} <= {c["kind"] for c in document["copies"]}
    assert not (folder / "restricted").exists()
    assert {p: p.read_bytes() for p in released} == released
    record = json.loads((folder / "purged.json").read_text("utf-8"))
    assert "restricted/rejects.csv" in record["files"]
    assert record["purged"][:2] == "20"

    assert run(["verify", str(folder)]) == 0
    assert f"were purged on {record['purged'][:10]}" in capsys.readouterr().out
    assert run(["verify", str(folder), "--data", str(kept), "--quiet", "--verbose"]) == 0
    assert "release/" in capsys.readouterr().out
    assert run(["report", str(folder), "--to", str(kept / "page.html")]) == 0
    assert (kept / "page.html").read_text("utf-8") == (folder / "release" / "report.html").read_text("utf-8")


def test_a_purge_hides_no_change_of_the_release(kept):
    folder = the_run(kept)
    assert run(["purge", str(folder), "--older-than", "0d", "--yes"]) == 0
    record = json.loads((folder / "purged.json").read_text("utf-8"))
    (folder / "purged.json").write_text(
        json.dumps({**record, "files": [*record["files"], "release/report.html"]}), encoding="utf-8"
    )
    (folder / "release" / "report.html").unlink()
    assert [p.code for p in differing_files(read_run(folder))] == ["V601"]


@pytest.mark.parametrize("place", ["study.toml", "runs", "runs/simulated_null_3", "runs/simulated_null_3/2*"])
def test_every_kind_of_place(kept, capsys, place):
    found = next(kept.glob(place))
    assert run(["purge", str(found), "--older-than", "0d", "--json"]) == 0
    listed = [Path(c["path"]).resolve() for c in json.loads(capsys.readouterr().out)["copies"]]
    assert (the_run(kept) / "restricted").resolve() in listed


def test_what_a_killed_run_left_goes_when_it_is_a_day_old(kept, capsys):
    left = kept / "runs" / "simulated_null_3" / ".work_abc"
    (left / "engine-1").mkdir(parents=True)
    (left / "engine-1" / "spill").write_bytes(b"x")
    command = ["purge", str(kept / "runs" / "simulated_null_3"), "--older-than", "0d", "--yes"]
    assert run(command) == 0
    assert left.exists()
    old = time.time() - 2 * 86_400
    for path in (left / "engine-1" / "spill", left / "engine-1", left):
        os.utime(path, (old, old))
    assert run(command) == 0
    assert not left.exists()


def test_refusals(kept, tmp_path, capsys):
    assert run(["purge", str(kept), "--older-than", "soon"]) == 2
    assert "90d, 12w or 1y" in capsys.readouterr().err
    assert run(["purge", str(tmp_path / "nowhere"), "--older-than", "1d"]) == 3
    assert "C221" in capsys.readouterr().err
    with StudyFolder(kept / "runs" / "simulated_null_3").hold():
        assert run(["purge", str(kept / "study.toml"), "--older-than", "0d", "--yes"]) == 9
    assert (the_run(kept) / "restricted").exists()


def test_what_cannot_be_deleted_is_named(kept, capsys, monkeypatch):
    def held(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "held open")

    monkeypatch.setattr("aaot_eval.run_folder.purging.shutil.rmtree", held)
    assert run(["purge", str(kept / "study.toml"), "--older-than", "0d", "--yes"]) == 3
    assert "C222" in (said := capsys.readouterr().err)
    assert "restricted" in said


def test_files_of_others_stay_whatever_their_folder_is_called(kept, tmp_path):
    study = kept / "runs" / "simulated_null_3"
    foreign = [
        kept / "cache" / "plots.rds", study / "cache" / "notes.txt", kept / "runs" / "cache" / "x.json",
        kept / "page" / "manifest.json", kept / "page" / "restricted" / "theirs.csv",
    ]  # fmt: skip
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", encoding="utf-8", newline="\n")
    assert list(study.glob("cache/*.rows.parquet"))
    for place in (kept / "study.toml", kept):
        assert run(["purge", str(place), "--older-than", "0d", "--yes"]) == 0
        assert all(path.is_file() for path in foreign)
    assert not list(study.glob("cache/*.parquet"))
    empty = tmp_path / "nobody" / "was here"
    empty.mkdir(parents=True)
    assert run(["purge", str(empty), "--older-than", "0d", "--yes"]) == 0
    assert list(empty.iterdir()) == []


def test_what_a_killed_command_left_beside_the_config_goes_with_the_next_when_it_is_a_day_old(tmp_path):
    young, old, foreign = (tmp_path / name for name in (".work_young", ".work_old", "work_old"))
    past = time.time() - 2 * 86_400
    for folder in (young, old, foreign):
        (folder / "engine-1").mkdir(parents=True)
        (folder / "engine-1" / "spill").write_bytes(b"x")
    for folder in (old, foreign):
        for path in (folder / "engine-1" / "spill", folder / "engine-1", folder):
            os.utime(path, (past, past))
    with scratch(tmp_path) as work:
        assert {p.name for p in tmp_path.iterdir()} == {young.name, foreign.name, work.name}
    assert {p.name for p in tmp_path.iterdir()} == {young.name, foreign.name}
