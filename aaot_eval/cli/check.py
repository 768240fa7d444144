"""`aaot-eval check`: config, extracts and design, without estimating and without writing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aaot_eval.cli._options import ConfigFile, DataFolder, EngineName, Json, Quiet, Verbose, answer, with_engine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aaot_eval.findings import Finding


def check(
    config_file: ConfigFile,
    data: DataFolder = None,
    engine: EngineName = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check config, extracts and design; write nothing."""
    from aaot_eval.cli._scratch import homes_of, scratch
    from aaot_eval.config import load_config
    from aaot_eval.console import Terminal
    from aaot_eval.design import choose_analyses, refuse_unfit
    from aaot_eval.pipeline import prepare

    terminal = Terminal(quiet=quiet or as_json, verbose=verbose)
    config = with_engine(load_config(config_file, data=data), engine)
    with scratch(*homes_of(config)) as work:
        prepared = prepare(config, notify=terminal.progress, work=work)
    terminal.findings(prepared.findings)
    analyses, left_out = refuse_unfit(prepared.panel, choose_analyses(prepared.panel, config))
    labels = prepared.panel.periods["label"]
    lines = [
        f"{config.name}: {len(prepared.panel.units)} units, {labels.iloc[0]} to {labels.iloc[-1]}",
        *(f"  {'primary' if a.primary else 'also   '}  {a.name}: {a.reason}" for a in analyses),
        *(f"  not run  {a.name}: {why}" for a, why in left_out),
        f"Nothing stops the run; {_count(prepared.findings)}.",
    ]
    document: dict[str, Any] = {
        "units": len(prepared.panel.units),
        "first_period": str(labels.iloc[0]),
        "last_period": str(labels.iloc[-1]),
        "analyses": [
            {"name": a.name, "estimator": a.estimator, "primary": a.primary, "reason": a.reason} for a in analyses
        ],
        "not_run": [{"name": a.name, "why": why} for a, why in left_out],
        "findings": [
            {"code": f.code, "level": f.level, "title": f.kind.title, "where": f.where} for f in prepared.findings
        ],
    }
    answer("\n".join(lines), document, as_json)


def _count(findings: Iterable[Finding]) -> str:
    levels = [f.level for f in findings]
    return f"{levels.count('warn')} warnings, {levels.count('note')} notes"
