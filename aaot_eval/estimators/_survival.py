"""Death beside admissions: who has died by each month since the index, and mean admissions when death ends them.

Share dead: Kaplan and Meier 1958. Mean cumulative admissions with death as a terminal event: Ghosh and Lin 2000 (Biometrics
56:554), the sum of survival to the month times the admission rate of those alive in it. Definitions: docs/methods/deaths.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from aaot_eval.estimators._cohorts import Cohort, Flags, Floats, Ints, PersonMonths

#: Months since the index at which a curve is read: quarters, so that a step is seldom one person.
STEP = 3
#: A curve ends where fewer people than this are still followed: one death among the last few would read as a large share of all.
LEAST_FOLLOWED = 10


@dataclass(frozen=True)
class FollowedPeople:
    """People followed from an index, one row each: `person`, `index` and `end` months [index, end), `weight`."""

    person: Ints
    index: Ints
    end: Ints
    weight: Floats

    @staticmethod
    def of(cohorts: Sequence[tuple[Cohort, Flags]]) -> FollowedPeople:
        """The members of cohorts among the people (P,) given with each, a person once for every cohort."""
        rows = [(np.flatnonzero(c.members & who), c) for c, who in cohorts]
        person = np.concatenate([who for who, _ in rows])
        return FollowedPeople(
            person,
            np.concatenate([c.index[who] for who, c in rows]),
            np.concatenate([c.end[who] for who, c in rows]),
            np.ones(len(person)),
        )


@dataclass(frozen=True)
class Curve:
    """One arm by months since the index 0..F: share dead and mean admissions with their limits, all (F + 1,).

    `followed` and `died` (F + 1,) count people, each once: alive and followed in the month before, and seen to die by then.
    `influence` (P,) holds each person's part in the error of the log of mean admissions by month F.
    """

    people: int
    followed: Ints
    died: Ints
    dead: Floats
    dead_low: Floats
    dead_high: Floats
    mean: Floats
    mean_low: Floats
    mean_high: Floats
    influence: Floats

    def at(self) -> list[int]:
        """The months at which the curve is read: 0, every quarter, and the last in which enough people were followed."""
        enough = self.followed >= LEAST_FOLLOWED
        last = len(enough) - 1 if enough.all() else max(int(np.argmin(enough)) - 1, 0)
        return sorted({*range(0, last + 1, STEP), last})


def curve(people: PersonMonths, rows: FollowedPeople, follow_up: int, level: float) -> Curve:
    """Share dead and mean cumulative admissions of some people, with limits from people's own parts in the error.

    A person is at risk of admission in the month of death, as in the rates. Months that are left out hold no admissions at risk;
    deaths in them count.
    """
    n = len(rows.person)
    alive_log, mean = np.zeros(n), np.zeros(n)  # each row's part in the error of -log(alive) and of the mean
    survival, total = 1.0, 0.0
    dead, dead_se, means, mean_se = [0.0], [0.0], [0.0], [0.0]
    followed, lost = [len(np.unique(rows.person))], np.zeros(len(people.unit), dtype=bool)
    died_by = [0]
    for inside, seen, events, died in _months(people, rows, follow_up):
        w = rows.weight
        followed.append(len(np.unique(rows.person[inside > 0])))
        lost[rows.person[died > 0]] = True
        died_by.append(int(lost.sum()))
        at_risk, counted = float(w @ inside), float(w @ seen)
        rate = float(w @ events) / counted if counted else 0.0
        if counted:
            mean += survival * w * (events - rate * seen) / counted
        mean -= survival * rate * alive_log
        total += survival * rate
        hazard = float(w @ died) / at_risk if at_risk else 0.0
        if 0 < hazard < 1:
            alive_log += w * (died - hazard * inside) / (at_risk * (1 - hazard))
        survival *= 1 - hazard
        dead.append(1 - survival)
        means.append(total)
        dead_se.append(_error(alive_log, rows, people))
        mean_se.append(_error(mean, rows, people))
    z = float(stats.norm.ppf((1 + level) / 2))
    low, high = _dead_limits(np.array(dead), np.array(dead_se), z)
    m, se = np.array(means), np.array(mean_se)
    reach = np.exp(z * np.divide(se, m, out=np.zeros_like(m), where=m > 0))
    by_person = np.bincount(rows.person, weights=mean, minlength=len(people.unit)) / (total or math.nan)
    return Curve(
        followed[0],
        np.array(followed),
        np.array(died_by),
        np.array(dead),
        low,
        high,
        m,
        m / reach,
        m * reach,
        np.asarray(by_person, dtype=float),
    )


def _months(
    people: PersonMonths, rows: FollowedPeople, follow_up: int
) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
    """Month by month since the index, by row: alive and followed, of them counted, their admissions, and who died."""
    last = people.n_months - 1
    for k in range(follow_up):
        month = rows.index + k
        at = np.minimum(month, last)
        inside = (month < rows.end) & people.alive[rows.person, at]
        seen = inside & people.at_risk[rows.person, at]
        events = np.where(seen, people.outcome[rows.person, at], 0.0)
        died = inside & (people.death[rows.person] == month)
        yield inside.astype(float), seen.astype(float), events, died.astype(float)


def _error(parts: Floats, rows: FollowedPeople, people: PersonMonths) -> float:
    """Standard error from the rows' parts, a person's own added before squaring."""
    by_person = np.bincount(rows.person, weights=parts, minlength=len(people.unit))
    return float(np.sqrt((by_person**2).sum()))


def _dead_limits(dead: Floats, error: Floats, z: float) -> tuple[Floats, Floats]:
    """Limits of the share dead on the log(-log) scale of survival, which keeps them between 0 and 1."""
    log_alive = -np.log(np.maximum(1 - dead, 1e-300))
    some = (dead > 0) & (dead < 1)
    reach = np.exp(z * np.divide(error, log_alive, out=np.zeros_like(dead), where=some))
    return np.where(some, 1 - np.exp(-log_alive / reach), dead), np.where(some, 1 - np.exp(-log_alive * reach), dead)


def curve_rows(analysis: str, arm: str, era: str, found: Curve) -> list[dict[str, object]]:
    """The curve as rows of the release table `survival`.

    `deaths` and `admissions` are those of `people` had all been followed so long: share and mean times people. `died` are
    those whose death was seen.
    """
    return [
        {
            "analysis": analysis, "arm": arm, "era": era, "months": k, "people": found.people, "died": int(found.died[k]),
            "deaths": found.people * found.dead[k], "dead": found.dead[k], "dead_low": found.dead_low[k], "dead_high": found.dead_high[k],
            "admissions": found.people * found.mean[k], "mean": found.mean[k], "mean_low": found.mean_low[k], "mean_high": found.mean_high[k],
        }
        for k in found.at()
    ]  # fmt: skip
