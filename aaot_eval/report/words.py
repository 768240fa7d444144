"""How numbers and names are written on the page. Every number of a table is written by `written`, and only there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from aaot_eval.errors import counted as counted
from aaot_eval.wording import change, difference_text, hundredths

MISSING = "–"
MINUS = "−"
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip

RATIO_SCALES = ("rate_ratio", "ratio")
DIFFERENCE_SCALES = ("rate_difference", "difference")
SCALES = {"rate_ratio": "rate ratio", "rate_difference": "rate difference", "currency": "difference in pounds"}
MONEY = ("money", "price")
INVENTED = "[invented]"

VERDICTS: Mapping[str, tuple[str, str]] = {
    "lower": ("▼", "Lower than expected"),
    "lower_but": ("▽", "Lower, but the service may not be the reason"),
    "higher": ("▲", "Higher than expected"),
    "higher_but": ("△", "Higher, but the service may not be the reason"),
    "no_effect": ("＝", "No effect worth having"),
    "cannot_tell": ("?", "Cannot tell"),
    "too_early": ("…", "Too early to judge"),
    "no_estimate": ("×", "No estimate"),
}
CHECK_WORDS: Mapping[str, tuple[str, str]] = {
    "pass": ("✓", "Passed"),
    "warn": ("!", "Warning"),
    "fail": ("×", "Failed"),
    "not_evaluable": ("–", "Could not be judged"),
}
LEVEL_WORDS: Mapping[str, tuple[str, str]] = {"stop": ("×", "Stop"), "warn": ("!", "Warning"), "note": ("·", "Note")}
DESIGNS: Mapping[str, str] = {
    "sites": "sites with the service compared with sites without",
    "series": "each site compared with its own earlier trend",
    "controlled_series": "each site's series compared with a control series",
    "entry_rule": "everybody who meets the entry rule, in hospitals with and without the service",
    "own_cohorts": "people who met the entry rule before the service compared with those who met it after",
    "risk_set": "people referred compared with similar people elsewhere",
    "patients": "people compared with themselves before",
    "trial": "people allocated by chance",
}
NAMES: Mapping[str, str] = {
    "its": "interrupted time series",
    "controlled_its": "controlled interrupted time series",
    "site_did": "sites compared",
    "mean": "mean over sites",
    "further site": "a further site",
    "two_way": "two-way model",
    "usual care": "usual care",
    "allocation": "allocation by chance",
    "synthetic_did": "synthetic difference-in-differences",
    "triple_difference": "triple difference with a control outcome",
    "entry_rule": "entry-rule comparison",
    "own_cohorts": "own earlier cohorts",
    "risk_set": "matched people",
    "patient_two_way": "two-way model over people",
    "patient_group_time": "people by month of start",
    "patient_event_study": "people by time since the start",
    "patients": "people compared with themselves",
    "sites": "sites compared",
    "series": "own earlier trend",
    "controlled_series": "control series",
    "trial": "allocation by chance",
    "alcohol_specific_emergency": "alcohol-specific emergency admissions",
    "non_alcohol_emergency": "emergency admissions not due to alcohol",
    "emergency": "all emergency admissions",
    "ed_attendances": "emergency department attendances",
    "ed_attendance": "emergency department attendance",
    "alcohol_specific_emergency_cost": "cost of alcohol-specific emergency admissions",
    "satterthwaite_t": "Satterthwaite t",
    "wald_t": "Wald t",
    "wald_normal": "Wald, normal quantile",
    "random_effects_t": "random effects, t",
    "none": "no interval",
    "non_pay": "other running costs",
    "set_up": "setting up",
    "all": "all sites",
    "together": "all sites together",
    "treated": "with the service",
    "comparison": "comparison",
    "beside": "shown beside",
    "before": "before",
    "after": "after",
    "ratio": "ratio with to without, model on model",
    "difference": "difference with less without, model on model",
    "modelled": "events averted, model on model",
    "observed": "events averted, model less counted",
    "averted": "events averted",
    "per_period": "events averted a period",
    "cumulative": "events averted so far",
}
#: `unit` of a series that is several sites together.
TOGETHER: Mapping[str, str] = {
    "treated": "sites with the service, together",
    "comparison": "comparison sites, together",
    "together": "all sites together",
}


def name_of(code: Any) -> str:
    """A code name in words: `ed_attendances` reads "emergency department attendances"."""
    if is_missing(code):
        return ""
    return NAMES.get(str(code), str(code).replace("_", " "))


def scale_name(scale: Any) -> str:
    """A scale in words."""
    return SCALES.get(str(scale), str(scale))


def unit_name(unit: Any) -> str:
    """A unit of a series in words."""
    return TOGETHER.get(str(unit), "" if is_missing(unit) else str(unit))


def day_name(time: str) -> str:
    """The day of a time: "2026-03-05T10:00:00+00:00" reads "5 March 2026"; what is no time stays as it is."""
    found = re.match(r"(\d{4})-(\d{2})-(\d{2})", time)
    return f"{int(found[3])} {MONTHS[int(found[2]) - 1]} {found[1]}" if found else time


def sentence_case(text: str) -> str:
    """The text with a capital at its start."""
    return text[:1].upper() + text[1:]


def is_missing(value: Any) -> bool:
    """Whether a cell is empty."""
    return value is None or value is pd.NA or value == "" or (isinstance(value, float) and math.isnan(value))


def number(value: Any) -> float:
    """A cell as a number; a hidden or empty one is NaN."""
    if is_missing(value):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def numbers(column: pd.Series[Any]) -> np.ndarray:
    """A column as numbers, hidden and empty cells as NaN."""
    return np.array([number(v) for v in column], dtype=float)


def hidden(column: pd.Series[Any]) -> np.ndarray:
    """Which cells disclosure control has hidden."""
    return np.array([not is_missing(v) and math.isnan(number(v)) for v in column], dtype=bool)


def truth(column: pd.Series[Any]) -> np.ndarray:
    """A column of yes and no, however it was stored."""
    return np.array([str(v).lower() in ("true", "1", "1.0") for v in column], dtype=bool)


def written(value: Any, kind: str = "", scale: str = "") -> str:
    """A cell as the page shows it; `kind` is the column's `aaot:format`, `scale` the scale or unit of its row."""
    if is_missing(value):
        return MISSING
    if kind == "period":
        return period_name(str(value))
    x = number(value)
    if kind == "" or math.isnan(x):
        return plain(value)
    if kind == "effect":
        kind = "money" if scale == "currency" else "difference" if scale in DIFFERENCE_SCALES else "ratio"
    if kind == "log_change":
        return f"{written(math.expm1(x) * 100, 'tenths')} %"
    if kind == "by_unit":
        kind = "money" if scale.startswith("pounds") else "percent" if scale.startswith("share") else "number"
    text = _FORMATS[kind](abs(x))
    return f"{MINUS}{text}" if x < 0 and any(c in "123456789" for c in text) else text


