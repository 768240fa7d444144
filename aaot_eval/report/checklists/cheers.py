"""CHEERS 2022: what health economic evaluations report."""

from __future__ import annotations

from aaot_eval.report.checklists._rules import (
    Checklist,
    Item,
    Rule,
    author,
    held,
    no_costs,
    no_outcome_valued,
    not_planned,
    unless,
    where,
)
from aaot_eval.report.contents import Source


def _no_model(_: Source) -> str:
    return "No decision model: costs and effects are those seen in the records, and what a lasting effect would give stands apart"


def _costed(number: int, about: str, rule: Rule) -> Item:
    return Item(str(number), about, unless(no_costs, rule))


LIST = Checklist(
    "CHEERS 2022",
    "Husereau D and others. BMJ 2022;376:e067975",
    (
        _costed(1, "Title", author("say that it is an economic evaluation, and what is compared", "@title")),
        _costed(2, "Abstract", author("write it, structured", "headline")),
        _costed(3, "Background and objectives", author("write why it matters to those who decide")),
        _costed(4, "Analysis plan",
                where(not_planned, author("say whether there was a plan and where it is", "@plan.sealed"), held("limits", "@plan.sha256"))),
        _costed(5, "Study population", author("describe the people: age, sex, need", "caseload", "balance|baseline", "patient_groups")),
        _costed(6, "Setting and location", author("describe what about the place bears on the result", "sites")),
        _costed(7, "Comparators", author("describe the service and usual care, and why these", "cost_waterfall", "fidelity")),
        _costed(8, "Perspective", author("say why this perspective", "@perspective")),
        _costed(9, "Time horizon", author("say why this horizon", "@first_period", "@last_period", "persistence.years")),
        _costed(10, "Discount rate", author("say why this rate, or why none", "persistence.discount_rate")),
        _costed(11, "Choice of outcomes", author("say why these outcomes of benefit and harm", "@primary.outcome", "deaths")),
        _costed(12, "Measurement of outcomes", held("effect", "@primary.outcome", "@primary.estimand", "@counting", "estimates.estimate")),
        _costed(13, "Valuation of outcomes",
                unless(no_outcome_valued, author("say whose values, by which instrument and value set", "utilities_answered", "cost_effectiveness"))),
        _costed(14, "Resources and costs, measured and valued", held("costs", "service_cost", "unit_costs.value", "unit_costs.source")),
        _costed(15, "Currency, price year, conversion", held("costs", "@price_year", "unit_costs.price_year", "unit_costs.input_value")),
        _costed(16, "Model", unless(_no_model, author("describe the model"))),
        _costed(17, "Analysis and assumptions", held("costs", "saving.design", "cost_sensitivity|cost_ranges", "limits.text")),
        _costed(18, "Heterogeneity", held("costs", "patient_groups|pooling")),
        _costed(19, "Distribution over groups", author("say who gains and who loses, or that this was not looked at", "subgroups")),
        _costed(20, "Uncertainty", held("costs", "saving.saving_low", "saving.saving_high", "cost_ranges|cost_sensitivity")),
        _costed(21, "Involvement of patients and others: how", author("say whom you involved and how, or that nobody was")),
        _costed(22, "Parameters", held("costs", "unit_costs.value", "service_cost", "cost_ranges")),
        _costed(23, "Main results", held("costs", "saving.saving", "cost_waterfall.amount", "headline.sentence")),
        _costed(24, "Effect of uncertainty", held("costs", "cost_ranges.swing|cost_sensitivity", "break_even|acceptability")),
        _costed(25, "Involvement of patients and others: what it changed", author("say what it changed")),
        _costed(26, "Findings, limits, generalisability", author("discuss them beside what is known", "headline", "limits")),
        _costed(27, "Funding", author("name funders and their part")),
        _costed(28, "Conflicts of interest", author("state them")),
    ),
)  # fmt: skip
