"""Private patients: counted and kept, left out on request with a reason of their own, and a share that changes is a warning."""

from __future__ import annotations

import pytest

from aaot_eval.errors import InputError
from tests.drawn import csv_text, episodes, read, rows_of, study

DRAWN = """person provider admitted payer key
A RX1 2022-05-01 01 a1
B RX1 2022-05-02 02 b1
B RX1 2022-05-03 02 b1
C RX1 2022-05-04 2 c1
D RX1 2022-05-05 03 d1
E RX1 2022-05-06 04 e1
F RX1 2022-05-07 . f1
G RX1 2022-05-31 99 g1
"""
WHY = "private patient (administrative category 02), left out as the study says"


def drawn(home, text: str = DRAWN, **parts):
    parts.setdefault("data", {"complete_to": "2022-05-31"})
    return study(home, {"admissions.csv": csv_text(episodes(text))}, **parts)


def test_they_are_kept_and_counted_with_their_share_by_provider(tmp_path):
    with read(drawn(tmp_path / "few")) as tables:
        assert tables.counts["episodes"] == 7
        # B's repeated key counts once; fewer than ten are not shown by provider.
        assert [(f.records, f.detail) for f in tables.findings if f.code == "D414"] == [(2, "")]
        assert WHY not in {s.reason for s in tables.flow}
    many = "\n".join(f"P{i} RX1 2022-05-{i + 10} 02 p{i}" for i in range(13))
    with read(drawn(tmp_path / "many", DRAWN + many)) as tables:
        assert [(f.records, f.detail) for f in tables.findings if f.code == "D414"] == [(15, "RX1 75.0%")]


def test_left_out_they_are_a_reason_of_their_own_in_the_flow(tmp_path):
    with read(drawn(tmp_path, counting={"private_patients": "drop"})) as tables:
        flow = [(s.reason or s.step, s.kept, s.lost, s.lost_people) for s in tables.flow if s.table == "episodes"]
        assert flow == [("rows read", 8, 0, 0), (WHY, 5, 3, 2)]
        assert rows_of(tables, "SELECT episode_key FROM episodes ORDER BY episode_key") == [
            (k,) for k in ("a1", "d1", "e1", "f1", "g1")
        ]
        found = {f.code: (f.records, f.people, f.detail) for f in tables.findings}
        assert found["D414"] == (3, 2, WHY)
        assert found["D369"][2] == "counting.private_patients = drop"
        assert not {"D333", "D334"} & set(found), "a loss that the study asks for is no gate"


def test_a_file_that_does_not_say_who_pays_is_refused_when_they_shall_leave(tmp_path):
    without = "\n".join(" ".join((*line.split()[:3], line.split()[4])) for line in DRAWN.splitlines())
    with (
        pytest.raises(InputError, match=r"D326.*does not say who they are"),
        read(drawn(tmp_path / "a", without, counting={"private_patients": "drop"})),
    ):
        pass
    with read(drawn(tmp_path / "b", without)) as tables:
        assert "D414" not in {f.code for f in tables.findings}


@pytest.mark.parametrize(
    ("late", "sites", "warned"),
    [(20, "site,go_live\nRX1,2022-01-01\nRX2,\n", True), (20, "site,go_live\nRX2,2022-01-01\nRX1,\n", False), (3, "site,go_live\nRX1,2022-01-01\nRX2,\n", False)],
)  # fmt: skip
def test_a_share_that_changes_at_a_provider_with_the_service_is_a_warning(tmp_path, late, sites, warned):
    lines = ["person provider admitted payer key"]
    for month in range(24):
        for provider in ("RX1", "RX2"):
            for i in range(40):
                private = provider == "RX1" and i < (late if month >= 12 else 2)
                day = f"{2021 + month // 12}-{month % 12 + 1:02d}-{28 if i == 0 else i % 27 + 1:02d}"
                key = f"{provider}x{month}x{i}"
                lines.append(f"{key} {provider} {day} {'02' if private else '01'} {key}")
    files = {"admissions.csv": csv_text(episodes("\n".join(lines))), "sites.csv": sites}
    with read(study(tmp_path, files, data={"complete_to": "2022-12-31"})) as tables:
        found = [(f.where, f.level, f.detail) for f in tables.findings if f.code == "D415"]
    assert found == (
        [("RX1", "warn", "5% of the episodes in the first half of the months, 50% in the second; limit 5%")]
        if warned
        else []
    )
