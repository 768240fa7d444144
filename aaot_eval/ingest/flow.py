"""What became of every row and every stay: the flow of inclusion, step by step, and its losses as findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from aaot_eval.engine import Engine
from aaot_eval.findings import Finding
from aaot_eval.results import FlowStep

# Why an episode left, in the order the rules are asked.
LOSSES = (
    ("unfinished", "finished episodes", "not finished (episode status is not 3)"),
    ("no_person", "with a person", "no person key"),
    ("no_provider", "with a provider", "no provider"),
    ("no_admission_date", "with an admission date", "no admission date"),
    ("no_episode_date", "with both episode dates", "no start or no end of the episode"),
    ("no_key", "with an episode key", "no episode key"),
    ("regular_attender", "admissions", "regular day or night attender (patient class 3 or 4)"),
    ("no_patient_class", "of a known class", "patient class not 1, 2 or 5"),
    ("private", "not of private patients", "private patient (administrative category 02), left out as the study says"),
    ("repeated", "each key once", "the same episode key again; the last load wins"),
    ("copied", "each episode once", "the same person, provider, order and dates under another key"),
)
FINDING_OF_LOSS = {
    "no_person": "D316",
    "regular_attender": "D302",
    "repeated": "D303",
    "copied": "D303",
    "private": "D414",
}


def episode_flow(engine: Engine) -> list[FlowStep]:
    """What became of every row read: one step a loss, each adding up to what came in."""
    places = " ".join(f"WHEN '{name}' THEN {i}" for i, (name, _, _) in enumerate(LOSSES))
    lost = {
        reason: (int(n), int(people))
        for reason, n, people in engine.rows(
            "SELECT reason, count(*), count(DISTINCT person) FROM episodes_lost GROUP BY reason"
        )
    }
    # A person is still there after a loss when any row of theirs went further; only who lost all rows is ever gone.
    furthest = f"""SELECT l.person, max(CASE l.reason {places} END) AS place FROM episodes_lost AS l
        LEFT JOIN (SELECT DISTINCT e.person FROM episodes AS e
            JOIN (SELECT DISTINCT person FROM episodes_lost) AS gone ON gone.person = e.person) AS k ON k.person = l.person
        WHERE l.person IS NOT NULL AND k.person IS NULL GROUP BY l.person"""
    last = dict(engine.rows(f"SELECT place, count(*) FROM ({furthest}) AS f GROUP BY place"))
    ((kept,),) = engine.rows("SELECT count(*) FROM episodes")
    ((everyone,),) = engine.rows("SELECT count(*) FROM persons WHERE admitted = 1")
    last[len(LOSSES)] = everyone - sum(last.values())
    total = engine.rows("SELECT count(*) FROM episodes_read")[0][0]
    steps = [FlowStep("episodes", "rows read", total, 0, sum(last.values()), 0)]
    for i, (name, step, why) in enumerate(LOSSES):
        gone, people = lost.get(name, (0, 0))
        if gone:
            still = sum(n for place, n in last.items() if place > i)
            steps.append(
                FlowStep(
                    "episodes", step, steps[-1].kept - gone, gone, still, None if name == "no_person" else people, why
                )
            )
    if steps[-1].kept != kept:
        raise ValueError("the flow of episodes does not add up")
    return steps


def flow_findings(flow: Sequence[FlowStep]) -> list[Finding]:
    """The losses of the flow as findings."""
    reasons = {why: name for name, _, why in LOSSES}
    return [
        Finding(
            FINDING_OF_LOSS.get(reasons[s.reason], "D301"),
            where="admissions",
            records=s.lost,
            people=s.lost_people,
            detail=s.reason,
        )
        for s in flow
        if s.reason in reasons
    ]


def in_study(day: str, names: Mapping[str, str], first: pd.Period, last: pd.Period) -> tuple[str, str, str]:
    """What makes a row `s` of a table with a `site` one of the study, as SQL: the join that tells it, in the months, at a site of the
    table; anywhere where there is no such table."""
    window = f"s.{day} BETWEEN DATE '{first.start_time.date()}' AND DATE '{last.end_time.date()}'"
    if "sites" not in names:
        return "", window, "1 = 1"
    return "LEFT JOIN sites AS t ON t.site = s.site", window, "t.site IS NOT NULL"


def rows_in_study(engine: Engine, table: str, joined: str, window: str, at_site: str) -> list[int]:
    """How many rows a table has, how many of them are in the months of the study, and of these at its sites; as `in_study` says."""
    found = engine.rows(
        f"""SELECT count(*), count(CASE WHEN {window} THEN 1 END), count(CASE WHEN {window} AND {at_site} THEN 1 END)
        FROM {table} AS s {joined}"""
    )
    return [int(n) for n in found[0]]


def stay_flow(
    engine: Engine, names: Mapping[str, str], first: pd.Period, last: pd.Period, *, people: int
) -> list[FlowStep]:
    """From episodes to the stays that a site is counted by: joined, in the window, at a site of the table.

    `people` have an episode that was kept, and so a stay.
    """
    joined, window, at_site = in_study("admission_date", names, first, last)
    stays, inside, placed = rows_in_study(engine, "stays", joined, window, at_site)
    # Only people who lose a stay are looked at one by one: they are few where the months of the study are those of the extract.
    outside, none_inside, elsewhere, none_placed = (
        int(n)
        for n in engine.rows(
            f"""SELECT count(CASE WHEN n > inside THEN 1 END), count(CASE WHEN inside = 0 THEN 1 END),
            count(CASE WHEN inside > placed THEN 1 END), count(CASE WHEN placed = 0 THEN 1 END)
            FROM (SELECT s.person, count(*) AS n, count(CASE WHEN {window} THEN 1 END) AS inside,
                count(CASE WHEN {window} AND {at_site} THEN 1 END) AS placed
                FROM stays AS s {joined}
                JOIN (SELECT DISTINCT s.person FROM stays AS s {joined} WHERE NOT ({window} AND {at_site})) AS l ON l.person = s.person
                GROUP BY s.person) AS people"""
        )[0]
    )
    steps = [FlowStep("stays", "continuous stays", stays, 0, people, 0)]
    if stays > inside:
        why = f"admitted before {first} or after {last}"
        steps.append(
            FlowStep("stays", "admitted in the window", inside, stays - inside, people - none_inside, outside, why)
        )
    if inside > placed:
        why = "at a site that is not in the sites table"
        steps.append(
            FlowStep("stays", "at a site of the study", placed, inside - placed, people - none_placed, elsewhere, why)
        )
    return steps
