"""The three effects of a report are about different people; the last two are one result on the difference scale."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from aaot_eval.disclosure import control
from aaot_eval.estimators._referred import Uptake, effect_on_referred
from aaot_eval.record import _linked_effects
from aaot_eval.results import Analysis, CheckResult, Effect, Estimate
from aaot_eval.schema import table_schema

OUTCOME = "alcohol_specific_emergency"
CHECKS = (CheckResult("dip", "site_did", "pass", "No dip."),)
UPTAKE = Uptake(share=0.6, rate_after=0.25, rate_on_team=0.30, on_team_months=1500.0, months=2500.0)


def estimate(analysis: str, ratio: float, spread: float = 0.1, **more: object) -> Estimate:
    low, high = ratio * math.exp(-spread), ratio * math.exp(spread)
    return Estimate(
        analysis, "sites", "site_did", OUTCOME, "an effect", "rate_ratio", ratio, conf_low=low, conf_high=high, **more
    )  # type: ignore[arg-type]


def effects(itt: float = 0.7, uptake: Uptake = UPTAKE, *, primary: str = "site_did") -> list[Effect]:
    rule = {"role": "itt", "rule": "4 admissions in 12 months", "follow_up": 12, "n_post": 300, **uptake.facts()}
    met = estimate("entry_rule", itt, facts=rule)
    people = (met, effect_on_referred(met, uptake))
    sites = Effect(
        Analysis("site_did", "sites", "site_did", OUTCOME, primary=primary == "site_did"),
        (estimate("site_did", 0.8),),
        CHECKS,
    )
    rule_ = Effect(
        Analysis("entry_rule", "entry_rule", "entry_rule", OUTCOME, primary=primary == "entry_rule"), people, CHECKS
    )
    return [sites, rule_]


def test_spared_over_the_rule_is_uptake_times_spared_over_those_taken_on() -> None:
    table = _linked_effects(effects()).set_index("order")
    assert list(table["ratio"].round(4)) == [0.8, 0.7, round(float(UPTAKE.on_referred(np.array([0.7]))[0]), 4)]
    by_hand = 12 * 0.25 * (1 / 0.7 - 1)
    assert table.at[2, "spared"] == pytest.approx(by_hand)
    assert table.at[2, "spared"] == pytest.approx(table.at[3, "uptake"] * table.at[3, "spared"])
    # Of those taken on: their own rate, and what it would have been, differ by what is spared.
    without = 0.30 / table.at[3, "ratio"]
    assert 12 * (without - 0.30) == pytest.approx(table.at[3, "spared"])
    assert set(table["direction"]) == {"lower"}
    assert list(table["change"].round(2)) == [0.2, 0.3, round(1 - float(table.at[3, "ratio"]), 2)]


def test_a_primary_over_people_is_not_listed_twice() -> None:
    table = _linked_effects(effects(primary="entry_rule"))
    assert list(table["whom"]) == ["those of people who newly met the entry rule", "those of people taken on"]


def test_nothing_is_linked_without_an_effect_on_those_taken_on() -> None:
    few = Uptake(0.05, 0.25, 0.30, 100.0, 2000.0)
    assert _linked_effects(effects(uptake=few)).empty
    assert _linked_effects(effects()[:1]).empty


def test_directions_are_those_of_the_whole_interval() -> None:
    assert list(_linked_effects(effects(itt=0.97))["direction"]) == ["lower", "unclear", "unclear"]
    assert list(_linked_effects(effects(itt=1.2))["direction"]) == ["lower", "higher", "higher"]


def test_an_uptake_of_few_people_is_hidden() -> None:
    names = list(table_schema("release", "linked_effects").names)
    few = Uptake(0.6, 0.25, 0.30, 40.0, 66.0)  # 40 person-months: perhaps four people
    shown = {
        whom: control(
            {"linked_effects": _linked_effects(effects(uptake=u)).reindex(columns=names)}, {}, profile="hes"
        ).tables["linked_effects"]
        for whom, u in (("many", UPTAKE), ("few", few))
    }
    assert float(pd.to_numeric(shown["many"]["uptake"]).iloc[2]) == pytest.approx(0.6)
    assert shown["few"]["uptake"].iloc[2] == "*"
    assert "people_at_least" not in shown["many"]
