"""`aaot-eval schedule`: the text with which a machine's own scheduler runs a study every month. It installs nothing."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Annotated

import typer

from aaot_eval.cli._options import Json, Quiet, Verbose, answer

if TYPE_CHECKING:
    from aaot_eval.errors import Problem

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")  # fmt: skip
#: Every month has it.
LAST_DAY = 28
#: What the text says of how a run ends.
ENDS = "0 done or nothing new; 4 data stale or not fit; 9 another run was busy"
ENDS_ON_SIGNAL = f"{ENDS}; 8 done, and the newest month has a new signal"
#: No run of a month takes so long; without a limit a run that hangs would keep the next one from starting.
LONGEST_HOURS = 24


class System(StrEnum):
    """Whose scheduler."""

    WINDOWS = "windows"
    SYSTEMD = "systemd"
    CRON = "cron"


def schedule(
    config_file: Annotated[
        str, typer.Argument(metavar="CONFIG", help="The study's .toml file, by its whole path.", show_default=False)
    ],
    system: Annotated[System, typer.Option("--system", help="Whose scheduler.", show_default=False)],
    day: Annotated[int, typer.Option("--day", min=1, max=LAST_DAY, help="Day of the month.")] = 20,
    at: Annotated[str, typer.Option("--at", metavar="HH:MM", help="Time of the day.")] = "06:00",
    command: Annotated[
        str | None,
        typer.Option(
            "--command",
            metavar="FILE",
            help="The aaot-eval program on that machine; default: this one, for a machine of this kind.",
        ),
    ] = None,
    log: Annotated[
        str | None, typer.Option("--log", metavar="FILE", help="Where what is printed goes, one run after another.")
    ] = None,
    fail_on_signal: Annotated[
        bool, typer.Option("--fail-on-signal", help="End with 8 when the newest month has a new signal.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Print what a scheduler needs to run a study every month.

    For Windows Task Scheduler, a systemd timer or cron; the text itself says
    where it goes. Nothing is installed. Each month it runs
    `analyze CONFIG --until latest`: stale data end with 4, a lock that
    another run holds with 9, and an unchanged extract with 0.
    """
    from aaot_eval.errors import UsageError

    problems: list[Problem] = []
    paths = {
        "CONFIG": _whole(config_file, system, "CONFIG", problems),
        "--command": _whole(command if command is not None else _own(system), system, "--command", problems),
        "--log": _whole(log, system, "--log", problems) if log is not None else None,
    }
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", at):
        problems.append(
            _problem("U014", f"--at {at} is not a time of the day", allowed="06:00", do="write hours and minutes")
        )
    given = f"{config_file} {command} {log}"
    if system is System.WINDOWS and (given.count("%") > 1 or "$(" in given):
        problems.append(
            _problem(
                "U015",
                "Windows would read what stands between two per cent signs, or behind $(, as a variable",
                do="use paths with no more than one per cent sign and without $(",
            )
        )
    if problems:
        raise UsageError(*problems)
    job = _Job(str(paths["--command"]), str(paths["CONFIG"]), paths["--log"], day, at, fail_on_signal)
    text = {System.WINDOWS: _windows, System.SYSTEMD: _systemd, System.CRON: _cron}[system](job)
    if not as_json:
        _refuse_unwritable(text)
    answer(text.rstrip("\n"), {"system": system.value, "text": text}, as_json)


def _refuse_unwritable(text: str) -> None:
    """UsageError when the terminal cannot write a letter of a path: it would stand there as something else."""
    from aaot_eval.errors import UsageError

    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        raise UsageError(
            _problem("U015", f"a path holds letters that this terminal ({encoding}) cannot write",
                     do="set PYTHONUTF8=1 and try again, or take the text from --json")
        ) from None  # fmt: skip


