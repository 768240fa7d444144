"""People and their hospital stays in a world without the service: the potential outcomes every scenario starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aaot_eval.results import generator
from aaot_eval.synthetic.scenarios import Illness

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Kinds of stay. ALCOHOL is the primary outcome; OTHER is the same people's and BACKGROUND everybody else's emergencies.
ALCOHOL, OTHER, BACKGROUND, ELECTIVE, DAY_CASE, REGULAR = range(6)
EMERGENCIES = (ALCOHOL, OTHER, BACKGROUND)
NOT_MOVED, MOVED_OUT_OF_VIEW = -1, -2
PEOPLE_PER_SITE = 100_000_000  # room for person numbers of one site, so that a number says the home site
BACKGROUND_FROM = 50_000_000  # within a site, numbers from here on are people without an alcohol problem

# RZ is not the beginning of any trust's code.
SITE_CODES = [f"RZ{letter}" for letter in "123456789ABCDEFGHJKLMNPQRSTUVWXYZ"]

# Invented constants of the world; docs/methods/simulate.md states them as equations.
COHORT_PER_HEAD = 0.0044
ALCOHOL_RATE = 0.102
OTHER_RATE = 0.038
ATTENDANCE_BASE, ATTENDANCE_PER_ADMISSION = 0.04, 0.55
BURST_SHAPE = 2.0
SITE_LEVEL_SD = 0.12
SHOCK_SD, SHOCK_LAG1 = 0.06, 0.5
SHOCK_SHARED = 0.6
SEASON_SWING = 0.05
DEATH_RATE = 0.0020
LEAVING_RATE = 0.003
TERMINAL_STAY_SHARE = 0.35
AWAY_SHARE = 0.03
TRANSFER_SHARE = 0.025
LONGEST_STAY = 45
SITES_KEPT = 32
BACKGROUND_PER_HEAD = {BACKGROUND: 0.00019, ELECTIVE: 0.000035, DAY_CASE: 0.000045, REGULAR: 0.00002}


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """The months of the study as days counted from its first day; one object for the same months, so that draws can be kept by it."""

    first: np.datetime64
    starts: Ints
    days: Ints
    season: Floats

    @staticmethod
    @lru_cache(maxsize=8)
    def of(first_month: str, months: int) -> Calendar:
        """The calendar of `months` months from `first_month` ("2021-07")."""
        month = np.datetime64(first_month, "M") + np.arange(months + 1)
        edges = month.astype("datetime64[D]").astype(np.int64)
        of_year = month[:-1].astype(np.int64) % 12
        return Calendar(
            first=month[0].astype("datetime64[D]"),
            starts=edges[:-1] - edges[0],
            days=np.diff(edges),
            season=1.0 + SEASON_SWING * np.cos(2 * np.pi * of_year / 12),
        )

    @property
    def months(self) -> int:
        """How many months there are."""
        return len(self.starts)

    @property
    def end(self) -> int:
        """The day after the last day."""
        return int(self.starts[-1] + self.days[-1])

    def month_of(self, day: Ints) -> Ints:
        """The month (0 = first) in which a day lies."""
        return np.asarray(np.searchsorted(self.starts, day, side="right") - 1, dtype=np.int64)

    def date(self, day: int | np.int64) -> str:
        """A day as YYYY-MM-DD."""
        return str(self.first + np.timedelta64(int(day), "D"))


@dataclass(frozen=True, slots=True)
class Site:
    """One hospital trust of the simulated world."""

    index: int
    code: str
    population: int
    beds: int
    cohort: int
    level: float
    go_live: int | None
    stopped: int | None = None

    def running(self, month: Ints) -> Mask:
        """Whether the service runs in each of these months."""
        never = np.iinfo(np.int64).max
        start, stop = (never if t is None else t for t in (self.go_live, self.stopped))
        return np.asarray((month >= start) & (month < stop), dtype=bool)


@dataclass(frozen=True, slots=True)
class People:
    """The people with alcohol problems of one site, one element each; -1 = never."""

    number: Ints
    severity: Floats
    entered: Ints
    left: Ints
    death_day: Ints


@dataclass(frozen=True, slots=True)
class Stays:
    """Hospital stays, one element each; days count from the first day of the study.

    A stay that is moved goes on at `moved_to` for `moved_nights`, which are not in `nights`.
    """

    person: Ints
    site: Ints
    start: Ints
    nights: Ints
    kind: Ints
    died: Mask
    moved_to: Ints
    moved_nights: Ints
    through_ed: Mask

    def __len__(self) -> int:
        return len(self.person)

    @property
    def end(self) -> Ints:
        """The day of discharge, the moved part included."""
        return self.start + self.nights + self.moved_nights

    def take(self, which: Mask | Ints) -> Stays:
        """The stays chosen by a mask or by positions."""
        return Stays(*(getattr(self, f.name)[which] for f in fields(self)))


def joined(parts: Sequence[Stays]) -> Stays:
    """Several sets of stays as one."""
    return Stays(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Stays)))


@dataclass(frozen=True, slots=True)
class Attendances:
    """Emergency department attendances, one element each; `alcohol` marks people with an alcohol problem."""

    person: Ints
    site: Ints
    day: Ints
    admitted: Mask
    alcohol: Mask

    def __len__(self) -> int:
        return len(self.person)

    def take(self, which: Mask | Ints) -> Attendances:
        """The attendances chosen by a mask or by positions."""
        return Attendances(*(getattr(self, f.name)[which] for f in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Attendances]) -> Attendances:
        """Several sets of attendances as one."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    @classmethod
    def walk_ins(cls, person: Ints, site: int, day: Ints, alcohol: bool) -> Attendances:
        """Attendances at one site that do not end in admission."""
        n = len(person)
        return cls(person, np.full(n, site), day, np.zeros(n, dtype=bool), np.full(n, alcohol))


