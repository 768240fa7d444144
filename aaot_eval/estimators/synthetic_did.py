"""Synthetic difference-in-differences: one or few treated sites against weighted sites and weighted periods before.

Formulae, placebo ranks and interval: docs/methods/synthetic_did.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from aaot_eval.errors import Problem, counted
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._sites import Floats, Ints, SiteData, SiteSettings
from aaot_eval.results import Analysis, Design, Estimate, Panel, Scale, generator

LEAST_DONORS = 2
MOST_PLACEBOS = 999
"""With more ways to hand the start dates to the donors, so many are drawn from the seed: every one is a fit of its own."""
NEGLIGIBLE = 1e-6
"""Penalty of the weights of periods, and of a plain synthetic control, as a share of the noise (Arkhangelsky and others)."""
STOP = 1e-5
"""The search for weights stops when it gains less than this share of the noise, as the authors' own program does."""
SHOWN_WEIGHT = 0.001
Kind = Literal["synthetic_did", "synthetic_control", "equal_weights"]


@dataclass(frozen=True)
class Weighted:
    """One treated series against weighted donors: effect, weights of donors and of periods before, misfit before."""

    effect: float
    donors: Floats
    periods: Floats
    misfit: float


def noise_of(donors: Floats, start: int) -> float:
    """Standard deviation of the changes from period to period of the donors before the start."""
    steps = np.diff(donors[:, :start], axis=1)
    return float(np.std(steps, ddof=1)) if steps.size > 1 else 0.0


def weighted(
    donors: Floats, treated: Floats, start: int, *, phase_in: int = 0, sites: int = 1, kind: Kind = "synthetic_did"
) -> Weighted:
    """The effect on `treated` (T; mean of `sites` sites) from `start` on, against `donors` (n x T), on the scale of both.

    Everything is centred and scaled first, so that the search for weights does not depend on units.
    """
    from diff_diff.utils import compute_sdid_unit_weights, compute_time_weights

    before, after = slice(0, start), slice(start + phase_in, None)
    centre, spread = float(donors[:, before].mean()), float(donors[:, before].std())
    spread = spread if spread > 0 else 1.0
    d, y = (donors - centre) / spread, (treated - centre) / spread
    noise = noise_of(d, start)
    stop = STOP * noise if noise > 0 else STOP
    n_after = d[:, after].shape[1]
    if kind == "equal_weights":
        of_donors = np.full(len(d), 1 / len(d))
        of_periods = np.full(start, 1 / start)
    else:
        own_level = kind == "synthetic_did"
        penalty = ((sites * n_after) ** 0.25 if own_level else NEGLIGIBLE) * noise
        of_donors = compute_sdid_unit_weights(
            np.ascontiguousarray(d[:, before].T),
            np.ascontiguousarray(y[before]),
            penalty,
            intercept=own_level,
            min_decrease=stop,
        )
        of_periods = np.zeros(start)
        if own_level:
            of_periods = compute_time_weights(
                np.ascontiguousarray(d[:, before].T),
                np.ascontiguousarray(d[:, after].T),
                NEGLIGIBLE * noise,
                min_decrease=stop,
            )
    gap = y - of_donors @ d
    effect = float(gap[after].mean() - gap[before] @ of_periods)
    level = gap[before].mean() if kind != "synthetic_control" else 0.0
    misfit = float(np.sqrt(np.mean((gap[before] - level) ** 2)))
    return Weighted(effect * spread, np.asarray(of_donors), np.asarray(of_periods), misfit * spread)


@dataclass(frozen=True)
class Together:
    """Cohorts of sites that start together, each against the same donors, as one mean over treated site-periods."""

    effect: float
    misfit: float
    cohorts: tuple[tuple[int, Ints, Weighted], ...]


def together(
    level: Floats, donors: Ints, groups: list[tuple[int, Ints]], phase_in: int, kind: Kind = "synthetic_did"
) -> Together:
    """The mean effect on `groups` ((start, rows of `level`), ...) with weights of each cohort's treated site-periods."""
    found = [
        (start, rows, weighted(level[donors], level[rows].mean(axis=0), start, phase_in=phase_in, sites=len(rows), kind=kind))
        for start, rows in groups
    ]  # fmt: skip
    share = np.array([len(rows) * (level.shape[1] - start - phase_in) for start, rows, _ in found], dtype=float)
    share /= share.sum()
    effect = float(share @ [w.effect for *_, w in found])
    return Together(effect, math.sqrt(float(share @ [w.misfit**2 for *_, w in found])), tuple(found))


