"""What the patient designs read when the truth is known: relapse and remission, hospital shocks, deaths, referral at the peak.

    python -m benchmarks.patient_worlds [entry_rule] [own_cohorts] [risk_set] [--seeds 1000] [--workers 2] [--out docs/results]

Writes patient_worlds.csv, one row a design and world, and the same in words (patient_worlds.md): mean ratio, bias, coverage of
the truth, share of p <= 0.05, and what is read for the referred. Seeds are fixed beforehand.
"""

from __future__ import annotations

import argparse
import math
import subprocess
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.estimators import build_estimator
from aaot_eval.results import Analysis, OutcomeSpec, Panel

OUTCOME = "alcohol_specific_emergency"
CONTROL = "non_alcohol_emergency"
ROOT = Path(__file__).resolve().parent.parent
#: Set before the first run: coverage of the 95 % interval.
COVERAGE = (0.92, 1.0)


@dataclass(frozen=True)
class World:
    """What is true. Rates are per month; `effect` multiplies the rate from the month of referral on."""

    people: int = 4000
    hospitals: int = 12
    launches: tuple[int, ...] = (36, 42, 48)
    months: int = 72
    effect: float = 1.0
    shock_sd: float = 0.1
    shock_lag: float = 0.9
    trend: float = 0.0
    rule: tuple[int, int] = (4, 12)
    referral: float = 0.25
    relapse: float = 0.02
    recovery: float = 0.10
    rate_ill: float = 0.42
    rate_well: float = 0.03
    death_ill: float = 0.006
    death_well: float = 0.001
    control_count: float = 2500.0


def simulate(world: World, seed: int) -> Panel:
    """A panel of one world. In hospitals with a team, everybody who meets the rule in a month is referred with chance `referral`."""
    rng = np.random.default_rng([seed, 7])
    n, n_t, n_u = world.people, world.months, world.hospitals
    unit = rng.integers(0, n_u, n)
    start = np.full(n_u, n_t)
    start[rng.permutation(n_u)[: len(world.launches)]] = world.launches
    level = rng.gamma(2.0, 0.5, n)
    hospital = rng.normal(0, 0.15, n_u)
    shock = _autoregressive(rng, n_u, n_t, world.shock_sd, world.shock_lag)
    secular = world.trend * np.arange(n_t)
    ill = rng.random(n) < world.relapse / (world.relapse + world.recovery)
    alive = np.ones(n, dtype=bool)
    referral, death = np.full(n, -1), np.full(n, -1)
    y = np.zeros((n, n_t), dtype=np.int64)
    count, months = world.rule
    for t in range(-24, n_t):
        ill = np.where(ill, rng.random(n) >= world.recovery, rng.random(n) < world.relapse)
        if t < 0:
            continue
        eligible = (
            alive
            & (t >= start[unit])
            & (referral < 0)
            & (y[:, max(0, t - months) : t].sum(axis=1) >= count)
            & (t >= months)
        )
        referral[eligible & (rng.random(n) < world.referral)] = t
        rate = (
            np.where(ill, world.rate_ill, world.rate_well)
            * level
            * np.exp(hospital[unit] + shock[unit, t] + secular[t])
        )
        rate = rate * np.where(referral >= 0, world.effect, 1.0)
        y[:, t] = rng.poisson(rate) * alive
        dies = alive & (rng.random(n) < np.where(ill, world.death_ill, world.death_well))
        death[dies] = t
        alive &= ~dies
    control = rng.poisson(
        world.control_count * np.exp(secular + 0.03 * np.cos(2 * np.pi * np.arange(n_t) / 12)), (n_u, n_t)
    )
    return _panel(y, unit, start, referral, death, control)


def _autoregressive(rng: np.random.Generator, n_u: int, n_t: int, sd: float, lag: float) -> np.ndarray:
    out = np.zeros((n_u, n_t))
    out[:, 0] = rng.normal(0, sd, n_u)
    for t in range(1, n_t):
        out[:, t] = lag * out[:, t - 1] + rng.normal(0, sd * np.sqrt(1 - lag**2), n_u)
    return out


