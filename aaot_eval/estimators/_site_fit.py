"""The effect of a table of sites, and its statistic under every assignment of starts.

Formulae: docs/methods/site_did.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._sites import Floats, SiteData

WIDEST = 6.0
"""A log rate ratio beyond this (400 times) is searched for no further."""


@dataclass(frozen=True)
class Fit:
    """The size-scaled analysis of one table of sites: everything the rows, tables and checks are made from."""

    data: SiteData
    ways: ri.Assignments
    effect: float
    statistic: Floats

    @property
    def p_value(self) -> float:
        """Exact p of no effect."""
        return ri.p_value(self.statistic, self.ways.real)


def changes(data: SiteData, ways: ri.Assignments, effect: float = 0.0) -> Floats:
    """n x k: change of each site's rate at each start date, with `effect` taken out of the sites that were truly treated."""
    values = data.without_effect(effect)
    return ri.change_table(values, data.exposure, ways.starts, data.phase_in, log=data.scale == "log", half=data.half)


def statistic(data: SiteData, ways: ri.Assignments, effect: float = 0.0) -> Floats:
    """N: the size-scaled statistic of every assignment, with `effect` taken out of the sites that were truly treated."""
    return ri.size_scaled(changes(data, ways, effect), site_sizes(data, effect), ways)


def site_sizes(data: SiteData, effect: float = 0.0) -> Floats:
    """n: what the variance of a site's change goes down with: its mean count, or its exposure on the difference scale."""
    if data.scale == "difference":
        return np.asarray(data.exposure.mean(axis=1), dtype=float)
    return np.asarray(data.without_effect(effect).mean(axis=1), dtype=float)


def point_estimate(data: SiteData, ways: ri.Assignments) -> float:
    """The effect at which the statistic is zero: mean over treated sites of their own change minus that of the others.

    On the log scale unless the data are on the difference scale; NaN when no effect within 400 times brings it to zero.
    """
    real = ways.only_real()

    def left(effect: float) -> float:
        return float(real.contrast(changes(data, ways, effect))[0])

    if data.scale == "difference" or data.half == 0.0:
        return left(0.0)
    if left(-WIDEST) * left(WIDEST) > 0:
        return math.nan
    return float(brentq(left, -WIDEST, WIDEST, xtol=1e-13, rtol=1e-14))


def fit_sites(data: SiteData, seed: int) -> Fit:
    """The point estimate and the statistic of every assignment under no effect."""
    ways = ri.assign_starts(data.starts, data.n_periods, seed)
    return Fit(data, ways, point_estimate(data, ways), statistic(data, ways))
