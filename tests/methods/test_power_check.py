"""The stored comparison of power with brute force: every cell holds, and a small fixed sample of it comes out again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from aaot_eval.results import generator
from benchmarks.power_check import PEOPLE, PEOPLE_POINTS, POINTS, SERIES, SITES, drawn, series_cell


def test_every_stored_cell_holds(root: Path) -> None:
    table = pd.read_csv(root / "docs" / "results" / "power_check.csv")
    assert table["part"].value_counts().to_dict() == {"series": len(SERIES), "sites": len(SITES), "people": len(PEOPLE)}
    assert (table["holds"] == "yes").all()
    limit = table["part"].map({"series": POINTS, "sites": POINTS, "people": PEOPLE_POINTS})
    assert ((table["difference"].abs() - table["half_99"]) <= limit).all()


def test_counts_have_the_spread_and_memory_they_are_made_with() -> None:
    y = drawn(np.full((400, 60), 100.0), 0.4, generator(1, "drawn"))
    assert abs(y.mean() / 100 - 1) < 0.01
    assert abs(y.var() / 200 - 1) < 0.05
    lagged = np.corrcoef(y[:, 1:].ravel(), y[:, :-1].ravel())[0, 1]
    assert abs(lagged - 0.4) < 0.03


def test_a_small_sample_comes_out_again() -> None:
    """60 series: two shares near 0.6 differ by less than 0.3 (three standard errors)."""
    found = series_cell(36, 24, 100.0, 0.4, 60, 1)
    assert abs(found["difference"]) < 30
    assert found["holds"] == "yes"
