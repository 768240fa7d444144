"""Reporting checklists: an item is answered only where the run holds something, and says where; nothing is claimed for people."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaot_eval.checks import CHECKS
from aaot_eval.cli import run
from aaot_eval.report import CHECKLISTS, checklist_report, checklist_rows, render_html, render_markdown, states_counted
from aaot_eval.report.checklists import _rules
from aaot_eval.report.contents import Source
from aaot_eval.report.sections import SECTIONS
from aaot_eval.results import Release
from aaot_eval.schema import schema_names, table_schema
from tests.cli.fakes import write_config, written
from tests.report_fixture import VARIANTS, release

#: The published numbers of each list, and the year it was published.
NUMBERS = {
    "record": (["1.1", "1.2", "1.3", "6.1", "6.2", "6.3", "7.1", "12.1", "12.2", "12.3", "13.1", "19.1", "22.1"], 2015),
    "strobe": (
        ["1a", "1b", "2", "3", "4", "5", "6a", "6b", "7", "8", "9", "10", "11", *(f"12{c}" for c in "abcde"),
         "13a", "13b", "13c", "14a", "14b", "14c", "15", "16a", "16b", "16c", "17", "18", "19", "20", "21", "22"], 2007),
    "cheers": ([str(n) for n in range(1, 29)], 2022),
    "tidier": ([str(n) for n in range(1, 13)], 2014),
    "its": ([str(n) for n in range(1, 14)], 2017),
    "epoc": ([*(f"series {n}" for n in range(1, 8)), *(f"comparison {n}" for n in range(1, 10))], 2017),
}  # fmt: skip
#: What nobody but the author can know, whatever a run holds.
FOR_PEOPLE = {
    "record": {"1.1", "1.2", "6.2", "12.1", "19.1", "22.1"},
    "strobe": {"1a", "1b", "2", "3", "20", "21", "22"},
    "cheers": {"1", "2", "3", "19", "21", "25", "26", "27", "28"},
    "tidier": {"2", "3", "4", "6", "9", "11"},
    "its": {"1", "2", "10", "11"},
    "epoc": {"series 1", "series 4", "comparison 6", "comparison 7"},
}
EMPTY = Release(tables={}, meta={}, hidden={}, profile="hes")


def states(given: Release, name: str) -> dict[str, str]:
    rows = checklist_rows(given, name)
    return dict(zip(rows["item"], rows["state"], strict=True))


def test_there_is_a_list_for_every_name_that_was_promised():
    assert list(CHECKLISTS) == ["record", "cheers", "strobe", "tidier", "its", "epoc"]
    assert set(CHECKLISTS) == set(NUMBERS)


@pytest.mark.parametrize("name", CHECKLISTS)
def test_items_have_their_published_numbers_and_the_list_its_source_and_year(name):
    numbers, year = NUMBERS[name]
    assert [item.number for item in CHECKLISTS[name].items] == numbers
    assert str(year) in CHECKLISTS[name].published


@pytest.mark.parametrize("name", CHECKLISTS)
def test_items_are_named_in_a_few_words_of_our_own(name):
    assert all(3 <= len(item.about) <= 90 and not item.about.endswith(".") for item in CHECKLISTS[name].items)


@pytest.mark.parametrize("name", CHECKLISTS)
def test_nothing_is_answered_from_a_run_that_holds_nothing(name):
    assert "answered" not in states(EMPTY, name).values()


@pytest.mark.parametrize("name", CHECKLISTS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_item_has_one_of_three_states_and_says_where_why_not_or_what_to_write(name, variant):
    rows = checklist_rows(release(variant), name)
    assert set(rows["state"]) <= set(_rules.STATES)
    for row in rows.itertuples():
        begins = {"answered": "Report, “", "missing": "For the author: ", "not applicable": ""}[str(row.state)]
        assert str(row.text).startswith(begins)
        assert str(row.text).endswith(".")
        assert ".." not in str(row.text)
    assert sum(states_counted(rows).values()) == len(CHECKLISTS[name].items)


@pytest.mark.parametrize("name", CHECKLISTS)
def test_what_people_alone_can_know_is_never_answered(name):
    for variant in VARIANTS:
        found = states(release(variant), name)
        assert {found[number] for number in FOR_PEOPLE[name]} <= {"missing", "not applicable"}


def fields_behind(text: str) -> tuple[list[str], list[str], list[str]]:
    """Tables, checks and facts that an answer names."""

    def named(what: str) -> list[str]:
        found = re.search(rf"\b{what}s? ([\w., ]+?)(?:;| \(|\.$)", text)
        return re.split(r", | and ", found[1]) if found else []

    return named("table"), named("check"), named("fact")


@pytest.mark.parametrize("name", CHECKLISTS)
def test_an_item_is_not_answered_once_the_fields_it_names_are_taken_away(name):
    """V-06: for every answered item of a full run, each of its tables is emptied, each fact removed: together, nothing is left to answer."""
    whole = release("full")
    answered = checklist_rows(whole, name).query("state == 'answered'")
    for row in answered.itertuples():
        tables, checks, facts = fields_behind(str(row.text))
        assert tables or checks or facts, row
        left = {k: v.iloc[0:0] if k in tables else v for k, v in whole.tables.items()}
        if checks:
            left["checks"] = left["checks"][~left["checks"]["check"].isin(checks)]
        meta = {k: v for k, v in whole.meta.items() if k not in {f.split(".")[0] for f in facts}}
        spoiled = Release(tables=left, meta=meta, hidden=whole.hidden, profile=whole.profile)
        assert states(spoiled, name)[str(row.item)] != "answered", row


@pytest.mark.parametrize("name", CHECKLISTS)
def test_an_item_is_not_answered_by_cells_that_are_blank_or_hidden(name):
    whole = release("full")
    for blank in (None, np.nan, "", "*"):
        cells = {
            k: pd.DataFrame(blank, index=v.index, columns=v.columns, dtype=object) for k, v in whole.tables.items()
        }
        left = Release(tables=cells, meta={"disclosure": {"symbol": "*"}}, hidden={}, profile="hes")
        assert "answered" not in states(left, name).values(), blank


@pytest.mark.parametrize(
    ("name", "item", "why"),
    [
        ("record", "1.3", "none were linked"),
        ("strobe", "6a", "nobody behind it was followed"),
        ("strobe", "6b", "Nobody was matched"),
        ("cheers", "14", "evaluates no costs"),
        ("cheers", "27", "evaluates no costs"),
        ("epoc", "comparison 1", "allocated by chance"),
    ],
)
def test_what_a_run_of_counts_without_costs_does_not_concern_says_why(name, item, why):
    given = release("full")
    kept = ("estimates", "headline", "limits", "series", "checks")
    meta = {**given.meta, "engine": "panel file", "sources": [{"table": "panel", "name": "p.csv"}]}
    counts = Release(tables={k: v for k, v in given.tables.items() if k in kept}, meta=meta, hidden={}, profile="hes")
    (row,) = checklist_rows(counts, name).query("item == @item").to_dict("records")
    assert row["state"] == "not applicable"
    assert why in row["text"]


@pytest.mark.parametrize(("first_read", "departures", "state"), [(None, [], "answered"), ("2024-01-01T00:00:00+00:00", [], "missing"), (None, [{"key": "x"}], "missing")])  # fmt: skip
def test_a_plan_counts_as_made_beforehand_only_when_it_was_sealed_first_and_followed(first_read, departures, state):
    plan = {"sealed": "2023-01-01T00:00:00+00:00", "sha256": "ab", "first_read": first_read, "departures": departures}
    assert states(release("full", plan=plan), "cheers")["4"] == state


def series_release(low: Any) -> Release:
    """A site comparison with an interval, beside a series with or without one."""
    estimates = pd.DataFrame(
        {"analysis": ["site_did", "its"], "design": ["sites", "series"], "estimate": [0.8, 0.9], "conf_low": [0.7, low],
         "conf_high": [0.9, low], "inference": ["exact", "Wald"], "estimand": ["ratio", "ratio"]}
    )  # fmt: skip
    return Release(tables={"estimates": estimates}, meta={}, hidden={}, profile="hes")


def test_the_interval_of_another_design_does_not_answer_for_a_series():
    assert states(series_release(0.8), "its")["12"] == "answered"
    assert states(series_release(None), "its")["12"] == "missing"
    only_sites = Release(
        tables={"estimates": series_release(None).tables["estimates"].head(1)}, meta={}, hidden={}, profile="hes"
    )
    assert set(states(only_sites, "its").values()) == {"not applicable"}


@pytest.mark.parametrize("name", CHECKLISTS)
def test_every_field_that_a_list_asks_for_exists(name, monkeypatch):
    """A table, column or check that was renamed would read as missing for ever."""
    asked: set[str] = set()
    monkeypatch.setattr(_rules, "_held", lambda _source, field: asked.add(field))
    for item in CHECKLISTS[name].items:
        item.rule(Source(release("full")))
        item.rule(Source(EMPTY))
    for field in asked:
        kind, _, rest = field.rpartition(":")
        if field.startswith("@") or kind == "method":
            continue
        if kind == "check":
            assert rest in CHECKS, field
            continue
        table, _, column = rest.partition(".")
        assert table in schema_names("release"), field
        assert not column or column in table_schema("release", table).names, field
    assert asked


def test_the_sections_named_are_those_of_the_report():
    titles = {SECTIONS[name].title for name in SECTIONS}
    for name in CHECKLISTS:
        places = checklist_rows(release("full"), name).query("state == 'answered'")["text"]
        assert {re.match(r"Report, “(.*?)”", text)[1] for text in places} <= titles


@pytest.mark.parametrize("name", CHECKLISTS)
def test_page_markdown_and_csv_hold_every_item(name, tmp_path):
    report = checklist_report(release("full"), name)
    page, text = render_html(report), render_markdown(report)
    assert "<script" not in page
    assert CHECKLISTS[name].published.split(".")[0] in page
    for item in CHECKLISTS[name].items:
        assert item.number in page
        assert f"| {item.number} |" in text


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(write_config(tmp_path / "a"), tmp_path / "runs")


@pytest.mark.parametrize(("ending", "begins"), [("html", "<!"), ("md", "# "), ("csv", "item,about,state,text\n")])
def test_the_ending_of_the_file_says_the_form(source, tmp_path, capsys, ending, begins):
    target = tmp_path / f"list.{ending}"
    assert run(["report", str(source), "--only", "checklist", "--which", "record", "--to", str(target)]) == 0
    assert target.read_text("utf-8").startswith(begins)
    said = capsys.readouterr()
    assert said.out == f"{target}\n"
    assert re.fullmatch(r"RECORD, 13 items: \d+ answered, \d+ not applicable, \d+ missing\.\n", said.err)


def test_without_a_name_it_stands_in_the_current_folder_under_the_name_of_the_run(
    source, tmp_path, monkeypatch, capsys
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run(["report", str(source), "--only", "checklist", "--which", "record", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["report"] == f"fake_{source.name}_record.html"
    assert sum(said["items"].values()) == 13
    assert [p.name for p in (tmp_path / "here").iterdir()] == [said["report"]]


@pytest.mark.parametrize(
    "options",
    [
        ["--only", "checklist"],
        ["--which", "record"],
        ["--only", "checklist", "--which", "consort"],
        ["--only", "figure", "--which", "nothing"],
    ],
)
def test_half_a_request_or_an_unknown_name_is_refused_with_the_names_there_are(
    source, tmp_path, monkeypatch, capsys, options
):
    from aaot_eval.run_folder import RunFolder

    given = release("full")
    monkeypatch.setattr(RunFolder, "release", lambda _self: given)
    monkeypatch.chdir(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    assert run(["report", str(source), *options]) == 2
    said = capsys.readouterr().err
    assert "U016" in said
    assert "allowed:" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_no_checklist_is_drawn_from_a_changed_run_or_into_a_run(source, tmp_path, capsys):
    asked = ["report", str(source), "--only", "checklist", "--which", "record", "--to"]
    assert run([*asked, str(source / "list.html")]) == 2
    (source / "release" / "report.html").write_text("other\n", encoding="utf-8", newline="\n")
    assert run([*asked, str(tmp_path / "list.html")]) == 7
    assert not (tmp_path / "list.html").exists()
    assert not (source / "list.html").exists()


def test_a_figure_is_written_with_the_whole_table_behind_it(tmp_path, monkeypatch, capsys):
    from aaot_eval.disclosure import csv_text
    from aaot_eval.report import build_report, figure_files
    from aaot_eval.run_folder import RunFolder

    given = release("full")
    folder = written(write_config(tmp_path / "a"), tmp_path / "runs")
    monkeypatch.setattr(RunFolder, "release", lambda _self: given)
    assert run(["report", str(folder), "--only", "figure", "--which", "forest", "--to", str(tmp_path / "f.svg")]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "f.svg"), str(tmp_path / "f.csv")]
    assert (tmp_path / "f.svg").read_bytes() == figure_files(build_report(given))["forest.svg"]
    assert (tmp_path / "f.csv").read_text("utf-8") == csv_text(given.tables["estimates"])
    rows = pd.read_csv(io.StringIO((tmp_path / "f.csv").read_text("utf-8")))
    assert len(rows) == len(given.tables["estimates"])


def test_a_profile_that_blocks_svg_gets_a_picture_without_points(tmp_path, monkeypatch):
    from aaot_eval.run_folder import RunFolder

    given = release("full", profile="acro")
    folder = written(write_config(tmp_path / "a"), tmp_path / "runs")
    monkeypatch.setattr(RunFolder, "release", lambda _self: given)
    assert (
        run(["report", str(folder), "--only", "figure", "--which", "forest", "--to", str(tmp_path / "f.svg"), "-q"])
        == 0
    )
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "f.svg").exists()
