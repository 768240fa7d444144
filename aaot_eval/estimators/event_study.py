"""The effect by time since the start against one common base, with bands that hold for all points at once.

Formulae, assumptions and refusals: docs/methods/event_study.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq

from aaot_eval.errors import Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators import _staggered as sg
from aaot_eval.estimators import _staggered_rows as rows
from aaot_eval.estimators._saturated import SunAbraham, sun_abraham
from aaot_eval.estimators._sites import UNMOVED, Bools, Floats, Ints, unmoved
from aaot_eval.estimators.group_time import OverCohorts, staggered_of
from aaot_eval.results import Analysis, Estimate, Panel, generator

DRAWS = 4_999
LARGE, FEWER_DRAWS = 5_000, 999
"""With more sites than LARGE the multiplier bootstrap takes FEWER_DRAWS."""
POWER_DRAWS = 10_000
POWERS = (0.5, 0.8)
STEEPEST = 1e4
"""Standard deviations of the most precise point: a slope beyond this is not searched for."""
MOST_CELLS = 400
"""The regression of Sun and Abraham has one coefficient a cohort and period; with more it is not fitted."""


@dataclass(frozen=True)
class EventTimes:
    """Effects by time since the start: `values` (log ratio, or level) with their covariance; zero at the base, -1.

    `critical`: what a standard error is multiplied by so that all intervals hold together; NaN where the design has none.
    """

    times: Ints
    values: Floats
    covariance: Floats
    critical: float
    units: Ints

    @property
    def std_errors(self) -> Floats:
        """Roots of the diagonal; zero at the base."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.covariance), 0.0)))

    @property
    def before(self) -> Ints:
        """Positions of the points before the base."""
        return np.flatnonzero(self.times < -1)


@ESTIMATORS.register("event_study")
@dataclass(frozen=True)
class EventStudy(OverCohorts):
    """Effects by periods since the start, every one against the last period before it.

    `method`: "group_time", or "sun_abraham", whose standard errors take the cohorts' shares as given. `covariates`,
    `control`, `adjust`: as in group_time. `detail`: also a row for each point.
    """

    base: ClassVar[Literal["universal"]] = "universal"
    method: Literal["group_time", "sun_abraham"] = "group_time"

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why no effect by time since the start can be had; empty when it can."""
        problems = super().objections(panel, analysis)
        if not problems and self.method == "sun_abraham" and panel.extra.get("weight"):
            problems.append(Problem("E342", "the regression of Sun and Abraham is made without weights", where=analysis.name,
                                    do='use method = "group_time", which has them'))  # fmt: skip
        if problems or self.method == "group_time":
            return problems
        _, table = staggered_of(self, panel, analysis, 0, "event_study", False)
        if not table.whole or self.control != "never":
            problems.append(Problem("E342", "the regression of Sun and Abraham needs a panel without holes and sites that never "
                                            "start as comparison", where=analysis.name, do='use method = "group_time"'))  # fmt: skip
        if len(table.dates) * table.n_periods > MOST_CELLS:
            problems.append(Problem("E343", f"{len(table.dates)} cohorts in {table.n_periods} periods are too many for one "
                                            "regression", where=analysis.name, allowed=f"at most {MOST_CELLS} cells",
                                    do='use method = "group_time", which gives the same effects'))  # fmt: skip
        return problems

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The mean over the points after the start; the points stand in the table `event_time` of it."""
        if self.method == "sun_abraham":
            return _sun_abraham_rows(self, panel, analysis, seed)
        ratio = rows.on_ratio(panel, analysis.outcome, self.scale)
        make, table = staggered_of(self, panel, analysis, seed, "event_study", ratio)
        what = f"{'ratio' if ratio else 'difference'} of the treated to their expected level, mean over periods since the start"
        if table.whole and unmoved(table.level):
            return (make.row(what, math.nan, ratio=ratio, inference="none", status="not_estimable", note=UNMOVED),)
        found = sg.pairs(table)
        overall, parts = sg.aggregate(table, found, "dynamic")
        points = event_times(make, table, found, parts, seed)
        first = _overall(make, table, found, overall, what)
        tables = {"event_time": _table(points, analysis.name, ratio=ratio)}
        facts = _facts(make, points, found, table, seed)
        note = "; ".join(n for n in (first.note, power_sentence(facts, ratio=ratio)) if n)
        out = [replace(first, tables=tables, facts=facts, note=note)]
        if self.detail:
            out += _points(make, table, parts)
        return tuple(out)


