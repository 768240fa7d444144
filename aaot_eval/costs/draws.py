"""Draws of the quantities that move together in the one loop.

Every quantity has its own Latin hypercube of uniform numbers: n evenly spaced quantiles in a shuffled order. The
percentiles of a single quantity are then exact to the grid, and only the pairing of quantities is random.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaincinv

from aaot_eval.results import generator

RANGE_IN_SE = 3.92  # a 95 % range is 2 x 1.96 standard errors wide

MOST_VARIATION = 1.0
"""Coefficient of variation. Beyond it gamma has its peak at 0, and its mean soon lies outside its own 95 % interval."""


def widest_share_range(mean: float) -> float:
    """The width of the widest 95 % range a share with this mean may have; 0 for a share of 1.

    Its beta may not have its peak at 0, as its gamma may not: mean x size at least 1, so that
    se = mean x sqrt((1 - mean) / (1 + mean)).
    """
    return RANGE_IN_SE * mean * math.sqrt((1 - mean) / (1 + mean))


def uniforms(seed: int, n: int, *purpose: str) -> np.ndarray:
    """n stratified uniform numbers in (0, 1), the same for the same seed and purpose."""
    return generator(seed, "costs", *purpose).permutation((np.arange(n) + 0.5) / n)


def gamma_quantile(uniform: np.ndarray, mean: float, std_error: float) -> np.ndarray:
    """Draws of a positive quantity by mean and standard error: gamma with shape (mean/se)^2; se 0 gives the mean."""
    if not std_error > 0:
        return np.full(np.shape(uniform), mean)
    shape = (mean / std_error) ** 2
    return np.asarray(gammaincinv(shape, uniform) * (mean / shape))


def beta_quantile(uniform: np.ndarray, mean: float, std_error: float) -> np.ndarray:
    """Draws of a share by mean and standard error: beta by moments; a share of exactly 1, or se 0, stays as it is."""
    if not std_error > 0 or mean >= 1:
        return np.full(np.shape(uniform), mean)
    # Not needed to read and check prices, and slow to load.
    from scipy import stats

    size = mean * (1 - mean) / std_error**2 - 1
    return np.asarray(stats.beta.ppf(uniform, mean * size, (1 - mean) * size))


def percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    """The central interval of the draws at the level, e.g. 0.95."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def share_above_zero(values: np.ndarray) -> float:
    """The share of draws above 0; exact ties count half."""
    return float(np.mean(values > 0) + 0.5 * np.mean(values == 0))
