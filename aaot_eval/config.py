"""What a study asks for: TOML text in, a frozen `RunConfig` out, or every problem at once.

The JSON Schema of this model is published as `data_schemas/config.schema.json` so that editors complete and check a config.
"""

from __future__ import annotations

import difflib
import glob
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from aaot_eval.entry_rules import Condition, parse_rule
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import LIMITS, WARNED_BEFORE
from aaot_eval.schema import disclosure_profiles

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,60}$"
#: Names that Windows keeps for devices; a study's name is that of a folder.
RESERVED_NAME = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)
ANALYSIS_PATTERN = r"^[a-z0-9_]+$"
YEAR_PATTERN = r"^\d{4}/\d{2}$"
#: An entry rule beyond these is a slip of the pen: nobody is looked back on for longer, or admitted that often.
MOST_ADMISSIONS = 100
MOST_LOOK_BACK = 60
#: Less than this, and the engine cannot sort one month of a trust.
LEAST_MEMORY_MB = 100
#: No public appraisal discounts at 20 % a year: such a rate was written in per cent.
MOST_DISCOUNT = 0.2
MOST_WORTH = 1e7  # pounds for one unit of outcome; beyond it is a slip
#: Outcomes that need more than stays: fractions of diagnoses, and what came before a stay.
ATTRIBUTABLE_OUTCOMES = frozenset({"alcohol_broad", "alcohol_narrow", "alcohol_narrow_main"})
READMISSION_OUTCOMES = frozenset({"readmissions", "readmission_share"})
MEGABYTES = {"MB": 1, "GB": 1000, "TB": 1_000_000, "MIB": 1.048576, "GIB": 1073.741824, "TIB": 1_099_511.627776}

#: What `\n` and `\t` of a Windows path in double quotes become, and how to write it.
CONTROL = re.compile(r"[\x00-\x1f]")
FOLDERS = r"write folders with / (C:/data/apc.csv), or in single quotes ('C:\data\apc.csv')"


def _plain_path(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError(f"the path holds a line end, tab or the like; {FOLDERS}")
    return text


FilePath = Annotated[str, AfterValidator(_plain_path)]
Files = FilePath | list[FilePath]
PeriodText = Annotated[
    str | int | date, Field(description="a month (2024-04), quarter (2024Q2), year or plain integer")
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind not in (bool, Any):
            raise ValueError("true and false are no value for this key")
        return value


Part = _Part  # the base of every record that is read from TOML


class PersonKey(_Part):
    """A local or NHS number that becomes a keyed hash in the first step; never used without a secret."""

    column: str = Field(
        description="column of the number in your files, such as NHS_NUMBER; the same in every file that holds people"
    )
    secret_file: FilePath = Field(
        description="file with the secret of at least 16 characters; kept apart from the data and never copied"
    )


class DataConfig(_Part):
    """Which files are read. A table left out removes its stage, and the report says so."""

    admissions: Files | None = Field(None, description="hospital admission extract; names may hold * and ?")
    attendances: Files | None = Field(None, description="emergency department attendances")
    deaths: Files | None = Field(None, description="date of death by person")
    activity: Files | None = Field(
        None, description="other priced care: person, date, item, quantity (ambulance, outpatients, bed days elsewhere)"
    )
    caseload: Files | None = Field(None, description="person, site, referred, ended, reason")
    sites: Files | None = Field(None, description="site, go_live (blank = never), population, beds")
    contacts: Files | None = Field(None, description="person, contact_date, site, kind, staff, minutes")
    denominators: Files | None = Field(None, description="site, valid_from, population, beds, where they change")
    providers: Files | None = Field(None, description="old_code, new_code, from: codes that another replaced")
    opt_out: Files | None = Field(
        None, description="keys of people whose rows leave every file first; hashed with the same secret"
    )
    panel: Files | None = Field(None, description="an already aggregated panel, instead of an extract")
    formats: dict[str, str] = Field(
        default_factory=dict, description="format by table, when it shall not be recognised from the header"
    )
    columns: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="by table: our column name = the name in your file"
    )
    dates: dict[str, str] = Field(
        default_factory=dict, description="by table: how dates are written, e.g. DD/MM/YYYY, when it is ambiguous"
    )
    person_key: PersonKey | None = Field(
        None, description="where people are named by a local or NHS number: its column and the secret it is hashed with"
    )
    complete_to: date | None = Field(
        None, description="last day on which the extract is complete; default: the last whole month in it"
    )
    extracted: date | None = Field(None, description="day on which the extract was made; with maturity_days")
    maturity_days: int | None = Field(
        None, ge=0, le=400, description="a month counts when it ended at least so many days before `extracted`"
    )
    frozen_to: date | None = Field(
        None, description="last day that no later submission can change (freeze); the months after it are flex"
    )
    flex: Literal["keep", "leave_out"] = Field("keep", description="what becomes of the flex months")
    one_off_keys: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]] = Field(
        default_factory=list, description="how person keys begin that the source makes for one record alone"
    )

    @model_validator(mode="after")
    def _one_kind_of_input(self) -> DataConfig:
        if self.panel and self.admissions:
            raise ValueError("give either admissions (an extract) or panel (already aggregated), not both")
        if not self.panel and not self.admissions:
            raise ValueError("give admissions (an extract) or panel (an already aggregated table)")
        if (self.extracted is None) != (self.maturity_days is None):
            raise ValueError(
                "extracted and maturity_days go together: the day of the extract, and how long a month takes"
            )
        if self.flex == "leave_out" and self.frozen_to is None:
            raise ValueError('flex = "leave_out" needs frozen_to, the last day that no later submission can change')
        if self.one_off_keys and self.person_key:
            raise ValueError("one_off_keys cannot be told once keys are hashed: blank such keys in the extract instead")
        return self


