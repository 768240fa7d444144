"""What was read lies in files of rows: in the order of the extract, numbered through, without who had to leave, in little memory."""

from __future__ import annotations

import errno

import duckdb
import pandas as pd
import pytest

from aaot_eval.engine import duckdb as duckdb_engine
from aaot_eval.engine import duckdb_reading, files, open_engine
from aaot_eval.engine.steps import step
from aaot_eval.errors import InputError
from aaot_eval.ingest import read_extracts, read_tables
from aaot_eval.panel import build_panel
from tests.drawn import csv_text, episodes, read, rows_of, study, two_years


@pytest.fixture
def engine(tmp_path):
    opened = open_engine("duckdb", tmp_path / "work", memory="150MB", threads=2)
    yield opened
    opened.close()


def many(n: int, first: int = 0) -> str:
    """An extract of n episodes whose keys tell their order, with codes enough to fill dictionaries."""
    rows = episodes("\n".join(["person key diag", *(f"P{i % 977} {i} {'+'.join(f'{c}{(i * 7 + k) % 100:02d}{k % 10}' for k, c in enumerate('ABCDEFGHIJ'))}"
                                                    for i in range(first, first + n))]))  # fmt: skip
    return csv_text(rows)


def test_rows_keep_the_order_of_the_file_and_numbers_go_on_over_files_in_little_memory(tmp_path, engine):
    # More rows than one group of the file of rows holds, read by two threads.
    config = study(tmp_path, {"a.csv": many(70_000), "b.csv": many(5, 70_000)}, data={"admissions": ["a.csv", "b.csv"]})
    read_extracts(config, engine)
    found = engine.rows("SELECT row, CAST(episode_key AS BIGINT), load FROM episodes_read ORDER BY row")
    assert [(row, key) for row, key, _ in found] == [(i + 1, i) for i in range(70_005)]
    assert [load for _, _, load in found] == [1] * 70_000 + [2] * 5


def test_a_row_that_lost_what_it_needs_is_in_no_file(tmp_path, engine):
    caseload = "person,referred,site\nA,2022-05-01,RX1\nB,no day,RX1\nC,2022-05-03,RX1\n"
    files = {"admissions.csv": csv_text(episodes("person\nA\nB\nC")), "caseload.csv": caseload}
    extracts = read_extracts(study(tmp_path, files, quality={"thresholds": {"X213": 0.5}}), engine)
    (report,) = next(reports for given, reports in extracts.read if given.table == "caseload")
    assert (report.rows, report.lost_rows, dict(report.bad_cells)) == (3, 1, {"referred": 1})
    assert engine.rows("SELECT row, person FROM caseload_read ORDER BY row") == [(1, "A"), (2, "C")]
    (part,) = (engine.folder / "read").glob("caseload_read*.parquet")
    assert list(pd.read_parquet(part)["person"]) == ["A", "C"]
    assert engine.rows('SELECT line, "column", row_lost FROM rejects') == [(3, "referred", True)]


def test_who_opted_out_is_in_no_file(tmp_path, engine):
    files = {"admissions.csv": csv_text(episodes("person key\nA 1\nLEAVES 2\nC 3")), "gone.csv": "person\nLEAVES\n"}
    read_extracts(study(tmp_path, files, data={"opt_out": "gone.csv"}), engine)
    assert engine.rows("SELECT row, person FROM episodes_read ORDER BY row") == [(1, "A"), (2, "C")]
    for part in (engine.folder / "read").iterdir():
        assert "LEAVES" not in pd.read_parquet(part).to_csv()


def test_files_of_rows_go_with_their_table_and_at_the_end(tmp_path, engine):
    read_extracts(study(tmp_path, {"admissions.csv": csv_text(episodes("person key\nA 1"))}), engine)
    assert list((engine.folder / "read").iterdir()) != []
    engine.drop("episodes_read", "episodes_read")
    assert list((engine.folder / "read").iterdir()) == []
    engine.close()
    assert not engine.folder.exists()


