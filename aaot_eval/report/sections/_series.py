"""The charts of observed and expected counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from aaot_eval.report.blocks import Block, Heading, Heads, Ref, Table, Text
from aaot_eval.report.contents import Column, Source, cell, chart, interval, named, table
from aaot_eval.report.sections._result import as_change, reading, result
from aaot_eval.report.words import (
    RATIO_SCALES,
    TOGETHER,
    is_missing,
    listed,
    name_of,
    period_name,
    scale_name,
    sentence_case,
    unit_name,
)

MOST_ROWS = 240
MOST_IN_A_TITLE = 6
COHORT = (
    "Everybody is followed for a time from meeting the rule, so the cohort starts empty and fills; at launch it empties and "
    "refills with those who met the rule after it. The rise of the lines is that of the cohort, not of the hospital."
)
SERIES: list[str | Column] = ["period", named("phase"), "observed", "fitted", "expected",
                              interval("expected_low", "expected_high", "95 % interval")]  # fmt: skip


def series_blocks(source: Source) -> list[Block]:
    """Charts of observed and expected counts: each analysis together, then site by site."""
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
    context = source.context(source.outcome_name(rows["outcome"].iloc[0]))
    subject, kinds = sentence_case(context.subject), rows["unit"].nunique()
    where = unit_name(rows["unit"].iloc[0]) if kinds == 1 else unit_name("treated")
    about = ""
    if source.is_cohort(analysis):
        where, about = f"people who newly met the entry rule, {where}", f" {COHORT}"
        context = replace(context, subject=f"{context.subject} of people who newly met the entry rule")
    elif kinds == 1 and where not in TOGETHER.values():
        where = f"the whole of {where}, whoever was admitted"
    shown = _series_table(source, rows, f"{subject} by {context.period} ({source.analysis_name(analysis)})")
    subtitle = f"{subject} by {context.period}, {where}. The band is the interval of what was expected {source.without}.{about}"
    return chart(source, "effect_chart", rows, shown, subtitle=subtitle, title=_finding(source, rows, analysis),
                 context=context, part=analysis)  # fmt: skip


def _many(source: Source, rows: pd.DataFrame, analysis: str) -> Block:
    context = source.context(source.outcome_name(rows["outcome"].iloc[0]))
    shown = _series_table(source, rows, f"{sentence_case(context.subject)} by site ({source.analysis_name(analysis)})")
    return chart(source, "site_charts", rows, shown, subtitle=f"{sentence_case(source.analysis_name(analysis))}. Each site on its own scale, from zero.",
                 title=_by_unit(source, rows, analysis), context=context, part=f"{analysis}_sites")  # fmt: skip


def _by_unit(source: Source, rows: pd.DataFrame, analysis: str) -> Text | None:
    """The estimate of each unit as the title of their charts; None when the estimates are not by unit."""
    estimates = source.rows("estimates", analysis=analysis)
    units = sorted(rows["unit"].unique())
    if estimates is None or len(units) > MOST_IN_A_TITLE:
        return None
    text: list[str | Ref] = []
    for unit in units:
        own = estimates[
            (estimates["unit"].astype(object) == unit) & ~estimates["estimate"].map(is_missing).astype(bool)
        ]
        if own.empty:
            return None
        i = own.index[0]
        if own.at[i, "scale"] in RATIO_SCALES and not (
            is_missing(own.at[i, "conf_low"]) or is_missing(own.at[i, "conf_high"])
        ):
            text += ["; " if text else "", f"{unit} ", *as_change(source, own, i)]
            continue
        text += [
            "; " if text else "",
            f"{unit} {scale_name(own.at[i, 'scale'])} ",
            cell(source, "estimates", own, i, "estimate"),
        ]
        low, high = (cell(source, "estimates", own, i, c) for c in ("conf_low", "conf_high"))
        text += (
            [" (", low, " to ", high, ")"]
            if isinstance(low, Ref) and isinstance(high, Ref)
            else [" (no finite interval)"]
        )
    return tuple(text)


def _series_table(source: Source, rows: pd.DataFrame, caption: str) -> Table:
    # Before the start nothing is forecast, so an interval of no width says nothing.
    forecast = (rows["phase"] != "before") & (
        rows["expected_low"].astype(object) != rows["expected_high"].astype(object)
    )
    ends = {c: rows[c].astype(object).where(forecast, None) for c in ("expected_low", "expected_high")}
    rows = rows.assign(**ends)
    units = list(dict.fromkeys(rows["unit"]))
    if 1 < len(units) <= MOST_BESIDE and not rows.duplicated(["unit", "period"]).any():
        return _side_by_side(source, rows, units, caption)
    columns = SERIES if len(units) == 1 else [named("unit"), *SERIES]
    return table(source, "series", rows, columns, caption, most=MOST_ROWS)


#: So many sites fit beside one another; more stand below one another.
MOST_BESIDE = 3
#: The columns of each site.
SHOWN = ("observed", "fitted", "expected")


def _side_by_side(source: Source, rows: pd.DataFrame, units: list[str], caption: str) -> Table:
    """One row for each period, the columns of each site beside those of the other; the months of a phase stand in the note."""
    own = {u: rows[rows["unit"] == u] for u in units}
    heads, told = [Heads("Period", width="short")], f" {source.without}"
    for u in units:
        heads += [
            Heads(f"{sentence_case(unit_name(u))}: {field}{told if field == 'expected' else ''}", numeric=True)
            for field in _given(own[u])
        ]
        heads += [Heads("95 % interval", numeric=True)] if own[u]["expected_low"].notna().any() else []
    lines = []
    for label, same in rows.groupby("period", sort=False):
        line: list[Text] = [period_name(str(label), short=True)]
        for u in units:
            here = same.index[same["unit"] == u]
            i = here[0] if len(here) else None
            line += [(_or_blank(source, same, i, field),) for field in _given(own[u])]
            if own[u]["expected_low"].notna().any():
                low, high = (_or_blank(source, same, i, c) for c in ("expected_low", "expected_high"))
                line.append((low, " to ", high) if isinstance(low, Ref) and isinstance(high, Ref) else "")
        lines.append(tuple(line))
    return Table("series", caption, tuple(heads), tuple(lines), note=_phases(own))


def _given(rows: pd.DataFrame) -> list[str]:
    return [field for field in SHOWN if not rows[field].map(is_missing).all()]


def _or_blank(source: Source, rows: pd.DataFrame, i: Any, field: str) -> str | Ref:
    """A cell, or nothing where the site has no such row or no such number."""
    if i is None or is_missing(rows.at[i, field]):
        return ""
    return cell(source, "series", rows, i, field)


def _phases(own: dict[str, pd.DataFrame]) -> str:
    """From which period on each site is in which phase; sites that change together are named together."""
    said: dict[str, list[str]] = {}
    for unit, rows in own.items():
        starts = rows[rows["phase"] != rows["phase"].shift()]
        told = ", ".join(
            f"{name_of(p)} from {period_name(str(label))}"
            for p, label in zip(starts["phase"], starts["period"], strict=True)
        )
        said.setdefault(told, []).append(unit_name(unit))
    return f"Phases: {'; '.join(f'{listed(units)}: {told}' for told, units in said.items())}."


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
    return (*result(source, own, i)[:-1], f": {reading(own, i)}")
