"""Writes docs/traps_methods.md: the traps of the methods and the tests that hold each: `python -m tools.traps_table > docs/traps_methods.md`.

The traps are those of the notes on difference-in-differences (section 1) and interrupted time series (section 4) that the project was built
from; the labels are ours. A test asks that every trap of the notes has a row, that every test named exists and that the page is what this
module writes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

HEAD = """\
# Traps of the methods, and the tests that hold them

<!-- Made by `python -m tools.traps_table > docs/traps_methods.md`; a test holds the two together. -->

In each of these the usual program, or usual practice, gives a wrong number or none without a word. "Gives" means that ours is right there,
"says" that it gives no number and says why. Where the trap is the number of a library, the test runs that library and shows its number
beside ours. The tests are under `tests/`.

"""


@dataclass(frozen=True, slots=True)
class Trap:
    """One trap: its place in the notes, what goes wrong, what the program does, and the tests (`folder/file::name`)."""

    number: str
    what: str
    ours: str
    tests: tuple[str, ...]


def _t(file: str, *names: str) -> tuple[str, ...]:
    return tuple(f"methods/test_{file}.py::{name}" for name in names)


TRAPS = (
    Trap("did 1.1", "linearmodels counts the site effects: the clustered standard error of mpdta is 0.01482 instead of 0.01327",
         "gives fixest's, with all three flags and the period effects counted",
         _t("traps", "test_linearmodels_by_default_is_twelve_per_cent_too_wide") + _t("staggered_reference", "test_reference_two_way_on_mpdta_has_the_standard_error_of_fixest")),
    Trap("did 1.2", "diff-diff's two-way model wants group times post; handed the switch itself it returns nought",
         "gives the coefficient of the switch; that library's two-way model is not used",
         _t("traps", "test_diff_diff_two_way_handed_the_switch_returns_nought")),
    Trap("did 1.3", "randomisation that fails on cluster names in words, and a wild bootstrap that is not there when asked for",
         "gives both itself, whatever the sites are called",
         _t("traps", "test_site_names_in_words_are_no_obstacle_to_randomisation_and_bootstrap")),
    Trap("did 1.4", "the standard error depends on the version: clustered or not, by default",
         "gives the clustered one: the cluster is always passed and named in `inference`",
         _t("traps", "test_without_a_named_cluster_a_library_gives_another_standard_error")),
    Trap("did 1.5", "Sun-Abraham and Callaway-Sant'Anna: the same effect, two standard errors",
         "gives both and says whether the cohorts' shares are taken as given",
         _t("staggered", "TestEventStudy::test_sun_abraham_has_the_same_effect_and_says_how_its_error_differs")),
    Trap("did 1.6", "relative-magnitudes interval of diff-diff's HonestDiD is not R's",
         "gives R's numbers", _t("traps", "test_honest_interval_of_the_library_is_not_that_of_r") + _t("staggered_reference", "test_reference_honest_intervals_are_those_of_r")),
    Trap("did 1.7", "a cohort of one site: a singular pre-test without a word",
         "says that there is no joint test", _t("staggered", "TestEventStudy::test_cohorts_of_one_site_have_no_joint_test")),
    Trap("did 0.1", "people entered at their peak: event studies over people read a fall of half or more where nothing was done",
         "says that people were referred at a peak (E457); gives the entry rule instead",
         _t("patient_group_time", "TestRefusals::test_a_peak_or_no_dip_test_is_refused_in_words", "test_on_whom_it_stands_is_said_when_people_die")),
    Trap("did 0.3", "one treated hospital: clustered p 8e-7 where 1/9 is the least possible",
         "gives the randomisation p, the least reachable one first; no clustered p headlines",
         _t("staggered", "TestPlantedRatio::test_one_treated_hospital_of_nine_has_no_p_below_one_in_nine") + _t("site_did", "TestRefusals::test_clustered_p_values_never_headline_with_few_sites")),
    Trap("did 0.5", "unbalanced panels: a program changes to repeated cross-sections without a word",
         "gives the pairs seen at both dates, says how many were not, and shows the other number under its name",
         _t("staggered_reference", "test_reference_card_krueger_pairs_and_all_rows") + _t("patient_group_time", "TestByHand::test_after_a_death_only_the_people_alive_at_both_dates_are_compared")),
    Trap("its 4.1", "counts without an offset for days and population, or with season forgotten", "gives both, and two season pairs from 36 months",
         _t("its", "TestWhatIsFitted::test_season_terms") + _t("its_reference", "TestEngland::test_quasi_poisson_and_newey_west")),
    Trap("its 4.2", "autocorrelation taken too low, intervals too narrow", "gives rho by restricted likelihood, floors, Satterthwaite t, the wider of two error models",
         _t("its_checks", "TestCoverage::test_the_default_covers_and_usual_practice_does_not") + _t("its", "TestWhatIsFitted::test_the_headline_is_the_wider_interval")),
    Trap("its 4.3", "one method alone, chosen after the result", "gives every other way beside it, each with its conventions", _t("its", "TestBesideIt::test_rows", "TestBesideIt::test_conventions_are_stated")),
    Trap("its 4.4", "the restricted likelihood runs to its edge: a standard error of 689", "says so, and gives maximum likelihood beside it",
         _t("its_reference", "TestProposition99::test_restricted_likelihood_at_its_edge_is_capped_and_said", "TestWestVirginia::test_restricted_likelihood_runs_to_its_edge_and_says_so")),
    Trap("its 4.5", "ARIMA on raw counts stops at a false optimum without a word: a step of -1849 instead of -3285",
         "gives the step: scaled, two starts, Hessian errors", _t("traps", "test_arima_on_raw_counts_stops_at_a_false_optimum") + _t("its_reference", "TestQuetiapine::test_step_and_ramp")),
    Trap("its 4.6", "Newey-West of statsmodels has no small-sample factor and normal quantiles; its feasible GLS drops the first period",
         "gives factor and t, stated with the lag; Prais-Winsten keeps the first period",
         _t("traps", "test_newey_west_by_default_is_narrower_than_in_other_programs", "test_glsar_drops_the_first_period")),
    Trap("its 4.7", "phase-in months taken out and the ends joined", "gives the fit with calendar time kept",
         _t("its", "TestWhatIsFitted::test_left_out_and_missing_months_keep_calendar_time") + _t("its_reference", "TestAntidepressants::test_joining_the_ends_would_be_another_answer")),
    Trap("its 4.8", "pandemic months ignored", "gives three treatments side by side", _t("its", "TestBesideIt::test_pandemic_months_have_three_treatments")),
    Trap("its 4.9", "a control series with its own shocks taken for shared ones", "gives the share of both, and errors of areas that change by themselves",
         _t("controlled_its", "TestByHand::test_a_shock_that_strikes_both_leaves_no_trace", "TestManyAreas::test_areas_that_change_by_themselves_widen_it")),
    Trap("its 4.10", "averted totals with parameter intervals sold as prediction", "gives both, each on its own number", _t("its_forms", "TestTotals::test_each_interval_stands_on_its_own_number") + _t("its", "TestFormulae::test_averted_events_follow_the_closed_form_of_ar1")),
    Trap("its 4.11", "placebo dates with hardly any history, or that see months of the service", "gives dates with a past, from the period before alone; says when it is too short",
         _t("its_checks", "TestPlaceboDate::test_made_up_estimates_see_no_month_of_the_service", "TestPlaceboDate::test_too_short_a_past_is_said")),
    Trap("its 4.12", "months counted as equally long", "gives the offset by days; without it the dispersion of the English counts is nearly six times as large",
         _t("traps", "test_without_the_days_of_a_month_the_dispersion_is_several_times_as_large")),
    Trap("its 4.13", "lag products across two stacked series", "gives products within a series", _t("its_reference", "TestWestVirginia::test_least_squares_and_newey_west_within_a_series")),
)  # fmt: skip


def page() -> str:
    """The whole page."""
    lines = ["| trap | what goes wrong | ours | tests |", "|---|---|---|---|"]
    for trap in TRAPS:
        tests = "<br>".join(f"`{t}`" for t in trap.tests)
        lines.append(f"| {trap.number} | {trap.what} | {trap.ours} | {tests} |")
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    """The page on stdout."""
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    sys.stdout.write(page())


if __name__ == "__main__":
    main()
