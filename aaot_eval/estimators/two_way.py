"""The usual two-way models with standard errors clustered by site: a foil beside the randomisation result.

When their p values may be believed, and when not: docs/methods/two_way.md.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.errors import Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators import _clustered as cl
from aaot_eval.estimators import _goodman_bacon as gb
from aaot_eval.estimators._sites import (
    LEAST_CLUSTERS,
    UNMOVED,
    Floats,
    SiteData,
    SiteSettings,
    column_problems,
    unmoved,
)
from aaot_eval.results import Analysis, ConfMethod, Design, Estimate, Panel, Scale

LEAST_TREATED = 6
LEAST_SITES = 12


@ESTIMATORS.register("two_way")
@dataclass(frozen=True)
class TwoWayModels(SiteSettings):
    """Poisson and linear regression on site and period effects, clustered by site; CR2 and the wild bootstrap beside.

    `phase_in`: periods after a start left out. `least_before` (default one year) and `least_after`: periods a treated
    site needs. `scale`: "ratio", "difference" or "auto".
    """

    design: ClassVar[Design] = "sites"
    panel_columns: ClassVar[tuple[str, ...]] = ("cluster", "weight")

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why these models cannot be fitted, or cannot be the primary analysis, on this panel; empty when they can."""
        problems = self.not_comparable(panel, analysis.outcome)
        problems += column_problems(panel, analysis.name)
        if problems or not analysis.primary:
            return problems
        data = self.data(panel, analysis.outcome)
        if _few(data):
            problems.append(
                Problem("E317", f"clustered p values cannot be the headline with {len(data.treated)} treated of "
                                f"{len(data.units)} sites", where=analysis.name,
                        allowed=f"at least {LEAST_TREATED} treated and {LEAST_SITES} sites",
                        do='use estimator = "site_did"; the two-way models may stand beside it'))  # fmt: skip
        return problems

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """Poisson (for a ratio), linear with CR1, the same with CR2, and the p of the wild cluster bootstrap."""
        data = self.data(panel, analysis.outcome)
        labels = panel.periods["label"].astype(str).to_numpy()[data.t]
        rows = _Rows(analysis, data, 1.0 - self.conf_level, tuple(labels))
        if unmoved(data.level()):
            return (rows.unmoved(),)
        return (rows.poisson(), *rows.linear()) if rows.ratio else rows.linear()


def _few(data: SiteData) -> bool:
    return data.treated_clusters < LEAST_TREATED or data.n_clusters < LEAST_SITES


