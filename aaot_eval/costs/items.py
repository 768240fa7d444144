"""What the care of people on the caseload consists of, item by item; the lines add up to the total to the penny."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.costs.pennies import pence, split_pence
from aaot_eval.costs.prices import PLANNED, UNIT
from aaot_eval.costs.rates import Caseload
from aaot_eval.errors import NotIdentifiedError, Problem
from aaot_eval.results import Panel

COLUMNS = ("order", "item", "kind", "people", "patient_years", "quantity", "unit", "cost")
UNIT_OF_KIND = {"emergency_stay": "stay"}
TOLERANCE = 1e-6  # of the total: both sides are sums of the same decimals


def items_table(panel: Panel, people: Caseload | None) -> pd.DataFrame:
    """The release table `cost_items`: quantity and cost of each item for each patient-year on the caseload, dearest first.

    No rows without a caseload, its time at risk or priced items. Raises NotIdentifiedError (P432) when the lines do not
    add up to the hospital cost of the same people and months.
    """
    lines = panel.extra.get("item_costs")
    if people is None or not isinstance(lines, pd.DataFrame) or lines.empty or not people.person_years > 0:
        return pd.DataFrame(columns=list(COLUMNS))
    row = people.people.index.get_indexer(pd.Index(lines["person"]))
    inside = row >= 0
    inside[inside] = people.on[row[inside], lines["t"].to_numpy(dtype=int)[inside]]
    lines = lines[inside]
    total = float(people.people["observed_cost"].sum())
    if abs(float(lines["cost"].sum()) - total) > TOLERANCE * max(total, 1.0):
        raise NotIdentifiedError(
            Problem(
                "P432",
                "the cost lines by item do not add up to the hospital cost of the caseload",
                do="report this as a fault: no cost was written",
            )
        )
    found = lines.groupby("item").agg(people=("person", "nunique"), quantity=("quantity", "sum"), cost=("cost", "sum"))
    found = found.sort_values("cost", ascending=False, kind="stable")
    rate = found["cost"].to_numpy(dtype=float) / people.person_years
    each = split_pence(rate, pence(rate.sum()))
    table = pd.DataFrame(
        {
            "item": found.index.astype(str),
            "kind": ["planned" if i in PLANNED else "unplanned" for i in found.index],
            "people": found["people"].to_numpy(),
            "patient_years": people.person_years,
            "quantity": found["quantity"].to_numpy(dtype=float) / people.person_years,
            "unit": [UNIT.get(str(i), UNIT_OF_KIND.get(str(i), "")) for i in found.index],
            "cost": each / 100,
        }
    )
    # What is counted is the stay, also where it is priced by its days.
    table["unit"] = table["unit"].where(~table["item"].str.endswith("_bed_day") | (table["item"].isin(
        ("mental_health_bed_day", "detoxification_bed_day"))), "stay")  # fmt: skip
    whole = {"item": "all care", "kind": "total", "people": lines["person"].nunique(), "cost": each.sum() / 100}
    table = pd.concat([table, pd.DataFrame([whole])], ignore_index=True)
    table.insert(0, "order", np.arange(1, len(table) + 1))
    return table[list(COLUMNS)]
