"""Effects by cohort and period (Callaway and Sant'Anna), put together four ways, with inference that few sites can bear.

Formulae, assumptions and refusals: docs/methods/group_time.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from aaot_eval.errors import Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators import _staggered as sg
from aaot_eval.estimators import _staggered_rows as rows
from aaot_eval.estimators._adjusted import Adjustment
from aaot_eval.estimators._sites import UNMOVED, column_problems, unmoved
from aaot_eval.results import Analysis, Design, Estimate, Panel

KINDS: tuple[sg.Aggregation, ...] = ("simple", "dynamic", "group", "calendar")
WORDS = {
    "simple": "mean over all treated site-periods",
    "dynamic": "mean over periods since the start",
    "group": "mean over cohorts of their own mean",
    "calendar": "mean over calendar periods",
}
AskedFor = Literal["auto", "dr", "ipw", "reg"]
PER_COVARIATE = 5
"""Sites a cohort needs for each coefficient of the model of who is treated; with fewer that model fits them perfectly."""


@dataclass(frozen=True)
class OverCohorts:
    """Settings of every estimator that is made of effects by cohort and period of sites, and its refusals.

    `control`: "never" or "not_yet" treated. `adjust`: "dr", "ipw", "reg" or "auto" for `covariates` (columns of the panel, as
    they were at the earlier date). `detail`: also a row for every part.
    """

    design: ClassVar[Design] = "sites"
    panel_columns: ClassVar[tuple[str, ...]] = ("cluster", "weight")
    conf_level: float = 0.95
    phase_in: int = 0
    least_before: int = 1
    least_after: int = 1
    scale: Literal["auto", "ratio", "difference"] = "auto"
    control: Literal["never", "not_yet"] = "never"
    adjust: Literal["auto", "dr", "ipw", "reg"] = "auto"
    covariates: tuple[str, ...] = ()
    detail: bool = False

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why no cohort can be compared with anybody; empty when one can."""
        problems = [
            Problem("E341", f"there is no covariate {name!r} in the panel", where=analysis.name,
                    do="name it under [panel] covariates, or remove it from the options")
            for name in self.covariates if name not in panel.cells
        ]  # fmt: skip
        problems += column_objections(panel, analysis, self.covariates)
        panel, _ = rows.last_as_control(panel, self.control)
        return problems or rows.staggered_objections(panel, analysis, phase_in=self.phase_in, scale=self.scale,
                                                     least_before=self.least_before, least_after=self.least_after)  # fmt: skip


