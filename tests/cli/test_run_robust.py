"""Runs that were spoiled, options that mean nothing, and places that may not be written to."""

from __future__ import annotations

import errno
import json
import shutil

import duckdb
import pytest

from aaot_eval.cli import run
from aaot_eval.cli.init import study_name
from aaot_eval.config import RunConfig
from aaot_eval.run_folder import StudyFolder, read_run
from tests.cli.fakes import write_config, written


@pytest.fixture
def fake(tmp_path):
    """A run folder `runs/fake/<run>` of a study that was never computed."""
    return written(write_config(tmp_path), tmp_path / "runs")


@pytest.mark.parametrize("manifest", ["{}", "[]", "{", '{"run": 1}', '{"outputs": {}}', "", "\ufeff\x00"])
def test_a_broken_manifest_is_named_and_no_fault(fake, capsys, manifest):
    (fake / "manifest.json").write_text(manifest, encoding="utf-8", newline="\n")
    assert run(["verify", str(fake)]) == 3
    assert "V600" in capsys.readouterr().err
    assert run(["report", str(fake)]) == 3


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(errno.ENOSPC, 3, "C134"), (errno.EROFS, 3, "C134"), (errno.EFBIG, 3, "C134"), (errno.EIO, 1, "U100")],
)
def test_a_full_disk_is_no_fault_of_ours(tmp_path, monkeypatch, capsys, number, code, words):
    def full(*_, **__):
        raise OSError(number, "as the system says")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("aaot_eval.cli.app", full)
    assert run(["analyze", "study.toml"]) == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("fault", [MemoryError(), duckdb.OutOfMemoryException("10 MB of 'a value'")])
def test_memory_that_is_too_little_is_told_without_a_value(tmp_path, monkeypatch, capsys, fault):
    def full(*_, **__):
        raise RuntimeError from fault

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("aaot_eval.cli.app", full)
    assert run(["analyze", "study.toml", "--json"]) == 3
    shown = capsys.readouterr()
    assert [p["code"] for p in json.loads(shown.out)["problems"]] == ["X216"]
    assert "a value" not in shown.err + shown.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lost", ["times", "outputs", "inputs", "refresh", "run_sha256", "secret_fingerprint"])
def test_a_manifest_without_one_part_is_no_manifest(fake, lost):
    document = json.loads((fake / "manifest.json").read_text("utf-8"))
    del document[lost]
    (fake / "manifest.json").write_text(json.dumps(document), encoding="utf-8", newline="\n")
    assert run(["verify", str(fake)]) == 3


def test_one_broken_run_does_not_stop_the_study(fake):
    bad = fake.with_name("2023-12_000000")
    shutil.copytree(fake, bad)
    (bad / "manifest.json").write_text("{}", encoding="utf-8", newline="\n")
    study = StudyFolder(fake.parent)
    assert [r.path.name for r in study.runs()] == [fake.name]
    assert study.unreadable() == [bad.name]


