"""Bank holidays and working days against the published lists, and what a month is as long as."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from aaot_eval.panel.calendar import bank_holidays, easter, working_days
from tests.drawn import csv_text, episodes, panel_of, study

# GOV.UK, UK bank holidays: years with substitutes, moved and added days.
PUBLISHED = {
    ("england_wales", 2012): "01-02 04-06 04-09 05-07 06-04 06-05 08-27 12-25 12-26",
    ("england_wales", 2019): "01-01 04-19 04-22 05-06 05-27 08-26 12-25 12-26",
    ("england_wales", 2020): "01-01 04-10 04-13 05-08 05-25 08-31 12-25 12-28",
    ("england_wales", 2021): "01-01 04-02 04-05 05-03 05-31 08-30 12-27 12-28",
    ("england_wales", 2022): "01-03 04-15 04-18 05-02 06-02 06-03 08-29 09-19 12-26 12-27",
    ("england_wales", 2023): "01-02 04-07 04-10 05-01 05-08 05-29 08-28 12-25 12-26",
    ("england_wales", 2024): "01-01 03-29 04-01 05-06 05-27 08-26 12-25 12-26",
    ("scotland", 2021): "01-01 01-04 04-02 05-03 05-31 08-02 11-30 12-27 12-28",
    ("scotland", 2022): "01-03 01-04 04-15 05-02 06-02 06-03 08-01 09-19 11-30 12-26 12-27",
    ("scotland", 2024): "01-01 01-02 03-29 05-06 05-27 08-05 12-02 12-25 12-26",
}


@pytest.mark.parametrize(("nation", "year"), PUBLISHED)
def test_bank_holidays_are_the_published_ones(nation, year):
    assert " ".join(f"{d:%m-%d}" for d in bank_holidays(nation, year)) == PUBLISHED[nation, year]


@pytest.mark.parametrize(
    "day", ["2000-04-23", "2008-03-23", "2011-04-24", "2019-04-21", "2024-03-31", "2025-04-20", "2038-04-25"]
)
def test_easter(day):
    assert easter(int(day[:4])).isoformat() == day


def test_working_days_leave_out_weekends_holidays_and_days_of_ones_own():
    month = (date(2022, 6, 1), date(2022, 6, 30))
    assert working_days(*month, "england_wales") == 20
    assert working_days(*month, "england_wales", [date(2022, 6, 15), date(2022, 6, 18)]) == 19


DRAWN = "person admitted\n" + "\n".join(f"p{m}{d} 2022-{m:02d}-{d}" for m in (5, 6, 7) for d in ("01", "30"))


@pytest.mark.parametrize(
    ("days", "unit", "wanted"),
    [("calendar", "person-years", [31, 30, 31]), ("working", "person-working-years", [21, 20, 21])],
)
def test_a_month_is_as_long_as_the_study_says(tmp_path, days, unit, wanted):
    files = {
        "admissions.csv": csv_text(episodes(DRAWN)),
        "sites.csv": "site,go_live,population\nRX1,2022-06-01,36525\n",
    }
    _, panel = panel_of(study(tmp_path, files, counting={"days": days}, data={"complete_to": "2022-07-31"}))
    assert panel.exposure_unit == unit
    assert np.allclose(panel.cells["exposure"], [100 * d for d in wanted])
    assert panel.periods["working_days"].tolist() == [21, 20, 21]
    assert panel.periods["bank_holidays"].tolist() == [1, 2, 0]
    assert panel.periods["days"].tolist() == [31, 30, 31], "calendar time is what it was"
