"""The made-up records in any layout that `data_schemas/extracts/` knows: names, codes, dates and what a layout cannot hold.

The rows are drawn once, in the layout of HES and ECDS. What another layout holds of them is worked out here from its schema,
in Python and apart from the SQL that reads it, so that a study read back from it can be compared to the last row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa

from aaot_eval.errors import Problem, UsageError
from aaot_eval.schema import ColumnSpec, TableSchema, schema_names, table_schema

Cells = dict[str, list[str | None]]
DEFAULTS = {
    "admissions": "hes_apc", "attendances": "ecds", "deaths": "deaths", "caseload": "caseload", "sites": "sites",
    "contacts": "contacts", "denominators": "denominators",
}  # fmt: skip
# What a reader takes for "not known" in a column that a key is joined from.
UNKNOWN = ("98", "99", "1800-01-01", "1801-01-01")
FILLER = {"CAUSE_OF_DEATH": "X99", "EPITYPE": "1", "FAE": "1", "FCE": "1", "ETHNOS": "Z", "SUSRECID": "-1"}


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which a table of a study is written.

    `names` maps our columns to those of the file; `dates` is a strptime pattern, empty for ISO dates; `other` are columns of
    the real layout that nothing reads; `cell` is the one column that holds all diagnoses, if there is one.
    """

    name: str
    title: str
    schema: TableSchema
    names: Mapping[str, str]
    dates: str = ""
    other: tuple[str, ...] = ()
    cell: str = ""

    @property
    def table(self) -> str:
        """The table of [data] that it is a layout of."""
        return str(self.schema.extra["given_as"])

    @property
    def plain(self) -> bool:
        """Whether it is the layout that the rows are drawn in."""
        return DEFAULTS.get(self.table) == self.name


@cache
def layouts() -> dict[str, Layout]:
    """Every layout by name: each format in its first names, and the further layouts that its schema lists."""
    found = {}
    for name in schema_names("extracts"):
        schema = table_schema("extracts", name)
        if schema.extra["given_as"] not in DEFAULTS:
            continue
        found[name] = _layout(name, schema.title, schema, {})
        for other, node in schema.extra.get("layouts", {}).items():
            found[other] = _layout(other, f"{schema.title}: {node['title']}", schema, node)
    return found


def _layout(name: str, title: str, schema: TableSchema, node: Mapping[str, Any]) -> Layout:
    names = {
        c.name: c.source_names[0] for c in schema.columns if c.source_names and (c.required or "made" not in c.extra)
    }
    names |= {n: theirs for n, theirs in node.get("names", {}).items() if n in schema.names}
    together = schema.extra.get("concatenated", {}).get("columns", ())
    cell = str(node.get("concatenated", ""))
    if node.get("only_required"):
        names = {n: theirs for n, theirs in names.items() if schema[n].required}
    if cell:
        names = {n: theirs for n, theirs in names.items() if n not in together} | dict.fromkeys(together, cell)
    # A column that the format can make from others is written only where a real file holds it under that name.
    names = {n: theirs for n, theirs in names.items() if theirs and not _made_of_key(schema[n])}
    if node.get("underscores"):
        names = {n: theirs.replace(".", "_") for n, theirs in names.items()}
    other = tuple(o for o in node.get("other", ()) if o not in names.values())
    return Layout(name, title, schema, names, str(node.get("dates", "")), other, cell)


def _made_of_key(column: ColumnSpec) -> bool:
    return "joined" in column.extra.get("made", {}) or (
        "filled" in column.extra.get("made", {}) and "recode" not in column.extra
    )


def chosen_layouts(names: Sequence[str]) -> dict[str, Layout]:
    """The layouts asked for, by table. Raises UsageError for a name there is not, or two for one table."""
    known = layouts()
    chosen: dict[str, Layout] = {}
    problems = []
    for name in names:
        if name == "panel":
            continue
        if name not in known:
            problems.append(
                Problem(
                    "X263", f"there is no format {name!r}", allowed=", ".join([*known, "panel"]), do="name one of these"
                )
            )
        elif known[name].table in chosen:
            problems.append(
                Problem(
                    "X263",
                    f"{chosen[known[name].table].name} and {name} are both for {known[name].table}",
                    do="name one of them",
                )
            )
        else:
            chosen[known[name].table] = known[name]
    if problems:
        raise UsageError(*problems)
    return chosen


# What a layout holds ------------------------------------------------------------------------------------------------


def cells_of(table: pa.Table, given_as: str) -> Cells:
    """The drawn rows as text under our names."""
    schema = table_schema("extracts", DEFAULTS[given_as])
    found = {}
    for column in schema.columns:
        theirs = next((n for n in (*column.source_names, column.name) if n in table.column_names), None)
        if theirs is not None:
            texts = (None if v is None else str(v) for v in table.column(theirs).to_pylist())
            # The drawn words of a column that we recode become our code, so that every layout can write it in its own.
            found[column.name] = [_ours(column, v.upper() if v and "recode" in column.extra else v) for v in texts]
    return found


