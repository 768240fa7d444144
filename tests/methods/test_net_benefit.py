"""Cost against outcome: cases worked by hand, refusals, and the tables of a run with and without an outcome."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from aaot_eval.config import RunConfig
from aaot_eval.costs import control_totals, cost_service, decision, load_prices
from aaot_eval.costs.decision import AAOT, BETTER, CANNOT, USUAL, USUAL_BETTER, assert_agree, net_benefit_reading
from aaot_eval.costs.differences import Difference, adjusted, seemingly_unrelated, welch
from aaot_eval.costs.draws import percentiles, uniforms
from aaot_eval.costs.imputing import chained, imputations, pooled
from aaot_eval.costs.ladder import OWN_COHORTS, SITES, TRIAL
from aaot_eval.costs.net_benefit import Options, incremental_ratio, natural_spline, quadrants
from aaot_eval.costs.outcome import days_alive
from aaot_eval.costs.plane import contour
from aaot_eval.costs.qaly import area_under_curve, imputed_gains, qaly_difference, qalys, schedule_of
from aaot_eval.errors import InputError, NotIdentifiedError
from aaot_eval.incremental import chosen, incremental_ladder, ladder_table
from aaot_eval.results import CostResult, Effect
from aaot_eval.schema import table_schema
from tests.costs_builders import (
    caseload_panel,
    cost_effect,
    entry_rule_cost,
    own_cohorts_cost,
    price_config,
    ratio_estimate,
    verdict,
    write_prices,
)

EVPPI_NOISE = 0.02
"""A spline on 4,000 draws against the closed form: 2 % of the value of perfect information."""
KERNEL = 0.06
"""Share of draws inside an outline of 60 straight pieces, against the share it is made for."""
DECISION_TABLES = {"cost_effectiveness", "net_benefit", "acceptability", "ce_plane", "value_of_information"}

# --- options, by hand -------------------------------------------------------------------------------------------------


def three() -> Options:
    """Four worlds; net benefit at 10 pounds a unit: A 0 0 0 0; B 10 -10 10 0; C 0 20 10 -8."""
    zero = np.zeros(4)
    return Options.of(
        {"A": zero, "B": np.array([10.0, 10, 0, 10]), "C": np.array([20.0, 0, 10, 18])},
        {"A": zero, "B": np.array([2.0, 0, 1, 1]), "C": np.array([2.0, 2, 2, 1])},
    )


def test_three_options_by_hand() -> None:
    options = three()
    assert options.net_benefit(10).tolist() == [[0, 10, 0], [0, -10, 20], [0, 10, 10], [0, 0, -8]]
    assert options.mean_net_benefit(10) == {"A": 0.0, "B": 2.5, "C": 5.5}
    assert options.best(10) == ("C",)
    # world 3 is tied between B and C, world 4 between A and B: each takes half
    assert options.acceptability(10) == {"A": 0.125, "B": (1 + 0.5 + 0.5) / 4, "C": 1.5 / 4}
    assert options.frontier(10) == ("C", 0.375)
    assert options.evpi(10) == pytest.approx((10 + 20 + 10 + 0) / 4 - 5.5)
    assert options.expected_loss(10) == {"A": 10.0, "B": 7.5, "C": 4.5}
    assert min(options.expected_loss(10).values()) == pytest.approx(options.evpi(10))


def test_identical_options_share_every_world() -> None:
    same = np.array([1.0, 2.0, 3.0])
    options = Options.of({"first": same, "second": same}, {"first": same, "second": same})
    assert options.acceptability(5) == {"first": 0.5, "second": 0.5}
    assert options.best(5) == ("first", "second")
    assert options.frontier(5) == ("first", 0.5)
    assert options.evpi(5) == 0


def test_at_no_value_the_curve_is_the_probability_of_a_saving() -> None:
    cost = np.array([-5.0, -1.0, 3.0, 0.0])
    options = Options.of({USUAL: np.zeros(4), AAOT: cost}, {USUAL: np.zeros(4), AAOT: np.ones(4)})
    assert options.acceptability(0)[AAOT] == (1 + 1 + 0 + 0.5) / 4


@pytest.mark.parametrize(
    ("labels", "cost", "effect", "said"),
    [
        (("A", "A"), np.zeros((2, 2)), np.zeros((2, 2)), "each once"),
        (("A", "B"), np.zeros((2, 2)), np.zeros((3, 2)), "draws x 2"),
        (("A", "B"), np.array([[0, np.nan]]), np.zeros((1, 2)), "not finite"),
        (("A", "B"), np.array([[0, np.inf]]), np.zeros((1, 2)), "not finite"),
    ],
)
def test_options_refuse_what_could_get_out_of_step(
    labels: tuple[str, ...], cost: np.ndarray, effect: np.ndarray, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Options(labels, cost, effect)


def test_options_refuse_costs_and_effects_of_different_labels() -> None:
    with pytest.raises(ValueError, match="effects of"):
        Options.of({"A": np.zeros(2), "B": np.zeros(2)}, {"A": np.zeros(2), "C": np.zeros(2)})


@pytest.mark.parametrize("mean", [-0.5, 0.0, 0.8])
def test_value_of_one_parameter_is_the_closed_form_of_a_normal(mean: float) -> None:
    """Net benefit = mean + 2 X + Y: knowing X alone is worth s phi(m/s) + m Phi(m/s) - max(0, m) with s = 2."""
    n = 4000
    x, y = (stats.norm.ppf(uniforms(3, n, name)) for name in ("x", "y"))
    zero = np.zeros(n)
    options = Options.of({"none": zero, "new": -(mean + 2 * x + 1.5 * y)}, {"none": zero, "new": zero})

    def worth(spread: float) -> float:
        z = mean / spread
        return float(spread * stats.norm.pdf(z) + mean * stats.norm.cdf(z) - max(0.0, mean))

    every = worth(math.hypot(2, 1.5))
    assert options.evpi(0) == pytest.approx(every, abs=EVPPI_NOISE * every)
    assert options.evppi(0, x) == pytest.approx(worth(2.0), abs=EVPPI_NOISE * every)
    assert options.evppi(0, y) == pytest.approx(worth(1.5), abs=EVPPI_NOISE * every)
    assert options.evppi(0, stats.norm.ppf(uniforms(3, n, "noise"))) < EVPPI_NOISE * every
    assert options.evppi(0, np.full(n, 7.0)) == 0


def test_value_of_a_parameter_refuses_few_draws_and_holes() -> None:
    options = Options.of({"A": np.zeros(50), "B": np.ones(50)}, {"A": np.zeros(50), "B": np.ones(50)})
    with pytest.raises(ValueError, match="too few"):
        options.evppi(1, np.ones(50))
    more = Options.of({"A": np.zeros(200), "B": np.ones(200)}, {"A": np.zeros(200), "B": np.ones(200)})
    with pytest.raises(ValueError, match="one finite draw"):
        more.evppi(1, np.full(200, np.nan))


def test_a_parameter_of_two_values_is_worth_the_better_choice_at_each() -> None:
    """Known to be low: 0 is better than -3; known to be high: 5. Without knowing, the new one at 1 on average."""
    which = np.repeat([0.0, 1.0], 100)
    zero = np.zeros(200)
    options = Options.of({"none": zero, "new": np.where(which > 0, -5.0, 3.0)}, {"none": zero, "new": zero})
    assert options.evppi(0, which) == pytest.approx((0 + 5) / 2 - 1)
    assert options.evpi(0) == pytest.approx(1.5)
    assert np.isfinite(natural_spline(which)).all()


# --- ratios and quadrants ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "effect", "ratio", "place", "said"),
    [
        (100, 2, 50, "costs more, better outcome", "for each unit gained"),
        (-100, -2, 50, "costs less, worse outcome", "given up"),
        (-100, 2, None, "dominant", "no ratio"),
        (100, -2, None, "dominated", "no ratio"),
        (-100, 0, None, "same outcome", "costs less"),
        (100, 0, None, "same outcome", "costs more"),
        (0, 2, 0, "same cost", "better"),
        (0, -2, None, "same cost", "worse"),
        (0, 0, None, "same", "no difference"),
    ],
)
def test_a_ratio_stands_only_where_it_can_be_read(
    cost: float, effect: float, ratio: float | None, place: str, said: str
) -> None:
    found = incremental_ratio(cost, effect)
    assert found.place == place
    assert said in found.words
    assert math.isnan(found.ratio) if ratio is None else found.ratio == ratio


def test_draws_on_an_axis_count_half_on_either_side() -> None:
    shares = quadrants(np.array([-1.0, 1.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0, 0.0]))
    assert shares == {
        "costs less, better outcome": (1 + 0.5 + 0.25) / 4,
        "costs more, better outcome": (1 + 0.5 + 0.25) / 4,
        "costs less, worse outcome": 0.25 / 4,
        "costs more, worse outcome": 0.25 / 4,
    }


def test_an_outline_holds_its_share_of_the_draws() -> None:
    from matplotlib.path import Path as Outline

    rng = np.random.default_rng(1)
    x = rng.normal(2, 0.5, 1500)
    y = 3000 * x + rng.normal(0, 800, 1500)
    for share in (0.5, 0.95):
        inside = Outline(contour(x, y, share)).contains_points(np.column_stack([x, y])).mean()
        assert inside == pytest.approx(share, abs=KERNEL)
    assert len(contour(x, np.zeros(1500), 0.5)) == 0


# --- the ladder -------------------------------------------------------------------------------------------------------


def test_a_ladder_by_hand_with_ties_and_a_straight_line() -> None:
    ladder = incremental_ladder(
        {
            "none": (0, 0),
            "one": (100, 1),
            "two": (200, 2),
            "twin": (100, 1),
            "worse": (150, 0.5),
            "bent": (290, 2.5),
            "top": (300, 3),
        }
    )
    found = {step.option: step.status for step in ladder}
    assert found == {"none": "ND", "one": "ND", "two": "ND", "twin": "same", "worse": "D", "bent": "ED", "top": "ND"}
    by = {step.option: step for step in ladder}
    assert [by[k].icer for k in ("one", "two", "top")] == [100, 100, 100]
    assert by["bent"].by == "two and top"
    assert by["twin"].words == "same cost and outcome as one"
    assert math.isnan(by["none"].icer)
    assert chosen(ladder, 99.9) == "none"
    assert chosen(ladder, 100.1) == "top"
    assert ladder_table(ladder)["option"].tolist()[0] == "none"


def test_the_reference_is_the_cheapest_that_is_not_dominated() -> None:
    ladder = incremental_ladder({"do nothing": (500, 1), "team": (300, 2), "more": (800, 3)})
    assert [s.status for s in ladder] == ["ND", "D", "ND"]
    assert ladder[0].option == "team"
    assert ladder[2].icer == 500


def test_a_ladder_needs_every_cost_and_outcome() -> None:
    with pytest.raises(ValueError, match="needs a cost and an outcome"):
        incremental_ladder({"A": (0, 0), "B": (1, math.nan)})


def test_both_routes_choose_alike_over_random_sets() -> None:
    rng = np.random.default_rng(8)
    for size in rng.integers(2, 9, 150):
        cost, effect = rng.integers(-20, 60, size).astype(float), rng.integers(-5, 12, size).astype(float)
        options = {f"option {i}": (cost[i], effect[i]) for i in range(size)}
        saved = {label: (-c, e) for label, (c, e) in options.items()}
        assert_agree(options, saved, np.linspace(0, 40, 83))


# --- QALYs ------------------------------------------------------------------------------------------------------------

YEAR = 365.25


def test_area_under_a_curve_by_hand() -> None:
    assert area_under_curve([0, YEAR], [0.5, 0.7], YEAR) == pytest.approx(0.6)
    assert area_under_curve([0, YEAR / 2, YEAR], [0.4, 0.8, 0.6], YEAR) == pytest.approx(0.3 + 0.35)
    # cut at the horizon, halfway along the last piece
    assert area_under_curve([0, YEAR], [0.0, 1.0], YEAR / 2) == pytest.approx(0.125)
    assert math.isnan(area_under_curve([0, 100], [0.5, 0.5], 365))
    with pytest.raises(ValueError, match="rise from day 0"):
        area_under_curve([10, 365], [0.5, 0.5], 365)


def assessments() -> pd.DataFrame:
    rows = [
        ("whole", "aaot", 0, 0.5, math.nan), ("whole", "aaot", 200, 0.7, math.nan), ("whole", "aaot", 400, 0.9, math.nan),
        ("died", "aaot", 0, 0.6, 300), ("died", "aaot", 200, 0.4, 300),
        ("gap", "aaot", 0, 0.5, math.nan), ("gap", "aaot", 400, 0.5, math.nan),
        ("no start", "care_as_usual", 200, 0.5, math.nan), ("no start", "care_as_usual", 400, 0.5, math.nan),
        ("refused", "care_as_usual", 0, 0.5, math.nan), ("refused", "care_as_usual", 200, math.nan, math.nan),
        ("refused", "care_as_usual", 400, 0.5, math.nan),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["person", "arm", "day", "utility", "death_day"])


def test_death_counts_nothing_from_its_day_and_missing_is_never_filled() -> None:
    found = qalys(assessments(), 400)
    assert found.loc["whole", "qaly"] == pytest.approx((0.6 * 200 + 0.8 * 200) / YEAR)
    assert found.loc["died", "qaly"] == pytest.approx((0.5 * 200 + 0.2 * 100) / YEAR)
    assert found.loc["died", "died"]
    assert found["qaly"].isna().to_dict() == {
        "died": False,
        "gap": True,
        "no start": True,
        "refused": True,
        "whole": False,
    }


def test_a_baseline_that_differs_is_adjusted_by_regression_not_by_change() -> None:
    """QALY = 0.2 + 0.5 baseline + 0.1 arm exactly; the arms start 0.2 apart."""
    baseline = np.concatenate([np.linspace(0.2, 0.6, 12), np.linspace(0.4, 0.8, 12)])
    arm = np.repeat(["care_as_usual", "aaot"], 12)
    people = pd.DataFrame({"arm": arm, "baseline": baseline, "qaly": 0.2 + 0.5 * baseline + 0.1 * (arm == "aaot")})
    assert qaly_difference(people).estimate == pytest.approx(0.1)
    change = (people["qaly"] - people["baseline"]).groupby(people["arm"]).mean()
    assert abs(change["aaot"] - change["care_as_usual"] - 0.1) > 0.05
    with pytest.raises(ValueError, match="fewer than 10"):
        qaly_difference(people.iloc[:14])


def test_days_alive_follow_the_survival_of_a_constant_rate() -> None:
    gained = days_alive(np.array([0.0, 0.05, -0.2]), 0.10)

    def lived(rate: float) -> float:
        return YEAR * (1 - math.exp(-rate)) / rate

    assert gained[0] == pytest.approx(0, abs=1e-9)
    assert gained[1] == pytest.approx(lived(0.10) - lived(0.15))
    assert gained[2] == pytest.approx(lived(0.10) - YEAR)  # nobody can die less than never


UTILITIES = Path("eq5d.csv")


def utilities_text(**change: object) -> str:
    """Twelve people an arm, three assessments; AAOT gains 0.1 after the start."""
    lines = ["person,arm,day,utility,death_day,value_set,source"]
    for i in range(24):
        arm = "aaot" if i % 2 else "care_as_usual"
        start = 0.3 + 0.02 * (i // 2)
        for day in (0, 180, 365):
            gain = 0.1 if arm == "aaot" and day else 0.0
            wobble = 0.01 * ((i * 7 + day) % 5 - 2)
            lines.append(f"P{i:02d},{arm},{day},{start + gain + wobble:.3f},,UK EQ-5D-3L,Trial report 2024")
    text = "\n".join(lines) + "\n"
    for old, new in change.items():
        text = text.replace(str(old).replace("__", ","), str(new))
    return text


def outcome_config(folder: Path, **outcome: object) -> RunConfig:
    return price_config(folder, outcome=outcome) if outcome else price_config(folder)


def loaded(folder: Path, text: str, **more: object) -> None:
    write_prices(folder)
    (folder / UTILITIES).write_text(text, encoding="utf-8")
    load_prices(outcome_config(folder, kind="qaly", utilities=str(UTILITIES), **more))


@pytest.mark.parametrize(
    ("edit", "code", "said"),
    [
        (lambda t: t.replace("P03,aaot,180", "P03,care_as_usual,180"), "C161", "both arms"),
        (lambda t: "\n".join(x for x in t.splitlines() if ",care_as_usual," not in x), "C161", "nobody is in the arm"),
        (lambda t: t + t.splitlines()[5] + "\n", "C162", "stands twice"),
        (lambda t: t.replace(",,UK", ",100,UK", 3), "C163", "after the day of death"),
        (lambda t: t.replace("UK EQ-5D-3L", "England 5L", 1), "C164", "more than one value set"),
        (lambda t: "\n".join(t.splitlines()[:40]), "C165", "fewer than 10 people"),
        (lambda t: t.replace("P03,aaot,180,", "P03,aaot,180,,,UK EQ-5D-3L,Trial report 2024\nX"), "P404", "empty"),
        (lambda t: t.replace("P00,care_as_usual,365,0", "P00,care_as_usual,365,7"), "P407", "out of bounds"),
        (lambda t: t.replace("Trial report 2024", "", 1), "P404", "source is empty"),
        (lambda t: "\n".join(x for x in t.splitlines() if ",365," not in x), "C167", "no assessment reaches"),
    ],
)
def test_utilities_that_cannot_be_used_are_refused_by_their_words(
    tmp_path: Path, edit: object, code: str, said: str
) -> None:
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, edit(utilities_text()))  # type: ignore[operator]
    assert any(p.code == code and said in " ".join(p.lines()) for p in refused.value.problems), str(refused.value)
    assert "P03" not in str(refused.value)


def test_missing_assessments_stop_the_run_unless_complete_cases_are_asked_for(tmp_path: Path) -> None:
    lines = [x for x in utilities_text().splitlines() if not x.startswith(("P03,aaot,180", "P04,care_as_usual,365"))]
    text = "\n".join(lines) + "\n"
    with pytest.raises(InputError, match="missing for some people"):
        loaded(tmp_path, text)
    loaded(tmp_path, text, missing="complete_cases")
    prices = load_prices(outcome_config(tmp_path, kind="qaly", utilities=str(UTILITIES), missing="complete_cases"))
    assert prices.utilities is not None
    assert (prices.utilities.complete, prices.utilities.people) == (22, 24)
    assert "from over four fifths of people" in prices.utilities.label


# --- missing answers imputed ------------------------------------------------------------------------------------------


def test_rubins_rules_by_hand() -> None:
    """Estimates 1, 2, 3 with variances 0.5: mean 2, W 0.5, B 1, T = 0.5 + 4/3; share 8/11 of it between.

    Barnard and Rubin with 97 complete: nu_old = 2 (11/8)^2, nu_obs = 98/100 x 97 x 3/11.
    """
    found = pooled([Difference(float(k), math.sqrt(0.5), 97.0, 50, 50) for k in (1, 2, 3)])
    assert found.estimate == pytest.approx(2)
    assert found.std_error == pytest.approx(math.sqrt(0.5 + 4 / 3))
    assert found.df == pytest.approx(1 / (1 / (2 * (11 / 8) ** 2) + 1 / (0.98 * 97 * 3 / 11)))
    same = pooled([Difference(1.0, 0.1, 97.0, 50, 50)] * 3)
    assert (same.estimate, same.std_error) == (pytest.approx(1), pytest.approx(0.1))


def test_as_many_imputations_as_per_cent_incomplete_and_at_least_twenty() -> None:
    assert [imputations(n, 200) for n in (1, 40, 90, 200)] == [20, 20, 45, 100]


def test_an_imputed_answer_is_one_that_somebody_of_the_arm_gave_and_follows_the_others() -> None:
    rng = np.random.default_rng(1)
    first = rng.uniform(0, 1, 200)
    level = np.column_stack([first, 0.8 * first])
    level[:40, 1] = math.nan
    due = np.ones_like(level, dtype=bool)
    due[190:, 1] = False  # dead by then: known to be 0, no donor and never imputed
    level[190:, 1] = 0.0
    full = chained(level, due, np.random.default_rng(2))
    assert np.array_equal(full[40:], level[40:])
    assert set(full[:40, 1]) <= set(level[40:190, 1])
    assert np.corrcoef(full[:40, 0], full[:40, 1])[0, 1] > 0.9


def answers(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two arms of n people, everybody's answers and those given: the worse of AAOT and the better of usual care miss day 365."""
    rng = np.random.default_rng(seed)
    rows = []
    for arm, gain in (("care_as_usual", 0.0), ("aaot", 0.1)):
        start = rng.normal(0.5, 0.15, n)
        middle = 0.15 + 0.6 * start + gain + rng.normal(0, 0.1, n)
        end = 0.12 + 0.7 * middle + rng.normal(0, 0.1, n)
        steep = 8.0 if arm == "aaot" else -8.0
        silent = rng.random(n) < 0.8 / (1 + np.exp(steep * (middle - middle.mean())))
        for day, level in ((0, start), (180, middle), (365, end)):
            rows += [(f"{arm}{i}", arm, day, level[i], math.nan, day == 365 and silent[i]) for i in range(n)]
    full = pd.DataFrame(rows, columns=["person", "arm", "day", "utility", "death_day", "silent"])
    return full, full.assign(utility=full["utility"].where(~full["silent"]))


