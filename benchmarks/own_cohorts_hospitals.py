"""Own pre-launch cohorts when hospitals change for reasons of their own: several trusts, and two groups of one trust.

    python -m benchmarks.own_cohorts_hospitals [--seeds 200] [--out docs/results]

Worlds are those of benchmarks/patient_worlds.py without an effect, so that every ratio is truly 1. On top of them admissions
are thinned: from launch on by a factor of each trust's own ("levels": something else changed there, which its earlier months cannot show), or month by
month by factors of one group of people against the other ("shocks of groups"). Beside the interval that is given stands the one without the
part in question. Bands, set before the first run: coverage 92 to 100 %, p <= 0.05 in at most 7 %, each judged by its 99 % interval.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.estimators._own_hospitals import Part
from aaot_eval.estimators._own_parts import among, split_own
from aaot_eval.estimators.own_cohorts import OwnCohorts, pooled
from aaot_eval.results import Analysis, Panel, generator
from benchmarks.patient_worlds import COVERAGE, FALSE_ALARMS, ONE, OUTCOME, ROOT, World, binomial, simulate
from benchmarks.stamp import commit_now

ANALYSIS = Analysis("own_cohorts", "own_cohorts", "own_cohorts", OUTCOME)
ESTIMATOR = OwnCohorts(4, 12)
FIRST_SEED = 40_000
#: Thinning starts from here, so that factors above one are possible.
KEPT = 0.7
LEVEL_SD, GROUP_SD, LAG = 0.15, 0.15, 0.9
THREE = replace(ONE, people=6000, hospitals=3, launches=(36, 40, 44))
SIX = replace(ONE, people=9000, hospitals=6, launches=(36, 38, 40, 42, 44, 46))
Reading = tuple[float, float, float, float]
"""Log ratio, its half-width and p; half-width without the part in question."""


def thinned(panel: Panel, kept: np.ndarray, rng: np.random.Generator) -> Panel:
    """The panel with every admission kept at the chance (P, T) of its person and month."""
    y = rng.binomial(panel.person_matrix(OUTCOME).astype(np.int64), np.minimum(kept, 1.0))
    assert panel.people is not None
    unit = panel.people["unit"].to_numpy()
    sites = np.concatenate([y[unit == u].sum(axis=0) for u in panel.units.index])
    assert panel.person_cells is not None
    return replace(
        panel,
        person_cells=panel.person_cells.assign(**{OUTCOME: y.ravel()}),
        cells=panel.cells.assign(**{OUTCOME: sites, f"{OUTCOME}_persons": sites}),
    )


def with_levels(world: World, sd: float, seed: int) -> Panel:
    """A panel in which every trust has a lasting change of its own from launch on."""
    panel, rng = simulate(world, seed), generator(seed, "own_cohorts_hospitals", "levels")
    change = dict(zip(panel.units.index, rng.normal(0, sd, len(panel.units)), strict=True))
    assert panel.people is not None
    unit = panel.people["unit"]
    start = unit.map(panel.units["start_t"].astype(int)).to_numpy()
    after = np.arange(len(panel.periods)) >= start[:, None]
    return thinned(panel, KEPT * np.exp(np.where(after, unit.map(change).to_numpy(dtype=float)[:, None], 0.0)), rng)


def with_groups(world: World, sd: float, seed: int) -> tuple[Panel, np.ndarray]:
    """A panel whose people are in two groups at random, with monthly shocks of one against the other; who is in the first."""
    panel, rng = simulate(world, seed), generator(seed, "own_cohorts_hospitals", "groups")
    assert panel.people is not None
    one = rng.random(len(panel.people)) < 0.5
    shock = np.empty(len(panel.periods))
    shock[0] = rng.normal(0, sd)
    for t in range(1, len(shock)):
        shock[t] = LAG * shock[t - 1] + rng.normal(0, sd * math.sqrt(1 - LAG**2))
    return thinned(panel, KEPT * np.exp(np.where(one, 0.5, -0.5)[:, None] * shock), rng), one


def read_trusts(world: World, sd: float, seed: int) -> Reading:
    """The headline over several trusts, and its half-width by each trust's own parts alone."""
    panel = with_levels(world, sd, seed)
    people, rule, met = ESTIMATOR._people(panel, ANALYSIS)
    trusts, _ = ESTIMATOR._trusts(panel, ANALYSIS, people, rule, met)
    done = [ESTIMATOR._result(panel, ANALYSIS, people, t) for t in trusts]
    share, log_ratio, variance = pooled(done)
    own = Part.total([p.times(s) for s, r in zip(share, done, strict=True) for p in (r.people, r.hospital)])
    return log_ratio, variance.half_width(0.95), p_of(log_ratio, variance), own.half_width(0.95)


