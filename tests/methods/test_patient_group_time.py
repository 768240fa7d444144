"""Callaway-Sant'Anna and the event study over people: hand cases, the refusal at a peak, a planted effect, and a run."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aaot_eval.config import RunConfig
from aaot_eval.design import choose_analyses, refuse_unfit
from aaot_eval.estimators import _person_groups as pg
from aaot_eval.estimators import _staggered as sg
from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._cohorts import person_months
from aaot_eval.estimators._random_effects import dersimonian_laird
from aaot_eval.pipeline import estimate_effect
from aaot_eval.results import BESIDE, Analysis, Panel, generator
from tests.methods.patients import OUTCOME, panel_of_people, patients_mixed

ESTIMATORS = ("patient_group_time", "patient_event_study")
# The same sums in another order.
EXACT = 1e-9
# 600 referred with 0.25 admissions a month followed about 14 months: sd of the log ratio about 0.05, and three of them.
PLANTED = 0.15


def analysis(name: str = "patient_group_time", **more: object) -> Analysis:
    return Analysis(name, "patients", name, OUTCOME, **more)  # type: ignore[arg-type]


def flat_world(ratio: float, seed: int, shock: float = 0.0) -> Panel:
    """Ten hospitals of 400 people with a lasting level each; three launch; 200 a hospital are referred by level, none at a peak."""
    rng = generator(seed, "flat world")
    n_t, per = 40, 400
    unit = np.repeat(np.arange(10), per)
    level = rng.gamma(1.5, 0.1, len(unit))
    launch = np.array([14, 18, 22, *[99] * 7])
    referral = np.full(len(unit), -1)
    for u in range(3):
        mine = np.flatnonzero(unit == u)
        chosen = rng.choice(mine, 200, replace=False, p=level[mine] / level[mine].sum())
        referral[chosen] = rng.integers(launch[u], launch[u] + 8, len(chosen))
    mean = (
        level[:, None] * np.exp(rng.normal(0, shock, (10, n_t)))[unit]
        if shock
        else np.repeat(level[:, None], n_t, axis=1)
    )
    on = (referral[:, None] >= 0) & (np.arange(n_t) >= referral[:, None])
    counts = rng.poisson(np.where(on, ratio, 1.0) * mean)
    return panel_of_people(counts, unit, [14, 18, 22, *[None] * 7], referral=referral)


class TestByHand:
    """Two hospitals, four months: one referred person in month 2, one comparison person, then a death."""

    Y = np.array([[1, 2, 5, 3], [1, 1, 2, 2], [3, 3, 2, 9]])

    def panel(self, death: list[int]) -> Panel:
        return panel_of_people(
            self.Y, np.array([0, 1, 1]), [2, None], referral=np.array([2, -1, -1]), death=np.array(death)
        )

    def found(self, death: list[int]) -> tuple[pg.Grouped, pg.Effects]:
        people = person_months(self.panel(death), OUTCOME, OUTCOME)
        data = pg.grouped(people, np.zeros(4, dtype=bool), "referral", "varying")
        return data, pg.effects(data)

    def test_changes_against_the_others(self) -> None:
        _, found = self.found([-1, -1, -1])
        assert found.t.tolist() == [1, 2, 3]
        # Month 1: 2 - 1 less the others' mean change 0. Month 2: 5 - 2 less 0. Month 3: 3 - 2 less (1 + 6) / 2.
        assert found.att.tolist() == [1.0, 3.0, -2.5]
        assert found.event_time.tolist() == [-1, 0, 1]
        assert found.lost.sum() == 0

    def test_after_a_death_only_the_people_alive_at_both_dates_are_compared(self) -> None:
        _, found = self.found([-1, -1, 2])
        # In month 3 the second comparison person is dead: 3 - 2 less 2 - 1.
        assert found.att.tolist() == [1.0, 3.0, 0.0]
        assert found.others.tolist() == [2, 2, 1]
        assert found.lost.tolist() == [0, 0, 1]

    def test_everybody_seen_is_another_number(self) -> None:
        data, found = self.found([-1, -1, 2])
        # Repeated cross-sections: month 3 has the mean 2 of one person, month 1 the mean 2 of two: 3 - 2 less 0.
        assert pg.all_rows(data, found, pg.mean_over(found, "simple")) == pytest.approx((3.0 + 1.0) / 2)


# The sums of another order: the two ways of working out one effect may differ by rounding alone.
ROUNDING = 1e-10


def as_sites(data: pg.Grouped) -> sg.Staggered:
    """People in the place of sites, a month after a death being a hole."""
    return sg.Staggered(
        np.where(data.seen, data.y, np.nan), data.start, np.arange(data.n_months), np.ones(len(data.y)), base=data.base
    )


def either(base: pg.Base, by: pg.By, deaths: bool) -> pg.Grouped:
    """A panel that the estimator for sites and the one for people can both read."""
    panel = flat_world(0.8, 3)
    if deaths:
        rng = generator(3, "deaths of a flat world")
        dies = pd.array([int(m) if m < 40 else pd.NA for m in rng.integers(5, 120, len(panel.people))], dtype="Int64")  # type: ignore[arg-type]
        panel = replace(panel, people=panel.people.assign(death_t=dies))  # type: ignore[union-attr]
    people = person_months(panel, OUTCOME, OUTCOME)
    return pg.grouped(people, np.zeros(40, dtype=bool), by, base)


@pytest.mark.parametrize("deaths", [False, True], ids=["alive", "deaths"])
@pytest.mark.parametrize(("base", "by"), [("varying", "referral"), ("universal", "launch")])
class TestTheTwoWaysAreOne:
    """Sites and people are worked out apart, the latter sparsely: whatever both can read they read alike."""

    def test_effects_by_cohort_and_period(self, base: pg.Base, by: pg.By, deaths: bool) -> None:
        data = either(base, by, deaths)
        ours, theirs = pg.effects(data), [p for p in sg.pairs(as_sites(data)) if p.base >= 0]
        assert [(p.start, p.t, p.base, p.event_time, p.cohort, p.controls, p.lost) for p in theirs] == list(
            zip(*(c.tolist() for c in (ours.start, ours.t, ours.base, ours.event_time, ours.own, ours.others, ours.lost)), strict=True)
        )  # fmt: skip
        assert ours.att == pytest.approx([p.att for p in theirs], rel=ROUNDING, abs=ROUNDING)
        assert ours.observed == pytest.approx([p.observed for p in theirs], rel=ROUNDING)

    @pytest.mark.parametrize("kind", ["simple", "dynamic", "group", "calendar"])
    def test_means_and_their_influences(self, base: pg.Base, by: pg.By, deaths: bool, kind: sg.Aggregation) -> None:
        data = either(base, by, deaths)
        found, table = pg.effects(data), as_sites(data)
        ours = pg.answers(data, found, [pg.mean_over(found, kind)])[0]
        theirs = sg.aggregate(table, sg.pairs(table), kind)[0]
        assert (ours.att, ours.observed) == pytest.approx((theirs.att, theirs.observed), rel=ROUNDING)
        for name in ("influence", "observed_influence", "log_ratio_influence"):
            mine, others = getattr(ours, name), getattr(theirs, name)
            assert np.abs(mine - others).max() <= ROUNDING * np.linalg.norm(others)

    def test_points_by_time_since_the_start(self, base: pg.Base, by: pg.By, deaths: bool) -> None:
        data = either(base, by, deaths)
        found, table = pg.effects(data), as_sites(data)
        _, parts = sg.aggregate(table, sg.pairs(table), "dynamic")
        ours = pg.answers(data, found, [pg.at_event_time(found, int(p.key)) for p in parts if p.key is not None])
        for mine, other in zip(ours, parts, strict=True):
            assert mine.att == pytest.approx(other.att, rel=ROUNDING, abs=ROUNDING)
            assert np.abs(mine.influence - other.influence).max() <= ROUNDING * max(
                1.0, np.linalg.norm(other.influence)
            )


def test_variance_between_hospitals_by_hand() -> None:
    """tau2 from the comparison hospitals, and both sides' shares times it, as the page says."""
    panel = flat_world(1.0, 5, shock=0.2)
    people = person_months(panel, OUTCOME, OUTCOME)
    data = pg.grouped(people, np.zeros(40, dtype=bool), "launch", "varying")
    found = pg.effects(data)
    answer = pg.answers(data, found, [pg.mean_over(found, "simple")])[0]
    spread = pg.spread(data, answer)
    phi, share = answer.log_ratio_influence, answer.control_share
    d, v = [], []
    for u in range(3, 10):
        mine = phi[data.unit == u]
        d.append(mine.sum() / share[u])
        v.append((mine**2).sum() / share[u] ** 2)
    tau2 = dersimonian_laird(np.array(d), np.array(v))
    assert tau2 > 0
    assert answer.treated_share.sum() == pytest.approx(1.0)
    # Everybody of a hospital on either side: the levels differ by hospitals' shocks and people's own levels alone.
    assert share.sum() == pytest.approx(1.0, abs=0.25)
    expected = (phi**2).sum() + tau2 * ((answer.treated_share**2).sum() + (share**2).sum())
    assert spread.log_error**2 == pytest.approx(expected, rel=EXACT)
    assert spread.df == 6


