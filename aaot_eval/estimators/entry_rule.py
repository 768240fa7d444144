"""Entry-rule comparison: everybody who meets the entry rule, in every hospital, before and after launch.

Nobody asks who was picked, so selection of people at their peak cannot enter. The effect is diluted by those not taken on
(intention to treat); uptake turns it into the effect on the referred. Definitions: docs/methods/entry_rule.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.errors import NotIdentifiedError, Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators._by_rule import ByEntryRule
from aaot_eval.estimators._cohorts import (
    SHARE_MET_NEEDED,
    UPTAKE_NEEDED,
    Cohort,
    Flags,
    Ints,
    PersonMonths,
    Rule,
    deaths_note,
    died,
    joined,
    month_labels,
    percent,
    rule_note,
    scale_of,
    share_met,
)
from aaot_eval.estimators._death_rows import (
    LIVED_AT_OWN_RATE,
    LIVED_AT_ZERO,
    MEAN_WITH_DEATH,
    PAIRS_ALIVE,
    alive_throughout,
    effect_of,
    lived_on,
    mean_ratio,
)
from aaot_eval.estimators._eras import (
    Comparison,
    RandomEffects,
    Sums,
    compare,
    linearised,
    log_ratio,
    random_effects,
    reassignments,
)
from aaot_eval.estimators._random_effects import StudentDraws
from aaot_eval.estimators._randomisation import Assignments, ConfidenceDraws, invert, p_value
from aaot_eval.estimators._referred import Uptake, effect_on_referred, uptake_of
from aaot_eval.estimators._survival import FollowedPeople, curve, curve_rows
from aaot_eval.results import Analysis, Design, Estimate, Panel

#: More referrals before the index than this share are said.
EARLY_REFERRALS_SAID = 0.10
#: A refusal names this many hospitals, and counts the others.
PLACES_TOLD = 3


def uptake(c: Comparison) -> Uptake:
    """The team in the cohorts after launch of used hospitals."""
    return uptake_of(
        c.people, [(era.after, (c.treated & (c.given == w))[c.people.unit]) for w, era in enumerate(c.eras)]
    )


@ESTIMATORS.register("entry_rule")
@dataclass(frozen=True)
class EntryRule(ByEntryRule):
    """The intention-to-treat effect over everybody who meets the entry rule, and the effect on the referred from it.

    rule_count, rule_months  the rule; both empty: searched for among the referred
    follow_up                months followed from the index
    rule_outcome             the admissions the rule counts, whatever the outcome is
    """

    design: ClassVar[Design] = "entry_rule"

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why the comparison cannot be made, every reason at once."""
        found = self._lacking(panel, analysis)
        if found:
            return found
        c, why = self._compare(panel, analysis)
        if c.people.treated.all():
            return [Problem("E436", "no hospital without the service is in these data", where=analysis.name,
                            do="use own_cohorts, which compares one hospital with its own past")]  # fmt: skip
        if not c.people.treated.any():
            return [Problem("E437", "no hospital with people in it starts the service inside the data", where=analysis.name,
                            do="give go_live dates that lie inside the data")]  # fmt: skip
        if c.treated.any() and c.controls.any():
            return []
        side = "comparison hospital" if c.treated.any() else "hospital with the service"
        concerned = set(map(str, panel.treated_units))
        reasons = [(n, r) for n, r in sorted(why.items()) if (n in concerned) != bool(c.treated.any())]
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons[:PLACES_TOLD])
        told += f"; and {len(reasons) - PLACES_TOLD} more" if len(reasons) > PLACES_TOLD else ""
        return [Problem("E438", f"no {side} is large enough for its own baseline: {told}", where=analysis.name,
                        do="use a longer extract, a softer rule, or fewer and larger hospitals")]  # fmt: skip

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """ITT by the headline inference, ITT by the other one, ratio on the referred. What `objections` names is refused (NotIdentifiedError)."""
        c, why = self._compare(panel, analysis)
        if not (c.treated.any() and c.controls.any()):
            raise NotIdentifiedError(*self.objections(panel, analysis))
        team = uptake(c)
        ways, rows = reassignments(np.where(c.treated, c.given, -1)[c.used], seed)
        sums = c.sums.take(c.used)
        estimate = float(log_ratio(sums, rows[ways.real : ways.real + 1])[0])
        base = self._base(panel, analysis, c, why, team, estimate, ways)
        if not math.isfinite(estimate):
            note = joined("a cohort has no admissions", base.note)
            return (replace(base, estimate=math.nan, p_least=math.nan, drawn=None, status="not_estimable", note=note),)
        by_ways = self._randomised(base, sums, ways, rows, estimate)
        by_hospitals = self._by_hospitals(base, c, estimate)
        first, second = by_ways, by_hospitals
        if ways.p_least > 1 - self.conf_level and by_hospitals.finite:
            first, second = by_hospitals, by_ways
        counted = panel.outcome(analysis.outcome).kind == "count"
        if counted:
            tables = {**first.tables, "survival": _survival(panel, analysis, c, self.follow_up, self.conf_level)}
            first = replace(first, tables=tables)
        return (
            first,
            replace(second, tables={}, facts={**second.facts, "role": "itt_beside"}, windows=None, scores=None),
            effect_on_referred(replace(first, scores=None), team),
            *self._about_deaths(base, c, counted),
        )

    def death_bounds(self, panel: Panel, analysis: Analysis) -> tuple[float, float]:
        """The ratio if everybody who died had lived on to the end of follow-up: at their own rate before the index, and at zero."""
        c, _ = self._compare(panel, analysis)
        own, zero = (math.exp(effect_of(lived_on(c, rate))) for rate in (1.0, 0.0))
        return own, zero

    def effect(self, panel: Panel, analysis: Analysis) -> tuple[float, float, Rule] | None:
        """(log ratio, p with hospitals as random, the rule) without anything else; None where there is no effect or no p."""
        c, _ = self._compare(panel, analysis)
        if not (c.treated.any() and c.controls.any()):
            return None
        found, effects = effect_of(c), random_effects(c)
        if not (math.isfinite(found) and effects.std_error > 0):
            return None
        return found, float(2 * stats.t.sf(abs(found) / effects.std_error, effects.df)), c.rule

    def comparison(self, panel: Panel, analysis: Analysis) -> Comparison:
        """The cohorts behind the effect."""
        return self._compare(panel, analysis)[0]

    def _about_deaths(self, base: Estimate, c: Comparison, counted: bool) -> tuple[Estimate, ...]:
        """The same effect with deaths counted in other ways; nothing for costs, and nothing when nobody died in follow-up."""
        if not counted or not any(died(c.people, k).any() for e in c.eras for k in (e.before, e.after)):
            return ()
        rows = []
        plain = replace(
            base,
            tables={},
            windows=None,
            scores=None,
            series=None,
            p_least=math.nan,
            drawn=None,
            facts={**base.facts, "role": "deaths_beside"},
        )
        for told, other in (
            (PAIRS_ALIVE, alive_throughout(c)),
            (LIVED_AT_OWN_RATE, lived_on(c, 1.0)),
            (LIVED_AT_ZERO, lived_on(c, 0.0)),
        ):
            effect = effect_of(other)
            if math.isfinite(effect):
                row = replace(plain, estimate=math.exp(effect), estimand=f"{base.estimand}; {told}", note="")
                rows.append(self._by_hospitals(row, other, effect))
        found = mean_ratio(c, self.follow_up)
        if math.isfinite(found.log_ratio):
            row = replace(
                plain, estimate=math.exp(found.log_ratio), estimand=f"{base.estimand}; {MEAN_WITH_DEATH}", note=""
            )
            rows.append(self._interval(row, found.log_ratio, found.effects))
        return tuple(rows)

    def _compare(self, panel: Panel, analysis: Analysis) -> tuple[Comparison, dict[str, str]]:
        people, rule, met = self._people(panel, analysis)
        counted = people.outcome if panel.outcome(analysis.outcome).kind == "count" else people.counts
        return compare(people, rule, met, self.follow_up, counted)

    def _base(self, panel: Panel, analysis: Analysis, c: Comparison, why: dict[str, str], team: Uptake,
              estimate: float, ways: Assignments) -> Estimate:  # fmt: skip
        met_share = share_met(c.people, c.met)
        early, referrals = _referred_before_index(c)
        everyone, counted = _everyone(c), panel.outcome(analysis.outcome).kind == "count"
        facts = {
            "role": "itt", "rule": str(c.rule), "rule_count": c.rule.count, "rule_months": c.rule.months,
            "rule_declared": bool(self.rule_count and self.rule_months),
            "share_met": met_share, "usable_rule": bool(met_share >= SHARE_MET_NEEDED and team.share >= UPTAKE_NEEDED),
            **team.facts(), "rate_expected": team.rate_after * math.exp(-estimate) if math.isfinite(estimate) else math.nan,
            "n_pre": c.own_members("before"), "n_post": c.own_members("after"),
            "follow_up": self.follow_up, "referred_before_index": early, "referrals": referrals,
            "hospitals_left_out": dict(why), "assignments": ways.total,
        }  # fmt: skip
        return Estimate(
            analysis=analysis.name, design=self.design, estimator="entry_rule", outcome=analysis.outcome,
            estimand=f"everybody who met the entry rule ({c.rule}), {self.follow_up} months from the first meeting (intention to treat)",
            scale=scale_of(panel, analysis.outcome), estimate=math.exp(estimate) if math.isfinite(estimate) else math.nan,
            conf_level=self.conf_level, p_least=ways.p_least, drawn=ways.drawn,
            n_units=int(c.used.sum()), n_treated=int(c.treated.sum()), n_periods=c.people.n_months,
            n_obs=int(sum(e.n0[c.used[c.people.unit]].sum() + e.n1[c.used[c.people.unit]].sum() for e in c.eras)),
            n_people=int(everyone.sum()), note=_note(panel, facts, why, c.people),
            tables={"rates": _rates(panel, analysis, c), "deaths": _deaths(panel, analysis, c), **self._scan(analysis, c.people, c.rule)}, facts=facts,
            windows=_windows(c), scores=_scores(c, everyone) if math.isfinite(estimate) and not counted else None,
        )  # fmt: skip

    def _randomised(self, base: Estimate, sums: Sums, ways: Assignments, rows: Ints, estimate: float) -> Estimate:
        def p_of(effect: float) -> float:
            size = np.nan_to_num(np.abs(log_ratio(sums, rows, effect)), nan=np.inf)
            return p_value(size, ways.real)

        alpha = 1 - self.conf_level
        how = "exact randomisation over all" if ways.exact else f"randomisation over {len(rows):,} of"
        out = replace(base, p_value=p_of(0.0), conf_method="none", status="no_finite_interval",
                      inference=f"{how} {ways.total:,} ways to hand out the launch dates")  # fmt: skip
        if ways.p_least > alpha:
            said = f"the least reachable p is {ways.p_least:.3f}, so randomisation has no {percent(self.conf_level)} interval"
            return replace(out, note=joined(said, base.note))
        found = invert(p_of, estimate, alpha=alpha, p_least=ways.p_least)
        if not found.finite:
            return replace(out, note=joined("the randomisation set has no end", base.note))
        return replace(out, conf_low=math.exp(found.low), conf_high=math.exp(found.high), conf_method="randomisation", status="ok",
                       confidence=ConfidenceDraws.of(found, alpha, ratio=True))  # fmt: skip

    def _by_hospitals(self, base: Estimate, c: Comparison, estimate: float) -> Estimate:
        return self._interval(base, estimate, random_effects(c))

    def _interval(self, base: Estimate, estimate: float, effects: RandomEffects) -> Estimate:
        if math.isnan(effects.std_error):
            note = joined(base.note, effects.lacking)
            return replace(base, inference="hospital random effects", status="no_finite_interval", note=note)
        reach = effects.std_error * float(stats.t.ppf((1 + self.conf_level) / 2, effects.df))
        p_value = float(2 * stats.t.sf(abs(estimate) / effects.std_error, effects.df))
        return replace(
            base, std_error=effects.std_error, conf_low=math.exp(estimate - reach), conf_high=math.exp(estimate + reach),
            conf_method="random_effects_t", p_value=p_value,
            inference=f"hospital random effects, t({effects.df})",
            facts={**base.facts, "tau2": effects.tau2, "person_variance": effects.person_variance},
            confidence=StudentDraws(estimate, effects.std_error, effects.df),
        )  # fmt: skip


