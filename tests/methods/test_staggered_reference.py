"""Staggered starts against R and other programs, through the public API and through a config file."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from aaot_eval.checks import _honest as honest
from aaot_eval.config import load_config
from aaot_eval.estimators import _staggered as sg
from aaot_eval.estimators import build_estimator
from aaot_eval.estimators._saturated import within_regression
from aaot_eval.estimators.event_study import pre_test
from aaot_eval.pipeline import run_evaluation
from aaot_eval.results import Analysis, Estimate, OutcomeSpec, Panel
from tests.agreement import agrees
from tests.builders import site_panel

KINDS = ("simple", "dynamic", "group", "calendar")
SCHEMES = {
    "mpdta": {
        "unconditional_nevertreated_varying": ("never", "varying"),
        "unconditional_nevertreated_universal": ("never", "universal"),
        "unconditional_notyettreated_varying": ("not_yet", "varying"),
        "unconditional_notyettreated_universal": ("not_yet", "universal"),
    },
    "base_stagg": {"never": ("never", "varying"), "notyet": ("not_yet", "varying")},
}
COLUMNS = {
    "mpdta": ("countyreal", "year", "first.treat", "lemp", "lpop"),
    "base_stagg": ("id", "year", "year_treated", "y", "x1"),
}
#: Rounded to five decimals by the program that printed them.
PRINTED_P = 5e-6
#: The published tables have three significant digits and R's own grid and 1,000 draws stand behind them.
HONEST_RELATIVE = 1e-3
HONEST_SMOOTH = 2e-4
#: fixest's small-sample factor for Sun-Abraham's points on mpdta differs from ours in the fifth figure.
CASE_SE = 1e-4
#: What the sum of the weights and the number treated differ by changes an effect of log employment by less than this.
NORMALISED = 3e-5


def load(shared: Path, case: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    folder = shared / "reference_cases" / "did" / case
    return pd.read_csv(folder / "data.csv"), json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def table_of(data: pd.DataFrame, case: str, control: str, base: str) -> tuple[sg.Staggered, np.ndarray]:
    unit, time, start, outcome, _ = COLUMNS[case]
    wide = data.pivot(index=unit, columns=time, values=outcome)
    periods = wide.columns.to_numpy()
    begun = data.groupby(unit)[start].first().to_numpy()
    never = (begun == 0) | (begun > periods[-1])
    starts = np.where(never, len(periods), np.searchsorted(periods, begun))
    return sg.Staggered(wide.to_numpy(), starts, periods, np.ones(len(wide)), control=control, base=base), periods


@pytest.mark.parametrize(("case", "scheme"), [(c, s) for c, schemes in SCHEMES.items() for s in schemes])
def test_reference_callaway_santanna(shared: Path, case: str, scheme: str) -> None:
    data, expected = load(shared, case)
    table, periods = table_of(data, case, *SCHEMES[case][scheme])
    wanted, tolerance = expected["callaway_santanna"][scheme], expected["tolerance"]
    name, found = f"did/{case}", sg.pairs(table)
    cells = {(int(periods[p.start]), int(periods[p.t])): p for p in found}
    assert len(cells) == len(wanted["att_gt"])
    for cell in wanted["att_gt"]:
        pair = cells[(cell["g"], cell["t"])]
        where = f"{scheme} ATT({cell['g']},{cell['t']})"
        agrees(name, where, pair.att, cell["att"], **tolerance["estimate"])
        if cell["se"] is not None:
            agrees(name, f"{where} SE", pair.std_error, cell["se"], **tolerance["se"])
    for kind in KINDS:
        overall, parts = sg.aggregate(table, found, kind)
        rows = [(f"{scheme} {kind}", overall, wanted["aggregate"][kind])]
        by = wanted["aggregate"][kind].get("by", [])
        assert len(parts) == len(by)
        rows += [(f"{scheme} {kind} {b['key']}", p, b) for p, b in zip(parts, by, strict=True)]
        for where, ours, row in rows:
            agrees(name, where, ours.att, row["att"], **tolerance["estimate"])
            if row["se"] is not None:
                agrees(name, f"{where} SE", ours.std_error, row["se"], **tolerance["se"])
    statistic, p, _ = pre_test(found)
    if wanted["pretest_W"] is None:
        assert math.isnan(statistic)  # weak first cohorts: no test rather than a number from a singular matrix
    else:
        agrees(name, f"{scheme} pre-test W", statistic, wanted["pretest_W"][0], rel=1e-6)
        agrees(name, f"{scheme} pre-test p", p, wanted["pretest_p"][0], abs=PRINTED_P)


CONFIG = """
config_version = 1
name = "{case}"
[data]
panel = "data.csv"
[panel]
unit = "{unit}"
period = "{time}"
frequency = "integer"
outcomes = {{ {outcome} = "continuous" }}
covariates = ["{covariate}"]
start = "{start}"
[study]
outcome = "{outcome}"
[disclosure]
profile = "none"
{analyses}
"""
ANALYSIS = """
[[analyses]]
name = "{name}"
estimator = "{estimator}"
primary = {primary}
options = {options}
checks = ["trend_violation"]
"""


def analysed(shared: Path, folder: Path, case: str, asked: dict[str, tuple[str, str]]) -> dict[str, list[Estimate]]:
    """The estimates of a config with those analyses, by analysis."""
    (folder / "data.csv").write_bytes((shared / "reference_cases" / "did" / case / "data.csv").read_bytes())
    blocks = "".join(
        ANALYSIS.format(name=n, estimator=e, options=o, primary=str(i == 0).lower())
        for i, (n, (e, o)) in enumerate(asked.items())
    )
    unit, time, start, outcome, covariate = COLUMNS[case]
    text = CONFIG.format(
        case=case, unit=unit, time=time, start=start, outcome=outcome, covariate=covariate, analyses=blocks
    )
    (folder / "study.toml").write_text(text, encoding="utf-8")
    result = run_evaluation(load_config(folder / "study.toml"))
    assert "D346" not in set(result.tables["data_quality"]["code"]), "a covariate that is used is not called idle"
    return {e.analysis.name: list(e.estimates) for e in result.effects}


def named(rows: list[Estimate], text: str) -> Estimate:
    return next(r for r in rows if text in r.estimand and math.isfinite(r.std_error))


WORDS = {
    "simple": "mean over all treated site-periods",
    "dynamic": "mean over periods since the start",
    "group": "mean over cohorts",
    "calendar": "mean over calendar periods",
}
PLAIN = "{ covariates = [], detail = true }"


def test_reference_mpdta_through_a_config(shared: Path, tmp_path: Path) -> None:
    _, expected = load(shared, "mpdta")
    tolerance, name = expected["tolerance"], "did/mpdta"
    asked = {
        "never": ("group_time", PLAIN),
        "not_yet": ("group_time", '{ covariates = [], control = "not_yet" }'),
        "adjusted": ("group_time", "{}"),
        "sa": ("event_study", '{ covariates = [], method = "sun_abraham", detail = true }'),
        "bjs": ("imputation", "{ detail = true }"),
    }
    rows = analysed(shared, tmp_path, "mpdta", asked)
    for scheme, analysis in (("nevertreated_varying", "never"), ("notyettreated_varying", "not_yet")):
        wanted = expected["callaway_santanna"][f"unconditional_{scheme}"]["aggregate"]
        for kind in KINDS:
            row = named(rows[analysis], WORDS[kind])
            agrees(
                name, f"{scheme} {kind}", row.estimate, wanted[kind]["att"], through="analyze", **tolerance["estimate"]
            )
            agrees(name, f"{scheme} {kind} SE", row.std_error, wanted[kind]["se"], through="analyze", **tolerance["se"])
    published = expected["published"]
    by_hand = {
        "simple": WORDS["simple"], "dynamic_overall": WORDS["dynamic"], "group_overall": WORDS["group"],
        "att_2004_2004": "cohort 2004, period 2004", "att_2004_2007": "cohort 2004, period 2007",
        "att_2006_2006": "cohort 2006, period 2006", "att_2007_2007": "cohort 2007, period 2007",
    }  # fmt: skip
    for key, text in by_hand.items():
        agrees(name, f"published {key}", named(rows["never"], text).estimate, published[key], abs=6e-5, through="analyze",
               note="published with four decimals")  # fmt: skip
    sa, ours = expected["sun_abraham"], rows["sa"]
    agrees(name, "Sun-Abraham ATT", ours[0].estimate, sa["att"]["est"], through="analyze", **tolerance["estimate"])
    agrees(name, "Sun-Abraham ATT SE", ours[0].std_error, sa["att"]["se"], through="analyze", **tolerance["se"],
           note="cohort shares as given; Callaway-Sant'Anna's lets them be estimated")  # fmt: skip
    agrees(name, "Sun-Abraham ATT p", ours[0].p_value, sa["att"]["p"], through="analyze", **tolerance["p"])
    for key, row in sa["event_study"].items():
        found = named(ours, f"sun_abraham, {int(key.split('::')[1]):+d} periods")
        agrees(name, f"Sun-Abraham {key}", found.estimate, row["est"], through="analyze", **tolerance["estimate"])
        agrees(name, f"Sun-Abraham {key} SE", found.std_error, row["se"], through="analyze", rel=CASE_SE, abs=1e-7)
        agrees(name, f"Sun-Abraham {key} p", found.p_value, row["p"], through="analyze", **tolerance["p"])
    bjs, ours = expected["imputation_bjs"], rows["bjs"]
    agrees(name, "imputation ATT", ours[0].estimate, bjs["att"], through="analyze", **tolerance["estimate"])
    agrees(name, "imputation SE", ours[0].std_error, bjs["se_diff_diff"], through="analyze", **tolerance["se"],
           note="reference from one library only")  # fmt: skip
    for time, att in bjs["by_event_time"].items():
        found = named(ours, f"imputed, {int(time):+d} periods")
        agrees(name, f"imputation {time}", found.estimate, att, through="analyze", **tolerance["estimate"])


def test_reference_base_stagg_through_a_config(shared: Path, tmp_path: Path) -> None:
    data, expected = load(shared, "base_stagg")
    tolerance, name, fixest = expected["tolerance"], "did/base_stagg", expected["fixest"]
    asked = {
        "never": ("group_time", PLAIN),
        "notyet": ("group_time", '{ covariates = [], control = "not_yet" }'),
        "sa": ("event_study", '{ method = "sun_abraham", detail = true }'),
        "sa_plain": ("event_study", '{ covariates = [], method = "sun_abraham", detail = true }'),
    }
    rows = analysed(shared, tmp_path, "base_stagg", asked)
    for scheme in ("never", "notyet"):
        wanted = expected["callaway_santanna"][scheme]["aggregate"]
        for kind in KINDS:
            row = named(rows[scheme], WORDS[kind])
            agrees(
                name, f"{scheme} {kind}", row.estimate, wanted[kind]["att"], through="analyze", **tolerance["estimate"]
            )
            agrees(name, f"{scheme} {kind} SE", row.std_error, wanted[kind]["se"], through="analyze", **tolerance["se"])
    pairs = [("sunab_att ATT", rows["sa"][0], fixest["sunab_att"]["ATT"]),
             ("sunab_nocov_att ATT", rows["sa_plain"][0], fixest["sunab_nocov_att"]["ATT"]),
             ("sunab x1", named(rows["sa"], "coefficient of x1"), fixest["sunab"]["x1"])]  # fmt: skip
    for key, row in fixest["sunab_cohort"].items():
        if key.startswith("cohort"):
            pairs.append((f"sunab {key}", named(rows["sa"], f"sun_abraham, cohort {key.split('::')[1]}"), row))
    for block, analysis in (("sunab", "sa"), ("sunab_nocov", "sa_plain")):
        for key, row in fixest[block].items():
            if key.startswith("year"):
                found = [
                    r for r in rows[analysis] if f"sun_abraham, {int(key.split('::')[1]):+d} periods" in r.estimand
                ]
                pairs.append((f"{block} {key}", found[0], row))
    for where, row, wanted in pairs:
        agrees(name, where, row.estimate, wanted["est"], through="analyze", rel=1e-6, abs=1e-8)
        agrees(name, f"{where} SE", row.std_error, wanted["se"], through="analyze", **tolerance["se"])
        agrees(name, f"{where} p", row.p_value, wanted["p"], through="analyze", **tolerance["p"])
    # The usual two-way model is badly wrong here: -3.68 where the truth is -1.
    table, _ = table_of(data, "base_stagg", "never", "varying")
    x1 = data.pivot(index="id", columns="year", values="x1").to_numpy()[:, :, None]
    switch = table.switch.astype(float)[:, :, None]
    for block, columns, which in (("twfe", np.concatenate([x1, switch], axis=2), {"x1": 0, "d": 1}),
                                  ("twfe_nocov", switch, {"d": 0})):  # fmt: skip
        fit = within_regression(table.level, columns)
        for key, at in which.items():
            agrees(name, f"{block} {key}", fit.coefficients[at], fixest[block][key]["est"], **tolerance["estimate"])
            agrees(name, f"{block} {key} SE", fit.std_errors[at], fixest[block][key]["se"], **tolerance["se"])
    assert abs(rows["sa"][0].estimate - expected["fixest"]["true_att"]) < 0.2


def test_reference_two_way_on_mpdta_has_the_standard_error_of_fixest(shared: Path) -> None:
    """linearmodels' default is 12 % larger, and diff-diff's TwoWayFixedEffects fed a switch returns -1.8e-05."""
    data, expected = load(shared, "mpdta")
    table, _ = table_of(data, "mpdta", "never", "varying")
    fit = within_regression(table.level, table.switch.astype(float)[:, :, None])
    wanted, tolerance = expected["twfe_ols"], expected["tolerance"]
    agrees("did/mpdta", "two-way coefficient", fit.coefficients[0], wanted["est"], **tolerance["estimate"])
    agrees("did/mpdta", "two-way SE", fit.std_errors[0], wanted["se"], **tolerance["se"])
    agrees("did/mpdta", "published twfe", fit.coefficients[0], expected["published"]["twfe"], abs=6e-5)


def over_number_treated(change: np.ndarray, treated: np.ndarray, x: np.ndarray) -> float:
    """The doubly robust effect as diff-diff has it: controls' weights over the number treated, not over their own sum."""
    design = np.column_stack([np.ones(len(x)), x])
    chance = sm.Logit(treated, design).fit(disp=0, tol=1e-14, method="newton").predict()
    control = treated == 0
    residual = change - design @ np.linalg.lstsq(design[control], change[control], rcond=None)[0]
    weights = (chance / (1 - chance))[control]
    return float(residual[~control].mean() - weights @ residual[control] / (~control).sum())


