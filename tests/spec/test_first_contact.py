"""The month in which work with a person began, and people who are never followed because their key is used once."""

from __future__ import annotations

import pytest

from tests.drawn import csv_text, episodes, panel_of, study, two_years

PEOPLE = """
A     RX1 2021-05-03 2021-05-04 a1
A     RX1 2022-05-03 2022-05-04 a2
B     RX1 2021-06-03 2021-06-04 b1
ONE-1 RX1 2021-07-03 2021-07-04 o1
"""
CASELOAD = (
    "person,site,referred,started\nA,RX1,2022-05-10,2022-06-01\nB,RX1,2022-05-10,2022-05-20\nONE-1,RX1,2022-05-10,\n"
)
CONTACTS = "person,contact_date,kind\nA,2022-05-01,visit\nA,2022-07-02,visit\nA,2022-09-01,visit\n"


@pytest.mark.parametrize(
    ("contacts", "months"),
    [(None, {"A": "2022-06", "B": "2022-05"}), (CONTACTS, {"A": "2022-07"})],
    ids=["caseload", "contacts"],
)
def test_the_first_contact_is_on_or_after_the_referral_and_one_off_keys_are_not_followed(tmp_path, contacts, months):
    drawn = two_years("RX1") + PEOPLE
    files = {
        "admissions.csv": csv_text(episodes(drawn)),
        "caseload.csv": CASELOAD,
        "sites.csv": "site,go_live,population\nRX1,2022-04-01,1000\n",
    }
    data: dict[str, object] = {"one_off_keys": ["ONE-"]}
    if contacts:
        files["contacts.csv"] = contacts
        data["contacts"] = "contacts.csv"
    _, panel = panel_of(study(tmp_path, files, data=data))
    met = panel.people["contact_t"].dropna()
    assert sorted(panel.periods["label"].iloc[int(t)] for t in met) == sorted(months.values())
    # A and B; nobody knows whether the other ONE-1 is the same person.
    assert len(panel.people) == 2
