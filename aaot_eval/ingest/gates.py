"""Where data must not be counted as they stand: months without codes, and too many episodes lost for one reason."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.engine import Engine
from aaot_eval.engine.files import shown_names
from aaot_eval.findings import Finding
from aaot_eval.ingest.check import LOSSES, month_of
from aaot_eval.results import FlowStep

# Above the first share a month cannot be counted, from the second on its counts are in doubt.
STOP_SHARE, WARN_SHARE = 0.5, 0.1
# Fewer episodes than this in a month say nothing about how the month was coded.
LEAST_EPISODES = 10
# The same for episodes lost for one reason. Series that are no admissions and rows loaded twice leave as they should.
STOP_LOST, WARN_LOST = 0.20, 0.05
RIGHTLY_LOST = ("regular_attender", "repeated", "copied")
# What is looked for: the code that stops, the one that warns, and when an episode is without it.
GATES = (
    ("D331", "D312", "uncoded = 1"),
    ("D332", "D335", "admission_method IS NULL OR admission_method IN ('98', '99')"),
)


def check_codes(engine: Engine, config: RunConfig, first: pd.Period, last: pd.Period) -> list[Finding]:
    """Months, and months of single sites, in which diagnoses or admission methods are missing.

    More than half of the valid episodes without stops the run, as the month would count as one without admissions; 10 to 50 % is a
    warning. Months that the study leaves out are not judged.
    """
    out = {_clock(month_of(v, "study.left_out")) for v in config.study.left_out}
    return [f for stop, warn, without in GATES for f in _by_month(engine, first, last, out, stop, warn, without)]


def _by_month(
    engine: Engine, first: pd.Period, last: pd.Period, out: set[int], stop: str, warn: str, without: str
) -> list[Finding]:
    found = engine.frame(
        f"""SELECT provider, year(admission_date) * 12 + month(admission_date) - 1 AS clock, count(*) AS n,
        sum(CASE WHEN {without} THEN 1 ELSE 0 END) AS gone FROM episodes
        WHERE admission_date BETWEEN DATE '{first.start_time.date()}' AND DATE '{last.end_time.date()}' GROUP BY 1, 2"""
    )
    found = found[~found["clock"].isin(out)]
    months = found.groupby("clock")[["n", "gone"]].sum()
    months = months[months["n"] >= LEAST_EPISODES]
    share = months["gone"] / months["n"]
    empty, doubtful = months[share > STOP_SHARE], months[(share >= WARN_SHARE) & (share <= STOP_SHARE)]
    findings = []
    if len(empty):
        findings.append(
            _finding(stop, _spans(empty.index), empty, "at most half of the episodes of a month; here more")
        )
    sites = found[
        ~found["clock"].isin(empty.index) & (found["n"] >= LEAST_EPISODES) & (found["gone"] > STOP_SHARE * found["n"])
    ]
    for site, rows in sites.groupby("provider"):
        where = f"{shown_names([site])}: {_spans(rows['clock'])}"
        findings.append(_finding(stop, where, rows, "at most half of the episodes of a site and month; here more"))
    if len(doubtful):
        findings.append(_finding(warn, _spans(doubtful.index), doubtful, "10 to 50 % of the episodes"))
    return findings


def _finding(code: str, where: str, rows: pd.DataFrame, detail: str) -> Finding:
    return Finding(code, where=where, records=int(rows["gone"].sum()), detail=detail)


def _clock(month: pd.Period) -> int:
    return int(month.year) * 12 + int(month.month) - 1


def _spans(clocks: Sequence[int] | pd.Index | pd.Series) -> str:
    """Months as text, neighbours joined: 2024-01 to 2024-12, 2025-03."""
    found = pd.Series(sorted(int(c) for c in clocks))
    parts = []
    for _, run in found.groupby((found.diff() != 1).cumsum()):
        ends = [str(pd.Period(year=c // 12, month=c % 12 + 1, freq="M")) for c in (run.iloc[0], run.iloc[-1])]
        parts.append(" to ".join(dict.fromkeys(ends)))
    return ", ".join(parts)


#: Codes of the data sets that hold from or until a day only: column, codes, first day, last day (NHS Data Dictionary; HES
#: technical output specification). A year of overlap is allowed, as trusts change at different times.
CODE_YEARS = (
    ("admission_method", ("28",), "", "2014-03-31"),
    ("admission_method", ("2A", "2B", "2C", "2D"), "2013-04-01", ""),
    ("discharge_method", ("2",), "", "2023-03-31"),
    ("discharge_method", ("6", "7"), "2022-04-01", ""),
    ("discharge_destination", ("37", "40", "55", "56"), "2022-04-01", ""),
    ("discharge_destination", ("39", "41", "54"), "", "2023-03-31"),
    ("admission_source", ("37", "40", "55", "56"), "2022-04-01", ""),
    ("admission_source", ("39", "41", "54"), "", "2023-03-31"),
)


def check_code_years(engine: Engine) -> list[Finding]:
    """Codes that stand in the data outside the years in which they are used: both generations are read, and it is said.

    Scottish records are not asked: their codes were recoded to one generation of the English.
    """
    parts = []
    for i, (column, codes, first, last) in enumerate(CODE_YEARS):
        listed = ", ".join(f"'{c}'" for c in codes)
        outside = f"admission_date < DATE '{first}'" if first else f"admission_date > DATE '{last}'"
        parts.append(f"count(CASE WHEN {column} IN ({listed}) AND {outside} THEN 1 END) AS n{i}")
    scottish = engine.rows("SELECT count(*) FROM episodes_read WHERE stay_number IS NOT NULL")[0][0]
    if scottish:
        return []
    counts = engine.rows(f"SELECT {', '.join(parts)} FROM episodes")[0]
    found = [
        f"{column} {', '.join(codes)} {f'before {first}' if first else f'after {last}'}"
        for n, (column, codes, first, last) in zip(counts, CODE_YEARS, strict=True)
        if n
    ]
    return [Finding("D364", where="admissions", records=int(sum(counts)), detail="; ".join(found))] if found else []


def check_losses(flow: Sequence[FlowStep]) -> list[Finding]:
    """Reasons for which a large share of the episodes read was lost: above 20 % stops the run, from 5 % on is a warning."""
    reasons = {why: name for name, _, why in LOSSES}
    read = next(s.kept for s in flow if s.step == "rows read")
    findings = []
    for step in flow:
        name = reasons.get(step.reason)
        share = step.lost / read if read else 0.0
        if name is None or name in RIGHTLY_LOST or share < WARN_LOST:
            continue
        detail = f"{share:.0%} of the episodes: {step.reason}"
        code, limit = ("D333", f"at most {STOP_LOST:.0%}; here ") if share > STOP_LOST else ("D334", "")
        findings.append(Finding(code, where="admissions", detail=limit + detail))
    return findings
