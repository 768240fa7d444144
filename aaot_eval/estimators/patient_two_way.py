"""The usual two-way models over people, before and after their own referral: a foil beside the comparisons that remove selection.

Why its numbers are not to be believed where people are referred at their peak: docs/methods/patient_two_way.md.
"""

from __future__ import annotations

import importlib
import math
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from aaot_eval.errors import Problem
from aaot_eval.estimators import ESTIMATORS
from aaot_eval.estimators._cohorts import RULE_OUTCOME, PersonMonths, patient_objections, person_months, scale_of
from aaot_eval.results import Analysis, Design, Estimate, Panel, Scale

EXTRA = "not run: extra not installed (install aaot-eval[patients])"
WARNING = (
    "foil: people are compared with themselves before referral, so it is biased where they are referred at a peak; "
    "its size then depends on how many months before referral are in the file"
)
PEAK_FREE = (
    "no peak before referral was found: it rests on the referred moving like the others but for the team; clustered errors with "
    "few hospitals that start are too small, and matching on past levels misleads here (Daw and Hatfield 2018)"
)

SETTLED = 1e-12
"""Where the library's iterations end. At its own 1e-8 the order of rows shows in the seventh digit of a standard error."""
FIGURES = 10


@ESTIMATORS.register("patient_two_way")
@dataclass(frozen=True)
class PatientTwoWay:
    """Poisson and linear regression on person and month effects, the referred against people of hospitals without the service.

    Standard errors are clustered by hospital, because the service is given to hospitals. Needs the extra `patients` (pyfixest);
    without it the rows say so.

    no_peak  the dip test found no peak before referral: the note then says what the number still rests on
    """

    design: ClassVar[Design] = "patients"
    conf_level: float = 0.95
    no_peak: bool = False

    def objections(self, panel: Panel, analysis: Analysis) -> list[Problem]:
        """Why the models cannot be fitted, or cannot be the primary analysis."""
        found = patient_objections(panel, analysis, RULE_OUTCOME, None, None)
        if found:
            return found
        people = person_months(panel, analysis.outcome, analysis.outcome)
        if people.treated.all():
            found.append(Problem("E436", "no hospital without the service is in these data", where=analysis.name,
                                 do="use own_cohorts, which compares one hospital with its own past"))  # fmt: skip
        if analysis.primary:
            found.append(Problem("E442", "two-way models over people compare the referred with themselves and cannot be the headline",
                                 where=analysis.name, do='use estimator = "entry_rule" or "risk_set"'))  # fmt: skip
        return found

    def fit(self, panel: Panel, analysis: Analysis, *, seed: int) -> tuple[Estimate, ...]:
        """The Poisson ratio and the linear difference a person-year; nothing here is random: `seed` is not used."""
        people = person_months(panel, analysis.outcome, analysis.outcome)
        ratio, difference = scale_of(panel, analysis.outcome), "rate_difference"
        library = _pyfixest()
        if library is None:
            return tuple(self._row(analysis, people, s, note=EXTRA, status="not_run") for s in (ratio, difference))  # type: ignore[arg-type]
        frame = person_rows(people, panel)
        return (
            self._fitted(analysis, people, frame, library.fepois, ratio),
            self._fitted(analysis, people, frame, library.feols, "rate_difference"),
        )

    def _fitted(
        self, analysis: Analysis, people: PersonMonths, frame: pd.DataFrame, model: Any, scale: Scale
    ) -> Estimate:
        poisson = scale != "rate_difference"
        more: dict[str, Any] = {"offset": "log_days", "iwls_tol": SETTLED, "iwls_maxiter": 100} if poisson else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # people seen for one month only say nothing and are dropped
            fit = model(
                "y ~ on_team | person + month",
                frame,
                vcov={"CRV1": "hospital"},
                fixef_tol=SETTLED,
                fixef_maxiter=100_000,
                **more,
            )
        effect, error = (_figures(x["on_team"]) for x in (fit.coef(), fit.se()))
        df = int(frame["hospital"].nunique()) - 1
        half = float(stats.t.ppf((1 + self.conf_level) / 2, df)) * error
        p = float(2 * stats.t.sf(abs(effect / error), df)) if error > 0 else math.nan
        low, middle, high = ((math.exp(v) if poisson else 12 * v) for v in (effect - half, effect, effect + half))
        return self._row(analysis, people, scale, estimate=middle, std_error=error if poisson else 12 * error, conf_low=low,
                         conf_high=high, p_value=p, note=PEAK_FREE if self.no_peak else WARNING, n_obs=len(frame), n_people=int(frame["person"].nunique()))  # fmt: skip

    def _row(self, analysis: Analysis, people: PersonMonths, scale: Scale, *, estimate: float = math.nan, note: str,
             status: str = "ok", **more: Any) -> Estimate:  # fmt: skip
        kind = "linear" if scale == "rate_difference" else "Poisson"
        return Estimate(
            analysis=analysis.name, design=self.design, estimator="patient_two_way", outcome=analysis.outcome,
            estimand="the referred after their referral against before, less the same months elsewhere"
            + (", for each person-year" if kind == "linear" else ""),
            scale=scale, estimate=estimate, conf_level=self.conf_level, conf_method="none" if status == "not_run" else "wald_t",
            n_units=len(people.names), n_treated=int(people.treated.sum()), n_periods=people.n_months,
            inference=f"{kind} regression on person and month effects, clustered by hospital", status=status, note=note, **more,  # type: ignore[arg-type]
        )  # fmt: skip


def _figures(value: float) -> float:
    """A number of the library to the figures that it gives again: where its arrays lie in memory changes the fourteenth."""
    return float(f"{value:.{FIGURES}g}")


def person_rows(people: PersonMonths, panel: Panel) -> pd.DataFrame:
    """One row for each month at risk of the referred and of people of hospitals without the service, those without any event left out."""
    wanted = people.referred | ~people.treated[people.unit]
    wanted &= ((people.outcome * people.at_risk).sum(axis=1) > 0) | people.referred
    rows, months = np.nonzero(people.at_risk & wanted[:, None])
    return pd.DataFrame(
        {
            "y": people.outcome[rows, months], "on_team": (months >= people.referral[rows]).astype(float), "person": rows,
            "month": months, "hospital": people.unit[rows], "log_days": np.log(panel.periods["days"].to_numpy(dtype=float))[months],
        }
    )  # fmt: skip


def _pyfixest() -> Any | None:
    """The library of the extra `patients`, None when it is not installed."""
    try:
        return importlib.import_module("pyfixest")
    except ImportError:
        return None
