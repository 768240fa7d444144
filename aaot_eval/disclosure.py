"""What may leave: exact tables in, tables a data owner lets go out.

Which treatment a column gets stands in `data_schemas/release/<table>.json` (`aaot:control`), the numbers of
the rule set in `data_schemas/disclosure/<profile>.toml`; the rules are those of the data owners named there.

    none          as it is: words, and counts of sites, periods and site-months, which are no people
    model         a result of a model. One that follows the counts closely enough to give them away is made as
                  coarse as they are: `aaot:round_like` rounds it like that column (sums of fitted counts are the
                  exact sums), `aaot:decimals` and `aaot:digits` keep so many decimals and significant figures
                  (two ends of an interval, or a quotient, give back the exact number between or behind them)
    people        a count of people: hidden from `hide_from` to `hide_to`, else rounded
    persons       a count of people kept only to control other columns: never released
    kept          another number kept only to control other columns: never released
    events        a count with `aaot:persons` people behind it: hidden when they are, or when it is as small
                  itself (n events have at most n people behind them), else rounded; a sum of prices (an outcome that
                  ends in "cost") keeps three significant figures
    statistic     hidden when the counts it rests on are hidden (`aaot:persons`). `aaot:round`: rounded like a
                  count (person-years of people all seen for one year are a count of people). `aaot:ratio`
                  [top, bottom]: made again from the released top and bottom, so that it gives neither away.
                  `aaot:step`: a mean or share over such a count, shown in steps of the rounding over the released count: times
                  the count it is no finer than a rounded count is. `aaot:few`: the same mean is hidden where it is a sum of so
                  few. `aaot:within`: the part of it that stands in that column is an exact mean of prices and keeps three
                  significant figures, the rest stays, so that amounts still add up.
                  `aaot:decimals` and `aaot:digits` as above; digits by unit ({"share": 3}) where a column has several

Two rules concern whole rows. Where the amounts of the lines add up to that of another row (`aaot:adds_up`), a hidden line
takes others with it, until what is left by subtraction is no longer that of few people alone, whatever the profile. A row about
something that another table hides (`aaot:leaves_with`) does not leave.

A table or column without a schema is refused, so that nothing new leaves unseen.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.errors import DisclosureError, Problem
from aaot_eval.nhs_number import is_nhs_number
from aaot_eval.results import Release
from aaot_eval.schema import (
    ColumnSpec,
    TableSchema,
    disclosure_profile,
    disclosure_profiles,
    schema_names,
    table_schema,
)

CONTROLS = ("none", "model", "people", "persons", "kept", "events", "statistic")
#: Columns that control others and never leave.
STAY = ("persons", "kept")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
#: Input files whose rows are no people.
NOT_ABOUT_PEOPLE = ("sites", "unit_costs", "programme", "prices", "panel")

#: Significant figures of a fitted or expected count; large ones are coarser than the rounding of counts.
MODEL_DIGITS = 3
#: Significant figures of a quotient of two released numbers: as many as a CSV file holds.
RATIO_DIGITS = 10

Mask = np.ndarray
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
_TEN_DIGITS = re.compile(r"(?<![0-9A-Za-z.])\d{3}[ -]?\d{3}[ -]?\d{4}(?![0-9A-Za-z])")


@dataclass(frozen=True, slots=True)
class Rules:
    """A data owner's numbers. `base` 1 leaves a count as it is."""

    low: int
    high: int
    base: int
    rebuilt_totals: bool
    secondary: bool
    symbol: str

    @classmethod
    def of(cls, profile: str, *, national: bool = False) -> Rules:
        """The rules of a profile; figures of a whole nation are under none."""
        p = disclosure_profile("none" if national else profile)
        low = min(int(p["hide_from"]), 0) if p["zero"] == "hidden" else max(int(p["hide_from"]), 1)
        return cls(
            low,
            int(p["hide_to"]),
            int(p["round_to"]),
            p["totals"] == "rebuilt",
            bool(p["secondary"]),
            str(p["symbol"]),
        )

    def hides(self, counts: np.ndarray) -> Mask:
        """Which counts are too small to show; an unknown count is not."""
        with np.errstate(invalid="ignore"):
            small: Mask = (counts >= self.low) & (counts <= self.high)
            if self.low > 0:  # half a person is still one person
                small |= (counts > 0) & (counts < self.low) & (self.high >= self.low)
        return small

    def round(self, values: np.ndarray) -> np.ndarray:
        """To the nearest multiple of the base (up at a tie, which whole numbers and base 5 never make)."""
        return values if self.base <= 1 else np.floor(values / self.base + 0.5) * self.base


