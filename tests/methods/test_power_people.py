"""Precision for the number referred: any entry rule of the language, and hospitals that lie apart as they do in this panel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from aaot_eval.config import RunConfig
from aaot_eval.estimators._cohorts import Rule, meets_rule, person_months
from aaot_eval.power import plan_study
from aaot_eval.power._as_referred import Past, as_referred
from aaot_eval.power._before import Asked, first_start, periods_before
from aaot_eval.power._people import Hospitals, _row, people_rows
from aaot_eval.results import BESIDE, Panel, generator
from tests.methods.patients import OUTCOME

FOLLOW_UP, FALL = 12, 0.23
ASKED = Asked(OUTCOME, FALL, 1000, 1, 0.05, FOLLOW_UP)
# Two powers from 1,000 draws each differ by up to 0.06 by chance (three standard errors).
BY_CHANCE = 0.06


def rows(panel: Panel, rule: tuple[int, int] | None) -> tuple[list[dict], list[str], dict]:
    past = periods_before(panel, first_start(panel))
    return people_rows(panel, past, replace(ASKED, replicates=100, rule=rule, referred=300))


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
    found = _row(pool, Hospitals(0.0, 3, np.full(9, 1 / 9)), 300, ASKED)
    error = np.sqrt(1 / (300 * 2.0 * (1 - FALL)) + 1 / (4000 * 2.0))
    bar = stats.t.ppf(0.975, 8) * error
    power = stats.norm.cdf((-bar - np.log(1 - FALL)) / error)
    assert found["power"] == pytest.approx(power, abs=BY_CHANCE)
    assert found["half_width"] == pytest.approx(bar, rel=0.05)


def test_hospitals_that_lie_apart_cost_precision_and_are_said(mixed: Panel) -> None:
    pool = generator(2, "pool").poisson(2.0, 2000)
    alike = _row(pool, Hospitals(0.0, 3, np.full(9, 1 / 9)), 400, ASKED)
    apart = _row(pool, Hospitals(0.2, 3, np.full(9, 1 / 9)), 400, ASKED)
    assert apart["half_width"] > 1.5 * alike["half_width"]
    assert apart["power"] < alike["power"]
    _, words, facts = rows(mixed, (4, 12))
    assert "hospitals" in words[0]
    assert facts["hospital_sd"] >= 0 or np.isnan(facts["hospital_sd"])


def test_false_alarms_stay_at_the_level_with_hospital_spread() -> None:
    pool = generator(3, "pool").poisson(2.0, 2000)
    found = _row(pool, Hospitals(0.2, 3, np.full(9, 1 / 9)), 400, replace(ASKED, fall=0.0, replicates=4000))
    assert found["power"] < 0.06


def test_as_referred_by_the_formula() -> None:
    """Poisson people of mean 2, a past that says nothing, hospitals and others with known parts: half-width and power in closed form."""
    rng = generator(5, "as referred")
    events = rng.poisson(2.0, 4000).astype(float)
    past = Past(events, np.full(4000, 12.0), np.zeros(4000), 0.001, 0.01, 3, 9, np.full(9, 1 / 9))
    fixed = 0.001 + 0.01 * (1 / 3 + 1 / 9)
    assert past.fixed == pytest.approx(fixed)
    power, half = past.draw(300, FALL, 4000, 1, 0.05)
    mean = events.mean()
    error = np.sqrt(events.var() / mean**2 / 300 + (1 / (1 - FALL) - 1) / mean / 300 + fixed)
    assert half == pytest.approx(stats.t.ppf(0.975, 8) * error, rel=0.05)
    wanted = stats.norm.cdf((-stats.t.ppf(0.975, 8) * error - np.log(1 - FALL)) / error)
    assert power == pytest.approx(wanted, abs=BY_CHANCE)
    assert past.draw(1200, FALL, 1000, 1, 0.05)[0] > power
    assert past.draw(300, 0.0, 4000, 1, 0.05)[0] < 0.06


def test_what_cannot_be_weighted_is_said_to_be_cautious(mixed: Panel) -> None:
    """Five comparison hospitals cannot show their spread: the unweighted figures, and a sentence."""
    weighted, words, _ = rows(mixed, (4, 12))
    assert "weighted to one past" in words[0]
    assert all("weighted to the same past" in r["what"] for r in weighted)
    others = [u for u in mixed.units.index if u not in mixed.treated_units]
    few = replace(
        mixed,
        units=mixed.units.assign(group=[BESIDE if u in others[5:] else g for u, g in mixed.units["group"].items()]),
    )
    plain, words, _ = rows(few, (4, 12))
    assert "which makes these figures cautious" in words[0]
    assert not any("weighted" in r["what"] for r in plain)


def test_nothing_after_the_start_is_read(mixed: Panel) -> None:
    start = first_start(mixed)
    cells = mixed.person_cells
    later = replace(mixed, person_cells=cells.assign(**{OUTCOME: cells[OUTCOME].where(cells["t"] < start, cells[OUTCOME] * 3)}))  # fmt: skip
    assert rows(later, (4, 12)) == rows(mixed, (4, 12))


def test_too_short_a_past_has_none(mixed: Panel) -> None:
    past = periods_before(mixed, 23)
    people = person_months(past, OUTCOME, OUTCOME)
    served = np.isin(np.array(people.names), mixed.treated_units)
    assert as_referred(people, Rule(4, 12), meets_rule(people, Rule(4, 12)), served, FOLLOW_UP, 24) is None
