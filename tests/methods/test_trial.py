"""A randomised trial: by hand, recovery of a known ratio, whole sites, refusals, and the whole chain from files."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from aaot_eval.checks import CHECKS
from aaot_eval.config import RunConfig, load_config
from aaot_eval.costs.ladder import rung_of
from aaot_eval.errors import InputError
from aaot_eval.estimators.trial import Trial, allocated_people, permuted, rates_compared
from aaot_eval.panel.trial import with_arms
from aaot_eval.pipeline import run_evaluation
from aaot_eval.results import Analysis, Effect, Panel
from aaot_eval.schema import table_schema
from tests.drawn import csv_text
from tests.methods.patients import OUTCOME, panel_of_people

ANALYSIS = Analysis("trial", "trial", "trial", OUTCOME, primary=True)


def arms(panel: Panel, service: np.ndarray, month: np.ndarray, **more: object) -> Panel:
    assert panel.people is not None
    people = panel.people.assign(
        arm=np.where(service, "service", "usual care").astype(object),
        allocated_t=pd.array(month, dtype="Int64"),
        referral_t=pd.array([m if s else pd.NA for m, s in zip(month, service, strict=True)], dtype="Int64"),
        **more,
    )
    return replace(panel, people=people)


def simulated(
    seed: int, *, n: int = 400, ratio: float = 1.0, sites: int = 4, by_site: bool = False, n_t: int = 36
) -> Panel:
    rng = np.random.default_rng(seed)
    unit = np.arange(n) % sites
    service = (unit % 2 == 1) if by_site else rng.random(n) < 0.5
    month = rng.integers(12, 24, n)
    rate = rng.gamma(1.0, 0.25, n) * np.exp(0.2 * rng.standard_normal(sites))[unit]
    mean = np.repeat(rate[:, None], n_t, axis=1)
    on = service[:, None] & (np.arange(n_t) >= month[:, None])
    counts = rng.poisson(np.where(on, mean * ratio, mean))
    death = np.where(rng.random(n) < 0.1, month + rng.integers(1, 12, n), -1)
    counts[(death >= 0)[:, None] & (np.arange(n_t) > death[:, None])] = 0
    return arms(panel_of_people(counts, unit, [None] * sites, death=death), service, month)


def test_by_hand() -> None:
    # Two people an arm would be too few to report, but the arithmetic is theirs: service 3 events in 20 months, usual 6 in 24.
    counts = np.zeros((4, 24), dtype=int)
    counts[0, [3, 5]], counts[1, 4], counts[2, [3, 6, 7]], counts[3, [2, 8, 9]] = 1, 1, 1, 1
    counts[:, 0] = 5  # before allocation: not counted
    death = np.array([9, -1, -1, -1])
    panel = arms(panel_of_people(counts, np.zeros(4, dtype=int), [None], death=death), np.array([True, True, False, False]),
                 np.full(4, 2))  # fmt: skip
    data = allocated_people(panel, OUTCOME, 12, 0)
    assert data.months.tolist() == [8, 12, 12, 12]
    assert data.events.tolist() == [2, 1, 3, 3]
    found = rates_compared(data, clustered=False, ratio=True)
    assert found.value == pytest.approx(math.log((3 / 20) / (6 / 24)))
    # Scores: service (2 - 1.2, 1 - 1.8) / 3; usual (3 - 3, 3 - 3) / 6 = 0. Variance 2/1 x 2 x (0.8 / 3)^2.
    assert found.std_error == pytest.approx(math.sqrt(2 * 2 * (0.8 / 3) ** 2))
    assert found.df == 2
    difference = rates_compared(data, clustered=False, ratio=False)
    assert difference.value == pytest.approx(3 / 20 - 6 / 24)
    assert data.died.tolist() == [True, False, False, False]


def test_a_known_ratio_is_recovered_and_nothing_is_found_where_nothing_is() -> None:
    logs, covered, alarms = [], 0, 0
    for seed in range(60):
        row = Trial().fit(simulated(seed, ratio=0.7), ANALYSIS, seed=1)[0]
        logs.append(math.log(row.estimate))
        covered += row.conf_low <= 0.7 <= row.conf_high
        alarms += Trial().fit(simulated(seed + 500), ANALYSIS, seed=1)[0].p_value <= 0.05
    assert abs(np.mean(logs) - math.log(0.7)) < 3 * np.std(logs) / math.sqrt(60)
    assert covered >= 52  # 0.1 % quantile of 60 at 95 %
    assert alarms <= 9


def test_rows_tables_and_facts() -> None:
    panel = simulated(3, ratio=0.7)
    first, adjusted, difference, later = Trial().fit(panel, ANALYSIS, seed=1)
    assert first.design == "trial"
    assert first.primary is False  # the pipeline marks it
    assert first.scale == "rate_ratio"
    assert first.n_people == 400
    assert first.note.startswith("Everybody is counted in the arm they were allocated to")
    assert adjusted.std_error < first.std_error  # the year before explains much of who is admitted
    assert difference.scale == "rate_difference"
    assert difference.estimate == pytest.approx(12 * (first.facts["rate_after"] - first.facts["rate_expected"]))
    assert "month after allocation" in later.estimand
    baseline = first.tables["baseline"]
    assert set(baseline.columns) | {"analysis"} == set(table_schema("release", "baseline").names)
    assert abs(baseline["difference"].dropna()).max() < 0.3
    deaths = first.tables["deaths"].set_index("arm")
    assert deaths["deaths"].sum() == int(allocated_people(panel, OUTCOME, 12, 0).died.sum())
    draws = first.confidence(np.array([0.025, 0.5, 0.975]))
    assert draws == pytest.approx([first.conf_low, first.estimate, first.conf_high])


def test_whole_sites_allocated() -> None:
    panel = simulated(4, sites=6, by_site=True)
    row = Trial(unit="site").fit(panel, ANALYSIS, seed=1)[0]
    assert row.p_least == pytest.approx(1 / math.comb(6, 3))
    assert row.note.startswith("The least p this design can reach is 0.0500 (6 sites allocated)")
    assert "t with 4 degrees of freedom" in row.inference
    p, ways = permuted(allocated_people(panel, OUTCOME, 12, 0), 1)
    assert row.p_value == p >= ways.p_least
    assert row.drawn is None
    alone = Trial().fit(panel, ANALYSIS, seed=1)[0]
    assert alone.estimate == pytest.approx(row.estimate)


def test_refusals() -> None:
    panel = simulated(5)
    assert not Trial().objections(panel, ANALYSIS)
    assert panel.people is not None

    def code(changed: Panel, trial: Trial | None = None) -> str:
        return (trial or Trial()).objections(changed, ANALYSIS)[0].code

    assert code(replace(panel, people=None, person_cells=None)) == "E450"
    assert code(replace(panel, people=panel.people.drop(columns="arm"))) == "E451"
    assert Trial().objections(panel, replace(ANALYSIS, outcome="x"))[0].code == "E452"
    one_arm = panel.people.assign(arm="service")
    assert code(replace(panel, people=one_arm)) == "E453"
    none = panel.person_cells.assign(**{OUTCOME: 0})  # type: ignore[union-attr]
    assert code(replace(panel, person_cells=none)) == "E454"
    assert code(panel, Trial(unit="site")) == "E455"
    assert code(simulated(5, sites=2, by_site=True), Trial(unit="site")) == "E456"


def test_the_check_of_the_allocation() -> None:
    check = CHECKS["allocation"]()
    fair = simulated(6)
    row = Trial().fit(fair, ANALYSIS, seed=1)[0]
    assert check.run(Trial(), fair, ANALYSIS, row, seed=1).verdict == "pass"
    assert fair.people is not None
    # Half of the usual-care arm lost from the list.
    lost = (fair.people["arm"] == "usual care") & (np.arange(400) % 2 == 0)
    some = replace(fair, people=fair.people.assign(arm=fair.people["arm"].where(~lost, None)))
    found = check.run(Trial(), some, ANALYSIS, row, seed=1)
    assert found.verdict == "fail"
    assert "may not be complete" in found.sentence
    # The worse off were put into the service arm.
    past = fair.person_matrix(OUTCOME)[:, :12].sum(axis=1)
    chosen = replace(fair, people=fair.people.assign(arm=np.where(past > np.median(past), "service", "usual care")))
    assert check.run(Trial(), chosen, ANALYSIS, row, seed=1).verdict == "fail"


def test_it_stands_on_the_first_rung_of_the_money() -> None:
    panel = simulated(8, ratio=0.7)
    assert panel.person_cells is not None
    cells = panel.person_cells.assign(hospital_cost=panel.person_cells[OUTCOME] * 1500.0)
    spec = replace(panel.outcomes[0], name="hospital_cost", kind="cost")
    money = replace(panel, person_cells=cells, outcomes=(*panel.outcomes, spec))
    analysis = replace(ANALYSIS, name="trial_cost", outcome="hospital_cost", primary=False)
    row = Trial().fit(money, analysis, seed=1)[0]
    rung = rung_of(money, Effect(analysis, (row,)), None)
    assert rung is not None
    assert rung.rung == 1
    assert rung.usable
    assert rung.gross is not None
    saved = float(rung.gross(np.array([row.estimate]))[0])
    assert saved == pytest.approx(12 * (row.facts["rate_expected"] - row.facts["rate_after"]))


def config(**study: object) -> RunConfig:
    return RunConfig.model_validate({
        "config_version": 1, "name": "t", "data": {"admissions": "a.csv", "caseload": "c.csv"}, **study,
    })  # fmt: skip


TRIAL = {"trial": {"allocation": "random numbers held by the trials unit"}, "study": {"design": "trial"}}


def test_a_trial_is_declared_whole_or_refused() -> None:
    assert config(**TRIAL).trial is not None
    with pytest.raises(ValidationError, match="says how people were allocated"):
        config(study={"design": "trial"})
    with pytest.raises(ValidationError, match="says how people were allocated"):
        config(trial=TRIAL["trial"])
    with pytest.raises(ValidationError, match="the same arm"):
        config(study={"design": "trial"}, trial={**TRIAL["trial"], "service": "A", "usual_care": "a"})


def test_arms_that_were_not_declared_are_refused() -> None:
    people = pd.DataFrame({"referral_t": pd.array([3, 4, pd.NA], dtype="Int64")})
    given = pd.Series(["service", "usual care", None], dtype=object)
    done = with_arms(people, given, config(**TRIAL))
    assert done["arm"].tolist() == ["service", "usual care", None]
    assert done["referral_t"].isna().tolist() == [False, True, True]
    with pytest.raises(InputError, match="not declared as a trial"):
        with_arms(people, given, config())
    assert with_arms(people, pd.Series([None] * 3, dtype=object), config()) is people
    with pytest.raises(InputError, match="some people on the list have no arm") as refused:
        with_arms(people, pd.Series(["service", "secret", None], dtype=object), config(**TRIAL))
    assert "secret" not in str(refused.value)
    with pytest.raises(InputError, match="nobody was allocated to the arm usual care"):
        with_arms(people, pd.Series(["service", "service", None], dtype=object), config(**TRIAL))


def test_from_files_to_the_verdict(tmp_path: Path) -> None:
    rng = np.random.default_rng(12)
    months = pd.period_range("2020-01", "2022-12", freq="M")
    stays, listed, key = [], [], 0
    for i in range(240):
        arm, start = ("AAOT", "control")[i % 2], int(rng.integers(12, 24))
        token = f"{i:032X}"
        listed.append(
            {"person": token, "site": ("RX1", "RX2")[i // 2 % 2], "referred": f"{months[start]}-01", "arm": arm}
        )
        for t, month in enumerate(months):
            rate = 0.35 * (0.4 if arm == "AAOT" and t >= start else 1.0)
            for _ in range(min(rng.poisson(rate), 2)):
                key += 1
                day = f"{month}-{int(rng.integers(1, 27)):02d}"
                stays.append({
                    "TOKEN_PERSON_ID": token, "EPIKEY": str(key), "ADMIDATE": day, "EPISTART": day, "EPIEND": day, "DISDATE": day,
                    "EPIORDER": "1", "EPISTAT": "3", "CLASSPAT": "1", "ADMIMETH": "21", "ADMISORC": "19", "DISMETH": "1",
                    "DISDEST": "19", "PROCODE3": listed[-1]["site"], "SITETRET": "", "SEX": "12"[i % 2], "STARTAGE": "50",
                    "DIAG_01": "F102", **{f"DIAG_{k:02d}": "" for k in range(2, 21)},
                })  # fmt: skip
    (tmp_path / "admissions.csv").write_text(csv_text(stays), encoding="utf-8", newline="\n")
    (tmp_path / "caseload.csv").write_text(csv_text(listed), encoding="utf-8", newline="\n")
    (tmp_path / "study.toml").write_text("""
