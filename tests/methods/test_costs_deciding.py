"""What decision makers ask: whose budget, how long it would have to last, what a published saving needs, what care consists of."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from aaot_eval.config import BudgetConfig
from aaot_eval.costs import cost_service, load_prices
from aaot_eval.costs.break_even import MORE_THAN_ALL
from aaot_eval.costs.budget import budget_table, effect_years, entered, persistence_table
from aaot_eval.costs.items import items_table
from aaot_eval.costs.prices import Prices
from aaot_eval.costs.rates import caseload
from aaot_eval.costs.savings import Money
from aaot_eval.costs.solving import solving_table
from aaot_eval.errors import NotIdentifiedError
from aaot_eval.report import patient_report, render_html
from aaot_eval.results import CostResult, Effect, Panel
from aaot_eval.saving_identity import solve_for
from tests.costs_builders import (
    PROGRAMME,
    UNIT_COSTS,
    caseload_panel,
    entry_rule_cost,
    price_config,
    verdict,
    write_prices,
)

BEDS = pd.DataFrame({"outcome": ["bed_days"], "design": ["entry_rule"], "per_patient_year": [4.0]})
NO_BEDS = BEDS.head(0)


def prices_of(home: Path, programme: str = PROGRAMME, **costs: object) -> Prices:
    write_prices(home, UNIT_COSTS, programme)
    return load_prices(price_config(home, **costs))


def money(gross: float, low: float, high: float, cost: float, on_team: float = 9000.0) -> Money:
    rung = SimpleNamespace(on_team=on_team, estimate=SimpleNamespace(conf_level=0.95))
    return Money(rung, cost, gross, low, high, gross - cost, low - cost, high - cost)  # type: ignore[arg-type]


def run(
    home: Path, effects: list[Effect], panel: Panel | None = None, programme: str = PROGRAMME, **parts: bool
) -> CostResult:
    write_prices(home, UNIT_COSTS, programme)
    config = price_config(home, **parts)
    return cost_service(panel or caseload_panel(), effects, verdict("lower"), config, load_prices(config))


# --- budgets --------------------------------------------------------------------------------------------------------


def rows_of(table: pd.DataFrame, scenario: str, payer: str) -> pd.DataFrame:
    return table[(table["scenario"] == scenario) & (table["payer"] == payer)].reset_index(drop=True)


def test_budget_impact_by_hand(tmp_path: Path) -> None:
    prices = prices_of(tmp_path)
    running, places = 208_000 * 1.2 + 75_000 * 1.2 + 9_000 * 1.2, 60 * 0.85
    budget = BudgetConfig(years=2, fill=[0.5, 1.0], variable_share=0.3, activity_paid_share=0.1)
    table = budget_table(money(5000, 1000, 9000, 7000), BEDS, prices, budget)
    commissioner = rows_of(table, "ends", "commissioner")
    assert commissioner["service_cost"].tolist() == pytest.approx([running + 20_000, running])
    worth = np.array([0.5, 1.0]) * places
    assert commissioner["cash_released"].tolist() == pytest.approx((5000 * worth * 0.1).tolist())
    assert commissioner["net_cost"].tolist() == pytest.approx((commissioner["service_cost"] - 500 * worth).tolist())
    assert commissioner["net_low"].tolist() == pytest.approx((commissioner["service_cost"] - 900 * worth).tolist())
    provider = rows_of(table, "ends", "provider")
    assert provider["service_cost"].tolist() == [0, 0]
    assert provider["net_cost"].tolist() == pytest.approx((500 * worth - 1500 * worth).tolist())
    system = rows_of(table, "ends", "system")
    assert system["value_of_resources"].tolist() == pytest.approx((5000 * worth).tolist())
    assert system["bed_days_released"].tolist() == pytest.approx((4 * worth).tolist())
    assert table["status"].eq("ok").all()


def test_what_was_entered_for_the_budget_is_told_from_what_is_assumed() -> None:
    assumed = entered(BudgetConfig(), marginal=False)
    assert (assumed["funder"], assumed["fill"], assumed["given"]) == ("commissioner", [1.0, 1.0, 1.0], [])
    given = entered(BudgetConfig(fill=[0.6, 1.0], activity_paid_share=0.0, funder="commissioner"), marginal=True)
    assert given["fill"] == [0.6, 1.0, 1.0]
    assert given["given"] == ["activity_paid_share", "fill", "funder"]
    assert given["marginal"]


def test_cash_capacity_and_value_never_stand_in_one_figure(tmp_path: Path) -> None:
    budget = BudgetConfig(variable_share=0.3, activity_paid_share=0.0)
    table = budget_table(money(5000, 1000, 9000, 7000), BEDS, prices_of(tmp_path), budget)
    cash = table[["cash_released", "net_cost"]].notna().any(axis=1)
    assert not (cash & table[["value_of_resources", "bed_days_released"]].notna().any(axis=1)).any()
    fixed = rows_of(table, "ends", "commissioner")
    assert fixed["cash_released"].eq(0).all(), (
        "under a fixed payment an admission that does not happen changes no invoice"
    )
    assert fixed["net_cost"].equals(fixed["service_cost"])
    assert fixed[["net_low", "net_high"]].isna().all(axis=None), "nothing is uncertain about a fixed payment"


def test_a_share_that_was_not_entered_is_not_assumed(tmp_path: Path) -> None:
    table = budget_table(money(5000, 1000, 9000, 7000), NO_BEDS, prices_of(tmp_path), BudgetConfig())
    assert (
        rows_of(table, "ends", "commissioner")["status"].eq("not entered: activity_paid_share in [costs.budget]").all()
    )
    held = table[table["payer"] != "system"]
    assert held[["cash_released", "net_cost", "net_low", "net_high"]].isna().all(axis=None)
    assert held["status"].str.startswith("not entered").all()
    assert table["bed_days_released"].isna().all()


def test_without_an_effect_the_service_still_costs(tmp_path: Path) -> None:
    budget = BudgetConfig(variable_share=0.3, activity_paid_share=0.0)
    table = budget_table(None, NO_BEDS, prices_of(tmp_path), budget)
    assert table[["value_of_resources", "value_low"]].isna().all(axis=None)
    assert (rows_of(table, "ends", "commissioner")["net_cost"] > 0).all(), "what is paid needs no effect"
    assert rows_of(table, "ends", "system")["status"].eq("no comparison gives the averted cost an interval").all()


@pytest.mark.parametrize(
    ("scenario", "worth"), [("ends", [10, 10, 10]), ("wanes", [10, 10 + 20 / 3, 20]), ("lasts", [10, 20, 30])]
)
def test_earlier_years_people_count_as_far_as_the_effect_lasts(scenario: str, worth: list[float]) -> None:
    assert effect_years(scenario, [10, 10, 10]).tolist() == pytest.approx(worth)


def test_persistence_is_labelled_as_an_assumption_and_discounts_whole_years() -> None:
    table = persistence_table(money(5000, 1000, 9000, 7000), BudgetConfig(years=3), 0.035)
    assert table["assumption"].str.startswith("assumption: ").all()
    ends, wanes, lasts = (table.iloc[i] for i in range(3))
    assert (ends["undiscounted"], ends["discounted"]) == (-2000, -2000)
    assert lasts["undiscounted"] == 15_000 - 7000
    assert lasts["discounted"] == pytest.approx(5000 * (1 + 1 / 1.035 + 1 / 1.035**2) - 7000, abs=0.005)
    assert wanes["undiscounted"] == 5000 * 2 - 7000
    assert lasts["low"] == pytest.approx(1000 * (1 + 1 / 1.035 + 1 / 1.035**2) - 7000, abs=0.005)
    assert persistence_table(None, BudgetConfig(), 0.035).empty


# --- a published saving ---------------------------------------------------------------------------------------------


def test_every_combination_gives_the_published_saving_and_none_is_a_reproduction(tmp_path: Path) -> None:
    prices = prices_of(tmp_path)
    table = solving_table(money(5000, 1000, 9000, 7000), prices, 2000.0, 10_470.0)
    back = table["admissions_needed"] * table["fall"] * table["unit_cost"] - table["programme_cost"]
    assert back.tolist() == pytest.approx([10_470] * len(table), abs=0.01)
    assert table["note"].str.contains("not a reproduction").all()
    assert sorted(table["fall"].round(4).unique()) == [0.23, 0.33, 0.3571, 0.5, 0.669]
    free = table[(table["fall"] == 0.23) & (table["programme_cost"] == 0)]
    assert free["usual_cost_needed"].iloc[0] == pytest.approx(45_521.74, abs=0.01)
    own = table[table["fall"].round(4) == 0.3571]
    assert own["note"].str.endswith("the interval of this run's own saving does not hold it").all()


def test_a_run_without_prices_or_effect_still_shows_what_would_have_to_hold(tmp_path: Path) -> None:
    table = solving_table(None, prices_of(tmp_path), math.nan, 10_470.0)
    assert table["usual_cost_needed"].notna().all()
    assert table["admissions_needed"].isna().all()


def test_the_identity_solves_for_each_of_its_parts() -> None:
    parts = {"saving": 1000.0, "admissions": 5.0, "fall": 0.4, "price": 2000.0, "programme": 3000.0}
    for name, value in parts.items():
        assert solve_for(**{k: v for k, v in parts.items() if k != name}) == (name, pytest.approx(value))


# --- cost lines -----------------------------------------------------------------------------------------------------


def with_items(share: float = 0.25) -> Panel:
    """The panel with each person's cost split over an emergency and an outpatient line."""
    panel = caseload_panel()
    assert panel.person_cells is not None
    cells = panel.person_cells[panel.person_cells["hospital_cost"] > 0]
    lines = [
        pd.DataFrame(
            {
                "person": cells["person"],
                "t": cells["t"],
                "item": item,
                "quantity": 1.0,
                "cost": part * cells["hospital_cost"],
            }
        )
        for item, part in (("emergency_long_stay", 1 - share), ("outpatient_attendance", share))
    ]
    return replace(panel, extra={**panel.extra, "item_costs": pd.concat(lines, ignore_index=True)})


