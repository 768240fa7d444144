"""The checks that the worlds asked for: each finds its world, names it, and keeps quiet in a kind one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from aaot_eval.checks.moved_care import LEAST_SHARE, MovedCare
from aaot_eval.checks.site_deaths import SiteDeaths
from aaot_eval.checks.volume import Volume, changes
from aaot_eval.estimators.site_did import SiteDid
from aaot_eval.results import Analysis, CheckResult, Estimate, Panel
from aaot_eval.synthetic import draw_study
from aaot_eval.synthetic.panel import panel_of
from tests.builders import site_panel

ALC = "alcohol_specific_emergency"
ANALYSIS = Analysis("site_did", "sites", "site_did", ALC, primary=True)
SIZE = {"sites": 14, "treated": 3, "months": 60, "seed": 21, "size": 0.6}


@cache
def study(scenario: str, *worlds: str) -> tuple[Panel, Estimate]:
    panel = panel_of(draw_study(scenario=scenario, worlds=worlds, **SIZE))
    return panel, SiteDid(beside=False).fit(panel, ANALYSIS, seed=1)[0]


def judged(check: MovedCare | SiteDeaths | Volume, scenario: str, *worlds: str) -> CheckResult:
    panel, estimate = study(scenario, *worlds)
    return check.run(SiteDid(beside=False), panel, ANALYSIS, estimate, seed=1)


class TestMovedCare:
    def test_a_true_effect_is_found_in_both_wider_counts(self) -> None:
        found = judged(MovedCare(), "effect")
        assert found.verdict == "pass"
        assert found.facts["share_home"] == pytest.approx(1.0, abs=0.3)
        assert found.facts["share_attendances"] > LEAST_SHARE

    @pytest.mark.parametrize(
        ("world", "share", "where"),
        [
            ("displaced_to_ed", "share_attendances", "emergency department without admission"),
            ("displaced_elsewhere", "share_home", "another hospital"),
        ],
    )
    def test_a_change_of_place_is_named(self, world: str, share: str, where: str) -> None:
        found = judged(MovedCare(), "null", world)
        assert study("null", world)[1].direction == "lower"
        assert found.verdict == "fail"
        assert found.facts[share] < LEAST_SHARE
        assert where in found.sentence

    def test_an_unclear_result_is_doubted_when_the_wider_count_changed(self) -> None:
        panel, estimate = study("null", "displaced_elsewhere")
        unclear = replace(estimate, estimate=1.0, conf_low=0.9, conf_high=1.1)
        quiet = MovedCare().run(SiteDid(beside=False), panel, ANALYSIS, unclear, seed=1)
        assert quiet.verdict == "pass"
        panel, estimate = study("effect")
        unclear = replace(estimate, estimate=1.0, conf_low=0.9, conf_high=1.1)
        hidden = MovedCare().run(SiteDid(beside=False), panel, ANALYSIS, unclear, seed=1)
        assert hidden.verdict == "fail"
        assert "does not show" in hidden.sentence

    def test_a_small_share_by_chance_only_warns(self) -> None:
        """Attendances of the treated sites that come and go by chance make the share small, and are no move of care."""
        panel, estimate = study("effect")
        weak = replace(estimate, estimate=0.93, conf_low=0.88, conf_high=0.98)
        cells, drawn = panel.person_cells.copy(), np.random.default_rng(5)
        cells["ed_attendances"] = drawn.poisson(cells["ed_attendances"].mean(), len(cells))
        found = MovedCare().run(SiteDid(beside=False), replace(panel, person_cells=cells), ANALYSIS, weak, seed=1)
        assert found.facts["share_attendances"] < LEAST_SHARE
        assert found.verdict in ("warn", "fail")
        assert (found.verdict == "warn") == (found.p_value >= 0.01)

    def test_an_aggregated_panel_cannot_be_judged(self) -> None:
        panel = site_panel({ALC: np.full((6, 48), 80.0)}, [24, *[None] * 5])
        found = MovedCare().run(SiteDid(), panel, ANALYSIS, study("effect")[1], seed=1)
        assert found.verdict == "not_evaluable"
        assert "no people" in found.sentence


class TestSiteDeaths:
    def test_quiet_without_and_named_with_further_deaths(self) -> None:
        assert judged(SiteDeaths(), "effect").verdict in ("pass", "warn")
        found = judged(SiteDeaths(), "null", "unequal_deaths")
        assert found.verdict == "fail"
        assert found.statistic > 1.3
        assert "the dead are not admitted" in found.sentence

    def test_deaths_that_work_against_the_estimate_only_warn(self) -> None:
        panel, estimate = study("null", "unequal_deaths")
        higher = replace(estimate, estimate=1.2, conf_low=1.1, conf_high=1.3)
        assert SiteDeaths().run(SiteDid(beside=False), panel, ANALYSIS, higher, seed=1).verdict == "warn"
        unclear = replace(estimate, estimate=1.0, conf_low=0.9, conf_high=1.1)
        assert SiteDeaths().run(SiteDid(beside=False), panel, ANALYSIS, unclear, seed=1).verdict == "fail"

    def test_too_few_deaths_cannot_be_judged(self) -> None:
        panel, estimate = study("effect")
        people = panel.people.copy()
        people["death_t"] = people["death_t"].where(np.arange(len(people)) < 50)
        found = SiteDeaths().run(SiteDid(), replace(panel, people=people), ANALYSIS, estimate, seed=1)
        assert found.verdict == "not_evaluable"
        assert "too few deaths" in found.sentence


class TestVolume:
    def test_quiet_in_kind_worlds_and_through_a_pandemic(self) -> None:
        assert judged(Volume(), "effect").verdict == "pass"
        assert judged(Volume(), "null", "pandemic").verdict == "pass"

    def test_a_merger_names_the_site_that_ends_and_its_month(self) -> None:
        found = judged(Volume(), "null", "merger")
        panel = study("null", "merger")[0]
        gone = panel.cells.groupby("unit")["missing"].any()
        assert found.verdict == "fail"
        holes = found.table[found.table["kind"] == "hole"]
        assert list(holes["unit"]) == list(gone.index[gone])
        assert holes["period"].tolist() == [panel.periods["label"][42]]

    def test_late_data_name_the_treated_sites(self) -> None:
        found = judged(Volume(), "null", "late_data")
        panel = study("null", "late_data")[0]
        assert found.verdict == "fail"
        assert set(found.table["unit"]) == set(panel.treated_units)
        assert set(found.table["kind"]) == {"end"}
        assert "fewer emergencies" in found.sentence

    def test_newest_months_known_to_be_sent_in_part_are_no_break(self) -> None:
        panel, estimate = study("effect")
        cells = panel.cells.copy()
        late = (cells["unit"] == cells["unit"].iloc[0]) & (cells["t"] >= len(panel.periods) - 2)
        cells.loc[late, ["missing"]] = True
        cells.loc[late, [o.name for o in panel.outcomes]] = np.nan
        unsaid = Volume().run(SiteDid(), replace(panel, cells=cells), ANALYSIS, estimate, seed=1)
        said = Volume().run(SiteDid(), replace(panel, cells=cells.assign(in_part=late)), ANALYSIS, estimate, seed=1)
        assert (unsaid.verdict, said.verdict) == ("fail", "pass")

    def test_a_jump_and_noise_by_hand(self) -> None:
        rng = np.random.default_rng(5)
        values = rng.poisson(np.full((8, 48), 200.0)).astype(float)
        units, labels = [f"S{i}" for i in range(8)], np.array([f"m{t:02d}" for t in range(48)])
        assert changes(values, np.ones((8, 48)), units, labels) == []
        values[2, 24:] *= 1.6
        found = changes(values, np.ones((8, 48)), units, labels)
        assert [(c.unit, c.kind, c.period) for c in found] == [("S2", "jump", "m24")]
        assert found[0].factor == pytest.approx(1.6, rel=0.06)

    def test_a_quiet_small_site_has_no_hole(self) -> None:
        values = np.full((8, 48), 200.0)
        values[0] = 2.0
        values[0, -2:] = 0.0
        units, labels = [f"S{i}" for i in range(8)], np.array([f"m{t:02d}" for t in range(48)])
        assert changes(values, np.ones((8, 48)), units, labels) == []
        values[0, -6:] = 0.0
        assert [(c.unit, c.kind, c.period) for c in changes(values, np.ones((8, 48)), units, labels)] == [
            ("S0", "hole", "m42")
        ]

    def test_the_sentence_names_few_sites_and_counts_the_others(self) -> None:
        counts = np.full((8, 48), 200.0)
        counts[:6, -6:] = 0.0
        panel = site_panel({ALC: np.full((8, 48), 80.0), "emergency": counts}, [24, *[None] * 7])
        said = Volume().run(SiteDid(), panel, ANALYSIS, study("effect")[1], seed=1).sentence
        assert said.startswith("6 sites (S01, S02, S03 and 3 more) have no emergency at all in months from ")
        assert said.count("no emergency at all") == 1

    def test_few_sites_cannot_be_judged(self) -> None:
        panel = site_panel({ALC: np.full((3, 48), 80.0), "emergency": np.full((3, 48), 200.0)}, [24, None, None])
        assert Volume().run(SiteDid(), panel, ANALYSIS, study("effect")[1], seed=1).verdict == "not_evaluable"
