"""Panel to Estimate, one file per method; a new file here is found by its name."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any, ClassVar, Protocol

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
    assert inspect.isclass(kind)  # noqa: S101
    return kind(**options)
