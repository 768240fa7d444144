"""Data quality: every finding of the gates, and the parts of an evaluation this run does not have."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.report.blocks import Block, Bullets, Heading, Notice, Paragraph
from aaot_eval.report.contents import Source, named, table
from aaot_eval.report.sections import section
from aaot_eval.report.words import LEVEL_WORDS, sentence_case

MOST_OF_A_KIND = 3


@section("quality", order=90, title="Data quality")
def quality(source: Source) -> Sequence[Block]:
    """Findings of the gates, stops first; then what was skipped and why."""
    return [
        *findings(source),
        *rejected(source),
        *complete(source),
        *joined(source),
        *_counting(source),
        Heading("Parts not in this run"),
        *_skipped(source),
    ]


#: The rules of counting in words; what the reader has to know before figures are compared with others.
COUNTING_WORDS = {
    "spell_rule": "Episodes to spells: rule",
    "stay_rule": "Spells to stays: rule",
    "positions": "Diagnosis positions looked at",
    "code_list": "Alcohol-specific codes from",
    "date_by": "A stay belongs to the month of its",
    "fractions": "Attributable fractions counted on",
    "readmission_days": "Days after a discharge that make a readmission",
    "days": "Days of a month",
    "nation": "Bank holidays of",
}


def _counting(source: Source) -> list[Block]:
    """By which rules admissions were counted; nothing for a panel that came aggregated."""
    chosen = source.meta.get("counting")
    if not chosen:
        return []
    lines = [
        f"{words}: {str(chosen[key]).replace('_', ' ')}."
        for key, words in COUNTING_WORDS.items()
        if chosen.get(key) is not None
    ]
    return [Heading("How admissions were counted"), Bullets(tuple(lines))]


def rejected(source: Source) -> list[Block]:
    """Lines that could not be read, by file, column and reason; nothing when every line was."""
    frame = source.table("rejected")
    if frame is None:
        return []
    caption = "Lines that could not be read as declared, by file, column, reason and kind of value"
    return [
        table(source, "rejected", frame, ["file", "column", "reason", "value_class", "lines", "rows_lost"], caption)
    ]


def complete(source: Source) -> list[Block]:
    """How complete each column is, all sites and months together; where and when stands in the table's file. Nothing for a panel."""
    frame = source.table("completeness")
    if frame is None:
        return []
    whole = frame[(frame["site"] == "all") & (frame["month"] == "all")]
    note = "By month and by site: tables/completeness.csv." if len(whole) < len(frame) else ""
    caption = "How often each column of the admissions is missing, all sites and months together"
    return [table(source, "completeness", whole, ["column", "records", "missing", "share"], caption, note=note)]


def joined(source: Source) -> list[Block]:
    """How many people of each site's caseload the admissions hold; nothing without a caseload."""
    frame = source.table("caseload_join")
    if frame is None:
        return []
    caption = "People of the caseload among the admissions, by site of the caseload"
    return [table(source, "caseload_join", frame, [named("site"), "people", "found", "found_here"], caption)]


def findings(source: Source) -> list[Block]:
    """The findings of the gates, the gravest first."""
    frame = source.table("data_quality")
    if frame is None:
        return [Notice("note", "No findings", "The table data_quality is empty: no gate found anything to report.")]
    rank = frame["level"].map({level: i for i, level in enumerate(LEVEL_WORDS)})
    ordered = frame.assign(weight=frame["level"].map(lambda v: "\u00a0".join(LEVEL_WORDS.get(v, ("", str(v))))))
    ordered = ordered.loc[rank.sort_values(kind="stable").index].rename(columns={"weight": "Level"})
    few = ordered[ordered.groupby("code").cumcount() < MOST_OF_A_KIND]
    more = len(ordered) - len(few)
    note = f"{more} more of the same kinds are in tables/data_quality.csv." if more else ""
    return [table(source, "data_quality", few, ["Level", "title", "where", "records", "why", "do", "code"],
                  "Findings of the data gates, the gravest first", note=note)]  # fmt: skip


def _skipped(source: Source) -> list[Block]:
    skipped = source.meta.get("skipped")
    if skipped is None:
        return [Paragraph("Which parts were skipped is not stated.")]
    if not skipped:
        return [Paragraph("Every part was run.")]
    return [
        Bullets(
            tuple(
                f"{sentence_case(str(s.get('stage', 'a part')).replace('_', ' '))}: {s.get('why') or 'not stated'}"
                for s in skipped
            )
        )
    ]