def lay_out_sites(
    seed: int, *, sites: int, treated: int, launch_after: int, size: float, one_trust: bool
) -> tuple[Site, ...]:
    """The sites: unequal populations, and which of them go live when (the first at `launch_after`, then every 3 months)."""
    rng = generator(seed, "sites")
    population = np.sort(rng.uniform(180_000, 450_000, sites))
    rng.shuffle(population)
    if one_trust:
        population = np.array([820_000.0])
    level = np.exp(rng.normal(0.0, SITE_LEVEL_SD, sites))
    go_live: list[int | None] = [None] * sites
    for turn, chosen in enumerate(rng.permutation(sites)[:treated]):
        go_live[int(chosen)] = launch_after + 3 * turn
    return tuple(
        Site(
            index=i,
            code=SITE_CODES[i],
            population=max(100, round(population[i] * size / 100) * 100),
            beds=max(1, round(population[i] * size * 0.0021)),
            cohort=max(10, round(population[i] * size * COHORT_PER_HEAD)),
            level=float(level[i]) if not one_trust else 1.0,
            go_live=go_live[i],
        )
        for i in range(sites)
    )


def monthly_shocks(rng: np.random.Generator, months: int) -> tuple[Floats, Floats]:
    """Two AR(1) series of factors for a site, partly shared: alcohol-specific admissions, and all other emergencies."""
    noise = rng.normal(0.0, SHOCK_SD, (2, months))
    noise[:, 1:] *= np.sqrt(1 - SHOCK_LAG1**2)
    series = np.empty_like(noise)
    series[:, 0] = noise[:, 0]
    for t in range(1, months):
        series[:, t] = SHOCK_LAG1 * series[:, t - 1] + noise[:, t]
    other = SHOCK_SHARED * series[0] + np.sqrt(1 - SHOCK_SHARED**2) * series[1]
    return np.exp(series[0] - SHOCK_SD**2 / 2), np.exp(other - SHOCK_SD**2 / 2)