def test_lines_add_up_to_the_observed_cost_to_the_penny() -> None:
    panel = with_items()
    people = caseload(panel)
    assert people is not None
    table = items_table(panel, people).set_index("item")
    assert round(table.loc["all care", "cost"] * 100) == round(people.cost_rate * 100)
    parts = table.drop(index="all care")["cost"]
    assert round(parts.sum() * 100) == round(table.loc["all care", "cost"] * 100)
    assert table.loc["outpatient_attendance", "kind"] == "planned", "planned care is a cost, not netted off"
    assert parts["outpatient_attendance"] == pytest.approx(0.25 * people.cost_rate, abs=0.01)


def test_lines_that_do_not_add_up_stop_the_run() -> None:
    panel = with_items()
    panel.extra["item_costs"]["cost"] *= 1.01
    with pytest.raises(
        NotIdentifiedError, match="the cost lines by item do not add up to the hospital cost of the caseload"
    ):
        items_table(panel, caseload(panel))


def test_each_price_moves_the_saving_by_its_share(tmp_path: Path) -> None:
    table = run(tmp_path, [entry_rule_cost()], with_items()).tables["cost_ranges"].set_index("parameter")
    row = table.loc["price of emergency long stay"]
    saving = run(tmp_path, [entry_rule_cost()]).tables["saving"].iloc[0]
    assert row["low_input"] < 3000 < row["high_input"]
    by_hand = saving["saving"] + saving["gross"] * 0.75 * (row["high_input"] / 3000 - 1)
    assert row["saving_at_high"] == pytest.approx(by_hand, abs=0.02)
    assert table["swing"].is_monotonic_decreasing


