"""Other priced care: what an activity table is refused for, and what became of its rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.engine import Engine
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.ingest.plan import Given
from aaot_eval.names import shown_names
from aaot_eval.results import FlowStep

# Of one item for one person under one date: a table may hold one row for a long stay, or for each month.
MOST_DAYS, MOST_OF_A_MONTH = 366, 31
#: Names under which the HRG of one episode travels: a price for it may not be put on a spell.
EPISODE_HRG = ("sushrg", "fce_hrg", "episode_hrg", "hrgnhs")


def refuse_without_hrg(config: RunConfig, given: Sequence[Given]) -> None:
    """Raises InputError when stays shall be priced by HRG and the extract has none, or only that of an episode (C180, C182)."""
    if config.costs is None or config.costs.basis != "tariff":
        return
    problems = []
    for plan in (p for g in given if g.table == "episodes" for p in g.plans):
        theirs = plan.columns.get("spell_hrg", "")
        if theirs.lower() in EPISODE_HRG:
            problems.append(
                Problem(
                    "C182",
                    f"{theirs} is the HRG of an episode, and the price of an episode may not be put on a spell",
                    where=plan.name,
                    allowed="the core HRG of the spell, such as SUSCOREHRG",
                    do="map spell_hrg to the spell's HRG under [data.columns]",
                )
            )
        elif not theirs:
            problems.append(
                Problem(
                    "C180",
                    "the price basis tariff needs the HRG of every spell, and the extract has no such column",
                    where=plan.name,
                    allowed='basis = "bed_day_and_stay", "bed_day" or "marginal" without an HRG',
                    do="ask for SUSCOREHRG, map spell_hrg under [data.columns], or choose another [costs] basis",
                )
            )
    if problems:
        raise InputError(*problems)


def check_quantities(engine: Engine, names: Collection[str]) -> list[Finding]:
    """A finding for each item of which one person has more on one date than can be (D421): days of a year, or contacts of a month."""
    if "activity" not in names:
        return []
    found = engine.rows(
        f"""SELECT item, count(*), count(DISTINCT person) FROM activity
        WHERE quantity > CASE WHEN right(item, 4) = '_day' THEN {MOST_DAYS} ELSE {MOST_OF_A_MONTH} END
        GROUP BY item ORDER BY item"""
    )
    return [
        Finding("D421", where=f"activity, {shown_names([item])}", records=rows, people=people)
        for item, rows, people in found
    ]


def check_activity(
    engine: Engine, names: Mapping[str, str], first_month: pd.Period, last_month: pd.Period
) -> list[FlowStep]:
    """What became of the rows of the activity table; no step when none was given.

    Raises InputError for quantities that are not above 0 (C185) and for a table none of whose people is in the extract
    or on the caseload (C186).
    """
    if "activity" not in names:
        return []
    wrong = engine.rows("SELECT count(*) FROM activity_read WHERE quantity IS NOT NULL AND NOT quantity > 0")[0][0]
    if wrong:
        raise InputError(
            Problem(
                "C185",
                "a quantity in the activity table is 0 or negative",
                where="data.activity, column quantity",
                allowed="above 0",
                do="leave out what did not happen; a cancelled contact is not a contact",
            )
        )
    total, used = (
        int(engine.rows(f"SELECT count(*) FROM {sql}")[0][0])
        for sql in (
            "activity_read",
            "activity_read WHERE person IS NOT NULL AND date IS NOT NULL AND item IS NOT NULL AND quantity > 0",
        )
    )
    known = engine.rows(
        "SELECT count(*) FROM activity AS a WHERE a.person IN (SELECT person FROM stays UNION SELECT person FROM caseload)"
    )[0][0]
    if total and not known:
        raise InputError(
            Problem(
                "C186",
                "nobody in the activity table is in the extract or on the caseload: the ids are of two kinds",
                where="data.activity, column person",
                do="give all files the same person id, or map [data.person_key]",
            )
        )
    window = f"activity_date >= DATE '{first_month.start_time.date()}' AND activity_date <= DATE '{last_month.end_time.date()}'"
    made = int(engine.rows("SELECT count(*) FROM activity")[0][0])
    inside = int(engine.rows(f"SELECT count(*) FROM activity WHERE {window}")[0][0])
    return [
        FlowStep("activity", "rows read", total, 0),
        FlowStep("activity", "complete rows", used, total - used, reason="person, date, item or quantity missing"),
        FlowStep(
            "activity",
            "person, day and item",
            made,
            used - made,
            reason="added to another row of the day, or loaded before",
        ),
        FlowStep("activity", "in the window", inside, made - inside, reason="outside the months of the extract"),
    ]
