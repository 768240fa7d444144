"""Three lines that are never added: cash released, capacity released, value of resources."""

from __future__ import annotations

import math

import pandas as pd

from aaot_eval.costs.money_wording import PERSPECTIVE
from aaot_eval.costs.prices import Prices
from aaot_eval.costs.savings import Money

COLUMNS = ("order", "line", "amount", "low", "high", "unit", "note")
CASH = (
    "Not estimated. Emergency admissions that do not happen change no invoice under a fixed payment; cash is released only "
    "when beds close or agency shifts end."
)
CAPACITY = "Beds for other patients; worth something only when they are used."
RESOURCES = (
    "Averted hospital cost at the prices used less the service; not cash, and not to be added to the other lines"
)


def benefit_lines(money: Money | None, activity: pd.DataFrame, prices: Prices) -> pd.DataFrame:
    """The release table `benefit_lines`, per patient-year on the caseload. Cash is left empty: nothing in the data shows it."""
    beds = activity[(activity["outcome"] == "bed_days") & activity["per_patient_year"].notna()]
    beds = beds[beds["design"] != "series"].head(1)
    names = ("per_patient_year", "per_patient_year_low", "per_patient_year_high")
    capacity = [float(v) for v in beds[list(names)].iloc[0]] if len(beds) else [math.nan] * 3
    value = [money.saving, money.saving_low, money.saving_high] if money is not None else [math.nan] * 3
    no_beds = "" if len(beds) else "No effect on bed days was estimated. "
    rows = [
        (1, "Cash released", math.nan, math.nan, math.nan, "pounds", CASH),
        (2, "Capacity released", *capacity, "bed days", no_beds + CAPACITY),
        (
            3,
            "Value of resources, net of the service",
            *value,
            "pounds",
            f"{RESOURCES}; {PERSPECTIVE[prices.perspective]}.",
        ),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
