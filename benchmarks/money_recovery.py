"""Does the money find the truth? Simulated studies with a planted saving, through the estimators, the one loop and the sentence.

    python -m benchmarks.money_recovery [--reps 1000] [--workers 2] [--checkpoint FILE] [--out docs/results] [--worlds effect null ...]

Each study is drawn in memory: people with relapses in several hospitals, some hospitals with a service, referral after the third
admission in twelve months, deaths. Its true unit cost and its true number of places are drawn too, so that every source of
uncertainty of the interval is really there. One of the hospitals with a service is then analysed once more by itself.
Writes money_recovery.csv and money_recovery.md. With a checkpoint file every finished study is kept there, and the same command
goes on where it was stopped. Worlds, band and words are fixed before the first run.
"""

from __future__ import annotations

import argparse
import math
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.checks import CHECKS
from aaot_eval.config import RunConfig
from aaot_eval.costs.ladder import DEATHS_DIFFER
from aaot_eval.costs.price_index import load_index
from aaot_eval.costs.prices import Prices
from aaot_eval.costs.service import cost_service
from aaot_eval.estimators import build_estimator
from aaot_eval.results import Analysis, CheckResult, Design, Effect, Panel, generator
from aaot_eval.wording import effect_verdict
from benchmarks.stamp import commit_now
from tests.builders import site_panel
from tests.costs_builders import one_team

ROOT = Path(__file__).resolve().parent.parent
OUTCOME = "alcohol_specific_emergency"
PRICE, PRICE_ERROR = 2500.0, 0.04
MONTHS, START = 60, 36
RULE = {"rule_count": 3, "rule_months": 12}
BAND = (0.93, 0.97)
"""A row fails when the 99 % binomial interval of its coverage lies outside."""
ANALYSES: tuple[tuple[str, Design, str, str, dict[str, int]], ...] = (
    ("site_did", "sites", "site_did", OUTCOME, {}),
    ("entry_rule_cost", "entry_rule", "entry_rule", "hospital_cost", RULE),
    ("site_did_cost", "sites", "site_did", f"{OUTCOME}_cost", {}),
)
ALONE: tuple[tuple[str, Design, str, str, dict[str, object]], ...] = (
    ("its", "series", "its", OUTCOME, {"units": "together", "sensitivity": False}),
)
"""Without the rows that stand beside a series: no sentence about money reads them."""
ON_COST = ("entry_rule_cost", "site_did_cost")
DEATH_CHECKS = ("deaths", "site_deaths")
"""Made on every study as in a run: a rung over sites has no number when one of them says that more people died (decision 0071)."""
CLAIM = re.compile(r"\bsaves? £|\bwould save\b")


@dataclass(frozen=True)
class World:
    """What is true in one kind of study. `ratio` multiplies a person's rate of admission from the referral on.

    `shape` is that of the gamma distribution of lasting rates; a relapse begins and ends with these chances a month and
    multiplies the settled rate by `peak`; `deaths` is the further chance of death a month on the caseload.
    """

    ratio: float = 1.0
    hospitals: int = 12
    treated: int = 3
    people: int = 3000
    shape: float = 0.5
    begins: float = 0.05
    ends: float = 0.125
    peak: float = 6.25
    deaths: float = 0.0


WORLDS = {
    "effect": World(ratio=0.5),
    "null": World(),
    "regression_to_mean": World(shape=1.0, begins=0.03, ends=0.5, peak=40.0),
    "unequal_deaths": World(ratio=0.5, deaths=0.01),
    "few_sites": World(ratio=0.5, hospitals=8, treated=2, people=2000),
    "one_of_five_sites": World(ratio=0.5, hospitals=5, treated=1, people=1250),
    "harm": World(ratio=1.3),
}
MEAN_RATE = 0.12


@dataclass(frozen=True)
class Truth:
    """Pounds per patient-year on the caseload: hospital cost averted, and what before-after would call averted."""

    gross: float
    naive: float


