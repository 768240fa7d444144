"""The effect of each series in every form, and the same series fitted in other ways."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from aaot_eval.report.blocks import Block, Folded, Heading, Heads, Ref, Table, Text
from aaot_eval.report.contents import Column, Source, cell, interval, named, table
from aaot_eval.report.words import is_missing, number, numbers, sentence_case, unit_name
from aaot_eval.wording import in_sentence

FORMS = (
    "Positive means fewer events than expected. An interval of the parameters says where the model's number lies; one of the "
    "prediction says what would have been counted without the service, and is the one to quote for events averted. The two rest on "
    "errors chosen by different rules, so that one can exclude no difference where the other does not: no claim rests on that."
)
WAYS = "All ways fit the same series; agreement of most is the message, and a lone method is none. The first row is the headline."
#: How the note of a row begins that is a term of the series' model, not a way to estimate the service's effect.
DECLARED = "declared term: "
#: So many sites fit beside one another; with more they stand below one another.
MOST_BESIDE = 4
DEGREES = re.compile(r"Wald t with ([\d.]+) degrees of freedom")
RESTATES = "sensitivity: "
#: What every row of a comparison says, and what the column of scales says already.
SAID_ELSEWHERE = re.compile(
    r" of the treated to their expected level|,? against the series' own past|, as an? (?:ratio|difference)[^,]*$|^effect, "
)


def every_form(source: Source) -> list[Block]:
    """A series' effect as ratio or difference and as events averted, with the intervals of parameters and prediction.

    The first series is shown, the others are folded away under it.
    """
    frame = source.table("averted")
    if frame is None:
        return [source.missing("averted", "the effect of each series in every form")]
    columns: list[str | Column] = [
        named("unit", once=True), named("quantity"), Column(("first_period", "last_period"), "Window"), "periods",
        "value", interval("value_low", "value_high"), "interval",
    ]  # fmt: skip
    blocks: list[Block] = [Heading("Ratio, difference and events averted, series by series")]
    for k, ((analysis, unit), rows) in enumerate(frame.groupby(["analysis", "unit"], sort=False)):
        name = sentence_case(source.analysis_name(analysis))
        shown = table(
            source, "averted", rows, columns, f"{name}, the effect in every form", note=FORMS if k == 0 else ""
        )
        blocks.append(shown if k == 0 else Folded(f"Show the same for {unit_name(unit)} ({name.lower()})", shown))
    return blocks


def declared_terms(source: Source) -> list[Block]:
    """The change of slope and the further interruptions that the config declares, each as the model found it."""
    frame = source.table("estimates")
    rows = None if frame is None else declared(frame)
    if rows is None or rows.empty:
        return []
    columns: list[str | Column] = [
        named("unit", once=True), named("outcome", once=True), Column(("estimand",), "Term"), named("scale", once=True),
        "estimate", interval("conf_low", "conf_high"), "p_value",
    ]  # fmt: skip
    note = (
        "Terms of the same model as the estimate above. A further interruption is a change for another reason than the service, declared "
        "beforehand; none of these rows is the effect of the service by itself."
    )
    shown = rows.assign(estimand=rows["estimand"].map(in_short))
    return [
        Heading("Declared changes of level and slope"),
        table(source, "estimates", shown, columns, "What else the model of the series holds", note=note),
    ]


def declared(estimates: pd.DataFrame) -> pd.DataFrame:
    """The rows that are terms of a series' model that the config declares."""
    return estimates[estimates["note"].map(text_of).str.startswith(DECLARED)]


def other_ways(source: Source) -> list[Block]:
    """Every other way to fit the series, sites side by side; a way that was not run says why."""
    frame = source.table("sensitivity")
    if frame is None:
        return [source.missing("sensitivity", "the same series fitted in other ways")]
    blocks: list[Block] = [Heading("The same series fitted in other ways")]
    for k, (analysis, rows) in enumerate(frame.groupby("analysis", sort=False)):
        name = sentence_case(source.analysis_name(analysis))
        shown = _side_by_side(source, rows, f"{name}, fitted in other ways", WAYS if k == 0 else "")
        blocks.append(shown if k == 0 else Folded(f"Show the other ways ({in_sentence(name)})", shown))
    return blocks


