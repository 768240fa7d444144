"""The fixed table of words: each state gives one word, and no sentence says more than its word."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from aaot_eval.checks import CHECKS
from aaot_eval.config import RunConfig
from aaot_eval.findings import Finding
from aaot_eval.report.words import written
from aaot_eval.results import Analysis, CheckResult, Effect, Estimate
from aaot_eval.wording import (
    change,
    effect_verdict,
    headline_table,
    in_sentence,
    interval_text,
    limits_table,
    money,
    p_text,
    percent,
)
from tests.builders import site_panel

OUTCOME = "alcohol_specific_emergency"
PANEL = site_panel({OUTCOME: np.full((3, 24), 100.0)}, [None, 12, None])
CONFIG = RunConfig.model_validate({"config_version": 1, "name": "t", "data": {"panel": "x.csv"}})
CLAIMS = ("lower than expected without the service", "higher than expected without the service")


def effect(low: float, high: float, *, design: str = "sites", check: str = "pass", status: str = "ok") -> Effect:
    middle = math.sqrt(low * high) if not math.isnan(low) else 0.9
    estimate = Estimate(
        "primary",
        design,
        "x",
        OUTCOME,
        "rate ratio after against before",
        "rate_ratio",
        middle,
        conf_low=low,
        conf_high=high,
        conf_method="randomisation",
        status=status,
        primary=True,
        p_least=0.01,
        n_units=3,
        n_treated=1,
    )
    analysis = Analysis("primary", design, "x", OUTCOME, True)  # type: ignore[arg-type]
    return Effect(analysis, (estimate,), (CheckResult("pre_trend", "primary", check, "The trend check says so."),))


@pytest.mark.parametrize(
    ("low", "high", "design", "check", "status", "word"),
    [
        (0.70, 0.90, "sites", "pass", "ok", "lower"),
        (0.70, 0.90, "sites", "warn", "ok", "lower"),
        (0.70, 0.90, "sites", "fail", "ok", "lower_but"),
        (0.70, 0.90, "series", "pass", "ok", "lower_but"),
        (0.70, 0.90, "own_cohorts", "pass", "ok", "lower_but"),
        (1.10, 1.40, "sites", "pass", "ok", "higher"),
        (1.10, 1.40, "sites", "fail", "ok", "higher_but"),
        (0.80, 1.20, "sites", "pass", "ok", "cannot_tell"),
        (0.95, 1.05, "sites", "pass", "ok", "no_effect"),
        (0.95, 1.05, "sites", "fail", "ok", "cannot_tell"),
        (0.95, 1.05, "series", "pass", "ok", "cannot_tell"),
        (0.70, 0.90, "sites", "pass", "monitoring_only", "too_early"),
        (math.nan, math.nan, "sites", "pass", "no_finite_interval", "cannot_tell"),
    ],
)
def test_state_gives_word(low: float, high: float, design: str, check: str, status: str, word: str) -> None:
    assert effect_verdict(effect(low, high, design=design, check=check, status=status), PANEL, CONFIG).word == word


def test_a_change_worth_having_is_ruled_out_on_each_side_at_the_risk_of_the_interval() -> None:
    """The 95 % interval reaches beyond 10 %; each one-sided limit at 5 % does not, so both tests against 10 % reject."""

    def word(middle: float, error: float, check: str = "pass") -> tuple[str, str]:
        def draws(uniform: np.ndarray) -> np.ndarray:
            return np.exp(math.log(middle) + error * stats.norm.ppf(uniform))

        given = effect(*(float(v) for v in draws(np.array([0.025, 0.975]))), check=check)
        known = replace(given, estimates=(replace(given.headline, confidence=draws),))
        verdict = effect_verdict(known, PANEL, CONFIG)
        return verdict.word, verdict.sentence

    found, sentence = word(0.97, 0.04)
    assert math.exp(math.log(0.97) - 1.96 * 0.04) < 0.9 < math.exp(math.log(0.97) - 1.645 * 0.04)
    assert found == "no_effect"
    assert "rules out a fall larger than 9 % and a rise larger than 4 %, each at a risk of 5 %" in sentence
    assert word(0.97, 0.04, "fail")[0] == "cannot_tell"
    assert word(0.95, 0.04)[0] == "cannot_tell"
    assert word(0.90, 0.02)[0] == "lower"


def test_a_wide_interval_names_the_first_doubt_behind_what_it_rules_out() -> None:
    def sentence(design: str, check: str, **changes: object) -> str:
        given = effect(0.80, 1.20, design=design, check=check)
        known = replace(given, estimates=(replace(given.headline, **changes),))  # type: ignore[arg-type]
        return effect_verdict(known, PANEL, CONFIG).sentence

    rules_out = "changed. It rules out a fall larger than 20 % and a rise larger than 20 %."
    assert sentence("sites", "pass").endswith(rules_out)
    moved = "the sites with the service were already moving apart from the others before it started"
    assert sentence("sites", "fail").endswith(f"{rules_out} Besides, {moved}.")
    assert sentence("series", "pass").endswith(f"{rules_out} Besides, there is no comparison series, so anything else that changed at "
                                               "that time would look the same.")  # fmt: skip
    difference = sentence("sites", "fail", scale="rate_difference", estimate=0.1, conf_low=-1.0, conf_high=1.0)
    assert difference.endswith(f"(95 % interval: -1.00 to 1.00). Besides, {moved}.")


def test_no_sentence_says_more_than_its_word() -> None:
    ends = [0.5, 0.7, 0.9, 0.97, 1.0, 1.03, 1.1, 1.5]
    seen = set()
    for low, high in itertools.combinations(ends, 2):
        for design, check in itertools.product(
            ("sites", "series", "own_cohorts", "entry_rule"), ("pass", "warn", "fail")
        ):
            given = effect(low, high, design=design, check=check)
            verdict = effect_verdict(given, PANEL, CONFIG)
            page = " ".join(headline_table(given, verdict, None, ())["sentence"])
            assert any(c in page for c in CLAIMS) == verdict.claim, (low, high, design, check, page)
            if low <= 1 <= high:
                assert verdict.word in ("cannot_tell", "no_effect")
            seen.add(verdict.word)
    assert seen == {"lower", "lower_but", "higher", "higher_but", "cannot_tell", "no_effect"}


def test_first_page_is_short_and_answers_five_questions() -> None:
    given = effect(0.7, 0.9)
    page = headline_table(given, effect_verdict(given, PANEL, CONFIG), None, ())
    assert list(page["order"]) == [1, 2, 3, 4, 5]
    assert sum(len(s.split()) for s in page["sentence"]) < 450


def test_limits_of_people_and_of_codes_only_where_there_are_any() -> None:
    def texts(outcome: str, *findings: Finding) -> str:
        given = effect(0.7, 0.9)
        given = Effect(replace(given.analysis, outcome=outcome), given.estimates, given.checks)
        return " ".join(limits_table(given, given.checks, findings, None)["text"])

    assert "how alcohol was coded" in texts(OUTCOME)
    assert "People are referred when they are at their worst" in texts(OUTCOME)
    of_counts = texts("admissions", Finding("D318", "patients and costs"))
    assert "how alcohol was coded" not in of_counts
    assert "People are referred" not in of_counts
    assert "how alcohol was coded" in texts(OUTCOME, Finding("D318", "patients and costs"))


def test_a_site_with_the_service_that_the_answer_leaves_out_is_a_limit() -> None:
    def texts(*used: str) -> str:
        given = effect(0.7, 0.9)
        first = replace(given.estimates[0], facts={**given.estimates[0].facts, "treated": list(used)})
        given = replace(given, estimates=(first, *given.estimates[1:]))
        return " ".join(limits_table(given, given.checks, (), None, ["A", "B"])["text"])

    assert "The answer leaves out sites that have the service: B." in texts("A")
    assert "leaves out sites" not in texts("A", "B")


def test_a_check_of_how_much_it_takes_is_named_behind_others() -> None:
    def threat(*kinds: tuple[str, str]) -> str:
        given = effect(0.7, 0.9)
        checks = tuple(CheckResult(name, "primary", verdict, f"{name} says so.") for name, verdict in kinds)  # type: ignore[arg-type]
        given = replace(given, checks=checks)
        return str(headline_table(given, effect_verdict(given, PANEL, CONFIG), None, ())["sentence"][3])

    assert "(check “pre trend” gave a warning)" in threat(
        ("trend_violation", "warn"), ("e_value", "warn"), ("pre_trend", "warn")
    )
    assert "(check “trend violation” gave a warning)" in threat(("trend_violation", "warn"), ("pre_trend", "pass"))
    assert "(check “specification curve” failed)" in threat(("specification_curve", "fail"), ("pre_trend", "warn"))


def test_the_least_p_and_a_p_equal_to_it_have_the_same_figures() -> None:
    def certainty(p: float) -> str:
        given = effect(0.7, 0.9)
        given = replace(given, estimates=(replace(given.headline, p_value=p, p_least=1 / 120),))
        return str(headline_table(given, effect_verdict(given, PANEL, CONFIG), None, ())["sentence"][1])

    assert "no p below 0.0083 is possible. Here p = 0.0083;" in certainty(1 / 120)
    assert "no p below 0.0083 is possible. Here p = 0.017;" in certainty(2 / 120)
    assert "1 of 1 checks of this result passed" in certainty(2 / 120)


def test_the_checks_of_the_sentence_add_up() -> None:
    verdicts = [*["pass"] * 12, "warn", "not_evaluable"]
    given = effect(0.7, 0.9)

    def certainty(*kinds: str) -> str:
        checks = tuple(CheckResult(f"c{i}", "primary", v, "so.") for i, v in enumerate(kinds))  # type: ignore[arg-type]
        told = replace(given, checks=checks)
        return str(headline_table(told, effect_verdict(told, PANEL, CONFIG), None, ())["sentence"][1])

    assert "12 of 13 checks of this result passed, 1 gave a warning; 1 could not be judged." in certainty(*verdicts)
    told = certainty("pass", "warn", "warn", "fail")
    assert told.endswith("1 of 4 checks of this result passed, 2 gave a warning, 1 failed.")


def test_a_small_rate_difference_is_not_said_to_be_nothing() -> None:
    given = effect(0.7, 0.9).headline
    found = replace(given, scale="rate_difference", estimate=-0.001326, conf_low=-0.0026, conf_high=-0.00003)
    assert interval_text(found) == "95 % interval: -0.0026 to -0.000030"


def test_numbers_in_words() -> None:
    assert change(0.77) == "23 % lower"
    assert change(1.25) == "25 % higher"
    assert change(1.001) == "unchanged"
    assert [p_text(p) for p in (0.0002, 0.0006, 0.0414, 1.0)] == ["p < 0.001", "p = 0.001", "p = 0.041", "p = 1.000"]
    assert money(-1234.4) == "-£1,234"
    assert interval_text(effect(0.67, 0.88).headline) == "95 % interval: 33 % lower to 12 % lower"


def fitted(low: float, high: float, **changes: object) -> Effect:
    """An effect over sites whose estimate has these fields."""
    given = effect(low, high)
    return replace(given, estimates=(replace(given.headline, **changes),))  # type: ignore[arg-type]


def certainty(given: Effect) -> str:
    return str(headline_table(given, effect_verdict(given, PANEL, CONFIG), None, ())["sentence"][1])


def test_a_claim_that_a_drift_could_explain_says_so_and_keeps_its_word() -> None:
    """Honest bounds that hold no effect warn; the claim of the page then has its half-sentence, and no other check's warning does."""

    def verdict(
        check: str, kind: str, low: float = 0.7, high: float = 0.9, design: str = "sites"
    ) -> tuple[str, str, str]:
        given = effect(low, high, design=design)
        found = effect_verdict(replace(given, checks=(CheckResult(check, "primary", kind, "so."),)), PANEL, CONFIG)  # type: ignore[arg-type]
        return found.word, found.sentence, found.caveat

    caveat = "the sites had moved apart by themselves before the start, and as large a move again could explain it"
    assert verdict("trend_violation", "warn") == (
        "lower",
        "At the site with the service, alcohol specific emergency were 21 % lower than expected without the service "
        f"(95 % interval: 30 % lower to 10 % lower); {caveat}.",
        caveat,
    )
    assert verdict("trend_violation", "warn", 1.1, 1.4)[0] == "higher"
    assert caveat in verdict("trend_violation", "warn", 1.1, 1.4)[1]
    for check, kind in (("trend_violation", "pass"), ("trend_violation", "not_evaluable"), ("pre_trend", "warn")):
        assert verdict(check, kind)[2] == ""
        assert verdict(check, kind)[1].endswith("(95 % interval: 30 % lower to 10 % lower).")
    assert verdict("trend_violation", "warn", 0.8, 1.2)[2] == ""
    far = CheckResult("trend_violation", "primary", "warn", "so.", facts={"apart": True})
    assert effect_verdict(replace(effect(0.7, 0.9), checks=(far,)), PANEL, CONFIG).caveat == "", (
        "bounds of another effect"
    )
    assert verdict("trend_violation", "fail")[0] == "lower_but"


