"""Effects and prices to the CostResult: one function that puts the parts of this stage together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aaot_eval.config import RunConfig
from aaot_eval.costs.ladder import ladder
from aaot_eval.costs.money_wording import money_verdict
from aaot_eval.costs.prices import Prices
from aaot_eval.costs.rates import DAYS_IN_YEAR, Caseload, caseload
from aaot_eval.costs.savings import headline_of, run_loop, saving_table
from aaot_eval.costs.waterfall import waterfall
from aaot_eval.results import CostResult, Effect, Panel, Verdict

DRAWS = 2000


def cost_service(
    panel: Panel, effects: Sequence[Effect], verdict: Verdict, config: RunConfig, prices: Prices
) -> CostResult:
    """AAOT against care as usual, in pounds per patient-year on the caseload.

    Every effect on a cost outcome becomes a rung of the ladder; the most credible one with a finite interval is the
    headline. Nothing is discounted: the amounts are rates within a year. Tables: service_cost, saving,
    cost_waterfall, unit_costs.
    """
    people = caseload(panel)
    n = config.costs.draws if config.costs else DRAWS
    money = [run_loop(rung, prices, seed=config.seed, n=n) for rung in ladder(panel, effects, people)]
    best = headline_of(money)
    delivered = _delivered(panel, people, prices)
    tables = {
        "service_cost": prices.programme.table(),
        "saving": saving_table(money),
        "cost_waterfall": waterfall(best, len(people.people) if people else 0),
        "unit_costs": prices.unit_costs,
    }
    facts = {
        "programme_cost": prices.programme.per_patient_year,
        "team_cost": prices.programme.team_cost,
        "common_error": prices.common_error,
        "price_index": prices.index.name,
        "price_index_edition": prices.index.edition,
        "invented": prices.invented,
        **delivered,
    }
    if best is not None:
        facts |= {
            "gross": best.gross,
            "saving": best.saving,
            "saving_low": best.saving_low,
            "saving_high": best.saving_high,
            "fixed_low": best.fixed_low,
            "fixed_high": best.fixed_high,
            "headline_analysis": best.rung.analysis,
        }
    words = money_verdict(verdict, money, best, prices, _notes(prices, delivered))
    return CostResult(tables, words, prices.price_year, prices.perspective, facts=facts)


def _delivered(panel: Panel, people: Caseload | None, prices: Prices) -> dict[str, float]:
    """Patient-years delivered, places in use, and the top-down cost that checks the bottom-up one."""
    if people is None:
        return {}
    units = panel.units.loc[panel.treated_units]
    t_end = len(panel.periods)
    days = panel.periods["days"].to_numpy(dtype=float)
    team_years = (
        sum(
            days[int(s) : t_end if e is None else int(e)].sum()
            for s, e in zip(
                units["start_t"], units["stop_t"].astype(object).where(units["stop_t"].notna(), None), strict=True
            )
        )
        / DAYS_IN_YEAR
    )
    facts = {"patient_years": people.person_years, "observed_cost": people.cost_rate, "team_years": float(team_years)}
    if team_years > 0:
        facts["places_in_use"] = people.person_years / (team_years * prices.programme.places)
        if prices.programme.budget is not None and people.person_years > 0:
            facts["top_down"] = prices.programme.budget * team_years / people.person_years
            facts["top_down_ratio"] = facts["top_down"] / prices.programme.per_patient_year
    return facts


def _notes(prices: Prices, delivered: dict[str, float]) -> list[str]:
    notes = []
    ratio = delivered.get("top_down_ratio", math.nan)
    if not math.isnan(ratio):
        notes.append(
            f"Top-down, from budget and patient-years delivered, the service costs {ratio:.2f} times the bottom-up figure."
        )
    if prices.forecast:
        notes.append(f"Prices were moved to {prices.price_year} with a forecast of the index {prices.index.name}.")
    return notes
