"""Every page of the documents is found from their index, and every link in them leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from tools.docs_index import page

LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)\s#]+)")


def test_the_index_lists_every_page(root: Path) -> None:
    written = (root / "docs" / "README.md").read_text("utf-8")
    assert written == page(), "run: python -m tools.docs_index > docs/README.md"
    pages = {p.relative_to(root / "docs").as_posix() for p in (root / "docs").rglob("*.md")} - {"README.md"}
    assert pages == {link for link in LINK.findall(written) if not link.startswith("../")}


def test_every_link_leads_to_a_file(root: Path) -> None:
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    gone = [
        f"{p.relative_to(root)}: {link}"
        for p in pages
        for link in LINK.findall(p.read_text("utf-8"))
        if not (p.parent / link).exists()
    ]
    assert not gone