def test_a_change_that_is_there_but_too_small_says_so_and_keeps_its_word() -> None:
    """Smallest effect of interest: 10 %. Said only where a change that size is ruled out in both directions."""

    def said(low: float, high: float, check: str = "pass") -> tuple[str, str]:
        verdict = effect_verdict(effect(low, high, check=check), PANEL, CONFIG)
        return verdict.word, verdict.sentence

    small = ", less than the 10 % that would be worth having"
    assert said(0.94, 0.98)[0] == "lower"
    assert said(0.94, 0.98)[1].endswith(f"(95 % interval: 6 % lower to 2 % lower){small}.")
    assert said(1.02, 1.06)[0] == "higher"
    assert small in said(1.02, 1.06)[1]
    assert said(0.94, 0.98, "fail")[0] == "lower_but"
    assert f"{small}, but the sites with the service were" in said(0.94, 0.98, "fail")[1]
    assert small not in said(0.89, 0.98)[1]
    assert small not in said(0.70, 0.80)[1]


def test_assignments_that_were_drawn_are_counted_whatever_the_method_calls_them() -> None:
    all_of_them = "With 1 of 3 sites treated, no p below 0.0001 is possible."
    some_of_them = "The 10,000 assignments drawn at random can give no p below 0.0001."
    for how in (
        "randomisation over 10,000 of 20,349 assignments of start dates to sites",
        "ways to hand out the launch dates",
    ):
        assert certainty(fitted(0.7, 0.9, p_least=1e-4, p_value=1e-4, inference=how)).startswith(all_of_them)
        assert certainty(fitted(0.7, 0.9, p_least=1e-4, p_value=1e-4, inference=how, drawn=10_000)).startswith(
            some_of_them
        )


