"""`aaot-eval options`: templates, the folder of results, the page, and a run as a record."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from aaot_eval.cli import run
from tests.cli.conftest import ROOT, everything
from tests.options_builders import BEFORE_AFTER, CONTROLLED, SHARED, option, write_appraisal

TEMPLATES = ROOT / "configs" / "options"


@pytest.fixture(scope="module")
def appraised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a ranked appraisal with one option of each badge that can be typed."""
    folder = tmp_path_factory.mktemp("appraised")
    write_appraisal(
        folder / "given",
        option("2", ""),
        option("5", BEFORE_AFTER + "expected_anyway = 0.1\n"),
        option("7", uptake=90),
        option("A", CONTROLLED, top='layers_on = ["5"]'),
    )
    assert run(["options", str(folder / "given"), "--rank", "-q", "--out", str(folder / "out")]) == 0
    (result,) = (folder / "out").iterdir()
    return result


def test_templates_hold_nine_options_and_not_one_number(tmp_path, capsys):
    assert run(["options", "--init", str(tmp_path / "mine")]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "mine")
    assert everything(tmp_path / "mine") == {p.name for p in TEMPLATES.iterdir()}
    assert len(everything(tmp_path / "mine")) == 10
    for path in (tmp_path / "mine").iterdir():
        for line in path.read_text("utf-8").splitlines():
            entry = line.partition("#")[0]
            assert not re.search(r"=\s*[-+]?[\d.]", entry), f"{path.name}: {line}"


