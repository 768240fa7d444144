"""A config as TOML again, with every default written out."""

from __future__ import annotations

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
