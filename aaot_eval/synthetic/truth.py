"""The right answers to a simulated study, in expectation and as they came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aaot_eval.synthetic.money import PRICE_YEAR, places_for, programme_cost, stay_prices
from aaot_eval.synthetic.scenarios import Scenario
from aaot_eval.synthetic.service import (
    RULE_COUNT,
    RULE_MONTHS,
    Caseload,
    Effect,
    chance_of_change,
    lived,
    months_alive,
    months_meeting_rule,
)
from aaot_eval.synthetic.world import ALCOHOL, PEOPLE_PER_SITE, Calendar, Floats, Ints, Mask, Site, SiteWorld, Stays

FOLLOW_UP = 12


def answers(
    scenario: Scenario,
    worlds: Sequence[SiteWorld],
    stays: Stays,
    caseload: Caseload,
    effect: Effect,
    sites: Sequence[Site],
    calendar: Calendar,
) -> dict[str, Any]:
    """The truth of a study, ready for truth.json: effects on sites, on the eligible, on the referred; money."""
    treated = [s for s in sites if s.go_live is not None]
    tables = [
        _PersonMonths(w, s, stays, caseload, effect, calendar)
        for w, s in zip(worlds, sites, strict=True)
        if s.go_live is not None
    ]
    return {
        "outcome": "alcohol_specific_emergency",
        "change_per_admission": {
            "what": "chance that an admission of somebody on the caseload is prevented"
            if scenario.site_ratio <= 1
            else "chance that a possible further admission of somebody on the caseload happens",
            "probability": _rounded(effect.probability),
        },
        "site_rate_ratio": _site_level(scenario, stays, effect, treated, calendar),
        "eligible": _eligible(tables, newly=False) if treated else None,
        "newly_eligible": _eligible(tables, newly=True) if treated else None,
        "referred": _referred(tables, caseload) if treated else None,
        "economics": _economics(worlds, stays, caseload, effect, treated, calendar) if len(caseload) else None,
    }


def _rounded(value: float) -> float:
    return float(f"{value:.8g}")


def _ratio(with_service: float, without: float) -> float | None:
    return _rounded(with_service / without) if without > 0 else None


def _site_level(
    scenario: Scenario, stays: Stays, effect: Effect, treated: Sequence[Site], calendar: Calendar
) -> dict[str, Any]:
    def after(which: Stays, site: Site) -> int:
        runs = site.running(calendar.month_of(which.start))
        return int(((which.kind == ALCOHOL) & (which.site == site.index) & runs).sum())

    sign = 1 if len(effect.possible) else -1
    came_about = lived(stays, effect)
    by_site, without, with_service, expected = {}, 0, 0, 0.0
    for site in treated:
        total, real = after(stays, site), after(came_about, site)
        mean = total + sign * effect.probability * float(effect.treated_on_caseload[site.index])
        by_site[site.code] = {
            "admissions_without_service": total,
            "admissions": real,
            "expected": _ratio(mean, total),
            "realised": _ratio(real, total),
        }
        without, with_service, expected = without + total, with_service + real, expected + mean
    return {
        "what": "alcohol-specific emergency admissions of treated sites in all months since go-live, with over without the service",
        "target": scenario.site_ratio,
        "expected": _ratio(expected, without),
        "realised": _ratio(with_service, without),
        "by_site": by_site,
    }


class _PersonMonths:
    """Admissions of the people of one treated site, people x months.

    `without` the service; `expected` and `realised` changes by it (negative = fewer).
    """

    def __init__(
        self, world: SiteWorld, site: Site, stays: Stays, caseload: Caseload, effect: Effect, calendar: Calendar
    ) -> None:
        self.go_live = site.go_live if site.go_live is not None else calendar.months
        self.months = calendar.months
        self._size = len(world.people.number), calendar.months
        self._first = site.index * PEOPLE_PER_SITE
        self._calendar = calendar
        alcohol = stays.take(stays.kind == ALCOHOL)
        self.without = self._table(alcohol, np.ones(len(alcohol)))
        removed = stays.take(effect.removed)
        added = effect.possible.take(effect.added)
        chance = chance_of_change(stays, effect)
        self.expected = self._table(effect.possible, np.full(len(effect.possible), effect.probability)) - self._table(
            stays, chance
        )
        self.realised = self._table(added, np.ones(len(added))) - self._table(removed, np.ones(len(removed)))
        self.alive = months_alive(world, calendar)
        mine = caseload.site == site.index
        month = np.full(self._size[0], calendar.months)
        month[caseload.person[mine] - self._first] = caseload.month[mine]
        self.referral = month
        self.met_rule = np.zeros(self._size[0], dtype=bool)
        self.met_rule[caseload.person[mine] - self._first] = caseload.met_rule[mine]
        self.on_team = self.alive & (np.arange(calendar.months)[None, :] >= month[:, None])

    def _table(self, stays: Stays, weight: Floats) -> Floats:
        local = stays.person - self._first
        here = (local >= 0) & (local < self._size[0])
        flat = local[here] * self.months + self._calendar.month_of(stays.start[here])
        cells = np.bincount(flat, weights=weight[here], minlength=self._size[0] * self.months)
        return cells.astype(np.float64).reshape(self._size)

    def follow_up(self, index: Ints, months: int) -> Mask:
        """The months alive from each person's index month on, up to `months` of them; none when it lies past the end."""
        t = np.arange(self.months)[None, :]
        return self.alive & (t >= index[:, None]) & (t < index[:, None] + months)

    def months_before(self, first: int, last: int) -> Mask:
        """The months from `last` to `first` before referral of people referred 24 months or more into the study."""
        back = self.referral[:, None] - np.arange(self.months)[None, :]
        known = (self.referral >= 24) & (self.referral < self.months)
        return known[:, None] & (back >= first) & (back <= last)

    def first_meeting(self, *, newly: bool) -> Ints:
        """The first month since go-live in which each person meets the entry rule; past the end = never.

        `newly`: without having met it in any of the 12 months before.
        """
        met = months_meeting_rule(self.without.astype(np.int64), self.alive)
        if newly:
            seen = np.cumsum(met, axis=1)
            met[:, 1:] &= seen[:, :-1] == np.pad(seen, ((0, 0), (RULE_MONTHS, 0)))[:, : self.months - 1]
        met = met[:, self.go_live :]
        return np.where(met.any(axis=1), self.go_live + met.argmax(axis=1), self.months)


