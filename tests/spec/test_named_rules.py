"""Rules that a study chooses by name, drawn: spell numbers, Scottish stays, one-off keys, leave, changes of provider codes, months."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaot_eval.config import RunConfig
from aaot_eval.errors import InputError
from aaot_eval.ingest.coding import own_list
from tests.drawn import csv_text, episodes, read, rows_of, study, table

WINDOW = {"complete_to": "2022-12-31"}
SPELLS = """SELECT t.token, provider, admission_date, end_date, episodes FROM spells s JOIN persons t ON t.person = s.person
WHERE t.token <> 'Z' ORDER BY 1, 3, 2, 4"""
STAYS = """SELECT t.token, s.site, s.admission_date, s.end_date, s.spells FROM stays s JOIN persons t ON t.person = s.person
WHERE t.token <> 'Z' ORDER BY 1, 3, 2, 4"""


def codes(tables) -> dict[str, object]:
    return {f.code: f for f in tables.findings}


def drawn_study(
    home: Path, drawn: str, files: dict[str, str] | None = None, data: dict | None = None, **parts
) -> RunConfig:
    return study(
        home, {"admissions.csv": csv_text(episodes(drawn)), **(files or {})}, data={**WINDOW, **(data or {})}, **parts
    )


# Spell numbers --------------------------------------------------------------------------------------------------------

NUMBERED = """
person provider admitted   start      end        order how to number grouped
A      RX1      2022-05-01 2022-05-01 2022-05-03 1     8   98 77     500
A      RX1      2022-05-01 2022-05-03 2022-05-07 2     1   19 77     .
B      RX1      2022-05-01 2022-05-01 2022-05-03 1     1   19 77     -1
B      RX1      2022-05-01 2022-05-01 2022-05-07 1     1   19 78     -1
C      RX1      2022-05-01 2022-05-01 2022-05-03 1     1   19 1      9
C      RX1      2022-05-20 2022-05-20 2022-05-21 1     1   19 2      9
D      RX1      2022-05-01 2022-05-01 2022-05-03 1     8   98 .      .
D      RX1      2022-05-01 2022-05-03 2022-05-04 2     1   19 .      .
D      RX1      2022-05-09 2022-05-09 2022-05-09 1     1   19 .      .
E      RX1      2022-05-01 2022-05-01 2022-05-03 1     1   19 5      .
E      RX2      2022-05-03 2022-05-03 2022-05-04 1     1   19 5      .
Z      RX9      2022-12-31 2022-12-31 2022-12-31 1     1   19 1      1
"""


def test_sus_joins_by_the_grouped_number_then_by_that_of_the_provider_never_by_minus_one(tmp_path):
    with read(drawn_study(tmp_path, NUMBERED, study={"spell_rule": "sus"})) as tables:
        assert rows_of(tables, SPELLS) == [
            ("A", "RX1", "2022-05-01", "2022-05-07", 2),
            ("B", "RX1", "2022-05-01", "2022-05-03", 1),
            ("B", "RX1", "2022-05-01", "2022-05-07", 1),
            ("C", "RX1", "2022-05-01", "2022-05-21", 2),
            ("D", "RX1", "2022-05-01", "2022-05-04", 2),
            ("D", "RX1", "2022-05-09", "2022-05-09", 1),
            ("E", "RX1", "2022-05-01", "2022-05-03", 1),
            ("E", "RX2", "2022-05-03", "2022-05-04", 1),
        ]
        assert "spell_rule = sus" in codes(tables)["D369"].detail


def test_the_order_of_rows_does_not_matter_to_sus(tmp_path):
    lines = NUMBERED.strip().splitlines()
    turned = "\n".join([lines[0], *lines[:0:-1]])
    with read(drawn_study(tmp_path, turned, study={"spell_rule": "sus"})) as tables:
        assert len(rows_of(tables, SPELLS)) == 8


@pytest.mark.parametrize(
    ("key", "rule", "words"),
    [("spell_rule", "sus", "SUSSPELLID"), ("stay_rule", "smr", "CIS_MARKER"), ("spell_rule", "smr", "CIS_MARKER")],
)
def test_a_rule_by_a_number_that_the_extract_lacks_is_refused(tmp_path, key, rule, words):
    config = drawn_study(tmp_path, "person admitted\nA 2022-05-01\nZ 2022-12-31", study={key: rule})
    with pytest.raises(InputError, match=f"D371.*{rule}") as refused, read(config):
        pass
    assert words in str(refused.value)


# Home leave -----------------------------------------------------------------------------------------------------------

LEAVE = """
person provider admitted   start      end        order how to number
A      RX1      2022-05-01 2022-05-01 2022-05-03 1     8   98 1
A      RX1      2022-05-01 2022-05-20 2022-05-25 2     1   19 1
B      RX1      2022-05-01 2022-05-01 2022-05-03 1     8   98 1
B      RX1      2022-05-01 2022-05-31 2022-06-02 2     1   19 1
C      RX1      2022-05-01 2022-05-01 2022-05-03 1     8   98 1
C      RX1      2022-05-01 2022-06-01 2022-06-02 2     1   19 1
Z      RX9      2022-12-31 2022-12-31 2022-12-31 1     1   19 1
"""


@pytest.mark.parametrize("rule", ["hf", "york", "sus"])
def test_leave_does_not_break_a_spell_and_more_than_28_days_are_counted(tmp_path, rule):
    with read(drawn_study(tmp_path, LEAVE, study={"spell_rule": rule})) as tables:
        assert [(r[0], r[3], r[4]) for r in rows_of(tables, SPELLS)] == [
            ("A", "2022-05-25", 2), ("B", "2022-06-02", 2), ("C", "2022-06-02", 2),
        ]  # fmt: skip
        # A was away 17 days, B 28, C 29.
        assert (codes(tables)["D367"].records, codes(tables)["D367"].people) == (1, 1)


# Scotland -------------------------------------------------------------------------------------------------------------

SCOTTISH = """
person key marker admitted left provider how diag
A  1  7  2022-05-01 2022-05-03 S101H 10 R074
A  2  7  2022-05-03 2022-05-05 S202H 10 K703
A  3  7  2022-05-05 2022-05-09 S101H 10 R074
A  4  8  2022-05-09 2022-05-10 S101H 10 R074
B  5  1  2022-05-01 2022-05-01 S101H 10 R074
B  6  1  2022-05-01 2022-05-04 S101H 41 R074
C  7  1  2022-05-01 2022-05-08 S101H 10 R074
C  8  2  2022-05-02 2022-05-03 S202H 10 R074
C  9  1  2022-05-08 2022-05-09 S202H 10 R074
Z  10 1  2022-12-31 2022-12-31 S909H 10 R074
"""
SMR = {"person": "LINK_NO", "key": "URI", "marker": "CIS_MARKER", "admitted": "ADMISSION_DATE", "left": "DISCHARGE_DATE",
       "provider": "LOCATION", "how": "DISCHARGE_TYPE", "diag": "MAIN_CONDITION"}  # fmt: skip


def scottish(home: Path, drawn: str = SCOTTISH, **parts) -> RunConfig:
    rows = [
        {SMR[k]: v for k, v in row.items()} | {"INPATIENT_DAYCASE_IDENTIFIER": "I", "ADMISSION_TYPE": "30", "SEX": "1", "AGE_IN_YEARS": "50"}
        | {f"OTHER_CONDITION_{i}": "" for i in range(1, 6)}
        for row in table(drawn)
    ]  # fmt: skip
    return study(home, {"admissions.csv": csv_text(rows)}, data=WINDOW, **parts)


def test_smr_makes_stays_of_the_marker_and_spells_of_hospitals_in_turn(tmp_path):
    with read(scottish(tmp_path, study={"spell_rule": "smr", "stay_rule": "smr"})) as tables:
        assert rows_of(tables, STAYS) == [
            ("A", "S101H", "2022-05-01", "2022-05-09", 3),
            ("A", "S101H", "2022-05-09", "2022-05-10", 1),
            ("B", "S101H", "2022-05-01", "2022-05-04", 1),
            ("C", "S101H", "2022-05-01", "2022-05-09", 2),
            ("C", "S202H", "2022-05-02", "2022-05-03", 1),
        ]
        assert [r[4] for r in rows_of(tables, SPELLS)][:4] == [1, 1, 1, 1]
        found = rows_of(
            tables, "SELECT alcohol_specific, died, emergency FROM stays ORDER BY person, admission_date, end_date"
        )
        assert found[:3] == [(1, 0, 1), (0, 0, 1), (0, 1, 1)]
        assert "D360" not in codes(tables)


def test_a_marker_that_the_rule_does_not_use_is_said(tmp_path):
    with read(scottish(tmp_path)) as tables:
        assert codes(tables)["D360"].level == "warn"
        assert tables.counts["stays"] > 6, "without transfer codes every spell is a stay"


def test_six_positions_are_looked_at_when_the_study_says_so(tmp_path):
    sixth = "+".join([*["R074"] * 5, "F102"])
    seventh = "+".join([*["R074"] * 6, "F102"])
    drawn = f"person admitted diag\nA 2022-05-01 {sixth}\nB 2022-05-01 {seventh}\nZ 2022-12-31 R074"
    for positions, wanted in ((6, [1, 0, 0]), (7, [1, 1, 0])):
        with read(drawn_study(tmp_path / str(positions), drawn, counting={"positions": positions})) as tables:
            assert [r[0] for r in rows_of(tables, "SELECT alcohol_specific FROM stays ORDER BY person")] == wanted


def test_an_own_list_takes_the_place_of_the_english_one_and_a_wrong_one_is_refused(tmp_path):
    drawn = "person admitted diag\nA 2022-05-01 Z721\nB 2022-05-01 F102\nZ 2022-12-31 R074"
    files = {"own.csv": "icd10,label\nZ72.1,alcohol use\n"}
    with read(drawn_study(tmp_path / "a", drawn, files, counting={"code_list": "own.csv"})) as tables:
        assert [r[0] for r in rows_of(tables, "SELECT alcohol_specific FROM stays ORDER BY person")] == [1, 0, 0]
    config = drawn_study(tmp_path / "b", drawn, {"own.csv": "icd10\nF10\nalcohol\n"}, counting={"code_list": "own.csv"})
    with pytest.raises(InputError, match=r"D373.*lines 3"), read(config):
        pass


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"code\nK70\n", "line 1 does not name the column icd10"),
        (b'icd10,name\nK70,"Liver disease\nF10.2,dependence\nX65,poisoning\n', "line 2 has a quotation mark that is never closed"),
        (b'icd10\nK70,,"Liver\nF10.2\n', "line 2 has a quotation mark that is never closed"),
        ("icd10,name\nK70,Zirrhose für alle\n".encode("cp1252"), "it is not UTF-8 text"),
    ],
)  # fmt: skip
def test_an_own_list_whose_rows_are_swallowed_is_refused(tmp_path, data, words):
    (tmp_path / "own.csv").write_bytes(data)
    with pytest.raises(InputError, match=words) as refusal:
        own_list(tmp_path / "own.csv")
    assert [p.code for p in refusal.value.problems] == ["D373"]


# One-off keys ---------------------------------------------------------------------------------------------------------


def test_one_off_keys_are_never_linked(tmp_path):
    drawn = """
    person   provider admitted   end        order how to diag
    ONE.1    RX1      2022-05-01 2022-05-03 1     8   98 F102
    ONE.1    RX1      2022-05-01 2022-05-07 2     1   51 F102
    ONE.1    RX2      2022-05-07 2022-05-09 1     1   19 F102
    A        RX1      2022-05-01 2022-05-03 1     1   51 F102
    A        RX2      2022-05-03 2022-05-09 1     1   19 F102
    Z        RX9      2022-12-31 2022-12-31 1     1   19 R074
    """.replace("ONE.", "ONE-")
    with read(drawn_study(tmp_path, drawn, data={"one_off_keys": ["ONE-"]})) as tables:
        assert [(r[0], r[4]) for r in rows_of(tables, STAYS)] == [("A", 2), ("ONE-1", 1), ("ONE-1", 1), ("ONE-1", 1)]
        assert (codes(tables)["D365"].records, codes(tables)["D365"].people) == (3, 1)


def test_one_off_keys_cannot_be_told_from_hashed_ones():
    with pytest.raises(ValueError, match="cannot be told once keys are hashed"):
        RunConfig.model_validate(
            {
                "config_version": 1,
                "name": "x",
                "data": {"admissions": "a", "one_off_keys": ["X"], "person_key": {"column": "c", "secret_file": "s"}},
            }
        )


# Changes of provider codes --------------------------------------------------------------------------------------------

MERGED = """
person provider admitted   start      end        order how to method
A      OLD      2022-03-30 2022-03-30 2022-04-01 1     1   51 21
A      NEW      2022-04-01 2022-04-01 2022-04-06 1     1   19 81
B      OLD      2022-03-28 2022-03-28 2022-03-31 1     1   19 21
B      NEW      2022-04-01 2022-04-01 2022-04-02 1     1   19 21
C      OLD      2022-02-01 2022-02-01 2022-02-02 1     1   19 21
C      NEW      2022-04-01 2022-04-01 2022-04-02 1     1   19 21
D      OLD      2022-09-01 2022-09-01 2022-09-02 1     1   19 21
Z      NEW      2022-12-31 2022-12-31 2022-12-31 1     1   19 21
"""


@pytest.mark.parametrize("rule", ["hf", "york"])
def test_a_merger_makes_no_admission_and_no_end_of_a_unit(tmp_path, rule):
    files = {"providers.csv": "old_code,new_code,from\nOLD,NEW,2022-04-01\n"}
    with read(drawn_study(tmp_path, MERGED, files, study={"spell_rule": rule})) as tables:
        assert rows_of(tables, SPELLS) == [
            ("A", "NEW", "2022-03-30", "2022-04-06", 2),
            ("B", "NEW", "2022-03-28", "2022-04-02", 2),
            ("C", "NEW", "2022-02-01", "2022-02-02", 1),
            ("C", "NEW", "2022-04-01", "2022-04-02", 1),
            ("D", "NEW", "2022-09-01", "2022-09-02", 1),
        ]
        found = codes(tables)
        assert found["D362"].records == 4
        assert "2 reopened" in found["D362"].detail
        assert (found["D370"].where, found["D370"].records) == ("OLD", 1)
        assert "D418" not in found


def test_a_change_of_a_code_that_no_admission_has_is_said(tmp_path):
    files = {"providers.csv": "old_code,new_code,from\nOLD,NEW,2022-04-01\n0LD,NEW,2022-04-01\n"}
    with read(drawn_study(tmp_path, MERGED, files)) as tables:
        assert codes(tables)["D418"].where == "0LD"


def test_numbers_that_differ_across_a_merger_are_still_one_spell(tmp_path):
    drawn = """
    person provider admitted   end        number method
    A      OLD      2022-03-30 2022-04-01 5      21
    A      NEW      2022-04-01 2022-04-06 900    21
    Z      NEW      2022-12-31 2022-12-31 1      21
    """
    files = {"providers.csv": "old,new,from\nOLD,NEW,2022-04-01\n"}
    with read(drawn_study(tmp_path, drawn, files, study={"spell_rule": "sus"})) as tables:
        assert rows_of(tables, SPELLS) == [("A", "NEW", "2022-03-30", "2022-04-06", 2)]


def test_chains_of_codes_sites_of_treatment_attendances_and_referrals_follow(tmp_path):
    drawn = """
    person provider site  admitted   end
    A      AAA      AAA01 2022-05-01 2022-05-02
    B      BBB      CCC01 2022-05-01 2022-05-02
    Z      CCC      CCC01 2022-12-31 2022-12-31
    """
    files = {
        "providers.csv": "old_code,new_code,from\nAAA,BBB,2019-04-01\nBBB,CCC,2021-04-01\nAAA01,CCC01,2021-04-01\n",
        "attendances.csv": "TOKEN_PERSON_ID,EPIKEY,ARRIVAL_DATE,PROVIDER_CODE\nA,e1,2022-05-01,AAA\n",
        "caseload.csv": "person,site,referred\nA,BBB,2022-06-01\n",
    }
    with read(drawn_study(tmp_path, drawn, files)) as tables:
        assert rows_of(tables, "SELECT DISTINCT provider, treatment_site FROM episodes") == [("CCC", "CCC01")]
        assert rows_of(tables, "SELECT site FROM attendances UNION ALL SELECT site FROM caseload") == [
            ("CCC",),
            ("CCC",),
        ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("A1,B1,2022-01-01\nA1,C1,2022-01-01", "A1 stands more than once"),
        ("A1,B1,2022-01-01\nB1,A1,2023-01-01", "lead back to it"),
    ],
)
def test_changes_that_contradict_one_another_are_refused(tmp_path, rows, words):
    config = drawn_study(
        tmp_path, "person admitted\nA 2022-05-01\nZ 2022-12-31", {"providers.csv": f"old_code,new_code,from\n{rows}\n"}
    )
    with pytest.raises(InputError, match=f"D372.*{words}"), read(config):
        pass


def test_a_site_whose_code_was_replaced_is_refused_with_the_code_that_holds(tmp_path):
    files = {
        "providers.csv": "old_code,new_code,from\nAAA,BBB,2019-04-01\nBBB,CCC,2021-04-01\n",
        "sites.csv": "site,go_live\nAAA,\nCCC,2022-06-01\n",
        "denominators.csv": "site,valid_from,population\nBBB,2021-01-01,5000\nCCC,2021-01-01,9000\n",
    }
    drawn = "person provider admitted\nA AAA 2022-05-01\nZ CCC 2022-12-31"
    with (
        pytest.raises(InputError) as refused,
        read(drawn_study(tmp_path, drawn, files, data={"denominators": "denominators.csv"})),
    ):
        pass
    assert [(p.code, p.what, p.where) for p in refused.value.problems] == [
        ("D321", "sites names AAA, which data.providers replaces by CCC", "data.sites"),
        ("D321", "denominators names BBB, which data.providers replaces by CCC", "data.denominators"),
    ]
    assert all("write one row for CCC" in p.do for p in refused.value.problems)


def test_a_change_that_is_dated_after_the_data_is_said(tmp_path):
    files = {"providers.csv": "old_code,new_code,from\nOLD,NEW,2032-04-01\n"}
    with read(drawn_study(tmp_path, MERGED, files)) as tables:
        assert codes(tables)["D362"].detail.endswith("the change of OLD is dated after 2022-12")


def test_a_provider_that_begins_or_ends_inside_the_series_is_a_warning_and_a_table_of_changes_ends_it(tmp_path):
    lines = ["person provider admitted"]
    for month in range(1, 13):
        code = "OLD" if month <= 6 else "NEW"
        lines += [f"p{month}-{i} {code} 2022-{month:02d}-{1 if i else 28:02d}" for i in range(12)]
        lines += [f"q{month}-{i} RX1 2022-{month:02d}-{1 if i else 28:02d}" for i in range(12)]
    drawn = "\n".join([*lines, "Z RX1 2022-12-31"])
    with read(drawn_study(tmp_path / "a", drawn)) as tables:
        found = [(f.where, f.detail) for f in tables.findings if f.code == "D361"]
        assert found == [
            ("OLD", "ends in 2022-06; NEW begins then: the same hospital under a new code?"),
            ("NEW", "begins in 2022-07"),
        ]
    files = {"providers.csv": "old_code,new_code,from\nOLD,NEW,2022-07-01\n"}
    with read(drawn_study(tmp_path / "b", drawn, files)) as tables:
        assert "D361" not in codes(tables)


# Codes by year, months ------------------------------------------------------------------------------------------------


def test_both_generations_of_codes_are_emergencies_and_those_outside_their_years_are_counted(tmp_path):
    drawn = """
    person admitted   method how to
    A      2012-05-01 28     1   19
    B      2014-06-01 28     1   19
    C      2012-05-01 2A     1   19
    D      2022-06-01 2D     2   54
    E      2021-06-01 21     7   37
    F      2024-06-01 21     2   54
    Z      2024-12-31 21     1   19
    """
    # Somebody every half year, so that the years are one series.
    between = "\n".join(f"b{y}{m} {y}-{m}-01 21 1 19" for y in range(2012, 2025) for m in ("05", "11"))
    config = study(
        tmp_path, {"admissions.csv": csv_text(episodes(drawn + between))}, data={"complete_to": "2024-12-31"}
    )
    with read(config) as tables:
        assert rows_of(tables, "SELECT min(emergency), count(*) FROM stays") == [(1, 33)]
        found = codes(tables)["D364"]
        assert found.records == 6
        assert "admission_method 28 after 2014-03-31" in found.detail


MATURE = "\n".join(
    [
        "person admitted",
        *[f"p{m}{d} 2022-{m:02d}-{d}" for m in range(1, 13) for d in ("01", "28")],
        "y 2022-12-31",
        "x 2022-12-30",
    ]
)


@pytest.mark.parametrize(
    ("data", "last", "code"),
    [
        ({"extracted": "2023-01-20", "maturity_days": 45}, "2022-11", "D309"),
        ({"extracted": "2023-01-20", "maturity_days": 20}, "2022-12", None),
        ({"extracted": "2023-01-20", "maturity_days": 60}, "2022-10", "D309"),
        ({"frozen_to": "2022-09-30"}, "2022-12", "D363"),
        ({"frozen_to": "2022-09-30", "flex": "leave_out"}, "2022-09", "D309"),
    ],
)
def test_the_last_month_is_mature_and_frozen_when_asked(tmp_path, data, last, code):
    with read(drawn_study(tmp_path, MATURE, data={"complete_to": None, **data})) as tables:
        assert str(tables.last_month) == last
        assert code is None or code in codes(tables)
        if code == "D363":
            assert codes(tables)[code].where == "2022-10 to 2022-12"
        if code == "D309" and "maturity_days" in data:
            assert f"{data['maturity_days']} days after its end" in codes(tables)[code].detail


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"maturity_days": 30}, "go together"),
        ({"extracted": "2023-01-01"}, "go together"),
        ({"flex": "leave_out"}, "needs frozen_to"),
    ],
)
def test_half_a_rule_of_maturity_is_refused(data, words):
    with pytest.raises(ValueError, match=words):
        RunConfig.model_validate({"config_version": 1, "name": "x", "data": {"admissions": "a", **data}})


@pytest.mark.parametrize(
    ("data", "where", "words"),
    [
        ({"complete_to": "2012-06-30"}, "data.complete_to", "complete_to = 2012-06-30 leaves no complete month"),
        ({"extracted": "2023-01-20", "maturity_days": 400}, "data.extracted", "extracted = 2023-01-20 leaves no complete month"),
        ({"complete_to": "2022-12-31", "frozen_to": "2012-03-31", "flex": "leave_out"}, "data.complete_to, data.frozen_to", "leave no complete month"),
        ({"extracted": "2022-10-20", "maturity_days": 0}, "data.extracted", "extracted is 2022-10-20, but the last admission is in 2022-12"),
    ],
)  # fmt: skip
def test_a_date_of_the_config_that_leaves_no_month_is_named(tmp_path, data, where, words):
    drawn = "person admitted\n" + "\n".join(f"A{m} 2022-{m:02d}-28" for m in range(1, 13)) + "\nZ 2022-12-31"
    config = study(tmp_path, {"admissions.csv": csv_text(episodes(drawn))}, data=data)
    with pytest.raises(InputError) as refused, read(config):
        pass
    (problem,) = refused.value.problems
    assert (problem.code, problem.where) == ("D320", where)
    assert words in problem.what


def test_another_table_of_changes_or_list_of_codes_is_another_study(tmp_path):
    from aaot_eval.run_folder import fingerprint

    files = {"providers.csv": "old_code,new_code,from\nA1,B1,2022-04-01\n", "own.csv": "icd10\nF10\n"}
    config = drawn_study(tmp_path, "person admitted\nA 2022-05-01", files, counting={"code_list": "own.csv"})
    prints = [fingerprint(config).whole]
    for name, text in (("providers.csv", "old_code,new_code,from\nA1,C1,2022-04-01\n"), ("own.csv", "icd10\nK70\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        prints.append(fingerprint(config).whole)
    assert len(set(prints)) == 3
