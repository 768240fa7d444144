"""What is entered about an appraisal and about each option: pydantic models of their TOML files.

A key or line that stands blank ("") is not entered, and whatever needs it is not entered either; a line that is taken out
does not apply. No number has a default.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from aaot_eval.config.money import MOST_DISCOUNT
from aaot_eval.config.parts import YEAR_PATTERN, Part

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,20}$"

#: Pounds or people beyond this are a slip of the keyboard, and their squares would leave the range of a number.
MOST = 1e9
Count = Annotated[float, Field(ge=0, le=MOST)]
Positive = Annotated[float, Field(gt=0, le=MOST)]
Share = Annotated[float, Field(ge=0, le=1)]
Year = Annotated[str, Field(pattern=YEAR_PATTERN)]
OptionId = Annotated[str, Field(pattern=ID_PATTERN)]
Quadrant = Literal["high_high", "high_low", "low_high", "low_low"]
Readiness = Literal["yes", "partly", "no"]
Design = Literal[
    "randomised",
    "controlled_cohort",
    "difference_in_differences",
    "controlled_series",
    "uncontrolled_series",
    "before_after",
    "opinion",
    "theory",
]
#: The designs that have a comparison.
CONTROLLED = ("randomised", "controlled_cohort", "difference_in_differences", "controlled_series")
UNCONTROLLED = ("uncontrolled_series", "before_after")


class Entered(Part):
    """A record in which a blank is no value."""

    model_config = ConfigDict(allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _blank_is_not_entered(cls, value: Any, info: Any) -> Any:
        field = cls.model_fields[info.field_name or ""]
        return None if value == "" and field.annotation is not str else value

    def left_blank(self, key: str) -> bool:
        """Whether the key stands in the file without a value."""
        return key in self.model_fields_set and getattr(self, key) is None


class PeopleNeed(Entered):
    """People by quadrant of need: mental health first, substance use second."""

    high_high: Count | None = None
    high_low: Count | None = None
    low_high: Count | None = None
    low_low: Count | None = None


class Population(Entered):
    """The people an option is for, and what they use under care as usual."""

    name: str = Field(min_length=1)
    eligible: Positive | None = Field(None, description="people who meet the entry criteria at any one time")
    admissions: Positive | None = Field(None, description="admissions for each eligible person a year, care as usual")
    admission_cost: Positive | None = Field(None, description="pounds of admissions for each eligible person a year")
    price_year: Year | None = None
    source: str = ""
    need: PeopleNeed = PeopleNeed()


class Criterion(Entered):
    """One criterion of the optional scoring: a low and a high weight. Money is no criterion."""

    name: str = Field(min_length=1)
    weight_low: Count | None = None
    weight_high: Positive | None = None


class AppraisalRecord(Entered):
    """What is the same for all options: `appraisal.toml`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,60}$")
    title: str = ""
    price_year: Year | None = None
    perspective: Literal["commissioner", "provider", "nhs_social_care", "societal"] | None = None
    horizon_years: Annotated[int, Field(ge=1, le=30)] | None = None
    discount_rate: Count | None = Field(
        None, description="a share a year, such as 0.035; needed when the horizon is longer than a year"
    )
    outcome: str = Field("admissions", description="the outcome of effect lines that is priced")
    transfer_factor: Annotated[float, Field(ge=1)] | None = Field(
        None, description="how many times wider an interval becomes that was measured elsewhere"
    )
    plausible_reduction: Share | None = Field(None, description="the largest reduction anybody has reason to expect")
    profile: str = Field("", description="disclosure profile under which counts were released")
    people_file: str = Field("", description="file of the eligible people; only its hash is taken")
    unit_costs: str = Field("", description="unit-cost file; only its hash is taken")
    seed: Annotated[int, Field(ge=0)] = 1
    draws: Annotated[int, Field(ge=200, le=100_000)] = 2000
    populations: list[Population] = Field(min_length=1)
    criteria: list[Criterion] = Field(default_factory=list)

    @field_validator("discount_rate")
    @classmethod
    def _rate_is_a_share(cls, rate: float | None) -> float | None:
        if rate is not None and rate >= MOST_DISCOUNT:
            raise ValueError(f"{rate:g} is {100 * rate:g} % a year; write the rate as a share: 0.035, not 3.5")
        return rate


