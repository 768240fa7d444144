"""The same panels, findings, flow and counts from every engine: inside this process, Spark three ways, PostgreSQL."""

from __future__ import annotations

import csv
import json
import os
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aaot_eval.config import RunConfig, load_config
from aaot_eval.engine import open_engine
from aaot_eval.engine.postgres import PREFIX
from aaot_eval.engine.rendering import render
from aaot_eval.engine.spark import LONGEST_RUN, left_over, work_name
from aaot_eval.errors import InputError
from aaot_eval.pipeline import prepare
from aaot_eval.synthetic import simulate_study
from tests import engine_run
from tests.drawn import csv_text, episodes, study
from tests.services import SparkServers, missing, need_java, postgres_server, spark_cluster, spark_connect

ROOT = Path(__file__).resolve().parents[2]
# Half a minute alone on two cores; a machine that builds something else beside it takes ten times as long.
SECONDS = 900
# Relative; iterations that end at 1e-12 on rows in another order leave about 1e-11.
OF_ORDER = 1e-9

CONFIG = """config_version = 1
name = "engines"
[data]
admissions = ["study/extracts/apc_*.csv", "study/extracts/apc_*.parquet"]
attendances = "study/extracts/ed_*.csv"
caseload = "study/caseload.csv"
sites = "study/sites.csv"
deaths = "study/deaths.csv"
[study]
entry_rule = "4 admissions in 12 months"
[cohort]
area = ["E06900001", "E06900002", "E06900003"]
[costs]
unit_costs = "study/unit_costs_invented.csv"
programme = "study/programme_invented.csv"
price_year = "2024/25"
perspective = "provider"
"""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config of a simulated study with the usual faults, and with lines and cells that cannot be read."""
    home = tmp_path_factory.mktemp("engines")
    simulate_study(home / "study", sites=4, treated=2, months=26, launch_after=15, size=0.3, seed=4)
    first = sorted((home / "study" / "extracts").glob("apc_*.csv"))[0]
    lines = first.read_text("utf-8").splitlines()
    header = lines[0].split(lines[0][len("FYEAR")] if lines[0].startswith("FYEAR") else ",")
    lines[20] += ",one,too,many"
    lines[40] = lines[40].partition(",")[0]
    cells = lines[60].split(",")
    cells[header.index("DISDATE")] = "31/02/20x2"
    lines[60] = ",".join(cells)
    first.write_text("\n".join(lines) + "\n", "utf-8", newline="\n")
    as_parquet(sorted((home / "study" / "extracts").glob("apc_*.csv"))[-1])
    sent_again(sorted((home / "study" / "extracts").glob("ed_*.csv"))[0])
    (home / "study.toml").write_text(CONFIG, "utf-8")
    return home / "study.toml"


def sent_again(path: Path) -> None:
    """Attendances with diagnosis and treatment, of which every twentieth came under a second key too."""
    with path.open(encoding="utf-8", newline="") as text:
        rows = [row | {"DIAGNOSIS_CODE_1": "d1", "TREATMENT_CODE_1": ""} for row in csv.DictReader(text)]
    again = [row | {"EPIKEY": f"{row['EPIKEY']}2"} for row in rows[::20]]
    path.write_text(csv_text([*rows, *again]), "utf-8", newline="\n")


def as_parquet(path: Path) -> None:
    """A file of text as a typed Parquet file in its place."""
    import duckdb

    rows = duckdb.sql(f"SELECT * FROM read_csv({str(path)!r}, all_varchar=true)")
    duckdb.sql(f"SELECT {dated(rows.columns)} FROM rows").write_parquet(str(path.with_suffix(".parquet")))
    path.unlink()


def dated(columns: list[str]) -> str:
    """The columns with dates as dates and whole numbers as numbers."""
    kinds = {c: "DATE" for c in columns if c.endswith("DATE") or c in ("EPISTART", "EPIEND")} | {"STARTAGE": "SMALLINT"}
    return ", ".join(f'TRY_CAST("{c}" AS {kinds[c]}) AS "{c}"' if c in kinds else f'"{c}"' for c in columns)


@pytest.fixture(scope="module")
def expected(simulated: Path) -> dict[str, Any]:
    """What the default engine finds, and every table of the analysis that follows."""
    study = load_config(simulated)
    prepared = prepare(study)
    found = engine_run.found(prepared) | {"tables": engine_run.analysed(study, prepared)}
    assert len(found["frames"]["restricted rejects"]) == 3
    assert found["frames"]["cells"]["alcohol_specific_emergency"].sum() > 100
    assert len(found["frames"]["people"]) > 300
    lost = {step.reason: step.lost for step in found["flow"]}
    assert sum(n for reason, n in lost.items() if "within 60 minutes" in reason) > 50
    assert lost["live elsewhere"] > 0
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    try:
        import adbc_driver_postgresql  # noqa: F401
    except ImportError:
        missing("the extra aaot-eval[postgres] is not installed")
    with postgres_server() as address:
        yield address


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """To the last row, value and type."""
    assert list(found["frames"]) == list(expected["frames"])
    for name, frame in expected["frames"].items():
        pd.testing.assert_frame_equal(found["frames"][name], frame, check_exact=True, obj=name)
    for part in ("findings", "flow", "sources", "outcomes", "facts"):
        assert found[part] == expected[part], part
    for name, table in expected["tables"].items() if "tables" in found else ():
        ours = found["tables"][name]
        if name == "estimates":
            # The patient regressions iterate, and sums over rows in another order end apart in their last digits.
            there, here = (t[t["estimator"] == "patient_two_way"] for t in (ours, table))
            pd.testing.assert_frame_equal(there, here, rtol=OF_ORDER)
            ours, table = (t[t["estimator"] != "patient_two_way"] for t in (ours, table))
        pd.testing.assert_frame_equal(ours, table, obj=name, check_exact=True)


def run_apart(config: Path, engine: str, address: str, *more: str) -> dict[str, Any]:
    """The study on an engine in a process of its own; it says nothing and leaves nothing."""
    before = sorted(p.name for p in config.parent.rglob("*"))
    out = config.parent / "answer.pickle"
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine_run", str(config), engine, address, str(out), *more],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"}, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    answer: dict[str, Any] = pickle.loads(out.read_bytes())
    out.unlink()
    assert {p.name for p in config.parent.rglob("*")} - set(before) <= {"runs"}
    return answer


# The same answer ------------------------------------------------------------------------------------------------------


def test_spark_on_this_machine_finds_the_same(simulated, expected):
    need_java()
    found = run_apart(simulated, "spark", "local[2]", "analysed")
    same(found, expected)
    assert [Path(name).suffix for name in found["in_place"]] == [".parquet"]
    assert found["engine"].startswith("Spark 4")
    assert "local[2]" in found["engine"]


def test_a_spark_cluster_of_several_processes_finds_the_same(simulated, expected):
    with spark_cluster() as cluster:
        found = run_apart(simulated, "spark", cluster.address)
        same(found, expected)
        assert "standalone cluster" in found["engine"]
        assert [Path(name).suffix for name in found["in_place"]] == [".parquet"]
        # Both workers worked: each started an executor of its own.
        for i in range(2):
            assert list((cluster.folder / f"work{i}").glob("app-*/*")), f"worker {i} never had work"
        assert "Registered app aaot-eval" in cluster.log("master")


def test_a_session_handed_in_through_spark_connect_finds_the_same(simulated, expected):
    with spark_connect() as servers:
        found = run_apart(simulated, "spark", servers.address, "handed_in")
        same(found, expected)
        assert found["engine"].endswith("(session of the platform)")
        before, after = found["databases"]
        assert before == after
        assert found["views"] == []
        assert not list((servers.folder / "warehouse").glob(f"{PREFIX}*"))
        _connect_by_address(servers, simulated)


def _connect_by_address(servers: SparkServers, config: Path) -> None:
    """The address under [engine] opens a session of our own, in a process that has no JVM.

    It drops the work database of a run that was killed, and not that of one that lives.
    """
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = [work_name(ended.pid), work_name(os.getpid())]
    program = (
        "import sys; from pathlib import Path; import pandas as pd\n"
        "from aaot_eval.engine import open_engine\n"
        "from pyspark.sql.connect.session import SparkSession\n"
        "s = SparkSession.builder.remote(sys.argv[2]).getOrCreate()\n"
        "for name in sys.argv[3:]: s.sql(f'CREATE DATABASE {name}').collect()\n"
        "e = open_engine('spark', Path(sys.argv[1]), address=sys.argv[2], options={'spark.sql.shuffle.partitions': '1'})\n"
        "there = [r[0] for r in s.sql('SHOW DATABASES').toArrow().to_pylist() for r in [list(r.values())]]\n"
        "print([n in there for n in sys.argv[3:]])\n"
        "e.put('small', pd.DataFrame({'row': [1, 2], 'diag_01': ['F102', None]}))\n"
        "print(e.describe(), e.rows('SELECT row, diag_01 FROM small ORDER BY row'), e.distinct_codes('small'))\n"
        "e.close(); print(list(Path(sys.argv[1]).iterdir()))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore::FutureWarning", "-c", program, str(config.parent / "connect"), servers.address, *names], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAVA_HOME": "/nowhere"}, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.startswith("[False, True]\n")
    assert "(Spark Connect) [(1, 'F102'), (2, None)] ['F102']\n[]" in done.stdout


def test_postgres_finds_the_same(simulated, expected, server):
    found = run_apart(simulated, "postgres", server, "analysed")
    same(found, expected)
    assert found["engine"].startswith("PostgreSQL ")
    assert schemas(server) == []


@pytest.mark.parametrize(("spell_rule", "stay_rule"), [("york", "nhsd"), ("hf", "york")])
def test_every_rule_of_joining_is_the_same_in_postgres(simulated, server, monkeypatch, spell_rule, stay_rule):
    monkeypatch.setenv("AAOT_TEST_POSTGRES", server)
    config = load_config(simulated).changed(study__spell_rule=spell_rule, study__stay_rule=stay_rule)
    there = config.changed(engine__name="postgres", engine__postgres="env:AAOT_TEST_POSTGRES")
    same(engine_run.found(prepare(there)), engine_run.found(prepare(config)))


NAMED = {
    "numbers": {
        "study": {"spell_rule": "sus", "stay_rule": "york", "entry_rule": "2 all admissions and 1 listed admission or 2 attendances in 3 months"},
        "cohort": {"age_from": 18, "area": ["E06", "E08"], "codes": ["F20"], "exclude_codes": ["C15"]},
        "counting": {"positions": 2},
    },
    "lape": {
        "study": {"spell_rule": "york", "stay_rule": "nhsd", "entry_rule": "2 bed days in a financial year"},
        "counting": {"private_patients": "drop", "fractions": "lape", "date_by": "discharge", "days": "working", "nation": "scotland"},
    },
}  # fmt: skip
ON_REQUEST = [
    "alcohol_specific", "emergency_overnight", "emergency_with_sdec", "alcohol_broad", "alcohol_narrow", "alcohol_narrow_main",
    "readmissions", "readmission_share", "length_of_stay", "deaths",
]  # fmt: skip


def hospital_year(home: Path, parts: dict[str, Any]) -> RunConfig:
    """A config over made-up episodes of a year with every rule that a study can choose by name, and the tables it needs."""
    rng = random.Random(3)
    lines = ["person provider admitted end order how to source method diag sex age number grouped area payer"]
    visits = [
        "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,ATTENDANCE_CATEGORY,DEPARTMENT_TYPE,PROVIDER_CODE,ARRIVAL_TIME,DIAGNOSIS_CODE_1,TREATMENT_CODE_1"
    ]
    for i in range(700):
        begin = date(2022, 1, 1) + timedelta(days=rng.randrange(365))
        end = begin + timedelta(days=rng.choice([0, 0, 1, 2, 5, 20]))
        provider = rng.choice(["RX1", "OLD" if begin < date(2022, 7, 1) else "NEW", "RX2"])
        person = rng.choice([f"p{rng.randrange(90):02d}", f"X1{rng.randrange(9)}"])
        diagnoses = "+".join(
            rng.choice(["F102", "K703", "F200", "C15", "R074", "X60", "O800", "W10", "I10"]) for _ in range(3)
        )
        lines.append(
            f"{person} {provider} {begin} {end} {rng.choice([1, 1, 2])} {rng.choice([1, 4, 8])} {rng.choice([19, 51, 53])} "
            f"{rng.choice([19, 51])} {rng.choice(['11', '21', '2B', '81'])} {diagnoses} {rng.choice([1, 2])} {rng.randrange(16, 90)} "
            f"{rng.choice(['.', rng.randrange(4)])} {rng.choice(['.', '-1', rng.randrange(3)])} {['.', 'E06000042', 'E07000001', 'E08000003', 'Y'][i % 5]} {['01', '02', '99', '2'][i % 4]}"
        )
        visits.append(f"{person},e{i},{begin},1,{rng.choice(['01', '05'])},{provider},{i % 24:02d}:10:00,d{i % 3},")
        if i % 4 == 0:
            visits.append(f"{person},c{i},{begin},1,01,{provider},{i % 24:02d}:{20 * (i % 3):02d},d{i % 3},")
    lines += [
        f"Z{s} {s} 2022-{m:02d}-01 2022-{m:02d}-01 1 1 19 19 21 R074 1 50 . . E06000042 01"
        for m in range(1, 13)
        for s in ("RX1", "RX2", "NEW")
    ]
    lines += ["ZZ RX1 2022-12-31 2022-12-31 1 1 19 19 21 R074 1 50 . . E06000042 01"]
    files = {
        "admissions.csv": csv_text(episodes("\n".join(lines))),
        "attendances.csv": "\n".join(visits) + "\n",
        "providers.csv": "old_code,new_code,from\nOLD,NEW,2022-07-01\n",
        "sites.csv": "site,go_live,sdec_from\nRX1,2022-06-01,2022-05-01\nRX2,,\nNEW,,2022-08-01\n",
        "caseload.csv": "person,site,referred\np01,RX1,2022-06-05\np02,OLD,2022-07-05\n",
        "deaths.csv": "person,death_date\np03,2022-11-05\n",
    }
    asked = {k: dict(v) for k, v in parts.items()}
    asked["study"]["also"] = ON_REQUEST
    return study(home, files, data={"complete_to": "2022-12-31", "one_off_keys": ["X1"]}, **asked)


@pytest.mark.parametrize("parts", NAMED)
def test_every_rule_by_name_and_outcome_on_request_is_the_same_in_postgres(tmp_path, server, monkeypatch, parts):
    monkeypatch.setenv("AAOT_TEST_POSTGRES", server)
    config = hospital_year(tmp_path, NAMED[parts])
    usual = engine_run.found(prepare(config))
    cells = usual["frames"]["cells"]
    assert all(cells[name].sum() > 0 for name in ON_REQUEST if name != "deaths")
    assert usual["frames"]["person_cells"]["entry_rule_met"].sum() > 20
    assert any("within 60 minutes" in step.reason for step in usual["flow"])
    assert any(step.table == "people of the entry rule" for step in usual["flow"]) == ("cohort" in NAMED[parts])
    there = config.changed(engine__name="postgres", engine__postgres="env:AAOT_TEST_POSTGRES")
    same(engine_run.found(prepare(there)), usual)


def schemas(address: str) -> list[str]:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(address, autocommit=True) as db, db.cursor() as cursor:
        cursor.execute(f"SELECT nspname::text FROM pg_namespace WHERE nspname LIKE '{PREFIX}%'")
        return [row[0] for row in cursor.fetchall()]


# What a server is given and what it keeps ------------------------------------------------------------------------------


def test_a_killed_run_leaves_a_schema_that_the_next_run_drops(server, tmp_path):
    program = (
        "import os, sys; from pathlib import Path; import pandas as pd\n"
        "from aaot_eval.engine import open_engine\n"
        "e = open_engine('postgres', Path(sys.argv[1]), address=sys.argv[2])\n"
        "e.put('small', pd.DataFrame({'a': [1]})); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "killed"), server], cwd=ROOT, timeout=SECONDS, check=False,
                   env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert len(schemas(server)) == 1
    other = open_engine("postgres", tmp_path / "next", address=server)
    third = open_engine("postgres", tmp_path / "third", address=server)
    assert set(schemas(server)) == {other.schema, third.schema}, "a living run's schema stays"
    other.close()
    third.close()
    assert schemas(server) == []


def test_a_work_database_is_left_over_when_its_process_is_gone_or_a_week_has_passed():
    mine = work_name(os.getpid())
    place, pid, begun, mark = mine.removeprefix(PREFIX).split("_")
    elsewhere = f"{PREFIX}{'0' * 8}_1_{begun}_{mark}"
    old = f"{PREFIX}{place}_{pid}_{int(begun) - LONGEST_RUN - 60}_{mark}"
    found = [left_over(name) for name in (mine, elsewhere, old, f"{PREFIX}of_somebody", "default")]
    assert found == [False, False, True, False, False]


def test_texts_sort_by_their_bytes_whatever_the_server_thinks(server, tmp_path):
    engine = open_engine("postgres", tmp_path / "work", address=server)
    try:
        engine.put("words", pd.DataFrame({"word": ["a", "B", "é", "Z"]}).astype("string"))
        assert [r[0] for r in engine.rows("SELECT word FROM words ORDER BY word")] == ["B", "Z", "a", "é"]
        engine._make("kinds", "SELECT CASE WHEN word = 'a' THEN 'a' ELSE 'B' END AS kind FROM words")
        assert [r[0] for r in engine.rows("SELECT DISTINCT kind FROM kinds ORDER BY kind")] == ["B", "a"]
        engine.export("words", tmp_path / "words.parquet")
        assert sorted(pd.read_parquet(tmp_path / "words.parquet")["word"]) == ["B", "Z", "a", "é"]
    finally:
        engine.close()
    assert list((tmp_path / "work").iterdir()) == []


def test_a_postgres_table_is_an_extract_for_any_engine(simulated, expected, server, monkeypatch):
    monkeypatch.setenv("AAOT_TEST_SOURCE", server)
    config = load_config(simulated)
    loaded_as_table(
        sorted((simulated.parent / "study" / "extracts").glob("apc_*.csv"))[1:], server, "hospital", "Episodes"
    )
    files = [
        f"study/extracts/{p.name}" for p in sorted((simulated.parent / "study" / "extracts").glob("apc_*.csv"))[:1]
    ]
    given = [*files, "postgres:hospital.Episodes", "study/extracts/apc_*.parquet"]
    _, *as_table, _ = [n for t, n in expected["sources"] if t == "admissions"]
    brought = watched(monkeypatch)
    for engine in ("duckdb", "postgres"):
        brought.clear()
        changed = config.changed(data__admissions=given, engine__postgres="env:AAOT_TEST_SOURCE", engine__name=engine)
        found = engine_run.found(prepare(changed))
        for name in engine_run.FRAMES:
            pd.testing.assert_frame_equal(found["frames"][name], expected["frames"][name], check_exact=True, obj=name)
        assert found["flow"] == expected["flow"]
        assert ("admissions", sum(as_table)) in found["sources"]
        # The server takes its own table where it lies; only the default engine has it brought out.
        assert brought == (["postgres:hospital.Episodes"] if engine == "duckdb" else [])


def watched(monkeypatch) -> list[str]:
    """The names of the tables that are brought out of a server from now on."""
    from aaot_eval.engine.duckdb_reading import FileReading

    brought: list[str] = []
    bring = FileReading._bring_in
    monkeypatch.setattr(FileReading, "_bring_in", lambda self: (brought.append(self.plan.name), bring(self))[1])
    return brought


def loaded_as_table(files: list[Path], address: str, schema: str, table: str) -> None:
    """Files as a typed table: dates are dates, everything else text."""
    import duckdb
    from adbc_driver_postgresql import dbapi

    rows = duckdb.sql(f"SELECT * FROM read_csv({[str(f) for f in files]}, all_varchar=true, union_by_name=true)")
    arrow = duckdb.sql(f"SELECT {dated(rows.columns)} FROM rows").to_arrow_table()
    with dbapi.connect(address, autocommit=True) as db, db.cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        cursor.adbc_ingest(table, arrow, mode="replace", db_schema_name=schema)


def small_table(address: str, rows: list[dict[str, str]], table: str) -> None:
    import pyarrow as pa
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(address, autocommit=True) as db, db.cursor() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS small")
        cursor.adbc_ingest(table, pa.Table.from_pylist(rows), mode="replace", db_schema_name="small")


DOUBTFUL = {
    "a number written out": ("STARTAGE", "old"),
    "a date of another kind": ("ADMIDATE", "03/02/2022"),
    "a day that no month has": ("EPIEND", "2022-02-30"),
    "a letter beyond ASCII": ("SITETRET", "RX1\u00a0"),
    "nothing in doubt": ("STARTAGE", "44"),
    "a mark for unknown": ("DISDATE", "1800-01-01"),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_a_table_with_a_cell_in_doubt_is_read_as_a_file_would_be(server, tmp_path, monkeypatch, case):
    monkeypatch.setenv("AAOT_TEST_SOURCE", server)
    column, value = DOUBTFUL[case]
    drawn = "person admitted end method diag site\n" + "\n".join(
        f"{person} 2022-{month:02d}-{day} 2022-{month:02d}-{day} 21 F102 RX1"
        for month in range(1, 13)
        for day, person in (("01", "A"), ("28" if month == 2 else "30" if month in (4, 6, 9, 11) else "31", "B"))
    )
    rows = episodes(drawn)
    rows[2][column] = value
    small_table(server, rows, "doubt")
    parts = {"complete_to": "2022-12-31"}
    source = {"data": {"admissions": "postgres:small.doubt", **parts}}
    there = study(tmp_path, {}, **source, engine={"name": "postgres", "postgres": "env:AAOT_TEST_SOURCE"})
    from_file = study(tmp_path, {"admissions.csv": csv_text(rows)}, data=parts)
    brought = watched(monkeypatch)
    answers = [engine_run.found(prepare(c)) for c in (from_file, there)]
    assert len(brought) == (0 if case in ("nothing in doubt", "a mark for unknown") else 1)
    for name in engine_run.FRAMES:
        pd.testing.assert_frame_equal(
            answers[1]["frames"][name], answers[0]["frames"][name], check_exact=True, obj=name
        )
    assert answers[1]["flow"] == answers[0]["flow"]


def test_the_years_of_a_plain_date_are_those_of_the_reader():
    from aaot_eval.engine.duckdb_reading import FIRST_DAY, LAST_DAY
    from aaot_eval.engine.in_place import ISO_DAY

    years = [y for y in range(1000, 3000) if re.fullmatch(ISO_DAY, f"{y}-01-01")]
    assert (years[0], years[-1], len(years)) == (int(FIRST_DAY[:4]), int(LAST_DAY[:4]), 350)


def test_a_bad_cell_of_a_table_is_a_reject_and_a_hashed_person_is_never_stored(server, tmp_path, monkeypatch):
    monkeypatch.setenv("AAOT_TEST_SOURCE", server)
    lines = ["person admitted end method diag"]
    people = ["4010232137", "9434765919", "9876543210"]
    for month in range(1, 13):
        lines += [f"{p} 2022-{month:02d}-01 2022-{month:02d}-{28 if month == 2 else 30} 21 F102" for p in people]
    rows = episodes("\n".join(lines))
    for row in rows:
        row["NHS Number"] = row.pop("TOKEN_PERSON_ID")
    rows[4]["STARTAGE"] = "old"
    small_table(server, rows, "apc")
    (tmp_path / "key").write_text("a secret of more than sixteen characters", "utf-8")
    parts = {"person_key": {"column": "NHS Number", "secret_file": "key"}, "complete_to": "2022-12-31"}
    from_table = study(
        tmp_path, {}, data={"admissions": "postgres:small.apc", **parts}, engine={"postgres": "env:AAOT_TEST_SOURCE"}
    )
    from_file = study(tmp_path, {"admissions.csv": csv_text(rows)}, data=parts)
    answers = [engine_run.found(prepare(c)) for c in (from_file, from_table)]
    for name in engine_run.FRAMES:
        pd.testing.assert_frame_equal(
            answers[1]["frames"][name], answers[0]["frames"][name], check_exact=True, obj=name
        )
    rejects = answers[1]["frames"]["restricted rejects"]
    assert rejects[["file", "column", "value_class"]].to_numpy().tolist() == [
        ["postgres:small.apc", "STARTAGE", "letters"]
    ]


def test_rows_of_a_table_in_another_order_are_the_same_input_and_another_cell_is_not(server, tmp_path, monkeypatch):
    from aaot_eval.run_folder import fingerprint

    monkeypatch.setenv("AAOT_TEST_SOURCE", server)
    rows = episodes("person admitted\nA 2022-05-01\nB 2022-06-01")
    config = study(
        tmp_path, {}, data={"admissions": "postgres:small.order"}, engine={"postgres": "env:AAOT_TEST_SOURCE"}
    )
    prints = []
    for given in (rows, rows[::-1], [rows[0], rows[1] | {"STARTAGE": "51"}]):
        small_table(server, given, "order")
        prints.append(fingerprint(config).whole)
    assert prints[0] == prints[1] != prints[2]


# Refusals -------------------------------------------------------------------------------------------------------------


def with_engine_table(simulated: Path, name: str, text: str) -> str:
    path = simulated.parent / f"{name}.toml"
    path.write_text(CONFIG + f"[engine]\n{text}\n", "utf-8")
    return str(path)


REFUSED = {
    "no_java": ("spark", 'spark = "local[2]"', {"JAVA_HOME": "/nowhere"}, "C211", "openjdk-17-jre-headless"),
    "no_master": ("spark", 'spark = "spark://127.0.0.1:9"', {}, "C212", "no Spark server answers"),
    "no_connect": ("spark", 'spark = "sc://127.0.0.1:9"', {}, "C212", "--engine duckdb"),
    "no_such_spark": ("spark", 'spark = "yarn"', {}, "C216", "local[2]"),
    "token": ("spark", 'spark = "sc://host:443/;token=abc123"', {}, "C104", "SPARK_REMOTE"),
    "secret_option": ("spark", 'options = { "spark.hadoop.fs.s3a.secret.key" = "abc123" }', {}, "C104", "spark-defaults.conf"),
    "no_variable": ("postgres", 'postgres = "env:AAOT_NOT_SET"', {}, "C218", "AAOT_NOT_SET is not set"),
    "no_address": ("postgres", "", {}, "C213", "no PostgreSQL server is named"),
    "no_server": ("postgres", 'postgres = "host=127.0.0.1 port=9 dbname=x"', {}, "C213", "connection refused"),
    "password": ("postgres", 'postgres = "postgresql://me:abc123@host/db"', {}, "C104", "env:NAME"),
    "password_key": ("postgres", 'postgres = "host=h password=abc123"', {}, "C104", "a config is not secret"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_engine_that_cannot_be_had_is_refused_in_words(simulated, case, monkeypatch):
    engine, table, environment, code, words = REFUSED[case]
    if case == "no_master":
        # Without Java that is what is missing, and said first.
        need_java()
    monkeypatch.delenv("SPARK_REMOTE", raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(InputError, match=code) as refusal:
        prepare(load_config(with_engine_table(simulated, case, table)).changed(engine__name=engine))
    assert refusal.value.exit_code == 3
    assert words in str(refusal.value)
    assert "abc123" not in str(refusal.value)


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "aaot_eval", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


@pytest.mark.parametrize(("engine", "module"), [("spark", "pyspark"), ("postgres", "adbc_driver_manager")])
def test_a_missing_extra_is_named_with_its_command(tmp_path, monkeypatch, engine, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf'C210.*\n.*\n.*pip install "aaot-eval\[{engine}\]"'):
        open_engine(engine, tmp_path, address="host=127.0.0.1" if engine == "postgres" else "local[2]")


def test_the_command_line_refuses_with_its_exit_codes(simulated):
    config = with_engine_table(simulated, "refused", 'postgres = "env:AAOT_NOT_SET"')
    asked = {"postgres": (3, "C218  the environment variable AAOT_NOT_SET is not set"), "oracle": (2, "duckdb")}
    for engine, (status, words) in asked.items():
        done = command("check", config, "--engine", engine)
        assert done.returncode == status
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_a_table_that_is_not_there_is_refused_with_close_names(server, tmp_path, monkeypatch):
    monkeypatch.setenv("AAOT_TEST_SOURCE", server)
    small_table(server, episodes("person\nA"), "episodes_2022")
    for name, words in (("small.episodes_2023", "close names: episodes_2022"), ("episodes", "schema.table")):
        config = study(
            tmp_path, {}, data={"admissions": f"postgres:{name}"}, engine={"postgres": "env:AAOT_TEST_SOURCE"}
        )
        with pytest.raises(InputError, match="C215") as refusal:
            prepare(config)
        assert words in str(refusal.value)


# The command line and the rendering -----------------------------------------------------------------------------------


def test_check_runs_on_the_engine_of_the_command_line(simulated, server):
    config = with_engine_table(simulated, "analysed", 'postgres = "env:AAOT_TEST_POSTGRES"')
    done = command("check", config, "--engine", "postgres", "--json", "--quiet", AAOT_TEST_POSTGRES=server)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["units"] == 4
    assert schemas(server) == []


def test_what_a_dialect_cannot_say_is_refused():
    sqlglot = pytest.importorskip("sqlglot")
    with pytest.raises(sqlglot.errors.UnsupportedError):
        render("PIVOT t ON a USING sum(b)", "postgres")
    with pytest.raises(sqlglot.errors.UnsupportedError, match="may fail"):
        render("SELECT TRY_CAST(a AS INT) FROM t", "postgres")
    assert 'CAST(EXTRACT(YEAR FROM "day") AS INT)' in render("SELECT year(day) * 12 FROM t", "postgres")
    assert render("SELECT row FROM t ORDER BY row", "spark") == "SELECT `row` FROM `t` ORDER BY `row` NULLS LAST"
