"""The cohorts of every launch in every hospital, the effect computed from them, and its variance with hospitals as random.

Definitions: docs/methods/entry_rule.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aaot_eval.estimators._cohorts import (
    EVENTS_NEEDED,
    HOSPITALS_FOR_TAU2,
    PEOPLE_NEEDED,
    Cohort,
    Flags,
    Floats,
    Ints,
    PersonMonths,
    Rule,
    by_unit,
    first_cohort,
    running_total,
)
from aaot_eval.estimators._random_effects import dersimonian_laird
from aaot_eval.estimators._randomisation import Assignments, assign_starts

#: A hospital needs this many pre-launch months for its own baseline.
MONTHS_NEEDED = 12


@dataclass(frozen=True)
class Era:
    """The cohorts of one launch in every hospital: follow-up months and outcome of each person, before (0) and after (1)."""

    launch: int
    stop: int
    before: Cohort
    after: Cohort
    n0: Floats
    y0: Floats
    n1: Floats
    y1: Floats

    @classmethod
    def of(cls, launch: int, stop: int, before: Cohort, after: Cohort, n_run: Floats, y_run: Floats) -> Era:
        """The cohorts with what they had, from months at risk and outcome as running sums (people x months)."""
        sums = (before.total(n_run), before.total(y_run), after.total(n_run), after.total(y_run))
        return cls(launch, stop, before, after, *sums)


@dataclass(frozen=True)
class Sums:
    """Launches x hospitals. `a` parts are outcome after the hospital's real launch, `b` parts before it."""

    n0: Floats
    b0: Floats
    a0: Floats
    n1: Floats
    b1: Floats
    a1: Floats

    def take(self, hospitals: Flags) -> Sums:
        """The same for some hospitals."""
        return Sums(*(getattr(self, f)[:, hospitals] for f in ("n0", "b0", "a0", "n1", "b1", "a1")))


@dataclass(frozen=True)
class Comparison:
    """Everything the effect is computed from. `given` (U,) is the number of each hospital's launch, -1 = none; only hospitals in `used` count."""

    people: PersonMonths
    rule: Rule
    eras: tuple[Era, ...]
    sums: Sums
    given: Ints
    used: Flags
    met: Flags

    @property
    def treated(self) -> Flags:
        """(U,) used hospitals with a team."""
        return self.used & (self.given >= 0)

    @property
    def controls(self) -> Flags:
        """(U,) used hospitals without one."""
        return self.used & (self.given < 0)

    def own_members(self, era: str) -> int:
        """People in the cohort ("before" or "after") of their own hospital's launch."""
        cohorts = [
            (getattr(e, era), (self.treated & (self.given == w))[self.people.unit]) for w, e in enumerate(self.eras)
        ]
        return sum(int((cohort.members & mine).sum()) for cohort, mine in cohorts)


def log_ratio(sums: Sums, given: Ints, effect: float = 0.0) -> Floats:
    """(A,) log(O/E) under each assignment in `given` (A, U), with `effect` taken out of what came after a real launch.

    E = sum over drawn hospitals of N1 r0 r1(controls) / r0(controls), launch by launch, the controls being all hospitals not
    drawn. NaN where a rate does not exist.
    """
    y0, y1 = (before + after * math.exp(-effect) for before, after in ((sums.b0, sums.a0), (sums.b1, sums.a1)))
    controls = (given < 0).astype(float)
    observed, expected = np.zeros(len(given)), np.zeros(len(given))
    with np.errstate(divide="ignore", invalid="ignore"):
        for w in range(len(y0)):
            drawn = (given == w).astype(float)
            rate = np.divide(y0[w], sums.n0[w], out=np.zeros_like(y0[w]), where=sums.n0[w] > 0)
            change = (controls @ y1[w] / (controls @ sums.n1[w])) / (controls @ y0[w] / (controls @ sums.n0[w]))
            observed += drawn @ y1[w]
            expected += np.where(drawn.any(axis=1), drawn @ (sums.n1[w] * rate) * change, 0.0)
            expected[drawn @ (sums.n0[w] <= 0) > 0] = np.nan
        return np.asarray(np.log(observed / expected))


