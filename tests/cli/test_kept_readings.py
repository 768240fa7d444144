"""A file that has been read is not read again; the answer is the same to the last byte, and what is kept is kept safely."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from aaot_eval.cli import run
from aaot_eval.config import load_config
from aaot_eval.engine import ReadPlan, ReadReport, duckdb
from aaot_eval.engine.kept import KeptReadings
from aaot_eval.pipeline import Prepared, prepare

NAME = "simulated_null_1"
#: What two preparations must agree on, to the last cell.
FRAMES = ("periods", "units", "cells", "people", "person_cells")


def prepared(study: Path, *, keep: bool = True, **changes: object) -> tuple[Prepared, list[str]]:
    """The panel of a study with its cache, and what was said on the way."""
    said: list[str] = []
    config = load_config(study / "study.toml").changed(**changes)
    home = study / "work"
    return prepare(config, notify=said.append, work=home, keep=home / "cache" if keep else None), said


def same(one: Prepared, other: Prepared) -> None:
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(one.panel, name), getattr(other.panel, name))
    pd.testing.assert_frame_equal(one.restricted["rejects"], other.restricted["rejects"])
    assert (one.findings, one.flow, one.sources) == (other.findings, other.flow, other.sources)


def read_of(said: list[str]) -> list[str]:
    """The files that were read, of those that a preparation names."""
    return [line.removeprefix("read ") for line in said if line.startswith("read ")]


def entries(study: Path) -> list[Path]:
    return sorted((study / "work" / "cache").glob("*.json"))


@pytest.fixture(scope="module")
def made_ready(made_tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Prepared]:
    """A study that was prepared once, with what that kept; never written to. One line of it does not split."""
    study = Path(shutil.copytree(made_tiny, tmp_path_factory.mktemp("kept") / "study"))
    path = sorted((study / "extracts").glob("apc_*.csv"))[0]
    lines = path.read_text("utf-8").splitlines()
    lines[5] = lines[5].rsplit(",", 2)[0]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found, said = prepared(study)
    assert len(read_of(said)) == len(found.sources)
    assert set(found.restricted["rejects"]["reason"]) >= {"too few columns"}
    return study, found


@pytest.fixture
def kept(made_ready: tuple[Path, Prepared], tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return Path(shutil.copytree(made_ready[0], tmp_path / "study"))


def test_a_second_run_looks_at_no_file_and_says_the_same(kept, made_ready, monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a file was looked at although its rows were kept")

    monkeypatch.setattr("aaot_eval.ingest.plan.inspect_source", never)
    again, said = prepared(kept)
    assert read_of(said) == []
    assert sum(line.startswith("kept from an earlier run: extracts/apc_") for line in said) >= 2
    same(again, made_ready[1])


@pytest.mark.parametrize("packed", [False, True])
def test_a_note_below_the_rows_of_a_kept_file_is_still_said_to_be_one(made_tiny, tmp_path, packed):
    study = Path(shutil.copytree(made_tiny, tmp_path / "study"))
    path = sorted((study / "extracts").glob("apc_*.csv"))[0]
    text = path.read_text("utf-8") + "Total rows: 12\r\n"
    if packed:
        path.with_suffix(".csv.gz").write_bytes(gzip.compress(text.encode("utf-16")))
        path.unlink()
        config = study / "study.toml"
        config.write_text(config.read_text("utf-8").replace("apc_*.csv", "apc_*"), encoding="utf-8")
    else:
        path.write_text(text, encoding="utf-8", newline="")
    first, _ = prepared(study)
    again, said = prepared(study)
    assert read_of(said) == []
    same(again, first)
    (found,) = [f.detail for f in again.findings if f.code == "X211" and f.where.startswith(f"extracts/{path.name}")]
    assert "below the rows, a total or a mark of the end" in found


def test_a_disk_without_hard_links_gets_copies(kept, made_ready, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError("this disk has no hard links")

    monkeypatch.setattr(os, "link", refused)
    shutil.rmtree(kept / "work" / "cache")
    _, said = prepared(kept)
    assert read_of(said) != []
    again, said = prepared(kept)
    assert read_of(said) == []
    same(again, made_ready[1])


def test_an_entry_that_goes_while_it_is_used_is_no_harm(kept, made_ready, monkeypatch):
    taking = duckdb.take

    def taken(db: object, plan: ReadPlan, part: Path) -> ReadReport:
        report = taking(db, plan, part)
        assert plan.kept is not None
        plan.kept.rows.unlink()  # another run trims the folder
        return report

    monkeypatch.setattr(duckdb, "take", taken)
    again, said = prepared(kept)
    assert read_of(said) == []
    same(again, made_ready[1])


def test_without_what_was_kept_the_same(kept, made_ready):
    again, said = prepared(kept, keep=False)
    assert len(read_of(said)) == len(again.sources)
    same(again, made_ready[1])


def test_a_new_month_costs_the_month(kept):
    newest = sorted((kept / "extracts").glob("apc_*.csv"))[-1]
    lines = newest.read_text("utf-8").splitlines()
    newest.write_text("\n".join(lines[:-3]) + "\n", encoding="utf-8")
    before = len(entries(kept))
    again, said = prepared(kept)
    assert read_of(said) == [f"extracts/{newest.name}"]
    assert len(entries(kept)) == before + 1
    same(again, prepared(kept, keep=False)[0])


@pytest.mark.parametrize(
    ("changes", "again"),
    [({"data__dates": {"deaths": "YYYY-MM-DD"}}, ["deaths.csv"]), ({"study__conf_level": 0.9}, [])],
    ids=["how a file is read", "what is estimated"],
)
def test_what_is_read_again_when_the_config_changes(kept, changes, again):
    assert read_of(prepared(kept, **changes)[1]) == again


def test_another_version_of_the_reader_takes_nothing_from_an_older_one(kept, monkeypatch):
    monkeypatch.setattr("aaot_eval.ingest.keeping.reading_code", lambda: "another")
    found, said = prepared(kept)
    assert len(read_of(said)) == len(found.sources)


def test_what_was_kept_under_another_secret_or_none_goes(kept):
    plain = set(entries(kept))
    held = (kept / "extracts").joinpath(sorted(p.name for p in (kept / "extracts").glob("apc_*.csv"))[0])
    column = held.read_text("utf-8").splitlines()[0].split(",")[0]
    found = []
    for secret in ("a secret that is long enough", "another one, as long as that"):
        (kept / "secret.txt").write_text(secret, encoding="utf-8")
        said = prepared(kept, data__person_key={"column": column, "secret_file": "secret.txt"})[1]
        assert read_of(said)
        found.append(set(entries(kept)))
    assert all(found)
    assert not plain & found[0]
    assert not found[0] & found[1]


def test_damaged_entries_are_seen_and_made_again(kept, made_ready):
    def change(path: Path) -> None:
        held = path.read_bytes()
        path.write_bytes(held[:50] + bytes([held[50] ^ 1]) + held[51:])

    notes = entries(kept)
    rows = [note.with_name(note.name.replace(".json", ".rows.parquet")) for note in notes]
    rows[0].write_bytes(rows[0].read_bytes()[:100])
    change(rows[1])
    rows[2].unlink()
    notes[3].write_text(json.dumps({"file": 1, "report": 2, "parts": 3}), encoding="utf-8")
    notes[4].write_bytes(b"\xff{")
    again, said = prepared(kept)
    assert len(read_of(said)) == 5
    same(again, made_ready[1])
    assert read_of(prepared(kept)[1]) == []


def test_what_is_kept_is_the_owners_alone_and_a_purge_takes_it(kept):
    folder = kept / "work" / "cache"
    assert folder.stat().st_mode & 0o077 == 0
    assert all(p.stat().st_mode & 0o077 == 0 for p in folder.iterdir())
    config = kept / "study.toml"
    config.write_text(config.read_text("utf-8").replace("[output]", '[output]\nwork = "work"'), encoding="utf-8")
    assert run(["purge", str(config), "--older-than", "0d", "--yes"]) == 0
    assert not list(folder.iterdir())


def test_a_run_keeps_the_same_bytes_with_and_without(tiny, capsys):
    """The whole line: the release and the exact tables are those of a run that kept nothing, wherever rows are kept."""
    config = tiny / "study.toml"
    config.write_text(config.read_text("utf-8").replace("[output]", '[output]\nwork = "elsewhere"'), encoding="utf-8")
    (tiny / "elsewhere" / NAME / ".work_killed").mkdir(parents=True)
    bytes_of = []
    for options in ([], ["--no-cache"]):
        assert run(["analyze", str(config), "--quiet", "--force", *options]) == 0
        folder = Path(capsys.readouterr().out.strip())
        told = {"manifest.json", "log.txt", "README.txt", "config.toml"}
        bytes_of.append({p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name not in told})
    assert bytes_of[0] == bytes_of[1]
    assert [p.name for p in (tiny / "elsewhere").iterdir()] == [NAME]
    assert [p.name for p in (tiny / "elsewhere" / NAME).iterdir()] == ["cache"]
    assert not (tiny / "runs" / NAME / "cache").exists()


def test_nothing_is_kept_when_it_is_off(kept):
    shutil.rmtree(kept / "work")
    prepared(kept, output__cache=False)
    assert not entries(kept)


def test_a_refused_run_keeps_nothing(tiny, capsys):
    config = tiny / "study.toml"
    config.write_text(
        config.read_text("utf-8").replace("[study]", '[study]\nfirst_period = "1990-01"', 1), encoding="utf-8"
    )
    assert run(["analyze", str(config), "--quiet"]) == 3
    assert not (tiny / "runs").exists()


def test_the_longest_unused_goes_above_the_limit_and_no_file_of_others(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    old, middle, new = (f"{'a' * 12}-{'b' * 12}-{digit * 40}" for digit in "123")
    for i, name in enumerate((old, middle, new)):
        for end in (".rows.parquet", ".json"):
            (folder / f"{name}{end}").write_bytes(b"x" * 500)
            os.utime(folder / f"{name}{end}", (1000 + i, 1000 + i))
    (folder / "theirs.rds").write_bytes(b"x" * 500)
    os.utime(folder / "theirs.rds", (1, 1))
    KeptReadings(folder, tmp_path / "staging", owner="study", limit=2000).keep()
    assert {p.name.split(".")[0] for p in folder.iterdir()} == {middle, new, "theirs"}
