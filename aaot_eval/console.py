"""What a person sees on stderr while a command runs: progress, findings, the headline. Nothing here reaches stdout."""

from __future__ import annotations

import time
from collections import Counter
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
    """Level, code, what and how often, most serious first."""
    rank = {"stop": 0, "warn": 1, "note": 2}
    colour = {"stop": "bold red", "warn": "yellow", "note": "dim"}
    ordered = sorted(findings, key=lambda f: (rank[f.level], f.code))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("Level", "Code", "What, where, and what to do"):
        table.add_column(heading, no_wrap=heading != "What, where, and what to do")
    times = Counter(f.code for f in ordered)
    shown: Counter[str] = Counter()
    for finding in ordered:
        shown[finding.code] += 1
        if not each_place and shown[finding.code] > SHOWN_PLACES:
            continue
        parts = [finding.kind.title, finding.where, finding.detail]
        if finding.records is not None:
            parts.append(f"{finding.records:,} records")
        text = "; ".join(p for p in parts if p)
        if shown[finding.code] == SHOWN_PLACES and times[finding.code] > SHOWN_PLACES and not each_place:
            text += f"; and {times[finding.code] - SHOWN_PLACES} more (--verbose shows them)"
        if shown[finding.code] == 1 and finding.level != "note":
            text += f". {finding.kind.do}"
        table.add_row(f"[{colour[finding.level]}]{finding.level}[/]", finding.code, escape(text))
    return table
