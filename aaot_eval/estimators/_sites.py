"""The balanced table of sites and periods that every site comparison starts from, and what was left out of it.

The rules: docs/methods/site_did.md, "Which sites and periods are used".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from aaot_eval.errors import Problem, counted
from aaot_eval.results import BESIDE, Panel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
OutcomeScale = Literal["log", "difference"]

LEAST_CLUSTERS = 3
"""With fewer clusters than this there is no clustered standard error."""
ROUNDING = 1e-12
"""Differences below this share of the largest value are rounding."""
UNMOVED = "all sites move alike to the last digit (a constant outcome does): there is no spread to judge a change by"
MOST_HOLES = 0.10
"""A larger share of periods with a hole costs the site that has the holes, a smaller one the periods."""


@dataclass(frozen=True)
class SiteData:
    """Sites x periods without a hole.

    `values`, `exposure`: n x T. `t`: the panel's number of each kept period. `years`: calendar time of each period, in
    years. `starts`: position in `t` of each site's first treated period, T where it never starts. `count`: the values
    are counts. `half`: what is added before a logarithm: 0.5 to counts, else nothing unless there are zeros. `total`: counts and costs, which add up over sites and are divided by
    exposure; shares and continuous values are rates already. `left`: sentences on what was left out.
    """

    units: tuple[str, ...]
    t: Ints
    values: Floats
    exposure: Floats
    starts: Ints
    years: Floats
    count: bool
    total: bool
    half: float
    scale: OutcomeScale
    phase_in: int
    left: tuple[str, ...]
    cluster: Ints | None = None
    """(n,) number of the cluster of each site where the panel names clusters of several sites; None: each its own."""
    weight: Floats | None = None
    """n x T weights of the cells where the panel names a column of weights; None: all the same."""

    @property
    def n_clusters(self) -> int:
        """How many independent clusters there are."""
        return len(self.units) if self.cluster is None else len(np.unique(self.cluster))

    @property
    def treated_clusters(self) -> int:
        """How many of them hold a treated site."""
        return len(self.treated) if self.cluster is None else len(np.unique(self.cluster[self.treated]))

    @property
    def clusters(self) -> Ints:
        """(n,) the cluster of each site, sites being their own where none are named."""
        return np.arange(len(self.units)) if self.cluster is None else self.cluster

    @property
    def n_periods(self) -> int:
        """How many periods are used."""
        return len(self.t)

    @property
    def treated(self) -> Ints:
        """Row numbers of the sites that start."""
        return np.flatnonzero(self.starts < self.n_periods)

    @property
    def switch(self) -> Bools:
        """n x T: the service is running."""
        return np.arange(self.n_periods)[None, :] >= self.starts[:, None]

    @property
    def used(self) -> Bools:
        """n x T: the cell is used: all but a treated site's phase-in periods."""
        since = np.arange(self.n_periods)[None, :] - self.starts[:, None]
        return (since < 0) | (since >= self.phase_in)

    def without_effect(self, effect: float) -> Floats:
        """The values as they would be had the service changed nothing, if its true effect is `effect`."""
        if self.scale == "log":
            return np.asarray(self.values * np.exp(-effect * self.switch), dtype=float)
        return np.asarray(self.values - effect * self.exposure * self.switch, dtype=float)

    def level(self, effect: float = 0.0) -> Floats:
        """n x T on the scale of the analysis (log rate, or rate), with the effect taken out of the treated cells."""
        values = self.without_effect(effect)
        if self.scale == "difference":
            return np.asarray(values / self.exposure, dtype=float)
        return np.asarray(np.log(values + self.half) - np.log(self.exposure), dtype=float)

    def without_site(self, row: int) -> SiteData:
        """The same table without one site."""
        keep = np.arange(len(self.units)) != row
        return replace(self, units=tuple(u for u, k in zip(self.units, keep, strict=True) if k), values=self.values[keep],
                       exposure=self.exposure[keep], starts=self.starts[keep],
                       cluster=None if self.cluster is None else self.cluster[keep],
                       weight=None if self.weight is None else self.weight[keep])  # fmt: skip


