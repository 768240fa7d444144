"""The whole run on one page: extracts to tables to panel to estimates to checks to costs to record.

`run_evaluation` computes and writes nothing but the engine's own spill files; `aaot_eval.run_folder` writes. What fits and
costs is imported by the functions that use it: reading and checking extracts needs no statistics.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from aaot_eval import __version__
from aaot_eval.config import RunConfig
from aaot_eval.engine import open_engine
from aaot_eval.engine.kept import KeptReadings
from aaot_eval.errors import AaotEvalError, DataQualityError, InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.ingest import Extracts, read_extracts, read_tables, rejected
from aaot_eval.panel import build_panel, price_stays, read_panel
from aaot_eval.results import Analysis, CostResult, Effect, FlowStep, Panel, RunResult, Source, Tables, Vintage

if TYPE_CHECKING:
    from aaot_eval.costs import Prices

Notify = Callable[[str], None]


def quiet(message: str) -> None:
    """Says nothing."""


@dataclass(frozen=True)
class Prepared:
    """What the estimators start from, and where it came from.

    `keys`: the caseload's key of each person on it, by the run's number; only where rows of patients were asked for.
    """

    panel: Panel
    findings: tuple[Finding, ...]
    flow: tuple[FlowStep, ...]
    sources: tuple[Source, ...]
    prices: Prices | None
    restricted: dict[str, pd.DataFrame]
    facts: dict[str, Any]
    keys: pd.Series[Any] | None = None


@dataclass(frozen=True)
class Evidence:
    """What every gate found, what became of every row, and the lines that could not be read."""

    findings: tuple[Finding, ...]
    flow: tuple[FlowStep, ...] = ()
    restricted: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def tables(self) -> dict[str, pd.DataFrame]:
        """The evidence as exact tables of the record."""
        from aaot_eval.record import quality_tables

        return quality_tables(self.findings, self.flow, self.restricted)


def run_evaluation(
    config: RunConfig, *, notify: Notify = quiet, work: Path | None = None, prepared: Prepared | None = None
) -> RunResult:
    """Everything from extracts to savings; `prepared` is what `prepare` gave, when the caller looked at it first.

    Raises the errors of `aaot_eval.errors`, each with every problem of its stage: InputError (3), DataQualityError (4),
    NotIdentifiedError (5).
    """
    from aaot_eval.costs import cost_service
    from aaot_eval.design import choose_analyses, refuse_unfit, refuse_unknown_teams
    from aaot_eval.monitoring import monitor
    from aaot_eval.record import build_record
    from aaot_eval.wording import effect_verdict

    prepared = prepared or prepare(config, notify=notify, work=work)
    panel = prepared.panel

    refuse_unknown_teams(panel, config)
    notify("Choosing the design")
    analyses, left_out = refuse_unfit(panel, choose_analyses(panel, config))

    effects = []
    for analysis in analyses:
        notify(f"Estimating {analysis.name}")
        effects.append(estimate_effect(panel, analysis, config.seed))
    verdict = effect_verdict(effects[0], panel, config)

    costs = None
    if prepared.prices is not None and panel.people is not None:
        notify("Costing outreach against care as usual")
        costs = _keyed(cost_service(panel, effects, verdict, config, prepared.prices), prepared.keys)

    monitoring = monitor(panel, effects[0].headline.outcome, config.monthly.rebase)

    findings = (*prepared.findings, *_left_out_stages(config, panel, analyses))
    skipped = [{"stage": f.where, "why": f.detail} for f in findings if f.code in ("D318", "D319")]
    skipped += [{"stage": analysis.name, "why": why} for analysis, why in left_out]
    meta = _meta(config, prepared, effects[0], skipped) | {
        "verdict": {"word": verdict.word, "sentence": verdict.sentence, "reasons": list(verdict.reasons)},
        "money": {"word": costs.verdict.word, "sentence": costs.verdict.sentence} if costs else None,
        "price_year": costs.price_year if costs else None,
        "perspective": costs.perspective if costs else None,
        "budget": costs.facts.get("budget") if costs else None,
        "invented_prices": bool(costs.facts.get("invented")) if costs else False,
        "monthly": dict(monitoring.facts),
    }
    return RunResult(
        config=config,
        effects=tuple(effects),
        verdict=verdict,
        costs=costs,
        panel=panel,
        findings=findings,
        flow=prepared.flow,
        sources=prepared.sources,
        tables=build_record(effects, verdict, costs, panel, findings, prepared.flow, config, monitoring.table)
        | Evidence((), (), prepared.restricted).tables(),
        meta=meta,
        restricted=prepared.restricted,
    )


def prepare(
    config: RunConfig,
    *,
    notify: Notify = quiet,
    work: Path | None = None,
    session: Any = None,
    keep: Path | None = None,
    add: bool = True,
    earlier: Vintage | None = None,
) -> Prepared:
    """The panel the study asks for, from an extract or from an already aggregated table, behind every data gate.

    `keep` is a folder of readings: rows of files kept by an earlier run are taken from there and, with `add`, those of new files
    added. `earlier` is what the run before saw: the months that changed since are found.
    `session` is a Spark session that the platform hands in, for a config whose engine is Spark.
    """
    with _places_as_in(config):
        if config.data.panel:
            notify("Reading the panel")
            panel = read_panel(config)
            _stop_on(Evidence(panel.findings))
            sources = tuple(panel.extra.get("sources", ()))
            return Prepared(panel, panel.findings, (), sources, None, {}, dict(panel.extra))
        return _prepare_extracts(config, notify, work, session, keep, add=add, earlier=earlier)


def _prepare_extracts(
    config: RunConfig,
    notify: Notify,
    work: Path | None,
    session: Any,
    keep: Path | None,
    *,
    add: bool,
    earlier: Vintage | None,
) -> Prepared:
    """From extracts to the panel, as `prepare` says."""
    try:
        prices = _prices(config)
    except InputError as fault:
        # Whoever mends the prices would otherwise meet what is wrong with the files only at the next try.
        raise InputError(*fault.problems, *_problems_of_files(config, notify, work, session, keep)) from None
    with _engine(config, work, session) as engine:
        notify("Reading the extracts")
        readings = _readings(config, engine, keep, add=add)
        tables = read_tables(config, engine, notify=notify, readings=readings, earlier=earlier)
        restricted = _restricted(engine, tables)
        _stop_on(Evidence(tables.findings, tables.flow, restricted))
        if prices is not None:
            notify("Pricing stays")
            tables = price_stays(tables, prices.stays, config.costs, config.quality)
        notify("Building the panel")
        panel = build_panel(tables, config)
        flow = (*tables.flow, *panel.flow)
        _stop_on(Evidence((*tables.findings, *panel.findings), flow, restricted))
        if readings is not None:
            readings.keep()
        keys = (
            _caseload_keys(engine, tables, panel) if config.output.patient_reports and tables.has("caseload") else None
        )
        described = engine.describe()
    facts = dict(panel.extra) | {"engine": described}
    findings = (*tables.findings, *panel.findings, *(prices.findings if prices is not None else ()))
    return Prepared(panel, findings, flow, tables.sources, prices, restricted, facts, keys)


def _problems_of_files(
    config: RunConfig, notify: Notify, work: Path | None, session: Any, keep: Path | None
) -> Sequence[Problem]:
    """What is wrong with the extracts as files; nothing is judged."""
    try:
        with _engine(config, work, session) as engine:
            notify("Reading the extracts")
            read_extracts(config, engine, notify=notify, readings=_readings(config, engine, keep, add=False))
    except InputError as fault:
        return fault.problems
    return ()


def _caseload_keys(engine: Any, tables: Tables, panel: Panel) -> pd.Series[Any]:
    """The key of everybody on the caseload, as given or as its keyed hash, by the panel's number of the person.

    It joins rows of patients to the caseload file. The engine numbers everybody in the extract, the panel those it follows.
    """
    persons, caseload = (tables.names[name] for name in ("persons", "caseload"))
    found = engine.frame(f"SELECT p.person, p.token FROM {persons} AS p JOIN {caseload} AS c ON c.person = p.person")
    numbers = pd.Index(panel.extra["person_numbers"])
    place = numbers.get_indexer(pd.Index(found["person"]))
    there = place >= 0
    return pd.Series(found["token"].to_numpy(dtype=object)[there], index=place[there]).sort_index()


def _keyed(costs: CostResult, keys: pd.Series[Any] | None) -> CostResult:
    """The rows of patients with the key of each, which no stage behind the engine has seen."""
    if costs.per_patient is None or keys is None:
        return costs
    rows = costs.per_patient.copy()
    at = list(rows.columns).index("person") + 1
    rows.insert(at, "person_key", keys.loc[rows["person"]].to_numpy())
    return replace(costs, per_patient=rows)


def _prices(config: RunConfig) -> Prices | None:
    """The prices of a study with costs; what they bring in is not loaded for a study without."""
    if not config.costs:
        return None
    from aaot_eval.costs import load_prices

    return load_prices(config)


def read_only(
    config: RunConfig, *, notify: Notify = quiet, work: Path | None = None, keep: Path | None = None
) -> Extracts:
    """The extracts read, every line accounted for, and nothing judged; the engine is closed when this returns.

    `keep` is a folder of readings that are taken and not added to.
    """
    with _places_as_in(config), _engine(config, work) as engine:
        notify("Reading the extracts")
        return read_extracts(config, engine, notify=notify, readings=_readings(config, engine, keep, add=False))


@contextmanager
def _places_as_in(config: RunConfig) -> Iterator[None]:
    """Whatever refuses inside names files as the config does."""
    try:
        yield
    except AaotEvalError as fault:
        fault.retell(config.placed)
        raise


def _readings(config: RunConfig, engine: Any, keep: Path | None, *, add: bool) -> KeptReadings | None:
    """The readings kept in a folder, as a run may use them; None where nothing may be kept or there is nothing to take."""
    if keep is None or not config.output.cache:
        return None
    limit = config.output.cache_bytes
    return KeptReadings(keep, engine.folder / "kept", owner=config.name, limit=limit, add=add)


def estimate_effect(panel: Panel, analysis: Analysis, seed: int) -> Effect:
    """One analysis with its checks; only the primary's own estimate carries `primary`."""
    from aaot_eval.checks import CHECKS
    from aaot_eval.estimators import build_estimator

    estimator = build_estimator(analysis.estimator, dict(analysis.options))
    first, *others = estimator.fit(panel, analysis, seed=seed)
    estimates = (replace(first, primary=analysis.primary), *(replace(e, primary=False) for e in others))
    checks = tuple(CHECKS[name]().run(estimator, panel, analysis, estimates[0], seed=seed) for name in analysis.checks)
    return Effect(analysis, estimates, checks)


