"""[data] and [panel]: which files are read, and what their columns are."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from aaot_eval.config.parts import KEY_PATTERN, FilePath, Files, Part

#: What stands for a part of a date or time, the longer first; MM is a month, after HH and a colon minutes.
DATE_PARTS = (
    ("HH:MM:SS", "%H:%M:%S"),
    ("HH:MM", "%H:%M"),
    ("YYYY", "%Y"),
    ("MMM", "%b"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("YY", "%y"),
)
#: The parts that a pattern with % may have, and those that make a day.
KNOWN_PARTS = re.compile(r"%[YymBbdjHIMSfpzZ%]")
A_DAY = (("%Y", "%y"), ("%m", "%b", "%B", "%j"), ("%d", "%j"))


def strptime_pattern(written: str) -> str:
    """`DD/MM/YYYY`, in capitals or not, as `%d/%m/%Y`; a pattern with % is taken as it is."""
    if "%" in written:
        return written
    for ours, theirs in DATE_PARTS:
        written = re.sub(ours, theirs, written, flags=re.IGNORECASE)
    return written


class PersonKey(Part):
    """A local or NHS number that becomes a keyed hash in the first step; never used without a secret."""

    column: str = Field(
        description="column of the number in your files, such as NHS_NUMBER; the same in every file that holds people"
    )
    secret_file: FilePath = Field(
        description="file with the secret of at least 16 characters; kept apart from the data and never copied"
    )


class DataConfig(Part):
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
    columns: dict[str, dict[str, str | list[str]]] = Field(
        default_factory=dict,
        description='by table: our column name = the name in your file, or a list where files differ: ["ADMIMETH", "Method"]',
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
    one_off_keys: list[Annotated[str, Field(pattern=KEY_PATTERN)]] = Field(
        default_factory=list, description="how person keys begin that the source makes for one record alone"
    )

    @field_validator("dates")
    @classmethod
    def _a_day_is_told(cls, dates: dict[str, str]) -> dict[str, str]:
        for table, written in dates.items():
            pattern = strptime_pattern(written)
            told = all(any(part in pattern for part in parts) for parts in A_DAY)
            if not told or "%" in KNOWN_PARTS.sub("", pattern):
                raise ValueError(
                    f"{table} = {written!r} does not say how a date is written: name year, month and day, such as DD/MM/YYYY, "
                    "DD MMM YYYY or DD/MM/YYYY HH:MM"
                )
        return dates

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


class PanelConfig(Part):
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
