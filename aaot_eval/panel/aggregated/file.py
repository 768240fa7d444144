"""The rows of the panel files as text, each with its place."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.engine.files import Dialect, inspect_file
from aaot_eval.errors import InputError, Problem, counted
from aaot_eval.results import Source

MOST_PROBLEMS = 20
MOST_PLACES = 3


@dataclass(frozen=True)
class PanelFile:
    """The rows of the panel files as text, with the file and line each came from."""

    headers: tuple[tuple[str, ...], ...]
    rows: list[dict[str, str]]
    places: list[str]
    sources: tuple[Source, ...]

    @property
    def header(self) -> tuple[str, ...]:
        """The columns that every file has, in the order of the first."""
        first, *others = self.headers
        return tuple(h for h in first if all(h in other for other in others))

    def where(self, at: int, column: str, value: str) -> str:
        """The place of a cell for a message, and what kind of text stands there."""
        return f"{self.places[at]}, column {column}: {value_class(value)}"

    def only(self, rows: Sequence[int]) -> PanelFile:
        """The same files with some of their rows."""
        return replace(self, rows=[self.rows[i] for i in rows], places=[self.places[i] for i in rows])


def value_class(text: str) -> str:
    """What kind of text stands in a cell; never the text."""
    if not text.strip():
        return "empty"
    for kind, pattern in (
        ("digits", r"\d+"),
        ("decimal number", r"[+-]?\d*\.\d+"),
        ("like a date", r"\d+[-/. ]\d+[-/. ]\d+.*"),
        ("letters", r"[A-Za-z ]+"),
    ):
        if re.fullmatch(pattern, text.strip()):
            return kind
    return "mixed characters"


def read_file(config: RunConfig) -> PanelFile:
    """Every row of the files of `data.panel`. Raises InputError with every problem of every file."""
    given = config.data.panel or []
    problems: list[Problem] = []
    rows: list[dict[str, str]] = []
    places: list[str] = []
    sources = []
    headers = []
    work = config.path(config.output.work or config.output.runs) / ".panel"
    for text in [given] if isinstance(given, str) else given:
        for path in _paths(config, text, problems):
            try:
                file = inspect_file(path, work)
            except InputError as fault:
                problems += fault.problems
                continue
            found = _parquet_rows(file) if file.kind == "parquet" else _text_rows(file, path.name, problems)
            if not found:
                problems.append(
                    Problem(
                        "X203", f"{path.name} holds a header and no rows", where=str(path), do="ask for the file again"
                    )
                )
            headers.append(file.header)
            rows += [r for _, r in found]
            places += [f"{path.name}, line {n}" for n, _ in found]
            sources.append(Source("panel", path.name, len(found), file.bytes, file.sha256))
    shutil.rmtree(work, ignore_errors=True)
    if problems:
        raise refusal(problems)
    return PanelFile(tuple(headers), rows, places, tuple(sources))


def refusal(problems: Sequence[Problem]) -> InputError:
    """What is wrong with a panel: the same fault of many rows told once, with how many and where the first are."""
    same: dict[Problem, list[str]] = {}
    for problem in problems:
        same.setdefault(replace(problem, where=""), []).append(problem.where)
    told = [
        replace(
            problem,
            what=problem.what if len(places) == 1 else f"{problem.what} ({len(places)} times)",
            where="; ".join(places[:MOST_PLACES]) + (f"; and {more} more" if (more := len(places) - MOST_PLACES) > 0 else ""),
        )
        for problem, places in same.items()
    ]  # fmt: skip
    left = len(told) - MOST_PROBLEMS
    if left > 0:
        said = f"and {counted(left, 'further fault')} of the panel"
        told[MOST_PROBLEMS:] = [Problem(told[-1].code, said, do="mend those above; what is left is then listed")]
    return InputError(*told)


def _paths(config: RunConfig, text: str, problems: list[Problem]) -> list[Path]:
    try:
        return config.files(text, "data.panel")
    except InputError as missing:
        problems += missing.problems
        return []


def _text_rows(file: Dialect, name: str, problems: list[Problem]) -> list[tuple[int, dict[str, str]]]:
    rows = []
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=file.delimiter)
        next(reader, None)
        for cells in reader:
            if not any(c.strip() for c in cells):
                continue
            if len(cells) < len(file.header) or any(c.strip() for c in cells[len(file.header) :]):
                problems.append(
                    Problem(
                        "X203",
                        f"a line of {name} has {counted(len(cells), 'cell')}, the header {len(file.header)}",
                        where=f"{name}, line {reader.line_num}",
                        do="mend the line, or take it out if it is a footer",
                    )
                )
                continue
            rows.append((reader.line_num, dict(zip(file.header, cells, strict=False))))
    return rows


def _parquet_rows(file: Dialect) -> list[tuple[int, dict[str, str]]]:
    frame = pd.read_parquet(file.path)
    texts = {str(c): frame[c].map(lambda v: "" if pd.isna(v) else str(v)) for c in frame.columns}
    return [(i + 1, {c: str(texts[c].iloc[i]) for c in texts}) for i in range(len(frame))]
