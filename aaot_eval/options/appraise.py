"""All options on the same people, prices and horizon: tables, warnings, and what they stand on."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.errors import DisclosureError, InputError, Problem
from aaot_eval.incremental import incremental_ladder, ladder_table
from aaot_eval.options.combining import Rule, combined_effect
from aaot_eval.options.costing import NAN, Costs, Reach, cost_option, entered, finite, reach_of
from aaot_eval.options.evidence import RANKED, Evidence, badge_of, evidence_of, widened_ends
from aaot_eval.options.horizon import by_quarter, course_of, present
from aaot_eval.options.measured import Measured
from aaot_eval.options.missing import missing_of
from aaot_eval.options.ranking import Contender, rank_table, scoring_table
from aaot_eval.options.reading import Records
from aaot_eval.options.record import EffectLine, OptionRecord, Population
from aaot_eval.options.saying import Line, three_sentences
from aaot_eval.schema import schema_names, table_schema

NOT_ENTERED = "not entered"
NOBODY = "nobody is served: the staff or the people entered are 0"
#: A run's people are those of the appraisal when care as usual costs the same but for another cut of the same extract.
SAME_PEOPLE = 0.1
RANK_COLUMN = re.compile(r"p_rank_\d+")  # one column a rank, described once
QUADRANTS = {
    "high_high": "mental health high, substance use high",
    "high_low": "mental health high, substance use low",
    "low_high": "mental health low, substance use high",
    "low_low": "mental health low, substance use low",
}
NO_NET = {
    "X": "none: opinion or theory only",
    "0": "none: no effect entered",
    "B": "none: before and after without a comparison",
    "reference": "0 by definition",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """One option, worked out. `usual`: pounds of admissions for each person a year under care as usual."""

    option: OptionRecord
    population: Population
    measured: Measured | None
    costs: Costs
    reach: Reach
    evidence: Evidence
    usual: float

    @property
    def cost_person(self) -> tuple[float, float, float]:
        """Pounds a year for each person served, at the low, base and high caseload."""
        low, base, high = (self.costs.year / people if people > 0 else NAN for people in self.reach.served)
        return low, base, high

    @property
    def break_even(self) -> tuple[float, float, float]:
        """The share by which admissions of the people served must fall to pay for the option, by caseload."""
        low, base, high = (cost / self.usual for cost in self.cost_person)
        return low, base, high

    @property
    def net(self) -> tuple[float, float, float]:
        """Net saving for each person served a year, in pounds; only M and E have one. A run's own when its reach is used."""
        if self.evidence.badge not in RANKED:
            return NAN, NAN, NAN
        if self.measured is not None and math.isclose(
            self.cost_person[1], self.costs.year / self.measured.patient_years
        ):
            return NAN_INTERVAL if self.measured.why_not else self.measured.saving
        point, low, high = (value - self.cost_person[1] for value in self.evidence.averted)
        return point, low, high


NAN_INTERVAL = (NAN, NAN, NAN)


@dataclass(frozen=True, slots=True)
class Appraised:
    """The result: `tables` by name, warnings in words, and the facts a page needs."""

    tables: Mapping[str, pd.DataFrame]
    warnings: tuple[str, ...]
    facts: Mapping[str, Any]


def appraise(
    records: Records, measured: Mapping[str, Measured], *, rank: bool = False, additive: bool = False
) -> Appraised:
    """Every table of the appraisal. `measured`: the run of each option that has one, by id.

    Raises InputError (C196) when a run stands in another price year, perspective or price file than the appraisal.
    """
    _refuse_other_terms(records, measured)
    usual = _usual(records, measured)
    standings = [_standing(records, option, measured.get(option.id), usual) for option in records.options]
    tables = {
        "options": _options_table(standings),
        "cost_lines": _cost_lines(standings),
        "consequences": _consequences(standings, records),
        "need": _need(standings),
        "phasing": _phasing(standings, records),
        "horizon": _horizon(standings, records),
        "combinations": _combinations(standings, "additive" if additive else "larger"),
        "conditions": _conditions(standings),
        "measures": _measures(standings),
        "missing": _missing(records, standings),
        "same_terms": _same_terms(records, measured),
    }
    if rank:
        tables |= _ranking(standings, records)
    tables["summary"] = _summary(standings, tables.get("ladder"))
    scores = _scoring(records)
    if scores is not None:
        tables["scoring"] = scores
    _refuse_undescribed(tables)
    return Appraised(tables, tuple(_warnings(standings, additive)), _facts(records, standings, rank, additive))


