"""Power of the interrupted time series on counts like those before the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aaot_eval.errors import NotIdentifiedError, Problem
from aaot_eval.estimators._count_series import fit_count_series
from aaot_eval.estimators._its_model import Series, fit_model, harmonics, mean_model, season_pairs
from aaot_eval.power._before import Asked, counts, uniforms
from aaot_eval.results import Panel, generator

MONTHS_AFTER = (12, 24, 36, 60)
TIMES = (2.0, 4.0, 8.0)
WANTED = 0.8


@dataclass(frozen=True)
class Past:
    """The treated units' series before the start, as fitted: clock (n), expected counts (n), dispersion and rho."""

    clock: np.ndarray
    mean: np.ndarray
    dispersion: float
    rho: float
    season_length: int

    def simulate(
        self, after: int, times: float, fall: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """(clock, counts) of the same past and `after` further periods with the fall; the season repeats, the trend stops."""
        last = self.clock[-1]
        clock = np.concatenate([self.clock, last + 1 + np.arange(after)])
        s = self.season_length
        tail = self.mean[-s:] if s > 1 else np.array([self.mean[-12:].mean()])
        place = (clock[len(self.clock) :] - last - 1) % len(tail)
        mu = times * np.concatenate([self.mean, tail[place] * (1 - fall)])
        return clock, counts(uniforms(rng, mu.shape, self.rho), mu, self.dispersion)


def past_of(panel: Panel, past: Panel, outcome: str) -> Past:
    """The sum of the treated units' series before the start, with trend and season, AR(1) errors by REML."""
    rows = past.cells[past.cells["unit"].isin(panel.treated_units)]
    wide = rows.pivot(index="unit", columns="t", values=outcome).astype(float)
    exposure = rows.pivot(index="unit", columns="t", values="exposure").astype(float).sum(axis=0).to_numpy()
    y = wide.sum(axis=0, skipna=False).to_numpy()
    used = np.isfinite(y) & np.isfinite(exposure) & ~past.periods["left_out"].to_numpy(dtype=bool)
    clock = past.periods["clock"].to_numpy(dtype=int)
    s = past.season_length
    season, _ = harmonics(clock.astype(float), season_pairs(int(used.sum()), s), s)
    X = np.column_stack([np.ones(len(y)), (clock - clock[0]) / max(s, 10), *season])
    try:
        fit = fit_count_series(y[used], X[used], np.log(exposure[used]), clock[used])
    except np.linalg.LinAlgError:
        raise NotIdentifiedError(
            Problem("C205", "the periods before the first start hold too few events to read their spread and memory",
                    allowed="events in most periods", do="choose a wider outcome, or extend the data backwards")
        ) from None  # fmt: skip
    mean = np.exp(X @ fit.beta + np.log(np.where(np.isfinite(exposure), exposure, np.nanmean(exposure))))
    return Past(clock, mean, fit.phi, fit.rho, s)


def power_of(past: Past, after: int, times: float, asked: Asked) -> tuple[float, float]:
    """(power, median half-width of the log ratio) of the default series estimator; a series without an estimate finds nothing."""
    rng = generator(asked.seed, "power", "series", after, int(100 * times))
    found, half = 0, []
    for _ in range(asked.replicates):
        clock, y = past.simulate(after, times, asked.fall, rng)
        n, start = len(y), len(past.clock)
        none = np.zeros(n, dtype=bool)
        series = Series(
            unit="", kind="count", clock=clock, y=y, exposure=np.ones(n), persons=y, missing=none, left_out=none,
            service=np.arange(n) >= start, closed=none, start=start, first_clock=int(clock[start]),
            season_length=past.season_length, labels=tuple(map(str, clock)), pandemic=np.zeros(n, dtype=int),
        )  # fmt: skip
        model = mean_model(series, slope=False, pairs=season_pairs(n, past.season_length))
        fitted = fit_model(series, model, 1 - asked.level) if y[start:].sum() and y[:start].sum() else None
        if fitted is None:
            continue
        found += fitted.wald.p_value < asked.level
        half.append(fitted.wald.half_width(1 - asked.level))
    return found / asked.replicates, float(np.median(half)) if half else float("nan")


def series_rows(
    panel: Panel, past_panel: Panel, asked: Asked
) -> tuple[list[dict[str, Any]], list[str], dict[str, Any]]:
    """Power by months after the start at the counts there are, then by counts at the longest of them that falls short."""
    past = past_of(panel, past_panel, asked.outcome)
    size, rows = float(past.mean.mean()), []
    period = panel.frequency if panel.frequency != "integer" else "period"

    def row(after: int, times: float) -> dict[str, Any]:
        power, half = power_of(past, after, times, asked)
        made = {
            "part": "series", "what": "interrupted time series", "months_after": after, "monthly_mean": size * times,
            "treated": len(panel.treated_units), "units": len(panel.treated_units), "fall": asked.fall, "power": power, "half_width": half,
        }  # fmt: skip
        rows.append(made)
        return made

    long = tuple(m if past.season_length == 12 else max(6, m * past.season_length // 12) for m in MONTHS_AFTER)
    enough = next((after for after in long if row(after, 1.0)["power"] >= WANTED), None)
    base = f"{size:,.0f} a {period}, dispersion {past.dispersion:.1f}, rho {past.rho:.2f}, {len(past.clock)} {period}s before"
    facts = {
        "mean": size,
        "dispersion": past.dispersion,
        "rho": past.rho,
        "periods_needed": enough,
        "count_needed": None,
    }
    if enough is not None:
        words = f"{enough} {period}s after the start are enough for a power of {WANTED:.0%}"
        facts["count_needed"] = size
    else:
        after = long[1]
        times = next((k for k in TIMES if row(after, k)["power"] >= WANTED), None)
        words = f"not even {long[-1]} {period}s after the start reach a power of {WANTED:.0%}; with {after} of them "
        words += (
            f"about {size * times:,.0f} a {period} would be needed"
            if times
            else f"{size * TIMES[-1]:,.0f} a {period} are too few as well"
        )
        facts["count_needed"] = size * times if times else None
    return rows, [f"Series ({base}): to see a fall of {asked.fall:.0%}, {words}."], facts
