"""One trust alone: everybody who newly meets the entry rule, after launch against before, with a control series.

Pre-launch cohorts enter by the same rule at the same peak, so regression to the mean is in both and drops out. Anything else
that changed at the trust does not, except what the control series shares. Definitions: docs/methods/own_cohorts.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.errors import Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators._by_rule import ByEntryRule
from aaot_eval.estimators._cohorts import (
    EVENTS_NEEDED,
    PEOPLE_NEEDED,
    SHARE_MET_NEEDED,
    UPTAKE_NEEDED,
    Flags,
    Floats,
    Ints,
    PersonMonths,
    Rule,
    deaths_note,
    died,
    first_cohort,
    joined,
    newly_meets_rule,
    rule_note,
    scale_of,
    share_met,
)
from aaot_eval.estimators._death_rows import LIVED_AT_OWN_RATE, LIVED_AT_ZERO, MEAN_WITH_DEATH, PAIRS_ALIVE
from aaot_eval.estimators._own_hospitals import (
    HALF,
    Part,
    Shocks,
    apart,
    hospital_fits,
    over_trusts,
    people_variance,
)
from aaot_eval.estimators._own_parts import among, mean_with_death, phases_own, split_own
from aaot_eval.estimators._own_tables import alive_throughout, chart, cohort_series, deaths, lived_on, rates, survival
from aaot_eval.estimators._own_trust import (
    Result,
    Standardised,
    Trust,
    first_month,
    follow,
    pooled,
    standardise,
)
from aaot_eval.estimators._pooling import pooled_sites
from aaot_eval.estimators._random_effects import StudentDraws
from aaot_eval.estimators._referred import Uptake, effect_on_referred, uptake_of
from aaot_eval.estimators._subgroups import Split
from aaot_eval.results import Analysis, Design, Estimate, Panel
from aaot_eval.wording import in_sentence

LABEL = "historical comparison: selection removed, other changes not"
OVER_CONTROL = "divided by the change of the same hospital's"
"""How the control series is named in what is estimated."""
CONTROL_SERIES = "non_alcohol_emergency"
#: Months of pre-launch cohorts after the history that the rule needs, so that the first of them are followed a whole year.
BEFORE_MONTHS = 12
#: With fewer months after launch nothing is concluded.
AFTER_MONTHS = 6


@ESTIMATORS.register("own_cohorts")
@dataclass(frozen=True)
class OwnCohorts(ByEntryRule):
    """Everybody who newly meets the rule at trusts with the service, after launch against before, over a control series.

    rule_count, rule_months  the rule; both empty: searched for among the referred
    follow_up                months followed from the index
    control                  the outcome whose change is divided out; none with this name: nothing is
    """

    design: ClassVar[Design] = "own_cohorts"
    control: str = CONTROL_SERIES

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why the comparison cannot be made, every reason at once."""
        found = self._lacking(panel, analysis)
        if found:
            return found
        people, rule, met = self._people(panel, analysis)
        if not people.treated.any():
            return [Problem("E437", "no hospital with people in it starts the service inside the data", where=analysis.name,
                            do="give go_live dates that lie inside the data")]  # fmt: skip
        trusts, why = self._trusts(panel, analysis, people, rule, met)
        if trusts:
            return []
        need = first_month(rule) + BEFORE_MONTHS
        return [Problem("E439", f"{name}: {reason}", where=analysis.name,
                        do=f"extend the extract to {need} months before launch; without them only the regression-to-the-mean "
                        "prediction can stand beside the fall") for name, reason in sorted(why.items())]  # fmt: skip

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The ratio after launch over the control series; then the cohorts as one series, the ratio without the control
        series, and the ratio on the referred. Nothing here is random: `seed` is not used.
        """
        people, rule, met = self._people(panel, analysis)
        trusts, why = self._trusts(panel, analysis, people, rule, met)
        team = uptake_of(people, [(t.cohorts[1], people.unit == t.unit) for t in trusts])
        base = self._base(panel, analysis, people, rule, met, trusts, why, team)
        done = [self._result(panel, analysis, people, t) for t in trusts]
        if not all(math.isfinite(r.fit.log_ratio) for r in done):
            note = joined("a cohort has no admissions", base.note)
            return (replace(base, status="not_estimable", note=note),)
        share, estimate, variance = pooled(done)
        head = replace(
            self._with_interval(base, estimate, variance, "people and whole-hospital shocks"),
            series=pd.concat([chart(people, r, self.conf_level, variance) for r in done], ignore_index=True),
        )
        head = replace(head, facts={**head.facts, **self._facts(done, share, team, estimate)})
        if min(people.n_months - t.launch for t in trusts) < AFTER_MONTHS:
            note = joined(f"fewer than {AFTER_MONTHS} months after launch: monitoring only", head.note)
            return (replace(head, conf_low=math.nan, conf_high=math.nan, conf_method="none", p_value=math.nan, confidence=None,
                            status="monitoring_only", note=note),)  # fmt: skip
        deaths = self._about_deaths(panel, analysis, people, trusts, head)
        if panel.outcome(analysis.outcome).kind == "count":
            deaths += self._mean_with_death(people, done, share, head)
            head = self._with_phases(panel, analysis, people, rule, met, trusts, head)
        each = self._trust_by_trust(head, people, done) if len(done) > 1 else []
        return (head, *self._beside(head, done, share, variance), effect_on_referred(head, team), *deaths, *each)

    def death_bounds(self, panel: Panel, analysis: Analysis) -> tuple[float, float]:
        """The ratio if everybody who died had lived on to the end of follow-up: at their own rate before the index, and at zero."""
        people, rule, met = self._people(panel, analysis)
        trusts, _ = self._trusts(panel, analysis, people, rule, met)

        def ratio(at_own_rate: float) -> float:
            observed = expected = 0.0
            for trust in trusts:
                whole = replace(trust, followed=lived_on(people, trust, at_own_rate))
                fit = standardise(whole.followed, self._control(panel, trust), len(people.unit))
                events = float(whole.followed.outcome[whole.followed.era == 1].sum())
                observed, expected = observed + events, expected + events * math.exp(-fit.log_ratio)
            return observed / expected

        return ratio(1.0), ratio(0.0)

    def _about_deaths(
        self, panel: Panel, analysis: Analysis, people: PersonMonths, trusts: Sequence[Trust], head: Estimate
    ) -> list[Estimate]:
        """The same effect with deaths counted in other ways; nothing for costs, and nothing when nobody died in follow-up."""
        counted = panel.outcome(analysis.outcome).kind == "count"
        if not counted or not any(died(people, c).any() for t in trusts for c in t.cohorts):
            return []
        plain = replace(head, tables={}, series=None, facts={**head.facts, "role": "deaths_beside"}, note="")
        rows = []
        for told, others in (
            (PAIRS_ALIVE, [alive_throughout(people, t) for t in trusts]),
            (LIVED_AT_OWN_RATE, [replace(t, followed=lived_on(people, t, 1.0)) for t in trusts]),
            (LIVED_AT_ZERO, [replace(t, followed=lived_on(people, t, 0.0)) for t in trusts]),
        ):
            done = [self._result(panel, analysis, people, t) for t in others]
            if all(math.isfinite(r.fit.log_ratio) for r in done):
                _, estimate, variance = pooled(done)
                row = replace(plain, estimand=f"{head.estimand}; {told}")
                rows.append(self._with_interval(row, estimate, variance, "people and whole-hospital shocks"))
        return rows

    def _mean_with_death(
        self, people: PersonMonths, done: Sequence[Result], share: Floats, head: Estimate
    ) -> list[Estimate]:
        """The same effect as mean admissions by the end of follow-up, death ending them; nothing when nobody died."""
        if not any(died(people, c).any() for r in done for c in r.trust.cohorts):
            return []
        found = mean_with_death(people, done, share, self.follow_up)
        if found is None:
            return []
        estimate, variance = found
        n = len(people.unit)
        hospitals = [r.hospital.times(s) for s, r in zip(share, done, strict=True)]
        row = replace(head, tables={}, series=None, facts={**head.facts, "role": "deaths_beside"}, note="",
                      estimand=f"{head.estimand}; {MEAN_WITH_DEATH}")  # fmt: skip
        own = Part.total([Part(variance, max(n - 1, 1)), *hospitals])
        total = apart([r.fit.log_ratio for r in done], [r.variance.variance for r in done], share, own)
        return [self._with_interval(row, estimate, total, "people and whole-hospital shocks")]

    def _with_phases(self, panel: Panel, analysis: Analysis, people: PersonMonths, rule: Rule, met: Flags,
                     trusts: Sequence[Trust], head: Estimate) -> Estimate:  # fmt: skip
        """The estimate with the table `phases` of the referred, where leaving the team is known for some."""
        assert panel.people is not None  # noqa: S101
        here = panel.people["unit"].isin(list(people.names)).to_numpy()
        ended = panel.people["ended_t"][here].astype("Int64").fillna(people.n_months).to_numpy(dtype=np.int64)
        if not (ended[people.referred] < people.n_months).any():
            return head
        shocks = {
            t.unit: self._shocks(panel, analysis, t, replace(self, control="")._control(panel, t)) for t in trusts
        }
        table = phases_own(
            analysis.name, people, rule, met, trusts, np.asarray(ended, dtype=np.int64), self.follow_up, shocks
        )
        return head if table is None else replace(head, tables={**head.tables, "phases": table})

    def effect(self, panel: Panel, analysis: Analysis) -> tuple[float, float, Rule] | None:
        """(log ratio over the control series, its p, the rule) without anything else; None where there is no effect."""
        people, rule, met = self._people(panel, analysis)
        if not people.treated.any():
            return None
        trusts, _ = self._trusts(panel, analysis, people, rule, met)
        done = [self._result(panel, analysis, people, t) for t in trusts]
        if not done or not all(math.isfinite(r.fit.log_ratio) for r in done):
            return None
        _, found, variance = pooled(done)
        return found, float(2 * stats.t.sf(abs(found) / math.sqrt(variance.variance), variance.df)), rule

    def splits(
        self, panel: Panel, analysis: Analysis, divisions: Sequence[tuple[str, tuple[str, str], tuple[Flags, Flags]]]
    ) -> list[Split]:
        """The effect among two groups of people for each division (its name, the groups' names, who is in them among the panel's people)."""
        people, rule, met = self._people(panel, analysis)
        assert panel.people is not None  # noqa: S101
        here = panel.people["unit"].isin(list(people.names)).to_numpy()
        trusts, _ = self._trusts(panel, analysis, people, rule, met)
        found = []
        for title, names, members in divisions:
            parts: list[Sequence[Result] | str] = []
            for who in members:
                made = [among(people, t, who[here]) for t in trusts]
                kept = [t for t in made if not isinstance(t, str)]
                results = [self._result(panel, analysis, people, t) for t in kept]
                sound = [r for r in results if math.isfinite(r.fit.log_ratio)]
                parts.append(sound or next((t for t in made if isinstance(t, str)), "a cohort has no admissions"))
            groups = {
                t.unit: self._shocks_of_groups(panel, analysis, people, t, members[0][here], members[1][here])
                for t in trusts
            }
            found.append(split_own(title, names, parts, groups))
        return found

    def _shocks_of_groups(
        self, panel: Panel, analysis: Analysis, people: PersonMonths, trust: Trust, one: Flags, two: Flags
    ) -> Shocks:
        """Shocks of one group against the other at a trust, from all their admissions there month by month."""
        counted = panel.outcome(analysis.outcome).kind == "count"
        values = people.outcome if counted else people.counts
        mine = people.unit == trust.unit
        y1, y2 = (values[mine & who].sum(axis=0) for who in (one, two))
        clock = panel.periods["clock"].to_numpy(dtype=np.int64)
        seen = self._seen(panel, trust)
        fits = hospital_fits(
            np.log((y1[seen] + HALF) / (y2[seen] + HALF)), clock[seen], np.flatnonzero(seen) >= trust.launch
        )
        poisson = float(np.mean(1 / (y1[seen] + HALF) + 1 / (y2[seen] + HALF)))
        return Shocks(fits, poisson, clock, seen)

    def _seen(self, panel: Panel, trust: Trust) -> Flags:
        """(T,) the months that the trust's own series holds."""
        row = list(panel.units.index).index(trust.name)
        gone = panel.periods["left_out"].to_numpy(dtype=bool) | panel.matrix("missing")[row].astype(bool)
        return np.asarray(~gone)

    def _control_counts(self, panel: Panel, trust: Trust) -> Floats:
        """(T,) the control series as counted, infinite where there is none."""
        if self.control not in panel.cells:
            return np.full(len(panel.periods), np.inf)
        series = panel.matrix(self.control)[list(panel.units.index).index(trust.name)].astype(float)
        return np.where(series > 0, series, np.inf)

    def _control(self, panel: Panel, trust: Trust) -> Floats:
        """(T,) the control series over its mean; without one, the days of the months over theirs."""
        days = panel.periods["days"].to_numpy(dtype=float)
        counts = self._control_counts(panel, trust)
        known = np.isfinite(counts)
        return (
            np.where(known, counts / counts[known].mean(), days / days.mean())
            if known.any()
            else np.asarray(days / days.mean())
        )

    def _trusts(
        self, panel: Panel, analysis: Analysis, people: PersonMonths, rule: Rule, met: Flags
    ) -> tuple[list[Trust], dict[str, str]]:
        """The trusts that can be used, and why each other one cannot."""
        new = newly_meets_rule(met)
        count = people.outcome if panel.outcome(analysis.outcome).kind == "count" else people.counts
        need = first_month(rule) + BEFORE_MONTHS
        trusts, why = [], {}
        for u in np.flatnonzero(people.treated):
            launch, name = int(people.launch[u]), people.names[u]
            if launch < need:
                why[name] = (f"{launch} months before launch where {need} are needed: {first_month(rule)} to tell who newly meets the "
                             f"rule, and {BEFORE_MONTHS} of full follow-up")  # fmt: skip
                continue
            mine = new & (people.unit == u)[:, None]
            cohorts = (first_cohort(mine, first_month(rule), launch, self.follow_up),
                       first_cohort(mine, launch, int(people.stop[u]), self.follow_up))  # fmt: skip
            followed = follow(people, cohorts, count)
            events = np.bincount(followed.era, weights=followed.count, minlength=2)
            if min(int(c.members.sum()) for c in cohorts) < PEOPLE_NEEDED or events.min() < EVENTS_NEEDED:
                why[name] = (
                    f"fewer than {PEOPLE_NEEDED} people or {EVENTS_NEEDED} admissions in the cohort before or after launch"
                )
                continue
            trusts.append(Trust(int(u), name, launch, cohorts, followed))
        return trusts, why

    def _result(self, panel: Panel, analysis: Analysis, people: PersonMonths, trust: Trust) -> Result:
        clock = panel.periods["clock"].to_numpy(dtype=np.int64)
        control = self._control(panel, trust)
        plain = standardise(trust.followed, replace(self, control="")._control(panel, trust), len(people.unit))
        fit = standardise(trust.followed, control, len(people.unit))
        if not math.isfinite(fit.log_ratio):
            nothing = Part(math.nan, math.nan)
            return Result(trust, fit, nothing, nothing, "", math.nan, math.nan, nothing)
        shocks = self._shocks(panel, analysis, trust, control)
        seen = shocks.seen
        people_part = people_variance(fit.influence)
        model, hospital = shocks.wider(fit.gradient, people_part, self.conf_level)
        noise = float((fit.gradient[seen] ** 2 / self._control_counts(panel, trust)[seen]).sum())
        own = self._as_series(plain, fit, trust, clock, noise, panel.outcome(analysis.outcome).kind == "count")
        return Result(trust, fit, people_part, hospital, model, plain.log_ratio, *own, shocks=shocks)

    def _shocks(self, panel: Panel, analysis: Analysis, trust: Trust, control: Floats) -> Shocks:
        """The shocks of the whole hospital's series over `control` (T,)."""
        clock = panel.periods["clock"].to_numpy(dtype=np.int64)
        counts = self._hospital_counts(panel, analysis, trust)
        seen = self._seen(panel, trust) & np.isfinite(counts)
        log_rate = np.log((counts[seen] + HALF) / control[seen])
        fits = hospital_fits(log_rate, clock[seen], np.flatnonzero(seen) >= trust.launch)
        return Shocks(fits, float(np.mean(1 / (counts[seen] + HALF))), clock, seen)

    def _hospital_counts(self, panel: Panel, analysis: Analysis, trust: Trust) -> Floats:
        """(T,) the counts of the whole hospital that show its shocks: of the outcome, else of the admissions the rule counts."""
        row = list(panel.units.index).index(trust.name)
        counted = panel.outcome(analysis.outcome).kind == "count" and analysis.outcome in panel.cells
        name = analysis.outcome if counted else self.rule_outcome
        if name in panel.cells:
            return np.asarray(panel.matrix(name)[row], dtype=float)
        return np.asarray(trust.followed.table(len(panel.periods), trust.followed.count).sum(axis=(0, 2)))

    def _as_series(
        self, plain: Standardised, fit: Standardised, trust: Trust, clock: Ints, noise: float, counted: bool
    ) -> tuple[float, Part]:
        """The log ratio and its variance from the cohorts' own monthly series, at equal time since the index.

        The control series' change is divided out afterwards and brings its own counting error.
        """
        wald = cohort_series(plain, trust.followed, clock, trust.launch, counted, self.conf_level)
        return wald.estimate + fit.log_ratio - plain.log_ratio, Part(wald.std_error**2 + noise, wald.df)

    def _base(self, panel: Panel, analysis: Analysis, people: PersonMonths, rule: Rule, met: Flags, trusts: Sequence[Trust],
              why: dict[str, str], team: Uptake) -> Estimate:  # fmt: skip
        met_share = share_met(people, met)
        controlled = self.control in panel.cells
        missed = "" if controlled else f"no series {self.control!r}: secular change is not taken out"
        left_out = "left out: " + "; ".join(f"{n} ({reason})" for n, reason in sorted(why.items())) if why else ""
        before, after = (sum(int(t.cohorts[era].members.sum()) for t in trusts) for era in (0, 1))
        everyone = np.any([c.members for t in trusts for c in t.cohorts], axis=0)
        facts = {
            "role": "itt", "label": LABEL, "rule": str(rule), "rule_count": rule.count, "rule_months": rule.months,
            "rule_declared": bool(self.rule_count and self.rule_months), "share_met": met_share,
            "usable_rule": bool(met_share >= SHARE_MET_NEEDED and team.share >= UPTAKE_NEEDED),
            **team.facts(), "n_pre": before, "n_post": after, "follow_up": self.follow_up,
            "control": self.control if controlled else "", "hospitals_left_out": dict(why),
        }  # fmt: skip
        return Estimate(
            analysis=analysis.name, design=self.design, estimator="own_cohorts", outcome=analysis.outcome,
            estimand=f"everybody who newly met the entry rule ({rule}), {self.follow_up} months from then, after launch against before"
            + (f", {OVER_CONTROL} {in_sentence(panel.outcome(self.control).title)}" if controlled else ""),
            scale=scale_of(panel, analysis.outcome), estimate=math.nan, conf_level=self.conf_level,
            n_units=len(trusts), n_treated=len(trusts), n_periods=people.n_months,
            n_obs=sum(len(t.followed.month) for t in trusts), n_people=int(everyone.sum()),
            note=joined(LABEL, rule_note(met_share, team.share), missed, left_out, deaths_note(panel, people)),
            tables={"rates": rates(analysis, trusts), "deaths": deaths(analysis, people, trusts), **self._scan(analysis, people, rule),
                    **({"survival": survival(analysis, people, trusts, self.follow_up, self.conf_level)}
                       if panel.outcome(analysis.outcome).kind == "count" else {})}, facts=facts,
        )  # fmt: skip

    def _with_interval(self, base: Estimate, estimate: float, variance: Part, how: str) -> Estimate:
        half, error = variance.half_width(self.conf_level), math.sqrt(variance.variance)
        by = f"trusts as random, t({variance.df:.0f})" if variance.between else f"Satterthwaite t({variance.df:.0f})"
        return replace(
            base, estimate=math.exp(estimate), std_error=error, conf_low=math.exp(estimate - half), conf_high=math.exp(estimate + half),
            conf_method="random_effects_t" if variance.between else "satterthwaite_t",
            p_value=float(2 * stats.t.sf(abs(estimate) / error, variance.df)),
            inference=f"{how}, {by}", confidence=StudentDraws(estimate, error, variance.df),
        )  # fmt: skip

    def _beside(self, head: Estimate, done: Sequence[Result], share: Floats, variance: Part) -> list[Estimate]:
        """The same effect read in two other ways, without tables of their own."""
        plain = replace(head, tables={}, series=None, facts={**head.facts, "role": "itt_beside"})
        series = over_trusts([r.as_series for r in done], [[r.series] for r in done], share)
        as_series = float(sum(s * r.as_series for s, r in zip(share, done, strict=True)))
        out = [
            self._with_interval(
                plain, as_series, series, "the cohorts as one monthly series with autocorrelated errors"
            )
        ]
        if head.facts["control"]:
            alone = float(sum(s * r.without_control for s, r in zip(share, done, strict=True)))
            variance = over_trusts([r.without_control for r in done], [[r.people, r.hospital] for r in done], share)
            out.append(replace(self._with_interval(plain, alone, variance, "people and whole-hospital shocks"),
                               estimand=head.estimand.split(f", {OVER_CONTROL} ")[0] + ", without the control series"))  # fmt: skip
        return out

    def _trust_by_trust(self, head: Estimate, people: PersonMonths, done: Sequence[Result]) -> list[Estimate]:
        """Each trust by itself, and their random-effects mean with what a further trust may see."""
        rows = []
        for r in done:
            members = np.any([c.members for c in r.trust.cohorts], axis=0)
            row = replace(head, unit=r.trust.name, primary=False, tables={}, series=None, facts={"role": "trust"}, note=LABEL, n_units=1, n_treated=1,
                          n_obs=len(r.trust.followed.month), n_people=int(members.sum()))  # fmt: skip
            rows.append(self._with_interval(row, r.fit.log_ratio, r.variance, "people and whole-hospital shocks"))
        mean = pooled_sites(rows, self.conf_level, "Random-effects mean of the trusts' own estimates")
        facts = {**mean.facts, "role": "trusts_mean"}
        return [
            *rows,
            replace(mean, facts=facts, n_people=head.n_people, estimand=f"{head.estimand}; mean over trusts"),
        ]

    def _facts(self, done: Sequence[Result], share: Floats, team: Uptake, estimate: float) -> dict[str, object]:
        without = float(sum(s * r.without_control for s, r in zip(share, done, strict=True)))
        return {
            "rate_expected": team.rate_after * math.exp(-estimate),
            "control_change": math.exp(without - estimate),
            "shock_model": {r.trust.name: r.model for r in done},
            "trusts": len(done),
            "hospital_share_of_variance": float(sum(s**2 * r.hospital.variance for s, r in zip(share, done, strict=True))
                                                / sum(s**2 * (r.hospital.variance + r.people.variance) for s, r in zip(share, done, strict=True))),
        }  # fmt: skip
