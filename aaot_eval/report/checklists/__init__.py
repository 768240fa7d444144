"""Reporting checklists answered from a release, item by item: answered with its place, not applicable with its reason, or missing.

The items are named by their published numbers and in words of our own; the published wording is in the sources. Most items are for
people to answer, and are said to be.
"""

from __future__ import annotations

import pandas as pd

from aaot_eval.report.blocks import Facts, Heads, Notice, Paragraph, Report, Section, Table
from aaot_eval.report.checklists import cheers, epoc, its, record, strobe, tidier
from aaot_eval.report.checklists._rules import STATES, Answer, Checklist, Item
from aaot_eval.report.contents import Source
from aaot_eval.report.words import counted, period_name, sentence_case
from aaot_eval.results import Release

CHECKLISTS: dict[str, Checklist] = {
    "record": record.LIST,
    "cheers": cheers.LIST,
    "strobe": strobe.LIST,
    "tidier": tidier.LIST,
    "its": its.LIST,
    "epoc": epoc.LIST,
}
SAID = (
    "Answered is only what the run answers whole. Where a part is for people to write, the item is missing, and says what the run holds for it. "
    "The words are ours: read the published list before you submit."
)


def checklist_rows(release: Release, name: str) -> pd.DataFrame:
    """One row for each item: number, what it is about, state, and its place, reason, or what is to be written."""
    source = Source(release)
    answers = [(item, item.rule(source)) for item in CHECKLISTS[name].items]
    return pd.DataFrame(
        [(item.number, item.about, answer.state, answer.text) for item, answer in answers],
        columns=["item", "about", "state", "text"],
    )


def states_counted(rows: pd.DataFrame) -> dict[str, int]:
    """How many items are in each state."""
    return {state: int((rows["state"] == state).sum()) for state in STATES}


def checklist_report(release: Release, name: str) -> Report:
    """A checklist as a page."""
    source, listed, rows = Source(release), CHECKLISTS[name], checklist_rows(release, name)
    found = states_counted(rows)
    table = Table(
        f"checklist_{name}",
        f"{listed.title}, item by item",
        (Heads("Item"), Heads("About", width="wide"), Heads("State"), Heads("Where, why not, or what to write", width="widest")),
        tuple((item, about, sentence_case(state), text) for item, about, state, text in rows.astype(str).to_numpy().tolist()),
        cards=True,
    )  # fmt: skip
    return Report(
        title=source.fact("title"),
        subtitle=f"{listed.title}, filled from the run",
        sections=(
            Section("summary", "How it stands", (
                Notice("note", f"{counted(len(rows), 'item')}", ", ".join(f"{n} {state}" for state, n in found.items()) + "."),
                Paragraph(SAID),
                Facts((("Published", listed.published), *((("Note", listed.note),) if listed.note else ()))),
            )),
            Section("items", "Items", (table,)),
        ),
        footer=(
            ("Run", source.fact("run_id")),
            ("Data to", period_name(source.fact("data_cut"))),
            ("Made with", f"aaot-eval {source.fact('version')}"),
        ),
        kind="reporting checklist",
        wide=True,
    )  # fmt: skip


__all__ = [
    "CHECKLISTS",
    "Answer",
    "Checklist",
    "Item",
    "checklist_report",
    "checklist_rows",
    "states_counted",
]