def test_imputing_takes_out_what_complete_people_get_wrong() -> None:
    """Missing at random given the answer before: complete people overstate the gain by half, imputed answers do not."""
    full, given = answers(500, 3)
    truth = qaly_difference(qalys(full, 365))
    complete = qaly_difference(qalys(given, 365))
    first = imputed_gains(schedule_of(given, 365), 365, (), 1)[0]
    assert first.words == "imputed, missing at random"
    assert complete.estimate - truth.estimate > 3 * complete.std_error
    assert first.gain.estimate == pytest.approx(truth.estimate, abs=2 * first.gain.std_error)
    assert first.gain.std_error > truth.std_error, "answers that nobody gave add uncertainty"


def test_a_shift_moves_the_gain_by_the_area_of_what_was_imputed() -> None:
    """0.1 lower at day 365 takes half of it over the 185 days before, times the share imputed in that arm."""
    _, given = answers(400, 4)
    schedule = schedule_of(given, 365)
    found = {a.words: a.gain.estimate for a in imputed_gains(schedule, 365, (-0.1,), 1)}
    random = found["imputed, missing at random"]
    area = 0.1 / 2 * 185 / 365.25
    share = {arm: schedule.incomplete[schedule.arm == arm].mean() for arm in ("aaot", "care_as_usual")}
    near = pytest.approx  # adjustment for the baseline moves it a little
    assert found["imputed, 0.1 lower than at random, AAOT only"] == near(random - area * share["aaot"], abs=0.002)
    usual = found["imputed, 0.1 lower than at random, care as usual only"]
    assert usual == near(random + area * share["care_as_usual"], abs=0.002)
    both = found["imputed, 0.1 lower than at random, both arms"]
    assert both - random == near(found["imputed, 0.1 lower than at random, AAOT only"] + usual - 2 * random)


