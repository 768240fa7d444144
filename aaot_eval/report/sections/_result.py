"""An estimate in words, each number with its address."""

from __future__ import annotations

import pandas as pd

from aaot_eval.report.blocks import Ref, words
from aaot_eval.report.contents import Source, cell
from aaot_eval.report.words import RATIO_SCALES, is_missing, number, scale_name, sentence_case, truth


def result(source: Source, rows: pd.DataFrame, i: int) -> tuple[str | Ref, ...]:
    """One estimate as a sentence: value, interval, p, and where the interval lies."""
    if is_missing(rows.at[i, "estimate"]):
        return ("There is no primary estimate. ", cell(source, "estimates", rows, i, "note"))
    scale, value = scale_name(rows.at[i, "scale"]), cell(source, "estimates", rows, i, "estimate")
    if is_missing(rows.at[i, "conf_low"]) or is_missing(rows.at[i, "conf_high"]):
        return (f"{sentence_case(scale)} ", value, "; there is no finite interval.")
    level = cell(source, "estimates", rows, i, "conf_level")
    low, high = (cell(source, "estimates", rows, i, c) for c in ("conf_low", "conf_high"))
    text: tuple[str | Ref, ...] = (f"{sentence_case(scale)} ", value, " (", level, " interval ", low, " to ", high, ")")
    if rows.at[i, "scale"] in RATIO_SCALES:
        text = (
            *as_change(source, rows, i, (level, " interval"), start=True),
            f"; {scale} ",
            value,
            " (",
            low,
            " to ",
            high,
            ")",
        )
    if not is_missing(rows.at[i, "p_value"]):
        p = cell(source, "estimates", rows, i, "p_value")
        text = (*text, "; p " if words((p,)).startswith("<") else "; p = ", p)
    return (*text, f": {reading(rows, i)}.")


def as_change(
    source: Source, rows: pd.DataFrame, i: int, which: tuple[str | Ref, ...] = (), *, start: bool = False
) -> tuple[str | Ref, ...]:
    """A ratio and its interval in per cent, which a reader without statistics can use; `which` names the interval.

    The estimate stands first where the interval lies on one side of no difference; elsewhere it would claim a direction.
    """
    value, low, high = (cell(source, "estimates", rows, i, c, "change") for c in ("estimate", "conf_low", "conf_high"))
    if number(rows.at[i, "conf_low"]) <= 1 <= number(rows.at[i, "conf_high"]):
        return ("From " if start else "from ", low, " to ", high, *((" (", *which, ")") if which else ()))
    return (value, " (", *((*which, " ") if which else ()), low, " to ", high, ")")


def reading(rows: pd.DataFrame, i: int) -> str:
    """Where the interval of a row lies, or that there is none."""
    row = rows[rows.index == i].iloc[0]
    null = 1.0 if row["scale"] in RATIO_SCALES else 0.0
    if is_missing(row["conf_low"]) or is_missing(row["conf_high"]):
        return "there is no finite interval"
    if number(row["conf_high"]) < null:
        return f"the whole interval is below {null:g}"
    return (
        f"the whole interval is above {null:g}"
        if number(row["conf_low"]) > null
        else f"the interval includes {null:g}, no difference"
    )


def headlines(estimates: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The estimate that answers each question, the primary first, and those that stand beside it.

    The first row of an estimator, outcome and unit is its answer; the others vary how it was made.
    """
    primary = truth(estimates["primary"])
    ordered = pd.concat([estimates[primary], estimates[~primary]])
    beside = ordered.duplicated(["estimator", "outcome", "unit"]).to_numpy()
    return ordered[~beside], ordered[beside]