@contextmanager
def _engine(config: RunConfig, work: Path | None, session: Any = None) -> Iterator[Any]:
    home = work or (config.path(config.output.work) if config.output.work else config.path(config.output.runs))
    home.mkdir(parents=True, exist_ok=True)
    # Beside the runs and never in the system's temporary folder: spill files hold rows of patients.
    with tempfile.TemporaryDirectory(prefix=".work_", dir=home, ignore_cleanup_errors=True) as folder:
        asked = config.engine
        engine = open_engine(
            asked.name, Path(folder), memory=config.output.memory, address=asked.address, folder=asked.folder,
            options=asked.options, session=session,
        )  # fmt: skip
        try:
            yield engine
        finally:
            engine.close()


def _restricted(engine: Any, tables: Tables) -> dict[str, pd.DataFrame]:
    """The exact tables that never leave: lines that could not be read, and counts by site and month."""
    found = dict(tables.summaries)
    if tables.has("rejects"):
        found["rejects"] = rejected(engine)
    return found


def _stop_on(evidence: Evidence) -> None:
    stops = [f for f in evidence.findings if f.level == "stop"]
    if stops:
        fault = DataQualityError(
            *[Problem(f.code, f.kind.title, where=f.where, allowed=f.detail, do=f.do) for f in stops]
        )
        fault.evidence = evidence
        raise fault


