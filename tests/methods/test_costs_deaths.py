"""Deaths are not savings: money from a comparison of sites is withheld when more people died with the service."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from aaot_eval.costs import cost_service, load_prices
from aaot_eval.costs.differences import Difference
from aaot_eval.costs.qaly import Utilities
from aaot_eval.results import Analysis, CheckResult, CostResult, Effect
from tests.costs_builders import (
    caseload_panel,
    entry_rule_cost,
    price_config,
    ratio_estimate,
    site_cost,
    verdict,
    write_prices,
)

OUTCOME = "alcohol_specific_emergency"
MORE = CheckResult(
    "site_deaths", "site_did", "fail", "More people died at the treated sites.", statistic=1.6, p_value=0.001
)
FEWER = replace(MORE, statistic=0.6, sentence="Fewer people died at the treated sites.")
CHANCE = replace(MORE, verdict="pass", p_value=0.4)
ARMS = CheckResult("deaths", "entry_rule", "warn", "Of the treated cohort 20 % died, 10 % in the comparison hospitals.",
                   statistic=2.0, p_value=0.002, facts={"risk_treated": 0.2, "risk_compared": 0.1})  # fmt: skip


def primary(*checks: CheckResult) -> Effect:
    estimate = ratio_estimate("site_did", "sites", 0.7, 0.05, OUTCOME)
    return Effect(Analysis("site_did", "sites", "site_did", OUTCOME, primary=True), (estimate,), checks)  # type: ignore[arg-type]


def money(folder: Path, *effects: Effect) -> CostResult:
    write_prices(folder)
    config = price_config(folder)
    return cost_service(caseload_panel(), effects, verdict("lower"), config, load_prices(config))


@pytest.mark.parametrize("check", [MORE, ARMS])
def test_sites_carry_no_saving_when_more_people_died(tmp_path: Path, check: CheckResult) -> None:
    found = money(tmp_path, primary(check), site_cost(caseload_panel()))
    row = found.tables["saving"].iloc[0]
    assert row["status"] == "deaths_differ"
    assert not row["headline"]
    assert check.sentence in row["label"]
    assert all(math.isnan(row[c]) for c in ("gross", "saving", "saving_low", "saving_high", "p_saving"))
    assert found.verdict.word == "no_estimate"
    assert "a death is no saving" in found.verdict.sentence
    assert "saves £" not in found.verdict.sentence


@pytest.mark.parametrize(
    "check",
    [FEWER, CHANCE, replace(ARMS, p_value=0.3), replace(ARMS, facts={"risk_treated": 0.1, "risk_compared": 0.2})],
)
def test_fewer_deaths_or_chance_leave_the_saving(tmp_path: Path, check: CheckResult) -> None:
    found = money(tmp_path, primary(check), site_cost(caseload_panel()))
    row = found.tables["saving"].iloc[0]
    assert row["status"] == "ok"
    assert row["headline"]


def test_a_comparison_over_people_leads_and_keeps_its_number(tmp_path: Path) -> None:
    found = money(tmp_path, primary(MORE), site_cost(caseload_panel()), entry_rule_cost(0.6))
    saving = found.tables["saving"].set_index("design")
    assert saving["headline"].to_dict() == {"entry_rule": True, "sites": False}
    assert math.isfinite(saving.loc["entry_rule", "saving"])
    assert math.isnan(saving.loc["sites", "saving"])


@pytest.mark.parametrize(
    ("complete", "said"), [(199, "over four fifths"), (120, "half to four fifths"), (60, "under half")]
)
def test_the_share_of_complete_answers_counts_nobody(complete: int, said: str) -> None:
    found = Utilities(Difference(0.1, 0.01, 100.0, 100, 100), 365, "EQ-5D-3L UK", "Own survey", complete, 200, 0)
    assert f"from {said} of people" in found.label
