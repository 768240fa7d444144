"""Episodes to spells to continuous stays: chooses the steps of the named rules; the rules themselves are in the steps."""

from __future__ import annotations

from collections.abc import Collection

from aaot_eval.config import RunConfig
from aaot_eval.engine import Engine
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.ingest.coding import alcohol_specific_list, codes_in_list, match_lists

__all__ = ["EMERGENCY", "alcohol_specific_list", "codes_in_list", "make_stays"]

EMERGENCY = ("21", "22", "23", "24", "25", "2A", "2B", "2C", "2D", "28")
#: The columns that a rule cannot do without, and how a source calls them.
NEEDED_BY_RULE = {
    "sus": (("sus_spell", "provider_spell"), "SUSSPELLID or the hospital provider spell number (PROVSPNOPS)"),
    "smr": (("stay_number",), "the marker of the continuous inpatient stay (CIS_MARKER)"),
}

# The number of an episode that has none in the source.
UNKNOWN_ORDER = 99
# Discharged to a ward for people with mental illness or a learning disability; within so many days the next stay is the same one.
MENTAL_HEALTH, DAYS_OF_TRANSFER = "53", 3
# A year of birth from age and date of admission is right within one year; two of them within two.
YEARS_APART = 2


def refuse_without_numbers(engine: Engine, config: RunConfig) -> None:
    """Raises InputError (D371) for a rule whose number the extract does not have in a single row."""
    problems = []
    for key, rule in (("spell_rule", config.study.spell_rule), ("stay_rule", config.study.stay_rule)):
        columns, words = NEEDED_BY_RULE.get(rule, ((), ""))
        if columns and not _filled(engine, columns):
            problems.append(
                Problem(
                    "D371",
                    f"the rule {rule!r} joins by {words}, and the extract has none",
                    where=f"study.{key}",
                    allowed='"hf", "york"' + (' or "nhsd"' if key == "stay_rule" else ""),
                    do="ask for the column, map it under [data.columns], or choose another rule",
                )
            )
    if problems:
        raise InputError(*problems)


def _filled(engine: Engine, columns: Collection[str]) -> bool:
    some = " OR ".join(f"{c} IS NOT NULL" for c in columns)
    return bool(engine.rows(f"SELECT count(*) FROM episodes_read WHERE {some}")[0][0])


def make_stays(engine: Engine, config: RunConfig, *, legs: bool = False, changed_codes: bool = False) -> list[Finding]:
    """From `episodes` and `sites` to `spells` and `stays`, under the rules of [study] (`hf`, `york`, `sus`, `smr`; `nhsd`).

    What can only be said while episodes stand beside one another is handed back: long leave inside a spell (D367). With `legs`
    also `stay_legs`: every spell of a stay with its HRG, for prices by HRG. With `changed_codes` the spells that a change of
    provider code cut in two are one.
    """
    match_lists(engine, config)
    unlinked = bool(config.data.one_off_keys)
    engine.run("episodes_met")
    engine.run(f"spell_starts_{config.study.spell_rule}", leave=int(config.quality.limit("D367")))
    if changed_codes:
        engine.run("spell_starts_reopened")
    if unlinked:
        engine.run("spell_starts_unlinked")
    findings = _long_leave(engine)
    # Dropped as soon as nothing reads them: what stays is written to the disk where memory is short.
    engine.drop("episodes_met")
    engine.run("spell_members")
    engine.drop("spell_starts")
    for step in ("spell_spans", "spells"):
        engine.run(step)
    engine.run("spells_met")
    engine.run(f"stay_starts_{config.study.stay_rule}")
    if unlinked:
        engine.run("stay_starts_unlinked")
    engine.drop("spells_met")
    for step in ("spells_overlapping", "stay_members", "stay_spans", "site_codes"):
        engine.run(step)
    engine.drop("stay_starts")
    engine.run("stays", emergency=EMERGENCY)
    engine.drop("site_codes")
    if legs:
        engine.run("stay_legs", emergency=EMERGENCY)
    return findings


def _long_leave(engine: Engine) -> list[Finding]:
    """Episodes of one admission with more days between them than leave lasts (D367)."""
    n, people = engine.rows("SELECT count(*), count(DISTINCT person) FROM spell_starts WHERE long_leave = 1")[0]
    return [Finding("D367", where="admissions", records=n, people=people)] if n else []