def drawn_world(world: World, seed: int, name: str) -> tuple[Panel, Panel, Truth]:
    """A priced panel of all hospitals, the same of one hospital with a service alone, and the truth at the known price."""
    rng = generator(seed, "money recovery", name)
    unit = np.arange(world.people) % world.hospitals
    t = np.arange(MONTHS)
    rate = rng.gamma(world.shape, MEAN_RATE / world.shape, world.people)[:, None] * relapses(rng, world)
    death = np.where(rng.random(world.people) < 0.1, rng.integers(0, 2 * MONTHS, world.people), 2 * MONTHS)
    usual = rng.poisson(rate * (t <= death[:, None]))
    so_far = np.cumsum(usual, axis=1)
    in_year = so_far - np.pad(so_far, ((0, 0), (12, 0)))[:, :MONTHS]
    meets = (in_year >= RULE["rule_count"]) & (t >= START) & (unit < world.treated)[:, None]
    taken_on = meets.any(axis=1) & (rng.random(world.people) < 0.7)
    referral = np.where(taken_on, meets.argmax(axis=1) + 1, MONTHS)
    referral[(referral >= MONTHS) | (referral > death)] = MONTHS
    if world.deaths:
        death = np.where(
            referral < MONTHS, np.minimum(death, referral + rng.geometric(world.deaths, len(death))), death
        )
        usual = usual * (t <= death[:, None])
    on = (t >= referral[:, None]) & (t <= death[:, None])
    change = rng.binomial(usual, np.where(on & (world.ratio < 1), world.ratio, 1.0)) - usual
    change += rng.poisson(np.where(on & (world.ratio > 1), (world.ratio - 1) * rate, 0.0))
    seen = usual + change
    year_before = (t >= referral[:, None] - 12) & (t < referral[:, None]) & (referral < MONTHS)[:, None]
    truth = Truth(
        float(-change[on].sum() * PRICE / (on.sum() / 12)),
        float(PRICE * 12 * (seen[year_before].mean() - seen[on].mean())),
    )
    mine = unit == 0
    alone = replace(world, hospitals=1, treated=1)
    return (
        _panel(world, seen, unit, referral, death),
        _panel(alone, seen[mine], unit[mine], referral[mine], death[mine]),
        truth,
    )


def priced_world(ratio: float, seed: int) -> tuple[Panel, float, float]:
    """A world with that ratio: its panel, the true averted cost per patient-year, and what before-after would call averted."""
    panel, _, truth = drawn_world(World(ratio=ratio), seed, f"ratio {ratio:g}")
    return panel, truth.gross, truth.naive


def priced_effects(panel: Panel, seed: int = 1) -> list[Effect]:
    """The two comparisons with other hospitals, on cost."""
    return effects_of(panel, [a for a in ANALYSES if a[0].endswith("_cost")], seed)


def relapses(rng: np.random.Generator, world: World) -> np.ndarray:
    """People x months: the factor on a person's lasting rate, with mean 1 over time."""
    share = world.begins / (world.begins + world.ends)
    chance = rng.random((MONTHS, world.people))
    ill = np.zeros((MONTHS, world.people), dtype=bool)
    ill[0] = chance[0] < share
    for month in range(1, MONTHS):
        ill[month] = np.where(ill[month - 1], chance[month] >= world.ends, chance[month] < world.begins)
    return np.where(ill.T, world.peak, 1.0) / (1 - share + share * world.peak)


def _panel(world: World, seen: np.ndarray, unit: np.ndarray, referral: np.ndarray, death: np.ndarray) -> Panel:
    names = [f"H{u + 1:02d}" for u in range(world.hospitals)]
    n = len(seen)
    people = pd.DataFrame(
        {
            "unit": np.array(names)[unit],
            "referral_t": pd.Series(referral, dtype="Int64").mask(referral >= MONTHS),
            "ended_t": pd.array([pd.NA] * n, dtype="Int64"),
            "death_t": pd.Series(death, dtype="Int64").mask(death >= MONTHS),
            "sex": "",
            "age": 50,
        }
    ).set_axis(pd.RangeIndex(n, name="person"), axis=0)
    sites = np.array([seen[unit == u].sum(axis=0) for u in range(world.hospitals)])
    panel = site_panel(
        {OUTCOME: sites, f"{OUTCOME}_cost": sites * PRICE},
        [START if u < world.treated else None for u in range(world.hospitals)],
        units=names,
        people=people,
        person_counts={OUTCOME: seen, "hospital_cost": seen * PRICE},
    )
    kinds = tuple(replace(o, kind="cost" if o.name.endswith("cost") else "count") for o in panel.outcomes)
    return replace(panel, outcomes=kinds)