def test_a_p_of_another_method_is_not_set_against_the_least_of_randomisation() -> None:
    text = certainty(
        fitted(
            0.7,
            0.9,
            p_least=0.2,
            p_value=0.03,
            conf_method="random_effects_t",
            inference="hospital random effects, t(3)",
        )
    )
    assert text.startswith(
        "With 1 of 3 sites treated, randomisation can give no p below 0.2000; p and interval are those of a method that takes hospitals to differ. Here p = 0.030;"
    )


def test_no_interval_has_its_own_reason() -> None:
    """The least p is the reason only where it is above the level; an interval without an end says so."""

    def sentence(p_least: float, note: str) -> str:
        return effect_verdict(
            fitted(0.7, 0.9, conf_low=math.nan, conf_high=math.nan, status="no_finite_interval", p_least=p_least, note=note), PANEL, CONFIG
        ).sentence  # fmt: skip

    few = sentence(0.2, "The least p this design can reach is 0.2000 (1 of 5 sites treated)")
    assert "with 1 of 3 sites treated the least p the design can reach is 0.2000," in few
    assert "no difference, however large, can be told from chance" in few
    endless = sentence(
        0.01,
        "The least p this design can reach is 0.0100 (1 of 99 sites treated); the search for an end of the interval met none",
    )
    assert endless == (
        "This evaluation cannot tell whether alcohol specific emergency changed: the search for an end of the interval met none."
    )
    assert sentence(0.01, "").endswith("changed: its interval has no end.")


