"""How the dates of a file are written: as the config says, as its format declares, or as the file shows; never guessed."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping

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


def date_patterns(
    config: RunConfig, table: str, schema: TableSchema, file: Dialect, held: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The spellings of dates beside the unmistakable ones: as the config says, as the format declares, else as the file shows.

    Raises InputError when every date of a column could be read both ways: 03/04/2024 is not guessed. Raises csv.Error.
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
        patterns[column.name] = (*orders, *(("%Y-%m",) if column.extra.get("months") else ()))
    if problems:
        raise InputError(*problems)
    return patterns


def _orders_seen(file: Dialect, column: str) -> set[str]:
    """The orders in which the dates of a column like 03/04/2024 can be read; none when it has no such dates."""
    pairs = set()
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        for row in csv.DictReader(text, delimiter=file.delimiter):
            found = re.match(r"\s*(\d{1,2})[/-](\d{1,2})[/-]\d{4}", row.get(column) or "")
            if found:
                pairs.add((int(found[1]), int(found[2])))
    if not pairs:
        return set()
    fits = {"DMY": all(b <= 12 for _, b in pairs), "MDY": all(a <= 12 for a, _ in pairs)}
    return {order for order, fit in fits.items() if fit} or {"DMY", "MDY"}
