"""The control chart: by hand, against NHSRplotthedots, false alarms and detection, and its refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from aaot_eval.config import RebaseConfig
from aaot_eval.disclosure import Rules, control
from aaot_eval.monitoring import BASELINE, RUN, Limits, Rule, judge, monitor, xmr_limits
from aaot_eval.report.sections.monthly import limits_words
from aaot_eval.results import OutcomeSpec, Panel
from aaot_eval.wording import SIGNAL_RULES
from benchmarks.control_chart import cell
from tests.builders import site_panel

#: `rnorm(20)` of R after `set.seed(123)`: the data of NHSRplotthedots' own tests.
NORMAL = np.array(
    [-0.56047565, -0.23017749, 1.55870831, 0.07050839, 0.12928774, 1.71506499, 0.46091621, -1.26506123, -0.68685285, -0.44566197,
     1.22408180, 0.35981383, 0.40077145, 0.11068272, -0.55584113, 1.78691314, 0.49785048, -1.96661716, 0.70135590, -0.47279141]
)  # fmt: skip
#: The data above have eight decimals and the package prints seven figures.
PRINTED = 5e-7
LIMITS = Limits(10.0, 4.0, 16.0, 24)


def rules(values: Sequence[float], limits: Limits = LIMITS) -> list[str]:
    return [", ".join(s.rules) if s else "" for s in judge(np.array(values, dtype=float), limits)]


def chart(counts: Sequence[float], start: int, **more: object) -> Panel:
    return replace(site_panel({"stays": np.array([counts])}, [start]), **more)


class TestLimits:
    def test_by_hand(self) -> None:
        found = xmr_limits(np.array([20.0, 24, 22, 26]))  # mean 23; ranges 4, 2, 4: mean 10/3
        assert found.centre == 23
        assert found.upper == pytest.approx(23 + 2.66 * 10 / 3)
        assert found.lower == pytest.approx(23 - 2.66 * 10 / 3)
        assert found.points == 4

    def test_a_month_without_a_count_makes_no_range(self) -> None:
        found = xmr_limits(np.array([20.0, 24, np.nan, 26, 22]))  # ranges 4 and 4
        assert (found.centre, found.points) == (23, 4)
        assert found.upper == pytest.approx(23 + 2.66 * 4)

    def test_as_nhsrplotthedots(self) -> None:
        """Limits as printed in its stored results of `ptd_spc_standard`, at ea2177d."""
        found = xmr_limits(NORMAL)
        assert (found.centre, found.lower, found.upper) == pytest.approx(
            (0.1416238, -3.01138, 3.294627), rel=PRINTED, abs=PRINTED
        )

    def test_a_range_far_beyond_the_others_is_left_out_as_there(self) -> None:
        values = NORMAL.copy()
        values[14] = 10
        found = xmr_limits(values)
        assert (found.centre, found.lower, found.upper) == pytest.approx(
            (0.6694159, -2.383666, 3.722497), rel=PRINTED, abs=PRINTED
        )

    def test_two_neighbours_are_needed(self) -> None:
        with pytest.raises(ValueError, match="two months"):
            xmr_limits(np.array([3.0, np.nan, 5.0]))


class TestRules:
    def test_each_has_its_words(self) -> None:
        assert set(SIGNAL_RULES) == set(get_args(Rule))
        assert RUN == 7, "the words of shift and trend say seven"

    def test_outside(self) -> None:
        assert rules([10, 16, 16.1, 4, 3.9]) == ["", "", "outside", "", "outside"]

    def test_seven_on_one_side(self) -> None:
        # The cases of NHSRplotthedots' tests of seven points on one side: flagged from the seventh on.
        assert rules([11, 12, 11, 12, 11, 12]) == [""] * 6
        assert rules([11, 12, 11, 12, 11, 12, 11, 12, 9]) == [""] * 6 + ["shift", "shift", ""]
        assert rules([9, 8, 9, 8, 9, 8, 9, 8, 11]) == [""] * 6 + ["shift", "shift", ""]

    def test_the_centre_line_is_on_neither_side(self) -> None:
        assert rules([11, 12, 11, 10, 11, 12, 11, 12]) == [""] * 8

    def test_seven_rising_or_falling(self) -> None:
        # Its cases of a trend: 1 to 7, 2 1 to 7 3, and no trend where two are equal.
        assert rules([7, 8, 9, 10, 11, 12, 13]) == [""] * 6 + ["trend"]
        assert rules([8, 7, 8, 9, 10, 11, 12, 13, 9]) == [""] * 7 + ["trend", ""]
        assert rules([13, 12, 11, 10, 9, 8, 7]) == [""] * 6 + ["trend"]
        assert rules([7, 8, 9, 9, 10, 11, 12]) == [""] * 7

    def test_two_of_three_near_a_limit(self) -> None:
        # Near is more than 4 from the centre here.
        assert rules([14.5, 11, 14.5]) == ["", "", "two_of_three"]
        assert rules([11, 14.5, 14.5]) == ["", "", "two_of_three"]
        assert rules([14.5, 9, 14.5]) == ["", "", ""]  # not all on one side
        assert rules([11, 14.5, 5.5]) == ["", "", ""]
        assert rules([14, 14, 14]) == ["", "", ""]

    def test_a_missing_month_ends_a_run(self) -> None:
        assert rules([11, 12, 11, np.nan, 11, 12, 11, 12, 11, 12, 11]) == [""] * 10 + ["shift"]

    def test_new_is_said_once_and_of_every_month_outside(self) -> None:
        found = judge(np.array([11.0] * 9 + [17, 18]), LIMITS)
        assert [s.new if s else None for s in found] == [None] * 6 + [True, False, False, True, True]

    def test_a_later_month_never_changes_an_earlier_judgement(self) -> None:
        values = np.random.default_rng(1).poisson(10, 60).astype(float)
        whole = judge(values, LIMITS)
        for t in range(1, len(values)):
            assert judge(values[:t], LIMITS) == whole[:t]

    def test_directions(self) -> None:
        falling = judge(np.array([15.9, 15, 14, 13, 12, 11.5, 11]), LIMITS)[-1]
        assert falling is not None
        assert (falling.rules[0], falling.direction) == ("shift", "higher")
        only = judge(np.array([13.0, 12, 11, 9.5, 9, 8, 7]), LIMITS)[-1]
        assert only is not None
        assert (only.rules, only.direction) == (("trend",), "lower")


class TestMonitor:
    COUNTS = (20, 24, 22, 26) * 6

    def test_limits_are_of_the_months_before_the_start(self) -> None:
        found = monitor(chart([*self.COUNTS, 5, 60], 24), "stays")
        table = found.table
        assert found.facts["made"] is True
        assert set(table["centre"]) == {23.0}
        assert list(table["rules"][-2:]) == ["outside", "outside"]
        assert list(table["direction"][-2:]) == ["lower", "higher"]
        assert found.facts["newest"] == {
            "period": table["period"].iloc[-1],
            "rules": ["outside"],
            "direction": "higher",
            "new": True,
            "not_judged": [],
        }
        assert (table["rules"][:24] == "").all()

    def test_no_more_than_24_months_make_them(self) -> None:
        found = monitor(chart([100] * 12 + [*self.COUNTS, 23], 36), "stays")
        assert found.table["centre"].isna().sum() == 12
        assert found.facts["limits"][0]["from"] == found.table["period"].iloc[12]

    def test_several_sites_are_added_up_and_a_missing_cell_is_a_missing_month(self) -> None:
        counts = np.array([(*self.COUNTS, 5, 6), (*self.COUNTS, 7, 8), (90,) * 26], dtype=float)
        panel = site_panel({"stays": counts}, [24, 25, None])
        cells = panel.cells.copy()
        cells.loc[25, ["missing", "stays"]] = True, np.nan
        found = monitor(replace(panel, cells=cells), "stays").table
        assert list(found["observed"][:2]) == [40, 48]
        assert found["observed"].iloc[24] == 12
        assert found["phase"].iloc[25] == "missing"
        assert np.isnan(found["observed"].iloc[25])

    def test_months_after_the_newest_that_is_judged_are_named(self) -> None:
        panel = chart([*self.COUNTS, 5, 6, 7], 24)
        cells = panel.cells.copy()
        cells.loc[[25, 26], "missing"] = True
        newest = monitor(replace(panel, cells=cells), "stays").facts["newest"]
        labels = list(panel.periods["label"])
        assert (newest["period"], newest["new"], newest["not_judged"]) == (labels[24], True, labels[25:])

    def test_a_rebase_has_limits_of_its_own_and_says_who_and_why(self) -> None:
        after = (10, 12, 11, 13) * 4
        panel = chart([*self.COUNTS, *after], 24)
        month = str(panel.periods["label"].iloc[24])
        found = monitor(
            panel, "stays", [RebaseConfig(period=month, by="A. Person", why="the service reached its size")]
        )
        assert list(found.table["centre"][23:25]) == [23.0, 11.5]
        assert found.facts["limits"][1] == {
            "applies_from": month, "from": month, "to": str(panel.periods["label"].iloc[35]), "kind": "frozen",
            "months": 12, "met_a_rule": 0, "by": "A. Person", "why": "the service reached its size",
        }  # fmt: skip
        assert (found.table["rules"] == "").all()
        assert "outside" in set(monitor(panel, "stays").table["rules"])

    def test_months_that_met_a_rule_while_they_made_the_limits_are_counted(self) -> None:
        found = monitor(chart([*self.COUNTS[:23], 60, 23], 24), "stays")
        assert found.table["rules"].iloc[23] == "outside"
        assert found.facts["limits"][0]["met_a_rule"] == 1

    def test_trial_limits_and_a_rebase_that_waits(self) -> None:
        panel = chart([*self.COUNTS[:8], *self.COUNTS[:9]], 8)
        labels = list(panel.periods["label"])
        asked = [RebaseConfig(period=str(labels[k]), by="A. Person", why="new ward") for k in (9, 14)]
        asked.append(RebaseConfig(period="2150-01", by="A. Person", why="new ward"))
        found = monitor(panel, "stays", asked)
        assert [limits["kind"] for limits in found.facts["limits"]] == ["trial", "trial"]
        assert [w["period"] for w in found.facts["waiting"]] == [labels[14], "2150-01"]
        assert "only 3 usable months" in found.facts["waiting"][0]["why"]
        assert f"from {labels[10]} to {labels[-1]}" in found.facts["waiting"][1]["why"]

    def test_only_limits_behind_a_rebase_are_said_to_move(self) -> None:
        """No month is ever added before the start, so what eight of them made stays so."""
        panel = chart([*self.COUNTS[:8], *self.COUNTS[:9]], 8)
        labels = list(panel.periods["label"])
        found = monitor(panel, "stays", [RebaseConfig(period=str(labels[9]), by="A. Person", why="A new ward.")])
        baseline, rebased = (limits_words(limits) for limits in found.facts["limits"])
        assert "no more come before the start" in baseline
        assert "they move until 12 have" in rebased
        assert rebased.endswith("by A. Person: A new ward.")

    def test_one_month_is_one_month(self) -> None:
        panel = chart(self.COUNTS[:20], 12)
        newest = str(panel.periods["label"].iloc[-1])
        found = monitor(panel, "stays", [RebaseConfig(period=newest, by="A. Person", why="new ward")])
        assert found.facts["waiting"][0]["why"] == "only 1 usable month can make limits, and 6 are needed"

    @pytest.mark.parametrize(
        ("panel", "why"),
        [
            (chart([20, 24, 22, 26, 21, 30], 5), "only 5 usable months"),
            (chart([3, 4, 2, 5, 3, 4] * 4 + [9], 24), "fewer than 5"),
            (chart([20] * 24 + [9], 24), "do not vary"),
            (chart([20, 24] * 12, 30), "no unit starts"),
            (chart([20, 24] * 12, 12, frequency="quarter"), "by quarter"),
            (chart([20, 24] * 12, 12, outcomes=(OutcomeSpec("stays", "stays", "share"),)), "no outcome that is counted"),
        ],
    )  # fmt: skip
    def test_says_why_there_is_no_chart(self, panel: Panel, why: str) -> None:
        found = monitor(panel, "stays")
        assert found.table.empty
        assert found.facts["made"] is False
        assert why in str(found.facts["why"])

    def test_months_with_gaps_between_them_are_refused(self) -> None:
        panel = chart([20, 24] * 12, 12)
        periods = panel.periods.copy()
        periods["clock"] = periods["clock"] + (np.arange(24) > 5)
        assert "not month after month" in str(monitor(replace(panel, periods=periods), "stays").facts["why"])


class TestWhatLeaves:
    @pytest.mark.parametrize("profile", ["hes", "nhse_sde", "acro", "opensafely"])
    def test_a_signal_and_a_limit_do_not_give_a_hidden_count_away(self, profile: str) -> None:
        """One admission is below a limit of 1.3. Shown as 1, the limit would say so: no other hidden count is below it."""
        before = [6, 10, 5, 8, 9, 6, 10, 8, 7, 5, 5, 9, 7, 10, 11, 9, 10, 9, 7, 5, 9, 6, 5, 9]
        made = monitor(chart([*before, 1], 24), "stays").table
        assert 1 < made["lower"].iloc[-1] < 1.5
        released = control({"control_chart": made}, {}, profile=profile).tables["control_chart"].iloc[-1]
        assert (released["observed"], released["rules"]) == ("*", "outside")
        step = Rules.of(profile).base
        assert [int(released[c]) % step for c in ("centre", "lower", "upper")] == [0, 0, 0]
        possible = [n for n in range(1, 8) if n < released["lower"] + step / 2]
        assert len(possible) > 1


class TestStudy:
    """A small fixed sample of benchmarks/control_chart.py; the stored results have 2,000 series a cell."""

    @pytest.fixture
    def stored(self) -> pd.DataFrame:
        return pd.read_csv("docs/results/control_chart.csv").set_index(["world", "level", "fall"])

    @pytest.mark.parametrize(("world", "level", "fall"), [("Poisson", 60, 0), ("clumped", 20, 0), ("Poisson", 60, 25)])
    def test_comes_out_as_stored(self, stored: pd.DataFrame, world: str, level: int, fall: int) -> None:
        row = stored.loc[(world, level, fall)]
        n = 200
        found = cell(world, level, fall / 100, n, seed=2)
        p = row["within_12"] / 100
        # Four standard errors of a share of 200, and half a point for shares near 0 or 1.
        assert abs(found["within_12"] / 100 - p) <= 4 * np.sqrt(p * (1 - p) / n) + 0.005

    def test_stored_false_alarms_and_detection(self, stored: pd.DataFrame) -> None:
        quiet, fallen = stored.loc[("Poisson", 60, 0)], stored.loc[("Poisson", 60, 50)]
        assert quiet["outside"] < 1.5
        assert fallen["within_12"] > 99
        assert BASELINE == 24
