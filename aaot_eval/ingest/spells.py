"""Episodes to spells to continuous stays: chooses the steps of the named rules; the rules themselves are in the steps."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from functools import cache

from aaot_eval.engine import Engine
from aaot_eval.schema import shipped

EMERGENCY = ("21", "22", "23", "24", "25", "2A", "2B", "2C", "2D", "28")


@cache
def alcohol_specific_list() -> tuple[str, ...]:
    """The ICD-10 codes wholly attributable to alcohol, without dots; three characters stand for a whole category."""
    with (shipped("data_schemas") / "codelists" / "alcohol_specific.csv").open(encoding="utf-8", newline="") as file:
        return tuple(sorted(row["icd10"].replace(".", "") for row in csv.DictReader(file)))


def codes_in_list(seen: Iterable[str], listed: Sequence[str]) -> list[str]:
    """The codes as they stand in the data that belong to a list.

    A code may carry a dot (F10.2), a filler for a missing fourth character (X45X) or a dagger, asterisk or letter after
    the fourth (K703D): only the first three or four characters decide.
    """
    short = {code for code in listed if len(code) == 3}
    full = {code for code in listed if len(code) == 4}
    found = []
    for code in seen:
        plain = "".join(c for c in code.upper() if c.isalnum())
        if plain[:3] in short or plain[:4] in full:
            found.append(code)
    return found


def make_stays(engine: Engine, spell_rule: str, stay_rule: str, *, legs: bool = False) -> None:
    """From `episodes` and `sites` to `spells` and `stays`, under the named rules (`hf`, `york`; `hf`, `nhsd`, `york`).

    With `legs` also `stay_legs`: every spell of a stay with its HRG, for prices by HRG.
    """
    codes = codes_in_list(engine.distinct_codes("episodes_read"), alcohol_specific_list())
    engine.match_codes("episodes_read", {"alcohol_specific": codes}, makes="alcohol_diagnoses")
    for step in (
        "alcohol_episodes",
        "episodes_met",
        f"spell_starts_{spell_rule}",
        "spell_members",
        "spell_spans",
        "spells",
    ):
        engine.run(step)
    for step in ("spells_met", f"stay_starts_{stay_rule}", "stay_members", "stay_spans"):
        engine.run(step)
    engine.run("stays", emergency=EMERGENCY)
    if legs:
        engine.run("stay_legs", emergency=EMERGENCY)
