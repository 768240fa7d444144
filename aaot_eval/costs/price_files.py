"""Reads the small CSV files of money: text rows with their line numbers, and every problem at once."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from aaot_eval.engine.files import BOMS, delimiter_of, header_of
from aaot_eval.engine.workbooks import is_workbook, workbook_text
from aaot_eval.errors import InputError, Problem
from aaot_eval.schema import table_schema

MOST = 1e9
"""Pounds, places or years beyond this are a slip of the keyboard, and their squares would leave the range of a number."""
LEAST = 1e-6
"""What is above 0 and below this is one too."""
TITLE_LINES = 20
"""So far down a header is looked for, to name its line in the refusal."""
HEADER_NAME = re.compile(r"[a-z][a-z_ -]{0,39}")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: its line number as an editor shows it, and its cells as text."""

    number: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


@dataclass(slots=True)
class Refusals:
    """Collects what is wrong with one file, so that the analyst hears of all of it together."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, code: str, what: str, line: Line | None, column: str, *, allowed: str = "", do: str = "") -> None:
        """One problem, placed by file, line and column."""
        self.problems.append(Problem(code, what, self.place(line, column), allowed, do=do))

    def place(self, line: Line | None, column: str) -> str:
        """Where something stands: the file, the line and the column, as far as they are given."""
        row = f", line {line.number}" if line else ""
        return f"{self.file}{row}{f', column {column}' if column else ''}"

    def raise_any(self) -> None:
        """Raises InputError when anything is wrong."""
        if self.problems:
            raise InputError(*self.problems)


def read_lines(
    path: Path, table: str, refusals: Refusals, explained: Mapping[tuple[str, str], tuple[str, str, str]] | None = None
) -> list[Line]:
    """The rows of a price file whose columns `data_schemas/tables/<table>.json` declares.

    A missing file, column or required cell, an unknown column and a value outside its list become problems P400 to
    P405. `explained` gives (code, what, do) for a (column, word) whose refusal has a reason of its own.
    """
    schema = table_schema("tables", table)
    required = [c.name for c in schema.columns if c.required]
    rows = split_rows(path, required, refusals)
    if not rows:
        return []
    header = [name.strip().lower() for name in rows[0][1]]
    missing = [name for name in required if name not in header]
    unknown = [name for name in header if name not in schema.names]
    _refuse_columns(header, missing, unknown, schema.names, refusals)
    twice = sorted({name for name in header if header.count(name) > 1})
    for name in twice:
        refusals.add("P402", f"the column {name!r} stands twice", None, "", do="keep one of the two")
    if missing or unknown or twice:
        return []
    lines = []
    for at, cells in rows[1:]:
        if any(cell.strip() for cell in cells):
            if len(cells) > len(header):
                refusals.add(
                    "P403",
                    "the row has more cells than the header",
                    Line(at, {}),
                    "",
                    do="put quotation marks around text that holds the sign between the cells",
                )
                continue
            row = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
            lines.append(Line(at, dict(zip(header, row, strict=True))))
    if not lines:
        refusals.add("P403", "the file has no rows", None, "", do="add one row for each price")
    for line in lines:
        for column in schema.columns:
            if column.required and not line[column.name]:
                refusals.add("P404", f"{column.name} is empty", line, column.name, do=_why(column.name))
            elif column.enum and line[column.name] and line[column.name] not in column.enum:
                why = (explained or {}).get((column.name, line[column.name].lower()))
                if why:
                    refusals.add(why[0], why[1], line, column.name, allowed=", ".join(column.enum), do=why[2])
                    continue
                near = difflib.get_close_matches(line[column.name], column.enum, n=1)
                refusals.add(
                    "P405",
                    f"{column.name} is not one of the words allowed",
                    line,
                    column.name,
                    allowed=", ".join(column.enum),
                    do=f"did you mean {near[0]!r}?" if near else "choose one of them",
                )
    return lines


def _refuse_columns(
    header: Sequence[str], missing: Sequence[str], unknown: Sequence[str], names: Sequence[str], refusals: Refusals
) -> None:
    """P401 for each column that is missing and P402 for each that is not known; one P402 where the one is the other misnamed."""
    allowed = ", ".join(names)
    # A first line without any of our columns may be a row of data: it is neither repeated nor guessed at.
    ours = bool(set(header) & set(names))
    renamed = _renamed(missing, unknown, [name for name in names if name not in header]) if ours else {}
    for name in missing:
        if name not in renamed.values():
            what, do = (
                f"the column {name!r} is missing",
                "add the column, with the sign between the cells that the others have",
            )
            refusals.add("P401", what, None, "", allowed=allowed, do=do)
    for name in unknown:
        found = f"the column {name!r}" if ours and HEADER_NAME.fullmatch(name) else "a column"
        meant = renamed.get(name)
        also = f", and {meant!r} is missing" if meant in missing else ""
        do = f"rename it to {meant!r}" if meant else "remove the column, or name it 'note'"
        refusals.add(
            "P402", f"{found} is not known{also}", None, f"number {header.index(name) + 1}", allowed=allowed, do=do
        )


def _renamed(missing: Sequence[str], unknown: Sequence[str], free: Sequence[str]) -> dict[str, str]:
    """The column each unknown one is likely to be: the nearest name that is free, or the only one missing for the only one unknown."""
    found: dict[str, str] = {}
    for name in unknown:
        near = difflib.get_close_matches(name, [column for column in free if column not in found.values()], n=1)
        if near:
            found[name] = near[0]
    if len(missing) == len(unknown) == 1 and not found:
        found[unknown[0]] = missing[0]
    return found


def split_rows(
    path: Path, required: Sequence[str], refusals: Refusals, *, code: str = ""
) -> list[tuple[int, list[str]]]:
    """The rows of a small table as cells, each with the number of its first line, the header first; none when refused.

    P400 a file that cannot be read; P403 one that cannot be split into rows, has a line break within a cell, or is empty; P401
    a line above the header. `code` takes the place of all three.
    """
    text = _text(path, refusals, code or "P400")
    if text is None:
        return []
    unclosed = "look for a quotation mark that is never closed"
    try:
        rows = list(_rows(text, _delimiter(text, required)))
    except csv.Error:
        what = "the file cannot be split into cells: one cell is longer than any price file needs"
        refusals.add(code or "P403", what, None, "", do=unclosed)
        return []
    if CONTROL.search(text):
        what = "the file holds characters that are not text"
        refusals.add(code or "P403", what, None, "", do="save it again as CSV in UTF-8")
        return []
    broken = [Line(at, {}) for at, cells in rows if any("\n" in cell or "\r" in cell for cell in cells)]
    for line in broken[:1]:
        what = "a cell holds a line break, so that the rows below may have been swallowed"
        refusals.add(code or "P403", what, line, "", do=f"{unclosed}, and write the text of a cell on one line")
    if broken:
        return []
    if not any(cell.strip() for _, cells in rows for cell in cells):
        refusals.add(code or "P403", "the file is empty", None, "", do="write the header and one row for each price")
        return []
    return [] if _misplaced(rows, required, refusals, code or "P401") else rows


def _is_header(cells: Sequence[str], required: Sequence[str]) -> bool:
    return set(required) <= {cell.strip().lower() for cell in cells}


def _delimiter(text: str, required: Sequence[str]) -> str:
    """What parts the cells, as the header says; the first line where no header is found, for the refusal."""
    lines = list(islice(io.StringIO(text), TITLE_LINES)) or [""]
    for line in lines:
        if _is_header(header_of(line, delimiter_of(line)), required):
            return delimiter_of(line)
    return delimiter_of(lines[0])


def _misplaced(rows: Sequence[tuple[int, list[str]]], required: Sequence[str], refusals: Refusals, code: str) -> bool:
    """Whether the header was refused because it stands in a lower line."""
    for at, cells in rows[:TITLE_LINES]:
        if _is_header(cells, required):
            if at > 1:
                what = "the column names do not stand in the first line"
                refusals.add(code, what, Line(at, {}), "", allowed="line 1", do="delete the lines above them")
            return at > 1
    return False


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Every row with the number of its first line, the header first."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    at = 1
    for cells in reader:
        yield at, cells
        at = reader.line_num + 1


def plain_number(text: str) -> float:
    """The number a cell holds, NaN when it is none. An underscore within digits is a slip here, although Python reads it."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def _why(column: str) -> str:
    if column == "source":
        return (
            "say where the figure comes from; a price without a source is not used (write INVENTED for a made-up one)"
        )
    return f"fill in {column}"


