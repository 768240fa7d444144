"""Every trap of the notes on methods has a row with a test that exists, and the page is what the tool writes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tools.traps_table import TRAPS, page


def _names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    found = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{n.name}" for n in node.body if isinstance(n, ast.FunctionDef)}
    return found


def test_the_page_is_what_the_tool_writes(root: Path) -> None:
    assert (root / "docs" / "traps_methods.md").read_text("utf-8") == page()


@pytest.mark.parametrize("trap", TRAPS, ids=[t.number for t in TRAPS])
def test_every_test_named_exists(trap, root: Path) -> None:
    assert trap.tests
    for test in trap.tests:
        file, name = test.split("::", 1)
        assert name in _names(root / "tests" / file), test


def test_every_trap_of_the_notes_has_a_row(shared: Path) -> None:
    did = (shared / "methods" / "did.md").read_text("utf-8")
    listed = did[did.index("Traps met") : did.index("## 2.")]
    numbers = {t.number for t in TRAPS}
    traps = len(re.findall(r"^\* ", listed, flags=re.MULTILINE))
    assert {f"did 1.{i + 1}" for i in range(traps)} <= numbers
    its = (shared / "methods" / "its.md").read_text("utf-8")
    advice = its[its.index("## 4.") : its.index("## 5.")]
    points = {int(n) for n in re.findall(r"^(\d+)\. ", advice, flags=re.MULTILINE)}
    assert {f"its 4.{n}" for n in points} <= numbers