# --- programme ------------------------------------------------------------------------------------------------------


def test_added_planned_care_is_a_cost_of_the_service(tmp_path: Path) -> None:
    more = PROGRAMME.replace(
        "Places,caseload", "Detoxification beds,planned_care,,51000,,2024/25,Trust ledger\nPlaces,caseload"
    )
    without, with_care = prices_of(tmp_path).programme, prices_of(tmp_path, more).programme
    assert with_care.per_patient_year - without.per_patient_year == pytest.approx(51_000 / (60 * 0.85))
    assert with_care.table().set_index("item").loc["Detoxification beds", "kind"] == "planned_care"
    assert with_care.set_up_once == 20_000


def test_bottom_up_and_top_down_stand_side_by_side(tmp_path: Path) -> None:
    budget = PROGRAMME.replace("Places,caseload", "Budget,budget,,400000,,2024/25,Board paper\nPlaces,caseload")
    table = run(tmp_path, [entry_rule_cost()], programme=budget).tables["service_check"].set_index("measure")
    assert table.loc["Top-down cost", "stated"] == pytest.approx(400_000 / (60 * 0.85))
    for column in ("stated", "seen"):
        ratio = table.loc["Top-down cost", column] / table.loc["Bottom-up cost", "stated"]
        assert table.loc["Top-down over bottom-up", column] == pytest.approx(ratio)
    bare = run(tmp_path, [entry_rule_cost()]).tables["service_check"].set_index("measure")
    assert math.isnan(bare.loc["Top-down cost", "stated"])
    assert bare.loc["Top-down cost", "note"] == "no budget line in the programme file"


