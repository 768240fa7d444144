"""Costs: what the service costs, from care as usual to the service, and the saving by the design behind it."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.report.blocks import Block, Heading, Notice, Paragraph
from aaot_eval.report.contents import Source, chart, interval, named, table
from aaot_eval.report.sections import section


@section("costs", order=80, title="Costs")
def costs(source: Source) -> Sequence[Block]:
    """The money sentence, the build-up of the service's cost, the waterfall, the ladder of savings and the prices."""
    blocks: list[Block] = []
    if source.meta.get("money"):
        blocks.append(Paragraph(source.money(source.fact("money", "sentence")), lead=True))
    if source.invented:
        blocks.append(Notice("warning", "Invented prices", "Every sum in this section is made from invented prices."))
    return [
        *blocks,
        Paragraph(
            f"Price year {source.fact('price_year')}, {source.fact('perspective').replace('_', ' ')} perspective. Sums are the value of "
            "resources for each patient-year on the caseload, not cash: a bed that is not used is rarely money in hand."
        ),
        Heading("What the service costs"),
        *_service(source),
        Heading("From care as usual to the service"),
        *_waterfall(source),
        Heading("Saving, by the design behind it"),
        *_saving(source),
        Heading("By group of patients"),
        *_groups(source),
        Heading("Prices used"),
        *_prices(source),
    ]


def _service(source: Source) -> list[Block]:
    frame = source.table("service_cost")
    if frame is None:
        return [source.missing("service_cost", "what the service costs")]
    frame = frame.sort_values("order", kind="stable")
    shown = table(source, "service_cost", frame, ["item", named("kind"), "wte", "annual_cost", "per_patient_year", "price_year", "source"],
                  "Cost lines of the service")  # fmt: skip
    return [chart(source, "service_cost", frame, shown, subtitle="For each patient-year on the caseload.")]


def _waterfall(source: Source) -> list[Block]:
    frame = source.table("cost_waterfall")
    if frame is None:
        return [source.missing("cost_waterfall", "the steps from care as usual to the service")]
    frame = frame.sort_values("order", kind="stable")
    shown = table(source, "cost_waterfall", frame, ["step", named("kind"), "amount", interval("low", "high", "Interval")],
                  "From care as usual to the service, for each patient-year on the caseload")  # fmt: skip
    return [chart(source, "cost_waterfall", frame, shown,
                  subtitle="Value of resources, not cash. ▼ less, ▲ more; whiskers are intervals.")]  # fmt: skip


def _saving(source: Source) -> list[Block]:
    frame = source.table("saving")
    if frame is None:
        return [source.missing("saving", "the saving")]
    frame = frame.sort_values("rung", kind="stable")
    columns = [named("design"), "gross", interval("gross_low", "gross_high", "Interval, averted"), "programme_cost", "saving",
               interval("saving_low", "saving_high", "Interval, net"), "p_saving", named("status"), "label"]  # fmt: skip
    shown = table(source, "saving", frame, columns, "Saving for each patient-year, by the design behind it, most credible first",
                  emphasis="headline")  # fmt: skip
    drawn = table(source, "saving", frame, [named("design"), "saving", interval("saving_low", "saving_high", "Interval")],
                  "Net saving drawn")  # fmt: skip
    return [
        Paragraph(
            "A saving is as credible as the effect behind it. The row in bold is the headline; the others are for comparison."
        ),
        chart(
            source, "saving_ladder", frame, drawn, subtitle="Net of what the service costs; most credible design first."
        ),
        shown,
    ]


def _groups(source: Source) -> list[Block]:
    frame = source.table("patient_groups")
    if frame is None:
        return [source.missing("patient_groups", "costs by group of patients")]
    return [
        table(source, "patient_groups", frame, ["group", "people", "person_years", "expected_cost", "observed_cost"],
              "Expected and observed hospital cost for each person-year, by group",
              note="Groups of at least ten people. A difference for one person is not evidence that the service caused it."),
    ]  # fmt: skip


def _prices(source: Source) -> list[Block]:
    frame = source.table("unit_costs")
    if frame is None:
        return [source.missing("unit_costs", "the prices")]
    return [table(source, "unit_costs", frame, [named("item"), "unit", "value", "std_error", "input_value", "price_year", "source"],
                  f"Prices used, in the prices of {source.fact('price_year')}")]  # fmt: skip
