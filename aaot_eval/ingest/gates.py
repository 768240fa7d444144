"""Where data must not be counted as they stand: codes outside their years, and too many episodes lost for one reason."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.config import QualityConfig
from aaot_eval.engine import Engine
from aaot_eval.findings import Finding
from aaot_eval.ingest.flow import LOSSES
from aaot_eval.results import FlowStep

# Series that are no admissions, rows loaded twice and whom the study leaves out leave as they should.
RIGHTLY_LOST = ("regular_attender", "private", "repeated", "copied")

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


def check_keys(engine: Engine, flow: Sequence[FlowStep], limits: QualityConfig) -> list[Finding]:
    """Rows that left as repeated though the row that stayed is of another admission: what is mapped is no key of episodes.

    Above the limits of losses the run stops (D333) or warns (D334). Looked at only where that many rows are repeated, before the
    tables of losses are dropped; a file loaded twice, and a month sent again, repeat the key with its admission.
    """
    read = next(s.kept for s in flow if s.step == "rows read" and s.table == "episodes")
    why = next(reason for name, _, reason in LOSSES if name == "repeated")
    most, some = limits.limit("D333"), limits.limit("D334")
    if not read or not any(s.reason == why and s.lost >= some * read for s in flow):
        return []
    (other,) = engine.rows(
        """SELECT count(*) FROM episodes_repeated AS r JOIN episodes AS k ON k.person = r.person AND k.episode_key = r.episode_key
        WHERE k.admission_date <> r.admission_date"""
    )[0]
    share = other / read
    if not other or share < some:
        return []
    code, limit = ("D333", f"at most {most:.0%}; here ") if share > most else ("D334", "")
    detail = f"{limit}{share:.0%} of the episodes: the key of another admission of the person"
    return [Finding(code, where="admissions", detail=detail)]


def check_losses(flow: Sequence[FlowStep], limits: QualityConfig) -> list[Finding]:
    """Reasons for which a large share of the episodes read was lost: above one limit the run stops, from another on it is a warning."""
    reasons = {why: name for name, _, why in LOSSES}
    read = next(s.kept for s in flow if s.step == "rows read")
    most, some = limits.limit("D333"), limits.limit("D334")
    findings = []
    for step in flow:
        name = reasons.get(step.reason)
        share = step.lost / read if read else 0.0
        if name is None or name in RIGHTLY_LOST or share < some:
            continue
        detail = f"{share:.0%} of the episodes: {step.reason}"
        code, limit = ("D333", f"at most {most:.0%}; here ") if share > most else ("D334", "")
        findings.append(Finding(code, where="admissions", detail=limit + detail))
    return findings
