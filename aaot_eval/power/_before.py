"""The panel as it stood before the first start: nothing later is kept, so that nothing later can be looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import ndtr
from scipy.stats import nbinom, poisson

from aaot_eval.results import Panel

NEARLY_POISSON = 1.02


@dataclass(frozen=True, slots=True)
class Asked:
    """What a plan is asked: the power to see a relative `fall` of the outcome at a `level` (0.05), by so many `replicates`.

    Of people also the entry rule (admissions, months), the months of follow-up and the number referred, where they are known.
    """

    outcome: str
    fall: float
    replicates: int
    seed: int
    level: float
    follow_up: int = 12
    rule: tuple[int, int] | None = None
    referred: int | None = None


def first_start(panel: Panel) -> int:
    """The first period in which a unit has the service."""
    return min(int(panel.units["start_t"][u]) for u in panel.treated_units)


def periods_before(panel: Panel, end: int) -> Panel:
    """The panel cut at period `end`, without any start; people keep what was known of them by then."""
    never = pd.array([pd.NA] * len(panel.units), dtype="Int64")
    cells = panel.cells[panel.cells["t"] < end].reset_index(drop=True)
    people, rows = panel.people, panel.person_cells
    if people is not None and rows is not None:
        later = {c: people[c].where(people[c] < end) for c in ("referral_t", "ended_t", "death_t") if c in people}
        people = people.assign(**later)
        rows = rows[rows["t"] < end].reset_index(drop=True)
    return replace(
        panel, periods=panel.periods.iloc[:end], units=panel.units.assign(start_t=never, stop_t=never),
        cells=cells.assign(treated=False), people=people, person_cells=rows,
        extra={k: v for k, v in panel.extra.items() if k != "beside_start_t"},
    )  # fmt: skip


def uniforms(rng: np.random.Generator, shape: tuple[int, ...], rho: float) -> np.ndarray:
    """Uniform numbers whose normal scores are AR(1) with `rho` along the last axis."""
    e = rng.standard_normal(shape)
    z = e.copy()
    for t in range(1, shape[-1]):
        z[..., t] = rho * z[..., t - 1] + np.sqrt(1 - rho**2) * e[..., t]
    return np.asarray(ndtr(z))


def counts(u: np.ndarray, mu: np.ndarray, dispersion: float) -> np.ndarray:
    """Counts at uniform numbers: Poisson, or negative binomial with variance dispersion x mu."""
    if dispersion < NEARLY_POISSON:
        return np.asarray(poisson.ppf(u, mu))
    return np.asarray(nbinom.ppf(u, mu / (dispersion - 1), 1 / dispersion))
