"""(estimator, panel, estimate) to CheckResult, one file per check; a new file here is found by its name.

A check fails at p < 0.01 and warns at p < 0.05 where it has a p value: several checks stand beside each result, and at 5 %
each they would together cast doubt on a sound result about one time in five.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from aaot_eval.estimators import Estimator
from aaot_eval.registry import Registry
from aaot_eval.results import Analysis, CheckResult, Design, Estimate, Panel

FAIL_P = 0.01
WARN_P = 0.05


class Check(Protocol):
    """One check. `designs` says which designs it applies to."""

    designs: ClassVar[tuple[Design, ...]]

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """What was found; verdict `not_evaluable` with the reason when the panel does not allow it."""
        ...


CHECKS: Registry[type[Check]] = Registry("check", "aaot_eval.checks")
