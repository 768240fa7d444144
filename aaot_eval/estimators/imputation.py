"""Expected levels imputed from cells without the service (Borusyak, Jaravel and Spiess), linear and Poisson.

Formulae, assumptions and refusals: docs/methods/imputation.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from aaot_eval.errors import Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators import _staggered as sg
from aaot_eval.estimators import _staggered_rows as rows
from aaot_eval.estimators._sites import Bools, Floats, Ints, SiteData
from aaot_eval.results import Analysis, Design, Estimate, Panel

MOST_JACKKNIFE = 2_000
"""With more sites than this the Poisson row's standard error would take too long."""
MEMORY = 4_000_000
"""Numbers held at once when the Poisson imputation is redone for many assignments."""


@ESTIMATORS.register("imputation")
@dataclass(frozen=True)
class Imputation:
    """Site and period effects fitted to cells without the service alone, carried into the cells with it.

    `scale`: "ratio" (Poisson, the default for counts and costs) or "difference" (linear). `detail`: also a row for each
    period since the start.
    """

    design: ClassVar[Design] = "sites"
    conf_level: float = 0.95
    phase_in: int = 0
    least_before: int = 1
    least_after: int = 1
    scale: Literal["auto", "ratio", "difference"] = "auto"
    detail: bool = False

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why nothing can be imputed; empty when it can."""
        return rows.staggered_objections(panel, analysis, phase_in=self.phase_in, scale=self.scale,
                                         least_before=self.least_before, least_after=self.least_after)  # fmt: skip

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """Poisson for a ratio, then linear; each by the inference that leads and by the other."""
        ratio = rows.on_ratio(panel, analysis.outcome, self.scale)
        data = rows.sites_table(panel, analysis.outcome, phase_in=self.phase_in, least_before=self.least_before,
                                least_after=self.least_after, ratio=ratio, keep_holes=False)  # fmt: skip
        ways = ri.assign_starts(data.starts, data.n_periods, seed)
        make = rows.RowMaker(panel, analysis, "imputation", data, ways, round(1 - self.conf_level, 10), ratio)
        linear = _linear_rows(make)
        if self.detail:
            linear += _by_event_time(make)
        return tuple([*_poisson_rows(make), linear[0], *linear[2:]] if ratio else linear)


# Linear ------------------------------------------------------------------------------------------------------------


def imputation_weights(data: SiteData, target: Floats) -> Floats:
    """(k + 1) x T: what a site of each cohort (last row: never) contributes per unit of its level.

    `target`: (k + 1) x T, the weights of the cohorts' mean levels in treated cells, adding up to one. The cells without the
    service get what the least-squares prediction of those cells takes from them.
    """
    dates = np.unique(data.starts[data.starts < data.n_periods])
    cohort = np.searchsorted(dates, data.starts)
    counts = np.bincount(cohort, minlength=len(dates) + 1).astype(float)
    untreated = np.arange(data.n_periods)[None, :] < np.append(dates, data.n_periods)[:, None]
    k, n_t = untreated.shape
    design = np.zeros((k, n_t, k + n_t))
    design[np.arange(k), :, np.arange(k)] = 1.0
    design[:, np.arange(n_t), k + np.arange(n_t)] = 1.0
    fit = design[untreated]
    own = np.repeat(counts, n_t)[untreated.ravel()]
    bread = np.linalg.pinv(fit.T @ (fit * own[:, None]))
    needed = np.tensordot(target, design, axes=([0, 1], [0, 1]))
    table = target.copy()
    table[untreated] = -(needed @ bread @ (fit * own[:, None]).T)
    return np.asarray(table / counts[:, None])


def equal_target(data: SiteData, event_time: int | None = None) -> Floats:
    """(k + 1) x T: every treated, used cell counts the same; only those `event_time` periods since the start if given."""
    dates = np.unique(data.starts[data.starts < data.n_periods])
    counts = np.bincount(np.searchsorted(dates, data.starts), minlength=len(dates) + 1)
    starts = np.append(dates, data.n_periods)
    since = np.arange(data.n_periods)[None, :] - starts[:, None]
    keep = since >= data.phase_in
    if event_time is not None:
        clock = data.t[None, :] - np.append(data.t[dates], 0)[:, None]
        keep &= clock == event_time
    cells = np.where(keep, counts[:, None], 0.0)
    return np.asarray(cells / cells.sum())


def imputed_effect(data: SiteData, weights: Floats, level: Floats) -> tuple[float, float]:
    """(mean effect, standard error) of the linear imputation.

    The standard error is that of Borusyak, Jaravel and Spiess (2024, theorem 3): treated residuals are taken from the mean
    effect of their own cohort and period, so it errs upwards when effects differ within one.
    """
    dates = np.unique(data.starts[data.starts < data.n_periods])
    cohort = np.searchsorted(dates, data.starts)
    own = weights[cohort]
    untreated = ~data.switch
    expected = ri.two_way_levels(level, untreated)
    residual = level - expected
    for c in range(len(dates)):
        sites = cohort == c
        after = np.arange(data.n_periods) >= dates[c]
        residual[np.ix_(sites, after)] -= residual[np.ix_(sites, after)].mean(axis=0)
    return float((own * level).sum()), float(np.sqrt(((own * residual).sum(axis=1) ** 2).sum()))


LINEAR = "linear imputation from cells without the service"


def _linear_rows(make: rows.RowMaker) -> list[Estimate]:
    data = make.data
    level = rows.levels(data)
    weights = imputation_weights(data, equal_target(data))
    value, error = imputed_effect(data, weights, level)
    what = "difference of the treated to their imputed level, mean over all treated site-periods"
    analytic = make.analytic(what, value, error, ratio=False, how=f"{LINEAR}, clustered by site, conservative")
    table = sg.Staggered(level, data.starts, data.t, rows.sizes(data))
    found = sg.randomise(table, make.ways, sg.by_weights(weights, make.ways), weights, ratio=False)
    found = replace(found, p_least=make.least(make.ways))
    drawn = make.randomised(what, found, f"{LINEAR}, {make.how(make.ways)}")
    return [drawn, analytic] if make.few else [analytic, drawn]


def _by_event_time(make: rows.RowMaker) -> list[Estimate]:
    data = make.data
    level = rows.levels(data)
    dates = np.unique(data.starts[data.starts < data.n_periods])
    times = np.unique(np.concatenate([data.t[s + data.phase_in :] - data.t[s] for s in dates]))
    found = []
    for time in times:
        value, error = imputed_effect(data, imputation_weights(data, equal_target(data, int(time))), level)
        what = f"effect, imputed, {int(time):+d} periods since the start"
        found.append(make.analytic(what, value, error, ratio=False, how=f"{LINEAR}, clustered by site, conservative"))
    return found


# Poisson -----------------------------------------------------------------------------------------------------------


def chain_ladder(values: Floats, starts: Ints) -> Floats:
    """N x g x T: expected values of cohorts after their start, by the Poisson model of row and column effects.

    `values`: N x g x T totals of g cohorts, `starts`: g (T = never). The cells without the service form steps, for which
    the Poisson fit has a closed form: the total so far grows in each period as that of the rows still without the service.
    """
    n_t = values.shape[2]
    total = values.cumsum(axis=2)
    expected = np.zeros_like(values)
    reached = total.copy()
    for t in range(int(starts.min()), n_t):
        without = starts > t
        now, before = total[:, without, t].sum(axis=1), total[:, without, t - 1].sum(axis=1)
        growth = np.divide(now, before, out=np.full_like(now, np.nan), where=before > 0)
        on = starts <= t
        grown = reached[:, on, t - 1] * growth[:, None]
        expected[:, on, t] = grown - reached[:, on, t - 1]
        reached[:, on, t] = grown
    return expected


def poisson_log_ratio(values: Floats, exposure: Floats, starts: Ints, used: Bools) -> float:
    """Log of observed over imputed totals in treated, used cells: the model fitted to cells without the service alone."""
    after = np.arange(values.shape[1])[None, :] >= starts[:, None]
    effects = ri.two_way_means(values, exposure, ~after)
    observed, expected = float(values[after & used].sum()), float((effects * exposure)[after & used].sum())
    return math.log(observed / expected) if observed > 0 and expected > 0 else math.nan


@dataclass(frozen=True)
class _Blocks:
    """Periods between two cut points added up: the growth within one telescopes, so nothing else is needed.

    `cuts`: first period of each block. `starts`: each cohort's first block (last: never). `counted`: cohorts x blocks.
    """

    cuts: Ints
    starts: Ints
    counted: Bools

    @staticmethod
    def of(dates: Ints, n_t: int, phase_in: int) -> _Blocks:
        """The blocks of these start dates."""
        cuts = np.unique(np.concatenate([[0], dates, dates + phase_in]))
        cuts = cuts[cuts < n_t]
        starts = np.append(dates, n_t)
        return _Blocks(cuts, np.searchsorted(cuts, starts), cuts[None, :] - starts[:, None] >= phase_in)

    def added(self, values: Floats) -> Floats:
        """... x blocks from ... x T."""
        return np.asarray(np.add.reduceat(values, self.cuts, axis=-1))

    def log_ratios(self, tables: Floats) -> Floats:
        """N log ratios of tables N x cohorts x blocks; infinite or NaN where a total is not above zero."""
        expected = (chain_ladder(tables, self.starts) * self.counted).sum(axis=(1, 2))
        observed = (tables * self.counted).sum(axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log(observed / expected))


def poisson_under(values: Floats, data: SiteData, ways: ri.Assignments) -> Floats:
    """N: the log ratio under every assignment, exposure being a site's size times a period's length."""
    blocks = _Blocks.of(ways.starts, data.n_periods, data.phase_in)
    values = blocks.added(values)
    found = np.empty(len(ways.rows))
    step = max(1, MEMORY // (len(ways.cohort) * len(blocks.cuts) + 1))
    for at in range(0, len(ways.rows), step):
        part = ways.rows[at : at + step]
        cohorts = [values[part[:, ways.cohort == c]].sum(axis=1) for c in range(len(ways.starts))]
        tables = np.stack([*cohorts, values.sum(axis=0) - np.sum(cohorts, axis=0)], axis=1)
        found[at : at + step] = blocks.log_ratios(tables)
    return np.nan_to_num(found, nan=np.inf, posinf=np.inf, neginf=-np.inf)


POISSON = "Poisson imputation from cells without the service"


def _poisson_rows(make: rows.RowMaker) -> list[Estimate]:
    data = make.data
    what = "ratio of observed to imputed totals in treated site-periods"
    value = poisson_log_ratio(data.values, data.exposure, data.starts, data.used)
    analytic = make.analytic(what, value, jackknife(data), ratio=True, how=f"{POISSON}, jackknife over sites")
    if not make.few:
        return [analytic, *([_poisson_drawn(make, what, value)] if ri.separable(data.exposure) else [])]
    if not ri.separable(data.exposure):
        row = make.row(what, math.exp(value) if math.isfinite(value) else math.nan, ratio=True, inference=POISSON,
                       status="no_finite_interval",
                       note="exposure changes over time differently by site, which the randomisation of this row does not allow; "
                            "read the linear row")  # fmt: skip
        return [row, analytic]
    return [_poisson_drawn(make, what, value), analytic]


def _poisson_drawn(make: rows.RowMaker, what: str, value: float) -> Estimate:
    data, ways = make.data, make.ways
    spread = size_spread(data, ways)
    least = make.least(ways)
    how = f"{POISSON}, {make.how(ways)}"
    if not math.isfinite(value):
        return make.row(what, math.nan, ratio=True, inference=how, p_least=least, status="not_estimable",
                        note="no event in the treated site-periods, or none to impute from")  # fmt: skip

    def p_of(effect: float) -> float:
        return ri.p_value(randomised_statistic(data, ways, spread, effect), ways.real)

    found = ri.invert(p_of, value, alpha=make.alpha, p_least=least) if _worth_it(make, least) else None
    if not make.few:
        return make.row(what, math.exp(value), ratio=True, p_value=p_of(0.0), p_least=least, inference=how,
                        note="the same estimate with its randomisation p; the interval is that of the row before")  # fmt: skip
    finite = found is not None and found.finite
    low, high = (math.exp(found.low), math.exp(found.high)) if finite and found else (math.nan, math.nan)
    draws = ri.ConfidenceDraws.of(found, make.alpha, ratio=True) if finite and found else None
    return make.row(what, math.exp(value), ratio=True, conf_low=low, conf_high=high, conf_method="randomisation",
                    p_value=p_of(0.0), p_least=least, inference=how, confidence=draws,
                    status="ok" if finite else "no_finite_interval", note=make.least_note(least))  # fmt: skip


def _worth_it(make: rows.RowMaker, least: float) -> bool:
    """Whether an interval is made: it can be reached, and no other row leads."""
    return least <= make.alpha + ri.TIE and make.few


def randomised_statistic(data: SiteData, ways: ri.Assignments, spread: Floats, effect: float) -> Floats:
    """N: the scaled log ratio of every assignment with `effect` taken out of the sites that were truly treated."""
    return poisson_under(data.values * np.exp(-effect * data.switch), data, ways) / spread


def size_spread(data: SiteData, ways: ri.Assignments) -> Floats:
    """N: what each assignment's log ratio is divided by, from the sizes of the sites drawn, as in site_did."""
    values, exposure = data.values, data.exposure
    table = ri.change_table(values, exposure, ways.starts, data.phase_in, half=max(data.half, 1e-9))
    size = np.maximum(values.mean(axis=1), 1e-9)
    a, b = ri.size_variance(table, size)
    spread = np.sqrt((a + b / size)[ways.rows].sum(axis=1))
    return np.where(spread > 0, spread, 1.0)


