"""The page of gates is what the catalogue says."""

from __future__ import annotations

from aaot_eval.findings import CATALOGUE, LIMITS
from tools.gates_page import page


def test_the_page_is_the_catalogue(root):
    written = (root / "docs" / "quality_gates.md").read_text("utf-8")
    assert written == page(), "run: python -m tools.gates_page > docs/quality_gates.md"
    assert all(f"| {code} |" in written for code in (*CATALOGUE, *LIMITS))
