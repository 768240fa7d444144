"""Who meets the entry rule when, for rules that say more than one count of alcohol-specific emergency admissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aaot_eval.config import RunConfig, parse_entry_rule
from aaot_eval.entry_rules import Condition, Term, Together
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.names import shown_names
from aaot_eval.panel.outcomes import spread
from aaot_eval.results import FlowStep, Tables

#: The column of `person_cells`: 1 where the rule is met at the start of the month.
MET = "entry_rule_met"
APRIL = 4


def add_rule_people(tables: Tables, config: RunConfig) -> None:
    """Makes `rule_events`, and adds to `panel_people` everybody who could meet the rule."""
    condition, engine = config.cohort_rule, tables.engine
    if condition is None:
        return
    engine.run("rule_events")
    kinds = {t.kind for t in condition.terms}
    if "listed" in kinds:
        engine.run("rule_events_listed")
    if "ed_attendances" in kinds:
        engine.run("rule_events_attendances")
    least = {kind: min(t.least for t in condition.terms if t.kind == kind) for kind in sorted(kinds)}
    engine.put(
        "rule_terms", pd.DataFrame({"kind": pd.array(list(least), dtype="string"), "least": list(least.values())})
    )
    engine.run("panel_people_rule")


@dataclass(frozen=True)
class RuleMet:
    """Who meets the rule when (people x months; None without such a rule), what the estimators are told of it, and what the area
    of the cohort leaves out: its findings and its lines of the flow of inclusion."""

    met: NDArray[np.bool_] | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    flow: tuple[FlowStep, ...] = ()


def rule_met(tables: Tables, config: RunConfig, people: pd.DataFrame, keys: pd.Index, periods: pd.DataFrame) -> RuleMet:
    """Who meets the rule at the start of each month.

    The month itself is never looked at; a month without a whole look-back inside the data is False. Raises InputError for a
    hospital or an area that is nobody's.
    """
    condition, engine = config.cohort_rule, tables.engine
    if condition is None:
        return RuleMet()
    engine.run("rule_counts")
    rows = engine.frame("SELECT * FROM rule_counts")
    counts = {
        k: spread(rows[rows["kind"] == k], keys, "person", "n", len(periods)) for k in {t.kind for t in condition.terms}
    }
    met = condition_met(condition, counts, periods)
    met &= _can_enter(tables, config, people, keys, periods)
    longest = max(t.months or 12 for t in condition.terms)
    plain = parse_entry_rule(str(config.study.entry_rule))
    told = {
        "words": _words(condition, config),
        "count": min(t.least for t in condition.terms),
        "months": longest,
        "plain": plain,
    }
    if config.cohort is None or not config.cohort.area:
        return RuleMet(met, {"cohort_rule": told})
    return _in_area(met, told, tables, config.cohort.area, keys, periods)


def condition_met(condition: Condition, counts: dict[str, np.ndarray], periods: pd.DataFrame) -> NDArray[np.bool_]:
    """(people x months) whether a condition on counts by kind (people x months) holds at the start of each month."""
    if isinstance(condition, Together):
        parts = [condition_met(p, counts, periods) for p in condition.parts]
        join = np.logical_and if condition.how == "and" else np.logical_or
        return np.asarray(join.reduce(parts))
    return _term_met(condition, counts[condition.kind], periods)


def _term_met(term: Term, counts: np.ndarray, periods: pd.DataFrame) -> NDArray[np.bool_]:
    n_t = counts.shape[1]
    before = np.zeros((counts.shape[0], n_t + 1))
    np.cumsum(counts, axis=1, out=before[:, 1:])
    met = np.zeros(counts.shape, dtype=bool)
    months = pd.DatetimeIndex(periods["start"]).month.to_numpy()
    for t in range(1, n_t):
        # The financial year of the month before: a person is looked at on the first day of the month.
        since = t - term.months if term.months is not None else t - 1 - int((months[t - 1] - APRIL) % 12)
        if since >= 0:
            met[:, t] = before[:, t] - before[:, since] >= term.least
    return met


def _can_enter(
    tables: Tables, config: RunConfig, people: pd.DataFrame, keys: pd.Index, periods: pd.DataFrame
) -> NDArray[np.bool_]:
    """(people x months) whether age, home hospital and exclusions let a person in. Raises InputError for an unknown hospital."""
    allowed = np.ones((len(people), len(periods)), dtype=bool)
    cohort = config.cohort
    if cohort is None:
        return allowed
    age = people["age"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    if cohort.age_from is not None:
        allowed &= (age >= cohort.age_from)[:, None]
    if cohort.age_to is not None:
        allowed &= (age <= cohort.age_to)[:, None]
    if cohort.sites:
        allowed &= people["unit"].isin(_known_sites(tables, cohort.sites)).to_numpy()[:, None]
    if cohort.exclude_codes:
        rows = tables.engine.frame("SELECT person, since FROM first_coded WHERE list = 'excluded'")
        since = pd.Series(pd.to_datetime(rows["since"]).to_numpy(), index=rows["person"]).reindex(keys).to_numpy()
        starts = pd.DatetimeIndex(periods["start"]).to_numpy()
        allowed &= ~(since[:, None] < starts[None, :])
    return allowed


def _in_area(
    met: NDArray[np.bool_],
    told: Mapping[str, Any],
    tables: Tables,
    area: Sequence[str],
    keys: pd.Index,
    periods: pd.DataFrame,
) -> RuleMet:
    """What is left when people must live in an area, known before the month; an area that is not known is outside.

    Raises InputError (D325) when nobody of the panel lives there.
    """
    rows = tables.engine.frame(
        "SELECT r.person, r.residence, r.since FROM residences AS r JOIN panel_people AS p ON p.person = r.person ORDER BY r.person"
    ).set_index("person")
    lives = rows["residence"].astype(object).reindex(keys)
    empty = [code for code in area if not lives.str.startswith(code, na=False).any()]
    if len(empty) == len(area):
        raise InputError(
            Problem(
                "D325",
                f"nobody lives in an area whose code begins with {', '.join(area)}",
                where="cohort.area",
                do="write the codes as the column of residence has them, or map a column with such codes to residence under [data.columns]",
            )
        )
    since = pd.Series(pd.to_datetime(rows["since"]).to_numpy(), index=rows.index).reindex(keys).to_numpy()
    known = since[:, None] < pd.DatetimeIndex(periods["start"]).to_numpy()[None, :]
    inside = known & lives.str.startswith(tuple(area), na=False).to_numpy(dtype=bool)[:, None]
    everywhere, told_of, here = (int(m.any(axis=1).sum()) for m in (met, met & known, met & inside))
    findings = [Finding("D412", where="cohort.area", detail=", ".join(empty))] if empty else []
    if everywhere > told_of:
        findings.append(Finding("D410", where="cohort.area", people=everywhere - told_of))
    flow = (
        _people_left("meet the entry rule in some month", everywhere, 0, ""),
        _people_left(
            "whose area is known by then", told_of, everywhere - told_of, "no area known: no fixed abode, or no code"
        ),
        _people_left("who live in the area of the cohort", here, told_of - here, "live elsewhere"),
    )
    return RuleMet(met & inside, {"cohort_rule": told}, tuple(findings), flow)


def _people_left(step: str, kept: int, lost: int, reason: str) -> FlowStep:
    return FlowStep("people of the entry rule", step, kept, lost, kept, lost, reason)


def _known_sites(tables: Tables, named: Sequence[str]) -> set[str]:
    """The home hospitals that the cohort names, capitals aside. Raises InputError (D322) for one that is no unit."""
    units = [str(row[0]) for row in tables.engine.rows("SELECT site FROM units ORDER BY site")]
    unknown = [site for site in named if site.strip().upper() not in units]
    if unknown:
        raise InputError(
            Problem(
                "D322",
                f"cohort.sites names unknown sites: {', '.join(unknown)}",
                where="cohort.sites",
                allowed=shown_names(units[:30]),
                do="write the sites as in the sites table, else as in the extract",
            )
        )
    return {site.strip().upper() for site in named}


def _words(condition: Condition, config: RunConfig) -> str:
    parts, cohort = [str(condition)], config.cohort
    if cohort is not None:
        if cohort.age_from is not None or cohort.age_to is not None:
            parts.append(f"aged {cohort.age_from or 0} to {cohort.age_to if cohort.age_to is not None else 'any age'}")
        if cohort.sites:
            parts.append(f"home hospital {', '.join(cohort.sites)}")
        if cohort.area:
            parts.append(f"living in {', '.join(cohort.area)}")
        if cohort.codes:
            parts.append(f"listed codes {', '.join(cohort.codes)}")
        if cohort.exclude_codes:
            parts.append(f"without an earlier {', '.join(cohort.exclude_codes)}")
    return "; ".join(parts)