def _config() -> RunConfig:
    return RunConfig.model_validate(
        {"config_version": 1, "name": "money", "data": {"admissions": "none.csv"}, "study": {"outcome": OUTCOME}}
    )


CONFIG = _config()
INDEX = load_index("gdp_deflator", CONFIG)
TEAM = one_team(127_500.0, places=60.0, occupancy=0.85, places_range=(54.0, 66.0))  # £2,500 per patient-year
UNIT_COSTS = pd.DataFrame(
    [["emergency_long_stay", "stay", PRICE, PRICE * PRICE_ERROR, PRICE, "2024/25", "provider", "benchmark"]],
    columns=["item", "unit", "value", "std_error", "input_value", "price_year", "perspective", "source"],
)
PRICES = Prices("2024/25", "provider", UNIT_COSTS, TEAM, INDEX)


def study(name: str, seed: int) -> list[dict[str, object]]:
    """One study as rows: each rung, and the study of one hospital without a comparison."""
    panel, alone, truth = drawn_world(WORLDS[name], seed, name)
    rng = generator(seed, "money recovery", name, "prices")
    factor = rng.gamma(PRICE_ERROR**-2, PRICE_ERROR**2)
    places = rng.gamma((60 / 3.061) ** 2, 60 / (60 / 3.061) ** 2)  # 12 / 3.92 = 3.061 is the standard error of TEAM
    gross, net = truth.gross * factor, truth.gross * factor - TEAM.team_cost / (places * TEAM.occupancy)
    common = {"world": name, "seed": seed, "truth_gross": gross, "truth": net, "naive": truth.naive}
    saving, word, sentence = money_of(panel, ANALYSES, seed)
    columns = ["rung", "analysis", "status", "headline", "gross", "saving", "saving_low", "saving_high"]
    rows = [{**common, **row, "word": word, "claims": claims(sentence)} for row in saving[columns].to_dict("records")]
    saving, word, sentence = money_of(alone, ALONE, seed)
    numbers = bool(saving[["gross", "saving", "saving_low", "saving_high", "p_saving"]].notna().any(axis=None))
    rows.append({**common, "analysis": "alone", "status": "ok", "word": word, "claims": claims(sentence) or numbers})
    return rows


def claims(sentence: str) -> bool:
    """Whether a money sentence says that the service saves."""
    return bool(CLAIM.search(sentence))


def effects_of(panel: Panel, analyses: Sequence[tuple[str, Design, str, str, dict]], seed: int) -> list[Effect]:
    """The analyses, fitted."""
    effects = []
    for name, design, estimator, outcome, options in analyses:
        analysis = Analysis(name, design, estimator, outcome, options=options)
        fit = build_estimator(estimator, dict(options))
        estimates = fit.fit(panel, analysis, seed=seed)
        checks = [CHECKS[check]() for check in DEATH_CHECKS if name in ON_COST]
        made = tuple(c.run(fit, panel, analysis, estimates[0], seed=seed) for c in checks if design in c.designs)
        effects.append(Effect(analysis, estimates, made))
    return effects


