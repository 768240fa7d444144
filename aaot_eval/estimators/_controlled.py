"""What only a controlled series needs: the spread between control areas, the drift before, the stacked models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from aaot_eval.estimators._count_series import Array, SeriesFit, Wald, fit_share_series, fit_value_series
from aaot_eval.estimators._glm import fit_poisson
from aaot_eval.estimators._its_model import Fitted, Series
from aaot_eval.estimators._its_sensitivity import Row, wald_row
from aaot_eval.estimators._series_companions import automatic_lag, fit_least_squares, newey_west

STACKED_LAG = 1


def area_spread(placebos: Sequence[Series], X: Array, level: int) -> tuple[float, float]:
    """(variance to add, degrees of freedom) for k control areas, each taken as treated against the others.

    tau2 = max(0, mean(e^2 - v)), e the change of an area's log ratio (or difference) and v its own variance with AR(1)
    errors; the treated area is one more draw, and the mean of the controls is not exactly known: tau2 (1 + 1/k), t(k - 1).
    """
    found = []
    for s in placebos:
        used = s.used
        try:
            found.append(_ar1(s, X[used], used).coefficient(level))
        except np.linalg.LinAlgError:
            continue
    k = len(found)
    if k < 2:
        return 0.0, math.inf
    tau2 = max(0.0, float(np.mean([w.estimate**2 - w.std_error**2 for w in found])))
    return tau2 * (1 + 1 / k), float(k - 1) if tau2 else math.inf


def _ar1(s: Series, X: Array, used: Array) -> SeriesFit:
    given, offset = s.given(used), s.offset[used]
    if given is None:
        return fit_value_series(s.y[used] - offset, X, s.clock[used])
    held = s.y[used] + given > 0
    return fit_share_series(
        s.y[used][held], (s.y[used] + given)[held], X[held], offset[held], s.clock[used][held], floor=s.floor
    )


def drift_before(fitted: Fitted) -> Wald | None:
    """The trend of the series against its control before the start alone, a season (or ten periods); None when too short."""
    s, before = fitted.series, fitted.series.before
    names = fitted.model.names
    columns = [i for i, name in enumerate(names) if name in ("intercept", "time") or name[:3] in ("cos", "sin")]
    X = fitted.model.X[before][:, columns]
    if len(X) - X.shape[1] < 4 or np.linalg.matrix_rank(X) < X.shape[1]:
        return None
    try:
        return _ar1(replace(s, left_out=s.left_out | ~before), X, before).coefficient(1)
    except np.linalg.LinAlgError:
        return None


def stacked_rows(fitted: Fitted) -> list[Row]:
    """The two series stacked, every term for each: errors of the two taken as unrelated, and as sharing each month's shock.

    Counts by quasi-Poisson, values by least squares. The coefficient is that of level x treated.
    """
    s, used = fitted.series, fitted.series.used
    if s.control is None or s.control_exposure is None:
        return []
    X, clock, n = fitted.model.X[used], s.clock[used], int(used.sum())
    own = np.repeat([1.0, 0.0], n)
    both = np.vstack([X, X])
    stacked = np.column_stack([both, both * own[:, None]])
    column, months = X.shape[1] + fitted.level, np.concatenate([clock, clock])
    y = np.concatenate([s.y[used], s.control[used]])
    if s.ratio:
        offset = np.log(np.concatenate([s.exposure[used], s.control_exposure[used]]))
        fit, name = fit_poisson(y, stacked, offset), "stacked quasi-Poisson"
    else:
        fit, name = fit_least_squares(y, stacked), "stacked least squares"
    within = newey_west(stacked * (y - fit.mu)[:, None], fit.bread, months, STACKED_LAG, own)
    shared = _shared_shocks(stacked * (y - fit.mu)[:, None], fit.bread, months, automatic_lag(n))
    df = float(2 * n - stacked.shape[1])

    def wald(variance: float, df: float) -> Wald:
        return Wald(float(fit.beta[column]), math.sqrt(max(variance, 0.0)), df, df)

    rows = [
        wald_row(fitted, "stacked", f"{name}, the two series unrelated",
                 wald(float(fit.dispersion * fit.bread[column, column]), df), note="every period of each series taken as independent"),
        wald_row(fitted, "stacked_newey_west", f"{name}, Newey-West within each series, lag {STACKED_LAG}",
                 wald(float(within[column, column]), df), note="factor n/(n - p), t(n - p); lags never run from one series to the other"),
        wald_row(fitted, "stacked_by_month", f"{name}, errors shared within a period, lag {automatic_lag(n)}",
                 wald(float(shared[column, column]), float(n - X.shape[1])),
                 note="scores of a period added over the series first (Driscoll-Kraay), t(periods - terms)"),
    ]  # fmt: skip
    if not s.ratio:
        ml = fit_value_series(y, stacked, months, restricted=False, lowest_rho=-0.9, series=own)
        note = f"rho {ml.rho:.2f}, one for both series"
        rows.append(
            wald_row(fitted, "stacked_ar1_ml", "stacked AR(1) by maximum likelihood, the two series unrelated",
                     ml.coefficient(column), note=note)
        )  # fmt: skip
    return rows


def _shared_shocks(scores: Array, bread: Array, clock: Array, lag: int) -> Array:
    """Covariance with scores added up by period, Bartlett weights over periods, factor T/(T - p/2)."""
    periods = np.unique(clock)
    summed = np.array([scores[clock == m].sum(axis=0) for m in periods])
    meat = summed.T @ summed
    for distance in range(1, lag + 1):
        later, earlier = np.nonzero(periods[:, None] - periods[None, :] == distance)
        gamma = summed[later].T @ summed[earlier]
        meat += (1 - distance / (lag + 1)) * (gamma + gamma.T)
    T, p = len(periods), scores.shape[1] / 2
    covariance: Array = T / (T - p) * bread @ meat @ bread
    return covariance
