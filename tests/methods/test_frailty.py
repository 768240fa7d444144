"""The frailty model behind the regression-to-the-mean prediction when few people were at such a peak without the service."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aaot_eval.checks._caseload import Prediction, predict
from aaot_eval.checks._frailty import Frailty, _log_pmf, expected_after, fit_frailty
from aaot_eval.estimators._cohorts import Rule, person_months
from aaot_eval.results import Panel, generator
from tests.methods.patients import OUTCOME, panel_of_people

TRUTH = Frailty(0.12, 0.6, 0.9, 0.8, 1.5)
# Four worlds of 1,500 people read 0.97 to 1.03 times the truth; this is three times as far.
RECOVERED = 0.10


def drawn(model: Frailty, people: int, months: int, seed: int) -> np.ndarray:
    rng = generator(seed, "frailty world")
    lasting, fading = model.lasting * rng.standard_normal(people), model.fading * rng.standard_normal(people)
    out = np.empty((people, months), dtype=np.int64)
    for t in range(months):
        if t:
            fading = model.rho * fading + model.fading * math.sqrt(1 - model.rho**2) * rng.standard_normal(people)
        mean = model.mean * np.exp(lasting + fading - (model.lasting**2 + model.fading**2) / 2)
        out[:, t] = rng.negative_binomial(model.size, model.size / (model.size + mean))
    return out


def test_one_month_by_hand() -> None:
    """Without a lasting or fading part everybody has the mean, whatever they had before."""
    plain = Frailty(0.5, 0.0, 0.0, 0.5, math.inf)
    found, paths = expected_after(plain, np.array([[0, 0], [5, 7]]), np.array([3, 1]), np.random.default_rng(1))
    assert found == pytest.approx([1.5, 0.5])
    assert paths == pytest.approx([4000, 4000])


def test_a_lasting_part_alone_is_a_gamma_like_shrinkage() -> None:
    """Log-normal level, Poisson counts: the posterior mean by numerical integration."""
    model = Frailty(0.2, 0.8, 0.0, 0.5, math.inf)
    history = np.array([[1, 0, 2, 1, 0, 0, 1, 0, 0, 1, 0, 0]])
    z = np.linspace(-8, 8, 4001)
    level = model.mean * np.exp(model.lasting * z - model.lasting**2 / 2)
    weight = np.exp(_log_pmf(history[0], np.repeat(level[:, None], 12, axis=1), math.inf).sum(axis=1) - z**2 / 2)
    found, _ = expected_after(model, history, np.array([12]), np.random.default_rng(2))
    assert found[0] == pytest.approx(12 * float(weight @ level / weight.sum()), rel=0.05)


def test_the_model_is_recovered() -> None:
    found = fit_frailty(drawn(TRUTH, 3000, 36, 1).astype(float), np.ones((3000, 36)))
    assert isinstance(found, Frailty)
    assert found.mean == pytest.approx(TRUTH.mean, rel=0.1)
    assert found.lasting**2 + found.fading**2 == pytest.approx(TRUTH.lasting**2 + TRUTH.fading**2, rel=0.15)
    assert found.rho == pytest.approx(TRUTH.rho, abs=0.12)


def test_the_fall_from_a_peak_is_told_from_other_people_s_months() -> None:
    model = fit_frailty(drawn(TRUTH, 1500, 36, 5).astype(float), np.ones((1500, 36)))
    assert isinstance(model, Frailty)
    others = drawn(TRUTH, 60_000, 24, 6)
    peak = np.flatnonzero(others[:, :12].sum(axis=1) >= 4)
    truth = float(others[peak, 12:].sum(axis=1).mean())
    before = float(others[peak, :12].sum(axis=1).mean())
    asked = peak[:150]
    found, _ = expected_after(model, others[asked, :12], np.full(150, 12), np.random.default_rng(3))
    assert truth < 0.55 * before
    assert found.mean() == pytest.approx(truth, rel=RECOVERED)


class TestPrediction:
    """One trust with a team and small other hospitals: too few others at the peak to weight, enough months to fit."""

    def panel(self, *, others: int = 40, ratio: float = 1.0) -> Panel:
        counts = drawn(TRUTH, 3000 + others, 48, 9)
        unit = np.concatenate([np.zeros(3000, dtype=int), np.ones(others, dtype=int)])
        referral = np.full(len(unit), -1)
        # Referral in the month after the seventh admission of a year: nobody waits, so nobody at such a peak is left before launch.
        for t in range(13, 36):
            ready = (counts[:, t - 12 : t].sum(axis=1) >= 7) & (unit == 0) & (referral < 0)
            referral[ready] = t
        return panel_of_people(counts, unit, [12, None], referral=referral)

    def test_the_model_stands_in_and_says_so(self) -> None:
        people = person_months(self.panel(), OUTCOME, OUTCOME)
        found = predict(people, Rule(7, 12), 1)
        assert isinstance(found, Prediction)
        assert found.by_model
        low, high = found.expected[1:]
        assert low < found.expected[0] < high
        # Nothing was done to them: what was observed is what was to be expected.
        assert found.observed[0] == pytest.approx(found.expected[0], rel=0.2)
        assert found.raw_fall > 0.2

    def test_it_refuses_when_there_are_too_few_months_to_fit_it_to(self) -> None:
        panel = self.panel(others=41)
        people = person_months(panel, OUTCOME, OUTCOME)
        rest = np.flatnonzero(people.unit == 1)
        people.at_risk[np.flatnonzero(people.unit == 0), :13] = False
        found = predict(people, Rule(7, 12), 1)
        assert len(rest) == 41
        assert isinstance(found, str)
        assert "to fit the frailty model to" in found

    def test_nothing_to_come_down_from(self) -> None:
        flat = generator(4, "flat").poisson(0.2, (600, 36)).astype(float)
        found = fit_frailty(flat, np.ones_like(flat))
        assert isinstance(found, (str, Frailty))
        if isinstance(found, Frailty):
            assert found.lasting**2 + found.fading**2 < 0.2