@ESTIMATORS.register("group_time")
@dataclass(frozen=True)
class GroupTime(OverCohorts):
    """Each cohort of sites that start together against sites not treated at either of two dates.

    `control`, `adjust`, `covariates`, `detail`: as in OverCohorts. `base`: "varying" (before the start each period against the one
    before) or "universal". `aggregation`: which mean answers the analysis.
    """

    base: Literal["varying", "universal"] = "varying"
    aggregation: Literal["simple", "dynamic", "group", "calendar"] = "simple"

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The chosen mean first, then the same by the other inference, as a level, the other means, and its parts."""
        fit = _Fit.of(self, panel, analysis, seed)
        if fit.table.whole and unmoved(fit.table.level):
            return (fit.unmoved(),)
        return fit.estimates()


@dataclass(frozen=True)
class _Fit:
    """Everything the rows of one analysis are made from."""

    settings: GroupTime
    make: rows.RowMaker
    table: sg.Staggered
    found: list[sg.Pair]
    ways: ri.Assignments

    @staticmethod
    def of(settings: GroupTime, panel: Panel, analysis: Analysis, seed: int) -> _Fit:
        ratio = rows.on_ratio(panel, analysis.outcome, settings.scale)
        make, table = staggered_of(settings, panel, analysis, seed, "group_time", ratio)
        found = sg.pairs(table)
        return _Fit(settings, make, table, found, make.ways)

    @property
    def plain(self) -> bool:
        """No holes, weights or covariates: every estimate is one weight for each cohort and period."""
        return self.table.whole and self.table.covariates is None and self.table.weight is None

    def unmoved(self) -> Estimate:
        """The only row where there is nothing to judge by."""
        what = self._what(self.settings.aggregation, ratio=self.make.ratio)
        return self.make.row(
            what, math.nan, ratio=self.make.ratio, inference="none", status="not_estimable", note=UNMOVED
        )

    def estimates(self) -> tuple[Estimate, ...]:
        s, make = self.settings, self.make
        chosen, _ = sg.aggregate(self.table, self.found, s.aggregation)
        first = self._rows(s.aggregation, chosen, ratio=make.ratio)
        out = [replace(first[0], tables={"group_time": self._table()}, facts=self._facts(chosen)), *first[1:]]
        if make.ratio:
            out.append(self._rows(s.aggregation, chosen, ratio=False)[0])
        if not self.table.whole:
            out.append(self._all_rows())
        for kind in KINDS:
            whole, parts = sg.aggregate(self.table, self.found, kind)
            if kind != s.aggregation:
                out += self._beside(kind, whole)
            if s.detail:
                out += [self._part(kind, part) for part in parts]
        if s.detail:
            out += [self._pair(pair) for pair in self.found]
        return tuple(out)

    def _rows(self, kind: sg.Aggregation, average: sg.Average, *, ratio: bool) -> list[Estimate]:
        """The row that may lead, and the other one."""
        what = self._what(kind, ratio=ratio)
        analytic = self._analytic(what, average, ratio=ratio)
        if self.table.covariates is not None and not self.make.few:
            return [analytic]
        drawn = self._randomised(kind, what, average, ratio=ratio)
        return [drawn, analytic] if self.make.by_chance else [analytic, drawn]

    def _beside(self, kind: sg.Aggregation, average: sg.Average) -> list[Estimate]:
        if self.table.covariates is not None:  # refitting every assignment is for the answer alone
            return [self._analytic(self._what(kind, ratio=self.make.ratio), average, ratio=self.make.ratio)]
        # A standard error that errs stands behind the interval that does not.
        return self._rows(kind, average, ratio=self.make.ratio)[: 2 if self.make.thin and not self.make.few else 1]

    @staticmethod
    def _what(kind: sg.Aggregation, *, ratio: bool) -> str:
        return f"{'ratio' if ratio else 'difference'} of the treated to their expected level, {WORDS[kind]}"

    def _analytic(self, what: str, average: sg.Average, *, ratio: bool) -> Estimate:
        value, influence = average.att, average.influence
        if ratio:
            value = average.log_ratio
            influence = average.log_ratio_influence if math.isfinite(value) else np.full(self.table.n_sites, math.nan)
        return self.make.analytic(what, value, self.table.std_error(influence), ratio=ratio,
                                  how=f"{self._name()}, influence functions, cohort shares estimated")  # fmt: skip

    def _randomised(self, kind: sg.Aggregation, what: str, average: sg.Average, *, ratio: bool) -> Estimate:
        ways, weights = self.ways, None
        if self.plain:
            weights = sg.cohort_weights(self.table, self.found, average.weights)
            linear = sg.by_weights(weights, ways)
        elif self.table.covariates is None:
            linear = sg.by_pairs(self.table, self.found, average.weights, ways)
        else:
            ways = sg.fewer(ways, len(self.found))
            linear = sg.by_refitting(self.table, ways, _refit(kind))
        found = sg.randomise(self.table, ways, linear, weights, ratio=ratio)
        found = replace(found, p_least=self.make.least(ways))
        if not np.isfinite(found.statistic(0.0)).all():
            return self.make.row(what, math.nan, ratio=ratio, inference=self.make.how(ways), status="not_run",
                                 note="not run: under some assignments the covariates separate treated from other sites")  # fmt: skip
        return self.make.randomised(what, found, f"{self._name()}, {self.make.how(ways)}")

    def _all_rows(self) -> Estimate:
        """What all rows together say where some sites were not seen at both dates: never in the place of the pairs."""
        table = replace(self.table, matched=False, covariates=None)
        whole, _ = sg.aggregate(table, sg.pairs(table), self.settings.aggregation)
        what = f"difference of the treated to their expected level, {WORDS[self.settings.aggregation]}, all rows"
        row = self.make.analytic(what, whole.att, table.std_error(whole.influence), ratio=False,
                                 how="means of all rows as repeated cross-sections, clustered by site")  # fmt: skip
        return replace(row, note=f"sensitivity: rows without a partner at the other date count too; {row.note}")

    def _part(self, kind: sg.Aggregation, part: sg.Average) -> Estimate:
        key = part.key or 0
        if kind != "dynamic":
            label = self.make.panel.periods["label"].iloc[int(self.table.clock[key])]
            where = f"cohort {label}" if kind == "group" else f"period {label}"
        else:
            where = f"{key:+d} periods since the start"
        return self._analytic(f"effect, {kind}, {where}", part, ratio=self.make.ratio)

    def _pair(self, pair: sg.Pair) -> Estimate:
        labels = self.make.panel.periods["label"]
        cohort, period = (labels.iloc[int(self.table.clock[i])] for i in (pair.start, pair.t))
        one = sg.fixed_average([pair], np.ones(1))
        return self._analytic(f"effect, cohort {cohort}, period {period}", one, ratio=self.make.ratio)

    def _name(self) -> str:
        control = "sites that never start" if self.table.control == "never" else "sites not yet started"
        adjusted = f", adjusted ({self.table.adjustment})" if self.table.covariates is not None else ""
        return f"Callaway-Sant'Anna against {control}{adjusted}"

    def _table(self) -> pd.DataFrame:
        labels = self.make.panel.periods["label"].to_numpy()[self.table.clock]
        columns = [
            "analysis",
            "cohort",
            "period",
            "base",
            "event_time",
            "att",
            "std_error",
            "observed",
            "sites",
            "controls",
            "lost",
        ]
        return pd.DataFrame(
            [(self.make.analysis.name, labels[p.start], labels[p.t], labels[p.base], p.event_time, p.att, self.table.std_error(p.influence), p.observed, p.cohort,
              p.controls, p.lost) for p in self.found],
            columns=columns,
        )  # fmt: skip

    def _facts(self, average: sg.Average) -> dict[str, Any]:
        return {
            "level_effect": average.att,
            "level_std_error": self.table.std_error(average.influence),
            "observed_level": average.observed,
            "expected_level": average.expected,
            "pairs_lost": sum(p.lost for p in self.found),
            "p_least": self.make.least(self.ways),
        }


def _refit(kind: sg.Aggregation) -> Callable[[sg.Staggered], float]:
    def of(table: sg.Staggered) -> float:
        return sg.aggregate(table, sg.pairs(table, only_after=True), kind)[0].att

    return of


def column_objections(panel: Panel, analysis: Analysis, covariates: tuple[str, ...]) -> list[Problem]:
    """Why the panel's columns of clusters and weights cannot be used; empty when they can or there are none."""
    if panel.extra.get("weight") and covariates:
        return [Problem("E344", "weights and covariates together are not worked out", where=analysis.name,
                        do="take one of them out of [panel], or set covariates = [] in the options")]  # fmt: skip
    return column_problems(panel, analysis.name)


