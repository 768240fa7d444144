"""Costs: what the service costs, from care as usual to the service, and the saving by the design behind it."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.report.blocks import Block, Folded, Heading, Notice, Paragraph, Table
from aaot_eval.report.contents import Column, Source, chart, interval, named, table
from aaot_eval.report.sections import section
from aaot_eval.report.sections._deciding import (
    budget_blocks,
    check_blocks,
    item_blocks,
    persistence_blocks,
    price_blocks,
    solve_blocks,
)
from aaot_eval.report.sections._value import value_blocks
from aaot_eval.report.words import INVENTED, is_missing, truth, written
from aaot_eval.wording import in_sentence

TABLES = (
    "service_cost",
    "cost_waterfall",
    "saving",
    "benefit_lines",
    "break_even",
    "cost_ranges",
    "service_check",
    "cost_items",
    "budget_impact",
    "persistence",
    "solve_for",
    "cost_sensitivity",
    "patient_groups",
    "unit_costs",
)


@section("costs", order=80, title="Costs")
def costs(source: Source) -> Sequence[Block]:
    """The money sentence, the ladder of savings, what decision makers ask, and then the detail behind them, folded."""
    if all(source.table(name) is None for name in TABLES):
        why = _why_none(source)
        return [
            Notice(
                "missing", "Not shown: costs, savings and prices", f"{why} (Table service_cost.)", table="service_cost"
            )
        ]
    blocks: list[Block] = []
    if source.meta.get("money"):
        blocks.append(Paragraph("The answer in money stands on the first page; here is what is behind it.", lead=True))
    if source.invented:
        blocks.append(Notice("warning", "Invented prices", "Every sum in this section is made from invented prices."))
    return [
        *blocks,
        Paragraph(
            f"Price year {source.fact('price_year')}, {source.fact('perspective').replace('_', ' ')} perspective. Sums are the value of "
            "resources for each patient-year on the caseload, not cash: a bed that is not used is rarely money in hand."
        ),
        Heading("Saving, by the design behind it"),
        *_saving(source),
        Heading("From care as usual to the service"),
        *_waterfall(source),
        Heading("Cash, capacity, value: three lines, never added"),
        *_lines(source),
        Heading("Break-even"),
        *_break_even(source),
        Heading("What moves the result most"),
        *_ranges(source),
        Heading("Budget impact"),
        *budget_blocks(source),
        Heading("If the effect lasted"),
        *persistence_blocks(source),
        *value_blocks(source),
        Heading("What a published saving would need"),
        *_folded(solve_blocks(source)),
        Heading("What the service costs"),
        *_service(source),
        *_folded(check_blocks(source)),
        Heading("What care on the caseload costs"),
        *item_blocks(source),
        Heading("Worked out in other ways"),
        *_folded(_sensitivity(source)),
        Heading("By group of patients"),
        *_folded(_groups(source)),
        Heading("Prices used"),
        *_folded(price_blocks(source)),
    ]


def _folded(blocks: Sequence[Block]) -> list[Block]:
    """The blocks with their tables closed: detail behind the answer, a click away and whole in print."""
    return [
        Folded(f"Show the table: {in_sentence(block.caption.removesuffix(f' {INVENTED}'))}", block)
        if isinstance(block, Table)
        else block
        for block in blocks
    ]


def _why_none(source: Source) -> str:
    """Why there are no costs, in the words of the first page where it says so."""
    headline = source.rows("headline", question="What does it cost or save?")
    said = "" if headline is None else str(headline["sentence"].iloc[0])
    return said if said.startswith("No costs") else source.why_missing("service_cost")


def _service(source: Source) -> list[Block]:
    frame = source.in_order("service_cost")
    if frame is None:
        return [source.missing("service_cost", "what the service costs")]
    shown = table(source, "service_cost", frame, ["item", named("kind"), "wte", "annual_cost", "per_patient_year", "price_year", "source"],
                  "Cost lines of the service")  # fmt: skip
    return [
        chart(
            source,
            "service_cost",
            frame,
            shown,
            subtitle="For each patient-year at the planned occupancy, which every net sum takes.",
        )
    ]


def _waterfall(source: Source) -> list[Block]:
    frame = source.in_order("cost_waterfall")
    if frame is None:
        return [source.missing("cost_waterfall", "the steps from care as usual to the service")]
    shown = table(source, "cost_waterfall", frame, ["step", named("kind"), "amount", interval("low", "high")],
                  "From care as usual to the service, for each patient-year on the caseload")  # fmt: skip
    return [chart(source, "cost_waterfall", frame, shown,
                  subtitle="Value of resources, not cash. ▼ less, ▲ more; whiskers are intervals.")]  # fmt: skip


def _saving(source: Source) -> list[Block]:
    frame = source.table("saving")
    if frame is None:
        return [source.missing("saving", "the saving")]
    frame = frame.sort_values("rung", kind="stable")
    columns: list[str | Column] = [named("design"), "gross", interval("gross_low", "gross_high", "Interval, averted"), "programme_cost", "saving",
               interval("saving_low", "saving_high", "Interval, net"), "p_saving", named("status"), "label"]  # fmt: skip
    shown = table(source, "saving", frame, columns, "Saving for each patient-year, by the design behind it, most credible first",
                  emphasis="headline")  # fmt: skip
    return [
        Paragraph(
            "A saving is as credible as the effect behind it. The most credible one that gives a sum is the headline, in bold in the table; the others are for comparison."
        ),
        chart(
            source, "saving_ladder", frame, shown, subtitle="Net of what the service costs; most credible design first."
        ),
    ]


def _lines(source: Source) -> list[Block]:
    frame = source.in_order("benefit_lines")
    if frame is None:
        return [source.missing("benefit_lines", "cash, capacity and value")]
    return [table(source, "benefit_lines", frame, ["line", "amount", interval("low", "high"), "unit", "note"],
                  "Three kinds of benefit for each patient-year on the caseload",
                  note=f"They are three views of the same beds and must not be added.{_put_in(source)}")]  # fmt: skip


def _put_in(source: Source) -> str:
    """Why cash stands under Budget impact though it is not estimated here; empty where nothing stands there."""
    budget = source.table("budget_impact")
    if budget is None or budget["cash_released"].isna().all():
        return ""
    return " What a payer no longer spends under “Budget impact” is no estimate of cash: it follows from a share that was entered."


def _break_even(source: Source) -> list[Block]:
    frame = source.in_order("break_even")
    if frame is None:
        return [source.missing("break_even", "where the service pays for itself")]
    shown = table(source, "break_even", frame, ["quantity", "unit", "now", interval("now_low", "now_high", "Interval, in this evaluation"), "break_even",
                   interval("low", "high", "Interval, break-even"), named("status")],
                  "Where the service neither saves nor costs: each quantity with the others held",
                  note="An end of the break-even point that cannot be reached is empty; what is put in has no interval of its own here.")  # fmt: skip
    return [
        chart(
            source,
            "break_even",
            frame,
            shown,
            subtitle="The dashed line is break-even, the band its interval; the bar is the interval of the estimate. Where the fall is at the low "
            "end of the bar, care as usual cost less and break-even lies towards the high end of the band: whether the service pays for itself is "
            "told by the interval of the net saving above, not by how bar and band lie.",
        )
    ]


def _ranges(source: Source) -> list[Block]:
    frame = source.in_order("cost_ranges")
    if frame is None:
        return [source.missing("cost_ranges", "one-way ranges")]
    shown = table(source, "cost_ranges", frame,
                  ["parameter", "unit", interval("low_input", "high_input", "Range of the input"), "saving_at_low", "saving_at_high", "swing"],
                  "Net saving for each patient-year at both ends of each input's range")  # fmt: skip
    base, said = _base(source)
    if base is not None:
        frame = frame.assign(saving_at_base=base)
    return [
        chart(
            source, "cost_ranges", frame, shown, subtitle=f"One input at a time, the others at their base values.{said}"
        )
    ]


def _base(source: Source) -> tuple[float | None, str]:
    """The net saving with every input at its base value, which is the headline's, and the sentence that says so."""
    saving = source.table("saving")
    rows = None if saving is None else saving[truth(saving["headline"])]
    if rows is None or rows.empty or is_missing(rows["saving"].iloc[0]):
        return None, ""
    base = float(rows["saving"].iloc[0])
    return (
        base,
        f" The dashed line is the base, the headline net saving of {written(base, 'money')}{source.mark}; each bar starts there.",
    )


def _sensitivity(source: Source) -> list[Block]:
    frame = source.in_order("cost_sensitivity")
    if frame is None:
        return [source.missing("cost_sensitivity", "other ways to average and to model the cost of people")]
    shown = table(source, "cost_sensitivity", frame, ["part", "method", "unit", "estimate", interval("low", "high"), "people", named("status"), "note"],
                  "The same money by other methods",
                  note="Beside the headline, never in its place: a result that one of these turns round is a reason for doubt.")  # fmt: skip
    return [
        Paragraph(
            "Cost per patient with follow-up that ends early weighted in, and averted hospital cost by models of each person's cost."
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
