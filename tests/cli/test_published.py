"""`reproduce`: what recomputes, what does not, what cannot; and never a claim about the two headline figures."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from aaot_eval.errors import UsageError
from aaot_eval.published import (
    DERIVED,
    DIFFERS,
    NOT_RECOMPUTABLE,
    REPRODUCED,
    WITHIN_ROUNDING,
    figures_table,
    published_figures,
)
from aaot_eval.saving_identity import care_as_usual_cost_needed, combinations, solve_for, solve_for_lines
from aaot_eval.schema import shipped
from tests.cli.conftest import aaot

FIGURES = {f.id: f for f in published_figures()}


@pytest.mark.parametrize(
    ("name", "ours", "verdict"),
    [
        ("WOR-01", 2.4167, REPRODUCED),  # 464 / 192
        ("WOR-02", 1.7031, REPRODUCED),  # 327 / 192, printed 1.7
        ("CUR-10", 23.5948, REPRODUCED),  # 1125 / 4768
        ("CUR-12", 9165, REPRODUCED),
        ("HOU-01", 59.0540, WITHIN_ROUNDING),  # 1353 to 2152, printed "about 60"
        ("HOU-02", -19.1991, REPRODUCED),
        ("CUR-01", 0.6649, WITHIN_ROUNDING),  # printed p 0.656; the limits are rounded to three places
        ("OWN-03", 0.0250, REPRODUCED),
        ("OWN-02", 0.0006, REPRODUCED),  # printed <0.001
        ("BAS-02", 19.3783, DIFFERS),  # 293 / 1512, printed 22.4
        ("SAL-01", -66.8874, DERIVED),  # 151 to 50; no percentage is printed
        ("WOR-05", 66690, DERIVED),  # (137 + 209 + 239) x 114
        ("BLA-06", 2.7401, DERIVED),
    ],
)
def test_recomputed(name, ours, verdict):
    figure = FIGURES[name]
    assert figure.ours[0] == pytest.approx(ours, abs=6e-5 * max(1, abs(ours) / 100))
    assert figure.verdict == verdict


def test_return_on_investment_has_two_answers():
    assert FIGURES["SAN-01"].ours == pytest.approx((33333.33, 27272.73), abs=0.01)


def test_the_two_headline_figures_are_never_reproduced():
    for name, printed in (("KCH-01", "-23"), ("KCH-02", "10470")):
        figure = FIGURES[name]
        assert (figure.printed, figure.verdict, figure.ours, figure.formula) == (printed, NOT_RECOMPUTABLE, (), "")
        assert figure.missing
        assert "never to be multiplied" in figure.note


def test_counts_implied_by_a_percentage_do_not_reproduce_it():
    assert FIGURES["AOT-02"].verdict == NOT_RECOMPUTABLE
    assert "the count behind the percentage" in FIGURES["AOT-02"].missing


def test_every_figure_has_a_source_and_either_inputs_or_what_is_missing():
    for figure in FIGURES.values():
        assert figure.source
        assert figure.formula or figure.missing, figure.id
        assert not (figure.formula and not figure.inputs), figure.id


def test_no_result_of_ours_stands_in_the_file():
    with (shipped("data_schemas") / "published" / "figures.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert set(rows[0]) == {
        "id",
        "study",
        "outcome",
        "printed",
        "unit",
        "formula",
        "inputs",
        "missing",
        "note",
        "source",
    }
    inputs = {k for row in rows if row["inputs"] for k in json.loads(row["inputs"])}
    assert not {k for k in inputs if "expected" in k or "ours" in k or "derived" in k}


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"saving": 10470, "fall": 0.5, "price": 2000, "programme": 5000}, "admissions", 15.47),
        ({"saving": 10470, "admissions": 8, "fall": 0.5, "programme": 5000}, "price", 3867.5),
        ({"saving": 10470, "admissions": 8, "price": 2000, "programme": 5000}, "fall", 0.966875),
        ({"saving": 10470, "admissions": 8, "fall": 0.9, "price": 2000}, "programme", 3930.0),
        ({"admissions": 8, "fall": 0.9, "price": 2000, "programme": 3930}, "saving", 10470.0),
    ],
)
def test_any_four_give_the_fifth(given, name, value):
    assert solve_for(**given) == (name, pytest.approx(value))


def test_two_unknowns_are_refused():
    with pytest.raises(ValueError, match="exactly one"):
        solve_for(saving=10470, fall=0.2, price=2000)


def test_cost_needed_for_the_published_saving():
    # (10,470 + programme) / fall, worked by hand: 10,470 / 0.23 = 45,522 and 20,470 / 0.669 = 30,598.
    rows = care_as_usual_cost_needed(10470)
    assert round(rows[0][1][0]) == 45522
    assert round(rows[-1][1][-1]) == 30598


def test_text_fits_a_console_and_claims_nothing():
    lines = [*figures_table(published_figures(), full=True), *solve_for_lines(10470, {})]
    assert max(map(len, lines)) <= 88  # an address of a source may not be broken
    text = "\n".join(lines)
    reproduced = text[text.index("REPRODUCED (") : text.index("WITHIN ROUNDING (")]
    assert "KCH" not in reproduced
    assert "one equation, four unknowns" in re.sub(r"\s+", " ", text)
    assert "not a reproduction" in text


def test_one_figure_and_an_unknown_one():
    assert [f.id for f in published_figures("kch-02")] == ["KCH-02"]
    with pytest.raises(UsageError, match="no published figure"):
        published_figures("KCH-99")


def test_combinations_show_all_four_parts_and_each_gives_the_saving():
    found = combinations(10470, {})
    for part in ("admissions", "fall", "price", "programme"):
        assert len({getattr(c, part) for c in found}) >= 3, part
    for c in found:
        assert c.admissions * c.fall * c.price - c.programme == pytest.approx(10470)
        assert c.row()["note"] == "one of many combinations; not a reproduction"
    # By hand: 10,470 + 5,000 over 0.23 x 2,000, and 10,470 over it.
    by = {(c.fall, c.price, c.programme): c.admissions for c in found}
    assert round(by[0.23, 2000, 5000], 1) == 33.6
    assert round(by[0.23, 2000, 0], 1) == 22.8


def test_what_is_given_is_kept_and_the_rest_follows():
    assert {(c.admissions, c.solved) for c in combinations(10470, {"admissions": 8.0})} == {(8.0, "price")}
    (one,) = combinations(10470, {"admissions": 8.0, "price": 2000.0, "programme": 5000.0})
    assert (one.solved, one.fall, one.reachable) == ("fall", pytest.approx(0.966875), True)
    (beyond,) = combinations(10470, {"admissions": 4.0, "price": 2000.0, "programme": 5000.0})
    assert not beyond.reachable
    (below,) = combinations(10470, {"admissions": 4.0, "price": 2000.0, "fall": 0.5})
    assert (below.solved, below.programme, below.reachable) == ("programme", pytest.approx(-6470), False)
    (all_four,) = combinations(10470, {"admissions": 8.0, "price": 2000.0, "fall": 0.9, "programme": 5000.0})
    assert (all_four.solved, all_four.saving) == ("saving", pytest.approx(9400))


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({}, ["price of an admission", "33.6", "45,522"]),
        ({"admissions": 8.0, "price": 2000.0, "programme": 5000.0}, ["fall would have to be 96.7%"]),
        ({"admissions": 4.0, "price": 2000.0, "fall": 0.5}, ["not reachable even by a service that costs nothing"]),
        ({"admissions": 4.0, "price": 2000.0}, ["193.4%", "not reachable"]),
        ({"admissions": 8.0, "price": 2000.0, "fall": 0.9, "programme": 5000.0}, ["a saving of 9,400, 1,070 below 10,470"]),
    ],
)  # fmt: skip
def test_every_answer_says_that_it_is_no_reproduction(known, said):
    lines = solve_for_lines(10470, known)
    assert max(map(len, lines)) <= 80
    text = re.sub(r"\s+", " ", "\n".join(lines))
    assert "not a reproduction" in text
    for words in said:
        assert words in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fall", "23"], "--fall = 23 cannot be the share by which they fall"),
        (["--price", "0"], "--price = 0 cannot be pounds an admission"),
        (["--admissions", "nan"], "--admissions = nan cannot be admissions per patient-year"),
        (["--programme", "-1"], "--programme = -1 cannot be pounds of the service"),
        (["--saving", "inf"], "--saving = inf cannot be a saving a patient-year"),
        (["--saving", "1e308"], "-1,000,000 to 1,000,000 pounds per patient-year"),
        (["--price", "1e308"], "--price = 1e+308 cannot be pounds an admission"),
        (["--admissions", "1e308"], "0.001 or more, at most 366"),
        (["--programme", "1e308"], "0 or more, at most 1,000,000"),
        (["--fall", "1e-300"], "0.001 or more, at most 1: 0.23 for 23 %"),
        (["WOR-01", "--fall", "0.2"], "WOR-01 is not a saving to solve for"),
    ],
)
def test_parts_that_cannot_be_are_refused(arguments, said, tmp_path):
    ended = aaot("reproduce", *arguments, cwd=tmp_path, check=2)
    assert said in re.sub(r"\s+", " ", ended.err)


def test_a_fall_in_per_cent_is_told_as_a_share(tmp_path):
    assert "write it as a share: 0.23" in aaot("reproduce", "--fall", "23", cwd=tmp_path, check=2).err


@pytest.mark.parametrize("written", ["23 %", "23%", " 23 % ", "23.0 %"])
def test_a_fall_is_read_with_its_per_cent_sign(written, tmp_path):
    plain = aaot("reproduce", "--fall", "0.23", "--json", cwd=tmp_path, check=0)
    assert aaot("reproduce", "--fall", written, "--json", cwd=tmp_path, check=0).out == plain.out


@pytest.mark.parametrize(
    ("written", "said"), [("23 per cent", "not a share; write 0.23 or 23 %"), ("230 %", "at most 1")]
)
def test_a_fall_that_is_no_share_is_refused_in_words(written, said, tmp_path):
    assert said in re.sub(r"\s+", " ", aaot("reproduce", "--fall", written, cwd=tmp_path, check=2).err)


def test_amounts_are_read_with_pound_sign_and_commas(tmp_path):
    plain = aaot("reproduce", "--saving", "10470", "--price", "2000", cwd=tmp_path, check=0)
    assert aaot("reproduce", "--saving", "£10,470", "--price", "£2,000.00", cwd=tmp_path, check=0).out == plain.out
    refused = aaot("reproduce", "--saving", "10,47", cwd=tmp_path, check=2)
    assert "write 10470 or £10,470" in re.sub(r"\s+", " ", refused.err)


def test_solving_on_the_command_line(tmp_path):
    ended = aaot("reproduce", "--admissions", "8", "--price", "2000", "--programme", "5000", cwd=tmp_path, check=0)
    assert "WOR-01" not in ended.out
    document = json.loads(aaot("reproduce", "KCH-02", "--json", cwd=tmp_path, check=0).out)
    assert document["solve_for"]["target"] == 10470
    assert document["solve_for"]["note"] == "one of many combinations; not a reproduction"
    assert {"admissions", "fall", "price", "programme", "saving", "reachable"} <= set(
        document["solve_for"]["combinations"][0]
    )
    assert "solve_for" not in json.loads(aaot("reproduce", "WOR-01", "--json", cwd=tmp_path, check=0).out)


def test_command(tmp_path):
    ended = aaot("reproduce", cwd=tmp_path, check=0)
    assert "CANNOT BE RECOMPUTED" in ended.out
    document = json.loads(aaot("reproduce", "--json", cwd=tmp_path, check=0).out)
    assert {f["id"] for f in document["figures"]} == set(FIGURES)
    assert aaot("reproduce", "KCH-99", cwd=tmp_path).code == 2


def test_every_figure_collected_is_listed(shared: Path) -> None:
    with (shared / "facts" / "published_figures.csv").open(encoding="utf-8", newline="") as lines:
        collected = {row["id"] for row in csv.DictReader(lines)}
    assert collected <= set(FIGURES)


def test_one_verdict_of_the_four_and_the_headline_figures_cannot_be_recomputed() -> None:
    four = (REPRODUCED, WITHIN_ROUNDING, DIFFERS, NOT_RECOMPUTABLE)
    assert all(figure.verdict.startswith(four) for figure in FIGURES.values())
    assert all(figure.missing for figure in FIGURES.values() if figure.verdict == NOT_RECOMPUTABLE)
    assert {FIGURES["KCH-01"].verdict, FIGURES["KCH-02"].verdict} == {NOT_RECOMPUTABLE}
