"""Published figures of the field, recomputed where their inputs are published.

The figures are facts quoted with their source in `data_schemas/published/figures.csv`; nothing computed by us stands in that
file. A figure whose inputs are not published is never said to be reproduced: what is missing is named instead.
"""

from __future__ import annotations

import csv
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import product
from statistics import NormalDist
from typing import Any

from aaot_eval.errors import Problem, UsageError
from aaot_eval.schema import shipped

REPRODUCED = "reproduced"
WITHIN_ROUNDING = "within rounding"
DIFFERS = "does not reproduce"
DERIVED = "cannot be recomputed: no figure printed"
NOT_RECOMPUTABLE = "cannot be recomputed"

VERDICTS = {
    REPRODUCED: "our value, rounded as printed, is the printed one",
    WITHIN_ROUNDING: "one unit of the last printed digit apart, or some inputs that round to the printed ones give it",
    DIFFERS: "the printed inputs do not give the printed figure",
    DERIVED: "what is missing is the printed figure itself; ours, from the printed inputs, stands beside nothing",
    NOT_RECOMPUTABLE: "inputs are not published",
}

Z95 = NormalDist().inv_cdf(0.975)
#: Rounding of an input moves it by up to half a unit of its last printed digit, either way.
CORNERS = (-0.5, 0.0, 0.5)


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure with ours beside it."""

    id: str
    study: str
    outcome: str
    printed: str
    unit: str
    formula: str
    inputs: Mapping[str, Any]
    missing: str
    note: str
    source: str
    ours: tuple[float, ...]
    verdict: str

    @property
    def ours_text(self) -> str:
        """Our value in one digit more than printed, so that rounding can be seen."""
        places = min(_decimals(self.printed) + 1, 4) if self.printed else 2
        return " or ".join(f"{value:,.{places}f}" for value in self.ours)

    def row(self) -> dict[str, Any]:
        """The figure as plain values."""
        names = ("id", "study", "outcome", "printed", "unit", "formula", "missing", "note", "source", "verdict")
        return {name: getattr(self, name) for name in names} | {"ours": list(self.ours), "inputs": dict(self.inputs)}


def published_figures(name: str | None = None) -> list[Figure]:
    """All figures in the order of the file, or the one called `name` (UsageError when there is none)."""
    path = shipped("data_schemas") / "published" / "figures.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        figures = [_figure(row) for row in csv.DictReader(lines)]
    if name is None:
        return figures
    chosen = [f for f in figures if f.id.casefold() == name.casefold()]
    if not chosen:
        raise UsageError(
            Problem("U006", f"there is no published figure {name!r}", allowed=", ".join(f.id for f in figures),
                    do="`aaot-eval reproduce` lists them")
        )  # fmt: skip
    return chosen


def _figure(row: Mapping[str, str]) -> Figure:
    inputs = json.loads(row["inputs"]) if row["inputs"] else {}
    ours = FORMULAS[row["formula"]](**inputs) if row["formula"] else ()
    verdict = _verdict(row["printed"], row["formula"], inputs, ours)
    return Figure(**{k: row[k] for k in _TEXTS}, inputs=inputs, ours=ours, verdict=verdict)


_TEXTS = ("id", "study", "outcome", "printed", "unit", "formula", "missing", "note", "source")


def _verdict(printed: str, formula: str, inputs: Mapping[str, Any], ours: tuple[float, ...]) -> str:
    if not ours:
        return NOT_RECOMPUTABLE
    if not printed:
        return DERIVED
    value = ours[0]
    if printed.startswith("<"):
        return REPRODUCED if value < float(printed[1:]) else DIFFERS
    unit = Decimal(1).scaleb(-_decimals(printed))
    gap = abs(Decimal(repr(value)).quantize(unit, ROUND_HALF_UP) - Decimal(printed))
    if gap == 0:
        return REPRODUCED
    if gap <= unit or (formula == "p_from_ci" and _reachable(printed, inputs)):
        return WITHIN_ROUNDING
    return DIFFERS


def _decimals(printed: str) -> int:
    return len(printed.split(".")[1]) if "." in printed else 0


# ---- Formulas -----------------------------------------------------------------------------------------------------------


def rate(events: float, people: float) -> tuple[float]:
    """Events per person."""
    return (events / people,)


def proportion(numerator: float, denominator: float) -> tuple[float]:
    """A share in per cent."""
    return (100 * numerator / denominator,)


def pct_change(pre: float, post: float) -> tuple[float]:
    """The change from `pre` to `post` in per cent of `pre`."""
    return (100 * (post - pre) / pre,)


def total(parts: Sequence[float]) -> tuple[float]:
    """The sum of the parts."""
    return (float(sum(parts)),)


def ratio(numerator: float, denominator: float) -> tuple[float]:
    """One number over another."""
    return (numerator / denominator,)


def difference(first: float, second: float) -> tuple[float]:
    """First less second."""
    return (first - second,)


def cost_avoided(pre: float, post: Sequence[float], unit_cost: float) -> tuple[float]:
    """Events below the level before, over all later periods, at one price."""
    return (float(sum(pre - after for after in post) * unit_cost),)


def roi(saving: float, roi_percent: float) -> tuple[float, float]:
    """The cost that a return on investment implies, when it means saving / cost and when it means (saving - cost) / cost."""
    return saving / (roi_percent / 100), saving / (1 + roi_percent / 100)


def p_from_ci(estimate: str, low: str, high: str) -> tuple[float]:
    """The two-sided normal p value behind an estimate and its 95 % interval on an additive scale."""
    return (_normal_p(float(estimate), float(low), float(high)),)


FORMULAS: Mapping[str, Callable[..., tuple[float, ...]]] = {
    "rate": rate,
    "proportion": proportion,
    "pct_change": pct_change,
    "sum": total,
    "ratio": ratio,
    "difference": difference,
    "cost_avoided": cost_avoided,
    "roi": roi,
    "p_from_ci": p_from_ci,
}


def _normal_p(estimate: float, low: float, high: float) -> float:
    return 2 * (1 - NormalDist().cdf(abs(estimate) / ((high - low) / (2 * Z95))))


def _reachable(printed: str, inputs: Mapping[str, str]) -> bool:
    """Whether some estimate and limits that round to the printed ones give a p that rounds to the printed one."""
    texts = [inputs[k] for k in ("estimate", "low", "high")]
    choices = [[float(t) + corner * 10 ** -_decimals(t) for corner in CORNERS] for t in texts]
    reached = [_normal_p(*choice) for choice in product(*choices)]
    half = 0.5 * 10 ** -_decimals(printed)
    return bool(min(reached) <= float(printed) + half and max(reached) >= float(printed) - half)


# ---- As text --------------------------------------------------------------------------------------------------------------


def figures_table(figures: Sequence[Figure], *, full: bool = False) -> list[str]:
    """The figures as lines of at most 80 columns, grouped by verdict; with `full`, inputs and source too."""
    lines = []
    for verdict, meaning in VERDICTS.items():
        group = [f for f in figures if f.verdict == verdict]
        if group:
            lines += textwrap.wrap(f"{verdict.upper()} ({len(group)}): {meaning}", 80, subsequent_indent="  ")
            for figure in group:
                lines += _figure_lines(figure, full)
            lines.append("")
    return lines


def _figure_lines(figure: Figure, full: bool) -> list[str]:
    printed = f"printed {figure.printed}" if figure.printed else "nothing printed"
    ours = f", ours {figure.ours_text}" if figure.ours else ""
    missing = f"; missing: {figure.missing}" if figure.missing else ""
    note = f" ({figure.note})" if figure.note else ""
    text = f"{figure.id}  {figure.study}: {figure.outcome}: {printed}{ours} {figure.unit}{missing}{note}"
    lines = textwrap.wrap(text, 80, initial_indent="  ", subsequent_indent="          ", break_long_words=False)
    if full:
        inputs = ", ".join(f"{k} = {v}" for k, v in figure.inputs.items())
        detail = [f"formula: {figure.formula} of {inputs}"] if figure.formula else []
        for line in (*detail, f"source: {figure.source}"):
            lines += textwrap.wrap(
                line, 80, initial_indent="          ", subsequent_indent="            ", break_long_words=False
            )
    return lines