def staggered_of(settings: Any, panel: Panel, analysis: Analysis, seed: int, name: str,
                 ratio: bool) -> tuple[rows.RowMaker, sg.Staggered]:  # fmt: skip
    """The row maker and the table of levels that the settings of an estimator (group_time, event_study) give."""
    panel, without_last = rows.last_as_control(panel, settings.control)
    data = rows.sites_table(panel, analysis.outcome, phase_in=settings.phase_in, least_before=settings.least_before,
                            least_after=settings.least_after, ratio=ratio, keep_holes=True)  # fmt: skip
    cube, left = rows.covariate_cube(panel, data, settings.covariates)
    ways = ri.assign_starts(data.starts, data.n_periods, seed)
    adjustment, why = _adjustment(settings.adjust, cube, ways)
    table = sg.Staggered(
        rows.levels(data), data.starts, data.t, rows.sizes(data), covariates=cube, control=settings.control,
        base=settings.base, adjustment=adjustment, phase_in=settings.phase_in, cluster=data.cluster,
        weight=None if data.weight is None else np.nanmean(data.weight, axis=1),
    )  # fmt: skip
    why += [without_last] if without_last else []
    if data.weight is not None:
        why.append("weighted by each site's mean weight")
    if data.cluster is not None:
        why.append(f"clustered by {data.n_clusters} groups of sites")
    holes = int(np.isnan(table.level).sum())
    if holes:
        why.append(f"{holes} site-periods are missing: each effect compares the sites seen at both of its dates")
    make = rows.RowMaker(
        panel, analysis, name, data, ways, round(1 - settings.conf_level, 10), ratio, (*why, *left), True
    )
    return make, table


def _adjustment(asked: AskedFor, cube: Any, ways: ri.Assignments) -> tuple[Adjustment, list[str]]:
    """Doubly robust where every cohort is large enough for a model of who is treated, else outcome regression."""
    if cube is None:
        return "dr", []
    if asked != "auto":
        return asked, []
    if int(ways.sizes.min()) >= PER_COVARIATE * (1 + cube.shape[2]):
        return "dr", []
    return "reg", ["adjusted by outcome regression: a cohort is too small for a model of who is treated"]