def cohorts(starts: Ints, never: int) -> list[tuple[int, Ints]]:
    """(start, rows) of every distinct start."""
    return [(int(s), np.flatnonzero(starts == s)) for s in np.unique(starts[starts < never])]


@dataclass(frozen=True)
class Placebos:
    """The same estimate with the start dates handed to donors, the treated sites left out of every pool.

    `rows`: N x m, the donors (row numbers) that got the dates; `effects`, `misfits`: N. `total`: how many ways there are.
    """

    rows: Ints
    effects: Floats
    misfits: Floats
    total: int

    @property
    def exact(self) -> bool:
        """Every way was tried."""
        return len(self.rows) == self.total

    @property
    def drawn(self) -> int | None:
        """How many ways stand behind the rank, the real one among them, where they were drawn at random; None where all there are."""
        return None if self.exact else len(self.effects) + 1

    @property
    def p_least(self) -> float:
        """The least p that any data could give: 1 / (donors + 1) for one treated site."""
        return 1.0 / (len(self.effects) + 1)

    def p_value(self, effect: float) -> float:
        """Rank of an effect among itself and the placebos, by size; ties count."""
        size = np.abs(self.effects)
        return (1 + int((size >= abs(effect) - ri.tie(size)).sum())) * self.p_least

    def p_scaled(self, effect: float, misfit: float) -> float:
        """The same with every effect over its own misfit before the start; NaN where a series is met without any."""
        if not (misfit > 0 and (self.misfits > 0).all()):
            return math.nan
        size = np.abs(self.effects) / self.misfits
        return (1 + int((size >= abs(effect) / misfit - ri.tie(size)).sum())) * self.p_least

    def reach(self, alpha: float) -> float:
        """How far an effect may lie from the estimate with p above alpha; NaN when p cannot fall to alpha.

        The placebos do not depend on the effect supposed, and the estimate less it is what is ranked, so that the
        interval needs no search: the k-th largest placebo, k the most that still leave (k + 1) / (N + 1) above alpha.
        """
        if self.p_least > alpha + ri.TIE:
            return math.nan
        k = math.floor(alpha / self.p_least + ri.TIE)
        return float(np.sort(np.abs(self.effects))[::-1][k - 1])

    def inversion(self, effect: float, alpha: float) -> ri.Inversion:
        """The p value of every supposed effect, at the places where it steps, and the interval."""
        reach = self.reach(alpha)
        size = np.abs(self.effects)
        sizes = np.unique(size[size > ri.tie(size)])
        p = np.array([self.p_value(size) for size in sizes])
        effects = np.concatenate([effect - sizes[::-1], [effect], effect + sizes])
        return ri.Inversion(effects, np.concatenate([p[::-1], [1.0], p]), effect, effect - reach, effect + reach)


def placebos(level: Floats, donors: Ints, starts: Ints, never: int, phase_in: int, seed: int) -> Placebos:
    """The placebo estimates of all ways to hand the real start dates to donors, or of 999 drawn from the seed."""
    dates = np.sort(starts[starts < never])
    total = math.perm(len(donors), len(dates)) // math.prod(
        math.factorial(int(n)) for n in np.unique(dates, return_counts=True)[1]
    )
    if total <= MOST_PLACEBOS:
        rows = list(_every_way(tuple(int(d) for d in donors), tuple(int(d) for d in dates)))
    else:
        rng = generator(seed, "synthetic_placebos", len(donors), *map(int, dates))
        rows = [tuple(int(i) for i in rng.permutation(donors)[: len(dates)]) for _ in range(MOST_PLACEBOS)]
    found = []
    for chosen in rows:
        taken = np.array(chosen)
        groups = [(int(s), taken[dates == s]) for s in np.unique(dates)]
        found.append(together(level, donors[~np.isin(donors, taken)], groups, phase_in))
    return Placebos(
        np.array(rows, dtype=np.int64), np.array([f.effect for f in found]), np.array([f.misfit for f in found]), total
    )


