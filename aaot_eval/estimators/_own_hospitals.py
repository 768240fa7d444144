"""Hospitals in one trust's own cohorts: the shocks that months of a hospital share, and how far several trusts lie apart.

Formulae: docs/methods/own_cohorts.md, "Inference for one hospital" and "Several trusts".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from aaot_eval.estimators._cohorts import Flags, Floats, Ints
from aaot_eval.estimators._count_series import SeriesFit, fit_value_series, fit_value_series_with_noise
from aaot_eval.estimators._pooling import paule_mandel

#: Step of numeric derivatives by the autocorrelation, and below it there is none.
STEP = 1e-4
DF_FLOOR = 4.0
#: Added to counts before their logarithm.
HALF = 0.5
#: Trusts from which it can be seen how far they lie apart: with two, t(1) is 12.7 and says nothing.
TRUSTS_FOR_SPREAD = 3


@dataclass(frozen=True)
class Part:
    """A variance with its degrees of freedom; `between`: it holds how far several trusts lie apart."""

    variance: float
    df: float
    between: bool = False

    @staticmethod
    def total(parts: Sequence[Part]) -> Part:
        """The sum, with Satterthwaite's degrees of freedom; none of nothing."""
        kept = [p for p in parts if p.variance > 0]
        if not kept:
            return Part(0.0, min((p.df for p in parts), default=1.0))
        variance = sum(p.variance for p in kept)
        return Part(variance, variance**2 / sum(p.variance**2 / p.df for p in kept))

    def times(self, share: float) -> Part:
        """The variance of a share of it."""
        return Part(share**2 * self.variance, self.df, self.between)

    def half_width(self, level: float) -> float:
        """Half of the t interval."""
        return float(stats.t.ppf((1 + level) / 2, self.df)) * math.sqrt(self.variance)


def people_variance(influence: Floats) -> Part:
    """Variance of a sum of independent people."""
    n = int((influence != 0).sum())
    return Part(float((influence**2).sum()) * n / max(n - 1, 1), max(n - 1, 1))


def hospital_fits(log_rate: Floats, clock: Ints, after: Flags) -> tuple[SeriesFit, SeriesFit]:
    """The hospital's log rate over the control series month by month, level and season taken out: AR(1), and AR(1) plus noise.

    Of logs and not of counts with the control series as offset: a noisy offset and lasting errors together pull the level of a
    count model to nought.
    """
    columns = [np.ones(len(clock)), after.astype(float)]
    for pair in range(1, 1 + (2 if len(clock) >= 36 else 1)):
        columns += [np.cos(2 * np.pi * pair * clock / 12), np.sin(2 * np.pi * pair * clock / 12)]
    X = np.column_stack(columns)
    return fit_value_series(log_rate, X, clock), fit_value_series_with_noise(log_rate, X, clock)


def shock_variance(fit: SeriesFit, poisson: float, gradient: Floats, clock: Ints) -> Part:
    """Variance of the log ratio when the cohorts share the shocks of the hospital's whole series.

    `poisson` is the part of the series' variance that counting alone brings: people's own, and not a shock. AR(1): the shocks
    are all beyond it. AR(1) plus noise: what months share, and the noise beyond it, the control series' own included.
    """
    lags = np.abs(np.subtract.outer(clock, clock)).astype(float)

    def spread(rho: float) -> float:
        return float(gradient @ rho**lags @ gradient)

    if fit.rho <= STEP:
        return Part(max(fit.phi - poisson, 0.0) * spread(0.0), float(fit.n - fit.p))
    slope = (spread(fit.rho + STEP) - spread(fit.rho - STEP)) / (2 * STEP)
    slopes = [fit.share * slope, spread(fit.rho)] if fit.with_noise else [slope]
    df = max(fit.satterthwaite(fit.share * spread(fit.rho), np.array(slopes)), DF_FLOOR)
    if not fit.with_noise:
        return Part(max(fit.phi - poisson, 0.0) * spread(fit.rho), df)
    noise = max(fit.phi * (1 - fit.share) - poisson, 0.0)
    return Part(fit.phi * fit.share * spread(fit.rho) + noise * spread(0.0), df)


@dataclass(frozen=True)
class Shocks:
    """The shocks of a hospital's series by both error models: of `seen` months (T,) of the `clock` (T,)."""

    fits: tuple[SeriesFit, SeriesFit]
    poisson: float
    clock: Ints
    seen: Flags

    def wider(self, gradient: Floats, beside: Part, level: float) -> tuple[str, Part]:
        """The model's name and the variance of what has this gradient (T,) by month, by the model that makes the interval with
        `beside` the wider one."""
        found = {name: shock_variance(f, self.poisson, gradient[self.seen], self.clock[self.seen])
                 for name, f in zip(("AR(1)", "AR(1) plus noise"), self.fits, strict=True)}  # fmt: skip
        name = max(found, key=lambda k: Part.total([beside, found[k]]).half_width(level))
        return name, found[name]


def over_trusts(logs: Sequence[float], parts: Sequence[Sequence[Part]], share: Floats) -> Part:
    """Variance of the shares' mean of the trusts' log ratios: each trust's own parts, and from three trusts on how far these lie apart."""
    own = Part.total([p.times(s) for s, mine in zip(share, parts, strict=True) for p in mine])
    return apart(logs, [Part.total(mine).variance for mine in parts], share, own)


def apart(logs: Sequence[float], variances: Sequence[float], share: Floats, own: Part) -> Part:
    """`own` and the variance between trusts that chance within them does not explain (Paule and Mandel), then with t(trusts - 1).

    `own` alone where they lie no further apart than chance leads one to expect, or where two trusts cannot show it.
    """
    k = len(logs)
    if k < TRUSTS_FOR_SPREAD or min(variances) <= 0:
        return own
    tau2 = paule_mandel(np.asarray(logs, dtype=float), np.asarray(variances, dtype=float))
    if not tau2 > 0:
        return own
    return Part(own.variance + tau2 * float((share**2).sum()), min(own.df, k - 1.0), between=True)
