"""Other ways to work out the money: censoring-weighted means, models of cost, two-stage resampling, and their table."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from aaot_eval.costs.censoring import (
    bang_tsiatis,
    complete_cases,
    lin,
    monthly_histories,
    naive,
    partitioned,
    survivor,
    zhao_tian,
)
from aaot_eval.costs.cost_models import NoFitError, Windows, gamma_log, least_squares, two_part
from aaot_eval.costs.ladder import ladder
from aaot_eval.costs.rates import caseload
from aaot_eval.costs.resampling import Arm, resampled_by_site, resampled_means
from aaot_eval.costs.savings import run_loop
from aaot_eval.costs.sensitivity import COLUMNS, against, cost_sensitivity, two_stage_row, windows_of
from aaot_eval.errors import InputError
from aaot_eval.results import Estimate, Panel
from aaot_eval.schema import table_schema
from benchmarks.money_recovery import PRICES, World, drawn_world, priced_effects
from tests.costs_builders import caseload_panel, entry_rule_cost, site_cost

pytestmark = pytest.mark.methods

CLOSE = 1e-6  # two solvers of one equation, each settled to its own criterion
MONTE_CARLO = 0.15  # standard errors from 300 resamples are known to about a twelfth of themselves
YEAR = np.arange(13.0)


def test_four_patients_by_hand() -> None:
    """100 a month. A dies in month 1; B is cut after month 1; C and D are seen for all three months.

    K after month 1 is 2/3 (of B, C, D one is cut), so C and D count 3/2 each and A counts once: (100 + 450 + 450) / 4.
    B's own 100 is the mean of the three seen to the end of month 1: Zhao-Tian is the same.
    """
    cost = np.full((4, 3), 100.0)
    seen = monthly_histories(cost, np.array([1, 1, 3, 3]), np.array([True, False, True, True]))
    assert bang_tsiatis(seen).value == pytest.approx(250)
    assert zhao_tian(seen).value == pytest.approx(250)
    assert lin(seen, np.arange(4.0)).value == pytest.approx(100 + 0.75 * 200)
    assert partitioned(seen, np.arange(4.0)).value == pytest.approx(250)
    assert naive(seen).value == pytest.approx(200)
    assert complete_cases(seen).value == pytest.approx(700 / 3)


def test_a_history_tells_what_the_cut_patient_had_cost() -> None:
    """As above, but B had cost 400 in month 1: Zhao-Tian adds (400 - 200) / (2/3) / 4 = 75, the simple mean nothing."""
    cost = np.full((4, 3), 100.0)
    cost[1, 0] = 400
    seen = monthly_histories(cost, np.array([1, 1, 3, 3]), np.array([True, False, True, True]))
    assert bang_tsiatis(seen).value == pytest.approx(250)
    assert zhao_tian(seen).value == pytest.approx(250 + 75)
    assert lin(seen, np.arange(4.0)).value == pytest.approx((100 + 400 + 100 + 100) / 4 + 0.75 * 200)


def drawn(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Monthly costs, months followed, completeness; the sicker cost more and die sooner. And the mean nobody saw."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1, 1, n)
    death = rng.geometric(0.04 * rate / (1 + rate) + 0.01, n)
    cut = rng.choice([3, 6, 9, 99], n)
    followed = np.minimum(np.minimum(death, cut), 12)
    cost = rng.poisson(rate[:, None], (n, 12)) * 1000.0
    full = float((cost * (np.arange(12) < death[:, None])).sum(axis=1).mean())
    return cost, followed, (death <= cut) | (cut >= 12), full


def test_weighted_means_find_what_naive_ones_miss() -> None:
    found = []
    for seed in range(60):
        cost, followed, complete, full = drawn(seed)
        seen = monthly_histories(cost, followed, complete)
        found.append([f(seen).value - full for f in (zhao_tian, bang_tsiatis, naive, complete_cases)])
        means = [zhao_tian(seen).value, lin(seen, YEAR).value, partitioned(seen, YEAR).value]
        assert means == pytest.approx([means[0]] * 3), "one mean when follow-up is cut at the ends of months only"
    bias, error = np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(60)
    assert abs(bias[0]) < 3 * error[0]
    assert abs(bias[1]) < 3 * error[1]
    assert bias[2] < -10 * error[2]
    assert bias[3] < -10 * error[3]


def test_standard_errors_are_the_spread_of_the_means() -> None:
    rows = []
    for seed in range(150):
        cost, followed, complete, _ = drawn(seed)
        seen = monthly_histories(cost, followed, complete)
        rows.append([(m.value, m.std_error) for m in (zhao_tian(seen), lin(seen, YEAR), partitioned(seen, YEAR))])
    values = np.array(rows)
    spread, said = values[:, :, 0].std(axis=0), values[:, :, 1].mean(axis=0)
    assert said == pytest.approx(spread, rel=MONTE_CARLO)


def test_without_a_cut_every_mean_is_the_plain_one() -> None:
    cost = np.random.default_rng(2).gamma(1, 1000, (50, 12))
    seen = monthly_histories(cost, np.full(50, 12), np.full(50, True))
    plain = cost.sum(axis=1)
    for found in (zhao_tian(seen), bang_tsiatis(seen), lin(seen, YEAR), partitioned(seen, YEAR), naive(seen)):
        assert found.value == pytest.approx(plain.mean())
        assert found.std_error == pytest.approx(plain.std() / math.sqrt(50), rel=0.02)


def test_survivor_just_before_and_at_an_event() -> None:
    time, event = np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, True, False, True])
    assert survivor(time, event, np.array([1.0, 2.0, 3.0])).tolist() == pytest.approx([1, 2 / 3, 0])
    assert survivor(time, event, np.array([2.0, 3.0]), before=True).tolist() == pytest.approx([1, 2 / 3])


# --- models of cost ---------------------------------------------------------------------------------------------------


def windows(seed: int = 3, n: int = 1200, zeros: float = 0.25) -> Windows:
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, 12, n)
    frame = pd.DataFrame(
        {"unit": unit, "launch": 0, "service": unit < 5, "after": rng.random(n) < 0.5, "months": rng.integers(3, 13, n)}
    )
    mean = 500 * frame["months"] * np.exp(0.3 * frame["after"] - 0.5 * (frame["service"] & frame["after"]))
    frame["total"] = rng.gamma(0.7, 1, n) * mean * (rng.random(n) > zeros)
    return windows_of(frame)


def by_statsmodels(data: Windows, fit: object) -> float:
    with_service, without = (
        fit.predict(rows, offset=np.log(data.years))
        for rows in (data.design, data.without)  # type: ignore[attr-defined]
    )
    return float((without - with_service)[data.counted].sum() / data.years[data.counted].sum())


@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.DomainWarning")
def test_the_gamma_model_is_that_of_statsmodels() -> None:
    data = windows()
    family = sm.families.Gamma(sm.families.links.Log())
    fit = sm.GLM(data.cost, data.design, family=family, offset=np.log(data.years)).fit(
        cov_type="cluster", cov_kwds={"groups": data.cluster}, tol=1e-12, maxiter=200
    )
    found = gamma_log(data)
    assert found.value == pytest.approx(by_statsmodels(data, fit), rel=CLOSE)
    h = 1e-6
    slope = []
    for k in range(len(fit.params)):
        ends = []
        for sign in (1, -1):
            b = fit.params.copy()
            b[k] += sign * h
            gap = (np.exp(data.without @ b) - np.exp(data.design @ b)) * data.years
            ends.append(gap[data.counted].sum() / data.years[data.counted].sum())
        slope.append((ends[0] - ends[1]) / (2 * h))
    their_error = math.sqrt(np.array(slope) @ fit.cov_params() @ np.array(slope))
    n, p = data.design.shape
    small_sample = math.sqrt((n - 1) / (n - p))  # statsmodels multiplies by it as well
    assert found.std_error == pytest.approx(their_error / small_sample, rel=1e-3)


def test_two_parts_are_those_of_statsmodels() -> None:
    data = windows()
    spent = data.cost > 0
    rows = [np.column_stack([x, np.log(data.years)]) for x in (data.design, data.without)]
    chance = sm.Logit(spent.astype(float), rows[0]).fit(disp=0, tol=1e-12)
    family = sm.families.Gamma(sm.families.links.Log())
    size = sm.GLM(data.cost[spent], data.design[spent], family=family, offset=np.log(data.years[spent])).fit(tol=1e-12)
    means = [
        chance.predict(r) * np.exp(x @ size.params) * data.years
        for r, x in zip(rows, (data.design, data.without), strict=True)
    ]
    theirs = (means[1] - means[0])[data.counted].sum() / data.years[data.counted].sum()
    assert two_part(data).value == pytest.approx(theirs, rel=CLOSE)


def test_equal_windows_give_back_the_arithmetic_means() -> None:
    """One year each and one parameter a cell: means of 1000, 800 before and 1200, 500 after; without it 800 x 1.2 = 960."""
    rng = np.random.default_rng(1)
    parts = []
    for service, after, mean in ((0, 0, 1000), (1, 0, 800), (0, 1, 1200), (1, 1, 500)):
        cost = rng.gamma(0.5, 1, 300)
        parts.append(
            pd.DataFrame({"unit": [f"{service}{k % 4}" for k in range(300)], "launch": 0, "service": bool(service),
                          "after": bool(after), "months": 12, "total": cost * mean / cost.mean()})
        )  # fmt: skip
    data = windows_of(pd.concat(parts, ignore_index=True))
    assert gamma_log(data).value == pytest.approx(960 - 500)
    assert least_squares(data).value == pytest.approx(800 + 200 - 500)


def test_models_that_cannot_be_fitted_say_why() -> None:
    data = windows()
    with pytest.raises(NoFitError, match="nobody has a cost"):
        gamma_log(replace(data, cost=np.zeros_like(data.cost)))
    with pytest.raises(NoFitError, match=r"everybody or nobody has a cost|holds no variation"):
        two_part(replace(data, cost=np.where(data.counted, 1.0 + data.cost, data.cost)))
    with pytest.raises(NoFitError, match="an arm of the comparison is empty"):
        gamma_log(replace(data, design=data.design * np.array([1, 1, 1, 0])))


# --- the table --------------------------------------------------------------------------------------------------------


def rows_of(panel: Panel, effects: list) -> pd.DataFrame:
    people = caseload(panel)
    money = [run_loop(r, PRICES, seed=1, n=100) for r in ladder(panel, effects, people)]
    return cost_sensitivity(panel, people, effects, money, seed=1)


def test_a_costed_study_gets_every_row() -> None:
    panel, _, truth = drawn_world(World(ratio=0.4, people=4000), 7, "table")
    effects = priced_effects(panel)
    estimate = effects[0].headline
    table = rows_of(panel, effects)
    assert list(table.columns) == list(COLUMNS) == [s.name for s in table_schema("release", "cost_sensitivity").columns]
    assert (table["status"] == "ok").tolist() == [True] * 9 + [False]
    assert table["note"].iloc[-1] == "not worked out: an arm of 3 hospitals; 10 in each are needed to resample them"
    assert table["order"].tolist() == list(range(1, 11))
    models = table[table["part"] == "averted hospital cost"].set_index("method")
    assert ((models["low"] < truth.gross) & (truth.gross < models["high"])).all()
    assert (models["people"] == _windows(estimate)["person"].nunique()).all()
    money = [run_loop(r, PRICES, seed=1, n=100) for r in ladder(panel, effects, caseload(panel))]
    assert against(table, money[0]) == []
    turned = table.assign(estimate=table["estimate"].where(table["method"] != "Least squares", -5.0))
    assert against(turned, money[0]) == [
        "Models of each person's cost disagree with the averted cost in sign or size: Least squares."
    ]
    assert against(table, None) == []
    seen = table[table["part"] == "observed cost of the referred"].set_index("method")["estimate"]
    assert seen["Everybody, as far as seen"] < seen["Zhao-Tian"]
    assert seen["Lin"] == pytest.approx(seen["Zhao-Tian"])


def _windows(estimate: Estimate) -> pd.DataFrame:
    assert estimate.windows is not None
    return estimate.windows


def test_windows_add_up_to_the_estimate() -> None:
    """The ratio of the entry-rule estimate is made from these windows and nothing else."""
    panel, _, _ = drawn_world(World(ratio=0.5), 3, "windows")
    effect = priced_effects(panel)[0]
    estimate = effect.headline
    by_hospitals = effect.estimates[1]
    assert estimate.scores is not None
    assert estimate.scores.groupby("service")["score"].sum().to_numpy() == pytest.approx([0, 0], abs=1e-9)
    assert set(estimate.scores["unit"]) == set(_windows(estimate)["unit"])
    assert (estimate.scores["score"] ** 2).sum() == pytest.approx(by_hospitals.facts["person_variance"])
    total = _windows(estimate).groupby(["unit", "service", "after"])[["total", "months"]].sum()
    rate = total["total"] / total["months"]
    control = total.xs(False, level="service").groupby("after").sum()
    change = control["total"] / control["months"]
    mine = total.xs(True, level="service")
    expected = (mine["months"].xs(True, level="after") * rate.xs(True, level="service").xs(False, level="after")).sum()
    ratio = mine["total"].xs(True, level="after").sum() / (expected * change[True] / change[False])
    assert ratio == pytest.approx(estimate.estimate)


def test_other_designs_say_why_there_is_no_model() -> None:
    panel = caseload_panel()
    models = rows_of(panel, [site_cost(panel)]).set_index("part").loc["averted hospital cost"]
    assert (models["status"] == "not_estimable").all()
    assert models["note"].str.contains("a comparison of sites has no person in its arms").all()
    without = rows_of(panel, [entry_rule_cost()]).set_index("part").loc["averted hospital cost"]
    assert without["note"].str.startswith("not worked out").all()
    assert models["estimate"].isna().all()


def test_a_small_caseload_gets_no_table() -> None:
    panel = caseload_panel(n_people=12)
    assert rows_of(panel, [site_cost(panel)]).empty


# --- two-stage resampling, beside the saving --------------------------------------------------------------------------


def scores_of(j: int, m: int = 20, size: float = 0.002, seed: int = 1) -> pd.DataFrame:
    """Two arms of j hospitals of m people; hospitals alike, parts of people normal and adding up to 0 in each hospital."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(0, size, (2, j, m))
    parts -= parts.mean(axis=2, keepdims=True)
    arm, hospital, person = (x.ravel() for x in np.indices(parts.shape))
    return pd.DataFrame(
        {"person": np.arange(len(person)), "unit": arm * j + hospital, "service": arm == 0, "score": parts.ravel()}
    )