def gaps_text() -> str:
    lines = utilities_text().splitlines()
    return "\n".join(x for x in lines if not x.startswith(("P03,aaot,180", "P04,care_as_usual,365"))) + "\n"


def test_a_run_with_imputed_answers_says_so_and_shows_the_other_assumptions(tmp_path: Path) -> None:
    (tmp_path / UTILITIES).write_text(gaps_text(), encoding="utf-8")
    asked = {"kind": "qaly", "utilities": str(UTILITIES), "missing": "impute", "thresholds": [20_000]}
    result = run(tmp_path, BOTH, **asked)
    row = result.tables["cost_effectiveness"].iloc[0]
    assert "imputed 20 times from those of their arm, as if missing at random" in row["label"]
    assumed = result.tables["qaly_assumptions"].set_index("assumption")
    assert len(assumed) == 2 + 2 * 3
    assert assumed.loc["imputed, missing at random", "effect"] == pytest.approx(row["effect"])
    assert assumed["used"].eq("yes").sum() == 1
    saving = float(result.tables["saving"].query("headline")["saving"].iloc[0])
    assert (assumed["net_benefit"] - 20_000 * assumed["effect"]).to_numpy() == pytest.approx(saving)
    assert set(result.tables["utilities_answered"]["answered"]) == {"all", "over four fifths"}
    again = run(tmp_path, BOTH, **asked)
    pd.testing.assert_frame_equal(again.tables["qaly_assumptions"], result.tables["qaly_assumptions"])