def money_of(
    panel: Panel, analyses: Sequence[tuple[str, Design, str, str, dict]], seed: int
) -> tuple[pd.DataFrame, str, str]:
    """The table `saving`, the word and the sentence. The effect's checks count as passed: the words are as strong as they can be."""
    effects = effects_of(panel, analyses, seed)
    first = effects[0].analysis
    passed = CheckResult("none", first.name, "pass", "No check was made.")
    effects[0] = Effect(replace(first, primary=True), effects[0].estimates, (passed,))
    found = cost_service(panel, effects, effect_verdict(effects[0], panel, CONFIG), CONFIG, PRICES)
    return found.tables["saving"], found.verdict.word, found.verdict.sentence


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each world and rung: what is true, what is found, and how often the interval of the net saving holds it."""
    table = []
    for (world, analysis), r in rows[rows["analysis"] != "alone"].groupby(["world", "analysis"], sort=False):
        known = r[r["saving_low"].notna()]
        n = len(known)
        covered = int(((known["saving_low"] <= known["truth"]) & (known["truth"] <= known["saving_high"])).sum())
        ends = stats.binomtest(covered, n).proportion_ci(0.99, method="exact") if n else (math.nan, math.nan)
        wrong = (known["saving_low"] > 0) & (known["truth"] <= 0) | (known["saving_high"] < 0) & (known["truth"] >= 0)
        table.append(
            {
                "world": world,
                "analysis": analysis,
                "studies": len(r),
                "with_interval": n,
                "deaths_differ": int((r["status"] == DEATHS_DIFFER).sum()),
                "truth": known["truth"].mean(),
                "saving": known["saving"].mean(),
                "sd": (known["saving"] - known["truth"]).std(),
                "before_after": (r["naive"] - TEAM.per_patient_year).mean(),
                "coverage": covered / n if n else math.nan,
                "low_99": ends[0],
                "high_99": ends[1],
                "holds": bool(ends[1] >= BAND[0] and ends[0] <= BAND[1]) if n else None,
                "wrong_sign": float(wrong.mean()) if n else math.nan,
            }
        )
    return pd.DataFrame(table).round(4)


def words(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each world: the money words with comparison hospitals, and savings claimed without them."""
    first = rows.drop_duplicates(["world", "seed"])
    table = pd.crosstab(first["world"], first["word"]).reindex(rows["world"].unique())
    alone = rows[rows["analysis"] == "alone"].groupby("world", sort=False)["claims"].sum()
    false = first[(first["word"] == "saves") & (first["truth"] <= 0)].groupby("world").size()
    return table.assign(
        saves_though_it_costs=false.reindex(table.index, fill_value=0), claimed_without_comparison=alone
    ).reset_index()


def page(rows: pd.DataFrame, table: pd.DataFrame, seconds: float, commit: str) -> str:
    """The results in words and two tables."""
    reps = int(table["studies"].min())
    fails = table[table["holds"].eq(False)]
    said = words(rows)
    lines = [
        "# Does the money find the truth?",
        "",
        f"`python -m benchmarks.money_recovery --reps {reps}` at commit {commit}: {reps:,} studies of each world, {seconds:.0f} s of one",
        f"core. {MONTHS} months; referral after the third admission in twelve months; 12 hospitals of which 3 have a service (few sites: 8 and 2; 5 and 1).",
        f"An admission costs £{PRICE:,.0f}, known with a standard error of {PRICE_ERROR:.0%}; the service £{TEAM.per_patient_year:,.0f} per patient-year, its places within 10 %.",
        "The net saving per patient-year on the caseload and its 95 % interval are those of the one loop: effect, prices and service drawn",
        "together. The true price and the true places of each study are drawn from what is known of them.",
        "",
        "| world | rung | studies with an interval | withheld: deaths differ | true saving | mean estimate | sd of the error | before-after says | coverage | 99 % interval | holds | wrong sign |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *[
            f"| {r.world} | {r.analysis} | {r.with_interval:,} | {r.deaths_differ:,} | {r.truth:,.0f} | {r.saving:,.0f} | {r.sd:,.0f} | {r.before_after:,.0f} | "
            f"{r.coverage:.1%} | {r.low_99:.1%} to {r.high_99:.1%} | {'yes' if r.holds else 'no'} | {r.wrong_sign:.1%} |"
            if r.with_interval
            else f"| {r.world} | {r.analysis} | 0 | {r.deaths_differ:,} | – | – | – | {r.before_after:,.0f} | – | – | no interval | – |"
            for r in table.itertuples()
        ],
        "",
        f"Band for coverage: {BAND[0]:.0%} to {BAND[1]:.0%}; a row fails when its 99 % binomial interval lies outside. "
        + (f"Rows that fail: {len(fails)}." if len(fails) else "Every row with an interval holds."),
        "Where the service's people die more often (`unequal_deaths`) the comparison over people is the headline. The comparison of sites takes deaths for savings",
        "there. The checks of deaths are made on every study as in a run, and withhold its number when they see more deaths with the service (decision 0071).",
        "Wrong sign: the interval excludes 0 on the wrong side of the true saving. Before-after: cost in the year before referral less cost since,",
        "less the service, which no table of the report shows.",
        "",
        "## What was said",
        "",
        "Studies by the word of the money sentence, with every check counted as passed, so that the words are as strong as they can be. "
        "Last columns: `saves` said where",
        "the true saving is 0 or less; and savings claimed, in words or as a number, when one hospital with a service was analysed as a series without a comparison.",
        "",
        "| " + " | ".join(c.replace("_", " ") for c in said.columns) + " |",
        "|" + "---|" * len(said.columns),
        *["| " + " | ".join(map(str, row)) + " |" for row in said.itertuples(index=False)],
    ]
    return "\n".join(lines) + "\n"


