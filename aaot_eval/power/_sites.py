"""Least reachable p and power of the comparison of sites by exact randomisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from aaot_eval.estimators import _randomisation as ri
from aaot_eval.power._before import Asked, counts, first_start, uniforms
from aaot_eval.results import Panel, generator

AFTER = 24
TREATED = (1, 2, 3, 4, 6)
WANTED = 0.8


def site_rows(panel: Panel, past: Panel, asked: Asked) -> tuple[list[dict[str, Any]], list[str], dict[str, Any]]:
    """Power for the sites and start dates there are, and for other numbers of treated sites that start together."""
    value, exposure = (np.asarray(past.matrix(c), dtype=float) for c in (asked.outcome, "exposure"))
    whole = np.isfinite(value).all(axis=1) & np.isfinite(exposure).all(axis=1) & (value.sum(axis=1) > 0)
    value, exposure = value[whole], exposure[whole]
    n, before = value.shape
    own = len([u for u, w in zip(panel.units.index, whole, strict=True) if w and u in panel.treated_units])
    if n < 3 or not 0 < own < n:
        return [], ["Sites: not judged, because fewer than three sites are whole before the start."], {}
    mean = ri.two_way_means(value, exposure, np.ones_like(value, dtype=bool)) * exposure
    residual = (value - mean) / np.sqrt(np.maximum(mean, 1e-9))
    free = n * before - n - before + 1
    dispersion = max(1.0, float((residual**2).sum() / free))
    lagged = float((residual[:, 1:] * residual[:, :-1]).sum() / (residual**2).sum())
    # Site means take the level out of each series, which pulls the lag-1 correlation down by about (1 + 3 rho) / periods.
    rho = float(np.clip((lagged + 1 / before) / (1 - 3 / before), 0.0, 0.9))
    given = panel.units["start_t"].to_numpy(dtype=float, na_value=np.nan)[whole]
    waves = np.sort(given[given < len(panel.periods)]).astype(int)
    plans = {own: waves - first_start(panel)} | {k: np.zeros(k, dtype=int) for k in TREATED if 2 * k <= n and k != own}
    rows = []
    for k, delay in sorted(plans.items()):
        power, least = _power(mean, dispersion, rho, delay, asked)
        rows.append({
            "part": "sites", "what": "sites compared, exact randomisation", "months_after": AFTER, "monthly_mean": float(mean.mean()),
            "treated": k, "units": n, "fall": asked.fall, "p_least": least, "power": power,
        })  # fmt: skip
    mine = next(r for r in rows if r["treated"] == own)
    words = f"Sites ({own} of {n} with the service, dispersion {dispersion:.1f}, rho {rho:.2f}): the least p this design can reach is {mine['p_least']:.4f}; "
    if mine["p_least"] > asked.level:
        words += f"no result can fall below {asked.level:.2f}, however large the effect"
    else:
        words += f"a fall of {asked.fall:.0%} is found with a power of {mine['power']:.0%} after {AFTER} periods"
    enough = next((r["treated"] for r in rows if r["power"] >= WANTED), None)
    words += (
        f"; {enough} treated sites of {n} reach {WANTED:.0%}."
        if enough
        else f"; no number of treated sites tried reaches {WANTED:.0%}."
    )
    facts = {"p_least": mine["p_least"], "site_power": mine["power"], "site_dispersion": dispersion, "site_rho": rho,
             "treated_needed": enough, "first_start": str(panel.periods["label"].iloc[first_start(panel)])}  # fmt: skip
    return rows, [words], facts


def least_reachable_p(panel: Panel, seed: int) -> float:
    """The least p that handing the start dates to the sites can give, whatever the data; NaN where nothing is compared.

    Sites that the estimate leaves out make it larger.
    """
    end = len(panel.periods)
    starts = np.nan_to_num(panel.units["start_t"].to_numpy(dtype=float, na_value=np.nan), nan=end)
    starts = np.minimum(starts, end).astype(int)
    if not 0 < int((starts < end).sum()) < len(starts):
        return float("nan")
    return _least(ri.assign_starts(starts, end, seed))


def _least(ways: ri.Assignments) -> float:
    # With half of the sites treated each assignment has a mirror image with the same contrast.
    return ways.p_least * (2 if ways.mirrored else 1)


def _power(mean: np.ndarray, dispersion: float, rho: float, delay: np.ndarray, asked: Asked) -> tuple[float, float]:
    """(power, least p) when sites drawn at random start `delay` periods after the first; AFTER periods follow the last."""
    n, before = mean.shape
    end = before + int(delay.max()) + AFTER
    starts = np.full(n, end)
    starts[: len(delay)] = before + delay
    ways = ri.assign_starts(starts, end, asked.seed)
    least = _least(ways)
    if least > asked.level:
        return 0.0, least
    rng = generator(asked.seed, "power", "sites", *map(int, delay))
    year = mean[:, -12:]
    future = np.concatenate([mean, year[:, np.arange(end - before) % year.shape[1]]], axis=1)
    t, found = np.arange(end), 0
    for _ in range(asked.replicates):
        mu = future[rng.permutation(n)]
        mu = mu * np.where(t >= starts[:, None], 1 - asked.fall, 1.0)
        y = counts(uniforms(rng, mu.shape, rho), mu, dispersion)
        table = ri.change_table(y, np.ones_like(y), ways.starts)
        found += ri.p_value(ri.size_scaled(table, np.maximum(y.mean(axis=1), 1e-9), ways), ways.real) <= asked.level
    return found / asked.replicates, least
