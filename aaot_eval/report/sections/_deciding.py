"""What decision makers ask beside the saving: whose budget, for how long, what a published figure would need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from aaot_eval.report.blocks import Block, Folded, Notice, Paragraph, Ref
from aaot_eval.report.contents import Column, Source, cell, chart, interval, named, table
from aaot_eval.report.words import listed, name_of, number, numbers, sentence_case, written

#: The scenario that assumes least comes first and is drawn.
FIRST = "ends"
#: So many prices are shown; an HRG table has thousands.
MOST_PRICES = 40
ITEMS = (
    "Observed, not caused. Before rounding the lines add up to the row “All care”: everybody referred, over all their time on the "
    "caseload. The waterfall takes the observed cost of the people and months of the comparison behind the headline saving, so that "
    "the two need not agree. Planned care counts as a cost. A line hidden because it is of few people takes another with it, so that it "
    "cannot be worked out from the total."
)


def budget_blocks(source: Source) -> list[Block]:
    """Budget impact by year and payer: the chart and table without lasting effect, the other assumptions folded."""
    frame = source.table("budget_impact")
    if frame is None:
        return [source.missing("budget_impact", "whose budget changes")]
    cash: list[str | Column] = ["year", named("payer"), "service_cost", "cash_released", "income_lost", "net_cost",
                                interval("net_low", "net_high", "Interval, net cost"), "status"]  # fmt: skip
    value: list[str | Column] = ["year", named("payer"), "service_cost", "cash_released", "bed_days_released", "value_of_resources",
                                 interval("value_low", "value_high", "Interval, value")]  # fmt: skip
    blocks: list[Block] = [
        Paragraph(
            "Undiscounted, for the whole team with its planned caseload. Cash, capacity and value are three columns: they are views of the "
            "same beds and are never added. An empty cell was not entered; no share of the price is assumed. These sums repeat the estimate "
            "behind them with its interval: they claim no more than it does."
        ),
        *_who_pays(source, frame),
        *_assumed(source),
        *_not_entered(frame),
    ]
    for scenario in frame["scenario"].drop_duplicates():
        rows = frame[frame["scenario"] == scenario]
        said = f"assumption: the effect {scenario} after the year on the caseload"
        some = rows[(rows["payer"] == "system") | (numbers(rows["service_cost"]) != 0) | rows["cash_released"].notna()]
        three = table(source, "budget_impact", some, value, f"Cash, capacity and value by year; {said}")
        known = rows[(rows["payer"] != "system") & rows["net_cost"].notna()]
        net = table(
            source, "budget_impact", known, cash, f"Net cost in cash by year and payer, at the shares entered; {said}"
        )
        if scenario == FIRST:
            blocks.append(
                chart(source, "budget_impact", rows, three, subtitle="By year of the service; whiskers are intervals.")
            )
            blocks += [net] if len(known) else []
        else:
            summary = f"Assumption: the effect {scenario} after the year on the caseload"
            blocks.append(Folded(f"{summary}: cash, capacity and value", three))
            blocks += [Folded(f"{summary}: net cost in cash", net)] if len(known) else []
    return blocks


def _who_pays(source: Source, frame: pd.DataFrame) -> list[Block]:
    """Who pays what for the service, why the first year differs, and that the perspective of the prices is another question."""
    paid = frame[(frame["scenario"] == frame["scenario"].iloc[0]) & (frame["payer"] != "system")]
    paid = paid[numbers(paid["service_cost"]) > 0]
    if paid.empty:
        return []
    rows = list(paid.sort_values("year", kind="stable").index)
    first, later = rows[0], rows[-1]
    payer = name_of(paid.at[first, "payer"])
    text: list[str | Ref] = [f"The {payer} pays for the service: ", _sum(source, paid, first), " in the first year"]
    if number(paid.at[first, "service_cost"]) > number(paid.at[later, "service_cost"]):
        text += [", ", _sum(source, paid, later), " in a later one; the difference is setting up, which is paid once"]
    perspective = source.fact("perspective").replace("_", " ")
    text.append(
        f"{source.mark}. The {perspective} perspective named above says which costs are counted in the saving; it does not say who pays."
    )
    return [Paragraph(tuple(text))]


def _sum(source: Source, frame: pd.DataFrame, row: Any) -> str | Ref:
    return cell(source, "budget_impact", frame, row, "service_cost")


def _assumed(source: Source) -> list[Block]:
    """What the tables rest on that nobody estimated: each input of [costs.budget], and whether it was entered or is assumed."""
    budget = source.meta.get("budget")
    if not budget:
        return []
    given, marginal = budget["given"], budget["marginal"]
    shares = {key: _share(budget[key]) for key in ("activity_paid_share", "variable_share")}
    if marginal:
        unused = "not used, because the prices are marginal"
        shares = {"activity_paid_share": unused, "variable_share": "100 %, because the prices are marginal"}
    how = {key: "entered" if key in given else "assumed, nothing was entered" for key in ("funder", "fill")}
    return [
        Paragraph(
            "These sums rest on what is put in under [costs.budget], which is no finding. "
            f"Who pays for the service (funder): the {name_of(budget['funder'])} ({how['funder']}). "
            f"Share of the planned caseload (fill): {_fill(budget['fill'])} ({how['fill']}). "
            f"Share of the price that the commissioner no longer pays (activity_paid_share): {shares['activity_paid_share']}. "
            f"Share of hospital cost that the provider no longer spends (variable_share): {shares['variable_share']}."
        )
    ]


def _share(value: Any) -> str:
    return "not entered" if value is None else f"{_percent(value)} (entered)"


def _percent(share: float) -> str:
    return written(share, "entered_percent")


def _fill(fill: Sequence[float]) -> str:
    """The share of each year; years at the end that are alike are said once."""
    last = next(k for k in range(len(fill)) if len(set(fill[k:])) == 1)
    if last == 0:
        return f"{_percent(fill[0])} in every year"
    years = [f"{_percent(share)} in year {k}" for k, share in enumerate(fill[:last], start=1)]
    then = f"from year {last + 1} on" if last + 1 < len(fill) else f"in year {last + 1}"
    return listed([*years, f"{_percent(fill[last])} {then}"])


def _not_entered(frame: pd.DataFrame) -> list[Block]:
    """What was not entered, once for each payer instead of in every year and under every assumption."""
    bare = frame[(frame["payer"] != "system") & frame["net_cost"].isna()]
    said = bare.drop_duplicates(["payer", "status"])
    if said.empty:
        return []
    parts = [f"{name_of(p)}: {s}" for p, s in zip(said["payer"], said["status"], strict=True)]
    whose = listed([f"the {name_of(p)}" for p in said["payer"].drop_duplicates()])
    return [Notice("missing", f"Not shown: net cost in cash of {whose}", f"{sentence_case('; '.join(parts))}.")]


def persistence_blocks(source: Source) -> list[Block]:
    """What the saving would be if the effect lasted: assumptions, not findings."""
    frame = source.table("persistence")
    if frame is None:
        return [source.missing("persistence", "how long an effect would have to last")]
    return [
        table(source, "persistence", frame, [named("scenario"), "years", "undiscounted", "discounted", interval("low", "high"), "discount_rate", "assumption"],
              "Net saving for a person on the caseload for one year, if the effect lasted",
              note="Scenarios, not findings: nothing in the data shows the later years, and where the answer above is that it cannot tell, these rows cannot "
              "either. Deaths and moves in later years are not taken off.")
    ]  # fmt: skip


def solve_blocks(source: Source) -> list[Block]:
    """Which inputs would give a published saving, and that this is no reproduction."""
    frame = source.table("solve_for")
    if frame is None:
        return [source.missing("solve_for", "what a published saving would need")]
    target = written(frame["target"].iloc[0], "money")
    return [
        Notice(
            "warning",
            f"This is not a reproduction of {target}",
            "The inputs of the published saving are not published. Saving = admissions × fall × price of an admission − service cost: one "
            "equation with four unknowns, so every row below is one of many. The published figure is put in, not found.",
        ),
        table(source, "solve_for", frame, ["fall", "fall_from", "programme_cost", "usual_cost_needed", "unit_cost", "admissions_needed", "note"],
              f"Combinations that would give a saving of {target} for each patient-year"),
    ]  # fmt: skip


def item_blocks(source: Source) -> list[Block]:
    """What the care on the caseload consists of; planned care stands beside the rest."""
    frame = source.table("cost_items")
    if frame is None:
        return [source.missing("cost_items", "what the care on the caseload consists of")]
    return [
        table(source, "cost_items", frame, [named("item"), named("kind"), "people", "quantity", "unit", "cost"],
              "Care of people on the caseload, for each patient-year",
              note=ITEMS),
    ]  # fmt: skip


def check_blocks(source: Source) -> list[Block]:
    """Bottom-up beside top-down."""
    frame = source.table("service_check")
    if frame is None:
        return [source.missing("service_check", "bottom-up beside top-down")]
    return [
        table(
            source,
            "service_check",
            frame,
            ["measure", "stated", "seen", "unit", "note"],
            "Bottom-up and top-down cost of the service",
        )
    ]


def price_blocks(source: Source) -> list[Block]:
    """The prices, and the spells that had none."""
    frame = source.table("unit_costs")
    if frame is None:
        return [source.missing("unit_costs", "the prices")]
    columns: list[str | Column] = [
        named("item"),
        "point_of_delivery",
        "unit",
        "value",
        "std_error",
        "input_value",
        "variable_share",
        "price_year",
        "source",
    ]
    blocks: list[Block] = [
        table(
            source,
            "unit_costs",
            frame,
            columns,
            f"Prices used, in the prices of {source.fact('price_year')}",
            most=MOST_PRICES,
        )
    ]
    bare = source.table("unpriced")
    if bare is not None:
        blocks.append(table(source, "unpriced", bare, ["hrg", named("delivery"), "spells", "share", "treatment"],
                            "Spells without a price, and their share of all spells"))  # fmt: skip
    return blocks
