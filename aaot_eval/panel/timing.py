"""Periods: their labels, lengths and seasons, and the period in which something starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.errors import InputError, Problem

# A start this far after the data is a slip of the pen, not a plan.
MOST_PLANNED_MONTHS = 24


def clock_of(period: pd.Period) -> int:
    """A period as a whole number that goes up by one each month, quarter or year."""
    if period.freqstr.startswith("M"):
        return int(period.year * 12 + period.month - 1)
    return int(period.year * 4 + period.quarter - 1) if period.freqstr.startswith("Q") else int(period.year)


def season_of(period: pd.Period) -> int:
    """1 to 12 for months (1 = January), 1 to 4 for quarters, 1 for years."""
    if period.freqstr.startswith("M"):
        return int(period.month)
    return int(period.quarter) if period.freqstr.startswith("Q") else 1


def period_frame(periods: Iterable[pd.Period], left_out: Iterable[pd.Period]) -> pd.DataFrame:
    """The `periods` frame of a panel, from calendar periods in order."""
    index = list(periods)
    out = set(left_out)
    return pd.DataFrame(
        {
            "label": [str(p) for p in index],
            "start": pd.DatetimeIndex([p.start_time for p in index]),
            "days": np.array([(p.end_time.normalize() - p.start_time).days + 1 for p in index], dtype=np.int64),
            "season": np.array([season_of(p) for p in index], dtype=np.int64),
            "clock": np.array([clock_of(p) for p in index], dtype=np.int64),
            "left_out": np.array([p in out for p in index], dtype=bool),
        },
        index=pd.RangeIndex(len(index), name="t"),
    )


def months_of(values: Iterable[object], key: str) -> list[pd.Period]:
    """Periods of the config as months. Raises InputError with every one that does not read."""
    found, problems = [], []
    for value in values:
        try:
            found.append(pd.Period(str(value), "M"))
        except ValueError:
            problems.append(
                Problem("C105", f"{value!r} is not a month", where=key, allowed="2024-04", do="write year and month")
            )
    if problems:
        raise InputError(*problems)
    return found


def site_starts(config: RunConfig, sites: pd.DataFrame, first: pd.Period, last: pd.Period) -> pd.Series:
    """The first treated month of each site as a number from 0 (Int64, <NA> = never), from the sites table and `study.starts`.

    A start after the window is kept as a number beyond it: planned. Raises InputError for a start before the second month, one
    that lies years after the data, and a study in which nothing starts inside the window though something is meant to.
    """
    months = {str(u): pd.Period(d, "M") for u, d in sites["go_live"].items() if pd.notna(d)}
    problems = []
    for site, text in config.study.starts.items():
        if site in sites.index:
            months[site] = months_of([text], "study.starts")[0]
            continue
        what, known = f"study.starts names the unknown site {site!r}", ", ".join(map(str, sites.index))
        do = "write the site as in the sites table"
        problems.append(Problem("D322", what, where="study.starts", allowed=known, do=do))
    start = pd.Series(pd.array([pd.NA] * len(sites), dtype="Int64"), index=sites.index)
    for site, month in months.items():
        start[site] = clock_of(month) - clock_of(first)
    problems += _impossible_starts(months, first, last)
    inside = start.notna() & (start <= clock_of(last) - clock_of(first))
    if months and not problems and not inside.any():
        do = "wait for data from after the first start, or mend the dates"
        problems.append(_not_here("no service starts inside the data", first, last, do))
    if problems:
        raise InputError(*problems)
    return start


def _impossible_starts(months: Mapping[str, pd.Period], first: pd.Period, last: pd.Period) -> list[Problem]:
    """The starts before there is anything to compare with, and those that lie years ahead."""
    problems = []
    for site, month in months.items():
        starts = f"the service at {site} starts in {month}"
        if clock_of(month) <= clock_of(first):
            what = f"{starts}, before there is anything to compare with"
            problems.append(_not_here(what, first, last, "give earlier admissions, or mend the date"))
        elif clock_of(month) - clock_of(last) > MOST_PLANNED_MONTHS:
            problems.append(_not_here(f"{starts}, years after the data", first, last, "mend the date"))
    return problems


def _not_here(what: str, first: pd.Period, last: pd.Period, do: str) -> Problem:
    return Problem("D320", what, where="go_live", allowed=f"{first + 1} to {last}", do=do)
