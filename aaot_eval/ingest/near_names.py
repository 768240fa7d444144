"""Which columns of a file are near a column that it lacks, so that a message may offer them: by name or known alias, never by chance."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from aaot_eval.names import is_name
from aaot_eval.schema import ColumnSpec, TableSchema, extract_formats

# How like a name must be: ADMIMETHOD is near ADMIMETH, EPIDUR is not near PROVIDER.
LEAST_LIKE = 0.8
# A name that begins or ends with another one of so many letters: golive_date, patient_procode.
LEAST_WITHIN = 5
MOST_OFFERED = 3
# Words of a name that is about a date or a number and does not hold it.
ABOUT_IT = {"by", "comment", "comments", "name", "note", "notes", "reason", "source", "status", "type", "who", "why"}


def plain(name: str) -> str:
    """A column name in small letters, its words joined by one underscore."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def known_names(table: str, column: str) -> set[str]:
    """Every name under which a column is known in any format of its table, plain."""
    return {
        plain(n)
        for s in extract_formats(table)
        for c in s.columns
        if c.name == column
        for n in (*c.source_names, c.name)
    }


def near_columns(schema: TableSchema, column: str, header: Iterable[str], taken: Collection[str]) -> list[str]:
    """The names of a header, at most three, that could be meant by a column: not taken, and not known to be another one."""
    table = str(schema.extra["given_as"])
    ours = known_names(table, column)
    others = {n for c in schema.columns if c.name != column for n in known_names(table, c.name)} - ours
    free = [h for h in header if h not in taken and is_name(h) and plain(h) not in others]
    return nearest(ours, free)


def misnamed(schema: TableSchema, held: Mapping[str, str], header: Sequence[str]) -> list[tuple[ColumnSpec, list[str]]]:
    """The columns that a file lacks, whose absence changes a study, with names of the header that could be meant, as they may be shown.

    Beside the near names these are names with a word for the column, such as "Population 2021" or "left the service on". A schema
    says of a column which words those are (`aaot:near_words`) and what it means that there is no such column (`aaot:without`).
    """
    table, taken = str(schema.extra["given_as"]), set(held.values())
    known = {n for c in schema.columns for n in known_names(table, c.name)}
    found = []
    for column in schema.columns:
        if "without" not in column.extra or column.name in held:
            continue
        near = near_columns(schema, column.name, header, taken)
        words = set(column.extra.get("near_words", ()))
        for place, name in enumerate(header, start=1):
            there = set(plain(name).split("_"))
            if name not in taken and plain(name) not in known and words & there and name not in near:
                near.append(name if is_name(name) else f"column {place}")
        near = [n for n in near if not ABOUT_IT & set(plain(n).split("_"))]
        if near:
            found.append((column, near[:MOST_OFFERED]))
    return found


def nearest(sought: Collection[str], names: Iterable[str]) -> list[str]:
    """Of some names those near one that is sought, the nearest first, at most three."""
    scored = {name: max((_likeness(plain(s), plain(name)) for s in sought), default=0.0) for name in names}
    return sorted((n for n, s in scored.items() if s >= LEAST_LIKE), key=lambda n: (-scored[n], n))[:MOST_OFFERED]


def _likeness(one: str, other: str) -> float:
    """From 0 to 1: the same letters in the same order, one name within the other, or the same words in another order."""
    a, b = one.replace("_", ""), other.replace("_", "")
    short, long = sorted((a, b), key=len)
    if len(short) >= LEAST_WITHIN and (long.startswith(short) or long.endswith(short)):
        return 1.0 if a == b else 0.9
    few, many = sorted((set(one.split("_")), set(other.split("_"))), key=len)
    if len(few) > 1 and few <= many:
        return 0.9
    return difflib.SequenceMatcher(None, a, b).ratio()
