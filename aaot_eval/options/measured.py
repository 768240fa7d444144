"""A finished run of this tool as the record of an option: its cost, its effect, its saving and its sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aaot_eval.errors import InputError, Problem
from aaot_eval.results import Release


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run says, in pounds for each patient-year on the caseload; NaN = the run does not say.

    `lines`: the run's `service_cost` without its total.
    """

    run: str
    price_year: str
    perspective: str
    profile: str
    unit_costs: str
    invented: bool
    lines: pd.DataFrame
    team_cost: float
    patient_years: float
    usual: float
    averted: tuple[float, float, float]
    saving: tuple[float, float, float]
    level: float
    why_not: str
    effect_sentence: str
    money_sentence: str
    money_word: str = ""

    @property
    def claims_saving(self) -> bool:
        """Whether the run's own sentence claims a saving without a doubt."""
        return self.money_word == "saves"


def measured_by(name: str, release: Release, inputs: Mapping[str, str]) -> Measured:
    """The record of a released run; `inputs`: the hash of each table it read. InputError C196 when it costed nothing."""
    meta, tables = release.meta, release.tables
    service = tables.get("service_cost")
    if service is None or service.empty:
        raise InputError(
            Problem("C196", f"the run {name} has no cost of the service", do="name a run with a [costs] table")
        )
    total = service[service["kind"] == "total"].iloc[0]
    averted, saving, why = _headline(tables.get("saving"))
    return Measured(
        run=name,
        price_year=str(meta.get("price_year") or ""),
        perspective=str(meta.get("perspective") or ""),
        profile=str(release.profile),
        unit_costs=inputs.get("unit_costs", ""),
        invented=bool(meta.get("invented_prices")),
        lines=service[service["kind"] != "total"].reset_index(drop=True),
        team_cost=_number(total["annual_cost"]),
        patient_years=_number(total["annual_cost"]) / _number(total["per_patient_year"]),
        usual=_usual(tables.get("break_even"), averted[0]),
        averted=averted,
        saving=saving,
        level=_level(tables.get("estimates")),
        why_not=why,
        effect_sentence=_sentence(meta, "verdict"),
        money_sentence=_sentence(meta, "money"),
        money_word=str((meta.get("money") or {}).get("word", "")),
    )


def _sentence(meta: Mapping[str, Any], key: str) -> str:
    return str((meta.get(key) or {}).get("sentence", ""))


def _number(value: Any) -> float:
    found = pd.to_numeric(pd.Series([value]), errors="coerce").iloc[0]
    return float(found) if pd.notna(found) else math.nan


NOTHING = (math.nan, math.nan, math.nan)


def _headline(saving: pd.DataFrame | None) -> tuple[tuple[float, float, float], tuple[float, float, float], str]:
    """Averted cost and saving of the row the run leads with: point, low, high; else the reason why there is none."""
    if saving is None or saving.empty or not saving["headline"].astype(str).str.lower().eq("true").any():
        return NOTHING, NOTHING, "the run leads with no saving: no design behind it carries one"
    row = saving[saving["headline"].astype(str).str.lower() == "true"].iloc[0]
    averted = (_number(row["gross"]), _number(row["gross_low"]), _number(row["gross_high"]))
    net = (_number(row["saving"]), _number(row["saving_low"]), _number(row["saving_high"]))
    if not all(math.isfinite(v) for v in (*averted, *net)):
        return averted, NOTHING, f"the run's saving has no finite interval ({row['status']})"
    return averted, net, ""


def _usual(table: pd.DataFrame | None, averted: float) -> float:
    """Cost of care as usual for each patient-year: averted cost over the share by which it fell."""
    if table is None or table.empty:
        return math.nan
    share = table[table["unit"] == "share"]
    fell = _number(share["now"].iloc[0]) if len(share) else math.nan
    return averted / fell if fell > 0 and averted > 0 else math.nan


def _level(estimates: pd.DataFrame | None) -> float:
    if estimates is None or estimates.empty:
        return 0.95
    primary = estimates[estimates["primary"].astype(str).str.lower() == "true"]
    level = _number(primary["conf_level"].iloc[0]) if len(primary) else math.nan
    return level if 0 < level < 1 else 0.95
