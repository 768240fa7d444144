"""What the run before saw, month by month, beside what this one sees: which earlier months changed, and by how much."""

from __future__ import annotations

import pandas as pd

from aaot_eval.config import QualityConfig
from aaot_eval.engine import Engine
from aaot_eval.errors import counted
from aaot_eval.findings import Finding
from aaot_eval.ingest.completeness import clock_of, month_text, spans
from aaot_eval.names import shown_names
from aaot_eval.results import Vintage

# The newest months of a run are still filling up: their growth is expected, their shrinking is not.
NEWEST = 3
# Fewer records than this in a month change by chance of resubmission; the smaller of the two counts decides nothing.
LEAST_RECORDS = 50
MEASURES = ("episodes", "alcohol_episodes")
WORDS = {"episodes": "episodes", "alcohol_episodes": "episodes with an alcohol-specific code"}
KEY = ["site", "month"]


def months_seen(engine: Engine, months: pd.DataFrame) -> pd.DataFrame:
    """By `site` (provider) and `month`: `episodes`, and the `alcohol_episodes` and `uncoded` among them; what the next run compares with."""
    alcohol = engine.frame(
        """SELECT provider, year(admission_date) * 12 + month(admission_date) - 1 AS clock, count(*) AS alcohol_episodes
        FROM episodes AS e JOIN alcohol_episodes AS a ON a.row = e.row
        GROUP BY provider, year(admission_date) * 12 + month(admission_date) - 1"""
    )
    found = months[["provider", "clock", "n", "uncoded"]].merge(alcohol, on=["provider", "clock"], how="left")
    found["alcohol_episodes"] = found["alcohol_episodes"].fillna(0).astype("int64")
    found["month"] = [month_text(c) for c in found["clock"]]
    found = found.rename(columns={"provider": "site", "n": "episodes"})
    return found[[*KEY, *MEASURES, "uncoded"]].sort_values(KEY, ignore_index=True)


def caseload_seen(engine: Engine) -> pd.DataFrame:
    """By `site` and `month` of the first referral: `people` of the caseload; what the next run compares with."""
    found = engine.frame(
        """SELECT site, year(referred) * 12 + month(referred) - 1 AS clock, count(*) AS people
        FROM caseload GROUP BY site, year(referred) * 12 + month(referred) - 1"""
    )
    found["month"] = [month_text(c) for c in found["clock"]]
    return found[[*KEY, "people"]].sort_values(KEY, ignore_index=True)


def compare_caseload(
    earlier: pd.DataFrame, now: pd.DataFrame, limits: QualityConfig
) -> tuple[list[Finding], pd.DataFrame]:
    """Warnings (D422) of sites whose people of before are no longer there, and each `site` and `month` whose `people` changed.

    A caseload only grows, so each month of referral is looked at by itself: new referrals do not make up for people who are gone.
    Somebody whose site or date of referral was mended is gone from the one month and new in the other.
    """
    both = earlier.merge(now, on=KEY, how="outer", suffixes=("_before", "_now")).fillna(0)
    both = both.rename(columns={"people_before": "before", "people_now": "now"})
    both = both.astype({"before": "int64", "now": "int64"}).sort_values(KEY, ignore_index=True)
    limit = limits.limit("D422")
    findings = []
    for site, rows in both.groupby("site", sort=True):
        gone = int((rows["before"] - rows["now"]).clip(lower=0).sum())
        if gone > limit * rows["before"].sum():
            detail = f"above {limit:.0%} of its caseload of before"
            findings.append(Finding("D422", where=shown_names([site]), records=gone, people=gone, detail=detail))
    return findings, both[both["before"] != both["now"]].reset_index(drop=True)


