"""Diagnosis codes: the lists of the field, which codes of the data belong to them, and what follows for episodes and stays."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.config.study import ATTRIBUTABLE_OUTCOMES, READMISSION_OUTCOMES
from aaot_eval.engine import Engine
from aaot_eval.errors import InputError, Problem
from aaot_eval.schema import shipped

#: Lists that every person of the panel is looked up in, for groups of people.
CO_OCCURRING = ("smi", "drug_use", "self_harm")
#: Readmissions for these are planned or expected, and left out (NHS Digital indicator I02040).
NOT_READMISSIONS = ("cancer", "obstetric")
AGES = (0, 16, 25, 35, 45, 55, 65, 75, 85)
AGE_COLUMNS = ("from_0", "from_16", "from_25", "from_35", "from_45", "from_55", "from_65", "from_75", "from_85")
CODE = re.compile(r"[A-Z][0-9]{2}(\.?[0-9])?")


def plain_code(code: str) -> str:
    """A code without dot, dagger or asterisk, in capitals."""
    return code if code.isalnum() and code.isupper() else "".join(c for c in code.upper() if c.isalnum())


def codes_in_list(seen: Iterable[str], listed: Sequence[str]) -> list[str]:
    """The codes as they stand in the data that belong to a list.

    A code may carry a dot (F10.2), a filler for a missing fourth character (X45X) or a dagger, asterisk or letter after
    the fourth (K703D): only the first three or four characters decide.
    """
    short = {code for code in listed if len(code) == 3}
    full = {code for code in listed if len(code) == 4}
    found = []
    for code in seen:
        plain = plain_code(code)
        if plain[:3] in short or plain[:4] in full:
            found.append(code)
    return found


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    with (shipped("data_schemas") / "codelists" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def alcohol_specific_list() -> tuple[str, ...]:
    """The ICD-10 codes wholly attributable to alcohol, without dots; three characters stand for a whole category."""
    return tuple(sorted(row["icd10"].replace(".", "") for row in _rows("alcohol_specific")))


@cache
def co_occurring_patterns() -> dict[str, re.Pattern[str]]:
    """By list (severe mental illness, drug use, self-harm, cancer, obstetric care): the pattern of its codes without dots."""
    patterns: dict[str, list[str]] = {}
    for row in _rows("co_occurring"):
        patterns.setdefault(row["list"], []).append(row["pattern"])
    return {name: re.compile("|".join(f"(?:{p})" for p in parts)) for name, parts in patterns.items()}


def own_list(path: Path) -> tuple[str, ...]:
    """The codes of a user's list (CSV, column icd10), without dots. Raises InputError (D373)."""
    rows: list[dict[str, Any]] = []
    why = ""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except UnicodeDecodeError:
        why = ": it is not UTF-8 text"
    except (OSError, csv.Error):
        pass
    swallowed = [i for i, row in enumerate(rows, start=2) if any("\n" in part for part in _cells(row))]
    if swallowed:
        rows, why = (
            [],
            f": line {swallowed[0]} has a quotation mark that is never closed, or a line break within a cell",
        )
    if rows and "icd10" not in rows[0]:
        rows, why = [], ": line 1 does not name the column icd10"
    codes = [(row.get("icd10") or "").strip().upper() for row in rows]
    wrong = [i for i, code in enumerate(codes, start=2) if not CODE.fullmatch(code)]
    if not codes or wrong:
        raise InputError(
            Problem(
                "D373",
                f"{path.name} is not a list of ICD-10 codes{why}"
                + (f": lines {', '.join(map(str, wrong[:10]))}" if wrong else ""),
                where="counting.code_list",
                allowed="a CSV with the column icd10: K70, F10.2",
                do="write one code a line; three characters stand for a whole category",
            )
        )
    return tuple(sorted({code.replace(".", "") for code in codes}))


def _cells(row: Mapping[str, Any]) -> list[str]:
    """The cells of a row, those beyond the header included."""
    return [part for cell in row.values() for part in (cell if isinstance(cell, list) else [cell or ""])]


