"""Moves a cost from one price year to another by a named index whose edition is recorded."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from aaot_eval.config import RunConfig
from aaot_eval.costs.price_files import LEAST, MOST, Line, Refusals, plain_number, split_rows
from aaot_eval.errors import InputError, Problem
from aaot_eval.findings import Finding
from aaot_eval.schema import shipped

COLUMNS = ("year", "measure", "value", "status", "edition", "source")
MEASURES = ("index", "percent_change")
SHARES_BELOW = 0.2
"""Per cent in a year: an index whose every change is smaller was probably written in shares, 0.031 for 3.1 %."""
SHARES = f"every percent_change is below {SHARES_BELOW:g} %: write 3.1 for 3.1 %, not 0.031"
MOST_CHANGE = 100.0  # per cent in a year; more is a level in the wrong column


@dataclass(frozen=True, slots=True)
class PriceIndex:
    """Price levels by financial year, on any base, and where they come from.

    The level of a year outside the index is not known: `factor` raises InputError and never returns 1 for it.
    """

    name: str
    levels: Mapping[str, float]
    status: Mapping[str, str]
    edition: str
    source: str
    findings: tuple[Finding, ...] = ()

    def knows(self, year: str) -> bool:
        """Whether the index holds the year."""
        return year in self.levels

    @property
    def span(self) -> str:
        """The years held, in words."""
        years = sorted(self.levels)
        return f"{years[0]} to {years[-1]}"

    def factor(self, from_year: str, to_year: str) -> float:
        """What moves a cost from prices of `from_year` to prices of `to_year`; the same year gives exactly 1."""
        outside = [y for y in (from_year, to_year) if not self.knows(y)]
        if outside:
            raise InputError(self.without(outside[0]))
        return 1.0 if from_year == to_year else self.levels[to_year] / self.levels[from_year]

    def without(self, year: str, where: str = "") -> Problem:
        """The refusal of a price year that the index does not hold."""
        what = f"the price year {year} is not in the index {self.name}"
        return Problem("P411", what, where, allowed=self.span, do="use another price year, or an index that holds it")

    def refused(self, line: Line, refusals: Refusals, *, do: str) -> bool:
        """Whether the price year of a line is none, or not in the index, and so refused; `do` mends one that is none."""
        year = line["price_year"]
        if not is_financial_year(year):
            what = "price_year is not a financial year" if year else "price_year is empty"
            refusals.add("P408", what, line, "price_year", allowed="such as 2024/25", do=do)
        elif not self.knows(year):
            refusals.problems.append(self.without(year, refusals.place(line, "price_year")))
        else:
            return False
        return True

    def forecast(self, year: str) -> bool:
        """Whether the level of the year is a forecast."""
        return self.status.get(year, "") == "forecast"


def is_financial_year(text: str) -> bool:
    """Whether the text is a financial year such as 2024/25, the second year following the first.

    >>> is_financial_year("2024/25"), is_financial_year("2024/26"), is_financial_year("2024")
    (True, False, False)
    """
    return bool(re.fullmatch(r"\d{4}/\d{2}", text)) and (int(text[:4]) + 1) % 100 == int(text[5:])


def load_index(name: str, config: RunConfig) -> PriceIndex:
    """The shipped index of that name, else the user's CSV: year, measure, value (and status, edition, source).

    `measure` is `index` (a level on any base) or `percent_change` (the change into the named year, so that the year
    before the first row is known too). Raises InputError (P412) with everything that is wrong.
    """
    home = shipped("data_schemas") / "prices"
    path = config.path(name) if name.lower().endswith(".csv") else home / f"{name}.csv"
    refusals = Refusals(path.name)
    if not path.is_file():
        known = sorted(p.stem for p in home.glob("*.csv"))
        near = difflib.get_close_matches(name, known, n=1)
        raise InputError(
            Problem(
                "P410",
                f"there is no price index {name!r}",
                where="config key costs.price_index",
                allowed=f"{', '.join(known)}, or the path of a .csv file",
                do=f"did you mean {near[0]!r}?" if near else "check the name or the path",
            )
        )
    lines = _rows(path, refusals)
    refusals.raise_any()
    levels = _levels(lines, refusals)
    refusals.raise_any()
    changes = [abs(plain_number(line["value"])) for line in lines if line["measure"] == "percent_change"]
    shares = bool(changes) and 0 < max(changes) < SHARES_BELOW
    return PriceIndex(
        name=name,
        levels=levels,
        status={line["year"]: line["status"].lower() for line in lines},
        edition="; ".join(dict.fromkeys(line["edition"] for line in lines if line["edition"])) or "not stated",
        source="; ".join(dict.fromkeys(line["source"] for line in lines if line["source"])) or path.name,
        findings=(Finding("D399", where=f"{path.name}, column value", detail=SHARES),) if shares else (),
    )


def _rows(path: Path, refusals: Refusals) -> list[Line]:
    rows = split_rows(path, COLUMNS[:3], refusals, code="P412")
    if not rows:
        return []
    header = [name.strip() for name in rows[0][1]]
    missing = [c for c in COLUMNS[:3] if c not in header]
    for column in missing:
        refusals.add(
            "P412", f"the column {column!r} is missing", None, "", allowed=", ".join(COLUMNS), do="add the column"
        )
    if missing:
        return []
    cells = ((at, [cell.strip() for cell in row]) for at, row in rows[1:])
    return [Line(at, dict(zip(header, row, strict=False))) for at, row in cells if any(row)]


def _levels(lines: list[Line], refusals: Refusals) -> dict[str, float]:
    values: dict[str, float] = {}
    for line in lines:
        year = line["year"]
        if not is_financial_year(year):
            refusals.add(
                "P412", "the year is not a financial year", line, "year", allowed="such as 2024/25", do="mend the year"
            )
        elif year in values:
            refusals.add("P412", f"the year {year} stands twice", line, "year", do="keep one edition of the index")
        else:
            values[year] = _value(line, refusals)
    measures = {line["measure"] for line in lines}
    if len(measures) != 1 or not measures <= set(MEASURES):
        refusals.add(
            "P412",
            "the measure is not one and the same known word in every row",
            None,
            "measure",
            allowed=" or ".join(MEASURES),
            do="keep rows of one measure",
        )
    years = sorted(values)
    for before, after in pairwise(years):
        if int(after[:4]) != int(before[:4]) + 1:
            refusals.add(
                "P412", f"there is a gap between {before} and {after}", None, "year", do="add the years between"
            )
    if refusals.problems or not years:
        return {}
    if measures == {"index"}:
        return {year: values[year] for year in years}
    levels = {_year_before(years[0]): 1.0}
    level = 1.0
    for year in years:
        level *= 1 + values[year] / 100
        levels[year] = level
    return levels


def _value(line: Line, refusals: Refusals) -> float:
    value = plain_number(line["value"])
    sound = LEAST < value < MOST if line["measure"] == "index" else -50 < value < MOST_CHANGE
    if not sound:
        refusals.add(
            "P412", "the value is not a level above 0, or not a change in per cent", line, "value", do="mend the value"
        )
    return value


def _year_before(year: str) -> str:
    first = int(year[:4]) - 1
    return f"{first}/{(first + 1) % 100:02d}"
