"""People who opted out: their rows leave every file as it is read, before all else, and are counted."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.config import RunConfig
from aaot_eval.engine import Engine, OptedOut, ReadReport
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.ingest.plan import Given, plan_table
from aaot_eval.ingest.read import quoted_keys
from aaot_eval.results import FlowStep, Source

WHY = "the person opted out"


def read_opt_out(config: RunConfig, engine: Engine) -> tuple[OptedOut | None, list[Source]]:
    """The list of [data] opt_out, read and in force; None when there is none.

    Raises InputError when a line of it cannot be read: somebody who opted out would be counted.
    """
    if config.data.opt_out is None:
        return None, []
    given, sources, _ = plan_table(config, "opt_out", engine.folder, session=getattr(engine, "session", None))
    found = engine.leave_out(given.plans)
    problems = [
        Problem(
            "C223",
            f"the opt-out list {r.name} has lines that cannot be read, so that somebody on it would be counted",
            where=r.name,
            do="mend the list: one person key a line under its header, each filled in",
        )
        for r in found.reports
        if r.rejected_lines or r.bad_cells or r.unquoted or not r.adds_up
    ]
    problems += [fault for plan in given.plans for fault in quoted_keys(plan, unquoted=False)]
    if problems:
        raise InputError(*problems)
    return found, [_counted(s, r) for s, r in zip(sources, found.reports, strict=True)]


def _counted(source: Source, report: ReadReport) -> Source:
    return Source(source.table, source.name, report.rows, source.bytes, source.sha256)


def opted_out_flow(
    engine: Engine, listed: OptedOut | None, read: Sequence[tuple[Given, Sequence[ReadReport]]]
) -> tuple[list[FlowStep], list[Finding]]:
    """What left each table because a person opted out, in rows and in people, and what the list found at all."""
    if listed is None:
        return [], []
    steps, everybody = [], set()
    for given, reports in read:
        if not any("person" in plan.columns for plan in given.plans):
            continue
        people = {place for report in reports for place in report.opted_out_places}
        everybody |= people
        kept, kept_people = engine.rows(f"SELECT count(*), count(DISTINCT person) FROM {given.table}_read")[0]
        lost = sum(report.opted_out for report in reports)
        steps.append(
            FlowStep(
                "opt-out list", f"{given.schema.extra['given_as']} read", kept, lost, kept_people, len(people), WHY
            )
        )
    rows = sum(step.lost for step in steps)
    if not everybody:
        return steps, [Finding("D381", where="data.opt_out")] if listed.people else []
    return steps, [Finding("D380", where="data.opt_out", records=rows, people=len(everybody))]
