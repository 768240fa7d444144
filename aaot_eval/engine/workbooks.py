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
from collections.abc import Sequence
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


def workbook_text(path: Path) -> tuple[str, str]:
    """The only filled sheet of a workbook as comma-separated text, and the name of that sheet.

    Raises InputError for a damaged or huge workbook, several filled sheets, a header of joined cells, rounded keys, or cells
    without a value of their own: an error of Excel, a formula never worked out.
    """
    _refuse_huge(path)
    _refuse_unworked(path)
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
    return out.getvalue(), name


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


def _refuse_unworked(path: Path) -> None:
    """Raises InputError for errors of Excel and formulas without a result: the reader would give them as empty cells."""
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
    if at:
        more = f" and {len(at) - MOST_SHOWN} more" if len(at) > MOST_SHOWN else ""
        raise InputError(
            Problem(
                "X280",
                f"{counted(len(at), 'cell')} of {path.name} without a value: an error of Excel such as #REF!, or a formula never worked out",
                where=f"{path}, {', '.join(at[:MOST_SHOWN])}{more}",
                do="mend the formulas, or clear the cells, and save the workbook in Excel; they would be read as empty",
            )
        )


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
