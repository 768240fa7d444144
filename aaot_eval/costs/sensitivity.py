"""The money worked out in other ways: follow-up cut short weighted in, and models of cost per person. Never the headline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from aaot_eval.costs.censoring import (
    Histories,
    Mean,
    bang_tsiatis,
    complete_cases,
    lin,
    monthly_histories,
    naive,
    partitioned,
    zhao_tian,
)
from aaot_eval.costs.cost_models import Difference, NoFitError, Windows, gamma_log, least_squares, two_part
from aaot_eval.costs.draws import percentiles
from aaot_eval.costs.rates import MONTHS_IN_YEAR, Caseload
from aaot_eval.costs.resampling import LEAST_HOSPITALS, Arm, resampled_means
from aaot_eval.costs.savings import Money
from aaot_eval.errors import counted
from aaot_eval.results import Effect, Panel

HORIZON = 12
"""Months from referral: a panel is monthly, so the 365 days are twelve calendar months, that of referral included."""
LEAST_PEOPLE = 10
HOSPITALS_TO_CLUSTER = 2
"""In each arm: the residuals of a single hospital add up to 0 in its own cells, and an error clustered by it would be 0."""
MANY_ZEROS = 0.15
"""From this share of windows without any cost the two-part model is the one to read (Mihaylova and others 2011)."""
COLUMNS = ("order", "part", "method", "unit", "estimate", "std_error", "low", "high", "people", "status", "note")
PER_PATIENT, PER_YEAR = "pounds per patient over 12 months", "pounds per patient-year"
OBSERVED, AVERTED, NET = "observed cost of the referred", "averted hospital cost", "net saving"
TWO_STAGE = "Two-stage resampling of hospitals and people"
NO_ARMS = {
    "sites": "a comparison of sites has no person in its arms",
    "own_cohorts": "a trust is compared with its own past: every hospital stands in both arms",
    "risk_set": "the comparison weights people, and these models have no weights",
    "series": "a series has no arms",
}
NO_SCORES = {
    "sites": "a comparison of sites has no person in its arms",
    "controlled_series": "one site gives no hospitals to resample",
    "own_cohorts": "a trust is compared with its own past: there are no hospitals without the service to resample",
    "trial": "people were allocated, and not hospitals",
    "series": "a series has no arms",
}


def cost_sensitivity(
    panel: Panel, people: Caseload | None, effects: Sequence[Effect], money: Sequence[Money], *, seed: int
) -> pd.DataFrame:
    """The release table `cost_sensitivity`; empty when the panel has no caseload of ten people or more with priced care."""
    if people is None or len(people.people) < LEAST_PEOPLE or math.isnan(people.cost_rate):
        return pd.DataFrame(columns=list(COLUMNS))
    rows = [*follow_up_rows(panel, people), *model_rows(effects, money), two_stage_row(money, seed)]
    return pd.DataFrame([{"order": i, **row} for i, row in enumerate(rows, 1)], columns=list(COLUMNS))


def against(table: pd.DataFrame, best: Money | None) -> list[str]:
    """A sentence when a model of cost has the other sign than the headline's averted cost, or is ten times as far from 0."""
    if best is None:
        return []
    models = table[(table["part"] == AVERTED) & (table["status"] == "ok")]
    apart = models["estimate"] / best.gross if best.gross else pd.Series(dtype=float)
    odd = models.loc[apart.index[(apart < 0.1) | (apart > 10)], "method"]
    if odd.empty:
        return []
    return [f"Models of each person's cost disagree with the averted cost in sign or size: {', '.join(odd)}."]


# --- cost per patient over twelve months ------------------------------------------------------------------------------

METHODS: dict[str, tuple[Callable[[Histories], Mean], str]] = {
    "Zhao-Tian": (zhao_tian, "weighted for follow-up that ends early, the costs of those cut short included"),
    "Bang-Tsiatis, simple": (bang_tsiatis, "weighted for follow-up that ends early, from those seen to the end only"),
    "Bang-Tsiatis, by month": (lambda h: partitioned(h, np.arange(HORIZON + 1.0)), "the weighting month by month"),
    "Lin": (lambda h: lin(h, np.arange(HORIZON + 1.0)), "chance of being alive times the mean cost of the month"),
    "Everybody, as far as seen": (naive, "too low: what lies beyond the end of follow-up counts as nothing"),
    "Only those seen to the end": (complete_cases, "leans to those who die early"),
}


