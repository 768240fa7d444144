"""The sealed plan, statement by statement: R-06 and R-07 of the researcher, V-09 of the reviewer, and the log that they rest on."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from aaot_eval.cli import run
from aaot_eval.config import RunConfig, load_config
from aaot_eval.errors import InputError
from aaot_eval.report.sections._plan import NONE_SEALED
from aaot_eval.run_folder import (
    PLAN_LOG,
    PlanLog,
    StudyFolder,
    accept_lists,
    read_run,
    seal_plan,
    seal_problems,
    sealing,
    standing_seal,
)
from aaot_eval.run_folder.environment import code_lists
from tests.cli.conftest import everything
from tests.cli.fakes import CONFIG, write_config, written

OWN = "icd10\nF10.2\nK70\n"


def declared(study: Path) -> str:
    """The text of a study's config."""
    return (study / "study.toml").read_text("utf-8")


def declare(study: Path, text: str) -> None:
    """Write a study's config."""
    (study / "study.toml").write_text(text, encoding="utf-8", newline="\n")


def with_own_list(study: Path) -> None:
    """Let the study count by a code list of its own."""
    (study / "own.csv").write_text(OWN, encoding="utf-8", newline="\n")
    declare(study, declared(study) + '\n[counting]\ncode_list = "own.csv"\n')


def log_of(study: Path) -> PlanLog:
    """The log beside the runs of a study."""
    (path,) = (study / "runs").glob(f"*/{PLAN_LOG}")
    return PlanLog(path)


def newest(study: Path) -> Path:
    """The run made last."""
    return max(
        (p.parent for p in (study / "runs").glob("*/*/manifest.json")),
        key=lambda p: (p / "manifest.json").stat().st_mtime_ns,
    )


def page_one(folder: Path) -> str:
    """The first page of a run: from the top to the end of the answer, without tags."""
    html = (folder / "release" / "report.html").read_text("utf-8")
    head = html[html.index("<body") :]
    return " ".join(re.sub(r"<[^>]+>", " ", head[: head.index("</section>", head.index('id="answer"'))]).split())


def limits_of(folder: Path) -> str:
    """What a run says under its limits."""
    text = (folder / "release" / "report.md").read_text("utf-8")
    return text[text.index("## Limits") : text.index("## How to reproduce")].replace("\\", "")


# ---- One study from its seal to its departures: R-06, V-09 ---------------------------------------------------------