def test_too_few_answers_on_a_day_are_nothing_to_impute_from(tmp_path: Path) -> None:
    off_day = utilities_text().replace("P03,aaot,180", "P03,aaot,190").replace("P05,aaot,180", "P05,aaot,190")
    with pytest.raises(InputError, match="fewer than 10 people of the arm aaot have every assessment"):
        loaded(tmp_path, off_day, missing="impute")
    some = "\n".join(
        f"Q{i:02d},aaot,{day},0.5,,UK EQ-5D-3L,Trial report 2024" for i in range(4) for day in (0, 180, 365)
    )
    extra = "\n".join(f"P{i:02d},aaot,270,0.5,,UK EQ-5D-3L,Trial report 2024" for i in range(1, 24, 2))
    one_day_more = utilities_text() + extra + "\n" + some + "\n"
    with pytest.raises(InputError, match="fewer than 10 people of the arm care_as_usual have every assessment"):
        loaded(tmp_path, one_day_more, missing="impute")
    # Ten answered everything, and each of eleven assessments needs two answers more than there are coefficients.
    wide = ["person,arm,day,utility,death_day,value_set,source"]
    for i in range(24):
        arm = "aaot" if i % 2 else "care_as_usual"
        days = [d for d in range(0, 366, 36) if not (i >= 22 and d == 36)] + [365]
        wide += [f"P{i:02d},{arm},{d},{0.4 + 0.01 * (i % 7):.2f},,UK EQ-5D-3L,Trial report 2024" for d in days]
    with pytest.raises(InputError, match="too few people of the arm aaot answered on day 36 to impute from"):
        loaded(tmp_path, "\n".join(wide) + "\n", missing="impute")


