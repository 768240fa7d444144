"""The 23 awkward cases of delimited files: each ends in the right rows or in a named refusal, and every line is accounted for."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from aaot_eval.engine import ReadPlan, open_engine
from aaot_eval.engine.files import inspect_file
from aaot_eval.errors import InputError
from aaot_eval.schema import parse_table_schema

HEADER = "pid|admidate|age|name|diag_01"
ROWS = 300
SCHEMA = parse_table_schema(
    "stays",
    {
        "fields": [
            {"name": "person", "type": "string"},
            {"name": "day", "type": "date", "constraints": {"required": True}},
            {"name": "age", "type": "integer"},
            {"name": "name", "type": "string"},
            {"name": "diag", "type": "string", "aaot:form": "code"},
        ]
    },
)
COLUMNS = {"person": "pid", "day": "admidate", "age": "age", "name": "name", "diag": "diag_01"}


def lines(pattern: str = "%Y-%m-%d") -> list[str]:
    days = [date(2021, 4, 1) + timedelta(i % 300) for i in range(ROWS)]
    return [f"p{i:06d}|{d.strftime(pattern)}|{i % 95}|Smith|F10{i % 10}" for i, d in enumerate(days)]


def text(rows: list[str], end: str = "\n", header: str = HEADER) -> str:
    return end.join([header, *rows]) + end


def with_row(at: int, row: str) -> list[str]:
    rows = lines()
    rows[at] = row
    return rows


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("extract.csv", content)
    return out.getvalue()


BROKEN = with_row(50, "p000050|2021-05-01|4")
BROKEN[120] += "|extra|extra"
BROKEN[280] = "p000280|31/31/2021|notanumber|Smith|F100"
QUOTED = with_row(10, 'p000010|2021-05-01|4|"O""Neil | Jr"|F100')
QUOTED[290] = 'p000290|2021-05-01|4|"two\nlines"|F100'
MIXED_DATES = [*lines()[:200], *lines("%d/%m/%Y")[200:250], *lines()[250:]]
LATIN = with_row(250, "p000250|2021-05-01|4|Ren\u00e9e|F100")
PLAIN = text(lines()).encode()
OTHER_YEAR = (
    "\n".join(
        ["diag_01|pid|lsoa|age|admidate", *(f"F10{i % 10}|q{i:06d}|E01|{i % 95}|2022-05-01" for i in range(ROWS))]
    )
    + "\n"
)

#: Case: file name, content, rows kept, lines rejected, rows lost for a required cell, line breaks in quotes.
CASES: dict[str, tuple[str, bytes, int, int, int, int]] = {
    "plain": ("a.csv", PLAIN, ROWS, 0, 0, 0),
    "quoted delimiter, doubled quote, newline": ("a.csv", text(QUOTED).encode(), ROWS, 0, 0, 1),
    "CRLF": ("a.csv", text(lines(), "\r\n").encode(), ROWS, 0, 0, 0),
    "mixed line ends": ("a.csv", text(with_row(150, lines()[150] + "\r")).encode(), ROWS, 0, 0, 0),
    "UTF-8 BOM": ("a.csv", b"\xef\xbb\xbf" + PLAIN, ROWS, 0, 0, 0),
    "latin-1 byte late, not declared": ("a.csv", text(LATIN).encode("latin-1"), ROWS, 0, 0, 0),
    "latin-1, declared": ("a.csv", text(LATIN).replace("Smith", "M\u00fcller").encode("latin-1"), ROWS, 0, 0, 0),
    "utf-16": ("a.csv", text(lines()).encode("utf-16"), ROWS, 0, 0, 0),
    "dates DD/MM/YYYY": ("a.csv", text(lines("%d/%m/%Y")).encode(), ROWS, 0, 0, 0),
    "dates YYYYMMDD": ("a.csv", text(lines("%Y%m%d")).encode(), ROWS, 0, 0, 0),
    "dates mixed in one column": ("a.csv", text(MIXED_DATES).encode(), ROWS, 0, 0, 0),
    "ragged: 1 short, 1 long, 1 bad date+int": ("a.csv", text(BROKEN).encode(), ROWS - 3, 2, 1, 0),
    "stray opening quote": (
        "a.csv",
        text(with_row(100, 'p000100|2021-05-01|4|"unclosed|F100')).encode(),
        ROWS,
        0,
        0,
        0,
    ),
    "quote inside bare field": (
        "a.csv",
        text(with_row(100, 'p000100|2021-05-01|4|5" scar|F100')).encode(),
        ROWS,
        0,
        0,
        0,
    ),
    "NUL byte": ("a.csv", text(with_row(70, "p000070|2021-05-01|4|a\x00b|F100")).encode(), ROWS, 0, 0, 0),
    "trailing delimiter on data rows": ("a.csv", text([r + "|" for r in lines()]).encode(), ROWS, 0, 0, 0),
    "footer line with row count": ("a.csv", text([*lines(), f"TOTAL {ROWS}"]).encode(), ROWS, 1, 0, 0),
    "truncated last row": ("a.csv", PLAIN[:-12], ROWS - 1, 1, 0, 0),
    "gzip": ("a.csv.gz", gzip.compress(PLAIN), ROWS, 0, 0, 0),
    "zip": ("a.zip", zipped(PLAIN), ROWS, 0, 0, 0),
}
REFUSED: dict[str, tuple[bytes, str]] = {
    "header only": (text([]).encode(), "X203  admissions.csv holds a header and no rows"),
    "empty file": (b"", "X201  admissions.csv is empty"),
}


def read(home: Path, files: dict[str, bytes], check: Callable) -> None:
    engine = open_engine("duckdb", home / "work")
    try:
        plans = []
        for load, (name, content) in enumerate(files.items(), start=1):
            (home / name).write_bytes(content)
            file = inspect_file(home / name, engine.folder)
            held = {ours: theirs for ours, theirs in COLUMNS.items() if theirs in file.header}
            plans.append(ReadPlan(file, SCHEMA, held, name, load, {"day": ("%d/%m/%Y",)}))
        check(engine, plans, engine.ingest(plans, "stays"))
    finally:
        engine.close()


@pytest.mark.parametrize("case", CASES)
def test_an_awkward_file_ends_in_the_right_rows(tmp_path, case):
    name, content, rows, rejected, lost, newlines = CASES[case]

    def check(engine, plans, reports):
        (report,) = reports
        assert (report.rows - report.lost_rows, report.rejected_lines, report.lost_rows) == (rows, rejected, lost)
        assert report.lines == 1 + report.rows + report.rejected_lines + report.quoted_newlines
        assert report.quoted_newlines == newlines
        assert report.unquoted == (case == "stray opening quote")
        assert engine.rows("SELECT count(*), count(day), count(DISTINCT person) FROM stays") == [(rows, rows, rows)]
        # A line that does not split, and each cell that does not read, has its own place in the rejects.
        assert engine.rows("SELECT count(DISTINCT line) FROM rejects WHERE row_lost")[0][0] == rejected + lost

    read(tmp_path, {name: content}, check)


def test_two_years_with_columns_moved_added_and_lost(tmp_path):
    def check(engine, plans, reports):
        assert [r.rows for r in reports] == [ROWS, ROWS]
        assert all(r.lines == 1 + r.rows for r in reports)
        assert engine.rows("SELECT count(*), count(day), count(name) FROM stays") == [(2 * ROWS, 2 * ROWS, ROWS)]

    read(tmp_path, {"y2021.csv": PLAIN, "y2022.csv": OTHER_YEAR.encode()}, check)


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_without_rows_is_refused_by_name(tmp_path, case):
    from tests.drawn import read as read_study
    from tests.drawn import study

    content, words = REFUSED[case]
    if content:
        content = content.replace(
            HEADER.encode(),
            b"TOKEN_PERSON_ID|EPIKEY|ADMIDATE|EPISTART|EPIEND|EPIORDER|EPISTAT|CLASSPAT|ADMIMETH|PROCODE3|DIAG_01",
        )
    with pytest.raises(InputError) as stopped, read_study(study(tmp_path, {"admissions.csv": content})):
        pass
    assert words in str(stopped.value)


def test_all_23_cases_are_here():
    assert len(CASES) + len(REFUSED) + 1 == 23
