"""What every engine but DuckDB has in common: files are read by our own reader and handed over, steps are rendered.

What an engine sees by itself stays where it is when nothing in it is in doubt (`in_place`).

Rejects, reconciliation and hashed keys come from one reader, whatever engine counts afterwards.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from aaot_eval.engine import OptedOut, ReadPlan, ReadReport
from aaot_eval.engine.duckdb import DuckDBEngine
from aaot_eval.engine.duckdb_reading import REJECTS
from aaot_eval.engine.in_place import InPlace, can_stay
from aaot_eval.engine.rendering import Target, render
from aaot_eval.engine.steps import diagnosis_columns, table_name
from aaot_eval.engine.steps import step as make_step
from aaot_eval.errors import InputError, Problem
from aaot_eval.schema import TableSchema

# Rows handed over at a time: some tens of megabytes.
BATCH = 200_000


class RenderedEngine(abc.ABC):
    """An engine that runs the rendered steps; a subclass says how a query becomes a table and how rows come back."""

    name: str
    target: Target
    #: How rows of a view are numbered, and the numbers that one input may use: 0 when they have no gaps.
    numbering = "row_number() OVER ()"
    room = 0

    def __init__(self, work: Path, *, memory: str | None = None, threads: int | None = None) -> None:
        self.reader = DuckDBEngine(work, memory=memory, threads=threads)
        self.folder = self.reader.folder

    # What a subclass says -----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _take(self, table: str, batches: pa.RecordBatchReader) -> None:
        """Make `table` from rows of ours."""

    @abc.abstractmethod
    def _make(self, table: str, query: str) -> None:
        """Make `table` from a query in the engine's own dialect; the query may read an older table of that name."""

    @abc.abstractmethod
    def _arrow(self, query: str) -> pa.Table:
        """The answer to a query in the engine's own dialect."""

    @abc.abstractmethod
    def _columns(self, table: str) -> list[str]:
        """The columns of a table."""

    @abc.abstractmethod
    def _codes_of(self, table: str, columns: Sequence[str]) -> str:
        """A query for (row, position, code) of every diagnosis of a table, in the engine's own best form."""

    @abc.abstractmethod
    def _source(self, plan: ReadPlan) -> str | None:
        """A view of an input that the engine sees by itself: our names, every column as text. None for any other input."""

    @abc.abstractmethod
    def _forget(self, view: str) -> None:
        """Let go of such a view."""

    @abc.abstractmethod
    def drop(self, *tables: str) -> None:
        """Let go of tables that no later step reads."""

    # Reading ------------------------------------------------------------------------------------------------------

    def empty(self, table: str, schema: TableSchema) -> None:
        """Make `table` without rows, with the columns `ingest` would have made."""
        self.reader.empty(table, schema)
        self._hand_over(table)

    def ingest(self, plans: Sequence[ReadPlan], table: str) -> list[ReadReport]:
        """Read files into `table`; what could not be read goes to the table `rejects`.

        What the engine sees by itself and can read without a doubt is taken in place (`in_place`), all else by our reader.
        """
        views = {p.load: v for p in plans if can_stay(p, self.reader.leaves_out) and (v := self._source(p))}
        try:
            counts = {p.load: self._count(InPlace(p, views[p.load])) for p in plans if p.load in views}
            staying = [p for p in plans if counts.get(p.load)]
            moving = [p for p in plans if p not in staying]
            if moving:
                reports = {r.name: r for r in self.reader.ingest(moving, table)}
                self._hand_over(table)
            else:
                reports = {}
                self.empty(table, plans[0].schema)
            self._take(REJECTS, self.reader.batches(f"SELECT * FROM {REJECTS}", BATCH))
            if staying:
                self._take_in_place([InPlace(p, views[p.load]) for p in staying], counts, table)
        finally:
            for view in views.values():
                self._forget(view)
        reports |= {p.name: ReadReport(p.name, counts[p.load], p.file.lines) for p in staying}
        return [reports[p.name] for p in plans]

    def _count(self, source: InPlace) -> int:
        """How many rows there are; 0 when a cell is in doubt."""
        ((doubts, rows),) = self.rows(source.doubts)
        return 0 if doubts else int(rows)

    def _take_in_place(self, sources: Sequence[InPlace], counts: Mapping[int, int], table: str) -> None:
        ((before,),) = self.rows(f"SELECT coalesce(max(row), 0) FROM {table_name(table)}")
        parts = [f"SELECT * FROM {table}"]
        for place, source in enumerate(sources, start=1):
            parts.append(source.rows(self.numbering, before + place * self.room))
            before += 0 if self.room else counts[source.plan.load]
        self._make(table, render(" UNION ALL ".join(parts), self.target))
        found = dict(self.rows(f"SELECT load, count(*) FROM {table} GROUP BY load"))
        changed = [s.plan.name for s in sources if found.get(s.plan.load) != counts[s.plan.load]]
        if changed:
            raise InputError(
                *[Problem("C219", f"{name} changed while it was read", where=name, do="run again when nobody writes to it")
                  for name in changed]
            )  # fmt: skip

    def leave_out(self, plans: Sequence[ReadPlan]) -> OptedOut:
        """Read a list of people who opted out; neither it nor any row of theirs is handed over."""
        return self.reader.leave_out(plans)

    def _hand_over(self, table: str) -> None:
        self._take(table_name(table), self.reader.batches(f"SELECT * FROM {table}", BATCH))
        self.reader.drop(table)

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Bring a small lookup in."""
        self.reader.put(table, frame)
        self._hand_over(table)

    # Steps --------------------------------------------------------------------------------------------------------

    def run(self, step: str, **parameters: Any) -> None:
        """Run the named step: the table that its header says it makes is made anew. `{names}` take constants only."""
        asked = make_step(step, **parameters)
        self._make(asked.makes, render(asked.query, self.target))

    def distinct_codes(self, table: str) -> list[str]:
        """Every diagnosis code that occurs in `table`, once, sorted."""
        listed = self._codes_of(table, diagnosis_columns(self._columns(table)))
        found = self._arrow(f"SELECT DISTINCT code FROM ({listed}) AS listed WHERE code IS NOT NULL")
        return sorted(found.column(0).to_pylist())

    def match_codes(self, table: str, codes: Mapping[str, Sequence[str]], makes: str) -> None:
        """Make (row, list, position) of every diagnosis in a list: one pass, joined to the few codes sought."""
        lists = [(code, name) for name in codes for code in codes[name]]
        self.put("codes_sought", pd.DataFrame(lists, columns=["code", "list"], dtype=object).astype("string"))
        listed = self._codes_of(table, diagnosis_columns(self._columns(table)))
        self._make(
            table_name(makes),
            f"SELECT e.row, s.list, e.position FROM ({listed}) AS e JOIN codes_sought AS s ON s.code = e.code",
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A few counts."""
        found = self._arrow(render(sql, self.target))
        columns = [column.to_pylist() for column in found.columns]
        return [tuple(_plain(value) for value in row) for row in zip(*columns, strict=True)]

    def frame(self, sql: str) -> pd.DataFrame:
        """A panel: the same types from every engine."""
        return self.reader.frame_of(self._arrow(render(sql, self.target)))

    def export(self, table: str, path: Path) -> None:
        """Write a table to Parquet."""
        import pyarrow.parquet as pq

        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(self._arrow(f"SELECT * FROM {table_name(table)}"), path, compression="zstd")

    def leave_room(self, size: int) -> None:
        """The server's memory is its own; what reads for it and types its answers does with less."""
        self.reader.leave_room(size)

    def close(self) -> None:
        """Let go of memory and spill files."""
        self.reader.close()


def _plain(value: Any) -> Any:
    """A whole number is an int, in whatever type a database sends it."""
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value