def _panel(
    y: np.ndarray, unit: np.ndarray, start: np.ndarray, referral: np.ndarray, death: np.ndarray, control: np.ndarray
) -> Panel:
    n, n_t = y.shape
    n_u = len(start)
    index = pd.period_range("2016-04", periods=n_t, freq="M")
    periods = pd.DataFrame(
        {"label": [str(p) for p in index], "start": index.to_timestamp(), "days": index.days_in_month, "season": index.month,
         "clock": index.year * 12 + index.month - 1, "left_out": False}, index=pd.RangeIndex(n_t, name="t"),
    )  # fmt: skip
    names = [f"H{u + 1:02d}" for u in range(n_u)]

    def month(values: np.ndarray, never: int) -> pd.api.extensions.ExtensionArray:
        return pd.array([pd.NA if v in (-1, never) else int(v) for v in values], dtype="Int64")

    units = pd.DataFrame({"start_t": month(start, n_t), "stop_t": month(np.full(n_u, -1), n_t), "population": 250_000.0, "beds": np.nan,
                          "group": ""}, index=pd.Index(names, name="unit"))  # fmt: skip
    sites = np.array([y[unit == u].sum(axis=0) for u in range(n_u)])
    cells = pd.DataFrame({"unit": np.repeat(names, n_t), "t": np.tile(np.arange(n_t), n_u)})
    cells["exposure"] = 250_000.0 * periods["days"].to_numpy()[cells["t"]] / 365.25
    cells["treated"] = cells["t"].to_numpy() >= np.repeat(start, n_t)
    cells["missing"] = False
    cells[OUTCOME], cells[f"{OUTCOME}_persons"] = sites.ravel(), sites.ravel()
    cells[CONTROL], cells[f"{CONTROL}_persons"] = control.ravel(), control.ravel()
    people = pd.DataFrame({"unit": np.array(names)[unit], "referral_t": month(referral, n_t), "ended_t": month(np.full(n, -1), n_t),
                           "death_t": month(death, n_t), "sex": "", "age": 50}, index=pd.RangeIndex(n, name="person"))  # fmt: skip
    rows = pd.DataFrame({"person": np.repeat(np.arange(n), n_t), "t": np.tile(np.arange(n_t), n), OUTCOME: y.ravel()})
    outcomes = (
        OutcomeSpec(OUTCOME, "alcohol-specific emergency admissions"),
        OutcomeSpec(CONTROL, "non-alcohol emergency admissions"),
    )
    return Panel("month", 12, periods, units, cells, outcomes, people, rows)


MANY = World(people=10_000)
ONE = World(people=4000, hospitals=1, launches=(36,))
WORLDS: dict[str, dict[str, World]] = {
    "entry_rule": {
        "no effect": MANY,
        "no effect, shocks 0.2": replace(MANY, shock_sd=0.2),
        "effect 0.77": replace(MANY, effect=0.77),
        "effect 0.5": replace(MANY, effect=0.5),
        "harm 1.4": replace(MANY, effect=1.4),
        "one treated of 10, no effect": replace(MANY, hospitals=10, launches=(40,)),
    },
    "own_cohorts": {
        "no effect": ONE,
        "no effect, no shocks": replace(ONE, shock_sd=0.0),
        "no effect, shocks 0.2": replace(ONE, shock_sd=0.2),
        "no effect, rise 0.4 % a month": replace(ONE, trend=0.004),
        "no effect, small trust": replace(ONE, people=1500),
        "no effect, 48 and 36 months": replace(ONE, launches=(48,), months=84),
        "effect 0.77": replace(ONE, effect=0.77),
        "effect 0.5": replace(ONE, effect=0.5),
        "harm 1.4": replace(ONE, effect=1.4),
    },
    "risk_set": {
        "no effect": MANY,
        "no effect, shocks 0.2": replace(MANY, shock_sd=0.2),
        "effect 0.77": replace(MANY, effect=0.77),
        "one treated of 10, no effect": replace(MANY, hospitals=10, launches=(40,)),
    },
}


def read(design: str, world: World, seed: int) -> dict[str, float]:
    """One panel analysed: the true and the estimated ratio, its limits and p, and the ratio on the referred."""
    panel = simulate(world, seed)
    analysis = Analysis(design, design, design, OUTCOME)  # type: ignore[arg-type]
    estimator = build_estimator(design, {"rule_count": world.rule[0], "rule_months": world.rule[1]})
    if estimator.objections(panel, analysis):
        return {}
    estimates = estimator.fit(panel, analysis, seed=seed)
    head, facts = estimates[0], estimates[0].facts
    referred = next(e for e in estimates if e.facts["role"] == "referred")
    truth = world.effect
    if facts["role"] == "itt":
        on_team = (
            facts["rate_on_team"] * facts["on_team_person_months"] / (facts["rate_after"] * facts["post_person_months"])
        )
        truth = 1 / (on_team / world.effect + 1 - on_team)
    return {"truth": truth, "ratio": head.estimate, "low": head.conf_low, "high": head.conf_high, "p": head.p_value,
            "referred": referred.estimate, "referred_low": referred.conf_low, "referred_high": referred.conf_high,
            "uptake": facts.get("uptake", math.nan), "placebo": facts.get("placebo_launch", math.nan)}  # fmt: skip


