"""Precision for the number of people referred, from those who met the entry rule before the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from aaot_eval.errors import counted
from aaot_eval.estimators._cohorts import (
    HOSPITALS_FOR_TAU2,
    Cohort,
    PersonMonths,
    Rule,
    first_cohort,
    meets_rule,
    newly_meets_rule,
    person_months,
    rule_outcome_of,
)
from aaot_eval.estimators._random_effects import dersimonian_laird
from aaot_eval.power._as_referred import Past, as_referred
from aaot_eval.power._before import Asked
from aaot_eval.results import Panel, generator

REFERRED = (25, 50, 100, 200, 400, 800)
LEAST_PEOPLE = 30
#: A hospital with fewer people who met the rule says nothing of the spread between hospitals.
LEAST_OF_HOSPITAL = 5
#: Comparison people drawn at most; the error is that of all there are.
MOST_CONTROLS = 2_000
WANTED = 0.8
LEAST_DRAWS = 1_000


def people_rows(panel: Panel, past: Panel, asked: Asked) -> tuple[list[dict[str, Any]], list[str], dict[str, Any]]:
    """Half-width of the rate ratio and power, by the number referred, against as many comparison people as met the rule."""
    follow_up, fall = asked.follow_up, asked.fall
    if past.people is None or past.person_cells is None:
        return [], ["People: not judged, because the input holds no people."], {}
    wanted = rule_outcome_of(past, asked.outcome)
    if wanted is None or (asked.rule is None and "cohort_rule" not in past.extra):
        return [], ["People: not judged, because the config names no entry rule in numbers."], {}
    people = person_months(past, asked.outcome, wanted)
    told = people.declared or Rule(*(asked.rule or (1, 12)))
    met = meets_rule(people, told)
    new = newly_meets_rule(met)
    cohort = first_cohort(new, 0, max(people.n_months - follow_up + 1, 0), follow_up)
    pool = _followed(people, cohort, follow_up)
    hospitals = _hospitals(panel, people, cohort, pool)
    if len(pool) < LEAST_PEOPLE or not pool.sum() > 0:
        words = f"People: not judged, because only {'fewer than ' + str(LEAST_PEOPLE)} people met the entry rule and were followed for {counted(follow_up, 'month')} before the start."
        return [], [words], {}
    own_number = asked.referred or (int(panel.people["referral_t"].notna().sum()) if panel.people is not None else 0)
    served = np.isin(np.array(people.names), panel.treated_units)
    weighted = as_referred(people, told, met, served, follow_up, len(panel.periods) - people.n_months)
    rows = [
        _weighted_row(weighted, n, asked) if weighted else _row(pool, hospitals, n, asked)
        for n in sorted({*REFERRED, *([own_number] if own_number >= 2 else [])})
    ]
    apart = weighted.tau2**0.5 if weighted else hospitals.sd
    enough = next((r["people"] for r in rows if r["power"] >= WANTED), None)
    how = (
        f"weighted to one past, hospitals apart by {np.expm1(apart):.0%}"
        if weighted
        else f"{hospitals.words}; they could not be weighted to one past as the estimator does, which makes these figures cautious"
    )
    words = f"People (met the rule before the start: {pool.mean():.2f} in {counted(follow_up, 'month')}, variance {pool.var(ddof=1) / pool.mean():.1f} times the mean, {how}): "
    own = next((r for r in rows if r["people"] == own_number), None)
    if own:
        words += f"with {own_number} referred the ratio is known to about {_percent(own['half_width'])} either way (power {own['power']:.0%} for a fall of {fall:.0%}); "
    words += (
        f"{enough} referred reach a power of {WANTED:.0%}."
        if enough
        else f"not even {REFERRED[-1]} referred reach a power of {WANTED:.0%}."
    )
    return rows, [words], {"referred": own_number, "referred_needed": enough, "hospital_sd": apart}


def _weighted_row(past: Past, n: int, asked: Asked) -> dict[str, Any]:
    """One number of referred, by the comparison that `risk_set` makes."""
    power, half = past.draw(n, asked.fall, _draws(asked), asked.seed, asked.level)
    what = f"people followed for {counted(asked.follow_up, 'month')} against people who met the same rule, weighted to the same past"
    return {"part": "people", "what": what, "people": n, "fall": asked.fall, "power": power, "half_width": half}


@dataclass(frozen=True)
class Hospitals:
    """How far hospitals lie apart among people who met the rule: sd of the log rate beyond chance, NaN where it cannot be told;
    how many will have the service, and the shares of the others (C,)."""

    sd: float
    treated: int
    shares: np.ndarray

    @property
    def words(self) -> str:
        """The spread in a sentence."""
        if np.isnan(self.sd):
            return "too few hospitals to tell how far they lie apart, so people alone are counted"
        return f"hospitals apart by {np.expm1(self.sd):.0%}"

    @property
    def variance(self) -> float:
        """What the hospitals add to the variance of the log ratio."""
        tau2 = 0.0 if np.isnan(self.sd) else self.sd**2
        return float(tau2 * (1 / max(self.treated, 1) + (self.shares**2).sum()))


def _hospitals(panel: Panel, people: PersonMonths, cohort: Cohort, pool: np.ndarray) -> Hospitals:
    """From the same people hospital by hospital; the spread by DerSimonian and Laird."""
    unit = people.unit[np.flatnonzero(cohort.members)]
    held = np.isin(np.array(people.names), panel.treated_units)
    n = np.bincount(unit, minlength=len(people.names)).astype(float)
    total = np.bincount(unit, weights=pool, minlength=len(people.names))
    spread = np.bincount(unit, weights=(pool - (total / np.maximum(n, 1))[unit]) ** 2, minlength=len(people.names))
    some = (n >= LEAST_OF_HOSPITAL) & (total > 0)
    sd = float("nan")
    if some.sum() >= HOSPITALS_FOR_TAU2:
        variance = spread[some] / (n[some] - 1) / n[some] / (total[some] / n[some]) ** 2
        sd = dersimonian_laird(np.log(total[some] / n[some]), np.maximum(variance, 1e-12)) ** 0.5
    others = n[~held & (n > 0)]
    return Hospitals(sd, int(held.sum()), others / others.sum() if others.sum() else np.ones(1))


def _followed(people: PersonMonths, cohort: Cohort, follow_up: int) -> np.ndarray:
    """Events of each person of the cohort in the months from meeting the rule; after a death there are none."""
    running = people.outcome_so_far
    rows = np.flatnonzero(cohort.members)
    begin = cohort.index[rows]
    return np.asarray(running[rows, begin + follow_up] - running[rows, begin])


def _draws(asked: Asked) -> int:
    """Drawing people is quick: more of them than of other replicates."""
    return max(asked.replicates, LEAST_DRAWS)


def _row(pool: np.ndarray, hospitals: Hospitals, n: int, asked: Asked) -> dict[str, Any]:
    """One number of referred: people drawn as they were, hospitals moved apart as they are, judged with both in the error.

    t with (comparison hospitals - 1) where hospitals' spread is known, as the estimator has it.
    """
    rng, draws = generator(asked.seed, "power", "people", n), _draws(asked)
    m, known = len(pool), not np.isnan(hospitals.sd)
    treated = rng.binomial(pool[rng.integers(0, m, (draws, n))].astype(int), 1 - asked.fall)
    control = pool[rng.integers(0, m, (draws, min(m, MOST_CONTROLS)))]
    means = [np.maximum(a.mean(axis=1), 0.5 / a.shape[1]) for a in (treated, control)]
    sizes = (n, m)
    people = sum(
        a.var(axis=1, ddof=1) / (size * mean**2) for a, size, mean in zip((treated, control), sizes, means, strict=True)
    )
    shocks = rng.standard_normal(draws) * np.sqrt(hospitals.variance)
    error, log = np.sqrt(people + hospitals.variance), np.log(means[0] / means[1]) + shocks
    df = len(hospitals.shares) - 1 if known else n + m - 2
    quantile = float(stdtrit(max(df, 1), 1 - asked.level / 2))
    return {
        "part": "people", "what": f"people followed for {counted(asked.follow_up, 'month')} against people who met the same rule",
        "people": n, "fall": asked.fall,
        "power": float(np.mean(np.abs(log) > quantile * error)), "half_width": float(np.median(quantile * error)),
    }  # fmt: skip


def _percent(log_half: float) -> str:
    return f"{np.expm1(log_half) * 100:.0f} %"
