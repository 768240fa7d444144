"""The steps on DuckDB, inside this process: the default engine.

Native here, because the best form differs between databases by several times: reading delimited text with rejects,
matching diagnosis codes, writing. Everything else is the SQL of `aaot_eval/steps/`.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from aaot_eval.engine import OptedOut, ReadPlan, ReadReport
from aaot_eval.engine.duckdb_as_found import (
    DIAGNOSES,
    MOST_CODES,
    FileRows,
    digits_of,
    is_key,
    rows_as_found,
    rows_written,
)
from aaot_eval.engine.duckdb_keeping import keep, take
from aaot_eval.engine.duckdb_reading import (
    FILE_ROW,
    REJECTS,
    SQL_TYPES,
    FileReading,
    identifier,
    memory_allowed,
    rows_of,
    thin_out,
    this_file,
)
from aaot_eval.engine.steps import Step, diagnosis_columns, table_name, text_literal
from aaot_eval.engine.steps import step as make_step
from aaot_eval.errors import InputError, Problem
from aaot_eval.schema import ColumnSpec, TableSchema

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")

OPTED_OUT = "opted_out"
# In GB. Beyond it tables spill into the work folder, so that an extract of any size leaves the machine to others.
USUAL_MEMORY = 4
# Rows of which any number of different values is few.
SMALL_GROUP = 20_000
# As many codes as one byte and as two bytes can tell apart.
ONE_BYTE, TWO_BYTES = 255, 65_000
# As many rows as four bytes can number: most steps carry the number of a row with them.
MOST_IN_FOUR_BYTES = 2**31 - 1
# The engine marks deleted rows in memory that cannot be spilled, all rows of a vector when any of them goes: so many bytes a row, and
# at most this share of its limit.
BYTES_OF_A_MARK, MOST_MARKED = 9, 0.2
# What a row of an extract takes in tables of whole episodes, spells and stays together.
BYTES_OF_A_ROW = 190
DISK = "wide"
_engines, _lists = itertools.count(1), itertools.count(1)


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
        self._limit_memory(memory or self._usual_memory())
        if threads:
            self._db.execute(f"SET threads = {int(threads)}")
        self._opted_out = False
        # Columns of texts that some tables hold as numbers.
        self._keys: set[str] = set()
        # Tables that are views, with the files of rows that they are views of.
        self._views: dict[str, list[FileRows]] = {}
        self._rows_read, self._on_disk = 0, False
        self._db.execute(
            f'CREATE TABLE {REJECTS} (file VARCHAR, line BIGINT, "column" VARCHAR, reason VARCHAR, value_class VARCHAR, '
            "row_lost BOOLEAN)"
        )

    def _usual_memory(self) -> str:
        """The limit when none is given: `USUAL_MEMORY`, or what the engine allows itself on a machine with less."""
        allowed = str(self.rows("SELECT current_setting('memory_limit')")[0][0])
        size, unit = allowed.split()
        gibibytes = float(size) * {"KiB": 2.0**-20, "MiB": 2.0**-10, "GiB": 1.0, "TiB": 2.0**10}.get(unit, 0.0)
        return f"{USUAL_MEMORY}GB" if gibibytes > USUAL_MEMORY else allowed.replace(" ", "")

    def _limit_memory(self, memory: str) -> None:
        try:
            self._db.execute(f"SET memory_limit = {text_literal(memory)}")
        except duckdb.Error:
            self.close()
            raise InputError(
                Problem(
                    "C104",
                    "output.memory is not a size",
                    where="output.memory",
                    allowed="a size such as 1GB, at least 100MB",
                    do="mend the value, or leave it out",
                )
            ) from None

    @staticmethod
    def _clear_left_over(work: Path) -> None:
        """Spill of a run that was killed; the run's lock says that no other run uses this folder."""
        for folder in work.glob("engine-*"):
            if not folder.name.startswith(f"engine-{os.getpid()}-"):
                shutil.rmtree(folder, ignore_errors=True)

    # Reading -----------------------------------------------------------------------------------------------------

    def empty(self, table: str, schema: TableSchema) -> None:
        """Make `table` without rows, with the columns `ingest` would have made."""
        columns = ", ".join(f"{c.name} {SQL_TYPES[c.type]}" for c in schema.columns)
        self.drop(table)
        self._db.execute(f"CREATE TABLE {table_name(table)} (load INTEGER, row BIGINT, {columns})")

    def ingest(self, plans: Sequence[ReadPlan], table: str) -> list[ReadReport]:
        """Read files into `table`; what could not be read goes to the table `rejects`.

        The rows are Parquet files in the order of the extract, and the table a view of them: they take no memory, and what
        is kept for another run is the same file. A Parquet file that needs no cleaning is one of them as it lies.
        """
        home = self.folder / "read"
        self.drop(table)
        read = [self._read(plan, home / f"{table_name(table)}-{plan.load}.parquet") for plan in plans]
        files, reports = [file for file, _ in read], [report for _, report in read]
        numbers = [r.rows - r.lost_rows - r.opted_out for r in reports]
        before = [sum(numbers[:n]) for n in range(len(numbers))]
        short = self._short_codes(plans[0].schema, files) | self._short_keys(plans[0].schema, files)
        loads = [plan.load for plan in plans]
        query = self._view_of_files(plans[0].schema, files, loads, before, sum(numbers), short)
        self._db.execute(f"CREATE VIEW {table_name(table)} AS {query}")
        self._views[table] = files
        self._rows_read += sum(numbers)
        return reports

    @staticmethod
    def _view_of_files(
        schema: TableSchema,
        files: Sequence[FileRows],
        loads: Sequence[int],
        before: Sequence[int],
        rows: int,
        short: Mapping[str, str],
    ) -> str:
        """The rows of files as one table; files that a reading wrote are one scan, any other is one by itself."""
        number = "INTEGER" if rows < MOST_IN_FOUR_BYTES else "BIGINT"
        written = [n for n, file in enumerate(files) if file.ours]
        scans = [written] if written else []
        scans += [[n] for n, file in enumerate(files) if not file.ours]
        selects = []
        for scan in scans:
            held = {ours: theirs for n in scan for ours, theirs in files[n].columns.items()}
            columns = ", ".join(_column(c, held, short) for c in schema.columns)
            selects.append(
                f"SELECT {_of_its_file([loads[n] for n in scan], 'INTEGER')} AS load, "
                f"CAST({_of_its_file([before[n] for n in scan], 'BIGINT')} + {FILE_ROW} + 1 AS {number}) AS row, {columns} "
                f"FROM {rows_of([files[n].path for n in scan], numbered=True)}"
            )
        return " UNION ALL ".join(selects)

    def _short_codes(self, schema: TableSchema, files: Sequence[FileRows]) -> dict[str, str]:
        """The columns of codes with few values, and a type of those values in their order: a byte or two a cell in place of sixteen.

        It compares, sorts and joins as the text does; `frame` and `batches` hand out text. One type is for the columns with fewest
        values, and one for all others. What the writer found too many for a list, in any but a small group of rows, is too many
        here; so are `MOST_CODES`, for every query that names the column carries the whole list.
        """
        codes = [c.name for c in schema.columns if c.extra.get("form") == "code"]
        codes = [c for c in codes if c not in diagnosis_columns(codes)]
        written = [file.path for file in files if file.ours]
        if written:
            listed = ", ".join(map(this_file, written))
            few = self.rows(
                f"SELECT path_in_schema FROM parquet_metadata([{listed}]) GROUP BY path_in_schema "
                f"HAVING bool_and(encodings LIKE '%DICTIONARY%' OR num_values < {SMALL_GROUP})"
            )
            codes = [c for c in codes if (c,) in few]
        codes = [c for c in codes if any(c in file.columns for file in files)]
        found = {c: values for c in codes if (values := self._values(c, files, written)) is not None}
        narrow: list[str] = []
        for column in sorted(found, key=lambda c: len(found[c])):
            if len(set().union(*(found[c] for c in (*narrow, column)))) <= ONE_BYTE:
                narrow.append(column)
        return self._listed(found, narrow) | self._listed(found, [c for c in found if c not in narrow])

    def _listed(self, found: Mapping[str, set[str]], columns: Sequence[str]) -> dict[str, str]:
        """A type of all values of some columns, for each of them; for none of them when they are too many."""
        every = sorted(set().union(*(found[c] for c in columns)))
        if not 0 < len(every) <= TWO_BYTES:
            return {}
        kind = f"codes_{next(_lists)}"
        self._db.execute(f"CREATE TYPE {kind} AS ENUM ({', '.join(map(text_literal, every))})")
        return dict.fromkeys(columns, kind)

    def _short_keys(self, schema: TableSchema, files: Sequence[FileRows]) -> dict[str, str]:
        """The keys of rows that are whole numbers of as many digits, as numbers: half as long, and much quicker to put in order.

        `frame` and `batches` hand out text.
        """
        short = {}
        for column in filter(is_key, schema.columns):
            digits = {self._digits(column.name, file) for file in files if column.name in file.columns}
            if len(digits) == 1 and digits != {0}:
                short[column.name] = "BIGINT"
        self._keys |= set(short)
        return short

    def _digits(self, key: str, file: FileRows) -> int:
        return file.digits[key] if key in file.digits else digits_of(self._db, rows_of([file.path]), key, whole=False)

    def _values(self, column: str, files: Sequence[FileRows], written: Sequence[Path]) -> set[str] | None:
        """The different codes of a column; None when there are more than `MOST_CODES`."""
        found: set[str] = set()
        for file in files:
            held = file.codes.get(column, frozenset())
            if held is None:
                return None
            found |= held
        if written:
            asked = (
                f"SELECT DISTINCT {column} FROM {rows_of(written)} WHERE {column} IS NOT NULL LIMIT {MOST_CODES + 1}"
            )
            found |= {code for (code,) in self.rows(asked)}
        return found if len(found) <= MOST_CODES else None

    def _read(self, plan: ReadPlan, part: Path) -> tuple[FileRows, ReadReport]:
        if plan.kept is not None and plan.kept.note:
            return rows_written(part, plan), take(self._db, plan, part)
        found = None if self._opted_out else rows_as_found(self._db, plan)
        if found is not None:
            return found
        report = self._without_opted_out(FileReading(self._db, plan, part).read(), plan, part)
        if plan.kept is not None and report.adds_up:
            keep(self._db, plan, part, report)
        return rows_written(part, plan), report

    @property
    def leaves_out(self) -> bool:
        """Whether a list of people who opted out is in force."""
        return self._opted_out

    def leave_out(self, plans: Sequence[ReadPlan]) -> OptedOut:
        """Read a list of people who opted out: from now on their rows leave every file as it is read, before all else."""
        reports = self.ingest(plans, "opt_out_read")
        self._db.execute(
            f"CREATE OR REPLACE TABLE {OPTED_OUT} AS SELECT row_number() OVER (ORDER BY person) - 1 AS place, person "
            "FROM (SELECT DISTINCT person FROM opt_out_read WHERE person IS NOT NULL)"
        )
        self.drop("opt_out_read")
        self._opted_out = True
        digest, people = hashlib.sha256(), 0
        found = self._db.execute(f"SELECT person FROM {OPTED_OUT} ORDER BY place")
        while some := found.fetchmany(10_000):
            people += len(some)
            digest.update("".join(f"{person}\n" for (person,) in some).encode())
        return OptedOut(reports, people, digest.hexdigest())

    def _without_opted_out(self, report: ReadReport, plan: ReadPlan, part: Path) -> ReadReport:
        if not self._opted_out or "person" not in plan.columns:
            return report
        theirs = f"FROM {rows_of([part])} WHERE person IN (SELECT person FROM {OPTED_OUT})"
        (rows,) = self._db.execute(f"SELECT count(*) {theirs}").fetchall()[0]
        who = f"SELECT place FROM {OPTED_OUT} WHERE person IN (SELECT DISTINCT person {theirs}) ORDER BY place"
        places = tuple(place for (place,) in self._db.execute(who).fetchall())
        if rows:
            thin_out(self._db, part, f"person IS NULL OR person NOT IN (SELECT person FROM {OPTED_OUT})")
        return replace(report, opted_out=rows, opted_out_places=places)

    # Steps -------------------------------------------------------------------------------------------------------

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Bring a small lookup in."""
        self._db.register("handed_in", frame)
        self._db.execute(f"CREATE OR REPLACE TABLE {table_name(table)} AS SELECT * FROM handed_in")
        self._db.unregister("handed_in")

    def run(self, step: str, **parameters: Any) -> None:
        """Run the named step: the table that its header says it makes is made anew. `{names}` take constants only."""
        asked = make_step(step, **parameters)
        if asked.takes is not None:
            self._take_away(asked, *asked.takes)
            return
        query, home = _in_short(asked), self._home(asked)
        if asked.view:
            self.drop(asked.makes)
            self._execute(f"CREATE VIEW {asked.makes} AS {query}")
            self._views[asked.makes] = []
            return
        if asked.makes in self._views:
            self._execute(f"CREATE TABLE {home}{asked.makes}__new AS {query}")
            self.drop(asked.makes)
            self._db.execute(f"ALTER TABLE {asked.makes}__new RENAME TO {asked.makes}")
        else:
            self._execute(f"CREATE OR REPLACE TABLE {home}{asked.makes} AS {query}")
        self._shorten(asked)

    def _shorten(self, step: Step) -> None:
        """Give the columns of few texts of a small table a type of those texts."""
        found = {
            c: {text for (text,) in self.rows(f"SELECT DISTINCT {c} FROM {step.makes} WHERE {c} IS NOT NULL")}
            for c in step.few
        }
        for column, kind in self._listed(found, step.few).items():
            self._db.execute(f"ALTER TABLE {step.makes} ALTER {column} TYPE {kind}")

    def _home(self, step: Step) -> str:
        """Where the table of a step goes, as what stands before its name: a wide one beside an extract too large for memory goes to a
        database on the disk. There it leaves memory and comes back as it is, any number of times; a table that is spilled is packed
        each time it leaves."""
        if not step.wide or (not self._on_disk and self._rows_read * BYTES_OF_A_ROW <= memory_allowed(self._db)):
            return ""
        if not self._on_disk:
            # Nobody opens it again: it needs no log, no saving, and no packing that takes longer than it saves.
            for setting in (
                "checkpoint_threshold = '1TB'",
                "fsync_mode = 'NONE'",
                "force_compression = 'uncompressed'",
            ):
                self._db.execute(f"SET {setting}")
            file = text_literal(str(self.folder / f"{DISK}.duckdb"))
            self._db.execute(f"ATTACH {file} AS {DISK} (RECOVERY_MODE no_wal_writes)")
            self._db.execute(f"SET search_path = 'memory,{DISK}'")
            self._on_disk = True
        return f"{DISK}.main."

    def _take_away(self, step: Step, table: str, lost: str) -> None:
        """Make the table of a step from the one it takes: rows and columns leave where they lie, which copies nothing.

        A table too large for the marks of rows that left is copied after all.
        """
        ((rows,),) = self.rows(f"SELECT count(*) FROM {table}")
        if rows * BYTES_OF_A_MARK > MOST_MARKED * memory_allowed(self._db):
            self._execute(f"CREATE OR REPLACE TABLE {self._home(step)}{step.makes} AS {step.query}")
            self.drop(table)
            return
        wanted = self._columns(f"DESCRIBE {step.query}")
        self._execute(f"DELETE FROM {table} WHERE row IN (SELECT row FROM {lost})")
        for column in self._columns(f"DESCRIBE {table}"):
            if column not in wanted:
                self._db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        self.drop(step.makes)
        self._db.execute(f"ALTER TABLE {table} RENAME TO {step.makes}")

    def _columns(self, described: str) -> list[str]:
        return [r[0] for r in self.rows(described)]

    def _diagnoses(self, table: str) -> list[str]:
        return diagnosis_columns(self._columns(f"DESCRIBE {table_name(table)}"))

    def distinct_codes(self, table: str) -> list[str]:
        """Every diagnosis code that occurs in `table`, once, sorted."""
        files = self._views.get(table, [])
        if files and not any(file.ours for file in files):
            return sorted({code for file in files for code in file.codes.get(DIAGNOSES) or ()})
        parts = [f"SELECT DISTINCT {c} AS code FROM {table} WHERE {c} IS NOT NULL" for c in self._diagnoses(table)]
        return [r[0] for r in self.rows(f"SELECT DISTINCT code FROM ({' UNION ALL '.join(parts)}) ORDER BY code")]

    def match_codes(self, table: str, codes: Mapping[str, Sequence[str]], makes: str) -> None:
        """Make (row, list, position) of every diagnosis in a list: one scan a column, joined to the few codes sought."""
        lists = pd.DataFrame(
            [(code, name) for name in codes for code in codes[name]], columns=["code", "list"], dtype=object
        )
        self.put("codes_sought", lists.astype("string"))
        parts = [
            f"SELECT e.row, s.list, {int(c[-2:])} AS position FROM {table} e JOIN codes_sought s ON e.{c} = s.code"
            for c in self._diagnoses(table)
        ]
        self._execute(f"CREATE OR REPLACE TABLE {table_name(makes)} AS {' UNION ALL '.join(parts)}")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A few counts."""
        return [tuple(r) for r in self._execute(sql).fetchall()]

    def _execute(self, sql: str) -> Any:
        """Carry out a query; one that fails because a file that is read where it lies was changed or taken away says so."""
        try:
            return self._db.execute(sql)
        except duckdb.Error:
            for file in itertools.chain(*self._views.values()):
                file.refuse_changed()
            raise

    def frame(self, sql: str) -> pd.DataFrame:
        """A panel: every whole number as int64 (Int64 where one is missing), every other number as float64.

        The width of a number is a matter of the database that counted; a panel must not show which one it was.
        """
        found = self._db.sql(sql)
        frame: pd.DataFrame = found.project(handed_out(found, self._keys)).df()
        return frame

    def frame_of(self, found: pa.Table) -> pd.DataFrame:
        """A table that another engine answered with, typed as a panel of this engine is."""
        self._db.register("answered", found)
        frame = self.frame("SELECT * FROM answered")
        self._db.unregister("answered")
        return frame

    def batches(self, sql: str, rows: int) -> pa.RecordBatchReader:
        """The answer to a query, some rows at a time, for another engine to take in."""
        found = self._db.sql(sql)
        return found.project(handed_out(found, self._keys, widened=False)).to_arrow_reader(rows)

    def describe(self) -> str:
        """The engine and its version."""
        return f"DuckDB {duckdb.__version__}"

    def export(self, table: str, path: Path) -> None:
        """Write a table to Parquet."""
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = handed_out(self._db.table(table_name(table)), self._keys, widened=False)
        self._db.execute(
            f"COPY (SELECT {columns} FROM {table_name(table)}) TO {text_literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
        )

    def drop(self, *tables: str) -> None:
        """Let go of tables that no later step reads."""
        for table in tables:
            files = self._views.pop(table, None)
            self._db.execute(f"DROP {'TABLE' if files is None else 'VIEW'} IF EXISTS {table_name(table)}")
            for file in files or ():
                file.refuse_changed()
                # What another program holds for a moment goes with the whole folder.
                with suppress(OSError):
                    if file.ours:
                        file.path.unlink(missing_ok=True)

    def leave_room(self, size: int) -> None:
        """Do with so many bytes less from now on, but with no less than half of what there is."""
        allowed = memory_allowed(self._db)
        # What can neither be spilled nor forgotten just now stays, and the limit with it.
        with suppress(duckdb.OutOfMemoryException):
            self._db.execute(f"SET memory_limit = '{max(allowed - size, allowed // 2)}B'")

    def close(self) -> None:
        """Let go of memory and spill files."""
        self._db.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _column(column: ColumnSpec, held: Mapping[str, str], short: Mapping[str, str]) -> str:
    """A column of files of rows, by what they hold, in the type that the steps find it in."""
    kind = short.get(column.name, SQL_TYPES[column.type])
    return f"CAST({held.get(column.name, 'NULL')} AS {kind}) AS {column.name}"


