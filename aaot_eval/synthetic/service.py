"""The service: who is taken on, and what it does to their alcohol-specific emergency admissions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from aaot_eval.errors import InputError, Problem
from aaot_eval.results import generator
from aaot_eval.synthetic.scenarios import Scenario, Selection
from aaot_eval.synthetic.world import (
    ALCOHOL,
    NOT_MOVED,
    PEOPLE_PER_SITE,
    Calendar,
    Floats,
    Ints,
    Mask,
    Site,
    SiteWorld,
    Stays,
    draw_nights,
    joined,
    kept_apart,
)

RULE_COUNT, RULE_MONTHS = 4, 12
WILLING = 0.85
REFERRAL_HAZARD = 0.5
CAPACITY_PER_COHORT = 0.025
SOFT_PER_REFERRAL = 0.045
SOFT_LEAST = 2
DISENGAGED = 0.12
SMALLEST_PERSON_RATIO = 0.30
PEAK_LAST_MONTH = 1
SEVERE_SHARE, SEVERE_HAZARD = 0.12, 0.15


@dataclass(frozen=True, slots=True)
class Caseload:
    """The people taken on at one site, one element each; `day` is the day of referral, -1 = has not ended."""

    person: Ints
    site: Ints
    month: Ints
    day: Ints
    met_rule: Mask
    ended_day: Ints
    reason: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.person)


def monthly_counts(world: SiteWorld, calendar: Calendar) -> Ints:
    """Alcohol-specific emergency stays by person and month, at any site, without the service (people x months)."""
    stays = world.stays.take(world.stays.kind == ALCOHOL)
    local = stays.person - world.people.number[0]
    flat = local * calendar.months + calendar.month_of(stays.start)
    size = len(world.people.number) * calendar.months
    return np.bincount(flat, minlength=size).reshape(-1, calendar.months).astype(np.int64)


def months_meeting_rule(counts: Ints, alive: Mask) -> Mask:
    """Where the entry rule is met: at least 4 stays in the 12 months before the month, and alive at its start."""
    total = np.concatenate([np.zeros((len(counts), 1), dtype=np.int64), np.cumsum(counts, axis=1)], axis=1)
    met = np.zeros(counts.shape, dtype=bool)
    met[:, RULE_MONTHS:] = total[:, RULE_MONTHS:-1] - total[:, : -RULE_MONTHS - 1] >= RULE_COUNT
    return met & alive


def months_alive(world: SiteWorld, calendar: Calendar) -> Mask:
    """Where a person is alive at the start of the month (people x months); also before coming to the area."""
    death = world.people.death_day[:, None]
    return (death < 0) | (death >= calendar.starts[None, :])


def take_on(seed: int, site: Site, world: SiteWorld, calendar: Calendar, *, selection: Selection = "rule") -> Caseload:
    """The caseload of a site that goes live: most people who meet the entry rule, within a few months.

    A site takes on so many a month and no more, and nobody once its service has stopped. `selection`: at a "peak",
    everybody willing who meets the rule is taken on at once in the month after one with an admission; by "severity", the
    people with the highest lasting severity are, whatever their admissions; "mixed" is a peak for half of the places.
    """
    at_peak = selection in ("peak", "mixed")
    if site.go_live is None:
        empty = np.zeros(0, dtype=np.int64)
        return Caseload(empty, empty, empty, empty, empty.astype(bool), empty, ())
    rng = generator(seed, "caseload", site.index)
    people, counts = world.people, monthly_counts(world, calendar)
    meets = months_meeting_rule(counts, months_alive(world, calendar))
    n = len(people.number)
    willing = rng.random(n) < WILLING
    month = np.full(n, -1)
    met = np.zeros(n, dtype=bool)
    capacity = max(1, round(CAPACITY_PER_COHORT * site.cohort))
    severe = people.severity >= np.quantile(people.severity, 1 - SEVERE_SHARE)
    for t in range(site.go_live, min(calendar.months, site.stopped or calendar.months)):
        here = (people.entered <= t) & ((people.left < 0) | (people.left >= t)) & (month < 0)
        found = rng.random(n) < (1.0 if at_peak else REFERRAL_HAZARD)
        wanted = here & meets[:, t] & willing & found
        if at_peak:
            wanted &= counts[:, t - 1] >= PEAK_LAST_MONTH
        by_rule = capacity
        if selection in ("severity", "mixed"):
            known = here & severe & willing & (rng.random(n) < SEVERE_HAZARD) & months_alive(world, calendar)[:, t]
            wanted, by_rule = (known, capacity) if selection == "severity" else (wanted, capacity // 2)
        taken = rng.permutation(np.flatnonzero(wanted))[:by_rule]
        if selection == "mixed":
            further = rng.permutation(np.setdiff1d(np.flatnonzero(known), taken))[: capacity - by_rule]
            taken = np.concatenate([taken, further])
        month[taken], met[taken] = t, meets[taken, t]
        recent = counts[:, t - 6 : t].sum(axis=1)
        others = np.flatnonzero(here & ~meets[:, t] & (recent >= SOFT_LEAST) & months_alive(world, calendar)[:, t])
        soft = rng.permutation(others)[: rng.poisson(SOFT_PER_REFERRAL * len(taken))]
        month[soft] = t
    chosen = np.flatnonzero(month >= 0)
    day = calendar.starts[month[chosen]] + rng.integers(0, 3, len(chosen))
    death = people.death_day[chosen]
    day = np.where((death >= 0) & (death < day), calendar.starts[month[chosen]], day)
    drop_out = day + 30 + rng.integers(0, 240, len(chosen))
    disengages = (rng.random(len(chosen)) < DISENGAGED) & (drop_out < calendar.end) & ((death < 0) | (drop_out < death))
    closes = calendar.end if site.stopped is None else int(calendar.starts[site.stopped])
    dies = (death >= 0) & ~disengages & (death < closes)
    closed = (closes < calendar.end) & ~dies & ~(disengages & (drop_out < closes))
    disengages &= ~closed
    return Caseload(
        person=people.number[chosen],
        site=np.full(len(chosen), site.index),
        month=month[chosen],
        day=day,
        met_rule=met[chosen],
        ended_day=np.select([closed, disengages, dies], [closes, drop_out, death], -1),
        reason=tuple(np.select([closed, disengages, dies], ["closed", "disengaged", "died"], "").tolist()),
    )


def together(parts: Sequence[Caseload]) -> Caseload:
    """The caseloads of several sites as one."""
    arrays = {
        f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Caseload) if f.name != "reason"
    }
    return Caseload(**arrays, reason=tuple(r for p in parts for r in p.reason))


def referral_days(person: Ints, caseload: Caseload) -> Ints:
    """The day of referral for each element of `person`; a day beyond any study for people never taken on."""
    order = np.argsort(caseload.person)
    known = caseload.person[order]
    at = np.minimum(np.searchsorted(known, person), max(len(known) - 1, 0))
    never = np.full(len(person), np.iinfo(np.int64).max)
    return np.where(known[at] == person, caseload.day[order][at], never) if len(known) else never


@dataclass(frozen=True, slots=True)
class Effect:
    """What the service does: stays that do not happen, and stays that happen because of it.

    probability          chance that a stay of somebody on the caseload is taken away; in harm, that a possible further
                         stay happens
    can_change           positions, in the world's stays, of those of people on the caseload
    removed, added       positions of the stays taken away; which of the `possible` further stays happen
    treated_total        by site, alcohol-specific stays since go-live without the service
    treated_on_caseload  by site, those of them that can be taken away, or the further ones that can happen
    """

    probability: float
    can_change: Ints
    removed: Ints
    possible: Stays
    added: Mask
    treated_total: Ints
    treated_on_caseload: Ints


def apply_service(
    seed: int,
    scenario: Scenario,
    stays: Stays,
    caseload: Caseload,
    deaths: tuple[Ints, Ints],
    sites: Sequence[Site],
    calendar: Calendar,
) -> Effect:
    """The effect on all stays of the world, calibrated so that the site-level ratio is the scenario's, in expectation.

    `deaths` holds the people who die, in order of their numbers, and the days. Raises InputError when the caseload has
    too small a part of the admissions for the ratio to come about through it.
    """
    counted = (stays.kind == ALCOHOL) & while_running(stays, sites, calendar)
    on = (stays.kind == ALCOHOL) & (stays.start >= referral_days(stays.person, caseload))
    on &= stays.start < _last_days(stays.person, sites, calendar)
    total = np.bincount(stays.site[counted], minlength=len(sites))
    reached = np.bincount(stays.site[counted & on], minlength=len(sites))
    can_change = np.flatnonzero(on)
    nobody = Effect(
        0.0, can_change, can_change[:0], stays.take(can_change[:0]), np.zeros(0, dtype=bool), total, reached
    )
    if scenario.site_ratio == 1.0 or not total.sum():
        return nobody
    if scenario.site_ratio < 1.0:
        probability = _reachable((1 - scenario.site_ratio) * total.sum(), int(reached.sum()))
        removed = can_change[generator(seed, "effect").random(len(can_change)) < probability]
        return Effect(probability, can_change, removed, nobody.possible, nobody.added, total, reached)
    possible = further_stays(seed, stays, can_change, deaths, calendar)
    reached = np.bincount(possible.site[while_running(possible, sites, calendar)], minlength=len(sites))
    probability = _reachable((scenario.site_ratio - 1) * total.sum(), int(reached.sum()), most=1.0)
    added = generator(seed, "effect").random(len(possible)) < probability
    return Effect(probability, can_change, nobody.removed, possible, added, total, reached)


def while_running(stays: Stays, sites: Sequence[Site], calendar: Calendar) -> Mask:
    """Which stays begin at a site in a month in which its service runs."""
    table = np.stack([s.running(np.arange(calendar.months)) for s in sites])
    return np.asarray(table[stays.site, calendar.month_of(stays.start)], dtype=bool)


def _last_days(person: Ints, sites: Sequence[Site], calendar: Calendar) -> Ints:
    """The day on which the service of each person's home site stops; a day beyond any study where it does not."""
    never = np.iinfo(np.int64).max
    stops = np.array([never if s.stopped is None else int(calendar.starts[s.stopped]) for s in sites])
    return np.asarray(stops[person // PEOPLE_PER_SITE], dtype=np.int64)


def _reachable(wanted: float, available: int, most: float = 1 - SMALLEST_PERSON_RATIO) -> float:
    if available and wanted / available <= most:
        return wanted / available
    raise InputError(
        Problem(
            "C150",
            "in this simulated world the caseload has too few of the admissions for the effect to come about through it",
            where=f"{wanted:,.0f} admissions would have to change, the caseload has {available:,}",
            allowed=f"at most {most:.0%} of the caseload's admissions may change",
            do="make the study larger (size), give it more months after the launch, or take another seed",
        )
    )


def further_stays(seed: int, stays: Stays, which: Ints, deaths: tuple[Ints, Ints], calendar: Calendar) -> Stays:
    """Stays that could follow those of `which` within 30 days of discharge and touch no other: up to two for each."""
    rng = generator(seed, "further stays")
    like = stays.take(np.repeat(which, 2))
    n = len(like)
    start = like.end + 1 + rng.integers(0, 30, n)
    extra = Stays(
        like.person,
        like.person // PEOPLE_PER_SITE,
        start,
        draw_nights(rng, np.full(n, ALCOHOL)),
        like.kind,
        np.zeros(n, dtype=bool),
        np.full(n, NOT_MOVED),
        np.zeros(n, dtype=np.int64),
        rng.random(n) < 0.88,
    )
    who, day = deaths
    at = np.minimum(np.searchsorted(who, extra.person), max(len(who) - 1, 0))
    survives = (who[at] != extra.person) | (extra.end < day[at]) if len(who) else np.ones(n, dtype=bool)
    extra = extra.take((start < calendar.end) & survives)
    theirs = np.isin(stays.person, extra.person)
    base = stays.take(theirs)
    order = np.lexsort((base.start, base.person))
    base = base.take(order)
    span = np.int64(calendar.end + 1000)
    key = extra.person * span + extra.start
    after = np.searchsorted(base.person * span + base.start, key, side="right")
    before = np.maximum(after - 1, 0)
    clear_before = (base.person[before] != extra.person) | (base.end[before] < extra.start) | (after == 0)
    nxt = np.minimum(after, len(base) - 1)
    clear_after = (after == len(base)) | (base.person[nxt] != extra.person) | (base.start[nxt] > extra.end)
    extra = extra.take(clear_before & clear_after)
    return extra.take(kept_apart(extra.person, extra.start, extra.end))


def lived(stays: Stays, effect: Effect) -> Stays:
    """The stays of the world with the service."""
    keep = np.ones(len(stays), dtype=bool)
    keep[effect.removed] = False
    return joined([stays.take(keep), effect.possible.take(effect.added)])


def chance_of_change(stays: Stays, effect: Effect) -> Floats:
    """For each stay of the world without the service, the chance that the service takes it away."""
    chance = np.zeros(len(stays))
    if not len(effect.possible):
        chance[effect.can_change] = effect.probability
    return chance
