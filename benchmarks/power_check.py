"""Are power's figures those of a brute-force simulation, within 3 points? Goal of the product.

    python -m benchmarks.power_check [--parts series sites people] [--reps 2000] [--pasts 100] [--seed 1] [--out docs/results]

Each design is simulated again by code of its own (a latent AR(1) built month by month, counts as quantiles of the negative binomial at its
rank) and handed to the estimators; the share of panels with p < 0.05 stands beside what `power` says for the
same truth. A cell fails when the 99 % interval of the difference lies outside 3 points.

People: what `power` prints from the months before the start of a world of people (benchmarks/patient_worlds.py), the mean over many such
pasts, beside what `risk_set` then reads in the same worlds (docs/results/patient_worlds.csv). A past is short and tells the spread of hospitals
badly, so the band, set before the first run, is 10 points of power, and 15 % of the median half-width.

Writes power_check.csv and power_check.md with the commit of each row; a run of some parts replaces their rows only.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._its_model import Series, fit_model, mean_model, season_pairs
from aaot_eval.estimators._site_fit import fit_sites
from aaot_eval.estimators._sites import site_data
from aaot_eval.power._before import Asked, first_start, periods_before
from aaot_eval.power._people import people_rows
from aaot_eval.power._series import Past, power_of
from aaot_eval.power._sites import AFTER, _power
from aaot_eval.results import Analysis, generator
from benchmarks.patient_worlds import OUTCOME, WORLDS, simulate
from benchmarks.stamp import commit_now
from tests.builders import site_panel

ROOT = Path(__file__).resolve().parent.parent
POINTS, LEVEL, FALL = 3.0, 0.05, 0.23
PEOPLE_POINTS, PEOPLE_WIDTH = 10.0, 0.15
PARTS = ("series", "sites", "people")
COLUMNS = (
    "part",
    "design",
    "power",
    "brute_force",
    "difference",
    "half_99",
    "half_width",
    "half_width_brute",
    "holds",
    "reps",
    "commit",
)
SERIES = ((24, 24, 100.0, 0.2), (36, 24, 100.0, 0.4), (36, 24, 300.0, 0.2), (36, 36, 20.0, 0.0))
"""Months before, months after, mean, rho; variance twice the mean."""
SITES = ((14, 2, 36, 40.0, 0.4), (14, 3, 36, 15.0, 0.2), (28, 1, 36, 60.0, 0.4))
"""Sites, treated, months before, mean, rho."""
PEOPLE = (
    "known rule, shocks 0, effect 0.77",
    "known rule, shocks 0.1, effect 0.77",
    "soft rule, shocks 0.1, effect 0.77",
    "one treated of 10, shocks 0.1, effect 0.77",
    "third world, shocks 0.1, effect 0.77",
)
"""Worlds of people with an effect."""
FIRST_SEED = 10_000
"""Of the worlds in docs/results/patient_worlds.csv."""


def drawn(mean: np.ndarray, rho: float, rng: np.random.Generator) -> np.ndarray:
    """Counts with variance twice the mean whose latent normal scores are AR(1), month by month."""
    shape = mean.shape
    latent = np.empty(shape)
    state = rng.standard_normal(shape[:-1])
    for t in range(shape[-1]):
        if t:
            state = rho * state + math.sqrt(1 - rho**2) * rng.standard_normal(shape[:-1])
        latent[..., t] = state
    # Size k and chance k / (k + mu) of a negative binomial with variance 2 mu: k = mu.
    return np.asarray(stats.nbinom(mean, 0.5).ppf(stats.norm.cdf(latent)))


def season(months: int) -> np.ndarray:
    """A year's wave of a tenth either way."""
    return np.asarray(np.exp(0.1 * np.cos(2 * np.pi * np.arange(months) / 12)))


