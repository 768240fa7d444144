"""One delimited or Parquet file into typed Parquet rows: text in, cast, every unreadable line and cell listed, every line counted."""

from __future__ import annotations

import csv
import hashlib
import hmac
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from aaot_eval.engine import ReadPlan, ReadReport, moving
from aaot_eval.engine.files import Dialect
from aaot_eval.engine.steps import text_literal
from aaot_eval.errors import InputError, Problem, is_no_room, no_room
from aaot_eval.schema import ColumnSpec, TableSchema

SQL_TYPES = {"string": "VARCHAR", "date": "DATE", "integer": "INTEGER", "number": "DOUBLE", "boolean": "BOOLEAN"}
ALWAYS_DATES = ("%Y%m%d", "%d%b%Y", "%d-%b-%Y")
# How dates that mean "none" are written too, whatever the others look like.
SLASHED = "%d/%m/%Y"
# Older than anyone in an extract: such a date is a mark for "unknown" or a two-digit year, never a day in hospital.
FIRST_DAY, LAST_DAY = "1850-01-01", "2199-12-31"
# Dates that mean "none" in every spelling that sources use.
NO_DATES = tuple(
    f"{y}{s}{m}{s}{d}" if s != "/" else f"{d}/{m}/{y}"
    for y, m, d in (
        ("1800", "01", "01"),
        ("1801", "01", "01"),
        ("1600", "01", "01"),
        ("1582", "10", "15"),
        ("1582", "01", "01"),
        ("1899", "12", "30"),
        ("1899", "12", "31"),
        ("1900", "01", "01"),
    )
    for s in ("-", "", "/")
)
# A higher level of compression costs a tenth more time and saves no byte; nobody looks for one value in these files. The order is
# asked for: without that, both cores write as they come wherever the query has a join.
WRITTEN = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, WRITE_BLOOM_FILTER false, PRESERVE_ORDER true"
# Groups of rows stand in memory until they are written in turn, so that with larger ones one core waits for the other. A group
# keeps its codes as places in a list, which are quicker to read, up to so many different ones. Less of both with little memory.
ROWS_OF_A_GROUP, CODES_OF_A_GROUP = 40_960, 16_384
FEWER_ROWS, FEWER_CODES, LITTLE_MEMORY = 30_720, 6_144, 900_000_000
FEW_MARKS = 4
REJECTS = "rejects"
FILE_ROW = "file_row_number"
REASONS = {
    "MISSING COLUMNS": "too few columns",
    "TOO MANY COLUMNS": "too many columns",
    "UNQUOTED VALUE": "unbalanced quotation mark",
    "INVALID ENCODING": "not in the encoding of the file",
    "LINE SIZE OVER MAXIMUM": "line too long",
}

_parts = itertools.count(1)


