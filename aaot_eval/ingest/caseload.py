"""The caseload against the sites, the admissions and the months: who is found, who is not, and what cannot be."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from aaot_eval.config import QualityConfig, RunConfig
from aaot_eval.engine import Engine
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.ingest.person_keys import NO_DIFFERENCE, KeyDifference, key_difference
from aaot_eval.names import shown_names
from aaot_eval.results import FlowStep


def check_caseload(
    engine: Engine, config: RunConfig, names: Mapping[str, str], first: pd.Period, last: pd.Period
) -> tuple[list[FlowStep], list[Finding]]:
    """The caseload against sites, admissions and months. Raises InputError when it names unknown sites or matches nobody."""
    ((rows,),) = engine.rows("SELECT count(*) FROM caseload_read")
    people, linked = engine.rows(
        """SELECT count(*), count(s.person) FROM caseload c LEFT JOIN (SELECT DISTINCT person FROM episodes) AS s ON s.person = c.person"""
    )[0]
    unknown = _unknown_sites(engine, with_sites="sites" in names)
    difference = NO_DIFFERENCE
    if linked < people:
        difference = key_difference(engine, hashed=config.data.person_key is not None, nobody=not linked)
    nobody = [_matches_nobody(difference)] if people and not linked else []
    early = _referred(engine, f"< DATE '{first.start_time.date()}'")
    late = _referred(engine, f"> DATE '{last.end_time.date()}'")
    problems = [*unknown, *nobody, *_outside(people, early, late, first, last)]
    if problems:
        raise InputError(*problems)
    flow = [FlowStep("caseload", "referrals read", rows, 0, people, 0)]
    if rows > people:
        again = "the same person referred again"
        flow.append(FlowStep("caseload", "first referrals", people, rows - people, people, None, again))
    flow.append(
        FlowStep(
            "caseload", "referred in the window", people - late, late, people - late, late, f"referred after {last}"
        )
    )
    findings = []
    missing = people - linked
    if missing > config.quality.limit("D307") * people:
        said, advice = difference.said, difference.advice
        findings.append(Finding("D307", where="caseload", records=missing, people=missing, detail=said, advice=advice))
    return flow, findings + _contradictions(engine, "sites" in names)


def _referred(engine: Engine, when: str) -> int:
    """People whose first referral lies before or after a day."""
    return int(engine.rows(f"SELECT count(*) FROM caseload WHERE referred {when}")[0][0])


def _unknown_sites(engine: Engine, *, with_sites: bool) -> list[Problem]:
    known = "SELECT site FROM sites" if with_sites else "SELECT DISTINCT site FROM stays"
    unknown = engine.rows(f"SELECT DISTINCT site FROM caseload_read WHERE site NOT IN ({known}) ORDER BY site")
    if not unknown:
        return []
    sites = engine.rows(f"SELECT DISTINCT site FROM ({known}) AS k ORDER BY site")
    return [
        Problem(
            "D322",
            f"the caseload names unknown sites: {shown_names(r[0] for r in unknown)}",
            where="data.caseload",
            allowed=shown_names(r[0] for r in sites[:30]),
            do="write the site as in " + ("the sites table" if with_sites else "the extract"),
        )
    ]


def _matches_nobody(difference: KeyDifference) -> Problem:
    return Problem(
        "D308",
        "no person of the caseload is in the admissions: the ids are of two kinds"
        + (f"; {difference.said}" if difference.said else ""),
        where="data.caseload",
        do=difference.do or "give both files the same person id, or map [data.person_key]",
    )


def _outside(people: int, early: int, late: int, first: pd.Period, last: pd.Period) -> list[Problem]:
    """Refusals of referrals before the months of the data, and of a caseload that lies after them altogether."""
    problems = []
    if early:
        problems.append(
            Problem(
                "D320",
                "the caseload has referrals before the first month of the data",
                where="data.caseload, column referred",
                allowed=f"{first} onwards",
                do="give admissions from before the first referral, or mend the dates",
            )
        )
    if people and late == people:
        problems.append(
            Problem(
                "D320",
                "nobody of the caseload was referred inside the months of the data",
                where="data.caseload, column referred",
                allowed=f"{first} to {last}",
                do="wait for admissions from after the first referral, or mend the dates",
            )
        )
    return problems


def join_report(engine: Engine, limits: QualityConfig) -> tuple[pd.DataFrame, list[Finding]]:
    """By `site` of the caseload and together (`all`): `people`, how many of them are `found` among the admissions and how many at the
    site itself (`found_here`). A site above the limit is a warning (D394), unless every site is as badly joined."""
    found = engine.frame(
        """SELECT c.site, count(*) AS people, count(s.person) AS found, count(h.person) AS found_here FROM caseload AS c
        LEFT JOIN (SELECT DISTINCT person FROM episodes) AS s ON s.person = c.person
        LEFT JOIN (SELECT DISTINCT person, site FROM stays) AS h ON h.person = c.person AND h.site = c.site
        GROUP BY c.site ORDER BY c.site"""
    )
    limit = limits.limit("D394")
    findings = []
    for site, people, there in zip(found["site"], found["people"].astype(int), found["found"].astype(int), strict=True):
        if people - there > limit * people:
            detail = f"above {limit:.0%} of its caseload"
            findings.append(
                Finding("D394", where=shown_names([site]), records=people - there, people=people - there, detail=detail)
            )
    together = found[["people", "found", "found_here"]].sum().to_frame().T.assign(site="all")
    return pd.concat([together, found], ignore_index=True)[["site", "people", "found", "found_here"]], findings


def _contradictions(engine: Engine, with_sites: bool) -> list[Finding]:
    """Referrals that cannot be as they are written: to a team that was not there, or that ended before they began."""
    rows = "caseload_read AS c JOIN persons AS p ON p.token = c.person"
    at_site = f"{rows} JOIN sites AS s ON s.site = c.site"
    asked = [
        ("D342", rows, "c.ended < c.referred OR c.started < c.referred OR c.ended < c.started"),
        ("D343", rows, "c.person IN (SELECT person FROM caseload_read GROUP BY person HAVING count(*) > 1)"),
    ]
    if with_sites:
        asked += [
            (
                "D340",
                at_site,
                "date_trunc('month', c.referred) < date_trunc('month', s.go_live)",
            ),
            ("D341", at_site, "s.go_live IS NULL"),
        ]
    findings = []
    for code, source, when in sorted(asked):
        n, people = engine.rows(f"SELECT count(*), count(DISTINCT p.person) FROM {source} WHERE {when}")[0]
        if n:
            findings.append(Finding(code, where="caseload", records=n, people=people))
    return findings
