"""Every step runs on a real PostgreSQL server, and gives there the answers that were drawn for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.services import missing, postgres_server

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 900
# Drawn tests that together take every step; found by what each of them runs. A new step needs one of its own tests here.
TAKEN = (
    "area.py::test_the_first_area_that_is_told_counts_from_the_month_after_it_and_the_flow_adds_up",
    "asked_outcomes.py::test_a_readmission_is_an_emergency_0_to_29_days_after_the_last_discharge",
    "asked_outcomes.py::test_by_discharge_a_stay_belongs_to_the_month_it_ends",
    "asked_outcomes.py::test_lape_counts_first_episodes_in_the_month_they_end_and_the_default_stays_by_admission",
    "asked_outcomes.py::test_length_of_stay_alcohol_of_any_kind_and_deaths",
    "asked_outcomes.py::test_the_move_of_same_day_care_brings_its_own_outcomes_and_a_warning",
    "attendances.py::test_the_same_attendance_under_two_keys_is_one_and_the_last_load_stays",
    "entry_rules.py::test_age_area_and_exclusions_narrow_it",
    "entry_rules.py::test_listed_codes_count",
    "first_contact.py",
    "reading_formats.py::test_contacts_are_counted_with_the_caseload_and_no_outcome",
    "reading_formats.py::test_denominators_without_sites_are_refused",
    "named_rules.py::test_a_merger_makes_no_admission_and_no_end_of_a_unit[york]",
    "named_rules.py::test_chains_of_codes_sites_of_treatment_attendances_and_referrals_follow",
    "named_rules.py::test_numbers_that_differ_across_a_merger_are_still_one_spell",
    "named_rules.py::test_one_off_keys_are_never_linked",
    "named_rules.py::test_smr_makes_stays_of_the_marker_and_spells_of_hospitals_in_turn",
    "price_basis.py::test_bed_days",
    "price_basis.py::test_long_stays_pro_rated_by_nights",
    "price_basis.py::test_unpriced_spells_are_listed_with_their_share_and_never_cost_0",
    "private_patients.py::test_left_out_they_are_a_reason_of_their_own_in_the_flow",
    "private_patients.py::test_they_are_kept_and_counted_with_their_share_by_provider",
    "stays.py::test_which_codes_are_a_sign_of_transfer[nhsd]",
    "stays.py::test_which_codes_are_a_sign_of_transfer[york]",
)
# Files whose tests draw tables and count them; the others read text, whose reader is the same for every engine.
DRAWN = (
    "area",
    "asked_outcomes",
    "attendances",
    "counting",
    "entry_rules",
    "first_contact",
    "reading_formats",
    "named_rules",
    "panel",
    "price_basis",
    "private_patients",
    "spells",
    "stays",
)


def on_postgres(tests: Sequence[str], home: Path) -> set[str]:
    """Runs drawn tests with the server in the place of the default engine; the steps that it ran."""
    try:
        import adbc_driver_postgresql  # noqa: F401
    except ImportError:
        missing("the extra aaot-eval[postgres] is not installed")
    with postgres_server() as address:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "tests.on_postgres", "-p", "no:cacheprovider", "-m", "",
             *(f"tests/spec/test_{t}" for t in tests)],
            cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), "AAOT_TEST_POSTGRES": address, "AAOT_TEST_STEPS": str(home / "steps.json")},
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    found: dict[str, list[str]] = json.loads((home / "steps.json").read_text("utf-8"))
    return {step for steps in found.values() for step in steps}


def test_every_step_runs_on_postgres_and_gives_the_drawn_answers(tmp_path):
    steps = {p.stem for p in (ROOT / "aaot_eval" / "steps").glob("*.sql")}
    assert sorted(steps - on_postgres(TAKEN, tmp_path)) == [], "steps that never ran on PostgreSQL: add a test to TAKEN"


@pytest.mark.slow
def test_every_drawn_rule_holds_on_postgres(tmp_path):
    assert on_postgres([f"{name}.py" for name in DRAWN], tmp_path)
