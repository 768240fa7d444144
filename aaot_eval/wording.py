"""What may be said. One table decides the word from interval, checks and design together; every sentence comes from here.

No word is chosen from a p value alone, and a result that could have another reason is never said to be the service's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from aaot_eval.config import RunConfig
from aaot_eval.findings import Finding
from aaot_eval.results import CheckResult, CostResult, Effect, Estimate, Panel, Verdict

#: Designs without a comparison that shares the calendar: a result of theirs is never the first claim.
CONDITIONAL_DESIGNS = {
    "series": "there is no comparison series, so anything else that changed at that time would look the same",
    "controlled_series": "one control series stands for all else that happened, so a change that reached only the other series would look the same",
    "own_cohorts": "this is a historical comparison, which removes selection but not other changes over time",
}

QUESTIONS = (
    "Did admissions fall compared with what would have happened anyway?",
    "How sure can we be?",
    "What does it cost or save?",
    "What could make this wrong?",
    "What should happen next?",
)

#: What each rule of the control chart says of a month.
SIGNAL_RULES: Mapping[str, str] = {
    "outside": "outside the limits",
    "two_of_three": "two of three months near a limit",
    "shift": "seven months or more on one side of the centre line",
    "trend": "seven months or more rising or falling",
}


def hundredths(ratio: float) -> int:
    """A ratio in whole hundredths, halves up, from the four figures of it that leave a run: sentence, table and chart round alike."""
    return math.floor(float(f"{ratio:.4g}") * 100 + 0.5 + 1e-9)


def percent(ratio: float) -> str:
    """A ratio as the size of a change: 0.77 is "23 %"; what is not all of it never reads 100 %."""
    if 0 < ratio < 1 and hundredths(ratio) == 0:
        return "more than 99 %"
    return f"{abs(hundredths(ratio) - 100)} %"


def times(ratio: float) -> str:
    """A ratio of 2 or more as "6 times": beyond a doubling a per cent is not understood."""
    return f"{ratio:.1f} times".replace(".0 ", " ") if ratio < 10 else f"{ratio:,.0f} times"


def change(ratio: float) -> str:
    """A ratio as a change with its direction: 0.77 is "23 % lower", 6 is "6 times as high"."""
    if math.isnan(ratio):
        return "not estimated"
    if hundredths(ratio) == 100:
        return "unchanged"
    if hundredths(ratio) >= 200:
        return f"{times(ratio)} as high"
    return f"{percent(ratio)} {'lower' if ratio < 1 else 'higher'}"


def beside(ratio: float) -> str:
    """A change with the word that what it is held against follows: "23 % lower than", "6 times as high as"."""
    said = change(ratio)
    return f"{said} {'as' if said.endswith('as high') else 'than'}"


def money(pounds: float) -> str:
    """Pounds without pence, a minus sign in front."""
    return f"{'-' if pounds < 0 else ''}£{abs(pounds):,.0f}"


#: A cost of the service that the caseload seen moves by more than this share has both numbers wherever the one is said.
SERVICE_APART = 0.10


def difference_text(difference: float) -> str:
    """A difference with two decimals, or as many as two figures need: a small rate difference never reads 0.00."""
    size = abs(difference)
    if not 0 < size < 0.1:
        return f"{difference:,.2f}"
    return f"{difference:.{1 - math.floor(math.log10(size))}f}"


def p_text(p: float) -> str:
    """A p value with three decimals; one that would print as 0.000 is below 0.001."""
    return "p < 0.001" if p < 0.0005 else f"p = {p:.3f}"


def interval_text(estimate: Estimate) -> str:
    """The interval in the reader's units: "95 % interval: 33 % lower to 12 % lower"."""
    level = f"{estimate.conf_level * 100:.0f} % interval"
    if not estimate.finite:
        return f"no finite {level}"
    if estimate.null == 1.0:
        return f"{level}: {change(estimate.conf_low)} to {change(estimate.conf_high)}"
    return f"{level}: {difference_text(estimate.conf_low)} to {difference_text(estimate.conf_high)}"


#: What a series is compared with, by whether it is that of one unit.
OWN_PAST = {True: "the unit's own past, carried forward", False: "the units' own past, carried forward"}


