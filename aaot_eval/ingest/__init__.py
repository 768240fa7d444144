"""Extracts to tables: read, judge, join, check. This file is the order of work and nothing else."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pandas as pd

from aaot_eval.config import QualityConfig, RunConfig
from aaot_eval.engine import Engine, ReadPlan, ReadReport
from aaot_eval.engine.kept import KeptReadings
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.ingest.activity import check_activity, check_quantities, refuse_without_hrg
from aaot_eval.ingest.advice import advised
from aaot_eval.ingest.attendances import attendance_flow, check_attendances, make_attendances
from aaot_eval.ingest.caseload import check_caseload, join_report
from aaot_eval.ingest.check import check_deaths, check_records, check_rules, unknown_codes, unused_links
from aaot_eval.ingest.coding import make_coded
from aaot_eval.ingest.completeness import (
    check_completeness,
    check_reach,
    completeness,
    emptied,
    known_methods,
    months_of_providers,
)
from aaot_eval.ingest.drift import check_drift
from aaot_eval.ingest.flow import episode_flow, stay_flow
from aaot_eval.ingest.gates import check_code_years, check_keys, check_losses
from aaot_eval.ingest.identifiers import refuse_nhs_numbers, secret_fingerprint
from aaot_eval.ingest.keeping import Keeping
from aaot_eval.ingest.opt_out import opted_out_flow, read_opt_out
from aaot_eval.ingest.plan import GIVEN, READ, Given, blank_sites, plan_table
from aaot_eval.ingest.private import check_private, leave_out_private, refuse_without_category
from aaot_eval.ingest.providers import check_providers, make_provider_codes, recode_given
from aaot_eval.ingest.read import Notify, read_given
from aaot_eval.ingest.residence import check_residence, make_residences
from aaot_eval.ingest.service import make_service
from aaot_eval.ingest.sites import check_sites
from aaot_eval.ingest.spells import check_joining, make_one_off_people, make_stays, refuse_without_numbers
from aaot_eval.ingest.usable_months import months_chosen, usable_months
from aaot_eval.ingest.vintage import caseload_seen, compare, compare_caseload, months_seen
from aaot_eval.results import FlowStep, Source, Tables, Vintage
from aaot_eval.schema import in_full, table_schema

__all__ = ["Extracts", "read_extracts", "read_tables", "rejected", "secret_fingerprint"]

# The format whose columns an absent table has, so that every step finds its inputs.
ABSENT = {
    "attendances": "hes_ae",
    "caseload": "caseload",
    "sites": "sites",
    "deaths": "deaths",
    "activity": "activity",
    "contacts": "contacts",
    "denominators": "denominators",
}
# Tables between episodes and stays that nothing reads afterwards.
PASSING = ("episodes_read", "spell_members", "spell_spans", "spells_overlapping", "stay_members", "stay_spans")
TOKENS_LOOKED_AT = 500


def _quiet(message: str) -> None:
    """Says nothing."""


@dataclass(frozen=True)
class Extracts:
    """Every file of a config read into the engine as `<table>_read`, and nothing judged yet.

    Every line is accounted for: `read` holds the reports of each table's files, `rejects` in the engine what could not be read.
    """

    given: tuple[Given, ...]
    sources: tuple[Source, ...]
    read: tuple[tuple[Given, list[ReadReport]], ...]
    findings: tuple[Finding, ...]
    flow: tuple[FlowStep, ...]

    @property
    def tables(self) -> set[str]:
        """The names of the tables that the config gives."""
        return {g.table for g in self.given}


def read_extracts(
    config: RunConfig, engine: Engine, *, notify: Notify = _quiet, readings: KeptReadings | None = None
) -> Extracts:
    """The files of a config as typed rows in the engine: every line counted, every unreadable cell listed, opted-out people gone.

    `readings` are the files kept from earlier runs; new ones are added to it. Raises InputError with every problem of every
    file at once.
    """
    listed, listed_sources = read_opt_out(config, engine)
    keeping = None
    if readings is not None:
        secret = secret_fingerprint(config) or ""
        under = f"{listed.digest if listed else ''}{secret}"
        readings.forget_others(under)
        keeping = Keeping(readings, config, secret, under)
    given, sources, findings = _plan(config, engine, keeping)
    refuse_without_hrg(config, given)
    refuse_without_category(config, given)
    findings += check_residence(config, given)
    sources, read, more = _read(given, sources, engine, notify, config.quality)
    findings += more
    opted_out, more = opted_out_flow(engine, listed, read)
    findings += more
    return Extracts(tuple(given), (*sources, *listed_sources), tuple(read), tuple(findings), tuple(opted_out))


def read_tables(
    config: RunConfig,
    engine: Engine,
    *,
    notify: Notify = _quiet,
    readings: KeptReadings | None = None,
    earlier: Vintage | None = None,
) -> Tables:
    """The extracts of a config as validated tables in the engine.

    Names: `episodes`, `spells`, `stays`, `persons`, `deaths`, `rejects` always; `attendances`, `caseload`, `sites` when given.
    `readings` as in `read_extracts`. `earlier` is what the run before saw, for the months that changed since. Raises InputError
    with every problem of every file at once.
    """
    extracts = read_extracts(config, engine, notify=notify, readings=readings)
    with _rejects_beside(engine):
        return _tables_of(config, engine, extracts, notify, earlier)


def rejected(engine: Engine) -> pd.DataFrame:
    """Every line and cell that could not be read: file, line, column, reason and kind of value, never the value."""
    return engine.frame('SELECT * FROM rejects ORDER BY file, line, "column", reason')


@contextmanager
def _rejects_beside(engine: Engine) -> Iterator[None]:
    """A refusal inside carries what could not be read."""
    try:
        yield
    except InputError as fault:
        fault.rejects = rejected(engine)
        raise


def _tables_of(
    config: RunConfig, engine: Engine, extracts: Extracts, notify: Notify, earlier: Vintage | None
) -> Tables:
    """The extracts judged, joined and checked, as `read_tables` says."""
    tables_given, limits = extracts.tables, config.quality
    for table, form in ABSENT.items():
        if table not in tables_given:
            engine.empty(f"{table}_read", in_full(table_schema("extracts", form)))

    notify("Judging episodes")
    flow, keys, unknown = _judge_episodes(config, engine, extracts)
    first, last, late = usable_months(engine, config)

    notify("Joining episodes into stays")
    one_off, left, copied = _join_stays(config, engine, extracts)

    notify("Checking tables against one another")
    names = _names(config, extracts)
    findings = [*extracts.findings, *one_off, *late, *check_records(engine, flow), *unknown]
    findings += advised([*keys, *check_losses(flow, limits)], engine)
    months = months_of_providers(engine, first, last)
    found, summaries = _check_months(config, engine, extracts, months, (first, last), earlier, names)
    findings += found
    findings += check_rules(config) + check_joining(engine, config) + left + check_code_years(engine)
    findings += check_providers(engine, tables_given, months, first, last, limits)
    findings += check_drift(config, months, first, last)
    findings += check_private(engine, tables_given, months, first, last, limits)
    names |= make_coded(engine, config)
    make_residences(engine, config)
    engine.drop(*PASSING)
    findings += check_sites(engine, config, names)
    findings += check_deaths(engine, last, limits) + unused_links(engine)
    flow += stay_flow(engine, names, first, last, people=int(flow[-1].kept_people or 0))
    if "caseload" in names:
        caseload_flow, caseload_findings = check_caseload(engine, config, names, first, last)
        summaries["caseload_join"], found = join_report(engine, limits)
        flow += caseload_flow
        findings += found + caseload_findings
        found, compared = _check_caseload_of_before(engine, limits, earlier)
        findings += found
        summaries |= compared
    attended = attendance_flow(engine, names, first, last, copied)
    findings += advised(check_attendances(engine, names, attended, limits), engine)
    flow += attended + check_activity(engine, names, first, last)
    findings += check_quantities(engine, names)
    service, found = make_service(engine, tables_given)
    names |= service
    findings += found
    counts = {t: engine.rows(f"SELECT count(*) FROM {n}")[0][0] for t, n in names.items()}
    return Tables(engine, names, counts, tuple(findings), tuple(flow), extracts.sources, first, last, summaries)


def _judge_episodes(
    config: RunConfig, engine: Engine, extracts: Extracts
) -> tuple[list[FlowStep], list[Finding], list[Finding]]:
    """From rows to `episodes`: the flow of every loss, and what keys and codes say while the lost rows are still there."""
    engine.run("persons")
    refuse_nhs_numbers(
        config, [r[0] for r in engine.rows(f"SELECT token FROM persons ORDER BY person LIMIT {TOKENS_LOOKED_AT}")]
    )
    refuse_without_numbers(engine, config)
    make_provider_codes(engine, extracts.tables)
    for step in ("sites", "episodes_judged"):
        engine.run(step)
    recode_given(engine, extracts.tables)
    leave_out_private(engine, config)
    unknown = unknown_codes(engine, _episode_plans(extracts))
    for step in ("lost_months", "episodes_repeated", "episodes_copied", "episodes_lost", "episodes"):
        engine.run(step)
    if "providers" in extracts.tables:
        engine.run("episodes_recoded")
    engine.run("provider_months", methods=known_methods())
    flow = [*extracts.flow, *episode_flow(engine)]
    keys = check_keys(engine, flow, config.quality)
    engine.drop("episodes_judged", "episodes_repeated", "episodes_copied", "episodes_lost")
    return flow, keys, unknown


def _join_stays(config: RunConfig, engine: Engine, extracts: Extracts) -> tuple[list[Finding], list[Finding], int]:
    """From `episodes` to `stays`, and every other table of people: findings about one-off keys and about what was left out, and how
    many attendances were sent twice."""
    one_off = make_one_off_people(engine, config)
    left = make_stays(engine, config, legs=_by_tariff(config), changed_codes="providers" in extracts.tables)
    copied, found = make_attendances(engine, config, extracts.given)
    for step in ("caseload", "last_activity", "deaths", "activity"):
        engine.run(step)
    return one_off, left + found, copied


def _check_months(
    config: RunConfig,
    engine: Engine,
    extracts: Extracts,
    months: pd.DataFrame,
    used: tuple[pd.Period, pd.Period],
    earlier: Vintage | None,
    names: Mapping[str, str],
) -> tuple[list[Finding], dict[str, pd.DataFrame]]:
    """How complete each month is, and which months changed since the run before; the tables of both."""
    complete = completeness(engine, months, *used)
    held = {c for plan in _episode_plans(extracts) for c in plan.columns if not emptied(plan.schema[c])}
    findings = check_completeness(complete, config, held) + check_reach(engine, names, *used)
    seen = months_seen(engine, months)
    summaries = {"completeness": complete, "months_seen": seen}
    if earlier is not None:
        found, revisions = compare(earlier, seen, *used, config.quality, chosen=months_chosen(config))
        findings += found
        summaries |= {"earlier_months": earlier.months.assign(run=earlier.run), "revisions": revisions}
    return findings, summaries


def _check_caseload_of_before(
    engine: Engine, limits: QualityConfig, earlier: Vintage | None
) -> tuple[list[Finding], dict[str, pd.DataFrame]]:
    """Whether the people that the run before had on the caseload are still there; the tables of both."""
    seen = caseload_seen(engine)
    if earlier is None or earlier.caseload is None:
        return [], {"caseload_seen": seen}
    findings, changes = compare_caseload(earlier.caseload, seen, limits)
    return findings, {"caseload_seen": seen, "earlier_caseload": earlier.caseload, "caseload_changes": changes}


def _names(config: RunConfig, extracts: Extracts) -> dict[str, str]:
    """The tables that there are for this config."""
    names = {t: t for t in ("episodes", "spells", "stays", "persons", "deaths", "rejects")}
    names |= {g.table: g.table for g in extracts.given if g.table in ("attendances", "caseload", "sites", "activity")}
    names |= {"stay_legs": "stay_legs"} if _by_tariff(config) else {}
    return names | ({"one_off_people": "one_off_people"} if config.data.one_off_keys else {})


def _episode_plans(extracts: Extracts) -> list[ReadPlan]:
    return [plan for g in extracts.given if g.table == "episodes" for plan in g.plans]


def _by_tariff(config: RunConfig) -> bool:
    return config.costs is not None and config.costs.basis == "tariff"


def _wrong_keys(config: RunConfig) -> list[Problem]:
    """Keys of the config that would be read by nobody: a table that there is not, and what only a panel has."""
    problems = []
    for part in ("columns", "dates", "formats"):
        for table in getattr(config.data, part):
            if table not in READ:
                near = difflib.get_close_matches(table, READ, n=1)
                problems.append(
                    Problem(
                        "C102",
                        f"data.{part} names the table {table!r}, which there is not",
                        where=f"data.{part}",
                        allowed=", ".join(READ),
                        do=f"did you mean {near[0]!r}?" if near else "use one of these names",
                    )
                )
    for key, value in (("service_start", config.study.service_start), ("comparison", config.study.comparison)):
        if value:
            problems.append(
                Problem(
                    "C107",
                    f"study.{key} is only for an already aggregated panel, and this study has an extract",
                    where=f"study.{key}",
                    do="take it out; give the dates in the sites table: go_live, blank for a site that never has the service",
                )
            )
    return problems


def _plan(
    config: RunConfig, engine: Engine, keeping: Keeping | None
) -> tuple[list[Given], list[Source], list[Finding]]:
    problems = _wrong_keys(config)
    given, sources, findings = [], [], []
    for name in GIVEN:
        if getattr(config.data, name) is None:
            continue
        try:
            table, files, found = plan_table(config, name, engine.folder, keeping, getattr(engine, "session", None))
        except InputError as fault:
            problems += fault.problems
            continue
        given.append(table)
        sources += files
        findings += found
    # A study just begun: say of every blank table at once that it is blank.
    if any(p.code == "X203" for p in problems) and any(g.table == "sites" for g in given):
        problems += blank_sites(config, engine.folder, getattr(engine, "session", None))
    if problems:
        raise InputError(*dict.fromkeys(problems))
    return given, sources, findings


def _read(
    given: list[Given], sources: list[Source], engine: Engine, notify: Notify, limits: QualityConfig
) -> tuple[list[Source], list[tuple[Given, list[ReadReport]]], list[Finding]]:
    problems: list[Problem] = []
    counted, read, findings = [], [], []
    unreadable = False
    left = iter(sources)
    for table in given:
        try:
            reports, found = read_given(table, engine, notify, limits)
        except InputError as fault:
            problems += fault.problems
            unreadable |= fault.rejects is not None
            continue
        counted += [replace(next(left), rows=r.rows - r.lost_rows) for r in reports]
        read.append((table, reports))
        findings += found
    if problems:
        refused = InputError(*problems)
        refused.rejects = rejected(engine) if unreadable or read else None
        raise refused
    return counted, read, findings
