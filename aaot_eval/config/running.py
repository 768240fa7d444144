"""[disclosure], [quality], [monthly], [output] and [engine]: how a run is made, and what may leave."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from aaot_eval.config.parts import MONTH_PATTERN, FilePath, Part
from aaot_eval.findings import LIMITS, WARNED_BEFORE
from aaot_eval.schema import disclosure_profiles


class DisclosureConfig(Part):
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


class QualityConfig(Part):
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


class RebaseConfig(Part):
    """From which month on the control chart has limits of its own, who decided it, and why."""

    period: str = Field(pattern=MONTH_PATTERN, description="first month of the new limits")
    by: str = Field(min_length=2, description="who decided it")
    why: str = Field(min_length=3, description="what changed; it stands on the page")


class MonthlyConfig(Part):
    """What a scheduled rerun needs to know."""

    lag_months: int = Field(
        2, ge=0, le=12, description="the newest complete month expected is the run's month less this"
    )
    refresh: Literal["monthly", "quarterly", "yearly"] = Field(
        "quarterly", description="how often the causal headline is estimated anew; between, monitoring only"
    )
    rebase: list[RebaseConfig] = Field(
        default_factory=list,
        description="months from which the control chart has new limits, each with a name and a reason",
    )

    @model_validator(mode="after")
    def _each_month_once(self) -> MonthlyConfig:
        months = [r.period for r in self.rebase]
        if len(set(months)) < len(months):
            raise ValueError("two [[monthly.rebase]] tables are of the same month")
        return self


#: Less than this, and the engine cannot sort one month of a trust.
LEAST_MEMORY_MB = 100
MEGABYTES = {"MB": 1, "GB": 1000, "TB": 1_000_000, "MIB": 1.048576, "GIB": 1073.741824, "TIB": 1_099_511.627776}


def _megabytes(size: str) -> float:
    """The megabytes of "500MB" or "1.5 GiB"; 0 when it is no size."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?) ?([KMGT]i?B)", size, re.IGNORECASE | re.ASCII)
    return float(found[1]) * MEGABYTES.get(found[2].upper(), 0) if found else 0.0


class OutputConfig(Part):
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


#: What a config must not hold in clear.
SECRET_IN_ADDRESS = re.compile(r"\b(password|token)\s*=|^[a-z]+://[^/@\s]*:[^/@\s]*@", re.IGNORECASE)
SECRET_NAME = re.compile(r"password|secret|token|credential|access.?key", re.IGNORECASE)


class EngineConfig(Part):
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
                "the address holds a password or token, and a config is not secret: change it, and give the address in an "
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
