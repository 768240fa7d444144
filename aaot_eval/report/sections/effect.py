"""The effect on admissions: the primary result, how it came about, and the other estimates beside it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from aaot_eval.report.blocks import Block, Heading, Notice, Paragraph, Ref, Table, Text, words
from aaot_eval.report.contents import Column, Source, cell, chart, interval, named, table
from aaot_eval.report.sections import section
from aaot_eval.report.words import TOGETHER, is_missing, name_of, number, numbers, sentence_case, truth, unit_name

MOST_ROWS = 240
SERIES: list[str | Column] = ["period", named("phase"), "observed", "fitted", "expected",
                              interval("expected_low", "expected_high", "95 % interval")]  # fmt: skip


@section("effect", order=50, title="Effect on admissions")
def effect(source: Source) -> Sequence[Block]:
    """The primary estimate in words, observed against expected, by time since the start, and every estimate."""
    return [
        *_primary(source),
        *_averted(source),
        *_series(source),
        Heading("By time since the start"),
        *_event_time(source),
        Heading("All estimates"),
        *_estimates(source),
        Heading("The rates behind the comparison of people"),
        *_rates(source),
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
    least: Text = () if is_missing(rows.at[i, "p_least"]) else (
        "The least p this design can reach is ", cell(source, "estimates", rows, i, "p_least"), ". ")  # fmt: skip
    return [Paragraph((*least, *_result(source, rows, i)), lead=True), Paragraph(_people_behind(source, rows, i))]


def _result(source: Source, rows: pd.DataFrame, i: int) -> tuple[str | Ref, ...]:
    if is_missing(rows.at[i, "estimate"]):
        return ("There is no primary estimate. ", cell(source, "estimates", rows, i, "note"))
    text: tuple[str | Ref, ...] = (
        f"{sentence_case(_scale(rows.at[i, 'scale']))} ",
        cell(source, "estimates", rows, i, "estimate"),
    )
    if is_missing(rows.at[i, "conf_low"]) or is_missing(rows.at[i, "conf_high"]):
        return (*text, "; there is no finite interval.")
    level = cell(source, "estimates", rows, i, "conf_level")
    low, high = (cell(source, "estimates", rows, i, c) for c in ("conf_low", "conf_high"))
    text = (*text, " (", level, " interval ", low, " to ", high, ")")
    if not is_missing(rows.at[i, "p_value"]):
        p = cell(source, "estimates", rows, i, "p_value")
        text = (*text, "; p " if words((p,)).startswith("<") else "; p = ", p)
    return (*text, f": {_reading(rows, i)}.")


def _reading(rows: pd.DataFrame, i: int) -> str:
    row = rows[rows.index == i].iloc[0]
    null = 1.0 if row["scale"] in ("rate_ratio", "ratio") else 0.0
    if number(row["conf_high"]) < null:
        return f"the whole interval is below {null:g}"
    return (
        f"the whole interval is above {null:g}"
        if number(row["conf_low"]) > null
        else f"the interval includes {null:g}, no difference"
    )


def _scale(scale: object) -> str:
    return {"rate_ratio": "rate ratio", "rate_difference": "rate difference", "currency": "difference in pounds"}.get(
        str(scale), str(scale)
    )


def _people_behind(source: Source, rows: pd.DataFrame, i: int) -> Text:
    text: list[str | Ref] = ["It estimates ", cell(source, "estimates", rows, i, "estimand"), "."]
    counts = [(c, w) for c, w in (("n_treated", "treated units"), ("n_units", "units in all"), ("n_periods", "periods"),
                                  ("n_people", "people")) if not is_missing(rows.at[i, c])]  # fmt: skip
    if counts:
        text.append(" It rests on ")
        for k, (column, what) in enumerate(counts):
            text += [", " if k else "", cell(source, "estimates", rows, i, column), f" {what}"]
        text.append(".")
    if not is_missing(rows.at[i, "inference"]):
        text += [" Inference: ", cell(source, "estimates", rows, i, "inference"), "."]
    if not is_missing(rows.at[i, "note"]):
        text += [" ", cell(source, "estimates", rows, i, "note")]
    return tuple(text)


def _averted(source: Source) -> list[Block]:
    frame = source.table("averted_activity")
    if frame is None:
        return []
    columns: list[str | Column] = [named("outcome"), named("design"), named("unit"), "averted", interval("averted_low", "averted_high"),
               "per_patient_year", interval("per_patient_year_low", "per_patient_year_high"), named("status"), "label"]  # fmt: skip
    return [
        Heading("In absolute numbers"),
        table(source, "averted_activity", frame, columns, "Events averted, in all and for each patient-year on the caseload",
              note="Positive means fewer events than expected, negative more."),
    ]  # fmt: skip


def _series(source: Source) -> list[Block]:
    series = source.table("series")
    if series is None:
        return [source.missing("series", "observed and expected counts by period")]
    blocks: list[Block] = [Heading("Observed and expected")]
    first = str(source.primary.get("analysis", ""))
    analyses = sorted(series["analysis"].unique(), key=lambda a: (a != first, str(a)))
    # A site drawn in two analyses is shown once, in the later one: its own series rather than its part of a comparison.
    owner = {k: a for a in analyses for k in _keys(series[series["analysis"] == a])}
    for analysis in analyses:
        own = series[series["analysis"] == analysis]
        together = own["unit"].isin(TOGETHER) | (own["unit"].nunique() == 1)
        if together.any():
            blocks.append(_one(source, own[together], str(analysis)))
        alone = own[~together & pd.Series([owner[k] == analysis for k in _keys(own)], own.index)]
        if not alone.empty:
            blocks.append(_many(source, alone, str(analysis)))
    return blocks


def _keys(rows: pd.DataFrame) -> list[tuple[object, object]]:
    return list(zip(rows["outcome"], rows["unit"], strict=True))


def _one(source: Source, rows: pd.DataFrame, analysis: str) -> Block:
    context = source.context(_subject(source, rows))
    subject, kinds = sentence_case(context.subject), rows["unit"].nunique()
    where = unit_name(rows["unit"].iloc[0]) if kinds == 1 else unit_name("treated")
    shown = _series_table(source, rows, f"{subject} by {context.period} ({name_of(analysis)})")
    subtitle = (
        f"{subject} by {context.period}, {where}. The band is the interval of what was expected without the service."
    )
    return chart(source, "effect_chart", rows, shown, subtitle=subtitle, title=_finding(source, rows, analysis),
                 context=context, part=analysis)  # fmt: skip


def _many(source: Source, rows: pd.DataFrame, analysis: str) -> Block:
    context = source.context(_subject(source, rows))
    shown = _series_table(source, rows, f"{sentence_case(context.subject)} by site ({name_of(analysis)})")
    return chart(source, "site_charts", rows, shown, subtitle=f"{sentence_case(name_of(analysis))}. Each site on its own scale, from zero.",
                 title=_by_unit(source, rows, analysis), context=context, part=f"{analysis}_sites")  # fmt: skip


def _by_unit(source: Source, rows: pd.DataFrame, analysis: str) -> Text | None:
    """The estimate of each unit as the title of their charts; None when the estimates are not by unit."""
    estimates = source.rows("estimates", analysis=analysis)
    if estimates is None:
        return None
    text: list[str | Ref] = []
    for unit in sorted(rows["unit"].unique()):
        own = estimates[
            (estimates["unit"].astype(object) == unit) & ~estimates["estimate"].map(is_missing).astype(bool)
        ]
        if own.empty:
            return None
        i = own.index[0]
        text += [
            "; " if text else f"{sentence_case(_scale(own.at[i, 'scale']))}: ",
            f"{unit} ",
            cell(source, "estimates", own, i, "estimate"),
        ]
        low, high = (cell(source, "estimates", own, i, c) for c in ("conf_low", "conf_high"))
        text += (
            [" (", low, " to ", high, ")"]
            if isinstance(low, Ref) and isinstance(high, Ref)
            else [" (no finite interval)"]
        )
    return tuple(text)


def _subject(source: Source, rows: pd.DataFrame) -> str:
    outcome = str(rows["outcome"].iloc[0])
    return source.subject if outcome == source.primary.get("outcome", outcome) else name_of(outcome)


def _series_table(source: Source, rows: pd.DataFrame, caption: str) -> Table:
    columns = SERIES if rows["unit"].nunique() == 1 else [named("unit"), *SERIES]
    return table(source, "series", rows, columns, caption, most=MOST_ROWS)


def _finding(source: Source, rows: pd.DataFrame, analysis: str) -> Text | None:
    """The estimate of this analysis as the chart's title; without one, the chart makes its own."""
    estimates = source.rows("estimates", analysis=analysis)
    if estimates is None:
        return None
    units = set(rows["unit"])
    own = estimates[estimates["unit"].map(lambda u: is_missing(u) or u in units).astype(bool)]
    own = own[~own["estimate"].map(is_missing).astype(bool)]
    if own.empty:
        return None
    i = own.index[0]
    return (*_result(source, own, i)[:-1], f": {_reading(own, i)}")


