"""Headers to formats: which format a file is in and which of its columns is which; every refusal of a header is made here."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aaot_eval.config import RunConfig
from aaot_eval.engine.files import Dialect, binary
from aaot_eval.errors import InputError, Problem
from aaot_eval.ingest.advice import WITHOUT_KEY
from aaot_eval.ingest.identifiers import identifier_problems
from aaot_eval.ingest.near_names import near_columns, nearest, plain
from aaot_eval.ingest.not_rows import header_below, other_delimiter, title_above, unread_delimiter
from aaot_eval.names import is_name, repeated_names, shown_names
from aaot_eval.schema import TableSchema, extract_formats, table_schema

# How like a known column name a cell of line 1 must be to say that line 1 holds names.
CLOSE_NAME = 0.8
# The least share of a format's required columns that a header must hold to be taken for it.
LEAST_LIKE = 0.5
MOST_NAMED = 6
#: Keys that a query can give its rows where the source has none.
KEYS_OF_ROWS = ("episode_key", "attendance_key")


@dataclass(frozen=True, slots=True)
class Likeness:
    """How well a header fits one format: the share of its required columns, how many it holds, and which it lacks."""

    schema: TableSchema
    share: float
    held: Mapping[str, str]
    lacking: tuple[str, ...]


def likenesses(table: str, header: Sequence[str], chosen: Mapping[str, str]) -> list[Likeness]:
    """Every format of a table, the one whose required columns the header holds best first."""
    found = []
    for schema in extract_formats(table):
        held = columns_of(schema, header, chosen)
        needed = [c.name for c in schema.columns if c.required and not _makeable(schema, c.name, held)]
        lacking = tuple(n for n in needed if n not in held)
        found.append(Likeness(schema, 1 - len(lacking) / max(len(needed), 1), held, lacking))
    return sorted(found, key=lambda f: (f.share, len(f.held)), reverse=True)


def recognise(table: str, header: Sequence[str], chosen: Mapping[str, str]) -> TableSchema | None:
    """The format whose required columns a header holds best; None when it holds less than half of any."""
    best = likenesses(table, header, chosen)[0]
    return best.schema if best.share >= LEAST_LIKE else None


def columns_of(schema: TableSchema, header: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Our column = the name in the header: what the config says, else the first known name that is there."""
    there = {plain(h): h for h in reversed(header)}
    found = {}
    for column in schema.columns:
        names = [chosen[column.name]] if column.name in chosen else [*column.source_names, column.name]
        match = next((there[plain(n)] for n in names if plain(n) in there), None)
        if match is not None:
            found[column.name] = match
    return found | _in_one_cell(schema, there, found)


