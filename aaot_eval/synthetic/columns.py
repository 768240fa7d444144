"""Columns of made-up records: texts, days and years as Arrow arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from aaot_eval.synthetic.world import LONGEST_STAY, Calendar, Ints, Mask

Columns = dict[str, pa.Array]


def picked(pool: Sequence[str], at: Ints) -> pa.Array:
    """The texts at these positions of the pool; a negative position is blank."""
    return pa.array(list(pool), pa.string()).take(pa.array(at, mask=at < 0))


def dates(day: Ints, calendar: Calendar, blank: Mask | None = None) -> pa.Array:
    """Days of the study as dates."""
    since_1970 = (day + calendar.first.astype(np.int64)).astype(np.int32)
    return pa.array(since_1970, pa.int32(), mask=blank).cast(pa.date32())


def financial_year(day: Ints, calendar: Calendar) -> Ints:
    """The year in which the financial year of each day begins."""
    month = (calendar.first + day.astype("timedelta64[D]")).astype("datetime64[M]").astype(np.int64)
    return np.asarray(1970 + (month - 3) // 12, dtype=np.int64)


def year_label(year: int) -> str:
    """A financial year as HES writes it: 2021 is 2122."""
    return f"{year % 100:02d}{(year + 1) % 100:02d}"


def decimals(days: Ints, blank: Mask) -> pa.Array:
    """Whole days the way extracts often bring them: 5.0."""
    return picked([f"{d}.0" for d in range(LONGEST_STAY + 1)], np.where(blank, -1, days))


def years(year: Ints) -> pa.Array:
    """Financial years as labels."""
    first = int(year.min(initial=2000))
    last = int(year.max(initial=2000))
    return picked([year_label(y) for y in range(first, last + 1)], year - first)
