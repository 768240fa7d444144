"""Power before looking: against the stored table of the methods note, blind to what came after, refusals in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aaot_eval.config import RunConfig
from aaot_eval.errors import AaotEvalError
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.power import Plan, plan_study
from aaot_eval.power._before import Asked, periods_before
from aaot_eval.power._series import Past, power_of
from aaot_eval.results import Panel, generator
from tests.builders import site_panel

REPLICATES = 100
CLOSE = 0.15
"""Three standard errors of a power near 0.7 on 100 replicates."""


def past(months: int, mean: float, rho: float) -> Past:
    t = np.arange(months)
    return Past(t, mean * np.exp(0.1 * np.cos(2 * np.pi * t / 12)), 2.0, rho, 12)


@pytest.mark.parametrize(
    ("before", "after", "mean", "rho", "noted"),
    [(24, 24, 300, 0.0, 1.00), (12, 12, 300, 0.0, 0.69)],
)
def test_power_of_a_series_is_that_of_the_methods_note(
    before: int, after: int, mean: float, rho: float, noted: float
) -> None:
    found, half = power_of(past(before, mean, rho), after, 1.0, Asked("emergencies", 0.23, REPLICATES, 1, 0.05))
    assert found == pytest.approx(noted, abs=CLOSE)
    assert half > 0


def counts(units: int, months: int = 60, start: int = 36, after: float = 1.0) -> Panel:
    rng = generator(3, "test_power", units)
    t = np.arange(months)
    y = rng.negative_binomial(60 * np.exp(0.1 * np.cos(2 * np.pi * t / 12)) * np.ones((units, 1)), 0.5)
    y[:2, start:] = np.round(after * y[:2, start:])
    return site_panel({"stays": y}, [start, start, *[None] * (units - 2)], first="2014-04")


def config(**study: Any) -> RunConfig:
    return RunConfig.model_validate(
        {"config_version": 1, "name": "p", "data": {"panel": "p.csv"}, "study": {"outcome": "stays"} | study}
    )


def plan(panel: Panel, **settings: Any) -> Plan:
    return plan_study(panel, config(), **{"fall": 0.2, "replicates": 50} | settings)


def test_what_came_after_the_start_changes_nothing() -> None:
    one, two = plan(counts(12)), plan(counts(12, after=0.2))
    assert one.sentences == two.sentences
    assert one.table.equals(two.table)


def test_nothing_later_is_kept() -> None:
    cut = periods_before(counts(6), 36)
    assert cut.cells["t"].max() == 35
    assert not cut.treated_units


def test_least_p_is_that_of_the_assignments() -> None:
    found = plan(counts(12))
    own = found.table[(found.table["part"] == "sites") & (found.table["treated"] == 2)].iloc[0]
    starts = np.array([36, 36, *[60] * 10])
    assert own["p_least"] == pytest.approx(ri.assign_starts(starts, 60, 1).p_least)  # 1 in 66
    few = plan(counts(5))
    row = few.table[(few.table["part"] == "sites") & (few.table["treated"] == 2)].iloc[0]
    assert row["p_least"] == pytest.approx(0.1)
    assert row["power"] == 0
    assert any("no result can fall below 0.05" in s for s in few.sentences)


def test_same_seed_same_plan() -> None:
    assert plan(counts(8)).table.equals(plan(counts(8)).table)


def test_says_what_it_cannot_judge() -> None:
    found = plan(site_panel({"stays": np.full((1, 48), 90)}, [30]))
    assert any(s.startswith("Sites: not judged") for s in found.sentences)
    assert any(s.startswith("People: not judged") for s in found.sentences)


@pytest.mark.parametrize(
    ("panel", "settings", "code"),
    [
        (counts(4), {"fall": 1.2}, "C200"),
        (counts(4), {"replicates": 3}, "C201"),
        (counts(4), {"referred": 1}, "C202"),
        (site_panel({"stays": np.full((3, 40), 9)}, [None] * 3), {}, "C204"),
        (counts(4, start=8), {}, "C205"),
    ],
)
def test_refusals_have_words(panel: Panel, settings: dict[str, Any], code: str) -> None:
    with pytest.raises(AaotEvalError) as fault:
        plan(panel, **settings)
    assert [p.code for p in fault.value.problems] == [code]
    assert all(p.what and p.do for p in fault.value.problems)


def test_only_counts_have_a_power() -> None:
    panel = counts(4)
    shares = replace(panel, outcomes=tuple(replace(o, kind="share") for o in panel.outcomes))
    with pytest.raises(AaotEvalError) as fault:
        plan(shares)
    assert fault.value.problems[0].code == "C203"
