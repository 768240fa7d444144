"""The entry-rule effect in groups of people, and whether it differs between them. Definitions: docs/methods/subgroups.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.estimators._cohorts import EVENTS_NEEDED, PEOPLE_NEEDED, Cohort, Flags, Floats, by_unit
from aaot_eval.estimators._death_rows import effect_of
from aaot_eval.estimators._eras import Comparison, Era, Linearised, linearised, random_effects

#: Groups by the column of `people`: their name, and the levels with their values; the first level is held against the second.
GROUPS: dict[str, tuple[str, tuple[tuple[str, tuple[object, ...]], ...]]] = {
    "smi": ("severe mental illness coded", (("yes", (True,)), ("no", (False,)))),
    "drug_use": ("drug use coded", (("yes", (True,)), ("no", (False,)))),
    "self_harm": ("self-harm coded", (("yes", (True,)), ("no", (False,)))),
    "sex": ("sex", (("women", ("2", "F")), ("men", ("1", "M")))),
    "deprivation": ("deprivation", (("most deprived fifth", (1,)), ("other fifths", (2, 3, 4, 5)))),
}


@dataclass(frozen=True)
class Level:
    """One group: people in its cohorts, the log ratio with its error and degrees of freedom (0: those of the division), or why there is none."""

    name: str
    people: int
    log_ratio: float
    std_error: float
    refused: str = ""
    df: float = 0.0


@dataclass(frozen=True)
class Split:
    """One division of people into two groups: each group's effect, and the log ratio of the two effects."""

    title: str
    levels: tuple[Level, Level]
    log_ratio: float
    std_error: float
    df: float

    @property
    def p_value(self) -> float:
        """Two-sided p of the same effect in both groups; NaN where one of them has none."""
        if not self.std_error > 0:
            return math.nan
        return float(2 * stats.t.sf(abs(self.log_ratio) / self.std_error, self.df))


def split(c: Comparison, title: str, names: tuple[str, str], members: tuple[Flags, Flags]) -> Split:
    """The effect among two groups of people (P,) and its ratio.

    The hospitals' variance is that of everybody. A hospital's shock is held to be the same in both groups, so that it goes out of
    the ratio as far as its share is the same in both; people are in one group only, so their parts add up.
    """
    whole = random_effects(c)
    parts = [_part(c, who) for who in members]
    levels = [_level(name, c, part, whole.tau2) for name, part in zip(names, parts, strict=True)]
    found = [p for p in parts if not isinstance(p, str)]
    if len(found) < 2 or math.isnan(whole.tau2):
        return Split(title, (levels[0], levels[1]), math.nan, math.nan, whole.df)
    (_, one), (_, two) = found
    people = one.person_variance + two.person_variance
    hospitals = ((one.treated_share - two.treated_share) ** 2).sum() + (
        (one.control_share - two.control_share) ** 2
    ).sum()
    error = math.sqrt(people + whole.tau2 * float(hospitals))
    return Split(title, (levels[0], levels[1]), levels[0].log_ratio - levels[1].log_ratio, error, whole.df)


def _part(c: Comparison, who: Flags) -> tuple[Comparison, Linearised] | str:
    """The comparison among some people; or why it is too small."""
    eras = tuple(_only(e, who) for e in c.eras)
    launches = [w for w in range(len(eras)) if (c.treated & (c.given == w)).any()]
    used = c.used.copy()
    for w in launches:
        here = c.controls | (c.treated & (c.given == w))
        empty = (by_unit(eras[w].n0, c.people) <= 0) | (by_unit(eras[w].n1, c.people) <= 0)
        used &= ~(here & empty)
    other = replace(c, eras=eras, used=used)
    for name, hospitals in (("with the service", "treated"), ("of comparison", "controls")):
        for era in ("before", "after"):
            people = events = 0.0
            for w in launches:
                mine = other.controls if hospitals == "controls" else other.treated & (c.given == w)
                rows = mine[c.people.unit]
                people += float((rows & getattr(eras[w], era).members).sum())
                events += float((eras[w].y0 if era == "before" else eras[w].y1)[rows].sum())
            if people < PEOPLE_NEEDED or events < EVENTS_NEEDED:
                return (
                    f"fewer than {PEOPLE_NEEDED} people or {EVENTS_NEEDED} admissions in hospitals {name} {era} launch"
                )
    return other, linearised(other)


def _only(era: Era, who: Flags) -> Era:
    def kept(cohort: Cohort) -> Cohort:
        return replace(cohort, index=np.where(who, cohort.index, -1))

    n0, y0, n1, y1 = (np.where(who, v, 0.0) for v in (era.n0, era.y0, era.n1, era.y1))
    return replace(era, before=kept(era.before), after=kept(era.after), n0=n0, y0=y0, n1=n1, y1=y1)


def _level(name: str, c: Comparison, part: tuple[Comparison, Linearised] | str, tau2: float) -> Level:
    if isinstance(part, str):
        return Level(name, 0, math.nan, math.nan, part)
    other, scores = part
    people = np.zeros(len(c.people.unit), dtype=bool)
    for w, era in enumerate(other.eras):
        here = (other.treated & (c.given == w)) | other.controls
        people |= here[c.people.unit] & (era.before.members | era.after.members)
    shares = float((scores.treated_share**2).sum() + (scores.control_share**2).sum())
    error = math.sqrt(scores.person_variance + tau2 * shares) if tau2 >= 0 else math.nan
    return Level(name, int(people.sum()), effect_of(other), error)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values of several tests, in the order given (Holm 1979); NaN stays NaN and is no test."""
    values = np.array(p, dtype=float)
    order = np.argsort(values, kind="stable")
    tests = int(np.isfinite(values).sum())
    adjusted, last = values.copy(), 0.0
    for rank, i in enumerate(order[:tests]):
        last = max(last, min(1.0, (tests - rank) * values[i]))
        adjusted[i] = last
    return [float(v) for v in adjusted]


def subgroup_table(analysis: str, splits: Sequence[Split], level: float) -> pd.DataFrame:
    """Each group's effect and the ratio of the two, with Holm's p over all divisions, as the release table `subgroups`."""
    adjusted = holm([s.p_value for s in splits])
    rows: list[dict[str, object]] = []
    for found, p_holm in zip(splits, adjusted, strict=True):
        for part in found.levels:
            rows.append({"group": found.title, "level": part.name, "people": part.people if not part.refused else pd.NA, **_ratio(part.log_ratio, part.std_error, part.df or found.df, level),
                         "p_value": math.nan, "p_holm": math.nan, "note": part.refused})  # fmt: skip
        rows.append({"group": found.title, "level": f"ratio, {found.levels[0].name} to {found.levels[1].name}",
                     "people": sum(p.people for p in found.levels), **_ratio(found.log_ratio, found.std_error, found.df, level),
                     "p_value": found.p_value, "p_holm": p_holm, "note": ""})  # fmt: skip
    return pd.DataFrame(rows).assign(analysis=analysis)


def _ratio(log_ratio: float, error: float, df: float, level: float) -> dict[str, float]:
    reach: Floats | float = float(stats.t.ppf((1 + level) / 2, df)) * error if df > 0 else math.nan
    return {
        "estimate": math.exp(log_ratio),
        "conf_low": math.exp(log_ratio - reach),
        "conf_high": math.exp(log_ratio + reach),
    }
