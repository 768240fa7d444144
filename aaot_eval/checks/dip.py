"""Were people taken on at their peak, and what does that alone do to their admissions?"""

from __future__ import annotations

import math
from typing import ClassVar

import pandas as pd

from aaot_eval.checks import CHECKS
from aaot_eval.checks._caseload import Dip, Prediction, dip, people_of, predict, rule_of
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._cohorts import percent
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel, generator

#: A year before referral this much above the year before it is a peak.
THRESHOLD = 1.20
BY_MODEL = ", by a model of how admissions of people without the service rise and fade, because too few of them were at such a peak"
#: Designs that never compare people after referral with themselves before it.
REMOVES_SELECTION: tuple[Design, ...] = (
    "sites",
    "series",
    "controlled_series",
    "entry_rule",
    "own_cohorts",
    "risk_set",
    "trial",
)


@CHECKS.register("dip")
class DipTest:
    """The year before referral against the year before that, beside the fall that regression to the mean alone predicts.

    A dip rules out before-after comparisons of the referred and estimators that lean on the month before referral. It is no
    failure of a design that does not compare the referred with themselves.
    """

    designs: ClassVar[tuple[Design, ...]] = ("sites", "series", "entry_rule", "own_cohorts", "patients")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The dip ratio with its interval in words, and the table `regression_to_mean`."""
        people = people_of(panel, estimator)
        if isinstance(people, str):
            return CheckResult("dip", analysis.name, "not_evaluable", f"The dip test could not be made: {people}.")
        rule = rule_of(panel, people, estimator)
        found = dip(people, generator(seed, "dip", "referred"))
        fall = predict(people, rule, seed)
        word = "not evaluable, treated as a dip" if isinstance(found, str) else word_of(found)
        sentence = " ".join([_dip_sentence(found, word), _design_sentence(analysis.design, word), _fall_sentence(fall)])
        return CheckResult(
            "dip", analysis.name, _verdict(analysis.design, found, word), sentence,
            statistic=math.nan if isinstance(found, str) else found.ratio,
            value_name="admissions 1-12 months over 13-24 months before referral", threshold=f"above {THRESHOLD:.2f} is a dip",
            table=None if isinstance(fall, str) else regression_table(fall),
            facts={"table": "regression_to_mean", "word": word, "rule": str(rule), **_facts(found, fall)},
        )  # fmt: skip


def word_of(found: Dip) -> str:
    """The word for a dip ratio: what straddles the threshold is treated as a dip."""
    if found.low > THRESHOLD:
        return "dip, certain"
    if found.ratio > THRESHOLD:
        return "dip"
    return "treated as a dip, not certain" if found.high > THRESHOLD else "no dip"


def _verdict(design: Design, found: Dip | str, word: str) -> CheckVerdict:
    if design not in REMOVES_SELECTION:
        return "pass" if word == "no dip" else "fail"
    return "not_evaluable" if isinstance(found, str) else "pass"


def _dip_sentence(found: Dip | str, word: str) -> str:
    if isinstance(found, str):
        return f"The dip test could not be made ({found}); a dip is assumed."
    uncertain = ", which is not certain" if word == "dip" else ""
    controls = (
        ""
        if math.isnan(found.over_controls)
        else f"; {found.over_controls:.2f} after what hospitals without the service did"
    )
    return (
        f"In the year before referral the referred had {found.ratio:.2f} times the admissions of the year before that "
        f"(95 % interval {found.low:.2f} to {found.high:.2f}{controls}): {word}{uncertain}."
    )


def _design_sentence(design: Design, word: str) -> str:
    if word == "no dip":
        return "Selection at a peak does not show."
    if design in REMOVES_SELECTION:
        return ("Any comparison of the referred before and after referral is therefore off; this result does not rest on one, so the dip "
                "is no threat to it.")  # fmt: skip
    return "This result compares the referred with themselves, so it is biased by design."


def _fall_sentence(fall: Prediction | str) -> str:
    if isinstance(fall, str):
        return f"What regression to the mean alone would do could not be told: {fall}."
    if fall.raw_fall <= 0:
        return "Their admissions did not fall after referral."
    return (
        f"Their admissions were {percent(fall.raw_fall)} lower in the year after referral than in the year before; "
        f"{_signed(fall.expected_fall)} was to be expected with no service{BY_MODEL if fall.by_model else ''}."
    )


def _signed(fall: float) -> str:
    return f"a fall of {percent(fall)}" if fall >= 0 else f"a rise of {percent(-fall)}"


def _facts(found: Dip | str, fall: Prediction | str) -> dict[str, float]:
    facts: dict[str, float] = {}
    if not isinstance(found, str):
        facts |= {"dip": found.ratio, "dip_low": found.low, "dip_high": found.high, "dip_over_controls": found.over_controls,
                  "people": found.people}  # fmt: skip
    if not isinstance(fall, str):
        share = fall.expected_fall / fall.raw_fall if fall.raw_fall > 0 else math.nan
        facts |= {"raw_fall": fall.raw_fall, "expected_fall": fall.expected_fall, "share_expected": share}
    return facts


def regression_table(fall: Prediction) -> pd.DataFrame:
    """The three rates as rows of the release table `regression_to_mean`."""
    rows = (
        ("before", "in the 12 months before referral", fall.people, fall.before),
        ("expected", "expected in the 12 months after, with no service", fall.reference, fall.expected),
        ("observed", "observed in the 12 months after referral", fall.people, fall.observed),
    )
    return pd.DataFrame(
        [
            {
                "order": i + 1,
                "what": what,
                "label": label,
                "people": people,
                "rate": rate,
                "rate_low": low,
                "rate_high": high,
            }
            for i, (what, label, people, (rate, low, high)) in enumerate(rows)
        ]
    )
