"""Month by month: does the newest month look like those before the service?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aaot_eval.report.blocks import Block, Bullets, Notice, Paragraph
from aaot_eval.report.contents import Column, Source, chart, interval, named, table
from aaot_eval.report.sections import section
from aaot_eval.report.words import listed, period_name, sentence_case
from aaot_eval.wording import SIGNAL_RULES

MOST_ROWS = 120
#: So many of the months that made limits met a rule: chance alone gives one of 24 at most times.
UNSTEADY = 3
WHAT = (
    "A control chart shows whether a month looks like the months before the start. Its limits come from those months and stand still. "
    "A signal says that something changed: what is done, the data, or the place. It does not say which. By chance alone about one year "
    "in four brings a signal, and a season or a trend brings more. What the start changed is estimated under “Effect on admissions”."
)
JUDGED = "Signals are judged on exact counts, each month with the months up to it."
ROUNDED = " Points and limits shown are rounded, so a point may lie on the other side of a limit."
COLUMNS: list[str | Column] = ["period", named("phase"), "observed", "centre", interval("lower", "upper", "Limits"), named("rules"),
                               named("direction")]  # fmt: skip


@section("monthly", order=85, title="Month by month")
def monthly(source: Source) -> Sequence[Block]:
    """The control chart of the hospitals with the service, its newest month in words, and how the limits were made."""
    facts = source.meta.get("monthly") or {}
    rows = source.table("control_chart")
    if rows is None:
        why = sentence_case(str(facts.get("why") or "this run made no control chart"))
        return [
            Notice("missing", "Not shown: the control chart", f"{why}. (Table control_chart.)", table="control_chart")
        ]
    subject = source.outcome_name(facts.get("outcome"))
    judged = JUDGED + (ROUNDED if (source.meta.get("disclosure") or {}).get("round_to", 1) > 1 else "")
    where = "of the units that start, together" if source.aggregated else "at the sites with the service, together"
    caption = f"{sentence_case(subject)} {where}, with control limits"
    shown = table(source, "control_chart", rows, COLUMNS, caption, note=judged, most=MOST_ROWS)
    subtitle = f"{sentence_case(subject)} {where}, by month. {judged}"
    return [
        *([Paragraph(newest_words(facts["newest"]), lead=True)] if facts.get("newest") else []),
        chart(source, "control_chart", rows, shown, subtitle=subtitle, context=source.context(subject)),
        Paragraph(WHAT),
        Bullets(tuple(limits_words(limits) for limits in facts.get("limits", ()))),
        *(
            Notice("note", f"No new limits from {period_name(w['period'])}", f"{sentence_case(w['why'])}.")
            for w in facts.get("waiting", ())
        ),
    ]


def newest_words(newest: Mapping[str, Any]) -> str:
    """The newest month in a sentence."""
    month = period_name(str(newest["period"]))
    gap = _not_judged([period_name(p) for p in newest.get("not_judged", ())])
    if not newest["rules"]:
        return f"{month} on the control chart: no signal. The month looks like those that made its limits.{gap}"
    said = listed([SIGNAL_RULES[rule] for rule in newest["rules"]])
    since = "" if newest["new"] else ", as the month before"
    return f"{month} on the control chart: a signal of a {newest['direction']} count ({said}){since}.{gap}"


def _not_judged(months: Sequence[str]) -> str:
    if not months:
        return ""
    which = f"{months[0]} is" if months[0] == months[-1] else f"{months[0]} to {months[-1]} are"
    return f" {which} not judged: the count of a hospital is missing, or the month is left out."


def limits_words(limits: Mapping[str, Any]) -> str:
    """From which months limits were made, how long they stand, and who decided them, in a sentence or two."""
    made = f"{period_name(str(limits['from']))} to {period_name(str(limits['to']))}"
    # Months are added behind a rebase only: those before the start stay as many as they are.
    moving = "and they move until 12 have" if limits.get("by") else "and no more come before the start"
    kind = (
        "held still from then on"
        if limits["kind"] == "frozen"
        else f"trial limits: fewer than 12 months made them, {moving}"
    )
    met = (
        f" {limits['met_a_rule']} of these {limits['months']} months met a rule themselves: they were not steady, so a signal says less."
        if limits.get("met_a_rule", 0) >= UNSTEADY
        else ""
    )
    why = f" New limits decided by {limits['by']}: {limits['why'].rstrip('.')}." if limits.get("by") else ""
    return f"Limits from {period_name(str(limits['applies_from']))} on are made from {made}, {kind}.{met}{why}"
