"""From released tables to blocks: what every section needs, so that a section only says what to show.

Everything here reads `Release.tables` and `Release.meta` and nothing else. A table that is not there becomes a box that says
what is missing and why; a number always comes with its address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import pandas as pd

from aaot_eval.report.blocks import Block, Chart, Heads, Notice, Ref, Table, Text, words
from aaot_eval.report.figures import Context, Gap, draw
from aaot_eval.report.words import (
    INVENTED,
    MISSING,
    MONEY,
    TOGETHER,
    is_missing,
    name_of,
    scale_name,
    sentence_case,
    slug,
    truth,
    unit_name,
    written,
)
from aaot_eval.results import Release
from aaot_eval.schema import ColumnSpec, schema_names, table_schema
from aaot_eval.wording import in_sentence

#: Words of `meta.skipped` stages that explain why a table is not there.
STAGES: Mapping[str, tuple[str, ...]] = {
    "service_cost": ("cost",), "saving": ("cost",), "cost_waterfall": ("cost",), "unit_costs": ("cost",),
    "benefit_lines": ("cost",), "break_even": ("cost",), "cost_ranges": ("cost",), "cost_sensitivity": ("cost", "patient"),
    "service_check": ("cost",), "cost_items": ("cost", "patient"), "budget_impact": ("cost",), "persistence": ("cost",), "solve_for": ("cost",),
    "averted_activity": ("cost", "patient"), "patient_groups": ("cost", "patient"), "caseload": ("caseload", "patient"), "flow": ("flow", "patient", "ingest"),
    "rates": ("entry", "patient"), "deaths": ("death", "entry", "patient"), "sites": ("site",), "event_time": ("site_did", "site"),
    "regression_to_mean": ("entry", "caseload", "patient"), "placebo": ("placebo", "check"), "checks": ("check",),
}  # fmt: skip

_SUM = r"[-−]?£\d(?:[\d,]*\d)?(?:\.\d+)?(?: (?:million|thousand))?"
_POUNDS = re.compile(rf"{_SUM}(?: to {_SUM})?")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a shown table: one field, or two in one ("0.7 to 0.9", "2 of 8").

    `named` writes code names as words. `once` moves a column that says the same in every row into the caption. `kind` is the
    format where it is not the one of the field: "change" writes a ratio as "23 % lower".
    """

    fields: tuple[str, ...]
    head: str = ""
    joint: str = " to "
    named: bool = False
    once: bool = False
    kind: str = ""

    @classmethod
    def of(cls, item: str | Column) -> Column:
        """A field name as a column."""
        return item if isinstance(item, Column) else cls((item,))


def interval(low: str, high: str, head: str = "Interval") -> Column:
    """The two ends of an interval in one column."""
    return Column((low, high), head)


def named(field: str, head: str = "", *, once: bool = False) -> Column:
    """A column of code names, written as words."""
    return Column((field,), head, named=True, once=once)