def _windows(c: Comparison) -> pd.DataFrame:
    """The follow-up of everybody behind the effect, launch by launch, as `Estimate.windows` says."""
    parts = []
    for w, era in enumerate(c.eras):
        mine = (c.treated & (c.given == w))[c.people.unit]
        here = mine | c.controls[c.people.unit]
        for after, cohort, months, total in ((False, era.before, era.n0, era.y0), (True, era.after, era.n1, era.y1)):
            rows = np.flatnonzero(here & cohort.members & (months > 0))
            frame = {
                "person": rows,
                "unit": np.array(c.people.names)[c.people.unit[rows]],
                "launch": w,
                "service": mine[rows],
                "after": after,
            }
            parts.append(pd.DataFrame({**frame, "months": months[rows], "total": total[rows]}))
    return pd.concat(parts, ignore_index=True)


def _scores(c: Comparison, everyone: Flags) -> pd.DataFrame:
    """Each person's part in the log of the effect, as `Estimate.scores` says."""
    unit = c.people.unit[everyone]
    return pd.DataFrame(
        {
            "person": np.flatnonzero(everyone),
            "unit": np.array(c.people.names)[unit],
            "service": c.treated[unit],
            "score": linearised(c).score[everyone],
        }
    )


def _everyone(c: Comparison) -> Flags:
    """(P,) people in any cohort that the effect is computed from."""
    inside = np.zeros(len(c.people.unit), dtype=bool)
    for w, era in enumerate(c.eras):
        hospitals = (c.treated & (c.given == w)) | c.controls
        inside |= hospitals[c.people.unit] & (era.before.members | era.after.members)
    return inside


