"""`aaot-eval reproduce`: the field's published figures, recomputed where their inputs are published."""

from __future__ import annotations

from typing import Annotated

import typer

from aaot_eval.cli._options import Json, Quiet, Verbose, answer


def reproduce(
    name: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One figure, e.g. KCH-02, with its inputs; default: all.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Recompute published figures, and say which cannot be."""
    from aaot_eval.published import figures_table, published_figures, solve_for_lines

    figures = published_figures(name)
    document = {"figures": [figure.row() for figure in figures]}
    answer("\n".join([*figures_table(figures, full=name is not None), *solve_for_lines(figures)]), document, as_json)
