"""A number of ours held against a reference case: asserted, and noted for the table in docs/results/reference_cases.md.

`python tools/reference_table.py` runs the tests that use this and writes that table.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

COLUMNS = ("case", "quantity", "reference", "ours", "tolerance", "through", "note")
RECORD = "AAOT_REFERENCE_RECORD"
"""Environment variable naming the CSV file to which every comparison is added."""


def agrees(
    case: str,
    quantity: str,
    ours: float,
    reference: float,
    *,
    rel: float = 0.0,
    abs: float = 0.0,  # the word pytest.approx uses
    through: str = "API",
    note: str = "",
) -> None:
    """Assert that `ours` is within the stated tolerance of `reference`, a value of the case (`did/mpdta`).

    `through` says how the number was reached: "API" (public functions) or "analyze" (the command with a config file).
    `note` is for a reference that is itself wrong, or for what makes the comparison less than direct.
    """
    if os.environ.get(RECORD):
        tolerance = " or ".join([f"{rel:g} of the value"] * bool(rel) + [f"{abs:g}"] * bool(abs)) or "exact"
        with Path(os.environ[RECORD]).open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow(
                [case, quantity, repr(float(reference)), repr(float(ours)), tolerance, through, note]
            )
    assert ours == pytest.approx(reference, rel=rel, abs=abs), f"{case} {quantity}: {ours} is not {reference}"
