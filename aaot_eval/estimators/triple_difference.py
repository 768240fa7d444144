"""Triple difference: sites with and without the service, before and after, and a control outcome of the same sites.

What is estimated, on what assumption and with what formulae: docs/methods/triple_difference.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from aaot_eval.errors import Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._site_fit import WIDEST, changes, site_sizes
from aaot_eval.estimators._sites import Floats, SiteData, site_data, site_objections
from aaot_eval.estimators.site_did import SiteDid
from aaot_eval.results import Analysis, Design, Estimate, Panel, Scale
from aaot_eval.wording import in_sentence

CONTROL = "non_alcohol_emergency"


@dataclass(frozen=True)
class Triple:
    """The outcome and the control outcome of the same sites over the same periods, and every assignment of starts."""

    outcome: SiteData
    control: SiteData
    ways: ri.Assignments

    def changes(self, effect: float = 0.0) -> Floats:
        """n x k: change of the outcome less that of the control outcome at each start, the effect taken out of the outcome."""
        return changes(self.outcome, self.ways, effect) - changes(self.control, self.ways)

    def size(self, effect: float = 0.0) -> Floats:
        """n: what the variance goes down with; the variances of two counts add, so the sizes add as resistors in parallel."""
        own, other = site_sizes(self.outcome, effect), site_sizes(self.control)
        return np.asarray(1 / (1 / own + 1 / other))

    def statistic(self, effect: float = 0.0) -> Floats:
        """N: the size-scaled statistic of every assignment."""
        return ri.size_scaled(self.changes(effect), self.size(effect), self.ways)

    def point(self) -> float:
        """The effect at which the contrast is zero; NaN when none within 400 times is."""
        real = self.ways.only_real()

        def left(effect: float) -> float:
            return float(real.contrast(changes(self.outcome, real, effect) - changes(self.control, real))[0])

        if self.outcome.scale == "difference" or self.outcome.half == 0.0:
            return left(0.0)
        if left(-WIDEST) * left(WIDEST) > 0:
            return math.nan
        return float(brentq(left, -WIDEST, WIDEST, xtol=1e-13, rtol=1e-14))

    def level(self, effect: float = 0.0) -> Floats:
        """n x T: level of the outcome less that of the control outcome."""
        return self.outcome.level(effect) - self.control.level()


def triple_of(panel: Panel, outcome: str, control: str, seed: int, **settings: Any) -> Triple:
    """Both outcomes over the sites and periods that both can be used for."""
    own, other = site_data(panel, outcome, **settings), site_data(panel, control, **settings)
    units = [u for u in own.units if u in other.units]
    t = np.intersect1d(own.t, other.t)
    left = tuple(
        dict.fromkeys((*own.left, *(f"control outcome: {text}" for text in other.left if text not in own.left)))
    )
    start = panel.units["start_t"].fillna(len(panel.periods)).astype(int)
    starts = np.searchsorted(t, [start[u] for u in units])
    parts = []
    for data in (own, other):
        rows, columns = np.array([data.units.index(u) for u in units]), np.searchsorted(data.t, t)
        cell = np.ix_(rows, columns)
        parts.append(replace(data, units=tuple(units), t=t, values=data.values[cell], exposure=data.exposure[cell],
                             starts=np.asarray(starts, dtype=np.int64), years=data.years[columns], left=left))  # fmt: skip
    return Triple(parts[0], parts[1], ri.assign_starts(parts[0].starts, len(t), seed))


@ESTIMATORS.register("triple_difference")
@dataclass(frozen=True)
class TripleDifference:
    """The outcome against a control outcome of the same sites, in sites with the service against sites without, after against before.

    `control`: an outcome that the service should not change and whatever else happens at a site should. The other settings are
    those of site_did.
    """

    design: ClassVar[Design] = "sites"
    conf_level: float = 0.95
    control: str = CONTROL
    phase_in: int = 0
    least_before: int | None = None
    least_after: int = 3
    scale: str = "auto"

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why there is no third difference; empty when there is one."""
        known = {o.name: o.kind for o in panel.outcomes if o.name in panel.cells}
        if self.control not in known:
            return [Problem("E351", f"the control outcome {self.control!r} is not in these data", where=analysis.name,
                            allowed=", ".join(n for n in known if n != analysis.outcome),
                            do="name an outcome that the service should not change: options = { control = ... }")]  # fmt: skip
        if self.control == analysis.outcome:
            return [Problem("E352", f"the outcome {analysis.outcome!r} cannot be its own control", where=analysis.name,
                            do="choose another control outcome")]  # fmt: skip
        if analysis.outcome in known and known[analysis.outcome] != known[self.control]:
            return [Problem("E353", f"the outcome is a {known[analysis.outcome]} and its control a {known[self.control]}",
                            where=analysis.name, do="choose a control of the same kind")]  # fmt: skip
        for outcome in (analysis.outcome, self.control):
            problems = site_objections(panel, outcome, **self._settings())
            if problems:
                return problems
        triple = triple_of(panel, analysis.outcome, self.control, 0, **self._settings())
        if triple.outcome.scale != triple.control.scale or not 0 < len(triple.outcome.treated) < len(
            triple.outcome.units
        ):
            return [Problem("E354", "no site with and site without the service can be used for both outcomes on one scale",
                            where="; ".join(triple.outcome.left), do="mend the missing site-months, or use site_did")]  # fmt: skip
        return []

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The triple difference, the same as a two-way coefficient, and what the control outcome did by itself."""
        triple = triple_of(panel, analysis.outcome, self.control, seed, **self._settings())
        rows = _Rows(panel, analysis, triple, self.control, 1.0 - self.conf_level)
        own = SiteDid(conf_level=self.conf_level, beside=False, **self._settings())
        control = own.fit(panel, replace(analysis, outcome=self.control, primary=False), seed=seed)[0]
        beside = replace(control, estimator="triple_difference", series=None, tables={}, facts={}, confidence=None,
                         note=f"what the control outcome did by itself; the third difference takes this out. {control.note}")  # fmt: skip
        return (rows.headline(), rows.coefficient(), beside)

    def _settings(self) -> dict[str, Any]:
        return {
            "phase_in": self.phase_in,
            "least_before": self.least_before,
            "least_after": self.least_after,
            "scale": self.scale,
        }


@dataclass(frozen=True)
class _Rows:
    """Makes the estimates of one analysis."""

    panel: Panel
    analysis: Analysis
    triple: Triple
    control: str
    alpha: float

    @property
    def ratio(self) -> bool:
        return self.triple.outcome.scale == "log"

    def headline(self) -> Estimate:
        triple, effect = self.triple, self.triple.point()
        if math.isnan(effect):
            return self._row("size-scaled", effect, math.nan, None, triple.ways.p_least, status="not_estimable")
        found = self._invert(
            triple.statistic, effect, triple.ways.p_least, float(np.std(triple.ways.contrast(triple.changes()))) / 10
        )
        return self._row(
            "size-scaled", effect, ri.p_value(triple.statistic(), triple.ways.real), found, triple.ways.p_least
        )

    def coefficient(self) -> Estimate:
        triple = self.triple
        if self.ratio and ((triple.outcome.values <= 0).any() or (triple.control.values <= 0).any()):
            return self._row("two-way coefficient", math.nan, math.nan, None, math.nan, status="not_run",
                             note="not run: a site-month of zero has no log rate")  # fmt: skip
        level = _plain(triple.outcome) - _plain(triple.control)
        model = ri.TwoWay.of(triple.ways, triple.outcome.n_periods, triple.outcome.phase_in)
        switch = triple.outcome.switch

        def of(effect: float) -> Floats:
            return model.coefficients(level - effect * switch, triple.ways)

        values = of(0.0)
        effect = float(values[triple.ways.real])
        least = 2 * triple.ways.p_least if triple.ways.mirrored else triple.ways.p_least
        found = self._invert(of, effect, least, float(np.std(values)) / 10)
        return self._row("two-way coefficient", effect, ri.p_value(values, triple.ways.real), found, least,
                         note="secondary: the same question with another statistic")  # fmt: skip

    def _invert(self, of: Callable[[float], Floats], effect: float, least: float, step: float) -> ri.Inversion | None:
        if least > self.alpha + ri.TIE or step <= 0:
            return None
        real, fine = self.triple.ways.real, 0.02 if self.ratio else step
        return ri.invert(lambda e: ri.p_value(of(e), real), effect, alpha=self.alpha, p_least=least, step=fine)

    def _row(
        self,
        name: str,
        effect: float,
        p: float,
        found: ri.Inversion | None,
        least: float,
        *,
        status: str = "",
        note: str = "",
    ) -> Estimate:
        data, ways = self.triple.outcome, self.triple.ways
        show = math.exp if self.ratio else float
        finite = found is not None and found.finite
        low, high = (show(found.low), show(found.high)) if found is not None and finite else (math.nan, math.nan)
        how = f"exact randomisation over all {ways.total:,} assignments" if ways.exact else (
            f"randomisation over {len(ways.rows):,} of {ways.total:,} assignments")  # fmt: skip
        draws = ri.ConfidenceDraws.of(found, self.alpha, ratio=self.ratio) if found is not None and finite else None
        return Estimate(
            analysis=self.analysis.name, design="sites", estimator="triple_difference", outcome=self.analysis.outcome,
            estimand=self._estimand(name), scale=self._scale(), estimate=show(effect) if math.isfinite(effect) else math.nan,
            conf_low=low, conf_high=high, conf_level=round(1.0 - self.alpha, 10), conf_method="randomisation" if finite else "none",
            p_value=p, p_least=least, drawn=ways.drawn, n_units=len(data.units), n_treated=len(data.treated), n_periods=data.n_periods,
            n_obs=int(data.used.sum()), inference=f"{how} of start dates to sites, {name}", note=note or self._note(least),
            status=status or ("ok" if finite else "no_finite_interval"),  # type: ignore[arg-type]
            confidence=draws, tables={"placebo": self._placebo()} if name == "size-scaled" and math.isfinite(effect) else {},
            facts={"control": self.control, "n_assignments": ways.total, "treated": [data.units[i] for i in data.treated]},
        )  # fmt: skip

    def _scale(self) -> Scale:
        # A ratio of two rate ratios is a ratio; a difference of two differences keeps its unit.
        if self.ratio:
            return "ratio"
        return "rate_difference" if np.ptp(self.triple.outcome.exposure) > 0 else "difference"

    def _estimand(self, name: str) -> str:
        kind = "ratio of rate ratios" if self.ratio else "difference of differences of rates"
        control = in_sentence(self.panel.outcome(self.control).title)
        tail = "" if name == "size-scaled" else ", one coefficient for all"
        return f"{kind}: the outcome against {control} of the same site, in treated sites against the others, after against before{tail}"

    def _note(self, least: float) -> str:
        data = self.triple.outcome
        text = (
            f"The least p this design can reach is {least:.4f} ({len(data.treated)} of {len(data.units)} sites treated)"
        )
        if least > self.alpha + ri.TIE:
            text += f": there is no {100 * (1 - self.alpha):.0f} % interval"
        return "; ".join(
            [text, "an effect on the control outcome itself would be taken for one of the opposite sign", *data.left]
        )

    def _placebo(self) -> pd.DataFrame:
        """The estimate under every assignment (at most 400, evenly thinned, the real one among them)."""
        triple, ways = self.triple, self.triple.ways
        effects, statistic = ways.contrast(triple.changes()), triple.statistic()
        order = np.argsort(-np.abs(statistic), kind="stable")
        ranks = np.unique(np.linspace(0, len(order) - 1, min(len(order), 400)).round().astype(int))
        ranks = np.union1d(ranks, np.flatnonzero(order == ways.real))
        chosen, size = order[ranks], np.sort(np.abs(statistic))
        at_least = len(size) - np.searchsorted(size, np.abs(statistic[chosen]) - ri.tie(size))
        return pd.DataFrame({
            "analysis": self.analysis.name, "kind": "assignment", "label": [str(r + 1) for r in ranks],
            "ratio": np.exp(effects[chosen]) if self.ratio else effects[chosen], "statistic": statistic[chosen],
            "p_value": at_least / len(size), "real": chosen == ways.real,
        })  # fmt: skip


def _plain(data: SiteData) -> Floats:
    """The level without the half event that the size-scaled statistic adds."""
    rate = data.values / data.exposure
    return np.asarray(np.log(rate) if data.scale == "log" else rate)
