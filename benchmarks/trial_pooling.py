"""Coverage and false alarms of the trial and of the mean over sites.

    python -m benchmarks.trial_pooling [--trials 1000] [--sets 5000] [--out docs/results]

Trials: 400 people of four hospitals, or whole hospitals (6 and 14), allocated by chance; admissions are Poisson around levels that
differ between people (gamma, shape 1) and hospitals (sd 0.2 of the log), one in ten dies within a year; 12 months are followed. Sets
of sites: k effects around their mean with sd tau between sites, with known errors of 0.08 to 0.3; held to the mean, and to the effect of one
further site. Bands, set before the first run: coverage 92 to 100 %, p <= 0.05 without an effect in at most 7 %, each judged by its
99 % interval. Writes trial_pooling.csv and trial_pooling.md with the commit that made them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from aaot_eval.estimators._pooling import pool
from aaot_eval.estimators.trial import Trial
from aaot_eval.results import Analysis, generator
from benchmarks.patient_worlds import COVERAGE, FALSE_ALARMS, OUTCOME, ROOT, binomial
from benchmarks.stamp import commit_now
from tests.methods.test_trial import simulated

ANALYSIS = Analysis("trial", "trial", "trial", OUTCOME, primary=True)
RATIO = 0.77
FIRST_SEED = 50_000
#: What is allocated, how many hospitals, how many people.
TRIALS = (("people", 4, 400), ("hospitals", 6, 600), ("hospitals", 14, 1400))
SITES, SPREADS = (3, 6, 12), (0.0, 0.1, 0.2)


def trial_reading(kind: str, sites: int, people: int, ratio: float, seed: int) -> tuple[float, float, float, float]:
    """(ratio, low, high, p) of the first row on one simulated trial; a limit that does not exist is infinitely far."""
    by_site = kind == "hospitals"
    panel = simulated(seed, n=people, ratio=ratio, sites=sites, by_site=by_site)
    row = Trial(unit="site" if by_site else "person").fit(panel, ANALYSIS, seed=1)[0]
    low, high = (np.nan_to_num(x, nan=y) for x, y in ((row.conf_low, 0.0), (row.conf_high, np.inf)))
    return row.estimate, float(low), float(high), float(row.p_value)


def trials(n: int) -> Iterator[dict[str, object]]:
    """One row a kind of trial and effect."""
    for kind, sites, people in TRIALS:
        for ratio in (1.0, RATIO):
            found = np.array([trial_reading(kind, sites, people, ratio, FIRST_SEED + i) for i in range(n)])
            covered = (found[:, 1] <= ratio) & (ratio <= found[:, 2])
            yield scored(
                f"trial, {kind} allocated, {sites} hospitals", f"{ratio:g}", covered, found[:, 3] <= 0.05, ratio == 1.0,
                float(np.exp(np.log(found[:, 0]).mean())),
            )  # fmt: skip


def sets_of_sites(n: int) -> Iterator[dict[str, object]]:
    """One row a number of sites and spread between them, for the mean and for one further site."""
    for k in SITES:
        for tau in SPREADS:
            rng = generator(FIRST_SEED, "trial_pooling", k, int(100 * tau))
            errors = rng.uniform(0.08, 0.3, (n, k))
            effects = rng.normal(0.0, np.hypot(errors, tau))
            further = rng.normal(0.0, tau, n)
            found = [pool(e, s**2) for e, s in zip(effects, errors, strict=True)]
            mean = np.array([f.low <= 0.0 <= f.high for f in found])
            alarms = np.array([f.p_value <= 0.05 for f in found])
            yield scored(
                f"mean of {k} sites", f"tau {tau:g}", mean, alarms, True, float(np.mean([f.mean for f in found]))
            )
            inside = np.array([f.further_low <= x <= f.further_high for f, x in zip(found, further, strict=True)])
            yield scored(f"a further site beside {k}", f"tau {tau:g}", inside, None, False, float("nan"))


def scored(
    what: str, world: str, covered: np.ndarray, alarms: np.ndarray | None, null: bool, reads: float
) -> dict[str, object]:
    """A row with its shares and the goals that it misses."""
    fails = []
    low, high = binomial(int(covered.sum()), len(covered))
    if high < COVERAGE[0] or low > COVERAGE[1]:
        fails.append("coverage")
    if null and alarms is not None and binomial(int(alarms.sum()), len(alarms))[0] > FALSE_ALARMS:
        fails.append("false alarms")
    return {
        "what": what, "world": world, "sets": len(covered), "reads": reads, "covers": covered.mean(),
        "p_below_05": np.nan if alarms is None else alarms.mean(), "fails": "; ".join(fails),
    }  # fmt: skip


def page(table: pd.DataFrame, asked: argparse.Namespace) -> str:
    """The rows in words."""
    commit = commit_now()
    held = int((table["fails"] == "").sum())
    lines = [
        "# Coverage of the trial and of the mean over sites",
        "",
        f"`python -m benchmarks.trial_pooling --trials {asked.trials} --sets {asked.sets}` at commit {commit}. What is simulated stands in the",
        "head of that file. A row fails when the 99 % interval of its share lies outside: coverage 92 to 100 %, p <= 0.05 without an effect",
        f"at most 7 %. {held} of {len(table)} hold. `reads` is the ratio for trials, the log ratio (truly 0) for means.",
        "",
        "| what | truth | sets | reads | covers | p <= 0.05 | fails |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for r in table.itertuples():
        shown = ["" if pd.isna(v) else f"{v:.3f}" for v in (r.reads,)]
        alarm = "" if pd.isna(r.p_below_05) else f"{r.p_below_05:.1%}"
        lines.append(
            f"| {r.what} | {r.world} | {r.sets:,} | {shown[0]} | {r.covers:.1%} | {alarm} | {r.fails or '-'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run both parts and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--sets", type=int, default=5000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    table = pd.DataFrame([*trials(asked.trials), *sets_of_sites(asked.sets)])
    asked.out.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(asked.out / "trial_pooling.csv", index=False, lineterminator="\n")
    (asked.out / "trial_pooling.md").write_text(page(table, asked), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