def _referred_before_index(c: Comparison) -> tuple[int, int]:
    """Referrals of used hospitals before the index month of the post cohort, and all their referrals."""
    early = 0
    rows = c.people.referred & c.treated[c.people.unit]
    for w, era in enumerate(c.eras):
        mine = rows & (c.given == w)[c.people.unit] & era.after.members
        early += int((c.people.referral[mine] < era.after.index[mine]).sum())
    return early, int(rows.sum())


def _note(panel: Panel, facts: dict[str, object], why: dict[str, str], people: PersonMonths) -> str:
    """What has to be said beside the number, from the numbers."""
    early = float(facts["referred_before_index"]) / max(float(facts["referrals"]), 1.0)  # type: ignore[arg-type]
    soft = (
        f"over {percent(math.floor(10 * early) / 10)} of referrals came before the rule was met; they stay in and count as uptake"
        if early > EARLY_REFERRALS_SAID
        else ""
    )
    left_out = "left out: " + "; ".join(f"{name} ({reason})" for name, reason in sorted(why.items())) if why else ""
    rule = rule_note(float(facts["share_met"]), float(facts["uptake"]))  # type: ignore[arg-type]
    return joined(rule, soft, left_out, deaths_note(panel, people))


def _rates(panel: Panel, analysis: Analysis, c: Comparison) -> pd.DataFrame:
    """Events per person-year by arm and era: pooled, then launch by launch when there are several.

    A comparison person is followed once for every launch date; `people` counts them once.
    """
    rows = []
    for arm, picked in _arms(panel, c):
        for era_name, in_cohort, months, events in (("before", "before", "n0", "y0"), ("after", "after", "n1", "y1")):
            parts = [(getattr(c.eras[w], months)[r].sum(), getattr(c.eras[w], events)[r].sum()) for w, r in picked]
            who = np.zeros(len(c.people.unit), dtype=bool)
            for w, r in picked:
                who |= r & getattr(c.eras[w], in_cohort).members
            years, total = sum(p[0] for p in parts) / 12, sum(p[1] for p in parts)
            rows.append({"analysis": analysis.name, "outcome": analysis.outcome, "arm": arm, "era": era_name, "people": int(who.sum()),
                         "events": float(total), "person_years": years, "rate": total / years if years else math.nan})  # fmt: skip
    return pd.DataFrame(rows)