def _refuse_undescribed(tables: Mapping[str, pd.DataFrame]) -> None:
    """A table or column that `data_schemas/appraisal/` does not describe is not written. Raises DisclosureError (R601, R602)."""
    problems = []
    for name, frame in tables.items():
        described = table_schema("appraisal", name).names if name in schema_names("appraisal") else ()
        for column in map(str, frame.columns):
            if RANK_COLUMN.sub("p_rank_1", column) not in described:
                code, what = ("R602", f"column {name}.{column}") if described else ("R601", f"table {name!r}")
                problems.append(
                    Problem(code, f"the {what} has no schema", where="data_schemas/appraisal", do="describe it there")
                )
    if problems:
        raise DisclosureError(*problems)


def _refuse_other_terms(records: Records, measured: Mapping[str, Measured]) -> None:
    shared, problems = records.shared, []
    prices = _hash(records.home / shared.unit_costs) if shared.unit_costs else ""
    for name, run in measured.items():
        for what, here, there in (
            ("price year", shared.price_year or "", run.price_year),
            ("perspective", shared.perspective or "", run.perspective),
            ("unit-cost file", prices, run.unit_costs),
            ("disclosure profile", shared.profile, run.profile),
        ):
            if here != there and (here or what in ("price year", "perspective")):
                problems.append(
                    Problem(
                        "C196",
                        f"option {name}: the {what} of the run is {there[:12] or NOT_ENTERED} and of the appraisal {here[:12] or NOT_ENTERED}",
                        where=run.run, allowed="the same for all options",
                        do="enter the run's in appraisal.toml, or run the study again with the appraisal's",
                    )
                )  # fmt: skip
    if problems:
        raise InputError(*problems)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _usual(records: Records, measured: Mapping[str, Measured]) -> dict[str, float]:
    """Pounds of admissions for each person a year under care as usual, by population: as entered, else as a run found it.

    Raises InputError (C196) when a run found something else than what stands for the people it is said to be about.
    """
    usual = {p.name: entered(p.admission_cost) for p in records.shared.populations}
    problems = []
    for option in records.options:
        run, name = measured.get(option.id), records.population(option).name
        if run is None or math.isnan(run.usual):
            continue
        if math.isnan(usual[name]):
            usual[name] = run.usual
        elif not math.isclose(usual[name], run.usual, rel_tol=SAME_PEOPLE):
            problems.append(
                Problem(
                    "C196",
                    f"option {option.id}: under care as usual the people of the run cost {run.usual:,.0f} pounds a year and those of "
                    f"{name!r} {usual[name]:,.0f}: they are not the same people",
                    where=run.run, allowed=f"within {SAME_PEOPLE:.0%}",
                    do="give the option a population of its own, or leave admission_cost blank: it is then the run's",
                )
            )  # fmt: skip
    if problems:
        raise InputError(*problems)
    return usual


def _standing(records: Records, option: OptionRecord, run: Measured | None, known: Mapping[str, float]) -> Standing:
    population = records.population(option)
    usual = known[population.name]
    costs = cost_option(option, run)
    evidence = evidence_of(option, run, population, usual, records.shared.outcome, records.shared.transfer_factor)
    return Standing(option, population, run, costs, reach_of(option, costs, run), evidence, usual)


def _options_table(standings: list[Standing]) -> pd.DataFrame:
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
        "break_even_status": _break_even_status(s),
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
        "net_status": _net_status(s),
        "main_condition": s.option.main_condition,
    }


def _break_even_status(s: Standing) -> str:
    base = s.break_even[1]
    if s.option.reference:
        return "the reference: nothing to pay for"
    if s.reach.served[1] == 0:
        return NOBODY
    if math.isnan(base):
        return NOT_ENTERED
    if base > 1:
        return "not reachable: costs more than all admissions of the people served"
    return "ok"


