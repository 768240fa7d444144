"""Observed and expected hospital cost of each person on the caseload, adding up to the cohort estimate to the penny.

A difference for one person is not evidence that the service caused it: the rows are accounting. Formulae:
docs/methods/costs.md.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.special import gammaincinv

from aaot_eval.costs.expected import Prior, expected_rates
from aaot_eval.costs.pennies import pence, split_pence
from aaot_eval.costs.rates import LEAST_PEOPLE, MONTHS_IN_YEAR, SHORT_FOLLOW_UP_YEARS, Caseload
from aaot_eval.costs.savings import Money
from aaot_eval.errors import NotIdentifiedError, Problem
from aaot_eval.results import Panel

LARGEST_SHARE = 0.5  # one person may hold at most half of a group's cost
P_PERCENT = 0.10  # the others but the second largest must hold at least this share of the largest
MOST_GROUPS = 10
BLOCKS = ("alive", "short follow-up", "died")
WARNING = (
    "A difference for one person is not evidence that the service caused it; only the sum over people is estimated."
)


def patient_rows(panel: Panel, people: Caseload, money: Money, outcome: str) -> pd.DataFrame:
    """One row for each person on the caseload; restricted: it must never leave.

    `outcome` is the count that referral follows. Expected cost = calibration x prior rate x exposure, with one
    calibration factor for everybody, chosen so that expected less observed cost adds up to gross per patient-year x
    patient-years. Intervals (80 and 95 %) are for the cost that the person would have had without the service, less
    what was observed. Blocks: alive, short follow-up (under a quarter of a year), died; within a block by hospital
    and referral, never by difference.

    Raises NotIdentifiedError (P431) when the rows cannot add up to the cohort estimate.
    """
    table = people.people
    prior = expected_rates(panel, people, outcome)
    years = table["person_years"].to_numpy()
    observed = np.array([pence(c) for c in table["observed_cost"]], dtype=np.int64)
    cohort = cohort_pence(money, people)
    target = expected_pence(money, people)
    model = prior.rate * years * MONTHS_IN_YEAR
    if target < 0:
        raise NotIdentifiedError(
            Problem(
                "P431",
                "expected cost over the caseload would be negative, so no person's expected cost can be given",
                do="leave patient_reports out: the added cost of the comparison exceeds all cost of the caseload",
            )
        )
    calibration = target / 100 / model.sum()
    expected = split_pence(calibration * model, target)
    service = split_pence(money.programme_cost * years, pence(money.programme_cost * people.person_years))
    mixing = _mixing(prior, calibration, years, expected / 100, money, people.person_years)
    status = np.where(table["died"], "died", np.where(years < SHORT_FOLLOW_UP_YEARS, "short follow-up", "alive"))
    rows = pd.DataFrame(
        {
            "block": [BLOCKS.index(s) + 1 for s in status],
            "person": table.index,
            "unit": table["unit"].to_numpy(),
            "status": status,
            "referral_month": panel.periods["label"].to_numpy()[table["referral_t"]],
            "exposure_days": table["days"].to_numpy(),
            "person_years": years,
            "prior_months": prior.months.astype(int),
            "own_history_weight": prior.weight,
            "basis": "people like them" if prior.people_like_them else "own caseload",
            "model_cost": model,
            "calibration": calibration,
            "expected_cost": expected / 100,
            "observed_cost": observed / 100,
            "difference": (expected - observed) / 100,
        }
    )
    for level in (80, 95):
        low, high = cost_ends(expected / 100, mixing, prior.clumping, level / 100)
        rows[f"difference_low_{level}"] = (low - observed / 100).round(2)
        rows[f"difference_high_{level}"] = (high - observed / 100).round(2)
    rows["service_cost"] = service / 100
    rows["net_difference"] = (expected - observed - service) / 100
    reconcile(rows, cohort, people)
    return rows.sort_values(["block", "unit", "referral_month", "person"], kind="stable", ignore_index=True)


def cohort_pence(money: Money, people: Caseload) -> int:
    """The cohort estimate in pence: averted hospital cost per patient-year x patient-years on the caseload."""
    return pence(money.gross * people.person_years)


def expected_pence(money: Money, people: Caseload) -> int:
    """What the caseload would have cost without the service, in pence: observed cost plus the cohort estimate."""
    return cohort_pence(money, people) + sum(pence(cost) for cost in people.people["observed_cost"])


def reconcile(rows: pd.DataFrame, cohort: int, people: Caseload) -> None:
    """Raises NotIdentifiedError (P431) unless the rows hold everybody once and sum to the cohort estimate."""
    found = sum(pence(d) for d in rows["difference"])
    if sorted(rows["person"]) != sorted(people.people.index) or found != cohort:
        raise NotIdentifiedError(
            Problem(
                "P431",
                f"the rows of the patients add up to £{found / 100:,.2f}, the cohort estimate is £{cohort / 100:,.2f}",
                do="report this as a fault: the patient report was not written",
            )
        )


def patient_groups(rows: pd.DataFrame) -> pd.DataFrame:
    """The release table `patient_groups`: up to ten groups of at least ten people by the cost their history led to expect.

    Groups in which one or two people hold most of the cost are joined with their neighbour; no rows when that fails.
    """
    order = rows.sort_values(["model_cost", "person"], kind="stable")
    order = order.assign(rate=order["model_cost"] / order["person_years"]).sort_values(
        ["rate", "person"], kind="stable"
    )
    n = min(MOST_GROUPS, len(order) // LEAST_PEOPLE)
    columns = ["group", "people", "person_years", "expected_cost", "observed_cost"]
    if n == 0:
        return pd.DataFrame(columns=columns)
    groups = [order.iloc[part] for part in np.array_split(np.arange(len(order)), n)]
    at = 0
    while at < len(groups):
        if not dominated(groups[at]):
            at += 1
        elif len(groups) == 1:
            return pd.DataFrame(columns=columns)
        else:
            left = min(at, len(groups) - 2)
            groups[left : left + 2] = [pd.concat(groups[left : left + 2])]
            at = left
    table = []
    for i, group in enumerate(groups, start=1):
        years = group["person_years"].sum()
        end = " (lowest expected cost)" if i == 1 else " (highest expected cost)" if i == len(groups) else ""
        name = "everybody" if len(groups) == 1 else f"{i} of {len(groups)}{end}"
        cost = {c: round(group[c].sum() / years, 2) for c in ("expected_cost", "observed_cost")}
        table.append({"group": name, "people": len(group), "person_years": years, **cost})
    return pd.DataFrame(table, columns=columns)


def dominated(group: pd.DataFrame) -> bool:
    """Whether one or two people hold most of a group's expected or observed cost, or it has fewer than ten people."""
    if len(group) < LEAST_PEOPLE:
        return True
    for column in ("expected_cost", "observed_cost"):
        cost = np.sort(group[column].to_numpy(dtype=float))[::-1]
        if cost[0] > LARGEST_SHARE * cost.sum() or cost[2:].sum() < P_PERCENT * cost[0]:
            return True
    return False


