"""What changes in the records from year to year without any patient changing: volume, coding depth, and what one trust cannot see."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from aaot_eval.config import RunConfig
from aaot_eval.engine import Engine
from aaot_eval.engine.files import shown_names
from aaot_eval.findings import Finding
from aaot_eval.ingest.completeness import month_text, spans

# The newest months are compared with the same months a year before.
NEWEST, YEAR = 3, 12
# Fewer episodes than this say nothing; a difference within so many of its own errors is chance.
LEAST_EPISODES, ERRORS = 50, 4.0
# What is compared from one half-year to the next beside the codes an episode; a change of a share below the last number is small.
HALF_YEAR, LEAST_CHANGE, JUMP_ERRORS = 6, 0.03, 5.0
SHARES = (("uncoded episodes", "uncoded"), ("episodes that end on the day of admission", "same_day"))
# The newest month counts as beyond the earlier ones by so many of its own errors.
LATE_ERRORS, LEAST_LATE = 2.0, 10


def check_drift(
    engine: Engine, config: RunConfig, months: pd.DataFrame, first: pd.Period, last: pd.Period
) -> list[Finding]:
    """Volume against the year before (D382), mean codes per episode (D383), uncoded newest months (D385), jumps from one
    half-year to the next (D386) and the blind spot of a single trust (D384).

    `months` is `provider_months` of the usable months.
    """
    codes = " + ".join(f"CASE WHEN diag_{i:02d} IS NULL THEN 0 ELSE 1 END" for i in range(1, 21))
    found = engine.frame(
        f"""SELECT provider, year(admission_date) * 12 + month(admission_date) - 1 AS clock, count(*) AS n, sum({codes}) AS codes
        FROM episodes_read WHERE provider IS NOT NULL AND episode_status = 3 AND patient_class IN ('1', '2', '5')
        AND admission_date BETWEEN DATE '{first.start_time.date()}' AND DATE '{last.end_time.date()}'
        GROUP BY provider, year(admission_date) * 12 + month(admission_date) - 1"""
    )
    end = int(last.year) * 12 + int(last.month) - 1
    begin = int(first.year) * 12 + int(first.month) - 1
    findings = []
    by_month = months.set_index("clock")
    of_provider = dict(list(by_month.groupby("provider")))
    for provider, rows in found.set_index("clock").sort_index().groupby("provider"):
        counts, depth = rows["n"], rows["codes"]
        where = shown_names([provider])
        findings += _volume(counts, end, where, config.quality.limit("D382"))
        findings += _depth(counts, depth, begin, end, where, config.quality.limit("D383"))
        own = of_provider.get(provider, by_month.iloc[:0])
        findings += _late_uncoded(own, end, where, config.quality.limit("D385"))
        of = {name: (own[column], own["n"]) for name, column in SHARES}
        findings += _jumps(of | {"codes an episode": (depth, counts)}, where, config.quality.limit("D386"))
    if found["provider"].nunique() == 1:
        findings.append(Finding("D384", where=shown_names(found["provider"].unique())))
    return findings


def _volume(counts: pd.Series, end: int, where: str, limit: float) -> list[Finding]:
    now = int(counts[(counts.index > end - NEWEST)].sum())
    then = int(counts[(counts.index > end - NEWEST - YEAR) & (counts.index <= end - YEAR)].sum())
    if then < LEAST_EPISODES or abs(now - then) < max(limit * then, ERRORS * math.sqrt(now + then)):
        return []
    detail = f"the newest {NEWEST} months hold {now / then - 1:+.0%} against the same months a year before; limit {limit:.0%}"
    return [Finding("D382", where=where, detail=detail)]


def _depth(counts: pd.Series, codes: pd.Series, begin: int, end: int, where: str, limit: float) -> list[Finding]:
    early, late = counts.index < begin + YEAR, counts.index > end - YEAR
    if end - begin + 1 < 2 * YEAR or min(counts[early].sum(), counts[late].sum()) < LEAST_EPISODES:
        return []
    before, after = (float(codes[part].sum() / counts[part].sum()) for part in (early, late))
    if before <= 0 or abs(after / before - 1) < limit:
        return []
    detail = f"{before:.1f} codes an episode in the first year, {after:.1f} in the last; limit {limit:.0%}"
    return [Finding("D383", where=where, detail=detail)]


def _late_uncoded(months: pd.DataFrame, end: int, where: str, limit: float) -> list[Finding]:
    """Which of the newest months hold more uncoded episodes than any month of the provider before."""
    months = months[months["n"] >= LEAST_LATE]
    share = months["uncoded"] / months["n"]
    earlier, newest = share[share.index <= end - NEWEST], share[share.index > end - NEWEST]
    if len(earlier) < NEWEST:
        return []
    usual = max(float(earlier.max()), limit)
    error = (usual * (1 - usual) / months["n"].reindex(newest.index)) ** 0.5
    late = newest[newest > usual + LATE_ERRORS * error]
    if late.empty:
        return []
    records = int(months.loc[late.index, "uncoded"].sum())
    detail = f"above every earlier month; judged from {limit:.0%} of the episodes on"
    return [Finding("D385", where=f"{where}: {spans(late.index)}", records=records, detail=detail)]


def _jumps(measures: dict[str, tuple[pd.Series, pd.Series]], where: str, limit: float) -> list[Finding]:
    """The largest change of each measure between two half-years that follow one another, where it is beyond limit and chance."""
    findings = []
    for name, (above, below) in measures.items():
        found = _largest_jump(above.astype(float), below.astype(float), limit, share=name != "codes an episode")
        if found is not None:
            month, before, after = found
            shown = f"{before:.0%} to {after:.0%}" if name != "codes an episode" else f"{before:.1f} to {after:.1f}"
            findings.append(
                Finding("D386", where=f"{where}: {month_text(month)}", detail=f"{name}: {shown}; limit {limit:.0%}")
            )
    return findings


def _largest_jump(above: pd.Series, below: pd.Series, limit: float, *, share: bool) -> tuple[int, float, float] | None:
    clocks, part, whole = below.index.to_numpy(), above.to_numpy(), below.to_numpy()
    if len(clocks) < 2 * HALF_YEAR:
        return None
    # Where a second half-year begins: all months of both must be there.
    at = np.arange(HALF_YEAR, len(clocks) - HALF_YEAR + 1)
    at = at[
        (clocks[at - HALF_YEAR] == clocks[at] - HALF_YEAR) & (clocks[at + HALF_YEAR - 1] == clocks[at] + HALF_YEAR - 1)
    ]
    halves = sliding_window_view(np.stack([part, whole, part / whole]), HALF_YEAR, axis=1)
    (parts, wholes), months = halves[:2].sum(axis=2), halves[2].var(axis=1, ddof=1) / HALF_YEAR
    at = at[np.minimum(wholes[at - HALF_YEAR], wholes[at]) >= LEAST_EPISODES]
    n0, n1 = wholes[at - HALF_YEAR], wholes[at]
    before, after = parts[at - HALF_YEAR] / n0, parts[at] / n1
    mean = (before * n0 + after * n1) / (n0 + n1)
    by_chance = np.sqrt(mean * ((1 - mean) if share else 1.0) * (1 / n0 + 1 / n1))
    # Episodes of one person are alike, so months differ by more than single episodes would make them.
    error = np.maximum(by_chance, np.sqrt(months[at - HALF_YEAR] + months[at]))
    change = np.abs(after - before)
    large = (change >= limit * np.maximum(before, 1e-9)) & (change > JUMP_ERRORS * error)
    large &= change >= LEAST_CHANGE if share else True
    if not large.any():
        return None
    best = int(np.argmax(np.where(large, change / np.maximum(error, 1e-9), -1.0)))
    return int(clocks[at[best]]), float(before[best]), float(after[best])