def _deaths(panel: Panel, analysis: Analysis, c: Comparison) -> pd.DataFrame:
    """Deaths during follow-up by arm and era, each comparison person once for every launch date."""
    rows = []
    for arm, picked in _arms(panel, c)[:2]:
        for era_name, months in (("before", "n0"), ("after", "n1")):
            people = deaths = 0
            years = 0.0
            for w, r in picked:
                cohort: Cohort = getattr(c.eras[w], era_name)
                members = r & cohort.members
                people, deaths = people + int(members.sum()), deaths + int((r & died(c.people, cohort)).sum())
                years += float(getattr(c.eras[w], months)[r].sum()) / 12
            rows.append({"analysis": analysis.name, "arm": arm, "era": era_name, "people": people, "deaths": deaths,
                         "person_years": years, "rate": 100 * deaths / years if years else math.nan})  # fmt: skip
    return pd.DataFrame(rows)


def _survival(panel: Panel, analysis: Analysis, c: Comparison, follow_up: int, level: float) -> pd.DataFrame:
    """Who has died and how often people were admitted by each quarter since the index, by arm and era."""
    rows = []
    for arm, picked in _arms(panel, c)[:2]:
        for era in ("before", "after"):
            followed = FollowedPeople.of([(getattr(c.eras[w], era), who) for w, who in picked])
            rows += curve_rows(analysis.name, arm, era, curve(c.people, followed, follow_up, level))
    return pd.DataFrame(rows)


def _arms(panel: Panel, c: Comparison) -> list[tuple[str, list[tuple[int, Flags]]]]:
    """Each arm's name, and for every launch in it the people (P,) that belong to it."""
    unit = c.people.unit
    in_use = [w for w in range(len(c.eras)) if (c.treated & (c.given == w)).any()]
    treated = [(w, (c.treated & (c.given == w))[unit]) for w in in_use]
    controls = [(w, c.controls[unit]) for w in in_use]
    arms = [("treated", treated), ("comparison", controls)]
    if len(in_use) > 1:
        for i, w in enumerate(in_use):
            label = month_labels(panel, [c.eras[w].launch])[0]
            arms += [(f"treated, launch {label}", [treated[i]]), (f"comparison, launch {label}", [controls[i]])]
    return arms