def draw_nights(rng: np.random.Generator, kind: Ints) -> Ints:
    """Nights of each stay, by kind: many of 0 and 1, a geometric tail, none above LONGEST_STAY."""
    none = np.array([0.25, 0.30, 0.32, 0.05, 1.0, 1.0])[kind]
    one = np.array([0.27, 0.20, 0.20, 0.35, 0.0, 0.0])[kind]
    mean = np.array([5.0, 6.0, 6.0, 2.0, 1.0, 1.0])[kind]
    u = rng.random(len(kind))
    tail = 1 + rng.geometric(1 / mean)
    return np.minimum(np.where(u < none, 0, np.where(u < none + one, 1, tail)), LONGEST_STAY).astype(np.int64)


def kept_apart(person: Ints, start: Ints, end: Ints) -> Mask:
    """Which stays are left when nobody can be admitted before the day after a discharge; earlier stays come first."""
    order = np.lexsort((end, start, person))
    new = np.ones(len(order), dtype=bool)
    new[1:] = person[order][1:] != person[order][:-1]
    group = np.cumsum(new) - 1
    rank = np.arange(len(order)) - np.flatnonzero(new)[group] if len(order) else group
    by_rank = np.argsort(rank, kind="stable")
    bounds = np.searchsorted(rank[by_rank], np.arange(rank.max(initial=-1) + 2))
    busy_until = np.full(int(new.sum()), np.iinfo(np.int64).min)
    keep = np.zeros(len(order), dtype=bool)
    for low, high in pairwise(bounds):
        here = by_rank[low:high]
        free = start[order[here]] > busy_until[group[here]]
        busy_until[group[here[free]]] = end[order[here[free]]]
        keep[order[here[free]]] = True
    return keep


def draw_stays(rng: np.random.Generator, person: Ints, kind: Ints, start: Ints, home: int, sites: int) -> Stays:
    """Stays with length, place, transfer and route of admission drawn for each."""
    n = len(person)
    nights = draw_nights(rng, kind)
    u = rng.random((3, n))
    emergency = np.isin(kind, EMERGENCIES)
    elsewhere = (home + 1 + rng.integers(0, max(sites - 1, 1), n)) % sites
    away = (u[0] < AWAY_SHARE) & np.isin(kind, (ALCOHOL, OTHER)) & (sites > 1)
    site = np.where(away, elsewhere, home)
    moved = (u[1] < TRANSFER_SHARE) & emergency & (nights >= 1)
    other_site = (site + 1 + rng.integers(0, max(sites - 1, 1), n)) % sites
    return Stays(
        person=person,
        site=site.astype(np.int64),
        start=start,
        nights=nights,
        kind=kind,
        died=np.zeros(n, dtype=bool),
        moved_to=np.where(moved, other_site if sites > 1 else MOVED_OUT_OF_VIEW, NOT_MOVED).astype(np.int64),
        # At least three nights: the next admission is then more than three days after the first leg's end, so that
        # a second leg out of view cannot tie the first to an unrelated admission.
        moved_nights=np.where(moved, np.minimum(2 + rng.geometric(0.2, n), LONGEST_STAY), 0).astype(np.int64),
        through_ed=emergency & (u[2] < 0.88),
    )


def cut_at_death(stays: Stays, death_day: Ints) -> Stays:
    """Stays with what lies after the person's death taken away; `death_day` is by stay, -1 = lives on."""
    dies = (death_day >= 0) & (stays.end >= death_day)
    in_first = dies & (death_day < stays.start + stays.nights + (stays.moved_nights == 0))
    in_second = dies & ~in_first
    return Stays(
        person=stays.person,
        site=stays.site,
        start=stays.start,
        nights=np.where(in_first, death_day - stays.start, stays.nights),
        kind=stays.kind,
        died=dies,
        moved_to=np.where(in_first, NOT_MOVED, stays.moved_to),
        moved_nights=np.where(
            in_first, 0, np.where(in_second, death_day - stays.start - stays.nights, stays.moved_nights)
        ),
        through_ed=stays.through_ed,
    ).take((death_day < 0) | (stays.start <= death_day))


@dataclass(frozen=True, slots=True)
class SiteWorld:
    """What happens at one site without the service."""

    people: People
    stays: Stays
    attendances: Attendances


