"""The study of designs over people without a peak: its quick ways are what `fit` does, and a small fixed sample is rerun."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._cohorts import person_months
from aaot_eval.results import Analysis
from benchmarks import patient_no_peak as study
from benchmarks.patient_worlds import OUTCOME, draw

WORLD = study.WORLDS["shocks 0.1, effect 0.77"]
# The same sums in another order.
EXACT = 1e-9


def test_people_are_those_of_the_panel() -> None:
    drawn = draw(WORLD, 3)
    ours, theirs = study.people_of(drawn), person_months(drawn.panel(), OUTCOME, OUTCOME)
    for name in ("outcome", "at_risk", "unit", "referral", "launch"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    assert ours.names == theirs.names


def test_readings_are_what_fit_gives() -> None:
    panel = draw(WORLD, 3).panel()
    for row, name in zip(study.read(WORLD, 0, 3), study.READERS, strict=True):
        wanted = build_estimator(name, {"no_peak": True})
        head = wanted.fit(panel, Analysis(name, "patients", name, OUTCOME), seed=3)[0]
        assert math.exp(row["log"]) == pytest.approx(head.estimate, rel=EXACT)
        assert row["p"] == pytest.approx(head.p_value, rel=1e-7)
        assert math.exp(row["log"] + row["half_width"]) == pytest.approx(head.conf_high, rel=EXACT)
        assert (row["p_truth"] > 0.05) == (head.conf_low < WORLD.effect < head.conf_high)


def test_a_referral_by_lasting_level_has_no_peak() -> None:
    """Over ten drawings the referred have as many admissions in the three months before as in the year before those."""
    before, earlier = 0.0, 0.0
    for seed in range(10):
        drawn = draw(WORLD, seed)
        for person in np.flatnonzero(drawn.referral >= 15):
            at = drawn.referral[person]
            before += drawn.y[person, at - 3 : at].sum() / 3
            earlier += drawn.y[person, at - 15 : at - 3].sum() / 12
    # Some 1,500 people with 0.15 admissions a month: four standard errors are 15 %.
    assert before / earlier == pytest.approx(1.0, abs=0.15)


def test_a_fixed_sample_stays_near_what_is_stored() -> None:
    """20 panels without an effect: at 5 % more than four alarms come once in 400 such samples."""
    rows = [row for seed in range(20_000, 20_020) for row in study.read(study.WORLDS["shocks 0.1, no effect"], 0, seed)]
    table = pd.DataFrame(study.score("shocks 0.1, no effect", pd.DataFrame(rows)))
    assert (table["estimable"] == 20).all()
    assert (table["p_below_05"] <= 4).all()
    assert (table["covered"] >= 16).all()
