"""Finds and reads what lies in `data_schemas/`: Frictionless Table Schemas, code lists, disclosure profiles."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any


@cache
def shipped(kind: str) -> Path:
    """The folder `data_schemas` or `configs`, in a checkout or in an installed wheel."""
    package = Path(__file__).resolve().parent
    for home in (package / "_shipped" / kind, package.parent / kind):
        if home.is_dir():
            return home
    raise FileNotFoundError(f"the {kind} folder was not installed with the package")


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of a table: Frictionless type and constraints, and our additions (the `aaot:` properties)."""

    name: str
    type: str
    title: str = ""
    description: str = ""
    required: bool = False
    enum: tuple[str, ...] = ()
    source_names: tuple[str, ...] = ()
    null_values: tuple[str, ...] = ()
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sensitive: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class TableSchema:
    """One table or extract format, as `data_schemas/<group>/<name>.json` says."""

    name: str
    title: str
    description: str
    columns: tuple[ColumnSpec, ...]
    missing_values: tuple[str, ...]
    primary_key: tuple[str, ...]
    extra: Mapping[str, Any]

    def __getitem__(self, column: str) -> ColumnSpec:
        for spec in self.columns:
            if spec.name == column:
                return spec
        raise KeyError(column)

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(c.name for c in self.columns)


def _ours(node: Mapping[str, Any]) -> dict[str, Any]:
    return {k.removeprefix("aaot:"): v for k, v in node.items() if k.startswith("aaot:")}


def _column(node: Mapping[str, Any]) -> ColumnSpec:
    ours, rules = _ours(node), node.get("constraints", {})
    return ColumnSpec(
        name=node["name"],
        type=node.get("type", "string"),
        title=node.get("title", ""),
        description=node.get("description", ""),
        required=bool(rules.get("required", False)),
        enum=tuple(rules.get("enum", ())),
        source_names=tuple(ours.pop("source_names", ())),
        null_values=tuple(ours.pop("null_values", ())),
        codes={k: tuple(v) for k, v in ours.pop("codes", {}).items()},
        sensitive=bool(ours.pop("sensitive", False)),
        extra=ours,
    )


def parse_table_schema(name: str, document: Mapping[str, Any]) -> TableSchema:
    """A Frictionless Table Schema as an object."""
    key = document.get("primaryKey", ())
    return TableSchema(
        name=name,
        title=document.get("title", name),
        description=document.get("description", ""),
        columns=tuple(_column(f) for f in document["fields"]),
        missing_values=tuple(document.get("missingValues", ("",))),
        primary_key=(key,) if isinstance(key, str) else tuple(key),
        extra=_ours(document),
    )


@cache
def table_schema(group: str, name: str) -> TableSchema:
    """The schema `data_schemas/<group>/<name>.json`."""
    path = shipped("data_schemas") / group / f"{name}.json"
    return parse_table_schema(name, json.loads(path.read_text("utf-8")))


@cache
def schema_names(group: str) -> tuple[str, ...]:
    """The names of all schemas of one group (`tables`, `extracts`, `release`), sorted."""
    return tuple(sorted(p.stem for p in (shipped("data_schemas") / group).glob("*.json")))


@cache
def extract_formats(given_as: str) -> tuple[TableSchema, ...]:
    """The formats in which a table of [data] can come, by name."""
    found = (table_schema("extracts", name) for name in schema_names("extracts"))
    return tuple(s for s in found if s.extra.get("given_as") == given_as)


@cache
def in_full(schema: TableSchema) -> TableSchema:
    """A format with the columns of every format of its table, in one order: those it lacks are there and stay empty.

    So files of different formats (A&E to March 2020, then ECDS) make one table.
    """
    columns: dict[str, ColumnSpec] = {}
    for sibling in extract_formats(str(schema.extra.get("given_as", ""))) or (schema,):
        for column in sibling.columns:
            columns.setdefault(column.name, ColumnSpec(column.name, column.type, column.title))
    return replace(schema, columns=tuple({**columns, **{c.name: c for c in schema.columns}}.values()))


@cache
def disclosure_profile(name: str) -> Mapping[str, Any]:
    """The named disclosure profile `data_schemas/disclosure/<name>.toml`."""
    path = shipped("data_schemas") / "disclosure" / f"{name}.toml"
    return tomllib.loads(path.read_text("utf-8"))


@cache
def disclosure_profiles() -> tuple[str, ...]:
    """The names of all disclosure profiles, sorted."""
    return tuple(sorted(p.stem for p in (shipped("data_schemas") / "disclosure").glob("*.toml")))
