"""What was released, looked at once more before it leaves: is every file one that may, and does every count keep the rule.

Disclosure control (`disclosure`) makes the tables of a run when it is written. A run may have been written by another version, or the
rule of its data owner may be stricter now: here the files themselves are read, with no knowledge of the exact counts behind them.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from aaot_eval.disclosure import STAY, Rules, holds_nhs_number
from aaot_eval.errors import DisclosureError, Problem, counted
from aaot_eval.schema import TableSchema, disclosure_profile, disclosure_profiles, schema_names, table_schema

#: What may stand in each folder of `release/`, and what the files of the first are.
PAGES = {
    "about.json": "Facts of the run that its page is drawn from",
    "report.html": "The report as a page",
    "report.md": "The report as plain text",
    "signals.json": "Signals of the control chart, for a program",
}
TABLES = (".csv", ".parquet")
FIGURES = (".svg", ".png")
RERUN = "run the study again with this version (analyze --force); nothing was written"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One file for the output checker: what it is and, of a table, its rows, its smallest count above 0 and its hidden cells by column."""

    path: str
    what: str
    rows: int | None = None
    smallest: int | None = None
    hidden: Mapping[str, int] = field(default_factory=dict)


def look_through(files: Mapping[str, bytes], *, profile: str, national: bool) -> list[Outgoing]:
    """What each file of `release/` is, by its path in there, for the output checker.

    Raises DisclosureError (exit 6) with every problem at once: a file of another kind, a table or column without a schema, a count
    that the profile hides or rounds, a valid NHS number.
    """
    if profile not in disclosure_profiles():
        raise DisclosureError(
            Problem("R600", f"there is no disclosure profile {profile!r}", allowed=", ".join(disclosure_profiles()), do=RERUN)
        )  # fmt: skip
    rules = Rules.of(profile, national=national)
    blocked = {f".{kind}" for kind in disclosure_profile(profile)["blocked_files"]}
    found, problems = [], []
    for path, content in sorted(files.items()):
        what = _what(PurePosixPath(path), blocked)
        if what is None:
            problems.append(
                Problem("R606", f"{path} is not a kind of file that may leave", where=f"disclosure profile {profile}",
                        allowed=f"the pages {', '.join(PAGES)}; described tables (.csv, .parquet); "
                        f"figures ({', '.join(f for f in FIGURES if f not in blocked)})", do=RERUN)
            )  # fmt: skip
            continue
        if PurePosixPath(path).suffix in TABLES:
            entry, wrong = _table(path, what, content, rules)
            problems += wrong
        else:
            entry = Outgoing(path, what)
        if PurePosixPath(path).suffix not in (".parquet", ".png") and holds_nhs_number(_words(path, content)):
            problems.append(
                Problem("R605", f"{path} holds a number that is a valid NHS number",
                        do="find out how an identifier came into results; nothing was written")
            )  # fmt: skip
        found.append(entry)
    if problems:
        raise DisclosureError(*problems)
    return found


def _what(path: PurePosixPath, blocked: set[str]) -> str | None:
    """What a file is, in words; None when it is none that may leave."""
    match path.parts:
        case (name,) if name in PAGES:
            return PAGES[name]
        case ("tables", _) if path.suffix in TABLES and path.stem in schema_names("release"):
            return f"Table: {table_schema('release', path.stem).title}"
        case ("figures", _) if path.suffix in FIGURES and path.suffix not in blocked:
            return f"Figure: {path.stem.replace('_', ' ')}"
    return None


def _table(path: str, what: str, content: bytes, rules: Rules) -> tuple[Outgoing, list[Problem]]:
    """A released table as the output checker sees it, and what is wrong with it."""
    schema = table_schema("release", PurePosixPath(path).stem)
    try:
        frame = _read(path, content)
    except (ValueError, OSError):
        return Outgoing(path, what), [Problem("R607", f"{path} cannot be read as a table", do=RERUN)]
    unknown = [c for c in map(str, frame) if c not in schema.names or schema[c].extra.get("control") in STAY]
    if unknown:
        return Outgoing(path, what), [
            Problem("R607", f"{path} has columns that are not released: {', '.join(unknown)}", allowed=", ".join(
                c.name for c in schema.columns if c.extra.get("control") not in STAY), do=RERUN)
        ]  # fmt: skip
    controlled = {c: schema[c].extra["control"] for c in map(str, frame)}
    hidden = {
        c: n for c, kind in controlled.items() if kind in ("people", "events", "statistic")
        and (n := int((frame[c] == rules.symbol).sum()))
    }  # fmt: skip
    counts = {c: _counts(schema, frame, c) for c, kind in controlled.items() if kind in ("people", "events")}
    wrong = {c: n for c, values in counts.items() if (n := _against(rules, values))}
    above = [v for values in counts.values() for v in values[values > 0]]
    problems = [
        Problem("R608", f"{path}: {counted(n, 'count')} in the column {c} should be hidden or rounded", do=RERUN,
                allowed=_allowed(rules))
        for c, n in wrong.items()
    ]  # fmt: skip
    return Outgoing(path, what, len(frame), int(min(above)) if above else None, hidden), problems


def _allowed(rules: Rules) -> str:
    above = f"a multiple of {rules.base} above {rules.high}" if rules.base > 1 else f"a count above {rules.high}"
    return f"{'0, ' if rules.low > 0 else ''}{rules.symbol}, or {above}"


def _read(path: str, content: bytes) -> pd.DataFrame:
    """The cells of a table as text; a missing one is empty."""
    if path.endswith(".csv"):
        return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    return pd.read_parquet(io.BytesIO(content)).astype("string").fillna("").astype(object)


def _counts(schema: TableSchema, frame: pd.DataFrame, column: str) -> np.ndarray:
    """The counts of a column; NaN where a cell is hidden, empty, or holds a share or a sum of prices, which are no counts (see `disclosure`)."""
    values = pd.Series(pd.to_numeric(frame[column], errors="coerce"), dtype=float).reset_index(drop=True)
    if schema[column].extra["control"] == "events":
        by = [frame[c].reset_index(drop=True) for c in schema.extra.get("group", ()) if c in frame] or [values * 0]
        share = (values % 1).fillna(0) != 0
        values = values.mask(share.groupby(by, dropna=False).transform("any").astype(bool))
        if "outcome" in frame:
            values = values.mask(frame["outcome"].reset_index(drop=True).str.endswith("cost"))
    return values.to_numpy()


def _against(rules: Rules, counts: np.ndarray) -> int:
    """How many counts the rule hides or rounds."""
    wrong = rules.hides(counts)
    if rules.base > 1:
        wrong |= ~np.isnan(counts) & (counts % rules.base != 0)
    return int(wrong.sum())


def _words(path: str, content: bytes) -> str:
    """The words of a text file: of a page or a drawing without its markup, in which coordinates could look like a number of ten digits."""
    text = content.decode("utf-8", errors="replace")
    if not path.endswith((".html", ".svg")):
        return text
    text = re.sub(r"<(style|metadata)\b.*?</\1>", " | ", text, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " | ", text))
