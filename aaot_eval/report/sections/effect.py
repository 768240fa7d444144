"""The effect on admissions: the primary result, how it came about, and the other estimates beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from aaot_eval.report.blocks import Block, Heading, Notice, Paragraph, Ref, Text
from aaot_eval.report.contents import Column, Source, cell, chart, interval, named, table
from aaot_eval.report.sections import section
from aaot_eval.report.sections._all_estimates import LEAST_P, every_estimate
from aaot_eval.report.sections._people_estimates import allocated, balance, phases, rates, subgroups
from aaot_eval.report.sections._result import result
from aaot_eval.report.sections._series import series_blocks
from aaot_eval.report.sections._series_ways import declared_terms, every_form, other_ways
from aaot_eval.report.sections._site_estimates import fidelity, pooling, synthetic, two_way
from aaot_eval.report.words import is_missing, listed, number, sentence_case, truth

BEHIND = (("n_treated", "treated unit", "treated units"), ("n_units", "unit in all", "units in all"),
          ("n_periods", "period", "periods"), ("n_people", "person", "people"))  # fmt: skip
#: What the points of an event study are read against, and how its bars are made, by estimator.
POINTS = {
    "site_did": ("sites with the service against comparison sites", "the mean of the year before the start", False),
    "event_study": ("sites with the service against comparison sites", "the last {period} before the start", True),
    "patient_event_study": (
        "people taken on against people of other hospitals",
        "the last {period} before the start",
        True,
    ),
}


@section("effect", order=50, title="Effect on admissions")
def effect(source: Source) -> Sequence[Block]:
    """The primary estimate in words, observed against expected, by time since the start, and every estimate."""
    return [
        *_primary(source),
        *_averted(source),
        *every_form(source),
        *declared_terms(source),
        *series_blocks(source),
        *other_ways(source),
        Heading("By time since the start"),
        *_event_time(source),
        *allocated(source),
        Heading("All estimates"),
        *every_estimate(source),
        *two_way(source),
        *synthetic(source),
        *pooling(source),
        *fidelity(source),
        Heading("The rates behind the comparison of people"),
        *rates(source),
        *balance(source),
        *phases(source),
        *subgroups(source),
    ]


def _primary(source: Source) -> list[Block]:
    estimates = source.table("estimates")
    if estimates is None:
        return [source.missing("estimates", "the estimates")]
    rows = estimates[truth(estimates["primary"])]
    if rows.empty:
        return [
            Notice("missing", "Not shown: a primary estimate", "No row of the table estimates is marked as primary.")
        ]
    i = rows.index[0]
    least: Text = ()
    if not is_missing(rows.at[i, "p_least"]):
        reach = cell(source, "estimates", rows, i, "p_least")
        least = (" The least p this design can reach is ", reach, ".")
        if rows.at[i, "conf_method"] == "random_effects_t":
            least = (
                " The least p that randomisation can reach is ",
                reach,
                "; p and interval are those of random effects.",
            )
    return [Paragraph(result(source, rows, i), lead=True), Paragraph((*_people_behind(source, rows, i), *least))]


def _people_behind(source: Source, rows: pd.DataFrame, i: int) -> tuple[str | Ref, ...]:
    text: list[str | Ref] = ["What is estimated: ", cell(source, "estimates", rows, i, "estimand"), "."]
    for k, (column, one, more) in enumerate(c for c in BEHIND if not is_missing(rows.at[i, c[0]])):
        what = one if number(rows.at[i, column]) == 1 else more
        text += [", " if k else " It rests on ", cell(source, "estimates", rows, i, column), f" {what}"]
    text.append("." if len(text) > 3 else "")
    if not is_missing(rows.at[i, "inference"]):
        text += [" Inference: ", cell(source, "estimates", rows, i, "inference"), "."]
    if not is_missing(rows.at[i, "note"]) and not re.fullmatch(LEAST_P, str(rows.at[i, "note"])):
        text.append(f" {sentence_case(str(rows.at[i, 'note'])).rstrip('.')}.")
    return tuple(text)


def _averted(source: Source) -> list[Block]:
    frame = source.table("averted_activity")
    if frame is None:
        return [Heading("In absolute numbers"), source.missing("averted_activity", "events averted")]
    columns: list[str | Column] = [
        named("outcome", once=True), named("analysis"), named("unit"), "averted", interval("averted_low", "averted_high"),
        "per_patient_year", interval("per_patient_year_low", "per_patient_year_high"), named("status"), "label",
    ]  # fmt: skip
    note = "Positive means fewer events than expected, negative more."
    return [
        Heading("In absolute numbers"),
        table(source, "averted_activity", frame, columns,
              "Events averted, in all and for each patient-year on the caseload", note=note),
    ]  # fmt: skip


def _event_time(source: Source) -> list[Block]:
    frame = source.table("event_time")
    if frame is None:
        return [source.missing("event_time", "the effect by time since the start")]
    blocks: list[Block] = []
    drawn = source.of_primary(frame)
    beside = [source.analysis_name(a) for a in frame["analysis"].unique() if a not in set(drawn["analysis"])]
    for analysis, rows in drawn.groupby("analysis", sort=False):
        name = source.analysis_name(analysis)
        columns: list[str | Column] = ["event_time", "ratio", interval("conf_low", "conf_high"), "n_units"]
        shown = table(
            source, "event_time", rows, columns, f"Difference by time since the start, as a rate ratio ({name})"
        )
        blocks.append(chart(source, "event_time", rows, shown, part=str(analysis), subtitle=_which_points(source, analysis, beside)))  # fmt: skip
    return blocks


def _which_points(source: Source, analysis: Any, beside: Sequence[str]) -> str:
    """Which event study is drawn: whose points, against what, with which bars; and where those that are not drawn are."""
    rows = source.rows("estimates", analysis=analysis)
    whom, against, together = POINTS.get("" if rows is None else str(rows["estimator"].iloc[0]), POINTS["site_did"])
    period = source.context().period
    bars = (
        "bars hold for all points at once"
        if together
        else "bars are pointwise intervals, so that a few miss 0 % by chance"
    )
    own = "the primary analysis" if analysis == source.primary.get("analysis") else "an analysis beside the primary one"
    said = f"Drawn are the points of {own} ({source.analysis_name(analysis)}): {whom}, each {period} against {against.format(period=period)}; {bars}."
    return f"{said} Not drawn, in tables/event_time.csv: {listed(list(beside))}." if beside else said
