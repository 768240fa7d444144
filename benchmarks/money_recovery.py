"""Does the money find the truth? Worlds with a known saving per patient-year, run through the estimators and the cost ladder.

    python -m benchmarks.money_recovery [--reps 1000] [--out docs/results]

Twelve hospitals, three start a service; people are referred after their third admission in twelve months, so that a
before-after comparison is too good; some die. Writes money_recovery.csv and money_recovery.md: mean of the truth and of each
rung, coverage of the 95 % interval of averted cost, how often the money sentence is wrong in sign, and what before-after says.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.costs.ladder import ladder
from aaot_eval.costs.rates import caseload
from aaot_eval.estimators import build_estimator
from aaot_eval.results import Analysis, Design, Effect, Panel
from tests.builders import site_panel

ROOT = Path(__file__).resolve().parent.parent
OUTCOME = "alcohol_specific_emergency"
PRICE = 2500.0
HOSPITALS, TREATED, PEOPLE, MONTHS, START = 12, 3, 3000, 60, 36
RATIOS = (0.6, 0.8, 1.0, 1.3)
BAND = (0.93, 0.975)
SERVICE_COST = 2500.0
RULE = {"rule_count": 3, "rule_months": 12}
ANALYSES: tuple[tuple[str, Design, str, str, dict[str, int]], ...] = (
    ("entry_rule_cost", "entry_rule", "entry_rule", "hospital_cost", RULE),
    ("site_did_cost", "sites", "site_did", f"{OUTCOME}_cost", {}),
)


def priced_world(ratio: float, seed: int) -> tuple[Panel, float, float]:
    """A priced panel, its true averted cost per patient-year on the caseload, and what before-after would call averted.

    `ratio` multiplies a person's rate from the referral on. Rates differ between people and go up and down in spells of
    relapse, so that people are referred at their peak and the fall after referral in a world with ratio 1 is selection alone.
    """
    rng = np.random.default_rng([seed, round(100 * ratio)])
    unit = np.arange(PEOPLE) % HOSPITALS
    t = np.arange(MONTHS)
    rate = rng.gamma(0.5, 0.24, PEOPLE)[:, None] * relapses(rng)
    death = np.where(rng.random(PEOPLE) < 0.1, rng.integers(0, 2 * MONTHS, PEOPLE), 2 * MONTHS)
    alive = t <= death[:, None]
    usual = rng.poisson(rate * alive)
    so_far = np.cumsum(usual, axis=1)
    in_year = so_far - np.pad(so_far, ((0, 0), (12, 0)))[:, :MONTHS]
    meets = (in_year >= RULE["rule_count"]) & (t >= START) & (unit < TREATED)[:, None]
    taken_on = meets.any(axis=1) & (rng.random(PEOPLE) < 0.7)
    referral = np.where(taken_on, meets.argmax(axis=1) + 1, MONTHS)
    referral[(referral >= MONTHS) | (referral > death)] = MONTHS
    on = (t >= referral[:, None]) & alive
    change = rng.binomial(usual, np.where(on & (ratio < 1), ratio, 1.0)) - usual
    change += rng.poisson(np.where(on & (ratio > 1), (ratio - 1) * rate, 0.0))
    seen = usual + change
    truth = -change[on].sum() * PRICE / (on.sum() / 12)
    panel = _panel(seen, unit, referral, death)
    year_before = (t >= referral[:, None] - 12) & (t < referral[:, None]) & (referral < MONTHS)[:, None]
    naive = PRICE * 12 * (seen[year_before].mean() - seen[on].mean())
    return panel, float(truth), float(naive)


def relapses(rng: np.random.Generator) -> np.ndarray:
    """People x months: 2.5 in relapse, 0.4 outside it; a spell of relapse lasts eight months on average."""
    state = np.zeros((PEOPLE, MONTHS), dtype=bool)
    state[:, 0] = rng.random(PEOPLE) < 0.3
    for month in range(1, MONTHS):
        chance = rng.random(PEOPLE)
        state[:, month] = np.where(state[:, month - 1], chance >= 0.125, chance < 0.05)
    return np.where(state, 2.5, 0.4)


def _panel(seen: np.ndarray, unit: np.ndarray, referral: np.ndarray, death: np.ndarray) -> Panel:
    names = [f"H{u + 1:02d}" for u in range(HOSPITALS)]
    people = pd.DataFrame(
        {
            "unit": [names[u] for u in unit],
            "referral_t": pd.array([pd.NA if r >= MONTHS else int(r) for r in referral], dtype="Int64"),
            "ended_t": pd.array([pd.NA] * PEOPLE, dtype="Int64"),
            "death_t": pd.array([pd.NA if d >= MONTHS else int(d) for d in death], dtype="Int64"),
            "sex": "",
            "age": 50,
        },
        index=pd.RangeIndex(PEOPLE, name="person"),
    )
    sites = np.array([seen[unit == u].sum(axis=0) for u in range(HOSPITALS)])
    panel = site_panel(
        {OUTCOME: sites, f"{OUTCOME}_cost": sites * PRICE},
        [START if u < TREATED else None for u in range(HOSPITALS)],
        units=names,
        people=people,
        person_counts={OUTCOME: seen, "hospital_cost": seen * PRICE},
    )
    kinds = tuple(replace(o, kind="cost" if o.name.endswith("cost") else "count") for o in panel.outcomes)
    return replace(panel, outcomes=kinds)


def priced_effects(panel: Panel, seed: int = 1) -> list[Effect]:
    """The two comparisons with other hospitals, on cost."""
    effects = []
    for name, design, estimator, outcome, options in ANALYSES:
        analysis = Analysis(name, design, estimator, outcome, options=options)
        effects.append(Effect(analysis, build_estimator(estimator, dict(options)).fit(panel, analysis, seed=seed)))
    return effects


def one(ratio: float, seed: int) -> list[dict[str, object]]:
    """The rungs of one world: truth, averted cost with its interval pushed through, and what before-after says."""
    panel, truth, naive = priced_world(ratio, seed)
    rows: list[dict[str, object]] = []
    for rung in ladder(panel, priced_effects(panel), caseload(panel)):
        row: dict[str, object] = {
            "ratio": ratio,
            "analysis": rung.analysis,
            "status": rung.status,
            "truth": truth,
            "naive": naive,
        }
        if rung.gross is not None:
            estimate = rung.estimate
            point, low, high = rung.gross(np.array([estimate.estimate, estimate.conf_high, estimate.conf_low]))
            row |= {"gross": point, "low": low, "high": high}
        rows.append(row)
    return rows


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each ratio and rung; wrong sign = the net interval excludes 0 on the wrong side of the true net saving."""
    table = []
    for (ratio, analysis), r in rows.groupby(["ratio", "analysis"], sort=True):
        known = r[r["status"] == "ok"]
        covered = int(((known["low"] <= known["truth"]) & (known["truth"] <= known["high"])).sum())
        n = len(known)
        net_low, net_high, net = (known[c] - SERVICE_COST for c in ("low", "high", "truth"))
        ends = stats.binomtest(covered, n).proportion_ci(0.99, method="exact") if n else (math.nan, math.nan)
        table.append(
            {
                "ratio": ratio,
                "analysis": analysis,
                "reps": len(r),
                "with_interval": n,
                "truth": known["truth"].mean(),
                "gross": known["gross"].mean(),
                "sd": known["gross"].std(),
                "before_after": known["naive"].mean(),
                "coverage": covered / n if n else math.nan,
                "holds": bool(ends[1] >= BAND[0] and ends[0] <= BAND[1]) if n else False,
                "wrong_sign": float(((net_low > 0) & (net <= 0) | (net_high < 0) & (net >= 0)).mean()),
            }
        )
    return pd.DataFrame(table).round(4)


