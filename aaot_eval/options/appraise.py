"""All options on the same people, prices and horizon: tables, warnings, and what they stand on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aaot_eval.errors import DisclosureError, InputError, Problem
from aaot_eval.options.combining import combinations
from aaot_eval.options.evidence import RANKED
from aaot_eval.options.measured import Measured
from aaot_eval.options.ranking import rankings, scorings
from aaot_eval.options.reading import Records
from aaot_eval.options.saying import Line, three_sentences
from aaot_eval.options.standing import NOT_ENTERED, Standing, standing_of, usual_costs
from aaot_eval.options.tables import (
    conditions,
    consequences,
    cost_lines,
    hash_of,
    horizon,
    measures,
    missing,
    need,
    options_table,
    phasing,
    same_terms,
)
from aaot_eval.schema import schema_names, table_schema

RANK_COLUMN = re.compile(r"p_rank_\d+")  # one column a rank, described once


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
    usual = usual_costs(records, measured)
    standings = [standing_of(records, option, measured.get(option.id), usual) for option in records.options]
    tables = {
        "options": options_table(standings),
        "cost_lines": cost_lines(standings),
        "consequences": consequences(standings, records),
        "need": need(standings),
        "phasing": phasing(standings, records),
        "horizon": horizon(standings, records),
        "combinations": combinations(standings, "additive" if additive else "larger"),
        "conditions": conditions(standings),
        "measures": measures(standings),
        "missing": missing(records, standings),
        "same_terms": same_terms(records, measured),
    }
    if rank:
        tables |= rankings(standings, records)
    tables["summary"] = _summary(standings, tables.get("ladder"))
    scores = scorings(records)
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
    prices = hash_of(records.home / shared.unit_costs) if shared.unit_costs else ""
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
