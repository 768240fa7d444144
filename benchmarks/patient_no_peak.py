"""Callaway-Sant'Anna and the event study over people, in the worlds they are for: nobody is referred at a peak.

    python -m benchmarks.patient_no_peak [--seeds 1000] [--workers 1] [--read FOLDER] [--out docs/results]

People fall ill and recover as in benchmarks.patient_worlds, but are referred by their lasting level and not by what happened lately.
Hospital shocks of sd 0, 0.1 and 0.2, without an effect and with 0.77. Readings are kept in FOLDER, one file a world. Writes
patient_no_peak.csv and patient_no_peak.md with the commit that made them.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from aaot_eval.checks._caseload import dip
from aaot_eval.checks.dip import word_of
from aaot_eval.estimators import _person_groups as pg
from aaot_eval.estimators._cohorts import PEOPLE_NEEDED, PersonMonths
from aaot_eval.estimators._randomisation import TIE
from aaot_eval.estimators.event_study import EventTimes
from aaot_eval.estimators.patient_event_study import event_times_over_people
from aaot_eval.results import generator
from benchmarks.patient_worlds import BIAS, COVERAGE, FALSE_ALARMS, Drawn, World, binomial, draw
from benchmarks.stamp import commit_now

ROOT = Path(__file__).resolve().parent.parent
#: People of twelve hospitals, three of which start a team after two years.
STEADY = World(people=2000, launches=(24, 27, 30), months=48, referral_kind="steady", referral=0.15, intake=3)
WORLDS = {
    f"shocks {sd:g}, {'no effect' if effect == 1 else f'effect {effect:g}'}": replace(STEADY, shock_sd=sd, effect=effect)
    for sd in (0.0, 0.1, 0.2) for effect in (1.0, 0.77)
}  # fmt: skip
READERS = ("patient_group_time", "patient_event_study")
#: The dip test is made on the first panels of a world only: it says how often the design would be allowed.
DIP_SEEDS = 100


def people_of(drawn: Drawn) -> PersonMonths:
    """What `person_months` makes of the panel of this drawing, without the panel."""
    n_t = drawn.y.shape[1]
    y = drawn.y.astype(float)
    referral, death = (np.where(v < 0, n_t, v) for v in (drawn.referral, drawn.death))
    alive = np.arange(n_t) <= death[:, None]
    names = tuple(f"H{u + 1:02d}" for u in range(len(drawn.start)))
    return PersonMonths(y, y, alive, alive, drawn.unit, referral, death, names, drawn.start, np.full(len(names), n_t))


def read(world: World, first_dip: int, seed: int) -> list[dict[str, Any]]:
    """One panel by each reader, by the steps of its `fit` (a test holds them to it).

    The simple mean of patient_group_time has the month before the start as its base whatever the base of the months before.
    """
    drawn = draw(world, seed)
    people = people_of(drawn)
    data = pg.grouped(people, np.zeros(drawn.y.shape[1], dtype=bool), "referral", "universal")
    both: dict[str, Any] = {
        "seed": seed,
        "referred": int(data.sizes().sum()),
        "estimable": data.sizes().sum() >= PEOPLE_NEEDED,
    }
    rows = [both | {"reader": reader} for reader in READERS]
    if both["estimable"]:
        found = pg.effects(data)
        mean, points, (simple,) = event_times_over_people(data, found, 0.95, [pg.mean_over(found, "simple")])
        rows[0] |= by_hospitals(data, simple, world.effect)
        rows[1] |= by_hospitals(data, mean, world.effect) | _band(points, world.effect)
    if seed < first_dip + DIP_SEEDS:
        rows[0]["no_dip"] = no_dip(people)
    return rows


def by_hospitals(data: pg.Grouped, answer: pg.Answer, truth: float) -> dict[str, float]:
    """Ratio, half width and p values with hospitals as random."""
    value = answer.log_ratio
    if not math.isfinite(value):
        return {"log": math.nan, "p": math.nan, "p_truth": math.nan}
    spread = pg.spread(data, answer)
    p, p_truth = (
        2 * float(special.stdtr(spread.df, -abs(value - e) / spread.log_error)) for e in (0.0, math.log(truth))
    )
    return {"log": value, "p": p, "p_truth": p_truth, "half_width": float(special.stdtrit(spread.df, 0.975)) * spread.log_error}  # fmt: skip


def _band(points: EventTimes, effect: float) -> dict[str, float]:
    """Whether some month lies outside the band of all: of no difference before the start, of the truth after it."""
    away = points.values - np.where(points.times >= 0, math.log(effect), 0.0)
    outside = np.abs(away) > points.critical * points.std_errors
    return {"band_before": bool(outside[points.before].any()), "band_after": bool(outside[points.times >= 0].any())}


def no_dip(people: PersonMonths) -> bool:
    """Whether the dip test lets people be compared with their own past, as the rule of designs asks."""
    found = dip(people, generator(1, "dip", "referred"))
    return not isinstance(found, str) and word_of(found) == "no dip"


def readings(name: str, seeds: Sequence[int], workers: int, folder: Path) -> pd.DataFrame:
    """All readings of a world, those of earlier runs taken up from the folder."""
    file = folder / (name.replace(" ", "_").replace(",", "") + ".csv")
    known = pd.read_csv(file) if file.exists() else pd.DataFrame({"seed": []})
    missing = [s for s in seeds if s not in set(known["seed"])]
    with ProcessPoolExecutor(workers) as pool:
        for at in range(0, len(missing), 100):
            part = pool.map(partial(read, WORLDS[name], seeds[0]), missing[at : at + 100], chunksize=5)
            known = pd.concat([known, pd.DataFrame([row for rows in part for row in rows])], ignore_index=True)
            known.to_csv(file, index=False, lineterminator="\n")
    return known[known["seed"].isin(seeds)]


def score(name: str, every: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a reader."""
    world, rows = WORLDS[name], []
    for reader in READERS:
        own = every[(every["reader"] == reader) & every["estimable"].astype(bool)]
        error = own["log"] - math.log(world.effect)
        finite = own["p_truth"].notna()
        row = {
            "world": name, "reader": reader, "seeds": every["seed"].nunique(), "estimable": len(own), "finite": int(finite.sum()),
            "referred": own["referred"].mean(), "truth": world.effect, "bias": math.expm1(error.mean()),
            "bias_error": error.std() / math.sqrt(len(own)), "sd_log": error.std(), "half_width": own["half_width"].median(),
            "covered": int((own["p_truth"] > 0.05 + TIE).sum()), "p_below_05": int((own["p"] <= 0.05 + TIE).sum()),
        }  # fmt: skip
        if reader == "patient_event_study":
            row |= {k: int(own[k].astype(bool).sum()) for k in ("band_before", "band_after")}
        rows.append(row | {"fails": "; ".join(broken(row, world.effect))})
    if "no_dip" in every:
        told = every["no_dip"].dropna()
        rows[0] |= {"no_dip": int(told.astype(bool).sum()), "dip_seeds": len(told)}
    return rows


