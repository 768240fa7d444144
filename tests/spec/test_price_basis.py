"""What care costs on each basis, drawn: stays, spells by HRG, attendances by type, other care, and what has no price."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from aaot_eval.config import CostsConfig
from aaot_eval.engine import open_engine
from aaot_eval.errors import InputError
from aaot_eval.ingest import read_tables
from aaot_eval.panel import build_panel, price_stays
from aaot_eval.results import Panel
from tests.drawn import csv_text, episodes, study

DRAWN = """
person provider admitted   end        method class order to source
open   RX1      2022-01-01 2022-01-01 21     1     1     19 19
short  RX1      2022-01-03 2022-01-04 21     1     1     19 19
long   RX1      2022-01-20 2022-02-19 21     1     1     19 19
daycs  RX1      2022-01-05 2022-01-05 11     2     1     19 19
electv RX1      2022-01-05 2022-01-09 11     1     1     19 19
moved  RX1      2022-01-10 2022-01-12 21     1     1     51 19
moved  RX2      2022-01-12 2022-01-15 81     1     1     19 51
zend   RX1      2022-02-28 2022-02-28 21     1     1     19 19
"""
HRG = {
    "open": "FD10K",
    "short": "FD10K",
    "long": "FD10K",
    "daycs": "FE22Z",
    "electv": "FE22Z",
    "moved": "GC17J",
    "zend": "FD10K",
}
CASELOAD = "person,site,referred\n" + "".join(f"{p},RX1,2022-02-05\n" for p in HRG)
BASE = {"unit_costs": "u.csv", "programme": "p.csv", "price_year": "2024/25", "perspective": "provider"}
STAYS = [("emergency_short_stay", 600.0), ("emergency_long_stay", 3000.0), ("emergency_excess_day", 100.0),
         ("elective_stay", 4000.0), ("day_case", 900.0)]  # fmt: skip
TARIFF = [("FD10K", 700.0, "emergency_short", None, None), ("FD10K", 2000.0, "emergency", 10.0, 250.0),
          ("FE22Z", 3500.0, "elective", None, None), ("FE22Z", 800.0, "day_case", None, None),
          ("GC17J", 1500.0, "emergency", None, None), ("GC17J", 1100.0, "elective", None, None)]  # fmt: skip


def prices(items: list[tuple[str, float]], tariff: list[tuple[object, ...]] = ()) -> pd.DataFrame:  # type: ignore[assignment]
    frame = pd.DataFrame(items, columns=["item", "value"])
    rows = pd.DataFrame(list(tariff), columns=["item", "value", "delivery", "trim_days", "excess_day"])
    return pd.concat([frame, rows], ignore_index=True)


def extract(hrg: dict[str, str] | None, column: str = "SUSCOREHRG") -> str:
    rows = episodes(DRAWN)
    if hrg is not None:
        rows = [row | {column: hrg.get(row["TOKEN_PERSON_ID"], "")} for row in rows]
    return csv_text(rows)


def cost(
    home: Path,
    table: pd.DataFrame,
    *,
    hrg: dict[str, str] | None = None,
    column: str = "SUSCOREHRG",
    files: dict[str, str] | None = None,
    columns: dict[str, str] | None = None,
    **costs: object,
) -> tuple[Panel, dict[str, list[float]]]:
    """The panel, and each person's cost in January and February."""
    data = {"complete_to": "2022-02-28", **({"columns": {"admissions": columns}} if columns else {})}
    texts = {"admissions.csv": extract(hrg, column), "caseload.csv": CASELOAD, **(files or {})}
    given = {"activity": "activity.csv"} if "activity.csv" in texts else {}
    config = study(home, texts, data={**data, **given}, costs={**BASE, **costs})
    engine = open_engine("duckdb", home / "work")
    try:
        tables = price_stays(read_tables(config, engine), table, config.costs)
        panel = build_panel(tables, config)
    finally:
        engine.close()
    return panel, dict(zip(sorted(HRG), panel.person_matrix("hospital_cost").tolist(), strict=True))


def refusal(home: Path, table: pd.DataFrame, **parts: object) -> str:
    with pytest.raises(InputError) as caught:
        cost(home, table, **parts)  # type: ignore[arg-type]
    return str(caught.value)


def test_bed_day_and_stay(tmp_path):
    _, found = cost(tmp_path, prices(STAYS))
    assert found == {"short": [600, 0], "long": [3000 + 20 * 100, 0], "daycs": [900, 0], "electv": [4000, 0],
                     "moved": [3000, 0], "open": [600, 0], "zend": [0, 600]}  # fmt: skip


def test_bed_days(tmp_path):
    items = [("emergency_bed_day", 400.0), ("elective_bed_day", 500.0), ("day_case", 900.0)]
    _, found = cost(tmp_path, prices(items), basis="bed_day")
    assert found == {"short": [400, 0], "long": [30 * 400, 0], "daycs": [900, 0], "electv": [4 * 500, 0],
                     "moved": [5 * 400, 0], "open": [400, 0], "zend": [0, 400]}  # fmt: skip


