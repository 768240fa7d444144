"""Difference-in-differences over sites, with exact randomisation inference over who started when.

What is estimated, on what assumption and with what formulae: docs/methods/site_did.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from aaot_eval.errors import Problem, counted
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._site_fit import Fit, changes, fit_sites, statistic
from aaot_eval.estimators._site_tables import effect_series, event_time, placebo_table, sites_table
from aaot_eval.estimators._sites import Floats, SiteData, SiteSettings
from aaot_eval.results import Analysis, Design, Estimate, Panel, Scale

FEW_EVENTS = 10
"""A treated site with fewer events than this before or after its start is named."""
MOST_REFITS = 5_000
"""With more assignments and several start dates the Poisson row has a p value and no interval: refits take too long."""
BESIDE_SEARCH = (5, 8)
"""Rows beside the headline stop after 5 rejected steps in a row and halve 8 times: their ends are good to 0.0001."""


@ESTIMATORS.register("site_did")
@dataclass(frozen=True)
class SiteDid(SiteSettings):
    """Treated sites against sites that never start, each treated site before and after its own start.

    `phase_in`: periods after a start left out. `least_before` (default one year) and `least_after`: periods a treated
    site needs. `scale`: "ratio", "difference" or "auto". `beside`: also the rows with other statistics.
    `tables`: also the series and tables of the headline.
    """

    design: ClassVar[Design] = "sites"
    beside: bool = True
    tables: bool = True

    def quick(self) -> SiteDid:
        """The same headline by itself, for checks that fit it many times."""
        return replace(self, beside=False, tables=False)

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why the sites of this panel cannot be compared; empty when they can."""
        return self.not_comparable(panel, analysis.outcome)

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The size-scaled estimate, then the same question put to the two-way coefficient, its t and Poisson."""
        fit = fit_sites(self.data(panel, analysis.outcome), seed)
        rows = _Rows(panel, analysis, fit, 1.0 - self.conf_level, self.tables)
        return (rows.headline(), *rows.others()) if self.beside else (rows.headline(),)


@dataclass(frozen=True)
class _Rows:
    """Makes the estimates of one analysis."""

    panel: Panel
    analysis: Analysis
    fit: Fit
    alpha: float
    tables: bool

    @property
    def data(self) -> SiteData:
        return self.fit.data

    @property
    def ways(self) -> ri.Assignments:
        return self.fit.ways

    @property
    def ratio(self) -> bool:
        return self.data.scale == "log"

    def headline(self) -> Estimate:
        data, ways, effect = self.data, self.ways, self.fit.effect
        if math.isnan(effect):
            return self._row("size-scaled", effect, math.nan, None, ways.p_least, status="not_estimable",
                             note="too few events for a ratio on the log scale; read the Poisson row")  # fmt: skip
        step = 0.02 if self.ratio else float(np.std(ways.contrast(changes(data, ways)))) / 10
        found = self._invert(lambda e: ri.p_value(statistic(data, ways, e), ways.real), effect, ways.p_least, step)
        return self._row("size-scaled", effect, self.fit.p_value, found, ways.p_least, headline=True)

    def others(self) -> tuple[Estimate, ...]:
        rows = []
        switch = self.data.switch
        least = 2 * self.ways.p_least if self.ways.mirrored else self.ways.p_least
        if self.ratio and (self.data.values <= 0).any():
            rows.append(self._not_run("two-way coefficient", "a site-month of zero has no log rate"))
        else:
            level = self._plain_level()
            model = ri.TwoWay.of(self.ways, self.data.n_periods, self.data.phase_in)
            rows.append(
                self._secondary(
                    "two-way coefficient", lambda e: model.coefficients(level - e * switch, self.ways), least
                )
            )
            if self.data.phase_in == 0:
                start = float(model.coefficients(level, self.ways.only_real())[0])
                rows.append(self._secondary("t of the two-way coefficient",
                                            lambda e: model.t_statistics(level - e * switch, self.ways), least, start,
                                            units=model.coefficients(level, self.ways)))  # fmt: skip
        if self.ratio:
            rows.append(self._poisson(least))
        return tuple(rows)

    def _plain_level(self) -> Floats:
        """The level without the 0.5 that the size-scaled statistic adds to counts: the usual log rate."""
        rate = self.data.values / self.data.exposure
        return np.asarray(np.log(rate) if self.ratio else rate)

    def _poisson(self, least: float) -> Estimate:
        data, ways = self.data, self.ways
        if not ri.separable(data.exposure):
            return self._not_run("Poisson coefficient", "population changes over time, which this refit does not allow; "
                                                        "see the two-way model")  # fmt: skip

        def coefficients(effect: float) -> Floats:
            return ri.poisson_coefficients(data.without_effect(effect), ways, data.phase_in)

        quick = len(ways.starts) == 1 or len(ways.rows) <= MOST_REFITS
        return self._secondary("Poisson coefficient", coefficients, least, interval=quick)

    def _secondary(self, name: str, of: Callable[[float], Floats], least: float, estimate: float | None = None, *,
                   units: Floats | None = None, interval: bool = True) -> Estimate:  # fmt: skip
        """The row of one statistic; `units`: values in units of the outcome that the search steps by, where its own are not."""
        values = of(0.0)
        effect = float(values[self.ways.real]) if estimate is None else estimate
        if not math.isfinite(effect):
            return self._not_run(name, "too few events for a finite coefficient")
        found = None
        if interval:
            step = 0.02 if self.ratio else float(np.std(values if units is None else units)) / 10
            found = self._invert(lambda e: ri.p_value(of(e), self.ways.real), effect, least, step, *BESIDE_SEARCH)
        return self._row(name, effect, ri.p_value(values, self.ways.real), found, least)

    def _invert(self, p_of: Callable[[float], float], effect: float, least: float, step: float,
                settle: int = ri.ALL_STEPS, halvings: int = ri.HALVINGS) -> ri.Inversion | None:  # fmt: skip
        if least > self.alpha + ri.TIE or step <= 0:
            return None
        return ri.invert(p_of, effect, alpha=self.alpha, p_least=least, step=step, settle=settle, halvings=halvings)

    def _not_run(self, name: str, why: str) -> Estimate:
        return self._row(name, math.nan, math.nan, None, math.nan, status="not_run", note=f"not run: {why}")

    def _row(self, name: str, effect: float, p: float, found: ri.Inversion | None, least: float, *, status: str = "",
             note: str = "", headline: bool = False) -> Estimate:  # fmt: skip
        data = self.data
        finite = found is not None and found.finite
        show = math.exp if self.ratio else float
        low, high = (show(found.low), show(found.high)) if found is not None and finite else (math.nan, math.nan)
        value = show(effect) if math.isfinite(effect) else math.nan
        extra: dict[str, Any] = {}
        if headline:
            extra = {
                "series": effect_series(self.panel, self.analysis.outcome, self.fit, low, high)
                if self.tables
                else None,
                "tables": self._tables() if self.tables else {},
                "facts": self._facts(value, low, high),
                "confidence": ri.ConfidenceDraws.of(found, self.alpha, ratio=self.ratio)
                if found is not None and finite
                else None,
            }
        return Estimate(
            analysis=self.analysis.name,
            design="sites",
            estimator="site_did",
            outcome=self.analysis.outcome,
            estimand=self._estimand(name),
            scale=self._scale(),
            estimate=value,
            conf_low=low,
            conf_high=high,
            conf_level=round(1.0 - self.alpha, 10),
            conf_method="randomisation" if finite else "none",
            p_value=p,
            p_least=least,
            drawn=self.ways.drawn,
            n_units=len(data.units),
            n_treated=len(data.treated),
            n_periods=data.n_periods,
            n_obs=int(data.used.sum()),
            inference=self._inference(name),
            primary=self.analysis.primary and headline,
            status=status
            or ("ok" if finite or (found is None and least <= self.alpha + ri.TIE) else "no_finite_interval"),  # type: ignore[arg-type]
            note=note or (self._headline_note(least, found) if headline else self._note(least)),
            **extra,
        )

    def _tables(self) -> dict[str, pd.DataFrame]:
        name, outcome = self.analysis.name, self.analysis.outcome
        tables = {
            "event_time": event_time(self.data, self.ways, self.fit.effect, self.alpha, name, self.panel.season_length),
            "placebo": placebo_table(self.fit, name),
        }
        # One table of sites a run: its columns do not say which outcome they count.
        return tables | ({"sites": sites_table(self.panel, outcome)} if self.analysis.primary else {})

    def _scale(self) -> Scale:
        exposed = bool(np.ptp(self.data.exposure) > 0)
        if self.ratio:
            return "rate_ratio" if self.data.count else "ratio"
        return "rate_difference" if exposed else "difference"

    def _estimand(self, name: str) -> str:
        kind = "ratio" if self.ratio else "difference"
        after = (
            f"after the start (first {counted(self.data.phase_in, 'period')} left out)"
            if self.data.phase_in
            else "after the start"
        )
        if name == "size-scaled":
            return f"{kind} of rates in the average treated site {after}, against sites without the service over the same months"
        return f"{kind} of rates in treated sites {after}, one coefficient for all"

    def _inference(self, name: str) -> str:
        ways = self.ways
        how = f"exact randomisation over all {ways.total:,} assignments" if ways.exact else (
            f"randomisation over {len(ways.rows):,} of {ways.total:,} assignments")  # fmt: skip
        return (
            f"{how} of start dates to sites, {name} statistic"
            if name == "size-scaled"
            else f"{how} of start dates to sites, {name}"
        )

    def _note(self, least: float) -> str:
        return (
            "secondary: the same question with another statistic"
            if least <= self.alpha + ri.TIE
            else self._least(least)
        )

    def _least(self, least: float) -> str:
        data = self.data
        text = (
            f"the least p this design can reach is {least:.4f} ({len(data.treated)} of {len(data.units)} sites treated)"
        )
        return f"{text}: there is no {100 * (1 - self.alpha):.0f} % interval" if least > self.alpha + ri.TIE else text

    def _headline_note(self, least: float, found: ri.Inversion | None) -> str:
        parts = [self._least(least)]
        if found is not None and not found.finite:
            parts.append("the search for an end of the interval met none: no finite interval")
        few = [self.data.units[i] for i in self.data.treated if self._fewest(i) < FEW_EVENTS]
        if self.data.count and few:
            parts.append(f"fewer than {FEW_EVENTS} events before or after the start in {', '.join(few)}")
        text = "; ".join([*parts, *self.data.left])
        return text[0].upper() + text[1:]

    def _fewest(self, row: int) -> float:
        after = self.data.switch[row]
        return float(min(self.data.values[row, ~after].sum(), self.data.values[row, after & self.data.used[row]].sum()))

    def _facts(self, value: float, low: float, high: float) -> dict[str, Any]:
        data, ways = self.data, self.ways
        facts: dict[str, Any] = {
            "n_assignments": ways.total,
            "exact": ways.exact,
            "p_least": ways.p_least,
            "treated": [data.units[i] for i in data.treated],
            "comparison": [u for i, u in enumerate(data.units) if data.starts[i] >= data.n_periods],
            "left_out": list(data.left),
        }
        if self.ratio:
            after = data.switch & data.used
            observed = float((data.values * after).sum())
            facts |= {
                "observed_after": observed,
                "expected_after": observed / value,
                "averted": observed / value - observed,
                "averted_low": observed / high - observed,
                "averted_high": observed / low - observed,
                "site_periods_after": int(after.sum()),
            }
        return facts