def effect_verdict(effect: Effect, panel: Panel, config: RunConfig) -> Verdict:
    """The word and the sentence of the primary effect."""
    estimate, title = effect.headline, _lower_first(panel.outcome(effect.analysis.outcome).title)
    failed = [in_plain_words(c) for c in gravest_first(effect.checks) if c.verdict == "fail"]
    conditional = CONDITIONAL_DESIGNS.get(effect.analysis.design)
    doubts = (*failed, *((conditional,) if conditional else ()))
    if estimate.status == "monitoring_only":
        return Verdict("too_early", "Too early to judge. Monitoring only.", (estimate.note,))
    if estimate.status == "not_estimable":
        return Verdict("no_estimate", f"No estimate is given. {estimate.note}", (estimate.note,))
    if not estimate.finite and not estimate.p_least > 1.0 - estimate.conf_level:
        why = _no_end(estimate)
        return Verdict("cannot_tell", f"This evaluation cannot tell whether {title} changed: {why}.", (estimate.note,))
    if not estimate.finite:
        return Verdict(
            "cannot_tell",
            f"This evaluation cannot tell whether {title} changed: with {estimate.n_treated} of {estimate.n_units} sites "
            f"treated the least p the design can reach is {estimate.p_least:.4f}, so that no difference, however large, can be told "
            f"from chance and there is no {estimate.conf_level * 100:.0f} % interval.",
            (estimate.note,),
        )
    if estimate.direction == "unclear":
        return _unclear(estimate, title, config.study.smallest_effect, doubts)
    size = f"{difference_text(abs(estimate.estimate))} {estimate.direction} than"
    start = f"{_subject(effect, title)} were {beside(estimate.estimate) if estimate.null == 1.0 else size}"
    told = f"({interval_text(estimate)}){_too_small(estimate, config.study.smallest_effect)}"
    if not doubts:
        caveat = _caveat(effect)
        sentence = f"{start} expected without the service {told}{'; ' if caveat else ''}{caveat}."
        return Verdict(estimate.direction, sentence, caveat=caveat)
    because = f"{_lower_first(doubts[0])}: the service may not be the reason"
    against = {
        "series": OWN_PAST[estimate.n_units == 1],
        "controlled_series": "the control series",
        "own_cohorts": "among those who met it before the service",
    }.get(effect.analysis.design, "the comparison")
    return Verdict(f"{estimate.direction}_but", f"{start} {against} {told}, but {because}.", doubts)


#: Warnings that qualify the claim itself: each says how little it takes for there to be no effect.
CAVEATS = {
    "trend_violation": "the sites had moved apart by themselves before the start, and as large a move again could explain it"
}


def _caveat(effect: Effect) -> str:
    """The half-sentence of the first warning that qualifies a claim; empty without one, or where it is about an estimate too far off."""
    warned = (c for c in effect.checks if c.check in CAVEATS and c.verdict == "warn" and not c.facts.get("apart"))
    return next((CAVEATS[c.check] for c in warned), "")


#: What a check that fails or warns means, for a reader who knows no statistics; its numbers stand under "Could this be wrong?".
IN_PLAIN_WORDS: Mapping[str, str] = {
    "allocation": "the two arms do not look as if chance alone had made them",
    "autocorrelation": "what is left of the series is no pure chance, so that the interval may be too narrow",
    "dip": "people were taken on when they were at their worst, and would have improved without any service",
    "dispersion": "one period fits the rest of the series badly, as after a change in recording",
    "displacement": "other care rose, so that part of the change may have moved there",
    "e_value": "something that was not measured could explain the difference, even if its influence was modest",
    "first_contact": "the answer depends on whether people are followed from the referral or from the first contact",
    "leave_one_month_out": "the answer hangs on a single period",
    "leave_one_person_out": "the answer hangs on a single person",
    "leave_one_site_out": "the answer hangs on a single site",
    "moved_care": "counted more widely, care did not change as these admissions did, so that part of it may have moved elsewhere",
    "out_of_reach": "admissions changed as well among people whom the service does not take on",
    "placebo_date": "the same analysis finds changes on dates on which nothing started",
    "placebo_launch": "the same comparison finds a difference before there was a service",
    "placebo_outcome": "other admissions, which the service should not change, changed as well",
    "placebo_period": "the same comparison finds a difference before there was a service",
    "pre_trend": "the sites with the service were already moving apart from the others before it started",
    "site_exchangeability": "the sites with the service were unlike the others before it started",
    "specification_curve": "other ways to work it out, which could as well have been chosen, do not give the same answer",
    "subgroups": "the effect is not the same for all groups of people, which one number hides",
    "volume": "the records of a site break off, jump or are incomplete",
}
#: Checks that look for harm or for care that moved: named before all others.
OF_HARM = ("site_deaths", "deaths", "displacement", "moved_care")
#: Checks that ask how much it would take, not whether something went wrong. They warn nearly always, so others are named first.
HOW_MUCH_IT_TAKES = ("trend_violation", "e_value", "specification_curve")


