"""How long does two-stage resampling of costs take beside a bare numpy loop, and how much memory?

    python -m benchmarks.cost_bootstrap [--replicates 2000] [--patients 100000] [--sites 20] [--repeats 3] [--out docs/results]

The bare loop draws integers, takes and averages, replicate by replicate: no hospitals, no correction. Both run turn by turn on the
same costs, in processor time; the least of the repeats counts. Memory is what numpy and Python allocate beyond the costs at the peak. Writes
cost_bootstrap.md with the commit.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from aaot_eval.costs.resampling import Arm, resampled_by_site, resampled_means
from aaot_eval.results import generator
from benchmarks.stamp import commit_now

ROOT = Path(__file__).resolve().parent.parent
MOST_RATIO, MOST_EXTRA_GIB, MOST_BY_SITE = 1.3, 0.1, 0.1


def costs(patients: int, sites: int) -> Arm:
    """Skewed costs with a share of nothing, and hospitals that differ in size and level."""
    rng = generator(1, "cost bootstrap")
    sizes = rng.multinomial(patients, rng.dirichlet(np.full(sites, 5.0)))
    levels = rng.gamma(20, 1 / 20, sites)
    return Arm.of(
        [
            level * rng.gamma(0.3, 20_000, size) * (rng.random(size) > 0.2)
            for level, size in zip(levels, sizes, strict=True)
        ]
    )


def bare_loop(cost: np.ndarray, n: int) -> np.ndarray:
    """What it is measured against: integers, take, mean."""
    rng = np.random.default_rng(1)
    return np.array([cost.take(rng.integers(0, len(cost), len(cost))).mean() for _ in range(n)])


def seconds(task: Callable[[], object]) -> float:
    begin = time.process_time()
    task()
    return time.process_time() - begin


def extra_gib(task: Callable[[], object]) -> float:
    tracemalloc.start()
    task()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--sites", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    arm, n = costs(asked.patients, asked.sites), asked.replicates
    tasks: dict[str, Callable[[], object]] = {
        "bare": lambda: bare_loop(arm.cost, n),
        "two": lambda: resampled_means(arm, n, seed=1),
        "site": lambda: resampled_by_site(arm, n, seed=1),
    }
    times = {name: [] for name in tasks}
    for _ in range(asked.repeats):
        for name, task in tasks.items():
            times[name].append(seconds(task))
    bare, two, site = (min(times[name]) for name in tasks)
    memory = extra_gib(tasks["two"])
    commit = commit_now()
    held = two / bare <= MOST_RATIO and memory < MOST_EXTRA_GIB and site <= MOST_BY_SITE
    lines = [
        "# Two-stage resampling of costs",
        "",
        f"`python -m benchmarks.cost_bootstrap --replicates {n} --patients {asked.patients} --sites {asked.sites}` at commit {commit}: {n:,} replicates",
        f"of {asked.patients:,} patients in {asked.sites} hospitals, processor time of one core, the least of {asked.repeats} turns each.",
        "",
        "| | measured | at most |",
        "|---|---:|---:|",
        f"| bare numpy loop: integers, take, mean | {bare:.2f} s | – |",
        f"| two stages: hospitals, then patients | {two:.2f} s | – |",
        f"| ratio | {two / bare:.2f} | {MOST_RATIO} |",
        f"| memory beyond the costs at the peak | {memory:.3f} GiB | {MOST_EXTRA_GIB} |",
        f"| by hospital alone | {site:.4f} s | {MOST_BY_SITE} s |",
        "",
        "All three hold." if held else "Not all of them hold.",
    ]
    text = "\n".join(lines) + "\n"
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "cost_bootstrap.md").write_text(text, encoding="utf-8", newline="\n")
    print(text)
    return int(not held)


if __name__ == "__main__":
    raise SystemExit(main())
