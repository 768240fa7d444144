"""Stays written as hospital records: HES APC episodes and ECDS attendances, with known faults at small known rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aaot_eval.synthetic.world import (
    ALCOHOL,
    BACKGROUND,
    BACKGROUND_FROM,
    DAY_CASE,
    ELECTIVE,
    EMERGENCIES,
    LONGEST_STAY,
    NOT_MOVED,
    PEOPLE_PER_SITE,
    REGULAR,
    Attendances,
    Calendar,
    Floats,
    Ints,
    Mask,
    Site,
    Stays,
)

Columns = dict[str, pa.Array]

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

ALCOHOL_CODES: dict[str, float] = {
    "F100": 22, "F101": 12, "F102": 22, "F103": 13, "F104": 3, "F105": 1, "F106": 1.5, "F109": 2, "K700": 1.5, "K701": 2,
    "K703": 7, "K704": 2, "K709": 3, "K292": 2, "K852": 3, "K860": 2, "G312": 1, "G621": 0.7, "I426": 0.5, "E244": 0.1,
    "T510": 1.5,
}  # fmt: skip
BESIDE_ALCOHOL: dict[str, float] = {
    "S099": 14, "S018": 8, "R568": 9, "K922": 7, "K920": 5, "T391": 9, "T424": 4, "T436": 3, "J181": 8, "J440": 4,
    "R074": 6, "R410": 4, "I850": 2, "K729": 3, "L031": 4, "S525": 4, "N390": 4,
}  # fmt: skip
EMERGENCY_CODES: dict[str, float] = {
    "J181": 9, "J440": 7, "N390": 8, "R074": 9, "I500": 5, "I214": 4, "I639": 4, "A419": 5, "K359": 3, "K802": 4,
    "R104": 7, "R55X": 5, "S720": 4, "S525": 4, "L031": 5, "N179": 4, "T391": 3,
}  # fmt: skip
PLANNED_CODES: dict[str, float] = {
    "H269": 14,
    "K409": 8,
    "M179": 9,
    "M169": 8,
    "K802": 8,
    "C509": 6,
    "C189": 5,
    "D125": 12,
    "K210": 10,
    "Z121": 10,
}
REGULAR_CODES: dict[str, float] = {"N185": 70, "Z511": 30}
OTHER_CODES: dict[str, float] = {
    "I10X": 30, "E119": 14, "J449": 10, "I489": 9, "F329": 12, "F419": 9, "Z720": 16, "N183": 6, "I251": 8, "J459": 8,
    "K219": 5, "E780": 8, "M199": 6, "Z867": 7, "Z922": 5, "R296": 4, "W190": 5, "E876": 4, "D649": 5, "G409": 3,
    "Z590": 2, "Z915": 4, "F171": 9, "B182": 2, "M545": 4, "E039": 4, "H919": 2, "R54X": 3, "Z880": 4, "Y95X": 1,
    "E142D": 1, "H360A": 1,
}  # fmt: skip
_POOLS: dict[str, dict[str, float]] = {
    "alcohol": ALCOHOL_CODES,
    "dotted": {f"{code[:3]}.{code[3:]}": weight for code, weight in ALCOHOL_CODES.items()},
    "beside": BESIDE_ALCOHOL,
    "emergency": EMERGENCY_CODES,
    "planned": PLANNED_CODES,
    "regular": REGULAR_CODES,
    "other": OTHER_CODES,
    "uncoded": {"R69X": 1.0},
}
_FIRST: dict[str, int] = {}
CODES: list[str] = []
for _name, _pool in _POOLS.items():
    _FIRST[_name] = len(CODES)
    CODES += list(_pool)

NOT_THROUGH_ED = {"22": 45.0, "23": 6.0, "24": 18.0, "25": 6.0, "2D": 25.0}
PLANNED_METHODS = {"11": 70.0, "12": 25.0, "13": 5.0}
METHOD_NAMES = ["21", "2A", *NOT_THROUGH_ED, *PLANNED_METHODS, "2B", "81", "99"]
ETHNIC = {
    "A": 70.0,
    "B": 2.0,
    "C": 5.0,
    "D": 1.0,
    "H": 3.0,
    "J": 3.0,
    "K": 1.0,
    "M": 2.0,
    "N": 3.0,
    "S": 2.0,
    "Z": 7.0,
    "99": 1.0,
}
#: Areas with invented codes, one a site as far as they go, and the shares of people without one and of the next site's area.
AREAS = [f"E069{i:05d}" for i in range(1, 100)]
NO_FIXED_ABODE, LIVES_FURTHER = 0.03, 0.1
DEPRIVATION = [
    "Most deprived 10%", "More deprived 10-20%", "More deprived 20-30%", "More deprived 30-40%", "More deprived 40-50%",
    "Less deprived 40-50%", "Less deprived 30-40%", "Less deprived 20-30%", "Less deprived 10-20%", "Least deprived 10%",
]  # fmt: skip
HRG = {
    "alcohol": {
        "WH04D": 20.0,
        "WH04E": 30.0,
        "GC01F": 12.0,
        "GC01E": 8.0,
        "FD10M": 8.0,
        "AA26H": 8.0,
        "WJ03G": 6.0,
        "WH07G": 8.0,
    },
    "emergency": {
        "DZ11V": 15.0,
        "DZ65K": 12.0,
        "EB07E": 10.0,
        "EB12C": 10.0,
        "LA04S": 15.0,
        "FD10M": 15.0,
        "AA35F": 8.0,
        "WJ03G": 15.0,
    },
    "planned": {"BZ34C": 20.0, "HN22E": 15.0, "FF62D": 15.0, "FE32Z": 30.0, "GA10K": 20.0},
    "regular": {"LD05A": 1.0},
}

# SNOMED CT concepts of ECDS: where the attendance ended, and that alcohol was involved.
SENT_HOME, WARD, OTHER_HOSPITAL, ETHANOL = "306689006", "306706006", "19712007", "419442005"
CLOCK = [f"{minute // 60:02d}:{minute % 60:02d}:00" for minute in range(1440)]

_ONE, _TWO = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mixed(number: Ints, seed: int, lane: int) -> NDArray[np.uint64]:
    """64 well-mixed bits for each number, never the same for two numbers; another lane gives unrelated bits."""
    with np.errstate(over="ignore"):
        z = number.astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + lane * 0xD1B54A32D192ED03) % 2**64)
        for factor, shift in ((_ONE, np.uint64(30)), (_TWO, np.uint64(27))):
            z = (z ^ (z >> shift)) * factor
        return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def share_of(number: Ints, seed: int, lane: int) -> Floats:
    """A fixed uniform number in [0, 1) for each person number."""
    return np.asarray((mixed(number, seed, lane) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def tokens(number: Ints, seed: int) -> pa.Array:
    """TOKEN_PERSON_ID of each person number: TEST and 28 hexadecimal digits."""
    raw = np.stack([mixed(number, seed, 1), mixed(number, seed, 2)], axis=1).view(np.uint8)[:, :14]
    digits = np.frombuffer(b"0123456789ABCDEF", dtype=np.uint8)
    text = np.empty((len(number), 32), dtype=np.uint8)
    text[:, :4] = np.frombuffer(b"TEST", dtype=np.uint8)
    text[:, 4::2], text[:, 5::2] = digits[raw >> 4], digits[raw & 15]
    offsets = np.arange(0, 32 * (len(number) + 1), 32, dtype=np.int32)
    return pa.StringArray.from_buffers(len(number), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text)))


def picked(pool: Sequence[str], at: Ints) -> pa.Array:
    """The texts at these positions of the pool; a negative position is blank."""
    return pa.array(list(pool), pa.string()).take(pa.array(at, mask=at < 0))


def weighted(u: Floats, pool: Mapping[str, float]) -> Ints:
    """Positions in the pool, drawn by weight from uniform numbers."""
    edges = np.cumsum(list(pool.values()))
    return np.asarray(np.searchsorted(edges / edges[-1], u, side="right").clip(0, len(pool) - 1), dtype=np.int64)


def dates(day: Ints, calendar: Calendar, blank: Mask | None = None) -> pa.Array:
    """Days of the study as dates."""
    since_1970 = (day + calendar.first.astype(np.int64)).astype(np.int32)
    return pa.array(since_1970, pa.int32(), mask=blank).cast(pa.date32())


def financial_year(day: Ints, calendar: Calendar) -> Ints:
    """The year in which the financial year of each day begins."""
    month = (calendar.first + day.astype("timedelta64[D]")).astype("datetime64[M]").astype(np.int64)
    return np.asarray(1970 + (month - 3) // 12, dtype=np.int64)


def year_label(year: int) -> str:
    """A financial year as HES writes it: 2021 is 2122."""
    return f"{year % 100:02d}{(year + 1) % 100:02d}"


@dataclass(frozen=True, slots=True)
class Person:
    """Fixed traits of people, made from their numbers."""

    male: Mask
    age: Floats
    ethnic: Ints
    deprivation: Ints


def traits(number: Ints, seed: int) -> Person:
    """Sex, age on the first day, ethnic category and deprivation tenth of each person number."""
    others = number % PEOPLE_PER_SITE >= BACKGROUND_FROM
    u = share_of(number, seed, 3)
    age = np.where(others, 18 + 76 * u**0.6, 22 + 50 * (u + share_of(number, seed, 4)) / 2)
    poor = np.where(others, 1.15, 1.8)
    return Person(
        male=share_of(number, seed, 5) < np.where(others, 0.47, 0.69),
        age=age,
        ethnic=weighted(share_of(number, seed, 6), ETHNIC),
        deprivation=(10 * share_of(number, seed, 7) ** poor).astype(np.int64),
    )


def areas(number: Ints, seed: int) -> Ints:
    """The place in AREAS of each person number: that of the home site, sometimes the next one's; -1 for no fixed abode."""
    home, u = number // PEOPLE_PER_SITE, share_of(number, seed, 8)
    return np.where(u < NO_FIXED_ABODE, -1, (home + (u > 1 - LIVES_FURTHER)) % len(AREAS))


