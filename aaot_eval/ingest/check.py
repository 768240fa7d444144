"""Episodes, codes and deaths against the rules of the field: findings."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from aaot_eval.config import QualityConfig, RunConfig
from aaot_eval.engine import Engine, ReadPlan
from aaot_eval.findings import Finding
from aaot_eval.ingest.flow import flow_findings
from aaot_eval.names import shown_names
from aaot_eval.results import FlowStep
from aaot_eval.schema import table_schema

# Nobody of an extract died before 1900.
EARLIEST_DEATH = "1900-01-01"
#: Settings that change what is counted, with their defaults.
RULES = (
    ("study", "spell_rule"), ("study", "stay_rule"), ("counting", "positions"), ("counting", "code_list"), ("counting", "date_by"),
    ("counting", "fractions"), ("counting", "readmission_days"), ("counting", "days"), ("counting", "nation"),
    ("counting", "repeated_attendances"), ("counting", "private_patients"),
)  # fmt: skip


def check_rules(config: RunConfig) -> list[Finding]:
    """The rules of counting that are not the defaults (D369)."""
    other = []
    for part, key in RULES:
        chosen = getattr(config, part)
        if getattr(chosen, key) != type(chosen).model_fields[key].default:
            other.append(f"{part}.{key} = {getattr(chosen, key)}")
    return [Finding("D369", where="config", detail=", ".join(other))] if other else []


def check_records(engine: Engine, flow: Sequence[FlowStep]) -> list[Finding]:
    """Findings about the episodes and stays themselves."""
    findings = flow_findings(flow)
    dates = engine.rows(
        """SELECT count(*), count(DISTINCT person) FROM episodes WHERE episode_end < episode_start
        OR episode_start < admission_date OR discharge_date < admission_date"""
    )[0]
    if dates[0]:
        findings.append(
            Finding(
                "D304",
                where="admissions",
                records=dates[0],
                people=dates[1],
                detail="end before start, or start before admission",
            )
        )
    overlaps = engine.rows("SELECT count(*), count(DISTINCT person) FROM spells_overlapping")[0]
    if overlaps[0]:
        findings.append(Finding("D306", where="spells", records=overlaps[0], people=overlaps[1]))
    return findings


def unknown_codes(engine: Engine, plans: Sequence[ReadPlan]) -> list[Finding]:
    """Codes outside the list of their column, one finding a column and file (D313); asked while the judged rows are there."""
    checked = {c.name: c for c in table_schema("extracts", "hes_apc").columns if c.enum}
    outside = {}
    for name, column in checked.items():
        listed = ", ".join(f"'{code}'" for code in column.enum or ())
        outside[name] = f"{name} IS NOT NULL AND {name} NOT IN ({listed})"
    counts = ", ".join(
        f"coalesce(sum(CASE WHEN {when} THEN n END), 0) AS n{i}" for i, when in enumerate(outside.values())
    )
    # The few combinations of codes are judged, and not every row.
    codes = ", ".join(outside)
    found = engine.rows(
        f"SELECT {counts} FROM (SELECT {codes}, count(*) AS n FROM episodes_judged GROUP BY {codes}) AS combinations"
    )[0]
    files = {plan.load: plan for plan in plans}
    findings = []
    for (name, when), n in zip(outside.items(), found, strict=True):
        by_file = f"SELECT load, count(*), count(DISTINCT person) FROM episodes_judged WHERE {when} GROUP BY load ORDER BY load"
        for load, rows, people in engine.rows(by_file) if n else ():
            plan = files[int(load)]
            theirs = shown_names([plan.columns.get(name, checked[name].source_names[0])])
            findings.append(Finding("D313", where=f"{theirs}, {plan.name}", records=int(rows), people=int(people)))
    return findings


def unused_links(engine: Engine) -> list[Finding]:
    """Death links that their source says are not to be used, counted."""
    (n,) = engine.rows("SELECT count(*) FROM deaths_read WHERE link_used = '0'")[0]
    return [Finding("D353", where="deaths", records=n)] if n else []


def check_deaths(engine: Engine, last: pd.Period, limits: QualityConfig) -> list[Finding]:
    """Deaths with activity after them, and deaths at a time that no register can hold."""
    # Deaths are linked up to about a year beyond an extract.
    latest = (last + int(limits.limit("D344"))).end_time.date()
    listed, known = engine.rows(
        """SELECT count(*), count(a.person) FROM (SELECT DISTINCT person FROM deaths_read WHERE person IS NOT NULL) AS r
        JOIN persons AS p ON p.token = r.person LEFT JOIN last_activity AS a ON a.person = p.person"""
    )[0]
    findings = [Finding("D354", where="deaths", records=listed, people=listed)] if listed and not known else []
    for code, when in (
        ("D305", "contradicted = 1"),
        ("D344", f"death_date > DATE '{latest}' OR death_date < DATE '{EARLIEST_DEATH}'"),
    ):
        n = engine.rows(f"SELECT count(*) FROM deaths WHERE {when}")[0][0]
        if n:
            findings.append(Finding(code, where="deaths", records=n, people=n))
    return findings
