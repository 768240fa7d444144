"""Stays written as hospital records: HES APC episodes and ECDS attendances, with known faults at small known rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aaot_eval.synthetic.code_pools import (
    ALCOHOL_CODES,
    AREAS,
    CLOCK,
    CODES,
    DEPRIVATION,
    ETHANOL,
    ETHNIC,
    FIRST_OF,
    HRG,
    HRG_NAMES,
    METHOD_NAMES,
    NOT_THROUGH_ED,
    OTHER_CODES,
    OTHER_HOSPITAL,
    PLANNED_METHODS,
    POOLS,
    SENT_HOME,
    SPECIALTIES,
    WARD,
    weighted,
)
from aaot_eval.synthetic.columns import Columns, dates, decimals, financial_year, picked, years
from aaot_eval.synthetic.faults import INVALID_DAY, NULL_DAY, drawn_faults
from aaot_eval.synthetic.people import areas, tokens, traits
from aaot_eval.synthetic.world import (
    ALCOHOL,
    DAY_CASE,
    ELECTIVE,
    EMERGENCIES,
    NOT_MOVED,
    REGULAR,
    Attendances,
    Calendar,
    Ints,
    Mask,
    Site,
    Stays,
)


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
    carried = drawn_faults(rng, row, len(stays), scene.faults)
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
    table = pa.table(_Episodes(row, codes[pick], carried, scene).columns())
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


def _diagnoses(rng: np.random.Generator, row: Mapping[str, Ints], faults: Mapping[str, Mask]) -> Ints:
    """Positions in CODES (rows x 20), -1 = no code. The first episode of each leg of an alcohol stay has an alcohol code."""
    n = len(row["kind"])
    depth = np.minimum(rng.geometric(0.18, n) + (row["kind"] != REGULAR), 20)
    # The smallest of exponential times with these rates: secondary codes drawn by weight, none of them twice.
    times = rng.standard_exponential((n, len(OTHER_CODES)), dtype=np.float32)
    times /= np.array(list(OTHER_CODES.values()), dtype=np.float32)
    codes = FIRST_OF["other"] + np.argsort(times, axis=1)[:, :20]
    first = rng.random(n)
    alcohol = row["kind"] == ALCOHOL
    planned = np.isin(row["kind"], (ELECTIVE, DAY_CASE))
    choices = {
        name: FIRST_OF[name] + weighted(first, POOLS[name]) for name in ("beside", "emergency", "planned", "regular")
    }
    codes[:, 0] = np.select(
        [alcohol, planned, row["kind"] == REGULAR],
        [choices["beside"], choices["planned"], choices["regular"]],
        choices["emergency"],
    )
    coded = alcohol & ((row["order"] == 1) | (rng.random(n) < 0.85))
    place = np.where(rng.random(n) < 0.55, 0, 1 + rng.integers(0, 5, n))
    depth = np.where(coded, np.maximum(depth, place + 1), depth)
    pool = np.where(faults["dotted_code"], FIRST_OF["dotted"], FIRST_OF["alcohol"])
    code = pool + weighted(rng.random(n), ALCOHOL_CODES)
    codes[coded, place[coded]] = code[coded]
    codes[np.arange(20)[None, :] >= depth[:, None]] = -1
    codes[faults["uncoded_primary"]] = -1
    codes[faults["uncoded_primary"], 0] = FIRST_OF["uncoded"]
    faults["dotted_code"][~coded] = False
    return np.asarray(codes, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Episodes:
    """The rows of episodes before they are columns: what is drawn of each, its codes (rows x 20) and its faults."""

    row: Mapping[str, Ints]
    codes: Ints
    faults: Mapping[str, Mask]
    scene: Scene

    def columns(self) -> Columns:
        """Every column of an APC file, in the order of the file."""
        return {
            "TOKEN_PERSON_ID": pc.if_else(
                pa.array(self.faults["blank_person_id"]),
                pa.scalar(None, pa.string()),
                tokens(self.row["person"], self.scene.seed),
            ),
            "EPIKEY": pa.array(np.uint64(11 * 10**18) + self.row["key"].astype(np.uint64)),
            "FYEAR": years(self.row["year"]),
            **self._days(),
            **self._ways(),
            **self._place_in_spell(),
            **self._hospital(),
            **self._person(),
            **self._care(),
        }

    @property
    def _unfinished(self) -> Mask:
        return self.faults["unfinished"]

    @property
    def _last(self) -> Mask:
        return self.row["last"].astype(bool) & ~self._unfinished

    @property
    def _planned(self) -> Mask:
        return np.isin(self.row["kind"], (ELECTIVE, DAY_CASE))

    def _days(self) -> Columns:
        row, faults, calendar = self.row, self.faults, self.scene.calendar
        first = int(calendar.first.astype(np.int64))
        null_day, invalid_day = (int(np.datetime64(d, "D").astype(int)) - first for d in (NULL_DAY, INVALID_DAY))
        admitted = np.select(
            [faults["null_admidate_1800"], faults["invalid_admidate_1801"]], [null_day, invalid_day], row["start"]
        )
        ends = np.where(faults["end_before_start"], row["epistart"] - 1, row["epiend"])
        left = np.where(faults["null_disdate"], null_day, row["leg_end"])
        listed = np.where(self._planned, row["start"] - 20 - row["key"] % 60, invalid_day)
        return {
            "ADMIDATE": dates(admitted, calendar),
            "EPISTART": dates(row["epistart"], calendar),
            "EPIEND": dates(ends, calendar, self._unfinished),
            "DISDATE": dates(left, calendar, ~self._last),
            "ELECDATE": dates(listed, calendar),
        }

    def _ways(self) -> Columns:
        """How the person came and left, and what kind of patient it was."""
        row, faults, last = self.row, self.faults, self._last
        method = np.where(faults["admimeth_99"], METHOD_NAMES.index("99"), row["method"])
        source = np.where(row["from_hospital"] == 1, 1, np.where(faults["admisorc_99"], 2, 0))
        kind = np.select([row["kind"] == DAY_CASE, row["kind"] == REGULAR], [1, 2], 0)
        return {
            "ADMIMETH": picked(METHOD_NAMES, method),
            "ADMISORC": picked(["19", "51", "99"], source),
            "DISDEST": picked(
                ["19", "51", "79", "98"], np.select([~last, row["died"] == 1, row["to_hospital"] == 1], [3, 2, 1], 0)
            ),
            "DISMETH": picked(
                ["1", "4", "6", "8"], np.select([~last, row["died"] == 1, row["self"] == 1], [3, 1, 2], 0)
            ),
            "CLASSPAT": picked(["1", "2", "3"], kind),
            "INTMANIG": picked(["1", "2", "3"], kind),
        }

    def _place_in_spell(self) -> Columns:
        row, last = self.row, self._last
        began_before = financial_year(row["start"], self.scene.calendar) < row["year"]
        return {
            "EPIORDER": pa.array(np.where(self.faults["epiorder_99"], 99, row["order"])),
            "EPISTAT": pa.array(np.where(self._unfinished, 1, 3)),
            "EPITYPE": pa.array(np.ones(len(last), dtype=np.int64)),
            "SPELBGIN": pa.array(np.select([row["order"] > 1, began_before], [0, 1], 2)),
            "SPELEND": picked(["N", "Y"], last.astype(np.int64)),
            "SPELDUR": decimals(row["leg_end"] - row["start"], ~last),
            "EPIDUR": decimals(row["epiend"] - row["epistart"], self._unfinished),
        }

    def _hospital(self) -> Columns:
        codes = [site.code for site in self.scene.sites]
        return {
            "PROCODE3": picked(codes, self.row["site"]),
            "PROCODE5": picked([f"{c}00" for c in codes], self.row["site"]),
            "SITETRET": picked([f"{c}01" for c in codes], self.row["site"]),
            "PROVSPNOPS": pa.array(self.row["spell"] + 10**11),
        }

    def _person(self) -> Columns:
        row, faults, seed = self.row, self.faults, self.scene.seed
        person = traits(row["person"], seed)
        age = (person.age + row["epistart"] / 365.25).astype(np.int64)
        return {
            "SEX": picked(["1", "2", "9"], np.where(faults["sex_9"], 2, np.where(person.male, 0, 1))),
            "STARTAGE": pa.array(np.where(faults["infant_age_code"], 7003, age)),
            "ETHNOS": picked(list(ETHNIC), person.ethnic),
            "IMD04_DECILE": picked(DEPRIVATION, person.deprivation),
            "RESLADST_ONS": picked(AREAS, areas(row["person"], seed)),
            "ADMINCAT": picked(["01"], np.zeros(len(age), dtype=np.int64)),
        }

    def _care(self) -> Columns:
        row = self.row
        operation = np.select([row["kind"] == REGULAR, self._planned], [1, 2 + row["key"] % 2], 0)
        return {
            "MAINSPEF": picked(SPECIALTIES, row["treated_in"]),
            "TRETSPEF": picked(SPECIALTIES, row["treated_in"]),
            **{f"DIAG_{k + 1:02d}": picked(CODES, self.codes[:, k]) for k in range(20)},
            "OPERTN_01": picked(["-", "X403", "C712", "H229"], operation),
            "SUSHRG": picked(HRG_NAMES, row["hrg"]),
            "SUSCOREHRG": picked(HRG_NAMES, row["core_hrg"]),
            "SUBDATE": dates(row["epiend"] + 21, self.scene.calendar),
        }


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
