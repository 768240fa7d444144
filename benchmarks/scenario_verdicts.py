"""Is the verdict right? Simulates every scenario with seeds fixed beforehand, analyses each study and stores what was said.

    python benchmarks/scenario_verdicts.py [--seeds 20] [--scenarios effect null ...] [--workers 2] [--out docs/results]

Writes scenario_verdicts.csv (one row a study) and scenario_verdicts.md (the score, with the commit that made it).
A verdict is right when: effect -> lower; harm -> higher; null, regression_to_mean -> no claim; single_site -> the
historical comparison with its label, and no claim.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from aaot_eval.results import RunResult

SCENARIOS = ("effect", "null", "regression_to_mean", "harm", "single_site")
#: At least so many of 20 seeds must be right; set before the first run.
NEEDED = {"effect": 18, "harm": 18, "null": 18, "regression_to_mean": 18, "single_site": 20}
ROOT = Path(__file__).resolve().parent.parent


def study(scenario: str, seed: int, size: float = 1.0) -> dict[str, object]:
    """Simulate and analyse one study; what was true and what was said."""
    from aaot_eval.config import load_config
    from aaot_eval.pipeline import run_evaluation
    from aaot_eval.synthetic import simulate_study

    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        truth = simulate_study(Path(folder), scenario=scenario, seed=seed, size=size)
        result = run_evaluation(load_config(Path(folder) / "study.toml"))
    primary = result.primary.headline
    failed = [c.check for c in result.primary.checks if c.verdict == "fail"]
    return {
        "scenario": scenario,
        "seed": seed,
        "true_site_ratio": truth["site_rate_ratio"]["expected"],
        "design": primary.design,
        "estimate": primary.estimate,
        "conf_low": primary.conf_low,
        "conf_high": primary.conf_high,
        "p_value": primary.p_value,
        "word": result.verdict.word,
        "claim": result.verdict.claim,
        "labelled": "historical comparison" in f"{primary.note} {result.verdict.sentence}",
        "failed_checks": " ".join(failed),
        "money": result.costs.verdict.word if result.costs else "",
        **_patients(result, truth),
        "seconds": round(time.perf_counter() - begin, 1),
    }


def _patients(result: RunResult, truth: dict[str, Any]) -> dict[str, object]:
    """The comparison over people and the money beside their truths."""
    found: dict[str, object] = {"true_eligible_ratio": truth["eligible"]["ratio_expected"]}
    for effect in result.effects:
        if effect.analysis.name in ("entry_rule", "own_cohorts"):
            estimate = effect.headline
            found |= {
                "eligible_ratio": estimate.estimate,
                "eligible_low": estimate.conf_low,
                "eligible_high": estimate.conf_high,
            }
    found["true_gross"] = truth["economics"]["hospital_cost_averted_expected"]
    saving = result.tables.get("saving", pd.DataFrame())
    for row in saving[saving["headline"].astype(bool)].itertuples() if len(saving) else ():
        found |= {"gross": row.gross, "gross_low": row.gross_low, "gross_high": row.gross_high}
    return found


def right(row: dict[str, object]) -> bool:
    """Whether the verdict is the right one for the scenario."""
    if row["scenario"] == "effect":
        return row["word"] == "lower"
    if row["scenario"] == "harm":
        return row["word"] == "higher"
    if row["scenario"] == "single_site":
        return row["design"] == "own_cohorts" and bool(row["labelled"]) and not row["claim"]
    return not row["claim"]


def score(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """How often the verdict was right, by scenario."""
    frame = pd.DataFrame(rows)
    frame["right"] = [right(r) for r in rows]
    for truth, low, high in (
        ("true_site_ratio", "conf_low", "conf_high"),
        ("true_eligible_ratio", "eligible_low", "eligible_high"),
        ("true_gross", "gross_low", "gross_high"),
    ):
        frame[f"{truth.removeprefix('true_')}_covered"] = (
            frame[truth].between(frame[low], frame[high]).astype("boolean")
        )
    # One trust alone has no sites to compare: its headline is about the eligible.
    frame.loc[frame["scenario"] == "single_site", "site_ratio_covered"] = pd.NA
    table = frame.groupby("scenario", sort=False).agg(
        seeds=("seed", "size"),
        right=("right", "sum"),
        claims=("claim", "sum"),
        mean_estimate=("estimate", "mean"),
        sites_covered=("site_ratio_covered", lambda covered: covered.sum(min_count=1)),
        eligible_covered=("eligible_ratio_covered", "sum"),
        money_covered=("gross_covered", "sum"),
    )
    table["needed_of_20"] = [NEEDED[s] for s in table.index]
    return table.reset_index()


def stored(path: Path) -> pd.DataFrame:
    """The stored rows. "null" is the name of a scenario here, not a missing value."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""]).fillna({"failed_checks": ""})


def page(table: pd.DataFrame, seeds: int, commit: str) -> str:
    """The score as Markdown, with the command and the commit that made it."""

    def shown(value: object) -> str:
        return "–" if pd.isna(value) else f"{value:.3f}" if isinstance(value, float) else str(value)

    columns = list(table.columns)
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(shown(v) for v in row) + " |" for row in table.itertuples(index=False)]
    return (
        "# Verdicts on simulated studies\n\n"
        f"Made by `python benchmarks/scenario_verdicts.py --seeds {seeds}` at commit `{commit}`; one row a study in "
        "`scenario_verdicts.csv`. What counts as right is said in the command's own help. Covered: the 95 % interval holds the "
        "truth of the site ratio, of the ratio among the eligible, and of the hospital cost averted per patient-year.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def main() -> int:
    """Run the studies, store the table, and fail when a scenario misses its mark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=SCENARIOS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    jobs = [(s, seed) for s in asked.scenarios for seed in range(1, asked.seeds + 1)]
    with ProcessPoolExecutor(asked.workers) as pool:
        futures = [pool.submit(study, s, seed, asked.size) for s, seed in jobs]
        rows = []
        for future in futures:
            rows.append(future.result())
            print(json.dumps(rows[-1], default=str), flush=True)
    table = score(rows)
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT, check=False
    ).stdout.strip()
    asked.out.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows).assign(right=[right(r) for r in rows])
    frame.drop(columns="seconds").to_csv(
        asked.out / "scenario_verdicts.csv", index=False, float_format="%.6g", lineterminator="\n"
    )
    text = page(table, asked.seeds, commit)
    (asked.out / "scenario_verdicts.md").write_text(text, encoding="utf-8", newline="\n")
    print(text)
    share = asked.seeds / 20
    return int(any(r.right < NEEDED[r.scenario] * share for r in table.itertuples()))


if __name__ == "__main__":
    raise SystemExit(main())