def reassignments(given: Ints, seed: int) -> tuple[Assignments, Ints]:
    """Every way to hand the launches in `given` (U,) to the hospitals, and the same as launch numbers (A, U), -1 = none."""
    never = int(given.max()) + 1
    ways = assign_starts(np.where(given < 0, never, given), never, seed)
    rows = np.full((len(ways.rows), len(given)), -1, dtype=np.int64)
    np.put_along_axis(rows, ways.rows, ways.starts[ways.cohort][None, :], axis=1)
    return ways, rows


def compare(
    people: PersonMonths, rule: Rule, met: Flags, follow_up: int, sizes: Floats
) -> tuple[Comparison, dict[str, str]]:
    """The cohorts of every launch, the hospitals that can be used, and why each other one cannot.

    `sizes` (P, T) holds the admissions that the minimum sizes are counted on.
    """
    n_run, y_run = people.months_at_risk_so_far, people.outcome_at_risk_so_far
    size_run = running_total(sizes * people.at_risk)
    windows = sorted(
        {(int(s), int(e)) for s, e in zip(people.launch[people.treated], people.stop[people.treated], strict=True)}
    )
    given = np.full(len(people.names), -1, dtype=np.int64)
    eras, parts, small = [], [], []
    why: dict[str, str] = {}
    since = people.launch[people.unit]
    for w, (launch, stop) in enumerate(windows):
        mine = people.treated & (people.launch == launch) & (people.stop == stop)
        given[mine] = w
        before = first_cohort(met, min(rule.first_month, launch), launch, follow_up)
        after = first_cohort(met, launch, stop, follow_up)
        era = Era.of(launch, stop, before, after, n_run, y_run)
        eras.append(era)
        a0, a1 = before.total(y_run, since), after.total(y_run, since)
        parts.append([by_unit(x, people) for x in (era.n0, era.y0 - a0, a0, era.n1, era.y1 - a1, a1)])
        too_small = np.zeros(len(people.names), dtype=bool)
        for cohort in (before, after):
            too_small |= by_unit(cohort.members.astype(float), people) < PEOPLE_NEEDED
            too_small |= by_unit(cohort.total(size_run), people) < EVENTS_NEEDED
        small.append(too_small)
        if launch - rule.first_month < MONTHS_NEEDED:
            why |= {people.names[u]: f"fewer than {MONTHS_NEEDED} months from month {rule.first_month + 1} of the data to its launch"
                    for u in np.flatnonzero(mine)}  # fmt: skip
    usable = np.array([people.names[u] not in why for u in range(len(people.names))])
    in_use = sorted(set(given[usable & (given >= 0)].tolist()))
    few = f"fewer than {PEOPLE_NEEDED} people or {EVENTS_NEEDED} admissions in a cohort before or after launch"
    for u, name in enumerate(people.names):
        launches = [int(given[u])] if given[u] >= 0 else in_use
        if usable[u] and any(small[w][u] for w in launches):
            why[name], usable[u] = few, False
    sums = Sums(*(np.array([p[i] for p in parts]) for i in range(6)))
    return Comparison(people, rule, tuple(eras), sums, given, usable, met), why


@dataclass(frozen=True)
class RandomEffects:
    """Variance of the log ITT with hospitals as random: persons' part, tau2 among comparison hospitals, standard error, df.

    `lacking` says why there is no tau2, and is empty when there is one.
    """

    person_variance: float
    tau2: float
    std_error: float
    df: int
    lacking: str = ""


@dataclass(frozen=True)
class Linearised:
    """The error of the log ITT to first order: each person's part (P,), and the shares of hospitals (U,) that their shocks
    enter with: treated ones by their expected events, comparison ones by their events after launch."""

    score: Floats
    treated_share: Floats
    control_share: Floats

    @property
    def person_variance(self) -> float:
        """Variance from people alone."""
        return float((self.score**2).sum())