def site_data(
    panel: Panel,
    outcome: str,
    *,
    phase_in: int = 0,
    least_before: int | None = None,
    least_after: int = 3,
    scale: str = "auto",
    keep_holes: bool = False,
) -> SiteData:
    """The balanced table of `outcome`; sites and periods that cannot be used are left out and named in `left`.

    With `keep_holes` the sites and periods with holes stay, and the holes are NaN.

    A treated site needs `least_before` periods before its start (default: one full year) and `least_after` after it.
    `scale`: "ratio", "difference", or "auto": a ratio, unless a cost is below zero or a measured value not above it.
    """
    least_before = panel.season_length if least_before is None else least_before
    left: list[str] = []
    values, exposure = _matrix(panel, outcome), _matrix(panel, "exposure")
    hole = panel.matrix("missing").astype(bool) | np.isnan(values) | np.isnan(exposure)
    t = _kept_periods(panel, left)
    rows = _kept_units(panel, t, left)
    if keep_holes:
        values = np.where(hole, np.nan, values)
    else:
        rows, t = _without_holes(panel, hole, rows, t, left)
    starts = _start_positions(panel, rows, t)
    rows, starts = _long_enough(panel, rows, starts, len(t), phase_in, least_before, least_after, left)
    kind = panel.outcome(outcome).kind
    count, total = kind == "count", kind in ("count", "cost")
    values = values[np.ix_(rows, t)]
    exposure = exposure[np.ix_(rows, t)] if total else np.ones_like(values)
    on_log = scale == "ratio" or (
        scale == "auto" and (bool((values > 0).all()) or (total and bool((values >= 0).all())))
    )
    if on_log:
        some = values.sum(axis=1) > 0
        _note(left, panel, rows[~some], "without a single event")
        rows, starts, values, exposure = rows[some], starts[some], values[some], exposure[some]
    weight = panel.extra.get("weight")
    return SiteData(
        cluster=_clusters(panel, rows), weight=_matrix(panel, weight)[np.ix_(rows, t)] if weight else None,
        units=tuple(str(u) for u in panel.units.index[rows]), t=t, values=values, exposure=exposure, starts=starts,
        years=_years(panel)[t], count=count, total=total, half=_half(values, count), scale="log" if on_log else "difference", phase_in=phase_in, left=tuple(left),
    )  # fmt: skip


def unmoved(level: Floats) -> bool:
    """Whether levels (n x T, no hole) are a site's plus a period's and nothing else but rounding: nothing to judge a change by."""
    rest = level - level.mean(axis=1, keepdims=True) - level.mean(axis=0) + level.mean()
    return bool(np.abs(rest).max(initial=0.0) <= ROUNDING * np.abs(level).max(initial=0.0))


