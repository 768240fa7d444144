"""Extracts in the forms in which they really come: delimiters, encodings, line ends, packed, one file a year or a month."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aaot_eval.errors import Problem, UsageError
from aaot_eval.synthetic.layouts import Cells, Layout

DELIMITERS = {"comma": ",", "pipe": "|", "tab": "\t", "semicolon": ";"}
ENCODINGS = {"utf-8": "utf-8", "bom": "utf-8-sig", "latin-1": "latin-1", "cp1252": "cp1252", "utf-16": "utf-16"}
PERIODS = ("yearly", "monthly", "single")
PACKED = {"gzip": ".csv.gz", "zip": ".zip", "parquet": ".parquet"}
OTHERS = ("crlf", "moved", "remarks", "xlsx", "shuffled")
DIALECTS = (*DELIMITERS, *ENCODINGS, *PERIODS, *PACKED, *OTHERS)
# A column that nothing reads, with all that a free text can hold.
REMARKS = ("", "seen by Renée", 'said "no", then yes', "two\nlines", "a, b; c | d\te", "")
FIXED_TIME = (2000, 1, 1, 0, 0, 0)


def chosen_dialect(words: Sequence[str]) -> frozenset[str]:
    """The words of `--dialect`. Raises UsageError for one there is not, or two that exclude each other."""
    problems = [
        Problem(
            "X264",
            f"there is no dialect {w!r}",
            allowed=", ".join(DIALECTS),
            do="name some of these, with commas between them",
        )
        for w in words
        if w not in DIALECTS
    ]
    for group in (DELIMITERS, ENCODINGS, PERIODS, PACKED):
        both = [w for w in words if w in group]
        if len(both) > 1:
            problems.append(Problem("X264", f"{' and '.join(both)} exclude each other", do="name one of them"))
    if problems:
        raise UsageError(*problems)
    return frozenset(words)


def suffix_of(dialect: frozenset[str]) -> str:
    """How the names of the files end."""
    return next((end for word, end in PACKED.items() if word in dialect), ".csv")


def period_of(dialect: frozenset[str], day: str | None, year: str) -> str:
    """The label of the file that a row belongs to."""
    if "single" in dialect:
        return "all"
    return day[:7] if "monthly" in dialect and day else year


class RowsByFile:
    """Rows gathered by file, written when all are there."""

    def __init__(self, folder: Path, stem: str, dialect: frozenset[str], layout: Layout | None = None) -> None:
        self._folder, self._stem, self._dialect = folder, stem, dialect
        self._dates = not (layout and layout.dates)
        self._files: dict[str, Cells] = {}
        self.rows = 0

    def add(self, columns: Cells, labels: Sequence[str]) -> None:
        """Puts each row into the file of its label."""
        for label in dict.fromkeys(labels):
            at = [i for i, found in enumerate(labels) if found == label]
            held = self._files.setdefault(label, {name: [] for name in columns})
            for name, values in columns.items():
                held[name] += [values[i] for i in at]
        self.rows += len(labels)

    def close(self) -> None:
        """Writes the files."""
        for number, label in enumerate(sorted(self._files)):
            columns = self._files[label]
            if "remarks" in self._dialect:
                rows = len(next(iter(columns.values())))
                columns = {**columns, "REMARKS": [REMARKS[i % len(REMARKS)] for i in range(rows)]}
            if "moved" in self._dialect and number % 2:
                columns = {**dict(reversed(columns.items())), "LOCAL_ONLY": ["x"] * len(next(iter(columns.values())))}
            if "shuffled" in self._dialect:
                columns = {name: values[::-1] for name, values in columns.items()}
            path = self._folder / f"{self._stem}_{label}{suffix_of(self._dialect)}"
            if "parquet" in self._dialect:
                _write_parquet(path, columns, self._dates)
            else:
                _write_text(path, columns, self._dialect)


def _write_parquet(path: Path, columns: Cells, dates: bool) -> None:
    arrays = {}
    for name, values in columns.items():
        text = pa.array([v or None for v in values], pa.string())
        day = dates and all(v is None or (len(v) == 10 and v[4] == v[7] == "-" and v[:4].isdigit()) for v in values)
        arrays[name] = text.cast(pa.date32()) if day and text.null_count < len(text) else text
    pq.write_table(pa.table(arrays), path, compression="zstd")


def text_bytes(columns: Mapping[str, Sequence[Any]], dialect: frozenset[str]) -> bytes:
    """Columns as delimited text in a dialect."""
    delimiter = next((mark for word, mark in DELIMITERS.items() if word in dialect), ",")
    encoding = next((name for word, name in ENCODINGS.items() if word in dialect), "utf-8")
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n" if "crlf" in dialect else "\n")
    writer.writerow(columns)
    writer.writerows(zip(*([("" if v is None else v) for v in values] for values in columns.values()), strict=True))
    return out.getvalue().encode(encoding)


def _write_text(path: Path, columns: Cells, dialect: frozenset[str]) -> None:
    content = text_bytes(columns, dialect)
    if "gzip" in dialect:
        # No time in it: the same study is the same bytes.
        content = gzip.compress(content, mtime=0)
    if "zip" in dialect:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(f"{path.stem}.csv", FIXED_TIME), content, zipfile.ZIP_DEFLATED)
        content = packed.getvalue()
    path.write_bytes(content)
