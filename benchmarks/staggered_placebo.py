"""Do the methods for staggered starts cry wolf, and do their intervals hold the truth?

    python -m benchmarks.staggered_placebo [--reps 2000] [--workers 1] [--checkpoint FILE] [--designs N] [--out docs/results]

Panels of hospitals of unequal size with lasting shocks, over-dispersed counts and starts in three months. Each panel is read three
times: without an effect, with a fifth fewer admissions, and with an effect that grows and differs by cohort, held to the
estimand of each method in that panel. Everything a method makes of levels is linear once the starts are given, so its
weights are taken from the estimator once a design and then applied to every panel; a test holds that to `fit` itself.
Writes staggered_placebo.csv and staggered_placebo.md with the commit that made them; a design that is in FILE is not run again.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats

from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators import _staggered as sg
from aaot_eval.estimators import imputation
from aaot_eval.estimators._site_fit import site_sizes
from aaot_eval.estimators._sites import Floats, Ints, SiteData
from aaot_eval.estimators._staggered_rows import LEAST_COHORT
from aaot_eval.estimators.event_study import pre_test, randomised_band, simultaneous
from aaot_eval.estimators.triple_difference import Triple
from aaot_eval.estimators.two_way import LEAST_SITES, LEAST_TREATED
from benchmarks.stamp import commit_now

ROOT = Path(__file__).resolve().parent.parent
MONTHS, LEVEL, EFFECT = 36, 0.05, math.log(0.8)
STARTS = (15, 18, 21)
#: Assignments held at most: a random part of them with the real one is as valid as all, and quicker.
MOST_WAYS = 500
#: Set before the first run: false alarms at 0.05, and coverage of the 95 % interval; a cell fails when its 99 % binomial interval
#: lies wholly outside.
MOST_FALSE_ALARMS, COVERAGE = 0.07, (0.92, 1.0)


@dataclass(frozen=True)
class Cell:
    """One design: how many hospitals, how many of them start in turn at STARTS, which, and events a month of the median one."""

    hospitals: int
    treated: int
    which: str = "random"
    median: float = 150.0

    @property
    def starts(self) -> Ints:
        """n: position of the start, MONTHS = never; cohorts as equal as can be, the first hospitals treated."""
        found = np.full(self.hospitals, MONTHS)
        found[: self.treated] = np.sort([STARTS[i % len(STARTS)] for i in range(self.treated)])
        return found

    @property
    def few(self) -> bool:
        """Whether the tool lets randomisation lead whatever the method."""
        return self.treated < LEAST_TREATED or self.hospitals < LEAST_SITES

    @property
    def thin(self) -> bool:
        """Whether it leads where the standard error is made of influences."""
        return self.few or int(np.unique(self.starts[: self.treated], return_counts=True)[1].min()) < LEAST_COHORT

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.treated} of {self.hospitals}, {self.which}, {self.median:.0f} a month"


#: What is least known first.
CELLS = [
    Cell(14, 3), Cell(14, 6), Cell(28, 8), Cell(28, 3, "smallest"), Cell(28, 12), Cell(28, 3), Cell(28, 1), Cell(14, 2), Cell(14, 3, "smallest"),
    Cell(28, 8, "smallest"), Cell(14, 3, "random", 10.0), Cell(60, 30),
]  # fmt: skip


@dataclass(frozen=True)
class World:
    """One panel: expected counts without the service (n x T, shocks in `shock`), exposure, and the control outcome."""

    mean: Floats
    shock: Floats
    exposure: Floats
    control: Floats


def autoregressive(rng: np.random.Generator, n: int, sd: float, lag: float = 0.7) -> Floats:
    """n x T stationary AR(1) series."""
    out = np.zeros((n, MONTHS))
    out[:, 0] = rng.standard_normal(n) * sd
    for t in range(1, MONTHS):
        out[:, t] = lag * out[:, t - 1] + math.sqrt(1 - lag**2) * sd * rng.standard_normal(n)
    return out


def world(rng: np.random.Generator, cell: Cell) -> World:
    """Log-normal sizes (sd 0.6), lasting differences of rate (sd 0.15), shocks of sd 0.1, half of them shared with the control outcome."""
    n = cell.hospitals
    size = np.exp(0.6 * rng.standard_normal(n))
    if cell.which == "smallest":
        size = np.sort(size)
    season = np.exp(0.1 * np.sin(2 * np.pi * np.arange(MONTHS) / 12))
    mean = cell.median * size[:, None] * np.exp(0.15 * rng.standard_normal(n))[:, None] * season
    shared, own, other = (autoregressive(rng, n, 0.1 / math.sqrt(2)) for _ in range(3))
    noise = np.exp(shared + own) * rng.gamma(20, 1 / 20, (n, MONTHS))
    control = rng.poisson(4 * cell.median * size[:, None] * np.exp(shared + other) * rng.gamma(20, 1 / 20, (n, MONTHS)))
    return World(mean, noise, np.repeat(size[:, None] * 1e5, MONTHS, axis=1), control.astype(float))


def ratios(cell: Cell, kind: str) -> Floats:
    """n x T: what the service does to the rate."""
    since = np.arange(MONTHS)[None, :] - cell.starts[:, None]
    on = since >= 0
    if kind == "none":
        return np.ones(on.shape)
    if kind == "same":
        return np.where(on, math.exp(EFFECT), 1.0)
    strength = np.where(cell.starts == STARTS[0], 0.5, np.where(cell.starts == STARTS[1], 1.0, 1.5))[:, None]
    return np.exp(np.where(on, -strength * (0.05 + 0.25 * (1 - np.exp(-np.maximum(since, 0) / 6))), 0.0))


KINDS = ("none", "same", "growing")


def truths(cell: Cell, drawn: World, ratio: Floats) -> dict[str, float]:
    """The log ratio that each method is after, in the expected counts of this panel."""
    on = np.arange(MONTHS)[None, :] >= cell.starts[:, None]
    rate = drawn.mean / drawn.exposure
    since = (np.arange(MONTHS)[None, :] - cell.starts[:, None])[on]

    def of(values: Floats) -> float:
        return math.log((values * ratio)[on].sum() / values[on].sum())

    at = np.bincount(since)[since]
    after, before = ((rate * r * on).sum(axis=1)[: cell.treated] for r in (ratio, np.ones_like(ratio)))
    return {
        "group_time": of(rate), "imputation": of(drawn.mean), "triple_difference": float(np.log(after / before).mean()),
        "event_study": math.log(((rate * ratio)[on] / at).sum() / (rate[on] / at).sum()),
    }  # fmt: skip


# What the estimators make of levels, once a design -------------------------------------------------------------------


@dataclass(frozen=True)
class Mean:
    """One mean effect as linear maps of the levels: by cohort and period (`weights`), and with its influences (`maps`)."""

    weights: Floats
    observed: Floats
    maps: tuple[Floats, Floats] | None

    def average(self, level: Floats) -> sg.Average:
        """What sg.aggregate would give."""
        flat = level.ravel()
        att, seen = float(self.weights.ravel() @ flat), float(self.observed.ravel() @ flat)
        none = np.zeros(len(level))
        one, two = (none, none) if self.maps is None else (m @ flat for m in self.maps)
        return sg.Average(None, att, one, seen, two, none)


def linear_means(table: sg.Staggered, found: list[sg.Pair], averages: list[sg.Average]) -> list[Mean]:
    """The means of these pairs as weights of levels; they depend on the starts alone."""
    cohort = np.searchsorted(table.dates, table.starts)
    out = []
    for average in averages:
        seen = np.zeros((table.n_sites, table.n_periods))
        for pair, w in zip(found, average.weights, strict=True):
            seen[table.starts == pair.start, pair.t] += w / pair.cohort
        out.append(Mean(sg.cohort_weights(table, found, average.weights)[cohort], seen, None))
    return out


def with_maps(means: list[Mean], n: int, averages: Callable[[Floats], list[sg.Average]]) -> list[Mean]:
    """The same means with what each hospital's influence takes from every level, read off unit levels."""
    found = [averages(e.reshape(n, MONTHS)) for e in np.eye(n * MONTHS)]
    maps = [
        [np.column_stack([getattr(f[i], k) for f in found]) for k in ("influence", "observed_influence")]
        for i in range(len(means))
    ]
    return [replace(m, maps=(one, two)) for m, (one, two) in zip(means, maps, strict=True)]


