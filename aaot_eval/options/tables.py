"""The tables of an appraisal: options, costs, consequences, need, phasing, horizon, conditions, what is missing, the terms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.options.costing import NAN, entered, finite
from aaot_eval.options.evidence import RANKED, badge_of, widened_ends
from aaot_eval.options.horizon import by_quarter, course_of, present
from aaot_eval.options.measured import Measured
from aaot_eval.options.missing import missing_of
from aaot_eval.options.reading import Records
from aaot_eval.options.record import EffectLine, OptionRecord
from aaot_eval.options.standing import NO_NET, NOT_ENTERED, Standing, break_even_status, net_status

QUADRANTS = {
    "high_high": "mental health high, substance use high",
    "high_low": "mental health high, substance use low",
    "low_high": "mental health low, substance use high",
    "low_low": "mental health low, substance use low",
}


def options_table(standings: list[Standing]) -> pd.DataFrame:
    """O1: one row an option. Money in pounds; NaN = not entered or not shown, and the status columns say which."""
    return pd.DataFrame([_options_row(order, s) for order, s in enumerate(standings, start=1)])


def _options_row(order: int, s: Standing) -> dict[str, Any]:
    low, base, high = s.break_even
    reduction, net = s.evidence.reduction, s.net
    price = s.usual / entered(s.population.admissions)
    avoid = s.cost_person[1] / price
    return {
        "order": order,
        "option": s.option.id,
        "name": s.option.name,
        "population": s.population.name,
        "eligible": entered(s.population.eligible),
        "uptake": s.reach.uptake,
        "served": s.reach.served[1],
        "wte": s.costs.wte,
        "cost_year": s.costs.year,
        "cost_year_low": s.costs.year_range[0],
        "cost_year_high": s.costs.year_range[1],
        "cost_person": s.cost_person[1],
        "set_up": s.costs.set_up,
        "months_to_full": entered(s.option.people.months_to_full),
        "badge": s.evidence.badge,
        "effect": reduction[0],
        "effect_low": reduction[1],
        "effect_high": reduction[2],
        "effect_status": s.evidence.status,
        "fall_before_after": s.evidence.raw,
        "fall_expected_anyway": s.evidence.expected_anyway,
        "break_even": base,
        "break_even_few": low,
        "break_even_many": high,
        "break_even_status": break_even_status(s),
        "admissions_to_avoid": avoid,
        "admissions_to_avoid_year": avoid * s.reach.served[1],
        "capacity": s.reach.capacity[1],
        "capacity_gap": s.reach.gap,
        "contacts_a_month": entered(s.option.capacity.contacts_a_month),
        "cost_to_cover_uptake": s.costs.year * s.reach.to_cover,
        "averted": s.evidence.averted[0] if s.evidence.badge in RANKED else NAN,
        "net_saving": net[0],
        "net_low": net[1],
        "net_high": net[2],
        "net_status": net_status(s),
        "main_condition": s.option.main_condition,
    }


def cost_lines(standings: list[Standing]) -> pd.DataFrame:
    """Every line of cost of every option, with its source."""
    parts = [s.costs.lines.assign(option=s.option.id) for s in standings if not s.costs.lines.empty]
    columns = ["option", "item", "kind", "wte", "annual_cost", "once", "years", "source"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def consequences(standings: list[Standing], records: Records) -> pd.DataFrame:
    """Cost and each outcome of each option, side by side and never in one figure; each by its badge."""
    rows = []
    for s in standings:
        for line in s.option.effects:
            badge = badge_of(line)
            value, low, high, status = _outcome_shown(line, badge, records.shared.transfer_factor)
            rows.append(
                {
                    "option": s.option.id, "cost_person": s.cost_person[1], "outcome": line.outcome,
                    "estimand": line.estimand, "measure": (line.measure or "").replace("_", " "), "value": value,
                    "low": low, "high": high,
                    "badge": badge, "design": (line.design or "").replace("_", " "), "place": line.place,
                    "people": line.population, "date": line.date, "source": line.source,
                    "status": status,
                }
            )  # fmt: skip
        if s.measured is not None:
            point, low, high = s.evidence.reduction
            rows.append(
                {
                    "option": s.option.id, "cost_person": s.cost_person[1], "outcome": records.shared.outcome,
                    "estimand": "cost of admissions of the people on the caseload", "measure": "reduction", "value": point,
                    "low": low, "high": high, "badge": "M", "design": "this tool", "place": "", "people": "",
                    "date": "", "source": f"run {s.measured.run}", "status": s.evidence.status,
                }
            )  # fmt: skip
    columns = ["option", "cost_person", "outcome", "estimand", "measure", "value", "low", "high", "badge", "design", "place",
               "people", "date", "source", "status"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _outcome_shown(line: EffectLine, badge: str, factor: float | None) -> tuple[float, float, float, str]:
    """Value, low, high as the badge lets them be shown, and what they are."""
    value, low, high = entered(line.value), entered(line.low), entered(line.high)
    if badge == "E":
        low, high = widened_ends(line, factor or 1.0)
        return value, low, high, f"interval {factor or 1:g} times as wide as published"
    if badge == "B" and line.expected_anyway is None:
        return NAN, NAN, NAN, "not shown: the fall to be expected anyway is not entered"
    if badge == "B":
        return (
            value,
            low,
            high,
            f"before and after; a fall of {100 * (line.expected_anyway or 0):.0f} % is expected anyway",
        )
    return NAN, NAN, NAN, {"0": NOT_ENTERED, "X": "opinion or theory: no number"}.get(badge, "")


def need(standings: list[Standing]) -> pd.DataFrame:
    """O3: quadrants of need x options: people there, people reached, share; and whether the option is for them at all."""
    rows = []
    for s in standings:
        for key, words in QUADRANTS.items():
            there = entered(getattr(s.population.need, key))
            reached = entered(getattr(s.option.people.uptake_by_need, key))
            rows.append(
                {
                    "option": s.option.id, "quadrant": words, "for_them": _for_them(s.option, key),
                    "people": there, "reached": reached, "share": reached / there if there > 0 else NAN,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _for_them(option: OptionRecord, key: str) -> str:
    if option.reference:
        return "as today"
    if not option.people.quadrants:
        return NOT_ENTERED
    return "yes" if key in option.people.quadrants else "no"


def phasing(standings: list[Standing], records: Records) -> pd.DataFrame:
    """O4: cost and people by quarter; double running is part of what is paid once and stands on its own as well."""
    parts = []
    for s, course in _courses(standings, records):
        double = sum(o.amount or 0.0 for o in s.option.one_off if o.kind == "double_running")
        quarters = len(course.people) // 3
        paid = by_quarter(course.set_up, "sum")
        parts.append(
            pd.DataFrame(
                {
                    "option": s.option.id, "quarter": np.arange(1, quarters + 1), "people": by_quarter(course.people, "last"),
                    "capacity": s.reach.capacity[1], "running": by_quarter(course.running, "sum"), "set_up": paid,
                    "of_it_double_running": np.where(np.arange(quarters) == 0, double, 0.0),
                }
            )
        )  # fmt: skip
    columns = ["option", "quarter", "people", "capacity", "running", "set_up", "of_it_double_running"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def horizon(standings: list[Standing], records: Records) -> pd.DataFrame:
    """Pounds over the whole horizon, discounted by whole years; an assumption about fading is named, and is no result."""
    rate = records.shared.discount_rate or 0.0
    rows = []
    for s, course in _courses(standings, records):
        lag = s.option.fade
        has_effect = s.evidence.may_rank and lag.form is not None and lag.start_lag_months is not None
        point, low, high = (present(course, rate, v if has_effect else NAN) for v in s.evidence.averted)
        rows.append(
            {
                "option": s.option.id, "years": records.shared.horizon_years, "person_years": point[2], "cost": point[0],
                "averted": point[1], "net_saving": point[1] - point[0], "net_low": low[1] - low[0],
                "net_high": high[1] - high[0], "fade": (lag.form or NOT_ENTERED).replace("_", " "),
                "note": course.note or ("" if has_effect else _why_no_horizon(s)),
            }
        )  # fmt: skip
    columns = [
        "option",
        "years",
        "person_years",
        "cost",
        "averted",
        "net_saving",
        "net_low",
        "net_high",
        "fade",
        "note",
    ]
    return pd.DataFrame(rows, columns=columns)


def _why_no_horizon(s: Standing) -> str:
    if not s.evidence.may_rank:
        return "no net figure: " + NO_NET.get(s.evidence.badge, "none: no interval").removeprefix("none: ")
    return "no net figure: fade.form or fade.start_lag_months is not entered"


def _courses(standings: list[Standing], records: Records) -> Iterator[tuple[Standing, Any]]:
    months = 12 * (records.shared.horizon_years or 0)
    for s in standings:
        # A run gives its setting up by the year, so what was paid once is spread here too.
        set_up, running = (0.0, s.costs.year) if s.measured else (s.costs.set_up, s.costs.running)
        known = (s.reach.served[1], running, set_up, entered(s.option.people.months_to_full))
        if months and not s.option.reference and finite(known):
            yield s, course_of(
                months, served=known[0], months_to_full=int(known[3]), running=known[1], set_up=set_up, fade=s.option.fade,
                stay=entered(s.option.capacity.months_in_service), eligible=entered(s.population.eligible),
            )  # fmt: skip


def conditions(standings: list[Standing]) -> pd.DataFrame:
    """Readiness, conditions, risks and standards, in words."""
    rows: list[tuple[str, str, str, str]] = []
    for s in standings:
        o = s.option
        rows += [(o.id, "readiness", key.replace("_", " "), value or NOT_ENTERED) for key, value in o.readiness.model_dump().items()
                 if not o.reference]  # fmt: skip
        rows += [(o.id, "condition", c.condition, c.in_place or NOT_ENTERED) for c in o.conditions]
        rows += [(o.id, "risk", r.risk, r.direction.replace("_", " ")) for r in o.risks]
        rows += [(o.id, "standard", text, "") for text in o.standards]
    return pd.DataFrame(rows, columns=["option", "kind", "what", "state"])


def measures(standings: list[Standing]) -> pd.DataFrame:
    """What else was measured of an option, as entered."""
    rows = [(s.option.id, m.name, entered(m.value), m.unit, m.source) for s in standings for m in s.option.measures]
    return pd.DataFrame(rows, columns=["option", "measure", "value", "unit", "source"])


def missing(records: Records, standings: list[Standing]) -> pd.DataFrame:
    """O7: what is not entered, and what to measure first."""
    rows = [("all", key, "") for key in missing_of(records.shared)]
    for s in standings:
        rows += [(s.option.id, key, s.option.first_outcome) for key in missing_of(s.option)]
    return pd.DataFrame(rows, columns=["option", "missing", "measure_first"])


def same_terms(records: Records, measured: Mapping[str, Measured]) -> pd.DataFrame:
    """What is the same for all options, with the hash of each file."""
    shared = records.shared
    rows = [
        ("price year", shared.price_year or NOT_ENTERED, ""),
        ("perspective", (shared.perspective or NOT_ENTERED).replace("_", " "), ""),
        ("horizon", f"{shared.horizon_years} years" if shared.horizon_years else NOT_ENTERED, ""),
        ("discount rate", NOT_ENTERED if shared.discount_rate is None else f"{shared.discount_rate:g} a year", ""),
        ("disclosure profile", shared.profile or NOT_ENTERED, ""),
        ("transfer factor", NOT_ENTERED if shared.transfer_factor is None else f"{shared.transfer_factor:g}", ""),
    ]
    for what, named in (("eligible people", shared.people_file), ("unit costs", shared.unit_costs)):
        rows.append((what, Path(named).name or NOT_ENTERED, hash_of(records.home / named) if named else ""))
    rows += [(f"run of option {key}", run.run, run.unit_costs) for key, run in measured.items()]
    rows += [("record", name, hash_of(path)) for name, path in records.files]
    return pd.DataFrame(rows, columns=["what", "value", "sha256"])


def hash_of(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