def event_times(make: rows.RowMaker, table: sg.Staggered, found: list[sg.Pair], parts: list[sg.Average],
                seed: int) -> EventTimes:  # fmt: skip
    """All points with a covariance that the number of treated sites can bear: over assignments where they are few."""
    times = np.array([p.key for p in parts])
    units = np.array([sum(int((table.starts == s).sum()) for s in {f.start for f, w in zip(found, p.weights, strict=True) if w})
                      for p in parts])  # fmt: skip
    ratio = make.ratio and all(math.isfinite(p.log_ratio) for p in parts)
    values = np.array([p.log_ratio if ratio else p.att for p in parts])
    if make.by_chance and plain(table):
        weights = np.array([sg.cohort_weights(table, found, p.weights) for p in parts])
        shown = np.array([p.expected if ratio else 1.0 for p in parts])
        reachable = make.least(make.ways) <= make.alpha + ri.TIE
        covariance, band = randomised_band(
            table, make.ways, weights, times, np.array([p.att for p in parts]), make.alpha, seed
        )
        return EventTimes(times, values, covariance / np.outer(shown, shown), band if reachable else math.nan, units)
    influence = table.by_cluster(np.column_stack([p.log_ratio_influence if ratio else p.influence for p in parts]))
    critical = math.nan if make.few else simultaneous(influence, make.alpha, seed)
    return EventTimes(times, values, influence.T @ influence, critical, units)


def plain(table: sg.Staggered) -> bool:
    """No holes, covariates or weights: every point is one weight for each cohort and period."""
    return table.whole and table.covariates is None and table.weight is None


def randomised_band(
    table: sg.Staggered, ways: ri.Assignments, weights: Floats, times: Ints, att: Floats, alpha: float, seed: int
) -> tuple[Floats, float]:
    """(E x E covariance of the points, critical value for all of them) over assignments, the estimated effects taken out first.

    `weights`: E x (k + 1) x T. Taking the effects out takes the treated sites' own deviations out too, one for each start date:
    the variance is raised by (n - 1) / (n - 1 - k). Each assignment is divided by what the sizes of the sites it draws lead one to
    expect. The critical value is the larger of two: that of a multivariate t with n - 1 - k, and that of the assignments which
    draw none of the sites truly treated, which knows how unlike each other the sites are.
    """
    since = table.clock[None, :] - table.clock[np.minimum(table.starts, table.n_periods - 1)][:, None]
    own = (
        (since[None] == times[:, None, None])
        & (table.starts < table.n_periods)[None, :, None]
        & (times != -1)[:, None, None]
    )
    gone = table.level - np.tensordot(att, own, axes=1)
    contributions = np.einsum("nt,ekt->nke", gone, weights)
    drawn = _under(contributions, ways) / _size_spread(table, ways, contributions)[:, None]
    df = table.n_sites - 1 - len(table.dates)
    if df < 1:
        return np.full((len(times), len(times)), math.nan), math.nan
    covariance = np.cov(drawn, rowvar=False, ddof=0) * (table.n_sites - 1) / df
    return covariance, max(largest_of(covariance, df, alpha, seed), largest_drawn(drawn, table, ways, alpha))


def largest_drawn(drawn: Floats, table: sg.Staggered, ways: ri.Assignments, alpha: float) -> float:
    """The critical value by rank among assignments without a site truly treated; 0 where those are too few for that.

    Their spread has each of them in it and that of the estimate has not: c^2 (1 - B) / (1 - c^2 B), B = 1 / (never treated - 1).
    Where that would more than double the variance the rank says too little, and 0 is returned as well.
    """
    clean = drawn[~(table.starts < table.n_periods)[ways.rows].any(axis=1)]
    rank = math.ceil((1 - alpha) * (len(clean) + 1))
    spread = clean.std(axis=0) if len(clean) else np.zeros(0)
    if rank > len(clean) or not (spread > 0).any():
        return 0.0
    largest = np.sort(np.abs(np.divide(clean, spread, out=np.zeros_like(clean), where=spread > 0)).max(axis=1))[
        rank - 1
    ]
    share = 1 / (int((table.starts >= table.n_periods).sum()) - 1)
    return float(largest * math.sqrt((1 - share) / (1 - largest**2 * share))) if largest**2 * share < 0.5 else 0.0


