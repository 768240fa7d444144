"""The effect on admissions: the primary result, how it came about, and the other estimates beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from aaot_eval.report.blocks import Block, Folded, Heading, Heads, Notice, Paragraph, Ref, Table, Text
from aaot_eval.report.contents import Column, Source, cell, chart, interval, named, table
from aaot_eval.report.sections import section
from aaot_eval.report.sections._result import headlines, result
from aaot_eval.report.sections._series import series_blocks
from aaot_eval.report.words import (
    RATIO_SCALES,
    is_missing,
    listed,
    number,
    numbers,
    sentence_case,
    truth,
    unit_name,
)
from aaot_eval.wording import in_sentence


@section("effect", order=50, title="Effect on admissions")
def effect(source: Source) -> Sequence[Block]:
    """The primary estimate in words, observed against expected, by time since the start, and every estimate."""
    return [
        *_primary(source),
        *_averted(source),
        *_every_form(source),
        *_declared_terms(source),
        *series_blocks(source),
        *_other_ways(source),
        Heading("By time since the start"),
        *_event_time(source),
        *_baseline(source),
        Heading("All estimates"),
        *_estimates(source),
        *_two_way(source),
        *_synthetic(source),
        *_pooling(source),
        *_fidelity(source),
        Heading("The rates behind the comparison of people"),
        *_rates(source),
        *_balance(source),
        *_phases(source),
        *_subgroups(source),
    ]


def _primary(source: Source) -> list[Block]:
    estimates = source.table("estimates")
    if estimates is None:
        return [source.missing("estimates", "the estimates")]
    rows = estimates[truth(estimates["primary"])]
    if rows.empty:
        return [
            Notice("missing", "Not shown: a primary estimate", "No row of the table estimates is marked as primary.")
        ]
    i = rows.index[0]
    least: Text = ()
    if not is_missing(rows.at[i, "p_least"]):
        reach = cell(source, "estimates", rows, i, "p_least")
        least = ("The least p this design can reach is ", reach, ". ")
        if rows.at[i, "conf_method"] == "random_effects_t":
            least = (
                "The least p that randomisation can reach is ",
                reach,
                "; p and interval are those of random effects. ",
            )
    return [Paragraph((*least, *result(source, rows, i)), lead=True), Paragraph(_people_behind(source, rows, i))]


BEHIND = (("n_treated", "treated unit", "treated units"), ("n_units", "unit in all", "units in all"),
          ("n_periods", "period", "periods"), ("n_people", "person", "people"))  # fmt: skip


def _people_behind(source: Source, rows: pd.DataFrame, i: int) -> Text:
    text: list[str | Ref] = ["What is estimated: ", cell(source, "estimates", rows, i, "estimand"), "."]
    for k, (column, one, more) in enumerate(c for c in BEHIND if not is_missing(rows.at[i, c[0]])):
        what = one if number(rows.at[i, column]) == 1 else more
        text += [", " if k else " It rests on ", cell(source, "estimates", rows, i, column), f" {what}"]
    text.append("." if len(text) > 3 else "")
    if not is_missing(rows.at[i, "inference"]):
        text += [" Inference: ", cell(source, "estimates", rows, i, "inference"), "."]
    if not is_missing(rows.at[i, "note"]):
        text.append(f" {sentence_case(str(rows.at[i, 'note'])).rstrip('.')}.")
    return tuple(text)


def _averted(source: Source) -> list[Block]:
    frame = source.table("averted_activity")
    if frame is None:
        return []
    columns: list[str | Column] = [
        named("outcome", once=True), named("analysis"), named("unit"), "averted", interval("averted_low", "averted_high"),
        "per_patient_year", interval("per_patient_year_low", "per_patient_year_high"), named("status"), "label",
    ]  # fmt: skip
    note = "Positive means fewer events than expected, negative more."
    return [
        Heading("In absolute numbers"),
        table(source, "averted_activity", frame, columns,
              "Events averted, in all and for each patient-year on the caseload", note=note),
    ]  # fmt: skip


FORMS = (
    "Positive means fewer events than expected. An interval of the parameters says where the model's number lies; one of the "
    "prediction says what would have been counted without the service, and is the one to quote for events averted. The two rest on "
    "errors chosen by different rules, so that one can exclude no difference where the other does not: no claim rests on that."
)
WAYS = "All ways fit the same series; agreement of most is the message, and a lone method is none. The first row is the headline."


def _every_form(source: Source) -> list[Block]:
    """A series' effect as ratio or difference and as events averted, with the intervals of parameters and prediction.

    The first series is shown, the others are folded away under it.
    """
    frame = source.table("averted")
    if frame is None:
        return [source.missing("averted", "the effect of each series in every form")]
    columns: list[str | Column] = [
        named("unit", once=True), named("quantity"), Column(("first_period", "last_period"), "Window"), "periods",
        "value", interval("value_low", "value_high"), "interval",
    ]  # fmt: skip
    blocks: list[Block] = [Heading("Ratio, difference and events averted, series by series")]
    for k, ((analysis, unit), rows) in enumerate(frame.groupby(["analysis", "unit"], sort=False)):
        name = sentence_case(source.analysis_name(analysis))
        shown = table(
            source, "averted", rows, columns, f"{name}, the effect in every form", note=FORMS if k == 0 else ""
        )
        blocks.append(shown if k == 0 else Folded(f"Show the same for {unit_name(unit)} ({name.lower()})", shown))
    return blocks


#: How the note of a row begins that is a term of the series' model, not a way to estimate the service's effect.
DECLARED = "declared term: "


def _declared(estimates: pd.DataFrame) -> pd.DataFrame:
    return estimates[estimates["note"].map(_plain).str.startswith(DECLARED)]


def _declared_terms(source: Source) -> list[Block]:
    """The change of slope and the further interruptions that the config declares, each as the model found it."""
    frame = source.table("estimates")
    rows = None if frame is None else _declared(frame)
    if rows is None or rows.empty:
        return []
    columns: list[str | Column] = [
        named("unit", once=True), named("outcome", once=True), Column(("estimand",), "Term"), named("scale", once=True),
        "estimate", interval("conf_low", "conf_high"), "p_value",
    ]  # fmt: skip
    note = (
        "Terms of the same model as the estimate above. A further interruption is a change for another reason than the service, declared "
        "beforehand; none of these rows is the effect of the service by itself."
    )
    shown = rows.assign(estimand=rows["estimand"].map(_in_short))
    return [
        Heading("Declared changes of level and slope"),
        table(source, "estimates", shown, columns, "What else the model of the series holds", note=note),
    ]


def _other_ways(source: Source) -> list[Block]:
    """Every other way to fit the series, sites side by side; a way that was not run says why."""
    frame = source.table("sensitivity")
    if frame is None:
        return [source.missing("sensitivity", "the same series fitted in other ways")]
    blocks: list[Block] = [Heading("The same series fitted in other ways")]
    for k, (analysis, rows) in enumerate(frame.groupby("analysis", sort=False)):
        name = sentence_case(source.analysis_name(analysis))
        shown = _side_by_side(source, rows, f"{name}, fitted in other ways", WAYS if k == 0 else "")
        blocks.append(shown if k == 0 else Folded(f"Show the other ways ({in_sentence(name)})", shown))
    return blocks


#: So many sites fit beside one another; with more they stand below one another.
MOST_BESIDE = 4


def _side_by_side(source: Source, rows: pd.DataFrame, caption: str, note: str) -> Table:
    """One row for each way, one column for each site."""
    units = list(dict.fromkeys(rows["unit"].astype(str)))
    if len(units) > MOST_BESIDE:
        columns: list[str | Column] = [
            named("unit"),
            "method",
            "estimate",
            interval("conf_low", "conf_high"),
            "p_value",
            "note",
        ]
        return table(source, "sensitivity", rows, columns, caption, note=note)
    freedom = _freedom(source, rows)
    cells = []
    for method, same in rows.groupby("method", sort=False):
        by_unit = {str(same.at[i, "unit"]): i for i in same.index}
        told = _told({u: [*_phrases(same.at[i, "note"]), *_phrases(freedom.get(i, ""))] for u, i in by_unit.items()})
        cells.append(
            (str(method), *(_in_brackets(source, same, by_unit[u]) if u in by_unit else "" for u in units), told)
        )
    heads = (Heads("Way", width="middling"), *(Heads(unit_name(u)) for u in units), Heads("Read with it", width="wide"))
    df = " df: degrees of freedom of t." if freedom else ""
    return Table("sensitivity", caption, heads, tuple(cells), note=f"{note}{df} Estimate (interval; p).".strip())


def _phrases(value: object) -> list[str]:
    return [part for part in re.split(r"[;:] ", _plain(value)) if part]


def _told(said: dict[str, list[str]]) -> str:
    """What stands at every site once, then what stands at some of them, with their names."""
    shared = [part for part in next(iter(said.values())) if all(part in parts for parts in said.values())]
    rest: dict[str, list[str]] = {}
    for unit, parts in said.items():
        own = "; ".join(part for part in parts if part not in shared)
        rest.setdefault(own, []).append(unit_name(unit))
    return "; ".join([*shared, *(f"{', '.join(units)}: {own}" for own, units in rest.items() if own)])


def _plain(value: object) -> str:
    return "" if is_missing(value) else str(value)


def _in_brackets(source: Source, rows: pd.DataFrame, i: int) -> Text:
    """ "0.72 (0.67 to 0.79; p < 0.001)"; what is missing of it is left out."""
    if is_missing(rows.at[i, "estimate"]):
        return ""
    value, low, high, p = (
        cell(source, "sensitivity", rows, i, c) for c in ("estimate", "conf_low", "conf_high", "p_value")
    )
    text: list[str | Ref] = [value]
    inside: list[str | Ref] = [low, " to ", high] if isinstance(low, Ref) and isinstance(high, Ref) else []
    if isinstance(p, Ref):
        inside += ["; " if inside else "", "p " if p.text.startswith("<") else "p = ", p]
    return tuple([*text, " (", *inside, ")"] if inside else text)


def _freedom(source: Source, rows: pd.DataFrame) -> dict[int, str]:
    """How the p of a way was made, from the row of the estimates that restates it, by row of the ways."""
    found = {}
    for i, restated in _restated(source.table("estimates"), rows).items():
        inference = _plain(restated["inference"])
        df = DEGREES.fullmatch(inference)
        found[i] = f"{df[1]} df" if df else inference
    return {i: text for i, text in found.items() if text}


LEAST_P = r"[Tt]he least p this design can reach is [\d.]+ \(\d+ of \d+ sites treated\)\.?"
DEGREES = re.compile(r"Wald t with ([\d.]+) degrees of freedom")
RESTATES = "sensitivity: "


def _restated(estimates: pd.DataFrame | None, ways: pd.DataFrame | None) -> dict[int, pd.Series[Any]]:
    """The rows of `estimates` that hold a way to fit a series once more, by the row of `sensitivity` that holds it."""
    if estimates is None or ways is None:
        return {}
    notes = estimates["note"].map(_plain)
    again = estimates[notes.str.startswith(RESTATES)]
    found = {}
    for i in ways.index:
        way = f"{RESTATES}{_plain(ways.at[i, 'method'])}."
        same = again[
            (again["unit"].astype(object) == ways.at[i, "unit"])
            & notes[again.index].map(lambda n, way=way: n == way or n.startswith(f"{way} "))
            & (numbers(again["estimate"]) == number(ways.at[i, "estimate"]))
            & again["analysis"].astype(str).str.startswith(str(ways.at[i, "analysis"]))
        ]
        if len(same):
            found[int(i)] = same.iloc[0]
    return found


def _event_time(source: Source) -> list[Block]:
    frame = source.table("event_time")
    if frame is None:
        return [source.missing("event_time", "the effect by time since the start")]
    blocks: list[Block] = []
    drawn = source.of_primary(frame)
    beside = [source.analysis_name(a) for a in frame["analysis"].unique() if a not in set(drawn["analysis"])]
    for analysis, rows in drawn.groupby("analysis", sort=False):
        name = source.analysis_name(analysis)
        columns: list[str | Column] = ["event_time", "ratio", interval("conf_low", "conf_high"), "n_units"]
        shown = table(source, "event_time", rows, columns, f"Rate ratio by time since the start ({name})")
        blocks.append(chart(source, "event_time", rows, shown, part=str(analysis), subtitle=_which_points(source, analysis, beside)))  # fmt: skip
    return blocks


#: What the points of an event study are read against, and how its bars are made, by estimator.
POINTS = {
    "site_did": ("sites with the service against comparison sites", "the mean of the year before the start", False),
    "event_study": ("sites with the service against comparison sites", "the last {period} before the start", True),
    "patient_event_study": (
        "people taken on against people of other hospitals",
        "the last {period} before the start",
        True,
    ),
}


def _which_points(source: Source, analysis: Any, beside: Sequence[str]) -> str:
    """Which event study is drawn: whose points, against what, with which bars; and where those that are not drawn are."""
    rows = source.rows("estimates", analysis=analysis)
    whom, against, together = POINTS.get("" if rows is None else str(rows["estimator"].iloc[0]), POINTS["site_did"])
    period = source.context().period
    bars = (
        "bars hold for all points at once"
        if together
        else "bars are pointwise intervals, so that a few miss 1 by chance"
    )
    own = "the primary analysis" if analysis == source.primary.get("analysis") else "an analysis beside the primary one"
    said = f"Drawn are the points of {own} ({source.analysis_name(analysis)}): {whom}, each {period} against {against.format(period=period)}; {bars}."
    return f"{said} Not drawn, in tables/event_time.csv: {listed(list(beside))}." if beside else said


def _baseline(source: Source) -> list[Block]:
    """Who was allocated, by arm of a trial."""
    frame = source.table("baseline")
    if frame is None:
        return []
    columns: list[str | Column] = [
        "characteristic",
        named("arm"),
        "people",
        "with_it",
        "share",
        "mean",
        "sd",
        "difference",
    ]
    note = "No p values: after allocation by chance every difference is chance. The check of the allocation asks whether it was chance."
    return [
        Heading("Who was allocated"),
        table(source, "baseline", frame, columns, "People at allocation, by arm", note=note),
    ]


ROW: list[str | Column] = [
    named("estimator"), Column(("estimand",), "What it estimates"), named("unit"), named("outcome", "Other outcome"), "p_least", named("scale", once=True), "estimate", interval("conf_low", "conf_high"), "p_value",
    named("conf_method"),
]  # fmt: skip


OF_PEOPLE = ("entry_rule", "own_cohorts", "risk_set", "patients")
OF_SITES = ("sites", "series", "controlled_series")


def _of_whom(drawn: pd.DataFrame) -> str:
    """Where ratios about people and about whole sites stand under one another, that they cannot be compared."""
    if not (drawn["design"].isin(OF_PEOPLE).any() and drawn["design"].isin(OF_SITES).any()):
        return ""
    return (
        " Comparisons of people (by the entry rule, matched) are about those who met the rule or were referred, comparisons of sites "
        "about everybody in the catchment: ratios of the one cannot be compared with ratios of the other."
    )


def _estimates(source: Source) -> list[Block]:
    frame = source.table("estimates")
    if frame is None:
        return [source.missing("estimates", "the estimates")]
    answers, beside = headlines(frame)
    drawn = answers[answers["scale"].isin(RATIO_SCALES) & (numbers(answers["estimate"]) > 0)]
    band = source.meta.get("smallest_effect")
    grey = f" Grey: differences under {band * 100:g} %." if band else ""
    subtitle = (
        f"{sentence_case(source.subject)} where nothing else is named. The primary in bold; "
        f"hollow marks have no finite interval.{grey}{_of_whom(drawn)}"
    )
    of_all = Column(("n_treated", "n_units"), "Treated units of all", joint=" of ")
    first = (
        "Estimates, the primary first; the least reachable p stands before each"
        if _has_least(answers)
        else "Estimates, the primary first"
    )
    named_else = _only_other_outcomes(source, frame)
    # The least p has a column of its own.
    frame = frame.assign(note=frame["note"].where(~frame["note"].map(_plain).str.fullmatch(LEAST_P), ""))
    frame = frame.assign(estimand=frame["estimand"].map(_in_short))
    answers, beside = frame.loc[answers.index], frame.loc[beside.index]
    shown = table(source, "estimates", answers.assign(outcome=named_else[answers.index]), [*ROW, of_all, "n_people", named("status"), "note"],
                  first, emphasis="primary",
                  note=f"{sentence_case(source.subject)} where no other outcome is named. Only the row in bold is the declared primary estimate; all "
                  "others are secondary. A foil is a usual method shown for contrast: nothing rests on it.")  # fmt: skip
    blocks: list[Block] = [chart(source, "forest", answers, shown, subtitle=subtitle)]
    again = _restated(frame, source.table("sensitivity"))
    told = {row.name for row in again.values()}
    terms = set(_declared(frame).index)
    beside = beside[[i not in told and i not in terms for i in beside.index]]
    if len(beside):
        note = "The other ways to fit a series stand under “The same series fitted in other ways”." if told else ""
        more = table(source, "estimates", beside.assign(outcome=named_else[beside.index]), [*ROW, named("status"), "inference", "note"],
                     "The same questions asked in other ways", note=note)  # fmt: skip
        blocks.append(Folded("Show the estimates that stand beside these", more))
    return blocks


#: What every row of a comparison says, and what the column of scales says already.
SAID_ELSEWHERE = re.compile(
    r" of the treated to their expected level|,? against the series' own past|, as an? (?:ratio|difference)[^,]*$|^effect, "
)


def _in_short(estimand: object) -> str:
    """What a row estimates without the words that all rows share, so that rows can be told apart in a narrow column."""
    return sentence_case(SAID_ELSEWHERE.sub("", _plain(estimand)))


def _only_other_outcomes(source: Source, frame: pd.DataFrame) -> pd.Series[Any]:
    """The outcome of each row, empty for the primary one, so that a column does not say the same all the way down."""
    return frame["outcome"].where(frame["outcome"].astype(object) != source.primary.get("outcome"), "")


AVERAGED = (
    "A comparison with sites that had already started is no comparison with sites without the service: if the effect grows or fades there, it "
    "reads wrong, even with the wrong sign. The estimates by cohort, the imputed levels and the comparison of sites never make it."
)
COHORTS = (
    "Each effect stands on the sites seen at both periods; those seen at one of them alone are counted and not used. A difference is one of "
    "rates: events for each unit of exposure, which is a person-year where a population was given."
)


def _two_way(source: Source) -> list[Block]:
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


WEIGHTS = (
    "Donors and periods with less than 0.001 are not shown. Weights are chosen from the periods before the start alone."
)


def _synthetic(source: Source) -> list[Block]:
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


FEW = (
    "The mean is that of random effects; the last row says where the effect in a further site is predicted to lie. Few sites say "
    "little about how far sites differ: an I2 of 0 % is then no sign that they agree."
)


def _pooling(source: Source) -> list[Block]:
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


def _fidelity(source: Source) -> list[Block]:
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


def _has_least(rows: pd.DataFrame) -> bool:
    return not rows["p_least"].map(is_missing).all()


LAUNCHES = (
    "A comparison hospital serves each launch once, so its events and person-years count again at each; people are counted "
    "launch by launch."
)


def _columns(rows: pd.DataFrame, *, people: bool) -> list[str | Column]:
    cost = str(rows["outcome"].iloc[0]).endswith("cost")
    return [named("analysis", once=True), named("arm"), named("era"), *(["people"] if people else []),
            Column(("events",), "Pounds") if cost else "events", "person_years",
            Column(("rate",), "Pounds per person-year") if cost else "rate"]  # fmt: skip


def _rates(source: Source) -> list[Block]:
    frame = source.table("rates")
    if frame is None:
        return [source.missing("rates", "rates by arm and era")]
    note = "Rates are made again from the counts shown, so that they give no exact count away."
    by_launch = frame["arm"].astype(str).str.contains(", launch", regex=False)
    blocks: list[Block] = []
    for (analysis, outcome), rows in frame[~by_launch].groupby(["analysis", "outcome"], sort=False):
        launches = frame[by_launch & (frame["analysis"] == analysis) & (frame["outcome"] == outcome)]
        what = "Cost" if str(outcome).endswith("cost") else "Events"
        several = len(launches) > 0
        blocks.append(table(source, "rates", rows, _columns(rows, people=not several), f"{what} for each person-year alive",
                            note=(f"{LAUNCHES} {note}" if several else note) if not blocks else ""))  # fmt: skip
        if several:
            more = table(source, "rates", launches, _columns(launches, people=True),
                         f"{what} for each person-year alive, launch by launch")  # fmt: skip
            blocks.append(Folded(f"Show the rates launch by launch ({source.outcome_name(outcome)})", more))
    return blocks


def _balance(source: Source) -> list[Block]:
    """What the weights of the comparison of the referred hold equal."""
    frame = source.table("balance")
    if frame is None:
        return []
    columns: list[str | Column] = [
        "characteristic",
        "mean_referred",
        "mean_unweighted",
        "mean_weighted",
        "difference_before",
        "difference_after",
    ]
    blocks: list[Block] = [Heading("Are the referred compared with people like them?")]
    for analysis, rows in frame.groupby("analysis", sort=False):
        shown = table(source, "balance", rows, columns, f"The past of the referred and of those compared ({source.analysis_name(analysis)})",
                      note="Weights can make only what is listed equal; what made a team choose somebody and stands in no record stays.")  # fmt: skip
        blocks.append(chart(source, "love_plot", rows, shown, part=str(analysis),
                            subtitle="Past of the referred against people elsewhere who met the rule in the same month."))  # fmt: skip
    return blocks


GROUPS = (
    "Several divisions are looked at, so that one of them differs by chance more often than a single test would: the last p counts "
    "them all (Holm). A group whose own interval holds 1 beside one whose interval does not is no difference between groups; the row "
    "with the ratio of the two is the test. Groups under 30 people or 20 admissions in any cohort are not estimated. Codes count "
    "only before the first service of the study begins."
)


def _subgroups(source: Source) -> list[Block]:
    """The effect by groups of people, with how many divisions were looked at."""
    frame = source.table("subgroups")
    if frame is None:
        return []
    columns: list[str | Column] = [
        "group",
        "level",
        "people",
        "estimate",
        interval("conf_low", "conf_high"),
        "p_value",
        "p_holm",
        "note",
    ]
    return [
        Heading("Is the effect the same for everybody?"),
        table(
            source, "subgroups", frame, columns, "The effect among people who met the entry rule, by group", note=GROUPS
        ),
    ]


ENGAGED = (
    "Admissions can rise while a team works with somebody, because needs are found and met: a higher rate with the team is no harm by "
    "itself, and a fall after it no proof. Who leaves early, and why, decides who is in the last row; the rows describe, and none "
    "of them is an effect."
)


def _phases(source: Source) -> list[Block]:
    """The referred before, during and after their time with the team."""
    frame = source.table("phases")
    if frame is None:
        return []
    own_past = source.is_cohort(frame["analysis"].iloc[0])
    columns: list[str | Column] = [
        named("phase"),
        "people",
        "events",
        "person_years",
        "rate",
        Column(("rate_like",), "People like them before launch" if own_past else ""),
        "ratio",
        interval("conf_low", "conf_high"),
    ]
    like = "people of the same hospital who met the rule before launch" if own_past else "people like them elsewhere"
    return [
        Heading("Before, during and after the time with the team"),
        table(source, "phases", frame, columns, f"Admissions of the referred by phase, beside {like}", note=ENGAGED),
    ]