def site_objections(panel: Panel, outcome: str, *, least_before: int | None, least_after: int, phase_in: int,
                    scale: str = "auto") -> list[Problem]:  # fmt: skip
    """Why no comparison of sites can be made on this outcome; empty when one can."""
    names = [o.name for o in panel.outcomes]
    if outcome not in names or outcome not in panel.cells:
        allowed = ", ".join(n for n in names if n in panel.cells)
        return [
            Problem("E310", f"there is no site-level outcome {outcome!r}", allowed=allowed, do="choose one of them")
        ]
    if not panel.treated_units:
        return [Problem("E311", "no treated site: no site starts the service inside the data",
                        do="give the month the service started (go_live) for at least one site")]  # fmt: skip
    if not [u for u in panel.comparison_units if panel.units.loc[u, "group"] != BESIDE]:
        return [Problem("E312", "no comparison units: every site starts the service inside the data",
                        allowed="at least one site that never starts it",
                        do="add sites without the service to the extract and the sites table, or analyse the series "
                           "of each site (its)")]  # fmt: skip
    data = site_data(panel, outcome, phase_in=phase_in, least_before=least_before, least_after=least_after, scale=scale)
    before = panel.season_length if least_before is None else least_before
    problems = []
    if not len(data.treated):
        problems.append(
            Problem("E313", f"no treated site has {before} usable periods before its start and {least_after} after it",
                    where="; ".join(data.left), allowed=f"at least {before} before and {least_after} after",
                    do="extend the extract, or ask again when more months are in"))  # fmt: skip
    if len(data.treated) == len(data.units):
        problems.append(
            Problem("E314", "no comparison site is left after sites with holes or without events were left out",
                    where="; ".join(data.left), do="mend the missing site-months or add comparison sites"))  # fmt: skip
    if not problems and data.scale == "log" and not (data.values * (data.switch & data.used))[data.treated].sum():
        problems.append(
            Problem("E315", "the treated sites have no event at all after the start, so a ratio has no finite value",
                    where=outcome, do="choose an outcome with more events, or wait for more months"))  # fmt: skip
    if data.scale == "log" and (data.values < 0).any():
        problems.append(Problem("E316", f"{outcome} has values below zero, so it has no ratio", where=outcome,
                                allowed='scale = "difference"', do="ask for the difference"))  # fmt: skip
    return problems


def column_problems(panel: Panel, where: str) -> list[Problem]:
    """Why the columns of clusters and weights cannot be used: hardly any clusters, or a weight not above zero; empty when they can."""
    problems = []
    codes = _clusters(panel, np.arange(len(panel.units)))
    if codes is not None and len(np.unique(codes)) < LEAST_CLUSTERS:
        problems.append(
            Problem("E346", f"the column of clusters makes {len(np.unique(codes))} of all sites, from which no error can be told", where=where,
                    allowed=f"at least {LEAST_CLUSTERS}", do="name smaller groups, or take cluster out of [panel]"))  # fmt: skip
    name = panel.extra.get("weight")
    if not name:
        return problems
    values, known = panel.matrix(name).astype(float), ~panel.matrix("missing").astype(bool)
    wrong = int((known & ~(values > 0)).sum())
    if not wrong:
        return problems
    return [*problems, Problem("E345", f"{wrong} site-periods have no weight above zero in {name!r}", where=where,
                    allowed="a number above zero for each", do="mend the column, or take weight out of [panel]")]  # fmt: skip


def _clusters(panel: Panel, rows: Ints) -> Ints | None:
    """The panel's clusters as numbers, None where every site is its own; a site without a name of one is its own."""
    if "cluster" not in panel.units:
        return None
    named = panel.units["cluster"].iloc[rows].astype(object)
    own = pd.Series([f"\0{u}" for u in named.index], index=named.index)
    codes = pd.factorize(named.where(named.notna() & (named != ""), own), sort=True)[0].astype(np.int64)
    return codes if len(np.unique(codes)) < len(codes) else None


def _half(values: Floats, count: bool) -> float:
    positive = values[values > 0]
    if count or not len(positive):
        return 0.5
    return 0.0 if len(positive) == values.size else float(positive.min()) / 2


def _matrix(panel: Panel, column: str) -> Floats:
    values = panel.matrix(column)
    return np.asarray(pd.DataFrame(values).to_numpy(dtype=float, na_value=np.nan))


def _years(panel: Panel) -> Floats:
    return np.asarray(panel.periods["clock"].to_numpy(dtype=float) / panel.season_length)


def _note(left: list[str], panel: Panel, rows: Ints, why: str) -> None:
    if len(rows):
        left.append(f"left out {why}: {', '.join(str(u) for u in panel.units.index[rows])}")