def control(
    tables: Mapping[str, pd.DataFrame], meta: Mapping[str, Any], *, profile: str, national: bool = False
) -> Release:
    """The tables as they may leave under a disclosure profile, with the facts of the run.

    A column with a hidden cell holds text and numbers (dtype object); one without stays numeric. `hidden`
    counts the hidden cells of each table. `meta` gains `profile` and `disclosure`; the sizes of its `sources`
    are controlled too.
    `national=True`: figures of a whole nation, to which no rounding applies.

    Raises DisclosureError (exit 6) with every problem at once: a table or column without a schema, a control
    that cannot be carried out, a text that holds a valid NHS number.
    """
    if profile not in disclosure_profiles():
        raise DisclosureError(
            Problem(
                "R600",
                f"there is no disclosure profile {profile!r}",
                allowed=", ".join(disclosure_profiles()),
                do="name one of them under [disclosure]",
            )
        )
    problems = [p for name, frame in tables.items() for p in objections(name, frame)]
    if problems:
        raise DisclosureError(*problems)
    rules = Rules.of(profile, national=national)
    done = {
        name: _Table(table_schema("release", name), frame.reset_index(drop=True), rules)
        for name, frame in tables.items()
    }
    for name, frame in tables.items():
        if (rule := table_schema("release", name).extra.get("leaves_with")) and rules.low <= rules.high:
            left = _without_hidden(frame, str(rule["column"]), done.get(str(rule["table"])))
            done[name] = _Table(table_schema("release", name), left, rules)
    return Release(
        tables={name: t.released() for name, t in done.items()},
        meta=_controlled_meta(meta, rules, profile, national),
        hidden={name: t.hidden() for name, t in done.items()},
        profile=profile,
    )


def _without_hidden(frame: pd.DataFrame, column: str, other: _Table | None) -> pd.DataFrame:
    """The rows but those about something that the other table hides, or does not show; `order` has no gap to tell of them."""
    about = frame[column].fillna("").astype(str)
    kept = frame[about.isin(["", *(other.shown_rows(column) if other else ())])].reset_index(drop=True)
    return kept.assign(order=np.arange(1, len(kept) + 1)) if "order" in kept else kept


def objections(name: str, frame: pd.DataFrame) -> list[Problem]:
    """Why a table may not leave; empty when control can be carried out on it."""
    if name not in schema_names("release"):
        return [
            Problem(
                "R601",
                f"the table {name!r} has no schema",
                where="data_schemas/release",
                allowed=", ".join(schema_names("release")),
                do=f"describe it in data_schemas/release/{name}.json",
            )
        ]
    schema, where = table_schema("release", name), f"data_schemas/release/{name}.json"
    found = []
    rule = schema.extra.get("leaves_with")
    if rule and rule["column"] not in frame.columns:
        found.append(_resting(name, rule["column"], where, f"the table {name}"))
    for column in map(str, frame.columns):
        if column not in schema.names:
            found.append(
                Problem(
                    "R602",
                    f"the column {name}.{column} has no schema",
                    where=where,
                    allowed=", ".join(schema.names),
                    do="describe it, or leave it out of the table",
                )
            )
            continue
        spec = schema[column]
        if spec.extra.get("control") not in CONTROLS or (spec.extra["control"] == "events" and not _needs(spec)):
            found.append(
                Problem(
                    "R603",
                    f"the column {name}.{column} does not say how it is controlled",
                    where=where,
                    allowed=", ".join(CONTROLS),
                    do="give it aaot:control",
                )
            )
        found += [
            _resting(name, needed, where, f"the column {name}.{column}")
            for needed in _needs(spec)
            if needed not in frame.columns
        ]
        if spec.type == "string" and any(holds_nhs_number(str(text)) for text in frame[column].dropna().unique()):
            found.append(
                Problem(
                    "R605",
                    f"the column {name}.{column} holds a number that is a valid NHS number",
                    do="find out how an identifier came into a table of results; nothing was released",
                )
            )
    return found


