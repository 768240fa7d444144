"""Over a grid of results the sentence about money is never stronger than the sentence about admissions, and never disagrees with it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aaot_eval.config import RunConfig
from aaot_eval.costs.ladder import ladder
from aaot_eval.costs.money_wording import money_verdict, pounds
from aaot_eval.costs.price_index import load_index
from aaot_eval.costs.prices import Prices
from aaot_eval.costs.rates import Caseload, caseload
from aaot_eval.costs.savings import headline_of, run_loop, saving_table
from aaot_eval.costs.service import cost_service
from aaot_eval.costs.service_check import cost_seen
from aaot_eval.results import Analysis, CheckResult, Effect, Estimate, Panel, Verdict
from aaot_eval.wording import effect_verdict
from tests.costs_builders import caseload_panel, one_team, ratio_estimate

pytestmark = pytest.mark.spec

OUTCOME = "alcohol_specific_emergency"
CONFIG = RunConfig.model_validate(
    {
        "config_version": 1,
        "name": "grid",
        "data": {"admissions": "none.csv"},
        "study": {"outcome": OUTCOME, "smallest_effect": 0.1},
    }
)
DESIGNS = ("sites", "entry_rule", "own_cohorts", "series")
RATIOS = (0.5, 0.8, 0.97, 1.0, 1.3)
LOG_ERRORS = (0.01, 0.15, 0.6)
PROGRAMMES = (1.0, 1_500.0, 60_000.0)
SAYS_SAVING = re.compile(r"\bsaves £|\bwould save £")
SAYS_LOSS = re.compile(r"\bit costs £[\d,]+ to £[\d,]+ more\b|\bcosts £[\d,]+ to £[\d,]+ more per patient\b")
UNCERTAIN = re.compile(r"cannot tell whether it saves")
STATES = ("ok", "no_finite_interval", "monitoring_only", "not_estimable")


@cache
def panel() -> Panel:
    return caseload_panel()


@cache
def people() -> Caseload | None:
    return caseload(panel())


@cache
def prices(programme: float, places: float = 1.0) -> Prices:
    table = pd.DataFrame(
        [["emergency_long_stay", "stay", 2500.0, 100.0, 2500.0, "2024/25", "provider", "ledger"]],
        columns=["item", "unit", "value", "std_error", "input_value", "price_year", "perspective", "source"],
    )
    return Prices("2024/25", "provider", table, one_team(programme, places), load_index("gdp_deflator", CONFIG))


def estimate(name: str, design: str, outcome: str, ratio: float, log_error: float, state: str = "ok") -> Estimate:
    facts: dict[str, object] = {"rate_after": 400.0, "uptake": 0.5, "rate_on_team": 900.0}
    if design == "sites":
        facts = {"observed_after": 400_000.0}
    made = ratio_estimate(name, design, ratio, log_error, outcome, facts=facts)
    if state == "ok":
        return made
    return replace(
        made, conf_low=math.nan, conf_high=math.nan, confidence=None, status=state, note="a reason", p_least=0.2
    )  # type: ignore[arg-type]


def said(design: str, ratio: float, log_error: float, money_ratio: float, programme: float, checked: str, state: str = "ok", *,
         failed_money: bool = False, money_design: str = "", whole: bool = False, check_name: str = "pre_trend",
         places: float = 1.0) -> tuple[Verdict, Verdict, pd.DataFrame]:  # fmt: skip
    """The two verdicts and the ladder of one imagined study: its effect on admissions, and one on cost.

    `whole` goes through the whole cost stage; else only what makes its sentence.
    """
    check = CheckResult(check_name, "primary", checked, "Trends before the launch.")  # type: ignore[arg-type]
    primary = Effect(
        Analysis("primary", design, design, OUTCOME, True),  # type: ignore[arg-type]
        (replace(estimate("primary", design, OUTCOME, ratio, log_error, state), primary=True),),
        (check,),
    )
    on_cost = money_design or design
    outcome = f"{OUTCOME}_cost" if on_cost == "sites" else "hospital_cost"
    doubt = (CheckResult("placebo_launch", "cost", "fail", "A launch that was none shows an effect."),)
    cost = Effect(
        Analysis("cost", on_cost, on_cost, outcome),  # type: ignore[arg-type]
        (estimate("cost", on_cost, outcome, money_ratio, log_error, state),),
        doubt if failed_money else (),
    )
    effect = effect_verdict(primary, panel(), CONFIG)
    if whole:
        found = cost_service(panel(), [primary, cost], effect, CONFIG, prices(programme, places))
        return effect, found.verdict, found.tables["saving"]
    rungs = ladder(panel(), [primary, cost], people())
    money = [run_loop(rung, prices(programme), seed=1, n=200) for rung in rungs]
    words = money_verdict(effect, money, headline_of(money), prices(programme), headline=design)
    return effect, words, saving_table(money)


def test_a_saving_has_the_half_sentence_of_the_fall_it_rests_on() -> None:
    """A warning of the trend bounds qualifies a fall; a saving from the same comparison is qualified with it, one from another is not."""
    half = "As with the effect behind it, the sites had moved apart by themselves before the start, and as large a move again could explain it."
    fall = ("sites", 0.5, 0.01, 0.5, 1.0, "warn")
    effect, money, _ = said(*fall, check_name="trend_violation")
    assert (effect.word, money.word) == ("lower", "saves")
    assert half in money.sentence
    for more in ({"check_name": "pre_trend"}, {"check_name": "trend_violation", "money_design": "entry_rule"}):
        _, other, _ = said(*fall, **more)  # type: ignore[arg-type]
        assert other.word == "saves"
        assert half not in other.sentence


def test_the_cost_at_the_planned_occupancy_stands_beside_the_cost_over_the_caseload_seen() -> None:
    """Every net sum takes the planned cost: where the caseload seen makes it another, both are said, and no claim holds at one alone."""
    on_team = people()
    assert on_team is not None
    open_years = float(panel().periods["days"].iloc[24:].sum()) / 365.25
    a_year = on_team.person_years / open_years  # patient-years that the team delivered a year

    def money(planned: float, places: float) -> tuple[Verdict, pd.Series]:
        _, found, saving = said("sites", 0.5, 0.01, 0.5, planned * places, "pass", whole=True, places=places)
        return found, saving[saving["headline"].astype(bool)].iloc[0]

    found, row = money(100.0, a_year)
    assert "per patient per year on the caseload" in found.sentence
    assert "planned occupancy" not in found.sentence, "the two are one number"
    gross = row["gross"]
    found, row = money(gross / 4, 2 * a_year)
    seen = float(f"{gross / 2:.3g}")
    assert found.word == "saves"
    assert f"The service saves {pounds(row['saving'])} per patient per year at the planned occupancy" in found.sentence
    assert (
        f"The cost of the service is that of the planned occupancy, 100 %; over the caseload seen it was {pounds(seen)}, with which each "
        f"net sum above is about {pounds(float(f'{seen - gross / 4:.2g}'))} worse."
    ) in found.sentence
    found, row = money(0.75 * gross, 2 * a_year)
    assert row["saving_low"] > 0
    assert found.word == "saves_but", "half empty, the team cost more than it averted"
    assert (
        f"But at the cost over the caseload seen, {pounds(float(f'{1.5 * gross:.3g}'))}, the interval no longer shows a saving."
        in found.sentence
    )
    found, row = money(1.5 * gross, a_year / 2)
    assert row["saving_high"] < 0
    assert found.word == "costs_more_but", "twice as many people as planned shared its cost"
    assert f"about {pounds(float(f'{0.75 * gross:.2g}'))} better." in found.sentence


def test_of_few_people_no_cost_over_the_caseload_seen_is_said() -> None:
    team, delivered = one_team(1_000.0), {"delivered_cost": 1_543.21}
    assert cost_seen(team, delivered, 10) == 1_540.0, "with more figures the exact patient-years would follow"
    assert math.isnan(cost_seen(team, delivered, 9))
    assert math.isnan(cost_seen(team, {"delivered_cost": 1_090.0}, 10))
    assert math.isnan(cost_seen(team, {}, 10))


def test_a_loss_that_is_told_is_not_called_one_that_cannot_be_told() -> None:
    effect, found, _ = said("sites", 1.0, 0.15, 1.0, 60_000.0, "pass")
    assert effect.word == "cannot_tell"
    assert "; whether admissions changed cannot be told." in found.sentence
    effect, found, _ = said("sites", 1.0, 0.15, 0.9, 1.0, "pass")
    assert effect.word == "cannot_tell"
    assert "; whether admissions changed cannot be told either." in found.sentence


def hold(effect: Verdict, money: Verdict, saving: pd.DataFrame, *, doubted: bool) -> None:
    """What must be true of every pair of sentences."""
    best = saving[saving["headline"].astype(bool)]
    claims_saving, claims_loss = SAYS_SAVING.search(money.sentence), SAYS_LOSS.search(money.sentence)
    if money.word == "saves":
        assert effect.word == "lower", "a saving as a fact stands only on a fall as a fact"
        assert not doubted
        assert best["rung"].iloc[0] <= 3
    if money.word in ("saves", "saves_but"):
        assert effect.word in ("lower", "lower_but")
        assert best["saving_low"].iloc[0] > 0
    if money.word == "saves_but":
        assert re.search(r"\bBut\b|Conditional on no other change", money.sentence), (
            "the doubt is said where the figure is"
        )
        assert re.match(r"By the figures|The service costs £", money.sentence)
    assert bool(claims_saving) == (money.word in ("saves", "saves_but")), money.sentence
    if claims_loss:
        assert best["saving_high"].iloc[0] < 0, money.sentence
    assert not (claims_saving and claims_loss)
    if effect.word in ("no_effect", "cannot_tell", "higher", "higher_but", "too_early", "no_estimate"):
        assert not claims_saving, "no saving without a fall of admissions"
    if effect.word == "cannot_tell" and len(best):
        assert money.word != "costs_more", "what cannot be told of admissions is no fact of money"
    if effect.word in ("too_early", "no_estimate") or not len(best):
        assert saving.empty or effect.word in ("too_early", "no_estimate") or saving["p_saving"].isna().all()
        assert money.word in ("no_estimate", "costs_more", "costs_more_but"), money.word
        if money.word != "no_estimate":
            assert effect.word in ("higher", "higher_but"), "only harm costs more without an amount"
        assert "% interval" not in money.sentence, "no interval of the effect, no amount"
    if money.word == "cannot_tell":
        assert UNCERTAIN.search(money.sentence) or claims_loss or "cannot tell" in money.sentence, money.sentence
    if effect.word == "no_effect" and len(best):
        assert "no effect on admissions was found" in money.sentence
    if effect.word in ("higher", "higher_but") and len(best):
        assert "admissions were higher" in money.sentence


def grid() -> Iterator[tuple[str, float, float, float, float, str]]:
    """Every design x effect x its error x the effect on cost x price of the service x checks."""
    for design, ratio, log_error, programme, checked in product(
        DESIGNS, RATIOS, LOG_ERRORS, PROGRAMMES, ("pass", "fail")
    ):
        for money_ratio in {ratio, 0.6, 1.4}:
            yield design, ratio, log_error, money_ratio, programme, checked


@pytest.mark.parametrize("design", DESIGNS)
def test_money_is_never_stronger_than_the_effect_over_the_grid(design: str) -> None:
    words = set()
    for case in grid():
        if case[0] != design:
            continue
        effect, money, saving = said(*case)
        hold(effect, money, saving, doubted=case[-1] == "fail")
        words.add(money.word)
        if design == "series":
            assert saving[["gross", "saving", "saving_low", "saving_high", "p_saving"]].isna().all(axis=None)
    expected = {
        "sites": {"saves", "saves_but", "costs_more", "costs_more_but", "cannot_tell"},
        "entry_rule": {"saves", "saves_but", "costs_more", "costs_more_but", "cannot_tell"},
        "own_cohorts": {"saves_but", "costs_more_but", "cannot_tell"},
        "series": {"no_estimate", "costs_more_but"},
    }
    assert words == expected[design], "the grid reaches every word that the design may say, and no other"


@pytest.mark.parametrize("state", STATES[1:])
@pytest.mark.parametrize("design", DESIGNS)
def test_without_an_interval_nothing_is_said_about_a_saving(design: str, state: str) -> None:
    effect, money, saving = said(design, 0.7, 0.1, 0.7, 1_500.0, "pass", state, whole=True)
    hold(effect, money, saving, doubted=False)
    assert money.word == "no_estimate"
    assert saving["p_saving"].isna().all()


@pytest.mark.parametrize("money_design", ["own_cohorts", "entry_rule"])
def test_a_failed_check_of_the_comparison_in_pounds_takes_the_claim(money_design: str) -> None:
    effect, money, saving = said("sites", 0.7, 0.02, 0.5, 1.0, "pass", failed_money=True, money_design=money_design)
    hold(effect, money, saving, doubted=True)
    assert effect.word == "lower"
    assert money.word == "saves_but"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    design=st.sampled_from(DESIGNS),
    money_design=st.sampled_from(DESIGNS[:3]),
    ratio=st.floats(0.3, 2.5),
    money_ratio=st.floats(0.3, 2.5),
    log_error=st.floats(0.005, 1.0),
    programme=st.floats(1.0, 100_000.0),
    checked=st.sampled_from(["pass", "warn", "fail", "not_evaluable"]),
    failed_money=st.booleans(),
)
def test_money_is_never_stronger_than_the_effect_anywhere(
    design: str,
    money_design: str,
    ratio: float,
    money_ratio: float,
    log_error: float,
    programme: float,
    checked: str,
    failed_money: bool,
) -> None:
    effect, money, saving = said(
        design, ratio, log_error, money_ratio, programme, checked, failed_money=failed_money, money_design=money_design
    )
    hold(effect, money, saving, doubted=checked == "fail" or failed_money)
