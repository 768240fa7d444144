"""Could any of the sites have been the treated ones? Level, trend, size, and whether services start after bad years.

docs/methods/site_exchangeability.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS, WARN_P
from aaot_eval.checks._sites import THRESHOLD, cannot, sites_of, verdict_of
from aaot_eval.estimators import Estimator
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._site_fit import point_estimate
from aaot_eval.estimators._sites import Floats, SiteData
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel
from aaot_eval.wording import p_text

NAME = "site_exchangeability"
BAD_YEAR = 1.20
"""A last year this much higher than the year before, relative to the other sites, is worth a warning where no p can be."""


@dataclass(frozen=True)
class Measure:
    """One way in which treated and other sites may differ: a table sites x start dates, and whether it biases the effect."""

    name: str
    table: Floats
    biases: bool
    ratio: bool


@CHECKS.register(NAME)
class SiteExchangeability:
    """Treated and other sites before the start: level, size, trend, and last year against the year before (dip)."""

    designs: ClassVar[tuple[Design, ...]] = ("sites",)

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The four differences, and one p for the largest of them over all assignments."""
        data = sites_of(estimator, panel, analysis)
        if isinstance(data, str):
            return cannot(NAME, analysis, data)
        ways = ri.assign_starts(data.starts, data.n_periods, seed)
        found = measures(data, ways, panel.season_length)
        contrasts = np.stack([ways.contrast(m.table) for m in found])
        spread = contrasts.std(axis=1, keepdims=True)
        scaled = np.abs(np.divide(contrasts, spread, out=np.zeros_like(contrasts), where=spread > 0))
        p = ri.p_value(scaled.max(axis=0), ways.real)
        each = [ri.p_value(row, ways.real) for row in scaled]
        strongest = found[int(scaled[:, ways.real].argmax())]
        real = dict(zip([m.name for m in found], contrasts[:, ways.real], strict=True))
        return CheckResult(
            check=NAME,
            analysis=analysis.name,
            verdict=_verdict(p, ways.p_least, strongest, real),
            sentence=_sentence(found, real, p, ways.p_least, strongest),
            statistic=float(scaled[:, ways.real].max()),
            value_name=f"largest standardised difference ({strongest.name})",
            threshold=f"{THRESHOLD}; level and size warn at most",
            p_value=p,
            table=_table(found, ways, contrasts[:, ways.real], each),
            facts={"p_least": ways.p_least, **{m.name.replace(" ", "_"): float(real[m.name]) for m in found}},
        )


def measures(data: SiteData, ways: ri.Assignments, season: int) -> list[Measure]:
    """What is compared. Sites that were truly treated have the estimated effect taken out, where it could show."""
    effect = point_estimate(data, ways)
    level = data.level(0.0 if math.isnan(effect) else effect)
    first = int(ways.starts[0])
    log = data.scale == "log"
    before = data.values[:, :first].sum(axis=1) / data.exposure[:, :first].sum(axis=1)
    found = [
        Measure(
            "level",
            _same(np.log(before + 0.5 / data.exposure[:, :first].sum(axis=1)) if log else before, ways),
            False,
            log,
        )
    ]
    exposure = data.exposure[:, :first].mean(axis=1)
    if np.ptp(exposure) > 0:
        found.append(Measure("size", _same(np.log(exposure), ways), False, True))
    found.append(Measure("trend a year", ri.slope_table(level, data.years, ways.starts), True, log))
    if first >= 2 * season:
        columns = [
            level[:, s - season : s].mean(axis=1) - level[:, s - 2 * season : s - season].mean(axis=1)
            for s in ways.starts
        ]
        found.append(Measure("last year against the year before", np.column_stack(columns), True, log))
    return found


def _same(values: Floats, ways: ri.Assignments) -> Floats:
    return np.repeat(values[:, None], len(ways.starts), axis=1)


def _verdict(p: float, least: float, strongest: Measure, real: dict[str, float]) -> CheckVerdict:
    if least >= WARN_P:
        dip = real.get("last year against the year before", 0.0)
        return "warn" if strongest.ratio and dip > math.log(BAD_YEAR) else "not_evaluable"
    verdict = verdict_of(p)
    return "warn" if verdict == "fail" and not strongest.biases else verdict


def _sentence(found: list[Measure], real: dict[str, float], p: float, least: float, strongest: Measure) -> str:
    parts = [f"{m.name} {_show(real[m.name], m.ratio)}" for m in found]
    text = f"Treated against other sites before the start: {', '.join(parts)}"
    if least >= WARN_P:
        return f"{text}; with so few sites no p below {least:.3f} is possible, so chance cannot be excluded."
    if p >= WARN_P:
        return f"{text}; no more than chance would give ({p_text(p)})."
    return f"{text}; the {strongest.name} differs by more than chance would give ({p_text(p)})."


def _show(value: float, ratio: bool) -> str:
    return f"x {math.exp(value):.2f}" if ratio else f"{value:+.3g}"


def _table(found: list[Measure], ways: ri.Assignments, real: Floats, each: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "measure": [m.name for m in found],
            "difference": [math.exp(v) if m.ratio else v for m, v in zip(found, real, strict=True)],
            "as": ["ratio" if m.ratio else "difference" for m in found],
            "p_value": each,
            "n_assignments": len(ways.rows),
        }
    )
