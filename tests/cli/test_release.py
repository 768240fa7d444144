"""What may leave of a run, packed: nothing else is in it, the output checker is told what is, and it says where it comes from."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aaot_eval.cli import run
from aaot_eval.config import config_json_schema
from aaot_eval.disclosure import Rules
from aaot_eval.errors import DisclosureError, InputError
from aaot_eval.outgoing import look_through
from aaot_eval.run_folder import parcel
from aaot_eval.run_folder.files import sha256
from aaot_eval.run_folder.releasing import LEFT_OUT, PRIVATE, leaving_config
from aaot_eval.schema import disclosure_profiles
from tests.cli.fakes import write_config, written


@pytest.fixture(scope="module")
def ended(made_tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose extracts and runs lie where no other computer has them."""
    folder = Path(shutil.copytree(made_tiny, tmp_path_factory.mktemp("jane.smith") / "study"))
    elsewhere = folder.parent / "private.share"
    shutil.move(folder / "extracts", elsewhere)
    text = (folder / "study.toml").read_text("utf-8").replace('"extracts/', f'"{elsewhere.as_posix()}/')
    assert "private.share" in text
    (folder / "study.toml").write_text(text, encoding="utf-8", newline="\n")
    assert run(["analyze", str(folder / "study.toml"), "--quiet", "--out", str(folder.parent / "runs")]) == 0
    return next(p.parent for p in (folder.parent / "runs").glob("*/*/manifest.json"))


