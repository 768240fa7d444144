"""What one interrupted series is: the periods that count, the columns of its mean, and the two fits of its errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from aaot_eval.estimators._count_series import (
    DF_FLOOR,
    Array,
    Family,
    SeriesFit,
    Wald,
    fit_count_series,
    fit_count_series_with_noise,
    fit_share_series,
    fit_value_series,
    fit_value_series_with_noise,
)
from aaot_eval.estimators._series_projection import Projection, project

ArimaOrders = tuple[tuple[int, int, int], tuple[int, int, int]]
ARIMA: ArimaOrders = ((1, 0, 0), (0, 1, 1))
Errors = Literal["wider", "ar1", "ar1_noise"]
PREFERRED = 0.3
"""Log likelihood by which AR(1) plus noise must lie above AR(1) before totals are predicted with it (decision 0084)."""
SHORT_FOR_TOTALS = 30
"""Below so many periods, totals of a level-only model have at least the residual degrees of freedom (decision 0136)."""
PANDEMIC = (pd.Timestamp("2020-03-01"), pd.Timestamp("2021-12-31"))


@dataclass(frozen=True)
class Series:
    """One unit's series as the model sees it: arrays over all T periods of the panel."""

    unit: str
    kind: str
    clock: Array
    y: Array
    exposure: Array
    persons: Array
    missing: Array
    left_out: Array
    service: Array
    closed: Array
    start: int
    first_clock: int
    season_length: int
    labels: tuple[str, ...]
    pandemic: Array
    n_units: int = 1
    ramp: int = 0
    window: Array | None = None
    control: Array | None = None
    control_exposure: Array | None = None
    between: float = 0.0
    between_df: float = math.inf

    @property
    def used(self) -> Array:
        """The periods that enter the fit."""
        return np.asarray(~(self.missing | self.left_out))

    @property
    def before(self) -> Array:
        """Used periods before the start."""
        return np.asarray(self.used & (np.arange(len(self.y)) < self.start))

    @property
    def after(self) -> Array:
        """Used periods with the service."""
        return np.asarray(self.used & self.service)

    @property
    def counted(self) -> Array:
        """The periods with the service over which totals and averages are taken: all, or those of the stated window."""
        return self.after if self.window is None else np.asarray(self.after & self.window)

    @property
    def family(self) -> Family:
        """Log link for counts and money (logit among both when there is a control), identity for other values."""
        if self.kind not in ("count", "cost"):
            return "identity"
        return "log" if self.control is None else "logit"

    @property
    def floor(self) -> float:
        """Lower limit of the dispersion: 1 for true counts; weighted counts and money have none."""
        y = self.y[self.used]
        return 1.0 if self.kind == "count" and bool(np.all(y == np.round(y))) else 0.0

    @property
    def offset(self) -> Array:
        """log(exposure) for counts, over that of a control; for values the control itself, or nothing."""
        if self.family == "identity":
            return np.zeros(len(self.y)) if self.control is None else self.control
        return np.asarray(
            np.log(self.exposure if self.control_exposure is None else self.exposure / self.control_exposure)
        )

    @property
    def ratio(self) -> bool:
        """Whether effects are ratios."""
        return self.family != "identity"

    def given(self, rows: Array) -> Array | None:
        """The control's counts in the periods `rows`, which a share is taken of; None without."""
        return self.control[rows] if self.control is not None and self.ratio else None

    def leaving_out(self, periods: Array) -> Series:
        """The same series with more periods left out; calendar time is kept."""
        return replace(self, left_out=self.left_out | periods)


@dataclass(frozen=True)
class Model:
    """The mean model over all T periods: columns X, their names, and X0 = the same without the service."""

    X: Array
    X0: Array
    names: tuple[str, ...]
    slope: bool
    pairs: int
    interruptions: tuple[int, ...]
    bends: bool = False
    slope_from: int = 0

    @property
    def asked(self) -> dict[str, Any]:
        """What `mean_model` was asked for, to ask it again with changes."""
        return {
            "slope": self.slope, "pairs": self.pairs, "interruptions": self.interruptions, "bends": self.bends,
            "slope_from": self.slope_from,
        }  # fmt: skip

    def column(self, name: str) -> int:
        """Where a column stands."""
        return self.names.index(name)


