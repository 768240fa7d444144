"""The names that stand in a file, of columns and of sites: which a message may show, and which stand twice."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from aaot_eval.errors import Problem

# What may be printed of a header or a site: a name, never what could be a date, a number or a person's key.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ .-]{0,40}")
SHORT_CODE = re.compile(r"(?=.*[A-Z])[A-Z0-9]{3,5}")


def is_name(text: str) -> bool:
    """Whether a text from a file may be shown as the name of a column: no value of a patient looks like it."""
    return bool(NAME.fullmatch(text)) and not re.search(r"\d{4}", text) and not text.upper().startswith("TEST")


def shown_names(texts: Iterable[object]) -> str:
    """Names and site codes of a file as a message may show them; the others are counted, never printed."""
    held = [str(t) for t in texts]
    shown = [t for t in held if is_name(t) or (SHORT_CODE.fullmatch(t) and not t.startswith("TEST"))]
    hidden = len(held) - len(shown)
    return ", ".join([*shown, *([f"{hidden} not shown, for they do not look like names"] if hidden else [])])


def repeated_names(path: Path, header: Sequence[str], read: Collection[str]) -> list[Problem]:
    """The columns to be read whose name stands in the header more than once, capitals and signs aside."""
    plain = [re.sub(r"[^a-z0-9]+", "_", h.lower()).strip("_") for h in header]
    problems = []
    for name in dict.fromkeys(h for h in header if h in read):
        at = [i + 1 for i, p in enumerate(plain) if p == plain[header.index(name)]]
        if len(at) > 1:
            problems.append(
                Problem(
                    "X204",
                    f"the column {shown_names([name])} stands {len(at)} times in the header",
                    where=f"{path}, line 1, columns {', '.join(map(str, at))}",
                    do="keep the right one and take the others out",
                )
            )
    return problems
