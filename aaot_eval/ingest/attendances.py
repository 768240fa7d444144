"""What became of the rows of the attendances: every loss with its reason, and a share of losses that stops or warns."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pandas as pd

from aaot_eval.config import QualityConfig, RunConfig
from aaot_eval.engine import Engine
from aaot_eval.findings import Finding
from aaot_eval.ingest.flow import in_study, rows_in_study
from aaot_eval.ingest.plan import Given
from aaot_eval.results import FlowStep

INCOMPLETE = "attendance_key IS NULL OR arrival_date IS NULL OR provider IS NULL"
PLANNED = "coalesce(category, '') = '2'"
NO_KEY = "no key, day of arrival or provider"
#: What tells the same attendance under two keys from two attendances of one day.
TOLD_BY = ("arrival_time", "diagnosis_1", "treatment_1")


def make_attendances(engine: Engine, config: RunConfig, given: Sequence[Given]) -> tuple[int, list[Finding]]:
    """Makes `attendances`; how many left because they were sent again under another key, and files in which such are not known (D413)."""
    engine.run("attendances")
    plans = [plan for g in given if g.table == "attendances" for plan in g.plans]
    if not plans or config.counting.repeated_attendances == "keep":
        return 0, []
    lacking = {plan.name: [c for c in TOLD_BY if c not in plan.columns] for plan in plans}
    loads = [str(plan.load) for plan in plans if not lacking[plan.name]]
    copied = 0
    if loads:
        engine.run("attendances_copied", loads=loads)
        copied = int(engine.rows("SELECT count(*) FROM attendances_copied")[0][0])
        if copied:
            engine.run("attendances_once")
        engine.drop("attendances_copied")
    without = [name for name, columns in lacking.items() if columns]
    if not without:
        return copied, []
    named = dict.fromkeys(c for columns in lacking.values() for c in columns)
    where = without[0] if len(without) == 1 else f"attendances, {len(without)} files"
    return copied, [Finding("D413", where=where, detail=f"without {', '.join(named)}")]


def attendance_flow(
    engine: Engine, names: Mapping[str, str], first_month: pd.Period, last_month: pd.Period, copied: int
) -> list[FlowStep]:
    """The steps from the rows read to the attendances that a site is counted by; none when no attendances were given.

    `copied` attendances left because they had been sent under two keys.

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
    made, inside, counted = rows_in_study(
        engine, "attendances", *in_study("arrival_date", names, first_month, last_month)
    )
    kept = [total, total - incomplete, total - incomplete - planned, made + copied, made, inside, counted]
    said = [
        ("rows read", ""),
        ("with a key, a day and a provider", NO_KEY),
        ("unplanned attendances", "planned follow-up (category 2)"),
        ("each key once", "the same key of the same person again; the last load wins"),
        (
            "each attendance once",
            "the same person, provider, day, first diagnosis and first treatment again within 60 minutes",
        ),
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