# --- arms of people ---------------------------------------------------------------------------------------------------


def test_two_arms_by_hand() -> None:
    found = welch(np.array([1.0, 2, 3]), np.array([4.0, 6, 8, 10]))
    assert found.estimate == 5
    assert found.std_error == pytest.approx(math.sqrt(1 / 3 + (20 / 3) / 4))
    same = adjusted(np.array([1.0, 2, 3, 4, 6, 8, 10]), np.array([0, 0, 0, 1, 1, 1, 1]))
    assert same.estimate == pytest.approx(5)
    with pytest.raises(ValueError, match="an arm holds 1"):
        welch(np.array([1.0]), np.array([1.0, 2.0]))


def test_equations_with_the_same_design_are_least_squares() -> None:
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(30), rng.integers(0, 2, 30), rng.normal(size=30)])
    cost, qaly = 1000 * rng.normal(size=30), rng.normal(size=30)
    for found, y in zip(seemingly_unrelated(cost, qaly, x, x), (cost, qaly), strict=True):
        assert found == pytest.approx(np.linalg.lstsq(x, y, rcond=None)[0], rel=1e-7)


# --- a run ------------------------------------------------------------------------------------------------------------


def count_effect(design: str = "entry_rule", outcome: str = "alcohol_specific_emergency", **more: object) -> Effect:
    facts = {"rate_after": 0.20, "uptake": 0.5, "rate_on_team": 0.35}
    return cost_effect(design, design, ratio_estimate(design, design, 0.8, 0.08, outcome, facts=facts, **more))


