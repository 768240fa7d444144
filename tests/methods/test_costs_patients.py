"""Rows of patients: they add up to the cohort estimate to the penny, and what may leave names nobody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aaot_eval.costs import cost_service, load_prices, patients
from aaot_eval.costs.expected import by_credibility, expected_rates, people_like_them
from aaot_eval.costs.patients import cost_ends, dominated, patient_groups, reconcile
from aaot_eval.costs.pennies import pence
from aaot_eval.costs.rates import caseload
from aaot_eval.errors import ExitCode, NotIdentifiedError
from aaot_eval.results import CostResult, Effect, Panel
from aaot_eval.schema import table_schema
from benchmarks.money_recovery import priced_world
from tests.costs_builders import caseload_panel, entry_rule_cost, price_config, site_cost, verdict, write_prices


def run(folder: Path, panel: Panel, effects: list[Effect], *, asked: bool = True) -> CostResult:
    write_prices(folder)
    config = price_config(folder, patient_reports=asked)
    return cost_service(panel, effects, verdict(), config, load_prices(config))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> CostResult:
    return run(tmp_path_factory.mktemp("patients"), caseload_panel(120), [entry_rule_cost(0.6)])


def rows_of(result: CostResult) -> pd.DataFrame:
    assert result.per_patient is not None
    return result.per_patient


@pytest.mark.parametrize("ratio", [0.6, 0.97, 1.1])
def test_rows_add_up_to_the_cohort_estimate_to_the_penny(tmp_path: Path, ratio: float) -> None:
    panel = caseload_panel(120)
    for effect in (entry_rule_cost(ratio, 0.02), site_cost(panel, ratio, 0.02)):
        result = run(tmp_path, panel, [effect])
        rows, people = rows_of(result), caseload(panel)
        assert people is not None
        gross = float(str(result.facts["gross"]))
        assert sum(pence(d) for d in rows["difference"]) == pence(gross * people.person_years)
        net = sum(pence(d) for d in rows["net_difference"])
        service = pence(round(float(str(result.facts["programme_cost"])), 2) * people.person_years)
        assert net == pence(gross * people.person_years) - service


def test_everybody_is_there_once_the_dead_included(result: CostResult) -> None:
    rows, people = rows_of(result), caseload(caseload_panel(120))
    assert people is not None
    assert sorted(rows["person"]) == sorted(people.people.index)
    assert set(rows.loc[rows["status"] == "died", "person"]) == set(people.people.index[people.people["died"]])
    assert rows["block"].is_monotonic_increasing
    assert rows["person_years"].sum() == pytest.approx(people.person_years)
    assert rows["calibration"].nunique() == 1


def test_rows_are_not_ranked_by_saving(result: CostResult) -> None:
    rows = rows_of(result)
    for _, block in rows.groupby("block"):
        assert block[["unit", "referral_month"]].apply(tuple, axis=1).is_monotonic_increasing
        assert not block["difference"].is_monotonic_increasing
        assert not block["difference"].is_monotonic_decreasing


def test_intervals_are_nested_and_around_the_expected_cost(result: CostResult) -> None:
    rows = rows_of(result)
    assert (rows["difference_low_95"] <= rows["difference_low_80"]).all()
    assert (rows["difference_high_80"] <= rows["difference_high_95"]).all()
    assert (rows["difference_low_95"] <= rows["difference"]).all()
    assert (rows["difference"] <= rows["difference_high_95"]).all()
    assert (rows["difference_low_95"] >= -rows["observed_cost"] - 0.01).all()  # nobody's cost would have been negative


ONE_STEP = 0.02  # costs come in steps of one admission, and one step near an end holds up to 2 % of the chance


@pytest.mark.parametrize("mean", [500.0, 4_000.0, 30_000.0])
def test_the_interval_of_a_person_covers_what_chance_gives(mean: float) -> None:
    rng = np.random.default_rng(2)
    clump, cv = 2500.0, 0.5
    rate = mean / clump * rng.gamma(1 / cv**2, cv**2, 40_000)
    cost = rng.poisson(rate) * clump
    for level in (0.80, 0.95):
        low, high = cost_ends(np.array([mean]), np.array([(cv * mean) ** 2]), clump, level)
        inside = np.mean((cost >= low[0]) & (cost <= high[0]))
        assert inside >= level - ONE_STEP
        assert (low[0] == 0) == (np.mean(cost == 0) >= (1 - level) / 2)


def test_intervals_of_people_cover_when_nothing_changed(tmp_path: Path) -> None:
    inside: dict[int, list[bool]] = {80: [], 95: []}
    for seed in range(4):
        panel, _, _ = priced_world(1.0, seed)
        rows = rows_of(run(tmp_path, panel, [entry_rule_cost(1.0, rate=300.0)]))
        for level, found in inside.items():
            found += list((rows[f"difference_low_{level}"] <= 0) & (rows[f"difference_high_{level}"] >= 0))
    for level, found in inside.items():
        assert level / 100 - ONE_STEP <= np.mean(found) < 1


def test_short_follow_up_has_its_own_block(tmp_path: Path) -> None:
    panel = caseload_panel(60)
    assert panel.people is not None
    panel.people.loc[[2, 4], "referral_t"] = 46
    rows = rows_of(run(tmp_path, panel, [entry_rule_cost()]))
    assert set(rows.loc[rows["status"] == "short follow-up", "person"]) == {2, 4}


def test_under_ten_people_no_row_is_made(tmp_path: Path) -> None:
    result = run(tmp_path, caseload_panel(18), [entry_rule_cost()])
    assert result.per_patient is None
    assert "patient_groups" not in result.tables
    assert "fewer than 10 people" in str(result.facts["patient_note"])


def test_rows_are_made_only_when_asked_for(tmp_path: Path) -> None:
    result = run(tmp_path, caseload_panel(60), [entry_rule_cost()], asked=False)
    assert result.per_patient is None
    assert not result.tables["patient_groups"].empty


def test_without_a_saving_there_is_nothing_to_add_up_to(tmp_path: Path) -> None:
    result = run(tmp_path, caseload_panel(60), [entry_rule_cost(uptake=0.05)])
    assert result.per_patient is None
    assert "nothing for the rows to add up to" in str(result.facts["patient_note"])


def test_rows_that_do_not_add_up_stop_the_run(result: CostResult) -> None:
    people = caseload(caseload_panel(120))
    assert people is not None
    rows = rows_of(result)
    cohort = sum(pence(d) for d in rows["difference"])
    reconcile(rows, cohort, people)
    with pytest.raises(NotIdentifiedError, match="the cohort estimate is") as caught:
        reconcile(rows, cohort + 1, people)
    assert caught.value.exit_code == ExitCode.NOT_IDENTIFIED
    with pytest.raises(NotIdentifiedError):
        reconcile(rows.iloc[1:], cohort, people)


def test_a_penny_lost_between_rows_and_cohort_stops_every_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control is made where the rows are, in a run that only groups them too."""
    split = patients.split_pence

    def loses_one(amounts: np.ndarray, total: int) -> np.ndarray:
        return np.asarray(split(amounts, total)) - np.eye(1, len(amounts), dtype=np.int64)[0]

    monkeypatch.setattr(patients, "split_pence", loses_one)
    for asked in (True, False):
        with pytest.raises(NotIdentifiedError, match="the rows of the patients add up to £") as refused:
            run(tmp_path, caseload_panel(120), [entry_rule_cost(0.6)], asked=asked)
        assert refused.value.exit_code == ExitCode.NOT_IDENTIFIED


