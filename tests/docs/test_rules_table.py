"""Every rule and trap has a row, every test named exists, and the page is what the table says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tools.rules_table import RULES, TRAPS, page

ROOT = Path(__file__).resolve().parents[2]


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


def test_no_cell_is_empty_and_no_number_stands_twice():
    rows = [*RULES, *TRAPS]
    assert all(row.label and row.what and row.tests for row in rows)
    assert len({row.number for row in rows}) == len(rows)


def test_every_rule_trap_and_check_of_the_notes_has_a_row(shared):
    """A rule that is added to the notes has no row yet, and this fails until it is held."""
    notes = (shared / "facts" / "nhs" / "conventions.md").read_text("utf-8")
    assert set(re.findall(r"RULE (\d+\.\d+)", notes)) == {row.number for row in RULES}
    traps = {row.number for row in TRAPS}
    assert set(re.findall(r"TRAP (\d+\.\d+b?)", notes)) <= traps
    checks = re.search(r"^## 13\..*?$(.*?)^## ", notes, re.MULTILINE | re.DOTALL)[1]
    assert {f"13.{n}" for n in re.findall(r"^(\d+)\. ", checks, re.MULTILINE)} <= traps
    breaks = re.search(r"^## 12\..*?$(.*?)^## ", notes, re.MULTILINE | re.DOTALL)[1]
    known = len(re.findall(r"^\| (?!when|---)", breaks, re.MULTILINE))
    assert len([n for n in traps if n.startswith("12")]) >= known, "a break of the notes has no row"
