"""What stands behind the comparisons of people: who was allocated, rates, balance, phases and groups."""

from __future__ import annotations

import pandas as pd

from aaot_eval.report.blocks import Block, Folded, Heading
from aaot_eval.report.contents import Column, Source, chart, interval, named, table

LAUNCHES = (
    "A comparison hospital serves each launch once, so its events and person-years count again at each; people are counted "
    "launch by launch."
)
GROUPS = (
    "Several divisions are looked at, so that one of them differs by chance more often than a single test would: the last p counts "
    "them all (Holm). A group whose own interval holds 1 beside one whose interval does not is no difference between groups; the row "
    "with the ratio of the two is the test. Groups under 30 people or 20 admissions in any cohort are not estimated. Codes count "
    "only before the first service of the study begins."
)
ENGAGED = (
    "Admissions can rise while a team works with somebody, because needs are found and met: a higher rate with the team is no harm by "
    "itself, and a fall after it no proof. Who leaves early, and why, decides who is in the last row; the rows describe, and none "
    "of them is an effect."
)


def allocated(source: Source) -> list[Block]:
    """Who was allocated, by arm of a trial."""
    frame = source.table("baseline")
    if frame is None:
        return []
    columns: list[str | Column] = [
        "characteristic",
        named("arm"),
        "people",
        "with_it",
        "share",
        "mean",
        "sd",
        "difference",
    ]
    note = "No p values: after allocation by chance every difference is chance. The check of the allocation asks whether it was chance."
    return [
        Heading("Who was allocated"),
        table(source, "baseline", frame, columns, "People at allocation, by arm", note=note),
    ]


def rates(source: Source) -> list[Block]:
    """Events and pounds for each person-year alive, by arm and era; by launch where there are several."""
    frame = source.table("rates")
    if frame is None:
        return [source.missing("rates", "rates by arm and era")]
    note = "Rates are made again from the counts shown, so that they give no exact count away."
    by_launch = frame["arm"].astype(str).str.contains(", launch", regex=False)
    blocks: list[Block] = []
    for (analysis, outcome), rows in frame[~by_launch].groupby(["analysis", "outcome"], sort=False):
        launches = frame[by_launch & (frame["analysis"] == analysis) & (frame["outcome"] == outcome)]
        what = "Cost" if str(outcome).endswith("cost") else "Events"
        several = len(launches) > 0
        blocks.append(table(source, "rates", rows, _columns(rows, people=not several), f"{what} for each person-year alive",
                            note=(f"{LAUNCHES} {note}" if several else note) if not blocks else ""))  # fmt: skip
        if several:
            more = table(source, "rates", launches, _columns(launches, people=True),
                         f"{what} for each person-year alive, launch by launch")  # fmt: skip
            blocks.append(Folded(f"Show the rates launch by launch ({source.outcome_name(outcome)})", more))
    return blocks


def _columns(rows: pd.DataFrame, *, people: bool) -> list[str | Column]:
    cost = str(rows["outcome"].iloc[0]).endswith("cost")
    return [named("analysis", once=True), named("arm"), named("era"), *(["people"] if people else []),
            Column(("events",), "Pounds") if cost else "events", "person_years",
            Column(("rate",), "Pounds per person-year") if cost else "rate"]  # fmt: skip


def balance(source: Source) -> list[Block]:
    """What the weights of the comparison of the referred hold equal."""
    frame = source.table("balance")
    if frame is None:
        return []
    columns: list[str | Column] = [
        "characteristic",
        "mean_referred",
        "mean_unweighted",
        "mean_weighted",
        "difference_before",
        "difference_after",
    ]
    blocks: list[Block] = [Heading("Are the referred compared with people like them?")]
    for analysis, rows in frame.groupby("analysis", sort=False):
        shown = table(source, "balance", rows, columns, f"The past of the referred and of those compared ({source.analysis_name(analysis)})",
                      note="Weights can make only what is listed equal; what made a team choose somebody and stands in no record stays.")  # fmt: skip
        blocks.append(chart(source, "love_plot", rows, shown, part=str(analysis),
                            subtitle="Past of the referred against people elsewhere who met the rule in the same month."))  # fmt: skip
    return blocks


def phases(source: Source) -> list[Block]:
    """The referred before, during and after their time with the team."""
    frame = source.table("phases")
    if frame is None:
        return []
    own_past = source.is_cohort(frame["analysis"].iloc[0])
    columns: list[str | Column] = [
        named("phase"),
        "people",
        "events",
        "person_years",
        "rate",
        Column(("rate_like",), "People like them before launch" if own_past else ""),
        "ratio",
        interval("conf_low", "conf_high"),
    ]
    like = "people of the same hospital who met the rule before launch" if own_past else "people like them elsewhere"
    return [
        Heading("Before, during and after the time with the team"),
        table(source, "phases", frame, columns, f"Admissions of the referred by phase, beside {like}", note=ENGAGED),
    ]


def subgroups(source: Source) -> list[Block]:
    """The effect by groups of people, with how many divisions were looked at."""
    frame = source.table("subgroups")
    if frame is None:
        return []
    columns: list[str | Column] = [
        "group",
        "level",
        "people",
        "estimate",
        interval("conf_low", "conf_high"),
        "p_value",
        "p_holm",
        "note",
    ]
    return [
        Heading("Is the effect the same for everybody?"),
        table(
            source, "subgroups", frame, columns, "The effect among people who met the entry rule, by group", note=GROUPS
        ),
    ]
