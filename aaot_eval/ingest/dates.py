"""How the dates of a file are written: as the config says, as its format declares, or as the file shows; never guessed."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping

import numpy as np

from aaot_eval.config import RunConfig
from aaot_eval.config.data import strptime_pattern
from aaot_eval.engine.files import Dialect
from aaot_eval.errors import InputError, Problem
from aaot_eval.schema import TableSchema

DATE_ORDERS = {
    "DMY": ("%d/%m/%Y", "%d-%m-%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"),
    "MDY": ("%m/%d/%Y", "%m-%d-%Y"),
    "SMR": ("%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%d/%m/%Y", "%d-%m-%Y", "%d%m%Y"),
}
# With summer time a zone has two midnights.
MOST_OFFSETS = 2
HALF_AN_HOUR = 30 * 60 * 1_000_000


def date_patterns(
    config: RunConfig, table: str, schema: TableSchema, file: Dialect, held: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The spellings of dates beside the unmistakable ones: as the config says, as the format declares, else as the file shows.

    Raises InputError when every date of a column could be read both ways: 03/04/2024 is not guessed; and for midnights of
    another time zone. Raises csv.Error.
    """
    patterns: dict[str, tuple[str, ...]] = {}
    problems = []
    written, declared = config.data.dates.get(table), str(schema.extra.get("date_order", ""))
    for column in schema.columns:
        if column.type != "date" or column.name not in held:
            continue
        if written:
            orders: tuple[str, ...] = (strptime_pattern(written),)
        elif declared or file.kind != "text":
            orders = DATE_ORDERS.get(declared, ())
        else:
            seen = _orders_seen(file, held[column.name])
            orders = DATE_ORDERS[next(iter(seen))] if len(seen) == 1 else ()
            if len(seen) == 2:
                problems.append(
                    Problem(
                        "X215",
                        f"the dates in {held[column.name]} can be read as day/month or as month/day",
                        where=str(file.path),
                        do=f'say which: [data.dates] {table} = "DD/MM/YYYY", or write them as 2024-04-30',
                    )
                )
        if file.kind == "parquet" and _midnights_elsewhere(file, held[column.name]):
            problems.append(
                Problem(
                    "X215",
                    f"{held[column.name]} holds midnights of a time zone that Parquet does not keep: read as days, they would be the days before",
                    where=str(file.path),
                    do="write the column as dates, or as times without a zone",
                )
            )
        patterns[column.name] = (*orders, *(("%Y-%m",) if column.extra.get("months") else ()))
    if problems:
        raise InputError(*problems)
    return patterns


def _midnights_elsewhere(file: Dialect, column: str) -> bool:
    """Whether the times with a zone in a Parquet column are all one or two full or half hours of the day, and not midnight.

    Parquet keeps such times in UTC: midnight of London in summer is 23 o'clock the day before. True times of day are many, and end the
    look at once; of midnights all are looked at, for those of a winter at the top of a file are midnights everywhere.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(file.path) as parquet:
        names = parquet.schema_arrow.names
        if column not in names or not getattr(parquet.schema_arrow.field(column).type, "tz", None):
            return False
        times: set[int] = set()
        for batch in parquet.iter_batches(columns=[column]):
            instants = batch.column(0).drop_null().cast(pa.timestamp("us", "UTC"), safe=False).cast("int64").to_numpy()
            times |= set(np.unique(instants % (48 * HALF_AN_HOUR)).tolist())
            if len(times) > MOST_OFFSETS or any(time % HALF_AN_HOUR for time in times):
                return False
    return any(times)


def _orders_seen(file: Dialect, column: str) -> set[str]:
    """The orders in which the dates of a column like 03/04/2024 can be read; none when it has no such dates."""
    pairs = set()
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        for row in csv.DictReader(text, delimiter=file.delimiter):
            found = re.match(r"\s*(\d{1,2})[/-](\d{1,2})[/-]\d{4}", row.get(column) or "")
            if found:
                pairs.add((int(found[1]), int(found[2])))
    if all(a == b for a, b in pairs):  # 05/05/2022 is one day either way
        return {"DMY"} if pairs else set()
    fits = {"DMY": all(b <= 12 for _, b in pairs), "MDY": all(a <= 12 for a, _ in pairs)}
    return {order for order, fit in fits.items() if fit} or {"DMY", "MDY"}