def finished(checkpoint: Path | None) -> pd.DataFrame:
    """The rows that an earlier run of the same command kept."""
    if checkpoint is None or not checkpoint.exists():
        return pd.DataFrame({"world": [], "seed": []})
    return pd.read_csv(checkpoint, keep_default_na=False, na_values=[""])


def run(worlds: list[str], reps: int, checkpoint: Path | None, workers: int) -> Iterator[pd.DataFrame]:
    """The rows of every study not yet done, seed by seed, so that a stopped run has all worlds alike."""
    before = finished(checkpoint)
    done = set(zip(before["world"], before["seed"], strict=True))
    yield before
    wanted = [(name, seed) for seed in range(1, reps + 1) for name in worlds if (name, seed) not in done]
    with ProcessPoolExecutor(workers) as pool:
        for rows in pool.map(timed_study, *zip(*wanted, strict=True), chunksize=7) if wanted else ():
            if checkpoint is not None:
                rows.to_csv(checkpoint, mode="a", header=not checkpoint.exists(), index=False, lineterminator="\n")
            yield rows


def timed_study(name: str, seed: int) -> pd.DataFrame:
    """The rows of one study with its processor seconds shared among them."""
    begin = time.process_time()
    rows = pd.DataFrame(study(name, seed), columns=COLUMNS)
    rows["seconds"] = (time.process_time() - begin) / len(rows)
    return rows


COLUMNS = ["world", "seed", "rung", "analysis", "status", "headline", "word", "claims", "truth_gross", "truth", "naive",
           "gross", "saving", "saving_low", "saving_high", "seconds"]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=1000)
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--checkpoint", type=Path, default=None)
    parser.add_argument("--commit", default="", help="the commit that ran, when it is not the one checked out now")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()
    commit = args.commit or commit_now()
    rows = pd.concat(
        [r for r in run(args.worlds, args.reps, args.checkpoint, args.workers) if len(r)], ignore_index=True
    )
    rows = rows[rows["world"].isin(args.worlds) & (rows["seed"] <= args.reps)]
    table = summary(rows)
    args.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.out / "money_recovery.csv", index=False, lineterminator="\n")
    text = page(rows, table, rows["seconds"].sum(), commit)
    (args.out / "money_recovery.md").write_text(text, encoding="utf-8", newline="\n")
    print(text)
    return int(table["holds"].eq(False).any() or rows.loc[rows["analysis"] == "alone", "claims"].any())


if __name__ == "__main__":
    raise SystemExit(main())