config_version = 1
name = "trial"
[data]
admissions = "admissions.csv"
caseload = "caseload.csv"
[study]
design = "trial"
[trial]
service = "AAOT"
usual_care = "Control"
allocation = "random numbers in sealed envelopes, ISRCTN invented"
[disclosure]
profile = "hes"
""", encoding="utf-8", newline="\n")  # fmt: skip
    result = run_evaluation(load_config(tmp_path / "study.toml"))
    first = result.primary.headline
    assert first.n_people == 240
    assert first.conf_low < 0.4 < first.conf_high
    assert result.verdict.word == "lower"
    assert result.verdict.sentence.startswith("Among people allocated to the service, ")
    assert "sealed envelopes" in result.meta["primary"]["reason"]
    assert set(result.tables["baseline"]["arm"]) == {"service", "usual care"}
    assert result.tables["caseload"].set_index("unit").loc["all", "referred"] == 120
    assert result.primary.checks[0].check == "allocation"

    from aaot_eval.disclosure import control
    from aaot_eval.report import build_report, render_html

    page = render_html(build_report(control(result.tables, result.meta, profile="hes")))
    assert "Who was allocated" in page


def test_nobody_can_be_found_by_leaving_one_out() -> None:
    panel = simulated(9, ratio=0.6)
    row = Trial().fit(panel, ANALYSIS, seed=1)[0]
    found = CHECKS["leave_one_person_out"]().run(Trial(), panel, ANALYSIS, row, seed=1)
    data = allocated_people(panel, OUTCOME, 12, 0)
    heaviest = int(np.argmax(data.events * data.service))
    keep = np.arange(400) != heaviest
    part = replace(
        data,
        **{
            k: getattr(data, k)[keep]
            for k in ("who", "service", "cluster", "allocated", "events", "months", "before", "died")
        },
    )
    assert found.facts["low"] == pytest.approx(math.exp(rates_compared(part, clustered=False, ratio=True).value))
    assert found.table is None
    assert "400" not in found.sentence
    # One person with half of all admissions of the usual-care arm makes the whole fall.
    assert panel.person_cells is not None
    usual = int(np.flatnonzero(~data.service)[0])
    cells = panel.person_cells.copy()
    heavy = (cells["person"] == usual) & (cells["t"] == data.allocated[usual])
    cells.loc[heavy, OUTCOME] = 600
    row = Trial().fit(replace(panel, person_cells=cells), ANALYSIS, seed=1)[0]
    claimed = replace(row, conf_high=0.95)
    assert (
        CHECKS["leave_one_person_out"]()
        .run(Trial(), replace(panel, person_cells=cells), ANALYSIS, claimed, seed=1)
        .verdict
        == "warn"
    )


def test_leaving_out_people_of_an_entry_rule() -> None:
    from aaot_eval.estimators.entry_rule import EntryRule
    from tests.methods.patients import patients_mixed

    analysis = Analysis("entry_rule", "entry_rule", "entry_rule", OUTCOME)
    panel = patients_mixed()
    row = EntryRule(4, 12).fit(panel, analysis, seed=1)[0]
    found = CHECKS["leave_one_person_out"]().run(EntryRule(4, 12), panel, analysis, row, seed=1)
    assert found.verdict == "pass"
    assert found.facts["low"] < row.estimate < found.facts["high"]
