"""The seam between the one set of SQL steps and the database that runs them.

Tables are names, never frames: only panels and counts cross into pandas. DuckDB is the default and, so far, the only engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from aaot_eval.schema import TableSchema


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How one delimited, Parquet or Excel file is to be read: everything decided beforehand, nothing sniffed by the engine.

    `columns` maps our column names to the names in the file's header; `dates` maps our date columns to a strptime pattern.
    """

    path: Path
    schema: TableSchema
    columns: Mapping[str, str]
    delimiter: str = ","
    encoding: str = "utf-8"
    quote: str = '"'
    dates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What came of reading one file: lines = header + rows + rejected + quoted newlines, or the run stops."""

    rows: int
    rejected: int
    lines: int
    quoted_newlines: int
    rejects_table: str | None = None


class Engine(Protocol):
    """What a database has to do for the steps."""

    name: str

    def ingest(self, plans: Sequence[ReadPlan], table: str) -> Sequence[ReadReport]:
        """Read files into `table`: text in, cast, count, reject."""
        ...

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Bring a small lookup in."""
        ...

    def run(self, step: str, **parameters: Any) -> None:
        """Run the named SQL step of `aaot_eval/steps/`."""
        ...

    def match_codes(self, table: str, codes: Mapping[str, Sequence[str]], makes: str) -> None:
        """Make (row, list, position) for every diagnosis of `table` that is in a code list."""
        ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A few counts."""
        ...

    def frame(self, sql: str) -> pd.DataFrame:
        """A panel."""
        ...

    def export(self, table: str, path: Path) -> None:
        """Write a table to Parquet."""
        ...

    def close(self) -> None:
        """Let go of memory and spill files."""
        ...


def open_engine(name: str, work: Path, *, memory: str | None = None, threads: int | None = None) -> Engine:
    """The engine of that name, with its spill files in `work`."""
    from aaot_eval.engine.duckdb import DuckDBEngine

    return DuckDBEngine(work, memory=memory, threads=threads)
