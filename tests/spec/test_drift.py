"""Volume and coding depth against earlier years, and the blind spot of one trust."""

from __future__ import annotations

import pytest

from aaot_eval.config import QualityConfig
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


@pytest.mark.parametrize("thresholds", [{"D999": 0.3}, {"D382": 0.01}, {"D383": 2.0}])
def test_unknown_gates_and_limits_beyond_reason_are_refused(thresholds):
    with pytest.raises(ValueError, match="D38"):
        QualityConfig(thresholds=thresholds)
