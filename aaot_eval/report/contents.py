"""From released tables to blocks: what every section needs, so that a section only says what to show.

Everything here reads `Release.tables` and `Release.meta` and nothing else. A table that is not there becomes a box that says
what is missing and why; a number always comes with its address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aaot_eval.report.blocks import Block, Chart, Heads, Notice, Ref, Table, Text
from aaot_eval.report.figures import Context, Gap, draw
from aaot_eval.report.words import MONEY, is_missing, name_of, sentence_case, slug, written
from aaot_eval.results import Release
from aaot_eval.schema import schema_names, table_schema

#: Words of `meta.skipped` stages that explain why a table is not there.
STAGES: Mapping[str, tuple[str, ...]] = {
    "service_cost": ("cost",), "saving": ("cost",), "cost_waterfall": ("cost",), "unit_costs": ("cost",),
    "patient_groups": ("cost", "patient"), "caseload": ("caseload", "patient"), "flow": ("flow", "patient", "ingest"),
    "rates": ("entry", "patient"), "deaths": ("death", "entry", "patient"), "sites": ("site",), "event_time": ("site_did", "site"),
    "regression_to_mean": ("entry", "caseload", "patient"), "placebo": ("placebo", "check"), "checks": ("check",),
}  # fmt: skip

_POUNDS = re.compile(r"[-−]?£\d[\d,]*(?:\.\d+)?(?: (?:million|thousand))?")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a shown table: one field, or the two ends of an interval as "a to b"."""

    fields: tuple[str, ...]
    head: str = ""
    named: bool = False

    @classmethod
    def of(cls, item: str | Column) -> Column:
        """A field name as a column."""
        return item if isinstance(item, Column) else cls((item,))


def interval(low: str, high: str, head: str) -> Column:
    """The two ends of an interval in one column."""
    return Column((low, high), head)


def named(field: str, head: str = "") -> Column:
    """A column of code names, written as words."""
    return Column((field,), head, named=True)


@dataclass(frozen=True)
class Source:
    """The release as the sections see it."""

    release: Release

    @property
    def meta(self) -> Mapping[str, Any]:
        """The facts of the run."""
        return self.release.meta

    def fact(self, *path: str) -> str:
        """A fact of the run in words; one that is absent says so."""
        node: Any = self.meta
        for key in path:
            node = node.get(key) if isinstance(node, Mapping) else None
        return "not stated" if is_missing(node) or node == [] else str(node)

    def table(self, name: str) -> pd.DataFrame | None:
        """A released table, its rows numbered as in the record; None when there is none or it is empty."""
        frame = self.release.tables.get(name)
        return None if frame is None or frame.empty else frame.reset_index(drop=True)

    def rows(self, name: str, **where: Any) -> pd.DataFrame | None:
        """The rows of a table in which each named column has that value; None when none is left."""
        frame = self.table(name)
        for column, value in where.items():
            if frame is not None:
                frame = frame[frame[column].astype(object) == value]
        return None if frame is None or frame.empty else frame

    @property
    def invented(self) -> bool:
        """Whether the prices are invented."""
        return bool(self.meta.get("invented_prices"))

    @property
    def primary(self) -> Mapping[str, Any]:
        """What is said of the primary analysis."""
        return self.meta.get("primary") or {}

    @property
    def word(self) -> str:
        """The verdict word."""
        verdict = self.meta.get("verdict") or {}
        return str(verdict.get("word", "no_estimate"))

    @property
    def subject(self) -> str:
        """The primary outcome in words."""
        title = self.primary.get("outcome_title") or self.primary.get("outcome")
        return name_of(title) if title else "admissions"

    def context(self, subject: str | None = None) -> Context:
        """What the charts must know."""
        starts = tuple((str(s.get("unit", "")), str(s.get("period", ""))) for s in self.meta.get("starts") or ())
        return Context(
            subject=subject or self.subject,
            period={"integer": "period"}.get(
                str(self.meta.get("period_kind", "month")), str(self.meta.get("period_kind", "month"))
            ),
            starts=starts,
            smallest_effect=self.meta.get("smallest_effect"),
            invented=self.invented,
        )

    def money(self, text: str) -> str:
        """A sentence in which each sum made from invented prices says so."""
        return (
            _POUNDS.sub(lambda m: f"{m.group()} (invented prices)", text)
            if self.invented and "invented" not in text
            else text
        )

    def why_missing(self, name: str) -> str:
        """Why a table is not there, as far as the run says."""
        skipped = self.meta.get("skipped") or ()
        keys = STAGES.get(name, (name,))
        found = [str(s.get("why", "")) for s in skipped if any(k in str(s.get("stage", "")).lower() for k in keys)]
        reasons = list(dict.fromkeys(w for w in found if w))
        return f"Reason: {'; '.join(reasons)}." if reasons else "The run made no such table."

    def missing(self, name: str, what: str) -> Notice:
        """The box in the place of a table."""
        return Notice("missing", f"Not shown: {what}", f"{self.why_missing(name)} (Table {name}.)")


