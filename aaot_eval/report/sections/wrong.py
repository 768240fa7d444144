"""Could this be wrong? Every check with its verdict, and the placebo results."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from aaot_eval.report.blocks import Block, Bullets, Folded, Heading, Paragraph
from aaot_eval.report.contents import Column, Source, chart, interval, named, table
from aaot_eval.report.sections import section
from aaot_eval.report.words import CHECK_WORDS, name_of, sentence_case, truth
from aaot_eval.wording import in_sentence

MEASURED = Column(("value_name", "statistic"), "Measured", joint=": ")
ORDER = ("fail", "warn", "not_evaluable", "pass")
MOST_ROWS = 60


@section("wrong", order=70, title="Could this be wrong?")
def wrong(source: Source) -> Sequence[Block]:
    """The reasons behind the word, the checks (failures first) and the placebo strip."""
    reasons = [str(r) for r in (source.meta.get("verdict") or {}).get("reasons") or () if r]
    blocks: list[Block] = []
    if reasons:
        blocks += [
            Paragraph("What stands behind the word on the first page:"),
            Bullets(tuple(map(sentence_case, reasons))),
        ]
    return [
        *blocks,
        Heading("Checks"),
        *_checks(source),
        *_tables(source),
        Heading("Placebo results"),
        *_placebo(source),
        *_specifications(source),
    ]


def _tables(source: Source) -> list[Block]:
    """The tables behind checks of comparisons of people, where they were made."""
    ratio: list[str | Column] = ["estimate", interval("conf_low", "conf_high"), "p_value"]
    blocks: list[Block] = []
    frame = source.table("displacement")
    if frame is not None:
        blocks.append(table(source, "displacement", frame, [named("analysis", once=True), "what", *ratio],
                            "The same comparison on care that may have taken the place of admissions"))  # fmt: skip
    frame = source.table("first_contact")
    if frame is not None:
        blocks.append(table(source, "first_contact", frame, ["clock", "people", "wait", *ratio],
                            "The effect on the referred, followed from the referral and from the first contact"))  # fmt: skip
    return blocks


CHOICES = (
    "All of them were fixed before looking: none depends on a count. They rest on the same data, so that many which agree are no more "
    "proof than one; what they can show is a claim that hangs on one choice."
)


def _specifications(source: Source) -> list[Block]:
    """The primary estimate under every choice that could have been made beforehand."""
    frame = source.table("specification_curve")
    frame = None if frame is None else source.of_primary(frame)
    if frame is None or frame.empty:
        return []
    columns: list[str | Column] = [
        named("outcome", once=True), "method", "phase_in", "before", "after", "pandemic", "estimate", "p_value", "declared",
    ]  # fmt: skip
    shown = table(source, "specification_curve", frame, columns, "The primary estimate under every variant", note=CHOICES, most=MOST_ROWS,
                  emphasis="declared")  # fmt: skip
    return [
        Heading("Other choices, fixed beforehand"),
        chart(
            source,
            "specification_curve",
            frame,
            shown,
            subtitle="One mark a variant, the lowest first; filled: p at most 0.05.",
        ),
    ]


def _checks(source: Source) -> list[Block]:
    frame = source.table("checks")
    if frame is None:
        return [source.missing("checks", "the checks")]
    own = source.of_primary(frame)
    blocks: list[Block] = [*_judged(source, own, "What was done to find out whether the primary result could be wrong")]
    for analysis, rows in frame.drop(index=own.index).groupby("analysis", sort=False):
        name = source.analysis_name(analysis)
        blocks += _judged(source, rows, f"The same for a result beside the primary one ({name})")
    return blocks


def _judged(source: Source, frame: pd.DataFrame, caption: str) -> list[Block]:
    """What did not pass, failures first, in sight; what passed under a fold."""
    rank = frame["verdict"].map({v: i for i, v in enumerate(ORDER)})
    ordered = frame.assign(result=[_verdict(check, verdict, text) for check, verdict, text in
                                   zip(frame["check"], frame["verdict"], frame["sentence"], strict=True)])  # fmt: skip
    ordered = ordered.loc[rank.sort_values(kind="stable").index]
    columns: list[str | Column] = ["result", named("check"), "sentence", MEASURED, "p_value", "threshold"]
    passed = ordered["verdict"] == "pass"
    blocks: list[Block] = []
    if (~passed).any():
        blocks.append(table(source, "checks", ordered[~passed], columns, f"{caption}, failures first"))
    if passed.any():
        shown = table(source, "checks", ordered[passed], columns, f"{caption}: passed")
        blocks.append(Folded(f"Show what passed ({passed.sum()}): {in_sentence(caption)}", shown))
    return blocks


def _verdict(check: str, verdict: str, sentence: str) -> str:
    """The sign and word of a check. A dip that the design does not rest on is there, and is no passed test of its absence."""
    sign, word = CHECK_WORDS.get(verdict, ("", str(verdict)))
    if check == "dip" and verdict == "pass" and "does not rest on one" in str(sentence):
        word = "Dip; selection removed by design"
    return f"{sign}\u00a0{word}"


def _placebo(source: Source) -> list[Block]:
    frame = source.table("placebo")
    if frame is None:
        return [source.missing("placebo", "placebo results")]
    blocks: list[Block] = []
    for (analysis, kind), rows in source.of_primary(frame).groupby(["analysis", "kind"], sort=False, dropna=False):
        ordered = pd.concat([rows[truth(rows["real"])], rows[~truth(rows["real"])]])
        shown = table(source, "placebo", ordered, ["label", "ratio", "statistic", "p_value", "real"],
                      f"Placebo {name_of(kind)}: {source.analysis_name(analysis)}", most=MOST_ROWS, emphasis="real")  # fmt: skip
        blocks.append(chart(source, "placebo_strip", rows, shown, part=f"{analysis}_{kind}",
                            subtitle=f"{sentence_case(source.analysis_name(analysis))}: the same estimate where nothing started."))  # fmt: skip
    return blocks
