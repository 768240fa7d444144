"""Cost over person-time: who was on the caseload for how long while alive, and what was spent in that time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aaot_eval.errors import NotIdentifiedError, Problem
from aaot_eval.results import Panel

DAYS_IN_YEAR = 365.25
MONTHS_IN_YEAR = 12
HORIZON_DAYS = 365
SHORT_FOLLOW_UP_YEARS = 0.25
LEAST_PEOPLE = 10
"""Of fewer people no rate of cost is worth having, and it could point to a person."""


def person_windows(people: pd.DataFrame, horizon_days: int = HORIZON_DAYS) -> pd.DataFrame:
    """The follow-up of each person: [index_date, min(index_date + horizon, death_date, extract_end)).

    `people` has index_date, death_date (NaT = alive) and extract_end; the result has start, end (not part of it),
    days_at_risk and person_years (days / 365.25). Death ends the risk. Raises ValueError when an end precedes its
    start.
    """
    start = people["index_date"]
    end = pd.concat([start + pd.Timedelta(days=horizon_days), people["death_date"], people["extract_end"]], axis=1).min(
        axis=1
    )
    days = (end - start).dt.days
    if (days < 0).any():
        raise ValueError("a person's follow-up ends before it starts")
    return pd.DataFrame(
        {"start": start, "end": end, "days_at_risk": days, "person_years": days / DAYS_IN_YEAR}, index=people.index
    )


def in_window(events: pd.DataFrame, date: str, windows: pd.DataFrame) -> pd.DataFrame:
    """The events (columns `person` and `date`) that start inside their person's window: its end is outside."""
    start, end = (events["person"].map(windows[edge]) for edge in ("start", "end"))
    return events[(events[date] >= start) & (events[date] < end)]


def cost_rate(cost: np.ndarray | pd.Series, person_years: np.ndarray | pd.Series) -> float:
    """Pounds per person-year: the sum of costs over the sum of person-years, never the mean of anybody's ratio.

    Raises NotIdentifiedError (C187) when nobody was at risk for any time.
    """
    years = float(np.sum(person_years))
    if not years > 0:
        raise NotIdentifiedError(no_person_time("these people"))
    return float(np.sum(cost)) / years


def no_person_time(whom: str) -> Problem:
    """A cost for each year of no time at all is no number."""
    return Problem(
        "C187",
        f"there is no person-time to divide the cost of {whom} by",
        where="caseload",
        do="check the dates of referral against deaths, the closing of the service and the end of the data",
    )


@dataclass(frozen=True)
class Caseload:
    """The person-time of everybody referred, while on the caseload and alive.

    `people`, one row per person: unit, referral_t, days, person_years, observed_cost (pounds; NaN when nothing was
    priced), died (within that time). `on` is people x periods, True where the month counts.
    """

    people: pd.DataFrame
    on: np.ndarray

    @property
    def person_years(self) -> float:
        """Patient-years delivered."""
        return float(self.people["person_years"].sum())

    @property
    def cost_rate(self) -> float:
        """Observed hospital cost per patient-year on the caseload; NaN when nothing was priced or delivered."""
        return (
            float(self.people["observed_cost"].sum(skipna=False) / self.person_years)
            if self.person_years > 0
            else math.nan
        )

    def within(self, panel: Panel, usable: np.ndarray) -> float:
        """Patient-years delivered in the unit-periods where `usable` (units x periods) is True.

        A person whose home hospital never has the service (or is no unit of the panel) was taken on elsewhere, and
        counts in the periods that any unit has.
        """
        days = panel.periods["days"].to_numpy(dtype=float)
        return float((self._counted(panel, usable) * days).sum() / DAYS_IN_YEAR)

    def behind(self, panel: Panel, usable: np.ndarray) -> int:
        """How many people those patient-years come from."""
        return int(self._counted(panel, usable).any(axis=1).sum())

    def _counted(self, panel: Panel, usable: np.ndarray) -> np.ndarray:
        row = panel.units.index.get_indexer(pd.Index(self.people["unit"]))
        at_home = np.isin(self.people["unit"].to_numpy(), panel.treated_units)
        return np.asarray(self.on & np.where(at_home[:, None], usable[row], usable.any(axis=0)))


def caseload(panel: Panel) -> Caseload | None:
    """The caseload's person-time; None when the panel has no people or nobody was referred.

    A person counts from the month of referral to the month of death (the last at risk), the closing of the service or
    the end of the data, disengaged people included: the service is charged for the time it holds a place.
    """
    if panel.people is None or panel.person_cells is None:
        return None
    referred = (
        panel.people["referral_t"].notna().to_numpy()
        & (panel.people["referral_t"].fillna(0) < len(panel.periods)).to_numpy()
    )
    if not referred.any():
        return None
    people = panel.people[referred]
    t = np.arange(len(panel.periods))
    first = people["referral_t"].to_numpy(dtype=float)
    last = people["death_t"].astype("Float64").fillna(math.inf).to_numpy(dtype=float)
    closed = people["unit"].map(panel.units["stop_t"]).astype("Float64").fillna(math.inf).to_numpy(dtype=float)
    on = (t >= first[:, None]) & (t <= last[:, None]) & (t < closed[:, None])
    days = on @ panel.periods["days"].to_numpy(dtype=float)
    cost = np.full(len(people), math.nan)
    if "hospital_cost" in panel.person_cells:
        cost = (panel.person_matrix("hospital_cost")[referred] * on).sum(axis=1)
    rows = pd.DataFrame(
        {
            "unit": people["unit"],
            "referral_t": first.astype(int),
            "days": days.astype(int),
            "person_years": days / DAYS_IN_YEAR,
            "observed_cost": cost,
            "died": (last < len(t)) & (last < closed),
        },
        index=people.index,
    )
    return Caseload(rows, on)


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """A before-after comparison without a control: arithmetic on two counts, and never evidence of a saving."""

    rate_before: float
    rate_after: float
    averted: float
    ratio: float
    ratio_low: float
    ratio_high: float


def before_after(people: int, before: int, after: int, months_before: float, months_after: float) -> BeforeAfter:
    """Rates per person-year, the naive difference, and the rate ratio with its Poisson log-Wald interval.

    The interval ignores that one person's admissions come in runs, so it is too narrow.
    """
    rate = [
        count / (people * months / MONTHS_IN_YEAR) for count, months in ((before, months_before), (after, months_after))
    ]
    ratio = rate[1] / rate[0]
    spread = 1.959963984540054 * math.sqrt(1 / before + 1 / after)
    return BeforeAfter(rate[0], rate[1], rate[0] - rate[1], ratio, ratio * math.exp(-spread), ratio * math.exp(spread))
