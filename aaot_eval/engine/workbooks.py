"""One sheet of an Excel workbook as delimited text: dates as dates, whole numbers without a decimal point, and nothing guessed.

For the small tables that people keep by hand. A workbook with several filled sheets, a header of joined cells, or keys that
Excel has rounded is refused in words.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from aaot_eval.errors import InputError, Problem, counted

WORKBOOKS = (".xlsx", ".xlsm")
# A sheet of a million full rows unpacks to less.
MOST_UNPACKED = 1 << 28
# Excel keeps 15 figures: a longer number has lost its last ones.
MOST_EXACT = 1e15
CHUNK = 1 << 20
# The sheets of a workbook among its parts.
SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
MOST_SHOWN = 5


def is_workbook(path: Path) -> bool:
    """Whether a file is read as an Excel workbook."""
    return path.suffix.lower() in WORKBOOKS


@dataclass(frozen=True, slots=True)
class Sheet:
    """The only filled sheet of a workbook: its rows as comma-separated text, its name, and by the place of their column the cells
    that have no value of their own, such as "C2": the text has them empty."""

    text: str
    name: str
    unworked: Mapping[int, tuple[str, ...]]


def workbook_text(path: Path) -> str:
    """The only filled sheet of a workbook as comma-separated text; InputError as `read_workbook`, and for cells without a value (X280)."""
    sheet = read_workbook(path)
    if sheet.unworked:
        raise InputError(unworked_cells(path, [cell for cells in sheet.unworked.values() for cell in cells]))
    return sheet.text


def read_workbook(path: Path) -> Sheet:
    """The only filled sheet of a workbook, with its cells without a value: an error of Excel, a formula never worked out.

    Raises InputError for a damaged or huge workbook, several filled sheets, a header of joined cells, or rounded keys.
    """
    _refuse_huge(path)
    unworked = _unworked(path)
    import python_calamine

    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        filled = {name: sheet for name in book.sheet_names if (sheet := book.get_sheet_by_name(name)).height}
    except (python_calamine.CalamineError, OSError, ValueError) as fault:
        raise InputError(_damaged(path, type(fault).__name__)) from None
    if len(filled) != 1:
        raise InputError(
            Problem(
                "X271",
                f"{path.name} has {len(filled)} sheets with something in them",
                where=str(path),
                do="keep the one sheet with the table, or save that sheet as CSV",
            )
        )
    ((name, sheet),) = filled.items()
    rows = sheet.to_python(skip_empty_area=True)
    begin = sheet.start[0] if sheet.start else 0
    if any(first[0] <= begin <= last[0] for first, last in sheet.merged_cell_ranges or ()):
        raise InputError(
            Problem(
                "X272",
                f"the first row of {path.name} has joined cells, so it is no header",
                where=f"{path}, sheet {name}, row {begin + 1}",
                do="give each column one name in one cell, in one row, with the rows right below it",
            )
        )
    _refuse_rounded(path, name, begin, rows)
    filled_rows = [[_text(cell) for cell in row] for row in rows if any(c != "" for c in row)]
    # A name is broken in two lines to make its column narrow; a header is one line.
    names = [" ".join(cell.split()) for cell in filled_rows[0]] if filled_rows else []
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([names, *filled_rows[1:]])
    first = sheet.start[1] if sheet.start else 0
    by_column: dict[int, tuple[str, ...]] = {}
    for cell in unworked:
        place = _column_of(cell) - first
        by_column[place] = (*by_column.get(place, ()), cell)
    return Sheet(out.getvalue(), name, by_column)


def _refuse_huge(path: Path) -> None:
    """Raises InputError when the parts unpack to more than any table kept by hand; they are counted, not believed."""
    total = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as part:
                    while chunk := part.read(CHUNK):
                        total += len(chunk)
                        if total > MOST_UNPACKED:
                            raise InputError(
                                Problem(
                                    "X273",
                                    f"{path.name} unpacks to more than {MOST_UNPACKED >> 20} MiB, the limit for a workbook",
                                    where=str(path),
                                    do="save the sheet as CSV; a workbook is for small tables",
                                )
                            )
    except (
        zipfile.BadZipFile,
        OSError,
        EOFError,
        ValueError,
        RuntimeError,
        NotImplementedError,
        zlib.error,
    ) as fault:
        raise InputError(_damaged(path, type(fault).__name__)) from None


def _unworked(path: Path) -> list[str]:
    """The cells with an error of Excel, and formulas without a result: the reader gives them as empty cells. InputError when damaged."""
    at: list[str] = []
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(filter(SHEET.fullmatch, archive.namelist())):
                with archive.open(name) as sheet:
                    # What unpacks is bounded before, and the parser bounds what entities unfold to.
                    for _, part in ElementTree.iterparse(sheet):  # noqa: S314
                        if part.tag.endswith("}c") and _is_unworked(part):
                            at.append(str(part.get("r", "?")))
                        elif part.tag.endswith("}row"):
                            part.clear()
    except (zipfile.BadZipFile, OSError, ValueError, LookupError, ElementTree.ParseError) as fault:
        raise InputError(_damaged(path, type(fault).__name__)) from None
    return at


def listed_cells(cells: Sequence[str]) -> str:
    """Some cells as a message names them: the first few, and how many more."""
    more = f" and {len(cells) - MOST_SHOWN} more" if len(cells) > MOST_SHOWN else ""
    return f"{', '.join(cells[:MOST_SHOWN])}{more}"


def unworked_cells(path: Path, cells: Sequence[str]) -> Problem:
    """A refusal of cells without a value in columns that are read."""
    return Problem(
        "X280",
        f"{counted(len(cells), 'cell')} of {path.name} without a value: an error of Excel such as #REF!, or a formula never worked out",
        where=f"{path}, {listed_cells(cells)}",
        do="mend the formulas, or clear the cells, and save the workbook in Excel; they would be read as empty",
    )


def _column_of(cell: str) -> int:
    """The place of a cell's column, A being 0; -1 of a cell that does not say where it is."""
    place = 0
    for letter in cell.rstrip("0123456789"):
        if not "A" <= letter <= "Z":
            return -1
        place = 26 * place + ord(letter) - ord("A") + 1
    return place - 1


def _is_unworked(cell: ElementTree.Element) -> bool:
    parts = {part.tag.rpartition("}")[2]: part.text for part in cell}
    return cell.get("t") == "e" or ("f" in parts and cell.get("t") != "str" and not parts.get("v"))


def _damaged(path: Path, fault: str) -> Problem:
    return Problem(
        "X202",
        f"{path.name} cannot be read as a workbook: {fault}",
        where=str(path),
        do="open it in Excel and save it as .xlsx or CSV",
    )


def _refuse_rounded(path: Path, sheet: str, begin: int, rows: Sequence[Sequence[Any]]) -> None:
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            if isinstance(cell, float | int) and not isinstance(cell, bool) and abs(cell) >= MOST_EXACT:
                raise InputError(
                    Problem(
                        "X274",
                        f"a number of more than 15 figures in {path.name} has lost its last figures in Excel",
                        where=f"{path}, sheet {sheet}, row {begin + r + 1}, column {c + 1}",
                        do="export the table as CSV from where it came from, without Excel, or format the column as text first",
                    )
                )


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ", "seconds")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return str(cell)