def histories_of(panel: Panel, people: Caseload) -> Histories:
    """The cost of each person referred, from the month of referral for twelve months or to death.

    Follow-up is cut by the end of the data and by the closing of the service; a month left out of the study counts as seen.
    """
    if panel.people is None:
        raise ValueError("this panel has no people")
    rows = panel.people.index.get_indexer(people.people.index)
    first = people.people["referral_t"].to_numpy()
    n_t = len(panel.periods)
    month = first[:, None] + np.arange(HORIZON)
    cost = np.take_along_axis(panel.person_matrix("hospital_cost")[rows], np.minimum(month, n_t - 1), axis=1)
    on = np.take_along_axis(people.on, np.minimum(month, n_t - 1), axis=1) & (month < n_t)
    followed = on.sum(axis=1)
    complete = people.people["died"].to_numpy() & (followed < HORIZON) | (followed == HORIZON)
    return monthly_histories(cost.astype(float), followed.astype(np.int64), complete)


def follow_up_rows(panel: Panel, people: Caseload) -> list[dict[str, object]]:
    """A row for each way to average when some are not seen for twelve months."""
    seen = histories_of(panel, people)
    rows = []
    for method, (estimator, note) in METHODS.items():
        found = estimator(seen)
        half = float(ndtri(0.975)) * found.std_error
        if math.isfinite(found.value) and math.isfinite(half):
            rows.append(_row(OBSERVED, method, PER_PATIENT, found.value, found.std_error, half, seen.n, note))
        else:
            rows.append(_refused(OBSERVED, method, PER_PATIENT, "too few people were seen to the end"))
    return rows


# --- averted cost by models -------------------------------------------------------------------------------------------

MODELS: dict[str, Callable[[Windows], Difference]] = {
    "Gamma model, log link": gamma_log,
    "Two parts: any cost, then how much": two_part,
    "Least squares": least_squares,
}


def model_rows(effects: Sequence[Effect], money: Sequence[Money]) -> list[dict[str, object]]:
    """The comparison behind the money's most credible rung over people, by models of each person's cost."""
    rung = next((m.rung for m in money if m.rung.estimate.windows is not None), None)
    if rung is None:
        design = money[0].rung.design if money else "series"
        why = NO_ARMS.get(design, "the design has no person windows")
        return [_refused(AVERTED, name, PER_YEAR, f"not worked out: {why}") for name in MODELS]
    estimate = rung.estimate
    frame, uptake = estimate.windows, estimate.facts.get("uptake")
    if frame is None or not isinstance(uptake, float) or not uptake > 0:
        return [
            _refused(AVERTED, name, PER_YEAR, "not worked out: nobody of the cohort was taken on") for name in MODELS
        ]
    data = windows_of(frame)
    zeros = float((data.cost == 0).mean())
    people = frame["person"].nunique()
    return [_by_model(name, model, data, uptake, zeros, people) for name, model in MODELS.items()]


def windows_of(frame: pd.DataFrame) -> Windows:
    """Arms, eras and launches of `Estimate.windows` as a design: 1, service, after, by launch, and service x after.

    The service is switched off by setting service x after to 0 for those who had it.
    """
    service, after = (frame[c].to_numpy(dtype=float) for c in ("service", "after"))
    launch = pd.get_dummies(frame["launch"], dtype=float).to_numpy()[:, 1:]
    design = np.column_stack([np.ones(len(frame)), service, after, launch, launch * after[:, None], service * after])
    without = design.copy()
    without[:, -1] = 0.0
    cluster = pd.factorize(frame["unit"])[0].astype(np.int64)
    years = frame["months"].to_numpy(dtype=float) / MONTHS_IN_YEAR
    return Windows(frame["total"].to_numpy(dtype=float), years, design, without, design[:, -1] == 1, cluster)


