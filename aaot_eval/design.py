"""Which analyses answer the study, chosen by rule from what the data hold; the reason is printed with each.

Source of the rules: docs/decisions/0001-design-by-rule.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aaot_eval.checks import CHECKS
from aaot_eval.config import RunConfig, StudyConfig, TrialConfig, parse_entry_rule
from aaot_eval.errors import InputError, NotIdentifiedError, Problem
from aaot_eval.estimators import ESTIMATORS, build_estimator
from aaot_eval.estimators._cohorts import RULE_OUTCOME, person_months, rule_outcome_of
from aaot_eval.panel.aggregated.periods import parse_period
from aaot_eval.panel.timing import clock_of
from aaot_eval.results import BESIDE, Analysis, Design, Panel, generator

CONTROL_OUTCOME = "non_alcohol_emergency"
#: Checks that read the caseload and not the estimate: once a run is enough.
ABOUT_CASELOAD = ("dip",)
NO_PEAK = (
    "no peak before referral, so people may be compared with themselves before it; where groups differ for good, matching on their "
    "past is what misleads (Daw and Hatfield 2018)"
)
#: Plain comparisons over people, only where there is no peak; with one they refuse, and the refusal is printed.
OVER_PEOPLE = (
    ("patient_group_time", "each month's referred against people of hospitals without the service"),
    ("patient_event_study", "the same by months since referral"),
)
HISTORICAL_LABEL = "historical comparison: selection removed, other changes not"


def choose_analyses(panel: Panel, config: RunConfig) -> tuple[Analysis, ...]:
    """The analyses of the run, the primary first. Raises when an outcome is unknown or nothing ever started."""
    _check_outcomes(panel, config)
    _check_periods(panel, config)
    asked = _asked_for(panel, config) if config.analyses else _by_rule(panel, config)
    return tuple(sorted(asked, key=lambda a: not a.primary))


def refuse_unknown_teams(panel: Panel, config: RunConfig) -> None:
    """Raises InputError for every team described under [[fidelity]] whose site has no service in the panel."""
    known = panel.treated_units
    unknown = [team.site for team in config.fidelity if team.site not in known]
    if unknown:
        raise InputError(
            *[
                Problem(
                    "C158",
                    f"[[fidelity]] describes a team at {site!r}, where no service starts in the data",
                    allowed=", ".join(known) or "no site has a service",
                    do="write the site as it stands in the table of sites, or leave the table out",
                )
                for site in unknown
            ]
        )


def refuse_unfit(panel: Panel, analyses: Iterable[Analysis]) -> tuple[tuple[Analysis, ...], list[tuple[Analysis, str]]]:
    """The analyses that can be fitted, and those left out with the reason. An unfit primary stops the run (exit 5)."""
    fit, left_out = [], []
    for analysis in analyses:
        problems = build_estimator(analysis.estimator, dict(analysis.options)).objections(panel, analysis)
        if not problems:
            fit.append(analysis)
        elif analysis.primary:
            raise NotIdentifiedError(*problems)
        else:
            left_out.append((analysis, "; ".join(p.what for p in problems)))
    return tuple(fit), left_out


def _check_outcomes(panel: Panel, config: RunConfig) -> None:
    known = [o.name for o in panel.outcomes]
    wanted = [("study.outcome", config.study.outcome), *(("study.also", o) for o in config.study.also)]
    wanted += [(f"analyses {a.name}", a.outcome) for a in config.analyses if a.outcome]
    problems = [
        Problem(
            "C120",
            f"{where}: there is no outcome {name!r} in these data",
            allowed=", ".join(known),
            do="choose one of them",
        )
        for where, name in wanted
        if name not in known
    ]
    if problems:
        raise InputError(*problems)


def _check_periods(panel: Panel, config: RunConfig) -> None:
    """InputError for a period of [study] that no period of the data is, and for a service that stops before it starts.

    Beyond an end that the study cut off itself (first_period, last_period) a period is left alone: it lies in the data.
    """
    study, clock, labels = config.study, panel.periods["clock"], panel.periods["label"]
    span = f"{labels.iloc[0]} to {labels.iloc[-1]}"
    dated = [("study.left_out", p) for p in study.left_out] + [("study.interruptions", p) for p in study.interruptions]
    problems = []
    for key, value in [*dated, *([("study.stop", study.stop)] if study.stop is not None else [])]:
        at = _clock(panel, value, key)
        early = at < clock.iloc[0] and (study.first_period is None or key == "study.stop")
        if early or (at > clock.iloc[-1] and study.last_period is None):
            problems.append(
                Problem(
                    "D320",
                    f"{key} = {value} lies outside the data",
                    where=key,
                    allowed=span,
                    do="mend it, or remove it",
                )
            )
    ended = panel.units[(panel.units["stop_t"] < panel.units["start_t"]).fillna(False)]
    if not problems and len(ended):
        named = ", ".join(map(str, ended.index))
        problems.append(
            Problem("D320", f"the service stops before it starts: {named}", where="study.stop, or stopped in the sites table",
                    do="mend the start or the stop")
        )  # fmt: skip
    if problems:
        raise InputError(*problems)


def _clock(panel: Panel, value: object, key: str) -> int:
    """A period of the config on the panel's calendar clock."""
    period = parse_period(str(value), panel.frequency)
    if period is None:
        raise InputError(
            Problem("C105", f"{value!r} does not read as a {panel.frequency}", where=key, allowed=str(panel.periods["label"].iloc[0]),
                    do="write it like the periods of the data")
        )  # fmt: skip
    return period if isinstance(period, int) else clock_of(period)


