"""Checks of comparisons of people: an earlier period, another outcome, care that moved, and the clock of the first contact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aaot_eval.checks import CHECKS
from aaot_eval.checks.placebo_period import moved_back
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.estimators.risk_set import RiskSet
from aaot_eval.results import Analysis, CheckResult, Estimate, OutcomeSpec, Panel, generator
from benchmarks.patient_worlds import MANY, ONE, simulate
from tests.methods.patients import OUTCOME

VISITS = "ed_attendances"
CONTROL = "non_alcohol_emergency"


def analysis_of(kind: str) -> Analysis:
    return Analysis(kind, kind, kind, OUTCOME)  # type: ignore[arg-type]


def run(check: str, panel: Panel, estimator: object, kind: str, estimate: Estimate | None = None) -> CheckResult:
    analysis = analysis_of(kind)
    first = estimate or estimator.fit(panel, analysis, seed=1)[0]  # type: ignore[attr-defined]
    return CHECKS[check]().run(estimator, panel, analysis, first, seed=1)  # type: ignore[arg-type]


def with_counts(panel: Panel, name: str, counts: np.ndarray) -> Panel:
    """The panel with another outcome person by person, and its sums by site."""
    position = panel.units.index.get_indexer(panel.people["unit"])
    sums = np.zeros((len(panel.units), len(panel.periods)))
    np.add.at(sums, position, counts)
    cells = panel.cells.assign(**{name: sums.reshape(-1)})
    others = tuple(o for o in panel.outcomes if o.name != name)
    return replace(
        panel, cells=cells, outcomes=(*others, OutcomeSpec(name, name.replace("_", " ").capitalize())),
        person_cells=panel.person_cells.assign(**{name: counts.reshape(-1)}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def world() -> Panel:
    """Two of twelve hospitals start in month 44, so that a year earlier has history enough."""
    return simulate(replace(MANY, launches=(44, 44), months=72), 3)


class TestPlaceboPeriod:
    def test_nothing_is_found_before_anything_began(self, world):
        found = run("placebo_period", world, EntryRule(4, 12), "entry_rule")
        assert found.verdict == "pass"
        assert "moved back by 12 months" in found.sentence
        assert "as it should" in found.sentence

    def test_nothing_after_the_real_start_is_looked_at(self, world):
        start = world.units["start_t"].min()
        wild = world.person_cells.copy()
        treated = world.people.index[world.people["unit"].isin(world.treated_units)]
        late = wild["person"].isin(treated) & (wild["t"] >= start)
        wild.loc[late, OUTCOME] += 5
        changed = replace(world, person_cells=wild)
        first, second = (run("placebo_period", p, EntryRule(4, 12), "entry_rule") for p in (world, changed))
        assert first.statistic == pytest.approx(second.statistic, rel=1e-12)

    def test_a_drift_before_the_start_is_found(self, world):
        rng = generator(7, "drift")
        wild = world.person_cells.copy()
        treated = world.people.index[world.people["unit"].isin(world.treated_units)]
        rows = wild["person"].isin(treated).to_numpy() & (wild["t"] >= 32).to_numpy()
        wild.loc[rows, OUTCOME] = wild.loc[rows, OUTCOME] + rng.poisson(0.35, int(rows.sum()))
        found = run("placebo_period", replace(world, person_cells=wild), EntryRule(4, 12), "entry_rule")
        assert found.verdict in ("warn", "fail")
        assert "drifting apart" in found.sentence

    def test_too_short_a_history_says_so(self):
        panel = simulate(replace(MANY, launches=(26, 26)), 3)
        found = run("placebo_period", panel, EntryRule(4, 12), "entry_rule")
        assert found.verdict == "not_evaluable"
        assert "with the start moved back" in found.sentence

    def test_own_cohorts(self):
        panel = simulate(replace(ONE, launches=(52,), months=80), 4)
        found = run("placebo_period", panel, OwnCohorts(4, 12), "own_cohorts")
        assert found.verdict in ("pass", "warn")
        assert 0.5 < found.statistic < 2

    def test_the_panel_moved_back(self, world):
        back = moved_back(world, 12)
        one = world.treated_units[0]
        assert back.units.loc[one, "start_t"] == world.units.loc[one, "start_t"] - 12
        assert back.units.loc[one, "stop_t"] == world.units.loc[one, "start_t"] - 1
        assert back.units.loc[world.comparison_units, "start_t"].isna().all()
        gone = back.cells[back.cells["missing"]]
        assert set(gone["unit"]) == set(world.treated_units)
        assert gone["t"].min() == world.units.loc[one, "start_t"]


class TestNegativeControlOutcome:
    @pytest.mark.parametrize(("kind", "estimator"), [("entry_rule", EntryRule(4, 12)), ("risk_set", RiskSet(4, 12))])
    def test_an_outcome_without_a_change_passes(self, world, kind, estimator):
        rng = generator(8, "control")
        panel = with_counts(world, CONTROL, rng.poisson(0.15, (len(world.people), len(world.periods))))
        found = run("placebo_outcome", panel, estimator, kind)
        assert found.verdict == "pass"
        assert "no sign of another change for people with the service" in found.sentence

    def test_a_change_that_is_not_of_the_service_is_found(self, world):
        rng = generator(9, "control")
        since = world.units["start_t"].reindex(world.people["unit"]).fillna(999).to_numpy(dtype=float)
        after = np.arange(len(world.periods)) >= since[:, None]
        panel = with_counts(world, CONTROL, rng.poisson(np.where(after, 0.06, 0.15)))
        found = run("placebo_outcome", panel, EntryRule(4, 12), "entry_rule")
        assert found.verdict in ("warn", "fail")
        assert "something else than the service" in found.sentence


class TestDisplacement:
    def visits(self, world: Panel, moved: bool) -> Panel:
        rng = generator(10, "visits")
        since = world.people["referral_t"].fillna(999).to_numpy(dtype=float)
        after = np.arange(len(world.periods)) >= since[:, None]
        return with_counts(world, VISITS, rng.poisson(np.where(after & moved, 0.9, 0.3)))

    def test_attendances_in_the_place_of_admissions(self, world):
        found = run("displacement", self.visits(world, True), EntryRule(4, 12), "entry_rule", lower())
        assert found.verdict in ("warn", "fail")
        assert "may have moved there" in found.sentence
        assert found.table["what"].tolist() == ["emergency department attendances"]

    def test_an_admission_that_becomes_an_attendance_shows_only_among_those_without_admission(self, world):
        """Half of the admissions of the referred are turned away at the door; every admission had its attendance before."""
        counts = world.person_matrix(OUTCOME).astype(int)
        since = world.people["referral_t"].fillna(999).to_numpy(dtype=float)
        after = np.arange(len(world.periods)) >= since[:, None]
        rng = generator(11, "visits")
        turned = rng.binomial(counts, np.where(after, 0.5, 0.0))
        seen = counts + rng.poisson(0.1, counts.shape)
        panel = with_counts(with_counts(world, VISITS, seen), "emergency", counts - turned)
        found = run("displacement", panel, EntryRule(4, 12), "entry_rule", lower())
        ratios = found.table.set_index("what")["estimate"]
        assert found.verdict in ("warn", "fail")
        assert ratios["emergency department attendances"] == pytest.approx(1.0, abs=0.25)
        assert ratios["attendances that did not end in an emergency admission"] > 1.5
        assert found.value_name.endswith("did not end in an emergency admission")

    def test_attendances_as_before(self, world):
        found = run("displacement", self.visits(world, False), EntryRule(4, 12), "entry_rule", lower())
        assert found.verdict == "pass"
        assert "no sign that care moved" in found.sentence

    def test_a_rise_of_both_is_harm_and_no_displacement(self, world):
        higher = replace(lower(), estimate=1.3, conf_low=1.1, conf_high=1.5)
        assert run("displacement", self.visits(world, True), EntryRule(4, 12), "entry_rule", higher).verdict == "pass"

    def test_without_either_it_cannot_be_judged(self, world):
        found = run("displacement", world, EntryRule(4, 12), "entry_rule", lower())
        assert found.verdict == "not_evaluable"
        assert "neither attendances nor admissions elsewhere" in found.sentence


def lower() -> Estimate:
    return Estimate("a", "entry_rule", "entry_rule", OUTCOME, "any", "rate_ratio", 0.7, conf_low=0.6, conf_high=0.8)


class TestFirstContact:
    def reached(self, world: Panel, wait: int) -> Panel:
        people = world.people
        met = people["referral_t"] + wait
        alive = met <= people["death_t"].fillna(10_000)
        return replace(world, people=people.assign(contact_t=met.where(alive & (met < len(world.periods)))))

    def test_contact_in_the_month_of_referral_says_the_same(self, world):
        found = run("first_contact", self.reached(world, 0), RiskSet(4, 12), "risk_set")
        assert found.verdict == "pass"
        assert found.statistic == pytest.approx(1.0, rel=1e-9)
        assert found.table["clock"].tolist() == ["referral", "first contact"]

    def test_waiting_changes_who_is_followed(self, world):
        panel = self.reached(world, 4)
        found = run("first_contact", panel, RiskSet(4, 12), "risk_set")
        assert found.facts["wait"] == 4.0
        assert found.facts["never_reached"] > 0
        assert found.facts["died_unreached"] > 0
        assert "were never reached inside the data" in found.sentence
        assert found.table["people"].iloc[1] < found.table["people"].iloc[0]

    def test_the_clock_matters_is_a_warning(self, world):
        panel = self.reached(world, 0)
        first = RiskSet(4, 12).fit(panel, analysis_of("risk_set"), seed=1)[0]
        other = replace(
            first, estimate=first.estimate * 1.5, conf_low=first.conf_low * 1.5, conf_high=first.conf_high * 1.5
        )
        found = run("first_contact", panel, RiskSet(4, 12), "risk_set", other)
        assert found.verdict == "warn"
        assert "the clock matters" in found.sentence

    def test_without_contacts_it_says_what_to_give(self, world):
        found = run("first_contact", world, RiskSet(4, 12), "risk_set")
        assert found.verdict == "not_evaluable"
        assert "give data.contacts, or `started` in the caseload" in found.sentence

    def test_few_reached(self, world):
        people = world.people.assign(contact_t=pd.array([pd.NA] * len(world.people), dtype="Int64"))
        people.iloc[0, people.columns.get_loc("contact_t")] = 50
        found = run("first_contact", replace(world, people=people), RiskSet(4, 12), "risk_set")
        assert found.verdict == "not_evaluable"
        assert "fewer than 30" in found.sentence