@pytest.fixture(scope="module")
def sealed(made_tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study with a code list of its own, sealed and run once; never written to."""
    study = Path(shutil.copytree(made_tiny, tmp_path_factory.mktemp("sealed") / "study"))
    with_own_list(study)
    assert run(["analyze", str(study / "study.toml"), "--seal"]) == 0
    assert run(["analyze", str(study / "study.toml"), "--quiet"]) == 0
    return study


@pytest.fixture
def own(sealed: Path, tmp_path: Path) -> Path:
    """A copy of the sealed study that a test may spoil."""
    return Path(shutil.copytree(sealed, tmp_path / "study"))


def test_the_seal_reads_no_extract_and_makes_no_run(tiny, capsys):
    for extract in (tiny / "extracts").iterdir():
        extract.unlink()
    (tiny / "caseload.csv").unlink()
    assert run(["analyze", str(tiny / "study.toml"), "--seal"]) == 0
    assert {Path(name).name for name in everything(tiny / "runs")} == {"simulated_null_1", PLAN_LOG, ".lock"}
    (event,) = log_of(tiny).events()
    assert event.facts["first_read"] is None
    assert event.facts["plan"]["study.outcome"] == "alcohol_specific_emergency"
    assert event.facts["plan"]["costs.perspective"] == "provider"
    shown = capsys.readouterr().out
    assert event.sha256 in shown
    assert max(map(len, shown.replace(str(log_of(tiny).path), "").splitlines())) <= 80


def test_a_follower_says_so_on_page_one_with_the_date(sealed):
    (folder,) = (p.parent for p in (sealed / "runs").glob("*/*/manifest.json"))
    seal = log_of(sealed).seal()
    day = datetime.now(UTC)
    assert f"follows the plan sealed on {day.day} {day:%B} {day.year}, before any run" in page_one(folder)
    assert "Departs" not in page_one(folder)
    assert seal.event.sha256 in limits_of(folder)
    assert "Every setting of the analysis is as it was sealed." in limits_of(folder)
    assert "shown only by a copy of the seal’s hash that somebody else was given" in limits_of(folder)


def test_hash_and_time_of_the_seal_precede_the_first_outcome_read(sealed):
    """V-09."""
    events = log_of(sealed).events()
    assert [e.kind for e in events] == ["seal", "read", "run"]
    assert events[0].time <= events[1].time
    assert events[1].facts["before"] == events[0].sha256
    (folder,) = (p.parent for p in (sealed / "runs").glob("*/*/manifest.json"))
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["plan"]["sha256"] == events[0].sha256
    assert manifest["plan"]["log_line"] == events[1].sha256
    assert manifest["plan"]["sealed"] <= manifest["times"]["started"] <= manifest["times"]["finished"]
    log = (folder / "restricted" / "log.txt").read_text("utf-8")
    assert log.index(f"({events[0].sha256[:12]}) is followed") < log.index("Reading the extracts")


def test_the_log_holds_nobody(sealed):
    text = log_of(sealed).path.read_text("utf-8")
    caseload = pd.read_csv(sealed / "caseload.csv", dtype=str)
    people = [key for key in caseload.iloc[:, 0].dropna() if len(key) > 4]
    assert people
    assert not [key for key in people if key in text]
    assert "extracts/" not in text  # no path either


def test_a_changed_primary_outcome_runs_to_the_end_and_is_said_on_page_one(own, capsys):
    """R-06."""
    declare(own, declared(own).replace('outcome = "alcohol_specific_emergency"', 'outcome = "emergency"'))
    assert run(["analyze", str(own / "study.toml"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    departures = [{"key": "study.outcome", "sealed": "alcohol_specific_emergency", "now": "emergency"}]
    assert told["plan"]["departures"] == departures
    folder = Path(told["run"])
    assert json.loads((folder / "manifest.json").read_text("utf-8"))["plan"]["departures"] == departures
    assert "Departs from the sealed plan" in page_one(folder)
    assert re.search(r"departs from the plan sealed on .*, in study\.outcome", page_one(folder))
    assert "study.outcome: planned: alcohol_specific_emergency; done: emergency" in limits_of(folder)
    assert log_of(own).events()[-1].facts["departures"] == ["study.outcome"]
    assert run(["verify", str(folder)]) == 0
    assert run(["compare", str(folder.parent / log_of(own).events()[2].facts["run"]), str(folder)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Sealed plan: 1 departures then: none now: study.outcome" in shown
    assert "Only the settings differ" in shown


def test_an_edited_code_list_stops_until_a_reason_is_given(own, capsys):
    """R-07."""
    before = log_of(own).path.read_bytes(), everything(own)
    (own / "own.csv").write_text(OWN + "X45\n", encoding="utf-8", newline="\n")
    for verb in ("analyze", "check"):
        assert run([verb, str(own / "study.toml"), "--quiet"]) == 3
        refused = " ".join(capsys.readouterr().err.split())
        assert "C251 the study's own code list is not the one that was sealed on" in refused
        assert "counting.code_list: own.csv" in refused
        assert "--accept-codelist-change" in refused
    assert before == (log_of(own).path.read_bytes(), everything(own))

    why = "X45 was left out <by mistake>"
    assert run(["analyze", str(own / "study.toml"), "--quiet", "--accept-codelist-change", why]) == 0
    folder = newest(own)
    assert f"counting.code_list, accepted on {datetime.now(UTC).day} " in limits_of(folder)
    assert why.replace("<", "&lt;").replace(">", "&gt;") in (folder / "release" / "report.html").read_text("utf-8")
    assert "1 code list changed since, see “Limits”" in page_one(folder)
    assert [e.facts["reason"] for e in log_of(own).events() if e.kind == "accept"] == [why]
    assert run(["verify", str(folder)]) == 0

    capsys.readouterr()
    assert run(["analyze", str(own / "study.toml"), "--quiet"]) == 0  # the reason was given, once
    assert capsys.readouterr().out.strip() == str(folder)
    (own / "own.csv").write_text(OWN, encoding="utf-8", newline="\n")
    assert run(["analyze", str(own / "study.toml"), "--quiet"]) == 3


def test_unchanged_inputs_print_the_old_run_and_a_month_more_is_no_departure(own, capsys):
    (folder,) = (p.parent for p in (own / "runs").glob("*/*/manifest.json"))
    log = log_of(own).path.read_bytes()
    assert run(["analyze", str(own / "study.toml"), "--until", "latest", "--as-of", "2024-02-20", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["unchanged"], told["run"]) == (True, str(folder))
    assert log_of(own).path.read_bytes() == log
    (own / "extracts").rename(own / "moved")
    text = declared(own).replace("extracts/", "moved/").replace("complete_to = 2023-12-31", "complete_to = 2023-11-30")
    declare(own, text)
    assert run(["analyze", str(own / "study.toml"), "--until", "latest", "--as-of", "2024-01-20", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["unchanged"], told["data_cut"], told["plan"]["departures"]) == (False, "2023-11", [])
    assert "follows the plan sealed on" in page_one(Path(told["run"]))


def test_a_run_and_its_repetition_agree_under_a_seal(own, capsys):
    (folder,) = (p.parent for p in (own / "runs").glob("*/*/manifest.json"))
    assert run(["verify", str(folder), "--data", str(own), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert max(told["largest_relative_difference"].values()) == 0.0
    assert told["plan_log"] == {"lines": 3, "runs": [folder.name]}


def test_what_is_released_tells_of_the_seal_and_needs_no_log(own, tmp_path, capsys):
    config = own / "study.toml"
    declare(own, declared(own).replace('outcome = "alcohol_specific_emergency"', 'outcome = "emergency"'))
    assert run(["analyze", str(config), "--quiet"]) == 0
    runs = [e.facts["run"] for e in log_of(own).events() if e.kind == "run"]
    sent = [tmp_path / "sent" / name for name in runs]
    for name, to in zip(runs, sent, strict=True):
        assert run(["release", str(log_of(own).path.parent / name), "--to", str(to)]) == 0
        assert run(["verify", str(to)]) == 0
        assert not list(to.rglob(PLAN_LOG))
    assert "departs from the plan sealed on" in page_one(sent[1])
    capsys.readouterr()
    assert run(["compare", *map(str, sent)]) == 0
    assert "Sealed plan: 1 departures then: none now: study.outcome" in " ".join(capsys.readouterr().out.split())
    shutil.move(sent[0], log_of(own).path.parent / "sent")
    assert run(["verify", str(log_of(own).path.parent / "sent")]) == 0


def test_without_a_seal_one_quiet_line(tmp_path):
    from aaot_eval.report import build_report, render_html, render_markdown
    from tests.report_fixture import release

    report = build_report(release())
    assert render_markdown(report).count("No plan was sealed") == 1
    html = render_html(report)
    assert NONE_SEALED in html
    assert html.index(NONE_SEALED) > html.index('id="limits"')


# ---- What a plan is ------------------------------------------------------------------------------------------------


def plan(text: str, folder: Path, panel: str = "unit,period,emergency\nS1,2024-01,5\n") -> RunConfig:
    """A config from its text."""
    return write_config(folder, text, panel)


@pytest.mark.parametrize(
    ("change", "departs"),
    [
        (('outcome = "emergency"', 'outcome = "bed_days"'), ["study.outcome"]),
        (("[study]", "[study]\nconf_level = 0.9"), ["study.conf_level"]),
        (("[study]", "[study]\nlast_period = '2024-12'"), ["study.last_period"]),
        (("[study]", "[study]\nalso = ['bed_days']"), ["study.also"]),
        (("[study]", "[quality]\nthresholds = { D382 = 0.3 }\n[study]"), ["quality.thresholds.D382"]),
        (("[study]", "[disclosure]\nprofile = 'none'\n[study]"), ["disclosure.profile"]),
        (('name = "fake"', 'name = "fake"\nseed = 7'), ["seed"]),
        (("[study]", "[panel]\nunit = 'site'\n[study]"), ["panel.unit"]),
        (("[study]", "[monthly]\nrefresh = 'yearly'\n[study]"), ["monthly.refresh"]),
        (("[study]", "[[analyses]]\nname = 'main'\nestimator = 'its'\nprimary = true\n[study]"),
         ["analyses.main.estimator", "analyses.main.primary"]),
        # Where files lie, how far the data go, what the work is done with and how the page is called are no plan.
        (('panel = "panel.csv"', 'panel = "./panel.csv"'), []),
        (("[study]", '[[monthly.rebase]]\nperiod = "2024-06"\nby = "A. Person"\nwhy = "size"\n[study]'), []),
        (("[study]", "complete_to = 2024-12-31\n[study]"), []),
        (("[study]", "[output]\nruns = 'elsewhere'\nmemory = '1GB'\n[study]"), []),
        (("[study]", "[engine]\nname = 'spark'\n[study]"), []),
        (("[study]", "[monthly]\nlag_months = 3\n[study]"), []),
        (('name = "fake"', 'name = "fake"\ntitle = "Another"'), []),
        # A default that is written out is the same plan.
        (("[study]", "[study]\nconf_level = 0.95"), []),
    ],
)  # fmt: skip
def test_what_is_a_departure(tmp_path, change, departs):
    seal, new = seal_plan(StudyFolder.open(tmp_path / "runs", "fake"), plan(CONFIG, tmp_path / "a"))
    assert new
    changed = plan(CONFIG.replace(*change), tmp_path / "b")
    assert [d["key"] for d in seal.departures(changed)] == departs
    assert all(d["sealed"] != d["now"] for d in seal.departures(changed))


def test_an_analysis_taken_out_is_a_departure_by_its_name(tmp_path):
    text = CONFIG + "[[analyses]]\nname = 'main'\nestimator = 'its'\nprimary = true\n"
    seal, _ = seal_plan(StudyFolder.open(tmp_path / "runs", "fake"), plan(text, tmp_path / "a"))
    assert seal.departures(plan(CONFIG, tmp_path / "b")) == [
        {"key": "analyses.main.estimator", "sealed": "its", "now": "not set"},
        {"key": "analyses.main.primary", "sealed": "true", "now": "not set"},
    ]


def test_tables_written_for_the_study_are_planned_by_what_they_hold(tiny):
    config = load_config(tiny / "study.toml")
    seal, _ = seal_plan(StudyFolder.open(tiny / "runs", config.name), config)
    sites = (tiny / "sites.csv").read_bytes()
    (tiny / "sites.csv").write_bytes(sites.replace(b"\n", b"\r\n"))
    assert seal.departures(config) == []
    (tiny / "sites.csv").write_bytes(sites.replace(b"2023", b"2022"))
    (departure,) = seal.departures(config)
    assert departure["key"] == "data.sites"
    assert re.fullmatch(r"content [0-9a-f]{12}", departure["now"])
    (tiny / "sites.csv").unlink()
    assert seal.departures(config)[0]["now"] == "no file"
    shutil.rmtree(tiny / "extracts")
    assert [d["key"] for d in seal.departures(config)] == ["data.sites"]


def test_a_setting_that_the_sealing_version_did_not_have_is_no_departure_until_it_is_given(tmp_path, monkeypatch):
    study, config = StudyFolder.open(tmp_path / "runs", "fake"), plan(CONFIG, tmp_path / "a")
    with monkeypatch.context() as older:
        of_old = {k: v for k, v in sealing.plan_of(config).items() if k != "study.conf_level"}
        older.setattr(sealing, "plan_of", lambda _config, **_: of_old)
        seal, _ = seal_plan(study, config)
    assert seal.departures(config) == []
    given = plan(CONFIG.replace("[study]", "[study]\nconf_level = 0.95"), tmp_path / "b")
    assert seal.departures(given) == [{"key": "study.conf_level", "sealed": "not set", "now": "0.95"}]


def test_nothing_that_stays_inside_when_a_config_leaves_stands_in_a_plan():
    from aaot_eval.run_folder.releasing import PRIVATE

    assert {key for key in PRIVATE if key not in sealing.GIVEN and not sealing.NOT_PLANNED.fullmatch(key)} == set()


def test_beginnings_of_keys_are_planned_and_not_told(tiny):
    declare(tiny, declared(tiny).replace("[data]", '[data]\none_off_keys = ["SECRET7"]'))
    assert sealing.plan_of(load_config(tiny / "study.toml"))["data.one_off_keys"] == "given"


# ---- Code lists ----------------------------------------------------------------------------------------------------


def test_a_shipped_list_of_another_version_counts_too(tiny, monkeypatch):
    config = load_config(tiny / "study.toml")
    study = StudyFolder.open(tiny / "runs", config.name)
    seal, _ = seal_plan(study, config)
    assert seal.lists.keys() == code_lists().keys()
    shipped = dict(code_lists())
    monkeypatch.setattr(sealing, "code_lists", lambda: {**shipped, "one_more.csv": "0" * 64})
    assert accept_lists(study, seal, config, None) is seal
    monkeypatch.setattr(sealing, "code_lists", lambda: {**shipped, "alcohol_specific.csv": "0" * 64})
    with pytest.raises(
        InputError, match=r"the code list alcohol_specific\.csv is not the one that was sealed"
    ) as refused:
        accept_lists(study, seal, config, None)
    assert refused.value.exit_code == 3
    assert len(PlanLog.beside(study.path).events()) == 1
    accepted = accept_lists(study, seal, config, "ICD-10 of 2027")
    assert accepted == standing_seal(study)
    assert accepted.state != seal.state
    assert accept_lists(study, accepted, config, None) is accepted
    assert accepted.about(config)["accepted"][0]["lists"] == ["alcohol_specific.csv"]


def test_an_own_list_put_in_place_or_taken_out_is_a_changed_list(tiny):
    config = load_config(tiny / "study.toml")
    study = StudyFolder.open(tiny / "runs", config.name)
    seal, _ = seal_plan(study, config)
    with_own_list(tiny)
    with_list = load_config(tiny / "study.toml")
    assert seal.changed_lists(sealing.lists_of(with_list)) == ["counting.code_list"]
    assert seal.departures(with_list) == []
    again, _ = seal_plan(study, with_list, "own list")
    assert again.changed_lists(sealing.lists_of(config)) == ["counting.code_list"]


def test_line_ends_of_a_list_do_not_count(tmp_path, monkeypatch):
    from aaot_eval.run_folder import environment

    before = code_lists()
    home = tmp_path / "data_schemas" / "codelists"
    shutil.copytree(environment.shipped("data_schemas") / "codelists", home)
    for path in home.glob("*.csv"):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    monkeypatch.setattr(environment, "shipped", lambda _: home.parent)
    assert code_lists() == before


def test_totals_are_counted_by_no_list(tmp_path):
    assert sealing.lists_of(plan(CONFIG, tmp_path)) == {}


# ---- Sealing again -------------------------------------------------------------------------------------------------


def test_the_same_plan_is_not_sealed_twice(tmp_path, capsys):
    plan(CONFIG, tmp_path)
    command = ["analyze", str(tmp_path / "study.toml"), "--seal"]
    assert run(command) == 0
    before = log_of(tmp_path).path.read_bytes()
    capsys.readouterr()
    assert run([*command, "--reason", "in case"]) == 0
    assert "is sealed already" in capsys.readouterr().out
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["new"], told["sha256"]) == (False, log_of(tmp_path).events()[0].sha256)
    assert told["plan"]["study.outcome"] == "emergency"
    assert log_of(tmp_path).path.read_bytes() == before


def test_another_plan_is_sealed_for_a_reason_only_and_the_first_stays(tmp_path, capsys):
    plan(CONFIG, tmp_path)
    command = ["analyze", str(tmp_path / "study.toml"), "--seal"]
    assert run(command) == 0
    first = log_of(tmp_path).path.read_bytes()
    plan(CONFIG.replace('outcome = "emergency"', 'outcome = "bed_days"'), tmp_path)
    assert run(command) == 3
    refused = " ".join(capsys.readouterr().err.split())
    assert "C250 another plan was sealed on" in refused
    assert "study.outcome: emergency; now: bed_days" in refused
    assert log_of(tmp_path).path.read_bytes() == first
    assert run([*command, "--reason", "amendment 2"]) == 0
    assert log_of(tmp_path).path.read_bytes().startswith(first)
    seal = log_of(tmp_path).seal()
    about = seal.about(load_config(tmp_path / "study.toml"))
    assert (about["departures"], about["reason"], len(about["earlier"])) == ([], "amendment 2", 1)
    assert about["first_read"] is None


@pytest.mark.parametrize("gone", [False, True])
def test_a_seal_after_a_run_says_so_even_when_the_run_is_gone(tmp_path, gone):
    config, runs = plan(CONFIG, tmp_path), tmp_path / "runs"
    made = written(config, runs)
    if gone:
        shutil.rmtree(made)
    study = StudyFolder.open(runs, "fake")
    seal, _ = seal_plan(study, config)
    first = seal.event.facts["first_read"]
    assert first[:4] == (str(datetime.now(UTC).year) if gone else "2025")  # the index knows when it ended
    assert "after the outcomes had been read (first on 1 January 2025)" in _in_brief(
        {**seal.about(config), "first_read": "2025-01-01"}
    )


def _in_brief(about: dict[str, object]) -> str:
    from aaot_eval.report.contents import Source
    from aaot_eval.report.sections._plan import plan_in_brief
    from tests.report_fixture import release

    return plan_in_brief(Source(release(plan=about)))


def test_page_one_names_three_settings_and_counts_the_rest(tmp_path):
    seal, _ = seal_plan(StudyFolder.open(tmp_path / "runs", "fake"), plan(CONFIG, tmp_path))
    about = seal.about(plan(CONFIG, tmp_path))
    keys = [{"key": f"study.k{i}", "sealed": "1", "now": "2"} for i in range(5)]
    assert _in_brief(about | {"departures": keys}).endswith("in study.k0, study.k1, study.k2 and 2 other settings")
    assert _in_brief(about | {"departures": keys[:2]}).endswith("in study.k0 and study.k1")


@pytest.mark.parametrize(
    "given",
    [["--until", "latest"], ["--force"], ["--fail-on-signal"], ["--stop-after", "panel"], ["--as-of", "2026-01-01"],
     ["--patient-reports", "--reason", "x"], ["--accept-codelist-change", "x"]],
)  # fmt: skip
def test_a_seal_runs_nothing(tmp_path, capsys, given):
    plan(CONFIG, tmp_path)
    assert run(["analyze", str(tmp_path / "study.toml"), "--seal", *given]) == 2
    assert f"--seal runs nothing, so that {given[0]} cannot be obeyed" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("given", [["--seal", "--reason", " "], ["--accept-codelist-change", ""]])
def test_a_blank_is_no_reason(tmp_path, capsys, given):
    plan(CONFIG, tmp_path)
    assert run(["analyze", str(tmp_path / "study.toml"), *given]) == 2
    assert "says nothing" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


# ---- The log: chained, never written over, one writer --------------------------------------------------------------


@pytest.fixture
def logged(tmp_path: Path) -> tuple[RunConfig, Path]:
    """A sealed study with two runs, and the second of them."""
    config, runs = plan(CONFIG, tmp_path), tmp_path / "runs"
    seal_plan(StudyFolder.open(runs, "fake"), config)
    written(config, runs, data_cut="2024-11")
    return config, written(config, runs)


def test_a_line_is_the_hash_of_its_text_and_names_the_line_before(logged):
    before = ""
    for line in (logged[1].parent / PLAN_LOG).read_text("ascii").splitlines():
        digest, text = line.split("  ", 1)
        assert hashlib.sha256(text.encode()).hexdigest() == digest
        assert json.loads(text)["before"] == before
        before = digest


def test_every_run_of_the_study_is_in_the_log(logged):
    config, made = logged
    log = PlanLog.beside(made.parent)
    assert [e.kind for e in log.events()] == ["seal", "read", "run", "read", "run"]
    assert [e.facts["data_cut"] for e in log.events() if e.kind == "run"] == ["2024-11", "2024-12"]
    before = log.path.read_bytes()
    written(config, made.parent.parent)  # made again: a further line, none is written over
    assert log.path.read_bytes().startswith(before)
    assert len(log.events()) == 7
    assert seal_problems(read_run(made)) == []


@pytest.mark.parametrize("how", ["changed", "gone", "twice", "swapped"])
@pytest.mark.parametrize("line", [1, 2, 3, 4, 5])
def test_verify_names_the_file_and_the_line_that_is_broken(logged, capsys, line, how):
    made = logged[1]
    path = made.parent / PLAN_LOG
    lines = path.read_bytes().splitlines(keepends=True)
    spoilt = list(lines)
    if how == "changed":
        spoilt[line - 1] = spoilt[line - 1].replace(b'"event"', b'"Event"', 1)
    elif how == "gone":
        del spoilt[line - 1]
    elif how == "twice":
        spoilt.insert(line, spoilt[line - 1])
    else:
        other = line % len(lines)
        spoilt[line - 1], spoilt[other] = spoilt[other], spoilt[line - 1]
    path.write_bytes(b"".join(spoilt))
    assert run(["verify", str(made)]) == 7
    said = " ".join(capsys.readouterr().err.split())
    if how == "gone" and line == len(lines):  # what is left holds together, and does not know the run
        assert "V652" in said
        assert "the run with this manifest.json is not in it" in said
        return
    broken = {"changed": line, "gone": line, "twice": line + 1, "swapped": 1 if line == len(lines) else line}[how]
    assert f"V651 {PLAN_LOG} is not as it was written: line {broken} is changed" in said
    assert f"where: {path}, line {broken}" in said


def test_a_log_made_anew_with_hashes_that_fit_does_not_know_the_run(logged, capsys):
    """Who leaves a run out and chains the rest again is found by the hash in the manifest."""
    made = logged[1]
    path = made.parent / PLAN_LOG
    kept = [line for i, line in enumerate(path.read_text("ascii").splitlines()) if i not in (1, 2)]
    before, chained = "", ""
    for line in kept:
        text = json.dumps(json.loads(line[66:]) | {"before": before})
        before = hashlib.sha256(text.encode()).hexdigest()
        chained += f"{before}  {text}\n"
    path.write_text(chained, encoding="ascii", newline="\n")
    assert PlanLog(path).chain()[1] == 0
    assert run(["verify", str(made)]) == 7
    assert "its reading of the outcomes is not in it" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "line",
    ["", "not a line", '{"event": "seal"}', '{"event": "other", "time": "2026-01-01"}', '{"event": "run", "time": "2026-01-01"}',
     '{"event": "read", "time": "yesterday", "run_sha256": "0"}', "[]", '"seal"'],
)  # fmt: skip
def test_a_line_that_says_nothing_breaks_the_log_though_its_hash_fits(logged, line):
    log = PlanLog.beside(logged[1].parent)
    text = line
    if line.startswith('{"'):
        text = json.dumps(json.loads(line) | {"before": log.events()[-1].sha256})
    with log.path.open("ab") as file:
        file.write(f"{hashlib.sha256(text.encode()).hexdigest()}  {text}\n".encode())
    assert log.chain()[1] == 6


def test_a_run_whose_log_is_gone_does_not_verify_and_the_study_does_not_go_on(logged, capsys):
    config, made = logged
    log = made.parent / PLAN_LOG
    whole = log.read_bytes()
    log.unlink()
    assert run(["verify", str(made)]) == 7
    assert "V650" in capsys.readouterr().err
    for left in (b"", b"".join(whole.splitlines(keepends=True)[:3])):
        if left:
            log.write_bytes(left)
        for more in ([], ["--seal"]):
            assert run(["analyze", str(config.source), *more, "--quiet"]) == 3
            said = " ".join(capsys.readouterr().err.split())
            assert f"V652 {PLAN_LOG} does not know the run" in said
            assert made.name in said
    log.write_bytes(whole[:-30])
    assert run(["analyze", str(config.source), "--quiet"]) == 3
    assert "V651" in capsys.readouterr().err


def test_a_log_that_cannot_be_read_is_a_refusal(logged, capsys):
    config, made = logged
    (made.parent / PLAN_LOG).unlink()
    (made.parent / PLAN_LOG).mkdir()
    for command in (["analyze", str(config.source)], ["verify", str(made)]):
        assert run([*command, "--quiet"]) == 3
        assert f"V651 {PLAN_LOG} cannot be read" in " ".join(capsys.readouterr().err.split())


def test_a_run_that_no_plan_was_sealed_for_needs_no_log(tmp_path, capsys):
    made = written(plan(CONFIG, tmp_path), tmp_path / "runs")
    assert run(["verify", str(made), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["plan_log"] is None
    seal_plan(StudyFolder.open(tmp_path / "runs", "fake"), load_config(tmp_path / "study.toml"))
    assert run(["verify", str(made)]) == 0


def test_a_manifest_that_says_nothing_of_its_plan_any_more_is_found_by_the_log(logged, capsys):
    made = logged[1]
    manifest = json.loads((made / "manifest.json").read_text("utf-8"))
    for plan_said, code in ((None, 7), ({"sealed": 1}, 3)):
        (made / "manifest.json").write_text(json.dumps(manifest | {"plan": plan_said}), encoding="utf-8", newline="\n")
        (made.parent / "index.csv").unlink(missing_ok=True)
        assert run(["verify", str(made)]) == code
    assert "V652" in capsys.readouterr().err


def test_a_run_folder_under_another_name_is_known_by_its_manifest(logged):
    made = logged[1]
    assert seal_problems(read_run(made.rename(made.with_name("for the reviewer")))) == []


def test_two_at_once_and_the_second_writes_nothing(logged, capsys):
    config, made = logged
    before = (made.parent / PLAN_LOG).read_bytes()
    with StudyFolder(made.parent).lock():
        for more in ([], ["--seal", "--reason", "x"]):
            assert run(["analyze", str(config.source), *more, "--quiet"]) == 9
            assert "holds the lock" in capsys.readouterr().err
    assert (made.parent / PLAN_LOG).read_bytes() == before


def test_a_run_killed_between_its_line_and_its_place_is_in_the_log_and_the_next_one_verifies(logged, monkeypatch):
    from aaot_eval.run_folder import writing

    config, made = logged
    study = StudyFolder(made.parent)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(writing, "move_into_place", killed)
        with pytest.raises(KeyboardInterrupt), study.lock():
            written(config, made.parent.parent, data_cut="2025-01")
    log = PlanLog.beside(study.path)
    lost = log.events()[-1].facts["run"]
    assert lost.startswith("2025-01")
    assert not (study.path / lost).exists()
    assert seal_problems(read_run(made)) == []
    again = written(config, made.parent.parent, data_cut="2025-01")
    assert again.name == lost
    assert seal_problems(read_run(again)) == []
    assert [e.facts["run"] for e in log.events() if e.kind == "run"][-2:] == [lost, lost]


def test_a_run_killed_while_it_reads_leaves_the_line_that_it_read(logged):
    config, made = logged
    study = StudyFolder(made.parent)
    (study.path / f".{PLAN_LOG}_77").write_bytes(b"half a li")
    sealing.begin_reading(study, standing_seal(study), config, "0" * 64)
    with study.lock():
        assert not (study.path / f".{PLAN_LOG}_77").exists()
    assert [e.kind for e in PlanLog.beside(study.path).events()][-1] == "read"
    changed = plan(CONFIG.replace('"emergency"', '"bed_days"'), made.parents[2])
    assert seal_plan(study, changed, "seen")[0].event.facts["first_read"] is not None


def test_a_copy_with_the_line_ends_of_windows_holds_and_goes_on(logged):
    config, made = logged
    log = PlanLog.beside(made.parent)
    before = log.events()
    log.path.write_bytes(log.path.read_bytes().replace(b"\n", b"\r\n"))
    assert log.events() == before
    assert seal_problems(read_run(made)) == []
    written(config, made.parent.parent, data_cut="2025-01")
    assert log.events()[: len(before)] == before
    assert not re.search(r'[<>:"|?*]', PLAN_LOG)


def test_a_log_that_another_program_holds_is_a_refusal_and_no_run_is_left(logged, monkeypatch):
    from aaot_eval.engine import moving

    config, made = logged
    before = everything(made.parent)
    real = moving.os.replace

    def held(source, target):
        if Path(target).name == PLAN_LOG:
            raise PermissionError(13, "in use")
        real(source, target)

    monkeypatch.setattr(moving, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(moving.os, "replace", held)
    with pytest.raises(InputError, match="another program holds it"):
        written(config, made.parent.parent, data_cut="2025-01")
    with StudyFolder(made.parent).lock():
        assert everything(made.parent) - {".lock"} == before - {".lock"}


def test_the_seal_tells_runs_apart_and_is_forgotten_by_none(tmp_path):
    config, runs = plan(CONFIG, tmp_path), tmp_path / "runs"
    unsealed = written(config, runs)
    study = StudyFolder.open(runs, "fake")
    seal_plan(study, config)
    under = written(config, runs)
    assert under.name != unsealed.name
    assert read_run(unsealed).manifest["plan"] is None
    assert read_run(under).manifest["plan"]["first_read"][:4] == "2025"