@pytest.fixture(scope="module")
def packed(ended: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its release, as a crate."""
    folder = tmp_path_factory.mktemp("packed") / "out"
    assert run(["release", str(ended), "--to", str(folder), "--crate"]) == 0
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def without_index(source: Path, folder: Path) -> Path:
    """A copy of a run in a place of its own, where its manifest can be changed."""
    return Path(shutil.copytree(source, folder / source.name))


def replaced(folder: Path, name: str, content: bytes) -> None:
    """A file of a run as if it had been written so: its record agrees."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    entry = {"path": name, "bytes": len(content), "sha256": sha256(content), "release": True}
    manifest["outputs"] = [e for e in manifest["outputs"] if e["path"] != name] + [entry]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8", newline="\n")


# --- what is in it ----------------------------------------------------------------------------------------------------


def test_it_holds_the_files_of_release_and_five_that_say_what_they_are(ended, packed):
    given, there = files_of(ended), files_of(packed)
    beside = {"README.txt", "files.csv", "config.toml", "manifest.json", "ro-crate-metadata.json"}
    assert set(there) == {name for name in given if name.startswith("release/")} | beside
    assert all(there[name] == given[name] for name in there if name.startswith("release/"))


def test_no_folder_user_or_secret_of_the_computer_is_in_it(ended, packed):
    system = json.loads((ended / "manifest.json").read_text("utf-8"))["system"]
    for name, content in files_of(packed).items():
        for said in ("jane.smith", "private.share", str(ended.parent), system, "--out"):
            assert said.encode() not in content, (name, said)


def test_no_name_hash_or_size_of_a_file_of_restricted_is_in_it(ended, packed):
    outputs = json.loads((ended / "manifest.json").read_text("utf-8"))["outputs"]
    held = [e for e in outputs if e["path"].startswith("restricted/")]
    kept = {e["sha256"] for e in outputs if e["release"]}
    assert len({e["sha256"] for e in held} - kept) > 10
    for name, content in files_of(packed).items():
        text = content.decode("utf-8", errors="replace")
        for entry in held:
            # A table without any count is the same file on both sides: its hash tells nothing.
            assert entry["sha256"] in kept or entry["sha256"] not in text, (name, entry["path"])
            assert entry["path"] not in text, (name, entry["path"])


def test_the_size_of_an_input_is_told_as_its_count_may_be(ended, packed):
    exact = {f["sha256"]: f for f in json.loads((ended / "manifest.json").read_text("utf-8"))["inputs"]}
    rules = Rules.of("hes")
    shown = json.loads((packed / "manifest.json").read_text("utf-8"))["inputs"]
    assert {f["sha256"] for f in shown} == set(exact)
    for entry in shown:
        assert "bytes" not in entry
        if isinstance(entry["rows"], int) and entry["table"] != "sites":
            assert entry["rows"] % rules.base == 0
            assert abs(entry["rows"] - exact[entry["sha256"]]["rows"]) < rules.base
    assert any(isinstance(f["rows"], int) for f in shown)


def test_a_part_of_the_record_that_is_new_stays_until_somebody_decides(ended, tmp_path, capsys):
    folder = without_index(ended, tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8")) | {"host": "SECRET-PC"}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8", newline="\n")
    assert run(["release", str(folder), "--to", str(tmp_path / "out")]) == 0
    assert not any(b"SECRET-PC" in content for content in files_of(tmp_path / "out").values())


def test_the_same_run_gives_the_same_bytes(ended, packed, tmp_path):
    assert run(["release", str(ended), "--to", str(tmp_path / "again"), "--crate", "-q"]) == 0
    assert files_of(tmp_path / "again") == files_of(packed)


def test_names_work_on_windows_and_paths_stay_short(packed):
    names = list(files_of(packed))
    assert not [n for n in names if not re.fullmatch(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*", n)], (
        "as they are in an address too"
    )
    assert max(map(len, names)) < 100
    assert len({n.casefold() for n in names}) == len(names)


# --- what the output checker is told ----------------------------------------------------------------------------------


def test_the_list_says_of_each_file_what_it_is_and_of_each_table_what_is_hidden(packed):
    told = pd.read_csv(packed / "files.csv", dtype=str, keep_default_na=False).set_index("file")
    there = files_of(packed)
    assert set(told.index) == set(there) - {"files.csv", "manifest.json", "ro-crate-metadata.json"}
    assert (told["profile"] == "hes").all()
    assert (told["what"] != "").all()
    for name, row in told.iterrows():
        assert row["sha256"] == sha256(there[str(name)])
        if str(name).endswith(".csv"):
            frame = pd.read_csv(packed / str(name), dtype=str, keep_default_na=False)
            assert int(row["rows"]) == len(frame)
            counted = {c: int((frame[c] == "*").sum()) for c in frame}
            assert row["hidden_in"] == "; ".join(f"{c} {n}" for c, n in counted.items() if n)
            assert int(row["hidden_cells"]) == sum(counted.values())
            packed_again = told.loc[str(name).replace(".csv", ".parquet")]
            assert list(packed_again[["rows", "smallest_count", "hidden_in"]]) == list(
                row[["rows", "smallest_count", "hidden_in"]]
            )
    assert (told["hidden_cells"].replace("", "0").astype(int) > 0).any()
    assert min(int(n) for n in told["smallest_count"] if n) > Rules.of("hes").high


def test_the_first_page_says_the_rule_what_is_hidden_and_what_is_not_there(packed):
    text = (packed / "README.txt").read_text("utf-8")
    assert max(map(len, text.splitlines())) <= 80
    said = " ".join(text.split())
    assert "counts from 1 to 7 are shown as *, others are rounded to the nearest 5" in said
    assert "restricted/ of the run: exact tables" in said
    assert "command: it holds folders and names of users." in said
    assert "Licence: Not stated" in said


@pytest.mark.parametrize(
    ("disclosure", "said"),
    [
        ({"national": True}, "of a whole nation, so NO count was hidden"),
        ({"hide_from": 0, "hide_to": -1, "round_to": 1, "symbol": "*"}, "it hides and rounds NO count"),
        ({"hide_from": 1, "hide_to": 5, "round_to": 1, "symbol": "*"}, "counts from 1 to 5 are shown as *, others are as counted"),
    ],
)  # fmt: skip
def test_a_rule_that_hides_nothing_is_said_in_capitals(tmp_path, disclosure, said):
    folder = without_index(written(write_config(tmp_path / "a"), tmp_path / "runs"), tmp_path)
    about = json.loads((folder / "release" / "about.json").read_text("utf-8"))
    about["meta"]["disclosure"] = disclosure
    replaced(folder, "release/about.json", json.dumps(about).encode())
    assert run(["release", str(folder), "--to", str(tmp_path / "out"), "-q"]) == 0
    assert said in " ".join((tmp_path / "out" / "README.txt").read_text("utf-8").split())


# --- what can be done with it outside ---------------------------------------------------------------------------------


def test_a_release_is_verified_reported_and_compared_like_a_run(ended, packed, tmp_path, capsys):
    assert run(["verify", str(packed)]) == 0
    assert "It is a release" in " ".join(capsys.readouterr().out.split())
    assert run(["report", str(packed), "--to", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_bytes() == (packed / "release" / "report.html").read_bytes()
    assert run(["compare", str(ended), str(packed), "--json"]) == 0


def test_a_changed_file_of_a_release_is_found(packed, tmp_path, capsys):
    folder = Path(shutil.copytree(packed, tmp_path / "out"))
    (folder / "files.csv").write_text("nothing\n", encoding="utf-8", newline="\n")
    assert run(["verify", str(folder)]) == 7
    assert "files.csv is not the file that was written" in capsys.readouterr().err


def test_json_says_where_it_is_and_what_is_in_it(ended, tmp_path, capsys):
    assert run(["release", str(ended), "--to", str(tmp_path / "out"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["release"] == str(tmp_path / "out")
    assert said["profile"] == "hes"
    assert said["smallest_count"] > 7
    assert said["hidden_cells"] > 0
    assert said["crate"] is False
    assert not (tmp_path / "out" / "ro-crate-metadata.json").exists()


def test_what_is_said_fits_eighty_columns(ended, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["release", str(ended), "--to", "out"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "out\n", "a scheduler reads the place alone"
    assert "hidden cells, smallest count" in " ".join(shown.err.split())
    assert max(map(len, shown.err.splitlines())) <= 80
    assert run(["release", str(ended), "--to", "quiet", "-q"]) == 0
    assert capsys.readouterr().err == ""


# --- the crate --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crate(packed: Path) -> dict[str, dict[str, Any]]:
    """The entities of the metadata by their id."""
    document = json.loads((packed / "ro-crate-metadata.json").read_text("utf-8"))
    assert document["@context"] == [
        "https://w3id.org/ro/crate/1.1/context",
        "https://w3id.org/ro/terms/workflow-run/context",
    ]
    graph = document["@graph"]
    assert len({e["@id"] for e in graph}) == len(graph)
    return {e["@id"]: e for e in graph}


def refs(value: Any) -> list[str]:
    return [v["@id"] for v in (value if isinstance(value, list) else [value])]


def test_the_crate_has_what_ro_crate_requires_of_it(crate, packed):
    """RO-Crate 1.1: a descriptor, and a root with name, description, datePublished, license and every file as a part."""
    about = crate["ro-crate-metadata.json"]
    assert (about["@type"], refs(about["conformsTo"]), refs(about["about"])) == (
        "CreativeWork", ["https://w3id.org/ro/crate/1.1"], ["./"]
    )  # fmt: skip
    root = crate["./"]
    assert root["@type"] == "Dataset"
    assert root["name"]
    assert root["description"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", root["datePublished"])
    licence = crate[refs(root["license"])[0]]
    assert licence["@type"] == "CreativeWork"
    assert licence["name"]
    assert licence["description"]
    there = files_of(packed)
    parts = refs(root["hasPart"])
    assert set(parts) == set(there) - {"ro-crate-metadata.json"}
    for part in parts:
        entity, content = crate[part], there[part]
        assert entity["@type"] == "File"
        assert "/" in entity["encodingFormat"]
        if part != "manifest.json":  # which holds the hash of the metadata
            assert (entity["sha256"], entity["contentSize"]) == (sha256(content), str(len(content)))


def test_the_crate_has_what_the_profile_requires_of_it(crate, ended):
    """Process Run Crate 0.5: the action with its tool as instrument, named from the root, with times, inputs and results."""
    manifest = json.loads((ended / "manifest.json").read_text("utf-8"))
    root = crate["./"]
    (profile,) = refs(root["conformsTo"])
    assert profile == "https://w3id.org/ro/wfrun/process/0.5"
    assert (crate[profile]["@type"], crate[profile]["version"]) == ("CreativeWork", "0.5")
    (mentioned,) = refs(root["mentions"])
    action = crate[mentioned]
    assert action["@type"] == "CreateAction"
    assert action["name"]
    assert action["description"]
    tool = crate[refs(action["instrument"])[0]]
    assert (tool["@type"], tool["name"], tool["softwareVersion"]) == (
        "SoftwareApplication", "aaot-eval", manifest["tool"]["version"]
    )  # fmt: skip
    assert "version" not in tool, "the profile wants one of the two"
    assert (action["startTime"], action["endTime"]) == (manifest["times"]["started"], manifest["times"]["finished"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+\d\d:\d\d", action["endTime"])
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert "agent" not in action, "nobody asked who ran it"
    results = refs(action["result"])
    assert results
    assert all(r.startswith("release/") and crate[r]["@type"] == "File" for r in results)


def test_inputs_are_named_and_hashed_and_no_part_of_the_crate(crate, ended):
    read = json.loads((ended / "manifest.json").read_text("utf-8"))["inputs"]
    action = next(e for e in crate.values() if e["@type"] == "CreateAction")
    *inputs, config = [crate[i] for i in refs(action["object"])]
    assert config["@id"] == "config.toml"
    assert [(e["name"], e["sha256"]) for e in inputs] == [(f["path"], f["sha256"]) for f in read]
    assert all(e["@type"] == "CreativeWork" and set(e) == {"@id", "@type", "name", "description", "sha256"} for e in inputs)  # fmt: skip
    assert not {e["@id"] for e in inputs} & set(refs(crate["./"]["hasPart"]))


def test_every_reference_of_the_crate_is_answered_in_it(crate):
    def all_refs(node: Any, top: bool = True) -> list[str]:
        if isinstance(node, dict):
            own = [node["@id"]] if not top and set(node) == {"@id"} else []
            return own + [r for v in node.values() for r in all_refs(v, False)]
        return [r for v in node for r in all_refs(v, False)] if isinstance(node, list) else []

    asked = {r for entity in crate.values() for r in all_refs(entity)}
    assert asked - set(crate) == {"https://w3id.org/ro/crate/1.1"}
    assert not any("restricted" in r for r in asked)


@pytest.mark.parametrize(
    ("given", "identity"),
    [("https://www.example.org/licence/", "https://www.example.org/licence/"), ("For the trust alone", "#licence")],
)
def test_a_licence_that_is_given_is_said(tmp_path, given, identity):
    source = written(write_config(tmp_path / "a"), tmp_path / "runs")
    assert run(["release", str(source), "--to", str(tmp_path / "out"), "--crate", "--licence", given, "-q"]) == 0
    graph = json.loads((tmp_path / "out" / "ro-crate-metadata.json").read_text("utf-8"))["@graph"]
    by = {e["@id"]: e for e in graph}
    assert refs(by["./"]["license"]) == [identity]
    assert by[identity]["name"] == given
    assert f"Licence: {given}" in (tmp_path / "out" / "README.txt").read_text("utf-8")


# --- the config that leaves -------------------------------------------------------------------------------------------

CONFIG = r"""config_version = 1
name = "x" # default
title = "A: service (or B)"
[data]
admissions = ["C:\\Users\\jane\\apc.csv", "extracts/b_*.csv", "//server/share/c.csv", "../up/d.csv"]
deaths = "/home/jane/deaths.csv" # default
one_off_keys = ["Q1234567"]
dates = { caseload = "%d/%m/%Y" }
[data.person_key]
column = "NHS_NUMBER"
secret_file = "keys/aaot.key"
[output]
runs = "D:\\runs"
reason = "asked by Jane"
[engine]
name = "postgres"
postgres = "service=hospital"
[engine.options]
"spark.master.host" = "srv01"
[[fidelity]]
site = "S1"
source = "two judges, 2024"
"""


def test_a_config_leaves_without_folders_servers_secrets_and_keys():
    text, private = leaving_config(CONFIG.replace("\\\\", "\\\\"))
    shown = tomllib.loads(text)
    assert shown["data"]["admissions"] == ["apc.csv", "extracts/b_*.csv", "c.csv", "d.csv"]
    assert shown["data"]["deaths"] == "deaths.csv"
    assert shown["data"]["one_off_keys"] == [LEFT_OUT]
    assert shown["data"]["dates"] == {"caseload": "%d/%m/%Y"}
    assert shown["data"]["person_key"] == {"column": "NHS_NUMBER", "secret_file": LEFT_OUT}
    assert shown["output"] == {"runs": "runs", "reason": LEFT_OUT}
    assert shown["engine"] == {"name": "postgres", "postgres": LEFT_OUT, "options": {"spark.master.host": LEFT_OUT}}
    assert (shown["title"], shown["fidelity"][0]["source"]) == ("A: service (or B)", "two judges, 2024")
    assert private == [
        "data.one_off_keys", "data.person_key.secret_file", "output.reason", "engine.postgres", "engine.options"
    ]  # fmt: skip
    assert '"deaths.csv" # default' in text
    assert not any(said in text for said in ("jane", "Jane", "server", "srv01", "Q1234567", "keys/", "hospital"))


#: Keys of free text or names that the release shows as they are written: names of columns, sites, outcomes, analyses and files.
SHOWN = {
    "name", "title", "analyses.name", "analyses.estimator", "analyses.outcome", "analyses.checks", "analyses.options", "fidelity.site",
    "fidelity.source", "data.admissions", "data.attendances", "data.deaths", "data.activity", "data.caseload", "data.sites", "data.contacts",
    "data.denominators", "data.providers", "data.opt_out", "data.panel", "data.person_key.column", "data.formats", "data.columns",
    "data.dates", "panel.unit", "panel.period", "panel.exposure", "panel.cluster", "panel.weight", "panel.covariates", "panel.group",
    "panel.start", "panel.beside", "cohort.area", "cohort.codes", "cohort.exclude_codes", "cohort.sites", "trial.allocation", "trial.service",
    "trial.usual_care", "study.first_period", "study.last_period", "study.service_start", "study.stop", "study.interruptions",
    "study.left_out", "study.window", "study.outcome", "study.also", "study.entry_rule", "study.comparison", "study.starts",
    "counting.code_list", "costs.unit_costs", "costs.programme", "costs.price_year", "costs.price_index", "costs.outcome.utilities",
    "disclosure.profile", "output.runs", "output.work", "output.memory", "output.cache_limit", "monthly.rebase",
}  # fmt: skip


def texts(schema: dict[str, Any], node: dict[str, Any], path: str = "") -> set[str]:
    """The keys of the config that hold any text."""
    if "$ref" in node:
        return texts(schema, schema["$defs"][node["$ref"].rpartition("/")[2]], path)
    found = {path} if node.get("type") == "string" and not {"enum", "const", "format"} & node.keys() else set()
    inside = [*node.get("anyOf", ()), *([node["items"]] if isinstance(node.get("items"), dict) else [])]
    if isinstance(node.get("additionalProperties"), dict):
        inside.append(node["additionalProperties"])
    for part in inside:
        found |= texts(schema, part, path)
    for key, part in node.get("properties", {}).items():
        found |= texts(schema, part, f"{path}.{key}" if path else key)
    return found


def test_of_every_text_of_a_config_it_is_decided_whether_it_leaves():
    schema = config_json_schema()
    free = texts(schema, schema)
    assert {p for p in free if not any(f"{p}.".startswith(f"{known}.") for known in (*SHOWN, *PRIVATE))} == set()
    assert free >= {"data.person_key.secret_file", "data.one_off_keys", "output.reason", "engine.postgres", "title"}


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_changed_run_is_not_released(tmp_path, capsys):
    source = written(write_config(tmp_path / "a"), tmp_path / "runs")
    (source / "release" / "report.html").write_text("other\n", encoding="utf-8", newline="\n")
    assert run(["release", str(source), "--to", str(tmp_path / "out")]) == 7
    said = capsys.readouterr().err
    assert "release/report.html is not the file that was written" in said
    assert "V630  nothing is released of a changed run" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["empty folder", "folder", "file"])
def test_what_is_there_already_is_never_replaced(tmp_path, capsys, kind):
    source, target = written(write_config(tmp_path / "a"), tmp_path / "runs"), tmp_path / "out"
    if kind == "file":
        target.write_text("mine\n", encoding="utf-8", newline="\n")
    else:
        target.mkdir()
    if kind == "folder":
        (target / "mine.txt").write_text("mine\n", encoding="utf-8", newline="\n")
    before = {p.name for p in tmp_path.iterdir()}, files_of(target)
    assert run(["release", str(source), "--to", str(target)]) == 3
    assert "C132" in capsys.readouterr().err
    assert ({p.name for p in tmp_path.iterdir()}, files_of(target)) == before


def test_nothing_is_written_into_a_run_or_among_runs(tmp_path, capsys):
    source = written(write_config(tmp_path / "a"), tmp_path / "runs")
    for target in (source / "out", source / "release" / "x" / "out", source.parent / "out"):
        assert run(["release", str(source), "--to", str(target)]) == 2
        assert "U008" in capsys.readouterr().err
        assert not target.exists()


def test_a_release_is_not_released_or_repeated(tmp_path, capsys):
    source, out = written(write_config(tmp_path / "a"), tmp_path / "runs"), tmp_path / "out"
    assert run(["release", str(source), "--to", str(out)]) == 0
    assert run(["release", str(out), "--to", str(tmp_path / "again")]) == 3
    assert run(["verify", str(out), "--data", str(tmp_path / "a")]) == 3
    assert capsys.readouterr().err.count("V605") == 2
    assert not (tmp_path / "again").exists()


def test_a_folder_is_no_run(tmp_path, capsys):
    assert run(["release", str(tmp_path), "--to", str(tmp_path / "out")]) == 3
    assert "V600" in capsys.readouterr().err


def test_a_disk_that_takes_nothing_leaves_nothing(tmp_path, monkeypatch, capsys):
    source = written(write_config(tmp_path / "a"), tmp_path / "runs")
    before = {p.name for p in tmp_path.iterdir()}
    real, seen = parcel.write_bytes, []

    def full(path: Path, content: bytes) -> None:
        seen.append(path)
        if len(seen) > 3:
            raise OSError(13, "not allowed")
        real(path, content)

    monkeypatch.setattr(parcel, "write_bytes", full)
    assert run(["release", str(source), "--to", str(tmp_path / "out")]) == 3
    said = capsys.readouterr().err
    assert "cannot be written" in said
    assert "--to" in said
    assert {p.name for p in tmp_path.iterdir()} == before


GOOD = b"unit,referred,linked,deaths,person_years\nall,30,25,*,40\n"
REFUSED = {
    "a file of another kind": ("release/notes.txt", b"a note\n", "R606"),
    "a table that is not described": ("release/tables/patients.csv", b"person\n1\n", "R606"),
    "a figure in another place": ("release/chart.svg", b"<svg/>", "R606"),
    "a column kept to control others": ("release/tables/series.csv", b"unit,persons\nall,30\n", "R607"),
    "a column that is not described": ("release/tables/caseload.csv", b"unit,person_key\nall,1\n", "R607"),
    "a table that cannot be read": ("release/tables/caseload.csv", b"", "R607"),
    "a small count": ("release/tables/caseload.csv", GOOD.replace(b"*", b"3"), "R608"),
    "a count that is not rounded": ("release/tables/caseload.csv", GOOD.replace(b"30", b"31"), "R608"),
    "an NHS number in a page": ("release/report.html", b"<p>943 476 5919</p>", "R605"),
    "an NHS number in a figure": ("release/figures/x.svg", b"<svg><text>9434765919</text></svg>", "R605"),
    "an NHS number in the facts": ("release/about.json", b'{"meta": {"title": "9434765919", "data_cut": "2024-12"}, "hidden": {}, "profile": "hes"}', "R605"),
    "a profile that there is not": ("release/about.json", b'{"meta": {"title": "x"}, "hidden": {}, "profile": "own"}', "R600"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_not_leave_stops_the_release(tmp_path, capsys, name):
    path, content, code = REFUSED[name]
    folder = without_index(written(write_config(tmp_path / "a"), tmp_path / "runs"), tmp_path)
    replaced(folder, path, content)
    assert run(["verify", str(folder)]) == 0, "the record agrees: only a look at the file finds it"
    assert run(["release", str(folder), "--to", str(tmp_path / "out")]) == 6
    said = capsys.readouterr().err
    assert f"\n{code}  " in f"\n{said}"
    assert "9434765919" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("profile", "allowed"),
    [("hes", "0, *, or a multiple of 5 above 7"), ("acro", "*, or a multiple of 5 above 9")],
)
def test_the_refusal_of_a_count_says_the_rule_of_the_profile_and_no_count(profile, allowed):
    with pytest.raises(DisclosureError) as refused:
        look_through({"tables/caseload.csv": GOOD.replace(b"*", b"3")}, profile=profile, national=False)
    (problem,) = refused.value.problems
    assert problem.allowed == allowed
    assert problem.what == "tables/caseload.csv: 1 count in the column deaths should be hidden or rounded"


def test_a_run_whose_rows_of_people_were_purged_is_released(ended, tmp_path, capsys):
    folder = without_index(ended, tmp_path)
    assert run(["purge", str(folder), "--older-than", "0d", "--yes"]) == 0
    assert run(["release", str(folder), "--to", str(tmp_path / "out"), "-q"]) == 0
    assert not (tmp_path / "out" / "purged.json").exists()
    assert run(["verify", str(tmp_path / "out")]) == 0


def test_everything_that_may_not_leave_is_told_at_once():
    with pytest.raises(DisclosureError) as refused:
        look_through(
            {"notes.txt": b"", "tables/caseload.csv": GOOD.replace(b"30", b"31")}, profile="hes", national=False
        )
    assert [p.code for p in refused.value.problems] == ["R606", "R608"]


@pytest.mark.parametrize("profile", disclosure_profiles())
def test_a_figure_that_holds_its_points_leaves_only_where_the_profile_lets_it(profile):
    drawn = {"figures/forest.svg": b"<svg/>"}
    if profile == "acro":
        with pytest.raises(DisclosureError, match="R606"):
            look_through(drawn, profile=profile, national=False)
    else:
        (one,) = look_through(drawn, profile=profile, national=False)
        assert one.what == "Figure: forest"


def test_a_table_under_the_rule_passes_and_says_its_smallest_count():
    (one,) = look_through({"tables/caseload.csv": GOOD}, profile="hes", national=False)
    assert (one.what, one.rows, one.smallest, one.hidden) == ("Table: Caseload", 1, 25, {"deaths": 1})


def test_shares_and_sums_of_prices_are_no_counts():
    """An aggregated panel of shares, and an outcome in pounds, stand among events and are rounded by rules of their own."""
    head = b"analysis,unit,outcome,t,period,observed\n"
    shares = head + b"a,S1,share_late,1,2024-01,0.25\na,S1,share_late,2,2024-02,1\n"
    costs = head + b"a,S1,hospital_cost,1,2024-01,1230\na,S1,hospital_cost,2,2024-02,12\n"
    counts = head + b"a,S1,admissions,1,2024-01,3\n"
    for profile in ("hes", "none"):
        for given in (shares, costs):
            (one,) = look_through({"tables/series.csv": given}, profile=profile, national=False)
            assert one.smallest is None
    (one,) = look_through(
        {"tables/series.csv": shares + b"b,S1,admissions,1,2024-01,15\n"}, profile="hes", national=False
    )
    assert one.smallest == 15
    with pytest.raises(DisclosureError, match="R608"):
        look_through({"tables/series.csv": counts}, profile="hes", national=False)


def test_a_file_that_changes_after_it_was_verified_is_not_copied(tmp_path):
    from aaot_eval.run_folder import read_run, released_files

    source = read_run(written(write_config(tmp_path / "a"), tmp_path / "runs"))
    assert set(released_files(source)) == {e["path"] for e in source.manifest["outputs"] if e["release"]}
    (source.path / "release" / "report.html").write_text("other\n", encoding="utf-8", newline="\n")
    with pytest.raises(Exception, match="V602"):
        released_files(source)


def test_a_folder_that_is_there_is_refused_in_the_last_moment_too(tmp_path):
    """The folder may have been made since the command line was looked at."""
    from aaot_eval.run_folder import read_run, released_files, write_release

    source = read_run(written(write_config(tmp_path / "a"), tmp_path / "runs"))
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="C132"):
        write_release(source, source.release(), released_files(source), [], tmp_path / "out", as_csv=lambda f: "")


def test_a_run_under_a_sealed_plan_leaves_without_its_log_and_not_with_a_broken_one(made_tiny, tmp_path, capsys):
    study = Path(shutil.copytree(made_tiny, tmp_path / "study"))
    for more in (["--seal"], ["--quiet"]):
        assert run(["analyze", str(study / "study.toml"), *more]) == 0
    log = next((study / "runs").glob("*/plan_log.txt"))
    assert run(["release", str(log.parent), "--to", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / "plan_log.txt").exists()
    assert "plan_log.txt, stays with the study" in " ".join(
        (tmp_path / "out" / "README.txt").read_text("utf-8").split()
    )
    assert run(["verify", str(tmp_path / "out")]) == 0
    log.unlink()
    assert run(["release", str(log.parent), "--to", str(tmp_path / "other")]) == 7
    assert "V650" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
