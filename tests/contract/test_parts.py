"""Every part found by name keeps its promise: a page of method, a refusal in words, a code that is listed and used."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from aaot_eval.checks import CHECKS
from aaot_eval.estimators import ESTIMATORS, build_estimator
from aaot_eval.findings import CATALOGUE
from aaot_eval.results import Analysis, Panel
from aaot_eval.schema import disclosure_profiles, schema_names, table_schema
from tests.builders import site_panel

OUTCOME = "alcohol_specific_emergency"
NO_NUMBER = re.compile(r"\b(?:nan|inf|NaN|NaT)\b")
CODE = re.compile(r'Finding\(\s*"([A-Z]\d{3})"')


@pytest.mark.parametrize("name", [*ESTIMATORS, *CHECKS])
def test_has_a_page_of_method(name: str, root: Path) -> None:
    page = root / "docs" / "methods" / f"{name}.md"
    assert page.is_file(), f"docs/methods/{name}.md is missing"
    assert len(page.read_text("utf-8").split()) > 80


CHECK_PAGE = ["Formula", "Assumes", "Verdict", "Edge cases", "Source", "Held to", "Measured"]
"""What the page of a check tells, in this order, under headings of the second level and no others."""


@pytest.mark.parametrize("name", [*CHECKS])
def test_the_page_of_a_check_is_complete(name: str, root: Path) -> None:
    _, *parts = re.split(r"^## ", (root / "docs" / "methods" / f"{name}.md").read_text("utf-8"), flags=re.MULTILINE)
    told = {heading.strip(): text for heading, _, text in (part.partition("\n") for part in parts)}
    assert list(told) == CHECK_PAGE
    assert [heading for heading, text in told.items() if not text.strip()] == []
    tests = re.findall(r"tests/\w+/test_\w+\.py", told["Held to"])
    assert tests, "no test is named that holds this check"
    assert [path for path in tests if not (root / path).is_file()] == []


@pytest.mark.parametrize("name", [*ESTIMATORS])
def test_the_page_of_an_estimator_is_complete(name: str, root: Path) -> None:
    wanted = ("Formulae", "Assumes", "Refusals and edge cases", "Source", "Held to", "Measured")
    page = (root / "docs" / "methods" / f"{name}.md").read_text("utf-8")
    parts = {
        p.partition("\n")[0].strip(): p.partition("\n")[2].strip() for p in re.split(r"^## ", page, flags=re.MULTILINE)
    }
    assert [heading for heading in wanted if not parts.get(heading)] == []
    tests = set(re.findall(r"tests/[\w/]+\.py", parts["Held to"]))
    assert tests
    assert [test for test in sorted(tests) if not (root / test).is_file()] == []
    refused = set(re.findall(r'"(E\d{3})"', (root / "aaot_eval" / "estimators" / f"{name}.py").read_text("utf-8")))
    said = set(re.findall(r"E\d{3}", page))
    for low, high in re.findall(r"E(\d{3}) to E(\d{3})", page):
        said |= {f"E{code}" for code in range(int(low), int(high) + 1)}
    assert refused - said == set()


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


def sparse(mean: float, n: int = 12, n_t: int = 48) -> Panel:
    """Sites with few events, one month and one site without any, three starts and a planted fall."""
    rate = np.full((n, n_t), mean)
    rate[:3, 24:] *= 0.3
    counts = {o: np.random.default_rng(5).poisson(rate).astype(float) for o in (OUTCOME, "non_alcohol_emergency")}
    for values in counts.values():
        values[:, 7], values[-1] = 0, 0
    return site_panel(counts, [24, 24, 27, *[None] * (n - 3)])


@pytest.mark.filterwarnings("error:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("mean", [1.0, 40.0])
@pytest.mark.parametrize("name", [n for n in CHECKS if "sites" in CHECKS[n].designs])
def test_no_check_of_sites_says_a_number_that_is_none(name: str, mean: float) -> None:
    panel, estimator = sparse(mean), build_estimator("site_did", {})
    given = Analysis("primary", "sites", "site_did", OUTCOME, primary=True)
    if estimator.objections(panel, given):
        return
    found = CHECKS[name]().run(estimator, panel, given, estimator.fit(panel, given, seed=1)[0], seed=1)
    assert not NO_NUMBER.search(f"{found.sentence} {found.threshold}"), found.sentence


def test_every_finding_raised_is_listed_and_every_one_listed_is_raised(root: Path) -> None:
    source = "\n".join(p.read_text("utf-8") for p in (root / "aaot_eval").rglob("*.py") if p.parent.name != "findings")
    raised = set(CODE.findall(source))
    assert raised <= set(CATALOGUE)
    unused = {code for code in CATALOGUE if f'"{code}"' not in source}
    assert not unused, f"listed and never raised: {sorted(unused)}"


@pytest.mark.parametrize("group", ["tables", "extracts", "release", "restricted", "appraisal"])
def test_schemas_are_table_schemas_with_described_columns(group: str) -> None:
    for name in schema_names(group):
        schema = table_schema(group, name)
        assert schema.title
        assert len({c.name for c in schema.columns}) == len(schema.columns)
        assert all(c.description or c.title for c in schema.columns), name


def test_profiles_say_what_they_hide() -> None:
    assert {"hes", "opensafely", "nhse_sde", "acro", "none"} <= set(disclosure_profiles())
