"""Hospitals as random: the variance between them, and draws from a t interval on the log scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


def dersimonian_laird(effects: Floats, variances: Floats) -> float:
    """Variance between units by moments, floored at 0 (DerSimonian and Laird 1986)."""
    weight = 1 / variances
    mean = (weight * effects).sum() / weight.sum()
    q = (weight * (effects - mean) ** 2).sum()
    return float(max(0.0, (q - (len(effects) - 1)) / (weight.sum() - (weight**2).sum() / weight.sum())))


@dataclass(frozen=True)
class StudentDraws:
    """Draws of the effect from t around the estimate, which is that of the log for a ratio."""

    estimate: float
    std_error: float
    df: float
    ratio: bool = True

    def __call__(self, uniform: Floats) -> Floats:
        """Ratios or differences, same shape."""
        draws = self.estimate + self.std_error * stats.t.ppf(uniform, self.df)
        return np.asarray(np.exp(draws) if self.ratio else draws)
