"""Is AAOT the better use of the money: net benefit, plane, acceptability and value of information, and that both routes agree.

One set of worlds: the draws of the saving and of the outcome. Formulae: docs/methods/net_benefit.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from aaot_eval.costs.draws import percentiles
from aaot_eval.costs.ladder import SITES
from aaot_eval.costs.net_benefit import Options, incremental_ratio, quadrants
from aaot_eval.costs.outcome import Outcome
from aaot_eval.costs.plane import contour
from aaot_eval.costs.savings import Money
from aaot_eval.errors import NotIdentifiedError, Problem
from aaot_eval.incremental import chosen, incremental_ladder
from aaot_eval.results import Verdict

USUAL, AAOT = "care as usual", "AAOT"
CURVE_STEPS = 40
CONTOURS = (0.5, 0.95)
HALF_A_PENNY = 0.005
COST_EFFECTIVENESS = (
    "outcome", "unit", "effect", "effect_low", "effect_high", "cost", "cost_low", "cost_high", "ratio", "place", "words",
    "basis", "status", "label",
)  # fmt: skip
NET_BENEFIT = (
    "order", "threshold", "net_benefit", "net_low", "net_high", "p_aaot", "expected_loss", "evpi", "choice", "reading",
)  # fmt: skip
ACCEPTABILITY = ("order", "threshold", "p_usual", "p_aaot", "frontier", "p_frontier", "evpi")
PLANE = ("order", "kind", "name", "share", "effect", "cost")
INFORMATION = ("order", "threshold", "parameter", "evppi", "share_of_evpi")
BETTER, BY_FIGURES, USUAL_BETTER, CANNOT = (
    "AAOT is the better use of the money",
    "by the figures AAOT is the better use of the money, but the effect behind it is in doubt",
    "care as usual is the better use of the money",
    "cannot tell",
)


def decision_tables(outcome: Outcome | None, best: Money | None, effect: Verdict) -> dict[str, pd.DataFrame]:
    """The release tables cost_effectiveness, net_benefit, acceptability, ce_plane, value_of_information.

    No tables when no outcome was asked for; without draws of both saving and outcome only the first has a row, which says
    why. Raises NotIdentifiedError (C160) when net benefit and ladder choose differently.
    """
    if outcome is None:
        return {}
    tables = {
        "cost_effectiveness": pd.DataFrame([_summary(outcome, best)], columns=list(COST_EFFECTIVENESS)),
        "net_benefit": pd.DataFrame(columns=list(NET_BENEFIT)),
        "acceptability": pd.DataFrame(columns=list(ACCEPTABILITY)),
        "ce_plane": pd.DataFrame(columns=list(PLANE)),
        "value_of_information": pd.DataFrame(columns=list(INFORMATION)),
    }
    if best is None or best.loop is None or outcome.draws is None:
        return tables
    worlds = options_of(best, outcome)
    curve = curve_values(outcome, best)
    tables |= {
        "net_benefit": _net_benefit(worlds, outcome, best, effect),
        "acceptability": _acceptability(worlds, curve),
        "ce_plane": _plane(worlds, outcome, best),
        "value_of_information": _information(worlds, outcome, best),
    }
    return tables


def options_of(best: Money, outcome: Outcome) -> Options:
    """Care as usual (0, 0) and AAOT (minus the saving, outcome gained) in every world of the loop."""
    if best.loop is None or outcome.draws is None:
        raise ValueError("there are no draws to compare")
    nothing = np.zeros_like(best.loop.saving)
    return Options.of({USUAL: nothing, AAOT: -best.loop.saving}, {USUAL: nothing, AAOT: outcome.draws})


def curve_values(outcome: Outcome, best: Money) -> np.ndarray:
    """The values of one unit at which the curve is worked out: 0 to twice the highest threshold.

    Without thresholds to a round number at three times the value at which the estimate breaks even, or, where there is none,
    three times the saving's distance from zero for each unit. The thresholds themselves are among the values.
    """
    if outcome.thresholds:
        most = 2 * max(outcome.thresholds)
    else:
        size = max(abs(best.saving), abs(best.saving_low), abs(best.saving_high))
        worth = 3 * size / abs(outcome.point) if outcome.point else 10_000.0
        most = _round_up(worth)
    return np.unique([*np.linspace(0, most, CURVE_STEPS + 1), *outcome.thresholds])


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10 ... at or above a value; at least 10."""
    value = max(value, 10.0)
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= value)


