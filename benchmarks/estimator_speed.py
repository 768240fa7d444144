"""CPU seconds of single estimators on series and panels of the size people have. Stores the answer.

    python -m benchmarks.estimator_speed [--only NAME ...] [--out docs/results]

A task is a function that makes its data and returns what is timed; each is run once to warm up and then three times, and
the middle one counts. `LIMITS` were set beforehand. A run with some tasks replaces their rows only.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aaot_eval.estimators import build_estimator
from aaot_eval.results import Analysis, generator
from tests.builders import site_panel

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("task", "what", "cpu_seconds", "limit", "within", "machine", "commit")
RUNS = 3


def series(months: int = 84, controls: int = 0) -> Any:
    """A panel of one treated site (and controls) of `months` months, start in the middle."""
    t = np.arange(months)
    mu = 100 * np.exp(0.1 * np.cos(2 * np.pi * t / 12)) * np.ones((controls + 1, 1))
    counts = generator(1, "estimator_speed", months, controls).negative_binomial(mu, 0.5)
    return site_panel({"stays": counts}, [months // 2] + [None] * controls, first="2010-04")


def fitting(name: str, options: dict[str, Any], panel: Any) -> Callable[[], object]:
    """The fit of one estimator on one panel."""
    estimator = build_estimator(name, options)
    analysis = Analysis("a", estimator.design, name, "stays")
    return lambda: estimator.fit(panel, analysis, seed=1)


#: name: (what is timed, limit in CPU seconds, what makes it)
TASKS: dict[str, tuple[str, float, Callable[[], Callable[[], object]]]] = {
    "its_default": ("84-month series, the default alone", 0.2, lambda: fitting("its", {"sensitivity": False}, series())),
    "its_all_rows": ("84-month series with every sensitivity row", 2.0, lambda: fitting("its", {}, series())),
    "controlled_its_all_rows": (
        "84-month series with eight control sites and every sensitivity row", 4.0,
        lambda: fitting("controlled_its", {}, series(84, 8)),
    ),
}  # fmt: skip


def timed(task: Callable[[], object]) -> float:
    """The middle of three runs, in CPU seconds of this process, after one to warm up."""
    task()
    spent = []
    for _ in range(RUNS):
        begin = time.process_time()
        task()
        spent.append(time.process_time() - begin)
    return statistics.median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sorted(TASKS), default=list(TASKS))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    stored = args.out / "estimator_speed.csv"
    rows: dict[str, dict[str, Any]] = {}
    if stored.exists():
        with stored.open(encoding="utf-8", newline="") as file:
            rows = {r["task"]: r for r in csv.DictReader(file)}
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    for name in args.only:
        what, limit, make = TASKS[name]
        seconds = timed(make())
        rows[name] = dict(
            zip(
                COLUMNS,
                (name, what, f"{seconds:.2f}", limit, "yes" if seconds < limit else "no", machine, commit),
                strict=True,
            )
        )
    args.out.mkdir(parents=True, exist_ok=True)
    with stored.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[k] for k in sorted(rows))
    lines = [
        "# Speed of the estimators, measured", "",
        "Made by `python -m benchmarks.estimator_speed`: CPU seconds of one process with one thread, the middle of three runs after one to warm up.", "",
        "| what | CPU seconds | limit | within | machine | commit |", "|---|---|---|---|---|---|",
        *(f"| {r['what']} | {r['cpu_seconds']} | {r['limit']} | {r['within']} | {r['machine']} | {r['commit']} |" for _, r in sorted(rows.items())),
    ]  # fmt: skip
    (args.out / "estimator_speed.md").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