def _text(path: Path, refusals: Refusals, code: str) -> str | None:
    try:
        if is_workbook(path) and path.is_file():
            return workbook_text(path)
        return _decoded(path.read_bytes(), refusals, code)
    except InputError as fault:
        refusals.problems += fault.problems
    except FileNotFoundError:
        near = (
            difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.csv")], n=3)
            if path.parent.is_dir()
            else []
        )
        refusals.add(
            code,
            "the file does not exist",
            None,
            "",
            allowed=f"close: {', '.join(near)}" if near else "",
            do="check the path; relative paths start at the folder of the config",
        )
    except OSError as fault:
        what = f"the file cannot be read: {type(fault).__name__}"
        refusals.add(code, what, None, "", do="check that it is a file and that you may read it")
    return None


def _decoded(data: bytes, refusals: Refusals, code: str) -> str | None:
    """The text of a small table as the extracts are read: UTF-8, UTF-16 with its mark, else Windows-1252."""
    marked = next((name for mark, name in BOMS if data.startswith(mark)), "")
    at = 0
    for encoding in (marked,) if marked else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as fault:
            at = fault.start
    what = f"byte {at + 1} of the file, {data[at]:#04x}, is not a character"
    refusals.add(code, what, Line(data.count(b"\n", 0, at) + 1, {}), "",
                 allowed="UTF-8, UTF-16 with its mark, or Windows-1252", do="save it as CSV in UTF-8")  # fmt: skip
    return None


