"""Are power's figures those of a brute-force simulation, within 3 points? Goal of the product.

    python -m benchmarks.power_check [--reps 2000] [--seed 1] [--out docs/results]

Each design is simulated again by code of its own (a latent AR(1) built month by month, counts as quantiles of the negative binomial at its
rank) and handed to the estimators; the share of panels with p < 0.05 stands beside what `power` says for the
same truth. A cell fails when the 99 % interval of the difference lies outside 3 points. Writes power_check.csv and power_check.md with the commit.
"""

from __future__ import annotations

import argparse
import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._its_model import Series, fit_model, mean_model, season_pairs
from aaot_eval.estimators._sites import site_data
from aaot_eval.estimators.site_did import fit_sites
from aaot_eval.power._series import Past, power_of
from aaot_eval.power._sites import AFTER, _power
from aaot_eval.results import Analysis, generator
from tests.builders import site_panel

ROOT = Path(__file__).resolve().parent.parent
POINTS, LEVEL, FALL = 3.0, 0.05, 0.23
SERIES = ((24, 24, 100.0, 0.2), (36, 24, 100.0, 0.4), (36, 24, 300.0, 0.2), (36, 36, 20.0, 0.0))
"""Months before, months after, mean, rho; variance twice the mean."""
SITES = ((14, 2, 36, 40.0, 0.4), (14, 3, 36, 15.0, 0.2), (28, 1, 36, 60.0, 0.4))
"""Sites, treated, months before, mean, rho."""


def drawn(mean: np.ndarray, rho: float, rng: np.random.Generator) -> np.ndarray:
    """Counts with variance twice the mean whose latent normal scores are AR(1), month by month."""
    shape = mean.shape
    latent = np.empty(shape)
    state = rng.standard_normal(shape[:-1])
    for t in range(shape[-1]):
        if t:
            state = rho * state + math.sqrt(1 - rho**2) * rng.standard_normal(shape[:-1])
        latent[..., t] = state
    # Size k and chance k / (k + mu) of a negative binomial with variance 2 mu: k = mu.
    return np.asarray(stats.nbinom(mean, 0.5).ppf(stats.norm.cdf(latent)))


def season(months: int) -> np.ndarray:
    """A year's wave of a tenth either way."""
    return np.asarray(np.exp(0.1 * np.cos(2 * np.pi * np.arange(months) / 12)))


def series_cell(before: int, after: int, mean: float, rho: float, reps: int, seed: int) -> dict[str, Any]:
    """What power says of one series, and how often the default estimator finds the fall in series made here."""
    claimed, _ = power_of(
        Past(np.arange(before), mean * season(before), 2.0, rho, 12), after, 1.0, FALL, reps, seed, LEVEL
    )
    rng = generator(seed, "power_check", "series", before, after, int(mean), int(100 * rho))
    n = before + after
    mu = mean * season(n) * np.where(np.arange(n) >= before, 1 - FALL, 1.0)
    found, clock, none = 0, np.arange(n), np.zeros(n, dtype=bool)
    for y in drawn(np.broadcast_to(mu, (reps, n)), rho, rng):
        series = Series(unit="", kind="count", clock=clock, y=y, exposure=np.ones(n), persons=y, missing=none, left_out=none,
                        service=clock >= before, closed=none, start=before, first_clock=before, season_length=12,
                        labels=tuple(map(str, clock)), pandemic=np.zeros(n, dtype=int))  # fmt: skip
        fitted = fit_model(series, mean_model(series, slope=False, pairs=season_pairs(n, 12)), 1 - LEVEL)
        found += fitted is not None and fitted.wald.p_value < LEVEL
    return row("series", f"{before} + {after} months, {mean:g} a month, rho {rho:g}", claimed, found / reps, reps)


def sites_cell(sites: int, treated: int, before: int, mean: float, rho: float, reps: int, seed: int) -> dict[str, Any]:
    """What power says of sites of unequal size, and how often the exact randomisation finds the fall in panels made here."""
    rng = generator(seed, "power_check", "sites", sites, treated, before, int(mean))
    size = np.exp(rng.normal(0, 0.4, sites))
    level = mean * size[:, None] * season(before)
    claimed, _ = _power(level, 2.0, rho, np.zeros(treated, dtype=int), FALL, reps, seed, LEVEL)
    n, found = before + AFTER, 0
    year = level[:, -12:]
    future = np.concatenate([level, year[:, np.arange(AFTER) % 12]], axis=1)
    estimator = build_estimator("site_did", {})
    asked = Analysis("a", "sites", "site_did", "a")
    for i in range(reps):
        mu = future[rng.permutation(sites)]
        mu = mu * np.where((np.arange(sites) < treated)[:, None] & (np.arange(n) >= before), 1 - FALL, 1.0)
        panel = site_panel({"a": drawn(mu, rho, rng)}, [before] * treated + [None] * (sites - treated))
        if i == 0:
            # The whole estimator once, so that the shorter way below is the same p.
            whole = estimator.fit(panel, asked, seed=1)[0].p_value
            assert whole == fit_sites(site_data(panel, "a"), 1).p_value
        found += fit_sites(site_data(panel, "a"), 1).p_value <= LEVEL
    return row(
        "sites",
        f"{treated} of {sites} sites, {before} + {AFTER} months, {mean:g} a month, rho {rho:g}",
        claimed,
        found / reps,
        reps,
    )


def row(part: str, design: str, claimed: float, brute: float, reps: int) -> dict[str, Any]:
    """One line of the table; `holds` unless the 99 % interval of the difference lies outside 3 points."""
    error = 100 * math.sqrt((claimed * (1 - claimed) + brute * (1 - brute)) / reps)
    gap = 100 * (claimed - brute)
    return {"part": part, "design": design, "power": round(100 * claimed, 1), "brute_force": round(100 * brute, 1), "difference": round(gap, 1),
            "half_99": round(2.576 * error, 1), "holds": "yes" if abs(gap) - 2.576 * error <= POINTS else "no"}  # fmt: skip


def main() -> None:
    """Every cell, stored with the commit that made it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--reps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    rows = [series_cell(*c, asked.reps, asked.seed) for c in SERIES] + [
        sites_cell(*c, asked.reps, asked.seed) for c in SITES
    ]
    table = pd.DataFrame(rows)
    table.to_csv(asked.out / "power_check.csv", index=False, lineterminator="\n")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.strip()
    lines = [
        "# Power against brute force",
        "",
        f"`python -m benchmarks.power_check --reps {asked.reps}` at commit {commit}: a fall of {FALL:.0%}, variance twice the mean, level {LEVEL:g}. "
        f"A cell holds unless the 99 % interval of the difference lies outside {POINTS:g} points.",
        "",
        "| part | design | power says, % | brute force, % | difference, points | 99 % +/- | holds |",
        "|---|---|---:|---:|---:|---:|---|",
        *[
            f"| {r['part']} | {r['design']} | {r['power']} | {r['brute_force']} | {r['difference']:+} | {r['half_99']} | {r['holds']} |"
            for r in rows
        ],
        "",
    ]
    (asked.out / "power_check.md").write_text("\n".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
