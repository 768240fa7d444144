"""Did admissions go elsewhere: to the emergency department, or to another hospital? docs/methods/displacement.md."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import pandas as pd

from aaot_eval.checks import CHECKS, FAIL_P, WARN_P
from aaot_eval.checks._sites import cannot, shown
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._cohorts import RULE_OUTCOME
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, OutcomeSpec, Panel

NAME = "displacement"
ATTENDANCES = "ed_attendances"
ELSEWHERE = "alcohol_specific_emergency_elsewhere"
ADMITTED = "emergency"
NOT_ADMITTED = "attendances_not_admitted"
ROWS = {
    ATTENDANCES: "emergency department attendances",
    NOT_ADMITTED: "attendances that did not end in an emergency admission",
    ELSEWHERE: "admissions at another hospital than the home one",
}


@CHECKS.register(NAME)
class Displacement:
    """The same design on attendances, on those of them without an admission, and on admissions at other hospitals than a person's own.

    Admissions that fall while attendances rise, or while the same people are admitted elsewhere, are moved and not avoided. An
    admission that becomes an attendance without one leaves the number of attendances as it was, so those are counted by themselves.
    """

    designs: ClassVar[tuple[Design, ...]] = ("entry_rule", "own_cohorts")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """Fails or warns when the other kind of care rose (p below 0.01, 0.05) while admissions were lower."""
        found: dict[str, Estimate] = {}
        panel = with_attendances_alone(panel)
        for spec in _counted(panel, analysis):
            same = replace(analysis, outcome=spec.name, primary=False)
            other = replace(panel, outcomes=(*(o for o in panel.outcomes if o.name != spec.name), spec))
            if not estimator.objections(other, same):
                row = estimator.fit(other, same, seed=seed)[0]
                if math.isfinite(row.estimate):
                    found[spec.name] = row
        if not found:
            return cannot(
                NAME, analysis, "neither attendances nor admissions elsewhere are in these data in numbers enough"
            )
        verdicts = [_verdict(row, estimate) for row in found.values()]
        worst = max(verdicts, key=("pass", "warn", "fail").index)
        table = pd.DataFrame([{"what": ROWS[name], "estimate": row.estimate, "conf_low": row.conf_low, "conf_high": row.conf_high,
                               "p_value": row.p_value} for name, row in found.items()])  # fmt: skip
        first = next(name for name, verdict in zip(found, verdicts, strict=True) if verdict == worst)
        return CheckResult(
            NAME, analysis.name, worst, _sentence(found, estimate, worst), statistic=found[first].estimate,
            value_name=f"the same estimate for {ROWS[first]}",
            threshold=f"a rise at p below {FAIL_P:g} fails, below {WARN_P:g} warns",
            p_value=found[first].p_value, table=table, facts={"table": NAME, **{f"ratio_{n}": r.estimate for n, r in found.items()}},
        )  # fmt: skip


def with_attendances_alone(panel: Panel) -> Panel:
    """The panel with each person's attendances less emergency admissions in the month, never below none, where it holds both."""
    cells = panel.person_cells
    if cells is None or not {ATTENDANCES, ADMITTED} <= set(cells.columns):
        return panel
    alone = (cells[ATTENDANCES].astype(int) - cells[ADMITTED].astype(int)).clip(lower=0)
    return replace(panel, person_cells=cells.assign(**{NOT_ADMITTED: alone}))


def _counted(panel: Panel, analysis: Analysis) -> list[OutcomeSpec]:
    """What else is counted person by person in these data."""
    assert panel.person_cells is not None  # noqa: S101
    specs = (
        OutcomeSpec(ATTENDANCES, "Emergency department attendances", event="attendances"),
        OutcomeSpec(NOT_ADMITTED, "Attendances without an emergency admission", event="attendances"),
        OutcomeSpec(ELSEWHERE, "Alcohol-specific emergency admissions elsewhere"),
    )
    here = [s for s in specs if s.name in panel.person_cells and panel.person_cells[s.name].any()]
    return [s for s in here if s.name != analysis.outcome and (s.name != ELSEWHERE or analysis.outcome == RULE_OUTCOME)]


def _verdict(row: Estimate, estimate: Estimate) -> CheckVerdict:
    rose = row.estimate > 1 and estimate.estimate < 1 and math.isfinite(row.p_value)
    return "fail" if rose and row.p_value < FAIL_P else "warn" if rose and row.p_value < WARN_P else "pass"


def _sentence(found: dict[str, Estimate], estimate: Estimate, worst: CheckVerdict) -> str:
    parts = []
    for name, row in found.items():
        ends = f" ({shown(row.conf_low, ratio=True)} to {shown(row.conf_high, ratio=True)})" if row.finite else ""
        parts.append(f"{shown(row.estimate, ratio=True)}{ends} for {ROWS[name]}")
    text = f"The same design reads {'; '.join(parts)}"
    if worst == "pass":
        return f"{text}: no sign that care moved instead of going away."
    return f"{text}: part of the change in admissions ({shown(estimate.estimate, ratio=True)}) may have moved there."
