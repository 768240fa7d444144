"""The seam between the one set of SQL steps and the database that runs them.

Tables are names, never frames: only panels and counts cross into pandas. DuckDB is the default; Spark and PostgreSQL run the
same steps, rendered in their dialects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aaot_eval.engine.files import Dialect
from aaot_eval.engine.kept import Kept

if TYPE_CHECKING:
    import pandas as pd

    from aaot_eval.schema import ColumnSpec, TableSchema


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How one delimited or Parquet file is to be read: everything decided beforehand, nothing sniffed by the engine.

    `columns` maps our column names to the names in the file's header; `dates` maps our date columns to further strptime
    patterns beside ISO dates; `places` says which of our columns are one value of a cell that holds several
    (`parts_of_a_cell`); `load` numbers the files in their order; `name` is what rejects call the file and `place` what messages
    call it, when that is something else. With `key`
    the person column becomes an HMAC-SHA256 under that key before anything is stored. `kept` is the file's entry among the
    readings kept: taken when it is held, written when it is not.
    """

    file: Dialect
    schema: TableSchema
    columns: Mapping[str, str]
    name: str
    load: int = 1
    dates: Mapping[str, Sequence[str]] = field(default_factory=dict)
    key: bytes | None = None
    places: Mapping[str, int] = field(default_factory=dict)
    kept: Kept | None = None
    place: str = ""

    @property
    def made(self) -> tuple[ColumnSpec, ...]:
        """The columns that the file does not hold and that its format makes from others."""
        return tuple(c for c in self.schema.columns if c.name not in self.columns and "made" in c.extra)


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What came of reading one file: lines = header + rows + rejected lines + line breaks inside quotes, or the run stops.

    `rows` counts records that parsed; `lost_rows` of them had an unreadable cell in a column that must be there and were
    left out as well. `bad_cells` counts unreadable cells by column. `unquoted` is True when stray quotation marks had
    swallowed rows and the file was read again without quoting. `opted_out` counts the rows of people who opted out, and
    `opted_out_places` says who they are as places in the list; these rows are gone. `taken` is True when the file did not
    have to be read because its rows were kept.
    """

    name: str
    rows: int
    lines: int
    rejected_lines: int = 0
    lost_rows: int = 0
    quoted_newlines: int = 0
    bad_cells: Mapping[str, int] = field(default_factory=dict)
    unquoted: bool = False
    opted_out: int = 0
    opted_out_places: Sequence[int] = ()
    taken: bool = False

    @property
    def adds_up(self) -> bool:
        """Whether every line of the file is accounted for."""
        return self.lines == 0 or self.lines == 1 + self.rows + self.rejected_lines + self.quoted_newlines


@dataclass(frozen=True, slots=True)
class OptedOut:
    """A list of people who opted out, as it was read: its reports, how many people it names, and a hash of them."""

    reports: Sequence[ReadReport] = ()
    people: int = 0
    digest: str = ""


class Engine(Protocol):
    """What a database has to do for the steps."""

    name: str
    folder: Path

    def ingest(self, plans: Sequence[ReadPlan], table: str) -> Sequence[ReadReport]:
        """Read files into `table`: text in, cast, count, reject. What could not be read goes to the table `rejects`.

        Without plans for a table use `empty`.
        """
        ...

    def leave_out(self, plans: Sequence[ReadPlan]) -> OptedOut:
        """Read a list of people who opted out: from now on their rows leave every file as it is read, before all else."""
        ...

    def empty(self, table: str, schema: TableSchema) -> None:
        """Make `table` without rows, with the columns `ingest` would have made."""
        ...

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Bring a small lookup in."""
        ...

    def run(self, step: str, **parameters: Any) -> None:
        """Run the named SQL step of `aaot_eval/steps/`; its `{names}` take constants only. Makes the table it names."""
        ...

    def match_codes(self, table: str, codes: Mapping[str, Sequence[str]], makes: str) -> None:
        """Make (row, list, position) for every diagnosis of `table` that is in a code list.

        `codes` maps a list's name to the codes, as they stand in the data, that belong to it (see `distinct_codes`).
        """
        ...

    def distinct_codes(self, table: str) -> list[str]:
        """Every diagnosis code that occurs in `table`, once, sorted: lists are resolved against these in Python."""
        ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A few counts."""
        ...

    def frame(self, sql: str) -> pd.DataFrame:
        """A panel: whole numbers as int64 (Int64 where one is missing), other numbers as float64, from every engine."""
        ...

    def export(self, table: str, path: Path) -> None:
        """Write a table to Parquet."""
        ...

    def drop(self, *tables: str) -> None:
        """Let go of tables that no later step reads."""
        ...

    def leave_room(self, size: int) -> None:
        """Do with so many bytes less from now on, for what the caller holds of the answers."""
        ...

    def describe(self) -> str:
        """The engine, its version and where it runs, for the record of a run."""
        ...

    def close(self) -> None:
        """Let go of memory, spill files, and every table or schema made for the run."""
        ...


def open_engine(
    name: str,
    work: Path,
    *,
    memory: str | None = None,
    threads: int | None = None,
    address: str | None = None,
    session: Any = None,
    folder: str | None = None,
    options: Mapping[str, str] | None = None,
) -> Engine:
    """The engine of that name, with its spill files in `work`.

    `address` is where Spark or the PostgreSQL server is, as the config says it; `session` is a Spark session that the
    platform hands in; `folder` a place that Spark's driver and workers all see, and `options` Spark's own settings. Raises
    InputError when the extra, Java or the server is missing.
    """
    if name == "spark":
        from aaot_eval.engine.spark import SparkEngine

        return SparkEngine(
            work, address, session=session, folder=folder, options=options, memory=memory, threads=threads
        )
    if name == "postgres":
        from aaot_eval.engine.postgres import PostgresEngine
        from aaot_eval.engine.postgres_server import address_of

        return PostgresEngine(work, address_of(address), memory=memory, threads=threads)
    from aaot_eval.engine.duckdb import DuckDBEngine

    return DuckDBEngine(work, memory=memory, threads=threads)