def test_a_step_may_make_the_table_it_reads(tmp_path):
    providers = "old_code,new_code,valid_from\nRX1,RX9,2021-01-01\n"
    caseload = "person,referred,site\nbg_RX1_2022-05-01,2022-05-01,RX1\n"
    files = {"admissions.csv": csv_text(episodes(two_years())), "caseload.csv": caseload, "providers.csv": providers}
    with read(study(tmp_path, files)) as tables:
        assert rows_of(tables, "SELECT DISTINCT site FROM caseload_read") == [("RX9",)]


def kinds_of(engine, table: str) -> dict[str, str]:
    """Each column of a table with the kind of its type."""
    return {
        name: kind.split("(")[0]
        for name, kind in engine.rows(f"SELECT column_name, column_type FROM (DESCRIBE {table})")
    }


def test_codes_of_few_values_are_short_inside_and_text_outside(tmp_path, engine):
    # The second file has a provider and a sex that the first does not know.
    first, second = (
        episodes("person provider sex diag\nA RX2 1 F102\nB RX1 2 K703"),
        episodes("person provider sex\nC AB1 9\nD . 1"),
    )
    files = {"a.csv": csv_text(first), "b.csv": csv_text(second)}
    read_extracts(study(tmp_path, files, data={"admissions": ["a.csv", "b.csv"]}), engine)
    kinds = kinds_of(engine, "episodes_read")
    assert {kinds[c] for c in ("provider", "sex", "admission_method", "discharge_destination")} == {"ENUM"}
    assert {kinds[c] for c in ("person", "diag_01", "diag_20")} == {"VARCHAR"}
    assert engine.rows("SELECT provider, sex FROM episodes_read ORDER BY provider NULLS LAST") == [
        ("AB1", "9"), ("RX1", "2"), ("RX2", "1"), (None, "1")]  # fmt: skip
    assert engine.rows("SELECT count(*) FROM episodes_read WHERE provider < 'RX2' AND sex IN ('2', 'never read')") == [
        (1,)
    ]
    frame = engine.frame("SELECT provider, sex FROM episodes_read ORDER BY row")
    assert list(frame["provider"].fillna("none")) == ["RX2", "RX1", "AB1", "none"]
    assert not any(isinstance(kind, pd.CategoricalDtype) for kind in frame.dtypes)
    handed = engine.batches("SELECT provider, sex, row FROM episodes_read ORDER BY row", 10).read_all()
    assert [str(kind) for kind in handed.schema.types] == ["string", "string", "int32"]
    assert handed.column("provider").to_pylist() == ["RX2", "RX1", "AB1", None]
    engine.export("episodes_read", tmp_path / "out.parquet")
    assert list(pd.read_parquet(tmp_path / "out.parquet")["sex"]) == ["1", "2", "9", "1"]


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ("4003 4001|4002", "BIGINT"),
        ("123456789012345678|999999999999999999", "BIGINT"),
        ("9 10|11", "VARCHAR"),  # as numbers in another order than as texts
        ("4003 4001|14002", "VARCHAR"),  # not as many digits in every file
        ("0403 4001|4002", "VARCHAR"),
        ("1e2 400|500", "VARCHAR"),
        ("4003 4-01|4002", "VARCHAR"),
        ("-403 4001|4002", "VARCHAR"),
        ("1234567890123456789|1234567890123456780", "VARCHAR"),
    ],
)
def test_keys_of_as_many_digits_are_numbers_inside_and_the_same_text_outside(tmp_path, engine, keys, kind):
    parts = [part.split() for part in keys.split("|")]
    files = {
        f"{n}.csv": csv_text(episodes("\n".join(["person key", *(f"P {key}" for key in part)])))
        for n, part in enumerate(parts)
    }
    read_extracts(study(tmp_path, files, data={"admissions": list(files)}), engine)
    assert kinds_of(engine, "episodes_read")["episode_key"] == kind
    given = [key for part in parts for key in part]
    asked = "SELECT episode_key FROM episodes_read ORDER BY episode_key"
    assert engine.frame(asked)["episode_key"].tolist() == sorted(given)
    assert engine.batches(asked, 10).read_all().column("episode_key").to_pylist() == sorted(given)
    engine.export("episodes_read", tmp_path / "out.parquet")
    assert sorted(pd.read_parquet(tmp_path / "out.parquet")["episode_key"]) == sorted(given)


