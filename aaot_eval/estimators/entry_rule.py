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

from aaot_eval.errors import Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators._cohorts import (
    EVENTS_NEEDED,
    HOSPITALS_FOR_TAU2,
    PEOPLE_NEEDED,
    RULE_OUTCOME,
    SHARE_MET_NEEDED,
    UPTAKE_NEEDED,
    Cohort,
    Flags,
    Floats,
    Ints,
    PersonMonths,
    Rule,
    by_unit,
    deaths_note,
    first_cohort,
    joined,
    lost_months,
    month_labels,
    patient_objections,
    people_and_rule,
    percent,
    rate_before,
    rule_note,
    running_total,
    scale_of,
    share_met,
)
from aaot_eval.estimators._random_effects import StudentDraws, dersimonian_laird
from aaot_eval.estimators._randomisation import Assignments, ConfidenceDraws, assign_starts, invert, p_value
from aaot_eval.estimators._referred import Uptake, effect_on_referred, uptake_of
from aaot_eval.results import Analysis, Design, Estimate, Panel

#: A hospital needs this many pre-launch months for its own baseline.
MONTHS_NEEDED = 12
#: More referrals before the index than this share are said.
EARLY_REFERRALS_SAID = 0.10


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
    n_run = running_total(people.at_risk)
    y_run = running_total(people.outcome * people.at_risk)
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
        era = Era(
            launch,
            stop,
            before,
            after,
            before.total(n_run),
            before.total(y_run),
            after.total(n_run),
            after.total(y_run),
        )
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
    """Variance of the log ITT with hospitals as random: persons' part, tau2 among comparison hospitals, standard error, df."""

    person_variance: float
    tau2: float
    std_error: float
    df: int


def random_effects(c: Comparison) -> RandomEffects:
    """Person-clustered linearised scores plus DerSimonian-Laird variance between comparison hospitals.

    tau2 is NaN, and so is the standard error, with fewer than six comparison hospitals.
    """
    unit, n_units = c.people.unit, len(c.people.names)
    observed = expected = 0.0
    modelled = np.zeros(n_units)
    baseline = np.zeros(n_units)
    for w, era in enumerate(c.eras):
        mine, ctl = c.treated & (c.given == w), c.controls
        if not mine.any():
            continue
        n0, y0, n1, y1 = (by_unit(x, c.people) for x in (era.n0, era.y0, era.n1, era.y1))
        change = (y1[ctl].sum() / n1[ctl].sum()) / (y0[ctl].sum() / n0[ctl].sum())
        baseline[mine] = n1[mine] * y0[mine] / n0[mine]
        modelled[mine] = baseline[mine] * change
        observed += y1[mine].sum()
        expected += modelled[mine].sum()
    score = np.zeros(len(unit))
    taus, control_share = [], np.zeros(n_units)
    for w, era in enumerate(c.eras):
        mine, ctl = c.treated & (c.given == w), c.controls
        if not mine.any():
            continue
        weight = modelled[mine].sum() / expected
        rows = ctl[unit]
        score[rows] -= weight * _change_score(era, rows)
        for u in np.flatnonzero(mine):
            rows = unit == u
            y0, n0 = era.y0[rows], era.n0[rows]
            score[rows] += (
                era.y1[rows] / observed - era.n1[rows] * modelled[u] / by_unit(era.n1, c.people)[u] / expected
            )
            score[rows] -= modelled[u] / expected * (y0 - y0.sum() / n0.sum() * n0) / y0.sum()
        changes, variances = [], []
        for u in np.flatnonzero(ctl):
            rows = unit == u
            totals = era.n0[rows].sum(), era.y0[rows].sum(), era.n1[rows].sum(), era.y1[rows].sum()
            changes.append(math.log(totals[3] / totals[2] * totals[0] / totals[1]))
            variances.append(float((_change_score(era, rows) ** 2).sum()))
        taus.append(dersimonian_laird(np.array(changes), np.array(variances)))
        post = by_unit(era.y1, c.people) * ctl
        control_share += weight * post / post.sum()
    person_variance = float((score**2).sum())
    df = int(c.controls.sum()) - 1
    if c.controls.sum() < HOSPITALS_FOR_TAU2:
        return RandomEffects(person_variance, math.nan, math.nan, df)
    tau2 = float(np.mean(taus))
    share = baseline / baseline.sum()
    variance = person_variance + tau2 * float((share**2).sum() + (control_share**2).sum())
    return RandomEffects(person_variance, tau2, math.sqrt(variance), df)