def page(table: pd.DataFrame, seconds: float) -> str:
    """The results in words and one table."""
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    reps = int(table["reps"].iloc[0])
    lines = [
        "# Does the money find the truth?",
        "",
        f"`python -m benchmarks.money_recovery --reps {reps}` at commit {commit}: {reps:,} worlds a ratio, {seconds:.0f} s of one core.",
        f"{HOSPITALS} hospitals, {TREATED} with a service, {MONTHS} months, referral after the third admission in twelve months, deaths.",
        f"Pounds of hospital cost averted per patient-year on the caseload at £{PRICE:,.0f} an admission. The interval is the effect's own,",
        f"pushed through. Wrong sign: with a service of £{SERVICE_COST:,.0f} the net interval excludes 0 on the wrong side.",
        "",
        "| true ratio | rung | worlds with an interval | truth | mean estimate | sd | before-after says | coverage | wrong sign |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.ratio} | {r.analysis} | {r.with_interval} | {r.truth:,.0f} | {r.gross:,.0f} | {r.sd:,.0f} | {r.before_after:,.0f} "
        f"| {r.coverage:.1%} | {r.wrong_sign:.1%} |"
        for r in table.itertuples()
    ]
    held = int(table["holds"].sum())
    lines += [
        "",
        f"Band for coverage: {BAND[0]:.1%} to {BAND[1]:.1%}, judged by the 99 % binomial interval: {held} of {len(table)} rows hold.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()
    begin = time.process_time()
    rows = pd.DataFrame([row for ratio in RATIOS for seed in range(args.reps) for row in one(ratio, seed)])
    table = summary(rows)
    args.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.out / "money_recovery.csv", index=False, lineterminator="\n")
    (args.out / "money_recovery.md").write_text(
        page(table, time.process_time() - begin), encoding="utf-8", newline="\n"
    )


if __name__ == "__main__":
    main()