def test_the_blank_templates_appraise_and_every_money_cell_is_blank(tmp_path, capsys):
    run(["options", "--init", "-q", str(tmp_path / "mine")])
    capsys.readouterr()
    assert run(["options", str(tmp_path / "mine"), "--rank", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["options"] == ["1", "2", "3", "4", "5", "6", "7", "8", "A"]
    assert said["ranked"] == []
    table = pd.read_csv(Path(said["folder"]) / "tables" / "options.csv", dtype={"option": str}).set_index("option")
    assert table.loc["2":, ["cost_year", "break_even", "effect", "net_saving", "set_up"]].isna().all(axis=None)
    text = (Path(said["folder"]) / "options.md").read_text("utf-8")
    assert "not entered" in text
    assert "£" not in text.replace("£0", "")


def test_templates_are_not_written_over_anything(tmp_path, capsys):
    (tmp_path / "kept.txt").write_text("x", encoding="utf-8", newline="\n")
    assert run(["options", "--init", str(tmp_path)]) == 3
    assert "is there and not empty" in re.sub(r"\s+", " ", capsys.readouterr().err)
    assert everything(tmp_path) == {"kept.txt"}


def test_what_a_folder_of_results_holds(appraised):
    names = everything(appraised)
    assert {"options.html", "options.md", "manifest.json", "tables/options.csv", "tables/combinations.csv", "tables/ranking.csv",
            "tables/missing.csv", "tables/same_terms.csv", "figures/break_even_1.svg", "records/appraisal.toml"} <= names  # fmt: skip
    manifest = json.loads((appraised / "manifest.json").read_text("utf-8"))
    listed = {o["path"] for o in manifest["outputs"]}
    assert listed == {n for n in names if (appraised / n).is_file()} - {"manifest.json"}
    assert not [p for p in appraised.parent.iterdir() if p.name.startswith(".")]


def test_the_same_records_give_the_same_bytes_in_the_same_place(appraised):
    before = {n: (appraised / n).read_bytes() for n in everything(appraised) if (appraised / n).is_file()}
    given = appraised.parents[1] / "given"
    assert run(["options", str(given), "--rank", "-q", "--out", str(appraised.parent)]) == 0
    assert [p.name for p in appraised.parent.iterdir()] == [appraised.name]
    assert before == {n: (appraised / n).read_bytes() for n in everything(appraised) if (appraised / n).is_file()}


def test_the_page_is_sound_and_its_numbers_have_addresses(appraised):
    html = (appraised / "options.html").read_text("utf-8")
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(set(ids)) == len(ids)
    assert html.count("<h1") == 1
    assert "<script" not in html
    assert "Options appraisal" in html
    tables = {p.stem: pd.read_csv(p, dtype=object) for p in (appraised / "tables").glob("*.csv")}
    addresses = re.findall(r'data-ref="([^"]+)"', html)
    assert len(addresses) > 50
    for address in addresses:
        table, row, column = address.split("/")
        assert pd.notna(tables[table].at[int(row), column]), address


def test_the_page_says_what_each_badge_allows_and_sets_no_saving_beside_the_others(appraised):
    text = (appraised / "options.md").read_text("utf-8")
    assert "1 of 4 options could be ranked" in text
    assert "With one option there is nothing to rank" in text
    assert "Probability of being best" not in text
    assert "counted is the larger of the two" in text
    assert "can carry 60 of 90 people" in text
    table = pd.read_csv(appraised / "tables" / "options.csv", dtype={"option": str}).set_index("option")
    assert table["net_saving"].notna().to_dict() == {"1": False, "2": False, "5": False, "7": False, "A": True}
    assert table["badge"].to_dict() == {"1": "reference", "2": "0", "5": "B", "7": "X", "A": "E"}


def test_without_rank_the_page_says_that_nobody_asked(tmp_path, capsys):
    write_appraisal(tmp_path / "given", option("A", CONTROLLED))
    assert run(["options", str(tmp_path / "given"), "-q"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder.parent == tmp_path / "given" / "results"
    assert not (folder / "tables" / "ranking.csv").exists()
    assert "Options are not ranked: nobody asked for it" in (folder / "options.md").read_text("utf-8")


def test_two_populations_are_two_panels(tmp_path, capsys):
    shared = SHARED + '[[populations]]\nname = "others"\neligible = 90\n'
    write_appraisal(
        tmp_path, option("7"), option("8").replace("[people]", '[people]\npopulation = "others"'), shared=shared
    )
    assert run(["options", str(tmp_path), "-q"]) == 0
    text = (Path(capsys.readouterr().out.strip()) / "options.md").read_text("utf-8")
    assert "## Options for frequent attenders" in text
    assert "## Options for others" in text


def test_a_refusal_writes_nothing(tmp_path, capsys):
    write_appraisal(tmp_path, option("7").replace("wte = 5", "wte = -5"))
    before = everything(tmp_path)
    assert run(["options", str(tmp_path), "--json"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert (said["exit_status"], said["problems"][0]["code"]) == (3, "C104")
    assert everything(tmp_path) == before


def test_a_place_that_cannot_be_written_is_refused(tmp_path, capsys):
    write_appraisal(tmp_path / "given", option("7"))
    (tmp_path / "file").write_text("x", encoding="utf-8", newline="\n")
    assert run(["options", str(tmp_path / "given"), "--out", str(tmp_path / "file")]) == 3
    assert "C130" in capsys.readouterr().err


def test_a_run_of_this_tool_is_the_record_of_an_option_until_it_is_changed(study, tmp_path, capsys):
    assert run(["analyze", "-q", str(study / "study.toml")]) == 0
    finished = Path(capsys.readouterr().out.strip())
    shared = 'name = "local"\nprice_year = "2024/25"\nperspective = "provider"\n[[populations]]\nname = "people"\n'
    record = f'id = "A"\nname = "Outreach"\nrun = {json.dumps(str(finished))}\n'
    given = write_appraisal(tmp_path / "given", record, option("7"), shared=shared)
    assert run(["options", str(given), "-q"]) == 0, capsys.readouterr().err
    folder = Path(capsys.readouterr().out.strip())
    one = pd.read_csv(folder / "tables" / "options.csv", dtype={"option": str}).set_index("option").loc["A"]
    lines = pd.read_csv(finished / "release" / "tables" / "service_cost.csv")
    assert one["badge"] == "M"
    assert one["cost_year"] == pytest.approx(lines[lines["kind"] == "total"]["annual_cost"].iloc[0])
    said = json.loads((finished / "status.json").read_text("utf-8"))["headline"]
    assert all(row["sentence"] for row in said)
    shutil.copy(finished / "config.toml", finished / "release" / "tables" / "saving.csv")
    assert run(["options", str(given), "-q"]) == 7
    assert "a changed run is not a record" in re.sub(r"\s+", " ", capsys.readouterr().err)


@pytest.mark.parametrize("name", ["option", "appraisal"])
def test_the_schema_of_a_record_can_be_had_for_editors(name, capsys):
    assert run(["explain", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["additionalProperties"] is False
    assert {"option": "staffing", "appraisal": "populations"}[name] in schema["properties"]
