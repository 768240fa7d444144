"""Which columns of a file are near a column that it lacks, so that a message may offer them: by name or known alias, never by chance."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

from aaot_eval.names import is_name
from aaot_eval.schema import TableSchema, extract_formats

# How like a name must be: ADMIMETHOD is near ADMIMETH, EPIDUR is not near PROVIDER.
LEAST_LIKE = 0.8
# A name that begins or ends with another one of so many letters: golive_date, patient_procode.
LEAST_WITHIN = 5
MOST_OFFERED = 3


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