def test_tariff_prices_each_spell_once_by_its_point_of_delivery(tmp_path):
    _, found = cost(tmp_path, prices([], TARIFF), hrg=HRG, basis="tariff")
    assert found == {"short": [700, 0], "long": [2000 + 20 * 250, 0], "daycs": [800, 0], "electv": [3500, 0],
                     "moved": [1500 + 1100, 0], "open": [700, 0], "zend": [0, 700]}  # fmt: skip


def test_an_hrg_repeated_on_episodes_counts_once(tmp_path):
    more = episodes("person admitted start end order how key\n"
                    "short 2022-01-25 2022-01-25 2022-01-27 1 8 m1\nshort 2022-01-25 2022-01-27 2022-01-31 2 1 m2")  # fmt: skip
    rows = [row | {"SUSCOREHRG": HRG[row["TOKEN_PERSON_ID"]]} for row in [*episodes(DRAWN), *more]]
    _, found = cost(tmp_path, prices([], TARIFF), files={"admissions.csv": csv_text(rows)}, hrg=HRG, basis="tariff")
    assert found["short"] == [700 + 2000, 0]


def test_a_day_case_never_takes_an_inpatient_price(tmp_path):
    without = [row for row in TARIFF if row[2] != "day_case"]
    said = refusal(tmp_path / "tariff", prices([], without), hrg=HRG, basis="tariff")
    assert "there is no price for: FE22Z (day_case). A day case is never priced as an inpatient spell." in said
    said = refusal(tmp_path / "stay", prices([i for i in STAYS if i[0] != "day_case"]))
    assert "there is no price for: day_case" in said
    assert "a day case is never priced as an inpatient stay" in said


def test_an_unpriced_hrg_stops_the_run(tmp_path):
    said = refusal(tmp_path, prices([], TARIFF), hrg={**HRG, "short": "UZ01Z", "electv": "AA22C"}, basis="tariff")
    assert "C183" in said
    assert "there is no price for: AA22C (elective), no HRG (emergency)" in said
    assert "a spell without a price never costs 0" in said


def test_unpriced_spells_are_listed_with_their_share_and_never_cost_0(tmp_path):
    others = "\n".join(f"o{i:02d} RX1 2022-01-06 2022-01-08 21 1 1 19 19" for i in range(20))
    rows = episodes(DRAWN + others)
    hrg = {**HRG, "short": "AA22C", **{f"o{i:02d}": "GC17J" for i in range(20)}}
    text = csv_text([row | {"SUSCOREHRG": hrg.get(row["TOKEN_PERSON_ID"], "")} for row in rows])
    panel, found = cost(
        tmp_path, prices([], TARIFF), files={"admissions.csv": text}, hrg=HRG, basis="tariff", unpriced="list"
    )
    emergencies = [20 * 1500, 7000, 2600, 700, 700]
    assert found["short"][0] == pytest.approx(sum(emergencies) / 24, abs=1e-5)
    listed = panel.extra["unpriced"]
    assert listed[["hrg", "delivery", "people", "spells"]].values.tolist() == [["AA22C", "emergency", 1, 1]]
    assert listed["share"].iloc[0] == pytest.approx(1 / 28)
    assert "mean price" in listed["treatment"].iloc[0]


def test_the_share_of_spells_without_a_price_is_a_gate_by_point_of_delivery(tmp_path):
    """One of 24 emergency spells and none of the planned ones: listed, a warning; with a limit above it none; not listed, in the refusal."""
    others = "\n".join(f"o{i:02d} RX1 2022-01-06 2022-01-08 21 1 1 19 19" for i in range(20))
    hrg = {**HRG, "short": "AA22C", **{f"o{i:02d}": "GC17J" for i in range(20)}}
    text = csv_text([r | {"SUSCOREHRG": hrg.get(r["TOKEN_PERSON_ID"], "")} for r in episodes(DRAWN + others)])
    found = {}
    for name, thresholds in (("usual", {}), ("own", {"D391": 0.1})):
        config = study(
            tmp_path / name,
            {"admissions.csv": text},
            data={"complete_to": "2022-02-28"},
            costs={**BASE, "basis": "tariff", "unpriced": "list"},
            quality={"thresholds": thresholds},
        )
        engine = open_engine("duckdb", config.home / "work")
        tables = price_stays(read_tables(config, engine), prices([], TARIFF), config.costs, config.quality)
        engine.close()
        found[name] = [(f.where, f.records, f.people, f.detail) for f in tables.findings if f.code == "D391"]
    assert found == {"usual": [("emergency", 1, 1, "under 5 % of these spells")], "own": []}
    said = refusal(tmp_path / "stop", prices([], TARIFF), hrg={**HRG, "short": "AA22C"}, basis="tariff")
    assert "spells without a price: day case none, elective none, emergency about 20 %" in said


def test_too_many_unpriced_spells_stop_although_listing_is_asked_for(tmp_path):
    said = refusal(tmp_path, prices([], TARIFF), hrg={**HRG, "short": "AA22C"}, basis="tariff", unpriced="list")
    assert "over 10 % of stays have no price, so the unpriced cannot take the mean of their kind" in said


