"""Newest months that were sent in part: what is there would look like a fall."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Records come at most so many months late; fewer of them for longer than that are a change, and no delay.
MOST_LATE = 3
#: What is usual is the median of so many earlier months, and of no fewer than the second.
EARLIER, LEAST_EARLIER = 24, 6
#: Below so many records in a usual month, half of them can go missing by chance.
LEAST_USUAL = 20


def sent_in_part(counts: NDArray[Any], limit: float) -> NDArray[np.bool_]:
    """Which newest months of each unit hold fewer than `limit` times its usual records: (units, months) of truth values.

    `counts` is (units, months), the oldest month first. Usual is the median of the months with records before the newest three. A
    month without any record is missing and not sent in part; it shows no lasting change to fewer records either. Units with few records
    or few earlier months tell nothing.
    """
    found = np.zeros(counts.shape, dtype=bool)
    if counts.shape[1] < MOST_LATE + LEAST_EARLIER:
        return found
    earlier = counts[:, :-MOST_LATE][:, -EARLIER:].astype(float)
    earlier[earlier == 0] = np.nan
    known = np.isfinite(earlier).sum(axis=1) >= LEAST_EARLIER
    usual = np.full(len(counts), np.nan)
    usual[known] = np.nanmedian(earlier[known], axis=1)
    few = counts[:, -MOST_LATE - 1 :] < limit * usual[:, None]
    to_the_end = np.logical_and.accumulate(few[:, ::-1], axis=1)[:, ::-1]
    changed = to_the_end[:, :1] & (counts[:, -MOST_LATE - 1 : -MOST_LATE] > 0)
    late = to_the_end[:, 1:] & ~changed & (usual >= LEAST_USUAL)[:, None]
    found[:, -MOST_LATE:] = late & (counts[:, -MOST_LATE:] > 0)
    return found