def _sum(tables: Sequence[_PersonMonths], where: Sequence[Mask], name: str) -> float:
    return sum(float(getattr(p, name)[m].sum()) for p, m in zip(tables, where, strict=True))


def _time(where: Sequence[Mask]) -> int:
    return sum(int(m.sum()) for m in where)


def _effect_in(tables: Sequence[_PersonMonths], where: Sequence[Mask]) -> dict[str, Any]:
    """Ratio and difference per person-month over the chosen person-months of all treated sites."""
    without, expected, realised = (_sum(tables, where, name) for name in ("without", "expected", "realised"))
    time = _time(where)
    return {
        "person_months": time,
        "admissions_without_service": int(without),
        "ratio_expected": _ratio(without + expected, without),
        "ratio_realised": _ratio(without + realised, without),
        "difference_per_person_month_expected": _ratio(expected, time),
        "difference_per_person_month_realised": _ratio(realised, time),
    }


def _eligible(tables: Sequence[_PersonMonths], *, newly: bool) -> dict[str, Any]:
    index = [p.first_meeting(newly=newly) for p in tables]
    where = [p.follow_up(i, FOLLOW_UP) for p, i in zip(tables, index, strict=True)]
    people = sum(int((i < p.months).sum()) for p, i in zip(tables, index, strict=True))
    taken = sum(int(((i < p.months) & (p.referral < p.months)).sum()) for p, i in zip(tables, index, strict=True))
    time = _time(where)
    on_team = sum(int((m & p.on_team).sum()) for p, m in zip(tables, where, strict=True))
    return {
        "what": f"everybody of a treated site who {'newly ' * newly}meets the entry rule ({RULE_COUNT} admissions in {RULE_MONTHS} months"
        f"{', not met in the 12 months before' * newly}) since go-live, from the first month of doing so, {FOLLOW_UP} months of "
        "follow-up cut at death and at the end of the data",
        "people": people,
        **_effect_in(tables, where),
        "uptake_people": _ratio(taken, people),
        "uptake_person_months": _ratio(on_team, time),
    }


