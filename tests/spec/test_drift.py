"""Volume and coding depth against earlier years, and the blind spot of one trust."""

from __future__ import annotations

import numpy as np
import pytest

from aaot_eval.config import QualityConfig
from aaot_eval.ingest.drift import _newest_month
from tests.drawn import csv_text, episodes, read, study


def codes_found(
    home, *, late: int = 20, depth: int = 2, providers: tuple[str, ...] = ("RX1", "RX2"), **parts
) -> dict[str, list[str]]:
    """The findings of two years with 20 episodes a month and provider, `late` in the last quarter and `depth` codes in year two at RX1."""
    lines = []
    for month in range(24):
        for provider in providers:
            ours = provider == "RX1"
            for i in range(late if ours and month >= 21 else 20):
                diag = "+".join(["R074", "I10", "E119", "F171"][: depth if ours and month >= 12 else 2])
                day = f"{2021 + month // 12}-{month % 12 + 1:02d}-{28 if i == 0 else i % 27 + 1:02d}"
                lines.append(f"{provider}{month}-{i} {provider} {day} {diag}")
    rows = episodes("person provider admitted diag\n" + "\n".join(lines))
    config = study(home, {"admissions.csv": csv_text(rows)}, data={"complete_to": "2022-12-31"}, **parts)
    found: dict[str, list[str]] = {}
    with read(config) as tables:
        for finding in tables.findings:
            found.setdefault(finding.code, []).append(f"{finding.where}: {finding.detail}")
    return found


def test_a_steady_series_of_two_trusts_has_none_of_them(tmp_path):
    assert not {"D382", "D383", "D384"} & set(codes_found(tmp_path))


def test_a_quarter_far_from_that_of_the_year_before(tmp_path):
    found = codes_found(tmp_path, late=5)
    assert [f.split(";")[0] for f in found["D382"]] == [
        "RX1: the newest 3 months hold -75% against the same months a year before"
    ]


def test_more_codes_an_episode_than_in_the_first_year(tmp_path):
    assert codes_found(tmp_path, depth=3)["D383"] == [
        "RX1: 2.0 codes an episode in the first year, 3.0 in the last; limit 20%"
    ]


def test_a_limit_of_ones_own_is_taken(tmp_path):
    assert "D382" not in codes_found(tmp_path, late=5, quality={"thresholds": {"D382": 0.9}})


def test_one_trust_alone_cannot_see_admissions_elsewhere(tmp_path):
    assert "D384" in codes_found(tmp_path, providers=("RX1",))


def counts(newest: int, *, months: int = 30, level: int = 900, growth: float = 0.04) -> np.ndarray:
    """Two providers with a season, growth and an even wobble; the newest month of the first is `newest` per cent of what they say."""
    t = np.arange(months)
    steady = level * (1 + 0.1 * np.sin(2 * np.pi * t / 12)) * (1 + growth) ** (t / 12) * (1 + 0.02 * (-1) ** (t // 2))
    table = np.vstack([steady, steady])
    table[0, -1] *= newest / 100
    return np.round(table)


def test_a_newest_month_below_its_season_and_growth_is_told_with_its_size():
    found = _newest_month(counts(75), ["RX1", "RX2"], 0.15)
    assert list(found) == ["RX1"]
    assert found["RX1"][0].code == "D425"
    assert found["RX1"][0].detail.startswith("-2")


@pytest.mark.parametrize(
    "table",
    [counts(100), counts(90), counts(75, level=40), counts(75, months=24), np.where(counts(75) > 0, np.nan, 0.0)],
    ids=["whole", "within the limit", "few", "too short", "no records"],
)
def test_a_newest_month_that_may_be_whole_is_not_told(table):
    assert not _newest_month(table, ["RX1", "RX2"], 0.15)


def test_months_that_wobble_by_themselves_hide_a_low_one():
    table = counts(75)
    table[0, 12::3] *= 0.8
    assert not _newest_month(table, ["RX1", "RX2"], 0.15)


def test_whole_months_of_many_hospitals_seldom_warn():
    """Poisson counts of 600 a month with a working-day wobble of 4 %: below one hospital in two hundred."""
    rng = np.random.default_rng(20260401)
    t = np.arange(36)
    level = 600 * (1 + 0.1 * np.sin(2 * np.pi * t / 12)) * np.exp(rng.normal(0, 0.04, (2000, 36)))
    found = _newest_month(rng.poisson(level).astype(float), [f"P{i}" for i in range(2000)], 0.15)
    assert len(found) <= 10


@pytest.mark.parametrize("thresholds", [{"D999": 0.3}, {"D382": 0.01}, {"D383": 2.0}])
def test_unknown_gates_and_limits_beyond_reason_are_refused(thresholds):
    with pytest.raises(ValueError, match="D38"):
        QualityConfig(thresholds=thresholds)
