"""The steps inside a PostgreSQL server, in a work schema of the run that is gone afterwards.

Native here: rows come in by binary COPY, diagnosis codes are matched by a lateral list of values, answers leave as Arrow.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from aaot_eval.engine import ReadPlan
from aaot_eval.engine.database_tables import PostgresTable
from aaot_eval.engine.duckdb_reading import identifier
from aaot_eval.engine.postgres_server import NO_SCHEMA, SETTINGS, connect, lost, numbers
from aaot_eval.engine.rendered import RenderedEngine
from aaot_eval.engine.steps import table_name, text_literal
from aaot_eval.errors import InputError, Problem

PREFIX = "aaot_work_"
# Texts sort by their bytes, as in every other engine; a server's own collation would give ties another winner.
TYPES = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_int16, "smallint"),
    (pa.types.is_int32, "integer"),
    (pa.types.is_int64, "bigint"),
    (pa.types.is_floating, "double precision"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_string, 'text COLLATE "C"'),
    (pa.types.is_large_string, 'text COLLATE "C"'),
)


class PostgresEngine(RenderedEngine):
    """One work schema on a server; what a killed run left behind is dropped by the next."""

    name = "postgres"
    target = "postgres"

    def __init__(self, work: Path, address: str, *, memory: str | None = None, threads: int | None = None) -> None:
        self._address = address
        self._db: Any = connect(address)
        super().__init__(work, memory=memory, threads=threads)
        self.schema = PREFIX + secrets.token_hex(8)
        try:
            self._open()
        except InputError:
            self.close()
            raise

    def _open(self) -> None:
        error = _errors()
        try:
            self._execute(f"SELECT pg_advisory_lock({_lock(self.schema)})")
            self._execute(f"CREATE SCHEMA {self.schema}")
        except error as fault:
            raise InputError(NO_SCHEMA) from fault
        self._clear_left_over()
        self._execute(f"SET search_path TO {self.schema}")
        self._execute("SET client_min_messages TO error")
        for setting in SETTINGS:
            self._execute(f"SET {setting}")
        # A step is one large join or sort by one session: the server's default of 4 MB would send each of them to disk.
        self._execute("SET work_mem TO '64MB'")

    def _clear_left_over(self) -> None:
        """Schemas of runs that were killed: nobody holds their lock any more."""
        found = self._fetch(
            f"SELECT nspname::text FROM pg_namespace WHERE nspname LIKE {text_literal(PREFIX + '%')} "
            f"AND nspname <> {text_literal(self.schema)} AND pg_catalog.pg_has_role(nspowner, 'USAGE')"
        )
        for schema in found.column(0).to_pylist():
            (free,) = self._fetch(f"SELECT pg_try_advisory_lock({_lock(schema)})").column(0).to_pylist()
            if free:
                self._execute(f"DROP SCHEMA IF EXISTS {table_name(schema)} CASCADE")
                self._execute(f"SELECT pg_advisory_unlock({_lock(schema)})")

    def _execute(self, query: str) -> None:
        with self._db.cursor() as cursor:
            cursor.execute(query)

    def _fetch(self, query: str) -> pa.Table:
        with self._db.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table()

    # Tables -------------------------------------------------------------------------------------------------------

    def _take(self, table: str, batches: pa.RecordBatchReader) -> None:
        columns = ", ".join(f'"{field.name}" {_type(field)}' for field in batches.schema)
        self.drop(table)
        self._execute(f"CREATE UNLOGGED TABLE {table} ({columns})")
        with lost(f"taking in {table}"), self._db.cursor() as cursor:
            cursor.adbc_ingest(table, batches, mode="append", db_schema_name=self.schema)
        self._execute(f"ANALYZE {table}")

    def _make(self, table: str, query: str) -> None:
        fresh = f"{table}__new"
        with lost(f"making {table}"):
            self._execute(f"DROP TABLE IF EXISTS {fresh}")
            self._execute(f"CREATE UNLOGGED TABLE {fresh} AS {query}")
            self._sort_by_bytes(fresh)
            self._execute(f"DROP TABLE IF EXISTS {table}")
            self._execute(f"ALTER TABLE {fresh} RENAME TO {table}")
            # Nobody else analyses a table this young, and a plan made without its size joins row by row.
            self._execute(f"ANALYZE {table}")

    def _sort_by_bytes(self, table: str) -> None:
        """A column made of constants has the server's collation until it is told otherwise."""
        found = self._fetch(
            "SELECT attname::text FROM pg_attribute JOIN pg_collation AS c ON c.oid = attcollation "
            f"WHERE attrelid = {text_literal(f'{self.schema}.{table}')}::regclass AND attnum > 0 AND collname <> 'C'"
        )
        changes = [f'ALTER COLUMN "{c}" TYPE text COLLATE "C"' for c in found.column(0).to_pylist()]
        if changes:
            self._execute(f"ALTER TABLE {table} {', '.join(changes)}")

    def _arrow(self, query: str) -> pa.Table:
        with lost("reading an answer"):
            return numbers(self._fetch(query))

    def _columns(self, table: str) -> list[str]:
        return list(self._fetch(f"SELECT * FROM {table_name(table)} LIMIT 0").column_names)

    def _codes_of(self, table: str, columns: Sequence[str]) -> str:
        pairs = ", ".join(f"({int(c[-2:])}, e.{c})" for c in columns)
        return (
            f"SELECT e.row, v.position, v.code FROM {table_name(table)} AS e "
            f"CROSS JOIN LATERAL (VALUES {pairs}) AS v (position, code)"
        )

    def _source(self, plan: ReadPlan) -> str | None:
        given = plan.file.table
        if not isinstance(given, PostgresTable) or given.address != self._address:
            return None
        view = f"source_{plan.load}"
        listed = ", ".join(
            f'({identifier(theirs)}::text) COLLATE "C" AS {ours}' for ours, theirs in plan.columns.items()
        )
        with lost(f"looking at {given.schema}.{given.table}"):
            self._execute(f"CREATE OR REPLACE VIEW {view} AS SELECT {listed} FROM {given.quoted}")
        return view

    def _forget(self, view: str) -> None:
        self._execute(f"DROP VIEW IF EXISTS {view}")

    def drop(self, *tables: str) -> None:
        """Let go of tables that no later step reads."""
        for table in tables:
            self._execute(f"DROP TABLE IF EXISTS {table_name(table)}")

    def describe(self) -> str:
        """The server and its version."""
        (version,) = self._fetch("SELECT current_setting('server_version')").column(0).to_pylist()
        return f"PostgreSQL {version}"

    def close(self) -> None:
        """Drop the work schema, and let go of the connection and spill files."""
        with contextlib.suppress(_errors()):
            self._execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
        with contextlib.suppress(_errors()):
            self._db.close()
        super().close()


def _errors() -> type[Exception]:
    import adbc_driver_manager

    found: type[Exception] = adbc_driver_manager.Error
    return found


def _lock(schema: str) -> str:
    """The number of the advisory lock that a living run holds on its schema."""
    return f"hashtextextended({text_literal(schema)}, 0)"


def _type(field: pa.Field) -> str:
    """The server's type for a column of ours."""
    for fits, name in TYPES:
        if fits(field.type):
            return name
    raise InputError(
        Problem("C217", f"the column {field.name} has the type {field.type}, which PostgreSQL is not given",
                do="report this: no format has such a column")
    )  # fmt: skip
