"""Risk of bias as Cochrane Effective Practice and Organisation of Care asks for it: seven questions of a series, nine of a comparison."""

from __future__ import annotations

from aaot_eval.report.checklists._rules import (
    Checklist,
    Item,
    Rule,
    author,
    held,
    no_comparison,
    no_people,
    no_series,
    no_trial,
    not_planned,
    unless,
    where,
)

OBJECTIVE = "say who coded the records, and whether they knew who had the service"
REPORTED = "say which outcomes were planned and that all of them are reported"
COMPLETE: Rule = where(
    no_people, author("say what was missing when the counts were made", "data_quality"), held("quality", "completeness", "flow")
)  # fmt: skip
SELECTED: Rule = where(
    not_planned, author(REPORTED, "@plan.sealed", "estimates"), held("limits", "@plan.sha256", "estimates")
)


def _series(number: int, about: str, rule: Rule) -> Item:
    return Item(f"series {number}", about, unless(no_series, rule))


def _comparison(number: int, about: str, rule: Rule) -> Item:
    return Item(f"comparison {number}", about, unless(no_comparison, rule))


LIST = Checklist(
    "EPOC risk of bias",
    "Cochrane Effective Practice and Organisation of Care. Suggested risk of bias criteria for EPOC reviews. EPOC resources for review "
    "authors, 2017",
    (
        _series(1, "Nothing else changed at the same time", author("say what else changed, and judge it", "check:placebo_outcome", "check:placebo_date")),
        _series(2, "Shape of the effect fixed beforehand",
                where(not_planned, author("say when the shape was fixed, and why this one", "@plan.sealed"), held("limits", "@plan.sha256"))),
        _series(3, "Records were kept alike before and after", author("say whether coding or recording changed with the service", "check:volume", "data_quality")),
        _series(4, "Knowing who had the service could not sway the outcome", author(OBJECTIVE)),
        _series(5, "Missing outcomes dealt with", COMPLETE),
        _series(6, "No outcome left out of the report", SELECTED),
        _series(7, "Nothing else, such as season", author("judge season and whatever else applies here", "sensitivity", "checks")),
        _comparison(1, "Allocation by chance: sequence", unless(no_trial, author("say how the sequence was made", "check:allocation"))),
        _comparison(2, "Allocation by chance: concealment", unless(no_trial, author("say how it was kept hidden"))),
        _comparison(3, "Outcomes alike before the start", held("wrong", "check:pre_trend|check:site_exchangeability|check:placebo_launch")),
        _comparison(4, "Characteristics alike before the start", held("effect", "baseline|balance|sites.before_rate")),
        _comparison(5, "Missing outcomes dealt with", COMPLETE),
        _comparison(6, "Knowing who had the service could not sway the outcome", author(OBJECTIVE)),
        _comparison(7, "The comparison did not get the service too", author("say whether people or staff of the comparison had any of it", "check:moved_care", "check:displacement")),
        _comparison(8, "No outcome left out of the report", SELECTED),
        _comparison(9, "Nothing else", author("judge whatever else applies here", "checks", "limits")),
    ),
    note="Answered means that the run holds what a judgement rests on. High, low or unclear risk is for people to judge.",
)  # fmt: skip
