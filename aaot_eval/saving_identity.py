"""The one equation behind every saving per patient: which of its parts follows from the others.

A published saving whose inputs are not published can be given by infinitely many of them; solving shows which, and is never
a reproduction.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from aaot_eval.errors import Problem, UsageError

NOT_A_REPRODUCTION = "one of many combinations; not a reproduction"
IDENTITY = "saving = admissions x fall x price - programme"
#: A grid to read, not estimates: the falls are those of published figures (23 %, and 66.9 % of Salford, uncontrolled) and two between.
FALLS = (0.23, 0.33, 0.50, 0.669)
PRICES = (1000.0, 2000.0, 3000.0)
PROGRAMME_COSTS = (0.0, 2500.0, 5000.0, 7500.0, 10000.0)
#: What each part is, and what a value of it must be.
PARTS = {
    "admissions": "admissions per patient-year under care as usual",
    "fall": "the share by which they fall",
    "price": "pounds an admission",
    "programme": "pounds of the service per patient-year",
}
#: The most that a year of one patient can have or cost; beyond it a figure is a slip, and its products no numbers.
MOST = {"admissions": 366.0, "price": 1e6, "programme": 1e6, "saving": 1e6}
#: And the least: dividing by less says nothing about any service.
LEAST = {"admissions": 0.001, "fall": 0.001, "price": 1.0}
GRID = {"fall": FALLS, "price": PRICES, "programme": PROGRAMME_COSTS}
#: What is solved for: the first of these that was not given. The others that were not given run through the grid.
SOLVED_FIRST = ("admissions", "price", "fall", "programme")


def solve_for(
    *, saving: float | None = None, admissions: float | None = None, fall: float | None = None, price: float | None = None,
    programme: float | None = None,
) -> tuple[str, float]:  # fmt: skip
    """The one quantity left out of: saving = admissions x fall x price - programme, all per patient-year.

    admissions per patient-year under care as usual; fall as a share; price of an admission; programme cost per patient-year.
    Returns the name of the quantity and its value. Raises ValueError unless exactly one is left out.
    """
    given = {"saving": saving, "admissions": admissions, "fall": fall, "price": price, "programme": programme}
    unknown = [name for name, value in given.items() if value is None]
    if len(unknown) != 1:
        raise ValueError("leave out exactly one of saving, admissions, fall, price, programme")
    (name,) = unknown
    if name == "programme":
        return name, math.prod(_given(admissions, fall, price)) - _given(saving)[0]
    if name == "saving":
        return name, math.prod(_given(admissions, fall, price)) - _given(programme)[0]
    known = math.prod(v for k, v in given.items() if k in ("admissions", "fall", "price") and v is not None)
    return name, (_given(saving)[0] + _given(programme)[0]) / known


def _given(*values: float | None) -> list[float]:
    return [v for v in values if v is not None]


def care_as_usual_cost_needed(saving: float) -> list[tuple[float, list[float]]]:
    """Hospital cost per patient-year under care as usual that a saving needs: one row per fall, one column per programme cost."""
    return [
        (fall, [solve_for(saving=saving, fall=fall, price=1, programme=a)[1] for a in PROGRAMME_COSTS])
        for fall in FALLS
    ]


@dataclass(frozen=True, slots=True)
class Combination:
    """Four parts that give one saving. `solved` names the part that was worked out from the others."""

    admissions: float
    fall: float
    price: float
    programme: float
    saving: float
    solved: str

    @property
    def reachable(self) -> bool:
        """Whether a service could have these parts: no fall of more than everything, no service that costs less than nothing."""
        return self.fall <= 1 and self.programme >= 0

    def row(self) -> dict[str, object]:
        """The combination as plain values."""
        names = ("admissions", "fall", "price", "programme", "saving", "solved", "reachable")
        return {name: getattr(self, name) for name in names} | {"note": NOT_A_REPRODUCTION}


def combinations(saving: float, known: Mapping[str, float]) -> list[Combination]:
    """Combinations of admissions, fall, price and programme cost that give `saving`; with all four known, what they give.

    `known` holds the parts taken as known. One that is not is worked out, the others run through `GRID`. Raises UsageError
    (U009) for a part that can be none.
    """
    problems = [p for name, value in known.items() for p in _objections(name, value)]
    if not abs(saving) <= MOST["saving"]:
        what = f"--saving = {saving:g} cannot be a saving a patient-year"
        allowed = f"-{MOST['saving']:,.0f} to {MOST['saving']:,.0f} pounds per patient-year"
        problems.append(Problem("U009", what, allowed=allowed, do="write a number"))
    if problems:
        raise UsageError(*problems)
    solved = next((name for name in SOLVED_FIRST if name not in known), "saving")
    running = [name for name in PARTS if name != solved]
    rows = []
    for values in product(*([known[name]] if name in known else GRID[name] for name in running)):
        parts = dict(zip(running, values, strict=True)) | ({} if solved == "saving" else {"saving": saving})
        _, value = solve_for(**parts)
        rows.append(Combination(**{**parts, solved: value}, solved=solved))
    return rows


def _objections(name: str, value: float) -> list[Problem]:
    most = MOST.get(name, 1.0)
    least = LEAST.get(name, 0.0)
    if least <= value <= most:
        return []
    until = f"at most {most:,.0f}"
    allowed = f"{least:g} or more, {until}" + (": 0.23 for 23 %" if name == "fall" else "")
    share = f"write it as a share: {value / 100:g}" if 1 < value <= 100 else "write it as a share: 0.23 for 23 %"
    do = share if name == "fall" else "write it per patient-year"
    return [Problem("U009", f"--{name} = {value:g} cannot be {PARTS[name]}", allowed=allowed, do=do)]


# ---- As text --------------------------------------------------------------------------------------------------------------


def solve_for_lines(saving: float, known: Mapping[str, float]) -> list[str]:
    """What would have to hold for a saving, as lines of at most 80 columns: every part of the equation against the others."""
    found = combinations(saving, known)
    lines = [
        f"WHAT WOULD HAVE TO HOLD for a saving of {saving:,.0f} (not a reproduction):",
        *_folded(
            f"{IDENTITY}, all a patient-year: one equation, four unknowns, none of them published, so every combination is one of many. "
            "Time counts on the caseload: of people on it m months each, one is m / 12 of a patient-year."
        ),
        "",
    ]
    if not known:
        lines += [*_cost_lines(saving), ""]
    lines += [*_combination_lines(found, saving, known), ""]
    closing = (
        "KCH-01 (a hospital's admissions) and KCH-02 (a patient's cost) have different units: the fall of one is not the fall in the "
        "other. Read as a patient's own fall, 23 % needs its rows of the table. Read as that of a hospital with M alcohol admissions a year "
        "and K patients on the caseload, the same equation gives M / K in the place of a patient's admissions."
    )
    asked = "Other values: --admissions, --fall, --price, --programme, --saving; give three of the four parts and the fourth follows."
    return [*lines, *_folded(closing), "", *_folded(asked)]


def _folded(text: str) -> list[str]:
    return textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _cost_lines(saving: float) -> list[str]:
    """Hospital cost (admissions x price) by fall and programme cost."""
    head = "Hospital cost per patient-year under care as usual (admissions x price) that it needs:"
    return [
        *_folded(head),
        "",
        *_grid_head("fall", ""),
        *(
            f"  {fall:>8.1%} {'':>8} " + "".join(f"{cost:>11,.0f}" for cost in costs)
            for fall, costs in care_as_usual_cost_needed(saving)
        ),
    ]


def _combination_lines(found: Sequence[Combination], saving: float, known: Mapping[str, float]) -> list[str]:
    if not known:
        head = "The same as admissions per patient-year under care as usual, by price of an admission:"
        rows = [*_folded(head), "", *_grid_head("fall", "price")]
        for fall, price in product(FALLS, PRICES):
            line = [c.admissions for c in found if (c.fall, c.price) == (fall, price)]
            rows.append(f"  {fall:>8.1%} {price:>8,.0f} " + "".join(f"{value:>11,.1f}" for value in line))
        return rows
    solved = found[0].solved
    taken = ", ".join(f"{name} {_shown(name, value)}" for name, value in known.items())
    if solved == "saving":
        gap = found[0].saving - saving
        side = "above" if gap > 0 else "below"
        apart = f"{abs(gap):,.0f} {side}" if abs(gap) >= 0.5 else "the same as"
        return _folded(f"{taken}: a saving of {found[0].saving:,.0f}, {apart} {saving:,.0f}; {NOT_A_REPRODUCTION}.")
    if len(found) == 1:
        value = getattr(found[0], solved)
        told = f"{solved} would have to be {_shown(solved, value)} ({PARTS[solved]})"
        return _folded(f"With {taken}, {told}{_unreachable(found[0])}; {NOT_A_REPRODUCTION}.")
    head = f"With {taken}, {solved} ({PARTS[solved]}) follows from the others:"
    names = [*(name for name in PARTS if name not in (*known, solved)), solved]
    return [
        *_folded(head),
        "",
        "  " + "".join(f"{name:>12}" for name in names),
        *("  " + "".join(f"{_shown(n, getattr(c, n)):>12}" for n in names) + _unreachable(c) for c in found),
    ]


def _unreachable(found: Combination) -> str:
    if found.reachable:
        return ""
    return "  not reachable" if found.solved == "fall" else "  not reachable even by a service that costs nothing"


def _shown(name: str, value: float) -> str:
    if name == "fall":
        return f"{value:.1%}"
    return f"{value:,.1f}" if name == "admissions" else f"{value:,.0f}"


def _grid_head(first: str, second: str) -> list[str]:
    return [
        f"  {'':>8} {'':>8}   programme cost per patient-year",
        f"  {first:>8} {second:>8} " + "".join(f"{a:>11,.0f}" for a in PROGRAMME_COSTS),
    ]