@dataclass(frozen=True)
class Design:
    """Everything about a cell that does not depend on the counts."""

    cell: Cell
    ways: ri.Assignments
    tables: dict[str, Floats]
    """(k + 1) x T weights of a site of each cohort for the mean that leads, by method."""
    overall: dict[str, Mean]
    times: Ints
    points: list[Mean]
    point_tables: Floats
    """E x (k + 1) x T."""

    @staticmethod
    def of(cell: Cell, *, maps: bool = True) -> Design:
        """Read off the estimators; without `maps` for what randomisation alone reads."""
        ways = thinned(ri.assign_starts(cell.starts, MONTHS, 1))
        level = np.ones((cell.hospitals, MONTHS))
        group = sg.Staggered(level, cell.starts, np.arange(MONTHS), level[:, 0])
        event = replace(group, base="universal")

        def group_of(values: Floats) -> tuple[list[sg.Pair], list[sg.Average]]:
            found = sg.pairs(table := group.with_level(values), only_after=True)
            return found, [sg.aggregate(table, found, "simple")[0]]

        def event_of(values: Floats) -> tuple[list[sg.Pair], list[sg.Average]]:
            found = sg.pairs(table := event.with_level(values))
            overall, parts = sg.aggregate(table, found, "dynamic")
            return found, [overall, *parts]

        (simple,), (dynamic, *points) = (linear_means(group, *of(level)) for of in (group_of, event_of))
        if maps and not cell.few:
            (simple,) = with_maps([simple], cell.hospitals, lambda v: group_of(v)[1])
            dynamic, *points = (
                with_maps([dynamic, *points][: 1 if cell.thin else None], cell.hospitals, lambda v: event_of(v)[1])
                + points * cell.thin
            )
        cohort = [int(np.flatnonzero(cell.starts == s)[0]) for s in (*ways.starts, MONTHS)]
        times = np.array([p.key for p in event_of(level)[1][1:]])
        overall = {"group_time": simple, "event_study": dynamic}
        return Design(cell, ways, {k: m.weights[cohort] for k, m in overall.items()}, overall, times, points,
                      np.array([m.weights[cohort] for m in points]))  # fmt: skip