def _by_model(
    name: str, model: Callable[[Windows], Difference], data: Windows, uptake: float, zeros: float, people: int
) -> dict[str, object]:
    """Averted cost per eligible person-year over the uptake, as on the ladder, with t(hospitals - 1)."""
    few = min(len(np.unique(data.cluster[data.design[:, 1] == arm])) for arm in (0.0, 1.0))
    if few < HOSPITALS_TO_CLUSTER:
        why = f"an arm of {counted(few, 'hospital')} has no spread between hospitals, so there is no interval"
        return _refused(AVERTED, name, PER_YEAR, f"not worked out: {why}")
    try:
        found = model(data)
    except NoFitError as why:
        return _refused(AVERTED, name, PER_YEAR, f"not worked out: {why}")
    error = found.std_error / uptake
    many = zeros > MANY_ZEROS
    share = f"{'over' if many else 'at most'} {100 * MANY_ZEROS:.0f} % of people have no cost"
    best = " (the model to read here)" if model is (two_part if many else gamma_log) else ""
    half = float(stdtrit(data.n_clusters - 1, 0.975)) * error
    note = f"{share}{best}; clustered by hospital, which is too narrow when few have the service"
    return _row(AVERTED, name, PER_YEAR, found.value / uptake, error, half, people, note)


# --- the saving, with hospitals and people resampled --------------------------------------------------------------------


ARMS = ("with the service", "without it")
RESAMPLED = (
    "hospitals drawn with replacement, then people in them; prices and service as in the saving; uptake held; never the headline, "
    "whose interval is that of its effect"
)


def two_stage_row(money: Sequence[Money], seed: int) -> dict[str, object]:
    """The net saving of the most credible comparison over people, its effect drawn by resampling hospitals, then people in them.

    Prices and service are the draws of the one loop. Only with ten hospitals or more in each arm and where the comparison has
    a finite interval of its own: docs/decisions/0099-resampling-beside-the-saving.md.
    """
    over_people = [m for m in money if m.rung.estimate.scores is not None]
    own = next((m for m in over_people if m.rung.usable and m.loop is not None), None)
    if not over_people:
        design = money[0].rung.design if money else "series"
        why = NO_SCORES.get(design, "the design has no people in hospitals to resample")
        return _refused(NET, TWO_STAGE, PER_YEAR, f"not worked out: {why}")
    if own is None or own.loop is None or own.rung.gross is None or own.rung.estimate.scores is None:
        return _refused(NET, TWO_STAGE, PER_YEAR, "not worked out: the comparison has no saving with an interval")
    scores = own.rung.estimate.scores
    arms = [_arm_of(scores[scores["service"] == service]) for service in (True, False)]
    few = min(len(arm.sizes) for arm in arms)
    if few < LEAST_HOSPITALS:
        why = f"an arm of {counted(few, 'hospital')}; {LEAST_HOSPITALS} in each are needed to resample them"
        return _refused(NET, TWO_STAGE, PER_YEAR, f"not worked out: {why}")
    n = len(own.loop.saving)
    moved = sum(resampled_means(arm, n, seed=seed, purpose=name) for arm, name in zip(arms, ARMS, strict=True))
    saving = own.rung.gross(own.rung.estimate.estimate * np.exp(moved)) * own.loop.price - own.loop.programme
    if not np.isfinite(saving).all():
        return _refused(NET, TWO_STAGE, PER_YEAR, "not worked out: some resamples give no finite saving")
    low, high = percentiles(saving, own.level)
    found = _row(NET, TWO_STAGE, PER_YEAR, own.saving, float(saving.std(ddof=1)), math.nan, len(scores), RESAMPLED)
    return {**found, "low": low, "high": high}


def _arm_of(scores: pd.DataFrame) -> Arm:
    """The arm's people by hospital, each with their part times the people of the arm, so that a mean of them is a sum of parts."""
    return Arm.of([len(scores) * own["score"].to_numpy() for _, own in scores.groupby("unit", sort=True)])


def _row(
    part: str, method: str, unit: str, value: float, error: float, half: float, people: int, note: str
) -> dict[str, object]:
    return {"part": part, "method": method, "unit": unit, "estimate": value, "std_error": error, "low": value - half,
            "high": value + half, "people": people, "status": "ok", "note": note}  # fmt: skip


def _refused(part: str, method: str, unit: str, why: str) -> dict[str, object]:
    empty = dict.fromkeys(("estimate", "std_error", "low", "high"), math.nan)
    return {
        "part": part,
        "method": method,
        "unit": unit,
        **empty,
        "people": None,
        "status": "not_estimable",
        "note": why,
    }
