"""The referred against people of other hospitals who met the same rule in the same month, weighted to the same past.

The effect on the referred who met the rule. Selection on what the weights hold equal is removed, selection on anything else is
not: the placebo launch looks for it. Definitions: docs/methods/risk_set.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.errors import Problem, counted
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators._balance import (
    COARSE,
    FINE,
    Windows,
    adjusted_scores,
    effective_size,
    entropy_balance,
    history,
    history_names,
)
from aaot_eval.estimators._by_rule import ByEntryRule
from aaot_eval.estimators._cohorts import (
    HOSPITALS_FOR_TAU2,
    PEOPLE_NEEDED,
    SHARE_MET_NEEDED,
    Flags,
    Floats,
    Ints,
    PersonMonths,
    Rule,
    deaths_note,
    first_cohort,
    how_many,
    joined,
    percent,
    roughly,
    scale_of,
    share_met,
)
from aaot_eval.estimators._phases import phase_table
from aaot_eval.estimators._random_effects import StudentDraws, dersimonian_laird
from aaot_eval.estimators._survival import FollowedPeople, curve, curve_rows
from aaot_eval.results import BESIDE, Analysis, Design, Estimate, Panel

HISTORY_MONTHS = 24
ATTENDANCES = "ed_attendances"
#: Weights are too uneven when they stand for fewer than this many people for each referred one.
EFFECTIVE_NEEDED = 3.0
#: One weight above this share is said.
LARGEST_SHARE = 0.05


@dataclass(frozen=True)
class Matched:
    """Referred people and months, people and months of their risk sets with weights, and what was held equal (rows of x)."""

    person: Ints
    month: Ints
    x: Floats
    like_person: Ints
    like_month: Ints
    like_x: Floats
    weight: Floats
    coarse: bool
    dropped: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Ways:
    """How the comparison is made; as it stands, the estimator's own way.

    windows           the ways to cut the past, the first that balances is taken; `square`: hold the square of the rule's count equal
    history           months of past that the referred must have
    not_yet           people of hospitals that start later are compared too, up to their launch
    support           only people whose past lies within that of the referred, window by window
    skip              months after referral that are not counted, of both
    effective_needed  people that the weights must stand for, for each referred one
    """

    windows: tuple[Windows, ...] = (FINE, COARSE)
    square: bool = True
    history: int = HISTORY_MONTHS
    not_yet: bool = False
    support: bool = False
    skip: int = 0
    effective_needed: float = EFFECTIVE_NEEDED


OWN = Ways()


@dataclass(frozen=True)
class Contrast:
    """Log ratio of rates, each person's linearised score (P,), and what the variance between hospitals needs.

    `rate` of the referred per person-month, over `months`.
    """

    log_ratio: float
    rate: float
    months: float
    scores: Floats
    tau2: float
    treated_share: Floats
    control_share: Floats

    @property
    def people_variance(self) -> float:
        """Variance from people alone."""
        return float((self.scores**2).sum())


def match(
    people: PersonMonths,
    rule: Rule,
    met: Flags,
    person: Ints,
    month: Ints,
    attendances: Floats | None,
    ways: Ways = OWN,
) -> Matched | str:
    """Risk sets month by month, weighted to the referred's past; or why nothing balances.

    The risk set of month t is everybody of a never-starting hospital (or of one that has not started, if `ways` says so) who is alive
    and meets the rule at t. Base weight: referrals of the month over the size of its risk set. Referrals in a month without one are
    dropped and counted.
    """
    control = ~people.treated[people.unit]
    likes, months, base = [], [], []
    for t, referrals in zip(*np.unique(month, return_counts=True), strict=True):
        there = people.launch[people.unit] > t if ways.not_yet else control
        pool = np.flatnonzero(there & met[:, t])
        likes.append(pool)
        months.append(np.full(len(pool), t))
        base.append(np.full(len(pool), referrals / max(len(pool), 1)))
    like_person, like_month, weight = (np.concatenate(c) for c in (likes, months, base))
    kept = np.isin(month, like_month)
    if kept.sum() < PEOPLE_NEEDED:
        return f"fewer than {PEOPLE_NEEDED} referred have anybody to be compared with"
    person, month, dropped = person[kept], month[kept], int((~kept).sum())
    for windows in ways.windows:
        x = history(people, rule, person, month, windows, attendances, square=ways.square)
        like_x = history(people, rule, like_person, like_month, windows, attendances, square=ways.square)
        inside = np.ones(len(like_x), dtype=bool)
        if ways.support:
            inside = ((like_x >= x.min(axis=0)) & (like_x <= x.max(axis=0))).all(axis=1)
        balanced = entropy_balance(like_x[inside], x.mean(axis=0), weight[inside])
        if balanced is not None and effective_size(balanced) >= ways.effective_needed * len(person):
            return Matched(
                person,
                month,
                x,
                like_person[inside],
                like_month[inside],
                like_x[inside],
                balanced,
                windows is COARSE,
                dropped,
                history_names(rule, windows, attendances is not None, square=ways.square),
            )
    return "no weights give the comparison the past of the referred"


def balance_table(analysis: str, m: Matched) -> pd.DataFrame:
    """What the weights hold equal: means of the referred, of their risk sets by base weights and by the weights made, and the
    standardised differences before and after (difference over the standard deviation of the referred)."""
    pool_size = dict(zip(*np.unique(m.like_month, return_counts=True), strict=True))
    referrals = dict(zip(*np.unique(m.month, return_counts=True), strict=True))
    base = np.array([referrals[t] / pool_size[t] for t in m.like_month])
    spread = m.x.std(axis=0, ddof=1)
    target, before, after = m.x.mean(axis=0), base @ m.like_x / base.sum(), m.weight @ m.like_x / m.weight.sum()
    scale = np.where(spread > 0, spread, np.nan)
    return pd.DataFrame(
        {
            "analysis": analysis, "order": np.arange(1, len(m.columns) + 1), "characteristic": m.columns, "people": len(m.person),
            "people_compared": len(np.unique(m.like_person)), "mean_referred": target, "mean_unweighted": before, "mean_weighted": after,
            "difference_before": (target - before) / scale, "difference_after": np.round((target - after) / scale, 5) + 0.0,
        }
    )  # fmt: skip


def contrast(people: PersonMonths, m: Matched, follow_up: int, end: int, skip: int = 0) -> Contrast:
    """Rate of the referred over the weighted rate of their risk sets, `follow_up` months from the month of referral, cut at `end` and,
    for people of a hospital that starts later, at its launch; the first `skip` of these months are not counted.

    Scores and the variance between comparison hospitals are those of weights that were estimated.
    """
    n_people, n_units = len(people.unit), len(people.names)
    y_run, n_run = people.outcome_at_risk_so_far, people.months_at_risk_so_far

    def follow(person: Ints, month: Ints, last: Ints | int) -> tuple[Floats, Floats]:
        stop = np.minimum(month + follow_up, last)
        begin = np.minimum(month + skip, stop)
        return y_run[person, stop] - y_run[person, begin], n_run[person, stop] - n_run[person, begin]

    y1, n1 = follow(m.person, m.month, end)
    y0, n0 = follow(m.like_person, m.like_month, np.minimum(end, people.launch[people.unit[m.like_person]]))
    rows, targets, rate = adjusted_scores(y0, n0, m.weight, m.like_x, m.x)
    own_rate = float(y1.sum() / n1.sum())
    own = (y1 - own_rate * n1) / y1.sum()
    likes = np.bincount(m.like_person, weights=rows, minlength=n_people)
    scores = np.asarray(np.bincount(m.person, weights=own - targets, minlength=n_people) - likes, dtype=float)

    scale = rate * float(m.weight @ n0)
    expected = np.bincount(people.unit[m.like_person], weights=m.weight * y0 - rows * scale, minlength=n_units)
    hospitals = np.flatnonzero(expected > 0)
    by_person = np.bincount(m.like_person, weights=rows * scale, minlength=n_people)
    off = np.bincount(people.unit, weights=by_person, minlength=n_units)[hospitals] / expected[hospitals]
    spread = np.bincount(people.unit, weights=by_person**2, minlength=n_units)[hospitals] / expected[hospitals] ** 2
    tau2 = dersimonian_laird(off, spread) if len(hospitals) >= HOSPITALS_FOR_TAU2 else math.nan
    months = np.bincount(people.unit[m.person], weights=n1, minlength=n_units)
    return Contrast(
        math.log(own_rate / rate),
        own_rate,
        float(n1.sum()),
        scores,
        tau2,
        months / months.sum(),
        np.maximum(expected, 0) / expected[hospitals].sum(),
    )


@dataclass(frozen=True)
class Pooled:
    """A log ratio with its standard error by hospital random effects (NaN with fewer than six comparison hospitals) and its df."""

    log_ratio: float
    std_error: float
    people_error: float
    df: int

    def p_value(self) -> float:
        """Two-sided p of no difference."""
        return float(2 * stats.t.sf(abs(self.log_ratio) / self.std_error, self.df))

    def limits(self, level: float) -> tuple[float, float]:
        """The t interval of the ratio."""
        reach = float(stats.t.ppf((1 + level) / 2, self.df)) * self.std_error
        return math.exp(self.log_ratio - reach), math.exp(self.log_ratio + reach)


def pool(parts: list[Contrast], controls: int) -> Pooled:
    """Contrasts pooled with inverse variance of people; scores of a person who serves several are added before squaring."""
    weight = np.array([1 / c.people_variance for c in parts])
    weight /= weight.sum()
    people = float((sum(w * c.scores for w, c in zip(weight, parts, strict=True)) ** 2).sum())
    tau2 = float(np.mean([c.tau2 for c in parts]))
    shares = [
        sum(w * getattr(c, side) for w, c in zip(weight, parts, strict=True))
        for side in ("treated_share", "control_share")
    ]
    between = tau2 * float(sum((s**2).sum() for s in shares))
    estimate = float(sum(w * c.log_ratio for w, c in zip(weight, parts, strict=True)))
    return Pooled(estimate, math.sqrt(people + between), math.sqrt(people), controls - 1)


@ESTIMATORS.register("risk_set")
@dataclass(frozen=True)
class RiskSet(ByEntryRule):
    """The effect on the referred who met the rule, against weighted risk sets of the same months in other hospitals.

    rule_count, rule_months  the rule; both empty: searched for among the referred
    follow_up                months followed from the month of referral
    """

    design: ClassVar[Design] = "risk_set"

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why the comparison cannot be made, every reason at once."""
        found = self._lacking(panel, analysis)
        if found:
            return found
        people, rule, met = self._people(panel, analysis)
        if not (~people.treated).any():
            return [Problem("E436", "no hospital without the service is in these data", where=analysis.name,
                            do="use own_cohorts, which compares one hospital with its own past")]  # fmt: skip
        who = self._referred(people, met)
        if len(who) < PEOPLE_NEEDED:
            return [Problem("E440", f"fewer than {PEOPLE_NEEDED} referred have {HISTORY_MONTHS} months of history and met the rule ({rule})",
                            where=analysis.name, do="use the entry-rule comparison, or a longer extract")]  # fmt: skip
        found_match = match(people, rule, met, who, people.referral[who], self._attendances(panel))
        if isinstance(found_match, str):
            return [
                Problem(
                    "E441", found_match, where=analysis.name, do="use the entry-rule comparison, which needs no weights"
                )
            ]
        return []

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The ratio on the referred, then the same divided by the placebo launch. Nothing here is random: `seed` is not used."""
        people, rule, met = self._people(panel, analysis)
        who = self._referred(people, met)
        m = match(people, rule, met, who, people.referral[who], self._attendances(panel))
        assert isinstance(m, Matched)  # noqa: S101
        controls = int((~people.treated).sum())
        found = contrast(people, m, self.follow_up, people.n_months)
        effect = pool([found], controls)
        placebo = self.placebo_launch(panel, analysis)
        base = self._base(panel, analysis, people, rule, met, m, found)
        first = self._with_interval(base, effect)
        if panel.outcome(analysis.outcome).kind == "count":
            first = replace(first, tables=self._tables(panel, analysis, people, m))
        if isinstance(placebo, str):
            return (replace(first, note=joined(first.note, f"no placebo launch: {placebo}")),)
        low, high = placebo.limits(self.conf_level)
        first = replace(
            first,
            facts={
                **first.facts,
                "placebo_launch": math.exp(placebo.log_ratio),
                "placebo_low": low,
                "placebo_high": high,
            },
        )
        both = Pooled(effect.log_ratio - placebo.log_ratio, math.hypot(effect.std_error, placebo.std_error),
                      math.hypot(effect.people_error, placebo.people_error), effect.df)  # fmt: skip
        beside = replace(
            base,
            scores=None,
            estimand=f"{base.estimand}, divided by the placebo launch",
            facts={**first.facts, "role": "referred_beside"},
        )
        return first, self._with_interval(beside, both)

    def effects(
        self, panel: Panel, analysis: Analysis, ways: Ways, follow_ups: Sequence[int]
    ) -> list[tuple[float, float] | None]:
        """(log ratio, p) of the comparison made in some way, for each follow-up; None where there is none."""
        people, rule, met = self._people(panel, analysis)
        who = self._referred(people, met, ways.history)
        nothing: list[tuple[float, float] | None] = [None for _ in follow_ups]
        if len(who) < PEOPLE_NEEDED or people.treated.all():
            return nothing
        m = match(people, rule, met, who, people.referral[who], self._attendances(panel), ways)
        if isinstance(m, str):
            return nothing
        controls = int((~people.treated).sum())
        found: list[tuple[float, float] | None] = []
        for months in follow_ups:
            with np.errstate(divide="ignore", invalid="ignore"):
                try:
                    effect = pool([contrast(people, m, months, people.n_months, ways.skip)], controls)
                except (ValueError, ZeroDivisionError):  # no event on one side, so no logarithm
                    found.append(None)
                    continue
            sound = math.isfinite(effect.log_ratio) and effect.std_error > 0
            found.append((effect.log_ratio, effect.p_value()) if sound else None)
        return found

    def _tables(self, panel: Panel, analysis: Analysis, people: PersonMonths, m: Matched) -> dict[str, pd.DataFrame]:
        """Survival of the referred and of the weighted risk sets, and what the weights held equal."""
        rows: list[dict[str, object]] = []
        sides = (
            ("treated", m.person, m.month, np.ones(len(m.person))),
            ("comparison", m.like_person, m.like_month, m.weight),
        )
        for arm, person, month, weight in sides:
            followed = FollowedPeople(person, month, np.minimum(month + self.follow_up, people.n_months), weight)
            rows += curve_rows(analysis.name, arm, "after", curve(people, followed, self.follow_up, self.conf_level))
        tables = {"survival": pd.DataFrame(rows), "balance": balance_table(analysis.name, m)}
        ended = self._ended(panel, people)
        if (ended[m.person] < people.n_months).any():
            like = (m.like_person, m.like_month, m.weight)
            tables["phases"] = phase_table(analysis.name, people, (m.person, m.month), like, ended, self.follow_up)
        return tables

    def _ended(self, panel: Panel, people: PersonMonths) -> Ints:
        """(P,) last month with the team; T = none known."""
        assert panel.people is not None  # noqa: S101
        here = panel.people["unit"].isin(list(people.names)).to_numpy()
        ended = panel.people["ended_t"][here].astype("Int64").fillna(people.n_months)
        return np.asarray(ended.to_numpy(dtype=np.int64))

    def placebo_launch(self, panel: Panel, analysis: Analysis) -> Pooled | str:
        """The same comparison where nothing happened: each person's first month meeting the rule before launch as if it were a
        referral, data cut at launch; hospital by hospital, then pooled. It should be 1. Else why there is none.
        """
        people, rule, met = self._people(panel, analysis)
        attendances = self._attendances(panel)
        parts: list[Contrast] = []
        reason = "no hospital has enough people who met the rule before launch"
        for unit in np.flatnonzero(people.treated):
            launch = int(people.launch[unit])
            if launch <= HISTORY_MONTHS:
                continue
            cohort = first_cohort(met & (people.unit == unit)[:, None], HISTORY_MONTHS, launch, self.follow_up)
            who = np.flatnonzero(cohort.members)
            if len(who) < PEOPLE_NEEDED:
                continue
            m = match(people, rule, met, who, cohort.index[who], attendances)
            if isinstance(m, str):
                reason = m
                continue
            parts.append(contrast(people, m, self.follow_up, launch))
        return pool(parts, int((~people.treated).sum())) if parts else reason

    def _referred(self, people: PersonMonths, met: Flags, months: int = HISTORY_MONTHS) -> Ints:
        who = np.flatnonzero(people.referred & (people.referral >= months))
        return who[met[who, people.referral[who]]]

    def _attendances(self, panel: Panel) -> Floats | None:
        assert panel.person_cells is not None  # noqa: S101
        if ATTENDANCES not in panel.person_cells or not panel.person_cells[ATTENDANCES].any():
            return None
        assert panel.people is not None  # noqa: S101
        here = (
            panel.people["unit"]
            .isin([u for u in panel.units.index if str(panel.units.loc[u, "group"]) != BESIDE])
            .to_numpy()
        )
        return panel.person_matrix(ATTENDANCES)[here].astype(float)

    def _base(
        self,
        panel: Panel,
        analysis: Analysis,
        people: PersonMonths,
        rule: Rule,
        met: Flags,
        m: Matched,
        found: Contrast,
    ) -> Estimate:
        all_referred = int(people.referred.sum())
        share, largest = share_met(people, met), float(m.weight.max() / m.weight.sum())
        said = [
            f"met by {roughly(share)} of the referred" if share < SHARE_MET_NEEDED else "",
            "balanced on coarser windows (4-12 months together)" if m.coarse else "",
            f"one weight is {percent(largest)} of all" if largest > LARGEST_SHARE else "",
            f"{how_many(m.dropped)} referrals had nobody to be compared with" if m.dropped else "",
            deaths_note(panel, people),
        ]
        facts = {
            "role": "referred", "rule": str(rule), "rule_count": rule.count, "rule_months": rule.months, "share_met": share,
            "referrals": all_referred, "referrals_compared": len(m.person), "referrals_without_risk_set": m.dropped,
            "effective_size": effective_size(m.weight), "largest_weight": largest, "coarse_windows": m.coarse,
            "rate_on_team": found.rate, "rate_expected": found.rate * math.exp(-found.log_ratio), "on_team_person_months": found.months,
            "tau2": found.tau2, "person_variance": found.people_variance, "follow_up": self.follow_up,
        }  # fmt: skip
        return Estimate(
            analysis=analysis.name, design=self.design, estimator="risk_set", outcome=analysis.outcome,
            estimand=f"the referred who met the rule ({rule}), {counted(self.follow_up, 'month')} from referral",
            scale=scale_of(panel, analysis.outcome), estimate=math.nan, conf_level=self.conf_level,
            n_units=len(people.names), n_treated=int(people.treated.sum()), n_periods=people.n_months,
            n_obs=len(m.person) + len(m.like_person), n_people=len(np.union1d(m.person, m.like_person)), note=joined(*said), facts=facts,
            scores=None if panel.outcome(analysis.outcome).kind == "count" else _scores(people, m, found),
        )  # fmt: skip

    def _with_interval(self, base: Estimate, pooled: Pooled) -> Estimate:
        ratio = math.exp(pooled.log_ratio)
        if math.isnan(pooled.std_error):
            note = joined(f"hospital random effects need {HOSPITALS_FOR_TAU2} comparison hospitals", base.note)
            return replace(
                base, estimate=ratio, inference="hospital random effects", status="no_finite_interval", note=note
            )
        low, high = pooled.limits(self.conf_level)
        return replace(
            base, estimate=ratio, std_error=pooled.std_error, conf_low=low, conf_high=high, conf_method="random_effects_t",
            p_value=pooled.p_value(), inference=f"hospital random effects, t({pooled.df})",
            confidence=StudentDraws(pooled.log_ratio, pooled.std_error, pooled.df),
        )  # fmt: skip


def _scores(people: PersonMonths, m: Matched, found: Contrast) -> pd.DataFrame:
    """Each person's part in the log of the ratio, as `Estimate.scores` says, the estimation of the weights included."""
    person = np.union1d(m.person, m.like_person)
    return pd.DataFrame(
        {
            "person": person,
            "unit": np.array(people.names)[people.unit[person]],
            "service": people.treated[people.unit[person]],
            "score": found.scores[person],
        }
    )