def thinned(ways: ri.Assignments) -> ri.Assignments:
    """The real assignment and a random part of the others."""
    if len(ways.rows) <= MOST_WAYS * 1.2:
        return ways
    others = np.delete(np.arange(len(ways.rows)), ways.real)
    rows = np.random.default_rng(5).choice(others, MOST_WAYS - 1, replace=False)
    return replace(ways, rows=ways.rows[np.append(rows, ways.real)], real=MOST_WAYS - 1)


# One panel ----------------------------------------------------------------------------------------------------------


def site_data(cell: Cell, values: Floats, exposure: Floats) -> SiteData:
    """As the estimators hold a panel without holes."""
    return SiteData(tuple(map(str, range(len(values)))), np.arange(MONTHS), values, exposure, cell.starts, np.arange(MONTHS) / 12, True,
                    True, 0.5, "log", 0, ())  # fmt: skip


def read_panel(design: Design, drawn: World, values: Floats, truth: dict[str, float], *, effects: Sequence[str] = ("null", "truth")) -> dict[str, float]:  # fmt: skip
    """p of no effect and p of the truth by each method, by randomisation and (`t_`) by t."""
    cell, ways = design.cell, design.ways
    level, size = values / drawn.exposure, drawn.exposure.mean(axis=1)
    data = site_data(cell, values, drawn.exposure)
    triple = Triple(data, site_data(cell, drawn.control, drawn.exposure), ways)
    spread = imputation.size_spread(data, ways)
    row: dict[str, float] = {}

    def add(method: str, estimate: float, error: float, p_of: Callable[[float], float]) -> None:
        row[f"{method}.log"] = estimate
        for effect in effects:
            value = truth[method] if effect == "truth" else 0.0
            row[f"{method}.{effect}"] = p_of(value)
            row[f"{method}.t_{effect}"] = student(estimate - value, error, cell.hospitals - 1)

    for method, table in design.tables.items():
        sites = sg.Staggered(level, cell.starts, np.arange(MONTHS), size)
        average = design.overall[method].average(level)
        error = math.nan if cell.few else float(np.linalg.norm(average.log_ratio_influence))
        add(
            method,
            average.log_ratio,
            error,
            sg.randomise(sites, ways, sg.by_weights(table, ways), table, ratio=True).p_value,
        )
    add("imputation", float(imputation.poisson_under(values, data, ways.only_real())[0]), math.nan if cell.few else imputation.jackknife(data),
        lambda e: ri.p_value(imputation.randomised_statistic(data, ways, spread, e), ways.real))  # fmt: skip
    add("triple_difference", math.nan, math.nan, lambda e: ri.p_value(triple.statistic(e), ways.real))
    return row


def student(away: float, error: float, df: int) -> float:
    """Two-sided p of an estimate so far away, as RowMaker.analytic."""
    return 2 * float(special.stdtr(df, -abs(away) / error)) if error > 0 else math.nan


