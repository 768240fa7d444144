"""A Parquet file that is read where it lies: its cells are already what a reading would write down.

Nothing of it is then copied to the disk, and every step reads the columns it needs from the file itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from aaot_eval.engine import ReadPlan, ReadReport
from aaot_eval.engine.duckdb_reading import (
    FILE_ROW,
    FIRST_DAY,
    LAST_DAY,
    cleaned,
    day_of,
    fault,
    identifier,
    recoded,
    rows_of,
)
from aaot_eval.engine.steps import diagnosis_columns, text_literal
from aaot_eval.errors import InputError, Problem
from aaot_eval.schema import ColumnSpec

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
#: Different codes of a column that are written otherwise than they stand: each is a comparison for the cells of every later step.
MOST_OTHERS = 24
#: More different codes than these are no short list.
MOST_CODES = 10_000
#: Any whole number of so many digits fits into eight bytes.
MOST_DIGITS = 18
DIAGNOSES = "diagnoses"


@dataclass(frozen=True, slots=True)
class FileRows:
    """A Parquet file of rows: our columns as expressions over its own, and whether the file is ours to throw away.

    `codes` are the different codes of columns where they were found on the way, None for a column of very many, with all diagnoses as
    the entry `DIAGNOSES`; `digits` those of keys of rows, as `digits_of` tells them, where they were looked at. `stamp` is
    the size and the time of the last change of a file that is not ours.
    """

    path: Path
    columns: Mapping[str, str]
    ours: bool = True
    codes: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    digits: Mapping[str, int] = field(default_factory=dict)
    stamp: tuple[int, int] = (0, 0)
    name: str = ""

    def refuse_changed(self) -> None:
        """Raises InputError when the file is not the one that the first step read."""
        if not self.ours and _stamp(self.path) != self.stamp:
            raise InputError(
                Problem(
                    "X219",
                    f"{self.name} was changed while it was being read",
                    where=str(self.path),
                    do="run again when nothing writes to it",
                )
            )


def rows_as_found(db: Any, plan: ReadPlan) -> tuple[FileRows, ReadReport] | None:
    """The file as it lies, when its cells can be taken over as they stand; else None, and it is read and written anew.

    What prevents it: a person's number that has to be hashed, a column that is made from others, text where a date or a number
    should be, many codes that are written otherwise (small letters, spaces), a key with spaces, a single unreadable cell.
    """
    if plan.file.kind != "parquet" or plan.key is not None or plan.made or plan.places:
        return None
    stamp = _stamp(plan.file.path)
    source = rows_of([plan.file.path])
    try:
        held = {r[0]: r[1] for r in db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
        given = [
            (c, identifier(plan.columns[c.name]), held[plan.columns[c.name]])
            for c in plan.schema.columns
            if c.name in plan.columns
        ]
        # The engine numbers the rows of no file that has a column of that name.
        if FILE_ROW in map(str.lower, held) or not all(_fits(c, kind) for c, _, kind in given):
            return None
        digits = {c.name: digits_of(db, source, theirs, whole=kind in WHOLE) for c, theirs, kind in given if is_key(c)}
        plain = _plain(db, source, given, digits, plan)
        texts = [(c, theirs) for c, theirs, _ in given if c.type == "string" and c.name not in plain]
        codes, others = _texts(db, source, texts, plan)
        if any(len(found) > MOST_OTHERS for found in others.values()):
            return None
        columns = {
            c.name: theirs if c.name in plain else _taken_over(c, theirs, kind, others.get(c.name, {}), plan)
            for c, theirs, kind in given
        }
        rows, faults = _looked_at(db, source, [g for g in given if g[0].name not in plain], columns, plan)
    except (duckdb.Error, KeyError):  # the reading itself says what is wrong
        return None
    if faults:
        return None
    numbered = {name: n if name in plain else 0 for name, n in digits.items()}
    file = FileRows(plan.file.path, columns, ours=False, codes=codes, digits=numbered, stamp=stamp, name=plan.name)
    return file, ReadReport(plan.name, rows, plan.file.lines)


def rows_written(part: Path, plan: ReadPlan) -> FileRows:
    """A file that a reading wrote: it holds under our names what the file given has, or the format makes."""
    made = {c.name for c in plan.made}
    return FileRows(part, {c: c for c in plan.schema.names if c in plan.columns or c in made})


def is_key(column: ColumnSpec) -> bool:
    """Whether a column numbers the rows: with texts that may be whole numbers."""
    return column.type == "string" and re.fullmatch(str(column.extra.get("pattern", "")), "0123456789") is not None


def digits_of(db: Any, source: str, column: str, *, whole: bool) -> int:
    """How many digits every key of a column has, where each is a whole number of as many, up to `MOST_DIGITS`; else 0.

    As numbers such keys are equal where they are so as texts, and stand in the same order. `whole`: the column holds numbers.
    """
    number = column if whole else f"TRY_CAST({column} AS BIGINT)"
    alike = "TRUE" if whole else f"CAST({number} AS VARCHAR) IS NOT DISTINCT FROM {column}"
    asked = f"SELECT min({number}), max({number}), bool_and({alike}) FROM {source}"
    ((least, most, numbers),) = db.execute(asked).fetchall()
    if least is None or not numbers or least < 0:
        return 0
    digits = len(str(least))
    return digits if digits == len(str(most)) <= MOST_DIGITS else 0


def _plain(
    db: Any,
    source: str,
    given: Sequence[tuple[ColumnSpec, str, str]],
    digits: Mapping[str, int],
    plan: ReadPlan,
) -> frozenset[str]:
    """The columns whose least and greatest value say that every cell is taken over as it stands.

    A file knows those of its dates and numbers without a look at the rows.
    """
    open_to_blanks = [
        (c, theirs) for c, theirs, _ in given if not (c.required and plan.schema.extra.get("blank_rejected"))
    ]
    plain = {
        c.name
        for c, _ in open_to_blanks
        if digits.get(c.name) and digits[c.name] not in [len(str(mark)) for mark in _whole_marks(c, plan)]
    }
    bounded, asked = [], []
    for column, theirs in open_to_blanks:
        if column.type not in ("date", "integer") or column.extra.get("recode"):
            continue
        if column.type == "date":
            between = [f"DATE '{day}'" for day in (FIRST_DAY, LAST_DAY)]
            marks = [f"DATE '{mark}'" for mark in column.null_values if FIRST_DAY <= mark <= LAST_DAY]
        else:
            between = [str(-(2**31)), str(2**31 - 1)]
            marks = [str(mark) for mark in _whole_marks(column, plan)]
        inside = [f"min({theirs}) >= {between[0]} AND max({theirs}) <= {between[1]}"]
        apart = [f"{mark} NOT BETWEEN min({theirs}) AND max({theirs})" for mark in marks]
        bounded.append(column.name)
        asked.append(f"coalesce({' AND '.join([*inside, *apart])}, TRUE)")
    if asked:
        (found,) = db.execute(f"SELECT {', '.join(asked)} FROM {source}").fetchall()
        plain |= {name for name, holds in zip(bounded, found, strict=True) if holds}
    return frozenset(plain)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (-1, -1)
    return found.st_size, found.st_mtime_ns


def _few(column: ColumnSpec) -> bool:
    """Whether a column holds codes, of which there are few different ones."""
    return column.extra.get("form") == "code" or bool(column.extra.get("recode"))


def _fits(column: ColumnSpec, kind: str) -> bool:
    """Whether a column of a Parquet file needs no way through text."""
    if column.type == "date":
        return kind == "DATE"
    if column.type == "integer":
        return kind in WHOLE
    return column.type == "string" and (kind == "VARCHAR" or kind in WHOLE)


def _texts(
    db: Any, source: str, columns: Sequence[tuple[ColumnSpec, str]], plan: ReadPlan
) -> tuple[dict[str, frozenset[str] | None], dict[str, dict[str, str | None]]]:
    """The different codes of columns as they would be written, and how texts that stand otherwise do: a mark of a missing value as none.

    All diagnoses are one entry, `DIAGNOSES`; the entry of any other column with very many codes is None.
    """
    others: dict[str, dict[str, str | None]] = {c.name: {} for c, _ in columns}
    if not columns:
        return {}, others
    parts = []
    for column, theirs in columns:
        becomes = cleaned(column, "text", plan.schema.missing_values, bare=False)
        # CASE, for a conjunction may be asked in any order.
        unlike = f"CASE WHEN {_suspected(column, plan)} THEN {becomes} IS DISTINCT FROM text ELSE FALSE END"
        asked = "" if _few(column) else f" AND {unlike}"
        held = f"SELECT CAST({theirs} AS VARCHAR) AS text FROM {source}"
        different = f"SELECT DISTINCT text FROM ({held}) WHERE text IS NOT NULL{asked}"
        parts.append(f"SELECT {text_literal(column.name)} AS name, text, {becomes} AS becomes FROM ({different})")
    db.execute(f"CREATE OR REPLACE TEMP TABLE texts_as_found AS {' UNION ALL '.join(parts)}")
    for name, text, becomes in db.execute(
        "SELECT name, text, becomes FROM texts_as_found WHERE becomes IS DISTINCT FROM text "
        f"QUALIFY row_number() OVER (PARTITION BY name ORDER BY text) <= {MOST_OTHERS + 1}"
    ).fetchall():
        others[name][text] = becomes
    entries = {c.name: DIAGNOSES if diagnosis_columns([c.name]) else c.name for c, _ in columns if _few(c)}
    codes: dict[str, frozenset[str] | None] = dict.fromkeys(entries.values(), frozenset())
    for entry in codes:
        listed = ", ".join(text_literal(name) for name in entries if entries[name] == entry)
        most = "" if entry == DIAGNOSES else f" LIMIT {MOST_CODES + 1}"
        found = db.execute(
            f"SELECT DISTINCT becomes FROM texts_as_found WHERE name IN ({listed}) AND becomes IS NOT NULL{most}"
        ).fetchnumpy()["becomes"]
        codes[entry] = frozenset(found) if not most or len(found) <= MOST_CODES else None
    db.execute("DROP TABLE texts_as_found")
    return codes, others


def _suspected(column: ColumnSpec, plan: ReadPlan) -> str:
    """Which texts can be written otherwise than they stand: with a space at the edge, or as short as a mark."""
    longest = max(map(len, [*plan.schema.missing_values, *column.null_values]), default=0)
    return f"(length(text) <= {longest} OR starts_with(text, ' ') OR ends_with(text, ' '))"


def _whole_marks(column: ColumnSpec, plan: ReadPlan) -> list[int]:
    """The whole numbers that mean a missing value."""
    marks = dict.fromkeys([*plan.schema.missing_values, *column.null_values])
    return [int(mark) for mark in marks if re.fullmatch(r"-?\d+", mark)]


def _taken_over(column: ColumnSpec, theirs: str, kind: str, others: Mapping[str, str | None], plan: ReadPlan) -> str:
    """Our column over theirs."""
    if column.type == "date":
        return day_of(column, theirs)
    if column.type == "integer":
        whole = theirs
        for mark in _whole_marks(column, plan):
            whole = f"nullif({whole}, {mark})"
        if column.extra.get("recode"):
            whole = recoded(column, f"CAST({whole} AS VARCHAR)")
        return f"CAST({whole} AS INTEGER)"
    text = theirs if kind == "VARCHAR" else f"CAST({theirs} AS VARCHAR)"
    if not others:
        return text
    whens = [
        f"WHEN {text_literal(code)} THEN {'NULL' if others[code] is None else text_literal(str(others[code]))}"
        for code in sorted(others)
    ]
    return f"CASE {text} {' '.join(whens)} ELSE {text} END"


def _looked_at(
    db: Any, source: str, given: Sequence[tuple[ColumnSpec, str, str]], columns: Mapping[str, str], plan: ReadPlan
) -> tuple[int, bool]:
    """How many rows there are, and whether any cell is unreadable or would be written otherwise than it stands: one pass."""
    cells, whens = [], []
    for column, theirs, _ in given:
        cell = theirs if column.type != "string" else f"CAST({theirs} AS VARCHAR)"
        cells.append(f"{cell} AS {column.name}, {columns[column.name]} AS {column.name}__taken")
        taken = f"{column.name}__taken"
        if column.type == "integer":
            whens.append(f"{column.name} NOT BETWEEN {-(2**31)} AND {2**31 - 1}")
        else:
            patterns, dated = plan.dates.get(column.name, ()), column.type == "date"
            whens.append(fault(column, taken, plan.schema, patterns, dated=dated))
        if column.required and plan.schema.extra.get("blank_rejected"):
            whens.append(f"{taken} IS NULL")
    found = "".join(f", bool_or({when})" for when in whens if when)
    rows, *faults = db.execute(f"SELECT count(*){found} FROM (SELECT {', '.join(cells)} FROM {source})").fetchall()[0]
    return int(rows), any(faults)