def test_abbreviations_keep_their_capitals_in_a_sentence() -> None:
    assert [in_sentence(t) for t in ("Emergency admissions", "ED attendances", "A fall", "A&E attendances")] == [
        "emergency admissions", "ED attendances", "a fall", "A&E attendances"]  # fmt: skip


def test_what_more_data_cannot_tell_is_not_advised() -> None:
    """With one site of five no p below 0.2 is possible: months and people bring none, whoever is on the caseload."""

    def advice(p_least: float) -> str:
        given = fitted(0.7, 0.9, conf_low=math.nan, conf_high=math.nan, status="no_finite_interval", p_least=p_least)
        return str(headline_table(given, effect_verdict(given, PANEL, CONFIG), None, ())["sentence"].iloc[-1])

    assert advice(0.2).endswith("Only more sites could make it clear: with these, no number of months or people can.")
    assert advice(0.01).endswith("More sites, more months or more people on the caseload would narrow it.")


def test_p_is_explained_where_there_is_one() -> None:
    meaning = "p is how often chance alone would give a difference at least this large."
    assert f"10 % lower. {meaning} 1 of 1" in certainty(fitted(0.7, 0.9, p_value=0.03))
    assert certainty(fitted(0.7, 0.9, p_value=0.03, p_least=math.nan)).startswith("p = 0.030; 95 % interval")
    assert meaning not in certainty(fitted(0.7, 0.9))