def _net_status(s: Standing) -> str:
    if s.evidence.badge in NO_NET:
        return NO_NET[s.evidence.badge]
    if s.measured is not None and s.measured.why_not:
        return s.measured.why_not
    if not finite(s.evidence.averted):
        return "not entered: the cost of admissions under care as usual"
    if s.reach.served[1] == 0:
        return f"none: {NOBODY}"
    if not finite(s.net):
        return "not entered: the cost of the option or the people served"
    if s.net[1] > 0:
        return "cheaper than doing nothing over the whole interval"
    if s.net[2] < 0:
        return "dearer than doing nothing over the whole interval"
    return "cannot tell: the interval includes zero"


def _summary(standings: list[Standing], ladder: pd.DataFrame | None) -> pd.DataFrame:
    """Three sentences for the options of each population: cheapest, dominating, and what cannot be said."""
    rows = []
    names = {s.option.id: f"{s.option.id} {s.option.name}" for s in standings}
    for population in dict.fromkeys(s.population.name for s in standings if not s.option.reference):
        own = [s for s in standings if s.population.name == population and not s.option.reference]
        struck = None if ladder is None else _struck(ladder[ladder["population"] == population], names)
        lines = [
            Line(
                names[s.option.id], s.cost_person[1], s.reach.served[1], s.evidence.badge in RANKED, s.net[1], s.net[2],
                s.measured is None or s.measured.claims_saving,
            )
            for s in own
        ]  # fmt: skip
        rows += [(population, about, sentence) for about, sentence in three_sentences(lines, struck)]
    return pd.DataFrame(rows, columns=["population", "about", "sentence"])


def _struck(ladder: pd.DataFrame, names: Mapping[str, str]) -> dict[str, str]:
    """Of each option that another dominates at the estimates, by which; doing nothing is another sentence."""
    rows = ladder[ladder["words"].str.startswith("dominated by ")]
    return {names[str(o)]: str(words) for o, words in zip(rows["option"], rows["words"], strict=True)}