class FileReading:
    """One file on its way into `part`, a Parquet file of its rows in their order: the columns of the schema, and bad (a bit for each bad cell)."""

    def __init__(self, db: Any, plan: ReadPlan, part: Path) -> None:
        self.db, self.plan, self.part = db, plan, part
        self.given = [c for c in plan.schema.columns if c.name in plan.columns]
        self.dated = self._dated()
        self.casts = {c.name: self._cast(c) for c in (*self.given, *plan.made)}
        faults = [
            (c, fault(c, self.casts[c.name], plan.schema, plan.dates.get(c.name, ()), dated=c.name in self.dated))
            for c in self.given
        ]
        self.faults = [(c, when) for c, when in faults if when]
        self.lost = sum(1 << i for i, (c, _) in enumerate(self.faults) if c.required)
        self.hashing = self._keyed_hash(plan.key) if plan.key is not None else ""
        self.brought = ""

    def _dated(self) -> frozenset[str]:
        """Our date columns that a Parquet file holds as dates: they need no way through text."""
        if self.plan.file.kind != "parquet" or self.plan.made:
            return frozenset()
        try:
            source = rows_of([self.plan.file.path])
            held = {r[0] for r in self.db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall() if r[1] == "DATE"}
        except duckdb.Error:  # the reading itself says what is wrong
            return frozenset()
        return frozenset(c.name for c in self.given if c.type == "date" and self.plan.columns[c.name] in held)

    def _cast(self, column: ColumnSpec) -> str:
        if column.name in self.dated:
            return day_of(column, column.name)
        return cast(column, self.plan.dates.get(column.name, ()))

    def read(self) -> ReadReport:
        """Read the file; when its lines do not add up, read it again with quotation marks taken as plain characters.

        Raises InputError when the engine cannot read it at all; the engine's own words may hold values and are not shown.
        """
        try:
            if self.plan.file.kind == "table":
                self.brought = self._bring_in()
            return self._read()
        except duckdb.Error as fault:
            raise InputError(self._refused(fault)) from None

    def _refused(self, fault: duckdb.Error) -> Problem:
        """Why the file was not read: the rows go to the disk as they are read, and one that is full says nothing about the file."""
        if is_no_room(fault):
            return no_room(str(self.part.parent))
        if isinstance(fault, duckdb.OutOfMemoryException):
            return Problem(
                "X216",
                f"{self.plan.name} does not fit into the memory allowed",
                where="output.memory",
                do="allow more, or give the year in several files",
            )
        return Problem(
            "X202",
            f"{self.plan.name} cannot be read: {type(fault).__name__}",
            where=self.plan.name,
            do="check that the file is complete",
        )

    def _read(self) -> ReadReport:
        text = self.plan.file.kind == "text"
        report = self._attempt('"' if text and self.plan.file.quotes else "")
        if not report.adds_up and self.plan.file.quotes:
            self.db.execute(f"DELETE FROM {REJECTS} WHERE file = ?", [self.plan.name])
            report = replace(self._attempt(""), unquoted=True)
        return report

    def _attempt(self, quote: str) -> ReadReport:
        rejected = f"rejected_{next(_parts)}"
        columns = ", ".join(
            f"CAST({self.casts.get(c.name, 'NULL')} AS {SQL_TYPES[c.type]}) AS {c.name}"
            for c in self.plan.schema.columns
        )
        bad = " + ".join(f"CASE WHEN {when} THEN {1 << i} ELSE 0 END" for i, (_, when) in enumerate(self.faults)) or "0"
        texts = self._texts(quote, rejected, numbered=False)
        rows = write_rows(self.db, f"SELECT {columns}, CAST({bad} AS BIGINT) AS bad FROM ({texts})", self.part)
        lines = self._rejected_lines(rejected)
        report = ReadReport(self.plan.name, rows, self.plan.file.lines, len(lines))
        if not report.adds_up and quote:
            report = self._with_quoted_newlines(report, quote)
        if not report.adds_up and quote:
            return report
        if lines and report.quoted_newlines:
            self._place_again(lines)
        exact = not (self.plan.file.blank or report.quoted_newlines)
        counts, lost = self._bad_cells(quote, lines, exact)
        return replace(report, bad_cells=counts, lost_rows=lost)

    def _texts(self, quote: str, rejected: str = "", *, numbered: bool = True) -> str:
        """A query for the cells we keep as cleaned text, under our names, with the number of the record if that is asked for.

        Numbering puts all rows through one thread: what keeps the order of the file has its numbers from that.
        """
        source, held = self._source(quote, rejected)
        bare = self.plan.file.quotes and not quote
        held |= {c: part_of_a_cell(held[c], place, self.plan.schema) for c, place in self.plan.places.items()}
        missing = self.plan.schema.missing_values
        texts = {
            c.name: held[c.name]
            if c.name in self.dated
            else cleaned(c, held[c.name], missing, bare, padded=self.plan.file.padded)
            for c in self.given
        }
        if self.hashing and "person" in texts:
            # A key that is none keeps its mark, so that it is seen after the hashing too.
            hashed = f"CASE WHEN {spoilt_key(texts['person'])} THEN '#' ELSE {self.hashing}({texts['person']}) END"
            texts["person"] = identifier("person") if self.brought else hashed
        columns = ", ".join(f"{text} AS {name}" for name, text in texts.items())
        made = ", ".join(f"{made_of(c, texts, self.casts, self.plan.schema)} AS {c.name}" for c in self.plan.made)
        number = "row_number() OVER () AS line_row, " if numbered else ""
        read = f"SELECT {number}{columns} FROM {source}"
        return f"SELECT *, {made} FROM ({read}) AS cells" if made else read

    def _source(self, quote: str, rejected: str = "") -> tuple[str, dict[str, str]]:
        """The file as a table function, and the name of each of our columns in it."""
        file, columns = self.plan.file, self.plan.columns
        if self.brought:
            return self.brought, {ours: identifier(theirs) for ours, theirs in columns.items()}
        if file.kind == "parquet":
            return rows_of([file.path]), {
                ours: identifier(theirs) if ours in self.dated else f"CAST({identifier(theirs)} AS VARCHAR)"
                for ours, theirs in columns.items()
            }
        typed = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(file.header)))
        rejects = f"store_rejects=true, rejects_limit=0, rejects_table='{rejected}', rejects_scan='{rejected}_scan'"
        source = (
            f"read_csv({this_file(file.path)}, hive_partitioning=false, delim={text_literal(file.delimiter)}, header=true, auto_detect=false, columns={{{typed}}}, "
            f"quote={text_literal(quote)}, escape={text_literal(quote)}, strict_mode=true, null_padding=false, compression='none', "
            f"{rejects if rejected else 'ignore_errors=true'})"
        )
        return source, {ours: f"c{file.header.index(theirs)}" for ours, theirs in columns.items()}

    def _bring_in(self) -> str:
        """A table of a database server, once, as text; a person's number is hashed on its way and never stored."""
        held = [identifier(theirs) for theirs in dict.fromkeys(self.plan.columns.values())]
        if self.hashing and "person" in self.plan.columns:
            theirs = identifier(self.plan.columns["person"])
            plain = cleaned(self.plan.schema["person"], theirs, self.plan.schema.missing_values, bare=False)
            held = [c for c in held if c != theirs] + [f"{self.hashing}({plain}) AS {identifier('person')}"]
        name = f"brought_{next(_parts)}"
        with self.plan.file.table.batches(list(dict.fromkeys(self.plan.columns.values()))) as batches:
            self.db.register("handed_out", batches)
            self.db.execute(f"CREATE TEMP TABLE {name} AS SELECT {', '.join(held)} FROM handed_out")
            self.db.unregister("handed_out")
        return name

    def _rejected_lines(self, rejected: str) -> list[int]:
        """Lines that do not split into the columns, once each, into the reject table."""
        if self.plan.file.kind != "text":
            return []
        found = self.db.execute(
            f"SELECT line, min(CAST(error_type AS VARCHAR)) FROM {rejected} GROUP BY line ORDER BY line"
        ).fetchall()
        self.db.execute(f"DROP TABLE {rejected}")
        self.db.execute(f"DROP TABLE {rejected}_scan")
        lines = [line for line, _ in found]
        why = [REASONS.get(kind, "line cannot be split into columns") for _, kind in found]
        if lines:
            with self._handed(line=lines, reason=why) as listed:
                self.db.execute(
                    f"INSERT INTO {REJECTS} SELECT ?, line, '', reason, 'line', TRUE FROM {listed}", [self.plan.name]
                )
        return lines

    def _place_again(self, places: Sequence[int]) -> None:
        """Lines that do not split, which the engine counts without the line breaks inside quotes, where they stand in the file."""
        lines = lines_of_places(self.plan.file, set(places))
        with self._handed(place=list(lines), begins=list(lines.values())) as listed:
            self.db.execute(
                f"UPDATE {REJECTS} SET line = begins FROM {listed} WHERE file = ? AND value_class = 'line' AND line = place",
                [self.plan.name],
            )

    def _bad_cells(self, quote: str, rejected: Sequence[int], exact: bool) -> tuple[dict[str, int], int]:
        """Cells that are not what their column says, into the reject table; the file is read again only when there are any.

        A row that lacks a required value leaves the rows, any other bad cell stays empty.
        """
        held = f"(SELECT {FILE_ROW} + 1 AS n, bad FROM {rows_of([self.part], numbered=True)})"
        ours = f"FROM {held} WHERE bad"
        if not self._one(f"SELECT count(*) {ours} > 0"):
            return {}, 0
        counts = {
            c.name: n
            for i, (c, _) in enumerate(self.faults)
            if (n := self._one(f"SELECT count(*) {ours} & {1 << i} > 0"))
        }
        rows = self.db.execute(f"SELECT n, bad {ours} > 0 ORDER BY n").fetchnumpy()
        lines = self._lines_of(rows["n"].tolist(), rejected, exact, bool(quote))
        at = [lines[n] for n in rows["n"].tolist()]
        with self._handed(line_row=rows["n"], bad=rows["bad"], line=at) as listed:
            self.db.execute(f"CREATE OR REPLACE TEMP TABLE bad_rows AS SELECT * FROM {listed}")
        for i, (column, _) in enumerate(self.faults):
            if column.name in counts:
                self.db.execute(
                    f"INSERT INTO {REJECTS} SELECT ?, b.line, ?, ?, {value_class(f'CAST(t.{column.name} AS VARCHAR)')}, b.bad & {self.lost} > 0 "
                    f"FROM bad_rows AS b JOIN ({self._texts(quote)}) AS t ON t.line_row = b.line_row WHERE b.bad & {1 << i} > 0 ORDER BY b.line",
                    [self.plan.name, self.plan.columns[column.name], reason(column)],
                )
        lost = self._one(f"SELECT count(*) {ours} & {self.lost} > 0")
        if lost:
            thin_out(self.db, self.part, f"bad & {self.lost} = 0")
        self.db.execute("DROP TABLE bad_rows")
        return counts, lost

    def _lines_of(self, records: Collection[int], rejected: Sequence[int], exact: bool, quoted: bool) -> dict[int, int]:
        """The line on which each record stands."""
        if self.plan.file.kind != "text":
            return {n: n for n in records}
        if not exact:
            return lines_of_records(self.plan.file, set(records), quoted)
        before = [line - 1 - k for k, line in enumerate(rejected, start=1)]
        found, skipped = {}, 0
        for n in sorted(records):
            while skipped < len(before) and before[skipped] < n:
                skipped += 1
            found[n] = 1 + n + skipped
        return found

    def _with_quoted_newlines(self, report: ReadReport, quote: str) -> ReadReport:
        """The report with the line breaks inside quotes counted; not when a value has swallowed a whole row."""
        source, _ = self._source(quote)
        width = len(self.plan.file.header)
        delimiter = text_literal(self.plan.file.delimiter)
        cells = [f"coalesce(c{i}, '')" for i in range(width)]
        breaks = " + ".join(f"length({c}) - length(replace({c}, chr(10), ''))" for c in cells)
        # Of each run of line ends inside a cell all but the first are blank lines.
        fed = [f"replace({c}, chr(13), '')" for c in cells]
        blank = " + ".join(f"length({c}) - length(regexp_replace({c}, '\\n+', chr(10), 'g'))" for c in fed)
        swallowed = " + ".join(
            f"CASE WHEN contains({c}, chr(10)) AND length({c}) - length(replace({c}, {delimiter}, '')) >= {max(width - 1, 1)} THEN 1 ELSE 0 END"
            for c in cells
        )
        found = self.db.execute(f"SELECT sum({breaks}), sum({blank}), sum({swallowed}) FROM {source}").fetchall()
        newlines, blank_inside, rows_inside = (int(x or 0) for x in found[0])
        return report if rows_inside else replace(report, lines=report.lines + blank_inside, quoted_newlines=newlines)

    def _keyed_hash(self, key: bytes) -> str:
        """The name of a database function that turns a person's number into its keyed hash."""
        name = f"keyed_{next(_parts)}"

        def keyed(value: str) -> str:
            return keyed_hash(key, value)

        self.db.create_function(name, keyed, ["VARCHAR"], "VARCHAR")
        return name

    @contextmanager
    def _handed(self, **columns: Any) -> Iterator[str]:
        """Columns of Python as a table of the database, at once: row by row a file of wrong dates takes an hour to refuse."""
        self.db.register("handed_in", pa.table(columns))
        try:
            yield "handed_in"
        finally:
            self.db.unregister("handed_in")

    def _one(self, sql: str) -> int:
        found = self.db.execute(sql).fetchall()
        return int(found[0][0] or 0)