def _kept_periods(panel: Panel, left: list[str]) -> Ints:
    keep = ~panel.periods["left_out"].to_numpy(dtype=bool)
    stop = panel.units["stop_t"].to_numpy(dtype=float, na_value=np.nan)
    stops = stop[(_declared_starts(panel) < len(panel.periods)) & ~np.isnan(stop)]
    if len(stops):
        first_stop = int(stops.min())
        keep &= np.arange(len(keep)) < first_stop
        left.append(f"periods from {panel.periods['label'].iloc[min(first_stop, len(keep) - 1)]} on, when a service stopped, "
                    "are left out")  # fmt: skip
    if panel.periods["left_out"].any():
        left.append(f"{counted(int(panel.periods['left_out'].sum()), 'period')} declared as left out")
    return np.flatnonzero(keep)


def _declared_starts(panel: Panel) -> Floats:
    """(units,) the period of each start, the number of periods where there is none."""
    return np.asarray(panel.units["start_t"].to_numpy(dtype=float, na_value=float(len(panel.periods))), dtype=float)


def _kept_units(panel: Panel, t: Ints, left: list[str]) -> Ints:
    start = _declared_starts(panel)
    beside: Bools = np.asarray(panel.units["group"].to_numpy(dtype=object) == BESIDE, dtype=bool)
    early = ~beside & (start <= (t[0] if len(t) else 0))
    rows = np.arange(len(start))
    _note(left, panel, rows[beside], "as shown beside the others")
    _note(left, panel, rows[early], "because the service ran from the first period")
    return rows[~beside & ~early]


def _without_holes(panel: Panel, hole: Bools, rows: Ints, t: Ints, left: list[str]) -> tuple[Ints, Ints]:
    dropped: list[int] = []
    while len(rows):
        part = hole[np.ix_(rows, t)]
        holed = part.any(axis=0)
        if not holed.any() or holed.mean() <= MOST_HOLES:
            break
        worst = int(part.sum(axis=1).argmax())
        dropped.append(int(rows[worst]))
        rows = np.delete(rows, worst)
    _note(
        left, panel, np.array(sorted(dropped), dtype=np.int64), f"with too many missing periods (over {MOST_HOLES:.0%})"
    )
    holed = hole[np.ix_(rows, t)].any(axis=0)
    if holed.any():
        labels = panel.periods["label"].to_numpy()[t[holed]]
        left.append(f"periods in which a site is missing, left out for all sites: {', '.join(map(str, labels))}")
    return rows, t[~holed]


def _start_positions(panel: Panel, rows: Ints, t: Ints) -> Ints:
    return np.asarray(np.searchsorted(t, _declared_starts(panel)[rows]), dtype=np.int64)


def _long_enough(panel: Panel, rows: Ints, starts: Ints, n_t: int, phase_in: int, least_before: int, least_after: int,
                 left: list[str]) -> tuple[Ints, Ints]:  # fmt: skip
    declared = _declared_starts(panel)[rows] < len(panel.periods)
    short = declared & ((starts < least_before) | (n_t - starts - phase_in < least_after))
    _note(
        left,
        panel,
        rows[short],
        f"with fewer than {counted(least_before, 'period')} before or {least_after} after the start",
    )
    return rows[~short], starts[~short]


@dataclass(frozen=True)
class SiteSettings:
    """What every comparison of sites may be told, and the table of sites that it then uses.

    `phase_in`: periods after a start left out. `least_before` (default one year) and `least_after`: periods a treated
    site needs. `scale`: "ratio", "difference" or "auto".
    """

    conf_level: float = 0.95
    phase_in: int = 0
    least_before: int | None = None
    least_after: int = 3
    scale: str = "auto"

    def data(self, panel: Panel, outcome: str) -> SiteData:
        """The balanced table this estimator uses."""
        return site_data(panel, outcome, phase_in=self.phase_in, least_before=self.least_before,
                         least_after=self.least_after, scale=self.scale)  # fmt: skip

    def not_comparable(self, panel: Panel, outcome: str) -> list[Problem]:
        """Why the sites of this panel cannot be compared; empty when they can."""
        return site_objections(panel, outcome, phase_in=self.phase_in, least_before=self.least_before,
                               least_after=self.least_after, scale=self.scale)  # fmt: skip
