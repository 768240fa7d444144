"""The test-bed: its protocol, its stored scoreboard, and a small fixed sample of it run again."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from aaot_eval.synthetic import SCENARIOS, WORLDS
from benchmarks import testbed
from benchmarks.rivals import always_cannot_tell, before_after, two_way_cr1

STORED = Path("docs", "results", "testbed.csv")
#: One study doubted by each of the checks that the worlds asked for and one that is not: enough to see a changed word, and a few seconds.
SAMPLE = ("displaced_to_ed", "unequal_deaths", "merger", "none")
#: Other machines add floating-point numbers in another order, and five digits are stored.
SAME = 1e-4


@pytest.fixture(scope="module")
def stored() -> pd.DataFrame:
    rows = pd.read_csv(testbed.ROOT / STORED, keep_default_na=False, na_values=[""]).fillna({"why": ""})
    # Before single trusts were scored, every study was one of many sites.
    return rows if "study" in rows else rows.assign(study=testbed.MANY)


@pytest.mark.parametrize("world", SAMPLE)
def test_stored_words_come_out_again(stored: pd.DataFrame, world: str) -> None:
    seed = int(stored["seed"].min())
    keys = ["study", "evaluator", "world", "scenario", "seed"]
    row = stored.set_index(keys).loc[(testbed.MANY, "analyze", world, "null", seed)]
    said = testbed.analyze(testbed.Case("null", () if world == testbed.PLAIN else (world,), seed))
    assert (said.verdict, said.why) == (row["verdict"], row["why"])
    assert said.estimate == pytest.approx(row["estimate"], rel=SAME)


def test_stored_scoreboard_holds_every_world_and_no_world_fools_too_often(stored: pd.DataFrame) -> None:
    ours = stored[stored["evaluator"] == "analyze"]
    kinds = tuple(dict.fromkeys(ours["study"]))
    cells = set(zip(ours["study"], ours["world"], ours["scenario"], strict=True))
    assert cells == set(testbed.cells([], testbed.SCENARIOS, kinds))
    honest = ours.assign(honest=ours["judged"] != "fooled").groupby(["study", "world"])["honest"].mean()
    assert honest.min() >= testbed.NEEDED, honest.to_dict()
    # One trust alone claims nothing without its condition.
    alone = ours[ours["study"] == testbed.ALONE]
    assert set(alone["verdict"]) & {"lower", "higher", "no_effect"} == set()


def test_rivals_are_fooled_where_they_should_be() -> None:
    peak = testbed.Case("null", ("peak",), 1)
    assert before_after(peak).verdict == "lower"
    assert before_after(peak).estimate < 0.7
    coding = testbed.Case("null", ("coding_lost",), 1)
    assert two_way_cr1(coding).verdict == "lower"
    assert always_cannot_tell(coding).verdict == "cannot_tell"


def test_a_program_is_an_evaluator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = testbed.Case("null", (), 1)

    def small(folder: Path) -> None:
        for name in ("truth.json", "truth_series.csv", "study.toml"):
            (folder / name).write_text("x", encoding="utf-8")

    monkeypatch.setattr(testbed.Case, "write", lambda self, folder: small(folder))
    script = tmp_path / "mine.py"
    script.write_text(
        'import os, sys\nprint(\'reading\')\nprint(\'{"verdict": "lower", "estimate": 0.8}\' '
        "if os.listdir(sys.argv[1]) == ['study.toml'] else 'higher')\n",
        encoding="utf-8",
    )
    said = testbed.by_command(f'"{Path(sys.executable).as_posix()}" "{script.as_posix()}" {{folder}}')(case)
    assert (said.verdict, said.estimate) == ("lower", 0.8)
    stops = testbed.by_command(f'"{Path(sys.executable).as_posix()}" -c "raise SystemExit(5)" {{folder}}')(case)
    assert (stops.verdict, stops.why) == ("refused", "exit 5")


def test_a_word_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no verdict"):
        testbed.Said("perhaps")


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "done.jsonl"
    file.write_text(
        '{"study": "14 sites", "world": "none", "scenario": "null", "seed": 1, "evaluator": "e"}\n{"world": "no',
        encoding="utf-8",
    )
    rows = testbed.read_checkpoint(file)
    assert len(rows) == 1
    done = {(r["study"], r["world"], r["scenario"], r["seed"], r["evaluator"]) for r in rows}
    assert list(testbed.run([(testbed.MANY, "none", "null", 1)], {"e": always_cannot_tell}, done)) == []


def test_cells_are_all_worlds_and_spill_over_needs_an_effect() -> None:
    cells = testbed.cells([], testbed.SCENARIOS)
    assert {w for k, w, _ in cells if k == testbed.MANY} == {"none", *WORLDS, *("+".join(t) for t in testbed.TOGETHER)}
    assert [s for _, w, s in cells if w == "spill_over"] == ["effect"]
    alone = {w for k, w, _ in cells if k == testbed.ALONE}
    assert not alone & {"merger", "displaced_elsewhere", "spill_over", "displaced_elsewhere+spill_over"}
    assert {"none", "coding_lost", "late_data", "peak", "pandemic+unequal_deaths"} <= alone


def test_one_trust_alone_may_say_a_direction_on_condition_and_nothing_without_one() -> None:
    null, effect = SCENARIOS["null"], SCENARIOS["effect"]
    assert [testbed.judged_alone(w, effect, "none") for w in ("lower", "lower_but", "cannot_tell", "higher_but")] == [
        "fooled", "right", "withheld", "fooled"]  # fmt: skip
    assert [testbed.judged_alone(w, null, "peak") for w in ("no_effect", "cannot_tell", "lower_but")] == [
        "fooled", "right", "fooled"]  # fmt: skip
    assert testbed.judged_alone("lower_but", null, "coding_lost") == "withheld"
    assert testbed.Case("null", (), 1, testbed.ALONE).study.sites[0].go_live is not None
    assert len(testbed.Case("null", (), 1, testbed.ALONE).study.sites) == 1


def test_what_withheld_is_counted_by_its_first_reason() -> None:
    said = [
        ("cannot_tell", "width"),
        ("lower_but", "volume placebo_outcome"),
        ("lower_but", "volume"),
        ("no_effect", ""),
    ]
    rows = pd.DataFrame([{"study": testbed.MANY, "world": "none", "scenario": "null", "verdict": v, "why": w,
                          "judged": "right" if v == "no_effect" else "withheld"} for v, w in said])  # fmt: skip
    found = testbed.withheld_by(rows).iloc[0]
    assert (found["seeds"], found["withheld"], found["by"]) == (4, 3, "volume 2, width 1")


def test_page_of_method_names_every_world(root: Path) -> None:
    text = (root / "docs" / "methods" / "testbed.md").read_text("utf-8")
    assert all(f"`{name}`" in text for name in WORLDS)