def bands(design: Design, level: Floats, data: SiteData) -> dict[str, float]:
    """Whether some point after, or before, the start lies outside the band of no difference; p of the drift before the start."""
    parts = [m.average(level) for m in design.points]
    values = np.array([p.log_ratio for p in parts])
    before, after = design.times < -1, design.times >= 0
    if design.cell.thin:
        table = sg.Staggered(level, design.cell.starts, data.t, data.exposure.mean(axis=1))
        att, expected = (np.array([getattr(p, k) for p in parts]) for k in ("att", "expected"))
        covariance, critical = randomised_band(table, design.ways, design.point_tables, design.times, att, LEVEL, 1)
        error = np.sqrt(np.diag(covariance)) / expected
        critical = critical if design.ways.p_least <= LEVEL else math.nan
    else:
        influence = np.column_stack([p.log_ratio_influence for p in parts])
        error, critical = np.linalg.norm(influence, axis=0), simultaneous(influence, LEVEL, 1)
    outside = np.abs(values) > critical * error
    slopes = ri.slope_table(data.level(), data.years, design.ways.starts)
    return {"band.after": float((outside & after).any()), "band.before": float((outside & before).any()), "band.critical": critical,
            "pre_trend.p": ri.p_value(ri.size_scaled(slopes, site_sizes(data), design.ways), design.ways.real)}  # fmt: skip


# A cell --------------------------------------------------------------------------------------------------------------


def run_cell(cell: Cell, reps: int) -> pd.DataFrame:
    """One row a panel and kind of effect."""
    design, rng, rows = Design.of(cell), generator_of(cell, 11), []
    for rep in range(reps):
        drawn = world(rng, cell)
        for kind in KINDS:
            ratio = ratios(cell, kind)
            values = rng.poisson(drawn.mean * drawn.shock * ratio).astype(float)
            truth = truths(cell, drawn, ratio)
            found = read_panel(design, drawn, values, truth, effects=EFFECTS_OF[kind])
            rows.append({"rep": rep, "kind": kind, **found, **{f"{k}.true": v for k, v in truth.items()}})
    return pd.DataFrame(rows)


def run_bands(cell: Cell, reps: int) -> pd.DataFrame:
    """One row a panel without an effect."""
    design, rng, rows = Design.of(cell, maps=not cell.thin), generator_of(cell, 13), []
    for _ in range(reps):
        drawn = world(rng, cell)
        values = rng.poisson(drawn.mean * drawn.shock).astype(float)
        rows.append(bands(design, values / drawn.exposure, site_data(cell, values, drawn.exposure)))
    return pd.DataFrame(rows)


def generator_of(cell: Cell, part: int) -> np.random.Generator:
    """Fixed for each design and part."""
    return np.random.default_rng([2026, part, cell.hospitals, cell.treated, cell.which == "smallest", int(cell.median)])


EFFECTS_OF = {"none": ("null",), "same": ("null", "truth"), "growing": ("truth",)}
METHODS = ("group_time", "imputation", "event_study", "triple_difference")


def score(cell: Cell, found: pd.DataFrame) -> list[dict[str, object]]:
    """One row a method and inference: false alarms, coverage of both kinds of effect, and bias."""
    null, same, growing = (found[found["kind"] == k] for k in KINDS)
    rows: list[dict[str, object]] = []
    base = {
        "hospitals": cell.hospitals,
        "treated": cell.treated,
        "which": cell.which,
        "median": cell.median,
        "reps": len(null),
    }
    least = 1 / len(thinned(ri.assign_starts(cell.starts, MONTHS, 1)).rows)

    def count(values: pd.Series) -> int:
        return int((values <= LEVEL + ri.TIE).sum())

    for method in METHODS:
        for inference, role in (("randomisation", ""), ("t", "t_")):
            if null[f"{method}.{role}null"].isna().all():
                continue
            row = base | {"method": method, "inference": inference, "false_alarms": count(null[f"{method}.{role}null"]),
                          "seen": count(same[f"{method}.{role}null"])}  # fmt: skip
            for name, frame in (("same", same), ("growing", growing)):
                ends = inference == "t" or least <= LEVEL
                row |= {f"covered_{name}": len(frame) - count(frame[f"{method}.{role}truth"]) if ends else math.nan,
                        f"bias_{name}": float((frame[f"{method}.log"] - frame[f"{method}.true"]).mean())}  # fmt: skip
            rows.append(row)
    return rows


