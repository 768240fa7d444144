"""Estimates of several sites as one mean and as what a further site may see: random effects for a handful of sites.

Formulae, and what three sites can tell: docs/methods/pooling.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import optimize, stats

from aaot_eval.estimators._random_effects import Floats, StudentDraws
from aaot_eval.results import Estimate

WIDEST_TAU = 1e6
"""The variance between sites is searched for up to this many times the largest variance of a site."""


@dataclass(frozen=True)
class Pooled:
    """A random-effects mean of k sites on the scale of the effects (log for ratios).

    `tau2`: variance between sites with its Q-profile interval (NaN where k < 2); `i2`: the share of the spread that is more than
    chance. `weights`: share of each site. `further_low`, `further_high`: where the effect in a further site is predicted to lie; NaN under three sites.
    """

    mean: float
    std_error: float
    df: int
    low: float
    high: float
    p_value: float
    tau2: float
    tau2_low: float
    tau2_high: float
    i2: float
    q: float
    weights: Floats
    further_low: float
    further_high: float


def paule_mandel(effects: Floats, variances: Floats) -> float:
    """The variance between sites at which the weighted squared deviations are what chance leads one to expect, at least 0."""
    return _tau2_at(effects, variances, len(effects) - 1.0)


def _tau2_at(effects: Floats, variances: Floats, wanted: float) -> float:
    """The tau2 >= 0 at which the generalised Q is `wanted`; Q falls as tau2 grows."""

    def over(tau2: float) -> float:
        return _q(effects, variances, tau2) - wanted

    if over(0.0) <= 0:
        return 0.0
    most = WIDEST_TAU * float(max(variances.max(), np.var(effects)))
    return float(optimize.brentq(over, 0.0, most, xtol=1e-14, rtol=1e-13)) if over(most) < 0 else most


def _q(effects: Floats, variances: Floats, tau2: float) -> float:
    weight = 1 / (variances + tau2)
    return float(weight @ (effects - weight @ effects / weight.sum()) ** 2)


def pool(effects: Floats, variances: Floats, level: float = 0.95) -> Pooled:
    """The mean of two or more sites: Paule-Mandel variance between sites, Hartung-Knapp interval with t(k - 1).

    Raises ValueError for fewer than two sites or a variance that is not above zero.
    """
    k = len(effects)
    if k < 2 or not (variances > 0).all():
        raise ValueError("a mean over sites needs two sites or more, each with a standard error")
    tau2 = paule_mandel(effects, variances)
    weight = 1 / (variances + tau2)
    mean = float(weight @ effects / weight.sum())
    # Hartung and Knapp's factor is 1 wherever tau2 > 0, because Paule-Mandel solves for just that; below 1 it would make
    # the interval of sites that agree by chance narrower than their own errors allow, so it is held at 1.
    factor = max(1.0, _q(effects, variances, tau2) / (k - 1))
    error = math.sqrt(factor / float(weight.sum()))
    half = float(stats.t.ppf(0.5 + level / 2, k - 1)) * error
    q = _q(effects, variances, 0.0)
    low, high = (
        _tau2_at(effects, variances, float(stats.chi2.ppf(p, k - 1))) for p in (0.5 + level / 2, 0.5 - level / 2)
    )
    further = float(stats.t.ppf(0.5 + level / 2, k - 2)) * math.sqrt(tau2 + error**2) if k > 2 else math.nan
    return Pooled(
        mean, error, k - 1, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, k - 1)), tau2, low, high,
        max(0.0, (q - (k - 1)) / q) if q > 0 else 0.0, q, weight / weight.sum(), mean - further, mean + further,
    )  # fmt: skip


def usable(estimate: Estimate) -> bool:
    """Whether a site's estimate can be part of a mean: it has a standard error and a finite interval."""
    return estimate.status == "ok" and estimate.std_error > 0 and math.isfinite(estimate.estimate)


