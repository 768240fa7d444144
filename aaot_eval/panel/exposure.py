"""Person-time: what a site's count is a rate of, and when a person is at risk."""

from __future__ import annotations

import numpy as np
import pandas as pd

DAYS_PER_YEAR = 365.25


def site_exposure(population: pd.Series, days: np.ndarray) -> np.ndarray:
    """Person-years of each site and period (sites x periods): population x days / 365.25, with a population of 1 when none is given."""
    people = population.fillna(1.0).to_numpy(dtype=float)
    exposure: np.ndarray = people[:, None] * np.asarray(days, dtype=float)[None, :] / DAYS_PER_YEAR
    return exposure


def month_in_window(months: pd.Series, n_periods: int) -> pd.Series:
    """Month numbers as Int64, those outside 0..n_periods-1 as <NA>: they are not inside the window."""
    values = months.astype("Int64")
    return values.where((values >= 0) & (values < n_periods))
