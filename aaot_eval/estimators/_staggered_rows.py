"""What the estimators for staggered starts share: their table of sites, their refusals and how a row is made.

With few treated sites the headline p and interval are those of exact randomisation, and a normal-theory p is not printed at
all: Callaway-Sant'Anna's would be 8e-7 for one treated hospital of nine, where no data can give less than 1/9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.errors import Problem
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._sites import Floats, SiteData, site_data, site_objections
from aaot_eval.estimators._staggered import Randomised
from aaot_eval.estimators.two_way import LEAST_SITES, LEAST_TREATED
from aaot_eval.results import BESIDE, Analysis, Estimate, Panel, Scale

Wanted = Literal["auto", "ratio", "difference"]

LEAST_COHORT = 10
"""Sites a cohort needs for its influences: with k of them their variance comes out at (k - 1) / k of what it is. Measured with cohorts
of 2 to 4: results/staggered_placebo.md."""


def on_ratio(panel: Panel, outcome: str, scale: Wanted) -> bool:
    """Whether the answer is a ratio: asked for, or by default for counts and costs, which have a meaningful zero."""
    return scale == "ratio" or (scale == "auto" and panel.outcome(outcome).kind in ("count", "cost"))


def sites_table(panel: Panel, outcome: str, *, phase_in: int, least_before: int, least_after: int, ratio: bool,
                keep_holes: bool) -> SiteData:  # fmt: skip
    """The sites and periods used; a treated site needs only one period on each side unless more is asked for."""
    data = site_data(panel, outcome, phase_in=phase_in, least_before=least_before, least_after=least_after,
                     scale="difference", keep_holes=keep_holes)  # fmt: skip
    if ratio and (np.nansum(data.values, axis=1) == 0).any():
        empty = [u for u, v in zip(data.units, np.nansum(data.values, axis=1), strict=True) if v == 0]
        note = f"without a single event, counted as nought: {', '.join(empty[:5])}{', ...' if len(empty) > 5 else ''}"
        return SiteData(**{**data.__dict__, "left": (*data.left, note)})
    return data


def last_as_control(panel: Panel, control: str) -> tuple[Panel, str]:
    """The panel to compare within, and what was left out of it.

    With not-yet-treated controls and no site that never starts, the sites that start last are the controls of the others until
    they start: the periods from then on hold nobody to be compared with, and are left out.
    """
    inside = panel.units["start_t"].dropna().astype(int)
    beside = panel.units["group"] == BESIDE
    if control != "not_yet" or (set(panel.comparison_units) - set(panel.units.index[beside])) or inside.nunique() < 2:
        return panel, ""
    last = int(inside.max())
    cells = panel.cells[panel.cells["t"] < last].reset_index(drop=True)
    cut = replace(panel, periods=panel.periods.iloc[:last], cells=cells, people=None, person_cells=None)
    named = ", ".join(map(str, inside.index[inside == last][:5]))
    label = panel.periods["label"].iloc[last]
    return (
        cut,
        f"every site starts: {named}, the last to start, are controls until then, and the periods from {label} on are left out",
    )


def staggered_objections(panel: Panel, analysis: Analysis, *, phase_in: int, least_before: int, least_after: int,
                         scale: Wanted) -> list[Problem]:  # fmt: skip
    """Why no cohort can be compared with anybody on this outcome; empty when one can."""
    kind = "ratio" if scale == "ratio" else "difference"
    problems = site_objections(panel, analysis.outcome, phase_in=phase_in, least_before=least_before,
                               least_after=least_after, scale="difference")  # fmt: skip
    if problems or not on_ratio(panel, analysis.outcome, scale):
        return problems
    values = panel.matrix(analysis.outcome)
    if (np.asarray(values, dtype=float) < 0).any():
        return [Problem("E340", f"{analysis.outcome} has values below zero, so it has no {kind}", where=analysis.name,
                        allowed='scale = "difference"', do="ask for the difference")]  # fmt: skip
    return []


def covariate_cube(panel: Panel, data: SiteData, names: tuple[str, ...]) -> tuple[Floats | None, list[str]]:
    """(n x T x p covariates of the used cells, sentences on those left out); None when no covariate is left."""
    left, cubes = [], []
    rows = panel.units.index.get_indexer(pd.Index(data.units))
    for name in names:
        values = np.asarray(panel.matrix(name), dtype=float)[np.ix_(rows, data.t)]
        if np.isnan(values).any():
            left.append(f"covariate {name} has holes and is not adjusted for")
        elif np.ptp(values) == 0:
            left.append(f"covariate {name} is the same everywhere and is not adjusted for")
        else:
            cubes.append(values)
    return (np.stack(cubes, axis=2) if cubes else None), left


@dataclass(frozen=True)
class RowMaker:
    """Makes the estimates of one analysis over sites with staggered starts."""

    panel: Panel
    analysis: Analysis
    estimator: str
    data: SiteData
    ways: ri.Assignments
    alpha: float
    ratio: bool
    notes: tuple[str, ...] = ()
    influences: bool = False
    """The standard error is a sum of squared influences, which is too small when a cohort has few sites."""

    @property
    def few(self) -> bool:
        """Too few treated or too few sites for a normal-theory p."""
        return self.data.treated_clusters < LEAST_TREATED or self.data.n_clusters < LEAST_SITES

    @property
    def thin(self) -> bool:
        """A cohort of so few sites that their own mean, which influences are taken from, hides much of their spread."""
        alone = self.data.cluster is None and self.data.weight is None
        return self.influences and alone and int(self.ways.sizes.min()) < LEAST_COHORT

    @property
    def by_chance(self) -> bool:
        """Whether randomisation leads where it can be made."""
        return self.few or self.thin

    def least(self, ways: ri.Assignments) -> float:
        """The least p: twice as much where every assignment has a mirror image of the same size."""
        even = ways.mirrored and float(np.ptp(self.data.exposure.mean(axis=1))) == 0.0
        return (2 if even else 1) * ways.p_least

    def analytic(self, what: str, value: float, std_error: float, *, ratio: bool, how: str) -> Estimate:
        """A row from a standard error: with its t interval, or bare (no p, no interval) where sites are too few."""
        if not (math.isfinite(value) and math.isfinite(std_error)):
            return self.row(what, math.nan, ratio=ratio, inference=how, status="not_estimable",
                            note="no finite value: treated and other sites do not overlap, or there are too few events")  # fmt: skip
        show = math.exp if ratio else float
        if self.few:
            note = (f"standard error as other programs print it; with {len(self.data.treated)} of {len(self.data.units)} sites "
                    "treated a p value made from it would be far too small, so none is shown")  # fmt: skip
            return self.row(what, show(value), ratio=ratio, std_error=std_error, inference=how, note=note)
        df = self.data.n_clusters - 1
        half = float(stats.t.ppf(1 - self.alpha / 2, df)) * std_error
        p = float(2 * stats.t.sf(abs(value) / std_error, df)) if std_error > 0 else math.nan
        return self.row(what, show(value), ratio=ratio, std_error=std_error, conf_low=show(value - half),
                        conf_high=show(value + half), conf_method="wald_t", p_value=p, inference=how,
                        note="; ".join([f"{df} degrees of freedom", *([self.thin_note] if self.thin else [])]))  # fmt: skip

    @property
    def thin_note(self) -> str:
        """Said of a standard error that is too small."""
        k = int(self.ways.sizes.min())
        return f"too narrow: the smallest cohort has {k} {'site' if k == 1 else 'sites'}, and the standard error hides part of their spread"

    def randomised(self, what: str, found: Randomised, how: str) -> Estimate:
        """A row whose p and interval are those of randomisation over start dates."""
        value = found.estimate
        if not math.isfinite(value):
            return self.row(what, math.nan, ratio=found.ratio, inference=how, p_least=found.p_least,
                            status="not_estimable", note="the expected level is not above zero, so there is no ratio")  # fmt: skip
        if not self.by_chance:
            return self.row(what, show_as(value, ratio=found.ratio), ratio=found.ratio, conf_method="none", inference=how,
                            p_value=found.p_value(0.0), p_least=found.p_least,
                            note="the same estimate with its randomisation p; the interval is that of the row before")  # fmt: skip
        step = 0.02 if found.ratio else float(np.std(found.statistic(0.0))) and float(np.std(found.fixed)) / 10
        inversion = found.invert(self.alpha, step)
        show = math.exp if found.ratio else float
        finite = inversion is not None and inversion.finite
        low, high = (show(inversion.low), show(inversion.high)) if finite and inversion else (math.nan, math.nan)
        draws = ri.ConfidenceDraws.of(inversion, self.alpha, ratio=found.ratio) if finite and inversion else None
        return self.row(
            what, show(value), ratio=found.ratio, conf_low=low, conf_high=high, conf_method="randomisation",
            p_value=found.p_value(0.0), p_least=found.p_least, inference=how, confidence=draws,
            status="ok" if finite else "no_finite_interval", note=self.least_note(found.p_least),
        )  # fmt: skip

    def least_note(self, least: float) -> str:
        """The first thing said of a randomisation p."""
        data = self.data
        text = (
            f"The least p this design can reach is {least:.4f} ({len(data.treated)} of {len(data.units)} sites treated)"
        )
        return f"{text}: there is no {100 * (1 - self.alpha):.0f} % interval" if least > self.alpha + ri.TIE else text

    def how(self, ways: ri.Assignments) -> str:
        """How the randomisation was done, in words."""
        if len(ways.rows) == ways.total:
            return f"exact randomisation over all {ways.total:,} assignments of start dates to sites"
        return f"randomisation over {len(ways.rows):,} of {ways.total:,} assignments of start dates to sites"

    def row(self, what: str, value: float, *, ratio: bool, inference: str, note: str = "", **more: Any) -> Estimate:
        """One row; the notes on what was left out stand behind its own."""
        data = self.data
        more.setdefault("conf_method", "none")
        if "p_least" in more:
            more.setdefault("drawn", self.ways.drawn)
        seen = ~np.isnan(data.values) & data.used
        return Estimate(
            analysis=self.analysis.name, design="sites", estimator=self.estimator, outcome=self.analysis.outcome,
            estimand=what, scale=self.scale(ratio), estimate=value, conf_level=round(1 - self.alpha, 10),
            n_units=len(data.units), n_treated=len(data.treated), n_periods=data.n_periods, n_obs=int(seen.sum()),
            inference=inference, note="; ".join(n for n in (note, *self.notes, *data.left) if n), **more,
        )  # fmt: skip

    def scale(self, ratio: bool) -> Scale:
        """The scale of a row: a rate where there is something to divide by."""
        exposed = bool(np.ptp(self.data.exposure[~np.isnan(self.data.exposure)]) > 0)
        if ratio:
            return "rate_ratio" if self.data.count else "ratio"
        return "rate_difference" if exposed else "difference"


def levels(data: SiteData) -> Floats:
    """n x T: count or cost over exposure; a share or measured value as it is."""
    return np.asarray(data.values / data.exposure, dtype=float)


def sizes(data: SiteData) -> Floats:
    """n: mean exposure, which the variance of a site's level goes down with."""
    return np.asarray(np.nanmean(data.exposure, axis=1), dtype=float)


def show_as(value: float, *, ratio: bool) -> float:
    """A log ratio as a ratio, a difference as it is."""
    return math.exp(value) if ratio else value
