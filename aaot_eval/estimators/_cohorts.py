"""People as rows of months: who meets an entry rule when, and what follows.

The exact definitions (clock, entry rule, cohorts of an era) are in docs/methods/entry_rule.md. Month numbers are indices of
the panel's periods; a window [begin, end) leaves its end out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aaot_eval.errors import Problem, counted
from aaot_eval.results import BESIDE, Analysis, Panel, Scale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: The only count that a rule looks at when the study names no other.
RULE_OUTCOME = "alcohol_specific_emergency"
#: Rules searched for when none is declared: look-back in months.
SEARCHED_MONTHS = (6, 12)
LARGEST_COUNT = 40
#: A rule is the rule when at least this share of the referred met it at their referral.
SHARE_MET_NEEDED = 0.90
#: Below this share of person-months on the team the comparison is dilute beyond use.
UPTAKE_NEEDED = 0.30
#: Sizes that a cohort needs, before and after launch.
PEOPLE_NEEDED = 30
EVENTS_NEEDED = 20
#: A share or count of people in a sentence is written out from this many on either side: above every profile's threshold.
FEW = 10
#: Variance between hospitals is not estimated from fewer comparison hospitals.
HOSPITALS_FOR_TAU2 = 6


@dataclass(frozen=True)
class PersonMonths:
    """People x months, and the months at which hospitals start and stop.

    outcome     (P, T) what is estimated        counts     (P, T) what the entry rule looks at
    alive       (P, T) alive at the start of the month; the month of death is the last
    at_risk     (P, T) alive, and neither the month nor the hospital-month is left out or missing
    unit        (P,) position of the home hospital in `names`
    referral    (P,) month of referral; T = never     death (P,) month of death; T = none known
    launch      (U,) first month of the team; T = never     stop (U,) first month without it again; T = never
    """

    outcome: Floats
    counts: Floats
    alive: Flags
    at_risk: Flags
    unit: Ints
    referral: Ints
    death: Ints
    names: tuple[str, ...]
    launch: Ints
    stop: Ints
    declared: Rule | None = None
    met: Flags | None = None

    @property
    def n_months(self) -> int:
        """T."""
        return int(self.outcome.shape[1])

    @property
    def treated(self) -> Flags:
        """(U,) hospitals that start inside the data."""
        return self.launch < self.n_months

    @property
    def referred(self) -> Flags:
        """(P,) people of a hospital with a team, referred inside the data."""
        return (self.referral < self.n_months) & self.treated[self.unit]

    @cached_property
    def outcome_so_far(self) -> Floats:
        """(P, T + 1) sums of the outcome over the months before each month."""
        return running_total(self.outcome)

    @cached_property
    def outcome_at_risk_so_far(self) -> Floats:
        """(P, T + 1) the same over months at risk."""
        return running_total(self.outcome * self.at_risk)

    @cached_property
    def months_at_risk_so_far(self) -> Floats:
        """(P, T + 1) months at risk before each month."""
        return running_total(self.at_risk)

    @cached_property
    def counts_so_far(self) -> Floats:
        """(P, T + 1) sums of what the entry rule looks at, over the months before each month."""
        return running_total(self.counts)


@dataclass(frozen=True)
class Rule:
    """At least `count` admissions in the `months` months before; or, with `words`, a rule that the panel has worked out."""

    count: int
    months: int
    words: str = ""

    def __str__(self) -> str:
        if self.words:
            return self.words
        months = counted(self.months, "month")
        return f"{self.count} or more {'admission' if self.count == 1 else 'admissions'} in {months}"

    @property
    def first_month(self) -> int:
        """First month of a pre-launch cohort: after a year of history (or the rule's own, if longer) and one dropped month,
        into which everybody falls who was above the line already."""
        return max(self.months, 12) + 1


@dataclass(frozen=True)
class Cohort:
    """People indexed in one era: `index` (P,) month of the index, -1 = not in it; follow-up is [index, end)."""

    index: Ints
    end: Ints

    @property
    def members(self) -> Flags:
        """(P,) who is in it."""
        return self.index >= 0

    def total(self, running: Floats, since: Ints | None = None) -> Floats:
        """(P,) sum over follow-up, from `since` on if given; `running` is (P, T + 1) from `running_total`."""
        begin = np.maximum(self.index, 0) if since is None else np.maximum(self.index, since)
        begin = np.minimum(begin, self.end)
        rows = np.arange(len(begin))
        return np.where(self.members, running[rows, self.end] - running[rows, begin], 0.0)


def person_months(panel: Panel, outcome: str, rule_outcome: str) -> PersonMonths:
    """The people of the panel with a home hospital in it, as arrays."""
    assert panel.people is not None  # noqa: S101
    people, n_t = panel.people, len(panel.periods)
    used = [str(u) for u in panel.units.index if str(panel.units.loc[u, "group"]) != BESIDE]
    position = pd.Series(np.arange(len(used)), index=used)
    unit = people["unit"].astype(object).map(position)
    here = unit.notna().to_numpy()
    index = unit[here].to_numpy().astype(np.int64)
    months = np.arange(n_t)
    death = _month(people["death_t"], n_t)[here]
    alive = months <= death[:, None]
    frame = panel.units.loc[used]
    gone = (
        panel.periods["left_out"].to_numpy(dtype=bool)[None, :]
        | panel.matrix("missing").astype(bool)[panel.units.index.get_indexer(pd.Index(used))]
    )
    return PersonMonths(
        outcome=panel.person_matrix(outcome)[here].astype(float),
        counts=panel.person_matrix(rule_outcome)[here].astype(float),
        alive=alive,
        at_risk=alive & ~gone[index],
        unit=index,
        referral=_month(people["referral_t"], n_t)[here],
        death=death,
        names=tuple(used),
        launch=_month(frame["start_t"], n_t),
        stop=_month(frame["stop_t"] + 1, n_t),
        declared=_declared(panel),
        met=panel.person_matrix("entry_rule_met")[here].astype(bool) if _declared(panel) else None,
    )


def _declared(panel: Panel) -> Rule | None:
    """The study's rule, when it says more than one count; `rule_met` of aaot_eval.panel.entry made its months."""
    told = panel.extra.get("cohort_rule")
    return Rule(int(told["count"]), int(told["months"]), str(told["words"])) if told else None


def rule_outcome_of(panel: Panel, wanted: str) -> str | None:
    """The patient outcome the rule counts: the one wanted, else the only count there is, else None."""
    assert panel.person_cells is not None  # noqa: S101
    columns = set(panel.person_cells.columns)
    if wanted in columns:
        return wanted
    counts = [o.name for o in panel.outcomes if o.kind == "count" and o.name in columns]
    return counts[0] if len(counts) == 1 else None


def scale_of(panel: Panel, outcome: str) -> Scale:
    """A ratio of rates of a count, or of money."""
    return "rate_ratio" if panel.outcome(outcome).kind == "count" else "ratio"


def running_total(values: NDArray[np.generic]) -> Floats:
    """(P, T + 1) sums over months before each month, so that any window is one difference."""
    out = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=out[:, 1:])
    return out