def run(folder: Path, effects: list[Effect], word: str = "lower", **outcome: object) -> CostResult:
    if not (folder / "unit_costs.csv").exists():
        write_prices(folder)
    config = outcome_config(folder, **outcome)
    return cost_service(caseload_panel(), effects, verdict(word), config, load_prices(config))


BOTH = [entry_rule_cost(), count_effect()]


def test_without_an_outcome_nothing_is_added(tmp_path: Path) -> None:
    plain = run(tmp_path, BOTH)
    beside = run(tmp_path, BOTH, kind="admission_avoided")
    assert not DECISION_TABLES & set(plain.tables)
    assert set(beside.tables) - set(plain.tables) == DECISION_TABLES
    for name, table in plain.tables.items():
        pd.testing.assert_frame_equal(table, beside.tables[name])
    assert plain.verdict == beside.verdict


def test_admissions_avoided_move_in_the_worlds_of_the_saving(tmp_path: Path) -> None:
    result = run(tmp_path, BOTH, kind="admission_avoided", thresholds=[500, 1500])
    for name in DECISION_TABLES:
        assert list(result.tables[name].columns) == list(table_schema("release", name).names)
    row = result.tables["cost_effectiveness"].iloc[0]
    averted = (0.20 / 0.8 - 0.20) / 0.5 * 12
    saving = result.tables["saving"].query("headline").iloc[0]
    assert row["effect"] == pytest.approx(averted)
    assert (row["cost"], row["cost_low"], row["cost_high"]) == (
        -saving["saving"],
        -saving["saving_high"],
        -saving["saving_low"],
    )
    # the outcome's worlds by hand: the count's own draws at the quantiles of the loop
    u = uniforms(price_config(tmp_path).seed, 2000, "effect")
    gained = (0.20 / (0.8 * np.exp(0.08 * stats.norm.ppf(u))) - 0.20) / 0.5 * 12
    assert (row["effect_low"], row["effect_high"]) == pytest.approx(percentiles(gained, 0.95))
    worth = result.tables["net_benefit"]
    assert worth["threshold"].tolist() == [500, 1500]
    assert worth["net_benefit"].tolist() == pytest.approx(
        [500 * averted + saving["saving"], 1500 * averted + saving["saving"]], abs=0.01
    )
    curve = result.tables["acceptability"]
    assert curve["threshold"].iloc[0] == 0
    assert curve["p_aaot"].iloc[0] == pytest.approx(saving["p_saving"])
    assert (curve["p_aaot"] + curve["p_usual"]).tolist() == pytest.approx([1.0] * len(curve))
    assert {500.0, 1500.0} <= set(curve["threshold"])
    information = result.tables["value_of_information"]
    every = information[information["parameter"] == "everything"].set_index("threshold")["evppi"]
    for part in information.itertuples():
        assert 0 <= part.evppi <= every[part.threshold]
    assert set(information["parameter"]) == {"effect", "unit costs", "cost of the service", "everything"}