def test_a_doubt_of_the_design_is_not_called_one_to_resolve() -> None:
    """A trust alone that passed every check can resolve nothing: only hospitals without the service take the doubt away."""

    def advice(design: str, check: str, low: float = 0.7, high: float = 0.9) -> str:
        given = effect(low, high, design=design, check=check)
        return str(headline_table(given, effect_verdict(given, PANEL, CONFIG), None, ())["sentence"].iloc[-1])

    assert advice("own_cohorts", "pass").startswith(
        "The doubt is one of the design, and more months do not take it away"
    )
    assert advice("series", "pass", 1.1, 1.4).endswith("in a decision. Watch admissions closely meanwhile.")
    assert advice("own_cohorts", "fail").startswith("Resolve the doubt named above")
    assert advice("sites", "fail").startswith("Resolve the doubt named above")
    assert advice("series", "pass", 0.8, 1.2).endswith(
        "would narrow it, and a comparison with hospitals without the service would take away the doubt of its design."
    )
    assert advice("sites", "pass", 0.8, 1.2).endswith("would narrow it.")


def test_a_smallest_effect_that_is_no_whole_percentage_is_not_rounded() -> None:
    config = CONFIG.changed(study__smallest_effect=0.025)
    assert (
        "less than the 2.5 % that would be worth having" in effect_verdict(effect(0.980, 0.995), PANEL, config).sentence
    )
    found = effect_verdict(effect(0.985, 1.01), PANEL, config)
    assert found.reasons == ("a change of 2.5 % or more is ruled out in either direction, each at a risk of 5 %",)


@pytest.mark.parametrize(
    ("design", "whose"),
    [
        ("sites", "At the site with the service, "),
        ("series", "At the site with the service, "),
        ("entry_rule", "Among people who newly met the entry rule, "),
        ("risk_set", "Among people who were referred and met the entry rule, "),
        ("patients", "Among the people compared, "),
        ("trial", "Among people allocated to the service, "),
    ],
)
def test_the_first_sentence_says_whose_admissions_it_is_about(design: str, whose: str) -> None:
    assert effect_verdict(effect(0.7, 0.9, design=design), PANEL, CONFIG).sentence.startswith(
        f"{whose}alcohol specific"
    )


def test_several_sites_are_counted() -> None:
    assert effect_verdict(fitted(0.7, 0.9, n_treated=2), PANEL, CONFIG).sentence.startswith(
        "At the 2 sites with the service, "
    )


def test_sentence_and_table_round_a_ratio_alike() -> None:
    """1.0151 leaves a run as 1.015: 2 % in the sentence and 1.02 in the table, never 2 % beside 1.01."""
    for exact in (1.0151, 0.9249, 0.9251, 1.005, 0.0151, 1.2345, 0.99499):
        recorded = float(f"{exact:.4g}")
        assert percent(exact) == percent(recorded) == f"{abs(round(float(written(recorded, 'ratio')) * 100) - 100)} %"
    assert percent(1.0151) == "2 %"


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (1.99, "99 % higher"),
        (2.0, "2 times as high"),
        (2.449, "2.4 times as high"),
        (6.0, "6 times as high"),
        (1234.0, "1,234 times as high"),
        (0.001, "more than 99 % lower"),
    ],
)
def test_beyond_a_doubling_a_change_is_told_in_times(ratio: float, said: str) -> None:
    assert change(ratio) == said


