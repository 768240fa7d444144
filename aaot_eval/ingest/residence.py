"""Where people live, for a cohort that is limited by area: which files say it, and one area a person."""

from __future__ import annotations

from collections.abc import Sequence

from aaot_eval.config import RunConfig
from aaot_eval.engine import Engine
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.ingest.plan import Given

FILES_SHOWN = 3
#: Codes that stand for no area in one kind of codes or another; those of the formats themselves are gone before.
NOWHERE = ("-", "X", "X98", "Q99", "59999", "W99999999", "S99999999")


def check_residence(config: RunConfig, given: Sequence[Given]) -> list[Finding]:
    """The files of admissions that do not say where people live (D411), when the cohort asks for it.

    Raises InputError (D325) when none says it.
    """
    if "residence" in config.unasked_columns:
        return []
    plans = [plan for g in given if g.table == "episodes" for plan in g.plans]
    without = [plan.name for plan in plans if "residence" not in plan.columns]
    if plans and len(without) == len(plans):
        names = plans[0].schema["residence"].source_names
        raise InputError(
            Problem(
                "D325",
                "the cohort is limited by area, and no file of admissions says where people live",
                where="cohort.area",
                allowed=f"a column such as {', '.join(names)}",
                do='name the column: [data.columns] admissions = { residence = "NAME IN YOUR FILE" }; or take area out of [cohort]',
            )
        )
    if not without:
        return []
    more = f" and {len(without) - FILES_SHOWN} more" if len(without) > FILES_SHOWN else ""
    return [Finding("D411", where="admissions", detail=", ".join(without[:FILES_SHOWN]) + more)]


def make_residences(engine: Engine, config: RunConfig) -> None:
    """Makes `residences` (person, residence, since) when the cohort asks for it."""
    if "residence" not in config.unasked_columns:
        engine.run("residences", nowhere=NOWHERE)
