"""Small panels for tests, from plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from aaot_eval.results import OutcomeSpec, Panel


def month_frame(first: str, n: int, left_out: Sequence[int] = ()) -> pd.DataFrame:
    """The `periods` frame of n months."""
    index = pd.period_range(first, periods=n, freq="M")
    return pd.DataFrame(
        {
            "label": [str(p) for p in index],
            "start": index.to_timestamp(),
            "days": index.days_in_month,
            "season": index.month,
            "clock": index.year * 12 + index.month - 1,
            "left_out": [t in set(left_out) for t in range(n)],
        },
        index=pd.RangeIndex(n, name="t"),
    )


def site_panel(
    counts: Mapping[str, np.ndarray],
    starts: Sequence[int | None],
    *,
    first: str = "2019-04",
    population: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
    left_out: Sequence[int] = (),
    people: pd.DataFrame | None = None,
    person_counts: Mapping[str, np.ndarray] | None = None,
) -> Panel:
    """A monthly panel from `counts[outcome]` (units x months) and the start period of each unit (None = never)."""
    shape = next(iter(counts.values())).shape
    n_u, n_t = shape
    names = list(units) if units else [f"S{i + 1:02d}" for i in range(n_u)]
    pop = np.asarray(population if population is not None else [250_000.0] * n_u, dtype=float)
    periods = month_frame(first, n_t, left_out)
    start = pd.array([pd.NA if s is None else s for s in starts], dtype="Int64")
    unit_frame = pd.DataFrame(
        {
            "start_t": start,
            "stop_t": pd.array([pd.NA] * n_u, dtype="Int64"),
            "population": pop,
            "beds": np.nan,
            "group": "",
        },
        index=pd.Index(names, name="unit"),
    )
    t = np.tile(np.arange(n_t), n_u)
    cells = pd.DataFrame({"unit": np.repeat(names, n_t), "t": t})
    cells["exposure"] = np.repeat(pop, n_t) * periods["days"].to_numpy()[t] / 365.25
    first_t = np.repeat([n_t if s is None else s for s in starts], n_t)
    cells["treated"] = t >= first_t
    cells["missing"] = False
    for name, matrix in counts.items():
        cells[name] = matrix.reshape(-1)
        cells[f"{name}_persons"] = matrix.reshape(-1)
    person_cells = None
    outcomes = [OutcomeSpec(name, name.replace("_", " ")) for name in counts]
    if people is not None and person_counts is not None:
        n_p = len(people)
        person_cells = pd.DataFrame(
            {"person": np.repeat(people.index.to_numpy(), n_t), "t": np.tile(np.arange(n_t), n_p)}
        )
        for name, matrix in person_counts.items():
            person_cells[name] = matrix.reshape(-1)
            if name not in counts:
                outcomes.append(OutcomeSpec(name, name.replace("_", " "), "cost" if "cost" in name else "count"))
    return Panel("month", 12, periods, unit_frame, cells, tuple(outcomes), people, person_cells)
