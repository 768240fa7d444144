"""The money sentence: never stronger than the effect sentence, never a saving without an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aaot_eval.costs.ladder import COMPARED, DEATHS_DIFFER, FEW_PEOPLE, SITES
from aaot_eval.costs.prices import Prices
from aaot_eval.costs.rates import LEAST_PEOPLE
from aaot_eval.costs.savings import Money
from aaot_eval.results import Verdict
from aaot_eval.wording import money as money_text

PERSPECTIVE = {
    "commissioner": "commissioner perspective",
    "provider": "provider perspective",
    "nhs_social_care": "NHS and social care perspective",
    "societal": "societal perspective",
}
NOT_CASH = "This is the value of resources, not cash released."
INVENTED = "The prices are invented: the amounts show the method and mean nothing."


def pounds(amount: float) -> str:
    """Whole pounds without sign, with thousands separators.

    >>> pounds(-1234.5)
    '£1,234'
    """
    return money_text(abs(amount))


def ends(low: float, high: float) -> str:
    """The interval of a saving in words that need no sign.

    >>> ends(-200, 300), ends(100, 300), ends(-300, -100)
    ('from £200 more to £300 less', 'from £100 to £300 less', 'from £100 to £300 more')
    """
    if low >= 0:
        return f"from {pounds(low)} to {pounds(high)} less"
    if high <= 0:
        return f"from {pounds(high)} to {pounds(low)} more"
    return f"from {pounds(low)} more to {pounds(high)} less"


def money_word(effect: str, best: Money | None, *, doubted: bool) -> str:
    """The word of the money verdict, from the word of the effect verdict and the headline rung.

    A saving is claimed only with an effect that is claimed (`lower`), an interval above 0, a comparison between
    hospitals or better, and no failed check. Without an effect there is no saving to claim; harm costs more.
    """
    if effect in ("too_early", "no_estimate"):
        return "no_estimate"
    if best is None:
        return {"higher": "costs_more", "higher_but": "costs_more_but"}.get(effect, "no_estimate")
    credible = best.rung.rung <= SITES and not doubted
    if best.saving_high < 0:
        if effect == "cannot_tell":
            return "cannot_tell"
        return "costs_more" if credible and effect in ("lower", "higher", "no_effect") else "costs_more_but"
    if best.saving_low > 0 and effect in ("lower", "lower_but"):
        return "saves" if credible and effect == "lower" else "saves_but"
    return "cannot_tell"


def money_verdict(
    effect: Verdict,
    money: Sequence[Money],
    best: Money | None,
    prices: Prices,
    notes: Sequence[str] = (),
    *,
    headline: str = "",
    seen: float = math.nan,
) -> Verdict:
    """What may be said about the money; `reasons` lists the doubts and notes that stand beside it.

    `headline` is the design behind the answer on admissions: when the money rests on another, the sentence names both. `seen`
    is the service's cost over the caseload seen where that is far from the one at the planned occupancy, which every net sum
    takes: the sentence then says both, and claims nothing that holds at one of them alone.
    """
    doubts = best.rung.doubts if best else ()
    turned = _turned(best, seen)
    word = money_word(effect.word, best, doubted=bool(doubts or turned))
    parts = [_sentence(word, effect, money, best, prices, planned=not math.isnan(seen), turned=turned).strip()]
    if not math.isnan(seen):
        parts.append(_at_the_caseload_seen(best if word != "no_estimate" else None, prices, seen))
    if best is not None and word != "no_estimate":
        if headline and headline != best.rung.design:
            parts.append(_basis(best.rung.design, headline))
        if word == "saves" and headline == best.rung.design and effect.caveat:
            parts.append(f"As with the effect behind it, {effect.caveat}.")
        parts.append(NOT_CASH)
    if prices.invented:
        parts.append(INVENTED)
    reasons = [
        *doubts,
        *((turned,) if turned else ()),
        *(effect.reasons if word in ("saves_but", "costs_more_but", "cannot_tell") else ()),
        *notes,
    ]
    return Verdict(word, " ".join(parts), tuple(dict.fromkeys(reasons)))


def _turned(best: Money | None, seen: float) -> str:
    """What an interval wholly on one side of nothing turns into at the cost over the caseload seen; empty where it stays there."""
    if best is None or math.isnan(seen):
        return ""
    more = seen - best.programme_cost
    if best.saving_low > 0 and not best.saving_low - more > 0:
        return f"at the cost over the caseload seen, {pounds(seen)}, the interval no longer shows a saving"
    if best.saving_high < 0 and not best.saving_high - more < 0:
        return f"at the cost over the caseload seen, {pounds(seen)}, the interval no longer shows a loss"
    return ""


def _at_the_caseload_seen(best: Money | None, prices: Prices, seen: float) -> str:
    """The cost over the caseload seen, and what it does to every net sum."""
    text = (
        f"The cost of the service is that of the planned occupancy, {100 * prices.programme.occupancy:.0f} %; over the caseload seen it was "
        f"{pounds(seen)}"
    )
    if best is None:
        return f"{text}."
    more = seen - best.programme_cost
    about = pounds(float(f"{more:.2g}"))
    return f"{text}, with which each net sum above is about {about} {'worse' if more > 0 else 'better'}."


def _sentence(
    word: str,
    effect: Verdict,
    money: Sequence[Money],
    best: Money | None,
    prices: Prices,
    *,
    planned: bool = False,
    turned: str = "",
) -> str:
    terms = f"{prices.price_year} prices, {PERSPECTIVE[prices.perspective]}"
    cost = pounds(prices.programme.per_patient_year)
    where = "at the planned occupancy" if planned else "on the caseload"
    service = f"The service costs {cost} per patient per year {where} ({terms})"
    if best is None or word == "no_estimate":
        return f"{service}; {_why_no_number(word, effect, money)}"
    interval = f"{best.level * 100:g} % interval {ends(best.saving_low, best.saving_high)}"
    net, hospital = pounds(best.saving), _hospital(effect, best)
    if best.rung.rung > SITES:
        text = f"{service}. {_conditional(word, effect, best, interval)}"
    elif word == "saves":
        text = f"The service saves {net} per patient per year {where} ({interval}; {terms}): {hospital} and the service costs {cost}."
    elif word == "saves_but":
        text = (
            f"By the figures the service saves {net} per patient per year {where} ({interval}; {terms}): "
            f"{hospital} and the service costs {cost}."
        )
    elif best.saving_high < 0:
        figures = "" if word == "costs_more" else "by the figures "
        text = f"{service}. With hospital care counted, {figures}{_loss(best)}: {hospital}{_cannot(effect).removesuffix(' either')}."
    else:
        text = f"{service}. With hospital care counted, {_untold(best)}{_cannot(effect)}."
    return f"{text} {_doubt(effect, best, turned)}" if word in ("saves_but", "costs_more_but") else text


def _hospital(effect: Verdict, best: Money) -> str:
    """The change in hospital cost, as a fact only where the effect is one."""
    size = pounds(best.gross)
    change = f"{size} {'lower' if best.gross > 0 else 'higher'} than in care as usual"
    if size == pounds(0):
        change = "the same as in care as usual"
    return f"hospital cost was {change}" if effect.claim else f"by this comparison hospital cost was {change}"


def _loss(best: Money) -> str:
    """An interval that is a loss from end to end."""
    least, most = pounds(best.saving_high), pounds(best.saving_low)
    level = f"{best.level * 100:g} % interval; best estimate {pounds(best.saving)} more"
    return f"it costs {least} to {most} more per patient per year than care as usual ({level})"


def _untold(best: Money) -> str:
    """An interval that holds no answer, or one that the effect does not carry."""
    size = pounds(best.saving)
    point = (
        "no difference" if size == pounds(0) else f"{size} {'less' if best.saving > 0 else 'more'} per patient per year"
    )
    level = f"{best.level * 100:g} % interval"
    return (
        f"this evaluation cannot tell whether it saves: best estimate {point} than care as usual, "
        f"{ends(best.saving_low, best.saving_high)} ({level})"
    ).replace("no difference than", "no difference from")


def _conditional(word: str, effect: Verdict, best: Money, interval: str) -> str:
    condition = "Conditional on no other change at the hospital, with hospital care counted,"
    alone = "this is not a finding about the service alone"
    if word == "saves_but":
        return f"{condition} it would save {pounds(best.saving)} per patient per year ({interval}); {alone}."
    if best.saving_high < 0:
        return f"{condition} {_loss(best)}{_cannot(effect).removesuffix(' either')}; {alone}."
    return f"{condition} {_untold(best)}{_cannot(effect)}."


def _basis(design: str, headline: str) -> str:
    return f"The money rests on the comparison {COMPARED[design]}; the answer on admissions rests on the comparison {COMPARED[headline]}."


def _why_no_number(word: str, effect: Verdict, money: Sequence[Money]) -> str:
    if word in ("costs_more", "costs_more_but"):
        return (
            "admissions were higher, so no saving can be shown and the service adds to the cost of care; by how much is not "
            f"estimated.{' ' + _doubt(effect, None) if word == 'costs_more_but' else ''}"
        )
    if effect.word == "too_early":
        return "it is too early to say whether it saves anything."
    if effect.word == "no_estimate":
        return "no saving is estimated, because no effect is."
    reason = (
        "the comparison with the hospital's own past says how many admissions there were fewer or more, not what their care "
        "would have cost; for a saving add a caseload ([data] caseload) with an entry rule ([study] entry_rule), or "
        "comparison hospitals ([data] sites)"
        if any(m.rung.status == "activity_only" for m in money)
        else "more people died with the service than in the comparison, and a death is no saving"
        if any(m.rung.status == DEATHS_DIFFER for m in money)
        else f"fewer than {LEAST_PEOPLE} people were on the caseload while the service ran"
        if any(m.rung.status == FEW_PEOPLE for m in money)
        else "no comparison gives the cost an interval"
    )
    return f"no saving is estimated, because {reason}."


def _doubt(effect: Verdict, best: Money | None, turned: str = "") -> str:
    """Why the figure is not a claim, as a sentence; empty when the condition of the design says it already."""
    if best is not None and best.rung.doubts:
        return f"But a check of this comparison failed: {_stop(best.rung.doubts[0])}"
    if turned and (effect.claim or effect.word == "no_effect"):
        return f"But {_stop(turned)}"
    if effect.reasons and effect.word != "no_effect":
        return f"But the effect behind it is in doubt: {_stop(effect.reasons[0])}"
    if best is not None and best.rung.rung > SITES:
        return ""
    return "But the checks leave doubt whether the service is the reason."


def _stop(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _cannot(effect: Verdict) -> str:
    """What the effect's own answer takes from the money; empty where it claims a fall."""
    return {
        "cannot_tell": "; whether admissions changed cannot be told either",
        "no_effect": "; no effect on admissions was found",
        "higher": "; admissions were higher",
        "higher_but": "; admissions were higher",
    }.get(effect.word, "")
