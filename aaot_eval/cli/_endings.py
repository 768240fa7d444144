"""How a run that did not end well is told: lines for a person on stderr, one JSON document for a program on stdout."""

from __future__ import annotations

import json
import textwrap
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from aaot_eval.errors import AaotEvalError, ExitCode, Problem
from aaot_eval.errors import no_room as disk_full

WIDTH = 80
_fault_folders: list[Path] = []
_readings: list[Path] = []


def faults_go_to(*folders: Path) -> None:
    """From now on the log of an unexpected fault is written into the first of these that can be, else into the current one."""
    _fault_folders[:] = folders


def readings_are_in(*folders: Path) -> None:
    """From now on an interrupted run says of these folders, where files already read are kept, that they stay."""
    _readings[:] = folders


def problem_lines(problem: Problem) -> list[str]:
    """A problem as lines of at most 80 columns, the code first."""
    head, *rest = problem.lines()
    return [
        *textwrap.wrap(head, WIDTH, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False),
        *(
            line
            for text in rest
            for line in textwrap.wrap(
                text.strip(),
                WIDTH,
                initial_indent="      ",
                subsequent_indent="        ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        ),
    ]


def _tell(code: ExitCode, problems: Sequence[Problem], as_json: bool, told: Mapping[str, Any] | None = None) -> int:
    for problem in problems:
        typer.echo("\n".join(problem_lines(problem)), err=True)
    typer.echo(f"exit {int(code)}", err=True)
    if as_json:
        fields = ("code", "what", "where", "allowed", "do")
        document = {
            **(told or {}),
            "exit_status": int(code),
            "problems": [{name: getattr(p, name) for name in fields} for p in problems],
        }
        typer.echo(json.dumps(document, ensure_ascii=True))
    return int(code)


def command_line(fault: Any, as_json: bool) -> int:
    """The command line could not be understood."""
    fault.show()
    if as_json:
        _tell(ExitCode.USAGE, [Problem("U001", fault.format_message())], as_json)
    return int(ExitCode.USAGE)


def refusal(fault: AaotEvalError, as_json: bool) -> int:
    """The program understood, and refuses."""
    return _tell(fault.exit_code, list(fault.problems), as_json, fault.told)


def interrupted(as_json: bool) -> int:
    """Ctrl-C, or a request to end: no run is left; what an earlier or this run had read for the next one stays, and is named."""
    kept = [folder for folder in _readings if folder.is_dir() and any(folder.iterdir())]
    if not kept:
        return _tell(ExitCode.INTERRUPTED, [Problem("U130", "interrupted; this run left nothing behind")], as_json)
    problem = Problem(
        "U130",
        "interrupted; no run was left, but the files already read are kept, and hold rows of people",
        where=", ".join(map(str, kept)),
        do="nothing, and the next run is quicker; or delete them: `aaot-eval purge CONFIG --older-than 0d --yes` "
        "(it deletes restricted/ of every run too)",
    )
    return _tell(ExitCode.INTERRUPTED, [problem], as_json)


def no_room(as_json: bool) -> int:
    """The disk is full: nothing of ours is at fault, and nothing half-written was left."""
    return _tell(ExitCode.INPUT, [disk_full()], as_json)


def is_no_memory(fault: BaseException | None) -> bool:
    """Whether a step needed more memory than the engine is allowed, or than the computer has."""
    while fault is not None:
        if isinstance(fault, MemoryError) or type(fault).__name__ == "OutOfMemoryException":
            return True
        fault = fault.__cause__ or fault.__context__
    return False


def no_memory(as_json: bool) -> int:
    """The memory allowed is too little for these tables: nothing of ours is at fault, and nothing half-written was left."""
    problem = Problem(
        "X216",
        "the tables do not fit into the memory allowed; nothing half-written was left",
        where="output.memory",
        do='allow more, such as memory = "1GB" under [output], or take the key out for the default',
    )
    return _tell(ExitCode.INPUT, [problem], as_json)


def fault_frames(fault: BaseException) -> str:
    """Where a fault happened, without its message and without any value: both may come from a patient's record."""
    lines = []
    cause: BaseException | None = fault
    while cause is not None:
        lines.append(f"{type(cause).__module__}.{type(cause).__name__}")
        lines += [f"  {f.filename}:{f.lineno} in {f.name}" for f in traceback.extract_tb(cause.__traceback__)]
        cause = cause.__cause__ or cause.__context__
    return "\n".join(lines) + "\n"


def unexpected(fault: BaseException, as_json: bool) -> int:
    """A fault of the program: one line, and the path of a log that holds no value."""
    text = fault_frames(fault)
    name = f"aaot-eval-fault-{datetime.now():%Y%m%d-%H%M%S}.log"
    for folder in (*_fault_folders, Path.cwd()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder.resolve() / name
            path.write_text(text, encoding="utf-8", newline="\n")
        except OSError:
            continue
        do = f"send {path} to the maintainers; it holds no value of your data"
        return _tell(ExitCode.UNEXPECTED, [_fault_problem(fault, do)], as_json)
    typer.echo(text, err=True)
    return _tell(ExitCode.UNEXPECTED, [_fault_problem(fault, "send the lines above to the maintainers")], as_json)


def _fault_problem(fault: BaseException, do: str) -> Problem:
    return Problem("U100", f"a fault in aaot-eval ({type(fault).__name__})", do=do)