def _cost_lines(standings: list[Standing]) -> pd.DataFrame:
    parts = [s.costs.lines.assign(option=s.option.id) for s in standings if not s.costs.lines.empty]
    columns = ["option", "item", "kind", "wte", "annual_cost", "once", "years", "source"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _consequences(standings: list[Standing], records: Records) -> pd.DataFrame:
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


def _need(standings: list[Standing]) -> pd.DataFrame:
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


def _phasing(standings: list[Standing], records: Records) -> pd.DataFrame:
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


def _horizon(standings: list[Standing], records: Records) -> pd.DataFrame:
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


def _combinations(standings: list[Standing], rule: Rule) -> pd.DataFrame:
    """O5: each option over each it layers on. On the same person the larger effect counts; half-additive as sensitivity.

    Over the reference an option is itself, so that pair is left out.
    """
    by_id = {s.option.id: s for s in standings if not s.option.reference}
    rows = [
        _combination(upper, by_id[name], rule)
        for upper in by_id.values()
        for name in dict.fromkeys(upper.option.layers_on)
        if name in by_id and by_id[name].population.name == upper.population.name
    ]
    columns = ["combination", "people", "people_both", "cost_year", "cost_person", "break_even", "effect_both",
               "effect_half_additive", "rule", "net_saving", "net_low", "net_high", "status"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _combination(upper: Standing, lower: Standing, rule: Rule) -> dict[str, Any]:
    """One option over another. People reached by both: the smaller number; people reached: the larger."""
    both = (upper, lower)
    people = [s.reach.served[1] for s in both]
    reached, shared_people = (max(people), min(people)) if finite(people) else (NAN, NAN)
    cost = sum(s.costs.year for s in both)
    unknown = [s.option.id for s in both if not s.evidence.may_rank]
    shown = [s.evidence.reduction[0] if s.evidence.may_rank else NAN for s in both]
    net = [NAN if unknown else combined_pounds(upper, lower, rule, end) - cost for end in range(3)]
    return {
        "combination": f"{upper.option.id} over {lower.option.id}",
        "people": reached,
        "people_both": shared_people,
        "cost_year": cost,
        "cost_person": cost / reached,
        "break_even": cost / reached / upper.usual,
        "effect_both": combined_effect(shown, rule),
        "effect_half_additive": NAN if unknown else combined_effect(shown, "half_additive"),
        "rule": rule.replace("_", " "),
        "net_saving": net[0],
        "net_low": net[1],
        "net_high": net[2],
        "status": f"no measured effect of {' and '.join(unknown)}: cost is counted, no net figure is given"
        if unknown
        else "ok",
    }


def combined_pounds(upper: Standing, lower: Standing, rule: Rule, end: int) -> float:
    """Pounds a year averted by two options: people reached by both have the combined effect, the others their own.

    `end`: 0 the point, 1 the lower and 2 the upper ends of both intervals together.
    """
    wider, narrower = sorted((upper, lower), key=lambda s: -s.reach.served[1])
    both = narrower.reach.served[1]
    share = combined_effect([s.evidence.averted[end] / upper.usual for s in (upper, lower)], rule)
    return share * upper.usual * both + wider.evidence.averted[end] * (wider.reach.served[1] - both)


def _conditions(standings: list[Standing]) -> pd.DataFrame:
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


def _measures(standings: list[Standing]) -> pd.DataFrame:
    rows = [(s.option.id, m.name, entered(m.value), m.unit, m.source) for s in standings for m in s.option.measures]
    return pd.DataFrame(rows, columns=["option", "measure", "value", "unit", "source"])


def _missing(records: Records, standings: list[Standing]) -> pd.DataFrame:
    """O7: what is not entered, and what to measure first."""
    rows = [("all", key, "") for key in missing_of(records.shared)]
    for s in standings:
        rows += [(s.option.id, key, s.option.first_outcome) for key in missing_of(s.option)]
    return pd.DataFrame(rows, columns=["option", "missing", "measure_first"])


def _same_terms(records: Records, measured: Mapping[str, Measured]) -> pd.DataFrame:
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
        rows.append((what, Path(named).name or NOT_ENTERED, _hash(records.home / named) if named else ""))
    rows += [(f"run of option {key}", run.run, run.unit_costs) for key, run in measured.items()]
    rows += [("record", name, _hash(path)) for name, path in records.files]
    return pd.DataFrame(rows, columns=["what", "value", "sha256"])


def _ranking(standings: list[Standing], records: Records) -> dict[str, pd.DataFrame]:
    """Probability of each rank within a population, among M and E with an interval; the rest with the reason."""
    parts, rest = [], []
    for name in dict.fromkeys(s.population.name for s in standings):
        contenders = []
        for s in (s for s in standings if s.population.name == name):
            ready = s.evidence.may_rank and finite((s.costs.year, *s.reach.served))
            if ready:
                contenders.append(
                    Contender(
                        s.option.id, s.evidence.averted, s.evidence.level, s.costs.year, s.reach.served, s.costs.pay
                    )
                )
            elif not s.option.reference:
                rest.append((s.option.id, s.evidence.badge, _net_status(s)))
        if contenders:
            parts.append(rank_table(contenders, records.shared.seed, records.shared.draws).assign(population=name))
    ranking = pd.concat(parts, ignore_index=True) if parts else rank_table([], 0, 1).assign(population="")
    ranking.insert(1, "population", ranking.pop("population"))
    not_ranked = pd.DataFrame(rest, columns=["option", "badge", "why"])
    return {"ranking": ranking, "not_ranked": not_ranked, "ladder": _ladder(standings)}


def _ladder(standings: list[Standing]) -> pd.DataFrame:
    """The incremental ladder of each population: what each further admission avoided costs, at the estimates.

    Doing nothing and the options that may be ranked, as alternatives to each other. Cost is net of the admissions averted, so an
    option that saves dominates; without the number of admissions under care as usual there is no ladder.
    """
    parts = []
    reference = next(s.option.id for s in standings if s.option.reference)
    for name in dict.fromkeys(s.population.name for s in standings):
        known = {}
        for s in (s for s in standings if s.population.name == name and s.evidence.may_rank and not s.option.reference):
            averted = s.evidence.averted[0] * s.reach.served[1]
            figures = (s.costs.year - averted, averted / s.usual * entered(s.population.admissions))
            if finite(figures):
                known[s.option.id] = figures
        if known:
            parts.append(ladder_table(incremental_ladder({reference: (0.0, 0.0), **known})).assign(population=name))
    table = pd.concat(parts, ignore_index=True) if parts else ladder_table([]).assign(population="")
    table.insert(1, "population", table.pop("population"))
    return table


def _scoring(records: Records) -> pd.DataFrame | None:
    """O6: only when every criterion has its weights and every option but the reference all its scores."""
    criteria = records.shared.criteria
    scored = [o for o in records.options if o.scores]
    if not criteria or not scored or any(c.weight_low is None or c.weight_high is None for c in criteria):
        return None
    complete, values = [], []
    for option in scored:
        by = {s.criterion: (s.low, s.high) for s in option.scores}
        ends = [by.get(c.name, (None, None)) for c in criteria]
        if all(end is not None for pair in ends for end in pair):
            complete.append(option.id)
            values.append(ends)
    if not complete:
        return None
    weights = [(float(c.weight_low or 0), float(c.weight_high or 0)) for c in criteria]
    return scoring_table(complete, weights, np.array(values, dtype=float), records.shared.seed, records.shared.draws)


def _warnings(standings: list[Standing], additive: bool) -> Iterator[str]:
    for s in standings:
        if s.reach.gap > 0 and not s.reach.capacity[1] > 0:
            yield f"Option {s.option.id}: the staff entered can carry nobody of {s.reach.uptake:g} people, so there is no cost for each person."
        elif s.reach.gap > 0:
            yield (
                f"Option {s.option.id}: the staff entered can carry {s.reach.capacity[1]:g} of {s.reach.uptake:g} people "
                f"({s.reach.gap:g} short). Effect and cost per person are for those {s.reach.served[1]:g}; to cover the uptake "
                f"the cost would be {s.reach.to_cover:.3g} times as high."
            )
        if s.break_even[1] > 1:
            yield f"Option {s.option.id} cannot pay for itself by fewer admissions: it costs more than all of them."
        elif s.evidence.may_rank and s.break_even[1] > s.evidence.reduction[2]:
            yield f"Option {s.option.id}: its break-even lies beyond the whole interval of its effect."
    yield from _chains(standings)
    if additive:
        yield "Effects of combined options were added, as asked for; on the same person this counts more than the larger effect."


def _chains(standings: list[Standing]) -> Iterator[str]:
    """A combination is of two options: where three lie over one another, that nothing here is about all of them."""
    over = {s.option.id: s.option.layers_on for s in standings if not s.option.reference}
    for upper, below in over.items():
        for middle in (m for m in dict.fromkeys(below) if m in over):
            for lowest in (x for x in dict.fromkeys(over[middle]) if x in over):
                yield (
                    f"Options {upper}, {middle} and {lowest} lie over one another in a chain. Combinations are worked out two by two; no figure is for "
                    "somebody reached by all three, and the figures of the pairs must not be added."
                )


def _facts(records: Records, standings: list[Standing], rank: bool, additive: bool) -> dict[str, Any]:
    shared = records.shared
    plausible = shared.plausible_reduction
    too_far = [
        s.option.id for s in standings
        if not s.option.reference and s.break_even[1] > (s.evidence.reduction[2] if s.evidence.may_rank else 1.0 if plausible is None else plausible)
    ]  # fmt: skip
    texts = " ".join(
        [*(p.source for p in shared.populations), *(str(v) for s in standings for v in s.costs.lines["source"]),
         *(e.source for s in standings for e in s.option.effects)]
    )  # fmt: skip
    return {
        "title": shared.title or shared.name,
        "name": shared.name,
        "outcome": shared.outcome,
        "price_year": shared.price_year,
        "perspective": shared.perspective,
        "transfer_factor": shared.transfer_factor,
        "draws": shared.draws,
        "seed": shared.seed,
        "ranked": rank,
        "additive": additive,
        "plausible_reduction": plausible,
        "too_far": too_far,
        "populations": [p.name for p in shared.populations],
        "sentences": [
            (s.option.id, s.measured.effect_sentence, s.measured.money_sentence) for s in standings if s.measured
        ],
        "invented": "invented" in texts.lower() or any(s.measured.invented for s in standings if s.measured),
    }