def test_a_column_of_many_values_stays_text(tmp_path, engine):
    rows = episodes("\n".join(["person key number", *(f"P{i % 977} {i} N{i}" for i in range(30_000))]))
    read_extracts(study(tmp_path, {"admissions.csv": csv_text(rows)}), engine)
    kinds = kinds_of(engine, "episodes_read")
    assert kinds["provider_spell"] == "VARCHAR"
    assert kinds["provider"] == "ENUM"
    assert engine.rows("SELECT count(DISTINCT provider_spell) FROM episodes_read") == [(30_000,)]


@pytest.mark.parametrize(("most", "kind"), [(2, "BIGINT"), (2**31 - 1, "INTEGER")])
def test_rows_are_numbered_in_four_bytes_while_that_is_enough(tmp_path, engine, monkeypatch, most, kind):
    monkeypatch.setattr(duckdb_engine, "MOST_IN_FOUR_BYTES", most)
    read_extracts(study(tmp_path, {"admissions.csv": csv_text(episodes("person key\nA 1\nB 2"))}), engine)
    assert kinds_of(engine, "episodes_read")["row"] == kind
    assert engine.rows("SELECT row FROM episodes_read ORDER BY row") == [(1,), (2,)]


LOSSES_AND_COPIES = "person key status diag\nA 1 3 F102\nB 2 1 F102\nC 3 3 F102\nC 3 3 .\nD 4 3 F102+K703"