@dataclass(frozen=True, slots=True)
class Scene:
    """What the rows of a study have in common; `faults` multiplies the shares of DIRT, 0 = clean files."""

    seed: int
    sites: Sequence[Site]
    calendar: Calendar
    faults: float


@dataclass(frozen=True, slots=True)
class Written:
    """A chunk of rows, the financial year of each row, and how many rows carry each fault."""

    table: pa.Table
    year: Ints
    dirt: Counter[str]


def episode_rows(rng: np.random.Generator, stays: Stays, keep: Mask, scene: Scene, first_key: int) -> Written:
    """The APC episodes of the stays kept.

    Everything is drawn for all stays, and only then are stays left out: a stay has the same rows in every scenario.
    """
    legs = _legs(rng, stays)
    count = np.where(legs["end"] > legs["start"], np.minimum(rng.geometric(0.74, len(legs["start"])), 5), 1)
    count = np.where(np.isin(legs["kind"], (DAY_CASE, REGULAR)), 1, np.minimum(count, legs["end"] - legs["start"] + 1))
    at = np.repeat(np.arange(len(count)), count)
    order = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count) + 1
    row = {name: values[at] for name, values in legs.items()}
    nights = row["end"] - row["start"]
    row["order"], row["last"], row["leg_end"] = order, order == count[at], row["end"]
    row["epistart"] = row["start"] + nights * (order - 1) // count[at]
    row["epiend"] = np.where(row["last"], row["end"], row["start"] + nights * order // count[at])
    row["spell"] = (first_key + row["stay"] * 40) // 20 + row["second"]
    row["key"] = row["spell"] * 20 + order
    row["year"] = financial_year(row["epiend"], scene.calendar)
    row["treated_in"] = _specialty(rng, row["kind"])
    row["hrg"] = _hrg(rng, row["kind"])
    row["core_hrg"] = _hrg(rng, legs["kind"])[at]
    carried = _faults(rng, row, len(stays), scene.faults)
    codes = _diagnoses(rng, row, carried)
    copies = np.flatnonzero(carried["unfinished"] & (order == 1) & (row["second"] == 0))
    pick = np.concatenate([np.flatnonzero(keep[row["stay"]]), copies[keep[row["stay"][copies]]]])
    unfinished = np.arange(len(pick)) >= int(keep[row["stay"]].sum())
    row = {name: values[pick] for name, values in row.items()}
    carried = {name: values[pick] for name, values in carried.items()}
    row["key"] = row["key"] + np.where(unfinished, 30, 0)
    carried["unfinished"] = unfinished
    for ends_only in ("null_disdate", "end_before_start"):
        carried[ends_only] &= ~unfinished
    table = pa.table(_episode_columns(row, codes[pick], carried, unfinished, scene))
    twice = np.flatnonzero(carried["duplicate_row"])
    everything = np.concatenate([np.arange(len(pick)), twice])
    dirt = Counter({name: int(values[everything].sum()) for name, values in carried.items()})
    dirt["duplicate_row"] = len(twice)
    return Written(table.take(pa.array(everything)), row["year"][everything], dirt)


def _legs(rng: np.random.Generator, stays: Stays) -> dict[str, Ints]:
    """One element per provider spell: a stay that is moved to a hospital in view has two."""
    n = len(stays)
    moved = np.flatnonzero(stays.moved_to >= 0)
    stay = np.concatenate([np.arange(n), moved])
    second = np.concatenate([np.zeros(n, dtype=np.int64), np.ones(len(moved), dtype=np.int64)])
    order = np.lexsort((second, stay))
    stay, second = stay[order], second[order]
    goes_on = (stays.moved_to[stay] != NOT_MOVED) & (second == 0)
    u = rng.random((4, n))
    by_ed = np.array(list(NOT_THROUGH_ED))[weighted(u[0], NOT_THROUGH_ED)]
    planned = np.array(list(PLANNED_METHODS))[weighted(u[0], PLANNED_METHODS)]
    through = np.where(u[1] < 0.95, "21", "2A")
    emergency = np.isin(stays.kind, EMERGENCIES)
    method = np.where(emergency, np.where(stays.through_ed, through, by_ed), planned)
    # A second leg comes as an emergency transfer, another transfer, or through the other hospital's own department.
    method = np.where(second == 1, np.select([u[3][stay] < 0.5, u[3][stay] < 0.85], ["2B", "81"], "21"), method[stay])
    names = np.array(METHOD_NAMES)
    code = np.argsort(names)[np.searchsorted(np.sort(names), method)]
    begins = stays.start + stays.nights
    # Both transfer signs on most joins, one of them alone on the rest: each is enough for the published rules.
    sign_out, sign_in = u[2] < 0.85, (u[2] < 0.5) | (u[2] > 0.75)
    return {
        "stay": stay,
        "second": second,
        "person": stays.person[stay],
        "kind": stays.kind[stay],
        "site": np.where(second == 1, stays.moved_to[stay], stays.site[stay]),
        "start": np.where(second == 1, begins[stay], stays.start[stay]),
        "end": np.where(second == 1, stays.end[stay], begins[stay]),
        "method": code,
        "from_hospital": ((second == 1) & sign_in[stay]).astype(np.int64),
        "to_hospital": (goes_on & sign_out[stay]).astype(np.int64),
        "died": (stays.died[stay] & ~goes_on).astype(np.int64),
        "self": (rng.random(len(stay)) < np.where(stays.kind[stay] == ALCOHOL, 0.09, 0.015)).astype(np.int64)
        * ~goes_on,
    }


SPECIALTIES = ["300", "180", "301", "326", "100", "110", "361", "370", "130"]


def _specialty(rng: np.random.Generator, kind: Ints) -> Ints:
    u = rng.random(len(kind))
    alcohol = np.searchsorted([0.45, 0.6, 0.8], u, side="right")
    other = np.searchsorted([0.35, 0.45, 0.5, 0.75, 0.88], u, side="right")
    planned = 4 + np.searchsorted([0.4, 0.75], u, side="right")
    planned = np.where(planned == 6, 8, planned)
    regular = np.where(u < 0.7, 6, 7)
    picks = np.select(
        [kind == ALCOHOL, kind == REGULAR, np.isin(kind, (ELECTIVE, DAY_CASE))], [alcohol, regular, planned], other
    )
    return np.asarray(picks, dtype=np.int64)


HRG_NAMES = [code for pool in HRG.values() for code in pool]


def _hrg(rng: np.random.Generator, kind: Ints) -> Ints:
    u = rng.random(len(kind))
    first = np.cumsum([0, *(len(pool) for pool in HRG.values())])
    choices = [first[i] + weighted(u, pool) for i, pool in enumerate(HRG.values())]
    return np.asarray(
        np.select(
            [kind == ALCOHOL, np.isin(kind, (ELECTIVE, DAY_CASE)), kind == REGULAR],
            [choices[0], choices[2], choices[3]],
            choices[1],
        ),
        dtype=np.int64,
    )


def _faults(rng: np.random.Generator, row: Mapping[str, Ints], stays: int, faults: float) -> dict[str, Mask]:
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


def _diagnoses(rng: np.random.Generator, row: Mapping[str, Ints], faults: Mapping[str, Mask]) -> Ints:
    """Positions in CODES (rows x 20), -1 = no code. The first episode of each leg of an alcohol stay has an alcohol code."""
    n = len(row["kind"])
    depth = np.minimum(rng.geometric(0.18, n) + (row["kind"] != REGULAR), 20)
    # The smallest of exponential times with these rates: secondary codes drawn by weight, none of them twice.
    times = rng.standard_exponential((n, len(OTHER_CODES)), dtype=np.float32)
    times /= np.array(list(OTHER_CODES.values()), dtype=np.float32)
    codes = _FIRST["other"] + np.argsort(times, axis=1)[:, :20]
    first = rng.random(n)
    alcohol = row["kind"] == ALCOHOL
    planned = np.isin(row["kind"], (ELECTIVE, DAY_CASE))
    choices = {
        name: _FIRST[name] + weighted(first, _POOLS[name]) for name in ("beside", "emergency", "planned", "regular")
    }
    codes[:, 0] = np.select(
        [alcohol, planned, row["kind"] == REGULAR],
        [choices["beside"], choices["planned"], choices["regular"]],
        choices["emergency"],
    )
    coded = alcohol & ((row["order"] == 1) | (rng.random(n) < 0.85))
    place = np.where(rng.random(n) < 0.55, 0, 1 + rng.integers(0, 5, n))
    depth = np.where(coded, np.maximum(depth, place + 1), depth)
    pool = np.where(faults["dotted_code"], _FIRST["dotted"], _FIRST["alcohol"])
    code = pool + weighted(rng.random(n), ALCOHOL_CODES)
    codes[coded, place[coded]] = code[coded]
    codes[np.arange(20)[None, :] >= depth[:, None]] = -1
    codes[faults["uncoded_primary"]] = -1
    codes[faults["uncoded_primary"], 0] = _FIRST["uncoded"]
    faults["dotted_code"][~coded] = False
    return np.asarray(codes, dtype=np.int64)


def _episode_columns(
    row: Mapping[str, Ints],
    codes: Ints,
    faults: Mapping[str, Mask],
    unfinished: Mask,
    scene: Scene,
) -> Columns:
    seed, calendar = scene.seed, scene.calendar
    person = traits(row["person"], seed)
    planned = np.isin(row["kind"], (ELECTIVE, DAY_CASE))
    last = row["last"].astype(bool) & ~unfinished
    nights = row["epiend"] - row["epistart"]
    null_day, invalid_day = (
        int(np.datetime64(d, "D").astype(int)) - int(calendar.first.astype(np.int64)) for d in (NULL_DAY, INVALID_DAY)
    )
    admidate = np.select(
        [faults["null_admidate_1800"], faults["invalid_admidate_1801"]], [null_day, invalid_day], row["start"]
    )
    method = np.where(faults["admimeth_99"], METHOD_NAMES.index("99"), row["method"])
    source = np.where(row["from_hospital"] == 1, 1, np.where(faults["admisorc_99"], 2, 0))
    dismeth = np.select([~last, row["died"] == 1, row["self"] == 1], [3, 1, 2], 0)
    disdest = np.select([~last, row["died"] == 1, row["to_hospital"] == 1], [3, 2, 1], 0)
    age = (person.age + row["epistart"] / 365.25).astype(np.int64)
    fiscal = financial_year(row["start"], calendar)
    codes_of = [site.code for site in scene.sites]
    regular = row["kind"] == REGULAR
    columns: Columns = {
        "TOKEN_PERSON_ID": pc.if_else(
            pa.array(faults["blank_person_id"]), pa.scalar(None, pa.string()), tokens(row["person"], seed)
        ),
        "EPIKEY": pa.array(np.uint64(11 * 10**18) + row["key"].astype(np.uint64)),
        "FYEAR": _years(row["year"]),
        "ADMIDATE": dates(admidate, calendar),
        "EPISTART": dates(row["epistart"], calendar),
        "EPIEND": dates(np.where(faults["end_before_start"], row["epistart"] - 1, row["epiend"]), calendar, unfinished),
        "DISDATE": dates(np.where(faults["null_disdate"], null_day, row["leg_end"]), calendar, ~last),
        "ELECDATE": dates(np.where(planned, row["start"] - 20 - row["key"] % 60, invalid_day), calendar),
        "ADMIMETH": picked(METHOD_NAMES, method),
        "ADMISORC": picked(["19", "51", "99"], source),
        "DISDEST": picked(["19", "51", "79", "98"], disdest),
        "DISMETH": picked(["1", "4", "6", "8"], dismeth),
        "CLASSPAT": picked(["1", "2", "3"], np.select([row["kind"] == DAY_CASE, regular], [1, 2], 0)),
        "INTMANIG": picked(["1", "2", "3"], np.select([row["kind"] == DAY_CASE, regular], [1, 2], 0)),
        "EPIORDER": pa.array(np.where(faults["epiorder_99"], 99, row["order"])),
        "EPISTAT": pa.array(np.where(unfinished, 1, 3)),
        "EPITYPE": pa.array(np.ones(len(last), dtype=np.int64)),
        "SPELBGIN": pa.array(np.select([row["order"] > 1, fiscal < row["year"]], [0, 1], 2)),
        "SPELEND": picked(["N", "Y"], last.astype(np.int64)),
        "SPELDUR": _decimals(row["leg_end"] - row["start"], ~last),
        "EPIDUR": _decimals(nights, unfinished),
        "PROCODE3": picked(codes_of, row["site"]),
        "PROCODE5": picked([f"{c}00" for c in codes_of], row["site"]),
        "SITETRET": picked([f"{c}01" for c in codes_of], row["site"]),
        "PROVSPNOPS": pa.array(row["spell"] + 10**11),
        "SEX": picked(["1", "2", "9"], np.where(faults["sex_9"], 2, np.where(person.male, 0, 1))),
        "STARTAGE": pa.array(np.where(faults["infant_age_code"], 7003, age)),
        "ETHNOS": picked(list(ETHNIC), person.ethnic),
        "IMD04_DECILE": picked(DEPRIVATION, person.deprivation),
        "RESLADST_ONS": picked(AREAS, areas(row["person"], seed)),
        "ADMINCAT": picked(["01"], np.zeros(len(last), dtype=np.int64)),
        "MAINSPEF": picked(SPECIALTIES, row["treated_in"]),
        "TRETSPEF": picked(SPECIALTIES, row["treated_in"]),
    }
    columns |= {f"DIAG_{k + 1:02d}": picked(CODES, codes[:, k]) for k in range(20)}
    columns["OPERTN_01"] = picked(
        ["-", "X403", "C712", "H229"], np.select([regular, planned], [1, 2 + row["key"] % 2], 0)
    )
    columns["SUSHRG"] = picked(HRG_NAMES, row["hrg"])
    columns["SUSCOREHRG"] = picked(HRG_NAMES, row["core_hrg"])
    columns["SUBDATE"] = dates(row["epiend"] + 21, calendar)
    return columns


def _decimals(days: Ints, blank: Mask) -> pa.Array:
    """Whole days the way extracts often bring them: 5.0."""
    return picked([f"{d}.0" for d in range(LONGEST_STAY + 1)], np.where(blank, -1, days))


def _years(year: Ints) -> pa.Array:
    first = int(year.min(initial=2000))
    last = int(year.max(initial=2000))
    return picked([year_label(y) for y in range(first, last + 1)], year - first)


def attendance_rows(
    rng: np.random.Generator, attendances: Attendances, keep: Mask, scene: Scene, first_key: int
) -> Written:
    """The ECDS rows of the attendances kept; everything is drawn for all of them first, as in `episode_rows`."""
    seed, calendar = scene.seed, scene.calendar
    n = len(attendances)
    u = rng.random((4, n))
    key = np.uint64(12 * 10**18) + (first_key + np.arange(n)).astype(np.uint64)
    minute = (u[0] * 1440).astype(np.int64)
    alcohol = attendances.alcohol & (u[1] < 0.6)
    destination = np.where(attendances.admitted, 1, np.where(u[2] < 0.02, 2, 0))
    minor = (u[3] < 0.06) & ~attendances.admitted
    seen = attendances.take(keep)
    who = traits(seen.person, seed)
    codes_of = [site.code for site in scene.sites]
    columns: Columns = {
        "TOKEN_PERSON_ID": tokens(seen.person, seed),
        "EPIKEY": pa.array(key[keep]),
        "ARRIVAL_DATE": dates(seen.day, calendar),
        "ARRIVAL_TIME": picked(CLOCK, minute[keep]),
        "ATTENDANCE_CATEGORY": picked(["1"], np.zeros(len(seen), dtype=np.int64)),
        "DEPARTMENT_TYPE": picked(["01", "03"], minor[keep].astype(np.int64)),
        "DISCHARGE_DESTINATION": picked([SENT_HOME, WARD, OTHER_HOSPITAL], destination[keep]),
        "DRUG_ALCOHOL_CODE_1": picked([ETHANOL], np.where(alcohol[keep], 0, -1)),
        "AGE_AT_ARRIVAL": pa.array((who.age + seen.day / 365.25).astype(np.int64)),
        "STATED_GENDER": picked(["1", "2"], np.where(who.male, 0, 1)),
        "ETHNIC_CATEGORY": picked(list(ETHNIC), who.ethnic),
        "PROVIDER_CODE": picked(codes_of, seen.site),
        "SITE": picked([f"{code}01" for code in codes_of], seen.site),
    }
    return Written(pa.table(columns), financial_year(seen.day, calendar), Counter())
