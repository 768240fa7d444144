"""Splits money so that the parts add up to the penny."""

from __future__ import annotations

import numpy as np


def pence(amount: float) -> int:
    """Pounds as whole pence, halves to even."""
    return round(amount * 100)


def split_pence(amounts: np.ndarray, total: int) -> np.ndarray:
    """Pounds (length n) as whole pence that add up to `total` pence, by largest remainder; ties go to the earlier row.

    Raises ValueError when the amounts are further from the total than rounding can explain.
    """
    exact = np.asarray(amounts, dtype=float) * 100
    down = np.floor(exact).astype(np.int64)
    short = total - int(down.sum())
    if not -1 <= short <= len(exact) + 1:
        raise ValueError("the parts do not add up to the total")
    order = np.argsort(-(exact - down), kind="stable")
    whole, rest = divmod(short, len(exact)) if len(exact) else (0, 0)
    down += whole
    down[order[:rest]] += 1
    return np.asarray(down)