def cell(source: Source, name: str, frame: pd.DataFrame, row: Any, field: str) -> str | Ref:
    """One cell as written, with its address when it is a number."""
    value = frame.at[row, field]
    spec = {c.name: c for c in _columns(name)}.get(field)
    kind = str(spec.extra.get("format", "")) if spec else ""
    scale = str(frame.at[row, "scale"]) if kind == "effect" and "scale" in frame else ""
    text = written(value, kind, scale)
    return Ref(text, f"{name}/{row}/{field}") if kind and not is_missing(value) else text


def table(
    source: Source,
    name: str,
    frame: pd.DataFrame,
    columns: Sequence[str | Column],
    caption: str,
    *,
    note: str = "",
    most: int | None = None,
    emphasis: str | None = None,
) -> Table:
    """A table of the page from rows of a released table (which keep their row numbers, the addresses of their numbers)."""
    shown = frame if most is None else frame.head(most)
    wanted = [c for c in map(Column.of, columns) if all(f in frame for f in c.fields)]
    strong = () if emphasis is None else tuple(str(v).lower() == "true" for v in shown[emphasis])
    return Table(
        name=name,
        caption=caption,
        heads=tuple(_head(source, name, c) for c in wanted),
        rows=tuple(tuple(_cell_text(source, name, shown, row, c) for c in wanted) for row in shown.index),
        note=note,
        left_out=len(frame) - len(shown),
        emphasis=strong,
    )


def _columns(name: str) -> Sequence[Any]:
    return table_schema("release", name).columns if name in schema_names("release") else ()


def _head(source: Source, name: str, column: Column) -> Heads:
    spec = {c.name: c for c in _columns(name)}.get(column.fields[0])
    kind = str(spec.extra.get("format", "")) if spec else ""
    text = column.head or (spec.title if spec and spec.title else sentence_case(column.fields[0].replace("_", " ")))
    if kind in MONEY and source.invented:
        text += " (invented prices)"
    return Heads(text, numeric=bool(kind) and kind != "period")


def _cell_text(source: Source, name: str, frame: pd.DataFrame, row: Any, column: Column) -> Text:
    if column.named:
        return sentence_case(name_of(frame.at[row, column.fields[0]]))
    cells = [cell(source, name, frame, row, f) for f in column.fields]
    if len(cells) == 1:
        only = cells[0]
        return source.money(only) if isinstance(only, str) else (only,)
    if all(isinstance(c, str) for c in cells):
        return cells[0]
    return (cells[0], " to ", cells[1])


def chart(
    source: Source,
    figure: str,
    frame: pd.DataFrame | None,
    shown: Table | None,
    *,
    subtitle: str = "",
    title: Text | None = None,
    context: Context | None = None,
    part: str = "",
) -> Block:
    """A chart with the table behind it; where it cannot be drawn, a box with the reason."""
    drawing = draw(figure, frame, context or source.context())
    if isinstance(drawing, Gap):
        what = sentence_case(figure.replace("_", " ")) + (f", {name_of(part)}" if part else "")
        return Notice("missing", f"Chart not drawn: {what}", f"{sentence_case(drawing.reason)}.")
    if shown is None:
        raise ValueError(f"the chart {figure!r} comes without its table")
    return Chart(slug(figure, part), drawing, title or drawing.title, subtitle, shown)
