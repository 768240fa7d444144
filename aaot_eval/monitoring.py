"""Month by month: an XmR control chart of the hospitals with the service, its limits held from before the start.

A signal says that a month does not look like those before the service; it does not say why. Formulae, sources, and how often
the rules are met by chance: docs/methods/control_chart.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aaot_eval.config import RebaseConfig
from aaot_eval.errors import counted
from aaot_eval.results import OutcomeSpec, Panel

#: Limits lie so many mean moving ranges from the centre: 3 standard deviations, of which a mean range of two is 1.128.
LIMIT = 2.66
#: "Near a limit" begins at two thirds of that.
NEAR = LIMIT * 2 / 3
#: A moving range beyond so many mean ranges is left out of the mean once (Nelson 1982).
RANGE_SCREEN = 3.267
#: So many months on one side of the centre, or all rising or all falling, are a signal.
RUN = 7
#: Limits come from at most so many months: two of every calendar month.
BASELINE = 24
#: Limits from fewer months are called trial limits; from fewer than the second there are none.
SETTLED, LEAST = 12, 6
#: Below so many admissions in the middle month of a baseline, counts are too skewed for limits on both sides.
LEAST_LEVEL = 5

Rule = Literal["outside", "two_of_three", "shift", "trend"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The centre line and limits of an XmR chart, in the units of the values; `points` months made them."""

    centre: float
    lower: float
    upper: float
    points: int


@dataclass(frozen=True, slots=True)
class Signal:
    """What the rules say of one month: those met, the side, and whether it was not there the month before."""

    rules: tuple[Rule, ...]
    direction: Literal["lower", "higher"]
    new: bool