@lru_cache(maxsize=SITES_KEPT)
def draw_site(seed: int, site: Site, sites: int, calendar: Calendar, illness: Illness) -> SiteWorld:
    """The people with alcohol problems of one site and all their stays and attendances, without the service.

    The cohort is open: `site.cohort` places, each with a lasting severity; whoever dies or leaves is replaced in the
    month after by another person of that severity, so that the site's level has no trend of its own. The last draws are
    kept, because scenarios and worlds of one seed begin with the same people; nobody may write to them.
    """
    rng = generator(seed, "world", site.index)
    n, months = site.cohort, calendar.months
    severity = rng.gamma(illness.severity_shape, 1 / illness.severity_shape, n)
    frail = np.minimum(severity, 6.0)
    relapse = rng.random(n) < illness.in_relapse
    alcohol_shock, other_shock = monthly_shocks(rng, months)
    occupant = np.arange(n)
    born = n
    counts = np.empty((3, months, n), dtype=np.int64)
    who = np.empty((months, n), dtype=np.int64)
    place = [np.arange(n)]
    entered = [np.zeros(n, dtype=np.int64)]
    ends: list[tuple[Ints, Ints, Ints]] = []
    for t in range(months):
        part = calendar.season[t] * calendar.days[t] / 30.4375
        state = np.where(relapse, illness.relapse_ratio, 1.0) * illness.settled_factor
        rate = ALCOHOL_RATE * site.level * severity * state * part
        other_rate = OTHER_RATE * (0.5 + 0.5 * np.sqrt(frail)) * (1 + 0.5 * relapse) * part
        who[t] = occupant
        counts[:, t] = _month_of_events(rng, rate, other_rate, alcohol_shock[t], other_shock[t])
        u = rng.random((3, n))
        dies = u[0] < DEATH_RATE * (0.6 + 0.4 * frail) * (1 + 4 * relapse)
        leaves = ~dies & (u[1] < LEAVING_RATE)
        day = calendar.starts[t] + (u[2] * calendar.days[t]).astype(np.int64)
        ends.append(
            (occupant[dies | leaves], np.full(int((dies | leaves).sum()), t), np.where(dies, day, -1)[dies | leaves])
        )
        v = rng.random(n)
        relapse = np.where(relapse, v > illness.relapse_ends, v < illness.relapse_begins)
        gone = np.flatnonzero(dies | leaves)
        relapse[gone] = rng.random(len(gone)) < illness.in_relapse
        occupant = occupant.copy()
        occupant[gone] = born + np.arange(len(gone))
        born += len(gone)
        place.append(gone)
        entered.append(np.full(len(gone), t + 1))
    left, death_day = np.full(born, -1), np.full(born, -1)
    for gone, month, day in ends:
        left[gone], death_day[gone] = month, day
    people = People(
        number=site.index * PEOPLE_PER_SITE + np.arange(born),
        severity=severity[np.concatenate(place)],
        entered=np.concatenate(entered),
        left=left,
        death_day=death_day,
    )
    events = [_events(rng, counts[k], who, calendar) for k in range(3)]
    stays = _cohort_stays(rng, events[:2], people, site, sites, calendar)
    local, day = events[2]
    alive = (people.death_day[local] < 0) | (day <= people.death_day[local])
    attendances = Attendances.walk_ins(people.number[local[alive]], site.index, day[alive], alcohol=True)
    return SiteWorld(people, stays, attendances)


def _month_of_events(
    rng: np.random.Generator, rate: Floats, other_rate: Floats, alcohol_shock: float, other_shock: float
) -> Ints:
    """Alcohol admissions, other admissions and attendances of one month (3 x people); a burst strikes the first and last alike."""
    burst = rng.gamma(BURST_SHAPE, 1 / BURST_SHAPE, len(rate))
    alcohol = rng.poisson(rate * burst * alcohol_shock)
    other = rng.poisson(other_rate * other_shock)
    attendances = rng.poisson((ATTENDANCE_BASE + ATTENDANCE_PER_ADMISSION * rate) * burst * other_shock)
    return np.stack([alcohol, other, attendances])


