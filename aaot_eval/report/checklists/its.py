"""Interrupted time series: what a reader needs to judge one."""

from __future__ import annotations

from aaot_eval.report.checklists._rules import (
    Checklist,
    Item,
    Rule,
    author,
    held,
    no_series,
    not_planned,
    unless,
    where,
)


def _of_series(number: int, about: str, rule: Rule) -> Item:
    return Item(str(number), about, unless(no_series, rule))


LIST = Checklist(
    "Interrupted time series",
    "After Lopez Bernal J, Cummins S, Gasparrini A. International Journal of Epidemiology 2017;46:348-355",
    (
        _of_series(1, "Date of the start, and what started", author("say what began on that date and how clear-cut it was", "@starts")),
        _of_series(2, "Why the outcome should change, and how soon", author("say why and how soon", "@primary.outcome")),
        _of_series(3, "Points before and after, and their spacing", held("effect", "series:series.period", "series:series.phase", "@period_kind")),
        _of_series(4, "Shape of the effect (level, slope, lag), fixed beforehand",
                   where(not_planned, author("say which shape was expected, why, and when that was fixed", "series:estimates.estimand", "@plan.sealed"),
                         held("limits", "@plan.sha256", "series:estimates.estimand"))),
        _of_series(5, "Series shown with what was expected", held("effect", "series:series.observed", "series:series.expected")),
        _of_series(6, "Model and its inference", held("effect", "series:estimates.inference", "series:estimates.scale", "series:estimates.n_periods")),
        _of_series(7, "Spread beyond chance (overdispersion)", held("effect", "check:dispersion|method:quasi")),
        _of_series(8, "Autocorrelation", held("effect", "check:autocorrelation|method:AR(|method:Newey")),
        _of_series(9, "Season", held("effect", "method:harmonic|method:seasonal|method:by month")),
        _of_series(10, "Other changes at the same time", author("list what else changed around the start: beds, coding, other services", "check:placebo_date", "check:placebo_outcome", "check:volume")),
        _of_series(11, "A control series", author("say why the control could show what else changed, or why there is none", "check:placebo_outcome")),
        _of_series(12, "The effect with its interval", held("effect", "series:estimates.estimate", "series:estimates.conf_low", "series:estimates.conf_high")),
        _of_series(13, "Other models of the same series", held("effect", "sensitivity")),
    ),
    note="The tutorial has no numbered list; numbers and order are ours.",
)  # fmt: skip