class PanelConfig(_Part):
    """The columns of an already aggregated panel."""

    unit: str = Field("unit", description="column that names the unit, such as a hospital")
    period: str = Field("period", description="column of the period")
    frequency: Literal["month", "quarter", "year", "integer"] = Field(
        "month", description="how long a period is; integer: numbered periods without a calendar"
    )
    outcomes: dict[str, Literal["count", "share", "continuous"]] = Field(
        default_factory=dict, description="column = kind; empty: every numeric column that has no other role, as counts"
    )
    exposure: str | None = Field(None, description="denominator column; days in the period always count")
    cluster: str | None = Field(
        None, description="column of the clusters that standard errors allow for; default: the unit"
    )
    weight: str | None = Field(None, description="column of the weight of each row; default: all alike")
    covariates: list[str] = Field(default_factory=list, description="columns that an estimate may adjust for")
    group: str | None = Field(None, description="column that groups units, such as a region")
    start: str | None = Field(None, description="column with the unit's first period of the service; blank = never")
    beside: list[str] = Field(
        default_factory=list, description="units shown beside the others and never pooled or compared with them"
    )


class TrialConfig(_Part):
    """Allocation by chance: which arms there are, what was allocated and how; needed by [study] design = "trial"."""

    service: str = Field("service", min_length=1, description="the arm in the caseload that was offered the service")
    usual_care: str = Field("usual care", min_length=1, description="the arm that was not")
    unit: Literal["person", "site"] = Field("person", description="what was allocated: each person, or whole sites")
    allocation: str = Field(
        min_length=10,
        description="how chance decided (random numbers, envelopes, blocks), who held the list, and the registration",
    )
    ratio: float = Field(1.0, gt=0, description="people planned for the service for each one for usual care")

    @model_validator(mode="after")
    def _two_arms(self) -> TrialConfig:
        if self.service.casefold() == self.usual_care.casefold():
            raise ValueError("service and usual_care are the same arm")
        return self


class StudyConfig(_Part):
    """What is estimated, from when to when."""

    design: Literal["by_rule", "trial"] = Field(
        "by_rule", description="trial: people or sites were allocated by chance, as [trial] says; else chosen by rule"
    )
    outcome: str = Field("alcohol_specific_emergency", description="the primary outcome, on which the answer rests")
    also: list[str] = Field(default_factory=list, description="secondary outcomes")
    entry_rule: str | None = Field(
        None,
        description='"4 admissions in 12 months", "4 emergency admissions or 6 attendances in 12 months", or "unknown": searched for',
    )
    first_period: PeriodText | None = Field(
        None, description="first period used; default: the first complete one of the data"
    )
    last_period: PeriodText | None = Field(
        None, description="last period used; default: the last complete one of the data"
    )
    service_start: PeriodText | None = Field(None, description="one start for all treated units of a panel")
    starts: dict[str, PeriodText] = Field(default_factory=dict, description="start by unit, where they differ")
    comparison: list[str] = Field(default_factory=list, description="units of a panel that never start")
    interruptions: list[PeriodText] = Field(
        default_factory=list, description="further dates at which the level may change"
    )
    stop: PeriodText | None = Field(None, description="last period of a service that closed")
    phase_in: int = Field(0, ge=0, le=24, description="periods after the start left out; calendar time is kept")
    left_out: list[PeriodText] = Field(default_factory=list, description="periods left out; calendar time is kept")
    phase_in_ramp: bool = Field(
        False, description="series: the service grows over the phase-in instead of it being left out"
    )
    slope: bool = Field(False, description="also a change of slope, declared beforehand")
    window: list[PeriodText] = Field(
        default_factory=list,
        max_length=2,
        description="series: first and last period over which averted events are counted; empty: all with the service",
    )
    follow_up_months: int = Field(
        12, ge=3, le=60, description="how long people are followed after they met the entry rule"
    )
    spell_rule: Literal["hf", "york", "sus", "smr"] = Field(
        "hf", description="how episodes become a spell with one provider (docs/counting.md)"
    )
    stay_rule: Literal["hf", "nhsd", "york", "smr"] = Field(
        "hf", description="how spells with transfers between them become one stay (docs/counting.md)"
    )
    smallest_effect: float = Field(0.10, gt=0, lt=1, description="smallest change worth having, as a share")
    conf_level: float = Field(0.95, gt=0.5, lt=1, description="level of every interval, as a share")

    @field_validator("entry_rule")
    @classmethod
    def _rule_reads(cls, text: str | None) -> str | None:
        if text and text != "unknown" and not parse_entry_rule(text):
            parse_rule(text)
        count, months = parse_entry_rule(text or "") or (1, 1)
        if count > MOST_ADMISSIONS or months > MOST_LOOK_BACK:
            raise ValueError(
                f"1 to {MOST_ADMISSIONS} admissions in 1 to {MOST_LOOK_BACK} months are allowed; this asks for {count} in {months}"
            )
        return text