def series_cell(before: int, after: int, mean: float, rho: float, reps: int, seed: int) -> dict[str, Any]:
    """What power says of one series, and how often the default estimator finds the fall in series made here."""
    past = Past(np.arange(before), mean * season(before), 2.0, rho, 12)
    claimed, _ = power_of(past, after, 1.0, Asked(OUTCOME, FALL, reps, seed, LEVEL))
    rng = generator(seed, "power_check", "series", before, after, int(mean), int(100 * rho))
    n = before + after
    mu = mean * season(n) * np.where(np.arange(n) >= before, 1 - FALL, 1.0)
    found, clock, none = 0, np.arange(n), np.zeros(n, dtype=bool)
    for y in drawn(np.broadcast_to(mu, (reps, n)), rho, rng):
        series = Series(unit="", kind="count", clock=clock, y=y, exposure=np.ones(n), persons=y, missing=none, left_out=none,
                        service=clock >= before, closed=none, start=before, first_clock=before, season_length=12,
                        labels=tuple(map(str, clock)), pandemic=np.zeros(n, dtype=int))  # fmt: skip
        fitted = fit_model(series, mean_model(series, slope=False, pairs=season_pairs(n, 12)), 1 - LEVEL)
        found += fitted is not None and fitted.wald.p_value < LEVEL
    return row("series", f"{before} + {after} months, {mean:g} a month, rho {rho:g}", claimed, found / reps, reps)


def sites_cell(sites: int, treated: int, before: int, mean: float, rho: float, reps: int, seed: int) -> dict[str, Any]:
    """What power says of sites of unequal size, and how often the exact randomisation finds the fall in panels made here."""
    rng = generator(seed, "power_check", "sites", sites, treated, before, int(mean))
    size = np.exp(rng.normal(0, 0.4, sites))
    level = mean * size[:, None] * season(before)
    claimed, _ = _power(level, 2.0, rho, np.zeros(treated, dtype=int), FALL, reps, seed, LEVEL)
    n, found = before + AFTER, 0
    year = level[:, -12:]
    future = np.concatenate([level, year[:, np.arange(AFTER) % 12]], axis=1)
    estimator = build_estimator("site_did", {})
    asked = Analysis("a", "sites", "site_did", "a")
    for i in range(reps):
        mu = future[rng.permutation(sites)]
        mu = mu * np.where((np.arange(sites) < treated)[:, None] & (np.arange(n) >= before), 1 - FALL, 1.0)
        panel = site_panel({"a": drawn(mu, rho, rng)}, [before] * treated + [None] * (sites - treated))
        if i == 0:
            # The whole estimator once, so that the shorter way below is the same p.
            whole = estimator.fit(panel, asked, seed=1)[0].p_value
            assert whole == fit_sites(site_data(panel, "a"), 1).p_value
        found += fit_sites(site_data(panel, "a"), 1).p_value <= LEVEL
    return row(
        "sites",
        f"{treated} of {sites} sites, {before} + {AFTER} months, {mean:g} a month, rho {rho:g}",
        claimed,
        found / reps,
        reps,
    )


def people_cell(name: str, found: dict[str, Any], pasts: int) -> dict[str, Any]:
    """What power prints from the past of many panels of one world, and what `risk_set` read in that world (its stored row).

    The number referred is each panel's own. Without a line of entry the rule is that of the search: 2 in 6 months.
    """
    world = WORLDS[name][0]
    rule = world.rule if world.referral_kind == "rule" else (2, 6)
    fall, said = 1 - float(found["referred_truth"]), []
    for seed in range(FIRST_SEED, FIRST_SEED + pasts):
        panel = simulate(world, seed)
        past = periods_before(panel, first_start(panel))
        rows, _, facts = people_rows(panel, past, Asked(OUTCOME, fall, 1000, seed, LEVEL, 12, rule))
        said += [(r["power"], r["half_width"]) for r in rows if r["people"] == facts["referred"]]
    power, half = np.array(said).T
    brute, n = float(found["p_below_05"]), int(found["estimable"])
    error = 100 * math.sqrt(power.var(ddof=1) / len(power) + brute * (1 - brute) / n)
    gap, widths = 100 * (power.mean() - brute), (float(np.median(half)), float(found["half_width"]))
    holds = abs(gap) - 2.576 * error <= PEOPLE_POINTS and abs(math.log(widths[0] / widths[1])) <= math.log1p(
        PEOPLE_WIDTH
    )
    return {"part": "people", "design": f"{name}, fall {fall:.0%}", "power": round(100 * float(power.mean()), 1), "brute_force": round(100 * brute, 1),
            "difference": round(gap, 1), "half_99": round(2.576 * error, 1), "half_width": round(widths[0], 3), "half_width_brute": round(widths[1], 3),
            "holds": "yes" if holds else "no", "reps": f"{len(power)} / {n}"}  # fmt: skip


