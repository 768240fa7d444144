"""QALYs from utilities: area under each person's curve, zero from the date of death, adjusted for the utility at the start.

Answers that are missing stop the run, or are left out, or are imputed: the user's choice. `read_utilities` reads and judges the user's file; `qalys` and `qaly_difference` are the arithmetic. Rules and sources:
docs/methods/net_benefit.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aaot_eval.config import RunConfig
from aaot_eval.config.money import QALY_SHIFTS
from aaot_eval.costs.differences import Difference, adjusted
from aaot_eval.costs.imputing import chained, imputations, pooled, too_few
from aaot_eval.costs.price_files import Line, Refusals, is_invented, number, read_lines
from aaot_eval.costs.rates import DAYS_IN_YEAR
from aaot_eval.errors import Problem
from aaot_eval.results import generator

USUAL, AAOT = "care_as_usual", "aaot"
ARM = {USUAL: "care as usual", AAOT: "AAOT"}
LEAST_IN_ARM = 10  # fewer people could be pointed to, and carry no interval worth having
WORST_UTILITY, BEST_UTILITY = -1.0, 1.0

Missing = Literal["refuse", "complete_cases", "impute"]
#: Shares of those alive who answered, in words: an exact share of few people would count those who did not.
SHARES = ((0.8, "over four fifths"), (0.5, "half to four fifths"), (0.0, "under half"))

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Texts = NDArray[np.str_]


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


@dataclass(frozen=True)
class Schedule:
    """n people's answers at the d days on which anybody was assessed.

    `level` (n, d) is NaN where an answer is missing and 0 from the day of death on; `due` (n, d) says who was alive.
    """

    person: pd.Index
    arm: Texts
    death: Floats
    days: Floats
    level: Floats
    due: Flags

    @property
    def incomplete(self) -> Flags:
        """(n,) who lacks an answer that was due."""
        return np.asarray((self.due & np.isnan(self.level)).any(axis=1))

    def people(self, level: Floats, horizon: float) -> pd.DataFrame:
        """One row a person: arm, baseline utility, qaly up to `horizon` days (NaN where an answer is missing), died (within it)."""
        at_start = self.days[:1] == [0.0]
        baseline = np.where(self.due[:, 0], level[:, 0], math.nan) if at_start else np.full(len(level), math.nan)
        return pd.DataFrame(
            {"arm": self.arm, "baseline": baseline, "qaly": self._area(level, horizon), "died": self.death < horizon},
            index=self.person,
        )

    def _area(self, level: Floats, horizon: float) -> Floats:
        """(n,) the area of each person: for people who died on the same day, or not, the same weighted sum of answers."""
        area = np.full(len(level), math.nan)
        if self.days[:1] != [0.0]:
            return area
        for death in np.unique(self.death):
            own = np.isnan(self.death) if math.isnan(death) else self.death == death
            due = self.due[own][0]
            if due[0]:
                weight = self._weights(due, float(death), horizon)
                area[own] = level[own][:, due] @ weight
        return area

    def _weights(self, due: Flags, death: float, horizon: float) -> Floats:
        """What each answer that was due adds to the area: the area under a curve that is 1 on that day and 0 on the others."""
        days, n = [*self.days[due]], int(due.sum())
        if not math.isnan(death):
            days += [death, horizon] if death < horizon else [death]
        curves = np.eye(n, len(days))
        return np.array([area_under_curve(days, curve.tolist(), horizon) for curve in curves])


def schedule_of(assessments: pd.DataFrame, horizon: float) -> Schedule:
    """The answers up to `horizon` days and, where none is at the horizon, the next after it.

    `assessments`: person, arm, day, utility (NaN = not answered), death_day (NaN = alive). The schedule is every day at which
    anybody was assessed.
    """
    days = np.unique(assessments["day"].to_numpy(dtype=float))
    within = days[days <= horizon]
    if within[-1] < horizon:
        within = np.append(within, days[days > horizon][:1])
    wide = assessments.pivot_table(index="person", columns="day", values="utility", dropna=False)
    first = assessments.groupby("person", sort=True)[["arm", "death_day"]].first()
    death = first["death_day"].to_numpy(dtype=float)
    due = ~(within[None, :] >= np.where(np.isnan(death), math.inf, death)[:, None])
    level = wide.reindex(index=first.index, columns=within).to_numpy(dtype=float)
    return Schedule(first.index, first["arm"].to_numpy(dtype=str), death, within, np.where(due, level, 0.0), due)


def qalys(assessments: pd.DataFrame, horizon: float) -> pd.DataFrame:
    """One row a person: arm, baseline utility, qaly up to `horizon` days, died (within it).

    From the last assessment before it the curve falls straight to 0 at the death. A person without baseline, or without an
    assessment that was due while alive, has NaN: missing is never carried forward or filled in.
    """
    schedule = schedule_of(assessments, horizon)
    return schedule.people(schedule.level, horizon)


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
class Assumption:
    """The QALYs gained under one assumption about the answers that are missing."""

    words: str
    gain: Difference


def imputed_gains(schedule: Schedule, horizon: float, shifts: Sequence[float], seed: int) -> list[Assumption]:
    """The difference with missing answers imputed within each arm (missing at random), and with the imputed ones shifted.

    A shift adds so much to every imputed answer, kept between -1 and 1, in both arms and in each alone: people who do not
    answer may be worse than those like them who do.
    """
    rng = generator(seed, "costs", "imputed utilities")
    holes = schedule.due & np.isnan(schedule.level)
    asked: dict[str, tuple[float, tuple[str, ...]]] = {"imputed, missing at random": (0.0, (USUAL, AAOT))}
    for shift in shifts:
        by = f"imputed, {abs(shift):g} {'lower' if shift < 0 else 'higher'} than at random"
        asked |= {f"{by}, both arms": (shift, (USUAL, AAOT)), f"{by}, AAOT only": (shift, (AAOT,))}
        asked |= {f"{by}, care as usual only": (shift, (USUAL,))}
    found: dict[str, list[Difference]] = {words: [] for words in asked}
    for _ in range(imputations(int(schedule.incomplete.sum()), len(schedule.person))):
        full = schedule.level.copy()
        for arm in (USUAL, AAOT):
            own = schedule.arm == arm
            full[own] = chained(schedule.level[own], schedule.due[own], rng)
        for words, (shift, arms) in asked.items():
            moved = holes & np.isin(schedule.arm, arms)[:, None]
            level = np.where(moved, np.clip(full + shift, WORST_UTILITY, BEST_UTILITY), full)
            found[words].append(qaly_difference(schedule.people(level, horizon)))
    return [Assumption(words, pooled(parts)) for words, parts in found.items()]


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
    answered: tuple[tuple[str, float, str], ...] = ()
    """Arm, day, and which share of those alive answered, in words."""
    assumptions: tuple[Assumption, ...] = ()
    imputed: int = 0
    """How many imputations the gain rests on; 0 when it rests on complete people."""

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
        share = next(words for least, words in SHARES if self.complete >= least * self.people)
        answered = "" if self.complete == self.people else f", from {share} of people, those with every assessment"
        if self.imputed:
            answered = (
                f", the answers missing for some people (complete: {share}) imputed {self.imputed} times from those of their arm, as if "
                "missing at random"
            )
        return (
            f"utilities: {self.source}; value set {self.value_set}; over {self.horizon_days} days, adjusted for the utility at the "
            f"start, 0 from the date of death{answered}"
        )


ANSWERED = ("order", "arm", "day", "answered")
ASSUMED = ("order", "assumption", "threshold", "effect", "effect_low", "effect_high", "net_benefit", "used")


def answer_tables(given: Utilities, saving: float, thresholds: Sequence[float]) -> dict[str, pd.DataFrame]:
    """The release tables utilities_answered and qaly_assumptions: who answered, and what the QALYs are should those who did not differ.

    QALYs and net benefit (threshold x QALYs + `saving`, NaN without one) are per patient-year; `used` marks the assumption
    that the rest of the run rests on.
    """
    rows: list[tuple[object, ...]] = []
    for assumption in given.assumptions:
        gain, used = assumption.gain, "yes" if assumption.gain is given.gain else "no"
        ends = [given.per_year * end for end in (gain.estimate, *gain.interval())]
        rows += [(assumption.words, k, *ends, k * ends[0] + saving, used) for k in thresholds or (math.nan,)]
    return {
        "utilities_answered": pd.DataFrame(
            [(i, ARM[arm], *row) for i, (arm, *row) in enumerate(given.answered, 1)], columns=list(ANSWERED)
        ),
        "qaly_assumptions": pd.DataFrame([(i, *row) for i, row in enumerate(rows, 1)], columns=list(ASSUMED)),
    }


def load_utilities(config: RunConfig) -> tuple[Utilities | None, list[Problem]]:
    """The utilities that [costs.outcome] names, and everything that is wrong with them; none for another outcome."""
    asked = config.costs.outcome if config.costs else None
    if asked is None or asked.utilities is None:
        return None, []
    path = config.path(asked.utilities)
    found, refusals = read_utilities(
        path, asked.horizon_days, asked.missing, _shifts(asked.missing_shifts), config.seed, name=config.shown(path)
    )
    return found, refusals.problems


def _shifts(given: Sequence[float] | None) -> Sequence[float]:
    return QALY_SHIFTS if given is None else given


def read_utilities(
    path: Path, horizon_days: int, missing: Missing, shifts: Sequence[float] = (), seed: int = 0, *, name: str = ""
) -> tuple[Utilities | None, Refusals]:
    """The user's file of utilities (`data_schemas/tables/utilities.json`): one row a person and assessment; `name` is what problems call it.

    All problems come together, by file, line and column: files and columns as P400 to P407, and C161 arms, C162 an
    assessment twice, C163 an assessment after death, C164 more than one value set or source, C165 too few people, C166
    assessments missing without `missing = "complete_cases"` or `"impute"`, C167 no assessment that reaches the horizon, C168
    too few answers to impute from.
    """
    refusals = Refusals(name or path.name)
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
    schedule = schedule_of(table, horizon_days)
    people = schedule.people(schedule.level, horizon_days)
    complete = people["qaly"].notna() & people["baseline"].notna()
    _enough(schedule, complete.to_numpy(), missing, refusals)
    if refusals.problems:
        return None, refusals
    words = lines[0]["value_set"], lines[0]["source"]
    of_complete = Assumption("people with every assessment", qaly_difference(people))
    assumptions, times = [of_complete], 0
    if missing == "impute" and not complete.all():
        assumptions += imputed_gains(schedule, horizon_days, shifts, seed)
        times = imputations(int(schedule.incomplete.sum()), len(people))
    gain = assumptions[1 if times else 0].gain
    counts = int(complete.sum()), len(people), int(people["died"].sum())
    answered = tuple(_answered(schedule))
    return Utilities(gain, horizon_days, *words, *counts, answered, tuple(assumptions), times), refusals


def _enough(schedule: Schedule, complete: Flags, missing: Missing, refusals: Refusals) -> None:
    """Enough complete people in each arm; a choice where answers are missing; and enough answers to impute from."""
    for arm in (USUAL, AAOT):
        own = schedule.arm == arm
        if int((complete & own).sum()) < LEAST_IN_ARM:
            refusals.add("C165", f"fewer than {LEAST_IN_ARM} people of the arm {arm} have every assessment", None, "arm",
                         do="supply more people, or leave the outcome out")  # fmt: skip
        elif missing == "impute":
            for j in too_few(schedule.level[own], schedule.due[own], LEAST_IN_ARM):
                refusals.add("C168", f"too few people of the arm {arm} answered on day {schedule.days[j]:g} to impute from", None, "day",
                             allowed=f"{LEAST_IN_ARM} or more, and two more than there are assessments and a constant",
                             do="write the same planned day for everybody's assessment, or leave that day out")  # fmt: skip
    if not complete.all() and missing == "refuse":
        refusals.add("C166", "assessments are missing for some people while they were alive", None, "utility",
                     allowed='missing = "complete_cases" or "impute" under [costs.outcome]; the report then says how much',
                     do="complete the file, or accept that people who answered may differ from those who did not")  # fmt: skip


def _answered(schedule: Schedule) -> Iterator[tuple[str, float, str]]:
    """By arm and day which share of those alive answered, so coarsely that it counts nobody."""
    for arm in (USUAL, AAOT):
        own = schedule.arm == arm
        for j, day in enumerate(schedule.days):
            due = schedule.due[own, j]
            share = float((due & ~np.isnan(schedule.level[own, j])).sum() / due.sum()) if due.any() else math.nan
            words = "all" if share == 1 else next((w for least, w in SHARES if share >= least), "nobody was due")
            yield arm, float(day), words


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
        refusals.add("C161", "people stand in both arms or with two days of death", None, "arm",
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