Code = Annotated[str, Field(pattern=r"^[A-Z][0-9]{2}(\.?[0-9])?$")]


class CohortConfig(_Part):
    """Who can meet the entry rule at all, beside the counts that the rule asks for."""

    age_from: int | None = Field(None, ge=0, le=120, description="least age at the first admission in the data")
    age_to: int | None = Field(None, ge=0, le=120, description="largest age at the first admission in the data")
    sites: list[str] = Field(default_factory=list, description="home hospitals; empty: all units")
    codes: list[Code] = Field(
        default_factory=list, description='ICD-10 codes of "listed admissions" in the rule, such as K70 or F10.2'
    )
    exclude_codes: list[Code] = Field(
        default_factory=list, description="nobody enters from the month of an admission with one of these on"
    )

    @model_validator(mode="after")
    def _ages_in_order(self) -> CohortConfig:
        if self.age_from is not None and self.age_to is not None and self.age_from > self.age_to:
            raise ValueError(f"age_from {self.age_from} lies above age_to {self.age_to}")
        return self


class CountingConfig(_Part):
    """Choices of the field about what is counted and when; the defaults are those of the record of decisions."""

    positions: int = Field(20, ge=1, le=20, description="diagnosis positions looked at; 6 as in Scotland")
    code_list: str | None = Field(
        None, description="own list in place of the alcohol-specific codes: a CSV, column icd10"
    )
    date_by: Literal["admission", "discharge"] = Field("admission", description="which date puts a stay in its month")
    fractions: Literal["stays", "lape"] = Field(
        "stays", description="attributable outcomes: of stays by admission, or of first finished episodes by their end"
    )
    readmission_days: int = Field(30, ge=1, le=365, description="days 0 to this less one after the discharge")
    days: Literal["calendar", "working"] = Field("calendar", description="what a month is as long as")
    nation: Literal["england_wales", "scotland"] = Field("england_wales", description="whose bank holidays")
    extra_holidays: list[date] = Field(default_factory=list, description="single holidays that no rule knows")


class AnalysisConfig(_Part):
    """One analysis, for researchers; without any, the design is chosen by rule."""

    name: str = Field(pattern=ANALYSIS_PATTERN, description="its name in tables: small letters, digits and _")
    estimator: str = Field(description="one of those that `aaot-eval explain` lists")
    outcome: str | None = Field(None, description="default: the primary outcome of [study]")
    primary: bool = Field(False, description="whether the answer rests on it")
    options: dict[str, Any] = Field(
        default_factory=dict, description="settings of the estimator; `aaot-eval explain` with its name lists them"
    )
    checks: list[str] | None = Field(None, description="default: every check that fits the design")

    @model_validator(mode="after")
    def _answer_is_checked(self) -> AnalysisConfig:
        if self.primary and self.checks == []:
            raise ValueError(
                f"the primary analysis {self.name!r} needs at least one check: leave `checks` out for every one that fits"
            )
        return self


class BudgetConfig(_Part):
    """Whose budget changes, over how many years: assumptions for the budget impact, none of them a result."""

    years: int = Field(3, ge=1, le=5, description="how many years the budget is shown for")
    funder: Literal["commissioner", "provider"] = Field("commissioner", description="who pays for the service")
    fill: list[Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=list,
        max_length=5,
        description="share of the planned caseload in year 1, 2, ...; the last holds on; default: full",
    )
    variable_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of hospital cost that the provider no longer spends when an admission does not happen; empty = not entered",
    )
    activity_paid_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of the price that the commissioner no longer pays; 0 under a fixed payment; empty = not entered",
    )


