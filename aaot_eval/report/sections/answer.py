"""The first page: the five answers, and where the result stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from aaot_eval.report.blocks import Answer, Block, Brief, Facts, Ref, Text
from aaot_eval.report.contents import Column, Source, cell, chart, interval, named, table
from aaot_eval.report.sections import section
from aaot_eval.report.sections._plan import plan_in_brief
from aaot_eval.report.sections._result import headlines, result
from aaot_eval.report.words import (
    CHECK_WORDS,
    DESIGNS,
    RATIO_SCALES,
    counted,
    fewer,
    is_missing,
    number,
    period_name,
    sentence_case,
    truth,
)
from aaot_eval.wording import SERVICE_APART, in_sentence

#: Whose admissions the chart of the first page is about where it is not those of whole hospitals, by design.
IN_BRIEF: Mapping[str, str] = {
    "own_cohorts": "About people who newly met the entry rule, after launch against before, not about all admissions of the hospital: the "
    "cohort empties at launch and refills.",
    "entry_rule": "About people who newly met the entry rule, not about all admissions of the hospitals.",
}


#: What the expected number comes from where it is not the world without the service, as the sentence of the answer has it.
EXPECTED_FROM: Mapping[str, str] = {"own_cohorts": "from those who met it before the service"}


@section("answer", order=10, title="Answer in brief")
def answer(source: Source) -> Sequence[Block]:
    """Effect, certainty, cost, threats, next step: in this order, in the same type whatever the answer."""
    brief = Brief(source.word, _answers(source), _status(source))
    estimates = source.table("estimates")
    primary = None if estimates is None else estimates[truth(estimates["primary"])].head(1)
    if primary is None or primary.empty:
        return [brief]
    ratio = primary["scale"].isin(RATIO_SCALES).all()
    changes = [
        Column(("estimate",), "Change", kind="change"),
        Column(("conf_low", "conf_high"), "Interval of the change", kind="change"),
    ]
    columns: list[str | Column] = [
        named("analysis"), "p_least", *(changes if ratio else []), Column(("estimate",), "As a ratio" if ratio else ""),
        interval("conf_low", "conf_high"), "conf_level", "p_value",
    ]  # fmt: skip
    shown = table(source, "estimates", primary, columns, "The primary estimate")
    context, whom = source.context(), ""
    design = primary["design"].iloc[0]
    if design in IN_BRIEF:
        context = replace(context, subject=f"{context.subject} of people who newly met the entry rule",
                          expected_from=EXPECTED_FROM.get(design, context.expected_from))  # fmt: skip
        whom = f" {IN_BRIEF[design]}"
    return [
        brief,
        chart(
            source,
            "answer_interval",
            primary,
            shown,
            subtitle=_subtitle(source, context.expected_from) + whom,
            context=context,
        ),
    ]


def _subtitle(source: Source, expected_from: str) -> str:
    smallest = source.meta.get("smallest_effect")
    band = f" Grey: differences under {smallest * 100:g} %, too small to matter." if smallest else ""
    return f"0 % (a ratio of 1) = no difference from what was expected {expected_from}.{band}"


def _answers(source: Source) -> tuple[Answer, ...]:
    headline = source.table("headline")
    if headline is not None:
        rows = headline.sort_values("order", kind="stable")
        return tuple(
            Answer(
                str(rows.at[i, "question"]), (Ref(source.money(str(rows.at[i, "sentence"])), f"headline/{i}/sentence"),)
            )
            for i in rows.index
        )
    found = [
        ("Did admissions change?", source.fact("verdict", "sentence")),
        ("What does it cost?", source.fact("money", "sentence")),
    ]
    return tuple(Answer(question, source.money(sentence)) for question, sentence in found)


def _status(source: Source) -> Facts:
    design = source.primary.get("design_label") or DESIGNS.get(str(source.primary.get("design")), "not stated")
    rows: list[tuple[str, Text]] = [
        *(_window(source) or _absolute(source)),
        *_linked(source),
        *_whole_hospital(source),
        ("Design", design),
        *_starts(source),
        ("Data", f"{period_name(source.fact('first_period'))} to {period_name(source.fact('last_period'))}"),
        ("Checks", _checks(source)),
        ("Prices", _prices(source)),
        (
            "Small numbers",
            f"profile {source.release.profile}; {counted(sum(source.release.hidden.values()), 'cell')} hidden",
        ),
    ]
    rows += _service(source)
    if plan := plan_in_brief(source):
        rows.append(("Plan", plan))
    if source.meta.get("refresh"):
        rows.append(("Estimate", _refresh(source)))
    return Facts(tuple(rows), title="Where this result stands")


def _checks(source: Source) -> str:
    checks = source.table("checks")
    if checks is None:
        return f"none. {source.why_missing('checks')}"
    own = source.of_primary(checks)
    beside = checks.drop(index=own.index)
    return _verdicts(own) + (f"; of the results beside it: {_verdicts(beside)}" if len(beside) else "")


def _verdicts(checks: pd.DataFrame) -> str:
    counts = checks["verdict"].value_counts()
    return ", ".join(f"{counts[v]} {CHECK_WORDS[v][1].lower()}" for v in CHECK_WORDS if v in counts.index)


def _prices(source: Source) -> str:
    if source.fact("price_year") == "not stated":
        return "not costed"
    kind = "invented, " if source.invented else ""
    return f"{kind}{source.fact('price_year')}, {source.fact('perspective').replace('_', ' ')} perspective"


def _service(source: Source) -> list[tuple[str, Text]]:
    """The cost of the service over the caseload seen, beside the one of the sentence above, when they are far apart."""
    frame = source.rows("service_check", measure="Bottom-up cost")
    if frame is None:
        return []
    row = frame.index[0]
    stated, seen = number(frame.at[row, "stated"]), number(frame.at[row, "seen"])
    # A cell that is hidden or not known compares as false.
    if not (stated > 0 and abs(seen / stated - 1) > SERVICE_APART):
        return []
    planned, observed = (cell(source, "service_check", frame, row, c) for c in ("stated", "seen"))
    text = (
        planned,
        " for each patient-year at the planned occupancy, which the net sums take; ",
        observed,
        f" over the caseload seen{source.mark}",
    )
    return [("Service cost", text)]


def _window(source: Source) -> list[tuple[str, Text]]:
    """The whole window's own answer, where the primary estimate of a single series is the jump of its first period alone."""
    estimates = source.table("estimates")
    frame = source.rows("averted", analysis=source.primary.get("analysis"), quantity="averted", interval="prediction")
    if estimates is None or frame is None:
        return []
    primary = estimates[truth(estimates["primary"])]
    if primary.empty or not str(primary["estimand"].iloc[0]).startswith("jump"):
        return []
    first, last = (period_name(str(frame.at[frame.index[0], c])) for c in ("first_period", "last_period"))
    text = (
        f"{sentence_case(source.subject)} against what was expected, {first} to {last}: ",
        *_fewer(source, "averted", frame, "value", ("", "_low", "_high")),
        ". The answer above is the jump at the first period alone.",
    )
    return [("Whole window", text)]


