"""The sites table against itself and against the admissions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.engine import Engine
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.names import shown_names

# More people than any hospital serves.
MOST_SERVED = 1e9


def check_sites(engine: Engine, config: RunConfig, names: Mapping[str, str]) -> list[Finding]:
    """Sites of the admissions that the sites table does not hold (D311).

    Raises InputError (D321) for a site that stands twice or has no admission, for a service that ends before it begins, and
    for populations that cannot be.
    """
    if "sites" not in names:
        return []
    sites = engine.frame("SELECT site, go_live, stopped, population, beds FROM sites ORDER BY site")
    there = [str(r[0]) for r in engine.rows("SELECT DISTINCT site FROM stays WHERE site IS NOT NULL ORDER BY site")]
    problems = [
        *_not_once(sites),
        *_without_admissions(sites, there),
        *_ends_first(sites, config),
        *_populations(sites),
    ]
    if problems:
        raise InputError(*problems)
    other = engine.rows(
        """SELECT s.site, count(*), count(DISTINCT s.person) FROM stays s LEFT JOIN sites t ON t.site = s.site
        WHERE t.site IS NULL GROUP BY s.site ORDER BY s.site"""
    )
    if not other:
        return []
    listed = shown_names(r[0] for r in other[:20])
    people = engine.rows(
        "SELECT count(DISTINCT s.person) FROM stays s LEFT JOIN sites t ON t.site = s.site WHERE t.site IS NULL"
    )[0][0]
    return [Finding("D311", where=listed, records=sum(r[1] for r in other), people=people)]


def _refused(sites: Iterable[str], what: str, do: str, where: str = "data.sites", allowed: str = "") -> list[Problem]:
    """One refusal for each site; `what` names it as {site}."""
    return [Problem("D321", what.format(site=shown_names([s])), where=where, allowed=allowed, do=do) for s in sites]


def _not_once(sites: pd.DataFrame) -> list[Problem]:
    repeated = sorted(sites["site"][sites["site"].duplicated()].unique())
    return _refused(repeated, "the site {site} stands twice in the sites table", "keep one row for each site")


def _without_admissions(sites: pd.DataFrame, there: list[str]) -> list[Problem]:
    absent = sorted(set(sites["site"]) - set(there))
    if not absent:
        return []
    near = difflib.get_close_matches(absent[0], there, n=3)
    return [
        Problem(
            "D321",
            f"no admission at the sites {shown_names(absent)}",
            where="data.sites",
            allowed=f"sites in the admissions: {shown_names(there[:20])}",
            do=f"did you mean {shown_names(near)}?" if near else "write the sites as the provider codes of the extract",
        )
    ]


def _ends_first(sites: pd.DataFrame, config: RunConfig) -> list[Problem]:
    # Either may be given as a month.
    began, ended = (pd.to_datetime(sites[c]).dt.to_period("M") for c in ("go_live", "stopped"))
    first = ended.notna() & ~(ended >= began) & ~sites["site"].isin(list(config.study.starts))
    return _refused(
        sites["site"][first],
        "the service of {site} stopped before it began, or never began",
        "mend the dates, or leave stopped blank",
        where="data.sites, columns go_live and stopped",
        allowed="stopped: the last day of the service, after go_live",
    )


def _populations(sites: pd.DataFrame) -> list[Problem]:
    population, beds = sites["population"], sites["beds"]
    problems = _refused(
        sites["site"][(population > MOST_SERVED) | (beds > MOST_SERVED)],
        "population or beds of {site} are above a thousand million",
        "mend the number: people and beds, not thousands of them",
    )
    problems += _refused(
        sites["site"][(population <= 0) | (beds <= 0)],
        "population and beds of {site} must be above zero",
        "mend the number, or leave it blank",
    )
    if 0 < population.isna().sum() < len(sites):
        problems.append(
            Problem(
                "D321",
                f"no population for {shown_names(sites['site'][population.isna()])}",
                where="data.sites",
                do="give the population of every site, or of none",
            )
        )
    return problems
