"""What this evaluation cannot say. This section cannot be switched off."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.report.blocks import Block, Bullets, Heading, Ref, Text
from aaot_eval.report.contents import Source
from aaot_eval.report.sections import section

KINDS = {"always": "Always", "design": "Because of the design", "costs": "About the costs", "check": "Found by the checks",
         "data": "Found in the data"}  # fmt: skip


@section("limits", order=100, title="Limits")
def limits(source: Source) -> Sequence[Block]:
    """The limits, grouped by where they come from."""
    frame = source.table("limits")
    if frame is None:
        return [source.missing("limits", "the limits"),
                Bullets(("A run without its list of limits is incomplete: do not use it for a decision.",))]  # fmt: skip
    frame = frame.sort_values("order", kind="stable")
    blocks: list[Block] = []
    kinds = list(dict.fromkeys(frame["kind"]))
    for kind in kinds:
        rows = frame[frame["kind"] == kind]
        items: list[Text] = [(Ref(source.money(str(rows.at[i, "text"])), f"limits/{i}/text"),) for i in rows.index]
        blocks += [Heading(KINDS.get(str(kind), str(kind).capitalize())), Bullets(tuple(items))]
    return blocks
