"""Counts of units and periods that are read as they stand and can hardly be meant: one unit under two names, noughts for blanks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aaot_eval.findings import Finding
from aaot_eval.names import shown_names

LEAST_PERIODS, LEAST_EVENTS = 12, 50.0
"""Fewer periods, or fewer events in them, may be the same in two units by chance."""
LEAST_MISSED = 10.0
"""Noughts in a row are too many for chance where at the unit's own rate so many events were to be expected in them."""


def same_counts(counts: NDArray[np.float64], units: Sequence[str], outcome: str) -> list[Finding]:
    """Units (rows of `counts`, NaN = missing) whose counts are the same in every period (D423)."""
    alike: dict[bytes, list[str]] = {}
    for unit, row in zip(units, counts, strict=True):
        held = row[~np.isnan(row)]
        if len(held) >= LEAST_PERIODS and held.sum() >= LEAST_EVENTS and held.min() < held.max():
            alike.setdefault(row.tobytes(), []).append(unit)
    return [Finding("D423", where=shown_names(same), detail=outcome) for same in alike.values() if len(same) > 1]


def noughts(counts: NDArray[np.float64], units: Sequence[str], labels: Sequence[str], outcome: str) -> list[Finding]:
    """Noughts in a row that a unit with events before or after them can hardly have (D424)."""
    findings = []
    for unit, row in zip(units, counts, strict=True):
        for first, last in _runs(row == 0):
            others = np.delete(row, slice(first, last + 1))
            if (others > 0).any() and np.nanmean(others) * (last - first + 1) >= LEAST_MISSED:
                months = labels[first] if first == last else f"{labels[first]} to {labels[last]}"
                findings.append(Finding("D424", where=shown_names([unit]), detail=f"{outcome}: {months}"))
    return findings


def _runs(marked: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """The first and the last place of each run of marked ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True)