def broken(row: dict[str, Any], effect: float) -> list[str]:
    """The goals of benchmarks.patient_worlds that a row misses, each judged by its 99 % interval."""
    found = []
    low, high = binomial(row["covered"], row["finite"])
    if high < COVERAGE[0] or low > COVERAGE[1]:
        found.append("coverage")
    if effect == 1.0 and binomial(row["p_below_05"], row["estimable"])[0] > FALSE_ALARMS:
        found.append("false alarms")
    if abs(row["bias"]) - 2.58 * row["bias_error"] > BIAS:
        found.append("bias")
    if binomial(row.get("band_before", 0), row["estimable"])[0] > FALSE_ALARMS:
        found.append("band before")
    if binomial(row.get("band_after", 0), row["estimable"])[0] > FALSE_ALARMS:
        found.append("band after")
    return found


def page(table: pd.DataFrame, seeds: int, seconds: float) -> str:
    """The results in words and one table."""
    commit = commit_now()
    held = int((table["fails"] == "").sum())
    dips = table["no_dip"].sum() / table["dip_seeds"].sum()
    lines = [
        "# Designs over people where nobody is referred at a peak",
        "",
        f"`python -m benchmarks.patient_no_peak --seeds {seeds}` at commit {commit}: {seeds:,} simulated panels a row, {seconds:.0f} s of one core.",
        "",
        f"{STEADY.people:,} people of {STEADY.hospitals} hospitals over {STEADY.months} months; three hospitals start after two years, {table['referred'].mean():.0f} people are referred on",
        f"average, by their lasting level and not by what happened lately, in rounds every {STEADY.intake} months. Relapse and remission, gamma levels, hospital levels of sd 0.15,",
        "monthly hospital shocks (lag-1 correlation 0.9), deaths six times as frequent in relapse. Bands: share of panels in which some month lies outside the band of",
        f"all months, of no difference before the start and of the truth after it. The dip test finds no dip, so that the rule of designs lets them run, in {dips:.0%} of panels.",
        "",
        f"A row fails when the 99 % interval of its share or bias lies outside: coverage {COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}, false alarms and bands at most",
        f"{FALSE_ALARMS:.0%}, bias at most {BIAS:.0%}. {held} of {len(table)} hold.",
        "",
        "| world | method | panels | truth | bias (error) | half width, log | covers | p <= 0.05 | band before | band after | fails |",
        "|---|---|---:|---:|---|---:|---:|---:|---:|---:|---|",
    ]  # fmt: skip
    for r in table.to_dict("records"):
        bands = [f"{r[k] / r['estimable']:.1%}" if not math.isnan(r[k]) else "" for k in ("band_before", "band_after")]
        cells = [r["world"], r["reader"], f"{r['seeds']:,}", f"{r['truth']:.3f}", f"{r['bias']:+.1%} ({r['bias_error']:.1%})", "" if math.isnan(r["half_width"]) else f"{r['half_width']:.2f}",
                 f"{r['covered'] / r['finite']:.1%}", f"{r['p_below_05'] / r['estimable']:.1%}", *bands, r["fails"] or "-"]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run every world and store the table and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--read", type=Path, default=None, help="folder of earlier readings")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    seeds, begin = range(asked.first, asked.first + asked.seeds), time.perf_counter()
    with tempfile.TemporaryDirectory() as fresh:
        folder = asked.read or Path(fresh)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [row for name in WORLDS for row in score(name, readings(name, seeds, asked.workers, folder))]
    table = pd.DataFrame(rows)
    asked.out.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(asked.out / "patient_no_peak.csv", index=False, lineterminator="\n")
    text = page(table, asked.seeds, time.perf_counter() - begin)
    (asked.out / "patient_no_peak.md").write_text(text, encoding="utf-8", newline="\n")
    print(text)


if __name__ == "__main__":
    main()
