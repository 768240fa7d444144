"""What a reader who knows every rule of disclosure control can work out of the released files of one run.

Each function returns what it worked out, in words; nothing is what a test hopes for. The exact tables say only where to look: a count is
given away where every other count that it could have been would have left as something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd

from aaot_eval.disclosure import Rules, control
from aaot_eval.schema import ColumnSpec, TableSchema, table_schema

AROUND = 4
"""Exact numbers of people tried on either side: more than the rounding of a count hides."""
WHOLE = 1e-6
LARGEST = 300
"""Whole numbers of which a long decimal number is tried to be the quotient: counts of a small study."""
DIGITS = 7

Tables = Mapping[str, pd.DataFrame]


def number(frame: pd.DataFrame, column: str) -> np.ndarray:
    """A column as floats; NaN where a cell is hidden, empty or words."""
    return pd.to_numeric(frame[column], errors="coerce").astype("Float64").to_numpy(dtype=float, na_value=np.nan)


def counts_from_means(exact: Tables, profile: str) -> list[str]:
    """Counts that follow from a mean, a share or a rate and the rounded number that it is over.

    Wherever an exact value times an exact number of the same row is a whole number, that product is a count. All pairs of a number and a
    count near the true ones are sent through disclosure control; those that come out as what was released are what it may have been.
    Rows over the same number have it in common, which is what makes a table of many rows tell more than its rows.
    """
    found = []
    for name, frame in exact.items():
        schema = table_schema("release", name)
        shown = control({name: frame}, {}, profile=profile).tables[name] if len(frame) else frame
        if len(shown) != len(frame):
            continue
        for over, mean in _pairs(schema, frame):
            n, value = number(frame, over), number(frame, mean)
            with np.errstate(invalid="ignore"):
                counted = (
                    (n > 0)
                    & (np.abs(value * n) >= 1 - WHOLE)
                    & (np.abs(value * n - np.round(value * n)) < WHOLE * np.maximum(n, 1))
                )
            counted &= ~np.isnan(number(shown, mean))
            for rows in _same(frame, counted, n):
                tried = {row: _preimages(name, frame, row, over, mean, profile) for row in rows}
                common = set.intersection(*(set(t) for t in tried.values()))
                for row, t in tried.items():
                    possible = {k for number_of, ks in t.items() if number_of in common for k in ks}
                    if len(possible) == 1:
                        found.append(f"{name}.{mean} x {over}, row {row}: {possible.pop()}")
    return found


def _pairs(schema: TableSchema, frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    def of(*kinds: str) -> list[ColumnSpec]:
        return [
            s
            for s in schema.columns
            if s.name in frame and s.type in ("integer", "number") and s.extra["control"] in kinds
        ]

    for over, mean in product(of("people", "events", "persons", "kept"), of("statistic", "model")):
        ratio = mean.extra.get("ratio")
        if not mean.extra.get("round") and (ratio is None or (len(ratio) == 2 and ratio[1] == over.name)):
            yield over.name, mean.name


def _same(frame: pd.DataFrame, counted: np.ndarray, n: np.ndarray) -> list[np.ndarray]:
    """The rows that are over the same number, by analysis."""
    rows = np.flatnonzero(counted)
    by = pd.DataFrame({"analysis": frame["analysis"].astype(str) if "analysis" in frame else "", "n": n}).iloc[rows]
    return [rows[places] for places in by.groupby(["analysis", "n"]).indices.values()]


def _preimages(name: str, frame: pd.DataFrame, row: int, over: str, mean: str, profile: str) -> dict[float, set[int]]:
    """The numbers and counts near the true ones that leave as this row did."""
    ratio = table_schema("release", name)[mean].extra.get("ratio")
    true, value = number(frame, over)[row], number(frame, mean)[row]
    step = 1.0 if true % 1 == 0 else 0.25
    near = [n for n in true + step * np.arange(-AROUND / step, AROUND / step + 1) if n > 0]
    worlds = [(n, k) for n in near for k in range(max(1, round(value * n) - 9), round(value * n) + 10)]
    candidates = pd.concat([frame.iloc[[row]]] * (len(worlds) + 1), ignore_index=True)
    candidates[over] = [true, *(n for n, _ in worlds)]
    candidates[mean] = [value, *(k / n for n, k in worlds)]
    if ratio is not None:
        candidates[ratio[0]] = [number(frame, ratio[0])[row], *(float(k) for _, k in worlds)]
    released = control({name: candidates}, {}, profile=profile).tables[name]
    seen = released[[c for c in (over, mean, *(ratio or ())) if c in released]].astype(str).agg("|".join, axis=1)
    same: dict[float, set[int]] = {}
    for (n, k), text in zip(worlds, seen[1:], strict=True):
        if text == seen[0]:
            same.setdefault(float(n), set()).add(k)
    return same


def fractions(released: Tables) -> list[str]:
    """Long numbers that are the quotient of two whole numbers of a small study, and of no other two.

    Numbers entered, p-values (shares of the assignments, which are public) and quotients of two released counts are left aside.
    """
    found = []
    for name, frame in released.items():
        schema = table_schema("release", name)
        for spec in (schema[c] for c in frame):
            if (
                spec.type != "number"
                or spec.extra["control"] == "none"
                or spec.extra.get("format") == "p"
                or "ratio" in spec.extra
            ):
                continue
            for cell in frame[spec.name].astype(str):
                digits = cell.lstrip("-0.").replace(".", "")
                if "." in cell and digits.isdigit() and len(digits) >= DIGITS:
                    near = Fraction(cell).limit_denominator(LARGEST)
                    if (
                        near.denominator > 1
                        and abs(near.numerator) <= LARGEST
                        and abs(near - Fraction(cell)) < abs(Fraction(cell)) / 10**9
                    ):
                        found.append(f"{name}.{spec.name}: {cell} is {near}")
    return found


def money_from_money(exact: Tables, released: Tables) -> list[str]:
    """Exact costs per patient-year that are a sum, a difference or a quotient of two released amounts.

    With public prices such a cost tells how many of each kind of stay are in it.
    """
    lines = exact["cost_items"]
    secrets = {str(i): c for i, c in zip(lines["item"], lines["cost"], strict=True)}
    gross = [v for v in number(released["saving"], "gross") if not np.isnan(v)]
    found = []
    for name in (
        "cost_waterfall",
        "saving",
        "break_even",
        "solve_for",
        "benefit_lines",
        "patient_groups",
        "cost_items",
    ):
        frame, schema = released[name], table_schema("release", name)
        columns = [c for c in frame if schema[c].type == "number"]
        values = [float(v) for c in columns for v in number(frame, c) if v and not np.isnan(v)]
        told = [a + sign * b for a, b in product(values, values) for sign in (1, -1)]
        told += [g / v - g for g, v in product(gross, values) if 0 < abs(v) < 1]
        for what, secret in secrets.items():
            close = [t for t in (*values, *told) if abs(t - secret) < max(0.006, abs(secret) * 1e-6)]
            if close and not np.isclose(secret, float(f"{secret:.3g}")):
                found.append(f"{name}: {what} costs {secret}")
    return found


def hidden_parts(released: Tables, profile: str) -> list[str]:
    """Hidden counts that are the one number left by a total and the other parts, each rounded on its own."""
    rules, found = Rules.of(profile), []
    for name, frame in released.items():
        schema = table_schema("release", name)
        if not (rule := schema.extra.get("total")):
            continue
        for spec in schema.columns:
            if spec.extra["control"] != "people" or spec.name not in frame:
                continue
            whole = frame[rule["column"]] == rule["value"]
            parts, total = frame.loc[~whole, spec.name].astype(str), number(frame[whole], spec.name)
            hidden = parts == rules.symbol
            if hidden.sum() != 1 or len(total) != 1 or np.isnan(total[0]):
                continue
            left = _could_be(total[0], pd.to_numeric(parts[~hidden]).to_numpy(dtype=float), rules)
            if len(left) == 1:
                found.append(f"{name}.{spec.name}: {left.pop()}")
    return found


def _could_be(total: float, parts: np.ndarray, rules: Rules) -> set[int]:
    def exact(shown: float) -> range:
        half = rules.base // 2
        low = 0 if shown == 0 else max(int(shown) - half, rules.high + 1)
        return range(low, 1 if shown == 0 else int(shown) + half + 1)

    least, most = sum(exact(p)[0] for p in parts), sum(exact(p)[-1] for p in parts)
    return {h for h in range(1, rules.high + 1) if any(least <= t - h <= most for t in exact(total))}
