"""Is the effect the same for all, or carried by one group of people? docs/methods/subgroups.md."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from aaot_eval.checks import CHECKS, WARN_P
from aaot_eval.checks._sites import cannot
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._cohorts import Flags
from aaot_eval.estimators._subgroups import GROUPS, Split, split, subgroup_table
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.estimators.own_cohorts import OwnCohorts
from aaot_eval.results import Analysis, CheckResult, Design, Estimate, Panel
from aaot_eval.wording import p_text

NAME = "subgroups"


@CHECKS.register(NAME)
class Subgroups:
    """The effect by severe mental illness, drug use, self-harm, sex and deprivation, each group against the other.

    Several groups are looked at, so one of them differs by chance more often than one test would: Holm's p counts them all.
    """

    designs: ClassVar[tuple[Design, ...]] = ("entry_rule", "own_cohorts")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """Warns when the effect differs between two groups at Holm's p below 0.05."""
        if not isinstance(estimator, (EntryRule, OwnCohorts)) or panel.people is None:
            return cannot(NAME, analysis, "it belongs to the comparisons by entry rule")
        splits = self.splits(estimator, panel, analysis)
        if not splits:
            return cannot(NAME, analysis, "no groups of people are known")
        table = subgroup_table(analysis.name, splits, estimator.conf_level)
        tested = [s for s in splits if math.isfinite(s.p_value)]
        if not tested:
            found = cannot(
                NAME,
                analysis,
                f"no division has two groups large enough ({splits[0].levels[0].refused or splits[0].levels[1].refused})",
            )
            return CheckResult(NAME, analysis.name, found.verdict, found.sentence, table=table, facts={"table": NAME})
        smallest = min(tested, key=lambda s: s.p_value)
        p_holm = float(np.nanmin(table["p_holm"].to_numpy(dtype=float)))
        differs = p_holm < WARN_P
        meaning = (
            f"the effect is not the same by {smallest.title} (one mean effect hides that)"
            if differs
            else "no sign that the effect differs between groups, which with few people in a group says little"
        )
        return CheckResult(
            NAME, analysis.name, "warn" if differs else "pass",
            f"Of {len(tested)} divisions of the people, the effect differs most by {smallest.title}: ratio of the two effects "
            f"{math.exp(smallest.log_ratio):.2f}, {p_text(smallest.p_value)}, and {p_text(p_holm)} once all {len(tested)} are counted (Holm): {meaning}.",
            statistic=math.exp(smallest.log_ratio), value_name=f"ratio of the effects by {smallest.title}",
            threshold=f"Holm p below {WARN_P:g} warns", p_value=p_holm, table=table, facts={"table": NAME, "tested": len(tested)},
        )  # fmt: skip

    def splits(self, estimator: EntryRule | OwnCohorts, panel: Panel, analysis: Analysis) -> list[Split]:
        """Every division that the people of the panel allow."""
        divisions = _divisions(panel)
        if isinstance(estimator, OwnCohorts):
            return estimator.splits(panel, analysis, divisions)
        c = estimator.comparison(panel, analysis)
        assert panel.people is not None  # noqa: S101
        here = panel.people["unit"].isin(list(c.people.names)).to_numpy()
        return [split(c, title, names, (one[here], two[here])) for title, names, (one, two) in divisions]


def _divisions(panel: Panel) -> list[tuple[str, tuple[str, str], tuple[Flags, Flags]]]:
    """Name, groups and who is in them, of every division with somebody on both sides."""
    assert panel.people is not None  # noqa: S101
    found = []
    for column, (title, levels) in GROUPS.items():
        if column not in panel.people:
            continue
        one, two = (panel.people[column].isin(list(values)).to_numpy(dtype=bool) for _, values in levels)
        if one.any() and two.any():
            found.append((title, (levels[0][0], levels[1][0]), (one, two)))
    return found