def meets_rule(people: PersonMonths, rule: Rule) -> Flags:
    """(P, T) whether the person is alive at the start of the month and had the admissions in the months before it.

    The month itself is never looked at; months without a full look-back are False.
    """
    if rule.words and people.met is not None:
        return people.met & people.alive
    before = people.counts_so_far
    met = np.zeros(people.alive.shape, dtype=bool)
    m = rule.months
    if people.n_months > m:
        met[:, m:] = before[:, m:-1] - before[:, : -m - 1] >= rule.count
    return met & people.alive


def newly_meets_rule(met: Flags, months: int = 12) -> Flags:
    """(P, T) meeting the rule without having met it in any of the `months` months before; needs that much history of it."""
    seen = running_total(met)
    new = np.zeros_like(met)
    if met.shape[1] > months:
        new[:, months:] = met[:, months:] & (seen[:, months:-1] - seen[:, : -months - 1] == 0)
    return new


def first_cohort(met: Flags, begin: int, end: int, follow_up: int) -> Cohort:
    """People by the first month of [begin, end) in which `met` holds; follow-up is `follow_up` months, cut at `end`."""
    window = met[:, begin:end]
    if window.shape[1] == 0:
        none = np.full(len(met), -1, dtype=np.int64)
        return Cohort(none, np.zeros_like(none))
    index = np.where(window.any(axis=1), begin + window.argmax(axis=1), -1).astype(np.int64)
    return Cohort(index, np.where(index >= 0, np.minimum(index + follow_up, end), 0).astype(np.int64))


