"""A run on disk: what was asked, what was read, what was found, and what may leave.

A run is built in a hidden folder beside its final place and moved there at the end, so a run folder that exists is a run
that finished. Times stand in `manifest.json`, `restricted/log.txt` and `index.csv` only.
"""

from __future__ import annotations

from aaot_eval.run_folder.comparing import Change, Comparison, compare_runs
from aaot_eval.run_folder.environment import package_versions
from aaot_eval.run_folder.fingerprint import Fingerprint, InputFile, config_hash, counting_hash, fingerprint, run_name
from aaot_eval.run_folder.parcel import write_parcel
from aaot_eval.run_folder.purging import PersonCopy, age_of, delete_copies, person_copies
from aaot_eval.run_folder.reading import RunFolder, differing_files, differing_inputs, largest_differences, read_run
from aaot_eval.run_folder.study import CACHE, StudyFolder
from aaot_eval.run_folder.writing import Account, Drawn, headline_rows, point_to, write_run

__all__ = [
    "CACHE",
    "Account",
    "Change",
    "Comparison",
    "Drawn",
    "Fingerprint",
    "InputFile",
    "PersonCopy",
    "RunFolder",
    "StudyFolder",
    "age_of",
    "compare_runs",
    "config_hash",
    "counting_hash",
    "delete_copies",
    "differing_files",
    "differing_inputs",
    "fingerprint",
    "headline_rows",
    "largest_differences",
    "package_versions",
    "person_copies",
    "point_to",
    "read_run",
    "run_name",
    "write_parcel",
    "write_run",
]
