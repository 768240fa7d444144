"""The one SQL text in the dialect of another engine. Nothing else in the program knows a dialect."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sqlglot import exp

Target = Literal["spark", "postgres"]


@lru_cache(maxsize=512)
def render(sql: str, target: Target) -> str:
    """The query, written for DuckDB, in the dialect of `target`.

    Every name is quoted, so that a column called `row` is a column everywhere. Raises sqlglot's UnsupportedError for what
    the dialect cannot say: a step that left the portable subset, never something to run anyway.
    """
    import sqlglot

    tree = sqlglot.parse_one(sql, read="duckdb")
    if target == "postgres":
        if tree.find(sqlglot.exp.TryCast):
            # It would become a plain cast, which ends the query where the other engines give an empty cell.
            raise sqlglot.errors.UnsupportedError("PostgreSQL has no cast that may fail")
        tree = tree.transform(_whole_parts_of_dates)
    text: str = tree.sql(dialect=target, identify=True, unsupported_level=sqlglot.ErrorLevel.RAISE)
    return text


def _whole_parts_of_dates(node: exp.Expression) -> exp.Expression:
    """PostgreSQL gives the year and month of a date as a decimal number; everywhere else they are whole numbers."""
    from sqlglot import exp

    if isinstance(node, exp.Year | exp.Month | exp.Day) and not isinstance(node.parent, exp.Cast):
        return exp.cast(node, "INT")
    return node
