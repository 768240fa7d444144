"""What to do about rows that are lost for one reason, where more can be said than that a share of rows was lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from aaot_eval.engine import Engine
from aaot_eval.findings import Finding

#: What helps where the source numbers nothing.
WITHOUT_KEY = "if the source has no such column, number the rows in the query that exports them, and export all years with one query"
GATES = ("D333", "D334")


def _mapped(table: str, *columns: str) -> str:
    pairs = ", ".join(f'{column} = "NAME IN YOUR FILE"' for column in columns)
    return f"[data.columns] {table} = {{ {pairs} }}"


#: The columns that every attendance must have.
OF_AN_ATTENDANCE = {"attendance_key": "key", "arrival_date": "day of arrival", "provider": "provider"}

#: By table, and by how its reason ends: what to do.
ADVICE = {
    "admissions": {
        "no episode key": f"Name the column that numbers the episodes: {_mapped('admissions', 'episode_key')}; {WITHOUT_KEY}.",
        "the key of another admission of the person": "What is mapped as the key of episodes numbers something else. Name the column that "
        f"numbers episodes: {_mapped('admissions', 'episode_key')}; {WITHOUT_KEY}.",
        "no person key": f"Name the column of the pseudonymised person key: {_mapped('admissions', 'person')}; if it is the right one, ask "
        "the supplier why it is blank.",
        "no provider": f"Name the column of the provider code: {_mapped('admissions', 'provider')}; if it is the right one, ask the "
        "supplier to fill it.",
        "no admission date": f"Name the column of the day of admission: {_mapped('admissions', 'admission_date')}; if it is the right one, "
        "ask the supplier to fill it.",
        "no start or no end of the episode": "Name the columns of both days: "
        f"{_mapped('admissions', 'episode_start', 'episode_end')}; if they are the right ones, ask the supplier to fill them.",
        "not finished (episode status is not 3)": "Ask for finished episodes; where status is written otherwise than 3 = finished, ask for it so, or "
        f"name the right column: {_mapped('admissions', 'episode_status')}.",
        "patient class not 1, 2 or 5": f"Name the column of the patient class (HES: CLASSPAT): {_mapped('admissions', 'patient_class')}; codes "
        "stand as text, 1 and not 1.0.",
    },
}


def advised(findings: Iterable[Finding], engine: Engine) -> list[Finding]:
    """The same findings, with advice of their own where the reason of a loss is known."""
    return [_advised(f, engine) if f.code in GATES else f for f in findings]


def _advised(finding: Finding, engine: Engine) -> Finding:
    if finding.where == "attendances":
        return replace(finding, advice=_of_attendances(engine))
    known = ADVICE.get(finding.where, {})
    advice = next((text for reason, text in known.items() if finding.detail.endswith(reason)), "")
    return replace(finding, advice=advice)


def _of_attendances(engine: Engine) -> str:
    """Which of the columns that an attendance must have are blank, and what helps."""
    counts = ", ".join(f"count(CASE WHEN {column} IS NULL THEN 1 END) AS {column}" for column in OF_AN_ATTENDANCE)
    (found,) = engine.rows(f"SELECT {counts} FROM attendances_read")
    blank = [column for column, n in zip(OF_AN_ATTENDANCE, found, strict=True) if n]
    said = " and ".join(OF_AN_ATTENDANCE[column] for column in blank)
    key = f" For the key: {WITHOUT_KEY}." if "attendance_key" in blank else ""
    return (
        f"Blank here: {said}. Name the right column: {_mapped('attendances', *blank)}; if it is the right one, ask the supplier to fill it."
        + key
    )
