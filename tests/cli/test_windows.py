"""What differs on Windows, as far as another system can show it: old code pages, held files, odd folders, paths and names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aaot_eval.cli import run
from aaot_eval.config import load_config
from aaot_eval.engine import moving
from aaot_eval.errors import InputError
from aaot_eval.run_folder import fingerprint
from tests.cli.conftest import ROOT

#: Windows refuses longer paths unless it is told otherwise.
LONGEST_PATH = 260
#: What a study's own folder may have of it: a share, a department, a year and a name.
HOME = 110
#: Folders as they are called on shares, with what globs and SQL treat as their own.
ODD = ("Extracts [2024] & Co", "Müller's Ordner", "100% done; (final)")


@pytest.fixture(scope="module")
def ended(made_tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study in a folder with an odd name, and its run."""
    study = Path(shutil.copytree(made_tiny, tmp_path_factory.mktemp("windows") / ODD[0] / "study"))
    assert run(["analyze", str(study / "study.toml"), "--quiet"]) == 0
    return study, next(p.parent for p in (study / "runs").glob("*/*/manifest.json"))


COMMANDS = {
    "init": ["init", "{new}", "--from", "{extract}"],
    "check": ["check", "{study}/study.toml", "--verbose"],
    "check as JSON": ["check", "{study}/study.toml", "--json"],
    "analyze": ["analyze", "{study}/study.toml", "--stop-after", "panel", "--verbose"],
    "analyze again": ["analyze", "{study}/study.toml"],
    "report": ["report", "{run}", "--to", "{new}.html"],
    "verify": ["verify", "{run}", "--verbose"],
    "release": ["release", "{run}", "--to", "{new}", "--crate"],
    "compare": ["compare", "{run}", "{run}"],
    "schedule": ["schedule", r"C:\a.toml", "--system", "windows", "--command", r"C:\aaot-eval.exe"],
    "reproduce": ["reproduce"],
    "explain": ["explain"],
    "explain a gate": ["explain", "D387"],
    "explain an estimator": ["explain", "own_cohorts"],
    "purge": ["purge", "{study}/study.toml", "--older-than", "0d"],
    "power": ["power", "{study}/study.toml", "--fall", "0.2", "--replicates", "50"],
    "options": ["options", "--init", "{new}"],
    "simulate": ["simulate", "{new}", "--scenario", "null", "--seed", "2", "--sites", "4", "--size", "0.02"],
    "help": ["--help"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_printed_that_a_western_code_page_lacks(ended, tmp_path, capsys, name):
    study, folder = ended
    extract = min((study / "extracts").glob("apc_*.csv"))
    places = {"study": study, "run": folder, "new": tmp_path / "new", "extract": extract}
    assert run([part.format(**places) for part in COMMANDS[name]]) == 0
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert text == text.encode("cp1252", errors="replace").decode("cp1252")


@pytest.mark.parametrize("page", ["cp437", "cp1252"])
def test_a_console_that_lacks_a_character_shows_its_number(tmp_path, page):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": page}
    command = [sys.executable, "-m", "aaot_eval", "check", str(tmp_path / "Łódź" / "study.toml")]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 3
    assert b"\\u0141" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_input_in_an_odd_folder_is_in_the_fingerprint(ended):
    study, _ = ended
    inputs = fingerprint(load_config(study / "study.toml")).inputs
    assert sum(f.table == "admissions" for f in inputs) == len(list((study / "extracts").glob("apc_*.csv"))) > 1


@pytest.mark.parametrize("folder", ODD[1:])
def test_folders_with_odd_names_are_read_and_kept(made_tiny, tmp_path, capsys, folder):
    study = Path(shutil.copytree(made_tiny, tmp_path / folder))
    assert run(["analyze", str(study / "study.toml"), "--stop-after", "ingest", "--quiet"]) == 0


def test_a_run_and_what_it_keeps_stay_within_the_longest_path(ended):
    """Counted from the study's folder, with the hidden names that a run has while it is written."""
    study, _ = ended
    below = [p.relative_to(study).as_posix() for p in study.rglob("*")]
    assert max(map(len, below)) + len(".partial_") + len("_1234567") <= LONGEST_PATH - HOME


def test_a_table_that_a_spreadsheet_has_open_is_a_refusal_in_words(tmp_path, monkeypatch, capsys):
    from aaot_eval.run_folder.files import replace_text

    def held(*_):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(moving, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(os, "replace", held)
    (tmp_path / "index.csv").write_text("", encoding="utf-8", newline="\n")
    with pytest.raises(InputError) as refused:
        replace_text(tmp_path / "index.csv", "x\n")
    (problem,) = refused.value.problems
    assert problem.code == "C130"
    assert "another program holds it" in problem.what


def test_a_file_that_is_held_for_a_moment_is_removed_later(tmp_path, monkeypatch):
    calls = []
    real = Path.unlink

    def held(path, **given):
        calls.append(path)
        if len(calls) < 3:
            raise PermissionError(13, "in use")
        real(path, **given)

    monkeypatch.setattr(moving, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(Path, "unlink", held)
    (tmp_path / "probe").write_bytes(b"")
    moving.remove(tmp_path / "probe")
    assert not (tmp_path / "probe").exists()


CONFIG = 'config_version = 1\nname = "{name}"\n[data]\nadmissions = {path}\n'


@pytest.mark.parametrize(
    "path", ['"C:\\data\\apc.csv"', '"C:\\Users\\me\\apc.csv"', '"D:\\new\\table.csv"', '"D:\\reports\\apc.csv"']
)
def test_a_path_with_backslashes_in_double_quotes_is_refused_with_the_way_to_write_it(tmp_path, capsys, path):
    """Two of them are no TOML; the others are, and hold a line end or a tab."""
    (tmp_path / "s.toml").write_text(CONFIG.format(name="x", path=path), encoding="utf-8", newline="\n")
    assert run(["check", str(tmp_path / "s.toml")]) == 3
    assert "in single quotes" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["CON", "nul", "Com1"])
def test_a_study_is_not_called_like_a_device(tmp_path, capsys, name):
    (tmp_path / "s.toml").write_text(CONFIG.format(name=name, path='"a.csv"'), encoding="utf-8", newline="\n")
    assert run(["check", str(tmp_path / "s.toml")]) == 3
    assert "name of a device on Windows" in " ".join(capsys.readouterr().err.split())


def test_line_ends_of_windows_in_config_and_secret_change_nothing(made_tiny, tmp_path):
    study = Path(shutil.copytree(made_tiny, tmp_path / "study"))
    before = fingerprint(load_config(study / "study.toml"))
    text = (study / "study.toml").read_bytes().replace(b"\n", b"\r\n")
    (study / "study.toml").write_bytes(b"\xef\xbb\xbf" + text)
    assert fingerprint(load_config(study / "study.toml")) == before
