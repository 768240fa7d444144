"""Rows that an engine holds already, taken as our reader would take them, without moving them out and in again.

Only what reads in one way everywhere is taken: ISO dates, whole and plain decimal numbers, text of printable ASCII. The
engine first counts the cells in doubt (any other form, anything that would be rejected). With one such cell, or a person's
number to be hashed, the whole input goes through the one reader instead, so that no engine has rules of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from aaot_eval.engine import ReadPlan
from aaot_eval.engine.duckdb_reading import SQL_TYPES, cleaned, made_of, no_mark, part_of_a_cell
from aaot_eval.engine.steps import text_literal
from aaot_eval.schema import ColumnSpec

WHOLE = "^[+-]?[0-9]{1,9}$"
DECIMAL = "^[+-]?[0-9]{1,12}([.][0-9]{1,12})?$"
# The years of the reader's FIRST_DAY to LAST_DAY; a test holds them together.
ISO_DAY = "^(18[5-9][0-9]|19[0-9]{2}|2[01][0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
NOT_PLAIN = "[^ -~]"


def can_stay(plan: ReadPlan, opted_out: bool) -> bool:
    """Whether an engine may take this input as it holds it.

    Not with a person to be hashed, nor with people who opted out (their numbers are handed to no server), nor with a column
    of a type without a plain form.
    """
    private = "person" in plan.columns and (plan.key is not None or opted_out)
    return not private and all(c.type != "boolean" for c in plan.schema.columns if c.name in plan.columns)


class InPlace:
    """The queries for one input, in DuckDB's dialect, over `source`: a view with our names whose every column is text."""

    def __init__(self, plan: ReadPlan, source: str) -> None:
        self.plan, self.source = plan, source
        self.given = [c for c in plan.schema.columns if c.name in plan.columns]
        self.casts = {c.name: _cast(c) for c in (*self.given, *plan.made)}

    @property
    def doubts(self) -> str:
        """How many rows have a cell that only the reader may judge, and how many rows there are."""
        strict = bool(self.plan.schema.extra.get("blank_rejected"))
        doubt = " OR ".join(_doubt(c, self.casts[c.name], strict) for c in self.given)
        return f"SELECT coalesce(sum(CASE WHEN {doubt} THEN 1 ELSE 0 END), 0) AS doubts, count(*) AS n FROM ({self._texts('1')}) AS cells"

    def rows(self, number: str, before: int) -> str:
        """The rows as `ingest` makes them; `number` is how the engine numbers rows, `before` the last number taken."""
        values = ", ".join(
            f"CAST({self.casts.get(c.name, 'NULL')} AS {SQL_TYPES[c.type]}) AS {c.name}"
            for c in self.plan.schema.columns
        )
        return (
            f"SELECT CAST({self.plan.load} AS INTEGER) AS load, CAST({before} + line_row AS BIGINT) AS row, {values} "
            f"FROM ({self._texts(number)}) AS texts"
        )

    def _texts(self, number: str) -> str:
        held = {c.name: c.name for c in self.given}
        held |= {c: part_of_a_cell(c, place, self.plan.schema) for c, place in self.plan.places.items()}
        texts = {c.name: cleaned(c, held[c.name], self.plan.schema.missing_values, False) for c in self.given}
        columns = ", ".join(f"{text} AS {name}" for name, text in texts.items())
        read = f"SELECT {number} AS line_row, {columns} FROM {self.source}"
        made = ", ".join(f"{made_of(c, texts, self.casts, self.plan.schema)} AS {c.name}" for c in self.plan.made)
        return f"SELECT *, {made} FROM ({read}) AS cells" if made else read


def _cast(column: ColumnSpec) -> str:
    name = column.name
    if column.type == "date":
        day = f"CAST(substring({name}, 1, 8) || '01' AS DATE) + (CAST(substring({name}, 9, 2) AS INTEGER) - 1)"
        # The 31st of a month of 30 days is a day of the next month: no date.
        return no_mark(
            column,
            f"CASE WHEN regexp_matches({name}, {text_literal(ISO_DAY)}) THEN "
            f"CASE WHEN month({day}) = CAST(substring({name}, 6, 2) AS INTEGER) THEN {day} END END",
        )
    plain: Mapping[str, tuple[str, str]] = {"integer": (WHOLE, "INTEGER"), "number": (DECIMAL, "DOUBLE")}
    if column.type in plain:
        pattern, kind = plain[column.type]
        return f"CASE WHEN regexp_matches({name}, {text_literal(pattern)}) THEN CAST({name} AS {kind}) END"
    return name


def _doubt(column: ColumnSpec, value: str, blanks_rejected: bool) -> str:
    """When a cell is not plainly one thing."""
    name = column.name
    if column.type == "date":
        none = () if column.required and blanks_rejected else column.null_values
        marks = ", ".join(map(text_literal, none))
        unread = f"{name} IS NOT NULL AND ({value}) IS NULL" + (f" AND {name} NOT IN ({marks})" if marks else "")
    elif column.type in ("integer", "number"):
        unread = f"{name} IS NOT NULL AND ({value}) IS NULL"
    else:
        unread = "FALSE"
        if "pattern" in column.extra:
            whole = text_literal(f"^(?:{column.extra['pattern']})$")
            unread = f"{name} IS NOT NULL AND NOT regexp_matches({name}, {whole})"
        elif name == "person":
            unread = f"regexp_matches(coalesce({name}, ''), '^#|E[+]')"
    blank = f" OR {name} IS NULL" if column.required and blanks_rejected else ""
    return f"(({unread}){blank} OR regexp_matches(coalesce({name}, ''), {text_literal(NOT_PLAIN)}))"
