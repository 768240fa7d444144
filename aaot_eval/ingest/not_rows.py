"""What stands in a file and is no row: title lines above its header, notes below its rows, an end cut off, a delimiter that is not read.

Each is recognised by its form and said by its line; a text that could be of a patient is never shown.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from pathlib import Path

from aaot_eval.engine.files import DELIMITERS, Dialect, delimiter_of, header_of
from aaot_eval.errors import Problem

# Titles take a few lines; further down a line that looks like a header is something else.
TITLE_LINES = 30
# How much of the end of a file is looked at.
END = 1 << 16
#: How a line begins that somebody's program wrote below the rows: totals, counts of rows, marks of an end, when and by what it was made.
NOTE = re.compile(
    r"""[\W_]*(grand[ ]total|sub-?total|totals?|(row|record|line)s?[ _]?count|count|number[ ]of|no\.?[ ]of|
    \(?[\d,]+[ ](rows?|records?|lines?)|(rows?|records?|lines?)([ ](returned|affected|selected))?\b\s*[:=]|end[ ]of|eof|trl|trailer|
    report|run[ ](on|at|by|date)|date[ ]run|generated|produced|printed|created|exported|extract(ed)?\b|source|notes?\b|
    confidential|official|sensitive|page[ ]\d|completion[ ]time|\Z)""",
    re.IGNORECASE | re.VERBOSE,
)
SPELT_OUT = {
    " ": "spaces",
    "\x1f": "control character 31",
    "\x1e": "control character 30",
    "\x01": "control character 1",
}
READ = "comma, tab, vertical bar | or semicolon"


def header_below(file: Dialect, is_header: Callable[[Sequence[str]], bool]) -> int:
    """The line, from 2 on, that holds the column names when title lines stand above it; 0 when none of the first lines does."""
    if file.kind != "text":
        return 0
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        for number, line in enumerate(islice(text, TITLE_LINES + 1), start=1):
            if number > 1 and line.strip() and is_header(_cells(line, delimiter_of(line))):
                return number
    return 0


def title_above(path: Path, number: int) -> Problem:
    """A refusal of a file whose column names stand below a title."""
    lines = "line 1" if number == 2 else f"lines 1 to {number - 1}"
    return Problem(
        "X208",
        f"the column names of {path.name} stand in line {number}, below a title",
        where=f"{path}, {lines}",
        do=f"delete {lines}, or export the table without its title: the file must begin with the column names",
    )


def other_delimiter(file: Dialect, is_header: Callable[[Sequence[str]], bool]) -> str:
    """What the names of the header are separated by, in words, when it is nothing that is read; empty when that is not seen."""
    if file.kind != "text":
        return ""
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        line = text.readline().rstrip("\r\n")
    for sign in dict.fromkeys(re.findall(r"[^\w\"'.-]", line)):
        if sign not in DELIMITERS and is_header([c.strip(" \"'") for c in line.split(sign) if c.strip()]):
            return SPELT_OUT.get(sign, sign if sign.isprintable() else "a control character")
    return ""


def unread_delimiter(path: Path, sign: str) -> Problem:
    """A refusal of a file whose cells are separated by something that is not read."""
    return Problem(
        "X208",
        f"the columns of {path.name} are separated by {sign}, which is not read",
        where=f"{path}, line 1",
        allowed=READ,
        do="export the file again with commas, and with quotation marks round texts that hold one",
    )


def cut_off(file: Dialect, path: Path) -> list[Problem]:
    """A refusal of a file that ends in the middle of a row: so many rows as there may have been below are missing."""
    if file.kind != "text" or file.lines <= 1:
        return []
    lines, ended = _lines(file)
    last = lines[-1]
    cells = _cells(last, file.delimiter)
    if ended or last.count('"') % 2 or len(cells) >= len(file.header) or _is_note(cells):
        return []
    number = file.lines + file.blank
    return [
        Problem(
            "X218",
            f"{path.name} seems to be cut off at its end: its last line has {len(cells)} of {len(file.header)} cells and no line end",
            where=f"{path}, line {number}",
            do="ask for the file again, or copy it again, and compare its size with the supplier's: rows below that line are missing; "
            "when the line is only incomplete, complete it and put a line end behind it",
        )
    ]


def notes_below(file: Dialect, rejected: Collection[int]) -> list[int]:
    """Of the lines that could not be read those at the end of the file that are notes (a total, an end mark), and no rows."""
    if file.kind != "text":
        return []
    number, found = file.lines + file.blank, []
    for line in reversed(_lines(file)[0]):
        if any(map(str.strip, _cells(line, file.delimiter))):
            if number not in rejected or not _is_note(_cells(line, file.delimiter)):
                break
            found.append(number)
        number -= 1
    return found[::-1]


def _is_note(cells: Sequence[str]) -> bool:
    """Whether a line is a note: it begins as one, or it is one cell of several words."""
    filled = [c.strip() for c in cells if c.strip()]
    if not filled:
        return False
    return len(filled) <= 3 and bool(
        NOTE.match(filled[0]) or (len(filled) == 1 and re.search(r"[A-Za-z]{2,}\s+[A-Za-z]{2,}", filled[0]))
    )


def _cells(line: str, delimiter: str) -> tuple[str, ...]:
    try:
        return header_of(line, delimiter)
    except csv.Error:
        return ()


def _lines(file: Dialect) -> tuple[list[str], bool]:
    """The last whole lines of a file, at most 64 KiB of them, and whether a line end stands behind the last."""
    with file.path.open("rb") as raw:
        size = raw.seek(0, 2)
        raw.seek(max(0, size - END))
        text = raw.read()
    whole = (text if size <= END else text.partition(b"\n")[2]).decode("utf-8-sig", "replace")
    whole = whole.replace("\r\n", "\n").replace("\r", "\n")
    return whole.removesuffix("\n").split("\n"), whole.endswith("\n")