def rows_of(parts: Sequence[Path], *, numbered: bool = False) -> str:
    """Parquet files of rows as a table function, with their rows numbered from nought when asked.

    A folder called `SEX=9` says nothing about the rows in it: the engine would put it in the place of the column.
    """
    return (
        f"read_parquet([{', '.join(map(this_file, parts))}], hive_partitioning=false"
        f"{f', {FILE_ROW}=true' if numbered else ''})"
    )


def this_file(path: Path) -> str:
    """A path as SQL that names this file and no other: the engine takes `x[1].parquet` for a pattern that means `x1.parquet`."""
    return text_literal(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))


def write_rows(db: Any, query: str, path: Path) -> int:
    """Write what a query gives to Parquet, in its order; how many rows that were."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    little = memory_allowed(db) < LITTLE_MEMORY
    rows, codes = (FEWER_ROWS, FEWER_CODES) if little else (ROWS_OF_A_GROUP, CODES_OF_A_GROUP)
    groups = f"ROW_GROUP_SIZE {rows}, DICTIONARY_SIZE_LIMIT {codes}"
    copy = f"COPY ({query}) TO {text_literal(str(path))} ({WRITTEN}, {groups})"
    ((written,),) = db.execute(copy).fetchall()
    return int(written)


def memory_allowed(db: Any) -> int:
    """The engine's limit of memory, in bytes."""
    ((allowed,),) = db.execute("SELECT parse_formatted_bytes(current_setting('memory_limit'))").fetchall()
    return int(allowed)


