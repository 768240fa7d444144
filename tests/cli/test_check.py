"""`check` says what the gates found in three forms, each with controlled counts, also when a gate stops the run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from aaot_eval.cli import run
from tests.cli.conftest import everything
from tests.cli.fakes import PANEL_STUDY


@pytest.fixture
def flawed(made_tiny: Path, tmp_path: Path) -> Path:
    """A study with lines and dates that do not read, one of them with a formula and markup in the name of its file."""
    study = Path(shutil.copytree(made_tiny, tmp_path / "study"))
    path = sorted((study / "extracts").glob("apc_*.csv"))[0]
    header, *rows = path.read_text("utf-8").splitlines()
    at = header.split(",").index("DISDATE")
    for i in range(9):
        rows[i] = rows[i].rsplit(",", 2)[0]
    cells = rows[20].split(",")
    cells[at] = "31/02/2021x"
    rows[20] = ",".join(cells)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return study


def test_json_gives_level_place_reason_and_counts_as_they_may_leave(flawed, capsys):
    assert run(["check", str(flawed / "study.toml"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    finding = next(f for f in document["findings"] if f["code"] == "X211")
    assert finding["level"] == "warn"
    assert finding["do"].startswith("Open restricted/rejects.csv")
    rejected = {(r["reason"], r["value_class"]): r["lines"] for r in document["rejected"]}
    assert rejected[("too few columns", "line")] == 10  # nine, rounded to five
    assert rejected[("not a date", "like a date")] == "*"
    flow = [s for s in document["flow"] if s["table"] == "episodes"]
    assert flow[0]["step"] == "rows read"
    counts = [
        v
        for t in ("findings", "flow")
        for row in document[t]
        for k, v in row.items()
        if k in ("records", "kept", "lost")
    ]
    assert all(v in (None, "*") or v % 5 == 0 for v in counts)


def test_a_page_and_nothing_else_is_written(flawed, tmp_path, capsys):
    before = everything(flawed)
    page = tmp_path / "check.html"
    assert run(["check", str(flawed / "study.toml"), "--page", str(page)]) == 0
    assert everything(flawed) == before
    text = page.read_text("utf-8")
    for words in (
        "Nothing stops the run",
        "What could not be read",
        "too few columns",
        "What became of every row",
        "site_did",
    ):
        assert words in text
    assert "<script" not in text
    assert not re.search(r'(src|href)="http', text)
    shown = capsys.readouterr().err
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "Open restricted/rejects.csv of the run" in " ".join(shown.split())


def test_every_rejected_place_is_listed_on_request_also_when_a_gate_stops(flawed, tmp_path, capsys):
    listed = tmp_path / "rejects.csv"
    assert run(["check", str(flawed / "study.toml"), "--quiet", "--rejects", str(listed)]) == 0
    assert str(listed) in capsys.readouterr().out
    first = listed.read_text("utf-8")
    header, *rows = first.splitlines()
    assert header == "file,line,column,reason,value_class,row_lost"
    assert len(rows) == 10
    assert sum("too few columns" in row for row in rows) == 9
    assert [row.split(",")[1:5] for row in rows if "DISDATE" in row] == [["22", "DISDATE", "not a date", "like a date"]]
    assert "31/02/2021x" not in first

    for path in sorted((flawed / "extracts").glob("apc_*.csv")):
        lines = path.read_text("utf-8").splitlines()
        at = lines[0].split(",").index("ADMIMETH")
        cells = [line.split(",") for line in lines[1:]]
        path.write_text(
            "\n".join([lines[0], *(",".join([*c[:at], "99", *c[at + 1 :]]) for c in cells)]) + "\n", encoding="utf-8"
        )
    listed.unlink()
    assert run(["check", str(flawed / "study.toml"), "--quiet", "--rejects", str(listed)]) == 4
    assert listed.read_text("utf-8") == first
    capsys.readouterr()
    assert run(["check", str(flawed / "study.toml"), "--quiet", "--rejects", str(tmp_path)]) == 3
    assert "give another file with --rejects" in capsys.readouterr().err


def test_rejects_are_listed_after_a_refusal_and_said_not_to_be_when_nothing_was_read(flawed, tmp_path, capsys):
    study, listed = flawed / "study.toml", tmp_path / "rejects.csv"
    path = sorted((flawed / "extracts").glob("apc_*.csv"))[-1]
    header, *rows = path.read_text("utf-8").splitlines()
    at = header.split(",").index("EPISTART")
    cells = [row.split(",") for row in rows]
    path.write_text(
        "\n".join([header, *(",".join([*c[:at], "not known", *c[at + 1 :]]) for c in cells)]) + "\n", encoding="utf-8"
    )
    assert run(["check", str(study), "--rejects", str(listed)]) == 3
    told = capsys.readouterr().err
    assert max(len(line) for line in told.splitlines()) <= 80
    words = " ".join(told.split())
    assert f"extracts/{path.name}, line 2, column EPISTART: letters; line 3: letters;" in words
    assert f"and {len(rows) - 5:,} more" in words
    assert "`aaot-eval check CONFIG --rejects FILE` lists every one" in words
    assert len(listed.read_text("utf-8").splitlines()) > len(rows)

    listed.unlink()
    study.write_text(study.read_text("utf-8").replace('"caseload.csv"', '"caseloads.csv"'), encoding="utf-8")
    assert run(["check", str(study), "--quiet", "--rejects", str(listed)]) == 3
    words = " ".join(capsys.readouterr().err.split())
    assert f"before any file was read, so {listed} was not written" in words
    assert not listed.exists()


def test_what_was_found_is_told_when_a_gate_stops(flawed, tmp_path, capsys):
    for path in (flawed / "extracts").glob("apc_*.csv"):
        header, *rows = path.read_text("utf-8").splitlines()
        at = header.split(",").index("ADMIMETH")
        cut = [r.split(",") for r in rows]
        path.write_text(
            "\n".join([header, *(",".join([*c[:at], "99", *c[at + 1 :]]) for c in cut)]) + "\n", encoding="utf-8"
        )
    page = tmp_path / "check.html"
    assert run(["check", str(flawed / "study.toml"), "--json", "--page", str(page)]) == 4
    document = json.loads(capsys.readouterr().out)
    assert document["exit_status"] == 4
    assert "D332" in {p["code"] for p in document["problems"]}
    assert {"D332", "X211"} <= {f["code"] for f in document["findings"]}
    assert document["flow"]
    assert "A gate stops the run" in page.read_text("utf-8")
    assert run(["check", str(flawed / "study.toml"), "--quiet"]) == 4
    assert "D332" in capsys.readouterr().err


def test_the_terminal_hides_the_counts_that_the_page_hides(made_tiny, tmp_path, capsys):
    study = Path(shutil.copytree(made_tiny, tmp_path / "study"))
    caseload = study / "caseload.csv"
    header, first, *rest = caseload.read_text("utf-8").splitlines()
    names = header.split(",")
    cells = first.split(",")
    cells[names.index("ended")] = "2001-01-01"
    caseload.write_text("\n".join([header, ",".join(cells), *rest]) + "\n", encoding="utf-8")
    assert run(["check", str(study / "study.toml"), "--verbose"]) == 0
    shown = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert "D342" in shown
    assert "* records" in shown
    counts = [int(n.replace(",", "")) for n in re.findall(r"([0-9][0-9,]*) records", shown)]
    assert all(n % 5 == 0 for n in counts)


@pytest.mark.parametrize(("sites", "least"), [(3, 1 / 3), (24, None)])
def test_a_design_that_can_show_nothing_is_said_before_it_is_run(tmp_path, capsys, sites, least):
    months = [f"{2020 + m // 12}-{m % 12 + 1:02d}" for m in range(48)]
    rows = [
        f"H{s},{month},{40 + (7 * s + 3 * i) % 11},100000,{'2022-01' if s == 0 else ''}"
        for s in range(sites)
        for i, month in enumerate(months)
    ]
    (tmp_path / "panel.csv").write_text("\n".join(["hospital,month,admissions,people,start", *rows]) + "\n", "utf-8")
    (tmp_path / "study.toml").write_text(PANEL_STUDY, encoding="utf-8")
    assert run(["check", "-q", str(tmp_path / "study.toml")]) == 0
    text = capsys.readouterr().out
    assert all(len(line) <= 80 or " " not in line.strip() for line in text.splitlines())
    shown = re.sub(r"\s+", " ", text)
    said = "no p below 0.333 is possible with these sites: cannot tell is the only answer; see `aaot-eval power"
    assert (said in shown) is (least is not None)
    assert run(["check", "-q", str(tmp_path / "study.toml"), "--page", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    warned = "No p below 0.333 is possible with these sites: cannot tell is the only answer."
    assert (warned in page) is (least is not None), "the page says what the terminal says"
    assert ("These would not be run:" in page) is ("not run" in shown)
    capsys.readouterr()
    assert run(["check", str(tmp_path / "study.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["least_p"] == pytest.approx(least or 1 / sites)
