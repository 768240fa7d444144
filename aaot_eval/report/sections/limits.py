"""What this evaluation cannot say. This section cannot be switched off."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.report.blocks import Block, Bullets, Heading, Ref, Text
from aaot_eval.report.contents import Source
from aaot_eval.report.sections import section
from aaot_eval.report.sections._plan import plan_told
from aaot_eval.report.words import CHECK_WORDS, name_of, sentence_case

KINDS = {"always": "Always", "design": "Because of the design", "costs": "About the costs", "check": "Found by the checks",
         "data": "Found in the data"}  # fmt: skip


@section("limits", order=100, title="Limits")
def limits(source: Source) -> Sequence[Block]:
    """The limits, grouped by where they come from, and how far the analysis was fixed beforehand."""
    frame = source.in_order("limits")
    if frame is None:
        return [source.missing("limits", "the limits"),
                Bullets(("A run without its list of limits is incomplete: do not use it for a decision.",)),
                *plan_told(source)]  # fmt: skip
    blocks: list[Block] = []
    kinds = list(dict.fromkeys(frame["kind"]))
    for kind in kinds:
        rows = frame[frame["kind"] == kind]
        again = rows.groupby("text", sort=False).cumcount()
        items: list[Text] = [
            _named(source, str(rows.at[i, "text"]), int(again[i])) or _item(source, str(rows.at[i, "text"]), i)
            for i in rows.index
        ]
        blocks += [Heading(KINDS.get(str(kind), str(kind).capitalize())), Bullets(tuple(items))]
    return [*blocks, *plan_told(source)]


def _named(source: Source, text: str, which: int = 0) -> str:
    """What a check found by the check's name, where its words stand under “Could this be wrong?”; empty for any other limit.

    `which` counts the limits above with the same words: several checks say them, and each is named once.
    """
    found = source.rows("checks", sentence=text)
    if found is None:
        return ""
    own = source.of_primary(found).drop_duplicates("check")
    check, verdict = own[["check", "verdict"]].iloc[min(which, len(own) - 1)]
    return f"{sentence_case(name_of(check))}: {CHECK_WORDS[str(verdict)][1].lower()}; its finding stands under “Could this be wrong?”."


def _item(source: Source, text: str, row: int) -> Text:
    """A limit as a sentence; one that had to be given its capital is no longer the words of the record."""
    shown = source.money(sentence_case(text))
    return (Ref(shown, f"limits/{row}/text"),) if text == sentence_case(text) else shown
