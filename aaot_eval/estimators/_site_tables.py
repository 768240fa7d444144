"""What stands beside a comparison of sites: the effect by time since the start, all assignments, each site, and the series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._site_fit import Fit, changes
from aaot_eval.estimators._sites import Bools, Floats, SiteData
from aaot_eval.results import BESIDE, Panel

MOST_PLACEBO_ROWS = 400


def event_time(
    data: SiteData, ways: ri.Assignments, effect: float, alpha: float, analysis: str, base: int
) -> pd.DataFrame:
    """Treated against other sites by periods since the start, relative to the mean of the `base` periods before it.

    The pointwise interval is the estimate less the quantiles of the same number over all assignments, with the estimated
    overall effect taken out; empty where the design cannot reach 1 - alpha.
    """
    level, flat = data.level(), data.level(effect)
    since = data.t[None, :] - data.t[ways.starts][:, None]
    before = (since >= -base) & (since < 0)
    ratio = data.scale == "log"
    rows = []
    for time in range(int(since.min()), int(since.max()) + 1):
        at = since == time
        there = at.any(axis=1) & before.any(axis=1)
        if not there.any():
            continue
        value = float(ways.only_real().contrast(_event_table(level, at, before, there))[0])
        low = high = math.nan
        if ways.p_least <= alpha + ri.TIE:
            spread = ways.contrast(_event_table(flat, at, before, there))
            low = value - float(np.quantile(spread, 1 - alpha / 2, method="higher"))
            high = value - float(np.quantile(spread, alpha / 2, method="lower"))
        rows.append((analysis, time, value, low, high, int(ways.sizes[there].sum())))
    table = pd.DataFrame(rows, columns=["analysis", "event_time", "ratio", "conf_low", "conf_high", "n_units"])
    if ratio:
        columns = ["ratio", "conf_low", "conf_high"]
        table[columns] = np.exp(table[columns])
    return table


def _event_table(level: Floats, at: Bools, before: Bools, there: Bools) -> Floats:
    table = np.full((len(level), len(at)), np.nan)
    for g in np.flatnonzero(there):
        table[:, g] = level[:, at[g]][:, 0] - level[:, before[g]].mean(axis=1)
    return table


def placebo_table(fit: Fit, analysis: str) -> pd.DataFrame:
    """The estimate under every assignment, most extreme first; thinned evenly to 400 rows, the real one always there."""
    order = np.argsort(-np.abs(fit.statistic), kind="stable")
    effects = fit.ways.contrast(changes(fit.data, fit.ways))
    ranks = np.arange(len(order))
    if len(order) > MOST_PLACEBO_ROWS:
        ranks = np.unique(np.linspace(0, len(order) - 1, MOST_PLACEBO_ROWS).round().astype(int))
        ranks = np.union1d(ranks, np.flatnonzero(order == fit.ways.real))
    chosen = order[ranks]
    size = np.sort(np.abs(fit.statistic))
    at_least = len(size) - np.searchsorted(size, np.abs(fit.statistic[chosen]) - ri.tie(size))
    return pd.DataFrame(
        {
            "analysis": analysis,
            "kind": "assignment",
            "label": [str(r + 1) for r in ranks],
            "ratio": np.exp(effects[chosen]) if fit.data.scale == "log" else effects[chosen],
            "statistic": fit.statistic[chosen],
            "p_value": at_least / len(size),
            "real": chosen == fit.ways.real,
        }
    )


def sites_table(panel: Panel, outcome: str) -> pd.DataFrame:
    """One row per site: role, start, population, and count, rate and trend before the first start of any site.

    `persons` is the largest number of different people in one month, which the people behind the count cannot be fewer than.
    """
    treated = set(panel.treated_units)
    starts = panel.units["start_t"]
    inside = starts[starts.notna() & (starts > 0)]
    first = int(inside.min()) if len(inside) else len(panel.periods)
    before = (np.arange(len(panel.periods)) < first) & ~panel.periods["left_out"].to_numpy(dtype=bool)
    values = np.where(panel.matrix("missing").astype(bool), np.nan, _numbers(panel, outcome))[:, before]
    exposure = _numbers(panel, "exposure")[:, before]
    persons = _numbers(panel, f"{outcome}_persons")[:, before] if f"{outcome}_persons" in panel.cells else None
    years = panel.periods["clock"].to_numpy(dtype=float)[before] / panel.season_length
    rows = []
    for i, unit in enumerate(panel.units.index):
        good = ~np.isnan(values[i]) & ~np.isnan(exposure[i])
        beside = panel.units["group"].iloc[i] == BESIDE
        start = starts.iloc[i]
        count, at_risk = values[i, good].sum(), exposure[i, good].sum()
        known = at_risk > 0 and panel.exposure_unit == "person-years"
        rows.append({
            "unit": str(unit),
            "role": "beside" if beside else ("treated" if str(unit) in treated else "comparison"),
            "start": "" if pd.isna(start) or not 0 <= start < len(panel.periods) else str(panel.periods["label"].iloc[int(start)]),
            "population": panel.units["population"].iloc[i],
            "persons": pd.NA if persons is None or not good.any() else int(np.nan_to_num(persons[i, good]).max()),
            "before_count": count if good.any() else math.nan,
            "before_rate": 1e5 * count / at_risk if known else math.nan,
            "trend_per_year": _trend(values[i, good], exposure[i, good], years[good]),
        })  # fmt: skip
    table = pd.DataFrame(rows)
    table["persons"] = table["persons"].astype("Int64")
    return table


def _trend(values: Floats, exposure: Floats, years: Floats) -> float:
    if len(values) < 3 or (values < 0).any() or not (values > 0).any():
        return math.nan
    return float(np.polyfit(years - years.mean(), np.log(values + 0.5) - np.log(exposure), 1)[0])


def _numbers(panel: Panel, column: str) -> Floats:
    return np.asarray(pd.DataFrame(panel.matrix(column)).to_numpy(dtype=float, na_value=np.nan))


def effect_series(panel: Panel, outcome: str, fit: Fit, low: float, high: float) -> pd.DataFrame:
    """Observed, fitted and expected values by period: all treated sites together, the others together, each treated site.

    `expected` is the model without the service: site and period effects fitted with the estimated effect held fixed.
    After the start its limits come from the interval of the effect; before the start, and for other sites, it has none.
    """
    data, effect = fit.data, fit.effect
    expected = _expected(data, effect)
    after = data.switch
    on = np.where(after, effect, 0.0)
    fitted = expected * np.exp(on) if data.scale == "log" else expected + on * data.exposure
    bounds = []
    for limit in (high, low):
        if data.scale == "log":
            bounds.append(np.where(after, fitted / limit, expected))
        else:
            bounds.append(np.where(after, fitted - limit * data.exposure, expected))
    parts = {"expected": expected, "fitted": fitted, "expected_low": bounds[0], "expected_high": bounds[1]}
    n_t = data.n_periods
    groups = {"treated": data.treated, "comparison": np.flatnonzero(data.starts >= n_t)}
    groups |= {data.units[i]: np.array([i]) for i in data.treated}
    return pd.concat(
        [_series_of(panel, outcome, data, parts, unit, rows) for unit, rows in groups.items()], ignore_index=True
    )


def _expected(data: SiteData, effect: float) -> Floats:
    if data.scale == "log":
        carried = data.exposure * np.exp(effect * data.switch)
        return data.exposure * ri.two_way_means(data.values, carried, data.used)
    return data.exposure * ri.two_way_levels(data.level(effect), data.used)


def _series_of(
    panel: Panel, outcome: str, data: SiteData, parts: dict[str, Floats], unit: str, rows: Any
) -> pd.DataFrame:
    n_t = len(panel.periods)
    index = panel.units.index.get_indexer(pd.Index([data.units[i] for i in rows]))
    observed = _numbers(panel, outcome)[index]
    missing = panel.matrix("missing").astype(bool)[index].any(axis=0)
    persons = (
        _numbers(panel, f"{outcome}_persons")[index].sum(axis=0)
        if f"{outcome}_persons" in panel.cells
        else np.full(n_t, np.nan)
    )
    first = int(data.t[data.starts[rows].min()]) if data.starts[rows].min() < data.n_periods else n_t
    phase = np.where(np.arange(n_t) < first, "before", "after").astype(object)
    phase[np.setdiff1d(np.arange(n_t), data.t)] = "left_out"
    if len(rows) == 1:
        phase[data.t[~data.used[rows[0]]]] = "left_out"
    phase[missing] = "missing"
    together = np.sum if data.total else np.mean
    frame = pd.DataFrame({"unit": unit, "t": np.arange(n_t), "phase": phase, "observed": together(observed, axis=0), "persons": persons,
                          "exposure": _numbers(panel, "exposure")[index].sum(axis=0)})  # fmt: skip
    frame.loc[missing, "observed"] = np.nan
    for name, values in parts.items():
        column = np.full(n_t, np.nan)
        column[data.t] = together(values[rows], axis=0)
        if name.startswith("expected_") and unit == "comparison":
            column[:] = np.nan
        frame[name] = column
    frame["persons"] = frame["persons"].astype("Int64")
    return frame
