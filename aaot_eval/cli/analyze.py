"""`aaot-eval analyze`: the whole line, from extracts to a run folder."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aaot_eval.cli._options import (
    ConfigFile,
    DataFolder,
    EngineName,
    Json,
    Quiet,
    Verbose,
    answer,
    command_line,
    with_engine,
)

if TYPE_CHECKING:
    import pandas as pd

    from aaot_eval.config import RunConfig
    from aaot_eval.console import Terminal
    from aaot_eval.errors import MonthlySignalError
    from aaot_eval.results import Release
    from aaot_eval.run_folder import Drawn, Fingerprint, RunFolder, Seal, StudyFolder


UNCHANGED = "Nothing changed: config, inputs and version are those of an earlier run."


def analyze(
    config_file: ConfigFile,
    data: DataFolder = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="YYYY-MM", help="Last month used; 'latest' for a scheduled run.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where run folders go; default: the config's output.runs."),
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            "--as-of", metavar="DATE", formats=["%Y-%m-%d"], help="The date 'stale' is judged from; default: today."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run again although nothing changed.")] = False,
    stop_after: Annotated[
        Literal["ingest", "panel"] | None,
        typer.Option("--stop-after", help="ingest: only read the files; panel: check too. Writes nothing."),
    ] = None,
    patient_reports: Annotated[
        bool, typer.Option("--patient-reports", help="Also write per-patient rows to restricted/ (needs --reason).")
    ] = False,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="Why per-patient rows, or a new seal, are needed."),
    ] = None,
    seal: Annotated[
        bool,
        typer.Option("--seal", help="Only seal the plan, before any outcome is read; another seal needs --reason."),
    ] = False,
    accept_codelist_change: Annotated[
        str | None,
        typer.Option(
            "--accept-codelist-change", metavar="REASON", help="Go on with code lists that changed after sealing."
        ),
    ] = None,
    fail_on_signal: Annotated[
        bool,
        typer.Option("--fail-on-signal", help="Exit 8 when the newest month of the control chart has a new signal."),
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Read every file again, and keep no rows for the next run.")
    ] = False,
    engine: EngineName = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run the whole evaluation; print the run folder."""
    from aaot_eval.cli._sealed import seal_only, stated
    from aaot_eval.config import load_config
    from aaot_eval.console import Terminal

    terminal = Terminal(quiet=quiet or as_json, verbose=verbose)
    accepted = stated(accept_codelist_change, "--accept-codelist-change")
    config = with_engine(load_config(config_file, data=data), engine)
    if seal:
        of_a_run = {"--until": until, "--as-of": as_of, "--force": force, "--stop-after": stop_after,
                    "--patient-reports": patient_reports, "--accept-codelist-change": accepted,
                    "--fail-on-signal": fail_on_signal}  # fmt: skip
        seal_only(config, out, stated(reason, "--reason"), of_a_run, as_json)
        return
    config = _asked(config, until, patient_reports, reason)
    config = config.changed(output__cache=False) if no_cache else config
    if stop_after:
        _stop_early(config, terminal, stop_after, as_json)
        return
    scheduled = until == "latest" or as_of is not None
    run, unchanged = _evaluate(config, terminal, out=out, as_of=(as_of or datetime.now()) if scheduled else None,
                               cycle=until == "latest", force=force, accepted=accepted)  # fmt: skip
    status = run.status()
    terminal.headline(status["headline"])
    if unchanged and as_json and not quiet:
        typer.echo(UNCHANGED, err=True)
    told = {k: v for k, v in status.items() if k not in ("run", "exit_status")}
    told = {"run": str(run.path), "unchanged": unchanged, **told}
    if fail_on_signal and status["signal"]:
        if not as_json:
            answer(str(run.path), told, as_json)
        raise _signalled(run, told)
    answer(str(run.path), told, as_json)


