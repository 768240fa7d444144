"""How the person keys of the caseload differ from those of the admissions, in words about their form: no key is ever shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from aaot_eval.engine import Engine
from aaot_eval.ingest.identifiers import NHS_NUMBER_SHARE
from aaot_eval.nhs_number import is_nhs_number

# So many people of the admissions are compared with; of more, every second, third, ... one.
MOST_COMPARED = 200_000
# The form of keys is seen from so many of them.
MOST_LOOKED_AT = 10_000
# This share of the keys that are not found must be found under a change for the change to be the reason.
ENOUGH = 0.5
# This share of the keys must have a form for it to be the form of the file.
MOST = 0.9
KINDS = (
    ("digits", re.compile(r"[0-9]+")),
    ("capital letters", re.compile(r"[A-Z]+")),
    ("capital letters and digits", re.compile(r"[A-Z0-9]+")),
    ("small letters and digits", re.compile(r"[a-z0-9]+")),
    ("letters and digits", re.compile(r"[A-Za-z0-9]+")),
)


@dataclass(frozen=True, slots=True)
class KeyDifference:
    """What can be said of how the keys differ, and what to do about it; empty when nothing is seen."""

    said: str = ""
    do: str = ""

    @property
    def advice(self) -> str:
        """What to do, as a sentence."""
        return f"{self.do[:1].upper()}{self.do[1:]}." if self.do else ""


NO_DIFFERENCE = KeyDifference()
HASHED = KeyDifference(
    "both were hashed with the secret, so that their form is not seen",
    "check that the column of [data.person_key] holds the same number in both files: not the local number in one and the NHS number in the other",
)


def key_difference(engine: Engine, *, hashed: bool, nobody: bool) -> KeyDifference:
    """Why keys of the caseload are not among those of the admissions, as far as their form shows it.

    Reads `persons`, `caseload` and `episodes`. A change under which most of them would be found is the reason; else the forms of
    both are said. Where some are found (not `nobody`), keys of the same form are people without an admission, and nothing is said.
    """
    if hashed:
        return HASHED if nobody else NO_DIFFERENCE
    admitted = "SELECT DISTINCT person FROM episodes"
    missing = _tokens(
        engine,
        f"JOIN caseload AS c ON c.person = p.person LEFT JOIN ({admitted}) AS e ON e.person = p.person WHERE e.person IS NULL",
    )
    ((people,),) = engine.rows("SELECT count(DISTINCT person) FROM episodes")
    every = int(people) // MOST_COMPARED + 1
    held = _tokens(engine, f"JOIN ({admitted}) AS e ON e.person = p.person WHERE p.person % {every} = 0")
    if not missing or not held:
        return NO_DIFFERENCE
    for change, difference in _changes(missing, held):
        known = set(map(change, held))
        if sum(change(key) in known for key in missing) * every >= ENOUGH * len(missing):
            return difference
    some = held[:: len(held) // MOST_LOOKED_AT + 1]
    return _forms(missing, some) if nobody or _unlike(missing, some) else NO_DIFFERENCE


def _tokens(engine: Engine, joined: str) -> list[str]:
    return [str(token) for (token,) in engine.rows(f"SELECT p.token FROM persons AS p {joined} ORDER BY p.person")]


def _changes(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[Callable[[str], str], KeyDifference]]:
    """Changes under which two keys could be one, the least first, and what each means."""
    whose = "caseload" if _signs(ours) > _signs(theirs) else "admissions"
    shorter = "caseload" if _length(ours) < _length(theirs) else "admissions"
    found: list[tuple[Callable[[str], str], KeyDifference]] = [
        (
            str.upper,
            KeyDifference(
                "they differ in capital and small letters alone", "write the keys in both files as in the admissions"
            ),
        ),
        (
            lambda key: key.removesuffix(".0"),
            KeyDifference(
                "those of one file end in .0",
                "format the column as text before the file is saved: a spreadsheet took it for a number",
            ),
        ),
        (
            lambda key: key.lstrip("0"),
            KeyDifference(
                f"those of the {shorter} lack leading zeros",
                f"export the keys of the {shorter} as text: a spreadsheet drops the zeros in front of a number",
            ),
        ),
        (
            _letters_and_digits,
            KeyDifference(
                f"those of the {whose} hold spaces, hyphens or other signs, the others do not",
                f"take the signs out of the keys of the {whose}",
            ),
        ),
    ]
    more = _length(ours) - _length(theirs)
    if more:
        longer, n = ("caseload" if more > 0 else "admissions"), abs(more)
        cut = "" if more > 0 else ", or export those of the caseload in full: they may have been cut"
        size = min(_length(ours), _length(theirs))
        characters = f"{n} character{'s' if n > 1 else ''}"
        found += [
            (
                lambda key: key[-size:],
                KeyDifference(
                    f"those of the {longer} have {characters} more in front",
                    f"take the {characters} in front away{cut}",
                ),
            ),
            (
                lambda key: key[:size],
                KeyDifference(
                    f"those of the {longer} have {characters} more at the end",
                    f"take the {characters} at the end away{cut}",
                ),
            ),
        ]
    several = KeyDifference(
        "they differ in signs, zeros in front, capital and small letters",
        "write the keys in both files as in the admissions",
    )
    return [*found, (lambda key: _letters_and_digits(key).removesuffix(".0").lstrip("0"), several)]


def _letters_and_digits(key: str) -> str:
    return re.sub(r"[\W_]", "", key).upper()


def _signs(keys: Collection[str]) -> float:
    """The share of keys that hold anything but letters and digits."""
    return sum(not key.isalnum() for key in keys) / len(keys)


def _length(keys: Collection[str]) -> int:
    """The usual length of a key."""
    return Counter(map(len, keys)).most_common(1)[0][0]


def _unlike(missing: Collection[str], held: Collection[str]) -> bool:
    """Whether most of the keys that are not found have a length or a kind that no key of the admissions has."""
    known = {(len(key), _kind([key])) for key in held}
    return sum((len(key), _kind([key])) not in known for key in missing) >= ENOUGH * len(missing)


def _kind(keys: Collection[str]) -> str:
    """Of what kind of characters the keys are."""
    fitting = (name for name, form in KINDS if sum(bool(form.fullmatch(k)) for k in keys) >= MOST * len(keys))
    return next(fitting, "characters of many kinds")


def _forms(ours: Sequence[str], theirs: Sequence[str]) -> KeyDifference:
    mine, other = _form(ours), _form(theirs)
    if mine == other:
        return KeyDifference(
            f"those of both files are {mine}, so that the keys themselves differ",
            "ask whoever made the keys whether both files were pseudonymised in the same way, with the same secret and for the same study",
        )
    return KeyDifference(
        f"those of the caseload are {mine}, those of the admissions {other}",
        "give both files the same person id: ask whoever pseudonymised the admissions for the keys of the caseload; where both can be had "
        "with NHS or local numbers, map [data.person_key]",
    )


def _form(keys: Sequence[str]) -> str:
    """What the keys look like: how many characters of what kind."""
    lengths = sorted(map(len, keys))
    few, many = lengths[len(keys) // 20], lengths[-1 - len(keys) // 20]
    size = f"{few}" if few == many else f"{few} to {many}"
    nhs = sum(map(is_nhs_number, keys)) >= NHS_NUMBER_SHARE * len(keys)
    return f"{size} {_kind(keys)}{' (NHS numbers by their check digit)' if nhs else ''}"