def _events(rng: np.random.Generator, counts: Ints, who: Ints, calendar: Calendar) -> tuple[Ints, Ints]:
    """(person, day) of every counted event, at random days of its month."""
    month, slot = np.nonzero(counts)
    times = counts[month, slot]
    person, month = np.repeat(who[month, slot], times), np.repeat(month, times)
    return person, calendar.starts[month] + (rng.random(len(month)) * calendar.days[month]).astype(np.int64)


def _cohort_stays(
    rng: np.random.Generator,
    events: Sequence[tuple[Ints, Ints]],
    people: People,
    site: Site,
    sites: int,
    calendar: Calendar,
) -> Stays:
    dead = np.flatnonzero(people.death_day >= 0)
    dead = dead[rng.random(len(dead)) < TERMINAL_STAY_SHARE]
    terminal_kind = np.where(rng.random(len(dead)) < 0.5, ALCOHOL, OTHER)
    begun = people.death_day[dead] - draw_nights(rng, terminal_kind)
    begun = np.maximum(begun, calendar.starts[np.minimum(people.entered[dead], calendar.months - 1)])
    local = np.concatenate([events[0][0], events[1][0], dead])
    start = np.concatenate([events[0][1], events[1][1], begun])
    kind = np.concatenate([np.full(len(events[0][0]), ALCOHOL), np.full(len(events[1][0]), OTHER), terminal_kind])
    stays = draw_stays(rng, local, kind, start, site.index, sites)
    last = len(events[0][0]) + len(events[1][0])
    nights = stays.nights.copy()
    nights[last:] = people.death_day[dead] - begun
    moved_to, moved_nights = stays.moved_to.copy(), stays.moved_nights.copy()
    moved_to[last:], moved_nights[last:] = NOT_MOVED, 0
    stays = Stays(local, stays.site, start, nights, kind, stays.died, moved_to, moved_nights, stays.through_ed)
    stays = cut_at_death(stays, people.death_day[local])
    stays = stays.take(kept_apart(stays.person, stays.start, stays.end))
    order = np.lexsort((stays.start, stays.person))
    stays = stays.take(order)
    return Stays(people.number[stays.person], *(getattr(stays, f.name) for f in fields(stays)[1:]))


def draw_background(seed: int, site: Site, sites: int, calendar: Calendar) -> tuple[Stays, Attendances]:
    """Everybody else at one site: emergencies, planned stays, day cases, regular day attenders; and attendances."""
    rng = generator(seed, "background", site.index)
    _, shock = monthly_shocks(rng, calendar.months)
    offset = site.index * PEOPLE_PER_SITE + BACKGROUND_FROM
    person, kind, month = [], [], []
    for which, per_head in BACKGROUND_PER_HEAD.items():
        factor = calendar.season * shock if which == BACKGROUND else np.ones(calendar.months)
        counts = rng.poisson(per_head * site.population * calendar.days / 30.4375 * factor)
        total = int(counts.sum())
        # Regular attenders come back week after week: few people, many records each.
        pool = max(1, round(total / (40 if which == REGULAR else 1.6)))
        person.append(offset + which * 5_000_000 + rng.integers(0, pool, total))
        kind.append(np.full(total, which))
        month.append(np.repeat(np.arange(calendar.months), counts))
    months = np.concatenate(month)
    start = calendar.starts[months] + (rng.random(len(months)) * calendar.days[months]).astype(np.int64)
    stays = draw_stays(rng, np.concatenate(person), np.concatenate(kind), start, site.index, sites)
    stays = stays.take(kept_apart(stays.person, stays.start, stays.end))
    counts = rng.poisson(0.00016 * site.population * calendar.days / 30.4375 * shock)
    months = np.repeat(np.arange(calendar.months), counts)
    day = calendar.starts[months] + (rng.random(len(months)) * calendar.days[months]).astype(np.int64)
    visitor = offset + 45_000_000 + rng.integers(0, max(1, round(len(day) / 1.3)), len(day))
    return stays, Attendances.walk_ins(visitor, site.index, day, alcohol=False)
