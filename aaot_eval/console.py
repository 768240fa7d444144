"""What a person sees on stderr while a command runs: progress, findings, the headline. Nothing here reaches stdout."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aaot_eval.findings import Finding

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

    def findings(self, findings: Iterable[Finding]) -> None:
        """The findings as a table, stops first, one line per kind; with --verbose one line per place."""
        found = list(findings)
        for finding in found:
            self.log.append(f"{finding.level} {finding.code} {finding.where} {finding.detail}".rstrip())
        if found:
            self._console.print(findings_table(found, each_place=self.verbose))

    def headline(self, rows: Iterable[Mapping[str, str]]) -> None:
        """The answers, one paragraph each."""
        for row in rows:
            self._console.print(f"\n[bold]{escape(row['question'])}[/bold]")
            self._console.print(escape(row["sentence"]))
        self._console.print()


def findings_table(findings: Iterable[Finding], *, each_place: bool = False) -> Table:
    """Level, code, what and how often, most serious first; notes in one line per code unless each place is asked for."""
    rank = {"stop": 0, "warn": 1, "note": 2}
    colour = {"stop": "bold red", "warn": "yellow", "note": "dim"}
    ordered = sorted(findings, key=lambda f: (rank[f.level], f.code))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("Level", "Code", "What, where, and what to do"):
        table.add_column(heading, no_wrap=heading != "What, where, and what to do")
    for code in dict.fromkeys(f.code for f in ordered):
        same = [f for f in ordered if f.code == code]
        kind = same[0].kind
        texts = [_place(f) for f in same] if each_place or kind.level != "note" else [_together(same)]
        if not each_place and len(texts) > SHOWN_PLACES:
            texts = [*texts[:SHOWN_PLACES], f"and {len(same) - SHOWN_PLACES} more places; --verbose shows them"]
        if kind.level != "note":
            texts.append(kind.do)
        for i, text in enumerate(texts):
            first = (f"[{colour[kind.level]}]{kind.level}[/]", code) if i == 0 else ("", "")
            table.add_row(*first, escape(text))
    return table


def _place(finding: Finding) -> str:
    records = f"{finding.records:,} records" if finding.records is not None else ""
    return "; ".join(part for part in (finding.kind.title, finding.where, records, finding.detail) if part)


def _together(same: list[Finding]) -> str:
    known = [f.records for f in same if f.records is not None]
    places = "" if len(same) == 1 else f"{len(same)} places"
    return "; ".join(part for part in (same[0].kind.title, places, f"{sum(known):,} records" if known else "") if part)