def test_a_real_assignment_gives_the_estimate_itself_and_sizes_follow_who_is_drawn() -> None:
    panel = flat_world(0.7, 9)
    people = person_months(panel, OUTCOME, OUTCOME)
    data = pg.grouped(people, np.zeros(40, dtype=bool), "launch", "varying")
    found = pg.effects(data)
    for kind in ("simple", "dynamic", "group", "calendar"):
        mean = pg.mean_over(found, kind)  # type: ignore[arg-type]
        drawn, ways = pg.randomised(data, found, mean, 1)
        assert ways.total == 720
        answer = pg.answers(data, found, [mean])[0]
        assert drawn.estimate == pytest.approx(answer.log_ratio, rel=1e-8)
        assert (drawn.fixed + drawn.moved)[ways.real] == pytest.approx(answer.att, rel=1e-8)


class TestRefusals:
    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_a_peak_or_no_dip_test_is_refused_in_words(self, name: str) -> None:
        problems = build_estimator(name, {}).objections(flat_world(1.0, 1), analysis(name))
        assert [p.code for p in problems] == ["E457"]
        assert "referred at a peak" in problems[0].what
        assert "entry_rule" in problems[0].do

    def test_by_launch_nobody_asks_who_was_referred(self) -> None:
        assert not build_estimator("patient_group_time", {"by": "launch"}).objections(flat_world(1.0, 1), analysis())

    def test_no_comparison_hospital_and_too_few_people(self) -> None:
        panel = flat_world(1.0, 1)
        wanted = build_estimator("patient_group_time", {"no_peak": True})
        alone = replace(panel, units=panel.units.assign(start_t=20))
        assert [p.code for p in wanted.objections(alone, analysis())] == ["E436"]
        few = panel.people.assign(referral_t=panel.people["referral_t"].where(panel.people.index < 20))  # type: ignore[union-attr]
        assert [p.code for p in wanted.objections(replace(panel, people=few), analysis())] == ["E458"]

    def test_five_comparison_hospitals_give_no_interval_and_say_why(self) -> None:
        panel = flat_world(1.0, 1)
        units = panel.units.assign(group=["other"] * 8 + [BESIDE] * 2)
        rows = build_estimator("patient_group_time", {"no_peak": True}).fit(
            replace(panel, units=units), analysis(), seed=1
        )
        assert rows[0].status == "no_finite_interval"
        assert "fewer than 6 comparison hospitals" in rows[0].note
        assert math.isnan(rows[0].conf_low)


