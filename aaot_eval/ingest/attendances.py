"""What became of the rows of the attendances: every loss with its reason, and a share of losses that stops or warns."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pandas as pd

from aaot_eval.config import QualityConfig
from aaot_eval.engine import Engine
from aaot_eval.findings import Finding
from aaot_eval.results import FlowStep

INCOMPLETE = "attendance_key IS NULL OR arrival_date IS NULL OR provider IS NULL"
PLANNED = "coalesce(category, '') = '2'"
NO_KEY = "no key, day of arrival or provider"


def attendance_flow(
    engine: Engine, names: Mapping[str, str], first_month: pd.Period, last_month: pd.Period
) -> list[FlowStep]:
    """The steps from the rows read to the attendances that a site is counted by; none when no attendances were given.

    Raises ValueError when they do not add up, which would be a fault of ours.
    """
    if "attendances" not in names:
        return []
    total, incomplete, planned = (
        int(n)
        for n in engine.rows(
            f"SELECT count(*), count(CASE WHEN {INCOMPLETE} THEN 1 END), count(CASE WHEN NOT ({INCOMPLETE}) AND {PLANNED} THEN 1 END) "
            "FROM attendances_read"
        )[0]
    )
    window = f"a.arrival_date BETWEEN DATE '{first_month.start_time.date()}' AND DATE '{last_month.end_time.date()}'"
    joined, at_site = (
        ("LEFT JOIN sites AS t ON t.site = a.site", "t.site IS NOT NULL") if "sites" in names else ("", "1 = 1")
    )
    made, inside, counted = (
        int(n)
        for n in engine.rows(
            f"""SELECT count(*), count(CASE WHEN {window} THEN 1 END), count(CASE WHEN {window} AND {at_site} THEN 1 END)
            FROM attendances AS a {joined}"""
        )[0]
    )
    kept = [total, total - incomplete, total - incomplete - planned, made, inside, counted]
    said = [
        ("rows read", ""),
        ("with a key, a day and a provider", NO_KEY),
        ("unplanned attendances", "planned follow-up (category 2)"),
        ("each key once", "the same key of the same person again; the last load wins"),
        ("in the window", f"arrived before {first_month} or after {last_month}"),
        ("at a site of the study", "at a site that is not in the sites table"),
    ]
    lost = [0, *(before - after for before, after in itertools.pairwise(kept))]
    if min(lost) < 0:
        raise ValueError("the flow of attendances does not add up")
    steps = [
        FlowStep("attendances", name, left, gone, reason=why)
        for (name, why), left, gone in zip(said, kept, lost, strict=True)
    ]
    return [s for s in steps if s.lost or s.step == "rows read"]


def check_attendances(
    engine: Engine, names: Mapping[str, str], flow: Sequence[FlowStep], limits: QualityConfig
) -> list[Finding]:
    """Attendances without a key, a day or a provider stop the run (D333) or warn (D334) as episodes do; those of nobody are counted (D316)."""
    if "attendances" not in names:
        return []
    read = next(s.kept for s in flow if s.step == "rows read")
    gone = next((s.lost for s in flow if s.reason == NO_KEY), 0)
    share = gone / read if read else 0.0
    most, some = limits.limit("D333"), limits.limit("D334")
    findings = []
    if gone and share >= some:
        code, limit = ("D333", f"at most {most:.0%}; here ") if share > most else ("D334", "")
        findings.append(Finding(code, where="attendances", detail=f"{limit}{share:.0%} of the attendances: {NO_KEY}"))
    (nobody,) = engine.rows("SELECT count(*) FROM attendances WHERE person < 0")[0]
    if nobody:
        findings.append(Finding("D316", where="attendances", records=int(nobody), detail="no person key"))
    return findings
