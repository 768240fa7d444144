"""An estimate says how many assignments were drawn where not all were gone through, whichever method it comes from."""

from __future__ import annotations

import numpy as np
import pytest

from aaot_eval.estimators import _randomisation as ri
from aaot_eval.estimators import build_estimator, synthetic_did
from aaot_eval.estimators.entry_rule import EntryRule
from aaot_eval.results import Analysis, Estimate
from tests.builders import site_panel
from tests.methods.patients import OUTCOME as OF_PEOPLE
from tests.methods.patients import patients_mixed

OUTCOME, CONTROL = "alcohol_specific_emergency", "non_alcohol_emergency"
DRAWN = 40
OVER_SITES = ("site_did", "group_time", "imputation", "event_study", "triple_difference", "synthetic_did")
"""Two of nine sites treated at different dates: 72 ways over sites, 42 over donors."""


@pytest.fixture
def few_enumerated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ri, "MOST_ENUMERATED", 30)
    monkeypatch.setattr(ri, "DRAWS", DRAWN - 1)
    monkeypatch.setattr(synthetic_did, "MOST_PLACEBOS", DRAWN - 1)


def rows(name: str) -> tuple[Estimate, ...]:
    rng = np.random.default_rng(5)
    counts = {o: rng.poisson(200.0, (9, 48)).astype(float) for o in (OUTCOME, CONTROL)}
    panel = site_panel(counts, [30, 33, *[None] * 7])
    analysis = Analysis("a", "sites", name, OUTCOME)
    return build_estimator(name, {}).fit(panel, analysis, seed=1)


@pytest.mark.parametrize("name", OVER_SITES)
def test_rows_of_a_drawn_randomisation_count_the_draws(name: str, few_enumerated: None) -> None:
    found = [e for e in rows(name) if not np.isnan(e.p_least)]
    assert found
    for estimate in found:
        assert estimate.drawn == DRAWN, estimate.inference
        assert estimate.p_least == pytest.approx(1 / DRAWN)


@pytest.mark.parametrize("name", OVER_SITES)
def test_nothing_was_drawn_where_all_were_gone_through(name: str) -> None:
    assert {e.drawn for e in rows(name)} == {None}


def test_the_entry_rule_is_exact_only_where_every_way_was_gone_through(few_enumerated: None) -> None:
    first = EntryRule(4, 12).fit(patients_mixed(), Analysis("e", "entry_rule", "entry_rule", OF_PEOPLE), seed=1)[0]
    assert first.drawn == DRAWN
    assert first.inference.startswith(f"randomisation over {DRAWN} of ")