def people_and_rule(
    panel: Panel, outcome: str, rule_outcome: str, count: int | None, months: int | None
) -> tuple[PersonMonths, Rule, Flags]:
    """The people, the rule (declared, else the one the referrals show) and who meets it when (P, T)."""
    people = person_months(panel, outcome, str(rule_outcome_of(panel, rule_outcome)))
    plain = (panel.extra.get("cohort_rule") or {}).get("plain")
    own = count and months and (people.declared is None or (count, months) != plain)
    rule = Rule(int(count), int(months)) if own and count and months else find_rule(people)
    return people, rule, meets_rule(people, rule)


def share_met(people: PersonMonths, met: Flags) -> float:
    """Share of the referred who met the rule in their month of referral; NaN without referrals."""
    rows = np.flatnonzero(people.referred)
    return float(met[rows, people.referral[rows]].mean()) if len(rows) else float("nan")


def reach(people: PersonMonths, met: Flags) -> float:
    """Referred who met the rule per person-month of treated hospitals after launch that met it."""
    rows = np.flatnonzero(people.referred)
    after = np.arange(people.n_months) >= people.launch[people.unit][:, None]
    months = float((met & after).sum())
    return float(met[rows, people.referral[rows]].sum()) / months if months else 0.0


def find_rule(people: PersonMonths) -> Rule:
    """The rule that the study declares at length, else the one the referrals show: per look-back the largest count met by 90 % of the referred, then the better reach.

    When no count from 2 up is met by 90 %, the pair with the largest share at count 2: it is no usable rule, and is said to be none.
    """
    if people.declared is not None:
        return people.declared
    tried = scan_rules(people)
    best = [
        max((t for t in tried if t.rule.months == m and t.usable), key=lambda t: t.rule.count, default=None)
        for m in SEARCHED_MONTHS
    ]
    usable = [t for t in best if t is not None]
    if usable:
        return max(usable, key=lambda t: t.reach).rule
    return max((t for t in tried if t.rule.count == 2), key=lambda t: t.share).rule


@dataclass(frozen=True)
class Tried:
    """One rule looked at among the referred: the share who met it at referral, and its reach."""

    rule: Rule
    share: float
    reach: float

    @property
    def usable(self) -> bool:
        """Whether enough of the referred met it."""
        return self.share >= SHARE_MET_NEEDED


def scan_rules(people: PersonMonths) -> list[Tried]:
    """By look-back every count from 2 up, to the first that too few of the referred met."""
    tried = []
    for months in SEARCHED_MONTHS:
        for count in range(2, LARGEST_COUNT + 1):
            rule = Rule(count, months)
            met = meets_rule(people, rule)
            tried.append(Tried(rule, share_met(people, met), reach(people, met)))
            if not tried[-1].usable:
                break
    return tried


def died(people: PersonMonths, cohort: Cohort) -> Flags:
    """(P,) members who died during follow-up."""
    return cohort.members & (people.death >= cohort.index) & (people.death < cohort.end)


def lost_months(people: PersonMonths, cohort: Cohort) -> Floats:
    """(P,) months of follow-up lost by death."""
    begin = np.maximum(cohort.index, people.death + 1)
    return np.where(cohort.members, np.maximum(0, cohort.end - begin), 0).astype(float)


def rate_before(people: PersonMonths, cohort: Cohort, months: int = 12) -> Floats:
    """(P,) each member's own monthly rate over the `months` months before the index, 0 for others."""
    running = people.outcome_so_far
    rows, at = np.arange(len(cohort.index)), np.maximum(cohort.index, 0)
    since = np.maximum(at - months, 0)
    total = running[rows, at] - running[rows, since]
    return np.asarray(np.where(cohort.members, total / np.maximum(at - since, 1), 0.0))


def by_unit(values: Floats, people: PersonMonths) -> Floats:
    """(U,) sums of a personal value over home hospitals."""
    return np.asarray(np.bincount(people.unit, weights=values, minlength=len(people.names)), dtype=float)


def _month(column: pd.Series, never: int) -> Ints:
    """A nullable month as integers, `never` where it is empty or beyond the data."""
    filled = column.astype("Int64").fillna(never).to_numpy(dtype=np.int64)
    return np.minimum(filled, never)