class People(Entered):
    """Who an option is for and how many it expects."""

    population: str = Field("", description="name of a population of the appraisal; blank = the first")
    quadrants: list[Quadrant] = Field(default_factory=list)
    uptake: Positive | None = Field(None, description="people on the option at any one time once it is full")
    uptake_by_need: PeopleNeed = PeopleNeed()
    months_to_full: Annotated[int, Field(ge=0, le=120)] | None = None


class Staff(Entered):
    """One staffing line."""

    role: str = Field(min_length=1)
    employer: str = ""
    band: str = ""
    wte: Count | None = None
    cost_per_wte: Count | None = Field(None, description="pounds a year for one WTE, on-costs included")
    cost_low: Count | None = Field(
        None, description="lower end of a 95 % range of cost_per_wte; blank = taken as known"
    )
    cost_high: Count | None = Field(None, description="upper end of the same range")
    price_year: Year | None = None
    source: str = ""
    confidence: Literal["high", "medium", "low"] | None = None
    supervision_hours: Count | None = Field(None, description="hours of supervision a week for each WTE")
    holds_caseload: bool = True

    @model_validator(mode="after")
    def _in_order(self) -> Staff:
        ends = (self.cost_low, self.cost_per_wte, self.cost_high)
        if (self.cost_low is None) != (self.cost_high is None):
            raise ValueError("cost_low and cost_high come together")
        if self.cost_low is not None and self.cost_per_wte is None:
            raise ValueError("a range without its cost_per_wte")
        known = [v for v in ends if v is not None]
        if known != sorted(known):
            raise ValueError("cost_low, cost_per_wte and cost_high are not in order")
        return self

    @property
    def terms(self) -> str:
        """Who employs the role and on what terms, as far as it was entered."""
        said = [self.employer, f"band {self.band}" if self.band else ""]
        if self.supervision_hours is not None:
            said.append(f"{self.supervision_hours:g} h of supervision a week for each WTE")
        if self.confidence:
            said.append(f"confidence in the line: {self.confidence}")
        return "; ".join(part for part in said if part)


class Capacity(Entered):
    """How many people the option can carry: for each WTE that holds a caseload, or for the whole option."""

    basis: Literal["caseload_per_wte", "people"] = "caseload_per_wte"
    low: Positive | None = None
    base: Positive | None = None
    high: Positive | None = None
    contacts_a_month: Count | None = None
    months_in_service: Positive | None = None
    source: str = ""

    @model_validator(mode="after")
    def _in_order(self) -> Capacity:
        known = [v for v in (self.low, self.base, self.high) if v is not None]
        if known != sorted(known):
            raise ValueError("low, base and high are not in order")
        return self


class YearlyLine(Entered):
    """A running cost that is no pay."""

    item: str = Field(min_length=1)
    amount: Count | None = Field(None, description="pounds a year")
    price_year: Year | None = None
    source: str = ""


class OneOffLine(Entered):
    """A cost of setting up, paid once and spread over years."""

    item: str = Field(min_length=1)
    kind: Literal[
        "recruitment", "training", "records_it", "estates", "change_management", "double_running", "legal_information"
    ]
    amount: Count | None = Field(None, description="pounds, once")
    years: Positive | None = Field(None, description="years over which it is spread")
    price_year: Year | None = None
    source: str = ""


MOST_TIMES = 10.0
"""An effect that multiplies admissions by more than this is a slip of the keyboard."""