def test_tariff_without_spell_hrgs_is_refused(tmp_path):
    said = refusal(tmp_path / "none", prices([], TARIFF), basis="tariff")
    assert "C180" in said
    assert "the price basis tariff needs the HRG of every spell, and the extract has no such column" in said
    said = refusal(tmp_path / "episode", prices([], TARIFF), hrg=HRG, column="SUSHRG", columns={"spell_hrg": "SUSHRG"},
                   basis="tariff")  # fmt: skip
    assert "C182" in said
    assert "SUSHRG is the HRG of an episode, and the price of an episode may not be put on a spell" in said


def test_long_stays_pro_rated_by_nights(tmp_path):
    _, found = cost(tmp_path, prices(STAYS), long_stays="pro_rated")
    assert found["long"] == pytest.approx([5000 * 12 / 30, 5000 * 18 / 30], abs=1e-5)
    assert found["zend"] == [0, 600]
    assert found["moved"] == [3000, 0]


def test_the_stay_of_the_referral_can_be_left_out(tmp_path):
    _, found = cost(tmp_path, prices(STAYS), index_admission="left_out")
    assert found["long"] == [0, 0]
    assert found["moved"] == [3000, 0]


def test_attendances_are_priced_by_type_of_department(tmp_path):
    visits = "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,PROVIDER_CODE,DEPARTMENT_TYPE\n" + "".join(
        f"{p},e{p},2022-01-09,RX1,{kind}\n" for p, kind in (("short", "01"), ("long", "03"), ("moved", ""))
    )
    items = [*STAYS, ("ed_attendance_type_1", 300.0), ("ed_attendance_type_3", 90.0)]
    said = refusal(tmp_path / "a", prices(items), files={"attendances.csv": visits})
    assert "there is no price for: ed_attendance" in said
    _, found = cost(tmp_path / "b", prices([*items, ("ed_attendance", 200.0)]), files={"attendances.csv": visits})
    assert (found["short"][0], found["long"][0], found["moved"][0]) == (600 + 300, 5000 + 90, 3000 + 200)


ACTIVITY = """person,date,item,quantity
short,2022-01-10,ambulance_conveyed,1
short,2022-02-10,outpatient_attendance,2
short,2022-02-10,outpatient_attendance,1
long,2022-02-11,mental_health_bed_day,4
long,2021-02-11,mental_health_bed_day,9
"""
OTHER = [("ambulance_conveyed", 460.0), ("outpatient_attendance", 150.0), ("mental_health_bed_day", 480.0)]


def test_other_care_is_priced_line_by_line(tmp_path):
    panel, found = cost(tmp_path, prices([*STAYS, *OTHER]), files={"activity.csv": ACTIVITY})
    assert found["short"] == [600 + 460, 3 * 150]
    assert found["long"] == [5000, 4 * 480]
    lines = panel.extra["item_costs"]
    assert lines["cost"].sum() == pytest.approx(panel.person_matrix("hospital_cost").sum())
    assert lines.loc[lines["item"] == "outpatient_attendance", "quantity"].tolist() == [3]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("", "", "there is no price for: mental_health_bed_day"),
        ("conveyed,1", "conveyed,0", "a quantity in the activity table is 0 or negative"),
    ],
)
def test_other_care_that_cannot_be_priced_is_refused(tmp_path, old, new, words):
    items = [*STAYS, *(OTHER[:2] if not old else OTHER)]
    assert words in refusal(
        tmp_path, prices(items), files={"activity.csv": ACTIVITY.replace(old, new) if old else ACTIVITY}
    )


def test_activity_of_strangers_is_refused(tmp_path):
    strangers = ACTIVITY.replace("short", "x").replace("long", "y")
    said = refusal(tmp_path, prices([*STAYS, *OTHER]), files={"activity.csv": strangers})
    assert "nobody in the activity table is in the extract or on the caseload" in said


def test_loading_activity_twice_counts_nothing_twice(tmp_path):
    (tmp_path / "again.csv").write_text(ACTIVITY, encoding="utf-8")
    texts = {"admissions.csv": extract(None), "caseload.csv": CASELOAD, "activity.csv": ACTIVITY}
    config = study(tmp_path, texts, data={"complete_to": "2022-02-28", "activity": ["activity.csv", "again.csv"]})
    engine = open_engine("duckdb", tmp_path / "work")
    try:
        tables = read_tables(config, engine)
        assert tables.engine.rows("SELECT sum(quantity) FROM activity")[0][0] == 1 + 3 + 4 + 9
        assert [s.lost for s in tables.flow if s.table == "activity"] == [0, 0, 6, 1]
    finally:
        engine.close()


def test_the_default_of_costs_is_today_s_basis():
    costs = CostsConfig(**BASE)
    assert (costs.basis, costs.unpriced, costs.long_stays, costs.index_admission) == (
        "bed_day_and_stay", "stop", "admission", "counted",
    )  # fmt: skip