def _interruptions(panel: Panel, study: StudyConfig) -> tuple[str, ...]:
    """The further interruptions as labels of the panel; those that the study's own window cuts off are not among them."""
    clocks = {_clock(panel, value, "study.interruptions") for value in study.interruptions}
    return tuple(panel.periods["label"][panel.periods["clock"].isin(clocks)].astype(str))


def _window(panel: Panel, study: StudyConfig) -> tuple[str, ...]:
    """The window of averted events as labels of the panel; a period that is none is left for the estimator to refuse."""
    at = [_clock(panel, value, "study.window") for value in study.window]
    labels = {int(c): str(x) for c, x in zip(panel.periods["clock"], panel.periods["label"], strict=True)}
    return tuple(labels.get(c, str(value)) for c, value in zip(at, study.window, strict=True))


def _checks_for(design: Design) -> tuple[str, ...]:
    return tuple(name for name in CHECKS if design in CHECKS[name].designs)


def _checks_beside(design: Design, primary: Design) -> tuple[str, ...]:
    """The checks of a comparison of people that stands beside the primary: all but those about the caseload that it has already."""
    return tuple(c for c in _checks_for(design) if not (c in ABOUT_CASELOAD and primary in CHECKS[c].designs))


def _asked_for(panel: Panel, config: RunConfig) -> list[Analysis]:
    analyses = []
    for asked in config.analyses:
        design = ESTIMATORS[asked.estimator].design
        options = {**_study_options(asked.estimator, config.study, panel), **asked.options}
        if "no_peak" in ESTIMATORS[asked.estimator].__dataclass_fields__ and "no_peak" not in options:  # type: ignore[attr-defined]
            options["no_peak"] = _no_peak(panel, config)
        checks = tuple(asked.checks) if asked.checks is not None else (_checks_for(design) if asked.primary else ())
        for name in checks:
            _ = CHECKS[name]
        build_estimator(asked.estimator, options)
        analyses.append(
            Analysis(
                asked.name,
                design,
                asked.estimator,
                asked.outcome or config.study.outcome,
                asked.primary,
                options,
                checks,
                "asked for in the config",
            )
        )
    return analyses


def _study_options(estimator: str, study: StudyConfig, panel: Panel) -> dict[str, object]:
    """The parts of [study] that an estimator has a setting for."""
    rule = parse_entry_rule(study.entry_rule) if study.entry_rule and study.entry_rule != "unknown" else None
    offered: dict[str, object] = {
        "conf_level": study.conf_level,
        "phase_in": study.phase_in,
        "slope": study.slope,
        "interruptions": _interruptions(panel, study),
        "ramp": study.phase_in_ramp,
        "window": _window(panel, study),
        "follow_up": study.follow_up_months,
        "rule_count": rule[0] if rule else None,
        "rule_months": rule[1] if rule else None,
        "covariates": tuple(panel.extra.get("covariates", ())),
    }
    fields = ESTIMATORS[estimator].__dataclass_fields__  # type: ignore[attr-defined]
    return {name: value for name, value in offered.items() if name in fields}


def _for_staggered_starts(panel: Panel) -> tuple[tuple[str, str], ...]:
    """Methods beside the primary that never compare a site with one that has started; none when all start together."""
    if panel.units.loc[panel.treated_units, "start_t"].nunique() < 2:
        return ()
    return (
        ("group_time", "sites start at different times: each cohort against sites that never start"),
        ("imputation", "sites start at different times: expected levels from site-periods without the service"),
        (
            "event_study",
            "the effect by time since the start against the last period before it, with bands for all points at once",
        ),
    )


