"""Did more or fewer people die after launch than in the cohort they are compared with, and could that make the result?"""

from __future__ import annotations

import math
from typing import ClassVar

import pandas as pd
from scipy import stats

from aaot_eval.checks import CHECKS, WARN_P
from aaot_eval.errors import counted
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._cohorts import FEW, percent
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel
from aaot_eval.wording import p_text

#: Risks of death over follow-up that differ by more than this, in points or as a share, call for bounds.
POINTS = 0.02
SHARE = 0.20


@CHECKS.register("deaths")
class Deaths:
    """Deaths during follow-up: the treated cohort after launch against the one it is compared with.

    Rates are over person-months alive, so a death takes the rest of a person's months away. When the risks differ by more than
    2 points or 20 %, the effect is bounded: the lost months at each person's own rate before the index, and at zero.
    """

    designs: ClassVar[tuple[Design, ...]] = ("entry_rule", "own_cohorts")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """Warns when deaths differ beyond chance or the bounds disagree in direction with the estimate."""
        table = estimate.tables.get("deaths")
        if table is None or not isinstance(estimator, EntryRule | OwnCohorts):
            return CheckResult(
                "deaths", analysis.name, "not_evaluable", "Deaths by arm could not be told apart for this design."
            )
        treated = table[(table["arm"] == "treated") & (table["era"] == "after")].iloc[0]
        against = "comparison" if (table["arm"] == "comparison").any() else "treated"
        other = table[
            (table["arm"] == against) & (table["era"] == ("after" if against == "comparison" else "before"))
        ].iloc[0]
        if not treated["deaths"] + other["deaths"]:
            return CheckResult(
                "deaths", analysis.name, "not_evaluable", "No deaths are known, so deaths by arm cannot be compared."
            )
        name = "in the comparison hospitals" if against == "comparison" else "before launch"
        return _judged(estimator, panel, analysis, estimate, treated, other, name)


def _judged(estimator: EntryRule | OwnCohorts, panel: Panel, analysis: Analysis, estimate: Estimate,
            treated: pd.Series, other: pd.Series, name: str) -> CheckResult:  # fmt: skip
    years = estimator.follow_up / 12
    risks = [1 - math.exp(-float(row["rate"]) / 100 * years) for row in (treated, other)]
    difference = abs(risks[0] - risks[1])
    differ = difference > POINTS or difference > SHARE * max(min(risks), 1e-12)
    p = rate_test(
        int(treated["deaths"]), float(treated["person_years"]), int(other["deaths"]), float(other["person_years"])
    )
    few = any(0 < row["deaths"] < FEW for row in (treated, other))
    p = _coarse(p) if few else p
    sentence = f"Of the treated cohort {percent(risks[0], 0)} died within {counted(estimator.follow_up, 'month')}, {percent(risks[1], 0)} {name} ({p_text(p)})."
    if few:
        sentence = f"Fewer than {FEW} people died in a cohort within {counted(estimator.follow_up, 'month')}, so no shares are given; {_which(risks)} in the treated cohort than {name} (p about {p:.2g})."
    facts: dict[str, float | str] = {"risk_treated": risks[0], "risk_compared": risks[1], "died": _which(risks)}
    verdict: CheckVerdict = "pass"
    if differ and math.isfinite(estimate.estimate):
        low, high = sorted(estimator.death_bounds(panel, analysis))
        facts |= {"bound_low": low, "bound_high": high}
        sentence += (
            f" The ratio is among person-months alive; had those who died lived on, it would lie between {low:.2f} and {high:.2f}"
            f" (it is {estimate.estimate:.2f})."
        )
        turned = estimate.direction != "unclear" and (low < estimate.null) != (high < estimate.null)
        verdict = "warn" if p < WARN_P or turned else "pass"
    threshold = f"risks more than {POINTS * 100:.0f} points or {percent(SHARE)} apart warn where p is below {WARN_P:g} or the claimed direction turns"
    return CheckResult(
        "deaths", analysis.name, verdict, sentence, statistic=math.nan if few or not other["rate"] else float(treated["rate"]) / float(other["rate"]),
        value_name="ratio of death rates", threshold=threshold, p_value=p, facts=facts,
    )  # fmt: skip


def _coarse(p: float) -> float:
    """p to one figure, on the same side of the bar: from an exact p of few deaths the deaths could be worked out."""
    step = 10.0 ** math.floor(math.log10(p)) if p > 0 else 1.0
    figures = math.floor(p / step) if p < WARN_P else math.ceil(p / step)
    return min(1.0, round(figures * step, 12))


def _which(risks: list[float]) -> str:
    """Which of the two risks is larger, in words: the ratio of two small counts would give them away."""
    if risks[0] == risks[1]:
        return "no more and no fewer"
    return "more" if risks[0] > risks[1] else "fewer"


def rate_test(deaths: int, years: float, other_deaths: int, other_years: float) -> float:
    """Two-sided exact p that two death rates are equal, given all deaths."""
    return float(stats.binomtest(deaths, deaths + other_deaths, years / (years + other_years)).pvalue)
