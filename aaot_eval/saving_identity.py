"""The one equation behind every saving per patient: which of its parts follows from the others.

A published saving whose inputs are not published can be given by infinitely many of them; solving shows which, and is never
a reproduction.
"""

from __future__ import annotations

import math


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