def net_benefit_reading(effect: str, rung: int, low: float, high: float, *, doubted: bool) -> str:
    """What the interval of the net benefit means, never stronger than the answer on admissions allows.

    `effect` is the word of the effect verdict. The service is called the better use only with a claimed fall, a comparison
    between hospitals or better, and no failed check.
    """
    if effect in ("cannot_tell", "too_early", "no_estimate") or not (low > 0 or high < 0):
        return CANNOT
    if high < 0:
        return USUAL_BETTER
    if effect not in ("lower", "lower_but"):
        return CANNOT
    return BETTER if effect == "lower" and rung <= SITES and not doubted else BY_FIGURES


def _summary(outcome: Outcome, best: Money | None) -> tuple[object, ...]:
    head = (outcome.kind, outcome.unit, outcome.point, outcome.low, outcome.high)
    tail = (outcome.basis, outcome.status, outcome.label)
    if best is None or best.loop is None:
        return (*head, *[math.nan] * 4, "", "", *tail)
    cost = (-best.saving, -best.saving_high, -best.saving_low)
    if math.isnan(outcome.point):
        return (*head, *cost, math.nan, "", "", *tail)
    ratio = incremental_ratio(-best.saving, outcome.point)
    words = f"at the estimates {_ratio_words(ratio.ratio, ratio.words, outcome)}{_share(ratio.place, best, outcome)}"
    return (*head, *cost, ratio.ratio, ratio.place, words, *tail)


def _share(place: str, best: Money, outcome: Outcome) -> str:
    """How many of the draws lie where the estimates do: a point on the plane is no finding."""
    if best.loop is None or outcome.draws is None:
        return "; no interval, so no share of draws"
    quadrant = {"dominant": "costs less, better outcome", "dominated": "costs more, worse outcome"}.get(place, place)
    shares = quadrants(-best.loop.saving, outcome.draws)
    return f"; {100 * shares[quadrant]:.0f} % of draws lie there" if quadrant in shares else ""


def _ratio_words(ratio: float, words: str, outcome: Outcome) -> str:
    if math.isnan(ratio) or ratio == 0:
        return words
    return words.replace("each unit gained", f"each {outcome.unit}").replace(
        "each unit given up", f"each {outcome.unit.replace(' gained', '').replace(' avoided', '')} given up"
    )


def _net_benefit(worlds: Options, outcome: Outcome, best: Money, effect: Verdict) -> pd.DataFrame:
    rows = []
    for i, value in enumerate(outcome.thresholds, start=1):
        draws = worlds.incremental(value, AAOT, USUAL)
        low, high = percentiles(draws, best.level)
        reading = net_benefit_reading(effect.word, best.rung.rung, low, high, doubted=bool(best.rung.doubts))
        rows.append(
            (
                i,
                value,
                round(value * outcome.point + best.saving, 2),
                round(low, 2),
                round(high, 2),
                worlds.acceptability(value)[AAOT],
                round(worlds.expected_loss(value)[AAOT], 2),
                round(worlds.evpi(value), 2),
                worlds.best(value)[0],
                reading,
            )
        )
    return pd.DataFrame(rows, columns=list(NET_BENEFIT))


def _acceptability(worlds: Options, curve: np.ndarray) -> pd.DataFrame:
    rows = []
    for i, value in enumerate(map(float, curve), start=1):
        share, (label, p) = worlds.acceptability(value), worlds.frontier(value)
        rows.append((i, value, share[USUAL], share[AAOT], label, p, round(worlds.evpi(value), 2)))
    return pd.DataFrame(rows, columns=list(ACCEPTABILITY))


