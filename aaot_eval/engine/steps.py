"""The SQL steps as text: what a step makes, and its query with the constants of a run put in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

STEPS = Path(__file__).resolve().parent.parent / "steps"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Step:
    """One step ready to be run: the table it makes and the query, in DuckDB's dialect.

    `values` are all the texts that a column can have, where the step's header says so: an engine may keep them shorter.
    `takes` are a table and another that lists its rows to leave out, where the step does nothing but that and nobody reads the
    first table afterwards: an engine may take the rows away where they lie. `view` says that the table is rows and columns of one
    other that stays as it is: an engine may look at them there. `wide` says that the table holds whole rows of an extract and that
    many steps read it: an engine short of memory may hold it on the disk. `few` are columns of texts of a small table of which there
    are few, which an engine may keep shorter, there and wherever they go from there.
    """

    makes: str
    query: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    takes: tuple[str, str] | None = None
    view: bool = False
    wide: bool = False
    few: tuple[str, ...] = ()


def step(name: str, **parameters: Any) -> Step:
    """The named step of `aaot_eval/steps/`; its `{names}` take constants only. Raises ValueError."""
    text = (STEPS / f"{name}.sql").read_text("utf-8")
    head = re.search(r"^-- makes: *(\S+)", text, re.MULTILINE)
    if head is None:
        raise ValueError(f"the step {name} does not say what it makes")
    body = re.sub(r"^--.*\n", "", text, flags=re.MULTILINE)
    makes = head[1].format(**{k: str(v) for k, v in parameters.items()})
    values = {
        column: tuple(listed.split(", "))
        for column, listed in re.findall(r"^-- values: *(\S+) = (.+)$", text, re.MULTILINE)
    }
    taken = re.search(r"^-- takes: *(\S+) without (\S+)$", text, re.MULTILINE)
    takes = (table_name(taken[1]), table_name(taken[2])) if taken else None
    view = re.search(r"^-- view of: ", text, re.MULTILINE) is not None
    wide = re.search(r"^-- wide: ", text, re.MULTILINE) is not None
    query = body.format(**{k: constant(v) for k, v in parameters.items()})
    listed = re.search(r"^-- few: *(.+)$", text, re.MULTILINE)
    few = tuple(map(table_name, listed[1].split(", "))) if listed else ()
    return Step(table_name(makes), query, values, takes, view, wide, few)


def table_name(value: str) -> str:
    """The value, when it is the name of a table or column. Raises ValueError."""
    if not NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no table name")
    return value


def text_literal(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def constant(value: Any) -> str:
    """A parameter of a step as SQL: numbers, dates, names of tables and columns, and lists of codes; nothing else."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, date):
        return f"DATE '{value.isoformat()[:10]}'"
    if isinstance(value, str):
        return table_name(value)
    if isinstance(value, tuple | list) and all(isinstance(v, str) for v in value):
        return ", ".join(text_literal(v) for v in value)
    raise ValueError(f"a step cannot take a {type(value).__name__}")


def diagnosis_columns(columns: list[str]) -> list[str]:
    """The diagnosis columns among the columns of a table, in the order of their positions."""
    return sorted(c for c in columns if re.fullmatch(r"diag_\d\d", c))
