"""`aaot-eval check`: config, extracts and design, without estimating and without writing anything but the files asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aaot_eval.cli._options import (
    ConfigFile,
    DataFolder,
    EngineName,
    Json,
    Quiet,
    Verbose,
    answer,
    with_engine,
    wrapped,
)
from aaot_eval.cli._out import put

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aaot_eval.config import RunConfig
    from aaot_eval.console import Terminal
    from aaot_eval.errors import InputError, Problem
    from aaot_eval.findings import Finding
    from aaot_eval.pipeline import Evidence
    from aaot_eval.results import Analysis, Panel, Release


def check(
    config_file: ConfigFile,
    data: DataFolder = None,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE", help="Also write what was found as one HTML page.")
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            help="Also list every line and cell that could not be read, as CSV: place, reason and kind of value. Stays inside.",
        ),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Read every file again, also those a run has kept.")
    ] = False,
    engine: EngineName = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check config, extracts and design; write nothing."""
    from aaot_eval.cli._earlier import earlier_runs
    from aaot_eval.cli._scratch import homes_of, scratch
    from aaot_eval.cli._sealed import held_to
    from aaot_eval.config import load_config
    from aaot_eval.console import Terminal
    from aaot_eval.errors import DataQualityError, InputError
    from aaot_eval.pipeline import Evidence, prepare
    from aaot_eval.run_folder import StudyFolder

    terminal = Terminal(quiet=quiet or as_json, verbose=verbose)
    config = with_engine(load_config(config_file, data=data), engine)
    config = config.changed(output__cache=False) if no_cache else config
    held_to(StudyFolder(config.path(config.output.runs) / config.name), config, terminal)
    try:
        with scratch(*homes_of(config)) as work, earlier_runs(config) as earlier:
            prepared = prepare(
                config, notify=terminal.progress, work=work, keep=earlier.readings, add=False, earlier=earlier.vintage
            )
    except DataQualityError as fault:
        if fault.evidence is not None:
            terminal.findings(fault.evidence.findings, config.disclosure)
            _list(rejects, fault.evidence)
            _stopped(config, fault, page, as_json)
        raise
    except InputError as fault:
        if rejects is not None:
            _list_refused(terminal, rejects, fault)
        raise
    terminal.findings(prepared.findings, config.disclosure)
    plan = _plan(prepared.panel, config)
    evidence = Evidence(prepared.findings, prepared.flow, prepared.restricted)
    release = _released(config, evidence)
    lines = [*plan.lines(config.name), f"Nothing stops the run; {_count(prepared.findings)}."]
    if plan.out_of_reach:
        lines.append(f"Warning: {plan.out_of_reach}; see `aaot-eval power {config_file}`.")
    if page is not None:
        _write(page, release, plan.chosen, not_run=plan.not_run, out_of_reach=plan.out_of_reach)
        lines.append(f"Page: {page}")
    if _list(rejects, evidence):
        lines.append(f"Rejects: {rejects}")
    answer("\n".join(wrapped(line, "           ") for line in lines), plan.document() | _tables(release), as_json)


@dataclass(frozen=True)
class _Plan:
    """What a run would do with a panel: its analyses, those left out and why, and the least p the primary can reach over sites."""

    panel: Panel
    analyses: tuple[Analysis, ...]
    left_out: list[tuple[Analysis, str]]
    least_p: float | None
    out_of_reach: str

    @property
    def chosen(self) -> list[str]:
        return [f"{a.name}: {a.reason}" for a in self.analyses]

    @property
    def not_run(self) -> list[str]:
        return [f"{a.name}: {why}" for a, why in self.left_out]

    @property
    def span(self) -> tuple[str, str]:
        labels = self.panel.periods["label"]
        return str(labels.iloc[0]), str(labels.iloc[-1])

    def lines(self, study: str) -> list[str]:
        """For people: units and periods, then one line an analysis."""
        from aaot_eval.errors import counted

        first, last = self.span
        kinds = ["primary" if a.primary else "also   " for a in self.analyses]
        return [
            f"{study}: {counted(len(self.panel.units), 'unit')}, {first} to {last}",
            *(f"  {kind}  {text}" for kind, text in zip(kinds, self.chosen, strict=True)),
            *(f"  not run  {text}" for text in self.not_run),
        ]

    def document(self) -> dict[str, Any]:
        """For programs: the same as one JSON object."""
        first, last = self.span
        return {
            "units": len(self.panel.units),
            "first_period": first,
            "last_period": last,
            "analyses": [
                {"name": a.name, "estimator": a.estimator, "primary": a.primary, "reason": a.reason}
                for a in self.analyses
            ],
            "not_run": [{"name": a.name, "why": why} for a, why in self.left_out],
            "least_p": self.least_p,
        }


