"""Two-way models over people: the reference number, the words that go with it, and a run without the extra."""

from __future__ import annotations

import importlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aaot_eval.config import RunConfig
from aaot_eval.design import choose_analyses
from aaot_eval.estimators import patient_two_way
from aaot_eval.estimators._cohorts import person_months
from aaot_eval.estimators.patient_two_way import PatientTwoWay, person_rows
from aaot_eval.results import Analysis, Panel, generator
from tests.agreement import agrees
from tests.methods.patients import OUTCOME

ANALYSIS = Analysis("patient_two_way", "patients", "patient_two_way", OUTCOME)
# Two fits of the same likelihood, each to its own tolerance.
SAME_MODEL = 1e-8
# 313 referred with 0.2 admissions a month for about two years after: sd of the log ratio 0.04, three of them.
FLAT_WORLD = 0.12


@pytest.fixture(scope="module")
def without_history(mixed: Panel) -> Panel:
    """As the reference was made: months 0 to 47 only."""
    return replace(mixed, periods=mixed.periods.assign(left_out=mixed.periods.index < 24))


def test_reference_two_way_poisson(shared: Path, without_history: Panel) -> None:
    pytest.importorskip("pyfixest")
    truth = json.loads((shared / "reference_cases/did/patients_mixed/truth.json").read_text("utf-8"))
    theirs = truth["estimates_by_design"]["TWFE Poisson, control hospitals"]
    ours = PatientTwoWay().fit(without_history, ANALYSIS, seed=1)[0]
    agrees("did/patients_mixed", "TWFE Poisson, control hospitals", ours.estimate, theirs, rel=SAME_MODEL,
           note="a foil: the truth is 0.77, and the interval does not hold it")  # fmt: skip
    assert ours.conf_high < truth["ratio"]


def test_it_depends_on_the_months_before_referral_and_says_so(mixed, without_history) -> None:
    pytest.importorskip("pyfixest")
    found = [PatientTwoWay().fit(p, ANALYSIS, seed=1) for p in (mixed, without_history)]
    assert found[0][0].estimate > found[1][0].estimate + 0.05
    for rows in found:
        assert all("biased where they are referred at a peak" in e.note for e in rows)
        assert "clustered by hospital" in rows[0].inference
        assert [e.scale for e in rows] == ["rate_ratio", "rate_difference"]


def test_rows_are_months_alive_of_the_referred_and_of_other_hospitals(mixed) -> None:
    people = person_months(mixed, OUTCOME, OUTCOME)
    frame = person_rows(people, mixed)
    unreferred = ~people.referred[frame["person"]] & people.treated[frame["hospital"]]
    assert not unreferred.any()
    assert (frame["month"].to_numpy() <= people.death[frame["person"]]).all()
    assert frame.loc[frame["on_team"] == 1, "person"].nunique() == int(people.referred.sum())


@pytest.mark.parametrize("apart", [-3e-14, 3e-14])
def test_a_number_is_the_same_wherever_its_arrays_lie(mixed, monkeypatch, apart) -> None:
    """The library's own numbers differ by so much from one run to the next on a large panel."""
    library = pytest.importorskip("pyfixest")

    class Moved:
        def __init__(self, fit) -> None:
            self.coef, self.se = (lambda x=x: x() * (1 + apart) for x in (fit.coef, fit.se))

    class Library:
        fepois = staticmethod(lambda *a, **k: Moved(library.fepois(*a, **k)))
        feols = staticmethod(lambda *a, **k: Moved(library.feols(*a, **k)))

    plain = PatientTwoWay().fit(mixed, ANALYSIS, seed=1)
    monkeypatch.setattr(patient_two_way, "_pyfixest", Library)
    # What is not known is NaN, which equals itself in a text alone.
    assert repr(PatientTwoWay().fit(mixed, ANALYSIS, seed=1)) == repr(plain)


def test_without_the_extra_the_rows_say_so(mixed, monkeypatch) -> None:
    real = importlib.import_module

    def missing(name: str, *more: object) -> object:
        if name == "pyfixest":
            raise ImportError(name)
        return real(name, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(patient_two_way.importlib, "import_module", missing)
    rows = PatientTwoWay().fit(mixed, ANALYSIS, seed=1)
    assert [e.status for e in rows] == ["not_run", "not_run"]
    assert all("not run: extra not installed" in e.note and math.isnan(e.estimate) for e in rows)


def test_it_is_refused_as_the_headline(mixed) -> None:
    problems = PatientTwoWay().objections(mixed, replace(ANALYSIS, primary=True))
    assert [p.code for p in problems] == ["E442"]
    assert "cannot be the headline" in problems[0].what


def test_no_comparison_hospital(mixed) -> None:
    alone = replace(mixed, units=mixed.units.assign(start_t=40))
    assert "E436" in [p.code for p in PatientTwoWay().objections(alone, ANALYSIS)]


class TestChosenByRule:
    """The design reads the dip test: a foil where people were referred at a peak, a comparison of its own where they were not."""

    def chosen(self, panel: Panel):
        config = RunConfig.model_validate(
            {
                "config_version": 1,
                "name": "x",
                "data": {"admissions": "a.csv"},
                "study": {"entry_rule": "4 admissions in 12 months"},
            }
        )
        return {a.name: a for a in choose_analyses(panel, config)}["patient_two_way"]

    def test_a_peak_makes_it_a_foil(self, mixed) -> None:
        found = self.chosen(mixed)
        assert found.reason.endswith("shown as a foil")
        assert found.options["no_peak"] is False

    def test_without_a_peak_it_is_read_with_the_warning_about_matching(self, mixed) -> None:
        rng = generator(2, "flat")
        level = rng.gamma(1.0, 0.2, (len(mixed.people), 1))
        counts = rng.poisson(np.broadcast_to(level, (len(mixed.people), len(mixed.periods))))
        flat = replace(mixed, person_cells=mixed.person_cells.assign(**{OUTCOME: counts.reshape(-1)}))
        found = self.chosen(flat)
        assert "Daw and Hatfield 2018" in found.reason
        pytest.importorskip("pyfixest")
        row = PatientTwoWay(no_peak=True).fit(flat, ANALYSIS, seed=1)[0]
        assert "no peak before referral was found" in row.note
        # Its clustered interval is too narrow with three hospitals that start, as the note says: the value is held, not the interval.
        assert row.estimate == pytest.approx(1.0, abs=FLAT_WORLD)