@dataclass(frozen=True)
class _Rows:
    """Makes the estimates of one analysis."""

    analysis: Analysis
    data: SiteData
    alpha: float
    labels: tuple[str, ...]

    @property
    def ratio(self) -> bool:
        return self.data.scale == "log"

    def unmoved(self) -> Estimate:
        """The only row where there is nothing to judge by."""
        return self._estimate("none", math.nan, status="not_estimable", note=UNMOVED)

    def poisson(self) -> Estimate:
        name = "Poisson regression on site and period effects, exposure as offset, CR1"
        if self.data.n_clusters < LEAST_CLUSTERS:
            return self._not_run(name, self._too_few())
        found = poisson_cr1(self.data)
        if not math.isfinite(found.std_error):
            return self._not_run("Poisson regression, CR1", "too few events for a finite coefficient")
        return self._row(name, found, "wald_t")

    def linear(self) -> tuple[Estimate, ...]:
        data = self.data
        if data.n_clusters < LEAST_CLUSTERS:
            return (self._not_run("linear regression on site and period effects, CR1", self._too_few()),)
        if self.ratio and (data.values <= 0).any():
            return (self._not_run("linear regression of the log rate", "a site-month of zero has no log rate"),)
        rate = data.values / data.exposure
        level = np.log(rate) if self.ratio else rate
        what = "log rate" if self.ratio else "rate"
        first = self._row(
            f"linear regression of the {what} on site and period effects, CR1", linear_cr1(data, level), "wald_t"
        )
        rows = [self._with_comparisons(first, level)]
        rows.append(self._cr2(level, what))
        rows.append(self._wild(level, rows[0]))
        return tuple(rows)

    def _with_comparisons(self, row: Estimate, level: Floats) -> Estimate:
        """The row with what its coefficient is a mean of, where sites start at different times."""
        data = self.data
        if data.phase_in or data.weight is not None or len(np.unique(data.starts[data.treated])) < 2:
            return row
        table = gb.comparisons(level, data.starts)
        started = table[table["comparison"] == gb.STARTED]
        share = float(started["weight"].sum())
        mean = float((started["weight"] * started["estimate"]).sum() / share)
        clean = float(((math.log(row.estimate) if self.ratio else row.estimate) - share * mean) / (1 - share))
        show = math.exp if self.ratio else float
        note = (f"{share:.0%} of its weight compares sites with sites that had already started (those comparisons read "
                f"{show(mean):.3g}, the others {show(clean):.3g}; Goodman-Bacon)")  # fmt: skip
        facts = {"share_against_started": share, "against_started": show(mean), "against_others": show(clean)}
        return replace(row, note=f"{row.note}; {note}", tables={"two_way_weights": self._shown(table)}, facts=facts)

    def _shown(self, table: pd.DataFrame) -> pd.DataFrame:
        """The comparisons as rows of the release table, the heaviest first."""
        labels = [*self.labels, ""]
        scale = self._scale()
        return table.assign(
            start=[labels[int(s)] for s in table["start"]],
            control_start=["" if np.isnan(s) else labels[int(s)] for s in table["control_start"]],
            estimate=np.exp(table["estimate"]) if self.ratio else table["estimate"], scale=scale, analysis=self.analysis.name,
        ).sort_values("weight", ascending=False, kind="stable", ignore_index=True)  # fmt: skip

    def _scale(self) -> Scale:
        data = self.data
        if self.ratio:
            return "rate_ratio" if data.count else "ratio"
        return "rate_difference" if np.ptp(data.exposure) > 0 else "difference"

    def _cr2(self, level: Floats, what: str) -> Estimate:
        name = f"linear regression of the {what}, CR2 with Satterthwaite degrees of freedom"
        if self.data.treated_clusters < 2:
            return self._not_run(name, f"with one treated {self._unit} CR2 is silently wrong")
        if self.data.used.sum() > cl.MOST_CELLS:
            return self._not_run(name, f"more than {cl.MOST_CELLS:,} site-periods")
        return self._row(name, cl.cr2(self.data, level), "satterthwaite_t", note="allows for few treated sites")

    def _wild(self, level: Floats, linear: Estimate) -> Estimate:
        name = "linear regression, restricted wild cluster bootstrap over all sign vectors"
        if self.data.n_clusters > cl.MOST_SIGN_SITES:
            return self._not_run(name, f"more than {cl.MOST_SIGN_SITES} {self._unit}s")
        if self.data.weight is not None:
            return self._not_run(name, "it is made for tables without weights")
        if self.data.phase_in:
            return self._not_run(name, "it needs a table without phase-in periods")
        p = cl.wild_bootstrap(self.data, level)
        return self._estimate(
            name, linear.estimate, p_value=p, note="with one or two treated sites it hardly ever rejects"
        )

    def _row(self, name: str, found: cl.Clustered, method: ConfMethod, note: str = "") -> Estimate:
        half = stats.t.ppf(1 - self.alpha / 2, found.df) * found.std_error
        show = math.exp if self.ratio else float
        p = float(2 * stats.t.sf(abs(found.estimate / found.std_error), found.df)) if found.std_error else math.nan
        return self._estimate(
            name, show(found.estimate), std_error=found.std_error, conf_low=show(found.estimate - half),
            conf_high=show(found.estimate + half), conf_method=method, p_value=p,
            note=f"{note or self._warning()} ({found.df:.3g} degrees of freedom)",
        )  # fmt: skip

    def _warning(self) -> str:
        data = self.data
        if data.treated_clusters == 1:
            return f"foil: with one treated {self._unit} clustered standard errors break down; read the randomisation result"
        if _few(data):
            return (f"foil: with {data.treated_clusters} treated of {data.n_clusters} {self._unit}s clustered p values are too small; "
                    "read the randomisation result")  # fmt: skip
        return "foil: the usual two-way model, one effect for all sites and months"

    def _too_few(self) -> str:
        return f"from {self.data.n_clusters} {self._unit}s no clustered standard error can be told (at least {LEAST_CLUSTERS})"

    @property
    def _unit(self) -> str:
        return "site" if self.data.cluster is None else "cluster"

    def _how(self) -> list[str]:
        """What the panel's columns of weights and clusters did, in words."""
        data = self.data
        said = ["weighted by the panel's column of weights"] if data.weight is not None else []
        return [*said, *([f"clustered by {data.n_clusters} groups of sites"] if data.cluster is not None else [])]

    def _not_run(self, name: str, why: str) -> Estimate:
        return self._estimate(name, math.nan, status="not_run", note=f"not run: {why}")

    def _estimate(self, name: str, estimate: float, *, std_error: float = math.nan, conf_low: float = math.nan,
                  conf_high: float = math.nan, conf_method: ConfMethod = "none", p_value: float = math.nan,
                  status: str = "ok", note: str) -> Estimate:  # fmt: skip
        data = self.data
        return Estimate(
            analysis=self.analysis.name, design="sites", estimator="two_way", outcome=self.analysis.outcome,
            estimand=f"{'ratio' if self.ratio else 'difference'} of rates in treated sites after the start, one coefficient for all",
            scale=self._scale(), estimate=estimate, std_error=std_error, conf_low=conf_low, conf_high=conf_high,
            conf_level=round(1.0 - self.alpha, 10), conf_method=conf_method, p_value=p_value, n_units=len(data.units),
            n_treated=len(data.treated), n_periods=data.n_periods, n_obs=int(data.used.sum()), inference=name,
            primary=False, status=status, note="; ".join([note, *self._how(), *data.left]),  # type: ignore[arg-type]
        )  # fmt: skip