def _plan(panel: Panel, config: RunConfig) -> _Plan:
    from aaot_eval.design import choose_analyses, refuse_unfit

    analyses, left_out = refuse_unfit(panel, choose_analyses(panel, config))
    least = _least_p(panel, analyses, config)
    beyond = least is not None and least > 1 - config.study.conf_level
    said = f"no p below {least:.3f} is possible with these sites: cannot tell is the only answer" if beyond else ""
    return _Plan(panel, analyses, left_out, least, said)


def _least_p(panel: Panel, analyses: Iterable[Analysis], config: RunConfig) -> float | None:
    """The least p that the primary analysis can reach where it compares sites; None for other designs."""
    from aaot_eval.power import least_reachable_p

    if not any(a.primary and a.design == "sites" for a in analyses):
        return None
    least = least_reachable_p(panel, config.seed)
    return None if least != least else least


def _stopped(config: RunConfig, fault: Any, page: Path | None, as_json: bool) -> None:
    """What was found up to the gate that stops the run: on the page, and in the one JSON document."""
    release = _released(config, fault.evidence)
    problems: Sequence[Problem] = fault.problems
    if page is not None:
        _write(page, release, [], stopped=[f"{p.code} {p.what}: {p.where}. {p.do}" for p in problems])
    if as_json:
        listed = [{n: getattr(p, n) for n in ("code", "what", "where", "allowed", "do")} for p in problems]
        answer("", {"exit_status": int(fault.exit_code), "problems": listed, **_tables(release)}, as_json)
        raise typer.Exit(int(fault.exit_code))


def _released(config: RunConfig, evidence: Evidence) -> Release:
    """What was found, as it may leave: every count controlled by the study's disclosure profile."""
    from aaot_eval import __version__
    from aaot_eval.disclosure import control

    meta = {"title": config.title or config.name, "name": config.name, "version": __version__}
    return control(evidence.tables(), meta, profile=config.disclosure.profile, national=config.disclosure.national)


def _tables(release: Release) -> dict[str, Any]:
    """The released tables as lists of rows."""
    import pandas as pd

    def plain(value: Any) -> Any:
        if value is None or value is pd.NA or (isinstance(value, float) and value != value):
            return None
        return value.item() if hasattr(value, "item") else value

    names = {n: n for n in ("rejected", "flow", "completeness", "caseload_join")} | {"data_quality": "findings"}
    return {
        said: [{k: plain(v) for k, v in row.items()} for row in release.tables[name].to_dict("records")]
        if name in release.tables
        else []
        for name, said in names.items()
    }


def _write(page: Path, release: Release, analyses: Sequence[str], stopped: Sequence[str] = (), *,
           not_run: Sequence[str] = (), out_of_reach: str = "") -> None:  # fmt: skip
    from aaot_eval.report import check_report, render_html

    report = check_report(release, analyses, stopped, not_run=not_run, out_of_reach=out_of_reach)
    put({page: render_html(report).encode("utf-8")}, "give another file with --page")


def _list(rejects: Path | None, evidence: Evidence) -> bool:
    """Writes the lines and cells that could not be read, as `restricted/rejects.csv` of a run has them, when asked and there."""
    from aaot_eval.disclosure import csv_text

    if rejects is None or "rejects" not in evidence.restricted:
        return False
    put({rejects: csv_text(evidence.restricted["rejects"]).encode("utf-8")}, "give another file with --rejects")
    return True


def _list_refused(terminal: Terminal, rejects: Path, fault: InputError) -> None:
    """After a refusal: what could not be read up to then, or, with the last problem, that no file had been read."""
    from dataclasses import replace

    from aaot_eval.disclosure import csv_text

    if fault.rejects is None:
        *_, last = fault.problems
        told = replace(last, do=f"{last.do}; the refusal came before any file was read, so {rejects} was not written")
        fault.retell(lambda problem: told if problem is last else problem)
        return
    put({rejects: csv_text(fault.rejects).encode("utf-8")}, "give another file with --rejects")
    terminal.progress(f"Rejects: {rejects}")


def _count(findings: Iterable[Finding]) -> str:
    from aaot_eval.errors import counted

    levels = [f.level for f in findings]
    return f"{counted(levels.count('warn'), 'warning')}, {counted(levels.count('note'), 'note')}"
