"""A cohort limited by where people live: whose area counts when, who is outside and how many, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aaot_eval.config import RunConfig, load_config
from aaot_eval.errors import InputError
from aaot_eval.pipeline import Prepared, prepare
from aaot_eval.results import Panel
from aaot_eval.synthetic import simulate_study
from tests.drawn import csv_text, episodes, study

RULE = "2 emergency admissions in 2 months"
# A and B live inside, B was elsewhere later; C lives elsewhere and moved in; D has no fixed abode; E's area is known from March on;
# F never says; G lives in the other kind of code.
DRAWN = """person provider admitted method area key
A RX1 2022-01-05 21 E06000042 a1
A RX1 2022-02-05 21 E06000042 a2
B RX1 2022-01-05 21 E06000042 b1
B RX1 2022-02-05 21 E08000003 b2
C RX1 2022-01-05 21 E08000003 c1
C RX1 2022-02-05 21 E06000042 c2
D RX1 2022-01-05 21 Y d1
D RX1 2022-02-05 21 Z99999999 d2
E RX1 2022-01-05 21 . e1
E RX1 2022-02-05 21 . e2
E RX1 2022-03-05 21 E06000042 e3
F RX1 2022-01-05 21 . f1
F RX1 2022-02-05 21 Q99 f2
G RX1 2022-01-05 21 00mg g1
G RX1 2022-02-05 21 00mg g2
"""
FILL = "\n".join(
    f"fill{m}{s} {s} 2022-{m:02d}-{d} 11 E06000042 {s}{m}"
    for m, d in ((1, "01"), (2, "01"), (3, "01"), (4, "30"))
    for s in ("RX1", "RX2")
)


def config(home: Path, area: list[str] | None, drawn: str = DRAWN + FILL, **parts) -> RunConfig:
    cohort = {} if area is None else {"cohort": {"area": area}}
    files = {
        "admissions.csv": csv_text(episodes(drawn)),
        "sites.csv": "site,go_live\nRX1,2022-03-01\nRX2,\n",
        "caseload.csv": "person,site,referred\nA,RX1,2022-03-05\n",
    }
    return study(home, files, study={"entry_rule": RULE}, **cohort, **parts)


def prepared(home: Path, area: list[str] | None, **parts) -> Prepared:
    return prepare(config(home, area, **parts), work=home / "work")


def met_in(panel: Panel) -> list[list[int]]:
    found = panel.person_matrix("entry_rule_met")
    return [np.flatnonzero(row).tolist() for row in found if row.any()]


def flow_of(found: Prepared) -> list[tuple[str, int, int]]:
    return [(s.reason or s.step, s.kept, s.lost) for s in found.flow if s.table == "people of the entry rule"]


def findings_of(found: Prepared) -> dict[str, int | None]:
    return {f.code: f.people for f in found.findings if f.code in ("D410", "D411", "D412")}


def test_the_first_area_that_is_told_counts_from_the_month_after_it_and_the_flow_adds_up(tmp_path):
    found = prepared(tmp_path, ["E06"])
    # A and B in March (t = 2); E in April, after the admission that says where E lives. C lived elsewhere first.
    assert met_in(found.panel) == [[2], [2], [3]]
    assert flow_of(found) == [
        ("meet the entry rule in some month", 7, 0),
        ("no area known: no fixed abode, or no code", 5, 2),
        ("live elsewhere", 3, 2),
    ]
    assert findings_of(found) == {"D410": 2}
    assert found.panel.extra["cohort_rule"]["words"].endswith("; living in E06")


def test_several_areas_and_codes_of_several_kinds(tmp_path):
    found = prepared(tmp_path, ["E06000042", "E08000003", "00MG"])
    assert met_in(found.panel) == [[2], [2], [2], [3], [2]]
    assert flow_of(found)[-1] == ("live elsewhere", 5, 0)


def test_a_code_in_which_nobody_lives_is_said_and_only_such_codes_are_refused(tmp_path):
    found = prepared(tmp_path / "a", ["E06", "S12"])
    assert [f.detail for f in found.findings if f.code == "D412"] == ["S12"]
    with pytest.raises(InputError, match=r"D325.*nobody lives in an area whose code begins with S12"):
        prepared(tmp_path / "b", ["S12"])


def test_an_extract_that_does_not_say_where_people_live_is_refused_and_a_file_without_it_is_said(tmp_path):
    without = "\n".join(line.rsplit(maxsplit=2)[0] for line in (DRAWN + FILL).splitlines())
    with pytest.raises(InputError, match=r"D325.*no file of admissions says where people live") as caught:
        prepared(tmp_path / "a", ["E06"], drawn=without)
    assert "residence" in caught.value.problems[0].do
    both = config(tmp_path / "b", ["E06"], data={"admissions": ["admissions.csv", "older.csv"]})
    older = "person provider admitted key\nZ RX1 2022-01-07 z1"
    (tmp_path / "b" / "older.csv").write_text(csv_text(episodes(older)), encoding="utf-8")
    found = prepare(both, work=tmp_path / "work")
    assert [(f.where, f.detail) for f in found.findings if f.code == "D411"] == [("admissions", "older.csv")]


def test_the_column_is_not_read_when_no_area_is_asked_for(tmp_path):
    found = prepared(tmp_path, None)
    assert findings_of(found) == {}
    assert any(f.code == "X210" and "RESLADST_ONS" in f.detail for f in found.findings)
    assert flow_of(found) == []


def test_a_kept_reading_without_areas_is_not_taken_for_one_with_them(tmp_path):
    kept = tmp_path / "kept"
    prepare(config(tmp_path, None), work=tmp_path / "work", keep=kept)
    found = prepare(config(tmp_path, ["E06"]), work=tmp_path / "work", keep=kept)
    assert len(met_in(found.panel)) == 3


@pytest.mark.parametrize("area", ["E", "e06", "E06%", "E06 000"])
def test_what_is_no_code_of_an_area_is_refused(tmp_path, area):
    with pytest.raises(ValueError, match="area"):
        config(tmp_path, [area])


@pytest.mark.parametrize("layout", ["hes_apc", "sus_apc", "cds_apc", "smr01"])
def test_every_format_of_admissions_says_the_same_areas(tmp_path, layout):
    simulate_study(tmp_path, scenario="null", seed=3, sites=4, size=0.05, formats=[layout])
    with (tmp_path / "study.toml").open("a", encoding="utf-8") as text:
        text.write('\n[cohort]\narea = ["E06900001", "E06900002"]\n')
    study_config = load_config(tmp_path / "study.toml")
    found = prepare(
        study_config.changed(study__entry_rule="2 emergency admissions in 12 months"), work=tmp_path / "work"
    )
    steps = flow_of(found)
    assert steps[-1][1] + sum(lost for _, _, lost in steps) == steps[0][1]
    everybody, known, here = (kept for _, kept, _ in steps)
    # Two of four areas, a tenth of people in the next one, three in a hundred without any.
    assert 0.3 < here / known < 0.7
    assert 0.9 < known / everybody < 1
