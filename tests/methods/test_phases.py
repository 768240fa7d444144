"""Before, during and after the time with the team: arithmetic, a rise while engaged, and when there is no table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aaot_eval.estimators.risk_set import RiskSet
from aaot_eval.results import Analysis, Panel
from aaot_eval.schema import table_schema
from tests.methods.patients import OUTCOME, patients_mixed

ANALYSIS = Analysis("risk_set", "risk_set", "risk_set", OUTCOME)
EXACT = 1e-9


@pytest.fixture(scope="module")
def mixed() -> Panel:
    """People stay with the team for five months."""
    panel = patients_mixed()
    return replace(panel, people=panel.people.assign(ended_t=panel.people["referral_t"] + 4))


@pytest.fixture(scope="module")
def table(mixed: Panel):
    return RiskSet(4, 12).fit(mixed, ANALYSIS, seed=1)[0].tables["phases"].set_index("phase")


def test_phases_after_referral_are_the_follow_up_of_the_effect(mixed, table) -> None:
    first = RiskSet(4, 12).fit(mixed, ANALYSIS, seed=1)[0]
    years = table.loc["during", "person_years"] + table.loc["after", "person_years"]
    assert 12 * years == pytest.approx(first.facts["on_team_person_months"], rel=EXACT)
    events = table.loc["during", "events"] + table.loc["after", "events"]
    assert events / years / 12 == pytest.approx(first.facts["rate_on_team"], rel=EXACT)


def test_the_year_before_is_alike(table) -> None:
    """The weights make it so; the expected is by month, the weights by window."""
    assert table.loc["before", "ratio"] == pytest.approx(1.0, abs=0.02)


def test_a_rise_while_engaged_is_seen_apart_from_what_follows(mixed, table) -> None:
    referral = mixed.people["referral_t"].fillna(999).to_numpy(dtype=float)
    t = np.arange(len(mixed.periods))
    engaged = (t >= referral[:, None]) & (t <= referral[:, None] + 4)
    counts = mixed.person_matrix(OUTCOME)
    # The rule and the past are left alone: a column of its own holds what is counted after.
    more = replace(
        mixed,
        person_cells=mixed.person_cells.assign(
            rule=counts.reshape(-1), **{OUTCOME: np.where(engaged, 2 * counts, counts).reshape(-1)}
        ),
    )
    found = RiskSet(4, 12, rule_outcome="rule").fit(more, ANALYSIS, seed=1)[0].tables["phases"].set_index("phase")
    assert found.loc["during", "ratio"] == pytest.approx(2 * table.loc["during", "ratio"], rel=1e-6)
    assert found.loc["after", "ratio"] == pytest.approx(table.loc["after", "ratio"], rel=1e-6)


def test_nobody_left_so_there_is_no_table() -> None:
    assert "phases" not in RiskSet(4, 12).fit(patients_mixed(), ANALYSIS, seed=1)[0].tables


def test_the_columns_are_those_of_the_schema(mixed) -> None:
    made = RiskSet(4, 12).fit(mixed, ANALYSIS, seed=1)[0].tables["phases"]
    assert list(made.columns) == list(table_schema("release", "phases").names)