QALY_WORTH = (20_000.0, 25_000.0, 30_000.0, 35_000.0)
"""What NICE has used for a QALY, and the range in force for appraisals of medicines (docs/methods/net_benefit.md)."""
QALY_SHIFTS = (-0.05, -0.1)


class OutcomeConfig(_Part):
    """What the money is set against, beside the saving: net benefit, plane, acceptability, value of information."""

    kind: Literal["admission_avoided", "alive_day", "qaly"] = Field(description="one unit of what the money buys")
    thresholds: list[float] | None = Field(
        None,
        validate_default=True,
        description="what one unit of outcome is worth, in pounds; default 20,000, 25,000, 30,000 and 35,000 for a QALY and none "
        "for the others, which have no accepted value",
    )
    utilities: str | None = Field(None, description="for qaly: a table of person, arm, day, utility with its source")
    horizon_days: int = Field(365, ge=30, le=1100, description="for qaly: the day up to which the utilities count")
    missing: Literal["refuse", "complete_cases", "impute"] = Field(
        "refuse", description="for qaly: what to do when an assessment is missing while the person was alive"
    )
    missing_shifts: list[Annotated[float, Field(ge=-1, le=1)]] | None = Field(
        None,
        max_length=4,
        description="for qaly with impute: by how much imputed utilities are shifted, should they not be missing at random; "
        "default -0.05 and -0.1",
    )

    @field_validator("thresholds")
    @classmethod
    def _positive_and_rising(cls, values: list[float] | None, info: ValidationInfo) -> list[float]:
        if values is None:
            return list(QALY_WORTH) if info.data.get("kind") == "qaly" else []
        if any(not 0 < v <= MOST_WORTH for v in values) or sorted(set(values)) != list(values):
            raise ValueError("write values above 0, the lowest first and each once, such as [20000, 30000]")
        return values

    @model_validator(mode="after")
    def _utilities_for_qalys(self) -> OutcomeConfig:
        if self.kind == "qaly" and not self.utilities:
            raise ValueError("qaly needs utilities = the file with them; QALYs are never made up")
        if self.missing_shifts is not None and self.missing != "impute":
            raise ValueError('missing_shifts belong to missing = "impute"')
        if any(not shift for shift in self.missing_shifts or ()):
            raise ValueError("a shift of 0 is the imputation itself; leave it out")
        if self.kind != "qaly" and {"utilities", "horizon_days", "missing"} & self.model_fields_set:
            raise ValueError(f"utilities, horizon_days and missing belong to qaly, not to {self.kind}")
        return self


class CostsConfig(_Part):
    """Prices and whose money it is."""

    unit_costs: FilePath = Field(description="CSV file: the price of each kind of care")
    programme: FilePath = Field(description="CSV file: what the team costs, and how many people it has places for")
    price_year: str = Field(pattern=YEAR_PATTERN, description="financial year that every amount is moved to")
    perspective: Literal["commissioner", "provider", "nhs_social_care", "societal"] = Field(
        description="whose costs count; every row of unit_costs has to be seen from it"
    )
    price_index: str = Field(
        "gdp_deflator", description="by what prices of other years are moved: a name or a CSV file"
    )
    basis: Literal["bed_day_and_stay", "bed_day", "tariff", "marginal"] = Field(
        "bed_day_and_stay",
        description="what a stay is priced by: short and long stays with excess days; every bed day; the HRG of each spell by "
        "point of delivery; the variable share of stays and days",
    )
    unpriced: Literal["stop", "list"] = Field(
        "stop",
        description="stays without a price stop the run, or are listed with their share and take the mean of their kind",
    )
    long_stays: Literal["admission", "pro_rated"] = Field(
        "admission", description="a stay costs in the month of admission, or in each month by its nights"
    )
    index_admission: Literal["counted", "left_out"] = Field(
        "counted", description="whether the stay during which a person was referred counts in the cost on the caseload"
    )
    discount_rate: float = Field(0.035, ge=0, description="as a share: 0.035, not 3.5")
    draws: int = Field(
        2000, ge=200, le=100_000, description="how often effect, prices and programme cost are drawn together"
    )
    outcome: OutcomeConfig | None = Field(None, description="what the money buys; left out: the saving alone")
    solve_for: float = Field(
        10470,
        gt=0,
        le=1_000_000,
        description="published saving per patient-year: which inputs would give it; never a reproduction",
    )
    budget: BudgetConfig = Field(BudgetConfig(), description="assumptions of the budget impact")

    @field_validator("discount_rate")
    @classmethod
    def _rate_is_a_share(cls, rate: float) -> float:
        if rate >= MOST_DISCOUNT:
            raise ValueError(f"{rate:g} is {100 * rate:g} % a year; write the rate as a share: 0.035, not 3.5")
        return rate