def test_reasons_of_a_loss_take_a_byte_and_come_out_as_text(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(engine, "drop", lambda *tables: None)
    rows = [*episodes(LOSSES_AND_COPIES), *episodes(two_years())]
    read_tables(study(tmp_path, {"admissions.csv": csv_text(rows)}), engine)
    engine.run("episodes_judged")
    assert kinds_of(engine, "episodes_judged")["loss"] == "ENUM"
    found = "SELECT loss FROM episodes_judged WHERE row <= 2 ORDER BY row"
    assert engine.rows(found) == [("kept",), ("unfinished",)]
    assert list(engine.frame(found)["loss"]) == ["kept", "unfinished"]


@pytest.mark.parametrize("most", [1.0, 0.0], ids=["in place", "too large for marks"])
def test_rows_that_leave_where_they_lie_leave_what_the_query_says(tmp_path, engine, monkeypatch, most):
    monkeypatch.setattr(duckdb_engine, "MOST_MARKED", most)
    run, said = engine.run, {}

    def asked_first(name, **parameters):
        asked = step(name, **parameters)
        if asked.takes or asked.view:
            said[name] = engine.frame(f"SELECT * FROM ({asked.query}) AS asked")
        run(name, **parameters)
        if name in said:
            found = engine.frame(f"SELECT * FROM {asked.makes}")
            order = list(found.columns)
            if asked.takes:
                assert engine.rows(f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{asked.takes[0]}'") == []
            pd.testing.assert_frame_equal(
                found.sort_values(order, ignore_index=True), said[name].sort_values(order, ignore_index=True)
            )

    monkeypatch.setattr(engine, "run", asked_first)
    rows = [*episodes(LOSSES_AND_COPIES), *episodes(two_years())]
    config = study(tmp_path, {"admissions.csv": csv_text(rows)})
    build_panel(read_tables(config, engine), config)
    assert set(said) == {"episodes", "episodes_met", "spells_met", "counted_stays"}
    assert len(said["episodes"]) == len(rows) - 2
    assert len(said["counted_stays"])


def wide_tables(engine) -> set[str]:
    """The tables that lie in the database on the disk."""
    return {name for (name,) in engine.rows("SELECT table_name FROM duckdb_tables() WHERE database_name = 'wide'")}


@pytest.mark.parametrize("providers", [False, True], ids=["codes as they are", "codes changed"])
def test_an_extract_too_large_for_memory_lies_on_the_disk_and_gives_the_same(tmp_path, monkeypatch, providers):
    rows = [*episodes(LOSSES_AND_COPIES), *episodes(two_years())]
    files = {"admissions.csv": csv_text(rows)} | (
        {"providers.csv": "old_code,new_code,valid_from\nRX1,RX9,2021-01-01\n"} if providers else {}
    )
    config = study(tmp_path, files)
    found, on_disk = {}, {}
    for size in (0, 10**9):
        monkeypatch.setattr(duckdb_engine, "BYTES_OF_A_ROW", size)
        opened = open_engine("duckdb", tmp_path / f"work-{size}", memory="150MB", threads=2)
        try:
            tables = read_tables(config, opened)
            panel = build_panel(tables, config)
            on_disk[size] = wide_tables(opened)
            assert (opened.folder / "wide.duckdb").exists() == bool(size)
            found[size] = [
                opened.frame(f"SELECT * FROM {name} ORDER BY ALL")
                for name in ("episodes", "spells", "stays", "persons")
            ] + [panel.cells, panel.people, panel.person_cells]
            flow, said = tables.flow, tables.findings
            found[size] += [pd.DataFrame(flow), pd.DataFrame([(f.code, f.where, f.records, f.people) for f in said])]
        finally:
            opened.close()
        assert not opened.folder.exists()
    assert on_disk[0] == set()
    assert on_disk[10**9] >= {"episodes", "spells"}
    assert "stays" not in on_disk[10**9]
    for small, large in zip(found[0], found[10**9], strict=True):
        assert len(small)
        pd.testing.assert_frame_equal(small, large)


def test_sites_are_short_inside_and_text_outside(tmp_path, engine):
    files = {"admissions.csv": csv_text(episodes(two_years())), "sites.csv": "site,go_live\nRX1,2022-01-01\n"}
    read_tables(study(tmp_path, files), engine)
    assert kinds_of(engine, "stays")["site"] == "ENUM"
    assert set(engine.frame("SELECT DISTINCT site FROM stays")["site"]) == {"RX1"}


def test_groups_of_rows_are_small_where_memory_is(tmp_path):
    config = study(tmp_path, {"admissions.csv": many(70_000)})
    groups = {}
    for memory in ("150MB", "1GB"):
        opened = open_engine("duckdb", tmp_path / memory, memory=memory, threads=2)
        try:
            read_extracts(config, opened)
            (part,) = (opened.folder / "read").glob("episodes_read*.parquet")
            groups[memory] = opened.rows(
                f"SELECT count(DISTINCT row_group_id) FROM parquet_metadata('{part.as_posix()}')"
            )[0][0]
        finally:
            opened.close()
    assert groups == {"150MB": 3, "1GB": 2}


@pytest.mark.parametrize(
    "fault",
    [
        duckdb.IOException("IO Error: Could not write file: No space left on device"),
        duckdb.IOException("IO Error: Could not write all bytes to file: File too large"),
        duckdb.OutOfMemoryException(
            "failed to offload data block; this limit was set by the 'max_temp_directory_size' setting."
        ),
    ],
)
def test_a_full_disk_is_no_fault_of_the_file(tmp_path, engine, monkeypatch, fault):
    def full(*_: object) -> int:
        raise fault

    monkeypatch.setattr(duckdb_reading, "write_rows", full)
    with pytest.raises(InputError) as caught:
        read_extracts(study(tmp_path, {"admissions.csv": csv_text(episodes("person key\nA 1"))}), engine)
    assert {p.code for p in caught.value.problems} == {"C134"}
    assert str(engine.folder) in caught.value.problems[0].where


def test_a_copy_that_cannot_be_written_is_no_fault_of_the_file(tmp_path, engine, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(files, "_rewrite", full)
    made = study(tmp_path, {"admissions.csv": csv_text(episodes("person key\nA 1"))})
    (tmp_path / "admissions.csv").write_bytes((tmp_path / "admissions.csv").read_bytes().replace(b"\n", b"\r"))
    with pytest.raises(InputError) as caught:
        read_extracts(made, engine)
    assert {p.code for p in caught.value.problems} == {"C134"}
