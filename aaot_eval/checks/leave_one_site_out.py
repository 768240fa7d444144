"""Does the result hang on one site? Every site left out in turn. docs/methods/leave_one_site_out.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS
from aaot_eval.checks._refits import sites_again
from aaot_eval.checks._sites import cannot, shown, sites_of
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._site_fit import fit_sites
from aaot_eval.estimators._sites import SiteData
from aaot_eval.estimators.site_did import SiteDid
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel

NAME = "leave_one_site_out"


@CHECKS.register(NAME)
class LeaveOneSiteOut:
    """The site comparison again without each site in turn, treated and comparison sites alike."""

    designs: ClassVar[tuple[Design, ...]] = ("sites",)

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The range of the estimate over all sites left out; fails when a claimed direction turns round."""
        whole = _whole(estimator, panel, analysis, estimate, seed)
        if isinstance(whole, str):
            return cannot(NAME, analysis, whole)
        table, ratio = whole.table, whole.ratio
        if math.isnan(whole.effect) or table.empty:
            return cannot(
                NAME, analysis, "no site can be left out" if table.empty else "there is no estimate to compare with"
            )
        low, high = table["effect"].min(), table["effect"].max()
        furthest = table.iloc[int((table["effect"] - whole.effect).abs().argmax())]
        show = math.exp if ratio else float

        def text(value: float) -> str:
            return shown(show(value), ratio=ratio)

        verdict, meaning = _judge(whole.effect, whole.p_value, table, 1.0 - estimate.conf_level)
        moved = table.assign(effect=np.exp(table["effect"]) if ratio else table["effect"])
        return CheckResult(
            check=NAME,
            analysis=analysis.name,
            verdict=verdict,
            sentence=(
                f"Leaving out one site at a time moves the estimate of {text(whole.effect)} to between {text(low)} and "
                f"{text(high)}, most without {furthest['unit']} ({furthest['role']}); {meaning}."
            ),
            statistic=show(float(furthest["effect"])),
            value_name=f"estimate furthest from the whole (without {furthest['unit']})",
            threshold="fails when a claimed direction turns round, warns when more than half of it goes",
            table=moved,
            facts={"low": show(low), "high": show(high), "furthest": str(furthest["unit"])},
        )


@dataclass(frozen=True)
class _Whole:
    """The estimate of all sites and those without each, by one estimator; effects are logs where it is a ratio."""

    effect: float
    p_value: float
    table: pd.DataFrame
    ratio: bool


def _whole(estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, seed: int) -> _Whole | str:
    """By the estimator of the estimate itself; site_did has a quick way to it."""
    if isinstance(estimator, SiteDid):
        data = sites_of(estimator, panel, analysis)
        if isinstance(data, str):
            return data
        fit = fit_sites(data, seed)
        return _Whole(fit.effect, fit.p_value, refits(data, seed), data.scale == "log")
    ratio = estimate.null == 1.0
    if not math.isfinite(estimate.estimate) or (ratio and estimate.estimate <= 0):
        return "there is no estimate to compare with"
    claims = estimate.p_value <= 1.0 - estimate.conf_level
    table = sites_again(estimator, panel, analysis, seed, with_p=not claims)
    if ratio:
        table = table[table["effect"] > 0].reset_index(drop=True)
        table["effect"] = np.log(table["effect"])
    effect = math.log(estimate.estimate) if ratio else estimate.estimate
    return _Whole(effect, estimate.p_value, table, ratio)


def refits(data: SiteData, seed: int) -> pd.DataFrame:
    """One row per site left out: unit, role, effect (log scale for a ratio), p_value, p_least."""
    rows = []
    for row, unit in enumerate(data.units):
        part = data.without_site(row)
        if not 0 < len(part.treated) < len(part.units):
            continue
        fit = fit_sites(part, seed)
        role = "treated" if data.starts[row] < data.n_periods else "comparison"
        rows.append((unit, role, fit.effect, fit.p_value, fit.ways.p_least))
    table = pd.DataFrame(rows, columns=["unit", "role", "effect", "p_value", "p_least"])
    return table.dropna(subset="effect").reset_index(drop=True)


def _judge(effect: float, p: float, table: pd.DataFrame, alpha: float) -> tuple[CheckVerdict, str]:
    """A result that claims a direction must keep it; one that claims none must not claim one without some site."""
    kept = table["effect"] * np.sign(effect)
    if p <= alpha:
        if (kept <= 0).any():
            return "fail", "without it the direction turns round"
        if (kept < abs(effect) / 2).any():
            return "warn", "without it more than half of the effect is gone"
        return "pass", "the direction stays and at least half of the effect"
    if (table["p_value"] <= alpha / len(table)).any():
        return "warn", "without one site a change would be claimed that the whole does not show"
    return "pass", "no single site hides or makes a change"
