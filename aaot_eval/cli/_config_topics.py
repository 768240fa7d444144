"""What `explain` says of the config and of the tables of money: every table with its keys, every key, every column."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aaot_eval.schema import TableSchema

Node = Mapping[str, Any]
#: The tables of money that [costs] names; those of [data] are explained as extract formats.
MONEY_TABLES = {
    "unit_costs": "[costs] unit_costs",
    "programme": "[costs] programme",
    "utilities": "[costs.outcome] utilities",
}


def config_topics(wrap: Callable[[str], str]) -> tuple[dict[str, str], dict[str, str]]:
    """The tables of the config and their keys as texts: by full name such as config.costs, and by any shorter ending of it.

    A short name such as `perspective` that several tables have stands for all of them.
    """
    from aaot_eval.config import config_json_schema

    schema = config_json_schema()
    full: dict[str, str] = {}
    short: dict[str, list[str]] = {}
    for path, node, needed in _nodes(schema, schema, ()):
        name = ".".join(("config", *path))
        full[name] = (
            _table_text(path, node, schema, wrap) if _keys(node, schema) else _key_text(path, node, needed, wrap)
        )
        for at in range(len(path)):
            short.setdefault(".".join(path[at:]), []).append(full[name])
    return full, {name: "\n\n".join(texts) for name, texts in short.items()}


def money_tables(wrap: Callable[[str], str]) -> dict[str, str]:
    """The CSV tables of money as texts: what they hold, each column with its type and values, and an example."""
    from aaot_eval.schema import table_schema

    texts = {}
    for name, given in MONEY_TABLES.items():
        schema = table_schema("tables", name)
        lines = [
            wrap(f"{schema.title}. {schema.description}"),
            wrap(f"A CSV file, given as {given}."),
            *_columns(schema, wrap),
        ]
        example = list(schema.extra.get("example", ()))
        lines += ["", "Example, with made-up figures:", *(f"  {row}" for row in _csv_rows(example))]
        texts[name] = "\n".join(lines)
    return texts


def restricted_tables(wrap: Callable[[str], str]) -> dict[str, str]:
    """The tables that stay in restricted/ and are read by people: what they hold, and each column."""
    from aaot_eval.schema import schema_names, table_schema

    found = (table_schema("restricted", name) for name in schema_names("restricted"))
    return {s.name: "\n".join([wrap(f"{s.title}. {s.description}"), *_columns(s, wrap, needed=False)]) for s in found}


def _columns(schema: TableSchema, wrap: Callable[[str], str], *, needed: bool = True) -> list[str]:
    """Each column of a table with its type, whether it is required (where somebody fills it) and its values."""
    lines = ["", "Columns:"]
    for column in schema.columns:
        required = ", required" if needed and column.required else ""
        lines.append(wrap(f"  {column.name} ({column.type}{required}): {column.description or column.title}"))
        if column.enum:
            lines.append(wrap(f"    one of: {', '.join(column.enum)}"))
    return lines


def _csv_rows(rows: list[Mapping[str, str]]) -> list[str]:
    """Rows as lines of CSV under a header of the columns that any of them fills."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().splitlines()


def _nodes(node: Node, schema: Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Node, bool]]:
    """Every table and key below a table: its path, its node and whether it has to be given."""
    for name, child in _keys(node, schema).items():
        at = (*path, name)
        yield at, child, name in _meant(node, schema).get("required", ())
        yield from _nodes(child, schema, at)


def _keys(node: Node, schema: Node) -> Mapping[str, Node]:
    keys: Mapping[str, Node] = _meant(node, schema).get("properties", {})
    return keys


def _meant(node: Node, schema: Node) -> Node:
    """The definition a node refers to, alone, as one of several kinds, or as the rows of a list; else the node itself."""
    for choice in (node, node.get("items", {}), *node.get("anyOf", ())):
        if "$ref" in choice:
            found: Node = schema["$defs"][choice["$ref"].rsplit("/", 1)[1]]
            return found
    return node


def _heading(path: tuple[str, ...], node: Node) -> str:
    name = ".".join(path)
    return f"[[{name}]], once for each" if node.get("type") == "array" else f"[{name}]"


def _table_text(path: tuple[str, ...], node: Node, schema: Node, wrap: Callable[[str], str]) -> str:
    meant = _meant(node, schema)
    told = [text for text in (node.get("description"), meant.get("description")) if text]
    lines = [wrap(f"{_heading(path, node)} of the config. {' '.join(_stopped(text) for text in told)}"), "", "Keys:"]
    for name, child in _keys(node, schema).items():
        inner = _keys(child, schema)
        about = f"a table of its own: `explain {'.'.join((*path, name))}`" if inner else _about(child)
        lines.append(wrap(f"  {name} ({_given(child, name in meant.get('required', ()))}): {about}"))
    return "\n".join(lines)


def _key_text(path: tuple[str, ...], node: Node, needed: bool, wrap: Callable[[str], str]) -> str:
    *table, name = path
    where = f"in [{'.'.join(table)}]" if table else "at the top"
    lines = [wrap(f"{name}, {where} of the config ({_given(node, needed)}): {_about(node)}")]
    if name in MONEY_TABLES:
        lines.append(wrap(f"The columns of the file: `aaot-eval explain {name}`."))
    return "\n".join(lines)


def _given(node: Node, needed: bool) -> str:
    if needed:
        return "required"
    default = node.get("default")
    if "properties" in node or (isinstance(default, dict) and default):
        return "optional"
    return "optional" if default in (None, [], {}) else f"default {json.dumps(default, ensure_ascii=False)}"


def _about(node: Node) -> str:
    """What a key may hold, and what it means."""
    kinds = [choice for choice in node.get("anyOf", (node,)) if choice.get("type") != "null"]
    kinds = [inner for choice in kinds for inner in choice.get("anyOf", (choice,))]
    held = " or ".join(dict.fromkeys(_kind(choice) for choice in kinds))
    meaning = node.get("description") or next((c["description"] for c in kinds if c.get("description")), "")
    return _stopped(f"{held}; {meaning}" if meaning else held)


#: What a list of periods is, as it is written.
PERIODS = 'a list of periods, such as ["2018-04", "2020-04"]'


def _is_period(node: Node) -> bool:
    """Whether a value may be a text, a number or a date: a period."""
    return {"string", "integer"} <= {str(c.get("type")) for c in node.get("anyOf", ())}


def _kind(node: Node) -> str:
    if "enum" in node:
        return "one of " + ", ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    if node.get("type") == "array" and _is_period(node.get("items", {})):
        return PERIODS
    if node.get("type") == "array":
        return f"list of {_kind(node.get('items', {}))}"
    if node.get("format") == "date":
        return "date"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    named = words.get(str(node.get("type")), "table")
    bounds = [
        f"{said} {node[rule]}"
        for rule, said in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "up to"),
            ("exclusiveMaximum", "below"),
        )
        if rule in node
    ]
    pattern = " such as 2024/25" if node.get("pattern") == r"^\d{4}/\d{2}$" else ""
    return " ".join((named + pattern, *bounds))


def _stopped(text: str) -> str:
    return text if text.endswith((".", "`")) else f"{text}."