def pooled_sites(estimates: Sequence[Estimate], level: float, why: str) -> Estimate:
    """The mean over sites as an estimate, with the table `pooling`; a site without an interval stays out and is named.

    `why` opens the note. Fewer than two sites with an interval: not estimable (monitoring only when a site is too young).
    """
    good = [e for e in estimates if usable(e)]
    template = estimates[0]
    ratio = template.null == 1.0
    out = [e.unit for e in estimates if not usable(e)]
    dropped = f"; without an interval and not in it: {', '.join(out)}" if out else ""
    blank = replace(
        template, unit="", estimate=math.nan, std_error=math.nan, conf_low=math.nan, conf_high=math.nan, p_value=math.nan,
        p_least=math.nan, drawn=None, conf_method="none", series=None, tables={}, facts={}, confidence=None, status="ok", primary=False,
        n_units=max(len(good), 1), n_treated=len(good), n_periods=max(e.n_periods for e in estimates),
        n_obs=sum(e.n_obs for e in good), estimand=_estimand(template), inference="",
    )  # fmt: skip
    if len(good) < 2:
        early = any(e.status == "monitoring_only" for e in estimates)
        return replace(
            blank, status="monitoring_only" if early else "not_estimable",
            note=f"Fewer than two units have an interval, so there is no mean of them. {why}{dropped}.",
        )  # fmt: skip
    y = np.array([math.log(e.estimate) if ratio else e.estimate for e in good])
    found = pool(y, np.array([e.std_error for e in good]) ** 2, level)
    show = _exp if ratio else float
    facts = {
        "k": len(good), "tau": math.sqrt(found.tau2), "tau_low": math.sqrt(found.tau2_low), "tau_high": math.sqrt(found.tau2_high),
        "i2": found.i2, "Q": found.q, "prediction_low": _end(show, found.further_low), "prediction_high": _end(show, found.further_high),
    }  # fmt: skip
    result = replace(
        blank, estimate=show(found.mean), std_error=found.std_error, conf_low=show(found.low), conf_high=show(found.high),
        p_value=found.p_value, conf_method="random_effects_t", facts=facts,
        note=f"{why}{dropped}. {_telling(found, len(good), ratio=ratio, level=level)}",
        inference=f"random effects over {len(good)} sites (Paule-Mandel), Hartung-Knapp interval, t with {found.df} degrees of freedom",
        confidence=StudentDraws(found.mean, found.std_error, found.df, ratio),
    )  # fmt: skip
    return replace(result, tables={"pooling": pooling_table(estimates, result, found)})


def pooling_table(estimates: Sequence[Estimate], mean: Estimate, found: Pooled) -> pd.DataFrame:
    """One row a site (also those that failed, with their reason), the mean, and what a further site may see."""
    weights = iter(found.weights)
    rows = [
        {"kind": "site", "unit": e.unit, "scale": e.scale, "estimate": e.estimate, "conf_low": e.conf_low, "conf_high": e.conf_high,
         "weight": float(next(weights)) if usable(e) else math.nan, "status": e.status,
         "note": "" if usable(e) else e.note}
        for e in estimates
    ]  # fmt: skip
    common = {"scale": mean.scale, "status": "ok", "weight": math.nan, "note": ""}
    rows.append({"kind": "mean", "unit": "together", "estimate": mean.estimate, "conf_low": mean.conf_low,
                 "conf_high": mean.conf_high, **common})  # fmt: skip
    if math.isfinite(mean.facts["prediction_low"]):
        rows.append({"kind": "further site", "unit": "", "estimate": mean.estimate, "conf_low": mean.facts["prediction_low"],
                     "conf_high": mean.facts["prediction_high"], **common})  # fmt: skip
    table = pd.DataFrame(rows).assign(analysis=mean.analysis, outcome=mean.outcome)
    last = table["kind"] == "mean"
    for name in ("i2", "tau", "tau_low", "tau_high"):
        table[name] = np.where(last, mean.facts[name], np.nan)
    return table


def _estimand(template: Estimate) -> str:
    against = template.estimand.split(" against ", 1)[-1].split(", as a ")[0]
    return f"mean change in level over units from their own starts, against {against}"


def _telling(found: Pooled, k: int, *, ratio: bool, level: float) -> str:
    """How much so many sites say about differences between sites."""
    tau, high = math.sqrt(found.tau2), math.sqrt(found.tau2_high)
    spread = f"{tau:.2f}" if ratio else f"{tau:.3g}"
    widest = (f"{high:.2f}" if ratio else f"{high:.3g}") if high < math.sqrt(WIDEST_TAU) else "without end"
    scale = "log scale" if ratio else "scale of the effect"
    text = (
        f"Spread between sites beyond chance: sd {spread} on the {scale} ({100 * level:.0f} % interval to {widest}), "
        f"I2 {100 * found.i2:.0f} %"
    )
    if k == 2:
        return f"{text}; two sites cannot say what a further site would see."
    if k <= 4:
        return (
            f"{text}; {'three' if k == 3 else 'four'} sites say little about whether sites differ, so the interval for a further "
            "site is wide and an I2 of 0 is no sign that they agree."
        )
    return f"{text}."


def _exp(log: float) -> float:
    return math.exp(log) if log < 700 else math.inf


def _end(show: object, value: float) -> float:
    """An end of the prediction; NaN when there is none or it overflows."""
    if math.isnan(value) or not callable(show):
        return math.nan
    shown = float(show(value))
    return shown if math.isfinite(shown) else math.nan
