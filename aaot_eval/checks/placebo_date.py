"""The same estimate at dates on which nothing started.

The panel is cut before the first real start and the estimator is fitted anew with made-up starts. Method, calibration and
limits: docs/methods/placebo_date.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS, WARN_P
from aaot_eval.checks._sites import THRESHOLD, lean, verdict_of
from aaot_eval.errors import AaotEvalError, counted
from aaot_eval.estimators import Estimator
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._site_fit import fit_sites
from aaot_eval.estimators.its import InterruptedTimeSeries
from aaot_eval.estimators.site_did import SiteDid
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel

LEAST_SIDE = {"month": 12, "quarter": 8, "year": 6, "integer": 6}
LEAST_DATES = 5
MOST_DATES = 12
WARN_SHARE = 0.25
"""Without an effect 0 to 5 % of series with AR(1) errors lie above this, at most 0.3 % above the next: docs/results/placebo_dates.md."""
FAIL_SHARE = 0.40
RANK_P = 0.2


@dataclass(frozen=True)
class Placebo:
    """One made-up date: the estimate there with its p, and over sites the p that every other assignment has there."""

    estimate: float
    statistic: float
    p_value: float
    every: ri.Floats | None = None


@CHECKS.register("placebo_date")
class PlaceboDate:
    """Share of made-up dates that look like an effect, judged over sites by what other sites in the place of the treated would show."""

    designs: ClassVar[tuple[Design, ...]] = ("sites", "series", "controlled_series")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The made-up dates as a table (kind, label, ratio, statistic, p_value, real) and what they say of the real one."""
        own = analysis.design in ("series", "controlled_series")
        units = [estimate.unit] if own and estimate.unit else panel.treated_units
        starts = _starts(panel)
        end = min((starts[u] for u in units if u in starts), default=0)
        least = LEAST_SIDE[panel.frequency]
        kept = ~panel.periods["left_out"].to_numpy(dtype=bool)[:end]
        dates = [k for k in range(end) if kept[:k].sum() >= least and kept[k:].sum() >= least and kept[k]]
        if len(dates) < LEAST_DATES:
            return CheckResult(
                "placebo_date", analysis.name, "not_evaluable",
                f"Made-up start dates could not be tried: {counted(int(kept.sum()), 'period')} before the first start leave "
                f"{counted(len(dates), 'date')} with {least} periods on each side, and {LEAST_DATES} are needed.",
            )  # fmt: skip
        if isinstance(estimator, SiteDid):
            found = _over_sites(estimator, panel, analysis, units, end, spread_dates(dates), seed)
        else:
            found = {k: _placebo(estimator, panel, analysis, units, end, k, seed) for k in spread_dates(dates)}
        fits = {k: e for k, e in found.items() if e is not None and math.isfinite(e.p_value)}
        if len(fits) < LEAST_DATES or not math.isfinite(estimate.p_value):
            why = "the estimate has no p value at the real start"
            if math.isfinite(estimate.p_value):
                why = f"of {len(found)} dates tried {len(fits)} gave an estimate with a p value, and {LEAST_DATES} are needed"
                refused = _refusal(estimator, panel, analysis, units, end, spread_dates(dates))
                why += f" ({refused})" if refused else ""
            return CheckResult(
                "placebo_date", analysis.name, "not_evaluable", f"Made-up start dates could not be judged: {why}."
            )
        return _judged(panel, analysis, estimate, fits, int(starts[units[0]]))


def _starts(panel: Panel) -> dict[str, int]:
    own = {u: int(panel.units["start_t"][u]) for u in panel.treated_units}
    return own | {str(u): int(t) for u, t in panel.extra.get("beside_start_t", {}).items()}


def spread_dates(dates: list[int]) -> list[int]:
    """At most MOST_DATES of them, evenly spread, the first and last among them."""
    if len(dates) <= MOST_DATES:
        return dates
    places = np.round(np.linspace(0, len(dates) - 1, MOST_DATES)).astype(int)
    return [dates[i] for i in places]


def cut_panel(panel: Panel, end: int, starts: Mapping[str, int], units: list[str] | None = None) -> Panel:
    """The periods before `end`, with made-up starts (no unit else starts), without people; `units` keeps only those."""
    frame = panel.units if units is None else panel.units.loc[units]
    start_t = pd.array([starts.get(str(u), pd.NA) for u in frame.index], dtype="Int64")
    never = pd.array([pd.NA] * len(frame), dtype="Int64")
    cells = panel.cells[(panel.cells["t"] < end) & panel.cells["unit"].isin(frame.index)].reset_index(drop=True)
    first = cells["unit"].map(starts).fillna(end)
    return replace(
        panel,
        periods=panel.periods.iloc[:end],
        units=frame.assign(start_t=start_t, stop_t=never),
        cells=cells.assign(treated=cells["t"] >= first),
        people=None,
        person_cells=None,
        extra={k: v for k, v in panel.extra.items() if k != "beside_start_t"}
        | {"cut_labels": tuple(panel.periods["label"].iloc[end:])},
    )


def _made_up(panel: Panel, analysis: Analysis, units: list[str], end: int, start: int) -> Panel:
    alone = units if analysis.design == "series" else None
    if analysis.design == "controlled_series":
        alone = [*units, *panel.comparison_units]
    return cut_panel(panel, end, dict.fromkeys(units, start), alone)


