"""Synthetic difference-in-differences against R, by hand, and on sites that were simulated."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaot_eval.config import load_config
from aaot_eval.design import choose_analyses
from aaot_eval.estimators import synthetic_did as sd
from aaot_eval.estimators._sites import site_data
from aaot_eval.estimators.synthetic_did import SyntheticDid
from aaot_eval.pipeline import run_evaluation
from aaot_eval.results import Analysis, Panel
from tests.agreement import agrees
from tests.builders import site_panel

OUTCOME = "admissions"
PLACEBO = 1e-6  # the case prints its placebo effects in full; the search for weights is the same in both programs
ANALYSIS = Analysis("synthetic_did", "sites", "synthetic_did", OUTCOME)

PROP99 = """
config_version = 1
name = "prop99"
[data]
panel = "panel.csv"
[panel]
unit = "state"
period = "year"
frequency = "year"
outcomes = { packs_per_capita = "continuous" }
[study]
outcome = "packs_per_capita"
starts = { California = 1989 }
[disclosure]
profile = "none"
[[analyses]]
name = "synthetic_did"
estimator = "synthetic_did"
primary = true
checks = ["trend_violation"]
options = { scale = "difference" }
"""


def test_reference_prop99_through_a_config(shared: Path, tmp_path: Path) -> None:
    folder = shared / "reference_cases" / "did" / "prop99"
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    pd.read_csv(folder / "data.csv").drop(columns="treated").to_csv(tmp_path / "panel.csv", index=False)
    (tmp_path / "study.toml").write_text(PROP99, encoding="utf-8", newline="\n")
    result = run_evaluation(load_config(tmp_path / "study.toml"))
    main, by_fit, control, equal = result.primary.estimates
    tolerance = expected["tolerance"]

    def holds(what: str, ours: float, theirs: float, note: str = "", **limits: float) -> None:
        agrees("did/prop99", what, ours, theirs, through="analyze", note=note, **limits)

    holds("synthetic DiD", main.estimate, expected["sdid"], **tolerance["sdid"])
    holds(
        "synthetic DiD, published", main.estimate, expected["published"]["sdid"], abs=0.05, note="one decimal printed"
    )
    holds("synthetic control", control.estimate, expected["sc"], **tolerance["sc"])
    holds(
        "synthetic control, published",
        control.estimate,
        expected["published"]["sc"],
        abs=0.05,
        note="one decimal printed",
    )
    holds("difference-in-differences", equal.estimate, expected["did"], **tolerance["did"])
    holds(
        "difference-in-differences, published",
        equal.estimate,
        expected["published"]["did"],
        abs=0.05,
        note="one decimal printed",
    )
    holds("placebo rank p", main.p_value, expected["placebo_rank_p"], **tolerance["placebo_rank_p"])
    holds("sd of all placebo effects", main.std_error, expected["placebo_sd"], rel=PLACEBO)
    holds("placebo standard error", main.std_error, expected["se_placebo_seed12345"], note="theirs is a Monte Carlo draw of it",
          **tolerance["se_placebo"])  # fmt: skip
    holds("donors", main.facts["donors"], expected["n0"])
    table = result.tables["placebo"]
    donors = list(expected["omega"])
    own = table[~table["real"].astype(bool)].set_index("label")["ratio"]
    for state, tau in zip(donors, expected["placebo_tau"], strict=True):
        holds(f"placebo {state}", own[state], tau, rel=PLACEBO, abs=PLACEBO)
    weights = result.tables["synthetic_weights"]
    found = weights[weights["kind"] == "donor"].set_index("name")["weight"]
    for state, weight in expected["omega"].items():
        if weight > 0.002:
            holds(f"weight of {state}", found[state], weight, rel=1e-4)
    periods = weights[weights["kind"] == "period"].set_index("name")["weight"]
    for year, weight in expected["lambda"].items():
        if weight > 0:
            holds(f"weight of {year}", periods[year], weight, rel=1e-4)
    assert main.p_value == pytest.approx(2 / 39)
    assert main.p_least == pytest.approx(1 / 39)
    assert main.note.startswith("The least p this design can reach is 0.0256 (38 donors)")
    assert main.conf_low < 0 < main.conf_high  # two of 39 is above 0.05
    assert by_fit.p_value == pytest.approx(1 / 39)
    assert not result.verdict.claim


def test_the_whole_library_says_the_same() -> None:
    from diff_diff import SyntheticDiD

    panel = hospitals(3)
    level = site_data(panel, OUTCOME).level()
    long = pd.DataFrame(
        [(i, t, level[i, t], int(i == 0)) for i in range(len(level)) for t in range(level.shape[1])],
        columns=["unit", "t", "y", "treated"],
    )
    fit = SyntheticDiD(n_bootstrap=2, seed=1).fit(
        long, outcome="y", treatment="treated", unit="unit", time="t", post_periods=list(range(24, 36))
    )
    ours = SyntheticDid().fit(panel, ANALYSIS, seed=1)[0]
    assert math.log(ours.estimate) == pytest.approx(fit.att, abs=1e-9)


def hospitals(seed: int, *, n: int = 25, ratio: float = 1.0, starts: tuple[int, ...] = (24,), n_t: int = 36) -> Panel:
    rng = np.random.default_rng(seed)
    factor = np.cumsum(rng.normal(0, 0.05, n_t))
    load = rng.uniform(0, 2, n)
    mean = rng.uniform(80, 200, n)[:, None] * np.exp(load[:, None] * factor)
    for i, start in enumerate(starts):
        mean[i, start:] *= ratio
    return site_panel({OUTCOME: rng.poisson(mean)}, [*starts, *[None] * (n - len(starts))])


def test_two_donors_and_a_treated_site_by_hand() -> None:
    # The treated site is donor 1 moved up by 5 until the start: all weight on it, and what it does after is the effect.
    flat = np.array([[10.0, 12, 9, 14, 11, 15], [30.0, 20, 35, 25, 40, 20]])
    treated = flat[0] + 5
    treated[4:] -= 3
    found = sd.weighted(flat, treated, 4, kind="synthetic_control")
    shifted = sd.weighted(flat, treated, 4)
    equal = sd.weighted(flat, treated, 4, kind="equal_weights")
    by_hand = (treated[4:].mean() - treated[:4].mean()) - (flat[:, 4:].mean() - flat[:, :4].mean())
    assert equal.effect == pytest.approx(by_hand)
    assert found.donors.sum() == pytest.approx(1)
    assert shifted.donors.sum() == pytest.approx(1)
    assert shifted.periods.sum() == pytest.approx(1)
    gap = treated - shifted.donors @ flat
    assert shifted.effect == pytest.approx(gap[4:].mean() - shifted.periods @ gap[:4])


def test_units_and_levels_do_not_matter() -> None:
    level = site_data(hospitals(5), OUTCOME).level()
    first = sd.weighted(level[1:], level[0], 24)
    second = sd.weighted(1000 * level[1:] + 7, 1000 * level[0] + 7, 24)
    assert second.effect == pytest.approx(1000 * first.effect, rel=1e-6)


def test_a_large_effect_is_found_and_its_interval_is_what_the_placebos_say() -> None:
    main = SyntheticDid().fit(hospitals(11, ratio=0.5), ANALYSIS, seed=1)[0]
    assert main.p_value == pytest.approx(1 / 25)
    assert main.direction == "lower"
    assert main.conf_low < 0.5 < main.conf_high
    panel = hospitals(11, ratio=0.5)
    # Each supposed effect taken out of the treated site and ranked anew: inside is kept, outside is not.
    for effect, kept in ((main.conf_low * 1.002, True), (main.conf_low * 0.998, False), (main.conf_high * 0.998, True)):
        data = site_data(panel, OUTCOME)
        level = data.level()
        level[0, 24:] -= math.log(effect)
        donors = np.arange(1, 25)
        again = sd.together(level, donors, sd.cohorts(data.starts, 36), 0).effect
        tried = sd.placebos(level, donors, data.starts, 36, 0, 1)
        assert (tried.p_value(again) > 0.05) is kept
    draws = main.confidence(np.linspace(0.001, 0.999, 4001))
    assert np.quantile(draws, 0.5) == pytest.approx(main.estimate, rel=0.02)
    assert np.mean(draws < main.conf_low * 0.999) <= 0.025 + 1e-9


def test_few_donors_have_no_interval_and_say_so_first() -> None:
    main = SyntheticDid().fit(hospitals(2, n=10), ANALYSIS, seed=1)[0]
    assert main.p_least == pytest.approx(0.1)
    assert main.status == "no_finite_interval"
    assert math.isnan(main.conf_low)
    assert main.note.startswith("The least p this design can reach is 0.1000 (9 donors): there is no 95 % interval")


def test_two_treated_sites_with_two_starts() -> None:
    panel = hospitals(7, n=9, starts=(20, 26), ratio=0.8)
    main = SyntheticDid().fit(panel, ANALYSIS, seed=1)[0]
    assert main.facts["placebos"] == 7 * 6
    assert main.facts["exact"]
    assert main.p_least == pytest.approx(1 / 43)
    data = site_data(panel, OUTCOME)
    level, donors = data.level(), np.arange(2, 9)
    one = sd.weighted(level[donors], level[0], 20).effect
    two = sd.weighted(level[donors], level[1], 26).effect
    assert math.log(main.estimate) == pytest.approx((16 * one + 10 * two) / 26)


def test_many_ways_are_drawn_from_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sd, "MOST_PLACEBOS", 30)
    panel = hospitals(7, n=12, starts=(20, 26))
    first, again, other = (SyntheticDid().fit(panel, ANALYSIS, seed=s)[0] for s in (1, 1, 2))
    assert not first.facts["exact"]
    assert first.p_least == pytest.approx(1 / 31)
    assert first.p_value == again.p_value
    assert first.tables["placebo"].equals(again.tables["placebo"])
    assert not first.tables["placebo"].equals(other.tables["placebo"])


def test_a_difference_of_rates_when_asked() -> None:
    rows = SyntheticDid(scale="difference", beside=False).fit(hospitals(4), ANALYSIS, seed=1)
    assert len(rows) == 2
    assert rows[0].scale == "rate_difference"


def test_too_few_donors_are_refused() -> None:
    panel = hospitals(4, n=2)
    problem = SyntheticDid().objections(panel, ANALYSIS)[0]
    assert problem.code == "E350"
    assert "1 comparison site cannot stand in for 1 treated one" in problem.what
    assert not SyntheticDid().objections(hospitals(4, n=4), ANALYSIS)


def test_the_rule_adds_it_when_one_site_is_treated(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(
        PROP99.split("[[analyses]]")[0].replace("packs_per_capita", OUTCOME), encoding="utf-8"
    )
    config = load_config(tmp_path / "study.toml")
    names = [a.estimator for a in choose_analyses(hospitals(4), config)]
    assert names[:2] == ["site_did", "two_way"]
    assert "synthetic_did" in names
    assert "synthetic_did" not in [a.estimator for a in choose_analyses(hospitals(4, starts=(20, 26)), config)]
    assert replace(ANALYSIS, primary=False).design == "sites"
