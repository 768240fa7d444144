"""A table of a Spark catalogue is an extract: the same panels as from a file, in place or through the reader; refused in words without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aaot_eval.engine.database_tables import table_of
from aaot_eval.errors import InputError
from aaot_eval.pipeline import prepare
from tests import engine_run
from tests.drawn import csv_text, episodes, study
from tests.services import need_java

PARTS = {"complete_to": "2022-12-31"}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session as a platform hands one in, with a schema `hospital`."""
    need_java()
    from pyspark.sql import SparkSession

    home = tmp_path_factory.mktemp("platform")
    made = (
        SparkSession.builder.master("local[1]").appName("platform").config("spark.ui.enabled", "false")
        .config("spark.sql.warehouse.dir", (home / "warehouse").as_uri()).config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.log.level", "OFF").getOrCreate()
    )  # fmt: skip
    made.sql("CREATE DATABASE IF NOT EXISTS hospital")
    yield made
    made.stop()


def rows_of_a_year(number: str = "TOKEN_PERSON_ID") -> list[dict[str, str]]:
    people = ("4010232137", "9434765919") if number != "TOKEN_PERSON_ID" else ("A", "B")
    lines = ["person admitted end method diag provider"]
    for month in range(1, 13):
        lines += [f"{p} 2022-{month:02d}-{day} 2022-{month:02d}-{day} 21 F102 RX1"
                  for p, day in zip(people, ("01", "28" if month == 2 else "30"), strict=True)]  # fmt: skip
    rows = episodes("\n".join(lines))
    return [{(number if k == "TOKEN_PERSON_ID" else k): v for k, v in row.items()} for row in rows]


def saved(session: Any, rows: list[dict[str, str]], name: str) -> None:
    frame = pd.DataFrame(rows).replace("", None)
    session.sql(f"DROP TABLE IF EXISTS hospital.{name}")
    columns = ", ".join(f"`{c}` STRING" for c in frame.columns)
    session.createDataFrame(frame.to_dict("records"), columns).write.saveAsTable(f"hospital.{name}")


def watched(monkeypatch) -> list[str]:
    """The names of the tables that are brought out of the session from now on."""
    from aaot_eval.engine.duckdb_reading import FileReading

    names: list[str] = []
    real = FileReading._bring_in

    def seen(reading):
        names.append(reading.plan.name)
        return real(reading)

    monkeypatch.setattr(FileReading, "_bring_in", seen)
    return names


CASES = {"nothing in doubt": ({}, False), "a bad cell": ({"STARTAGE": "old"}, True)}


@pytest.mark.parametrize("case", CASES)
def test_a_spark_table_gives_the_panels_of_the_file(session, tmp_path, monkeypatch, case):
    change, brought = CASES[case]
    rows = rows_of_a_year()
    rows[3] |= change
    saved(session, rows, "apc")
    names = watched(monkeypatch)
    from_file = prepare(study(tmp_path, {"admissions.csv": csv_text(rows)}, data=PARTS))
    there = study(tmp_path, {}, data={"admissions": "spark:hospital.apc", **PARTS}, engine={"name": "spark"})
    answers = [engine_run.found(from_file), engine_run.found(prepare(there, session=session))]
    assert names == (["spark:hospital.apc"] if brought else [])
    for name in engine_run.FRAMES:
        if name != "restricted rejects":
            pd.testing.assert_frame_equal(
                answers[1]["frames"][name], answers[0]["frames"][name], check_exact=True, obj=name
            )
    rejects = [a["frames"]["restricted rejects"][["column", "value_class"]].to_numpy().tolist() for a in answers]
    assert rejects[0] == rejects[1] == ([["STARTAGE", "letters"]] if brought else [])
    assert answers[1]["flow"] == answers[0]["flow"]


def test_numbers_of_people_are_hashed_on_their_way_and_stand_in_no_table(session, tmp_path):
    rows = rows_of_a_year("NHS Number")
    saved(session, rows, "numbered")
    (tmp_path / "key").write_text("a secret of more than sixteen characters", encoding="utf-8", newline="")
    parts = {"person_key": {"column": "NHS Number", "secret_file": "key"}, **PARTS}
    there = study(tmp_path, {}, data={"admissions": "spark:hospital.numbered", **parts}, engine={"name": "spark"})
    prepared = prepare(there, session=session)
    assert len(prepared.panel.people) == 2
    held = session.sql("SHOW DATABASES").toPandas().iloc[:, 0].tolist()
    assert not [name for name in held if name.startswith("aaot_work_")]


def test_the_order_of_rows_is_no_part_of_the_input_and_a_cell_is(session):
    rows = rows_of_a_year()
    seen = []
    for given in (rows, rows[::-1], [rows[0] | {"STARTAGE": "51"}, *rows[1:]]):
        saved(session, given, "order")
        seen.append(table_of("spark:hospital.order", None, session).inspect().sha256)
    assert seen[0] == seen[1] != seen[2]


REFUSED = {
    "no Spark": ("spark:hospital.apc", False, "C220"),
    "no name": ("spark:apc", True, "C215"),
    "no such table": ("spark:hospital.nothing", True, "C215"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_in_words(session, case):
    text, with_session, code = REFUSED[case]
    with pytest.raises(InputError) as refused:
        table_of(text, None, session if with_session else None).inspect()
    assert [p.code for p in refused.value.problems] == [code]


def test_a_spark_table_needs_the_spark_engine(tmp_path: Path):
    with pytest.raises(InputError) as refused:
        prepare(study(tmp_path, {}, data={"admissions": "spark:hospital.apc", **PARTS}))
    assert [p.code for p in refused.value.problems] == ["C220"]
