"""The objects that stages hand to one another. Each is frozen and refuses to be built wrong."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.findings import Finding

if TYPE_CHECKING:
    from aaot_eval.engine import Engine

Design = Literal["sites", "patients", "series", "controlled_series", "entry_rule", "own_cohorts", "risk_set", "trial"]
Scale = Literal["rate_ratio", "rate_difference", "ratio", "difference", "currency"]
ConfMethod = Literal[
    "wald_t", "wald_normal", "satterthwaite_t", "randomisation", "random_effects_t", "profile", "bootstrap", "none"
]
Status = Literal["ok", "no_finite_interval", "not_estimable", "monitoring_only", "not_run"]
CheckVerdict = Literal["pass", "warn", "fail", "not_evaluable"]
BESIDE = " beside"
"""The `group` of a unit shown beside the others. Texts of a file are stripped, so none can be taken for it."""

ESTIMATE_COLUMNS = (
    "analysis",
    "unit",
    "design",
    "estimator",
    "outcome",
    "estimand",
    "scale",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "conf_level",
    "conf_method",
    "p_value",
    "p_least",
    "n_units",
    "n_treated",
    "n_periods",
    "n_obs",
    "n_people",
    "inference",
    "primary",
    "status",
    "note",
)


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """The one source of random numbers: the same seed and purpose give the same draws, whatever else ran before."""
    words = [zlib.crc32(str(p).encode()) for p in purpose]
    return np.random.default_rng([seed, *words])


@dataclass(frozen=True, slots=True)
class Source:
    """One input file as it was read."""

    table: str
    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One line of the flow of inclusion: what was there, what left and why. `kept` + `lost` = what came in."""

    table: str
    step: str
    kept: int
    lost: int
    kept_people: int | None = None
    lost_people: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Vintage:
    """What an earlier run of a study saw: its name, records by `site` and `month` (`ingest.vintage.months_seen`), and people of the
    caseload by `site` and `month` of referral (`ingest.vintage.caseload_seen`); None when it had no caseload."""

    run: str
    months: pd.DataFrame
    caseload: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Tables:
    """The validated tables inside the engine: names and counts, never rows.

    `names` maps a logical table (`episodes`, `stays`, `attendances`, `caseload`, `sites`, `deaths`, `people`, ...) to its
    name in the engine; a table that was not given is absent. `first_month`/`last_month` bound the usable data. `summaries` are
    small tables of exact counts by site and month for the record (`months_seen`, `completeness`, `revisions`, `caseload_join`).
    """

    engine: Engine
    names: Mapping[str, str]
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]
    flow: tuple[FlowStep, ...]
    sources: tuple[Source, ...]
    first_month: pd.Period
    last_month: pd.Period
    summaries: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def has(self, table: str) -> bool:
        """Whether the table was given."""
        return table in self.names


@dataclass(frozen=True, slots=True)
class OutcomeSpec:
    """One counted or measured quantity of the panel."""

    name: str
    title: str
    kind: Literal["count", "share", "continuous", "cost"] = "count"
    event: str = "admissions"