def thin_out(db: Any, part: Path, staying: str) -> None:
    """Leave only those rows of a Parquet file for which a condition holds."""
    fresh = part.with_name(f"fresh-{part.name}")
    write_rows(db, f"SELECT * FROM {rows_of([part])} WHERE {staying}", fresh)
    moving.replace(fresh, part)


def keyed_hash(key: bytes, value: str) -> str:
    """The HMAC-SHA256 of a person's number, spaces and hyphens aside."""
    return hmac.new(key, re.sub(r"[\s-]", "", value).upper().encode(), hashlib.sha256).hexdigest()


def _begins(file: Dialect, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """The line on which each row of a file begins, the header and blank ones among them, and its cells."""
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=file.delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
        last = 0
        for cells in reader:
            yield last + 1, cells
            last = reader.line_num


def lines_of_records(file: Dialect, records: Collection[int], quoted: bool) -> dict[int, int]:
    """The line on which each record of a file with blank lines or line breaks in quotes begins."""
    found: dict[int, int] = {}
    record = -1
    for begins, cells in _begins(file, quoted):
        width = len(cells) - (len(cells) > 1 and cells[-1] == "" and len(cells) == len(file.header) + 1)
        if width == len(file.header):
            record += 1
            if record in records:
                found[record] = begins
    return {n: found.get(n, 0) for n in records}


def lines_of_places(file: Dialect, places: Collection[int]) -> dict[int, int]:
    """The line on which each row of a file with line breaks in quotes begins, by its place among the rows, the header being 1."""
    return {place: begins for place, (begins, _) in enumerate(_begins(file, quoted=True), start=1) if place in places}


# The text of casts --------------------------------------------------------------------------------------------------


def among(text: str, values: Iterable[str]) -> str:
    """Whether a cell is one of some literals.

    Neither `IN` nor a list: the engine makes a join of those, and behind a join one core has to write all rows for them to stay in
    order.
    """
    return f"CASE {text} {' '.join(f'WHEN {value} THEN TRUE' for value in values)} ELSE FALSE END"


def without(text: str, marks: Iterable[str]) -> str:
    """A cell that is none of some literals; missing when it is one.

    `nullif` is the faster, and its text doubles with every mark: with ten of them the engine plans for seconds.
    """
    listed = list(marks)
    if len(listed) > FEW_MARKS:
        return f"CASE {text} {' '.join(f'WHEN {mark} THEN NULL' for mark in listed)} ELSE {text} END"
    for mark in listed:
        text = f"nullif({text}, {mark})"
    return text


def identifier(value: str) -> str:
    """A column name as SQL."""
    return '"' + value.replace('"', '""') + '"'


def cleaned(column: ColumnSpec, source: str, missing: Sequence[str], bare: bool, *, padded: bool = True) -> str:
    """The text of a cell: trimmed where cells may be padded, codes in capitals, empty when it is missing or a mark for "unknown"."""
    text = f"trim({source}, ' \"')" if bare else f"trim({source})" if padded else source
    marks = [*missing, *(() if column.type == "date" else column.null_values)]
    if column.extra.get("form") == "code":
        text = f"upper({text})"
    elif any(m.upper() != m.lower() for m in column.null_values):
        listed = [text_literal(m.upper()) for m in marks]
        return recoded(column, f"CASE WHEN {among(f'upper({text})', listed)} THEN NULL ELSE {text} END")
    return recoded(column, without(text, map(text_literal, dict.fromkeys(marks))))


def recoded(column: ColumnSpec, text: str) -> str:
    """The text of a code of another country or system as the code that our rules know; `*` stands for any other code."""
    codes: Mapping[str, Sequence[str]] = column.extra.get("recode", {})
    if not codes:
        return text
    whens = []
    for ours, theirs in codes.items():
        becomes = text_literal(ours) if ours else "NULL"
        if "*" in theirs:
            whens.append(f"WHEN {text} IS NOT NULL THEN {becomes}")
        else:
            whens.append(f"WHEN {among(text, map(text_literal, theirs))} THEN {becomes}")
    return f"CASE {' '.join(whens)} ELSE {text} END"


def part_of_a_cell(source: str, place: int, schema: TableSchema) -> str:
    """One of several values that stand in one cell, counted from 1."""
    separator = str(schema.extra["concatenated"].get("separator", ","))
    return f"split_part({source}, {text_literal(separator)}, {place})"


def made_of(column: ColumnSpec, held: Collection[str], casts: Mapping[str, str], schema: TableSchema) -> str:
    """The text of a column that a format makes from others: a constant, a copy, several joined, or by whether one is filled."""
    rule: Mapping[str, Any] = column.extra["made"]
    if "constant" in rule:
        return text_literal(str(rule["constant"]))
    names = [rule[k] for k in ("copy", "filled") if k in rule] or list(rule["joined"])
    if not all(n in held for n in names):
        return "CAST(NULL AS VARCHAR)"
    if "joined" in rule:
        texts = [f"CAST({casts[n]} AS VARCHAR)" if schema[n].type == "date" else n for n in names]
        return " || '-' || ".join(f"coalesce({t}, '')" for t in texts)
    if "filled" in rule:
        then, other = (text_literal(str(rule[k])) for k in ("then", "else"))
        none = among(names[0], map(text_literal, NO_DATES))
        return f"CASE WHEN {names[0]} IS NULL OR {none} THEN {other} ELSE {then} END"
    return str(names[0])


def cast(column: ColumnSpec, patterns: Sequence[str]) -> str:
    """Cleaned text as the column's type; NULL when it does not read."""
    name = column.name
    if column.type == "date":
        return day_of(column, _day(name, patterns))
    if column.type == "integer":
        return f"TRY_CAST(floor(TRY_CAST({name} AS DOUBLE)) AS INTEGER)"
    if column.type == "number":
        return f"CASE WHEN isfinite(TRY_CAST({name} AS DOUBLE)) THEN TRY_CAST({name} AS DOUBLE) END"
    return name


def _day(name: str, patterns: Sequence[str]) -> str:
    """Text as a date of any age; a pattern with two figures for the year goes first, for others read them as a year 22."""
    short = [text_literal(p) for p in patterns if "%y" in p]
    listed = ", ".join(text_literal(p) for p in (*ALWAYS_DATES, *patterns))
    ways = [f"TRY_CAST({name} AS DATE)", f"CAST(TRY_STRPTIME({name}, [{listed}]) AS DATE)"]
    if short:
        ways.insert(0, f"CAST(TRY_STRPTIME({name}, [{', '.join(short)}]) AS DATE)")
    return f"coalesce({', '.join(ways)})"


def day_of(column: ColumnSpec, day: str) -> str:
    """A date, or NULL when nobody of an extract can have lived on it, and for the days that mean "none"."""
    return no_mark(column, f"CASE WHEN {day} BETWEEN DATE '{FIRST_DAY}' AND DATE '{LAST_DAY}' THEN {day} END")


def no_mark(column: ColumnSpec, day: str) -> str:
    """A date, or NULL for the days that somebody could have lived on and that mean "none": those from which databases and Excel count."""
    for mark in column.null_values:
        day = f"nullif({day}, DATE '{mark}')" if mark >= FIRST_DAY else day
    return day


def fault(
    column: ColumnSpec, value: str, schema: TableSchema, patterns: Sequence[str] = (), *, dated: bool = False
) -> str:
    """When a cell is not what its column says (`dated`: it is a date and no text); empty text when it cannot be wrong.

    A date that means "none" is none in every spelling in which dates are read (`patterns` beside the usual ones).
    """
    name, when = column.name, []
    if column.type == "date":
        unreadable = f"{name} IS NOT NULL AND {value} IS NULL"
        # Where a row without its date is rejected, a day that means "none" is no date either.
        if column.null_values and not (column.required and schema.extra.get("blank_rejected")):
            said = name if dated else _day(name, (SLASHED, *patterns))
            marks = among(said, [f"DATE '{d}'" for d in column.null_values])
            unreadable += f" AND NOT {marks}"
        when.append(f"({unreadable})")
    elif column.type in ("integer", "number"):
        when.append(f"({name} IS NOT NULL AND {value} IS NULL)")
    elif "pattern" in column.extra:
        when.append(
            f"({name} IS NOT NULL AND NOT regexp_full_match({name}, {text_literal(str(column.extra['pattern']))}))"
        )
    elif column.name == "person":
        when.append(spoilt_key(name))
    if column.required and schema.extra.get("blank_rejected"):
        when.append(f"({name} IS NULL)")
    return f"({' OR '.join(when)})" if when else ""


def spoilt_key(text: str) -> str:
    """When a person's key is no key any more: what Excel writes for long numbers, narrow columns and errors is one for many people."""
    rounded = f"WHEN contains({text}, 'E+') THEN regexp_full_match({text}, '[0-9]([.,][0-9]+)?E[+][0-9]+')"
    return f"(CASE WHEN starts_with({text}, '#') THEN TRUE {rounded} ELSE FALSE END)"


def reason(column: ColumnSpec) -> str:
    """Why a cell of this column is rejected."""
    return {"date": "not a date", "integer": "not a whole number", "number": "not a number"}.get(
        column.type, "not a key"
    )


def value_class(name: str) -> str:
    """What kind of text stands in a column, as SQL; never the text."""
    kinds: Mapping[str, str] = {
        "digits": "[0-9]+",
        "decimal number": "[+-]?[0-9]*[.][0-9]+",
        "number in scientific notation": "[+-]?[0-9.]+[eE][+-]?[0-9]+",
        "like a date": "[0-9]+[-/. ][0-9]+[-/. ][0-9]+.*",
        "letters": "[A-Za-z ]+",
    }
    cases = " ".join(f"WHEN regexp_full_match({name}, '{pattern}') THEN '{kind}'" for kind, pattern in kinds.items())
    return f"CASE WHEN {name} IS NULL THEN 'empty' {cases} ELSE 'mixed characters' END"
