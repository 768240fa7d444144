"""The appraisal of service models: sums by hand, what each badge lets be shown, and every refusal by its words."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaot_eval.errors import DisclosureError, InputError
from aaot_eval.options import appraise, measured_by, read_appraisal
from aaot_eval.options.combining import combined_effect
from aaot_eval.options.costing import Pay
from aaot_eval.options.horizon import course_of, present
from aaot_eval.options.ranking import Contender, net_draws, rank_shares, smallest_study, split_normal
from aaot_eval.options.record import Fade
from aaot_eval.results import Release
from aaot_eval.schema import schema_names, table_schema
from tests.options_builders import BEFORE_AFTER, CONTROLLED, REFERENCE, SHARED, THEORY, option, write_appraisal

PENNY = 0.005  # the sums by hand are written to the penny


def done(folder: Path, *options: str, measured=None, rank=False, additive=False, **texts: str):
    """The appraisal of these records."""
    records = read_appraisal(write_appraisal(folder, *options, **texts))
    return appraise(records, measured or {}, rank=rank, additive=additive)


def row(result, name: str) -> pd.Series:
    table = result.tables["options"]
    return table[table["option"] == name].iloc[0]


# ---- Sums by hand -------------------------------------------------------------------------------------------------


def test_five_workers_with_twelve_people_each_cost_4167_a_person(tmp_path):
    one = row(done(tmp_path, option("7")), "7")
    assert one["cost_year"] == 250_000
    assert one["cost_person"] == pytest.approx(4166.67, abs=PENNY)
    assert one["served"] == 60
    assert one["capacity_gap"] == 0


def test_break_even_is_52_per_cent_and_two_admissions_of_2000_pounds(tmp_path):
    one = row(done(tmp_path, option("7")), "7")
    assert one["break_even"] == pytest.approx(250_000 / 60 / 8_000)
    assert f"{one['break_even']:.1%}" == "52.1%"
    assert one["admissions_to_avoid"] == pytest.approx(250_000 / 60 / 2_000)
    assert one["admissions_to_avoid_year"] == pytest.approx(125)
    # 5 x 10 = 50 people at the low caseload; at the high one the uptake of 60 is the limit
    assert one["break_even_few"] == pytest.approx(250_000 / 50 / 8_000)
    assert one["break_even_many"] == pytest.approx(one["break_even"])


def test_an_uptake_of_ninety_leaves_thirty_people_and_a_warning(tmp_path):
    result = done(tmp_path, option("7", uptake=90))
    one = row(result, "7")
    assert (one["served"], one["capacity_gap"]) == (60, 30)
    assert one["cost_to_cover_uptake"] == 375_000
    (warning,) = result.warnings
    assert "can carry 60 of 90 people (30 short)" in warning


def test_no_staff_carry_nobody_and_the_warning_holds_no_empty_number(tmp_path):
    result = done(tmp_path, option("7", wte=0))
    assert any("can carry nobody" in w for w in result.warnings)
    assert not any("nan" in w for w in result.warnings)


def test_staff_who_hold_no_caseload_cost_and_carry_nobody(tmp_path):
    manager = '[[staffing]]\nrole = "Manager"\nwte = 1\ncost_per_wte = 70000\nprice_year = "2024/25"\nsource = "INVENTED"\nholds_caseload = false\n'
    one = row(done(tmp_path, option("7", more=manager)), "7")
    assert (one["wte"], one["capacity"], one["cost_year"]) == (6, 60, 320_000)


def test_other_running_costs_overheads_and_set_up(tmp_path):
    lines = '[[non_pay]]\nitem = "Travel"\namount = 10000\nprice_year = "2024/25"\nsource = "INVENTED"\n'
    lines += '[[one_off]]\nitem = "Recruiting"\nkind = "recruitment"\namount = 30000\nyears = 5\nprice_year = "2024/25"\nsource = "INVENTED"\n'
    one = row(done(tmp_path, option("7", top="overhead_share = 0.1", more=lines)), "7")
    assert one["cost_year"] == pytest.approx((250_000 + 10_000) * 1.1 + 30_000 / 5)
    assert one["set_up"] == 30_000


def test_a_blank_line_is_not_entered_and_a_line_taken_out_does_not_apply(tmp_path):
    blank = '[[non_pay]]\nitem = "Travel"\namount = ""\n'
    assert np.isnan(row(done(tmp_path / "a", option("7", more=blank)), "7")["cost_year"])
    assert np.isnan(row(done(tmp_path / "b", option("7", top='overhead_share = ""')), "7")["cost_year"])
    assert row(done(tmp_path / "c", option("7")), "7")["cost_year"] == 250_000


def test_the_reference_adds_nothing(tmp_path):
    one = row(done(tmp_path, option("7")), "1")
    assert one["option"] == "1"
    assert (one["cost_year"], one["effect"], one["badge"]) == (0, 0, "reference")


# ---- What each badge lets be shown --------------------------------------------------------------------------------


def test_controlled_evidence_has_a_net_figure_with_the_interval_widened(tmp_path):
    one = row(done(tmp_path, option("A", CONTROLLED)), "A")
    assert (one["effect"], one["badge"]) == (0.5, "E")
    assert one["effect_low"] == pytest.approx(1 - 0.5 * 1.25**2)
    assert one["effect_high"] == pytest.approx(1 - 0.5 * 0.8**2)
    assert one["net_saving"] == pytest.approx(4_000 - 250_000 / 60)
    assert one["net_low"] == pytest.approx((1 - 0.5 * 1.25**2) * 8_000 - 250_000 / 60)
    assert "2 times as wide" in one["effect_status"]
    assert one["net_status"] == "cannot tell: the interval includes zero"


def test_a_difference_and_a_reduction_give_the_same_as_the_ratio(tmp_path):
    for name, measure, values in (("a", "reduction", (0.5, 0.4, 0.6)), ("b", "difference", (-2.0, -2.4, -1.6))):
        text = CONTROLLED.replace("rate_ratio", measure)
        for old, new in zip(("value = 0.5", "low = 0.4", "high = 0.625"), values, strict=True):
            text = text.replace(old, f"{old.split(' =')[0]} = {new}")
        one = row(done(tmp_path / name, option("A", text)), "A")
        assert (one["effect"], one["effect_low"], one["effect_high"]) == pytest.approx((0.5, 0.3, 0.7))


def test_before_and_after_is_shown_only_beside_the_fall_to_be_expected_and_never_as_a_saving(tmp_path):
    bare = row(done(tmp_path / "a", option("5", BEFORE_AFTER)), "5")
    assert np.isnan(bare["effect"])
    assert "without the fall to be expected anyway" in bare["effect_status"]
    gauged = row(done(tmp_path / "b", option("5", BEFORE_AFTER + "expected_anyway = 0.125\n")), "5")
    assert gauged["fall_before_after"] == 0.3
    assert gauged["effect"] == pytest.approx(1 - 0.7 / 0.875)
    for one in (bare, gauged):
        assert one[["net_saving", "net_low", "net_high", "averted"]].isna().all()


def test_theory_and_blank_have_cost_capacity_and_break_even_only(tmp_path):
    result = done(tmp_path, option("7", THEORY), option("8", ""))
    for name, badge in (("7", "X"), ("8", "0")):
        one = row(result, name)
        assert one["badge"] == badge
        assert one["break_even"] > 0
        assert one[["effect", "averted", "net_saving"]].isna().all()
    assert "effects" in set(result.tables["missing"].query("option == '8'")["missing"])


def test_a_dot_right_of_any_plausible_effect_is_named(tmp_path):
    result = done(
        tmp_path,
        option("7"),
        option("8", wte=20, uptake=30),
        shared=SHARED.replace("transfer_factor", "plausible_reduction = 0.6\ntransfer_factor"),
    )
    assert result.facts["too_far"] == ["8"]
    assert row(result, "8")["break_even_status"].startswith("not reachable")
    assert any("cannot pay for itself" in w for w in result.warnings)


# ---- A run as the record ------------------------------------------------------------------------------------------


def released(**changes) -> Release:
    """What a run releases, by hand: £5,000 a patient-year for 20 patient-years; £16,000 under care as usual, of which £8,000 averted."""
    service = pd.DataFrame(
        {
            "item": ["Key worker", "Equipment", "Service, all lines"], "kind": ["staff", "set_up", "total"], "wte": [2.0, np.nan, 2.0],
            "annual_cost": [96_000.0, 4_000.0, 100_000.0], "per_patient_year": [4_800.0, 200.0, 5_000.0], "source": ["INVENTED"] * 3,
        }
    )  # fmt: skip
    saving = pd.DataFrame(
        {"headline": [True], "gross": [8_000.0], "gross_low": [6_000.0], "gross_high": [10_000.0], "saving": [3_000.0],
         "saving_low": [1_000.0], "saving_high": [5_000.0], "status": ["ok"]}
    )  # fmt: skip
    break_even = pd.DataFrame({"unit": ["share"], "now": [0.5]})
    estimates = pd.DataFrame({"primary": [True], "conf_level": [0.95]})
    tables = {
        "service_cost": service,
        "saving": saving,
        "break_even": break_even,
        "estimates": estimates,
    } | changes.pop("tables", {})
    meta = {
        "price_year": "2024/25",
        "perspective": "provider",
        "verdict": {"sentence": "Lower."},
        "money": {"sentence": "Saves."},
    }
    return Release(tables=tables, meta=meta | changes, hidden={}, profile="hes")


RUN = 'id = "A"\nname = "Outreach"\nrun = "run"\n'
OPEN = SHARED.replace("admission_cost = 8000\n", "")


def test_a_run_is_the_record_of_cost_effect_and_saving(tmp_path):
    run = measured_by("2025_abc", released(), {})
    one = row(result := done(tmp_path, RUN, option("7"), measured={"A": run}, shared=OPEN), "A")
    assert (one["badge"], one["cost_year"], one["cost_person"], one["served"]) == ("M", 100_000, 5_000, 20)
    assert (one["effect"], one["effect_low"], one["effect_high"]) == (0.5, 0.375, 0.625)
    assert (one["net_saving"], one["net_low"], one["net_high"]) == (3_000, 1_000, 5_000)
    assert one["net_status"].startswith("cheaper")
    assert row(result, "7")["break_even"] == pytest.approx(250_000 / 60 / 16_000), "the same people for all"


def test_a_run_has_its_course_too_with_its_setting_up_by_the_year(tmp_path):
    text = RUN + '[people]\nmonths_to_full = 0\n[fade]\nform = "none_after_exit"\nstart_lag_months = 0\n'
    (one,) = (
        done(tmp_path, text, measured={"A": measured_by("r", released(), {})}, shared=OPEN)
        .tables["horizon"]
        .to_dict("records")
    )
    assert (one["cost"], one["averted"]) == pytest.approx((100_000, 20 * 8_000))
    assert (one["net_low"], one["net_high"]) == pytest.approx((20 * 1_000, 20 * 5_000))


def test_a_run_without_a_headline_saving_has_none_here(tmp_path):
    quiet = released().tables["saving"].assign(headline=False)
    run = measured_by("2025_abc", released(tables={"saving": quiet}), {})
    one = row(result := done(tmp_path, RUN, measured={"A": run}, rank=True), "A")
    assert one["badge"] == "M"
    assert one[["effect", "net_saving"]].isna().all()
    assert "leads with no saving" in one["net_status"]
    assert result.tables["ranking"].empty


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"price_year": "2023/24"}, "the price year of the run is 2023/24 and of the appraisal 2024/25"),
        ({"perspective": "commissioner"}, "the perspective of the run is commissioner"),
    ],
)
def test_a_run_on_other_terms_is_refused(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        done(tmp_path, RUN, measured={"A": measured_by("r", released(**changes), {})}, shared=OPEN)


def test_a_run_about_other_people_is_refused(tmp_path):
    with pytest.raises(InputError, match="they are not the same people"):
        done(tmp_path, RUN, measured={"A": measured_by("r", released(), {})})


def test_a_run_that_costed_nothing_is_no_record():
    with pytest.raises(InputError, match="has no cost of the service"):
        measured_by("r", released(tables={"service_cost": None}), {})


# ---- Ranking ------------------------------------------------------------------------------------------------------


def test_nothing_is_ranked_unless_asked_for(tmp_path):
    assert "ranking" not in done(tmp_path, option("A", CONTROLLED)).tables


def test_one_measured_and_seven_of_theory_rank_one_only_and_list_the_rest(tmp_path):
    run = measured_by("r", released(), {})
    result = done(tmp_path, RUN, *(option(str(k)) for k in range(2, 9)), measured={"A": run}, rank=True, shared=OPEN)
    assert result.tables["ranking"]["option"].tolist() == ["A"]
    assert result.tables["ranking"]["p_best"].tolist() == [1.0]
    assert len(result.tables["not_ranked"]) == 7
    assert set(result.tables["not_ranked"]["badge"]) == {"X"}


def test_the_ladder_strikes_out_what_others_do_better_and_takes_doing_nothing_in(tmp_path):
    """60 people at 8,000 a year; half averted = 240,000 and 120 admissions. 5 WTE cost 250,000: 10,000 net for 120.

    With 4 WTE (48 people): 200,000 less 192,000, 8,000 net for 96. With 6 WTE still 60 people: 300,000, dominated. The dearer
    step from 96 to 120 costs 2,000 / 24 = 83.33 each, as does every one of the 96: equal ratios stay.
    """
    table = done(
        tmp_path, option("A", CONTROLLED), option("B", CONTROLLED, wte=4), option("C", CONTROLLED, wte=6), option("X"), rank=True
    ).tables["ladder"].set_index("option")  # fmt: skip
    assert table.index.tolist() == ["1", "B", "A", "C"]
    assert table["cost"].tolist() == pytest.approx([0, 8_000, 10_000, 60_000])
    assert table["effect"].tolist() == pytest.approx([0, 96, 120, 120])
    assert table["status"].tolist() == ["ND", "ND", "ND", "D"]
    assert table.loc[["B", "A"], "icer"].tolist() == pytest.approx([8_000 / 96, 2_000 / 24])
    assert table.loc["C", "words"] == "dominated by A"


def test_an_option_that_saves_is_the_reference_of_the_ladder(tmp_path):
    """At 30,000 a WTE outreach saves, so doing nothing is dominated; no effect entered is on no ladder."""
    cheap = option("A", CONTROLLED).replace("cost_per_wte = 50000", "cost_per_wte = 30000")
    table = done(tmp_path, cheap, option("7"), rank=True).tables["ladder"].set_index("option")
    assert table["cost"].to_dict() == {"A": pytest.approx(150_000 - 240_000), "1": 0}
    assert table["words"].to_dict() == {"A": "reference: the cheapest that is not dominated", "1": "dominated by A"}
    blank = SHARED.replace("admissions = 4\n", "")
    assert done(tmp_path / "b", cheap, shared=blank, rank=True).tables["ladder"].empty


def test_ranks_are_shares_of_draws_and_the_same_twice(tmp_path):
    weaker = CONTROLLED.replace("0.5\n", "0.7\n", 1).replace("0.4\n", "0.6\n", 1).replace("0.625\n", "0.8\n", 1)
    tables = [
        done(tmp_path, option("A", CONTROLLED), option("B", weaker), rank=True).tables["ranking"] for _ in range(2)
    ]
    pd.testing.assert_frame_equal(*tables)
    ranks = tables[0][["p_rank_1", "p_rank_2"]].to_numpy()
    assert ranks.sum(axis=0) == pytest.approx([1, 1])
    assert ranks.sum(axis=1) == pytest.approx([1, 1])
    assert ranks[0, 0] > ranks[1, 0]


def test_rank_shares_split_ties():
    assert rank_shares(np.array([[3.0, 2.0, 2.0]])).tolist() == [[1, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]]


def test_split_normal_keeps_point_and_ends():
    drawn = split_normal(np.array([0.025, 0.5, 0.975]), 10.0, 4.0, 30.0, 0.95)
    assert drawn == pytest.approx([4, 10, 30])


def test_no_study_can_move_an_option_that_is_far_ahead():
    assert np.isnan(smallest_study(10.0, 1.0))
    assert smallest_study(0.0, 1.0) == 0
    assert smallest_study(1.0, 1.0) < smallest_study(1.5, 1.0)


# ---- Combinations, horizon, need, scores --------------------------------------------------------------------------


def test_effects_on_the_same_person_are_not_added():
    assert combined_effect([0.5, 0.2]) == 0.5
    assert combined_effect([0.5, 0.2], "half_additive") == pytest.approx(0.6)
    assert combined_effect([0.5, 0.2], "additive") == pytest.approx(0.7)
    assert combined_effect([0.5, float("nan")]) == 0.5


def test_a_combination_adds_costs_and_takes_the_larger_effect(tmp_path):
    weaker = CONTROLLED.replace("0.5\n", "0.8\n", 1).replace("0.4\n", "0.7\n", 1).replace("0.625\n", "0.9\n", 1)
    two = (option("A", CONTROLLED, top='layers_on = ["5"]'), option("5", weaker))
    (default,) = done(tmp_path, *two).tables["combinations"].to_dict("records")
    assert default["cost_year"] == 500_000
    assert default["effect_both"] == 0.5
    assert default["effect_half_additive"] == pytest.approx(0.6)
    assert default["net_saving"] == pytest.approx(0.5 * 8_000 * 60 - 500_000)
    (added,) = done(tmp_path, *two, additive=True).tables["combinations"].to_dict("records")
    assert added["effect_both"] == pytest.approx(0.7)
    (unknown,) = done(tmp_path, two[0], option("5")).tables["combinations"].to_dict("records")
    assert unknown["effect_both"] == 0.5
    assert np.isnan(unknown["net_saving"])


def test_over_one_year_at_full_strength_the_horizon_is_the_year(tmp_path):
    (one,) = done(tmp_path, option("A", CONTROLLED)).tables["horizon"].to_dict("records")
    assert one["cost"] == pytest.approx(250_000)
    assert one["averted"] == pytest.approx(60 * 4_000)
    assert one["person_years"] == pytest.approx(60)


def test_the_effect_starts_late_people_come_slowly_and_money_is_discounted():
    fade = Fade(form="none_after_exit", start_lag_months=6)
    late = course_of(
        12, served=60, months_to_full=0, running=120, set_up=12, fade=fade, stay=float("nan"), eligible=float("nan")
    )
    assert present(late, 0.0, 1_000) == pytest.approx((132, 30 * 1_000, 60))
    slow = course_of(12, served=12, months_to_full=12, running=0, set_up=0, fade=Fade(form="none_after_exit", start_lag_months=0),
                     stay=1, eligible=float("nan"))  # fmt: skip
    assert slow.people.tolist() == list(range(1, 13))
    two = course_of(24, served=1, months_to_full=0, running=100, set_up=0, fade=fade, stay=1, eligible=1)
    assert present(two, 0.25, 0.0)[0] == pytest.approx(100 + 80)


def test_what_is_left_after_people_leave():
    given = {"served": 12, "months_to_full": 0, "running": 0, "set_up": 0, "stay": 12}
    constant = course_of(3, fade=Fade(form="constant", start_lag_months=0), eligible=100, **given)
    assert constant.under_effect.tolist() == [12, 13, 14]
    linear = course_of(3, fade=Fade(form="linear", months=2, start_lag_months=0), eligible=100, **given)
    assert linear.under_effect.tolist() == [12, 12.5, 12.5]
    capped = course_of(3, fade=Fade(form="constant", start_lag_months=0), eligible=12.5, **given)
    assert capped.under_effect.max() == 12.5
    assert "eligible" in capped.note


def test_phasing_shows_double_running_in_the_first_quarter(tmp_path):
    double = '[[one_off]]\nitem = "Both teams"\nkind = "double_running"\namount = 5000\nyears = 5\nprice_year = "2024/25"\nsource = "INVENTED"\n'
    table = done(tmp_path, option("7", more=double)).tables["phasing"]
    assert table["of_it_double_running"].tolist() == [5_000, 0, 0, 0]
    assert table["running"].tolist() == [62_500] * 4
    assert table["set_up"].sum() == 5_000


def test_scores_leave_money_out_and_give_the_share_of_draws_that_are_first(tmp_path):
    shared = SHARED + '[[criteria]]\nname = "access"\nweight_low = 1\nweight_high = 2\n'
    score = '[[scores]]\ncriterion = "access"\nlow = {0}\nhigh = {1}\nreason = "INVENTED"\n'
    table = done(
        tmp_path, option("7") + score.format(60, 80), option("8") + score.format(10, 30), shared=shared
    ).tables["scoring"]
    assert table["p_rank_1"].tolist() == [1, 0]
    assert table["score"].to_numpy() == pytest.approx([70, 20], abs=0.1)


# ---- Columns ------------------------------------------------------------------------------------------------------


def test_every_table_of_an_appraisal_is_described_in_its_order_and_another_is_refused(tmp_path, monkeypatch):
    shared = SHARED + '[[criteria]]\nname = "access"\nweight_low = 1\nweight_high = 2\n'
    score = '[[scores]]\ncriterion = "access"\nlow = 10\nhigh = 50\nreason = "INVENTED"\n'
    layered = option("7", more=score, top='layers_on = ["A"]')
    tables = done(tmp_path, layered, option("A", CONTROLLED, more=score), shared=shared, rank=True).tables
    assert set(tables) == set(schema_names("appraisal"))
    for name, table in tables.items():
        columns = [c for c in table.columns if not re.fullmatch(r"p_rank_[2-9]", c)]
        assert columns == list(table_schema("appraisal", name).names), name
    stage = importlib.import_module("aaot_eval.options.appraise")
    monkeypatch.setattr(stage, "measures", lambda _: pd.DataFrame({"person": ["x"]}))
    with pytest.raises(DisclosureError, match=r"the column measures\.person has no schema"):
        done(tmp_path / "b", option("7"))


# ---- Pay with a range ---------------------------------------------------------------------------------------------


def test_a_range_of_pay_is_a_range_of_the_cost(tmp_path):
    """5 WTE at 50,000, known within 40,000 to 60,000: 250,000 a year within 50,000 either side; overheads move with it."""
    ranged = option("A", CONTROLLED).replace(
        "cost_per_wte = 50000", "cost_per_wte = 50000\ncost_low = 40000\ncost_high = 60000"
    )
    found = done(tmp_path, ranged, option("7")).tables["options"].set_index("option")
    assert found.loc["A", ["cost_year", "cost_year_low", "cost_year_high"]].tolist() == pytest.approx(
        [250e3, 200e3, 300e3]
    )
    assert found.loc["7", ["cost_year_low", "cost_year_high"]].isna().all()
    more = ranged.replace("[people]", "overhead_share = 0.2\n[people]", 1)
    found = done(tmp_path / "b", more).tables["options"].set_index("option")
    assert found.loc["A", "cost_year_high"] - found.loc["A", "cost_year"] == pytest.approx(60e3)


def test_uncertain_pay_widens_the_ranking_and_moves_together_in_all_options():
    fixed = Contender("A", (8000.0, 6000.0, 10000.0), 0.95, 250e3, (60.0, 60.0, 60.0))
    pay = (Pay("Key worker", 250e3, 25e3),)
    loose = replace(fixed, pay=pay)
    still, moved = (net_draws(c, 1, 4000) for c in (fixed, loose))
    assert moved.mean() == pytest.approx(still.mean(), rel=1e-3)
    assert moved.std() ** 2 - still.std() ** 2 == pytest.approx(25e3**2, rel=0.1)
    other = net_draws(replace(loose, id="B"), 1, 4000) - net_draws(replace(fixed, id="B"), 1, 4000)
    assert np.corrcoef(moved - still, other)[0, 1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("cost_low = 40000", "cost_low and cost_high come together"),
        ("cost_low = 60000\ncost_high = 70000", "not in order"),
    ],
)
def test_a_range_of_pay_that_cannot_be_is_refused(tmp_path, lines, words):
    with pytest.raises(InputError, match=words):
        done(tmp_path, option("A").replace("cost_per_wte = 50000", f"cost_per_wte = 50000\n{lines}"))


def _as_difference(value: float, low: float, high: float) -> tuple[str, str]:
    """What of a record to take away, and the difference to put in its place."""
    return (
        'measure = "rate_ratio"\nvalue = 0.5\nlow = 0.4\nhigh = 0.625',
        f'measure = "difference"\nvalue = {value}\nlow = {low}\nhigh = {high}',
    )


@pytest.mark.parametrize(
    "new", [_as_difference(-3, -3.9, -0.5)[1], 'measure = "reduction"\nvalue = 0.9\nlow = 0.2\nhigh = 1.0']
)
def test_a_wider_interval_averts_at_most_all_there_is(tmp_path, new):
    one = row(done(tmp_path, option("7", CONTROLLED.replace(_as_difference(0, 0, 0)[0], new))), "7")
    assert one["effect_high"] == 1.0
    assert one["effect_low"] < one["effect"] < 1.0


# ---- Refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ('wte = 5', 'wtee = 5', "C102", "unknown key 'staffing.0.wtee'"),
        ('wte = 5', 'wte = -5', "C104", "greater than or equal to 0"),
        ('base = 12', 'base = 0', "C104", "greater than 0"),
        ('base = 12', 'base = 9', "C104", "not in order"),
        ('wte = 5', 'wte = nan', "C104", "finite"),
        ('price_year = "2024/25"', 'price_year = "2023/24"', "C192", "mixed price years: 2023/24 here and 2024/25"),
        ('price_year = "2024/25"', '', "C192", "an amount has no price year"),
        ('source = "INVENTED"\n[capacity]', '[capacity]', "C193", "a number has no source"),
        ('badge = "E"', '', "C194", "a value has no badge"),
        ('badge = "E"', 'badge = "M"', "C104", "E"),
        ('badge = "E"', 'badge = "X"', "C194", "badge X is opinion or theory and carries no number"),
        ('design = "randomised"', 'design = "before_after"', "C194", "badge E needs a study with a comparison"),
        ('high = 0.625', '', "C194", "badge E needs the interval"),
        ('similar_people = true', '', "C194", "people like those of the appraisal"),
        ('measure = "rate_ratio"', '', "C104", "a value without its measure"),
        ('value = 0.5\nlow = 0.4\nhigh = 0.625', 'value = 11\nlow = 9\nhigh = 20', "C104", "a rate ratio of 11 is more than 10"),
        (*_as_difference(-6, -8, -5), "C194", "a difference of -6 for each person a year, where people of"),
        (*_as_difference(50, 40, 60), "C194", "a difference of 50 for each person a year, where people of"),
        ('cost_per_wte = 50000', 'cost_per_wte = 1e300', "C104", "less than or equal to 1000000000"),
        ('uptake = 60', 'uptake = 130', "C198", "the uptake of 130 is more than the 120 people eligible"),
        ('[people]', '[people]\npopulation = "others"', "C198", "there is no population 'others'"),
        ('[people]', 'layers_on = ["9"]\n[people]', "C191", "layers_on names '9'"),
        ('id = "A"', 'id = "1"', "C191", "the id '1' stands in 2 files"),
        ('id = "A"', 'id = "A"\nreference = true', "C191", "2 options are the reference"),
        ('[people]', 'run = "somewhere"\n[people]', "C196", "the run is the record of this option, and numbers are entered too"),
        ('[people]', 'layers_on = ["1"]\nexclusive_with = ["1"]\n[people]', "C197", "the two exclude each other"),
        ('[fade]', '[[scores]]\ncriterion = "x"\nlow = 1\nhigh = 2\n[fade]', "C199", "there is no such criterion"),
    ],
)  # fmt: skip
def test_a_record_that_contradicts_itself_is_refused_in_words(tmp_path, old, new, code, words):
    text = option("A", CONTROLLED)
    assert old in text
    with pytest.raises(InputError) as refused:
        done(tmp_path, text.replace(old, new, 1))
    assert any(p.code == code and words in p.what for p in refused.value.problems), str(refused.value)
    assert all(p.do for p in refused.value.problems)


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("transfer_factor = 2\n", "", "C195", "has no transfer factor"),
        ("horizon_years = 1", "horizon_years = 3", "C192", "needs a discount rate"),
        ("transfer_factor", "discount_rate = 3.5\ntransfer_factor", "C104", "as a share: 0.035, not 3.5"),
        ('price_year = "2024/25"\nperspective', "perspective", "C192", "the appraisal has no price year"),
        ("eligible = 120", "eligible = 120\nneed = { high_high = 1, high_low = 1, low_high = 1, low_low = 1 }", "C198", "hold 4 people and 120 are eligible"),
        ("transfer_factor", 'unit_costs = "nowhere.csv"\ntransfer_factor', "C190", "nowhere.csv, which is not a file"),
    ],
)  # fmt: skip
def test_shared_terms_that_contradict_are_refused_in_words(tmp_path, old, new, code, words):
    with pytest.raises(InputError) as refused:
        done(tmp_path, option("A", CONTROLLED), shared=SHARED.replace(old, new, 1))
    assert any(p.code == code and words in p.what for p in refused.value.problems), str(refused.value)


def test_every_problem_of_every_file_comes_at_once(tmp_path):
    with pytest.raises(InputError) as refused:
        done(tmp_path, option("A").replace("wte = 5", "wte = -1"), option("B").replace("base", "bass"))
    assert len({p.where for p in refused.value.problems}) == 2


def test_a_folder_without_records_and_a_costed_reference_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no appraisal\.toml"):
        read_appraisal(tmp_path)
    costed = REFERENCE + '[[non_pay]]\nitem = "Rent"\namount = 5\nprice_year = "2024/25"\nsource = "INVENTED"\n'
    with pytest.raises(InputError, match="doing nothing different adds none"):
        done(tmp_path, option("7"), reference=costed)