def linearised(c: Comparison) -> Linearised:
    """Linearised scores of log(O/E) and the hospitals' shares in it."""
    unit, n_units = c.people.unit, len(c.people.names)
    observed = expected = 0.0
    modelled, baseline = np.zeros(n_units), np.zeros(n_units)
    launches = [(w, era) for w, era in enumerate(c.eras) if (c.treated & (c.given == w)).any()]
    changes: dict[int, float] = {}
    for w, era in launches:
        mine, ctl = c.treated & (c.given == w), c.controls
        n0, y0, n1, y1 = (by_unit(x, c.people) for x in (era.n0, era.y0, era.n1, era.y1))
        changes[w] = (y1[ctl].sum() / n1[ctl].sum()) / (y0[ctl].sum() / n0[ctl].sum())
        baseline[mine] = n1[mine] * y0[mine] / n0[mine]
        modelled[mine] = baseline[mine] * changes[w]
        observed += y1[mine].sum()
        expected += modelled[mine].sum()
    score, control_share = np.zeros(len(unit)), np.zeros(n_units)
    for w, era in launches:
        mine, ctl = c.treated & (c.given == w), c.controls
        weight = modelled[mine].sum() / expected
        rows = ctl[unit]
        score[rows] -= weight * _change_score(era, rows)
        n0, n1 = by_unit(era.n0, c.people), by_unit(era.n1, c.people)
        for u in np.flatnonzero(mine):
            rows = unit == u
            before = era.y0[rows] - era.y0[rows].sum() / n0[u] * era.n0[rows]
            score[rows] += era.y1[rows] / observed - era.n1[rows] * modelled[u] / n1[u] / expected
            score[rows] -= n1[u] * changes[w] / n0[u] * before / expected
        post = by_unit(era.y1, c.people) * ctl
        control_share += weight * post / post.sum()
    return Linearised(score, baseline / baseline.sum(), control_share)


def random_effects(c: Comparison) -> RandomEffects:
    """Person-clustered linearised scores plus DerSimonian-Laird variance between comparison hospitals.

    tau2 is NaN, and so is the standard error, with fewer than six comparison hospitals, or where one of them has no event in a
    cohort: its log change is not finite, and leaving out the largest changes would make the variance too small.
    """
    parts, df = linearised(c), int(c.controls.sum()) - 1
    lacking = _lacking(c)
    if lacking:
        return RandomEffects(parts.person_variance, math.nan, math.nan, df, lacking)
    tau2 = float(np.mean([_between(c, era) for w, era in enumerate(c.eras) if (c.treated & (c.given == w)).any()]))
    shares = float((parts.treated_share**2).sum() + (parts.control_share**2).sum())
    return RandomEffects(parts.person_variance, tau2, math.sqrt(parts.person_variance + tau2 * shares), df)


def _lacking(c: Comparison) -> str:
    """Why the variance between comparison hospitals cannot be had, in words; empty when it can."""
    if c.controls.sum() < HOSPITALS_FOR_TAU2:
        return f"hospital random effects need {HOSPITALS_FOR_TAU2} comparison hospitals"
    launches = [era for w, era in enumerate(c.eras) if (c.treated & (c.given == w)).any()]
    empty = np.zeros(len(c.people.names), dtype=bool)
    for era in launches:
        for events in (era.y0, era.y1):
            empty |= c.controls & (by_unit(events, c.people) <= 0)
    names = ", ".join(c.people.names[u] for u in np.flatnonzero(empty))
    return (
        f"hospital random effects need an event in each cohort of every comparison hospital; none in {names}"
        if names
        else ""
    )


def _between(c: Comparison, era: Era) -> float:
    """Variance of the log change over one launch between comparison hospitals, beyond that of their people."""
    changes, variances = [], []
    for u in np.flatnonzero(c.controls):
        rows = c.people.unit == u
        totals = era.n0[rows].sum(), era.y0[rows].sum(), era.n1[rows].sum(), era.y1[rows].sum()
        changes.append(math.log(totals[3] / totals[2] * totals[0] / totals[1]))
        variances.append(float((_change_score(era, rows) ** 2).sum()))
    return dersimonian_laird(np.array(changes), np.array(variances))


def _change_score(era: Era, rows: Flags) -> Floats:
    """Linearised scores of log(r1/r0) pooled over some people."""
    n0, y0, n1, y1 = era.n0[rows], era.y0[rows], era.n1[rows], era.y1[rows]
    after = (y1 - y1.sum() / n1.sum() * n1) / y1.sum()
    return np.asarray(after - (y0 - y0.sum() / n0.sum() * n0) / y0.sum())