def month_labels(panel: Panel, months: Sequence[int]) -> list[str]:
    """The labels of month numbers."""
    labels = panel.periods["label"].astype(str).to_numpy()
    return [str(labels[m]) for m in months]


def patient_objections(
    panel: Panel, analysis: Analysis, rule_outcome: str, count: int | None, months: int | None
) -> list[Problem]:
    """What every design over people needs."""
    if panel.people is None or panel.person_cells is None:
        return [Problem("E430", "there are no people in these data: the input is an aggregated panel", where=analysis.name,
                        do="give the admissions extract, or use a design over sites")]  # fmt: skip
    found = []
    if panel.frequency != "month":
        found.append(Problem("E431", f"the entry rule is about months and these data are by {panel.frequency}", where=analysis.name,
                             do="give dates by month"))  # fmt: skip
    if analysis.outcome not in panel.person_cells.columns:
        have = ", ".join(c for c in panel.person_cells.columns if c not in ("person", "t"))
        found.append(Problem("E432", f"{analysis.outcome!r} is not known person by person", where=analysis.name, allowed=have,
                             do="choose an outcome that is"))  # fmt: skip
    if rule_outcome_of(panel, rule_outcome) is None:
        found.append(Problem("E433", f"the rule counts {rule_outcome!r}, which is not in these data", where=analysis.name,
                             do="set rule_outcome to the admissions the team's rule is about"))  # fmt: skip
    if (count is None) != (months is None):
        found.append(Problem("E434", "half an entry rule: a count and a number of months go together", where=analysis.name,
                             do='write it as "4 admissions in 12 months", or leave both out'))  # fmt: skip
    if panel.people["referral_t"].isna().all():
        found.append(Problem("E435", "nobody was referred inside the data", where=analysis.name,
                             do="give the caseload, with ids of the same kind as the extract"))  # fmt: skip
    return found


def deaths_recorded_from(people: PersonMonths) -> int:
    """First month from which deaths are recorded: 0 unless the months before the first death are too many to hold none by chance.

    An extract of people alive at some date has no deaths before it; such months are immortal. Chance: under 1 % at the rate of
    the months after.
    """
    died = people.death[people.death < people.n_months]
    if not len(died):
        return people.n_months
    first = int(died.min())
    at_risk = people.alive.sum(axis=0)
    rate = len(died) / max(1.0, float(at_risk[first:].sum()))
    return first if rate * float(at_risk[:first].sum()) > -np.log(0.01) else 0


def percent(share: float, digits: int = 0) -> str:
    """A share as the reports write it: 0.23 is "23 %"."""
    return f"{100 * share:.{digits}f} %"


def how_many(people: int) -> str:
    """A count of people as a note has it, which no disclosure control sees: coarse, and small ones in words."""
    return f"fewer than {FEW}" if people < FEW else f"about {FEW * round(people / FEW)}"


def share_told(count: int, people: int) -> str:
    """A share of people as a sentence has it: in per cent where neither part is small, else in words that count nobody."""
    if count in (0, people) or min(count, people - count) >= FEW:
        return percent(count / people) if people else "none"
    return f"fewer than {FEW} people" if count < FEW else f"all but fewer than {FEW} people"


def roughly(share: float) -> str:
    """A share of people whose number is not at hand, as a band."""
    if share == 1:
        return percent(share)
    return next((f"under {percent(top)}" for top in (0.25, 0.5, 0.75, 0.9) if share < top), "90 % or more")


def joined(*parts: str) -> str:
    """The parts of a note that are not empty."""
    return "; ".join(p for p in parts if p)


def rule_note(share: float, uptake: float) -> str:
    """What has to be said when the rule is not one: met by too few of the referred, or too few of those who meet it taken on."""
    if share >= SHARE_MET_NEEDED and uptake >= UPTAKE_NEEDED:
        return ""
    return (f"no usable entry rule: met by {roughly(share)} of the referred, uptake {percent(uptake)}; "
            "the result is unbiased but dilute and must not headline")  # fmt: skip


def deaths_note(panel: Panel, people: PersonMonths) -> str:
    """What has to be said when deaths are unknown, or unknown early on."""
    first = deaths_recorded_from(people)
    if first == people.n_months:
        return "no deaths are known, so months after a death count as months without admissions"
    if first > 0:
        label = month_labels(panel, [first])[0]
        return f"no deaths are recorded before {label}: people followed in earlier months cannot have died"
    return ""