def score(design: str, name: str, world: World, seeds: Sequence[int], workers: int) -> dict[str, object]:
    """One row: what the design read over the seeds."""
    with ProcessPoolExecutor(workers) as pool:
        rows = pd.DataFrame([r for r in pool.map(partial(read, design, world), seeds, chunksize=5) if r])
    error = np.log(rows["ratio"] / rows["truth"])
    covers = (rows["low"] <= rows["truth"]) & (rows["truth"] <= rows["high"])
    low, high = binomial(int(covers.sum()), len(rows))
    return {
        "design": design, "world": name, "seeds": len(seeds), "estimable": len(rows), "truth": rows["truth"].mean(),
        "reads": math.exp(np.log(rows["ratio"]).mean()), "bias": math.expm1(error.mean()), "bias_error": error.std() / math.sqrt(len(rows)),
        "sd_log": error.std(), "half_width": (np.log(rows["high"] / rows["low"]) / 2).median(),
        "covers": covers.mean(), "covers_low": low, "covers_high": high, "p_below_05": (rows["p"] <= 0.05).mean(),
        "referred_truth": world.effect, "referred_reads": rows["referred"].median(),
        "referred_covers": ((rows["referred_low"] <= world.effect) & ~(rows["referred_high"] < world.effect)).mean(),
        "uptake": rows["uptake"].mean(), "placebo_reads": math.exp(np.log(rows["placebo"]).mean()),
        "verdict": "holds" if high >= COVERAGE[0] and low <= COVERAGE[1] else "fails",
    }  # fmt: skip


def binomial(hits: int, n: int) -> tuple[float, float]:
    """The 99 % interval of a share."""
    low = float(stats.beta.ppf(0.005, hits, n - hits + 1)) if hits else 0.0
    return low, float(stats.beta.ppf(0.995, hits + 1, n - hits)) if hits < n else 1.0


def page(table: pd.DataFrame, designs: Sequence[str], seeds: int) -> str:
    """The results in words and one table."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.strip()
    lines = [
        "# What the patient designs read when the truth is known",
        "",
        f"`python -m benchmarks.patient_worlds {' '.join(designs)} --seeds {seeds}` at commit {commit}: {seeds:,} simulated panels a row.",
        "World: relapse and remission in every person, gamma levels, hospital levels of sd 0.15, monthly hospital shocks of sd 0.1 and",
        "lag-1 correlation 0.9, deaths six times as frequent in relapse, referral at the peak (4 or more admissions in 12 months).",
        "Truth: the ratio over everybody who met the rule (entry_rule, own_cohorts), or over the referred (risk_set).",
        f"Band: coverage of {COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}, judged by its 99 % binomial interval.",
        "",
        "| design | world | truth | reads | bias (error) | half width, log | covers | p <= 0.05 | referred: truth, median | band |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in table.itertuples():
        cells = [r.design, r.world, f"{r.truth:.3f}", f"{r.reads:.3f}", f"{r.bias:+.1%} ({r.bias_error:.1%})", f"{r.half_width:.2f}",
                 f"{r.covers:.1%}", f"{r.p_below_05:.1%}", f"{r.referred_truth:.2f}, {r.referred_reads:.2f}", r.verdict]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what was asked for and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("designs", nargs="*", default=list(WORLDS))
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    rows = [score(d, name, world, seeds, asked.workers) for d in asked.designs for name, world in WORLDS[d].items()]
    asked.out.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows)
    table.round(4).to_csv(asked.out / "patient_worlds.csv", index=False, lineterminator="\n")
    text = page(table, asked.designs, asked.seeds)
    (asked.out / "patient_worlds.md").write_text(text, encoding="utf-8", newline="\n")
    print(text)


if __name__ == "__main__":
    main()
