"""How an item of a reporting checklist is answered from a release: by what the run holds, by a reason why not, or by its author alone.

A field is a table ("flow"), a column of one ("estimates.conf_low"), either in the rows of interrupted time series alone
("series:estimates.conf_low"), a series fitted in another way ("method:quasi"), a check that could be judged ("check:pre_trend") or a fact of
the run ("@price_year", "@plan.sealed"); "a|b" is either. It is held when something is in it, and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aaot_eval.report.contents import Source
from aaot_eval.report.sections import SECTIONS
from aaot_eval.report.words import is_missing, listed

State = Literal["answered", "not applicable", "missing"]
STATES: tuple[State, ...] = ("answered", "not applicable", "missing")


@dataclass(frozen=True, slots=True)
class Answer:
    """How one item stands, and where it is answered, why it does not apply, or what is to be written."""

    state: State
    text: str


Rule = Callable[[Source], Answer]
#: Why an item does not apply to a run; empty when it does.
Reason = Callable[[Source], str]


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its number in the list, what it is about in our words, and how it is answered."""

    number: str
    about: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Checklist:
    """A published list: what it is for, where it was published, and its items in order."""

    title: str
    published: str
    items: tuple[Item, ...]
    note: str = ""


def held(section: str, *fields: str) -> Rule:
    """Answered in a section of the report when the run holds every field; nothing is left for people to add."""

    def rule(source: Source) -> Answer:
        lacking = [f for f in fields if not _alternatives(source, f)]
        if lacking:
            names = _named([part for field in lacking for part in field.split("|")])
            return Answer(
                "missing",
                f"For the author: write it, or say why there is none. The run holds nothing for it in {names}.",
            )
        return Answer("answered", f"Report, “{SECTIONS[section].title}”; {_places(source, fields)}.")

    return rule


def author(write: str, *fields: str) -> Rule:
    """Missing, for people alone can write it; `fields` are what the run holds for it."""

    def rule(source: Source) -> Answer:
        places = _places(source, fields)
        return Answer("missing", f"For the author: {write}." + (f" The run holds for it: {places}." if places else ""))

    return rule


def unless(reason: Reason, other: Rule) -> Rule:
    """Not applicable for a reason; as the other rule says when there is none."""

    def rule(source: Source) -> Answer:
        why = reason(source)
        return Answer("not applicable", f"{why}.") if why else other(source)

    return rule


def where(reason: Reason, then: Rule, other: Rule) -> Rule:
    """As one rule says where there is a reason, as the other where there is none."""
    return lambda source: then(source) if reason(source) else other(source)


def _alternatives(source: Source, field: str) -> list[str]:
    """Which of "a|b" the run holds."""
    return [part for part in field.split("|") if _held(source, part)]


def _held(source: Source, field: str) -> bool:
    kind, _, name = field.rpartition(":")
    nothing = {"not_evaluable", (source.meta.get("disclosure") or {}).get("symbol")}

    def shown(values: Iterable[Any]) -> bool:
        return any(not is_missing(v) and v not in nothing for v in values)

    if field.startswith("@"):
        node: object = source.meta
        for key in field[1:].split("."):
            node = node.get(key) if isinstance(node, Mapping) else None
        return not is_missing(node) and node not in ([], {})
    if kind == "check":
        rows = source.rows("checks", check=name)
        return rows is not None and shown(rows["verdict"])
    if kind == "method":
        ways = source.table("sensitivity")
        return ways is not None and any(name in str(way) for way in ways["method"])
    table, _, column = name.partition(".")
    frame = source.table(table)
    if frame is None:
        return False
    if kind == "series":
        frame = frame[frame["analysis"].isin(_analyses(source, SERIES))]
    return any(shown(frame[c]) for c in frame if column in ("", c))


def _places(source: Source, fields: tuple[str, ...]) -> str:
    return _named([part for field in fields for part in _alternatives(source, field)])


def _named(fields: list[str]) -> str:
    """Fields as a reader finds them: tables of the release, checks, facts of the run."""
    found: dict[str, list[str]] = {"table": [], "check": [], "fact": []}
    for field in fields:
        kind, _, name = field.rpartition(":")
        if field.startswith("@"):
            found["fact"].append(field[1:])
        elif kind == "check":
            found["check"].append(name)
        else:
            found["table"].append("sensitivity" if kind == "method" else name.partition(".")[0])
    said = [
        f"{what}{'s' if len(set(names)) > 1 else ''} {listed(list(dict.fromkeys(names)))}"
        for what, names in found.items()
        if names
    ]
    return "; ".join(said) + (" (about.json)" if found["fact"] else "")


# --- why an item does not apply ---------------------------------------------------------------------------------------

OF_PEOPLE = {"admissions", "attendances", "deaths", "caseload", "contacts", "activity"}
SERIES = {"series", "controlled_series"}


def _designs(source: Source) -> set[str]:
    frame = source.table("estimates")
    return set() if frame is None else set(frame["design"].astype(str))


def _analyses(source: Source, designs: set[str]) -> set[str]:
    frame = source.table("estimates")
    return set() if frame is None else set(frame.loc[frame["design"].isin(designs), "analysis"])


def no_people(source: Source) -> str:
    """The input was counts."""
    return "The input was a panel of counts: nobody behind it was followed" if source.aggregated else ""


def no_link(source: Source) -> str:
    """One kind of file of people was read, or none."""
    kinds = {str(s.get("table")) for s in source.meta.get("sources") or ()}
    return (
        "No two kinds of records of people were read, so none were linked"
        if kinds and len(kinds & OF_PEOPLE) < 2
        else ""
    )


def no_costs(source: Source) -> str:
    """The run is none of costs."""
    made = any(source.table(name) is not None for name in ("service_cost", "saving"))
    return "" if made else "The run evaluates no costs"


def no_outcome_valued(source: Source) -> str:
    """Costs stand alone."""
    return (
        "" if source.table("cost_effectiveness") is not None else "No outcome was valued: the run compares costs alone"
    )


def no_series(source: Source) -> str:
    """No series was analysed."""
    return "" if _designs(source) & SERIES else "The run has no interrupted time series"


def no_comparison(source: Source) -> str:
    """Nothing but a series was analysed."""
    return "" if _designs(source) - SERIES else "The run compares no sites or people, only a series with its own past"


def no_trial(source: Source) -> str:
    """Chance allocated nobody."""
    return "" if "trial" in _designs(source) else "Neither people nor sites were allocated by chance"


def nobody_matched(source: Source) -> str:
    """No comparison rests on people made alike."""
    return "" if source.table("balance") is not None else "Nobody was matched or weighted to be like somebody else"


def no_subgroup(source: Source) -> str:
    """No group of people was analysed apart."""
    return (
        ""
        if source.table("subgroups") is not None
        else "No subgroup was analysed and nothing measured was cut into classes"
    )


def not_planned(source: Source) -> str:
    """No plan was sealed before the outcomes were read, or the analysis is not as it says."""
    plan = source.meta.get("plan") or {}
    before = bool(plan) and plan.get("first_read") is None and not plan.get("departures")
    return "" if before else "No plan that was sealed before the outcomes were read is followed"
