"""The small language of entry rules: "4 emergency admissions or 6 attendances in 12 months".

    rule       := every ("or" every)*
    every      := part ("and" part)*
    part       := count | "(" rule ")" [window]
    count      := ["at least" | "more than"] NUMBER ["or more"] KIND [window]
    window     := "in" NUMBER "months" | "in a financial year"

"and" binds before "or". A window at the end holds for every count before it without one of its own. "admissions" alone are
alcohol-specific emergency admissions, as in the plain rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from aaot_eval.errors import counted

#: What can be counted, by the words for it; longer words are tried first.
KINDS: dict[str, str] = {
    "alcohol-specific emergency admissions": "alcohol_specific_emergency",
    "alcohol emergency admissions": "alcohol_specific_emergency",
    "alcohol-specific admissions": "alcohol_specific",
    "alcohol admissions": "alcohol_specific",
    "emergency admissions": "emergency",
    "listed admissions": "listed",
    "all admissions": "stays",
    "admissions": "alcohol_specific_emergency",
    "emergency department attendances": "ed_attendances",
    "a&e attendances": "ed_attendances",
    "ed attendances": "ed_attendances",
    "emergency department visits": "ed_attendances",
    "a&e visits": "ed_attendances",
    "ed visits": "ed_attendances",
    "attendances": "ed_attendances",
    "bed days": "bed_days",
}
#: The same in the words of the report.
TITLES: dict[str, str] = {
    "alcohol_specific_emergency": "alcohol-specific emergency admissions",
    "alcohol_specific": "alcohol-specific admissions of any kind",
    "emergency": "emergency admissions",
    "listed": "admissions with a listed code",
    "stays": "admissions of any kind",
    "ed_attendances": "emergency department attendances",
    "bed_days": "bed days",
}
MOST, LONGEST = 1000, 60
#: Brackets within brackets; nobody can read more.
DEEPEST = 20
EXAMPLE = '"4 admissions in 12 months" or "4 emergency admissions or 6 attendances in 12 months"'
TOKEN = re.compile(r"\s*(\(|\)|[0-9]+|[A-Za-z&][A-Za-z&-]*)")


@dataclass(frozen=True, slots=True)
class Term:
    """At least `least` events of `kind` in the `months` months before; None = since the last 1 April."""

    least: int
    kind: str
    months: int | None

    @property
    def terms(self) -> tuple[Term, ...]:
        """Itself."""
        return (self,)

    def __str__(self) -> str:
        when = "the financial year so far" if self.months is None else counted(self.months, "month")
        return f"{self.least} or more {TITLES[self.kind]} in {when}"


@dataclass(frozen=True, slots=True)
class Together:
    """Several conditions: every one of them ("and"), or any ("or")."""

    how: Literal["and", "or"]
    parts: tuple[Condition, ...]

    @property
    def terms(self) -> tuple[Term, ...]:
        """The counts in it, in order."""
        return tuple(t for part in self.parts for t in part.terms)

    def __str__(self) -> str:
        shown = [f"({p})" if isinstance(p, Together) else str(p) for p in self.parts]
        return f" {self.how} ".join(shown)


Condition = Term | Together


def parse_rule(text: str) -> Condition:
    """The rule as a tree. Raises ValueError that says in words what was expected where."""
    reader = _Reader(text)
    condition = reader.rule()
    if reader.left:
        raise ValueError(f"the rule ends before {reader.left!r}; write it as {EXAMPLE}")
    wrong = [t for t in condition.terms if not 1 <= t.least <= MOST or not 1 <= (t.months or 1) <= LONGEST]
    if wrong:
        raise ValueError(f"1 to {MOST} events in 1 to {LONGEST} months are allowed; this asks for {wrong[0]}")
    return condition


class _Reader:
    """The words of a rule, read from left to right."""

    def __init__(self, text: str) -> None:
        self.words = list(_words(text))
        self.at = 0
        self.depth = 0

    @property
    def left(self) -> str:
        """What has not been read yet."""
        return " ".join(self.words[self.at :])

    def _next(self, *wanted: str) -> bool:
        """Whether the next words are these; then they are read."""
        found = [w.lower() for w in self.words[self.at : self.at + len(wanted)]]
        if found != list(wanted):
            return False
        self.at += len(wanted)
        return True

    def _expect(self, what: str) -> ValueError:
        before, found = " ".join(self.words[: self.at]), self.words[self.at : self.at + 1]
        place = f"after {before!r}" if before else "at the beginning"
        return ValueError(
            f'{place} {what} was expected{f", not {found[0]!r}" if found else ""}; write it as {EXAMPLE}, or "unknown"'
        )

    def rule(self) -> Condition:
        """Alternatives; a count without a window takes the next one that is said."""
        found = self._several("or", lambda: self._several("and", self._part))
        return _windows_said(found, UNSAID)[0]

    def _several(self, word: Literal["and", "or"], read: Callable[[], Condition]) -> Condition:
        parts = [read()]
        while self._next(word):
            parts.append(read())
        return parts[0] if len(parts) == 1 else Together(word, tuple(parts))

    def _part(self) -> Condition:
        if self._next("("):
            self.depth += 1
            if self.depth > DEEPEST:
                raise ValueError(f"at most {DEEPEST} brackets may stand in one another; write it as {EXAMPLE}")
            inner = self._several("or", lambda: self._several("and", self._part))
            if not self._next(")"):
                raise self._expect("a closing bracket")
            self.depth -= 1
            window = self._window()
            return _with_window(inner, window) if window is not None else inner
        more = self._next("more", "than")
        if not more:
            self._next("at", "least")
        if self.at >= len(self.words) or not self.words[self.at].isdecimal():
            raise self._expect("a number")
        least = int(self.words[self.at]) + int(more)
        self.at += 1
        self._next("or", "more")
        kind = self._kind()
        window = self._window()
        return Term(least, kind, UNSAID if window is None else window)

    def _kind(self) -> str:
        for words in sorted(KINDS, key=len, reverse=True):
            plain = words.split()
            if self._next(*plain) or self._next(*plain[:-1], plain[-1].removesuffix("s")):
                return KINDS[words]
        raise self._expect(f"what is counted ({', '.join(KINDS)})")

    def _window(self) -> int | None:
        if not self._next("in"):
            return None
        if self._next("a", "financial", "year") or self._next("the", "financial", "year"):
            return YEAR
        if self.at < len(self.words) and self.words[self.at].isdecimal():
            months = int(self.words[self.at])
            self.at += 1
            if self._next("months") or self._next("month"):
                if not 1 <= months <= LONGEST:
                    raise ValueError(f"1 to {LONGEST} months are allowed, not {months}")
                return months
            raise self._expect("months")
        raise self._expect('a number of months or "a financial year"')


# A window while a rule is read: none said yet, and the financial year.
UNSAID, YEAR = -1, -2


def _words(text: str) -> Iterator[str]:
    at = 0
    text = text.strip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError(f'{text[at:].strip()[:1]!r} has no meaning in a rule; write it as {EXAMPLE}, or "unknown"')
        yield found[1]
        at = found.end()


def _with_window(condition: Condition, window: int) -> Condition:
    """The condition with the window put where none was said."""
    if isinstance(condition, Together):
        return Together(condition.how, tuple(_with_window(p, window) for p in condition.parts))
    return Term(condition.least, condition.kind, window) if condition.months == UNSAID else condition


def _windows_said(condition: Condition, following: int) -> tuple[Condition, int]:
    """The condition with every window said (None = the financial year), read from its end; and the first window in it.

    Raises ValueError for a count after which no window follows.
    """
    if isinstance(condition, Together):
        parts: list[Condition] = []
        for part in reversed(condition.parts):
            done, following = _windows_said(part, following)
            parts.insert(0, done)
        return Together(condition.how, tuple(parts)), following
    window = following if condition.months == UNSAID else condition.months
    if window == UNSAID or window is None:
        raise ValueError(
            f'{condition.least} {TITLES[condition.kind]} in how many months? Write it as {EXAMPLE}, or "unknown"'
        )
    return Term(condition.least, condition.kind, None if window == YEAR else window), window