def test_analyze_passes_over_a_broken_run_and_says_so(tiny, capsys):
    name = next(
        line.split('"')[1] for line in (tiny / "study.toml").read_text("utf-8").splitlines() if line.startswith("name")
    )
    bad = tiny / "runs" / name / "2020-01_aaaaaa"
    bad.mkdir(parents=True)
    (bad / "manifest.json").write_text("{}", encoding="utf-8", newline="\n")
    arguments = ["analyze", str(tiny / "study.toml"), "--out", str(tiny / "runs")]
    assert run(arguments) == 0
    assert "Passed over 2020-01_aaaaaa" in capsys.readouterr().err
    assert run([*arguments, "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["unchanged"] is True
    assert "Nothing changed" in shown.err
    made = json.loads(shown.out)["run"]
    assert f"verify runs/{name}/" in (read_run(made).path / "README.txt").read_text("utf-8")


def test_a_run_is_found_by_its_id_from_where_the_runs_are(fake, monkeypatch, capsys):
    monkeypatch.chdir(fake.parent.parent.parent)
    assert run(["verify", fake.name]) == 0
    command = next(
        line for line in (fake / "README.txt").read_text("utf-8").splitlines() if line.startswith("Check it:")
    )
    assert run(command.split("aaot-eval ")[1].split()) == 0
    assert run(["verify", "2001-01_ffffff"]) == 3


@pytest.mark.parametrize("rtol", ["nan", "-1", "inf", "1"])
def test_a_tolerance_that_is_none(fake, rtol):
    assert run(["verify", str(fake), "--rtol", rtol]) == 2


def test_no_page_is_written_into_a_run(fake, tmp_path, capsys):
    before = (fake / "release" / "report.html").read_bytes()
    assert run(["report", str(fake), "--to", str(fake / "release" / "report.html")]) == 2
    assert "inside a run folder" in " ".join(capsys.readouterr().err.split())
    assert (fake / "release" / "report.html").read_bytes() == before


def test_no_page_is_drawn_from_a_changed_run_unless_asked(fake, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("aaot_eval.report.build_report", lambda release: release)
    monkeypatch.setattr("aaot_eval.report.render_html", lambda report: "page")
    page = tmp_path / "page.html"
    (fake / "release" / "report.html").write_text("changed", encoding="utf-8", newline="\n")
    assert run(["report", str(fake), "--to", str(page)]) == 7
    assert "release/report.html is not the file that was written" in " ".join(capsys.readouterr().err.split())
    assert not page.exists()
    assert run(["report", str(fake), "--to", str(page), "--unverified", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["verified"] is False
    assert "a run that was changed" in shown.err
    (fake / "release" / "about.json").write_text("{", encoding="utf-8", newline="\n")
    assert run(["report", str(fake), "--to", str(page), "--unverified"]) == 3


def test_options_without_sense_are_usage_errors(tmp_path):
    assert run(["simulate", str(tmp_path / "s"), "--seed", "-1"]) == 2


def test_an_empty_until_is_no_month(tiny, capsys):
    assert run(["analyze", str(tiny / "study.toml"), "--until", ""]) == 2
    assert "--until is not a month" in capsys.readouterr().err


def test_help_of_simulate_lists_the_scenarios(capsys):
    from aaot_eval.cli.simulate import SCENARIOS, WORLDS
    from aaot_eval.synthetic import SCENARIOS as SCENARIOS_THERE_ARE
    from aaot_eval.synthetic import WORLDS as WORLDS_THERE_ARE

    assert SCENARIOS.split(", ") == list(SCENARIOS_THERE_ARE)
    assert WORLDS.split(", ") == list(WORLDS_THERE_ARE)
    assert run(["simulate", "--help"]) == 0
    assert "single_site" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["Köln", "müller & co", "研究", "_x", "a" * 99, "study", "ﬁne ①", "-"])
def test_init_names_a_study_as_a_config_may(folder):
    assert RunConfig.model_validate({"config_version": 1, "name": study_name(folder), "data": {"panel": "x.csv"}})


def test_a_fault_says_where_its_log_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("aaot_eval.run_folder.read_run", lambda _path: 1 / 0)
    assert run(["verify", "x"]) == 1
    (log,) = tmp_path.glob("aaot-eval-fault-*.log")
    assert log.name in "".join(capsys.readouterr().err.split())


@pytest.fixture
def again(fake, monkeypatch):
    """`analyze` of the study of `fake`, of which nothing changed: it may give that run, and may not make another."""

    def made(*_, **__):
        pytest.fail("a new run was made")

    monkeypatch.setattr("aaot_eval.cli.analyze._new_run", made)
    return ["analyze", str(fake.parents[2] / "study.toml"), "--quiet"]


def test_a_run_that_was_spoiled_is_not_given_as_the_answer_again(fake, again, capsys):
    assert run(again) == 0
    assert capsys.readouterr().out.strip() == str(fake)
    (fake / "release" / "report.html").write_text("", encoding="utf-8")
    table = next((fake / "release" / "tables").glob("*.csv"))
    table.unlink()
    assert run([*again, "--json"]) == 7
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [p["code"] for p in problems] == ["V601", "V602", "V643"]
    assert problems[0]["what"].startswith(f"release/tables/{table.name}")
    assert "--force" in problems[-1]["do"]


def test_what_was_held_back_or_put_beside_a_run_does_not_keep_it_from_being_the_answer(fake, again, capsys):
    shutil.rmtree(fake / "restricted")
    (fake / "notes.docx").write_bytes(b"of the analyst")
    assert run(again) == 0
    assert capsys.readouterr().out.strip() == str(fake)


def test_a_latest_run_that_is_gone_is_named(fake, capsys):
    shutil.rmtree(fake)
    (fake.parent / "latest.txt").write_text(f"{fake.name}\n", encoding="utf-8")
    assert run(["verify", str(fake.parent)]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert f"latest.txt names the run {fake.name}, which is not there" in said
    assert "do: name another run of that folder, or run again" in said