class DisclosureConfig(_Part):
    """The named rule set of the data owner."""

    profile: str = Field(
        "hes", description="which small numbers are hidden and how others are rounded, by the data owner's rules"
    )
    national: bool = Field(False, description="the figures are national totals, to which the profile does not apply")

    @field_validator("profile")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in disclosure_profiles():
            raise ValueError(f"there is no profile {name!r}; there are: {', '.join(disclosure_profiles())}")
        return name


Component = Literal[
    "small_caseload", "three_disciplines", "weekly_contact", "contact_away", "wide_focus", "twelve_months"
]
#: The six components of assertive outreach, as a national survey of services counted them
#: (Fincham-Campbell and others 2018, Alcohol and Alcoholism 53(3):277-281), in words.
COMPONENTS: dict[str, str] = {
    "small_caseload": "20 people or fewer for each worker",
    "three_disciplines": "at least three disciplines",
    "weekly_contact": "contact at least weekly",
    "contact_away": "at least half of contacts away from the service",
    "wide_focus": "health and social needs alike",
    "twelve_months": "support for 12 months",
}


class FidelityConfig(_Part):
    """Which of the six components of assertive outreach a site's team works by; a component in neither list is not stated."""

    site: str = Field(description="the site whose team it is")
    met: list[Component] = Field(default_factory=list, description="components that the team works by")
    not_met: list[Component] = Field(default_factory=list, description="components that it does not work by")
    source: str = Field(min_length=3, description="who judged it, and when")

    @model_validator(mode="after")
    def _each_once(self) -> FidelityConfig:
        named = [*self.met, *self.not_met]
        twice = sorted({c for c in named if named.count(c) > 1})
        if twice:
            raise ValueError(f"site {self.site!r} names a component twice: {', '.join(twice)}")
        return self

    @property
    def not_stated(self) -> list[str]:
        """The components that nobody judged."""
        return [c for c in COMPONENTS if c not in {*self.met, *self.not_met}]

    @property
    def level(self) -> str:
        """High (5 or 6 components met), mid (3 or 4) or low; both ends where components not stated could decide."""
        most = len(COMPONENTS) - len(self.not_met)
        levels = [next(name for name, least in FIDELITY_LEVELS.items() if n >= least) for n in (len(self.met), most)]
        return levels[0] if levels[0] == levels[1] else f"{levels[0]} to {levels[1]}"


#: The least number of components met for each level, highest first (same survey).
FIDELITY_LEVELS = {"high": 5, "mid": 3, "low": 0}


class QualityConfig(_Part):
    """Numbers that the gates ask, where a place needs others than the defaults of `aaot_eval.findings.LIMITS`."""

    thresholds: dict[str, float] = Field(
        default_factory=dict,
        description="by code of a gate: D382 = 0.2; `aaot-eval explain D382` says what it bounds, its unit and its default. There are: "
        + ", ".join(LIMITS),
    )

    @field_validator("thresholds")
    @classmethod
    def _within_limits(cls, thresholds: dict[str, float]) -> dict[str, float]:
        for code, value in thresholds.items():
            if code not in LIMITS:
                raise ValueError(f"{code} has no limit to set; these have: {', '.join(LIMITS)}")
            least, most = LIMITS[code].least, LIMITS[code].most
            if not least <= value <= most:
                raise ValueError(f"{code} = {value:g} is not between {least:g} and {most:g}")
        return thresholds

    @model_validator(mode="after")
    def _warned_before_stopped(self) -> QualityConfig:
        for warns, stops in WARNED_BEFORE:
            if self.limit(warns) > self.limit(stops):
                raise ValueError(
                    f"{warns} warns from {self.limit(warns):g} on, and {stops} stops above {self.limit(stops):g}: turn them round"
                )
        return self

    def limit(self, code: str) -> float:
        """The limit of a gate: that of the study, else the default."""
        return self.thresholds.get(code, LIMITS[code].default)


class MonthlyConfig(_Part):
    """What a scheduled rerun needs to know."""

    lag_months: int = Field(
        2, ge=0, le=12, description="the newest complete month expected is the run's month less this"
    )
    refresh: Literal["monthly", "quarterly", "yearly"] = Field(
        "quarterly", description="how often the causal headline is estimated anew; between, monitoring only"
    )


