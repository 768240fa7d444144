"""What says how the service and its area are: contacts of the team, and the people a site serves as they change."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pandas as pd

from aaot_eval.engine import Engine
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.ingest.sites import MOST_SERVED
from aaot_eval.names import shown_names

# A list of contacts is a year newer than an extract at most.
MONTHS_AFTER = 12
# Before the first service of the kind.
EARLIEST_CONTACT = "1990-01-01"
MINUTES_OF_A_DAY = 24 * 60
SERVICE_TABLES = ("contacts", "denominators")


def make_service(engine: Engine, given: Collection[str]) -> tuple[dict[str, str], list[Finding]]:
    """Makes `contacts` and `denominators` where they are given; their names, and what cannot be in these tables.

    Raises InputError when denominators come without a sites table, leave out every site of it, or contradict themselves.
    """
    names = {t: t for t in SERVICE_TABLES if t in given}
    for step in names:
        engine.run(step)
    findings: list[Finding] = []
    if "contacts" in names:
        findings += _contacts(engine, "caseload" in given) + _impossible_contacts(engine)
    if "denominators" in names:
        findings += _denominators(engine, "sites" in given)
    return names, findings


def _contacts(engine: Engine, caseload: bool) -> list[Finding]:
    read = engine.rows(
        "SELECT count(*) FROM contacts_read AS c LEFT JOIN persons AS p ON p.token = c.person WHERE p.person IS NULL"
    )
    findings = [Finding("D350", where="contacts", records=read[0][0])] if read[0][0] else []
    if caseload:
        outside = engine.rows(
            """SELECT count(*), count(DISTINCT c.person) FROM contacts AS c LEFT JOIN caseload AS k ON k.person = c.person
            WHERE k.person IS NULL OR c.contact_date < k.referred OR c.contact_date > coalesce(k.ended, DATE '9999-12-31')"""
        )[0]
        if outside[0]:
            findings.append(Finding("D351", where="contacts", records=outside[0], people=outside[1]))
    return findings


def _impossible_contacts(engine: Engine) -> list[Finding]:
    """Contacts at a time, or of a length, that none can have."""
    newest = engine.rows("SELECT max(admission_date) FROM episodes")[0][0]
    latest = (pd.Period(newest, "M") + MONTHS_AFTER).end_time.date() if newest is not None else date.max
    found = []
    for code, when in (
        ("D419", f"contact_date > DATE '{latest}' OR contact_date < DATE '{EARLIEST_CONTACT}'"),
        ("D420", f"minutes <= 0 OR minutes > {MINUTES_OF_A_DAY}"),
    ):
        rows, people = engine.rows(f"SELECT count(*), count(DISTINCT person) FROM contacts WHERE {when}")[0]
        if rows:
            found.append(Finding(code, where="contacts", records=rows, people=people))
    return found


#: What a row of the denominators cannot be: in words, what to do, and the query that finds such rows.
REFUSED_DENOMINATORS = (
    (
        "a population or beds that are not above zero",
        "mend the number; leave the row out where it is not known",
        "SELECT site, valid_from FROM denominators_read WHERE population <= 0 OR beds <= 0",
    ),
    (
        "a population or beds above a thousand million",
        "mend the number: people and beds, not thousands of them",
        f"SELECT site, valid_from FROM denominators_read WHERE population > {MOST_SERVED} OR beds > {MOST_SERVED}",
    ),
    (
        "two different populations",
        "keep one row for each site and date; a correction comes in a file of its own, loaded last",
        "SELECT site, valid_from FROM denominators_read GROUP BY load, site, valid_from HAVING count(DISTINCT population) > 1",
    ),
)


def _denominators(engine: Engine, sites: bool) -> list[Finding]:
    """The sites whose population is that of the sites table (D352)."""
    if not sites:
        what, do = (
            "denominators are given without a sites table",
            "give data.sites, whose sites the denominators belong to",
        )
        raise InputError(Problem("X262", what, where="data.denominators", do=do))
    problems = [
        Problem("X262", f"{what} of {shown_names([site])}", where=f"data.denominators, {begins}", do=do)
        for what, do, sql in REFUSED_DENOMINATORS
        for site, begins in engine.rows(f"{sql} ORDER BY site, valid_from")
    ]
    if problems:
        raise InputError(*problems)
    without = _sites_without(engine)
    return [Finding("D352", where=shown_names(without), records=len(without))] if without else []


def _sites_without(engine: Engine) -> list[str]:
    """The sites that the denominators do not name; refused when these are all, or have no population in the sites table either."""
    of_sites = engine.rows(
        "SELECT s.site, count(d.site) FROM sites AS s LEFT JOIN denominators AS d ON d.site = s.site GROUP BY s.site ORDER BY s.site"
    )
    without = [site for site, n in of_sites if not n]
    if len(without) == len(of_sites):
        what, do = "the denominators are of no site of the sites table", "write the sites as in the sites table"
        raise InputError(Problem("X262", what, where="data.denominators", allowed=shown_names(without[:20]), do=do))
    unknown = [
        s for (s,) in engine.rows("SELECT site FROM sites WHERE population IS NULL ORDER BY site") if s in without
    ]
    if unknown:
        what = f"no population for {shown_names(unknown)}, neither in the denominators nor in the sites table"
        do = "add rows for these sites to the denominators"
        raise InputError(Problem("X262", what, where="data.denominators", do=do))
    return without
