"""The worlds that fool evaluations: each can be switched on by itself, together with others, and in any scenario.

What each one does, as equations, and what may honestly be said in it: docs/methods/testbed.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from aaot_eval.errors import Problem, UsageError
from aaot_eval.results import generator
from aaot_eval.synthetic.people import share_of
from aaot_eval.synthetic.scenarios import SCENARIOS, Illness, Scenario, Selection
from aaot_eval.synthetic.service import Caseload, referral_days
from aaot_eval.synthetic.world import (
    ALCOHOL,
    EMERGENCIES,
    OTHER,
    Attendances,
    Calendar,
    Floats,
    Ints,
    Mask,
    Site,
    SiteWorld,
    Stays,
    cut_at_death,
)

# Invented sizes; docs/methods/testbed.md states them as equations.
RECODED = 0.20
DISPLACED = 0.50
SPILLED = 0.50
NEIGHBOURS = 4
LATE = (0.75, 0.50, 0.25)
DEATHS_A_MONTH = 0.05
MERGED_AFTER = 6
CLOSED_AFTER = 14
PANDEMIC_MONTH, PANDEMIC_MONTHS = "2020-03", 20
PANDEMIC_FIRST_MONTH = "2017-07"
FIRST_WAVE, SECOND_WAVE, SECOND_AFTER = 0.45, 0.30, 10
WAVE_LASTS = 5.0
SITES_DIFFER = (0.6, 1.4)
OTHERS_FALL_MORE = 1.2

#: What an evaluation may always say without being wrong: it makes no claim, or names the doubt beside the result.
WITHHELD = ("lower_but", "higher_but", "cannot_tell", "too_early", "no_estimate", "refused")
CLAIMS = ("lower", "higher", "no_effect")


@dataclass(frozen=True, slots=True)
class World:
    """One thing that fools evaluations.

    `fooled` is what somebody concludes who does not look for it; `honest` what a careful evaluation is expected to say.
    `selection` and `illness` are set where the world is about who is taken on; `least_ratio` is the strongest fall that
    can come about there, because people who die, or were taken on at a passing peak, have fewer admissions left to prevent.
    """

    name: str
    title: str
    switched_on: str
    fooled: str
    honest: str
    selection: Selection | None = None
    illness: Illness | None = None
    least_ratio: float = 0.0


PEAKS = SCENARIOS["regression_to_mean"].illness

WORLDS: dict[str, World] = {
    w.name: w
    for w in (
        World(
            "coding_lost",
            "Treated sites stop recording alcohol on some admissions when the service starts",
            f"from the go-live on, {RECODED:.0%} of the alcohol-specific admissions of a treated site are coded without alcohol",
            "a fall that is only one of codes",
            "the fall is doubted, because other emergency admissions of the same sites rise at the same time",
        ),
        World(
            "coding_found",
            "Treated sites begin to record alcohol on all admissions when the service starts",
            f"before the go-live, {RECODED:.0%} of the alcohol-specific admissions of a treated site are coded without alcohol",
            "harm that is only one of codes, or a fall that is hidden",
            "the rise is doubted, or nothing is told",
        ),
        World(
            "displaced_to_ed",
            "People on the caseload are seen in the emergency department instead of being admitted",
            f"{DISPLACED:.0%} of the caseload's alcohol-specific admissions end as attendances without admission",
            "a fall of admissions that is no fall of need",
            "the fall is doubted, because attendances of the same sites rise",
        ),
        World(
            "displaced_elsewhere",
            "People on the caseload go to a neighbouring hospital",
            f"{DISPLACED:.0%} of the caseload's alcohol-specific admissions happen at a comparison site",
            "a fall at the treated site, made twice as large by the rise in its comparison",
            "the fall is doubted, because the admissions of the people of these sites, wherever they were, did not fall as much",
        ),
        World(
            "unequal_deaths",
            "People on the caseload die more often",
            f"a further chance of death of {DEATHS_A_MONTH:g} a month since referral",
            "a fall because those who would be admitted are dead",
            "the fall is doubted, because deaths rose at the treated sites",
            least_ratio=0.85,
        ),
        World(
            "pandemic",
            "Admissions collapse and recover at every site, unequally, while services start",
            f"from {PANDEMIC_MONTH} on emergencies fall by up to {FIRST_WAVE:.0%} in two waves, {SITES_DIFFER[0]:g} to {SITES_DIFFER[1]:g} times as deep by site",
            "a fall in every series that starts there",
            "the comparison over sites is right; it may say that it cannot tell",
        ),
        World(
            "merger",
            "A comparison site is taken over by a treated one",
            f"{MERGED_AFTER} months after the first go-live the records of a comparison site carry the code of the treated one",
            "a rise at the treated site, or an effect that is hidden by it",
            "a refusal or a doubt, because one provider ends and another one jumps in the same month",
        ),
        World(
            "late_data",
            "The last months of the treated sites are not complete",
            "of the records of treated sites only 75, 50 and 25 % are in the files for the last three months",
            "a fall in the newest months",
            "a refusal or a doubt, because all emergencies of these sites fall in the last months",
        ),
        World(
            "closing",
            "A service closes",
            f"the first service stops {CLOSED_AFTER} months after its go-live, which the sites table says; its effect ends there",
            "an effect diluted by the months after the end",
            "the effect while the services ran",
        ),
        World(
            "spill_over",
            "Comparison sites copy the service",
            f"since the first go-live {NEIGHBOURS} comparison sites have {SPILLED:.0%} of the site-level effect",
            "an effect that is too small, or none",
            "the direction of the effect, or that it cannot be told",
        ),
        World(
            "severity",
            "People are taken on for a lasting severity that the extract does not show",
            "referral of the people with the highest lasting severity, whatever their last twelve months",
            "matching on recent admissions reads harm or hides the effect",
            "the comparison over sites is right, for it never asks who was taken on",
            selection="severity",
            least_ratio=0.82,
        ),
        World(
            "peak",
            "People are taken on at a passing peak",
            "short, strong relapses, and referral in the month after one",
            "a before-after fall by 40 % without any effect",
            "the comparison over sites is right, for it never asks who was taken on",
            selection="peak",
            illness=PEAKS,
            least_ratio=0.90,
        ),
        World(
            "mixed_selection",
            "People are taken on at a peak, and known heavy users also without one",
            "half by a peak, half by lasting severity",
            "every method that removes one of the two only",
            "the comparison over sites is right, for it never asks who was taken on",
            selection="mixed",
            illness=PEAKS,
            least_ratio=0.85,
        ),
    )
}


def chosen_worlds(names: Sequence[str]) -> tuple[World, ...]:
    """The worlds of these names, in the order of WORLDS, each once. Raises UsageError for unknown or contradictory ones."""
    unknown = [n for n in dict.fromkeys(names) if n not in WORLDS]
    problems = [
        Problem("C240", f"there is no world {n!r}", allowed=", ".join(WORLDS), do="name one of them") for n in unknown
    ]
    chosen = tuple(w for name, w in WORLDS.items() if name in names)
    selections = [w.name for w in chosen if w.selection]
    if len(selections) > 1:
        problems.append(
            Problem(
                "C241",
                f"people can be taken on in one way only: {', '.join(selections)}",
                allowed="one of " + ", ".join(n for n, w in WORLDS.items() if w.selection),
                do="leave out the others",
            )
        )
    if problems:
        raise UsageError(*problems)
    return chosen


def refuse_worlds_without_sites(worlds: Sequence[World], sites: Sequence[Site]) -> None:
    """UsageError where a world needs a treated site, or one without a service, and there is none."""
    needs = {"displaced_elsewhere", "merger", "spill_over"}
    asked = [w.name for w in worlds if w.name in needs]
    if asked and not (any(s.go_live is None for s in sites) and any(s.go_live is not None for s in sites)):
        raise UsageError(
            Problem(
                "C242",
                f"{', '.join(asked)} happens between a site with a service and one without",
                allowed="at least one treated site and one comparison site",
                do="simulate more sites, or leave this world out",
            )
        )


def in_worlds(scenario: Scenario, worlds: Sequence[World]) -> Scenario:
    """The scenario with the people of the worlds: who is ill in which way, and who is taken on."""
    illness = next((w.illness for w in worlds if w.illness), scenario.illness)
    selection = next((w.selection for w in worlds if w.selection), None)
    ratio = max([scenario.site_ratio, *(w.least_ratio for w in worlds if scenario.site_ratio < 1)])
    if ratio != scenario.site_ratio:
        what = f"an effect: rate ratio {ratio:.2f} over the treated sites, through the caseload"
        title = f"The service lowers alcohol-specific emergency admissions by {1 - ratio:.0%}"
        scenario = replace(scenario, site_ratio=ratio, switched_on=what, title=title)
    return replace(scenario, illness=illness, selection=selection or scenario.selection)


def expected(scenario: Scenario, worlds: Sequence[World]) -> dict[str, Any]:
    """What may be said in these worlds: the right claim, what is always honest, and what is wrong."""
    right = "lower" if scenario.site_ratio < 1 else "higher" if scenario.site_ratio > 1 else "no_effect"
    # One trust alone has nothing to compare with, so no claim of a direction is ever honest there.
    rightly = [] if scenario.one_trust else [right]
    return {
        "right": rightly,
        "honest": list(WITHHELD),
        "wrong": [w for w in CLAIMS if w not in rightly],
        "why": {w.name: w.honest for w in worlds},
    }


def judged(verdict: str, scenario: Scenario) -> Literal["right", "withheld", "fooled"]:
    """Whether a verdict is right in a scenario, honestly withheld, or wrong. Raises ValueError for an unknown word."""
    if verdict in WITHHELD:
        return "withheld"
    if verdict not in CLAIMS:
        raise ValueError(f"{verdict!r} is no verdict: {', '.join((*CLAIMS, *WITHHELD))}")
    return "right" if verdict in expected(scenario, ())["right"] else "fooled"


def with_closing(sites: tuple[Site, ...], worlds: Sequence[World]) -> tuple[Site, ...]:
    """The sites, the first to go live with the month in which its service stops."""
    started = [s.go_live for s in sites if s.go_live is not None]
    if not started or "closing" not in {w.name for w in worlds}:
        return sites
    return tuple(replace(s, stopped=s.go_live + CLOSED_AFTER) if s.go_live == min(started) else s for s in sites)


def _coin(person: Ints, day: Ints, seed: int, lane: int) -> Floats:
    """A fixed uniform number for each person and day, so that a record has the same fate in memory and in files."""
    return share_of(person * np.int64(8192) + day % np.int64(8192), seed, lane)


def pandemic_depth(seed: int, sites: int, calendar: Calendar) -> Floats:
    """The share of alcohol-specific admissions that does not happen, by site and month (sites x months)."""
    first = (np.datetime64(PANDEMIC_MONTH, "M") - calendar.first.astype("datetime64[M]")).astype(np.int64)
    since = np.arange(calendar.months) - first
    inside = (since >= 0) & (since < PANDEMIC_MONTHS)
    wave = FIRST_WAVE * np.exp(-np.maximum(since, 0) / WAVE_LASTS)
    wave = wave + np.where(since >= SECOND_AFTER, SECOND_WAVE * np.exp(-(since - SECOND_AFTER) / WAVE_LASTS), 0.0)
    differ = generator(seed, "pandemic").uniform(*SITES_DIFFER, sites)
    return np.asarray(np.minimum(np.where(inside, wave, 0.0)[None, :] * differ[:, None], 0.9))


def through_pandemic(seed: int, worlds: Sequence[SiteWorld], sites: Sequence[Site], calendar: Calendar) -> list[SiteWorld]:  # fmt: skip
    """The worlds without the admissions and attendances that the pandemic kept away."""
    rule = Recording(("pandemic",), seed, sites, calendar, None, 1.0)
    kept = []
    for world in worlds:
        stays, seen, _ = rule.stays(world.stays)
        visits, came = rule.attendances(world.attendances)
        kept.append(SiteWorld(world.people, stays.take(seen), visits.take(came)))
    return kept


def after_deaths(
    seed: int, worlds: Sequence[SiteWorld], caseload: Caseload, calendar: Calendar
) -> tuple[list[SiteWorld], Caseload]:
    """Worlds and caseload with the further deaths of people on the caseload; nothing of theirs happens afterwards."""
    rng = generator(seed, "further deaths")
    waits = rng.exponential(30.4375 / DEATHS_A_MONTH, len(caseload)).astype(np.int64)
    day = caseload.day + 1 + waits
    after, died_at = [], np.full(len(caseload), -1)
    for world in worlds:
        people = world.people
        at = np.searchsorted(people.number, caseload.person)
        mine = (at < len(people.number)) & (people.number[at.clip(max=len(people.number) - 1)] == caseload.person)
        at, when = at[mine], day[mine]
        dies = (when < calendar.end) & ((people.death_day[at] < 0) | (when < people.death_day[at]))
        death, left = people.death_day.copy(), people.left.copy()
        death[at[dies]], left[at[dies]] = when[dies], calendar.month_of(when[dies])
        died_at[mine] = death[at]
        local = np.searchsorted(people.number, world.stays.person)
        seen = np.searchsorted(people.number, world.attendances.person)
        alive = (death[seen] < 0) | (world.attendances.day <= death[seen])
        stays = cut_at_death(world.stays, death[local])
        after.append(SiteWorld(replace(people, death_day=death, left=left), stays, world.attendances.take(alive)))
    ended = np.where((died_at >= 0) & ((caseload.ended_day < 0) | (died_at < caseload.ended_day)), died_at, caseload.ended_day)  # fmt: skip
    reason = tuple("died" if e == d and d >= 0 else r for e, d, r in zip(ended, died_at, caseload.reason, strict=True))
    return after, replace(caseload, ended_day=ended, reason=reason)


class Recording:
    """How what happens comes into the records: the worlds that change records, not people.

    `stays` and `attendances` may be given in any portions: the fate of a record depends on its person and day alone.
    """

    def __init__(self, worlds: Sequence[str], seed: int, sites: Sequence[Site], calendar: Calendar,
                 caseload: Caseload | None, site_ratio: float) -> None:  # fmt: skip
        self._on, self._seed, self._calendar, self._caseload = set(worlds), seed, calendar, caseload
        n = len(sites)
        never = calendar.months
        self._go_live = np.array([never if s.go_live is None else s.go_live for s in sites])
        self._first = int(self._go_live.min(initial=never))
        self._treated = self._go_live < never
        others = np.flatnonzero(~self._treated)
        order = generator(seed, "neighbours").permutation(others)
        self._spills = np.isin(np.arange(n), order[:NEIGHBOURS])
        self._neighbour = np.arange(n)
        if len(order):
            self._neighbour[self._treated] = order[np.arange(int(self._treated.sum())) % len(order)]
        self._merged, self._into = (int(order[-1]), int(self._go_live.argmin())) if len(order) else (-1, -1)
        self._spilled = max(0.0, SPILLED * (1 - site_ratio))
        self._depth = pandemic_depth(seed, n, calendar)
        kept = np.ones((n, calendar.months))
        for back, share in enumerate(reversed(LATE), start=1):
            kept[self._treated, calendar.months - back] = share
        self._late = kept

    def stays(self, stays: Stays) -> tuple[Stays, Mask, Mask]:
        """The stays as recorded, which of them are in the files, and which are seen as attendances instead."""
        month = self._calendar.month_of(stays.start)
        site, kind = stays.site.copy(), stays.kind.copy()
        seen, visits = np.ones(len(stays), dtype=bool), np.zeros(len(stays), dtype=bool)
        coin = [_coin(stays.person, stays.start, self._seed, lane) for lane in range(20, 25)]
        alcohol = stays.kind == ALCOHOL
        if "pandemic" in self._on:
            depth = self._depth[stays.site, month]
            depth = np.where(alcohol, depth, np.minimum(OTHERS_FALL_MORE * depth, 0.95))
            seen &= ~(np.isin(stays.kind, EMERGENCIES) & ~stays.died & (coin[0] < depth))
        if "spill_over" in self._on:
            seen &= ~(alcohol & self._spills[stays.site] & (month >= self._first) & (coin[1] < self._spilled))
        if self._caseload is not None and self._on & {"displaced_to_ed", "displaced_elsewhere"}:
            theirs = alcohol & ~stays.died & (stays.start >= referral_days(stays.person, self._caseload))
            theirs &= self._treated[stays.site]
            if "displaced_to_ed" in self._on:
                visits = theirs & (coin[2] < DISPLACED)
                seen &= ~visits
            if "displaced_elsewhere" in self._on:
                site = np.where(theirs & (1 - coin[2] < DISPLACED), self._neighbour[site], site)
        running = month >= self._go_live[stays.site]
        without = {"coding_lost": running, "coding_found": ~running}
        for name, when in without.items():
            if name in self._on:
                kind[alcohol & self._treated[stays.site] & when & (coin[3] < RECODED)] = OTHER
        moved_to = stays.moved_to.copy()
        if "merger" in self._on:
            site = np.where((site == self._merged) & self._after_merger(month), self._into, site)
            moved_to = np.where((moved_to == self._merged) & self._after_merger(month), self._into, moved_to)
        if "late_data" in self._on:
            seen &= coin[4] < self._late[site, month]
        return replace(stays, site=site, kind=kind, moved_to=moved_to), seen, visits

    def attendances(self, attendances: Attendances) -> tuple[Attendances, Mask]:
        """The attendances as recorded, and which of them are in the files."""
        month = self._calendar.month_of(attendances.day)
        site, seen = attendances.site.copy(), np.ones(len(attendances), dtype=bool)
        if "pandemic" in self._on:
            depth = np.minimum(OTHERS_FALL_MORE * self._depth[site, month], 0.95)
            seen &= attendances.admitted | (_coin(attendances.person, attendances.day, self._seed, 25) >= depth)
        if "merger" in self._on:
            site = np.where((site == self._merged) & self._after_merger(month), self._into, site)
        if "late_data" in self._on:
            seen &= _coin(attendances.person, attendances.day, self._seed, 24) < self._late[site, month]
        return replace(attendances, site=site), seen

    def _after_merger(self, month: Ints) -> Mask:
        return np.asarray(month >= self._first + MERGED_AFTER, dtype=bool)