def _left_out_stages(config: RunConfig, panel: Panel, analyses: Sequence[Analysis]) -> list[Finding]:
    if panel.people is None:
        skipped = Finding("D318", "patients and costs", detail="the input is an aggregated panel: it holds no people")
        return [skipped, *_idle_columns(config, analyses)]
    parts = {
        "costs": ("[costs]", config.costs is None),
        "caseload": ("[data] caseload", config.data.caseload is None),
        "sites": ("[data] sites", config.data.sites is None),
        "entry-rule comparison": ("[study] entry_rule", not config.study.entry_rule),
    }
    return [
        Finding("D319", part, detail=f"{key} is not in the config") for part, (key, absent) in parts.items() if absent
    ]


def _idle_columns(config: RunConfig, analyses: Sequence[Analysis]) -> list[Finding]:
    """Columns of an aggregated panel that no estimate uses, or that the primary does not use though others do."""
    from aaot_eval.estimators import ESTIMATORS

    adjusted = {c for a in analyses for c in a.options.get("covariates", ())}
    told = []
    for column, role in ((config.panel.cluster, "cluster"), (config.panel.weight, "weight")):
        users = [a for a in analyses if role in getattr(ESTIMATORS[a.estimator], "panel_columns", ())]
        if column and not users:
            told.append(column)
        elif column and not any(a.primary for a in users):
            told.append(f"{column} ({role} of {', '.join(a.name for a in users)}; the primary is made without it)")
    told += [c for c in config.panel.covariates if c not in adjusted]
    return [Finding("D346", "panel", detail=f"columns: {', '.join(told)}")] if told else []