class EffectLine(Entered):
    """What is known of one outcome."""

    outcome: str = Field(min_length=1)
    estimand: str = ""
    measure: Literal["rate_ratio", "reduction", "difference"] | None = Field(
        None, description="rate_ratio; reduction as a share; difference for each person a year"
    )
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    design: Design | None = None
    place: str = ""
    population: str = ""
    similar_people: bool = Field(False, description="whether the people studied are like the people of the appraisal")
    source: str = ""
    date: str = ""
    badge: Literal["E", "B", "X"] | None = Field(None, description="M comes from a run, never from a typed number")
    expected_anyway: Share | None = Field(
        None, description="before and after only: the fall to be expected without any service (regression to the mean)"
    )

    @model_validator(mode="after")
    def _possible(self) -> EffectLine:
        ends = (self.low, self.value, self.high)
        known = [v for v in ends if v is not None]
        if known != sorted(known):
            raise ValueError("low, value and high are not in order")
        if self.measure == "rate_ratio" and any(v <= 0 for v in known):
            raise ValueError("a rate ratio is above 0")
        if self.measure == "rate_ratio" and self.value is not None and self.value > MOST_TIMES:
            raise ValueError(f"a rate ratio of {self.value:g} is more than {MOST_TIMES:g}, which no service has done")
        if self.measure == "reduction" and any(v > 1 for v in known):
            raise ValueError("a reduction is a share, such as 0.2, and at most 1")
        if known and self.measure is None:
            raise ValueError("a value without its measure")
        return self


class Fade(Entered):
    """When the effect begins and what becomes of it after people leave."""

    form: Literal["constant", "linear", "none_after_exit"] | None = None
    months: Positive | None = Field(None, description="linear only: months after leaving until nothing is left")
    start_lag_months: Count | None = None


class Risk(Entered):
    """What may go wrong, in words, and which way it moves the result."""

    risk: str = Field(min_length=1)
    direction: Literal["cost_up", "effect_down", "access_down", "unclear"] = "unclear"


class Ready(Entered):
    """Whether what the option needs is in place."""

    leadership: Readiness | None = None
    record_access: Readiness | None = None
    agreements: Readiness | None = None


class Condition(Entered):
    """One thing that has to be in place."""

    condition: str = Field(min_length=1)
    in_place: Readiness | None = None


class Measure(Entered):
    """Any other number of the option, such as meetings a month."""

    name: str = Field(min_length=1)
    value: float | None = None
    unit: str = ""
    source: str = ""


class Score(Entered):
    """The score of one criterion with its range, 0 to 100, and the reason for it."""

    criterion: str = Field(min_length=1)
    low: Annotated[float, Field(ge=0, le=100)] | None = None
    high: Annotated[float, Field(ge=0, le=100)] | None = None
    reason: str = ""


class OptionRecord(Entered):
    """One option: one TOML file."""

    id: OptionId
    name: str = Field(min_length=1)
    summary: str = ""
    source: str = ""
    reference: bool = Field(False, description="true for doing nothing different; exactly one option")
    layers_on: list[OptionId] = Field(default_factory=list)
    exclusive_with: list[OptionId] = Field(default_factory=list)
    run: str = Field("", description="a run folder of this tool that is the record of cost and effect (badge M)")
    first_outcome: str = Field("", description="what to measure first")
    main_condition: str = ""
    people: People = People()
    staffing: list[Staff] = Field(default_factory=list)
    capacity: Capacity = Capacity()
    non_pay: list[YearlyLine] = Field(default_factory=list)
    overhead_share: Share | None = Field(None, description="share of staff and non-pay cost, such as 0.2")
    one_off: list[OneOffLine] = Field(default_factory=list)
    effects: list[EffectLine] = Field(default_factory=list)
    fade: Fade = Fade()
    risks: list[Risk] = Field(default_factory=list)
    readiness: Ready = Ready()
    conditions: list[Condition] = Field(default_factory=list)
    standards: list[str] = Field(default_factory=list)
    measures: list[Measure] = Field(default_factory=list)
    scores: list[Score] = Field(default_factory=list)
