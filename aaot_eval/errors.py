"""Every way a run can refuse, and the exit code each one carries.

The codes are the contract with schedulers; `aaot_eval.cli` is the only place that turns one into a process exit.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """What a scheduler is told."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    INPUT = 3
    DATA_QUALITY = 4
    NOT_IDENTIFIED = 5
    DISCLOSURE = 6
    VERIFY_MISMATCH = 7
    SIGNAL = 8
    LOCKED = 9
    INTERRUPTED = 130


EXIT_MEANING: dict[ExitCode, tuple[str, str]] = {
    ExitCode.DONE: ("done, warnings possible", "nobody"),
    ExitCode.UNEXPECTED: ("a fault in aaot-eval; one line and the path of a log", "the maintainers"),
    ExitCode.USAGE: ("the command line is wrong", "whoever typed it"),
    ExitCode.INPUT: (
        "something given is missing, unreadable or not as declared: config, file, folder, code list, price, "
        "site, date, caseload",
        "the analyst or the data supplier",
    ),
    ExitCode.DATA_QUALITY: ("the data failed a stop-level gate, or are stale", "the analyst"),
    ExitCode.NOT_IDENTIFIED: (
        "no design can be estimated on these data, or totals do not reconcile",
        "the statistician",
    ),
    ExitCode.DISCLOSURE: ("disclosure control refuses", "the output checker"),
    ExitCode.VERIFY_MISMATCH: (
        "verify, report, release, or analyze when nothing is new: something differs from the record",
        "the reviewer",
    ),
    ExitCode.SIGNAL: (
        "analyze --fail-on-signal: the newest month has a new signal; the run is written",
        "the service lead",
    ),
    ExitCode.LOCKED: ("another run holds the lock", "the scheduler: try again later"),
    ExitCode.INTERRUPTED: ("interrupted (Ctrl-C); no run was left, readings kept in cache/ stay until purge", "nobody"),
}


def counted(n: int | str, one: str, many: str = "") -> str:
    """A number with its noun: "1 warning", "2 warnings", "1,000 rows"; a hidden count ("*") is of several."""
    number = n if isinstance(n, str) else f"{n:,}"
    return f"{number} {one if number == '1' else many or one + 's'}"


def _plain(text: str) -> str:
    """A text without control characters, which could come from a file and would reach the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, said so that the reader can mend it.

    `code` names the owner by its letter: C config, X extract, D data, E estimation, P prices, R release, V verify.
    No field may hold a value of a patient; `value_class` says what kind of value stood there ("letters", "empty").
    """

    code: str
    what: str
    where: str = ""
    allowed: str = ""
    do: str = ""

    def lines(self) -> list[str]:
        """The problem as the lines a terminal shows."""
        text = [f"{self.code}  {_plain(self.what)}"]
        text += [
            f"      {label}: {_plain(value)}"
            for label, value in (("where", self.where), ("allowed", self.allowed), ("do", self.do))
            if value
        ]
        return text


def _text(problems: Sequence[Problem]) -> str:
    return "\n".join("\n".join(p.lines()) for p in problems)


#: The operating system's words for a disk that takes no more: full, over its quota, read only, or no file so large.
_NO_ROOM = {errno.ENOSPC, errno.EROFS, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
#: And the embedded engine's: the system's words, and those of its own limit, which is the room that was left on the disk.
_ENGINES_WORDS = (
    "No space left",
    "File too large",
    "Read-only file system",
    "not enough space",
    "max_temp_directory_size",
)


def is_no_room(fault: BaseException | None) -> bool:
    """Whether the disk took no more: said by the system, or by the embedded engine of the files that it writes."""
    while fault is not None:
        if isinstance(fault, OSError) and fault.errno in _NO_ROOM:
            return True
        if type(fault).__module__.endswith("duckdb") and any(words in str(fault) for words in _ENGINES_WORDS):
            return True
        fault = fault.__cause__ or fault.__context__
    return False


def no_room(folder: str = "") -> Problem:
    """The disk takes no more, whatever was being read: nothing of ours is at fault, and nothing half-written stays."""
    which = "the work folder cannot be written to: " if folder else ""
    return Problem(
        "C134",
        f"{which}the disk takes no more: it is full, over its quota, read only, or holds no file so large; nothing half-written was left",
        where=folder,
        do="make room, or give another folder with --out or in [output] runs and work",
    )


class AaotEvalError(Exception):
    """The root of every refusal; holds all problems of one stage, each once."""

    exit_code = ExitCode.UNEXPECTED
    #: What a verb found out before it refused, for the one JSON document of --json.
    told: Mapping[str, Any] = {}

    def __init__(self, *problems: Problem) -> None:
        self.problems: Sequence[Problem] = tuple(dict.fromkeys(problems))
        super().__init__(_text(self.problems))

    def retell(self, told: Callable[[Problem], Problem]) -> None:
        """Say every problem in other words, such as with paths as the reader writes them; all else stays as it is."""
        self.problems = tuple(told(p) for p in self.problems)
        self.args = (_text(self.problems),)


class UsageError(AaotEvalError):
    """The command line contradicts itself."""

    exit_code = ExitCode.USAGE


class InputError(AaotEvalError):
    """Something the user gave is missing, unreadable or not as declared.

    `rejects` is the table of lines and cells that could not be read; None when the refusal came before any file was read.
    """

    exit_code = ExitCode.INPUT
    rejects: Any = None


class DataQualityError(AaotEvalError):
    """A stop-level gate failed, or the data are stale.

    `evidence` is what every gate found and what became of every row, when the data were read that far.
    """

    exit_code = ExitCode.DATA_QUALITY
    evidence: Any = None


class NotIdentifiedError(AaotEvalError):
    """No design can be estimated, or totals do not reconcile."""

    exit_code = ExitCode.NOT_IDENTIFIED


class DisclosureError(AaotEvalError):
    """Disclosure control refuses the release."""

    exit_code = ExitCode.DISCLOSURE


class VerifyMismatchError(AaotEvalError):
    """A run does not agree with its own record."""

    exit_code = ExitCode.VERIFY_MISMATCH


class MonthlySignalError(AaotEvalError):
    """The newest month of the control chart has a new signal, and the caller asked to fail on one; the run stands."""

    exit_code = ExitCode.SIGNAL


class LockedError(AaotEvalError):
    """Another run holds the lock."""

    exit_code = ExitCode.LOCKED