def test_reference_adjusted_effects_are_those_of_diff_diff(shared: Path) -> None:
    """Weighting and regression agree; its doubly robust effect is another one, which is reproduced to show that this is all."""
    from diff_diff import CallawaySantAnna

    data, _ = load(shared, "mpdta")
    table, periods = table_of(data, "mpdta", "never", "varying")
    cube = data.pivot(index="countyreal", columns="year", values="lpop").to_numpy()[:, :, None]
    for kind in ("dr", "ipw", "reg"):
        other = CallawaySantAnna(estimation_method=kind, base_period="varying", control_group="never_treated")
        wanted = other.fit(data.rename(columns={"first.treat": "first"}), outcome="lemp", unit="countyreal", time="year",
                           first_treat="first", covariates=["lpop"]).group_time_effects  # fmt: skip
        adjusted = sg.Staggered(table.level, table.starts, table.clock, table.size, covariates=cube, adjustment=kind)
        for pair in sg.pairs(adjusted):
            row = wanted[(int(periods[pair.start]), int(periods[pair.t]))]
            where = f"{kind} with lpop ATT({periods[pair.start]},{periods[pair.t]})"
            ours, note = pair.att, "reference: diff-diff 3.13"
            if kind == "dr":
                used = (table.starts == pair.start) | (table.starts == table.n_periods)
                change = (table.level[:, pair.t] - table.level[:, pair.base])[used]
                ours = over_number_treated(change, (table.starts == pair.start)[used].astype(float), cube[used, 0, 0])
                note = "diff-diff 3.13 divides by the number treated; Sant'Anna and Zhao, R and we by the sum of the weights"
                assert pair.att == pytest.approx(ours, abs=NORMALISED)
            agrees("did/mpdta", where, ours, row["effect"], rel=1e-6, abs=1e-8, note=note)
            agrees("did/mpdta", f"{where} SE", pair.std_error, row["se"], rel=1e-3 if kind == "dr" else 1e-4, note=note)


