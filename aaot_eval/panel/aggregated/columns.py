"""What each column of the panel files is, and its cells as numbers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aaot_eval.config import RunConfig
from aaot_eval.errors import InputError, Problem
from aaot_eval.names import is_name, repeated_names
from aaot_eval.panel.aggregated.file import PanelFile, refusal

BLANK = {"", "na", "n/a", "null", "none", "."}
# Beyond this a number is a fault: more than all money and all admissions of a country.
LARGEST = 1e12
# Names that say what a numeric column is, so that it is not taken for an outcome.
NEVER_OUTCOMES = {"days", "time", "t"}
# Columns that the panel makes itself; with `<outcome>_persons` no column of a file may stand in their place.
OWN_COLUMNS = {"unit", "t", "exposure", "treated", "missing"}


def roles_of(config: RunConfig, table: PanelFile) -> dict[str, str]:
    """Which column of the file plays which part; an empty name means that no column does."""
    panel = config.panel
    roles = {
        "unit": panel.unit,
        "period": panel.period,
        "exposure": panel.exposure or "",
        "cluster": panel.cluster or "",
        "weight": panel.weight or "",
        "group": panel.group or "",
        "start": panel.start or "",
    }
    if "unit" not in panel.model_fields_set and not any(panel.unit in h for h in table.headers):
        roles["unit"] = ""
    wanted = {f"panel.{k}": v for k, v in roles.items() if v}
    wanted |= {f"panel.outcomes.{n}": n for n in panel.outcomes} | {
        f"panel.covariates: {n}": n for n in panel.covariates
    }
    if not panel.outcomes:  # any numeric column may be one
        wanted |= {f"panel.outcomes: {h}": h for header in table.headers for h in header if is_name(h)}
    problems = []
    for source, header in zip(table.sources, table.headers, strict=True):
        problems += [_no_column(source.name, header, key, n, roles) for key, n in wanted.items() if n not in header]
        problems += repeated_names(Path(source.name), header, _columns_read(config, header, roles))
    if problems:
        raise refusal(problems)
    return roles


def _no_column(file: str, header: Sequence[str], key: str, name: str, roles: Mapping[str, str]) -> Problem:
    near = difflib.get_close_matches(name, [h for h in header if is_name(h)], n=3, cutoff=0.4)
    short = key.split(".")[1].split(":")[0]
    return Problem(
        "X204",
        f"there is no column {name!r} for {key}",
        where=file,
        allowed=names_shown(header),
        do=f'write under [panel]: {short} = "{near[0]}"; all files must have the same name'
        if near and short in roles
        else "name a column of every file",
    )


def _columns_read(config: RunConfig, header: Sequence[str], roles: Mapping[str, str]) -> set[str]:
    """The columns that are read; without named outcomes any numeric column may be one."""
    named = {*roles.values(), *config.panel.outcomes, *config.panel.covariates} - {""}
    return named if config.panel.outcomes else named | {h for h in header if h}


def names_shown(header: Sequence[str]) -> str:
    """The columns of the panel as a message may show them; not when line 1 looks like data."""
    names = [h for h in header if is_name(h)]
    if 2 * len(names) <= len(header):
        return "line 1 does not hold column names (it may hold data): add the header line"
    return ", ".join(names)


def outcomes_of(config: RunConfig, table: PanelFile, roles: Mapping[str, str]) -> tuple[list[str], dict[str, Any]]:
    """The outcomes and the kind of each: as [panel] names them, else every column of numbers with no other part, as counts."""
    if config.panel.outcomes:
        return list(config.panel.outcomes), dict(config.panel.outcomes)
    taken = {*roles.values(), *config.panel.covariates} | NEVER_OUTCOMES
    names = [c for c in table.header if c and c not in taken and _numeric_column(table, c)]
    if not names:
        raise InputError(
            Problem(
                "C106",
                "no column of the panel is an outcome",
                where=table.sources[0].name,
                allowed=names_shown(table.header),
                do='name the outcomes: [panel.outcomes] admissions = "count"',
            )
        )
    return names, dict.fromkeys(names, "count")


def refuse_own_names(config: RunConfig, table: PanelFile, roles: Mapping[str, str], names: Sequence[str]) -> None:
    """Raises InputError for every outcome, covariate and weight that would replace a column of the panel itself."""
    own = OWN_COLUMNS | {f"{n}_persons" for n in names}
    asked = [*names, *config.panel.covariates, *([roles["weight"]] if roles["weight"] else [])]
    taken = [name for name in dict.fromkeys(asked) if name in own]
    if taken:
        raise InputError(
            *(
                Problem(
                    "X217",
                    f"the column {name!r} has a name that the panel itself uses",
                    where=table.sources[0].name,
                    allowed=f"any name but {', '.join(sorted(OWN_COLUMNS))} and <outcome>_persons",
                    do="rename the column in the file and in the config under [panel]; where it is not an outcome, "
                    'name the outcomes: [panel.outcomes] admissions = "count"',
                )
                for name in taken
            )
        )


def _numeric_column(table: PanelFile, name: str) -> bool:
    filled = [r[name] for r in table.rows if r[name].strip().lower() not in BLANK]
    return bool(filled) and sum(_number(v) is not None for v in filled) > len(filled) / 2


def _number(text: str) -> float | None:
    if "_" in text:  # float() would read 1_00 as 100
        return None
    try:
        value = float(text.replace(",", "") if re.fullmatch(r"\s*\d{1,3}(,\d{3})+(\.\d+)?\s*", text) else text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def numbers_of(table: PanelFile, names: Sequence[str], kinds: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Columns as numbers, NaN where a cell is blank. Raises InputError for cells that are no numbers or not of their kind."""
    problems: list[Problem] = []
    found = {}
    for name in names:
        column = np.full(len(table.rows), np.nan)
        for i, row in enumerate(table.rows):
            text = row[name]
            if text.strip().lower() in BLANK:
                continue
            value = _number(text)
            fault = _not_plain(text, value) or _out_of_kind(value, kinds.get(name))
            if fault:
                problems.append(
                    Problem(
                        "X213",
                        f"a cell of {name} {fault}",
                        where=table.where(i, name, text),
                        do="mend the cell; leave it blank when it is missing or suppressed",
                    )
                )
            elif value is not None:
                column[i] = value
        found[name] = column
    if problems:
        raise refusal(problems)
    return found


def _not_plain(text: str, value: float | None) -> str:
    if value is None:
        return "is not a number"
    if "," in text:
        return "has a separator of thousands: write 1234"
    return "is larger than any count or cost" if abs(value) > LARGEST else ""


def _out_of_kind(value: float | None, kind: str | None) -> str:
    if value is None:
        return ""
    if kind == "count" and value < 0:
        return "is a count below zero"
    if kind == "count" and value != round(value):
        return 'is a count that is not a whole number: declare the outcome as "share" or "continuous"'
    if kind == "share" and not 0 <= value <= 1:
        return "is a share outside 0 to 1"
    return ""