class TestChosenByRule:
    def chosen(self, panel: Panel) -> tuple[dict[str, Analysis], dict[str, str]]:
        config = RunConfig.model_validate({"config_version": 1, "name": "x", "data": {"admissions": "a.csv"},
                                           "study": {"entry_rule": "2 admissions in 12 months"}})  # fmt: skip
        fit, left = refuse_unfit(panel, choose_analyses(panel, config))
        return {a.name: a for a in fit}, {a.name: why for a, why in left}

    def test_with_a_peak_both_are_left_out_with_the_reason(self) -> None:
        fit, left = self.chosen(patients_mixed())
        assert not set(ESTIMATORS) & set(fit)
        assert all("dip test finds that people were referred at a peak" in left[n] for n in ESTIMATORS)

    def test_without_one_both_are_run(self) -> None:
        panel = flat_world(0.7, 2)
        # A dip ratio needs 24 months of history: the same people with the referrals later.
        later = panel.people.assign(referral_t=panel.people["referral_t"] + 8)  # type: ignore[union-attr]
        units = panel.units.assign(start_t=panel.units["start_t"] + 8)
        fit, _ = self.chosen(replace(panel, people=later, units=units))
        assert set(ESTIMATORS) <= set(fit)
        assert all("no peak before referral" in fit[n].reason for n in ESTIMATORS)

    def test_it_can_be_the_primary_with_the_dip_test_beside_it(self) -> None:
        panel = flat_world(0.7, 2)
        asked = analysis(primary=True, options={"no_peak": True}, checks=("dip",))
        effect = estimate_effect(panel, asked, 1)
        assert effect.headline.primary
        assert effect.checks[0].check == "dip"


