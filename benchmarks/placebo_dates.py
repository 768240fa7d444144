"""How often do made-up start dates look like an effect when nothing happened? Calibrates the check `placebo_date`.

    python benchmarks/placebo_dates.py [--series 1000] [--seed 1] [--out docs/results]

For series without any effect the share of made-up dates with p < 0.05 is stored as a distribution, with how often the check's
limits would warn or fail, alone and when the real date claims an effect. Writes placebo_dates.json and placebo_dates.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from its_coverage import as_series, simulate

from aaot_eval.checks.placebo_date import FAIL_SHARE, LEAST_SIDE, MOST_DATES, RANK_P, WARN_SHARE, spread_dates
from aaot_eval.estimators._its_model import fit_model, mean_model, season_pairs
from aaot_eval.results import generator

ROOT = Path(__file__).resolve().parent.parent
BEFORE = (28, 36, 48, 72)
WORLDS = (("ar1", 0.0), ("ar1", 0.4), ("ar1", 0.6), ("ar2", 0.0), ("ar1_and_noise", 0.0), ("drift", 0.0))


def p_value(y: np.ndarray, start: int) -> float:
    """p of the default at one start."""
    fitted = fit_model(
        as_series(y, start), mean_model(as_series(y, start), slope=False, pairs=season_pairs(len(y), 12)), 0.95
    )
    assert fitted is not None
    return fitted.wald.p_value


def cell(world: str, rho: float, before: int, series: int, seed: int) -> dict[str, Any]:
    """What the check would say over many series without an effect, 24 months after the start."""
    least = LEAST_SIDE["month"]
    dates = spread_dates(list(range(least, before - least + 1)))
    shares, ranks, claims = [], [], []
    rng = generator(seed, "placebo_dates", world, int(100 * rho), before)
    for _, y, _ in simulate(world, before + 24, rho, series, rng):
        p = np.array([p_value(y[:before], k) for k in dates])
        real = p_value(y, before)
        shares.append(float((p < 0.05).mean()))
        ranks.append((1 + int((p <= real).sum())) / (len(p) + 1))
        claims.append(real < 0.05)
    share, rank, claim = np.array(shares), np.array(ranks), np.array(claims)
    warn = (share > WARN_SHARE) | (claim & (rank > RANK_P))
    return {
        "world": world, "rho": rho, "before": before, "dates": len(dates), "series": series,
        "mean_share": round(100 * float(share.mean()), 1),
        "share_95": round(float(np.quantile(share, 0.95)), 2),
        "share_99": round(float(np.quantile(share, 0.99)), 2),
        "warns": round(100 * float(warn.mean()), 1),
        "fails": round(100 * float((share > FAIL_SHARE).mean()), 1),
        "claims": round(100 * float(claim.mean()), 1),
        "claims_doubted": round(100 * float((warn & claim).sum() / max(claim.sum(), 1)), 0),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    rows = []
    for world, rho in WORLDS:
        for before in BEFORE:
            rows.append(cell(world, rho, before, args.series, args.seed) | {"commit": commit})
            print(rows[-1], flush=True)
    names = (
        "world",
        "rho",
        "before",
        "dates",
        "mean_share",
        "share_95",
        "share_99",
        "warns",
        "fails",
        "claims",
        "claims_doubted",
    )
    lines = [
        "# Made-up start dates when nothing happened, measured",
        "",
        f"Made by `python benchmarks/placebo_dates.py` (seed {args.seed}, {args.series:,} series a cell) at commit {commit}.",
        f"At most {MOST_DATES} dates; the check warns above a share of {WARN_SHARE:.2f} or when the real date claims an effect with a rank p "
        f"above {RANK_P:.2f}, and fails above {FAIL_SHARE:.2f}. Shares are of dates with p < 0.05; the rest are per cent of series.",
        "",
        "| " + " | ".join(n.replace("_", " ") for n in names) + " |",
        "|---" * len(names) + "|",
        *("| " + " | ".join(str(r[n]) for n in names) + " |" for r in rows),
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "placebo_dates.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8", newline="\n")
    (args.out / "placebo_dates.md").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