def _side_by_side(source: Source, rows: pd.DataFrame, caption: str, note: str) -> Table:
    """One row for each way, one column for each site."""
    units = list(dict.fromkeys(rows["unit"].astype(str)))
    if len(units) > MOST_BESIDE:
        columns: list[str | Column] = [
            named("unit"),
            "method",
            "estimate",
            interval("conf_low", "conf_high"),
            "p_value",
            "note",
        ]
        return table(source, "sensitivity", rows, columns, caption, note=note)
    freedom = _freedom(source, rows)
    cells = []
    for method, same in rows.groupby("method", sort=False):
        by_unit = {str(same.at[i, "unit"]): i for i in same.index}
        told = _told({u: [*_phrases(same.at[i, "note"]), *_phrases(freedom.get(i, ""))] for u, i in by_unit.items()})
        cells.append(
            (str(method), *(_in_brackets(source, same, by_unit[u]) if u in by_unit else "" for u in units), told)
        )
    heads = (Heads("Way", width="middling"), *(Heads(unit_name(u)) for u in units), Heads("Read with it", width="wide"))
    df = " df: degrees of freedom of t." if freedom else ""
    return Table("sensitivity", caption, heads, tuple(cells), note=f"{note}{df} Estimate (interval; p).".strip())


def _phrases(value: object) -> list[str]:
    return [part for part in re.split(r"[;:] ", text_of(value)) if part]


def _told(said: dict[str, list[str]]) -> str:
    """What stands at every site once, then what stands at some of them, with their names."""
    shared = [part for part in next(iter(said.values())) if all(part in parts for parts in said.values())]
    rest: dict[str, list[str]] = {}
    for unit, parts in said.items():
        own = "; ".join(part for part in parts if part not in shared)
        rest.setdefault(own, []).append(unit_name(unit))
    return "; ".join([*shared, *(f"{', '.join(units)}: {own}" for own, units in rest.items() if own)])


def _in_brackets(source: Source, rows: pd.DataFrame, i: int) -> Text:
    """ "0.72 (0.67 to 0.79; p < 0.001)"; what is missing of it is left out."""
    if is_missing(rows.at[i, "estimate"]):
        return ""
    value, low, high, p = (
        cell(source, "sensitivity", rows, i, c) for c in ("estimate", "conf_low", "conf_high", "p_value")
    )
    text: list[str | Ref] = [value]
    inside: list[str | Ref] = [low, " to ", high] if isinstance(low, Ref) and isinstance(high, Ref) else []
    if isinstance(p, Ref):
        inside += ["; " if inside else "", "p " if p.text.startswith("<") else "p = ", p]
    return tuple([*text, " (", *inside, ")"] if inside else text)


def _freedom(source: Source, rows: pd.DataFrame) -> dict[int, str]:
    """How the p of a way was made, from the row of the estimates that restates it, by row of the ways."""
    found = {}
    for i, again in restated(source.table("estimates"), rows).items():
        inference = text_of(again["inference"])
        df = DEGREES.fullmatch(inference)
        said = inference.removeprefix("Wald, ") in text_of(rows.at[i, "note"])
        found[i] = f"{df[1]} df" if df else "" if said else inference
    return {i: text for i, text in found.items() if text}


def restated(estimates: pd.DataFrame | None, ways: pd.DataFrame | None) -> dict[int, pd.Series[Any]]:
    """The rows of `estimates` that hold a way to fit a series once more, by the row of `sensitivity` that holds it."""
    if estimates is None or ways is None:
        return {}
    notes = estimates["note"].map(text_of)
    again = estimates[notes.str.startswith(RESTATES)]
    found = {}
    for i in ways.index:
        way = f"{RESTATES}{text_of(ways.at[i, 'method'])}."
        same = again[
            (again["unit"].astype(object) == ways.at[i, "unit"])
            & notes[again.index].map(lambda n, way=way: n == way or n.startswith(f"{way} "))
            & (numbers(again["estimate"]) == number(ways.at[i, "estimate"]))
            & again["analysis"].astype(str).str.startswith(str(ways.at[i, "analysis"]))
        ]
        if len(same):
            found[int(i)] = same.iloc[0]
    return found


def in_short(estimand: object) -> str:
    """What a row estimates without the words that all rows share, so that rows can be told apart in a narrow column."""
    return sentence_case(SAID_ELSEWHERE.sub("", text_of(estimand)))


def text_of(value: object) -> str:
    """A cell as text; empty when it is missing."""
    return "" if is_missing(value) else str(value)
