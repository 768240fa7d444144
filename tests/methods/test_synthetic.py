"""The simulated study: is the truth it states the truth that is in its files?"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaot_eval.config import load_config
from aaot_eval.errors import InputError, UsageError
from aaot_eval.synthetic import SCENARIOS, draw_study, simulate_study
from aaot_eval.synthetic.code_pools import ALCOHOL_CODES, CODES, OTHER_CODES
from aaot_eval.synthetic.columns import financial_year, year_label
from aaot_eval.synthetic.extracts import YearFiles
from aaot_eval.synthetic.faults import DIRT
from aaot_eval.synthetic.money import OCCUPANCY, leg_price, programme_cost, programme_rows
from aaot_eval.synthetic.people import mixed, tokens
from aaot_eval.synthetic.scenarios import Illness
from aaot_eval.synthetic.service import lived, months_meeting_rule
from aaot_eval.synthetic.world import ALCOHOL, PEOPLE_PER_SITE, Calendar, kept_apart, monthly_shocks

TINY = {"seed": 5, "sites": 4, "treated": 2, "months": 45, "launch_after": 27, "size": 0.1}
#: truth.json holds eight significant digits.
ROUNDING = 1e-7
EMERGENCY = {"21", "22", "23", "24", "25", "2A", "2B", "2C", "2D", "28"}
SPECIFIC = ("F10", "K70", "K292", "K852", "K860", "G312", "G621", "G721", "I426", "E244", "T510", "T511", "T519", "X45", "X65",
            "Y15", "Y90", "Y91", "Q860", "R780")  # fmt: skip

Make = Callable[..., tuple[Path, dict[str, Any]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Simulated studies, each made once: made("effect", faults=0)."""
    known: dict[tuple[Any, ...], tuple[Path, dict[str, Any]]] = {}

    def make(scenario: str, **changes: Any) -> tuple[Path, dict[str, Any]]:
        key = (scenario, *sorted(changes.items()))
        if key not in known:
            folder = tmp_path_factory.mktemp(scenario) / "study"
            known[key] = folder, simulate_study(folder, scenario=scenario, **(TINY | changes))
        return known[key]

    return make


@cache
def extract(folder: Path, stem: str) -> pd.DataFrame:
    """All files of an extract as text; read once, so no test may change it."""
    files = sorted((folder / "extracts").glob(f"{stem}_*.csv"))
    return pd.concat([pd.read_csv(f, dtype=str, keep_default_na=False) for f in files], ignore_index=True)


@cache
def stays_of(folder: Path) -> pd.DataFrame:
    """Stays of a folder of clean episodes: spells by person, provider and admission date, joined on transfer signs within three days.

    A second, plain implementation of the `hf` rules for files without faults.
    """
    rows = extract(folder, "apc").sort_values(["TOKEN_PERSON_ID", "ADMIDATE", "EPISTART", "EPIEND", "EPIORDER"])
    rows["alcohol"] = rows.filter(like="DIAG_").apply(lambda c: c.str.startswith(SPECIFIC)).any(axis=1)
    spells = rows.groupby(["TOKEN_PERSON_ID", "PROCODE3", "ADMIDATE"], sort=False).agg(
        start=("EPISTART", "first"), end=("EPIEND", "max"), method=("ADMIMETH", "first"), source=("ADMISORC", "first"),
        to=("DISDEST", "last"), alcohol=("alcohol", "any"), classpat=("CLASSPAT", "first"),
    ).reset_index()  # fmt: skip
    spells = spells[spells["classpat"] != "3"].sort_values(["TOKEN_PERSON_ID", "ADMIDATE"], kind="stable")
    spells["start"], spells["end"] = pd.to_datetime(spells["start"]), pd.to_datetime(spells["end"])
    before = spells.groupby("TOKEN_PERSON_ID")[["end", "to"]].shift()
    sign = (
        before["to"].isin(["51", "52", "53"])
        | spells["source"].isin(["51", "52", "53"])
        | spells["method"].isin(["2B", "81"])
    )
    joins = ((spells["start"] - before["end"]).dt.days <= 3) & sign
    spells["stay"] = (~joins).cumsum()
    spells["nights"] = (spells["end"] - spells["start"]).dt.days
    return spells.groupby("stay").agg(
        person=("TOKEN_PERSON_ID", "first"), site=("PROCODE3", "first"), month=("ADMIDATE", lambda d: d.iloc[0][:7]),
        day=("ADMIDATE", "first"), method=("method", "first"), alcohol=("alcohol", "any"), nights=("nights", list),
    )  # fmt: skip


