"""[costs], [costs.outcome] and [costs.budget]: what is counted in pounds, and what it is set against."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from aaot_eval.config.parts import YEAR_PATTERN, FilePath, Part

#: No public appraisal discounts at 20 % a year: such a rate was written in per cent.
MOST_DISCOUNT = 0.2
MOST_WORTH = 1e7  # pounds for one unit of outcome; beyond it is a slip


class BudgetConfig(Part):
    """Whose budget changes, over how many years: assumptions for the budget impact, none of them a result."""

    years: int = Field(3, ge=1, le=5, description="how many years the budget is shown for")
    funder: Literal["commissioner", "provider"] = Field("commissioner", description="who pays for the service")
    fill: list[Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=list,
        max_length=5,
        description="share of the planned caseload in year 1, 2, ...; the last holds on; default: full",
    )
    variable_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of hospital cost that the provider no longer spends when an admission does not happen; empty = not entered",
    )
    activity_paid_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of the price that the commissioner no longer pays; 0 under a fixed payment; empty = not entered",
    )


QALY_WORTH = (20_000.0, 25_000.0, 30_000.0, 35_000.0)
"""What NICE has used for a QALY, and the range in force for appraisals of medicines (docs/methods/net_benefit.md)."""
QALY_SHIFTS = (-0.05, -0.1)


class OutcomeConfig(Part):
    """What the money is set against, beside the saving: net benefit, plane, acceptability, value of information."""

    kind: Literal["admission_avoided", "alive_day", "qaly"] = Field(description="one unit of what the money buys")
    thresholds: list[float] | None = Field(
        None,
        validate_default=True,
        description="what one unit of outcome is worth, in pounds; default 20,000, 25,000, 30,000 and 35,000 for a QALY and none "
        "for the others, which have no accepted value",
    )
    utilities: str | None = Field(None, description="for qaly: a table of person, arm, day, utility with its source")
    horizon_days: int = Field(365, ge=30, le=1100, description="for qaly: the day up to which the utilities count")
    missing: Literal["refuse", "complete_cases", "impute"] = Field(
        "refuse", description="for qaly: what to do when an assessment is missing while the person was alive"
    )
    missing_shifts: list[Annotated[float, Field(ge=-1, le=1)]] | None = Field(
        None,
        max_length=4,
        description="for qaly with impute: by how much imputed utilities are shifted, should they not be missing at random; "
        "default -0.05 and -0.1",
    )

    @field_validator("thresholds")
    @classmethod
    def _positive_and_rising(cls, values: list[float] | None, info: ValidationInfo) -> list[float]:
        if values is None:
            return list(QALY_WORTH) if info.data.get("kind") == "qaly" else []
        if any(not 0 < v <= MOST_WORTH for v in values) or sorted(set(values)) != list(values):
            raise ValueError("write values above 0, the lowest first and each once, such as [20000, 30000]")
        return values

    @model_validator(mode="after")
    def _utilities_for_qalys(self) -> OutcomeConfig:
        if self.kind == "qaly" and not self.utilities:
            raise ValueError("qaly needs utilities = the file with them; QALYs are never made up")
        if self.missing_shifts is not None and self.missing != "impute":
            raise ValueError('missing_shifts belong to missing = "impute"')
        if any(not shift for shift in self.missing_shifts or ()):
            raise ValueError("a shift of 0 is the imputation itself; leave it out")
        if self.kind != "qaly" and {"utilities", "horizon_days", "missing"} & self.model_fields_set:
            raise ValueError(f"utilities, horizon_days and missing belong to qaly, not to {self.kind}")
        return self


class CostsConfig(Part):
    """Prices and whose money it is."""

    unit_costs: FilePath = Field(description="CSV file: the price of each kind of care")
    programme: FilePath = Field(description="CSV file: what the team costs, and how many people it has places for")
    price_year: str = Field(pattern=YEAR_PATTERN, description="financial year that every amount is moved to")
    perspective: Literal["commissioner", "provider", "nhs_social_care", "societal"] = Field(
        description="whose costs count; every row of unit_costs has to be seen from it"
    )
    price_index: str = Field(
        "gdp_deflator", description="by what prices of other years are moved: a name or a CSV file"
    )
    basis: Literal["bed_day_and_stay", "bed_day", "tariff", "marginal"] = Field(
        "bed_day_and_stay",
        description="what a stay is priced by: short and long stays with excess days; every bed day; the HRG of each spell by "
        "point of delivery; the variable share of stays and days",
    )
    unpriced: Literal["stop", "list"] = Field(
        "stop",
        description="stays without a price stop the run, or are listed with their share and take the mean of their kind",
    )
    long_stays: Literal["admission", "pro_rated"] = Field(
        "admission", description="a stay costs in the month of admission, or in each month by its nights"
    )
    index_admission: Literal["counted", "left_out"] = Field(
        "counted", description="whether the stay during which a person was referred counts in the cost on the caseload"
    )
    discount_rate: float = Field(0.035, ge=0, description="as a share: 0.035, not 3.5")
    draws: int = Field(
        2000, ge=200, le=100_000, description="how often effect, prices and programme cost are drawn together"
    )
    outcome: OutcomeConfig | None = Field(None, description="what the money buys; left out: the saving alone")
    solve_for: float = Field(
        10470,
        gt=0,
        le=1_000_000,
        description="published saving per patient-year: which inputs would give it; never a reproduction",
    )
    budget: BudgetConfig = Field(BudgetConfig(), description="assumptions of the budget impact")

    @field_validator("discount_rate")
    @classmethod
    def _rate_is_a_share(cls, rate: float) -> float:
        if rate >= MOST_DISCOUNT:
            raise ValueError(f"{rate:g} is {100 * rate:g} % a year; write the rate as a share: 0.035, not 3.5")
        return rate