def _without_window(estimator: Estimator) -> Estimator:
    """A series without its window of totals averted, which lies after the real start and changes no level and no p."""
    return replace(estimator, window=()) if isinstance(estimator, InterruptedTimeSeries) else estimator


def _refusal(
    estimator: Estimator, panel: Panel, analysis: Analysis, units: list[str], end: int, dates: list[int]
) -> str:
    """What the estimator says against the first made-up date that it refuses; empty where it refuses none."""
    for start in dates:
        problems = _without_window(estimator).objections(_made_up(panel, analysis, units, end, start), analysis)
        if problems:
            return problems[0].what
    return ""


def _placebo(
    estimator: Estimator, panel: Panel, analysis: Analysis, units: list[str], end: int, start: int, seed: int
) -> Placebo | None:
    made_up = _made_up(panel, analysis, units, end, start)
    estimator = _without_window(estimator)
    try:
        if estimator.objections(made_up, analysis):
            return None
        found = lean(estimator).fit(made_up, analysis, seed=seed)[0]
    except AaotEvalError:
        return None
    return Placebo(found.estimate, _statistic(found), found.p_value)


def _over_sites(
    estimator: SiteDid, panel: Panel, analysis: Analysis, units: list[str], end: int, dates: list[int], seed: int
) -> dict[int, Placebo | None]:
    """The same table of sites at every date: only the position of the start moves."""
    made_up = cut_panel(panel, end, dict.fromkeys(units, dates[len(dates) // 2]))
    if estimator.objections(made_up, analysis):
        return {}
    data = estimator.data(made_up, analysis.outcome)
    least = panel.season_length if estimator.least_before is None else estimator.least_before
    found: dict[int, Placebo | None] = {}
    for k in dates:
        at = int(np.searchsorted(data.t, k))
        if at < least or data.n_periods - at - data.phase_in < estimator.least_after:
            continue
        fit = fit_sites(replace(data, starts=np.where(data.starts < data.n_periods, at, data.n_periods)), seed)
        estimate = math.exp(fit.effect) if data.scale == "log" else fit.effect
        found[k] = Placebo(estimate, math.nan, fit.p_value, ri.p_values(fit.statistic))
    return found


def exact_p(fits: Mapping[int, Placebo]) -> float:
    """Share of the assignments of treated sites with p < 0.05 at as many made-up dates as the real one; NaN where they are not the same.

    Neighbouring dates share most of their data, so the share of dates has no simple distribution; over assignments it has an exact one.
    """
    every = [f.every for f in fits.values() if f.every is not None]
    if len(every) < len(fits) or len({len(p) for p in every}) != 1:
        return math.nan
    dates = (np.vstack(every) < WARN_P).sum(axis=0)
    real = sum(f.p_value < WARN_P for f in fits.values())
    return float((dates >= real).mean())


def _statistic(estimate: Estimate) -> float:
    if not estimate.std_error > 0:
        return math.nan
    return (math.log(estimate.estimate) if estimate.null == 1.0 else estimate.estimate) / estimate.std_error


def _judged(panel: Panel, analysis: Analysis, real: Estimate, fits: Mapping[int, Placebo], start: int) -> CheckResult:
    labels = panel.periods["label"]
    p = np.array([e.p_value for e in fits.values()])
    below, total = int((p < WARN_P).sum()), len(p)
    share = below / total
    rank = 1 + int((p <= real.p_value).sum())
    rank_p = rank / (total + 1)
    exact = exact_p(fits)
    claims = real.direction != "unclear"
    verdict = verdict_of(exact) if math.isfinite(exact) else _by_share(share)
    if verdict == "pass" and claims and rank_p > RANK_P:
        verdict = "warn"
    sentence = (
        f"At {below} of {total} dates on which nothing started the same analysis gave p below {WARN_P}; "
        f"the real start ranks {rank} of {total + 1} (rank p = {rank_p:.2f}, neighbouring dates overlap)."
    )
    if math.isfinite(exact) and below:
        sentence += f" Other sites in the place of the treated show as many such dates in {exact:.1%} of the ways to choose them."
    if claims and rank_p > RANK_P:
        sentence += " Made-up dates look as much like an effect as the real one."
    rows = [(str(labels.iloc[k]), e.estimate, e.statistic, e.p_value, False) for k, e in fits.items()]
    rows += [(str(labels.iloc[start]), real.estimate, _statistic(real), real.p_value, True)]
    columns = ("label", "ratio", "statistic", "p_value", "real")
    table = pd.DataFrame([{"kind": "date", **dict(zip(columns, row, strict=True))} for row in rows])
    return CheckResult(
        "placebo_date", analysis.name, verdict, sentence, statistic=share, value_name="share of made-up dates with p below 0.05",
        threshold=THRESHOLD if math.isfinite(exact) else f"at most {WARN_SHARE:.0%}",
        p_value=exact if math.isfinite(exact) else rank_p, table=table,
        facts={"table": "placebo", "dates": total, "below": below, "rank": rank, "rank_p": rank_p},
    )  # fmt: skip


def _by_share(share: float) -> CheckVerdict:
    return "fail" if share > FAIL_SHARE else "warn" if share > WARN_SHARE else "pass"