def _of_trial(panel: Panel, study: StudyConfig, trial: TrialConfig) -> list[Analysis]:
    """People as they were allocated, the primary outcome first, then the money, deaths and the other outcomes."""
    reason = (
        f"{'people were' if trial.unit == 'person' else 'whole sites were'} allocated by chance: {trial.allocation}"
    )

    def analysis(name: str, outcome: str, why: str, *, primary: bool = False, **more: object) -> Analysis:
        options = {**_study_options("trial", study, panel), "unit": trial.unit, **more}
        return Analysis(name, "trial", "trial", outcome, primary, options, _checks_for("trial") if primary else (), why)

    plan = [analysis("trial", study.outcome, reason, primary=True)]
    plan += [analysis(f"trial_{o}", o, "secondary outcome") for o in study.also]
    kinds = {o.name: o.kind for o in panel.outcomes}
    for outcome, name, why in (("hospital_cost", "trial_cost", "the same comparison in pounds"),
                               ("deaths", "trial_deaths", "days alive beside the money")):  # fmt: skip
        if outcome in kinds:
            plan.append(analysis(name, outcome, why))
    return plan


def _no_peak(panel: Panel, config: RunConfig) -> bool:
    """Whether the dip test finds that people were not referred at a peak; unknown counts as a peak."""
    from aaot_eval.checks._caseload import dip
    from aaot_eval.checks.dip import word_of

    if panel.people is None or panel.frequency != "month":
        return False
    rule_outcome = rule_outcome_of(panel, RULE_OUTCOME)
    if rule_outcome is None:
        return False
    found = dip(person_months(panel, rule_outcome, rule_outcome), generator(config.seed, "dip", "referred"))
    return not isinstance(found, str) and word_of(found) == "no dip"


def _by_rule(panel: Panel, config: RunConfig) -> list[Analysis]:
    if config.trial is not None:
        return _of_trial(panel, config.study, config.trial)
    rule = _Rule.of(panel, config)
    if rule.comparison:
        plan = _over_sites(rule)
        if rule.rule_of_people:
            plan += _over_people(rule)
    elif rule.rule_of_people:
        plan = _over_own_people(rule)
    else:
        plan = _over_time(rule)
    return [*plan, *_beside_primary(rule, {a.name for a in plan})]


@dataclass(frozen=True)
class _Rule:
    """What the rules look at: the sites with and without the service, the outcomes, and whether people are known."""

    panel: Panel
    config: RunConfig
    treated: list[str]
    comparison: list[str]
    kinds: dict[str, str]

    @classmethod
    def of(cls, panel: Panel, config: RunConfig) -> _Rule:
        """Raises NotIdentifiedError when no service starts."""
        if not panel.treated_units:
            raise NotIdentifiedError(
                Problem(
                    "E301",
                    "no unit starts the service inside the data, so there is nothing to compare",
                    where=f"{panel.periods['label'].iloc[0]} to {panel.periods['label'].iloc[-1]}",
                    do="give go_live dates in the sites table (or service_start / starts for a panel) that lie inside these periods",
                )
            )
        comparison = [u for u in panel.comparison_units if panel.units.loc[u, "group"] != BESIDE]
        return cls(panel, config, panel.treated_units, comparison, {o.name: o.kind for o in panel.outcomes})

    @property
    def study(self) -> StudyConfig:
        return self.config.study

    @property
    def rule_of_people(self) -> bool:
        """Whether people and the rule by which they enter are known."""
        people = self.panel.people
        return people is not None and bool(people["referral_t"].notna().any()) and bool(self.study.entry_rule)

    @property
    def control(self) -> list[str]:
        """The outcome that the service cannot change, where the data hold it."""
        there = CONTROL_OUTCOME in self.kinds and self.study.outcome != CONTROL_OUTCOME
        return [CONTROL_OUTCOME] if there else []

    def analysis(
        self,
        name: str,
        estimator: str,
        reason: str,
        *,
        outcome: str | None = None,
        primary: bool = False,
        checks: tuple[str, ...] = (),
        **more: object,
    ) -> Analysis:
        """One analysis of the plan, with what [study] says for its estimator; the primary has every check of its design."""
        design = ESTIMATORS[estimator].design
        return Analysis(
            name,
            design,
            estimator,
            outcome or self.study.outcome,
            primary,
            {**_study_options(estimator, self.study, self.panel), **more},
            _checks_for(design) if primary else checks,
            reason,
        )

    def money_and_deaths(self, estimator: str) -> list[Analysis]:
        """A comparison of people in pounds, and in days alive, where the data hold them."""
        return [
            self.analysis(f"{estimator}_{name}", estimator, reason, outcome=outcome)
            for name, outcome, reason in (
                ("cost", "hospital_cost", "the same comparison in pounds"),
                ("deaths", "deaths", "days alive beside the money"),
            )
            if outcome in self.kinds
        ]


