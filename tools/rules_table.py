"""Writes docs/rules_and_traps.md: the rules and traps of the field, and the tests that hold each: `python -m tools.rules_table`.

The numbers are those of the notes on hospital records that the project was built from; the labels are ours. A test asks that every rule, trap
and check of the notes has a row with a test, that every test named exists, and that the page is what this module writes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

HEAD = """\
# Rules and traps of hospital records, and the tests that hold them

<!-- Made by `python -m tools.rules_table > docs/rules_and_traps.md`; a test holds the two together. -->

A rule is something the program does; a trap changes a result silently, so that it needs a gate or a handling. The tests are under `tests/`;
every row has at least one.

"""


@dataclass(frozen=True, slots=True)
class Held:
    """One rule or trap: its number, what it is about, what the program does, and the tests (`folder/file::name`)."""

    number: str
    label: str
    what: str
    tests: tuple[str, ...]


def _spec(*names: str) -> tuple[str, ...]:
    return tuple(f"spec/test_{name}" for name in names)


RULES = (
    Held(
        "1.1",
        "Date of an admission",
        "month of the first admission date; by end of episode for LAPE figures, by discharge on request",
        _spec(
            "panel.py::test_counts_by_site_and_month_of_admission_with_the_people_behind_them",
            "asked_outcomes.py::test_lape_counts_first_episodes_in_the_month_they_end_and_the_default_stays_by_admission",
            "asked_outcomes.py::test_by_discharge_a_stay_belongs_to_the_month_it_ends",
        ),
    ),
    Held(
        "1.2",
        "Valid episode",
        "every loss has a reason and a count; the flow adds up or the run stops",
        _spec("counting.py::test_every_loss_of_an_episode_has_a_reason_and_the_flow_adds_up"),
    ),
    Held(
        "1.3",
        "Class of patient",
        "regular attenders leave; a day case is never priced as a stay",
        _spec(
            "counting.py::test_every_loss_of_an_episode_has_a_reason_and_the_flow_adds_up",
            "price_basis.py::test_a_day_case_never_takes_an_inpatient_price",
        ),
    ),
    Held(
        "1.4",
        "Nights",
        "discharge less admission; never negative; a day of transfer once",
        _spec(
            "price_basis.py::test_bed_days",
            "counting.py::test_impossible_dates_are_counted_and_never_make_negative_nights",
        ),
    ),
    Held(
        "2.1",
        "Which episode says what",
        "admission from the first, discharge from the last",
        _spec("spells.py::test_admission_comes_from_the_first_episode_and_discharge_from_the_last"),
    ),
    Held(
        "2.2",
        "Missing dates of a spell",
        "a missing discharge is filled from the last end; an episode without an admission date leaves and is counted (not filled)",
        _spec(
            "spells.py::test_a_missing_discharge_date_is_filled_from_the_last_end",
            "counting.py::test_every_loss_of_an_episode_has_a_reason_and_the_flow_adds_up",
        ),
    ),
    Held(
        "2.3",
        "Order of rows",
        "no count changes",
        _spec(
            "counting.py::test_neither_the_order_of_rows_nor_a_file_loaded_twice_changes_a_count",
            "named_rules.py::test_the_order_of_rows_does_not_matter_to_sus",
        ),
    ),
    Held(
        "4.1",
        "Emergency",
        "the first method of the stay, both generations of codes",
        _spec(
            "counting.py::test_which_methods_are_an_emergency",
            "stays.py::test_an_elective_first_leg_makes_the_stay_elective",
        ),
    ),
    Held(
        "4.2",
        "Method 81",
        "a transfer is no admission of its own",
        _spec(
            "stays.py::test_a_transfer_is_one_admission_of_the_first_hospital",
            "stays.py::test_which_codes_are_a_sign_of_transfer",
        ),
    ),
    Held(
        "4.3",
        "Codes are text",
        "2A to 2D are never numbers",
        _spec(
            "counting.py::test_which_methods_are_an_emergency",
            "named_rules.py::test_both_generations_of_codes_are_emergencies_and_those_outside_their_years_are_counted",
        ),
    ),
    Held(
        "6.1",
        "Loading a file twice",
        "changes no count",
        (
            *_spec("counting.py::test_neither_the_order_of_rows_nor_a_file_loaded_twice_changes_a_count"),
            "contract/test_formats.py::test_a_file_loaded_twice_and_rows_in_another_order_change_nothing",
        ),
    ),
    Held(
        "7.1",
        "Last usable month",
        "the last whole one, or the last that is mature or frozen",
        _spec(
            "panel.py::test_the_last_complete_month",
            "named_rules.py::test_the_last_month_is_mature_and_frozen_when_asked",
        ),
    ),
    Held(
        "7.2",
        "Uncoded episodes and low counts in late months",
        "R69X share by month and site stops or warns, above every earlier month of the provider warns; low site-months and codes by year warn",
        _spec(
            "counting.py::test_months_without_diagnoses_stop_and_are_named",
            "counting.py::test_a_site_without_diagnoses_stops_though_the_month_as_a_whole_has_them",
            "completeness.py::test_uncoded_newest_months_of_one_provider",
            "drift.py::test_a_quarter_far_from_that_of_the_year_before",
            "drift.py::test_more_codes_an_episode_than_in_the_first_year",
        ),
    ),
    Held(
        "7.3",
        "Which earlier months changed since the last run",
        "months by site with both counts, a warning beyond 2 %, a stop beyond 25 %",
        (
            *_spec(
                "vintage.py::test_a_revised_month_is_a_warning_with_its_size_and_both_counts_are_listed",
                "vintage.py::test_months_that_are_gone_stop",
            ),
            "cli/test_month_later.py::test_a_revised_back_series_is_told_by_check_and_run_and_the_run_repeats",
        ),
    ),
    Held(
        "7.4",
        "End of follow-up",
        "death, end of the usable data; no zeros after it",
        _spec(
            "panel.py::test_a_death_in_hospital_is_known_without_a_deaths_table",
            "panel.py::test_the_window_of_the_study_cuts_the_data",
        ),
    ),
    Held(
        "9.1",
        "Readmission",
        "days 0 to 29 by default; discharges without a whole window are left empty",
        _spec(
            "asked_outcomes.py::test_a_readmission_is_an_emergency_0_to_29_days_after_the_last_discharge",
            "asked_outcomes.py::test_28_days_is_days_0_to_27",
        ),
    ),
    Held(
        "10.1",
        "Death ends time at risk",
        "and stands beside the admissions",
        _spec(
            "panel.py::test_a_death_in_hospital_is_known_without_a_deaths_table",
            "asked_outcomes.py::test_length_of_stay_alcohol_of_any_kind_and_deaths",
        ),
    ),
)
TRAPS = (
    Held("3.1", "Overlap and order of spells", "full order with a last tie-break; overlap stated by rule and counted", _spec("stays.py::test_overlap_joins_under_hf_and_never_under_nhsd", "stays.py::test_overlaps_are_counted")),
    Held("3.1b", "2B recoded as a number", "2B is text and a sign of transfer", _spec("stays.py::test_which_codes_are_a_sign_of_transfer")),
    Held("3.2", "Transfer to a mental-health trust", "joined by its code; stays that go on where the extract does not reach are counted", _spec("joins_and_numbers.py::test_transfers_to_mental_health_that_no_record_follows_are_counted")),
    Held("3.3", "Codes of source and destination changed", "both sets are read, those outside their years counted", _spec("named_rules.py::test_both_generations_of_codes_are_emergencies_and_those_outside_their_years_are_counted")),
    Held("3.4", "One-off person ids", "never linked", _spec("named_rules.py::test_one_off_keys_are_never_linked")),
    Held("5.1", "Fractions for single people", "patient outcomes are counts; fractions are for populations", _spec("asked_outcomes.py::test_the_three_measures_by_hand")),
    Held("12a", "Numbers of diagnosis fields", "positions looked at are a setting; files that hold fewer than others warn", _spec("named_rules.py::test_six_positions_are_looked_at_when_the_study_says_so", "reading.py::test_files_with_fewer_diagnosis_fields_than_others_are_said_unless_the_fewest_are_looked_at")),
    Held("12b", "Episode status 1 ends", "only finished episodes count", _spec("counting.py::test_every_loss_of_an_episode_has_a_reason_and_the_flow_adds_up")),
    Held("12c", "A&E ends, ECDS begins", "two formats, one table", _spec("reading_formats.py::test_attendances_before_and_after_2020_make_one_table")),
    Held("12d", "Same-day emergency care moves", "switch by site, outcomes without and with it, a warning", _spec("asked_outcomes.py::test_the_move_of_same_day_care_brings_its_own_outcomes_and_a_warning")),
    Held("12e", "Methods 6 and 7 of discharge", "self-discharge of every year is kept", _spec("counting.py::test_self_discharge_of_every_year_is_kept")),
    Held("12f", "Merger or new code", "table of changes; a provider that begins or ends unannounced warns", _spec("named_rules.py::test_a_merger_makes_no_admission_and_no_end_of_a_unit", "named_rules.py::test_a_provider_that_begins_or_ends_inside_the_series_is_a_warning_and_a_table_of_changes_ends_it")),
    Held("12g", "Coding depth drifts", "mean codes per episode by provider, first year against last, warn; the study may look at fewer positions", _spec("drift.py::test_more_codes_an_episode_than_in_the_first_year", "named_rules.py::test_six_positions_are_looked_at_when_the_study_says_so")),
    Held("12h", "Length of a month", "days, or working days without holidays, are the exposure", _spec("panel.py::test_exposure_is_population_times_days", "calendar.py::test_a_month_is_as_long_as_the_study_says")),
    Held("12i", "Empty months", "missing, never nought", _spec("panel.py::test_a_site_month_without_a_record_is_missing_never_zero")),
    Held("12j", "28 becomes 2A to 2D", "both are emergencies, and text", _spec("counting.py::test_which_methods_are_an_emergency", "named_rules.py::test_both_generations_of_codes_are_emergencies_and_those_outside_their_years_are_counted")),
    Held("12k", "Pandemic", "a note, and three treatments of its months side by side", ("methods/test_its.py::test_pandemic_months_have_three_treatments", "methods/test_its.py::test_outside_the_pandemic_it_is_said")),
    Held("12l", "Keys of 19 and 20 digits", "keys are text; one read as a decimal is refused", _spec("reading.py::test_keys_of_twenty_digits_stay_apart")),
    Held("12m", "April", "a step in the records is named with its month; made-up start dates are tried over the whole past", (*_spec("completeness.py::test_a_jump_of_same_day_stays_is_found_at_its_month"), "methods/test_its_checks.py::test_the_table_is_that_of_the_record")),
    Held("12n", "Decimals in columns of whole numbers", "order, status and age are read as the numbers they are; a class with a decimal is none, and many stop the run", _spec("counting.py::test_whole_numbers_written_with_a_decimal_are_the_same_numbers", "counting.py::test_a_large_share_lost_for_one_reason_stops")),
    Held("12o", "Ages 7001 to 7007", "bands of the first year: 0; above 120 unknown", _spec("counting.py::test_ages_of_the_first_year_are_nought_and_those_of_nobody_unknown")),
    Held("12p", "Codes with dots, fillers and daggers", "known as the codes that they are", _spec("counting.py::test_codes_are_known_with_dot_filler_dagger_and_fifth_character")),
    Held("12q", "No fixed abode", "an empty area or site of treatment loses nobody", _spec("counting.py::test_people_without_an_area_or_a_site_of_treatment_stay")),
    Held("12r", "Dates in several spellings", "each that cannot be mistaken is read; others are declared", _spec("reading.py::test_dates_of_several_spellings", "reading.py::test_a_spelling_of_dates_is_declared_in_capitals_or_not_and_with_a_time")),
    Held("12s", "The same attendance under two keys", "one, when diagnosis and treatment are the same and at most 60 minutes lie between; the last load stays", _spec("attendances.py::test_the_same_attendance_under_two_keys_is_one_and_the_last_load_stays")),
    Held("12t", "Private patients", "counted, with their share by provider; a share that changes warns; left out and counted in the flow on request", _spec("private_patients.py::test_they_are_kept_and_counted_with_their_share_by_provider", "private_patients.py::test_left_out_they_are_a_reason_of_their_own_in_the_flow")),
    Held("13.1", "Dates that do not read", "rejects by place and kind; ambiguous spellings are refused", _spec("reading.py::test_unreadable_cells_are_listed_by_place_and_kind_never_by_value", "reading.py::test_dates_that_can_be_read_both_ways_are_refused_until_declared")),
    Held("13.2", "Dates out of order", "counted, not mended", _spec("counting.py::test_impossible_dates_are_counted_and_never_make_negative_nights")),
    Held("13.3", "Numbering of episodes", "spells not numbered 1, 2, 3, ... are counted", _spec("joins_and_numbers.py::test_episodes_are_numbered_from_1_without_gaps_or_counted")),
    Held("13.4", "Discharge date on the last episode", "earlier ones are counted, the last one's is used", _spec("joins_and_numbers.py::test_a_discharge_date_before_the_last_episode_is_counted_and_the_last_ones_used")),
    Held("13.5", "Unknown codes", "counted and kept", _spec("counting.py::test_unknown_codes_are_found_and_kept")),
    Held("13.6", "One key, different content", "the last load wins in any order of rows; many keys of several admissions stop the run", _spec("counting.py::test_the_last_load_of_an_episode_wins", "counting.py::test_a_key_that_is_of_no_episode_stops_and_a_file_loaded_twice_does_not", "counting.py::test_of_two_rows_with_one_key_the_same_one_stays_in_any_order")),
    Held("13.7", "Activity after death, overlaps, two people under one key", "the death is not used and counted; overlaps, two sexes and ages that do not fit are counted", _spec("panel.py::test_a_death_with_activity_after_it_is_not_used", "stays.py::test_overlaps_are_counted", "joins_and_numbers.py::test_two_sexes_and_ages_that_do_not_fit_under_one_key_are_counted")),
    Held("13.8", "Records by provider and month", "completeness by column, month and site; jumps of codes, R69X and same-day stays are listed", _spec("completeness.py::test_a_jump_of_same_day_stays_is_found_at_its_month", "completeness.py::test_a_column_that_is_empty_at_one_site_from_a_month_on", "drift.py::test_more_codes_an_episode_than_in_the_first_year")),
    Held("13.9", "People without any record", "no error: they stay in the denominator with no admissions; the join is reported by site", _spec("joins_and_numbers.py::test_people_of_the_caseload_without_any_record_stay_in_the_denominator_with_no_admission", "joins_and_numbers.py::test_the_join_of_the_caseload_is_reported_by_site_and_a_badly_joined_site_warns")),
    Held("13.10", "Index dates outside the data", "refused", _spec("panel.py::test_refusals_name_the_place_and_the_way_out")),
    Held("8", "Numbers that identify", "refused without a secret, hashed with one; no byte written holds them", (*_spec("reading.py::test_nhs_numbers_under_another_name_are_refused"), "cli/test_opt_out.py::test_no_byte_of_a_run_holds_a_number_or_anybody_who_opted_out")),
    Held("11", "Cost once per spell", "an HRG repeated on episodes is priced once; a stay without a price stops", _spec("price_basis.py::test_an_hrg_repeated_on_episodes_counts_once", "panel.py::test_a_stay_without_a_price_stops_and_never_costs_nothing")),
)  # fmt: skip


def _table(heading: str, rows: tuple[Held, ...]) -> list[str]:
    lines = [f"## {heading}", "", "| number | about | what the program does | held by |", "|---|---|---|---|"]
    for row in rows:
        tests = "<br>".join(f"`{t}`" for t in row.tests)
        lines.append(f"| {row.number} | {row.label} | {row.what} | {tests} |")
    return [*lines, ""]


def page() -> str:
    """The text of docs/rules_and_traps.md."""
    return HEAD + "\n".join([*_table("Rules", RULES), *_table("Traps and checks", TRAPS)])


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(page())
