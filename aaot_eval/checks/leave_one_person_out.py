"""Does the result hang on one person? Everybody left out in turn. docs/methods/leave_one_person_out.md."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aaot_eval.checks import CHECKS
from aaot_eval.checks._sites import cannot, shown
from aaot_eval.estimators import Estimator
from aaot_eval.estimators.trial import Trial, allocated_people
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel

NAME = "leave_one_person_out"
MUCH = 0.25
"""A single person who carries more than this share of a claimed effect is worth a warning."""
SAME = 1e-6

Floats = NDArray[np.float64]


@CHECKS.register(NAME)
class LeaveOnePersonOut:
    """The estimate without each person in turn. Only its range is told, never who."""

    designs: ClassVar[tuple[Design, ...]] = ("entry_rule", "trial")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """Fails when a claimed direction turns round without one person, warns when over a quarter of it goes."""
        if estimate.null != 1.0 or not (math.isfinite(estimate.estimate) and estimate.estimate > 0):
            return cannot(NAME, analysis, "there is no ratio to compare with")
        if isinstance(estimator, Trial):
            whole, without = of_trial(estimator, panel, analysis)
        elif estimate.windows is not None and {"launch", "service", "after"} <= set(estimate.windows.columns):
            whole, without = of_cohorts(estimate.windows)
        else:
            return cannot(NAME, analysis, "the estimate does not say whom it is made from")
        if not abs(whole - math.log(estimate.estimate)) < SAME:
            return cannot(NAME, analysis, "the estimate is made from more than the people it names")
        without = without[np.isfinite(without)]
        low, high = float(np.exp(without.min())), float(np.exp(without.max()))
        verdict, meaning = _judge(whole, without, claims=estimate.direction != "unclear")
        return CheckResult(
            NAME, analysis.name, verdict,
            f"Leaving out one person at a time moves the ratio of {shown(estimate.estimate, ratio=True)} to between "
            f"{shown(low, ratio=True)} and {shown(high, ratio=True)}; {meaning}.",
            statistic=float(np.exp(without[np.abs(without - whole).argmax()])), value_name="estimate furthest from the whole",
            threshold=f"fails when a claimed direction turns round, warns when over {MUCH:.0%} of it goes",
            facts={"low": low, "high": high, "people": len(without)},
        )  # fmt: skip


def of_trial(estimator: Trial, panel: Panel, analysis: Analysis) -> tuple[float, Floats]:
    """(log ratio, log ratio without each person) of the arms of a trial."""
    data = allocated_people(panel, analysis.outcome, estimator.follow_up, estimator.first_month)
    y, n = ([(w * data.arm(a)).sum() for a in (0, 1)] for w in (data.events, data.months))
    arms = [data.arm(a).astype(float) for a in (0, 1)]
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = [(y[a] - data.events * arms[a]) / (n[a] - data.months * arms[a]) for a in (0, 1)]
        return math.log((y[1] / n[1]) / (y[0] / n[0])), np.asarray(np.log(rates[1] / rates[0]))


def of_cohorts(windows: pd.DataFrame) -> tuple[float, Floats]:
    """(log of observed over expected, the same without each person) from the windows of an entry-rule comparison.

    Expected: a hospital's person-months after launch at its own rate before, times the change of the comparison hospitals over
    the same launch. A person's parts in several launches and eras go together.
    """
    served = windows["service"].astype(bool).to_numpy()
    hospital = pd.factorize(windows["unit"].astype(str).where(served, "") + "@" + windows["launch"].astype(str))
    cells, names = hospital[0] * 2 + windows["after"].astype(int).to_numpy(), list(hospital[1])
    person = pd.factorize(windows["person"])[0]
    size = (int(person.max()) + 1, 2 * len(names))
    own: list[Floats] = []
    for column in ("total", "months"):
        part = np.zeros(size)
        np.add.at(part, (person, cells), windows[column].to_numpy(dtype=float))
        own.append(part)
    totals = [part.sum(axis=0, keepdims=True) for part in own]

    def log_ratio(y: Floats, n: Floats) -> Floats:
        observed, expected = np.zeros(len(y)), np.zeros(len(y))
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = y / n
            for k, name in enumerate(names):
                if name.startswith("@"):
                    continue
                c = names.index("@" + name.split("@", 1)[1])
                observed += y[:, 2 * k + 1]
                expected += n[:, 2 * k + 1] * rate[:, 2 * k] * rate[:, 2 * c + 1] / rate[:, 2 * c]
            return np.asarray(np.log(observed / expected))

    return float(log_ratio(*totals)[0]), log_ratio(totals[0] - own[0], totals[1] - own[1])


def _judge(whole: float, without: Floats, *, claims: bool) -> tuple[CheckVerdict, str]:
    kept = without * np.sign(whole)
    if not claims:
        return "pass", "the result claims no direction, with or without anybody"
    if (kept <= 0).any():
        return "fail", "without one person the direction turns round"
    if (kept < (1 - MUCH) * abs(whole)).any():
        return "warn", f"one person carries more than {MUCH:.0%} of the effect"
    return "pass", f"nobody carries more than {MUCH:.0%} of the effect"
