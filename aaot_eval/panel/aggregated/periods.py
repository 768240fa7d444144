"""Periods as they are written in a panel file or in the config, and the frame of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.errors import InputError, Problem
from aaot_eval.panel.aggregated.file import PanelFile, refusal
from aaot_eval.panel.timing import clock_of, period_frame

FREQUENCY = {"month": "M", "quarter": "Q", "year": "Y"}
EXAMPLES = {"month": "2024-04", "quarter": "2024Q2", "year": "2024", "integer": "17"}


def parse_period(text: str, frequency: str) -> pd.Period | int | None:
    """A period as written in a file or the config; None when it does not read without guessing.

    Months: 2024-04, 2024/04, 202404, 2024-04-01, Apr-24, 1-Apr-24, April 2024. Quarters: 2024Q2, 2024_Q2, Q2 2024, or a date.
    Years: 2024 or a date. Integers as they are.
    """
    text = text.strip()
    if frequency == "integer":
        return int(float(text)) if re.fullmatch(r"[+-]?\d+(\.0+)?", text) else None
    day = _date(text)
    if day is not None:
        return pd.Period(day, FREQUENCY[frequency])
    if frequency == "year":
        return pd.Period(text[:4], "Y") if re.fullmatch(r"\d{4}(\.0+)?", text) else None
    if frequency == "quarter":
        found = re.fullmatch(r"(\d{4})[\s_,-]*Q([1-4])", text, re.IGNORECASE)
        turned = re.fullmatch(r"Q([1-4])[\s_,-]*(\d{4})", text, re.IGNORECASE)
        year, quarter = (found[1], found[2]) if found else (turned[2], turned[1]) if turned else (None, None)
        return pd.Period(f"{year}Q{quarter}", "Q") if year else None
    return None


def _date(text: str) -> datetime | None:
    patterns = (
        "%Y-%m-%d",
        "%Y-%m",
        "%Y/%m",
        "%Y/%m/%d",
        "%b-%y",
        "%d-%b-%y",
        "%d-%b-%Y",
        "%b-%Y",
        "%b %Y",
        "%B %Y",
        "%Y-%m-%d %H:%M:%S",
    )
    for pattern in (*patterns, *(("%Y%m",) if len(text) == 6 else ()), *(("%Y%m%d",) if len(text) == 8 else ())):
        try:
            return datetime.strptime(text, pattern)
        except ValueError:
            continue
    return None


def clock_number(period: pd.Period | int) -> int:
    """A period as a whole number that goes up by one each period; an integer is its own."""
    return period if isinstance(period, int) else clock_of(period)


def periods_of(
    config: RunConfig, table: PanelFile, column: str
) -> tuple[PanelFile, list[int], dict[int, pd.Period | int]]:
    """The rows inside the study's window, the clock of each, and the period of each clock. Raises InputError."""
    problems: list[Problem] = []
    clock: list[int] = []
    labels: dict[int, pd.Period | int] = {}
    for i, row in enumerate(table.rows):
        text = row[column]
        period = parse_period(text, config.panel.frequency)
        if period is None:
            problems.append(
                Problem(
                    "X213",
                    f"a period does not read as a {config.panel.frequency}",
                    where=table.where(i, column, text),
                    allowed=EXAMPLES[config.panel.frequency],
                    do="write all periods alike, or set panel.frequency",
                )
            )
            clock.append(0)
            continue
        clock.append(clock_number(period))
        labels[clock[-1]] = period
    if problems:
        raise refusal(problems)
    begin, end = (
        clock_in_config(config, getattr(config.study, k), f"study.{k}") for k in ("first_period", "last_period")
    )
    for key, asked in (("study.first_period", begin), ("study.last_period", end)):
        if asked is not None and not min(labels) <= asked <= max(labels):
            problems.append(_outside(key, labels))
    if problems:
        raise InputError(*problems)
    inside = {c: p for c, p in labels.items() if (begin is None or c >= begin) and (end is None or c <= end)}
    keep = [i for i, c in enumerate(clock) if c in inside]
    return table.only(keep), [clock[i] for i in keep], inside


def clock_in_config(config: RunConfig, value: object, key: str) -> int | None:
    """A period of the config as a clock number."""
    if value is None:
        return None
    period = parse_period(str(value), config.panel.frequency)
    if period is None:
        raise InputError(
            Problem(
                "C105",
                f"{key} is not a {config.panel.frequency}",
                where=key,
                allowed=EXAMPLES[config.panel.frequency],
                do="write it like the periods of the panel",
            )
        )
    return clock_number(period)


def _outside(key: str, labels: Mapping[int, pd.Period | int]) -> Problem:
    return Problem(
        "D320",
        f"{key} lies outside the data",
        where=key,
        allowed=f"{labels[min(labels)]} to {labels[max(labels)]}",
        do="choose a period of the panel",
    )


def frame_of_periods(config: RunConfig, clocks: Sequence[int], labels: Mapping[int, pd.Period | int]) -> pd.DataFrame:
    """The `periods` frame of a panel, in the order of the clock."""
    out = {clock_in_config(config, v, "study.left_out") for v in config.study.left_out}
    if config.panel.frequency != "integer":
        periods = {c: p for c in clocks if isinstance(p := labels[c], pd.Period)}
        return period_frame(periods.values(), [p for c, p in periods.items() if c in out])
    return pd.DataFrame(
        {
            "label": [str(c) for c in clocks],
            "start": pd.DatetimeIndex([pd.NaT] * len(clocks)),
            "days": 1,
            "season": 1,
            "clock": np.array(clocks, dtype=np.int64),
            "left_out": [c in out for c in clocks],
        },
        index=pd.RangeIndex(len(clocks), name="t"),
    )
