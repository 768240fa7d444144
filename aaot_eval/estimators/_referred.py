"""From the effect over everybody who met the rule to the effect on the referred, on the difference scale.

Dividing the relative fall by uptake would be wrong: admission rates are higher in those taken on, so person-months understate
how much of the admissions the team reached. Source: docs/methods/entry_rule.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aaot_eval.estimators._cohorts import Cohort, Flags, PersonMonths, percent, running_total
from aaot_eval.results import Draws, Estimate

Floats = NDArray[np.float64]

#: Below this share of person-months on the team nothing is said about the referred.
UPTAKE_PRINTED = 0.10
ASSUMPTION = (
    "assumes that meeting the rule in a hospital with a team does nothing to those not taken on; "
    "uptake and rates are held at what was observed"
)


@dataclass(frozen=True)
class Uptake:
    """The team in the post cohort of treated hospitals; rates are per person-month."""

    share: float
    rate_after: float
    rate_on_team: float
    on_team_months: float
    months: float

    def on_referred(self, itt: Floats) -> Floats:
        """The ratio on the referred for ITT ratios: r_on / (r_on - d), d = r1 (1 - 1/ITT) / uptake; NaN where it is not finite."""
        if not self.share > 0:
            return np.full_like(itt, np.nan)
        spared = self.rate_after * (1 - 1 / itt) / self.share
        without = self.rate_on_team - spared
        return np.asarray(np.divide(self.rate_on_team, without, out=np.full_like(itt, np.nan), where=without > 0))

    def facts(self) -> dict[str, float]:
        """The numbers that costs and sentences use."""
        return {"uptake": self.share, "rate_after": self.rate_after, "rate_on_team": self.rate_on_team,
                "on_team_person_months": self.on_team_months, "post_person_months": self.months}  # fmt: skip


def uptake_of(people: PersonMonths, cohorts: Sequence[tuple[Cohort, Flags]]) -> Uptake:
    """Person-months on the team in the cohorts after launch, each with the people (P,) of its own hospitals."""
    on_team = people.at_risk & (np.arange(people.n_months) >= people.referral[:, None])
    running = [
        people.months_at_risk_so_far,
        people.outcome_at_risk_so_far,
        running_total(on_team),
        running_total(people.outcome * on_team),
    ]
    months, y, on, y_on = (float(sum(c.total(r)[who].sum() for c, who in cohorts)) for r in running)
    return Uptake(
        on / months if months else 0.0, y / months if months else math.nan, y_on / on if on else math.nan, on, months
    )


@dataclass(frozen=True)
class ReferredDraws:
    """Draws of the ratio on the referred: ITT draws through the difference scale; NaN where it is not finite."""

    itt: Draws
    team: Uptake

    def __call__(self, uniform: Floats) -> Floats:
        """Ratios, same shape."""
        return self.team.on_referred(self.itt(uniform))


def effect_on_referred(itt: Estimate, team: Uptake) -> Estimate:
    """The ratio on those who met the rule and were taken on: estimate and both limits of the ITT through the difference scale."""
    base = replace(itt, facts={**itt.facts, "role": "referred"}, estimand=f"those who met the entry rule ({itt.facts['rule']}) and were taken on", std_error=math.nan,
                   tables={}, series=None, confidence=None)  # fmt: skip
    nothing = replace(
        base, estimate=math.nan, conf_low=math.nan, conf_high=math.nan, conf_method="none", status="not_estimable"
    )
    if team.share < UPTAKE_PRINTED:
        return replace(nothing, note=f"no ratio is given under {percent(UPTAKE_PRINTED)} uptake")
    point, low, high = (float(x) for x in team.on_referred(np.array([itt.estimate, itt.conf_low, itt.conf_high])))
    if math.isnan(point):
        return replace(
            nothing, note=f"not finite: the difference over uptake exceeds the rate on the team; {ASSUMPTION}"
        )
    if math.isnan(low) or math.isnan(high):
        note = f"the upper limit is not finite; {ASSUMPTION}" if itt.finite else ASSUMPTION
        return replace(base, estimate=point, conf_low=low, conf_high=high, status="no_finite_interval", note=note)
    draws = ReferredDraws(itt.confidence, team) if itt.confidence else None
    return replace(base, estimate=point, conf_low=low, conf_high=high, status="ok", note=ASSUMPTION, confidence=draws)