@dataclass(frozen=True)
class Fitted:
    """A series with its two fits; `headline` is the one with the wider interval for the level."""

    series: Series
    model: Model
    ar1: SeriesFit
    noise: SeriesFit
    conf_level: float
    errors: Errors = "wider"
    arima: ArimaOrders = ARIMA

    @property
    def level(self) -> int:
        """Column of the level change."""
        return self.model.column("level")

    @property
    def wider_by(self) -> float:
        """How much wider the AR(1)-plus-noise interval is than the AR(1) one, as a share."""
        widths = [f.coefficient(self.level).half_width(self.conf_level) for f in (self.noise, self.ar1)]
        return widths[0] / widths[1] - 1 if widths[1] > 0 else 0.0

    @property
    def headline(self) -> SeriesFit:
        """The fit that the interval comes from."""
        if self.errors != "wider":
            return self.ar1 if self.errors == "ar1" else self.noise
        return self.noise if self.wider_by > 0 else self.ar1

    @property
    def wald(self) -> Wald:
        """The level change on the scale of the model, with the spread from area to area when there are many controls."""
        return self._with_areas(self.headline.coefficient(self.level))

    def _with_areas(self, wald: Wald) -> Wald:
        s = self.series
        if not s.between:
            return wald
        return wald._replace(std_error=math.hypot(wald.std_error, math.sqrt(s.between)), df=min(wald.df, s.between_df))

    def means(self, X: Array, rows: Array) -> Array:
        """Expected outcome at columns X in the periods `rows`, given the control where there is one."""
        s = self.series
        eta = X @ self.headline.beta + s.offset[rows]
        given = s.given(rows)
        return np.asarray(eta if not s.ratio else np.exp(eta) * (1.0 if given is None else given))

    @property
    def projecting(self) -> SeriesFit:
        """The fit that totals are predicted with: AR(1), unless the restricted likelihood prefers the one with noise.

        The wider of two intervals is a guard for the level; for totals it would cover too often (decision 0084).
        """
        gain = float(self.noise.profile[1].max() - self.ar1.profile[1].max())
        return self.noise if self.errors == "ar1_noise" or (self.errors == "wider" and gain > PREFERRED) else self.ar1

    def average(self) -> Wald:
        """The service's effect over the periods counted: log ratio of model totals, or mean difference."""
        rows = self.series.counted
        X, X0, fit = self.model.X[rows], self.model.X0[rows], self.headline
        if not self.series.ratio:
            return self._with_areas(fit.contrast((X - X0).mean(axis=0)))
        with_it, without = self.means(X, rows), self.means(X0, rows)
        gradient = X.T @ with_it / with_it.sum() - X0.T @ without / without.sum()
        wald = fit.contrast(gradient)._replace(estimate=float(np.log(with_it.sum() / without.sum())))
        return self._with_areas(wald)

    def modelled(self) -> Wald:
        """The model's total without the service less its total with it, over the periods counted."""
        rows, fit = self.series.counted, self.headline
        X, X0 = self.model.X[rows], self.model.X0[rows]
        if not self.series.ratio:
            return fit.contrast((X0 - X).sum(axis=0))
        with_it, without = self.means(X, rows), self.means(X0, rows)
        wald = fit.contrast(X0.T @ without - X.T @ with_it)._replace(estimate=float(without.sum() - with_it.sum()))
        spread = without.sum() * math.sqrt(self.series.between)
        return wald._replace(std_error=math.hypot(wald.std_error, spread))

    def projection(self, rows: Array, summed: Array | None = None) -> Projection:
        """What was to be expected without the service in the periods `rows` (bool, T).

        Totals are over `summed` (bool, T), by default the periods counted.
        """
        s = self.series
        before = s.before[s.used]
        total = (s.counted if summed is None else summed)[rows]
        fit = self.projecting
        short = s.used.sum() < SHORT_FOR_TOTALS and not (self.model.slope or self.model.bends)
        return project(
            fit, self.model.X0[rows], s.offset[rows], s.clock[rows], before, total, self.conf_level,
            given=s.given(rows), between=s.between, df_floor=max(float(fit.n - fit.p), DF_FLOOR) if short else DF_FLOOR,
        )  # fmt: skip


def season_pairs(n: int, season_length: int) -> int:
    """Default number of harmonic pairs: two from three whole years of periods, one from a year and two periods, else none.

    A season left out of a series of 18 to 22 months costs 5 to 11 points of coverage, a pair fitted to it none
    (decision 0085).
    """
    if season_length < 3 or n < season_length + 2:
        return 0
    return 2 if n >= 3 * season_length else 1


