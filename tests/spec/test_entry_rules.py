"""The language of entry rules: what it reads, what it refuses in words, and who meets a rule when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaot_eval.config import RunConfig, load_config
from aaot_eval.entry_rules import KINDS, TITLES, Term, Together, parse_rule
from aaot_eval.errors import InputError
from aaot_eval.estimators._cohorts import people_and_rule
from aaot_eval.panel.entry import condition_met
from aaot_eval.panel.timing import period_frame
from tests.drawn import csv_text, episodes, panel_of, study

ASE = "alcohol_specific_emergency"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("4 admissions in 12 months", Term(4, ASE, 12)),
        ("more than 3 all admissions in a financial year", Term(4, "stays", None)),
        ("at least 10 ED visits in 6 months", Term(10, "ed_attendances", 6)),
        ("4 or more alcohol admissions in 1 month", Term(4, "alcohol_specific", 1)),
        ("6 A&E visits in 12 months", Term(6, "ed_attendances", 12)),
        ("(" * 20 + "4 admissions in 12 months" + ")" * 20, Term(4, ASE, 12)),
        ("30 bed days in 12 months", Term(30, "bed_days", 12)),
        ("4 attendances or 4 all admissions in 12 months", Together("or", (Term(4, "ed_attendances", 12), Term(4, "stays", 12)))),
        (
            "more than 3 all admissions and 1 alcohol admission in a financial year",
            Together("and", (Term(4, "stays", None), Term(1, "alcohol_specific", None))),
        ),
        (
            "2 all admissions and 1 listed admission in 12 months or 10 attendances in 6 months",
            Together("or", (Together("and", (Term(2, "stays", 12), Term(1, "listed", 12))), Term(10, "ed_attendances", 6))),
        ),
        (
            "(4 admissions or 6 attendances) in 12 months and 1 alcohol admission in 24 months",
            Together("and", (Together("or", (Term(4, ASE, 12), Term(6, "ed_attendances", 12))), Term(1, "alcohol_specific", 24))),
        ),
    ],
)  # fmt: skip
def test_a_rule_is_read_as_it_is_said(text, tree):
    assert parse_rule(text) == tree
    assert parse_rule(str(text).upper().replace("ED VISITS", "ED visits")) == tree


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at the beginning a number was expected"),
        ("four admissions in 12 months", "a number was expected, not 'four'"),
        ("4 visits in 12 months", "what is counted .*bed days.* was expected, not 'visits'"),
        ("4 admissions", "in how many months"),
        ("4 admissions in 12 weeks", "months was expected, not 'weeks'"),
        ("4 admissions in winter", 'a number of months or "a financial year" was expected'),
        ("4 admissions in 61 months", "1 to 60 months are allowed, not 61"),
        ("1001 admissions in 12 months", "1 to 1000 events"),
        ("4 admissions in 12 months or", "a number was expected"),
        ("(4 admissions in 12 months", "a closing bracket was expected"),
        ("(" * 3000 + "4 admissions in 12 months" + ")" * 3000, "at most 20 brackets may stand in one another"),
        ("4 admissions in 12 months please", "ends before 'please'"),
        ("4 admissions in 12 months; DROP", "';' has no meaning"),
    ],
)
def test_what_does_not_read_is_refused_in_words(text, words):
    with pytest.raises(ValueError, match=words):
        parse_rule(text)


def test_every_kind_has_words_for_the_report():
    assert set(KINDS.values()) == set(TITLES)


def config(rule: str, **more: object) -> RunConfig:
    return RunConfig.model_validate(
        {"config_version": 1, "name": "x", "data": {"admissions": "a"}, "study": {"entry_rule": rule}, **more}
    )


def test_the_plain_rule_is_as_it_was_and_what_a_rule_needs_is_asked_for():
    assert config("4 admissions in 12 months").cohort_rule is None
    assert config("unknown").cohort_rule is None
    assert config("4 admissions in 12 months", cohort={"age_from": 18}).cohort_rule == Term(4, ASE, 12)
    for rule, more, words in (
        ("4 listed admissions in 12 months", {}, "codes in \\[cohort\\]"),
        ("4 attendances in 12 months", {}, "data.attendances"),
        ("unknown", {"cohort": {"age_from": 18}}, "none to narrow"),
        ("4 admissions in 12 months", {"cohort": {"age_from": 80, "age_to": 20}}, "above age_to"),
        ("4 admissions in 12 months", {"cohort": {"codes": ["alcohol"]}}, "should match pattern"),
    ):
        with pytest.raises(ValueError, match=words):
            config(rule, **more)


# Who meets it when ----------------------------------------------------------------------------------------------------


def by_hand(term: Term, counts: np.ndarray, first: str) -> np.ndarray:
    """Month by month, one person, as one would on paper."""
    months = pd.period_range(first, periods=len(counts), freq="M")
    out = []
    for t, month in enumerate(months):
        if term.months is not None:
            window = [] if t < term.months else list(counts[t - term.months : t])
        else:
            before = month - 1
            april = pd.Period(year=before.year - (before.month < 4), month=4, freq="M")
            inside = [counts[i] for i, m in enumerate(months) if april <= m <= before]
            window = inside if t and april >= months[0] else []
        out.append(bool(window) and sum(window) >= term.least)
    return np.array(out)


@pytest.mark.parametrize(
    "term", [Term(2, "stays", 3), Term(1, "stays", 1), Term(3, "stays", 12), Term(2, "stays", None)]
)
def test_windows_look_back_and_never_at_the_month_itself(term):
    counts = np.random.default_rng(7).poisson(0.4, (20, 40))
    periods = period_frame(pd.period_range("2019-02", periods=40, freq="M"), [])
    met = condition_met(term, {"stays": counts}, periods)
    for person in range(20):
        assert (met[person] == by_hand(term, counts[person], "2019-02")).all()


RULE = "2 emergency admissions in 2 months or 2 attendances in 2 months"
DRAWN = """
A RX1 2022-01-05 21 R074 50
A RX1 2022-02-05 21 R074 50
B RX1 2022-01-05 11 F102 50
B RX1 2022-02-05 21 F102 50
C RX1 2022-02-05 11 R074 50
D RX2 2022-01-05 21 F102 17
D RX2 2022-02-05 21 F102 17
E RX1 2022-02-05 21 F200 50
E RX1 2022-02-15 21 R074 50
"""
VISITS = "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,ATTENDANCE_CATEGORY,DEPARTMENT_TYPE,PROVIDER_CODE\nC,e1,2022-01-10,1,01,RX1\nC,e2,2022-02-20,1,01,RX1\nA,e3,2022-02-20,1,01,RX1\n"
FILL = "\n".join(
    f"f{m}{s} {s} 2022-{m:02d}-{d} 11 R074 60"
    for m, d in ((1, "01"), (2, "01"), (3, "01"), (4, "30"))
    for s in ("RX1", "RX2")
)


def made(home: Path, rule: str = RULE, **parts):
    files = {
        "admissions.csv": csv_text(episodes("person provider admitted method diag age\n" + DRAWN + FILL)),
        "attendances.csv": VISITS,
        "sites.csv": "site,go_live\nRX1,2022-03-01\nRX2,\n",
        "caseload.csv": "person,site,referred\nA,RX1,2022-03-05\n",
    }
    return panel_of(study(home, files, study={"entry_rule": rule}, **parts))[1]


def met_in(panel) -> dict[int, list[int]]:
    found = panel.person_matrix("entry_rule_met")
    return {p: np.flatnonzero(row).tolist() for p, row in enumerate(found) if row.any()}


def test_people_who_meet_the_rule_without_an_alcohol_emergency_are_in_the_panel(tmp_path):
    panel = made(tmp_path)
    # A and E by admissions, C by attendances, D too; B has one emergency only. Everybody is looked at from March on (t = 2).
    assert panel.people["age"].tolist() == [50, 50, 50, 17, 50]
    assert met_in(panel) == {0: [2], 2: [2], 3: [2], 4: [2, 3]}
    assert panel.extra["cohort_rule"]["words"] == (
        "2 or more emergency admissions in 2 months or 2 or more emergency department attendances in 2 months"
    )


def test_age_area_and_exclusions_narrow_it(tmp_path):
    narrowed = {"age_from": 18, "sites": ["RX1"], "exclude_codes": ["F20"]}
    panel = made(tmp_path, cohort=narrowed)
    assert met_in(panel) == {0: [2], 2: [2]}, "D is 17 and of RX2; E had F20 in February"
    assert panel.extra["cohort_rule"]["words"].endswith("aged 18 to any age; home hospital RX1; without an earlier F20")


def test_a_home_hospital_that_there_is_not_is_refused_and_capitals_do_not_matter(tmp_path):
    usual = met_in(made(tmp_path / "a", cohort={"sites": ["RX1"]}))
    assert met_in(made(tmp_path / "b", cohort={"sites": [" rx1 "]})) == usual
    with pytest.raises(InputError, match=r"D322.*cohort\.sites names unknown sites: RQ9"):
        made(tmp_path / "c", cohort={"sites": ["RX1", "RQ9"]})


def test_codes_of_a_cohort_are_asked_for_in_words(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(
        'config_version = 1\nname = "a"\n[data]\nadmissions = "x.csv"\n[study]\nentry_rule = "4 admissions in 12 months"\n'
        '[cohort]\nexclude_codes = ["alcohol"]\n',
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert caught.value.problems[0].allowed.startswith("an ICD-10 code of three or four characters")


def test_listed_codes_count(tmp_path):
    panel = made(tmp_path, "1 listed admission in 2 months", cohort={"codes": ["F20"]})
    assert met_in(panel) == {3: [2, 3]}, "E; C is nobody the rule could take"


def test_the_estimators_take_the_rule_of_the_panel(tmp_path):
    panel = made(tmp_path)
    people, rule, met = people_and_rule(panel, ASE, ASE, None, None)
    assert str(rule) == panel.extra["cohort_rule"]["words"]
    assert met.sum() == panel.person_matrix("entry_rule_met").sum()
    narrowed = made(tmp_path / "n", "1 admission in 2 months", cohort={"age_from": 18})
    _, rule, met = people_and_rule(narrowed, ASE, ASE, 1, 2)
    assert "aged 18" in str(rule)
    _, rule, _ = people_and_rule(narrowed, ASE, ASE, 3, 12)
    assert str(rule) == "3 or more admissions in 12 months", "an analysis that names its own rule keeps it"
    assert people.declared is not None


def test_the_plain_rule_makes_no_column(tmp_path):
    panel = made(tmp_path, "2 admissions in 12 months")
    assert "entry_rule_met" not in panel.person_cells
    assert "cohort_rule" not in panel.extra