def test_the_widest_interval_is_that_of_outcome_and_saving_moving_together(tmp_path: Path) -> None:
    """Shared draws: no other pairing of the same two sets of draws gives a wider spread of the net benefit."""
    result = run(tmp_path, BOTH, kind="admission_avoided", thresholds=[2000])
    row = result.tables["net_benefit"].iloc[0]
    u = uniforms(price_config(tmp_path).seed, 2000, "effect")
    gained = (0.20 / (0.8 * np.exp(0.08 * stats.norm.ppf(u))) - 0.20) / 0.5 * 12
    cost_ratio = 0.7 * np.exp(0.05 * stats.norm.ppf(np.random.default_rng(3).permutation(u)))
    apart = 2000 * gained + (400 / cost_ratio - 400) / 0.5 * 12
    low, high = percentiles(apart, 0.95)
    assert row["net_high"] - row["net_low"] > high - low


def test_an_outcome_without_an_accepted_value_has_no_net_benefit(tmp_path: Path) -> None:
    result = run(tmp_path, BOTH, kind="admission_avoided")
    assert result.tables["net_benefit"].empty
    assert len(result.tables["acceptability"]) > 20
    assert set(result.tables["value_of_information"]["threshold"]) == {0.0}


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        ([entry_rule_cost()], "gives no effect on alcohol specific emergency"),
        ([entry_rule_cost(), count_effect(conf_low=math.nan, conf_high=math.nan, confidence=None, status="no_finite_interval")],
         "neither net benefit nor probability"),
        ([entry_rule_cost(), count_effect("own_cohorts")], "gives no effect"),
        ([count_effect()], "no saving with an interval"),
    ],
)  # fmt: skip
def test_without_a_finite_interval_there_is_no_probability(tmp_path: Path, effects: list[Effect], said: str) -> None:
    result = run(tmp_path, effects, kind="admission_avoided", thresholds=[1000])
    row = result.tables["cost_effectiveness"].iloc[0]
    assert row["status"] != "ok"
    assert said in row["label"]
    for name in DECISION_TABLES - {"cost_effectiveness"}:
        assert result.tables[name].empty


def test_qalys_are_valued_at_the_thresholds_in_use(tmp_path: Path) -> None:
    (tmp_path / UTILITIES).write_text(utilities_text(), encoding="utf-8")
    result = run(tmp_path, BOTH, kind="qaly", utilities=str(UTILITIES))
    row = result.tables["cost_effectiveness"].iloc[0]
    # half of the gain up to day 180, all of it after: (0.05 * 180 + 0.1 * 185) / 365 of a year, give or take the wobble
    assert row["effect"] == pytest.approx((0.05 * 180 + 0.1 * 185) / 365, abs=0.01)
    assert "UK EQ-5D-3L" in row["label"]
    assert result.tables["net_benefit"]["threshold"].tolist() == [20_000, 25_000, 30_000, 35_000]
    assert set(result.tables["utilities_answered"]["answered"]) == {"all"}
    assert set(result.tables["utilities_answered"]["arm"]) == {"care as usual", "AAOT"}
    assumed = result.tables["qaly_assumptions"]
    assert set(assumed["assumption"]) == {"people with every assessment"}
    assert assumed["effect"].tolist() == pytest.approx([row["effect"]] * 4)
    assert "outcome" in set(result.tables["value_of_information"]["parameter"])


def test_utilities_of_people_outside_the_study_are_linked_to_nobody_and_said_to_be_others(tmp_path: Path) -> None:
    """The persons of the file are pseudonyms of another study: the same answers under other names change nothing."""
    text = utilities_text()
    (tmp_path / UTILITIES).write_text(text, encoding="utf-8")
    asked = {"kind": "qaly", "utilities": str(UTILITIES)}
    first = run(tmp_path, BOTH, **asked).tables["cost_effectiveness"]
    assert "drawn on its own, because it was measured in other people than the saving" in first["label"].iloc[0]
    (tmp_path / UTILITIES).write_text(text.replace("\nP", "\nSTRANGER-"), encoding="utf-8")
    pd.testing.assert_frame_equal(run(tmp_path, BOTH, **asked).tables["cost_effectiveness"], first)


def test_days_alive_come_from_the_deaths_of_the_same_design(tmp_path: Path) -> None:
    facts = {"rate_after": 0.01, "uptake": 0.5, "rate_on_team": 0.012}
    deaths = cost_effect(
        "entry_rule_deaths",
        "entry_rule",
        ratio_estimate("entry_rule_deaths", "entry_rule", 0.8, 0.3, "deaths", facts=facts),
    )
    result = run(tmp_path, [*BOTH, deaths], kind="alive_day")
    row = result.tables["cost_effectiveness"].iloc[0]
    averted = (0.01 / 0.8 - 0.01) / 0.5 * 12
    assert row["effect"] == pytest.approx(float(days_alive(np.array([averted]), 0.012 * 12)[0]))
    assert row["basis"] == "entry_rule_deaths"
    assert row["effect_low"] < 0 < row["effect_high"]


