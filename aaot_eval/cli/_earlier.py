"""What earlier runs of a study left that a command may use without writing: files already read, and what the last run saw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aaot_eval.config import RunConfig
    from aaot_eval.results import Vintage


@dataclass(frozen=True, slots=True)
class Earlier:
    """The folder of readings to take from, and what the run before saw; each None when there is none."""

    readings: Path | None
    vintage: Vintage | None


@contextmanager
def earlier_runs(config: RunConfig, study_folder: Path | None = None) -> Iterator[Earlier]:
    """What the runs in a study's folder left; the readings stay as they are while they are used.

    A run under way that holds the study's lock keeps its readings to itself: everything is then read.
    """
    from aaot_eval.run_folder import PlanLog, StudyFolder, counting_hash, fingerprint

    study = StudyFolder(study_folder or config.path(config.output.runs) / config.name)
    vintage = None
    if study.runs():
        seal = PlanLog.beside(study.path).seal()
        vintage = study.vintage(fingerprint(config, seal.state if seal else ""), counting_hash(config))
    with study.readings(config.path(config.output.work) if config.output.work else None) as readings:
        yield Earlier(readings if config.output.cache else None, vintage)
