"""Person-time: what a site's count is a rate of, and when a person is at risk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from aaot_eval.findings import Finding
from aaot_eval.names import shown_names
from aaot_eval.results import Tables

DAYS_PER_YEAR = 365.25
# No hospital admits everybody whom it serves every year.
MOST_A_HEAD = 1.0
LEAST_SITES = 3


def site_exposure(population: pd.Series | np.ndarray, days: np.ndarray) -> np.ndarray:
    """Person-years of each site and period (sites x periods): population x days / 365.25, with a population of 1 when none is given.

    `population` is one number a site, or one a site and period.
    """
    people = np.nan_to_num(np.asarray(population, dtype=float), nan=1.0)
    people = people if people.ndim == 2 else people[:, None]
    exposure: np.ndarray = people * np.asarray(days, dtype=float)[None, :] / DAYS_PER_YEAR
    return exposure


def changing_population(tables: Tables, population: pd.Series, periods: pd.DataFrame) -> np.ndarray:
    """People served by each site in each period (sites x periods): the latest denominator at or before it, else the first.

    A site without denominators keeps its `population`.
    """
    people = np.repeat(population.to_numpy(dtype=float)[:, None], len(periods), axis=1)
    if not tables.has("denominators"):
        return people
    found = tables.engine.frame("SELECT site, valid_from, population FROM denominators ORDER BY site, valid_from")
    begins = pd.to_datetime(periods["start"]).to_numpy()
    for site, rows in found.groupby("site"):
        if site in population.index:
            holds = np.searchsorted(pd.to_datetime(rows["valid_from"]).to_numpy(), begins, side="right") - 1
            people[population.index.get_loc(site)] = rows["population"].to_numpy(dtype=float)[holds.clip(0)]
    return people


def sudden_changes(people: np.ndarray, sites: Sequence[str], labels: Sequence[str], limit: float) -> list[Finding]:
    """The periods in which the people served (sites x periods, NaN = not known) change by a share above `limit` (D416)."""
    findings = []
    for site, row in zip(sites, people, strict=True):
        held = np.flatnonzero(row > 0)
        ratio = row[held[1:]] / row[held[:-1]]
        at = held[1:][np.maximum(ratio, 1 / ratio) - 1 > limit]
        if len(at):
            findings.append(Finding("D416", where=shown_names([site]), detail=", ".join(labels[i] for i in at)))
    return findings


def unlike_rates(stays: np.ndarray, person_years: np.ndarray, sites: Sequence[str], limit: float) -> list[Finding]:
    """The sites whose admissions a head are below `limit` of the median site's, or above its inverse (D417).

    `stays`, `person_years`: sites x periods. Of two sites none is known to be the odd one, unless it has more admissions than people.
    """
    years = person_years.sum(axis=1)
    rate = stays.sum(axis=1) / years
    usual = np.median(rate) if len(sites) >= LEAST_SITES else np.nan
    more, fewer = (rate > MOST_A_HEAD) | (rate > usual / limit), (rate > 0) & (rate < usual * limit)
    return [
        Finding("D417", where=shown_names([s for s, odd in zip(sites, which, strict=True) if odd]), detail=word)
        for which, word in ((fewer, "fewer"), (more, "more"))
        if which.any()
    ]


def month_in_window(months: pd.Series, n_periods: int) -> pd.Series:
    """Month numbers as Int64, those outside 0..n_periods-1 as <NA>: they are not inside the window."""
    values = months.astype("Int64")
    return values.where((values >= 0) & (values < n_periods))