def harmonics(clock: Array, pairs: int, season_length: int) -> tuple[list[Array], list[str]]:
    """cos and sin columns of `pairs` harmonics; at half the season's length the sine is nought and left away."""
    columns, names = [], []
    for k in range(1, pairs + 1):
        angle = 2 * np.pi * k * clock / season_length
        columns.append(np.cos(angle))
        names.append(f"cos{k}")
        if 2 * k < season_length:
            columns.append(np.sin(angle))
            names.append(f"sin{k}")
    return columns, names


def time_unit(season_length: int) -> int:
    """Periods in one unit of the time columns: a season, or ten where there is none, to keep the columns of one size."""
    return season_length if season_length > 1 else 10


def mean_model(
    series: Series, *, slope: bool, pairs: int, interruptions: Sequence[int] = (), waves: bool = False,
    bends: bool = False, slope_from: int = 0,
) -> Model:  # fmt: skip
    """Columns: 1, time in seasons, level, [slope], [further changes], [level after closing], season.

    The level rises in equal steps over `series.ramp` periods when there is a ramp. `bends` gives each further
    interruption a change of slope too. A slope term is `slope_from` (0 or 1) at the first period of the change.
    """
    s = series
    unit_of_time = time_unit(s.season_length)
    time = (s.clock - s.clock[0]) / unit_of_time
    since = (s.clock - s.first_clock + slope_from) / unit_of_time
    served = s.service.astype(float)
    level = served * np.clip((s.clock - s.first_clock + 1) / (s.ramp + 1), 0.0, 1.0)
    columns = [np.ones(len(s.y)), time, level]
    names = ["intercept", "time", "level"]
    if slope:
        columns.append(served * since)
        names.append("slope")
    for t in interruptions:
        late = (np.arange(len(s.y)) >= t).astype(float)
        columns.append(late)
        names.append(f"from {s.labels[t]}")
        if bends:
            columns.append(late * (s.clock - s.clock[t] + slope_from) / unit_of_time)
            names.append(f"slope from {s.labels[t]}")
    if (s.closed & s.used).any():
        columns.append(s.closed.astype(float))
        names.append("closed")
    if waves:
        for number in np.unique(s.pandemic[s.used & (s.pandemic > 0)]):
            columns.append((s.pandemic == number).astype(float))
            names.append(f"wave {number}")
    season, season_names = harmonics(s.clock.astype(float), pairs, s.season_length)
    X = np.column_stack([*columns, *season])
    X0 = X.copy()
    X0[:, 2 : 3 + slope] = 0.0
    return Model(X, X0, (*names, *season_names), slope, pairs, tuple(interruptions), bends, slope_from)


def fit_model(series: Series, model: Model, conf_level: float, errors: Errors = "wider") -> Fitted | None:
    """Both error models fitted to one series; None when the columns cannot be told apart on the periods used.

    That is so too when a fitted rate runs to nought, because all its periods are without an event.
    """
    used = series.used
    X, y, clock = model.X[used], series.y[used], series.clock[used]
    if len(y) - X.shape[1] < 2 or np.linalg.matrix_rank(X) < X.shape[1]:
        return None
    try:
        offset, control = series.offset[used], series.given(used)
        if series.family == "identity":
            ar1, noise = fit_value_series(y - offset, X, clock), fit_value_series_with_noise(y - offset, X, clock)
        elif control is not None:
            ar1 = fit_share_series(y, y + control, X, offset, clock, floor=series.floor)
            noise = fit_share_series(y, y + control, X, offset, clock, floor=series.floor, noise=True)
        else:
            ar1 = fit_count_series(y, X, offset, clock, floor=series.floor)
            noise = fit_count_series_with_noise(y, X, offset, clock, floor=series.floor)
    except np.linalg.LinAlgError:
        return None
    return Fitted(series, model, ar1, noise, conf_level, errors) if ar1.sound and noise.sound else None


def pandemic_waves(periods: pd.DataFrame) -> Array:
    """0 outside March 2020 to December 2021; inside, the wave or lull (1..4) each period begins in."""
    start = pd.to_datetime(periods["start"])
    end = start + pd.to_timedelta(periods["days"].astype(float), unit="D")
    inside = (start <= PANDEMIC[1]) & (end > PANDEMIC[0])
    starts = pd.to_datetime(["2020-07-01", "2020-11-01", "2021-04-01"])
    wave = 1 + sum((start >= s).astype(int) for s in starts)
    return np.where(inside.fillna(False), wave, 0).astype(int)
