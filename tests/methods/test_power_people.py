"""Precision for the number referred: any entry rule of the language, and hospitals that lie apart as they do in this panel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from aaot_eval.config import RunConfig
from aaot_eval.estimators._cohorts import Rule, meets_rule, person_months
from aaot_eval.power import plan_study
from aaot_eval.power._before import first_start, periods_before
from aaot_eval.power._people import Hospitals, _row, people_rows
from aaot_eval.results import Panel, generator
from tests.methods.patients import OUTCOME, patients_mixed

FOLLOW_UP, FALL = 12, 0.23
# Two powers from 1,000 draws each differ by up to 0.06 by chance (three standard errors).
BY_CHANCE = 0.06


@pytest.fixture(scope="module")
def mixed() -> Panel:
    return patients_mixed()


def rows(panel: Panel, rule: tuple[int, int] | None) -> tuple[list[dict], list[str], dict]:
    past = periods_before(panel, first_start(panel))
    return people_rows(panel, past, OUTCOME, rule, FOLLOW_UP, FALL, 100, 1, 0.05, 300)


def in_words(panel: Panel) -> Panel:
    """The rule worked out beforehand, as for one that says more than one count; here it is the plain one."""
    people = person_months(panel, OUTCOME, OUTCOME)
    met = meets_rule(people, Rule(4, 12))
    told = {"words": "4 or more in 12 months, aged 18 and over", "count": 4, "months": 12, "plain": None}
    return replace(
        panel,
        person_cells=panel.person_cells.assign(entry_rule_met=met.reshape(-1)),
        extra={**panel.extra, "cohort_rule": told},
    )


def test_a_rule_of_the_language_gives_what_its_months_say(mixed: Panel) -> None:
    assert rows(in_words(mixed), None)[0] == rows(mixed, (4, 12))[0]


def test_the_whole_command_takes_such_a_rule(mixed: Panel) -> None:
    asked = {"config_version": 1, "name": "p", "data": {"admissions": "a.csv", "attendances": "b.csv"},
             "study": {"outcome": OUTCOME, "entry_rule": "4 admissions or 6 attendances in 12 months"}}  # fmt: skip
    found = plan_study(in_words(mixed), RunConfig.model_validate(asked), fall=FALL, replicates=50)
    assert any(s.startswith("People (met the rule before the start") for s in found.sentences)
    assert (found.table["part"] == "people").any()


def test_without_any_rule_it_says_so(mixed: Panel) -> None:
    assert "names no entry rule in numbers" in rows(mixed, None)[1][0]


def test_power_is_that_of_the_formula_when_people_are_alike() -> None:
    """Poisson people and no spread of hospitals: the normal approximation of a log rate ratio."""
    rng = generator(1, "poisson pool")
    pool = rng.poisson(2.0, 4000)
    found = _row(pool, Hospitals(0.0, 3, np.full(9, 1 / 9)), 300, FOLLOW_UP, FALL, 1000, 1, 0.05)
    error = np.sqrt(1 / (300 * 2.0 * (1 - FALL)) + 1 / (4000 * 2.0))
    bar = stats.t.ppf(0.975, 8) * error
    power = stats.norm.cdf((-bar - np.log(1 - FALL)) / error)
    assert found["power"] == pytest.approx(power, abs=BY_CHANCE)
    assert found["half_width"] == pytest.approx(bar, rel=0.05)


def test_hospitals_that_lie_apart_cost_precision_and_are_said(mixed: Panel) -> None:
    pool = generator(2, "pool").poisson(2.0, 2000)
    alike = _row(pool, Hospitals(0.0, 3, np.full(9, 1 / 9)), 400, FOLLOW_UP, FALL, 1000, 1, 0.05)
    apart = _row(pool, Hospitals(0.2, 3, np.full(9, 1 / 9)), 400, FOLLOW_UP, FALL, 1000, 1, 0.05)
    assert apart["half_width"] > 1.5 * alike["half_width"]
    assert apart["power"] < alike["power"]
    _, words, facts = rows(mixed, (4, 12))
    assert "hospitals" in words[0]
    assert facts["hospital_sd"] >= 0 or np.isnan(facts["hospital_sd"])


def test_false_alarms_stay_at_the_level_with_hospital_spread() -> None:
    pool = generator(3, "pool").poisson(2.0, 2000)
    found = _row(pool, Hospitals(0.2, 3, np.full(9, 1 / 9)), 400, FOLLOW_UP, 0.0, 4000, 1, 0.05)
    assert found["power"] < 0.06
