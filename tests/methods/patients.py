"""Panels of people for tests: the reference case, and a small world whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.results import Panel
from tests.builders import site_panel
from tests.conftest import ROOT

OUTCOME = "alcohol_specific_emergency"


def panel_of_people(counts: np.ndarray, unit: np.ndarray, starts: list[int | None], *, referral: np.ndarray | None = None,
                    death: np.ndarray | None = None, other: dict[str, np.ndarray] | None = None,
                    first: str = "2018-04") -> Panel:  # fmt: skip
    """A panel from people x months; `referral`, `death` hold -1 for never; sites are the sums of their people."""
    n_p, _ = counts.shape
    units = [f"H{u + 1:02d}" for u in range(len(starts))]

    def month(values: np.ndarray | None) -> pd.array:
        given = np.full(n_p, -1) if values is None else np.asarray(values)
        return pd.array([pd.NA if v < 0 else int(v) for v in given], dtype="Int64")

    people = pd.DataFrame(
        {"unit": [units[u] for u in unit], "referral_t": month(referral), "ended_t": month(None), "death_t": month(death),
         "sex": "", "age": 50}, index=pd.RangeIndex(n_p, name="person"),
    )  # fmt: skip
    by_person = {OUTCOME: counts, **(other or {})}
    sites = {n: np.array([m[unit == u].sum(axis=0) for u in range(len(starts))]) for n, m in by_person.items()}
    return site_panel(sites, starts, units=units, first=first, people=people, person_counts=by_person)


def patients_mixed() -> Panel:
    """The reference case: 6,000 people of 12 hospitals, months -24..47 as 0..71."""
    folder = ROOT / "tests" / "reference" / "patients_mixed"
    people = pd.read_csv(folder / "patients.csv").sort_values("patient")
    rows = pd.read_parquet(folder / "admissions.parquet")
    counts = np.zeros((len(people), 72), dtype=np.int64)
    counts[rows["patient"], rows["month"] + 24] = rows["admissions"]
    start = people.groupby("hospital")["team_start_month"].first() + 24

    def month(column: str) -> np.ndarray:
        return (people[column] + 24).fillna(-1).to_numpy().astype(int)

    return panel_of_people(counts, people["hospital"].to_numpy(), [None if np.isnan(s) else int(s) for s in start],
                           referral=month("referral_month"), death=month("death_month"))  # fmt: skip
