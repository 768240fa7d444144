"""The steps on Spark: in this machine, on a standalone cluster, or in a session of the platform through Spark Connect.

Only `sql`, `read` and DataFrames are used, so that a Connect session without a JVM beside it does the same. Every step is
written to a table of the run's own database and read from there: a cached plan may be computed again, a table is not.

Native here: rows come in as Parquet files where Spark sees our folder, else as Arrow through the session; diagnosis codes
are stacked and joined to the few codes sought, which every worker gets a copy of.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import platform
import re
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aaot_eval.engine import ReadPlan
from aaot_eval.engine.database_tables import SparkTable
from aaot_eval.engine.rendered import RenderedEngine
from aaot_eval.engine.spark_session import errors, lost, open_session
from aaot_eval.engine.steps import table_name

PREFIX = "aaot_work_"
# Seconds after which a work database of another machine belongs to no living run: a week.
LONGEST_RUN = 7 * 24 * 3600


class SparkEngine(RenderedEngine):
    """One database of a Spark session, gone afterwards; the session too when it was opened here."""

    name = "spark"
    target = "spark"
    # Numbers with gaps, given by each worker for its own rows: counting on would put all rows through one worker.
    numbering = "monotonically_increasing_id() + 1"
    room = 1 << 50

    def __init__(
        self,
        work: Path,
        address: str | None = None,
        *,
        session: Any = None,
        folder: str | None = None,
        options: Mapping[str, str] | None = None,
        memory: str | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(work, memory=memory, threads=threads)
        try:
            opened = open_session(address, session, self.folder.resolve(), options or {}, memory)
        except BaseException:
            super().close()
            raise
        self.session, self._own, self.where = opened.session, opened.own, opened.where
        # Files of ours are seen by Spark when it runs on this machine, or when the analyst names a folder all can see.
        self._shared = folder or (str(self.folder.resolve() / "handed") if opened.sees_files else None)
        self._sees_inputs = opened.sees_files and folder is None
        self.database = work_name(os.getpid())
        self._tables: dict[str, str] = {}
        self._number = itertools.count(1)
        try:
            self._clear_left_over()
            with lost("making its work database"):
                place = f" LOCATION '{folder}/{self.database}'" if folder else ""
                self._run(f"CREATE DATABASE {self.database}{place}")
        except BaseException:
            self.close()
            raise

    def _clear_left_over(self) -> None:
        """Databases of runs that were killed; what may belong to a living run, or to somebody else, stays."""
        with contextlib.suppress(*errors()):
            found = self.session.sql(f"SHOW DATABASES LIKE '{PREFIX}*'").toArrow().column(0).to_pylist()
            for database in filter(left_over, found):
                with contextlib.suppress(*errors()):
                    self._run(f"DROP DATABASE IF EXISTS {table_name(database)} CASCADE")

    def _run(self, query: str) -> None:
        self.session.sql(query).collect()

    # Tables -------------------------------------------------------------------------------------------------------

    def _take(self, table: str, batches: pa.RecordBatchReader) -> None:
        with lost(f"taking in {table}"):
            if self._shared is None:
                self._take_through_session(table, batches)
            else:
                self._take_as_file(table, batches)

    def _take_as_file(self, table: str, batches: pa.RecordBatchReader) -> None:
        place = Path(self._shared or "")
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = place / f"{self.database}_{table}_{next(self._number)}.parquet"
        with pq.ParquetWriter(path, batches.schema, compression="zstd") as file:
            for batch in batches:
                file.write_batch(batch)
        self._name(table, str(path), self.session.read.parquet(path.as_uri()))

    def _take_through_session(self, table: str, batches: pa.RecordBatchReader) -> None:
        held = self._fresh(table)
        wrote = False
        for batch in batches:
            if batch.num_rows:
                part = self.session.createDataFrame(pa.Table.from_batches([batch]))
                part.write.mode("append").saveAsTable(held)
                wrote = True
        if not wrote:
            # A session takes no types from an empty table.
            columns = ", ".join(f"CAST(NULL AS {_type(field)}) AS `{field.name}`" for field in batches.schema)
            self.session.sql(f"SELECT * FROM (SELECT {columns}) AS none WHERE 1 = 0").write.saveAsTable(held)
        self._name(table, held, self.session.table(held))

    def _make(self, table: str, query: str) -> None:
        held = self._fresh(table)
        with lost(f"making {table}"):
            self.session.sql(query).write.saveAsTable(held)
            self._name(table, held, self.session.table(held))

    def _fresh(self, table: str) -> str:
        """A name of its own for every writing: a step may read an older table of the name that it makes."""
        return f"{self.database}.{table_name(table)}_{next(self._number)}"

    def _name(self, table: str, held: str, rows: Any) -> None:
        """What steps call the table stands for what was just written; what it stood for before goes."""
        rows.createOrReplaceTempView(table)
        before = self._tables.get(table)
        self._tables[table] = held
        if before:
            self._remove(before)

    def _remove(self, held: str) -> None:
        if held.startswith(f"{self.database}."):
            self._run(f"DROP TABLE IF EXISTS {held}")
        else:
            Path(held).unlink(missing_ok=True)

    def _arrow(self, query: str) -> pa.Table:
        with lost("reading an answer"):
            return self.session.sql(query).toArrow()

    def _columns(self, table: str) -> list[str]:
        return list(self.session.table(table_name(table)).columns)

    def _codes_of(self, table: str, columns: Sequence[str]) -> str:
        pairs = ", ".join(f"{int(c[-2:])}, {c}" for c in columns)
        return f"SELECT `row`, stack({len(columns)}, {pairs}) AS (position, code) FROM {table_name(table)}"

    def _source(self, plan: ReadPlan) -> str | None:
        if isinstance(plan.file.table, SparkTable):
            view = f"source_{plan.load}"
            named = ", ".join(
                f"CAST({_identifier(theirs)} AS STRING) AS {ours}" for ours, theirs in plan.columns.items()
            )
            with lost(f"looking at {plan.name}"):
                rows = self.session.sql(f"SELECT {named} FROM {plan.file.table.quoted}")
                rows.createOrReplaceTempView(view)
            return view
        if plan.file.kind != "parquet" or not self._sees_inputs or not _plain(plan):
            return None
        view = f"source_{plan.load}"
        with lost(f"looking at {plan.name}"):
            rows = self.session.read.parquet(plan.file.path.resolve().as_uri())
            rows.selectExpr(*_as_text(plan)).createOrReplaceTempView(view)
        return view

    def _forget(self, view: str) -> None:
        self._run(f"DROP VIEW IF EXISTS {view}")

    def drop(self, *tables: str) -> None:
        """Let go of tables that no later step reads."""
        for table in tables:
            held = self._tables.pop(table, None)
            if held:
                self._run(f"DROP VIEW IF EXISTS {table_name(table)}")
                self._remove(held)

    def describe(self) -> str:
        """Spark, its version and where it runs."""
        return f"Spark {self.session.version} ({self.where})"

    def close(self) -> None:
        """Drop the work database, stop a session opened here, and let go of spill files."""
        with contextlib.suppress(*errors()):
            for table in list(self._tables):
                self.drop(table)
        with contextlib.suppress(*errors()):
            self._run(f"DROP DATABASE IF EXISTS {self.database} CASCADE")
        if self._own:
            with contextlib.suppress(*errors()):
                self.session.stop()
        super().close()


def work_name(pid: int) -> str:
    """A name for a work database that says which process made it, where and when: Spark has no lock that would say it."""
    return f"{PREFIX}{_place()}_{pid}_{int(time.time())}_{secrets.token_hex(4)}"


def left_over(database: str) -> bool:
    """Whether the run behind a work database is over: its process is gone from this machine, or it began days ago."""
    found = re.fullmatch(PREFIX + r"([0-9a-f]{8})_(\d+)_(\d+)_[0-9a-f]{8}", database)
    if not found:
        return False
    if time.time() - int(found[3]) > LONGEST_RUN:
        return True
    if os.name != "posix" or found[1] != _place():
        return False
    try:
        # Signal 0 is none: it only asks whether the process is there.
        os.kill(int(found[2]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _place() -> str:
    """A mark of where process numbers mean what they mean here: this machine since it was started, this container."""
    parts = [platform.node(), str(uuid.getnode())]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("utf-8"))
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:8]


def _as_text(plan: ReadPlan) -> list[str]:
    """The columns of an input under our names, each as text."""
    return [f"CAST({_identifier(theirs)} AS STRING) AS {ours}" for ours, theirs in plan.columns.items()]


def _plain(plan: ReadPlan) -> bool:
    """Whether the columns asked for become the same text here as in our reader, and have names that Spark tells apart."""
    schema = pq.read_schema(plan.file.path)
    kinds = [schema.field(theirs).type for theirs in plan.columns.values()]
    plain = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_date32)
    return all(any(fits(kind) for fits in plain) for kind in kinds) and len({n.lower() for n in schema.names}) == len(
        schema.names
    )


def _identifier(value: str) -> str:
    return "`" + value.replace("`", "``") + "`"


def _type(field: pa.Field) -> str:
    """Spark's type for a column of ours."""
    return {"bool": "BOOLEAN", "int32": "INT", "int64": "BIGINT", "double": "DOUBLE", "date32[day]": "DATE",
            "timestamp[us]": "TIMESTAMP_NTZ"}.get(str(field.type), "STRING")  # fmt: skip
