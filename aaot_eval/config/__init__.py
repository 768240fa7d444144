"""What a study asks for: TOML text in, a frozen `RunConfig` out, or every problem at once. One file for the tables of each subject.

The JSON Schema of this model is published as `data_schemas/config.schema.json` so that editors complete and check a config.
"""

from __future__ import annotations

import difflib
import glob
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from aaot_eval.config.data import DataConfig, PanelConfig
from aaot_eval.config.money import BudgetConfig, CostsConfig, OutcomeConfig
from aaot_eval.config.parts import NAME_PATTERN, Part
from aaot_eval.config.reading import read_record
from aaot_eval.config.running import (
    DisclosureConfig,
    EngineConfig,
    MonthlyConfig,
    OutputConfig,
    QualityConfig,
    RebaseConfig,
)
from aaot_eval.config.study import (
    AnalysisConfig,
    CohortConfig,
    CountingConfig,
    FidelityConfig,
    StudyConfig,
    TrialConfig,
    parse_entry_rule,
)
from aaot_eval.entry_rules import Condition, parse_rule
from aaot_eval.errors import InputError, Problem

__all__ = [
    "AnalysisConfig",
    "BudgetConfig",
    "CohortConfig",
    "CostsConfig",
    "CountingConfig",
    "DataConfig",
    "DisclosureConfig",
    "EngineConfig",
    "FidelityConfig",
    "MonthlyConfig",
    "OutcomeConfig",
    "OutputConfig",
    "PanelConfig",
    "QualityConfig",
    "RebaseConfig",
    "RunConfig",
    "StudyConfig",
    "TrialConfig",
    "config_json_schema",
    "load_config",
    "parse_entry_rule",
]

#: Names that Windows keeps for devices; a study's name is that of a folder.
RESERVED_NAME = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)


class RunConfig(Part):
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
    def unasked_columns(self) -> frozenset[str]:
        """Columns of extracts that are read only when the study asks for them, and that this one does not ask for."""
        return frozenset() if self.cohort is not None and self.cohort.area else frozenset({"residence"})

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

    def shown(self, path: Path | str) -> str:
        """A path as every message says it: from the folder of the config on when it lies in there, else whole."""
        whole = Path(os.path.normpath(self._home / path))
        return whole.relative_to(self._home).as_posix() if whole.is_relative_to(self._home) else str(whole)

    def recorded(self, path: Path) -> str:
        """A path as records that may leave say it: as `shown` when it lies beside the config, else its last part alone."""
        shown = Path(self.shown(path.resolve()))
        return shown.name if shown.is_absolute() else shown.as_posix()

    def placed(self, problem: Problem) -> Problem:
        """A problem whose place is a whole path, with that path as `shown`."""
        path, comma, rest = problem.where.partition(", ")
        return replace(problem, where=self.shown(path) + comma + rest) if Path(path).is_absolute() else problem

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
        if path.is_dir():
            raise InputError(
                Problem(
                    "X200",
                    f"{text} is a folder",
                    where=key,
                    do=f'name its files: {key.rpartition(".")[2]} = "{text.rstrip("/")}/*.csv", or *.parquet',
                )
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


def load_config(path: str | Path, *, data: str | Path | None = None) -> RunConfig:
    """The study of a TOML file. Relative paths in it start at `data`, else at the file's own folder.

    Raises InputError with every problem of the file at once.
    """
    path = Path(path)
    config = read_record(path, RunConfig)
    config._source = path.resolve()
    config._home = Path(data).resolve() if data else path.resolve().parent
    return config


def config_json_schema() -> dict[str, Any]:
    """The JSON Schema of a config."""
    schema = RunConfig.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "aaot-eval study config"
    return schema