def _every_way(donors: tuple[int, ...], dates: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Donors for each date; among equal dates the order does not count."""
    starts = np.array([*dates, *[max(dates) + 1] * (len(donors) - len(dates))], dtype=np.int64)
    for row in ri.assign_starts(starts, max(dates) + 1, 0).rows:
        yield tuple(donors[i] for i in row)


@ESTIMATORS.register("synthetic_did")
@dataclass(frozen=True)
class SyntheticDid(SiteSettings):
    """One or few treated sites against donors weighted so that their past moves like the treated sites' own.

    `scale`: "ratio", "difference" or "auto", as in site_did. `beside`: also synthetic control and equal weights.
    `phase_in`, `least_before`, `least_after`: as in site_did.
    """

    design: ClassVar[Design] = "sites"
    beside: bool = True

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why no synthetic comparison can be made; empty when one can."""
        problems = self.not_comparable(panel, analysis.outcome)
        if problems:
            return problems
        data = self.data(panel, analysis.outcome)
        donors, m = int((data.starts >= data.n_periods).sum()), len(data.treated)
        if donors < m + LEAST_DONORS:
            return [Problem("E350", f"{counted(donors, 'comparison site')} cannot stand in for {m} treated one"
                            f"{'' if m == 1 else 's'}", where=analysis.name,
                            allowed=f"at least {m + LEAST_DONORS} sites that never start",
                            do="add comparison sites, or use site_did")]  # fmt: skip
        return []

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The estimate with its placebo rank, the same ranked by fit, then other weights for the same contrast."""
        data = self.data(panel, analysis.outcome)
        never = data.n_periods
        level, donors = data.level(), np.flatnonzero(data.starts >= never)
        groups = cohorts(data.starts, never)
        main = together(level, donors, groups, data.phase_in)
        tried = placebos(level, donors, data.starts, never, data.phase_in, seed)
        labels = tuple(str(label) for label in panel.periods["label"].iloc[data.t])
        rows = _Rows(analysis, data, main, tried, 1.0 - self.conf_level, labels)
        out = [rows.headline(), rows.by_fit()]
        if self.beside:
            others: tuple[tuple[Kind, str], ...] = (
                ("synthetic_control", "synthetic control: donors weighted, level not shifted, no weights of periods"),
                ("equal_weights", "difference-in-differences: all donors and all periods alike"),
            )
            out += [
                rows.other(together(level, donors, groups, data.phase_in, kind).effect, text) for kind, text in others
            ]
        return tuple(out)

    def point(self, panel: Panel, analysis: Analysis) -> float:
        """The headline's estimate alone, without its placebos, for checks that fit it many times."""
        data = self.data(panel, analysis.outcome)
        donors = np.flatnonzero(data.starts >= data.n_periods)
        effect = together(data.level(), donors, cohorts(data.starts, data.n_periods), data.phase_in).effect
        return math.exp(effect) if data.scale == "log" else effect


@dataclass(frozen=True)
class _Rows:
    """Makes the estimates of one analysis."""

    analysis: Analysis
    data: SiteData
    main: Together
    tried: Placebos
    alpha: float
    labels: tuple[str, ...]

    @property
    def ratio(self) -> bool:
        return self.data.scale == "log"

    def headline(self) -> Estimate:
        tried, effect = self.tried, self.main.effect
        extra: dict[str, Any] = {}
        if math.isfinite(tried.reach(self.alpha)):
            found = tried.inversion(effect, self.alpha)
            extra = {"conf_low": self._show(found.low), "conf_high": self._show(found.high), "conf_method": "randomisation",
                     "confidence": ri.ConfidenceDraws.of(found, self.alpha, ratio=self.ratio)}  # fmt: skip
        else:
            extra = {"status": "no_finite_interval"}
        return self._row(
            effect, self._estimand("donors and earlier periods weighted to move like them"), self._how(), note=self._note(),
            p_value=tried.p_value(effect), p_least=tried.p_least, drawn=tried.drawn, std_error=self._spread(), facts=self._facts(),
            tables={"placebo": self._placebo_table(), "synthetic_weights": self._weights()}, **extra,
        )  # fmt: skip

    def by_fit(self) -> Estimate:
        p = self.tried.p_scaled(self.main.effect, self.main.misfit)
        return self._row(
            self.main.effect, self._estimand("the same, ranked by effect over misfit before the start"), self._how(),
            p_value=p, p_least=self.tried.p_least, drawn=self.tried.drawn,
            note="a placebo site that could not be matched beforehand counts for less; the rank without this leads",
        )  # fmt: skip

    def other(self, effect: float, text: str) -> Estimate:
        return self._row(effect, self._estimand(text), "none: other weights for the same contrast",
                         note="secondary: shows what the weights do; no p value of its own")  # fmt: skip

    def _show(self, value: float) -> float:
        return math.exp(value) if self.ratio else value

    def _spread(self) -> float:
        """Standard deviation of the placebo effects: what the authors' placebo standard error estimates by drawing."""
        return float(np.std(self.tried.effects, ddof=1)) if len(self.tried.effects) > 1 else math.nan

    def _row(self, effect: float, estimand: str, how: str, **more: Any) -> Estimate:
        data = self.data
        more.setdefault("conf_method", "none")
        return Estimate(
            analysis=self.analysis.name, design="sites", estimator="synthetic_did", outcome=self.analysis.outcome,
            estimand=estimand, scale=self._scale(), estimate=self._show(effect), conf_level=round(1.0 - self.alpha, 10),
            n_units=len(data.units), n_treated=len(data.treated), n_periods=data.n_periods, n_obs=int(data.used.sum()),
            inference=how, **more,
        )  # fmt: skip

    def _scale(self) -> Scale:
        if self.ratio:
            return "rate_ratio" if self.data.count else "ratio"
        return "rate_difference" if np.ptp(self.data.exposure) > 0 else "difference"

    def _estimand(self, how: str) -> str:
        what = "ratio of mean log rates" if self.ratio else "difference of rates"
        return f"{what} in the treated site{'s' if len(self.data.treated) > 1 else ''} after the start; {how}"

    def _how(self) -> str:
        tried = self.tried
        if len(self.data.treated) == 1:
            ways = f"each of {tried.total} donors in the place of the treated site"
        elif tried.exact:
            ways = f"all {tried.total:,} ways to hand the start dates to donors"
        else:
            ways = f"{len(tried.rows):,} of {tried.total:,} ways to hand the start dates to donors"
        return f"placebo rank: {ways}, all weights found anew"

    def _note(self) -> str:
        data, tried = self.data, self.tried
        donors = len(data.units) - len(data.treated)
        text = f"The least p this design can reach is {tried.p_least:.4f} ({donors} donors)"
        if tried.p_least > self.alpha + ri.TIE:
            text += f": there is no {100 * (1 - self.alpha):.0f} % interval"
        used = sum(int((w.donors > SHOWN_WEIGHT).sum()) for *_, w in self.main.cohorts)
        parts = [
            text,
            f"{used} donors carry weight",
            "the standard error is the spread of the placebos and gives no p",
            *data.left,
        ]
        return "; ".join(parts)

    def _facts(self) -> dict[str, Any]:
        size = np.abs(self.tried.effects)
        return {
            "donors": len(self.data.units) - len(self.data.treated),
            "placebos": len(size),
            "exact": self.tried.exact,
            "rank": 1 + int((size >= abs(self.main.effect) - ri.TIE).sum()),
            "p_least": self.tried.p_least,
            "misfit": self.main.misfit,
            "treated": [self.data.units[i] for i in self.data.treated],
        }

    def _placebo_table(self) -> pd.DataFrame:
        names = [", ".join(self.data.units[i] for i in chosen) for chosen in self.tried.rows]
        real = ", ".join(self.data.units[i] for i in self.data.treated)
        effects = np.array([*self.tried.effects, self.main.effect])
        misfits = np.array([*self.tried.misfits, self.main.misfit])
        table = pd.DataFrame(
            {
                "analysis": self.analysis.name,
                "kind": "donor",
                "label": [*names, real],
                "ratio": np.exp(effects) if self.ratio else effects,
                "statistic": np.divide(effects, misfits, out=np.full(len(effects), np.nan), where=misfits > 0),
                "p_value": [self.tried.p_value(e) for e in effects],
                "real": [False] * len(names) + [True],
            }
        )
        return table.sort_values("p_value", kind="stable", ignore_index=True)

    def _weights(self) -> pd.DataFrame:
        """Donors and periods with their weights, cohort by cohort, the heaviest first."""
        data = self.data
        donors = np.flatnonzero(data.starts >= data.n_periods)
        rows = []
        for _, treated, found in self.main.cohorts:
            names = ", ".join(data.units[i] for i in treated)
            rows += [(names, "donor", data.units[d], w) for d, w in zip(donors, found.donors, strict=True)]
            rows += [(names, "period", self.labels[k], w) for k, w in enumerate(found.periods)]
        table = pd.DataFrame(rows, columns=["unit", "kind", "name", "weight"])
        table = table[table["weight"] > SHOWN_WEIGHT].assign(analysis=self.analysis.name)
        return table.sort_values(
            ["unit", "kind", "weight"], ascending=[True, True, False], kind="stable", ignore_index=True
        )
