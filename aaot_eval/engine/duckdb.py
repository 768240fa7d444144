"""The steps on DuckDB, inside this process: the default engine.

Native here, because the best form differs between databases by several times: reading delimited text with rejects,
matching diagnosis codes, writing. Everything else is the SQL of `aaot_eval/steps/`.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from aaot_eval.engine import ReadPlan, ReadReport
from aaot_eval.schema import ColumnSpec, TableSchema

STEPS = Path(__file__).resolve().parent.parent / "steps"
SQL_TYPES = {"string": "VARCHAR", "date": "DATE", "integer": "INTEGER", "number": "DOUBLE", "boolean": "BOOLEAN"}
ALWAYS_DATES = ("%Y%m%d", "%d%b%Y", "%d-%b-%Y", "%Y-%m-%d %H:%M:%S")
# Older than anyone in an extract: such a date is a mark for "unknown" or a two-digit year, never a day in hospital.
FIRST_YEAR = 1850
REJECTS = "rejects"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_engines = itertools.count(1)


class DuckDBEngine:
    """One DuckDB database in memory that spills into `work`, with nothing loaded from the network."""

    name = "duckdb"

    def __init__(self, work: Path, *, memory: str | None = None, threads: int | None = None) -> None:
        work.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._clear_left_over(work)
        self.folder = work / f"engine-{os.getpid()}-{next(_engines)}"
        self.folder.mkdir(mode=0o700)
        self._db = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "temp_directory": str(self.folder / "spill"),
            },
        )
        if memory:
            self._db.execute(f"SET memory_limit = {_text(memory)}")
        if threads:
            self._db.execute(f"SET threads = {int(threads)}")
        self._db.execute(
            f"CREATE TABLE {REJECTS} (file VARCHAR, line BIGINT, \"column\" VARCHAR, reason VARCHAR, value_class VARCHAR, "
            "row_lost BOOLEAN)"
        )
        self._parts = itertools.count(1)

    @staticmethod
    def _clear_left_over(work: Path) -> None:
        """Spill of a run that was killed; the run's lock says that no other run uses this folder."""
        for folder in work.glob("engine-*"):
            if not folder.name.startswith(f"engine-{os.getpid()}-"):
                shutil.rmtree(folder, ignore_errors=True)

    # Reading -----------------------------------------------------------------------------------------------------

    def empty(self, table: str, schema: TableSchema) -> None:
        columns = ", ".join(f"{c.name} {SQL_TYPES[c.type]}" for c in schema.columns)
        self._db.execute(f"CREATE OR REPLACE TABLE {_name(table)} (load INTEGER, row BIGINT, {columns})")

    def ingest(self, plans: Sequence[ReadPlan], table: str) -> list[ReadReport]:
        self.empty(table, plans[0].schema)
        return [self._ingest_file(plan, table) for plan in plans]

    def _ingest_file(self, plan: ReadPlan, table: str) -> ReadReport:
        if plan.file.kind == "parquet":
            return self._read(plan, table, quote='"')
        report = self._read(plan, table, quote='"' if plan.file.quotes else "")
        if not report.adds_up and plan.file.quotes:
            self._db.execute(f"DELETE FROM {table} WHERE load = {plan.load}")
            self._db.execute(f"DELETE FROM {REJECTS} WHERE file = ?", [plan.name])
            report = self._read(plan, table, quote="")
        return report

    def _source(self, plan: ReadPlan, quote: str, rejects: str = "") -> tuple[str, dict[str, str]]:
        """The file as a table function, all text, and our column names as its columns."""
        index = {name: i for i, name in reversed(list(enumerate(plan.file.header)))}
        if plan.file.kind == "parquet":
            held = {ours: f'CAST("{theirs.replace(chr(34), chr(34) * 2)}" AS VARCHAR)' for ours, theirs in plan.columns.items()}
            return f"read_parquet({_text(str(plan.file.path))})", held
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(plan.file.header)))
        keep = f", store_rejects=true, rejects_limit=0, rejects_table='{rejects}', rejects_scan='{rejects}_scan'" if rejects \
            else ", ignore_errors=true"
        source = (
            f"read_csv({_text(str(plan.file.path))}, delim={_text(plan.file.delimiter)}, header=true, auto_detect=false, "
            f"columns={{{columns}}}, quote={_text(quote)}, escape={_text(quote)}, strict_mode=true, null_padding=false, "
            f"compression='none'{keep})"
        )
        return source, {ours: f"c{index[theirs]}" for ours, theirs in plan.columns.items()}

    def _read(self, plan: ReadPlan, table: str, quote: str) -> ReadReport:
        part = f"rejected_{next(self._parts)}"
        source, held = self._source(plan, quote, rejects=part)
        given = [c for c in plan.schema.columns if c.name in held]
        text = {c.name: _cleaned(c, held[c.name], bare=plan.file.quotes and not quote) for c in given}
        if plan.key is not None and "person" in text:
            text["person"] = f"{self._hashing(plan.key)}({text['person']})"
        raw = ", ".join(f"{text[c.name]} AS {c.name}" for c in given)
        casts = {c.name: _cast(c, plan.dates.get(c.name, ())) for c in given}
        values = ", ".join(casts.get(c.name, "NULL") for c in plan.schema.columns)
        faults = [(c, _fault(c, casts[c.name], plan.schema)) for c in given]
        faults = [(c, f) for c, f in faults if f]
        bad = " + ".join(f"CASE WHEN {f} THEN {1 << i} ELSE 0 END" for i, (_, f) in enumerate(faults)) or "0"
        before = self._count(table)
        numbered = f"SELECT row_number() OVER () AS line_row, {raw} FROM {source}"
        self._db.execute(f"CREATE OR REPLACE TEMP TABLE part AS SELECT line_row, {values}, {bad} AS bad FROM ({numbered})")
        rows = self._count("part")
        rejected = self._note_rejected_lines(plan, part) if plan.file.kind == "text" else 0
        bad_cells, lost = self._note_bad_cells(plan, faults, numbered, part)
        names = [d[0] for d in self._db.execute("SELECT * FROM part LIMIT 0").description or []][1:-1]
        kept = f"WHERE bad & {_lost_mask(faults)} = 0"
        self._db.execute(
            f"INSERT INTO {table} SELECT {plan.load}, {before} + line_row, {', '.join(_quoted(n) for n in names)} FROM part {kept}"
        )
        self._db.execute("DROP TABLE part")
        report = ReadReport(plan.name, rows, plan.file.lines, rejected, lost, 0, bad_cells, plan.file.quotes and not quote)
        if report.adds_up or not quote:
            return report
        return self._with_quoted_newlines(plan, report, quote)

    def _note_rejected_lines(self, plan: ReadPlan, part: str) -> int:
        """Lines that do not parse, once each, into the reject table."""
        self._db.execute(
            f"INSERT INTO {REJECTS} SELECT ?, line, '', CASE min(CAST(error_type AS VARCHAR)) WHEN 'MISSING COLUMNS' THEN 'too few columns' "
            "WHEN 'TOO MANY COLUMNS' THEN 'too many columns' WHEN 'UNQUOTED VALUE' THEN 'unbalanced quotation mark' "
            "WHEN 'INVALID ENCODING' THEN 'not in the encoding of the file' WHEN 'LINE SIZE OVER MAXIMUM' THEN 'line too long' "
            f"ELSE 'line cannot be split into columns' END, 'line', true FROM {part} GROUP BY line ORDER BY line",
            [plan.name],
        )
        found = self._one(f"SELECT count(DISTINCT line) FROM {part}")
        self._db.execute(f"DROP TABLE IF EXISTS {part}_scan")
        return found

    def _note_bad_cells(
        self, plan: ReadPlan, faults: Sequence[tuple[ColumnSpec, str]], numbered: str, part: str
    ) -> tuple[dict[str, int], int]:
        """Cells that are not what their column says, into the reject table; the file is read a second time only for those."""
        counts = {c.name: self._one(f"SELECT count(*) FROM part WHERE bad & {1 << i} > 0") for i, (c, _) in enumerate(faults)} \
            if self._one("SELECT count(*) FROM part WHERE bad > 0") else {}
        counts = {name: n for name, n in counts.items() if n}
        lost = 0
        if counts:
            mask = _lost_mask(faults)
            lost = self._one(f"SELECT count(*) FROM part WHERE bad & {mask} > 0")
            shift = f"(SELECT count(*) FROM skipped WHERE after < line_row)" if plan.file.kind == "text" else "0"
            if plan.file.kind == "text":
                self._db.execute(
                    f"CREATE OR REPLACE TEMP TABLE skipped AS SELECT line - 1 - row_number() OVER (ORDER BY line) AS after "
                    f"FROM (SELECT DISTINCT line FROM {part})"
                )
            plain = numbered.replace(f", store_rejects=true, rejects_limit=0, rejects_table='{part}', rejects_scan='{part}_scan'",
                                     ", ignore_errors=true")
            for i, (column, _) in enumerate(faults):
                if column.name not in counts:
                    continue
                self._db.execute(
                    f"INSERT INTO {REJECTS} SELECT ?, {1 if plan.file.kind == 'text' else 0} + b.line_row + {shift.replace('line_row', 'b.line_row')}, ?, ?, "
                    f"{_value_class('t.' + column.name)}, b.bad & {mask} > 0 FROM (SELECT line_row, bad FROM part WHERE bad & {1 << i} > 0) b "
                    f"JOIN ({plain}) t ON t.line_row = b.line_row ORDER BY 2",
                    [plan.name, plan.columns[column.name], _reason(column)],
                )
        if plan.file.kind == "text":
            self._db.execute(f"DROP TABLE IF EXISTS {part}")
        return counts, lost

    def _with_quoted_newlines(self, plan: ReadPlan, report: ReadReport, quote: str) -> ReadReport:
        """The same report with line breaks inside quotes counted; a value that holds a whole row does not count."""
        source, _ = self._source(plan, quote)
        width = len(plan.file.header)
        breaks, blank, whole_rows = "0", "0", "0"
        for i in range(width):
            c = f"coalesce(c{i}, '')"
            breaks += f" + length({c}) - length(replace({c}, chr(10), ''))"
            blank += f" + length({c}) - length(replace({c}, chr(10) || chr(10), chr(10)))"
            whole_rows += (f" + CASE WHEN contains({c}, chr(10)) AND length({c}) - length(replace({c}, {_text(plan.file.delimiter)}, ''))"
                           f" >= {max(width - 1, 1)} THEN 1 ELSE 0 END")
        found = self._db.execute(f"SELECT sum({breaks}), sum({blank}), sum({whole_rows}) FROM {source}").fetchone()
        newlines, blank_inside, swallowed = (int(x or 0) for x in found or (0, 0, 0))
        if swallowed:
            return report
        return ReadReport(report.name, report.rows, report.lines + blank_inside, report.rejected_lines, report.lost_rows,
                          newlines, report.bad_cells, report.unquoted)

    def _hashing(self, key: bytes) -> str:
        """The name of a function in the database that turns a person's number into its keyed hash."""
        name = f"keyed_{next(self._parts)}"

        def keyed(value: str) -> str:
            return hmac.new(key, re.sub(r"[\s-]", "", value).upper().encode(), hashlib.sha256).hexdigest()

        self._db.create_function(name, keyed, ["VARCHAR"], "VARCHAR")
        return name

    # Steps -------------------------------------------------------------------------------------------------------

    def put(self, table: str, frame: pd.DataFrame) -> None:
        self._db.register("handed_in", frame)
        self._db.execute(f"CREATE OR REPLACE TABLE {_name(table)} AS SELECT * FROM handed_in")
        self._db.unregister("handed_in")

    def run(self, step: str, **parameters: Any) -> None:
        text = (STEPS / f"{step}.sql").read_text("utf-8")
        head = re.search(r"^-- makes: *(\S+)", text, re.MULTILINE)
        if head is None:
            raise ValueError(f"the step {step} does not say what it makes")
        body = re.sub(r"^--.*\n", "", text, flags=re.MULTILINE)
        query = body.format(**{k: _constant(v) for k, v in parameters.items()})
        makes = head[1].format(**{k: str(v) for k, v in parameters.items()})
        self._db.execute(f"CREATE OR REPLACE TABLE {_name(makes)} AS {query}")

    def _diagnoses(self, table: str) -> list[str]:
        held = [r[0] for r in self.rows(f"SELECT column_name FROM (DESCRIBE {_name(table)})")]
        return sorted(c for c in held if re.fullmatch(r"diag_\d\d", c))

    def distinct_codes(self, table: str) -> list[str]:
        parts = [f"SELECT DISTINCT {c} AS code FROM {table} WHERE {c} IS NOT NULL" for c in self._diagnoses(table)]
        return [r[0] for r in self.rows(f"SELECT DISTINCT code FROM ({' UNION ALL '.join(parts)}) ORDER BY code")]

    def match_codes(self, table: str, codes: Mapping[str, Sequence[str]], makes: str) -> None:
        lists = pd.DataFrame([(code, name) for name in codes for code in codes[name]], columns=["code", "list"], dtype=object)
        self.put("codes_sought", lists.astype("string"))
        parts = [f"SELECT e.row, s.list, {int(c[-2:])} AS position FROM {table} e JOIN codes_sought s ON e.{c} = s.code"
                 for c in self._diagnoses(table)]
        self._db.execute(f"CREATE OR REPLACE TABLE {_name(makes)} AS {' UNION ALL '.join(parts)}")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(r) for r in self._db.execute(sql).fetchall()]

    def frame(self, sql: str) -> pd.DataFrame:
        return self._db.execute(sql).df()

    def export(self, table: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db.execute(f"COPY {_name(table)} TO {_text(str(path))} (FORMAT parquet, COMPRESSION zstd)")

    def close(self) -> None:
        self._db.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _count(self, table: str) -> int:
        return self._one(f"SELECT count(*) FROM {table}")

    def _one(self, sql: str) -> int:
        found = self._db.execute(sql).fetchone()
        return int(found[0]) if found and found[0] is not None else 0


# The text of casts --------------------------------------------------------------------------------------------------


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no table name")
    return value


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _constant(value: Any) -> str:
    """A parameter of a step as SQL: numbers, dates, names of tables and columns, and lists of codes; nothing else."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, date):
        return f"DATE '{value.isoformat()[:10]}'"
    if isinstance(value, str):
        return _name(value)
    if isinstance(value, (tuple, list)) and all(isinstance(v, str) for v in value):
        return ", ".join(_text(v) for v in value)
    raise ValueError(f"a step cannot take a {type(value).__name__}")


def _cleaned(column: ColumnSpec, source: str, bare: bool) -> str:
    """The text of a cell: trimmed, codes in capitals, marks for "unknown" empty."""
    text = f"trim({source}, ' \"')" if bare else f"trim({source})"
    if column.extra.get("form") == "code":
        text = f"upper({text})"
    marks = ["", *(column.null_values if column.type != "date" else ())]
    empty = f"nullif({text}, '')" if len(marks) == 1 else \
        f"CASE WHEN upper({text}) IN ({', '.join(_text(m.upper()) for m in marks)}) THEN NULL ELSE {text} END"
    return empty


def _cast(column: ColumnSpec, patterns: Sequence[str]) -> str:
    name = column.name
    if column.type == "date":
        tries = [*ALWAYS_DATES, *patterns]
        listed = ", ".join(_text(p) for p in tries)
        read = f"coalesce(TRY_CAST({name} AS DATE), CAST(TRY_STRPTIME({name}, [{listed}]) AS DATE))"
        return f"CASE WHEN {read} >= DATE '{FIRST_YEAR}-01-01' THEN {read} END AS {name}"
    if column.type == "integer":
        return f"TRY_CAST(floor(TRY_CAST({name} AS DOUBLE)) AS INTEGER) AS {name}"
    if column.type == "number":
        return f"TRY_CAST({name} AS DOUBLE) AS {name}"
    return name


def _fault(column: ColumnSpec, cast: str, schema: TableSchema) -> str:
    """When a cell is not what its column says; empty text when it cannot be wrong."""
    name, value = column.name, cast.removesuffix(f" AS {column.name}")
    parts = []
    if column.type == "date":
        marks = ", ".join(f"DATE '{d}'" for d in column.null_values)
        known = f"coalesce(TRY_CAST({name} AS DATE), CAST(TRY_STRPTIME({name}, ['%Y%m%d', '%d/%m/%Y']) AS DATE))"
        parts.append(f"({name} IS NOT NULL AND {value} IS NULL" + (f" AND coalesce({known} NOT IN ({marks}), TRUE))" if marks else ")"))
    elif column.type in ("integer", "number"):
        parts.append(f"({name} IS NOT NULL AND {value} IS NULL)")
    elif "pattern" in column.extra:
        parts.append(f"({name} IS NOT NULL AND NOT regexp_full_match({name}, {_text(str(column.extra['pattern']).strip('^$'))}))")
    if column.required and schema.extra.get("blank_rejected"):
        parts.append(f"({name} IS NULL)")
    return f"({' OR '.join(parts)})" if parts else ""


def _lost_mask(faults: Sequence[tuple[ColumnSpec, str]]) -> int:
    """The columns whose fault costs the whole row: those that must be there."""
    return sum(1 << i for i, (c, _) in enumerate(faults) if c.required)


def _reason(column: ColumnSpec) -> str:
    return {"date": "not a date", "integer": "not a whole number", "number": "not a number"}.get(column.type, "not a key")


def _value_class(name: str) -> str:
    """What kind of text stood there; never the text."""
    return (
        f"CASE WHEN {name} IS NULL THEN 'empty' WHEN regexp_full_match({name}, '[0-9]+') THEN 'digits' "
        f"WHEN regexp_full_match({name}, '[+-]?[0-9]*[.][0-9]+') THEN 'decimal number' "
        f"WHEN regexp_full_match({name}, '[+-]?[0-9.]+[eE][+-]?[0-9]+') THEN 'number in scientific notation' "
        f"WHEN regexp_full_match({name}, '[0-9]+[-/. ][0-9]+[-/. ][0-9]+.*') THEN 'like a date' "
        f"WHEN regexp_full_match({name}, '[A-Za-z ]+') THEN 'letters' ELSE 'mixed characters' END"
    )
