"""Every SQL step says what it reads and makes, keeps to the portable subset, and makes the table that its schema describes."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from datetime import date
from pathlib import Path

import pytest

from aaot_eval.engine.rendering import render
from aaot_eval.engine.steps import step
from aaot_eval.ingest.flow import LOSSES
from aaot_eval.ingest.plan import READ
from aaot_eval.schema import extract_formats, in_full, schema_names, table_schema
from tests.drawn import csv_text, episodes, read, study

ROOT = Path(__file__).resolve().parents[2]
STEPS = sorted((ROOT / "aaot_eval" / "steps").glob("*.sql"))
# Tables that no step makes: read from files, matched natively, or handed in.
STEPS_BY_NAME = {path.stem: path for path in STEPS}
GIVEN = {
    "episodes_read",
    "attendances_read",
    "caseload_read",
    "sites_read",
    "deaths_read",
    "contacts_read",
    "denominators_read",
    "coded_diagnoses",
    "providers_read",
    "provider_codes",
    "fractions",
    "rule_terms",
    "units",
    "prices",
    "hrg_prices",
    "months",
    "activity_read",
}
NOT_PORTABLE = r"\bQUALIFY\b|\bUNPIVOT\b|\bPIVOT\b|GROUP BY \d|ORDER BY \d|\barg_m|->|\bLIMIT\b|\bTEMP\b|::|\bGREATEST\b|\bILIKE\b|\bTRY_"


def header(path: Path) -> dict[str, str]:
    lines = re.findall(r"^-- (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return dict(re.findall(r"^(\w+)(?: of)?: (.*?)$", "\n".join(lines), re.MULTILINE))


def body(path: Path) -> str:
    return re.sub(r"^--.*$", "", path.read_text("utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("path", STEPS, ids=lambda p: p.stem)
def test_a_step_says_what_it_reads_makes_and_why(path):
    head = header(path)
    assert set(head) >= {"reads", "makes", "rule", "decision"}
    for page in head["decision"].split(", "):
        assert (ROOT / page).is_file(), page
    named = {n.strip() for n in head["reads"].split(",")}
    used = set(re.findall(r"(?:FROM|JOIN)\s+([a-z_]+)", body(path)))
    assert used == named
    assert named <= GIVEN | {header(p)["makes"] for p in STEPS}


@pytest.mark.parametrize("path", STEPS, ids=lambda p: p.stem)
def test_a_step_keeps_to_the_portable_subset(path):
    assert not re.search(NOT_PORTABLE, body(path), re.IGNORECASE)
    assert body(path).count(";") == 0


@pytest.mark.parametrize("path", [p for p in STEPS if "values" in header(p)], ids=lambda p: p.stem)
def test_a_step_lists_every_text_that_its_column_can_have(path):
    listed = {p: set(re.split(" = |, ", header(p)["values"])[1:]) for p in STEPS if "values" in header(p)}
    written = set(re.findall(r"(?:THEN|ELSE) '(\w+)'", body(path)))
    taken_over = set().union(*(listed[p] for p in listed if header(p)["makes"] in header(path)["reads"].split(", ")))
    assert written <= listed[path] <= written | taken_over


def test_the_flow_knows_every_reason_of_a_loss():
    judged = {loss for p in STEPS if "values" in header(p) for loss in re.split(" = |, ", header(p)["values"])[1:]}
    named = set(re.findall(r"'(\w+)' AS reason", body(STEPS_BY_NAME["episodes_lost"])))
    assert (judged | named) - {"kept"} == {name for name, _, _ in LOSSES}


@pytest.mark.parametrize("path", [p for p in STEPS if "takes" in header(p)], ids=lambda p: p.stem)
def test_a_step_that_takes_a_table_leaves_out_and_does_nothing_else(path):
    table, lost = header(path)["takes"].split(" without ")
    assert {table, lost} == set(header(path)["reads"].split(", "))
    assert len(re.findall(r"\bJOIN\b", body(path))) == 1
    assert not re.search(r"\bGROUP BY\b|\bOVER\b|\bUNION\b|\bDISTINCT\b|\bCASE\b", body(path))


@pytest.mark.parametrize("path", [p for p in STEPS if "view" in header(p)], ids=lambda p: p.stem)
def test_a_view_chooses_rows_and_columns_of_one_table(path):
    assert header(path)["view"] == header(path)["reads"]
    assert not re.search(r"\bJOIN\b|\bGROUP BY\b|\bUNION\b|\bDISTINCT\b", body(path))
    if re.search(r"\bOVER\b", body(path)):
        # Rows are put beside one another anew for whoever looks: one step of a run may.
        looking = {header(p)["makes"] for p in STEPS if header(path)["makes"] in header(p)["reads"].split(", ")}
        assert len(looking) == 1


def test_every_table_is_as_its_schema_says(tmp_path):
    drawn = "person admitted end how\nA 2022-05-01 2022-05-03 4\nB 2022-12-31 2022-12-31 1"
    files = {
        "admissions.csv": csv_text(episodes(drawn)),
        "caseload.csv": "person,site,referred\nA,RX1,2022-05-02\n",
        "sites.csv": "site,go_live,population,beds\nRX1,2022-06-01,10,1\n",
        "deaths.csv": "person,death_date\nA,2022-05-03\n",
        "attendances.csv": "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,PROVIDER_CODE\nA,e1,2022-05-01,RX1\n",
    }
    with read(study(tmp_path, files, data={"complete_to": "2022-12-31"})) as tables:
        for name in sorted(set(schema_names("tables")) & set(tables.names)):
            made = [r[0] for r in tables.engine.rows(f"SELECT column_name FROM (DESCRIBE {tables.names[name]})")]
            declared = list(table_schema("tables", name).names)
            assert [c for c in made if c in declared] == declared, name
            assert set(made) - set(declared) <= {"uncoded", "codes"}, name


@pytest.mark.parametrize("name", schema_names("extracts"))
def test_every_format_says_what_it_is_for(name):
    schema = table_schema("extracts", name)
    assert schema.extra["given_as"] in (*READ, "panel")
    assert schema.description
    assert all(c.source_names or "made" in c.extra or not c.required for c in schema.columns)
    assert all(c.sensitive for c in schema.columns if c.name == "person")


def test_the_code_list_is_as_its_descriptor_says():
    import csv
    import hashlib
    import json

    folder = ROOT / "data_schemas" / "codelists"
    listed = json.loads((folder / "datapackage.json").read_text("utf-8"))["resources"][0]
    content = (folder / listed["path"]).read_bytes()
    assert listed["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert listed["bytes"] == len(content)
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert [f["name"] for f in listed["schema"]["fields"]] == list(rows[0])
    assert all(re.fullmatch(r"[A-Z]\d\d(\.\d)?", row["icd10"]) for row in rows)


# What the parameters of the steps stand for, so that each can be rendered without a run.
PARAMETERS = {
    "first_clock": 24264, "first_day": date(2022, 1, 1), "last_day": date(2022, 12, 31), "emergency": ("21", "2A"), "left_out": 1,
    "listed": 0, "excess_day": 300.0, "primary": "emergency", "positions": 20, "length": 2, "leave": 28, "begins": ("X1",), "measure": "emergency",
    "before": date(2022, 1, 1), "methods": ("21", "2A"), "loads": ("1", "2"), "private": ("02", "2"), "nowhere": ("X98",),
}  # fmt: skip


@pytest.mark.parametrize("target", ["spark", "postgres"])
@pytest.mark.parametrize("path", STEPS, ids=lambda p: p.stem)
def test_every_step_can_be_said_in_every_dialect(path, target):
    pytest.importorskip("sqlglot")
    parameters = PARAMETERS | ({"last_day": 29} if path.stem == "readmissions" else {})
    assert render(step(path.stem, **parameters).query, target)


@pytest.mark.parametrize("table", ["attendances", "caseload"])
def test_a_table_read_under_new_codes_keeps_every_column(table):
    text = body(ROOT / "aaot_eval" / "steps" / f"{table}_read_recoded.sql")
    for column in in_full(extract_formats(table)[0]).names:
        assert re.search(rf"\b{column}\b", text), column


def test_every_list_is_as_its_descriptor_says():
    folder = ROOT / "data_schemas" / "codelists"
    listed = json.loads((folder / "datapackage.json").read_text("utf-8"))["resources"]
    assert {r["path"] for r in listed} == {p.name for p in folder.glob("*.csv")}
    for entry in listed:
        content = (folder / entry["path"]).read_bytes()
        assert entry["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert entry["bytes"] == len(content)
        rows = list(csv.DictReader(content.decode().splitlines()))
        assert [f["name"] for f in entry["schema"]["fields"]] == list(rows[0])
        assert entry["licenses"]
        assert entry["sources"]
        assert all(re.compile(row["pattern"]) for row in rows if "pattern" in row)
