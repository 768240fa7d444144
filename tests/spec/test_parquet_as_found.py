"""A Parquet file that is read where it lies gives the same table as one that is read and written anew, and is left as it was."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import aaot_eval.engine.duckdb
from aaot_eval.engine import ReadPlan, open_engine
from aaot_eval.engine.duckdb_as_found import MOST_OTHERS
from aaot_eval.engine.files import inspect_file
from aaot_eval.errors import InputError
from aaot_eval.schema import table_schema
from tests.drawn import episodes, study
from tests.drawn import read as read_study

SCHEMA = table_schema("extracts", "hes_apc")
NAMES = {
    "person": "TOKEN_PERSON_ID", "episode_key": "EPIKEY", "admission_date": "ADMIDATE", "episode_start": "EPISTART",
    "episode_end": "EPIEND", "discharge_date": "DISDATE", "episode_order": "EPIORDER", "episode_status": "EPISTAT",
    "patient_class": "CLASSPAT", "admission_method": "ADMIMETH", "provider": "PROCODE3", "treatment_site": "SITETRET",
    "sex": "SEX", "age": "STARTAGE", "deprivation": "IMD04_DECILE", "diag_01": "DIAG_01", "diag_02": "DIAG_02",
}  # fmt: skip
DAYS = [date(2021, 5, 1), date(2022, 12, 31), date(1800, 1, 1), date(1582, 10, 15), None]
DECILES = ["LEAST DEPRIVED 10%", "MOST DEPRIVED 10%", "5", None]


def clean(rows: int = 400, seed: int = 1) -> dict[str, pa.Array]:
    """A file as a data platform writes it: dates as dates, numbers as numbers, codes in capitals, marks of missing values among them."""
    rng = np.random.default_rng(seed)

    def some(*values: object) -> pa.Array:
        return pa.array([values[i] for i in rng.integers(0, len(values), rows)])

    return {
        "person": some("3F2A-0001", "3F2A-0002", "0", "NA", "unknown", None),
        "episode_key": pa.array([int(k) for k in rng.permutation(rows) + 500_000_000_000], pa.int64()),
        "admission_date": some(*DAYS), "episode_start": some(*DAYS), "episode_end": some(*DAYS), "discharge_date": some(*DAYS),
        "episode_order": some(1, 2, 98, 99, None), "episode_status": some(3, 1), "patient_class": some(1, 2, 5),
        "admission_method": some("21", "2A", "28", "NULL", None), "provider": some("RXX", "RYY", "89999"),
        "treatment_site": some("RXX01", "RYY02", ""), "sex": some(1, 2, 9), "age": some(20, 0, 999, 7003),
        "deprivation": some(*DECILES), "diag_01": some("F102", "K703", "-", None), "diag_02": some("F10", "E102D", None),
    }  # fmt: skip


def written(path: Path, columns: dict[str, pa.Array]) -> Path:
    pq.write_table(pa.table({NAMES[c]: values for c, values in columns.items()}), path, row_group_size=100)
    return path


def rows_read(home: Path, *paths: Path, schema=SCHEMA, columns=NAMES, **changes):
    """The rows that the engine has of files, their types, the reports, the rejects, and how many files it wrote for them."""
    home.mkdir()
    engine = open_engine("duckdb", home / "work")
    try:
        found = [inspect_file(path, engine.folder) for path in paths]
        held = [{ours: theirs for ours, theirs in columns.items() if theirs in file.header} for file in found]
        plans = [
            replace(ReadPlan(file, schema, names, file.path.name, load=n), **changes)
            for n, (file, names) in enumerate(zip(found, held, strict=True), start=1)
        ]
        reports = engine.ingest(plans, "episodes_read")
        given = ", ".join(f"CAST({c} AS VARCHAR)" for c in ("load", "row", *schema.names))
        return {
            "rows": engine.rows(f"SELECT {given} FROM episodes_read ORDER BY row"),
            "reports": reports,
            "rejects": engine.rows(
                'SELECT file, line, "column", reason, value_class, row_lost FROM rejects ORDER BY ALL'
            ),
            "codes": engine.distinct_codes("episodes_read"),
            "types": {r[0]: r[1].split("(")[0] for r in engine.rows("DESCRIBE episodes_read")},
        }, len(list(engine.folder.rglob("episodes_read-*.parquet")))
    finally:
        engine.close()


def both_ways(tmp_path, monkeypatch, *paths: Path, **given):
    """What is read where the files lie, and what is read when they are written anew; and how many files were written the first way."""
    as_found, files = rows_read(tmp_path / "as_found", *paths, **given)
    monkeypatch.setattr(aaot_eval.engine.duckdb, "rows_as_found", lambda db, plan: None)
    anew, _ = rows_read(tmp_path / "anew", *paths, **given)
    monkeypatch.undo()
    return as_found, anew, files


@pytest.mark.parametrize("seed", range(5))
def test_a_clean_file_is_the_same_table_without_a_copy(tmp_path, monkeypatch, seed):
    path = written(tmp_path / "apc.parquet", clean(seed=seed))
    as_found, anew, files = both_ways(tmp_path, monkeypatch, path)
    assert files == 0
    assert len(as_found["rows"]) == 400
    assert as_found == anew


def with_cells(column: str, *cells: object, kind: pa.DataType | None = None) -> dict[str, pa.Array]:
    columns = clean()
    held = columns[column].to_pylist()
    columns[column] = pa.array([*cells, *held[len(cells) :]], kind)
    return columns


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        (pa.array([500, 100, None, 999] * 100), "BIGINT"),
        (pa.array([500, 99, None, 999] * 100), "VARCHAR"),
        (pa.array([-50, -10, None, -99] * 100), "VARCHAR"),
        (pa.array([0, 1, 2, None] * 100), "BIGINT"),
        (pa.array(["50000", "10000", None, "99999"] * 100), "BIGINT"),
        (pa.array(["5000A", "10000", None, "99999"] * 100), "VARCHAR"),
        (pa.array(["NULL", "10000", None, "99999"] * 100), "VARCHAR"),
        (pa.array([None] * 400, pa.int64()), "VARCHAR"),
    ],
)
def test_keys_as_found_are_numbers_where_their_bounds_have_as_many_digits(tmp_path, monkeypatch, keys, kind):
    columns = clean() | {"episode_key": keys}
    as_found, anew, files = both_ways(tmp_path, monkeypatch, written(tmp_path / "apc.parquet", columns))
    assert files == 0
    assert as_found["types"]["episode_key"] == kind
    assert as_found["rows"] == anew["rows"]


@pytest.mark.parametrize("year", [1849, 1850, 1900, 2199, 2200])
def test_dates_are_taken_as_they_stand_where_their_bounds_are_days_of_a_life(tmp_path, monkeypatch, year):
    days = pa.array([date(year, 1, 1), date(2021, 5, 1), None, date(year, 12, 31)] * 100)
    columns = clean() | {"admission_date": days, "discharge_date": days}
    as_found, anew, _ = both_ways(tmp_path, monkeypatch, written(tmp_path / "apc.parquet", columns))
    assert as_found == anew


MANY = [f"f{n}" for n in range(100, 100 + MOST_OTHERS + 1)]
UNLIKE = {
    "many keys of people with spaces": with_cells("person", *[f" 3F2A-{n:04d}" for n in range(MOST_OTHERS + 1)]),
    "dates as text": clean() | {"admission_date": pa.array(["01/05/2021", "20210501"] * 200)},
    "dates with a time": clean() | {"discharge_date": pa.array(pd.to_datetime(["2021-05-01 13:00"] * 400))},
    "a date that nobody lived on": with_cells("episode_start", date(1700, 1, 1)),
    "a date far ahead": with_cells("episode_end", date(2999, 12, 31)),
    "ages as decimals": clean() | {"age": pa.array([20.0, None, 31.5, 4.0] * 100)},
    "numbers as text": clean() | {"episode_status": pa.array(["3", "x", "3.0", "1"] * 100)},
    "a number that is too large": with_cells("age", 3_000_000_000, kind=pa.int64()),
    "keys with a full stop": clean() | {"episode_key": pa.array([f"K{n}" for n in range(399)] + ["K.1"])},
    "many codes in small letters": with_cells("diag_01", *MANY),
    "codes as decimals": clean() | {"sex": pa.array([1.0, 2.0] * 200)},
}  # fmt: skip


FEW = {
    "a few codes in small letters": with_cells("diag_01", "f102", "k703", "f102"),
    "a person's key with spaces": with_cells("person", " 3F2A-0001", "3F2A-0001 ", "3F2A-0001"),
    "a code with spaces": with_cells("provider", " RXX", "RXX  "),
    "keys that are text": clean() | {"episode_key": pa.array([f"K{n}" for n in range(400)])},
    "no value at all": clean() | {"admission_method": pa.array([None] * 400, pa.string())},
    "numbers as small as they come": clean() | {"episode_order": pa.array([1, 2, 98, None] * 100, pa.int8())},
    "no row": {c: values[:0] for c, values in clean().items()},
}  # fmt: skip


@pytest.mark.parametrize(("case", "copies"), [*((c, 1) for c in UNLIKE), *((c, 0) for c in FEW)])
def test_a_few_odd_codes_are_mended_on_the_way_and_anything_else_is_written_anew(tmp_path, monkeypatch, case, copies):
    path = written(tmp_path / "apc.parquet", (UNLIKE | FEW)[case])
    as_found, anew, files = both_ways(tmp_path, monkeypatch, path)
    assert files == copies
    assert as_found == anew


def test_a_file_with_a_column_named_as_the_number_of_its_row_is_read(tmp_path, monkeypatch):
    table = pa.table({NAMES[c]: values for c, values in clean().items()} | {"File_Row_Number": pa.array(range(400))})
    pq.write_table(table, tmp_path / "apc.parquet")
    as_found, anew, files = both_ways(tmp_path, monkeypatch, tmp_path / "apc.parquet")
    assert files == 1
    assert as_found == anew


def test_whole_numbers_that_are_codes_of_another_system_become_ours(tmp_path, monkeypatch):
    schema = table_schema("extracts", "sus_apc")
    pq.write_table(
        pa.table({"FCE_FLAG": pa.array([1, 0, None, 7], pa.int8()), "KEY": ["K1", "K2", "K3", "K4"]}),
        tmp_path / "sus.parquet",
    )
    names = {"episode_status": "FCE_FLAG", "episode_key": "KEY"}
    as_found, anew, files = both_ways(tmp_path, monkeypatch, tmp_path / "sus.parquet", schema=schema, columns=names)
    assert files == 0
    assert [row[2 + schema.names.index("episode_status")] for row in as_found["rows"]] == ["3", "1", None, "7"]
    assert as_found == anew


@pytest.mark.parametrize("folder", ["SEX=9", "sex=9", "STARTAGE=5", "EPIKEY=K1"])
def test_the_name_of_a_folder_is_no_value_of_a_column(tmp_path, monkeypatch, folder):
    (tmp_path / folder).mkdir()
    plain, _ = rows_read(tmp_path / "plain", written(tmp_path / "apc.parquet", clean()))
    as_found, anew, _ = both_ways(tmp_path / folder, monkeypatch, written(tmp_path / folder / "apc.parquet", clean()))
    assert as_found == anew == plain


@pytest.mark.parametrize(("name", "other"), [("x[1]", "x1"), ("x?", "xy"), ("x*", "xyz"), ("[x]", "x"), ("x]", "x")])
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names but those in brackets")
def test_a_name_with_the_signs_of_a_pattern_is_that_file_alone(tmp_path, monkeypatch, name, other):
    (tmp_path / name).mkdir()
    (tmp_path / other).mkdir()
    right, wrong = (written(tmp_path / name / f"{n}.parquet", clean(seed=i)) for i, n in enumerate((name, other)))
    written(tmp_path / other / right.name, clean(seed=3))
    plain, _ = rows_read(tmp_path / "plain", written(tmp_path / "apc.parquet", clean(seed=0)))
    as_found, anew, _ = both_ways(tmp_path / name, monkeypatch, right)
    assert wrong.is_file()
    assert as_found["rows"] == anew["rows"] == plain["rows"]


def test_files_of_both_kinds_are_one_table(tmp_path, monkeypatch):
    paths = [
        written(tmp_path / f"{n}.parquet", columns)
        for n, columns in enumerate(
            (clean(seed=1), UNLIKE["many codes in small letters"], clean(seed=2), UNLIKE["dates as text"])
        )
    ]
    as_found, anew, files = both_ways(tmp_path, monkeypatch, *paths)
    assert files == 2
    assert [report.rows for report in as_found["reports"]] == [400] * 4
    assert {row[0] for row in as_found["rows"]} == {"1", "2", "3", "4"}
    assert as_found == anew


def test_a_column_that_one_of_several_files_lacks_is_empty_there_alone(tmp_path, monkeypatch):
    lacking = {c: values for c, values in clean(seed=3).items() if c != "treatment_site"}
    anew = UNLIKE["many codes in small letters"]
    shorter = {c: values for c, values in anew.items() if c != "treatment_site"}
    columns = {"a": lacking, "b": clean(seed=4), "c": shorter, "d": anew}
    paths = [written(tmp_path / f"{name}.parquet", held) for name, held in columns.items()]
    as_found, copied, files = both_ways(tmp_path, monkeypatch, *paths)
    assert files == 2
    assert as_found == copied
    site = 2 + SCHEMA.names.index("treatment_site")
    filled = {load: {r[site] for r in as_found["rows"] if r[0] == load} for load in ("1", "2", "3", "4")}
    assert filled == {"1": {None}, "2": {"RXX01", "RYY02", None}, "3": {None}, "4": {"RXX01", "RYY02", None}}


def test_a_number_that_has_to_be_hashed_is_written_anew(tmp_path):
    path = written(tmp_path / "apc.parquet", clean())
    found, files = rows_read(tmp_path / "hashed", path, key=b"k" * 32)
    assert files == 1
    assert "3F2A-0001" not in {r[2 + SCHEMA.names.index("person")] for r in found["rows"]}


def test_people_who_opted_out_are_not_in_the_table(tmp_path):
    path = written(tmp_path / "apc.parquet", clean())
    (tmp_path / "opt_out.csv").write_text("person\n3F2A-0001\n", encoding="utf-8")
    engine = open_engine("duckdb", tmp_path / "work")
    try:
        listed = ReadPlan(
            inspect_file(tmp_path / "opt_out.csv", engine.folder),
            table_schema("extracts", "opt_out"),
            {"person": "person"},
            "opt_out",
        )
        engine.leave_out([listed])
        (report,) = engine.ingest([ReadPlan(inspect_file(path, engine.folder), SCHEMA, NAMES, "apc")], "episodes_read")
        assert report.opted_out > 0
        assert engine.rows("SELECT count(*) FROM episodes_read WHERE person = '3F2A-0001'") == [(0,)]
        assert engine.rows("SELECT count(*) FROM episodes_read") == [(400 - report.opted_out,)]
    finally:
        engine.close()


DRAWN = "person admitted left method diag\nA 2022-05-01 2022-05-04 21 F102\nB 2022-06-01 2022-06-02 2A K703\nC 2022-12-31 2022-12-31 21 R074"


def typed(home: Path) -> Path:
    """The drawn episodes as a data platform would hold them."""
    frame = pd.DataFrame(episodes(DRAWN)).replace("", None)
    for column in ("ADMIDATE", "EPISTART", "EPIEND", "DISDATE"):
        frame[column] = pd.to_datetime(frame[column]).dt.date
    for column in ("EPISTAT", "EPIORDER", "STARTAGE"):
        frame[column] = pd.to_numeric(frame[column]).astype("Int64")
    frame.to_parquet(home / "made.parquet")
    return home / "made.parquet"


def test_the_file_is_as_it_was_when_the_run_is_over(tmp_path):
    content = typed(tmp_path).read_bytes()
    config = study(tmp_path, {"admissions.parquet": content}, data={"complete_to": "2022-12-31"})
    before = (tmp_path / "admissions.parquet").stat()
    with read_study(config) as tables:
        assert tables.counts["stays"] == 3
        assert not list((tmp_path / "work").rglob("episodes_read-*.parquet"))
    after = (tmp_path / "admissions.parquet").stat()
    assert (tmp_path / "admissions.parquet").read_bytes() == content
    assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)


def test_a_file_that_is_gone_when_a_step_asks_for_it_is_named(tmp_path):
    path = written(tmp_path / "apc.parquet", clean())
    engine = open_engine("duckdb", tmp_path / "work")
    try:
        engine.ingest([ReadPlan(inspect_file(path, engine.folder), SCHEMA, NAMES, "apc.parquet")], "episodes_read")
        path.unlink()
        with pytest.raises(InputError, match=r"X219  apc\.parquet was changed while it was being read"):
            engine.match_codes("episodes_read", {"alcohol": ["F102"]}, "coded")
    finally:
        engine.close()


def test_a_file_that_changes_while_it_is_read_stops_the_run(tmp_path):
    path = written(tmp_path / "apc.parquet", clean())
    engine = open_engine("duckdb", tmp_path / "work")
    try:
        engine.ingest([ReadPlan(inspect_file(path, engine.folder), SCHEMA, NAMES, "apc.parquet")], "episodes_read")
        os.utime(path, ns=(1, 1))
        with pytest.raises(InputError, match=r"X219  apc\.parquet was changed while it was being read"):
            engine.drop("episodes_read")
    finally:
        engine.close()
    assert path.is_file()