def number(
    line: Line,
    column: str,
    refusals: Refusals,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = MOST,
    do: str = "mend the figure",
    code: str = "P407",
) -> float | None:
    """The cell as a number within its bounds; None when empty or refused (P406 no number, `code` out of bounds)."""
    text = line[column]
    if not text:
        return None
    value = plain_number(text)
    if not math.isfinite(value):
        refusals.add(
            "P406",
            f"{column} is not a plain number",
            line,
            column,
            allowed="such as 1234.50",
            do="write it with a decimal point, without a pound sign, thousands separator or per cent sign",
        )
        return None
    if value <= above or value < least or value > most or 0 < value < LEAST:
        refusals.add(
            code,
            f"{column} is {value:g}, which is out of bounds",
            line,
            column,
            allowed=_bounds(above, least, most if most < MOST or value > most else math.inf)
            + (f"; nothing between 0 and {LEAST:g}" if 0 < value < LEAST else ""),
            do=do,
        )
        return None
    return value


def needed(line: Line, column: str, value: float | None, refusals: Refusals, *, do: str) -> None:
    """Adds problem P404 when a cell that this kind of row needs is empty."""
    if value is None and not line[column]:
        refusals.add("P404", f"{column} is empty", line, column, do=do)


def _bounds(above: float, least: float, most: float) -> str:
    parts = []
    if math.isfinite(above):
        parts.append(f"above {above:g}")
    if math.isfinite(least):
        parts.append(f"{least:g} or more")
    if math.isfinite(most):
        parts.append(f"at most {most:,.15g}")
    return ", ".join(parts)


def is_invented(sources: Sequence[str]) -> bool:
    """Whether any source says that its figure was made up."""
    return any("invented" in text.lower() for text in sources)