def _plane(worlds: Options, outcome: Outcome, best: Money) -> pd.DataFrame:
    cost, effect = worlds.cost[:, 1], worlds.effect[:, 1]
    rows: list[tuple[object, ...]] = [
        ("quadrant", name, share, math.nan, math.nan) for name, share in quadrants(cost, effect).items()
    ]
    rows.append(("estimate", "estimate", math.nan, outcome.point, -best.saving))
    for share in CONTOURS:
        for x, y in contour(effect, cost, share):
            rows.append(("contour", f"{100 * share:.0f} % of draws", share, float(x), float(y)))
    return pd.DataFrame([(i, *row) for i, row in enumerate(rows, start=1)], columns=list(PLANE))


def _information(worlds: Options, outcome: Outcome, best: Money) -> pd.DataFrame:
    """The value of knowing each parameter, at the thresholds; without any at 0, where the decision rests on cost alone."""
    if best.loop is None:
        return pd.DataFrame(columns=list(INFORMATION))
    parameters = {
        "effect": best.loop.effect,
        "unit costs": best.loop.price,
        "cost of the service": best.loop.programme,
    }
    if outcome.own and outcome.draws is not None:
        parameters["outcome"] = outcome.draws
    rows = []
    for value in outcome.thresholds or (0.0,):
        every = worlds.evpi(value)
        for name, draws in parameters.items():
            known = round(worlds.evppi(value, draws), 2)
            rows.append((value, name, known, min(1.0, known / every) if every > HALF_A_PENNY else math.nan))
        rows.append((value, "everything", round(every, 2), 1.0 if every > HALF_A_PENNY else math.nan))
    return pd.DataFrame([(i, *row) for i, row in enumerate(rows, start=1)], columns=list(INFORMATION))


def check_routes(best: Money | None, outcome: Outcome | None, steps: pd.DataFrame) -> None:
    """Asserts that net benefit and ladder choose alike, at the estimates and at the means of the draws.

    `steps` is the table cost_waterfall: the ladder takes its costs from there, the net benefit from the saving. Without an
    outcome the decision rests on cost alone. Raises NotIdentifiedError (C160).
    """
    if best is None or best.loop is None:
        return
    drawn = outcome is not None and outcome.draws is not None
    gained = outcome.point if outcome is not None and drawn else 0.0
    level, total = (float(steps[steps["kind"] == kind]["amount"].sum()) for kind in ("level", "total"))
    values = curve_values(outcome, best) if outcome is not None and drawn else np.array([0.0])
    usual, with_team = (level, total) if len(steps) else (0.0, -best.saving)
    assert_agree(
        {USUAL: (usual, 0.0), AAOT: (with_team, gained)},
        {USUAL: (0.0, 0.0), AAOT: (best.saving, gained)},
        values,
    )
    mean = float(best.loop.saving.mean())
    worlds = options_of(best, outcome) if outcome is not None and drawn else None
    on_ladder = {USUAL: (0.0, 0.0), AAOT: (-mean, 0.0)}
    if worlds is not None:
        columns = zip(worlds.labels, worlds.cost.mean(axis=0), worlds.effect.mean(axis=0), strict=True)
        on_ladder = {label: (float(c), float(e)) for label, c, e in columns}
    mean_gained = float(outcome.draws.mean()) if outcome is not None and outcome.draws is not None else 0.0
    assert_agree(on_ladder, {USUAL: (0.0, 0.0), AAOT: (mean, mean_gained)}, values)


def assert_agree(
    on_ladder: Mapping[str, tuple[float, float]],
    saved: Mapping[str, tuple[float, float]],
    values: Sequence[float] | np.ndarray,
) -> None:
    """Raises NotIdentifiedError (C160) unless the ladder's choice has the highest net benefit at every value.

    `on_ladder` holds (cost, outcome) by option, `saved` (saving over the reference, outcome). Half a penny is a tie.
    """
    ladder = incremental_ladder(on_ladder)
    for value in map(float, values):
        worth = {label: value * gained + saving for label, (saving, gained) in saved.items()}
        by_ladder = chosen(ladder, value)
        if max(worth.values()) - worth[by_ladder] > HALF_A_PENNY:
            by_worth = max(worth, key=lambda label: worth[label])
            raise NotIdentifiedError(
                Problem(
                    "C160",
                    f"at £{value:,.0f} for one unit of outcome the net benefit chooses {by_worth} and the ladder {by_ladder}",
                    where="the decision on costs and outcome",
                    do="report this as a fault: no figure of money was written",
                )
            )
