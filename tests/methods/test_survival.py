"""Deaths beside admissions: curves by hand and against statsmodels, the effect with deaths counted in other ways, its page."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from aaot_eval.disclosure import control
from aaot_eval.estimators._cohorts import person_months
from aaot_eval.estimators._survival import FollowedPeople, curve, curve_rows
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.estimators.risk_set import RiskSet
from aaot_eval.report.figures import Context, Drawing, Gap, draw
from aaot_eval.results import Analysis, Panel, generator
from aaot_eval.schema import table_schema
from benchmarks.patient_worlds import ONE, simulate
from tests.methods.patients import OUTCOME, panel_of_people

EXACT = 1e-12
# Linearised against resampled standard errors: 400 draws have a relative error of 3.5 %, three of them.
RESAMPLED = 0.11
ANALYSIS = Analysis("entry_rule", "entry_rule", "entry_rule", OUTCOME)


def everyone(n: int, months: int) -> FollowedPeople:
    return FollowedPeople(np.arange(n), np.zeros(n, dtype=np.int64), np.full(n, months), np.ones(n))


@pytest.fixture(scope="module")
def fitted(mixed: Panel) -> tuple:
    return EntryRule(4, 12).fit(mixed, ANALYSIS, seed=1)


class TestByHand:
    """Four people, three months; one dies in month 0, one in month 1. Admissions 1 in every month alive."""

    @pytest.fixture
    def found(self):
        death = np.array([0, 1, -1, -1])
        counts = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]])
        panel = panel_of_people(counts, np.zeros(4, dtype=int), [None], death=death)
        return curve(person_months(panel, OUTCOME, OUTCOME), everyone(4, 3), 3, 0.95)

    def test_share_dead(self, found):
        assert found.dead == pytest.approx([0, 1 / 4, 1 / 2, 1 / 2], abs=EXACT)

    def test_the_dead_have_no_more_admissions_and_stay_in_the_mean(self, found):
        """10 - 1 admissions of four people: 1 + 3/4 + 2/4."""
        assert found.mean == pytest.approx([0, 1, 1.75, 2.25], abs=EXACT)

    def test_rows_are_read_at_quarters_and_the_end(self):
        """The same four, five times over."""
        death = np.tile([0, 1, -1, -1], 5)
        counts = np.tile([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]], (5, 1))
        panel = panel_of_people(counts, np.zeros(20, dtype=int), [None], death=death)
        found = curve(person_months(panel, OUTCOME, OUTCOME), everyone(20, 3), 3, 0.95)
        rows = curve_rows("a", "treated", "after", found)
        assert [r["months"] for r in rows] == [0, 3]
        assert rows[-1]["deaths"] == pytest.approx(10.0, abs=EXACT)
        assert rows[-1]["admissions"] == pytest.approx(45.0, abs=EXACT)

    def test_of_a_handful_nothing_is_shown_but_the_beginning(self, found):
        assert [r["months"] for r in curve_rows("a", "treated", "after", found)] == [0]

    def test_a_curve_ends_where_too_few_are_followed_and_counts_the_deaths_seen(self):
        """Forty people; all but five are lost after five months, one of whom dies in the eighth: no fifth of all are dead."""
        months = np.where(np.arange(40) < 5, 12, 5)
        death = np.where(np.arange(40) == 0, 8, np.where(np.arange(40) == 39, 1, -1))
        panel = panel_of_people(np.ones((40, 12), dtype=int), np.zeros(40, dtype=int), [None], death=death)
        rows = FollowedPeople(np.arange(40), np.zeros(40, dtype=np.int64), months, np.ones(40))
        found = curve(person_months(panel, OUTCOME, OUTCOME), rows, 12, 0.95)
        assert found.dead[-1] == pytest.approx(1 - 39 / 40 * 4 / 5, abs=EXACT)
        assert found.followed.tolist() == [40, 40, 40, 39, 39, 39, 5, 5, 5, 5, 4, 4, 4]
        shown = curve_rows("a", "treated", "after", found)
        assert [(r["months"], r["died"]) for r in shown] == [(0, 0), (3, 1), (5, 1)]
        assert shown[-1]["dead"] == pytest.approx(1 / 40, abs=EXACT)

    def test_a_share_rests_on_the_deaths_seen_and_is_hidden_with_them(self):
        """Four of 50 died, and 20 would have, had all been followed: the four are not shown as twenty."""
        row = {"analysis": "a", "arm": "treated", "era": "after", "months": 12, "people": 50, "died": 4, "deaths": 20.0, "dead": 0.4,
               "dead_low": 0.1, "dead_high": 0.9, "admissions": 100.0, "mean": 2.0, "mean_low": 1.5, "mean_high": 2.5}  # fmt: skip
        released = control({"survival": pd.DataFrame([row])}, {}, profile="hes").tables["survival"].iloc[0]
        assert "died" not in released
        assert [released[c] for c in ("deaths", "dead", "dead_low", "dead_high")] == ["*"] * 4
        assert released["admissions"] == 100

    def test_follow_up_that_is_cut_is_not_counted_as_free_of_admissions(self):
        counts = np.ones((2, 4), dtype=int)
        panel = panel_of_people(counts, np.zeros(2, dtype=int), [None])
        cut = FollowedPeople(np.arange(2), np.zeros(2, dtype=np.int64), np.array([4, 1]), np.ones(2))
        assert curve(person_months(panel, OUTCOME, OUTCOME), cut, 4, 0.95).mean[-1] == pytest.approx(4.0, abs=EXACT)


@pytest.fixture(scope="module")
def world():
    rng = generator(5, "survival", "test")
    n, months = 400, 12
    death = np.where(rng.random(n) < 0.5, rng.integers(0, 30, n), -1)
    death[death >= months] = -1
    counts = rng.poisson(rng.gamma(1.0, 0.4, (n, 1)), (n, months))
    counts[(death >= 0)[:, None] & (np.arange(months) > death[:, None])] = 0
    end = rng.integers(3, months + 1, n)
    panel = panel_of_people(counts, np.zeros(n, dtype=int), [None], death=death)
    return person_months(panel, OUTCOME, OUTCOME), death, end


class TestAgainstOthers:
    def test_reference_kaplan_meier_of_statsmodels(self, world):
        people, death, end = world
        n = len(end)
        found = curve(people, FollowedPeople(np.arange(n), np.zeros(n, dtype=np.int64), end, np.ones(n)), 12, 0.95)
        dead = (death >= 0) & (death < end)
        # A death in month k falls before somebody whose follow-up ends with month k leaves.
        theirs = SurvfuncRight(np.where(dead, death + 1, end + 0.5), dead.astype(int))
        surv = dict(zip(theirs.surv_times.tolist(), theirs.surv_prob.tolist(), strict=True))
        last = 1.0
        for k in range(1, 13):
            last = surv.get(float(k), last)
            assert 1 - found.dead[k] == pytest.approx(last, abs=1e-9)
        # Greenwood's standard error, from the half width on the log(-log) scale.
        error = dict(zip(theirs.surv_times.tolist(), theirs.surv_prob_se.tolist(), strict=True))
        low, high, alive = found.dead_low[6], found.dead_high[6], 1 - found.dead[6]
        reach = math.log(math.log(1 - high) / math.log(1 - low)) / 2 / 1.959963984540054
        greenwood = error[max(t for t in error if t <= 6)] / (alive * abs(math.log(alive)))
        assert reach == pytest.approx(greenwood, rel=1e-6)

    def test_error_of_the_mean_is_that_of_resampling(self, world):
        people, _, end = world
        n, rng, draws = len(end), generator(6, "survival", "resample"), []
        rows = FollowedPeople(np.arange(n), np.zeros(n, dtype=np.int64), end, np.ones(n))
        found = curve(people, rows, 12, 0.95)
        for _ in range(400):
            weight = rng.multinomial(n, np.full(n, 1 / n)).astype(float)
            drawn = FollowedPeople(rows.person, rows.index, rows.end, weight)
            draws.append(math.log(curve(people, drawn, 12, 0.95).mean[-1]))
        assert math.sqrt((found.influence**2).sum()) == pytest.approx(float(np.std(draws)), rel=RESAMPLED)


class TestEffectWithDeaths:
    def test_four_rows_beside_the_effect(self, fitted):
        rows = [e for e in fitted if e.facts["role"] == "deaths_beside"]
        said = " ".join(e.estimand for e in rows)
        assert len(rows) == 4
        for words in (
            "only people alive at the end",
            "lived on at their own rate",
            "lived on without admissions",
            "death ending them",
        ):
            assert words in said
        assert all(e.finite and e.conf_low < fitted[0].estimate < e.conf_high for e in rows)

    def test_bounds_are_those_of_the_check(self, mixed, fitted):
        rows = [e for e in fitted if e.facts["role"] == "deaths_beside"]
        assert tuple(e.estimate for e in rows[1:3]) == pytest.approx(
            EntryRule(4, 12).death_bounds(mixed, ANALYSIS), rel=EXACT
        )

    def test_no_rows_and_flat_curves_without_deaths(self, mixed):
        people = mixed.people.assign(death_t=pd.array([pd.NA] * len(mixed.people), dtype="Int64"))
        immortal = Panel(
            mixed.frequency, 12, mixed.periods, mixed.units, mixed.cells, mixed.outcomes, people, mixed.person_cells
        )
        found = EntryRule(4, 12).fit(immortal, ANALYSIS, seed=1)
        assert not [e for e in found if e.facts["role"] == "deaths_beside"]
        assert (found[0].tables["survival"]["dead"] == 0).all()

    def test_means_over_months_alive_is_the_rate_of_the_table(self, fitted):
        """With whole follow-up and no deaths a mean is a rate times the months; here both are near."""
        survival = fitted[0].tables["survival"].set_index(["arm", "era", "months"])
        rates = fitted[0].tables["rates"].set_index(["arm", "era"])
        for arm in ("treated", "comparison"):
            mean, rate = survival.loc[(arm, "after", 12), "mean"], rates.loc[(arm, "after"), "rate"]
            assert 0.9 < mean / rate <= 1.05

    def test_own_cohorts_have_them_too(self):
        panel = simulate(ONE, 4)
        found = OwnCohorts(4, 12).fit(panel, Analysis("own_cohorts", "own_cohorts", "own_cohorts", OUTCOME), seed=1)
        rows = [e for e in found if e.facts["role"] == "deaths_beside"]
        assert set(found[0].tables["survival"]["era"]) == {"before", "after"}
        bounds = OwnCohorts(4, 12).death_bounds(panel, Analysis("own_cohorts", "own_cohorts", "own_cohorts", OUTCOME))
        alive, own, zero, mean = rows
        assert (own.estimate, zero.estimate) == pytest.approx(bounds, rel=1e-9)
        assert "alive" in alive.estimand
        assert "mean" in mean.estimand

    def test_the_risk_set_shows_the_referred_and_the_weighted(self, mixed):
        first = RiskSet(4, 12).fit(mixed, Analysis("risk_set", "risk_set", "risk_set", OUTCOME), seed=1)[0]
        table = first.tables["survival"]
        assert list(table["arm"].unique()) == ["treated", "comparison"]
        assert table[table["arm"] == "treated"]["people"].iloc[0] == first.facts["referrals_compared"]
        balance = first.tables["balance"]
        assert balance["difference_after"].abs().max() < 1e-4
        assert balance["difference_before"].abs().max() > 0.2
        assert balance["mean_weighted"].to_numpy() == pytest.approx(balance["mean_referred"].to_numpy(), rel=1e-4)


class TestPage:
    def test_tables_have_the_columns_of_their_schema(self, mixed, fitted):
        assert list(fitted[0].tables["survival"].columns) == list(table_schema("release", "survival").names)
        first = RiskSet(4, 12).fit(mixed, Analysis("risk_set", "risk_set", "risk_set", OUTCOME), seed=1)[0]
        assert list(first.tables["balance"].columns) == list(table_schema("release", "balance").names)

    def test_the_chart_says_the_last_month(self, fitted):
        drawn = draw("survival", fitted[0].tables["survival"], Context())
        assert isinstance(drawn, Drawing)
        assert "with the service, after launch 6 % dead, 2.71 admissions" in drawn.title

    def test_arms_that_end_at_different_months_are_set_side_by_side_where_both_are_followed(self, fitted):
        table = fitted[0].tables["survival"]
        cut = table[(table["arm"] != "treated") | (table["months"] <= 6)]
        drawn = draw("survival", cut, Context())
        assert drawn.title.startswith("By month 6: ")
        begun = table[(table["arm"] != "treated") | (table["months"] == 0)]
        assert "with the service, after launch too few people to show" in draw("survival", begun, Context()).title

    def test_hidden_counts_make_no_chart(self, fitted):
        hidden = fitted[0].tables["survival"].assign(mean="[c]", dead="[c]")
        assert isinstance(draw("survival", hidden, Context()), Gap)
