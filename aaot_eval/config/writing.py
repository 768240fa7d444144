"""A config as TOML again, with every default written out; and its settings one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def resolved_toml(config: BaseModel) -> str:
    """The whole config as TOML, every default written out and marked `# default`."""
    import tomlkit

    def table(part: BaseModel) -> Any:
        node = tomlkit.table()
        values = {name: getattr(part, name) for name in type(part).model_fields}
        for name, value in values.items():  # plain keys first: in TOML they would else belong to the table above them
            if value is None:
                node.add(tomlkit.comment(f"{name} is not set"))
            elif not _is_table(value):
                item = tomlkit.item(value)
                if name not in part.model_fields_set:
                    item.comment("default")
                node.add(name, item)
        for name, value in values.items():
            if isinstance(value, BaseModel):
                node.add(name, table(value))
            elif isinstance(value, dict) and value:
                node.add(name, tomlkit.item(value))
            elif isinstance(value, list) and _is_table(value):
                array = tomlkit.aot()
                for part_of_list in value:
                    array.append(table(part_of_list))
                node.add(name, array)
        return node

    document = tomlkit.document()
    for key, value in table(config).items():
        document.add(key, value)
    return tomlkit.dumps(document)


def _is_table(value: Any) -> bool:
    """Whether TOML writes the value as a table of its own."""
    return isinstance(value, BaseModel | dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], BaseModel)
    )


def settings_by_path(document: dict[str, Any]) -> dict[str, str]:
    """Every value of a config by its path, as text; one of several tables by its name. What is not set is not there."""
    return dict(_settings(document, ""))


def _settings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list) and value and all(isinstance(part, dict) and _name_in(part) for part in value):
        value = {_name_in(part): {k: v for k, v in part.items() if k not in NAMES} for part in value}
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _settings(inner, f"{path}.{key}" if path else key)
    elif value is not None:
        yield path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


#: The keys that tell one of several tables from the others: of [[analyses]] and of [[fidelity]].
NAMES = ("name", "site")


def _name_in(part: dict[str, Any]) -> str:
    return next((str(part[key]) for key in NAMES if part.get(key)), "")
