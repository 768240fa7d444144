"""Simulated people whose truth is known: relapse and remission, hospital shocks, deaths, referral at the peak.

    python -m benchmarks.patient_worlds entry_rule --seeds 200 --effect 0.77

prints what the design reads over many seeds: mean ratio, its bias, coverage and false alarms.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.results import Analysis, OutcomeSpec, Panel

OUTCOME = "alcohol_specific_emergency"
CONTROL = "non_alcohol_emergency"


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
        eligible = alive & (t >= start[unit]) & (referral < 0) & (y[:, max(0, t - months) : t].sum(axis=1) >= count) & (t >= months)
        referral[eligible & (rng.random(n) < world.referral)] = t
        rate = np.where(ill, world.rate_ill, world.rate_well) * level * np.exp(hospital[unit] + shock[unit, t] + secular[t])
        rate = rate * np.where(referral >= 0, world.effect, 1.0)
        y[:, t] = rng.poisson(rate) * alive
        dies = alive & (rng.random(n) < np.where(ill, world.death_ill, world.death_well))
        death[dies] = t
        alive &= ~dies
    control = rng.poisson(world.control_count * np.exp(secular + 0.03 * np.cos(2 * np.pi * np.arange(n_t) / 12)), (n_u, n_t))
    return _panel(y, unit, start, referral, death, control)


def _autoregressive(rng: np.random.Generator, n_u: int, n_t: int, sd: float, lag: float) -> np.ndarray:
    out = np.zeros((n_u, n_t))
    out[:, 0] = rng.normal(0, sd, n_u)
    for t in range(1, n_t):
        out[:, t] = lag * out[:, t - 1] + rng.normal(0, sd * np.sqrt(1 - lag**2), n_u)
    return out


def _panel(y: np.ndarray, unit: np.ndarray, start: np.ndarray, referral: np.ndarray, death: np.ndarray, control: np.ndarray) -> Panel:
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
    outcomes = (OutcomeSpec(OUTCOME, "alcohol-specific emergency admissions"), OutcomeSpec(CONTROL, "non-alcohol emergency admissions"))
    return Panel("month", 12, periods, units, cells, outcomes, people, rows)
