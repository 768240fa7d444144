"""`aaot-eval power`: what the study can show, from the periods before the start alone."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aaot_eval.cli._options import ConfigFile, DataFolder, Json, Quiet, Verbose, answer, share, terminal_width, wrapped


def power(
    config_file: ConfigFile,
    data: DataFolder = None,
    fall: Annotated[
        float, typer.Option("--fall", metavar="SHARE", parser=share, help="The fall to be found: 0.23 or 23 %.")
    ] = 0.23,
    replicates: Annotated[int, typer.Option("--replicates", help="Simulations for each number of the table.")] = 200,
    referred: Annotated[
        int | None,
        typer.Option("--referred", help="People referred; default: those on the caseload.", show_default=False),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say what a study can show, before looking at it."""
    from aaot_eval.cli._scratch import homes_of, scratch
    from aaot_eval.config import load_config
    from aaot_eval.console import Terminal
    from aaot_eval.pipeline import prepare
    from aaot_eval.power import plan_study, refuse_settings

    refuse_settings(fall, replicates, referred)
    terminal = Terminal(quiet=quiet or as_json, verbose=verbose)
    config = load_config(config_file, data=data)
    with scratch(*homes_of(config)) as work:
        panel = prepare(config, notify=terminal.progress, work=work).panel
    plan = plan_study(panel, config, fall=fall, replicates=replicates, referred=referred, notify=terminal.progress)
    rows = [{str(k): v for k, v in row.items() if v == v and v is not None} for row in plan.table.to_dict("records")]
    head = f"Read to {plan.facts['last_period_read']}, nothing later; {replicates} simulations a number (seed {config.seed})."
    lines = [wrapped(head, ""), "", *_table(rows), "", *(wrapped(s) for s in plan.sentences)]
    document: dict[str, Any] = {
        "fall": fall, "seed": config.seed, "table": [_rounded(r) for r in rows], "sentences": list(plan.sentences), **_rounded(plan.facts),
    }  # fmt: skip
    answer("\n".join(lines), document, as_json)


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Four digits of every number; nothing (null) where it cannot be told, as how far apart too few hospitals lie."""
    told = {str(k): None if v != v else v for k, v in row.items()}
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in told.items()}


HEADS = (("what", "Design"), ("months_after", "Periods after"), ("monthly_mean", "Mean a period"), ("treated", "Treated"), ("units", "Of"),
         ("people", "Referred"), ("p_least", "Least p"), ("power", "Power"), ("half_width", "Half-width"))  # fmt: skip


def _table(rows: list[dict[str, Any]]) -> list[str]:
    cells = [[head for _, head in HEADS], *([_cell(row, key) for key, _ in HEADS] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEADS))]
    if sum(widths) + 2 * (len(widths) - 1) > terminal_width():
        return [line for row in rows for line in _stacked(row)]
    return [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in cells
    ]


def _stacked(row: dict[str, Any]) -> list[str]:
    """A row that is too wide for the terminal: the design, and below it what is known of it."""
    known = [f"{head} {cell}" for key, head in HEADS[1:] if (cell := _cell(row, key))]
    return [wrapped(_cell(row, "what")), wrapped("    " + "; ".join(known))]


def _cell(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None or isinstance(value, str):
        return value or ""
    if key == "power":
        return f"{value * 100:.0f} %"
    if key == "half_width":
        return f"{value:.2f}"
    if key == "p_least":
        return f"{value:.4f}"
    return f"{value:,.0f}" if isinstance(value, float) and (value >= 20 or value % 1 == 0) else f"{value:.3g}"