def test_a_harm_larger_than_all_cost_cannot_be_split(tmp_path: Path) -> None:
    panel = caseload_panel(60)
    with pytest.raises(NotIdentifiedError, match="would be negative"):
        run(tmp_path, panel, [entry_rule_cost(1e3, rate=20_000.0)])
    assert run(tmp_path, panel, [entry_rule_cost(1e3, rate=20_000.0)], asked=False).per_patient is None


# --- the expected cost -----------------------------------------------------------------------------------------------


def test_the_year_before_referral_does_not_enter() -> None:
    cost = np.zeros((30, 40))
    cost[:, 18:30] = 9_999.0  # the twelve months before referral in month 30
    cost[:, 5:18] = 10.0
    prior = by_credibility(cost, np.full(30, 30))
    assert prior.rate == pytest.approx(np.full(30, 10.0))
    assert (prior.months == 12).all()


def test_people_are_shrunk_toward_the_mean_by_what_is_known_of_them() -> None:
    rng = np.random.default_rng(3)
    true = rng.gamma(2.0, 150.0, 400)
    cost = rng.poisson(true[:, None] / 500, (400, 40)) * 500.0
    referral = np.where(np.arange(400) % 2 == 0, 30, 19)  # half of them show seven months only
    prior = by_credibility(cost, referral)
    full, part = prior.weight[::2], prior.weight[1::2]
    assert 0 < part.max() < full.min() < 1
    by_formula = 12 / (12 + (true.mean() * 500) / true.var())  # within = mean x 500, between = var of true rates
    assert full.mean() == pytest.approx(by_formula, abs=0.1)
    own = np.array([cost[i, 6:18].mean() for i in range(0, 400, 2)])
    assert np.mean((prior.rate[::2] - true[::2]) ** 2) < np.mean((own - true[::2]) ** 2)


def test_without_history_everybody_is_expected_alike() -> None:
    prior = by_credibility(np.zeros((5, 10)), np.full(5, 3))
    assert (prior.rate == 1).all()
    assert (prior.weight == 0).all()


