"""How often does each check warn or fail where nothing is wrong, and what withholds the verdict there?

    python -m benchmarks.check_sizes [--seeds 2001 2200] [--checkpoint FILE] [--out docs/results] [--score-only]

Sound studies of the test-bed (nothing in them but the service) are drawn in memory and put to every check of the primary analysis
that can fail. A check with a p value is to fail in at most 1 % of them and to warn or fail in at most 5 %; one without is held to
the same. Writes check_sizes.csv (one row a study) and check_sizes.md, and fails when the whole 99 % binomial interval of a
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

from benchmarks.testbed import NEVER_FAILS, PLAIN, ROOT, SCENARIOS, Case, markdown, read_checkpoint, study_of

MARK_FAIL, MARK_DOUBT = 0.01, 0.05
CONFIDENCE = 0.99
#: Their verdict rests on a p value of "nothing is wrong", whatever the service does.
BY_P = ("placebo_outcome", "site_deaths", "pre_trend", "site_exchangeability", "placebo_date")


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
    """By check and scenario: studies judged, how many warn and fail, the 99 % interval of the failures, and how many p lie below the marks.

    Scenarios of one seed share everything but the service, so each is a sample of its own and they are not added up.
    """
    long = pd.DataFrame(
        [
            {"check": name, "scenario": r["scenario"], "verdict": verdict, "p": p}
            for r in rows
            for name, (verdict, p, *_) in r["checks"].items()
        ]
    )
    out = []
    for (check, scenario), part in long.groupby(["check", "scenario"], sort=False):
        judged = part[part["verdict"] != "not_evaluable"]
        n, failed = len(judged), int((judged["verdict"] == "fail").sum())
        low, high = limits(failed, n) if n else (0.0, 1.0)
        p = judged["p"].dropna() if check in BY_P else judged["p"].iloc[:0]
        out.append(
            {"check": check, "scenario": scenario, "judged": n, "warn": int((judged["verdict"] == "warn").sum()), "fail": failed,
             "fail_low": low, "fail_high": high, "p_below_0.05": float((p < 0.05).mean()) if len(p) else math.nan,
             "p_below_0.01": float((p < 0.01).mean()) if len(p) else math.nan}
        )  # fmt: skip
    return pd.DataFrame(out)


def holm(values: Sequence[float]) -> float:
    """The least p of several, adjusted for all of them (Holm's first step); NaN without any."""
    known = [p for p in values if not math.isnan(p)]
    return min(1.0, min(known) * len(known)) if known else math.nan


def together(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """By scenario: how often any check fails, how often one would by Holm's rule over those with a p value, and what is said."""
    out = []
    for scenario in dict.fromkeys(r["scenario"] for r in rows):
        part = [r for r in rows if r["scenario"] == scenario]
        said = [r["word"] for r in part]
        unclear = [r for r in part if r["conf_low"] <= 1 <= r["conf_high"]]
        out.append(
            {
                "scenario": scenario,
                "studies": len(part),
                "a check fails": sum(any(v[0] == "fail" for v in r["checks"].values()) for r in part),
                "by Holm at 5 %": sum(holm([v[1] for n, v in r["checks"].items() if n in BY_P]) < MARK_DOUBT for r in part),
                "wide interval alone": sum(r["word"] == "cannot_tell" and not any(v[0] == "fail" for v in r["checks"].values()) for r in part),
                "a claim doubted": sum(w in ("lower_but", "higher_but") for w in said),
                "a claim": sum(w in ("lower", "higher") for w in said),
                "no effect": said.count("no_effect"),
                "95 % interval inside 10 %": sum(r["conf_low"] > 0.9 and r["conf_high"] < 1.1 for r in unclear),
                "90 % interval inside 10 %": sum(r["low_90"] > 0.9 and r["high_90"] < 1.1 for r in unclear),
            }
        )  # fmt: skip
    return pd.DataFrame(out)


def flat(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row a study: what was said, the intervals, and verdict and p of each check."""
    plain = ("world", "scenario", "seed", "word", "estimate", "conf_low", "conf_high", "low_90", "high_90", "commit")
    out = []
    for r in sorted(rows, key=lambda r: (SCENARIOS.index(r["scenario"]), r["seed"])):
        row = {k: r[k] for k in plain}
        for name, (verdict, p, *_) in r["checks"].items():
            row |= {name: verdict, f"{name}_p": p}
        out.append(row)
    return pd.DataFrame(out)


def page(rows: Sequence[dict[str, Any]], table: pd.DataFrame, commits: Sequence[str]) -> str:
    """Both tables as Markdown."""
    seeds = sorted({r["seed"] for r in rows})
    whole = together(rows)
    lines = [
        [r.check, r.scenario, r.judged, f"{r.warn / max(r.judged, 1):.1%}", f"{r.fail / max(r.judged, 1):.1%}",
         f"{r.fail_low:.1%} to {r.fail_high:.1%}", *("–" if math.isnan(p) else f"{p:.1%}" for p in (r[-2], r[-1]))]
        for r in table.itertuples()
    ]  # fmt: skip
    header = ["check", "scenario", "judged", "warns", "fails", "99 % interval of the failures", "p < 0.05", "p < 0.01"]
    return (
        f"# How often each check doubts a sound study\n\nMade by `python -m benchmarks.check_sizes --seeds {seeds[0]} {seeds[-1]}` at commit "
        f"{', '.join(f'`{c}`' for c in commits)}; one row a study in `check_sizes.csv`. Studies of 14 sites in which nothing but the service happens "
        f"(the test-bed's world `none`). A check with a p value is to fail in at most {MARK_FAIL:.0%} and to doubt in at most {MARK_DOUBT:.0%}; "
        "the shares of p are shown where the verdict rests on p alone. Scenarios of one seed differ by the service only.\n\n"
        + markdown(header, lines)
        + "\n\n## Taken together\n\nStudies of each scenario: in how many any check fails, in how many one would fail by Holm's rule at 5 % over "
        "the checks whose verdict rests on p alone, and what is said. The last two columns count studies whose interval holds 1.\n\n"
        + markdown(list(whole.columns), whole.to_numpy().tolist())
        + "\n"
    )


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
    table, commits = sizes(rows), list(dict.fromkeys(r["commit"] for r in rows))
    asked.out.mkdir(parents=True, exist_ok=True)
    flat(rows).to_csv(asked.out / "check_sizes.csv", index=False, float_format="%.5g", lineterminator="\n")
    text = page(rows, table, commits)
    (asked.out / "check_sizes.md").write_text(text, encoding="utf-8", newline="\n")
    print(text)
    return int(bool((table["fail_low"] > MARK_FAIL).any()))


if __name__ == "__main__":
    raise SystemExit(main())
