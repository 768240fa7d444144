"""[study], [trial], [cohort], [counting], [[analyses]] and [[fidelity]]: what is asked of the data."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from aaot_eval.config.parts import ANALYSIS_PATTERN, AREA_PATTERN, CODE_PATTERN, Part, PeriodText
from aaot_eval.entry_rules import parse_rule

#: An entry rule beyond these is a slip of the pen: nobody is looked back on for longer, or admitted that often.
MOST_ADMISSIONS = 100
MOST_LOOK_BACK = 60
#: Outcomes that need more than stays: fractions of diagnoses, and what came before a stay.
ATTRIBUTABLE_OUTCOMES = frozenset({"alcohol_broad", "alcohol_narrow", "alcohol_narrow_main"})
READMISSION_OUTCOMES = frozenset({"readmissions", "readmission_share"})


class TrialConfig(Part):
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


class StudyConfig(Part):
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


Code = Annotated[str, Field(pattern=CODE_PATTERN)]
AreaCode = Annotated[str, Field(pattern=AREA_PATTERN)]


class CohortConfig(Part):
    """Who can meet the entry rule at all, beside the counts that the rule asks for."""

    age_from: int | None = Field(None, ge=0, le=120, description="least age at the first admission in the data")
    age_to: int | None = Field(None, ge=0, le=120, description="largest age at the first admission in the data")
    sites: list[str] = Field(default_factory=list, description="home hospitals; empty: all units")
    area: list[AreaCode] = Field(
        default_factory=list,
        description="beginnings of the codes of the areas where people live, such as E06000042 or E08; empty: everywhere",
    )
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


class CountingConfig(Part):
    """Choices of the field about what is counted and when; the defaults are those of the record of decisions."""

    positions: int = Field(20, ge=1, le=20, description="diagnosis positions looked at; 6 as in Scotland")
    code_list: str | None = Field(
        None, description="own list in place of the alcohol-specific codes: a CSV, column icd10"
    )
    date_by: Literal["admission", "discharge"] = Field("admission", description="which date puts a stay in its month")
    fractions: Literal["stays", "lape"] = Field(
        "stays", description="attributable outcomes: of stays by admission, or of first finished episodes by their end"
    )
    private_patients: Literal["keep", "drop"] = Field(
        "keep", description="whether episodes of private patients (administrative category 02) count"
    )
    repeated_attendances: Literal["once", "keep"] = Field(
        "once", description="what an attendance sent again under another key within the hour counts as"
    )
    readmission_days: int = Field(30, ge=1, le=365, description="days 0 to this less one after the discharge")
    days: Literal["calendar", "working"] = Field("calendar", description="what a month is as long as")
    nation: Literal["england_wales", "scotland"] = Field("england_wales", description="whose bank holidays")
    extra_holidays: list[date] = Field(default_factory=list, description="single holidays that no rule knows")


class AnalysisConfig(Part):
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


class FidelityConfig(Part):
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


def parse_entry_rule(text: str) -> tuple[int, int] | None:
    """(least count, months of look-back) of "4 admissions in 12 months"; None when it does not read so."""
    found = re.fullmatch(r"\s*(\d+)(?: or more)? admissions? in (\d+) months?\s*", text)
    return (int(found[1]), int(found[2])) if found and int(found[1]) > 0 and int(found[2]) > 0 else None
