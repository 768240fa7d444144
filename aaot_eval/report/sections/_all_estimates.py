"""Every estimate of the run in one table and one figure: the answers, and folded away the same questions asked in other ways."""

from __future__ import annotations

from typing import Any

import pandas as pd

from aaot_eval.report.blocks import Block, Folded
from aaot_eval.report.contents import Column, Source, chart, interval, named, table
from aaot_eval.report.sections._result import headlines
from aaot_eval.report.sections._series_ways import declared, in_short, restated, text_of
from aaot_eval.report.words import RATIO_SCALES, is_missing, numbers, sentence_case

LEAST_P = r"[Tt]he least p this design can reach is [\d.]+ \(\d+ of \d+ sites treated\)\.?"
ROW: list[str | Column] = [
    named("estimator"), Column(("estimand",), "What it estimates"), named("unit"), named("outcome", "Other outcome"), "p_least", named("scale", once=True), "estimate", interval("conf_low", "conf_high"), "p_value",
    named("conf_method"),
]  # fmt: skip
OF_PEOPLE = ("entry_rule", "own_cohorts", "risk_set", "patients")
OF_SITES = ("sites", "series", "controlled_series")


def every_estimate(source: Source) -> list[Block]:
    """The answers in a forest and a table, the primary first; what stands beside them is folded away."""
    frame = source.table("estimates")
    if frame is None:
        return [source.missing("estimates", "the estimates")]
    answers, beside = headlines(frame)
    drawn = answers[answers["scale"].isin(RATIO_SCALES) & (numbers(answers["estimate"]) > 0)]
    band = source.meta.get("smallest_effect")
    grey = f" Grey: differences under {band * 100:g} %." if band else ""
    subtitle = (
        f"{sentence_case(source.subject)} where nothing else is named. The primary in bold; "
        f"hollow marks have no finite interval.{grey}{_of_whom(drawn)}"
    )
    of_all = Column(("n_treated", "n_units"), "Treated units of all", joint=" of ")
    first = (
        "Estimates, the primary first; the least reachable p stands before each"
        if _has_least(answers)
        else "Estimates, the primary first"
    )
    named_else = _only_other_outcomes(source, frame)
    # The least p has a column of its own.
    frame = frame.assign(note=frame["note"].where(~frame["note"].map(text_of).str.fullmatch(LEAST_P), ""))
    frame = frame.assign(estimand=frame["estimand"].map(in_short))
    answers, beside = frame.loc[answers.index], frame.loc[beside.index]
    shown = table(source, "estimates", answers.assign(outcome=named_else[answers.index]), [*ROW, of_all, "n_people", named("status"), "note"],
                  first, emphasis="primary",
                  note=f"{sentence_case(source.subject)} where no other outcome is named. Only the row in bold is the declared primary estimate; all "
                  "others are secondary. A foil is a usual method shown for contrast: nothing rests on it.")  # fmt: skip
    blocks: list[Block] = [chart(source, "forest", answers, shown, subtitle=subtitle)]
    again = restated(frame, source.table("sensitivity"))
    told = {row.name for row in again.values()}
    terms = set(declared(frame).index)
    beside = beside[[i not in told and i not in terms for i in beside.index]]
    if len(beside):
        note = "The other ways to fit a series stand under “The same series fitted in other ways”." if told else ""
        more = table(source, "estimates", beside.assign(outcome=named_else[beside.index]), [*ROW, named("status"), "inference", "note"],
                     "The same questions asked in other ways", note=note)  # fmt: skip
        blocks.append(Folded("Show the estimates that stand beside these", more))
    return blocks


def _of_whom(drawn: pd.DataFrame) -> str:
    """Where ratios about people and about whole sites stand under one another, that they cannot be compared."""
    if not (drawn["design"].isin(OF_PEOPLE).any() and drawn["design"].isin(OF_SITES).any()):
        return ""
    return (
        " Comparisons of people (by the entry rule, matched) are about those who met the rule or were referred, comparisons of sites "
        "about everybody in the catchment: ratios of the one cannot be compared with ratios of the other."
    )


def _only_other_outcomes(source: Source, frame: pd.DataFrame) -> pd.Series[Any]:
    """The outcome of each row, empty for the primary one, so that a column does not say the same all the way down."""
    return frame["outcome"].where(frame["outcome"].astype(object) != source.primary.get("outcome"), "")


def _has_least(rows: pd.DataFrame) -> bool:
    return not rows["p_least"].map(is_missing).all()
