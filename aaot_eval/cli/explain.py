"""`aaot-eval explain`: what a code, an estimator, a check, a format, a table of the config or one of its keys means."""

from __future__ import annotations

import re
import textwrap
from typing import Annotated, Any

import typer

from aaot_eval.cli._options import Json, Quiet, Verbose, answer, terminal_width, wrapped


def explain(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A code, estimator, check, format, config, config.TABLE or .KEY, option or appraisal.",
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Explain a code, estimator, check, format or config key."""
    if name in ("config", "option", "appraisal"):
        import json

        schema = _json_schema(name)
        answer(json.dumps(schema, indent=1), {"name": name, "text": schema}, as_json)
        return
    if name is not None and re.fullmatch(r"[a-z][0-9]{3}", name):
        name = name.upper()
    topics = _topics(name)
    if name is None:
        lines = []
        for kind, entries in topics.items():
            lines += [f"{kind}:", *_listed(list(entries)), ""]
        answer("\n".join(lines).rstrip(), {kind: list(entries) for kind, entries in topics.items()}, as_json)
        return
    for kind, entries in topics.items():
        if name in entries:
            answer(
                _fitted(f"{name} ({kind})\n\n{entries[name]}"),
                {"name": name, "kind": kind, "text": entries[name]},
                as_json,
            )
            return
    keys = _config_keys()
    if name in keys:
        answer(
            _fitted(f"{name} (config)\n\n{keys[name]}"), {"name": name, "kind": "config", "text": keys[name]}, as_json
        )
        return
    raise _unknown(name, [*dict.fromkeys([*(entry for entries in topics.values() for entry in entries), *keys])])


def _fitted(text: str) -> str:
    """A text with the lines folded that are wider than the terminal, each at its own indentation."""
    width = terminal_width()
    return "\n".join(
        line if len(line) <= width else wrapped(line, " " * (len(line) - len(line.lstrip())))
        for line in text.split("\n")
    )


def _json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a TOML file, for editors; that of a config is published as data_schemas/config.schema.json."""
    if name == "config":
        from aaot_eval.config import config_json_schema

        return config_json_schema()
    from aaot_eval.options import AppraisalRecord, OptionRecord

    return (OptionRecord if name == "option" else AppraisalRecord).model_json_schema()


def _unknown(name: str, known: list[str]) -> Exception:
    import difflib

    from aaot_eval.errors import Problem, UsageError

    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return UsageError(
        Problem("U005", f"there is nothing called {name!r} to explain", allowed=f"close: {', '.join(near)}" if near else "",
                do="`aaot-eval explain` lists every name")
    )  # fmt: skip


def _listed(names: list[str]) -> list[str]:
    return textwrap.wrap("  ".join(names), 78, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _topics(wanted: str | None) -> dict[str, dict[str, str]]:
    """Everything that can be explained, by kind; the heavy ones are loaded only when the name is none of the light ones."""
    light = {
        "exit code": _exit_codes(),
        "finding": _findings(),
        "message code": _messages(),
        "extract format": _formats(),
        "table of money": _money_tables(),
        "restricted table": _restricted_tables(),
        "table of the config": _config_tables(),
    }
    if wanted is not None and any(wanted in entries for entries in light.values()):
        return light
    from aaot_eval.checks import CHECKS
    from aaot_eval.estimators import ESTIMATORS

    parts: dict[str, Any] = {"estimator": ESTIMATORS, "check": CHECKS}
    return light | {kind: {name: _doc(registry[name]) for name in registry} for kind, registry in parts.items()}


def _money_tables() -> dict[str, str]:
    from aaot_eval.cli._config_topics import money_tables

    return money_tables(_wrapped)


def _restricted_tables() -> dict[str, str]:
    from aaot_eval.cli._config_topics import restricted_tables

    return restricted_tables(_wrapped)


def _config_tables() -> dict[str, str]:
    """The tables at the top of the config; those within them, and the keys, are found by name without being listed."""
    from aaot_eval.cli._config_topics import config_topics

    full, _ = config_topics(_wrapped)
    return {name: text for name, text in full.items() if name.count(".") == 1 and "\nKeys:\n" in text}


def _config_keys() -> dict[str, str]:
    from aaot_eval.cli._config_topics import config_topics

    full, short = config_topics(_wrapped)
    return full | short


def _doc(part: object) -> str:
    import inspect
    import sys

    module = inspect.getdoc(sys.modules[str(part.__module__)]) or ""
    own = inspect.getdoc(part) or ""
    return f"{module}\n\n{own}".strip()


def _exit_codes() -> dict[str, str]:
    from aaot_eval.errors import EXIT_MEANING

    return {str(int(code)): _wrapped(f"{meaning}. Who acts: {who}.") for code, (meaning, who) in EXIT_MEANING.items()}


def _findings() -> dict[str, str]:
    from aaot_eval.findings import CATALOGUE

    return {
        kind.code: "\n".join(
            _wrapped(line)
            for line in (
                f"{kind.level}: {kind.title}",
                kind.why,
                f"Do: {kind.do}",
                *([kind.limit.sentence] if kind.limit else []),
            )
        )
        for kind in CATALOGUE.values()
    }


#: Whose code it is, by its letter.
OWNERS = {
    "C": "the config: a file, key, name or folder that it gives",
    "X": "an extract: the file is not in the format, or cannot be read as declared",
    "D": "the data: the rows do not obey the rules of the field",
    "E": "estimation: the data do not allow the design",
    "M": "monitoring: the control chart of the newest month",
    "P": "prices: a unit cost, a programme item or a price year",
    "R": "release: disclosure control",
    "U": "the use of the command itself",
    "V": "verify: a run is not what its record says",
}


def _messages() -> dict[str, str]:
    from aaot_eval.findings import LIMITS
    from aaot_eval.messages import MESSAGES

    told = {
        f"{letter}nnn": _wrapped(f"A message code with this letter is about {text}.") for letter, text in OWNERS.items()
    }
    for code, (meaning, do) in MESSAGES.items():
        lines = [meaning, f"Do: {do}", *([LIMITS[code].sentence] if code in LIMITS else [])]
        about = f"About {OWNERS[code[0]]}. The message itself says where, and what is allowed."
        told[code] = "\n".join(_wrapped(line) for line in (*lines, about))
    return told


def _formats() -> dict[str, str]:
    from aaot_eval.schema import schema_names, table_schema

    entries = {}
    for name in schema_names("extracts"):
        schema = table_schema("extracts", name)
        lines = [
            _wrapped(f"{schema.title}. {schema.description}"),
            _wrapped(f"Given as data.{schema.extra['given_as']}."),
            "",
            "Columns (names it is recognised by):",
        ]
        for column in schema.columns:
            names = ", ".join(column.source_names)
            made = "made from others" if "made" in column.extra else "not in this format"
            needed = " (required)" if column.required and "made" not in column.extra else ""
            lines.append(_wrapped(f"  {column.name}{needed}: {names or made}"))
            for ours, theirs in column.extra.get("recode", {}).items():
                meant = "any other code" if "*" in theirs else " ".join(theirs)
                lines.append(_wrapped(f"    {meant} is read as {ours or 'empty'}"))
        together = schema.extra.get("concatenated")
        if together:
            lines.append(_wrapped(f"All diagnoses in one cell: {', '.join(together['names'])}"))
        layouts = schema.extra.get("layouts", {})
        if layouts:
            lines += ["", "Layouts that simulate --format writes beside it:"]
            lines += [_wrapped(f"  {layout}: {node['title']}") for layout, node in layouts.items()]
        entries[name] = "\n".join(lines)
    return entries


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 80, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)