def score_bands(cell: Cell, found: pd.DataFrame) -> list[dict[str, object]]:
    """One row for each side of the start, and one for the check of the trend before it."""
    base = {
        "hospitals": cell.hospitals,
        "treated": cell.treated,
        "which": cell.which,
        "median": cell.median,
        "reps": len(found),
    }
    drift = base | {"method": "pre_trend", "inference": "randomisation", "false_alarms": int((found["pre_trend.p"] <= LEVEL + ri.TIE).sum())}  # fmt: skip
    how = "randomisation" if cell.thin else "bootstrap"
    sides = [base | {"method": f"bands {side} the start", "inference": how, "false_alarms": int(found[f"band.{side}"].sum())}
             for side in ("after", "before")]  # fmt: skip
    return [*sides, drift] if found["band.critical"].notna().any() else [drift]


def leads(row: pd.Series) -> bool:
    """Whether the tool puts this inference first."""
    if row["method"] not in METHODS or row["method"] == "triple_difference":
        return True
    cell = Cell(int(row["hospitals"]), int(row["treated"]), row["which"], row["median"])
    return bool((row["inference"] == "randomisation") == (cell.few if row["method"] == "imputation" else cell.thin))


def fails(row: pd.Series) -> str:
    """The goals a row misses, each judged by its 99 % binomial interval."""
    found = []
    if binomial(row["false_alarms"], row["reps"])[0] > MOST_FALSE_ALARMS:
        found.append("false alarms")
    for name in ("same", "growing"):
        covered = row.get(f"covered_{name}", math.nan)
        if not math.isnan(covered) and (
            binomial(covered, row["reps"])[1] < COVERAGE[0] or binomial(covered, row["reps"])[0] > COVERAGE[1]
        ):
            found.append(f"coverage, {name}")
    return "; ".join(found)


def binomial(hits: float, n: float) -> tuple[float, float]:
    """The 99 % interval of a share."""
    low = float(stats.beta.ppf(0.005, hits, n - hits + 1)) if hits else 0.0
    return low, float(stats.beta.ppf(0.995, hits + 1, n - hits)) if hits < n else 1.0


def joint_test(reps: int, *, hospitals: int = 28, treated: int = 8, quarters: int = 12, start: int = 6) -> int:
    """How often the joint Wald test of quarters before the start has p <= 0.05 without a drift: it needs more hospitals than effects."""
    rng = np.random.default_rng([2026, 12])
    starts = np.full(hospitals, quarters)
    starts[:treated] = start
    alarms = 0
    for _ in range(reps):
        drawn = world(rng, Cell(hospitals, treated))
        level = (
            rng.poisson(drawn.mean * drawn.shock).reshape(hospitals, quarters, 3).sum(axis=2) / drawn.exposure[:, :1]
        )
        table = sg.Staggered(level, starts, np.arange(quarters), np.ones(hospitals), base="universal")
        alarms += pre_test(sg.pairs(table), table)[1] <= LEVEL
    return alarms


def page(frame: pd.DataFrame, joint: tuple[int, int], seconds: float) -> str:
    """The results in words and tables."""
    commit = commit_now()
    reps = int(frame["reps"].iloc[0])
    designs = len(frame[["hospitals", "treated", "which", "median"]].drop_duplicates())
    frame = frame.assign(fails=frame.apply(fails, axis=1), leads=frame.apply(leads, axis=1))
    leading = frame[frame["leads"]]
    held = int((leading["fails"] == "").sum())
    lines = [
        "# False alarms and coverage of the methods for staggered starts",
        "",
        f"`python -m benchmarks.staggered_placebo --reps {reps} --designs {designs}` at commit {commit}: {reps:,} panels a design, {seconds:.0f} s of one core.",
        "",
        f"{MONTHS} months, starts in months {', '.join(str(s + 1) for s in STARTS)} (in turn, cohorts as equal as can be), log-normal sizes (sd 0.6), rates that",
        "differ for good (sd 0.15), shocks of sd 0.10 with lag-1 correlation 0.7, half of them shared with the control outcome of the",
        "triple difference, over-dispersed counts, a common season. Each panel is read without an effect (false alarm: p <= 0.05, or a",
        "point outside the band of all points), with 20 % fewer admissions (covers, seen), and with a fall that grows over the first",
        "year and is half as large in the first cohort and one and a half times in the third (covers, growing), each held to what",
        f"the method is after in the expected counts of that panel. At most {MOST_WAYS:,} assignments of start dates, drawn where there are more.",
        f"Monte Carlo error of a share near 5 %: {100 * math.sqrt(0.05 * 0.95 / reps):.1f} points.",
        "",
        f"A row fails when the 99 % interval of its share lies outside: false alarms at most {MOST_FALSE_ALARMS:.0%}, coverage {COVERAGE[0]:.0%} to "
        f"{COVERAGE[1]:.0%}. Of what leads, {held} of {len(leading)} rows hold.",
    ]  # fmt: skip
    for title, rows in (("What leads", leading), ("What stands beside it", frame[~frame["leads"]])):
        lines += ["", f"## {title}", "",
                  "| treated | which | events a month | method | inference | false alarms | covers | growing | seen | bias | growing | fails |",
                  "|---|---|---:|---|---|---:|---:|---:|---:|---:|---:|---|"]  # fmt: skip
        lines += [_line(r) for _, r in rows.iterrows()]
    share = joint[0] / joint[1]
    lines += ["", f"The joint Wald test of the effects before the start (8 of 28 hospitals, twelve quarters, five effects before): p <= 0.05 in {share:.1%} of "
              f"{joint[1]:,} panels without a drift. It is made as other programs make it, stands in no sentence of the report, and should be read so."]  # fmt: skip
    return "\n".join(lines) + "\n"


