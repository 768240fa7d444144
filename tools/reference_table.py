"""Write docs/results/reference_cases.md: every reference number, ours beside it, the tolerance it was held to, and what is left.

Usage: python tools/reference_table.py        (needs ../shared beside the project; runs the tests of the cases)
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.agreement import COLUMNS, RECORD  # noqa: E402

TARGET = ROOT / "docs" / "results" / "reference_cases.md"
CASES = ROOT.parent / "shared" / "reference_cases"
STATED = ("its", "did")
"""The cases of which every stated number is looked for among what is compared."""
SAME = 1e-9
"""A stated number is the reference of a comparison when they are equal to this share."""
#: Why a stated number is not compared, by its place in the case's file; the first that fits.
NOT_COMPARED = (
    (r"^tolerance/|published_decimals$|/computed$|^session/", "tolerances, and the case's own checks of itself"),
    (
        r"^inputs/|/(g|t|key|group|quarters/\d+|years/\d+|order/\d+|observed/\d+)$|(^|/)(n|n0|n_\w+|t0|df_resid|first_post|newey_west_lag|patients|months_each_side|seed|series|n_used)$",
        "what was put in: data, dates, sizes, settings",
    ),
    (
        r"/(z|p|ci_low|ci_high|ratio|ratio_low|ratio_high|p_\w+)$|_ci(_\w+)?/\d+$|_pi/\d+$|^p_CR2$",
        "follows from an estimate and an error that are compared",
    ),
    (
        r"^its/prop99.*/gls_ar1_reml/|^its/wv.*models/ar1_reml/",
        "the restricted likelihood at its edge, where R prints an error of 689 or 0.75: the trap of the case, which the tool refuses to follow",
    ),
    (
        r"prais_winsten_tscorr_robust/",
        "another convention of Prais-Winsten (rho from the regression's autocorrelation, robust errors), which the tool does not have",
    ),
    (
        r"/(AIC|BIC|logLik|logLik_poisson|lag1_autocorr\w*|dw_\w+|durbin_watson\w*)$|ljung_box|prais_winsten_regress/rmse$",
        "a statistic of a fit that the tool does not print",
    ),
    (r"^auto_arima/|/auto_arima/", "the orders R chooses by itself, and the fit from them, which is the one compared"),
    (
        r"^estimates_by_design/|^(rr|ratio|difference_per_month|counterfactual_mean)$",
        "of one drawing, indicative by the case's own words, or its truth",
    ),
    (
        r"^python/|^python_check/|^cross_check/|^fixest_check/|_tight$|zeta|^placebo_sd$",
        "another library's or another optimiser's number for the same",
    ),
    (r"^(omega|lambda)/", "weights of at most 0.002"),
    (
        r"^(pa|nj)_(before|after)/|^published/|^se_(ols|cell|cluster)_",
        "a description of the data, or an error by a convention that the tool does not have",
    ),
    (r"^true_|/true_", "the truth of a drawing"),
)


def main() -> int:
    """Run the comparisons, refuse when one fails or a case has none, and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.csv"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "tests/methods", "-k", "reference"],
            cwd=ROOT,
            env={**os.environ, RECORD: str(record)},
            check=False,
        )
        if done.returncode:
            return done.returncode
        found = pd.read_csv(record, names=list(COLUMNS), keep_default_na=False).drop_duplicates()
    found = found.sort_values(["case", "quantity", "through"], kind="stable")
    folders = {f"{p.parent.name}/{p.name}" for p in CASES.glob("*/*") if p.is_dir() and not p.name.startswith("_")}
    missing = sorted(folders - set(found["case"]))
    if missing:
        print("no comparison for: " + ", ".join(missing))
        return 1
    TARGET.write_text(page(found), encoding="utf-8", newline="\n")
    return 0


def stated(case: str) -> Iterator[tuple[str, float]]:
    """(place, number) of every number in the case's file of answers."""
    file = next(p for name in ("expected.json", "truth.json") if (p := CASES / case / name).exists())

    def walk(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, float]]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from walk(inner, (*place, str(key)))
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                yield from walk(inner, (*place, str(i)))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield "/".join(place), float(value)

    yield from walk(json.loads(file.read_text(encoding="utf-8")), ())


def left(case: str, compared: list[float]) -> tuple[int, dict[str, int], list[str]]:
    """(numbers stated, how many are left for each reason, places of those left without one)."""
    why: dict[str, int] = {}
    open_, n = [], 0
    for place, number in stated(case):
        n += 1
        if any(abs(number - other) <= SAME * max(abs(number), abs(other)) for other in compared):
            continue
        reason = next(
            (
                text
                for pattern, text in NOT_COMPARED
                if re.search(pattern, place) or re.search(pattern, f"{case}/{place}")
            ),
            "",
        )
        if reason:
            why[reason] = why.get(reason, 0) + 1
        else:
            open_.append(place)
    return n, why, open_


def completeness(found: pd.DataFrame) -> list[str]:
    """What of the cases of series and differences is stated, compared, and left with the reason."""
    lines = [
        "## Stated and not compared",
        "",
        "Every number in the answers of the cases below, looked for among the references above.",
        "",
        "| case | stated | left | why |",
        "|---|---:|---:|---|",
    ]
    for case in sorted(set(found["case"])):
        if case.split("/")[0] not in STATED:
            continue
        n, why, open_ = left(case, [float(v) for v in found.loc[found["case"] == case, "reference"]])
        said = [f"{count} {reason}" for reason, count in sorted(why.items(), key=lambda kv: -kv[1])]
        said += (
            [f"{len(open_)} without a comparison: {', '.join(open_[:12])}{', ...' if len(open_) > 12 else ''}"]
            if open_
            else []
        )
        lines.append(f"| {case} | {n} | {sum(why.values()) + len(open_)} | {'; '.join(said)} |")
    return [*lines, ""]


def page(found: pd.DataFrame) -> str:
    """The page: a count by case, then every comparison."""
    counts = found.groupby("case", sort=True).size()
    lines = [
        "# Reference cases",
        "",
        "Numbers computed elsewhere (R packages, publications, closed forms) and the same numbers from this tool. Each row is",
        "asserted by a test, within the tolerance shown. Written by `python tools/reference_table.py`.",
        "",
        "| case | numbers compared |",
        "|---|---:|",
        *[f"| {case} | {n} |" for case, n in counts.items()],
        "",
        *completeness(found),
    ]
    for case, rows in found.groupby("case", sort=True):
        lines += [
            f"## {case}",
            "",
            "| quantity | reference | ours | within | through | note |",
            "|---|---:|---:|---|---|---|",
        ]
        lines += [
            f"| {r.quantity} | {float(r.reference):.8g} | {float(r.ours):.8g} | {r.tolerance} | {r.through} | {r.note} |"
            for r in rows.itertuples()
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
