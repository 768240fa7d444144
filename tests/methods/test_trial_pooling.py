"""The study of trials and means over sites: what is stored holds its bands, and a few readings are made again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.trial_pooling import RATIO, TRIALS, sets_of_sites, trial_reading


def test_the_stored_study_is_whole_and_what_falls_short_is_said(root: Path) -> None:
    stored = pd.read_csv(root / "docs" / "results" / "trial_pooling.csv")
    short = stored[stored["fails"].notna()]
    assert short["what"].str.startswith("a further site").all(), short
    text = " ".join((root / "docs" / "methods" / "pooling.md").read_text("utf-8").split())
    assert all(f"{100 * share:.1f}" in text for share in short["covers"])
    assert len(stored) == 2 * len(TRIALS) + 18
    assert stored["sets"].min() >= 1000


@pytest.mark.parametrize(("kind", "sites", "people"), TRIALS)
def test_a_reading_holds_together(kind: str, sites: int, people: int) -> None:
    ratio, low, high, p = trial_reading(kind, sites, people, RATIO, 1)
    assert low < ratio < high
    assert 0 < p <= 1
    assert (p <= 0.05) == (not low <= 1.0 <= high)


def test_a_small_sample_of_sets_is_covered_as_stored(root: Path) -> None:
    stored = pd.read_csv(root / "docs" / "results" / "trial_pooling.csv").set_index(["what", "world"])["covers"]
    n = 200
    for row in sets_of_sites(n):
        share = stored[row["what"], row["world"]]
        # Five standard errors, and one set: what 200 of the 5,000 may differ by.
        assert abs(float(str(row["covers"])) - share) <= 5 * (share * (1 - share) / n) ** 0.5 + 1 / n, row