# --- never more than the answer on admissions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["lower", "lower_but", "higher", "higher_but", "no_effect", "cannot_tell", "too_early", "no_estimate"]
)
@pytest.mark.parametrize("rung", [TRIAL, SITES, OWN_COHORTS])
@pytest.mark.parametrize("doubted", [False, True])
@pytest.mark.parametrize(("low", "high"), [(10, 20), (-10, 20), (-20, -10), (math.nan, math.nan)])
def test_the_reading_is_never_stronger_than_the_effect(
    word: str, rung: int, doubted: bool, low: float, high: float
) -> None:
    said = net_benefit_reading(word, rung, low, high, doubted=doubted)
    if said == BETTER:
        assert (word, doubted, low > 0) == ("lower", False, True)
        assert rung <= SITES
    if word in ("cannot_tell", "too_early", "no_estimate") or math.isnan(low) or low < 0 < high:
        assert said == CANNOT
    if said == USUAL_BETTER:
        assert high < 0


# --- control totals, in every run -------------------------------------------------------------------------------------


def test_two_routes_that_disagree_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault seen in the field: names and columns get out of step between the two routes."""

    def swapped(options: dict[str, tuple[float, float]]) -> list[object]:
        labels = list(options)
        return incremental_ladder(dict(zip(labels[::-1], options.values(), strict=True)))  # type: ignore[return-value]

    for outcome in ({}, {"kind": "admission_avoided"}):
        run(tmp_path, BOTH, **outcome)
        with monkeypatch.context() as planted:
            planted.setattr(decision, "incremental_ladder", swapped)
            with pytest.raises(NotIdentifiedError, match="net benefit chooses") as refused:
                run(tmp_path, BOTH, **outcome)
        assert refused.value.exit_code == 5
        assert refused.value.problems[0].code == "C160"


def test_half_a_penny_is_a_tie() -> None:
    assert_agree({USUAL: (0.0, 0.0), AAOT: (0.001, 0.0)}, {USUAL: (0, 0), AAOT: (0.001, 0)}, [0.0])
    with pytest.raises(NotIdentifiedError, match="chooses AAOT and the ladder care as usual"):
        assert_agree({USUAL: (0.0, 0.0), AAOT: (1.0, 0.0)}, {USUAL: (0, 0), AAOT: (1.0, 0)}, [0.0])


@pytest.mark.parametrize(
    ("table", "column", "row", "code"),
    [
        ("service_cost", "annual_cost", 0, "C161"),
        ("service_cost", "per_patient_year", -1, "C161"),
        ("saving", "saving", 0, "C162"),
        ("saving", "gross", 0, "C162"),
        ("cost_waterfall", "amount", 1, "C162"),
        ("cost_waterfall", "amount", -1, "C162"),
    ],
)
def test_a_penny_out_of_place_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, column: str, row: int, code: str
) -> None:
    checked = control_totals.check_totals

    def planted(tables: dict[str, pd.DataFrame], *rest: object) -> None:
        wrong = tables[table].copy()
        wrong.iloc[row, wrong.columns.get_loc(column)] += 0.01
        checked(tables | {table: wrong}, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("aaot_eval.costs.service.check_totals", planted)
    with pytest.raises(NotIdentifiedError) as refused:
        run(tmp_path, BOTH)
    assert refused.value.exit_code == 5
    assert {p.code for p in refused.value.problems} == {code}


def test_own_cohorts_reconcile_too(tmp_path: Path) -> None:
    run(tmp_path, [own_cohorts_cost(), count_effect("own_cohorts")], kind="admission_avoided")


# --- the config -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({"kind": "qaly"}, "qaly needs utilities"),
        ({"kind": "alive_day", "utilities": "u.csv"}, "belong to qaly"),
        ({"kind": "admission_avoided", "horizon_days": 365}, "belong to qaly"),
        ({"kind": "admission_avoided", "thresholds": [0]}, "above 0"),
        ({"kind": "admission_avoided", "thresholds": [300, 200]}, "lowest first"),
        ({"kind": "happiness"}, "admission_avoided"),
        ({"kind": "qaly", "utilities": "u.csv", "missing_shifts": [-0.1]}, "belong to missing"),
        ({"kind": "alive_day", "missing_shifts": [-0.1]}, "belong to missing"),
        ({"kind": "qaly", "utilities": "u.csv", "missing": "impute", "missing_shifts": [0.0]}, "shift of 0"),
    ],
)
def test_an_outcome_that_makes_no_sense_is_refused(tmp_path: Path, outcome: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        outcome_config(tmp_path, **outcome)


def test_only_a_qaly_has_values_by_default(tmp_path: Path) -> None:
    asked = {
        kind: outcome_config(tmp_path, kind=kind, **({"utilities": "u.csv"} if kind == "qaly" else {})).costs
        for kind in ("qaly", "alive_day", "admission_avoided")
    }
    values = {kind: costs.outcome.thresholds for kind, costs in asked.items() if costs and costs.outcome}
    assert values == {"qaly": [20_000, 25_000, 30_000, 35_000], "alive_day": [], "admission_avoided": []}
