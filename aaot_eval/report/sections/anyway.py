"""What would have happened without the service: the comparison in plain words, and what selection alone would do."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.report.blocks import Block, Heading, Notice, Paragraph
from aaot_eval.report.contents import Column, Source, chart, interval, named, table
from aaot_eval.report.sections import section
from aaot_eval.report.words import DESIGNS, sentence_case


@section("anyway", order=40, title="What would have happened anyway")
def anyway(source: Source) -> Sequence[Block]:
    """The design and its reason, the regression-to-the-mean gauge, and the picture before the start."""
    design = source.primary.get("design_label") or DESIGNS.get(str(source.primary.get("design")), "not stated")
    return [
        Paragraph(f"What the result is compared with: {design}. Why this design: {source.fact('primary', 'reason')}."),
        *([] if source.aggregated else _chosen(source)),
        Heading("Before the date given" if source.aggregated else "Before the first start"),
        *_before(source),
    ]


def _chosen(source: Source) -> list[Block]:
    return [
        Heading("People are chosen when they are at their worst"),
        Paragraph(
            "Somebody picked for many admissions in one year will on average have fewer in the next, whatever is done. "
            "A raw change from before to after is therefore shown only beside what selection alone would produce; "
            "it is never an effect of the service."
        ),
        *_gauge(source),
        *_scan(source),
    ]


def _scan(source: Source) -> list[Block]:
    """The rules looked at when the study gave none."""
    frame = source.table("rule_scan")
    if frame is None:
        return []
    frame = frame.drop_duplicates([c for c in frame if c != "analysis"])
    return [
        Paragraph(
            "No entry rule was given. It was looked for among the referred: by look-back the largest count that at least 90 % of them "
            "met in the month of referral, then the one of the two that reaches fewest others."
        ),
        table(source, "rule_scan", frame, ["months", "count", "referred", "met", "share", "reach", "taken"],
              "Entry rules looked at", emphasis="taken"),
    ]  # fmt: skip


#: Why the people of the gauge are fewer than those on the caseload.
WHO = (
    "Only people who met the entry rule in the month of their referral, with a year in the data before it and, where there are enough of "
    "them, a year after it: fewer than are on the caseload. What is expected comes from people who met the same rule with no service, or from a model of"
    " their admissions where they are too few."
)


def _gauge(source: Source) -> list[Block]:
    frame = source.in_order("regression_to_mean")
    if frame is None:
        return [source.missing("regression_to_mean", "what selection alone would do")]
    if not {"before", "expected", "observed"} <= set(frame["what"]):
        return [Notice("missing", "Not shown: what selection alone would do",
                       "One of the three rates (before, expected, observed) was not made, so the raw change is not shown either.")]  # fmt: skip
    shown = table(source, "regression_to_mean", frame,
                  ["label", "people", "rate", interval("rate_low", "rate_high")],
                  "Alcohol admissions of the people on the caseload who met the entry rule, for each person a year", note=WHO)  # fmt: skip
    subtitle = "People on the caseload who met the entry rule when they were referred; bars start at zero."
    return [chart(source, "regression_gauge", frame, shown, subtitle=subtitle)]


def _before(source: Source) -> list[Block]:
    frame = source.table("sites")
    if frame is None:
        return [source.missing("sites", "the sites before the first start")]
    shown = table(source, "sites", frame, ["unit", named("role"), "before_rate", Column(("trend_per_year",), "Trend before, a year", kind="log_change")],
                  f"{sentence_case(source.subject)} before the first start, by site")  # fmt: skip
    return [
        Paragraph(
            "Sites with the service should look like the others before it began: in level, in trend and in size."
        ),
        chart(source, "site_levels", frame, shown, subtitle="Each mark is a site."),
    ]
