"""Does a site's activity begin, end, jump or fade as records do when providers merge or send late? docs/methods/volume.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from aaot_eval.checks import CHECKS
from aaot_eval.checks._sites import cannot
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._cohorts import Floats
from aaot_eval.results import BESIDE, Analysis, CheckResult, Design, Estimate, Panel

NAME = "volume"
#: The widest count there is; emergencies of all kinds hardly react to a service for a few people.
COUNTS = ("emergency", "non_alcohol_emergency")
WINDOW, LAST, LAST_AGAINST = 6, (1, 2, 3), 12
JUMP = 1.25
"""A site's volume, relative to the other sites, changes by more than this factor, or falls below its inverse."""
TIMES_SPREAD = 5.0
"""And by so many times the usual spread of such changes: with 14 sites and 60 months there are some hundred of them."""
LEAST_MISSED = 10.0
"""Months without any emergency at an end are a hole when at the site's own rate so many would have been expected in them."""
MOST_TOLD = 3
"""Sites that the sentence names; the table has them all."""
LEAST_COUNT = 20.0
"""Sites with fewer emergencies a month are not judged by jumps."""


@dataclass(frozen=True)
class _Change:
    unit: str
    period: str
    kind: str
    factor: float

    def words(self) -> str:
        size = f"{abs(self.factor - 1):.0%} {'more' if self.factor > 1 else 'fewer'} emergencies"
        if self.kind == "end":
            return f"{self.unit} has {size} from {self.period} to the end of the data than in the year before, relative to the other sites"
        return f"{self.unit} has {size} from {self.period} on than before, relative to the other sites"


@CHECKS.register(NAME)
class Volume:
    """All emergencies of each site relative to the other sites: holes at an end, jumps to another level, months that fade out."""

    designs: ClassVar[tuple[Design, ...]] = ("sites",)

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """Fails when a site begins, ends or jumps inside the data, or when its newest months look incomplete."""
        count = next((c for c in COUNTS if c in panel.cells and c != analysis.outcome), None)
        units = [str(u) for u in panel.units.index if panel.units.loc[u, "group"] != BESIDE]
        if count is None or panel.frequency != "month":
            return cannot(NAME, analysis, "the data hold no monthly emergencies of all kinds")
        if len(units) < 4 or len(panel.periods) < LAST_AGAINST + 2 * WINDOW:
            return cannot(NAME, analysis, "there are fewer than 4 sites or 24 months")
        rows = panel.units.index.get_indexer(pd.Index(units))
        kept = ~panel.periods["left_out"].to_numpy(dtype=bool)
        if "in_part" in panel.cells:
            kept &= ~panel.matrix("in_part").astype(bool).any(axis=0)
        values = np.nan_to_num(pd.DataFrame(panel.matrix(count)[rows]).to_numpy(dtype=float))[:, kept]
        exposure = pd.DataFrame(panel.matrix("exposure")[rows]).to_numpy(dtype=float)[:, kept]
        labels = panel.periods["label"].astype(str).to_numpy()[kept]
        found = changes(values, exposure, units, labels)
        return CheckResult(
            check=NAME,
            analysis=analysis.name,
            verdict="fail" if found else "pass",
            sentence=_sentence(found),
            statistic=float(len(found)),
            value_name="sites with a break in their volume",
            threshold=f"a hole at either end, or a change by more than {JUMP - 1:.0%} and {TIMES_SPREAD:g} times the usual spread",
            table=pd.DataFrame([{"unit": c.unit, "period": c.period, "kind": c.kind, "factor": c.factor} for c in found], columns=["unit", "period", "kind", "factor"]),
        )  # fmt: skip


