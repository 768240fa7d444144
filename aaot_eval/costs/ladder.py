"""Which effects can carry money, most credible first, and how each becomes pounds per patient-year on the caseload."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aaot_eval.costs.rates import LEAST_PEOPLE, MONTHS_IN_YEAR, Caseload
from aaot_eval.results import Effect, Estimate, Panel
from aaot_eval.wording import gravest_first, in_plain_words

TRIAL, ENTRY_RULE, SITES, OWN_COHORTS, SERIES = 1, 2, 3, 4, 5
RUNG_OF_DESIGN = {
    "trial": TRIAL,
    "entry_rule": ENTRY_RULE,
    "risk_set": ENTRY_RULE,
    "sites": SITES,
    "controlled_series": SITES,
    "own_cohorts": OWN_COHORTS,
}
LABEL = {
    TRIAL: "from patients allocated by chance",
    ENTRY_RULE: "from patients who met the same rule in hospitals without the service",
    SITES: (
        "from hospitals with and without the service, what was averted shared over the patient-years on the caseload; admissions "
        "that a death prevented count as averted"
    ),
    OWN_COHORTS: "conditional on no other change at the hospital",
    SERIES: "averted activity only: a series or before-after without a control carries no saving",
}
#: Whom a design compares, as the end of "the comparison ...".
COMPARED = {
    "trial": "of people allocated by chance",
    "entry_rule": "over people who met the entry rule, in hospitals with and without the service",
    "risk_set": "of people taken on with people elsewhere who met the rule in the same month",
    "sites": "over sites with and without the service",
    "own_cohorts": "of people who met the entry rule before and after the service began",
    "series": "of a site with its own past",
    "controlled_series": "of a site's series with a control series",
}
DEATHS_DIFFER = "deaths_differ"
FEW_PEOPLE = "few_people"
BEYOND_CHANCE = 0.05  # two-sided p of the deaths by arm; the bar that the checks warn at
LEAST_UPTAKE = 0.10  # below it the effect on the referred is noise divided by almost nothing
USABLE_UPTAKE = 0.30  # below it there is no usable entry rule

Gross = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Rung:
    """One design's way to the money.

    `gross` maps draws of the estimate to averted hospital cost in pounds per patient-year on the caseload, before the
    common error of the prices; None when there is no number. `on_team` is the observed hospital cost per patient-year
    on the caseload that belongs to it. `doubts` say in plain words what its failed checks mean.
    """

    rung: int
    design: str
    analysis: str
    estimate: Estimate
    status: str
    label: str
    gross: Gross | None = None
    on_team: float = math.nan
    doubts: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the rung may be the headline."""
        return self.status == "ok" and self.gross is not None


def ladder(panel: Panel, effects: Sequence[Effect], people: Caseload | None) -> list[Rung]:
    """Every rung that exists among the effects, most credible first; within a rung in the order given."""
    priced = [rung_of(panel, effect, people) for effect in effects if _on_cost(effect)]
    died = more_died(effects)
    rungs = [_without_deaths(rung, died) for rung in priced if rung is not None]
    rungs += [_activity_rung(e) for e in effects if e.analysis.primary and e.analysis.design == "series"]
    return sorted(rungs, key=lambda r: r.rung)


def more_died(effects: Sequence[Effect]) -> str:
    """What a check says when more people died under the service than in the comparison, beyond chance; empty otherwise.

    From `deaths` (people, by arm) and `site_deaths` (the sites' own comparison), on whatever effect they were made.
    """
    for effect in effects:
        for check in effect.checks:
            if not check.p_value < BEYOND_CHANCE:
                continue
            by_arm = check.check == "deaths" and _fact(check.facts, "risk_treated") > _fact(
                check.facts, "risk_compared"
            )
            if by_arm or (check.check == "site_deaths" and check.statistic > effect.headline.null):
                return check.sentence
    return ""


def _without_deaths(rung: Rung, died: str) -> Rung:
    """The rung, without its number where it is over sites and more people died: an admission that a death prevented is no saving."""
    if rung.rung != SITES or not died or rung.status != "ok":
        return rung
    label = f"{rung.label}; no saving is taken from it, because more people died with the service: {died}"
    return replace(rung, status=DEATHS_DIFFER, label=label, gross=None)


def _on_cost(effect: Effect) -> bool:
    outcome = effect.headline.outcome
    return outcome == "hospital_cost" or outcome.endswith("_cost")


def _activity_rung(effect: Effect) -> Rung:
    return Rung(SERIES, "series", effect.analysis.name, effect.headline, "activity_only", LABEL[SERIES])


