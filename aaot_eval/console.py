"""What a person sees on stderr while a command runs: progress, findings, the headline. Nothing here reaches stdout."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aaot_eval.errors import counted
from aaot_eval.findings import Finding

if TYPE_CHECKING:
    from aaot_eval.config import DisclosureConfig

#: Where there is no terminal to ask, lines stay within what a scheduler's mail shows.
WIDTH_WITHOUT_TERMINAL = 80
SHOWN_PLACES = 3


class Terminal:
    """The stderr side of one command; also keeps the log that goes to `restricted/log.txt`."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.log: list[str] = []
        self._started = time.monotonic()
        self._console = Console(stderr=True, highlight=False, quiet=quiet)
        if not self._console.is_terminal:
            self._console.width = WIDTH_WITHOUT_TERMINAL

    def progress(self, text: str) -> None:
        """One stage begins, or one thing is worth saying; also a line of the log."""
        self.log.append(f"{datetime.now(UTC):%Y-%m-%dT%H.%M.%SZ} {text}")
        seconds = f"{time.monotonic() - self._started:6.1f} s  " if self.verbose else ""
        self._console.print(escape(f"{seconds}{text}"), style="dim")

    def findings(self, findings: Iterable[Finding], rules: DisclosureConfig) -> None:
        """The findings as a table, stops first, one line per kind; with --verbose one line per place. Counts as they may leave."""
        found = sorted(findings, key=_rank)
        for finding in found:
            self.log.append(f"{finding.level} {finding.code} {finding.where} {finding.detail}".rstrip())
        if found:
            self._console.print(findings_table(found, _counts(found, rules), each_place=self.verbose))

    def headline(self, rows: Iterable[Mapping[str, str]]) -> None:
        """The answers, one paragraph each."""
        for row in rows:
            self._console.print(f"\n[bold]{escape(row['question'])}[/bold]")
            self._console.print(escape(row["sentence"]))
        self._console.print()


def _rank(finding: Finding) -> tuple[int, str, str]:
    """The order of the released table of findings."""
    return ("stop", "warn", "note").index(finding.level), finding.code, finding.where


def _counts(ordered: Sequence[Finding], rules: DisclosureConfig) -> list[str]:
    """How many records each finding concerns, from the table that may leave; empty where it counts none.

    The terminal is copied into mails and tickets: it shows no count that the page hides.
    """
    from aaot_eval.disclosure import control
    from aaot_eval.record import quality_tables

    tables = quality_tables(ordered, (), {})
    shown = control(tables, {}, profile=rules.profile, national=rules.national).tables["data_quality"]["records"]
    return [
        "" if finding.records is None else counted(count if isinstance(count, str) else int(count), "record")
        for finding, count in zip(ordered, shown, strict=True)
    ]


def findings_table(findings: Sequence[Finding], counts: Sequence[str], *, each_place: bool = False) -> Table:
    """Level, code, what and how often, in the order given; notes in one line per code unless each place is asked for."""
    colour = {"stop": "bold red", "warn": "yellow", "note": "dim"}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("Level", "Code", "What, where, and what to do"):
        table.add_column(heading, no_wrap=heading != "What, where, and what to do")
    for code in dict.fromkeys(f.code for f in findings):
        same = [(f, count) for f, count in zip(findings, counts, strict=True) if f.code == code]
        kind = same[0][0].kind
        texts = [_place(*s) for s in same] if each_place or kind.level != "note" else [_together(same)]
        if not each_place and len(texts) > SHOWN_PLACES:
            more = len(same) - SHOWN_PLACES
            said = (
                f"and {more} more places; --verbose shows them"
                if more > 1
                else "and one more place; --verbose shows it"
            )
            texts = [*texts[:SHOWN_PLACES], said]
        if kind.level != "note":
            texts += dict.fromkeys(f.do for f, _ in same)
        for i, text in enumerate(texts):
            first = (f"[{colour[kind.level]}]{kind.level}[/]", code) if i == 0 else ("", "")
            table.add_row(*first, escape(text))
    return table


def _place(finding: Finding, count: str) -> str:
    return "; ".join(part for part in (finding.kind.title, finding.where, count, finding.detail) if part)


def _together(same: Sequence[tuple[Finding, str]]) -> str:
    title = same[0][0].kind.title
    if len(same) == 1:
        return "; ".join(part for part in (title, same[0][1], same[0][0].detail) if part)
    return f"{title}; {len(same)} places"