def _mixing(
    prior: Prior, calibration: float, years: np.ndarray, expected: np.ndarray, money: Money, all_years: float
) -> np.ndarray:
    """Variance of a person's mean cost without the service: the rate that history leaves open, and the effect's own."""
    own = (calibration * years * MONTHS_IN_YEAR) ** 2 * prior.unknown
    total = float(expected.sum())
    effect = (expected / total * np.std(money.loop.gross) * all_years) ** 2 if money.loop and total > 0 else 0.0
    return np.asarray(own + effect)


def cost_ends(mean: np.ndarray, mixing: np.ndarray, clump: float, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Central interval of a person's cost (n,): clumps of `clump` pounds at a gamma rate whose mean has variance `mixing`.

    Ends are those of a gamma with the same mean and variance, but the lower end is 0 where the chance of no clump at all,
    negative binomial, reaches the tail.
    """
    clump = 0.0 if math.isnan(clump) else clump
    tail = (1 - level) / 2
    variance = clump * mean + mixing
    sure = (variance <= 0) | (mean <= 0)
    safe_mean, safe_variance = np.where(sure, 1.0, mean), np.where(sure, 1.0, variance)
    shape = safe_mean**2 / safe_variance
    low, high = (gammaincinv(shape, q) * (safe_variance / safe_mean) for q in (tail, 1 - tail))
    if clump > 0:
        size = safe_mean**2 / np.maximum(mixing, 1e-9 * safe_mean**2)
        none = np.exp(-size * np.log1p(safe_mean / clump / size))
        low = np.where(none >= tail, 0.0, low)
    return np.where(sure, mean, low), np.where(sure, mean, high)
