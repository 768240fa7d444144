"""What the patient designs read when the truth is known: two illness processes, hospital shocks, deaths, referral at the peak.

    python -m benchmarks.patient_worlds [--worlds NAME ...] [--seeds 1000] [--workers 2] [--read FOLDER] [--again 5] [--out docs/results]

Every seed is read by every design of its world; what was read is kept in FOLDER, one file a world, so that a run can be
taken up again, also by a later version: the first seeds of what was kept are then read again, and one answer that differs
stops the run. Writes patient_worlds.csv, one row a world and design, and the same in words (patient_worlds.md): mean ratio,
bias, coverage of the truth, share of p <= 0.05, and what is read for the referred. Seeds are fixed beforehand.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.estimators import build_estimator
from aaot_eval.results import Analysis, OutcomeSpec, Panel
from benchmarks.stamp import commit_now

OUTCOME = "alcohol_specific_emergency"
CONTROL = "non_alcohol_emergency"
ROOT = Path(__file__).resolve().parent.parent
#: Set before the first run: coverage of the 95 % interval, false alarms at 0.05, and bias of the ratio.
COVERAGE = (0.92, 1.0)
FALSE_ALARMS = 0.07
BIAS = 0.05
#: Seeds from which the truth of a world with memory is found: its effect outlasts the months on the team.
TRUTH_SEEDS = 300
#: An answer kept and the same answer made again differ by what the order of sums and printing leave.
SAME = 1e-8


@dataclass(frozen=True)
class World:
    """What is true. Rates are per month; `effect` multiplies the rate from the month of referral on.

    process   "relapse": everybody falls ill and recovers, and is admitted at one rate or the other. "exciting": every
              admission makes the next one likelier for some months, levels are log-normal for good, and now and then
              something happens in a life; there are no two states
    referral_kind  "rule": with chance `referral` in every month in which the rule is met. "soft": by a logistic of the
              admissions of six months and of the last month and of the hospital's habit, up to `capacity` a month; no line.
              "steady": with chance `referral` times a person's lasting level every `intake` months, whatever happened lately: no peak
    """

    people: int = 4000
    hospitals: int = 12
    launches: tuple[int, ...] = (36, 42, 48)
    months: int = 72
    effect: float = 1.0
    shock_sd: float = 0.1
    shock_lag: float = 0.9
    trend: float = 0.0
    process: Literal["relapse", "exciting"] = "relapse"
    referral_kind: Literal["rule", "soft", "steady"] = "rule"
    rule: tuple[int, int] = (4, 12)
    referral: float = 0.25
    capacity: int = 6
    intake: int = 1
    relapse: float = 0.02
    recovery: float = 0.10
    rate_ill: float = 0.42
    rate_well: float = 0.03
    death_ill: float = 0.006
    death_well: float = 0.001
    level_sd: float = 0.8
    base_rate: float = 0.02
    excitation: float = 0.1
    memory: float = 0.75
    event: float = 0.004
    control_count: float = 2500.0


@dataclass(frozen=True)
class Drawn:
    """One drawing of a world: admissions (people x months), hospital, launch month, referral and death (-1 = never)."""

    y: np.ndarray
    unit: np.ndarray
    start: np.ndarray
    referral: np.ndarray
    death: np.ndarray
    control: np.ndarray

    def panel(self) -> Panel:
        """As the estimators read it."""
        return _panel(self.y, self.unit, self.start, self.referral, self.death, self.control)


def simulate(world: World, seed: int) -> Panel:
    """A panel of one world."""
    return draw(world, seed).panel()


def draw(world: World, seed: int) -> Drawn:
    """One drawing of a world, the same for the same seed."""
    rng = np.random.default_rng([seed, 7])
    n, n_t, n_u = world.people, world.months, world.hospitals
    unit = rng.integers(0, n_u, n)
    start = np.full(n_u, n_t)
    start[rng.permutation(n_u)[: len(world.launches)]] = world.launches
    level = rng.gamma(2.0, 0.5, n)
    if world.process == "exciting":
        level = np.exp(rng.normal(-(world.level_sd**2) / 2, world.level_sd, n))
    hospital = rng.normal(0, 0.15, n_u)
    shock = _autoregressive(rng, n_u, n_t, world.shock_sd, world.shock_lag)
    secular = world.trend * np.arange(n_t)
    habit = np.random.default_rng([seed, 8]).normal(0, 0.3, n_u)
    ill = rng.random(n) < world.relapse / (world.relapse + world.recovery)
    memory = np.zeros(n)
    alive = np.ones(n, dtype=bool)
    referral, death = np.full(n, -1), np.full(n, -1)
    y = np.zeros((n, n_t), dtype=np.int64)
    for t in range(-24, n_t):
        if world.process == "relapse":
            ill = np.where(ill, rng.random(n) >= world.recovery, rng.random(n) < world.relapse)
            if t < 0:
                continue
        if t >= 0:
            chosen = _referred(world, rng, y, t, alive & (t >= start[unit]) & (referral < 0), habit[unit], level)
            referral[chosen] = t
        factor = np.exp(hospital[unit] + (shock[unit, t] + secular[t] if t >= 0 else 0.0))
        if world.process == "relapse":
            rate = np.where(ill, world.rate_ill, world.rate_well) * level * factor
            hazard = np.where(ill, world.death_ill, world.death_well)
        else:
            memory = memory + 2.0 * (rng.random(n) < world.event)
            rate = (world.base_rate * level + world.excitation * memory) * factor
            hazard = world.death_well * (1 + memory)
        admitted = rng.poisson(rate * np.where(referral >= 0, world.effect, 1.0)) * alive
        memory = world.memory * memory + admitted
        if t < 0:
            continue
        y[:, t] = admitted
        dies = alive & (rng.random(n) < hazard)
        death[dies] = t
        alive &= ~dies
    control = rng.poisson(
        world.control_count * np.exp(secular + 0.03 * np.cos(2 * np.pi * np.arange(n_t) / 12)), (n_u, n_t)
    )
    return Drawn(y, unit, start, referral, death, control)


def _referred(
    world: World,
    rng: np.random.Generator,
    y: np.ndarray,
    t: int,
    open_to: np.ndarray,
    habit: np.ndarray,
    level: np.ndarray,
) -> np.ndarray:
    """Who is referred in a month, from what happened before it, or from a lasting level alone."""
    if world.referral_kind == "steady":
        return open_to & (rng.random(len(y)) < world.referral * level) & (t % world.intake == 0)
    count, months = world.rule
    if world.referral_kind == "rule":
        meets = (y[:, max(0, t - months) : t].sum(axis=1) >= count) & (t >= months)
        return open_to & meets & (rng.random(len(y)) < world.referral)
    six, last = y[:, max(0, t - 6) : t].sum(axis=1), y[:, max(0, t - 1) : t].sum(axis=1)
    chance = 1 / (1 + np.exp(-(-6.5 + 1.1 * six + 0.8 * last + habit)))
    wanted = np.flatnonzero(open_to & (six > 0) & (rng.random(len(y)) < chance))
    chosen = np.zeros(len(y), dtype=bool)
    chosen[rng.permutation(wanted)[: world.capacity * len(world.launches)]] = True
    return chosen


def _autoregressive(rng: np.random.Generator, n_u: int, n_t: int, sd: float, lag: float) -> np.ndarray:
    out = np.zeros((n_u, n_t))
    out[:, 0] = rng.normal(0, sd, n_u)
    for t in range(1, n_t):
        out[:, t] = lag * out[:, t - 1] + rng.normal(0, sd * np.sqrt(1 - lag**2), n_u)
    return out


def _panel(
    y: np.ndarray, unit: np.ndarray, start: np.ndarray, referral: np.ndarray, death: np.ndarray, control: np.ndarray
) -> Panel:
    n, n_t = y.shape
    n_u = len(start)
    index = pd.period_range("2016-04", periods=n_t, freq="M")
    periods = pd.DataFrame(
        {"label": [str(p) for p in index], "start": index.to_timestamp(), "days": index.days_in_month, "season": index.month,
         "clock": index.year * 12 + index.month - 1, "left_out": False}, index=pd.RangeIndex(n_t, name="t"),
    )  # fmt: skip
    names = [f"H{u + 1:02d}" for u in range(n_u)]

    def month(values: np.ndarray, never: int) -> pd.api.extensions.ExtensionArray:
        return pd.array([pd.NA if v in (-1, never) else int(v) for v in values], dtype="Int64")

    units = pd.DataFrame({"start_t": month(start, n_t), "stop_t": month(np.full(n_u, -1), n_t), "population": 250_000.0, "beds": np.nan,
                          "group": ""}, index=pd.Index(names, name="unit"))  # fmt: skip
    sites = np.array([y[unit == u].sum(axis=0) for u in range(n_u)])
    cells = pd.DataFrame({"unit": np.repeat(names, n_t), "t": np.tile(np.arange(n_t), n_u)})
    cells["exposure"] = 250_000.0 * periods["days"].to_numpy()[cells["t"]] / 365.25
    cells["treated"] = cells["t"].to_numpy() >= np.repeat(start, n_t)
    cells["missing"] = False
    cells[OUTCOME], cells[f"{OUTCOME}_persons"] = sites.ravel(), sites.ravel()
    cells[CONTROL], cells[f"{CONTROL}_persons"] = control.ravel(), control.ravel()
    people = pd.DataFrame({"unit": np.array(names)[unit], "referral_t": month(referral, n_t), "ended_t": month(np.full(n, -1), n_t),
                           "death_t": month(death, n_t), "sex": "", "age": 50}, index=pd.RangeIndex(n, name="person"))  # fmt: skip
    rows = pd.DataFrame({"person": np.repeat(np.arange(n), n_t), "t": np.tile(np.arange(n_t), n), OUTCOME: y.ravel()})
    outcomes = (
        OutcomeSpec(OUTCOME, "alcohol-specific emergency admissions"),
        OutcomeSpec(CONTROL, "non-alcohol emergency admissions"),
    )
    return Panel("month", 12, periods, units, cells, outcomes, people, rows)


MANY = World(people=10_000)
ONE = World(people=4000, hospitals=1, launches=(36,))
OVER_HOSPITALS = ("entry_rule", "risk_set")
#: As many people as give some 260 referrals, a programme of usual size.
USUAL = World(people=6000)
KINDS = {
    "known rule": USUAL,
    "soft rule": replace(USUAL, referral_kind="soft"),
    "one treated of 10": replace(USUAL, hospitals=10, launches=(40,)),
    "third world": replace(USUAL, process="exciting"),
}
#: Each world with the designs that read it.
WORLDS: dict[str, tuple[World, tuple[str, ...]]] = {
    f"{kind}, shocks {sd:g}, {'no effect' if effect == 1 else f'effect {effect:g}'}": (
        replace(world, shock_sd=sd, effect=effect),
        OVER_HOSPITALS,
    )
    for kind, world in KINDS.items()
    for sd in (0.0, 0.1, 0.2)
    for effect in (1.0, 0.77)
} | {
    "known rule, shocks 0.1, effect 0.5": (replace(USUAL, effect=0.5), OVER_HOSPITALS),
    "known rule, shocks 0.1, harm 1.4": (replace(USUAL, effect=1.4), OVER_HOSPITALS),
    "one trust, no effect": (ONE, ("own_cohorts",)),
    "one trust, no effect, no shocks": (replace(ONE, shock_sd=0.0), ("own_cohorts",)),
    "one trust, no effect, shocks 0.2": (replace(ONE, shock_sd=0.2), ("own_cohorts",)),
    "one trust, no effect, rise 0.4 % a month": (replace(ONE, trend=0.004), ("own_cohorts",)),
    "one trust, no effect, small": (replace(ONE, people=1500), ("own_cohorts",)),
    "one trust, no effect, 48 and 36 months": (replace(ONE, launches=(48,), months=84), ("own_cohorts",)),
    "one trust, no effect, third world": (replace(ONE, process="exciting"), ("own_cohorts",)),
    "one trust, effect 0.77": (replace(ONE, effect=0.77), ("own_cohorts",)),
    "one trust, effect 0.5": (replace(ONE, effect=0.5), ("own_cohorts",)),
    "one trust, harm 1.4": (replace(ONE, effect=1.4), ("own_cohorts",)),
}


def read(world: World, designs: Sequence[str], seed: int) -> list[dict[str, object]]:
    """One panel analysed by each design: the estimated ratio, its limits and p, and the ratio on the referred."""
    panel = simulate(world, seed)
    rows: list[dict[str, object]] = []
    for design in designs:
        # Without a line of entry the rule is searched for, as in a study with entry_rule = "unknown".
        rule = {"rule_count": world.rule[0], "rule_months": world.rule[1]} if world.referral_kind == "rule" else {}
        analysis = Analysis(design, design, design, OUTCOME)  # type: ignore[arg-type]
        estimator = build_estimator(design, rule)
        row: dict[str, object] = {
            "seed": seed,
            "design": design,
            "estimable": not estimator.objections(panel, analysis),
        }
        if row["estimable"]:
            estimates = estimator.fit(panel, analysis, seed=seed)
            head, facts = estimates[0], estimates[0].facts
            referred = next(e for e in estimates if e.facts["role"] == "referred")
            truth = world.effect
            if facts["role"] == "itt":
                on_team = (
                    facts["rate_on_team"]
                    * facts["on_team_person_months"]
                    / (facts["rate_after"] * facts["post_person_months"])
                )
                truth = 1 / (on_team / world.effect + 1 - on_team)
            row |= {"truth": truth, "ratio": head.estimate, "low": head.conf_low, "high": head.conf_high, "p": head.p_value,
                    "referred": referred.estimate, "referred_low": referred.conf_low, "referred_high": referred.conf_high,
                    "uptake": facts.get("uptake", math.nan), "placebo": facts.get("placebo_launch", math.nan)}  # fmt: skip
        rows.append(row)
    return rows


def lasting_truth(world: World, seed: int) -> dict[str, tuple[float, float]]:
    """Rates over 12 months of those who met the rule, and of the referred, in hospitals with a team; (admissions, months)."""
    drawn = draw(world, seed)
    count, months = world.rule
    n, n_t = drawn.y.shape
    total = np.concatenate([np.zeros((n, 1)), drawn.y.cumsum(axis=1)], axis=1)
    meets = np.zeros((n, n_t), dtype=bool)
    meets[:, months:] = total[:, months:n_t] - total[:, : n_t - months] >= count
    last = np.where(drawn.death < 0, n_t - 1, drawn.death)
    after = (np.arange(n_t) >= drawn.start[drawn.unit][:, None]) & (np.arange(n_t) <= last[:, None])
    index = np.where((meets & after).any(axis=1), (meets & after).argmax(axis=1), -1)
    return {"itt": _followed(total, index, last), "referred": _followed(total, drawn.referral, last)}


def _followed(total: np.ndarray, index: np.ndarray, last: np.ndarray) -> tuple[float, float]:
    rows = np.flatnonzero(index >= 0)
    end = np.minimum(index[rows] + 12, last[rows] + 1)
    return float((total[rows, end] - total[rows, index[rows]]).sum()), float((end - index[rows]).sum())


def find_truth(world: World, workers: int) -> dict[str, float]:
    """The ratios that are true in a world with memory, from the same seeds with and without the effect."""
    with ProcessPoolExecutor(workers) as pool:
        done = [
            list(pool.map(partial(lasting_truth, w), range(TRUTH_SEEDS), chunksize=10))
            for w in (world, replace(world, effect=1.0))
        ]

    def rate(rows: list[dict[str, tuple[float, float]]], who: str) -> float:
        events, months = np.sum([r[who] for r in rows], axis=0)
        return float(events / months)

    return {who: rate(done[0], who) / rate(done[1], who) for who in ("itt", "referred")}


def readings(name: str, seeds: Sequence[int], workers: int, folder: Path, again: int = 0) -> pd.DataFrame:
    """All readings of a world, those of earlier runs taken up from the folder, the first `again` of them read once more."""
    world, designs = WORLDS[name]
    file = folder / (name.replace(" ", "_").replace(",", "") + ".csv")
    known = pd.read_csv(file) if file.exists() else pd.DataFrame({"seed": []})
    missing = [s for s in seeds if s not in set(known["seed"])]
    with ProcessPoolExecutor(workers) as pool:
        once_more = sorted(s for s in seeds if s in set(known["seed"]))[:again]
        for seed, rows in zip(once_more, pool.map(partial(read, world, designs), once_more), strict=True):
            refuse_other_answers(name, known[known["seed"] == seed], pd.DataFrame(rows))
        for first in range(0, len(missing), 100):
            part = pool.map(partial(read, world, designs), missing[first : first + 100], chunksize=5)
            known = pd.concat([known, pd.DataFrame([row for rows in part for row in rows])], ignore_index=True)
            known.to_csv(file, index=False, lineterminator="\n")
    return known[known["seed"].isin(seeds)]


def refuse_other_answers(name: str, kept: pd.DataFrame, now: pd.DataFrame) -> None:
    """Stop when this version reads a panel otherwise than the one that made the readings kept."""
    kept, now = (
        frame.set_index("design").sort_index()[["ratio", "low", "high", "p", "truth"]] for frame in (kept, now)
    )
    if not np.allclose(kept.to_numpy(float), now.to_numpy(float), rtol=SAME, atol=SAME, equal_nan=True):
        raise SystemExit(f"{name}: this version gives other answers than the readings kept; read the world anew")


def score(name: str, seeds: Sequence[int], workers: int, folder: Path, again: int = 0) -> list[dict[str, object]]:
    """One row a design: what it read over the seeds."""
    world, designs = WORLDS[name]
    every = readings(name, seeds, workers, folder, again)
    lasting = find_truth(world, workers) if world.process == "exciting" and world.effect != 1.0 else {}
    rows: list[dict[str, object]] = []
    for design in designs:
        own = every[(every["design"] == design) & every["estimable"].astype(bool)]
        truth = own["truth"]
        referred_truth = lasting.get("referred", world.effect)
        if lasting:
            truth = pd.Series(lasting["referred" if design == "risk_set" else "itt"], index=own.index)
        error = np.log(own["ratio"] / truth)
        covers = (own["low"] <= truth) & (truth <= own["high"])
        finite = own["low"].notna() & own["high"].notna()
        row: dict[str, object] = {
            "world": name, "design": design, "seeds": len(seeds), "estimable": len(own), "finite": int(finite.sum()),
            "truth": truth.mean(), "reads": math.exp(np.log(own["ratio"]).mean()), "bias": math.expm1(error.mean()),
            "bias_error": error.std() / math.sqrt(len(own)), "sd_log": error.std(),
            "half_width": (np.log(own["high"] / own["low"]) / 2).median(), "covers": covers[finite].mean(),
            "p_below_05": (own["p"] <= 0.05).mean(), "referred_truth": referred_truth, "referred_reads": own["referred"].median(),
            "referred_covers": ((own["referred_low"] <= referred_truth) & ~(own["referred_high"] < referred_truth)).mean(),
            "uptake": own["uptake"].mean(), "placebo_reads": math.exp(np.log(own["placebo"]).mean()),
        }  # fmt: skip
        row["fails"] = "; ".join(broken(row, int(covers[finite].sum()), int((own["p"] <= 0.05).sum()), world.effect))
        rows.append(row)
    return rows


def broken(row: dict[str, object], covered: int, alarms: int, effect: float) -> list[str]:
    """The goals a cell misses, each judged by its 99 % interval."""
    found = []
    low, high = binomial(covered, int(str(row["finite"])))
    if high < COVERAGE[0] or low > COVERAGE[1]:
        found.append("coverage")
    if effect == 1.0 and binomial(alarms, int(str(row["estimable"])))[0] > FALSE_ALARMS:
        found.append("false alarms")
    if abs(float(str(row["bias"]))) - 2.58 * float(str(row["bias_error"])) > BIAS:
        found.append("bias")
    return found


def binomial(hits: int, n: int) -> tuple[float, float]:
    """The 99 % interval of a share."""
    low = float(stats.beta.ppf(0.005, hits, n - hits + 1)) if hits else 0.0
    return low, float(stats.beta.ppf(0.995, hits + 1, n - hits)) if hits < n else 1.0


def page(table: pd.DataFrame, asked: str, seeds: int, again: int) -> str:
    """The results in words and one table."""
    commit = commit_now()
    held = int((table["fails"] == "").sum())
    lines = [
        "# What the patient designs read when the truth is known",
        "",
        f"`python -m benchmarks.patient_worlds{asked} --seeds {seeds}` at commit {commit}: {seeds:,} simulated panels a row.",
        f"Readings of earlier versions were taken up where this version gives the same answers on the first {again} panels of a row.",
        "",
        "- known rule: relapse and remission in every person, gamma levels, hospital levels of sd 0.15, monthly hospital shocks",
        "  (lag-1 correlation 0.9), deaths six times as frequent in relapse, referral at the peak (4 or more admissions in 12 months).",
        "- soft rule: the same people, referred by a logistic of recent admissions up to a monthly capacity; the rule is searched for.",
        "- one treated of 10: as known rule, with one hospital that has the service.",
        "- third world: no states; every admission makes the next likelier, levels are log-normal, life events; the effect outlasts",
        f"  itself, so its truth is found by drawing the same {TRUTH_SEEDS} worlds with and without it.",
        "- one trust: a single hospital compared with its own earlier cohorts.",
        "",
        "Truth: the ratio over everybody who met the rule (entry_rule, own_cohorts), or over the referred (risk_set).",
        f"A cell fails when the 99 % interval of its share or bias lies outside: coverage {COVERAGE[0]:.0%} to {COVERAGE[1]:.0%},",
        f"false alarms at 0.05 at most {FALSE_ALARMS:.0%}, bias at most {BIAS:.0%}. {held} of {len(table)} hold.",
        "",
        "| world | design | estimable | truth | reads | bias (error) | half width, log | covers | p <= 0.05 | referred: truth, median | fails |",
        "|---|---|---:|---:|---:|---|---:|---:|---:|---|---|",
    ]
    for r in table.itertuples():
        cells = [r.world, r.design, f"{r.estimable / r.seeds:.1%}", f"{r.truth:.3f}", f"{r.reads:.3f}", f"{r.bias:+.1%} ({r.bias_error:.1%})",
                 f"{r.half_width:.2f}", f"{r.covers:.1%}", f"{r.p_below_05:.1%}", f"{r.referred_truth:.2f}, {r.referred_reads:.2f}", r.fails or "-"]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what was asked for and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="*", default=list(WORLDS), choices=list(WORLDS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--read", type=Path, default=None, help="folder of earlier readings")
    parser.add_argument("--again", type=int, default=5, help="how many readings kept are made again and compared")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    with tempfile.TemporaryDirectory() as fresh:
        folder = asked.read or Path(fresh)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [row for name in asked.worlds for row in score(name, seeds, asked.workers, folder, asked.again)]
    asked.out.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows)
    table.round(4).to_csv(asked.out / "patient_worlds.csv", index=False, lineterminator="\n")
    some = "" if asked.worlds == list(WORLDS) else " --worlds " + " ".join(f'"{w}"' for w in asked.worlds)
    text = page(table, some, asked.seeds, asked.again)
    (asked.out / "patient_worlds.md").write_text(text, encoding="utf-8", newline="\n")
    print(text)


if __name__ == "__main__":
    main()
