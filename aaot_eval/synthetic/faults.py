"""The faults of made-up records: how often each is met, what it looks like, and on which rows it falls."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aaot_eval.synthetic.world import ALCOHOL, BACKGROUND, Ints, Mask

# Fault: (share, unit it is drawn for, what it looks like). Shares are invented, small, and counted in truth.json.
DIRT: dict[str, tuple[float, str, str]] = {
    "blank_person_id": (0.002, "stay", "TOKEN_PERSON_ID is blank on every row of the stay"),
    "null_admidate_1800": (0.0006, "row", "ADMIDATE is 1800-01-01"),
    "invalid_admidate_1801": (0.0004, "row", "ADMIDATE is 1801-01-01"),
    "null_disdate": (0.001, "row", "DISDATE of the last episode is 1800-01-01"),
    "end_before_start": (0.0003, "row", "EPIEND is the day before EPISTART"),
    "admimeth_99": (0.0005, "stay", "ADMIMETH is 99 (unknown)"),
    "admisorc_99": (0.002, "stay", "ADMISORC is 99 (unknown) on a first leg"),
    "epiorder_99": (0.0005, "row", "EPIORDER is 99 (unknown)"),
    "uncoded_primary": (0.003, "row", "DIAG_01 is R69X and no other diagnosis is given"),
    "dotted_code": (0.002, "row", "an alcohol-specific code is written with its dot"),
    "sex_9": (0.001, "row", "SEX is 9 (not specified)"),
    "infant_age_code": (0.001, "row", "STARTAGE is 7003 (an infant band), on people without an alcohol problem"),
    "unfinished": (0.001, "added row", "EPISTAT 1: an unfinished copy of a first episode, with its own EPIKEY"),
    "duplicate_row": (0.001, "added row", "an exact copy of another row of the same file"),
}
NULL_DAY, INVALID_DAY = "1800-01-01", "1801-01-01"


def drawn_faults(rng: np.random.Generator, row: Mapping[str, Ints], stays: int, faults: float) -> dict[str, Mask]:
    """Which rows carry which fault."""
    n = len(row["stay"])
    drawn: dict[str, Mask] = {}
    for name, (share, unit, _) in DIRT.items():
        u = rng.random(stays)[row["stay"]] if unit == "stay" else rng.random(n)
        drawn[name] = u < share * faults
    drawn["null_disdate"] &= row["last"].astype(bool)
    drawn["invalid_admidate_1801"] &= ~drawn["null_admidate_1800"]
    drawn["dotted_code"] &= (row["kind"] == ALCOHOL) & ~drawn["uncoded_primary"]
    drawn["infant_age_code"] &= row["kind"] == BACKGROUND
    drawn["admimeth_99"] &= row["second"] == 0
    drawn["admisorc_99"] &= row["second"] == 0
    return drawn