def _megabytes(size: str) -> float:
    """The megabytes of "500MB" or "1.5 GiB"; 0 when it is no size."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?) ?([KMGT]i?B)", size, re.IGNORECASE | re.ASCII)
    return float(found[1]) * MEGABYTES.get(found[2].upper(), 0) if found else 0.0


class OutputConfig(_Part):
    """Where results go and what is written."""

    runs: FilePath = Field("runs", description="folder in which every study has its own folder of runs")
    work: FilePath | None = Field(None, description="folder for engine spill files; default: beside the runs")
    memory: str | None = Field(
        None, description="memory limit of the engine, e.g. 500MB or 1GB; at least 100MB; DuckDB without: 4GB"
    )
    cache: bool = Field(True, description="keep the typed rows of each file, so that the next run reads only new files")
    cache_limit: str = Field("20GB", description="the longest unused rows kept are deleted above this size")
    patient_reports: bool = Field(
        False,
        description="one row for each person on the caseload, with the key of the caseload file, in restricted/ only",
    )
    reason: str | None = Field(None, description="why per-patient rows are needed; required with patient_reports")

    @field_validator("memory", "cache_limit")
    @classmethod
    def _memory_reads(cls, text: str | None) -> str | None:
        if _megabytes(text or "1GB") < LEAST_MEMORY_MB:
            raise ValueError(f"write a number and MB, GB or TB, such as 500MB or 1GB, and at least {LEAST_MEMORY_MB}MB")
        return text

    @property
    def cache_bytes(self) -> int:
        """The size that the rows kept may have together."""
        return int(_megabytes(self.cache_limit) * 1_000_000)

    @model_validator(mode="after")
    def _reason_given(self) -> OutputConfig:
        if self.patient_reports and not self.reason:
            raise ValueError("patient_reports needs a reason")
        return self


class EngineConfig(_Part):
    """Which database runs the steps. The default runs inside this process and needs nothing."""

    name: Literal["duckdb", "spark", "postgres"] = Field(
        "duckdb", description="the database; spark and postgres need their extra"
    )
    spark: str | None = Field(
        None, description="local[2], spark://host:7077 or sc://host:15002; default: SPARK_REMOTE, else this machine"
    )
    postgres: str | None = Field(
        None, description="env:NAME (a variable that holds the address), or service=NAME; never with a password"
    )
    folder: str | None = Field(None, description="a place that Spark's driver and all its workers reach")
    options: dict[str, str] = Field(default_factory=dict, description="Spark's own settings, by name; no secrets")

    @field_validator("spark", "postgres")
    @classmethod
    def _no_password(cls, text: str | None) -> str | None:
        if text and SECRET_IN_ADDRESS.search(text):
            raise ValueError(
                "the address holds a password or token, and a config is no secret: change it, and give the address in an "
                'environment variable (postgres = "env:NAME"; for Spark the variable SPARK_REMOTE)'
            )
        return text

    @field_validator("options")
    @classmethod
    def _no_secret(cls, options: dict[str, str]) -> dict[str, str]:
        held = sorted(key for key in options if SECRET_NAME.search(key))
        if held:
            raise ValueError(f"{', '.join(held)} would stand in the config in clear: give it in spark-defaults.conf")
        return options

    @property
    def address(self) -> str | None:
        """Where the chosen engine is."""
        return {"spark": self.spark, "postgres": self.postgres}.get(self.name)


class RunConfig(_Part):
    """One study."""

    config_version: Literal[1] = Field(description="how this file is written: always 1")
    name: str = Field(
        pattern=NAME_PATTERN,
        description="the study's short name: letters, digits, - and _; its folder under runs/ has it",
    )
    title: str | None = Field(None, description="title of the report; default: the name")
    seed: int = Field(20260401, ge=0, description="start of every random number: the same seed gives the same results")
    data: DataConfig
    panel: PanelConfig = PanelConfig()
    study: StudyConfig = StudyConfig()
    trial: TrialConfig | None = Field(None, description="allocation by chance, with [study] design = trial")
    cohort: CohortConfig | None = Field(None, description="age, area, codes and exclusions beside [study] entry_rule")
    counting: CountingConfig = CountingConfig()
    analyses: list[AnalysisConfig] = Field(default_factory=list)
    costs: CostsConfig | None = None
    fidelity: list[FidelityConfig] = Field(default_factory=list, description="how each team works, by site")
    disclosure: DisclosureConfig = DisclosureConfig()
    quality: QualityConfig = QualityConfig()
    monthly: MonthlyConfig = MonthlyConfig()
    output: OutputConfig = OutputConfig()
    engine: EngineConfig = EngineConfig()

    _home: Path = PrivateAttr(default=Path())
    _source: Path | None = PrivateAttr(default=None)

    @field_validator("name")
    @classmethod
    def _name_of_a_folder(cls, name: str) -> str:
        if RESERVED_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is the name of a device on Windows, where no folder can be called so")
        return name

    @model_validator(mode="after")
    def _one_primary(self) -> RunConfig:
        names = [a.name for a in self.analyses]
        if len(set(names)) < len(names):
            raise ValueError("two analyses have the same name")
        sites = [f.site for f in self.fidelity]
        if len(set(sites)) < len(sites):
            raise ValueError("two [[fidelity]] tables are about the same site")
        if self.analyses and sum(a.primary for a in self.analyses) != 1:
            raise ValueError("exactly one analysis must have primary = true")
        if (self.study.design == "trial") != (self.trial is not None):
            raise ValueError(
                'a trial needs both [study] design = "trial" and [trial], which says how people were allocated'
            )
        if self.trial is not None and not self.data.caseload:
            raise ValueError("a trial needs data.caseload: the list of everybody allocated, with the column arm")
        self._check_cohort()
        return self

    def _check_cohort(self) -> None:
        condition = self.cohort_rule
        if self.cohort is not None and condition is None:
            raise ValueError("[cohort] narrows [study] entry_rule, and there is none to narrow")
        kinds = {term.kind for term in condition.terms} if condition else set()
        if "listed" in kinds and not (self.cohort and self.cohort.codes):
            raise ValueError("entry_rule counts listed admissions; give their codes in [cohort] codes")
        if "ed_attendances" in kinds and not self.data.attendances:
            raise ValueError("entry_rule counts attendances; give data.attendances")

    @property
    def cohort_rule(self) -> Condition | None:
        """The entry rule as a tree of conditions, when it says more than "4 admissions in 12 months" or [cohort] narrows it."""
        text = self.study.entry_rule
        if not text or text == "unknown" or (parse_entry_rule(text) and self.cohort is None):
            return None
        return parse_rule(text)

    @property
    def outcomes_asked(self) -> frozenset[str]:
        """Every outcome that the study or an analysis names."""
        named = {self.study.outcome, *self.study.also, *(a.outcome for a in self.analyses if a.outcome)}
        return frozenset(named)

    @property
    def home(self) -> Path:
        """The folder that relative paths start from."""
        return self._home

    @property
    def source(self) -> Path | None:
        """The file the config was read from."""
        return self._source

    def path(self, text: str) -> Path:
        """A path of the config, made absolute."""
        return self._home / text

    def matching(self, text: str) -> list[Path]:
        """What a path or pattern of the config names: a path as it is, there or not; of a pattern the files, by name.

        Only the last part is a pattern: folders may have brackets in their names, and so may a file that is there.
        """
        path = self.path(text)
        if not glob.has_magic(path.name) or path.exists():
            return [path]
        return sorted(p for p in path.parent.glob(path.name) if p.is_file())

    def files(self, text: str, key: str) -> list[Path]:
        """The files that a path or pattern names. Raises InputError (X200) naming the key of the config when there are none."""
        path = self.path(text)
        found = [p for p in self.matching(text) if p.is_file()]
        if found:
            return found
        if glob.has_magic(path.name):
            raise InputError(
                Problem("X200", f"no file matches {text}", where=key, do="check the pattern and the folder")
            )
        there = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, there, n=3)
        raise InputError(
            Problem(
                "X200",
                f"there is no file {text}",
                where=key,
                allowed=f"close names in that folder: {', '.join(near)}" if near else "",
                do="check the path; relative paths start at the config's folder",
            )
        )

    def changed(self, **changes: Any) -> RunConfig:
        """A copy with some keys set, given as dotted names with __ for the dot: `study__last_period="2026-03"`."""
        data = self.model_dump(exclude_unset=True)
        for dotted, value in changes.items():
            *parents, last = dotted.split("__")
            node = data
            for part in parents:
                node = node.setdefault(part, {})
            node[last] = value
        new = RunConfig.model_validate(data)
        new._home, new._source = self._home, self._source
        return new


def parse_entry_rule(text: str) -> tuple[int, int] | None:
    """(least count, months of look-back) of "4 admissions in 12 months"; None when it does not read so."""
    found = re.fullmatch(r"\s*(\d+)(?: or more)? admissions? in (\d+) months?\s*", text)
    return (int(found[1]), int(found[2])) if found and int(found[1]) > 0 and int(found[2]) > 0 else None


def load_config(path: str | Path, *, data: str | Path | None = None) -> RunConfig:
    """The study of a TOML file. Relative paths in it start at `data`, else at the file's own folder.

    Raises InputError with every problem of the file at once.
    """
    path = Path(path)
    config = read_record(path, RunConfig)
    config._source = path.resolve()
    config._home = Path(data).resolve() if data else path.resolve().parent
    return config


Record = TypeVar("Record", bound=BaseModel)


def read_record(path: Path, model: type[Record]) -> Record:
    """A TOML file as the model says; InputError (C100 to C104) with every problem of the file at once."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = (
            difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.toml")], n=3)
            if path.parent.is_dir()
            else []
        )
        raise InputError(
            Problem(
                "C100",
                f"there is no config file {path}",
                allowed=f"close: {', '.join(near)}" if near else "",
                do="check the path, or make one with `aaot-eval init`",
            )
        ) from None
    except IsADirectoryError:
        raise InputError(
            Problem("C100", f"{path} is a folder, not a config file", do="name the .toml file in it")
        ) from None
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(
            Problem("C100", f"{path} cannot be read: {type(fault).__name__}", do="save it as UTF-8 text")
        ) from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        do = "mend the line named"
        if "\\" in str(fault) or "hex value" in str(fault):
            do = FOLDERS
        raise InputError(Problem("C101", f"{path} is not valid TOML: {fault}", do=do)) from None
    try:
        return model.model_validate(document)
    except ValidationError as fault:
        raise InputError(*[_problem(path, e, model) for e in fault.errors()]) from None


