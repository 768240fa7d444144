"""Other outcomes and harms: shown whatever they say, in the same type as the benefit."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.report.blocks import Block, Chart, Heading, Notice, Paragraph
from aaot_eval.report.contents import Column, Source, chart, interval, named, table
from aaot_eval.report.sections import section
from aaot_eval.report.sections._result import headlines
from aaot_eval.report.words import sentence_case, truth

LAUNCHES = (
    "A comparison hospital serves each launch once: somebody there is counted with each launch, as are the deaths and the "
    "time. Person-launches are therefore more than people."
)


@section("harms", order=60, title="Other outcomes and harms")
def harms(source: Source) -> Sequence[Block]:
    """Every outcome that is not the primary one, and deaths."""
    shown = _outcomes(source)
    if source.aggregated:
        return shown
    return [
        Paragraph(
            "Harm is looked for in deaths and in the other outcomes the run was asked for, both below. Self-harm, violence, "
            "relapse, and care in the community are in no hospital extract and are not shown: silence here does not mean safety."
        ),
        *shown,
        Heading("Deaths"),
        Paragraph(
            "Somebody who dies has no more admissions. A rate therefore ends at death, a death is never counted as a saving, "
            "and deaths are shown by arm."
        ),
        *_deaths(source),
        *_survival(source),
    ]


def _outcomes(source: Source) -> list[Block]:
    estimates = source.table("estimates")
    if estimates is None:
        return [source.missing("estimates", "other outcomes")]
    primary = estimates[truth(estimates["primary"])]
    outcome = primary["outcome"].iloc[0] if len(primary) else source.primary.get("outcome")
    rows, _ = headlines(estimates[estimates["outcome"] != outcome])
    if rows.empty:
        return [
            Notice(
                "missing",
                "Not shown: other outcomes",
                "The run estimated no outcome beside the primary one; name them under `also`.",
            )
        ]
    return [table(source, "estimates", rows, [named("outcome"), named("estimator"), named("unit"), "p_least", "estimate",
                                              interval("conf_low", "conf_high"), "p_value", named("status")],
                  "Outcomes beside the primary one", note="Secondary: none of them can stand in for the primary result.")]  # fmt: skip


def _deaths(source: Source) -> list[Block]:
    frame = source.table("deaths")
    if frame is None:
        return [source.missing("deaths", "deaths by arm")]
    # The same people can be followed for several outcomes; their deaths are shown once.
    frame = frame.drop_duplicates([c for c in frame if c != "analysis"])
    rates = source.table("rates")
    launches = rates is not None and bool(rates["arm"].astype(str).str.contains(", launch", regex=False).any())
    columns: list[str | Column] = [named("analysis", once=True), named("arm"), named("era"),
                                   Column(("people",), "Person-launches") if launches else "people", "deaths", "person_years", "rate"]  # fmt: skip
    blocks: list[Block] = []
    for analysis, rows in frame.groupby("analysis", sort=False):
        shown = table(
            source,
            "deaths",
            rows,
            columns,
            "Deaths during follow-up, by arm and era",
            note=LAUNCHES if launches else "",
        )
        drawn = chart(source, "deaths", rows, shown, part=str(analysis) if frame["analysis"].nunique() > 1 else "",
                            subtitle="Follow-up ends at death; bars start at zero.")  # fmt: skip
        blocks += [drawn] if isinstance(drawn, Chart) else [drawn, shown]
    return blocks


CURVES = (
    "Deaths and admissions are those of all these people had everybody been followed so long (Kaplan-Meier; Ghosh-Lin, where "
    "death ends admissions). Counts are rounded, and shares and means are made again from them."
)


def _survival(source: Source) -> list[Block]:
    """Deaths and admissions since the index, each comparison of people in its own chart."""
    frame = source.table("survival")
    if frame is None:
        return []
    blocks: list[Block] = []
    columns: list[str | Column] = [
        named("arm"), named("era"), "months", "people", "deaths", "dead", interval("dead_low", "dead_high"),
        "admissions", "mean", interval("mean_low", "mean_high"),
    ]  # fmt: skip
    for k, (analysis, rows) in enumerate(frame.groupby("analysis", sort=False)):
        name = source.analysis_name(analysis)
        shown = table(
            source,
            "survival",
            rows,
            columns,
            f"Deaths and admissions since the index ({name})",
            note=CURVES if k == 0 else "",
        )
        blocks.append(chart(source, "survival", rows, shown, part=str(analysis),
                            subtitle=f"{sentence_case(name)}: share dead, and mean admissions of everybody, the dead included."))  # fmt: skip
    return blocks