def held_by(cells: Cells, layout: Layout) -> Cells:
    """What is left of the rows when they have been through a layout, in the codes of the default one."""
    rows = len(next(iter(cells.values())))
    empty: list[str | None] = [None] * rows
    cells = dict(cells)
    if layout.table == "admissions":
        # Both parts of a stay that goes on in another hospital have one number.
        cells["stay_number"] = [None if s is None else str((int(s) - 10**11) // 2) for s in cells["provider_spell"]]
        if layout.name.startswith(("cds_apc", "sus_apc")):
            _spread_discharges(cells)
    kept: Cells = {}
    for column in layout.schema.columns:
        if column.name in layout.names:
            kept[column.name] = [_ours(column, _theirs(column, v)) for v in cells.get(column.name, empty)]
    for column in layout.schema.columns:
        if column.name not in kept and "made" in column.extra:
            kept[column.name] = _made(column.extra["made"], kept, rows)
    return {name: kept.get(name, empty) for name in cells}


def _spread_discharges(cells: Cells) -> None:
    """Discharge fields on every episode of the spell, as the flat commissioning data set has them."""
    said = {
        spell: place
        for place, (spell, day, end) in enumerate(
            zip(cells["provider_spell"], cells["discharge_date"], cells["episode_end"], strict=True)
        )
        if day is not None and end is not None
    }
    places = [said.get(spell, i) for i, spell in enumerate(cells["provider_spell"])]
    for name in ("discharge_date", "discharge_method", "discharge_destination"):
        cells[name] = [cells[name][p] for p in places]


def _theirs(column: ColumnSpec, value: str | None) -> str | None:
    """Our code as the layout writes it: the first of its codes with that meaning."""
    codes: Mapping[str, Sequence[str]] = column.extra.get("recode", {})
    if value is None or not codes:
        return value
    standing = {v: ours for ours, many in column.extra.get("stands_for", {}).items() for v in many}
    ours = standing.get(value, value)
    theirs = codes.get(ours, codes.get("", ()))
    return next((t for t in theirs if t != "*"), "98" if theirs else None)


def _ours(column: ColumnSpec, value: str | None) -> str | None:
    codes: Mapping[str, Sequence[str]] = column.extra.get("recode", {})
    if value is None or not codes:
        return value
    return next((ours or None for ours, theirs in codes.items() if value in theirs or "*" in theirs), value)


def _made(rule: Mapping[str, Any], cells: Cells, rows: int) -> list[str | None]:
    if "constant" in rule:
        return [str(rule["constant"])] * rows
    if "copy" in rule:
        return list(cells[rule["copy"]])
    if "filled" in rule:
        return [str(rule["then"] if v is not None else rule["else"]) for v in cells[rule["filled"]]]
    parts = zip(*(cells[n] for n in rule["joined"]), strict=True)
    return ["-".join("" if x is None or x in UNKNOWN else x for x in p) for p in parts]


# Writing ------------------------------------------------------------------------------------------------------------


def written(cells: Cells, layout: Layout) -> Cells:
    """The rows as the columns of a file in this layout, by the names in its header."""
    rows = len(next(iter(cells.values())))
    empty: list[str | None] = [None] * rows
    out: Cells = {}
    for column in layout.schema.columns:
        if column.name not in layout.names or layout.names[column.name] == layout.cell != "":
            continue
        values = [_theirs(column, v) for v in cells.get(column.name, empty)]
        if column.type == "date" and layout.dates:
            values = [None if v is None else _spelled(v, layout.dates) for v in values]
        out[layout.names[column.name]] = values
    if layout.cell:
        columns = layout.schema.extra["concatenated"]["columns"]
        many = zip(*(cells.get(c, empty) for c in columns), strict=True)
        out[layout.cell] = [",".join(c or "" for c in codes).rstrip(",") for codes in many]
    for name in layout.other:
        out[name] = [FILLER.get(name, "")] * rows
    return out


def _spelled(day: str, pattern: str) -> str:
    year, month, date = day.split("-")
    return pattern.replace("%Y", year).replace("%m", month).replace("%d", date)


def as_default(cells: Cells, given_as: str) -> Cells:
    """Rows as the columns of a file in the default layout of their table."""
    return written(cells, layouts()[DEFAULTS[given_as]])


@dataclass(frozen=True, slots=True)
class Writing:
    """How a study is written: the layouts that differ from the default, the dialect, and whether only what they hold is kept.

    With `only_held` the default layouts are written, with what the others would hold of each row: for comparison.
    """

    chosen: Mapping[str, Layout] = field(default_factory=dict)
    dialect: frozenset[str] = frozenset()
    panel: bool = False
    only_held: bool = False

    def cells(self, table: pa.Table, given_as: str) -> Cells:
        """The columns of a file for drawn rows of this table."""
        layout = self.chosen.get(given_as, layouts()[DEFAULTS[given_as]])
        cells = cells_of(table, given_as)
        held = cells if layout.plain else held_by(cells, layout)
        if self.only_held:
            return as_default(held, given_as)
        return written(held, layout)
