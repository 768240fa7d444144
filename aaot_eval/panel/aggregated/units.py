"""The units of a panel: when the service starts and stops at each, and what is the same in all its periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.errors import InputError, Problem
from aaot_eval.names import shown_names
from aaot_eval.panel.aggregated.columns import BLANK
from aaot_eval.panel.aggregated.file import MOST_PLACES, PanelFile, refusal
from aaot_eval.panel.aggregated.periods import EXAMPLES, clock_in_config, clock_number, parse_period
from aaot_eval.results import BESIDE

# A unit is a line of totals where it is the sum of at least two others in at least four periods: less can be chance.
LEAST_SUMMED, LEAST_PERIODS = 2, 4


@dataclass(frozen=True)
class Rows:
    """The rows of a panel with the unit and the period of each; `roles` says which column plays which part."""

    table: PanelFile
    roles: Mapping[str, str]
    unit: list[str]
    clock: list[int]
    labels: Mapping[int, pd.Period | int]

    @property
    def units(self) -> list[str]:
        """Every unit once, in the order of their names."""
        return sorted(set(self.unit))

    @property
    def clocks(self) -> list[int]:
        """Every period once, in the order of time."""
        return sorted(self.labels)


def refuse_repeats(rows: Rows) -> None:
    """Raises InputError for rows without a unit, for a unit with a period twice, and for one unit under two spellings."""
    table = rows.table
    seen: dict[tuple[str, int], int] = {}
    twice: dict[str, str] = {}
    problems = []
    for i, key in enumerate(zip(rows.unit, rows.clock, strict=True)):
        if not key[0]:
            problems.append(
                Problem(
                    "X213", "a row has no unit", where=table.where(i, rows.roles["unit"], ""), do="fill in the unit"
                )
            )
        elif key in seen:
            twice.setdefault(key[0], f"{table.places[i]} and {table.places[seen[key]]}")
        seen.setdefault(key, i)
    if twice:
        names, more = list(twice), len(twice) - MOST_PLACES
        named = shown_names(names[:MOST_PLACES]) + (f" and {more} more" if more > 0 else "")
        problems.append(
            Problem(
                "X214",
                f"{named} {'has' if len(names) == 1 else 'have'} the same period twice",
                where="; ".join(twice[name] for name in names[:MOST_PLACES]),
                do="keep one row for each unit and period",
            )
        )
    problems += _spelt_twice(rows)
    if problems:
        raise refusal(problems)


def _spelt_twice(rows: Rows) -> list[Problem]:
    """Units whose names differ in capitals, spaces or signs that nobody sees: each would be a unit of its own with holes."""
    first: dict[str, str] = {}
    problems = []
    for unit in rows.units:
        known = first.setdefault("".join(c for c in unit.casefold() if c.isprintable() and not c.isspace()), unit)
        if known != unit:
            places = (rows.table.places[rows.unit.index(u)] for u in (known, unit))
            problems.append(
                Problem(
                    "X214",
                    f"{shown_names([known])} is written in two ways, which differ in capitals, spaces or signs that are not seen",
                    where=" and ".join(places),
                    do="write each unit in one way",
                )
            )
    return problems


def refuse_total(rows: Rows, counts: Mapping[str, np.ndarray]) -> None:
    """Raises InputError for a unit that is the sum of all others in every period: a line of totals is no hospital.

    `counts`: the outcomes of every unit and period, unit by unit, NaN where missing.
    """
    if len(rows.units) < LEAST_SUMMED + 1 or len(rows.clocks) < LEAST_PERIODS:
        return
    totals = None
    for column in counts.values():
        cells = column.reshape(len(rows.units), -1)
        with np.errstate(invalid="ignore"):
            alike = np.isclose(2 * cells, np.nansum(cells, axis=0)).all(axis=1) & (np.nansum(cells, axis=1) > 0)
        totals = alike if totals is None else totals & alike
    for at in np.flatnonzero(totals) if totals is not None else ():
        raise InputError(
            Problem(
                "X214",
                f"{shown_names([rows.units[at]])} is the sum of all other units in every period",
                where=rows.table.places[rows.unit.index(rows.units[at])],
                do="take the lines of totals out: they would count as one more unit to compare with",
            )
        )


def units_of(config: RunConfig, rows: Rows) -> tuple[pd.DataFrame, dict[str, int]]:
    """The `units` frame, and the starts of the units that stand beside. Raises InputError with everything wrong with the starts."""
    units, roles = rows.units, rows.roles
    start = _starts_in_panel(config, rows)
    beside = {u: t for u, t in start.items() if u in config.panel.beside}
    last = clock_in_config(config, config.study.stop, "study.stop")
    stop_t = None if last is None else int(np.searchsorted(rows.clocks, last, side="right")) - 1
    treated = [u in start and u not in beside for u in units]
    group = _constant(rows, roles["group"]) if roles["group"] else {}
    frame = pd.DataFrame(
        {
            "start_t": pd.array([start[u] if x else pd.NA for u, x in zip(units, treated, strict=True)], dtype="Int64"),
            "stop_t": pd.array([stop_t if x and stop_t is not None else pd.NA for x in treated], dtype="Int64"),
            "population": np.nan,
            "beds": np.nan,
            "group": [BESIDE if u in config.panel.beside else group.get(u, "") for u in units],
        },
        index=pd.Index(units, name="unit"),
    )
    if roles["cluster"]:
        frame["cluster"] = pd.Series(_constant(rows, roles["cluster"])).reindex(frame.index)
    return frame, beside


def _starts_in_panel(config: RunConfig, rows: Rows) -> dict[str, int]:
    """The place among the periods at which the service starts, by unit. Raises InputError."""
    clocks = rows.clocks
    problems = _unknown_units(config, rows.units)
    begun = _starts(config, rows, problems)
    problems += [
        Problem(
            "C107",
            f"{u} is in study.comparison and has a start",
            where="study.comparison",
            do="take it out of one of the two",
        )
        for u in config.study.comparison
        if u in config.study.starts
    ]
    problems += [
        Problem(
            "D320",
            f"the service at {u} starts before there is anything to compare with",
            where="start",
            allowed=f"after {clocks[0] if config.panel.frequency == 'integer' else 'the first period of the panel'}",
            do="give earlier periods, or mend the start",
        )
        for u, first in begun.items()
        if first <= clocks[0]
    ]
    start = {u: int(np.searchsorted(clocks, first)) for u, first in begun.items()}
    if start and not problems and all(t >= len(clocks) for t in start.values()):
        problems.append(
            Problem(
                "D320", "no service starts inside the data", where="start", do="give later periods, or mend the start"
            )
        )
    if problems:
        raise refusal(problems)
    return start


def _unknown_units(config: RunConfig, units: Sequence[str]) -> list[Problem]:
    return [
        Problem(
            "D322",
            f"{key} names units that are not in the panel: {', '.join(unknown)}",
            where=key,
            allowed=", ".join(units[:30]),
            do="write the units as in the panel",
        )
        for key, named in (
            ("study.starts", config.study.starts),
            ("study.comparison", config.study.comparison),
            ("panel.beside", config.panel.beside),
        )
        if (unknown := sorted(set(named) - set(units)))
    ]


def _starts(config: RunConfig, rows: Rows, problems: list[Problem]) -> dict[str, int]:
    """The clock of each unit's start: the start column, then `study.starts`, then `study.service_start` for all others."""
    units = rows.units
    begun: dict[str, int] = {}
    if rows.roles["start"]:
        for u, text in _constant(rows, rows.roles["start"]).items():
            period = parse_period(text, config.panel.frequency) if text.lower() not in BLANK else None
            zero_is_never = config.panel.frequency == "integer" and period == 0 and rows.clocks[0] > 0
            if period is not None and not zero_is_never:
                begun[u] = clock_number(period)
            elif text.lower() not in BLANK and not zero_is_never:
                problems.append(
                    Problem(
                        "X213",
                        f"the start of {u} does not read as a {config.panel.frequency}",
                        where=rows.table.where(rows.unit.index(u), rows.roles["start"], text),
                        allowed=EXAMPLES[config.panel.frequency],
                        do="write it like the periods, or leave it blank for never",
                    )
                )
    for u, asked in config.study.starts.items():
        begun[u] = clock_in_config(config, asked, f"study.starts.{u}") or 0
    whole = clock_in_config(config, config.study.service_start, "study.service_start")
    if whole is not None:
        begun |= {u: whole for u in units if u not in config.study.comparison and u not in begun}
    known = set(units) - set(config.study.comparison)
    return {u: c for u, c in begun.items() if u in known}


def _constant(rows: Rows, column: str) -> dict[str, str]:
    """One text for each unit. Raises InputError when a unit has two."""
    found: dict[str, str] = {}
    problems = []
    for i, u in enumerate(rows.unit):
        text = rows.table.rows[i][column].strip()
        if found.setdefault(u, text) != text:
            problems.append(
                Problem(
                    "X214",
                    f"{column} of {u} is not the same in all periods",
                    where=rows.table.where(i, column, text),
                    do="give one value for each unit",
                )
            )
    if problems:
        raise refusal(problems)
    return found
