"""Net benefit, the incremental ladder and differences between arms against the cases of the field: every quantity of each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaot_eval.costs.cost_models import Windows, gamma_fit, logit_fit, two_part
from aaot_eval.costs.differences import adjusted, resampled, seemingly_unrelated, welch
from aaot_eval.costs.net_benefit import Options, incremental_ratio, quadrants
from aaot_eval.incremental import chosen, incremental_ladder
from tests.agreement import agrees

RESAMPLES = 5_000
"""Enough for the case's own tolerances of 3 % of a standard error, 0.02 of a share and 6 pounds of an end."""
EVPPI_ROUTES = 0.06
"""Regression and grouping of 1,000 draws differ by the noise of group means: 6 % of the value of perfect information."""

VACCINE, LADDERS, MENSS = "econ/bcea_vaccine", "econ/incremental_ladders", "econ/menss_trial"


def quantities(shared: Path, case: str) -> list[dict[str, object]]:
    document = json.loads((shared / "reference_cases" / case / "expected.json").read_text("utf-8"))
    return list(document["quantities"])


def hold(case: str, quantity: dict[str, object], ours: float) -> None:
    agrees(
        case, str(quantity["name"]), ours, float(quantity["value"]),  # type: ignore[arg-type]
        rel=float(quantity.get("tol_rel", 0)), abs=float(quantity.get("tol_abs", 0)), note=str(quantity["kind"]),  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture(scope="module")
def vaccine(shared: Path) -> Options:
    table = pd.read_csv(shared / "reference_cases" / VACCINE / "data.csv")
    names = {"status quo": "status_quo", "vaccination": "vaccination"}
    return Options.of(
        {label: table[f"cost_{name}"].to_numpy() for label, name in names.items()},
        {label: table[f"eff_{name}"].to_numpy() for label, name in names.items()},
    )


def vaccine_answer(options: Options, name: str) -> float:
    cost = options.cost[:, 1] - options.cost[:, 0]
    effect = options.effect[:, 1] - options.effect[:, 0]
    whole = {
        "icer": lambda: incremental_ratio(cost.mean(), effect.mean()).ratio,
        "icer_full": lambda: incremental_ratio(cost.mean(), effect.mean()).ratio,
        "k_star_on_100_grid": lambda: next(
            k for k in range(0, 50_100, 100) if options.incremental(k, "vaccination", "status quo").mean() > 0
        ),
        "mean_inc_effect": effect.mean,
        "mean_inc_cost": cost.mean,
        "p_cost_saving_vaccination": lambda: float((cost < 0).mean()),
    }
    if name in whole:
        return float(whole[name]())
    kind, value = name.rsplit("_k", 1)
    parts = {
        "eib": lambda k: float(options.incremental(k, "vaccination", "status quo").mean()),
        "evpi": options.evpi,
        "ceac_vaccination": lambda k: options.acceptability(k)["vaccination"],
        "p_vaccination_cost_effective": lambda k: options.acceptability(k)["vaccination"],
    }
    return float(parts[kind](float(value)))


def test_vaccine_reference_every_quantity(shared: Path, vaccine: Options) -> None:
    for quantity in quantities(shared, VACCINE):
        hold(VACCINE, quantity, vaccine_answer(vaccine, str(quantity["name"])))


def test_vaccine_reference_both_routes_choose_alike(vaccine: Options) -> None:
    cost, effect = vaccine.cost.mean(axis=0), vaccine.effect.mean(axis=0)
    ladder = incremental_ladder({label: (c, e) for label, c, e in zip(vaccine.labels, cost, effect, strict=True)})
    for value in range(0, 60_001, 500):
        assert vaccine.best(value) == (chosen(ladder, value),)
        assert vaccine.frontier(value)[0] == chosen(ladder, value)


def test_vaccine_reference_ratio_of_means_not_mean_of_ratios(vaccine: Options) -> None:
    cost, effect = vaccine.cost[:, 1] - vaccine.cost[:, 0], vaccine.effect[:, 1] - vaccine.effect[:, 0]
    wrong = float(np.mean(cost / effect))
    assert abs(incremental_ratio(cost.mean(), effect.mean()).ratio / wrong - 1) > 0.02
    assert sum(quadrants(cost, effect).values()) == pytest.approx(1)


def test_vaccine_reference_evppi_agrees_with_grouping_by_the_parameter(vaccine: Options) -> None:
    """Strong and Oakley 2013: sort by the parameter, average net benefit in groups, take the best of each group."""
    k = 25_000.0
    evpi = vaccine.evpi(k)
    for parameter in (vaccine.effect[:, 1] - vaccine.effect[:, 0], vaccine.cost[:, 1] - vaccine.cost[:, 0]):
        nb = vaccine.net_benefit(k)[np.argsort(parameter)]
        groups = np.array([g.mean(axis=0) for g in np.array_split(nb, 25)])
        sorted_route = groups.max(axis=1).mean() - nb.mean(axis=0).max()
        assert vaccine.evppi(k, parameter) == pytest.approx(sorted_route, abs=EVPPI_ROUTES * evpi)
    assert vaccine.evppi(k, vaccine.incremental(k, "vaccination", "status quo")) == pytest.approx(evpi, rel=1e-9)
    assert vaccine.evppi(k, np.ones(1000)) == 0


@pytest.mark.parametrize("name", ["herc_textbook", "hiv_screening", "cost_saving_dominant"])
def test_ladder_reference_every_status_and_ratio(shared: Path, name: str) -> None:
    table = pd.read_csv(shared / "reference_cases" / LADDERS / "data.csv")
    own = table[table["set"] == name]
    options = {row.strategy: (float(row.cost), float(row.effect)) for row in own.itertuples()}
    ladder = {step.option: step for step in incremental_ladder(options)}
    seen = 0
    for quantity in quantities(shared, LADDERS):
        group, option, what = str(quantity["name"]).split("/")
        if group != name:
            continue
        seen += 1
        if what == "icer":
            hold(LADDERS, quantity, ladder[option].icer)
        else:
            assert ladder[option].status == quantity["value"], quantity["name"]
    assert seen >= 3
    draws = {k: (np.full(1, c), np.full(1, e)) for k, (c, e) in options.items()}
    flat = Options.of({k: v[0] for k, v in draws.items()}, {k: v[1] for k, v in draws.items()})
    for value in np.linspace(0, 150_000, 301) + 0.5:
        assert flat.best(value) == (chosen(list(ladder.values()), value),)


def test_ladder_reference_a_dominant_saver_has_no_ratio(shared: Path) -> None:
    table = pd.read_csv(shared / "reference_cases" / LADDERS / "data.csv")
    own = table[table["set"] == "cost_saving_dominant"].set_index("strategy")
    ladder = incremental_ladder({k: (float(r["cost"]), float(r["effect"])) for k, r in own.iterrows()})
    assert all(np.isnan(step.icer) for step in ladder)
    assert ladder[0].option == "Test & treat"
    cost, effect = (own.loc["Test & treat", c] - own.loc["No Treat", c] for c in ("cost", "effect"))
    found = incremental_ratio(float(cost), float(effect))
    assert np.isnan(found.ratio)
    assert found.place == "dominant"


@pytest.fixture(scope="module")
def menss(shared: Path) -> pd.DataFrame:
    return pd.read_csv(shared / "reference_cases" / MENSS / "data.csv")


def recycled(cost: np.ndarray, second: np.ndarray, age: np.ndarray) -> float:
    """Second arm less first over everybody: the model of a run averages over one arm, so it is asked of each in turn."""

    def averted(arm: np.ndarray) -> float:
        rows, without = (np.column_stack([np.ones(len(cost)), given, age]) for given in (arm, np.zeros(len(cost))))
        return two_part(Windows(cost, np.ones(len(cost)), rows, without, arm, np.arange(len(cost)))).value

    return float((~second).mean() * averted(~second) - second.mean() * averted(second))


def menss_answers(everybody: pd.DataFrame) -> dict[str, float]:
    complete = everybody.dropna(subset=["qaly", "cost"])
    second = (complete["arm"] == "intervention").to_numpy()
    cost, qaly, baseline = (complete[c].to_numpy(dtype=float) for c in ("cost", "qaly", "utility_baseline"))
    age, one = complete["age"].to_numpy(dtype=float), np.ones(len(complete))
    plain, mean = adjusted(cost, second), welch(cost[~second], cost[second])
    low, high = mean.interval()
    gain, some = adjusted(qaly, second, baseline[:, None]), cost > 0
    rows = np.column_stack([one, second, age])
    of_cost, of_qaly = seemingly_unrelated(cost, qaly, rows, np.column_stack([one, second, baseline]))
    worth = {k: adjusted(k * qaly - cost, second, baseline[:, None]) for k in (20_000, 30_000)}
    again = resampled(cost[~second], cost[second], seed=7, n=RESAMPLES)
    return {
        "ols_cost_diff": plain.estimate,
        "ols_cost_diff_se_hc1": plain.std_error,
        "ols_cost_diff_se_hc3": adjusted(cost, second, robust="HC3").std_error,
        "welch_df": mean.df,
        "welch_ci_saving_low": -high,
        "welch_ci_saving_high": -low,
        "mean_cost_control": cost[~second].mean(),
        "mean_cost_intervention": cost[second].mean(),
        "share_zero_control": (cost[~second] == 0).mean(),
        "share_zero_intervention": (cost[second] == 0).mean(),
        "qaly_diff_adj_baseline_utility": gain.estimate,
        "qaly_diff_adj_se_hc1": gain.std_error,
        "qaly_diff_unadjusted": adjusted(qaly, second).estimate,
        "inmb_20000": worth[20_000].estimate,
        "inmb_se_hc1_20000": worth[20_000].std_error,
        "inmb_30000": worth[30_000].estimate,
        "inmb_se_hc1_30000": worth[30_000].std_error,
        "two_part_gamma_adj_age_recycled_diff": recycled(cost, second, age),
        "gamma_part_coef_t": gamma_fit(rows[some], cost[some], one[some]).coefficients[1],
        "logit_part_coef_t": logit_fit(rows, some.astype(float)).coefficients[1],
        "sur_cost_coef_t": of_cost[1],
        "sur_qaly_coef_t": of_qaly[1],
        "n_randomised_control": (everybody["arm"] == "control").sum(),
        "n_randomised_intervention": (everybody["arm"] == "intervention").sum(),
        "n_complete_control": mean.n_first,
        "n_complete_intervention": mean.n_second,
        "bootstrap_se_cost_diff": again.std_error,
        "bootstrap_p_intervention_cheaper": again.p_second_lower,
        "bootstrap_percentile_lcl": again.low,
        "bootstrap_percentile_ucl": again.high,
    }


def test_menss_reference_every_quantity(shared: Path, menss: pd.DataFrame) -> None:
    answers = menss_answers(menss)
    listed = quantities(shared, MENSS)
    assert {str(q["name"]) for q in listed} == set(answers)
    for quantity in listed:
        hold(MENSS, quantity, float(answers[str(quantity["name"])]))
