"""The page of a check: what the gates found, what could not be read, and what became of every row. It estimates nothing."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.report.blocks import Block, Bullets, Notice, Paragraph, Report, Section
from aaot_eval.report.contents import Column, Source, named, table
from aaot_eval.report.sections.quality import complete, findings, joined, rejected
from aaot_eval.report.words import sentence_case
from aaot_eval.results import Release


def check_report(
    release: Release,
    analyses: Sequence[str],
    stopped: Sequence[str],
    *,
    not_run: Sequence[str] = (),
    out_of_reach: str = "",
) -> Report:
    """A page from the released tables `data_quality`, `rejected`, `completeness`, `caseload_join` and `flow`; `stopped` are the gates
    that stop a run, `not_run` the analyses these data refuse, `out_of_reach` why no clear answer is possible."""
    source = Source(release)
    return Report(
        title=source.fact("title"),
        subtitle="Check of config, extracts and design: nothing was estimated",
        sections=(
            Section("verdict", "Can the study be run", tuple(_verdict(analyses, stopped, not_run, out_of_reach))),
            Section("quality", "What the gates found", tuple(findings(source))),
            Section(
                "rejected", "What could not be read", tuple(rejected(source) or [Paragraph("Every line was read.")])
            ),
            Section("complete", "How complete the records are", tuple(_records(source))),
            Section("flow", "What became of every row", tuple(_flow(source))),
        ),
        footer=(("Disclosure profile", str(release.profile)), ("Made with", f"aaot-eval {source.fact('version')}")),
        kind="check of the data",
    )


def _verdict(analyses: Sequence[str], stopped: Sequence[str], not_run: Sequence[str], out_of_reach: str) -> list[Block]:
    if stopped:
        return [Notice("warning", "No", "A gate stops the run until it is mended:"), Bullets(tuple(stopped))]
    warned: list[Block] = (
        [Notice("warning", "No clear answer is possible", f"{sentence_case(out_of_reach)}.")] if out_of_reach else []
    )
    refused: list[Block] = [Paragraph("These would not be run:"), Bullets(tuple(not_run))] if not_run else []
    would: list[Block] = [Paragraph("Nothing stops the run. These analyses would be run:"), Bullets(tuple(analyses))]
    return [*warned, *would, *refused]


def _records(source: Source) -> list[Block]:
    return [*complete(source), *joined(source)] or [
        Paragraph("The input was already counted, or the run stopped before records were looked at.")
    ]


def _flow(source: Source) -> list[Block]:
    frame = source.table("flow")
    if frame is None:
        return [Paragraph("The input was already counted, or the run stopped before rows were followed.")]
    columns: list[str | Column] = [named("table"), "step", "kept", "lost", "reason"]
    return [table(source, "flow", frame, columns, "What was there, what was left out, and why")]
