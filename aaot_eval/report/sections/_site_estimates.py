"""What stands behind the comparisons of sites: what they average, who stands in for a site, the sites one by one, the teams."""

from __future__ import annotations

import pandas as pd

from aaot_eval.report.blocks import Block, Folded, Heading
from aaot_eval.report.contents import Column, Source, chart, interval, named, table
from aaot_eval.report.words import sentence_case, truth

AVERAGED = (
    "A comparison with sites that had already started is no comparison with sites without the service: if the effect grows or fades there, it "
    "reads wrong, even with the wrong sign. The estimates by cohort, the imputed levels and the comparison of sites never make it."
)
COHORTS = (
    "Each effect stands on the sites seen at both periods; those seen at one of them alone are counted and not used. A difference is one of "
    "rates: events for each unit of exposure, which is a person-year where a population was given."
)
WEIGHTS = (
    "Donors and periods with less than 0.001 are not shown. Weights are chosen from the periods before the start alone."
)
FEW = (
    "The mean is that of random effects; the last row says where the effect in a further site is predicted to lie. Few sites say "
    "little about how far sites differ: an I2 of 0 % is then no sign that they agree."
)


def two_way(source: Source) -> list[Block]:
    """Where sites start at different times: what the two-way coefficient averages, and the effects by cohort that it should have been."""
    frame = source.table("two_way_weights")
    if frame is None:
        return []
    columns: list[str | Column] = [
        "comparison",
        "start",
        "control_start",
        "weight",
        named("scale", once=True),
        "estimate",
    ]
    blocks: list[Block] = [Heading("What the two-way model averages")]
    for analysis, rows in frame.groupby("analysis", sort=False):
        name = sentence_case(source.analysis_name(analysis))
        blocks.append(
            table(
                source,
                "two_way_weights",
                rows,
                columns,
                f"{name}: the comparisons behind its coefficient",
                note=AVERAGED,
            )
        )
    cohorts = source.table("group_time")
    if cohorts is not None:
        for k, (cohort, rows) in enumerate(cohorts.groupby("cohort", sort=False)):
            shown = table(source, "group_time", rows, ["period", "base", "event_time", "att", "std_error", "sites", "controls", "lost"],
                          f"Effect of the cohort of {cohort} by period", note=COHORTS if k == 0 else "")  # fmt: skip
            blocks.append(Folded(f"Show the effect of the cohort of {cohort} in each period", shown))
    return blocks


def synthetic(source: Source) -> list[Block]:
    """A synthetic comparison: who stands in for the treated site, and the same estimate for each donor in its place."""
    frame = source.table("synthetic_weights")
    if frame is None:
        return []
    columns: list[str | Column] = [named("unit", once=True), named("kind"), "name", "weight"]
    blocks: list[Block] = [
        Heading("Who stands in for the treated site"),
        table(source, "synthetic_weights", frame, columns, "Weights of the synthetic comparison", note=WEIGHTS),
    ]
    ranks = source.rows("placebo", kind="donor")
    if ranks is None:
        return blocks
    for analysis, rows in ranks.groupby("analysis", sort=False):
        name = sentence_case(source.analysis_name(analysis))
        ordered = pd.concat([rows[truth(rows["real"])], rows[~truth(rows["real"])]])
        shown = table(source, "placebo", ordered, ["label", "ratio", "statistic", "p_value", "real"],
                      f"{name}: every donor in the place of the treated site", most=60, emphasis="real")  # fmt: skip
        blocks.append(chart(source, "placebo_strip", rows, shown, part=f"{analysis}_donors",
                            subtitle=f"{name}: the same estimate with each donor in the treated site's place."))  # fmt: skip
    return blocks


def pooling(source: Source) -> list[Block]:
    """Each site by itself, their mean, and what a further site may see; how the team works beside its site."""
    frame = source.table("pooling")
    if frame is None:
        return []
    teams = source.table("fidelity")
    level = {} if teams is None else dict(zip(teams["unit"], teams["level"], strict=True))
    frame = frame.assign(fidelity=[level.get(u, "") for u in frame["unit"]])
    columns: list[str | Column] = [
        named("kind"), named("unit"), named("fidelity", "Fidelity of the team"), "estimate", interval("conf_low", "conf_high"),
        "weight", "i2", "tau", interval("tau_low", "tau_high", "Interval of the spread"), named("status"), "note",
    ]  # fmt: skip
    blocks: list[Block] = [Heading("Sites one by one and together")]
    for k, (analysis, rows) in enumerate(frame.groupby("analysis", sort=False)):
        name = sentence_case(source.analysis_name(analysis))
        shown = table(
            source, "pooling", rows, columns, f"{name}: each site, and their mean", note=FEW if k == 0 else ""
        )
        blocks.append(chart(source, "site_forest", rows, shown, part=str(analysis),
                            subtitle=f"{name}. The diamond is the mean over sites; the dashed line is the prediction for a further site."))  # fmt: skip
    return blocks


def fidelity(source: Source) -> list[Block]:
    """Which components of assertive outreach each team works by, beside the effect at its site."""
    frame = source.table("fidelity")
    if frame is None:
        return []
    columns: list[str | Column] = [
        named("unit"), "level", "n_met", "not_met", "not_stated", "estimate", interval("conf_low", "conf_high"), "source",
    ]  # fmt: skip
    note = (
        "Six components; high: 5 or 6 met, mid: 3 or 4, low: 2 or fewer. What a site's own series shows is compared with nothing "
        "but its past, and a few sites cannot tell whether working by more components does more."
    )
    return [
        Heading("How each team works"),
        table(
            source,
            "fidelity",
            frame,
            columns,
            "Components of assertive outreach met, beside the effect at the site",
            note=note,
        ),
    ]