def with_scores(scores: pd.DataFrame | None, **more: object) -> pd.Series:
    money = [run_loop(r, PRICES, seed=1, n=2000) for r in _rungs(scores, **more)]
    return pd.Series(two_stage_row(money, 1))


def _rungs(scores: pd.DataFrame | None, **more: object) -> list:
    panel = caseload_panel()
    return ladder(panel, [entry_rule_cost(scores=scores, **more)], caseload(panel))


def test_the_two_stage_row_is_the_saving_with_hospitals_and_people_resampled() -> None:
    """Ten hospitals an arm without a difference between them: the spread on the log scale is that of 200 people's parts an arm.

    Pushed through (r / ratio - r) / uptake x 12 with r = 400, uptake 0.5 and the loop's own prices and service.
    """
    scores = scores_of(10)
    row = with_scores(scores)
    money = run_loop(_rungs(scores)[0], PRICES, seed=1, n=2000)
    assert money.loop is not None
    assert row["method"] == "Two-stage resampling of hospitals and people"
    assert (row["part"], row["status"], row["people"]) == ("net saving", "ok", 400)
    assert row["estimate"] == money.saving
    assert row["low"] < money.saving < row["high"]
    log_error = math.sqrt((scores["score"] ** 2).sum())
    of_effect = 400 / 0.7 / 0.5 * 12 * log_error
    rest = (
        money.gross / money.loop.gross.mean() * money.gross * money.loop.price.std()
    ) ** 2 + money.loop.programme.var()
    assert row["std_error"] == pytest.approx(math.sqrt(of_effect**2 + rest), rel=0.1)
    assert "never the headline" in row["note"]


