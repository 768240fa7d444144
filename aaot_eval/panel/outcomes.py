"""What is counted, and what a stay costs: chooses and parametrises the counting steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from aaot_eval.errors import InputError, Problem
from aaot_eval.results import OutcomeSpec, Tables

STAY_OUTCOMES = (
    OutcomeSpec("alcohol_specific_emergency", "Alcohol-specific emergency admissions"),
    OutcomeSpec("non_alcohol_emergency", "Emergency admissions without an alcohol-specific diagnosis"),
    OutcomeSpec("emergency", "Emergency admissions"),
    OutcomeSpec("bed_days", "Bed days (nights of all stays, in the month of admission)", event="bed days"),
)
ATTENDANCES = OutcomeSpec("ed_attendances", "Emergency department attendances", event="attendances")
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


def price_stays(tables: Tables, prices: pd.DataFrame) -> Tables:
    """The tables with a price for every stay, from prices with the columns `item` and `value` (one price year, one currency).

    Adds `stay_prices` (stay, item, price) and `prices`. Raises InputError naming every item that a stay or attendance needs and
    that has no price: an unpriced stay never costs 0.
    """
    value = {str(i): float(v) for i, v in zip(prices["item"], prices["value"], strict=True) if np.isfinite(v)}
    tables.engine.put(
        "prices", pd.DataFrame({"item": pd.array(list(value), dtype="string"), "value": list(value.values())})
    )
    tables.engine.run("stay_prices", excess_day=value.get("emergency_excess_day", 0.0))
    missing = [
        r[0] for r in tables.engine.rows("SELECT DISTINCT item FROM stay_prices WHERE price IS NULL ORDER BY item")
    ]
    if tables.has("attendances") and tables.counts["attendances"] and "ed_attendance" not in value:
        missing.append("ed_attendance")
    if missing:
        raise InputError(
            Problem(
                "P425",
                f"there is no price for: {', '.join(missing)}",
                where="costs.unit_costs",
                do="add these items: a stay or attendance without a price never costs 0",
            )
        )
    return replace(tables, names={**tables.names, "stay_prices": "stay_prices", "prices": "prices"})


def spread(
    frame: pd.DataFrame, rows: pd.Index, row: str, column: str, n_periods: int, dtype: type = np.int64
) -> np.ndarray:
    """A column of a long frame (`row`, `t`, `column`) as rows x periods, zero where there is nothing; other rows are ignored."""
    wide: np.ndarray = np.zeros((len(rows), n_periods), dtype=dtype)
    at = rows.get_indexer(pd.Index(frame[row]))
    known = at >= 0
    wide[at[known], frame["t"].to_numpy()[known]] = frame[column].to_numpy()[known]
    return wide