#: The two ways in which what was averted is counted: in all, and for each patient-year.
ABSOLUTE = (
    ("averted", " over all periods with the service"),
    ("per_patient_year", " for each patient-year on the caseload"),
)


def _absolute(source: Source) -> list[tuple[str, Text]]:
    """The answer as a number of events, which a per cent does not tell. Where the interval has both signs it alone is given."""
    frame = source.rows(
        "averted_activity", analysis=source.primary.get("analysis"), outcome=source.primary.get("outcome")
    )
    if frame is None or len(frame) != 1:
        return [("In numbers", f"Not given. {_why_no_number(source)}")]
    parts: list[str | Ref] = []
    for column, per in ABSOLUTE:
        if told := _fewer(source, "averted_activity", frame, column, ("", "_low", "_high")):
            parts += [", " if parts else f"{sentence_case(source.subject)} against what was expected: ", *told, per]
    if not parts:
        return [("In numbers", "Not shown: too few people are behind it.")]
    doubt = " The doubt named in the answer is about these too." if source.word.endswith("_but") else ""
    return [("In numbers", (*parts, f".{doubt}"))]


def _why_no_number(source: Source) -> str:
    estimates = source.table("estimates")
    primary = None if estimates is None else estimates[truth(estimates["primary"])]
    if primary is None or primary.empty:
        return "There is no estimate."
    if primary[["conf_low", "conf_high"]].isna().all(axis=None):
        return "The answer has no interval, and a number without one would say more than is known."
    return source.why_missing("averted_activity")


def _fewer(source: Source, name: str, frame: pd.DataFrame, column: str, ends: Sequence[str]) -> tuple[str | Ref, ...]:
    """Events averted of the only row, as "120 fewer (80 fewer to 160 fewer)" or "from 40 more to 160 fewer"; () when hidden."""
    i = frame.index[0]
    cells = [(cell(source, name, frame, i, f"{column}{end}"), number(frame.at[i, f"{column}{end}"])) for end in ends]
    told = [Ref(fewer(shown.text, value), shown.address) for shown, value in cells if isinstance(shown, Ref)]
    if len(told) < len(ends):
        return tuple(told[:1])
    value, low, high = told
    least, most = (at for _, at in cells[1:])
    if least < 0 < most:
        return ("from ", low, " to ", high)
    return (value, " (", low, " to ", high, ")") if least >= 0 else (value, " (", high, " to ", low, ")")