def test_the_line_is_read_from_people_without_a_service() -> None:
    """Drawn by hand: the peak is 3 stays in twelve months; who reached it, where, and with which year before and after."""
    months = 60
    panel = caseload_panel(6, months=months, start=48)
    assert panel.people is not None
    panel.people["unit"] = ["S01", "S01", "S02", "S02", "S02", "S02"]
    panel.people["referral_t"] = pd.array([50, None, None, None, None, None], dtype="Int64")
    panel.people["death_t"] = pd.array([None, None, None, None, 33, None], dtype="Int64")
    peak = np.zeros((6, months))
    peak[0, 45:48] = 1  # reached too late: less than a year before the service
    peak[1, 25:28] = 1  # same hospital, early enough: month 28
    peak[2, 30:33] = 1  # comparison hospital: month 33
    peak[3, 55:58] = 1  # no year of data after it
    peak[4, 27:30] = 1  # month 30, dies in month 33: four months alive
    peak[5, 30:32] = 1  # never reached it
    cost = np.tile(np.arange(months, dtype=float), (6, 1))
    before, after, alive = people_like_them(panel, cost, peak, 3)
    assert alive.tolist() == [12, 12, 4]
    assert before.tolist() == [np.mean(range(i - 24, i - 12)) for i in (28, 33, 30)]
    assert after.tolist() == [np.mean(range(28, 40)), np.mean(range(33, 45)), np.mean(range(30, 34))]


WORLDS = 6
SLOPE_NEAR_ONE = 0.45  # one world's slope has a standard deviation of 0.36: three times that over the root of six


def test_expected_cost_is_calibrated_although_referral_is_at_the_peak() -> None:
    """Without an effect a person expected to cost twice the mean costs twice the mean; credibility alone spreads too far."""
    line, credibility = [], []
    for seed in range(WORLDS):
        panel, _, _ = priced_world(1.0, seed)
        people = caseload(panel)
        assert people is not None
        assert panel.people is not None
        prior = expected_rates(panel, people, "alcohol_specific_emergency")
        assert prior.people_like_them >= 30
        rows = panel.people.index.get_indexer(people.people.index)
        within = by_credibility(panel.person_matrix("hospital_cost")[rows], people.people["referral_t"].to_numpy())
        line.append(observed_on_expected(people.people, prior.rate))
        credibility.append(observed_on_expected(people.people, within.rate))
    assert np.mean(line) == pytest.approx(1, abs=SLOPE_NEAR_ONE)
    assert np.mean(credibility) < 1 - SLOPE_NEAR_ONE


def observed_on_expected(people: pd.DataFrame, rate: np.ndarray) -> float:
    """Slope of observed on expected cost, both relative to their means and weighted by time."""
    years = people["person_years"].to_numpy()
    seen = people["observed_cost"].to_numpy() / years
    rate, seen = rate / np.average(rate, weights=years), seen / np.average(seen, weights=years)
    return float(np.average((rate - 1) * (seen - 1), weights=years) / np.average((rate - 1) ** 2, weights=years))


# --- what may leave --------------------------------------------------------------------------------------------------


def test_groups_hold_ten_people_and_the_whole_cohort(result: CostResult) -> None:
    groups, rows = result.tables["patient_groups"], rows_of(result)
    assert list(groups.columns) == list(table_schema("release", "patient_groups").names)
    assert (groups["people"] >= 10).all()
    assert groups["people"].sum() == len(rows)
    assert "person" not in groups
    total = (groups["observed_cost"] * groups["person_years"]).sum()
    assert total == pytest.approx(rows["observed_cost"].sum(), rel=1e-4)


def group_rows(expected: list[float], observed: list[float]) -> pd.DataFrame:
    n = len(expected)
    columns = {"person": range(n), "model_cost": expected, "expected_cost": expected, "observed_cost": observed}
    return pd.DataFrame({**columns, "person_years": 1.0})


def test_one_person_may_not_hold_a_group() -> None:
    even = group_rows([10.0] * 10, [10.0] * 10)
    assert not dominated(even)
    assert dominated(even.iloc[:9])
    assert dominated(even.assign(observed_cost=[1000.0] + [10.0] * 9))
    assert dominated(even.assign(observed_cost=[500.0, 490.0] + [1.0] * 8))


def test_a_dominated_group_joins_its_neighbour() -> None:
    heavy = group_rows([float(i) for i in range(1, 31)], [100.0] * 29 + [1500.0])
    table = patient_groups(heavy)
    assert table["people"].tolist() == [10, 20]
    assert patient_groups(group_rows([1.0] * 12, [1e6] + [1.0] * 11)).empty


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1e5), min_size=10, max_size=80), st.integers(0, 2**31))
def test_no_group_is_small_or_dominated(cost: list[float], seed: int) -> None:
    observed = np.random.default_rng(seed).gamma(0.3, 1000.0, len(cost))
    table = patient_groups(group_rows(cost, list(observed)))
    assert table.empty or ((table["people"] >= 10).all() and table["people"].sum() == len(cost))
