"""Entropy balancing: the weights nearest to given ones that make a group's means equal to another's.

Hainmueller 2012; solved in its dual by Newton steps with halving. What is balanced, and why: docs/methods/risk_set.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aaot_eval.errors import counted
from aaot_eval.estimators._cohorts import Ints, PersonMonths, Rule, running_total

Floats = NDArray[np.float64]

Windows = tuple[tuple[int, int], ...]
#: Windows before the clock's zero in months, first and last. Borders stand at one month and at the rule's window.
FINE: Windows = ((1, 1), (2, 3), (4, 6), (7, 12), (13, 24))
COARSE: Windows = ((1, 1), (2, 3), (4, 12), (13, 24))
#: Means agree to this many standard deviations.
CLOSE = 1e-6
ROUNDS = 200


def history(
    people: PersonMonths, rule: Rule, person: Ints, month: Ints, windows: Windows, attendances: Floats | None = None,
    *, square: bool = True,
) -> Floats:  # fmt: skip
    """(n, k) what each person did before the month: admissions in each window, the square of the count in the rule's own window
    (unless not `square`), and attendances (P, T), where they are known, in the windows of the last year.
    """

    def between(running: Floats, first: int, last: int) -> Floats:
        return np.asarray(running[person, month - first + 1] - running[person, month - last])

    running = people.counts_so_far
    columns = [between(running, *w) for w in windows]
    columns += [between(running, 1, rule.months) ** 2] * square
    if attendances is not None:
        seen = running_total(attendances)
        columns += [between(seen, *w) for w in windows if w[1] <= 12]
    return np.column_stack(columns)


def history_names(rule: Rule, windows: Windows, attendances: bool, *, square: bool = True) -> tuple[str, ...]:
    """The columns of `history` in words."""

    def window(what: str, first: int, last: int) -> str:
        return f"{what}, month {first} before" if first == last else f"{what}, months {first} to {last} before"

    names = [window("admissions", *w) for w in windows]
    names += [f"square of admissions in the {counted(rule.months, 'month')} before"] * square
    return tuple(names + [window("attendances", *w) for w in windows if w[1] <= 12] * attendances)


def entropy_balance(x: Floats, target: Floats, base: Floats) -> Floats | None:
    """Weights (n,), proportional to base x exp(x lambda) and with the sum of `base`, under which the means of `x` (n, k) are `target`.

    None when no weights do it.
    """
    total = base.sum()
    start = base / total
    centre = start @ x
    spread = np.sqrt(start @ (x - centre) ** 2)
    varies = spread > 0
    if np.any(np.abs(target - centre)[~varies] > CLOSE):
        return None
    z = (x[:, varies] - target[varies]) / spread[varies]
    if not z.shape[1]:
        return np.asarray(start * total)
    dual = np.zeros(z.shape[1])
    value, weights = _dual(z, start, dual)
    for _ in range(ROUNDS):
        gradient = weights @ z
        if np.abs(gradient).max() < CLOSE:
            return np.asarray(weights * total)
        hessian = (z * weights[:, None]).T @ z - np.outer(gradient, gradient)
        step = np.linalg.lstsq(hessian, -gradient, rcond=1e-12)[0]
        for halving in range(40):
            trial = dual + step / 2**halving
            new, at_trial = _dual(z, start, trial)
            if new < value - 1e-4 / 2**halving * abs(float(gradient @ step)):
                break
        else:
            return None
        dual, value, weights = trial, new, at_trial
    return None


def _dual(z: Floats, start: Floats, dual: Floats) -> tuple[float, Floats]:
    """log sum of start x exp(z dual), and the weights, which sum to one."""
    slope = z @ dual
    top = slope.max()
    raw = start * np.exp(slope - top)
    total = raw.sum()
    return float(top + np.log(total)), raw / total


def effective_size(weights: Floats) -> float:
    """(sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def adjusted_scores(y: Floats, n: Floats, weights: Floats, x: Floats, target: Floats) -> tuple[Floats, Floats, float]:
    """Linearised scores of the log of the weighted rate sum(wy)/sum(wn): of each row of x, of each row of the target, and the rate.

    Weights were estimated so that means meet the target's; that takes out what x explains of y - rate n and lets the target's
    own spread in x in. Columns that say nothing drop out.
    """
    rate = float((weights @ y) / (weights @ n))
    residual = y - rate * n
    columns = np.column_stack([np.ones(len(y)), x])
    root = np.sqrt(weights)
    slope = np.linalg.lstsq(columns * root[:, None], residual * root, rcond=None)[0]
    scale = rate * float(weights @ n)
    rows = weights * (residual - columns @ slope) / scale
    # The means of x in the target are what the weights were made for: their error passes to the rate through the slope.
    per_target = weights.sum() / len(target)
    targets = per_target * (target - target.mean(axis=0)) @ slope[1:] / scale
    return np.asarray(rows), np.asarray(targets), rate