def in_plain_words(check: CheckResult) -> str:
    """What a check that failed or warned means, without its statistics; the check's own sentence where no plainer one is known."""
    if check.check in ("deaths", "site_deaths"):
        return _deaths(check)
    if check.check == "trend_violation" and math.isfinite(check.statistic):
        size = f"{check.statistic:.1f} times" if check.statistic >= 0.05 else "less than a tenth"
        return (
            "the sites with the service had moved apart from the others by themselves before it started; a move "
            f"{size} as large as the largest of these could explain the whole difference"
        )
    return IN_PLAIN_WORDS.get(check.check) or _lower_first(check.sentence)


def _deaths(check: CheckResult) -> str:
    """Which way deaths differ, and what that does to admissions."""
    where = "at the sites with the service" if check.check == "site_deaths" else "with the service"
    which = check.facts.get("died")
    if which == "fewer":
        return f"fewer people died {where} than was to be expected, and those who live on can be admitted"
    number = "more people died" if which == "more" else "the number of people who died"
    tail = "than was to be expected" if which == "more" else "is not the one to be expected"
    return f"{number} {where} {tail}, and the dead are not admitted"


def gravest_first(checks: Sequence[CheckResult]) -> list[CheckResult]:
    """The checks with harm first and those that only ask how much it would take last."""
    return sorted(checks, key=lambda c: (c.check in HOW_MUCH_IT_TAKES, c.check not in OF_HARM))


def _too_small(estimate: Estimate, smallest: float) -> str:
    """Behind a change that is there: that one worth having is ruled out, by the test that says "no effect worth having"."""
    if estimate.null != 1.0 or not _within(estimate, smallest):
        return ""
    return f", less than the {smallest * 100:g} % that would be worth having"


def _within(estimate: Estimate, smallest: float) -> bool:
    """Whether a fall of that size or more and a rise of that size or more are both ruled out."""
    low, high = one_sided_limits(estimate)
    return max(1 - low, high - 1) < smallest


def _no_end(estimate: Estimate) -> str:
    """Why there is no interval where the design could have one: the first part of the note that is not about the least p."""
    parts = (part for part in estimate.note.split("; ") if part and not part.lower().startswith("the least p"))
    return _lower_first(next(parts, "its interval has no end"))


def _subject(effect: Effect, title: str) -> str:
    """Whose admissions the estimate is about; a whole site's unless the design follows people."""
    if effect.analysis.design == "trial":
        return f"Among people allocated to the service, {title}"
    if effect.analysis.design in ("own_cohorts", "entry_rule"):
        return f"Among people who newly met the entry rule, {title}"
    if effect.analysis.design == "risk_set":
        return f"Among people who were referred and met the entry rule, {title}"
    if effect.analysis.design == "patients":
        return f"Among the people compared, {title}"
    sites = "the site" if effect.headline.n_treated == 1 else f"the {effect.headline.n_treated} sites"
    return f"At {sites} with the service, {title}"


def one_sided_limits(estimate: Estimate) -> tuple[float, float]:
    """The ends beyond which an effect is ruled out in that direction alone, at the risk of the interval: 90 % for 95 %.

    From the inference of the interval itself, and never outside it; the interval where that inference gives no other level.
    """
    risk = 1.0 - estimate.conf_level
    if estimate.confidence is None:
        return estimate.conf_low, estimate.conf_high
    low, high = estimate.confidence(np.array([risk, 1.0 - risk]))
    return max(float(low), estimate.conf_low), min(float(high), estimate.conf_high)