def medicaid(shared: Path) -> tuple[honest.EventVector, dict[str, Any]]:
    path = shared / "reference_cases" / "did" / "honest_did_medicaid" / "expected.json"
    expected = json.loads(path.read_text(encoding="utf-8"))
    given = expected["inputs"]
    vector = honest.EventVector(
        np.array(given["betahat"]), np.array(given["sigma"]), given["n_pre"], np.array(given["l_vec"], dtype=float)
    )
    return vector, expected


def test_reference_honest_intervals_are_those_of_r(shared: Path) -> None:
    vector, expected = medicaid(shared)
    for mbar, ends in expected["published"]["relative_magnitudes_C_LF"].items():
        found = honest.relative_magnitudes(vector, float(mbar), 0.05, 1)
        for which, ours, theirs in zip(("low", "high"), found, ends, strict=True):
            agrees("did/honest_did_medicaid", f"relative magnitudes {mbar} {which}", ours, theirs, abs=HONEST_RELATIVE)
    # diff-diff's interval at 2 leaves out zero; R's holds it, and so must ours.
    assert (
        honest.relative_magnitudes(vector, 2.0, 0.05, 1)[0]
        < 0
        < expected["python"]["diff_diff_relative_magnitudes"]["2"][0]
    )
    assert 1.5 < honest.breakdown(vector, 0.05, 1) < 2.0
    for m, ends in expected["published"]["smoothness_FLCI"].items():
        found = honest.smoothness(vector, float(m), 0.05)
        rounding = [0.5 * 10 ** (math.floor(math.log10(abs(e))) - 2) for e in ends]  # published with three figures
        for which, ours, theirs, digits in zip(("low", "high"), found, ends, rounding, strict=True):
            agrees("did/honest_did_medicaid", f"smoothness {m} {which}", ours, theirs, abs=max(HONEST_SMOOTH, digits))
    for library in ("diff_diff_smoothness_FLCI", "honestdid_0.1.1_smoothness"):
        for m, ends in expected["python"][library].items():
            for which, ours, theirs in zip(
                ("low", "high"), honest.smoothness(vector, float(m), 0.05), ends, strict=True
            ):
                agrees("did/honest_did_medicaid", f"{library} {m} {which}", ours, theirs, abs=HONEST_SMOOTH)