def _signalled(run: RunFolder, told: dict[str, Any]) -> MonthlySignalError:
    """The refusal of --fail-on-signal: the run stands, and somebody should look at its newest month."""
    from aaot_eval.errors import MonthlySignalError, Problem
    from aaot_eval.wording import SIGNAL_RULES

    newest = run.signals()["newest"]
    said = " and ".join(SIGNAL_RULES[rule] for rule in newest["rules"])
    fault = MonthlySignalError(
        Problem(
            "M001",
            f"{newest['period']} has a signal of a {newest['direction']} count on the control chart: {said}",
            where=str(run.path / "release" / "signals.json"),
            do="look at “Month by month” in the report; a signal says that something changed, not why",
        )
    )
    fault.told = told
    return fault


def _asked(config: RunConfig, until: str | None, patient_reports: bool, reason: str | None) -> RunConfig:
    """The config with what the command line changes in it."""
    from aaot_eval.errors import Problem, UsageError

    if until is not None and until != "latest" and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", until):
        raise UsageError(
            Problem("U003", "--until is not a month", allowed="YYYY-MM, or latest", do="write it as 2026-03")
        )
    if patient_reports and not (reason or config.output.reason):
        raise UsageError(
            Problem("U004", "--patient-reports needs --reason", do='add --reason "why these rows are needed"')
        )
    if until:
        config = config.changed(study__last_period=None if until == "latest" else until)
    if patient_reports:
        config = config.changed(output__patient_reports=True, output__reason=reason or config.output.reason)
    return config


def _stop_early(config: RunConfig, terminal: Terminal, stage: str, as_json: bool) -> None:
    """Read, or read and build the panel, in a folder that is gone afterwards."""
    from aaot_eval.cli._earlier import earlier_runs
    from aaot_eval.cli._scratch import homes_of, scratch
    from aaot_eval.errors import counted
    from aaot_eval.pipeline import prepare, read_only

    with scratch(*homes_of(config)) as work, earlier_runs(config) as earlier:
        if stage == "ingest" and config.data.admissions:
            extracts = read_only(config, notify=terminal.progress, work=work, keep=earlier.readings)
            findings, files = extracts.findings, len(extracts.sources)
            what = f"{files} {'file is' if files == 1 else 'files are'} read and every line accounted for; nothing was judged"
            told: dict[str, object] = {"files": files}
        else:
            prepared = prepare(
                config, notify=terminal.progress, work=work, keep=earlier.readings, add=False, earlier=earlier.vintage
            )
            labels = prepared.panel.periods["label"]
            findings, first, last = prepared.findings, str(labels.iloc[0]), str(labels.iloc[-1])
            what = f"The panel is built: {counted(len(prepared.panel.units), 'unit')}, {first} to {last}"
            told = {"first_period": first, "last_period": last}
    terminal.findings(findings, config.disclosure)
    answer(f"{what}. Nothing was written.", {"stage": stage, **told}, as_json)


def _evaluate(
    config: RunConfig,
    terminal: Terminal,
    *,
    out: Path | None,
    as_of: datetime | None,
    cycle: bool,
    force: bool,
    accepted: str | None,
) -> tuple[RunFolder, bool]:
    """One run under the study's lock, and whether it is an earlier one: stale gate, the same run again, or a new one."""
    from aaot_eval.cli._cycle import refuse_stale
    from aaot_eval.cli._endings import faults_go_to, readings_are_in
    from aaot_eval.cli._sealed import held_to
    from aaot_eval.disclosure import csv_text
    from aaot_eval.ingest import secret_fingerprint
    from aaot_eval.run_folder import CACHE, StudyFolder, fingerprint, point_to

    study = StudyFolder.open((out or config.path(config.output.runs)).resolve(), config.name)
    faults_go_to(study.path / "restricted")
    readings_are_in((config.path(config.output.work) / study.path.name if config.output.work else study.path) / CACHE)
    with study.lock():
        for name in study.unreadable():
            terminal.progress(
                f"Passed over {name}: its manifest.json cannot be read. Restore it, or remove the folder."
            )
        study.refuse_other_secret(secret_fingerprint(config))
        seal = held_to(study, config, terminal, accepted)
        print_ = fingerprint(config, seal.state if seal else "")
        earlier = study.same(print_)
        if earlier is not None and as_of is not None:
            refuse_stale(
                str(earlier.manifest["data_cut"]),
                str(earlier.manifest["period_kind"]),
                as_of,
                config.monthly.lag_months,
            )
        if earlier is not None and not force:
            _refuse_damaged(earlier)
            terminal.progress(UNCHANGED)
            point_to(study, earlier, csv_text)
            return earlier, True
        return _new_run(config, terminal, study, print_, seal, as_of=as_of, cycle=cycle), False


