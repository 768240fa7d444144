"""Tests drawn for the default engine, run on PostgreSQL: `pytest -p tests.on_postgres tests/spec/...`.

Whatever a test opens the default engine for is done by the server at AAOT_TEST_POSTGRES. Every step that a test ran is
listed in the file AAOT_TEST_STEPS, so that a step which no test takes there is found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aaot_eval import engine

_open = engine.open_engine
_ran: dict[str, set[str]] = {}
_now = [""]


def _opened(name: str, work: Path, **given: Any) -> Any:
    """The PostgreSQL engine in the place of the default one; it notes every step."""
    if name != "duckdb":
        return _open(name, work, **given)  # type: ignore[arg-type]
    opened: Any = _open("postgres", work, **{**given, "address": os.environ["AAOT_TEST_POSTGRES"]})
    run = opened.run

    def noted(step: str, **parameters: Any) -> None:
        run(step, **parameters)
        _ran.setdefault(_now[0], set()).add(step)

    opened.run = noted
    return opened


# A plugin is imported before any test, so that every module takes this one.
engine.open_engine = _opened


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _now[0] = item.nodeid
    yield


def pytest_sessionfinish() -> None:
    listed = {test: sorted(steps) for test, steps in _ran.items()}
    Path(os.environ["AAOT_TEST_STEPS"]).write_text(json.dumps(listed, indent=1), "utf-8")
