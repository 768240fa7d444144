"""The sizes of the checks: shares, exact intervals, and what Holm's rule would do, on rows made by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from benchmarks import check_sizes


def study(seed: int, word: str, fails: str = "", p: float = 0.5, low: float = 0.95, high: float = 1.05) -> dict:
    checks = {
        n: ["fail" if n == fails else "pass", p if n == fails else 0.5, 0.0, {}]
        for n in ("placebo_outcome", "site_deaths")
    }
    checks["volume"] = ["not_evaluable", math.nan, math.nan, {}]
    return {"world": "none", "scenario": "null", "seed": seed, "word": word, "estimate": 1.0, "conf_low": low, "conf_high": high,
            "low_90": low + 0.01, "high_90": high - 0.01, "checks": checks, "commit": "abc"}  # fmt: skip


ROWS = [
    *[study(i, "no_effect") for i in range(7)],
    study(7, "cannot_tell", "site_deaths", 0.004),
    study(8, "lower_but", "placebo_outcome", 0.03, 0.85, 0.97),
    study(9, "cannot_tell", "", 0.5, 0.895, 1.05),
]


def test_shares_are_of_the_studies_that_could_be_judged() -> None:
    table = check_sizes.sizes(ROWS).set_index("check")
    assert table.loc["site_deaths", ["judged", "fail"]].tolist() == [10, 1]
    assert table.loc["site_deaths", "p_below_0.01"] == pytest.approx(0.1)
    assert table.loc["placebo_outcome", "p_below_0.01"] == 0
    assert table.loc["volume", "judged"] == 0
    assert math.isnan(table.loc["volume", "p_below_0.05"])


@pytest.mark.parametrize(("count", "of"), [(0, 200), (3, 200), (200, 200)])
def test_limits_are_exact(count: int, of: int) -> None:
    low, high = check_sizes.limits(count, of)
    found = stats.binomtest(count, of).proportion_ci(check_sizes.CONFIDENCE, method="exact")
    assert (low, high) == pytest.approx((found.low, found.high))


def test_together_tells_width_from_doubt_and_counts_holm() -> None:
    row = check_sizes.together(ROWS).iloc[0]
    assert row["a check fails"] == 2
    assert row["by Holm at 5 %"] == 1
    assert row["wide interval alone"] == 1
    assert row["a claim doubted"] == 1
    assert row["no effect"] == 7
    assert row["95 % interval inside 10 %"] == 8
    assert row["90 % interval inside 10 %"] == 9
    assert check_sizes.holm([0.02, math.nan, 0.03]) == pytest.approx(0.04)


def test_page_and_rows_hold_every_study() -> None:
    assert len(check_sizes.flat(ROWS)) == len(ROWS)
    text = check_sizes.page(ROWS, check_sizes.sizes(ROWS), ["abc"])
    assert "--seeds 0 9" in text
    assert "| site_deaths | null | 10 | 0.0% | 10.0% |" in text


def test_stored_studies_are_two_hundred_and_no_check_fails_more_often_than_its_level_allows(root: Path) -> None:
    rows = pd.read_csv(root / "docs" / "results" / "check_sizes.csv", keep_default_na=False, na_values=[""])
    assert len(rows) >= 200
    assert set(rows["scenario"]) == {"null", "effect", "harm"}
    for name in check_sizes.BY_P:
        for _, part in rows.groupby("scenario"):
            low, _high = check_sizes.limits(
                int((part[name] == "fail").sum()), int((part[name] != "not_evaluable").sum())
            )
            assert low <= check_sizes.MARK_FAIL, name
    said = rows[rows["scenario"] == "null"]["word"].value_counts(normalize=True)
    assert said["no_effect"] > 0.7