def _linked(source: Source) -> list[tuple[str, Text]]:
    """What the effects over whole sites, over the rule and over those taken on are each about, and how they hang together.

    Where they do not all lie on one side of no difference, the intervals alone are given, which claim no change.
    """
    frame = source.in_order("linked_effects")
    if frame is None:
        return []
    told = {str(d) for d in frame["direction"]}
    clear = told in ({"lower"}, {"higher"})
    what = {"lower": "what is spared", "higher": "what is added"}[next(iter(told))] if clear else "the difference"
    parts: list[str | Ref] = [f"{sentence_case(told.pop())} by "] if clear else []
    for k, i in enumerate(frame.index):
        size = cell(source, "linked_effects", frame, i, "change" if clear else "ratio")
        ends = [cell(source, "linked_effects", frame, i, c, "change") for c in ("conf_low", "conf_high")]
        parts.append(", " if k else "")
        if not clear and all(isinstance(end, Ref) for end in ends):
            parts += ["from " if k else "From ", ends[0], " to ", ends[1]]
        else:
            parts += [size] if clear else ["rate ratio " if k else "Rate ratio ", size]
        parts += [" over ", str(frame.at[i, "whom"])]
    last = "These two" if len(frame) == 2 else "The last two"
    uptake = cell(source, "linked_effects", frame, frame.index[-1], "uptake")
    text = (*parts, f". {last} are one result: {what} for each person who met the rule = uptake (", uptake,
            f" of their time) × {what} for each person taken on.",
            " The doubt named in the answer is about these too." if source.word.endswith("_but") else "")  # fmt: skip
    return [("Whose admissions", text)]


#: Designs whose estimate is about people, and the estimators over whole hospitals that stand beside it, the best compared first.
ABOUT_PEOPLE = ("own_cohorts", "entry_rule", "risk_set", "patients")
OVER_HOSPITALS: Mapping[str, str] = {
    "site_did": "against hospitals without the service",
    "controlled_its": "against a control series",
    "its": "against its own past alone, so that anything else that changed then is in it",
}


def _whole_hospital(source: Source) -> list[tuple[str, Text]]:
    """What all admissions of the hospital did, beside an answer that is about some of its people: a number, or why there is none."""
    estimates = source.table("estimates")
    if estimates is None or source.primary.get("design") not in ABOUT_PEOPLE:
        return []
    answers, _ = headlines(estimates[estimates["outcome"] == source.primary.get("outcome")])
    for estimator, against in OVER_HOSPITALS.items():
        rows = answers[answers["estimator"] == estimator]
        pooled = rows[[is_missing(u) for u in rows["unit"]]]
        rows = pooled if len(pooled) else rows
        if len(rows) == 1:
            i = rows.index[0]
            if is_missing(rows.at[i, "estimate"]):
                return [("Whole hospital", f"Cannot be told: {in_sentence(str(rows.at[i, 'note'])).rstrip('.')}.")]
            said = result(source, rows, i)
            return [("Whole hospital", (*said, f" This is over all {source.subject} of the hospital, {against}."))]
    why = source.why_missing("its").removeprefix("Reason: ").rstrip(".")
    told = why if why != source.why_missing("its").rstrip(".") else "no estimate over all its admissions was made"
    return [("Whole hospital", f"Cannot be told: {in_sentence(told)}.")]


def _starts(source: Source) -> list[tuple[str, Text]]:
    """When the service starts and at how many of the sites, so that the answer has a date."""
    periods = sorted({str(s.get("period")) for s in source.meta.get("starts") or () if s.get("period")})
    if not periods:
        return []
    span = period_name(periods[0]) if len(periods) == 1 else f"{period_name(periods[0])} to {period_name(periods[-1])}"
    places = len({str(s.get("unit")) for s in source.meta["starts"]})
    what = "Date given" if source.aggregated else "Service starts"
    return [(what, f"{span}, at {counted(places, 'site')}")]


def _refresh(source: Source) -> str:
    note = source.meta["refresh"]
    if isinstance(note, str):
        return note
    refreshed = note.get("refreshed", True) if isinstance(note, dict) else True
    return "made anew in this run" if refreshed else "carried over from an earlier run; this month is monitoring only"
