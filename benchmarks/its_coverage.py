"""Does the 95 % interval of the series estimator cover? Simulates series whose truth is known and stores the answer.

    python benchmarks/its_coverage.py [--series 2400] [--seed 1] [--out docs/results] [--months 24 48 84] [--world ar1 ...]

Counts have a trend, one seasonal harmonic (two in the world `harmonic`, of which the model has one) and a latent Gaussian
process; half of the series have a fall of 23 % from the middle on and half have none. In the step model the series of a
cell take turns through monthly means of 20, 100 and 300 and through Poisson and negative-binomial margins (variance twice
the mean); in the segmented model and in the worlds beyond AR(1) the margins are negative-binomial. A cell fails when
its 99 % binomial interval lies outside the band that was set beforehand: with AR(1) errors 93 to 97.5 % coverage at
rho <= 0.4, at least 92 % at 0.6, and type I error at most 7 %, 8.5 % at 0.6; events averted 93 to 97 %; in the worlds
beyond AR(1) at least 90 % coverage at 48 and 84 months. The worlds beyond have no band at 24 months, nor for their
averted totals: they show what a longer memory does. Writes its_coverage.json and its_coverage.md with the commit that made
them after every cell, so that a run can be stopped; a run with some cells replaces those cells only, and with --resume a
cell that was made by the same code is not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import binom, nbinom, poisson

from aaot_eval.estimators._count_series import Wald
from aaot_eval.estimators._glm import fit_poisson
from aaot_eval.estimators._its_model import Fitted, Series, fit_model, mean_model, season_pairs
from aaot_eval.estimators._series_companions import automatic_lag, newey_west_fit, prais_winsten, quasi_poisson
from aaot_eval.results import generator

ROOT = Path(__file__).resolve().parent.parent
MONTHS = (24, 48, 84)
RHOS = (0.0, 0.2, 0.4, 0.6)
WORLDS = ("ar1", "ar2", "ar1_and_noise", "drift", "harmonic")
RATIO = 0.77
MEAN = 100.0
MEANS = (20.0, 100.0, 300.0)
SECOND_HARMONIC = 0.06
CODE = ("aaot_eval/estimators/_count_series.py", "aaot_eval/estimators/_its_model.py", "aaot_eval/estimators/_series_companions.py",
        "benchmarks/its_coverage.py")  # fmt: skip
"""What a cell's numbers depend on: the last commit of these names the cell."""


def latent(world: str, shape: tuple[int, int], rho: float, rng: np.random.Generator) -> np.ndarray:
    """Standard normal series (series x months) with the memory of the world."""
    e = rng.standard_normal((shape[0], shape[1] + 200))
    if world == "drift":
        return e[:, 200:]
    z = np.zeros_like(e)
    first, second = {"ar1": (rho, 0.0), "harmonic": (rho, 0.0), "ar2": (0.2, 0.5), "ar1_and_noise": (0.9, 0.0)}[world]
    for t in range(2, e.shape[1]):
        z[:, t] = first * z[:, t - 1] + second * z[:, t - 2] + e[:, t]
    z = z[:, 200:]
    g1 = first / (1 - second)
    z *= np.sqrt(1 - first * g1 - second * (first * g1 + second))
    if world == "ar1_and_noise":
        z = np.sqrt(0.5) * (z + rng.standard_normal(shape))
    return z