def _event_time(source: Source) -> list[Block]:
    frame = source.table("event_time")
    if frame is None:
        return [source.missing("event_time", "the effect by time since the start")]
    blocks: list[Block] = []
    for analysis, rows in frame.groupby("analysis", sort=False):
        shown = table(source, "event_time", rows, ["event_time", "ratio", interval("conf_low", "conf_high"), "n_units"],
                      f"Rate ratio by time since the start: {name_of(analysis)}")  # fmt: skip
        blocks.append(chart(source, "event_time", rows, shown, part=str(analysis),
                            subtitle="Sites with the service against comparison sites; bars are pointwise intervals."))  # fmt: skip
    return blocks


OF = Column(("n_treated", "n_units"), "Treated units of all", joint=" of ")
ESTIMATES: list[str | Column] = [
    named("estimator"), named("unit"), named("outcome"), "p_least", "estimate", interval("conf_low", "conf_high"), "p_value",
    named("conf_method"), OF, "n_people", named("status"), "note",
]  # fmt: skip


def _estimates(source: Source) -> list[Block]:
    frame = source.table("estimates")
    if frame is None:
        return [source.missing("estimates", "the estimates")]
    primary = truth(frame["primary"])
    ordered = pd.concat([frame[primary], frame[~primary]])
    ratios = ordered[numbers(ordered["estimate"]) > 0]
    shown = table(source, "estimates", ratios, [named("estimator"), named("unit"), named("outcome"), "estimate",
                                                interval("conf_low", "conf_high")], "Estimates drawn")  # fmt: skip
    band = source.meta.get("smallest_effect")
    grey = f" Grey: differences under {band * 100:.0f} %." if band else ""
    return [
        chart(source, "forest", ordered, shown,
              subtitle=f"{sentence_case(source.subject)} where nothing else is named. The primary in bold; "
              f"hollow marks have no finite interval.{grey}"),
        table(source, "estimates", ordered, ESTIMATES, "All estimates, the least reachable p first", emphasis="primary",
              note="Only the row in bold is the declared primary estimate; all others are secondary."),
    ]  # fmt: skip


def _rates(source: Source) -> list[Block]:
    frame = source.table("rates")
    if frame is None:
        return [source.missing("rates", "rates by arm and era")]
    return [table(source, "rates", frame, [named("analysis", once=True), named("outcome", once=True), named("arm"), named("era"), "people", "events",
                                           "person_years", "rate"],
                  "Events for each person-year alive, by arm and era",
                  note="Rates are made again from the counts shown, so that they give no exact count away.")]  # fmt: skip
