"""One option worked out: its cost, reach and evidence, what it must do to pay for itself, and why it has no net figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from aaot_eval.errors import InputError, Problem
from aaot_eval.options.costing import NAN, Costs, Reach, cost_option, entered, finite, reach_of
from aaot_eval.options.evidence import RANKED, Evidence, evidence_of
from aaot_eval.options.measured import Measured
from aaot_eval.options.reading import Records
from aaot_eval.options.record import OptionRecord, Population

NOT_ENTERED = "not entered"
NOBODY = "nobody is served: the staff or the people entered are 0"
#: A run's people are those of the appraisal when care as usual costs the same but for another cut of the same extract.
SAME_PEOPLE = 0.1
NAN_INTERVAL = (NAN, NAN, NAN)
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


def standing_of(records: Records, option: OptionRecord, run: Measured | None, known: Mapping[str, float]) -> Standing:
    """One option worked out. `known`: pounds of admissions for each person a year under care as usual, by population."""
    population = records.population(option)
    usual = known[population.name]
    costs = cost_option(option, run)
    evidence = evidence_of(option, run, population, usual, records.shared.outcome, records.shared.transfer_factor)
    return Standing(option, population, run, costs, reach_of(option, costs, run), evidence, usual)


def usual_costs(records: Records, measured: Mapping[str, Measured]) -> dict[str, float]:
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


def break_even_status(s: Standing) -> str:
    """Why there is no break-even, or that it cannot be reached; `ok` when it stands."""
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


def net_status(s: Standing) -> str:
    """What may be said of the net saving, or why there is none."""
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
