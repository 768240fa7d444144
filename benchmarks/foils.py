"""What the usual two-way regressions read when the truth is known: over sites, and over people referred at their peak.

    python -m benchmarks.foils [--sites 500] [--people 100] [--out docs/results]

Sites: 14, the service in 3 from months 16, 19 and 22 of 36, as in benchmarks/site_placebo.py. People: the world "known rule, shocks 0.1"
of benchmarks/patient_worlds.py, 2,000 people; held to the ratio in the referred. Nothing is asked of these estimators, so there is no band: they stand beside the
others to show what usual practice would have said. Writes foils.csv and foils.md with the commit that made them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from aaot_eval.estimators import build_estimator
from aaot_eval.results import Analysis, Estimate, Panel, generator
from benchmarks.patient_worlds import OUTCOME, ROOT, WORLDS, simulate
from benchmarks.site_placebo import counts
from benchmarks.stamp import commit_now
from tests.builders import site_panel

EFFECT = 0.8
STARTS = (16, 19, 22)
SITES, MEDIAN, PEOPLE = 14, 150.0, 2000
FIRST_SEED = 60_000


def sites_with(ratio: float, seed: int) -> Panel:
    """A panel of sites whose treated ones are drawn anew."""
    rng = generator(seed, "foils", "sites")
    expected = counts(rng, SITES, MEDIAN).astype(float)
    treated = rng.choice(SITES, len(STARTS), replace=False)
    starts: list[int | None] = [None] * SITES
    for site, start in zip(treated, STARTS, strict=True):
        starts[site] = start
        # Thinning keeps counts counts: each admission stays with the chance of the ratio.
        expected[site, start:] = rng.binomial(expected[site, start:].astype(np.int64), ratio)
    return site_panel({OUTCOME: expected.astype(np.int64)}, starts)


def people_with(ratio: float, seed: int) -> Panel:
    """A panel of people referred where they met the rule."""
    world, _ = WORLDS["known rule, shocks 0.1, no effect"]
    return simulate(replace(world, people=PEOPLE, effect=ratio), seed)


def scored(name: str, draw: Callable[[float, int], Panel], effect: float, n: int) -> list[dict[str, object]]:
    """One row a model of the estimator and truth."""
    analysis = Analysis(name, "sites" if name == "two_way" else "patients", name, OUTCOME)
    rows = []
    for ratio in (1.0, effect):
        found: dict[str, list[Estimate]] = {}
        for seed in range(FIRST_SEED, FIRST_SEED + n):
            for row in build_estimator(name, {}).fit(draw(ratio, seed), analysis, seed=1):
                if row.scale == "rate_ratio" and row.status == "ok":
                    found.setdefault(f"{row.estimand}; {row.inference}", []).append(row)
        for what, some in found.items():
            rows.append({
                "estimator": name, "what": what, "truth": ratio, "panels": len(some),
                "reads": float(np.exp(np.mean([np.log(r.estimate) for r in some]))),
                # The wild bootstrap gives a p and no interval.
                "covers": float(np.mean([r.conf_low <= ratio <= r.conf_high for r in some])) if has_interval(some) else np.nan,
                "p_below_05": float(np.mean([r.p_value <= 0.05 for r in some])),
            })  # fmt: skip
    return rows


def has_interval(rows: list[Estimate]) -> bool:
    """Whether these rows come with an interval."""
    return bool(np.isfinite([r.conf_low for r in rows]).all())


def page(table: pd.DataFrame, asked: argparse.Namespace) -> str:
    """The rows in words."""
    commit = commit_now()
    lines = [
        "# What the usual two-way regressions read when the truth is known",
        "",
        f"`python -m benchmarks.foils --sites {asked.sites} --people {asked.people}` at commit {commit}. What is simulated stands in the head of that file.",
        "A 95 % interval should cover in 95 %, and p <= 0.05 without an effect in 5 %.",
        "",
        "| estimator | row | truth | panels | reads | covers | p <= 0.05 |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r.estimator} | {r.what} | {r.truth:g} | {r.panels} | {r.reads:.3f} | {'' if pd.isna(r.covers) else f'{r.covers:.1%}'} | {r.p_below_05:.1%} |"
        for r in table.itertuples()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run both and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=500)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    table = pd.DataFrame(
        [
            *scored("two_way", sites_with, EFFECT, asked.sites),
            *scored("patient_two_way", people_with, 0.77, asked.people),
        ]
    )
    asked.out.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(asked.out / "foils.csv", index=False, lineterminator="\n")
    (asked.out / "foils.md").write_text(page(table, asked), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
