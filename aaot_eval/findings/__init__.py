"""The catalogue of data problems: what each code means, how bad it is, and what to do.

A finding about the data is one of these with a count and a place; `docs` and `explain` read the same catalogue. What each code
says stands in `texts`, the number that it asks in `limits`.
"""

from __future__ import annotations

from dataclasses import dataclass

from aaot_eval.findings.limits import LIMITS, WARNED_BEFORE, Limit
from aaot_eval.findings.texts import TEXTS, Level

__all__ = ["CATALOGUE", "LIMITS", "WARNED_BEFORE", "Finding", "FindingKind", "Level", "Limit"]


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One entry of the catalogue."""

    code: str
    title: str
    level: Level
    why: str
    do: str

    @property
    def limit(self) -> Limit | None:
        """The number that this gate asks; None for one that asks none."""
        return LIMITS.get(self.code)


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem met in the data: its kind, where, how many records and how many people.

    `detail` never holds a value of a patient. `people` lets disclosure control treat the count; None = not about people.
    `advice` takes the place of what the catalogue says to do, where this case has a better answer.
    """

    code: str
    where: str = ""
    records: int | None = None
    people: int | None = None
    detail: str = ""
    advice: str = ""

    @property
    def kind(self) -> FindingKind:
        """The catalogue entry."""
        return CATALOGUE[self.code]

    @property
    def level(self) -> Level:
        """How bad: stop, warn or note."""
        return self.kind.level

    @property
    def do(self) -> str:
        """What to do about it."""
        return self.advice or self.kind.do


CATALOGUE: dict[str, FindingKind] = {
    code: FindingKind(code, title, level, why, do) for code, (level, title, why, do) in TEXTS.items()
}