def rung_of(panel: Panel, effect: Effect, people: Caseload | None) -> Rung | None:
    """The effect as a rung: pounds, or events of a count outcome, per patient-year; None for a design without a rung."""
    if effect.analysis.design not in RUNG_OF_DESIGN:
        return None
    estimate, analysis = effect.headline, effect.analysis
    rung = RUNG_OF_DESIGN[analysis.design]

    def made(status: str, label: str = "", gross: Gross | None = None, on_team: float = math.nan) -> Rung:
        text = "; ".join(part for part in (LABEL[rung], label) if part)
        doubts = tuple(in_plain_words(c) for c in gravest_first(effect.checks) if c.verdict == "fail")
        return Rung(rung, analysis.design, analysis.name, estimate, status, text, gross, on_team, doubts)

    if estimate.status != "ok":
        return made(estimate.status, estimate.note)
    if not estimate.finite or estimate.confidence is None:
        return made("no_finite_interval", "the effect has no finite interval, so there is no saving either")
    if rung == SITES:
        return _over_sites(panel, effect, people, made)
    if estimate.null == 0:
        return made("ok", "", lambda draw: -draw, people.cost_rate if people else math.nan)
    return _over_people(estimate, analysis.design, people, made)


def _over_people(estimate: Estimate, design: str, people: Caseload | None, made: Callable[..., Rung]) -> Rung:
    """Averted cost per on-team person-year: (r1/ratio - r1) / uptake x 12, r1 in pounds per person-month.

    Uptake and the observed rate are held at their values. In a trial, and among the referred themselves, uptake is 1.
    """
    facts = estimate.facts
    on_team = _fact(facts, "rate_on_team")
    if math.isnan(on_team) and people is not None and estimate.outcome == "hospital_cost":
        on_team = people.cost_rate / MONTHS_IN_YEAR
    rate = on_team if design == "risk_set" else _fact(facts, "rate_after")
    uptake = 1.0 if design in ("trial", "risk_set") and "uptake" not in facts else _fact(facts, "uptake")
    if math.isnan(rate) or math.isnan(uptake):
        return made("not_estimable", "the estimate gives no cost per person-month or no uptake")
    if uptake < LEAST_UPTAKE:
        return made(
            "not_estimable", f"uptake is under {100 * LEAST_UPTAKE:.0f} %: no effect on the referred can be worked out"
        )

    def gross(ratio: np.ndarray) -> np.ndarray:
        return np.asarray((rate / ratio - rate) / uptake * MONTHS_IN_YEAR)

    if uptake < USABLE_UPTAKE or facts.get("usable_rule") is False:
        label = f"no usable entry rule (uptake {100 * uptake:.0f} %), so it cannot be the headline"
        return made("no_usable_rule", label, gross, on_team * MONTHS_IN_YEAR)
    return made("ok", "", gross, on_team * MONTHS_IN_YEAR)


def _over_sites(panel: Panel, effect: Effect, people: Caseload | None, made: Callable[..., Rung]) -> Rung:
    """Averted pounds over the treated unit-periods, divided by the patient-years delivered in the same months."""
    estimate = effect.headline
    if people is None:
        return made("not_estimable", "there is no caseload to share the averted cost over")
    months = treated_periods(panel, int(effect.analysis.options.get("phase_in", 0)))
    months[~np.isin(panel.units.index, list(estimate.facts.get("treated", panel.treated_units)))] = False
    if int(estimate.facts.get("site_periods_after", months.sum())) != int(months.sum()):
        return made("not_estimable", "the months of the effect and those of the caseload are not the same")
    years = people.within(panel, months)
    observed = _fact(estimate.facts, "observed_after")
    if math.isnan(observed):
        observed = float(panel.matrix(estimate.outcome)[months].sum())
    if not years > 0:
        return made("not_estimable", "no patient-year was delivered in the treated months")
    if people.behind(panel, months) < LEAST_PEOPLE:
        return made(FEW_PEOPLE, f"fewer than {LEAST_PEOPLE} people were on the caseload in the treated months")
    size = float(panel.matrix("exposure")[months].sum()) if estimate.scale == "rate_difference" else float(months.sum())

    def gross(draw: np.ndarray) -> np.ndarray:
        averted = -draw * size if estimate.null == 0 else observed * (1 / draw - 1)
        return np.asarray(averted / years)

    stays_only = (
        ""
        if estimate.outcome == "hospital_cost"
        else "only the stays of that outcome are priced, without planned care and attendances"
    )
    return made("ok", stays_only if estimate.outcome.endswith("_cost") else "", gross, people.cost_rate)


def treated_periods(panel: Panel, phase_in: int = 0) -> np.ndarray:
    """Units x periods: True after start and phase-in, while open, neither left out nor missing."""
    usable = ~panel.periods["left_out"].to_numpy(dtype=bool) & ~panel.matrix("missing").astype(bool)
    return np.asarray(in_service(panel, phase_in) & usable)


def in_service(panel: Panel, phase_in: int = 0) -> np.ndarray:
    """Units x periods: True from the start plus phase-in until the service closed."""
    t = np.arange(len(panel.periods))
    start, stop = (
        panel.units[c].astype("Float64").fillna(math.inf).to_numpy(dtype=float) for c in ("start_t", "stop_t")
    )
    return np.asarray((t >= start[:, None] + phase_in) & (t < stop[:, None]))


def _fact(facts: Mapping[str, object], name: str) -> float:
    value = facts.get(name)
    return float(value) if isinstance(value, int | float | np.number) else math.nan
