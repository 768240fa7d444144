"""Effects by group of people: by hand, at random, where only one group has an effect, refusals, and the count of tests."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from aaot_eval.checks.subgroups import Subgroups
from aaot_eval.estimators._eras import linearised, random_effects
from aaot_eval.estimators._subgroups import holm, split
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.results import Analysis, CheckResult, Panel, generator
from aaot_eval.schema import table_schema
from tests.methods.patients import OUTCOME

ANALYSIS = Analysis("entry_rule", "entry_rule", "entry_rule", OUTCOME)
EXACT = 1e-9
# 40 random divisions at 5 %: more than 6 below 0.05 has a chance of 1 %.
DIVISIONS, MOST_BELOW = 40, 6


@pytest.fixture(scope="module")
def estimate(mixed: Panel):
    return EntryRule(4, 12).fit(mixed, ANALYSIS, seed=1)[0]


def run(panel: Panel, estimate: object) -> CheckResult:
    return Subgroups().run(EntryRule(4, 12), panel, ANALYSIS, estimate, seed=1)  # type: ignore[arg-type]


def flagged(panel: Panel, **columns: np.ndarray) -> Panel:
    return replace(panel, people=panel.people.assign(**columns))


class TestSplit:
    def test_holm_by_hand(self):
        assert holm([0.01, 0.04, 0.03, math.nan]) == pytest.approx([0.03, 0.06, 0.06, math.nan], nan_ok=True)

    def test_everybody_in_one_group_is_the_effect_itself(self, mixed, estimate):
        c = EntryRule(4, 12).comparison(mixed, ANALYSIS)
        everyone = np.ones(len(c.people.unit), dtype=bool)
        found = split(c, "all", ("all", "none"), (everyone, ~everyone))
        assert math.exp(found.levels[0].log_ratio) == pytest.approx(estimate.estimate, rel=EXACT)
        assert found.levels[0].std_error == pytest.approx(random_effects(c).std_error, rel=EXACT)
        assert found.levels[1].refused.startswith("fewer than 30 people or 20 admissions in hospitals with the service")
        assert math.isnan(found.p_value)

    def test_shares_of_hospitals_add_up(self, mixed):
        found = linearised(EntryRule(4, 12).comparison(mixed, ANALYSIS))
        assert found.treated_share.sum() == pytest.approx(1.0, rel=EXACT)
        assert found.control_share.sum() == pytest.approx(1.0, rel=EXACT)

    def test_random_divisions_differ_as_often_as_chance_allows(self, mixed):
        c = EntryRule(4, 12).comparison(mixed, ANALYSIS)
        rng = generator(3, "subgroups", "random")
        p = []
        for _ in range(DIVISIONS):
            one = rng.random(len(c.people.unit)) < 0.5
            p.append(split(c, "coin", ("heads", "tails"), (one, ~one)).p_value)
        assert sum(v < 0.05 for v in p) <= MOST_BELOW
        assert 0.25 < float(np.median(p)) < 0.75


class TestCheck:
    def test_an_effect_in_one_group_only_is_found(self, mixed, estimate):
        rng = generator(4, "subgroups", "one")
        coded = rng.random(len(mixed.people)) < 0.5
        start = mixed.units["start_t"].reindex(mixed.people["unit"]).fillna(999).to_numpy(dtype=float)
        after = np.arange(len(mixed.periods)) >= start[:, None]
        counts = mixed.person_matrix(OUTCOME)
        # Only half of what those with the code would have had after the start stays.
        thinned = np.where(after & coded[:, None], rng.binomial(counts, 0.4), counts)
        panel = replace(mixed, person_cells=mixed.person_cells.assign(**{OUTCOME: thinned.reshape(-1)}))
        # The rule is still about what was counted before: a column of its own.
        panel = replace(panel, person_cells=panel.person_cells.assign(rule=counts.reshape(-1)))
        fit = EntryRule(4, 12, rule_outcome="rule")
        found = Subgroups().run(fit, flagged(panel, smi=coded), ANALYSIS, estimate, seed=1)
        assert found.verdict == "warn"
        assert "the effect is not the same by severe mental illness coded" in found.sentence
        assert found.statistic < 0.8

    def test_table_counts_all_tests(self, mixed, estimate):
        rng = generator(5, "subgroups", "table")
        n = len(mixed.people)
        panel = flagged(
            mixed, smi=rng.random(n) < 0.3, self_harm=rng.random(n) < 0.4, sex=np.where(rng.random(n) < 0.4, "2", "1")
        )
        found = run(panel, estimate)
        table = found.table
        assert set(table.columns) == set(table_schema("release", "subgroups").names)
        tests = table[table["level"].str.startswith("ratio")]
        assert len(tests) == found.facts["tested"] == 3
        assert (tests["p_holm"] >= tests["p_value"]).all()
        assert "once all 3 are counted (Holm)" in found.sentence

    def test_a_small_group_has_no_number_and_says_why(self, mixed, estimate):
        rng = generator(6, "subgroups", "small")
        panel = flagged(mixed, drug_use=rng.random(len(mixed.people)) < 0.01)
        table = run(panel, estimate).table.set_index("level")
        assert math.isnan(table.loc["yes", "estimate"])
        assert "fewer than 30 people or 20 admissions" in table.loc["yes", "note"]
        assert table["people"].isna().loc["yes"]

    def test_nothing_known_of_people(self, mixed, estimate):
        bare = replace(mixed, people=mixed.people.drop(columns=["sex"]))
        assert "no groups of people are known" in run(bare, estimate).sentence

    def test_deprivation_where_the_panel_has_it(self, mixed, estimate):
        fifth = generator(7, "subgroups", "fifth").integers(1, 6, len(mixed.people))
        levels = run(flagged(mixed, deprivation=fifth), estimate).table["level"].tolist()
        assert "ratio, most deprived fifth to other fifths" in levels

    def test_it_is_for_the_entry_rule(self, mixed, estimate):
        found = Subgroups().run(OwnCohorts(4, 12), mixed, ANALYSIS, estimate, seed=1)
        assert found.verdict == "not_evaluable"