def stores(data: pd.DataFrame) -> Panel:
    """Stores by wave; New Jersey's start between the waves; a blank is missing."""
    data = data.assign(store=data.groupby(["id", "d"]).cumcount().astype(str) + "_" + data["id"].astype(str))
    wide = data.pivot(index="store", columns="d", values="fte")
    nj = data.groupby("store")["nj"].first()
    panel = site_panel(
        {"fte": wide.to_numpy()}, [1 if x else None for x in nj], units=list(wide.index), population=[1.0] * len(wide)
    )
    panel.cells.loc[panel.cells["fte"].isna(), "missing"] = True
    cells = panel.cells.drop(columns="fte_persons")
    return Panel("month", 12, panel.periods, panel.units, cells, (OutcomeSpec("fte", "fte", "continuous"),))


def test_reference_card_krueger_pairs_and_all_rows(shared: Path) -> None:
    data, expected = load(shared, "card_krueger")
    name, tolerance = "did/card_krueger", expected["tolerance"]
    rows = build_estimator("group_time", {}).fit(
        stores(data), Analysis("ck", "sites", "group_time", "fte", True), seed=1
    )
    pairs, every = rows[0], next(r for r in rows if "all rows" in r.estimand)
    n, n_rows = expected["n_stores_balanced"], expected["n_rows_all"]
    agrees(name, "balanced", pairs.estimate, expected["did_balanced"], **tolerance["estimate"])
    agrees(name, "balanced HC1 SE", pairs.std_error * math.sqrt(n / (n - 2)), expected["se_hc1_balanced_firstdiff"],
           **tolerance["se"], note="ours times the small-sample factor of HC1")  # fmt: skip
    agrees(name, "all rows", every.estimate, expected["did_all"], **tolerance["estimate"])
    # One id stands for two stores in the data, and the reference clusters by id.
    panel = stores(data)
    by_id = replace(panel, units=panel.units.assign(cluster=[u.rsplit("_", 1)[1] for u in panel.units.index]))
    clustered = build_estimator("group_time", {}).fit(by_id, Analysis("ck", "sites", "group_time", "fte", True), seed=1)
    every = next(r for r in clustered if "all rows" in r.estimand)
    groups = data.loc[data["fte"].notna(), "id"].nunique()
    factor = math.sqrt(groups / (groups - 1) * (n_rows - 1) / (n_rows - 4))
    agrees(name, "all rows SE clustered by store", every.std_error * factor, expected["se_cluster_store_all"],
           **tolerance["se"], note="ours with the id as cluster, times CR1's factor")  # fmt: skip
    assert "26 site-periods are missing" in pairs.note
    assert "sensitivity" in every.note
    agrees(name, "published balanced", pairs.estimate, expected["published"]["did_balanced"], **tolerance["published"])
    agrees(name, "published all rows", every.estimate, expected["published"]["did_all"], **tolerance["published"])


