"""A table of a server as an input, beside files: `"postgres:schema.table"`, or `"spark:catalogue.schema.table"` of a Spark session.

It is streamed out as text, only the mapped columns, and then read like a file: the same casts, the same rejects.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from aaot_eval.engine.files import Dialect, inspect_file
from aaot_eval.engine.postgres_server import SETTINGS, address_of, connect, lost
from aaot_eval.engine.steps import text_literal
from aaot_eval.errors import InputError, Problem

PREFIX, SPARK = "postgres:", "spark:"
# Rows of a Spark table that are brought here at a time.
BATCH = 50_000


def is_table(text: str | Path) -> bool:
    """Whether an entry under [data] names a table of a server and not a file."""
    return str(text).startswith((PREFIX, SPARK))


def table_of(text: str | Path, server: str | None, session: Any = None) -> PostgresTable | SparkTable:
    """The table that an entry names: of the PostgreSQL server at `server`, or of a Spark session. Raises InputError."""
    return SparkTable.named(text, session) if str(text).startswith(SPARK) else PostgresTable.named(text, server)


def inspect_source(path: Path, work: Path, server: str | None, session: Any = None) -> Dialect:
    """Everything there is to know before reading one input: a file, or a table of a server or session. Raises InputError."""
    return table_of(path, server, session).inspect() if is_table(path) else inspect_file(path, work)


@dataclass(frozen=True, slots=True)
class PostgresTable:
    """One table or view; `address` is a secret and in no text of this object."""

    address: str = field(repr=False)
    schema: str
    table: str

    @classmethod
    def named(cls, text: str | Path, server: str | None) -> PostgresTable:
        """The table of `postgres:schema.table`, letters as in the database. Raises InputError."""
        schema, dot, table = str(text).removeprefix(PREFIX).partition(".")
        if not (schema and dot and table):
            raise InputError(
                Problem("C215", f"{text} is no table", where="data", allowed="postgres:schema.table",
                        do="name the schema and the table or view")
            )  # fmt: skip
        return cls(address_of(server), schema, table)

    @property
    def quoted(self) -> str:
        """Its full name as SQL."""
        return ".".join(_identifier(part) for part in (self.schema, self.table))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        with contextlib.closing(connect(self.address)) as db, db.cursor() as cursor:
            for setting in (*SETTINGS, "default_transaction_read_only TO on"):
                cursor.execute(f"SET {setting}")
            yield cursor

    def inspect(self) -> Dialect:
        """Its columns, and a hash of its content that no order of rows changes. Raises InputError."""
        with self._connected() as cursor:
            header = self._header(cursor)
            with lost(f"looking at {self.schema}.{self.table}"):
                cursor.execute(
                    "SELECT count(*)::text AS n, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text AS content, "
                    f"coalesce(sum(octet_length(t::text)), 0)::bigint AS bytes FROM {self.quoted} AS t"
                )
                found = cursor.fetch_arrow_table().to_pylist()[0]
        mark = f"{', '.join(header)}\n{found['n']}\n{found['content']}"
        return Dialect(
            Path(f"{PREFIX}{self.schema}.{self.table}"), "table", int(found["bytes"]),
            hashlib.sha256(mark.encode()).hexdigest(), tuple(header), table=self,
        )  # fmt: skip

    def _header(self, cursor: Any) -> list[str]:
        with lost(f"looking for {self.schema}.{self.table}"):
            cursor.execute(
                "SELECT c.relname::text AS relname, a.attname::text AS attname FROM pg_class AS c "
                "JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid "
                f"WHERE n.nspname = {text_literal(self.schema)} AND c.relkind IN ('r', 'v', 'm', 'p', 'f') "
                "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum"
            )
            found = cursor.fetch_arrow_table().to_pylist()
        header = [row["attname"] for row in found if row["relname"] == self.table]
        if not header:
            near = difflib.get_close_matches(self.table, sorted({row["relname"] for row in found}), n=3)
            raise InputError(
                Problem("C215", f"there is no table {self.schema}.{self.table} that this user sees", where="data",
                        allowed=f"close names: {', '.join(near)}" if near else "",
                        do="check the name, its letters, and the right to read it")
            )  # fmt: skip
        return header

    @contextlib.contextmanager
    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatchReader]:
        """The rows as text, only these columns, some at a time. Raises InputError."""
        listed = ", ".join(f"{_identifier(c)}::text AS {_identifier(c)}" for c in columns)
        with self._connected() as cursor, lost(f"reading {self.schema}.{self.table}"):
            cursor.execute(f"SELECT {listed} FROM {self.quoted}")
            yield cursor.fetch_record_batch()


@dataclass(frozen=True, slots=True)
class SparkTable:
    """One table or view that a Spark session sees, in whatever catalogue."""

    session: Any = field(repr=False)
    parts: tuple[str, ...]

    @classmethod
    def named(cls, text: str | Path, session: Any) -> SparkTable:
        """The table of `spark:catalogue.schema.table` or `spark:schema.table`. Raises InputError."""
        parts = tuple(str(text).removeprefix(SPARK).split("."))
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise InputError(
                Problem("C215", f"{text} is no table", where="data",
                        allowed="spark:schema.table or spark:catalogue.schema.table", do="name the schema and the table or view")
            )  # fmt: skip
        if session is None:
            raise InputError(
                Problem("C220", f"{text} is a table of Spark, and the run has no Spark", where="data",
                        do='run with --engine spark, or with [engine] name = "spark"')
            )  # fmt: skip
        return cls(session, parts)

    @property
    def quoted(self) -> str:
        """Its full name as SQL."""
        return ".".join(_ticked(part) for part in self.parts)

    @property
    def name(self) -> str:
        """Its full name as the config writes it."""
        return ".".join(self.parts)

    def inspect(self) -> Dialect:
        """Its columns, and a hash of its content that no order of rows changes. Raises InputError."""
        from aaot_eval.engine.spark_session import errors, lost

        try:
            header = tuple(self.session.table(self.quoted).columns)
        except errors():
            raise InputError(
                Problem("C215", f"there is no table {self.name} that this session sees", where="data",
                        do="check catalogue, schema and name, and the right to read it")
            ) from None  # fmt: skip
        texts = [f"coalesce(CAST({_ticked(c)} AS STRING), '\\u0000')" for c in header]
        with lost(f"looking at {self.name}"):
            found = self.session.sql(
                f"SELECT count(*) AS n, CAST(coalesce(sum(CAST(xxhash64({', '.join(texts)}) AS DECIMAL(38, 0))), 0) AS STRING) AS content, "
                f"CAST(coalesce(sum({' + '.join(f'octet_length({t})' for t in texts)}), 0) AS BIGINT) AS bytes FROM {self.quoted}"
            ).collect()[0]
        mark = f"{', '.join(header)}\n{found['n']}\n{found['content']}"
        sha256 = hashlib.sha256(mark.encode()).hexdigest()
        return Dialect(Path(f"{SPARK}{self.name}"), "table", int(found["bytes"]), sha256, header, table=self)

    @contextlib.contextmanager
    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatchReader]:
        """The rows as text, only these columns, some at a time. Raises InputError."""
        from aaot_eval.engine.spark_session import lost

        listed = ", ".join(f"CAST({_ticked(c)} AS STRING) AS {_ticked(c)}" for c in columns)
        schema = pa.schema([(c, pa.string()) for c in columns])

        def some() -> Iterator[pa.RecordBatch]:
            held: list[Sequence[str | None]] = []
            for row in self.session.sql(f"SELECT {listed} FROM {self.quoted}").toLocalIterator():
                held.append(tuple(row))
                if len(held) == BATCH:
                    yield _batch(held, schema)
                    held = []
            if held:
                yield _batch(held, schema)

        with lost(f"reading {self.name}"):
            yield pa.RecordBatchReader.from_batches(schema, some())


def _batch(rows: Sequence[Sequence[str | None]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _ticked(value: str) -> str:
    return "`" + value.replace("`", "``") + "`"


def _identifier(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
