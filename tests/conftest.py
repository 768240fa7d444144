"""Shared fixtures, and the rule that every test has exactly one kind: the folder it lies in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

KINDS = ("spec", "methods", "contract", "cli", "golden", "docs", "architecture")
ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        kind = Path(item.path).relative_to(ROOT / "tests").parts[0]
        if kind not in KINDS:
            raise pytest.UsageError(f"{item.nodeid} lies outside the kinds {', '.join(KINDS)}")
        item.add_marker(getattr(pytest.mark, kind))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference cases beside the project; without it the test is skipped by name."""
    if not (SHARED / "reference_cases").is_dir():
        pytest.skip("the reference cases beside the project (../shared) are not here")
    return SHARED


@pytest.fixture
def root() -> Path:
    """The project's root."""
    return ROOT
