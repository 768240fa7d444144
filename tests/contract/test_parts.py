"""Every part found by name keeps its promise: a page of method, a refusal in words, a code that is listed and used."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from aaot_eval.checks import CHECKS
from aaot_eval.estimators import ESTIMATORS, build_estimator
from aaot_eval.findings import CATALOGUE
from aaot_eval.results import Analysis
from aaot_eval.schema import disclosure_profiles, schema_names, table_schema
from tests.builders import site_panel

OUTCOME = "alcohol_specific_emergency"
CODE = re.compile(r'Finding\(\s*"([A-Z]\d{3})"')


@pytest.mark.parametrize("name", [*ESTIMATORS, *CHECKS])
def test_has_a_page_of_method(name: str, root: Path) -> None:
    page = root / "docs" / "methods" / f"{name}.md"
    assert page.is_file(), f"docs/methods/{name}.md is missing"
    assert len(page.read_text("utf-8").split()) > 80


@pytest.mark.parametrize("name", [*ESTIMATORS])
def test_refuses_a_panel_on_which_nothing_starts(name: str) -> None:
    panel = site_panel({OUTCOME: np.full((4, 48), 80.0)}, [None] * 4)
    kind = ESTIMATORS[name]
    objections = build_estimator(name, {}).objections(panel, Analysis("a", kind.design, name, OUTCOME))
    assert objections
    assert all(p.code and p.what and p.do for p in objections)


@pytest.mark.parametrize("name", [*CHECKS])
def test_a_check_names_the_designs_it_is_for(name: str) -> None:
    designs = {ESTIMATORS[e].design for e in ESTIMATORS} | {"trial"}
    assert CHECKS[name].designs
    assert set(CHECKS[name].designs) <= designs


def test_every_finding_raised_is_listed_and_every_one_listed_is_raised(root: Path) -> None:
    source = "\n".join(p.read_text("utf-8") for p in (root / "aaot_eval").rglob("*.py") if p.name != "findings.py")
    raised = set(CODE.findall(source))
    assert raised <= set(CATALOGUE)
    unused = {code for code in CATALOGUE if f'"{code}"' not in source}
    assert not unused, f"listed and never raised: {sorted(unused)}"


@pytest.mark.parametrize("group", ["tables", "extracts", "release"])
def test_schemas_are_table_schemas_with_described_columns(group: str) -> None:
    for name in schema_names(group):
        schema = table_schema(group, name)
        assert schema.title
        assert len({c.name for c in schema.columns}) == len(schema.columns)
        assert all(c.description or c.title for c in schema.columns), name


def test_profiles_say_what_they_hide() -> None:
    assert {"hes", "opensafely", "nhse_sde", "acro", "none"} <= set(disclosure_profiles())