def fewer(text: str, averted: float) -> str:
    """Events averted, as `written`, in words: "40" reads "40 fewer", "−40" "40 more"."""
    return f"{text.removeprefix(MINUS)} {'more' if averted < 0 else 'fewer'}"


def _p(x: float) -> str:
    return "< 0.001" if x < 0.0005 else f"{x:.3f}"


def _small(x: float) -> str:
    """Three decimals, or as many as two figures need: a difference of rates never reads 0.000."""
    return f"{x:.{1 - math.floor(math.log10(x))}f}" if 1e-6 <= x < 0.01 else f"{x:.3f}"


def _share(x: float) -> str:
    """Per cent; what is not nothing never reads 0 %, and what is not all never reads 100 %."""
    if 0 < x < 0.005:
        return "< 0.5 %"
    return "> 99.5 %" if 0.995 <= x < 1 else f"{x * 100:.0f} %"


_FORMATS: Mapping[str, Callable[[float], str]] = {
    "count": lambda x: f"{x:,.0f}" if x % 1 == 0 else f"{x:,.1f}",
    "integer": lambda x: f"{x:.0f}",
    "expected": lambda x: f"{x:,.0f}" if x >= 100 or x % 1 == 0 else f"{x:,.1f}",
    "ratio": lambda x: f"{hundredths(x) / 100:.2f}",
    "change": change,
    "difference": difference_text,
    "rate": lambda x: f"{x:,.0f}" if x >= 1000 else f"{x:.1f}" if x >= 20 else f"{x:.2f}",
    "tenths": lambda x: f"{x:.1f}",
    "small": _small,
    "number": lambda x: f"{x:,.0f}" if x >= 1000 else f"{x:.3g}",
    "money": lambda x: f"£{x:,.0f}",
    "price": lambda x: f"£{x:,.2f}",
    "percent": _share,
    "entered_percent": lambda x: f"{100 * x:.4g} %",
    "p": _p,
    "least_p": lambda x: f"{x:.4f}" if x >= 0.00005 else "< 0.0001",
}


def p_words(p: float) -> str:
    """A p value in a sentence: "p = 0.036", "p < 0.001"."""
    text = written(p, "p")
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def plain(value: Any) -> str:
    """A cell of words; yes and no for truth values."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def period_name(label: str, *, short: bool = False) -> str:
    """A period in words: 2024-04 reads "April 2024" ("Apr 2024" when short); others stay as they are."""
    found = re.fullmatch(r"(\d{4})-(\d{2})", label)
    if not found or not 1 <= int(found[2]) <= 12:
        return label
    month = MONTHS[int(found[2]) - 1]
    return f"{month[:3] if short else month} {found[1]}"


def listed(items: list[str]) -> str:
    """ "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def slug(*parts: Any) -> str:
    """A name for an id or a file: letters, digits and `_`."""
    text = "_".join(str(p) for p in parts if not is_missing(p))
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "x"