def test_a_service_dearer_than_all_care_cannot_break_even_by_any_fall(tmp_path: Path) -> None:
    dear = PROGRAMME.replace("Places,caseload,60", "Places,caseload,2")
    table = run(tmp_path, [entry_rule_cost()], programme=dear).tables["break_even"]
    row = table[table["unit"] == "share"].iloc[0]
    assert row["break_even"] > 1
    assert row["status"] == MORE_THAN_ALL


# --- the page of patients -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    found = run(tmp_path_factory.mktemp("rows"), [entry_rule_cost()], patient_reports=True).per_patient
    assert found is not None
    return found


META = {"title": "A study", "data_cut": "2025-03", "run_id": "2025-03_abc123", "version": "1", "invented_prices": False}


def test_the_page_holds_everybody_in_blocks_with_the_sentence_and_the_total(rows: pd.DataFrame) -> None:
    report = patient_report(rows, META, "asked by the service lead")
    html = render_html(report)
    assert (
        html.count("A difference for one person is not evidence that the service caused it")
        >= 1 + rows["status"].nunique()
    )
    assert "asked by the service lead" in html
    assert f"{rows['calibration'].iloc[0]:.4f}" in html
    total = sum(round(d * 100) for d in rows["difference"]) / 100
    assert f"£{abs(total):,.2f}" in html
    tables = {s.name: b for s in report.sections for b in s.blocks if type(b).__name__ == "Table"}
    assert {name: len(t.rows) for name, t in tables.items()} == {
        str(k).replace(" ", "_"): int(v) for k, v in rows["status"].value_counts().items()
    }
    assert "died" in tables
    assert html.count("<h1>") == 1
    assert "<script" not in html
    assert "http" not in html.replace("http://www.w3.org", "")


def test_a_sum_to_the_penny_stands_beside_what_may_be_said_of_it(rows: pd.DataFrame) -> None:
    """Accounting adds up to the penny whatever the evaluation can tell: without its sentence the sum reads as a finding."""
    said = "this evaluation cannot tell whether it saves: best estimate £1,520 less, from £707 more to £4,542 less (95 % interval)"
    html = render_html(
        patient_report(rows, {**META, "money": {"word": "cannot_tell", "sentence": said}}, "audit")
    ).replace("\u00a0", " ")
    assert said in html
    assert html.index("to the penny") < html.index(said)
    assert "What may be said of it" not in render_html(patient_report(rows, META, "audit"))


def test_whose_cost_the_expected_one_rests_on_is_said(rows: pd.DataFrame) -> None:
    def html(basis: str) -> str:
        return render_html(patient_report(rows.assign(basis=basis), META, "audit"))

    like = "people with the same peak and history, where and when there was no service"
    assert like in html("people like them")
    assert like not in html("own caseload")
    assert "the people on the caseload themselves" in html("own caseload")


def test_markup_in_a_name_is_only_text(rows: pd.DataFrame) -> None:
    spoilt = rows.assign(unit="<img src=x onerror=alert(1)>")
    html = render_html(patient_report(spoilt, {**META, "title": "<b>x</b>"}, "<script>alert(1)</script>"))
    assert "<img src=x" not in html
    assert "<script" not in html
    assert "<b>x</b>" not in html
    assert "&lt;script&gt;" in html


def test_the_page_does_not_rank_people(rows: pd.DataFrame) -> None:
    report = patient_report(rows, META, "audit")
    shown = [row[0] for s in report.sections for b in s.blocks if type(b).__name__ == "Table" for row in b.rows]  # type: ignore[union-attr]
    assert shown == [str(p) for p in rows["person"]]
