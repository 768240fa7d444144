"""Panel to Estimate, one file per method; a new file here is found by its name."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any, ClassVar, Literal, Protocol, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from aaot_eval.errors import InputError, Problem
from aaot_eval.registry import Registry
from aaot_eval.results import Analysis, Design, Estimate, Panel


class Estimator(Protocol):
    """One method. Its settings are its fields; `fit` takes data, returns new objects and changes nothing."""

    design: ClassVar[Design]

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why this method cannot be used on this panel, in words the analyst can act on; empty when it can."""
        ...

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The estimates; the first one answers the analysis."""
        ...


ESTIMATORS: Registry[type[Estimator]] = Registry("estimator", "aaot_eval.estimators")


def build_estimator(name: str, options: dict[str, Any]) -> Estimator:
    """The estimator of that name with those settings; an unknown setting is refused with the ones there are."""
    kind = ESTIMATORS[name]
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    unknown = [o for o in options if o not in known]
    if unknown:
        raise InputError(
            *[
                Problem(
                    "C111",
                    f"estimator {name!r} has no setting {o!r}",
                    allowed=", ".join(known),
                    do="remove or rename it",
                )
                for o in unknown
            ]
        )
    given = {o: tuple(map(str, v)) if isinstance(v, list) else v for o, v in options.items()}
    hints = get_type_hints(kind)
    problems = {o: problem for o, value in given.items() if (problem := _misfit(name, hints[o], o, value))}
    if not any(_wrong_type(hints[o], given[o]) for o in problems):
        built = kind(**given)  # an estimator knows its own settings best: its words come before ours
    if problems:
        raise InputError(*problems.values())
    return built


#: Settings that mean the same in every estimator, with the least and the largest value that makes sense.
RANGES: dict[str, tuple[float, float]] = {
    "conf_level": (0.501, 0.999),
    "phase_in": (0, 24),
    "follow_up": (3, 60),
    "rule_count": (1, 100),
    "rule_months": (1, 60),
    "least_before": (1, 600),
    "least_after": (1, 600),
}


def _wrong_type(hint: Any, value: Any) -> bool:
    """Whether a value has not the type of a setting; a text where only some texts are allowed has."""
    try:
        TypeAdapter(str if get_origin(hint) is Literal else hint).validate_python(value, strict=True)
    except ValidationError:
        return True
    return False


def _misfit(name: str, hint: Any, option: str, value: Any) -> Problem | None:
    """Why a value cannot be that setting of the estimator: its type or its size; None when it can."""
    low, high = RANGES.get(option, (-math.inf, math.inf))
    one_of = get_args(hint) if get_origin(hint) is Literal else (value,)
    if (
        not _wrong_type(hint, value)
        and value in one_of
        and (not isinstance(value, (int, float)) or low <= value <= high)
    ):
        return None
    allowed = _in_words(hint) + (f", {low:g} to {high:g}" if math.isfinite(high) else "")
    return Problem(
        "C112",
        f"estimator {name!r}: {value!r} is not a value for the setting {option!r}",
        allowed=allowed,
        do="mend the value",
    )


def _in_words(hint: Any) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "left out"}
    if hint in words:
        return words[hint]
    if get_origin(hint) is Literal:
        return ", ".join(map(str, get_args(hint)))
    if get_origin(hint) is tuple:
        return "a list of texts"
    return ", or ".join(_in_words(part) for part in get_args(hint))