def _unclear(estimate: Estimate, title: str, smallest: float, doubts: tuple[str, ...]) -> Verdict:
    """The interval holds no effect: none worth having when a larger fall and a larger rise are both ruled out and nothing is in
    doubt, else it cannot be told. Each is a test of its own against a change that size, so each has the whole risk on its side
    (docs/decisions/0125-no-effect-worth-having.md)."""
    if estimate.null != 1.0:
        sentence = f"This evaluation cannot tell whether {title} changed ({interval_text(estimate)}).{_doubt(doubts)}"
        return Verdict("cannot_tell", sentence, doubts)
    if not _within(estimate, smallest):
        rules_out = _rules_out(estimate.conf_low, estimate.conf_high)
        sentence = f"This evaluation cannot tell whether {title} changed. {rules_out}{_doubt(doubts)}"
        return Verdict("cannot_tell", sentence, doubts)
    if doubts:
        level = f"{estimate.conf_level * 100:.0f} % interval"
        sentence = (
            f"This evaluation cannot tell what the service did to {title}. {_rules_out(estimate.conf_low, estimate.conf_high)[:-1]} "
            f"({level}), but {_lower_first(doubts[0])}."
        )
        return Verdict("cannot_tell", sentence, doubts)
    risk = f"{(1.0 - estimate.conf_level) * 100:.0f} %"
    return Verdict(
        "no_effect",
        f"This evaluation found no effect on {title} worth having. {_rules_out(*one_sided_limits(estimate))[:-1]}, each at a risk of {risk}.",
        (f"a change of {smallest * 100:g} % or more is ruled out in either direction, each at a risk of {risk}",),
    )


#: A fall to this share and a rise to this multiple that are both left open: then nothing is ruled out that would help to decide.
HALF, TWICE = 0.5, 2.0


def _rules_out(low: float, high: float) -> str:
    """What an interval around no effect rules out, as a sentence; from a doubling on a rise is told in times, not in per cent."""
    if low <= HALF and high >= TWICE:
        return (
            f"It rules out nothing that would help to decide: by the figures they could be anything from {percent(low)} lower than "
            f"expected to {times(high)} what was expected."
        )
    rise = f"a rise to more than {times(high)} what was expected" if hundredths(high) >= 200 else _larger("rise", high)
    if hundredths(low) == 0:
        return f"It rules out no fall, however large, but {rise}."
    return f"It rules out {_larger('fall', low)} and {rise}."


def _larger(what: str, ratio: float) -> str:
    """A change beyond the end of an interval: one that is only small is never said to be 0 %."""
    size = abs(ratio - 1) * 100
    if size == 0:
        return f"any {what}"
    return f"a {what} larger than {percent(ratio) if hundredths(ratio) != 100 else f'{size:.1g} %'}"


def _doubt(doubts: tuple[str, ...]) -> str:
    """The first doubt as a sentence of its own behind what is ruled out; empty when there is none."""
    return f" Besides, {_lower_first(doubts[0])}." if doubts else ""