def _referred(tables: Sequence[_PersonMonths], caseload: Caseload) -> dict[str, Any]:
    never = [np.where(p.met_rule, p.referral, p.months) for p in tables]
    a_year = [p.follow_up(i, FOLLOW_UP) for p, i in zip(tables, never, strict=True)]
    before = [p.months_before(1, 12) for p in tables]
    earlier = [p.months_before(13, 24) for p in tables]
    year_after = [p.follow_up(p.referral, FOLLOW_UP) for p in tables]
    rate_before = _sum(tables, before, "without") / max(_time(before), 1)
    after = _sum(tables, year_after, "without"), _sum(tables, year_after, "realised")
    months_after = max(_time(year_after), 1)
    return {
        "what": "people on the caseload, in all months alive since the month of referral",
        "people": len(caseload),
        "met_rule_share": _ratio(int(caseload.met_rule.sum()), len(caseload)),
        **_effect_in(tables, [p.on_team for p in tables]),
        "met_rule_12_months": _effect_in(tables, a_year),
        "year_before_over_year_before_that": _ratio(_sum(tables, before, "without"), _sum(tables, earlier, "without")),
        "before_after_would_read": {
            "what": "rate of the year since referral over that of the year before; a fall without the service is selection",
            "without_service": _ratio(after[0] / months_after, rate_before),
            "with_service": _ratio((after[0] + after[1]) / months_after, rate_before),
        },
    }


def _economics(
    worlds: Sequence[SiteWorld],
    stays: Stays,
    caseload: Caseload,
    effect: Effect,
    treated: Sequence[Site],
    calendar: Calendar,
) -> dict[str, Any]:
    numbers = np.concatenate([w.people.number for w in worlds])
    death = np.concatenate([w.people.death_day for w in worlds])[np.searchsorted(numbers, caseload.person)]
    ends = np.where(death >= 0, death + 1, calendar.end)
    years = float((ends - caseload.day).sum()) / 365.25
    closes = [calendar.end if s.stopped is None else int(calendar.starts[s.stopped]) for s in treated]
    open_years = sum(c - int(calendar.starts[s.go_live or 0]) for s, c in zip(treated, closes, strict=True)) / 365.25
    prices = stay_prices(stays)
    expected = float((prices * chance_of_change(stays, effect)).sum())
    realised = float(prices[effect.removed].sum())
    further = stay_prices(effect.possible)
    expected -= effect.probability * float(further.sum())
    realised -= float(further[effect.added].sum())
    places = places_for(years / open_years)
    service = programme_cost(places)
    return {
        "what": "per person-year on the caseload, in invented prices; a stay averted takes its emergency attendance with it",
        "price_year": PRICE_YEAR,
        "person_years_on_caseload": _rounded(years),
        "caseload_places_per_team": places,
        "hospital_cost_averted_expected": _rounded(expected / years),
        "hospital_cost_averted_realised": _rounded(realised / years),
        "programme_cost": _rounded(service),
        "net_saving_expected": _rounded(expected / years - service),
        "net_saving_realised": _rounded(realised / years - service),
    }


def series_rows(
    stays: Stays, sites: Sequence[Site], calendar: Calendar, series: Mapping[str, Ints]
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """The true counts of each site and month: the header and rows of truth_series.csv."""
    alcohol = stays.kind == ALCOHOL
    without = np.zeros((len(sites), calendar.months), dtype=np.int64)
    np.add.at(without, (stays.site[alcohol], calendar.month_of(stays.start[alcohol])), 1)
    rows: list[tuple[object, ...]] = [
        (site.code, calendar.date(calendar.starts[t])[:7], *(int(table[i, t]) for table in (*series.values(), without)))
        for i, site in enumerate(sites)
        for t in range(calendar.months)
    ]
    return ("site", "month", *series, "alcohol_specific_emergency_without_service"), rows
