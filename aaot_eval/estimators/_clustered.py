"""Standard errors and p values clustered by site for the two-way model: CR0, CR1, CR2 and the wild cluster bootstrap.

Sources: Cameron and Miller (2015) for CR1; Bell and McCaffrey (2002) and Pustejovsky and Tipton (2018) for CR2 with
Satterthwaite degrees of freedom; Cameron, Gelbach and Miller (2008) for the restricted wild cluster bootstrap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._sites import Floats, Ints, SiteData

MOST_CELLS = 4_000
"""CR2 needs a matrix of cells x cells."""
MOST_SIGN_SITES = 14
"""2 to the 14 sign vectors are enumerated; with more sites the wild bootstrap is not run."""
EIGEN_FLOOR = 1e-10


@dataclass(frozen=True)
class Clustered:
    """A coefficient with a standard error and its degrees of freedom."""

    estimate: float
    std_error: float
    df: float


def cr1_factor(n_sites: int, n_cells: int, n_periods: int) -> float:
    """What CR0 is multiplied by: site effects are nested in the clusters and not counted, period effects are.

    This is the convention of fixest and of Stata's areg after xtset; other programs count other effects.
    """
    parameters = n_periods + 1
    return math.sqrt(n_sites / (n_sites - 1) * (n_cells - 1) / (n_cells - parameters))


def design_matrix(data: SiteData) -> tuple[Floats, Ints]:
    """(columns, site of each row): the switch, site effects and period effects over the used cells."""
    n, n_t = data.values.shape
    site, period = np.nonzero(data.used)
    columns = np.zeros((len(site), n + n_t))
    columns[:, 0] = data.switch[site, period]
    columns[np.arange(len(site)), 1 + site] = 1.0
    later = period > 0
    columns[np.flatnonzero(later), n + period[later]] = 1.0
    return columns, site.astype(np.int64)


def least_squares(data: SiteData, level: Floats) -> Clustered:
    """Weighted least squares on site and period effects, CR1 by the panel's clusters, t with clusters - 1 degrees of freedom.

    For tables with weights or clusters of several sites; site effects stay nested in the clusters and are not counted.
    """
    columns, site = design_matrix(data)
    root = np.sqrt(_weights(data))
    z, y = columns * root[:, None], level[data.used] * root
    bread = np.linalg.pinv(z.T @ z)
    beta = bread @ (z.T @ y)
    parts = (z @ bread[0]) * (y - z @ beta)
    by = np.bincount(data.clusters[site], weights=parts)
    factor = cr1_factor(data.n_clusters, len(site), data.n_periods)
    return Clustered(float(beta[0]), float(np.sqrt((by**2).sum())) * factor, float(data.n_clusters - 1))


def _weights(data: SiteData) -> Floats:
    """The weight of each used cell, in the order of `design_matrix`."""
    return np.ones(int(data.used.sum())) if data.weight is None else data.weight[data.used]


def cr2(data: SiteData, level: Floats) -> Clustered:
    """The coefficient with the CR2 standard error and Satterthwaite degrees of freedom under independent errors.

    By the panel's clusters; with weights, errors are held to have variances in inverse proportion to them.
    """
    columns, site = design_matrix(data)
    site = data.clusters[site]
    y = level[data.used]
    if data.weight is not None:
        root = np.sqrt(_weights(data))
        columns, y = columns * root[:, None], y * root
    bread = np.linalg.pinv(columns.T @ columns)
    beta = bread @ (columns.T @ y)
    residual = y - columns @ beta
    hat = columns @ bread @ columns.T
    weights = np.zeros((data.n_clusters, len(y)))
    for g in range(data.n_clusters):
        own = site == g
        values, vectors = np.linalg.eigh(np.eye(own.sum()) - hat[np.ix_(own, own)])
        keep = values > EIGEN_FLOOR
        root = (vectors[:, keep] / np.sqrt(values[keep])) @ vectors[:, keep].T
        weights[g, own] = bread[0] @ columns[own].T @ root
    variance = float(((weights @ residual) ** 2).sum())
    spread = weights @ (np.eye(len(y)) - hat)
    products = spread @ spread.T
    return Clustered(float(beta[0]), math.sqrt(variance), float(np.trace(products) ** 2 / (products**2).sum()))


def wild_bootstrap(data: SiteData, level: Floats) -> float:
    """p of no effect by the restricted wild cluster bootstrap over all 2^n sign vectors of clusters, t with CR0; ties count."""
    n, sites = data.n_clusters, len(data.units)
    real = ri.assign_starts(data.starts, data.n_periods, seed=0).only_real()
    model = ri.TwoWay.of(real, data.n_periods)
    cohort = np.searchsorted(real.starts, data.starts)
    switch = model.residual[cohort]
    residual = level - level.mean(axis=1, keepdims=True) - level.mean(axis=0) + level.mean()
    products = switch @ residual.T
    own, size = np.diag(products), (switch**2).sum(axis=1)
    if data.cluster is not None:
        place = np.eye(n)[data.cluster].T
        own, size, products = place @ own, place @ size, place @ products @ place.T
    signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)[None, :]) & 1)
    b = signs @ own / model.norm
    scores = signs * own - signs @ products.T / sites - b[:, None] * size
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(np.nan_to_num(b / (np.sqrt((scores**2).sum(axis=1)) / model.norm), nan=0.0))
    return float(np.mean(t >= t[0] - ri.TIE))