def in_sentence(text: str) -> str:
    """The text without a capital at its start, unless its first word is written in capitals."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text.startswith("A ") else text


def _lower_first(text: str) -> str:
    return in_sentence(text).rstrip(".")


def _sentence_of(text: str) -> str:
    """The words as the start of a sentence, without a full stop."""
    return f"{text[:1].upper()}{text[1:]}".rstrip(".")


#: What helps where nothing went wrong and the design alone leaves the doubt.
DOUBT_OF_DESIGN = (
    "The doubt is one of the design, and more months do not take it away: compare with hospitals without the service before using "
    "this result in a decision."
)
MEANING_OF_P = "p is how often chance alone would give a difference at least this large."


def _certainty(effect: Effect) -> str:
    estimate = effect.headline
    least = ""
    if not math.isnan(estimate.p_least):
        least = _least_p(estimate)
    # The least p there is has the figures it was just said with: "p = 0.008" below "no p below 0.0083" reads as impossible.
    smallest = math.isclose(estimate.p_value, estimate.p_least, rel_tol=1e-9)
    said = f"p = {estimate.p_least:.4f}" if smallest else p_text(estimate.p_value)
    p = "" if math.isnan(estimate.p_value) else f"{'Here ' if least else ''}{said}; "
    meaning = f" {MEANING_OF_P}" if p else ""
    passed = sum(c.verdict == "pass" for c in effect.checks)
    judged = sum(c.verdict != "not_evaluable" for c in effect.checks)
    missing = len(effect.checks) - judged
    others = ((v, sum(c.verdict == v for c in effect.checks)) for v in ("warn", "fail"))
    rest = "".join(f", {n} {JUDGED[v]}" for v, n in others if n)
    more = rest + (f"; {missing} could not be judged" if missing else "")
    return f"{least}{p}{interval_text(estimate)}.{meaning} {passed} of {judged} checks of this result passed{more}."


def _least_p(estimate: Estimate) -> str:
    """Why there is no smaller p: too few ways to choose the treated sites, or too few of them drawn."""
    if estimate.drawn is not None:
        return f"The {estimate.drawn:,} assignments drawn at random can give no p below {estimate.p_least:.4f}. "
    sites = f"With {estimate.n_treated} of {estimate.n_units} sites treated"
    if estimate.conf_method == "random_effects_t":
        return f"{sites}, randomisation can give no p below {estimate.p_least:.4f}; p and interval are those of a method that takes hospitals to differ. "
    return f"{sites}, no p below {estimate.p_least:.4f} is possible. "


#: What a check that did not pass is said to have done, so that the numbers of a sentence add up; the graver first.
JUDGED: Mapping[str, str] = {"fail": "failed", "warn": "gave a warning"}


def _threat(effect: Effect, findings: Sequence[Finding]) -> str:
    ranked = gravest_first(effect.checks)
    for verdict, judged in JUDGED.items():
        found = [c for c in ranked if c.verdict == verdict]
        if found:
            # Of warnings only the first: all that failed must be read, or what is decided rests on half of it.
            named = found if verdict == "fail" else found[:1]
            said = " ".join(
                f"{_sentence_of(in_plain_words(c))} (check “{c.check.replace('_', ' ')}” {judged})." for c in named
            )
            return f"{said} The numbers stand under “Could this be wrong?”."
    if effect.analysis.design in CONDITIONAL_DESIGNS:
        reason = CONDITIONAL_DESIGNS[effect.analysis.design]
        return f"{reason[:1].upper()}{reason[1:]}."
    if effect.analysis.design == "trial":
        return (
            "The result rests on the allocation having been by chance and concealed, and on both arms being seen alike in the hospital "
            "records; no data can prove either."
        )
    warned = sorted((f for f in findings if f.level == "warn"), key=lambda f: f.code)
    gate = f" Of the data, note first: {warned[0].kind.title.lower()}." if warned else ""
    return (
        "Another change that reached only the sites with the service, at the same time, would look the same; no data can exclude it."
        + gate
    )


def _tells_deaths(check: CheckResult) -> bool:
    return check.facts.get("died") == "more" and check.verdict in JUDGED


def _more_died(own: Sequence[CheckResult], beside: Sequence[CheckResult]) -> str:
    """That more people died, where only the check of an analysis beside the answer says so: harm stands on the first page."""
    if any(map(_tells_deaths, own)):
        return ""
    said = (
        f" Besides, {in_plain_words(c)} (check “{c.check.replace('_', ' ')}” {JUDGED[c.verdict]})."
        for c in beside
        if _tells_deaths(c)
    )
    return next(said, "")


def _next_step(effect: Effect, verdict: Verdict, findings: Sequence[Finding]) -> str:
    estimate = effect.headline
    by_design = effect.analysis.design in CONDITIONAL_DESIGNS and not any(c.verdict == "fail" for c in effect.checks)
    if by_design and verdict.word in ("lower_but", "higher_but"):
        watch = " Watch admissions closely meanwhile." if verdict.word == "higher_but" else ""
        return f"{DOUBT_OF_DESIGN}{watch}"
    if verdict.word == "cannot_tell" and not estimate.finite and estimate.p_least > 1.0 - estimate.conf_level:
        return "Do not decide on this result alone. Only more sites could make it clear: with these, no number of months or people can."
    without_people = any(f.code == "D318" or (f.code == "D319" and f.where == "caseload") for f in findings)
    more = "sites or more months" if without_people else "sites, more months or more people on the caseload"
    narrow = f"More {more} would narrow it"
    if by_design:
        narrow += ", and a comparison with hospitals without the service would take away the doubt of its design"
    return {
        "lower": "Keep the service under review with the same plan, and confirm the result when more months are in.",
        "higher": "Look into why admissions were higher before the service grows: people taken on, coding, and what else changed.",
        "lower_but": "Resolve the doubt named above before using this result in a decision.",
        "higher_but": "Resolve the doubt named above, and watch admissions closely meanwhile.",
        "no_effect": "Do not expect fewer admissions from the service as it was run; decide on its other benefits and its cost.",
        "cannot_tell": f"Do not decide on this result alone. {narrow}.",
        "too_early": "Repeat when there are at least six periods after the start.",
        "no_estimate": "Mend what is named above and run again.",
    }[verdict.word]


def headline_table(
    effect: Effect,
    verdict: Verdict,
    costs: CostResult | None,
    findings: Sequence[Finding],
    beside: Sequence[CheckResult] = (),
) -> pd.DataFrame:
    """The five answers of the first page, in order. `beside`: the checks of the other analyses, of which only harm is told here."""
    aggregated = any(f.code == "D318" for f in findings)
    why = "the input is an aggregated panel, which holds no people" if aggregated else "the config has no [costs] table"
    cost = costs.verdict if costs else Verdict("no_estimate", f"No costs: {why}.")
    deaths = "Find out first why more people died. " if any(map(_tells_deaths, (*effect.checks, *beside))) else ""
    answers = [
        (verdict.sentence, verdict.word),
        (_certainty(effect), verdict.word),
        (cost.sentence, cost.word),
        (f"{_threat(effect, findings)}{_more_died(effect.checks, beside)}", verdict.word),
        (f"{deaths}{_next_step(effect, verdict, findings)}", verdict.word),
    ]
    return pd.DataFrame(
        [
            {"order": i + 1, "question": question, "sentence": sentence, "verdict": word}
            for i, (question, (sentence, word)) in enumerate(zip(QUESTIONS, answers, strict=True))
        ]
    )


ALWAYS = (
    "Only what is in the data is seen; care in other hospitals, and mental-health beds outside the data, are not.",
)
OF_ALCOHOL_CODES = (
    "Counts rest on how alcohol was coded in hospital records; a change in coding looks like a change in admissions.",
)
OF_PEOPLE = (
    "People are referred when they are at their worst and get better by themselves; a raw before-and-after fall is never an effect.",
    "A change across a whole hospital and a saving for each patient have different units of analysis: they must not be multiplied.",
)
BY_DESIGN = {
    "trial": "People were allocated by chance and are counted as allocated: the result is about offering the service to people like them.",
    "sites": "Sites chose, or were chosen, to have the service; the comparison assumes that they would have moved like the others.",
    "entry_rule": "Meeting the entry rule in a hospital with a team is assumed to change nothing for people who are not taken on.",
    "own_cohorts": CONDITIONAL_DESIGNS["own_cohorts"][:1].upper() + CONDITIONAL_DESIGNS["own_cohorts"][1:] + ".",
    "controlled_series": CONDITIONAL_DESIGNS["controlled_series"][:1].upper()
    + CONDITIONAL_DESIGNS["controlled_series"][1:]
    + ".",
    "series": CONDITIONAL_DESIGNS["series"][:1].upper() + CONDITIONAL_DESIGNS["series"][1:] + ".",
}


def limits_table(
    effect: Effect,
    checks: Sequence[CheckResult],
    findings: Sequence[Finding],
    costs: CostResult | None,
    treated: Sequence[str] = (),
) -> pd.DataFrame:
    """The limits: those that always hold, those of the design, and those that the checks and gates found.

    `treated`: the sites with the service in the data; where the estimate says which it rests on, the others are named.
    """
    people = not any(f.code == "D318" for f in findings)
    coded = people or "alcohol" in effect.analysis.outcome
    always = (*ALWAYS, *(OF_ALCOHOL_CODES if coded else ()), *(OF_PEOPLE if people else ()))
    rows = [("always", text) for text in always]
    if effect.analysis.design in BY_DESIGN:
        rows.append(("design", BY_DESIGN[effect.analysis.design]))
    used = effect.headline.facts.get("treated")
    if isinstance(used, list | tuple) and (out := [site for site in treated if site not in used]):
        rows.append(
            (
                "design",
                f"The answer leaves out sites that have the service: {', '.join(out)}. What is estimated says why.",
            )
        )
    if costs is not None:
        rows.append(
            (
                "costs",
                "A saving is the value of resources, at the stated prices and perspective; it is not cash released.",
            )
        )
        doubtful = [c for c in checks if c.verdict in ("fail", "warn", "not_evaluable")]
        doubted = {c.sentence for c in doubtful} | {in_plain_words(c) for c in doubtful}
        rows += [("costs", reason) for reason in costs.verdict.reasons if reason not in doubted]
    rows += [("check", c.sentence) for c in checks if c.verdict in ("fail", "warn", "not_evaluable")]
    rows += [("data", f"{f.kind.title}: {f.kind.why}") for f in _distinct(findings) if f.level != "note"]
    return pd.DataFrame([{"order": i + 1, "kind": kind, "text": text} for i, (kind, text) in enumerate(rows)])


def _distinct(findings: Sequence[Finding]) -> list[Finding]:
    seen: dict[str, Finding] = {}
    for finding in findings:
        seen.setdefault(finding.code, finding)
    return list(seen.values())
