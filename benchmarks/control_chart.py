"""How often does the control chart see a signal when nothing happened, and how soon when something did?

    python -m benchmarks.control_chart [--series 2000] [--seed 1] [--out docs/results]

Each series has 24 months before the start, which make the limits, and 24 after it. Counts are drawn from five worlds at four
levels; from the start on they fall by 0, 25 or 50 %. Stored: the share of months after the start that lie outside the limits and
that have a new signal by any rule, the share of series with a new signal within 12 months, and the middle month of the first.
Writes control_chart.csv and control_chart.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aaot_eval.monitoring import BASELINE, judge, xmr_limits
from aaot_eval.results import generator
from benchmarks.stamp import ROOT, commit_now

AFTER, WITHIN = 24, 12
LEVELS = (8, 20, 60, 200)
FALLS = (0.0, 0.25, 0.5)
WORLDS = {
    "Poisson": "counts by chance alone",
    "clumped": "twice the variance of chance: people who come again and again",
    "season": "chance, and a yearly wave of 15 % up and down",
    "carried on": "chance, and months that resemble the one before (autocorrelation 0.4, spread 10 %)",
    "trend": "chance, and a rise of 5 % a year",
}


def draw(world: str, level: float, fall: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """One series of BASELINE + AFTER monthly counts."""
    t = np.arange(BASELINE + AFTER)
    mean = np.full(len(t), float(level))
    if world == "season":
        mean *= 1 + 0.15 * np.cos(2 * np.pi * (t - rng.integers(12)) / 12)
    elif world == "trend":
        mean *= 1.05 ** (t / 12)
    elif world == "carried on":
        shock = np.zeros(len(t))
        shock[0] = rng.normal(0, 0.1)
        for i in range(1, len(t)):
            shock[i] = 0.4 * shock[i - 1] + rng.normal(0, 0.1 * np.sqrt(1 - 0.4**2))
        mean *= np.exp(shock)
    mean[BASELINE:] *= 1 - fall
    if world == "clumped":
        return rng.negative_binomial(mean, 0.5).astype(float)
    return rng.poisson(mean).astype(float)


def cell(world: str, level: float, fall: float, series: int, seed: int) -> dict[str, Any]:
    """What the chart says of many series of one world, level and fall."""
    rng = generator(seed, "control_chart", world, int(level), int(100 * fall))
    outside = new = seen = 0
    firsts: list[float] = []
    for _ in range(series):
        values = draw(world, level, fall, rng)
        judged = judge(values, xmr_limits(values[:BASELINE]))[BASELINE:]
        marks = [s is not None and s.new for s in judged]
        outside += sum(s is not None and "outside" in s.rules for s in judged)
        new += sum(marks)
        seen += any(marks[:WITHIN])
        firsts.append(marks.index(True) + 1 if any(marks) else np.inf)
    middle = float(np.median(firsts))
    return {
        "world": world,
        "level": level,
        "fall": round(100 * fall),
        "series": series,
        "outside": round(100 * outside / (series * AFTER), 2),
        "new_signal": round(100 * new / (series * AFTER), 2),
        "within_12": round(100 * seen / series, 1),
        "middle_first": middle if np.isfinite(middle) else f"after {AFTER}",
    }


HEADS = ("World", "A month", "Fall, %", "Series", "Months outside, %", "Months with a new signal, %",
         "Series with one within 12 months, %", "Middle month of the first")  # fmt: skip


def page(table: pd.DataFrame, commit: str) -> str:
    """The table as a page."""
    lines = ["# The control chart: false alarms and how soon it sees a fall", "",
             f"`python -m benchmarks.control_chart`, commit {commit}. {BASELINE} months make the limits, {AFTER} follow.", "",
             *(f"- **{name}**: {what}." for name, what in WORLDS.items()), "",
             "| " + " | ".join(HEADS) + " |", "|" + " --- |" * len(HEADS)]  # fmt: skip
    lines += ["| " + " | ".join(str(v) for v in row) + " |" for row in table[list(table.columns[:-1])].to_numpy()]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()
    commit = commit_now()
    rows = [cell(world, level, fall, args.series, args.seed) for world in WORLDS for level in LEVELS for fall in FALLS]
    table = pd.DataFrame(rows).assign(commit=commit)
    table.to_csv(args.out / "control_chart.csv", index=False, lineterminator="\n")
    (args.out / "control_chart.md").write_text(page(table, commit), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