def _line(r: pd.Series) -> str:
    def share(name: str) -> str:
        return f"{r[name] / r['reps']:.1%}" if name in r and not math.isnan(r[name]) else ""

    def log(name: str) -> str:
        return f"{r[name]:+.3f}" if name in r and not math.isnan(r[name]) else ""

    cells = [f"{r['treated']} of {r['hospitals']}", r["which"], f"{r['median']:.0f}", r["method"], r["inference"], share("false_alarms"),
             share("covered_same"), share("covered_growing"), share("seen"), log("bias_same"), log("bias_growing"), r["fails"] or "-"]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def kept(checkpoint: Path | None, reps: int) -> pd.DataFrame:
    """Rows of an earlier run with as many panels."""
    if checkpoint is None or not checkpoint.exists():
        return pd.DataFrame()
    earlier = pd.read_csv(checkpoint)
    return earlier[earlier["reps"] == reps]


PARTS = {"p": (run_cell, score), "bands": (run_bands, score_bands)}


def rows_of(task: tuple[Cell, str], reps: int) -> pd.DataFrame:
    """One part of a cell run and scored, with its CPU seconds."""
    begin = time.process_time()
    run, scored = PARTS[task[1]]
    rows = scored(task[0], run(task[0], reps))
    return pd.DataFrame(rows).assign(part=task[1], seconds=time.process_time() - begin)


def main() -> None:
    """Run what is not in the checkpoint, and store the table and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--checkpoint", type=Path, default=None)
    parser.add_argument("--designs", type=int, default=len(CELLS), help="how many of the designs, the first ones")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    asked = parser.parse_args()
    done, key = kept(asked.checkpoint, asked.reps), ["hospitals", "treated", "which", "median"]
    have = set() if done.empty else set(done[[*key, "part"]].itertuples(index=False, name=None))
    missing = [
        (c, part)
        for c in CELLS[: asked.designs]
        for part in PARTS
        if (c.hospitals, c.treated, c.which, c.median, part) not in have
    ]
    with ProcessPoolExecutor(asked.workers) as pool:
        for (cell, part), rows in zip(missing, pool.map(partial(rows_of, reps=asked.reps), missing), strict=True):
            done = pd.concat([done, rows], ignore_index=True)
            if asked.checkpoint:
                done.to_csv(asked.checkpoint, index=False, lineterminator="\n")
            print(cell.name, part, f"{rows['seconds'].iloc[0]:.0f} s", flush=True)
    order = {(c.hospitals, c.treated, c.which, c.median): i for i, c in enumerate(CELLS)}
    done = done.assign(order=[order[tuple(r)] for r in done[key].itertuples(index=False)]).sort_values(
        "order", kind="stable"
    )
    seconds = float(done.drop_duplicates(["order", "part"])["seconds"].sum())
    asked.out.mkdir(parents=True, exist_ok=True)
    table = done.drop(columns=["order", "seconds", "part"])
    table.round(5).to_csv(asked.out / "staggered_placebo.csv", index=False, lineterminator="\n")
    text = page(table, (joint_test(asked.reps), asked.reps), seconds)
    (asked.out / "staggered_placebo.md").write_text(text, encoding="utf-8", newline="\n")
    print(text)


if __name__ == "__main__":
    main()