def row(part: str, design: str, claimed: float, brute: float, reps: int) -> dict[str, Any]:
    """One line of the table; `holds` unless the 99 % interval of the difference lies outside 3 points."""
    error = 100 * math.sqrt((claimed * (1 - claimed) + brute * (1 - brute)) / reps)
    gap = 100 * (claimed - brute)
    return {"part": part, "design": design, "power": round(100 * claimed, 1), "brute_force": round(100 * brute, 1), "difference": round(gap, 1),
            "half_99": round(2.576 * error, 1), "half_width": "", "half_width_brute": "",
            "holds": "yes" if abs(gap) - 2.576 * error <= POINTS else "no", "reps": str(reps)}  # fmt: skip


def cells(part: str, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Every cell of one part."""
    if part == "series":
        return [series_cell(*c, asked.reps, asked.seed) for c in SERIES]
    if part == "sites":
        return [sites_cell(*c, asked.reps, asked.seed) for c in SITES]
    stored = pd.read_csv(ROOT / "docs" / "results" / "patient_worlds.csv")
    found = stored[stored["design"] == "risk_set"].set_index("world")
    return [people_cell(name, found.loc[name].to_dict(), asked.pasts) for name in PEOPLE]


def page(table: pd.DataFrame) -> str:
    """The table in words."""
    lines = [
        "# Power against brute force",
        "",
        f"`python -m benchmarks.power_check`: a fall of {FALL:.0%}, variance twice the mean, level {LEVEL:g}. "
        f"A cell of series or sites holds unless the 99 % interval of the difference lies outside {POINTS:g} points.",
        "",
        "| part | design | power says, % | brute force, % | difference, points | 99 % +/- | holds | replicates | commit |",
        "|---|---|---:|---:|---:|---:|---|---:|---|",
    ]
    both = table[table["part"] != "people"]
    for r in both.itertuples():
        lines.append(
            f"| {r.part} | {r.design} | {r.power} | {r.brute_force} | {r.difference:+} | {r.half_99} | {r.holds} | {r.reps} | {r.commit} |"
        )
    people = table[table["part"] == "people"]
    if len(people):
        lines += [
            "",
            "## People",
            "",
            "What `power` prints from the months before the start (mean over pasts; the half-width of the log ratio is the median), beside what `risk_set` reads in the "
            "whole panels of the same world ([patient_worlds.md](patient_worlds.md)). A cell holds unless the 99 % interval of the difference in power lies outside "
            f"{PEOPLE_POINTS:g} points, or the half-widths differ by more than {PEOPLE_WIDTH:.0%}.",
            "",
            "| world | power says, % | risk_set, % | difference, points | 99 % +/- | half-width: says | is | holds | pasts / panels | commit |",
            "|---|---:|---:|---:|---:|---:|---:|---|---:|---|",
        ]
        for r in people.itertuples():
            lines.append(
                f"| {r.design} | {r.power} | {r.brute_force} | {r.difference:+} | {r.half_99} | {float(r.half_width):.2f} | {float(r.half_width_brute):.2f} | {r.holds} | {r.reps} | {r.commit} |"
            )
    return "\n".join([*lines, ""])


def main() -> None:
    """The cells asked for, stored with the commit that made them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--reps", type=int, default=2000)
    parser.add_argument("--pasts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    commit = commit_now()
    file = asked.out / "power_check.csv"
    known = pd.read_csv(file, dtype=str, keep_default_na=False).to_dict("records") if file.exists() else []
    rows = []
    for part in PARTS:
        rows += (
            [{**r, "commit": commit} for r in cells(part, asked)]
            if part in asked.parts
            else [r for r in known if r["part"] == part]
        )
    pd.DataFrame(rows).reindex(columns=list(COLUMNS)).to_csv(file, index=False, lineterminator="\n")
    table = pd.read_csv(file, dtype={"reps": str, "commit": str})
    (asked.out / "power_check.md").write_text(page(table), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