@dataclass(frozen=True)
class _Job:
    """What is run, and when."""

    command: str
    config: str
    log: str | None
    day: int
    at: str
    fail_on_signal: bool

    @property
    def ends(self) -> str:
        """What its exit codes mean."""
        return ENDS_ON_SIGNAL if self.fail_on_signal else ENDS

    @property
    def name(self) -> str:
        """A name for the job that every scheduler takes: the config's, in plain letters."""
        path = PureWindowsPath(self.config) if PureWindowsPath(self.config).drive else PurePosixPath(self.config)
        return "aaot-eval-" + (re.sub(r"[^A-Za-z0-9]+", "-", path.stem).strip("-").lower() or "study")

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the program is given."""
        return ("analyze", self.config, "--until", "latest", *(["--fail-on-signal"] if self.fail_on_signal else []))


def _problem(code: str, what: str, *, allowed: str = "", do: str) -> Problem:
    from aaot_eval.errors import Problem

    return Problem(code, what, where="command line", allowed=allowed, do=do)


def _kind(system: System) -> type[PurePath]:
    return PureWindowsPath if system is System.WINDOWS else PurePosixPath


def _this_kind(system: System) -> bool:
    """Whether the text is for a machine of the kind that this one is."""
    return (sys.platform == "win32") == (system is System.WINDOWS)


def _own(system: System) -> str:
    """The installed program, where the text is for a machine of this kind; empty when it has to be said."""
    if not _this_kind(system):
        return ""
    name = "aaot-eval.exe" if system is System.WINDOWS else "aaot-eval"
    # `python -m aaot_eval` is started from a file that no scheduler can run.
    places = (Path(sys.executable).with_name(name), Path(sys.argv[0]).absolute())
    return next((str(place) for place in places if place.stem == "aaot-eval" and place.exists()), "")


def _whole(path: str, system: System, what: str, problems: list[Problem]) -> str:
    """A path as that machine takes it: as it was given when it is whole, made whole when it is of this machine."""
    if not path:
        problems.append(
            _problem(
                "U015",
                f"{what} is missing: where the program lies on the machine that will run it cannot be told from here",
                allowed=_example(system),
                do=f"give {what} with the whole path",
            )
        )
        return path
    if path.endswith(("/", "\\") if system is System.WINDOWS else "/"):
        problems.append(_problem("U015", f"{what} is a folder", do="give the path of the file"))
    elif any(ord(c) < 32 or c == "\x7f" for c in path) or (system is System.WINDOWS and '"' in path):
        problems.append(
            _problem(
                "U015",
                f"{what} holds a character that no path there can hold",
                do="give the path as it is on that machine",
            )
        )
    elif system is System.CRON and "\\%" in path:
        problems.append(
            _problem(
                "U015",
                f"{what} holds a backslash before a per cent sign, which cron cannot be told of",
                do="use another path",
            )
        )
    elif _kind(system)(path).is_absolute():
        return path
    elif _this_kind(system):
        return str(Path(path).absolute())
    else:
        problems.append(
            _problem(
                "U015",
                f"{what} is no whole path on {'Windows' if system is System.WINDOWS else 'that machine'}",
                allowed=_example(system),
                do="give the whole path, as it is on that machine",
            )
        )
    return path


def _example(system: System) -> str:
    return r"C:\aaot\study.toml, \\server\share\study.toml" if system is System.WINDOWS else "/srv/aaot/study.toml"


def _windows(job: _Job) -> str:
    """A task for `schtasks /Create /XML`, in plain ASCII, so that it can be saved in any encoding."""
    program, arguments = job.command, _command_line(job.arguments)
    if job.log is not None:
        # Only the shell can send output to a file; with /s it takes off the outer pair of quotes and nothing else.
        program, arguments = "cmd.exe", f'/d /s /c "{_command_line((job.command,))} {arguments} >> "{job.log}" 2>&1"'
    hours, minutes = job.at.split(":")
    return f"""\
<?xml version="1.0"?>
<!-- Save this as {job.name}.xml, then, as the user who is to run it:
     schtasks /Create /XML {job.name}.xml /TN {job.name}
     /RU and /RP of schtasks give a user who need not be logged on. -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>aaot-eval, every month: {job.ends}</Description>
  </RegistrationInfo>
  <Triggers>
    <CalendarTrigger>
      <StartBoundary>2024-01-01T{hours}:{minutes}:00</StartBoundary>
      <ScheduleByMonth>
        <DaysOfMonth><Day>{job.day}</Day></DaysOfMonth>
        <Months>{"".join(f"<{month} />" for month in MONTHS)}</Months>
      </ScheduleByMonth>
    </CalendarTrigger>
  </Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT{LONGEST_HOURS}H</ExecutionTimeLimit>
  </Settings>
  <Actions>
    <Exec>
      <Command>{_xml(program)}</Command>
      <Arguments>{_xml(arguments)}</Arguments>
    </Exec>
  </Actions>
</Task>
"""


def _command_line(words: tuple[str, ...]) -> str:
    """Words as one Windows command line; paths are always in quotes, because `cmd` gives &, ( and ^ a meaning outside them."""
    return " ".join(word if re.fullmatch(r"[\w-]+", word, re.ASCII) else f'"{word}"' for word in words)


def _xml(text: str) -> str:
    from xml.sax.saxutils import escape

    return escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _systemd(job: _Job) -> str:
    """A service and its timer."""
    words = " ".join((_unit_word(job.command, first=True), *map(_unit_word, job.arguments)))
    log = job.log and f"StandardOutput=append:{job.log.replace('%', '%%')}\nStandardError=inherit\n"
    return f"""\
# ~/.config/systemd/user/{job.name}.service
[Unit]
Description=aaot-eval, every month

[Service]
Type=oneshot
ExecStart={words}
{log or ""}TimeoutStartSec={LONGEST_HOURS}h

# ~/.config/systemd/user/{job.name}.timer
[Unit]
Description=aaot-eval, every month

[Timer]
OnCalendar=*-*-{job.day:02d} {job.at}:00
Persistent=true

[Install]
WantedBy=timers.target

# Then:  systemctl --user daemon-reload
#        systemctl --user enable --now {job.name}.timer
# It runs while nobody is logged on after:  loginctl enable-linger
# Exit codes: {job.ends}
"""


def _unit_word(word: str, *, first: bool = False) -> str:
    """One word of ExecStart: quoted, and nothing in it read as a specifier or, behind the program, as a variable."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    word = word if first else word.replace("$", "$$")
    return word if re.fullmatch(r"[\w./-]+", word, re.ASCII) else f'"{word}"'


def _cron(job: _Job) -> str:
    """One line of a crontab; a per cent sign would end the command there."""
    import shlex

    hours, minutes = (int(part) for part in job.at.split(":"))
    line = shlex.join((job.command, *job.arguments))
    line += f" >> {shlex.quote(job.log)} 2>&1" if job.log is not None else ""
    escaped = line.replace("%", "\\%")
    return f"""\
# Add this line with:  crontab -e
# Exit codes: {job.ends}
{minutes} {hours} {job.day} * * {escaped}
"""
