"""Cost against outcome, inside the section on costs: what the money buys, and whether it is the better use of it."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.report.blocks import Block, Folded, Heading, Notice, Paragraph
from aaot_eval.report.contents import Column, Source, chart, interval, table

TABLES = (
    "cost_effectiveness",
    "net_benefit",
    "acceptability",
    "ce_plane",
    "value_of_information",
    "utilities_answered",
    "qaly_assumptions",
)
NO_VALUE = (
    "This outcome has no accepted value in pounds, so no single figure of net benefit is given: the curve shows the answer for "
    "each value that a reader may place on it."
)


def value_blocks(source: Source) -> Sequence[Block]:
    """Cost and outcome, net benefit, plane, curve and value of information; nothing when no outcome was named in the config."""
    if all(source.table(name) is None for name in TABLES):
        return []
    return [
        Heading("Cost against outcome"),
        *_summary(source),
        *_answers(source),
        *_net_benefit(source),
        *_plane(source),
        *_curve(source),
        *_information(source),
    ]


def _summary(source: Source) -> list[Block]:
    frame = source.table("cost_effectiveness")
    if frame is None:
        return [source.missing("cost_effectiveness", "cost and outcome")]
    columns: list[str | Column] = ["unit", "effect", interval("effect_low", "effect_high", "Interval, outcome"), "cost",
               interval("cost_low", "cost_high", "Interval, cost"), "ratio", "words", "status", "label"]  # fmt: skip
    return [
        Paragraph(
            "The outcome gained and the extra cost for each patient-year on the caseload, AAOT less care as usual. A ratio stands "
            "only where it can be read: what is better and cheaper has none."
        ),
        table(source, "cost_effectiveness", frame, columns, "Cost and outcome for each patient-year"),
    ]


def _answers(source: Source) -> list[Block]:
    """Who answered the questions behind the QALYs, and the QALYs under other assumptions about those who did not."""
    answered, assumed = source.table("utilities_answered"), source.table("qaly_assumptions")
    if answered is None or assumed is None:
        return []
    shown = table(
        source,
        "qaly_assumptions",
        assumed.sort_values("order", kind="stable"),
        ["assumption", "threshold", "effect", interval("effect_low", "effect_high"), "net_benefit", "used"],
        "QALYs by what is assumed of missing answers, for each patient-year",
        note="Shifts are assumptions, not estimates: people who do not answer may be worse than those like them who do.",
    )
    return [
        table(
            source,
            "utilities_answered",
            answered.sort_values("order", kind="stable"),
            ["arm", "day", "answered"],
            "Who answered, by arm and day",
        ),
        Folded("Show the table: QALYs by what is assumed of missing answers", shown),
    ]


def _net_benefit(source: Source) -> list[Block]:
    frame = source.in_order("net_benefit")
    if frame is None:
        made = source.table("acceptability") is not None
        text = NO_VALUE if made else "There is no interval of saving and outcome to work it out from."
        return [
            Notice(
                "missing", "Not shown: net benefit at a set value", f"{text} (Table net_benefit.)", table="net_benefit"
            )
        ]
    return [
        table(source, "net_benefit", frame,
              ["threshold", "net_benefit", interval("net_low", "net_high"), "p_aaot", "expected_loss", "evpi", "reading"],
              "Net benefit for each patient-year: worth of the outcome gained plus the saving",
              note="Above zero AAOT is the better use of the money. The reading never says more than the answer on admissions.")
    ]  # fmt: skip


def _plane(source: Source) -> list[Block]:
    frame = source.in_order("ce_plane")
    if frame is None:
        return [source.missing("ce_plane", "the plane of cost and outcome")]
    shown = table(source, "ce_plane", frame[frame["kind"] == "quadrant"], ["name", "share"],
                  "Share of draws in each part of the plane")  # fmt: skip
    summary = source.table("cost_effectiveness")
    across = str(summary["unit"].iloc[0]) if summary is not None else "outcome gained"
    drawn = frame.assign(unit=across)
    return [
        chart(
            source,
            "ce_plane",
            drawn,
            shown,
            subtitle="Outlines hold half and 95 % of the draws; the diamond is the estimate.",
        )
    ]


def _curve(source: Source) -> list[Block]:
    frame = source.in_order("acceptability")
    if frame is None:
        return [source.missing("acceptability", "the acceptability curve")]
    summary, worths = source.table("cost_effectiveness"), source.table("net_benefit")
    unit = str(summary["unit"].iloc[0]) if summary is not None else "unit of outcome"
    marked = [] if worths is None else list(worths["threshold"])
    drawn = frame.assign(unit=unit, marked=[v in marked for v in frame["threshold"]])
    shown = table(source, "acceptability", frame, ["threshold", "p_aaot", "p_usual", "frontier", "evpi"],
                  "Probability that each is the better use of the money, by the worth of one unit of outcome")  # fmt: skip
    return [chart(source, "acceptability", drawn, shown,
                  subtitle="At zero it is the probability of a saving. A probability is no finding: it reads the draws as if nothing else were known.")]  # fmt: skip


def _information(source: Source) -> list[Block]:
    frame = source.in_order("value_of_information")
    if frame is None:
        return [source.missing("value_of_information", "the value of information")]
    return [
        table(source, "value_of_information", frame, ["threshold", "parameter", "evppi", "share_of_evpi"],
              "What certainty would be worth before choosing, for each patient-year",
              note="It bounds what further study of that quantity can be worth, for each patient-year it would inform. A worth of 0 is the decision on cost alone.")
    ]  # fmt: skip
