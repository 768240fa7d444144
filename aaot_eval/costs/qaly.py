"""QALYs from utilities: area under each person's curve, zero from the date of death, adjusted for the utility at the start.

`read_utilities` reads and judges the user's file; `qalys` and `qaly_difference` are the arithmetic. Rules and sources:
docs/methods/net_benefit.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.costs.differences import Difference, adjusted
from aaot_eval.costs.price_files import Line, Refusals, is_invented, number, read_lines
from aaot_eval.costs.rates import DAYS_IN_YEAR
from aaot_eval.errors import Problem

USUAL, AAOT = "care_as_usual", "aaot"
LEAST_IN_ARM = 10  # fewer people could be pointed to, and carry no interval worth having
SHARE_STEP = 5  # per cent
WORST_UTILITY, BEST_UTILITY = -1.0, 1.0

Missing = Literal["refuse", "complete_cases"]


def area_under_curve(days: Sequence[float], utility: Sequence[float], horizon: float) -> float:
    """Quality-adjusted life years of one person up to `horizon` days: the area under straight lines between assessments.

    `days` rise from 0 (baseline); a death is the point (day of death, 0) with nothing after it. A curve that ends before the
    horizon without a death gives NaN: nothing is carried forward. The last piece is cut at the horizon.
    """
    at, level = np.asarray(days, dtype=float), np.asarray(utility, dtype=float)
    if len(at) == 0 or at[0] != 0 or (np.diff(at) <= 0).any():
        raise ValueError("assessments must rise from day 0")
    if at[-1] < horizon:
        return math.nan
    ends = np.append(at[at < horizon], horizon)
    return float(np.trapezoid(np.interp(ends, at, level), ends) / DAYS_IN_YEAR)


def qalys(assessments: pd.DataFrame, horizon: float) -> pd.DataFrame:
    """One row a person: arm, baseline utility, qaly up to `horizon` days, died (within it).

    `assessments`: person, arm, day, utility (NaN = not answered), death_day (NaN = alive). The schedule is every day at which
    anybody was assessed. From the last assessment before it the curve falls straight to 0 at the death. A person without
    baseline, or without an assessment that was due while alive, has NaN: missing is never carried forward or filled in.
    """
    due = np.unique(assessments["day"][assessments["day"] <= horizon])
    if due[-1] < horizon:
        beyond = assessments["day"][assessments["day"] > horizon]
        due = np.append(due, beyond.min()) if len(beyond) else due
    rows = []
    for person, own in assessments.sort_values(["person", "day"], kind="stable").groupby("person", sort=True):
        death = float(own["death_day"].iloc[0])
        answered = own.dropna(subset=["utility"])
        level = dict(zip(answered["day"].astype(float), answered["utility"].astype(float), strict=True))
        needed = [float(d) for d in due if math.isnan(death) or d < death]
        complete = needed[:1] == [0.0] and all(d in level for d in needed)
        area = math.nan
        if complete:
            points = [(d, level[d]) for d in needed]
            if not math.isnan(death):
                points += [(death, 0.0)] + ([(horizon, 0.0)] if death < horizon else [])
            area = area_under_curve([d for d, _ in points], [u for _, u in points], horizon)
        rows.append((person, own["arm"].iloc[0], level.get(0.0, math.nan), area, death < horizon))
    return pd.DataFrame(rows, columns=["person", "arm", "baseline", "qaly", "died"]).set_index("person")


def qaly_difference(people: pd.DataFrame) -> Difference:
    """Mean QALYs, AAOT less care as usual, adjusted for baseline utility by regression; complete people only.

    `people` is what `qalys` gives. With the same baseline for everybody the adjustment falls away. Raises ValueError with
    fewer than ten complete people in an arm.
    """
    complete = people.dropna(subset=["baseline", "qaly"])
    second = (complete["arm"] == AAOT).to_numpy()
    if min(second.sum(), (~second).sum()) < LEAST_IN_ARM:
        raise ValueError(f"fewer than {LEAST_IN_ARM} people with complete utilities in an arm")
    baseline = complete["baseline"].to_numpy(dtype=float)
    varies = float(np.ptp(baseline)) > 0
    return adjusted(complete["qaly"].to_numpy(dtype=float), second, baseline[:, None] if varies else None)


@dataclass(frozen=True)
class Utilities:
    """The user's utilities, checked: QALYs gained over the horizon, and what has to be said of them."""

    gain: Difference
    horizon_days: int
    value_set: str
    source: str
    complete: int
    people: int
    deaths: int

    @property
    def per_year(self) -> float:
        """Factor from the horizon to a year."""
        return DAYS_IN_YEAR / self.horizon_days

    @property
    def invented(self) -> bool:
        """Whether the source says that the figures were made up."""
        return is_invented([self.source])

    @property
    def label(self) -> str:
        """What must be read with the QALYs."""
        # In steps, and never 100: an exact share of few people would count those who did not answer.
        share = min(100 - SHARE_STEP, SHARE_STEP * round(100 / SHARE_STEP * self.complete / self.people))
        answered = (
            "" if self.complete == self.people else f", from about {share} % of people, those with every assessment"
        )
        return (
            f"utilities: {self.source}; value set {self.value_set}; over {self.horizon_days} days, adjusted for the utility at the "
            f"start, 0 from the date of death{answered}"
        )