PERIODS = {"month": "months", "quarter": "quarters", "year": "years", "week": "weeks"}


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

    def in_order(self, name: str) -> pd.DataFrame | None:
        """A released table by its column `order`, its rows numbered as in the record; None when there is none or it is empty."""
        frame = self.table(name)
        return None if frame is None else frame.sort_values("order", kind="stable")

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
    def aggregated(self) -> bool:
        """Whether the input was a panel of counts, with nobody behind it that could be followed."""
        return self.meta.get("engine") == "panel file"

    @property
    def without(self) -> str:
        """What the expected counts are expected from: of a panel of counts it is not said that a service started."""
        if not self.aggregated:
            return "without the service"
        designs = {str(self.primary.get("design"))}
        rows = self.table("series")
        if rows is not None and (estimates := self.table("estimates")) is not None:
            designs |= set(estimates.loc[estimates["analysis"].isin(rows["analysis"]), "design"].astype(str))
        # One phrase serves all charts of a page, so it is never more exact than they have in common.
        if designs == {"series"}:
            return f"from the {PERIODS.get(str(self.meta.get('period_kind', 'month')), 'periods')} before"
        if designs == {"sites"}:
            return "from the comparison sites"
        return "from the control series" if designs == {"controlled_series"} else "without a change at the date given"

    def is_cohort(self, analysis: Any) -> bool:
        """Whether an analysis follows people who newly met the entry rule, not a whole hospital."""
        rows = self.rows("estimates", analysis=analysis)
        return rows is not None and "own_cohorts" in set(rows["design"])

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
        return in_sentence(name_of(title)) if title else "admissions"

    def outcome_name(self, outcome: Any) -> str:
        """An outcome in words."""
        return self.subject if outcome == self.primary.get("outcome", outcome) else name_of(outcome)

    def analysis_name(self, analysis: Any) -> str:
        """An analysis in words: how, and of what when it is not the primary outcome."""
        rows = self.rows("estimates", analysis=analysis)
        if rows is None:
            return name_of(analysis)
        how, outcome = name_of(rows["estimator"].iloc[0]), rows["outcome"].iloc[0]
        return how if outcome == self.primary.get("outcome", outcome) else f"{how}, {name_of(outcome)}"

    def of_primary(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of the primary analysis; all of them when it has none."""
        own = frame[frame["analysis"].astype(object) == self.primary.get("analysis")]
        return frame if own.empty else own

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
            start_name="the date given" if self.aggregated else "service starts",
            expected_from=self.without,
        )

    @property
    def mark(self) -> str:
        """What stands behind a sum of money, once a paragraph, when prices are invented."""
        return f" {INVENTED}" if self.invented else ""

    def money(self, text: str) -> str:
        """A sentence in which each sum made from invented prices says so."""
        return _POUNDS.sub(lambda m: f"{m.group()} {INVENTED}", text) if self.invented else text

    def why_missing(self, name: str) -> str:
        """Why a table is not there, as far as the run says."""
        skipped = self.meta.get("skipped") or ()
        keys = STAGES.get(name, (name,))
        found = [str(s.get("why", "")) for s in skipped if any(k in str(s.get("stage", "")).lower() for k in keys)]
        reasons = list(dict.fromkeys(w for w in found if w))
        return (
            f"Reason: {'; '.join(reasons)}."
            if reasons
            else "This run made no such table: its design or its data give none."
        )

    def missing(self, name: str, what: str) -> Notice:
        """The box in the place of a table."""
        title = f" “{table_schema('release', name).title}”" if name in schema_names("release") else ""
        return Notice("missing", f"Not shown: {what}", f"{self.why_missing(name)} (Table {name}:{title}.)", table=name)


def cell(source: Source, name: str, frame: pd.DataFrame, row: Any, field: str, kind: str = "") -> str | Ref:
    """One cell as written, with its address when it is a number; `kind` where it is not the format of the field."""
    value, kind = frame.at[row, field], kind or _kind(name, field)
    if _is_money(kind, field, frame, row):
        kind = "price" if kind == "price" else "money"
    by = {"effect": "scale", "by_unit": "unit"}.get(kind)
    text = written(value, kind, str(frame.at[row, by]) if by in frame else "")
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
    """A table of the page from rows of a released table, which keep their row numbers: the addresses of their numbers.

    Columns without any value are left out.
    """
    shown = frame if most is None else frame.head(most)
    wanted = [c for c in map(Column.of, columns) if _has_values(frame, c)]
    said_once = [c for c in wanted if c.once and frame[c.fields[0]].nunique(dropna=False) == 1]
    wanted = [c for c in wanted if c not in said_once]
    once = [_name(source, c.fields[0], frame[c.fields[0]].iloc[0]) for c in said_once]
    rows = [[_cell_text(source, name, shown, row, c) for c in wanted] for row in shown.index]
    below: tuple[str, ...] = ()
    if len(wanted) >= MANY and _is_long(name, wanted[-1], rows):
        head = _head(source, name, wanted[-1], ()).text
        said = [words(row.pop()) for row in rows]
        wanted = wanted[:-1]
        if len(said) > 1 and len(set(said)) == 1:
            note = f"{head}: {said[0]}. {note}".rstrip()
        else:
            below = _below(head, said)
    caption = f"{caption}: {', '.join(once)}" if once else caption
    return Table(
        name=name,
        # Once a table: the mark stands in the caption instead of behind every sum.
        caption=f"{caption} {INVENTED}" if source.invented and _has_money(rows) else caption,
        heads=tuple(_head(source, name, c, [row[k] for row in rows]) for k, c in enumerate(wanted)),
        rows=tuple(map(tuple, rows)),
        note=note,
        left_out=len(frame) - len(shown),
        emphasis=() if emphasis is None else tuple(truth(shown[emphasis])),
        below=below,
    )


#: From so many columns a last column of long words stands under its rows.
MANY = 7


def _is_long(name: str, column: Column, rows: Sequence[Sequence[Text]]) -> bool:
    """Whether a column holds words, and long ones."""
    if column.named or len(column.fields) > 1 or _kind(name, column.fields[0]):
        return False
    return max((len(words(row[-1])) for row in rows), default=0) >= ROOM["wide"]


def _below(head: str, said: Sequence[str]) -> tuple[str, ...]:
    """What stands under each row: rows one after the other that say the same are told it once, under the last of them."""
    out, first = [], 0
    for k, text in enumerate(said):
        if k + 1 < len(said) and said[k + 1] == text:
            out.append("")
            continue
        rows = k + 1 - first
        first = k + 1
        many = f" ({rows} rows above)" if rows > 1 else ""
        out.append("" if text in ("", MISSING) else f"{head}{many}: {text}")
    return tuple(out)


#: From how many characters a column of words has a width.
ROOM: Mapping[Literal["widest", "wide", "middling", "short"], int] = {
    "widest": 110,
    "wide": 48,
    "middling": 24,
    "short": 1,
}


@cache
def _spec(name: str, field: str) -> ColumnSpec | None:
    if name not in schema_names("release"):
        return None
    return next((c for c in table_schema("release", name).columns if c.name == field), None)


def _kind(name: str, field: str) -> str:
    spec = _spec(name, field)
    return str(spec.extra.get("format", "")) if spec else ""


def _is_money(kind: str, field: str, frame: pd.DataFrame, row: Any) -> bool:
    """Whether a cell is a sum of money: by its format, its row's unit or scale, or because its outcome is a cost."""
    if kind in MONEY:
        return True
    if kind == "by_unit":
        return str(frame.at[row, "unit"]).startswith("pounds")
    if kind == "effect":
        return str(frame.at[row, "scale"]) == "currency"
    return field in ("events", "rate") and "outcome" in frame and str(frame.at[row, "outcome"]).endswith("cost")


def _has_values(frame: pd.DataFrame, column: Column) -> bool:
    nothing = ("ok",) if column.fields == ("status",) else ()
    return all(f in frame for f in column.fields) and any(
        not is_missing(v) and v not in nothing for f in column.fields for v in frame[f]
    )


def _head(source: Source, name: str, column: Column, cells: Sequence[Text]) -> Heads:
    field = column.fields[0]
    spec, kind = _spec(name, field), _kind(name, field)
    if source.aggregated and (name, field) == ("series", "expected"):
        return Heads(f"Expected {source.without}", numeric=True)
    text = column.head or (spec.title if spec and spec.title else sentence_case(field.replace("_", " ")))
    numeric = bool(kind) and kind != "period"
    longest = 0 if numeric else max((len(words(c)) for c in cells), default=0)
    width = next((w for w, least in ROOM.items() if longest >= least), None)
    return Heads(text, numeric=numeric, width=width or "")


def _name(source: Source, field: str, value: Any) -> str:
    if field == "outcome":
        return source.outcome_name(value)
    if field == "analysis":
        return source.analysis_name(value)
    if field == "scale":
        return scale_name(value)
    return unit_name(value) if field == "unit" and str(value) in TOGETHER else name_of(value)


def _cell_text(source: Source, name: str, frame: pd.DataFrame, row: Any, column: Column) -> Text:
    if column.named:
        return sentence_case(_name(source, column.fields[0], frame.at[row, column.fields[0]]))
    cells = [cell(source, name, frame, row, f, column.kind) for f in column.fields]
    if all(isinstance(c, str) for c in cells):
        return words((cells[0],))
    return tuple(cells if len(cells) == 1 else [cells[0], column.joint, cells[1]])


def _has_money(rows: Sequence[Sequence[Text]]) -> bool:
    return any("£" in words(c) for row in rows for c in row)


def _marked_once(text: Text) -> Text:
    """The text with the mark of invented prices behind its first sum alone."""
    if not isinstance(text, str) or INVENTED not in text:
        return text
    first, _, rest = text.partition(f" {INVENTED}")
    return f"{first} {INVENTED}{rest.replace(f' {INVENTED}', '')}"


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
        what = " ".join([figure.replace("_", " "), *([f"({source.analysis_name(part)})"] if part else [])])
        return Notice("missing", f"Chart not drawn: {what}", f"{sentence_case(drawing.reason)}.")
    if shown is None:
        raise ValueError(f"the chart {figure!r} comes without its table")
    drawing = replace(
        drawing, title=str(_marked_once(drawing.title)), description=str(_marked_once(drawing.description))
    )
    return Chart(slug(figure, part), drawing, _marked_once(title or drawing.title), subtitle, shown)