def _fields_at(location: tuple[str | int, ...], model: Any) -> list[str]:
    """The keys allowed where a location of the record points to."""
    for part in location:
        if isinstance(part, int) or not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        field = model.model_fields.get(part)
        if field is None:
            break
        annotation = field.annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        models = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
        model = models[0] if models else annotation
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _problem(path: Path, error: Any, model: type[BaseModel]) -> Problem:
    location = tuple(error["loc"])
    where = ".".join(str(p) for p in location) or "the file"
    if error["type"] == "extra_forbidden":
        allowed = _fields_at(location[:-1], model)
        near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
        return Problem(
            "C102",
            f"unknown key {where!r}",
            where=str(path),
            allowed=", ".join(allowed),
            do=f"did you mean {near[0]!r}?" if near else "remove the key, or use one that is allowed",
        )
    if error["type"] == "missing":
        return Problem("C103", f"the key {where!r} is missing", where=str(path), do=f"add {location[-1]} = ...")
    message = str(error["msg"]).removeprefix("Value error, ")
    return Problem("C104", f"{where}: {message}", where=str(path), allowed=_allowed_in_words(error), do=_mended(error))


def _mended(error: Any) -> str:
    """What to write in the place of a year or a share that is written in another way."""
    rule, given = error.get("ctx", {}), error.get("input")
    year = re.fullmatch(r"(\d{4})\D?(?:\d{2})?(\d{2})", given) if isinstance(given, str) else None
    if rule.get("pattern") == YEAR_PATTERN and year:
        return f"write {year[1]}/{year[2]}"
    if rule.get("le") == 1 and isinstance(given, int | float) and 1 < given <= 100:
        return f"shares go from 0 to 1: write {given / 100:g}"
    return "mend the value"


