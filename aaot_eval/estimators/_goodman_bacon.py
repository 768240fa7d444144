"""What the two-way coefficient is a mean of when sites start at different times (Goodman-Bacon 2021).

Every pair of cohorts gives comparisons of two groups over two windows. Those whose control already has the service are the
reason why the coefficient can leave the range of the true effects.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from aaot_eval.estimators._sites import Floats, Ints

COLUMNS = ["comparison", "start", "control_start", "weight", "estimate"]
NEVER = "against sites that never start"
LATER = "against sites that start later"
STARTED = "against sites that already started"


def comparisons(level: Floats, starts: Ints) -> pd.DataFrame:
    """One row a comparison of cohorts: its kind, start positions (control NaN = never), weight (sum 1) and estimate.

    `level`: n x T without holes, `starts`: n (T = never). Weights times estimates add up to the two-way coefficient.
    """
    n_t = level.shape[1]
    dates = np.unique(starts[starts < n_t])
    mean = {int(s): level[starts == s].mean(axis=0) for s in np.unique(starts)}
    share = {int(s): float((starts == s).mean()) for s in np.unique(starts)}
    on = {int(s): 1 - s / n_t for s in dates}
    rows = []
    for k in map(int, dates):
        if n_t in share:
            both = share[k] + share[n_t]
            rows.append((NEVER, k, np.nan, _spread(both, share[k] / both, on[k]), _did(mean[k], mean[n_t], 0, k, n_t)))
        for late in (int(s) for s in dates if s > k):
            both = share[k] + share[late]
            part = share[k] / both
            early = _spread(both * (1 - on[late]), part, (on[k] - on[late]) / (1 - on[late]))
            after = _spread(both * on[k], part, on[late] / on[k])
            rows.append((LATER, k, late, early, _did(mean[k], mean[late], 0, k, late)))
            rows.append((STARTED, late, k, after, _did(mean[late], mean[k], k, late, n_t)))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(weight=table["weight"] / table["weight"].sum())


def _spread(size: float, part: float, treated: float) -> float:
    """What a comparison adds to the variation of the switch: group size squared, times two variances of a share."""
    return size**2 * part * (1 - part) * treated * (1 - treated)


def _did(own: Floats, control: Floats, first: int, at: int, end: int) -> float:
    changes = [m[at:end].mean() - m[first:at].mean() for m in (own, control)]
    return float(changes[0] - changes[1])