def _resting(name: str, needed: str, where: str, what: str) -> Problem:
    return Problem(
        "R604",
        f"{what} rests on {needed!r}, which the table does not have",
        where=where,
        do=f"give the table {name} its column {needed!r}",
    )


def _needs(spec: ColumnSpec) -> list[str]:
    rests = (spec.extra.get(key) for key in ("persons", "step", "few", "within"))
    return [*dict.fromkeys([*filter(None, rests), *spec.extra.get("ratio", ())])]


def holds_nhs_number(text: str) -> bool:
    """Whether ten digits of a text are a valid NHS number."""
    return any(is_nhs_number(m.group()) for m in _TEN_DIGITS.finditer(text))


@dataclass
class _Table:
    """One table under control: `masks` says which cells are hidden, `values` what the others become."""

    schema: TableSchema
    frame: pd.DataFrame
    rules: Rules
    masks: dict[str, Mask] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.specs = [self.schema[str(c)] for c in self.frame.columns]
        for spec in self._of("people", "persons"):
            self.masks[spec.name] = self.rules.hides(self._exact(spec.name))
        for spec in self._of("events"):
            self.masks[spec.name] = self._few_events(spec)
        if self.rules.secondary:
            for spec in self._of("people", "events"):
                self._hide_a_second(spec.name)
        if "adds_up" in self.schema.extra:
            for spec in self._of("people"):
                self._hide_with_others(spec.name)
        for spec in self._of("events"):
            self.masks[spec.name] |= self._behind(spec)
        for spec in self._of("people", "events"):
            self.values[spec.name] = self._rounded(spec)
        for spec in self._of("statistic"):
            self._statistic(spec)
        if self.rules.base > 1:
            for spec in self._of("model"):
                self._coarse(spec)

    def released(self) -> pd.DataFrame:
        """The table without the columns that stay, hidden cells as the symbol."""
        keep = [s for s in self.specs if s.extra["control"] not in STAY]
        return pd.DataFrame({s.name: self._column(s) for s in keep}, index=self.frame.index)

    def hidden(self) -> int:
        """How many released cells are hidden."""
        return sum(int(self.masks[s.name].sum()) for s in self._of("people", "events", "statistic"))

    def shown_rows(self, column: str) -> set[str]:
        """What the rows without a hidden cell are about."""
        cells = [mask for name, mask in self.masks.items() if name != column]
        clear = ~np.any(cells, axis=0) if cells else np.ones(len(self.frame), dtype=bool)
        return set(self.frame.loc[clear, column].astype(str))

    def _of(self, *kinds: str) -> list[ColumnSpec]:
        return [s for s in self.specs if s.extra["control"] in kinds]

    def _exact(self, column: str) -> np.ndarray:
        numbers = pd.to_numeric(self.frame[column], errors="coerce").astype("Float64")
        return np.asarray(numbers.to_numpy(dtype=float, na_value=np.nan))

    def _behind(self, spec: ColumnSpec) -> Mask:
        """Which cells rest on a hidden count of people."""
        persons = spec.extra.get("persons")
        return self.masks[persons].copy() if persons else np.zeros(len(self.frame), dtype=bool)

    def _few_events(self, spec: ColumnSpec) -> Mask:
        # n events have at most n people behind them, so a count as small as a hidden one is hidden with it.
        few = self.rules.hides(self._exact(spec.name))
        hidden: Mask = (self._behind(spec) | few) & ~self._no_count(spec)
        return hidden

    def _no_count(self, spec: ColumnSpec) -> Mask:
        """Which cells of an events column count nobody: a share of an aggregated panel.

        Where the people behind whole numbers are unknown, each event is treated as one person.
        """
        persons = self._exact(spec.extra["persons"])
        unknown: Mask = np.isnan(persons)
        values = self._exact(spec.name)
        broken = pd.Series(unknown & ~np.isnan(values) & (values % 1 != 0))
        no_count: Mask = np.asarray(broken.groupby(self._groups()).transform("any"), dtype=bool) & unknown
        return no_count

    def _groups(self) -> np.ndarray:
        by = [c for c in self.schema.extra.get("group", ()) if c in self.frame.columns]
        if not by:
            return np.zeros(len(self.frame), dtype=int)
        return np.asarray(self.frame.groupby(by, dropna=False, sort=False).ngroup())

    def _is_total(self, key: str = "total") -> Mask:
        """The rows that add up the others, as the schema says (`aaot:total`; of amounts only: `aaot:adds_up`)."""
        rule = self.schema.extra.get(key)
        if not rule or rule["column"] not in self.frame:
            return np.zeros(len(self.frame), dtype=bool)
        return np.asarray(self.frame[rule["column"]] == rule["value"], dtype=bool)

    def _hide_a_second(self, column: str) -> None:
        """Hide the next smallest count of a group in which one alone is hidden: subtraction would show it."""
        counts, mask, groups = self._exact(column), self.masks[column], self._groups()
        parts = ~self._is_total() & ~np.isnan(counts)
        for group in np.unique(groups):
            inside = parts & (groups == group)
            others = np.flatnonzero(inside & ~mask & (counts > 0))
            if (inside & mask).sum() == 1 and len(others):
                mask[others[np.argmin(counts[others])]] = True

    def _hide_with_others(self, column: str) -> None:
        """Hide the line of next fewest people as well while every hidden one is of few: the total less the rest is then of more."""
        counts, mask = self._exact(column), self.masks[column]
        few = self.rules.hides(counts)
        parts = ~self._is_total("adds_up") & ~np.isnan(counts)
        others = np.flatnonzero(parts & ~mask & (counts > 0))
        if (parts & few).any() and not (parts & mask & ~few).any() and len(others):
            mask[others[np.argmin(counts[others])]] = True

    def _rounded(self, spec: ColumnSpec) -> np.ndarray:
        exact = self._exact(spec.name)
        values = self.rules.round(exact)
        if spec.extra["control"] == "events":
            values = np.where(self._no_count(spec), exact, values)
            values = np.where(self._is_cost() & (self.rules.base > 1), _figures(exact, MODEL_DIGITS), values)
        return self._totals(spec.name, values)

    def _is_cost(self) -> Mask:
        """The rows that add up prices: to the nearest few pounds such a sum would tell which stays it holds."""
        if "outcome" not in self.frame:
            return np.zeros(len(self.frame), dtype=bool)
        return np.asarray(self.frame["outcome"].astype(str).str.endswith("cost"), dtype=bool)

    def _totals(self, column: str, values: np.ndarray) -> np.ndarray:
        """Totals made again from what is shown of their parts, where the profile wants them so."""
        total, mask = self._is_total(), self.masks[column]
        if self.rules.rebuilt_totals and total.any():
            groups = self._groups()
            for row in np.flatnonzero(total):
                parts = ~total & (groups == groups[row]) & ~np.isnan(values)
                if parts.any():
                    values[row] = values[parts & ~mask].sum()
                    mask[row] = not (parts & ~mask).any()
        return values

    def _statistic(self, spec: ColumnSpec) -> None:
        exact, mask = self._exact(spec.name), self._behind(spec)
        values = exact.copy()
        if spec.extra.get("round"):
            values = self.rules.round(exact)
        for power, base in zip((1, -1), spec.extra.get("ratio", ()), strict=False):
            if base in self.values:
                shown, true = self.values[base], self._exact(base)
                mask |= self.masks[base] | ((power < 0) & (shown == 0) & (true > 0))
                with np.errstate(divide="ignore", invalid="ignore"):
                    values = np.where((true == 0) | np.isnan(true), values, values * (shown / true) ** power)
        if few := spec.extra.get("few"):
            mask |= self.rules.hides(np.round(exact * self._exact(few), 6))
        if self.rules.base > 1:
            if step := spec.extra.get("step"):
                over = self.rules.round(self._exact(step))
                total = self.rules.round(np.round(values * over, 6))
                mask |= over == 0
                if few:  # one step is fewer than a count that is shown can be, and would tell that it is the least
                    mask |= self.rules.hides(total)
                with np.errstate(divide="ignore", invalid="ignore"):
                    values = np.where(np.isnan(over), values, total / over)
            if spec.extra.get("ratio"):  # the last of sixteen figures would tell which exact numbers it was made from
                values = _figures(values, RATIO_DIGITS)
            if within := spec.extra.get("within"):
                part = self._exact(within)
                values = np.round(values - part + _figures(part, MODEL_DIGITS), 2)
            values = self._shortened(values, spec)
        self.masks[spec.name] = mask & ~np.isnan(exact)
        self.values[spec.name] = self._totals(spec.name, values) if spec.extra.get("round") else values

    def _coarse(self, spec: ColumnSpec) -> None:
        """A result of a model no finer than the counts it could give away."""
        like = spec.extra.get("round_like")
        if not (like in self.values or {"decimals", "digits"} & spec.extra.keys()):
            return
        exact = self._exact(spec.name)
        values = exact
        if like in self.values:
            coarse = self.rules.round(_figures(exact, MODEL_DIGITS))
            values = np.where(self._without_people(spec, exact), exact, coarse)
        self.masks[spec.name] = np.zeros(len(exact), dtype=bool)
        self.values[spec.name] = self._shortened(values, spec)

    def _shortened(self, values: np.ndarray, spec: ColumnSpec) -> np.ndarray:
        if "decimals" in spec.extra:
            values = np.round(values, int(spec.extra["decimals"]))
        digits = spec.extra.get("digits")
        if isinstance(digits, Mapping):
            for unit, many in digits.items():
                values = np.where(self.frame["unit"] == unit, _figures(values, int(many)), values)
        elif digits:
            values = _figures(values, int(digits))
        return values

    def _without_people(self, spec: ColumnSpec, exact: np.ndarray) -> Mask:
        """Which cells follow no count of people: shares, site-months, and a time at risk that is 1 throughout."""
        like = self.schema[spec.extra["round_like"]]
        if like.extra["control"] == "people":
            unknown: Mask = np.isnan(self._exact(like.name))
            return unknown
        ones = pd.Series(exact == 1).groupby(self._groups()).transform("all")
        free: Mask = self._no_count(like) | np.asarray(ones, dtype=bool)
        return free

    def _column(self, spec: ColumnSpec) -> pd.Series[Any]:
        if spec.name not in self.values:
            return self.frame[spec.name]
        values, mask = self.values[spec.name], self.masks[spec.name]
        whole = spec.type == "integer"
        if mask.any():
            cells = [self.rules.symbol if m else _cell(v, whole) for v, m in zip(values, mask, strict=True)]
            return pd.Series(cells, index=self.frame.index, dtype=object)
        shown = pd.Series(values, index=self.frame.index)
        return shown.astype("Int64") if whole else shown