def _over_sites(rule: _Rule) -> list[Analysis]:
    """Sites with the service against sites that never have it."""
    analysis, study, panel = rule.analysis, rule.study, rule.panel
    several = f"{len(rule.treated)} of {len(rule.treated) + len(rule.comparison)} units start the service and the others never do"
    why = f"{several}: difference-in-differences over sites with exact randomisation"
    plan = [
        analysis("site_did", "site_did", why, primary=True),
        analysis("two_way", "two_way", "the usual two-way models, shown as a foil"),
    ]
    if len(rule.treated) == 1:
        why = "one treated site: the others weighted so that their past moves like its own"
        plan.append(analysis("synthetic_did", "synthetic_did", why))
    plan += [analysis(name, name, reason) for name, reason in _for_staggered_starts(panel)]
    plan += [
        analysis("triple_difference", "triple_difference", f"the same against {o} of the same sites", control=o)
        for o in rule.control
        if rule.kinds.get(study.outcome) == rule.kinds[o]
    ]
    plan += [analysis(f"site_did_{o}", "site_did", "secondary outcome", outcome=o) for o in study.also]
    cost = f"{study.outcome}_cost"
    if cost in rule.kinds:
        plan.append(analysis("site_did_cost", "site_did", "the money behind the primary outcome", outcome=cost))
    plan.append(analysis("its", "its", "each treated site's own series", units="treated"))
    why = "each treated site's series against the sites without"
    return [*plan, analysis("controlled_its", "controlled_its", why, units="treated")]


def _over_people(rule: _Rule) -> list[Analysis]:
    """People who met the entry rule, with the service and elsewhere: beside a comparison of sites."""
    analysis, peak_free = rule.analysis, _no_peak(rule.panel, rule.config)
    foil = NO_PEAK if peak_free else "the usual two-way models over people, shown as a foil"
    return [
        analysis(
            "entry_rule",
            "entry_rule",
            "everybody who meets the entry rule, in every hospital",
            checks=_checks_beside("entry_rule", "sites"),
        ),
        analysis(
            "risk_set",
            "risk_set",
            "people taken on against people elsewhere who met the rule that month",
            checks=_checks_beside("risk_set", "sites"),
        ),
        analysis("patient_two_way", "patient_two_way", foil, no_peak=peak_free),
        *(analysis(name, name, f"{what}: {NO_PEAK}", no_peak=peak_free) for name, what in OVER_PEOPLE),
        *rule.money_and_deaths("entry_rule"),
    ]


def _over_own_people(rule: _Rule) -> list[Analysis]:
    """One trust's people against its own people of earlier years: no site is without the service."""
    why = f"no comparison hospital in the extract; {HISTORICAL_LABEL}"
    return [
        rule.analysis("own_cohorts", "own_cohorts", why, primary=True),
        *rule.money_and_deaths("own_cohorts"),
        rule.analysis("its", "its", "the trust's own series", units="treated"),
        *(
            rule.analysis("controlled_its", "controlled_its", f"the trust's own series against {o}", units="treated")
            for o in rule.control
        ),
    ]


def _over_time(rule: _Rule) -> list[Analysis]:
    """The series of those that started, when there is nobody to compare them with."""
    why = "no comparison unit: interrupted time series of the units that started"
    return [
        rule.analysis("its", "its", why, primary=True, units="together"),
        *(
            rule.analysis("controlled_its", "controlled_its", f"the same against {o}", units="together")
            for o in rule.control
        ),
    ]


def _beside_primary(rule: _Rule, there: set[str]) -> list[Analysis]:
    """Secondary outcomes of a design without comparison sites, and the outcomes that show what a move of same-day care does."""
    panel = rule.panel
    moved = dict.fromkeys(
        panel.extra.get("sensitivity_outcomes", ()), "the primary where same-day emergency care moved"
    )
    wanted = {**({} if rule.comparison else dict.fromkeys(rule.study.also, "secondary outcome")), **moved}
    method = "site_did" if rule.comparison else "its"
    more: dict[str, Any] = (
        {} if rule.comparison else {"units": "together" if len(panel.treated_units) > 1 else "treated"}
    )
    return [
        rule.analysis(f"{method}_{o}", method, why, outcome=o, **more)
        for o, why in wanted.items()
        if o in panel.cells and f"{method}_{o}" not in there
    ]
