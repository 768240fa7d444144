"""Does it matter whether follow-up starts at the referral or at the first contact? docs/methods/first_contact.md."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS
from aaot_eval.checks._caseload import PEOPLE_NEEDED
from aaot_eval.checks._sites import cannot
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._cohorts import percent, share_told
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.estimators.risk_set import RiskSet
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel

NAME = "first_contact"
#: A ratio from first contact that is lower by more than this share of itself is said to rest on the clock.
MOST_LOWER = 0.10


@CHECKS.register(NAME)
class FirstContact:
    """The effect on the referred from the month of referral, beside the same from the first contact.

    Somebody reached has lived, and stayed out of prison and in the area, from referral to contact: that time is immortal, and whoever
    was never reached is not counted from contact at all. The estimate therefore starts at referral; this shows what the other would say.
    """

    designs: ClassVar[tuple[Design, ...]] = ("risk_set", "own_cohorts")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """Warns when the ratio from first contact is lower by more than 10 %, or one of the two is a change and the other none."""
        if not isinstance(estimator, (RiskSet, OwnCohorts)):
            return cannot(NAME, analysis, "it belongs to the comparison of the referred")
        if panel.people is None or "contact_t" not in panel.people or panel.people["contact_t"].isna().all():
            return cannot(
                NAME, analysis, "first contacts are not known: give data.contacts, or `started` in the caseload"
            )
        people = panel.people
        reached = people["referral_t"].notna() & (people["contact_t"] >= people["referral_t"]).fillna(False)
        if reached.sum() < PEOPLE_NEEDED:
            return cannot(NAME, analysis, f"fewer than {PEOPLE_NEEDED} of the referred were reached inside the data")
        other = replace(panel, people=people.assign(referral_t=people["contact_t"].where(reached)))
        problems = estimator.objections(other, analysis)
        if problems:
            return cannot(NAME, analysis, f"from the first contact, {problems[0].what}")
        found = estimator.fit(other, replace(analysis, primary=False), seed=seed)[0]
        if isinstance(estimator, OwnCohorts):
            # Nobody is followed from referral here: the clock is in the time on the team, which the effect on the referred rests on.
            estimate, found = (_on_referred(estimator, p, analysis, seed) for p in (panel, other))
        if math.isnan(found.estimate) or math.isnan(estimate.estimate):
            return cannot(NAME, analysis, "one of the two ratios could not be made")
        return _result(analysis, estimate, found, people, reached)


def _on_referred(estimator: OwnCohorts, panel: Panel, analysis: Analysis, seed: int) -> Estimate:
    """The effect on the referred with everybody's own clock, and how many of them there were."""
    rows = estimator.fit(panel, replace(analysis, primary=False), seed=seed)
    found = next((e for e in rows if e.facts.get("role") == "referred"), rows[0])
    assert panel.people is not None  # noqa: S101
    if found.facts.get("role") != "referred":
        found = replace(found, estimate=math.nan, conf_low=math.nan, conf_high=math.nan)
    return replace(found, facts={**found.facts, "referrals_compared": int(panel.people["referral_t"].notna().sum())})


def _result(
    analysis: Analysis, referral: Estimate, contact: Estimate, people: pd.DataFrame, reached: pd.Series
) -> CheckResult:
    referred = people[people["referral_t"].notna()]
    never = ~reached.loc[referred.index]
    wait = (people["contact_t"] - people["referral_t"])[reached].astype(float)
    died = int((never & referred["death_t"].notna()).sum())
    lower = contact.estimate / referral.estimate < 1 - MOST_LOWER
    verdict: CheckVerdict = "warn" if lower or contact.direction != referral.direction else "pass"
    meaning = (
        "the two do not say the same, so the clock matters; the one from referral leaves nobody out"
        if verdict == "warn"
        else "the choice of clock does not make the result"
    )
    sentence = (
        f"From the referral the ratio is {_ratio(referral)}, from the first contact {_ratio(contact)}: {meaning}. Of the "
        f"referred {share_told(int(never.sum()), len(never))} were never reached inside the data; the mean wait of the others was {wait.mean():.1f} months."
    )
    rows = [
        {"clock": name, "people": int(e.facts["referrals_compared"]), "wait": months, "estimate": e.estimate, "conf_low": e.conf_low,
         "conf_high": e.conf_high, "p_value": e.p_value}
        for name, e, months in (("referral", referral, 0.0), ("first contact", contact, float(wait.mean())))
    ]  # fmt: skip
    return CheckResult(
        NAME, analysis.name, verdict, sentence, statistic=contact.estimate / referral.estimate,
        value_name="ratio from first contact over ratio from referral", threshold=f"not lower by more than {percent(MOST_LOWER)}",
        table=pd.DataFrame(rows),
        facts={"table": "first_contact", "reached": int(reached.sum()), "never_reached": int(never.sum()), "died_unreached": died,
               "wait": float(wait.mean())},
    )  # fmt: skip


def _ratio(estimate: Estimate) -> str:
    ends = f" ({estimate.conf_low:.2f} to {estimate.conf_high:.2f})" if np.isfinite(estimate.conf_low) else ""
    return f"{estimate.estimate:.2f}{ends}"