def test_what_is_ruled_out_can_be_understood_or_is_said_to_be_of_no_use() -> None:
    def told(low: float, high: float) -> str:
        return effect_verdict(effect(low, high), PANEL, CONFIG).sentence.split(" changed. ")[1]

    assert told(0.8, 6.0) == "It rules out a fall larger than 20 % and a rise to more than 6 times what was expected."
    assert told(0.3, 1.3) == "It rules out a fall larger than 70 % and a rise larger than 30 %."
    assert told(0.2, 6.0) == (
        "It rules out nothing that would help to decide: by the figures they could be anything from 80 % lower than expected to "
        "6 times what was expected."
    )
    assert told(0.001, 1.3) == "It rules out no fall, however large, but a rise larger than 30 %."
    assert told(0.997, 1.3) == "It rules out a fall larger than 0.3 % and a rise larger than 30 %."
    assert told(0.7, 1.0) == "It rules out a fall larger than 30 % and any rise."


def test_a_rise_beyond_a_doubling_is_told_in_times() -> None:
    sentence = effect_verdict(effect(2.0, 3.125), PANEL, CONFIG).sentence
    assert (
        "were 2.5 times as high as expected without the service (95 % interval: 2 times as high to 3.1 times as high)"
        in sentence
    )


def judged(*kinds: tuple[str, str], **facts: object) -> tuple[Effect, str]:
    """An effect whose checks ended so, and what page one says could make it wrong."""
    checks = tuple(
        CheckResult(name, "primary", verdict, "Blocks of an event study read 1.56.", statistic=0.2, facts=facts)  # type: ignore[arg-type]
        for name, verdict in kinds
    )
    given = replace(effect(0.7, 0.9), checks=checks)
    return given, str(headline_table(given, effect_verdict(given, PANEL, CONFIG), None, ())["sentence"][3])


@pytest.mark.parametrize("name", sorted(CHECKS))
@pytest.mark.parametrize("kind", ["fail", "warn"])
def test_page_one_says_in_plain_words_what_each_check_means(name: str, kind: str) -> None:
    given, threat = judged((name, kind))
    page = " ".join(headline_table(given, effect_verdict(given, PANEL, CONFIG), None, ())["sentence"])
    assert "event study" not in page
    assert not re.search(r"block|ratio|p [<=]|residual|autocorrelat|statistic", re.sub("“.*?”", "", threat))
    assert f"(check “{name.replace('_', ' ')}” {'failed' if kind == 'fail' else 'gave a warning'})" in threat
    assert threat.endswith("The numbers stand under “Could this be wrong?”.")


def test_how_little_it_takes_is_said_with_its_number() -> None:
    assert (
        "a move 0.2 times as large as the largest of these could explain the whole difference"
        in judged(("trend_violation", "warn"))[1]
    )


def test_all_that_failed_is_named_and_deaths_first() -> None:
    """More deaths are harm: they stand before every other doubt, in the claim as in the list."""
    given, threat = judged(("placebo_outcome", "fail"), ("site_deaths", "fail"), ("pre_trend", "warn"), died="more")
    dead = "more people died at the sites with the service than was to be expected, and the dead are not admitted"
    assert threat.startswith(
        f"M{dead[1:]} (check “site deaths” failed). Other admissions, which the service should not change"
    )
    assert "pre trend" not in threat
    assert f"but {dead}: the service may not be the reason." in effect_verdict(given, PANEL, CONFIG).sentence
    assert "Fewer people died with the service" in judged(("deaths", "warn"), died="fewer")[1]


def test_deaths_that_only_another_analysis_sees_stand_on_page_one() -> None:
    def page(own: str, died: str, verdict: str = "warn") -> list[str]:
        given, _ = judged(("site_deaths", own), died="more")
        beside = CheckResult("deaths", "entry_rule", verdict, "So.", facts={"died": died})  # type: ignore[arg-type]
        return list(headline_table(given, effect_verdict(given, PANEL, CONFIG), None, (), [beside])["sentence"])

    def threat(own: str, died: str, verdict: str = "warn") -> str:
        return page(own, died, verdict)[3]

    first = "Find out first why more people died. "
    assert page("pass", "more")[4].startswith(first)
    assert page("fail", "fewer")[4].startswith(first)
    assert not page("pass", "fewer")[4].startswith(first)
    assert not page("pass", "more", "pass")[4].startswith(first)

    more = " Besides, more people died with the service than was to be expected, and the dead are not admitted (check “deaths” gave a warning)."
    assert threat("pass", "more").endswith(more)
    assert more not in threat("fail", "more"), "said already"
    assert more not in threat("pass", "fewer")
    assert more not in threat("pass", "more", "pass")
