"""The words of the field, in plain English."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.report.blocks import Block, Facts
from aaot_eval.report.contents import Source
from aaot_eval.report.sections import section

TERMS = (
    (
        "AAOT",
        "Alcohol assertive outreach treatment: a small team that keeps in touch with people who are often in hospital because of alcohol.",
    ),
    ("Admission", "The start of a hospital stay."),
    ("Alcohol-specific", "With a diagnosis that is always due to alcohol, such as alcoholic liver disease."),
    ("Care as usual", "What people get without the outreach service; what it is compared with."),
    ("Caseload", "The people referred to the service."),
    ("Check", "A test of whether the result could have another reason than the service."),
    ("Comparison site", "A hospital without the service in the period studied."),
    (
        "Control chart",
        "Months beside limits made from the months before the start. A month outside them, or in a long run, is a signal: something changed.",
    ),
    ("Entry rule", "The rule by which people are offered the service, such as four admissions in twelve months."),
    ("Expected without the service", "What a model says would have happened had the service not started."),
    ("Foil", "A usual method shown beside the result for contrast, because readers know it; nothing rests on it."),
    (
        "Interval",
        "The range of effects that fit the data. A 95 % interval made in this way holds the true effect in 95 of 100 studies.",
    ),
    (
        "Least reachable p",
        "The smallest p this number of sites can give, however large the effect. If it is above 0.05, no result can be called significant.",
    ),
    ("p", "How often chance alone would give a result at least as far from no effect."),
    ("Patient-year", "One person on the caseload for one year, or two people for half a year each."),
    ("Placebo result", "The same estimate at a date, or for sites, where nothing started. It should find nothing."),
    ("Price year", "The year in whose prices all sums are stated."),
    ("Primary", "The one result declared beforehand as the answer. All others are secondary."),
    (
        "Randomisation inference",
        "The effect is worked out anew for every way the start dates could have fallen; p is the share at least as extreme.",
    ),
    ("Rate ratio", "One rate divided by another: 1 is no difference, 0.80 is 20 % lower, 1.25 is 25 % higher."),
    ("Regression to the mean", "People chosen at an extreme are less extreme afterwards, whatever is done."),
)


@section("glossary", order=120, title="Glossary")
def glossary(source: Source) -> Sequence[Block]:
    """Plain definitions."""
    return [Facts(TERMS)]
