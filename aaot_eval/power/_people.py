"""Precision for the number of people referred, from those who met the entry rule before the start."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit

from aaot_eval.estimators._cohorts import (
    Cohort,
    PersonMonths,
    Rule,
    first_cohort,
    meets_rule,
    newly_meets_rule,
    person_months,
    rule_outcome_of,
)
from aaot_eval.results import Panel, generator

REFERRED = (25, 50, 100, 200, 400, 800)
LEAST_PEOPLE = 30
WANTED = 0.8


def people_rows(
    panel: Panel, past: Panel, outcome: str, rule: tuple[int, int] | None, follow_up: int, fall: float, replicates: int,
    seed: int, level: float, referred: int | None,
) -> tuple[list[dict[str, Any]], list[str], dict[str, Any]]:  # fmt: skip
    """Half-width of the rate ratio and power, by the number referred, against as many comparison people as met the rule."""
    if past.people is None or past.person_cells is None:
        return [], ["People: not judged, because the input holds no people."], {}
    wanted = rule_outcome_of(past, outcome)
    if rule is None or wanted is None:
        return [], ["People: not judged, because the config names no entry rule in numbers."], {}
    people = person_months(past, outcome, wanted)
    new = newly_meets_rule(meets_rule(people, Rule(*rule)))
    cohort = first_cohort(new, 0, max(people.n_months - follow_up + 1, 0), follow_up)
    pool = _followed(people, cohort, follow_up)
    if len(pool) < LEAST_PEOPLE or not pool.sum() > 0:
        words = f"People: not judged, because only {'fewer than ' + str(LEAST_PEOPLE)} people met the entry rule and were followed for {follow_up} months before the start."
        return [], [words], {}
    asked = referred or (int(panel.people["referral_t"].notna().sum()) if panel.people is not None else 0)
    rows = [
        _row(pool, n, follow_up, fall, max(replicates, 1000), seed, level)
        for n in sorted({*REFERRED, *([asked] if asked >= 2 else [])})
    ]
    enough = next((r["people"] for r in rows if r["power"] >= WANTED), None)
    words = f"People (met the rule before the start: {pool.mean():.2f} in {follow_up} months, variance {pool.var(ddof=1) / pool.mean():.1f} times the mean): "
    own = next((r for r in rows if r["people"] == asked), None)
    if own:
        words += f"with {asked} referred the ratio is known to about {_percent(own['half_width'])} either way (power {own['power']:.0%} for a fall of {fall:.0%}); "
    words += (
        f"{enough} referred reach a power of {WANTED:.0%}."
        if enough
        else f"not even {REFERRED[-1]} referred reach a power of {WANTED:.0%}."
    )
    return rows, [words], {"referred": asked, "referred_needed": enough}


def _followed(people: PersonMonths, cohort: Cohort, follow_up: int) -> np.ndarray:
    """Events of each person of the cohort in the months from meeting the rule; after a death there are none."""
    running = people.outcome_so_far
    rows = np.flatnonzero(cohort.members)
    begin = cohort.index[rows]
    return np.asarray(running[rows, begin + follow_up] - running[rows, begin])


def _row(pool: np.ndarray, n: int, follow_up: int, fall: float, draws: int, seed: int, level: float) -> dict[str, Any]:
    rng = generator(seed, "power", "people", n)
    m = len(pool)
    treated = rng.binomial(pool[rng.integers(0, m, (draws, n))].astype(int), 1 - fall)
    control = pool[rng.integers(0, m, (draws, m))]
    means = [np.maximum(a.mean(axis=1), 0.5 / a.shape[1]) for a in (treated, control)]
    variance = sum(
        a.var(axis=1, ddof=1) / (a.shape[1] * mean**2) for a, mean in zip((treated, control), means, strict=True)
    )
    error, log = np.sqrt(variance), np.log(means[0] / means[1])
    quantile = float(stdtrit(n + m - 2, 1 - level / 2))
    return {
        "part": "people", "what": f"people followed for {follow_up} months against people who met the same rule", "people": n, "fall": fall,
        "power": float(np.mean(np.abs(log) > quantile * error)), "half_width": float(np.median(quantile * error)),
    }  # fmt: skip


def _percent(log_half: float) -> str:
    return f"{np.expm1(log_half) * 100:.0f} %"
