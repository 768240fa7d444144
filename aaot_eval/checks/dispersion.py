"""Single periods that do not fit a series: a coding change, a partial month, a burst of one person's admissions."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from scipy.special import stdtr

from aaot_eval.checks import CHECKS, FAIL_P
from aaot_eval.checks.autocorrelation import series_fit
from aaot_eval.estimators import Estimator
from aaot_eval.estimators._count_series import SeriesFit, correlation
from aaot_eval.results import Analysis, CheckResult, CheckVerdict, Design, Estimate, Panel
from aaot_eval.wording import p_text


@CHECKS.register("dispersion")
class Dispersion:
    """The most outlying period of a series, by its studentised residual with a Bonferroni correction."""

    designs: ClassVar[tuple[Design, ...]] = ("series", "controlled_series")

    def run(
        self, estimator: Estimator, panel: Panel, analysis: Analysis, estimate: Estimate, *, seed: int
    ) -> CheckResult:
        """Which period lies furthest out and whether chance would put one so far; the dispersion beside it."""
        fitted = series_fit(estimator, panel, analysis, estimate)
        if fitted is None:
            return CheckResult("dispersion", analysis.name, "not_evaluable",
                               "Outlying periods could not be looked for: there is no fitted series with anything left over.")  # fmt: skip
        fit, used = fitted.headline, np.flatnonzero(fitted.series.used)
        t = studentised(fit)
        furthest = int(np.nanargmax(np.abs(t)))
        p = min(1.0, fit.n * 2 * float(stdtr(fit.n - fit.p - 1, -abs(t[furthest]))))
        # Counts are skewed, so a large one lies further out than the t distribution says: never worse than a warning.
        verdict: CheckVerdict = "warn" if p < FAIL_P else "pass"
        label = fitted.series.labels[used[furthest]]
        where = "above" if t[furthest] > 0 else "below"
        if verdict == "warn":
            chance = p_text(p)
            sentence = f"{label} lies further {where} the fitted series than chance explains ({chance}); look at what was recorded then."
        else:
            spread = (
                f" The counts vary {fit.phi_raw:.1f} times as much as pure chance would give."
                if fitted.series.floor
                else ""
            )
            sentence = f"No period lies outside what the fitted spread explains.{spread}"
        table = pd.DataFrame({"t": used, "period": [fitted.series.labels[i] for i in used], "studentised": t})
        return CheckResult(
            "dispersion", analysis.name, verdict, sentence, statistic=float(t[furthest]), value_name="largest studentised residual",
            threshold=f"Bonferroni p at least {FAIL_P}", p_value=p, table=table,
            facts={"dispersion_raw": fit.phi_raw, "period": label},
        )  # fmt: skip


def studentised(fit: SeriesFit) -> np.ndarray:
    """Externally studentised residuals (n) of the whitened regression, t(n - p - 1) each; NaN where a period is fitted exactly."""
    factor = np.linalg.cholesky(correlation(fit.lags, fit.rho, fit.share))
    X = np.linalg.solve(factor, fit.working_columns)
    e = np.linalg.solve(factor, fit.residuals)
    free = 1 - np.einsum("ij,jk,ik->i", X, fit.unscaled, X)
    df = fit.n - fit.p
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(free > 1e-8, e**2 / (fit.phi_raw * free), np.nan)
        return np.asarray(np.sign(e) * np.sqrt(r2 * (df - 1) / np.maximum(df - r2, 1e-12)))
