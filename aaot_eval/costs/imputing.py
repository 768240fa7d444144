"""Answers that are missing: imputed within each arm from the other assessments, pooled by Rubin's rules, and shifted.

`chained` and `pooled` are the arithmetic; formulae, sources and limits: docs/methods/net_benefit.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aaot_eval.costs.differences import Difference

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DONORS = 5
"""An answer is taken from one of this many people with the nearest prediction (Morris, White and Royston 2014)."""
CYCLES = 10
LEAST_IMPUTATIONS = 20
RIDGE = 1e-5  # assessments that say nearly the same thing leave the coefficients of each undetermined
SPARE = 2  # residual degrees of freedom that a regression on the other assessments needs


def imputations(incomplete: int, people: int) -> int:
    """How many imputations: as many as per cent of people have an answer missing, at least twenty (White and others 2011)."""
    return max(LEAST_IMPUTATIONS, math.ceil(100 * incomplete / people))


def chained(level: Floats, due: Flags, rng: np.random.Generator) -> Floats:
    """One completed copy of `level` (n, d), the answers of one arm with NaN where one is missing.

    `due` (n, d): alive at the assessment. Where it is False the level is known (0 from death on): it predicts and is never
    imputed. Assessment after assessment, ten times round, each missing answer is that of a donor: of the five people who
    answered with the nearest prediction from all other assessments (predictive mean matching, coefficients drawn anew).
    """
    holes = due & np.isnan(level)
    full = level.copy()
    for j in range(level.shape[1]):
        seen = due[:, j] & ~holes[:, j]
        full[holes[:, j], j] = rng.choice(level[seen, j], int(holes[:, j].sum())) if holes[:, j].any() else 0.0
    columns = [int(j) for j in np.flatnonzero(holes.any(axis=0))]
    for _ in range(CYCLES if len(columns) and level.shape[1] > 1 else 0):
        for j in columns:
            seen, asked = due[:, j] & ~holes[:, j], holes[:, j]
            others = np.delete(full, j, axis=1)
            design = np.column_stack([np.ones(len(full)), others])
            full[asked, j] = _matched(design[seen], level[seen, j], design[asked], rng)
    return full


def _matched(design: Floats, answer: Floats, asked: Floats, rng: np.random.Generator) -> Floats:
    """For each row of `asked` the answer of a donor: least squares for those who answered, a draw of it for the others."""
    cross = design.T @ design
    inverse = np.linalg.inv(cross + RIDGE * np.diag(np.diag(cross)))
    fitted = inverse @ design.T @ answer
    residual = answer - design @ fitted
    spare = len(answer) - design.shape[1]
    sigma = math.sqrt(float(residual @ residual) / float(rng.chisquare(spare)))
    drawn = fitted + sigma * np.linalg.cholesky(inverse) @ rng.standard_normal(len(fitted))
    return answer[_donors(design @ fitted, asked @ drawn, rng)]


def _donors(offered: Floats, wanted: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """For each wanted prediction the position of one of the five nearest offered, drawn evenly."""
    order = np.argsort(offered, kind="stable")
    k = min(DONORS, len(order))
    first = np.searchsorted(offered[order], wanted)[:, None] + np.arange(-k, k)
    outside = (first < 0) | (first >= len(order))
    near = order[np.clip(first, 0, len(order) - 1)]
    gap = np.where(outside, np.inf, np.abs(offered[near] - wanted[:, None]))
    nearest = np.take_along_axis(near, np.argsort(gap, axis=1, kind="stable")[:, :k], axis=1)
    return np.asarray(nearest[np.arange(len(wanted)), rng.integers(0, k, len(wanted))])


def too_few(level: Floats, due: Flags, least: int) -> list[int]:
    """The assessments (positions) with a missing answer and fewer answers than `least` or than their regression needs."""
    answered = (due & ~np.isnan(level)).sum(axis=0)
    missing = (due & np.isnan(level)).any(axis=0)
    return [int(j) for j in np.flatnonzero(missing & (answered < max(least, level.shape[1] + SPARE)))]


def pooled(parts: Sequence[Difference]) -> Difference:
    """The differences of m completed data sets as one, by Rubin's rules.

    Mean; variance W + (1 + 1/m) B, the mean of the variances and the variance of the means; degrees of freedom of Barnard and
    Rubin (1999), which never exceed those of complete data.
    """
    m = len(parts)
    values = np.array([p.estimate for p in parts])
    within = float(np.mean([p.std_error**2 for p in parts]))
    between = (1 + 1 / m) * float(values.var(ddof=1)) if m > 1 else 0.0
    total = within + between
    complete = parts[0].df
    if not total > 0:
        return parts[0]
    share = between / total
    observed = (complete + 1) / (complete + 3) * complete * (1 - share)
    df = observed if share == 0 else 1 / (1 / observed + share**2 / (m - 1))
    return Difference(float(values.mean()), math.sqrt(total), df, parts[0].n_first, parts[0].n_second)
