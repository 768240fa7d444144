"""Every way a study can be wrong: the exit code, the words that help, and nothing written."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from aaot_eval import __main__, cli, pipeline
from aaot_eval.cli import _endings, run
from tests.cli.conftest import ROOT, aaot, everything


def edit(path: Path, change: Callable[[str], str]) -> None:
    """Rewrite a text file."""
    before = path.read_text("utf-8")
    after = change(before)
    assert after != before, f"{path.name} was not changed"
    path.write_text(after, encoding="utf-8", newline="\n")


def swap(name: str, old: str, new: str) -> Callable[[Path], None]:
    """A spoiler that replaces a text in one file of the study."""
    return lambda study: edit(study / name, lambda text: text.replace(old, new))


def in_extracts(change: Callable[[str], str], pattern: str = "apc_*.csv") -> Callable[[Path], None]:
    """A spoiler of every admission extract."""

    def spoil(study: Path) -> None:
        for path in sorted((study / "extracts").glob(pattern)):
            edit(path, change)

    return spoil


def emptied(name: str) -> Callable[[Path], None]:
    """A spoiler that leaves a file without a byte."""
    return lambda study: (study / name).write_text("", encoding="utf-8", newline="\n") and None


def column_replaced(name: str, column: str, value: str) -> Callable[[Path], None]:
    """A spoiler that writes one value into a whole column of a small table."""

    def change(text: str) -> str:
        header, *rows = text.splitlines()
        place = header.split(",").index(column)
        cells = [row.split(",") for row in rows]
        return "\n".join([header, *(",".join([*c[:place], value, *c[place + 1 :]]) for c in cells)]) + "\n"

    return lambda study: edit(study / name, change)


def dates_spoiled(text: str) -> str:
    header, *rows = text.splitlines()
    place = header.split(",").index("ADMIDATE")
    cells = [row.split(",") for row in rows]
    return "\n".join([header, *(",".join([*c[:place], "sometime", *c[place + 1 :]]) for c in cells)]) + "\n"


CASES = {
    "missing file": (swap("study.toml", '"caseload.csv"', '"caselod.csv"'), 3, ["there is no file caselod.csv", "caseload.csv"]),
    "no file matches": (swap("study.toml", "apc_*", "acp_*"), 3, ["no file matches extracts/acp_*.csv"]),
    "empty file": (emptied("sites.csv"), 3, ["sites.csv is empty"]),
    "renamed column": (in_extracts(lambda t: t.replace("ADMIMETH", "ADM_METH", 1)), 3, ["ADMIMETH", "ADM_METH", "[data.columns]"]),
    "unparseable date": (in_extracts(dates_spoiled), 3, ["ADMIDATE cannot be read as a date", "line 2", "[data.dates]"]),
    "a file that is none of ours": (in_extracts(lambda t: "a;b\n1;2\n"), 3, ["no known format", "hes_apc"]),
    "unknown site in sites": (swap("sites.csv", "RZ1,", "RY1,"), 3, ["no admission at the sites RY1", "did you mean"]),
    "unknown site in the caseload": (column_replaced("caseload.csv", "site", "Q9Q"), 3, ["unknown sites: Q9Q"]),
    "caseload matches nobody": (column_replaced("caseload.csv", "person", "NOBODY"), 3, ["no person of the caseload", "same person id"]),
    "service starts after the data": (swap("sites.csv", "2023-01-01", "2050-01-01"), 3, ["starts in 2050-01", "2023-12"]),
    "no site ever starts": (column_replaced("sites.csv", "go_live", ""), 5, ["no unit starts the service"]),
    "last period outside the data": (swap("study.toml", "[costs]", 'last_period = "2055-01"\n[costs]'), 3, ["lies outside the data"]),
    "typo in a key": (swap("study.toml", "outcome =", "outcom ="), 3, ["unknown key 'study.outcom'", "did you mean 'outcome'"]),
    "unknown outcome": (swap("study.toml", '"alcohol_specific_emergency"', '"alcohol"'), 3, ["there is no outcome 'alcohol'"]),
    "unknown profile": (swap("study.toml", 'profile = "hes"', 'profile = "ehs"'), 3, ["there is no profile 'ehs'", "hes"]),
    "not TOML": (swap("study.toml", "[study]", "[study"), 3, ["not valid TOML", "line"]),
    "price file missing": (swap("study.toml", "unit_costs_invented.csv", "prices.csv"), 3, ["where: prices.csv"]),
    "price file missing in a folder": (swap("study.toml", "unit_costs_invented.csv", "money/prices.csv"), 3, ["where: money/prices.csv"]),
    "utilities missing in a folder": (
        swap("study.toml", "[disclosure]", '[costs.outcome]\nkind = "qaly"\nutilities = "money/eq5d.csv"\nhorizon_days = 365\n\n[disclosure]'),
        3, ["where: money/eq5d.csv"],
    ),
    "price without a value": (swap("unit_costs_invented.csv", ",640.00,", ",,"), 3, ["value is empty", "unit_costs_invented.csv, line 2"]),
    "price of no known year": (swap("unit_costs_invented.csv", "2024/25", "last year"), 3, ["price_year"]),
    "patient reports without a reason": (
        swap("study.toml", 'reason = "artificial data: nobody in these files exists"\n', ""), 3, ["patient_reports needs a reason"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refused_in_words_and_nothing_written(name, tiny, capsys):
    spoil, code, words = CASES[name]
    spoil(tiny)
    before = everything(tiny)
    assert run(["analyze", "-q", str(tiny / "study.toml"), "--out", str(tiny / "runs")]) == code
    shown = capsys.readouterr()
    flat = re.sub(r"\s+", " ", shown.err)
    assert all(word in flat for word in words), flat
    assert shown.out == ""
    assert everything(tiny) == before


def test_check_refuses_with_the_same_words(tiny, capsys):
    spoil, code, words = CASES["renamed column"]
    spoil(tiny)
    before = everything(tiny)
    assert run(["check", "-q", str(tiny / "study.toml")]) == code
    flat = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert all(word in flat for word in words)
    assert everything(tiny) == before


def test_all_problems_of_a_config_at_once(tiny, capsys):
    edit(tiny / "study.toml", lambda t: t.replace("outcome =", "outcom =").replace("perspective =", "perspektive ="))
    assert run(["analyze", str(tiny / "study.toml")]) == 3
    shown = capsys.readouterr().err
    assert "outcom" in shown
    assert "perspektive" in shown


@pytest.mark.parametrize("verb", ["check", "analyze"])
def test_wrong_prices_and_wrong_files_are_told_together(verb, tiny, capsys):
    for name in ("price without a value", "renamed column", "empty file"):
        CASES[name][0](tiny)
    before = everything(tiny)
    assert run([verb, "-q", str(tiny / "study.toml")]) == 3
    flat = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert all(
        word in flat for name in ("price without a value", "renamed column", "empty file") for word in CASES[name][2]
    )
    assert everything(tiny) == before


def test_comparison_needed_and_absent(tiny, capsys):
    edit(tiny / "study.toml", lambda t: t + '\n[[analyses]]\nname = "sites"\nestimator = "site_did"\nprimary = true\n')
    column_replaced("sites.csv", "go_live", "2023-01")(tiny)
    before = everything(tiny)
    assert run(["analyze", "-q", str(tiny / "study.toml"), "--out", str(tiny / "runs")]) == 5
    assert "no comparison units" in capsys.readouterr().err
    assert everything(tiny) == before


def test_no_value_of_a_patient_in_any_refusal(tiny, capsys):
    tokens = {line.split(",")[0] for line in (tiny / "caseload.csv").read_text("utf-8").splitlines()[1:]}
    for name in ("unknown site in the caseload", "unparseable date"):
        CASES[name][0](tiny)
    run(["analyze", "-v", str(tiny / "study.toml"), "--out", str(tiny / "runs")])
    shown = capsys.readouterr()
    assert not [t for t in tokens if t in shown.err + shown.out]
    assert "sometime" not in shown.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["analyze"], "Missing argument"),
        (["analyze", "x.toml", "--until", "March"], "--until is not a month"),
        (["analyze", "x.toml", "--nosuch"], "No such option"),
        (["analyse"], "Missing argument"),
        (["anlyze", "x.toml"], "Did you mean"),
        (["explain", "nothing-of-the-kind"], "nothing called"),
    ],
)
def test_wrong_command_lines(arguments, words, tiny, capsys, monkeypatch):
    monkeypatch.chdir(tiny)
    (tiny / "x.toml").write_text((tiny / "study.toml").read_text("utf-8"), encoding="utf-8", newline="\n")
    assert run(arguments) == 2
    assert words in re.sub(r"\s+", " ", capsys.readouterr().err)


def test_unwritable_output_is_refused_before_the_extracts_are_read(tiny, capsys):
    (tiny / "file").write_text("", encoding="utf-8", newline="\n")
    assert run(["analyze", str(tiny / "study.toml"), "--out", str(tiny / "file" / "runs")]) == 3
    shown = capsys.readouterr().err
    assert "nothing can be written to" in shown
    assert "Reading" not in shown


def test_json_on_refusal_is_one_ascii_document_on_an_old_console(study):
    emptied("sites.csv")(study)
    ended = aaot("analyze", "study.toml", "--json", cwd=study)
    assert ended.code == 3
    assert ended.out.isascii()
    document = json.loads(ended.out)
    assert document["exit_status"] == 3
    assert document["problems"][0]["what"] == "sites.csv is empty"
    assert set(document["problems"][0]) == {"code", "what", "where", "allowed", "do"}
    assert "\x1b" not in ended.err


def test_json_on_a_wrong_command_line(tmp_path):
    ended = aaot("analyze", "--json", "--nosuch", cwd=tmp_path)
    assert (ended.code, json.loads(ended.out)["exit_status"]) == (2, 2)


def test_lock_held_by_another_run(tiny, capsys):
    from aaot_eval.run_folder import StudyFolder

    name = re.search(r'name = "(\w+)"', (tiny / "study.toml").read_text("utf-8"))[1]
    with StudyFolder.open(tiny / "runs", name).lock():
        assert run(["analyze", "-q", str(tiny / "study.toml"), "--out", str(tiny / "runs")]) == 9
    assert "holds the lock" in capsys.readouterr().err


def test_a_fault_is_one_line_and_a_log_without_values(tiny, capsys, monkeypatch):
    import aaot_eval.pipeline as pipeline

    def broken(*_, **__):
        raise KeyError("TESTPATIENT123")

    monkeypatch.setattr(pipeline, "prepare", broken)
    assert run(["analyze", "-q", str(tiny / "study.toml"), "--out", str(tiny / "runs")]) == 1
    shown = capsys.readouterr()
    (log,) = (tiny / "runs").rglob("*.log")
    assert log.parent.name == "restricted"
    assert log.name in re.sub(r"\s+", "", shown.err)
    assert "KeyError" in shown.err
    assert "TESTPATIENT123" not in log.read_text("utf-8") + shown.err + shown.out
    assert "broken" in log.read_text("utf-8")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals; Windows sends Ctrl-C to a console group")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_reading_leaves_nothing(study, number):
    before = everything(study)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "aaot_eval", "analyze", "study.toml", "--out", "runs"], cwd=study, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list((study / "runs").glob("*/.work_*")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "left nothing behind" in err
    assert out == ""
    assert everything(study) == before


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["power", "nowhere.toml", "--replicates", "20"], "C201"),
        (["power", "nowhere.toml", "--fall", "2"], "C200"),
        (["simulate", "made", "--dialect", "nonsense"], "X264"),
        (["simulate", "made", "--format", "nonsense"], "X263"),
        (["simulate", "made", "--scenario", "nonsense"], "C151"),
        (["simulate", "made", "--world", "nonsense"], "C240"),
    ],
)
def test_a_wrong_command_line_is_code_2_before_anything_is_read(tmp_path, monkeypatch, capsys, arguments, code):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(code)
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_names_the_readings_that_stay(tiny, capsys, monkeypatch):
    import aaot_eval.pipeline as pipeline

    def stopped(*_, **__):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(pipeline, "run_evaluation", stopped)
    assert run(["analyze", "-q", str(tiny / "study.toml"), "--out", str(tiny / "runs")]) == 130
    shown = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert list((tiny / "runs").glob("*/cache/*.rows.parquet"))
    assert "left nothing" not in shown
    assert "hold rows of people" in shown
    assert "aaot-eval purge CONFIG --older-than 0d --yes" in shown
    assert run(["analyze", "-q", "--no-cache", str(tiny / "study.toml"), "--out", str(tiny / "other")]) == 130
    assert "left nothing behind" in capsys.readouterr().err
    assert not (tiny / "other").exists()


@pytest.mark.parametrize("typed", [[], ["--json"]])
def test_ctrl_c_while_the_program_is_loaded_ends_in_words(monkeypatch, capsys, typed):
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> object:
            monkeypatch.setitem(sys.modules, "aaot_eval.cli", cli)
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "aaot_eval.cli", Interrupted("aaot_eval.cli"))
    monkeypatch.setattr(sys, "argv", ["aaot-eval", "check", *typed])
    assert __main__.main() == 130
    assert "interrupted" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("typed", "code", "said"), [("--version", 0, "aaot-eval "), ("no-such-verb", 2, "no-such-verb")]
)
def test_the_process_ends_with_the_code_when_all_is_said_and_done(typed, code, said):
    begin = (
        "import atexit, sys; atexit.register(lambda: print('what a library left to do')); "
        f"sys.argv = ['aaot-eval', {typed!r}]; from aaot_eval.__main__ import program; program()"
    )
    ended = subprocess.run([sys.executable, "-c", begin], capture_output=True, text=True, encoding="utf-8", check=False)
    assert ended.returncode == code
    assert said in ended.stdout + ended.stderr
    assert ended.stdout.endswith("what a library left to do\n")


@pytest.mark.skipif(sys.platform == "win32", reason="raises the signal of a terminal in the process itself")
@pytest.mark.parametrize(
    ("typed", "code"), [(["--version"], 0), (["no-such-verb"], 2), (["check", "no-such.toml"], 3)], ids=str
)
def test_ctrl_c_after_the_last_word_changes_nothing(typed, code):
    begin = f"""
import atexit, signal, sys
from aaot_eval import cli
from aaot_eval.__main__ import program

real = cli.run

def pressed(arguments):
    ended = real(arguments)
    signal.raise_signal(signal.SIGINT)
    return ended

cli.run = pressed
atexit.register(signal.raise_signal, signal.SIGINT)
sys.argv = ["aaot-eval", *{typed!r}]
program()
"""
    ended = subprocess.run([sys.executable, "-c", begin], capture_output=True, text=True, encoding="utf-8", check=False)
    assert ended.returncode == code
    assert not {"Traceback", "KeyboardInterrupt", "interrupted"} & set(re.findall(r"\w+", ended.stderr))


def test_ctrl_c_pressed_again_while_the_first_is_told_leaves_the_words_whole(tiny, capsys, monkeypatch):
    told = _endings.interrupted

    def again(as_json):
        signal.raise_signal(signal.SIGINT)
        return told(as_json)

    def stopped(*_, **__):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(_endings, "interrupted", again)
    monkeypatch.setattr(pipeline, "prepare", stopped)
    assert run(["check", str(tiny / "study.toml"), "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["exit_status"] == 130
