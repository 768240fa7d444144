"""Usual evaluations, as evaluators of the test-bed: what people conclude who look for nothing.

Each takes a `Case` and returns a `Said`; docs/methods/testbed.md says how to write another one.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from benchmarks.testbed import Case, Said

OUTCOME = "alcohol_specific_emergency"
LEVEL = 0.975


def before_after(case: Case) -> Said:
    """The caseload in the year after referral against the year before, a Poisson interval, nothing else."""
    panel = case.panel
    if panel.people is None:
        return Said("refused")
    counts = panel.person_matrix(OUTCOME).astype(float)
    referral = panel.people["referral_t"]
    taken = referral.notna().to_numpy()
    t = np.arange(counts.shape[1])
    at = referral.to_numpy(dtype=float, na_value=np.nan)[taken][:, None]
    death = panel.people["death_t"].to_numpy(dtype=float, na_value=math.inf)[taken][:, None]
    after = (t >= at) & (t < at + 12) & (t <= death)
    before = (t < at) & (t >= at - 12)
    mine = counts[taken]
    return _by_normal(
        np.log(((mine * after).sum() / after.sum()) / ((mine * before).sum() / before.sum())),
        math.sqrt(1 / (mine * after).sum() + 1 / (mine * before).sum()),
    )


def two_way_cr1(case: Case) -> Said:
    """Log rates on site and month effects and the service, with the usual clustered error and t of sites less one."""
    panel = case.panel
    counts, exposure = panel.matrix(OUTCOME).astype(float), panel.matrix("exposure").astype(float)
    rows = ~np.isnan(counts).any(axis=1)
    if rows.sum() < 2:
        return Said("refused")
    y = np.log((counts[rows] + 0.5) / exposure[rows])
    d = panel.matrix("treated").astype(float)[rows]
    y, d = (m - m.mean(axis=1, keepdims=True) - m.mean(axis=0, keepdims=True) + m.mean() for m in (y, d))
    if not (d**2).sum():
        return Said("refused")
    n, months = y.shape
    effect = float((d * y).sum() / (d**2).sum())
    scores = (d * (y - effect * d)).sum(axis=1)
    small = n / (n - 1) * (n * months - 1) / (n * months - n - months)
    return _by_normal(effect, math.sqrt(small * float((scores**2).sum())) / float((d**2).sum()), df=n - 1)


def always_cannot_tell(case: Case) -> Said:
    """Says nothing, ever: the floor of the scoreboard, never wrong and of no use."""
    return Said("cannot_tell")


def _by_normal(effect: float, error: float, df: float = math.inf) -> Said:
    """The verdict of somebody who reads an interval alone: lower, higher, or that there is no effect."""
    width = float(stats.t.ppf(LEVEL, df)) * error
    low, high = math.exp(effect - width), math.exp(effect + width)
    word = "lower" if high < 1 else "higher" if low > 1 else "cannot_tell"
    return Said(word, math.exp(effect), low, high)