def _meta(config: RunConfig, prepared: Prepared, primary: Effect, skipped: list[dict[str, str]]) -> dict[str, Any]:
    panel, estimate = prepared.panel, primary.headline
    labels = panel.periods["label"]
    return {
        "title": config.title or config.name,
        "name": config.name,
        "version": __version__,
        "seed": config.seed,
        "engine": "panel file" if config.data.panel else config.engine.name,
        "engine_version": prepared.facts.get("engine"),
        "data_cut": str(labels.iloc[-1]),
        "first_period": str(labels.iloc[0]),
        "last_period": str(labels.iloc[-1]),
        "period_kind": panel.frequency,
        "profile": config.disclosure.profile,
        "primary": {
            "analysis": primary.analysis.name,
            "outcome": estimate.outcome,
            "outcome_title": panel.outcome(estimate.outcome).title,
            "estimand": estimate.estimand,
            "design": estimate.design,
            "reason": primary.analysis.reason,
            "status": estimate.status,
        },
        "starts": [
            {"unit": u, "period": str(labels.iloc[int(panel.units["start_t"][u])])} for u in panel.treated_units
        ],
        "entry_rule": panel.extra.get("cohort_rule", {}).get("words") or config.study.entry_rule,
        "counting": None
        if config.data.panel
        else {
            "spell_rule": config.study.spell_rule,
            "stay_rule": config.study.stay_rule,
            **config.counting.model_dump(mode="json"),
        },
        "smallest_effect": config.study.smallest_effect,
        "skipped": skipped,
        "sources": [{"table": s.table, "name": s.name, "rows": s.rows, "sha256": s.sha256} for s in prepared.sources],
        "artificial_data": bool(prepared.facts.get("artificial", False)),
    }
