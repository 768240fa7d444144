"""A comparison of people by entry rule under the choices that could have been made beforehand. docs/methods/specification_curve.md."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from aaot_eval.checks._choices import FOLLOW_UPS, counted_otherwise, in_order, row, touches_pandemic, without_pandemic
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.results import Analysis, Panel

ByRule = EntryRule | OwnCohorts


@dataclass(frozen=True)
class Variant:
    """One way to ask: the estimator with its rule and follow-up, the outcome, and whether pandemic months count."""

    estimator: ByRule
    outcome: str
    pandemic: bool = True

    def effect(self, panel: Panel, analysis: Analysis) -> tuple[float, float, str] | None:
        """(log ratio, p, the rule in words), None where this variant has none."""
        panel = panel if self.pandemic else without_pandemic(panel)
        asked = replace(analysis, outcome=self.outcome)
        if self.estimator.objections(panel, asked):
            return None
        found = self.estimator.effect(panel, asked)
        return None if found is None else (found[0], found[1], str(found[2]))


def variants(estimator: ByRule, panel: Panel, analysis: Analysis) -> list[Variant]:
    """The declared one first: one admission fewer or more in the rule by each follow-up, then outcomes counted in other ways and the pandemic.

    A rule of several conditions is not varied. The list depends on the config, the calendar and names, never on a count, save for a rule
    that was itself searched for among the referred.
    """
    counts: list[int | None] = [estimator.rule_count]
    if estimator.rule_count and "cohort_rule" not in panel.extra:
        counts += [k for k in (estimator.rule_count - 1, estimator.rule_count + 1) if k >= 1]
    found = [
        Variant(replace(estimator, rule_count=k, follow_up=f), analysis.outcome)
        for k in counts
        for f in dict.fromkeys((estimator.follow_up, *FOLLOW_UPS))
    ]
    found += [Variant(estimator, o) for o in counted_otherwise(panel, analysis, people=True)]
    if touches_pandemic(panel):
        found.append(Variant(estimator, analysis.outcome, pandemic=False))
    return found


def variants_table(estimator: ByRule, panel: Panel, analysis: Analysis) -> pd.DataFrame:
    """One row a variant that has an effect, the lowest first, as the release table `specification_curve`."""
    rows = []
    for number, variant in enumerate(variants(estimator, panel, analysis)):
        found = variant.effect(panel, analysis)
        if found is not None:
            rows.append(row(found[2], found[:2], outcome=variant.outcome, after=str(variant.estimator.follow_up), pandemic=variant.pandemic,
                            declared=number == 0))  # fmt: skip
    return in_order(rows)