def _refuse_damaged(run: RunFolder) -> None:
    """VerifyMismatchError when the run that would be given as the answer again is not as it was written."""
    from dataclasses import replace

    from aaot_eval.errors import Problem, VerifyMismatchError
    from aaot_eval.run_folder import damage

    if found := damage(run):
        told = Problem("V643", "nothing changed since this run, and it is not as it was written", where=str(run.path),
                       do="keep a copy if you want to know why; --force makes it again in its place")  # fmt: skip
        raise VerifyMismatchError(*(replace(problem, do="") for problem in found), told)


def _new_run(
    config: RunConfig,
    terminal: Terminal,
    study: StudyFolder,
    print_: Fingerprint,
    seal: Seal | None,
    *,
    as_of: datetime | None,
    cycle: bool,
) -> RunFolder:
    from aaot_eval.cli._cycle import Refresh, carry, plan_refresh, refuse_stale
    from aaot_eval.disclosure import control, csv_text
    from aaot_eval.ingest import secret_fingerprint
    from aaot_eval.pipeline import prepare, run_evaluation
    from aaot_eval.run_folder import (
        CACHE,
        Account,
        RunFolder,
        begin_reading,
        counting_hash,
        package_versions,
        run_name,
        write_run,
    )

    started = datetime.now(UTC)
    plan = begin_reading(study, seal, config, print_.whole) if seal else None
    with study.work_folder(config.path(config.output.work) if config.output.work else None) as work:
        prepared = prepare(
            config,
            notify=terminal.progress,
            work=work,
            keep=work / CACHE,
            earlier=study.vintage(print_, counting_hash(config)),
        )
    data_cut = str(prepared.panel.periods["label"].iloc[-1])
    if as_of is not None:
        refuse_stale(data_cut, prepared.panel.frequency, as_of, config.monthly.lag_months)
    result = run_evaluation(config, notify=terminal.progress, prepared=prepared)
    terminal.findings(result.findings, config.disclosure)

    name = run_name(data_cut, print_)
    refresh = plan_refresh(study, config, data_cut) if cycle else Refresh("none", True, data_cut, "")
    meta = dict(result.meta) | {"run_id": name, "config_hash": print_.config[:12], "packages": package_versions()}
    meta |= {"refresh": refresh.sentence} if refresh.sentence else {}
    meta |= {"plan": plan} if plan else {}
    terminal.progress("Applying disclosure control")
    release = control(result.tables, meta, profile=config.disclosure.profile, national=config.disclosure.national)
    release = carry(release, refresh)

    terminal.progress("Drawing the report")
    account = Account(
        command=command_line(), started=started, log=terminal.log,
        as_of=f"{as_of:%Y-%m-%d}" if as_of else None, refresh=refresh.facts(name), secret=secret_fingerprint(config),
        plan=plan,
    )  # fmt: skip
    rows = result.costs.per_patient if result.costs else None
    drawn = _drawn(release, rows, meta, config.output.reason or "")
    written = write_run(result, release, study=study, fingerprint=print_, account=account, as_csv=csv_text, drawn=drawn)
    return RunFolder.read(written)


def _drawn(release: Release, patients: pd.DataFrame | None, meta: dict[str, Any], reason: str) -> Drawn:
    """The report of what is released, and the page of patients where there are rows of them."""
    from aaot_eval.report import build_report, figure_files, patient_report, render_html, render_markdown
    from aaot_eval.run_folder import Drawn

    report = build_report(release)
    pages = {"report.html": render_html(report), "report.md": render_markdown(report)}
    of_patients = render_html(patient_report(patients, meta, reason)) if patients is not None else None
    return Drawn(pages, figure_files(report), of_patients)
