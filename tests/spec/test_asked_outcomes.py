"""Outcomes on request, drawn: fractions, readmissions, length of stay, deaths, same-day care; and flags of people."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from aaot_eval.errors import InputError
from aaot_eval.estimators import build_estimator
from aaot_eval.ingest.coding import co_occurring_patterns, fraction_table
from aaot_eval.results import Analysis
from tests.drawn import csv_text, episodes, panel_of, study

# Somebody on the first and the last days, so that four months are whole and no site-month is empty.
FILL = "\n".join(
    f"f{m} RX1 2022-{m:02d}-{d} 2022-{m:02d}-{d} 11 R074 1 50 1"
    for m, d in ((1, "01"), (2, "01"), (3, "01"), (4, "30"))
)
COLUMNS = "person provider admitted end method diag sex age order\n"


def panel_with(
    home: Path,
    drawn: str,
    also: list[str],
    files: dict[str, str] | None = None,
    columns: str = COLUMNS,
    fill: str = FILL,
    **parts,
):
    files = {
        "admissions.csv": csv_text(episodes(columns + drawn + "\n" + fill)),
        "sites.csv": "site,go_live\nRX1,2022-03-01\n",
        **(files or {}),
    }
    return panel_of(study(home, files, study={"also": also}, **parts))


def by_month(panel, name: str) -> list[float]:
    return [None if pd.isna(v) else round(float(v), 6) for v in panel.cells[name]]


# Attributable fractions -----------------------------------------------------------------------------------------------

# Fractions of men aged 45 to 54 in 2020: rectum 0.14, gullet 0.54, falls 0.08, coronary below 0.
FRACTIONS = """
A RX1 2022-01-10 2022-01-12 21 C20+C15           1 50 1
B RX1 2022-02-10 2022-02-12 11 R074+W10+C15      1 50 1
C RX1 2022-03-10 2022-03-12 11 C20+X45           1 50 1
D RX1 2022-04-10 2022-04-12 11 I21+R074          1 50 1
E RX1 2022-04-11 2022-04-12 11 F10.2             1 15 1
G RX1 2022-04-11 2022-04-12 11 C15               9 50 1
H RX1 2022-04-11 2022-04-12 11 C15               1 15 1
"""
MEASURES = ["alcohol_broad", "alcohol_narrow", "alcohol_narrow_main"]


def test_the_three_measures_by_hand(tmp_path):
    men = fraction_table().query("sex == '1' and age_from == 45").set_index("condition")["fraction"]
    assert men[["rectum_cancer", "gullet_cancer", "falls"]].tolist() == [0.14, 0.54, 0.08]
    assert "coronary" not in men, "protection is no fraction"
    _, panel = panel_with(tmp_path, FRACTIONS, MEASURES)
    # A: broad takes the gullet, narrow the main diagnosis. B: only a fall in narrow. C: poisoning by alcohol wins over the rectum,
    # unless the main diagnosis goes first. D: protective. E: wholly attributable at 15. G: sex unknown. H: too young.
    assert by_month(panel, "alcohol_broad") == [0.54, 0.54, 1.0, 1.0]
    assert by_month(panel, "alcohol_narrow") == [0.14, 0.08, 1.0, 1.0]
    assert by_month(panel, "alcohol_narrow_main") == [0.14, 0.08, 0.14, 1.0]
    assert panel.cells["alcohol_broad_persons"].tolist() == [1, 1, 1, 1]
    assert not set(MEASURES) & set(panel.person_cells.columns), "never for people"


def test_among_equal_fractions_the_earlier_position_is_taken(tmp_path):
    from tests.drawn import read, rows_of

    files = {
        "admissions.csv": csv_text(episodes(COLUMNS + "A RX1 2022-01-10 2022-01-12 21 R074+C20+C18 1 50 1\n" + FILL))
    }
    with read(study(tmp_path, files, study={"also": ["alcohol_broad"]})) as tables:
        assert rows_of(tables, "SELECT broad, broad_position FROM attributable_episodes") == [(0.14, 2)]


LAPE = """
A RX1 2022-01-31 2022-02-02 21 C15 1 50 1
A RX1 2022-01-31 2022-03-02 21 C15 1 50 2
B RX1 2022-02-10 2022-02-12 21 C15 1 50 1
"""


def test_lape_counts_first_episodes_in_the_month_they_end_and_the_default_stays_by_admission(tmp_path):
    _, stays = panel_with(tmp_path / "a", LAPE, ["alcohol_broad"])
    assert by_month(stays, "alcohol_broad") == [0.54, 0.54, 0, 0]
    _, lape = panel_with(tmp_path / "b", LAPE, ["alcohol_broad"], counting={"fractions": "lape"})
    assert by_month(lape, "alcohol_broad") == [0, 1.08, 0, 0]


def test_sums_of_fractions_have_no_lower_limit_of_dispersion():
    from aaot_eval.estimators._its_model import Series

    used = np.array([True, True])
    for values, floor in (([0.54, 1.5], 0.0), ([1.0, 2.0], 1.0)):
        assert Series.floor.fget(SimpleNamespace(y=np.array(values), used=used, kind="count")) == floor


def test_the_shipped_fractions_are_the_published_ones(shared):
    facts = pd.read_csv(shared / "facts" / "nhs" / "alcohol_icd10.csv", dtype=str)
    facts = facts[
        (facts["aaf_version"] == "2020")
        & facts["category"].str.startswith("partial")
        & (facts["outcome"] != "mortality")
    ]
    ours = pd.read_csv(
        Path(__file__).parents[2] / "data_schemas" / "codelists" / "attributable_fractions_2020.csv", dtype=str
    )
    columns = [c for c in facts.columns if c.startswith("aaf_") and c != "aaf_version"]
    assert facts[columns].fillna("").to_numpy().tolist() == ours.iloc[:, 5:].fillna("").to_numpy().tolist()
    assert facts["sex"].map({"male": "1", "female": "2"}).tolist() == ours["sex"].tolist()


# Readmission ----------------------------------------------------------------------------------------------------------

READMITTED = """
A RX1 2022-01-05 2022-01-10 21 R074 1 50 1
A RX1 2022-02-08 2022-02-09 21 R074 1 50 1
A RX1 2022-03-11 2022-03-12 21 R074 1 50 1
B RX1 2022-02-01 2022-02-03 11 R074 1 50 1
B RX1 2022-02-03 2022-02-05 21 R074 1 50 1
B RX1 2022-02-10 2022-02-12 11 R074 1 50 1
C RX1 2022-02-01 2022-02-03 21 R074 1 50 1
C RX1 2022-02-13 2022-02-14 21 R074+C15 1 50 1
D RX1 2022-02-01 2022-02-03 21 R074 2 50 1
D RX1 2022-02-13 2022-02-14 21 O800 2 50 1
G RX1 2022-04-20 2022-04-22 21 R074 1 50 1
"""


def test_a_readmission_is_an_emergency_0_to_29_days_after_the_last_discharge(tmp_path):
    _, panel = panel_with(tmp_path, READMITTED, ["readmissions", "readmission_share"])
    # A: 29 days after the first discharge counts, 30 after the second does not. B: on the day itself; then planned. C: cancer. D: birth.
    assert by_month(panel, "readmissions") == [None, 2, 0, 0], "January has no whole look-back"
    # January: A, f1. February: A, B twice of three, C, D each twice, f2.
    assert by_month(panel, "readmission_share") == [0.5, round(1 / 9, 6), 0, None]
    assert panel.outcome("readmission_share").kind == "share"
    assert [f.detail for f in panel.findings if f.code == "D368"] == ["2022-01", "2022-04"]
    assert (
        panel.outcome("readmissions").title == "Emergency readmissions within 30 days (day 0 to 29 after the discharge)"
    )


def test_28_days_is_days_0_to_27(tmp_path):
    _, panel = panel_with(tmp_path, READMITTED, ["readmissions"], counting={"readmission_days": 28})
    assert by_month(panel, "readmissions") == [None, 1, 0, 0]


def test_day_cases_and_deaths_are_no_discharge_to_come_back_from(tmp_path):
    drawn = """
    A RX1 2022-02-01 2022-02-01 11 2 1
    A RX1 2022-02-10 2022-02-11 21 1 1
    B RX1 2022-02-01 2022-02-03 21 1 4
    B RX1 2022-02-10 2022-02-11 21 1 1
    """
    fill = "\n".join(
        f"f{m} RX1 2022-{m:02d}-{d} 2022-{m:02d}-{d} 11 1 1" for m, d in ((1, "01"), (2, "01"), (3, "01"), (4, "30"))
    )
    _, panel = panel_with(
        tmp_path, drawn, ["readmissions"], columns="person provider admitted end method class how\n", fill=fill
    )
    assert by_month(panel, "readmissions") == [None, 0, 0, 0]


# Other outcomes -------------------------------------------------------------------------------------------------------


def test_length_of_stay_alcohol_of_any_kind_and_deaths(tmp_path):
    drawn = """
    A RX1 2022-01-05 2022-01-09 21 F102 1 50 1
    B RX1 2022-01-05 2022-01-07 21 R074 1 50 1
    C RX1 2022-02-05 2022-02-07 11 K703 1 50 1
    """
    files = {"deaths.csv": "person,death_date\nA,2022-03-02\n"}
    _, panel = panel_with(tmp_path, drawn, ["length_of_stay", "alcohol_specific", "deaths"], files)
    assert by_month(panel, "length_of_stay") == [3, None, None, None]
    assert by_month(panel, "alcohol_specific") == [1, 1, 0, 0]
    assert by_month(panel, "deaths") == [0, 0, 1, 0]
    assert panel.person_matrix("deaths").sum() == 1
    assert panel.person_matrix("alcohol_specific").sum() == 1, "C is not of the panel: no emergency"


def test_by_discharge_a_stay_belongs_to_the_month_it_ends(tmp_path):
    drawn = "A RX1 2022-01-30 2022-02-02 21 F102 1 50 1"
    for date_by, wanted in (("admission", [1, 0, 0, 0]), ("discharge", [0, 1, 0, 0])):
        _, panel = panel_with(tmp_path / date_by, drawn, [], counting={"date_by": date_by})
        assert by_month(panel, "alcohol_specific_emergency") == wanted


def test_an_unknown_outcome_names_those_on_request(tmp_path):
    with pytest.raises(InputError, match="readmission_share"):
        panel_with(tmp_path, "A RX1 2022-01-30 2022-02-02 21 F102 1 50 1", ["readmission"])
    with pytest.raises(InputError, match=r"add data\.attendances"):
        panel_with(tmp_path, "A RX1 2022-01-30 2022-02-02 21 F102 1 50 1", ["emergency_with_sdec"])


# Same-day emergency care ----------------------------------------------------------------------------------------------

SAME_DAY = """
A RX1 2022-01-10 2022-01-10 21 F102 1 50 1
B RX1 2022-01-11 2022-01-13 21 F102 1 50 1
C RX1 2022-03-10 2022-03-12 21 F102 1 50 1
D RX1 2022-03-11 2022-03-11 21 R074 1 50 1
"""
VISITS = """TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,ATTENDANCE_CATEGORY,DEPARTMENT_TYPE,PROVIDER_CODE
E,e1,2022-02-28,1,05,RX1
E,e2,2022-03-01,1,05,RX1
,e3,2022-03-02,1,05,RX1
D,e4,2022-03-11,1,05,RX1
E,e5,2022-03-12,1,01,RX1
E,e6,2022-03-13,1,05,RX1
"""


def test_the_move_of_same_day_care_brings_its_own_outcomes_and_a_warning(tmp_path):
    files = {"sites.csv": "site,go_live,sdec_from\nRX1,2022-03-01,2022-03-01\n", "attendances.csv": VISITS}
    _, panel = panel_with(tmp_path, SAME_DAY, [], files)
    assert by_month(panel, "alcohol_specific_emergency") == [2, 0, 1, 0]
    assert by_month(panel, "alcohol_specific_emergency_overnight") == [1, 0, 1, 0]
    # March: C, D, and of type 05 e2, e3 (no key) and e6; e4 is D's own admission, e1 was before the move, e5 is another type.
    assert by_month(panel, "emergency_with_sdec") == [2, 0, 5, 0]
    assert panel.cells["emergency_with_sdec_persons"].tolist() == [2, 0, 4, 0]
    assert panel.extra["sensitivity_outcomes"] == ("alcohol_specific_emergency_overnight", "emergency_with_sdec")
    (said,) = [f for f in panel.findings if f.code == "D366"]
    assert "RX1 from 2022-03" in said.detail
    assert said.level == "warn"


def test_without_attendances_only_the_stays_of_a_night_are_shown_and_without_a_move_nothing(tmp_path):
    files = {"sites.csv": "site,go_live,sdec_from\nRX1,2022-03-01,2022-03\n"}
    _, panel = panel_with(tmp_path / "a", SAME_DAY, [], files)
    assert panel.extra["sensitivity_outcomes"] == ("alcohol_specific_emergency_overnight",)
    _, panel = panel_with(tmp_path / "b", SAME_DAY, [])
    assert panel.extra["sensitivity_outcomes"] == ()
    assert "alcohol_specific_emergency_overnight" not in panel.cells


# People ---------------------------------------------------------------------------------------------------------------


def test_the_ranges_of_co_occurring_codes():
    patterns = co_occurring_patterns()
    inside = {
        "smi": ["F200", "F29X", "F300", "F319", "F323", "F333"],
        "drug_use": ["F110", "F16", "F180", "F199", "T400", "T436"],
        "self_harm": ["X600", "X65", "X84"],
        "cancer": ["C15", "C979", "D371", "D48", "Z511"],
        "obstetric": ["O800"],
    }
    outside = {
        "smi": ["F19", "F320", "F32", "F330", "F34"],
        "drug_use": ["F10", "F17", "T436"[:3], "T510"],
        "self_harm": ["X59", "X85", "Y15"],
        "cancer": ["D10", "D36", "D49", "Z510"],
        "obstetric": ["P05"],
    }
    for name, codes in inside.items():
        assert [c for c in codes if not patterns[name].match(c)] == [], name
    for name, codes in outside.items():
        assert [c for c in codes if patterns[name].match(c)] == [], name


def test_flags_of_people_are_those_known_before_the_first_service(tmp_path):
    drawn = """
    A RX1 2022-01-05 2022-01-09 21 F102+F200 1 50 1
    B RX1 2022-01-05 2022-01-07 21 F102+X65 1 50 1
    C RX1 2022-03-05 2022-03-07 21 K703+F200 1 50 1
    D RX1 2022-02-05 2022-02-07 11 F192 1 50 1
    D RX1 2022-03-05 2022-03-07 21 F102 1 50 1
    """
    _, panel = panel_with(tmp_path, drawn, [])
    flags = panel.people[["smi", "drug_use", "self_harm"]].to_numpy().tolist()
    assert flags == [[True, False, False], [False, False, True], [False, False, False], [False, True, False]]


def test_an_outcome_on_request_can_be_estimated(tmp_path):
    lines = []
    for i, month in enumerate(pd.period_range("2019-01", "2021-12", freq="M")):
        for site in ("RX1", "RX2"):
            lines += [f"{site}{i}-{n} {site} {month}-01 {month}-0{2 + n % 3} 21 F102 1 50 1" for n in range(5)]
            lines.append(f"{site}{i}-e {site} {month.end_time.date()} {month.end_time.date()} 21 F102 1 50 1")
    _, panel = panel_with(
        tmp_path,
        "\n".join(lines),
        ["alcohol_broad", "length_of_stay"],
        {"sites.csv": "site,go_live\nRX1,2021-01-01\nRX2,\n"},
        fill="",
    )
    for outcome, scale in (("alcohol_broad", "rate_ratio"), ("length_of_stay", "difference")):
        analysis = Analysis("its", "series", "its", outcome)
        found = build_estimator("its", {"units": "treated"}).fit(panel, analysis, seed=1)[0]
        assert found.scale == scale
