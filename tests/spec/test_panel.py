"""From stays to the panel: months, sites, people, person-time, prices; and the refusals on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaot_eval.engine import open_engine
from aaot_eval.errors import InputError
from aaot_eval.ingest import read_tables
from aaot_eval.panel import build_panel, price_stays
from tests.drawn import csv_text, episodes, panel_of, study, two_years

SITES = "site,go_live,population,beds\nRX1,2022-03-01,100000,300\nRX2,,200000,\n"
# Somebody at each site on the first and the last day, so that four months are whole and no site-month is empty.
FILL = """
f11 RX1 2022-01-01 2022-01-01 21 R074
f12 RX1 2022-02-01 2022-02-01 21 R074
f13 RX1 2022-03-01 2022-03-01 21 R074
f14 RX1 2022-04-30 2022-04-30 21 R074
f21 RX2 2022-01-01 2022-01-01 21 R074
f22 RX2 2022-02-01 2022-02-01 21 R074
f23 RX2 2022-03-01 2022-03-01 21 R074
f24 RX2 2022-04-30 2022-04-30 21 R074
"""
COLUMNS = "person provider admitted end method diag\n"
DRAWN = """
A RX1 2022-01-10 2022-01-12 21 F102
A RX1 2022-01-20 2022-01-20 21 F102
A RX1 2022-03-31 2022-04-03 21 K703
B RX1 2022-01-15 2022-01-16 11 F102
C RX2 2022-02-10 2022-02-10 22 K703
C RX1 2022-04-10 2022-04-14 2A R074
D RX2 2022-04-11 2022-04-12 21 F100
"""


def apc(drawn: str = DRAWN, fill: str = FILL) -> str:
    return csv_text(episodes(COLUMNS + drawn + fill))


def refusal(config) -> str:
    with pytest.raises(InputError) as caught:
        panel_of(config)
    return str(caught.value)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    files = {
        "admissions.csv": apc(DRAWN + "H RX1 2022-02-03 2022-02-05 21 F102\nH RX1 2022-03-03 2022-03-05 21 F102\n"),
        "sites.csv": SITES,
        "caseload.csv": "person,site,referred,ended,reason\nA,RX1,2022-03-05,2022-04-20,moved\nC,RX1,2022-03-20,,\nN,RX1,2022-04-01,,\nA,RX1,2022-04-25,,\nL,RX1,2022-06-01,,\n",
        "deaths.csv": "person,death_date\nA,2022-04-28\nH,2022-02-20\nD,2022-07-01\n",
        "attendances.csv": "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,ATTENDANCE_CATEGORY,DEPARTMENT_TYPE,PROVIDER_CODE\n"
        "A,e1,2022-01-10,1,01,RX1\nA,e2,2022-01-20,1,01,RX1\nB,e3,2022-01-20,2,01,RX1\n,e4,2022-01-21,3,01,RX1\nC,e5,2022-02-10,1,01,RX2\n",
    }
    return panel_of(study(tmp_path_factory.mktemp("made"), files))


def test_counts_by_site_and_month_of_admission_with_the_people_behind_them(made):
    _, panel = made
    assert list(panel.periods["label"]) == ["2022-01", "2022-02", "2022-03", "2022-04"]
    assert panel.matrix("alcohol_specific_emergency").tolist() == [[2, 1, 2, 0], [0, 1, 0, 1]]
    assert panel.matrix("alcohol_specific_emergency_persons").tolist() == [[1, 1, 2, 0], [0, 1, 0, 1]]
    assert panel.matrix("emergency").tolist() == [[3, 2, 3, 2], [1, 2, 1, 2]]
    assert panel.matrix("non_alcohol_emergency").tolist() == [[1, 1, 1, 2], [1, 1, 1, 1]]
    assert panel.matrix("bed_days").tolist() == [[3, 2, 5, 4], [0, 0, 0, 1]]


def test_exposure_is_population_times_days(made):
    _, panel = made
    assert panel.matrix("exposure") == pytest.approx(np.outer([100_000, 200_000], [31, 28, 31, 30]) / 365.25)


def test_treated_from_the_month_of_go_live(made):
    _, panel = made
    assert panel.units["start_t"].tolist() == [2, pd.NA]
    assert panel.matrix("treated").tolist() == [[False, False, True, True], [False] * 4]


def test_planned_attendances_do_not_count_and_one_without_a_key_is_one_more_person(made):
    _, panel = made
    assert panel.matrix("ed_attendances")[0, 0] == 3
    assert panel.matrix("ed_attendances_persons")[0, 0] == 2
    assert np.isnan(panel.matrix("ed_attendances")[0, 1])


def test_people_are_those_with_an_alcohol_specific_emergency_and_the_caseload(made):
    # A, C, D, H have one; N is on the caseload without any record, L is referred after the window; B's was planned.
    tables, panel = made
    assert panel.people["unit"].tolist() == ["RX1", "RX2", "RX2", "RX1", "RX1", "RX1"]
    assert panel.people["referral_t"].tolist() == [2, 2, pd.NA, pd.NA, pd.NA, 3]
    assert panel.people["ended_t"].tolist() == [3, pd.NA, pd.NA, pd.NA, pd.NA, pd.NA]
    assert [f.records for f in tables.findings if f.code == "D307"] == [2]
    assert panel.extra["caseload"] == {"referred": 4, "in_window": 3, "home_elsewhere": 1}
    flow = [(s.step, s.kept, s.lost) for s in tables.flow if s.table == "caseload"]
    assert flow == [("referrals read", 5, 0), ("first referrals", 4, 1), ("referred in the window", 3, 1)]


def test_a_death_with_activity_after_it_is_not_used(made):
    tables, panel = made
    assert panel.people["death_t"].tolist() == [3, pd.NA, pd.NA, pd.NA, pd.NA, pd.NA]
    assert [(f.records, f.people) for f in tables.findings if f.code == "D305"] == [(1, 1)]


def test_people_are_counted_wherever_they_were_admitted(made):
    _, panel = made
    assert panel.person_matrix("alcohol_specific_emergency").tolist() == [
        [2, 0, 1, 0],
        [0, 1, 0, 0],
        [0, 0, 0, 1],
        [0, 1, 1, 0],
        [0] * 4,
        [0] * 4,
    ]
    assert panel.person_matrix("emergency")[1].tolist() == [0, 1, 0, 1]
    assert panel.person_matrix("bed_days")[0].tolist() == [2, 0, 3, 0]
    assert panel.person_matrix("ed_attendances")[0].tolist() == [2, 0, 0, 0]
    assert panel.person_cells.dtypes["bed_days"] == np.int16


def test_a_death_in_hospital_is_known_without_a_deaths_table(tmp_path):
    drawn = """
    person provider admitted   end        how to diag
    A      RX1      2022-01-01 2022-02-10 4   79 F102
    B      RX1      2022-01-05 2022-01-06 1   79 F102
    C      RX1      2022-01-01 2022-01-01 1   19 F102
    C      RX1      2022-03-31 2022-03-31 1   19 F102
    """
    _, panel = panel_of(study(tmp_path, {"admissions.csv": csv_text(episodes(drawn))}))
    assert panel.people["death_t"].tolist() == [1, 0, pd.NA]


def test_a_wrong_link_does_not_hide_a_death_in_hospital(tmp_path):
    """A is linked to the death of another and died in hospital later; B is linked rightly; C was seen after both dates."""
    drawn = """
    person provider admitted   end        how to diag
    A      RX1      2022-01-01 2022-01-02 1   19 F102
    A      RX1      2022-03-05 2022-03-06 4   79 F102
    B      RX1      2022-02-01 2022-02-10 4   79 F102
    C      RX1      2022-01-01 2022-01-02 4   79 F102
    C      RX1      2022-03-31 2022-03-31 1   19 F102
    """
    deaths = "person,death_date\nA,2022-01-20\nB,2022-02-10\nC,2022-02-01\n"
    files = {"admissions.csv": csv_text(episodes(drawn)), "deaths.csv": deaths}
    tables, panel = panel_of(study(tmp_path, files))
    assert panel.people["death_t"].tolist() == [2, 1, pd.NA]
    assert [(f.records, f.people) for f in tables.findings if f.code == "D305"] == [(2, 2)]


def test_the_home_hospital_has_most_admissions_of_the_first_twelve_months(tmp_path):
    drawn = """
    person    provider admitted
    most      RX1      2022-01-01
    most      RX2      2022-02-01
    most      RX2      2022-03-01
    tie       RX2      2022-02-02
    tie       RX1      2022-03-02
    later     RX1      2022-05-01
    later     RX2      2023-02-01
    later     RX2      2023-03-01
    second_yr RX2      2023-02-05
    second_yr RX1      2023-03-05
    second_yr RX1      2023-03-31
    """
    rows = [dict(r, DIAG_01="F102") for r in episodes(drawn)]
    _, panel = panel_of(study(tmp_path, {"admissions.csv": csv_text(rows)}))
    assert dict(zip(["later", "most", "second_yr", "tie"], panel.people["unit"], strict=True)) == {
        "most": "RX2", "tie": "RX2", "later": "RX1", "second_yr": "RX2",
    }  # fmt: skip


def test_a_site_month_without_a_record_is_missing_never_zero(tmp_path):
    fill = "\n".join(line for line in FILL.splitlines() if "f22" not in line)
    drawn = "\n".join(line for line in DRAWN.splitlines() if not line.startswith("C RX2"))
    tables, panel = panel_of(study(tmp_path, {"admissions.csv": apc(drawn, fill), "sites.csv": SITES}))
    assert panel.matrix("missing").tolist() == [[False] * 4, [False, True, False, False]]
    assert np.isnan(panel.matrix("emergency")[1, 1])
    assert panel.matrix("alcohol_specific_emergency")[1, 0] == 0
    assert [(f.where, f.detail) for f in panel.findings if f.code == "D310"] == [("RX2", "2022-02")]
    assert tables.first_month == pd.Period("2022-01", "M")


def test_months_in_which_nobody_attends_are_said_by_site_and_are_missing(made):
    _, panel = made
    assert panel.matrix("ed_attendances")[:, [2, 3]].tolist() == pytest.approx(np.full((2, 2), np.nan), nan_ok=True)
    assert [(f.where, f.detail) for f in panel.findings if f.code == "D374"] == [
        ("RX1", "2022-02 to 2022-04"),
        ("RX2", "2022-01, 2022-03 to 2022-04"),
    ]


def test_attendances_of_another_hospital_leave_every_month_without(tmp_path):
    files = {
        "admissions.csv": apc(),
        "sites.csv": SITES,
        "attendances.csv": "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,PROVIDER_CODE\nA,e1,2022-01-10,RQ9\n",
    }
    _, panel = panel_of(study(tmp_path, files))
    assert [(f.where, f.detail) for f in panel.findings if f.code == "D374"] == [("RX1, RX2", "2022-01 to 2022-04")]
    _, panel = panel_of(study(tmp_path / "none", {k: v for k, v in files.items() if k != "attendances.csv"}))
    assert "D374" not in {f.code for f in panel.findings}


@pytest.mark.parametrize(
    ("last", "complete_to", "expected"),
    [("2022-04-30", None, "2022-04"), ("2022-04-28", None, "2022-04"), ("2022-04-27", None, "2022-03"), ("2022-04-05", "2022-04-30", "2022-04"), ("2022-04-30", "2022-04-15", "2022-03")],
)  # fmt: skip
def test_the_last_complete_month(tmp_path, last, complete_to, expected):
    drawn = f"person admitted end\nA 2022-01-01 2022-01-01\nA 2022-02-01 2022-06-15\nA 2022-03-31 2022-03-31\nA {last} {last}"
    tables, _ = panel_of(
        study(
            tmp_path,
            {"admissions.csv": csv_text(episodes(drawn))},
            data={"complete_to": complete_to} if complete_to else {},
        )
    )
    assert str(tables.last_month) == expected
    assert [f.code for f in tables.findings if f.code == "D309"] == ([] if expected == "2022-04" else ["D309"])


def test_a_wrong_year_does_not_stretch_the_window(tmp_path):
    wrong = "W RX1 2031-05-01 2031-05-02 21 R074\nV RX1 1955-05-01 1955-05-02 21 R074\nU RX1 2029-02-01 2022-02-02 21 R074\n"
    tables, _ = panel_of(study(tmp_path, {"admissions.csv": apc(wrong + DRAWN.strip()), "sites.csv": SITES}))
    assert (str(tables.first_month), str(tables.last_month)) == ("2022-01", "2022-04")
    assert [(s.step, s.lost) for s in tables.flow if s.table == "stays" and s.lost] == [("admitted in the window", 3)]


def test_the_window_of_the_study_cuts_the_data(tmp_path):
    config = study(
        tmp_path,
        {"admissions.csv": apc(), "sites.csv": SITES},
        study={"first_period": "2022-02", "last_period": "2022-03"},
    )
    _, panel = panel_of(config)
    assert list(panel.periods["label"]) == ["2022-02", "2022-03"]
    assert panel.units["start_t"].tolist() == [1, pd.NA]
    assert panel.matrix("alcohol_specific_emergency").tolist() == [[0, 1], [1, 0]]


def test_without_a_sites_table_hospitals_start_with_their_first_referral(tmp_path):
    files = {"admissions.csv": apc(), "caseload.csv": "person,site,referred\nA,RX1,2022-03-05\n"}
    _, panel = panel_of(study(tmp_path, files))
    assert list(panel.units.index) == ["RX1", "RX2"]
    assert panel.units["start_t"].tolist() == [2, pd.NA]
    assert panel.matrix("exposure")[0, 0] == pytest.approx(31 / 365.25)


def test_stays_elsewhere_count_for_people_and_not_for_sites(tmp_path):
    files = {"admissions.csv": apc(), "sites.csv": "site,go_live\nRX1,2022-03\n"}
    tables, panel = panel_of(study(tmp_path, files))
    assert list(panel.units.index) == ["RX1"]
    assert [(f.where, f.records) for f in tables.findings if f.code == "D311"] == [("RX2", 6)]
    # C was first admitted at RX2, which is no unit here, and later at RX1; D never was at a unit.
    assert panel.people["unit"].tolist() == ["RX1", "RX1"]
    assert panel.person_matrix("alcohol_specific_emergency")[1].tolist() == [0, 1, 0, 0]
    assert panel.extra["people"] == {"alcohol_or_caseload": 3, "at_units": 2, "elsewhere": 1}
    flow = [(f.step, f.kept, f.lost, f.kept_people, f.lost_people) for f in tables.flow if f.table == "stays"]
    assert flow == [("continuous stays", 15, 0, 12, 0), ("at a site of the study", 9, 6, 7, 6)]


# Refusals ----------------------------------------------------------------------------------------------------------------

REFUSALS = {
    "unknown site in the caseload": (
        {"caseload.csv": "person,site,referred\nA,RX9,2022-03-05\nC,R,2022-03-05\nD,RX1,2022-03-05\n"}, {},
        ["D322", "the caseload names unknown sites: R, RX9", "RX1, RX2"]),
    "caseload that matches nobody": (
        {"caseload.csv": "person,site,referred\nX1,RX1,2022-03-05\nX2,RX1,2022-03-05\n"}, {},
        ["D308", "no person of the caseload is in the admissions", "data.person_key"]),
    "referral before the data": (
        {"caseload.csv": "person,site,referred\nA,RX1,2021-03-05\n"}, {}, ["D320", "referrals before the first month", "2022-01 onwards"]),
    "nobody referred inside the data": (
        {"caseload.csv": "person,site,referred\nA,RX1,2022-05-05\nC,RX1,2023-03-05\n"}, {},
        ["D320", "nobody of the caseload was referred inside the months of the data", "2022-01 to 2022-04"]),
    "site without an admission": (
        {"sites.csv": "site,go_live\nRX1,2022-03-01\nRX8,\n"}, {}, ["D321", "no admission at the sites RX8", "did you mean RX2, RX1?"]),
    "site twice": ({"sites.csv": "site,go_live\nRX1,2022-03-01\nRX1,\n"}, {}, ["D321", "the site RX1 stands twice"]),
    "service stopped before it began": ({"sites.csv": "site,go_live,stopped\nRX1,2022-03-01,2022-02\nRX2,,\n"}, {}, ["D321", "the service of RX1 stopped before it began"]),
    "service stopped that never began": ({"sites.csv": "site,go_live,stopped\nRX1,2022-03-01,2022-03\nRX2,,2022-03-01\n"}, {}, ["D321", "the service of RX2 stopped before it began, or never began"]),
    "population of one site missing": ({"sites.csv": "site,go_live,population\nRX1,2022-03-01,5\nRX2,,\n"}, {}, ["no population for RX2"]),
    "go-live before the data": ({"sites.csv": "site,go_live\nRX1,2021-03-01\nRX2,\n"}, {}, ["D320", "the service at RX1 starts in 2021-03, before there is anything to compare with", "2022-02 to 2022-04"]),
    "no start inside the data": ({"sites.csv": "site,go_live\nRX1,2022-06-01\nRX2,\n"}, {}, ["D320", "no service starts inside the data"]),
    "go-live years after the data": ({"sites.csv": "site,go_live\nRX1,2022-03-01\nRX2,2202-03-01\n"}, {}, ["D320", "cannot be read"]),
    "start of an unknown site": ({"sites.csv": SITES}, {"starts": {"RX7": "2022-03"}}, ["D322", "study.starts names the unknown site 'RX7'"]),
    "window outside the data": ({"sites.csv": SITES}, {"last_period": "2023-01"}, ["D320", "study.last_period 2023-01 lies outside the data", "2022-01 to 2022-04"]),
    "unknown outcome": ({"sites.csv": SITES}, {"outcome": "ed_attendances"}, ["C106", "there is no outcome 'ed_attendances'", "add data.attendances", "where: study.outcome"]),
    "unknown secondary": ({"sites.csv": SITES}, {"also": ["alcohol_wide"]}, ["C106", "there is no outcome 'alcohol_wide'", "where: study.also", "alcohol_broad"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_name_the_place_and_the_way_out(tmp_path, case):
    files, asked, words = REFUSALS[case]
    message = refusal(study(tmp_path, {"admissions.csv": apc(), "sites.csv": SITES, **files}, study=asked))
    for word in words if case != "go-live years after the data" else ["go_live cannot be read as a date"]:
        assert word in message


def test_contradictions_of_caseload_and_deaths_are_counted(tmp_path):
    files = {
        "admissions.csv": apc(),
        "sites.csv": SITES,
        "caseload.csv": "person,site,referred,started,ended\nA,RX1,2022-02-05,,\nB,RX1,2022-03-05,2022-03-01,\n"
        "C,RX2,2022-03-05,,2022-03-04\nD,RX1,2022-03-02,2022-03-05,2022-03-04\nD,RX1,2022-04-02,2022-04-02,2022-04-02\n",
        "deaths.csv": "person,death_date\nA,2023-05-01\nB,2023-04-30\nC,1899-12-29\n",
    }
    tables, _ = panel_of(study(tmp_path, files))
    found = {f.code: (f.where, f.records, f.people) for f in tables.findings if f.code.startswith("D34")}
    assert found == {
        "D340": ("caseload", 1, 1),
        "D341": ("caseload", 1, 1),
        "D342": ("caseload", 3, 3),
        "D343": ("caseload", 2, 1),
        "D344": ("deaths", 2, 2),
    }


@pytest.mark.parametrize(
    ("populations", "found"),
    [
        ((50_000, 60_000, 40_000), []),
        ((50_000, 60_000, 4_000_000), [("RX3", "fewer")]),
        ((50_000, 60_000, 40), [("RX3", "more")]),
        ((5, 6, 4), [("RX1, RX2, RX3", "more")]),
    ],
)
def test_a_population_with_a_slip_of_the_pen_is_named_by_its_site(tmp_path, populations, found):
    parts = [csv_text(episodes(two_years(f"RX{i}"))) for i in (1, 2, 3)]
    files = {
        "admissions.csv": parts[0] + "".join(part.split("\n", 1)[1] for part in parts[1:]),
        "sites.csv": "site,go_live,population\n" + "".join(f"RX{i},,{n}\n" for i, n in enumerate(populations, 1)),
    }
    _, panel = panel_of(study(tmp_path, files))
    assert [(f.where, f.detail) for f in panel.findings if f.code == "D417"] == found


def test_complete_to_after_the_data_is_refused(tmp_path):
    message = refusal(study(tmp_path, {"admissions.csv": apc()}, data={"complete_to": "2022-12-31"}))
    assert "complete_to is 2022-12-31, but the last admission is in 2022-04" in message


# Prices ------------------------------------------------------------------------------------------------------------------

PRICES = pd.DataFrame(
    {
        "item": [
            "emergency_short_stay",
            "emergency_long_stay",
            "emergency_excess_day",
            "elective_stay",
            "day_case",
            "ed_attendance",
        ],
        "value": [600.0, 3000.0, 100.0, 4000.0, 900.0, 200.0],
    }
)
PRICED = """
person admitted   end        method class diag
short  2022-01-01 2022-01-02 21     1     F102
long   2022-01-01 2022-01-03 21     1     F102
ten    2022-01-01 2022-01-11 21     1     F102
twelve 2022-01-01 2022-01-13 21     1     F102
daycs  2022-01-01 2022-01-01 11     2     R074
daycs  2022-01-31 2022-01-31 21     2     F102
electv 2022-01-01 2022-01-31 11     1     R074
electv 2022-01-31 2022-01-31 21     1     F102
"""


def priced(home: Path, prices: pd.DataFrame, files: dict[str, str] | None = None):
    config = study(home, {"admissions.csv": csv_text(episodes(PRICED)), **(files or {})})
    engine = open_engine("duckdb", home / "work")
    try:
        tables = price_stays(read_tables(config, engine), prices)
        return build_panel(tables, config)
    finally:
        engine.close()


def test_every_stay_has_the_price_of_its_kind(tmp_path):
    attendances = "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,PROVIDER_CODE\nshort,e1,2022-01-09,RX1\n"
    panel = priced(tmp_path, PRICES, {"attendances.csv": attendances})
    names = ["daycs", "electv", "long", "short", "ten", "twelve"]
    assert dict(zip(names, panel.person_matrix("hospital_cost")[:, 0], strict=True)) == {
        "short": 600 + 200, "long": 3000, "ten": 3000, "twelve": 3000 + 2 * 100, "daycs": 900 + 600, "electv": 4000 + 600,
    }  # fmt: skip
    assert panel.matrix("alcohol_specific_emergency_cost")[0, 0] == 600 * 3 + 3000 * 3 + 200
    assert [o.kind for o in panel.outcomes if o.name.endswith("cost")] == ["cost", "cost"]


def test_a_stay_without_a_price_stops_and_never_costs_nothing(tmp_path):
    with pytest.raises(InputError, match="there is no price for: day_case, elective_stay") as caught:
        priced(tmp_path, PRICES[~PRICES["item"].isin(["day_case", "elective_stay", "emergency_excess_day"])])
    assert "never costs 0" in str(caught.value)


def test_attendances_without_a_price_stop(tmp_path):
    attendances = "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,PROVIDER_CODE\nshort,e1,2022-01-09,RX1\n"
    with pytest.raises(InputError, match="there is no price for: ed_attendance"):
        priced(tmp_path, PRICES[PRICES["item"] != "ed_attendance"], {"attendances.csv": attendances})
    blank = PRICES.assign(value=PRICES["value"].where(PRICES["item"] != "ed_attendance"))
    with pytest.raises(InputError, match="there is no price for: ed_attendance"):
        priced(tmp_path, blank, {"attendances.csv": attendances})
