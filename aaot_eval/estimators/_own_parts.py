"""Parts of one trust's own cohorts: groups of people, mean admissions with death as their end, and the referred by phase.

Definitions: docs/methods/own_cohorts.md, "Beside it".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from aaot_eval.estimators._balance import entropy_balance, history
from aaot_eval.estimators._cohorts import EVENTS_NEEDED, PEOPLE_NEEDED, Flags, Floats, Ints, PersonMonths, Rule
from aaot_eval.estimators._own_hospitals import Part, Shocks, apart, over_trusts
from aaot_eval.estimators._own_trust import Result, Trust
from aaot_eval.estimators._phases import BEFORE, phase_table
from aaot_eval.estimators._subgroups import Level, Split
from aaot_eval.estimators._survival import FollowedPeople, curve

#: Windows before the clock's zero in which people like the referred are made like them.
WINDOWS = ((1, 1), (2, 3), (4, 6), (7, 12))
#: Level of the interval at which the wider of two error models is chosen.
CHOSEN_AT = 0.95


def among(people: PersonMonths, trust: Trust, who: Flags) -> Trust | str:
    """The trust with its cohorts among some people (P,); or why they are too few."""
    before, after = (replace(c, index=np.where(who, c.index, -1)) for c in trust.cohorts)
    followed = trust.followed
    here = who[followed.person]
    part = replace(
        followed,
        **{name: getattr(followed, name)[here] for name in ("person", "month", "era", "band", "outcome", "count")},
    )
    events = np.bincount(part.era, weights=part.count, minlength=2)
    if min(int(c.members.sum()) for c in (before, after)) < PEOPLE_NEEDED or events.min() < EVENTS_NEEDED:
        return f"fewer than {PEOPLE_NEEDED} people or {EVENTS_NEEDED} admissions in the cohort before or after launch"
    return replace(trust, cohorts=(before, after), followed=part)


def split_own(
    title: str, names: tuple[str, str], parts: Sequence[Sequence[Result] | str], own: Mapping[int, Shocks]
) -> Split:
    """The effect among two groups of people and its ratio, from the groups' results trust by trust.

    A whole hospital's shocks move both groups alike and go out of the ratio as far as they meet both at the same times; `own` are each
    trust's shocks of one group against the other, which do not.
    """
    levels = [_level(name, part) for name, part in zip(names, parts, strict=True)]
    found = [p for p in parts if not isinstance(p, str)]
    if len(found) < 2:
        return Split(title, (levels[0], levels[1]), math.nan, math.nan, max(levels[0].df, levels[1].df))
    one, two = ({r.trust.unit: (s, r) for s, r in zip(_shares(part), part, strict=True)} for part in found)
    total = ratio_variance(one, two, own)
    error = math.sqrt(total.variance)
    return Split(title, (levels[0], levels[1]), levels[0].log_ratio - levels[1].log_ratio, error, total.df)


def ratio_variance(
    one: Mapping[int, tuple[float, Result]], two: Mapping[int, tuple[float, Result]], own: Mapping[int, Shocks]
) -> Part:
    """Variance of the difference of two groups' log ratios, (share, result) by trust: people of each, the hospital's shocks where they
    meet the groups at other times, the shocks of one group against the other, and from three trusts on how far these lie apart."""
    parts: list[Part] = []
    both: list[tuple[float, float, float]] = []
    for unit in sorted({*one, *two}):
        mine = _of_one_trust(one.get(unit), two.get(unit), own.get(unit))
        parts += mine
        if unit in one and unit in two:
            (s1, r1), (s2, r2) = one[unit], two[unit]
            share = (s1 + s2) / 2
            both.append((share, r1.fit.log_ratio - r2.fit.log_ratio, Part.total(mine).variance / share**2))
    total = Part.total(parts)
    if not both:
        return total
    shares, differences, variances = (np.array(c) for c in zip(*both, strict=True))
    return apart(list(differences), list(variances), shares, total)


def _of_one_trust(one: tuple[float, Result] | None, two: tuple[float, Result] | None, own: Shocks | None) -> list[Part]:
    """The parts of one trust in the variance of the difference; a group that is not there brings none."""
    there = [(side, sign) for side, sign in ((one, 1.0), (two, -1.0)) if side is not None]
    people = [result.people.times(share) for (share, result), _ in there]
    signed = [sign * share * result.fit.gradient for (share, result), sign in there]
    beside, shocks = Part.total(people), there[0][0][1].shocks
    parts = [*people]
    if shocks is not None:
        parts.append(shocks.wider(np.sum(signed, axis=0), beside, CHOSEN_AT)[1])
    if own is not None and len(signed) == 2:
        parts.append(own.wider((signed[0] - signed[1]) / 2, beside, CHOSEN_AT)[1])
    return parts


def _shares(part: Sequence[Result]) -> Floats:
    expected = np.array([r.expected for r in part])
    return np.asarray(expected / expected.sum())


def _level(name: str, part: Sequence[Result] | str) -> Level:
    if isinstance(part, str):
        return Level(name, 0, math.nan, math.nan, part)
    share = _shares(part)
    total = over_trusts([r.fit.log_ratio for r in part], [[r.people, r.hospital] for r in part], share)
    members = np.any([c.members for r in part for c in r.trust.cohorts], axis=0)
    log_ratio = math.log(sum(r.observed for r in part) / sum(r.expected for r in part))
    return Level(name, int(members.sum()), log_ratio, math.sqrt(total.variance), df=total.df)


def mean_with_death(
    people: PersonMonths, done: Sequence[Result], share: Floats, follow_up: int
) -> tuple[float, float] | None:
    """(log ratio, its people's variance) of mean admissions by the end of follow-up, after launch over before and over the control
    series; None where a cohort has none. Death ends admissions and nobody is taken for alive after it."""
    total, score = 0.0, np.zeros(len(people.unit))
    everybody = np.ones(len(people.unit), dtype=bool)
    for weight, result in zip(share, done, strict=True):
        before, after = (
            curve(people, FollowedPeople.of([(c, everybody)]), follow_up, 0.95) for c in result.trust.cohorts
        )
        if before.mean[-1] <= 0 or after.mean[-1] <= 0:
            return None
        control = result.without_control - result.fit.log_ratio
        total += weight * (math.log(after.mean[-1] / before.mean[-1]) - control)
        score += weight * (after.influence - before.influence)
    return total, float((score**2).sum())


def phases_own(
    analysis: str,
    people: PersonMonths,
    rule: Rule,
    met: Flags,
    trusts: Sequence[Trust],
    ended: Ints,
    follow_up: int,
    shocks: Mapping[int, Shocks],
) -> pd.DataFrame | None:
    """The referred who met the rule by phase, beside months in which somebody met it before launch at the same trusts.

    Those months are weighted to the referred's own year before, and followed no further than launch. None with too few of either. The two
    lie years apart, so the limits hold the trusts' `shocks`.
    """

    def reach(gradient: Floats, variance: float) -> float:
        parts = [Part(variance, len(who) - 1.0)]
        for unit, mine in shocks.items():
            parts.append(mine.wider(gradient[unit], parts[0], CHOSEN_AT)[1])
        return Part.total(parts).half_width(CHOSEN_AT)

    units = [t.unit for t in trusts]
    here = np.isin(people.unit, units)
    cut = people.launch[people.unit]
    who = np.flatnonzero(people.referred & here & (people.referral >= BEFORE))
    who = who[met[who, people.referral[who]]]
    t = np.arange(people.n_months)
    person, month = np.nonzero(met & here[:, None] & (t >= max(rule.months, BEFORE)) & (t < cut[:, None]))
    if len(who) < PEOPLE_NEEDED or len(np.unique(person)) < PEOPLE_NEEDED:
        return None
    own = history(people, rule, who, people.referral[who], WINDOWS)
    weights = entropy_balance(history(people, rule, person, month, WINDOWS), own.mean(axis=0), np.ones(len(person)))
    if weights is None:
        return None
    before = replace(people, at_risk=people.at_risk & (t < cut[:, None]))
    return phase_table(
        analysis, people, (who, people.referral[who]), (person, month, weights), ended, follow_up, before, reach
    )
