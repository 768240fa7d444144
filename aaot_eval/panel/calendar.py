"""Bank holidays of England and Wales, and of Scotland, by their rules; working days of a month.

Source: Banking and Financial Dealings Act 1971 and the proclamations since; GOV.UK, UK bank holidays.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np

MONDAY, SATURDAY, SUNDAY = 0, 5, 6
#: Days given once, and days moved: (year, the holiday that the rule would give) to the day it was held on.
ONCE = {
    "both": (date(2011, 4, 29), date(2012, 6, 5), date(2022, 6, 3), date(2022, 9, 19), date(2023, 5, 8)),
    "scotland": (),
    "england_wales": (),
}
EARLY_MAY_MOVED = {2020: date(2020, 5, 8)}
SPRING_MOVED = {2002: date(2002, 6, 4), 2012: date(2012, 6, 4), 2022: date(2022, 6, 2)}
SAINT_ANDREW_SINCE = 2007


def easter(year: int) -> date:
    """Easter Sunday of the western churches (the anonymous Gregorian computation)."""
    golden, century = year % 19, year // 100
    shift = (century - century // 4 - (8 * century + 13) // 25 + 19 * golden + 15) % 30
    moon = shift - (shift // 28) * (1 - (29 // (shift + 1)) * ((21 - golden) // 11))
    weekday = (year + year // 4 + moon + 2 - century + century // 4) % 7
    step = moon - weekday
    month = 3 + (step + 40) // 44
    return date(year, month, step + 28 - 31 * (month // 4))


def _first_monday(year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=-first.weekday() % 7)


def _last_monday(year: int, month: int) -> date:
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return last - timedelta(days=last.weekday())


def bank_holidays(nation: str, year: int) -> tuple[date, ...]:
    """The bank holidays of a year (2001 on), in order, substitutes in place of days that fall on a weekend.

    `nation`: england_wales or scotland.
    """
    scottish = nation == "scotland"
    fixed = [date(year, 1, 1), *([date(year, 1, 2)] if scottish else []), date(year, 12, 25), date(year, 12, 26)]
    if scottish and year >= SAINT_ANDREW_SINCE:
        fixed.append(date(year, 11, 30))
    moving = [easter(year) - timedelta(days=2), EARLY_MAY_MOVED.get(year, _first_monday(year, 5)),
              SPRING_MOVED.get(year, _last_monday(year, 5)), _first_monday(year, 8) if scottish else _last_monday(year, 8)]  # fmt: skip
    if not scottish:
        moving.append(easter(year) + timedelta(days=1))
    if year == 2002:
        moving.append(date(2002, 6, 3))
    single = [d for d in (*ONCE["both"], *ONCE[nation]) if d.year == year]
    return tuple(sorted({*moving, *single, *_substituted(fixed)}))


def _substituted(days: Iterable[date]) -> set[date]:
    """Each day, or the next weekday that is not one of them when it falls on a weekend."""
    wanted = sorted(days)
    held = {d for d in wanted if d.weekday() < SATURDAY}
    for day in (d for d in wanted if d.weekday() >= SATURDAY):
        while day.weekday() >= SATURDAY or day in held:
            day += timedelta(days=1)
        held.add(day)
    return held


def working_days(first: date, last: date, nation: str, extra: Iterable[date] = ()) -> int:
    """Mondays to Fridays from `first` to `last`, both counted, that are no bank holiday."""
    free = {d for year in range(first.year, last.year + 1) for d in bank_holidays(nation, year)} | set(extra)
    return int(np.busday_count(first, last + timedelta(days=1), holidays=sorted(free)))