def changes(values: Floats, exposure: Floats, units: list[str], labels: np.ndarray) -> list[_Change]:
    """At most one break for each site: a hole at an end, else fading last months, else the largest jump."""
    level = np.log(values + 0.5) - np.log(exposure)
    level = level - np.median(level, axis=0)
    noise = 1 / np.sqrt(np.maximum(values.mean(axis=1), 0.5))
    found: list[_Change] = []
    for row, unit in enumerate(units):
        hole = _hole(values[row])
        if hole is not None:
            found.append(_Change(unit, str(labels[hole]), "hole", 0.0))
        elif values[row].mean() >= LEAST_COUNT:
            change = _fading(level, noise, row, unit, labels) or _jump(level, noise, row, unit, labels)
            found += [change] if change else []
    return found


def _hole(counts: Floats) -> int | None:
    """The first month of a run of empty months at either end that is too long for chance; None when there is none."""
    some = np.flatnonzero(counts > 0)
    if not len(some):
        return None
    rate = counts[some[0] : some[-1] + 1].mean()
    runs = ((some[-1] + 1, len(counts) - 1 - some[-1]), (0, some[0]))
    return next((int(at) for at, months in runs if rate * months >= LEAST_MISSED), None)


def _jump(level: Floats, noise: Floats, row: int, unit: str, labels: np.ndarray) -> _Change | None:
    """The largest change of a site's level between two neighbouring half-years."""
    splits = np.arange(WINDOW, level.shape[1] - WINDOW + 1)
    steps = np.stack([level[:, s : s + WINDOW].mean(axis=1) - level[:, s - WINDOW : s].mean(axis=1) for s in splits])
    spread = np.maximum(_spread(steps, axis=1), _spread(steps.reshape(-1), axis=0))
    spread = np.maximum(spread, noise[row] * np.sqrt(2 / WINDOW))
    at = int((np.abs(steps[:, row]) / spread).argmax())
    return _named(steps[at, row], spread[at], unit, labels[splits[at]], "jump")


def _fading(level: Floats, noise: Floats, row: int, unit: str, labels: np.ndarray) -> _Change | None:
    """The last one, two or three months against the year before them."""
    n = level.shape[1]
    for last in reversed(LAST):
        ends = np.arange(LAST_AGAINST + last, n + 1)
        steps = np.stack(
            [level[:, e - last : e].mean(axis=1) - level[:, e - last - LAST_AGAINST : e - last].mean(axis=1) for e in ends]
        )  # fmt: skip
        spread = max(float(_spread(steps[:-1].reshape(-1), axis=0)), float(noise[row] * np.sqrt(1 / last)))
        change = _named(steps[-1, row], spread, unit, labels[n - last], "end")
        if change and change.factor < 1:
            return change
    return None


def _spread(steps: Floats, axis: int) -> Floats:
    """The spread of ordinary changes, which single breaks do not move: 1.4826 times the median size."""
    return np.asarray(1.4826 * np.median(np.abs(steps), axis=axis), dtype=float)


def _named(step: float, spread: float, unit: str, label: str, kind: str) -> _Change | None:
    large = abs(step) > np.log(JUMP) and abs(step) > TIMES_SPREAD * spread
    return _Change(unit, str(label), kind, float(np.exp(step))) if large else None


def _sentence(found: list[_Change]) -> str:
    if not found:
        return "No site begins, ends or jumps in its volume of all emergencies, and the newest months are as full as the ones before."
    holes: dict[str, list[str]] = {}
    for change in found:
        if change.kind == "hole":
            holes.setdefault(change.period, []).append(change.unit)
    parts = [
        f"{_listed(units)} {'has' if len(units) == 1 else 'have'} no emergency at all in months from {period} on, with some before or after"
        for period, units in holes.items()
    ]
    others = [c for c in found if c.kind != "hole"]
    parts += [c.words() for c in others[:MOST_TOLD]]
    more = len(others) - MOST_TOLD
    if more > 0:
        parts.append(
            "1 more site has a break of its own" if more == 1 else f"{more} more sites have breaks of their own"
        )
    return f"{'; '.join(parts)}: it looks as if records had moved or were still missing."


def _listed(units: list[str]) -> str:
    if len(units) <= MOST_TOLD:
        return ", ".join(units)
    return f"{len(units)} sites ({', '.join(units[:MOST_TOLD])} and {len(units) - MOST_TOLD} more)"