def simulate(
    world: str, n: int, rho: float, series: int, rng: np.random.Generator, means: Sequence[float] = (MEAN,),
    poisson_too: bool = False,
) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:  # fmt: skip
    """(counts with the service, counts without it, true ratio) of each series."""
    months, number = np.arange(n), np.arange(series)
    level = np.log(np.asarray(means))[(number // 2) % len(means)][:, None]
    log_mu = level + 0.02 * months / 12 + 0.1 * np.cos(2 * np.pi * months / 12)
    if world == "harmonic":
        log_mu = log_mu + SECOND_HARMONIC * np.cos(4 * np.pi * months / 12)
    u = ndtr(latent(world, (series, n), rho, rng))
    if world == "drift":
        log_mu = log_mu + np.cumsum(rng.normal(0, 0.04, (series, n)), axis=1)
    plain = (((number // (2 * len(means))) % 2 == 0) & poisson_too)[:, None]

    def drawn(mu: np.ndarray) -> np.ndarray:
        return np.where(plain, poisson.ppf(u, mu), nbinom.ppf(u, mu, 0.5))

    effect = np.where((months >= n // 2)[None, :] & (number % 2 == 0)[:, None], RATIO, 1.0)
    without, with_it = drawn(np.exp(log_mu)), drawn(np.exp(log_mu) * effect)
    for i in range(series):
        yield with_it[i], without[i], float(effect[i, -1])


def as_series(y: np.ndarray, start: int) -> Series:
    """A monthly series with its start, for the estimator."""
    n = len(y)
    months = np.arange(n)
    nothing = np.zeros(n, dtype=bool)
    return Series(
        unit="S", kind="count", clock=months, y=y, exposure=np.ones(n), persons=y, missing=nothing, left_out=nothing,
        service=months >= start, closed=nothing, start=start, first_clock=start, season_length=12,
        labels=tuple(str(m) for m in months), pandemic=np.zeros(n, dtype=int),
    )  # fmt: skip


class NoEstimateError(ValueError):
    """The estimator refuses the series: its terms cannot be told apart."""


def estimates(y: np.ndarray, slope: bool, pairs: int | None = None) -> tuple[dict[str, Wald], Fitted]:
    """The default and what usual practice would have given, on one series."""
    n = len(y)
    series = as_series(y, n // 2)
    fitted = fit_model(
        series, mean_model(series, slope=slope, pairs=season_pairs(n, 12) if pairs is None else pairs), 0.95
    )
    if fitted is None:
        raise NoEstimateError
    X, clock = fitted.model.X, series.clock
    plain = fit_poisson(y, X, np.zeros(n))
    pw = prais_winsten(np.log(y + 0.5 * (y == 0).any()), X, clock)
    return {
        "default": fitted.wald,
        "AR(1) alone": fitted.ar1.coefficient(2),
        "quasi-Poisson": quasi_poisson(plain, 2),
        "Newey-West": newey_west_fit(plain, y, X, clock, 2, automatic_lag(n)),
        "Prais-Winsten": Wald(float(pw.beta[2]), float(np.sqrt(pw.covariance[2, 2])), pw.df, pw.df),
    }, fitted


def cell(world: str, n: int, rho: float, slope: bool, series: int, seed: int) -> dict[str, Any]:
    """Coverage, type I error and width of every method in one cell."""
    rng = generator(seed, "its_coverage", world, n, int(100 * rho), int(slope))
    hit: dict[str, list[bool]] = {}
    claim: dict[str, list[bool]] = {}
    half: dict[str, list[float]] = {}
    averted: list[bool] = []
    refused = 0
    wider: list[bool] = []
    pooled = world == "ar1" and not slope
    pairs = 1 if world == "harmonic" else None
    for y, without, ratio in simulate(world, n, rho, series, rng, MEANS if pooled else (MEAN,), pooled):
        try:
            ways, fitted = estimates(y, slope, pairs)
        except NoEstimateError:
            refused += 1
            continue
        for name, w in ways.items():
            low, high = w.interval()
            hit.setdefault(name, []).append(low <= np.log(ratio) <= high)
            half.setdefault(name, []).append(w.half_width())
            if ratio == 1.0:
                claim.setdefault(name, []).append(w.p_value < 0.05)
        after = fitted.series.after
        total = fitted.projection(after).predicted
        averted.append(total.low <= without[after].sum() <= total.high)
        wider.append(fitted.wider_by > 0.15)
    return {
        "world": world, "n": n, "rho": rho, "model": "segmented" if slope else "step", "series": series,
        "coverage": {k: round(100 * float(np.mean(v)), 1) for k, v in hit.items()},
        "type_1": {k: round(100 * float(np.mean(v)), 1) for k, v in claim.items()},
        "half_width": {k: round(float(np.median(v)), 3) for k, v in half.items()},
        "averted_coverage": round(100 * float(np.mean(averted)), 1),
        "refused": refused,
        "wider_flagged": round(100 * float(np.mean(wider)), 1),
    }  # fmt: skip


def in_band(row: dict[str, Any]) -> str:
    """ "yes" when the 99 % binomial intervals meet the bands, else what does not; "" without a band."""
    n, half = row["series"], row["series"] // 2

    def ends(share: float, size: int) -> tuple[float, float]:
        low, high = (100 * binom.ppf(q, size, share / 100) / size for q in (0.005, 0.995))
        return float(low), float(high)

    low, high = ends(row["coverage"]["default"], n)
    if row["world"] != "ar1":
        return "" if row["n"] < 48 else "yes" if high >= 90.0 else "no: coverage"
    least, most, worst = (93.0, 97.5, 7.0) if row["rho"] <= 0.4 else (92.0, 100.0, 8.5)
    total = ends(row["averted_coverage"], n)
    faults = {
        "coverage": not (high >= least and low <= most),
        "type I": ends(row["type_1"]["default"], half)[0] > worst,
        "averted": not (total[1] >= 93.0 and total[0] <= 97.0),
    }
    missed = [name for name, missing in faults.items() if missing]
    return f"no: {', '.join(missed)}" if missed else "yes"


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    """The cell a row belongs to, in the order of the table."""
    return (WORLDS.index(row["world"]), row["model"] == "segmented", row["n"], row["rho"])


def markdown(rows: Sequence[dict[str, Any]], seed: int) -> str:
    """The table as a page."""
    methods = list(rows[0]["coverage"])
    made = sorted({f"{r['commit']}" for r in rows})
    lines = [
        "# Coverage of the interrupted time series, measured",
        "",
        f"Made by `python benchmarks/its_coverage.py` (seed {seed}, {rows[0]['series']:,} series a cell) at commit {', '.join(made)}.",
        "Start at the middle, half of the series with a fall of 23 %. Step model with AR(1) errors: monthly means of 20, 100 and "
        f"300, Poisson and negative-binomial margins in turn; else mean {MEAN:.0f}, variance twice the mean.",
        f"`harmonic`: AR(1) errors of 0.4 and a second harmonic of {SECOND_HARMONIC} in the log mean that the model lacks.",
        "Monte Carlo standard error of a coverage near 95 %: "
        f"{100 * np.sqrt(0.95 * 0.05 / rows[0]['series']):.1f} points.",
        "",
        "Coverage of the 95 % interval of the level change, type I error of the default at 5 % and coverage of the prediction "
        "interval of averted events, per cent. “wider” is the share of series whose interval is more than 15 % wider with AR(1) plus "
        "noise. “band” says whether the cell meets the band set beforehand: AR(1) errors 93 to 97.5 % (rho 0.6: at least 92), type I at "
        "most 7 % (8.5), averted 93 to 97 %; the other worlds, at 48 and 84 months, at least 90 %. A cell fails when its 99 % "
        "binomial interval lies outside.",
        f"The estimator gave no estimate for {sum(r.get('refused', 0) for r in rows)} of {sum(r['series'] for r in rows):,} series.",
        "",
        "| errors | model | n | rho | " + " | ".join(methods) + " | type I | averted | wider | band |",
        "|---" * (len(methods) + 8) + "|",
    ]
    for r in rows:
        rho = f"{r['rho']:.1f}" if r["world"] in ("ar1", "harmonic") else ""
        values = " | ".join(f"{r['coverage'][m]:.1f}" for m in methods)
        lines.append(
            f"| {r['world']} | {r['model']} | {r['n']} | {rho} | {values} | {r['type_1']['default']:.1f} | "
            f"{r['averted_coverage']:.1f} | {r['wider_flagged']:.0f} | {in_band(r)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=2400, help="a multiple of 12 fills all means and margins alike")
    parser.add_argument("--resume", action="store_true", help="leave out cells already made by this code")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--months", type=int, nargs="+", default=list(MONTHS))
    parser.add_argument("--world", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--model", nargs="+", choices=("step", "segmented"), default=["step", "segmented"])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%h", "--", *CODE], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    stored = args.out / "its_coverage.json"
    rows = {key(r): r for r in json.loads(stored.read_text(encoding="utf-8"))} if stored.exists() else {}
    args.out.mkdir(parents=True, exist_ok=True)
    for world, model, n, rho in cells(args.world, args.model, args.months):
        wanted = (WORLDS.index(world), model == "segmented", n, rho)
        done = rows.get(wanted)
        if args.resume and done and done["commit"] == commit and done["series"] == args.series:
            continue
        row = cell(world, n, rho, model == "segmented", args.series, args.seed) | {"commit": commit}
        rows[key(row)] = row
        print(
            world,
            model,
            n,
            rho,
            row["coverage"],
            row["type_1"]["default"],
            row["averted_coverage"],
            in_band(row),
            flush=True,
        )
        ordered = [rows[k] for k in sorted(rows)]
        stored.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8", newline="\n")
        (args.out / "its_coverage.md").write_text(markdown(ordered, args.seed), encoding="utf-8", newline="\n")


def cells(worlds: Sequence[str], models: Sequence[str], months: Sequence[int]) -> Iterator[tuple[str, str, int, float]]:
    """World, model, months and rho of every cell asked for; the second harmonic is a matter of series of 48 and more."""
    rhos = {"ar1": RHOS, "harmonic": (0.4,)}
    for world in worlds:
        for model in models if world == "ar1" else [m for m in models if m == "step"]:
            for n in months:
                if world != "harmonic" or n >= 48:
                    yield from ((world, model, n, rho) for rho in rhos.get(world, (0.0,)))


if __name__ == "__main__":
    main()