def linear_cr1(data: SiteData, level: Floats) -> cl.Clustered:
    """Least squares on site and period effects with the CR1 standard error, t with sites - 1 degrees of freedom.

    The flags make linearmodels count no effects; the period effects are then counted by `cr1_factor`, without which the
    standard error of few sites and many periods is too small.
    """
    if data.weight is not None or data.cluster is not None:
        return cl.least_squares(data, level)
    from linearmodels.panel import PanelOLS  # costs two seconds, which a run without this row need not pay

    n, n_t = data.values.shape
    index = pd.MultiIndex.from_product([range(n), range(n_t)])
    frame = pd.DataFrame({"y": level.ravel(), "switch": data.switch.ravel().astype(float)}, index=index)[
        data.used.ravel()
    ]
    fit = PanelOLS(frame["y"], frame[["switch"]], entity_effects=True, time_effects=True).fit(
        cov_type="clustered", cluster_entity=True, count_effects=False, auto_df=False, group_debias=True
    )
    cr0 = float(fit.std_errors.iloc[0]) / math.sqrt(n / (n - 1))
    return cl.Clustered(float(fit.params.iloc[0]), cr0 * cl.cr1_factor(n, len(frame), n_t), n - 1)


def poisson_cr1(data: SiteData) -> cl.Clustered:
    """Poisson regression on site and period effects with the CR1 standard error, t with sites - 1 degrees of freedom."""
    import statsmodels.api as sm

    columns, site = cl.design_matrix(data)
    n, n_t = data.n_clusters, data.n_periods
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.GLM(
            data.values[data.used], columns, family=sm.families.Poisson(), offset=np.log(data.exposure[data.used]),
            var_weights=None if data.weight is None else data.weight[data.used],
        )  # fmt: skip
        fit = model.fit(
            cov_type="cluster",
            cov_kwds={"groups": data.clusters[site], "use_correction": False},
            tol=1e-12,
            maxiter=100,
        )
    if not fit.converged or abs(fit.params[0]) > 10:
        return cl.Clustered(math.nan, math.nan, n - 1)
    return cl.Clustered(float(fit.params[0]), float(fit.bse[0]) * cl.cr1_factor(n, len(site), n_t), n - 1)
