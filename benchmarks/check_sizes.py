"""How often does each check warn or fail where nothing is wrong, and what withholds the verdict there?

    python -m benchmarks.check_sizes [--seeds 2001 2200] [--checkpoint FILE] [--out docs/results] [--score-only]

Sound studies of the test-bed (nothing in them but the service) are drawn in memory and put to every check of the primary analysis,
none left out. A check with a p value is to fail in at most 1 % of them and to warn or fail in at most 5 %; one without is to fail
hardly ever. Writes check_sizes.csv (one row a study) and check_sizes.md, and fails when the whole 99 % binomial interval of a
check's failures lies above its mark. The seeds are none that anything was chosen on: docs/methods/testbed.md.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from benchmarks.testbed import NEVER_FAILS, PLAIN, ROOT, SCENARIOS, Case, read_checkpoint, study_of

MARK_FAIL, MARK_DOUBT = 0.01, 0.05
#: A check without a p value of its own has no nominal size; it is held to the size of those that have one.
CONFIDENCE = 0.99


def one(scenario: str, world: str, seed: int) -> dict[str, Any] | None:
    """Every check of the primary of one study: verdict and p; None when the seed cannot have the effect."""
    case = Case(scenario, () if world == PLAIN else tuple(world.split("+")), seed)
    if not case.can_be:
        return None
    begin = time.process_time()
    study = study_of(case)
    checks = {name: study.check(name) for name in study.analysis.checks if name not in NEVER_FAILS}
    verdict = study.verdict(tuple(checks.values()))
    estimate = study.estimate
    limits_90 = [math.nan] * 2 if estimate.confidence is None else estimate.confidence(np.array([0.05, 0.95])).tolist()
    return {
        "world": world,
        "scenario": scenario,
        "seed": seed,
        "word": verdict.word,
        "estimate": estimate.estimate,
        "conf_low": estimate.conf_low,
        "conf_high": estimate.conf_high,
        "low_90": limits_90[0],
        "high_90": limits_90[1],
        "checks": {name: [c.verdict, c.p_value, c.statistic, _numbers(c.facts)] for name, c in checks.items()},
        "cpu_seconds": round(time.process_time() - begin, 2),
    }


def _numbers(facts: Mapping[str, Any]) -> dict[str, float]:
    return {k: float(v) for k, v in facts.items() if isinstance(v, (int, float))}


def run(jobs: Sequence[tuple[str, str, int]], done: set[tuple[str, str, int]]) -> Iterator[dict[str, Any]]:
    """One row for each study that is not done yet."""
    for scenario, world, seed in jobs:
        row = None if (scenario, world, seed) in done else one(scenario, world, seed)
        if row is not None:
            yield row


def limits(count: int, of: int) -> tuple[float, float]:
    """The exact 99 % binomial interval of a share."""
    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, of - count)) if count < of else 1.0
    return low, high


def sizes(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """By check and scenario: studies judged, share that warns, share that fails, and the interval of the failures."""
    long = pd.DataFrame(
        [
            {"check": name, "scenario": r["scenario"], "verdict": verdict, "p": p}
            for r in rows
            for name, (verdict, p, *_) in r["checks"].items()
        ]
    )
    every = pd.concat([long.assign(scenario="all"), long])
    out = []
    for (check, scenario), part in every.groupby(["check", "scenario"], sort=False):
        judged = part[part["verdict"] != "not_evaluable"]
        n, failed = len(judged), int((judged["verdict"] == "fail").sum())
        low, high = limits(failed, n) if n else (0.0, 1.0)
        out.append(
            {
                "check": check, "scenario": scenario, "judged": n, "warned": int((judged["verdict"] == "warn").sum()), "failed": failed,
                "fail_low": low, "fail_high": high, "p_below_0.05": float((judged["p"].dropna() < 0.05).mean()) if judged["p"].notna().any() else float("nan"),
                "p_below_0.01": float((judged["p"].dropna() < 0.01).mean()) if judged["p"].notna().any() else float("nan"),
            }
        )  # fmt: skip
    return pd.DataFrame(out)


def main() -> int:
    """Run what is not in the checkpoint and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs=2, default=(2001, 2200), metavar=("FIRST", "LAST"))
    parser.add_argument("--worlds", nargs="+", default=[PLAIN])
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS))
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--score-only", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT, check=False).stdout.strip()  # fmt: skip
    rows = read_checkpoint(asked.checkpoint)
    done = {(r["scenario"], r["world"], r["seed"]) for r in rows}
    first, last = asked.seeds
    jobs = [(s, w, seed) for seed in range(first, last + 1) for w in asked.worlds for s in asked.scenarios]
    for row in run([] if asked.score_only else jobs, done):
        rows.append(row | {"commit": commit})
        if asked.checkpoint:
            with asked.checkpoint.open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print(sizes(rows).to_string())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
