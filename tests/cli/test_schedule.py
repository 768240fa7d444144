"""What `schedule` prints, read as the schedulers read it; nothing is installed or written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from aaot_eval.cli import run
from tests.cli.conftest import ROOT

TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
WINDOWS = ["--system", "windows", "--command", r"C:\Program Files\aaot\aaot-eval.exe"]
ODD = '100% of $HOME\'s "own" & (final).toml'


def printed(capsys, *arguments: str) -> str:
    assert run(["schedule", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("system", ["windows", "systemd", "cron"])
def test_a_job_that_fails_on_a_signal_says_so_and_passes_it_on(capsys, system):
    root = "C:" if system == "windows" else ""
    job = (f"{root}/aaot/study.toml", "--system", system, "--command", f"{root}/aaot/aaot-eval.exe")
    asked, plain = printed(capsys, *job, "--fail-on-signal"), printed(capsys, *job)
    assert "--until latest --fail-on-signal" in asked
    assert "8 done, and the newest month has a new signal" in asked
    assert "signal" not in plain


def told(path: Path) -> Path:
    """A program that writes what it was given, in a folder with an odd name, and ends as stale data do."""
    program = path / "a b" / "aaot-eval"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\nsys.exit(4)\n", encoding="utf-8"
    )
    program.chmod(0o755)
    return program


def job_of(text: str) -> tuple[str, str]:
    task = ET.fromstring(text)
    return str(task.findtext(f".//{TASK}Command")), str(task.findtext(f".//{TASK}Arguments"))


def test_windows_task(capsys):
    text = printed(capsys, r"D:\AAOT & Co\Müller's <study>.toml", *WINDOWS, "--day", "7", "--at", "23:45")
    assert text.isascii()
    task = ET.fromstring(text)
    assert job_of(text) == (
        r"C:\Program Files\aaot\aaot-eval.exe", r'analyze "D:\AAOT & Co\Müller' + "'s <study>.toml\" --until latest",
    )  # fmt: skip
    assert task.findtext(f".//{TASK}StartBoundary") == "2024-01-01T23:45:00"
    assert task.findtext(f".//{TASK}Day") == "7"
    assert len(task.findall(f".//{TASK}Months/*")) == 12
    assert "schtasks /Create /XML aaot-eval-m-ller-s-study.xml /TN aaot-eval-m-ller-s-study" in text


def test_windows_task_with_a_log_goes_through_the_shell(capsys):
    program, arguments = job_of(printed(capsys, r"\\server\share\a&b.toml", *WINDOWS, "--log", r"D:\logs\a (1).txt"))
    assert program == "cmd.exe"
    inner = re.fullmatch(r'/d /s /c "(.*)"', arguments)
    assert inner is not None
    assert inner[1] == (
        r'"C:\Program Files\aaot\aaot-eval.exe" analyze "\\server\share\a&b.toml" --until latest >> "D:\logs\a (1).txt" 2>&1'
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell as cron starts it")
def test_the_line_for_cron_runs_the_program_with_the_paths_given(tmp_path, capsys):
    program, log = told(tmp_path), tmp_path / "50 % off.log"
    config = str(tmp_path / ODD)
    text = printed(capsys, config, "--system", "cron", "--command", str(program), "--log", str(log), "--at", "05:07")
    (line,) = [said for said in text.splitlines() if not said.startswith("#")]
    minute, hour, day, month, weekday, command = line.split(" ", 5)
    assert (minute, hour, day, month, weekday) == ("7", "5", "20", "*", "*")
    assert not re.search(r"(?<!\\)%", command)
    ended = subprocess.run(["/bin/sh", "-c", command.replace(r"\%", "%")], check=False)
    assert ended.returncode == 4
    assert json.loads(log.read_text("utf-8")) == ["analyze", config, "--until", "latest"]


def units_of(text: str) -> dict[str, str]:
    parts = re.split(r"^# \S+/(\S+\.(?:service|timer))\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_systemd_units(tmp_path, capsys):
    text = printed(capsys, f"/srv/{ODD}", "--system", "systemd", "--command", "/opt/a b/aaot-eval", "--day", "3")
    units = units_of(text)
    assert list(units) == [f"aaot-eval-100-of-home-s-own-final.{kind}" for kind in ("service", "timer")]
    service, timer = units.values()
    assert (
        r'ExecStart="/opt/a b/aaot-eval" analyze "/srv/100%% of $$HOME'
        + '\'s \\"own\\" & (final).toml" --until latest\n'
    ) in service
    assert "OnCalendar=*-*-03 06:00:00\n" in timer
    assert "Persistent=true\n" in timer


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_systemd_itself_takes_the_units(tmp_path, capsys):
    program = told(tmp_path)
    text = printed(
        capsys, f"/srv/{ODD}", "--system", "systemd", "--command", str(program), "--log", "/var/log/a & b.log"
    )
    for name, unit in units_of(text).items():
        (tmp_path / name).write_text(unit, encoding="utf-8")
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in units_of(text))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = [line for line in found.stderr.splitlines() if "aaot-eval-" in line]
    assert ours == []
    when = next(line.removeprefix("OnCalendar=") for line in text.splitlines() if line.startswith("OnCalendar="))
    assert subprocess.run(["systemd-analyze", "calendar", when], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a path of this machine is no path for cron there")
def test_paths_of_this_machine_are_made_whole_and_the_program_is_this_one(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = printed(capsys, "study.toml", "--system", "cron")
    assert f"analyze {tmp_path}/study.toml --until latest" in text
    program = text.splitlines()[-1].split(" ")[5]
    assert Path(program).is_absolute()


@pytest.mark.skipif(sys.platform == "win32", reason="a path of this machine is no path for cron there")
def test_a_module_that_no_scheduler_can_run_is_not_named_as_the_program(tmp_path, capsys, monkeypatch):
    started = tmp_path / "__main__.py"
    started.touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sys, "argv", [str(started)])
    assert run(["schedule", "/srv/a.toml", "--system", "cron"]) == 2
    assert "--command is missing" in capsys.readouterr().err
    installed = tmp_path / "aaot-eval"
    installed.touch()
    assert f" {installed} analyze " in printed(capsys, "/srv/a.toml", "--system", "cron")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["study.toml", *WINDOWS], ["CONFIG is no whole path on Windows"]),
        ([r"D:study.toml", *WINDOWS], ["CONFIG is no whole path on Windows"]),
        ([r"C:\a.toml", "--system", "windows"], ["--command is missing"]),
        ([r"C:\a.toml", *WINDOWS, "--log", "a.txt"], ["--log is no whole path"]),
        ([r"C:\%PATH%\a.toml", *WINDOWS], ["between two per cent signs"]),
        ([r"C:\$(Arg0)\a.toml", *WINDOWS], ["without $("]),
        (["C:\\a b\\", *WINDOWS], ["CONFIG is a folder"]),
        (["/srv/a/", "--system", "cron"], ["CONFIG is a folder"]),
        ([r"/srv/a\%b.toml", "--system", "cron"], ["a backslash before a per cent sign"]),
        ([r"C:\"a.toml", *WINDOWS], ["no path there can hold"]),
        (["/srv/a\nb.toml", "--system", "cron"], ["no path there can hold"]),
        (["/srv/a.toml", "--system", "cron", "--at", "24:00"], ["--at 24:00 is not a time of the day"]),
        (
            ["study.toml", "--system", "windows", "--at", "6"],
            ["CONFIG is no whole path", "--command is missing", "--at 6"],
        ),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the machines of another kind are those with Windows")
def test_refused_with_all_that_is_wrong(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["schedule", *arguments]) == 2
    shown = capsys.readouterr()
    flat = re.sub(r"\s+", " ", shown.err)
    assert all(word in flat for word in words), flat
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a path of this machine is no path for cron there")
def test_a_path_that_the_terminal_cannot_write_is_refused_and_never_changed():
    spelled = "/srv/\u0141\u00f3d\u017a/a.toml"
    command = [
        sys.executable,
        "-m",
        "aaot_eval",
        "schedule",
        spelled,
        "--system",
        "cron",
        "--command",
        "/opt/aaot-eval",
    ]
    told = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, env=told, check=False)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"cannot write" in ended.stderr
    ended = subprocess.run([*command, "--json"], capture_output=True, env=told, check=False)
    assert spelled in json.loads(ended.stdout)["text"]


def test_as_json(capsys):
    document = json.loads(printed(capsys, r"C:\a.toml", *WINDOWS, "--json"))
    assert document["system"] == "windows"
    assert job_of(document["text"])[1] == r'analyze "C:\a.toml" --until latest'
