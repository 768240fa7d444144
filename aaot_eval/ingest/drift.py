"""What changes in the records from year to year without any patient changing: volume, coding depth, and what one trust cannot see."""

from __future__ import annotations

import math

import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.engine import Engine
from aaot_eval.engine.files import shown_names
from aaot_eval.findings import Finding

# The newest months are compared with the same months a year before.
NEWEST, YEAR = 3, 12
# Fewer episodes than this say nothing; a difference within so many of its own errors is chance.
LEAST_EPISODES, ERRORS = 50, 4.0


def check_drift(engine: Engine, config: RunConfig, first: pd.Period, last: pd.Period) -> list[Finding]:
    """Volume against the year before (D382), mean codes per episode (D383) and the blind spot of a single trust (D384)."""
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
    for provider, rows in found.sort_values(["provider", "clock"]).groupby("provider"):
        counts, depth = rows.set_index("clock")["n"], rows.set_index("clock")["codes"]
        where = shown_names([provider])
        findings += _volume(counts, end, where, config.quality.limit("D382"))
        findings += _depth(counts, depth, begin, end, where, config.quality.limit("D383"))
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
