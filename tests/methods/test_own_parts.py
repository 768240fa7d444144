"""Beside one trust's own cohorts: groups of people, mean admissions until death, phases of the referred, and the clock of first contact."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from aaot_eval.checks.first_contact import FirstContact
from aaot_eval.checks.subgroups import Subgroups
from aaot_eval.estimators._cohorts import died
from aaot_eval.estimators._subgroups import subgroup_table
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.results import Analysis, Panel, generator
from benchmarks.patient_worlds import ONE, OUTCOME, simulate

ANALYSIS = Analysis("own_cohorts", "own_cohorts", "own_cohorts", OUTCOME)
# Rounding of floats only.
EXACT = 1e-9
# The two count the same people; they differ by how late months weigh, a few per cent here.
SAME_PEOPLE = 0.12


@pytest.fixture(scope="module")
def panel() -> Panel:
    made = simulate(ONE, 3)
    rng = generator(5, "own parts")
    people = made.people
    assert people is not None
    stay = rng.integers(2, 10, len(people))
    last = len(made.periods) - 1
    ended = (people["referral_t"] + stay).where(people["referral_t"] + stay < last)
    contact = (people["referral_t"] + rng.integers(0, 2, len(people))).clip(upper=last)
    return replace(made, people=people.assign(ended_t=ended.astype("Int64"), contact_t=contact.astype("Int64"),
                                              smi=rng.random(len(people)) < 0.5, sex=rng.choice(["1", "2"], len(people))))  # fmt: skip


@pytest.fixture(scope="module")
def rows(panel: Panel) -> tuple:
    return OwnCohorts(4, 12).fit(panel, ANALYSIS, seed=1)


def test_everybody_in_one_group_is_the_effect_itself(panel: Panel, rows: tuple) -> None:
    everybody = np.ones(len(panel.people), dtype=bool)
    found = OwnCohorts(4, 12).splits(panel, ANALYSIS, [("all", ("all", "none"), (everybody, ~everybody))])[0]
    assert math.exp(found.levels[0].log_ratio) == pytest.approx(rows[0].estimate, rel=EXACT)
    assert found.levels[0].std_error == pytest.approx(rows[0].std_error, rel=EXACT)
    assert found.levels[1].refused.startswith(
        "fewer than 30 people or 20 admissions in the cohort before or after launch"
    )
    assert math.isnan(found.p_value)
    table = subgroup_table("own_cohorts", [found], 0.95).set_index("level")
    assert (table.loc["all", "conf_low"], table.loc["all", "conf_high"]) == pytest.approx(
        (rows[0].conf_low, rows[0].conf_high), rel=EXACT
    )


def test_groups_at_random_do_not_differ_and_the_table_counts_them(panel: Panel, rows: tuple) -> None:
    check = Subgroups().run(OwnCohorts(4, 12), panel, ANALYSIS, rows[0], seed=1)
    assert check.verdict == "pass"
    assert check.facts["tested"] == 2
    table = check.table
    assert table is not None
    assert set(table["group"]) == {"severe mental illness coded", "sex"}
    ratio = table[table["level"].str.startswith("ratio")]
    assert (ratio["p_holm"] >= ratio["p_value"] - EXACT).all()


def test_an_effect_in_one_group_alone_is_found(panel: Panel) -> None:
    """Admissions of the one group are doubled after launch."""
    people, launch = panel.people, int(panel.units["start_t"].min())
    counts = panel.person_matrix(OUTCOME).copy()
    counts[people["smi"].to_numpy(), launch:] *= 3
    changed = replace(panel, person_cells=panel.person_cells.assign(**{OUTCOME: counts.reshape(-1)}))
    head = OwnCohorts(4, 12).fit(changed, ANALYSIS, seed=1)[0]
    check = Subgroups().run(OwnCohorts(4, 12), changed, ANALYSIS, head, seed=1)
    assert check.verdict == "warn"
    assert "severe mental illness coded" in check.sentence


def test_mean_admissions_until_death(panel: Panel, rows: tuple) -> None:
    found = next(e for e in rows if "death" in e.estimand and "mean" in e.estimand.lower())
    assert found.facts["role"] == "deaths_beside"
    assert found.estimate == pytest.approx(rows[0].estimate, rel=SAME_PEOPLE)
    assert found.conf_low < found.estimate < found.conf_high


def test_nothing_about_deaths_when_nobody_died(panel: Panel) -> None:
    alive = replace(
        panel, people=panel.people.assign(death_t=panel.people["death_t"].where(panel.people["death_t"] < 0))
    )
    found = OwnCohorts(4, 12).fit(alive, ANALYSIS, seed=1)
    assert not [e for e in found if e.facts.get("role") == "deaths_beside"]
    people, rule, met = OwnCohorts(4, 12)._people(alive, ANALYSIS)
    trusts, _ = OwnCohorts(4, 12)._trusts(alive, ANALYSIS, people, rule, met)
    assert not any(died(people, c).any() for t in trusts for c in t.cohorts)


def test_phases_stand_beside_months_of_the_same_peak_before_launch(panel: Panel, rows: tuple) -> None:
    table = rows[0].tables["phases"].set_index("phase")
    # The year before referral is what the comparison was made like.
    assert table.loc["before", "ratio"] == pytest.approx(1.0, abs=0.1)
    assert table.loc["during", "people"] >= table.loc["after", "people"] > 30
    assert table.loc["during", "rate_like"] < table.loc["before", "rate_like"]


def test_without_anybody_leaving_there_are_no_phases(panel: Panel) -> None:
    there = replace(
        panel, people=panel.people.assign(ended_t=panel.people["ended_t"].where(panel.people["ended_t"] < 0))
    )
    assert "phases" not in OwnCohorts(4, 12).fit(there, ANALYSIS, seed=1)[0].tables


def test_first_contact_changes_the_time_on_the_team(panel: Panel, rows: tuple) -> None:
    check = FirstContact().run(OwnCohorts(4, 12), panel, ANALYSIS, rows[0], seed=1)
    assert check.verdict in ("pass", "warn")
    assert check.table is not None
    assert list(check.table["clock"]) == ["referral", "first contact"]
    assert check.statistic == pytest.approx(1.0, abs=0.3)
    unknown = replace(panel, people=panel.people.drop(columns="contact_t"))
    refused = FirstContact().run(OwnCohorts(4, 12), unknown, ANALYSIS, rows[0], seed=1)
    assert refused.verdict == "not_evaluable"
    assert "first contacts are not known" in refused.sentence
