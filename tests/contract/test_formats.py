"""Every format found by name is written by `simulate` and read back to the tables of the default format, to the last row."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from aaot_eval.cli import run
from aaot_eval.config import RunConfig, load_config
from aaot_eval.engine import open_engine
from aaot_eval.errors import UsageError
from aaot_eval.ingest import read_tables
from aaot_eval.ingest.plan import GIVEN
from aaot_eval.ingest.recognise import recognise
from aaot_eval.panel.aggregated import read_panel
from aaot_eval.schema import extract_formats, in_full, schema_names, table_schema
from aaot_eval.synthetic import simulate_study
from aaot_eval.synthetic.files import DIALECTS
from aaot_eval.synthetic.layouts import DEFAULTS, layouts

#: Small, and with faults four times as frequent as usual, so that every one of them occurs.
STUDY = {
    "scenario": "null",
    "seed": 3,
    "sites": 2,
    "treated": 1,
    "months": 18,
    "launch_after": 12,
    "size": 0.03,
    "faults": 4.0,
}
#: Where a row was read from, and numbers made from that: the only thing that a format or the order of rows may change.
PLACES = ("row", "load", "attendance", "spell", "stay")
BY_TABLE = {table: [n for n, layout in layouts().items() if layout.table == table] for table in DEFAULTS}
#: Each layout of the admissions with another layout of every other table, and with a dialect of its own.
TOGETHER = [
    (name, tuple(names[i % len(names)] for table, names in BY_TABLE.items() if table != "admissions"))
    for i, name in enumerate(BY_TABLE["admissions"])
]
DIALECT_SETS = [
    "pipe,remarks,bom", "tab,latin-1,remarks", "semicolon,cp1252,crlf,remarks", "gzip,monthly", "zip,remarks", "parquet", "utf-16,single",
    "single,moved,remarks", "comma,utf-8,yearly,shuffled", "xlsx", "parquet,moved",
]  # fmt: skip


def tables_of(config: RunConfig) -> dict[str, list[str]]:
    """Every table of the engine as sorted rows, but for where a row was read from."""
    engine = open_engine("duckdb", config.home / "work")
    try:
        tables = read_tables(config, engine)
        found = {}
        for name in tables.names:
            columns = [r[0] for r in engine.rows(f"SELECT column_name FROM (DESCRIBE {name})")]
            kept = ", ".join(f'"{c}"' for c in columns if c not in PLACES)
            if name != "rejects":
                found[name] = sorted(map(repr, engine.rows(f"SELECT {kept} FROM {name}")))
        return found
    finally:
        engine.close()


@cache
def _made(home: Path, formats: tuple[str, ...], dialect: str, only_held: bool) -> dict[str, list[str]]:
    folder = home / f"{'-'.join(formats)}_{dialect}_{only_held}".replace(",", "-")
    simulate_study(folder, formats=formats, dialect=dialect.split(",") if dialect else (), only_held=only_held, **STUDY)
    return tables_of(load_config(folder / "study.toml"))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("formats")


def same(found: dict[str, list[str]], wanted: dict[str, list[str]]) -> None:
    assert list(found) == list(wanted)
    for name, rows in wanted.items():
        assert len(found[name]) == len(rows), name
        assert found[name] == rows, name


@pytest.mark.parametrize(("name", "others"), TOGETHER, ids=[n for n, _ in TOGETHER])
def test_a_format_reads_back_to_the_tables_of_the_default_format(home, name, others):
    dialect = DIALECT_SETS[BY_TABLE["admissions"].index(name) % len(DIALECT_SETS)]
    found = _made(home, (name, *others), dialect, only_held=False)
    same(found, _made(home, (name, *others), "", only_held=True))
    assert {"contacts", "denominators", "stays", "deaths"} <= set(found)
    assert all(found.values())


def test_every_format_and_every_word_of_a_dialect_is_tried():
    assert {n for name, others in TOGETHER for n in (name, *others)} == set(layouts())
    assert {w for words in DIALECT_SETS for w in words.split(",")} == set(DIALECTS)
    assert len(TOGETHER) >= len(DIALECT_SETS)
    assert set(schema_names("extracts")) - set(layouts()) <= {"panel", "activity", "providers", "opt_out"}
    assert set(BY_TABLE) <= set(GIVEN)


def test_what_a_format_cannot_hold_is_said_in_its_schema_and_nothing_else_is_lost(home):
    usual = _made(home, (), "", only_held=False)
    for name in ("hes_apc_full", "hes_apc_old"):
        held = _made(home, (name,), "", only_held=False)
        same(held, usual)
    scottish = _made(home, ("smr01",), "", only_held=False)
    assert len(scottish["persons"]) == len(usual["persons"])
    assert "Six diagnoses" in table_schema("extracts", "smr01").description


@pytest.mark.parametrize("name", [s.name for s in extract_formats("admissions")])
def test_a_file_loaded_twice_and_rows_in_another_order_change_nothing(home, name):
    folder = home / f"again_{name}"
    simulate_study(folder, formats=[name], **STUDY)
    usual = tables_of(load_config(folder / "study.toml"))
    for path in sorted((folder / "extracts").glob("*.csv")):
        header, *rows = path.read_text("utf-8").splitlines()
        path.write_text("\n".join([header, *rows[::-1]]) + "\n", encoding="utf-8")
        half = len(rows) // 2
        path.with_name(f"{path.stem}_part.csv").write_text("\n".join([header, *rows[:half]]) + "\n", encoding="utf-8")
    again = tables_of(load_config(folder / "study.toml"))
    same(again, usual)
    shutil.rmtree(folder)


# Recognition ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", layouts())
def test_a_format_is_recognised_from_its_header_alone(name):
    layout = layouts()[name]
    header = list(dict.fromkeys([*layout.names.values(), *layout.other]))
    found = recognise(layout.table, header, {})
    assert found is not None
    assert found.name == layout.schema.name


def test_the_full_layout_has_about_190_columns():
    layout = layouts()["hes_apc_full"]
    assert 185 <= len({*layout.names.values(), *layout.other}) <= 240


@pytest.mark.parametrize("table", GIVEN)
def test_formats_of_one_table_agree_on_the_kind_of_each_column(table):
    kinds: dict[str, set[str]] = {}
    columns = set()
    for schema in extract_formats(table):
        for column in schema.columns:
            kinds.setdefault(column.name, set()).add(column.type)
        columns.add(in_full(schema).names)
        assert str(schema.extra["table"]) == str(extract_formats(table)[0].extra["table"])
    assert all(len(k) == 1 for k in kinds.values())
    assert len(columns) == 1


def test_a_study_in_no_known_format_or_dialect_is_refused(tmp_path):
    with pytest.raises(UsageError, match="X263  there is no format 'hes_opa'"):
        simulate_study(tmp_path / "a", formats=["hes_opa"], **STUDY)
    with pytest.raises(UsageError, match="hes_apc_old and smr01 are both for admissions"):
        simulate_study(tmp_path / "b", formats=["hes_apc_old", "smr01"], **STUDY)
    with pytest.raises(UsageError, match="X264  there is no dialect 'ebcdic'"):
        simulate_study(tmp_path / "c", dialect=["ebcdic"], **STUDY)
    with pytest.raises(UsageError, match="gzip and zip exclude each other"):
        simulate_study(tmp_path / "d", dialect=["gzip", "zip"], **STUDY)


# The command and the panel --------------------------------------------------------------------------------------------


def test_the_command_writes_formats_and_refuses_what_there_is_not(tmp_path, capsys):
    size = [
        "--sites",
        "2",
        "--treated",
        "1",
        "--months",
        "18",
        "--launch-after",
        "12",
        "--size",
        "0.03",
        "--scenario",
        "null",
    ]
    out = tmp_path / "study"
    assert (
        run(
            [
                "simulate",
                str(out),
                *size,
                "--format",
                "hes_apc_old",
                "--format",
                "hes_ae",
                "--dialect",
                "pipe,crlf, cp1252",
            ]
        )
        == 0
    )
    first = next((out / "extracts").glob("apc_*.csv")).read_bytes().splitlines(keepends=True)[0]
    assert first.startswith(b"ENCRYPTED_HESID|EPIKEY|")
    about = (out / "README.txt").read_text("utf-8")
    assert "in the format hes_apc_old (" in about
    assert "in the format hes_ae (" in about
    assert "TOKEN_PERSON_ID" not in about
    assert first.endswith(b"\r\n")
    assert run(["simulate", str(tmp_path / "other"), *size, "--format", "hes_opa"]) == 2
    told = capsys.readouterr().err
    assert "there is no format 'hes_opa'" in told
    assert "smr01" in told


def test_an_aggregated_panel_reads_back_to_the_true_counts(tmp_path):
    out = tmp_path / "study"
    simulate_study(out, formats=["panel"], **STUDY)
    panel = read_panel(load_config(out / "panel.toml"))
    truth = pd.read_csv(out / "truth_series.csv").sort_values(["site", "month"])
    cells = panel.cells.sort_values(["unit", "t"])
    for outcome in ("alcohol_specific_emergency", "non_alcohol_emergency", "ed_attendances"):
        assert cells[outcome].astype(int).tolist() == truth[outcome].tolist()
    assert panel.periods["label"].tolist() == sorted(truth["month"].unique())
    assert panel.units["start_t"].notna().sum() == STUDY["treated"]


def test_the_same_format_and_seed_write_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        simulate_study(tmp_path / name, formats=["sus_apc", "contacts"], dialect=["zip", "remarks"], **STUDY)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert files
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
