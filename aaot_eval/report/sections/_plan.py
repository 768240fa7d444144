"""The sealed plan: in one line on the first page, and whole among the limits; a quiet line where none was sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aaot_eval.report.blocks import Block, Bullets, Facts, Heading, Paragraph
from aaot_eval.report.contents import Source
from aaot_eval.report.words import counted, day_name, listed

#: As many settings are named on the first page; all stand among the limits.
MOST_NAMED = 3
NONE_SEALED = "No plan was sealed before the outcomes were read: this report cannot show that the analysis was chosen before its result was known."
NOT_PROVEN = (
    "The seal and the log of the runs made under it (plan_log.txt) lie with whoever made the analysis, and its times are those of that "
    "computer’s clock. That the plan came first is shown only by a copy of the seal’s hash that somebody else was given at the time. Nobody can "
    "tell from it whether the data were looked at in another way before."
)


def plan_in_brief(source: Source) -> str:
    """Whether the analysis follows the plan that was sealed; empty where none was."""
    plan = source.meta.get("plan")
    if not plan:
        return ""
    keys = [str(d["key"]) for d in plan["departures"]]
    more = len(keys) - MOST_NAMED
    named = listed([*keys[:MOST_NAMED], *([counted(more, "other setting")] if more > 0 else [])])
    held = (
        f"departs from the plan sealed on {_when(plan)}, in {named}"
        if keys
        else f"follows the plan sealed on {_when(plan)}"
    )
    lists = counted(len({name for a in plan["accepted"] for name in a["lists"]}), "code list")
    return f"{held}; {lists} changed since, see “Limits”" if plan["accepted"] else held


def _when(plan: Mapping[str, Any]) -> str:
    """The day of the seal, and whether it came before the outcomes were read."""
    day, first = day_name(str(plan["sealed"])), plan["first_read"]
    return (
        f"{day}, before any run"
        if first is None
        else f"{day}, after the outcomes had been read (first on {day_name(str(first))})"
    )


def plan_told(source: Source) -> Sequence[Block]:
    """The seal, what departs from it, the changes of code lists with their reasons, and what a seal does not show."""
    plan = source.meta.get("plan")
    if not plan:
        return [Heading("The plan"), Paragraph(NONE_SEALED)]
    first = plan["first_read"]
    read = (
        "no run of the study had read them"
        if first is None
        else f"a run had read them before, first on {day_name(str(first))}"
    )
    facts = [
        (
            "Sealed",
            f"{day_name(str(plan['sealed']))}, {str(plan['sealed'])[11:16]} UTC, with aaot-eval {plan['version']}",
        ),
        ("Outcomes until then", read),
        ("Hash of the seal", str(plan["sha256"])),
    ]
    facts += [("Reason given", str(plan["reason"]))] if plan["reason"] else []
    facts += [("Earlier seal", f"{day_name(str(e['sealed']))}, {e['sha256']}") for e in plan["earlier"]]
    departures = [(str(d["key"]), f"planned: {d['sealed']}; done: {d['now']}") for d in plan["departures"]]
    accepted = tuple(
        f"{listed(list(map(str, a['lists'])))}, accepted on {day_name(str(a['time']))}: {a['reason']}"
        for a in plan["accepted"]
    )
    blocks: list[Block] = [Heading("The sealed plan"), Facts(tuple(facts))]
    if departures:
        blocks += [
            Paragraph(f"The analysis departs from it in {counted(len(departures), 'setting')}:"),
            Facts(tuple(departures)),
        ]
    else:
        blocks.append(Paragraph("Every setting of the analysis is as it was sealed."))
    if accepted:
        blocks += [Paragraph("Code lists that changed after the plan was sealed, and why:"), Bullets(accepted)]
    return [*blocks, Paragraph(NOT_PROVEN)]