def test_the_two_stage_row_refuses_what_it_cannot_do() -> None:
    few = scores_of(12)
    few = few[few["service"] | (few["unit"] < 21)]
    refused = "not worked out: an arm of 9 hospitals; 10 in each are needed to resample them"
    assert with_scores(few)["note"] == refused
    assert math.isnan(with_scores(few)["low"])
    nothing = with_scores(scores_of(10), status="no_finite_interval", conf_low=math.nan, conf_high=math.nan)
    assert nothing["note"] == "not worked out: the comparison has no saving with an interval"
    panel = caseload_panel()
    money = [run_loop(r, PRICES, seed=1, n=10) for r in ladder(panel, [site_cost(panel)], caseload(panel))]
    assert "a comparison of sites has no person in its arms" in str(two_stage_row(money, 1)["note"])


# --- two-stage resampling ---------------------------------------------------------------------------------------------


def hospitals(seed: int, between: float, j: int = 15, m: int = 30) -> Arm:
    rng = np.random.default_rng(seed)
    return Arm.of([rng.gamma(0.5, 8000, m) + level for level in rng.normal(0, between, j)])


@pytest.mark.parametrize("between", [0.0, 1500.0])
def test_resamples_spread_as_the_means_do(between: float) -> None:
    """15 hospitals of 30: with and without a difference between hospitals the known error of the mean is told to 10 %."""
    arms = [hospitals(seed, between) for seed in range(200)]
    spread = math.sqrt(between**2 / 15 + 0.5 * 8000**2 / (15 * 30))
    told = np.mean([resampled_means(arm, 300, seed=seed).std() for seed, arm in enumerate(arms)])
    assert told == pytest.approx(spread, rel=0.1)


def test_resampling_repeats_itself_and_keeps_the_mean() -> None:
    arm = hospitals(1, 500.0)
    first, again = (resampled_means(arm, 2000, seed=4) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.mean() == pytest.approx(arm.cost.mean(), abs=4 * first.std() / math.sqrt(2000))
    by_site = resampled_by_site(arm, 2000, seed=4)
    assert by_site.mean() == pytest.approx(arm.cost.mean(), abs=4 * by_site.std() / math.sqrt(2000))
    assert len(set(np.round(by_site, 6))) > 1000


def test_nine_hospitals_are_too_few_to_resample() -> None:
    for resample in (resampled_means, resampled_by_site):
        with pytest.raises(InputError, match="an arm of 9 hospitals cannot be resampled by hospital"):
            resample(hospitals(1, 500.0, j=9), 10, seed=1)