def by_site_and_month(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby(["site", "month"]).size()


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


# The answer


@pytest.mark.parametrize(("scenario", "ratio"), [("effect", 0.77), ("harm", 1.25), ("single_site", 0.77)])
def test_expected_site_ratio_is_the_scenarios(made: Make, scenario: str, ratio: float) -> None:
    _, truth = made(scenario)
    assert truth["site_rate_ratio"]["target"] == ratio
    assert truth["site_rate_ratio"]["expected"] == pytest.approx(ratio, abs=ROUNDING)


@pytest.mark.parametrize("scenario", ["null", "regression_to_mean"])
def test_without_an_effect_every_ratio_is_one_and_nothing_is_averted(made: Make, scenario: str) -> None:
    _, truth = made(scenario)
    assert truth["change_per_admission"]["probability"] == 0
    for part in ("site_rate_ratio", "eligible", "referred"):
        ratios = [
            v for k, v in truth[part].items() if k in ("expected", "realised", "ratio_expected", "ratio_realised")
        ]
        assert ratios == [1.0, 1.0]
    assert truth["economics"]["hospital_cost_averted_expected"] == 0
    assert truth["economics"]["net_saving_expected"] == -truth["economics"]["programme_cost"]


def test_mean_over_many_effects_is_the_expected_ratio() -> None:
    # The caseload's stays thinned 400 times here; the mean of the ratios has a standard error of about 0.001.
    study = draw_study(scenario="effect", **TINY)
    effect, total = study.effect, study.effect.treated_total.sum()
    reached = study.effect.treated_on_caseload.sum()
    draws = np.random.default_rng(0).binomial(reached, effect.probability, 400)
    assert (1 - draws / total).mean() == pytest.approx(0.77, abs=0.004)
    assert 1 - effect.probability >= 0.30
    assert reached / total >= 0.32


@pytest.mark.parametrize("scenario", ["effect", "harm", "single_site"])
def test_true_series_is_what_a_plain_recount_of_clean_files_finds(made: Make, scenario: str) -> None:
    folder, truth = made(scenario, faults=0.0)
    series = pd.read_csv(folder / "truth_series.csv").set_index(["site", "month"])
    stays = stays_of(folder)
    emergency = stays[stays["method"].isin(EMERGENCY)]
    ed = extract(folder, "ed").rename(columns={"PROVIDER_CODE": "site"})
    ed["month"] = ed["ARRIVAL_DATE"].str[:7]
    for name, rows in {
        "alcohol_specific_emergency": emergency[emergency["alcohol"]],
        "non_alcohol_emergency": emergency[~emergency["alcohol"]],
        "ed_attendances": ed,
    }.items():
        assert by_site_and_month(rows).reindex(series.index, fill_value=0).tolist() == series[name].tolist(), name
    after = pd.Series(truth["go_live"])
    treated = series[[site in after.index and month >= after[site] for site, month in series.index]].sum()
    real = treated["alcohol_specific_emergency"] / treated["alcohol_specific_emergency_without_service"]
    assert real == pytest.approx(truth["site_rate_ratio"]["realised"], rel=ROUNDING)


@pytest.mark.parametrize("which", ["eligible", "newly_eligible"])
def test_truth_of_the_eligible_is_what_the_files_of_both_worlds_say(made: Make, which: str) -> None:
    with_service, truth = made("effect", faults=0.0)
    without, _ = made("null", faults=0.0)
    study = draw_study(scenario="effect", **TINY)
    months = pd.period_range("2021-07", periods=TINY["months"], freq="M").astype(str).tolist()
    numbers = np.unique(study.stays.person)
    home = pd.Series(numbers // PEOPLE_PER_SITE, index=tokens(numbers, TINY["seed"]).to_pylist())
    tables = []
    for folder in (without, with_service):
        stays = stays_of(folder)
        stays = stays[stays["alcohol"] & stays["method"].isin(EMERGENCY)]
        counts = stays.groupby(["person", "month"]).size().unstack(fill_value=0)
        tables.append(counts.reindex(index=home.index, columns=months, fill_value=0))
    deaths = pd.read_csv(without / "deaths.csv").set_index("person")["death_date"].str[:7]
    referred = pd.read_csv(without / "caseload.csv").set_index("person")["referred"].str[:7]
    without_total = with_total = people = taken = time = on_team = 0
    for site in study.sites:
        if site.go_live is None:
            continue
        for person in home.index[home == site.index]:
            counts = tables[0].loc[person].to_numpy()
            # The month of death is the last month at risk.
            last = months.index(deaths[person]) if person in deaths else len(months) - 1
            ever = [t for t in range(12, last + 1) if counts[t - 12 : t].sum() >= 4]
            if which == "newly_eligible":
                ever = [t for t in ever if not set(ever) & set(range(t - 12, t))]
            met = [t for t in ever if t >= site.go_live]
            if not met:
                continue
            window = slice(met[0], min(met[0] + 12, last + 1))
            begun = months.index(referred[person]) if person in referred else len(months)
            people, taken = people + 1, taken + (begun < len(months))
            time += window.stop - window.start
            on_team += max(window.stop - max(window.start, begun), 0)
            without_total += counts[window].sum()
            with_total += tables[1].loc[person].to_numpy()[window].sum()
    eligible = truth[which]
    assert (people, time) == (eligible["people"], eligible["person_months"])
    assert without_total == eligible["admissions_without_service"]
    assert with_total / without_total == pytest.approx(eligible["ratio_realised"], rel=ROUNDING)
    assert taken / people == pytest.approx(eligible["uptake_people"], rel=ROUNDING)
    assert on_team / time == pytest.approx(eligible["uptake_person_months"], rel=ROUNDING)


def test_hospital_cost_averted_is_the_price_of_the_stays_that_are_missing(made: Make) -> None:
    folder, truth = made("effect", faults=0.0)
    other, _ = made("null", faults=0.0)
    price = pd.read_csv(folder / "unit_costs_invented.csv").set_index("item")["value"]
    gone = stays_of(other).merge(stays_of(folder)[["person", "day"]], on=["person", "day"], how="left", indicator=True)
    gone = gone[gone["_merge"] == "left_only"]
    legs = np.concatenate(gone["nights"].to_list())
    long = price["emergency_long_stay"] + np.maximum(legs - 10, 0) * price["emergency_excess_day"]
    money = np.where(legs <= 1, price["emergency_short_stay"], long).sum()
    money += (len(extract(other, "ed")) - len(extract(folder, "ed"))) * price["ed_attendance"]
    economics = truth["economics"]
    caseload = pd.read_csv(folder / "caseload.csv", parse_dates=["referred"])
    deaths = pd.read_csv(folder / "deaths.csv", parse_dates=["death_date"]).set_index("person")["death_date"]
    last = pd.Timestamp(truth["window"]["last_day"])
    years = ((caseload["person"].map(deaths).fillna(last) - caseload["referred"]).dt.days + 1).sum() / 365.25
    assert years == pytest.approx(economics["person_years_on_caseload"], rel=ROUNDING)
    assert money / years == pytest.approx(economics["hospital_cost_averted_realised"], rel=ROUNDING)
    # Both parts are rounded to eight significant digits, so their difference is known to a tenth of a penny.
    saving = economics["hospital_cost_averted_realised"] - economics["programme_cost"]
    assert economics["net_saving_realised"] == pytest.approx(saving, abs=0.001)


# One thing at a time


def test_effect_only_takes_alcohol_stays_of_the_caseload_away_from_the_null_world(made: Make) -> None:
    (null, _), (effect, _) = made("null"), made("effect")
    rows = extract(null, "apc").drop_duplicates().set_index("EPIKEY")
    left = extract(effect, "apc").drop_duplicates().set_index("EPIKEY")
    assert left.index.isin(rows.index).all()
    assert rows.loc[left.index].equals(left)
    gone = rows.drop(left.index)
    referred = pd.read_csv(null / "caseload.csv").set_index("person")["referred"]
    known = gone[(gone["TOKEN_PERSON_ID"] != "") & ~gone["ADMIDATE"].str.startswith("18")]
    assert (known["ADMIDATE"] >= known["TOKEN_PERSON_ID"].map(referred)).all()
    assert gone["PROVSPNOPS"].nunique() > 50
    for table in ("caseload.csv", "sites.csv", "deaths.csv", "unit_costs_invented.csv", "programme_invented.csv"):
        assert (null / table).read_bytes() == (effect / table).read_bytes()


def test_a_row_has_the_same_content_in_every_scenario_of_the_same_world(made: Make) -> None:
    null, effect, harm = (extract(made(s)[0], "apc").drop_duplicates() for s in ("null", "effect", "harm"))
    assert len(null.merge(effect)) == len(effect)
    assert len(harm.merge(null)) == len(null)
    assert len(harm) > len(null) > len(effect)


def test_further_stays_of_harm_overlap_nothing(made: Make) -> None:
    folder, truth = made("harm", faults=0.0)
    spells = extract(folder, "apc")
    spells = spells[spells["SPELEND"] == "Y"].sort_values(["TOKEN_PERSON_ID", "ADMIDATE"])
    spells = spells[~spells["ADMIMETH"].isin(["2B", "81"]) & (spells["ADMISORC"] != "51")]
    before = spells.groupby("TOKEN_PERSON_ID")["DISDATE"].shift()
    later = before.notna() & (spells["CLASSPAT"] != "3")
    sent_on = spells.groupby("TOKEN_PERSON_ID")["DISDEST"].shift() == "51"
    assert (spells["ADMIDATE"][later & ~sent_on] > before[later & ~sent_on]).all()
    assert truth["site_rate_ratio"]["realised"] > 1.15


def test_regression_to_the_mean_is_stronger_where_people_are_taken_on_at_their_peak() -> None:
    def month_before_over_year_before(scenario: str) -> float:
        study = draw_study(scenario=scenario, **(TINY | {"size": 0.6}))
        counts = pd.Series(
            1, index=pd.MultiIndex.from_arrays([study.stays.person, study.calendar.month_of(study.stays.start)])
        )
        counts = counts[study.stays.kind == ALCOHOL].groupby(level=[0, 1]).sum()
        got = [
            [counts.get((p, m - k), 0) for k in range(1, 13)]
            for p, m in zip(study.caseload.person, study.caseload.month, strict=True)
        ]
        table = np.array(got)
        return float(table[:, 0].mean() / table.mean())

    assert month_before_over_year_before("regression_to_mean") > 1.3 * month_before_over_year_before("null")


def test_single_site_has_one_trust_and_no_comparison(made: Make) -> None:
    folder, truth = made("single_site")
    assert extract(folder, "apc")["PROCODE3"].unique().tolist() == ["RZ1"]
    sites = pd.read_csv(folder / "sites.csv")
    assert sites["site"].tolist() == ["RZ1"]
    assert sites["go_live"].notna().all()
    assert list(truth["go_live"]) == ["RZ1"]


# Faults


def test_every_fault_stands_in_the_files_as_often_as_the_truth_says(made: Make) -> None:
    folder, truth = made("effect", faults=4.0)
    rows = extract(folder, "apc")
    codes = rows.filter(like="DIAG_")
    found = {
        "blank_person_id": rows["TOKEN_PERSON_ID"] == "",
        "null_admidate_1800": rows["ADMIDATE"] == "1800-01-01",
        "invalid_admidate_1801": rows["ADMIDATE"] == "1801-01-01",
        "null_disdate": rows["DISDATE"] == "1800-01-01",
        "end_before_start": (rows["EPIEND"] != "") & (rows["EPIEND"] < rows["EPISTART"]),
        "admimeth_99": rows["ADMIMETH"] == "99",
        "admisorc_99": rows["ADMISORC"] == "99",
        "epiorder_99": rows["EPIORDER"] == "99",
        "uncoded_primary": (rows["DIAG_01"] == "R69X") & (rows["DIAG_02"] == ""),
        "dotted_code": codes.apply(lambda c: c.str.contains(".", regex=False)).any(axis=1),
        "sex_9": rows["SEX"] == "9",
        "infant_age_code": rows["STARTAGE"] == "7003",
        "unfinished": rows["EPISTAT"] == "1",
        "duplicate_row": rows.duplicated(),
    }
    assert set(found) == set(DIRT) == set(truth["dirt"])
    for name, where in found.items():
        assert int(where.sum()) == truth["dirt"][name]["rows"] > 0, name
    assert len(rows) == truth["counts"]["episode_rows"]


def test_clean_files_have_no_faults_and_sound_dates(made: Make) -> None:
    folder, truth = made("effect", faults=0.0)
    assert {fault["rows"] for fault in truth["dirt"].values()} == {0}
    rows = extract(folder, "apc")
    assert (rows["TOKEN_PERSON_ID"].str.fullmatch("TEST[0-9A-F]{28}")).all()
    assert rows["EPIKEY"].is_unique
    assert (rows["EPIKEY"].str.len() == 20).all()
    assert (rows["ADMIDATE"] <= rows["EPISTART"]).all()
    assert (rows["EPISTART"] <= rows["EPIEND"]).all()
    last = rows[rows["SPELEND"] == "Y"]
    assert (last["EPIEND"] == last["DISDATE"]).all()
    assert rows.groupby("PROVSPNOPS")["SPELEND"].apply(lambda ends: (ends == "Y").sum()).eq(1).all()
    order = rows.assign(order=rows["EPIORDER"].astype(int)).groupby("PROVSPNOPS")["order"]
    assert (order.max() == order.size()).all()
    assert order.min().eq(1).all()
    window = truth["window"]
    assert stays_of(folder)["day"].between(window["first_day"], window["last_day"]).all()
    codes = rows.filter(like="DIAG_").to_numpy()
    filled = (codes != "").sum(axis=1)
    assert all((row[:n] != "").all() and len(set(row[:n])) == n for row, n in zip(codes, filled, strict=True))


def test_rows_lie_in_the_file_of_the_year_in_which_the_episode_ended(made: Make) -> None:
    folder, _ = made("effect", faults=0.0)
    for file in (folder / "extracts").glob("apc_*.csv"):
        rows = pd.read_csv(file, dtype=str, keep_default_na=False)
        label = file.stem.removeprefix("apc_")
        assert rows["FYEAR"].unique().tolist() == [label]
        assert rows["EPIEND"].between(f"20{label[:2]}-04-01", f"20{label[2:]}-03-31").all()


def test_nobody_is_admitted_after_death(made: Make) -> None:
    folder, _ = made("harm", faults=0.0)
    deaths = pd.read_csv(folder / "deaths.csv").set_index("person")["death_date"]
    rows = extract(folder, "apc")
    dead = rows["TOKEN_PERSON_ID"].map(deaths)
    assert (rows["EPIEND"][dead.notna()] <= dead[dead.notna()]).all()
    in_hospital = rows[rows["DISMETH"] == "4"]
    assert len(in_hospital) > 10
    assert (in_hospital["DISDATE"] == in_hospital["TOKEN_PERSON_ID"].map(deaths)).all()
    assert (in_hospital["DISDEST"] == "79").all()


def test_transfers_carry_every_kind_of_sign(made: Make) -> None:
    rows = extract(made("null", faults=0.0, size=0.5)[0], "apc")
    second = rows[(rows["ADMIMETH"].isin(["2B", "81"]) | (rows["ADMISORC"] == "51")) & (rows["EPIORDER"] == "1")]
    assert {"2B", "81", "21"} <= set(second["ADMIMETH"])
    assert {"19", "51"} == set(second["ADMISORC"])
    assert (rows["DISDEST"] == "51").sum() > 20


# Files


def test_same_seed_same_bytes_and_another_seed_other_bytes(made: Make, tmp_path: Path) -> None:
    folder, _ = made("effect")
    simulate_study(tmp_path / "again", scenario="effect", notify=lambda _: None, **TINY)
    assert hashes(tmp_path / "again") == hashes(folder)
    simulate_study(tmp_path / "other", scenario="null", **(TINY | {"seed": 7}))
    assert hashes(tmp_path / "other")["caseload.csv"] != hashes(folder)["caseload.csv"]


def test_truth_returned_is_the_truth_written(made: Make) -> None:
    folder, truth = made("effect")
    assert json.loads((folder / "truth.json").read_text("utf-8")) == json.loads(json.dumps(truth))
    assert truth["counts"]["on_caseload"] == len(pd.read_csv(folder / "caseload.csv"))


def test_config_of_the_study_loads_and_points_at_files_that_exist(made: Make) -> None:
    folder, truth = made("effect")
    config = load_config(folder / "study.toml")
    assert config.study.entry_rule == "4 admissions in 12 months"
    assert config.data.complete_to is not None
    assert config.data.complete_to.isoformat() == truth["window"]["last_day"]
    assert config.output.patient_reports
    assert config.costs is not None
    for name in ("admissions", "attendances", "caseload", "sites", "deaths"):
        assert list(folder.glob(str(getattr(config.data, name)))), name
    assert config.path(config.costs.unit_costs).is_file()
    assert config.path(config.costs.programme).is_file()


def test_prices_say_in_every_row_that_they_are_invented(made: Make) -> None:
    folder, truth = made("effect")
    for name in ("unit_costs_invented.csv", "programme_invented.csv"):
        rows = list(csv.DictReader((folder / name).open(encoding="utf-8")))
        assert rows
        assert {row["source"] for row in rows} == {"INVENTED for simulation"}
    table = pd.read_csv(folder / "programme_invented.csv").set_index("kind")
    staff = table.loc["staff"]
    running = (staff["quantity"] * staff["amount"] * (1 + staff["on_cost"])).sum() + table.loc["non_pay", "amount"]
    year = (
        running * (1 + table.loc["overhead", "quantity"])
        + table.loc["set_up", "amount"] / table.loc["set_up", "quantity"]
    )
    each = year / (table.loc["caseload", "quantity"] * table.loc["occupancy", "quantity"])
    assert each == pytest.approx(truth["economics"]["programme_cost"], rel=ROUNDING)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scenario": "nul"}, "there is no scenario 'nul'"),
        ({"sites": 3, "treated": 4}, "4 treated of 3 sites"),
        ({"launch_after": 44}, "do not fit into 45 months"),
        ({"first_month": "2021-13"}, "is not a month"),
        ({"size": 0.0}, "a size of 0.0"),
        ({"faults": 50.0}, "faults cannot be 50.0 times"),
        ({"size": 0.011, "seed": 7}, "too few of the admissions"),
    ],
)
def test_refusals_say_what_cannot_be_simulated(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises((InputError, UsageError), match=words):
        simulate_study(tmp_path / "study", **({"scenario": "effect"} | TINY | changes))
    assert not (tmp_path / "study").exists()


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me", encoding="utf-8")
    with pytest.raises(InputError, match="not empty"):
        simulate_study(tmp_path, **TINY)
    assert (tmp_path / "mine.txt").read_text("utf-8") == "keep me"


# Parts


def test_kept_apart_lets_nobody_in_before_the_day_after_a_discharge() -> None:
    person = np.array([1, 1, 1, 2, 1, 1])
    start = np.array([10, 12, 14, 12, 13, 40])
    end = np.array([12, 13, 20, 12, 30, 41])
    # The stay from 12 begins on a day of discharge; the one from 13 is the next that can; the one from 14 meets it.
    assert kept_apart(person, start, end).tolist() == [True, False, False, True, True, True]
    nobody = np.zeros(0, dtype=np.int64)
    assert kept_apart(nobody, nobody, nobody).tolist() == []


def test_entry_rule_looks_at_the_twelve_months_before_and_never_at_the_month_itself() -> None:
    counts = np.zeros((1, 30), dtype=np.int64)
    counts[0, [2, 5, 8]] = [1, 2, 1]
    met = months_meeting_rule(counts, np.ones((1, 30), dtype=bool))
    assert np.flatnonzero(met[0]).tolist() == [12, 13, 14]
    alive = np.ones((1, 30), dtype=bool)
    alive[0, 13:] = False
    assert np.flatnonzero(months_meeting_rule(counts, alive)[0]).tolist() == [12]


def test_calendar_knows_leap_years_and_months() -> None:
    calendar = Calendar.of("2023-12", 4)
    assert calendar.days.tolist() == [31, 31, 29, 31]
    assert calendar.month_of(np.array([0, 30, 31, 90, 91])).tolist() == [0, 0, 1, 2, 3]
    assert calendar.date(calendar.end - 1) == "2024-03-31"
    assert financial_year(np.array([0, 121, 122]), calendar).tolist() == [2023, 2023, 2024]
    assert [year_label(y) for y in (2021, 2099)] == ["2122", "9900"]


def test_tokens_are_distinct_and_marked_as_artificial() -> None:
    names = tokens(np.arange(20_000), 1).to_pylist()
    assert len(set(names)) == 20_000
    assert all(n.startswith("TEST") and len(n) == 32 for n in names)
    assert names != tokens(np.arange(20_000), 2).to_pylist()
    assert len(np.unique(mixed(np.arange(20_000), 1, 3))) == 20_000


def test_illness_averages_to_one_over_its_states() -> None:
    for illness in (Illness(), SCENARIOS["regression_to_mean"].illness):
        settled = illness.settled_factor
        assert (
            1 - illness.in_relapse
        ) * settled + illness.in_relapse * illness.relapse_ratio * settled == pytest.approx(1.0)


def test_site_shocks_have_the_stated_spread_and_memory() -> None:
    # 200 series of 60 months: standard errors are about 0.0006 (spread) and 0.01 (lag-1, which is biased down by 1/60 x 2).
    series = np.log([monthly_shocks(np.random.default_rng(i), 60)[0] for i in range(200)])
    assert series.std() == pytest.approx(0.06, abs=0.003)
    assert np.mean([np.corrcoef(s[1:], s[:-1])[0, 1] for s in series]) == pytest.approx(0.5 - 2 / 60, abs=0.05)


def test_only_alcohol_codes_are_alcohol_specific() -> None:
    assert all(code.startswith(SPECIFIC) for code in ALCOHOL_CODES)
    others = [c for c in CODES if c not in ALCOHOL_CODES and "." not in c]
    assert not [c for c in others if c.startswith(SPECIFIC)]
    assert len(OTHER_CODES) >= 21


def test_prices_by_nights_and_cost_of_a_team_by_hand() -> None:
    assert leg_price(np.array([0, 1, 2, 10, 12])).tolist() == [640.0, 640.0, 3150.0, 3150.0, 3870.0]
    rows = {row[0]: row for row in programme_rows(100)}
    assert rows["places"][2] == "100"
    # 100 places: 4.5 and 1.4 and 0.1 and 0.5 whole-time equivalents, non-pay 26,000, overheads 15 %, 30,000 over 5 years.
    pay = 1.26 * (4.5 * 33_500 + 1.4 * 43_000 + 0.1 * 118_000 + 0.5 * 25_500)
    assert programme_cost(100) == pytest.approx(((pay + 26_000) * 1.15 + 6_000) / (100 * OCCUPANCY))


def test_site_counts_are_those_of_the_world_lived() -> None:
    study = draw_study(scenario="effect", **TINY)
    assert len(lived(study.stays, study.effect)) == len(study.stays) - len(study.effect.removed)
    assert set(study.stays.kind[study.effect.removed]) == {ALCOHOL}


def test_year_files_open_only_the_years_that_have_rows(tmp_path: Path) -> None:
    with YearFiles(tmp_path, "apc") as files:
        assert files.rows == 0
    assert list(tmp_path.iterdir()) == []


def test_without_a_service_anywhere_there_is_a_study_and_no_caseload(tmp_path: Path) -> None:
    truth = simulate_study(tmp_path / "study", scenario="effect", **(TINY | {"treated": 0}))
    assert truth["go_live"] == {}
    assert truth["site_rate_ratio"]["expected"] is None
    assert truth["referred"] is None
    assert (tmp_path / "study" / "caseload.csv").read_text("utf-8") == "person,site,referred,started,ended,reason\n"
