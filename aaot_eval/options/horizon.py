"""Month by month over the horizon: people taken on, people under the effect, pounds spent and averted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aaot_eval.options.costing import NAN
from aaot_eval.options.record import Fade

MONTHS_IN_QUARTER = 3


@dataclass(frozen=True, slots=True)
class Course:
    """One option over the horizon, one number a month: people on it, people under its effect, pounds of running and set-up."""

    people: np.ndarray
    under_effect: np.ndarray
    running: np.ndarray
    set_up: np.ndarray
    note: str


def course_of(
    months: int,
    *,
    served: float,
    months_to_full: int,
    running: float,
    set_up: float,
    fade: Fade,
    stay: float,
    eligible: float,
) -> Course:
    """The course of one option.

    People rise in a straight line to `served` in `months_to_full` months (0 = full from the first). Running costs are paid
    in full from the first month, setting up in the first. The effect begins `start_lag_months` after a person starts. Each
    month served / `stay` people leave; under `constant` they keep the effect, under `linear` it falls to nothing in
    `months`, else it ends. Never more people under the effect than are eligible.
    """
    t = np.arange(1, months + 1, dtype=float)
    share = np.ones(months) if months_to_full == 0 else np.minimum(t / months_to_full, 1.0)
    people = served * share
    lag = round(fade.start_lag_months or 0)
    in_effect = np.concatenate([np.zeros(lag), people])[:months]
    note = ""
    if fade.form in ("constant", "linear"):
        if math.isnan(stay):
            note = "nothing is counted after people leave: months_in_service is not entered"
        else:
            in_effect = in_effect + _after_exit(in_effect, fade, stay)
    if not math.isnan(eligible):
        if np.any(in_effect > eligible):
            note = "no more people are counted under the effect than are eligible"
        in_effect = np.minimum(in_effect, eligible)
    paid = np.zeros(months)
    paid[0] = set_up
    return Course(people, in_effect, np.full(months, running / 12), paid, note)


def _after_exit(in_effect: np.ndarray, fade: Fade, stay: float) -> np.ndarray:
    """People who have left and still have the effect, weighted by what is left of it."""
    months = len(in_effect)
    since = np.arange(months, dtype=float)
    left = np.ones(months) if fade.form == "constant" else np.maximum(0.0, 1 - since / (fade.months or 1.0))
    leavers = in_effect / stay
    return np.array([float(np.dot(leavers[:k], left[1 : k + 1][::-1])) if k else 0.0 for k in range(months)])


def discounts(months: int, rate: float) -> np.ndarray:
    """The factor of each month: nothing within the first twelve months is discounted, then by whole years."""
    return np.asarray((1 + rate) ** -(np.arange(months) // 12).astype(float))


def by_quarter(values: np.ndarray, how: str) -> np.ndarray:
    """A month's numbers as quarters: their `sum`, or the number in the last month (`last`)."""
    table = values.reshape(-1, MONTHS_IN_QUARTER)
    return table.sum(axis=1) if how == "sum" else table[:, -1]


def present(course: Course, rate: float, averted_a_year: float) -> tuple[float, float, float]:
    """Discounted pounds over the horizon: cost, averted (NaN without an effect), and person-years on the option, undiscounted."""
    factor = discounts(len(course.people), rate)
    cost = float(np.dot(course.running + course.set_up, factor))
    averted = NAN if math.isnan(averted_a_year) else float(np.dot(course.under_effect * averted_a_year / 12, factor))
    return cost, averted, float(course.people.sum() / 12)
