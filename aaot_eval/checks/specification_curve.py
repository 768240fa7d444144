"""The same question under every choice that could have been made beforehand. docs/methods/specification_curve.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS
from aaot_eval.checks._choices import PANDEMIC, counted_otherwise, touches_pandemic
from aaot_eval.checks._sites import cannot
from aaot_eval.checks._variants import TREATMENTS, Designed, designed
from aaot_eval.estimators import Estimator
from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators._site_fit import changes, fit_sites
from aaot_eval.estimators._sites import Floats, SiteData, site_data, site_objections
from aaot_eval.estimators.site_did import SiteDid
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel
from aaot_eval.wording import p_text

NAME = "specification_curve"
SAME_SIDE = 0.9
"""Fewer than this share of the variants on the claimed side warns, fewer than half of them fails."""
STATISTICS = ("mean of sites", "two-way coefficient", "Poisson coefficient")
MOST_REFITS = 500
"""With more assignments and several start dates the Poisson variants are left out: their refits take too long."""


@dataclass(frozen=True)
class Choice:
    """One variant: `before` and `after` in periods (None = all there are), `phase_in`, `outcome`, pandemic months in or out."""

    outcome: str
    phase_in: int
    before: int | None
    after: int | None
    pandemic: bool

    def panel(self, panel: Panel) -> Panel:
        """The panel with the periods outside the choice left out; windows are counted from the first and last start."""
        start = panel.units.loc[panel.treated_units, "start_t"].astype(int)
        t, periods = np.arange(len(panel.periods)), panel.periods
        out = periods["left_out"].to_numpy(dtype=bool).copy()
        if self.before is not None:
            out |= t < int(start.min()) - self.before
        if self.after is not None:
            out |= t >= int(start.max()) + self.phase_in + self.after
        if not self.pandemic:
            out |= periods["label"].between(*PANDEMIC).to_numpy()
        return replace(panel, periods=periods.assign(left_out=out))


def choices(panel: Panel, analysis: Analysis, estimator: SiteDid) -> list[Choice]:
    """Every variant, the declared one first: two phase-ins, two pasts, two follow-ups, the pandemic, outcomes counted in other ways.

    The list depends on periods, starts and names of outcomes, never on a count.
    """
    year = panel.season_length
    quarter = max(1, year // 4)
    named = {o.name for o in panel.outcomes}
    other = [n for n in counted_otherwise(panel, analysis, people=False) if n in named]
    outcomes = [analysis.outcome, *other]
    phases = list(dict.fromkeys([estimator.phase_in, 0, estimator.phase_in + quarter]))
    inside = touches_pandemic(panel)
    found = product(outcomes, phases, (None, 2 * year), (None, year), (True, False) if inside else (True,))
    return [Choice(*c) for c in found]


@CHECKS.register(NAME)
class SpecificationCurve:
    """The comparison under all variants fixed beforehand: how many lie on each side of no effect, and over sites a joint p."""

    designs: ClassVar[tuple[Design, ...]] = (
        "sites", "series", "controlled_series", "entry_rule", "own_cohorts", "risk_set", "trial",
    )  # fmt: skip

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """The table of variants; warns or fails when a claimed direction is that of a few of them, and never makes one."""
        variants = designed(estimator, panel, analysis, seed)
        if variants is not None:
            return _of_variants(variants, analysis, estimate)
        if not isinstance(estimator, SiteDid):
            return cannot(NAME, analysis, "the primary is not a comparison of sites with variants")
        curve = Curve.of(estimator, panel, analysis, seed)
        if len(curve.rows) < 2:
            return cannot(NAME, analysis, "only the declared variant can be estimated")
        table, ratio = curve.table(), estimate.null == 1.0
        effects = np.log(table["estimate"]) if ratio else table["estimate"]
        below, above, total = int((effects < 0).sum()), int((effects > 0).sum()), len(table)
        small = int((table["p_value"] <= 1.0 - estimate.conf_level + ri.TIE).sum())
        verdict, meaning = _judge(estimate, below, above, total)
        joint = curve.joint_p()
        least = (
            ""
            if math.isnan(joint)
            else f"; the median of all of them ranks at {p_text(joint)} among all assignments of starts"
        )
        return CheckResult(
            NAME, analysis.name, verdict,
            f"Of {total} variants of the estimate fixed before looking (phase-in, past, follow-up, statistic and the like) {below} lie below "
            f"and {above} above no effect, {small} with p at most {1.0 - estimate.conf_level:.2g}{least}; {meaning}.",
            statistic=float(np.median(table["estimate"])), value_name="median over the variants",
            threshold=f"at least {SAME_SIDE:.0%} on the claimed side", p_value=joint, table=table,
            facts={"table": NAME, "below": below, "above": above, "variants": total},
        )  # fmt: skip


def _of_variants(variants: Designed, analysis: Analysis, estimate: Estimate) -> CheckResult:
    """The same for another design; it can warn of a claim that leans on a choice, and never fails one."""
    table = variants.table()
    if len(table) < 2:
        return cannot(NAME, analysis, "only the declared variant can be estimated")
    below, above, total = (
        int((table["estimate"] < estimate.null).sum()),
        int((table["estimate"] > estimate.null).sum()),
        len(table),
    )
    small = int((table["p_value"] <= 1.0 - estimate.conf_level).sum())
    verdict, meaning = _judge(estimate, below, above, total)
    gone = _gone_with_pandemic(table, estimate)
    if gone:
        verdict, meaning = "warn", gone
    missing = table.attrs.pop("not_fitted", [])
    if missing:
        meaning += f"; could not be fitted: {', '.join(missing)}"
    return CheckResult(
        NAME, analysis.name, "warn" if verdict == "fail" else verdict,
        f"Of {total} variants of the estimate fixed before looking ({variants.words}) {below} lie below "
        f"and {above} above no effect, {small} with p at most {1.0 - estimate.conf_level:.2g}; {meaning}.",
        statistic=float(np.median(table["estimate"])), value_name="median over the variants",
        threshold=f"at least {SAME_SIDE:.0%} on the claimed side", table=table,
        facts={"table": NAME, "below": below, "above": above, "variants": total},
    )  # fmt: skip


def _gone_with_pandemic(table: pd.DataFrame, estimate: Estimate) -> str:
    """What a claim about a series turns into where the months of the pandemic are treated otherwise; empty when it stays.

    Only the declared variant with nothing else changed: a shift of that size at that time is a rival reason and no matter of taste.
    """
    if estimate.direction == "unclear" or estimate.design not in ("series", "controlled_series"):
        return ""
    declared = table[table["declared"]].iloc[0]
    alike = (table["method"] == declared["method"]) & (table["phase_in"] == declared["phase_in"])
    alike &= (table["outcome"] == declared["outcome"]) & (table["pandemic"] != "in")
    alpha = 1.0 - estimate.conf_level
    other = table["estimate"] > estimate.null if estimate.direction == "lower" else table["estimate"] < estimate.null
    gone = table[alike & ((table["p_value"] > alpha) | other)]
    said = [f"with {TREATMENTS[r.pandemic]} it reads {r.estimate:.2f} ({p_text(r.p_value)})" for r in gone.itertuples()]
    return f"the claim does not stand however the pandemic is treated: {' and '.join(said)}" if said else ""


@dataclass(frozen=True)
class Curve:
    """The variants that could be estimated: choice, statistic, effect (log for a ratio), p and the effect under every assignment."""

    rows: tuple[tuple[Choice, str, float, float, Floats], ...]
    declared: Choice
    ratio: bool
    real: int

    @staticmethod
    def of(estimator: SiteDid, panel: Panel, analysis: Analysis, seed: int) -> Curve:
        """Fits every variant that has sites enough."""
        wanted = choices(panel, analysis, estimator)
        settings: dict[str, Any] = {"least_before": estimator.least_before, "least_after": estimator.least_after,
                                    "scale": estimator.scale}  # fmt: skip
        rows: list[tuple[Choice, str, float, float, Floats]] = []
        ratio, real = True, 0
        for choice in wanted:
            part = choice.panel(panel)
            if site_objections(part, choice.outcome, phase_in=choice.phase_in, **settings):
                continue
            data = site_data(part, choice.outcome, phase_in=choice.phase_in, **settings)
            if choice == wanted[0]:
                ratio = data.scale == "log"
            if (data.scale == "log") != ratio:
                continue
            fit = fit_sites(data, seed)
            real = fit.ways.real
            rows += [(choice, *found) for found in _statistics(data, fit.ways, fit.effect, fit.p_value)]
        return Curve(tuple(rows), wanted[0], ratio, real)

    def table(self) -> pd.DataFrame:
        """One row a variant, the lowest estimate first."""
        show = math.exp if self.ratio else float
        table = pd.DataFrame(
            [
                {
                    "outcome": c.outcome, "method": name, "phase_in": c.phase_in, "before": "all" if c.before is None else str(c.before),
                    "after": "all" if c.after is None else str(c.after), "pandemic": "in" if c.pandemic else "out",
                    "estimate": show(effect), "p_value": p, "declared": c == self.declared and name == STATISTICS[0],
                }
                for c, name, effect, p, _ in self.rows
            ]
        )  # fmt: skip
        return table.sort_values("estimate", kind="stable", ignore_index=True)

    def joint_p(self) -> float:
        """p of the median over the variants among all assignments; NaN when variants do not share their sites."""
        sizes = {len(every) for *_, every in self.rows}
        if len(sizes) != 1:
            return math.nan
        every = np.vstack([every for *_, every in self.rows])
        return ri.p_value(np.median(every, axis=0), self.real)


def _statistics(
    data: SiteData, ways: ri.Assignments, effect: float, p: float
) -> Iterator[tuple[str, float, float, Floats]]:
    """(name, effect, p, effect under every assignment) of the statistics that the data allow."""
    if math.isfinite(effect):
        yield STATISTICS[0], effect, p, ways.contrast(changes(data, ways))
    log = data.scale == "log"
    if not (log and (data.values <= 0).any()):
        rate = data.values / data.exposure
        model = ri.TwoWay.of(ways, data.n_periods, data.phase_in)
        every = model.coefficients(np.asarray(np.log(rate) if log else rate), ways)
        yield STATISTICS[1], float(every[ways.real]), ri.p_value(every, ways.real), every
    if log and ri.separable(data.exposure) and (len(ways.starts) == 1 or len(ways.rows) <= MOST_REFITS):
        every = ri.poisson_coefficients(data.values, ways, data.phase_in)
        if math.isfinite(float(every[ways.real])):
            yield STATISTICS[2], float(every[ways.real]), ri.p_value(every, ways.real), every


def _judge(estimate: Estimate, below: int, above: int, total: int) -> tuple[CheckVerdict, str]:
    """A claim needs most variants on its side; where none is claimed, no number of variants makes one."""
    if estimate.direction == "unclear":
        return (
            "pass",
            "the declared one claims no direction, and agreement of variants of the same data is no second proof",
        )
    share = (below if estimate.direction == "lower" else above) / total
    if share < 0.5:
        return "fail", "the claim is that of the minority of them"
    if share < SAME_SIDE:
        return "warn", "the claim leans on the choice"
    return (
        "pass",
        "the direction does not hang on the choice; agreement of variants of the same data is no second proof",
    )