def _cell(value: float, whole: bool) -> Any:
    if math.isnan(value):
        return None
    return int(value) if whole or (value % 1 == 0 and abs(value) < 1e15) else float(value)


def _figures(values: np.ndarray, digits: int) -> np.ndarray:
    return np.array([_significant(v, digits) for v in values], dtype=float)


def _significant(value: float, digits: int) -> float:
    return value if not math.isfinite(value) or value == 0 else float(f"{value:.{digits}g}")


def _controlled_meta(meta: Mapping[str, Any], rules: Rules, profile: str, national: bool) -> dict[str, Any]:
    p = disclosure_profile(profile)
    words = {
        "title": p["title"],
        "source": p["source"],
        "symbol": rules.symbol,
        "hide_from": max(rules.low, 0),
        "hide_to": rules.high,
        "round_to": rules.base,
        "national": national,
    }
    sources = [_controlled_source(s, rules) for s in meta.get("sources", ())]
    return {**meta, **({"sources": sources} if sources else {}), "profile": profile, "disclosure": words}


def _controlled_source(source: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """A caseload file of 23 rows is 23 people: the size of an input is a count like any other."""
    rows = source.get("rows")
    if rows is None or source.get("table") in NOT_ABOUT_PEOPLE:
        return dict(source)
    count = np.array([float(rows)])
    shown = rules.symbol if rules.hides(count)[0] else int(rules.round(count)[0])
    return {**{k: v for k, v in source.items() if k != "bytes"}, "rows": shown}


def csv_text(frame: pd.DataFrame) -> str:
    """The table as CSV (ten significant digits, empty = missing) that no spreadsheet takes for a formula.

    A text that starts with = + - @, a tab or a line end gets a leading apostrophe; a number stays a number.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_csv_value(str(c)) for c in frame.columns])
    columns: Sequence[list[Any]] = [frame[c].tolist() for c in frame.columns]
    writer.writerows([_csv_value(v) for v in row] for row in zip(*columns, strict=True))
    return out.getvalue()


def _csv_value(value: Any) -> str:
    text = _text(value)
    if text.lstrip(" ")[:1] in FORMULA_STARTS and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def _text(value: Any) -> str:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float | np.floating) else str(value)