def lists_for(config: RunConfig, seen: Sequence[str]) -> dict[str, list[str]]:
    """By list: the codes of the data that belong to it, for every list that the study needs."""
    own = config.counting.code_list
    lists = {"alcohol_specific": codes_in_list(seen, own_list(config.path(own)) if own else alcohol_specific_list())}
    patterns = co_occurring_patterns()
    wanted = [*CO_OCCURRING, *(NOT_READMISSIONS if config.outcomes_asked & READMISSION_OUTCOMES else ())]
    for name in wanted:
        lists[name] = [code for code in seen if patterns[name].match(plain_code(code))]
    if config.cohort is not None:
        for name, codes in (("listed", config.cohort.codes), ("excluded", config.cohort.exclude_codes)):
            if codes:
                lists[name] = codes_in_list(seen, [c.replace(".", "") for c in codes])
    if config.outcomes_asked & ATTRIBUTABLE_OUTCOMES:
        lists |= {name: [c for c in seen if p.match(plain_code(c))] for name, p in _fraction_patterns().items()}
    return lists


@cache
def _fraction_patterns() -> dict[str, re.Pattern[str]]:
    """By condition: the pattern of its codes. Wholly attributable codes are conditions too, external causes apart."""
    patterns = {row["condition"]: re.compile(row["pattern"]) for row in _rows("attributable_fractions_2020")}
    wholly = alcohol_specific_list()
    for name, external in (("wholly", False), ("wholly_external", True)):
        codes = [c for c in wholly if (c[0] in "VWXY") == external]
        patterns[name] = re.compile("|".join(codes))
    return patterns


def fraction_table() -> pd.DataFrame:
    """`condition`, `external` (0/1), `sex`, `age_from`, `age_to` (not included) and `fraction`, only fractions above 0.

    A negative fraction means protection, which is not counted against an admission; so it is as if there was none.
    """
    rows = []
    for row in _rows("attributable_fractions_2020"):
        for age, column in zip(AGES, AGE_COLUMNS, strict=True):
            value = float(row[column] or 0)
            if value > 0:
                rows.append((row["condition"], int(row["external"]), row["sex"], age, value))
    for name, external in (("wholly", 0), ("wholly_external", 1)):
        rows += [(name, external, sex, age, 1.0) for sex in ("1", "2") for age in AGES]
    ends = dict(zip(AGES, (*AGES[1:], 1000), strict=True))
    frame = pd.DataFrame(rows, columns=["condition", "external", "sex", "age_from", "fraction"])
    frame["age_to"] = frame["age_from"].map(ends)
    return frame.astype({"condition": "string", "sex": "string"})


def match_lists(engine: Engine, config: RunConfig) -> None:
    """Makes `coded_diagnoses` (row, list, position): every diagnosis in a list, in one pass over the episodes."""
    engine.match_codes(
        "episodes_read", lists_for(config, engine.distinct_codes("episodes_read")), makes="coded_diagnoses"
    )
    engine.run("alcohol_episodes", positions=config.counting.positions)


def make_coded(engine: Engine, config: RunConfig) -> dict[str, str]:
    """The small tables made from `coded_diagnoses` once there are stays; their names.

    `first_coded` (person, list, since) always; `stay_codes` and `attributable_episodes` when an outcome or rule needs them.
    """
    positions = config.counting.positions
    names = {"first_coded": "first_coded"}
    engine.run("first_coded", positions=positions)
    if config.outcomes_asked & READMISSION_OUTCOMES or (config.cohort is not None and config.cohort.codes):
        engine.run("stay_codes", positions=positions)
        names["stay_codes"] = "stay_codes"
    if config.outcomes_asked & ATTRIBUTABLE_OUTCOMES:
        engine.put("fractions", fraction_table())
        engine.run("attributable_episodes")
        names["attributable_episodes"] = "attributable_episodes"
    return names