def _change_score(era: Era, rows: Flags) -> Floats:
    """Linearised scores of log(r1/r0) pooled over some people."""
    n0, y0, n1, y1 = era.n0[rows], era.y0[rows], era.n1[rows], era.y1[rows]
    after = (y1 - y1.sum() / n1.sum() * n1) / y1.sum()
    return np.asarray(after - (y0 - y0.sum() / n0.sum() * n0) / y0.sum())


def uptake(c: Comparison) -> Uptake:
    """The team in the cohorts after launch of used hospitals."""
    return uptake_of(
        c.people, [(era.after, (c.treated & (c.given == w))[c.people.unit]) for w, era in enumerate(c.eras)]
    )


@ESTIMATORS.register("entry_rule")
@dataclass(frozen=True)
class EntryRule:
    """The intention-to-treat effect over everybody who meets the entry rule, and the effect on the referred from it.

    rule_count, rule_months  the rule; both empty: searched for among the referred
    follow_up                months followed from the index
    rule_outcome             the admissions the rule counts, whatever the outcome is
    """

    design: ClassVar[Design] = "entry_rule"
    rule_count: int | None = None
    rule_months: int | None = None
    follow_up: int = 12
    conf_level: float = 0.95
    rule_outcome: str = RULE_OUTCOME

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why the comparison cannot be made, every reason at once."""
        found = patient_objections(panel, analysis, self.rule_outcome, self.rule_count, self.rule_months)
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
        told = "; ".join(f"{name}: {reason}" for name, reason in sorted(why.items()))
        return [Problem("E438", f"no {side} is large enough for its own baseline: {told}", where=analysis.name,
                        do="use a longer extract, a softer rule, or fewer and larger hospitals")]  # fmt: skip

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """ITT by the headline inference, ITT by the other one, ratio on the referred. Raises nothing that `objections` does not name."""
        c, why = self._compare(panel, analysis)
        team = uptake(c)
        ways, rows = reassignments(np.where(c.treated, c.given, -1)[c.used], seed)
        sums = c.sums.take(c.used)
        estimate = float(log_ratio(sums, rows[ways.real : ways.real + 1])[0])
        base = self._base(panel, analysis, c, why, team, estimate, ways)
        if not math.isfinite(estimate):
            note = joined("a cohort has no admissions", base.note)
            return (replace(base, estimate=math.nan, p_least=math.nan, status="not_estimable", note=note),)
        by_ways = self._randomised(base, sums, ways, rows, estimate)
        by_hospitals = self._by_hospitals(base, c, estimate)
        first, second = by_ways, by_hospitals
        if ways.p_least > 1 - self.conf_level and by_hospitals.finite:
            first, second = by_hospitals, by_ways
        return (
            first,
            replace(second, tables={}, facts={**second.facts, "role": "itt_beside"}, windows=None),
            effect_on_referred(first, team),
        )

    def death_bounds(self, panel: Panel, analysis: Analysis) -> tuple[float, float]:
        """The ratio if everybody who died had lived on to the end of follow-up: at their own rate before the index, and at zero."""
        c, _ = self._compare(panel, analysis)
        given = np.where(c.treated, c.given, -1)[c.used][None, :]

        def ratio(at_own_rate: float) -> float:
            parts = []
            for era in c.eras:
                own = [lost_months(c.people, k) for k in (era.before, era.after)]
                more = [
                    at_own_rate * n * rate_before(c.people, k)
                    for n, k in zip(own, (era.before, era.after), strict=True)
                ]
                nothing = np.zeros(len(c.people.unit))
                values = (era.n0 + own[0], era.y0 + more[0], nothing, era.n1 + own[1], era.y1 + more[1], nothing)
                parts.append([by_unit(v, c.people) for v in values])
            sums = Sums(*(np.array([p[i] for p in parts]) for i in range(6)))
            return math.exp(float(log_ratio(sums.take(c.used), given)[0]))

        return ratio(1.0), ratio(0.0)

    def _compare(self, panel: Panel, analysis: Analysis) -> tuple[Comparison, dict[str, str]]:
        people, rule, met = people_and_rule(
            panel, analysis.outcome, self.rule_outcome, self.rule_count, self.rule_months
        )
        counted = people.outcome if panel.outcome(analysis.outcome).kind == "count" else people.counts
        return compare(people, rule, met, self.follow_up, counted)

    def _base(self, panel: Panel, analysis: Analysis, c: Comparison, why: dict[str, str], team: Uptake,
              estimate: float, ways: Assignments) -> Estimate:  # fmt: skip
        met_share = share_met(c.people, c.met)
        early, referrals = _referred_before_index(c)
        everyone = _everyone(c)
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
            conf_level=self.conf_level, p_least=ways.p_least,
            n_units=int(c.used.sum()), n_treated=int(c.treated.sum()), n_periods=c.people.n_months,
            n_obs=int(sum(e.n0[c.used[c.people.unit]].sum() + e.n1[c.used[c.people.unit]].sum() for e in c.eras)),
            n_people=int(everyone.sum()), note=_note(panel, facts, why, c.people),
            tables={"rates": _rates(panel, analysis, c), "deaths": _deaths(panel, analysis, c)}, facts=facts,
            windows=_windows(c),
        )  # fmt: skip

    def _randomised(self, base: Estimate, sums: Sums, ways: Assignments, rows: Ints, estimate: float) -> Estimate:
        def p_of(effect: float) -> float:
            size = np.nan_to_num(np.abs(log_ratio(sums, rows, effect)), nan=np.inf)
            return p_value(size, ways.real)

        alpha = 1 - self.conf_level
        how = "all" if ways.exact else f"{len(rows):,} of"
        out = replace(base, p_value=p_of(0.0), conf_method="none", status="no_finite_interval",
                      inference=f"exact randomisation over {how} {ways.total:,} ways to hand out the launch dates")  # fmt: skip
        if ways.p_least > alpha:
            said = f"the least reachable p is {ways.p_least:.3f}, so randomisation has no {percent(self.conf_level)} interval"
            return replace(out, note=joined(said, base.note))
        found = invert(p_of, estimate, alpha=alpha, p_least=ways.p_least)
        if not found.finite:
            return replace(out, note=joined("the randomisation set has no end", base.note))
        return replace(out, conf_low=math.exp(found.low), conf_high=math.exp(found.high), conf_method="randomisation", status="ok",
                       confidence=ConfidenceDraws.of(found, alpha, ratio=True))  # fmt: skip

    def _by_hospitals(self, base: Estimate, c: Comparison, estimate: float) -> Estimate:
        effects = random_effects(c)
        if math.isnan(effects.std_error):
            note = joined(base.note, f"hospital random effects need {HOSPITALS_FOR_TAU2} comparison hospitals")
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
        f"{percent(early)} of referrals came before the rule was met; they stay in and count as uptake"
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
                died = members & (c.people.death >= cohort.index) & (c.people.death < cohort.end)
                people, deaths = people + int(members.sum()), deaths + int(died.sum())
                years += float(getattr(c.eras[w], months)[r].sum()) / 12
            rows.append({"analysis": analysis.name, "arm": arm, "era": era_name, "people": people, "deaths": deaths,
                         "person_years": years, "rate": 100 * deaths / years if years else math.nan})  # fmt: skip
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