@dataclass(frozen=True)
class Monitoring:
    """The chart of one run: `table` as the release table `control_chart` (empty when there is none), and `facts` for the page.

    `facts`: `made`, `why` (when not), `outcome`, `outcome_title`; when made also `limits` (for each set of them `from` and `to`, the
    months that made it, `applies_from`, `kind`, `months`, `met_a_rule` (how many of these did), `by`, `why`), `waiting` (rebases
    not made, with `why`) and `newest` (`period`, `rules`, `direction`, `new`, `not_judged`: first and last of the months after it,
    which have no count of every unit). Months are counted in it, people and admissions are not.
    """

    table: pd.DataFrame
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Months `begin` up to, not including, `end` that one set of limits judges, and the months `made_from` that made it."""

    begin: int
    end: int
    made_from: NDArray[np.int64]
    rebase: RebaseConfig | None = None


def xmr_limits(values: NDArray[np.float64]) -> Limits:
    """Centre and limits from successive months; NaN is a month without a count, and only neighbours make a moving range.

    Mean and mean moving range as Shewhart's chart of individual values has them; ValueError without two neighbours.
    """
    ranges = np.abs(np.diff(values))
    ranges = ranges[np.isfinite(ranges)]
    if not len(ranges):
        raise ValueError("limits need two months one after the other")
    kept = ranges[ranges <= RANGE_SCREEN * ranges.mean()]
    centre, half = float(np.nanmean(values)), LIMIT * float(kept.mean())
    return Limits(centre, centre - half, centre + half, int(np.isfinite(values).sum()))


def judge(values: NDArray[np.float64], limits: Limits) -> list[Signal | None]:
    """What the rules say of each month from those up to it, so that a later month never changes an earlier judgement.

    A month without a count (NaN) ends every run, and a month on the centre line is on neither side of it.
    """
    side = np.sign(values - limits.centre)
    outside = (values > limits.upper) | (values < limits.lower)
    near = (np.abs(values - limits.centre) > (limits.upper - limits.centre) * NEAR / LIMIT) & ~outside
    found: list[Signal | None] = []
    for t in range(len(values)):
        rules: list[Rule] = ["outside"] if outside[t] else []
        if t >= 2 and near[t - 2 : t + 1].sum() >= 2 and abs(side[t - 2 : t + 1].sum()) == 3:
            rules.append("two_of_three")
        if t >= RUN - 1:
            if abs(side[t - RUN + 1 : t + 1].sum()) == RUN:
                rules.append("shift")
            if abs(np.sign(np.diff(values[t - RUN + 1 : t + 1])).sum()) == RUN - 1:
                rules.append("trend")
        if not rules:
            found.append(None)
            continue
        up = values[t] > values[t - 1] if rules[0] == "trend" else side[t] > 0
        before = found[t - 1] if t else None
        new = "outside" in rules or not set(rules) <= set(before.rules if before else ())
        found.append(Signal(tuple(rules), "higher" if up else "lower", new))
    return found


def monitor(panel: Panel, outcome: str, rebases: Sequence[RebaseConfig] = ()) -> Monitoring:
    """The chart of `outcome` at the treated units together; of the first counted outcome where that one is no count.

    The limits come from the months before the first start and stand still; each of `rebases` begins new ones. Where no chart can
    be made, `facts` say why.
    """
    spec = _counted(panel, outcome)
    if spec is None:
        return _none("the run has no outcome that is counted")
    units = panel.treated_units
    if not units:
        return _none("no unit starts in these data", spec)
    if panel.frequency != "month" or (np.diff(panel.periods["clock"]) != 1).any():
        return _none(
            f"the data are {'not month after month' if panel.frequency == 'month' else f'by {panel.frequency}'}", spec
        )
    start = int(min(panel.units.loc[units, "start_t"]))
    frame = _together(panel, units, spec.name, start)
    values = frame["observed"].where(frame["phase"].isin(("before", "after"))).to_numpy(dtype=float)
    before = np.flatnonzero(np.isfinite(values[:start]))[-BASELINE:]
    if why := _unfit(values, before):
        return _none(why, spec)
    stretches, waiting = _stretches(values, before, list(frame["period"]), rebases)
    told = []
    for stretch in stretches:
        limits = xmr_limits(values[stretch.made_from[0] : stretch.made_from[-1] + 1])
        _judged(frame, values, stretch, limits)
        told.append(_told(frame, stretch, limits))
    return Monitoring(
        frame, {**_facts(spec), "made": True, "limits": told, "waiting": waiting, "newest": _newest(frame)}
    )


def _counted(panel: Panel, outcome: str) -> OutcomeSpec | None:
    """The outcome of that name when it is a count by unit, else the first that is."""
    counts = [s for s in panel.outcomes if s.kind == "count" and s.name in panel.cells]
    return next((s for s in counts if s.name == outcome), counts[0] if counts else None)


def _facts(spec: OutcomeSpec | None) -> dict[str, Any]:
    return {"outcome": spec.name, "outcome_title": spec.title} if spec else {}


def _none(why: str, spec: OutcomeSpec | None = None) -> Monitoring:
    return Monitoring(pd.DataFrame(), {**_facts(spec), "made": False, "why": why})


def _together(panel: Panel, units: Sequence[str], outcome: str, start: int) -> pd.DataFrame:
    """The units added up, one row a month; a month in which one of them is missing has no count."""
    rows = panel.units.index.get_indexer(pd.Index(units))
    missing = np.asarray(panel.matrix("missing")[rows].astype(bool).any(axis=0))
    people = f"{outcome}_persons"
    persons = panel.matrix(people)[rows].sum(axis=0) if people in panel.cells else np.full(len(missing), np.nan)
    left_out = panel.periods["left_out"].to_numpy(dtype=bool)
    t = np.arange(len(missing))
    phase = np.select([missing, left_out, t < start], ["missing", "left_out", "before"], "after")
    return pd.DataFrame(
        {
            "outcome": outcome,
            "t": t,
            "period": panel.periods["label"].to_numpy(),
            "phase": phase,
            "persons": pd.array(np.where(missing, np.nan, persons), dtype="Float64").astype("Int64"),
            "observed": np.where(missing, np.nan, panel.matrix(outcome)[rows].astype(float).sum(axis=0)),
            "centre": np.nan,
            "lower": np.nan,
            "upper": np.nan,
            "limits": "",
            "rules": "",
            "direction": "",
            "new": "",
        }
    )


def _unfit(values: NDArray[np.float64], made_from: NDArray[np.int64]) -> str:
    """Why months make no limits; empty when they do."""
    if len(made_from) < LEAST:
        return f"only {counted(len(made_from), 'usable month')} can make limits, and {LEAST} are needed"
    own = values[made_from[0] : made_from[-1] + 1]
    if np.nanmedian(own) < LEAST_LEVEL:
        return (
            f"half of the months they would be made from have fewer than {LEAST_LEVEL}: limits for so few would mislead"
        )
    ranges = np.abs(np.diff(own))
    if not (ranges[np.isfinite(ranges)] > 0).any():
        return "the months they would be made from do not vary from one to the next"
    return ""


def _stretches(
    values: NDArray[np.float64], before: NDArray[np.int64], labels: Sequence[str], rebases: Sequence[RebaseConfig]
) -> tuple[list[_Stretch], list[dict[str, str]]]:
    """The baseline's limits, then those of each rebase once enough months are there to make them; and the rebases not made, with why."""
    found, waiting = [_Stretch(int(before[0]), len(values), before)], []
    for rebase in sorted(rebases, key=lambda r: r.period):
        first = labels.index(rebase.period) if rebase.period in labels else -1
        made_from = first + np.flatnonzero(np.isfinite(values[first:]))[:SETTLED]
        if first <= found[-1].begin:
            why = f"new limits can begin from {labels[found[-1].begin + 1]} to {labels[-1]} here, and this month is not among these"
        else:
            why = _unfit(values, made_from)
        if why:
            waiting.append({"period": rebase.period, "why": why})
            continue
        found[-1] = replace(found[-1], end=first)
        found.append(_Stretch(first, len(values), made_from, rebase))
    return found, waiting


