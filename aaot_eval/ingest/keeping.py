"""What the rows of a file depend on, so that a reading kept is taken only where reading again would give the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from aaot_eval import __version__
from aaot_eval.config import RunConfig
from aaot_eval.engine.kept import Kept, KeptReadings
from aaot_eval.schema import extract_formats

PACKAGE = Path(__file__).resolve().parent.parent
# The program's own files that make rows out of a file.
READING = (
    "schema.py", "ingest/plan.py", "ingest/recognise.py", "ingest/near_names.py", "ingest/dates.py", "ingest/read.py",
    "engine/files.py", "engine/workbooks.py", "engine/duckdb.py", "engine/duckdb_reading.py", "engine/duckdb_as_found.py",
    "engine/duckdb_keeping.py",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keeping:
    """The readings kept of a study, as one run may use them."""

    readings: KeptReadings
    config: RunConfig
    secret: str
    under: str

    def entry(self, path: Path, table: str) -> Kept | None:
        """The entry of one file of a table of [data]; None when it holds nothing and nothing may be added."""
        data = self.config.data
        depends = {
            "version": [__version__, duckdb.__version__, reading_code()],
            "formats": formats_hash(table),
            "table": table,
            "columns": data.columns.get(table, {}),
            "format": data.formats.get(table),
            "dates": data.dates.get(table),
            "unasked": sorted(self.config.unasked_columns),
            "person_key": data.person_key.column if data.person_key else None,
            "secret": self.secret,
        }
        found = self.readings.entry(path, depends, self.under)
        return found if found.note or self.readings.add else None


@cache
def reading_code() -> str:
    """A hash of the code that makes rows out of a file."""
    digest = hashlib.sha256()
    for name in READING:
        digest.update(name.encode() + b"\0" + (PACKAGE / name).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


@cache
def formats_hash(table: str) -> str:
    """A hash of every format in which a table can come."""
    return hashlib.sha256(
        repr([(s.name, s.columns, s.missing_values, s.extra) for s in extract_formats(table)]).encode()
    ).hexdigest()