def read_groups(world: World, sd: float, seed: int) -> Reading:
    """The ratio of two groups at one trust, and its half-width by people alone."""
    panel, one = with_groups(world, sd, seed)
    split = ESTIMATOR.splits(panel, ANALYSIS, [("g", ("one", "two"), (one, ~one))])[0]
    people, rule, met = ESTIMATOR._people(panel, ANALYSIS)
    (trust,) = ESTIMATOR._trusts(panel, ANALYSIS, people, rule, met)[0]
    parts = []
    for who in (one, ~one):
        made = among(people, trust, who)
        assert not isinstance(made, str)
        parts.append(replace(ESTIMATOR._result(panel, ANALYSIS, people, made), shocks=None))
    alone = split_own("g", ("one", "two"), [[p] for p in parts], {})
    widths = [Part(s.std_error**2, s.df).half_width(0.95) for s in (split, alone)]
    return split.log_ratio, widths[0], split.p_value, widths[1]


def p_of(log_ratio: float, variance: Part) -> float:
    """Two-sided p of no effect."""
    return float(2 * stats.t.sf(abs(log_ratio) / math.sqrt(variance.variance), variance.df))


CELLS: dict[str, tuple[str, Callable[[int], Reading]]] = {
    "three trusts": ("each trust's own", lambda s: read_trusts(THREE, 0.0, s)),
    f"three trusts, levels of sd {LEVEL_SD:g}": ("each trust's own", lambda s: read_trusts(THREE, LEVEL_SD, s)),
    f"six trusts, levels of sd {LEVEL_SD:g}": ("each trust's own", lambda s: read_trusts(SIX, LEVEL_SD, s)),
    "one trust, two groups": ("people alone", lambda s: read_groups(ONE, 0.0, s)),
    f"one trust, two groups, shocks of groups of sd {GROUP_SD:g}": ("people alone", lambda s: read_groups(ONE, GROUP_SD, s)),
}  # fmt: skip


def cell(name: str, seeds: int) -> dict[str, object]:
    """One row: what was read over the seeds, where the truth is 1."""
    without, read = CELLS[name]
    log_ratio, half, p, narrow = np.array([read(s) for s in range(FIRST_SEED, FIRST_SEED + seeds)]).T
    covers, alarms = int((np.abs(log_ratio) <= half).sum()), int((p <= 0.05).sum())
    fails = [w for w, bad in (("coverage", binomial(covers, seeds)[1] < COVERAGE[0]), ("false alarms", binomial(alarms, seeds)[0] > FALSE_ALARMS)) if bad]  # fmt: skip
    return {"world": name, "seeds": seeds, "reads": float(np.exp(log_ratio.mean())), "sd_log": float(log_ratio.std(ddof=1)), "half_width": float(np.median(half)),
            "covers": covers / seeds, "p_below_05": alarms / seeds, "without": without, "half_width_without": float(np.median(narrow)),
            "covers_without": float((np.abs(log_ratio) <= narrow).mean()), "fails": "; ".join(fails)}  # fmt: skip


def page(table: pd.DataFrame, commit: str) -> str:
    """The table in words."""
    lines = [
        "# Own cohorts when hospitals change for reasons of their own",
        "",
        f"`python -m benchmarks.own_cohorts_hospitals` at commit {commit}. No service does anything here: the truth is 1. A cell fails when the 99 % interval of its",
        f"share lies outside: coverage {COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}, p <= 0.05 in at most {FALSE_ALARMS:.0%}. "
        "The last columns are of the interval without the part in question.",
        "",
        "| world | panels | reads | sd, log | half width, log | covers | p <= 0.05 | fails | without | half width | covers |",
        "|---|---:|---:|---:|---:|---:|---:|---|---|---:|---:|",
    ]
    for r in table.itertuples():
        lines.append(
            f"| {r.world} | {r.seeds} | {r.reads:.3f} | {r.sd_log:.2f} | {r.half_width:.2f} | {r.covers:.1%} | {r.p_below_05:.1%} | {r.fails or '-'} "
            f"| {r.without} | {r.half_width_without:.2f} | {r.covers_without:.1%} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Every cell, stored with the commit that made it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    commit = commit_now()
    rows = []
    for name in CELLS:
        rows.append(cell(name, asked.seeds))
        table = pd.DataFrame(rows)
        table.round(4).to_csv(asked.out / "own_cohorts_hospitals.csv", index=False, lineterminator="\n")
        (asked.out / "own_cohorts_hospitals.md").write_text(page(table, commit), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
