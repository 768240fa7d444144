"""A table or view of a PostgreSQL server as an input, beside files: `admissions = "postgres:schema.table"`.

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

PREFIX = "postgres:"


def is_table(text: str | Path) -> bool:
    """Whether an entry under [data] names a table of a server and not a file."""
    return str(text).startswith(PREFIX)


def inspect_source(path: Path, work: Path, server: str | None) -> Dialect:
    """Everything there is to know before reading one input: a file, or a table of the server at `server`. Raises InputError."""
    return PostgresTable.named(path, server).inspect() if is_table(path) else inspect_file(path, work)


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


def _identifier(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
