"""A randomised trial: people (or whole sites) allocated by chance, compared as allocated, over the time they were alive.

Formulae, what is refused and what stays a matter of the protocol: docs/methods/trial.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from aaot_eval.errors import Problem, counted
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._random_effects import StudentDraws
from aaot_eval.results import Analysis, Design, Estimate, Panel, Scale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

PEOPLE_NEEDED = 10
CLUSTERS_NEEDED = 2
FEW_CLUSTERS = 15
"""With fewer clusters in all the p of a clustered standard error is too small: randomisation of clusters leads."""
MONTHS_IN_YEAR = 12
HISTORY = 12
ARMS = ("usual care", "service")
MODELS = {
    "rates": "ratio of rates",
    "adjusted": "Poisson, year before, site",
    "adjusted_plain": "Poisson, year before",
    "adjusted_nb": "neg. binomial, year before",
}
"""Ways to compare the arms, the declared one first: its key and what it is called. Sites only where people were allocated."""


@dataclass(frozen=True)
class Allocated:
    """People as they were allocated: (P,) `service`, `cluster`, `allocated` month and `events`, `months` at risk in follow-up.

    `before` (P,): events in the 12 months before allocation (NaN where the data do not reach back); `died` (P,) in follow-up.
    """

    who: Ints
    service: Flags
    cluster: Ints
    clusters: tuple[str, ...]
    allocated: Ints
    events: Floats
    months: Floats
    before: Floats
    died: Flags

    def arm(self, service: int) -> Flags:
        """(P,) the people of an arm: 1 = service."""
        return np.asarray(self.service == bool(service))

    def rate(self, service: int, events: Floats | None = None) -> float:
        """Events per person-month of an arm."""
        mask = self.arm(service)
        months = float(self.months[mask].sum())
        return float((self.events if events is None else events)[mask].sum()) / months if months > 0 else math.nan


def allocated_people(panel: Panel, outcome: str, follow_up: int, first_month: int) -> Allocated:
    """Everybody with an arm and a month of allocation inside the data, followed for `follow_up` months, to death or the end."""
    people = panel.people
    if people is None:
        raise ValueError("this panel has no people")
    n_t = len(panel.periods)
    who = np.flatnonzero(people["arm"].isin(ARMS).to_numpy() & people["allocated_t"].notna().to_numpy())
    month = people["allocated_t"].to_numpy(dtype=float, na_value=n_t)[who].astype(np.int64)
    death = people["death_t"].to_numpy(dtype=float, na_value=np.inf)[who]
    t = np.arange(n_t)
    begin = month[:, None] + first_month
    usable = ~panel.periods["left_out"].to_numpy(dtype=bool)
    followed = (t >= begin) & (t < begin + follow_up) & (t <= death[:, None]) & usable
    values = np.asarray(panel.person_matrix(outcome), dtype=float)[who]
    past = (t >= month[:, None] - HISTORY) & (t < month[:, None])
    clusters, cluster = np.unique(people["team"].to_numpy(dtype=str)[who] if "team" in people else people["unit"].to_numpy(dtype=str)[who],
                                  return_inverse=True)  # fmt: skip
    return Allocated(
        who=who, service=(people["arm"].to_numpy()[who] == ARMS[1]), cluster=np.asarray(cluster, dtype=np.int64),
        clusters=tuple(map(str, clusters)), allocated=month, events=(values * followed).sum(axis=1),
        months=followed.sum(axis=1).astype(float),
        before=np.where(month >= HISTORY, (values * past).sum(axis=1), np.nan),
        died=(death >= begin[:, 0]) & (death < begin[:, 0] + follow_up),
    )  # fmt: skip


@dataclass(frozen=True)
class Contrast:
    """A contrast of two arms with its standard error and degrees of freedom."""

    value: float
    std_error: float
    df: float


def rates_compared(data: Allocated, *, clustered: bool, ratio: bool) -> Contrast:
    """log(service rate / usual rate), or their difference per person-month, with a robust standard error.

    Each arm's variance is that of its linearised scores (y - r n) / sum of y (or of n), added up within a person, or within a
    cluster, times G / (G - 1); degrees of freedom: all units less 2.
    """
    rates, variance, units = [], 0.0, 0
    for service in (0, 1):
        mask = data.arm(service)
        y, n = data.events[mask], data.months[mask]
        rate = data.rate(service)
        score = (y - rate * n) / (y.sum() if ratio else n.sum())
        if clustered:
            score = np.bincount(data.cluster[mask], weights=score, minlength=len(data.clusters))[
                np.unique(data.cluster[mask])
            ]
        g = len(score)
        variance += g / (g - 1) * float(score @ score)
        rates.append(rate)
        units += g
    value = math.log(rates[1] / rates[0]) if ratio else rates[1] - rates[0]
    return Contrast(value, math.sqrt(variance), units - 2.0)


def adjusted(data: Allocated, *, clustered: bool, sites: bool = True, dispersed: bool = False) -> Contrast | None:
    """The log rate ratio of Poisson regression on arm, log(1 + events of the year before) and site; None when it has no solution.

    Site effects only with allocation of people, and unless not `sites`; `dispersed`: negative binomial, variance m + m^2, in place of
    Poisson. Robust standard error by person or cluster.
    """
    import statsmodels.api as sm

    there = np.isfinite(data.before) & (data.months > 0)
    columns = [np.ones(there.sum()), data.service[there].astype(float), np.log1p(data.before[there])]
    if sites and not clustered:
        columns += [(data.cluster[there] == k).astype(float) for k in np.unique(data.cluster[there])[1:]]
    design = np.column_stack(columns)
    if np.linalg.matrix_rank(design) < design.shape[1] or len(design) <= design.shape[1] + 1:
        return None
    family = sm.families.NegativeBinomial(alpha=1.0) if dispersed else sm.families.Poisson()
    model = sm.GLM(data.events[there], design, family=family, offset=np.log(data.months[there]))
    if clustered:
        groups = data.cluster[there]
        fit = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
        df = len(np.unique(groups)) - 2.0
    else:
        fit = model.fit(cov_type="HC1")
        df = float(len(design) - design.shape[1])
    if not fit.converged or not math.isfinite(float(fit.bse[1])):
        return None
    return Contrast(float(fit.params[1]), float(fit.bse[1]), df)


def permuted(data: Allocated, seed: int) -> tuple[float, ri.Assignments]:
    """(p, the allocations gone through) of no effect when whole clusters were allocated: the log ratio under every allocation of clusters to arms."""
    served = np.array([data.service[data.cluster == k].any() for k in range(len(data.clusters))])
    starts = np.where(served, 0, 1).astype(np.int64)
    ways = ri.assign_starts(starts, 1, seed)
    y, n = (np.bincount(data.cluster, weights=w, minlength=len(served)) for w in (data.events, data.months))
    top, at_risk = y[ways.rows].sum(axis=1), n[ways.rows].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.log(top / at_risk) - np.log((y.sum() - top) / (n.sum() - at_risk))
    statistic = np.nan_to_num(statistic, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return ri.p_value(statistic, ways.real), ways


@ESTIMATORS.register("trial")
@dataclass(frozen=True)
class Trial:
    """People allocated by chance to the service or to usual care, compared as allocated (intention to treat).

    `unit`: what was allocated, "person" or "site" (whole clusters). `follow_up`: months. `first_month`: 0 counts the month of
    allocation, 1 begins with the month after. `scale`: "ratio" or "difference".
    """

    design: ClassVar[Design] = "trial"
    conf_level: float = 0.95
    follow_up: int = 12
    unit: Literal["person", "site"] = "person"
    first_month: int = 0
    scale: Literal["ratio", "difference"] = "ratio"

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why no arms can be compared; empty when they can."""
        if panel.people is None or panel.person_cells is None:
            return [Problem("E450", "there are no people in these data, so nobody was allocated", where=analysis.name,
                            do="give the admissions extract and a caseload with the column arm")]  # fmt: skip
        if "arm" not in panel.people or not panel.people["arm"].isin(ARMS).any():
            return [Problem("E451", "nobody in these data was allocated to an arm", where="caseload, column arm",
                            allowed='[study] design = "trial", [trial] and an arm for everybody in the caseload',
                            do="give the list of everybody allocated, both arms, or use a design without allocation")]  # fmt: skip
        if analysis.outcome not in panel.person_cells:
            return [Problem("E452", f"{analysis.outcome!r} is not known person by person", where=analysis.name,
                            do="choose an outcome that is")]  # fmt: skip
        data = allocated_people(panel, analysis.outcome, self.follow_up, self.first_month)
        return self._too_small(data, analysis) or self._not_as_declared(data)

    def _too_small(self, data: Allocated, analysis: Analysis) -> list[Problem]:
        problems = []
        for service in (0, 1):
            mask = data.arm(service) & (data.months > 0)
            if mask.sum() < PEOPLE_NEEDED:
                problems.append(Problem("E453", f"fewer than {PEOPLE_NEEDED} people of the arm {ARMS[service]!r} can be followed",
                                        where="caseload, column arm", do="give both arms, or wait for follow-up"))  # fmt: skip
            elif self.scale == "ratio" and not data.events[mask].sum():
                problems.append(Problem("E454", f"no event of {analysis.outcome} in the arm {ARMS[service]!r}, so a ratio has no finite value",
                                        where=analysis.name, do='ask for scale = "difference", or another outcome'))  # fmt: skip
        return problems

    def _not_as_declared(self, data: Allocated) -> list[Problem]:
        if self.unit == "person":
            return []
        both = [name for k, name in enumerate(data.clusters) if len(set(data.service[data.cluster == k])) > 1]
        if both:
            return [Problem("E455", f"declared as allocated by site, but these sites hold both arms: {', '.join(both)}",
                            where="trial.unit", allowed="one arm a site", do='mend the arms, or write unit = "person"')]  # fmt: skip
        counts = [len(set(data.cluster[data.arm(service)])) for service in (0, 1)]
        if min(counts) < CLUSTERS_NEEDED:
            return [Problem("E456", f"{min(counts)} site in an arm: what belongs to the arm cannot be told from what belongs to the site",
                            where="trial.unit", allowed=f"at least {CLUSTERS_NEEDED} sites an arm", do="add sites, or analyse the site's own series")]  # fmt: skip
        return []

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The effect as allocated, the same adjusted for the year before, as a difference, and without the month of allocation."""
        data = allocated_people(panel, analysis.outcome, self.follow_up, self.first_month)
        rows = _Rows(self, panel, analysis, data, seed)
        out = [rows.headline()]
        if self.scale == "ratio":
            out += [rows.adjusted(), rows.difference()]
        if not self.first_month:
            out.append(rows.later())
        return tuple(out)

    def effect(self, panel: Panel, analysis: Analysis, model: str, seed: int) -> tuple[float, float] | None:
        """(effect, its p) by one of `MODELS`, the effect a log for a ratio; None where there is none.

        As in the headline, p is that of every allocation where few whole sites were allocated and rates are compared.
        """
        if self.objections(panel, analysis):
            return None
        data = allocated_people(panel, analysis.outcome, self.follow_up, self.first_month)
        clustered = self.unit == "site"
        found = (
            rates_compared(data, clustered=clustered, ratio=self.scale == "ratio")
            if model == "rates"
            else adjusted(data, clustered=clustered, sites=model == "adjusted", dispersed=model == "adjusted_nb")
        )
        if found is None or not found.std_error > 0:
            return None
        if model == "rates" and clustered and len(data.clusters) < FEW_CLUSTERS:
            return found.value, permuted(data, seed)[0]
        return found.value, float(2 * stats.t.sf(abs(found.value) / found.std_error, found.df))


@dataclass(frozen=True)
class _Rows:
    """Makes the estimates of one analysis."""

    settings: Trial
    panel: Panel
    analysis: Analysis
    data: Allocated
    seed: int

    @property
    def clustered(self) -> bool:
        return self.settings.unit == "site"

    @property
    def money(self) -> bool:
        return self.panel.outcome(self.analysis.outcome).kind == "cost"

    def headline(self) -> Estimate:
        ratio = self.settings.scale == "ratio"
        found = rates_compared(self.data, clustered=self.clustered, ratio=ratio)
        row = self._row(found, ratio=ratio, what=self._what("ratio of rates" if ratio else "difference of rates"), facts=self._facts(),
                        tables=self._tables())  # fmt: skip
        if not self.clustered or len(self.data.clusters) >= FEW_CLUSTERS:
            return row
        p, ways = permuted(self.data, self.seed)
        n = len(self.data.clusters)
        note = (
            f"The least p this design can reach is {ways.p_least:.4f} ({n} sites allocated); p is that of every allocation of sites to arms, "
            f"the interval that of cluster scores with t({found.df:.0f}); {row.note}"
        )
        return replace(row, p_value=p, p_least=ways.p_least, drawn=ways.drawn, note=note)

    def adjusted(self) -> Estimate:
        found = adjusted(self.data, clustered=self.clustered)
        what = (
            self._what("ratio of rates")
            + ", adjusted for events of the year before"
            + ("" if self.clustered else " and site")
        )
        if found is None:
            return self._blank(what, "the model with the year before has no solution")
        return self._row(
            found, ratio=True, what=what, note="secondary: the same people, adjusted for what chance left unequal"
        )

    def difference(self) -> Estimate:
        found = rates_compared(self.data, clustered=self.clustered, ratio=False)
        return self._row(found, ratio=False, what=self._what("difference of rates"), note="secondary")

    def later(self) -> Estimate:
        s = self.settings
        later = allocated_people(self.panel, self.analysis.outcome, s.follow_up, 1)
        ratio = s.scale == "ratio"
        what = self._what("ratio of rates" if ratio else "difference of rates") + ", from the month after allocation"
        if any(not later.events[later.arm(a)].sum() or not later.months[later.arm(a)].sum() for a in (0, 1)):
            return self._blank(what, "an arm has no event after the month of allocation")
        found = rates_compared(later, clustered=self.clustered, ratio=ratio)
        return self._row(
            found,
            ratio=ratio,
            what=what,
            note="secondary: part of the month of allocation lies before it; those who died in it are not in this row",
        )

    def _what(self, kind: str) -> str:
        return (
            f"{kind} of {self.panel.outcome(self.analysis.outcome).title} among everybody allocated to the service against everybody "
            f"allocated to usual care, over {counted(self.settings.follow_up, 'month')} alive"
        )

    def _row(self, found: Contrast, *, ratio: bool, what: str, note: str = "", **more: Any) -> Estimate:
        # Differences are printed for each person-year alive.
        size = 1.0 if ratio else float(MONTHS_IN_YEAR)
        value, error = found.value * size, found.std_error * size
        level = self.settings.conf_level
        half = float(stats.t.ppf(0.5 + level / 2, found.df)) * error
        show = math.exp if ratio else float
        by = f"{len(self.data.clusters)} sites" if self.clustered else "people"
        row = replace(
            self._blank(what, ""), scale=self._scale(ratio), estimate=show(value), std_error=error, note=note or self._note(),
            inference=f"as allocated; robust standard error over {by}, t with {found.df:.0f} degrees of freedom", **more,
        )  # fmt: skip
        if not error > 0:
            return replace(row, status="no_finite_interval")
        return replace(
            row, status="ok", conf_low=show(value - half), conf_high=show(value + half), conf_method="wald_t",
            p_value=float(2 * stats.t.sf(abs(value) / error, found.df)), confidence=StudentDraws(value, error, found.df, ratio),
        )  # fmt: skip

    def _scale(self, ratio: bool) -> Scale:
        if ratio:
            return "ratio" if self.money else "rate_ratio"
        return "currency" if self.money else "rate_difference"

    def _common(self, what: str) -> dict[str, Any]:
        data = self.data
        return {
            "analysis": self.analysis.name, "design": "trial", "estimator": "trial", "outcome": self.analysis.outcome,
            "estimand": what, "scale": self._scale(True), "estimate": math.nan, "conf_level": self.settings.conf_level,
            "n_units": len(data.clusters), "n_treated": len(set(data.cluster[data.service])), "n_periods": len(self.panel.periods),
            "n_obs": int(data.months.sum()), "n_people": len(data.who),
        }  # fmt: skip

    def _blank(self, what: str, why: str) -> Estimate:
        return Estimate(**self._common(what), status="not_run", note=f"not run: {why}")

    def _note(self) -> str:
        """Without a count of people: notes leave as they are, and the tables of the trial hold the counts, controlled."""
        data = self.data
        text = "Everybody is counted in the arm they were allocated to"
        if (data.allocated + self.settings.first_month + self.settings.follow_up > len(self.panel.periods)).any():
            text += (
                f". Some are followed for less than {counted(self.settings.follow_up, 'month')} because the data end"
            )
        return text

    def _facts(self) -> dict[str, Any]:
        data = self.data
        return {
            "rate_after": data.rate(1), "rate_on_team": data.rate(1), "rate_expected": data.rate(0),
            "people_service": int(data.arm(1).sum()), "people_usual": int(data.arm(0).sum()),
            "person_months": float(data.months.sum()), "unit": self.settings.unit,
        }  # fmt: skip

    def _tables(self) -> dict[str, pd.DataFrame]:
        tables = {"rates": self._rates()}
        if self.analysis.primary:
            tables |= {
                "deaths": self._deaths(),
                "baseline": baseline_table(self.panel, self.data, self.analysis.outcome),
            }
        return tables

    def _rates(self) -> pd.DataFrame:
        rows = []
        for service, name in enumerate(ARMS):
            mask = self.data.arm(service)
            past = mask & np.isfinite(self.data.before)
            for era, picked, events, months in (
                ("before", past, self.data.before, np.full(len(mask), float(HISTORY))), ("after", mask, self.data.events, self.data.months)
            ):  # fmt: skip
                years = float(months[picked].sum()) / MONTHS_IN_YEAR
                total = float(events[picked].sum())
                rows.append({"outcome": self.analysis.outcome, "arm": name, "era": era, "people": int(picked.sum()), "events": total,
                             "person_years": years, "rate": total / years if years else math.nan})  # fmt: skip
        return pd.DataFrame(rows)

    def _deaths(self) -> pd.DataFrame:
        rows = []
        for service, name in enumerate(ARMS):
            mask = self.data.arm(service)
            years, deaths = float(self.data.months[mask].sum()) / MONTHS_IN_YEAR, int(self.data.died[mask].sum())
            rows.append({"arm": name, "era": "after", "people": int(mask.sum()), "deaths": deaths, "person_years": years,
                         "rate": 100 * deaths / years if years else math.nan})  # fmt: skip
        return pd.DataFrame(rows)


def baseline_table(panel: Panel, data: Allocated, outcome: str) -> pd.DataFrame:
    """Who was allocated, by arm: counts with a share, means with their standard deviation, and the standardised difference.

    `least` is the fewest people, or the smallest sum above nought, of the two arms: the difference would tell a hidden one. No p values:
    after allocation by chance every difference is chance, and a test of it answers no question.
    """
    people = panel.people
    if people is None:
        raise ValueError("this panel has no people")
    own = people.iloc[data.who]
    values: list[tuple[str, Floats, bool]] = []
    if "sex" in own and own["sex"].astype(str).isin(["1", "2"]).any():
        sex = own["sex"].astype(str)
        values.append(("women", np.where(sex.isin(["1", "2"]), (sex == "2").astype(float), np.nan), True))
    if "age" in own:
        values.append(("age in years", own["age"].to_numpy(dtype=float, na_value=np.nan), False))
    title = panel.outcome(outcome).title
    values.append((f"{title}, year before", data.before, False))
    values.append(
        (f"any {title}, year before", np.where(np.isfinite(data.before), (data.before > 0).astype(float), np.nan), True)
    )
    rows = []
    for name, x, share in values:
        means, spreads, sums = [], [], []
        for service in (0, 1):
            arm = x[data.arm(service) & np.isfinite(x)]
            sums.append(min(float(arm.sum()), len(arm)))
            means.append(float(arm.mean()) if len(arm) else math.nan)
            spreads.append(float(arm.std(ddof=1)) if len(arm) > 1 else math.nan)
        pooled = math.sqrt(np.mean(np.square(spreads))) if np.isfinite(spreads).all() else math.nan
        for service, arm_name in enumerate(ARMS):
            known = data.arm(service) & np.isfinite(x)
            rows.append({
                "characteristic": name, "arm": arm_name, "people": int(known.sum()),
                "with_it": int(x[known].sum()) if share else pd.NA, "share": means[service] if share else math.nan,
                "mean": math.nan if share else means[service], "sd": math.nan if share else spreads[service],
                "least": round(min((s for s in sums if s > 0), default=0.0)), "difference": (means[1] - means[0]) / pooled if service and pooled else math.nan,
            })  # fmt: skip
    table = pd.DataFrame(rows)
    table["with_it"] = table["with_it"].astype("Int64")
    return table
