"""What real files look like: every case ends in the right rows or in a refusal that says where, never in silent loss."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from aaot_eval.config.data import strptime_pattern
from aaot_eval.engine import ReadPlan, duckdb_reading, open_engine
from aaot_eval.engine.duckdb_reading import write_rows
from aaot_eval.engine.files import inspect_file
from aaot_eval.errors import InputError, Problem
from aaot_eval.schema import parse_table_schema, schema_names, table_schema
from tests.drawn import csv_text, episodes, read, rows_of, study, table

HEADER = "pid|day|age|name|diag\n"
SCHEMA = parse_table_schema(
    "visits",
    {
        "fields": [
            {"name": "person", "type": "string"},
            {"name": "day", "type": "date", "constraints": {"required": True}, "aaot:null_values": ["1800-01-01"]},
            {"name": "age", "type": "integer"},
            {"name": "name", "type": "string"},
            {"name": "diag", "type": "string", "aaot:form": "code"},
        ]
    },
)
COLUMNS = {"person": "pid", "day": "day", "age": "age", "name": "name", "diag": "diag"}


def lines(n: int = 12) -> list[str]:
    return [f"p{i:03d}|2021-05-{i + 1:02d}|{20 + i}|Smith|f10{i % 10}" for i in range(n)]


def ingest(home: Path, content: bytes | str, name: str = "visits.csv"):
    """What the engine makes of one file: its report, its rows, its rejects."""
    path = home / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    engine = open_engine("duckdb", home / "work")
    try:
        file = inspect_file(path, engine.folder)
        plan = ReadPlan(file, SCHEMA, COLUMNS, name, dates={"day": ("%d/%m/%Y",)})
        report = engine.ingest([plan], "visits")[0]
        return (
            report,
            engine.rows("SELECT person, day, age, name, diag FROM visits ORDER BY row"),
            engine.rows('SELECT line, "column", reason, value_class, row_lost FROM rejects ORDER BY line'),
        )
    finally:
        engine.close()


def text(rows: list[str], end: str = "\n") -> str:
    return HEADER.strip() + end + end.join(rows) + end


PLAIN = lines()
QUOTED = [*PLAIN[:5], 'p900|2021-06-01|4|"O""Neil | Jr"|F100', 'p901|2021-06-02|4|"two\nlines"|F100', *PLAIN[5:]]
GOOD = {
    "plain": (text(PLAIN), 12),
    "quoted delimiter, doubled quote and line break": (text(QUOTED), 14),
    "CRLF": (text(PLAIN, "\r\n"), 12),
    "mixed line ends": (text(PLAIN).replace("\n", "\r\n", 4), 12),
    "old Mac line ends": (text(PLAIN, "\r"), 12),
    "byte order mark": (b"\xef\xbb\xbf" + text(PLAIN).encode(), 12),
    "UTF-16": (text(PLAIN).encode("utf-16"), 12),
    "one cp1252 byte": (text(PLAIN).replace("Smith", "Ren\u00e9e", 1).encode("cp1252"), 12),
    "a byte that cp1252 lacks": (text(PLAIN).encode().replace(b"Smith", b"Ren\x81e", 1), 12),
    "trailing delimiter on data rows": (text([r + "|" for r in PLAIN]), 12),
    "quote inside a bare field": (text([*PLAIN, 'p999|2021-06-01|4|5" scar|F100']), 13),
    "no line end at the end": (text(PLAIN)[:-1], 12),
    "blank lines": (text(PLAIN).replace("\n", "\n\n", 3) + "\n\n", 12),
    "blank lines and a line break in quotes": (text(QUOTED) + "\n", 14),
    "a blank line inside quotes": (text([*PLAIN, 'p999|2021-06-01|4|"a\n\nb"|F100']), 13),
    "several blank lines inside quotes": (text([*PLAIN, 'p999|2021-06-01|4|"a\n\n\n\nb"|F100']), 13),
    "blank lines inside quotes, CRLF": (text([*PLAIN, 'p999|2021-06-01|4|"a\r\n\r\n\r\nb"|F100'], "\r\n"), 13),
    "NUL byte": (text(PLAIN).replace("Smith", "Sm\x00ith", 1), 12),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_every_row_is_read(tmp_path, case):
    content, rows = GOOD[case]
    report, found, rejects = ingest(tmp_path, content)
    assert (report.rows, report.adds_up, rejects) == (rows, True, [])
    assert len(found) == rows
    assert found[0] == ("p000", pd.Timestamp("2021-05-01").date(), 20, found[0][3], "F100")


def test_a_compressed_file_is_unpacked(tmp_path):
    plain = text(PLAIN).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("extract.csv", plain)
    assert ingest(tmp_path, gzip.compress(plain), "visits.csv.gz")[0].rows == 12
    assert ingest(tmp_path, packed.getvalue(), "visits.zip")[0].rows == 12


BAD_LINES = {
    "short line": ([*PLAIN, "p999|2021-06-01|4"], 14, "too few columns"),
    "long line": ([*PLAIN[:3], "p999|2021-06-01|4|x|F100|y|z", *PLAIN[3:]], 5, "too many columns"),
    "footer": ([*PLAIN, "TOTAL 12"], 14, "too few columns"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_line_that_does_not_split_is_rejected_once_and_named(tmp_path, case):
    rows, line, why = BAD_LINES[case]
    report, found, rejects = ingest(tmp_path, text(rows))
    assert (report.rows, report.rejected_lines, report.adds_up) == (12, 1, True)
    assert rejects == [(line, "", why, "line", True)]
    assert len(found) == 12


def test_lines_are_those_of_the_file_behind_line_breaks_in_quotes(tmp_path):
    wide = 'p902|2021-06-02|4|"three\n\nlines"|F100'
    rows = [
        *QUOTED,
        "p998|2021-06-01|4",
        wide,
        "p997|2021-06-01|old|x|F100",
        *PLAIN[:2],
        "",
        wide,
        "p999|2021-06-01|4|x|F100|y|z",
    ]
    report, found, rejects = ingest(tmp_path, text(rows))
    assert (report.rows, report.rejected_lines, report.adds_up, len(found)) == (19, 2, True, 19)
    lines = text(rows).splitlines()
    assert [(lines[line - 1][:4], column) for line, column, *_ in rejects] == [
        ("p998", ""),
        ("p997", "age"),
        ("p999", ""),
    ]


def test_a_row_cut_off_at_the_end_is_rejected(tmp_path):
    report, found, rejects = ingest(tmp_path, text(PLAIN)[:-12])
    assert (report.rows, report.rejected_lines, report.adds_up, len(found)) == (11, 1, True, 11)
    assert rejects[0][0] == 13


def test_a_stray_quote_swallows_nothing(tmp_path):
    stray = [*PLAIN[:4], 'p900|2021-06-01|4|"unclosed|F100', *PLAIN[4:]]
    report, found, _ = ingest(tmp_path, text(stray))
    assert (report.rows, report.unquoted, report.adds_up) == (13, True, True)
    assert found[4][3] == "unclosed"


def test_two_stray_quotes_that_pair_up_swallow_nothing(tmp_path):
    stray = [*PLAIN[:4], 'p900|2021-06-01|4|"open|F100', *PLAIN[4:6], 'p901|2021-06-01|4|shut"|F100', *PLAIN[6:]]
    report, found, _ = ingest(tmp_path, text(stray))
    assert (report.rows, report.unquoted, len(found)) == (14, True, 14)


def test_unreadable_cells_are_listed_by_place_and_kind_never_by_value(tmp_path):
    rows = [
        *PLAIN[:2],
        "p900|2021-06-01|4",
        "p901|31/31/2021|5|Jones|F101",
        "p902|2021-06-03|old|Jones|F101",
        "p903|1800-01-01|6|Jones|F101",
        "p904|17/06/2021|6.0|Jones|F101",
        *PLAIN[2:],
    ]  # fmt: skip
    report, found, rejects = ingest(tmp_path, text(rows))
    assert rejects == [
        (4, "", "too few columns", "line", True),
        (5, "day", "not a date", "like a date", True),
        (6, "age", "not a whole number", "letters", False),
    ]
    assert (report.rows, report.rejected_lines, report.lost_rows, report.bad_cells) == (16, 1, 1, {"day": 1, "age": 1})
    by_person = {r[0]: r for r in found}
    assert "p901" not in by_person
    assert by_person["p902"][2] is None
    assert by_person["p903"][1] is None
    assert (str(by_person["p904"][1]), by_person["p904"][2]) == ("2021-06-17", 6)
    assert not any("31/31" in str(cell) or cell == "old" for row in rejects for cell in row)


def test_lines_are_right_below_blank_lines_and_line_breaks_in_quotes(tmp_path):
    rows = [*PLAIN[:2], "", 'p900|2021-06-01|4|"two\nlines"|F100', "p901|never|5|Jones|F101", *PLAIN[2:]]
    assert ingest(tmp_path, text(rows))[2] == [(7, "day", "not a date", "letters", True)]


def test_dates_of_several_spellings(tmp_path):
    rows = [
        f"p{i}|{day}|4|x|F100"
        for i, day in enumerate(
            ["2021-06-17", "17/06/2021", "20210617", "17JUN2021", "17-Jun-2021", "2021-06-17 00:00:00", " 2021-06-17 "]
        )
    ]
    assert {str(r[1]) for r in ingest(tmp_path, text(rows))[1]} == {"2021-06-17"}


def test_a_two_digit_year_is_not_a_date(tmp_path):
    report, _, rejects = ingest(tmp_path, text([*PLAIN, "p900|17/06/21|4|x|F100"]))
    assert (report.lost_rows, rejects[0][3]) == (1, "like a date")


def test_shuffled_columns_and_an_unread_one(tmp_path):
    content = "diag;ward;pid;day;name;age\n" + "".join(f"f10{i};W;p{i};2021-05-0{i + 1};x;4\n" for i in range(5))
    report, found, _ = ingest(tmp_path, content)
    assert (report.rows, found[1][0], found[1][4]) == (5, "p1", "F101")


def test_a_parquet_file_is_read_by_the_same_rules(tmp_path):
    frame = pd.DataFrame(
        {
            "pid": ["a", "b", None],
            "day": pd.to_datetime(["2021-05-01", "1800-01-01", "2021-05-03"]),
            "age": [4.0, None, 7.0],
            "name": "x",
            "diag": "f102",
        }
    )
    frame.to_parquet(tmp_path / "made.parquet")
    report, found, _ = ingest(tmp_path, (tmp_path / "made.parquet").read_bytes(), "visits.parquet")
    assert (report.rows, report.adds_up) == (3, True)
    assert [(r[0], str(r[1]), r[2], r[4]) for r in found] == [
        ("a", "2021-05-01", 4, "F102"),
        ("b", "None", None, "F102"),
        (None, "2021-05-03", 7, "F102"),
    ]


# The order of a file --------------------------------------------------------------------------------------------------

# Long enough for the engine to give parts of it to several cores.
MANY_LINES = 300_000
WIDE = "x" * 120


def test_places_in_a_large_file_are_those_of_the_file(tmp_path):
    drawn = episodes("person admitted age\nA 2022-05-01 40")[0] | {"WARD": WIDE}
    header, cells = list(drawn), list(drawn.values())
    at = {name: header.index(name) for name in ("TOKEN_PERSON_ID", "EPIKEY", "STARTAGE")}
    wrong = range(7, MANY_LINES, 50_000)
    with (tmp_path / "apc.csv").open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(header) + "\n")
        for line in range(2, MANY_LINES + 2):
            cells[at["TOKEN_PERSON_ID"]], cells[at["EPIKEY"]] = f"P{line}", f"{line}"
            cells[at["STARTAGE"]] = "old" if line in wrong else "40"
            file.write(",".join(cells) + "\n")
    schema = table_schema("extracts", "hes_apc")
    held = {c.name: n for c in schema.columns for n in c.source_names if n in header}
    engine = open_engine("duckdb", tmp_path / "work")
    try:
        (report,) = engine.ingest(
            [ReadPlan(inspect_file(tmp_path / "apc.csv", engine.folder), schema, held, "apc.csv")], "episodes_read"
        )
        assert (report.rows, report.bad_cells) == (MANY_LINES, {"age": len(wrong)})
        places = engine.rows('SELECT line, "column", value_class FROM rejects ORDER BY line')
        assert places == [(line, "STARTAGE", "letters") for line in wrong]
        assert engine.rows("SELECT count(*) FROM episodes_read WHERE episode_key <> CAST(row + 1 AS VARCHAR)") == [(0,)]
    finally:
        engine.close()


@pytest.mark.parametrize("name", schema_names("extracts"))
def test_rows_are_written_in_order_by_every_core(tmp_path, monkeypatch, name):
    """A join in the query would leave the writing to one core, or, unasked, lose the order."""
    schema = table_schema("extracts", name)
    columns = {c.name: c.source_names[0] for c in schema.columns if c.source_names}
    (tmp_path / "made.csv").write_text(
        "|".join(columns.values()) + "\n" + "|" * (len(columns) - 1) + "\n", encoding="utf-8"
    )
    plans = []

    def explained(db, query, path):
        plans.append(db.execute(f"EXPLAIN {query}").fetchall()[0][1])
        return write_rows(db, query, path)

    monkeypatch.setattr(duckdb_reading, "write_rows", explained)
    engine = open_engine("duckdb", tmp_path / "work")
    try:
        file = inspect_file(tmp_path / "made.csv", engine.folder)
        engine.ingest([ReadPlan(file, schema, columns, "made.csv")], "made")
    finally:
        engine.close()
    assert plans
    assert not [plan for plan in plans if "join" in plan.lower()]


# Whole tables ---------------------------------------------------------------------------------------------------------

APC = "person admitted method\nA 2022-05-01 21\nB 2022-06-01 2A\nC 2022-12-31 21"
WINDOW = {"complete_to": "2022-12-31"}


def refusal(config) -> str:
    with pytest.raises(InputError) as caught, read(config):
        pass
    return str(caught.value)


@pytest.mark.parametrize("name", ["TOKEN_PERSON_ID", "PSEUDO_HESID", "ENCRYPTED_HESID", "pseudo_hesid", "HESID"])
def test_old_and_new_names_of_the_person_are_known(tmp_path, name):
    content = csv_text(episodes(APC)).replace("TOKEN_PERSON_ID", name)
    with read(study(tmp_path, {"admissions.csv": content}, data=WINDOW)) as tables:
        assert tables.counts["stays"] == 3


def test_the_word_null_of_a_database_export_is_an_empty_cell(tmp_path):
    drawn = "person admitted left diag\nA 2022-05-01 NULL F102+NULL\nB 2022-12-31 NULL NULL\nNULL 2022-06-01 2022-06-01 R074"
    with read(study(tmp_path, {"admissions.csv": csv_text(episodes(drawn))}, data=WINDOW)) as tables:
        assert rows_of(tables, "SELECT end_date, alcohol_specific FROM stays ORDER BY stay") == [
            ("2022-05-01", 1),
            ("2022-12-31", 0),
        ]
        assert [f.records for f in tables.findings if f.code == "D316"] == [1]


def test_a_broken_parquet_file_is_refused_by_name(tmp_path):
    message = refusal(study(tmp_path, {"admissions.parquet": b"PAR1 not really"}, data=WINDOW))
    assert "X202  admissions.parquet cannot be read" in message


def test_work_files_are_gone_when_the_engine_closes(tmp_path):
    content = csv_text(episodes(APC)).encode("utf-16")
    with read(study(tmp_path, {"admissions.csv": content}, data=WINDOW)) as tables:
        assert tables.counts["stays"] == 3
        assert list((tmp_path / "work").rglob("*.csv"))
    assert not list((tmp_path / "work").rglob("*"))


@pytest.mark.parametrize("delimiter", [",", "|", "\t", ";"])
def test_the_delimiter_is_found_from_the_header(tmp_path, delimiter):
    with read(study(tmp_path, {"admissions.csv": csv_text(episodes(APC), delimiter)}, data=WINDOW)) as tables:
        assert rows_of(tables, "SELECT count(*), sum(emergency) FROM stays") == [(3, 3)]


def test_several_files_with_columns_moved_and_missing(tmp_path):
    first = csv_text(episodes(APC.splitlines()[0] + "\nA 2022-05-01 21"))
    moved = [dict(sorted(r.items())) for r in episodes("person admitted key\nB 2022-12-31 7")]
    for row in moved:
        del row["DIAG_20"], row["SEX"]
        row["WARD"] = "W"
    config = study(
        tmp_path,
        {"in/apc_1.csv": first, "in/apc_2.csv": csv_text(moved, "|")},
        data={"admissions": "in/apc_*.csv", **WINDOW},
    )
    with read(config) as tables:
        assert tables.counts["stays"] == 2
        assert [(f.where, f.detail) for f in tables.findings if f.code == "X210"] == [("in/apc_2.csv", "WARD")]
        assert [(s.name, s.rows) for s in tables.sources] == [("in/apc_1.csv", 1), ("in/apc_2.csv", 1)]


REFUSALS = {
    "missing file": (None, {"admissions": "apc_*.csv"}, ["X200", "no file matches apc_*.csv", "data.admissions"]),
    "empty file": ("", {}, ["X201", "admissions.csv is empty"]),
    "header only": (csv_text(episodes(APC)).splitlines()[0] + "\n", {}, ["X203", "holds a header and no rows"]),
    "renamed column": (csv_text(episodes(APC)).replace("ADMIMETH", "ADMI_METH"), {},
                       ["X204", "the column ADMIMETH (Admission method; text, because 2A to 2D are letters) is missing", "close names in the file: ADMI_METH",
                        '[data.columns] admissions = { admission_method = "ADMI_METH" }']),
    "unknown format": ("a,b\n1,2\n", {}, ["X208", "is in no known format for admissions", "allowed: cds_apc, hes_apc"]),
    "dates that do not read": (csv_text(episodes(APC)).replace("2022-05-01", "1st of May"), {},
                               ["X213", "more than 5% of ADMIDATE cannot be read as a date", "admissions.csv, line 2, column ADMIDATE: mixed characters", '[data.dates] admissions = "DD/MM/YYYY"']),
    "words for no date": (csv_text(episodes(APC)), {"sites": "places.csv"}, ["go_live cannot be read as a date", "places.csv, line 3, column go_live: letters", "leave a cell without a date blank"]),
    "commas between thousands": (csv_text(episodes(APC)), {"sites": "thousands.csv"}, ["population cannot be read as a number", "without words or commas between thousands"]),
    "keys read as decimals": (csv_text(episodes(APC)).replace("1001", "5.00E+11"), {}, ["EPIKEY cannot be read as a key", "number in scientific notation"]),
    "NHS number without a secret": (csv_text(episodes(APC)).replace("TOKEN_PERSON_ID", "NHS Number"), {"columns": {"admissions": {"person": "NHS Number"}}},
                                    ["X205", "the column NHS Number holds NHS numbers and there is no secret", "secret_file"]),
    "name mapped": (csv_text(episodes(APC)).replace("SITETRET", "Surname"), {"columns": {"admissions": {"treatment_site": "Surname"}}},
                    ["X206", "the column Surname identifies people and is not read"]),
    "unknown column mapped": (csv_text(episodes(APC)), {"columns": {"admissions": {"admissionmethod": "ADMIMETH"}}},
                              ["data.columns.admissions names 'admissionmethod', which is not a column of hes_apc"]),
    "half of the lines cut": (csv_text(episodes(APC)) + "x\ny\n", {}, ["X211", "more than 5% of the lines of admissions.csv"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_say_what_where_and_what_to_do(tmp_path, case):
    content, data, words = REFUSALS[case]
    (tmp_path / "places.csv").write_text("site,go_live\nRX1,2022-05-01\nRX2,never\n", encoding="utf-8")
    (tmp_path / "thousands.csv").write_text('site,go_live,population\nRX1,2022-05-01,"300,000"\n', encoding="utf-8")
    message = refusal(study(tmp_path, {} if content is None else {"admissions.csv": content}, data={**data, **WINDOW}))
    for word in words:
        assert word in message
    assert "1st of May" not in message


HEADERLESS = {
    "admissions.csv": csv_text(episodes("person admitted diag\nTEST0001 2022-05-01 F102\nSMITHJ 2022-05-02 K703")),
    "attendances.csv": "h\nTEST0001,AB12,2022-05-01,1,01,RX1\nSMITHJ,AB13,2022-05-01,1,01,RX1\n",
    "caseload.csv": "h\nSMITHJ,RX1,2022-06-01,,,moved\nTEST0001,RX1,2022-07-01,,,\n",
    "deaths.csv": "h\nSMITHJ,2022-06-01\nTEST0001,2022-07-01\n",
}


@pytest.mark.parametrize("form", [None, "declared"])
@pytest.mark.parametrize("name", HEADERLESS)
def test_a_file_without_its_header_never_prints_the_first_patient(tmp_path, name, form):
    files = {"admissions.csv": csv_text(episodes(APC)), name: HEADERLESS[name].split("\n", 1)[1]}
    table, known = name[:-4], {"admissions.csv": "hes_apc", "attendances.csv": "hes_ae"}
    formats = {table: known.get(name, table)} if form else {}
    message = refusal(study(tmp_path, files, data={**WINDOW, "formats": formats}))
    assert "line 1 does not hold column names (it may hold data)" in message
    assert "add the header line" in message
    for value in ("TEST0001", "SMITHJ", "2022-0", "F102", "K703", "moved", "AB12"):
        assert value not in message


def test_only_names_are_shown_of_a_header_and_of_sites(tmp_path):
    header = csv_text(episodes(APC)).replace("SITETRET", "19470312").replace("SEX", "X\x1b[31m")
    with read(study(tmp_path, {"admissions.csv": header}, data=WINDOW)) as tables:
        detail = next(f.detail for f in tables.findings if f.code == "X210")
    assert detail == "2 not shown, for they do not look like names"
    shifted = {
        "admissions.csv": csv_text(episodes(APC)),
        "caseload.csv": "site,person,referred\nTEST12345,RX1,2022-06-01\n",
    }
    message = refusal(study(tmp_path, shifted, data=WINDOW))
    assert "the caseload names unknown sites: 1 not shown" in message
    assert "TEST12345" not in message
    assert "\x1b" not in str(InputError(Problem("X200", "a\x1b[2Jb")))


def test_a_column_that_stands_twice_is_refused_by_name(tmp_path):
    rows = csv_text(episodes(APC)).splitlines()
    twice = "\n".join([rows[0] + ",admidate", *(r + ",2021-01-01" for r in rows[1:])]) + "\n"
    message = refusal(study(tmp_path, {"admissions.csv": twice}, data=WINDOW))
    assert "the column ADMIDATE stands 2 times in the header" in message
    assert "take the others out" in message


def test_nul_bytes_in_a_key_are_refused_as_binary(tmp_path):
    content = csv_text(episodes(APC)).replace("1002", "10\x0002")
    message = refusal(study(tmp_path, {"admissions.csv": content}, data=WINDOW))
    assert "admissions.csv holds NUL bytes: it is damaged or no text file" in message
    assert "line 3, column EPIKEY" in message
    assert "put NULLIF(column, '') in its query" in message
    message = refusal(study(tmp_path, {"admissions.csv": content.replace("ADMIDATE", "ADMI\x00DATE")}, data=WINDOW))
    assert "holds NUL bytes" in message


def test_a_zip_with_a_password_is_refused_in_words(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("extract.csv", csv_text(episodes(APC)))
    content = bytearray(packed.getvalue())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    message = refusal(study(tmp_path, {"admissions.zip": bytes(content)}, data=WINDOW))
    assert "X202  admissions.zip is protected by a password" in message


def test_what_macos_packs_beside_a_file_is_no_second_file(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("year/extract.csv", text(PLAIN))
        for name in ("__MACOSX/year/._extract.csv", "year/.DS_Store", "._x"):
            archive.writestr(name, b"\0\1")
    assert ingest(tmp_path, packed.getvalue(), "visits.zip")[0].rows == 12
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("year/other.csv", text(PLAIN))
    message = refusal(study(tmp_path, {"admissions.zip": packed.getvalue()}, data=WINDOW))
    assert "X202  admissions.zip holds 2 files" in message


@pytest.mark.parametrize(
    ("old", "new"), [("SITETRET", '"Site\nof treatment"'), ("DIAG_20", '"DIAG\n20"'), ("ADMIMETH", '"ADMIMETH')]
)
def test_a_column_name_with_a_line_break_is_refused_as_that(tmp_path, old, new):
    content = csv_text(episodes(APC)).replace(old, new, 1)
    message = refusal(study(tmp_path, {"admissions.csv": content}, data=WINDOW))
    assert "X201  the header of admissions.csv does not end with line 1: a quotation mark is still open" in message
    assert "take the line break out of the column name" in message


def test_a_folder_is_said_to_be_one_with_the_pattern_for_its_files(tmp_path):
    (tmp_path / "extracts").mkdir()
    message = refusal(study(tmp_path, {}, data={"admissions": "extracts/"}))
    assert "X200  extracts/ is a folder" in message
    assert 'name its files: admissions = "extracts/*.csv", or *.parquet' in message


def test_a_line_for_excel_is_refused_with_what_to_do(tmp_path):
    content = "sep=;\n" + csv_text(episodes(APC), ";")
    message = refusal(study(tmp_path, {"admissions.csv": content}, data=WINDOW))
    assert "admissions.csv begins with a line for Excel (sep=)" in message
    assert "delete the first line" in message


@pytest.mark.parametrize(
    ("population", "words"),
    [
        ("inf", "population cannot be read as a number"),
        ("nan", "population cannot be read as a number"),
        ("2e9", "population or beds of RX1 are above a thousand million"),
    ],
)
def test_an_absurd_population_is_refused(tmp_path, population, words):
    files = {
        "admissions.csv": csv_text(episodes(APC)),
        "sites.csv": f"site,go_live,population\nRX1,2022-06,{population}\n",
    }
    assert words in refusal(study(tmp_path, files, data=WINDOW))


@pytest.mark.parametrize("memory", ["lots", "1GB'; DROP"])
def test_a_memory_that_is_no_size_is_refused_in_words(tmp_path, memory):
    with pytest.raises(InputError, match="a size such as 1GB, at least 100MB"):
        open_engine("duckdb", tmp_path, memory=memory)
    assert not list(tmp_path.iterdir())


def test_a_memory_that_is_a_size_is_taken(tmp_path):
    for memory in ("100MB", "0.5 GB", "1GiB"):
        open_engine("duckdb", tmp_path, memory=memory).close()


def test_keys_for_no_table_and_keys_for_a_panel_are_refused(tmp_path):
    keys = {"columns": {"admision": {"person": "P"}}, "dates": {"caselod": "DD/MM/YYYY"}, "formats": {"beds": "x"}}
    asked = {"service_start": "2022-06", "comparison": ["RX2"]}
    message = refusal(
        study(tmp_path, {"admissions.csv": csv_text(episodes(APC))}, data={**WINDOW, **keys}, study=asked)
    )
    for word in (
        "data.columns names the table 'admision', which there is not",
        "did you mean 'admissions'?",
        "did you mean 'caseload'?",
        "data.formats names the table 'beds'",
        "study.service_start is only for an already aggregated panel",
        "study.comparison is only for an already aggregated panel",
        "sites table: go_live",
    ):
        assert word in message


def test_tables_still_blank_after_the_start_of_a_study_are_named_together(tmp_path):
    files = {
        "admissions.csv": csv_text(episodes(APC)),
        "caseload.csv": "person,site,referred,started,ended,reason\n",
        "sites.csv": "site,go_live,population,beds\nRX1,,,\n",
    }
    message = refusal(study(tmp_path, files, data=WINDOW))
    assert "caseload.csv is still blank: this table is yours to fill in" in message
    assert "sites.csv is still blank: no site has a go_live" in message
    assert "ask for the file again" not in message


@pytest.mark.parametrize(("positions", "expected"), [(20, "6 in apc_2.csv; 20 in apc_1.csv and 1 more"), (6, None)])
def test_files_with_fewer_diagnosis_fields_than_others_are_said_unless_the_fewest_are_looked_at(
    tmp_path, positions, expected
):
    drawn = "person admitted key\nA 2022-05-01 {}1\nZ 2022-12-31 {}2"
    files = {f"apc_{i}.csv": episodes(drawn.format(i, i)) for i in (1, 2, 3)}
    for row in files["apc_2.csv"]:
        for i in range(7, 21):
            del row[f"DIAG_{i:02d}"]
    config = study(
        tmp_path,
        {name: csv_text(rows) for name, rows in files.items()},
        data={**WINDOW, "admissions": "apc_*.csv"},
        counting={"positions": positions},
    )
    with read(config) as tables:
        found = [f.detail for f in tables.findings if f.code == "D375"]
    assert found == ([f"{expected}; positions = 6 looks at the same in all"] if expected else [])


def test_columns_not_read_are_one_finding_for_all_files_of_a_table(tmp_path):
    rows = episodes(APC)
    files = {
        f"in/apc_{i}.csv": csv_text(
            [{**r, "EPIKEY": r["EPIKEY"] + str(i), "WARD": "W", f"EXTRA{i}": "1"} for r in rows]
        )
        for i in (1, 2)
    }
    with read(study(tmp_path, files, data={"admissions": "in/apc_*.csv", **WINDOW})) as tables:
        found = [(f.where, f.detail) for f in tables.findings if f.code == "X210"]
    assert found == [("admissions, 2 files", "WARD, EXTRA1, EXTRA2")]


def test_all_files_are_judged_before_stopping(tmp_path):
    files = {"admissions.csv": "", "caseload.csv": "person,site\nA,RX1\n", "sites.csv": "place\nRX1\n"}
    message = refusal(study(tmp_path, files, data={**WINDOW, "deaths": "nowhere.csv"}))
    for word in (
        "admissions.csv is empty",
        "the column referred (Date of referral) is missing",
        "the header of sites.csv",
        "there is no file nowhere.csv",
    ):
        assert word in message


def test_nhs_numbers_under_another_name_are_refused(tmp_path):
    content = csv_text(episodes("person admitted\n9434765919 2022-05-01\n9434765919 2022-12-31"))
    assert "holds NHS numbers and there is no secret" in refusal(
        study(tmp_path, {"admissions.csv": content}, data=WINDOW)
    )


def test_with_a_secret_numbers_become_keyed_hashes_and_still_match(tmp_path):
    content = csv_text(episodes("person admitted\n9434765919 2022-05-01\n4010232137 2022-12-31")).replace(
        "TOKEN_PERSON_ID", "NHS Number"
    )
    files = {
        "admissions.csv": content,
        "caseload.csv": "NHS Number,site,referred\n943 476 5919,RX1,2022-06-01\n",
        "keys/aaot.key": "a long enough secret of the trust",
    }
    config = study(
        tmp_path, files, data={**WINDOW, "person_key": {"column": "NHS Number", "secret_file": "keys/aaot.key"}}
    )
    with read(config) as tables:
        tokens = [r[0] for r in tables.engine.rows("SELECT token FROM persons")]
        assert len(tokens) == 2
        assert all(len(t) == 64 and "9434765919" not in t for t in tokens)
        assert rows_of(tables, "SELECT count(*) FROM caseload c JOIN stays s ON s.person = c.person") == [(1,)]


@pytest.mark.parametrize(
    ("days", "read_as"),
    [
        (["13/04/2022", "02/05/2022"], ["2022-04-13", "2022-05-02"]),
        (["04/13/2022", "02/05/2022"], ["2022-04-13", "2022-02-05"]),
    ],
)
def test_the_order_of_day_and_month_is_taken_from_the_whole_column(tmp_path, days, read_as):
    caseload = "person,site,referred\n" + "".join(f"{p},RX1,{d}\n" for p, d in zip("AB", days, strict=True))
    apc = csv_text(episodes("person admitted\nA 2022-01-01\nB 2022-06-01\nC 2022-12-31"))
    with read(study(tmp_path, {"admissions.csv": apc, "caseload.csv": caseload}, data=WINDOW)) as tables:
        assert [r[0] for r in rows_of(tables, "SELECT referred FROM caseload ORDER BY person")] == read_as


def test_dates_that_can_be_read_both_ways_are_refused_until_declared(tmp_path):
    files = {
        "admissions.csv": csv_text(episodes("person admitted\nA 2022-01-01\nC 2022-12-31")),
        "caseload.csv": "person,site,referred\nA,RX1,03/04/2022\n",
    }
    message = refusal(study(tmp_path, files, data=WINDOW))
    assert "the dates in referred can be read as day/month or as month/day" in message
    assert '[data.dates] caseload = "DD/MM/YYYY"' in message
    with read(study(tmp_path, files, data={**WINDOW, "dates": {"caseload": "DD/MM/YYYY"}})) as tables:
        assert rows_of(tables, "SELECT referred FROM caseload") == [("2022-04-03",)]


@pytest.mark.parametrize(
    ("declared", "written"),
    [
        ("dd/mm/yyyy", "03/04/2022"),
        ("DD.MM.YYYY", "03.04.2022"),
        ("dd/mm/yyyy hh:mm", "03/04/2022 00:00"),
        ("DD-MMM-YYYY HH:MM:SS", "03-Apr-2022 00:00:00"),
        ("DDMMYYYY", "03042022"),
        ("DD/MM/YY", "03/04/22"),
        ("DD-MMM-YY", "03-APR-22"),
        ("%d/%m/%Y %I:%M:%S %p", "03/04/2022 12:00:00 AM"),
    ],
)
def test_a_spelling_of_dates_is_declared_in_capitals_or_not_and_with_a_time(tmp_path, declared, written):
    files = {
        "admissions.csv": csv_text(episodes("person admitted\nA 2022-01-01\nC 2022-12-31")),
        "caseload.csv": f"person,site,referred\nA,RX1,{written}\n",
    }
    with read(study(tmp_path, files, data={**WINDOW, "dates": {"caseload": declared}})) as tables:
        assert rows_of(tables, "SELECT referred FROM caseload") == [("2022-04-03",)]


@pytest.mark.parametrize("declared", ["DD.MM.YYYY", "DD-MMM-YYYY", "DD/MM/YYYY HH:MM", "DDMMYYYY", "YYYY/MM/DD"])
def test_a_date_that_means_none_is_none_in_the_spelling_of_the_others(tmp_path, declared):
    """No cell is rejected, and the episode leaves for want of an admission date as it would in ISO dates."""
    rows = episodes(
        "person admitted end left\nA 2022-05-01 2022-05-03 1801-01-01\nB 1800-01-01 2022-05-04 2022-05-04\nZ 2022-12-31 2022-12-31 2022-12-31"
    )
    spelled = date_spelling(declared)
    for row in rows:
        row |= {n: spelled(row[n]) for n in ("ADMIDATE", "EPISTART", "EPIEND", "DISDATE")}
    config = study(tmp_path, {"admissions.csv": csv_text(rows)}, data={**WINDOW, "dates": {"admissions": declared}})
    with read(config) as tables:
        assert tables.counts["rejects"] == 0
        assert [s.lost for s in tables.flow if s.reason == "no admission date"] == [1]
        assert rows_of(tables, "SELECT discharge_date FROM episodes ORDER BY row") == [(None,), ("2022-12-31",)]


def date_spelling(declared: str):
    """What writes an ISO date as declared."""
    pattern = strptime_pattern(declared)
    return lambda text: datetime.fromisoformat(text).strftime(pattern)


@pytest.mark.parametrize("declared", ["", "day first", "YYYY", "MM/YYYY", "%Q", "%", "DD/MM/YYYY %", "%d/%m"])
def test_a_spelling_that_tells_no_day_is_refused_where_it_stands(tmp_path, declared):
    with pytest.raises(ValidationError, match="does not say how a date is written"):
        study(tmp_path, {"admissions.csv": "x\n"}, data={"dates": {"admissions": declared}})


def test_a_column_is_read_under_the_name_that_the_config_maps(tmp_path):
    content = csv_text(episodes(APC)).replace("ADMIMETH", "How admitted")
    config = study(
        tmp_path,
        {"admissions.csv": content},
        data={**WINDOW, "columns": {"admissions": {"admission_method": "How admitted"}}},
    )
    with read(config) as tables:
        assert rows_of(tables, "SELECT sum(emergency) FROM stays") == [(3,)]


def test_a_drawn_table_reads_as_drawn():
    assert table("a b\n1 .\n") == [{"a": "1", "b": ""}]


def test_a_column_missing_from_every_file_is_said_once_with_their_number(tmp_path):
    rows = episodes("person admitted\nA 2022-05-01")
    for row in rows:
        del row["EPISTART"]
    config = study(tmp_path, {f"apc_{i}.csv": csv_text(rows) for i in range(7)}, data={"admissions": "apc_*.csv"})
    with pytest.raises(InputError) as refused, read(config):
        pass
    (problem,) = refused.value.problems
    assert problem.code == "X204"
    assert problem.where.endswith("apc_0.csv and 6 more files")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda text: text.replace("2022-05", "2022.5"), "X213"),
        (lambda text: text.replace("\n", "\nx,\nx,\n", 1), "X211"),
        (
            lambda text: text.replace("ADMIDATE", "a").replace("EPI", "b").replace("DIS", "c").replace("ADMI", "d"),
            "X208",
        ),
        (lambda text: text.encode("utf-16-le"), "X202"),
    ],
)
def test_the_same_fault_of_every_year_is_said_once(tmp_path, spoil, code):
    files = {f"apc_{i}.csv": spoil(csv_text(episodes("person admitted\nA 2022-05-01"))) for i in range(7)}
    with pytest.raises(InputError) as refused, read(study(tmp_path, files, data={"admissions": "apc_*.csv"})):
        pass
    problems = [p for p in refused.value.problems if p.code == code]
    assert {p.code for p in refused.value.problems} == {code}
    assert all("apc_0.csv" in p.where and p.where.endswith("and 6 more files") for p in problems)
    assert len({p.what for p in problems}) == len(problems)


def test_different_problems_of_files_are_all_said(tmp_path):
    rows = episodes("person admitted\nA 2022-05-01")
    other = [{k: v for k, v in row.items() if k != "EPIEND"} for row in rows]
    files = {
        "apc_1.csv": csv_text([{k: v for k, v in r.items() if k != "EPISTART"} for r in rows]),
        "apc_2.csv": csv_text(other),
    }
    with pytest.raises(InputError) as refused, read(study(tmp_path, files, data={"admissions": "apc_*.csv"})):
        pass
    assert [p.what.split()[2] for p in refused.value.problems] == ["EPISTART", "EPIEND"]


def test_keys_of_twenty_digits_stay_apart(tmp_path):
    """Read as numbers, the two would be one: they differ in the last digit only."""
    rows = episodes(
        "person admitted end key\nA 2022-05-01 2022-05-01 50009876543210987651\nB 2022-05-31 2022-05-31 50009876543210987652"
    )
    with read(study(tmp_path, {"admissions.csv": csv_text(rows)})) as tables:
        assert rows_of(tables, "SELECT episode_key FROM episodes ORDER BY episode_key") == [
            ("50009876543210987651",), ("50009876543210987652",),
        ]  # fmt: skip


def test_a_column_that_is_called_otherwise_in_one_year_is_mapped_by_a_list(tmp_path):
    rows = episodes("person admitted method\nA 2022-05-01 21\nB 2022-12-31 11")
    renamed = [{("Method of Admission" if k == "ADMIMETH" else k): v for k, v in r.items()} for r in rows[1:]]
    files = {"apc_1.csv": csv_text(rows[:1]), "apc_2.csv": csv_text(renamed)}
    data = {"admissions": "apc_*.csv", "complete_to": "2022-12-31"}
    one = study(tmp_path / "one", files, data=data | {"columns": {"admissions": {"admission_method": "ADMIMETH"}}})
    with pytest.raises(InputError) as refused, read(one):
        pass
    assert 'admission_method = ["ONE NAME", "THE OTHER"]' in refused.value.problems[0].do
    both = {"admissions": {"admission_method": ["ADMIMETH", "Method of Admission"]}}
    with read(study(tmp_path / "both", files, data=data | {"columns": both})) as tables:
        assert rows_of(tables, "SELECT admission_method FROM episodes ORDER BY row") == [("21",), ("11",)]


@pytest.mark.parametrize(
    ("beside", "line"),
    [
        ({}, '"Method of Admission"'),
        # Of the same letters as ADMIMETH for the most part, and another thing.
        ({"ADMINCAT": "01", "EPIDUR": "3"}, '"Method of Admission"'),
        ({"ADMI_METHD": "21"}, '"NAME IN YOUR FILE"'),
    ],
)
def test_a_name_is_put_into_the_line_to_paste_only_when_it_is_the_only_close_one(tmp_path, beside, line):
    rows = [
        {("Method of Admission" if k == "ADMIMETH" else k): v for k, v in r.items()} | beside
        for r in episodes("person\nA")
    ]
    with pytest.raises(InputError) as refused, read(study(tmp_path, {"admissions.csv": csv_text(rows)})):
        pass
    (problem,) = refused.value.problems
    assert "Method of Admission" in problem.allowed
    assert not {"ADMINCAT", "EPIDUR"} & set(problem.allowed.replace(",", "").split())
    assert f"admission_method = {line}" in problem.do
