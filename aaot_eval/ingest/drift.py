"""What changes in the records from year to year without any patient changing: volume, coding depth, and what one trust cannot see."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from aaot_eval.config import RunConfig
from aaot_eval.findings import Finding
from aaot_eval.ingest.completeness import month_text, spans
from aaot_eval.names import shown_names

# The newest months are compared with the same months a year before.
NEWEST, YEAR = 3, 12
# Fewer episodes than this say nothing; a difference within so many of its own errors is chance.
LEAST_EPISODES, ERRORS = 50, 4.0
# What is compared from one half-year to the next beside the codes an episode; a change of a share below the last number is small.
HALF_YEAR, LEAST_CHANGE, JUMP_ERRORS = 6, 0.03, 5.0
SHARES, DEPTH = ("uncoded episodes", "episodes that end on the day of admission"), "codes an episode"
# The newest month counts as beyond the earlier ones by so many of its own errors.
LATE_ERRORS, LEAST_LATE = 2.0, 10

FloatArray = npt.NDArray[np.float64]
# Findings by provider.
Told = dict[str, list[Finding]]


def check_drift(config: RunConfig, months: pd.DataFrame, first: pd.Period, last: pd.Period) -> list[Finding]:
    """Volume against the year before (D382), a low newest month (D425), mean codes per episode (D383), uncoded newest months (D385), jumps from one
    half-year to the next (D386) and the blind spot of a single trust (D384).

    `months` is `provider_months` of the usable months.
    """
    begin, end = (int(month.year) * 12 + int(month.month) - 1 for month in (first, last))
    providers = sorted(months["provider"].unique())
    n, depth, uncoded, same_day = (
        _by_month(months, c, providers, begin, end) for c in ("n", "codes", "uncoded", "same_day")
    )
    limit = config.quality.limit
    told = [
        _volume(n, providers, limit("D382")),
        _newest_month(n, providers, limit("D425")),
        _depth(n, depth, providers, limit("D383")),
        _late_uncoded(n, uncoded, providers, begin, limit("D385")),
        *(
            _jumps(name, above, below, providers, begin, limit("D386"))
            for name, above, below in (*zip(SHARES, (uncoded, same_day), (n, n), strict=True), (DEPTH, depth, n))
        ),
    ]
    findings = [f for provider in providers for of in told for f in of.get(provider, ())]
    if len(providers) == 1:
        findings.append(Finding("D384", where=shown_names(providers)))
    elif together := _newest_month(np.nansum(n, axis=0)[None, :], ["all providers together"], limit("D425")):
        findings += together.popitem()[1]
    return findings


def _by_month(rows: pd.DataFrame, column: str, providers: list[str], begin: int, end: int) -> FloatArray:
    """A measure as providers x months, nan where a provider has no such month."""
    table = np.full((len(providers), end - begin + 1), np.nan)
    place = {p: i for i, p in enumerate(providers)}
    rows = rows[rows["provider"].isin(place) & rows["clock"].between(begin, end)]
    table[rows["provider"].map(place).to_numpy(dtype=int), rows["clock"].to_numpy(dtype=int) - begin] = rows[column]
    return table


def _volume(counts: FloatArray, providers: list[str], limit: float) -> Told:
    year_before = counts[:, max(counts.shape[1] - NEWEST - YEAR, 0) : max(counts.shape[1] - YEAR, 0)]
    told: Told = {}
    for provider, now, then in zip(
        providers, np.nansum(counts[:, -NEWEST:], axis=1), np.nansum(year_before, axis=1), strict=True
    ):
        if then >= LEAST_EPISODES and abs(now - then) >= max(limit * then, ERRORS * math.sqrt(now + then)):
            detail = f"the newest {NEWEST} months hold {now / then - 1:+.0%} against the same months a year before; limit {limit:.0%}"
            told[provider] = [Finding("D382", where=shown_names([provider]), detail=detail)]
    return told


def _newest_month(counts: FloatArray, providers: list[str], limit: float) -> Told:
    """A newest month below what the same month a year before and the growth of the twelve months since say.

    Growth is the log ratio to the same month a year before; how far it moves from month to month by itself is taken from those twelve.
    """
    if counts.shape[1] < 2 * YEAR + 1:
        return {}
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.log(counts[:, -YEAR - 1 :] / counts[:, -2 * YEAR - 1 : -YEAR])
        chance = np.sqrt(1 / counts[:, -1] + 1 / counts[:, -YEAR - 1])
    told: Told = {}
    for provider, since, newest, least, then in zip(
        providers, growth[:, :-1], growth[:, -1], chance, counts[:, -YEAR - 1], strict=True
    ):
        if then >= LEAST_EPISODES and np.isfinite(since).all() and np.isfinite(newest):
            error = max(float(np.std(since, ddof=1)), float(least)) * math.sqrt(1 + 1 / YEAR)
            low = float(newest - since.mean())
            if low <= math.log(1 - limit) and low <= -ERRORS * error:
                detail = f"{math.expm1(low):+.0%} against the same month a year before and the growth since; limit {limit:.0%}"
                told[provider] = [Finding("D425", where=shown_names([provider]), detail=detail)]
    return told


def _depth(counts: FloatArray, codes: FloatArray, providers: list[str], limit: float) -> Told:
    if counts.shape[1] < 2 * YEAR:
        return {}
    told: Told = {}
    sums = [np.nansum(of[:, part], axis=1) for part in (slice(YEAR), slice(-YEAR, None)) for of in (codes, counts)]
    for provider, early_codes, early, late_codes, late in zip(providers, *sums, strict=True):
        if min(early, late) < LEAST_EPISODES:
            continue
        before, after = early_codes / early, late_codes / late
        if before > 0 and abs(after / before - 1) >= limit:
            detail = f"{before:.1f} codes an episode in the first year, {after:.1f} in the last; limit {limit:.0%}"
            told[provider] = [Finding("D383", where=shown_names([provider]), detail=detail)]
    return told


def _late_uncoded(counts: FloatArray, uncoded: FloatArray, providers: list[str], begin: int, limit: float) -> Told:
    """Which of the newest months hold more uncoded episodes than any month of the provider before."""
    enough = np.where(counts >= LEAST_LATE, counts, np.nan)
    share = uncoded / enough
    earlier, newest = share[:, :-NEWEST], share[:, -NEWEST:]
    usual = np.maximum(np.max(np.nan_to_num(earlier, nan=0.0), axis=1, initial=0.0), limit)[:, None]
    late = newest > usual + LATE_ERRORS * np.sqrt(usual * (1 - usual) / enough[:, -NEWEST:])
    late &= (np.sum(~np.isnan(earlier), axis=1) >= NEWEST)[:, None]
    first, told = counts.shape[1] - newest.shape[1], Told()
    for i in np.flatnonzero(late.any(axis=1)):
        at = first + np.flatnonzero(late[i])
        detail = f"above every earlier month; judged from {limit:.0%} of the episodes on"
        where = f"{shown_names([providers[i]])}: {spans(pd.Index(begin + at))}"
        told[providers[i]] = [Finding("D385", where=where, records=int(uncoded[i, at].sum()), detail=detail)]
    return told


def _jumps(name: str, above: FloatArray, below: FloatArray, providers: list[str], begin: int, limit: float) -> Told:
    """The largest change of a measure between two half-years that follow one another, where it is beyond limit and chance.

    All months of both half-years must be there.
    """
    if below.shape[1] < 2 * HALF_YEAR:
        return {}
    share = name != DEPTH
    halves = sliding_window_view(np.stack([above, below, above / below]), HALF_YEAR, axis=2)
    (parts, wholes), months = halves[:2].sum(axis=3), halves[2].var(axis=2, ddof=1) / HALF_YEAR
    (p0, p1), (n0, n1), (v0, v1) = ((of[:, :-HALF_YEAR], of[:, HALF_YEAR:]) for of in (parts, wholes, months))
    before, after = p0 / n0, p1 / n1
    mean = (before * n0 + after * n1) / (n0 + n1)
    by_chance = np.sqrt(mean * ((1 - mean) if share else 1.0) * (1 / n0 + 1 / n1))
    # Episodes of one person are alike, so months differ by more than single episodes would make them.
    error = np.maximum(by_chance, np.sqrt(v0 + v1))
    change = np.abs(after - before)
    large = (change >= limit * np.maximum(before, 1e-9)) & (change > JUMP_ERRORS * error)
    large &= np.minimum(n0, n1) >= LEAST_EPISODES
    large &= change >= LEAST_CHANGE if share else True
    told = Told()
    for i in np.flatnonzero(large.any(axis=1)):
        best = int(np.argmax(np.where(large[i], change[i] / np.maximum(error[i], 1e-9), -1.0)))
        was, is_now = before[i, best], after[i, best]
        shown = f"{was:.0%} to {is_now:.0%}" if share else f"{was:.1f} to {is_now:.1f}"
        where = f"{shown_names([providers[i]])}: {month_text(begin + best + HALF_YEAR)}"
        told[providers[i]] = [Finding("D386", where=where, detail=f"{name}: {shown}; limit {limit:.0%}")]
    return told
