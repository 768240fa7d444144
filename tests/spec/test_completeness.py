"""How complete the records are, by column, month and site; jumps of a provider's records; and limits that a study sets itself."""

from __future__ import annotations

import pandas as pd
import pytest

from aaot_eval.config import QualityConfig, load_config
from aaot_eval.findings import CATALOGUE, LIMITS, WARNED_BEFORE
from aaot_eval.record import completeness_table
from aaot_eval.results import Tables
from aaot_eval.synthetic import simulate_study
from tests.drawn import csv_text, episodes, read, study

PROVIDERS = ("RX1", "RX2")
A_MONTH = 20  # episodes of each provider


def drawn(change=lambda row, provider, month, i: None, months: int = 24) -> list[dict[str, str]]:
    """Two years, 20 one-night emergencies a month and provider; `change` spoils rows."""
    lines = []
    for month in range(months):
        for provider in PROVIDERS:
            for i in range(A_MONTH):
                day = f"{2021 + month // 12}-{month % 12 + 1:02d}-{28 if i == 0 else i % 27 + 1:02d}"
                lines.append(f"{provider}{month}-{i} {provider} {day} R074+I10")
    rows = episodes("person provider admitted diag\n" + "\n".join(lines))
    for n, row in enumerate(rows):
        month, rest = divmod(n, len(PROVIDERS) * A_MONTH)
        change(row, PROVIDERS[rest // A_MONTH], month, rest % A_MONTH)
    return rows


def looked_at(home, rows, **parts) -> tuple[dict[str, list[str]], Tables]:
    """The findings by code as "where | detail", and the tables."""
    config = study(home, {"admissions.csv": csv_text(rows)}, data={"complete_to": "2022-12-31"}, **parts)
    found: dict[str, list[str]] = {}
    with read(config) as tables:
        for finding in tables.findings:
            found.setdefault(finding.code, []).append(f"{finding.where} | {finding.detail}")
        return found, tables


def test_whole_records_have_no_finding_and_one_row_a_column(tmp_path):
    found, tables = looked_at(tmp_path, drawn())
    assert not {"D385", "D386", "D395", "D396"} & set(found)
    shown = completeness_table(tables.summaries["completeness"]).set_index("column")
    assert shown.loc["admission source", ["records", "missing"]].tolist() == [24 * 2 * A_MONTH, 0]
    # The drawn table has no site of treatment: missing in every month and at both providers, and the table says so.
    assert (shown.loc["site of treatment", "share"] == 1.0).all()


def test_a_column_that_is_empty_at_one_site_from_a_month_on(tmp_path):
    def change(row, provider, month, i):
        if provider == "RX2" and month >= 21 and i < 5:
            row["DISMETH"] = ""

    found, tables = looked_at(tmp_path, drawn(change))
    assert found["D395"] == ["2022-10 to 2022-12 | discharge method: missing in 10% or more"]
    exact = tables.summaries["completeness"]
    here = exact[(exact["column"] == "discharge method") & (exact["missing"] > 0)]
    assert here[["site", "month", "records", "missing"]].values.tolist() == [
        ["RX2", f"2022-{m}", 20, 5] for m in (10, 11, 12)
    ]
    shown = completeness_table(exact)
    some = shown[(shown["column"] == "discharge method") & (shown["month"] != "all")]
    assert some[["site", "month", "records", "missing"]].values.tolist() == [
        ["all", f"2022-{m}", 40, 5] for m in (10, 11, 12)
    ]
    assert shown[(shown["column"] == "discharge method") & (shown["site"] == "RX2")]["missing"].tolist() == [15]


def test_a_column_that_one_site_never_fills(tmp_path):
    def change(row, provider, month, i):
        if provider == "RX1":
            row["ADMISORC"] = "99"

    found, _ = looked_at(tmp_path, drawn(change))
    assert found["D395"] == ["all sites and months together; RX1 | admission source: missing in 10% or more"]


def test_person_keys_missing_at_one_site_in_one_month(tmp_path):
    def change(row, provider, month, i):
        if provider == "RX2" and month == 10 and i < 8:
            row["TOKEN_PERSON_ID"] = ""

    found, tables = looked_at(tmp_path, drawn(change))
    assert found["D396"] == ["RX2: 2021-11 | no person key: 10% or more"]
    exact = tables.summaries["completeness"]
    here = exact[(exact["column"] == "person key") & (exact["missing"] > 0)]
    assert here[["site", "month", "records", "missing"]].values.tolist() == [["RX2", "2021-11", 20, 8]]


def test_uncoded_newest_months_of_one_provider(tmp_path):
    def change(row, provider, month, i):
        if provider == "RX1" and month == 23 and i < 6:
            row["DIAG_01"] = "R69X"

    found, _ = looked_at(tmp_path, drawn(change), quality={"thresholds": {"D312": 0.5}})
    assert found["D385"] == ["RX1: 2022-12 | above every earlier month; judged from 1% of the episodes on"]
    assert "D312" not in found


def test_a_share_of_uncoded_episodes_that_is_as_it_always_was_says_nothing(tmp_path):
    def change(row, provider, month, i):
        if i < 2 + month % 2:
            row["DIAG_01"] = "R69X"

    assert "D385" not in looked_at(tmp_path, drawn(change))[0]


def test_a_jump_of_same_day_stays_is_found_at_its_month(tmp_path):
    def change(row, provider, month, i):
        if provider == "RX1" and i % 2 == (0 if month >= 14 else 9):
            return
        row["EPIEND"] = row["DISDATE"] = row["ADMIDATE"][:8] + f"{min(int(row['ADMIDATE'][8:]) + 1, 28):02d}"

    found, _ = looked_at(tmp_path, drawn(change))
    assert [f for f in found["D386"] if f.startswith("RX1")] == [
        "RX1: 2022-03 | episodes that end on the day of admission: 5% to 50%; limit 20%"
    ]


def test_limits_of_ones_own_are_taken(tmp_path):
    def change(row, provider, month, i):
        if month == 5 and i < 12:
            row["ADMIMETH"] = "99"

    rows = drawn(change)
    assert "D332" in looked_at(tmp_path, rows)[0]
    found, _ = looked_at(tmp_path, rows, quality={"thresholds": {"D332": 0.7}})
    assert "D332" not in found
    assert found["D335"] == ["2021-06 | 10 to 70 % of the episodes"]


def test_every_limit_is_of_something_that_is_said_and_explains_itself():
    for code, limit in LIMITS.items():
        assert code in CATALOGUE or code in ("X213", "C183"), code
        assert limit.least <= limit.default <= limit.most, code
        assert limit.shown(limit.default) in limit.sentence
    for warns, stops in WARNED_BEFORE:
        assert CATALOGUE[warns].level == "warn"
        assert CATALOGUE[stops].level == "stop"


@pytest.mark.parametrize(
    ("thresholds", "words"),
    [
        ({"D308": 1}, "D308 has no limit"),
        ({"D331": 0.01}, "not between"),
        ({"D335": 0.4, "D332": 0.3}, "turn them round"),
    ],
)
def test_limits_that_make_no_sense_are_refused(thresholds, words):
    with pytest.raises(ValueError, match=words):
        QualityConfig(thresholds=thresholds)


def test_a_column_that_a_format_takes_few_codes_from_is_not_often_missing(tmp_path):
    """SMR01 tells by the type of discharge who died, and of the others nothing: they lack no method."""
    simulate_study(tmp_path, formats=["smr01"], scenario="null", seed=3, sites=4, size=0.05)
    with read(load_config(tmp_path / "study.toml")) as tables:
        findings = tables.findings
    assert not [f for f in findings if f.code == "D395" and "discharge method" in f"{f.where} {f.detail}"]


def _daily(first: str, last: str) -> str:
    """One admission a day, of another person each."""
    days = pd.date_range(first, last)
    return csv_text(episodes("\n".join(["person admitted", *(f"p{i} {day.date()}" for i, day in enumerate(days))])))


def _attended(first: str, last: str) -> str:
    rows = [f"p{i},{i},{day.date()},1,RX1" for i, day in enumerate(pd.date_range(first, last))]
    return "\n".join(["TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,ATTENDANCE_CATEGORY,PROVIDER_CODE", *rows]) + "\n"


@pytest.mark.parametrize(
    ("complete_to", "attended", "told"),
    [
        (None, ("2022-01-01", "2022-06-30"), []),
        (None, ("2022-01-01", "2022-06-08"), [("attendances", "they end 22 days before the end of 2022-06")]),
        (None, ("2022-01-20", "2022-06-30"), [("attendances", "they begin 19 days after the beginning of 2022-01")]),
        ("2022-06-30", ("2022-01-01", "2022-06-30"), []),
        # So few that a day or two of them are no rate.
        (None, ("2022-02-01", "2022-02-10"), []),
    ],
)
def test_a_table_that_ends_or_begins_inside_the_months_is_named(tmp_path, complete_to, attended, told):
    """An extract of attendances cut in the last month would look like a fall."""
    files = {"admissions.csv": _daily("2022-01-01", "2022-06-30"), "attendances.csv": _attended(*attended)}
    data = {"complete_to": complete_to} if complete_to else {}
    with read(study(tmp_path, files, data=data)) as tables:
        assert [(f.where, f.detail) for f in tables.findings if f.code == "D376"] == told


def test_a_month_called_complete_of_which_half_is_there_is_named(tmp_path):
    files = {"admissions.csv": _daily("2022-01-01", "2022-06-14")}
    with read(study(tmp_path, files, data={"complete_to": "2022-06-30"})) as tables:
        assert [(f.where, f.detail) for f in tables.findings if f.code == "D376"] == [
            ("admissions", "they end 16 days before the end of 2022-06")
        ]


@pytest.mark.parametrize(("fields", "positions", "told"), [(1, 20, True), (1, 1, False), (2, 20, False)])
def test_an_extract_read_with_its_main_diagnosis_alone_is_said(tmp_path, fields, positions, told):
    keep = {f"DIAG_{i:02d}" for i in range(1, fields + 1)}
    rows = [
        {k: v for k, v in r.items() if not k.startswith("DIAG_") or k in keep}
        for r in episodes("person admitted\nA 2022-05-01\nB 2022-05-31")
    ]
    config = study(
        tmp_path,
        {"admissions.csv": csv_text(rows)},
        data={"complete_to": "2022-05-31"},
        counting={"positions": positions},
    )
    with read(config) as tables:
        assert ("D377" in {f.code for f in tables.findings}) is told
