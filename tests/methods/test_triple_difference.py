"""The third difference: by hand, against least squares with all interactions, and where two differences are fooled."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._sites import site_data
from aaot_eval.estimators.site_did import SiteDid
from aaot_eval.estimators.triple_difference import CONTROL, TripleDifference, triple_of
from aaot_eval.results import Analysis, Panel
from tests.builders import site_panel

OUTCOME = "alcohol_specific_emergency"
ANALYSIS = Analysis("triple_difference", "sites", "triple_difference", OUTCOME)
NEAR = 0.003  # half an event added to totals of thousands


def hospitals(seed: int = 1, *, n: int = 14, starts: tuple[int, ...] = (18, 22), ratio: float = 1.0, all_care: float = 1.0,
              n_t: int = 36) -> Panel:  # fmt: skip
    """`ratio` changes the outcome of treated sites, `all_care` everything that their hospital does."""
    rng = np.random.default_rng(seed)
    shock = np.cumsum(rng.normal(0, 0.02, (n, n_t)), axis=1)  # of the hospital: both outcomes feel it
    size = rng.uniform(80, 200, n)[:, None]
    outcome, control = size * np.exp(shock), 8 * size * np.exp(shock)
    for i, s in enumerate(starts):
        outcome[i, s:] *= ratio * all_care
        control[i, s:] *= all_care
    given = [*starts, *[None] * (n - len(starts))]
    return site_panel({OUTCOME: rng.poisson(outcome), CONTROL: rng.poisson(control)}, given)


def test_by_hand() -> None:
    # Treated: outcome 100 to 60, control 200 to 150; others: 50 to 50, 80 to 88. (0.6 / 0.75) / (1 / 1.1) = 0.88.
    half = np.ones((1, 12))
    outcome = np.vstack([np.hstack([1000 * half, 600 * half]), *[np.hstack([500 * half, 500 * half])] * 3])
    control = np.vstack([np.hstack([2000 * half, 1500 * half]), *[np.hstack([800 * half, 880 * half])] * 3])
    panel = site_panel({OUTCOME: outcome, CONTROL: control}, [12, None, None, None])
    row = TripleDifference().fit(panel, ANALYSIS, seed=1)[0]
    assert row.estimate == pytest.approx(0.88, abs=NEAR)
    assert row.p_least == 0.25
    assert row.status == "no_finite_interval"
    assert row.note.startswith(
        "The least p this design can reach is 0.2500 (1 of 4 sites treated): there is no 95 % interval"
    )
    assert "ratio of rate ratios" in row.estimand


def test_coefficient_is_that_of_least_squares_with_every_interaction() -> None:
    panel = hospitals(4)
    row = TripleDifference().fit(panel, ANALYSIS, seed=1)[1]
    frames = []
    for name in (OUTCOME, CONTROL):
        data = site_data(panel, name)
        frames += [
            pd.DataFrame({"y": np.log(data.values[i] / data.exposure[i]), "site": i, "t": data.t, "own": int(name == OUTCOME),
                          "d": (data.switch[i] & (name == OUTCOME)).astype(int), "e": data.switch[i].astype(int)})
            for i in range(len(data.units))
        ]  # fmt: skip
    fit = smf.ols("y ~ d + C(site) * C(own) + C(t) * C(own) + C(site) : C(t)", pd.concat(frames)).fit()
    assert math.log(row.estimate) == pytest.approx(fit.params["d"], abs=1e-8)


def test_what_hits_the_whole_hospital_fools_two_differences_and_not_three() -> None:
    panel = hospitals(2, all_care=0.75)
    two = SiteDid(beside=False).fit(panel, replace(ANALYSIS, estimator="site_did"), seed=1)[0]
    three, _, control = TripleDifference().fit(panel, ANALYSIS, seed=1)
    assert two.direction == "lower"
    assert three.direction == "unclear"
    assert three.conf_low < 1 < three.conf_high
    assert control.outcome == CONTROL
    assert control.direction == "lower"
    assert "what the control outcome did by itself" in control.note


def test_an_effect_on_the_outcome_alone_is_found() -> None:
    row = TripleDifference().fit(hospitals(3, ratio=0.7, all_care=1.2), ANALYSIS, seed=1)[0]
    assert row.direction == "lower"
    assert row.conf_low < 0.7 < row.conf_high
    assert row.scale == "ratio"
    assert row.p_least == pytest.approx(1 / 182)
    table = row.tables["placebo"]
    assert table["real"].sum() == 1
    assert table.loc[table["real"], "p_value"].iloc[0] == pytest.approx(row.p_value)


def test_false_alarms_are_those_of_chance() -> None:
    found = [triple_of(hospitals(seed, n=20, starts=(18,)), OUTCOME, CONTROL, 1) for seed in range(60)]
    alarms = sum(ri.p_value(triple.statistic(), triple.ways.real) <= 0.05 for triple in found)
    assert alarms <= 9  # 99.9 % quantile of 60 at 5 %


def test_sites_and_periods_are_those_of_both_outcomes() -> None:
    panel = hospitals(5)
    cells = panel.cells.copy()
    cells.loc[(cells["unit"] == "S14") & (cells["t"] == 3), CONTROL] = np.nan
    triple = triple_of(replace(panel, cells=cells), OUTCOME, CONTROL, 1)
    assert triple.outcome.units == triple.control.units
    assert 3 not in triple.outcome.t
    assert (triple.outcome.t == triple.control.t).all()
    assert triple.outcome.starts[0] == 17  # one period before the start has gone
    assert any("control outcome" in text for text in triple.outcome.left)


def test_refusals() -> None:
    panel = hospitals()
    estimator = TripleDifference()
    assert not estimator.objections(panel, ANALYSIS)
    alone = replace(panel, cells=panel.cells.drop(columns=CONTROL), outcomes=panel.outcomes[:1])
    assert estimator.objections(alone, ANALYSIS)[0].code == "E351"
    assert estimator.objections(panel, replace(ANALYSIS, outcome=CONTROL))[0].code == "E352"
    share = replace(panel, outcomes=(panel.outcomes[0], replace(panel.outcomes[1], kind="share")))
    assert estimator.objections(share, ANALYSIS)[0].code == "E353"
    nothing = site_panel({n: np.full((4, 48), 80.0) for n in (OUTCOME, CONTROL)}, [None] * 4)
    assert estimator.objections(nothing, ANALYSIS)[0].code == "E311"