@dataclass(frozen=True)
class Panel:
    """Everything the estimators read.

    periods       one row per period, index t = 0..T-1: `label` (text), `start` (Timestamp or NaT), `days`, `season`
                  (1..season_length), `clock` (integer calendar number: gaps in it are gaps in time), `left_out` (bool)
    units         index `unit`: `start_t` and `stop_t` (Int64, <NA> = never; a start beyond the last period is planned),
                  `population`, `beds`, `group`. A unit shown beside the others has the group `beside` and no `start_t`: its
                  start is in `extra["beside_start_t"]`, and it counts neither as treated nor as comparison
    cells         one row per unit and period, sorted by (unit, t), balanced: `unit`, `t`, `exposure` (person-years; 1 when
                  none was given), `treated` (bool), `missing` (bool), each outcome, and `<outcome>_persons` (distinct
                  people behind the count, for disclosure control; <NA> when the input was aggregated). A missing cell
                  holds NaN, never zero. From an extract also `in_part` (bool): missing because only a part of a newest month was sent
    people        None when the input was aggregated; index `person` (dense integer): `unit` (home hospital), `referral_t`,
                  `ended_t`, `death_t` (Int64, <NA> = never), `sex`, `age`; from an extract also `team` (site of the
                  caseload), `linked` (bool: the extract holds an admission of the person) and `contact_t` (first contact
                  with the team, else the start of work)
    person_cells  one row per person and period, sorted by (person, t), balanced: `person`, `t`, each patient outcome and,
                  when prices were given, `hospital_cost`; periods after death hold zeros and are never at risk
    """

    frequency: Literal["month", "quarter", "year", "integer"]
    season_length: int
    periods: pd.DataFrame
    units: pd.DataFrame
    cells: pd.DataFrame
    outcomes: tuple[OutcomeSpec, ...]
    people: pd.DataFrame | None = None
    person_cells: pd.DataFrame | None = None
    exposure_unit: str = "person-years"
    findings: tuple[Finding, ...] = ()
    flow: tuple[FlowStep, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_t, n_u = len(self.periods), len(self.units)
        if len(self.cells) != n_t * n_u:
            raise ValueError(f"panel is not balanced: {len(self.cells)} cells for {n_u} units x {n_t} periods")
        in_order = self.cells["t"].to_numpy().reshape(n_u, n_t) == np.arange(n_t)
        by_unit = self.cells["unit"].to_numpy().reshape(n_u, n_t)
        if not in_order.all() or not (by_unit == by_unit[:, :1]).all() or set(by_unit[:, 0]) != set(self.units.index):
            raise ValueError("the cells of a panel are sorted by unit and period, every unit once")
        if not (self.cells["exposure"].dropna() > 0).all():
            raise ValueError("panel has a cell without exposure")
        for outcome in self.outcomes:
            if outcome.name in self.cells and outcome.kind == "count" and (self.cells[outcome.name].dropna() < 0).any():
                raise ValueError(f"panel has a negative count of {outcome.name}")
        if (self.people is None) != (self.person_cells is None):
            raise ValueError("people and person_cells come together")

    def matrix(self, column: str) -> np.ndarray:
        """A column of `cells` as units x periods, in the order of `units`."""
        values = self.cells[column]
        if pd.api.types.is_extension_array_dtype(values.dtype):
            flat = values.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        else:
            flat = values.to_numpy()
        n_t = len(self.periods)
        order = pd.Index(self.cells["unit"].to_numpy()[::n_t]).get_indexer(self.units.index)
        return np.asarray(flat.reshape(-1, n_t)[order])

    def person_matrix(self, column: str) -> np.ndarray:
        """A column of `person_cells` as people x periods, in the order of `people`."""
        if self.people is None or self.person_cells is None:
            raise ValueError("this panel has no people")
        return self.person_cells[column].to_numpy().reshape(len(self.people), len(self.periods))

    def outcome(self, name: str) -> OutcomeSpec:
        """The outcome of that name."""
        for spec in self.outcomes:
            if spec.name == name:
                return spec
        raise KeyError(name)

    @property
    def treated_units(self) -> list[str]:
        """The units that start inside the panel, in order."""
        start = self.units["start_t"].to_numpy(dtype=float, na_value=math.nan)
        return [str(u) for u, t in zip(self.units.index, start, strict=True) if t < len(self.periods)]

    @property
    def comparison_units(self) -> list[str]:
        """The units that never start inside the panel, in order; units shown beside the others are none of them."""
        treated = set(self.treated_units)
        named = zip(self.units.index, self.units["group"].to_numpy(), strict=True)
        return [str(u) for u, group in named if group != BESIDE and u not in treated]


@dataclass(frozen=True, slots=True)
class Analysis:
    """One estimate asked for: which estimator, on which outcome, with which options, and why it was chosen."""

    name: str
    design: Design
    estimator: str
    outcome: str
    primary: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    checks: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Estimate:
    """One effect. Ratios are stored as ratios; `std_error` of a ratio is on the log scale.

    An interval without an end is empty (NaN) with status `no_finite_interval`. `p_least` is the least p the design can reach;
    `drawn` is the number of assignments it comes from where they were drawn at random, None where all there are were gone through.
    `series` is what a chart of this estimate needs: `unit, t, phase, observed, persons, exposure, fitted,
    expected, expected_low, expected_high` (expected = without the service). `tables` holds the method's own tables by
    name; `facts` holds numbers that sentences use. `confidence` maps uniform draws to draws of the estimate, from the
    same inference as the interval (None when there is no finite interval). `windows` holds what an estimate over people
    was made from, one row for each person, era and launch: `person`, `unit`, `launch`, `service` and `after` (bool), `months` at risk and
    `total` of the outcome; it never leaves. `scores` holds the first-order part of each person in the log of a ratio (`person`,
    `unit`, `service` (bool), `score`; the parts of an arm add up to 0), where the estimate is a ratio of money over people; it never leaves.
    """

    analysis: str
    design: str
    estimator: str
    outcome: str
    estimand: str
    scale: Scale
    estimate: float
    unit: str = ""
    std_error: float = math.nan
    conf_low: float = math.nan
    conf_high: float = math.nan
    conf_level: float = 0.95
    conf_method: ConfMethod = "none"
    p_value: float = math.nan
    p_least: float = math.nan
    drawn: int | None = None
    n_units: int = 0
    n_treated: int = 0
    n_periods: int = 0
    n_obs: int = 0
    n_people: int | None = None
    inference: str = ""
    primary: bool = False
    status: Status = "ok"
    note: str = ""
    series: pd.DataFrame | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    confidence: Draws | None = None
    windows: pd.DataFrame | None = None
    scores: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        if not self.estimand:
            raise ValueError(f"estimate {self.analysis!r} does not say what it estimates")
        for name in ("conf_low", "conf_high", "std_error", "estimate"):
            if math.isinf(getattr(self, name)):
                raise ValueError(f"{name} of {self.analysis!r} is infinite; leave it empty and set the status")
        if self.finite and not self.conf_low <= self.estimate <= self.conf_high:
            raise ValueError(f"the interval of {self.analysis!r} does not hold its estimate")

    @property
    def finite(self) -> bool:
        """Whether both ends of the interval exist."""
        return not (math.isnan(self.conf_low) or math.isnan(self.conf_high))

    @property
    def null(self) -> float:
        """The value that means no effect on this scale."""
        return 1.0 if self.scale in ("rate_ratio", "ratio") else 0.0

    @property
    def direction(self) -> Literal["lower", "higher", "unclear"]:
        """Where the whole interval lies; unclear without a finite interval."""
        if self.status == "ok" and self.finite:
            if self.conf_high < self.null:
                return "lower"
            if self.conf_low > self.null:
                return "higher"
        return "unclear"

    def row(self) -> dict[str, Any]:
        """The estimate as one row of the tidy table."""
        return {c: getattr(self, c) for c in ESTIMATE_COLUMNS}


class Draws(Protocol):
    """Turns uniform draws in (0, 1) into draws of an estimate (same shape), keeping its inference."""

    def __call__(self, uniform: np.ndarray) -> np.ndarray:
        """The draws."""
        ...


@dataclass(frozen=True)
class CheckResult:
    """One check of one analysis: what was found, in one word, one table and one sentence."""

    check: str
    analysis: str
    verdict: CheckVerdict
    sentence: str
    statistic: float = math.nan
    value_name: str = ""
    threshold: str = ""
    p_value: float = math.nan
    table: pd.DataFrame | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sentence:
            raise ValueError(f"check {self.check!r} has a verdict without a sentence")


@dataclass(frozen=True)
class Effect:
    """One analysis with its estimates (the first one answers it; more when it is done unit by unit) and its checks."""

    analysis: Analysis
    estimates: tuple[Estimate, ...]
    checks: tuple[CheckResult, ...] = ()

    def __post_init__(self) -> None:
        if not self.estimates:
            raise ValueError(f"analysis {self.analysis.name!r} has no estimate")
        if self.analysis.primary and not self.checks:
            raise ValueError(f"the primary analysis {self.analysis.name!r} has no checks")

    @property
    def headline(self) -> Estimate:
        """The estimate that answers the analysis."""
        return self.estimates[0]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be said, decided once; every sentence of the report is made from it.

    `word` is one of: lower, lower_but, higher, higher_but, no_effect, cannot_tell, too_early, no_estimate.
    `claim` is True only for `lower` and `higher`. `caveat` is the half-sentence with which a claim is qualified, and with
    which a saving that rests on the same comparison is qualified too; empty without one.
    """

    word: str
    sentence: str
    reasons: tuple[str, ...] = ()
    caveat: str = ""

    @property
    def claim(self) -> bool:
        """Whether a change because of the service is claimed."""
        return self.word in ("lower", "higher")


@dataclass(frozen=True)
class CostResult:
    """AAOT against care as usual, per patient-year on the caseload, in one price year.

    tables: `service_cost`, `saving` (one row per rung of the ladder, the headline marked), `cost_waterfall`, `unit_costs`.
    `per_patient` holds people: it never leaves `restricted/`. `verdict` is the money sentence.
    """

    tables: Mapping[str, pd.DataFrame]
    verdict: Verdict
    price_year: str
    perspective: str
    per_patient: pd.DataFrame | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResult:
    """Everything one evaluation found.

    `tables` are exact and have the columns of `data_schemas/release/`; `aaot_eval.disclosure.control` makes of them what
    may leave. `restricted` holds further tables that never leave (rejected rows, panels).
    """

    config: RunConfig
    effects: tuple[Effect, ...]
    verdict: Verdict
    costs: CostResult | None
    panel: Panel
    findings: tuple[Finding, ...]
    flow: tuple[FlowStep, ...]
    sources: tuple[Source, ...]
    tables: Mapping[str, pd.DataFrame]
    meta: Mapping[str, Any]
    restricted: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def primary(self) -> Effect:
        """The primary effect."""
        return next(e for e in self.effects if e.analysis.primary)

    def estimates(self) -> pd.DataFrame:
        """All estimates, one tidy row each, the primary first."""
        return estimates_table(self.effects)


@dataclass(frozen=True)
class Release:
    """What may leave: tables after disclosure control, and facts about the run. The report reads nothing else."""

    tables: Mapping[str, pd.DataFrame]
    meta: Mapping[str, Any]
    hidden: Mapping[str, int]
    profile: str


def estimates_table(effects: Sequence[Effect]) -> pd.DataFrame:
    """All estimates of all effects as one tidy frame, the primary first."""
    ordered = sorted(effects, key=lambda e: not e.analysis.primary)
    return pd.DataFrame([est.row() for e in ordered for est in e.estimates], columns=list(ESTIMATE_COLUMNS))