def make_one_off_people(engine: Engine, config: RunConfig) -> list[Finding]:
    """Makes `one_off_people` where the config says how such keys begin; how many records they have."""
    begins = config.data.one_off_keys
    if not begins:
        return []
    if len({len(b) for b in begins}) > 1:
        raise InputError(
            Problem(
                "D371",
                "the beginnings of one-off keys are of different lengths",
                where="data.one_off_keys",
                do='write them equally long, such as ["X1", "X2"]',
            )
        )
    engine.run("one_off_people", length=len(begins[0]), begins=begins)
    n, people = engine.rows(
        "SELECT count(*), count(DISTINCT e.person) FROM episodes AS e JOIN one_off_people AS o ON o.person = e.person"
    )[0]
    return [Finding("D365", where="admissions", records=n, people=people)] if n else []


def check_joining(engine: Engine, config: RunConfig) -> list[Finding]:
    """What the rules of joining leave to be said: a marker of stays that the rule does not use, episodes numbered with gaps, early
    dates of discharge, transfers to mental-health wards that the data do not follow, and keys under which sexes or ages do not fit
    together."""
    findings = _numbering(engine) + _left_for_mental_health(engine) + _two_people(engine)
    if config.study.stay_rule != "smr" and _filled(engine, ("stay_number",)):
        findings.append(Finding("D360", where="study.stay_rule", detail=f"{config.study.stay_rule!r} is used"))
    return findings


def _numbering(engine: Engine) -> list[Finding]:
    """Spells whose episodes are not 1, 2, 3, ... (D392) and discharge dates before the last episode (D393).

    A spell with an episode of unknown number is not asked.
    """
    gaps, gap_people, early, early_people = engine.rows(
        f"""SELECT coalesce(sum(gaps), 0), count(DISTINCT CASE WHEN gaps = 1 THEN person END),
        coalesce(sum(early_discharges), 0), count(DISTINCT CASE WHEN early_discharges > 0 THEN person END)
        FROM (
            SELECT person, early_discharges, CASE WHEN highest_order < {UNKNOWN_ORDER} AND (lowest_order <> 1 OR highest_order <> episodes)
                THEN 1 ELSE 0 END AS gaps FROM spell_spans
            UNION ALL
            SELECT e.person, 0 AS early_discharges, 1 AS gaps FROM episodes AS e LEFT JOIN spell_members AS m ON m.row = e.row
            WHERE m.row IS NULL AND e.episode_order <> 1 AND e.episode_order < {UNKNOWN_ORDER}
        ) AS numbered"""
    )[0]
    found = (("D392", gaps, gap_people), ("D393", early, early_people))
    return [Finding(code, where="spells", records=int(n), people=int(people)) for code, n, people in found if n]


def _left_for_mental_health(engine: Engine) -> list[Finding]:
    """Spells that end with a transfer to a mental-health ward (destination 53) and have no spell of the person after them (D390)."""
    n, people = engine.rows(
        f"""SELECT count(*), count(DISTINCT s.person) FROM spells AS s
        LEFT JOIN (SELECT DISTINCT t.spell FROM spells AS t JOIN spells AS a ON a.person = t.person AND a.spell <> t.spell
            AND date_diff('day', t.end_date, a.admission_date) BETWEEN 0 AND {DAYS_OF_TRANSFER}
            WHERE t.discharge_destination = '{MENTAL_HEALTH}') AS followed ON followed.spell = s.spell
        WHERE s.discharge_destination = '{MENTAL_HEALTH}' AND followed.spell IS NULL"""
    )[0]
    return [Finding("D390", where="admissions", records=int(n), people=int(people))] if n else []


def _two_people(engine: Engine) -> list[Finding]:
    """People with two sexes (D397), and with ages that give years of birth further apart than age and date can (D398)."""
    sexes = ages = 0
    # Odd and even numbers of people by themselves: counts for everybody at once would be the largest table of a run.
    for half in (0, 1):
        two, apart = engine.rows(
            f"""SELECT count(CASE WHEN sexes = 3 THEN 1 END), count(CASE WHEN latest - earliest > {YEARS_APART} THEN 1 END)
            FROM (SELECT person, bit_or(CAST(CASE sex WHEN '1' THEN 1 WHEN '2' THEN 2 ELSE 0 END AS SMALLINT)) AS sexes,
                min(CAST(year(admission_date) - age AS SMALLINT)) AS earliest,
                max(CAST(year(admission_date) - age AS SMALLINT)) AS latest
                FROM spells WHERE person % 2 = {half} GROUP BY person) AS people"""
        )[0]
        sexes, ages = sexes + int(two), ages + int(apart)
    found = (("D397", sexes), ("D398", ages))
    return [Finding(code, where="admissions", records=n, people=n) for code, n in found if n]
