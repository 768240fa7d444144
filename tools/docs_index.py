"""Writes docs/README.md, the list of every page by its title: `python -m tools.docs_index > docs/README.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

HEAD = """\
# Every page

<!-- Made by `python -m tools.docs_index > docs/README.md`; a test holds the two together. -->

What the program does and how it is run stands in the [README](../README.md), the words in the [glossary](../GLOSSARY.md), the code in
[CONTRIBUTING](../CONTRIBUTING.md). `aaot-eval explain NAME` shows one estimator, check, format, message code or config key.
"""


def _module(kind: str, page: Path) -> bool:
    """Whether the page is of a part of the package that is found by its name."""
    return (ROOT / "aaot_eval" / kind / f"{page.stem}.py").is_file()


def _listed(heading: str, pages: Iterable[Path]) -> list[str]:
    titles = {page: page.read_text("utf-8").splitlines()[0].removeprefix("# ") for page in pages}
    several = [title for title in titles.values() if list(titles.values()).count(title) > 1]
    lines = [
        f"- [{title}{f' ({page.stem})' if title in several else ''}]({page.relative_to(DOCS).as_posix()})"
        for page, title in titles.items()
    ]
    return ["", f"## {heading}", "", *lines]


def page() -> str:
    """The text of docs/README.md."""
    methods = sorted((DOCS / "methods").glob("*.md"))
    estimators = [p for p in methods if _module("estimators", p)]
    checks = [p for p in methods if _module("checks", p)]
    lines = [
        *_listed("For running it", sorted(p for p in DOCS.glob("*.md") if p.name != "README.md")),
        *_listed("Estimators", estimators),
        *_listed("Checks", checks),
        *_listed("Other methods", (p for p in methods if p not in (*estimators, *checks))),
        *_listed("What was measured", sorted((DOCS / "results").glob("*.md"))),
        *_listed("Decisions: why the design is what it is", sorted((DOCS / "decisions").glob("*.md"))),
    ]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(page())
