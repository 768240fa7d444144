"""Price files that a keyboard, a spreadsheet or a lost quotation mark has spoilt: each a refusal, never a fault or a number."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from aaot_eval.config import CostsConfig, OutcomeConfig
from aaot_eval.costs.price_index import load_index
from aaot_eval.errors import InputError
from aaot_eval.run_folder import fingerprint
from tests.costs_builders import PROGRAMME, UNIT_COSTS, price_config, refused_prices, words_of, write_prices

SHORT = "emergency_short_stay,stay,700,,,35"


def refused(folder: Path, *given: str, **costs: object) -> str:
    return words_of(refused_prices(folder, *given, **costs))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (SHORT, "emergency_short_stay,stay,1e300,,,35", "value is 1e+300, which is out of bounds"),
        (SHORT, "emergency_short_stay,stay,700,,,1e200", "std_error is 1e+200, which is out of bounds"),
        (SHORT, "emergency_short_stay,stay,1e-300,,,0", "nothing between 0 and 1e-06"),
        (SHORT, "emergency_short_stay,stay,7_00,,,35", "value is not a plain number"),
        (SHORT, "emergency_short_stay,stay,£700,,,35", "value is not a plain number"),
        ("std_error,price_year", "value,price_year", "the column 'value' stands twice"),
        ("Trust ledger", "x" * 200_000, "look for a quotation mark that is never closed"),
        ("Trust ledger", "Trust\0ledger", "the file holds characters that are not text"),
    ],
)
def test_a_spoilt_price_file_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in refused(tmp_path, UNIT_COSTS.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("caseload,60", "caseload,1e-300", "1 or more"),
        ("caseload,60", "caseload,0.5", "quantity is 0.5, which is out of bounds"),
        ("non_pay,,9000", "non_pay,,1e200", "amount is 1e+200, which is out of bounds"),
        ("set_up,5,", "set_up,1e-9,", "quantity is 1e-09, which is out of bounds"),
    ],
)
def test_a_spoilt_programme_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in refused(tmp_path, programme=PROGRAMME.replace(old, new, 1))


@pytest.mark.parametrize("value", ["1_00", "1e300", "1e-300"])
def test_a_spoilt_index_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "i.csv").write_text(f"year,measure,value\n2023/24,index,100\n2024/25,index,{value}\n", encoding="utf-8")
    with pytest.raises(InputError, match="the value is not a level above 0"):
        load_index("i.csv", price_config(tmp_path))


def test_an_index_with_an_open_quotation_mark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("year,measure,value\n2023/24,index," + '"' + "9" * 200_000, encoding="utf-8")
    with pytest.raises(InputError, match="quotation mark that is never closed"):
        load_index("i.csv", price_config(tmp_path))


def test_values_without_end_are_refused_in_the_config() -> None:
    with pytest.raises(ValueError, match="write values above 0"):
        OutcomeConfig.model_validate({"kind": "alive_day", "thresholds": [float("inf")]})
    whole = {"unit_costs": "u", "programme": "p", "price_year": "2024/25", "perspective": "provider"}
    with pytest.raises(ValueError, match="less than or equal to 1000000"):
        CostsConfig.model_validate({**whole, "solve_for": float("inf")})


def test_utilities_and_an_index_of_the_user_make_a_run_another_run(tmp_path: Path) -> None:
    write_prices(tmp_path)
    files = {"utilities": tmp_path / "u.csv", "price_index": tmp_path / "i.CSV"}
    for path in files.values():
        path.write_text("one\n", encoding="utf-8")
    outcome = {"kind": "qaly", "utilities": "u.csv"}
    config = price_config(tmp_path, price_index="i.CSV", outcome=outcome)
    before = fingerprint(config)
    listed = {f.table: f.sha256 for f in before.inputs}
    assert {name: listed[name] for name in files} == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()
    }
    for path in files.values():
        path.write_text("two\n", encoding="utf-8")
        assert fingerprint(config).whole != before.whole
        path.write_text("one\n", encoding="utf-8")
    assert fingerprint(config).whole == before.whole
