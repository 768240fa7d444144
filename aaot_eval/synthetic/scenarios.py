"""The named worlds that can be simulated. Each one differs from `null` in one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Selection = Literal["rule", "peak", "severity", "mixed"]


@dataclass(frozen=True, slots=True)
class Illness:
    """How the need for admission is spread over people and over time.

    severity_shape   shape of the gamma distribution of lasting severity (mean 1); small = a few people carry most of it
    relapse_begins   chance a month that a settled person relapses
    relapse_ends     chance a month that a relapse ends
    relapse_ratio    rate of admission in relapse divided by the rate when settled
    """

    severity_shape: float = 0.25
    relapse_begins: float = 0.05
    relapse_ends: float = 0.30
    relapse_ratio: float = 7.0

    @property
    def in_relapse(self) -> float:
        """The share of people in relapse at any time."""
        return self.relapse_begins / (self.relapse_begins + self.relapse_ends)

    @property
    def settled_factor(self) -> float:
        """Rate of a settled person over the average rate, so that the average over time is 1."""
        return 1.0 / (1.0 - self.in_relapse + self.in_relapse * self.relapse_ratio)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One world: what is switched on, and the answer it should give.

    site_ratio is the ratio of alcohol-specific emergency admissions, with to without the service, over all months of
    the treated sites since their services began; everything of it comes about through the people on the caseload.
    """

    name: str
    title: str
    switched_on: str
    site_ratio: float = 1.0
    illness: Illness = Illness()
    one_trust: bool = False
    selection: Selection = "rule"


SCENARIOS: dict[str, Scenario] = {
    s.name: s
    for s in (
        Scenario("null", "The service does nothing", "nothing"),
        Scenario(
            "effect",
            "The service lowers alcohol-specific emergency admissions by 23 %",
            "an effect: rate ratio 0.77 over the treated sites, through the caseload",
            site_ratio=0.77,
        ),
        Scenario(
            "regression_to_mean",
            "The service does nothing, and people are taken on at their worst",
            "selection at a passing peak: short, strong relapses, and referral in the month after one; no effect",
            illness=Illness(severity_shape=1.0, relapse_begins=0.03, relapse_ends=0.50, relapse_ratio=40.0),
            selection="peak",
        ),
        Scenario(
            "harm",
            "The service raises alcohol-specific emergency admissions by 25 %",
            "harm: rate ratio 1.25 over the treated sites, through the caseload",
            site_ratio=1.25,
        ),
        Scenario(
            "single_site",
            "One trust alone: the service lowers alcohol-specific emergency admissions by 23 %",
            "an effect of 0.77 in an extract of one trust, without comparison sites",
            site_ratio=0.77,
            one_trust=True,
        ),
    )
}
