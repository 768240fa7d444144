"""Service models side by side: the same people, prices and horizon, and "not entered" where nothing was entered.

records = read_appraisal(folder)                 # appraisal.toml and one TOML file an option
result = appraise(records, measured, rank=False) # tables, warnings and the facts under them
"""

from __future__ import annotations

from aaot_eval.options.appraise import Appraised, appraise
from aaot_eval.options.measured import Measured, measured_by
from aaot_eval.options.reading import Records, read_appraisal
from aaot_eval.options.record import AppraisalRecord, OptionRecord

__all__ = [
    "AppraisalRecord",
    "Appraised",
    "Measured",
    "OptionRecord",
    "Records",
    "appraise",
    "measured_by",
    "read_appraisal",
]
