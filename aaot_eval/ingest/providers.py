"""Codes of providers that changed: mergers and new codes brought to one code a unit, and units that begin or end unannounced."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from aaot_eval.config import QualityConfig
from aaot_eval.engine import Engine
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.names import shown_names

# A provider with fewer episodes in its usual month is too small to be missed.
LEAST_USUAL = 10


def make_provider_codes(engine: Engine, given: Collection[str]) -> None:
    """`provider_codes` (old_code, new_code, valid_from, code) from the table of changes, where there is one.

    `code` is the last of a chain of changes. Raises InputError (D372) with every row that contradicts another.
    """
    if "providers" not in given:
        return
    rows = engine.frame(
        "SELECT DISTINCT old_code, new_code, valid_from FROM providers_read ORDER BY old_code, new_code, valid_from"
    )
    problems = [
        Problem(
            "D372",
            f"the code {shown_names([code])} stands more than once as an old code",
            where="data.providers",
            do="keep one row: a code that was split cannot be followed",
        )
        for code in sorted(rows["old_code"][rows["old_code"].duplicated()].unique())
    ]
    follows = dict(zip(rows["old_code"].astype(str), rows["new_code"].astype(str), strict=True))
    last = {}
    for code in follows:
        seen = [code]
        while seen[-1] in follows and len(seen) <= len(follows) + 1:
            seen.append(follows[seen[-1]])
        last[code] = seen[-1]
        if seen[-1] in follows:
            problems.append(
                Problem(
                    "D372",
                    f"the changes of {shown_names([code])} lead back to it",
                    where="data.providers",
                    do="mend the old and the new codes: a code is replaced by a later one",
                )
            )
    problems = problems or _replaced_sites(engine, given, last)
    if problems:
        raise InputError(*problems)
    codes = rows.assign(
        valid_from=pd.to_datetime(rows["valid_from"]).dt.date, code=rows["old_code"].astype(str).map(last)
    )
    engine.put("provider_codes", codes.astype({"old_code": "string", "new_code": "string", "code": "string"}))


def _replaced_sites(engine: Engine, given: Collection[str], last: Mapping[str, str]) -> list[Problem]:
    """A refusal for each row of the small tables by site that has a code which no record will have any more."""
    problems = []
    for table in ("sites", "denominators"):
        if table not in given:
            continue
        named = {r[0] for r in engine.rows(f"SELECT DISTINCT site FROM {table}_read")}
        problems += [
            Problem(
                "D321",
                f"{table} names {shown_names([code])}, which data.providers replaces by {shown_names([last[code]])}",
                where=f"data.{table}",
                do=f"write one row for {shown_names([last[code]])}, with the population of all its parts, or take the change out",
            )
            for code in sorted(named & set(last))
        ]
    return problems


def recode_given(engine: Engine, given: Collection[str]) -> None:
    """Judged episodes, attendances and referrals under the codes that hold now."""
    if "providers" not in given:
        return
    engine.run("episodes_reopened")
    engine.run("episodes_judged_recoded")
    for table in ("attendances", "caseload"):
        if table in given:
            engine.run(f"{table}_read_recoded")


def check_providers(
    engine: Engine,
    given: Collection[str],
    months: pd.DataFrame,
    first: pd.Period,
    last: pd.Period,
    limits: QualityConfig,
) -> list[Finding]:
    """What the table of changes did, and providers whose records begin or end inside the series (D361, D362, D370).

    `months` is `provider_months` of the usable months.
    """
    findings = _begins_or_ends(months, first, last, int(limits.limit("D361")))
    if "providers" not in given:
        return findings
    old = engine.rows(
        """SELECT count(*), count(DISTINCT p.person) FROM episodes_read AS e JOIN provider_codes AS c ON c.old_code = e.provider
        JOIN episodes AS p ON p.row = e.row"""
    )[0]
    opened = engine.rows("SELECT count(*) FROM episodes_reopened")[0][0]
    if old[0]:
        detail = f"{opened} reopened on the day of a change joined again"
        after = engine.rows(
            f"SELECT DISTINCT old_code FROM provider_codes WHERE valid_from > DATE '{last.end_time.date()}' ORDER BY old_code"
        )
        if after:
            detail += f"; the change of {shown_names([r[0] for r in after])} is dated after {last}"
        findings.append(Finding("D362", where="data.providers", records=old[0], people=old[1], detail=detail))
    unmet = engine.rows(
        """SELECT c.old_code FROM provider_codes AS c LEFT JOIN (SELECT provider AS code FROM episodes_read
        UNION SELECT treatment_site AS code FROM episodes_read) AS k ON k.code = c.old_code WHERE k.code IS NULL ORDER BY c.old_code"""
    )
    if unmet:
        findings.append(Finding("D418", where=shown_names([r[0] for r in unmet])))
    late = engine.rows(
        f"""SELECT c.old_code, count(*) FROM episodes_read AS e JOIN provider_codes AS c ON c.old_code = e.provider
        JOIN episodes AS p ON p.row = e.row WHERE date_diff('day', CAST(c.valid_from AS DATE), p.admission_date) > {int(limits.limit("D370"))}
        GROUP BY c.old_code ORDER BY c.old_code"""
    )
    if late:
        findings.append(Finding("D370", where=shown_names([r[0] for r in late]), records=sum(r[1] for r in late)))
    return findings


def _begins_or_ends(months: pd.DataFrame, first: pd.Period, last: pd.Period, near: int) -> list[Finding]:
    """A series that begins or ends within `near` months of the data's ends does so with the data."""
    begin, end = (int(p.year) * 12 + int(p.month) - 1 for p in (first, last))
    found = months.groupby("provider").agg(usual=("n", "median"), begins=("clock", "min"), ends=("clock", "max"))
    found = found[found["usual"] >= LEAST_USUAL].sort_index()
    late = found[found["begins"] > begin + near]
    early = found[found["ends"] < end - near]
    findings = []
    for provider, row in early.iterrows():
        heirs = [str(p) for p in late.index if 0 <= late.loc[p, "begins"] - row["ends"] <= 1]
        hint = f"; {shown_names(heirs)} begins then: the same hospital under a new code?" if heirs else ""
        findings.append(Finding("D361", where=shown_names([provider]), detail=f"ends in {_month(row['ends'])}{hint}"))
    for provider, row in late.iterrows():
        findings.append(Finding("D361", where=shown_names([provider]), detail=f"begins in {_month(row['begins'])}"))
    return findings


def _month(clock: int) -> str:
    return str(pd.Period(year=int(clock) // 12, month=int(clock) % 12 + 1, freq="M"))
