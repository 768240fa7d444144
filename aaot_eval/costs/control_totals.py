"""Control totals of the money, asserted in every run: what is shown in parts adds up to what is shown whole, to the penny."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from aaot_eval.costs.pennies import pence
from aaot_eval.costs.programme import Programme
from aaot_eval.costs.savings import Money
from aaot_eval.errors import NotIdentifiedError, Problem


def check_totals(tables: Mapping[str, pd.DataFrame], programme: Programme, best: Money | None) -> None:
    """Raises NotIdentifiedError with every total that does not reconcile.

    C161: the lines of the service do not add up to its total, or the total is not the team's cost. C162: the steps from care
    as usual to AAOT do not add up, or do not end at minus the saving; averted cost less service is not the saving. Rows of
    patients have their own control (P431), made where they are. P433: the saving lies outside its own interval, although the
    effect lies inside its.
    """
    problems = [*_service(tables["service_cost"], programme), *_saving(tables, best)]
    if problems:
        raise NotIdentifiedError(*problems)


def _service(table: pd.DataFrame, programme: Programme) -> list[Problem]:
    whole = table["kind"] == "total"
    expected = {"annual_cost": programme.team_cost, "per_patient_year": programme.per_patient_year}
    problems = []
    for column, cost in expected.items():
        lines = sum(pence(v) for v in table.loc[~whole, column])
        total = sum(pence(v) for v in table.loc[whole, column])
        if not lines == total == pence(cost):
            problems.append(
                _problem(
                    "C161",
                    f"service_cost, column {column}",
                    f"the lines add up to £{lines / 100:,.2f}, the total says £{total / 100:,.2f}, "
                    f"the service costs £{cost:,.2f}",
                )
            )
    return problems


def _saving(tables: Mapping[str, pd.DataFrame], best: Money | None) -> list[Problem]:
    if best is None:
        return []
    problems = []
    head = tables["saving"][tables["saving"]["headline"].astype(bool)]
    for row in head.itertuples():
        gross, cost, saving = (pence(float(getattr(row, c))) for c in ("gross", "programme_cost", "saving"))
        if len(head) > 1 or gross - cost != saving or saving != pence(best.saving):
            problems.append(
                _problem(
                    "C162",
                    "saving",
                    f"averted £{gross / 100:,.2f} less service £{cost / 100:,.2f} is not £{saving / 100:,.2f}",
                )
            )
    effect = best.rung.estimate
    if effect.conf_low <= effect.estimate <= effect.conf_high and not (
        pence(best.saving_low) <= pence(best.saving) <= pence(best.saving_high)
    ):
        span = f"£{best.saving_low:,.2f} to £{best.saving_high:,.2f}"
        problems.append(
            _problem("P433", "saving", f"the saving of £{best.saving:,.2f} lies outside its interval, {span}")
        )
    steps = tables["cost_waterfall"]
    if len(steps):
        by_kind = {kind: sum(pence(v) for v in rows["amount"]) for kind, rows in steps.groupby("kind")}
        end = by_kind.pop("total")
        if sum(by_kind.values()) != end or end - by_kind["level"] != -pence(best.saving):
            problems.append(
                _problem(
                    "C162",
                    "cost_waterfall",
                    f"the steps add up to £{sum(by_kind.values()) / 100:,.2f}, the last says £{end / 100:,.2f}",
                )
            )
    return problems


def _problem(code: str, where: str, what: str) -> Problem:
    return Problem(code, what, where=f"table {where}", do="report this as a fault: no figure of money was written")