@pytest.mark.parametrize(("ratio", "seed"), [(1.0, 11), (0.7, 12), (1.3, 13)])
def test_a_planted_effect_without_a_peak_is_found(ratio: float, seed: int) -> None:
    panel = flat_world(ratio, seed)
    first, difference = build_estimator("patient_group_time", {"no_peak": True}).fit(panel, analysis(), seed=1)
    assert abs(math.log(first.estimate / ratio)) < PLANTED
    assert first.conf_low < ratio < first.conf_high
    assert difference.scale == "rate_difference"
    assert np.sign(difference.estimate) == np.sign(math.log(first.estimate))
    assert "everybody seen at both dates" in first.inference


def test_the_interval_holds_the_truth_with_hospital_shocks() -> None:
    """A fixed sample: 30 panels without an effect and shocks of sd 0.1; at 95 % fewer than 25 would be chance of 1 in 70."""
    held = 0
    for seed in range(30):
        row = build_estimator("patient_group_time", {"no_peak": True}).fit(
            flat_world(1.0, 100 + seed, shock=0.1), analysis(), seed=1
        )[0]
        held += row.conf_low < 1.0 < row.conf_high
    assert held >= 26


def test_on_whom_it_stands_is_said_when_people_die() -> None:
    rows = build_estimator("patient_group_time", {"no_peak": True}).fit(patients_mixed(), analysis(), seed=1)
    assert "alive and seen at both of its dates" in rows[0].inference
    assert "repeated cross-sections" in rows[-1].inference
    assert rows[0].facts["pairs_lost"] > 0
    # With a peak it is badly wrong, which is why the rule never runs it here: the truth is 0.77.
    assert rows[0].conf_high < 0.5


class TestEventStudy:
    def test_points_band_and_drift(self) -> None:
        row = build_estimator("patient_event_study", {"no_peak": True}).fit(
            flat_world(0.6, 4), analysis("patient_event_study"), seed=1
        )[0]
        table = row.tables["event_time"]
        base = table[table["event_time"] == -1].iloc[0]
        assert base["ratio"] == 1.0
        assert math.isnan(base["conf_low"])
        after = table[table["event_time"] >= 0]
        assert after["ratio"].mean() == pytest.approx(0.6, abs=0.1)
        before = table[table["event_time"] < -1]
        assert ((before["conf_low"] < 1) & (before["conf_high"] > 1)).all()
        assert "0 of " in row.note
        assert "the points before the start would show a drift of" in row.note

    def test_a_peak_shows_before_the_start(self) -> None:
        row = build_estimator("patient_event_study", {"no_peak": True}).fit(
            patients_mixed(), analysis("patient_event_study"), seed=1
        )[0]
        assert row.facts["before_outside"] > 10