def load_utilities(config: RunConfig) -> tuple[Utilities | None, list[Problem]]:
    """The utilities that [costs.outcome] names, and everything that is wrong with them; none for another outcome."""
    asked = config.costs.outcome if config.costs else None
    if asked is None or asked.utilities is None:
        return None, []
    found, refusals = read_utilities(config.path(asked.utilities), asked.horizon_days, asked.missing)
    return found, refusals.problems


def read_utilities(path: Path, horizon_days: int, missing: Missing) -> tuple[Utilities | None, Refusals]:
    """The user's file of utilities (`data_schemas/tables/utilities.json`): one row a person and assessment.

    All problems come together, by file, line and column: files and columns as P400 to P407, and C161 arms, C162 an
    assessment twice, C163 an assessment after death, C164 more than one value set or source, C165 too few people, C166
    assessments missing without `missing = "complete_cases"`, C167 no assessment that reaches the horizon.
    """
    refusals = Refusals(path.name)
    lines = read_lines(path, "utilities", refusals)
    rows = [row for line in lines if (row := _row(line, refusals)) is not None]
    _one_word(lines, refusals)
    if refusals.problems or not rows:
        return None, refusals
    table = pd.DataFrame(rows)
    _consistent(table, refusals)
    if refusals.problems:
        return None, refusals
    if table["day"].max() < horizon_days:
        refusals.add("C167", f"no assessment reaches day {horizon_days}", None, "day", allowed=f"the last is on day {table['day'].max():g}",
                     do="set horizon_days under [costs.outcome] to the last assessment; nothing is carried forward")  # fmt: skip
        return None, refusals
    people = qalys(table, horizon_days)
    complete = people["qaly"].notna() & people["baseline"].notna()
    for arm in (USUAL, AAOT):
        if int((complete & (people["arm"] == arm)).sum()) < LEAST_IN_ARM:
            refusals.add("C165", f"fewer than {LEAST_IN_ARM} people of the arm {arm} have every assessment", None, "arm",
                         do="supply more people, or leave the outcome out")  # fmt: skip
    if not complete.all() and missing == "refuse":
        refusals.add("C166", "assessments are missing for some people while they were alive", None, "utility",
                     allowed='missing = "complete_cases" under [costs.outcome], and the report then says how many',
                     do="complete the file, or accept that people who answered may differ from those who did not")  # fmt: skip
    if refusals.problems:
        return None, refusals
    return (
        Utilities(
            qaly_difference(people),
            horizon_days,
            lines[0]["value_set"],
            lines[0]["source"],
            int(complete.sum()),
            len(people),
            int(people["died"].sum()),
        ),
        refusals,
    )


def _row(line: Line, refusals: Refusals) -> dict[str, object] | None:
    before = len(refusals.problems)
    day = number(line, "day", refusals, least=0, do="days since the start, the baseline is day 0")
    utility = number(line, "utility", refusals, least=WORST_UTILITY, most=BEST_UTILITY, do="1 is full health, 0 death")
    death = number(line, "death_day", refusals, least=0)
    if len(refusals.problems) > before or day is None:
        return None
    return {
        "person": line["person"],
        "arm": line["arm"],
        "day": day,
        "utility": math.nan if utility is None else utility,
        "death_day": math.nan if death is None else death,
        "line": line.number,
    }


def _one_word(lines: Sequence[Line], refusals: Refusals) -> None:
    for column in ("value_set", "source"):
        if len({line[column] for line in lines if line[column]}) > 1:
            refusals.add("C164", f"the file mixes more than one {column.replace('_', ' ')}", None, column,
                         do="value every assessment by one value set from one source")  # fmt: skip


def _consistent(table: pd.DataFrame, refusals: Refusals) -> None:
    """One arm and one death a person, one row an assessment, none after death; both arms there."""
    by = table.groupby("person")
    several = by["arm"].nunique().gt(1) | by["death_day"].nunique(dropna=False).gt(1)
    if several.any():
        refusals.add("C161", f"{int(several.sum())} people stand in both arms or with two days of death", None, "arm",
                     do="give every row of a person the same arm and death_day")  # fmt: skip
    for arm in (USUAL, AAOT):
        if not (table["arm"] == arm).any():
            refusals.add("C161", f"nobody is in the arm {arm}", None, "arm", allowed=f"{USUAL}, {AAOT}",
                         do="QALYs are a difference between two arms; without a comparison there are none")  # fmt: skip
    for line in table[table.duplicated(["person", "day"])]["line"]:
        refusals.add("C162", "the assessment stands twice", Line(int(line), {}), "day", do="keep one row for each")
    late = table[(table["day"] >= table["death_day"]) & table["utility"].notna()]
    for line in late["line"]:
        refusals.add(
            "C163", "an assessment on or after the day of death", Line(int(line), {}), "death_day", do="mend the day"
        )