HOSPITALS = """
config_version = 1
name = "few"
[data]
panel = "data.csv"
[panel]
unit = "hospital"
period = "month"
frequency = "integer"
outcomes = { admissions = "count" }
exposure = "population"
start = "first_month"
[study]
outcome = "admissions"
[disclosure]
profile = "none"
[[analyses]]
name = "sites"
estimator = "site_did"
primary = true
checks = ["trend_violation"]
options = { least_before = 12 }
[[analyses]]
name = "two_way"
estimator = "two_way"
options = { least_before = 12 }
[[analyses]]
name = "group_time"
estimator = "group_time"
[[analyses]]
name = "imputation"
estimator = "imputation"
"""


def test_reference_hospital_few_treated_through_a_config(shared: Path, tmp_path: Path) -> None:
    _, expected = load(shared, "hospital_few_treated")
    folder = shared / "reference_cases" / "did" / "hospital_few_treated"
    (tmp_path / "data.csv").write_bytes((folder / "data.csv").read_bytes())
    (tmp_path / "study.toml").write_text(HOSPITALS, encoding="utf-8")
    result = run_evaluation(load_config(tmp_path / "study.toml"))
    rows = {e.analysis.name: list(e.estimates) for e in result.effects}
    _, coefficient, t, poisson = rows["sites"]
    foil_poisson, cr1, cr2, wild = rows["two_way"]
    exact, name, tolerance = expected["randomisation"], "did/hospital_few_treated", expected["tolerance"]
    for where, ours, theirs, allowed in (
        ("two-way coefficient", math.log(coefficient.estimate), expected["twfe"], "estimate"),
        ("randomisation p, coefficient", coefficient.p_value, exact["p_coefficient"], "p_exact"),
        ("randomisation p, t", t.p_value, exact["p_t"], "p_exact"),
        ("smallest possible p", coefficient.p_least, exact["smallest_possible_p"], "p_exact"),
        ("assignments", rows["sites"][0].facts["n_assignments"], exact["assignments"], "p_exact"),
        ("Poisson coefficient", math.log(poisson.estimate), expected["poisson"]["coef"], "estimate"),
        ("Poisson rate ratio", poisson.estimate, expected["poisson"]["rate_ratio"], "estimate"),
        ("Poisson randomisation p", poisson.p_value, expected["poisson"]["p_randomisation_coef"], "p_exact"),
        ("Poisson SE CR1", foil_poisson.std_error, expected["poisson"]["se_CR1_fixest"], "se"),
        ("SE CR1", cr1.std_error, expected["se_CR1_fixest"], "se"),
        ("t CR1", math.log(cr1.estimate) / cr1.std_error, expected["t_CR1_fixest"], "se"),
        ("p CR1", cr1.p_value, expected["p_CR1_t_Gminus1"], "se"),
        ("SE CR2", cr2.std_error, expected["se_CR2"], "se"),
        ("p CR2", cr2.p_value, expected["p_CR2"], "se"),
        ("wild bootstrap p", wild.p_value, expected["wcr_rademacher_full"]["p"], "p_exact"),
    ):
        limits = tolerance[allowed]
        agrees(name, where, ours, theirs, through="analyze", **limits)
    for analysis in ("group_time", "imputation"):
        first, *others = rows[analysis]
        assert first.conf_method == "randomisation"
        assert first.p_least == pytest.approx(exact["smallest_possible_p"])
        assert all(math.isnan(r.p_value) or r.p_value >= exact["smallest_possible_p"] for r in others)
        assert first.conf_low < expected["true_rate_ratio"] < first.conf_high
