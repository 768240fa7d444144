"""`aaot-eval reproduce`: the field's published figures, recomputed where their inputs are published."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from aaot_eval.cli._options import Json, Quiet, Verbose, answer, share
from aaot_eval.errors import Problem, UsageError

SAVING = "KCH-02"  # the published saving whose inputs are not published


def _pounds(text: str) -> float:
    """An amount as people write it: a pound sign and commas between thousands are read over."""
    plain = str(text).replace("£", "").strip()
    if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    try:
        return float(plain)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not an amount in pounds; write 10470 or £10,470") from None


def reproduce(
    name: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One figure, e.g. KCH-02, with its inputs; default: all.")
    ] = None,
    saving: Annotated[
        float | None,
        typer.Option(
            metavar="POUNDS", parser=_pounds, help="Solve for this saving a patient-year; default: the published one."
        ),
    ] = None,
    admissions: Annotated[
        float | None, typer.Option(metavar="N", help="Admissions per patient-year under care as usual.")
    ] = None,
    fall: Annotated[float | None, typer.Option(metavar="SHARE", parser=share, help="Their fall: 0.23 or 23 %.")] = None,
    price: Annotated[
        float | None, typer.Option(metavar="POUNDS", parser=_pounds, help="Price of an admission.")
    ] = None,
    programme: Annotated[
        float | None, typer.Option(metavar="POUNDS", parser=_pounds, help="Cost of the service per patient-year.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Recompute published figures, and say which cannot be.

    For the published saving also what would have to hold: admissions, fall, price and programme cost against each other.
    """
    from aaot_eval.published import figures_table, published_figures
    from aaot_eval.saving_identity import IDENTITY, NOT_A_REPRODUCTION, combinations, solve_for_lines

    parts = {"admissions": admissions, "fall": fall, "price": price, "programme": programme}
    known = {part: value for part, value in parts.items() if value is not None}
    solving = bool(known) or saving is not None
    figures = published_figures(SAVING if solving and name is None else name)
    document: dict[str, Any] = {"figures": [figure.row() for figure in figures]}
    lines = figures_table(figures, full=name is not None)
    published = next((float(figure.printed) for figure in figures if figure.id == SAVING), None)
    if published is None and solving:
        raise UsageError(Problem("U009", f"{name} is not a saving to solve for", allowed=SAVING, do="leave the ID out"))
    if published is not None:
        target = published if saving is None else saving
        lines += solve_for_lines(target, known)
        found = [row.row() for row in combinations(target, known)]
        document["solve_for"] = {"target": target, "identity": IDENTITY, "note": NOT_A_REPRODUCTION, "given": known, "combinations": found}  # fmt: skip
    answer("\n".join(lines), document, as_json)
