"""The folder of an appraisal: one record of what is shared, one record an option, and every contradiction at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aaot_eval.config.reading import read_record
from aaot_eval.errors import InputError, Problem
from aaot_eval.options.record import (
    CONTROLLED,
    MOST_TIMES,
    UNCONTROLLED,
    AppraisalRecord,
    EffectLine,
    OptionRecord,
    Population,
)

SHARED = "appraisal.toml"


@dataclass(frozen=True, slots=True)
class Records:
    """What was entered: the shared record and the options in the order of their ids, the reference first."""

    home: Path
    shared: AppraisalRecord
    options: tuple[OptionRecord, ...]
    files: tuple[tuple[str, Path], ...]

    @property
    def reference(self) -> OptionRecord:
        """The option of doing nothing different."""
        return next(o for o in self.options if o.reference)

    def population(self, option: OptionRecord) -> Population:
        """Who the option is for: the population it names, else the first."""
        named = {p.name: p for p in self.shared.populations}
        return named.get(option.people.population, self.shared.populations[0])


def read_appraisal(folder: Path) -> Records:
    """The records of a folder; InputError with every problem of every file (C100 to C104, C190 to C199)."""
    if not (folder / SHARED).is_file():
        raise InputError(
            Problem(
                "C190",
                f"{folder} holds no {SHARED}",
                do=f"make the templates with `aaot-eval options --init {folder}`",
            )
        )
    problems: list[Problem] = []
    shared: AppraisalRecord | None = None
    found: list[tuple[Path, OptionRecord]] = []
    try:
        shared = read_record(folder / SHARED, AppraisalRecord)
    except InputError as fault:
        problems += fault.problems
    for path in sorted(folder.glob("*.toml")):
        if path.name == SHARED:
            continue
        try:
            found.append((path, read_record(path, OptionRecord)))
        except InputError as fault:
            problems += fault.problems
    if shared is not None and not problems:
        problems = [*_set_problems(folder, found), *_shared_problems(folder / SHARED, shared)]
        for path, option in found:
            problems += _option_problems(path, option, shared)
    if problems or shared is None:
        raise InputError(*problems)
    found.sort(key=lambda pair: (not pair[1].reference, _natural(pair[1].id)))
    return Records(
        folder,
        shared,
        tuple(option for _, option in found),
        tuple((path.name, path) for path in (folder / SHARED, *(path for path, _ in found))),
    )


def _natural(text: str) -> tuple[bool, int, str]:
    """Numbers in their order, then letters."""
    return (not text.isdigit(), int(text) if text.isdigit() else 0, text)


def _set_problems(folder: Path, found: list[tuple[Path, OptionRecord]]) -> Iterator[Problem]:
    ids = Counter(option.id for _, option in found)
    for name, times in ids.items():
        if times > 1:
            yield Problem(
                "C191", f"the id {name!r} stands in {times} files", where=str(folder), do="give each its own id"
            )
    references = [path.name for path, option in found if option.reference]
    if len(references) != 1:
        yield Problem(
            "C191",
            f"{len(references)} options are the reference",
            where=f"{folder}: {', '.join(references)}" if references else str(folder),
            allowed="exactly one option with reference = true: doing nothing different",
            do="mark one option as the reference",
        )
    for path, option in found:
        for key, named in (("layers_on", option.layers_on), ("exclusive_with", option.exclusive_with)):
            for other in named:
                if other not in ids or other == option.id:
                    yield Problem(
                        "C191", f"{key} names {other!r}, which is not another option", where=str(path),
                        allowed=", ".join(sorted(ids, key=_natural)), do="name the id of another option",
                    )  # fmt: skip
    yield from _circles(folder, found)
    excluded = {(option.id, other) for _, option in found for other in option.exclusive_with}
    for path, option in found:
        for other in option.layers_on:
            if (option.id, other) in excluded or (other, option.id) in excluded:
                yield Problem(
                    "C197", f"{option.id} layers on {other} and the two exclude each other", where=str(path),
                    do="take one of the two away",
                )  # fmt: skip


def _circles(folder: Path, found: list[tuple[Path, OptionRecord]]) -> Iterator[Problem]:
    """A refusal of every set of options that lie over each other in a circle: nobody could say which is the upper one."""
    over = {option.id: option.layers_on for _, option in found}
    told: set[frozenset[str]] = set()
    for start in over:
        paths = [[start]]
        while paths:
            path = paths.pop()
            for below in over.get(path[-1], ()):
                if below == start and len(path) > 1 and frozenset(path) not in told:
                    told.add(frozenset(path))
                    yield Problem(
                        "C197", f"options lie over each other in a circle: {' over '.join([*path, start])}", where=str(folder),
                        allowed="layers_on names what lies below, so that of two options one lies over the other",
                        do="take one of these layers_on away",
                    )  # fmt: skip
                elif below not in path and below in over:
                    paths.append([*path, below])


def _shared_problems(path: Path, shared: AppraisalRecord) -> Iterator[Problem]:
    where = str(path)
    names = Counter(p.name for p in shared.populations)
    for name in (n for n, times in names.items() if times > 1):
        yield Problem("C198", f"two populations are called {name!r}", where=where, do="give each its own name")
    for population in shared.populations:
        place = f"{where}: population {population.name}"
        if (population.admissions or population.admission_cost) and not population.source:
            yield _no_source(place)
        if population.admission_cost is not None:
            yield from _year_problems(place, population.price_year, shared)
        need = [v for v in population.need.model_dump().values() if v is not None]
        if len(need) == 4 and population.eligible is not None and abs(sum(need) - population.eligible) > 0.5:
            yield Problem(
                "C198", f"the quadrants of need hold {sum(need):g} people and {population.eligible:g} are eligible",
                where=place, do="make the four add up to eligible",
            )  # fmt: skip
    if shared.horizon_years and shared.horizon_years > 1 and shared.discount_rate is None:
        yield Problem("C192", "a horizon of more than a year needs a discount rate", where=where,
                      allowed="a share such as 0.035; 0 for none", do="enter discount_rate")  # fmt: skip
    for key in ("people_file", "unit_costs"):
        named = getattr(shared, key)
        if named and not (path.parent / named).is_file():
            yield Problem(
                "C190", f"{key} names {named}, which is not a file", where=where, do="check the path, or leave it blank"
            )
    for criterion in shared.criteria:
        ends = (criterion.weight_low, criterion.weight_high)
        if (ends[0] is None) != (ends[1] is None) or (None not in ends and ends[0] > ends[1]):  # type: ignore[operator]
            yield Problem("C199", f"the weight of {criterion.name!r} is not a range", where=where,
                          do="give weight_low and weight_high, the lower first, or neither")  # fmt: skip


def _no_source(where: str) -> Problem:
    return Problem("C193", "a number has no source", where=where,
                   do="say where it comes from; write INVENTED for a made-up one")  # fmt: skip


def _year_problems(where: str, year: str | None, shared: AppraisalRecord) -> Iterator[Problem]:
    """All money of an appraisal stands in the pounds of one year."""
    if shared.price_year is None:
        yield Problem("C192", "an amount is entered and the appraisal has no price year", where=where,
                      do=f"enter price_year in {SHARED}")  # fmt: skip
    elif year is None:
        yield Problem("C192", "an amount has no price year", where=where, allowed=shared.price_year,
                      do="say which year's pounds it is in")  # fmt: skip
    elif year != shared.price_year:
        yield Problem(
            "C192", f"mixed price years: {year} here and {shared.price_year} for the appraisal", where=where,
            allowed=shared.price_year, do="give the amount in pounds of the appraisal's year, and say in source how",
        )  # fmt: skip


def _option_problems(path: Path, option: OptionRecord, shared: AppraisalRecord) -> Iterator[Problem]:
    where = str(path)
    priced = [
        *((f"staffing {s.role!r}", s.cost_per_wte, s.source, s.price_year) for s in option.staffing),
        *((f"non_pay {y.item!r}", y.amount, y.source, y.price_year) for y in option.non_pay),
        *((f"one_off {o.item!r}", o.amount, o.source, o.price_year) for o in option.one_off),
    ]
    for name, amount, source, year in priced:
        if amount is not None:
            if not source:
                yield _no_source(f"{where}: {name}")
            yield from _year_problems(f"{where}: {name}", year, shared)
    if option.capacity.base is not None and not option.capacity.source:
        yield _no_source(f"{where}: capacity")
    for measure in option.measures:
        if measure.value is not None and not measure.source:
            yield _no_source(f"{where}: measure {measure.name!r}")
    yield from _people_problems(where, option, shared)
    for line in option.effects:
        yield from _effect_problems(f"{where}: effect on {line.outcome!r}", line, shared)
        yield from _more_than_there_are(f"{where}: effect on {line.outcome!r}", line, option, shared)
    if sum(line.outcome == shared.outcome for line in option.effects) > 1:
        yield Problem("C194", f"more than one effect line on {shared.outcome!r}", where=where,
                      do="keep the one the appraisal shall use, and say in its source why")  # fmt: skip
    if option.reference and any(amount for _, amount, _, _ in priced):
        yield Problem("C196", "the reference has costs; doing nothing different adds none", where=where,
                      do="record what it costs today under measures")  # fmt: skip
    if option.reference and (option.run or any(line.value is not None for line in option.effects)):
        yield Problem("C196", "the reference has an effect; the others are measured against it", where=where,
                      do="take its run and effect values away")  # fmt: skip
    if option.run:
        typed = [name for name, amount, _, _ in priced if amount is not None]
        typed += [
            f"effect on {e.outcome!r}" for e in option.effects if e.outcome == shared.outcome and e.value is not None
        ]
        typed += ["capacity"] if option.capacity.base is not None else []
        if typed:
            yield Problem("C196", f"the run is the record of this option, and numbers are entered too: {', '.join(typed)}",
                          where=where, do="leave them blank, or take the run away")  # fmt: skip
    yield from _score_problems(where, option, shared)


def _people_problems(where: str, option: OptionRecord, shared: AppraisalRecord) -> Iterator[Problem]:
    named = {p.name: p for p in shared.populations}
    if option.people.population and option.people.population not in named:
        yield Problem("C198", f"there is no population {option.people.population!r}", where=where,
                      allowed=", ".join(named), do=f"name one of {SHARED}")  # fmt: skip
        return
    population = named.get(option.people.population, shared.populations[0])
    uptake = option.people.uptake
    if uptake is not None and population.eligible is not None and uptake > population.eligible:
        yield Problem("C198", f"the uptake of {uptake:g} is more than the {population.eligible:g} people eligible",
                      where=where, do="mend people.uptake, or eligible of the population")  # fmt: skip
    for key, reached in option.people.uptake_by_need.model_dump().items():
        there = getattr(population.need, key)
        if reached is not None and there is not None and reached > there:
            yield Problem("C198", f"uptake_by_need.{key} is {reached:g} and {there:g} people are there", where=where,
                          do="mend one of the two")  # fmt: skip


def _effect_problems(where: str, line: EffectLine, shared: AppraisalRecord) -> Iterator[Problem]:
    if line.value is not None and not line.source:
        yield _no_source(where)
    if line.value is not None and line.badge is None:
        yield Problem("C194", "a value has no badge", where=where,
                      allowed="E controlled, B before and after; M comes from a run", do="enter badge")  # fmt: skip
    if line.badge == "X" and line.value is not None:
        yield Problem("C194", "badge X is opinion or theory and carries no number", where=where,
                      do="take the value away, or give the study's design and its badge")  # fmt: skip
    if line.badge == "E" and line.value is not None:
        if line.design not in CONTROLLED:
            yield Problem("C194", "badge E needs a study with a comparison", where=where, allowed=", ".join(CONTROLLED),
                          do="give the design, or badge B")  # fmt: skip
        if line.low is None or line.high is None:
            yield Problem("C194", "badge E needs the interval", where=where, do="enter low and high as published")
        if not line.similar_people:
            yield Problem("C194", "badge E is for people like those of the appraisal", where=where,
                          do="set similar_people = true when they are, and describe them; else badge X without a value")  # fmt: skip
        if shared.transfer_factor is None:
            yield Problem("C195", f"an effect measured elsewhere is used, and {SHARED} has no transfer factor", where=where,
                          allowed="1 or more: how many times wider the interval becomes", do="enter transfer_factor")  # fmt: skip
    if line.badge == "B" and line.value is not None and line.design not in (*UNCONTROLLED, *CONTROLLED):
        yield Problem(
            "C194", "badge B needs the study's design", where=where, allowed=", ".join(UNCONTROLLED), do="enter design"
        )


def _more_than_there_are(
    where: str, line: EffectLine, option: OptionRecord, shared: AppraisalRecord
) -> Iterator[Problem]:
    """A difference is in admissions for each person a year, and cannot take away more than people have."""
    people = {p.name: p for p in shared.populations}.get(option.people.population, shared.populations[0])
    rate = people.admissions
    if line.measure != "difference" or line.outcome != shared.outcome or line.value is None or not rate:
        return
    if line.value < -rate or line.value > (MOST_TIMES - 1) * rate:
        yield Problem("C194", f"a difference of {line.value:g} for each person a year, where people of {people.name!r} have {rate:g}",
                      where=where, allowed=f"from {-rate:g} (all of them) to {(MOST_TIMES - 1) * rate:g}",
                      do="enter the difference for one person and one year, negative for fewer")  # fmt: skip


def _score_problems(where: str, option: OptionRecord, shared: AppraisalRecord) -> Iterator[Problem]:
    known = [c.name for c in shared.criteria]
    for score in option.scores:
        place = f"{where}: score of {score.criterion!r}"
        if score.criterion not in known:
            yield Problem("C199", "there is no such criterion", where=place, allowed=", ".join(known) or "none",
                          do=f"add it to criteria in {SHARED}")  # fmt: skip
        if (score.low is None) != (score.high is None) or (score.low is not None and score.low > (score.high or 0)):
            yield Problem(
                "C199", "a score is a range", where=place, do="give low and high, the lower first, or neither"
            )
        if score.low is not None and not score.reason:
            yield Problem("C199", "a score has no reason", where=place, do="write the reason")
