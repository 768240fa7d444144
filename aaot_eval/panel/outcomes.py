"""What is counted: chooses and parametrises the counting steps."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.results import OutcomeSpec, Tables

STAY_OUTCOMES = (
    OutcomeSpec("alcohol_specific_emergency", "Alcohol-specific emergency admissions"),
    OutcomeSpec("non_alcohol_emergency", "Emergency admissions without an alcohol-specific diagnosis"),
    OutcomeSpec("emergency", "Emergency admissions"),
    OutcomeSpec("bed_days", "Bed days (nights of all stays, in the month of admission)", event="bed days"),
)
#: Column of `person_cells`: the alcohol-specific emergency admissions that were not at the home hospital.
ELSEWHERE = "alcohol_specific_emergency_elsewhere"
ATTENDANCES = OutcomeSpec("ed_attendances", "Emergency department attendances", event="attendances")
#: Not a count to the estimators: a hospital stays in by its admissions, for deaths are too few to ask for twenty in each.
DEATHS = OutcomeSpec("deaths", "Deaths", "continuous", "deaths")
HOSPITAL_COST = OutcomeSpec(
    "hospital_cost", "Hospital cost of all stays and attendances that begin in the month", "cost", "pounds"
)


def counted_outcomes(tables: Tables) -> tuple[OutcomeSpec, ...]:
    """The counted outcomes that the given tables allow."""
    return (*STAY_OUTCOMES[:3], ATTENDANCES, STAY_OUTCOMES[3]) if tables.has("attendances") else STAY_OUTCOMES


def cost_outcome(primary: OutcomeSpec) -> OutcomeSpec:
    """The cost of the events that count for the primary outcome."""
    return OutcomeSpec(
        f"{primary.name}_cost", f"Hospital cost: {primary.title[0].lower()}{primary.title[1:]}", "cost", "pounds"
    )


def spread(
    frame: pd.DataFrame, rows: pd.Index, row: str, column: str, n_periods: int, dtype: type = np.int64
) -> np.ndarray:
    """A column of a long frame (`row`, `t`, `column`) as rows x periods, zero where there is nothing; other rows are ignored."""
    wide: np.ndarray = np.zeros((len(rows), n_periods), dtype=dtype)
    at = rows.get_indexer(pd.Index(frame[row]))
    known = at >= 0
    wide[at[known], frame["t"].to_numpy()[known]] = frame[column].to_numpy()[known]
    return wide
