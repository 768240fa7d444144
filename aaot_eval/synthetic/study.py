"""A made-up study in memory: people and admissions with and without the service, before anything is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aaot_eval.errors import Problem, UsageError
from aaot_eval.synthetic.scenarios import SCENARIOS, Scenario
from aaot_eval.synthetic.service import RULE_MONTHS, Caseload, Effect, apply_service, take_on, together
from aaot_eval.synthetic.world import (
    SITE_CODES,
    Calendar,
    Ints,
    Site,
    SiteWorld,
    Stays,
    draw_site,
    joined,
    lay_out_sites,
)
from aaot_eval.synthetic.worlds import (
    PANDEMIC_FIRST_MONTH,
    Recording,
    World,
    after_deaths,
    chosen_worlds,
    in_worlds,
    refuse_worlds_without_sites,
    through_pandemic,
    with_closing,
)

MONTHS_BETWEEN_STARTS = 3
LEAST_MONTHS_AFTER = 6
#: The longest name of a study, with room for the word that the one of a panel has more.
LONGEST_NAME = 55


@dataclass(frozen=True, slots=True)
class Study:
    """A simulated study before anything is written: the world without the service, the caseload, and the effect."""

    scenario: Scenario
    seed: int
    calendar: Calendar
    sites: tuple[Site, ...]
    worlds: tuple[SiteWorld, ...]
    stays: Stays
    caseload: Caseload
    effect: Effect
    fooled_by: tuple[World, ...] = ()

    @property
    def recording(self) -> Recording:
        """How the study comes into the records."""
        names = [w.name for w in self.fooled_by]
        return Recording(names, self.seed, self.sites, self.calendar, self.caseload, self.scenario.site_ratio)

    @property
    def parts(self) -> tuple[str, ...]:
        """The scenario and the worlds switched on in addition."""
        return (self.scenario.name, *(w.name for w in self.fooled_by))

    @property
    def named(self) -> str:
        """The name of the study: scenario, worlds and seed; many worlds are counted, because a name has an end."""
        whole = f"simulated_{'_'.join(self.parts)}_{self.seed}"
        counted = f"simulated_{self.scenario.name}_{len(self.fooled_by)}_worlds_{self.seed}"
        return whole if len(whole) <= LONGEST_NAME else counted

    def deaths(self) -> tuple[Ints, Ints]:
        """The people who die, in the order of their numbers, and the day of each death."""
        return _deaths(self.worlds)


def draw_study(
    *,
    scenario: str = "effect",
    seed: int = 1,
    sites: int = 14,
    treated: int = 3,
    months: int = 60,
    launch_after: int = 36,
    first_month: str | None = None,
    size: float = 1.0,
    worlds: Sequence[str] = (),
) -> Study:
    """The study that `simulate_study` writes, in memory; the same arguments and the same refusals."""
    fooled_by = chosen_worlds(worlds)
    world = in_worlds(_scenario(scenario), fooled_by)
    first_month = first_month or first_month_of(fooled_by)
    if world.one_trust:
        sites = treated = 1
    _refuse_what_cannot_be(sites, treated, months, launch_after, first_month, size)
    calendar = Calendar.of(first_month, months)
    places = lay_out_sites(
        seed, sites=sites, treated=treated, launch_after=launch_after, size=size, one_trust=world.one_trust
    )
    refuse_worlds_without_sites(fooled_by, places)
    places, names = with_closing(places, fooled_by), {w.name for w in fooled_by}
    drawn = [draw_site(seed, site, sites, calendar, world.illness) for site in places]
    if "pandemic" in names:
        drawn = through_pandemic(seed, drawn, places, calendar)
    caseload = together(
        [take_on(seed, s, w, calendar, selection=world.selection) for s, w in zip(places, drawn, strict=True)]
    )
    if "unequal_deaths" in names:
        drawn, caseload = after_deaths(seed, drawn, caseload, calendar)
    stays = joined([w.stays for w in drawn])
    effect = apply_service(seed, world, stays, caseload, _deaths(drawn), places, calendar)
    return Study(world, seed, calendar, places, tuple(drawn), stays, caseload, effect, fooled_by)


def _scenario(name: str) -> Scenario:
    if name not in SCENARIOS:
        raise UsageError(
            Problem("C151", f"there is no scenario {name!r}", allowed=", ".join(SCENARIOS), do="name one of them")
        )
    return SCENARIOS[name]


def first_month_of(worlds: Sequence[World]) -> str:
    """The month in which a study begins when none is named: earlier with a pandemic, so that it lies inside."""
    return PANDEMIC_FIRST_MONTH if "pandemic" in {w.name for w in worlds} else "2021-07"


def _refuse_what_cannot_be(
    sites: int, treated: int, months: int, launch_after: int, first_month: str, size: float
) -> None:
    problems = []
    if not 1 <= sites <= len(SITE_CODES) or not 0 <= treated <= sites:
        problems.append(
            Problem(
                "C153",
                f"{treated} treated of {sites} sites cannot be simulated",
                allowed=f"1 to {len(SITE_CODES)} sites, and no more treated ones than sites",
                do="take more sites, or fewer treated ones",
            )
        )
    last_start = launch_after + MONTHS_BETWEEN_STARTS * max(treated - 1, 0)
    if launch_after < RULE_MONTHS or last_start + LEAST_MONTHS_AFTER > months:
        problems.append(
            Problem(
                "C154",
                f"services from month {launch_after} on, three months apart, do not fit into {months} months",
                allowed=f"{RULE_MONTHS} months or more before the first start, {LEAST_MONTHS_AFTER} after the last",
                do="take more months, fewer treated sites or an earlier launch",
            )
        )
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", first_month):
        problems.append(
            Problem(
                "C155",
                f"the first month {first_month!r} is not a month",
                allowed="a month such as 2021-07",
                do="write year and month",
            )
        )
    if not 0.01 <= size <= 1000:
        problems.append(
            Problem(
                "C156",
                f"a size of {size} cannot be simulated",
                allowed="0.01 to 1000",
                do="take a size between them; 1 is usual",
            )
        )
    if problems:
        raise UsageError(*problems)


def _deaths(worlds: Sequence[SiteWorld]) -> tuple[Ints, Ints]:
    dead = [w.people.death_day >= 0 for w in worlds]
    return (
        np.concatenate([w.people.number[d] for w, d in zip(worlds, dead, strict=True)]),
        np.concatenate([w.people.death_day[d] for w, d in zip(worlds, dead, strict=True)]),
    )
