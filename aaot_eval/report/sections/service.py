"""Who the service is for, who was counted, and which sites."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.report.blocks import Block, Facts, Heading, Paragraph
from aaot_eval.report.contents import Column, Source, named, table
from aaot_eval.report.sections import section
from aaot_eval.report.words import listed, period_name

AAOT = (
    "Alcohol assertive outreach treatment (AAOT) looks for people who come to hospital again and again because of alcohol, "
    "and keeps in touch with them outside it. It is compared with care as usual."
)
COUNTS = (
    "The input is a table of counts by unit and period: it holds no people. Whether anything started on the date given, and what, "
    "is not in the data."
)


@section("service", order=30, title="The service and the people")
def service(source: Source) -> Sequence[Block]:
    """What was evaluated, the caseload, the sites and the flow of inclusion."""
    return [
        Paragraph(COUNTS if source.aggregated else AAOT),
        Facts((("Date given" if source.aggregated else "Starts", _starts(source)), ("Entry rule", source.fact("entry_rule")), ("Primary outcome", source.subject),
               ("What is estimated", source.fact("primary", "estimand")))),
        Heading("The caseload"),
        *_table(source, "caseload", "people on the caseload", "People on the caseload by site",
                [named("unit"), "referred", "linked", "deaths", "person_years"]),
        Heading("The sites"),
        *_table(source, "sites", "the sites", f"Sites before the {'date given' if source.aggregated else 'first start of the service'}",
                ["unit", named("role"), "start", "population", "before_count", "before_rate", Column(("trend_per_year",), "Trend before, a year", kind="log_change")]),
        Heading("From the records to the analysis"),
        *_table(source, "flow", "the flow of inclusion", "What was there, what was left out, and why",
                [named("table"), "step", "kept", "lost", "reason"]),
    ]  # fmt: skip


def _starts(source: Source) -> str:
    starts = source.meta.get("starts") or ()
    by_period: dict[str, list[str]] = {}
    for start in starts:
        by_period.setdefault(str(start.get("period")), []).append(str(start.get("unit")))
    return "; ".join(f"{period_name(p)}: {listed(units)}" for p, units in sorted(by_period.items())) or "not stated"


def _table(source: Source, name: str, what: str, caption: str, columns: Sequence[str | Column]) -> list[Block]:
    frame = source.table(name)
    return [source.missing(name, what)] if frame is None else [table(source, name, frame, columns, caption)]
