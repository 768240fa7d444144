"""Price files, panels with a caseload, and hand-made effects for the tests of the money."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from aaot_eval.config import RunConfig
from aaot_eval.costs import load_prices
from aaot_eval.costs.programme import Programme
from aaot_eval.errors import ExitCode, InputError
from aaot_eval.results import Analysis, CheckResult, Effect, Estimate, Panel, Verdict
from tests.builders import site_panel

UNIT_COSTS = """item,unit,value,low,high,std_error,price_year,perspective,source
emergency_short_stay,stay,700,,,35,2024/25,provider,Trust ledger
emergency_long_stay,stay,3000,,,150,2024/25,provider,Trust ledger
emergency_excess_day,day,350,,,17.5,2024/25,provider,Trust ledger
ed_attendance,attendance,180,,,9,2024/25,provider,Trust ledger
"""
PROGRAMME = """item,kind,quantity,amount,on_cost,price_year,source
Nurses,staff,4.0,40000,0.3,2024/25,Trust payroll
Consultant,staff,0.5,120000,0.25,2024/25,Trust payroll
Travel and phones,non_pay,,9000,,2024/25,Trust ledger
Overheads,overhead,0.2,,,,Trust finance
Set-up,set_up,5,20000,,2024/25,Business case
Places,caseload,60,,,,Service plan
Occupancy,occupancy,0.85,,,,Service plan
"""


def write_prices(folder: Path, unit_costs: str = UNIT_COSTS, programme: str = PROGRAMME) -> None:
    (folder / "unit_costs.csv").write_text(unit_costs, encoding="utf-8")
    (folder / "programme.csv").write_text(programme, encoding="utf-8")


def one_team(
    a_year: float, places: float = 1.0, occupancy: float = 1.0, places_range: tuple[float, float] | None = None
) -> Programme:
    """A team with one cost line of so many pounds a year."""
    lines = {
        "item": ["Team"],
        "kind": ["staff"],
        "wte": [1.0],
        "annual_cost": [a_year],
        "price_year": [""],
        "source": [""],
    }
    return Programme(pd.DataFrame(lines), places, occupancy, places_range)


def price_config(folder: Path, *, patient_reports: bool = False, **costs: object) -> RunConfig:
    """A study whose price files lie in `folder`."""
    output = {"patient_reports": True, "reason": "asked by the service lead"} if patient_reports else {}
    config = RunConfig.model_validate(
        {
            "config_version": 1,
            "name": "toy",
            "data": {"admissions": "a.csv"},
            "costs": {
                "unit_costs": "unit_costs.csv",
                "programme": "programme.csv",
                "price_year": "2024/25",
                "perspective": "provider",
                **costs,
            },
            "output": output,
        }
    )
    config._home = folder
    return config


def refused_prices(
    folder: Path,
    unit_costs: str = UNIT_COSTS,
    programme: str = PROGRAMME,
    *,
    unit_costs_file: str = "unit_costs.csv",
    **costs: object,
) -> InputError:
    """The refusal of price files: exit code 3, every problem with a code of prices and something to do."""
    write_prices(folder, unit_costs, programme)
    with pytest.raises(InputError) as caught:
        load_prices(price_config(folder, **costs, unit_costs=unit_costs_file))
    assert caught.value.exit_code == ExitCode.INPUT
    assert all(p.code.startswith(("P4", "C18")) and p.do for p in caught.value.problems)
    return caught.value


def words_of(error: InputError, code: str = "") -> str:
    """What a refusal says, or what its problems of one code say."""
    found = ["\n".join(p.lines()) for p in error.problems if p.code.startswith(code)]
    assert found, f"{code} is not among {[p.code for p in error.problems]}"
    return "\n".join(found)


def caseload_panel(n_people: int = 40, months: int = 48, start: int = 24, seed: int = 5) -> Panel:
    """Two hospitals, the first with a service from `start`; monthly hospital cost for everybody, some deaths."""
    rng = np.random.default_rng(seed)
    referral = np.where(np.arange(n_people) % 2 == 0, start + np.arange(n_people) % 12, -1)
    death = np.where(np.arange(n_people) % 10 == 0, months - 6, -1)
    people = pd.DataFrame(
        {
            "unit": np.where(np.arange(n_people) % 2 == 0, "S01", "S02"),
            "referral_t": pd.array([pd.NA if r < 0 else int(r) for r in referral], dtype="Int64"),
            "ended_t": pd.array([pd.NA] * n_people, dtype="Int64"),
            "death_t": pd.array([pd.NA if d < 0 else int(d) for d in death], dtype="Int64"),
            "sex": "1",
            "age": 50,
        },
        index=pd.RangeIndex(n_people, name="person"),
    )
    stays = rng.poisson(np.linspace(0.1, 0.5, n_people)[:, None], (n_people, months))
    stays[(death[:, None] >= 0) & (np.arange(months) > death[:, None])] = 0
    sites = np.stack([stays[people["unit"] == u].sum(axis=0) for u in ("S01", "S02")])
    return site_panel(
        {"alcohol_specific_emergency": sites, "alcohol_specific_emergency_cost": sites * 2500.0},
        [start, None],
        people=people,
        person_counts={"alcohol_specific_emergency": stays, "hospital_cost": stays * 2500.25},
    )


def ratio_estimate(analysis: str, design: str, ratio: float, log_se: float, outcome: str, **more: object) -> Estimate:
    """A rate ratio with a normal interval on the log scale and the draws that belong to it."""
    ends = ratio * np.exp(np.array([-1, 1]) * stats.norm.ppf(0.975) * log_se)
    fields = {
        "estimand": "cost ratio",
        "scale": "rate_ratio",
        "std_error": log_se,
        "conf_low": float(ends[0]),
        "conf_high": float(ends[1]),
        "conf_method": "wald_t",
        "confidence": lambda uniform: ratio * np.exp(log_se * stats.norm.ppf(uniform)),
    }
    return Estimate(analysis, design, design, outcome, estimate=ratio, **{**fields, **more})  # type: ignore[arg-type]


def cost_effect(
    name: str, design: str, estimate: Estimate, checks: tuple[CheckResult, ...] = (), **options: object
) -> Effect:
    """An effect on a cost outcome."""
    return Effect(Analysis(name, design, design, estimate.outcome, options=options), (estimate,), checks)  # type: ignore[arg-type]


def entry_rule_cost(
    ratio: float = 0.7, log_se: float = 0.05, *, uptake: float = 0.5, rate: float = 400.0, **more: object
) -> Effect:
    facts = {"rate_after": rate, "uptake": uptake, "rate_on_team": 900.0, "on_team_person_months": 300}
    return cost_effect(
        "entry_rule_cost",
        "entry_rule",
        ratio_estimate("entry_rule_cost", "entry_rule", ratio, log_se, "hospital_cost", facts=facts, **more),
    )


def site_cost(panel: Panel, ratio: float = 0.8, log_se: float = 0.05) -> Effect:
    observed = panel.matrix("alcohol_specific_emergency_cost")[0, int(panel.units["start_t"].iloc[0]) :].sum()
    estimate = ratio_estimate(
        "site_did_cost",
        "sites",
        ratio,
        log_se,
        "alcohol_specific_emergency_cost",
        facts={"observed_after": float(observed)},
    )
    return cost_effect("site_did_cost", "sites", estimate)


def own_cohorts_cost(ratio: float = 0.7, log_se: float = 0.05) -> Effect:
    facts = {"rate_after": 400.0, "uptake": 0.5, "rate_on_team": 900.0}
    return cost_effect(
        "own_cohorts_cost",
        "own_cohorts",
        ratio_estimate("own_cohorts_cost", "own_cohorts", ratio, log_se, "hospital_cost", facts=facts),
    )


def verdict(word: str = "lower") -> Verdict:
    reasons = ("pre-launch trends differ",) if word.endswith("_but") else ()
    return Verdict(word, f"Admissions: {word}.", reasons)
