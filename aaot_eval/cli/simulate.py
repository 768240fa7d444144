"""`aaot-eval simulate`: a study of made-up hospitals with a known effect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aaot_eval.cli._options import Json, Quiet, Verbose, answer

#: The scenarios of aaot_eval.synthetic, written out because `--help` imports nothing; a test holds the two together.
SCENARIOS = "null, effect, regression_to_mean, harm, single_site"
#: The worlds of aaot_eval.synthetic that fool evaluations, held together by the same test.
WORLDS = (
    "coding_lost, coding_found, displaced_to_ed, displaced_elsewhere, unequal_deaths, pandemic, merger, late_data, closing, "
    "spill_over, severity, peak, mixed_selection"
)


def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to make.", show_default=False)],
    scenario: Annotated[str, typer.Option(help=f"What is true in the made-up world: {SCENARIOS}.")] = "effect",
    worlds: Annotated[
        list[str] | None,
        typer.Option(
            "--world",
            metavar="NAME",
            help=f"What fools evaluations, in addition; may be repeated: {WORLDS}.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same files.")] = 1,
    sites: Annotated[int, typer.Option(min=1, help="Hospitals.")] = 14,
    treated: Annotated[int, typer.Option(min=0, help="Hospitals with a service.")] = 3,
    months: Annotated[int, typer.Option(min=12, help="Months of data.")] = 60,
    launch_after: Annotated[int, typer.Option(min=1, help="Months before the first service.")] = 36,
    size: Annotated[float, typer.Option(min=0.01, help="Size of the hospitals, 1 = usual.")] = 1.0,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="A format of the extracts, as `explain` lists them; may be repeated.",
            show_default=False,
        ),
    ] = None,
    dialect: Annotated[
        str,
        typer.Option(help="How files are written: pipe, cp1252, crlf, gzip, parquet, monthly, xlsx, ...; with commas."),
    ] = "",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a study with a known effect: extracts, config, truth."""
    from aaot_eval.synthetic import simulate_study

    simulate_study(
        out,
        scenario=scenario,
        seed=seed,
        sites=sites,
        treated=treated,
        months=months,
        launch_after=launch_after,
        size=size,
        worlds=worlds or (),
        formats=formats or (),
        dialect=[word.strip() for word in dialect.split(",") if word.strip()],
    )
    answer(str(out), {"folder": str(out), "scenario": scenario, "worlds": worlds or [], "seed": seed}, as_json)
