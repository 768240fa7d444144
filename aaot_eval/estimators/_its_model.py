"""What one interrupted series is: the periods that count, the columns of its mean, and the two fits of its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from aaot_eval.estimators._count_series import (
    Array,
    Family,
    Projection,
    SeriesFit,
    Wald,
    fit_count_series,
    fit_count_series_with_noise,
    fit_value_series,
    fit_value_series_with_noise,
    project,
)

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
    def family(self) -> Family:
        """Log link for counts and money, identity for shares and other values."""
        return "log" if self.kind in ("count", "cost") else "identity"

    @property
    def floor(self) -> float:
        """Lower limit of the dispersion: 1 for true counts; weighted counts and money have none."""
        y = self.y[self.used]
        return 1.0 if self.kind == "count" and bool(np.all(y == np.round(y))) else 0.0

    @property
    def offset(self) -> Array:
        """log(exposure) for counts, nothing for values."""
        return np.log(self.exposure) if self.family == "log" else np.zeros(len(self.y))

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
        return self.noise if self.wider_by > 0 else self.ar1

    @property
    def wald(self) -> Wald:
        """The level change on the scale of the model."""
        return self.headline.coefficient(self.level)

    def average(self) -> Wald:
        """The service's effect over all its periods: log ratio of model totals, or mean difference."""
        rows = self.series.after
        X, X0, fit = self.model.X[rows], self.model.X0[rows], self.headline
        if self.series.family == "identity":
            return fit.contrast((X - X0).mean(axis=0))
        with_it = np.exp(X @ fit.beta + self.series.offset[rows])
        without = np.exp(X0 @ fit.beta + self.series.offset[rows])
        gradient = X.T @ with_it / with_it.sum() - X0.T @ without / without.sum()
        return fit.contrast(gradient)._replace(estimate=float(np.log(with_it.sum() / without.sum())))

    def projection(self, rows: Array) -> Projection:
        """What was to be expected without the service in the periods `rows` (bool, T); totals over those with it."""
        s = self.series
        before = s.before[s.used]
        return project(
            self.headline, self.model.X0[rows], s.offset[rows], s.clock[rows], before, s.after[rows], self.conf_level
        )


def season_pairs(n: int, season_length: int) -> int:
    """Default number of harmonic pairs: two from three whole years of periods, one from two years, else none."""
    if season_length < 3:
        return 0
    years = n / season_length
    return 2 if years >= 3 else 1 if years >= 2 else 0


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


def mean_model(
    series: Series, *, slope: bool, pairs: int, interruptions: Sequence[int] = (), waves: bool = False
) -> Model:
    """Columns: 1, time in seasons, level, [slope], [further level changes], [level after closing], season."""
    s = series
    # Years and plain integers have no season to measure time in; tens keep the columns of one size.
    unit_of_time = s.season_length if s.season_length > 1 else 10
    time = (s.clock - s.clock[0]) / unit_of_time
    level = s.service.astype(float)
    columns = [np.ones(len(s.y)), time, level]
    names = ["intercept", "time", "level"]
    if slope:
        columns.append(level * (s.clock - s.first_clock) / unit_of_time)
        names.append("slope")
    for t in interruptions:
        columns.append((np.arange(len(s.y)) >= t).astype(float))
        names.append(f"from {s.labels[t]}")
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
    return Model(X, X0, (*names, *season_names), slope, pairs, tuple(interruptions))


def fit_model(series: Series, model: Model, conf_level: float) -> Fitted | None:
    """Both error models fitted to one series; None when the columns cannot be told apart on the periods used.

    That is so too when a fitted rate runs to nought, because all its periods are without an event.
    """
    used = series.used
    X, y, clock = model.X[used], series.y[used], series.clock[used]
    if len(y) - X.shape[1] < 2 or np.linalg.matrix_rank(X) < X.shape[1]:
        return None
    try:
        if series.family == "identity":
            ar1, noise = fit_value_series(y, X, clock), fit_value_series_with_noise(y, X, clock)
        else:
            offset = series.offset[used]
            ar1 = fit_count_series(y, X, offset, clock, floor=series.floor)
            noise = fit_count_series_with_noise(y, X, offset, clock, floor=series.floor)
    except np.linalg.LinAlgError:
        return None
    return Fitted(series, model, ar1, noise, conf_level) if ar1.sound and noise.sound else None


def pandemic_waves(periods: pd.DataFrame) -> Array:
    """0 outside March 2020 to December 2021; inside, the wave or lull (1..4) each period begins in."""
    start = pd.to_datetime(periods["start"])
    end = start + pd.to_timedelta(periods["days"].astype(float), unit="D")
    inside = (start <= PANDEMIC[1]) & (end > PANDEMIC[0])
    starts = pd.to_datetime(["2020-07-01", "2020-11-01", "2021-04-01"])
    wave = 1 + sum((start >= s).astype(int) for s in starts)
    return np.where(inside.fillna(False), wave, 0).astype(int)
