"""The top of an appraisal says in three sentences what is cheapest, what dominates and what cannot be said, and no more."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from aaot_eval.errors import InputError
from aaot_eval.options import Appraised, appraise, read_appraisal
from aaot_eval.options.saying import Line, cheapest, dominance, not_said
from aaot_eval.report.blocks import Paragraph, Table, words
from aaot_eval.report.options_page import build_options_report
from tests.options_builders import BEFORE_AFTER, CONTROLLED, THEORY, option, write_appraisal

A = Line("A Outreach", 4000.0, 60.0, True, 100.0, 900.0)
B = Line("B Hub", 5000.0, 60.0, True, -300.0, 700.0)
C = Line("C Team", 6000.0, 60.0, True, -900.0, -100.0)
BLANK = Line("D Blank", float("nan"), float("nan"), False, float("nan"), float("nan"))
IDLE = dataclasses.replace(BLANK, name="E Idle", served=0.0)


def test_the_cheapest_is_of_those_whose_cost_is_entered() -> None:
    assert cheapest([A, B, BLANK]).startswith(
        "A Outreach is cheapest, £4,000 for each person served a year, of the 2 options"
    )
    assert "before any admission averted" in cheapest([A, B])
    tie = dataclasses.replace(B, cost_person=4000.0)
    assert cheapest([A, tie]).startswith("A Outreach and B Hub cost the least, £4,000")
    assert "none can be called cheapest" in cheapest([A, BLANK])
    assert cheapest([BLANK]).startswith("Which option is cheapest cannot be said")


def test_dominance_needs_the_whole_interval_and_a_run_that_claims_it() -> None:
    assert (
        dominance([A], None)
        == "Doing nothing is dominated by A Outreach: fewer admissions at less cost over the whole interval."
    )
    doubted = dataclasses.replace(A, claimed=False)
    assert dominance([doubted], None).startswith("No option dominates doing nothing")
    assert dominance([B], None).startswith("No option dominates doing nothing")
    assert "C Team costs more than doing nothing over the whole interval" in dominance([C], None)
    assert dominance([BLANK], None).startswith("No option is said to dominate")


def test_one_option_is_set_over_another_only_when_a_ranking_was_asked_for() -> None:
    assert "whether one option dominates another is not said" in dominance([A, C], None)
    assert "at the estimates C Team is dominated by A" in dominance([A, C], {"C Team": "dominated by A"})
    assert "at the estimates none dominates another" in dominance([A, B], {})


def test_what_cannot_be_said_has_its_reason() -> None:
    said = not_said([A, B, BLANK, IDLE])
    assert "what D Blank costs a person (not entered)" in said
    assert "what E Idle costs a person (the staff entered can carry nobody)" in said
    assert "whether D Blank and E Idle save (no effect measured with a comparison)" in said
    assert "whether B Hub saves (the interval includes zero)" in said
    assert "the run does not claim it" in not_said([dataclasses.replace(A, claimed=False)])
    assert not_said([A, C]).startswith("Each option has a cost")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Appraised:
    folder = tmp_path_factory.mktemp("said")
    options = (
        option("2", CONTROLLED), option("3", BEFORE_AFTER), option("4", THEORY, wte=0),
        option("5", CONTROLLED, wte=8, top='layers_on = ["2"]'), option("6", THEORY, top='layers_on = ["5"]'),
    )  # fmt: skip
    return appraise(read_appraisal(write_appraisal(folder, *options)), {})


def page(result: Appraised):
    return build_options_report(result.tables, result.warnings, {**result.facts, "version": "1"})


def test_three_sentences_stand_first_with_their_place_in_the_record(result: Appraised) -> None:
    assert list(result.tables["summary"]["about"]) == ["cheapest", "dominates", "cannot be said"]
    first = page(result).sections[0].blocks[:3]
    assert [type(b) for b in first] == [Paragraph] * 3
    for k, block in enumerate(first):
        assert isinstance(block, Paragraph)
        (ref,) = block.text
        assert ref.address == f"summary/{k}/sentence"  # type: ignore[union-attr]
        said = words(block.text).replace(" [invented]", "")
        assert said == result.tables["summary"]["sentence"].iloc[k]
    assert "[invented]" in words(first[0].text)  # type: ignore[union-attr]


def test_no_whole_time_equivalents_are_a_number_and_not_a_blank(result: Appraised) -> None:
    row = result.tables["options"].set_index("option").loc["4"]
    assert row["wte"] == 0
    assert row["served"] == 0
    assert "nobody is served" in row["break_even_status"]
    tables = [b for s in page(result).sections for b in s.blocks if isinstance(b, Table) and b.name == "options"]
    own = [[words(c) for c in row] for t in tables for row in t.rows if words(row[0]).startswith("4 ")]
    assert own
    cost = next(r for t, r in zip(tables, own, strict=False) if "WTE" in [h.text for h in t.heads])
    assert "0.00" in cost
    assert "nobody served" in cost
    assert "£0" in cost
    may_be_blank = {"Set-up, once", "Months to full"}
    heads = [h.text.replace(" [invented]", "") for h in tables[0].heads]
    assert {h for h, c in zip(heads, cost, strict=True) if c == "not entered"} <= may_be_blank
    blank = set(result.tables["missing"].query("option == '4'")["missing"])
    assert not any(key.endswith((".wte", ".cost_per_wte")) for key in blank)


def test_options_in_a_chain_are_worked_out_in_pairs_and_it_is_said(result: Appraised) -> None:
    assert list(result.tables["combinations"]["combination"]) == ["5 over 2", "6 over 5"]
    assert any("Options 6, 5 and 2 lie over one another in a chain" in text for text in result.warnings)


@pytest.mark.parametrize(
    ("lies", "words_"),
    [
        ({"2": ["3"], "3": ["2"]}, "2 over 3 over 2"),
        ({"2": ["3"], "3": ["4"], "4": ["2"]}, "2 over 3 over 4 over 2"),
    ],
)
def test_options_that_lie_over_each_other_in_a_circle_are_refused_once(
    tmp_path: Path, lies: dict[str, list[str]], words_: str
) -> None:
    options = [option(name, top=f"layers_on = {below}".replace("'", '"')) for name, below in lies.items()]
    with pytest.raises(InputError) as refused:
        read_appraisal(write_appraisal(tmp_path, *options))
    assert [p.code for p in refused.value.problems] == ["C197"]
    assert f"options lie over each other in a circle: {words_}" in str(refused.value)


def test_the_interval_of_a_net_saving_says_that_cost_is_held(result: Appraised) -> None:
    notes = [b.note for s in page(result).sections for b in s.blocks if isinstance(b, Table)]
    held = [n for n in notes if "with cost held at what was entered" in n]
    assert len(held) == 2, "of the options, and of their combinations"
    assert all("Of M it is the interval of the run" in n for n in held)