def jackknife(data: SiteData) -> float:
    """Standard error of the log ratio by leaving out each site in turn."""
    n = len(data.units)
    if n > MOST_JACKKNIFE or len(data.treated) < 2:
        return math.nan
    values = _closed(data) if ri.separable(data.exposure) else _iterated(data)
    if not np.isfinite(values).all():
        return math.nan
    return float(np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum()))


def _iterated(data: SiteData) -> Floats:
    """n: the log ratio without each site, each fit anew."""
    rest = [np.delete(np.arange(len(data.units)), i) for i in range(len(data.units))]
    return np.array([poisson_log_ratio(data.values[k], data.exposure[k], data.starts[k], data.used[k]) for k in rest])


def _closed(data: SiteData) -> Floats:
    """n: the log ratio without each site, by the closed form, all at once."""
    dates = np.unique(data.starts[data.starts < data.n_periods])
    blocks, cohort = _Blocks.of(dates, data.n_periods, data.phase_in), np.searchsorted(dates, data.starts)
    values = blocks.added(data.values)
    whole = np.zeros((len(dates) + 1, len(blocks.cuts)))
    np.add.at(whole, cohort, values)
    tables = np.repeat(whole[None], len(data.units), axis=0)
    tables[np.arange(len(data.units)), cohort] -= values
    return blocks.log_ratios(tables)
