"""The verbs end to end on a small simulated study."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from aaot_eval.cli import run
from tests.cli.conftest import everything


@pytest.fixture(scope="module")
def analysed(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with one finished run, and what `analyze` said."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("analysed") / "study"))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(["analyze", str(folder / "study.toml")])
    assert code == 0, err.getvalue()
    said = {"out": out.getvalue(), "err": err.getvalue()}
    (folder / "said.json").write_text(json.dumps(said), encoding="utf-8", newline="\n")
    return folder


@pytest.fixture
def said(analysed: Path) -> dict[str, str]:
    return json.loads((analysed / "said.json").read_text("utf-8"))


@pytest.fixture
def finished(analysed: Path, said) -> Path:
    return Path(said["out"].strip())


def test_stdout_is_the_run_folder_and_nothing_else(finished, said):
    assert said["out"].count("\n") == 1
    assert (finished / "release" / "report.html").is_file()


def test_headline_and_progress_go_to_stderr_in_eighty_columns(said):
    assert "Did admissions fall" in said["err"]
    assert "Reading the extracts" in said["err"]
    assert max(map(len, said["err"].splitlines())) <= 80
    assert "\x1b" not in said["err"]


def test_everything_a_run_folder_holds(finished):
    names = everything(finished)
    assert {
        "README.txt",
        "manifest.json",
        "config.toml",
        "status.json",
        "restricted/log.txt",
        "release/report.md",
    } <= names
    tables = {p.stem for p in (finished / "release" / "tables").glob("*.csv")}
    assert {"headline", "estimates", "checks", "flow", "data_quality", "limits"} <= tables
    assert tables == {p.stem for p in (finished / "release" / "tables").glob("*.parquet")}
    assert list((finished / "release" / "figures").glob("*.svg"))


def test_status_takes_its_words_from_the_release(finished):
    status = json.loads((finished / "status.json").read_text("utf-8"))
    headline = pd.read_csv(finished / "release" / "tables" / "headline.csv")
    assert [row["sentence"] for row in status["headline"]] == list(headline.sort_values("order")["sentence"])
    assert status["exit_status"] == 0


def test_no_person_leaves(finished, made):
    tokens = [line.split(",")[0] for line in (made / "caseload.csv").read_text("utf-8").splitlines()[1:]]
    released = [p.read_bytes() for p in (finished / "release").rglob("*") if p.is_file()]
    top = [p.read_bytes() for p in finished.iterdir() if p.is_file()]
    assert not [t for t in tokens if any(t.encode() in content for content in (*released, *top))]


def test_the_same_again_is_the_old_run(analysed, finished, capsys):
    index = (finished.parent / "index.csv").read_text("utf-8")
    assert run(["analyze", str(analysed / "study.toml")]) == 0
    shown = capsys.readouterr()
    assert Path(shown.out.strip()).name == finished.name
    assert "Nothing changed" in shown.err
    assert (finished.parent / "index.csv").read_text("utf-8") == index


def test_json_answer(analysed, capsys):
    assert run(["analyze", str(analysed / "study.toml"), "--json"]) == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert shown.out.isascii()
    assert document["exit_status"] == 0
    assert document["headline"][0]["verdict"]
    assert Path(document["run"]).is_dir()
    assert document["unchanged"] is True
    assert shown.err == "Nothing changed: config, inputs and version are those of an earlier run.\n"


def test_stale_data_leave_latest_alone(analysed, finished, capsys):
    before = everything(finished.parent)
    assert run(["analyze", "-q", str(analysed / "study.toml"), "--until", "latest", "--as-of", "2030-01-15"]) == 4
    shown = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert "the newest complete month is 2024-12" in shown
    assert "2029-11 was expected" in shown
    assert everything(finished.parent) == before


def test_verify_says_the_files_are_as_written(finished, capsys):
    assert run(["verify", str(finished)]) == 0
    assert run(["verify", str(finished.parent)]) == 0
    assert "are as they were written" in capsys.readouterr().out


def test_verify_names_the_file_that_was_changed(finished, tmp_path, capsys):
    copy = Path(shutil.copytree(finished, tmp_path / finished.name))
    table = copy / "release" / "tables" / "estimates.csv"
    table.write_bytes(table.read_bytes().replace(b"0", b"1", 1))
    assert run(["verify", str(copy)]) == 7
    assert "release/tables/estimates.csv is not the file" in capsys.readouterr().err


def test_verify_repeats_the_run_to_the_last_digit(analysed, finished, capsys):
    assert run(["verify", "-q", str(finished), "--data", str(analysed), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["largest_relative_difference"].values()) == {0.0}
    assert {"release/estimates", "restricted/estimates"} <= set(document["largest_relative_difference"])


def test_verify_names_an_input_that_differs_before_any_number(analysed, finished, tmp_path, capsys):
    other = Path(shutil.copytree(analysed, tmp_path / "other", ignore=shutil.ignore_patterns("runs")))
    sites = other / "sites.csv"
    sites.write_bytes(sites.read_bytes() + b"\n")
    assert run(["verify", "-q", str(finished), "--data", str(other)]) == 7
    shown = capsys.readouterr().err
    assert "sites.csv (sites) is not what the run read" in re.sub(r"\s+", " ", shown)
    assert "differs: largest" not in shown


def test_report_is_drawn_again_from_the_release(finished, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert run(["report", str(finished), "--to", str(page)]) == 0
    assert page.read_bytes() == (finished / "release" / "report.html").read_bytes()


def test_check_lists_and_writes_nothing(made, tmp_path, capsys):
    folder = Path(shutil.copytree(made, tmp_path / "study"))
    before = everything(folder)
    assert run(["check", str(folder / "study.toml")]) == 0
    shown = capsys.readouterr()
    assert "primary  site_did" in shown.out
    assert "X210" in shown.err
    assert everything(folder) == before


def test_the_same_study_gives_the_same_bytes_without_a_network(tiny, monkeypatch, capsys):
    import socket

    def refuse(*_, **__):
        raise AssertionError("a connection was tried")

    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    runs = []
    for place in ("one", "two"):
        assert run(["analyze", "-q", str(tiny / "study.toml"), "--out", str(tiny / place)]) == 0
        runs.append(Path(capsys.readouterr().out.strip()))
    first, second = runs
    released = sorted(p.relative_to(first) for p in (first / "release").rglob("*") if p.is_file())
    assert len(released) > 10
    different = [str(f) for f in released if (first / f).read_bytes() != (second / f).read_bytes()]
    assert different == []
    exact = sorted(p.relative_to(first) for p in (first / "restricted" / "tables").iterdir())
    assert all(pd.read_parquet(first / f).equals(pd.read_parquet(second / f)) for f in exact)


def test_a_month_between_refreshes_is_monitoring(tiny, capsys):
    config = str(tiny / "study.toml")
    text = (tiny / "study.toml").read_text("utf-8").replace("complete_to = 2023-12-31", "complete_to = 2023-10-31")
    for end in ("2023-10-31", "2023-11-30"):
        (tiny / "study.toml").write_text(
            re.sub(r"complete_to = [0-9-]+", f"complete_to = {end}", text), encoding="utf-8", newline="\n"
        )
        assert run(["analyze", "-q", config, "--until", "latest", "--as-of", "2023-12-10"]) == 0
    run_folder = Path(capsys.readouterr().out.split()[-1])
    assert run_folder.name.startswith("2023-11_")
    status = json.loads((run_folder / "status.json").read_text("utf-8"))
    assert status["refresh"] | {"run": ""} == {
        "cycle": "quarterly",
        "refreshed": False,
        "data_cut": "2023-10",
        "next": "2023-12",
        "run": "",
    }
    assert status["headline"][0]["sentence"].startswith("Monitoring only: the data now run to 2023-11.")
    page = (run_folder / "release" / "report.html").read_text("utf-8")
    assert "carried from the run with data to 2023-10; monitoring only until data to 2023-12" in page
    assert run(["verify", "-q", str(run_folder), "--data", str(tiny)]) == 0
    index = pd.read_csv(run_folder.parent / "index.csv")
    assert list(index["refreshed"]) == [True, False]
    assert index["headline"].nunique() == 1


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("ingest", "files are read and every line accounted for; nothing was judged. Nothing was written."),
        ("panel", "4 units, 2021-07 to 2023-12"),
    ],
)
def test_stopping_early_writes_nothing(tiny, capsys, stage, words):
    before = everything(tiny)
    assert run(["analyze", "-q", str(tiny / "study.toml"), "--stop-after", stage]) == 0
    assert words in capsys.readouterr().out
    assert everything(tiny) == before


def test_init_starts_a_study_that_only_lacks_what_a_person_knows(tiny, capsys):
    extract = tiny / "extracts" / "apc_2223.csv"
    before = everything(tiny / "extracts")
    assert run(["init", str(tiny / "mine"), "--from", str(extract)]) == 0
    shown = capsys.readouterr()
    assert "HES admitted patient care" in shown.err
    assert everything(tiny / "extracts") == before
    assert everything(tiny / "mine") == {"study.toml", "caseload.csv", "sites.csv", "unit_costs.csv", "programme.csv"}
    assert [line.split(",")[0] for line in (tiny / "mine" / "sites.csv").read_text("utf-8").splitlines()] == [
        "site",
        "RZ1",
        "RZ2",
        "RZ3",
        "RZ4",
    ]
    from aaot_eval.config import load_config

    assert load_config(tiny / "mine" / "study.toml").data.admissions == "../extracts/apc_2223.csv"
    assert run(["init", str(tiny / "mine"), "--from", str(extract)]) == 3
    assert "not empty" in capsys.readouterr().err


def test_init_names_what_is_wrong_with_an_extract(tiny, capsys):
    assert run(["init", str(tiny / "mine"), "--from", str(tiny / "sites.csv")]) == 3
    assert "no known format" in capsys.readouterr().err
    assert run(["init", str(tiny / "mine"), "--from", str(tiny / "extracts")]) == 3
    told = " ".join(capsys.readouterr().err.split())
    assert "extracts is a folder where: --from" in told
    assert "extracts/*.csv'" in told
    assert run(["init", str(tiny / "mine"), "--from", str(tiny / "nothing.csv")]) == 3
    assert not (tiny / "mine").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("9", "another run holds the lock"),
        ("D308", "Caseload matches nobody"),
        ("D330", "stale"),
        ("site_did", "randomisation"),
        ("pre_trend", ""),
        ("hes_apc", "ADMIMETH"),
        ("Xnnn", "extract"),
        ("P425", "prices"),
    ],
)
def test_explain(name, words, capsys):
    assert run(["explain", name]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(name)
    assert words in shown


def test_a_code_is_explained_in_small_letters_too(capsys):
    assert run(["explain", "d308"]) == 0
    assert capsys.readouterr().out.startswith("D308 (finding)")


def test_explain_lists_every_name(capsys):
    from aaot_eval.checks import CHECKS
    from aaot_eval.estimators import ESTIMATORS
    from aaot_eval.findings import CATALOGUE
    from aaot_eval.messages import MESSAGES

    assert run(["explain"]) == 0
    listed = capsys.readouterr().out.split()
    assert {*CATALOGUE, *MESSAGES, *ESTIMATORS, *CHECKS} <= set(listed)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("costs", ["unit_costs (required)", "price_year (required)", 'basis (default "bed_day_and_stay")']),
        ("config.costs", ["whose costs count", "perspective (required)"]),
        ("costs.budget", ["fill (optional): list of number from 0 up to 1"]),
        ("perspective", ["in [costs] of the config", "commissioner, provider"]),
        ("entry_rule", ["entry_rule (estimator)"]),
        ("study.entry_rule", ["4 admissions in 12 months"]),
        ("analyses", ["[[analyses]], once for each", "estimator (required)"]),
        ("unit_costs", ["value (number, required)", "[costs] unit_costs", "emergency_short_stay,stay,"]),
        ("programme", ["set_up", "one of: staff, non_pay", "outreach worker,staff,"]),
        ("utilities", ["[costs.outcome] utilities", "one of: care_as_usual, aaot"]),
    ],
)
def test_explain_finds_the_tables_and_keys_of_a_config_and_the_files_of_money(name, words, capsys):
    assert run(["explain", name]) == 0
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    for word in words:
        assert word in shown


def test_a_table_of_money_or_of_the_config_hides_no_other_name(capsys):
    assert run(["explain", "--json"]) == 0
    kinds = {kind: names for kind, names in json.loads(capsys.readouterr().out).items() if isinstance(names, list)}
    ours = [n for kind in ("table of money", "table of the config", "restricted table") for n in kinds.pop(kind)]
    assert "config.costs" in ours
    assert not set(ours) & {name for names in kinds.values() for name in names}


def test_the_examples_of_the_files_of_money_obey_their_own_columns():
    from aaot_eval.cli._config_topics import MONEY_TABLES
    from aaot_eval.schema import table_schema

    for name in MONEY_TABLES:
        schema = table_schema("tables", name)
        assert schema.extra["example"]
        for row in schema.extra["example"]:
            assert set(row) <= set(schema.names)
            assert {column.name for column in schema.columns if column.required} <= set(row)
            assert all(row[c.name] in c.enum for c in schema.columns if c.enum and row.get(c.name))


def test_every_table_and_key_of_the_config_says_what_it_is():
    from aaot_eval.cli._config_topics import _meant, _nodes, config_topics
    from aaot_eval.config import config_json_schema

    schema = config_json_schema()
    silent, seen = [], 0
    for path, node, _ in _nodes(schema, schema, ()):
        seen += 1
        told = (node, _meant(node, schema), *node.get("anyOf", ()))
        if not any(str(each.get("description", "")).strip() for each in told):
            silent.append(".".join(path))
    assert seen > 100
    assert not silent
    full, _ = config_topics(str)
    assert "the study's short name" in full["config.name"]
    assert "the same seed gives the same results" in full["config.seed"]
    assert "text or whole number or date; first period used" in full["config.study.first_period"]


def test_explain_config_is_the_published_schema(capsys):
    assert run(["explain", "config"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "aaot-eval study config"


def test_patient_reports_need_a_reason(tiny, capsys):
    assert (
        run(
            [
                "analyze",
                str(tiny / "study.toml"),
                "--until",
                "2023-06",
                "--patient-reports",
                "--reason",
                "x",
                "--stop-after",
                "panel",
            ]
        )
        == 0
    )
    capsys.readouterr()
    text = (tiny / "study.toml").read_text("utf-8").split("[output]")[0]
    (tiny / "study.toml").write_text(text, encoding="utf-8", newline="\n")
    assert run(["analyze", str(tiny / "study.toml"), "--patient-reports"]) == 2
    assert "--reason" in capsys.readouterr().err


def test_alias(tmp_path, capsys):
    assert run(["analyse", str(tmp_path / "no.toml")]) == 3
    assert "there is no config file" in capsys.readouterr().err


def test_help_lists_the_verbs_under_their_headings_in_eighty_columns(capsys):
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if line in ("Everyday:", "Review:", "Planning:")] == [
        "Everyday:",
        "Review:",
        "Planning:",
    ]
    assert max(map(len, shown.splitlines())) <= 80


def test_verify_without_the_inputs_is_a_missing_file(finished, tmp_path, capsys):
    assert run(["verify", "-q", str(finished), "--data", str(tmp_path)]) == 3
    shown = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert "is not here" in shown
    assert "where the paths of the config start" in shown
    assert "where the paths of the config start" in (finished / "README.txt").read_text("utf-8")


def test_verify_says_in_a_line_what_a_repetition_gave(analysed, finished, capsys):
    assert run(["verify", "-q", str(finished), "--data", str(analysed)]) == 0
    short = capsys.readouterr().out
    assert re.search(r"[0-9]+ tables compared, largest relative difference 0\.0e\+00\.", re.sub(r"\s+", " ", short))
    assert len(short.splitlines()) <= 4
    assert all(len(line) <= 80 for line in short.splitlines())


@pytest.mark.parametrize("name", ["site_did", "entry_rule", "pre_trend", "hes_apc", "D308"])
def test_explanations_fit_the_terminal(capsys, name):
    assert run(["explain", name]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80 and " " in line.strip()] == []


def test_a_plan_fits_the_terminal():
    from aaot_eval.cli.power import _table

    row = {"what": "sites compared, exact randomisation", "months_after": 24, "monthly_mean": 41.25, "treated": 3,
           "units": 14, "people": 200, "p_least": 0.0027, "power": 0.81, "half_width": 0.12}  # fmt: skip
    lines = "\n".join(_table([row])).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "Power 81 %" in " ".join(" ".join(lines).split())


def test_what_a_plan_cannot_tell_is_null_in_its_document():
    from aaot_eval.cli.power import _rounded

    found = _rounded({"hospital_sd": float("nan"), "p_least": 0.08333333, "referred": 40, "treated_needed": None})
    assert found == {"hospital_sd": None, "p_least": 0.08333, "referred": 40, "treated_needed": None}


@pytest.mark.parametrize(
    ("code", "words"), [("X204", "column that is needed is not in a file"), ("P409", "prices of more than one year")]
)
def test_a_refusal_people_ask_about_is_explained(capsys, code, words):
    assert run(["explain", code]) == 0
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert words in shown
    assert "Do: " in shown