def _allowed_in_words(error: Any) -> str:
    """What may stand where the fault is, in words; empty when the message has said it."""
    pattern = error.get("ctx", {}).get("pattern")
    if pattern:
        return PATTERNS.get(str(pattern), str(pattern))
    choices = error.get("ctx", {}).get("expected")
    return str(choices).replace("'", "").replace(" or ", ", ") if choices else ""


#: What a config must not hold in clear.
SECRET_IN_ADDRESS = re.compile(r"\b(password|token)\s*=|^[a-z]+://[^/@\s]*:[^/@\s]*@", re.IGNORECASE)
SECRET_NAME = re.compile(r"password|secret|token|credential|access.?key", re.IGNORECASE)

#: The patterns of this module in words.
PATTERNS = {
    NAME_PATTERN: "letters a to z, digits, - and _, a letter or digit first, at most 61 characters",
    ANALYSIS_PATTERN: "small letters a to z, digits and _",
    YEAR_PATTERN: "a financial year such as 2024/25",
}


def resolved_toml(config: RunConfig) -> str:
    """The whole config as TOML, every default written out and marked `# default`."""
    import tomlkit

    def table(part: BaseModel) -> Any:
        node = tomlkit.table()
        values = {name: getattr(part, name) for name in type(part).model_fields}
        for name, value in values.items():  # plain keys first: in TOML they would else belong to the table above them
            if value is None:
                node.add(tomlkit.comment(f"{name} is not set"))
            elif not _is_table(value):
                item = tomlkit.item(value)
                if name not in part.model_fields_set:
                    item.comment("default")
                node.add(name, item)
        for name, value in values.items():
            if isinstance(value, BaseModel):
                node.add(name, table(value))
            elif isinstance(value, dict) and value:
                node.add(name, tomlkit.item(value))
            elif isinstance(value, list) and _is_table(value):
                array = tomlkit.aot()
                for part_of_list in value:
                    array.append(table(part_of_list))
                node.add(name, array)
        return node

    document = tomlkit.document()
    for key, value in table(config).items():
        document.add(key, value)
    return tomlkit.dumps(document)


def _is_table(value: Any) -> bool:
    """Whether TOML writes the value as a table of its own."""
    return isinstance(value, BaseModel | dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], BaseModel)
    )


def config_json_schema() -> dict[str, Any]:
    """The JSON Schema of a config."""
    schema = RunConfig.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "aaot-eval study config"
    return schema