def _in_one_cell(schema: TableSchema, there: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """The columns whose values stand together in one cell of the file, when none of them has a cell of its own."""
    together = schema.extra.get("concatenated", {})
    if not together or any(c in found for c in together["columns"]):
        return {}
    cell = next((there[plain(n)] for n in together["names"] if plain(n) in there), None)
    return dict.fromkeys(together["columns"], cell) if cell is not None else {}


def places_in_cells(schema: TableSchema, held: Mapping[str, str]) -> dict[str, int]:
    """Which value of a shared cell each column is."""
    columns = schema.extra.get("concatenated", {}).get("columns", ())
    together = len({held.get(c) for c in columns}) == 1 and len(columns) > 1 and columns[0] in held
    return {c: i for i, c in enumerate(columns, start=1)} if together else {}


def _makeable(schema: TableSchema, column: str, held: Collection[str]) -> bool:
    """Whether a column that a file does not hold is made from those that it holds."""
    rule = schema[column].extra.get("made")
    if rule is None:
        return False
    needs = [rule[k] for k in ("copy", "filled") if k in rule] or list(rule.get("joined", ()))
    return all(n in held for n in needs)


@dataclass(frozen=True, slots=True)
class Match:
    """What a header is recognised as: its format, and the name in the file of each of our columns that it holds."""

    schema: TableSchema
    held: Mapping[str, str]


def match_header(config: RunConfig, table: str, file: Dialect, path: Path) -> Match:
    """The format of a file and its columns. Raises InputError with everything that is wrong with the header."""
    schema = _format_of(config, table, file, path)
    chosen = _chosen_columns(config, table, schema, file.header)
    held = columns_of(schema, file.header, chosen)
    problems = _unknown_columns(config, table, schema)
    problems += _missing_columns(table, schema, file.header, held, chosen, str(path))
    problems += repeated_names(path, file.header, set(held.values()))
    problems += _misnamed_start(config, schema, file.header, held, path)
    problems += _binary_keys(schema, file, held, path)
    problems += identifier_problems(config, table, held, str(path))
    if problems:
        raise InputError(*problems)
    return Match(schema, held)


def _format_of(config: RunConfig, table: str, file: Dialect, path: Path) -> TableSchema:
    """The format that the config names for a table, else the one that the header fits best. Raises InputError."""
    known = [s.name for s in extract_formats(table)]
    mapped = _mapped(config, table, file.header)
    named = config.data.formats.get(table)
    if named:
        if named not in known:
            raise InputError(_unknown_format(table, named, known))
        found = table_schema("extracts", named) if _names_seen(table, file.header, mapped) else None
    else:
        if alike := _ambiguous(table, file.header, mapped, path):
            raise InputError(*alike)
        found = recognise(table, file.header, _chosen_columns(config, table, extract_formats(table)[0], file.header))
    if found is None:
        raise InputError(_no_format(table, file, path, known))
    return found


def _unknown_format(table: str, named: str, known: Sequence[str]) -> Problem:
    return Problem(
        "X208",
        f"there is no format {named!r} for {table}",
        where=f"data.formats.{table}",
        allowed=", ".join(known),
        do="name one of these, or leave it out to have it recognised",
    )


def _unknown_columns(config: RunConfig, table: str, schema: TableSchema) -> list[Problem]:
    return [
        Problem(
            "X204",
            f"data.columns.{table} names {n!r}, which is not a column of {schema.name}",
            where="[data.columns]",
            allowed=", ".join(schema.names),
            do="use one of these names",
        )
        for n in config.data.columns.get(table, {})
        if n not in schema.names
    ]


def _mapped(config: RunConfig, table: str, header: Sequence[str]) -> dict[str, str]:
    """The name that the config gives each of our columns in this file: of several the first that stands in its header."""
    there = set(map(plain, header))
    found = {}
    for ours, theirs in config.data.columns.get(table, {}).items():
        names = [theirs] if isinstance(theirs, str) else theirs
        found[ours] = next((n for n in names if plain(n) in there), " or ".join(names))
    return found


def _chosen_columns(config: RunConfig, table: str, schema: TableSchema, header: Sequence[str]) -> dict[str, str]:
    chosen = _mapped(config, table, header)
    key = config.data.person_key
    if (
        key
        and any(c.name == "person" for c in schema.columns)
        and "person" not in chosen
        and plain(key.column) in map(plain, header)
    ):
        chosen["person"] = key.column
    return chosen


def _ambiguous(table: str, header: Sequence[str], chosen: Mapping[str, str], path: Path) -> list[Problem]:
    """A refusal when a header is complete in two formats that read different columns of it."""
    first, *others = likenesses(table, header, chosen)
    same = [f for f in others if f.share == first.share and len(f.held) == len(first.held)]
    rivals = [f for f in same if set(f.held.values()) != set(first.held.values())]
    if first.share < LEAST_LIKE or not rivals:
        return []
    names = [first.schema.name, *(f.schema.name for f in rivals)]
    return [
        Problem(
            "X260",
            f"the header of {path.name} fits {' and '.join(names)} alike",
            where=f"{path}, line 1",
            allowed=", ".join(names),
            do=f'say which: [data.formats] {table} = "{names[0]}"',
        )
    ]


def _no_format(table: str, file: Dialect, path: Path, known: Sequence[str]) -> Problem:
    """A header in no known format; its cells are shown only when they are names, for line 1 may hold a patient."""
    what = f"the header of {path.name} is in no known format for {table}"

    def is_header(cells: Sequence[str]) -> bool:
        return likenesses(table, cells, {})[0].share >= LEAST_LIKE and _names_seen(table, cells, {})

    if below := header_below(file, is_header):
        return title_above(path, below)
    if sign := other_delimiter(file, is_header):
        return unread_delimiter(path, sign)
    if not _names_seen(table, file.header, {}):
        return Problem(
            "X208",
            f"{what}: line 1 does not hold column names (it may hold data)",
            where=f"{path}, line 1",
            allowed=", ".join(known),
            do="add the header line, or map the columns under [data.columns] when the names are your own",
        )
    names = [h for h in file.header if is_name(h)]
    return Problem(
        "X208",
        what,
        where=f"{path}, line 1: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}",
        allowed=", ".join(known),
        do=f"{_nearest(table, file.header)}; check that it is the right file with the column names in its first line, or map the columns "
        "under [data.columns]",
    )


def _names_seen(table: str, header: Sequence[str], chosen: Mapping[str, str]) -> bool:
    """Whether a first line holds, or nearly holds, any column name that a format of the table knows."""
    known = {plain(n) for s in extract_formats(table) for c in s.columns for n in (*c.source_names, c.name)}
    known |= {plain(n) for n in chosen.values()}
    return any(difflib.get_close_matches(plain(h), known, n=1, cutoff=CLOSE_NAME) for h in header if is_name(h))


def _nearest(table: str, header: Sequence[str]) -> str:
    """The format that a header comes closest to, and the columns of it that are missing, in words."""
    best = likenesses(table, header, {})[0]
    names = [(best.schema[n].source_names or (n,))[0] for n in best.lacking if "made" not in best.schema[n].extra]
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return f"the nearest is {best.schema.name}, which also has {shown}"


def _missing_columns(
    table: str,
    schema: TableSchema,
    header: Sequence[str],
    held: Mapping[str, str],
    chosen: Mapping[str, str],
    where: str,
) -> list[Problem]:
    problems = _cut_codes(schema, header, held, where)
    for column in schema.columns:
        if column.name in chosen and column.name not in held:
            near = nearest([chosen[column.name]], [h for h in header if is_name(h)])
            problems.append(
                Problem(
                    "X204",
                    f"data.columns.{table} maps {column.name} to {chosen[column.name]!r}, which is not in the header",
                    where=where,
                    allowed=f"close: {', '.join(near)}" if near else "",
                    do=f'write the name as it stands in the file; where files differ, both: {column.name} = ["ONE NAME", "THE OTHER"]',
                )
            )
        elif column.required and column.name not in held and not _makeable(schema, column.name, held):
            known = column.source_names or (column.name,)
            near = near_columns(schema, column.name, header, set(held.values()))
            # Of several close names none is put into the line to paste: the wrong one reads as another column without a word.
            problems.append(
                Problem(
                    "X204",
                    f"the column {known[0]} ({column.title}) is missing",
                    where=where,
                    allowed=f"close names in the file: {', '.join(near)}" if near else "",
                    do=f'add to the config: [data.columns] {table} = {{ {column.name} = "{near[0] if len(near) == 1 else "NAME IN YOUR FILE"}" }}'
                    + (f"; {WITHOUT_KEY}" if column.name in KEYS_OF_ROWS and not near else ""),
                )
            )
    return problems


def _cut_codes(schema: TableSchema, header: Sequence[str], held: Mapping[str, str], where: str) -> list[Problem]:
    """A refusal when the only diagnoses of a file are copies cut to three characters."""
    rule = schema.extra.get("too_short", {})
    there = {plain(h): h for h in header}
    cut = [there[plain(n)] for n in rule.get("names", ()) if plain(n) in there]
    if not cut or rule["for"] in held:
        return []
    return [
        Problem(
            "X261",
            f"the diagnoses are cut to three characters ({cut[0]}): codes such as K29.2 cannot be told from them",
            where=where,
            do="ask for the codes of four characters (DIAG_01, DIAG_4_01 or DIAG_4_CONCAT)",
        )
    ]


def _misnamed_start(
    config: RunConfig, schema: TableSchema, header: Sequence[str], held: Mapping[str, str], path: Path
) -> list[Problem]:
    """A refusal when the day a service began seems to stand in a sites table under another name: every site would be one without."""
    if (
        schema.name != "sites"
        or "go_live" in held
        or "go_live" in config.data.columns.get("sites", {})
        or config.study.starts
    ):
        return []
    near = near_columns(schema, "go_live", header, set(held.values()))
    if not near:
        return []
    return [
        Problem(
            "X204",
            "the column go_live (first day of the service) is missing, so that no site would have the service",
            where=str(path),
            allowed=f"close names in the file: {', '.join(near)}",
            do=f'call the column go_live, or add to the config: [data.columns] sites = {{ go_live = "{near[0]}" }}',
        )
    ]


def _binary_keys(schema: TableSchema, file: Dialect, held: Mapping[str, str], path: Path) -> list[Problem]:
    """A refusal when a NUL byte stands in a value that must be there; elsewhere such a byte harms nothing."""
    if not file.nuls:
        return []
    keys = [file.header.index(held[c.name]) for c in schema.columns if c.required and c.name in held]
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=file.delimiter)
        for row in reader:
            for i in keys:
                if i < len(row) and "\0" in row[i]:
                    return [binary(path, f"{path}, line {reader.line_num}, column {shown_names([file.header[i]])}")]
    return []
