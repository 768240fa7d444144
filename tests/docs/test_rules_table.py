"""Every rule and trap has a row, every test named exists, and the page is what the table says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tools.rules_table import RULES, TRAPS, page

ROOT = Path(__file__).resolve().parents[2]
#: Rows that nothing holds yet: the list may become shorter, never longer.
NOT_HELD = {"7.3", "3.2"}


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("row", [*RULES, *TRAPS], ids=lambda r: r.number)
def test_the_tests_named_exist(row):
    for name in row.tests:
        path, function = name.split("::")
        assert function in functions_of(path), name


def test_the_page_is_the_table():
    assert (ROOT / "docs" / "rules_and_traps.md").read_text("utf-8") == page()


def test_what_nothing_holds_is_known():
    assert {row.number for row in (*RULES, *TRAPS) if not row.tests} == NOT_HELD


def test_every_rule_and_trap_of_the_notes_has_a_row(shared):
    notes = (shared / "facts" / "nhs" / "conventions.md").read_text("utf-8")
    assert set(re.findall(r"RULE (\d+\.\d+)", notes)) <= {row.number for row in RULES}
    assert set(re.findall(r"TRAP (\d+\.\d+b?)", notes)) <= {row.number for row in TRAPS}
