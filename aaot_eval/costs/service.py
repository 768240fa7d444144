"""Effects and prices to the CostResult: one function that puts the parts of this stage together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.costs.activity import activity_table
from aaot_eval.costs.benefits import benefit_lines
from aaot_eval.costs.break_even import break_even_table, mean_price
from aaot_eval.costs.budget import budget_table, entered, persistence_table
from aaot_eval.costs.control_totals import check_totals
from aaot_eval.costs.decision import check_routes, decision_tables
from aaot_eval.costs.items import items_table
from aaot_eval.costs.ladder import in_service, ladder
from aaot_eval.costs.money_wording import money_verdict
from aaot_eval.costs.outcome import outcome_of
from aaot_eval.costs.patients import expected_pence, patient_groups, patient_rows
from aaot_eval.costs.prices import BASIS, Prices
from aaot_eval.costs.qaly import answer_tables
from aaot_eval.costs.ranges import ranges_table
from aaot_eval.costs.rates import DAYS_IN_YEAR, LEAST_PEOPLE, Caseload, caseload, no_person_time
from aaot_eval.costs.savings import Money, headline_of, run_loop, saving_table
from aaot_eval.costs.sensitivity import against, cost_sensitivity
from aaot_eval.costs.service_check import cost_seen, service_check_table
from aaot_eval.costs.solving import solving_table
from aaot_eval.costs.waterfall import waterfall
from aaot_eval.errors import NotIdentifiedError, counted
from aaot_eval.results import CostResult, Effect, Panel, Verdict
from aaot_eval.wording import money as money_text

DRAWS = 2000


def cost_service(
    panel: Panel, effects: Sequence[Effect], verdict: Verdict, config: RunConfig, prices: Prices
) -> CostResult:
    """AAOT against care as usual, in pounds per patient-year on the caseload.

    Every effect on a cost outcome becomes a rung of the ladder; the most credible one with a finite interval is the
    headline. Nothing is discounted: the amounts are rates within a year. Tables: service_cost, saving, cost_waterfall,
    unit_costs, break_even, cost_ranges, averted_activity, benefit_lines and, with ten people or more, cost_sensitivity and patient_groups.
    With [costs.outcome] also cost_effectiveness, net_benefit, acceptability, ce_plane, value_of_information; for QALYs
    utilities_answered and qaly_assumptions.
    `per_patient` is filled only when the config asks for patient reports; `facts["patient_note"]` says why it is empty.
    Raises NotIdentifiedError when net benefit and ladder choose differently (C160) or totals do not reconcile (C161,
    C162, P431).
    """
    people = caseload(panel)
    if people is not None and not people.person_years > 0:
        raise NotIdentifiedError(no_person_time("the caseload"))
    n = config.costs.draws if config.costs else DRAWS
    money = [run_loop(rung, prices, seed=config.seed, n=n) for rung in ladder(panel, effects, people)]
    best = headline_of(money)
    activity = activity_table(panel, effects, people)
    delivered = _delivered(panel, people, prices)
    tables = {
        "service_cost": prices.programme.table(),
        "saving": saving_table(money),
        "cost_waterfall": waterfall(best, len(people.people) if people else 0),
        "unit_costs": prices.unit_costs,
        "break_even": break_even_table(panel, best, prices, config.study.outcome),
        "cost_ranges": ranges_table(best, prices, items_table(panel, people)),
        "averted_activity": activity,
        "benefit_lines": benefit_lines(best, activity, prices),
        "cost_sensitivity": cost_sensitivity(panel, people, effects, money, seed=config.seed),
    }
    outcome = outcome_of(panel, effects, people, best, prices, config)
    tables |= decision_tables(outcome, best, verdict)
    if outcome is not None and prices.utilities is not None:
        saving = math.nan if best is None else best.saving
        tables |= answer_tables(prices.utilities, saving, outcome.thresholds)
    check_routes(best, outcome, tables["cost_waterfall"])
    check_totals(tables, prices.programme, best)
    tables |= _for_decisions(panel, people, best, activity, prices, config)
    tables["service_check"] = service_check_table(prices.programme, delivered, len(people.people) if people else 0)
    note, asked = _no_rows(people, best), config.output.patient_reports
    rows = None
    if not note and people is not None and best is not None and (asked or expected_pence(best, people) >= 0):
        rows = patient_rows(panel, people, best, config.study.outcome)
        tables["patient_groups"] = patient_groups(rows)
    facts = {
        **_facts(prices, best),
        **delivered,
        "patient_note": note if asked else "patient reports were not asked for",
    }
    if config.costs is not None:
        facts["budget"] = entered(config.costs.budget, marginal=prices.basis == "marginal")
    notes = _notes(prices, delivered, len(people.people) if people else 0) + _price_notes(
        prices, config, tables.get("unpriced", pd.DataFrame())
    )
    notes += against(tables["cost_sensitivity"], best)
    headline = next((e.analysis.design for e in effects if e.analysis.primary), "")
    seen = cost_seen(prices.programme, delivered, len(people.people) if people else 0)
    words = money_verdict(verdict, money, best, prices, notes, headline=headline, seen=seen)
    return CostResult(tables, words, prices.price_year, prices.perspective, rows if asked else None, facts)


def _for_decisions(
    panel: Panel,
    people: Caseload | None,
    best: Money | None,
    activity: pd.DataFrame,
    prices: Prices,
    config: RunConfig,
) -> dict[str, pd.DataFrame]:
    """What decision makers ask beside the saving: budgets, how long it lasts, what a published figure needs, what care costs."""
    if config.costs is None:
        return {}
    budget = config.costs.budget
    return {
        "budget_impact": budget_table(best, activity, prices, budget),
        "persistence": persistence_table(best, budget, config.costs.discount_rate),
        "solve_for": solving_table(best, prices, mean_price(panel, config.study.outcome), config.costs.solve_for),
        "cost_items": items_table(panel, people),
        "unpriced": pd.DataFrame(panel.extra.get("unpriced")),
    }


def _no_rows(people: Caseload | None, best: Money | None) -> str:
    """Why there are no rows of patients; empty when there can be."""
    if people is None:
        return "there is no caseload in the data"
    if len(people.people) < LEAST_PEOPLE:
        return f"fewer than {LEAST_PEOPLE} people are on the caseload: rows could point to a person"
    if best is None:
        return "no comparison gives a saving with an interval, so there is nothing for the rows to add up to"
    if math.isnan(people.cost_rate):
        return "hospital cost was not priced for each person"
    return ""


def _facts(prices: Prices, best: Money | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "programme_cost": prices.programme.per_patient_year,
        "team_cost": prices.programme.team_cost,
        "common_error": prices.common_error,
        "price_index": prices.index.name,
        "price_index_edition": prices.index.edition,
        "price_index_source": prices.index.source,
        "invented": prices.invented,
    }
    if best is not None:
        names = ("gross", "gross_low", "gross_high", "saving", "saving_low", "saving_high", "fixed_low", "fixed_high")
        facts |= {name: getattr(best, name) for name in names}
        facts["headline_analysis"] = best.rung.analysis
    return facts


def _delivered(panel: Panel, people: Caseload | None, prices: Prices) -> dict[str, float]:
    """Patient-years delivered, places in use, and the costs per patient-year that check the bottom-up one."""
    if people is None or not people.person_years > 0:
        return {}
    team = prices.programme
    open_months = in_service(panel)
    team_years = float((open_months * panel.periods["days"].to_numpy(dtype=float)).sum() / DAYS_IN_YEAR)
    facts = {"patient_years": people.person_years, "observed_cost": people.cost_rate, "team_years": team_years}
    if team_years > 0:
        facts["places_in_use"] = people.person_years / (team_years * team.places)
        facts["delivered_cost"] = team.team_cost * team_years / people.person_years
        if team.budget is not None:
            facts["top_down"] = team.budget * team_years / people.person_years
            facts["top_down_ratio"] = facts["top_down"] / team.per_patient_year
    return facts


def _notes(prices: Prices, delivered: dict[str, float], people: int) -> list[str]:
    """What must be read beside the money; figures of a caseload under ten people are not put into sentences."""
    notes, team = [], prices.programme
    if "top_down_ratio" in delivered and people >= LEAST_PEOPLE:
        notes.append(
            f"Top-down, from budget and patient-years delivered, the service costs {delivered['top_down_ratio']:.2f} times "
            "the bottom-up figure."
        )
    seen = cost_seen(team, delivered, people)
    if not math.isnan(seen):
        notes.append(
            f"The caseload since referral fills {100 * delivered['places_in_use']:.0f} % of the team's places, the programme file says "
            f"{100 * team.occupancy:.0f} %: spread over that caseload the service costs {money_text(seen)} per patient-year, not "
            f"{money_text(team.per_patient_year)}."
        )
    if prices.forecast:
        notes.append(f"Prices were moved to {prices.price_year} with a forecast of the index {prices.index.name}.")
    return notes


def _price_notes(prices: Prices, config: RunConfig, unpriced: pd.DataFrame) -> list[str]:
    """Choices of pricing that are not the default, as sentences."""
    notes, costs = [], config.costs
    if costs is None:
        return []
    if costs.basis != "bed_day_and_stay":
        notes.append(f"Stays are priced by {BASIS[costs.basis]}.")
    if prices.left_aside:
        rows = counted(prices.left_aside, "row")
        notes.append(
            f"{rows} of the unit-cost file belong{'' if prices.left_aside > 1 else 's'} to another basis and are not used."
        )
    if costs.long_stays == "pro_rated":
        notes.append("A stay costs in each month by its nights there, not in the month of admission.")
    if costs.index_admission == "left_out":
        notes.append("The stay during which a person was referred is left out of the cost.")
    if len(unpriced):
        notes.append(
            "Some spells had no price and take the mean price of their kind: the table of spells without a price gives their share."
        )
    return notes