def _in_short(step: Step) -> str:
    """The query of a step, with one byte for a text whose few values are known in place of sixteen."""
    if not step.values:
        return step.query
    kinds = {column: f"ENUM ({', '.join(map(text_literal, values))})" for column, values in step.values.items()}
    short = ", ".join(f"CAST({column} AS {kind}) AS {column}" for column, kind in kinds.items())
    return f"SELECT * REPLACE ({short}) FROM ({step.query})"


def _of_its_file(values: Sequence[int], kind: str) -> str:
    """The value that belongs to the file a row comes from, in a query over several."""
    listed = f"[{', '.join(map(str, values))}][CAST(file_index AS BIGINT) + 1]" if len(values) > 1 else str(values[0])
    return f"CAST({listed} AS {kind})"


def handed_out(found: duckdb.DuckDBPyRelation, keys: Collection[str] = (), *, widened: bool = True) -> str:
    """The columns of an answer as others have them: codes and `keys` as text, and `widened` numbers in one width."""
    columns = []
    for name, kind in zip(found.columns, found.types, strict=True):
        becomes = "VARCHAR" if kind.id == "enum" or name in keys else wide(str(kind)) if widened else ""
        column = identifier(name)
        columns.append(f"CAST({column} AS {becomes}) AS {column}" if becomes else column)
    return ", ".join(columns)


def wide(kind: str) -> str:
    """The one type that numbers of a type are handed out in; empty for what is no number."""
    if kind.startswith("DECIMAL"):
        return "BIGINT" if kind.endswith(",0)") else "DOUBLE"
    if kind == "FLOAT":
        return "DOUBLE"
    return "BIGINT" if kind in WHOLE else ""
