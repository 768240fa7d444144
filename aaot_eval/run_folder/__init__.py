"""A run on disk: what was asked, what was read, what was found, and what may leave.

A run is built in a hidden folder beside its final place and moved there at the end, so a run folder that exists is a run
that finished. Times stand in `manifest.json`, `restricted/log.txt`, `index.csv` and `plan_log.txt` only; the page says
when a plan was sealed, which is no time of the run.
"""

from __future__ import annotations

from aaot_eval.run_folder.comparing import Change, Comparison, compare_runs
from aaot_eval.run_folder.environment import package_versions
from aaot_eval.run_folder.fingerprint import Fingerprint, InputFile, config_hash, counting_hash, fingerprint, run_name
from aaot_eval.run_folder.parcel import write_parcel
from aaot_eval.run_folder.parts import Part, Standing, parts_of, standing
from aaot_eval.run_folder.purging import PersonCopy, age_of, delete_copies, person_copies
from aaot_eval.run_folder.reading import (
    RunFolder,
    damage,
    differing_files,
    differing_inputs,
    largest_differences,
    read_run,
)
from aaot_eval.run_folder.releasing import Leaving, released_files, write_release
from aaot_eval.run_folder.sealing import (
    PLAN_LOG,
    PlanLog,
    Seal,
    accept_lists,
    begin_reading,
    seal_plan,
    seal_problems,
    standing_seal,
)
from aaot_eval.run_folder.study import CACHE, StudyFolder
from aaot_eval.run_folder.writing import Account, Drawn, headline_rows, point_to, write_run

__all__ = [
    "CACHE",
    "PLAN_LOG",
    "Account",
    "Change",
    "Comparison",
    "Drawn",
    "Fingerprint",
    "InputFile",
    "Leaving",
    "Part",
    "PersonCopy",
    "PlanLog",
    "RunFolder",
    "Seal",
    "Standing",
    "StudyFolder",
    "accept_lists",
    "age_of",
    "begin_reading",
    "compare_runs",
    "config_hash",
    "counting_hash",
    "damage",
    "delete_copies",
    "differing_files",
    "differing_inputs",
    "fingerprint",
    "headline_rows",
    "largest_differences",
    "package_versions",
    "parts_of",
    "person_copies",
    "point_to",
    "read_run",
    "released_files",
    "run_name",
    "seal_plan",
    "seal_problems",
    "standing",
    "standing_seal",
    "write_parcel",
    "write_release",
    "write_run",
]
