"""What every comparison by entry rule has: its settings, its people and the rule, given or found."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from aaot_eval.errors import Problem
from aaot_eval.estimators._cohorts import (
    RULE_OUTCOME,
    Flags,
    PersonMonths,
    Rule,
    patient_objections,
    people_and_rule,
    scan_rules,
)
from aaot_eval.results import Analysis, Panel


@dataclass(frozen=True)
class ByEntryRule:
    """The settings that comparisons by entry rule share.

    rule_count, rule_months  the rule; both empty: searched for among the referred
    follow_up                months followed from the index
    rule_outcome             the admissions the rule counts, whatever the outcome is
    """

    rule_count: int | None = None
    rule_months: int | None = None
    follow_up: int = 12
    conf_level: float = 0.95
    rule_outcome: str = RULE_OUTCOME

    def _lacking(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """What the panel lacks for any comparison of people."""
        return patient_objections(panel, analysis, self.rule_outcome, self.rule_count, self.rule_months)

    def _people(self, panel: Panel, analysis: Analysis) -> tuple[PersonMonths, Rule, Flags]:
        """The people, the rule and who meets it when."""
        return people_and_rule(panel, analysis.outcome, self.rule_outcome, self.rule_count, self.rule_months)

    def _scan(self, analysis: Analysis, people: PersonMonths, rule: Rule) -> dict[str, pd.DataFrame]:
        """The table `rule_scan` of the rules looked at, when none was given."""
        if (self.rule_count and self.rule_months) or people.declared is not None:
            return {}
        rows = [
            {"analysis": analysis.name, "months": t.rule.months, "count": t.rule.count, "referred": int(people.referred.sum()),
             "met": round(t.share * int(people.referred.sum())), "share": t.share, "reach": t.reach, "taken": t.rule == rule}
            for t in scan_rules(people)
        ]  # fmt: skip
        return {"rule_scan": pd.DataFrame(rows)}