def compare(
    earlier: Vintage,
    now: pd.DataFrame,
    first: pd.Period,
    last: pd.Period,
    limits: QualityConfig,
    *,
    chosen: tuple[bool, bool] = (False, False),
) -> tuple[list[Finding], pd.DataFrame]:
    """Findings (D387 warns, D388 stops, D389 says what was compared) and the months of each site that changed.

    Compared are the months that both runs could use, at the sites that either had then. A site that is new now is said and
    not compared. Months that lie outside the data now are a warning, as an extract may move on with the years, unless the study
    itself has `chosen` its first or its last month. The months that changed have `site`, `month`, `measure`, `before`, `now` and `change` (a share of `before`).
    """
    window = [month_text(c) for c in range(clock_of(first), clock_of(last) + 1)]
    then = earlier.months[earlier.months["month"].isin(window)]
    gone = _outside(earlier, window, chosen)
    if then.empty:
        return [*gone, Finding("D389", where=earlier.run, detail="no month in common")], _no_months()
    common = now["month"].between(then["month"].min(), then["month"].max())
    both = then.merge(
        now[common & now["site"].isin(then["site"])], on=KEY, how="outer", suffixes=("_before", "_now")
    ).fillna(0)
    parts = [
        both[KEY].assign(measure=m, before=both[f"{m}_before"].astype("int64"), now=both[f"{m}_now"].astype("int64"))
        for m in MEASURES
    ]
    found = pd.concat(parts, ignore_index=True)
    newest = sorted(then["month"].unique())[-NEWEST:]
    new_sites = sorted(set(now["site"]) - set(then["site"]))
    changed = _with_change(found[found["before"] != found["now"]])
    findings = _stops(found, newest, earlier.run, limits.limit("D388"))
    findings += _warnings(changed, newest, limits.limit("D387")) + gone
    findings.append(Finding("D389", where=earlier.run, detail=_said(then, changed, new_sites)))
    return findings, changed


def _outside(earlier: Vintage, window: list[str], chosen: tuple[bool, bool]) -> list[Finding]:
    begins, ends = chosen
    seen = sorted(set(earlier.months["month"]))
    months = [m for m in seen if (m < window[0] and not begins) or (m > window[-1] and not ends)]
    if not months:
        return []
    return [Finding("D387", where=spans([_clock(m) for m in months]), detail="no longer among the months of the data")]


def _no_months() -> pd.DataFrame:
    return pd.DataFrame(columns=[*KEY, "measure", "before", "now", "change"])


def _with_change(rows: pd.DataFrame) -> pd.DataFrame:
    change = (rows["now"] - rows["before"]) / rows["before"].where(rows["before"] > 0)
    return rows.assign(change=change).sort_values([*KEY, "measure"], ignore_index=True)


def _large(rows: pd.DataFrame) -> pd.Series:
    return rows[["before", "now"]].max(axis=1) >= LEAST_RECORDS


def _stops(found: pd.DataFrame, newest: list[str], run: str, limit: float) -> list[Finding]:
    """Months of all sites together that lost or gained more than a revision does; the newest may grow."""
    months = _with_change(
        found[found["measure"] == "episodes"]
        .groupby("month")[["before", "now"]]
        .sum()
        .reset_index()
        .assign(site="", measure="")
    )
    share = months["change"].fillna(float("inf"))
    beyond = (share.abs() > limit) & ~(months["month"].isin(newest) & (share > 0)) & (months["before"] > 0)
    rows = months[_large(months) & beyond]
    if rows.empty:
        return []
    detail = f"episodes {_range(rows['change'])} against the run {run}; limit {limit:.0%}"
    return [Finding("D388", where=spans([_clock(m) for m in rows["month"]]), detail=detail)]


def _warnings(changed: pd.DataFrame, newest: list[str], limit: float) -> list[Finding]:
    """One finding a site and measure; of the newest months only what they lost, as they are still filling up."""
    change = changed["change"].fillna(float("inf"))
    filling = changed["month"].isin(newest) & (change > 0)
    rows = changed[_large(changed) & ~filling & (change.abs() > limit)]
    findings = []
    for (site, measure), some in rows.groupby(["site", "measure"], sort=True):
        where = f"{shown_names([site])}: {spans([_clock(m) for m in some['month']])}"
        detail = f"{WORDS[str(measure)]} {_range(some['change'])}; limit {limit:.0%}"
        findings.append(Finding("D387", where=where, detail=detail))
    return findings


def _said(then: pd.DataFrame, changed: pd.DataFrame, new_sites: list[str]) -> str:
    """How many months were compared, which of them changed at all, and sites that were not there before."""
    months = changed["month"].unique()
    which = f"changed: {spans([_clock(m) for m in months])}" if len(months) else "none has changed"
    new = f"; new sites: {shown_names(new_sites)}" if new_sites else ""
    return f"{counted(then['month'].nunique(), 'month')} of {counted(then['site'].nunique(), 'site')}; {which}{new}"


def _range(change: pd.Series) -> str:
    """Changes as whole per cent: from the least to the largest."""
    ends = [f"{change.min():+.0%}", f"{change.max():+.0%}"]
    return " to ".join(dict.fromkeys(ends))


def _clock(month: str) -> int:
    return clock_of(pd.Period(month, "M"))