def _judged(frame: pd.DataFrame, values: NDArray[np.float64], stretch: _Stretch, limits: Limits) -> None:
    """Writes limits and signals of a stretch into its rows."""
    rows = frame.index[stretch.begin : stretch.end]
    frame.loc[rows, ["centre", "lower", "upper"]] = limits.centre, max(limits.lower, 0.0), limits.upper
    frame.loc[rows, "limits"] = _kind(limits)
    for row, signal in zip(rows, judge(values[stretch.begin : stretch.end], limits), strict=True):
        if signal is not None:
            said = ", ".join(signal.rules), signal.direction, "yes" if signal.new else "no"
            frame.loc[row, ["rules", "direction", "new"]] = said


def _kind(limits: Limits) -> str:
    return "frozen" if limits.points >= SETTLED else "trial"


def _told(frame: pd.DataFrame, stretch: _Stretch, limits: Limits) -> dict[str, Any]:
    rebase, periods = stretch.rebase, frame["period"]
    return {
        "applies_from": str(periods.iloc[stretch.begin]),
        "from": str(periods.iloc[stretch.made_from[0]]),
        "to": str(periods.iloc[stretch.made_from[-1]]),
        "kind": _kind(limits),
        "months": limits.points,
        "met_a_rule": int((frame["rules"].iloc[stretch.made_from] != "").sum()),
        **({"by": rebase.by, "why": rebase.why} if rebase else {}),
    }


def _newest(frame: pd.DataFrame) -> dict[str, Any]:
    """The newest month that is judged, and what the rules say of it."""
    place = int(np.flatnonzero(frame["phase"].isin(("before", "after")))[-1])
    row, later = frame.iloc[place], [str(p) for p in frame["period"].iloc[place + 1 :]]
    rules = [r for r in str(row["rules"]).split(", ") if r]
    return {
        "period": str(row["period"]),
        "rules": rules,
        "direction": str(row["direction"]),
        "new": row["new"] == "yes",
        "not_judged": [later[0], later[-1]] if later else [],
    }