def largest_of(covariance: Floats, df: int, alpha: float, seed: int) -> float:
    """The 1 - alpha quantile of the largest of the points in size, multivariate t with `df`."""
    some = np.diag(covariance) > 0
    if not some.any():
        return math.nan  # no point has a spread, so no band can be drawn
    spread = np.sqrt(np.diag(covariance)[some])
    values, vectors = np.linalg.eigh(covariance[np.ix_(some, some)] / np.outer(spread, spread))
    rng = generator(seed, "simultaneous bands")
    normal = rng.standard_normal((DRAWS, len(spread))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    return float(np.quantile(np.abs(normal).max(axis=1) / np.sqrt(rng.chisquare(df, DRAWS) / df), 1 - alpha))


def _under(contributions: Floats, ways: ri.Assignments) -> Floats:
    """N x E: every point under every assignment, from what each site adds as a member of each cohort (n x (k + 1) x E)."""
    never = contributions[:, -1]
    extra = contributions[:, :-1] - never[:, None]
    total = np.repeat(never.sum(axis=0)[None], len(ways.rows), axis=0)
    for column, cohort in enumerate(ways.cohort):
        total += extra[ways.rows[:, column], cohort]
    return total


def _size_spread(table: sg.Staggered, ways: ri.Assignments, contributions: Floats) -> Floats:
    """N: the spread that the sizes of the sites drawn lead one to expect, over that of the sites truly treated; one for all points."""
    extra = contributions[:, :-1] - contributions[:, -1:]
    spread = extra.std(axis=0)
    if not (spread > 0).any():
        return np.ones(len(ways.rows))
    a, b = ri.size_variance((extra[:, spread > 0] / spread[spread > 0]), table.size)
    if np.ptp(table.size) == 0 or b == 0:
        return np.ones(len(ways.rows))
    expected = np.sqrt((a + b / table.size)[ways.rows].sum(axis=1))
    return np.asarray(expected / expected[ways.real])


def simultaneous(influence: Floats, alpha: float, seed: int) -> float:
    """The critical value by multiplier bootstrap with random signs over sites; never below that of one point."""
    spread = np.linalg.norm(influence, axis=0)
    scaled = influence[:, spread > 0] / spread[spread > 0]
    one = float(stats.norm.ppf(1 - alpha / 2))
    if not scaled.shape[1]:
        return one
    rng = generator(seed, "simultaneous bands")
    draws = DRAWS if len(scaled) <= LARGE else FEWER_DRAWS
    step = max(1, 4_000_000 // len(scaled))
    largest = [np.abs((2.0 * rng.integers(0, 2, (min(step, draws - at), len(scaled))) - 1.0) @ scaled).max(axis=1)
               for at in range(0, draws, step)]  # fmt: skip
    return max(one, float(np.quantile(np.concatenate(largest), 1 - alpha)))


def pre_test(found: list[sg.Pair], table: sg.Staggered | None = None) -> tuple[float, float, int]:
    """(Wald statistic, p, degrees of freedom) of all effects before the start being nought; NaN when they are collinear.

    As the R package did: all cohorts and periods, chi-squared. Collinear means more effects than sites can tell apart,
    which happens with cohorts of one site, and then there is no test.
    """
    before = [p for p in found if not p.after and p.t != p.base]
    if not before:
        return math.nan, math.nan, 0
    influence = np.column_stack([p.influence for p in before])
    influence = influence if table is None else table.by_cluster(influence)
    covariance = influence.T @ influence
    if np.linalg.matrix_rank(influence) < len(before) or np.linalg.cond(covariance) > 1 / np.finfo(float).eps:
        return math.nan, math.nan, len(before)
    att = np.array([p.att for p in before])
    statistic = float(att @ np.linalg.solve(covariance, att))
    return statistic, float(stats.chi2.sf(statistic, len(before))), len(before)


def detectable_slopes(points: EventTimes, alpha: float, seed: int) -> dict[float, float]:
    """Slope a period at which some point before the start is significant with each power (Roth 2022); NaN where none is.

    A straight line through the base is added to the points before it; a point counts when it lies outside its own
    1 - alpha interval.
    """
    before = points.before
    spread = points.std_errors[before]
    before, spread = before[spread > 0], spread[spread > 0]
    if not len(before):
        return dict.fromkeys(POWERS, math.nan)
    values, vectors = np.linalg.eigh(points.covariance[np.ix_(before, before)])
    normal = generator(seed, "power of the pre-trend test").standard_normal((POWER_DRAWS, len(before)))
    noise = normal @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    away = (points.times[before] + 1).astype(float)
    bar = float(stats.norm.ppf(1 - alpha / 2)) * spread

    def power(slope: float) -> float:
        return float((np.abs(noise + slope * away) > bar).any(axis=1).mean())

    most = STEEPEST * float(np.min(spread / np.abs(away)))
    found = {}
    for wanted in POWERS:
        reached = power(0.0) < wanted < power(most)
        found[wanted] = float(brentq(lambda s, w=wanted: power(s) - w, 0.0, most, xtol=most * 1e-9)) if reached else (
            0.0 if power(0.0) >= wanted else math.nan)  # fmt: skip
    return found


def _overall(
    make: rows.RowMaker, table: sg.Staggered, found: list[sg.Pair], overall: sg.Average, what: str
) -> Estimate:
    how = "Callaway-Sant'Anna, universal base"
    if make.by_chance and plain(table):
        weights = sg.cohort_weights(table, found, overall.weights)
        drawn = sg.randomise(table, make.ways, sg.by_weights(weights, make.ways), weights, ratio=make.ratio)
        return make.randomised(what, replace(drawn, p_least=make.least(make.ways)), f"{how}, {make.how(make.ways)}")
    value = overall.log_ratio if make.ratio else overall.att
    influence = overall.log_ratio_influence if make.ratio and math.isfinite(value) else overall.influence
    return make.analytic(what, value, table.std_error(influence), ratio=make.ratio,
                         how=f"{how}, influence functions, cohort shares estimated")  # fmt: skip


def _points(make: rows.RowMaker, table: sg.Staggered, parts: list[sg.Average]) -> list[Estimate]:
    out = []
    for part in parts:
        if part.key == -1:
            continue
        value = part.log_ratio if make.ratio else part.att
        influence = part.log_ratio_influence if make.ratio and math.isfinite(value) else part.influence
        out.append(make.analytic(f"effect, event_study, {part.key:+d} periods since the start", value,
                                 table.std_error(influence), ratio=make.ratio,
                                 how="Callaway-Sant'Anna, universal base, influence functions, cohort shares estimated"))  # fmt: skip
    return out


def _table(points: EventTimes, analysis: str, *, ratio: bool) -> pd.DataFrame:
    half = points.critical * points.std_errors
    low, high = points.values - half, points.values + half
    base = points.times == -1
    low[base], high[base] = math.nan, math.nan
    show = np.exp if ratio else np.asarray
    return pd.DataFrame({"analysis": analysis, "event_time": points.times, "ratio": show(points.values), "conf_low": show(low),
                         "conf_high": show(high), "n_units": points.units})  # fmt: skip


def _facts(
    make: rows.RowMaker, points: EventTimes, found: list[sg.Pair], table: sg.Staggered, seed: int
) -> dict[str, Any]:
    statistic, p, df = pre_test(found, table)
    slopes = detectable_slopes(points, 0.05, seed)
    after = points.times[points.times >= 0]
    return {
        "points": points,
        "pre_test": statistic,
        "pre_test_p": p,
        "pre_test_df": df,
        "slope_50": slopes[0.5],
        "slope_80": slopes[0.8],
        "mean_after": float(after.mean() + 1) if len(after) else math.nan,
        "critical": points.critical,
        "p_least": make.least(make.ways) if make.few else 0.0,
    }


def power_sentence(facts: dict[str, Any], *, ratio: bool) -> str:
    """What drift the points before the start would have shown, and what it would amount to after it."""
    slope, likely = facts["slope_50"], facts["slope_80"]
    if math.isnan(slope) or math.isnan(likely):
        return "too few points before the start to say what drift they would show"

    def size(value: float) -> str:
        return f"{math.expm1(value):+.1%}" if ratio else f"{value:+.3g}"

    carried = likely * facts["mean_after"]
    return (f"the points before the start would show a drift of {size(slope)} a period with 50 % and of {size(likely)} with 80 % "
            f"power; carried on, the latter would read as {size(carried)} on average after the start")  # fmt: skip


def _sun_abraham_rows(settings: EventStudy, panel: Panel, analysis: Analysis, seed: int) -> tuple[Estimate, ...]:
    make, table = staggered_of(settings, panel, analysis, seed, "event_study", False)
    fit = sun_abraham(table.level, table.starts, table.covariates)
    how = "regression of Sun and Abraham, clustered by site, cohort shares taken as given"

    def row(what: str, keep: Bools) -> Estimate:
        return make.analytic(what, *fit.mean(keep), ratio=False, how=how)

    overall = row(
        "difference of the treated to their expected level, mean over all treated site-periods", fit.event_times >= 0
    )
    if make.few:
        overall = replace(
            overall, status="no_finite_interval", note=f"{make.least_note(make.least(make.ways))}; {overall.note}"
        )
    out = [overall]
    if settings.detail:
        out += [row(f"effect, sun_abraham, {e:+d} periods since the start", fit.event_times == e)
                for e in np.unique(fit.event_times)]  # fmt: skip
        labels = panel.periods["label"].to_numpy()[table.clock]
        out += [row(f"effect, sun_abraham, cohort {labels[s]}", (fit.starts == s) & (fit.event_times >= 0))
                for s in np.unique(fit.starts)]  # fmt: skip
        out += _covariate_rows(make, fit, settings.covariates, how)
    return tuple(out)


def _covariate_rows(make: rows.RowMaker, fit: SunAbraham, names: tuple[str, ...], how: str) -> list[Estimate]:
    used = names if fit.n_covariates == len(names) else ()
    return [
        make.analytic(f"coefficient of {name}", *fit.covariate(i), ratio=False, how=how) for i, name in enumerate(used)
    ]
